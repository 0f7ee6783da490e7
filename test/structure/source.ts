/** A file as the rules see it. */
export interface Source {
  /** From the repository, with slashes. */
  readonly path: string
  readonly text: string
  /** `text` with comments and the contents of strings blanked out: same length, same lines, only code is left. */
  readonly code: string
}

export interface Import {
  readonly specifier: string
  /** `import type` or `export type`: gone at run time. An `import { type A }` is not: the module is still loaded. */
  readonly typeOnly: boolean
  readonly line: number
}

export function source(path: string, text: string): Source {
  return { path, text, code: blank(text) }
}

export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length
}

const STATIC =
  /(?<![.\w$])(?:import|export)\b\s*(type\b(?!\s*from\b))?\s*(?:(?:(?!\b(?:import|export)\b)[\w$*\s{},"'])+?\bfrom\b\s*)?(["'])( *)\2/g
const DYNAMIC = /(?<![.\w$])(?:import|require)\s*\(\s*(["'`])( *)\1/g

/** Every module that a file names: imports, re-exports, `import()` and `require()`. */
export function importsOf({ text, code }: Source): Import[] {
  const found: Import[] = []
  const add = (match: RegExpExecArray, typeOnly: boolean, length: number) => {
    const end = match.index + match[0].length - 1
    found.push({ specifier: text.slice(end - length, end), typeOnly, line: lineAt(text, match.index) })
  }
  for (const match of code.matchAll(STATIC)) add(match, match[1] !== undefined, match[3]?.length ?? 0)
  for (const match of code.matchAll(DYNAMIC)) add(match, false, match[2]?.length ?? 0)
  return found
}

/** A lexer of four kinds: code, comment, string, regular expression. Templates nest, so it keeps a stack of open braces. */
function blank(text: string): string {
  const out = [...text].length === text.length ? [...text] : text.split("")
  const braces: number[] = [] // depth of `{` inside each open `${`
  let at = 0
  while (at < text.length) {
    const char = text.charAt(at)
    const end = endOfToken(text, at)
    if (end > at) {
      const kept = char === "/" && /[/*]/.test(text.charAt(at + 1)) ? 0 : 1 // a comment goes whole, quotes stay
      erase(out, at + kept, end - kept)
      at = end
    } else if (char === "`" || (char === "}" && braces.at(-1) === 0)) {
      if (char === "}") braces.pop()
      const stop = endOfTemplatePart(text, at + 1)
      const opens = text.charAt(stop - 1) === "{"
      erase(out, at + 1, opens ? stop - 2 : stop - 1)
      if (opens) braces.push(0)
      at = stop
    } else {
      const depth = braces.at(-1)
      if (depth !== undefined && (char === "{" || char === "}")) braces[braces.length - 1] = depth + (char === "{" ? 1 : -1)
      at++
    }
  }
  return out.join("")
}

/** Where the comment, string or regular expression that starts here ends; `at` itself when none does. */
function endOfToken(text: string, at: number): number {
  const two = text.slice(at, at + 2)
  if (two === "//") return endOr(text.indexOf("\n", at), text.length)
  if (two === "/*") return endOr(text.indexOf("*/", at + 2) + 2, text.length, 1)
  const rest = text.slice(at, at + 5000)
  const char = text.charAt(at)
  // An unclosed quote is no string: an apostrophe in the text of a page.
  if (char === '"' || char === "'") return at + (/^(["'])(?:\\.|(?!\1)[^\\\n])*\1/.exec(rest)?.[0].length ?? 0)
  if (char === "/" && regexMayStart(text, at))
    return at + (/^\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\//.exec(rest)?.[0].length ?? 0)
  return at
}

/** After a value a slash divides; elsewhere it opens a regular expression. */
function regexMayStart(text: string, at: number): boolean {
  const before = text.slice(Math.max(0, at - 40), at).trimEnd()
  return (
    before === "" || /[(,=:[!&|?{};+>~^%*-]$/.test(before) || /\b(?:return|typeof|case|in|of|do|else|void|delete)$/.test(before)
  )
}

/** Just behind the closing backtick, or behind the `${` that interrupts the template. */
function endOfTemplatePart(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const char = text.charAt(at)
    if (char === "\\") at++
    else if (char === "`") return at + 1
    else if (char === "$" && text.charAt(at + 1) === "{") return at + 2
  }
  return text.length
}

function endOr(found: number, otherwise: number, least = 0): number {
  return found < least ? otherwise : found
}

function erase(out: string[], from: number, to: number): void {
  for (let at = from; at < to; at++) if (out[at] !== "\n") out[at] = " "
}
