import { isJsonObject, type Json, type JsonObject, textOf } from "../../../kernel/json.ts"
import { Found, kindOf } from "./found.ts"

/** Deeper schemas are answered with what is empty. */
const DEPTH_MAX = 6

/** A value of a schema out of what a prompt holds: named first, then by kind and order, then whatever the schema allows. */
export class Filler {
  private readonly near: Found
  private readonly far: Found
  /** Answers of tools that were JSON: their members are found by name. */
  private readonly known: readonly JsonObject[]
  /** A text for want of anything better: what the last tool said, or the whole prompt. */
  private readonly latest: string | null

  constructor(
    private readonly root: JsonObject,
    private readonly prompt: string,
    /** The words of the prompt that this is about. */
    about: string,
    answers: readonly string[],
  ) {
    this.near = new Found(about)
    this.far = about === prompt ? this.near : new Found(prompt)
    this.known = answers.flatMap(objectsIn)
    this.latest = answers.at(-1) ?? null
  }

  object(schema: JsonObject, depth = 0): JsonObject {
    const properties = isJsonObject(schema.properties) ? schema.properties : {}
    const required = Array.isArray(schema.required) ? schema.required : []
    const members = Object.entries(properties).flatMap(([name, given]): [string, Json][] => {
      const member = this.resolved(given)
      const said = this.said(name, member)
      if (said !== undefined) return [[name, said]]
      if (required.includes(name)) return [[name, this.value(name, member, depth + 1)]]
      return []
    })
    return Object.fromEntries(members)
  }

  value(name: string, given: Json, depth: number): Json {
    const schema = this.resolved(given)
    if (schema.const !== undefined) return schema.const
    if (kindOf(schema) === "object" && schema.enum === undefined) return depth > DEPTH_MAX ? {} : this.object(schema, depth)
    const isText = kindOf(schema) === "string" && schema.enum === undefined
    const next = this.near.next(name, schema) ?? (isText ? this.latest : null) ?? this.far.next(name, schema)
    if (next !== undefined) return next
    if (schema.default !== undefined) return schema.default
    if (Array.isArray(schema.enum) && schema.enum[0] !== undefined) return schema.enum[0]
    if (Array.isArray(schema.examples) && schema.examples[0] !== undefined) return schema.examples[0]
    switch (kindOf(schema)) {
      case "number":
      case "integer":
        return Math.max(0, numberOr(schema.minimum, 0), numberOr(schema.exclusiveMinimum, -1) + 1)
      case "boolean":
        return false
      case "array":
        return depth > DEPTH_MAX
          ? []
          : Array.from({ length: Math.min(10, numberOr(schema.minItems, 0)) }, () =>
              this.value("", schema.items ?? {}, depth + 1),
            )
      case "null":
        return null
      default:
        return this.prompt.trim().slice(0, numberOr(schema.maxLength, 100_000))
    }
  }

  private said(name: string, schema: JsonObject): Json | undefined {
    const inText = this.near.named(name, schema) ?? this.far.named(name, schema)
    if (inText !== undefined) return inText
    const known = this.known.findLast(one => one[name] !== undefined)?.[name]
    if (known === undefined) return undefined
    const kind = kindOf(schema)
    const fits =
      kind === "string" ? typeof known === "string" : kind === "number" || kind === "integer" ? typeof known === "number" : false
    return fits && (schema.enum === undefined || (Array.isArray(schema.enum) && schema.enum.includes(known))) ? known : undefined
  }

  /** Local references, and the first way of several that is not null. */
  private resolved(given: Json, depth = 0): JsonObject {
    if (!isJsonObject(given) || depth > DEPTH_MAX) return {}
    const reference = textOf(given.$ref)
    if (reference.startsWith("#/")) {
      const target = reference
        .slice(2)
        .split("/")
        .reduce<Json | undefined>((at, key) => (isJsonObject(at) ? at[key] : undefined), this.root)
      return this.resolved(target ?? {}, depth + 1)
    }
    const ways = [given.anyOf, given.oneOf, given.allOf].find(Array.isArray)
    const way = ways?.find(one => isJsonObject(one) && one.type !== "null")
    return way === undefined
      ? given
      : { ...this.resolved(way, depth + 1), ...(given.default === undefined ? {} : { default: given.default }) }
  }
}

function numberOr(value: Json | undefined, otherwise: number): number {
  return typeof value === "number" ? value : otherwise
}

function objectsIn(text: string): JsonObject[] {
  try {
    const value: Json = JSON.parse(text)
    return (Array.isArray(value) ? value.slice(0, 1) : [value]).filter(isJsonObject)
  } catch {
    return []
  }
}
