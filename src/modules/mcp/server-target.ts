import type { HttpTarget, McpOAuth, McpTarget } from "../../adapters/mcp/mcp.ts"
import type { Scope } from "../../connectors/connector.ts"
import type { Asker } from "../../kernel/asker.ts"
import type { Clock } from "../../kernel/clock.ts"
import { isUuid } from "../../kernel/ids.ts"
import type { JsonObject } from "../../kernel/json.ts"
import type { RegisteredServer, ServerWiring } from "./remote-server.ts"
import type { RunTokens } from "./run-token.ts"
import { BEARER_KEYS, HMAC_KEY_ID, HMAC_SECRET } from "./server-address.ts"
import type { StdioServers } from "./stdio-servers.ts"

export type OAuthOf = (scope: { readonly tenantId: string }, connectionId: string) => McpOAuth

export interface TargetDeps {
  readonly tokens: RunTokens
  readonly clock: Clock
  /** The tokens of a saved connection. */
  readonly oauthOf: OAuthOf
  readonly stdio: StdioServers
}

type Headers = Readonly<Record<string, string>>

/** How a server is spoken to on behalf of one instance; `wiring` null: in a probe. Null: the operator took it away. */
export function targetOf(
  deps: TargetDeps,
  scope: Scope,
  server: RegisteredServer,
  wiring: ServerWiring | null,
): McpTarget | null {
  if (server.origin === "operator") return deps.stdio.target(scope, server.id)
  const url = server.bridge?.upstreamUrl ?? server.canonicalUrl
  const oauth = oauthFor(deps, scope, server, wiring)
  return {
    kind: "http",
    url,
    transport: "auto",
    key: keyOf(scope, server, wiring),
    oauth,
    headers: async request => ({
      ...(await credentialHeaders(deps, scope, server, wiring, request, oauth !== null)),
      ...(server.bridge ? {} : placeHeaders(scope, server, wiring)),
    }),
  } satisfies HttpTarget
}

/** What differs from call to call of one conversation. */
export async function callHeaders(
  deps: TargetDeps,
  scope: Scope,
  server: RegisteredServer,
  wiring: ServerWiring,
  call: { readonly tool: string; readonly asker: Asker },
): Promise<Headers> {
  if (server.bridge || server.origin === "operator") return {}
  const { runId, stepId, userId } = call.asker
  const tool = /^[\x21-\x7e]+$/.test(call.tool) ? call.tool : encodeURIComponent(call.tool)
  return {
    "x-tool-name": tool,
    "x-mcp-tool-name": tool,
    ...(userId !== null && { "x-user-id": userId }),
    ...(runId !== null && isUuid(runId) && { traceparent: traceParent(runId, stepId ?? "") }),
    ...(server.authMode === "token" && runId !== null && (await runToken(deps, scope, server, wiring, { runId, userId }))),
  }
}

/** Why the server cannot be called with this wiring, before anything leaves; null: it can be tried. */
export function wiringProblem(server: RegisteredServer, wiring: ServerWiring | null): string | null {
  if (server.origin === "operator") return null
  const missing = wantedKeys(server, wiring)
  if (missing !== null) return missing
  const bad = Object.entries(sentValues(server, wiring)).find(([, value]) => !/^[\t\x20-\x7e\x80-\xff]*$/.test(value))
  return bad ? `${bad[0]} holds characters that no header can carry, such as a line break` : null
}

function wantedKeys(server: RegisteredServer, wiring: ServerWiring | null): string | null {
  const has = (key: string) => textAt(wiring, key) !== ""
  if (server.bridge) {
    const keys = [
      ...(server.bridge.auth.type === "none" ? [] : [server.bridge.auth.from]),
      ...server.bridge.headers.map(h => h.from),
    ]
    const missing = keys.filter(key => !has(key))
    return missing.length === 0 ? null : `its bridge needs ${missing.join(", ")}`
  }
  switch (server.authMode) {
    case "none":
    case "token":
      return null
    case "hmac":
      return has(HMAC_KEY_ID) && has(HMAC_SECRET)
        ? null
        : `its requests are signed with ${HMAC_KEY_ID} and ${HMAC_SECRET}; give both`
    case "bearer":
      return bearerKey(wiring) ? null : `it wants a bearer token; give ${BEARER_KEYS.join(" or ")}`
    case "oauth":
      return wiring?.connectionId || bearerKey(wiring) ? null : "it wants OAuth; bind a connection that is signed in there"
  }
}

/** The values that become headers as they are. */
function sentValues({ bridge, authMode }: RegisteredServer, wiring: ServerWiring | null): Headers {
  const keys = bridge
    ? [...(bridge.auth.type === "none" ? [] : [bridge.auth.from]), ...bridge.headers.map(h => h.from)]
    : authMode === "hmac"
      ? [HMAC_KEY_ID]
      : authMode === "bearer" || authMode === "oauth"
        ? [bearerKey(wiring) ?? ""]
        : []
  return Object.fromEntries(keys.map(key => [key, textAt(wiring, key)]))
}

async function credentialHeaders(
  deps: TargetDeps,
  scope: Scope,
  server: RegisteredServer,
  wiring: ServerWiring | null,
  { method, url }: { readonly method: string; readonly url: string },
  hasOAuth: boolean,
): Promise<Headers> {
  if (server.bridge) return bridgeHeaders(server.bridge, wiring)
  switch (server.authMode) {
    case "none":
      return {}
    case "token":
      return await runToken(deps, scope, server, wiring, { runId: null, userId: null })
    case "hmac":
      return hmacHeaders(textAt(wiring, HMAC_KEY_ID), textAt(wiring, HMAC_SECRET), deps.clock.now(), url, method)
    case "bearer":
    case "oauth": {
      const key = hasOAuth ? null : bearerKey(wiring)
      return key ? { authorization: `Bearer ${textAt(wiring, key)}` } : {}
    }
  }
}

function bridgeHeaders(bridge: NonNullable<RegisteredServer["bridge"]>, wiring: ServerWiring | null): Headers {
  const mapped = bridge.headers.map(({ name, from }) => [name.toLowerCase(), textAt(wiring, from)] as const)
  const { auth } = bridge
  const own = auth.type === "none" ? "" : textAt(wiring, auth.from)
  const credential =
    auth.type === "none" ? [] : [[auth.name.toLowerCase(), auth.type === "bearer" ? `Bearer ${own}` : own] as const]
  return Object.fromEntries([...mapped, ...credential].filter(([, value]) => value !== ""))
}

/** Contract §8.1, the signing form of connectors: hex HMAC-SHA256 over `<unix s>\n<method>\n<path>`. */
export function hmacHeaders(keyId: string, secret: string, now: number, url: string, method: string): Headers {
  const seconds = Math.floor(now / 1000)
  const signed = `${seconds}\n${method}\n${new URL(url).pathname}`
  return {
    "x-mcp-keyid": keyId,
    "x-mcp-timestamp": String(seconds),
    "x-mcp-signature": new Bun.CryptoHasher("sha256", secret).update(signed).digest("hex"),
  }
}

async function runToken(
  { tokens }: TargetDeps,
  { tenantId, projectId }: Scope,
  server: RegisteredServer,
  wiring: ServerWiring | null,
  of: { readonly runId: string | null; readonly userId: string | null },
): Promise<Headers> {
  const claims = { tenantId, projectId, instanceId: wiring?.instanceId ?? null, serverId: server.id, ...of }
  return { authorization: `Bearer ${await tokens.issue(claims)}` }
}

function placeHeaders(scope: Scope, server: RegisteredServer, wiring: ServerWiring | null): Headers {
  return {
    "x-tenant-id": scope.tenantId,
    "x-project-id": scope.projectId,
    ...(wiring?.instanceId ? { "x-mcp-instance-id": wiring.instanceId } : { "x-mcp-server-id": server.id }),
  }
}

/** W3C trace context: one trace for each run, one parent for each step. */
function traceParent(runId: string, stepId: string): string {
  const parent = Bun.CryptoHasher.hash("sha256", stepId, "hex").slice(0, 16)
  return `00-${runId.replaceAll("-", "").toLowerCase()}-${parent}-01`
}

function oauthFor(deps: TargetDeps, scope: Scope, server: RegisteredServer, wiring: ServerWiring | null): McpOAuth | null {
  const wanted = server.authMode === "oauth" && !server.bridge
  return wanted && wiring?.connectionId ? deps.oauthOf(scope, wiring.connectionId) : null
}

/** One conversation for each instance as it is wired: another credential, or another address, is another one. */
function keyOf({ tenantId, projectId }: Scope, server: RegisteredServer, wiring: ServerWiring | null): string {
  const wired = [server.canonicalUrl, server.authMode, bridgeKey(server), wiring?.config ?? null, wiring?.connectionId ?? null]
  const digest = Bun.CryptoHasher.hash("sha256", JSON.stringify(wired), "hex").slice(0, 32)
  return [tenantId, projectId, server.id, wiring?.instanceId ?? "probe", digest].join("/")
}

function bridgeKey({ bridge }: RegisteredServer): string {
  return bridge === null ? "" : JSON.stringify([bridge.upstreamUrl, bridge.auth, bridge.headers])
}

function bearerKey(wiring: ServerWiring | null): string | null {
  return BEARER_KEYS.find(key => textAt(wiring, key) !== "") ?? null
}

function textAt(wiring: ServerWiring | null, key: string): string {
  const config: JsonObject = wiring?.config ?? {}
  const value = Object.hasOwn(config, key) ? config[key] : undefined
  return typeof value === "string" ? value : typeof value === "number" || typeof value === "boolean" ? String(value) : ""
}
