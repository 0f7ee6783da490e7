import type { Scope } from "../../connectors/connector.ts"
import type { JsonObject } from "../../kernel/json.ts"

/** What a turn needs of an agent's definition (contract G-30). */
export interface Agent {
  readonly id: string
  readonly name: string
  readonly instructions: string
  readonly modelRef: string
  readonly llmParams: JsonObject
  readonly tools: readonly AgentTools[]
  readonly inputSchema: JsonObject | null
  readonly outputSchema: JsonObject | null
  readonly maxToolRounds: number
  readonly onLimit: OnLimit
  /** Tokens of all requests and answers of a turn; null: no limit of its own. */
  readonly maxTokensPerTurn: number | null
  readonly turnTimeoutMs: number | null
  /** Names of tools that a person confirms each call of; `*`: all. */
  readonly confirmTools: readonly string[]
  /** False: one call after the other, in the order in which the model asked. */
  readonly parallelToolCalls: boolean
  readonly status: "active" | "disabled"
  /** Hashes of its tools when somebody chose them, by instance and name; none of those that nobody could look at then. */
  readonly pins: { readonly [instanceId: string]: { readonly [tool: string]: string } }
}

/** The tools of one instance that an agent may call. */
export interface AgentTools {
  readonly instanceId: string
  /** Null: all of them. */
  readonly toolNames: readonly string[] | null
}

/** What becomes of a turn that has used all of its tool rounds. */
export const ON_LIMIT = ["answer", "ask", "fail"] as const
export type OnLimit = (typeof ON_LIMIT)[number]

/** What a project wants of tools that are not what they were when they were chosen. */
export type DriftPolicyOf = (scope: Scope) => Promise<"run" | "ask" | "fail">

/** The agent as it is now; null: the project has none with that id. */
export type FindAgent = (scope: Scope, id: string) => Promise<Agent | null>
