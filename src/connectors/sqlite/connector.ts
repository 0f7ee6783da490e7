import {
  ChildCrashed,
  ChildOutOfMemory,
  ChildPoolClosed,
  ChildPoolFull,
  ChildTimeout,
} from "../../adapters/sandbox/child-errors.ts"
import type { RunOptions } from "../../adapters/sandbox/child-job.ts"
import type { ChildPool } from "../../adapters/sandbox/child-pool.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { SQLITE_CHILD_MEMORY_MAX_BYTES } from "../../kernel/limits.ts"
import { adapter } from "../catalog.ts"
import { withDefaults } from "../config.ts"
import type { CallContext, Connector, Scope, ToolResult } from "../connector.ts"
import type { Place } from "../file-root.ts"
import { LOCK_MARGIN_MS, MAX_ROWS, TIMEOUT_MAX_MS } from "./limits.ts"
import { PROBE_ROOT, type SqliteRequest } from "./protocol.ts"
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
  /** What a database may grow to; one that is larger already may be changed, and does not grow. */
  readonly maxDatabaseMb: number
}

/**
 * SQLite files of this machine, one folder per project. All work is done in a child process; projects take turns at the
 * children. A call's limit counts from when a child begins with it, however long it waited: a limit that counted the wait
 * would let one project's long queries fail another's short ones.
 */
export function createSqliteConnector(deps: SqliteConnectorDeps): Connector {
  const documented = adapter("sqlite")
  const run = async (
    tool: string,
    args: JsonObject,
    path: string,
    settings: Settings,
    context: CallContext,
  ): Promise<ToolResult> => {
    const budgetMs = Math.min(context.timeoutMs, settings.timeoutMs, TIMEOUT_MAX_MS)
    const request: SqliteRequest = {
      tool,
      args,
      path,
      place: placeOf(deps, context.scope, settings),
      maxRows: settings.maxRows,
      allowWrite: settings.allowWrite,
      lockMs: Math.max(0, Math.floor(budgetMs - LOCK_MARGIN_MS)),
      maxDatabaseMb: deps.maxDatabaseMb,
    }
    return send(deps.children, request, { deadlineMs: budgetMs, signal: context.signal, owner: context.scope.projectId })
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
    /**
     * Is the data root one that may be used, and can the default database be read, where one is named? Somebody waits for the
     * answer, so here the wait for a child counts.
     */
    async probe(given) {
      const context = { ...given, signal: AbortSignal.any([given.signal, AbortSignal.timeout(given.timeoutMs)]) }
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

async function send(children: Pick<ChildPool, "run">, request: SqliteRequest, options: Sending): Promise<ToolResult> {
  try {
    // The cast: our own child answers with nothing else.
    return (await children.run(request, options)) as ToolResult
  } catch (error) {
    if (isTimeout(options.signal)) return { ok: false, message: "every SQLite process is busy", retryable: true, timeout: true }
    if (options.signal.aborted) return refusal("the call was cancelled")
    if (error instanceof ChildTimeout) {
      const message = `${request.tool} took longer than ${options.deadlineMs / 1_000} s and was stopped; nothing of it is half done`
      return { ok: false, message, retryable: true, timeout: true }
    }
    if (error instanceof ChildOutOfMemory) return refusal(`${request.tool} ${TOO_MUCH_MEMORY}`)
    if (error instanceof ChildCrashed)
      return { ok: false, message: "the SQLite process ended in the middle of the call", retryable: true }
    if (error instanceof ChildPoolFull) return { ok: false, message: "too many SQLite calls wait already", retryable: true }
    if (error instanceof ChildPoolClosed) return { ok: false, message: "the runtime is shutting down", retryable: true }
    throw error
  }
}

type Sending = RunOptions & { readonly signal: AbortSignal }

const TOO_MUCH_MEMORY = `took more than ${SQLITE_CHILD_MEMORY_MAX_BYTES / 1024 / 1024} MiB of memory and was stopped; nothing of it is half done. Ask for less at a time`

function isTimeout(signal: AbortSignal): boolean {
  return signal.aborted && signal.reason instanceof DOMException && signal.reason.name === "TimeoutError"
}

function refusal(message: string): ToolResult {
  return { ok: false, message, retryable: false }
}
