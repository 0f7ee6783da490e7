import type { Scope } from "../../connectors/connector.ts"
import type { Page, PageOf } from "../../http/paging.ts"
import type { Caller } from "../../http/permission.ts"
import { type Clock, rfc3339 } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import type { Ids } from "../../kernel/ids.ts"
import type { Json, JsonObject } from "../../kernel/json.ts"
import { SERVERS_MAX, type Servers } from "./directory.ts"
import { readConfigSchema } from "./remote-schema.ts"
import type { RegisteredServer } from "./remote-server.ts"
import { readTools, remoteToolOf, storedTool } from "./remote-tools.ts"
import { type AddressDeps, checkAddress, checkBridge, serviceOf } from "./server-address.ts"
import type { Asked, ServerAsk } from "./server-ask.ts"
import { configSchemaBody, serverBody, toolBody, versionBody } from "./server-bodies.ts"
import type {
  AskAs,
  BindingValidationBody,
  CreateServer,
  DiscoveryBody,
  PatchServer,
  Publish,
  ServerBody,
  ServerValidationBody,
  VersionBody,
} from "./server-contract.ts"
import type { ServerChange, ServerRow, ServerStore, ServerWithVersion, VersionRow, VersionSize } from "./server-store.ts"

const VERSIONS_MAX = 200
/** Of all versions of a server: its list of versions holds their tools. Some hundreds of ordinary ones. */
const VERSIONS_MAX_CHARS = 32 * 1024 * 1024

export interface ServerServiceDeps extends AddressDeps {
  readonly store: ServerStore
  readonly directory: Servers
  readonly ask: ServerAsk
  readonly clock: Clock
  readonly ids: Ids
  /** With its profiles and their secrets. */
  readonly removeInstance: (scope: Scope, id: string) => Promise<void>
  /** What was resolved of a server must be resolved anew. */
  readonly changed: () => void
}

/**
 * The tool servers of a workspace (contract §8), and those of the operator beside them, which can only be looked at. Whatever
 * is another workspace's is `not_found`.
 */
export class ServerService {
  constructor(private readonly deps: ServerServiceDeps) {}

  /** The workspace's, oldest first, then the operator's. */
  async list(scope: Scope, page: Page): Promise<PageOf<ServerBody>> {
    const { store, directory } = this.deps
    const { items, total } = await store.list(scope, page)
    const operators = directory.operators(scope)
    const from = Math.max(0, page.offset - total)
    const rest = operators.slice(from, from + page.limit - items.length)
    const bodies = [...items.map(item => this.#body(scope, item)), ...rest.map(server => this.#operatorBody(scope, server))]
    return { items: bodies, total: total + operators.length }
  }

  async get(scope: Scope, id: string): Promise<ServerBody> {
    const operators = this.deps.directory.operator(scope, id)
    return operators ? this.#operatorBody(scope, operators) : this.#body(scope, await this.#one(scope, id))
  }

  async create(caller: Caller, input: CreateServer): Promise<ServerBody> {
    const { store, clock, ids } = this.deps
    const now = clock.now()
    const row: ServerRow = {
      id: ids.uuid(),
      tenantId: caller.tenantId,
      name: input.name,
      service: serviceOf(input.name),
      description: input.description ?? "",
      canonicalUrl: checkAddress(this.deps, "canonical_url", input.canonical_url),
      mode: input.mode ?? "third_party",
      authMode: input.auth_mode ?? "token",
      status: "draft",
      statusReason: null,
      bridge: this.#bridge(input.bridge),
      activeVersionId: null,
      lastValidation: null,
      lastValidatedAt: null,
      createdBy: caller.userId,
      createdAt: now,
      updatedAt: now,
    }
    const done = await store.insert(row, SERVERS_MAX)
    if (done === "full") throw new AppError("invalid", `a workspace has at most ${SERVERS_MAX} MCP servers; delete one first`)
    if (done === "taken") throw taken()
    this.deps.changed()
    return this.#body(caller, { server: row, version: null })
  }

  /** Another address or way of authentication has to be validated anew. */
  async patch(caller: Caller, id: string, patch: PatchServer): Promise<ServerBody> {
    const { server } = await this.#one(caller, id)
    const moved: ServerChange = {
      ...(patch.canonical_url !== undefined && { canonicalUrl: checkAddress(this.deps, "canonical_url", patch.canonical_url) }),
      ...(patch.auth_mode !== undefined && { authMode: patch.auth_mode }),
      ...(patch.bridge !== undefined && { bridge: this.#bridge(patch.bridge) }),
    }
    const isMoved = Object.keys(moved).length > 0
    // Their credentials would go to the new address.
    if (isMoved) await this.#checkUse(caller, id, "its address and authentication")
    const change: ServerChange = {
      ...moved,
      ...(patch.name !== undefined && { name: patch.name }),
      ...(patch.description !== undefined && { description: patch.description }),
      ...(isMoved && { status: "draft", statusReason: null, lastValidation: null, lastValidatedAt: null }),
      updatedAt: this.deps.clock.now(),
    }
    if (!(await this.deps.store.update(caller, id, change))) throw taken()
    this.#forget(server.id)
    return this.#body(caller, await this.#one(caller, id))
  }

  async remove(caller: Caller, id: string, force: boolean): Promise<void> {
    const { store, removeInstance } = this.deps
    await this.#one(caller, id)
    if (force) {
      await this.#checkUse(caller, id, "it")
      for (const use of await store.instances(caller, id)) {
        await removeInstance({ tenantId: caller.tenantId, projectId: use.projectId }, use.id)
      }
    }
    const done = await store.remove(caller, id)
    if (done === "missing") throw noServer()
    if (done === "in_use") {
      const used = (await store.instances(caller, id)).length
      const whose = used === 1 ? "an instance uses" : `${used} instances use`
      throw new AppError("conflict", `${whose} this server; remove them first, or send ?force=true to remove them with it`, {
        code: "SERVER_IN_USE",
        fields: { instances: used },
      })
    }
    this.#forget(id)
  }

  /** Throws `invalid` with the server's own sentence when it cannot be asked, or has no tools. */
  async discover(scope: Scope, id: string, as: AskAs, signal: AbortSignal): Promise<DiscoveryBody> {
    const server = await this.#registered(scope, id)
    const asked = await this.deps.ask.discover(scope, server, as, signal)
    this.deps.changed()
    const { facts, tools, problems } = asked
    return {
      server_id: server.id,
      server: { name: facts.name, version: facts.version, protocol_version: facts.protocolVersion },
      tools: tools.map(toolBody),
      tool_count: tools.length,
      config_schema: configSchemaBody(asked.configSchema),
      drift: this.#drift(scope, server),
      problems: [...problems],
    }
  }

  async publish(caller: Caller, id: string, input: Publish, signal: AbortSignal): Promise<VersionBody> {
    const { store, clock, ids } = this.deps
    const { server } = await this.#one(caller, id)
    const versions = await store.versionSizes(caller, id)
    refuseTooMany(versions)
    const said = input.tools && input.config_schema ? null : await this.#said(caller, id, input, signal)
    const row: VersionRow = {
      id: ids.uuid(),
      serverId: server.id,
      tenantId: caller.tenantId,
      version: input.version ?? nextVersion(versions),
      tools: [...(input.tools ? givenTools(input.tools as readonly JsonObject[]) : (said?.tools ?? []).map(storedTool))],
      configSchema: input.config_schema
        ? givenSchema(input.config_schema as JsonObject) // it came as JSON
        : ((said?.configSchema ?? {}) as unknown as JsonObject), // plain data
      createdBy: caller.userId,
      createdAt: clock.now(),
    }
    const active = input.activate ?? true
    const change = active ? { activeVersionId: row.id, updatedAt: row.createdAt } : null
    if (!(await store.publish(row, change))) {
      throw new AppError("conflict", `version ${row.version} is published already; a version never changes, so name another one`)
    }
    this.deps.changed()
    return versionBody(row, active)
  }

  async versions(scope: Scope, id: string): Promise<readonly VersionBody[]> {
    const { server } = await this.#one(scope, id)
    const rows = await this.deps.store.versions(scope, id, VERSIONS_MAX)
    return rows.map(row => versionBody(row, row.id === server.activeVersionId))
  }

  /** Draft and error become active when all checks are well; what was active becomes error when one is not. */
  async validate(scope: Scope, id: string, as: AskAs, signal: AbortSignal): Promise<ServerValidationBody> {
    const { directory, ask, store, clock } = this.deps
    const server = await this.#registered(scope, id)
    const { checks, valid } = await ask.validate(scope, server, as, signal)
    const now = clock.now()
    const failed = checks.find(check => check.status === "failed")
    const status = valid ? "active" : server.status === "draft" ? "draft" : "error"
    if (directory.operator(scope, id) === null) {
      const reason = failed && status === "error" ? `${failed.id}: ${failed.message}` : null
      const lastValidation: JsonObject = { valid, checks: checks.map(check => ({ ...check })) }
      await store.update(scope, id, { status, statusReason: reason, lastValidation, lastValidatedAt: now })
      this.deps.changed()
    }
    return {
      server_id: server.id,
      valid,
      status: valid ? "passed" : "failed",
      checks: checks.map(check => ({ ...check })),
      server_status: status,
      validated_at: rfc3339(now),
    }
  }

  /** Whether a connection gives what the server's configuration needs, and whether the server takes it. */
  async validateBinding(scope: Scope, id: string, connectionId: string, signal: AbortSignal): Promise<BindingValidationBody> {
    const server = await this.#registered(scope, id)
    const checks = await this.deps.ask.binding(scope, server, connectionId, signal)
    const valid = checks.every(check => check.status !== "failed")
    return {
      server_id: server.id,
      connection_id: connectionId,
      valid,
      status: valid ? "passed" : "failed",
      checks: checks.map(check => ({ ...check })),
      validated_at: rfc3339(this.deps.clock.now()),
    }
  }

  async #one(scope: Scope, id: string): Promise<ServerWithVersion> {
    const found = await this.deps.store.find(scope, id)
    if (found) return found
    if (this.deps.directory.operator(scope, id)) {
      throw new AppError(
        "invalid",
        "this server is declared by the operator, in the setting mcp.stdio; it cannot be changed here",
      )
    }
    throw noServer()
  }

  async #registered(scope: Scope, id: string): Promise<RegisteredServer> {
    const found = await this.deps.directory.find(scope, id)
    if (!found) throw noServer()
    return found
  }

  /** A server is the workspace's: who is at home in one project does not decide over the instances of another. */
  async #checkUse(caller: Caller, id: string, what: string): Promise<void> {
    if (caller.role === "tenant_admin") return
    const uses = await this.deps.store.instances(caller, id)
    if (uses.every(use => use.projectId === caller.projectId)) return
    throw new AppError("forbidden", `instances of other projects use this server, so only a tenant_admin may change ${what}`, {
      code: "INSUFFICIENT_ROLE",
    })
  }

  #bridge(given: CreateServer["bridge"]): JsonObject | null {
    return given === undefined || given === null ? null : checkBridge(this.deps, given as JsonObject) // it came as JSON
  }

  async #said(caller: Caller, id: string, as: AskAs, signal: AbortSignal): Promise<Asked> {
    return await this.deps.ask.discover(caller, await this.#registered(caller, id), as, signal)
  }

  /** 1.0.0, then the last number of the newest one and one more. */
  #forget(id: string): void {
    this.deps.directory.known.forget(id)
    this.deps.changed()
  }

  #drift(scope: Scope, server: RegisteredServer): DiscoveryBody["drift"] {
    const drift = this.deps.directory.drift(scope, server)
    return drift && { added: [...drift.added], removed: [...drift.removed], changed: [...drift.changed] }
  }

  #body(scope: Scope, found: ServerWithVersion): ServerBody {
    const server = this.deps.directory.registered(found)
    return serverBody(server, found.server, server.tools, this.#drift(scope, server))
  }

  #operatorBody(scope: Scope, server: RegisteredServer): ServerBody {
    return serverBody(server, null, this.deps.directory.known.said(scope, server.id) ?? [], null)
  }
}

function givenTools(given: readonly JsonObject[]): readonly JsonObject[] {
  const { tools, problems } = readTools(given.map(remoteToolOf))
  if (problems.length > 0) throw new AppError("invalid", `tools: ${problems.slice(0, 3).join("; ")}`)
  return tools.map(storedTool)
}

function givenSchema(given: Json): JsonObject {
  const read = readConfigSchema(given)
  if (!read.ok) throw new AppError("invalid", `config_schema: ${read.message}`)
  return read.schema as unknown as JsonObject // plain data
}

function noServer(): AppError {
  return new AppError("not_found", "no such MCP server")
}

function taken(): AppError {
  return new AppError("conflict", "the workspace has a server of this canonical_url already", { code: "SERVER_EXISTS" })
}

function refuseTooMany(versions: readonly VersionSize[]): void {
  if (versions.length >= VERSIONS_MAX) throw new AppError("invalid", `a server has at most ${VERSIONS_MAX} versions`)
  if (versions.reduce((sum, { chars }) => sum + chars, 0) < VERSIONS_MAX_CHARS) return
  const most = `${VERSIONS_MAX_CHARS / 1024 / 1024} MiB of tools`
  throw new AppError("invalid", `the versions of a server hold at most ${most} together; register the server anew to begin again`)
}

/** One more than the newest, past those that are taken. */
function nextVersion(versions: readonly VersionSize[]): string {
  const taken = new Set(versions.map(({ version }) => version))
  const newest = versions[0]?.version
  const [, major, patch] = /^(\d{1,9}\.\d{1,9})\.(\d{1,9})$/.exec(newest ?? "") ?? []
  let next = newest === undefined ? 0 : Number(patch ?? 0) + 1
  while (taken.has(`${major ?? "1.0"}.${next}`)) next++
  return `${major ?? "1.0"}.${next}`
}
