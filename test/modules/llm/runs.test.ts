import { afterAll, afterEach, beforeAll, expect, test } from "bun:test"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { type Caller, openWorld, type World } from "../../helpers/app.ts"
import { startVendor } from "./vendor.ts"

const SECRET = "sk-proj-V3rySecret/Key+0123456789="

let world: World
let vendor: ReturnType<typeof startVendor>
let caller: Caller
let keyId: string
beforeAll(async () => {
  vendor = startVendor({ key: SECRET })
  world = await openWorld({ flags: { "egress.allow": vendor.host } })
  caller = world.as(world.people.contributor)
  const wish = { vendor: "local", label: "box", api_key: SECRET, base_url: vendor.url }
  keyId = (await world.call(caller, "POST", "/v1/llm-provider-keys", wish)).body.id
})
afterAll(async () => {
  await world.close()
  await vendor.close()
})
afterEach(() => {
  vendor.requests.splice(0)
  vendor.state.key = SECRET
  vendor.state.reply = () => ({ text: "Hello!" })
})

const step = (more: object = {}) => ({
  id: "ask",
  type: "llm_call",
  prompt: "Say {{input.what}}",
  model_ref: "local.box.m-1",
  ...more,
})

async function run(more: object = {}, status = "completed") {
  const id = await world.workflow({ steps: [step(more)] })
  const runId = await world.start(id, { what: "hello" })
  const ended = await world.until(id, runId, status)
  const { body } = await world.call(caller, "GET", `/v1/workflows/${id}/runs/${runId}/context`)
  return { id, runId, ended, step: body.steps.ask }
}

test("a step calls the model, and the next one reads its answer", async () => {
  const next = {
    id: "next",
    type: "lua_script",
    script: "return { heard = steps.ask.result.text, n = steps.ask.result.items[2] }",
    depends_on: ["ask"],
  }
  vendor.state.reply = () => ({ text: '{"items":[1,2]}' })
  const id = await world.workflow({ steps: [step({ system: "JSON", llm_params: { temperature: 0 } }), next] })
  const runId = await world.start(id, { what: "hello" })
  await world.until(id, runId, "completed")
  const { body } = await world.call(caller, "GET", `/v1/workflows/${id}/runs/${runId}/context`)
  expect(body.steps.next.result).toEqual({ heard: '{"items":[1,2]}', n: 2 })
  expect(body.steps.ask.result).toMatchObject({
    model: "m-1",
    tokens_in: 31,
    tokens_out: 12,
    cost_micro_usd: null,
    items: [1, 2],
  })
  expect(vendor.chats()[0]?.body).toMatchObject({
    model: "m-1",
    temperature: 0,
    messages: [
      { role: "system", content: "JSON" },
      { role: "user", content: "Say hello" },
    ],
  })
})

test("the built-in model answers without a key and without a network, at no cost", async () => {
  const { step } = await run({ model_ref: "local.builtin.echo-1" })
  expect(step.result).toMatchObject({ model: "local.builtin.echo-1", text: "Say hello", cost_micro_usd: 0 })
  expect(vendor.requests).toEqual([])
})

test("a passing trouble is tried again, a refusal is not", async () => {
  let calls = 0
  vendor.state.reply = () => (++calls === 1 ? { status: 503, error: "overloaded" } : { text: "ok" })
  expect((await run({ retry_count: 2 })).step.result.text).toBe("ok")
  expect(calls).toBe(2)

  calls = 0
  vendor.state.reply = () => {
    calls++
    return { status: 400, error: "temperature is too hot" }
  }
  const { ended } = await run({ retry_count: 2 }, "failed")
  expect([calls, ended.failure_code]).toEqual([1, "LLM_REQUEST_FAILED"])
  expect(ended.error).toContain("temperature is too hot")
})

test("a key that is revoked between two attempts ends the step with what the vendor says, and not with the key", async () => {
  vendor.state.reply = () => {
    vendor.state.key = "sk-another"
    return { status: 500, error: "try again" }
  }
  const { ended } = await run({ retry_count: 3 }, "failed")
  expect(ended.failure_code).toBe("LLM_REQUEST_FAILED")
  expect(ended.error).toContain("Incorrect API key provided: Bearer ***")
  expect(vendor.chats()).toHaveLength(2)
})

test("output that never fits is asked for twice, and fails", async () => {
  vendor.state.reply = () => ({ text: "never JSON" })
  const { ended } = await run({ output_schema: { type: "object", required: ["n"] } }, "failed")
  expect(ended.error).toContain("it is no JSON")
  expect(vendor.chats()).toHaveLength(2)
})

test("a stop ends the request", async () => {
  vendor.state.reply = () => ({ text: "one two three ".repeat(200), pauseMs: 50 })
  const id = await world.workflow({ steps: [step()] })
  const runId = await world.start(id, { what: "hello" })
  while (vendor.chats().length === 0) await Bun.sleep(5)
  expect((await world.command(id, "stop", { run_id: runId })).status).toBe(200)
  await world.until(id, runId, "stopped")
})

test("a model that nobody has fails the step with a sentence that says what to do", async () => {
  const { ended } = await run({ model_ref: "direct.openai.gpt-4o" }, "failed")
  expect(ended.failure_code).toBe("LLM_REQUEST_FAILED")
  expect(ended.error).toContain("key")
})

test("another workspace's key is not found", async () => {
  const stranger = world.as(world.people.otherTenant, world.places.otherTenant)
  const id = await world.workflow({ steps: [step({ llm_credential_id: keyId })] }, {}, stranger)
  const runId = await world.start(id, { what: "x" }, stranger)
  const ended = await world.until(id, runId, "failed", stranger)
  expect(ended.error).toContain("llm_credential_id names no key")
  expect(vendor.requests).toEqual([])
})

test("a vendor that says the key in every spelling leaves it nowhere: not in answers, events, the log or the files", async () => {
  const forms = [
    SECRET,
    btoa(SECRET),
    Buffer.from(SECRET).toString("hex"),
    encodeURIComponent(SECRET),
    JSON.stringify({ SECRET }),
  ]
  vendor.state.reply = () => ({ text: [...forms, `Bearer ${SECRET}`].join(" ") })
  const { id, runId } = await run()
  vendor.state.reply = () => ({ status: 400, error: forms.join(" ") })
  await run({}, "failed")
  const events = await world.call(caller, "GET", `/v1/workflows/${id}/runs/${runId}/events`)
  const kept = [events.text, ...world.logged, ...filesIn(world.deps.directory.path)].join("\n")
  for (const form of [SECRET, btoa(SECRET).slice(0, -4), Buffer.from(SECRET).toString("hex"), encodeURIComponent(SECRET)])
    expect(kept.includes(form)).toBe(false)
  expect(events.text).toContain("***")
})

function filesIn(folder: string): string[] {
  return readdirSync(folder).flatMap(name => {
    const path = join(folder, name)
    return statSync(path).isDirectory() ? filesIn(path) : [readFileSync(path, "latin1")]
  })
}
