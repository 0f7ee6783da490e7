import { expect, test } from "bun:test"
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { migrateSqlite } from "../../src/storage/migrate.ts"
import { connect } from "../../src/storage/sqlite/driver.ts"

const migrations = join(import.meta.dir, "../../migrations/sqlite")
const DAY = 86_400_000

/** The first `count` migrations, as an older executable had them. */
function olderMigrations(folder: string, count: number): string {
  const older = join(folder, "migrations")
  mkdirSync(older)
  cpSync(join(migrations, "meta"), join(older, "meta"), { recursive: true })
  for (const file of readdirSync(migrations)
    .filter(f => f.endsWith(".sql"))
    .sort()
    .slice(0, count))
    copyFileSync(join(migrations, file), join(older, file))
  const journal = JSON.parse(readFileSync(join(migrations, "meta/_journal.json"), "utf8"))
  writeFileSync(join(older, "meta/_journal.json"), JSON.stringify({ ...journal, entries: journal.entries.slice(0, count) }))
  return older
}

test("runs that an older executable left are counted by the upgrade", async () => {
  const folder = mkdtempSync(join(tmpdir(), "agentruntime-upgrade-"))
  const path = join(folder, "agentruntime.db")
  await migrateSqlite(path, olderMigrations(folder, 1), Date.now())
  const old = connect(path)
  const insert =
    old.prepare(`INSERT INTO runs (id, tenant_id, project_id, workflow_id, workflow_name, version, status, trigger_type, input,
    created_by, started_at) VALUES (?, 't', ?, ?, 'nightly', 1, ?, 'api', '{}', 'u', ?)`)
  const runs: [project: string, workflow: string, status: string, at: number][] = [
    ["p", "w1", "completed", 20_000 * DAY],
    ["p", "w1", "completed", 20_001 * DAY - 1],
    ["p", "w1", "completed", 20_001 * DAY],
    ["p", "w2", "completed", 20_000 * DAY + 5],
    ["p", "w2", "failed", 20_000 * DAY],
    ["q", "w3", "paused", 20_000 * DAY],
  ]
  for (const [i, run] of runs.entries()) insert.run(`run${i}`, ...run)
  old.close()

  await migrateSqlite(path, migrations, Date.now())

  const upgraded = connect(path)
  const counts = upgraded
    .prepare("SELECT project_id, workflow_id, status, day, n FROM run_counts ORDER BY 1, 2, 3, 4")
    .raw()
    .all()
  upgraded.close()
  rmSync(folder, { recursive: true, force: true })
  expect(counts).toEqual([
    ["p", "", "completed", 20_000, 3],
    ["p", "", "completed", 20_001, 1],
    ["p", "", "failed", 20_000, 1],
    ["p", "w1", "completed", 20_000, 2],
    ["p", "w1", "completed", 20_001, 1],
    ["p", "w2", "completed", 20_000, 1],
    ["p", "w2", "failed", 20_000, 1],
    ["q", "", "paused", 20_000, 1],
    ["q", "w3", "paused", 20_000, 1],
  ])
})
