import type { Execute } from "../../src/engine/commands.ts"
import type { RunInput } from "../../src/engine/inputs.ts"
import { type Place, placeOf, stateAt, stepAt } from "../../src/engine/place.ts"
import { isFinal, type RunFacts, type StepNote } from "../../src/engine/state.ts"
import { AppError, messageOf } from "../../src/kernel/errors.ts"
import { STALL_DEFAULT_MS } from "../../src/kernel/limits.ts"
import { type ActiveRun, placeKey } from "../../src/runtime/active-run.ts"
import { type Committed, EventFeed, type StepProgress } from "../../src/runtime/feed.ts"
import { INTERRUPTED_TASK } from "../../src/runtime/interrupted.ts"
import { createLease } from "../../src/runtime/loops/lease.ts"
import { createWake } from "../../src/runtime/loops/wake.ts"
import {
  AttemptOver,
  type Journal,
  type Leases,
  RunExists,
  RunLost,
  type StepExecutor,
  type StepExecutors,
  type StepJob,
  type StepOutcome,
} from "../../src/runtime/ports.ts"
import { Runs } from "../../src/runtime/runs.ts"
import { type AttemptHost, Worker } from "../../src/runtime/worker.ts"
import { type ChildStart, createWorkflowCallExecutor } from "../../src/steps/workflow_call/execute.ts"
import { isOwed } from "../engine/promises.ts"
import type { MemoryJournal } from "./memory-journal.ts"
import { ended, type RoundCall, type Rounds, whatIsMissing, workInRounds } from "./rounds.ts"
import type { Workflow } from "./workflows.ts"
import type { World } from "./world.ts"

/** An attempt in the world outside. */
export interface Attempt {
  readonly job: StepJob
  readonly order: Order
  readonly signal: AbortSignal
  readonly answer: (outcome: StepOutcome) => void
  readonly fail: (error: unknown) => void
  /** Does what the step's real executor does; null where the world outside decides. */
  readonly call: (() => void) | null
  /** The call of a turn that is under way here; null for what ends the attempt. */
  readonly inRound: RoundCall | null
}

/** What the runtime's worker was told to do. */
interface Order {
  readonly resumed: boolean
  readonly run: ActiveRun
  readonly place: Place
  readonly attempt: number
  readonly round: number
  readonly answers: number
  /** What it calls, whatever attempt it is. */
  readonly call: string
}

/** The names by which calls are known to the world outside, of all boots. */
export interface Calls {
  /** What is called → its idempotency key, and back. */
  readonly keys: Map<string, string>
  readonly calls: Map<string, string>
  /** Every order there was. */
  readonly ordered: Set<string>
  readonly past: {
    stepId: string
    item: number | null
    attempt: number
    round: number
    answers: number
    type: string
    runId: string
  }[]
}

/** Few, so that most lives have some. */
const SNAPSHOT_EVERY = 6
const OUTSIDE = ["work", "mcp_call", "lua_script"]
/** What turns are like here; most are over at once. */
const TURNS: readonly Rounds[] = [[], [], [0], [2], [1, 2], [3, 0, 1]]

/** One start of the process: the real runtime, with a spy at each of its doors. */
export class SimBoot {
  readonly runs: Runs
  readonly worker: Worker
  attempts: Attempt[] = []
  /** Calls from outside that were not answered yet. */
  calling = 0
  /** What steps recorded and was not answered yet. */
  recording = 0
  waking = false
  leasing = false
  /** Runs were taken over: requests may come. */
  listening = false
  recovered = false
  closing = false
  closed = false
  /** The sequence number of the last frame, by run. */
  readonly #told = new Map<string, number>()
  readonly #executed = new Map<string, Set<string>>()
  readonly #seen = new Map<ActiveRun, unknown>()
  readonly #wake: (now: number) => Promise<number>
  readonly #leases: Leases
  readonly #lease: (now: number) => Promise<number>

  constructor(
    readonly id: string,
    readonly world: World,
    readonly disk: MemoryJournal,
    readonly workflows: ReadonlyMap<string, Workflow>,
    readonly calls: Calls,
  ) {
    for (const run of disk.runs.values()) this.#told.set(run.id, run.events.length)
    const port = disk.port(id, { lost: runId => this.#executed.delete(runId) })
    const takeOver = async (bootId: string) => {
      const ids = await port.takeOver(bootId)
      this.listening = true
      return ids
    }
    const journal: Journal = { ...port, takeOver }
    const log = {
      warn: (_: object, message: string) => world.say(`${id} warns: ${message}`),
      error: (fields: { run_id?: string }, message: string) => {
        // It may come back, and begins anew then.
        if (message === "a run went on elsewhere") this.#executed.delete(fields.run_id ?? "")
        world.say(`${id} logs: ${message} ${JSON.stringify(fields)}`)
        world.holds(!message.includes("could not be decided"), () => `${message}: ${JSON.stringify(fields)}`)
      },
    }
    const feed = new EventFeed()
    for (const workflowId of workflows.keys()) {
      feed.subscribe(workflowId, committed => this.#frame(committed))
      feed.watch(workflowId, progress => this.#progress(progress))
    }
    this.worker = this.#spiedWorker(log)
    const clock = { now: () => world.now }
    const planOf = async (workflowId: string) => {
      if (world.faults && world.random.chance(0.01)) throw new Error("the plan cannot be read")
      return workflows.get(workflowId)!.plan
    }
    this.runs = new Runs({
      ...{ journal, clock, feed, log, bootId: id, stallMs: STALL_DEFAULT_MS, snapshotEvery: SNAPSHOT_EVERY },
      plans: { planOf },
      worker: this.worker,
    })
    this.#leases = disk.leases(id)
    this.#lease = createLease({ leases: this.#leases, runs: this.runs, bootId: id })
    this.#wake = createWake({ journal, runs: this.runs, stallMs: STALL_DEFAULT_MS, log })
  }

  recover(): void {
    const begin = async () => {
      // One machine has a lock on its data directory; several have only the clock.
      if (!this.world.zombies) await this.#leases.end(Number.MAX_SAFE_INTEGER)
      await this.#lease(this.world.now)
      this.recovered = true
    }
    begin().catch(error => {
      this.world.say(`${this.id} cannot begin: ${messageOf(error)}`)
      this.recover()
    })
  }

  /** A round that fails is made again, as by the loop. */
  lease(): void {
    this.leasing = true
    const over = () => {
      this.leasing = false
    }
    this.#lease(this.world.now).then(() => {
      this.recovered = true
      over()
    }, over)
  }

  wake(): void {
    this.waking = true
    const over = () => {
      this.waking = false
    }
    this.#wake(this.world.now).then(over, over)
  }

  shutDown(graceMs: number): void {
    this.closing = true
    void this.runs.shutDown(graceMs).then(() => {
      this.closed = true
    })
  }

  start(facts: RunFacts, key: string | null, onAnswer: (there: boolean) => void): void {
    this.calling++
    const idempotency = key === null ? null : { key, hash: "h" }
    const { plan } = this.workflows.get(facts.workflowId)!
    this.runs.start({ facts, workflowName: "w", idempotency, identity: { segment_id: facts.runId } }, plan).then(
      state => {
        this.calling--
        this.world.say(`${this.id} answers the start of ${facts.runId}: ${state.status}`)
        const stored = this.disk.runs.get(facts.runId)
        this.world.holds(stored?.isOnDisk(state) === true, () => `${facts.runId}: start answered before its commit`)
        onAnswer(true)
      },
      error => {
        this.calling--
        this.world.say(`${this.id} refuses the start of ${facts.runId}: ${messageOf(error)}`)
        const twin = [...this.disk.runs.values()].some(
          r => r.id === facts.runId || (key !== null && r.run.idempotency?.key === key),
        )
        this.world.holds(!(error instanceof RunExists) || twin, () => `${facts.runId} is said to exist and does not`)
        onAnswer(error instanceof RunExists)
      },
    )
  }

  send(runId: string, input: RunInput): void {
    this.calling++
    this.runs.send(runId, input).then(
      ({ after, before, accepted }) => {
        this.calling--
        this.world.say(`${this.id} answers ${input.type} to ${runId}: ${accepted} ${after.status} ${after.seq}`)
        const stored = this.disk.runs.get(runId)
        this.world.holds(
          stored?.isOnDisk(after) === true && stored.isOnDisk(before),
          () => `${runId}: ${input.type} answered before its commit`,
        )
        this.world.holds(
          !accepted || isOwed(before, input),
          () => `${runId}: ${JSON.stringify(input)} decided something, and nobody waited for it`,
        )
      },
      error => {
        this.calling--
        this.world.say(`${this.id} refuses ${input.type} to ${runId}: ${messageOf(error)}`)
        this.world.holds(
          !(error instanceof AppError && error.kind === "not_found") || !this.disk.runs.has(runId),
          () => `${runId} is said not to exist`,
        )
        this.world.holds(this.world.zombies || !(error instanceof RunLost), () => `${runId} was lost to nobody`)
      },
    )
  }

  inspect(runId: string): void {
    this.calling++
    const known = this.disk.runs.get(runId)?.events.length ?? 0
    this.runs.inspect(runId).then(
      state => {
        this.calling--
        const stored = this.disk.runs.get(runId)
        this.world.holds(
          state === null ? known === 0 : stored?.isOnDisk(state) === true,
          () => `${runId}: what is shown is not on disk`,
        )
      },
      () => {
        this.calling--
      },
    )
  }

  /** Nothing is asked of the disk, nothing is under way outside, nothing is set to happen. */
  get isQuiet(): boolean {
    const { world, id } = this
    return (
      this.attempts.length === 0 &&
      !this.waking &&
      !this.leasing &&
      !this.disk.operations.some(o => o.owner === id) &&
      !world.timers.some(t => t.owner === id)
    )
  }

  /** What is in memory is what is on disk. */
  checkMemory(): void {
    for (const [run, state] of this.#seen) {
      if (run.rested) this.#seen.delete(run)
      else if (!run.busy && state !== run.state) {
        this.#seen.set(run, run.state)
        const stored = this.disk.runs.get(run.run.facts.runId)
        this.world.holds(
          stored?.isOnDisk(run.state) === true && (this.world.zombies || run.state.seq === stored.events.length),
          () => `${run.run.facts.runId}: memory at ${run.state.seq} is not what is on disk, ${stored?.events.length}`,
        )
      }
    }
    for (const { job, signal, order } of this.attempts) {
      const { run, place, attempt, round, answers } = order
      if (signal.aborted || run.busy) continue
      const what = `${job.runId}: ${job.stepId}[${job.item}] ${round}/${attempt}/${answers}`
      const s = stateAt(run.state, place)
      this.world.holds(!run.rested, () => `${what} is under way, and its run has left memory`)
      this.world.holds(
        !isFinal(run.state.status) &&
          s?.status === "running" &&
          s.attempt === attempt &&
          s.round === round &&
          s.answers.length === answers,
        () => `${what} goes on, and nobody waits for it`,
      )
    }
  }

  /** Everything that was committed since this boot began was told. */
  checkTold(): void {
    for (const { id, events } of this.disk.runs.values())
      this.world.holds((this.#told.get(id) ?? 0) === events.length, () => `${id}: ${this.#told.get(id)} of ${events.length} told`)
  }

  #frame({ runId, events }: Committed): void {
    const { world } = this
    const stored = this.disk.runs.get(runId)
    for (const frame of events) {
      world.say(`${this.id} frame ${runId} ${frame.seq}`)
      const onDisk = stored?.events[frame.seq - 1]
      world.holds(onDisk !== undefined && Bun.deepEquals(onDisk, frame), () => `${runId}: frame ${frame.seq} before its commit`)
      const last = this.#told.get(runId) ?? 0
      world.holds(
        frame.seq === last + 1 || (world.zombies && frame.seq > last),
        () => `${runId}: frame ${frame.seq} behind ${last}`,
      )
      this.#told.set(runId, frame.seq)
    }
  }

  /** It stands behind the last frame of its run, and its attempt is under way. */
  #progress({ runId, seq, stepId, item }: StepProgress): void {
    const { world } = this
    const told = this.#told.get(runId) ?? 0
    world.say(`${this.id} progress ${runId} ${stepId}[${item}] behind ${seq}`)
    world.holds(world.zombies || seq === told, () => `${runId}: progress of ${stepId} behind ${seq}, told ${told}`)
    // The disk may be ahead of what this boot has heard of it.
    const state = this.disk.runs.get(runId)!.folds[seq]!
    const s = stateAt(state, placeOf(state.plan, stepId, item)!)
    world.holds(world.zombies || s?.status === "running", () => `${runId}: progress of ${stepId}, which is ${s?.status}`)
  }

  #spiedWorker(log: { error(fields: object, message: string): void }): Worker {
    // The executor is called while the worker is.
    let order: Order | null = null
    const before = (run: ActiveRun, execute: Execute) => {
      order = { ...execute, run, call: this.#ordered(run, execute) }
    }
    class SpiedWorker extends Worker {
      override execute(run: ActiveRun, order: Execute, host: AttemptHost): void {
        before(run, order)
        super.execute(run, order, host)
      }
    }
    const { random } = this.world
    const real = createWorkflowCallExecutor(start => this.#startChild(start))
    const outside = (job: StepJob, signal: AbortSignal) => this.#outside(job, signal, order!, null)
    const turn = (job: StepJob, signal: AbortSignal) => this.#turn(job, signal, order!)
    const child = (job: StepJob, signal: AbortSignal) => this.#outside(job, signal, order!, () => real.execute(job, signal))
    const executors: StepExecutors = new Map<string, StepExecutor>([
      ...OUTSIDE.map(type => [type, { execute: outside }] as const),
      ["agent_call", { execute: turn, resumes: true }],
      ["workflow_call", { execute: child, resumes: true }],
    ])
    return new SpiedWorker(executors, () => random.next(), log)
  }

  /** What an order calls, whatever attempt it is. */
  #ordered(run: ActiveRun, { place, attempt, round, answers, resumed }: Execute): string {
    const { world } = this
    const { runId } = run.run.facts
    const stored = this.disk.runs.get(runId)
    const { state } = run
    const { path, type } = stepAt(state, place)
    const s = stateAt(state, place)
    const what = `${runId}: ${path}[${place.within?.item}] ${round}/${attempt}/${answers}`
    world.say(`${this.id} executes ${what}`)
    world.holds(stored?.isOnDisk(state) === true, () => `${what} executed before its commit`)
    world.holds(world.zombies || state.seq === stored?.events.length, () => `${what} executed in an old state`)
    world.holds(
      s?.status === "running" &&
        s.attempt === attempt &&
        s.round === round &&
        s.answers.length === answers &&
        s.retryAt === null &&
        s.childRunId === null,
      () => `${what} executed, and it is not under way`,
    )
    const outer = state.steps[place.within?.parent ?? place.index]!
    const name = `${placeKey(place)} ${outer.round}/${place.within ? outer.attempt : 0} ${round}/${attempt}/${answers}`
    const executed = this.#executed.get(runId) ?? new Set()
    this.#executed.set(runId, executed)
    world.holds(!executed.has(name), () => `${what} executed twice by one boot`)
    executed.add(name)
    const { ordered } = this.calls
    const everywhere = `${runId} ${name} ${outer.attempt}`
    // A zombie may hear so late of what it began itself that others have taken it over.
    world.holds(
      world.zombies || resumed || !ordered.has(everywhere),
      () => `${what} was begun before, and is not said to be resumed`,
    )
    ordered.add(everywhere)
    this.#seen.set(run, null)
    const item = place.within?.item ?? null
    if (type.type !== "workflow_call")
      this.calls.past.push({ runId, stepId: path, item, attempt, round, answers, type: type.type })
    return `${runId} ${path} ${item} ${outer.round}`
  }

  #outside(job: StepJob, signal: AbortSignal, order: Order, execute: (() => Promise<StepOutcome>) | null): Promise<StepOutcome> {
    const { keys, calls } = this.calls
    const { call } = order
    this.#checkCrash(job, order)
    const key = keys.get(call) ?? job.idempotencyKey
    const same = key === job.idempotencyKey && (calls.get(key) ?? call) === call
    this.world.holds(same, () => `${call} has the key ${job.idempotencyKey}, ${key} was ${calls.get(job.idempotencyKey)}`)
    const told = this.disk.runs.get(job.runId)?.told(job.stepId, job.item)
    this.world.holds(
      Bun.deepEquals(job.answers, told),
      () => `${call} was told ${JSON.stringify(job.answers)}, people said ${JSON.stringify(told)}`,
    )
    const noted = this.disk.runs.get(job.runId)?.noted(job.stepId, job.item)
    this.world.holds(
      this.world.zombies || Bun.deepEquals(job.notes, noted),
      () => `${call} goes on from ${JSON.stringify(job.notes)}, and recorded ${JSON.stringify(noted)}`,
    )
    keys.set(call, key)
    calls.set(key, call)
    for (let n = 0; n < 3 && this.world.random.chance(0.1); n++) job.progress({ n })
    return new Promise((answer, fail) => {
      this.attempts.push({
        job,
        signal,
        order,
        answer,
        fail,
        call: execute && (() => void execute().then(answer, fail)),
        inRound: null,
      })
    })
  }

  /** A turn that works in rounds, and then ends as any step does. */
  async #turn(job: StepJob, signal: AbortSignal, order: Order): Promise<StepOutcome> {
    const rounds = TURNS[Number(Bun.hash(order.call) % BigInt(TURNS.length))]!
    const record = async (note: StepNote) => {
      this.recording++
      await job.record(note).then(
        () => this.recording--,
        error => {
          this.recording--
          const over = signal.aborted || this.closing
          this.world.holds(over, () => `${order.call} may not record ${JSON.stringify(note.data)}, and is wanted`)
          throw error
        },
      )
      this.#checkRecorded(job, order, note)
    }
    try {
      await workInRounds({ ...job, record }, rounds, call => this.#inRound(job, signal, order, call))
    } catch (error) {
      if (error instanceof AttemptOver) throw error
      return { ok: false, failure: { code: "AGENT_TURN_FAILED", message: messageOf(error), retryable: true } }
    }
    const noted = this.#notesOf(job)
    const missing = rounds.length === 0 ? null : whatIsMissing(noted)
    this.world.holds(this.world.zombies || missing === null, () => `${order.call} ends its turn, and ${missing}`)
    return await this.#outside({ ...job, notes: noted }, signal, order, null)
  }

  #notesOf({ runId, stepId, item }: StepJob): readonly StepNote[] {
    return this.disk.runs.get(runId)?.noted(stepId, item) ?? []
  }

  #inRound(job: StepJob, signal: AbortSignal, order: Order, call: RoundCall): Promise<void> {
    const { world, calls } = this
    const what = `${order.call}: call ${call.name} #${job.attempt} of ${this.id}`
    world.say(`${what} is made`)
    // A zombie hears late that others went on.
    world.holds(world.zombies || !ended(this.#notesOf(job)).includes(call.name), () => `${what} had ended, and is made again`)
    const name = `${order.call} ${call.name}`
    const key = calls.keys.get(name) ?? call.key
    world.holds(key === call.key, () => `${what} has the key ${call.key}, and had ${key}`)
    calls.keys.set(name, key)
    return new Promise((resolve, fail) => {
      this.attempts.push({ job, signal, order, answer: () => resolve(), fail, call: null, inRound: call })
    })
  }

  /** What resolved is on disk, and whoever made it may go on. */
  #checkRecorded(job: StepJob, { run, place, attempt, round, answers }: Order, note: StepNote): void {
    const { world } = this
    const what = `${job.runId}: ${job.stepId}[${job.item}] recorded ${JSON.stringify(note.data)}`
    world.holds(world.zombies || this.#notesOf(job).some(n => Bun.deepEquals(n, note)), () => `${what}, and it is not on disk`)
    const s = stateAt(run.state, place)
    const goesOn = s?.status === "running" && s.attempt === attempt && s.round === round && s.answers.length === answers
    world.holds(goesOn && !run.rested && !isFinal(run.state.status), () => `${what}, goes on, and nobody waits for it`)
  }

  /** Nothing of what was under way is run again against its step's `on_crash`. */
  #checkCrash({ runId, stepId, onCrash, stepType }: StepJob, { run, place, resumed }: Order): void {
    const last = stateAt(run.state, place)?.answers.at(-1)
    const rejected = last?.taskType === INTERRUPTED_TASK && !last.approved
    const decidesItself = stepType === "agent_call" || stepType === "workflow_call"
    this.world.holds(
      decidesItself || (!rejected && (!resumed || onCrash === "retry")),
      () => `${runId}: ${stepId} is run again, and its on_crash is ${onCrash}`,
    )
  }

  /** As modules/runs/child-start.ts does it. */
  async #startChild({ workflowId, outputFrom, caller, input }: ChildStart): Promise<string> {
    const { tenantId, projectId, userId } = caller
    const facts: RunFacts = {
      ...{ tenantId, projectId, workflowId, userId, input, version: 1 },
      runId: `(${caller.idempotencyKey})`,
      triggerType: "workflow_call",
      startedAt: this.world.now,
      excludedStepIds: [],
      parent: {
        ...{ runId: caller.runId, workflowId: caller.workflowId, stepId: caller.stepId, item: caller.item, outputFrom },
        depth: caller.depth + 1,
      },
    }
    const { plan } = this.workflows.get(workflowId)!
    try {
      await this.runs.start({ facts, workflowName: "child", idempotency: null }, plan)
    } catch (error) {
      if (!(error instanceof RunExists)) throw error
    }
    this.world.holds(this.disk.runs.has(facts.runId), () => `${facts.runId} is said to be started and is not there`)
    return facts.runId
  }
}
