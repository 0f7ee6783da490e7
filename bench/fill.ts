import type { SqliteConnection } from "../src/storage/sqlite/driver.ts"
import { connectWriter } from "../src/storage/sqlite/open.ts"

const RUNS_PER_COMMIT = 20_000

type Row = Record<string, string | number | null>

export interface Copies {
  /** A run that is there. */
  readonly of: string
  readonly count: number
  /** When the n-th copy started, ms. */
  startedAt(n: number): number
  /** What else is other in the n-th copy's row. */
  change(n: number): Row
}

/** Copies a run with its events and tasks, straight into the file and without syncs: a server would take an hour. */
export function fill(path: string, copies: readonly Copies[]): void {
  const writer = connectWriter(path)
  writer.pragma("synchronous = OFF")
  writer.pragma("cache_size = -200000")
  for (const copy of copies) new Copier(writer, copy).copyAll()
  recount(writer)
  writer.pragma("wal_checkpoint(TRUNCATE)")
  writer.close()
}

class Copier {
  readonly #run: Row
  readonly #parts: readonly (readonly [insert: (row: Row) => void, rows: readonly Row[]])[]
  readonly #insertRun: (row: Row) => void

  constructor(
    private readonly writer: SqliteConnection,
    private readonly copies: Copies,
  ) {
    const rows = (table: string, key: string) => writer.prepare(`SELECT * FROM ${table} WHERE ${key} = ?`).all(copies.of) as Row[]
    const [run] = rows("runs", "id")
    if (!run) throw new Error(`there is no run ${copies.of}`)
    this.#run = run
    this.#insertRun = inserter(writer, "runs", run)
    this.#parts = ["run_events", "human_tasks"].flatMap(table => {
      const parts = rows(table, "run_id")
      return parts[0] ? [[inserter(writer, table, parts[0]), parts] as const] : []
    })
  }

  copyAll(): void {
    for (let n = 0; n < this.copies.count; n++) {
      if (n % RUNS_PER_COMMIT === 0) this.writer.exec("BEGIN")
      this.#copy(n)
      if (n % RUNS_PER_COMMIT === RUNS_PER_COMMIT - 1 || n === this.copies.count - 1) this.writer.exec("COMMIT")
    }
  }

  #copy(n: number): void {
    const startedAt = this.copies.startedAt(n)
    const moved = startedAt - Number(this.#run.started_at)
    const id = Bun.randomUUIDv7("hex", startedAt)
    const times = {
      started_at: startedAt,
      completed_at: this.#run.completed_at === null ? null : Number(this.#run.completed_at) + moved,
    }
    this.#insertRun({ ...this.#run, ...times, ...this.copies.change(n), id })
    for (const [insert, rows] of this.#parts)
      for (const row of rows) insert({ ...row, run_id: id, created_at: Number(row.created_at) + moved })
  }
}

function inserter(writer: SqliteConnection, table: string, like: Row): (row: Row) => void {
  const columns = Object.keys(like)
  const statement = writer.prepare(`INSERT INTO ${table} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`)
  return row => void statement.run(columns.map(c => row[c]))
}

/** As the upgrade from a version without counts does it. */
function recount(writer: SqliteConnection): void {
  writer.exec(`DELETE FROM run_counts;
    INSERT INTO run_counts (tenant_id, project_id, workflow_id, status, day, n)
      SELECT tenant_id, project_id, workflow_id, status, started_at / 86400000, count(*) FROM runs GROUP BY 1, 2, 3, 4, 5;
    INSERT INTO run_counts (tenant_id, project_id, workflow_id, status, day, n)
      SELECT tenant_id, project_id, '', status, day, sum(n) FROM run_counts GROUP BY tenant_id, project_id, status, day;`)
}
