// The load generator, a process of its own: `bun run bench/load.ts <job as JSON>`; prints its result as JSON.
import { Connection } from "./connection.ts"

export interface LoadJob {
  readonly url: string
  readonly token: string | null
  readonly connections: number
  readonly forMs: number
  readonly request: { readonly method: string; readonly path: string; readonly body?: string }
  readonly headers?: Readonly<Record<string, string>>
  /** Each request has an `Idempotency-Key` of its own. */
  readonly keyed?: true
  /** What a good answer holds. */
  readonly expect?: string
}

export interface LoadResult {
  readonly perSecond: number
  readonly medianMs: number
  /** 99 of 100 were answered in this time. */
  readonly p99Ms: number
}

/** Runs the job in a process of its own. */
export async function load(job: LoadJob): Promise<LoadResult> {
  const child = Bun.spawn([process.execPath, "run", import.meta.path, JSON.stringify(job)], { stdout: "pipe", stderr: "inherit" })
  const text = await new Response(child.stdout).text()
  if ((await child.exited) !== 0) throw new Error("the load generator failed")
  return JSON.parse(text) as LoadResult
}

async function generate(job: LoadJob): Promise<LoadResult> {
  const headers = { ...job.headers, ...(job.token !== null && { authorization: `Bearer ${job.token}` }) }
  const connections = await Promise.all(Array.from({ length: job.connections }, () => Connection.open(new URL(job.url), headers)))
  const took: number[] = []
  const started = performance.now()
  const lane = async (connection: Connection) => {
    for (let at = started; at - started < job.forMs; ) {
      await once(connection, job)
      const now = performance.now()
      took.push(now - at)
      at = now
    }
  }
  await Promise.all(connections.map(lane))
  const perSecond = took.length / ((performance.now() - started) / 1000)
  const sorted = took.toSorted((a, b) => a - b)
  return { perSecond, medianMs: sorted[sorted.length >> 1]!, p99Ms: sorted[Math.floor(sorted.length * 0.99)]! }
}

const RUN = crypto.randomUUID()
let requests = 0

async function once(connection: Connection, { request, keyed, expect = "" }: LoadJob): Promise<void> {
  const { method, path, body } = request
  const answer = await connection.request(method, path, body, keyed ? `idempotency-key: ${RUN}-${requests++}\r\n` : "")
  if (answer.status !== 200 || !answer.body.includes(expect))
    throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`)
}

if (import.meta.main) {
  console.log(JSON.stringify(await generate(JSON.parse(process.argv[2] ?? "") as LoadJob)))
  process.exit(0)
}
