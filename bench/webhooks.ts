// Deliveries a second over HTTP, each stored with the run it starts, beside starts of the same runs: over HTTP by a command, and
// by the engine alone.
import { createHmac } from "node:crypto"
import { compilePlan } from "../src/engine/graph.ts"
import { post, publish } from "./api.ts"
import { startExecutable } from "./executable.ts"
import { benchFolder } from "./folder.ts"
import { load } from "./load.ts"
import { newRun, nothing, nothingToWaitFor, openRuntime } from "./runtime.ts"
import { count, inPairs, percent, printTable, type Row } from "./table.ts"

const AT_A_TIME = 64
const FOR_MS = 1_000

const folder = benchFolder()
const { runs } = await openRuntime(folder)
// As `nothingToWaitFor`: a run that ends with its start.
const off = { id: "off", name: "Off", type: nothing.type, enabled: false }
const plan = compilePlan({ steps: [off] }, new Map([[nothing.type, nothing]]))
const server = await startExecutable(folder)
const workflowId = await publish(server, nothingToWaitFor)
const wish = { workflow_id: workflowId, automation_bearer: server.token, rate_limit_per_minute: 1_000_000 }
const made = await post(server, "/v1/inbound-webhooks", wish)
const secret = String(made.signing_secret)
const payload = JSON.stringify({ id: "evt_1", type: "order.created", data: { order: 4711, total: "19.90", currency: "EUR" } })

const over = { url: server.url, token: server.token, connections: AT_A_TIME, forMs: FOR_MS }
const start = { method: "POST", path: `/v1/workflows/${workflowId}/command` }
const params = { trigger_payload: JSON.parse(payload) }
const startBody = JSON.stringify({ command: "start", params })
const perSecond = async (job: Parameters<typeof load>[0]) => (await load(job)).perSecond

const started = () => perSecond({ ...over, request: { ...start, body: startBody } })
const startedByKey = () => perSecond({ ...over, request: { ...start, body: startBody }, keyed: true })

function delivered(more: { readonly keyed?: true }): Promise<number> {
  const seconds = Math.floor(Date.now() / 1000)
  const hex = createHmac("sha256", secret).update(`${seconds}.${payload}`).digest("hex")
  const request = { method: "POST", path: String(made.ingress_path), body: payload }
  return perSecond({ ...over, token: null, headers: { "x-agentruntime-signature": `t=${seconds},v1=${hex}` }, request, ...more })
}

async function startedInProcess(): Promise<number> {
  const from = performance.now()
  let n = 0
  const lane = async () => {
    for (; performance.now() - from < FOR_MS; n++) await runs.start(newRun(), plan)
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, lane))
  return n / ((performance.now() - from) / 1000)
}

await delivered({})
await started() // compiled by now
const rows: Row[] = []
const pairs = [
  ["with a key each", () => delivered({ keyed: true }), startedByKey, "starts/s over HTTP, with a key each"],
  ["without keys", () => delivered({}), started, "starts/s over HTTP"],
  ["with a key each", () => delivered({ keyed: true }), startedInProcess, "starts/s in process"],
] as const
for (const [name, figureOf, limitOf, unit] of pairs) {
  const { figure, limit, ratio } = await inPairs(5, limitOf, figureOf)
  rows.push({ name, figure: count(figure), limit: `${count(limit)} ${unit}`, ratio: percent(ratio) })
}
printTable(`deliveries a second over HTTP, ${AT_A_TIME} at a time`, rows)
await server.stop()
process.exit(0)
