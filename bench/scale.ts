// What a million finished runs, and a hundred thousand that wait for people, cost: `npm run bench -- scale`. Some minutes, 3 GB.
import { join } from "node:path"
import { buildExecutable } from "../dist-config/build.ts"
import type { JsonObject } from "../src/kernel/json.ts"
import { publish, startRun } from "./api.ts"
import { makeToken, residentBytes, type ServerProcess, serveCommand, startServer } from "./executable.ts"
import { type Copies, fill } from "./fill.ts"
import { benchFolder } from "./folder.ts"
import { load } from "./load.ts"
import { nothingToWaitFor } from "./runtime.ts"
import { inPairs, median, percent, printTable, type Row } from "./table.ts"

const FINISHED = Number(process.env.BENCH_RUNS ?? 1_000_000)
const WAITING = FINISHED / 10
const WORKFLOWS = 20
const DAYS = 90
const DAY_MS = 86_400_000
/** One in so many failed. */
const RARE = 1_000
const STARTS = 7
const IDLE_MS = 1_500
const FOR_MS = 3_000

const lua = (id: string, ...depends_on: string[]) => ({
  ...{ id, name: id, depends_on, type: "lua_script" },
  script: "return { ok = true, rows = { 1, 2, 3 }, note = 'as expected' }",
})
const twoSteps: JsonObject = { steps: [lua("fetch"), lua("store", "fetch")] }
const asksSomebody: JsonObject = { steps: [{ id: "ask", name: "Ask", type: "human_task", title: "Go on?" }] }

interface Place {
  readonly data: string
  readonly token: string
}

const { path } = await buildExecutable()
const folder = benchFolder()
const empty = await place("empty")
const full = await place("full")
const crowded = await place("crowded")
const rows: Row[] = []

const workflowIds = await fillFinished()
await fillWaiting()
await startUps()
const servers = { empty: await serve(empty), full: await serve(full) }
await lists()
await newRuns()
await Promise.all([servers.empty.stop(), servers.full.stop()])
await memory()
printTable(`${FINISHED.toLocaleString("en")} finished runs, ${WAITING.toLocaleString("en")} that wait`, rows)
process.exit(0)

async function place(name: string): Promise<Place> {
  const data = join(folder, name)
  return { data, token: makeToken(path, data) }
}

function serve({ data, token }: Place): Promise<ServerProcess> {
  return startServer(serveCommand(path, data), token)
}

/** In the file of a server that made one such run itself. */
async function fillFrom(
  where: Place,
  graph: JsonObject,
  workflows: number,
  copies: (ids: readonly string[]) => Omit<Copies, "of">,
): Promise<readonly string[]> {
  const server = await serve(where)
  const ids: string[] = []
  for (let i = 0; i < workflows; i++) ids.push(await publish(server, graph))
  const runId = await startRun(server, ids[0]!)
  await Bun.sleep(IDLE_MS) // its steps
  await server.stop()
  fill(join(where.data, "agentruntime.db"), [{ of: runId, ...copies(ids) }])
  return ids
}

async function fillFinished(): Promise<readonly string[]> {
  const begin = Date.now() - DAYS * DAY_MS
  return await fillFrom(full, twoSteps, WORKFLOWS, ids => ({
    count: FINISHED,
    startedAt: n => begin + Math.floor((n * DAYS * DAY_MS) / FINISHED),
    change: n => ({
      workflow_id: ids[n % WORKFLOWS]!,
      ...(n % RARE === 0 && { status: "failed", failure_code: "MCP_TOOL_FAILED", failed_step_id: "store", error: "no answer" }),
    }),
  }))
}

async function fillWaiting(): Promise<void> {
  const begin = Date.now() - DAYS * DAY_MS
  const startedAt = (n: number) => begin + Math.floor((n * DAYS * DAY_MS) / WAITING)
  await fillFrom(crowded, asksSomebody, 1, () => ({ count: WAITING, startedAt, change: () => ({}) }))
}

async function readyMs(where: Place): Promise<number> {
  const server = await serve(where)
  await server.stop()
  return server.readyMs
}

async function startUps(): Promise<void> {
  for (const [name, where, limit] of [
    ["start to ready, empty", empty, 150],
    ["start to ready, full", full, 1_000],
    ["start to ready, with the waiting ones", crowded, 2_000],
  ] as const) {
    const took: number[] = []
    for (let i = 0; i < STARTS; i++) took.push(await readyMs(where))
    rows.push(ms(name, median(took), limit))
  }
}

async function lists(): Promise<void> {
  const since = (daysAgo: number) => new Date(Date.now() - daysAgo * DAY_MS).toISOString()
  for (const query of [
    "",
    "?limit=100",
    "?status=failed",
    "?status=stopped",
    `?workflow_id=${workflowIds[3]}`,
    `?workflow_id=${workflowIds[0]}&status=failed`,
    `?since=${since(0.7)}`,
    `?since=${since(45.3)}`,
    `?offset=${FINISHED / 2}`,
    `?status=failed,completed&offset=${FINISHED - 50}`,
  ]) {
    const request = { method: "GET", path: `/v1/runs${query}` }
    const { url, token } = servers.full
    const { p99Ms, medianMs } = await load({ url, token, connections: 1, forMs: FOR_MS, request })
    const name = `/v1/runs${query.replace(/[0-9a-f-]{36}/, "…").replace(/T[^&]*/, "")}`
    rows.push(ms(`${name}, p99 (median ${medianMs.toFixed(1)})`, p99Ms, 15))
  }
}

async function newRuns(): Promise<void> {
  const runMs = async (server: ServerProcess, workflowId: string) => {
    const request = { method: "POST", path: `/v1/workflows/${workflowId}/command`, body: JSON.stringify({ command: "start" }) }
    return (await load({ url: server.url, token: server.token, connections: 1, forMs: FOR_MS / 3, request })).medianMs
  }
  const [here, there] = [await publish(servers.full, nothingToWaitFor), await publish(servers.empty, nothingToWaitFor)]
  const { figure, limit, ratio } = await inPairs(
    9,
    () => runMs(servers.empty, there),
    () => runMs(servers.full, here),
  )
  const limitText = `${limit.toFixed(2)} ms when empty, ±15 %`
  rows.push({ name: "a new run", figure: `${figure.toFixed(2)} ms`, limit: limitText, ratio: percent(ratio) })
}

async function memory(): Promise<void> {
  const resident = async (where: Place) => {
    const server = await serve(where)
    await Bun.sleep(IDLE_MS)
    const bytes = residentBytes(server.pid) ?? Number.NaN
    await server.stop()
    return bytes / 1e6
  }
  const { figure, limit } = await inPairs(
    3,
    () => resident(empty),
    () => resident(crowded),
  )
  rows.push({
    name: "memory with the waiting ones",
    figure: `${figure.toFixed(0)} MB`,
    limit: `${limit.toFixed(0)} MB when empty, 100 more`,
    ratio: `${(figure - limit).toFixed(0)} MB more`,
  })
}

function ms(name: string, figure: number, limit: number): Row {
  return { name, figure: `${figure.toFixed(1)} ms`, limit: `${limit} ms`, ratio: percent(figure / limit) }
}
