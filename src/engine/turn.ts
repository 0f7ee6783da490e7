import type { RunEvent, StateChange } from "./events.ts"
import { evolve } from "./evolve.ts"
import type { Step } from "./graph.ts"
import type { RunState, RunStatus, StepState } from "./state.ts"

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

  changeStatus(to: RunStatus, more: Omit<StateChange, "from" | "to">): void {
    this.emit({ type: "state_changed", data: { from: this.state.status, to, ...more } })
  }

  step(index: number): Step {
    return this.state.plan.steps[index]!
  }

  stepState(index: number): StepState {
    return this.state.steps[index]!
  }

  /** ms since the step first started. */
  duration(index: number): number {
    return Math.max(0, this.now - (this.stepState(index).startedAt ?? this.now)) // the clock may have been set back
  }
}
