import type { Plan } from "../../engine/graph.ts"
import { buildInput } from "../../engine/start-input.ts"
import type { Identity, Origin, RunFacts } from "../../engine/state.ts"
import { checkedCallbackUrl } from "../../http/callback-url.ts"
import { type Caller, insufficientScope } from "../../http/permission.ts"
import { type Clock, rfc3339 } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import { type Ids, isUuid } from "../../kernel/ids.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { type AlsoStored, type Idempotency, type NewRun, RunExists } from "../../runtime/ports.ts"
import type { Runs } from "../../runtime/runs.ts"
import type { WorkflowService } from "../workflows/service.ts"
import type { CommandAnswer } from "./contract.ts"
import type { RunRow } from "./list-store.ts"
import { badParam, textParam } from "./params.ts"
import type { RunStore } from "./store.ts"

/** As whom a run is started, and where. `scopes` null: only the role limits it. */
export type Starter = Pick<Caller, "tenantId" | "projectId" | "userId" | "scopes">

export interface StartOptions {
  /** `Idempotency-Key`; `params.idempotency_key` wins. */
  readonly idempotencyKey?: string | null
  /** The run's id, in place of `params.run_id`; it is not looked for before: a second start under it throws `RunExists`. */
  readonly runId?: string
  readonly origin?: Origin
  /** Stored with the start, or neither. */
  readonly also?: readonly AlsoStored[]
}

export interface RunStartsDeps {
  readonly runs: Pick<Runs, "start">
  readonly store: Pick<RunStore, "findAnywhere" | "findByIdempotencyKey">
  readonly workflows: Pick<WorkflowService, "startRow" | "versionToRun">
  readonly clock: Clock
  readonly ids: Ids
}

/** The one way in which a run is started from outside: by a command, a webhook, a schedule (contract §4.1, §4.2, §5, §6). */
export class RunStarts {
  constructor(private readonly deps: RunStartsDeps) {}

  /**
   * Resolves when the start is durable. `params` as of the command. Throws `AppError` for what a start refuses; with
   * `runId` or `also` besides `RunExists` when the id, or a key of what is stored with it, is taken, and `StartOutdated`.
   */
  async start(starter: Starter, workflowId: string, params: JsonObject, options: StartOptions = {}): Promise<CommandAnswer> {
    const { idempotencyKey = null, also = [], origin } = options
    const runId = options.runId === undefined ? runIdOf(params) : null
    const asked = versionOf(params)
    const workflow = await this.deps.workflows.startRow(starter, workflowId, asked)
    const key = textParam(params, "idempotency_key") ?? idempotencyKey
    const idempotency = key === null ? null : { key, hash: hashOf(workflowId, params) }
    // A repeated start answers what the first one did, whatever became of the workflow since.
    const before = await this.#earlier(starter, workflowId, runId, idempotency)
    if (before) return answerOf(before)
    const { version, plan, runSetup, inputSchema, recording, readsWebhookPayload } = await this.deps.workflows.versionToRun(
      workflow,
      asked,
    )
    requireToolScope(starter, plan)
    const identity = identityOf(params)
    const callbackUrl = callbackUrlOf(params)
    const isRecorded = recordOf(params) ?? recording
    const triggerType = textParam(params, "trigger_type") ?? "api"
    const payload = triggerType === "webhook" && readsWebhookPayload ? params.trigger_payload : undefined
    const withAlias = payload === undefined ? params : { webhook_payload: payload, ...params }
    const facts: RunFacts = {
      runId: options.runId ?? runId ?? this.deps.ids.uuid(),
      tenantId: starter.tenantId,
      projectId: starter.projectId,
      workflowId,
      version,
      triggerType,
      userId: starter.userId,
      startedAt: this.deps.clock.now(),
      input: buildInput(withAlias, runSetup, inputSchema),
      excludedStepIds: excludedOf(params),
      parent: null,
    }
    checkExcluded(plan, facts.excludedStepIds)
    try {
      const optional = { ...(identity && { identity }), ...(callbackUrl !== null && { callbackUrl }), ...(origin && { origin }) }
      const recorded = isRecorded ? { recording: true as const } : {}
      const run: NewRun = { facts, workflowName: workflow.name, idempotency, ...optional, ...recorded }
      const state = await this.deps.runs.start(run, plan, also)
      return { run_id: facts.runId, workflow_id: workflowId, status: state.status, started_at: rfc3339(facts.startedAt) }
    } catch (error) {
      // The same start may have come twice at once.
      const twin = error instanceof RunExists ? await this.#earlier(starter, workflowId, runId, idempotency) : null
      if (!twin) throw error
      return answerOf(twin)
    }
  }

  /** The run that an earlier request with the same id or key started. Throws `conflict` when it was another start. */
  async #earlier(
    starter: Starter,
    workflowId: string,
    runId: string | null,
    idempotency: Idempotency | null,
  ): Promise<RunRow | null> {
    const byKey = idempotency && (await this.deps.store.findByIdempotencyKey(starter.projectId, idempotency.key))
    if (byKey) {
      if (byKey.workflowId === workflowId && byKey.idempotencyHash === idempotency.hash) return byKey
      const sentence = "this idempotency key was used for another start; use a new key for a new start"
      throw new AppError("conflict", sentence, { code: "IDEMPOTENCY_CONFLICT" })
    }
    const row = runId === null ? null : await this.deps.store.findAnywhere(runId)
    if (!row) return null
    if (row.workflowId === workflowId && row.projectId === starter.projectId && row.tenantId === starter.tenantId) return row
    throw new AppError("conflict", "this run_id was used for another run; choose a new one", { code: "RUN_ID_TAKEN" })
  }
}

/** Tools need their own scope (contract G-1), inside loops as well; what a called workflow does cannot be known here. */
function requireToolScope({ scopes }: Starter, plan: Plan): void {
  if (scopes === null || scopes.includes("mcp:execute")) return
  if (callsTools(plan)) throw insufficientScope("mcp:execute")
}

function callsTools(plan: Plan): boolean {
  return plan.steps.some(
    s => s.type.type === "mcp_call" || s.type.type === "workflow_call" || (s.loop !== null && callsTools(s.loop.body)),
  )
}

function answerOf(row: RunRow): CommandAnswer {
  return { run_id: row.id, workflow_id: row.workflowId, status: row.status, started_at: rfc3339(row.startedAt) }
}

/** A misspelt id would run what should not. */
function checkExcluded(plan: Plan, ids: readonly string[]): void {
  const unknown = ids.find(id => !plan.indexOf.has(id))
  if (unknown === undefined) return
  const sentence = `excluded_step_ids names ${JSON.stringify(unknown.slice(0, 200))}, which the workflow does not have`
  throw new AppError("invalid", sentence, { code: "UNKNOWN_STEP" })
}

/** Of what the start asks for; the key may come by either way, and a retry may name another run. */
function hashOf(workflowId: string, { idempotency_key: _key, run_id: _runId, ...asked }: JsonObject): string {
  return new Bun.CryptoHasher("sha256").update(JSON.stringify([workflowId, asked])).digest("hex")
}

/** For whom the run is, as the caller names them (contract §4.1); null when it does not say. */
function identityOf(params: JsonObject): Identity | null {
  const names = ["external_user_id", "principal_id", "segment_id"] as const
  const given = names.flatMap(name => {
    const value = textParam(params, name)
    return value === null ? [] : [[name, value] as const]
  })
  return given.length > 0 ? Object.fromEntries(given) : null
}

function runIdOf(params: JsonObject): string | null {
  const runId = textParam(params, "run_id")
  if (runId === null || isUuid(runId)) return runId?.toLowerCase() ?? null
  throw badParam("params.run_id must be a UUID")
}

function versionOf(params: JsonObject): number | undefined {
  const { version } = params
  if (version === undefined || version === null) return undefined
  if (typeof version === "number" && Number.isInteger(version) && version > 0) return version
  throw badParam("params.version must be a whole number from 1")
}

function excludedOf(params: JsonObject): readonly string[] {
  const ids = params.excluded_step_ids
  if (ids === undefined || ids === null) return []
  if (Array.isArray(ids) && ids.every(id => typeof id === "string")) return ids
  throw badParam("params.excluded_step_ids must be a list of step ids")
}

/** Null when the start leaves it to the workflow. */
function recordOf({ record }: JsonObject): boolean | null {
  if (record === undefined || record === null) return null
  if (typeof record === "boolean") return record
  throw badParam("params.record must be true or false")
}

function callbackUrlOf({ callback_url: url }: JsonObject): string | null {
  if (url === undefined || url === null) return null
  if (typeof url === "string") return checkedCallbackUrl(url)
  throw badParam("params.callback_url must be text")
}
