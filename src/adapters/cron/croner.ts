import { Cron as Pattern } from "croner"
import type { Cron, CronProblem, CronSchedule, LocalMoment } from "./cron.ts"
import { type Piece, Zone } from "./zone.ts"

/** Zones whose changes are remembered. */
const ZONES_MAX = 200
/** No list of times needs more, and each character is looked at. */
const CRON_MAX_CHARS = 300
/** Pieces gone through in search of a moment: each is a change of the clocks, or more than a year. */
const PIECES_MAX = 1_000

const NICKNAMES: ReadonlyMap<string, string> = new Map([
  ["@yearly", "0 0 1 1 *"],
  ["@annually", "0 0 1 1 *"],
  ["@monthly", "0 0 1 * *"],
  ["@weekly", "0 0 * * 0"],
  ["@daily", "0 0 * * *"],
  ["@midnight", "0 0 * * *"],
  ["@hourly", "0 * * * *"],
])

/** All of the field, or every n-th of it. */
const WILDCARD = /[*?]|^0-(23|59)(\/|$)/

/**
 * The library finds the times that fit a pattern, on a calendar without time zones; how these become moments is decided here. Its
 * own way with zones leaves a fixed time out where the clocks jump over it, unless it is alone in its pattern, and takes twenty
 * times as long.
 */
export function createCron(): Cron {
  const zones = new Map<string, Zone>()

  function zoneOf(name: string): Zone | null {
    const known = zones.get(name)
    if (known) return known
    const zone = name.length <= 100 ? Zone.named(name) : null
    if (!zone) return null
    const oldest = zones.size >= ZONES_MAX ? zones.keys().next().value : undefined
    if (oldest !== undefined) zones.delete(oldest)
    zones.set(name, zone)
    return zone
  }

  return {
    parse(cron, timezone) {
      const zone = zoneOf(timezone)
      if (!zone) return { field: "timezone", sentence: "no such time zone; name one such as Europe/Berlin or UTC" }
      const fields = fieldsOf(cron)
      if (typeof fields === "string") return { field: "cron", sentence: fields }
      const times = timesOf(fields)
      return "sentence" in times ? times : new ZonedSchedule(times, zone, goesByElapsedTime(fields))
    },
  }
}

/** Five or six; a sentence when it is neither. */
function fieldsOf(cron: string): readonly string[] | string {
  if (cron.length > CRON_MAX_CHARS) return `at most ${CRON_MAX_CHARS} characters`
  const text = cron.trim()
  const fields = (NICKNAMES.get(text.toLowerCase()) ?? text).split(/\s+/)
  if (fields.length === 5 || fields.length === 6) return fields
  const names = [...NICKNAMES.keys()].join(", ")
  return text.startsWith("@")
    ? `there are ${names}`
    : `five fields are needed (minute, hour, day, month, weekday), or six with the second first; these are ${text === "" ? 0 : fields.length}`
}

function timesOf(fields: readonly string[]): Pattern | CronProblem {
  try {
    const times = new Pattern(fields.join(" "), { utcOffset: 0, paused: true, mode: "5-or-6-parts" })
    // The seed of the search does not matter: what comes at all comes again within some decades.
    if (times.nextRun(new Date(0))) return times
    return { field: "cron", sentence: "no such day ever comes" }
  } catch (error) {
    const told = error instanceof Error ? error.message.replace(/^CronPattern: /, "") : "it cannot be read"
    return { field: "cron", sentence: told.slice(0, 200) }
  }
}

function goesByElapsedTime(fields: readonly string[]): boolean {
  return fields.slice(0, -3).some(field => WILDCARD.test(field))
}

class ZonedSchedule implements CronSchedule {
  constructor(
    private readonly times: Pattern,
    private readonly zone: Zone,
    private readonly elapsed: boolean,
  ) {}

  next(afterMs: number): number | null {
    let piece = this.zone.pieceAt(afterMs)
    let after = afterMs + piece.offset
    for (let n = 0; n < PIECES_MAX; n++) {
      const time = this.#timeAfter(Math.max(after, this.#shownBefore(piece)))
      if (time === null) return null
      if (time - piece.offset < piece.to) return time - piece.offset
      const following = this.zone.pieceAt(piece.to)
      if (!this.elapsed && time < piece.to + following.offset) return piece.to
      piece = following
      after = piece.from + piece.offset - 1
    }
    return null
  }

  localOf(ms: number): LocalMoment {
    const piece = this.zone.pieceAt(ms)
    const offset = offsetText(piece.offset)
    return { local: new Date(ms + piece.offset).toISOString().slice(0, 19) + offset, offset, dst: this.#dstOf(ms, piece) }
  }

  /** Fixed times up to this one came already, before the clocks were put back. */
  #shownBefore(piece: Piece): number {
    return this.elapsed || piece.offset >= piece.offsetBefore ? Number.NEGATIVE_INFINITY : piece.from + piece.offsetBefore - 1
  }

  #timeAfter(time: number): number | null {
    return this.times.nextRun(new Date(time))?.getTime() ?? null
  }

  #dstOf(ms: number, piece: Piece): LocalMoment["dst"] {
    const { from, to, offset, offsetBefore } = piece
    if (!this.elapsed && ms === from && offset > offsetBefore) {
      const jumpedOver = this.#timeAfter(from + offsetBefore - 1)
      if (jumpedOver !== null && jumpedOver < from + offset) return "gap"
    }
    const shown = ms + offset
    if (shown < from + offsetBefore) return "repeated"
    return shown >= to + this.zone.pieceAt(to).offset ? "repeated" : null
  }
}

function offsetText(ms: number): string {
  const minutes = Math.abs(Math.round(ms / 60_000))
  const pad = (n: number) => String(n).padStart(2, "0")
  return `${ms < 0 ? "-" : "+"}${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`
}
