import { expect, test } from "bun:test"
import { compilePlan } from "../../src/engine/graph.ts"
import type { RunFacts } from "../../src/engine/state.ts"
import type { JsonObject } from "../../src/kernel/json.ts"
import { STALL_DEFAULT_MS } from "../../src/kernel/limits.ts"
import { EventFeed } from "../../src/runtime/feed.ts"
import type { Journal, NewRun, StepExecutor } from "../../src/runtime/ports.ts"
import { Runs } from "../../src/runtime/runs.ts"
import { Worker } from "../../src/runtime/worker.ts"
import { stepTypes } from "../../src/steps/registry.ts"
import { createJournal } from "../../src/storage/journal.ts"
import { openTemporarySqlite } from "../helpers/database.ts"
import { until } from "./server.ts"

const graph: JsonObject = {
  steps: [
    { id: "slow", type: "lua_script", name: "slow", script: "return {}" },
    { id: "ask", type: "human_task", name: "ask" },
    { id: "then", type: "lua_script", name: "then", depends_on: ["ask"], script: "return {}" },
  ],
}
const facts: RunFacts = {
  ...{ runId: "r", tenantId: "t", projectId: "p", workflowId: "w", version: 1, triggerType: "api", userId: "u" },
  ...{ startedAt: 0, input: {}, excludedStepIds: [], parent: null },
}
const run: NewRun = { facts, workflowName: "w", idempotency: null }
const log = { error: () => {}, warn: () => {} }

test("an answer that arrives while a boot takes over a run makes no step of it run twice", async () => {
  const { db, close } = await openTemporarySqlite()
  const journal = createJournal(db)
  const plan = compilePlan(graph, stepTypes)
  /** A boot whose steps never end, with what it executed. */
  const boot = (bootId: string, its: Journal) => {
    const executed: string[] = []
    const executor: StepExecutor = {
      execute: ({ stepId, attempt }) => {
        executed.push(`${stepId} ${attempt}`)
        return new Promise(() => {})
      },
    }
    const worker = new Worker(new Map([["lua_script", executor]]), Math.random, log)
    const runs = new Runs({
      journal: its,
      plans: { planOf: async () => plan },
      worker,
      clock: { now: Date.now },
      bootId,
      feed: new EventFeed(),
      stallMs: STALL_DEFAULT_MS,
      log,
    })
    return { runs, executed }
  }
  const first = boot("killed", journal)
  await first.runs.start(run, plan)

  const second = boot("next", {
    ...journal,
    takeOver: async bootId => {
      const ids = await journal.takeOver(bootId)
      await second.runs.send("r", { type: "TaskCompleted", taskId: "ask", approved: true, result: {}, by: "u" })
      return ids
    },
  })
  await second.runs.recover()
  await until("both steps are under way", 5_000, () => new Set(second.executed).size === 2)

  expect(first.executed).toEqual(["slow 1"])
  expect(second.executed.toSorted()).toEqual(["slow 1", "then 1"])
  await close()
})
