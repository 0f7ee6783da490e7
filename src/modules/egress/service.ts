import type { Page } from "../../http/paging.ts"
import type { Caller } from "../../http/permission.ts"
import { type AllowEntry, allowEntryText } from "../../kernel/allow-entry.ts"
import { rfc3339 } from "../../kernel/clock.ts"
import type { AttemptLog } from "./attempt-log.ts"
import type { AttemptList, PolicyBody } from "./contract.ts"
import type { AttemptFilter, EgressAttemptRow, EgressAttemptStore } from "./store.ts"

export interface EgressServiceDeps {
  readonly store: EgressAttemptStore
  readonly log: Pick<AttemptLog, "flush">
  readonly sealed: boolean
  readonly allow: readonly AllowEntry[]
  readonly keepMs: number
}

/** What may leave this instance, and what did or tried to. */
export class EgressService {
  constructor(private readonly deps: EgressServiceDeps) {}

  policy(): PolicyBody {
    return { sealed: this.deps.sealed, allow: this.deps.allow.map(allowEntryText) }
  }

  async attempts(caller: Caller, wanted: Omit<AttemptFilter, "projectId">, page: Page): Promise<AttemptList> {
    const { log, store } = this.deps
    // Whoever looks right after an attempt shall see it; rows that cannot be written yet are not theirs to wait for.
    await log.flush().catch(() => {})
    // A token acts in one project, whoever made it.
    const projectId = caller.via === "pat" ? (caller.projectIds[0] ?? "") : null
    const { items, total } = await store.list(caller.tenantId, { ...wanted, projectId }, page)
    return { attempts: items.map(onWire), total, ...page }
  }

  /** Deletes what was kept long enough; how many. */
  sweep(now: number): Promise<number> {
    return this.deps.store.sweep(now - this.deps.keepMs)
  }
}

function onWire(row: EgressAttemptRow): AttemptList["attempts"][number] {
  const { id, at, what, protocol, host, port, allowed, reason } = row
  const whom = { project_id: row.projectId, user_id: row.userId, run_id: row.runId, step_id: row.stepId }
  return { id, at: rfc3339(at), what, ...whom, protocol, host, port, allowed, reason }
}
