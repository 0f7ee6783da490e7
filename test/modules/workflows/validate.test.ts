import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { type Caller, LUA_GRAPH, openWorld, type World } from "../../helpers/app.ts"

let world: World
let caller: Caller
let id: string
beforeAll(async () => {
  world = await openWorld()
  caller = world.as(world.people.contributor)
  id = await world.workflow(LUA_GRAPH, { publish: false })
})
afterAll(() => world.close())

/** All checks, and what each answers for a sound graph of scripts alone. */
const SOUND = {
  graph: "passed",
  graph_schema: "passed",
  dependencies: "passed",
  step_config: "passed",
  templates: "passed",
  lua_syntax: "passed",
  mcp_bindings: "not_applicable",
  mcp_resolve: "not_applicable",
  llm_models: "not_applicable",
  agents: "not_applicable",
  disabled_steps: "passed",
  input_schema: "not_applicable",
  lua_fixture: "not_applicable",
  tenantdata_upsert: "not_applicable",
}
const CHECKS = Object.keys(SOUND)
const PERFORMED = Object.entries(SOUND).flatMap(([check, state]) => (state === "passed" ? [check] : []))
const SQLITE = "https://router.agentruntime.io/sqlite/mcp"

async function report(body: unknown, workflow = id) {
  const answer = await world.call(caller, "POST", `/v1/workflows/${workflow}/validate`, body)
  expect(answer.status).toBe(200)
  return answer.body
}
const ofSteps = (...steps: object[]) => report({ graph: { steps } })
const codes = (body: { issues: { code: string }[] }) => body.issues.map(i => i.code)

test("an empty body validates the stored draft, and the report has every documented field", async () => {
  for (const body of [undefined, null, {}]) {
    expect(await report(body)).toEqual({
      valid: true,
      readiness: "ready",
      blockers: [],
      checks_performed: PERFORMED,
      check_results: SOUND,
      issues: [],
      topological_order: ["a"],
      validation_evidence: {
        graph_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
        workflow_graph_schema_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
        validated_at: expect.stringMatching(/Z$/),
        readiness: "ready",
        checks_performed: PERFORMED,
      },
    })
  }
})

test("it validates the draft as it is now, not a published version, and changes nothing", async () => {
  const own = await world.workflow()
  await world.call(caller, "PATCH", `/v1/workflows/${own}`, {
    graph: { steps: [{ id: "a", type: "lua_script", script: "x =" }] },
  })
  const before = (await world.call(caller, "GET", `/v1/workflows/${own}`)).text
  expect((await report({}, own)).check_results.lua_syntax).toBe("failed")
  expect((await world.call(caller, "GET", `/v1/workflows/${own}`)).text).toBe(before)
})

test("an archived workflow can still be looked at", async () => {
  const own = await world.workflow()
  await world.call(caller, "DELETE", `/v1/workflows/${own}`)
  expect((await report({}, own)).valid).toBe(true)
})

test("the graph's hash is the same for the same graph only", async () => {
  const hash = async (script: string) => (await ofSteps({ id: "a", type: "lua_script", script })).validation_evidence.graph_hash
  expect(await hash("return {}")).toBe(await hash("return {}"))
  expect(await hash("return {}")).not.toBe(await hash("return { 1 }"))
})

describe("a check fails for its own graph", () => {
  test.each([
    ["graph", "graph_empty", []],
    ["graph", "step_config_missing_field", [{ type: "human_task" }]],
    ["graph", "unknown_step_type", [{ id: "a", type: "delay" }]],
    ["graph", "legacy_step_type", [{ id: "a", type: "condition" }]],
    [
      "graph",
      "duplicate_step_id",
      [
        { id: "a", type: "human_task" },
        { id: "a", type: "human_task" },
      ],
    ],
    ["graph", "graph_schema_validation", [{ id: "a", type: "human_task", depends_on: "b" }]],
    ["dependencies", "dependency_missing", [{ id: "a", type: "human_task", depends_on: ["b"] }]],
    ["dependencies", "dependency_cycle", [{ id: "a", type: "human_task", depends_on: ["a"] }]],
    ["step_config", "step_config_missing_field", [{ id: "a", type: "lua_script" }]],
    ["step_config", "script_too_large", [{ id: "a", type: "lua_script", script: `--${"x".repeat(65_536)}` }]],
    ["graph_schema", "graph_schema_validation", [{ id: "a", type: "lua_script", script: { no: "text" } }]],
    ["graph_schema", "graph_schema_validation", [{ id: "a", type: "human_task", depend_on: [] }]],
    ["llm_models", "llm_params_invalid", [{ id: "a", type: "llm_call", prompt: "p", model: "m", llm_params: { top_k: 0 } }]],
    ["templates", "template_unresolved", [{ id: "a", type: "human_task", task_payload: "{{nowhere.x}}" }]],
    ["templates", "template_unresolved", [{ id: "a", type: "human_task", task_payload: "{{steps.b.result.x}}" }]],
    ["templates", "template_unresolved", [{ id: "a", type: "human_task", task_payload: "{{ input." }]],
    [
      "templates",
      "template_missing_dependency",
      [
        { id: "a", type: "human_task" },
        { id: "b", type: "human_task", task_payload: { deep: ["{{steps.a.result.x}}"] } },
      ],
    ],
    ["lua_syntax", "lua_syntax_error", [{ id: "a", type: "lua_script", script: "return {" }]],
    ["mcp_bindings", "mcp_binding_missing", [{ id: "a", type: "mcp_call", tool_name: "sqlite_query" }]],
    [
      "mcp_resolve",
      "mcp_instance_unknown",
      [{ id: "a", type: "mcp_call", tool_name: "t", instance_id: "00000000-0000-7000-8000-000000000000" }],
    ],
    [
      "mcp_resolve",
      "mcp_instance_unknown",
      [{ id: "a", type: "mcp_call", tool_name: "t", server_url: "https://example.test/none/mcp" }],
    ],
    ["mcp_resolve", "mcp_tool_unknown", [{ id: "a", type: "mcp_call", tool_name: "sqlite_nothing", server_url: SQLITE }]],
  ] as const)("%s: %s", async (check, code, steps) => {
    const body = await report({ graph: { steps } })
    expect(body).toMatchObject({ valid: false, readiness: "blocked", check_results: { [check]: "failed" } })
    const issue = body.issues.find((i: { code: string }) => i.code === code)
    expect([issue?.severity, typeof issue?.message]).toEqual(["error", "string"])
    expect(issue.json_path).toStartWith("$")
    expect(body.blockers).toContain(issue.message)
    expect(body.validation_evidence.readiness).toBe("blocked")
    // The others are not blamed for it.
    const failed = Object.keys(body.check_results).filter(c => body.check_results[c] === "failed")
    expect(failed).toContain(check)
    expect(failed).toEqual([check])
  })

  test("disabled_steps only warns", async () => {
    const body = await ofSteps({ id: "a", type: "human_task", enabled: false })
    expect(body).toMatchObject({ valid: true, readiness: "ready", blockers: [], check_results: { disabled_steps: "passed" } })
    expect(body.issues).toEqual([expect.objectContaining({ severity: "warning", code: "step_disabled", step_id: "a" })])
  })

  test("an instance that a run would make is a warning; one that is there is nothing", async () => {
    const steps = [{ id: "a", type: "mcp_call", tool_name: "sqlite_query", server_url: SQLITE, tool_args: { sql: "SELECT 1" } }]
    const body = await report({ graph: { steps } })
    expect(body).toMatchObject({ valid: true, check_results: { mcp_resolve: "passed" } })
    expect(body.issues).toEqual([expect.objectContaining({ severity: "warning", code: "mcp_instance_will_be_created" })])
    const made = await world.call(caller, "POST", "/v1/mcp/instances", { server_id: "sqlite" })
    expect((await report({ graph: { steps } })).issues).toEqual([])
    expect(codes(await ofSteps({ ...steps[0], server_url: undefined, instance_id: made.body.id }))).toEqual([])
    // Of another project it is as unknown as one that nobody has.
    const elsewhere = world.as(world.people.otherProject, world.places.second)
    const own = await world.workflow(LUA_GRAPH, {}, elsewhere)
    const graph = { steps: [{ ...steps[0], server_url: undefined, instance_id: made.body.id }] }
    const theirs = await world.call(elsewhere, "POST", `/v1/workflows/${own}/validate`, { graph })
    expect(codes(theirs.body)).toEqual(["mcp_instance_unknown"])
  })
})

test("a broken structure blocks the checks that need a plan, and all its findings are told at once", async () => {
  const body = await ofSteps({ id: "a", type: "http" }, { type: "human_task" }, { id: "c", type: "lua_script" })
  expect(codes(body)).toEqual(["unknown_step_type", "step_config_missing_field"])
  expect(body.checks_performed).toEqual(["graph", "graph_schema", "dependencies"])
  expect(body.check_results).toEqual({
    graph: "failed",
    graph_schema: "passed",
    dependencies: "passed",
    step_config: "blocked",
    templates: "blocked",
    lua_syntax: "blocked",
    mcp_bindings: "blocked",
    mcp_resolve: "blocked",
    llm_models: "blocked",
    agents: "blocked",
    disabled_steps: "blocked",
    input_schema: "not_applicable",
    lua_fixture: "blocked",
    tenantdata_upsert: "not_applicable",
  })
  expect(body.topological_order).toEqual([])
})

test.each([
  ["a number", 7],
  ["text", "text"],
  ["a list", []],
  ["empty", {}],
])("a graph that is %s is a finding, not an error", async (_, graph) => {
  const body = await report({ graph })
  expect(body.check_results.graph).toBe("failed")
  expect(codes(body)).toEqual(["graph_schema_validation"])
})

test("the order lists every step behind what it waits for", async () => {
  const task = (step: string, ...depends_on: string[]) => ({ id: step, type: "human_task", depends_on })
  const { topological_order } = await ofSteps(task("d", "b", "c"), task("b", "a"), task("c", "a"), task("a"))
  expect(topological_order).toHaveLength(4)
  expect(topological_order[0]).toBe("a")
  expect(topological_order[3]).toBe("d")
})

describe("which checks run", () => {
  const graph = { steps: [{ id: "a", type: "lua_script", script: "x =", enabled: false }] }

  test("`checks` replaces the default set, in its own order", async () => {
    const body = await report({ graph, checks: ["disabled_steps", "graph"] })
    expect(body.checks_performed).toEqual(["disabled_steps", "graph"])
    expect(body.check_results).toEqual({ disabled_steps: "passed", graph: "passed" })
    expect(codes(body)).toEqual(["step_disabled"])
    expect(body.valid).toBe(true)
  })

  test("an empty `checks` is the default set", async () => {
    expect(Object.keys((await report({ graph, checks: [] })).check_results)).toEqual(CHECKS)
  })

  test("`skip_checks` leaves some out", async () => {
    const body = await report({ graph, skip_checks: ["lua_syntax", "disabled_steps"] })
    expect(Object.keys(body.check_results)).toEqual(CHECKS.filter(c => c !== "lua_syntax" && c !== "disabled_steps"))
    expect(body).toMatchObject({ valid: true, issues: [] })
  })

  test.each([["checks"], ["skip_checks"]])("an unknown name in `%s` is refused, and the known ones are told", async field => {
    const answer = await world.call(caller, "POST", `/v1/workflows/${id}/validate`, { [field]: ["graph", "luasyntax"] })
    expect([answer.status, answer.body.code]).toEqual([400, "INVALID_BODY"])
    expect(answer.body.error).toContain("luasyntax")
    for (const check of CHECKS) expect(answer.body.error).toContain(check)
  })

  test("what keeps the graph from being read is told whatever was asked, and nothing is ready", async () => {
    const broken = { steps: [{ id: "a", type: "human_task", depends_on: ["b"] }] }
    const body = await report({ graph: broken, checks: ["templates"] })
    expect(body).toMatchObject({ valid: false, readiness: "blocked", check_results: { templates: "blocked" } })
    expect(codes(body)).toEqual(["dependency_missing"])
  })
})

describe("`step_ids` limits the findings", () => {
  const graph = {
    steps: [
      { id: "a", type: "lua_script", script: "x =" },
      { id: "b", type: "lua_script", script: "return {}" },
    ],
  }

  test("to these steps, and the results of checks with them", async () => {
    expect(codes(await report({ graph, step_ids: ["a"] }))).toEqual(["lua_syntax_error"])
    expect(await report({ graph, step_ids: ["b"] })).toMatchObject({
      readiness: "ready",
      check_results: { lua_syntax: "passed" },
    })
  })

  test("an unknown one is refused, for nothing found about it would say nothing", async () => {
    const answer = await world.call(caller, "POST", `/v1/workflows/${id}/validate`, { graph, step_ids: ["zzz"] })
    expect([answer.status, answer.body.code]).toEqual([400, "INVALID_BODY"])
    expect(answer.body.error).toContain("zzz")
  })
})

describe("params", () => {
  const graph = { steps: [{ id: "a", type: "human_task", task_payload: { t: "{{input.topic}}", o: '{{input.other | "x"}}' } }] }

  test("without one, `input` is not judged", async () => {
    expect((await report({ graph })).valid).toBe(true)
  })

  test("with one, every required `input` must be in it", async () => {
    expect((await report({ graph, params: { trigger_payload: { topic: "x" } } })).valid).toBe(true)
    const body = await report({ graph, params: { trigger_payload: { other: "x" } } })
    expect(body.issues).toEqual([
      expect.objectContaining({ code: "template_unresolved", step_id: "a", json_path: "$.steps[0].task_payload.t" }),
    ])
  })

  test("are read as a start reads them: bare keys, saved defaults, defaults of the input schema", async () => {
    const own = await world.workflow(graph, {
      publish: false,
      run_setup: { trigger_payload: { topic: "saved" } },
    })
    const ready = async (params: object, more: object = {}) => (await report({ params, ...more }, own)).valid
    expect(await ready({})).toBe(false)
    expect(await ready({ topic: "bare" })).toBe(true)
    expect(await ready({ use_run_setup_defaults: true })).toBe(true)
    expect(await ready({ trigger_steps: { a: { topic: "for this step" } } })).toBe(true)
    const withSchema = { ...graph, input_schema: { type: "object", properties: { topic: { type: "string", default: "x" } } } }
    expect(await ready({}, { graph: withSchema })).toBe(true)
  })

  test("that a start would refuse are refused", async () => {
    const answer = await world.call(caller, "POST", `/v1/workflows/${id}/validate`, { graph, params: { trigger_payload: [] } })
    expect([answer.status, answer.body.error]).toEqual([400, "invalid request body: params.trigger_payload must be an object"])
  })

  test("an input schema alone says which fields there are", async () => {
    const input_schema = { type: "object", properties: { topik: { type: "string" } } }
    const body = await report({ graph: { ...graph, input_schema } })
    expect(body.issues).toEqual([expect.objectContaining({ code: "template_unresolved", suggestion: "did you mean topik?" })])
  })
})

describe("an input schema that is neither an object's nor a list of fields", () => {
  const bad = { name: "string" }

  test("is refused with 422 when a workflow is made, changed or published", async () => {
    const own = await world.workflow(LUA_GRAPH, { publish: false })
    const answers = [
      await world.call(caller, "POST", "/v1/workflows", { name: "n", graph: LUA_GRAPH, input_schema: bad }),
      await world.call(caller, "POST", "/v1/workflows", { name: "n", graph: { ...LUA_GRAPH, input_schema: bad } }),
      await world.call(caller, "PATCH", `/v1/workflows/${own}`, { input_schema: bad }),
      await world.call(caller, "POST", `/v1/workflows/${own}/versions`, { input_schema: bad }),
    ]
    for (const { status, body } of answers) {
      expect([status, body.code, body.issues?.[0]?.code]).toEqual([422, "VALIDATION_ERROR", "input_schema_invalid"])
    }
    expect((await world.call(caller, "PATCH", `/v1/workflows/${own}`, { input_schema: null })).status).toBe(200)
    expect((await world.call(caller, "PATCH", `/v1/workflows/${own}`, { input_schema: [{ name: "a" }] })).status).toBe(200)
  })

  test("is a finding of the dry run", async () => {
    const body = await report({ graph: { ...LUA_GRAPH, input_schema: bad } })
    expect(body).toMatchObject({ valid: false, check_results: { input_schema: "failed" } })
    expect(body.issues[0]).toMatchObject({ code: "input_schema_invalid", json_path: "$.input_schema" })
  })
})

test("the schema of graphs is served to whoever may read workflows, and its hash is in every report", async () => {
  const viewer = world.as(world.people.viewer)
  const { status, text, body } = await world.call(viewer, "GET", "/v1/workflows/schema")
  expect([status, body.$schema]).toEqual([200, "https://json-schema.org/draft/2020-12/schema"])
  const hash = new Bun.CryptoHasher("sha256").update(text).digest("hex")
  expect((await report({})).validation_evidence.workflow_graph_schema_hash).toBe(hash)
})

test("an adapter of the catalog whose tools are not here blocks, and is no error", async () => {
  const server_url = "https://router.agentruntime.io/gitlab/mcp"
  const body = await ofSteps({
    id: "a",
    type: "mcp_call",
    tool_name: "get_current_user",
    server_url,
    tool_args: {},
  })
  expect(body).toMatchObject({ valid: true, readiness: "blocked", check_results: { mcp_resolve: "blocked" } })
  expect(body.issues).toEqual([
    {
      severity: "warning",
      code: "mcp_tool_input_schema_unavailable",
      step_id: "a",
      message: expect.stringContaining("not part of this version"),
      json_path: "$.steps[0].server_url",
    },
  ])
  expect(body.blockers).toEqual([body.issues[0].message])
})

test.each([
  ["checks as text", { checks: "graph" }],
  ["params as a list", { params: [] }],
  ["numbers as checks", { skip_checks: [1] }],
  ["a list", []],
  ["a number", 7],
])("a body with %s is refused with 400", async (_, body) => {
  const answer = await world.call(caller, "POST", `/v1/workflows/${id}/validate`, JSON.stringify(body))
  expect([answer.status, answer.body.code]).toEqual([400, "INVALID_BODY"])
})
