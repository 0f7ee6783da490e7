// Makes the next migration of both dialects from the tables: `bun run dist-config/migration.ts <name>`. Read the SQL it wrote.
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const name = process.argv[2]
if (!name || !/^[a-z0-9_]+$/.test(name)) {
  console.error("usage: bun run dist-config/migration.ts <name_in_lower_case>")
  process.exit(2)
}
const root = join(import.meta.dir, "..")
for (const dialect of ["sqlite", "postgres"]) {
  const config = `dist-config/drizzle/${dialect}.config.ts`
  const ran = Bun.spawnSync([process.execPath, "x", "drizzle-kit", "generate", "--config", config, "--name", name], { cwd: root })
  if (ran.exitCode !== 0) {
    console.error(ran.stdout.toString(), ran.stderr.toString())
    process.exit(1)
  }
}
withoutRowid(join(root, "migrations/sqlite"))

/**
 * The keys of the journal and of the counts are the order in which they are read, so SQLite keeps each as one b-tree instead
 * of a table and an index. drizzle-kit has no word for that.
 */
function withoutRowid(folder: string): void {
  for (const file of readdirSync(folder).filter(f => f.endsWith(".sql"))) {
    const path = join(folder, file)
    const sql = readFileSync(path, "utf8")
    const done = sql.replace(/(CREATE TABLE `(?:run_events|run_counts)` \([^;]*\))(;)/g, "$1 WITHOUT ROWID$2")
    if (done !== sql) writeFileSync(path, done)
  }
}
