import { connect } from "../storage/sqlite/driver.ts"

declare const BUILD_VERSION: string | undefined
declare const BUILD_COMMIT: string | undefined

export const VERSION = typeof BUILD_VERSION === "string" ? BUILD_VERSION : "0.0.0-source"

export function sqliteVersion(): string {
  const memory = connect(":memory:")
  try {
    const row = memory.prepare("SELECT sqlite_version() AS version").get() as { version: string }
    return row.version
  } finally {
    memory.close()
  }
}

export function version(options: { json?: boolean }): number {
  const facts = {
    version: VERSION,
    commit: typeof BUILD_COMMIT === "string" ? BUILD_COMMIT : null,
    bun: Bun.version,
    sqlite: sqliteVersion(),
    platform: `${process.platform}-${process.arch}`,
  }
  if (options.json) console.log(JSON.stringify(facts))
  else console.log(`agentruntime ${facts.version} (Bun ${facts.bun}, SQLite ${facts.sqlite}, ${facts.platform})`)
  return 0
}
