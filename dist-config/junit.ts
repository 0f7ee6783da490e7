/** What a suite came to. */
export interface Tally {
  readonly passed: number
  /** Sentences or test names, one for each failure. */
  readonly failed: readonly string[]
  readonly skipped: readonly string[]
}

export const nothing: Tally = { passed: 0, failed: [], skipped: [] }

export function sum(tallies: readonly Tally[]): Tally {
  return {
    passed: tallies.reduce((total, tally) => total + tally.passed, 0),
    failed: tallies.flatMap(tally => tally.failed),
    skipped: tallies.flatMap(tally => tally.skipped),
  }
}

/** Reads what `bun test --reporter=junit` wrote: only its test cases, since the totals of nested groups count twice. */
export function readJunit(xml: string): Tally {
  const cases = [...xml.matchAll(/<testcase ([^>]*?)(?:\/>|>(.*?)<\/testcase>)/gs)]
  const named = cases.map(([, attributes = "", body = ""]) => ({ name: fullName(attributes), outcome: outcomeOf(body) }))
  const namesOf = (outcome: Outcome) => named.filter(test => test.outcome === outcome).map(test => test.name)
  return { passed: namesOf("passed").length, failed: namesOf("failed"), skipped: namesOf("skipped") }
}

type Outcome = "passed" | "failed" | "skipped"

function outcomeOf(body: string): Outcome {
  if (/<(failure|error)\b/.test(body)) return "failed"
  return body.includes("<skipped") ? "skipped" : "passed"
}

/** `test/a.test.ts › group › name`; Bun writes the groups innermost first. */
function fullName(attributes: string): string {
  const of = (key: string) => unescapeXml(new RegExp(`(?:^| )${key}="([^"]*)"`).exec(attributes)?.[1] ?? "")
  const groups = of("classname").split(" > ").reverse()
  return [of("file"), ...groups, of("name")].filter(part => part !== "").join(" › ")
}

function unescapeXml(text: string): string {
  const named: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" }
  return text.replace(/&(?:#(\d+)|(\w+));/g, (whole, code: string | undefined, name: string | undefined) =>
    code === undefined ? (named[name ?? ""] ?? whole) : String.fromCodePoint(Number(code)),
  )
}
