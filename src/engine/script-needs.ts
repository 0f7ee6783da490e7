/** What a script reads of what it is given, as far as its text tells. */
export interface ScriptNeeds {
  /** Names of the globals that it mentions: `input`, `steps`, `item`, … */
  readonly globals: ReadonlySet<string>
  /** The steps it names; null: it may read any. */
  readonly steps: readonly string[] | null
}

const GLOBALS = /(?<![.\w])(input|steps|item|index|foreach|body|loop|run|connection)\b/g
const STEPS = /(?<![.\w])(?:steps|body)\s*(?:\.\s*([A-Za-z_]\w*)|\[\s*(?:"([^"\n]*)"|'([^'\n]*)')\s*\])/g

/** Looks at the text alone: a name in a comment counts, too. */
export function scriptNeeds(script: string): ScriptNeeds {
  const mentioned = [...script.matchAll(GLOBALS)].map(match => match[1]!)
  const named = [...script.matchAll(STEPS)].map(([, dotted, double, single]) => dotted ?? double ?? single ?? "")
  const all = mentioned.filter(name => name === "steps" || name === "body").length > named.length
  return { globals: new Set(mentioned), steps: all ? null : named }
}
