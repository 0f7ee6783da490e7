// Readers of a stream, a process of their own: `bun run bench/reading.ts <job as JSON>`. It has to be cheap, so it speaks
// WebSocket on bare sockets: one reader looks into the events, of the others frames are counted and their bytes compared.
import { crc32 } from "node:zlib"

export interface ReadingJob {
  readonly url: string
  /** With its query. */
  readonly path: string
  readonly readers: number
  /** Whether the first reader looks into its frames, which must be events then. Default: yes. */
  readonly looks?: boolean
}

export interface ReadingResult {
  /** Readers whose connection was closed before the end. */
  readonly closed: number
  /** That the first reader got. */
  readonly frames: number
  /** From the first byte that any reader got to the last. */
  readonly tookMs: number
  /** Events of a run that came behind a gap, twice or out of order, at the first reader. */
  readonly misplaced: number
  /** Frames that the others have less than the first, and readers whose bytes are not the first one's. */
  readonly missed: number
  readonly different: number
}

const HEAD_END = Buffer.from("\r\n\r\n")
const QUIET_MS = 300

/** Starts the readers; `finish` waits until nothing more comes. */
export async function startReading(job: ReadingJob): Promise<{ readonly pid: number; finish(): Promise<ReadingResult> }> {
  const child = Bun.spawn([process.execPath, "run", import.meta.path, JSON.stringify(job)], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  })
  process.on("exit", () => child.kill("SIGKILL"))
  const reader = child.stdout.getReader()
  const line = async () => {
    const { value } = await reader.read()
    if (value === undefined) throw new Error("the readers ended early")
    return JSON.parse(new TextDecoder().decode(value)) as ReadingResult
  }
  await line()
  return {
    pid: child.pid,
    finish: async () => {
      child.stdin.end()
      return await line()
    },
  }
}

/** A connection that follows the frames of its bytes. Understands what a server sends: unmasked and unfragmented. */
class Reading {
  frames = 0
  bytes = 0
  crc = 0
  closed = false
  firstAt = 0
  lastAt = 0
  #opened = false
  /** Bytes of a frame or its header that came without the rest. */
  #rest: Buffer = Buffer.alloc(0)
  /** Bytes of the frame under way that are still to come, when nobody looks into it. */
  #skip = 0

  constructor(private readonly look: ((text: string) => void) | null) {}

  receive(chunk: Buffer): void {
    let data = chunk
    if (!this.#opened) {
      data = Buffer.concat([this.#rest, chunk])
      const end = data.indexOf(HEAD_END)
      if (end === -1) {
        this.#rest = data
        return
      }
      if (!data.toString("latin1", 0, 12).endsWith("101")) throw new Error(data.toString("latin1"))
      this.#opened = true
      data = data.subarray(end + HEAD_END.length)
      this.#rest = Buffer.alloc(0)
    }
    if (data.length === 0) return
    this.lastAt = performance.now()
    if (this.bytes === 0) this.firstAt = this.lastAt
    this.bytes += data.length
    this.crc = crc32(data, this.crc)
    this.#frames(this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]))
  }

  #frames(data: Buffer): void {
    let at = Math.min(this.#skip, data.length)
    this.#skip -= at
    while (at < data.length) {
      const header = headerBytes(data, at)
      const length = header === null ? null : payloadBytes(data, at)
      if (header === null || length === null) break
      if (this.look === null) {
        this.#skip = Math.max(0, at + header + length - data.length)
      } else {
        if (at + header + length > data.length) break
        this.look(data.toString("utf8", at + header, at + header + length))
      }
      if ((data[at]! & 0x0f) === 8) this.closed = true
      else this.frames++
      at = Math.min(data.length, at + header + length)
    }
    this.#rest = at < data.length ? Buffer.from(data.subarray(at)) : Buffer.alloc(0)
  }
}

/** Null: it is not all there. */
function headerBytes(data: Buffer, at: number): number | null {
  const length = data[at + 1]
  if (length === undefined) return null
  const header = 2 + ((length & 127) === 126 ? 2 : (length & 127) === 127 ? 8 : 0)
  return at + header <= data.length ? header : null
}

function payloadBytes(data: Buffer, at: number): number {
  const length = data[at + 1]! & 127
  if (length === 126) return data.readUInt16BE(at + 2)
  return length === 127 ? Number(data.readBigUInt64BE(at + 2)) : length
}

/** Looks whether the events of each run come with no gap and in order. */
class Order {
  misplaced = 0
  readonly #last = new Map<string, number>()

  readonly look = (text: string): void => {
    const { run_id, seq } = JSON.parse(text) as { run_id?: string; seq?: number }
    if (run_id === undefined || seq === undefined) return
    if (seq !== (this.#last.get(run_id) ?? 0) + 1) this.misplaced++
    this.#last.set(run_id, seq)
  }
}

async function open(job: ReadingJob, reading: Reading): Promise<void> {
  const url = new URL(job.url)
  const ready = Promise.withResolvers<void>()
  await Bun.connect({
    hostname: url.hostname,
    port: Number(url.port),
    socket: {
      open(socket) {
        socket.write(
          `GET ${job.path} HTTP/1.1\r\nHost: ${url.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        )
      },
      data(_, chunk) {
        reading.receive(chunk)
        ready.resolve()
      },
      close() {
        reading.closed = true
      },
    },
  })
  await ready.promise
}

if (import.meta.main) {
  const job = JSON.parse(process.argv[2] ?? "") as ReadingJob
  const order = new Order()
  const first = new Reading(job.looks === false ? null : order.look)
  const others = Array.from({ length: job.readers - 1 }, () => new Reading(null))
  const all = [first, ...others]
  for (const reading of all) await open(job, reading)
  await Bun.sleep(QUIET_MS) // a refusal behind the upgrade would show by now
  console.log("{}")
  await Bun.stdin.text()
  const total = () => all.reduce((sum, reading) => sum + reading.bytes, 0)
  for (let before = -1; before !== total(); ) {
    before = total()
    await Bun.sleep(QUIET_MS)
  }
  const result: ReadingResult = {
    closed: all.filter(reading => reading.closed).length,
    frames: first.frames,
    tookMs: Math.max(...all.map(reading => reading.lastAt)) - Math.min(...all.map(reading => reading.firstAt)),
    misplaced: order.misplaced,
    missed: others.reduce((sum, reading) => sum + Math.max(0, first.frames - reading.frames), 0),
    different: others.filter(reading => reading.bytes !== first.bytes || reading.crc !== first.crc).length,
  }
  console.log(JSON.stringify(result))
  process.exit(0)
}
