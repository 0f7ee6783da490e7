import type { Channel } from "./stream-channel.ts"

/** Readers get so much of the event loop's time while there is something else to do, and up to so much when they are far behind. */
const SHARE = 0.25
const SHARE_MOST = 0.9
/** From here on the share grows: rather fewer runs than readers that miss events. */
const BEHIND = 0.5
/** A turn is so long at the least and at the most, ms. */
const TURN_MIN = 1
const TURN_MAX = 20

/**
 * Serves the readers of all channels in turns of the event loop. A thousand readers of one busy workflow want a multiple of
 * what it costs to run it: in one go they would stop everything else, so a turn is measured by what happened since the last.
 */
export class StreamPump {
  readonly #channels = new Set<Channel>()
  #scheduled = false
  #lastEnd = 0

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
    const until = started + this.#turnMs(started - this.#lastEnd)
    for (const channel of this.#channels) {
      // Behind the others for the next turn.
      this.#channels.delete(channel)
      let more = channel.serveOne()
      while (more && this.now() < until) more = channel.serveOne()
      if (more) this.wake(channel)
      if (this.now() >= until) break
    }
    this.#lastEnd = this.now()
    const [next] = this.#channels
    if (next) this.wake(next)
  }

  #turnMs(elsewhereMs: number): number {
    let fill = 0
    for (const channel of this.#channels) fill = Math.max(fill, channel.fill)
    const share = SHARE + (SHARE_MOST - SHARE) * Math.min(1, Math.max(0, (fill - BEHIND) / (1 - BEHIND)))
    return Math.min(TURN_MAX, Math.max(TURN_MIN, (elsewhereMs * share) / (1 - share)))
  }
}
