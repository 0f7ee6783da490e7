import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { writeFileSync } from "node:fs"
import { type Client, Home, type Server, type Wire } from "./server.ts"

const home = new Home()
let server: Server
let client: Client
let pat: string
let workflowId: string

beforeAll(async () => {
  pat = await home.token()
  server = await home.serve()
  client = server.client(pat)
  workflowId = await client.publish("orders", [
    { id: "a", type: "lua_script", name: "a", script: "return { email = input.email }" },
  ])
})
afterAll(() => home.remove())

const subscribe = (more: object = {}): Promise<Wire> =>
  client.ok("POST", "/v1/inbound-webhooks", { workflow_id: workflowId, automation_bearer: pat, ...more })

/** Sends the bytes of a file, as they are, with a program that is not ours. */
async function curl(path: string, file: string, headers: readonly string[]): Promise<{ status: number; body: Wire }> {
  const args = ["-sS", "-X", "POST", "--data-binary", `@${file}`, ...headers.flatMap(h => ["-H", h]), "-w", "\n%{http_code}"]
  const text = await output(["curl", ...args, server.url + path])
  const at = text.lastIndexOf("\n")
  return { status: Number(text.slice(at + 1)), body: JSON.parse(text.slice(0, at)) }
}

async function output(command: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const child = Bun.spawn([...command], { env: { PATH: process.env.PATH ?? "", HOME: home.folder, ...env }, stderr: "pipe" })
  const [out, error, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  if (code !== 0) throw new Error(`${command[0]} ended with ${code}: ${error}`)
  return out.trimEnd()
}

const missing = ["curl", "openssl", "python3"].filter(program => Bun.which(program) === null)
if (missing.length > 0) console.log(`skipped: ${missing.join(" and ")} not on this machine`)
const has = (program: string) => !missing.includes(program)
const TIMESTAMPED = `
import hashlib, hmac, os, sys, time
seconds = str(int(time.time()))
body = open(sys.argv[1], "rb").read()
signed = hmac.new(os.environ["SECRET"].encode(), seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
print(f"t={seconds},v1={signed}")
`

const AWKWARD = '{\n  "email" : "å@example.com",\t"n": 1.50,\r\n "tail": "…" }\n'

describe("the executable takes what other programs have signed", () => {
  test.skipIf(!has("openssl") || !has("curl"))("openssl, over the body, with the token", async () => {
    const made = await subscribe()
    const file = home.path("body.json")
    writeFileSync(file, AWKWARD)
    const hex = (await output(["openssl", "dgst", "-sha256", "-hmac", made.signing_secret, file])).split("= ")[1]

    const { status, body } = await curl(made.ingress_path, file, [
      `X-Agentruntime-Signature: sha256=${hex}`,
      `Authorization: Bearer ${pat}`,
      "Content-Type: application/json",
    ])

    expect([status, body.status]).toEqual([200, "accepted"])
    await client.reaches(workflowId, body.run_id, "completed")
    expect((await client.context(workflowId, body.run_id)).steps.a.result).toEqual({ email: "å@example.com" })
  })

  test.skipIf(!has("python3") || !has("curl"))("Python's hmac, over time and body, without a token", async () => {
    const made = await subscribe()
    const file = home.path("stamped.json")
    writeFileSync(file, AWKWARD)
    const signature = await output(["python3", "-c", TIMESTAMPED, file], { SECRET: made.signing_secret })

    const headers = [`X-Agentruntime-Signature: ${signature}`, "Idempotency-Key: evt_1"]
    const first = await curl(made.ingress_path, file, headers)
    const again = await curl(made.ingress_path, file, headers)

    expect([first.status, again.status, again.body.duplicate]).toEqual([200, 200, true])
    expect(again.body.run_id).toBe(first.body.run_id)
  })

  test("the contract's vectors, with the contract's secret", async () => {
    const made = await subscribe({ signing_secret: "whsec_test" })
    const send = (headers: Record<string, string>, body = '{"email":"a@example.com"}') =>
      fetch(server.url + made.ingress_path, { method: "POST", body, headers })
    const overBody = "sha256=f5d3f61d82b115830cb1dbef98de0f0047ae4d0912b191905872cfb66280094c"
    const stamped = "t=1700000000,v1=c6b5418c3e216b077f9eba585167207010d549107a1cec51f1e6148a7a917acd"
    const authorization = `Bearer ${pat}`

    expect((await send({ "x-agentruntime-signature": overBody, authorization })).status).toBe(200)
    expect((await send({ "x-agentruntime-signature": overBody })).status).toBe(401)
    expect((await send({ "x-agentruntime-signature": overBody, authorization }, '{"email":"b@example.com"}')).status).toBe(401)
    // Its time is long past: that this is all that is wrong says that the rest of it fits.
    expect((await send({ "x-agentruntime-signature": stamped })).status).toBe(401)
    await Bun.sleep(1_500)
    const { subscription } = await client.get(`/v1/inbound-webhooks/${made.subscription.id}`)
    expect(subscription).toMatchObject({ refused_count: 3, last_refusal: expect.stringContaining("300 seconds off") })
  })
})

test("an address answers from the first moment after a restart, and deliveries outlive it", async () => {
  const made = await subscribe({ signing_secret: "whsec_restart_test" })
  const body = '{"n":1}'
  const headers = () => {
    const seconds = Math.floor(Date.now() / 1000)
    const hex = new Bun.CryptoHasher("sha256", "whsec_restart_test").update(`${seconds}.${body}`).digest("hex")
    return { "x-agentruntime-signature": `t=${seconds},v1=${hex}`, "idempotency-key": "evt_restart" }
  }
  const send = () => fetch(server.url + made.ingress_path, { method: "POST", body, headers: headers() })
  const first = (await (await send()).json()) as Wire

  await server.kill()
  server = home.spawn()
  while (server.address === null) await Bun.sleep(1)
  const answer = await send()

  expect(answer.status).toBe(200)
  expect(await answer.json()).toMatchObject({ run_id: first.run_id, duplicate: true })
  client = server.client(pat)
})

test("a body over 1 MiB is refused and the address goes on", async () => {
  const made = await subscribe()
  const large = await fetch(server.url + made.ingress_path, { method: "POST", body: `{"a":"${"x".repeat(1024 * 1024)}"}` })
  expect(large.status).toBe(413)
  expect((await fetch(server.url + made.ingress_path, { method: "POST", body: "{}" })).status).toBe(401)
})

test("switched off, webhooks answer 404 on every route", async () => {
  await server.stop()
  const off = await home.serve(["--inbound-webhooks-enabled", "false"])
  const caller = off.client(pat)
  for (const [method, path] of [
    ["GET", "/v1/inbound-webhooks"],
    ["POST", `/v1/inbound-webhooks/${crypto.randomUUID()}`],
  ] as const) {
    const answer = await caller.call(method, path, method === "POST" ? {} : undefined)
    expect([answer.status, answer.body.error]).toEqual([404, "feature disabled"])
  }
})
