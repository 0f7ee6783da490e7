import { canonicalUrl, findAdapter, slugOfUrl } from "../../connectors/catalog.ts"
import { missingKeys } from "../../connectors/config.ts"
import type { Connector, Connectors, Scope } from "../../connectors/connector.ts"
import type { InstanceReference, ResolveForRun, UnresolvedInstance, UnresolvedReason } from "../../connectors/resolve.ts"
import type { Clock } from "../../kernel/clock.ts"
import type { Ids } from "../../kernel/ids.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { NAME_MAX_CHARS } from "../../kernel/limits.ts"
import type { InstanceRow, InstanceWithProfile, McpStore, ProfileRow } from "./store.ts"
import { effectiveConfig } from "./wiring.ts"

export interface ResolveDeps {
  readonly store: McpStore
  readonly connectors: Connectors
  readonly clock: Clock
  readonly ids: Ids
  /** Where this instance is reached; addresses below it name its own connectors. */
  readonly publicUrl: string
}

export interface FoundInstance extends InstanceWithProfile {
  readonly ok: true
  readonly connector: Connector
  /** How it was found: named, the project's, or made just now. */
  readonly source: "step" | "project" | "created"
}

export interface Resolver {
  /** `missing` says what to do when the project has none: look only, or make one if no configuration is needed. */
  find(reference: InstanceReference, missing: "look" | "create"): Promise<FoundInstance | UnresolvedInstance>
  readonly forRun: ResolveForRun
}

/** Which instance serves an address or an id, for one project (contract G-24). */
export function createResolver(deps: ResolveDeps): Resolver {
  const { store, connectors, publicUrl } = deps

  async function byId(scope: Scope, instanceId: string): Promise<FoundInstance | UnresolvedInstance> {
    const found = await store.findInstance(scope, instanceId)
    if (!found) return unresolved("foreign", "instance_id names no instance of this project; use server_url, which is portable")
    const connector = connectors.get(found.instance.serverSlug)
    if (!connector) return unresolved("unknown_server", `the tools of ${found.instance.serverSlug} are not part of this version`)
    return { ok: true, ...found, connector, source: "step" }
  }

  async function byUrl(scope: Scope, serverUrl: string, missing: "look" | "create"): Promise<FoundInstance | UnresolvedInstance> {
    const slug = slugOfUrl(serverUrl, publicUrl) ?? ""
    const connector = connectors.get(slug)
    if (!connector) return unresolved("unknown_server", unknownServer(slug))
    const instances = await store.instancesOf(scope, slug)
    const [only] = instances
    const chosen = instances.find(i => isComplete(connector, i.profile)) ?? (instances.length === 1 ? only : undefined)
    if (chosen) return { ok: true, ...chosen, connector, source: "project" }
    if (only) {
      return unresolved(
        "ambiguous",
        `the project has ${instances.length} instances of ${slug} and none is configured; name one by instance_id`,
      )
    }
    const needed = missingKeys(connector.configSchema, {})
    if (needed.length > 0)
      return unresolved("no_instance", `${connector.name} needs an instance with ${needed.join(", ")}; add one first`)
    if (missing === "look")
      return unresolved("no_instance", `the project has no instance of ${slug} yet; one is made when a run needs it`)
    return await create(scope, connector)
  }

  async function create(scope: Scope, connector: Connector): Promise<FoundInstance | UnresolvedInstance> {
    const { instance, profile } = newInstance(deps, scope, connector, { name: connector.name, config: {} })
    const { id, created } = await store.insertFirstInstance(instance, profile)
    if (created) return { ok: true, instance, profile, connector, source: "created" }
    const found = await byId(scope, id)
    return found.ok ? { ...found, source: "project" } : found
  }

  const find: Resolver["find"] = async (reference, missing) => {
    if (reference.instanceId !== undefined) return await byId(reference, reference.instanceId)
    if (reference.serverUrl !== undefined) return await byUrl(reference, reference.serverUrl, missing)
    return unresolved("no_instance", "the step names neither server_url nor instance_id")
  }

  return {
    find,
    async forRun(reference) {
      const found = await find(reference, "create")
      if (!found.ok) return found
      const config = found.profile ? effectiveConfig(found.profile) : {}
      const { instance, connector } = found
      return { ok: true, instanceId: instance.id, slug: connector.slug, server: connector, config }
    },
  }
}

/** The rows of a new instance with its first, active profile. */
export function newInstance(
  { clock, ids }: Pick<ResolveDeps, "clock" | "ids">,
  { tenantId, projectId }: Scope,
  connector: Connector,
  given: { readonly name: string; readonly config: JsonObject },
): { readonly instance: InstanceRow; readonly profile: ProfileRow } {
  const now = clock.now()
  const owner = { tenantId, projectId, createdAt: now, updatedAt: now }
  const instance: InstanceRow = {
    ...owner,
    id: ids.uuid(),
    serverId: connector.slug,
    serverSlug: connector.slug,
    serverUrl: canonicalUrl(connector.slug),
    name: given.name.slice(0, NAME_MAX_CHARS),
    status: "active",
  }
  const profile: ProfileRow = {
    ...owner,
    id: ids.uuid(),
    instanceId: instance.id,
    name: "default",
    active: true,
    config: given.config,
    sourceSpec: {},
  }
  return { instance, profile }
}

export function isComplete(connector: Connector, profile: ProfileRow | null): boolean {
  return profile !== null && missingKeys(connector.configSchema, effectiveConfig(profile)).length === 0
}

function unknownServer(slug: string): string {
  const known = findAdapter(slug)
  if (known) return `${known.name} is in the catalog, but its tools are not part of this version`
  return `server_url names no server of the catalog; a platform adapter's is ${canonicalUrl("{slug}")}`
}

function unresolved(reason: UnresolvedReason, message: string): UnresolvedInstance {
  return { ok: false, reason, message }
}
