import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { FAULTS, type Fault } from "./faults.ts"

const repository = join(import.meta.dir, "..", "..")
/** Within so many seeds, the same ones each time, a fault must be found. */
const SEEDS = 4_000
const LIMIT_MS = 90_000

function planted(text: string, { from, to }: Fault): string {
  return text.replace(from, () => to)
}

test("every planted fault still fits the source", () => {
  const misfits = FAULTS.filter(f => readFileSync(join(repository, f.file), "utf8").split(f.from).length !== 2)

  expect(misfits.map(f => f.name)).toEqual([])
})

// Minutes of work that only a change of the simulation itself calls for.
if (process.env.AGENTRUNTIME_TEST_FAULTS === "1") {
  describe("the simulation finds", () => {
    let copy: string
    beforeAll(() => {
      copy = mkdtempSync(join(tmpdir(), "agentruntime-faults-"))
      for (const path of [
        "src",
        "test/engine",
        "test/runtime",
        "test/sim",
        "dist-config/sim.ts",
        "package.json",
        "tsconfig.json",
      ])
        cpSync(join(repository, path), join(copy, path), { recursive: true })
      symlinkSync(join(repository, "node_modules"), join(copy, "node_modules"), "junction")
    })
    afterAll(() => rmSync(copy, { recursive: true, force: true }))

    function search() {
      const command = [process.execPath, "run", join("dist-config", "sim.ts"), "--from", "1", "--seeds", String(SEEDS)]
      return Bun.spawnSync(command, { cwd: copy, stdout: "pipe", stderr: "pipe", timeout: LIMIT_MS })
    }

    test("nothing where nothing was planted", () => {
      const { exitCode, stderr } = search()

      expect(stderr.toString()).toBe("")
      expect(exitCode).toBe(0)
    }, 120_000)

    for (const fault of FAULTS) {
      test(fault.name, () => {
        const path = join(copy, fault.file)
        const sound = readFileSync(path, "utf8")
        writeFileSync(path, planted(sound, fault))
        try {
          const { stderr } = search()
          const [broken = "", seed = ""] = stderr.toString().split("\n").filter(Boolean)

          expect(broken).not.toBe("")
          expect(stderr.toString()).toContain("AGENTRUNTIME_TEST_SEED=")
          console.log(`${fault.name}: ${seed.slice(0, 60)}: ${broken.slice(0, 150)}`)
        } finally {
          writeFileSync(path, sound)
        }
      }, 120_000)
    }
  })
}
