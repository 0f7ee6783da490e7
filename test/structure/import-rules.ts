import { posix } from "node:path"
import { type Import, importsOf, type Source } from "./source.ts"

/** The folders of src/, and what each may import besides itself and packages. The picture in docs/ARCHITECTURE.md in letters. */
const AREAS: Readonly<Record<string, readonly string[] | "anything">> = {
  kernel: [],
  engine: ["kernel"],
  runtime: ["kernel", "engine"],
  storage: ["kernel", "engine", "runtime/ports.ts"],
  adapters: ["kernel"],
  http: ["kernel"],
  connectors: ["kernel", "adapters"],
  steps: ["kernel", "engine", "runtime", "adapters", "connectors"],
  modules: ["kernel", "engine", "runtime", "storage", "adapters", "http", "connectors", "steps"],
  console: ["kernel", "engine"],
  cli: "anything",
  "main.ts": "anything",
  "app.ts": "anything",
  "api.ts": ["kernel", "http", "modules"],
  "config.ts": ["kernel"],
}

interface PackageRule {
  readonly packages: RegExp
  /** Paths below src/ where they are at home. */
  readonly home: RegExp
  readonly typesAnywhere?: true
  readonly todo: string
}

const PACKAGE_RULES: readonly PackageRule[] = [
  {
    packages: /^(@elysiajs\/eden)(\/|$)/,
    home: /^console\//,
    todo: "The typed client belongs to the Console.",
  },
  {
    packages: /^(elysia|@elysiajs\/(?!eden\b)[^/]+)(\/|$)/,
    home: /^(http\/|api\.ts$|app\.ts$|modules\/[^/]+\/([\w-]+-)?(routes|contract)\.ts$)/,
    todo: "Elysia stays in http/, api.ts, app.ts and a module's routes.ts and contract.ts: move the HTTP part there and call a service.",
  },
  {
    packages: /^(better-sqlite3)(\/|$)/,
    home: /^(storage\/|modules\/[^/]+\/([\w-]+-)?store\.ts$|connectors\/sqlite\/)/,
    todo: "SQL stays in storage/ and a module's store.ts: add a named operation there and call it.",
  },
  {
    packages: /^(pg|postgres)(\/|$)/,
    home: /^(storage\/|modules\/[^/]+\/([\w-]+-)?store\.ts$|connectors\/postgres\/)/,
    todo: "SQL stays in storage/ and a module's store.ts: add a named operation there and call it.",
  },
  {
    packages: /^mysql2(\/|$)/,
    home: /^connectors\/mysql\//,
    todo: "The driver of MySQL serves the connector mysql alone: call one of its tools.",
  },
  {
    packages: /^ioredis(\/|$)/,
    home: /^connectors\/redis\//,
    todo: "The driver of Redis serves the connector redis alone: call one of its tools.",
  },
  {
    packages: /^(drizzle-orm|bun:sqlite|node:sqlite|@electric-sql\/pglite)(\/|$)/,
    home: /^(storage\/|modules\/[^/]+\/([\w-]+-)?store\.ts$)/,
    todo: "SQL stays in storage/ and a module's store.ts: add a named operation there and call it.",
  },
  {
    packages: /^(?:node:)?(https?|http2)$|^undici$/,
    home: /^adapters\/egress\//,
    typesAnywhere: true,
    todo: "Outgoing requests go through adapters/egress, which vets every address: take its fetch as an argument.",
  },
  {
    packages: /^(?:node:)?process$/,
    home: /^config\.ts$/,
    todo: "The environment is read in config.ts only: take the value as an argument.",
  },
]

/** One sentence for each import line of a file of src/ that breaks a rule: which rule, and what to do. */
export function importProblems(source: Source): string[] {
  const from = source.path.replace(/^src\//, "")
  const area = areaOf(from)
  const allowed = AREAS[area]
  if (allowed === undefined) {
    return [`${source.path}: src/ has no place called ${area}. Put the file into one of: ${Object.keys(AREAS).join(" ")}.`]
  }
  return importsOf(source).flatMap(one => {
    const problem = one.specifier.startsWith(".") ? folderProblem(from, one) : packageProblem(from, one)
    return problem === undefined ? [] : [`${source.path}:${one.line}: imports ${one.specifier}. ${problem}`]
  })
}

function folderProblem(from: string, one: Import): string | undefined {
  const area = areaOf(from)
  const allowed = AREAS[area] ?? []
  const to = posix.join(posix.dirname(from), one.specifier)
  if (to.startsWith("..")) return outsideProblem(area, to)
  if (allowed === "anything") return undefined
  if (areaOf(to) === area) return area === "modules" ? neighbourProblem(from, to, one) : undefined
  if (area === "console" && to === "api.ts") {
    return one.typeOnly
      ? undefined
      : "The Console sees api.ts by `import type` only: the server's code must not reach the browser."
  }
  if (allowed.some(place => to === place || to.startsWith(`${place}/`))) return undefined
  const list = allowed.length === 0 ? "nothing" : allowed.join(", ")
  return `${area} may import ${list} (and import type counts too). Pass it in from app.ts, or move what is shared down to where both may see it.`
}

function neighbourProblem(from: string, to: string, one: Import): string | undefined {
  const moduleOf = (path: string) => path.split("/")[1]
  if (one.typeOnly || moduleOf(from) === moduleOf(to)) return undefined
  return "A module sees another module by `import type` only: name the service's type, and let app.ts pass the instance in."
}

/** Embedded files are imported by path; nothing else outside src/ is part of the program. */
function outsideProblem(area: string, to: string): string | undefined {
  const pure = area === "kernel" || area === "engine"
  if (!pure && /^\.\.\/(assets\/|migrations\/|package\.json$)/.test(to)) return undefined
  return "Outside src/ only assets/, migrations/ and package.json can be imported, and nothing at all by kernel and engine."
}

function packageProblem(from: string, { specifier, typeOnly }: Import): string | undefined {
  const area = areaOf(from)
  if (area === "kernel" || area === "engine") {
    return `${area} imports no packages, not even built-in ones: it is pure and runs in a browser. Take what you need as an argument.`
  }
  const rule = PACKAGE_RULES.find(({ packages }) => packages.test(specifier))
  if (rule === undefined || rule.home.test(from) || (typeOnly && rule.typesAnywhere)) return undefined
  return rule.todo
}

function areaOf(path: string): string {
  return path.split("/")[0] ?? path
}
