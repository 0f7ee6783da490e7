import { isJsonObject, type Json, type JsonObject, textOf } from "../kernel/json.ts"
import { RETRY_COUNT_MAX, STEP_ID_MAX_CHARS, STEP_TIMEOUT_MAX_S } from "../kernel/limits.ts"
import { dependenciesOf, ON_CRASH, topologicalOrder } from "./graph.ts"
import type { Issue } from "./issues.ts"
import type { StepTypes } from "./step-type.ts"

/** A field that may be left out or null, and what it must be otherwise. */
export interface Control {
  readonly name: string
  readonly fits: (value: Json) => boolean
  readonly expected: string
}

const LEGACY_TYPES: ReadonlySet<string> = new Set(["condition", "parallel", "sequence"])

/** What every step of a graph or a body has: its id, its type, its controls (contract §3.3). */
export function checkStep(step: Json, path: string, types: StepTypes): readonly Issue[] {
  if (!isJsonObject(step)) return [schemaIssue(path, "a step is an object")]
  return [...checkId(step, path), ...checkType(step, path, types), ...checkControls(step, path, CONTROLS)]
}

function checkId(step: JsonObject, path: string): readonly Issue[] {
  const { id } = step
  if (typeof id !== "string" || id === "") return [missing(undefined, `${path}.id`, "id")]
  if (id.length > STEP_ID_MAX_CHARS || /[\s#{}|]/.test(id)) {
    return [schemaIssue(`${path}.id`, `a step's id has at most ${STEP_ID_MAX_CHARS} characters and no spaces, #, {, } or |`)]
  }
  return []
}

function checkType(step: JsonObject, path: string, types: StepTypes): readonly Issue[] {
  const { type } = step
  if (typeof type !== "string" || type === "") return [missing(idOf(step), `${path}.type`, "type")]
  if (LEGACY_TYPES.has(type)) {
    const suggestion = type === "condition" ? "put a `condition` on the steps that depend on it" : "order steps with `depends_on`"
    return [{ ...issue("legacy_step_type", `${path}.type`, `the step type ${type} was removed`, idOf(step)), suggestion }]
  }
  if (types.has(type)) return []
  const known = [...types.keys()].join(", ")
  return [issue("unknown_step_type", `${path}.type`, `there is no such step type; known are ${known}`, idOf(step))]
}

export const wholeNumber = (value: Json, from: number, to: number) =>
  Number.isInteger(value) && Number(value) >= from && Number(value) <= to

const CONTROLS: readonly Control[] = [
  { name: "name", fits: v => typeof v === "string", expected: "text" },
  { name: "depends_on", fits: v => Array.isArray(v) && v.every(id => typeof id === "string"), expected: "a list of step ids" },
  { name: "enabled", fits: v => typeof v === "boolean", expected: "true or false" },
  { name: "no_auto_start", fits: v => typeof v === "boolean", expected: "true or false" },
  { name: "terminal", fits: v => typeof v === "boolean", expected: "true or false" },
  { name: "retry_count", fits: v => wholeNumber(v, 0, RETRY_COUNT_MAX), expected: `a whole number from 0 to ${RETRY_COUNT_MAX}` },
  {
    name: "timeout_s",
    fits: v => wholeNumber(v, 1, STEP_TIMEOUT_MAX_S),
    expected: `a whole number of seconds from 1 to ${STEP_TIMEOUT_MAX_S}`,
  },
  { name: "on_crash", fits: v => ON_CRASH.some(one => one === v), expected: ON_CRASH.join(", ") },
  {
    name: "condition",
    fits: v => typeof v === "string" || typeof v === "boolean",
    expected: "a template such as {{steps.a.result.ok}}",
  },
  {
    name: "skip_when",
    fits: v => typeof v === "string" || typeof v === "boolean",
    expected: "a template such as {{steps.a.result.empty}}",
  },
  {
    name: "input_allowlist",
    fits: v => Array.isArray(v) && v.every(id => typeof id === "string"),
    expected: 'a list of step ids, or "human"',
  },
]

export function checkControls(step: JsonObject, path: string, controls: readonly Control[]): readonly Issue[] {
  return controls.flatMap(({ name, fits, expected }) => {
    const value = step[name]
    if (value === undefined || value === null || fits(value)) return []
    return [{ ...schemaIssue(`${path}.${name}`, `${name} must be ${expected}`), ...withStep(idOf(step)) }]
  })
}

/** Unique ids, existing dependencies and no cycle, among steps that are each in order. `paths`: where each is written. */
export function checkTogether(steps: readonly JsonObject[], paths: readonly string[], whole: string): readonly Issue[] {
  return [...checkIds(steps, paths), ...checkDependencies(steps, paths, whole)]
}

function checkIds(steps: readonly JsonObject[], paths: readonly string[]): readonly Issue[] {
  const seen = new Set<string>()
  return steps.flatMap((step, i) => {
    const id = textOf(step.id)
    if (!seen.has(id)) {
      seen.add(id)
      return []
    }
    return [issue("duplicate_step_id", `${paths[i]}.id`, `two steps have the id ${id}`, id)]
  })
}

function checkDependencies(steps: readonly JsonObject[], paths: readonly string[], whole: string): readonly Issue[] {
  const indexOf = new Map(steps.map((s, i) => [textOf(s.id), i]))
  const missing = steps.flatMap((step, i) =>
    // By their places in the document; `checkShape` saw that they are texts.
    ((step.depends_on ?? []) as readonly string[]).flatMap((id, n) => {
      if (indexOf.has(id)) return []
      return [
        issue(
          "dependency_missing",
          `${paths[i]}.depends_on[${n}]`,
          `depends on ${id}, which is not a step of this ${whole}`,
          idOf(step),
        ),
      ]
    }),
  )
  if (missing.length > 0) return missing
  const dependsOn = steps.map(s => dependenciesOf(s).map(id => indexOf.get(id)!))
  const dependents: number[][] = steps.map(() => [])
  for (const [i, deps] of dependsOn.entries()) for (const d of deps) dependents[d]!.push(i)
  const { stuck } = topologicalOrder(dependsOn, dependents)
  if (stuck.length === 0) return []
  const cycle = findCycle(stuck, dependsOn).map(i => textOf(steps[i]!.id))
  const first = indexOf.get(cycle[0]!)!
  return [
    {
      ...issue(
        "dependency_cycle",
        `${paths[first]}.depends_on`,
        `these steps wait for each other: ${cycle.join(" → ")}`,
        cycle[0],
      ),
      suggestion: "remove one of these dependencies",
    },
  ]
}

/** One cycle among steps that never get ready: following any stuck dependency must come back. */
function findCycle(stuck: readonly number[], dependsOn: readonly (readonly number[])[]): readonly number[] {
  const candidates = new Set(stuck)
  const way: number[] = []
  let at = stuck[0]!
  while (!way.includes(at)) {
    way.push(at)
    at = dependsOn[at]!.find(d => candidates.has(d))!
  }
  return [...way.slice(way.indexOf(at)), at].reverse()
}

export function idOf(step: JsonObject): string | undefined {
  return typeof step.id === "string" ? step.id : undefined
}

function withStep(stepId: string | undefined): { step_id?: string } {
  return stepId === undefined ? {} : { step_id: stepId }
}

export function issue(code: string, json_path: string, message: string, stepId?: string): Issue {
  return { severity: "error", code, ...withStep(stepId), message, json_path }
}

export function missing(stepId: string | undefined, json_path: string, field: string): Issue {
  return issue("step_config_missing_field", json_path, `a step needs ${field}`, stepId)
}

export function schemaIssue(json_path: string, message: string, stepId?: string): Issue {
  return issue("graph_schema_validation", json_path, message, stepId)
}
