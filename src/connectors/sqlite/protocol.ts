import type { JsonObject } from "../../kernel/json.ts"
import type { ToolResult } from "../connector.ts"

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

/** Where databases may be. All but `configuredRoot` come from the operator, as absolute paths. */
export interface Place {
  /** The project's own folder: made by the first write, and the data root unless the configuration names another. */
  readonly defaultRoot: string
  /** `sqlite_data_root` of the configuration; empty: none. */
  readonly configuredRoot: string
  /** Further folders that the operator lets projects name as data root. */
  readonly allowedRoots: readonly string[]
  /** Folders of the runtime itself: nothing in them is a database for anybody, but for `defaultRoot`. */
  readonly forbiddenRoots: readonly string[]
}

export type SqliteAnswer = ToolResult

/** In place of a tool: only whether the data root may be used. */
export const PROBE_ROOT = "probe_root"

/** A call that is refused, with the sentence for the caller. Trying again does not help. */
export class Refused extends Error {
  override readonly name = "Refused"
}
