import { createArgumentCheck } from "../../connectors/arguments.ts"
import type { CallContext, Progress, Tool, ToolResult, ToolServer } from "../../connectors/connector.ts"
import type { InstanceReference, ResolvedInstance, ResolveForRun } from "../../connectors/resolve.ts"
import { asker } from "../../kernel/asker.ts"
import { isJsonObject, type Json, type JsonObject } from "../../kernel/json.ts"
import { MCP_TIMEOUT_DEFAULT_MS } from "../../kernel/limits.ts"
import type { StepExecutor, StepJob, StepOutcome } from "../../runtime/ports.ts"
import type { Recorder } from "../../runtime/recorder.ts"
import { recordedTool, type ToolExchange } from "../recorded.ts"
import { shown, shownText } from "../shown.ts"
import { callInTime } from "./call-in-time.ts"

export interface McpCallDeps {
  readonly resolve: ResolveForRun
  /**
   * Slugs of connectors whose calls wait for a process of ours. They keep the limit themselves, from when the work begins: a
   * clock out here would fail a call for having waited behind others.
   */
  readonly queued?: ReadonlySet<string>
  /** Whether a tool is what it was when the version that calls it was published. */
  readonly driftOf: DriftOf
  readonly recorder: Recorder
}

export type DriftOf = (call: PinnedCall, tool: Tool) => Promise<ToolDrift | null>

/** Whose call of which server, as the step names it. */
export interface PinnedCall {
  readonly tenantId: string
  readonly projectId: string
  readonly workflowId: string
  readonly version: number
  readonly server: string
}

/** A tool that has changed, and what the project wants then: go on, ask a person, or fail. */
export interface ToolDrift {
  readonly policy: "run" | "ask" | "fail"
  readonly message: string
  readonly was: string
  readonly now: string
}

/**
 * Finds the instance, checks the arguments, calls the tool. The tool's JSON object is the step's result as it is, so that
 * `{{steps.q.result.rows}}` reads its property. A failure carries the tool's own text.
 */
export function createMcpCallExecutor(deps: McpCallDeps): StepExecutor {
  const check = createArgumentCheck()

  async function prepare(job: StepJob): Promise<Prepared> {
    const instance = await deps.resolve(referenceOf(job))
    if (!instance.ok) return { ok: false, outcome: failure(instance.message) }
    const { server } = instance
    const name = text(job.config.tool_name)
    const tool = server.tools.find(t => t.name === name)
    if (!tool && server.failure) return { ok: false, outcome: outcomeOf(server.failure) }
    if (!tool) return { ok: false, outcome: failure(unknownTool(server, name)) }
    const args = job.config.tool_args ?? {}
    if (!isJsonObject(args)) return { ok: false, outcome: failure("tool_args is not an object") }
    const checked = check(tool, args)
    if (!checked.ok) return { ok: false, outcome: failure(checked.message) }
    return { ok: true, instance, tool, args: checked.args }
  }

  return {
    async execute(job, signal) {
      const limitMs = job.timeoutMs ?? MCP_TIMEOUT_DEFAULT_MS
      const startedAt = performance.now()
      const prepared = await prepare(job)
      if (!prepared.ok) return prepared.outcome
      const { tool, args, instance } = prepared
      const drift = await deps.driftOf({ ...job, server: serverNameOf(job) }, tool)
      const stop = drift && stopOf(drift, job, tool, args)
      if (stop) return stop
      const warned = drift ? { warnings: [{ code: "mcp_tool_changed", message: drift.message }] } : {}
      // What it took to get here is part of the attempt's time.
      const timeoutMs = Math.max(1, Math.floor(limitMs - (performance.now() - startedAt)))
      const context = {
        config: instance.config,
        scope: { tenantId: job.tenantId, projectId: job.projectId },
        timeoutMs,
        idempotencyKey: job.idempotencyKey,
        asker: asker(`tool ${instance.slug} ${tool.name}`, job),
        onProgress: (progress: Progress) => job.progress({ ...progress }),
      }
      const call = (within: CallContext) => instance.server.call(tool.name, args, within)
      const answer = () =>
        deps.queued?.has(instance.slug)
          ? call({ ...context, timeoutMs: limitMs, signal })
          : callInTime(signal, context, limitMs, call)
      const result = await recordedTool(deps.recorder, job, signal, toolExchangeOf(job), answer)
      return { ...outcomeOf(result), ...(result.ok && warned) }
    },
  }
}

type Prepared =
  | {
      readonly ok: true
      readonly instance: ResolvedInstance
      readonly tool: Tool
      readonly args: NonNullable<StepJob["config"]>
    }
  | { readonly ok: false; readonly outcome: StepOutcome }

function referenceOf(job: StepJob): InstanceReference {
  const { tenantId, projectId, workflowId, config } = job
  const instanceId = text(config.instance_id)
  const serverUrl = text(config.server_url)
  return {
    tenantId,
    projectId,
    workflowId,
    ...(instanceId === "" ? {} : { instanceId }),
    ...(serverUrl === "" ? {} : { serverUrl }),
  }
}

/** As pins are kept: `instance_id` wins, as it does for the call. */
function serverNameOf({ config }: Pick<StepJob, "config">): string {
  return text(config.instance_id) || text(config.server_url)
}

/** As the step asks for it: a replay knows neither the instance nor what the tool's schema makes of the arguments. */
export function toolExchangeOf(job: Pick<StepJob, "config">): ToolExchange {
  const { tool_name, tool_args } = job.config
  return { server: serverNameOf(job), tool: text(tool_name), args: isJsonObject(tool_args) ? tool_args : {} }
}

/** Null: the call may go on. */
function stopOf(
  { policy, message, was, now }: ToolDrift,
  { answers }: StepJob,
  tool: Tool,
  args: JsonObject,
): StepOutcome | null {
  if (policy === "run") return null
  const advice = "look at what it says now, then publish the workflow again"
  if (policy === "fail") return failure(`${message}; ${advice}, or change the project's tool_drift`)
  // A word on what it was then is none on what it has become since.
  const answer = answers.find(({ asked }) => isJsonObject(asked) && asked.now === now)
  if (answer) return answer.approved ? null : failure(`${message}, and the call was rejected; ${advice}`)
  const { name, description, inputSchema } = tool
  const payload = {
    title: `Call ${name} although it has changed?`,
    description: `${message[0]?.toUpperCase()}${message.slice(1)}. This is what it says of itself now.`,
    tool: { name, description: shownText(description), input_schema: shown(inputSchema) },
    ...{ arguments: shown(args), was, now },
  }
  return { ok: true, ask: { taskType: "tool_changed", payload, expiresInMs: null } }
}

export function outcomeOf(result: ToolResult): StepOutcome {
  if (result.ok) return { ok: true, result: result.value }
  const { message, retryable, timeout } = result
  return { ok: false, failure: { code: "MCP_TOOL_FAILED", message, retryable, ...(timeout ? { timeout } : {}) } }
}

/** What only a change of the workflow or of the configuration can repair. */
function failure(message: string): StepOutcome {
  return { ok: false, failure: { code: "MCP_TOOL_FAILED", message, retryable: false } }
}

function unknownTool({ name, tools }: ToolServer, wanted: string): string {
  return `${name} has no tool ${JSON.stringify(wanted.slice(0, 120))}; it has ${tools.map(t => t.name).join(", ")}`
}

function text(value: Json | undefined): string {
  return typeof value === "string" ? value.trim() : ""
}
