import type { AlsoStored } from "../../runtime/ports.ts"
import type { FireRow } from "./fire-store.ts"

/**
 * What a fire leaves behind, for a commit of its own or one with the run that it starts. Each first row of a commit is guarded:
 * it is written only if the trigger is as the scheduler read it, so that nothing fires once a pause, a change or a deletion was
 * answered.
 */
export interface ScheduleState {
  readonly triggerId: string
  /** The moment that the trigger waited for when it was read. */
  readonly nextRunAt: number
}

/** Where the schedule goes on. `note`: it ends here, and why. */
export type Advance =
  | { readonly nextRunAt: number; readonly dueAt: number; readonly note: null }
  | { readonly nextRunAt: null; readonly dueAt: null; readonly note: string }

const COLUMNS = "(id, trigger_id, source, scheduled_for, outcome, reason, run_id, at, queued_at)"
const INSERT = `INSERT INTO trigger_fires ${COLUMNS} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
const INSERT_IF_WAITING = `INSERT INTO trigger_fires ${COLUMNS}
  VALUES (?, (SELECT id FROM triggers WHERE id = ? AND enabled AND next_run_at = ?), ?, ?, ?, ?, ?, ?, ?)`
const INSERT_IF_ENABLED = `INSERT INTO trigger_fires ${COLUMNS}
  VALUES (?, (SELECT id FROM triggers WHERE id = ? AND enabled), ?, ?, ?, ?, ?, ?, ?)`
const INSERT_IF_THERE = `INSERT INTO trigger_fires ${COLUMNS}
  VALUES (?, (SELECT id FROM triggers WHERE id = ?), ?, ?, ?, ?, ?, ?, ?)`
const ADVANCE = `UPDATE triggers SET next_run_at = ?, due_at = ?, last_fired_at = COALESCE(?, last_fired_at),
  fire_count = fire_count + ? WHERE id = ? AND enabled AND next_run_at = ?`
const END = `UPDATE triggers SET enabled = FALSE, next_run_at = NULL, due_at = NULL, note = ?,
  last_fired_at = COALESCE(?, last_fired_at), fire_count = fire_count + ? WHERE id = ? AND enabled AND next_run_at = ?`
const LEAVE_QUEUE = `UPDATE trigger_fires SET trigger_id = (SELECT id FROM triggers WHERE id = ? AND enabled), outcome = 'fired',
  reason = ?, at = ?, queued_at = NULL WHERE id = ?`
const MISS_QUEUED = `UPDATE trigger_fires SET outcome = 'missed', reason = ?, run_id = NULL, at = ?, queued_at = NULL
  WHERE id = ? AND queued_at IS NOT NULL`
const COUNT_FIRE = "UPDATE triggers SET last_fired_at = ?, fire_count = fire_count + 1 WHERE id = ?"
const DISABLE = "UPDATE triggers SET enabled = FALSE, next_run_at = NULL, due_at = NULL, note = ? WHERE id = ? AND enabled"
const BREAK_PROMISE = `UPDATE trigger_fires SET run_id = NULL WHERE trigger_id = ? AND scheduled_for >= ? AND scheduled_for < ?
  AND outcome = 'coalesced' AND run_id = ?`

/** A row and all behind it: its values in the order of the columns. */
function valuesOf(row: FireRow) {
  return [row.source, row.scheduledFor, row.outcome, row.reason, row.runId, row.at, row.queuedAt]
}

/** Behind a guarded one of the same commit. */
export function insertFire(row: FireRow): AlsoStored {
  return { sql: INSERT, params: [row.id, row.triggerId, ...valuesOf(row)] }
}

export function insertFireIfWaiting(row: FireRow, { nextRunAt }: ScheduleState): AlsoStored {
  return { sql: INSERT_IF_WAITING, params: [row.id, row.triggerId, nextRunAt, ...valuesOf(row)] }
}

export function insertFireIfEnabled(row: FireRow): AlsoStored {
  return { sql: INSERT_IF_ENABLED, params: [row.id, row.triggerId, ...valuesOf(row)] }
}

/** Somebody asked for it, whether the trigger is switched on or not. */
export function insertFireIfThere(row: FireRow): AlsoStored {
  return { sql: INSERT_IF_THERE, params: [row.id, row.triggerId, ...valuesOf(row)] }
}

/** `firedAt`: a run was started; null: none was. */
export function advance({ triggerId, nextRunAt }: ScheduleState, to: Advance, firedAt: number | null): AlsoStored {
  const fired = [firedAt, firedAt === null ? 0 : 1, triggerId, nextRunAt]
  return to.note === null
    ? { sql: ADVANCE, params: [to.nextRunAt, to.dueAt, ...fired] }
    : { sql: END, params: [to.note, ...fired] }
}

export function leaveQueue(row: FireRow, reason: string, now: number): AlsoStored {
  return { sql: LEAVE_QUEUE, params: [row.triggerId, reason, now, row.id] }
}

export function missQueued(row: FireRow, reason: string, now: number): AlsoStored {
  return { sql: MISS_QUEUED, params: [reason, now, row.id] }
}

/** A run of the schedule that was started apart from its moment. */
export function countFire(triggerId: string, now: number): AlsoStored {
  return { sql: COUNT_FIRE, params: [now, triggerId] }
}

export function disable(triggerId: string, note: string): AlsoStored {
  return { sql: DISABLE, params: [note, triggerId] }
}

/** The run that was to stand for earlier moments will not be. */
export function breakPromise(triggerId: string, from: number, moment: number, runId: string): AlsoStored {
  return { sql: BREAK_PROMISE, params: [triggerId, from, moment, runId] }
}
