/**
 * SQLite's own lexical rules, as far as finding words needs them. White space and comments are left out.
 * `text` of a word or a quoted name is lower case and without its quotes.
 */
export interface Token {
  readonly kind: "word" | "name" | "string" | "blob" | "number" | "variable" | "symbol"
  readonly text: string
  readonly start: number
  readonly end: number
}

/**
 * In the order in which SQLite would try them; sticky, so that each matches only where the last one ended. A `[` that is not
 * closed, which SQLite refuses, reaches to the end: a text of nothing else would be read to its end at each of them.
 */
const SKIPPED = [/[ \t\n\f\r\uFEFF]+/y, /--[^\n]*/y]
const KINDS: readonly (readonly [Token["kind"], RegExp])[] = [
  ["blob", /[xX]'[^']*'/y],
  ["string", /'[^']*(?:''[^']*)*'/y],
  ["name", /"[^"]*(?:""[^"]*)*"|`[^`]*(?:``[^`]*)*`|\[[^\]]*\]?/y],
  ["word", /[A-Za-z_\u0080-\u{10FFFF}][A-Za-z0-9_$\u0080-\u{10FFFF}]*/uy],
  ["number", /(?:\d|\.\d)[A-Za-z0-9_.$]*/y],
  ["variable", /\?\d*|[@:$#][A-Za-z0-9_$\u0080-\u{10FFFF}]+/uy],
]

export function tokenize(sql: string): readonly Token[] {
  const tokens: Token[] = []
  for (let at = skip(sql, 0); at < sql.length; at = skip(sql, tokens.at(-1)!.end)) tokens.push(tokenAt(sql, at))
  return tokens
}

function tokenAt(sql: string, start: number): Token {
  for (const [kind, pattern] of KINDS) {
    const raw = matchAt(sql, start, pattern)
    if (raw !== null) return { kind, text: textOf(kind, raw), start, end: start + raw.length }
  }
  return { kind: "symbol", text: sql.charAt(start), start, end: start + 1 }
}

/** Past white space and comments; one that is not closed reaches to the end. */
function skip(sql: string, from: number): number {
  let at = from
  for (;;) {
    if (sql.startsWith("/*", at)) {
      const close = sql.indexOf("*/", at + 2)
      at = close < 0 ? sql.length : close + 2
      continue
    }
    const skipped = SKIPPED.map(pattern => matchAt(sql, at, pattern)).find(raw => raw !== null)
    if (skipped === undefined || skipped === null) return at
    at += skipped.length
  }
}

function matchAt(sql: string, at: number, pattern: RegExp): string | null {
  pattern.lastIndex = at
  return pattern.exec(sql)?.[0] ?? null
}

function textOf(kind: Token["kind"], raw: string): string {
  switch (kind) {
    case "string":
    case "name":
      return unquoted(raw).toLowerCase()
    case "word":
      return raw.toLowerCase()
    default:
      return raw
  }
}

function unquoted(raw: string): string {
  const quote = raw[0]!
  if (quote === "[") return raw.slice(1).replace(/\]$/, "")
  return raw.slice(1, -1).replaceAll(quote + quote, quote)
}
