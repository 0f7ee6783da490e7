import { rfc3339 } from "../../kernel/clock.ts"
import { FIRE_IN_TIME_MS } from "../../kernel/limits.ts"
import type { CronConfig } from "./config.ts"
import type { Due } from "./timetable.ts"

export type CatchUp = Pick<CronConfig, "catchup_policy" | "grace_minutes" | "catchup_window_minutes" | "catchup_max">

/** What is known of all moments that are overdue, before each of them is judged. */
export interface Overdue {
  readonly now: number
  /** The last of them. */
  readonly latest: number
  /** The first of the newest `catchup_max`; only asked for by `all`. */
  readonly newestFrom: number
}

/** What becomes of one moment. `run`: unless an earlier run is in its way. */
export type Planned =
  | { readonly type: "run"; readonly outcome: "fired" | "caught_up"; readonly reason: string | null }
  | { readonly type: "coalesced"; readonly into: number; readonly reason: string }
  | { readonly type: "missed"; readonly reason: string }

/** The catch-up policies. Pure; `now` is when all of the overdue moments were looked at together. */
export function planOf(due: Due, { now, latest, newestFrom }: Overdue, config: CatchUp): Planned {
  const lateMs = now - due.dueAt
  const late = `${durationText(lateMs)} late`
  const inTime = lateMs <= FIRE_IN_TIME_MS
  switch (config.catchup_policy) {
    case "skip":
      return inTime ? FIRED : missed(`${late}, and catchup_policy is skip`)
    case "all": {
      if (inTime && due.moment >= newestFrom) return FIRED
      if (lateMs > config.catchup_window_minutes * 60_000) {
        return missed(`${late}; catchup_window_minutes is ${config.catchup_window_minutes}`)
      }
      if (due.moment < newestFrom) return missed(`${late}; only the newest ${config.catchup_max} are caught up (catchup_max)`)
      return { type: "run", outcome: "caught_up", reason: late }
    }
    case "fire_once_within_grace": {
      const withinGrace = lateMs <= config.grace_minutes * 60_000
      if (due.moment < latest) {
        if (!inTime && !withinGrace) return missed(`${late}; grace_minutes is ${config.grace_minutes}`)
        return { type: "coalesced", into: latest, reason: `the run of ${rfc3339(latest)} stands for it` }
      }
      if (inTime) return FIRED
      return withinGrace
        ? { type: "run", outcome: "caught_up", reason: late }
        : missed(`${late}; grace_minutes is ${config.grace_minutes}`)
    }
  }
}

const FIRED: Planned = { type: "run", outcome: "fired", reason: null }

function missed(reason: string): Planned {
  return { type: "missed", reason }
}

/** `45 s`, `3 min`, `2 h 5 min`, `3 d 4 h`. */
export function durationText(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000))
  if (s < 60) return `${s} s`
  const [min, h, d] = [Math.floor(s / 60), Math.floor(s / 3600), Math.floor(s / 86_400)]
  if (h === 0) return `${min} min`
  if (d === 0) return min % 60 === 0 ? `${h} h` : `${h} h ${min % 60} min`
  return h % 24 === 0 ? `${d} d` : `${d} d ${h % 24} h`
}
