import type { Json, JsonObject } from "../kernel/json.ts"
import { isJsonObject } from "../kernel/json.ts"
import { type Alternative, type Expression, parseTemplate, type Template } from "./template-parser.ts"

/**
 * `{{…}}` in step fields (contract §3.5.1). A value is compiled once, with its graph, and resolved at every start of its
 * step. Nothing is evaluated: a template names a place, and only own fields of plain JSON can be named.
 */
export type Compiled =
  | { readonly kind: "literal"; readonly value: Json }
  | { readonly kind: "template"; readonly source: string; readonly template: Template }
  | { readonly kind: "broken"; readonly source: string; readonly message: string }
  | { readonly kind: "array"; readonly items: readonly Compiled[] }
  | { readonly kind: "object"; readonly entries: readonly (readonly [string, Compiled])[] }

/** Finds the value at a path such as `["steps", "load", "result", "rows", "0"]`; `undefined` when there is none. */
export type Lookup = (path: readonly string[]) => Json | undefined

/** A template that a step needs names nothing, or cannot be read. The message names the template, never a value. */
export class TemplateError extends Error {
  override readonly name = "TemplateError"
}

/** A template names nothing. */
export class MissingValue extends TemplateError {
  constructor(
    { source }: Expression,
    /** What it named first. */
    readonly path: readonly string[],
  ) {
    super(`template {{${source}}} names nothing; give it a default with {{${source} | "…"}}`)
  }
}

/** How much all templates of one step may bring together; a template can name a large value many times over. */
export class SizeBudget {
  constructor(private left: number) {}

  /** Counts the characters of a value's JSON, near enough, and stops at the limit. Throws `TemplateError`. */
  spend(value: Json): void {
    this.left -= typeof value === "string" ? value.length + 2 : 8
    if (this.left < 0) throw new TemplateError("the step's fields grow too large; pass less, or pass it by reference")
    if (Array.isArray(value)) for (const item of value) this.spend(item)
    else if (isJsonObject(value)) {
      for (const [key, item] of Object.entries(value)) {
        this.left -= key.length
        this.spend(item)
      }
    }
  }
}

/** What `| omit` gives: the key or element is left out. */
export const OMIT = Symbol("omit")

export function compileTemplates(value: Json): Compiled {
  if (typeof value === "string") return compileString(value)
  if (Array.isArray(value)) {
    const items = value.map(compileTemplates)
    return items.every(i => i.kind === "literal") ? { kind: "literal", value } : { kind: "array", items }
  }
  if (isJsonObject(value)) {
    const entries = Object.entries(value).map(([key, v]) => [key, compileTemplates(v)] as const)
    return entries.every(([, c]) => c.kind === "literal") ? { kind: "literal", value } : { kind: "object", entries }
  }
  return { kind: "literal", value }
}

/** Throws `TemplateError`. */
export function resolveTemplates(compiled: Compiled, lookup: Lookup, budget: SizeBudget): Json | typeof OMIT {
  switch (compiled.kind) {
    case "literal":
      return compiled.value
    case "broken":
      throw new TemplateError(`template ${compiled.source} cannot be read: ${compiled.message}`)
    case "template":
      return resolveTemplate(compiled.template, lookup, budget)
    case "array": {
      const items = compiled.items.map(i => resolveTemplates(i, lookup, budget))
      return items.filter(i => i !== OMIT)
    }
    case "object":
      return resolveObject(compiled.entries, lookup, budget)
  }
}

function resolveObject(entries: readonly (readonly [string, Compiled])[], lookup: Lookup, budget: SizeBudget): JsonObject {
  const result: Record<string, Json> = {}
  for (const [key, c] of entries) {
    const value = resolveTemplates(c, lookup, budget)
    if (value !== OMIT) defineOwn(result, key, value)
  }
  return result
}

/** Plain data even for the key `__proto__`. */
export function defineOwn(target: Record<string, Json>, key: string, value: Json): void {
  if (key === "__proto__") Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
  else target[key] = value
}

function compileString(source: string): Compiled {
  if (!source.includes("{{")) return { kind: "literal", value: source }
  const parsed = parseTemplate(source)
  return parsed.ok ? { kind: "template", source, template: parsed.template } : { kind: "broken", source, message: parsed.message }
}

function resolveTemplate(template: Template, lookup: Lookup, budget: SizeBudget): Json | typeof OMIT {
  const only = template.length === 1 ? template[0] : undefined
  // A string that is exactly one template keeps the value's type.
  if (only !== undefined && typeof only !== "string") {
    const value = resolveExpression(only, lookup)
    if (value !== OMIT) budget.spend(value)
    return value
  }
  let text = ""
  for (const part of template) {
    const piece = typeof part === "string" ? part : asText(resolveExpression(part, lookup))
    budget.spend(piece)
    text += piece
  }
  return text
}

function resolveExpression(expression: Expression, lookup: Lookup): Json | typeof OMIT {
  const last = expression.alternatives.length - 1
  for (const [i, alternative] of expression.alternatives.entries()) {
    const value = alternativeValue(alternative, lookup)
    if (value === OMIT) return OMIT
    if (value === undefined) continue
    if (i === last || (value !== null && value !== "")) return value
  }
  const [first] = expression.alternatives
  throw new MissingValue(expression, first?.kind === "path" ? first.path : [])
}

function alternativeValue(alternative: Alternative, lookup: Lookup): Json | undefined | typeof OMIT {
  switch (alternative.kind) {
    case "path":
      return lookup(alternative.path)
    case "literal":
      return alternative.value
    case "omit":
      return OMIT
  }
}

function asText(value: Json | typeof OMIT): string {
  if (value === OMIT || value === null) return ""
  return typeof value === "string" ? value : JSON.stringify(value)
}

/** Follows a path into plain JSON: own fields of objects, numbers into arrays, nothing else. */
export function walk(value: Json | undefined, path: readonly string[], from: number): Json | undefined {
  let at = value
  for (let i = from; i < path.length; i++) {
    const segment = path[i]!
    if (Array.isArray(at)) at = /^\d+$/.test(segment) ? at[Number(segment)] : undefined
    else if (isJsonObject(at) && Object.hasOwn(at, segment)) at = at[segment]
    else return undefined
  }
  return at
}

/** Every path that the templates of a value name, for validation. */
export function pathsOf(
  compiled: Compiled,
): readonly { readonly path: readonly string[]; readonly optional: boolean; readonly source: string }[] {
  switch (compiled.kind) {
    case "literal":
    case "broken":
      return []
    case "template":
      return compiled.template.flatMap(part => (typeof part === "string" ? [] : pathsOfExpression(part)))
    case "array":
      return compiled.items.flatMap(pathsOf)
    case "object":
      return compiled.entries.flatMap(([, c]) => pathsOf(c))
  }
}

function pathsOfExpression(expression: Expression) {
  const optional = expression.alternatives.some(a => a.kind !== "path")
  return expression.alternatives.flatMap(a => (a.kind === "path" ? [{ path: a.path, optional, source: expression.source }] : []))
}
