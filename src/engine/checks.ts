import { isJsonObject, type Json, type JsonObject } from "../kernel/json.ts"
import type { Plan, Step } from "./graph.ts"
import type { Issue } from "./issues.ts"
import type { Field } from "./step-type.ts"
import { type Compiled, pathsOf, walk } from "./template.ts"

/** Required fields and field types of every step, against its type's description (contract G-11). */
export function checkConfig(plan: Plan, graph: JsonObject): readonly Issue[] {
  return plan.steps.flatMap(step => {
    const document = documentOf(graph, step)
    const fields = Object.entries(step.type.fields).flatMap(([name, field]) => checkField(step, name, field, document[name]))
    const groups = (step.type.oneOf ?? []).flatMap(group => {
      if (group.some(name => isSet(document[name]))) return []
      return [issue("step_config_missing_field", step, group[0]!, `needs one of ${group.join(", ")}`)]
    })
    return [...fields, ...groups]
  })
}

function checkField(step: Step, name: string, field: Field, value: Json | undefined): readonly Issue[] {
  if (!isSet(value)) return field.required ? [issue("step_config_missing_field", step, name, `needs ${name}`)] : []
  const templated = field.templated && typeof value === "string" && value.includes("{{")
  if (!templated && field.type !== "any" && !hasType(value, field.type)) {
    return [issue("graph_schema_validation", step, name, `${name} must be of type ${field.type}`)]
  }
  if (field.maxBytes !== undefined && typeof value === "string" && new TextEncoder().encode(value).length > field.maxBytes) {
    const code = step.type.type === "lua_script" ? "script_too_large" : "graph_schema_validation"
    return [issue(code, step, name, `${name} is larger than ${field.maxBytes} bytes`)]
  }
  return []
}

function hasType(value: Json | undefined, type: Exclude<Field["type"], "any">): boolean {
  switch (type) {
    case "integer":
      return Number.isInteger(value)
    case "array":
      return Array.isArray(value)
    case "object":
      return isJsonObject(value)
    default:
      return typeof value === type
  }
}

const KNOWN_ROOTS: ReadonlySet<string> = new Set([
  "input",
  "steps",
  "run",
  "connection",
  "foreach",
  "item",
  "index",
  "body",
  "while",
])

/**
 * Every template: it can be read, names a known place, and the steps it names are among those its step waits for.
 * `input` is checked only against a payload that was given.
 */
export function checkTemplates(plan: Plan, input: JsonObject | null): readonly Issue[] {
  const ancestors = ancestorsOf(plan)
  return plan.steps.flatMap(step => {
    const fields: (readonly [string, Compiled])[] = [...step.templates]
    if (step.condition) fields.push(["condition", step.condition])
    return fields.flatMap(([name, compiled]) => checkCompiled(plan, step, name, compiled, ancestors[step.index]!, input))
  })
}

function checkCompiled(
  plan: Plan,
  step: Step,
  name: string,
  compiled: Compiled,
  ancestors: ReadonlySet<number>,
  input: JsonObject | null,
): readonly Issue[] {
  const broken = brokenOf(compiled).map(b => issue("template_unresolved", step, name, `${b.source} cannot be read: ${b.message}`))
  const paths = pathsOf(compiled).flatMap(({ path, optional, source }) => {
    const [root, id] = path
    if (!KNOWN_ROOTS.has(root!)) return [issue("template_unresolved", step, name, `{{${source}}}: there is no ${root}`)]
    if (root === "input" && input && !optional && name !== "condition" && walk(input, path, 1) === undefined) {
      return [issue("template_unresolved", step, name, `{{${source}}} is not in the given input`)]
    }
    if (root !== "steps") return []
    const index = plan.indexOf.get(id ?? "")
    if (index === undefined) return [issue("template_unresolved", step, name, `{{${source}}}: there is no step ${id}`)]
    if (ancestors.has(index)) return []
    return [
      {
        ...issue("template_missing_dependency", step, name, `{{${source}}}: this step does not wait for ${id}`),
        suggestion: `add "${id}" to depends_on of ${step.id}`,
      },
    ]
  })
  return [...broken, ...paths]
}

function brokenOf(compiled: Compiled): readonly { source: string; message: string }[] {
  switch (compiled.kind) {
    case "broken":
      return [compiled]
    case "array":
      return compiled.items.flatMap(brokenOf)
    case "object":
      return compiled.entries.flatMap(([, c]) => brokenOf(c))
    case "literal":
    case "template":
      return []
  }
}

/** All steps that have surely ended when a step starts, by index. */
export function ancestorsOf(plan: Plan): readonly ReadonlySet<number>[] {
  const result: Set<number>[] = plan.steps.map(() => new Set())
  for (const index of plan.topological) {
    for (const d of plan.steps[index]!.dependsOn) {
      result[index]!.add(d)
      for (const a of result[d]!) result[index]!.add(a)
    }
  }
  return result
}

export function checkDisabled(plan: Plan): readonly Issue[] {
  return plan.steps.flatMap(step => {
    if (step.enabled) return []
    return [{ ...issue("step_disabled", step, "enabled", "is disabled and will be skipped"), severity: "warning" as const }]
  })
}

export function documentOf(graph: JsonObject, step: Step): JsonObject {
  const document = Array.isArray(graph.steps) ? graph.steps[step.index] : undefined
  return isJsonObject(document) ? document : {}
}

function isSet(value: Json | undefined): boolean {
  return value !== undefined && value !== null && value !== ""
}

export function issue(code: string, step: Step, field: string, message: string): Issue {
  return {
    severity: "error",
    code,
    step_id: step.id,
    message: `${step.id}: ${message}`,
    json_path: `$.steps[${step.index}].${field}`,
  }
}
