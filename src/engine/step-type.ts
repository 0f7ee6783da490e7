import type { JsonObject } from "../kernel/json.ts"

/** One configuration field of a step type: from these come validation, the graph's JSON Schema, the editor's form and the docs. */
export interface Field {
  readonly type: "string" | "integer" | "number" | "boolean" | "object" | "array" | "any"
  readonly required?: true
  /** May hold `{{…}}`, which is resolved when the step starts. */
  readonly templated?: true
  readonly description: string
  readonly minimum?: number
  readonly maximum?: number
  readonly values?: readonly string[]
  readonly maxBytes?: number
  /** A text without `{{…}}` is a path, too: `steps.load.result.rows`. Goes with `templated`. */
  readonly path?: true
  /** Describes how the step runs, and is no input of it (a loop's body, its limits). */
  readonly notInput?: true
}

/**
 * What the engine and the editor know of a step type. `runs` says who moves it: `outside`, an executor of steps/<type>
 * that touches the world; `person`, a human task, which the engine itself holds; `loop`, the engine repeats inner steps.
 */
export interface StepType {
  readonly type: string
  readonly title: string
  readonly description: string
  readonly runs: "outside" | "person" | "loop"
  readonly fields: { readonly [name: string]: Field }
  /** One step as a graph has it, for the reference. */
  readonly example?: JsonObject
  /** Of each group at least one field must be there, e.g. `["server_url", "instance_id"]`. */
  readonly oneOf?: readonly (readonly string[])[]
  /** When the step states no `timeout_s`; null: no limit. */
  readonly timeoutDefaultMs: number | null
  /** What `timeout_s` cannot exceed. */
  readonly timeoutMaxMs?: number
}

export type StepTypes = ReadonlyMap<string, StepType>
