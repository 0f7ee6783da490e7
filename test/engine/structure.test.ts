import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { compilePlan, type Plan, topologicalOrder } from "../../src/engine/graph.ts"
import { checkStructure } from "../../src/engine/structure.ts"
import type { Json, JsonObject } from "../../src/kernel/json.ts"
import { graphOf, types } from "./machine.ts"
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
  const graph = fc.oneof(
    value,
    fc.record({ steps: fc.oneof(fc.array(nearly, { maxLength: 5 }), value) }),
    fc.record({ steps: fc.uniqueArray(nearly, { maxLength: 4, selector: s => String(s.id) }) }),
  )

  test("the check never throws, names a place for everything it finds, and what it accepts compiles", () => {
    fc.assert(
      fc.property(graph, g => {
        const issues = checkStructure(g, types)
        for (const issue of issues) expect(issue.json_path).toMatch(/^\$/)
        if (issues.length === 0) expectSound(compilePlan(g as JsonObject, types))
      }),
      { seed: SEED, numRuns: 2000 },
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
  }
}
