import { ChildCrashed, type ChildPool, ChildPoolClosed, ChildPoolFull, ChildTimeout } from "../../adapters/sandbox/child-pool.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { adapter } from "../catalog.ts"
import { withDefaults } from "../config.ts"
import type { CallContext, Connector, Scope, ToolResult } from "../connector.ts"
import { LOCK_MARGIN_MS, MAX_ROWS } from "./limits.ts"
import { type Place, PROBE_ROOT, type SqliteRequest } from "./protocol.ts"
import { SQLITE_TOOLS } from "./tools.ts"

export interface SqliteConnectorDeps {
  /** Children that answer SqliteRequest: `createChildPool({ command: [...selfCommand(), "__child", "sqlite"], … })`. */
  readonly children: Pick<ChildPool, "run">
  /** The folder of a project's databases, absolute. Made by the first write. */
  readonly dataRootOf: (scope: Scope) => string
  /** Further folders, absolute, that `sqlite_data_root` of any project may name: the operator's to decide. */
  readonly allowedRoots: readonly string[]
  /** The runtime's own data directory: what is in it is refused, but for the project's own folder. */
  readonly forbiddenRoots: readonly string[]
}

/** SQLite files of this machine, one folder per project. All work is done in a child process. */
export function createSqliteConnector(deps: SqliteConnectorDeps): Connector {
  const documented = adapter("sqlite")
  const run = async (
    tool: string,
    args: JsonObject,
    path: string,
    settings: Settings,
    context: CallContext,
  ): Promise<ToolResult> => {
    const budgetMs = Math.min(context.timeoutMs, settings.timeoutMs)
    const request: SqliteRequest = {
      tool,
      args,
      path,
      place: placeOf(deps, context.scope, settings),
      maxRows: settings.maxRows,
      allowWrite: settings.allowWrite,
      lockMs: Math.max(0, Math.floor(budgetMs - LOCK_MARGIN_MS)),
    }
    return send(deps.children, request, budgetMs, context.signal)
  }
  return {
    ...documented,
    tools: SQLITE_TOOLS,
    async call(name, args, context) {
      const tool = SQLITE_TOOLS.find(t => t.name === name)
      if (!tool) return refusal(`the SQLite connector has no tool ${JSON.stringify(name.slice(0, 120))}`)
      const settings = settingsOf(withDefaults(documented.configSchema, context.config))
      if (typeof settings === "string") return refusal(settings)
      if (!tool.annotations?.readOnlyHint && !settings.allowWrite) {
        return refusal(`${name} writes, and sqlite_allow_write is not switched on in the configuration of this instance`)
      }
      const path = typeof args.database_path === "string" ? args.database_path : settings.defaultPath
      if (path === "")
        return refusal("no database is named: pass database_path, or set sqlite_default_database_path in the configuration")
      return run(name, args, path, settings, context)
    },
    /** Is the data root one that may be used, and can the default database be read, where one is named? */
    async probe(context) {
      const settings = settingsOf(withDefaults(documented.configSchema, context.config))
      if (typeof settings === "string") return refusal(settings)
      if (settings.defaultPath === "" || settings.allowWrite) return run(PROBE_ROOT, {}, "", settings, context)
      return run("sqlite_get_database_info", {}, settings.defaultPath, settings, context)
    },
  }
}

interface Settings {
  readonly root: string
  readonly defaultPath: string
  readonly timeoutMs: number
  readonly maxRows: number
  readonly allowWrite: boolean
}

/** A sentence when a value is out of its range. */
function settingsOf(config: JsonObject): Settings | string {
  const seconds = Number(config.sqlite_query_timeout_seconds)
  if (!(seconds > 0)) return "sqlite_query_timeout_seconds must be more than 0"
  const maxRows = Number(config.sqlite_max_rows)
  if (!Number.isInteger(maxRows) || maxRows < 1 || maxRows > MAX_ROWS)
    return `sqlite_max_rows must be a whole number from 1 to ${MAX_ROWS}`
  return {
    root: String(config.sqlite_data_root ?? ""),
    defaultPath: String(config.sqlite_default_database_path ?? ""),
    timeoutMs: seconds * 1_000,
    maxRows,
    allowWrite: config.sqlite_allow_write === true,
  }
}

function placeOf(deps: SqliteConnectorDeps, scope: Scope, settings: Settings): Place {
  return {
    defaultRoot: deps.dataRootOf(scope),
    configuredRoot: settings.root,
    allowedRoots: deps.allowedRoots,
    forbiddenRoots: deps.forbiddenRoots,
  }
}

async function send(
  children: Pick<ChildPool, "run">,
  request: SqliteRequest,
  budgetMs: number,
  signal: AbortSignal,
): Promise<ToolResult> {
  // The pool counts from the moment a child takes the job; the call's time starts now.
  const deadline = AbortSignal.timeout(budgetMs)
  try {
    // The cast: our own child answers with nothing else.
    return (await children.run(request, { deadlineMs: budgetMs, signal: AbortSignal.any([signal, deadline]) })) as ToolResult
  } catch (error) {
    if (signal.aborted) return refusal("the call was cancelled")
    if (deadline.aborted || error instanceof ChildTimeout) {
      const message = `${request.tool} took longer than ${budgetMs / 1_000} s and was stopped; nothing of it is half done`
      return { ok: false, message, retryable: true, timeout: true }
    }
    if (error instanceof ChildCrashed)
      return { ok: false, message: "the SQLite process ended in the middle of the call", retryable: true }
    if (error instanceof ChildPoolFull) return { ok: false, message: "too many SQLite calls wait already", retryable: true }
    if (error instanceof ChildPoolClosed) return { ok: false, message: "the runtime is shutting down", retryable: true }
    throw error
  }
}

function refusal(message: string): ToolResult {
  return { ok: false, message, retryable: false }
}
