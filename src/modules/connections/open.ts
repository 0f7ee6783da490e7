import type { GoogleSignIn } from "../../adapters/google/sign-in.ts"
import type { McpOAuth } from "../../adapters/mcp/mcp.ts"
import type { Vault } from "../../adapters/vault/vault.ts"
import type { WhatsAppGraph } from "../../adapters/whatsapp/graph.ts"
import type { CredentialsOf } from "../../connectors/credentials.ts"
import type { Clock } from "../../kernel/clock.ts"
import type { Ids } from "../../kernel/ids.ts"
import type { Database, Writer } from "../../storage/database.ts"
import type { PlatformEvents } from "../triggers/platform-events.ts"
import type { WorkflowService } from "../workflows/service.ts"
import { ConnectionCredentials } from "./credentials.ts"
import { GOOGLE_PROVIDER, GoogleConnections } from "./google.ts"
import { googleServices } from "./google-services.ts"
import { McpOAuthClients } from "./mcp-clients.ts"
import { MCP_PROVIDER, McpConnections, type McpConnectionsDeps } from "./mcp-connections.ts"
import { createOAuthStateStore } from "./oauth-state-store.ts"
import { OAuthStates } from "./oauth-states.ts"
import { createOverrideStore } from "./override-store.ts"
import { ConnectionOverrides } from "./overrides.ts"
import { SavedConnections } from "./saved.ts"
import { ConnectionSecrets } from "./secrets.ts"
import { ConnectionService } from "./service.ts"
import { createConnectionStore } from "./store.ts"
import { type Refresh, Tokens } from "./tokens.ts"
import { createUseStore } from "./use-store.ts"
import { type WhatsAppApp, WhatsAppConnections } from "./whatsapp.ts"

export interface ConnectionsDeps {
  readonly db: Database
  readonly vault: Vault<Writer>
  readonly clock: Clock
  readonly ids: Ids
  readonly log: { warn(fields: object, message: string): void }
  readonly publicUrl: string
  readonly workflows: Pick<WorkflowService, "row">
  readonly events: PlatformEvents
  readonly google: {
    /** Null while `missingSetting` is not set. */
    readonly signIn: GoogleSignIn | null
    readonly missingSetting: string
    readonly scopes: Readonly<Record<string, readonly string[]>>
  }
  readonly mcp: Pick<McpConnectionsDeps, "signIn" | "serverOf">
  readonly whatsapp: { readonly graph: WhatsAppGraph; readonly app: WhatsAppApp }
}

export interface Connections {
  readonly service: ConnectionService
  /** Whoever caches what came from a connection listens to its changes. */
  readonly saved: SavedConnections
  readonly overrides: ConnectionOverrides
  readonly google: GoogleConnections
  readonly mcp: McpConnections
  readonly whatsapp: WhatsAppConnections
  readonly states: OAuthStates
  readonly credentialsOf: CredentialsOf
  /** Whether the workspace has it, in whatever state. */
  readonly exists: (scope: { readonly tenantId: string }, connectionId: string) => Promise<boolean>
  readonly oauthOf: (scope: { readonly tenantId: string }, connectionId: string) => McpOAuth
  /** Rounds of the leader's loops. */
  readonly refresh: (now: number) => Promise<number>
  readonly sweep: (now: number) => Promise<number>
}

/** All of the module on one database. */
export function createConnections(given: ConnectionsDeps): Connections {
  const { db, vault, clock, ids, publicUrl } = given
  const store = createConnectionStore(db)
  const uses = createUseStore(db)
  const secrets = new ConnectionSecrets({ vault, store, clock })
  const saved = new SavedConnections({ ...given, store, uses, secrets })
  const service = new ConnectionService({ store, saved, uses, clock })
  const states = new OAuthStates({ store: createOAuthStateStore(db), vault, clock, ids })
  const bodyOf = service.body.bind(service)
  const callbackUrl = `${publicUrl}/connections/callback`
  const google = new GoogleConnections({
    ...{ signIn: given.google.signIn, missingSetting: given.google.missingSetting, states, saved, bodyOf, clock, ids },
    services: googleServices(given.google.scopes),
    callbackUrl,
  })
  const clients = new McpOAuthClients(vault)
  const mcp = new McpConnections({ ...given.mcp, clients, states, saved, secrets, bodyOf, callbackUrl, clock })
  const refreshers = new Map<string, Refresh>([
    [GOOGLE_PROVIDER, google.refresh],
    [MCP_PROVIDER, mcp.refresh],
  ])
  const tokens = new Tokens({ ...given, store, saved, secrets, refreshers })
  const credentials = new ConnectionCredentials({ store, secrets, tokens })
  return {
    service,
    saved,
    overrides: new ConnectionOverrides({ store: createOverrideStore(db), workflows: given.workflows }),
    google,
    mcp,
    whatsapp: new WhatsAppConnections({ ...given.whatsapp, saved, bodyOf, clock }),
    states,
    credentialsOf: credentials.of,
    exists: async ({ tenantId }, connectionId) => (await store.find(tenantId, connectionId)) !== null,
    oauthOf: (scope, connectionId) => credentials.oauthOf(scope, connectionId),
    refresh: now => tokens.round(now),
    sweep: now => states.sweep(now),
  }
}
