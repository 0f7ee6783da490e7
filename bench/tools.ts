// Tool calls a second: five steps one after another that call a connector of ours, beside five that do nothing; and five that call
// an MCP server over Streamable HTTP, beside the official client alone calling the same server.
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { startServer } from "./executable.ts"
import { benchFolder } from "./folder.ts"
import { load } from "./load.ts"
import { count, inPairs, percent, printTable, type Row } from "./table.ts"

const STEPS = 5
const PAIRS = 7
const FOR_MS = 1_500
const IN_FLIGHT = 64

process.env.NODE_ENV = "production"
const data = join(benchFolder(), "server")
mkdirSync(data)
const bun = (file: string, ...args: readonly string[]) => [process.execPath, "run", join(import.meta.dir, file), ...args]
const peer = await startServer(bun("mcp-peer.ts"), "")
const server = await startServer(bun("server.ts", data, peer.url), "")
const rows: Row[] = []

/** Steps a second of a workflow of five steps. */
async function stepsOf(workflowId: unknown, connections = IN_FLIGHT): Promise<number> {
  const request = { method: "POST", path: `/v1/workflows/${workflowId}/command`, body: JSON.stringify({ command: "start" }) }
  const headers = { prefer: "wait=30" }
  const job = {
    url: server.url,
    token: null,
    connections,
    forMs: FOR_MS,
    request,
    headers,
    expect: '"status":"completed"',
  }
  return (await load(job)).perSecond * STEPS
}

for (const [name, workflowId] of [
  ["a tool of ours that does nothing", server.facts.tool],
  ["time_now", server.facts.time],
] as const) {
  await stepsOf(workflowId) // compiled by now
  const { figure, limit, ratio } = await inPairs(
    PAIRS,
    () => stepsOf(server.facts.nothing),
    () => stepsOf(workflowId),
  )
  rows.push({
    name: `${name}, ${IN_FLIGHT} runs in flight`,
    figure: `${count(figure)} steps/s`,
    limit: `${count(limit)} do-nothing steps/s`,
    ratio: percent(ratio),
  })
}

for (const parallel of [1, IN_FLIGHT]) {
  const bare = async () => {
    const child = Bun.spawn(bun("mcp-bare.ts", peer.url, String(parallel), String(FOR_MS)), { stdout: "pipe", stderr: "inherit" })
    return Number(await new Response(child.stdout).text())
  }
  await stepsOf(server.facts.remote, parallel)
  const { figure, limit, ratio } = await inPairs(PAIRS, bare, () => stepsOf(server.facts.remote, parallel))
  rows.push({
    name: `an MCP server over HTTP, ${parallel} in flight`,
    figure: `${count(figure)} steps/s`,
    limit: `${count(limit)} calls/s of the bare client`,
    ratio: percent(ratio),
  })
}

printTable("runs of 5 tool calls, one after another", rows)
await server.stop()
await peer.stop()
process.exit(0)
