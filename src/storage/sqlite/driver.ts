import BetterSqlite3 from "better-sqlite3"

/**
 * The only place that names the SQLite driver. The build replaces the plain entry, which looks for its addon on disk, by
 * the entry of the target, which is embedded.
 */
export type SqliteConnection = BetterSqlite3.Database
export type SqliteStatement = BetterSqlite3.Statement

/** Opens a connection. `timeout` is how long it waits for another process that holds the file, in ms. */
export function connect(path: string, options: { readonly?: boolean; timeoutMs?: number } = {}): SqliteConnection {
  return new BetterSqlite3(path, { readonly: options.readonly ?? false, timeout: options.timeoutMs ?? 5_000 })
}
