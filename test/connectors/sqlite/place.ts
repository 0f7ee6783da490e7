import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Place } from "../../../src/connectors/file-root.ts"
import { createSqliteHandler } from "../../../src/connectors/sqlite/child.ts"
import type { SqliteAnswer, SqliteRequest } from "../../../src/connectors/sqlite/protocol.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { connect } from "../../../src/storage/sqlite/driver.ts"

/** A data directory with a project's SQLite folder in it, and a folder outside. */
export interface TestPlace {
  readonly base: string
  /** `<base>/data`: the runtime's own. */
  readonly data: string
  /** `<base>/data/sqlite`: the project's. */
  readonly root: string
  /** `<base>/outside`. */
  readonly outside: string
  readonly place: Place
  remove(): void
}

export function makePlace(): TestPlace {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "agentruntime-sqlite-")))
  const data = join(base, "data")
  const root = join(data, "sqlite")
  const outside = join(base, "outside")
  for (const folder of [root, outside]) mkdirSync(folder, { recursive: true })
  return {
    base,
    data,
    root,
    outside,
    place: { defaultRoot: root, configuredRoot: "", allowedRoots: [], forbiddenRoots: [data] },
    remove: () => rmSync(base, { recursive: true, force: true }),
  }
}

export type Ask = (tool: string, args: JsonObject, change?: Partial<SqliteRequest>) => SqliteAnswer

/** The child's handler in this process: the same code without the pipe. */
export function askIn(place: Place): Ask {
  const handle = createSqliteHandler(connect)
  return (tool, args, change) =>
    handle({ tool, args, place, path: "shop.db", maxRows: 1_000, allowWrite: true, lockMs: 1_000, maxDatabaseMb: 64, ...change })
}

export function valueIn(answer: SqliteAnswer): JsonObject {
  if (!answer.ok) throw new Error(answer.message)
  return answer.value
}

export function messageIn(answer: SqliteAnswer): string {
  if (answer.ok) throw new Error(`it was not refused: ${JSON.stringify(answer.value).slice(0, 300)}`)
  return answer.message
}
