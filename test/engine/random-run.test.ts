import { expect, test } from "bun:test"
import { commands } from "../../src/engine/commands.ts"
import { decide } from "../../src/engine/decide.ts"
import type { RunEvent } from "../../src/engine/events.ts"
import { evolve } from "../../src/engine/evolve.ts"
import type { RunInput } from "../../src/engine/inputs.ts"
import { isEnded, isFinal, type RunState, wakeAt } from "../../src/engine/state.ts"
import { answered, at, clock, created, resume, start, succeeded, summary } from "./machine.ts"
import { Random, randomInput, randomSteps } from "./random.ts"
import { SEED } from "./seed.ts"

const RUNS = 1500
const INPUTS_MAX = 40

test(`${RUNS} random runs keep every promise of the machine (seed ${SEED})`, () => {
  const ends = new Map<string, number>()
  for (let i = 0; i < RUNS; i++) {
    const run = new WatchedRun(new Random(SEED + i))
    try {
      run.live()
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}\nAGENTRUNTIME_TEST_SEED=${SEED + i}\n${run.story()}`)
    }
    ends.set(run.state.status, (ends.get(run.state.status) ?? 0) + 1)
  }
  expect([...ends.keys()].sort()).toEqual(["completed", "failed", "stopped"])
}, 30_000)

/** A run beside a host that does what it is ordered, and a sceptic who recounts everything after every input. */
class WatchedRun {
  readonly steps
  readonly initial: RunState
  state: RunState
  /** The fold of everything that was ever recorded. */
  folded: RunState
  readonly journal: { readonly event: RunEvent; readonly at: number }[] = []
  readonly inputs: string[] = []
  /** What the host was ordered and was not told to let go, by the step's index. */
  readonly executing = new Map<number, number>()
  readonly ordered = new Set<string>()
  readonly outcomes = new Map<string, number>()
  now = at(0)

  constructor(readonly random: Random) {
    this.steps = randomSteps(random)
    this.initial = created(this.steps, { excludedStepIds: random.chance(0.1) ? ["s0"] : [] })
    this.state = this.initial
    this.folded = this.initial
  }

  live(): void {
    this.commit([start])
    const length = this.random.below(INPUTS_MAX)
    for (let i = 0; i < length; i++) {
      this.now += this.random.chance(0.5) ? 0 : this.random.below(3000)
      const together = this.random.chance(0.2) ? 1 + this.random.below(4) : 1
      this.commit(Array.from({ length: together }, () => randomInput(this.random, this.state, this.executing)))
      if (this.random.chance(0.05)) this.recover()
    }
    this.bringToAnEnd()
    this.recover()
    this.checkOutcomes()
  }

  /** Decides inputs that arrived together, and does what their one commit orders. */
  commit(inputs: readonly RunInput[]): void {
    const before = this.state
    for (const input of inputs) this.decide(input)
    for (const command of commands(before, this.state)) {
      const name = `${command.index} #${command.attempt}`
      if (command.type === "cancel") {
        check(this.executing.get(command.index) === command.attempt, `cancel of ${name}, which is not under way`)
        this.executing.delete(command.index)
      } else {
        check(!this.ordered.has(name), `${name} is ordered twice`)
        check(!this.executing.has(command.index), `${name} is ordered beside another attempt`)
        this.ordered.add(name)
        this.executing.set(command.index, command.attempt)
      }
    }
    check(
      Bun.deepEquals([...this.executing].sort(byFirst), underWay(this.state)),
      "the host executes something else than the state says",
    )
  }

  decide(input: RunInput): void {
    this.inputs.push(JSON.stringify(input))
    const before = this.state
    const { events, state } = decide(before, input, this.now)
    check(!isFinal(before.status) || events.length === 0, "events behind a final state")
    check(isOwed(before, input) || events.length === 0, "an answer that nobody waits for decided something")
    check(events.length > 0 || state === before, "a state changed without an event")
    for (const event of events) this.record(event)
    check(state.seq === before.seq + events.length, "seq does not count the events")
    check(Bun.deepEquals(this.folded, state, true), "the fold of the journal is not the decided state")
    this.state = state
    checkCounters(state)
    checkRest(state)
    checkFailure(events, before.status)
    this.checkClock()
  }

  /** Each event must be possible where it stands. */
  record(event: RunEvent): void {
    const { folded } = this
    check(!isFinal(folded.status), `${summary(event)} behind the end`)
    check((folded.seq === 0) === (event.type === "run_started"), "a run starts once, and first")
    if (event.type === "state_changed") check(event.data.from === folded.status, "a state change from another state")
    if (event.type === "step_started") checkStart(folded, event)
    if (event.type === "step_completed" || event.type === "step_failed" || event.type === "step_cancelled") {
      const count = (this.outcomes.get(event.stepId) ?? 0) + 1
      check(count === 1, `${event.stepId} ended twice`)
      this.outcomes.set(event.stepId, count)
    }
    this.journal.push({ event, at: this.now })
    this.folded = evolve(folded, event, this.now)
  }

  /** The alarm is neither too early nor too late. */
  checkClock(): void {
    const wake = wakeAt(this.state)
    if (wake === null) {
      check(decide(this.state, clock, this.now + 1e9).events.length === 0, "something would be due that nobody waits for")
    } else {
      check(decide(this.state, clock, wake).events.length > 0, "the run wakes for nothing")
      check(decide(this.state, clock, wake - 1).events.length === 0, "the run wakes too late")
    }
  }

  /** A new process: nothing but the journal. */
  recover(): void {
    const state = this.journal.reduce((s, e) => evolve(s, e.event, e.at), this.initial)
    check(Bun.deepEquals(state, this.state, true), "recovery gives another state")
    const orders = commands(null, state).map(c => [c.index, c.attempt])
    check(Bun.deepEquals(orders, [...this.executing].sort(byFirst)), "recovery orders something else than was under way")
    this.state = state
  }

  /** Every answer that is still owed, until there is nothing left to answer. */
  bringToAnEnd(): void {
    for (let i = 0; !isFinal(this.state.status); i++) {
      check(i < 100, "all is answered and the run does not end")
      if (this.state.pauseReason === "operator") this.commit([resume])
      const [index, attempt] = [...this.executing][0] ?? []
      const task = this.state.steps.find(s => s.task)?.task
      if (index !== undefined) this.commit([succeeded(this.state.plan.steps[index]!.id, {}, attempt)])
      else if (task) this.commit([answered(task.taskId, this.random.chance(0.5))])
      else {
        this.now = Math.max(this.now, wakeAt(this.state) ?? 0)
        this.commit([clock])
      }
    }
    check(this.executing.size === 0, "a run ended and something is still under way")
  }

  checkOutcomes(): void {
    const { state } = this
    for (const { status } of state.steps) {
      check(isEnded(status) || (status === "pending" && state.status === "stopped"), `a ${status} step in a ${state.status} run`)
      check(state.status !== "completed" || status === "completed" || status === "skipped", `a ${status} step in a completed run`)
    }
    if (state.status === "completed") for (const s of state.plan.steps) checkSkip(state, s.index)
  }

  story(): string {
    return [JSON.stringify(this.steps), ...this.inputs, "", ...this.journal.map(e => summary(e.event))].join("\n")
  }
}

function checkStart(state: RunState, event: Extract<RunEvent, { type: "step_started" }>): void {
  const index = state.plan.indexOf.get(event.stepId)!
  const step = state.plan.steps[index]!
  const { status, attempt, retryAt } = state.steps[index]!
  const forPeople = state.status === "paused" && state.pauseReason === "human_task" && step.type.runs === "person"
  check(state.status === "running" || forPeople, `${step.id} starts in a ${state.status} run`)
  check(state.failedStepId === null, `${step.id} starts behind a failure`)
  check(
    event.data.attempt === attempt + 1 && attempt <= step.retryCount,
    `${step.id} starts attempt ${event.data.attempt} after ${attempt}`,
  )
  check(attempt === 0 ? status === "pending" : status === "running" && retryAt !== null, `${step.id} starts twice`)
  for (const d of step.dependsOn)
    check(isEnded(state.steps[d]!.status), `${step.id} starts before ${state.plan.steps[d]!.id} ended`)
}

function checkCounters(state: RunState): void {
  const count = (...statuses: readonly string[]) => state.steps.filter(s => statuses.includes(s.status)).length
  check(state.open === count("pending", "running", "waiting"), "open is miscounted")
  check(state.moving === count("running"), "moving is miscounted")
  check(state.waiting === count("waiting"), "waiting is miscounted")
  for (const s of state.steps) check((s.status === "waiting") === (s.task !== null), "a task without a step that waits for it")
}

/** Between two inputs a run is where contract S-11 says, and nothing that could start is left lying. */
function checkRest(state: RunState): void {
  const { status, pauseReason, moving, waiting, open } = state
  if (status === "running") check(moving > 0, "a running run in which nothing moves")
  if (status === "draining") check(moving > 0 && waiting === 0, "a draining run in which nothing moves")
  if (status === "draining")
    check(
      state.steps.every(s => s.retryAt === null),
      "a draining run waits for a retry",
    )
  if (pauseReason === "human_task") check(moving === 0 && waiting > 0, "a run waits for people without reason")
  if (status === "completed") check(open === 0, "a completed run with open steps")
  check((status === "paused") === (pauseReason !== null), "a pause without a reason")
  check((state.completedAt !== null) === isFinal(status), "completedAt does not fit the status")
  if (status !== "running" && pauseReason !== "human_task") return
  for (const [i, s] of state.steps.entries()) {
    const ready = state.plan.steps[i]!.dependsOn.every(d => isEnded(state.steps[d]!.status))
    check(s.status !== "pending" || !ready, `${state.plan.steps[i]!.id} is ready and was not started`)
  }
}

/** Contract G-14: the failure, what it cancels, what it blocks, the end; nothing between or behind. */
function checkFailure(events: readonly RunEvent[], from: string): void {
  const first = events.findIndex(e => e.type === "step_failed")
  if (first < 0 || from === "draining") return
  const phases = events
    .slice(first)
    .map(e => ["step_failed", "step_cancelled", "step_completed", "state_changed"].indexOf(e.type))
  check(
    phases.every((p, i) => p >= 0 && (i === 0 || p >= phases[i - 1]!)),
    `a failure in disorder: ${events.map(summary)}`,
  )
  check(summary(events.at(-1)!) === "state_changed failed", "a failed step did not fail the run")
}

/** Why a step of a completed run was passed over, worked out again from what the others gave. */
function checkSkip(state: RunState, index: number): void {
  const step = state.plan.steps[index]!
  const blocked = step.dependsOn.some(d => state.steps[d]!.rejected || state.steps[d]!.skipReason === "blocked")
  const { status, skipReason } = state.steps[index]!
  check((status === "skipped") === (skipReason !== null), `${step.id} is ${status} because of ${skipReason}`)
  if (skipReason === "step_disabled") check(!step.enabled, `${step.id} is not disabled`)
  else if (skipReason === "excluded") check(state.facts.excludedStepIds.includes(step.id), `${step.id} is not excluded`)
  else if (skipReason === "condition_false") check(step.condition !== null, `${step.id} has no condition`)
  else
    check(
      (skipReason === "blocked") === (blocked && step.condition === null),
      `${step.id} is ${skipReason ?? "run"}, and blocked is ${blocked}`,
    )
}

/** False for an answer to an attempt or a task that is not open now. */
function isOwed(state: RunState, input: RunInput): boolean {
  if (input.type === "TaskCompleted") return state.steps.some(s => s.task?.taskId === input.taskId)
  if (input.type !== "StepSucceeded" && input.type !== "StepErrored") return true
  const index = state.plan.indexOf.get(input.stepId)
  return underWay(state).some(([i, attempt]) => i === index && attempt === input.attempt)
}

const underWay = (state: RunState) =>
  isFinal(state.status)
    ? []
    : state.steps.flatMap((s, i) => (s.status === "running" && s.retryAt === null ? [[i, s.attempt]] : []))

const byFirst = (x: readonly number[], y: readonly number[]) => x[0]! - y[0]!

/** Not `expect`: it is asked some hundred thousand times. */
function check(holds: boolean, sentence: string): void {
  if (!holds) throw new Error(sentence)
}
