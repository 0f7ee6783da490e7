// How long the executable takes to be ready, and what it holds when nothing happens.
import { join } from "node:path"
import { buildExecutable } from "../dist-config/build.ts"
import { makeToken, residentBytes, serveCommand, startServer } from "./executable.ts"
import { benchFolder } from "./folder.ts"
import { inPairs, median, printTable } from "./table.ts"

const IDLE_MS = 1500

const { path } = await buildExecutable()
const data = join(benchFolder(), "data")
const token = makeToken(path, data) // migrated by now, as at every start but the first
const idle: number[] = []

/** The least that this executable can take: it prints its version and ends. */
const leastMs = () => {
  const started = performance.now()
  Bun.spawnSync([path, "--version"])
  return performance.now() - started
}

const { figure, limit, ratio } = await inPairs(7, leastMs, async () => {
  const server = await startServer(serveCommand(path, data), token)
  if (idle.length < 3) {
    await Bun.sleep(IDLE_MS)
    idle.push(residentBytes(server.pid) ?? Number.NaN)
  }
  await server.stop()
  return server.readyMs
})

printTable("the executable", [
  {
    name: "start to ready",
    figure: `${figure.toFixed(0)} ms`,
    limit: `${limit.toFixed(0)} ms for --version`,
    ratio: `${ratio.toFixed(1)} times`,
  },
  { name: "memory when idle", figure: `${(median(idle) / 1e6).toFixed(0)} MB`, limit: "", ratio: "" },
])
process.exit(0)
