import { isJsonObject, type Json } from "../../kernel/json.ts"

/** Ways to a global other than its name. */
const OTHER_WAYS = ["_G", "_ENV", "load"]
const STEP_NAME = /(?<![.\w])steps\s*(?:\.\s*([A-Za-z_]\w*)|\[\s*(?:"([^"\\\n]*)"|'([^'\\\n]*)')\s*\])/g

type Globals = { readonly [name: string]: Json }

/**
 * Of what a script may see, what it can see: every step's result is copied to the sandbox for each script that comes after
 * it, and most scripts read one or two. In doubt it is kept: a name in a comment counts, and so does part of a longer word.
 */
export function seenGlobals(script: string, globals: Globals): Globals {
  if (OTHER_WAYS.some(way => script.includes(way))) return globals
  const seen: Record<string, Json> = {}
  for (const [name, value] of Object.entries(globals)) {
    if (script.includes(name)) seen[name] = name === "steps" ? seenSteps(script, value) : value
  }
  return seen
}

/** Only the steps it names, if wherever it says `steps` it goes on with a name. */
function seenSteps(script: string, steps: Json): Json {
  if (!isJsonObject(steps)) return steps
  const matches = [...script.matchAll(STEP_NAME)]
  if (matches.length < script.split("steps").length - 1) return steps
  const named = new Set(matches.map(([, dotted, double, single]) => dotted ?? double ?? single ?? ""))
  // In scripts `a-b` is also `a_b`.
  return Object.fromEntries(Object.entries(steps).filter(([id]) => named.has(id) || named.has(id.replaceAll("-", "_"))))
}
