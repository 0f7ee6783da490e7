import type { Json } from "../kernel/json.ts"
import { JSON_MAX_DEPTH } from "../kernel/limits.ts"

/** Text and expressions in turn. */
export type Template = readonly (string | Expression)[]

/** `a.b | c | "default"`: the first alternative that is set wins. */
export interface Expression {
  readonly source: string
  readonly alternatives: readonly Alternative[]
}

export type Alternative =
  | { readonly kind: "path"; readonly path: readonly string[] }
  | { readonly kind: "literal"; readonly value: Json }
  | { readonly kind: "omit" }

export type Parsed = { readonly ok: true; readonly template: Template } | { readonly ok: false; readonly message: string }

/** Reads a string with `{{…}}` in it. One pass, no backtracking. */
export function parseTemplate(text: string): Parsed {
  const parts: (string | Expression)[] = []
  let at = 0
  try {
    for (;;) {
      const open = text.indexOf("{{", at)
      if (open < 0) break
      if (open > at) parts.push(text.slice(at, open))
      const reader = new Reader(text, open + 2)
      parts.push(reader.expression())
      at = reader.at
    }
  } catch (error) {
    if (error instanceof SyntaxError) return { ok: false, message: error.message }
    throw error
  }
  if (at < text.length) parts.push(text.slice(at))
  return { ok: true, template: parts }
}

const PATH = /[^\s|{}"]+/y
const LITERAL_START = /[-"0-9{[]/

class Reader {
  constructor(
    readonly text: string,
    public at: number,
  ) {}

  /** From behind `{{` to behind `}}`. */
  expression(): Expression {
    const start = this.at
    const alternatives: Alternative[] = []
    for (;;) {
      this.#space()
      alternatives.push(this.#alternative())
      this.#space()
      if (this.text.startsWith("}}", this.at)) break
      if (this.text[this.at] !== "|") throw new SyntaxError(this.at >= this.text.length ? "}} is missing" : "expected | or }}")
      if (alternatives.at(-1)?.kind !== "path") throw new SyntaxError("a default must come last")
      this.at++
    }
    const source = this.text.slice(start, this.at).trim()
    this.at += 2
    return { source, alternatives }
  }

  #alternative(): Alternative {
    const c = this.text[this.at]
    if (c === undefined || c === "|" || c === "}") throw new SyntaxError("a path or a default is missing")
    if (LITERAL_START.test(c)) return { kind: "literal", value: this.#json() }
    PATH.lastIndex = this.at
    const word = PATH.exec(this.text)?.[0] ?? ""
    this.at += word.length
    if (word === "omit") return { kind: "omit" }
    if (word === "true" || word === "false" || word === "null") return { kind: "literal", value: JSON.parse(word) }
    const path = word.split(".")
    if (path.includes("")) throw new SyntaxError(`${word} is not a path`)
    return { kind: "path", path }
  }

  #json(): Json {
    const end = this.#jsonEnd()
    const source = this.text.slice(this.at, end)
    this.at = end
    try {
      return JSON.parse(source)
    } catch {
      throw new SyntaxError("a default is not valid JSON")
    }
  }

  /** The end of the JSON value at the reader: brackets and strings are counted, so `}}` inside them does not close. */
  #jsonEnd(): number {
    const opening = this.text[this.at]!
    if (opening === '"') return this.#stringEnd(this.at)
    if (opening !== "{" && opening !== "[") {
      let end = this.at
      while (end < this.text.length && /[-+.0-9eE]/.test(this.text[end]!)) end++
      return end
    }
    let depth = 0
    for (let i = this.at; i < this.text.length; i++) {
      const c = this.text[i]
      if (c === '"') i = this.#stringEnd(i) - 1
      else if ((c === "}" || c === "]") && --depth === 0) return i + 1
      else if ((c === "{" || c === "[") && ++depth > JSON_MAX_DEPTH) throw new SyntaxError("a default is nested too deep")
    }
    throw new SyntaxError("a default is not closed")
  }

  #stringEnd(start: number): number {
    for (let i = start + 1; i < this.text.length; i++) {
      if (this.text[i] === "\\") i++
      else if (this.text[i] === '"') return i + 1
    }
    throw new SyntaxError("a string is not closed")
  }

  #space(): void {
    while (/\s/.test(this.text[this.at] ?? "")) this.at++
  }
}
