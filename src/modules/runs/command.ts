import type { RunInput } from "../../engine/inputs.ts"
import { outputOf } from "../../engine/output.ts"
import type { Caller } from "../../http/permission.ts"
import { rfc3339 } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import { isJsonObject, type JsonObject } from "../../kernel/json.ts"
import type { Runs } from "../../runtime/runs.ts"
import type { CommandAnswer } from "./contract.ts"
import { badParam, textParam } from "./params.ts"
import type { RunStarts } from "./start.ts"
import type { RunStore } from "./store.ts"

export interface RunCommandsDeps {
  readonly starts: RunStarts
  readonly runs: Pick<Runs, "send" | "halts" | "inspect">
  readonly store: Pick<RunStore, "find">
  /** How long a graceful stop lets steps go on, ms. */
  readonly drainMs: number
}

/** What the headers of a start say. */
export interface StartHeaders {
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
    { idempotencyKey, waitMs }: StartHeaders,
  ): Promise<CommandAnswer> {
    switch (command) {
      case "start":
        return await this.#awaited(await this.deps.starts.start(caller, workflowId, params, { idempotencyKey }), waitMs)
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

/** Input for single steps of a run that is resumed (contract §4.6). */
function overlaysOf(params: JsonObject): { readonly [stepId: string]: JsonObject } {
  const sent = params.trigger_steps ?? {}
  if (isJsonObject(sent) && Object.values(sent).every(isJsonObject)) return sent as { readonly [stepId: string]: JsonObject }
  throw badParam("params.trigger_steps must be an object of objects, by step id")
}

function stopMode(params: JsonObject): "immediate" | "graceful" {
  const mode = params.mode ?? "immediate"
  if (mode === "immediate" || mode === "graceful") return mode
  throw badParam("params.mode must be immediate or graceful")
}
