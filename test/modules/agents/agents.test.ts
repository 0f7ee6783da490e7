import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { openWorld, type World } from "../../helpers/app.ts"

let world: World
let instance: string

beforeAll(async () => {
  world = await openWorld()
  instance = (await call("POST", "/v1/mcp/instances", { server_id: "sqlite" })).body.id
})
afterAll(() => world.close())

const call = (method: string, path: string, body?: unknown) => world.call(world.as(world.people.contributor), method, path, body)
const made = (more: JsonObject = {}) => call("POST", "/v1/agents", { name: "Clerk", model_ref: "local.builtin.echo-1", ...more })

describe("an agent", () => {
  test("has everything that the contract names, with defaults", async () => {
    const { status, body } = await made()
    expect(status).toBe(201)
    expect(body).toEqual({
      id: expect.any(String),
      ...{ name: "Clerk", description: "", instructions: "", model_ref: "local.builtin.echo-1", llm_params: {}, tools: [] },
      ...{ memory: { enabled: false }, input_schema: null, output_schema: null, max_tool_rounds: 8, on_limit: "answer" },
      ...{ max_tokens_per_turn: null, turn_timeout_s: null, confirm_tools: [], parallel_tool_calls: true, status: "active" },
      ...{ created_by: world.people.contributor.userId, created_at: expect.any(String), updated_at: expect.any(String) },
      warnings: [],
    })
    const { warnings: _, ...listed } = body
    expect((await call("GET", "/v1/agents?limit=100")).body.agents).toContainEqual(listed)
  })

  test("keeps what a change does not name", async () => {
    const tools = [{ instance_id: instance, tool_names: ["sqlite_query"] }]
    const { body } = await made({ tools, confirm_tools: ["sqlite_query"], max_tool_rounds: 3, description: "x" })
    const changed = await call("PATCH", `/v1/agents/${body.id}`, {
      instructions: "Be kind.",
      on_limit: "fail",
      turn_timeout_s: 5,
    })
    expect(changed.body).toMatchObject({ tools, confirm_tools: ["sqlite_query"], max_tool_rounds: 3, description: "x" })
    expect(changed.body).toMatchObject({ instructions: "Be kind.", on_limit: "fail", turn_timeout_s: 5 })
    const cleared = await call("PATCH", `/v1/agents/${body.id}`, { turn_timeout_s: null, tools: [{ instance_id: instance }] })
    expect(cleared.body).toMatchObject({ turn_timeout_s: null, tools: [{ instance_id: instance, tool_names: null }] })
  })

  test("is gone when it was deleted", async () => {
    const { body } = await made()
    expect((await call("DELETE", `/v1/agents/${body.id}`)).status).toBe(204)
    for (const method of ["GET", "DELETE"]) expect((await call(method, `/v1/agents/${body.id}`)).status).toBe(404)
    expect((await call("PATCH", `/v1/agents/${body.id}`, { name: "x" })).body).toMatchObject({ error: "no such agent" })
  })
})

describe("a definition that cannot work", () => {
  test("is refused with everything that is wrong with it", async () => {
    const tools = [
      { instance_id: instance, tool_names: ["sqlite_query", "sqlite_qerry"] },
      { instance_id: instance },
      { instance_id: Bun.randomUUIDv7() },
      { instance_id: "https://router.agentruntime.io/sqlite/mcp" },
    ]
    const { status, body } = await made({ tools, model_ref: "no ref", llm_params: { temperature: "hot" } })
    expect(status).toBe(422)
    const places = body.issues.map((issue: { json_path: string; code: string }) => `${issue.json_path} ${issue.code}`)
    expect(places).toEqual([
      "$.model_ref llm_model_unknown",
      "$.llm_params llm_params_invalid",
      "$.tools[0].tool_names[1] mcp_tool_unknown",
      "$.tools[1].instance_id agent_tools_duplicate",
      "$.tools[2].instance_id mcp_instance_unknown",
      "$.tools[3].instance_id mcp_instance_unknown",
    ])
    expect(body.issues[2].suggestion).toBe("did you mean sqlite_query?")
    expect(body.error).toContain("and 5 more; see issues")
  })

  test("cannot name a tool to be confirmed that it does not have", async () => {
    const tools = [{ instance_id: instance, tool_names: ["sqlite_query"] }]
    expect((await made({ tools, confirm_tools: ["sqlite_execute"] })).body.issues[0].code).toBe("agent_confirm_unknown")
    expect((await made({ tools, confirm_tools: ["*"] })).status).toBe(201)
    expect((await made({ tools, confirm_tools: ["sqlite__sqlite_query"] })).status).toBe(201)
  })

  test("cannot use another project's instance", async () => {
    const { people, places } = world
    const theirs = world.as(people.otherTenant, places.otherTenant)
    const foreign = await world.call(theirs, "POST", "/v1/mcp/instances", { server_id: "sqlite" })
    const { status, body } = await made({ tools: [{ instance_id: foreign.body.id }] })
    expect([status, body.issues[0].code]).toEqual([422, "mcp_instance_unknown"])
  })

  test.each([
    [{ type: "text" }, "/type is none of string"],
    [{ type: "object", properties: [] }, "/properties is not an object"],
    [{ type: "object", required: "city" }, "/required is not a list of names"],
    [{ properties: { a: { items: 3 } } }, "/properties/a/items is no schema"],
    [{ anyOf: { type: "string" } }, "/anyOf is not a list of schemas"],
    [{ enum: "a" }, "/enum is not a list"],
  ])("has schemas that are none: %j", async (schema, problem) => {
    const { status, body } = await made({ output_schema: schema, input_schema: schema })
    expect([status, body.issues.map((i: { code: string }) => i.code)]).toEqual([
      422,
      ["input_schema_invalid", "output_schema_invalid"],
    ])
    expect(body.issues[1].message).toContain(`output_schema is no JSON Schema: ${problem}`)
  })

  test("is only warned of when a model has no key yet", async () => {
    const { status, body } = await made({ model_ref: "direct.openai.gpt-4o" })
    expect([status, body.warnings[0].code]).toEqual([201, "llm_key_missing"])
  })

  test.each([
    [{ max_tool_rounds: 0 }],
    [{ max_tool_rounds: 101 }],
    [{ name: "" }],
    [{ on_limit: "maybe" }],
    [{ turn_timeout_s: 0 }],
    [{ tools: [{}] }],
    [{ instructions: "\u0000" }],
    [{ confirm_tools: [""] }],
  ])("of another shape is malformed: %j", async more => {
    expect((await made(more)).status).toBe(400)
  })
})

test("agents that are switched off are a feature that is not there", async () => {
  const off = await openWorld({ flags: { "agents.enabled": false } })
  const answer = await off.call(off.as(off.people.contributor), "GET", "/v1/agents")
  expect([answer.status, answer.body]).toEqual([404, { error: "feature disabled", code: "FEATURE_DISABLED" }])
  const nobody = await off.call({}, "GET", "/v1/agents")
  expect(nobody.status).toBe(401)
  await off.close()
})
