import type { Egress } from "../../adapters/egress/egress.ts"
import type { McpClients, McpTarget, RequestOptions } from "../../adapters/mcp/mcp.ts"
import type { Tool } from "../../connectors/connector.ts"
import { isJsonObject } from "../../kernel/json.ts"
import { failureOf } from "./directory.ts"
import type { RegisteredServer } from "./remote-server.ts"
import { driftOf, type ReadTools, readTools, type ToolDrift } from "./remote-tools.ts"

export type CheckId = "reachability" | "handshake" | "tools" | "schema" | "smoke_call"

export interface Check {
  readonly id: CheckId
  readonly status: "passed" | "failed" | "skipped"
  readonly message: string
  readonly duration_ms: number
}

export interface ValidateDeps {
  readonly clients: McpClients
  readonly egress: Egress
  readonly now: () => number
}

export interface Validated {
  readonly checks: readonly Check[]
  readonly valid: boolean
  /** What the server said; null: it did not get that far. */
  readonly tools: readonly Tool[] | null
}

type Finding = Pick<Check, "status" | "message">

const REACH_LIMITS = { totalMs: 10_000, answerBytes: 64 * 1024 }

/** The five checks of contract G-23, each on what the one before it found. None of them changes anything at the server. */
export async function validateServer(
  deps: ValidateDeps,
  server: RegisteredServer,
  target: McpTarget,
  options: RequestOptions,
  /** What is missing before anything can be asked. */
  problem: string | null,
): Promise<Validated> {
  const checks: Check[] = []
  let read: ReadTools | null = null

  const run = async (id: CheckId, check: () => Promise<Finding> | Finding) => {
    const startedAt = deps.now()
    const blocked = checks.find(done => done.status === "failed")
    const finding = blocked ? skipped(`${blocked.id} failed`) : await found(check)
    checks.push({ id, ...finding, duration_ms: Math.max(0, deps.now() - startedAt) })
  }

  await run("reachability", () => reach(deps.egress, target, options))
  await run("handshake", async () => {
    if (problem !== null) return failed(`${problem}; name an instance_id or a connection_id that has it`)
    const { name, version, protocolVersion } = await deps.clients.connect(target, options)
    return passed(`${name} ${version}, protocol ${protocolVersion}`)
  })
  await run("tools", async () => {
    read = readTools(await deps.clients.listTools(target, options))
    return toolsFinding(read)
  })
  await run("schema", () => schemaFinding(server, read))
  await run("smoke_call", () => smoke(deps.clients, target, read?.tools ?? [], options))
  const tools = (read as ReadTools | null)?.tools ?? null // assigned in a closure, which the compiler does not follow
  return { checks, valid: checks.every(check => check.status !== "failed"), tools }
}

async function found(check: () => Promise<Finding> | Finding): Promise<Finding> {
  try {
    return await check()
  } catch (error) {
    return failed(failureOf(error).message)
  }
}

/** Whether anything answers there, whatever it says: a server may well refuse a plain GET. */
async function reach(egress: Egress, target: McpTarget, { asker, signal }: RequestOptions): Promise<Finding> {
  if (target.kind === "stdio") return skipped("it is a program of this machine")
  const headers = { ...(await target.headers({ method: "GET", url: target.url })), accept: "text/event-stream, application/json" }
  const response = await egress.for(asker).fetch(target.url, { headers, signal, redirect: "manual" }, REACH_LIMITS)
  await response.body?.cancel()
  return passed(`it answered with status ${response.status}`)
}

function toolsFinding({ tools, problems }: ReadTools): Finding {
  if (tools.length === 0)
    return failed(problems[0] === undefined ? "the server has no tools" : `no tool can be used: ${problems[0]}`)
  if (problems.length > 0) return failed(`${problems.length} cannot be used: ${problems.slice(0, 3).join("; ")}`)
  return passed(tools.length === 1 ? "one tool" : `${tools.length} tools`)
}

function schemaFinding(server: RegisteredServer, read: ReadTools | null): Finding {
  if (server.origin === "operator") return passed("every input schema can be used")
  if (server.version === null) return failed("no version is published yet: POST …/versions publishes what the server says")
  const drift = driftOf(server.tools, read?.tools ?? [])
  if (drift === null) return passed(`as published in version ${server.version}`)
  return passed(`differs from version ${server.version} (${driftText(drift)}); publish a new version to take it over`)
}

export function driftText({ added, removed, changed }: ToolDrift): string {
  const parts = [
    ["added", added],
    ["removed", removed],
    ["changed", changed],
  ] as const
  const shown = (names: readonly string[]) =>
    names.slice(0, 5).join(", ") + (names.length > 5 ? ` and ${names.length - 5} more` : "")
  return parts.flatMap(([word, names]) => (names.length === 0 ? [] : [`${word}: ${shown(names)}`])).join("; ")
}

/** Only a tool that says it changes nothing, and that needs nothing. */
async function smoke(clients: McpClients, target: McpTarget, tools: readonly Tool[], options: RequestOptions): Promise<Finding> {
  const tool = tools.find(isHarmless)
  if (!tool) return skipped("no tool is read-only and free of arguments")
  const { isError, content } = await clients.callTool(target, tool.name, {}, options)
  const text = content.flatMap(block => (typeof block.text === "string" ? [block.text] : [])).join(" ")
  return isError ? failed(`${tool.name}: ${text.slice(0, 300)}`) : passed(`${tool.name} answered`)
}

function isHarmless({ annotations, inputSchema }: Tool): boolean {
  const { properties, required } = inputSchema
  const takes = isJsonObject(properties) ? Object.keys(properties).length : 0
  return annotations?.readOnlyHint === true && takes === 0 && (!Array.isArray(required) || required.length === 0)
}

const passed = (message: string): Finding => ({ status: "passed", message })
const failed = (message: string): Finding => ({ status: "failed", message })
const skipped = (message: string): Finding => ({ status: "skipped", message })
