import { commands, type Execute } from "../../src/engine/commands.ts"
import { decide } from "../../src/engine/decide.ts"
import { NOTE_TYPES, type RunEvent, type StepNoteEvent } from "../../src/engine/events.ts"
import { evolve } from "../../src/engine/evolve.ts"
import type { RunInput } from "../../src/engine/inputs.ts"
import { type Place, placeOf, stateAt, stepAt } from "../../src/engine/place.ts"
import { type Answer, isFinal, isHeld, pendingTasks, type RunState, type StepNote, wakeAt } from "../../src/engine/state.ts"
import type { Json } from "../../src/kernel/json.ts"
import { answered, at, childEnded, clock, created, resume, STALL, start, stopNow, summary } from "./machine.ts"
import {
  check,
  checkCounters,
  checkEnd,
  checkFailure,
  checkRest,
  checkStart,
  isOwed,
  waitedFor,
  workUnderWay,
} from "./promises.ts"
import { type Ordered, type Random, randomInput, randomSteps } from "./random.ts"

const INPUTS_MAX = 50

/** A run beside a host that does what it is ordered, and a sceptic who recounts everything after every input. */
export class WatchedRun {
  readonly steps
  readonly initial: RunState
  state: RunState
  /** The fold of everything that was ever recorded. */
  folded: RunState
  readonly journal: { readonly event: RunEvent; readonly at: number }[] = []
  readonly inputs: string[] = []
  /** What the host was ordered and was not told to let go, by place. */
  readonly executing = new Map<string, Ordered>()
  readonly ordered = new Map<string, Ordered>()
  readonly watched = new Set<string>()
  readonly everWatched = new Set<string>()
  readonly stopped = new Set<string>()
  readonly outcomes = new Set<string>()
  /** What people said to the last attempt of each step. */
  readonly told = new Map<string, readonly Answer[]>()
  /** What people were shown, by task. */
  readonly questions = new Map<string, { readonly asked: Json; readonly taskType: string }>()
  /** What each step under way recorded since it began from the start. */
  readonly noted = new Map<string, readonly StepNote[]>()
  children = 0
  now = at(0)

  constructor(readonly random: Random) {
    this.steps = randomSteps(random)
    const overlays = random.chance(0.4) ? { input: { _steps: { s0: { note: "hi" }, s1: {} } } } : {}
    this.initial = created(this.steps, { excludedStepIds: random.chance(0.1) ? ["s0"] : [], ...overlays })
    this.state = this.initial
    this.folded = this.initial
  }

  live(): void {
    this.commit([start])
    const length = this.random.below(INPUTS_MAX)
    for (let i = 0; i < length && !isFinal(this.state.status); i++) {
      this.now += this.random.chance(0.5) ? 0 : this.random.below(3000)
      const together = this.random.chance(0.2) ? 1 + this.random.below(4) : 1
      this.commit(Array.from({ length: together }, () => this.input()))
      if (this.random.chance(0.05)) this.recover()
    }
    this.bringToAnEnd()
    this.recover()
    checkEnd(this.state)
    for (let i = 0; i < 3; i++) this.commit([this.input()])
  }

  end(): string {
    return this.state.failureCode === "RUN_STALLED_OR_TIMED_OUT" ? "stalled" : this.state.status
  }

  input(): RunInput {
    return randomInput(this.random, this.state, {
      executing: [...this.executing.values()],
      watched: [...this.watched],
      past: [...this.ordered.values()],
      pastChildren: [...this.everWatched],
      newChild: () => `run-${++this.children}`,
    })
  }

  /** Decides inputs that arrived together, and does what their one commit orders. */
  commit(inputs: readonly RunInput[]): void {
    const before = this.state
    for (const input of inputs) this.decide(input)
    const heldAllTheTime = inputs.length === 1 && isHeld(before) && isHeld(this.state)
    for (const command of commands(before, this.state)) {
      switch (command.type) {
        case "execute":
          check(!heldAllTheTime, "something goes out under an operator's pause")
          this.execute(command)
          break
        case "cancel":
          check(this.executing.delete(nameOf(command.place)), `cancel of ${nameOf(command.place)}, which is not under way`)
          break
        case "watch":
          check(!this.everWatched.has(command.childRunId), `${command.childRunId} is watched twice`)
          this.everWatched.add(command.childRunId)
          this.watched.add(command.childRunId)
          break
        case "stop_child":
          check(command.childRunId.startsWith("run-"), `stop of ${command.childRunId}, which nobody started`)
          check(!this.stopped.has(command.childRunId), `${command.childRunId} is stopped twice`)
          this.stopped.add(command.childRunId)
          this.watched.delete(command.childRunId)
      }
    }
    for (const id of this.watched)
      if (inputs.some(i => i.type === "ChildEnded" && i.childRunId === id && isFinal(i.status))) this.watched.delete(id)
    this.checkHost(this.executing.values(), this.watched)
  }

  execute({ place, attempt, round, answers }: Execute): void {
    const name = nameOf(place)
    const { path, type } = stepAt(this.state, place)
    const id = `${name} ${round}/${attempt}/${answers}`
    check(!this.ordered.has(id), `${path} ${id} is ordered twice`)
    check(!this.executing.has(name), `${path} ${id} is ordered beside another attempt`)
    const order = { stepId: path, item: place.within?.item ?? null, attempt, round, answers, type: type.type }
    this.ordered.set(id, order)
    this.executing.set(name, order)
  }

  checkHost(executing: Iterable<Ordered>, watched: Iterable<string>): void {
    const work = [...executing].map(({ type, ...o }) => JSON.stringify(Object.values(o)))
    const wanted = workUnderWay(this.state).map(o => JSON.stringify(Object.values(o)))
    check(Bun.deepEquals(work.sort(), wanted.sort()), `the host executes ${work}, and the state says ${wanted}`)
    check(Bun.deepEquals([...watched].sort(), waitedFor(this.state)), "the host watches other runs than the state says")
  }

  decide(input: RunInput): void {
    this.inputs.push(`${this.now - at(0)} ${JSON.stringify(input)}`)
    const before = this.state
    const { events, state } = decide(before, input, this.now)
    check(!isFinal(before.status) || events.length === 0, "events behind a final state")
    check(isOwed(before, input) || events.length === 0, "an answer that nobody waits for decided something")
    check(events.length > 0 || state === before, "a state changed without an event")
    check(events.length > 0 || !isOwed(before, input) || !isAnswer(input), "an answer that was waited for decided nothing")
    for (const event of events) this.record(event)
    check(state.seq === before.seq + events.length, "seq does not count the events")
    check(Bun.deepEquals(this.folded, state, true), "the fold of the journal is not the decided state")
    this.state = state
    checkCounters(state)
    checkRest(state)
    checkFailure(events, before.status)
    this.checkAnswers()
    this.checkClock()
  }

  /** Each event must be possible where it stands. */
  record(event: RunEvent): void {
    const { folded } = this
    check(!isFinal(folded.status), `${summary(event)} behind the end`)
    check((folded.seq === 0) === (event.type === "run_started"), "a run starts once, and first")
    if (event.type === "state_changed") check(event.data.from === folded.status, "a state change from another state")
    if (event.type === "step_started") checkStart(folded, event)
    this.checkOutcome(event)
    this.checkTask(event)
    this.hearNote(event)
    this.journal.push({ event, at: this.now })
    this.folded = evolve(folded, event, this.now)
  }

  /** A step ends once in a round, an item once in a start of its loop. */
  checkOutcome(event: RunEvent): void {
    if (event.type === "item_failed" || event.type === "item_completed") {
      const { round, attempt } = stateAt(this.folded, placeOf(this.folded.plan, event.stepId, null)!)!
      this.outcome(`item ${event.stepId}[${event.data.index}] ${round}/${attempt}`)
    }
    if (event.type !== "step_completed" && event.type !== "step_failed" && event.type !== "step_cancelled") return
    const place = placeOf(this.folded.plan, event.stepId, event.data.index ?? null)
    check(place !== null, `${event.stepId} is no step`)
    const loop = place!.within && this.folded.steps[place!.within.parent]!
    const round = stateAt(this.folded, place!)?.round ?? `${loop?.round}/${loop?.attempt} new`
    this.outcome(`${event.stepId}[${event.data.index}] ${round}`)
  }

  /** Nobody is asked the same twice, and what an attempt was told is what people said to it, in order. */
  checkTask(event: RunEvent): void {
    if (event.type === "human_task_created") {
      this.outcome(`task ${event.data.task_id}`)
      this.questions.set(event.data.task_id, { asked: event.data.task_payload, taskType: event.data.task_type })
    }
    if (!("stepId" in event)) return
    const place = `${event.stepId}[${event.data.index}]`
    if (event.type === "step_started") this.told.set(place, [])
    if (event.type !== "human_task_completed" || event.data.result === undefined) return
    const { approved, result, task_id } = event.data
    this.told.set(place, [...this.told.get(place)!, { approved, result, ...this.questions.get(task_id)! }])
  }

  /** A step keeps what it recorded until it ends; a loop that begins anew begins its items from nothing. */
  hearNote(event: RunEvent): void {
    if (!("stepId" in event)) return
    const place = `${event.stepId}[${event.data.index}]`
    if (isNote(event)) {
      const { attempt, index, ...data } = event.data
      const of = workUnderWay(this.folded).find(w => w.stepId === event.stepId && w.item === (index ?? null))
      check(of?.attempt === attempt, `${summary(event)} of what is not under way`)
      this.noted.set(place, [...(this.noted.get(place) ?? []), { type: event.type, data }])
    } else if (ENDS.has(event.type)) this.noted.delete(place)
    else if (event.type === "step_started") {
      for (const name of this.noted.keys()) if (name.startsWith(`${event.stepId}#body#`)) this.noted.delete(name)
    }
  }

  checkAnswers(): void {
    for (const { stepId, item } of workUnderWay(this.state)) {
      const { answers, notes } = stateAt(this.state, placeOf(this.state.plan, stepId, item)!)!
      const noted = this.noted.get(`${stepId}[${item ?? undefined}]`) ?? []
      check(Bun.deepEquals(notes, noted), `${stepId} recorded ${JSON.stringify(noted)}, and keeps ${JSON.stringify(notes)}`)
      check(Bun.deepEquals(answers, this.told.get(`${stepId}[${item ?? undefined}]`)), `${stepId} was told something else`)
    }
  }

  outcome(name: string): void {
    check(!this.outcomes.has(name), `${name} ended twice`)
    this.outcomes.add(name)
  }

  /** The alarm is neither too early nor too late. */
  checkClock(): void {
    const wake = wakeAt(this.state, STALL)
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
    const orders = commands(null, state)
    const executing = orders.flatMap(c => {
      if (c.type !== "execute") return []
      const { path, type } = stepAt(state, c.place)
      const { attempt, round, answers } = c
      return [{ stepId: path, item: c.place.within?.item ?? null, attempt, round, answers, type: type.type }]
    })
    const watched = orders.flatMap(c => (c.type === "watch" ? [c.childRunId] : []))
    check(executing.length + watched.length === orders.length, "recovery cancels something")
    this.checkHost(executing, watched)
    this.state = state
  }

  /** Every answer that is still owed, until there is nothing left to answer. */
  bringToAnEnd(): void {
    for (let i = 0; !isFinal(this.state.status); i++) {
      check(i < 300, "all is answered and the run does not end")
      this.commit([this.lastAnswer()])
    }
    check(this.executing.size === 0 && this.watched.size === 0, "a run ended and something is still under way")
  }

  lastAnswer(): RunInput {
    const { state, random } = this
    if (state.pauseReason === "operator") return resume
    const [work] = this.executing.values()
    if (work) return { ...work, type: "StepSucceeded", result: random.chance(0.5) ? {} : { ok: true, pass: true } }
    const [childRunId] = this.watched
    if (childRunId !== undefined) return childEnded(childRunId, "completed")
    const [task] = pendingTasks(state)
    if (task) return answered(task.task.taskId, random.chance(0.5))
    if (state.pauseReason === "awaiting_chat") return stopNow
    this.now = Math.max(this.now, wakeAt(state, STALL) ?? 0)
    return clock
  }

  story(): string {
    return [JSON.stringify(this.steps), ...this.inputs, "", ...this.journal.map(e => summary(e.event))].join("\n")
  }
}

const isNote = (event: RunEvent): event is StepNoteEvent => NOTE_TYPES.some(type => type === event.type)

const ENDS: ReadonlySet<RunEvent["type"]> = new Set(["step_completed", "step_failed", "step_cancelled"])

const nameOf = ({ within, index }: Place) => (within ? `${within.parent}[${within.item}].${index}` : `${index}`)

const isAnswer = (input: RunInput) =>
  input.type.startsWith("Step") || input.type.startsWith("Child") || input.type === "TaskCompleted"
