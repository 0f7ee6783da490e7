import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { type Caller, LUA_GRAPH, openWorld, TASK_GRAPH, type World } from "../../helpers/app.ts"

let world: World
let caller: Caller
beforeAll(async () => {
  world = await openWorld()
  caller = world.as(world.people.contributor)
})
afterAll(() => world.close())

const call = (method: string, path: string, body?: unknown) => world.call(caller, method, `/v1/workflows${path}`, body)
const create = async (fields: object = {}) => (await call("POST", "", { name: "nightly", graph: LUA_GRAPH, ...fields })).body
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

describe("a new workflow", () => {
  test("is a draft with every documented field", async () => {
    const answer = await call("POST", "", { name: "nightly-report", description: "KPI mail", graph: LUA_GRAPH })
    expect(answer.status).toBe(201)
    expect(answer.body).toEqual({
      id: expect.stringMatching(UUID),
      name: "nightly-report",
      description: "KPI mail",
      tenant_id: "acme",
      project_id: world.places.first.project,
      status: "draft",
      graph: LUA_GRAPH,
      run_setup: null,
      input_schema: null,
      recording: false,
      latest_version: null,
      created_by: world.people.contributor.userId,
      updated_by: world.people.contributor.userId,
      created_at: expect.stringMatching(MOMENT),
      updated_at: answer.body.created_at,
      archived_at: null,
      archived_by: null,
    })
    expect((await call("GET", `/${answer.body.id}`)).body).toEqual(answer.body)
  })

  test("keeps its graph as it was sent: unknown keys, key order, numbers, odd names", async () => {
    const text =
      '{"name":"n","graph":{"zeta":1,"alpha":{"x":[1.5,-0.25,1e21,null,true,""]},"params":{"k":"v"},"steps":[{"type":"lua_script","id":"a-b","name":"Ünïcödé ☃","script":"return {}","own":{"deep":[{"x":{}}]}}]}}'
    const answer = await call("POST", "", text)
    expect(answer.status).toBe(201)
    const stored = await call("GET", `/${answer.body.id}`)
    expect(JSON.stringify(stored.body.graph)).toBe(JSON.stringify(JSON.parse(text).graph))
  })

  test("may bring run_setup and input_schema with it", async () => {
    const run_setup = {
      trigger_step_ids: ["a"],
      trigger_payload: { n: 1, deep: { x: [1] } },
      trigger_steps: { a: { script: "return {}" } },
    }
    const input_schema = { type: "object", properties: { n: { type: "number", default: 3 } } }
    expect(await create({ run_setup, input_schema })).toMatchObject({ run_setup, input_schema, latest_version: null })
  })

  test.each([
    ["no name", { graph: LUA_GRAPH }, "invalid request body: name"],
    ["no graph", { name: "n" }, "invalid request body: graph"],
    ["an empty name", { name: "", graph: LUA_GRAPH }, "invalid request body: name"],
    ["a name that is too long", { name: "x".repeat(301), graph: LUA_GRAPH }, "invalid request body: name"],
    ["a name that is no text", { name: 7, graph: LUA_GRAPH }, "invalid request body: name"],
    [
      "a description that is too long",
      { name: "n", description: "x".repeat(10_001), graph: LUA_GRAPH },
      "invalid request body: description",
    ],
    [
      "run_setup of a wrong shape",
      { name: "n", graph: LUA_GRAPH, run_setup: { trigger_payload: [] } },
      "invalid request body: run_setup",
    ],
    ["a list instead of an object", [], "invalid request body"],
    ["null", null, "invalid request body"],
    ["text that is no JSON", "{name:", "invalid request body: it is not valid JSON"],
    ["nothing", undefined, "invalid request body"],
  ])("with %s is refused with 400", async (_, body, sentence) => {
    const answer = await call("POST", "", body)
    expect([answer.status, answer.body.code]).toEqual([400, "INVALID_BODY"])
    expect(answer.body.error).toStartWith(sentence)
  })

  test.each([
    ["a graph that is null", null, "graph_schema_validation", "$"],
    ["a graph that is a list", [], "graph_schema_validation", "$"],
    ["steps that are a map", { steps: { a: {} } }, "graph_schema_validation", "$.steps"],
    ["nodes and edges", { nodes: [], edges: [] }, "graph_schema_validation", "$.steps"],
    ["no steps", { steps: [] }, "graph_empty", "$.steps"],
    ["a step without an id", { steps: [{ type: "human_task" }] }, "step_config_missing_field", "$.steps[0].id"],
    ["a step without a type", { steps: [{ id: "a" }] }, "step_config_missing_field", "$.steps[0].type"],
    ["an unknown type", { steps: [{ id: "a", type: "http" }] }, "unknown_step_type", "$.steps[0].type"],
    ["a removed type", { steps: [{ id: "a", type: "parallel" }] }, "legacy_step_type", "$.steps[0].type"],
    [
      "two steps of one id",
      {
        steps: [
          { id: "a", type: "human_task" },
          { id: "a", type: "human_task" },
        ],
      },
      "duplicate_step_id",
      "$.steps[1].id",
    ],
    [
      "a dependency on nothing",
      { steps: [{ id: "a", type: "human_task", depends_on: ["z"] }] },
      "dependency_missing",
      "$.steps[0].depends_on[0]",
    ],
    [
      "a cycle",
      {
        steps: [
          { id: "a", type: "human_task", depends_on: ["b"] },
          { id: "b", type: "human_task", depends_on: ["a"] },
        ],
      },
      "dependency_cycle",
      "$.steps[1].depends_on",
    ],
    [
      "retry_count that is no number",
      { steps: [{ id: "a", type: "human_task", retry_count: "3" }] },
      "graph_schema_validation",
      "$.steps[0].retry_count",
    ],
    [
      "timeout_s of nothing",
      { steps: [{ id: "a", type: "human_task", timeout_s: 0 }] },
      "graph_schema_validation",
      "$.steps[0].timeout_s",
    ],
  ])("with %s is refused with 422 and the issue's place", async (_, graph, code, json_path) => {
    for (const answer of [
      await call("POST", "", { name: "n", graph }),
      await call("PATCH", `/${(await create()).id}`, { graph }),
    ]) {
      expect(answer.status).toBe(422)
      expect(answer.body).toMatchObject({ error: expect.stringMatching(/^invalid graph/), code: "VALIDATION_ERROR" })
      expect(answer.body.issues).toContainEqual(expect.objectContaining({ severity: "error", code, message: expect.any(String) }))
      const issue = answer.body.issues.find((i: { code: string }) => i.code === code)
      if (code !== "dependency_cycle") expect(issue.json_path).toBe(json_path)
      else expect(issue.json_path).toMatch(/^\$\.steps\[[01]\]\.depends_on$/)
    }
  })
})

describe("a list of workflows", () => {
  let fresh: World
  let mine: Caller
  const list = (query = "") => fresh.call(mine, "GET", `/v1/workflows${query}`)
  beforeAll(async () => {
    fresh = await openWorld()
    mine = fresh.as(fresh.people.contributor)
  })
  afterAll(() => fresh.close())

  test("is empty in a new project, with its envelope", async () => {
    expect((await list()).body).toEqual({ workflows: [], total: 0, limit: 20, offset: 0 })
  })

  test("shows the last changed first, a page at a time, of one project only, without archived ones", async () => {
    const ids: string[] = []
    for (let i = 0; i < 5; i++) ids.push(await fresh.workflow(LUA_GRAPH, { publish: false, name: `w${i}` }))
    await fresh.workflow(LUA_GRAPH, { publish: false }, fresh.as(fresh.people.otherProject, fresh.places.second))
    await fresh.call(mine, "PATCH", `/v1/workflows/${ids[1]}`, { description: "changed" })
    await fresh.call(mine, "POST", `/v1/workflows/${ids[2]}/versions`, {})
    await fresh.call(mine, "DELETE", `/v1/workflows/${ids[3]}`)
    const names = async (query?: string) => (await list(query)).body.workflows.map((w: { name: string }) => w.name)
    expect(await names()).toEqual(["w2", "w1", "w4", "w0"])
    expect(await names("?limit=2&offset=1")).toEqual(["w1", "w4"])
    expect(await names("?offset=4")).toEqual([])
    expect((await list("?limit=2&offset=1")).body).toMatchObject({ total: 4, limit: 2, offset: 1 })
  })

  for (const path of ["", "/:id/versions", "/:id/runs", "/:id/runs/:run/events", "/:id/runs/:run/tasks/pending"]) {
    test(`/v1/workflows${path} refuses limits and offsets out of range with 400, naming them`, async () => {
      const id = await fresh.workflow(TASK_GRAPH)
      const run = await fresh.start(id)
      const at = (query: string) =>
        fresh.call(mine, "GET", `/v1/workflows${path.replace(":id", id).replace(":run", run)}?${query}`)
      const most = path.endsWith("events") ? 1000 : 100
      for (const query of ["limit=0", `limit=${most + 1}`, "limit=-1", "limit=abc", "limit=1.5", "limit="]) {
        const { status, body } = await at(query)
        expect({ query, status, names: /limit/.test(body.error) }).toEqual({ query, status: 400, names: true })
      }
      expect((await at(`limit=${most}`)).body.limit).toBe(most)
      expect((await at("limit=1")).status).toBe(200)
      if (path.endsWith("events")) return
      for (const query of ["offset=-1", "offset=x"]) {
        const { status, body } = await at(query)
        expect({ query, status, names: /offset/.test(body.error) }).toEqual({ query, status: 400, names: true })
      }
      expect((await at("offset=99999")).status).toBe(200)
    })
  }
})

describe("a change of the draft", () => {
  test("replaces each given field whole and leaves the others", async () => {
    const before = await create({
      description: "old",
      run_setup: { trigger_payload: { a: 1, b: 2 } },
      input_schema: { type: "object", properties: { a: {} } },
    })
    const patch = async (body: object) => {
      const answer = await call("PATCH", `/${before.id}`, body)
      expect(answer.status).toBe(200)
      return answer.body
    }
    expect(await patch({ name: "renamed" })).toEqual({ ...before, name: "renamed", updated_at: expect.any(String) })
    expect(await patch({ description: "new" })).toMatchObject({ name: "renamed", description: "new", graph: LUA_GRAPH })
    expect(await patch({ graph: TASK_GRAPH })).toMatchObject({ graph: TASK_GRAPH, description: "new" })
    // No deep merge: `b` is gone.
    expect((await patch({ run_setup: { trigger_payload: { a: 9 } } })).run_setup).toEqual({ trigger_payload: { a: 9 } })
    expect((await patch({ run_setup: null })).run_setup).toBeNull()
    expect((await patch({ input_schema: [{ name: "q", type: "string" }] })).input_schema).toEqual([{ name: "q", type: "string" }])
    expect((await patch({ input_schema: null })).input_schema).toBeNull()
    const last = await patch({})
    expect(last).toMatchObject({ name: "renamed", description: "new", graph: TASK_GRAPH, created_at: before.created_at })
    expect(last.updated_at > before.updated_at).toBe(true)
  })

  test("says who made it", async () => {
    const { id } = await create()
    const answer = await world.call(world.as(world.people.projectAdmin), "PATCH", `/v1/workflows/${id}`, { name: "x" })
    expect(answer.body).toMatchObject({
      created_by: world.people.contributor.userId,
      updated_by: world.people.projectAdmin.userId,
    })
  })

  test("that is refused changes nothing", async () => {
    const before = await create()
    for (const body of [
      { name: "" },
      { name: null },
      { name: "x", graph: { steps: [] } },
      { run_setup: 7 },
      { description: 7 },
    ]) {
      expect((await call("PATCH", `/${before.id}`, body)).status).toBeGreaterThanOrEqual(400)
    }
    expect((await call("GET", `/${before.id}`)).body).toEqual(before)
  })

  test("of run_setup also reaches the newest version, and no older one", async () => {
    const { id } = await create({ run_setup: { trigger_payload: { n: 1 } } })
    await call("POST", `/${id}/versions`, {})
    await call("POST", `/${id}/versions`, {})
    const answer = await call("PATCH", `/${id}`, { run_setup: { trigger_payload: { n: 2 } } })
    expect(answer.body.run_setup).toEqual({ trigger_payload: { n: 2 } })
    const { versions } = (await call("GET", `/${id}/versions`)).body
    expect(versions.map((v: { version: number; run_setup: unknown }) => [v.version, v.run_setup])).toEqual([
      [2, { trigger_payload: { n: 2 } }],
      [1, { trigger_payload: { n: 1 } }],
    ])
  })

  test("of graph or input_schema does not touch a version", async () => {
    const { id } = await create({ input_schema: { type: "object", properties: {} } })
    const { body: published } = await call("POST", `/${id}/versions`, {})
    await call("PATCH", `/${id}`, { graph: TASK_GRAPH, input_schema: null, name: "other" })
    expect((await call("GET", `/${id}/versions`)).body.versions).toEqual([published])
  })
})

describe("publishing", () => {
  test("freezes the draft into the next whole number, with everything the contract names", async () => {
    const run_setup = { trigger_payload: { n: 1 }, trigger_step_ids: ["a"] }
    const input_schema = { type: "object", properties: { n: { default: 5 } } }
    const { id } = await create({ run_setup, input_schema })
    const first = await call("POST", `/${id}/versions`, { changelog: "first" })
    expect(first.status).toBe(201)
    expect(first.body).toEqual({
      version: 1,
      workflow_id: id,
      changelog: "first",
      published_at: expect.stringMatching(MOMENT),
      published_by: world.people.contributor.userId,
      graph_snapshot: LUA_GRAPH,
      input_schema,
      run_setup,
    })
    const { body: workflow } = await call("GET", `/${id}`)
    expect(workflow).toMatchObject({ status: "published", latest_version: 1, updated_at: first.body.published_at })
    expect((await call("POST", `/${id}/versions`, {})).body).toMatchObject({
      version: 2,
      changelog: "",
      graph_snapshot: LUA_GRAPH,
    })
    const { body } = await call("GET", `/${id}/versions`)
    expect(body.versions.map((v: { version: number }) => v.version)).toEqual([2, 1])
    expect(body).toMatchObject({ total: 2, limit: 20, offset: 0 })
    expect((await call("GET", `/${id}/versions?limit=1&offset=1`)).body.versions[0].version).toBe(1)
  })

  test("needs no body at all", async () => {
    const { id } = await create()
    for (const body of [undefined, null, {}]) expect((await call("POST", `/${id}/versions`, body)).status).toBe(201)
  })

  test("takes the input schema from the request, else from the graph, else from the draft", async () => {
    const inGraph = { type: "object", properties: { from: { default: "graph" } } }
    const given = { type: "object", properties: { from: { default: "request" } } }
    const drafted = [{ name: "from", default: "draft" }]
    const { id } = await create({ graph: { ...LUA_GRAPH, input_schema: inGraph }, input_schema: drafted })
    const schemaOf = async (body: unknown) => (await call("POST", `/${id}/versions`, body)).body.input_schema
    expect(await schemaOf({ input_schema: given })).toEqual(given)
    expect(await schemaOf({})).toEqual(inGraph)
    await call("PATCH", `/${id}`, { graph: LUA_GRAPH })
    expect(await schemaOf({})).toEqual(drafted)
    await call("PATCH", `/${id}`, { input_schema: null })
    expect(await schemaOf({})).toBeNull()
  })

  test("is not held up by what a dry run would find", async () => {
    const { id } = await create({ graph: { steps: [{ id: "a", type: "lua_script", script: "this is not Lua" }] } })
    expect((await call("POST", `/${id}/versions`, {})).status).toBe(201)
  })

  test("many times at once gives every version its own number", async () => {
    const { id } = await create()
    const answers = await Promise.all(Array.from({ length: 10 }, () => call("POST", `/${id}/versions`, {})))
    expect(answers.map(a => a.body.version).sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    expect((await call("GET", `/${id}`)).body.latest_version).toBe(10)
  })

  test.each([
    ["a changelog that is no text", { changelog: 7 }],
    ["a changelog that is too long", { changelog: "x".repeat(10_001) }],
    ["a list", []],
    ["text", "text"],
  ])("with a body of %s is refused with 400", async (_, body) => {
    const { id } = await create()
    expect((await call("POST", `/${id}/versions`, JSON.stringify(body))).status).toBe(400)
  })
})

describe("an archived workflow", () => {
  test("still answers, is listed nowhere, and cannot be changed, published or started", async () => {
    const id = await world.workflow(TASK_GRAPH)
    const runId = await world.start(id)
    const gone = await call("DELETE", `/${id}`)
    expect([gone.status, gone.text]).toEqual([204, ""])
    const { body: workflow } = await call("GET", `/${id}`)
    expect(workflow).toMatchObject({
      status: "archived",
      archived_at: expect.stringMatching(MOMENT),
      archived_by: world.people.contributor.userId,
      graph: TASK_GRAPH,
      latest_version: 1,
    })
    expect((await call("GET", "?limit=100")).body.workflows.map((w: { id: string }) => w.id)).not.toContain(id)
    for (const answer of [
      await call("PATCH", `/${id}`, { name: "x" }),
      await call("POST", `/${id}/versions`, {}),
      await call("POST", `/${id}/command`, { command: "start" }),
    ])
      expect([answer.status, answer.body.code]).toEqual([409, "WORKFLOW_ARCHIVED"])
    // Archiving again changes nothing.
    expect((await call("DELETE", `/${id}`)).status).toBe(204)
    expect((await call("GET", `/${id}`)).body).toEqual(workflow)
    // Its history stays, and its runs can still be moved.
    expect((await call("GET", `/${id}/versions`)).body.total).toBe(1)
    expect((await call("GET", `/${id}/runs`)).body.total).toBe(1)
    expect((await call("POST", `/${id}/runs/${runId}/tasks/ask/complete`, { approved: true })).status).toBe(200)
    expect(await world.until(id, runId, "completed")).toMatchObject({ run_id: runId })
  })
})

test("an id that is no UUID is unknown, not an error", async () => {
  for (const id of ["x", "%00", "..%2f..", "'; DROP TABLE workflows; --", "🙂", "x".repeat(5_000)]) {
    const answer = await call("GET", `/${encodeURIComponent(id)}`)
    expect({ id: id.slice(0, 30), status: answer.status, code: answer.body.code }).toEqual({
      id: id.slice(0, 30),
      status: 404,
      code: "NOT_FOUND",
    })
  }
})
