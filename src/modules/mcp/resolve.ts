import type { Scope } from "../../connectors/connector.ts"
import type {
  InstanceReference,
  ResolvedInstance,
  ResolveForRun,
  UnresolvedInstance,
  UnresolvedReason,
} from "../../connectors/resolve.ts"
import { asker } from "../../kernel/asker.ts"
import type { Clock } from "../../kernel/clock.ts"
import type { Ids } from "../../kernel/ids.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { MCP_RESOLVED_KEPT_MAX, MCP_RESOLVED_KEPT_MS, MCP_TOOLS_TIMEOUT_MS, NAME_MAX_CHARS } from "../../kernel/limits.ts"
import { Recent } from "../../storage/recent.ts"
import { guarded, secretsIn } from "./guarded.ts"
import type { KnownServer, KnownServers } from "./known-servers.ts"
import type { ProfileValues } from "./profile-values.ts"
import type { InstanceRow, InstanceWithProfile, McpStore, ProfileRow } from "./store.ts"
import { missingIn, type Wiring } from "./wiring.ts"

/** The connection that an instance uses in the runs of one workflow; null: its own. */
export type OverrideOf = (scope: Scope, workflowId: string, instanceId: string) => Promise<string | null>

export interface ResolveDeps {
  readonly store: McpStore
  readonly servers: KnownServers
  readonly values: ProfileValues
  readonly overrideOf: OverrideOf
  readonly clock: Clock
  readonly ids: Ids
}

export interface FoundInstance extends InstanceWithProfile {
  readonly ok: true
  readonly server: KnownServer
  /** How it was found: named, the project's, or made just now. */
  readonly source: "step" | "project" | "created"
}

/** An instance with the values that its tools are called with, secrets included. */
export interface WiredInstance extends FoundInstance {
  readonly config: JsonObject
  readonly connectionId: string | null
  readonly sourcedKeys: ReadonlySet<string>
}

/** Which instance serves an address or an id, for one project (contract G-24), and with what it is called. */
export class Resolver {
  /**
   * Every step of every run asks. A builder's select takes 14 µs, a secret twice that; what is kept is dropped with every change
   * that this process makes, and a token that another one refreshed is used at most this long.
   */
  readonly #kept = new Recent<ResolvedInstance>(MCP_RESOLVED_KEPT_MAX, MCP_RESOLVED_KEPT_MS)

  constructor(private readonly deps: ResolveDeps) {}

  /** An instance, a profile, a connection, an override or a server is not what it was. */
  changed(): void {
    this.#kept.clear()
  }

  /** `missing` says what to do when the project has none: look only, or make one if no configuration is needed. */
  async find(reference: InstanceReference, missing: "look" | "create"): Promise<FoundInstance | UnresolvedInstance> {
    if (reference.instanceId !== undefined) return await this.#byId(reference, reference.instanceId)
    if (reference.serverUrl !== undefined) return await this.#byUrl(reference, reference.serverUrl, missing)
    return unresolved("no_instance", "the step names neither server_url nor instance_id")
  }

  readonly forRun: ResolveForRun = async reference => {
    const { tenantId, projectId, workflowId = "", instanceId = "", serverUrl = "" } = reference
    const key = JSON.stringify([tenantId, projectId, workflowId, instanceId, serverUrl])
    const now = this.deps.clock.now()
    const known = this.#kept.get(key, now)
    if (known) return known
    let failed: UnresolvedInstance | null = null
    const resolved = await this.#kept.read(key, now, async () => {
      const found = await this.#resolve(reference)
      if (found.ok) return found
      failed = found
      return null
    })
    return resolved ?? failed ?? unresolved("no_instance", "the instance could not be resolved")
  }

  async #resolve(reference: InstanceReference): Promise<ResolvedInstance | UnresolvedInstance> {
    const found = await this.find(reference, "create")
    const wired = found.ok ? await this.#wired(reference, found) : found
    if (!wired.ok) return wired
    const { instance, server, config, connectionId } = wired
    const opened = await server.open({ instanceId: instance.id, config, connectionId }, toolsAsking(reference, instance))
    const secrets = secretsIn(server.configSchema, config, wired.sourcedKeys)
    // Nothing of ours that has no secrets is given one back.
    const safe = secrets.length === 0 && server.connector ? opened : guarded(opened, secrets)
    return { ok: true, instanceId: instance.id, slug: server.slug, server: safe, config, connectionId }
  }

  /** With what an instance is called. Its server is not asked: it may be the one that wants to know. */
  async wired(reference: InstanceReference & { readonly instanceId: string }): Promise<WiredInstance | UnresolvedInstance> {
    const found = await this.#byId(reference, reference.instanceId)
    return found.ok ? await this.#wired(reference, found) : found
  }

  async #wired(reference: InstanceReference, found: FoundInstance): Promise<WiredInstance | UnresolvedInstance> {
    const { instance, profile, server } = found
    const missing = profile ? missingIn(server.configSchema, profile) : []
    const { workflowId } = reference
    const override = workflowId === undefined ? null : await this.deps.overrideOf(reference, workflowId, instance.id)
    if (override === null && missing.length > 0)
      return unresolved(
        "no_instance",
        `the instance ${instance.name} lacks ${missing.join(", ")}; complete its active config profile`,
      )
    const wiring: Wiring & Scope = profile ?? { ...reference, config: {}, sourceSpec: {} }
    const values = await this.deps.values.read(server.configSchema, wiring, override)
    if (!values.ok) return unresolved("no_instance", `the instance ${instance.name} cannot be used: ${values.message}`)
    const { config, connectionId, sourcedKeys } = values
    return { ...found, config, connectionId, sourcedKeys }
  }

  async #byId(scope: Scope, instanceId: string): Promise<FoundInstance | UnresolvedInstance> {
    const found = await this.deps.store.findInstance(scope, instanceId)
    if (!found) return unresolved("foreign", "instance_id names no instance of this project; use server_url, which is portable")
    const server = await this.deps.servers.byId(scope, found.instance.serverId)
    if (!server) return unresolved("unknown_server", this.deps.servers.unknown(found.instance.serverSlug))
    return { ok: true, ...found, server, source: "step" }
  }

  async #byUrl(scope: Scope, serverUrl: string, missing: "look" | "create"): Promise<FoundInstance | UnresolvedInstance> {
    const server = await this.deps.servers.byUrl(scope, serverUrl)
    if (!server) return unresolved("unknown_server", this.deps.servers.unknown(serverUrl))
    const instances = await this.deps.store.instancesOf(scope, server.id)
    const [only] = instances
    const chosen = instances.find(i => isComplete(server, i.profile)) ?? (instances.length === 1 ? only : undefined)
    if (chosen) return { ok: true, ...chosen, server, source: "project" }
    if (only) {
      return unresolved(
        "ambiguous",
        `the project has ${instances.length} instances of ${server.slug} and none is configured; name one by instance_id`,
      )
    }
    const needed = missingIn(server.configSchema, NOTHING)
    if (needed.length > 0)
      return unresolved("no_instance", `${server.name} needs an instance with ${needed.join(", ")}; add one first`)
    if (missing === "look")
      return unresolved("no_instance", `the project has no instance of ${server.slug} yet; one is made when a run needs it`)
    return await this.#create(scope, server)
  }

  async #create(scope: Scope, server: KnownServer): Promise<FoundInstance | UnresolvedInstance> {
    const { instance, profile } = newInstance(this.deps, scope, server, { name: server.name, ...NOTHING })
    const { id, created } = await this.deps.store.insertFirstInstance(instance, profile)
    if (created) return { ok: true, instance, profile, server, source: "created" }
    const found = await this.#byId(scope, id)
    return found.ok ? { ...found, source: "project" } : found
  }
}

const NOTHING: Wiring = { config: {}, sourceSpec: {} }

/** The rows of a new instance with its first, active profile. */
export function newInstance(
  { clock, ids }: Pick<ResolveDeps, "clock" | "ids">,
  { tenantId, projectId }: Scope,
  server: KnownServer,
  given: Wiring & { readonly name: string; readonly profileId?: string },
): { readonly instance: InstanceRow; readonly profile: ProfileRow } {
  const now = clock.now()
  const owner = { tenantId, projectId, createdAt: now, updatedAt: now }
  const instance: InstanceRow = {
    ...owner,
    id: ids.uuid(),
    serverId: server.id,
    serverSlug: server.slug,
    serverUrl: server.canonicalUrl,
    name: given.name.slice(0, NAME_MAX_CHARS),
    status: "active",
  }
  const profile: ProfileRow = {
    ...owner,
    id: given.profileId ?? ids.uuid(),
    instanceId: instance.id,
    name: "default",
    active: true,
    config: given.config,
    sourceSpec: given.sourceSpec,
  }
  return { instance, profile }
}

export function isComplete(server: KnownServer, profile: ProfileRow | null): boolean {
  return profile !== null && missingIn(server.configSchema, profile).length === 0
}

function toolsAsking({ tenantId, projectId }: Scope, { id, serverSlug }: InstanceRow) {
  return {
    scope: { tenantId, projectId },
    asker: asker(`tools of ${serverSlug} (instance ${id})`, { tenantId, projectId }),
    signal: AbortSignal.timeout(MCP_TOOLS_TIMEOUT_MS),
    timeoutMs: MCP_TOOLS_TIMEOUT_MS,
  }
}

function unresolved(reason: UnresolvedReason, message: string): UnresolvedInstance {
  return { ok: false, reason, message }
}
