import { readSync, writeSync } from "node:fs"
import { limitChild } from "./child-limits.ts"

/** What a child makes of one request: the answer as JSON text, and whether it should be replaced afterwards. */
export interface ChildAnswer {
  readonly json: string
  readonly spent?: boolean
}

/** First byte of every line a child writes. READY stands alone. */
export const READY = "+"
/** Then `<number of the job> <microseconds it took> <JSON>`. */
export const ANSWER = "="
/** An answer, after which the child wants to be replaced: its memory has grown. */
export const LAST_ANSWER = "!"
/** Then `<number of the job>`: it waited here for too long and was not begun. */
export const HANDED_BACK = "-"

const NEWLINE = 10
const MEMORY_CHECK_JOBS = 64
/** A job that waited behind others for longer is not begun: the parent has given it to another child, or will. */
const HAND_BACK_MS = 10

/**
 * The child's side of the pool: reads one JSON request per line from stdin, writes one line per answer to stdout, until
 * stdin ends, which is the parent closing it or dying. Synchronous from end to end: there is one job at a time, and waiting
 * in `read` costs neither a timer nor an event loop. An answer is on its way before the next job begins, so the parent knows
 * which one is in hand. `answer` must not throw for a bad job; when it does, the child exits.
 * `memoryMaxBytes`: for one job; a child that keeps half of it between jobs is replaced.
 */
export function serveJobs(answer: (request: unknown) => ChildAnswer, memoryMaxBytes: number): void {
  limitChild(memoryMaxBytes)
  send(`${READY}\n`)
  const lines = new LineReader()
  for (let jobs = 1; ; jobs++) {
    const line = lines.next()
    if (line === null) return
    const from = performance.now()
    if (lines.behind && from - lines.readAt > HAND_BACK_MS) {
      send(`${HANDED_BACK}${jobs}\n`)
      continue
    }
    const { json, spent } = answer(JSON.parse(line))
    const tookUs = Math.ceil((performance.now() - from) * 1_000)
    const last = spent === true || (jobs % MEMORY_CHECK_JOBS === 0 && process.memoryUsage.rss() > memoryMaxBytes / 2)
    send(`${last ? LAST_ANSWER : ANSWER}${jobs} ${tookUs} ${json}\n`)
  }
}

class LineReader {
  /** When the last of what was read came, as `performance.now()`. */
  readAt = 0
  /** Whether the last line came together with one before it. */
  behind = false
  readonly #buffer = Buffer.allocUnsafe(64 * 1024)
  #from = 0
  #to = 0

  /** The next line, or null at the end. */
  next(): string | null {
    const parts: Buffer[] = []
    for (;;) {
      const start = this.#from
      const end = start < this.#to ? this.#buffer.indexOf(NEWLINE, start) : -1
      if (end !== -1 && end < this.#to) {
        this.#from = end + 1
        this.behind = start > 0
        if (parts.length === 0) return this.#buffer.toString("utf8", start, end)
        return Buffer.concat([...parts, this.#buffer.subarray(start, end)]).toString("utf8")
      }
      if (start < this.#to) parts.push(Buffer.from(this.#buffer.subarray(start, this.#to)))
      this.#from = 0
      this.#to = readSome(this.#buffer)
      if (this.#to === 0) return null
      this.readAt = performance.now()
    }
  }
}

function readSome(into: Buffer): number {
  for (;;) {
    try {
      return readSync(0, into, 0, into.length, null)
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code
      if (code === "EOF" || code === "EPIPE" || code === "ECONNRESET") return 0
      if (code !== "EAGAIN" && code !== "EINTR") throw error
      pause()
    }
  }
}

function send(line: string): void {
  const bytes = Buffer.from(line)
  for (let sent = 0; sent < bytes.length; ) {
    try {
      sent += writeSync(1, bytes, sent)
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code
      if (code !== "EAGAIN" && code !== "EINTR") throw error
      pause()
    }
  }
}

/** For hosts whose pipes do not block. */
function pause(): void {
  Bun.sleepSync(1)
}
