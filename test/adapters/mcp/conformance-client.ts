import { randomUUID } from "node:crypto"
import { createMcpClients } from "../../../src/adapters/mcp/clients.ts"
import { type HttpTarget, McpFailure, type McpOAuth, type RemoteTool } from "../../../src/adapters/mcp/mcp.ts"
import { createMcpSignIn, type OAuthClient, type SignInStarted, type Tokens } from "../../../src/adapters/mcp/oauth.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { egressTo } from "../../connectors/call.ts"
import { http, options } from "./peers.ts"

/**
 * What the official conformance suite starts once for each scenario: our client and our sign-in, driven as a workflow and a
 * person would. Its last argument is the server's address.
 */
const scenario = process.env.MCP_CONFORMANCE_SCENARIO ?? ""
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? "{}") as Context
const serverUrl = process.argv.at(-1) ?? ""

interface Context {
  readonly client_id?: string
  readonly client_secret?: string
  readonly toolCalls?: readonly { readonly name: string; readonly arguments: JsonObject }[]
}

/** Where a real runtime would serve the document about itself. The suite knows this one. */
const CLIENT_METADATA_URL = "https://conformance-test.local/client-metadata.json"
const REDIRECT_URI = "http://localhost:3000/callback"
/** A person gives up after so many sign-ins. */
const SIGN_INS_MAX = 3

const egress = egressTo("127.0.0.1", "localhost")
const clients = createMcpClients({ egress, version: "0.0.0" })
const signIn = createMcpSignIn({ egress, now: Date.now, newState: randomUUID })

let started: SignInStarted | null = null
let tokens: Tokens | null = null

const oauth: McpOAuth = {
  accessToken: async () => tokens?.accessToken ?? null,
  refresh: async () => {
    if (started === null || tokens?.refreshToken === null || tokens === null) return false
    tokens = await signIn.refreshTokens({ asker: options().asker, ...started, refreshToken: tokens.refreshToken })
    return true
  },
}

async function run(target: HttpTarget): Promise<void> {
  await clients.connect(target, options())
  const tools = await clients.listTools(target, options())
  if (scenario === "json-schema-ref-no-deref") return // its server has tools to look at, not to call
  const calls = context.toolCalls ?? tools.map(tool => ({ name: tool.name, arguments: argumentsFor(tool, tools) }))
  for (const { name, arguments: args } of calls) await clients.callTool(target, name, args, options())
}

/** Something for everything that a tool asks for. */
function argumentsFor({ name, inputSchema }: RemoteTool, tools: readonly RemoteTool[]): JsonObject {
  // A tool by which the suite sees what we have kept of a schema.
  if (name === "json_schema_echo")
    return { schema: tools.find(tool => tool.name === "json_schema_2020_12_tool")?.inputSchema ?? null }
  const { properties = {} } = inputSchema
  const values: Record<string, JsonObject[string]> = {
    number: 5,
    integer: 5,
    boolean: true,
    string: "text",
    array: [],
    object: {},
  }
  return Object.fromEntries(
    Object.entries(properties as Record<string, JsonObject>).map(([name, { type }]) => [name, values[String(type)] ?? null]),
  )
}

async function runSignedIn(): Promise<void> {
  const target = http(serverUrl, { oauth })
  for (let signIns = 0; ; signIns++) {
    try {
      return await run(target)
    } catch (error) {
      if (!(error instanceof McpFailure) || !error.unauthorized || signIns === SIGN_INS_MAX) throw error
      await signInAfter(error)
    }
  }
}

async function signInAfter({ challenge }: McpFailure): Promise<void> {
  const given: OAuthClient | null =
    context.client_id === undefined
      ? null
      : { client_id: context.client_id, ...(context.client_secret === undefined ? {} : { client_secret: context.client_secret }) }
  started = await signIn.beginSignIn(serverUrl, {
    asker: options().asker,
    redirectUri: REDIRECT_URI,
    clientName: "AgentRuntime",
    storedClient: started?.client ?? given,
    clientMetadataUrl: CLIENT_METADATA_URL,
    challenge,
    grantedScope: tokens?.scope ?? null,
  })
  // The person's browser, which is sent back at once.
  const answer = await fetch(started.authorizeUrl, { redirect: "manual" })
  const callback = new URL(answer.headers.get("location") ?? "").searchParams
  tokens = await signIn.finishSignIn({ asker: options().asker, started, redirectUri: REDIRECT_URI, callback })
}

try {
  await (scenario.startsWith("auth/") ? runSignedIn() : run(http(serverUrl)))
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  await clients.close()
  egress.close()
}
