import {
  STREAM_BEHIND_MAX_BYTES,
  STREAM_BUFFER_MAX_BYTES,
  STREAM_STUCK_MAX_MS,
  STREAM_UNTAKEN_MAX_BYTES,
} from "../../kernel/limits.ts"
import type { StreamPump } from "./stream-pump.ts"

/** One reader's connection, as far as the stream needs it. */
export interface Reader {
  /** Sends each text as a frame of its own, all in one go. */
  send(texts: readonly string[]): void
  /** Bytes that the reader has not taken yet. */
  buffered(): number
  close(code: number, reason: string): void
}

/** An event, or what comes between two of them, as readers get it. */
export interface Frame {
  /** An event's own number; of what comes between two of them, something between theirs. */
  readonly seq: number
  readonly text: string
}

/** "Try again later": the reader takes events more slowly than they come (contract G-38). */
const TOO_SLOW = 1013
const TOO_SLOW_REASON = "too slow; connect again with after_seq"
/** A reader that has its fill is looked at again after so long. */
const UNTAKEN_RETRY_MS = 10
/** So full, the channel takes nothing that may be left out. */
const PASSING_FILL_MAX = 0.1
/** What a reader is given in one go; one frame at least. */
const PORTION_CHARS = 64 * 1024

/**
 * What its readers all get, each event written once. It is kept from the place of the slowest reader on, in one list for all
 * of them: a reader that is behind costs a number, until the list is too long and it is closed.
 */
export class Channel {
  #frames: Frame[] = []
  /** Of `#frames[0]`, counted from the channel's beginning. */
  #first = 0
  #chars = 0
  readonly #readers = new Set<ChannelReader>()
  #round: readonly ChannelReader[] = []
  #served = 0
  #portion: Portion = { from: 0, to: 0, texts: [] }
  #retry: ReturnType<typeof setTimeout> | undefined

  constructor(private readonly pump: StreamPump) {}

  get size(): number {
    return this.#readers.size
  }

  /** How full it is; at 1 the slowest reader is closed. */
  get fill(): number {
    return this.#chars / this.#maxChars
  }

  /** A reader that gets what comes from now on, once it is live. */
  join(reader: Reader): ChannelReader {
    const joined = new ChannelReader(reader, this.#end)
    this.#readers.add(joined)
    return joined
  }

  /** What came since it joined follows, but for what it was sent from the journal meanwhile. */
  begin(reader: ChannelReader): void {
    reader.live = true
    this.pump.wake(this)
  }

  leave(reader: ChannelReader): void {
    reader.ended = true
    this.#readers.delete(reader)
    if (this.#readers.size === 0) clearTimeout(this.#retry)
  }

  append(frames: readonly Frame[]): void {
    for (const frame of frames) {
      this.#frames.push(frame)
      this.#chars += frame.text.length
    }
    while (this.#chars > this.#maxChars) this.#shed() // again, for with a reader less the limit is lower
    this.pump.wake(this)
  }

  /** What nobody misses: it makes nobody too slow. */
  appendIfThereIsRoom(frame: Frame): void {
    if (this.fill < PASSING_FILL_MAX) this.append([frame])
  }

  closeAll(code: number, reason: string): void {
    for (const reader of [...this.#readers]) this.#close(reader, code, reason)
  }

  /** Gives the next reader a portion; false when nobody is left who could take one. */
  serveOne(): boolean {
    if (this.#served === this.#round.length) {
      this.#dropTaken()
      const end = this.#end
      this.#round = [...this.#readers].filter(reader => reader.live && !reader.full && reader.at < end)
      this.#served = 0
      if (this.#round.length === 0) return false
    }
    const reader = this.#round[this.#served++]
    if (reader && !reader.ended && !this.#serve(reader, STREAM_UNTAKEN_MAX_BYTES)) {
      reader.full = true
      this.#retry ??= setTimeout(() => this.#tryAgain(), UNTAKEN_RETRY_MS)
    }
    return true
  }

  /** Whether it could take a portion. */
  #serve(reader: ChannelReader, untakenMaxBytes: number): boolean {
    if (reader.reader.buffered() > untakenMaxBytes) return false
    let from = reader.at - this.#first
    for (let frame = this.#frames[from]; frame && frame.seq <= reader.replayedTo; frame = this.#frames[from]) from++
    const to = this.#portionEnd(from)
    reader.at = this.#first + to
    if (to > from) reader.reader.send(this.#texts(from, to))
    return true
  }

  #tryAgain(): void {
    this.#retry = undefined
    for (const reader of this.#readers) reader.full = false
    this.pump.wake(this)
  }

  #portionEnd(from: number): number {
    let to = from
    for (let chars = 0; to < this.#frames.length && chars < PORTION_CHARS; to++) chars += this.#frames[to]!.text.length
    return to
  }

  /** Most readers are at the same place and share the list. */
  #texts(from: number, to: number): readonly string[] {
    const known = this.#portion
    if (known.from === this.#first + from && known.to === this.#first + to) return known.texts
    const texts = this.#frames.slice(from, to).map(frame => frame.text)
    this.#portion = { from: this.#first + from, to: this.#first + to, texts }
    return texts
  }

  #dropTaken(): void {
    let least = this.#end
    for (const reader of this.#readers) least = Math.min(least, reader.at)
    this.#dropTo(least)
  }

  #dropTo(at: number): void {
    const dropped = this.#frames.splice(0, at - this.#first)
    for (const frame of dropped) this.#chars -= frame.text.length
    this.#first = at
  }

  /** Makes room: whoever is furthest behind takes now what must go, or is closed. */
  #shed(): void {
    this.#dropTaken()
    let to = 0
    for (let excess = this.#chars - this.#maxChars; excess > 0; to++) excess -= this.#frames[to]!.text.length
    const at = this.#first + to
    for (const reader of [...this.#readers]) {
      while (reader.live && reader.at < at && this.#serve(reader, STREAM_BUFFER_MAX_BYTES));
      if (reader.at < at) this.#close(reader, TOO_SLOW, TOO_SLOW_REASON)
    }
    this.#dropTo(at)
  }

  #close(reader: ChannelReader, code: number, reason: string): void {
    this.leave(reader)
    reader.reader.close(code, reason)
  }

  get #end(): number {
    return this.#first + this.#frames.length
  }

  get #maxChars(): number {
    return Math.min(STREAM_BEHIND_MAX_BYTES, STREAM_BUFFER_MAX_BYTES * Math.max(1, this.#readers.size))
  }
}

interface Portion {
  readonly from: number
  readonly to: number
  readonly texts: readonly string[]
}

/** A reader's place in a channel. */
export class ChannelReader {
  live = false
  ended = false
  /** It has enough to take for now. */
  full = false
  /** The last event it was sent from the journal, in a channel of one run; those up to there are left out. */
  replayedTo = 0

  constructor(
    readonly reader: Reader,
    /** The first frame that it was not given yet. */
    public at: number,
  ) {}

  /** Resolves when it took most of what it has; it is closed when it takes nothing for `stuckMs`. */
  async taken(stuckMs = STREAM_STUCK_MAX_MS): Promise<void> {
    let least = this.reader.buffered()
    for (let waitedMs = 0; !this.ended && this.reader.buffered() > STREAM_UNTAKEN_MAX_BYTES; waitedMs += UNTAKEN_RETRY_MS) {
      if (waitedMs >= stuckMs) {
        this.ended = true
        this.reader.close(TOO_SLOW, TOO_SLOW_REASON)
        return
      }
      await Bun.sleep(UNTAKEN_RETRY_MS)
      const left = this.reader.buffered()
      if (left < least) waitedMs = 0
      least = left
    }
  }
}
