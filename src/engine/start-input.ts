import { AppError } from "../kernel/errors.ts"
import { isJsonObject, type Json, type JsonObject } from "../kernel/json.ts"
import { RUN_INPUT_MAX_BYTES } from "../kernel/limits.ts"
import { schemaFields } from "./input-schema.ts"

/** Saved defaults of a start (contract §5). */
export interface SavedInput {
  readonly trigger_payload?: JsonObject
  readonly trigger_steps?: { readonly [stepId: string]: JsonObject }
}

/** Keys of `params` that are not input (contract G-8). */
const RESERVED: ReadonlySet<string> = new Set([
  "trigger_type",
  "trigger_payload",
  "trigger_steps",
  "use_run_setup_defaults",
  "excluded_step_ids",
  "run_id",
  "version",
  "idempotency_key",
  "external_user_id",
  "principal_id",
  "segment_id",
  "team_id",
  "callback_url",
  "mode",
  "record", // ours
])

/**
 * The run's input (contract §4.2): saved defaults underneath if wanted, then the caller's bare keys, then its payload,
 * then the input schema's defaults for what is still absent. Overlays of single steps stand under `_steps`. A start and
 * the dry run read `params` with this. Throws `AppError` for what a start refuses.
 */
export function buildInput(params: JsonObject, setup: SavedInput | null, inputSchema: Json | null): JsonObject {
  const payload = objectOrNothing(params.trigger_payload, "trigger_payload")
  const overlays = objectOrNothing(params.trigger_steps, "trigger_steps")
  const useDefaults = params.use_run_setup_defaults ?? false
  if (typeof useDefaults !== "boolean") {
    throw new AppError("bad_request", "invalid request body: params.use_run_setup_defaults must be true or false", {
      code: "INVALID_BODY",
    })
  }
  const saved = useDefaults ? setup : null
  const bare = Object.fromEntries(Object.entries(params).filter(([key]) => !RESERVED.has(key)))
  const input = { ...saved?.trigger_payload, ...bare, ...payload }
  const steps = mergeOverlays(saved?.trigger_steps ?? {}, overlays)
  const complete = {
    ...schemaDefaults(inputSchema),
    ...input,
    ...(Object.keys(steps).length > 0 && { _steps: steps }),
  }
  if (new TextEncoder().encode(JSON.stringify(complete)).length > RUN_INPUT_MAX_BYTES) {
    throw new AppError("too_large", `the run's input is larger than ${RUN_INPUT_MAX_BYTES} bytes`)
  }
  return complete
}

function objectOrNothing(value: Json | undefined, name: string): JsonObject {
  if (value === undefined || value === null) return {}
  if (isJsonObject(value)) return value
  throw new AppError("bad_request", `invalid request body: params.${name} must be an object`, { code: "INVALID_BODY" })
}

/** Step by step, key by key: the caller's word wins. */
function mergeOverlays(saved: { readonly [stepId: string]: JsonObject }, sent: JsonObject): JsonObject {
  const merged = new Map(Object.entries(saved)) // a step may be called `__proto__`
  for (const [stepId, overlay] of Object.entries(sent)) {
    if (!isJsonObject(overlay)) {
      throw new AppError("bad_request", "invalid request body: each entry of params.trigger_steps must be an object", {
        code: "INVALID_BODY",
      })
    }
    merged.set(stepId, { ...merged.get(stepId), ...overlay })
  }
  return Object.fromEntries(merged)
}

/** The defaults of the fields, which stand under the input (contract §3.7). */
function schemaDefaults(schema: Json | null): JsonObject {
  const defaults = new Map<string, Json>()
  for (const { name, field } of schemaFields(schema)) {
    if (isJsonObject(field) && field.default !== undefined) defaults.set(name, field.default)
  }
  return Object.fromEntries(defaults)
}
