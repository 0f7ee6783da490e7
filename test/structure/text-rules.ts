import { lineAt, type Source } from "./source.ts"

interface TextRule {
  /** Files it looks at, by path from the repository. */
  readonly files: RegExp
  readonly except?: RegExp
  /** Searched in the code alone, or in the whole text with its comments and strings. */
  readonly within: "code" | "text"
  readonly pattern: RegExp
  /** A match that is none after all. */
  readonly unless?: (source: Source, offset: number) => boolean
  readonly todo: string
}

const PURE = /^src\/(kernel|engine)\//
const EGRESS = "Outgoing requests go through adapters/egress, which vets every address: take its fetch as an argument."

const TEXT_RULES: readonly TextRule[] = [
  {
    files: PURE,
    within: "code",
    pattern: /\bDate\.now\b|\bnew Date\(\s*\)|(?<![.\w$])Date\(\s*\)|\bperformance\.now\b|\bTemporal\.Now\b/g,
    todo: "kernel and engine have no clock: take `now` as an argument.",
  },
  {
    files: PURE,
    within: "code",
    pattern: /\bMath\.random\b|\brandomUUID\b|\bgetRandomValues\b/g,
    todo: "kernel and engine have no randomness: take ids and numbers as arguments.",
  },
  {
    files: PURE,
    within: "code",
    pattern:
      /(?<![.\w$])(?:async|await)\b(?!\s*[:?=,)}])|\bsetTimeout\b|\bsetInterval\b|\bqueueMicrotask\b|\bnew Promise\b|\bPromise\./g,
    todo: "kernel and engine are synchronous: what waits belongs to runtime/.",
  },
  {
    files: PURE,
    within: "code",
    pattern: /(?<![.\w$])(?:process|Bun|globalThis)\s*\./g,
    todo: "kernel and engine know no process and no Bun: they run in a browser too.",
  },
  {
    files: /^src\//,
    except: /^src\/(config\.ts$|adapters\/sandbox\/)/,
    within: "code",
    pattern: /\bprocess\s*\.\s*env\b|\bBun\s*\.\s*env\b|\bimport\.meta\.env\b|\{[^{}]*\benv\b[^{}]*\}\s*=\s*process\b/g,
    todo: "The environment is read in config.ts only: take the value as an argument.",
  },
  {
    files: /^src\//,
    except: /^src\/(cli\/|main\.ts$)/,
    within: "code",
    pattern: /(?<![.\w$])console\s*\./g,
    todo: "Only cli/ and main.ts print: elsewhere use the logger that is passed in.",
  },
  {
    files: /^src\//,
    except: /^src\/adapters\/egress\//,
    within: "code",
    pattern: /(?<![.\w$])fetch\s*\(|\b(?:globalThis|Bun|window)\s*\.\s*fetch\b/g,
    unless: isMethodDefinition,
    todo: EGRESS,
  },
  {
    files: /^src\//,
    except: /^src\/(storage\/|connectors\/postgres\/)/,
    within: "code",
    pattern: /\bBun\s*\.\s*(?:SQL|sql)\b/g,
    todo: "SQL stays in storage/: add a named operation there and call it.",
  },
  {
    files: /./,
    within: "text",
    pattern: /\b(?:TO[D]O|FIX[M]E)\b/g,
    todo: "Do it now, or describe it in an issue.",
  },
  {
    files: /./,
    within: "text",
    pattern: /(?<![\w$.)}\]*>~-])\/(?:home|root|work|Users)\/[\w.-]+|\b[A-Z]:\\Users\\/g,
    todo: "A path of one machine: build it from import.meta.dir, the configuration or a temporary folder.",
  },
  {
    files: /\.test\.tsx?$|^test\//,
    within: "code",
    pattern: /(?<![.\w$])(?:test|it|describe)\s*\.\s*(?:only|skip|todo)\b|(?<![.\w$])x(?:test|it|describe)\s*\(/g,
    todo: "Every test runs: repair it or remove it. What a machine may lack is skipIf(…) with the reason in its name.",
  },
]

const MAX_LINES = 500
const VAGUE = /(?:^|\/)(?:utils?|helpers?|common|types?|misc)(?:\.[^/]*)?(?=\/|$)/

/** One sentence for each place of a file that breaks a rule: which rule, and what to do. */
export function textProblems(source: Source): string[] {
  return [...TEXT_RULES.flatMap(rule => matchesOf(rule, source)), ...shapeProblems(source)]
}

function matchesOf(rule: TextRule, source: Source): string[] {
  if (!rule.files.test(source.path) || rule.except?.test(source.path)) return []
  const matches = [...source[rule.within].matchAll(rule.pattern)].filter(match => !rule.unless?.(source, match.index))
  return matches.map(match => `${source.path}:${lineAt(source.text, match.index)}: says ${match[0].trim()}. ${rule.todo}`)
}

function shapeProblems({ path, text }: Source): string[] {
  if (!path.startsWith("src/")) return []
  const problems: string[] = []
  const lines = text.split("\n").length - 1
  if (lines > MAX_LINES && /\.tsx?$/.test(path)) {
    problems.push(`${path}: has ${lines} lines, ${MAX_LINES} are the limit. Split it at a seam: a file is one noun.`)
  }
  if (VAGUE.test(path.slice("src/".length)))
    problems.push(`${path}: its name says nothing. Name the file for the one noun that is in it.`)
  return problems
}

/** `fetch(request) { … }` and `fetch(request): Promise<Response>` declare a method; only a call reaches the network. */
function isMethodDefinition({ code }: Source, offset: number): boolean {
  const open = code.indexOf("(", offset)
  let depth = 0
  let close = open
  for (; close < code.length; close++) {
    if (code[close] === "(") depth++
    if (code[close] === ")" && --depth === 0) break
  }
  const after = code.slice(close + 1, close + 20).trimStart()
  if (after.startsWith("{")) return true
  const line = code.slice(code.lastIndexOf("\n", offset) + 1, offset).trim()
  return after.startsWith(":") && /^(?:(?:async|static|readonly|public|private|protected|override)\s*)*$/.test(line)
}
