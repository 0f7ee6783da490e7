import { AppError } from "../../kernel/errors.ts"
import { isJsonObject, type Json, type JsonObject } from "../../kernel/json.ts"

const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)$/

export function invalidField(field: string, sentence: string): AppError {
  return new AppError("invalid", `${field}: ${sentence}`, { fields: { field } })
}

/** Fields of a JSON object, one read after another; what is not there, or null, is null. Throws `invalid` with the field's name. */
export class Fields {
  readonly #read = new Set<string>()

  constructor(
    private readonly object_: JsonObject,
    private readonly path: string,
  ) {}

  text(name: string, maxChars: number): string | null {
    const value = this.#value(name)
    if (value === null) return null
    if (typeof value !== "string" || value === "") throw this.#wrong(name, "must be text")
    if (value.length > maxChars) throw this.#wrong(name, `at most ${maxChars} characters`)
    return value
  }

  integer(name: string, from: number, to: number): number | null {
    const value = this.#value(name)
    if (value === null) return null
    if (typeof value === "number" && Number.isInteger(value) && value >= from && value <= to) return value
    throw this.#wrong(name, `must be a whole number from ${from} to ${to}`)
  }

  flag(name: string): boolean | null {
    const value = this.#value(name)
    if (value === null || typeof value === "boolean") return value
    throw this.#wrong(name, "must be true or false")
  }

  oneOf<const T extends string>(name: string, values: readonly T[]): T | null {
    const value = this.#value(name)
    if (value === null) return null
    const known = values.find(one => one === value)
    if (known === undefined) throw this.#wrong(name, `must be one of ${values.join(", ")}`)
    return known
  }

  object(name: string): JsonObject {
    const value = this.#value(name)
    if (value === null) return {}
    if (isJsonObject(value)) return value
    throw this.#wrong(name, "must be an object")
  }

  texts(name: string): readonly string[] {
    const value = this.#value(name)
    if (value === null) return []
    if (Array.isArray(value) && value.every(one => typeof one === "string")) return value
    throw this.#wrong(name, "must be a list of texts")
  }

  /** RFC 3339 with an offset; ms. */
  moment(name: string): number | null {
    const text = this.text(name, 100)
    if (text === null) return null
    const ms = RFC_3339.test(text) ? Date.parse(text) : Number.NaN
    if (Number.isNaN(ms) || !isRealDay(text)) throw this.#wrong(name, "must be a moment such as 2027-01-31T12:00:00Z")
    return ms
  }

  /** A misspelt field must not be taken for one left out. */
  refuseOthers(): void {
    const other = Object.keys(this.object_).find(name => !this.#read.has(name))
    if (other !== undefined)
      throw this.#wrong(other.slice(0, 100), `there is no such field; there are ${[...this.#read].join(", ")}`)
  }

  #value(name: string): Json {
    this.#read.add(name)
    return (Object.hasOwn(this.object_, name) ? this.object_[name] : null) ?? null
  }

  #wrong(name: string, sentence: string): AppError {
    return invalidField(`${this.path}.${name}`, sentence)
  }
}

/** `Date.parse` makes 2 March of 30 February. */
function isRealDay(text: string): boolean {
  const day = text.slice(0, 10)
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(day)
}

/** Fields of `config`, which would be dropped in silence beside it. */
const OF_CONFIG: readonly string[] = [
  ...["cron", "timezone", "catchup_policy", "grace_minutes", "catchup_window_minutes", "catchup_max", "overlap", "jitter_s"],
  ...["end_at", "max_fires", "body", "trigger_payload", "trigger_steps", "excluded_step_ids", "use_run_setup_defaults"],
  ...["segment_id", "callback_url", "automation_user_id", "event_type", "provider_filter", "automation_pat_id"],
]

export function refuseMisplaced(body: object): void {
  const misplaced = Object.keys(body).find(name => OF_CONFIG.includes(name))
  if (misplaced !== undefined) throw invalidField(misplaced, "belongs into config")
}
