import { type Command, commands, type Execute } from "../engine/commands.ts"
import { decide } from "../engine/decide.ts"
import type { Plan } from "../engine/graph.ts"
import type { RunInput } from "../engine/inputs.ts"
import { outputOf } from "../engine/output.ts"
import { initialState, isFinal, type RunFacts, type RunState } from "../engine/state.ts"
import type { Clock } from "../kernel/clock.ts"
import { AppError, messageOf } from "../kernel/errors.ts"
import { LEASE_MS, MAILBOX_MAX, RUNS_IN_MEMORY_MAX, SNAPSHOT_EVERY_EVENTS, STARTS_WAITING_MAX } from "../kernel/limits.ts"
import { ActiveRun, type Letter, type Outcome, placeKey } from "./active-run.ts"
import { changesOf, ofNobody, sameHeader, stamp } from "./changes.ts"
import type { EventFeed } from "./feed.ts"
import { Halts } from "./halts.ts"
import { keepSnapshot, loadRun } from "./load-run.ts"
import { type AlsoStored, type Journal, JournalFull, type NewRun, type PlanSource, RunLost, type StampedEvent } from "./ports.ts"
import type { Worker } from "./worker.ts"

/** Pause before what could not be written, or a run that could not be loaded, is tried again. */
const TRY_AGAIN_MS = 1_000

export interface RunsDeps {
  readonly journal: Journal
  readonly plans: PlanSource
  readonly worker: Worker
  readonly clock: Clock
  /** Hears what was committed. */
  readonly feed: EventFeed
  readonly bootId: string
  /** In place of `RUNS_IN_MEMORY_MAX`, `STARTS_WAITING_MAX`, `MAILBOX_MAX`. */
  readonly limits?: { readonly inMemory: number; readonly starting: number; readonly mailbox: number }
  /** In place of `SNAPSHOT_EVERY_EVENTS`. */
  readonly snapshotEvery?: number
  /** How long a run in which nothing is awaited may stay as it is, ms. */
  readonly stallMs: number
  readonly log: { error(fields: object, message: string): void; warn(fields: object, message: string): void }
}

/**
 * The only door to a run. Inputs of one run are decided one after another; what they decide is committed before
 * anything of it leaves: no command runs, no answer is given, before the events are on disk.
 */
export class Runs {
  readonly #active = new Map<string, Promise<ActiveRun | null>>()
  /** Starts that are being committed; each resolves, always, when it is over. */
  readonly #starting = new Map<string, Promise<void>>()
  readonly halts = new Halts()
  readonly #limits
  #quiet = false

  constructor(private readonly deps: RunsDeps) {
    this.#limits = deps.limits ?? { inMemory: RUNS_IN_MEMORY_MAX, starting: STARTS_WAITING_MAX, mailbox: MAILBOX_MAX }
  }

  /** Resolves when the start, and what is stored with it, is durable. Throws `RunExists`, `StartOutdated`. */
  async start(run: NewRun, plan: Plan, also: readonly AlsoStored[] = []): Promise<RunState> {
    const { runId, parent } = run.facts
    // The start of a child is the end of an attempt under way: refused, it would fail the step of its parent.
    if (this.#quiet && !parent) throw shuttingDown()
    if (!parent) this.#refuseTooMany()
    while (this.#starting.has(runId)) await this.#starting.get(runId)
    const opening = this.#active.get(runId)
    if (opening && (await opening.catch(() => null)) === null) return await this.start(run, plan, also)
    const starting = Promise.withResolvers<void>()
    this.#starting.set(runId, starting.promise)
    try {
      return await this.#start(run, plan, also)
    } finally {
      this.#starting.delete(runId)
      starting.resolve()
    }
  }

  /** What is taken here is held in memory until it is on disk, or at rest: it has to end somewhere. */
  #refuseTooMany(): void {
    if (this.#starting.size >= this.#limits.starting) {
      throw tooMany("more runs are being started than the disk can take; try again in a moment", "TOO_MANY_STARTS", 1)
    }
    if (this.#active.size >= this.#limits.inMemory) {
      throw tooMany("too many runs are under way; try again when some have ended", "TOO_MANY_RUNS", 5)
    }
  }

  async #start(run: NewRun, plan: Plan, also: readonly AlsoStored[]): Promise<RunState> {
    const now = this.deps.clock.now()
    const before = initialState(run.facts, plan)
    const { identity, origin, recording } = run
    const told = { ...(identity && { identity }), ...(origin && { origin }), ...(recording && { recording }) }
    const { events, state } = decide(before, { type: "Start", ...told }, now)
    const changes = changesOf(before, state, stamp(events, before.seq, now), this.deps)
    const { header } = changes
    await this.deps.journal.create(run, { ...changes, header: isFinal(state.status) ? ofNobody(header) : header }, also)
    this.#tell(run, changes.events)
    if (isFinal(state.status)) return state
    const active = new ActiveRun(run, state)
    active.header = changes.header
    this.#active.set(run.facts.runId, Promise.resolve(active))
    this.#obey(active, before, state)
    this.#restIfIdle(active)
    return state
  }

  /** Resolves when what the input decided is durable. Throws `AppError("not_found")` for an unknown run. */
  async send(runId: string, input: RunInput): Promise<Outcome> {
    if (this.#quiet) throw shuttingDown()
    for (;;) {
      const run = await this.#open(runId)
      if (!run) throw new AppError("not_found", "there is no such run")
      if (run.rested) continue
      if (run.mailbox.length >= this.#limits.mailbox) {
        throw tooMany("too many requests wait for this run; try again in a moment", "RUN_BUSY", 1)
      }
      return await this.#deliver(run, input)
    }
  }

  /** The run as it is on disk; null when there is none. */
  async inspect(runId: string): Promise<RunState | null> {
    const active = await this.#active.get(runId)
    return active ? active.state : ((await this.#load(runId))?.state ?? null)
  }

  /** Goes on with every run that a boot without a lease left in motion; how many. */
  async recover(): Promise<number> {
    const ids = await this.deps.journal.takeOver(this.deps.bootId)
    for (const id of ids) await this.#resume(id)
    return ids.length
  }

  /** The lease of this boot ran out: what others took over meanwhile is theirs, and stops here. */
  async forgetLost(): Promise<void> {
    const { journal, bootId } = this.deps
    const opened = await Promise.all([...this.#active.values()].map(opening => opening.catch(() => null)))
    const believed = opened.filter(run => run?.header?.ownerBootId === bootId)
    const owned = new Set(await journal.owned(bootId))
    for (const run of believed) {
      if (!run || run.rested || owned.has(run.run.facts.runId)) continue
      this.#lose(run, [], new RunLost(`run ${run.run.facts.runId} was taken over`))
    }
  }

  get inFlight(): number {
    return this.#active.size
  }

  /** Takes no more inputs from outside and starts nothing more; waits for attempts under way, `graceMs` at the most. */
  async shutDown(graceMs: number): Promise<number> {
    this.#quiet = true
    const until = this.deps.clock.now() + graceMs
    while (this.#active.size > 0 && this.deps.worker.executing > 0 && this.deps.clock.now() < until) await Bun.sleep(10)
    this.deps.worker.abandon()
    return this.#active.size
  }

  /**
   * In memory, or from the journal; one loading for all who ask at once. Whoever awaits this must look at `rested` before
   * using the run: it may have left memory in the microtask between.
   */
  async #open(runId: string): Promise<ActiveRun | null> {
    // What is committed may be read before its start has heard of it: there would be two of the run.
    while (this.#starting.has(runId)) await this.#starting.get(runId)
    const known = this.#active.get(runId)
    if (known) return await known
    const opening = this.#load(runId)
    this.#active.set(runId, opening)
    const forget = () => {
      if (this.#active.get(runId) === opening) this.#active.delete(runId)
    }
    opening.then(run => {
      if (!run) forget()
    }, forget)
    return await opening
  }

  async #load(runId: string): Promise<ActiveRun | null> {
    const loaded = await loadRun(this.deps.journal, this.deps.plans, runId)
    if (!loaded) return null
    const active = new ActiveRun(loaded.run, loaded.state)
    active.snapshotSeq = loaded.snapshotSeq
    active.foreign = loaded.ownerBootId !== null && loaded.ownerBootId !== this.deps.bootId
    this.#keepSnapshot(active)
    return active
  }

  /** Of a long journal, so that it need not be folded from its beginning again. */
  #keepSnapshot(run: ActiveRun): void {
    const { seq } = run.state
    if (seq - run.snapshotSeq <= (this.deps.snapshotEvery ?? SNAPSHOT_EVERY_EVENTS)) return
    run.snapshotSeq = seq
    keepSnapshot(this.deps.journal, run.state).catch(error => {
      this.deps.log.warn({ run_id: run.run.facts.runId, error: messageOf(error) }, "a snapshot of a run could not be kept")
    })
  }

  /** Does everything that is open in a run taken over. A run that cannot be read does not keep the others from going on. */
  async #resume(runId: string): Promise<void> {
    try {
      let run = await this.#open(runId)
      while (run?.rested) run = await this.#open(runId)
      if (!run) return
      run.takenOver = true
      this.#post(run, { type: "ClockReached", stallMs: this.deps.stallMs })
    } catch (error) {
      this.deps.log.error({ run_id: runId, error: messageOf(error) }, "run could not be resumed, trying again")
      setTimeout(() => void this.#resume(runId), TRY_AGAIN_MS).unref()
    }
  }

  /** For whoever waits for what becomes of it. */
  async #deliver(run: ActiveRun, input: RunInput): Promise<Outcome> {
    if (run.rested) throw new RunLost("the run has left memory")
    return await new Promise((resolve, reject) => {
      run.mailbox.push({ input, resolve, reject })
      void this.#pump(run)
    })
  }

  /** An input that nobody waits for. */
  #post(run: ActiveRun, input: RunInput): void {
    run.mailbox.push({ input, resolve: () => {}, reject: () => {} })
    void this.#pump(run)
  }

  async #pump(run: ActiveRun): Promise<void> {
    if (run.busy) return
    run.busy = true
    while (run.mailbox.length > 0 && !run.rested) await this.#decide(run, run.mailbox.splice(0))
    run.busy = false
    this.#restIfIdle(run)
  }

  async #decide(run: ActiveRun, letters: readonly Letter[]): Promise<void> {
    if (run.takenOver) {
      run.takenOver = false
      this.#obey(run, null, run.state)
    }
    const before = run.state
    let after = before
    const events = []
    const outcomes: Outcome[] = []
    try {
      for (const letter of letters) {
        const now = this.deps.clock.now()
        const decision = decide(after, letter.input, now)
        events.push(...stamp(decision.events, after.seq, now))
        outcomes.push({ accepted: decision.events.length > 0, before: after, after: decision.state })
        after = decision.state
      }
    } catch (error) {
      // A mistake of ours that would repeat itself, and the run's calls with it: the run rests until the next boot.
      this.#drop(run, letters, error, "a run's input could not be decided")
      return
    }
    if (events.length > 0) {
      const failure = await this.#append(run, changesOf(before, after, events, this.deps))
      if (failure) {
        this.#onFailure(run, letters, failure)
        return
      }
      run.state = after
      if (after.status !== "running") this.halts.tell(after)
      this.#tell(run.run, events)
      if (run.rested)
        void this.#resumeOwned(run.run.facts) // forgotten while it was being committed
      else this.#obey(run, before, after)
      if (run.foreign && !run.rested) this.#obey(run, null, after)
      run.foreign = false
    }
    for (const [i, letter] of letters.entries()) {
      const { input } = letter
      // The step was over when its child began: nobody waits for that one.
      if (input.type === "ChildStarted" && !outcomes[i]!.accepted) void this.#stopChild(input.childRunId, run.run.facts.userId)
      letter.resolve(outcomes[i]!)
    }
  }

  async #append(run: ActiveRun, changes: ReturnType<typeof changesOf>): Promise<unknown> {
    try {
      const unchanged = run.header !== null && sameHeader(run.header, changes.header)
      await this.deps.journal.append(run.run, { ...changes, header: unchanged ? null : changes.header })
      run.header = changes.header
      return null
    } catch (error) {
      return error ?? new Error("the journal refused")
    }
  }

  /**
   * Nothing was committed. On a full disk what steps say is kept and tried again; whoever else waits is told. Anything
   * else: forget what is in memory, for the journal is what counts, and go on from there if the run is still ours.
   */
  #onFailure(run: ActiveRun, letters: readonly Letter[], failure: unknown): void {
    if (failure instanceof JournalFull) {
      const error = new AppError("unavailable", "the disk is full; free some space and try again", {
        code: "DISK_FULL",
        retryAfterS: 5,
      })
      const kept = letters.filter(l => isAttemptsAnswer(l.input))
      for (const letter of letters) if (!kept.includes(letter)) letter.reject(error)
      run.held += kept.length
      setTimeout(() => {
        run.held -= kept.length
        if (run.rested) for (const letter of kept) letter.reject(failure)
        else run.mailbox.unshift(...kept)
        void this.#pump(run)
      }, TRY_AGAIN_MS)
      return
    }
    if (failure instanceof RunLost) {
      this.#lose(run, letters, failure)
      return
    }
    this.#drop(run, letters, failure, "the journal refused a run's events")
    setTimeout(() => void this.#resume(run.run.facts.runId), TRY_AGAIN_MS).unref()
  }

  /** Somebody else went on with it. That may have been a boot that had lost it to us: then it is ours to go on with. */
  #lose(run: ActiveRun, letters: readonly Letter[], failure: RunLost): void {
    this.#drop(run, letters, failure, "a run went on elsewhere")
    setTimeout(() => void this.#resumeOwned(run.run.facts), TRY_AGAIN_MS).unref()
  }

  async #resumeOwned(facts: RunFacts): Promise<void> {
    const { runId, parent } = facts
    try {
      const owned = await this.deps.journal.owned(this.deps.bootId)
      if (owned.includes(runId)) await this.#resume(runId)
      else if (parent) await this.#awaitLost(facts, parent.runId)
    } catch (error) {
      this.deps.log.error({ run_id: runId, error: messageOf(error) }, "the owner of a run could not be read, trying again")
      setTimeout(() => void this.#resumeOwned(facts), TRY_AGAIN_MS).unref()
    }
  }

  /** Whoever has the child may end before it tells the parent, which may be ours. */
  async #awaitLost(facts: RunFacts, parentRunId: string): Promise<void> {
    const { runId } = facts
    const child = await loadRun(this.deps.journal, this.deps.plans, runId)
    if (child && isFinal(child.state.status)) await this.#tellParent(parentRunId, runId)
    else if (child && child.ownerBootId !== null) setTimeout(() => void this.#resumeOwned(facts), LEASE_MS).unref()
  }

  #drop(run: ActiveRun, letters: readonly Letter[], failure: unknown, message: string): void {
    this.deps.log.error({ run_id: run.run.facts.runId, error: messageOf(failure) }, message)
    this.deps.worker.cancelAll(run)
    for (const letter of [...letters, ...run.mailbox.splice(0)]) letter.reject(failure)
    this.#rest(run)
  }

  #tell({ facts: { runId, workflowId, version } }: NewRun, events: readonly StampedEvent[]): void {
    this.deps.feed.publish({ runId, workflowId, version, events })
  }

  #obey(run: ActiveRun, before: RunState | null, after: RunState): void {
    for (const command of commands(before, after)) this.#do(run, command)
    if (isFinal(after.status) && after.facts.parent) void this.#tellParent(after.facts.parent.runId, after.facts.runId)
  }

  #do(run: ActiveRun, command: Command): void {
    switch (command.type) {
      case "execute":
        this.#execute(run, command)
        break
      case "cancel":
        this.deps.worker.cancel(run, command.place)
        break
      case "watch":
        void this.#tellParent(run.run.facts.runId, command.childRunId)
        break
      case "stop_child":
        void this.#stopChild(command.childRunId, run.run.facts.userId)
        break
    }
  }

  #execute(run: ActiveRun, order: Execute): void {
    // A run taken over may have been opened by a request already, which then ordered what its own answer made ready.
    const key = placeKey(order.place)
    const name = `${order.round}/${order.attempt}/${order.answers}`
    if (this.#quiet || run.ordered.get(key) === name) return
    run.ordered.set(key, name)
    const { feed, clock, worker } = this.deps
    const { runId, workflowId, version } = run.run.facts
    worker.execute(run, order, {
      answer: input => this.#post(run, input),
      record: async input => (await this.#deliver(run, input)).accepted,
      isWatched: () => feed.isWatched(workflowId),
      progress: ({ stepId, item }, data) =>
        feed.tell({ runId, workflowId, version, seq: run.state.seq, at: clock.now(), stepId, item, data }),
    })
  }

  /**
   * Brings the end of a child run to its parent: when the child ends, and when the parent looks for it after a start. If
   * the process ends between the two, the parent's next look finds it; a second message decides nothing.
   */
  async #tellParent(parentRunId: string, childRunId: string): Promise<void> {
    try {
      const child = await this.inspect(childRunId)
      if (!child || !isFinal(child.status)) return
      await this.send(parentRunId, {
        type: "ChildEnded",
        childRunId,
        status: child.status,
        output: outputOf(child),
        error: child.error,
      })
      await this.deps.journal.release(childRunId)
    } catch (error) {
      if (this.#quiet) return
      this.deps.log.warn(
        { run_id: parentRunId, child_run_id: childRunId, error: messageOf(error) },
        "a child's end could not be told, trying again",
      )
      setTimeout(() => void this.#tellParent(parentRunId, childRunId), TRY_AGAIN_MS).unref()
    }
  }

  async #stopChild(childRunId: string, by: string): Promise<void> {
    try {
      await this.send(childRunId, { type: "Stop", mode: "immediate", drainMs: 0, by })
    } catch (error) {
      if (!this.#quiet) this.deps.log.warn({ run_id: childRunId, error: messageOf(error) }, "a child run could not be stopped")
    }
  }

  /** A run that only an answer from outside can move costs a row, not memory. */
  #restIfIdle(run: ActiveRun): void {
    // Steps that the next boot will begin: at the end they count as in flight.
    const left = this.#quiet && !isFinal(run.state.status) && run.state.moving > 0
    if (left || run.busy || run.mailbox.length > 0 || run.held > 0 || run.executing.size > 0 || run.rested) return
    this.#keepSnapshot(run)
    this.#rest(run)
  }

  #rest(run: ActiveRun): void {
    if (run.rested) return
    run.rested = true
    this.#active.delete(run.run.facts.runId)
  }
}

const FROM_ATTEMPTS: ReadonlySet<RunInput["type"]> = new Set([
  "StepSucceeded",
  "StepErrored",
  "StepAsked",
  "StepNoted",
  "ChildStarted",
])

/** What nobody would say again: an attempt's answer, which the child run it started is, too. */
function isAttemptsAnswer({ type }: RunInput): boolean {
  return FROM_ATTEMPTS.has(type)
}

function tooMany(sentence: string, code: string, retryAfterS: number): AppError {
  return new AppError("unavailable", sentence, { code, retryAfterS })
}

function shuttingDown(): AppError {
  return new AppError("unavailable", "the server is shutting down; try again in a moment", { retryAfterS: 2 })
}
