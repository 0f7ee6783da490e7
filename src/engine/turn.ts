import type { InLoop, RunEvent, StateChange, StepEvent } from "./events.ts"
import { evolve } from "./evolve.ts"
import type { Step } from "./graph.ts"
import { type Place, stateAt, stepAt } from "./place.ts"
import { PENDING, type RunState, type RunStatus, type StepState } from "./state.ts"

type DataOf<Type extends RunEvent["type"]> = Extract<RunEvent, StepEvent<Type, unknown>>["data"]
type StepEventType = Extract<RunEvent, { stepId: string }>["type"]

/** One decision under way: the events so far, and the state as they leave it. */
export class Turn {
  readonly events: RunEvent[] = []

  constructor(
    public state: RunState,
    readonly now: number,
  ) {}

  emit(event: RunEvent): void {
    this.events.push(event)
    this.state = evolve(this.state, event, this.now)
  }

  /** An event of one step, named as the API names it. */
  emitAt<Type extends StepEventType>(place: Place, type: Type, data: Omit<DataOf<Type>, keyof InLoop>): void {
    const index = place.within ? { index: place.within.item } : {}
    // The compiler cannot see that the parts of one member of the union make that member.
    this.emit({ type, stepId: this.step(place).path, data: { ...data, ...index } } as unknown as RunEvent)
  }

  changeStatus(to: RunStatus, more: Omit<StateChange, "from" | "to">): void {
    this.emit({ type: "state_changed", data: { from: this.state.status, to, ...more } })
  }

  step(place: Place): Step {
    return stepAt(this.state, place)
  }

  /** Of an item that has not started, every step is pending. */
  stepState(place: Place): StepState {
    return stateAt(this.state, place) ?? PENDING
  }

  /** ms since the step first started. */
  duration(place: Place): number {
    return Math.max(0, this.now - (this.stepState(place).startedAt ?? this.now)) // the clock may have been set back
  }
}
