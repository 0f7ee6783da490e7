import type { Egress } from "../../adapters/egress/egress.ts"
import { EgressFailed, EgressRefused } from "../../adapters/egress/errors.ts"
import { type McpClients, McpFailure, type McpTarget, type RequestOptions, type ServerFacts } from "../../adapters/mcp/mcp.ts"
import type { ConfigSchema, Tool } from "../../connectors/connector.ts"
import type { Json } from "../../kernel/json.ts"
import { parsedJson } from "../../kernel/nesting.ts"
import { readConfigSchema } from "./remote-schema.ts"
import { readTools } from "./remote-tools.ts"

export interface Discovered {
  readonly facts: ServerFacts
  readonly tools: readonly Tool[]
  /** Empty where the server says nothing of it. */
  readonly configSchema: ConfigSchema
  /** What it says that cannot be used, one sentence each. */
  readonly problems: readonly string[]
}

export interface DiscoveryDeps {
  readonly clients: McpClients
  readonly egress: Egress
}

const SCHEMA_LIMITS = { totalMs: 5_000, answerBytes: 256 * 1024 }

/** What a server says of itself. Throws what the client throws. */
export async function discover(deps: DiscoveryDeps, target: McpTarget, options: RequestOptions): Promise<Discovered> {
  const facts = await deps.clients.connect(target, options)
  const { tools, problems } = readTools(await deps.clients.listTools(target, options))
  const found = target.kind === "http" ? await configSchemaOf(deps.egress, target, options) : NOTHING
  return { facts, tools, configSchema: found.schema, problems: [...problems, ...found.problems] }
}

interface FoundSchema {
  readonly schema: ConfigSchema
  readonly problems: readonly string[]
}
const NOTHING: FoundSchema = { schema: {}, problems: [] }

/** `GET {mount}/config/schema` of servers that were built with the public kits (contract §8.1); others answer 404. */
async function configSchemaOf(
  egress: Egress,
  target: McpTarget & { readonly kind: "http" },
  { asker, signal }: RequestOptions,
): Promise<FoundSchema> {
  for (const url of schemaAddresses(target.url)) {
    const headers = { ...(await target.headers({ method: "GET", url })), accept: "application/json" }
    const answer = await jsonAt(egress, url, { headers, signal }, asker)
    if (answer === undefined) continue
    const read = readConfigSchema(answer)
    return read.ok ? { schema: read.schema, problems: [] } : { schema: {}, problems: [read.message] }
  }
  return NOTHING
}

/** Some kits mount it below the address of the protocol, some beside it. */
export function schemaAddresses(address: string): readonly string[] {
  const url = new URL(address)
  const path = url.pathname.replace(/\/+$/, "")
  const mounts = path.endsWith("/mcp") ? [path, path.slice(0, -"/mcp".length)] : [path]
  return mounts.map(mount => `${url.origin}${mount}/config/schema`)
}

/** Undefined: there is none at that address. */
async function jsonAt(
  egress: Egress,
  url: string,
  init: { readonly headers: Readonly<Record<string, string>>; readonly signal: AbortSignal },
  asker: RequestOptions["asker"],
): Promise<Json | undefined> {
  try {
    const response = await egress.for(asker).fetch(url, { ...init, redirect: "error" }, SCHEMA_LIMITS)
    if (!response.ok || !(response.headers.get("content-type") ?? "").includes("json")) {
      await response.body?.cancel()
      return undefined
    }
    return parsedJson(await response.text())
  } catch (error) {
    // The tools were read from there a moment ago: whatever this is, it is no schema.
    if (error instanceof EgressRefused || error instanceof EgressFailed) return undefined
    throw error
  }
}

/** Zero tools are a failure (contract §8). */
export function requireTools({ tools, problems }: Discovered): void {
  if (tools.length > 0) return
  const why = problems.length === 0 ? "the server has no tools" : `the server has no tool that can be used: ${problems[0]}`
  throw new McpFailure(why)
}
