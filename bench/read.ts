// Reads of one run a second, with a personal access token, beside a route of Elysia that gives the same bytes and does nothing.
import { join } from "node:path"
import { publish, startRun } from "./api.ts"
import { startExecutable, startServer } from "./executable.ts"
import { benchFolder } from "./folder.ts"
import { load } from "./load.ts"
import { nothingToWaitFor } from "./runtime.ts"
import { count, inPairs, percent, printTable, type Row } from "./table.ts"

const FOR_MS = 700

const folder = benchFolder()
const server = await startExecutable(folder)
const workflowId = await publish(server, nothingToWaitFor)
const path = `/v1/workflows/${workflowId}/runs/${await startRun(server, workflowId)}`
const answer = await fetch(server.url + path, { headers: { authorization: `Bearer ${server.token}` } })
process.env.NODE_ENV = "production" // for the bare route; the executable is built with it
const bare = await startServer([process.execPath, "run", join(import.meta.dir, "bare.ts"), await answer.text()], "")

const reads = async (connections: number) =>
  (await load({ url: server.url, token: server.token, connections, forMs: FOR_MS, request: { method: "GET", path } })).perSecond
const bareReads = async (connections: number) =>
  (await load({ url: bare.url, token: null, connections, forMs: FOR_MS, request: { method: "GET", path: "/" } })).perSecond

const rows: Row[] = []
for (const connections of [1, 64]) {
  await Promise.all([reads(connections), bareReads(connections)]) // compiled by now
  const { figure, limit, ratio } = await inPairs(
    5,
    () => bareReads(connections),
    () => reads(connections),
  )
  rows.push({
    name: `${connections} at a time`,
    figure: count(figure),
    limit: `${count(limit)} of a bare route`,
    ratio: percent(ratio),
  })
}
printTable("reads of a run a second over HTTP", rows)
await server.stop()
await bare.stop()
process.exit(0)
