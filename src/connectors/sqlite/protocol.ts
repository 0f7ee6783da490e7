import type { JsonObject } from "../../kernel/json.ts"
import type { ToolResult } from "../connector.ts"
import type { Place } from "../file-root.ts"

/** One line from the server to its SQLite child: a tool call with everything that the child needs to judge it. */
export interface SqliteRequest {
  readonly tool: string
  readonly args: JsonObject
  readonly place: Place
  /** As spelled by the caller or the configuration. */
  readonly path: string
  readonly maxRows: number
  readonly allowWrite: boolean
  /** How long to wait for another process's lock, in ms. */
  readonly lockMs: number
  /** What the database may grow to. */
  readonly maxDatabaseMb: number
}

export type SqliteAnswer = ToolResult

/** In place of a tool: only whether the data root may be used. */
export const PROBE_ROOT = "probe_root"
