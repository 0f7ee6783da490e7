const SECOND_MS = 1_000
const DAY_MS = 86_400_000
/** Clocks are never changed twice within so little; countries that pause DST for a month do so for four weeks. */
const PROBE_MS = 5 * DAY_MS
/** How far ahead a change is looked for before the piece ends without one. */
const PIECE_MAX_MS = 400 * DAY_MS
/** How far back: the largest change ever was a whole day, and nothing of it is felt after that. */
const BACK_MS = 3 * DAY_MS
const PIECES_KEPT = 6

/** A stretch of time in which the clocks of a zone differ from UTC by the same. */
export interface Piece {
  /** Of a change of the clocks, or somewhere before what was asked for. */
  readonly from: number
  /** The next change, or somewhere behind. */
  readonly to: number
  /** Local time minus UTC, ms. */
  readonly offset: number
  /** The same just before `from`. */
  readonly offsetBefore: number
}

/** What the clocks of a zone of the IANA database show. */
export class Zone {
  /** Those used last; a schedule goes through them in order. */
  #pieces: Piece[] = []

  private constructor(private readonly format: Intl.DateTimeFormat) {}

  /** Null for a name that nobody knows. */
  static named(name: string): Zone | null {
    // Offsets such as +02:00 are taken by Intl as well, but no place has one all year for ever.
    if (!/^[A-Za-z]/.test(name)) return null
    try {
      const fields = { year: "numeric", month: "numeric", day: "numeric" } as const
      const time = { hour: "numeric", minute: "numeric", second: "numeric", hourCycle: "h23", era: "short" } as const
      return new Zone(new Intl.DateTimeFormat("en-US", { timeZone: name, calendar: "gregory", ...fields, ...time }))
    } catch {
      return null
    }
  }

  pieceAt(ms: number): Piece {
    const known = this.#pieces.find(piece => piece.from <= ms && ms < piece.to)
    if (known) return known
    const offset = this.#offset(ms)
    const before = this.#changeBetween(ms - BACK_MS, ms)
    const piece: Piece = {
      // Without a change close by, what lies before is not known well enough to be kept.
      from: before ?? ms,
      to: this.#nextChange(ms),
      offset,
      offsetBefore: before === null ? offset : this.#offset(before - SECOND_MS),
    }
    this.#pieces = [piece, ...this.#pieces.slice(0, PIECES_KEPT - 1)]
    return piece
  }

  #nextChange(ms: number): number {
    const end = ms + PIECE_MAX_MS
    for (let from = ms; from < end; from += PROBE_MS) {
      const change = this.#changeBetween(from, from + PROBE_MS)
      if (change !== null) return change
    }
    return end
  }

  /** The first second of the new offset; null when both ends have the same. */
  #changeBetween(from: number, to: number): number | null {
    const old = this.#offset(from)
    if (this.#offset(to) === old) return null
    let low = Math.floor(from / SECOND_MS)
    let high = Math.ceil(to / SECOND_MS)
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      if (this.#offset(middle * SECOND_MS) === old) low = middle
      else high = middle
    }
    return high * SECOND_MS
  }

  #offset(ms: number): number {
    const second = Math.floor(ms / SECOND_MS) * SECOND_MS
    const parts = new Map(this.format.formatToParts(second).map(({ type, value }) => [type, Number(value)]))
    const read = (name: Intl.DateTimeFormatPartTypes) => parts.get(name) ?? 0
    const shown = Date.UTC(read("year"), read("month") - 1, read("day"), read("hour"), read("minute"), read("second"))
    return shown - second
  }
}
