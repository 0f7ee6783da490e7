import { afterAll, expect, test } from "bun:test"
import { createHmac } from "node:crypto"
import { SEED } from "../engine/seed.ts"
import { lookAt, rowsOf } from "./journal.ts"
import { Home, type Server, until } from "./server.ts"

const KEYS = Number(process.env.AGENTRUNTIME_TEST_DELIVERIES ?? 1_500)
const KILLS = Number(process.env.AGENTRUNTIME_TEST_DELIVERY_KILLS ?? 5)
const AT_A_TIME = 64

const home = new Home()
afterAll(() => home.remove())

/** The sender of one vendor: every delivery twice, each until it is answered, as vendors do. */
class Sender {
  /** By key, the runs that were answered. */
  readonly runs = new Map<string, Set<string>>()
  readonly wrong: string[] = []
  answered = 0
  /** Requests that the death of the server cut off. */
  cut = 0
  server: Server
  #queue: string[]

  constructor(
    server: Server,
    readonly path: string,
    readonly secret: string,
  ) {
    this.server = server
    const keys = Array.from({ length: KEYS }, (_, i) => `evt_${i}`)
    // A double comes at the same time, or some hundred deliveries later.
    this.#queue = keys.flatMap((key, i) => (i % 2 === 0 ? [key, key] : [key]))
    for (let i = 1; i < KEYS; i += 2) this.#queue.splice(Math.min(this.#queue.length, i * 2 + 300), 0, keys[i]!)
  }

  async work(): Promise<void> {
    for (let key = this.#queue.shift(); key !== undefined; key = this.#queue.shift()) await this.#deliver(key)
  }

  async #deliver(key: string): Promise<void> {
    const body = JSON.stringify({ key, n: 1 })
    for (;;) {
      const { server } = this
      try {
        const seconds = Math.floor(Date.now() / 1000)
        const hex = createHmac("sha256", this.secret).update(`${seconds}.${body}`).digest("hex")
        const headers = { "x-agentruntime-signature": `t=${seconds},v1=${hex}`, "idempotency-key": key }
        const answer = await fetch(server.url + this.path, { method: "POST", body, headers, signal: AbortSignal.timeout(20_000) })
        const text = await answer.text()
        if (answer.status !== 200) this.wrong.push(`${key} was answered ${answer.status} ${text}`)
        else this.#note(key, JSON.parse(text))
        return
      } catch {
        this.cut++
        while (this.server === server || this.server.address === null) await Bun.sleep(5)
      }
    }
  }

  #note(key: string, { status, run_id }: { status: string; run_id: string }): void {
    if (status !== "accepted") this.wrong.push(`${key} is ${status}`)
    this.runs.set(key, (this.runs.get(key) ?? new Set()).add(run_id))
    this.answered++
  }
}

test(
  `of ${KEYS} deliveries, each sent twice, every one that was answered has one run, over ${KILLS} kills (seed ${SEED})`,
  async () => {
    const { pat } = await home.init()
    let server = await home.serve(["--inbound-webhooks-rate-per-minute", "1000000"])
    const client = server.client(pat)
    const workflowId = await client.publish("orders", [
      { id: "a", type: "lua_script", name: "a", script: "return { ok = true }" },
    ])
    const made = await client.ok("POST", "/v1/inbound-webhooks", { workflow_id: workflowId, automation_bearer: pat })
    const sender = new Sender(server, made.ingress_path, made.signing_secret)
    const began = performance.now()
    const working = Promise.all(Array.from({ length: AT_A_TIME }, () => sender.work()))
    let delivered = false
    const done = working.then(() => {
      delivered = true
    })

    const complaints: string[] = []
    for (let kill = 1; kill <= KILLS; kill++) {
      const when = (KEYS * 2 * (kill - 0.5 + (((SEED + kill * 7919) % 100) / 100 - 0.5) * 0.6)) / KILLS
      while (sender.answered < when && !delivered) await Bun.sleep(1)
      await server.kill()
      complaints.push(...server.complaints.map(line => JSON.stringify(line)))
      server = await home.serve(["--inbound-webhooks-rate-per-minute", "1000000"])
      sender.server = server
    }
    await done
    const last = server.client(pat)
    const open = async () => (await last.get("/v1/runs?limit=1&status=running,paused,draining")).total
    await until("every run has ended", 60_000, async () => (await open()) === 0)
    expect(await server.stop()).toBe(0)

    const seconds = ((performance.now() - began) / 1000).toFixed(1)
    console.log(
      `webhooks: seed ${SEED}, ${sender.answered} answers, ${sender.cut} requests cut off by ${KILLS} kills, ${seconds} s`,
    )
    expect(sender.wrong).toEqual([])
    expect(complaints).toEqual([])
    expect(sender.answered).toBe(KEYS * 2)
    if (KILLS > 0) expect(sender.cut).toBeGreaterThan(0)
    const twice = [...sender.runs].filter(([, runs]) => runs.size !== 1)
    expect(twice).toEqual([])

    const { stored, runs } = lookAt(home.database, c => ({
      stored: rowsOf<{ key: string; run: string }>(c, "SELECT dedupe_key AS key, run_id AS run FROM webhook_deliveries"),
      runs: rowsOf<{ id: string; status: string; key: string }>(c, "SELECT id, status, input ->> 'key' AS key FROM runs"),
    }))
    // One row and one run for each key, and no other: also not for a key whose first answer was cut off.
    expect(stored.length).toBe(KEYS)
    expect(runs.length).toBe(KEYS)
    const runOf = new Map(runs.map(run => [run.id, run]))
    const mismatched = stored.filter(
      ({ key, run }) => runOf.get(run)?.key !== key || runOf.get(run)?.status !== "completed" || !sender.runs.get(key)?.has(run),
    )
    expect(mismatched).toEqual([])
  },
  60_000 + KEYS * 30 + KILLS * 5_000,
)
