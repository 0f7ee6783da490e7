// Calls of a model a second beside what the AI SDK alone reaches with the same server, and 200 streams at once.
import { join } from "node:path"
import { createOpenAICompatible } from "@ai-sdk/openai-compatible"
import { generateText } from "ai"
import { createEgress } from "../src/adapters/egress/egress.ts"
import type { CallOptions, ModelRequest, ModelTarget } from "../src/adapters/llm/llm.ts"
import { createModels } from "../src/adapters/llm/models.ts"
import { parseAllowEntry } from "../src/kernel/allow-entry.ts"
import { asker } from "../src/kernel/asker.ts"
import { startServer } from "./executable.ts"
import { count, inPairs, percent, printTable, type Row } from "./table.ts"

const PAIRS = 5
const FOR_MS = 800
const STREAMS = 200
/** Of the event loop. */
const TICK_MS = 5
const DELAY_P99_MAX_MS = 50

Object.assign(globalThis, { AI_SDK_LOG_WARNINGS: false })
const server = await startServer([process.execPath, "run", join(import.meta.dir, "llm-server.ts")], "")
const allowed = parseAllowEntry("127.0.0.1")
if (allowed === null) throw new Error("127.0.0.1 is no address")
const models = createModels({ egress: createEgress({ allow: [allowed] }), clock: { now: () => Date.now() } })
const target: ModelTarget = { vendor: "local", model: "instant", baseUrl: `${server.url}/v1`, apiKey: null, options: {} }
const options: CallOptions = { asker: asker("bench"), signal: new AbortController().signal, timeoutMs: 60_000 }
const request: ModelRequest = {
  system: "Be short.",
  messages: [{ role: "user", text: "Say something." }],
  tools: [{ name: "get_time", description: "The time now.", inputSchema: { type: "object", properties: {} } }],
  params: { temperature: 0 },
  output: null,
}

async function perSecond(inFlight: number, call: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  let calls = 0
  const caller = async () => {
    while (performance.now() - started < FOR_MS) {
      await call()
      calls++
    }
  }
  await Promise.all(Array.from({ length: inFlight }, caller))
  return calls / ((performance.now() - started) / 1_000)
}

const provider = createOpenAICompatible({ name: "local", baseURL: `${server.url}/v1`, includeUsage: true })
const alone = () =>
  generateText({ model: provider("instant"), instructions: "Be short.", prompt: "Say something.", temperature: 0, maxRetries: 0 })
const ours = () => models.complete(target, request, options)

/** The delays of a timer that wants to be called every few milliseconds while `work` goes on, sorted. */
async function delaysDuring(work: () => Promise<unknown>): Promise<number[]> {
  const delays: number[] = []
  let due = performance.now() + TICK_MS
  const timer = setInterval(() => {
    delays.push(Math.max(0, performance.now() - due))
    due = performance.now() + TICK_MS
  }, TICK_MS)
  await work()
  clearInterval(timer)
  return delays.sort((a, b) => a - b)
}

const rows: Row[] = []
for (const inFlight of [1, 32]) {
  await perSecond(inFlight, ours) // compiled by now
  const result = await inPairs(
    PAIRS,
    () => perSecond(inFlight, alone),
    () => perSecond(inFlight, ours),
  )
  rows.push({
    name: `calls, ${inFlight} in flight`,
    figure: `${count(result.figure)} /s`,
    limit: `${count(result.limit)} /s by the AI SDK with its own fetch`,
    ratio: percent(result.ratio),
  })
}

let words = 0
const started = performance.now()
const delays = await delaysDuring(() =>
  Promise.all(
    Array.from({ length: STREAMS }, () => models.complete(target, request, { ...options, onText: () => void words++ })),
  ),
)
const p99 = delays[Math.floor(delays.length * 0.99)] ?? 0
rows.push({
  name: `${STREAMS} streams at once, ${count(words / ((performance.now() - started) / 1_000))} words/s`,
  figure: `event loop late by ${p99.toFixed(1)} ms, p99`,
  limit: `${DELAY_P99_MAX_MS} ms at most`,
  ratio: percent(p99 / DELAY_P99_MAX_MS),
})

printTable("calls of a model through the adapter and egress", rows)
await server.stop()
process.exit(0)
