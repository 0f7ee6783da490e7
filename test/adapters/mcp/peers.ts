import { afterAll } from "bun:test"
import { join } from "node:path"
import { createMcpClients } from "../../../src/adapters/mcp/clients.ts"
import type { HttpTarget, McpClients, RequestOptions, StdioTarget } from "../../../src/adapters/mcp/mcp.ts"
import { asker } from "../../../src/kernel/asker.ts"
import { egressTo } from "../../connectors/call.ts"

/** Clients that are closed after the file's tests. */
export function testClients(change: { readonly allow?: readonly string[]; readonly idleMs?: number } = {}): McpClients {
  const egress = egressTo(...(change.allow ?? ["127.0.0.1", "localhost"]))
  const idle = change.idleMs === undefined ? {} : { idleMs: change.idleMs }
  const clients = createMcpClients({ egress, version: "0.0.0", ...idle })
  afterAll(async () => {
    await clients.close()
    egress.close()
  })
  return clients
}

export function options(change: Partial<RequestOptions> = {}): RequestOptions {
  return {
    asker: asker("test", { tenantId: "acme", projectId: "p1", runId: "run", stepId: "step" }),
    signal: new AbortController().signal,
    timeoutMs: 15_000,
    ...change,
  }
}

export function http(url: string, change: Partial<HttpTarget> = {}): HttpTarget {
  return { kind: "http", url, transport: "auto", key: url, headers: async () => ({}), oauth: null, ...change }
}

/** A peer from npm, run by the Bun of the tests. */
export function npmServer(name: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): StdioTarget {
  return stdio(name, [join(packages, name, "dist", "index.js"), ...args], { env })
}

/** A program given as its source, or as a file with arguments. */
export function stdio(name: string, args: readonly string[], change: Partial<StdioTarget> = {}): StdioTarget {
  const command = [process.execPath, ...args] as const
  return { kind: "stdio", key: `stdio ${name}`, name, command, env: {}, cwd: null, ...change }
}

export function program(name: string, source: string, change: Partial<StdioTarget> = {}): StdioTarget {
  return stdio(name, ["-e", source], change)
}

/** Waits until something is so. */
export async function eventually(what: string, isSo: () => boolean, withinMs = 10_000): Promise<void> {
  const until = performance.now() + withinMs
  while (!isSo()) {
    if (performance.now() > until) throw new Error(`not within ${withinMs} ms: ${what}`)
    await Bun.sleep(10)
  }
}

/** The failure of a promise that must fail. */
export async function failure(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise
  } catch (error) {
    if (error instanceof Error) return error
    throw error
  }
  throw new Error("it did not fail")
}

const packages = join(import.meta.dir, "../../../node_modules/@modelcontextprotocol")
