import { bodyAt, startedItems } from "./bodies.ts"
import type { Place } from "./place.ts"
import { isFinal, type RunState, type StepState } from "./state.ts"

/** An effect that a committed state orders. */
export type Command =
  | Execute
  | { readonly type: "cancel"; readonly place: Place }
  /** Find out when a child run ends. */
  | { readonly type: "watch"; readonly childRunId: string }
  /** Nobody waits for it any more; it may have ended badly on its own. */
  | { readonly type: "stop_child"; readonly childRunId: string }

/** One attempt from its beginning, or on from the last of its answers. */
export interface Execute {
  readonly type: "execute"
  readonly place: Place
  readonly attempt: number
  readonly round: number
  readonly answers: number
  /** A recovery's: somebody else may have begun with it, and nobody knows how far that came. */
  readonly resumed: boolean
}

/**
 * What the way from one state to another orders. Derived, never stored: recovery is `commands(null, state)`, which is
 * everything that is open.
 */
export function commands(before: RunState | null, after: RunState): readonly Command[] {
  const result: Orders = { list: [], resumed: before === null }
  const final = isFinal(after.status)
  for (const [index, now] of after.steps.entries()) {
    const was = before?.steps[index]
    if (was === now && !final) continue
    compare(result, { within: null, index }, was, now, final)
    if (now.loop || was?.loop) compareBodies(result, index, was, now, final)
  }
  return result.list
}

interface Orders {
  readonly list: Command[]
  readonly resumed: boolean
}

function compareBodies(result: Orders, parent: number, was: StepState | undefined, now: StepState, final: boolean): void {
  const over = final || now.status !== "running" || now.retryAt !== null
  const to = Math.max(...[now.loop, was?.loop].map(loop => (loop ? startedItems(loop) : 0)))
  // What had ended before has nothing to let go, and what has ended now has nothing to order.
  const from = Math.min(...[now.loop, was?.loop].map(loop => loop?.past.length ?? to))
  for (let item = from; item < to; item++) {
    const a = was?.loop ? bodyAt(was.loop, item) : undefined
    const b = now.loop ? bodyAt(now.loop, item) : undefined
    if (a === b && !over) continue
    const inner = b?.steps ?? a?.steps ?? []
    for (const index of inner.keys()) compare(result, { within: { parent, item }, index }, a?.steps[index], b?.steps[index], over)
  }
}

function compare(
  { list, resumed }: Orders,
  place: Place,
  was: StepState | undefined,
  now: StepState | undefined,
  over: boolean,
): void {
  const had = was ? executing(was) : null
  const has = now && !over ? executing(now) : null
  if (had !== null && had !== has) list.push({ type: "cancel", place })
  if (now && has !== null && had !== has) {
    const { attempt, round, answers } = now
    list.push({ type: "execute", place, attempt, round, answers: answers.length, resumed })
  }
  const hadChild = was ? waitingFor(was) : null
  const hasChild = now && !over ? waitingFor(now) : null
  const answered = now?.status === "completed" && now.childRunId === hadChild
  if (hadChild !== null && hadChild !== hasChild && !answered) list.push({ type: "stop_child", childRunId: hadChild })
  const lost = was && now && now.childRunId !== was.childRunId && (now.status === "cancelled" || now.status === "failed")
  // Begun and given up in one commit.
  if (lost && now.childRunId !== null) list.push({ type: "stop_child", childRunId: now.childRunId })
  if (hasChild !== null && hadChild !== hasChild) list.push({ type: "watch", childRunId: hasChild })
}

/** Names the attempt that is under way outside, and how far it was told to go; null when none is. */
function executing(step: StepState): string | null {
  const outside = step.status === "running" && step.retryAt === null && !step.loop && step.childRunId === null
  return outside ? `${step.round}/${step.attempt}/${step.answers.length}` : null
}

function waitingFor(step: StepState): string | null {
  return step.status === "running" ? step.childRunId : null
}
