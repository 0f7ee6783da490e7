import { NOTE_TYPES } from "../../src/engine/events.ts"
import type { RunInput } from "../../src/engine/inputs.ts"
import { pendingTasks, type RunState } from "../../src/engine/state.ts"
import type { Json, JsonObject } from "../../src/kernel/json.ts"
import {
  answered,
  asked,
  child,
  childEnded,
  clock,
  each,
  gated,
  noted,
  pause,
  person,
  repeat,
  resume,
  resumeWith,
  type Steps,
  step,
  stopGracefully,
  stopNow,
} from "./machine.ts"

/** Random, but the same for the same seed (mulberry32). */
export class Random {
  constructor(private seed: number) {}

  /** In [0, 1). */
  next(): number {
    this.seed = (this.seed + 0x6d2b79f5) | 0
    let t = Math.imul(this.seed ^ (this.seed >>> 15), 1 | this.seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** A whole number from 0 up to, but not, `n`. */
  below(n: number): number {
    return Math.floor(this.next() * n)
  }

  pick<T>(list: readonly T[]): T | undefined {
    return list[this.below(list.length)]
  }
}

/**
 * One to eight steps in any order: work, people, loops, child runs, joins and forks, conditions, switches, retries, time
 * limits; one graph in four is an episode with gated agents.
 */
export function randomSteps(random: Random): Steps {
  const episodic = random.chance(0.25)
  const ids = Array.from({ length: 1 + random.below(8) }, (_, i) => `s${i}`)
  const entries = ids.map((id, i) => [id, randomStep(random, ids.slice(0, i), episodic)] as const)
  return Object.fromEntries(shuffled(random, entries))
}

function shuffled<T>(random: Random, list: readonly T[]): readonly T[] {
  const result = [...list]
  for (let i = result.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const kept = result[i]!
    result[i] = result[j]!
    result[j] = kept
  }
  return result
}

function randomStep(random: Random, earlier: readonly string[], episodic: boolean): JsonObject {
  const dependsOn = earlier.filter(() => random.chance(episodic ? 0.2 : 0.35))
  const before = random.pick(dependsOn)
  const controls: JsonObject = {
    ...(random.chance(0.1) && { enabled: false }),
    ...(random.chance(0.25) && { condition: randomCondition(random, before) }),
    ...(random.chance(0.15) && { on_crash: random.pick(["retry", "ask", "fail"]) ?? "retry" }),
    ...(random.chance(0.1) && { skip_when: randomCondition(random, before) }),
    ...(episodic && random.chance(0.1) && { terminal: true }),
    ...(episodic && random.chance(0.1) && { no_auto_start: true }),
  }
  const retry = { retry_count: random.below(3) }
  const kind = random.next()
  if (episodic && kind < 0.4) return gated(dependsOn, { ...controls, ...retry, ...randomGate(random) })
  if (kind < 0.55) {
    const args = before !== undefined &&
      random.chance(0.5) && { args: { x: randomTemplate(random, `steps.${before}.result.ok`) } }
    return step(dependsOn, { ...controls, ...retry, ...args })
  }
  if (kind < 0.65) return person(dependsOn, { ...controls, ...limit(random, "timeout_s") })
  if (kind < 0.71) return child(dependsOn, { ...controls, ...retry, ...limit(random, "timeout_s") })
  const loop = { ...controls, retry_count: random.below(3), ...limit(random, "timeout_s"), depends_on: dependsOn }
  return kind < 0.9 ? randomForEach(random, before, loop) : randomWhile(random, loop)
}

const limit = (random: Random, name: string): JsonObject => (random.chance(0.3) ? { [name]: 1 + random.below(30) } : {})

const randomTemplate = (random: Random, path: string) => `{{${path}${random.chance(0.9) ? " | omit" : ""}}}`

function randomGate(random: Random): JsonObject {
  const lists = [[], [], ["human"], ["human", "s0", "s1"], ["s0", "s2"]]
  return { no_auto_start: random.chance(0.85), input_allowlist: random.pick(lists) ?? [] }
}

function randomForEach(random: Random, before: string | undefined, more: JsonObject): JsonObject {
  const literal =
    random.pick<Json>([[], [1], [1, { x: 2 }], [1, 2, 3], [1, 2, 3, 4], [{ x: 1 }, {}, null, 4], null, "one", { x: 1 }]) ?? null
  const items =
    before !== undefined && random.chance(0.4)
      ? `{{steps.${before}.result.rows${random.chance(0.8) ? " | [7, 8]" : ""}}}`
      : literal
  return each(items, randomBody(random, "item.x"), {
    ...more,
    for_each_max_parallel: 1 + random.below(3),
    for_each_error_policy: random.pick(["fail_fast", "fail_fast", "continue_on_error", "pause", "human_review"]) ?? null,
    ...limit(random, "for_each_item_timeout_s"),
  })
}

function randomWhile(random: Random, more: JsonObject): JsonObject {
  const mode = random.chance(0.5) ? "until" : "while"
  const condition = random.chance(0.8) ? "{{body.i0.result.ok}}" : "{{"
  return repeat(mode, 1 + random.below(4), condition, randomBody(random, "while.prev.i0.ok"), {
    ...more,
    ...(random.chance(0.3) && { while_eval_script: "return {}" }),
    ...limit(random, "while_iteration_timeout_s"),
  })
}

function randomBody(random: Random, path: string): Steps {
  const ids = Array.from({ length: 1 + random.below(3) }, (_, i) => `i${i}`)
  const declared = random.chance(0.4)
  return Object.fromEntries(
    ids.map((id, i) => [
      id,
      {
        type: random.pick(["mcp_call", "mcp_call", "agent_call", "workflow_call"])!,
        depends_on: declared ? ids.slice(0, i).filter(() => random.chance(0.4)) : [],
        retry_count: random.below(2),
        ...(random.chance(0.15) && { on_crash: random.pick(["ask", "fail"]) ?? "ask" }),
        ...limit(random, "timeout_s"),
        ...(random.chance(0.15) && { enabled: false }),
        ...(random.chance(0.2) && { condition: random.chance(0.5) ? random.chance(0.5) : `{{${path}}}` }),
        ...(random.chance(0.2) && { [random.chance(0.5) ? "args" : "input"]: { x: randomTemplate(random, path) } }),
      },
    ]),
  )
}

function randomCondition(random: Random, before: string | undefined): string | boolean {
  if (before === undefined || random.chance(0.3)) return random.chance(0.6)
  return `{{steps.${before}.result.${random.pick(["ok", "approved"])}}}`
}

/** An attempt as the host knows it. */
export interface Ordered {
  readonly stepId: string
  readonly item: number | null
  readonly attempt: number
  readonly round: number
  readonly answers: number
  readonly type: string
}

/** What the host of a run knows: what it executes, what it waits for, and what it ever did. */
export interface Host {
  readonly executing: readonly Ordered[]
  readonly watched: readonly string[]
  readonly past: readonly Ordered[]
  readonly pastChildren: readonly string[]
  newChild(): string
}

/** Any input that may reach a run: answers to what is under way, what people do, the clock, and much that is late or wrong. */
export function randomInput(random: Random, state: RunState, host: Host): RunInput {
  const kind = random.next()
  if (kind < 0.5) {
    const childRunId = random.chance(0.3) ? random.pick(host.watched) : undefined
    if (childRunId !== undefined) return randomChildEnd(random, childRunId)
    const attempt = random.pick(host.executing)
    if (attempt) return randomAnswer(random, state, attempt, host)
  }
  if (kind < 0.65) return answered(randomTask(random, state), random.chance(0.75), random.chance(0.5) ? { ok: true } : {})
  if (kind < 0.69) return pause
  if (kind < 0.76) return resume
  if (kind < 0.8) return resumeWith({ [`s${random.below(8)}`]: { note: "hi" }, ...(random.chance(0.3) && { s1: {}, s2: {} }) })
  if (kind < 0.807) return stopNow
  if (kind < 0.82) return stopGracefully(random.below(20_000))
  if (kind < 0.93) return clock
  return lateInput(random, state, host)
}

function randomAnswer(random: Random, state: RunState, attempt: Ordered, host: Host): RunInput {
  const { type, ...of } = attempt
  if (type === "workflow_call" && random.chance(0.7)) return { type: "ChildStarted", ...of, childRunId: host.newChild() }
  if (random.chance(0.2)) return randomNote(random, of)
  if (random.chance(0.25)) return failure(random, of)
  if (random.chance(0.2))
    return asked(of.stepId, {
      ...of,
      payload: { n: random.below(100) },
      expiresInMs: random.chance(0.3) ? random.below(20_000) : null,
    })
  return { type: "StepSucceeded", ...of, result: randomResult(random, state, type) }
}

function randomNote(random: Random, of: Omit<Ordered, "type">): RunInput {
  const data = random.pick<JsonObject>([{}, { n: random.below(100) }, { tool: "rm", result: { ok: true } }]) ?? {}
  return noted(of.stepId, data, { ...of, note: { type: random.pick(NOTE_TYPES) ?? "agent_turn_tool_round", data } })
}

function randomResult(random: Random, state: RunState, type: string): Json {
  const result: JsonObject = random.chance(0.7) ? { ok: random.chance(0.7), pass: random.chance(0.5), rows: [1, 2] } : {}
  if (type !== "agent_call") return random.chance(0.9) ? result : random.chance(0.5) ? null : [1]
  const to = random.chance(0.9) ? random.pick(state.plan.steps.filter(s => s.gated))?.id : `s${random.below(9)}`
  return {
    ...result,
    ...(random.chance(0.12) && { done: true }),
    ...(to !== undefined && random.chance(0.5) && { handoff: { to, payload: { note: "for you" } } }),
  }
}

const failure = (random: Random, of: Omit<Ordered, "type">): RunInput => ({
  type: "StepErrored",
  ...of,
  failure: {
    ...{ code: "MCP_TOOL_FAILED", message: "no route", retryable: random.chance(0.85) },
    ...(random.chance(0.1) && { retryAfterMs: random.below(60_000) }),
  },
  jitter: random.next(),
})

const randomChildEnd = (random: Random, childRunId: string): RunInput =>
  childEnded(childRunId, random.chance(0.7) ? "completed" : (random.pick(["failed", "stopped", "paused"] as const) ?? "failed"), {
    ok: true,
  })

function randomTask(random: Random, state: RunState): string {
  return random.pick(pendingTasks(state))?.task.taskId ?? `s${random.below(9)}`
}

/** An answer of any attempt there ever was, or of one that never was. */
function lateInput(random: Random, state: RunState, host: Host): RunInput {
  if (random.chance(0.1)) return { type: "Start" }
  if (random.chance(0.2))
    return answered(`s${random.below(9)}${random.pick(["", ":0", ":2", "|1.1", "|2.1", "|0|i0|1.1"])}`, random.chance(0.5))
  if (random.chance(0.2)) return randomChildEnd(random, random.pick(host.pastChildren) ?? "nobody")
  const past = random.pick(host.past)
  if (past && random.chance(0.8)) return randomAnswer(random, state, past, host)
  const stepId = random.chance(0.1) ? "nobody" : state.plan.steps[random.below(state.steps.length)]!.path
  const item = random.chance(0.3) ? random.below(4) : null
  return failure(random, { stepId, item, attempt: random.below(4), round: random.below(2), answers: random.below(2) })
}
