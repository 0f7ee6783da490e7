import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { commands } from "../../src/engine/commands.ts"
import { decide } from "../../src/engine/decide.ts"
import { compilePlan, type Plan, topologicalOrder } from "../../src/engine/graph.ts"
import { stepAt } from "../../src/engine/place.ts"
import { initialState, isFinal, pendingTasks } from "../../src/engine/state.ts"
import { checkStructure } from "../../src/engine/structure.ts"
import type { Json, JsonObject } from "../../src/kernel/json.ts"
import { approved, at, FACTS, graphOf, start, types } from "./machine.ts"
import { SEED } from "./seed.ts"

const steps = (...list: readonly unknown[]) => ({ steps: list }) as unknown as JsonObject
const a = { id: "a", type: "work" }

/** Codes and places of what was found. */
const found = (graph: unknown) => checkStructure(graph, types).map(i => `${i.code} ${i.json_path}`)

describe("a graph is refused", () => {
  const cases: readonly (readonly [string, unknown, readonly string[]])[] = [
    ["that is no object", null, ["graph_schema_validation $"]],
    ["that is a list", [], ["graph_schema_validation $"]],
    ["that is a text", "{}", ["graph_schema_validation $"]],
    ["without steps", {}, ["graph_schema_validation $.steps"]],
    ["with steps as a map by id", { steps: { a } }, ["graph_schema_validation $.steps"]],
    ["with no step", steps(), ["graph_empty $.steps"]],
    [
      "with more than 1000 steps",
      steps(...Array.from({ length: 1001 }, (_, i) => ({ ...a, id: `s${i}` }))),
      ["graph_schema_validation $.steps"],
    ],
    ["whose step is no object", steps(a, "b", null, [a]), [1, 2, 3].map(i => `graph_schema_validation $.steps[${i}]`)],
    ["whose step has no id", steps({ type: "work" }), ["step_config_missing_field $.steps[0].id"]],
    ["whose step has an empty id", steps({ ...a, id: "" }), ["step_config_missing_field $.steps[0].id"]],
    ["whose step has a number as id", steps({ ...a, id: 7 }), ["step_config_missing_field $.steps[0].id"]],
    ["with a space in an id", steps({ ...a, id: "a b" }), ["graph_schema_validation $.steps[0].id"]],
    ["with a # in an id", steps({ ...a, id: "a#b" }), ["graph_schema_validation $.steps[0].id"]],
    ["with braces in an id", steps({ ...a, id: "{{a}}" }), ["graph_schema_validation $.steps[0].id"]],
    ["with a | in an id", steps({ ...a, id: "a|b" }), ["graph_schema_validation $.steps[0].id"]],
    ["with an id of 201 characters", steps({ ...a, id: "x".repeat(201) }), ["graph_schema_validation $.steps[0].id"]],
    ["whose step has no type", steps({ id: "a" }), ["step_config_missing_field $.steps[0].type"]],
    ["with a type that nobody knows", steps({ ...a, type: "http" }), ["unknown_step_type $.steps[0].type"]],
    ["with a type named like a method", steps({ ...a, type: "constructor" }), ["unknown_step_type $.steps[0].type"]],
    ["with the removed type condition", steps({ ...a, type: "condition" }), ["legacy_step_type $.steps[0].type"]],
    ["with the removed type parallel", steps({ ...a, type: "parallel" }), ["legacy_step_type $.steps[0].type"]],
    ["with the removed type sequence", steps({ ...a, type: "sequence" }), ["legacy_step_type $.steps[0].type"]],
    [
      "with one id twice",
      steps(a, { ...a, id: "b" }, a, a),
      ["duplicate_step_id $.steps[2].id", "duplicate_step_id $.steps[3].id"],
    ],
    ["with a missing dependency", steps({ ...a, depends_on: ["b"] }), ["dependency_missing $.steps[0].depends_on[0]"]],
    [
      "with a missing dependency behind one that is named twice",
      steps(a, { ...a, id: "b", depends_on: ["a", "a", "zzz"] }),
      ["dependency_missing $.steps[1].depends_on[2]"],
    ],
    ["that depends on itself", steps({ ...a, depends_on: ["a"] }), ["dependency_cycle $.steps[0].depends_on"]],
    [
      "with a cycle of two",
      steps({ ...a, depends_on: ["b"] }, { ...a, id: "b", depends_on: ["a"] }),
      ["dependency_cycle $.steps[0].depends_on"],
    ],
    ["with depends_on as a text", steps({ ...a, depends_on: "b" }), ["graph_schema_validation $.steps[0].depends_on"]],
    ["with numbers in depends_on", steps({ ...a, depends_on: [1] }), ["graph_schema_validation $.steps[0].depends_on"]],
    ["with a number as name", steps({ ...a, name: 1 }), ["graph_schema_validation $.steps[0].name"]],
    ["with enabled as a text", steps({ ...a, enabled: "true" }), ["graph_schema_validation $.steps[0].enabled"]],
    ["with no_auto_start as a number", steps({ ...a, no_auto_start: 1 }), ["graph_schema_validation $.steps[0].no_auto_start"]],
    ["with terminal as a text", steps({ ...a, terminal: "yes" }), ["graph_schema_validation $.steps[0].terminal"]],
    ["with a negative retry_count", steps({ ...a, retry_count: -1 }), ["graph_schema_validation $.steps[0].retry_count"]],
    ["with half a retry", steps({ ...a, retry_count: 0.5 }), ["graph_schema_validation $.steps[0].retry_count"]],
    ["with 21 retries", steps({ ...a, retry_count: 21 }), ["graph_schema_validation $.steps[0].retry_count"]],
    ["with a timeout_s of 0", steps({ ...a, timeout_s: 0 }), ["graph_schema_validation $.steps[0].timeout_s"]],
    ["with a broken timeout_s", steps({ ...a, timeout_s: 1.5 }), ["graph_schema_validation $.steps[0].timeout_s"]],
    ["with a timeout_s over a day", steps({ ...a, timeout_s: 86_401 }), ["graph_schema_validation $.steps[0].timeout_s"]],
    ["with a timeout_s as a text", steps({ ...a, timeout_s: "30" }), ["graph_schema_validation $.steps[0].timeout_s"]],
    ["with an object as skip_when", steps({ ...a, skip_when: {} }), ["graph_schema_validation $.steps[0].skip_when"]],
    [
      "with a text as input_allowlist",
      steps({ ...a, input_allowlist: "human" }),
      ["graph_schema_validation $.steps[0].input_allowlist"],
    ],
    [
      "with a number in input_allowlist",
      steps({ ...a, input_allowlist: ["a", 1] }),
      ["graph_schema_validation $.steps[0].input_allowlist"],
    ],
    ["with an object as condition", steps({ ...a, condition: {} }), ["graph_schema_validation $.steps[0].condition"]],
    [
      "with several mistakes at once, all of them named",
      steps({ type: "http", enabled: 1 }, { id: "b c" }),
      [
        "step_config_missing_field $.steps[0].id",
        "unknown_step_type $.steps[0].type",
        "graph_schema_validation $.steps[0].enabled",
        "graph_schema_validation $.steps[1].id",
        "step_config_missing_field $.steps[1].type",
      ],
    ],
  ]

  for (const [what, graph, issues] of cases) {
    test(what, () => {
      expect(found(graph)).toEqual(issues as string[])
      for (const issue of checkStructure(graph, types)) expect(issue.severity).toBe("error")
    })
  }

  test("for a cycle, which is named in the order of its edges, without the steps behind it", () => {
    const graph = graphOf({ behind: ["c"], a: ["c", "root"], b: ["a"], c: ["b"], root: [] })

    const [issue, ...others] = checkStructure(graph, types)

    expect(others).toEqual([])
    expect(issue).toMatchObject({ code: "dependency_cycle", suggestion: "remove one of these dependencies" })
    const ids = issue!.message.replace(/^.*: /, "").split(" → ")
    expect(ids[0]).toBe(ids.at(-1)!)
    expect([...new Set(ids)].sort()).toEqual(["a", "b", "c"])
    expect(issue!.step_id).toBe(ids[0]!)
  })
})

describe("a graph is accepted", () => {
  const cases: readonly (readonly [string, unknown])[] = [
    ["with one step", steps(a)],
    ["with unknown keys beside the steps", { steps: [a], anything: 1, params: null }],
    [
      "with null where a field is optional",
      steps({ ...a, name: null, depends_on: null, enabled: null, timeout_s: null, condition: null }),
    ],
    ["with hyphens, dots and UUIDs as ids", steps({ ...a, id: "a-b" }, { ...a, id: "a.b" }, { ...a, id: crypto.randomUUID() })],
    ["with ids named like what objects have", steps(...["__proto__", "constructor", "toString"].map(id => ({ ...a, id })))],
    ["whose dependencies come later in the document", steps({ ...a, depends_on: ["b"] }, { ...a, id: "b" })],
    ["with 1000 steps", steps(...Array.from({ length: 1000 }, (_, i) => ({ ...a, id: `s${i}` })))],
    ["whose templates are broken, for that is the dry run's question", steps({ ...a, args: "{{", condition: "{{" })],
  ]

  for (const [what, graph] of cases) test(what, () => expect(found(graph)).toEqual([]))
})

test("a plan reads defaults, caps time-outs and falls back from the name to the id", () => {
  const plan = compilePlan(
    steps(
      a,
      { ...a, id: "b", name: "Bee", timeout_s: 10, retry_count: 3, enabled: false, depends_on: ["a"] },
      { ...a, id: "c", timeout_s: 86_400 },
      {
        id: "t",
        type: "human_task",
      },
    ),
    types,
  )

  expect(plan.steps.map(s => [s.name, s.timeoutMs, s.retryCount, s.enabled])).toEqual([
    ["a", 60_000, 0, true],
    ["Bee", 10_000, 3, false],
    ["c", 120_000, 0, true],
    ["t", null, 0, true],
  ])
  expect(plan.steps[1]!.dependsOn).toEqual([0])
  expect(plan.steps[0]!.dependents).toEqual([1])
})

describe("a loop is refused", () => {
  const x = { id: "x", type: "mcp_call" }
  const each = (more: object) => ({ id: "l", type: "for_each", for_each_items: [], for_each_body_steps: [x], ...more })
  const repeat = (more: object) => ({
    ...{
      id: "w",
      type: "while",
      while_mode: "until",
      while_max_iterations: 2,
      while_condition: "{{body.x.ok}}",
      while_body_steps: [x],
    },
    ...more,
  })
  const body = "$.steps[0].for_each_body_steps"
  const schema = (field: string) => `graph_schema_validation $.steps[0].${field}`
  const inner = (...list: readonly unknown[]) => each({ for_each_body_steps: list })

  const cases: readonly (readonly [string, object, readonly string[]])[] = [
    ["without a body", each({ for_each_body_steps: undefined }), [`step_config_missing_field ${body}`]],
    ["with an empty body", inner(), [`step_config_missing_field ${body}`]],
    ["with a body that is no list", each({ for_each_body_steps: { x } }), [schema("for_each_body_steps")]],
    ["with a single inner step that is none", each({ for_each_body_steps: null, for_each_body: [x] }), [schema("for_each_body")]],
    [
      "whose single inner step has no type",
      each({ for_each_body_steps: null, for_each_body: {} }),
      ["step_config_missing_field $.steps[0].for_each_body.type"],
    ],
    [
      "whose single inner step has a bad id",
      each({ for_each_body_steps: [], for_each_body: { ...x, id: "a#b" } }),
      [schema("for_each_body.id")],
    ],
    ["whose inner step is no object", inner(x, null), [`graph_schema_validation ${body}[1]`]],
    ["whose inner step has no id", inner({ type: "mcp_call" }), [`step_config_missing_field ${body}[0].id`]],
    ["whose inner step has a bad id", inner({ ...x, id: "a b" }), [`graph_schema_validation ${body}[0].id`]],
    ["with one inner id twice", inner(x, x), [`duplicate_step_id ${body}[1].id`]],
    ["with an inner type that nobody knows", inner({ ...x, type: "http" }), [`unknown_step_type ${body}[0].type`]],
    ["with a removed inner type", inner({ ...x, type: "parallel" }), [`legacy_step_type ${body}[0].type`]],
    ["with a loop inside", inner(each({})), [`nested_composite ${body}[0].type`]],
    ["with a while inside", inner(repeat({})), [`nested_composite ${body}[0].type`]],
    ["with a human task inside", inner({ ...x, type: "human_task" }), [`graph_schema_validation ${body}[0].type`]],
    ["with a gated inner step", inner({ ...x, no_auto_start: true }), [`graph_schema_validation ${body}[0].no_auto_start`]],
    ["with a bad control inside", inner({ ...x, retry_count: -1 }), [`graph_schema_validation ${body}[0].retry_count`]],
    [
      "whose inner step waits for one outside",
      inner({ ...x, depends_on: ["a"] }),
      [`dependency_missing ${body}[0].depends_on[0]`],
    ],
    [
      "whose inner steps wait for each other",
      inner({ ...x, depends_on: ["y"] }, { ...x, id: "y", depends_on: ["x"] }),
      [`dependency_cycle ${body}[0].depends_on`],
    ],
    ["with no item at a time", each({ for_each_max_parallel: 0 }), [schema("for_each_max_parallel")]],
    ["with 101 items at a time", each({ for_each_max_parallel: 101 }), [schema("for_each_max_parallel")]],
    ["with half an item at a time", each({ for_each_max_parallel: 1.5 }), [schema("for_each_max_parallel")]],
    ["with an item limit of 0", each({ for_each_item_timeout_s: 0 }), [schema("for_each_item_timeout_s")]],
    ["with an item limit over an hour", each({ for_each_item_timeout_s: 3601 }), [schema("for_each_item_timeout_s")]],
    ["with an unknown error policy", each({ for_each_error_policy: "ignore" }), [schema("for_each_error_policy")]],
    ["without a mode", repeat({ while_mode: undefined }), ["step_config_missing_field $.steps[0].while_mode"]],
    ["with an unknown mode", repeat({ while_mode: "for" }), [schema("while_mode")]],
    ["without an end", repeat({ while_max_iterations: null }), ["step_config_missing_field $.steps[0].while_max_iterations"]],
    ["with no iteration", repeat({ while_max_iterations: 0 }), [schema("while_max_iterations")]],
    ["with 1001 iterations", repeat({ while_max_iterations: 1001 }), [schema("while_max_iterations")]],
    ["with its iterations as a text", repeat({ while_max_iterations: "3" }), [schema("while_max_iterations")]],
    ["with an iteration limit over an hour", repeat({ while_iteration_timeout_s: 3601 }), [schema("while_iteration_timeout_s")]],
    [
      "without a test",
      repeat({ while_condition: "", while_eval_script: "" }),
      ["step_config_missing_field $.steps[0].while_condition"],
    ],
    ["with an object as test", repeat({ while_condition: {} }), [schema("while_condition")]],
    ["with a number as script", repeat({ while_eval_script: 1 }), [schema("while_eval_script")]],
    [
      "with a script over 64 KiB",
      repeat({ while_eval_script: "é".repeat(32_769) }),
      ["script_too_large $.steps[0].while_eval_script"],
    ],
    ["with an empty while body", repeat({ while_body_steps: [] }), ["step_config_missing_field $.steps[0].while_body_steps"]],
    [
      "with an inner step named like the script",
      repeat({ while_eval_script: "return {}", while_body_steps: [{ ...x, id: "test" }] }),
      [schema("while_body_steps[0].id")],
    ],
  ]
  for (const [what, loop, issues] of cases) {
    test(what, () => {
      expect(found(steps(loop, a))).toEqual(issues as string[])
      for (const issue of checkStructure(steps(loop, a), types)) expect(issue.message.length).toBeGreaterThan(10)
    })
  }

  test("with a script where no Lua can run it", () => {
    const graph = steps(repeat({ while_eval_script: "return {}" }))
    const codes = checkStructure(graph, new Map([...types].filter(([name]) => name !== "lua_script"))).map(i => i.json_path)
    expect(codes).toEqual(["$.steps[0].while_eval_script"])
  })

  const accepted: readonly (readonly [string, object])[] = [
    ["one of one inner step", each({})],
    [
      "one of a single nested step without an id, beside an empty list",
      each({ for_each_body_steps: [], for_each_body: { type: "mcp_call", id: "" } }),
    ],
    [
      "one with every limit at its end",
      each({ for_each_max_parallel: 100, for_each_item_timeout_s: 3600, for_each_error_policy: "pause" }),
    ],
    [
      "one with null for what is left open",
      each({ for_each_max_parallel: null, for_each_item_timeout_s: null, for_each_error_policy: null, for_each_body: null }),
    ],
    [
      "one whose inner steps are named as steps outside",
      each({
        for_each_body_steps: [
          { ...x, id: "a" },
          { ...x, id: "l", depends_on: ["a"] },
        ],
      }),
    ],
    ["a while of 1000 iterations with both tests", repeat({ while_max_iterations: 1000, while_eval_script: "return {}" })],
    ["an inner step named test where there is no script", repeat({ while_body_steps: [{ ...x, id: "test" }] })],
  ]
  for (const [what, loop] of accepted) {
    test(`but not ${what}`, () => {
      const graph = steps(loop, a)
      expect(found(graph)).toEqual([])
      expectSound(compilePlan(graph, types))
    })
  }
})

test("a plan reads a loop's defaults, and its body's paths", () => {
  const plan = compilePlan(
    steps(
      { id: "l", type: "for_each", for_each_body: { type: "mcp_call" } },
      {
        id: "w",
        type: "while",
        while_mode: "while",
        while_max_iterations: 7,
        while_eval_script: "return {}",
        while_body_steps: [
          { id: "x", type: "mcp_call" },
          { id: "y", type: "mcp_call", depends_on: [] },
        ],
      },
    ),
    types,
  )
  const [each, repeat] = plan.steps.map(s => s.loop!)

  expect(each).toMatchObject({ kind: "for_each", maxParallel: 10, itemTimeoutMs: null, errorPolicy: "fail_fast" })
  expect(each!.body.steps.map(s => s.path)).toEqual(["l#body#item"])
  expect(repeat).toMatchObject({ kind: "while", mode: "while", maxIterations: 7, test: 2, condition: null })
  expect(repeat!.body.steps.map(s => [s.path, s.dependsOn])).toEqual([
    ["w#body#x", []],
    ["w#body#y", [0]],
    ["w#body#test", [0, 1]],
  ])
})

test("a cycle of a thousand steps is found at once, and so are a hundred thousand missing dependencies", () => {
  const ring = steps(...Array.from({ length: 1000 }, (_, i) => ({ ...a, id: `s${i}`, depends_on: [`s${(i + 1) % 1000}`] })))
  const lost = steps({ ...a, depends_on: Array.from({ length: 100_000 }, (_, i) => `x${i}`) })

  const from = performance.now()
  expect(found(ring)).toEqual(["dependency_cycle $.steps[0].depends_on"])
  expect(checkStructure(lost, types).length).toBe(100_000)
  expect(performance.now() - from).toBeLessThan(1000)
})

describe("for any value", () => {
  const value = fc.json({ maxDepth: 4 }).map(text => JSON.parse(text) as Json)
  const few = fc.constantFrom("a", "b", "c", "d", "__proto__", "a b", "")
  /** Nearly a step: each field right, wrong or missing. */
  const nearly = fc.record(
    {
      id: fc.oneof({ weight: 9, arbitrary: few }, value),
      type: fc.oneof({ weight: 9, arbitrary: fc.constantFrom("work", "human_task") }, value),
      depends_on: fc.oneof({ weight: 9, arbitrary: fc.array(few, { maxLength: 3 }) }, value),
      enabled: fc.oneof({ weight: 9, arbitrary: fc.boolean() }, value),
      retry_count: fc.oneof({ weight: 9, arbitrary: fc.nat(20) }, value),
      timeout_s: fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 1, max: 100 }) }, value),
      condition: fc.oneof({ weight: 9, arbitrary: fc.string() }, value),
      args: value,
      task_payload: value,
    },
    { requiredKeys: [] },
  )
  const nearlyInner = fc.record(
    {
      id: fc.oneof({ weight: 9, arbitrary: few }, value),
      type: fc.oneof({ weight: 9, arbitrary: fc.constantFrom("mcp_call", "agent_call", "for_each", "human_task") }, value),
      depends_on: fc.oneof({ weight: 9, arbitrary: fc.array(few, { maxLength: 2 }) }, value),
      args: value,
      enabled: fc.boolean(),
    },
    { requiredKeys: ["type"] },
  )
  const nearlyBody = fc.oneof(
    { weight: 9, arbitrary: fc.uniqueArray(nearlyInner, { maxLength: 3, selector: s => JSON.stringify(s.id) }) },
    value,
  )
  /** Nearly a loop. */
  const loop = fc.record(
    {
      id: fc.constant("l"),
      type: fc.constantFrom("for_each", "while"),
      for_each_items: value,
      for_each_body: fc.oneof(nearlyInner, value),
      for_each_body_steps: nearlyBody,
      for_each_max_parallel: fc.oneof(fc.integer({ min: 0, max: 101 }), value),
      for_each_error_policy: fc.oneof(fc.constantFrom("pause", "human_review", "continue_on_error", "x"), value),
      while_mode: fc.oneof({ weight: 9, arbitrary: fc.constantFrom("until", "while") }, value),
      while_max_iterations: fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 0, max: 5 }) }, value),
      while_body_steps: nearlyBody,
      while_condition: fc.oneof(fc.constantFrom("{{body.a.ok}}", "{{", "true"), value),
      while_eval_script: fc.oneof(fc.constant(""), fc.string(), value),
    },
    { requiredKeys: ["id", "type"] },
  )
  const graph = fc.oneof(
    fc.tuple(loop, fc.array(nearly, { maxLength: 1 })).map(([l, others]) => ({ steps: [l, ...others] })),
    value,
    fc.record({ steps: fc.oneof(fc.array(nearly, { maxLength: 5 }), value) }),
    fc.record({ steps: fc.uniqueArray(nearly, { maxLength: 4, selector: s => JSON.stringify(s.id) }) }),
  )

  test("the check never throws, names a place for everything it finds, and what it accepts compiles and ends when all is answered", () => {
    fc.assert(
      fc.property(graph, g => {
        const issues = checkStructure(g, types)
        for (const issue of issues) expect(issue.json_path).toMatch(/^\$/)
        if (issues.length === 0) expectToEnd(compilePlan(g as JsonObject, types))
      }),
      { seed: SEED, numRuns: 4000 },
    )
  })

  test("a graph without a cycle is accepted, in whatever order its steps are written", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2 ** 20), { minLength: 1, maxLength: 20 }), fc.infiniteStream(fc.nat()), (masks, random) => {
        const documents = masks.map((mask, i) => ({
          ...a,
          id: `s${i}`,
          depends_on: masks.flatMap((_, d) => (d < i && (mask >> d) & 1 ? [`s${d}`] : [])),
        }))
        const shuffled = documents.map(d => [random.next().value, d] as const).sort((x, y) => x[0] - y[0])
        const g = steps(...shuffled.map(([, d]) => d))
        expect(found(g)).toEqual([])
        expectSound(compilePlan(g, types))
      }),
      { seed: SEED },
    )
  })

  test("a cycle is refused wherever it hides", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.nat(10), (length, tail) => {
        const ring = Array.from({ length }, (_, i) => ({ ...a, id: `r${i}`, depends_on: [`r${(i + 1) % length}`] }))
        const behind = Array.from({ length: tail }, (_, i) => ({ ...a, id: `t${i}`, depends_on: [i === 0 ? "r0" : `t${i - 1}`] }))
        expect(checkStructure(steps(...behind, ...ring), types).map(i => i.code)).toEqual(["dependency_cycle"])
      }),
      { seed: SEED },
    )
  })
})

test("the topological order keeps the document's where nothing else is asked, and leaves out what is stuck", () => {
  expect(topologicalOrder([[], [], []], [[], [], []])).toEqual({ order: [0, 1, 2], stuck: [] })
  expect(topologicalOrder([[1], [0], []], [[1], [0], []])).toEqual({ order: [2], stuck: [0, 1] })
})

/** A run of the plan in which everything is answered at once. */
function expectToEnd(plan: Plan): void {
  expectSound(plan)
  let state = decide(initialState(FACTS, plan), start, at(0)).state
  for (let i = 0; !isFinal(state.status); i++) {
    expect(i).toBeLessThan(5000)
    const [work] = commands(null, state)
    const [task] = pendingTasks(state)
    const before = state
    if (work?.type === "execute") {
      const { path } = stepAt(state, work.place)
      const { attempt, round, answers } = work
      state = decide(
        state,
        { type: "StepSucceeded", stepId: path, item: work.place.within?.item ?? null, attempt, round, answers, result: {} },
        at(0),
      ).state
    } else if (task) state = decide(state, approved(task.task.taskId), at(0)).state
    else if (state.episode) return
    expect(state).not.toBe(before)
  }
}

/** Every step once, behind all that it depends on; both directions of every edge. */
function expectSound(plan: Plan): void {
  const place = new Map(plan.topological.map((index, at) => [index, at]))
  expect(place.size).toBe(plan.steps.length)
  expect(plan.topological.length).toBe(plan.steps.length)
  for (const [i, step] of plan.steps.entries()) {
    expect(step.index).toBe(i)
    expect(plan.indexOf.get(step.id)).toBe(i)
    for (const d of step.dependsOn) {
      expect(place.get(d)!).toBeLessThan(place.get(i)!)
      expect(plan.steps[d]!.dependents).toContain(i)
    }
    if (step.loop) expectSound(step.loop.body)
  }
}
