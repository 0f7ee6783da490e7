import type { RunEvent, StepWarning } from "../engine/events.ts"
import type { Failure } from "../engine/failure.ts"
import type { OnCrash, Plan } from "../engine/graph.ts"
import type { Answer, Identity, Origin, RunFacts, RunStatus, StepNote } from "../engine/state.ts"
import type { Json, JsonObject } from "../kernel/json.ts"

/** One attempt of one step, handed to the world outside. */
export interface StepJob {
  readonly tenantId: string
  readonly projectId: string
  readonly workflowId: string
  /** Of the workflow, as published. */
  readonly version: number
  readonly runId: string
  /** As whom the run acts. */
  readonly userId: string
  /** Runs above this one. */
  readonly depth: number
  /** The step's path, and its item where it is inside a loop. */
  readonly stepId: string
  readonly item: number | null
  readonly stepType: string
  /** Of the step's entry (contract §4.6), from 0. */
  readonly round: number
  /** From 1. */
  readonly attempt: number
  /** What models and tools are asked and say is to be kept: see `recorder.ts`. */
  readonly recording: boolean
  /** `run:step:iteration`: the same on every attempt, so that a peer can tell a repeat from a new call. */
  readonly idempotencyKey: string
  /** The step's own fields with every template resolved, e.g. `{ tool_name, tool_args, server_url }`. */
  readonly config: JsonObject
  /** What scripts see: `input`, `steps` (id → `{ result }`), `run`; in loops also `item`, `index`. Made when asked for. */
  scope(): { readonly [name: string]: Json }
  /**
   * The limit of this attempt in ms; null: none. The executor keeps it, from when the work itself begins; after each answer it
   * counts anew, for nobody knows how long people take.
   */
  readonly timeoutMs: number | null
  /** What people said to what this attempt asked so far, in order; a new attempt begins without. */
  readonly answers: readonly Answer[]
  /**
   * True when a recovery handed the attempt over: another boot was given it, or this one before it lost the run, and nobody knows
   * how far that came. What the workflow wants then is `onCrash`.
   */
  readonly resumed: boolean
  readonly onCrash: OnCrash
  /**
   * What the step recorded so far, in order: this attempt before a crash or before a question, and the attempts before it. Only a
   * step that is entered again, or begun anew by its loop, begins without.
   */
  readonly notes: readonly StepNote[]
  /**
   * Writes down something that no later attempt shall do again. Resolves when it is on disk; rejects with `AttemptOver`, which an
   * executor may throw on, when the attempt is not wanted any more: then make no further call. Several may be under way at once;
   * the order is that of their commits. Its `data` is the event's, beside `attempt` and `index`, which it must not
   * have itself. What is too large, or too often, fails the step.
   */
  record(note: StepNote): Promise<void>
  /** Shows whoever watches the run now how far the attempt is; too much in a short time is left out, but for the last of it. */
  progress(data: JsonObject): void
}

export type StepOutcome =
  | { readonly ok: true; readonly result: Json; readonly warnings?: readonly StepWarning[] }
  | { readonly ok: false; readonly failure: Failure }
  /**
   * Asks a person. The same attempt is executed again when somebody answered, with the answer among `job.answers`; what the
   * answer means is the executor's to say. A step that nobody answers in `expiresInMs` fails; null: it waits for ever.
   */
  | { readonly ok: true; readonly ask: Ask }
  /** The step goes on when that run ends. */
  | { readonly ok: true; readonly childRunId: string }

export interface Ask {
  readonly taskType: string
  /** What the person is shown; cut, as results are, when it is too large. Comes back as `asked` of the answer. */
  readonly payload: Json
  readonly expiresInMs: number | null
}

/**
 * Runs the attempts of one step type. Must not throw for anything that the world outside may do: that is a failure.
 * Aborted by `signal` on stop, failure of the run, or time-out.
 */
export interface StepExecutor {
  /** It looks at `job.resumed` itself. Of the others, those that say `on_crash: ask` or `fail` are not executed again just so. */
  readonly resumes?: true
  execute(job: StepJob, signal: AbortSignal): Promise<StepOutcome>
}

/** Nobody waits any more for what the attempt does: it was stopped, or the run was lost, or the process ends. */
export class AttemptOver extends Error {
  override readonly name = "AttemptOver"
}

export type StepExecutors = ReadonlyMap<string, StepExecutor>

/** Plans of published versions. Throws when the version does not exist. */
export interface PlanSource {
  planOf(workflowId: string, version: number): Promise<Plan>
}

export interface StampedEvent {
  /** From 1, without gaps in a run. */
  readonly seq: number
  readonly at: number
  readonly event: RunEvent
}

/** The row of a run, as far as it changes. */
export interface RunHeader {
  readonly status: RunStatus
  readonly pauseReason: string | null
  readonly completedAt: number | null
  readonly failureCode: string | null
  readonly failedStepId: string | null
  readonly error: string | null
  readonly wakeAt: number | null
  /** The boot that moves the run; null while only an answer from outside can. */
  readonly ownerBootId: string | null
}

export type TaskChange =
  | {
      readonly type: "created"
      readonly taskId: string
      readonly stepId: string
      readonly stepName: string
      readonly taskType: string
      readonly payload: Json
      readonly createdAt: number
      readonly expiresAt: number | null
    }
  | {
      readonly type: "ended"
      readonly taskId: string
      readonly status: "completed" | "expired" | "cancelled"
      readonly endedAt: number
      readonly endedBy: string | null
    }

export interface NewRun {
  readonly facts: RunFacts
  readonly workflowName: string
  readonly idempotency: Idempotency | null
  /** Goes into the run's first event; a run that is loaded has it from there. */
  readonly identity?: Identity
  /** The same of what started it. */
  readonly origin?: Origin
  /** And of whether it is recorded: that is decided once. */
  readonly recording?: true
  /** Who is told when the run ends. */
  readonly callbackUrl?: string
}

/**
 * A statement that is stored with a run's start, or not at all: what started the run, mostly. Only storage looks into it. One
 * that gives nothing to a column which must have something says that what the start rests on has changed.
 */
export interface AlsoStored {
  readonly sql: string
  readonly params: readonly (string | number | null | Uint8Array)[]
}

/** A caller's name for one start, and what it asked for under that name. */
export interface Idempotency {
  readonly key: string
  /** SHA-256 of the request, hex. */
  readonly hash: string
}

/** What one decision leaves behind. Committed together. */
export interface Append {
  readonly events: readonly StampedEvent[]
  /** Null when nothing of it changed. */
  readonly header: RunHeader | null
  readonly tasks: readonly TaskChange[]
  /** The status in the row until now. */
  readonly was: RunStatus
}

/** The same of a run's start, which writes the whole row. */
export type FirstAppend = Omit<Append, "header" | "was"> & { readonly header: RunHeader }

export interface JournaledRun {
  readonly run: NewRun
  /** As in the row. */
  readonly ownerBootId: string | null
  readonly snapshot: Snapshot | null
  /** Those behind the snapshot. */
  readonly events: readonly StampedEvent[]
}

/** A run's state after its first `seq` events. Only whoever knows the format can read it. */
export interface Snapshot {
  readonly seq: number
  readonly format: number
  readonly state: string
}

/** A run with this id, or a start with this idempotency key, is there already. */
export class RunExists extends Error {
  override readonly name = "RunExists"
}

/** What the start rests on is not as it was: see `AlsoStored`. Nothing was written. */
export class StartOutdated extends Error {
  override readonly name = "StartOutdated"
}

/** Somebody else appended to the run: this process lost it and must forget what it has in memory. */
export class RunLost extends Error {
  override readonly name = "RunLost"
}

/** There is no room on the disk now; nothing was written and the same call may succeed later. */
export class JournalFull extends Error {
  override readonly name = "JournalFull"
}

/** The durable record of all runs. Everything that resolves is on disk. */
export interface Journal {
  /** Throws `RunExists` (also when a key of `also` is there already), `StartOutdated`, `JournalFull`. */
  create(run: NewRun, append: FirstAppend, also?: readonly AlsoStored[]): Promise<void>
  /** Throws `RunLost`, `JournalFull`. */
  append(run: NewRun, append: Append): Promise<void>
  /** From the run's snapshot if it has one in this format; null: all events. */
  load(runId: string, snapshotFormat: number | null): Promise<JournaledRun | null>
  /** In place of the run's older one. */
  keepSnapshot(runId: string, snapshot: Snapshot): Promise<void>
  /** Makes `bootId` the owner of every run whose owner holds no lease; their ids, in the order of their starts. */
  takeOver(bootId: string): Promise<readonly string[]>
  /** Nobody has to look after it any more: a child that has ended, and whose parent knows. */
  release(runId: string): Promise<void>
  /** Ids of the runs that the boot owns. */
  owned(bootId: string): Promise<readonly string[]>
  /** Ids of runs whose `wakeAt` has come, earliest first. */
  due(now: number, limit: number): Promise<readonly string[]>
}

/** Which boots may own runs. Whoever holds no lease owns nothing: what its rows say is for the others to take. */
export interface Leases {
  /** Until that moment, ms. False when the boot held none: others may have taken its runs over. */
  hold(bootId: string, now: number, until: number): Promise<boolean>
  /** Ends every lease that runs out at that moment or before. */
  end(until: number): Promise<void>
  /** At the orderly end of a boot. */
  release(bootId: string): Promise<void>
}

/** Which boot does what only one may do. */
export interface Leaders {
  /** Makes the boot the leader until that moment, ms, or keeps it so; false when another one is. */
  lead(name: string, bootId: string, now: number, until: number): Promise<boolean>
}
