import { describe, expect, test } from "bun:test"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { RunEvent } from "../../src/engine/events.ts"
import { evolve } from "../../src/engine/evolve.ts"
import { compilePlan } from "../../src/engine/graph.ts"
import { readSnapshot, SNAPSHOT_FORMAT, writeSnapshot } from "../../src/engine/snapshot.ts"
import { initialState, PENDING, type RunState } from "../../src/engine/state.ts"
import type { JsonObject } from "../../src/kernel/json.ts"
import { FACTS, graphOf, types } from "./machine.ts"
import { Random } from "./random.ts"
import { SEED } from "./seed.ts"
import { WatchedRun } from "./watched-run.ts"

const RUNS = 400
const PINNED_RUNS = 24
const pinned = join(import.meta.dir, "snapshots.json")

interface Pinned {
  readonly graph: JsonObject
  readonly events: readonly { readonly event: RunEvent; readonly at: number }[]
  /** Of the snapshot of every fold on the way. */
  readonly digest: string
}

function lived(seed: number): WatchedRun {
  const run = new WatchedRun(new Random(seed))
  run.live()
  return run
}

describe("a snapshot", () => {
  test(`and the events behind it give the state that all events give (seed ${SEED})`, () => {
    for (let i = 0; i < RUNS; i++) {
      const run = lived(SEED + i)
      const { facts, plan } = run.initial
      const cut = run.random.below(run.journal.length + 1)
      let state = run.initial
      for (const { event, at } of run.journal.slice(0, cut)) state = evolve(state, event, at)

      const read = readSnapshot(writeSnapshot(state), facts, plan)

      expect(Bun.deepEquals(read, state, true)).toBe(true)
      const rest = run.journal.slice(cut)
      expect(
        Bun.deepEquals(
          rest.reduce((s, e) => evolve(s, e.event, e.at), read!),
          run.state,
          true,
        ),
      ).toBe(true)
    }
  })

  test("that is damaged, or of another graph, is none", () => {
    const { state } = lived(1)
    const text = writeSnapshot(state)
    const { steps } = JSON.parse(text)
    const other = JSON.stringify({ ...JSON.parse(text), steps: [...steps, {}] })
    for (const damaged of ["", "null", "[]", "{}", "1", text.slice(0, -1), text.slice(1), other])
      expect(readSnapshot(damaged, state.facts, state.plan)).toBeNull()
  })
})

/**
 * Snapshots outlive the executable that wrote them. The file beside this test holds recorded events of random runs, and what
 * they were folded to in the current format. When this test fails, old snapshots do not mean what new ones mean: raise
 * SNAPSHOT_FORMAT, then AGENTRUNTIME_TEST_WRITE=1 bun test test/engine/snapshot.test.ts
 */
test("snapshots of one format mean the same for ever", () => {
  const before = JSON.parse(readFileSync(pinned, "utf8")) as {
    format: number
    shape: Record<string, readonly string[]>
    runs: readonly Pinned[]
  }
  if (process.env.AGENTRUNTIME_TEST_WRITE === "1" && before.format !== SNAPSHOT_FORMAT) writeFileSync(pinned, pin())
  const { format, shape, runs } = JSON.parse(readFileSync(pinned, "utf8")) as typeof before

  expect(SNAPSHOT_FORMAT).toBe(format)
  expect(shapeOf(runs.flatMap(folds))).toEqual(shape)
  expect(runs.map(run => digest(folds(run)))).toEqual(runs.map(run => run.digest))
})

function pin(): string {
  const runs = Array.from({ length: PINNED_RUNS }, (_, seed): Pinned => {
    const run = lived(seed)
    const recorded = { graph: graphOf(run.steps), events: run.journal, digest: "" }
    return { ...recorded, digest: digest(folds(recorded)) }
  })
  return `${JSON.stringify({ format: SNAPSHOT_FORMAT, shape: shapeOf(runs.flatMap(folds)), runs })}\n`
}

/** The state before the first event, and after each. */
function folds({ graph, events }: Pinned): readonly RunState[] {
  const states = [initialState(FACTS, compilePlan(graph, types))]
  for (const { event, at } of events) states.push(evolve(states.at(-1)!, event, at))
  return states
}

function digest(states: readonly RunState[]): string {
  return Bun.hash(states.map(writeSnapshot).join("\n")).toString(16)
}

/** The names of every object that a state is made of. */
function shapeOf(states: readonly RunState[]): Record<string, readonly string[]> {
  const loops = states.flatMap(s => s.steps.flatMap(step => (step.loop ? [step.loop] : [])))
  const bodies = loops.flatMap(l => [...l.past, ...l.live])
  const steps = [...states.flatMap(s => s.steps), ...bodies.flatMap(b => b.steps)]
  const tasks = [...steps, ...bodies].flatMap(s => (s.task ? [s.task] : []))
  return {
    state: namesOf(states),
    step: namesOf([PENDING]),
    loop: namesOf(loops),
    body: namesOf(bodies),
    task: namesOf(tasks),
    answer: namesOf(steps.flatMap(s => s.answers)),
    note: namesOf(steps.flatMap(s => s.notes)),
    episode: namesOf(states.flatMap(s => (s.episode ? [s.episode] : []))),
  }
}

function namesOf(objects: readonly object[]): readonly string[] {
  return [...new Set(objects.flatMap(Object.keys))].sort()
}
