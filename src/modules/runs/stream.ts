import type { Caller } from "../../http/permission.ts"
import { messageOf } from "../../kernel/errors.ts"
import { STREAM_REPLAY_PAGE } from "../../kernel/limits.ts"
import type { Committed, EventFeed, StepProgress } from "../../runtime/feed.ts"
import type { PlanSource } from "../../runtime/ports.ts"
import type { WorkflowService } from "../workflows/service.ts"
import { eventBody, progressBody } from "./event-body.ts"
import type { RunService } from "./service.ts"
import { Channel, type ChannelReader, type Frame, type Reader } from "./stream-channel.ts"
import { StreamPump } from "./stream-pump.ts"

export interface StreamFilter {
  readonly runId?: string
  /** Events behind this one are sent first, from the journal. Needs `runId`. */
  readonly afterSeq?: number
}

const INTERNAL = 1011

export interface EventStreamsDeps {
  readonly feed: EventFeed
  readonly plans: PlanSource
  readonly service: RunService
  readonly workflows: WorkflowService
}

/** Sends a workflow's events to readers as they are committed: of one run without a gap and without a double. */
export class EventStreams {
  readonly #pump = new StreamPump()
  /** Of workflows that somebody reads. */
  readonly #watched = new Map<string, WatchedWorkflow>()

  constructor(private readonly deps: EventStreamsDeps) {}

  /** Throws `not_found` for a workflow or run that the caller cannot see. The returned function ends the stream. */
  async open(caller: Caller, workflowId: string, filter: StreamFilter, reader: Reader): Promise<() => void> {
    const { runId, afterSeq } = filter
    await this.deps.workflows.row(caller, workflowId)
    if (runId !== undefined) await this.deps.service.get(caller, workflowId, runId)
    const channel = this.#watch(workflowId).channel(runId ?? null)
    const joined = channel.join(reader)
    if (runId === undefined || afterSeq === undefined) channel.begin(joined)
    else {
      this.#replay(caller, workflowId, runId, afterSeq, joined)
        .then(() => channel.begin(joined))
        .catch(error => reader.close(INTERNAL, messageOf(error)))
    }
    return () => {
      channel.leave(joined)
      this.#watched.get(workflowId)?.tidy()
    }
  }

  /** What was there before the reader came. What happens meanwhile waits in its channel. */
  async #replay(caller: Caller, workflowId: string, runId: string, afterSeq: number, to: ChannelReader): Promise<void> {
    to.replayedTo = afterSeq
    while (!to.ended) {
      const { events } = await this.deps.service.events(caller, workflowId, runId, to.replayedTo, STREAM_REPLAY_PAGE)
      const last = events.at(-1)?.seq
      if (last === undefined || to.ended) return
      to.reader.send(events.map(event => JSON.stringify(event)))
      to.replayedTo = last
      await to.taken()
    }
  }

  #watch(workflowId: string): WatchedWorkflow {
    const known = this.#watched.get(workflowId)
    if (known) return known
    const watched = new WatchedWorkflow(this.deps, this.#pump, workflowId, () => this.#watched.delete(workflowId))
    this.#watched.set(workflowId, watched)
    return watched
  }
}

/** The channels of one workflow: of all its runs, and of single ones. */
class WatchedWorkflow {
  /** By run; null: all of them. */
  readonly #channels = new Map<string | null, Channel>()
  readonly #unsubscribe: () => void
  /** Keeps commits in order while plans are read. */
  #tail: Promise<void> = Promise.resolve()

  constructor(
    private readonly deps: EventStreamsDeps,
    private readonly pump: StreamPump,
    workflowId: string,
    private readonly forget: () => void,
  ) {
    const endings = [
      deps.feed.subscribe(workflowId, committed => this.#hear(committed)),
      deps.feed.watch(workflowId, progress => this.#see(progress)),
    ]
    this.#unsubscribe = () => {
      for (const end of endings) end()
    }
  }

  channel(runId: string | null): Channel {
    const channel = this.#channels.get(runId) ?? new Channel(this.pump)
    this.#channels.set(runId, channel)
    return channel
  }

  /** When a reader has left. */
  tidy(): void {
    for (const [runId, channel] of this.#channels) if (channel.size === 0) this.#channels.delete(runId)
    if (this.#channels.size > 0) return
    this.#unsubscribe()
    this.forget()
  }

  #hear(committed: Committed): void {
    this.#inTurn(committed.runId, async channels => {
      const frames = await this.#write(committed)
      for (const channel of channels) channel.append(frames)
    })
  }

  #see(progress: StepProgress): void {
    this.#inTurn(progress.runId, async channels => {
      const plan = await this.deps.plans.planOf(progress.workflowId, progress.version)
      const text = JSON.stringify(progressBody(plan, progress))
      for (const channel of channels) channel.appendIfThereIsRoom({ seq: progress.seq + 0.5, text })
    })
  }

  /** For those who read the run now. */
  #inTurn(runId: string, give: (channels: readonly Channel[]) => Promise<void>): void {
    const channels = [this.#channels.get(null), this.#channels.get(runId)].filter(channel => channel !== undefined)
    if (channels.length === 0) return
    this.#tail = this.#tail
      .then(() => give(channels))
      .catch(error => {
        for (const channel of channels) channel.closeAll(INTERNAL, messageOf(error))
      })
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
