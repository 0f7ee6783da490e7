// The official client alone: `bun run bench/mcp-bare.ts <url> <parallel calls> <ms>`; prints calls a second.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client"

const [url = "", parallel = "1", forMs = "1000"] = process.argv.slice(2)
const client = new Client({ name: "bench", version: "1.0.0" }, { versionNegotiation: { mode: "auto" } })
await client.connect(new StreamableHTTPClientTransport(new URL(url)))
const call = () => client.callTool({ name: "echo", arguments: { message: "hello" } })

async function callFor(ms: number): Promise<number> {
  const started = performance.now()
  let calls = 0
  const lane = async () => {
    while (performance.now() - started < ms) {
      await call()
      calls++
    }
  }
  await Promise.all(Array.from({ length: Number(parallel) }, lane))
  return calls / ((performance.now() - started) / 1000)
}

await callFor(300) // compiled by now
console.log(await callFor(Number(forMs)))
process.exit(0)
