import { compilePlan } from "../../src/engine/graph.ts"
import type { RunFacts } from "../../src/engine/state.ts"
import type { JsonObject } from "../../src/kernel/json.ts"
import { SNAPSHOT_EVERY_EVENTS, STALL_DEFAULT_MS } from "../../src/kernel/limits.ts"
import { EventFeed } from "../../src/runtime/feed.ts"
import { createLease } from "../../src/runtime/loops/lease.ts"
import { createWake } from "../../src/runtime/loops/wake.ts"
import type { Journal, Leases, NewRun, StepJob, StepOutcome } from "../../src/runtime/ports.ts"
import { Runs, type RunsDeps } from "../../src/runtime/runs.ts"
import { Worker } from "../../src/runtime/worker.ts"
import { graphOf, type Steps, types } from "../engine/machine.ts"

export const START = Date.UTC(2026, 5, 10, 8)

export interface Attempt {
  readonly job: StepJob
  readonly signal: AbortSignal
  readonly answer: (outcome: StepOutcome) => void
  readonly fail: (error: unknown) => void
}

export const done = (result: JsonObject = {}): StepOutcome => ({ ok: true, result })
export const failed = (retryable: boolean): StepOutcome => ({
  ok: false,
  failure: { code: "MCP_TOOL_FAILED", message: "no answer", retryable },
})

/** One boot of the runtime on a journal: its steps end when the test says so, its clock stands until it is moved. */
export function boot(
  journal: Journal,
  plans: Map<string, JsonObject>,
  time: { now: number },
  {
    snapshotEvery = SNAPSHOT_EVERY_EVENTS,
    leases,
    limits,
    resumes,
  }: { snapshotEvery?: number; leases?: Leases; limits?: RunsDeps["limits"]; resumes?: true } = {},
) {
  const attempts: Attempt[] = []
  const logged: object[] = []
  const log = { error: (fields: object) => void logged.push(fields), warn: (fields: object) => void logged.push(fields) }
  const execute = (job: StepJob, signal: AbortSignal) =>
    new Promise<StepOutcome>((answer, fail) => void attempts.push({ job, signal, answer, fail }))
  const worker = new Worker(new Map([["work", { execute, ...(resumes && { resumes }) }]]), () => 0.5, log)
  const planOf = async (workflowId: string) => {
    const graph = plans.get(workflowId)
    if (!graph) throw new Error("the plan cannot be read")
    return compilePlan(graph, types)
  }
  const clock = { now: () => time.now }
  const feed = new EventFeed()
  const bootId = crypto.randomUUID()
  const runs = new Runs({
    journal,
    plans: { planOf },
    worker,
    clock,
    bootId,
    feed,
    stallMs: STALL_DEFAULT_MS,
    snapshotEvery,
    ...(limits && { limits }),
    log,
  })

  /** Starts a run of these steps; its id. */
  async function start(steps: Steps, more: Partial<RunFacts> = {}, idempotencyKey: string | null = null): Promise<string> {
    const run = newRun({ startedAt: time.now, ...more }, idempotencyKey)
    plans.set(run.facts.workflowId, graphOf(steps))
    await runs.start(run, await planOf(run.facts.workflowId))
    return run.facts.runId
  }

  /** The attempt of a step, as soon as it is under way. */
  async function attemptOf(stepId: string, number = 1): Promise<Attempt> {
    return await eventually(() => attempts.find(a => a.job.stepId === stepId && a.job.attempt === number))
  }

  const wake = createWake({ journal, runs, stallMs: STALL_DEFAULT_MS, log })
  /** A round of the loop of leases. */
  async function lease(): Promise<number> {
    if (!leases) throw new Error("this boot was given no leases")
    return await createLease({ leases, runs, bootId })(time.now)
  }

  return { bootId, feed, lease, runs, worker, attempts, logged, start, attemptOf, planOf, wake: () => wake(time.now) }
}

export function newRun(more: Partial<RunFacts> = {}, idempotencyKey: string | null = null): NewRun {
  const facts: RunFacts = {
    runId: Bun.randomUUIDv7(),
    tenantId: "t1",
    projectId: "p1",
    workflowId: Bun.randomUUIDv7(),
    version: 1,
    triggerType: "api",
    userId: "u1",
    startedAt: START,
    input: {},
    excludedStepIds: [],
    parent: null,
    ...more,
  }
  return { facts, workflowName: "nightly", idempotency: idempotencyKey === null ? null : { key: idempotencyKey, hash: "h" } }
}

/** Waits until there is something. */
export async function eventually<T>(
  look: () => T | undefined | null | false | Promise<T | undefined | null | false>,
): Promise<T> {
  const deadline = performance.now() + 10_000
  for (;;) {
    const seen = await look()
    if (seen) return seen
    if (performance.now() > deadline) throw new Error("it never came")
    await Bun.sleep(2)
  }
}

/** Lets everything that is already on its way happen. */
export const settled = () => Bun.sleep(30)
