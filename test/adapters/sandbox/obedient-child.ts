import { writeSync } from "node:fs"
import { serveJobs } from "../../../src/adapters/sandbox/child-loop.ts"

/** A child that does what each request says; see child-pool.test.ts. */
interface Order {
  readonly echo?: unknown
  readonly env?: true
  readonly pid?: true
  readonly sleepMs?: number
  readonly raw?: string
  readonly flood?: number
  readonly chatter?: number
  readonly exit?: number
}

serveJobs(request => {
  const order = request as Order
  if (order.sleepMs !== undefined) Bun.sleepSync(order.sleepMs)
  for (let left = order.chatter ?? 0; left > 0; left -= 10_000) writeSync(2, "x".repeat(10_000))
  for (let left = order.flood ?? 0; left > 0; left -= 10_000) writeSync(1, "x".repeat(10_000))
  if (order.exit !== undefined) {
    writeSync(2, "on purpose")
    process.exit(order.exit)
  }
  if (order.raw !== undefined) {
    writeSync(1, order.raw)
    Bun.sleepSync(60_000)
  }
  if (order.env) return { json: JSON.stringify(process.env) }
  if (order.pid) return { json: String(process.pid) }
  return { json: JSON.stringify(order.echo ?? null) }
})
