import { cutKey } from "../kernel/cut.ts"
import { isJsonObject, type Json, type JsonObject, textOf } from "../kernel/json.ts"
import { Speller } from "../kernel/nearest.ts"
import { innerDocuments } from "./checks.ts"
import { CONTROLS } from "./controls.ts"
import type { Issue } from "./issues.ts"
import { childPath } from "./json-path.ts"
import type { Field, StepType, StepTypes } from "./step-type.ts"

/**
 * Every key of every step: known, of its type, in its range (contract §3.6, `graph_schema`). Reads the document as it is,
 * so that a misspelt key is found in a graph that is otherwise broken, too. Keys beside `steps` are anybody's.
 */
export function checkFields(graph: unknown, types: StepTypes): readonly Issue[] {
  const speller = new Speller()
  const steps: readonly Json[] = isJsonObject(graph) && Array.isArray(graph.steps) ? graph.steps : []
  return steps.flatMap((document, i) => {
    if (!isJsonObject(document)) return []
    const path = `$.steps[${i}]`
    const type = types.get(textOf(document.type))
    if (type?.runs !== "loop") return checkStep({ document, path, speller, inside: false, id: textOf(document.id) }, type)
    const inner = innerDocuments(document, path).flatMap(body => {
      const id = `${textOf(document.id)}#body#${textOf(body.document.id)}`
      return checkStep({ ...body, speller, inside: true, id }, types.get(textOf(body.document.type)))
    })
    return [...checkStep({ document, path, speller, inside: false, id: textOf(document.id) }, type), ...inner]
  })
}

interface Read {
  readonly document: JsonObject
  readonly path: string
  readonly inside: boolean
  readonly id: string
  readonly speller: Speller
}

function checkStep(at: Read, type: StepType | undefined): readonly Issue[] {
  return Object.entries(at.document).flatMap(([name, value]) => {
    const control = Object.hasOwn(CONTROLS, name) ? CONTROLS[name] : undefined
    if (control) return control.inside ? [] : checkOutside(at, name, value)
    const field = type && Object.hasOwn(type.fields, name) ? type.fields[name] : undefined
    if (field) return checkValue(at, name, field, value)
    return type ? [unknownKey(at, name, type)] : []
  })
}

function unknownKey(at: Read, name: string, type: StepType): Issue {
  const known = [...Object.keys(CONTROLS), ...Object.keys(type.fields)]
  const near = at.speller.nearest(name, () => known)
  const sentence = `a ${type.type} step has no field ${cutKey(name)}; remove or rename it (known: ${known.join(", ")})`
  if (near !== undefined) return found(at, name, sentence, `did you mean ${near}?`)
  return found(at, name, sentence, name === "config" ? "put its fields directly into the step" : undefined)
}

/** The shapes of controls are `checkStructure`'s question. */
function checkOutside(at: Read, name: string, value: Json): readonly Issue[] {
  const means = at.inside && value !== null && value !== false && !(Array.isArray(value) && value.length === 0)
  return means ? [found(at, name, `${name} has no meaning inside a loop; put it on the loop itself`)] : []
}

function checkValue(at: Read, name: string, field: Field, value: Json): readonly Issue[] {
  if (value === null || value === "") return []
  if (field.templated && typeof value === "string" && value.includes("{{")) return []
  const problem = problemOf(field, value)
  if (problem === null) return []
  const { values } = field
  const near = typeof value === "string" && values ? at.speller.nearest(value, () => values) : undefined
  return [found(at, name, `${name} must be ${problem}`, near === undefined ? undefined : `did you mean ${near}?`)]
}

/** What the value should be; null when it is. */
function problemOf(field: Field, value: Json): string | null {
  const { type, minimum, maximum, values } = field
  if (type !== "any" && !hasType(value, type)) return `of type ${type}`
  if (values && !values.some(v => v === value)) return `one of ${values.join(", ")}`
  if (typeof value !== "number") return null
  const tooSmall = minimum !== undefined && value < minimum
  const tooLarge = maximum !== undefined && value > maximum
  if (!tooSmall && !tooLarge) return null
  if (maximum === undefined) return `${minimum} or more`
  return minimum === undefined ? `${maximum} or less` : `from ${minimum} to ${maximum}`
}

export function hasType(value: Json | undefined, type: Exclude<Field["type"], "any">): boolean {
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

function found(at: Read, name: string, sentence: string, suggestion?: string): Issue {
  return {
    severity: "error",
    code: "graph_schema_validation",
    step_id: at.id,
    message: `${at.id}: ${sentence}`,
    json_path: childPath(at.path, name),
    ...(suggestion !== undefined && { suggestion }),
  }
}
