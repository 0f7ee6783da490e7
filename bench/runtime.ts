import { join } from "node:path"
import { compilePlan } from "../src/engine/graph.ts"
import { isFinal } from "../src/engine/state.ts"
import type { StepType, StepTypes } from "../src/engine/step-type.ts"
import type { JsonObject } from "../src/kernel/json.ts"
import { STALL_DEFAULT_MS } from "../src/kernel/limits.ts"
import { EventFeed } from "../src/runtime/feed.ts"
import type { Journal, NewRun, StepExecutor } from "../src/runtime/ports.ts"
import { Runs } from "../src/runtime/runs.ts"
import { Worker } from "../src/runtime/worker.ts"
import { createJournal } from "../src/storage/journal.ts"
import { migrateSqlite } from "../src/storage/migrate.ts"
import { openSqlite } from "../src/storage/sqlite/open.ts"
import { migrationsFolder } from "./folder.ts"

/** The step that does nothing: what is left of a run is the runtime itself. Known here only. */
export const nothing: StepType = {
  type: "bench_nothing",
  title: "Nothing",
  description: "Does nothing.",
  runs: "outside",
  fields: {},
  timeoutDefaultMs: null,
}

export const doNothing: StepExecutor = { execute: async () => ({ ok: true, result: {} }) }

/** A run of this graph ends with its start, so that nothing goes on behind the answer: 3 events and the run's row. */
export const nothingToWaitFor: JsonObject = {
  steps: [{ id: "off", name: "Off", type: "lua_script", script: "return {}", enabled: false }],
}

/** `length` steps, each waiting for the one before. */
export function sequence(length: number, step: JsonObject): JsonObject {
  const steps = Array.from({ length }, (_, i) => ({
    ...step,
    id: `s${i}`,
    name: `Step ${i}`,
    depends_on: i === 0 ? [] : [`s${i - 1}`],
  }))
  return { steps }
}

/** Tells who waits when a run's end is on disk. */
export class Ends {
  readonly #waiting = new Map<string, () => void>()
  readonly #past = new Set<string>()

  /** Asked before or after the end, once a run. */
  of(runId: string): Promise<void> {
    if (this.#past.delete(runId)) return Promise.resolve()
    return new Promise(resolve => this.#waiting.set(runId, resolve))
  }

  watch(journal: Journal): Journal {
    return {
      ...journal,
      append: async (run, append) => {
        await journal.append(run, append)
        if (append.header && isFinal(append.header.status)) this.#tell(run.facts.runId)
      },
    }
  }

  #tell(runId: string): void {
    const waiting = this.#waiting.get(runId)
    if (waiting === undefined) this.#past.add(runId)
    else waiting()
    this.#waiting.delete(runId)
  }
}

/** The runtime alone, on a fresh database, without HTTP. */
export async function openRuntime(folder: string) {
  const { path, db } = await openDatabase(folder)
  const types: StepTypes = new Map([[nothing.type, nothing]])
  const plan = compilePlan(sequence(5, { type: nothing.type }), types)
  const ends = new Ends()
  const worker = new Worker(new Map([[nothing.type, doNothing]]), Math.random, log)
  const journal = ends.watch(createJournal(db))
  const plans = { planOf: async () => plan }
  const runs = new Runs({
    journal,
    plans,
    worker,
    clock: { now: Date.now },
    bootId: Bun.randomUUIDv7(),
    feed: new EventFeed(),
    stallMs: STALL_DEFAULT_MS,
    log,
  })
  return { path, db, runs, plan, ends }
}

export async function openDatabase(folder: string) {
  const path = join(folder, "runtime.db")
  await migrateSqlite(path, migrationsFolder, Date.now())
  const onFatal = (error: Error) => {
    throw error
  }
  return { path, db: openSqlite(path, { onFatal }) }
}

export type BenchRuntime = Awaited<ReturnType<typeof openRuntime>>

/** One run of the five steps, from its start to its end on disk. Its id. */
export async function runOnce({ runs, plan, ends }: BenchRuntime): Promise<string> {
  const run = newRun()
  const ended = ends.of(run.facts.runId)
  await runs.start(run, plan)
  await ended
  return run.facts.runId
}

/** Keeps so many runs in flight for so long. Runs a second. */
export async function runMany(runtime: BenchRuntime, inFlight: number, forMs: number): Promise<number> {
  const started = performance.now()
  let ended = 0
  const lane = async () => {
    while (performance.now() - started < forMs) {
      await runOnce(runtime)
      ended++
    }
  }
  await Promise.all(Array.from({ length: inFlight }, lane))
  return ended / ((performance.now() - started) / 1000)
}

export function newRun(): NewRun {
  return {
    facts: {
      runId: Bun.randomUUIDv7(),
      tenantId: "default",
      projectId: PROJECT_ID,
      workflowId: WORKFLOW_ID,
      version: 1,
      triggerType: "api",
      userId: USER_ID,
      startedAt: Date.now(),
      input: {},
      excludedStepIds: [],
      parent: null,
    },
    workflowName: "bench",
    idempotency: null,
  }
}

const PROJECT_ID = Bun.randomUUIDv7()
const WORKFLOW_ID = Bun.randomUUIDv7()
const USER_ID = Bun.randomUUIDv7()

function fail(fields: object, message: string): never {
  throw new Error(`${message}: ${JSON.stringify(fields)}`)
}

/** Nothing may go wrong in a benchmark. */
export const log = { error: fail, warn: fail }
