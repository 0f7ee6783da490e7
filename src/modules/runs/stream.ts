import type { Caller } from "../../http/permission.ts"
import { messageOf } from "../../kernel/errors.ts"
import { STREAM_BUFFER_MAX_BYTES, STREAM_REPLAY_PAGE } from "../../kernel/limits.ts"
import type { Committed, EventFeed } from "../../runtime/feed.ts"
import type { PlanSource } from "../../runtime/ports.ts"
import type { WorkflowService } from "../workflows/service.ts"
import { eventBody } from "./event-body.ts"
import type { RunService } from "./service.ts"

/** One reader's connection, as far as the stream needs it. */
export interface Reader {
  send(text: string): void
  /** Bytes that the reader has not taken yet. */
  buffered(): number
  close(code: number, reason: string): void
}

export interface StreamFilter {
  readonly runId?: string
  /** Events behind this one are sent first, from the journal. Needs `runId`. */
  readonly afterSeq?: number
}

/** "Try again later": the reader takes events more slowly than they come (contract G-38). */
const TOO_SLOW = 1013
const INTERNAL = 1011

export interface EventStreamsDeps {
  readonly feed: EventFeed
  readonly plans: PlanSource
  readonly service: RunService
  readonly workflows: WorkflowService
}

/** Sends a workflow's events to readers as they are committed: of one run without a gap and without a double. */
export class EventStreams {
  /** Events of one commit are written once, however many read them. */
  readonly #frames = new WeakMap<Committed, Promise<readonly Frame[]>>()

  constructor(private readonly deps: EventStreamsDeps) {}

  /** Throws `not_found` for a workflow or run that the caller cannot see. The returned function ends the stream. */
  async open(caller: Caller, workflowId: string, filter: StreamFilter, reader: Reader): Promise<() => void> {
    await this.deps.workflows.row(caller, workflowId)
    if (filter.runId !== undefined) await this.deps.service.get(caller, workflowId, filter.runId)
    const connection = new Connection(reader, filter.runId ?? null)
    const stop = this.deps.feed.subscribe(workflowId, committed => {
      if (filter.runId !== undefined && committed.runId !== filter.runId) return
      connection.live(this.#framesOf(committed))
    })
    const { runId, afterSeq } = filter
    if (runId === undefined || afterSeq === undefined) connection.begin()
    else this.#replay(caller, workflowId, runId, afterSeq, connection).catch(error => reader.close(INTERNAL, messageOf(error)))
    return () => {
      stop()
      connection.end()
    }
  }

  /** What was there before the reader came. Live events wait meanwhile, and those that were read already are left out. */
  async #replay(caller: Caller, workflowId: string, runId: string, afterSeq: number, connection: Connection): Promise<void> {
    for (let seq = afterSeq; ; ) {
      const { events } = await this.deps.service.events(caller, workflowId, runId, seq, STREAM_REPLAY_PAGE)
      for (const event of events) connection.write({ seq: event.seq, text: JSON.stringify(event) })
      const last = events.at(-1)?.seq
      if (last === undefined || connection.ended) break
      seq = last
    }
    connection.begin()
  }

  #framesOf(committed: Committed): Promise<readonly Frame[]> {
    const known = this.#frames.get(committed)
    if (known) return known
    const made = this.#write(committed)
    this.#frames.set(committed, made)
    return made
  }

  async #write({ runId, workflowId, version, events }: Committed): Promise<readonly Frame[]> {
    const plan = await this.deps.plans.planOf(workflowId, version)
    return events.map(({ seq, at, event }) => {
      const stepId = "stepId" in event ? event.stepId : null
      const record = { seq, type: event.type, stepId, data: event.data, createdAt: at }
      return { seq, text: JSON.stringify(eventBody(runId, workflowId, plan, record)) }
    })
  }
}

interface Frame {
  readonly seq: number
  readonly text: string
}

class Connection {
  ended = false
  /** Of the one run that is followed; with several runs each has its own numbers. */
  #lastSeq = 0
  #begun = false
  #waiting: Promise<readonly Frame[]>[] = []
  /** Keeps commits in order while their frames are being written. */
  #tail: Promise<void> = Promise.resolve()

  constructor(
    private readonly reader: Reader,
    private readonly runId: string | null,
  ) {}

  live(frames: Promise<readonly Frame[]>): void {
    if (this.#begun) this.#append(frames)
    else this.#waiting.push(frames)
  }

  begin(): void {
    this.#begun = true
    for (const frames of this.#waiting.splice(0)) this.#append(frames)
  }

  write(frame: Frame): void {
    if (this.ended || (this.runId !== null && frame.seq <= this.#lastSeq)) return
    this.#lastSeq = frame.seq
    if (this.reader.buffered() > STREAM_BUFFER_MAX_BYTES) {
      this.end()
      this.reader.close(TOO_SLOW, "too slow; connect again with after_seq")
    } else {
      this.reader.send(frame.text)
    }
  }

  end(): void {
    this.ended = true
    this.#waiting = []
  }

  #append(frames: Promise<readonly Frame[]>): void {
    this.#tail = this.#tail.then(async () => {
      for (const frame of await frames) this.write(frame)
    })
  }
}
