import type { EgressAttempt } from "../../kernel/egress-attempt.ts"
import { messageOf } from "../../kernel/errors.ts"
import type { Ids } from "../../kernel/ids.ts"
import { EGRESS_ATTEMPTS_WAITING_MAX } from "../../kernel/limits.ts"
import type { EgressAttemptRow, EgressAttemptStore } from "./store.ts"

/** Attempts are written together so much later: never while a request waits. */
const WRITE_DELAY_MS = 500
/** Rows of one transaction: everybody else waits for it. */
const AT_ONCE = 500

export interface AttemptLogDeps {
  readonly store: Pick<EgressAttemptStore, "add">
  readonly ids: Ids
  readonly log: { warn(fields: object, message: string): void }
  readonly max?: number
}

/**
 * What a sealed instance tried to reach, on its way to the database. A request never waits for it nor fails by it: when the
 * database does not take the rows for long, the newest are dropped, and the log says how many.
 */
export class AttemptLog {
  readonly #max: number
  #waiting: EgressAttemptRow[] = []
  #dropped = 0
  #timer: Timer | null = null
  #writing: Promise<void> = Promise.resolve()

  constructor(private readonly deps: AttemptLogDeps) {
    this.#max = deps.max ?? EGRESS_ATTEMPTS_WAITING_MAX
  }

  note({ asker, at, protocol, host, port, refusal }: EgressAttempt): void {
    if (this.#waiting.length >= this.#max) this.#dropped++
    else {
      const { what, tenantId, projectId, userId, runId, stepId } = asker
      const known = { id: this.deps.ids.uuid(), at, tenantId, projectId, userId, runId, stepId, what }
      this.#waiting.push({ ...known, protocol, host, port, allowed: refusal === null, reason: refusal })
    }
    this.#later()
  }

  /** Writes all that waits. Fails as the database does; the rows wait on then. */
  flush(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    this.#writing = this.#writing.catch(() => {}).then(() => this.#write())
    return this.#writing
  }

  async #write(): Promise<void> {
    if (this.#dropped > 0) {
      this.deps.log.warn({ dropped: this.#dropped }, "attempts to reach something outside were not recorded: too many waited")
      this.#dropped = 0
    }
    while (this.#waiting.length > 0) {
      const rows = this.#waiting.slice(0, AT_ONCE)
      await this.deps.store.add(rows)
      this.#waiting = this.#waiting.slice(rows.length)
    }
  }

  #later(): void {
    this.#timer ??= setTimeout(() => {
      this.flush().catch(error => {
        this.deps.log.warn({ error: messageOf(error) }, "attempts to reach something outside could not be recorded yet")
        this.#later()
      })
    }, WRITE_DELAY_MS).unref()
  }
}
