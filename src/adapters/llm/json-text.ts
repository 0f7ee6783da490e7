const FENCE = /```(?:json)?\s*\n?([\s\S]*?)```/

/** The JSON text in what a model said: by itself, in a code fence, or with words around it. The text as it is where there is none. */
export function jsonWithin(text: string): string {
  const trimmed = text.trim()
  const from = trimmed.search(/[[{]/)
  const to = Math.max(trimmed.lastIndexOf("}"), trimmed.lastIndexOf("]"))
  const candidates = [trimmed, trimmed.match(FENCE)?.[1]?.trim(), from < 0 ? undefined : trimmed.slice(from, to + 1)]
  return candidates.find(candidate => candidate !== undefined && isJson(candidate)) ?? text
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
