// Runs a second without and with a thousand WebSocket readers of their workflow, and whether the readers get every event.
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { startServer } from "./executable.ts"
import { benchFolder } from "./folder.ts"
import { load } from "./load.ts"
import { type ReadingResult, startReading } from "./reading.ts"
import { count, inPairs, median, percent, printTable } from "./table.ts"

const READERS = 1_000
const IN_FLIGHT = 64
const PAIRS = 3
const FOR_MS = 1_000
/** Of an event of the runs below, and what one turn of the loop sends to each reader. */
const FRAME_CHARS = 410
const FRAMES_TOGETHER = 100

process.env.NODE_ENV = "production"
const data = join(benchFolder(), "server")
mkdirSync(data)
const server = await startServer([process.execPath, "run", join(import.meta.dir, "server.ts"), data], "")
const workflow = `/v1/workflows/${server.facts.nothing}`

const runsPerSecond = async () => {
  const request = { method: "POST", path: `${workflow}/command`, body: JSON.stringify({ command: "start" }) }
  const headers = { prefer: "wait=30" }
  const job = {
    url: server.url,
    token: null,
    connections: IN_FLIGHT,
    forMs: FOR_MS,
    request,
    headers,
    expect: '"status":"completed"',
  }
  return (await load(job)).perSecond
}

const results: ReadingResult[] = []
const withReaders = async () => {
  const reading = await startReading({ url: server.url, path: `${workflow}/stream`, readers: READERS })
  const figure = await runsPerSecond()
  results.push(await reading.finish())
  return figure
}

/** Events a second to each reader, from a server that does nothing else. */
async function bareEventsPerSecond(): Promise<number> {
  const command = [process.execPath, "run", join(import.meta.dir, "fan-out.ts"), String(FRAME_CHARS), String(FRAMES_TOGETHER)]
  const bare = await startServer(command, "")
  const reading = await startReading({ url: bare.url, path: "/", readers: READERS, looks: false })
  await fetch(`${bare.url}/4000`)
  const { frames, tookMs } = await reading.finish()
  await bare.stop()
  return frames / (tookMs / 1_000)
}

await runsPerSecond() // compiled by now
const runs = await inPairs(PAIRS, runsPerSecond, withReaders)
const delivered = results.map(({ frames, tookMs }) => frames / (tookMs / 1_000))
const bare = await bareEventsPerSecond()
const sum = (name: "missed" | "misplaced" | "different" | "closed") => results.reduce((total, result) => total + result[name], 0)

printTable(`runs of 5 steps, ${IN_FLIGHT} in flight, ${count(READERS)} readers of their workflow`, [
  {
    name: "runs a second",
    figure: `${count(runs.figure)} runs/s`,
    limit: `${count(runs.limit)} runs/s without readers`,
    ratio: percent(runs.ratio),
  },
  {
    name: "events a second to each reader, until the last has all",
    figure: `${count(median(delivered))} events/s`,
    limit: `${count(bare)} events/s from a server that does nothing else`,
    ratio: percent(median(delivered) / bare),
  },
  {
    name: `events missed, of ${count(results.reduce((total, result) => total + result.frames, 0))} to each`,
    figure: `${sum("missed")} missed, ${sum("misplaced")} out of place`,
    limit: `${sum("closed")} connections closed, ${sum("different")} readers differ`,
    ratio: "",
  },
])
await server.stop()
process.exit(0)
