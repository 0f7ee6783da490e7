import { Compile, type Validator } from "typebox/schema"
import { safeSchema } from "../../connectors/safe-schema.ts"
import { messageOf } from "../../kernel/errors.ts"
import type { Json, JsonObject } from "../../kernel/json.ts"
import { LLM_SCHEMA_MAX_CHARS } from "../../kernel/limits.ts"
import { parsedJson } from "../../kernel/nesting.ts"

/** Problems named in one sentence; the rest is counted. */
const SHOWN_PROBLEMS = 5

export type CheckedOutput = { readonly ok: true; readonly output: Json } | { readonly ok: false; readonly problem: string }

/** Holds answers against one JSON Schema. */
export type OutputCheck = (text: string) => CheckedOutput

export type MadeCheck = { readonly ok: true; readonly check: OutputCheck } | { readonly ok: false; readonly message: string }

/** The schema is the author's: of it only what is sure to end soon is evaluated here. The model gets all of it. */
export function outputCheck(schema: JsonObject): MadeCheck {
  if (JSON.stringify(schema).length > LLM_SCHEMA_MAX_CHARS) {
    return { ok: false, message: `output_schema is larger than ${LLM_SCHEMA_MAX_CHARS / 1_024} KiB; shorten it` }
  }
  try {
    const validator = Compile(safeSchema(schema) as object)
    return { ok: true, check: text => checked(validator, text) }
  } catch (error) {
    return { ok: false, message: `output_schema is no JSON Schema: ${messageOf(error).slice(0, 200)}` }
  }
}

function checked(validator: Validator, text: string): CheckedOutput {
  const output = jsonOf(text)
  if (output === undefined) return { ok: false, problem: "it is no JSON" }
  if (validator.Check(output)) return { ok: true, output }
  const [, errors] = validator.Errors(output)
  const lines = [...new Set(errors.map(error => `${error.instancePath || "the whole"} ${error.message}`))]
  const rest = lines.length - SHOWN_PROBLEMS
  return { ok: false, problem: lines.slice(0, SHOWN_PROBLEMS).join("; ") + (rest > 0 ? `; and ${rest} more` : "") }
}

const FENCED = /^```(?:json)?[^\S\n]*\n([\s\S]*)\n[^\S\n]*```$/i

/** The JSON that a text is as a whole, or within the fence that models like to put around it. */
export function jsonOf(text: string): Json | undefined {
  const trimmed = text.trim()
  return parsedJson(FENCED.exec(trimmed)?.[1] ?? trimmed)
}
