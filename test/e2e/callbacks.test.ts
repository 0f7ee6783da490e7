import { afterAll, expect, test } from "bun:test"
import { createHmac, timingSafeEqual } from "node:crypto"
import { Home, until } from "./server.ts"

const home = new Home()
afterAll(() => home.remove())

/** What a receiver got, by `Idempotency-Key`: every body that came under it, once. */
class Receiver {
  readonly got = new Map<string, Set<string>>()
  readonly wrong: string[] = []
  secret = ""
  requests = 0
  readonly server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: request => this.#take(request) })

  get url(): string {
    return `http://127.0.0.1:${this.server.port}/ended?tenant=secret-of-the-query`
  }

  async #take(request: Request): Promise<Response> {
    this.requests++
    const body = await request.text()
    const key = request.headers.get("idempotency-key")
    const [, seconds = "", hex = ""] =
      /^t=(\d+),v1=([0-9a-f]{64})$/.exec(request.headers.get("x-agentruntime-signature") ?? "") ?? []
    const wanted = createHmac("sha256", this.secret).update(`${seconds}.${body}`).digest()
    const good = hex.length === 64 && timingSafeEqual(wanted, Buffer.from(hex, "hex"))
    if (!good || Math.abs(Date.now() / 1000 - Number(seconds)) > 300) this.wrong.push(`signature of ${key}`)
    if (key === null || request.method !== "POST") this.wrong.push(`${request.method} without a key`)
    this.got.set(key ?? "", (this.got.get(key ?? "") ?? new Set()).add(body))
    return new Response("ok")
  }
}

test("every acknowledged run is told to its receiver, over kills, with one key and one body each", async () => {
  const receiver = new Receiver()
  const pat = await home.token()
  // The token of `init` runs workflows; rotating a secret is for an admin, who signs in.
  let server = await home.serve(["--egress-allow", "127.0.0.1"])
  const signIn = await fetch(`${server.url}/v1/auth/login`, {
    method: "POST",
    body: JSON.stringify({ email: "ops@example.com", password: "correct horse battery staple" }),
  })
  const cookie = (signIn.headers.get("set-cookie") ?? "").split(";")[0] ?? ""
  const admin = server.client(null)
  const { tenants } = await admin.ok("GET", "/v1/auth/me", undefined, { cookie })
  const place = { cookie, origin: server.url, "x-tenant-id": tenants[0].id, "x-project-id": tenants[0].projects[0].id }
  receiver.secret = (await admin.ok("POST", "/v1/callback-secret/rotate", undefined, place)).signing_secret

  const steps = [{ id: "a", type: "lua_script", name: "a", script: "return { n = input.n }" }]
  const workflowId = await server.client(pat).publish("told", steps)
  const started = new Set<string>()
  for (let life = 0; life < 4; life++) {
    const client = server.client(pat)
    const starts = Array.from({ length: 15 }, async (_, i) => {
      await Bun.sleep(i * 8)
      const params = { n: i, callback_url: receiver.url }
      const answer = await client
        .call("POST", `/v1/workflows/${workflowId}/command`, { command: "start", params })
        .catch(() => null)
      if (answer?.status === 200) started.add(answer.body.run_id)
    })
    await Bun.sleep(60 + life * 40)
    await server.kill()
    await Promise.all(starts)
    server = await home.serve(["--egress-allow", "127.0.0.1"])
  }
  const client = server.client(pat)
  // What a killed server had taken comes up again when its claim runs out.
  await until("every run was told", 90_000, () => [...started].every(id => receiver.got.has(id)))

  expect(started.size).toBeGreaterThan(10)
  expect(receiver.wrong).toEqual([])
  for (const id of started) {
    const bodies = [...(receiver.got.get(id) ?? [])].map(body => JSON.parse(body))
    expect(bodies).toHaveLength(1)
    expect(bodies[0]).toMatchObject({ event: "run.completed", run_id: id, workflow_id: workflowId, status: "completed" })
  }
  const [some = ""] = started
  await until("its delivery is recorded", 5_000, async () => {
    const { callbacks } = await client.get(`/v1/workflows/${workflowId}/runs/${some}/callbacks`)
    return callbacks[0]?.status === "delivered"
  })
  expect(JSON.stringify(await client.get(`/v1/workflows/${workflowId}/runs/${some}/callbacks`))).not.toContain(
    "secret-of-the-query",
  )
  expect(await server.stop()).toBe(0)
  await receiver.server.stop(true)
}, 180_000)

test("without the operator's word nothing on this machine is called, and the run's page says why", async () => {
  const receiver = new Receiver()
  const closed = new Home()
  try {
    const pat = await closed.token()
    const server = await closed.serve()
    const client = server.client(pat)
    const steps = [{ id: "a", type: "lua_script", name: "a", script: "return {}" }]
    const workflowId = await client.publish("told", steps)
    const runId = await client.start(workflowId, { callback_url: receiver.url })
    let callback: { status: string; attempts: readonly { error: string }[] } | undefined
    await until("the callback was given up", 10_000, async () => {
      callback = (await client.get(`/v1/workflows/${workflowId}/runs/${runId}/callbacks`)).callbacks[0]
      return callback?.status === "failed"
    })
    expect(callback?.attempts[0]?.error).toContain("egress.allow")
    expect(receiver.requests).toBe(0)
    await server.stop()
  } finally {
    await closed.remove()
    await receiver.server.stop(true)
  }
})
