import { appendFileSync, writeSync } from "node:fs"
import { serveJobs } from "../../../src/adapters/sandbox/child-loop.ts"

const MEMORY_MAX_BYTES = 1024 * 1024 * 1024

/** A child that does what each request says; see child-pool.test.ts. */
interface Order {
  readonly echo?: unknown
  readonly env?: true
  readonly pid?: true
  readonly sleepMs?: number
  /** Leaves a line in this file: an effect, of which one can see how often it happened. */
  readonly mark?: readonly [file: string, line: string]
  readonly raw?: string
  readonly flood?: number
  readonly chatter?: number
  readonly exit?: number
  /** On stderr, before it is killed. */
  readonly say?: string
  readonly kill?: true
  /** So many bytes, filled, for a while. */
  readonly hold?: number
}

serveJobs(request => {
  const order = request as Order
  if (order.mark !== undefined) appendFileSync(order.mark[0], `${order.mark[1]}\n`)
  if (order.sleepMs !== undefined) Bun.sleepSync(order.sleepMs)
  if (order.hold !== undefined) {
    const held = Buffer.alloc(order.hold, 1)
    Bun.sleepSync(60_000)
    writeSync(2, held.subarray(0, 1))
  }
  for (let left = order.chatter ?? 0; left > 0; left -= 10_000) writeSync(2, "x".repeat(10_000))
  for (let left = order.flood ?? 0; left > 0; left -= 10_000) writeSync(1, "x".repeat(10_000))
  if (order.say !== undefined) writeSync(2, order.say)
  if (order.kill) process.kill(process.pid, "SIGKILL")
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
}, MEMORY_MAX_BYTES)
