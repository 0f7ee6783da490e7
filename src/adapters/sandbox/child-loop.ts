import { readSync, writeSync } from "node:fs"
import { limitChild } from "./child-limits.ts"

/** What a child makes of one request: the answer as JSON text, and whether it should be replaced afterwards. */
export interface ChildAnswer {
  readonly json: string
  readonly spent?: boolean
}

/** First byte of every line a child writes. */
export const READY = "+"
export const ANSWER = "="
/** An answer, after which the child wants to be replaced: its memory has grown. */
export const LAST_ANSWER = "!"

const NEWLINE = 10
const MEMORY_CHECK_JOBS = 64

/**
 * The child's side of the pool: reads one JSON request per line from stdin, writes one line per answer to stdout, until
 * stdin ends, which is the parent closing it or dying. Synchronous from end to end: there is one job at a time, and waiting
 * in `read` costs neither a timer nor an event loop. `answer` must not throw for a bad job; when it does, the child exits.
 * `memoryMaxBytes`: for one job; a child that keeps half of it between jobs is replaced.
 */
export function serveJobs(answer: (request: unknown) => ChildAnswer, memoryMaxBytes: number): void {
  limitChild(memoryMaxBytes)
  send(`${READY}\n`)
  const lines = new LineReader()
  for (let jobs = 1; ; jobs++) {
    const line = lines.next()
    if (line === null) return
    const { json, spent } = answer(JSON.parse(line))
    const last = spent === true || (jobs % MEMORY_CHECK_JOBS === 0 && process.memoryUsage.rss() > memoryMaxBytes / 2)
    send(`${last ? LAST_ANSWER : ANSWER}${json}\n`)
  }
}

class LineReader {
  readonly #buffer = Buffer.allocUnsafe(64 * 1024)

  /** The next line, or null at the end. The parent sends a line only after the last one's answer, so none shares a chunk. */
  next(): string | null {
    let parts: Buffer[] | undefined
    for (;;) {
      const size = readSome(this.#buffer)
      if (size === 0) return null
      const complete = this.#buffer[size - 1] === NEWLINE
      if (complete && parts === undefined) return this.#buffer.toString("utf8", 0, size - 1)
      parts ??= []
      parts.push(Buffer.from(this.#buffer.subarray(0, complete ? size - 1 : size)))
      if (complete) return Buffer.concat(parts).toString("utf8")
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
