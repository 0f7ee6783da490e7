import { NOTE_TYPES, type RunEvent } from "../../src/engine/events.ts"
import { evolve } from "../../src/engine/evolve.ts"
import type { Plan } from "../../src/engine/graph.ts"
import { placeOf, stateAt } from "../../src/engine/place.ts"
import { type Answer, initialState, isFinal, pendingTasks, type RunState, type StepNote, wakeAt } from "../../src/engine/state.ts"
import { isJsonObject, type Json } from "../../src/kernel/json.ts"
import { STALL_DEFAULT_MS } from "../../src/kernel/limits.ts"
import { INTERRUPTED_TASK } from "../../src/runtime/interrupted.ts"
import type { NewRun, RunHeader, Snapshot, StampedEvent, TaskChange } from "../../src/runtime/ports.ts"
import { summary } from "../engine/machine.ts"
import { ended } from "./rounds.ts"
import type { World } from "./world.ts"

/** What the disk holds of one run, recounted by a sceptic with every event. */
export class StoredRun {
  readonly events: StampedEvent[] = []
  /** The fold of the first n events, by n. */
  readonly folds: RunState[]
  snapshot: Snapshot | null = null
  readonly #outcomes = new Set<string>()
  readonly #tasks = new Set<string>()
  readonly #everTasks = new Set<string>()
  /** By place. */
  readonly #lastTasks = new Map<string, string>()
  readonly #lastQuestions = new Map<string, { readonly asked: Json; readonly taskType: string }>()
  /** How tasks ended, where it was not by being given up. */
  readonly #ends = new Map<string, "completed" | "expired">()
  readonly #answers = new Map<string, readonly Answer[]>()
  readonly #notes = new Map<string, readonly StepNote[]>()

  constructor(
    readonly world: World,
    readonly run: NewRun,
    plan: Plan,
    public header: RunHeader,
    readonly find: (runId: string) => StoredRun | undefined,
  ) {
    this.folds = [initialState(run.facts, plan)]
  }

  get id(): string {
    return this.run.facts.runId
  }

  get state(): RunState {
    return this.folds.at(-1)!
  }

  get ended(): boolean {
    return isFinal(this.state.status)
  }

  add(stamped: StampedEvent): void {
    const { event, at, seq } = stamped
    const { state, world } = this
    world.holds(seq === this.events.length + 1, () => `${this.id}: seq ${seq} behind ${this.events.length}`)
    world.holds(!isFinal(state.status), () => `${this.id}: ${summary(event)} behind the end`)
    world.holds(at <= world.now && at >= state.lastEventAt, () => `${this.id}: ${summary(event)} out of time`)
    world.holds((seq === 1) === (event.type === "run_started"), () => `${this.id}: a run starts once, and first`)
    if ("error" in event.data && typeof event.data.error === "string") this.#checkError(event.data.error)
    this.#checkOutcome(event)
    this.#hearAnswer(event)
    this.#hearNote(event)
    this.events.push(stamped)
    this.folds.push(evolve(state, event, at))
  }

  /** The end of a process is no reason for a step to fail. */
  #checkError(error: string): void {
    this.world.holds(!error.includes("shutting down"), () => `${this.id}: a shutdown failed a step`)
  }

  /** A step ends once in a round, an item once in a start of its loop. */
  #checkOutcome(event: RunEvent): void {
    const { state } = this
    if (event.type === "item_failed" || event.type === "item_completed") {
      const { round, attempt } = stateAt(state, placeOf(state.plan, event.stepId, null)!)!
      this.#outcome(`item ${event.stepId}[${event.data.index}] ${round}/${attempt}`)
    }
    if (event.type !== "step_completed" && event.type !== "step_failed" && event.type !== "step_cancelled") return
    const place = placeOf(state.plan, event.stepId, event.data.index ?? null)!
    const step = stateAt(state, place)
    const loop = place.within && state.steps[place.within.parent]!
    this.#outcome(`${event.stepId}[${event.data.index}] ${step?.round ?? `${loop?.round}/${loop?.attempt} new`}`)
    if (event.type !== "step_completed" || !step?.childRunId) return
    const child = this.find(step.childRunId)
    this.world.holds(child?.state.status === "completed", () => `${this.id}: ${event.stepId} completed before its child did`)
  }

  #hearAnswer(event: RunEvent): void {
    if (!("stepId" in event)) return
    const place = `${event.stepId}[${event.data.index ?? null}]`
    const answers = this.#answers.get(place) ?? []
    if (event.type === "step_started") this.#answers.set(place, [])
    if (event.type === "human_task_created") {
      this.#lastTasks.set(place, event.data.task_id)
      this.#lastQuestions.set(place, { asked: event.data.task_payload, taskType: event.data.task_type })
    }
    if (event.type === "human_task_completed") this.#ends.set(event.data.task_id, "completed")
    if ("failure_code" in event.data && event.data.failure_code === "HUMAN_TASK_FAILED" && "attempt" in event.data)
      this.#ends.set(this.#lastTasks.get(place) ?? "", "expired")
    if (event.type === "human_task_completed" && event.data.result !== undefined)
      this.#answers.set(place, [
        ...answers,
        { approved: event.data.approved, result: event.data.result, ...this.#lastQuestions.get(place)! },
      ])
    const question =
      event.type === "human_task_created" && isJsonObject(event.data.task_payload) && event.data.task_payload.question
    if (typeof question === "number")
      this.world.holds(question === own(answers).length, () => `${this.id}: ${place} asks again what was answered`)
  }

  /** A step keeps what it recorded until it ends; a loop that begins anew begins its items from nothing. */
  #hearNote(event: RunEvent): void {
    if (!("stepId" in event)) return
    const place = `${event.stepId}[${event.data.index ?? null}]`
    const notes = this.#notes.get(place) ?? []
    if (NOTE_TYPES.some(type => type === event.type)) {
      const { attempt: _, index: __, ...data } = event.data as Record<string, Json>
      this.#notes.set(place, [...notes, { type: event.type as StepNote["type"], data }])
      const again = data.did === "end" && ended(notes).some(call => call === data.call)
      this.world.holds(!again, () => `${this.id}: ${place} recorded the end of ${data.call} twice`)
    } else if (event.type === "step_completed" || event.type === "step_failed" || event.type === "step_cancelled") {
      this.#notes.delete(place)
    } else if (event.type === "step_started") {
      for (const name of this.#notes.keys()) if (name.startsWith(`${event.stepId}#body#`)) this.#notes.delete(name)
    }
  }

  /** What a step under way recorded so far. */
  noted(stepId: string, item: number | null): readonly StepNote[] {
    return this.#notes.get(`${stepId}[${item}]`) ?? []
  }

  /** What people said to what the last attempt of a step asked. */
  told(stepId: string, item: number | null): readonly Answer[] {
    return own(this.#answers.get(`${stepId}[${item}]`) ?? [])
  }

  #outcome(name: string): void {
    this.world.holds(!this.#outcomes.has(name), () => `${this.id}: ${name} ended twice`)
    this.#outcomes.add(name)
  }

  changeTasks(tasks: readonly TaskChange[]): void {
    for (const task of tasks) {
      const here = this.#tasks.has(task.taskId)
      if (task.type === "ended") {
        const { taskId, status } = task
        const expected = this.#ends.get(taskId) ?? "cancelled"
        this.world.holds(here, () => `${this.id}: task ${taskId} ended and was not there`)
        this.world.holds(status === expected, () => `${this.id}: task ${taskId} is ${status}, the events say ${expected}`)
        this.#tasks.delete(task.taskId)
      } else {
        this.world.holds(!this.#everTasks.has(task.taskId), () => `${this.id}: a second task ${task.taskId}`)
        this.#tasks.add(task.taskId)
        this.#everTasks.add(task.taskId)
      }
    }
  }

  /** The row and the tasks are what the events say. `ownerBootId`: who moves the run if it moves. */
  checkRow(ownerBootId: string, append: "first" | "later"): void {
    const { state, header, world } = this
    // A child that ended is looked after until its parent knows, who asks about one that ended with its start.
    const moves = isFinal(state.status)
      ? state.facts.parent !== null && append === "later"
      : state.status !== "paused" || state.moving > 0 || state.children > 0
    const expected: RunHeader = {
      status: state.status,
      pauseReason: state.pauseReason,
      completedAt: state.completedAt,
      failureCode: state.failureCode,
      failedStepId: state.failedStepId,
      error: state.error,
      wakeAt: wakeAt(state, STALL_DEFAULT_MS),
      // A zombie may have written last.
      ownerBootId: world.zombies ? header.ownerBootId : moves ? ownerBootId : null,
    }
    world.holds(
      Bun.deepEquals(header, expected),
      () => `${this.id}: the row is ${JSON.stringify(header)}, the events say ${JSON.stringify(expected)}`,
    )
    const pending = pendingTasks(state).map(t => t.task.taskId)
    world.holds(
      pending.length === this.#tasks.size && pending.every(id => this.#tasks.has(id)),
      () => `${this.id}: tasks ${[...this.#tasks]}, the events say ${pending}`,
    )
  }

  /** Whether a state somebody was given, or goes on from, is what the disk says. */
  isOnDisk(state: RunState): boolean {
    const fold = this.folds[state.seq]
    return fold !== undefined && (fold === state || Bun.deepEquals(fold, state))
  }
}

/** Without those to whether to run it again at all. */
const own = (answers: readonly Answer[]) => answers.filter(({ taskType }) => taskType !== INTERRUPTED_TASK)
