const FENCE = "```"

/** The JSON text in what a model said: by itself, in a code fence, or with words around it. The text as it is where there is none. */
export function jsonWithin(text: string): string {
  const trimmed = text.trim()
  const from = trimmed.search(/[[{]/)
  const to = Math.max(trimmed.lastIndexOf("}"), trimmed.lastIndexOf("]"))
  const candidates = [trimmed, fenced(trimmed), from < 0 ? undefined : trimmed.slice(from, to + 1)]
  return candidates.find(candidate => candidate !== undefined && isJson(candidate)) ?? text
}

/** Not by one expression: models run on with blanks behind an open fence, which it would go through again from each of them. */
function fenced(text: string): string | undefined {
  const open = text.indexOf(FENCE)
  const close = open < 0 ? -1 : text.indexOf(FENCE, open + FENCE.length)
  if (close < 0) return undefined
  return text
    .slice(open + FENCE.length, close)
    .replace(/^json/, "")
    .trim()
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
