import type { Asker } from "../../kernel/asker.ts"
import type { EgressAttempt } from "../../kernel/egress-attempt.ts"
import { EgressRefused } from "./errors.ts"
import { bareHost, portOf } from "./policy.ts"

/** No name of DNS is longer. */
const HOST_MAX_CHARS = 255

/** Told of each attempt once, as soon as it is known whether it goes out. It must not throw, and not take long. */
export type OnAttempt = (attempt: EgressAttempt) => void

/** One attempt under way; what is said after the first word does not count. */
export interface Attempt {
  passed(): void
  /** What it ended with: only a refusal means that it did not go out. */
  failed(error: unknown): void
}

export function startAttempt(tell: OnAttempt, asker: Asker, url: URL, raw?: "tcp"): Attempt {
  const at = Date.now()
  let told = false
  const once = (refusal: string | null) => {
    if (told) return
    told = true
    const protocol = raw ?? protocolOf(url)
    const port = protocol === "other" ? Number(url.port) : portOf(url)
    tell({ asker, at, protocol, host: bareHost(url).slice(0, HOST_MAX_CHARS), port, refusal })
  }
  return {
    passed: () => once(null),
    failed: error => once(error instanceof EgressRefused ? error.message : null),
  }
}

function protocolOf({ protocol }: URL): EgressAttempt["protocol"] {
  if (protocol === "https:") return "https"
  return protocol === "http:" ? "http" : "other"
}
