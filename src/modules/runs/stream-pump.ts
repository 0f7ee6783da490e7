import type { Channel } from "./stream-channel.ts"

/** Readers get so much of the event loop's time while there is something else to do, and up to so much when they are far behind. */
const SHARE = 0.08
const SHARE_MOST = 0.9
/** From here on the share grows: rather fewer runs than readers that miss events. */
const BEHIND = 0.5
/** A turn is so long at the least and at the most, ms. */
const TURN_MIN = 0.3
const TURN_MAX = 20
/** When the loop did nothing else for longer, there was nothing else to do, ms. */
const IDLE = 0.05

/**
 * Serves the readers of all channels in turns of the event loop. A thousand readers of one busy workflow want a multiple of
 * what it costs to run it: in one go they would stop everything else, so a turn is measured by what happened since the last.
 */
export class StreamPump {
  readonly #channels = new Set<Channel>()
  #scheduled = false
  #lastEnd = 0
  /** What readers have coming of the time that went elsewhere, ms. */
  #due = 0

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** When a channel has something for a reader. */
  wake(channel: Channel): void {
    this.#channels.add(channel)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.#turn())
  }

  #turn(): void {
    this.#scheduled = false
    const started = this.now()
    const turnMs = this.#turnMs(started - this.#lastEnd)
    if (turnMs > 0) this.#serve(started + turnMs)
    this.#lastEnd = this.now()
    const [next] = this.#channels
    if (next) this.wake(next)
  }

  #serve(until: number): void {
    for (const channel of this.#channels) {
      this.#channels.delete(channel)
      let more = channel.serveOne()
      while (more && this.now() < until) more = channel.serveOne()
      if (more) this.wake(channel) // behind the others
      if (this.now() >= until) break
    }
  }

  #turnMs(elsewhereMs: number): number {
    if (elsewhereMs < IDLE) return TURN_MIN
    let fill = 0
    for (const channel of this.#channels) fill = Math.max(fill, channel.fill)
    const share = SHARE + (SHARE_MOST - SHARE) * Math.min(1, Math.max(0, (fill - BEHIND) / (1 - BEHIND)))
    this.#due = Math.min(TURN_MAX, this.#due + (elsewhereMs * share) / (1 - share))
    if (this.#due < TURN_MIN) return 0
    const turnMs = this.#due
    this.#due = 0
    return turnMs
  }
}
