import type { RunInput } from "../../src/engine/inputs.ts"
import type { RunState } from "../../src/engine/state.ts"
import type { JsonObject } from "../../src/kernel/json.ts"
import {
  answered,
  clock,
  errored,
  pause,
  person,
  resume,
  type Steps,
  step,
  stopGracefully,
  stopNow,
  succeeded,
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

/** One to eight steps in any order: work and people, joins and forks, conditions, switches, retries, time limits. */
export function randomSteps(random: Random): Steps {
  const ids = Array.from({ length: 1 + random.below(8) }, (_, i) => `s${i}`)
  const entries = ids.map((id, i) => [id, randomStep(random, ids.slice(0, i))] as const)
  for (let i = entries.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const kept = entries[i]!
    entries[i] = entries[j]!
    entries[j] = kept
  }
  return Object.fromEntries(entries)
}

function randomStep(random: Random, earlier: readonly string[]): JsonObject {
  const dependsOn = earlier.filter(() => random.chance(0.35))
  const before = random.pick(dependsOn)
  const controls: JsonObject = {
    ...(random.chance(0.1) && { enabled: false }),
    ...(random.chance(0.3) && { condition: randomCondition(random, before) }),
  }
  if (random.chance(0.25))
    return person(dependsOn, { ...controls, ...(random.chance(0.3) && { timeout_s: 1 + random.below(60) }) })
  return step(dependsOn, {
    ...controls,
    retry_count: random.below(3),
    ...(before !== undefined &&
      random.chance(0.5) && { args: { x: `{{steps.${before}.result.ok${random.chance(0.9) ? " | omit" : ""}}}` } }),
  })
}

function randomCondition(random: Random, before: string | undefined): string | boolean {
  if (before === undefined || random.chance(0.3)) return random.chance(0.6)
  return `{{steps.${before}.result.${random.pick(["ok", "approved"])}}}`
}

/** Any input that may reach a run: answers to what is under way, what people do, the clock, and much that is late or wrong. */
export function randomInput(random: Random, state: RunState, executing: ReadonlyMap<number, number>): RunInput {
  const kind = random.next()
  const [index, attempt] = random.pick([...executing]) ?? [random.below(state.steps.length), random.below(3)]
  const id = state.plan.steps[index]!.id
  if (kind < 0.4) return succeeded(id, random.chance(0.7) ? { ok: random.chance(0.7) } : {}, attempt)
  if (kind < 0.52) return errored(id, attempt, { retryable: random.chance(0.85) }, random.next())
  if (kind < 0.67) return answered(randomTask(random, state), random.chance(0.7), random.chance(0.5) ? { ok: true } : {})
  if (kind < 0.72) return pause
  if (kind < 0.8) return resume
  if (kind < 0.81) return stopNow
  if (kind < 0.825) return stopGracefully(random.below(20_000))
  if (kind < 0.92) return clock
  return lateInput(random, state)
}

function randomTask(random: Random, state: RunState): string {
  const pending = state.steps.flatMap(s => (s.task ? [s.task.taskId] : []))
  return random.pick(pending) ?? `s${random.below(9)}`
}

/** An answer of any attempt of any step, even of one that does not exist. */
function lateInput(random: Random, state: RunState): RunInput {
  const id = random.chance(0.1) ? "nobody" : state.plan.steps[random.below(state.steps.length)]!.id
  const attempt = random.below(4)
  if (random.chance(0.1)) return { type: "Start" }
  if (random.chance(0.3)) return answered(id, random.chance(0.5))
  return random.chance(0.5) ? succeeded(id, {}, attempt) : errored(id, attempt, {}, random.next())
}
