import type { Vault } from "../../adapters/vault/vault.ts"
import { CATALOG, canonicalUrl, findAdapter } from "../../connectors/catalog.ts"
import type { Connector, Connectors, Scope, Tool } from "../../connectors/connector.ts"
import type { CredentialsOf } from "../../connectors/credentials.ts"
import type { ResolveForRun } from "../../connectors/resolve.ts"
import type { Page, PageOf } from "../../http/paging.ts"
import type { Caller } from "../../http/permission.ts"
import { type Clock, rfc3339 } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import type { Ids } from "../../kernel/ids.ts"
import type { JsonObject } from "../../kernel/json.ts"
import type { Database, Writer } from "../../storage/database.ts"
import type { CatalogServerBody, InstanceBody, ResolutionBody, ResolveRequest, ToolBody, ValidationBody } from "./contract.ts"
import { type DriftDeps, ToolDrifts } from "./drift.ts"
import { type GraphReference, graphReferences } from "./graph-references.ts"
import { type KnownServer, KnownServers } from "./known-servers.ts"
import { ProfileSecrets } from "./profile-secrets.ts"
import { ProfileValues } from "./profile-values.ts"
import { createProfileService, noInstance, type ProfileService } from "./profiles.ts"
import type { ServerDirectory } from "./remote-server.ts"
import { isComplete, newInstance, type OverrideOf, Resolver } from "./resolve.ts"
import { createMcpStore, type InstanceWithProfile } from "./store.ts"
import { validateInstance } from "./validate.ts"
import { connectionIdsIn } from "./wiring.ts"

/** Instances of one project. */
export const INSTANCES_MAX = 1_000

export interface McpDeps {
  readonly db: Database
  readonly connectors: Connectors
  readonly directory: ServerDirectory
  readonly vault: Vault<Writer>
  readonly credentialsOf: CredentialsOf
  readonly connectionExists: (scope: { readonly tenantId: string }, connectionId: string) => Promise<boolean>
  readonly overrideOf: OverrideOf
  readonly pinnedTools: DriftDeps["pinnedTools"]
  readonly policyOf: DriftDeps["policyOf"]
  /** Variables of the server's environment that profiles may read. */
  readonly env: ReadonlyMap<string, string>
  readonly clock: Clock
  readonly ids: Ids
  /** Where this instance is reached, e.g. `http://127.0.0.1:8420`: `{publicUrl}/mcp/{slug}` names its connectors, too. */
  readonly publicUrl: string
  /** The draft graph of a workflow that the caller may see; null: there is none. */
  readonly graphOf: (workflowId: string, caller: Caller) => Promise<JsonObject | null>
}

export interface ToolFilter {
  readonly server_id?: string | undefined
  readonly instance_id?: string | undefined
  readonly q?: string | undefined
}

export interface NewInstance {
  readonly server_id: string
  readonly name?: string | undefined
  readonly config?: JsonObject | undefined
  readonly connection_id?: string | undefined
}

/** The catalog, and the project's instances of its servers. Whatever is not this project's is `not_found`. */
export interface McpService {
  /** All platform adapters, with this project's instances of each. */
  catalog(scope: Scope): Promise<readonly CatalogServerBody[]>
  /** Tools of this executable, and of the registered servers as far as they are known. */
  tools(scope: Scope, filter: ToolFilter): Promise<readonly ToolBody[]>
  list(scope: Scope, page: Page): Promise<PageOf<InstanceBody>>
  /** With a profile `default`, active. Throws `not_found` for an unknown server, `invalid` for its configuration. */
  create(scope: Scope, input: NewInstance): Promise<InstanceBody>
  get(scope: Scope, id: string): Promise<InstanceBody>
  patch(scope: Scope, id: string, patch: { readonly name?: string | undefined }): Promise<InstanceBody>
  remove(scope: Scope, id: string): Promise<void>
  validate(scope: Scope, id: string, signal: AbortSignal): Promise<ValidationBody>
  /** Which instance serves what a workflow names. */
  resolve(caller: Caller, request: ResolveRequest): Promise<ResolutionBody>
  /** For the runtime: makes an instance where none is there and no configuration is needed. */
  readonly resolveForRun: ResolveForRun
  /** With what an instance is called, without opening its server. */
  readonly wired: Resolver["wired"]
  readonly profiles: ProfileService
  readonly servers: KnownServers
  readonly drifts: ToolDrifts
  /** A connection, an override or a registered server is not what it was. */
  changed(): void
}

export function createMcpService(deps: McpDeps): McpService {
  const { connectors, clock, graphOf } = deps
  const store = createMcpStore(deps.db)
  const servers = new KnownServers(deps)
  const values = new ProfileValues(deps)
  const secrets = new ProfileSecrets(deps.vault)
  const resolver = new Resolver({ ...deps, store, servers, values })
  const changed = () => resolver.changed()
  const profiles = createProfileService({ ...deps, store, servers, values, secrets, envAllowed: [...deps.env.keys()], changed })

  async function one(scope: Scope, id: string): Promise<InstanceWithProfile> {
    const found = await store.findInstance(scope, id)
    if (!found) throw noInstance()
    return found
  }

  async function bodyOf(scope: Scope, { instance, profile }: InstanceWithProfile): Promise<InstanceBody> {
    const server = await servers.byId(scope, instance.serverId)
    return {
      id: instance.id,
      server_id: instance.serverId,
      server_slug: instance.serverSlug,
      server_url: instance.serverUrl,
      name: instance.name,
      status: instance.status,
      active_profile_id: profile?.id ?? null,
      has_connection: server !== null && isComplete(server, profile),
      created_at: rfc3339(instance.createdAt),
      updated_at: rfc3339(instance.updatedAt),
    }
  }

  async function serverOf(scope: Scope, serverId: string): Promise<KnownServer> {
    const server = await servers.byId(scope, serverId)
    if (server) return server
    const known = findAdapter(serverId)
    if (!known) throw new AppError("not_found", "no such server; see /v1/mcp/platform-catalog and /v1/mcp/servers")
    throw new AppError("invalid", `${known.name} is in the catalog, but its tools are not part of this version`, {
      code: "SERVER_NOT_AVAILABLE",
    })
  }

  async function references(caller: Caller, request: ResolveRequest): Promise<readonly GraphReference[]> {
    const { server_urls, graph, workflow_id } = request
    if ([server_urls, graph, workflow_id].filter(given => given !== undefined).length !== 1) {
      throw new AppError("bad_request", "name exactly one of server_urls, graph and workflow_id")
    }
    if (server_urls) return [...new Set(server_urls)].map(serverUrl => ({ serverUrl }))
    if (graph) return graphReferences(graph as JsonObject) // it came as JSON
    const stored = await graphOf(workflow_id ?? "", caller)
    if (!stored) throw new AppError("not_found", "no such workflow")
    return graphReferences(stored)
  }

  return {
    profiles,
    servers,
    drifts: new ToolDrifts({ ...deps, servers, resolver }),
    changed,
    resolveForRun: resolver.forRun,
    wired: reference => resolver.wired(reference),
    async catalog(scope) {
      const { items } = await store.listInstances(scope, { limit: INSTANCES_MAX, offset: 0 })
      return CATALOG.map(adapter => ({
        id: adapter.slug,
        slug: adapter.slug,
        name: adapter.name,
        description: adapter.description,
        category: adapter.category,
        canonical_url: canonicalUrl(adapter.slug),
        auth_kind: adapter.authKind,
        config_schema: adapter.configSchema as CatalogServerBody["config_schema"], // readonly there
        tool_count: adapter.toolNames.length,
        tool_names: [...adapter.toolNames],
        status: adapter.status,
        available: connectors.has(adapter.slug),
        self_hosted_only: adapter.selfHostedOnly,
        icon_url: null,
        installed_instance_ids: items.filter(i => i.instance.serverSlug === adapter.slug).map(i => i.instance.id),
      }))
    },
    async tools(scope, filter) {
      const instance = filter.instance_id === undefined ? undefined : (await one(scope, filter.instance_id)).instance
      const wanted = (id: string) => id === (filter.server_id ?? id) && id === (instance?.serverId ?? id)
      const words = (filter.q ?? "").toLowerCase().split(/\s+/)
      const own = [...connectors.values()].filter(connector => wanted(connector.slug)).flatMap(connectorTools)
      const registered = (await servers.registered(scope)).filter(server => wanted(server.id)).flatMap(serverTools)
      return [...own, ...registered].filter(tool => {
        const text = `${tool.name} ${tool.server_slug} ${tool.description}`.toLowerCase()
        return words.every(word => text.includes(word))
      })
    },
    async list(scope, page) {
      const { items, total } = await store.listInstances(scope, page)
      return { items: await Promise.all(items.map(item => bodyOf(scope, item))), total }
    },
    async create(scope, input) {
      const server = await serverOf(scope, input.server_id)
      const profileId = deps.ids.uuid()
      const none = { config: {}, sourceSpec: {} }
      const { config, connection_id } = input
      const given = { ...(config !== undefined && { config }), ...(connection_id !== undefined && { connection_id }) }
      const sealed = await profiles.wire(scope, server.configSchema, profileId, given, none)
      if ((await store.countInstances(scope)) >= INSTANCES_MAX) {
        throw new AppError("invalid", `a project has at most ${INSTANCES_MAX} MCP instances; delete one first`)
      }
      const made = newInstance(deps, scope, server, { name: input.name ?? server.name, profileId, ...sealed.wiring })
      await store.insertInstance(
        made.instance,
        made.profile,
        secrets.change(scope.tenantId, profileId, none, sealed.wiring, sealed.secrets),
      )
      changed()
      return await bodyOf(scope, made)
    },
    async get(scope, id) {
      return await bodyOf(scope, await one(scope, id))
    },
    async patch(scope, id, patch) {
      await one(scope, id)
      if (patch.name !== undefined) await store.renameInstance(scope, id, patch.name, clock.now())
      return await bodyOf(scope, await one(scope, id))
    },
    async remove(scope, id) {
      if (!(await store.deleteInstance(scope, id, (rows, tx) => secrets.forget(rows, tx)))) throw noInstance()
      changed()
    },
    async validate(scope, id, signal) {
      const found = await one(scope, id)
      const server = await serverOf(scope, found.instance.serverId)
      return await validateInstance(server, found, { values, clock, signal })
    },
    async resolve(caller, request) {
      const resolved: ResolutionBody["resolved"] = []
      const unresolved: ResolutionBody["unresolved"] = []
      const { tenantId, projectId } = caller
      for (const reference of await references(caller, request)) {
        const found = await resolver.find({ tenantId, projectId, ...reference }, request.create_missing ? "create" : "look")
        const server_url = reference.serverUrl ?? (found.ok ? found.instance.serverUrl : null)
        if (found.ok && server_url !== null) {
          const { id } = found.instance
          const override = request.workflow_id === undefined ? null : await deps.overrideOf(caller, request.workflow_id, id)
          const [own = null] = found.profile ? connectionIdsIn(found.profile) : []
          const source = override === null ? found.source : "override"
          resolved.push({ server_url, instance_id: id, connection_id: override ?? own, source })
        } else if (!found.ok) {
          const named = reference.instanceId === undefined ? {} : { instance_id: reference.instanceId }
          unresolved.push({ server_url, ...named, reason: found.reason, message: found.message })
        }
      }
      return { resolved, unresolved }
    },
  }
}

function connectorTools({ slug, name, category, tools }: Connector): readonly ToolBody[] {
  return tools.map(tool => toolBody(tool, { id: slug, slug, group: name, tag: category }))
}

function serverTools({ id, slug, name, tools }: KnownServer): readonly ToolBody[] {
  return (tools ?? []).map(tool => toolBody(tool, { id, slug, group: name, tag: "registered" }))
}

interface Shelf {
  readonly id: string
  readonly slug: string
  readonly group: string
  readonly tag: string
}

function toolBody(tool: Tool, { id, slug, group, tag }: Shelf): ToolBody {
  return {
    name: tool.name,
    description: tool.description,
    server_id: id,
    mcp_id: id,
    server_slug: slug,
    input_schema: tool.inputSchema,
    output_schema: tool.outputSchema ?? null,
    annotations: { ...tool.annotations },
    metadata: {
      display_name: displayName(tool.name),
      suggested_group: group,
      suggested_tags: [tag, tool.annotations?.readOnlyHint ? "read" : "write"],
    },
  }
}

/** `sqlite_list_tables` → `Sqlite list tables`. */
function displayName(tool: string): string {
  const spaced = tool.replaceAll(/[._]/g, " ")
  return spaced.charAt(0).toUpperCase() + spaced.slice(1)
}
