import type { CronSchedule, LocalMoment } from "../../adapters/cron/cron.ts"

/** A moment of a schedule, and when its run is due: the same plus its jitter. */
export interface Due {
  readonly moment: number
  readonly dueAt: number
}

/** When one trigger's runs are due. */
export class Timetable {
  constructor(
    private readonly schedule: CronSchedule,
    private readonly triggerId: string,
    private readonly jitterMs: number,
    private readonly endAt: number | null,
  ) {}

  /** The first moment behind that one; null when the schedule has come to its end. */
  after(ms: number): Due | null {
    const moment = this.schedule.next(ms)
    return moment === null || this.#isOver(moment) ? null : this.of(moment)
  }

  of(moment: number): Due {
    return { moment, dueAt: this.jitterMs === 0 ? moment : moment + this.#jitter(moment) }
  }

  /** Time between a moment and the next one, ms. */
  periodAt(moment: number): number {
    return (this.schedule.next(moment) ?? Number.POSITIVE_INFINITY) - moment
  }

  localOf(moment: number): LocalMoment {
    return this.schedule.localOf(moment)
  }

  /** The same for a moment whenever it is asked for, and never beyond the next moment, so that the order stays. */
  #jitter(moment: number): number {
    const room = Math.min(this.jitterMs, this.periodAt(moment) - 1)
    const hash = new Bun.CryptoHasher("sha256").update(`${this.triggerId}:${moment}`).digest()
    return Math.floor((hash.readUInt32BE(0) / 2 ** 32) * room)
  }

  #isOver(moment: number): boolean {
    return this.endAt !== null && moment > this.endAt
  }
}
