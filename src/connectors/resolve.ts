import type { JsonObject } from "../kernel/json.ts"
import type { Scope, ToolServer } from "./connector.ts"

/** What a step says about where its tool lives. `instanceId` wins. */
export interface InstanceReference extends Scope {
  /** Whose connection overrides count (contract §7.4). */
  readonly workflowId?: string
  readonly serverUrl?: string
  readonly instanceId?: string
}

export interface ResolvedInstance {
  readonly ok: true
  readonly instanceId: string
  /** The adapter's, or the registered server's name for graphs and people. */
  readonly slug: string
  readonly server: ToolServer
  /** The active profile's values, or those of the workflow's override, secrets included. */
  readonly config: JsonObject
  /** The saved connection that the values come from, if any. */
  readonly connectionId: string | null
}

/**
 * - `unknown_server`: no connector of this executable has that address.
 * - `no_instance`: the project has none and it cannot be made without configuration.
 * - `ambiguous`: several instances, none of them completely configured.
 * - `foreign`: the named instance is not one of this project.
 */
export type UnresolvedReason = "unknown_server" | "no_instance" | "ambiguous" | "foreign"

export interface UnresolvedInstance {
  readonly ok: false
  readonly reason: UnresolvedReason
  /** A sentence that says what to do. */
  readonly message: string
}

/** Finds the instance that serves a step, creating one where no configuration is needed (contract §3.4). */
export type ResolveForRun = (reference: InstanceReference) => Promise<ResolvedInstance | UnresolvedInstance>
