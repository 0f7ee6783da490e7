import { drainMicrotasks } from "bun:jsc"
import { openPlaces, stateAt } from "../../src/engine/place.ts"
import { pendingTasks, type RunFacts } from "../../src/engine/state.ts"
import type { Json, JsonObject } from "../../src/kernel/json.ts"
import { LEASE_MS } from "../../src/kernel/limits.ts"
import type { StepOutcome } from "../../src/runtime/ports.ts"
import { answered, FACTS, pause, resume, stopNow, summary } from "../engine/machine.ts"
import { workUnderWay } from "../engine/promises.ts"
import { type Random, randomInput } from "../engine/random.ts"
import { MemoryJournal, type Operation } from "./memory-journal.ts"
import { type Attempt, type Calls, SimBoot } from "./sim-boot.ts"
import type { StoredRun } from "./stored-run.ts"
import { randomWorkflows, type Workflow } from "./workflows.ts"
import { World } from "./world.ts"

const CHOICES_MAX = 120
const STARTS_MAX = 3
/** Choices after which everything that is answered must have ended. */
const END_MAX = 20_000
/** Resumes of one run at the end before it is stopped: a child that failed fails again. */
const RESUMES_MAX = 4

export interface Told {
  readonly seed: number
  readonly broken: string | null
  /** The same for the same seed. */
  readonly hash: string
  readonly runs: number
  readonly boots: number
  readonly statuses: readonly string[]
  story(): string
}

/** Lives one seed through; never throws for a broken promise. */
export function simulate(seed: number): Told {
  const simulation = new Simulation(seed)
  const { world, disk } = simulation
  world.within(() => {
    try {
      simulation.live()
    } catch (error) {
      world.holds(false, () => (error instanceof Error ? (error.stack ?? error.message) : String(error)))
    }
  })
  const { trace, broken } = world
  return {
    ...{ seed, broken, runs: disk.runs.size, boots: simulation.boots },
    hash: Bun.hash(trace.join("\n")).toString(16),
    statuses: [...disk.runs.values()].map(r => r.state.status),
    story: () => simulation.story(seed),
  }
}

class Simulation {
  readonly world: World
  readonly random: Random
  readonly workflows: ReadonlyMap<string, Workflow>
  readonly disk: MemoryJournal
  readonly calls: Calls = { keys: new Map(), calls: new Map(), ordered: new Set(), past: [] }
  /** Starts that were answered: these runs exist for ever. */
  readonly acknowledged = new Set<string>()
  readonly starts: { readonly facts: RunFacts; readonly key: string | null }[] = []
  readonly resumes = new Map<string, number>()
  /** The newest boot, to which requests go. */
  boot: SimBoot
  zombie: SimBoot | null = null
  boots = 0

  constructor(seed: number) {
    const zombies = seed % 4 === 3
    this.world = new World(seed, zombies)
    this.random = this.world.random
    this.workflows = randomWorkflows(this.random)
    this.disk = new MemoryJournal(this.world, id => this.workflows.get(id)!.plan)
    this.boot = this.newBoot()
  }

  live(): void {
    const length = 10 + this.random.below(CHOICES_MAX)
    for (let i = 0; i < length && this.world.broken === null; i++) {
      this.choose()
      this.settle()
    }
    this.bringToAnEnd()
    if (this.world.broken === null) this.checkEnd()
  }

  newBoot(): SimBoot {
    const boot = new SimBoot(`boot${++this.boots}`, this.world, this.disk, this.workflows, this.calls)
    this.world.current = boot.id
    this.world.say(`${boot.id} begins`)
    boot.recover()
    drainMicrotasks()
    return boot
  }

  /** Everything that follows from the choice, and then the sceptic. */
  settle(): void {
    drainMicrotasks()
    const { boot, world } = this
    if (boot.closed) {
      this.end(boot)
      this.boot = this.newBoot()
    }
    this.boot.checkMemory()
    this.zombie?.checkMemory()
    for (const id of this.acknowledged) world.holds(this.disk.runs.has(id), () => `${id} was started and is not there`)
    if (this.boot.isQuiet && this.boot.recovered && !this.boot.closing) this.checkQuiet()
  }

  /** Nothing goes on: then nothing is in memory, nothing was left undone, and everything was told. */
  checkQuiet(): void {
    const { boot, world } = this
    world.holds(boot.runs.inFlight === 0, () => `${boot.runs.inFlight} runs are in memory, and nothing goes on`)
    world.holds(boot.calling === 0, () => `${boot.calling} requests were never answered`)
    world.holds(boot.recording === 0, () => `${boot.recording} notes of steps were never answered`)
    world.holds(boot.worker.executing === 0, () => `${boot.worker.executing} attempts are said to be under way`)
    if (world.zombies) return
    boot.checkTold()
    for (const { id, state } of this.disk.runs.values()) {
      const waited = openPlaces(state, step => step.status === "running" && step.childRunId !== null).map(
        place => stateAt(state, place)?.childRunId ?? "",
      )
      for (const child of waited)
        world.holds(!this.disk.runs.get(child)?.ended, () => `${id} waits for ${child}, which has ended`)
    }
    for (const { id, state } of this.disk.runs.values())
      world.holds(workUnderWay(state).length === 0, () => `${id}: ${JSON.stringify(workUnderWay(state))} is done by nobody`)
  }

  choose(): void {
    const { random, boot, zombie, world } = this
    const { operations } = this.disk
    const own = operations.filter(o => o.owner === boot.id)
    const attempts = this.attempts()
    const choices: [number, () => void][] = [
      [operations.length > 0 ? 8 : 0, () => this.operate(random.pick(operations)!)],
      [attempts.length > 0 ? 4 : 0, () => this.answer(...this.slow(attempts))],
      [boot.listening ? 2 : 0, () => this.request()],
      [
        boot.listening && own.length > 0 ? 1 : 0,
        () =>
          this.both(
            () => this.request(),
            () => this.operate(random.pick(own)!),
          ),
      ],
      [1, () => this.pass()],
      [world.timers.length > 0 ? 1 : 0, () => world.fireNext()],
      [boot.listening && !boot.waking ? 1 : 0, () => this.wake(boot)],
      [zombie && !zombie.waking ? 0.5 : 0, () => this.wake(zombie!)],
      [boot.listening && !boot.leasing ? (zombie ? 1 : 0.3) : 0, () => this.lease(boot)],
      [zombie && !zombie.leasing ? 0.3 : 0, () => this.lease(zombie!)],
      [0.25, () => this.crash()],
      [zombie ? 0.2 : 0, () => this.endZombie()],
      [boot.closing ? 0 : 0.1, () => this.shutDown()],
    ]
    let at = random.next() * choices.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, choice] of choices) {
      at -= weight
      if (at >= 0) continue
      choice()
      return
    }
  }

  /** Two things in one turn, in either order: what follows from them is mixed. */
  both(one: () => void, other: () => void): void {
    const [first, second] = this.random.chance(0.5) ? [one, other] : [other, one]
    first()
    second()
  }

  attempts(): readonly (readonly [SimBoot, Attempt])[] {
    return [this.boot, this.zombie].flatMap(boot => (boot ? boot.attempts.map(a => [boot, a] as const) : []))
  }

  /** What was called off mostly ends later than the rest, so that newer attempts are beside it. */
  slow(attempts: readonly (readonly [SimBoot, Attempt])[]): readonly [SimBoot, Attempt] {
    const wanted = attempts.filter(([, { signal }]) => !signal.aborted)
    const among = wanted.length > 0 && this.random.chance(0.8) ? wanted : attempts
    return this.random.pick(among)!
  }

  /** The disk does what it was asked, or tells that it did. */
  operate(operation: Operation): void {
    const { random, world } = this
    world.current = operation.owner
    if (!operation.tell) {
      const fault = world.faults && random.chance(0.05) ? (random.pick(operation.faults) ?? null) : null
      world.say(`${fault ?? "happens"}: ${operation.text}`)
      operation.happen(fault)
      if (random.chance(0.4)) return
    }
    world.say(`heard: ${operation.text}`)
    this.disk.operations = this.disk.operations.filter(o => o !== operation)
    operation.tell!()
  }

  answer(boot: SimBoot, attempt: Attempt): void {
    const { world, random } = this
    const { runId, stepId, item, stepType } = attempt.job
    world.current = boot.id
    boot.attempts = boot.attempts.filter(a => a !== attempt)
    const name = `${runId} ${stepId}[${item}] #${attempt.job.attempt} at ${boot.id}`
    if (attempt.inRound) {
      const fails = world.faults && random.chance(0.15)
      world.say(`${fails ? "fails" : "answers"} call ${attempt.inRound.name} of ${name}`)
      if (fails) attempt.fail(new Error("no route"))
      else attempt.answer({ ok: true, result: null })
    } else if (attempt.call && !(world.faults && random.chance(0.1))) {
      world.say(`calls ${name}`)
      attempt.call()
    } else if (world.faults && random.chance(0.02)) {
      world.say(`throws ${name}`)
      attempt.fail(new Error("our mistake"))
    } else {
      const outcome = this.outcome(stepType, attempt)
      world.say(`answers ${name} ${JSON.stringify(outcome)}`)
      attempt.answer(outcome)
    }
  }

  outcome(type: string, { job, signal }: Attempt): StepOutcome {
    const { random, world } = this
    const failing = world.faults ? 0.25 : 0
    if (type === "workflow_call" || (signal.aborted && random.chance(0.5)) || random.chance(failing)) {
      const retryable = random.chance(0.85)
      return {
        ok: false,
        failure: { code: "MCP_TOOL_FAILED", message: "no route", retryable, ...(random.chance(0.2) && { timeout: true }) },
      }
    }
    if (random.chance(0.15)) {
      const expiresInMs = world.faults && random.chance(0.2) ? random.below(40_000) : null
      return { ok: true, ask: { taskType: "confirmation", payload: { question: job.answers.length }, expiresInMs } }
    }
    const some: JsonObject = random.chance(0.7) ? { ok: random.chance(0.7), pass: random.chance(0.5), rows: [1, 2] } : {}
    if (type !== "agent_call") return { ok: true, result: random.chance(0.95) ? some : random.pick<Json>([null, [1], "x"])! }
    const gates = this.workflows.get(job.workflowId)!.plan.steps.filter(s => s.gated)
    const to = world.faults ? random.pick(gates)?.id : undefined
    const handoff = to !== undefined && random.chance(0.4) && { handoff: { to, payload: { note: "for you" } } }
    return { ok: true, result: { ...some, ...(random.chance(0.12) && { done: true }), ...handoff } }
  }

  /** Somebody outside wants something. */
  request(): void {
    const { random, world, boot } = this
    world.current = boot.id
    const runs = [...this.disk.runs.values()]
    const run = random.chance(0.8) ? random.pick(runs.filter(r => !r.ended)) : random.pick(runs)
    if (!run || random.chance(0.12)) {
      this.start()
      return
    }
    const kind = random.next()
    if (kind < 0.1) {
      world.say(`inspect ${run.id}`)
      boot.inspect(run.id)
      return
    }
    const times = random.chance(0.15) ? 2 : 1
    const input = kind < 0.2 ? pause : kind < 0.3 ? resume : this.anything(run)
    // A child that nobody started would never end.
    if (input.type === "ChildStarted") return
    for (let i = 0; i < times; i++) {
      world.say(`request to ${run.id}: ${JSON.stringify(input)}`)
      boot.send(run.id, input)
    }
    if (random.chance(0.02)) boot.send("nobody", pause)
  }

  anything(run: StoredRun) {
    const past = this.calls.past.filter(p => p.runId === run.id).map(({ runId: _, ...p }) => p)
    return randomInput(this.random, run.state, { executing: [], watched: [], past, pastChildren: [], newChild: () => "ghost" })
  }

  /** A new start, or one more time one that was perhaps not answered. */
  start(): void {
    const { random, world, boot, starts } = this
    const again = starts.length >= STARTS_MAX || (starts.length > 0 && random.chance(0.3))
    if (!again) {
      const n = starts.length
      const overlays = random.chance(0.4) ? { input: { _steps: { s0: { note: "hi" }, s1: {} } } } : {}
      const facts: RunFacts = {
        ...FACTS,
        ...{ runId: `run${n}`, workflowId: `t${random.chance(0.5) && this.workflows.has("t1") ? 1 : 0}`, version: 1 },
        startedAt: world.now,
        excludedStepIds: random.chance(0.1) ? ["s0"] : [],
        ...overlays,
      }
      starts.push({ facts, key: random.chance(0.5) ? `key${n}` : null })
    }
    const { facts, key } = again ? random.pick(starts)! : starts.at(-1)!
    // With a key every request brings its own id, and one of them becomes the run.
    const runId = key !== null && again && random.chance(0.5) ? `${facts.runId}-${world.trace.length}` : facts.runId
    world.say(`start ${runId} ${key}`)
    boot.start({ ...facts, runId, startedAt: world.now }, key, there => {
      if (!there) return
      const found = this.disk.runs.has(runId)
        ? runId
        : [...this.disk.runs.values()].find(r => key !== null && r.run.idempotency?.key === key)?.id
      this.acknowledged.add(found ?? runId)
    })
  }

  pass(): void {
    const long = this.zombie ? 2 * LEASE_MS : 40_000
    this.world.now += this.random.below(this.random.chance(0.2) ? long : 3_000)
  }

  wake(boot: SimBoot): void {
    this.world.current = boot.id
    this.world.say(`${boot.id} wakes`)
    boot.wake()
  }

  lease(boot: SimBoot): void {
    this.world.current = boot.id
    this.world.say(`${boot.id} renews its lease`)
    boot.lease()
  }

  shutDown(): void {
    this.world.current = this.boot.id
    this.world.say(`${this.boot.id} shuts down`)
    this.boot.shutDown(this.random.below(5_000))
  }

  crash(): void {
    const { boot, world, random } = this
    if (world.zombies && !this.zombie && !boot.closing && random.chance(0.7)) {
      world.say(`${boot.id} is taken for dead`)
      this.zombie = boot
      // It was not heard of for too long, and knows nothing of it.
      if (random.chance(0.8)) this.disk.boots.set(boot.id, world.now)
    } else {
      world.say(`${boot.id} crashes`)
      this.end(boot)
    }
    this.boot = this.newBoot()
  }

  endZombie(): void {
    if (!this.zombie) return
    this.world.say(`${this.zombie.id} ends at last`)
    this.end(this.zombie)
    this.zombie = null
  }

  end(boot: SimBoot): void {
    this.disk.crash(boot.id)
    this.world.forgetTimers(boot.id)
    boot.attempts = []
  }

  /** No faults any more, and every answer that is owed, until there is nothing left to answer. */
  bringToAnEnd(): void {
    const { world } = this
    world.faults = false
    world.say("faults end")
    this.endZombie()
    if (this.boot.closing) this.crash()
    for (let i = 0; world.broken === null && this.goOn(); i++) {
      this.settle()
      if (i > END_MAX) world.holds(false, () => "all is answered and the runs do not end")
    }
  }

  /** False when nothing is left to do. */
  goOn(): boolean {
    const { world, disk, random, boot } = this
    const attempts = this.attempts()
    if (disk.operations.length > 0) this.operate(random.pick(disk.operations)!)
    else if (attempts.length > 0) this.answer(...random.pick(attempts)!)
    else if ([...disk.runs.values()].some(r => r.header.ownerBootId !== null && r.header.ownerBootId !== boot.id)) {
      world.now += LEASE_MS
      this.lease(boot)
    } else if (world.timers.length > 0) world.fireNext()
    else {
      const open = [...disk.runs.values()].filter(r => !r.ended)
      if (open.length === 0) return false
      if (open.some(run => this.lastRequest(run))) return true
      const times = open.flatMap(r => (r.header.wakeAt === null ? [] : [r.header.wakeAt]))
      world.holds(times.length > 0, () => `nothing can move ${open.map(r => `${r.id} (${r.state.status})`)}`)
      if (times.length === 0) return false
      // A run that could not be woken is held back for 30 s.
      world.now = Math.max(world.now + 31_000, Math.min(...times))
      this.wake(boot)
    }
    return true
  }

  lastRequest({ id, state }: StoredRun): boolean {
    this.world.current = this.boot.id
    const [task] = pendingTasks(state)
    if (state.pauseReason === "operator") {
      const resumed = (this.resumes.get(id) ?? 0) + 1
      this.resumes.set(id, resumed)
      this.boot.send(id, resumed > RESUMES_MAX ? stopNow : resume)
    } else if (task) this.boot.send(id, answered(task.task.taskId, this.random.chance(0.5)))
    else if (state.pauseReason === "awaiting_chat") this.boot.send(id, stopNow)
    else return false
    return true
  }

  checkEnd(): void {
    const { world, boot, disk } = this
    world.holds(boot.recovered, () => `${boot.id} never ended its recovery`)
    world.holds(boot.runs.inFlight === 0, () => `${boot.runs.inFlight} runs are left in memory`)
    for (const { id, ended, header } of disk.runs.values())
      world.holds(ended && header.wakeAt === null && header.ownerBootId === null, () => `${id} has not ended`)
  }

  story(seed: number): string {
    const journals = [...this.disk.runs.values()].map(
      r => `${r.id} (${r.run.facts.workflowId}): ${r.events.map(e => `${e.seq} ${summary(e.event)}`).join(", ")}`,
    )
    return [
      `${this.world.broken}\nAGENTRUNTIME_TEST_SEED=${seed}\n`,
      ...[...this.workflows].map(([id, { graph }]) => `${id}: ${JSON.stringify(graph)}`),
      ...["", ...this.world.trace, "", ...journals],
    ].join("\n")
  }
}
