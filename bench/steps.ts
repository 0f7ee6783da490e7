// Steps a second: five do-nothing steps one after another, in process and over HTTP, and five Lua steps over HTTP.
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { startServer } from "./executable.ts"
import { benchFolder } from "./folder.ts"
import { load } from "./load.ts"
import { BATCH_ROWS, rowLimit } from "./rows.ts"
import { openRuntime, runMany, runOnce } from "./runtime.ts"
import { count, inPairs, median, percent, printTable, type Row } from "./table.ts"

const STEPS = 5
const PAIRS = 5
const FOR_MS = 800

const folder = benchFolder()
const runtime = await openRuntime(folder)
const limit = await rowLimit(folder, runtime)
const rows: Row[] = []

/** Runs a second beside rows a second: the ratio is of rows, the events' own, without the runs' row. */
async function measure(name: string, runsPerSecond: () => Promise<number>): Promise<void> {
  await runsPerSecond() // compiled by now
  const result = await inPairs(
    PAIRS,
    () => limit.measure(BATCH_ROWS, FOR_MS / 2),
    async () => (await runsPerSecond()) * limit.eventsPerRun,
  )
  const steps = (result.figure / limit.eventsPerRun) * STEPS
  rows.push({
    name,
    figure: `${count(steps)} steps/s, ${count(result.figure)} event rows/s`,
    limit: `${count(result.limit)} rows/s in batches of ${BATCH_ROWS}`,
    ratio: percent(result.ratio),
  })
}

async function alone(): Promise<void> {
  const runMs: number[] = []
  const { figure, limit: commitMs } = await inPairs(
    PAIRS,
    () => 1000 / limit.measure(1, 200),
    async () => {
      for (let i = 0; i < 100; i++) {
        const started = performance.now()
        await runOnce(runtime)
        runMs.push(performance.now() - started)
      }
      return median(runMs.splice(0))
    },
  )
  rows.push({
    name: "one run of 5 alone, in process",
    figure: `${figure.toFixed(2)} ms`,
    limit: `${commitMs.toFixed(3)} ms a one-row commit`,
    ratio: `${(figure / commitMs).toFixed(1)} commits`,
  })
}

await alone()
for (const inFlight of [64, 256]) {
  await measure(`nothing, in process, ${inFlight} runs in flight`, () => runMany(runtime, inFlight, FOR_MS))
}

process.env.NODE_ENV = "production"
const data = join(folder, "server")
mkdirSync(data)
const server = await startServer([process.execPath, "run", join(import.meta.dir, "server.ts"), data], "")
const overHttp = async (workflowId: unknown, connections: number) => {
  const request = { method: "POST", path: `/v1/workflows/${workflowId}/command`, body: JSON.stringify({ command: "start" }) }
  const headers = { prefer: "wait=30" }
  const job = { url: server.url, token: null, connections, forMs: FOR_MS, request, headers, expect: '"status":"completed"' }
  return (await load(job)).perSecond
}
for (const inFlight of [64, 256]) {
  await measure(`nothing, over HTTP, ${inFlight} runs in flight`, () => overHttp(server.facts.nothing, inFlight))
}
await measure("Lua, over HTTP, 64 runs in flight", () => overHttp(server.facts.lua, 64))

printTable("runs of 5 steps, one after another", rows)
await server.stop()
process.exit(0)
