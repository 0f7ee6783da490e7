import { FIRE_IN_TIME_MS, FIRES_SLICE } from "../../kernel/limits.ts"
import type { AlsoStored } from "../../runtime/ports.ts"
import type { FireOutcome } from "../../storage/schema/triggers.ts"
import { cronConfigOf } from "./config.ts"
import { type Overdue, type Planned, planOf } from "./fire-plan.ts"
import { fireRunId, momentOf } from "./fire-run-id.ts"
import type { FireStart, FireStarter } from "./fire-start.ts"
import { type Advance, advance, breakPromise, disable, insertFire, insertFireIfWaiting } from "./fire-statements.ts"
import type { FireRow } from "./fire-store.ts"
import { overdueFrom } from "./overdue.ts"
import { inTheWay } from "./overlap.ts"
import type { SchedulerDeps } from "./scheduler.ts"
import type { TriggerRow } from "./store.ts"
import type { Due, Timetable } from "./timetable.ts"

/** A trigger with the moment it waits for. */
interface Waiting {
  readonly row: TriggerRow
  readonly due: Due
  readonly timetable: Timetable
  readonly now: number
}

/** How many moments were decided, or why that has to wait. */
export type Advanced = number | { readonly later: string }

/** Decides the moments of schedules, one after another. */
export class ScheduleFires {
  /** What was overdue when a trigger was found behind, until it has caught up with that. */
  readonly #overdue = new Map<string, Overdue & { readonly updatedAt: number }>()

  constructor(private readonly deps: SchedulerDeps) {}

  /** Whether more than one moment is overdue. */
  isBehind(row: TriggerRow, now: number): boolean {
    if (this.#overdue.has(row.id)) return true
    try {
      const next = this.deps.timetables.of(row).after(row.nextRunAt ?? now)
      return next !== null && next.dueAt <= now
    } catch {
      return true // told when it is tried
    }
  }

  forget(triggerId: string): void {
    this.#overdue.delete(triggerId)
  }

  /** The next run of the trigger, or the next moments without one. */
  async advance(row: TriggerRow, now: number, starter: FireStarter): Promise<Advanced> {
    if (row.nextRunAt === null) return 0
    const timetable = this.deps.timetables.of(row)
    const waiting: Waiting = { row, due: timetable.of(row.nextRunAt), timetable, now }
    const overdue = await this.#overdueOf(waiting)
    const planned = planOf(waiting.due, overdue, cronConfigOf(row))
    const done = await (planned.type === "run" ? this.#run(waiting, planned, starter) : this.#slice(waiting, overdue))
    if (waiting.due.moment >= overdue.latest) this.forget(row.id)
    return done
  }

  /** Kept while a trigger makes up for an outage, so that what was promised to the last moment stays true as time goes on. */
  async #overdueOf({ row, due, timetable, now }: Waiting): Promise<Overdue> {
    const known = this.#overdue.get(row.id)
    if (known && known.latest >= due.moment && known.updatedAt === row.updatedAt) return known
    this.forget(row.id)
    const overdue = await overdueFrom(timetable, due, now, cronConfigOf(row))
    if (overdue.latest === due.moment) return overdue
    const latest = (await this.#promised(row.id, due.moment)) ?? overdue.latest
    const kept = { ...overdue, latest, updatedAt: row.updatedAt }
    this.#overdue.set(row.id, kept)
    return kept
  }

  /** An earlier boot may have coalesced moments into a later one whose turn did not come. */
  async #promised(triggerId: string, from: number): Promise<number | null> {
    const newest = await this.deps.fires.newestOfSchedule(triggerId)
    if (newest?.outcome !== "coalesced" || newest.runId === null) return null
    const moment = momentOf(triggerId, newest.runId)
    return moment !== null && moment >= from ? moment : null
  }

  /** Moments that get no run, up to the first that does. */
  async #slice(waiting: Waiting, overdue: Overdue): Promise<Advanced> {
    const { row, timetable } = waiting
    const config = cronConfigOf(row)
    const rows: FireRow[] = []
    let due: Due | null = waiting.due
    while (due && due.moment <= overdue.latest && rows.length < FIRES_SLICE) {
      const planned = planOf(due, overdue, config)
      if (planned.type === "run") break
      const runId = planned.type === "coalesced" ? fireRunId(row.id, planned.into) : null
      rows.push(this.#fireRow(waiting, due.moment, planned.type, planned.reason, runId))
      due = timetable.after(due.moment)
    }
    const last = rows.at(-1)?.scheduledFor
    return await this.#keep(waiting, rows, toward(due), last === overdue.latest ? this.#broken(row, last) : [])
  }

  async #run(waiting: Waiting, planned: Extract<Planned, { type: "run" }>, starter: FireStarter): Promise<Advanced> {
    const { row, due, timetable, now } = waiting
    const to = afterRun(row, timetable.after(due.moment))
    const runId = fireRunId(row.id, due.moment)
    const obstacle = await inTheWay(this.deps, row, runId)
    if (obstacle) {
      const queuedAt = obstacle.outcome === "queued" ? now : null
      const kept = { ...this.#fireRow(waiting, due.moment, obstacle.outcome, obstacle.reason, obstacle.runId), queuedAt }
      const next = toward(timetable.after(due.moment))
      return await this.#keep(waiting, [kept], next, obstacle.runId === runId ? [] : this.#broken(row, due.moment))
    }
    const fire = this.#fireRow(waiting, due.moment, planned.outcome, planned.reason, runId)
    const state = { triggerId: row.id, nextRunAt: due.moment }
    const also = [insertFireIfWaiting(fire, state), advance(state, to, now)]
    return await this.#started(
      waiting,
      await starter.start({ row, runId, triggerType: "cron", moment: due.moment, also }),
      planned.outcome,
    )
  }

  async #started(waiting: Waiting, start: FireStart, outcome: FireOutcome): Promise<Advanced> {
    const { row, due, timetable } = waiting
    switch (start.type) {
      case "started":
        this.deps.count(outcome, 1)
        return 1
      case "outdated":
        this.forget(row.id)
        return 0
      case "exists":
        return await this.#keep(waiting, [], toward(timetable.after(due.moment)))
      case "later":
        return { later: start.why }
      case "refused": {
        const missed = this.#fireRow(waiting, due.moment, "missed", start.reason, null)
        const archived = start.error.extras.code === "WORKFLOW_ARCHIVED"
        const note = "its workflow was archived"
        const after = archived ? [disable(row.id, note)] : []
        return await this.#keep(waiting, [missed], toward(timetable.after(due.moment)), [
          ...this.#broken(row, due.moment),
          ...after,
        ])
      }
    }
  }

  /** For moments before this one, whose run it was to be. */
  #broken(row: TriggerRow, moment: number): readonly AlsoStored[] {
    if (!this.#overdue.has(row.id)) return []
    const { grace_minutes, jitter_s } = cronConfigOf(row)
    const from = moment - grace_minutes * 60_000 - jitter_s * 1_000 - FIRE_IN_TIME_MS
    return [breakPromise(row.id, from, moment, fireRunId(row.id, moment))]
  }

  /** Rows and the next moment, or neither. */
  async #keep(waiting: Waiting, rows: readonly FireRow[], to: Advance, after: readonly AlsoStored[] = []): Promise<Advanced> {
    const { row, due } = waiting
    const state = { triggerId: row.id, nextRunAt: due.moment }
    const [first, ...rest] = rows
    const inserts = first ? [insertFireIfWaiting(first, state), ...rest.map(insertFire)] : []
    const kept = await this.deps.fires.keep([...inserts, advance(state, to, null), ...after])
    switch (kept) {
      case "stored":
        for (const outcome of new Set(rows.map(r => r.outcome))) {
          this.deps.count(outcome, rows.filter(r => r.outcome === outcome).length)
        }
        return Math.max(1, rows.length)
      case "outdated":
        this.forget(row.id)
        return 0
      case "full":
        return { later: "the disk is full" }
      case "exists":
        return await this.#keepOthers(waiting, rows, to, after)
    }
  }

  /** After the clock was put back and the trigger switched off and on, some of its moments have rows already. */
  async #keepOthers(waiting: Waiting, rows: readonly FireRow[], to: Advance, after: readonly AlsoStored[]): Promise<Advanced> {
    const moments = rows.flatMap(r => r.scheduledFor ?? [])
    const known = await this.deps.fires.momentsKept(waiting.row.id, Math.min(...moments), Math.max(...moments))
    const others = rows.filter(r => !known.has(r.scheduledFor ?? 0))
    if (others.length === rows.length) return { later: "a row of a fire could not be written" }
    return await this.#keep(waiting, others, to, after)
  }

  #fireRow({ row, now }: Waiting, moment: number, outcome: FireOutcome, reason: string | null, runId: string | null): FireRow {
    const source = "schedule" as const
    return {
      id: this.deps.ids.uuid(),
      triggerId: row.id,
      source,
      scheduledFor: moment,
      outcome,
      reason,
      runId,
      at: now,
      queuedAt: null,
    }
  }
}

/** The schedule goes on there, or is over. */
function toward(due: Due | null): Advance {
  if (due) return { nextRunAt: due.moment, dueAt: due.dueAt, note: null }
  return { nextRunAt: null, dueAt: null, note: "ended: no moment is left before its end" }
}

/** The same behind a run, which may have been the last. */
function afterRun(row: TriggerRow, due: Due | null): Advance {
  const max = cronConfigOf(row).max_fires
  if (max !== null && row.fireCount + 1 >= max) {
    return {
      nextRunAt: null,
      dueAt: null,
      note: `ended: it started ${max === 1 ? "its one run" : `its ${max} runs`} (max_fires)`,
    }
  }
  return toward(due)
}
