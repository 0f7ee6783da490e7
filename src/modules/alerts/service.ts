import type { Page } from "../../http/paging.ts"
import type { Caller } from "../../http/permission.ts"
import { rfc3339, rfc3339OrNull } from "../../kernel/clock.ts"
import type { Ids } from "../../kernel/ids.ts"
import type { AlertBody } from "./contract.ts"
import type { AlertRow, AlertStore, NewAlert } from "./store.ts"

/** What needs somebody's attention, until it does no more. */
export class AlertService {
  constructor(private readonly deps: { readonly store: AlertStore; readonly ids: Ids }) {}

  async list(caller: Caller, standing: boolean | null, page: Page) {
    const { items, total } = await this.deps.store.list(caller, standing, page)
    return { alerts: items.map(alertBody), total, ...page }
  }

  /** One for each kind and subject at a time; false when it stands already. */
  async raise(alert: Omit<NewAlert, "id">): Promise<boolean> {
    return await this.deps.store.raise({ id: this.deps.ids.uuid(), ...alert })
  }

  async clear(kind: string, subjectId: string, now: number): Promise<boolean> {
    return await this.deps.store.clear(kind, subjectId, now)
  }

  async standing(kind: string): Promise<readonly string[]> {
    return await this.deps.store.standing(kind)
  }
}

function alertBody(row: AlertRow): AlertBody {
  return {
    id: row.id,
    kind: row.kind,
    subject_id: row.subjectId,
    message: row.message,
    raised_at: rfc3339(row.raisedAt),
    cleared_at: rfc3339OrNull(row.clearedAt),
  }
}
