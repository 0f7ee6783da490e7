/** The `SQLITE_*` code of an error of the driver, also where drizzle wrapped it. */
export function sqliteCode(thrown: unknown): string | undefined {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    const code = (error as { code?: unknown }).code
    if (typeof code === "string" && code.startsWith("SQLITE_")) return code
  }
  return undefined
}

/** The file can no longer be trusted: the disk failed, or what it holds is damaged. */
export function isFatal(code: string): boolean {
  return code.startsWith("SQLITE_IOERR") || code.startsWith("SQLITE_CORRUPT") || code === "SQLITE_NOTADB"
}
