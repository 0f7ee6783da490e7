import { canonicalUrl, findAdapter, slugOfUrl } from "../../connectors/catalog.ts"
import type { ConfigSchema, Connector, Connectors, Scope, Tool, ToolResult, ToolServer } from "../../connectors/connector.ts"
import type { Asking, RegisteredServer, ServerDirectory, ServerWiring } from "./remote-server.ts"

/** Whatever a project can have instances of: a connector of ours, or a registered server. */
export interface KnownServer {
  /** What instances keep as `server_id`. */
  readonly id: string
  readonly slug: string
  readonly name: string
  readonly canonicalUrl: string
  /** With the credential that its way of signing in needs. */
  readonly configSchema: ConfigSchema
  /** As far as they are known without asking it; null: not at all. */
  readonly tools: readonly Tool[] | null
  /** Null of a registered server. */
  readonly connector: Connector | null
  /** Whether the service behind it can be reached; null: it has no call that only looks. */
  readonly reach: ((wiring: ServerWiring, asking: Asking) => Promise<ToolResult>) | null
  /** For calls on behalf of one instance. A server elsewhere may be asked for its tools. */
  open(wiring: ServerWiring, asking: Asking): Promise<ToolServer>
}

export interface KnownServersDeps {
  readonly connectors: Connectors
  readonly directory: ServerDirectory
  /** Where this instance is reached; addresses below it name its own connectors. */
  readonly publicUrl: string
}

/** Connectors come first: no registered server takes the address of one. */
export class KnownServers {
  constructor(private readonly deps: KnownServersDeps) {}

  async byId(scope: Scope, serverId: string): Promise<KnownServer | null> {
    const connector = this.deps.connectors.get(serverId)
    if (connector) return ofConnector(connector)
    const registered = await this.deps.directory.find(scope, serverId)
    return registered && this.#ofRegistered(scope, registered)
  }

  async byUrl(scope: Scope, serverUrl: string): Promise<KnownServer | null> {
    const slug = slugOfUrl(serverUrl, this.deps.publicUrl)
    const connector = slug === null ? undefined : this.deps.connectors.get(slug)
    if (connector) return ofConnector(connector)
    const registered = await this.deps.directory.findByUrl(scope, serverUrl)
    return registered && this.#ofRegistered(scope, registered)
  }

  /** Registered servers that have tools which are known. */
  async registered(scope: Scope): Promise<readonly KnownServer[]> {
    return (await this.deps.directory.list(scope)).map(server => this.#ofRegistered(scope, server))
  }

  /** Why an address or an id names nothing here. */
  unknown(named: string): string {
    const slug = slugOfUrl(named, this.deps.publicUrl) ?? named
    const adapter = findAdapter(slug)
    if (adapter) return `${adapter.name} is in the catalog, but its tools are not part of this version`
    const ways = `a platform adapter's is ${canonicalUrl("{slug}")}, others are registered with POST /v1/mcp/servers`
    return `server_url names no server of the catalog and none of this workspace; ${ways}`
  }

  #ofRegistered(scope: Scope, server: RegisteredServer): KnownServer {
    const { directory } = this.deps
    return {
      id: server.id,
      slug: server.service,
      name: server.name,
      canonicalUrl: server.canonicalUrl,
      configSchema: server.configSchema,
      tools: directory.latest(scope, server),
      connector: null,
      reach: (wiring, asking) => directory.reach(server, wiring, asking),
      open: async (wiring, asking) => {
        const current = await directory.current(server, wiring, asking)
        return { ...directory.toolServer(server, wiring, current.tools), ...current }
      },
    }
  }
}

function ofConnector(connector: Connector): KnownServer {
  const { slug, name, configSchema, tools } = connector
  const probe = connector.probe?.bind(connector)
  const reach: KnownServer["reach"] =
    probe === undefined
      ? null
      : ({ instanceId, config }, asking) => probe({ ...asking, config, idempotencyKey: `validate:${instanceId}` })
  return {
    id: slug,
    slug,
    name,
    canonicalUrl: canonicalUrl(slug),
    configSchema,
    tools,
    connector,
    reach,
    open: async () => connector,
  }
}
