import type { ModelParams } from "../../adapters/llm/llm.ts"
import { cutKey } from "../../kernel/cut.ts"
import { isJsonObject, type Json, type JsonObject } from "../../kernel/json.ts"

export type ReadParams =
  | { readonly ok: true; readonly params: ModelParams; readonly ignored: readonly string[] }
  | { readonly ok: false; readonly message: string }

/** What a value must be, and how it is read from what a template or a form left; undefined: it is not that. */
interface Kind {
  readonly expected: string
  read(value: Json): Json | undefined
}

const number: Kind = { expected: "a number", read: value => numberOf(value) }
const count: Kind = {
  expected: "a whole number above 0",
  read(value) {
    const n = numberOf(value)
    return Number.isSafeInteger(n) && Number(n) > 0 ? n : undefined
  },
}
const integer: Kind = {
  expected: "a whole number",
  read(value) {
    const n = numberOf(value)
    return Number.isSafeInteger(n) ? n : undefined
  },
}
const texts: Kind = {
  expected: "text or a list of texts",
  read(value) {
    const list = typeof value === "string" ? [value] : value
    return Array.isArray(list) && list.every(one => typeof one === "string" && one !== "") ? list : undefined
  },
}
const word: Kind = { expected: "text", read: value => (typeof value === "string" ? value : undefined) }
const object: Kind = { expected: "an object", read: value => (isJsonObject(value) ? value : undefined) }

const KINDS: Readonly<Record<keyof ModelParams, Kind>> = {
  temperature: number,
  top_p: number,
  top_k: count,
  max_tokens: count,
  stop: texts,
  seed: integer,
  presence_penalty: number,
  frequency_penalty: number,
  reasoning_effort: word,
  extra: object,
}
/** What vendors call `max_tokens`. */
const OTHER_NAMES: Readonly<Record<string, keyof ModelParams>> = {
  max_completion_tokens: "max_tokens",
  max_output_tokens: "max_tokens",
}

/** A step's or an agent's `llm_params`. Those that nobody knows are left out, and named. */
export function readParams(given: Json | undefined): ReadParams {
  if (given === undefined || given === null || given === "") return { ok: true, params: {}, ignored: [] }
  if (!isJsonObject(given)) return { ok: false, message: "llm_params is not an object" }
  const params: [string, Json][] = []
  const ignored: string[] = []
  for (const [name, value] of Object.entries(given)) {
    const key = Object.hasOwn(OTHER_NAMES, name) ? OTHER_NAMES[name] : name
    if (value === null || value === "") continue
    if (!isParam(key)) {
      ignored.push(cutKey(name))
      continue
    }
    const read = KINDS[key].read(value)
    if (read === undefined) return { ok: false, message: `llm_params.${name} must be ${KINDS[key].expected}` }
    params.push([key, read])
  }
  const read: JsonObject = Object.fromEntries(params)
  return { ok: true, params: read as ModelParams, ignored }
}

function isParam(name: string | undefined): name is keyof ModelParams {
  return name !== undefined && Object.hasOwn(KINDS, name)
}

function numberOf(value: Json): number | undefined {
  if (typeof value === "number") return value
  if (typeof value !== "string" || !/^[+-]?\d{1,15}(?:\.\d{1,15})?$/.test(value.trim())) return undefined
  return Number(value)
}
