import { messageOf } from "../../kernel/errors.ts"
import type { AlertService } from "../alerts/service.ts"
import { durationText } from "./fire-plan.ts"
import type { TriggerRow, TriggerStore } from "./store.ts"
import type { Timetables } from "./timetables.ts"

/** Nothing is called late sooner. */
const LATE_MIN_MS = 60_000
/** Triggers looked at in one round. */
const BATCH = 1_000

export interface ReconcilerDeps {
  readonly triggers: Pick<TriggerStore, "due" | "withoutMoment" | "setMoment">
  readonly timetables: Timetables
  readonly alerts: Pick<AlertService, "raise" | "clear" | "standing">
  readonly setLate: (n: number) => void
  readonly log: { warn(fields: object, message: string): void }
}

/**
 * A round of the loop that looks after the schedules: one without a moment gets one, and one that is far behind raises an alert
 * that stands until it moves again. It resolves with how many are late.
 */
export function createReconciler(deps: ReconcilerDeps): (now: number) => Promise<number> {
  const { triggers, timetables, alerts, log } = deps

  async function tellOnce(row: TriggerRow, kind: string, message: string, now: number): Promise<void> {
    const { tenantId, projectId } = row
    if (!(await alerts.raise({ tenantId, projectId, kind, subjectId: row.id, message, raisedAt: now }))) return
    log.warn({ trigger_id: row.id, workflow_id: row.workflowId, kind }, message)
  }

  /** How a row comes to have none: written by hand, or by a mistake of ours. */
  async function giveMoments(now: number): Promise<void> {
    const lost = new Set<string>()
    for (const row of await triggers.withoutMoment(BATCH)) {
      lost.add(row.id)
      try {
        const due = timetables.of(row).after(now)
        await triggers.setMoment(row.id, due?.moment ?? null, due?.dueAt ?? null)
        await tellOnce(row, "trigger_unscheduled", `${row.name} had no next moment; it goes on from now`, now)
      } catch (error) {
        await tellOnce(row, "trigger_unscheduled", `${row.name} has no next moment: ${messageOf(error)}`, now)
      }
    }
    await clearOthers("trigger_unscheduled", lost, now)
  }

  async function clearOthers(kind: string, still: ReadonlySet<string>, now: number): Promise<void> {
    for (const id of await alerts.standing(kind)) if (!still.has(id)) await alerts.clear(kind, id, now)
  }

  function isLate(row: TriggerRow, now: number): boolean {
    if (row.nextRunAt === null || row.dueAt === null) return false
    try {
      return now - row.dueAt > Math.max(LATE_MIN_MS, 2 * timetables.of(row).periodAt(row.nextRunAt))
    } catch {
      return true // its pattern is not understood any more, so it will never come
    }
  }

  return async now => {
    await giveMoments(now)
    const late = (await triggers.due(now - LATE_MIN_MS, BATCH)).filter(row => isLate(row, now))
    for (const row of late) {
      const since = durationText(now - (row.dueAt ?? now))
      await tellOnce(row, "trigger_late", `${row.name} is ${since} behind; see its fires and the server's log for why`, now)
    }
    await clearOthers("trigger_late", new Set(late.map(row => row.id)), now)
    deps.setLate(late.length)
    return late.length
  }
}
