import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ENGINE_FAULTS } from "./engine-faults.ts"
import { FAULTS, type Fault } from "./faults.ts"

const repository = join(import.meta.dir, "..", "..")
/** Within so many seeds, the same ones each time, a fault must be found. */
const SEEDS = 4_000
/** Fewer where the engine's own tests look, too. */
const ENGINE_SEEDS = 1_000
const LIMIT_MS = 120_000
const COPIED = [
  "src",
  "test/engine",
  "test/runtime",
  "test/sim",
  "dist-config/sim.ts",
  "package.json",
  "tsconfig.json",
  "bunfig.toml",
]

test("every planted fault still fits the source", () => {
  const all = [...FAULTS, ...ENGINE_FAULTS]
  const misfits = all.filter(f => f.from === f.to || readFileSync(join(repository, f.file), "utf8").split(f.from).length !== 2)

  expect(misfits.map(f => f.name)).toEqual([])
  expect(new Set(all.map(f => f.name)).size).toBe(all.length)
})

/** A copy of the sources in which something may be wrong. */
class Copy {
  readonly folder = mkdtempSync(join(tmpdir(), "agentruntime-faults-"))

  constructor() {
    for (const path of COPIED) cpSync(join(repository, path), join(this.folder, path), { recursive: true })
    symlinkSync(join(repository, "node_modules"), join(this.folder, "node_modules"), "junction")
  }

  with<T>({ file, from, to }: Fault, body: () => T): T {
    const path = join(this.folder, file)
    const sound = readFileSync(path, "utf8")
    writeFileSync(
      path,
      sound.replace(from, () => to),
    )
    try {
      return body()
    } finally {
      writeFileSync(path, sound)
    }
  }

  /** What the simulation says is broken, and at which seed; null when it finds nothing. */
  simulate(seeds = SEEDS): string | null {
    const { exitCode, stderr } = this.#bun("run", join("dist-config", "sim.ts"), "--from", "1", "--seeds", String(seeds))
    if (exitCode === 0) return null
    // A fault that does not even run would be found by anybody.
    if (exitCode !== null && !stderr.includes("AGENTRUNTIME_TEST_SEED=")) throw new Error(stderr)
    const [broken = "it does not end", seed = ""] = stderr.split("\n").filter(Boolean)
    return `${seed.slice(0, 60)}: ${broken.slice(0, 150)}`
  }

  /** The first test of the engine that fails; null when none does. */
  testEngine(): string | null {
    const { exitCode, stderr } = this.#bun("test", "--bail=1", "--timeout=60000", join("test", "engine"))
    if (exitCode === 0) return null
    return /^\(fail\) (.*)/m.exec(stderr)?.[1]?.slice(0, 150) ?? `no test fails, and it ends with ${exitCode}: ${stderr}`
  }

  #bun(...args: readonly string[]) {
    // Nothing else: what the environment says must not change what is printed.
    const { PATH, HOME, TMPDIR } = process.env
    const env = { PATH, HOME, TMPDIR, AGENTRUNTIME_TEST_SEED: "1" }
    const child = Bun.spawnSync([process.execPath, ...args], { cwd: this.folder, env, stderr: "pipe", timeout: LIMIT_MS })
    return { exitCode: child.exitCode, stderr: child.stderr.toString() }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

// Minutes of work that only a change of the simulation or of the tests themselves calls for.
if (process.env.AGENTRUNTIME_TEST_FAULTS === "1") {
  let copy: Copy
  beforeAll(() => {
    copy = new Copy()
  })
  afterAll(() => copy.remove())

  test(
    "nothing is found where nothing was planted",
    () => {
      expect(copy.simulate()).toBeNull()
      expect(copy.testEngine()).toBeNull()
    },
    LIMIT_MS,
  )

  describe("the simulation finds", () => {
    for (const fault of FAULTS) {
      test(
        fault.name,
        () => {
          const found = copy.with(fault, () => copy.simulate(fault.seeds))

          expect(found).toContain("AGENTRUNTIME_TEST_SEED=")
          console.log(`${fault.name}: ${found}`)
        },
        LIMIT_MS,
      )
    }
  })

  describe("the simulation or a test of the engine finds", () => {
    for (const fault of ENGINE_FAULTS) {
      test(
        fault.name,
        () => {
          const found = copy.with(fault, () => {
            const told = copy.simulate(fault.seeds ?? ENGINE_SEEDS)
            return told === null ? copy.testEngine() : `simulation: ${told}`
          })

          expect(found).not.toBeNull()
          console.log(`${fault.name}: ${found}`)
        },
        2 * LIMIT_MS,
      )
    }
  })
}
