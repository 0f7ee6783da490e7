import { isJsonObject, type Json } from "../../kernel/json.ts"
import { REPLAY_DIFFERENCES_MAX, REPLAY_VALUE_MAX_CHARS } from "../../kernel/limits.ts"

/** One place at which two values differ; what is not there is null. */
export interface Difference {
  readonly path: string
  readonly was: Json
  readonly now: Json
}

/** Where two values differ, as JSON paths from `root`, in order; at most `REPLAY_DIFFERENCES_MAX`. */
export function differencesOf(was: Json | undefined, now: Json | undefined, root: string): readonly Difference[] {
  const found: Difference[] = []
  compare(found, was, now, root)
  return found
}

function compare(found: Difference[], was: Json | undefined, now: Json | undefined, path: string): void {
  if (found.length >= REPLAY_DIFFERENCES_MAX || was === now) return
  if (Array.isArray(was) && Array.isArray(now)) {
    for (let i = 0; i < Math.max(was.length, now.length); i++) compare(found, was[i], now[i], `${path}[${i}]`)
  } else if (isJsonObject(was) && isJsonObject(now)) {
    for (const key of new Set([...Object.keys(was), ...Object.keys(now)])) {
      compare(found, member(was, key), member(now, key), path + step(key))
    }
  } else found.push({ path, ...shown(was, now) })
}

function member(of: { readonly [key: string]: Json }, key: string): Json | undefined {
  return Object.hasOwn(of, key) ? of[key] : undefined
}

function step(key: string): string {
  return /^[A-Za-z_]\w*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`
}

/** Of long texts what is around the difference. */
function shown(was: Json | undefined, now: Json | undefined): Pick<Difference, "was" | "now"> {
  if (typeof was !== "string" || typeof now !== "string" || Math.max(was.length, now.length) <= AROUND * 4) {
    return { was: bounded(was ?? null), now: bounded(now ?? null) }
  }
  let from = 0
  while (from < was.length && was[from] === now[from]) from++
  let same = 0
  const most = Math.min(was.length, now.length) - from
  while (same < most && was.at(-1 - same) === now.at(-1 - same)) same++
  return { was: around(was, from, was.length - same), now: around(now, from, now.length - same) }
}

const AROUND = 60

function around(text: string, from: number, to: number): Json {
  const [start, end] = [Math.max(0, from - AROUND), Math.min(text.length, to + AROUND)]
  return bounded(`${start > 0 ? "…" : ""}${text.slice(start, end)}${end < text.length ? "…" : ""}`)
}

/** The value, or the beginning of it when it is too large to be shown. */
export function bounded(value: Json): Json {
  const text = typeof value === "string" ? value : JSON.stringify(value)
  if (text.length <= REPLAY_VALUE_MAX_CHARS) return value
  return { truncated: true, preview: text.slice(0, REPLAY_VALUE_MAX_CHARS).toWellFormed() }
}
