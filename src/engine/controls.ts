import type { JsonObject } from "../kernel/json.ts"
import { NAME_MAX_CHARS, RETRY_COUNT_MAX, STEP_ID_MAX_CHARS, STEP_TIMEOUT_MAX_S } from "../kernel/limits.ts"
import { ON_CRASH } from "./graph.ts"

/** A field that steps of all types have (contract §3.3). */
export interface Control {
  readonly schema: JsonObject
  /** Whether inner steps of a loop have it too. */
  readonly inside: boolean
}

const stepIds = { type: "array", items: { type: "string" } }
const truth = { type: ["string", "boolean"] }

export const CONTROLS: { readonly [name: string]: Control } = {
  id: control(
    { type: "string", minLength: 1, maxLength: STEP_ID_MAX_CHARS, pattern: "^[^\\s#{}|]+$" },
    "Unique; templates name the step by it.",
  ),
  type: control({ type: "string" }, "What the step does."),
  name: control({ type: "string", maxLength: NAME_MAX_CHARS }, "For people."),
  depends_on: control(stepIds, "Steps that end before this one starts."),
  enabled: control({ type: "boolean", default: true }, "false: the step is skipped."),
  retry_count: control(
    { type: "integer", minimum: 0, maximum: RETRY_COUNT_MAX, default: 0 },
    "Attempts after the first that failed.",
  ),
  timeout_s: control({ type: "integer", minimum: 1, maximum: STEP_TIMEOUT_MAX_S }, "Limit of one attempt, seconds."),
  on_crash: control(
    { type: "string", enum: ON_CRASH, default: "retry" },
    "What becomes of an attempt that was under way when its process ended: run again, ask a person first, fail the step.",
  ),
  condition: control(truth, "Runs the step when this is true, e.g. {{steps.a.result.ok}}."),
  skip_when: control(truth, "Skips the step when this is true."),
  no_auto_start: outside({ type: "boolean", default: false }, "The step runs only after an entry grant."),
  terminal: outside({ type: "boolean", default: false }, "The step's end closes the episode."),
  input_allowlist: outside(stepIds, "Step ids, or `human`, that may hand input to this step; empty: anyone."),
}

function control(schema: JsonObject, description: string, inside = true): Control {
  return { schema: { ...schema, description }, inside }
}

function outside(schema: JsonObject, description: string): Control {
  return control(schema, description, false)
}
