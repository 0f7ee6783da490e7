// A server whose workflows may hold the step that does nothing: the program's own routes, services, runtime and storage, put
// together here because the program knows no such step. `bun run bench/server.ts <data folder>`. Everybody may call it.
import { join } from "node:path"
import { Elysia } from "elysia"
import { Type } from "typebox"
import { createLuaSandbox } from "../src/adapters/sandbox/lua.ts"
import { selfCommand } from "../src/adapters/sandbox/self.ts"
import { openVault } from "../src/adapters/vault/open.ts"
import { SETTINGS } from "../src/config.ts"
import { canonicalUrl } from "../src/connectors/catalog.ts"
import { createConnector, tool } from "../src/connectors/kit.ts"
import { createTimeConnector } from "../src/connectors/time/connector.ts"
import { createGate } from "../src/http/gate.ts"
import { type Caller, NOBODY } from "../src/http/permission.ts"
import { createEdge, SERVE } from "../src/http/server.ts"
import { STALL_DEFAULT_MS } from "../src/kernel/limits.ts"
import { createMcpService } from "../src/modules/mcp/service.ts"
import { RunCommands } from "../src/modules/runs/command.ts"
import { runRoutes } from "../src/modules/runs/routes.ts"
import { RunService } from "../src/modules/runs/service.ts"
import { RunStarts } from "../src/modules/runs/start.ts"
import { createRunStore } from "../src/modules/runs/store.ts"
import { EventStreams } from "../src/modules/runs/stream.ts"
import { streamRoutes } from "../src/modules/runs/stream-routes.ts"
import { WorkflowService } from "../src/modules/workflows/service.ts"
import { createWorkflowStore } from "../src/modules/workflows/store.ts"
import { EventFeed } from "../src/runtime/feed.ts"
import type { StepExecutor } from "../src/runtime/ports.ts"
import { Runs } from "../src/runtime/runs.ts"
import { Worker } from "../src/runtime/worker.ts"
import { createLuaExecutor } from "../src/steps/lua_script/execute.ts"
import { createMcpCallExecutor } from "../src/steps/mcp_call/execute.ts"
import { stepTypes } from "../src/steps/registry.ts"
import { createJournal } from "../src/storage/journal.ts"
import { VaultStore } from "../src/storage/vault-store.ts"
import { doNothing, log, nothing, openDatabase, sequence } from "./runtime.ts"

const folder = process.argv[2] ?? ""
const { db } = await openDatabase(folder)
const clock = { now: Date.now }

import { NO_SERVERS } from "../test/modules/mcp/no-servers.ts"

const ids = { uuid: () => Bun.randomUUIDv7(), secret: () => "" }
const caller: Caller = { ...NOBODY, tenantId: "default", projectId: ids.uuid(), userId: ids.uuid(), role: "tenant_admin" }

const lua = createLuaSandbox({ command: selfCommand(), size: SETTINGS["lua.children"].default })
/** A connector whose one tool does nothing: what is left of a call is the runtime itself. */
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

const types = new Map([...stepTypes, [nothing.type, nothing]])
const workflows = new WorkflowService({
  ...{ store: createWorkflowStore(db), types, clock, ids },
  pinTools: (place, graph) => mcp.drifts.pin(place, graph),
})
const mcp = createMcpService({
  ...{ db, clock, ids, publicUrl: "", env: new Map() },
  connectors: new Map([
    ["time", createTimeConnector({ clock })],
    ["healthcare", idle],
  ]),
  directory: NO_SERVERS,
  vault: await openVault({ keyFile: join(folder, "master.key"), rows: new VaultStore(db), clock }),
  credentialsOf: async () => ({ ok: false, message: "there are no connections" }),
  connectionExists: async () => false,
  overrideOf: async () => null,
  pinnedTools: (id, version) => workflows.pinnedTools(id, version),
  policyOf: async () => "run",
  graphOf: async () => null,
})
const executors = new Map<string, StepExecutor>([
  [nothing.type, doNothing],
  ["lua_script", createLuaExecutor(lua)],
  ["mcp_call", createMcpCallExecutor({ resolve: mcp.resolveForRun, driftOf: (call, tool) => mcp.drifts.of(call, tool) })],
])
const journal = createJournal(db)
const worker = new Worker(executors, Math.random, log)
const feed = new EventFeed()
const runs = new Runs({
  journal,
  plans: workflows,
  worker,
  clock,
  bootId: ids.uuid(),
  feed,
  stallMs: STALL_DEFAULT_MS,
  log,
})
const store = createRunStore(db)
const service = new RunService({ store, runs, plans: workflows })
const commands = new RunCommands({ starts: new RunStarts({ runs, store, workflows, clock, ids }), runs, store, drainMs: 60_000 })
const streams = new EventStreams({ feed, plans: workflows, service, workflows })
const gate = createGate({ authorize: async () => caller })

const app = new Elysia({ normalize: "typebox", serve: SERVE })
  .use(createEdge({ log: { isLevelEnabled: () => false, debug: () => {}, error: log.error }, newId: ids.uuid, now: clock.now }))
  .use(runRoutes({ gate, workflows, commands, service }))
  .use(streamRoutes({ gate, streams }))
  .listen({ hostname: "127.0.0.1", port: 0 })

const published = async (step: object) => {
  const workflow = await workflows.create(caller, { name: "bench", graph: sequence(5, { ...step }) })
  await workflows.publish(caller, workflow.id, null)
  return workflow.id
}
const workflowIds = {
  nothing: await published({ type: nothing.type }),
  lua: await published({ type: "lua_script", script: "return { answer = 6 * 7 }" }),
  tool: await published({ type: "mcp_call", server_url: canonicalUrl("healthcare"), tool_name: "nothing" }),
  time: await published({ type: "mcp_call", server_url: canonicalUrl("time"), tool_name: "time_now" }),
}
const url = `http://127.0.0.1:${app.server?.port}`
process.stderr.write(`${JSON.stringify({ ...workflowIds, url, msg: "ready" })}\n`)
process.on("SIGTERM", async () => {
  await lua.close()
  process.exit(0)
})
