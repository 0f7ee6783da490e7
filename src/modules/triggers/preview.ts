import { rfc3339 } from "../../kernel/clock.ts"
import type { PreviewBody } from "./contract.ts"
import type { Timetable } from "./timetable.ts"

/** The next moments, as people in the zone read them, with a mark where the clocks are changed. */
export function previewOf(timetable: Timetable, now: number, count: number): PreviewBody {
  const preview: PreviewBody["preview"] = []
  let offsetBefore = timetable.localOf(now).offset
  for (let due = timetable.after(now); due && preview.length < count; due = timetable.after(due.moment)) {
    const { local, offset, dst } = timetable.localOf(due.moment)
    preview.push({ at: rfc3339(due.moment), local, offset, dst: dst ?? (offset === offsetBefore ? null : "offset_changed") })
    offsetBefore = offset
  }
  return { preview }
}
