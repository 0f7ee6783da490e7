// Starts of runs a second over HTTP: the executable in one process, the load in another.
import { publish } from "./api.ts"
import { startExecutable } from "./executable.ts"
import { benchFolder } from "./folder.ts"
import { load } from "./load.ts"
import { BATCH_ROWS, rowLimit } from "./rows.ts"
import { nothingToWaitFor, openRuntime } from "./runtime.ts"
import { count, inPairs, percent, printTable, type Row } from "./table.ts"

const folder = benchFolder()
const limit = await rowLimit(folder, await openRuntime(folder))
const server = await startExecutable(folder)
const path = `/v1/workflows/${await publish(server, nothingToWaitFor)}/command`
const request = { method: "POST", path, body: JSON.stringify({ command: "start" }) }
const starts = async (connections: number, forMs: number) =>
  (await load({ url: server.url, token: server.token, connections, forMs, request })).perSecond

const rows: Row[] = []
await starts(16, 1500) // compiled by now
for (const [connections, rowsPerCommit] of [
  [1, 1],
  [64, BATCH_ROWS],
  [256, BATCH_ROWS],
] as const) {
  const {
    figure,
    limit: rate,
    ratio,
  } = await inPairs(
    5,
    () => limit.measure(rowsPerCommit, 400),
    () => starts(connections, 800),
  )
  const unit = rowsPerCommit === 1 ? "one-row commits/s" : `rows/s in batches of ${BATCH_ROWS}`
  rows.push({ name: `${connections} at a time`, figure: count(figure), limit: `${count(rate)} ${unit}`, ratio: percent(ratio) })
}
printTable("starts a second over HTTP", rows)
await server.stop()
process.exit(0)
