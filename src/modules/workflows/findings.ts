import type { LuaCheck, LuaJob, LuaOutcome } from "../../adapters/sandbox/lua.ts"
import type { Issue } from "../../engine/issues.ts"
import type { Caller } from "../../http/permission.ts"
import type { Json } from "../../kernel/json.ts"

/** A finding; `blocks`: nothing is wrong with the graph, but it would not run to its end here. */
export interface Finding extends Issue {
  readonly blocks?: true
}

/** How a step says where its tool is. */
export interface Binding {
  readonly serverUrl?: string
  readonly instanceId?: string
  readonly toolName?: string
  readonly toolArgs?: Json
  /** The tool's hash when the newest version was published. */
  readonly pinned?: string
}

export interface BindingProblem {
  readonly severity: "error" | "warning"
  readonly blocks?: true
  /** e.g. `mcp_instance_unknown`, `mcp_instance_will_be_created` (contract G-11). */
  readonly code: string
  /** Where in the step, e.g. `.server_url`. */
  readonly place: string
  readonly message: string
  readonly suggestion?: string
}

/** Looks for instances and tools as a run would, without making or calling anything. One look-up for each binding. */
export type BindingCheck = (caller: Caller) => (binding: Binding) => Promise<readonly BindingProblem[]>

/** What the dry run needs of the sandbox. */
export interface ScriptSandbox {
  /** Compiles a script without running it. */
  readonly checkLua: (script: string) => Promise<LuaCheck>
  readonly runLua: (job: LuaJob, options: { readonly timeoutMs: number }) => Promise<LuaOutcome>
}
