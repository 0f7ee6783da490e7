import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { repository } from "./repository.ts"

/**
 * What the program serves but the repository does not hold, copied from the installed packages into assets/.
 * Called before every start, test and build; costs a few milliseconds when nothing changed.
 */
export function prepareAssets(): void {
  for (const { from, to } of COPIES) copyIfChanged(join(repository, "node_modules", from), join(repository, "assets", to))
}

const COPIES = [
  { from: "@scalar/api-reference/dist/browser/standalone.js", to: "docs/scalar.js" },
  // The api-reference package ships without its licence; its sister package from the same repository carries the text.
  { from: "@scalar/types/LICENSE", to: "docs/scalar.license.txt" },
  { from: "vega-datasets/data/seattle-weather.csv", to: "example/seattle-weather.csv" },
] as const

function copyIfChanged(from: string, to: string): void {
  const wanted = readFileSync(from)
  if (existsSync(to) && readFileSync(to).equals(wanted)) return
  mkdirSync(dirname(to), { recursive: true })
  const half = `${to}.${process.pid}` // two commands may run at once: nobody sees half a file
  writeFileSync(half, wanted)
  renameSync(half, to)
}
