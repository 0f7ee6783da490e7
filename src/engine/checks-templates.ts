import { cut } from "../kernel/cut.ts"
import { isJsonObject, type Json, type JsonObject } from "../kernel/json.ts"
import { FOR_EACH_MAX_ITEMS, STEP_INPUT_MAX_CHARS } from "../kernel/limits.ts"
import { issueAt, type Located } from "./checks.ts"
import type { Plan } from "./graph.ts"
import type { Issue } from "./issues.ts"
import { childPath } from "./json-path.ts"
import { loopItems } from "./loop-result.ts"
import { type Known, type Problem, References, type Standpoint } from "./references.ts"
import { type Compiled, OMIT, resolveTemplates, SizeBudget, TemplateError, walk } from "./template.ts"
import type { Expression } from "./template-parser.ts"

/** One field of a step as templates see it. */
interface Place {
  readonly from: Standpoint
  /** e.g. `.tool_args`. */
  readonly place: string
  readonly compiled: Compiled
  readonly code: "template_unresolved" | "for_each_items_unresolved"
  /** A condition reads what is missing as false (contract G-40); what the given params replace is not resolved. */
  readonly mayBeAbsent: boolean
}

/**
 * Every template: it can be read, names a place that there is, of steps that have surely ended, and of the input where it
 * is known (contract §3.6). An expression with a default may name nothing: what looks misspelt in it is a warning.
 */
export function checkTemplates(plan: Plan, steps: readonly Located[], known: Known): readonly Issue[] {
  const references = new References(plan, known)
  return steps.flatMap(at => [
    ...placesOf(at, known).flatMap(place =>
      templatesIn(place.compiled, place.place).flatMap(found => judge(references, place, found)),
    ),
    ...itemIssues(at, known),
    ...untouched(at),
  ])
}

function placesOf(at: Located, known: Known): readonly Place[] {
  const { step } = at
  const overlay = at.parent ? undefined : walk(known.input?._steps, [step.id], 0)
  const isReplaced = (name: string) => isJsonObject(overlay) && Object.hasOwn(overlay, name)
  const from: Standpoint = { at, isTest: false }
  const conditions = [
    { from, place: ".condition", compiled: step.condition },
    { from, place: ".skip_when", compiled: step.skipWhen },
    { from: { at, isTest: true }, place: ".while_condition", compiled: testOf(at) },
  ]
  return [
    ...step.templates.map(([name, compiled]): Place => {
      const isItems = step.type.runs === "loop" && name === "for_each_items"
      const code = isItems ? "for_each_items_unresolved" : "template_unresolved"
      return { from, place: childPath("", name), compiled, code, mayBeAbsent: isReplaced(name) }
    }),
    ...conditions.flatMap(({ compiled, ...rest }): Place[] =>
      compiled ? [{ ...rest, compiled, code: "template_unresolved", mayBeAbsent: true }] : [],
    ),
  ]
}

/** A script that tests a while wins over its condition. */
function testOf({ step }: Located): Compiled | null {
  return step.loop?.kind === "while" && step.loop.test === null ? step.loop.condition : null
}

interface Found {
  readonly path: string
  readonly content: Expression | { readonly broken: string; readonly source: string }
}

/** Every expression of a value, and every text that cannot be read, with its place. */
function templatesIn(compiled: Compiled, path: string): readonly Found[] {
  switch (compiled.kind) {
    case "literal":
      return []
    case "broken":
      return [{ path, content: { broken: compiled.message, source: compiled.source } }]
    case "template":
      return compiled.template.flatMap(part => (typeof part === "string" ? [] : [{ path, content: part }]))
    case "array":
      return compiled.items.flatMap((item, i) => templatesIn(item, childPath(path, i)))
    case "object":
      return compiled.entries.flatMap(([key, item]) => templatesIn(item, childPath(path, key)))
  }
}

function judge(references: References, place: Place, { path, content }: Found): readonly Issue[] {
  const { at } = place.from
  if ("broken" in content) {
    const sentence = `${shown(content.source)} cannot be read: ${content.broken}`
    const suggestion = /\{\{[^}]*[["'(]/.test(content.source) ? "use dots only, e.g. {{steps.load.result.rows.0}}" : undefined
    return [issueAt(at, path, place.code, sentence, { suggestion })]
  }
  const { alternatives, source } = content
  const problems = alternatives.flatMap(a => {
    const problem = a.kind === "path" ? references.problemOf(a.path, place.from) : null
    return problem ? [problem] : []
  })
  const isPiped = alternatives.length > 1
  const failsAlways = problems.length === alternatives.length && problems.every(p => p.kind !== "unordered")
  return problems.flatMap(problem => {
    if (problem.kind === "absent" && (place.mayBeAbsent || (isPiped && !failsAlways))) return []
    const severity = isPiped && !failsAlways ? "warning" : "error"
    const sentence = `{{${shown(source)}}} is not there: ${problem.sentence}`
    return [issueAt(at, path, codeOf(place, problem), sentence, { severity, suggestion: problem.suggestion })]
  })
}

function codeOf(place: Place, problem: Problem): string {
  return problem.kind === "unordered" ? "template_missing_dependency" : place.code
}

/** What a for_each repeats over must be a list, as far as that can be seen. */
function itemIssues(at: Located, known: Known): readonly Issue[] {
  const { step, document } = at
  if (step.loop?.kind !== "for_each") return []
  const items = document.for_each_items
  if (items === undefined || items === null || items === "") return [] // step_config misses it
  const compiled = step.templates.find(([name]) => name === "for_each_items")?.[1]
  if (!compiled) return literalItems(at, items)
  if (compiled.kind === "template" && compiled.template.length > 1) {
    const suggestion = "write one template and nothing else, e.g. {{steps.load.result.rows}}"
    return [invalid(at, "text around a template makes one text, not a list", { suggestion })]
  }
  const value = knownItems(compiled, at, known)
  if (value === undefined) return []
  if (loopItems(value).length > FOR_EACH_MAX_ITEMS) return [tooMany(at, loopItems(value).length)]
  if (Array.isArray(value) || value === null || (isJsonObject(value) && Object.keys(value).length === 0)) return []
  const sentence = "with the given values for_each_items is no list, so the loop would run once, for that one value"
  return [invalid(at, sentence, { severity: "warning" })]
}

function literalItems(at: Located, items: Json): readonly Issue[] {
  if (Array.isArray(items)) return items.length > FOR_EACH_MAX_ITEMS ? [tooMany(at, items.length)] : []
  return [invalid(at, "for_each_items must be a list, or a template that gives one")]
}

function tooMany(at: Located, count: number): Issue {
  return invalid(at, `the list has ${count} items, and a loop takes at most ${FOR_EACH_MAX_ITEMS}; split it`)
}

function invalid(at: Located, sentence: string, more: Parameters<typeof issueAt>[4] = {}): Issue {
  return issueAt(at, ".for_each_items", "for_each_items_invalid", sentence, more)
}

/** The value of `for_each_items`, from what a dry run knows; undefined when it does not know. */
export function knownItems(compiled: Compiled, at: Located, known: Known): Json | undefined {
  const input = known.input
  const overlay = input ? walk(input._steps, [at.step.id], 0) : undefined
  const scope: JsonObject | null = input && isJsonObject(overlay) ? { ...input, ...overlay } : input
  if (isJsonObject(overlay) && Object.hasOwn(overlay, "for_each_items")) return overlay.for_each_items
  let isKnown = true
  const lookup = (path: readonly string[]) => {
    if (path[0] === "input" && scope) return walk(scope, path, 1)
    const value = path[0] === "steps" ? givenOutput(path, known.outputs) : undefined
    if (value === undefined) isKnown = false
    return value
  }
  try {
    const value = resolveTemplates(compiled, lookup, new SizeBudget(STEP_INPUT_MAX_CHARS))
    return isKnown && value !== OMIT ? value : undefined
  } catch (error) {
    if (error instanceof TemplateError) return undefined // told as a template's finding
    throw error
  }
}

/** What a `steps.<id>.result.…` names, among results by step id. */
export function givenOutput(path: readonly string[], outputs: JsonObject): Json | undefined {
  for (let end = path.indexOf("result", 2); end >= 2; end = path.indexOf("result", end + 1)) {
    const id = path.slice(1, end).join(".")
    if (Object.hasOwn(outputs, id)) return walk(outputs[id], path, end + 1)
  }
  return undefined
}

/** Templates in fields that are not resolved reach the step as they are. */
function untouched(at: Located): readonly Issue[] {
  return Object.entries(at.step.type.fields).flatMap(([name, field]) => {
    const value = at.document[name]
    const isText = field.type === "string" && !field.templated && !field.notInput && field.maxBytes === undefined
    if (!isText || typeof value !== "string" || !/\{\{.*\}\}/s.test(value)) return []
    return [issueAt(at, childPath("", name), "template_unresolved", `templates are not resolved in ${name}; write its value`)]
  })
}

/** A template may be as long as a request. */
const shown = (text: string) => cut(text, 200)
