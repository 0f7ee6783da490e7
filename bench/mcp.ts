import { join } from "node:path"
import { Type } from "typebox"
import { createEgress } from "../src/adapters/egress/egress.ts"
import { createMcpClients } from "../src/adapters/mcp/clients.ts"
import { openVault } from "../src/adapters/vault/open.ts"
import { canonicalUrl } from "../src/connectors/catalog.ts"
import { createConnector, tool } from "../src/connectors/kit.ts"
import { createTimeConnector } from "../src/connectors/time/connector.ts"
import type { Caller } from "../src/http/permission.ts"
import { parseAllowEntry } from "../src/kernel/allow-entry.ts"
import { openMcpServers } from "../src/modules/mcp/open.ts"
import { createMcpService, type McpService } from "../src/modules/mcp/service.ts"
import type { WorkflowService } from "../src/modules/workflows/service.ts"
import type { StepExecutor } from "../src/runtime/ports.ts"
import { createMcpCallExecutor } from "../src/steps/mcp_call/execute.ts"
import type { Database } from "../src/storage/database.ts"
import { VaultStore } from "../src/storage/vault-store.ts"

/** A connector whose one tool does nothing: what is left of a call is the runtime itself. It stands in for one of the catalog. */
const idle = createConnector({
  slug: "healthcare",
  tools: [
    tool({
      ...{ name: "nothing", description: "Does nothing.", hints: "reads" },
      input: Type.Object({}, { additionalProperties: false }),
      output: Type.Object({}),
      run: async () => ({}),
    }),
  ],
})
export const IDLE_CALL = { type: "mcp_call", server_url: canonicalUrl("healthcare"), tool_name: "nothing" }
export const TIME_CALL = { type: "mcp_call", server_url: canonicalUrl("time"), tool_name: "time_now" }

/** The program's own way to tools, without connections. */
export async function openTools(folder: string, db: Database, workflows: () => WorkflowService) {
  const clock = { now: Date.now }
  const ids = { uuid: () => Bun.randomUUIDv7(), secret: (bytes: number) => Buffer.alloc(bytes).toString("hex") }
  const vault = await openVault({ keyFile: join(folder, "master.key"), rows: new VaultStore(db), clock })
  const loopback = parseAllowEntry("127.0.0.1")
  const egress = createEgress({ allow: loopback ? [loopback] : [] })
  const clients = createMcpClients({ egress, version: "bench" })
  const none = {
    credentialsOf: async () => ({ ok: false, message: "there are no connections" }) as const,
    connectionExists: async () => false,
  }
  const servers = openMcpServers({
    ...{ db, vault, clients, egress, clock, ids, publicUrl: "", declared: [], baseEnv: {}, ...none },
    keep: () => Promise.reject(new Error("there are no files here")),
    oauthOf: () => ({ accessToken: async () => null, refresh: async () => false }),
    mcp: () => mcp,
    workflowOf: async () => null,
  })
  const mcp: McpService = createMcpService({
    ...{ db, vault, clock, ids, publicUrl: "", env: new Map(), ...none },
    connectors: new Map([
      ["time", createTimeConnector({ clock })],
      ["healthcare", idle],
    ]),
    directory: servers.directory,
    overrideOf: async () => null,
    pinnedTools: (id, version) => workflows().pinnedTools(id, version),
    policyOf: async () => "run",
    graphOf: async () => null,
  })
  const executor: StepExecutor = createMcpCallExecutor({
    resolve: mcp.resolveForRun,
    driftOf: (call, one) => mcp.drifts.of(call, one),
    recorder: { keep: async () => {} },
  })
  return {
    mcp,
    executor,
    /** The address under which graphs call it. */
    async register(caller: Caller, url: string): Promise<string> {
      const made = await servers.service.create(caller, { name: "peer", canonical_url: url, auth_mode: "none" })
      await servers.service.publish(caller, made.id, {}, new AbortController().signal)
      return made.canonical_url
    },
  }
}
