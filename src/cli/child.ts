/**
 * The hidden verb `__child <kind>`: this program as a child of itself, for work that must not run in the server's process.
 * One line per kind; each loads only its own modules, because a child must start fast and hold little.
 */
const KINDS: { readonly [kind: string]: () => Promise<void> } = {
  lua: async () => (await import("../adapters/sandbox/lua-child.ts")).serveLua(),
  feeds: async () => (await import("../connectors/rss/child.ts")).serveFeeds(),
  sqlite: async () =>
    (await import("../connectors/sqlite/child.ts")).serveSqlite((await import("../storage/sqlite/driver.ts")).connect),
}

/** Runs until stdin ends; resolves with the exit code. */
export async function runChild(kind: string | undefined): Promise<number> {
  const serve = KINDS[kind ?? ""]
  if (serve === undefined) {
    console.error(`unknown child "${kind ?? ""}"; this verb is for the program itself`)
    return 2
  }
  await serve()
  return 0
}
