import { assert } from "../kernel/errors.ts"
import type { Json, JsonObject } from "../kernel/json.ts"
import { VALUE_INLINE_MAX_BYTES } from "../kernel/limits.ts"
import type { Database, Statement } from "./database.ts"
import type { Beside } from "./schema/runs.ts"

/** A value that is too large for the row it belongs to. */
export interface BigValue {
  /** SHA-256 of `json`, hex. */
  readonly hash: string
  readonly json: string
}

/** An object as its row keeps it. */
export interface Split {
  readonly json: string
  /** Which members are beside; in `json` each of them is null, so that the order of the members stays. */
  readonly beside: Beside
  readonly values: readonly BigValue[]
}

/** Takes large members out of an event's data, which is `json` as text. Null when there are none: most events are small. */
export function split(data: object, json: string): Split | null {
  if (!isBig(json)) return null
  const members = Object.entries(data).flatMap(([name, member]) => {
    const value = bigValue(JSON.stringify(member) ?? "null")
    return value ? [[name, value] as const] : []
  })
  if (members.length === 0) return null
  const kept = Object.fromEntries(members.map(([name]) => [name, null]))
  const beside = Object.fromEntries(members.map(([name, { hash, json }]) => [name, { hash, chars: json.length }]))
  return { json: JSON.stringify({ ...data, ...kept }), beside, values: members.map(([, value]) => value) }
}

/** Null when the text is small enough for its row. */
export function bigValue(json: string): BigValue | null {
  return isBig(json) ? { hash: new Bun.CryptoHasher("sha256").update(json).digest("hex"), json } : null
}

/** The same value of one run is stored once. */
export function insertValue(runId: string, { hash, json }: BigValue): Statement {
  return { sql: INSERT_VALUE, params: [runId, hash, json] }
}

const INSERT_VALUE = "INSERT INTO run_values (run_id, hash, value) VALUES (?, ?, ?) ON CONFLICT (run_id, hash) DO NOTHING"
const SELECT_VALUE = "SELECT value FROM run_values WHERE run_id = ? AND hash = ?"

export type ReadValue = (hash: string) => Promise<Json>

/** Reads the values of one run, each once however often it is asked for. */
export function valueReader(db: Database, runId: string): ReadValue {
  const known = new Map<string, Promise<Json>>()
  const readOne = async (hash: string) => {
    const [row] = await db.query({ sql: SELECT_VALUE, params: [runId, hash] })
    assert(row, `run ${runId} has no value ${hash}`)
    return JSON.parse(String(row.value)) as Json
  }
  return hash => {
    const value = known.get(hash) ?? readOne(hash)
    known.set(hash, value)
    return value
  }
}

/** The object with every member in its place again. */
export async function putBack(data: JsonObject, beside: Beside | null, read: ReadValue): Promise<JsonObject> {
  if (beside === null) return data
  const members = Object.entries(beside).map(async ([name, { hash }]) => [name, await read(hash)] as const)
  return { ...data, ...Object.fromEntries(await Promise.all(members)) }
}

/** Characters of what is beside a row. */
export function charsBeside(beside: Beside | null): number {
  return Object.values(beside ?? {}).reduce((sum, { chars }) => sum + chars, 0)
}

/** A character has at most three bytes in UTF-8, so most texts need no exact count. */
function isBig(json: string): boolean {
  return json.length * 3 > VALUE_INLINE_MAX_BYTES && Buffer.byteLength(json) > VALUE_INLINE_MAX_BYTES
}
