import type { Plan } from "../../engine/graph.ts"
import type { Caller } from "../../http/permission.ts"
import { AppError, messageOf } from "../../kernel/errors.ts"
import { REPLAY_LOOK_BACK, REPLAY_MAX_MS, REPLAY_RUNS_MAX, REPLAYS_PARALLEL_MAX } from "../../kernel/limits.ts"
import type { Journal, StepExecutor } from "../../runtime/ports.ts"
import type { RecordingStore } from "../recordings/store.ts"
import type { RunStore } from "../runs/store.ts"
import type { WorkflowService } from "../workflows/service.ts"
import { createAnswers } from "./answers.ts"
import { compareRuns } from "./comparison.ts"
import type { ReplayLine, ReplayRequest, RunReport, Summary } from "./contract.ts"
import { replayRun } from "./host.ts"
import { readRecordedRun } from "./recorded-run.ts"
import { Recording } from "./recording.ts"

export interface ReplayDeps {
  readonly workflows: Pick<WorkflowService, "row" | "planOf" | "draftPlan">
  readonly runs: Pick<RunStore, "find">
  readonly recordings: Pick<RecordingStore, "entries" | "get" | "recordedRuns">
  readonly journal: Pick<Journal, "load">
  readonly lua: StepExecutor
  readonly stallMs: number
  /** Real time, ms. */
  readonly elapsed: () => number
  readonly log: { error(fields: object, message: string): void }
}

/** Runs a graph against recorded runs, in memory: no run, no row, no call comes of it. */
export class ReplayService {
  #underWay = 0

  constructor(private readonly deps: ReplayDeps) {}

  /**
   * Resolves when it is clear what is replayed; the lines then come as they are ready. Throws `AppError` for what is refused: unknown
   * ids, a graph that cannot run, too many replays at once.
   */
  async replay(
    caller: Caller,
    workflowId: string,
    request: ReplayRequest,
    signal: AbortSignal,
  ): Promise<AsyncGenerator<ReplayLine>> {
    const workflow = await this.deps.workflows.row(caller, workflowId)
    const plan = await this.#planOf(workflow.id, workflow.graph, request)
    const runIds = await this.#runIds(caller, workflow.id, request)
    if (this.#underWay >= REPLAYS_PARALLEL_MAX) {
      const sentence = "too many replays are under way; try again when one has ended"
      throw new AppError("unavailable", sentence, { code: "TOO_MANY_REPLAYS", retryAfterS: 5 })
    }
    return this.#lines(runIds, plan, signal)
  }

  async #planOf(workflowId: string, draft: unknown, { graph, version }: ReplayRequest): Promise<Plan> {
    if (graph !== undefined && version !== undefined) throw invalid("send either graph or version")
    if (version !== undefined) return await this.deps.workflows.planOf(workflowId, version)
    return this.deps.workflows.draftPlan(graph ?? draft)
  }

  async #runIds(caller: Caller, workflowId: string, { run_ids, last }: ReplayRequest): Promise<readonly string[]> {
    if (run_ids === undefined) {
      if (last === undefined) throw invalid("send run_ids, or last: how many of the newest recorded runs")
      return await this.deps.recordings.recordedRuns(workflowId, Math.min(last, REPLAY_RUNS_MAX), REPLAY_LOOK_BACK)
    }
    if (last !== undefined) throw invalid("send either run_ids or last")
    const ids = [...new Set(run_ids.map(id => id.toLowerCase()))]
    for (const id of ids) {
      if (!(await this.deps.runs.find(caller, workflowId, id))) {
        throw new AppError("not_found", `there is no run ${JSON.stringify(id.slice(0, 100))} of this workflow`)
      }
    }
    return ids
  }

  async *#lines(runIds: readonly string[], plan: Plan, signal: AbortSignal): AsyncGenerator<ReplayLine> {
    this.#underWay++
    try {
      const startedAt = this.deps.elapsed()
      const reports = new Totals()
      yield { type: "started", runs: runIds.length }
      for (const [i, runId] of runIds.entries()) {
        if (signal.aborted) break
        const late = this.deps.elapsed() - startedAt > REPLAY_MAX_MS
        const run = late
          ? unplayed(runId, "the replay as a whole took too long; ask for fewer runs")
          : await this.#one(runId, plan, signal)
        reports.add(run)
        yield { type: "run", done: i + 1, run }
      }
      yield { type: "summary", summary: reports.summary() }
    } finally {
      this.#underWay--
    }
  }

  async #one(runId: string, plan: Plan, signal: AbortSignal): Promise<RunReport> {
    const { journal, workflows, recordings, lua, stallMs, elapsed, log } = this.deps
    try {
      const journaled = await journal.load(runId, null)
      if (!journaled) return unplayed(runId, "the run is not there any more")
      const { facts } = journaled.run
      const recorded = readRecordedRun(facts, await workflows.planOf(facts.workflowId, facts.version), journaled.events)
      if (!recorded.state.recording) return unplayed(runId, "the run was not recorded; start one with record: true")
      if (recorded.state.completedAt === null) return unplayed(runId, "the run has not ended yet")
      const recording = new Recording({ runId, entries: await recordings.entries(runId), get: recordings.get })
      const answer = createAnswers({ recorded, recording, lua })
      return compareRuns(recorded.state, await replayRun(recorded, plan, { answer, stallMs, elapsed, signal }))
    } catch (error) {
      log.error({ run_id: runId, error: messageOf(error) }, "a run could not be replayed")
      return unplayed(runId, "the run could not be replayed because of an internal error; the log has it")
    }
  }
}

class Totals {
  readonly #changes = new Map<string, number>()
  readonly #steps = new Map<string, Map<string, number>>()
  #counts = { runs: 0, identical: 0, changed: 0, not_replayed: 0 }

  add({ identical, outcome, steps }: RunReport): void {
    this.#counts.runs++
    if (outcome === null) this.#counts.not_replayed++
    else if (identical) this.#counts.identical++
    else this.#counts.changed++
    for (const { step_id, change } of steps) {
      increment(this.#changes, change)
      if (change === "same") continue
      const ofStep = this.#steps.get(step_id) ?? new Map<string, number>()
      increment(ofStep, change)
      this.#steps.set(step_id, ofStep)
    }
  }

  summary(): Summary {
    const steps = [...this.#steps].map(([id, changes]) => [id, Object.fromEntries(changes)] as const)
    return { ...this.#counts, changes: Object.fromEntries(this.#changes), steps: Object.fromEntries(steps) }
  }
}

function increment(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

function unplayed(runId: string, problem: string): RunReport {
  return { run_id: runId, version: null, identical: false, problem, outcome: null, steps: [], steps_left_out: 0 }
}

function invalid(sentence: string): AppError {
  return new AppError("bad_request", `invalid request body: ${sentence}`, { code: "INVALID_BODY" })
}
