/**
 * The id of the run that stands for a moment: a UUID (RFC 9562, version 8) of the moment and the trigger alone, the moment in
 * front. So a moment cannot start two runs, and of a moment that is coalesced into a later one the row says which, even when the
 * process ends before the later one had its turn.
 */
export function fireRunId(triggerId: string, moment: number): string {
  const hash = new Bun.CryptoHasher("sha256").update(`${triggerId}:${moment}`).digest("hex")
  const time = moment.toString(16).padStart(12, "0")
  return `${time.slice(0, 8)}-${time.slice(8)}-8${hash.slice(0, 3)}-8${hash.slice(3, 6)}-${hash.slice(6, 18)}`
}

/** Null for any other id. */
export function momentOf(triggerId: string, runId: string): number | null {
  const moment = Number.parseInt(runId.slice(0, 8) + runId.slice(9, 13), 16)
  return fireRunId(triggerId, moment) === runId ? moment : null
}
