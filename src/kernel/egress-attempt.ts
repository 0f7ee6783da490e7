import type { Asker } from "./asker.ts"

/** One try to reach something outside, as far as it may be remembered: paths, queries and headers may hold secrets. */
export interface EgressAttempt {
  readonly asker: Asker
  /** When it began, ms. */
  readonly at: number
  /** `other`: none that is spoken here, and refused for it. */
  readonly protocol: "https" | "http" | "tcp" | "other"
  readonly host: string
  readonly port: number
  /** Why it was refused; null: it was let out, whatever came of it. */
  readonly refusal: string | null
}
