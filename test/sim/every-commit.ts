import type { Plan } from "../../src/engine/graph.ts"
import type { RunState } from "../../src/engine/state.ts"
import { STALL_DEFAULT_MS } from "../../src/kernel/limits.ts"
import { EventFeed } from "../../src/runtime/feed.ts"
import { createWake } from "../../src/runtime/loops/wake.ts"
import type { StampedEvent, StepExecutors } from "../../src/runtime/ports.ts"
import { Runs } from "../../src/runtime/runs.ts"
import { Worker } from "../../src/runtime/worker.ts"
import { FACTS } from "../engine/machine.ts"
import { MemoryJournal } from "./memory-journal.ts"
import { World } from "./world.ts"

/** Longer than any life of a test takes. */
const LIMIT_MS = 20_000

/** One process between its start and its death. */
export interface Process {
  /** From 1. */
  readonly number: number
  readonly isDead: boolean
  /** What is on the disk of the run, whoever wrote it. */
  events(): readonly StampedEvent[]
  /**
   * Everything that reaches the world outside goes through this: a dead process begins no call, and hears of none that it had begun.
   */
  reach<T>(call: () => Promise<T>): Promise<T>
}

export interface Subject {
  readonly plan: Plan
  /** Those of one process. The world outside, which outlives it, belongs to whoever gives this. */
  executors(process: Process): StepExecutors
}

/** When the first process is killed. */
export interface Kill {
  /** Counted from 1; the first is the run's start. */
  readonly commit: number
  /** Whether that commit is still on the disk: nobody heard of it either way. */
  readonly how: "lost" | "unheard"
}

export interface Lived {
  readonly state: RunState
  readonly events: readonly StampedEvent[]
  readonly commits: number
  readonly processes: number
}

/** A life without a death, and then one for each commit of it and each way to die there. `look` is called behind each. How many commits. */
export async function killAtEveryCommit<S extends Subject>(
  begin: () => S,
  look: (subject: S, lived: Lived, kill: Kill | null) => void,
): Promise<number> {
  const whole = begin()
  const lived = await live(whole, null)
  look(whole, lived, null)
  const { commits } = lived
  // What dies with its start was never answered, and never was.
  for (let commit = 2; commit <= commits; commit++) {
    for (const how of ["lost", "unheard"] as const) {
      const subject = begin()
      look(subject, await live(subject, { commit, how }), { commit, how })
    }
  }
  return commits
}

/** Lives a run through on the real runtime; its first process is killed with -9 where `kill` says. */
export async function live(subject: Subject, kill: Kill | null): Promise<Lived> {
  const life = new Life(subject)
  const until = performance.now() + LIMIT_MS
  life.boot()
  while (!life.hasEnded) {
    life.operate(kill)
    // Executors may wait for whatever the real world has.
    await new Promise(resolve => setTimeout(resolve))
    if (life.world.broken !== null) throw new Error(life.story())
    if (performance.now() > until) throw new Error(`it does not end\n${life.story()}`)
  }
  const { state, events } = life.stored!
  return { state, events, commits: life.commits, processes: life.processes }
}

class Life {
  readonly world = new World(1, false)
  readonly disk: MemoryJournal
  commits = 0
  processes = 0
  #current: { isDead: boolean; readonly id: string; readonly wake: () => void } | null = null

  constructor(readonly subject: Subject) {
    this.world.faults = false
    this.world.now = FACTS.startedAt
    this.disk = new MemoryJournal(this.world, () => subject.plan)
  }

  get stored() {
    return this.disk.runs.get(FACTS.runId)
  }

  get hasEnded(): boolean {
    return this.stored?.ended === true && this.disk.operations.length === 0
  }

  boot(): void {
    const id = `boot${++this.processes}`
    const process = { number: this.processes, id, isDead: false, wake: () => {} }
    const { world, disk, subject } = this
    world.current = id
    const journal = disk.port(id, { lost: () => {} })
    const log = {
      warn: (_: object, message: string) => world.say(`${id} warns: ${message}`),
      error: (fields: object, message: string) => world.holds(false, () => `${id}: ${message} ${JSON.stringify(fields)}`),
    }
    const never = new Promise<never>(() => {})
    const executors = subject.executors({
      number: process.number,
      get isDead() {
        return process.isDead
      },
      events: () => this.stored?.events ?? [],
      reach: async call => {
        if (process.isDead) return await never
        const answer = await call()
        return process.isDead ? await never : answer
      },
    })
    const clock = { now: () => world.now }
    const runs = new Runs({
      ...{ journal, clock, log, bootId: id, stallMs: STALL_DEFAULT_MS, feed: new EventFeed() },
      plans: { planOf: async () => subject.plan },
      worker: new Worker(executors, () => 0.5, log),
    })
    const wake = createWake({ journal, runs, stallMs: STALL_DEFAULT_MS, log })
    process.wake = () => void wake(world.now)
    this.#current = process
    if (this.stored) void runs.recover()
    else void runs.start({ facts: FACTS, workflowName: "w", idempotency: null }, subject.plan)
  }

  /** What the disk was asked for happens, one after the other, and is heard of, up to the one that the process dies at. */
  operate(kill: Kill | null): void {
    const { disk, world } = this
    const process = this.#current!
    const [operation, ...others] = disk.operations
    if (!operation) {
      this.#passTime()
      return
    }
    disk.operations = others
    const commits = operation.text.includes(" append ") || operation.text.includes(" create ")
    if (commits) this.commits++
    const dies = commits && this.processes === 1 && this.commits === kill?.commit
    world.say(`${dies ? kill.how : "happens"}: ${operation.text}`)
    if (!dies || kill.how === "unheard") operation.happen(null)
    if (!dies) {
      operation.tell!()
      return
    }
    process.isDead = true
    disk.operations = []
    this.boot()
  }

  /** A retry is waited for as long as it takes. */
  #passTime(): void {
    const wakeAt = this.stored?.header.wakeAt ?? null
    if (wakeAt === null || this.stored?.state.moving !== this.#retries()) return
    this.world.now = Math.max(this.world.now, wakeAt)
    this.#current!.wake()
  }

  #retries(): number {
    return this.stored?.state.steps.filter(s => s.status === "running" && s.retryAt !== null).length ?? 0
  }

  story(): string {
    return [this.world.broken, ...this.world.trace].join("\n")
  }
}
