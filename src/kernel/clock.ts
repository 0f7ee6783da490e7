/** Where time comes from. Milliseconds since the epoch, UTC. */
export interface Clock {
  now(): number
}

/** RFC 3339 in UTC with `Z`, the form of every timestamp of the API. */
export function rfc3339(ms: number): string {
  return new Date(ms).toISOString()
}

export function rfc3339OrNull(ms: number | null): string | null {
  return ms === null ? null : rfc3339(ms)
}
