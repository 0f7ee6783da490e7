import {
  type CallToolResult,
  type Client,
  SdkError,
  SdkErrorCode,
  specTypeSchemas,
  type Task,
} from "@modelcontextprotocol/client"
import type { JsonObject } from "../../kernel/json.ts"
import type { Exchange } from "./exchange.ts"
import { McpFailure } from "./mcp.ts"
import { pause } from "./pause.ts"

const POLL_DEFAULT_MS = 1_000
const POLL_MIN_MS = 100
const POLL_MAX_MS = 10_000
/** The server may forget the result so long after the call's own time. */
const KEPT_MS = 60_000

export interface TaskCall {
  readonly name: string
  readonly arguments: JsonObject
  /** More of the request. */
  readonly meta: { readonly _meta?: Record<string, string> }
  readonly options: { readonly signal: AbortSignal; readonly timeout: number }
}

/**
 * A call of a tool that runs as a task only (protocol version 2025-11-25): it is begun, asked after, and its result fetched.
 * A call that is given up cancels its task.
 */
export async function callAsTask(
  client: Client,
  call: Exchange,
  life: Exchange,
  { name, arguments: args, meta, options }: TaskCall,
) {
  const task = { ttl: Math.round(call.leftMs) + KEPT_MS }
  const params = { name, arguments: args, task, ...meta }
  const begun = await client.request({ method: "tools/call", params }, specTypeSchemas.CreateTaskResult, options)
  const { taskId } = begun.task
  const cancel = () => {
    const told = () => client.request({ method: "tasks/cancel", params: { taskId } }, specTypeSchemas.CancelTaskResult)
    void life.run(told).catch(() => {}) // its time to live ends it, too
  }
  options.signal.addEventListener("abort", cancel, { once: true })
  try {
    await ended(client, begun.task, call, options)
    const result: CallToolResult = await client.request(
      { method: "tasks/result", params: { taskId } },
      specTypeSchemas.CallToolResult,
      options,
    )
    return result
  } finally {
    options.signal.removeEventListener("abort", cancel)
  }
}

async function ended(client: Client, begun: Task, call: Exchange, options: TaskCall["options"]): Promise<void> {
  for (let task = begun; ; ) {
    if (task.status === "completed" || task.status === "failed") return // its result says how
    if (task.status === "cancelled") throw new McpFailure("the server cancelled the task of this call", { retryable: true })
    if (task.status === "input_required") throw new SdkError(SdkErrorCode.UnsupportedResultType, "input_required")
    await pause(Math.min(Math.max(task.pollInterval ?? POLL_DEFAULT_MS, POLL_MIN_MS), POLL_MAX_MS), call.given.signal)
    task = await client.request({ method: "tasks/get", params: { taskId: begun.taskId } }, specTypeSchemas.GetTaskResult, options)
  }
}
