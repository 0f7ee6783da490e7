import { describe, expect, test } from "bun:test"
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"

const repository = join(import.meta.dir, "../..")
const suite = join(repository, "node_modules/@modelcontextprotocol/conformance")
const client = join(repository, "test/adapters/mcp/conformance-client.ts")

const NOBODY_THERE = "A workflow has nobody who could answer a tool in the middle of its call; the client does not offer it."
/** Scenarios of the suite that are not ours to pass, and why. */
const NOT_OURS: Readonly<Record<string, string>> = {
  "elicitation-sep1034-client-defaults": NOBODY_THERE,
  "sep-2322-client-request-state": NOBODY_THERE,
}
/** Part of the suite, though not of the frozen requirements: the schemas of tools must come through whole. */
const BESIDES = ["json-schema-2020-12-preservation"]

/** Each is two processes. */
const PARALLEL = 3
let running = 0
const waiting: (() => void)[] = []

for (const revision of ["2025-11-25", "2026-07-28"]) {
  describe(`the official conformance suite, what ${revision} requires of clients:`, () => {
    const scenarios = [...required(revision), ...BESIDES]
    const runs = scenarios.filter(name => NOT_OURS[name] === undefined).map(name => ({ name, result: run(name, revision) }))

    test("as many scenarios as the requirements list", () => {
      expect(scenarios.length).toBe(revision === "2025-11-25" ? 19 : 33)
    })
    for (const { name, result } of runs) {
      test(name, async () => {
        const { code, output } = await result
        expect({ code, output: code === 0 ? "" : output }).toEqual({ code: 0, output: "" })
      })
    }
  })
}

/** The scenarios under `client:`; the file's other lists are about servers and extensions. */
function required(revision: string): string[] {
  const text = readFileSync(join(suite, "requirements", `${revision}.yaml`), "utf8")
  const [, list = ""] = /^client:\n((?: {2}- .*\n|\s*#.*\n)+)/m.exec(text) ?? []
  return [...list.matchAll(/^ {2}- (\S+)$/gm)].map(([, name = ""]) => name)
}

async function run(scenario: string, revision: string): Promise<{ code: number | null; output: string }> {
  if (running === PARALLEL) await new Promise<void>(resolve => waiting.push(resolve))
  else running++
  const options = ["client", "--command", `${process.execPath} ${client}`, "--scenario", scenario, "--spec-version", revision]
  const child = spawn(process.execPath, [join(suite, "dist/index.js"), ...options], { stdio: ["ignore", "pipe", "pipe"] })
  let output = ""
  const keep = (chunk: Buffer) => {
    output += chunk.toString()
  }
  child.stdout.on("data", keep)
  child.stderr.on("data", keep)
  const code = await new Promise<number | null>(resolve => child.once("close", resolve))
  const next = waiting.shift()
  if (next === undefined) running--
  else next()
  return { code, output }
}
