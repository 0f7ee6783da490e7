import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { SPOKEN } from "../../adapters/llm/vendors.ts"
import { type Scripted, serveWire, type WireServer } from "../../adapters/llm/wire.ts"
import { type Caller, openWorld, type World } from "../../helpers/app.ts"

const NAMES = ["openai", "openai chat completions", "anthropic", "google"]
const vendors = SPOKEN.filter(({ name }) => NAMES.includes(name)).map(spoken => ({ ...spoken, server: serveWire(spoken.wire) }))

let world: World
let caller: Caller
let instance: string
const agents = new Map<string, string>()

beforeAll(async () => {
  const allow = vendors.map(({ server }) => new URL(server.url).host).join(",")
  world = await openWorld({ flags: { "egress.allow": allow } })
  caller = world.as(world.people.contributor)
  instance = (await world.call(caller, "POST", "/v1/mcp/instances", { server_id: "time", name: "clock" })).body.id
  for (const { name, targetAt, server } of vendors) {
    const { vendor, model, baseUrl, apiKey } = targetAt(server.url)
    // A vendor is called with one key; chat completions are what any local server speaks, too.
    const isSecond = name === "openai chat completions"
    const key = {
      ...(isSecond ? { vendor: "local", label: "chat" } : { vendor, label: "default" }),
      api_key: apiKey,
      base_url: baseUrl,
    }
    const saved = await world.call(caller, "POST", "/v1/llm-provider-keys", key)
    if (saved.status !== 201) throw new Error(saved.text)
    const model_ref = isSecond ? `local.chat.${model}` : `direct.${vendor}.${model}`
    const tools = [{ instance_id: instance, tool_names: ["time_now", "time_add"] }]
    const made = await world.call(caller, "POST", "/v1/agents", { name, model_ref, tools, instructions: "Tell the time." })
    if (made.status !== 201) throw new Error(made.text)
    agents.set(name, made.body.id)
  }
})
afterAll(async () => {
  await world.close()
  for (const { server } of vendors) server.stop()
})

const call = (id: string, args: JsonObject | string = {}, name = "time_now") => ({
  ...{ id, name, args: typeof args === "string" ? args : JSON.stringify(args) },
})

async function run(name: string, more: JsonObject = {}, status = "completed") {
  const step = { id: "ask", type: "agent_call", agent_id: agents.get(name), prompt: "What time is it?", ...more }
  const id = await world.workflow({ steps: [step] })
  const runId = await world.start(id)
  const ended = await world.until(id, runId, status)
  const path = `/v1/workflows/${id}/runs/${runId}`
  const events: readonly { event_type: string; data: JsonObject }[] = (
    await world.call(caller, "GET", `${path}/events?limit=1000`)
  ).body.events
  const { steps } = (await world.call(caller, "GET", `${path}/context`)).body
  return {
    ended,
    events,
    result: steps.ask?.result,
    parts: events.filter(e => e.event_type.startsWith("agent_turn")).map(e => e.data),
  }
}

function script(name: string, ...scripts: readonly Scripted[]): WireServer {
  const { server } = vendors.find(one => one.name === name)!
  server.bodies.splice(0)
  server.say(...scripts)
  return server
}

describe("a turn of an agent whose model is spoken to as the vendor wants", () => {
  test.each(vendors.map(({ name, callId = "call_a1" }) => [name, callId] as const))("%s", async (name, callId) => {
    const thinks = vendors.find(one => one.name === name)?.thinks ? { thought: "Which zone?" } : {}
    const calls = [call(callId, { timezone: "Europe/Berlin" }), call(`${callId.slice(0, -1)}2`, { timezone: "Asia/Tokyo" })]
    const server = script(name, { ...thinks, calls }, { calls: [call(callId, {})] }, { text: "Late." })

    const { result, parts } = await run(name)

    expect(result).toMatchObject({ message: "Late.", rounds: 3, tool_calls: 3, tokens_in: 120, tokens_out: 27 })
    expect(parts.filter(({ phase }) => phase === "called").every(({ ok }) => ok === true)).toBe(true)
    // The server refuses a conversation that it did not have: answers without calls, calls without answers, thoughts it did not think.
    expect(server.bodies).toHaveLength(3)
    expect(JSON.stringify(server.bodies[2])).toContain("Asia/Tokyo")
  })
})

describe("what a vendor does in the middle of a turn", () => {
  const NAME = "openai chat completions"
  const first = { calls: [call("call_a1")] }
  const made = (parts: readonly JsonObject[]) => parts.filter(({ phase }) => phase === "called")

  test("429 is waited out by the step's retry, which begins where the turn was", async () => {
    const limited = { status: 429, body: { error: { message: "slow down" } }, headers: { "retry-after": "0" } }
    script(NAME, first, limited, { text: "Late." })
    const clock = setInterval(() => {
      world.time.now += 1_000
    }, 20)
    const { result, parts, events } = await run(NAME, { retry_count: 1 }).finally(() => clearInterval(clock))
    expect(result.message).toBe("Late.")
    expect(made(parts)).toHaveLength(1)
    expect(events.filter(e => e.event_type === "step_retry_scheduled")).toHaveLength(1)
  })

  test("a key that is revoked is a failure that says so, without the key", async () => {
    script(NAME, first, { status: 401, body: { error: { message: "Incorrect API key provided: sk-test-0123456789abcdef." } } })
    const { ended, parts } = await run(NAME, { retry_count: 3 }, "failed")
    expect(ended.failure_code).toBe("AGENT_TURN_FAILED")
    expect(JSON.stringify([ended, parts])).not.toContain("sk-test-0123456789abcdef")
    expect(made(parts)).toHaveLength(1)
  })

  test("half a stream is no answer", async () => {
    script(NAME, first, { half: { text: "It is half past nine o'clock in the evening." }, broken: false })
    const { ended, parts } = await run(NAME, {}, "failed")
    expect([ended.failure_code, parts.some(({ phase, round }) => phase === "answered" && round === 2)]).toEqual([
      "AGENT_TURN_FAILED",
      false,
    ])
  })

  test("a prompt that is too long fails at once", async () => {
    const error = { message: "This model's maximum context length is 4096 tokens.", code: "context_length_exceeded" }
    script(NAME, first, { status: 400, body: { error } })
    const { ended } = await run(NAME, { retry_count: 3 }, "failed")
    expect(ended.error).toContain("context")
  })

  test("300 calls at once are 64, and the model is told of the others", async () => {
    const server = script(NAME, { calls: Array.from({ length: 300 }, (_, n) => call(`call_${n}`)) }, { text: "Enough." })
    const { result, parts } = await run(NAME)
    expect([result.message, made(parts).length]).toEqual(["Enough.", 64])
    const told = (server.bodies[1]!.messages as readonly JsonObject[]).filter(({ role }) => role === "tool")
    expect(told).toHaveLength(300)
    expect(JSON.stringify(told.at(-1))).toContain("At most 64 tools are called at once")
  })

  test("broken JSON and an unknown tool are told, and the turn goes on", async () => {
    const server = script(
      NAME,
      { calls: [call("call_a", '{"timezone":'), call("call_b", {}, "time_travel")] },
      { text: "Sorry." },
    )
    expect((await run(NAME)).result.message).toBe("Sorry.")
    const told = JSON.stringify(server.bodies[1]?.messages)
    expect(told).toContain("The arguments are no JSON")
    expect(told).toContain("There is no tool time_travel")
  })

  test("a stop ends the request that is under way", async () => {
    script(NAME, { hang: true })
    const step = { id: "ask", type: "agent_call", agent_id: agents.get(NAME), prompt: "x" }
    const id = await world.workflow({ steps: [step] })
    const runId = await world.start(id)
    await world.command(id, "stop", { run_id: runId })
    await world.until(id, runId, "stopped")
  })
})
