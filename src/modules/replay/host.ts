import { type Command, commands, type Execute } from "../../engine/commands.ts"
import { decide } from "../../engine/decide.ts"
import type { Plan } from "../../engine/graph.ts"
import type { Attempt, RunInput } from "../../engine/inputs.ts"
import { openPlaces, stateAt, stepAt } from "../../engine/place.ts"
import { scriptScope } from "../../engine/scope.ts"
import { initialState, isFinal, pendingTasks, type RunState, wakeAt } from "../../engine/state.ts"
import { REPLAY_DECISIONS_MAX, REPLAY_RUN_MAX_MS } from "../../kernel/limits.ts"
import { placeKey } from "../../runtime/active-run.ts"
import type { StepJob, StepOutcome } from "../../runtime/ports.ts"
import { inputOf } from "../../runtime/worker.ts"
import { attemptKey, type RecordedInput, type RecordedRun } from "./recorded-run.ts"

/** Why nobody can say what a step would have answered. */
export type Unknown = "no_recording" | "not_replayable"

/** What a step answers in a replay. */
export type Answer = StepOutcome | { readonly unknown: Unknown }

export interface Replayed {
  /** As far as the run came. */
  readonly state: RunState
  /** Steps that nobody could answer for, by `placeKey`: what waits for them stays open. */
  readonly unknown: ReadonlyMap<string, Unknown>
  /** Why it was given up; null: it went as far as it can. */
  readonly problem: string | null
}

export interface HostDeps {
  answer(job: StepJob, signal: AbortSignal): Promise<Answer>
  readonly stallMs: number
  /** Real time in ms, for the limit. */
  readonly elapsed: () => number
  readonly signal: AbortSignal
}

/**
 * Runs a graph in memory as the recorded run went: what comes from outside comes in the order in which it came then, at the times of
 * then, and what did not come then comes at once. Nothing is written and nobody waits: the clock is the recording's.
 */
export async function replayRun(recorded: RecordedRun, plan: Plan, deps: HostDeps): Promise<Replayed> {
  const replay = new Replay(recorded, plan, deps)
  const problem = await replay.run()
  return { state: replay.state, unknown: replay.unknown, problem }
}

interface Pending {
  readonly order: Execute
  readonly who: Attempt
  readonly seq: number
  readonly at: number | null
}

/** Behind everything that was recorded: an attempt that was called off in the run. */
const CALLED_OFF = Number.POSITIVE_INFINITY
/** Before everything: what the run had not. */
const AT_ONCE = -1
/** Real time after which others get their turn. */
const SLICE_MS = 10

class Replay {
  state: RunState
  readonly unknown = new Map<string, Unknown>()
  readonly #pending = new Map<string, Pending>()
  readonly #inputs: RecordedInput[]
  #now: number
  #decisions = 0

  constructor(
    private readonly recorded: RecordedRun,
    plan: Plan,
    private readonly deps: HostDeps,
  ) {
    this.state = initialState(recorded.facts, plan)
    this.#now = recorded.facts.startedAt
    this.#inputs = [...recorded.inputs]
  }

  async run(): Promise<string | null> {
    const startedAt = this.deps.elapsed()
    let sliceAt = startedAt
    this.#decide({ type: "Start", identity: this.recorded.state.identity })
    while (!isFinal(this.state.status) && (await this.#step())) {
      const elapsed = this.deps.elapsed()
      if (this.deps.signal.aborted) return "the replay was called off"
      if (this.#decisions > REPLAY_DECISIONS_MAX) return `the run went on for more than ${REPLAY_DECISIONS_MAX} decisions`
      if (elapsed - startedAt > REPLAY_RUN_MAX_MS) return `the replay took longer than ${REPLAY_RUN_MAX_MS / 1000} s`
      if (elapsed - sliceAt < SLICE_MS) continue
      await new Promise(resolve => setImmediate(resolve))
      sliceAt = this.deps.elapsed()
    }
    return null
  }

  /** The next thing that happens; false when nothing can. */
  async #step(): Promise<boolean> {
    const attempt = this.#nextAttempt()
    const input = this.#nextInput()
    const next = input && (!attempt || input.seq < attempt.seq) ? input : attempt
    const at = next?.at ?? (attempt?.seq === AT_ONCE && next === attempt ? this.#now : null)
    if (this.#clockBefore(at)) return true
    if (!next) return false
    this.#now = Math.max(this.#now, at ?? this.#now)
    if (next === input) {
      this.#inputs.splice(this.#inputs.indexOf(input), 1)
      this.#decide(input.input)
    } else if (attempt) await this.#execute(attempt)
    return true
  }

  #nextAttempt(): Pending | null {
    let first: Pending | null = null
    for (const [key, one] of this.#pending) if (!this.unknown.has(key) && (!first || one.seq < first.seq)) first = one
    return first
  }

  /** A person's answer comes when its task is there. */
  #nextInput(): RecordedInput | null {
    if (this.#inputs.length === 0) return null
    const open = new Set(pendingTasks(this.state).map(({ task }) => task.taskId))
    return this.#inputs.find(({ input }) => input.type !== "TaskCompleted" || open.has(input.taskId)) ?? null
  }

  /**
   * What is due by then: `at` null means when nothing else happens. Retries are never waited for; all else only as long as the
   * recorded run went on, for what came behind its end nobody knows.
   */
  #clockBefore(at: number | null): boolean {
    const due = wakeAt(this.state, this.deps.stallMs)
    if (due === null || due > (at ?? Number.POSITIVE_INFINITY)) return false
    if (at === null && due > this.recorded.lastAt && !this.#isRetry(due)) return false
    const before = this.state.seq
    this.#now = Math.max(this.#now, due)
    this.#decide({ type: "ClockReached", stallMs: this.deps.stallMs })
    return this.state.seq > before
  }

  #isRetry(due: number): boolean {
    return this.state.status === "running" && openPlaces(this.state, s => s.retryAt === due).length > 0
  }

  async #execute(pending: Pending): Promise<void> {
    const key = placeKey(pending.order.place)
    const answer = await this.deps.answer(this.#jobOf(pending), this.deps.signal)
    if ("unknown" in answer) {
      this.unknown.set(key, answer.unknown)
      return
    }
    this.#pending.delete(key)
    // Without a spread a retry is never later than it was in the run.
    this.#decide(inputOf(pending.who, answer, 0))
  }

  #decide(input: RunInput): void {
    this.#decisions++
    const before = this.state
    this.state = decide(before, input, this.#now).state
    for (const command of commands(before, this.state)) this.#obey(command)
  }

  #obey(command: Command): void {
    if (command.type === "cancel") {
      this.#pending.delete(placeKey(command.place))
      this.unknown.delete(placeKey(command.place))
    }
    if (command.type !== "execute") return
    const { place, attempt, round, answers } = command
    const who = { stepId: stepAt(this.state, place).path, item: place.within?.item ?? null, attempt, round, answers }
    const name = attemptKey(who)
    const end = this.recorded.ends.get(name)
    const seq = end?.seq ?? (this.recorded.begun.has(name) ? CALLED_OFF : AT_ONCE)
    this.#pending.set(placeKey(place), { order: command, who, seq, at: end?.at ?? null })
  }

  #jobOf({ order: { place }, who }: Pending): StepJob {
    const step = stepAt(this.state, place)
    const { runId, tenantId, projectId, workflowId, version, userId, parent } = this.state.facts
    const state = stateAt(this.state, place)
    return {
      ...{ runId, tenantId, projectId, workflowId, version, userId, depth: parent?.depth ?? 0 },
      ...{ stepId: step.path, item: who.item, stepType: step.type.type, round: who.round, attempt: who.attempt },
      ...{ recording: false, resumed: false, onCrash: step.onCrash, notes: [], answers: [] },
      idempotencyKey: `replay:${attemptKey(who)}`,
      config: state?.input ?? {},
      scope: () => scriptScope(this.state, place),
      timeoutMs: step.timeoutMs,
      progress() {},
      async record() {},
    }
  }
}
