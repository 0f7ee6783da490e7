import type { Plan } from "../../engine/graph.ts"
import type { RunInput } from "../../engine/inputs.ts"
import { outputOf } from "../../engine/output.ts"
import { buildInput } from "../../engine/start-input.ts"
import type { Identity, RunFacts } from "../../engine/state.ts"
import { type Caller, insufficientScope } from "../../http/permission.ts"
import { type Clock, rfc3339 } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import { type Ids, isUuid } from "../../kernel/ids.ts"
import { isJsonObject, type JsonObject } from "../../kernel/json.ts"
import { type Idempotency, type NewRun, RunExists } from "../../runtime/ports.ts"
import type { Runs } from "../../runtime/runs.ts"
import type { WorkflowService } from "../workflows/service.ts"
import type { CommandAnswer } from "./contract.ts"
import type { RunRow } from "./list-store.ts"
import type { RunStore } from "./store.ts"

export interface RunCommandsDeps {
  readonly runs: Runs
  readonly store: RunStore
  readonly workflows: WorkflowService
  readonly clock: Clock
  readonly ids: Ids
  /** How long a graceful stop lets steps go on, ms. */
  readonly drainMs: number
}

/** What the headers of a start say. */
export interface StartOptions {
  /** `Idempotency-Key`; `params.idempotency_key` wins. */
  readonly idempotencyKey: string | null
  /** How long to wait until the run ends or needs somebody. */
  readonly waitMs: number
}

/** The command endpoint: start, pause, resume, stop (contract §4.1, G-12). */
export class RunCommands {
  constructor(private readonly deps: RunCommandsDeps) {}

  async execute(
    caller: Caller,
    workflowId: string,
    command: string,
    params: JsonObject,
    { idempotencyKey, waitMs }: StartOptions,
  ): Promise<CommandAnswer> {
    switch (command) {
      case "start":
        return await this.#awaited(await this.#start(caller, workflowId, params, idempotencyKey), waitMs)
      case "pause":
        return await this.#control(caller, workflowId, params, { type: "Pause", by: caller.userId })
      case "resume":
        return await this.#control(caller, workflowId, params, {
          type: "Resume",
          by: caller.userId,
          overlays: overlaysOf(params),
        })
      case "stop":
        return await this.#control(caller, workflowId, params, {
          type: "Stop",
          mode: stopMode(params),
          drainMs: this.deps.drainMs,
          by: caller.userId,
        })
      default:
        throw badParam("command must be start, pause, resume or stop")
    }
  }

  async #start(caller: Caller, workflowId: string, params: JsonObject, keyHeader: string | null): Promise<CommandAnswer> {
    const runId = runIdOf(params)
    const asked = versionOf(params)
    const workflow = await this.deps.workflows.startRow(caller, workflowId, asked)
    const key = textParam(params, "idempotency_key") ?? keyHeader
    const idempotency = key === null ? null : { key, hash: hashOf(workflowId, params) }
    // A repeated start answers what the first one did, whatever became of the workflow since.
    const before = await this.#earlier(caller, workflowId, runId, idempotency)
    if (before) return answerOf(before)
    const { version, plan, runSetup, inputSchema } = await this.deps.workflows.versionToRun(workflow, asked)
    requireToolScope(caller, plan)
    const identity = identityOf(params)
    const facts: RunFacts = {
      runId: runId ?? this.deps.ids.uuid(),
      tenantId: caller.tenantId,
      projectId: caller.projectId,
      workflowId,
      version,
      triggerType: textParam(params, "trigger_type") ?? "api",
      userId: caller.userId,
      startedAt: this.deps.clock.now(),
      input: buildInput(params, runSetup, inputSchema),
      excludedStepIds: excludedOf(params),
      parent: null,
    }
    checkExcluded(plan, facts.excludedStepIds)
    try {
      const run: NewRun = { facts, workflowName: workflow.name, idempotency, ...(identity && { identity }) }
      const state = await this.deps.runs.start(run, plan)
      return { run_id: facts.runId, workflow_id: workflowId, status: state.status, started_at: rfc3339(facts.startedAt) }
    } catch (error) {
      // The same start may have come twice at once.
      const twin = error instanceof RunExists ? await this.#earlier(caller, workflowId, runId, idempotency) : null
      if (!twin) throw error
      return answerOf(twin)
    }
  }

  /** The same answer once the run is no longer running; as it stands when that takes too long. */
  async #awaited(answer: CommandAnswer, waitMs: number): Promise<CommandAnswer> {
    if (waitMs === 0) return answer
    const halt = this.deps.runs.halts.next(answer.run_id, waitMs)
    try {
      const now = await this.deps.runs.inspect(answer.run_id)
      const state = now?.status === "running" ? await halt.state : now
      if (!state) return answer
      return {
        ...answer,
        status: state.status,
        ...(state.status === "completed" && { output: outputOf(state) }),
        ...(state.error !== null && { error: state.error }),
      }
    } finally {
      halt.cancel()
    }
  }

  /** The run that an earlier request with the same id or key started. Throws `conflict` when it was another start. */
  async #earlier(
    caller: Caller,
    workflowId: string,
    runId: string | null,
    idempotency: Idempotency | null,
  ): Promise<RunRow | null> {
    const byKey = idempotency && (await this.deps.store.findByIdempotencyKey(caller.projectId, idempotency.key))
    if (byKey) {
      if (byKey.workflowId === workflowId && byKey.idempotencyHash === idempotency.hash) return byKey
      const sentence = "this idempotency key was used for another start; use a new key for a new start"
      throw new AppError("conflict", sentence, { code: "IDEMPOTENCY_CONFLICT" })
    }
    const row = runId === null ? null : await this.deps.store.findAnywhere(runId)
    if (!row) return null
    if (row.workflowId === workflowId && row.projectId === caller.projectId && row.tenantId === caller.tenantId) return row
    throw new AppError("conflict", "this run_id was used for another run; choose a new one", { code: "RUN_ID_TAKEN" })
  }

  async #control(caller: Caller, workflowId: string, params: JsonObject, input: RunInput): Promise<CommandAnswer> {
    const runId = textParam(params, "run_id")?.toLowerCase()
    if (runId === undefined) throw badParam("params.run_id is needed")
    const row = await this.deps.store.find(caller, workflowId, runId)
    if (!row) throw new AppError("not_found", "there is no such run of this workflow")
    const { accepted, before, after } = await this.deps.runs.send(runId, input)
    if (!accepted) throw refusal(before.status, before.pauseReason, input)
    return { run_id: runId, workflow_id: workflowId, status: after.status, started_at: rfc3339(row.startedAt) }
  }
}

function refusal(status: string, pauseReason: string | null, input: RunInput): AppError {
  if (input.type === "Resume" && status === "paused" && pauseReason === "human_task") {
    return new AppError("conflict", "the run waits for a person; complete its pending task instead", {
      code: "RUN_AWAITING_TASK",
      fields: { status },
    })
  }
  return new AppError("conflict", `run is ${status}`, { code: "INVALID_RUN_STATE", fields: { status } })
}

/** Tools need their own scope (contract G-1), inside loops as well; what a called workflow does cannot be known here. */
function requireToolScope(caller: Caller, plan: Plan): void {
  if (caller.scopes === null || caller.scopes.includes("mcp:execute")) return
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

/** Input for single steps of a run that is resumed (contract §4.6). */
function overlaysOf(params: JsonObject): { readonly [stepId: string]: JsonObject } {
  const sent = params.trigger_steps ?? {}
  if (isJsonObject(sent) && Object.values(sent).every(isJsonObject)) return sent as { readonly [stepId: string]: JsonObject }
  throw badParam("params.trigger_steps must be an object of objects, by step id")
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

function badParam(sentence: string): AppError {
  return new AppError("bad_request", `invalid request body: ${sentence}`, { code: "INVALID_BODY" })
}

function textParam(params: JsonObject, name: string): string | null {
  const value = params[name]
  if (value === undefined || value === null) return null
  if (typeof value === "string" && value !== "" && value.length <= 300) return value
  throw badParam(`params.${name} must be text`)
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

function stopMode(params: JsonObject): "immediate" | "graceful" {
  const mode = params.mode ?? "immediate"
  if (mode === "immediate" || mode === "graceful") return mode
  throw badParam("params.mode must be immediate or graceful")
}
