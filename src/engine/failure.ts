/** Why a step or a run failed (contract §4.3, G-13). */
export type FailureCode =
  | "MCP_TOOL_FAILED"
  | "LLM_REQUEST_FAILED"
  | "HUMAN_TASK_FAILED"
  | "INSUFFICIENT_CREDITS"
  | "RUN_STALLED_OR_TIMED_OUT"
  | "DRAIN_TIMEOUT"
  | "RUN_STOPPED"
  | "UPSTREAM_ERROR"
  | "DEPENDENCY_UNAVAILABLE"
  | "LUA_SCRIPT_FAILED"
  | "TEMPLATE_UNRESOLVED"
  | "STEP_TIMEOUT"
  | "FOR_EACH_FAILED"
  | "AGENT_TURN_FAILED"
  | "WORKFLOW_CALL_FAILED"
  | "INTERNAL_ERROR"

export interface Failure {
  readonly code: FailureCode
  /** A sentence for people; no secrets. */
  readonly message: string
  /** False: trying again cannot help (bad configuration, no credit). */
  readonly retryable: boolean
  readonly timeout?: true
  /** The other side wants to be left alone for so long: the next attempt waits that long, too. */
  readonly retryAfterMs?: number
}
