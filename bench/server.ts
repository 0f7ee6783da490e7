// A server whose workflows may hold the step that does nothing: the program's own routes, services, runtime and storage, put
// together here because the program knows no such step. `bun run bench/server.ts <data folder> [<url of an MCP server>]`.
// Everybody may call it.
import { Elysia } from "elysia"
import { createLuaSandbox } from "../src/adapters/sandbox/lua.ts"
import { selfCommand } from "../src/adapters/sandbox/self.ts"
import { SETTINGS } from "../src/config.ts"
import { createGate } from "../src/http/gate.ts"
import { type Caller, NOBODY } from "../src/http/permission.ts"
import { createEdge, SERVE } from "../src/http/server.ts"
import { STALL_DEFAULT_MS } from "../src/kernel/limits.ts"
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
import { stepTypes } from "../src/steps/registry.ts"
import { createJournal } from "../src/storage/journal.ts"
import { IDLE_CALL, openTools, TIME_CALL } from "./mcp.ts"
import { doNothing, log, nothing, openDatabase, sequence } from "./runtime.ts"

const [folder = "", peer] = process.argv.slice(2)
const { db } = await openDatabase(folder)
const clock = { now: Date.now }

const ids = { uuid: () => Bun.randomUUIDv7(), secret: () => "" }
const caller: Caller = { ...NOBODY, tenantId: "default", projectId: ids.uuid(), userId: ids.uuid(), role: "tenant_admin" }

const lua = createLuaSandbox({ command: selfCommand(), size: SETTINGS["lua.children"].default })
const types = new Map([...stepTypes, [nothing.type, nothing]])
const workflows = new WorkflowService({
  ...{ store: createWorkflowStore(db), types, clock, ids },
  pinTools: (place, graph) => tools.mcp.drifts.pin(place, graph),
})
const tools = await openTools(folder, db, () => workflows)
const executors = new Map<string, StepExecutor>([
  [nothing.type, doNothing],
  ["lua_script", createLuaExecutor(lua)],
  ["mcp_call", tools.executor],
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

const REMOTE_CALL = { type: "mcp_call", tool_name: "echo", tool_args: { message: "hello" } }
const published = async (step: object) => {
  const workflow = await workflows.create(caller, { name: "bench", graph: sequence(5, { ...step }) })
  await workflows.publish(caller, workflow.id, null)
  return workflow.id
}
const workflowIds = {
  nothing: await published({ type: nothing.type }),
  lua: await published({ type: "lua_script", script: "return { answer = 6 * 7 }" }),
  tool: await published(IDLE_CALL),
  time: await published(TIME_CALL),
  ...(peer !== undefined && { remote: await published({ ...REMOTE_CALL, server_url: await tools.register(caller, peer) }) }),
}
const url = `http://127.0.0.1:${app.server?.port}`
process.stderr.write(`${JSON.stringify({ ...workflowIds, url, msg: "ready" })}\n`)
process.on("SIGTERM", async () => {
  await lua.close()
  process.exit(0)
})
