import { insufficientScope, roleAtLeast, type Scope } from "../../http/permission.ts"
import { rfc3339 } from "../../kernel/clock.ts"
import { AppError, messageOf } from "../../kernel/errors.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { type AlsoStored, JournalFull, RunExists, StartOutdated } from "../../runtime/ports.ts"
import type { Access, Tenancies } from "../auth/access.ts"
import type { CommandAnswer } from "../runs/contract.ts"
import type { RunStarts } from "../runs/start.ts"
import { eventConfigOf, type StartConfig } from "./config.ts"
import type { TriggerRow } from "./store.ts"

export interface FireStartDeps {
  readonly starts: Pick<RunStarts, "start">
  readonly access: Pick<Access, "tenancies">
  /** Whether the token is there and not revoked. */
  readonly isGoodPat: (place: { tenantId: string; projectId: string }, patId: string) => Promise<boolean>
}

export interface FireRequest {
  readonly row: TriggerRow
  readonly runId: string
  readonly triggerType: "cron" | "manual" | "platform_event"
  /** Over what the configuration says. */
  readonly payload?: JsonObject
  /** Of a schedule the moment, ms. */
  readonly moment?: number
  readonly also: readonly AlsoStored[]
}

export type FireStart =
  | { readonly type: "started"; readonly answer: CommandAnswer }
  /** The trigger is not as it was read. */
  | { readonly type: "outdated" }
  /** The run, or a row of the fire, is there already. */
  | { readonly type: "exists" }
  /** The same may succeed in a while. */
  | { readonly type: "later"; readonly why: string }
  | { readonly type: "refused"; readonly error: AppError; readonly reason: string }

/** Starts the runs of triggers, as whom they are to act. One for each round, as it remembers what people may. */
export class FireStarter {
  readonly #known = new Map<string, Promise<Tenancies | null>>()

  constructor(private readonly deps: FireStartDeps) {}

  async start({ row, runId, triggerType, payload, moment, also }: FireRequest): Promise<FireStart> {
    const refusal = await this.#refusal(row)
    if (refusal) return refused(refusal)
    const { tenantId, projectId, userId } = row
    // Only known scopes were stored.
    const scopes = row.scopes as readonly Scope[] | null
    const params = { ...paramsOf(row), trigger_type: triggerType }
    const complete = payload ? { ...params, trigger_payload: { ...params.trigger_payload, ...payload } } : params
    try {
      const starter = { tenantId, projectId, userId, scopes }
      const scheduled_for = moment === undefined ? null : rfc3339(moment)
      const origin = { type: "trigger", trigger_id: row.id, scheduled_for } as const
      const answer = await this.deps.starts.start(starter, row.workflowId, complete, { runId, also, origin })
      return { type: "started", answer }
    } catch (error) {
      if (error instanceof StartOutdated) return { type: "outdated" }
      if (error instanceof RunExists) return { type: "exists" }
      if (error instanceof JournalFull) return { type: "later", why: messageOf(error) }
      if (!(error instanceof AppError)) throw error
      return error.kind === "unavailable" ? { type: "later", why: error.message } : refused(error)
    }
  }

  /** Rights are looked at each time, as they may have been taken away since the trigger was saved. */
  async #refusal(row: TriggerRow): Promise<AppError | null> {
    // A token that may change workflows may save a trigger, but gets no runs by way of it.
    if (row.scopes && !row.scopes.includes("workflow:run")) return insufficientScope("workflow:run")
    const tenancies = this.#known.get(row.userId) ?? this.deps.access.tenancies(row.userId)
    this.#known.set(row.userId, tenancies)
    if (!mayStart(await tenancies, row)) {
      const sentence = "the person as whom its runs act may not start runs in this project (project_contributor is needed)"
      return new AppError("forbidden", sentence, { code: "FORBIDDEN" })
    }
    const patId = row.type === "platform_event" ? eventConfigOf(row).automation_pat_id : null
    if (patId === null || (await this.deps.isGoodPat(row, patId))) return null
    return new AppError("forbidden", "the token as which its runs act was revoked", { code: "FORBIDDEN" })
  }
}

export function mayStart(
  tenancies: Tenancies | null,
  { tenantId, projectId }: Pick<TriggerRow, "tenantId" | "projectId">,
): boolean {
  const role = tenancies?.get(tenantId)?.projects.get(projectId)
  return role !== undefined && roleAtLeast(role, "project_contributor")
}

function refused(error: AppError): FireStart {
  const reason = error.extras.code === undefined ? error.message : `${error.extras.code}: ${error.message}`
  return { type: "refused", error, reason }
}

/** Of a start (contract §4.1); nothing of the trigger itself gets into the input. */
function paramsOf({ config }: TriggerRow) {
  const start = config as unknown as StartConfig // written by `checkedConfig`
  return {
    trigger_payload: { ...start.body, ...start.trigger_payload },
    trigger_steps: start.trigger_steps,
    excluded_step_ids: start.excluded_step_ids,
    use_run_setup_defaults: start.use_run_setup_defaults,
    ...(start.segment_id !== null && { segment_id: start.segment_id }),
    ...(start.callback_url !== null && { callback_url: start.callback_url }),
  }
}
