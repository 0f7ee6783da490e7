import { join } from "node:path"
import { migrateSqlite } from "../src/storage/migrate.ts"
import { connect, type SqliteConnection } from "../src/storage/sqlite/driver.ts"
import { connectWriter } from "../src/storage/sqlite/open.ts"
import { migrationsFolder } from "./folder.ts"
import { type BenchRuntime, runOnce } from "./runtime.ts"

export const BATCH_ROWS = 100

/** What SQLite takes at best on this disk: the event rows of a real run, in their own table, with nothing around them. */
export interface RowLimit {
  /** Rows a second for so long, in commits of so many rows, each commit synced. */
  measure(rowsPerCommit: number, forMs: number): number
  /** Of one run. */
  readonly eventsPerRun: number
}

type EventRow = readonly [seq: number, type: string, stepId: string | null, data: string, at: number]

/** On a file of its own beside the runtime's, opened by the same hand (WAL, synchronous=FULL). */
export async function rowLimit(folder: string, runtime: BenchRuntime): Promise<RowLimit> {
  const rows = eventsOf(runtime.path, await runOnce(runtime))
  const path = join(folder, "limit.db")
  await migrateSqlite(path, migrationsFolder, Date.now())
  const writer = connectWriter(path)
  return { measure: (rowsPerCommit, forMs) => measure(writer, rows, rowsPerCommit, forMs), eventsPerRun: rows.length }
}

function eventsOf(path: string, runId: string): readonly EventRow[] {
  const reader = connect(path, { readonly: true })
  const select = reader.prepare("SELECT seq, type, step_id, data, created_at FROM run_events WHERE run_id = ? ORDER BY seq")
  const rows = select.raw().all(runId) as EventRow[]
  reader.close()
  return rows
}

function measure(writer: SqliteConnection, rows: readonly EventRow[], rowsPerCommit: number, forMs: number): number {
  const begin = writer.prepare("BEGIN IMMEDIATE")
  const commit = writer.prepare("COMMIT")
  const insert = writer.prepare("INSERT INTO run_events (run_id, seq, type, step_id, data, created_at) VALUES (?, ?, ?, ?, ?, ?)")
  const started = performance.now()
  let runId = ""
  let written = 0
  while (performance.now() - started < forMs) {
    begin.run()
    for (let i = 0; i < rowsPerCommit; i++, written++) {
      const at = written % rows.length
      if (at === 0) runId = Bun.randomUUIDv7()
      insert.run(runId, ...rows[at]!)
    }
    commit.run()
  }
  return written / ((performance.now() - started) / 1000)
}
