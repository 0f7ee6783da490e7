import { RUN_WAIT_MAX_MS } from "../kernel/limits.ts"

/** How long a caller would like to wait for the result: `Prefer: wait=30` (RFC 7240), in seconds; 0 without it. */
export function waitMsOf(prefer: string | null): number {
  if (prefer === null) return 0
  const seconds = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,6})/i.exec(prefer)?.[1]
  return seconds === undefined ? 0 : Math.min(Number(seconds) * 1000, RUN_WAIT_MAX_MS)
}
