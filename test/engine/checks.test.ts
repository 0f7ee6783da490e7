import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { Compile } from "typebox/schema"
import { checkConfig, checkDisabled, checkEpisode, locate } from "../../src/engine/checks.ts"
import { checkFields } from "../../src/engine/checks-fields.ts"
import { checkTemplates } from "../../src/engine/checks-templates.ts"
import { compilePlan } from "../../src/engine/graph.ts"
import { graphSchema } from "../../src/engine/graph-schema.ts"
import { checkInputSchema, refusedInputSchema } from "../../src/engine/input-schema.ts"
import type { Issue } from "../../src/engine/issues.ts"
import { childPath, inDocumentOrder } from "../../src/engine/json-path.ts"
import type { Known } from "../../src/engine/references.ts"
import { unrunnable } from "../../src/engine/runnable.ts"
import { checkStructure } from "../../src/engine/structure.ts"
import type { Json, JsonObject } from "../../src/kernel/json.ts"
import { nearest } from "../../src/kernel/nearest.ts"
import { ALL_TYPES as types } from "./checks-types.ts"
import { SEED } from "./seed.ts"

const NOTHING: Known = { input: null, inputSchema: null, outputs: {} }
const steps = (...list: readonly JsonObject[]): JsonObject => ({ steps: list })
const lua = (id: string, more: JsonObject = {}): JsonObject => ({ id, type: "lua_script", script: "return {}", ...more })
const call = (id: string, more: JsonObject = {}): JsonObject => ({
  ...{ id, type: "mcp_call", server_url: "https://router.agentruntime.io/sqlite/mcp", tool_name: "sqlite_query" },
  ...more,
})
const each = (id: string, more: JsonObject = {}): JsonObject => ({
  ...{ id, type: "for_each", for_each_items: "{{input.rows}}", for_each_body_steps: [lua("one")] },
  ...more,
})
const loop = (id: string, more: JsonObject = {}): JsonObject => ({
  ...{ id, type: "while", while_mode: "until", while_max_iterations: 3 },
  ...{ while_condition: "{{body.one.ok}}", while_body_steps: [lua("one")], ...more },
})

/** Everything that the pure checks say of a graph whose structure is sound. */
function allOf(graph: JsonObject, known: Known = NOTHING): readonly Issue[] {
  expect(checkStructure(graph, types)).toEqual([])
  const plan = compilePlan(graph, types)
  const located = locate(plan, graph)
  return [
    ...checkFields(graph, types),
    ...unrunnable(graph, types),
    ...checkConfig(located),
    ...checkEpisode(plan, located),
    ...checkTemplates(plan, located, known),
    ...checkDisabled(located),
  ]
}
const told = (issues: readonly Issue[]) => issues.map(i => `${i.severity[0]} ${i.code} ${i.json_path}`)
const templated = (template: Json, ...before: readonly JsonObject[]) =>
  steps(...before, call("t", { tool_args: { a: template } }))

describe("a graph with nothing wrong has no findings", () => {
  test.each<[string, JsonObject]>([
    ["a chain", steps(lua("a"), call("b", { depends_on: ["a"], tool_args: { x: "{{steps.a.result.rows.0}} and {{input.k}}" } }))],
    [
      "a grandparent's result",
      steps(lua("a"), lua("b", { depends_on: ["a"] }), call("c", { depends_on: ["b"], tool_args: { x: "{{steps.a.result}}" } })),
    ],
    ["items as a bare path", steps(lua("a"), each("e", { depends_on: ["a"], for_each_items: "steps.a.result.rows" }))],
    [
      "ids with dots and hyphens",
      steps(lua("a.b-c"), call("d", { depends_on: ["a.b-c"], tool_args: { x: "{{steps.a.b-c.result.y}}" } })),
    ],
    [
      "the resolved fields of a step",
      steps(call("a"), call("b", { depends_on: ["a"], tool_args: { x: "{{steps.a.input.tool_name}}" } })),
    ],
    ["facts of the run", templated("{{run.run_id}} {{run.started_at}} {{run.segment_id}} {{connection.by_instance.u.x}}")],
    ["a default", steps(lua("a"), call("t", { depends_on: ["a"], tool_args: { a: '{{steps.a.result.x | "none"}}' } }))],
    [
      "a for_each that sees its item, its siblings and what is before it",
      steps(
        lua("before"),
        each("e", {
          depends_on: ["before"],
          for_each_body_steps: [
            call("first", { tool_args: { a: "{{item.x}} {{index}} {{foreach.item.y}} {{steps.before.result.x}}" } }),
            call("second", { tool_args: { a: "{{body.first.result.x}} {{body.first.x}} {{steps.first.result.x}}" } }),
          ],
        }),
      ),
    ],
    [
      "a while that sees what was",
      steps(
        loop("w", {
          while_body_steps: [
            lua("one"),
            call("two", { tool_args: { a: "{{while.iteration}} {{while.prev.two.x}} {{body.one.ok}}" } }),
          ],
        }),
      ),
    ],
    [
      "an episode with an end",
      steps(
        lua("gate", { no_auto_start: true, input_allowlist: ["human"] }),
        lua("end", { no_auto_start: true, terminal: true }),
      ),
    ],
    [
      "a single nested step without an id",
      steps({
        id: "e",
        type: "for_each",
        for_each_items: ["{{input.a}}"],
        for_each_body: { type: "lua_script", script: "return {}" },
      }),
    ],
    ["keys beside steps", { ...steps(lua("a")), anything: 1, params: { a: "b" } }],
  ])("%s", (_, graph) => {
    expect(allOf(graph).filter(i => i.code !== "step_disabled")).toEqual([])
  })
})

describe("each code at its place", () => {
  test.each<[string, JsonObject, readonly string[]]>([
    ["a misspelt key", steps(lua("a"), { ...lua("b"), depend_on: ["a"] }), ["e graph_schema_validation $.steps[1].depend_on"]],
    ["a key with blanks", steps({ ...lua("a"), "my key": 1 }), ['e graph_schema_validation $.steps[0]["my key"]']],
    [
      "a misspelt key inside a loop",
      steps(each("e", { for_each_body_steps: [{ ...lua("x"), scrpt: "" }] })),
      ["e graph_schema_validation $.steps[0].for_each_body_steps[0].scrpt"],
    ],
    ["a field of another type", steps(call("a", { tool_args: ["x"] })), ["e graph_schema_validation $.steps[0].tool_args"]],
    [
      "a value that is none of the known",
      steps(call("a", { connection_resolution: "principle" })),
      ["e graph_schema_validation $.steps[0].connection_resolution"],
    ],
    [
      "a number out of range",
      steps({ id: "a", type: "workflow_call", workflow_id: "w", version: 0 }),
      ["e graph_schema_validation $.steps[0].version"],
    ],
    [
      "a control that means nothing inside",
      steps(each("e", { for_each_body_steps: [lua("x", { terminal: true })] })),
      ["e graph_schema_validation $.steps[0].for_each_body_steps[0].terminal"],
    ],
    ["a missing field", steps({ id: "a", type: "lua_script" }), ["e step_config_missing_field $.steps[0].script"]],
    [
      "a missing field inside a loop",
      steps(each("e", { for_each_body_steps: [{ id: "x", type: "mcp_call", server_url: "u" }] })),
      ["e step_config_missing_field $.steps[0].for_each_body_steps[0].tool_name"],
    ],
    [
      "a script that is too large",
      steps(lua("a", { script: `--${"x".repeat(65_536)}` })),
      ["e script_too_large $.steps[0].script"],
    ],
    [
      "an episode without an end",
      steps(lua("a"), lua("b", { no_auto_start: true })),
      ["e episode_c3_spine_without_close $.steps[1].no_auto_start"],
    ],
    ["a disabled step", steps(lua("a", { enabled: false })), ["w step_disabled $.steps[0].enabled"]],
    ["a template that cannot be read", templated("{{ input.x "), ["e template_unresolved $.steps[0].tool_args.a"]],
    [
      "a root that there is not",
      templated(["ok", { deep: "{{inputs.x}}" }]),
      ["e template_unresolved $.steps[0].tool_args.a[1].deep"],
    ],
    ["a step that there is not", templated("{{steps.nope.result.x}}"), ["e template_unresolved $.steps[0].tool_args.a"]],
    [
      "a step without result",
      steps(lua("a"), call("b", { depends_on: ["a"], tool_args: { k: "{{steps.a.rows}}" } })),
      ["e template_unresolved $.steps[1].tool_args.k"],
    ],
    [
      "a step that may not have ended",
      templated("{{steps.a.result.x}}", lua("a")),
      ["e template_missing_dependency $.steps[1].tool_args.a"],
    ],
    ["a step itself", templated("{{steps.t.result.x}}"), ["e template_missing_dependency $.steps[0].tool_args.a"]],
    [
      "a disabled step's result",
      steps(lua("a", { enabled: false }), call("b", { depends_on: ["a"], tool_args: { k: "{{steps.a.result}}" } })),
      ["e template_unresolved $.steps[1].tool_args.k", "w step_disabled $.steps[0].enabled"],
    ],
    ["a misspelt fact of the run", templated("{{run.id}}"), ["e template_unresolved $.steps[0].tool_args.a"]],
    ["a misspelt fact of the connection", templated("{{connection.providr}}"), ["e template_unresolved $.steps[0].tool_args.a"]],
    [
      "a loop's word outside",
      templated("{{item.x}}{{while.iteration}}{{body.a.x}}"),
      Array(3).fill("e template_unresolved $.steps[0].tool_args.a"),
    ],
    [
      "a while's word in a for_each",
      steps(each("e", { for_each_body_steps: [call("x", { tool_args: { a: "{{while.iteration}}" } })] })),
      ["e template_unresolved $.steps[0].for_each_body_steps[0].tool_args.a"],
    ],
    [
      "a sibling that comes later",
      steps(each("e", { for_each_body_steps: [call("x", { tool_args: { a: "{{body.y.v}}" } }), lua("y")] })),
      ["e template_missing_dependency $.steps[0].for_each_body_steps[0].tool_args.a"],
    ],
    [
      "a loop's own result inside it",
      steps(each("e", { for_each_body_steps: [call("x", { tool_args: { a: "{{steps.e.result}}" } })] })),
      ["e template_missing_dependency $.steps[0].for_each_body_steps[0].tool_args.a"],
    ],
    [
      "an inner step from outside",
      steps(each("e"), call("b", { depends_on: ["e"], tool_args: { a: "{{steps.one.result}}" } })),
      ["e template_unresolved $.steps[1].tool_args.a"],
    ],
    [
      "a test that names no inner step",
      steps(loop("w", { while_condition: "{{body.zzz.ok}}" })),
      ["e template_unresolved $.steps[0].while_condition"],
    ],
    [
      "a condition on a step that there is not",
      steps(lua("a", { condition: "{{steps.x.result.ok}}" })),
      ["e template_unresolved $.steps[0].condition"],
    ],
    ["a skip_when that cannot be read", steps(lua("a", { skip_when: "{{" })), ["e template_unresolved $.steps[0].skip_when"]],
    [
      "a template where none is resolved",
      steps(call("a", { server_url: "https://x/{{input.slug}}/mcp" })),
      ["e template_unresolved $.steps[0].server_url"],
    ],
    [
      "items that name nothing",
      steps(each("e", { for_each_items: "{{steps.x.result}}" })),
      ["e for_each_items_unresolved $.steps[0].for_each_items"],
    ],
    [
      "items of a step that may not have ended",
      steps(lua("a"), each("e", { for_each_items: "{{steps.a.result.rows}}" })),
      ["e template_missing_dependency $.steps[1].for_each_items"],
    ],
    ["items that are no list", steps(each("e", { for_each_items: 7 })), ["e for_each_items_invalid $.steps[0].for_each_items"]],
    [
      "items as the bare path of nothing",
      steps(each("e", { for_each_items: "steps.a.result.rows" })),
      ["e for_each_items_unresolved $.steps[0].for_each_items"],
    ],
    [
      "items with text around",
      steps(each("e", { for_each_items: "rows: {{input.rows}}" })),
      ["e for_each_items_invalid $.steps[0].for_each_items"],
    ],
    [
      "too many items",
      steps(each("e", { for_each_items: Array(501).fill(1) })),
      ["e for_each_items_invalid $.steps[0].for_each_items"],
    ],
    [
      "what looks misspelt behind a default only warns",
      templated('{{steps.nope.result.x | "d"}}'),
      ["w template_unresolved $.steps[0].tool_args.a"],
    ],
  ])("%s", (_, graph, wanted) => {
    const issues = allOf(graph)
    expect(told(issues)).toEqual([...wanted])
    for (const i of issues) {
      expect(i.message).toStartWith(i.code === "step_type_unavailable" ? "step " : `${i.step_id}: `)
      expect(i.json_path.includes("body") ? i.step_id : "#body#").toContain("#body#")
    }
  })
})

describe("a suggestion says what was meant", () => {
  test.each<[JsonObject, string]>([
    [steps({ ...lua("a"), dependsOn: [] }), "did you mean depends_on?"],
    [steps({ ...lua("a"), scrip: "x" }), "did you mean script?"],
    [steps({ ...call("a"), config: {} }), "put its fields directly into the step"],
    [templated("{{inpt.x}}"), "did you mean {{input.x}}?"],
    [templated("{{a.rows}}", lua("a")), "did you mean {{steps.a.result.rows}}?"],
    [
      steps(lua("load"), call("b", { depends_on: ["load"], tool_args: { k: "{{steps.laod.result.x}}" } })),
      "did you mean {{steps.load.result.x}}?",
    ],
    [
      steps(lua("a"), call("b", { depends_on: ["a"], tool_args: { k: "{{steps.a.x.y}}" } })),
      "did you mean {{steps.a.result.x.y}}?",
    ],
    [templated("{{steps.a.result.x}}", lua("a")), 'add "a" to depends_on of t'],
    [templated("{{run.runid}}"), "did you mean {{run.run_id}}?"],
    [templated('{{steps["a"].result}}'), "use dots only, e.g. {{steps.load.result.rows.0}}"],
    [steps(lua("a"), each("e", { depends_on: ["a"], for_each_items: "a.rows" })), "did you mean {{steps.a.result.rows}}?"],
    [
      steps(
        each("e", {
          for_each_error_policy: "fail_fast",
          for_each_body_steps: [call("x", { tool_args: { a: "{{body.on.v}}" } }), lua("one")],
        }),
      ),
      "did you mean {{body.one.v}}?",
    ],
  ])("%#", (graph, suggestion) => {
    expect(allOf(graph)[0]?.suggestion).toBe(suggestion)
  })

  test("but never one that would make a cycle", () => {
    const [found] = allOf(steps(call("a", { tool_args: { k: "{{steps.b.result}}" } }), lua("b", { depends_on: ["a"] })))
    expect(found).toMatchObject({ code: "template_missing_dependency", message: expect.stringContaining("runs after") })
    expect(found?.suggestion).toBeUndefined()
  })
})

describe("what is known decides", () => {
  const graph = steps(
    lua("a"),
    call("b", { depends_on: ["a"], tool_args: { x: "{{input.n.deep}}", y: "{{steps.a.result.rows.0.id}}" } }),
  )
  test.each<[string, Partial<Known>, readonly string[]]>([
    ["nothing: nothing is missed", {}, []],
    ["input that has it", { input: { n: { deep: null } } }, []],
    ["input that lacks it", { input: { n: {} } }, ["e template_unresolved $.steps[1].tool_args.x"]],
    ["input with an overlay for the step", { input: { _steps: { b: { n: { deep: 1 } } } } }, []],
    ["input with an overlay for the field", { input: { _steps: { b: { tool_args: {} } } } }, []],
    ["an output that has it", { outputs: { a: { rows: [{ id: 1 }] } } }, []],
    ["an output that lacks it", { outputs: { a: { rows: [] } } }, ["e template_unresolved $.steps[1].tool_args.y"]],
    ["a schema that declares it", { inputSchema: { type: "object", properties: { n: { type: "object" } } } }, []],
    [
      "a schema that declares others",
      { inputSchema: { type: "object", properties: { m: {} } } },
      ["e template_unresolved $.steps[1].tool_args.x"],
    ],
    ["a schema that is open", { inputSchema: { type: "object", properties: { m: {} }, additionalProperties: true } }, []],
    ["a schema that says nothing", { inputSchema: { type: "object" } }, []],
    ["a list that declares it", { inputSchema: [{ name: "n" }] }, []],
    ["a list that declares others", { inputSchema: [{ name: "m" }] }, ["e template_unresolved $.steps[1].tool_args.x"]],
  ])("%s", (_, known, wanted) => {
    expect(told(allOf(graph, { ...NOTHING, ...known }))).toEqual([...wanted])
  })

  test("alternatives: one that is there is enough; a default always is; a condition misses nothing", () => {
    const known = { ...NOTHING, input: { b: 1 } }
    expect(allOf(templated("{{input.a | input.b}}"), known)).toEqual([])
    expect(allOf(templated('{{input.a | ""}}'), known)).toEqual([])
    expect(allOf(templated("{{input.a | omit}}"), known)).toEqual([])
    expect(allOf(steps(lua("a", { condition: "{{input.a}}" })), known)).toEqual([])
    expect(told(allOf(templated("{{input.a | input.c}}"), known))).toEqual(
      Array(2).fill("e template_unresolved $.steps[0].tool_args.a"),
    )
  })

  test("items with a known value: a list is good, one value only warns, too many fail", () => {
    const of = (rows: Json) => told(allOf(steps(each("e")), { ...NOTHING, input: { rows } }))
    expect(of([1])).toEqual([])
    expect(of({})).toEqual([])
    expect(of("one")).toEqual(["w for_each_items_invalid $.steps[0].for_each_items"])
    expect(of(Array(501).fill(0))).toEqual(["e for_each_items_invalid $.steps[0].for_each_items"])
  })
})

describe("an input schema", () => {
  test.each<[string, Json, readonly string[]]>([
    ["empty", {}, []],
    [
      "an object's",
      { type: "object", properties: { a: { type: "string", default: "x", form_visible: true } }, required: ["a"] },
      [],
    ],
    ["a list of fields", [{ name: "a", type: "text", optional: true }, { name: "b" }], []],
    ["text", "object", ["e $"]],
    ["a map of names", { topic: "string" }, ["e $"]],
    ["another type's", { type: "string" }, ["e $"]],
    ["a list with a nameless field", [{ type: "string" }], ["e $"]],
    ["a property that is no schema", { properties: { a: 7 } }, ["e $.properties.a"]],
    ["an unknown type", { properties: { a: { type: "text" } } }, ["e $.properties.a.type"]],
    [
      "a default of another type",
      { properties: { "a b": { type: "integer", default: 1.5 } } },
      ['e $.properties["a b"].default'],
    ],
    ["required that is no list", { properties: {}, required: true }, ["e $.required"]],
    ["a required field that is not declared", { properties: { name: {} }, required: ["nam"] }, ["w $.required[0]"]],
    ["nested", { properties: { o: { type: "object", properties: { x: { enum: 1 } } } } }, ["e $.properties.o.properties.x.enum"]],
    ["twice the same name", [{ name: "a" }, { name: "a" }], ["e $[1].name"]],
  ])("%s", (_, schema, wanted) => {
    const issues = checkInputSchema(schema, "$")
    expect(issues.map(i => `${i.severity[0]} ${i.json_path}`)).toEqual([...wanted])
    expect(refusedInputSchema(schema) !== null).toBe(wanted[0] === "e $")
  })
})

test("the nearest word is found over case, underscores and one wrong letter in three", () => {
  expect(nearest("DependsOn", ["enabled", "depends_on"])).toBe("depends_on")
  expect(nearest("promt", ["prompt", "input"])).toBe("prompt")
  expect(nearest("zebra", ["prompt", "input"])).toBeUndefined()
  expect(nearest("x".repeat(1_000_000), ["prompt"])).toBeUndefined()
})

test("findings are sorted as the document is written; what is missing comes behind", () => {
  const document = { steps: [{ id: "a", b: { "x y": [1, 2] } }, { id: "c" }] }
  const paths = ["$", "$.steps[0].id", '$.steps[0].b["x y"][1]', "$.steps[0].missing", "$.steps[1].id", "$.input_schema"]
  const issues = paths.toReversed().map(json_path => ({ severity: "error" as const, code: "c", message: "m", json_path }))
  expect(inDocumentOrder(issues, document).map(i => i.json_path)).toEqual(paths)
  expect(childPath("$", 'a"b')).toBe('$["a\\"b"]')
})

test("the schema of graphs describes every type and every field", () => {
  const schema = graphSchema(types) as {
    $defs: Record<string, { properties?: Record<string, unknown>; additionalProperties?: boolean }>
  }
  for (const type of types.values()) {
    const of = schema.$defs[type.type]
    for (const field of Object.keys(type.fields)) expect(of?.properties).toHaveProperty(field)
    expect(of?.properties).toHaveProperty("depends_on")
  }
  expect(schema.$defs.lua_script?.additionalProperties).toBe(false)
  expect(schema.$defs.inner_lua_script?.properties).not.toHaveProperty("no_auto_start")
  expect(schema.$defs).not.toHaveProperty("inner_for_each")
})

test("the schema of graphs takes what validates, and refuses what does not", () => {
  const schema = Compile(graphSchema(types) as object)
  const single = { type: "lua_script", script: "return {}" }
  expect(
    schema.Check(steps(lua("a"), each("e"), loop("w"), each("s", { for_each_body_steps: null, for_each_body: single }))),
  ).toBe(false)
  expect(schema.Check(steps(lua("a"), each("e"), loop("w"), call("c", { tool_args: "{{input.all}}" })))).toBe(true)
  expect(schema.Check(steps({ id: "s", type: "for_each", for_each_items: [], for_each_body: single }))).toBe(true)
  expect(schema.Check(steps(lua("a", { depend_on: [] })))).toBe(false)
  expect(schema.Check(steps(call("c", { server_url: "u", tool_args: "text" })))).toBe(false)
  expect(schema.Check(steps(each("e", { for_each_body_steps: [each("x")] })))).toBe(false)
  expect(schema.Check(steps({ id: "a", type: "mcp_call", tool_name: "t" }))).toBe(false)
})

test("any JSON has findings or a plan, and nothing throws", () => {
  const word = fc.constantFrom(
    "a",
    "b",
    "result",
    "steps",
    "__proto__",
    "constructor",
    "input",
    "item",
    "{{",
    "}}",
    "{{steps.a.result.x}}",
    "{{body.a}}",
    "{{while.prev.a.b}}",
  )
  const leaf = fc.oneof(word, fc.jsonValue() as fc.Arbitrary<Json>)
  const step = fc.record(
    {
      ...{
        id: word,
        type: fc.constantFrom(...types.keys(), "external_agent", "x"),
        depends_on: fc.array(word, { maxLength: 2 }),
      },
      ...{
        condition: leaf,
        skip_when: leaf,
        script: leaf,
        tool_args: leaf,
        tool_name: leaf,
        for_each_items: leaf,
        no_auto_start: fc.boolean(),
      },
      ...{
        while_mode: fc.constant("until"),
        while_max_iterations: fc.constant(2),
        while_condition: leaf,
        while_eval_script: leaf,
      },
      ...{ for_each_body: leaf, enabled: fc.boolean() },
      for_each_body_steps: fc.array(fc.record({ id: word, type: fc.constantFrom(...types.keys()), tool_args: leaf }), {
        maxLength: 3,
      }),
      while_body_steps: fc.array(fc.record({ id: word, type: fc.constantFrom(...types.keys()), tool_args: leaf }), {
        maxLength: 3,
      }),
    },
    { requiredKeys: ["id", "type"] },
  )
  const graph = fc.oneof(fc.jsonValue(), fc.record({ steps: fc.array(step as fc.Arbitrary<unknown>, { maxLength: 4 }) }))
  fc.assert(
    fc.property(graph, fc.jsonValue(), (document, other) => {
      const read = JSON.parse(JSON.stringify(document)) as Json
      const structural = checkStructure(read, types)
      const early = [
        ...structural,
        ...checkFields(read, types),
        ...unrunnable(read, types),
        ...checkInputSchema(other as Json, "$.input_schema"),
      ]
      inDocumentOrder(early, read)
      if (structural.length > 0) return
      const input = { a: other as Json, _steps: other as Json }
      for (const known of [NOTHING, { input, inputSchema: other as Json, outputs: { a: other as Json } }]) {
        const issues = allOf(read as JsonObject, known)
        expect(inDocumentOrder(issues, read)).toHaveLength(issues.length)
      }
    }),
    { seed: SEED, numRuns: 1_500 },
  )
})
