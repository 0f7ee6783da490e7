const DAY_MS = 86_400_000

export const DEPARTMENTS = ["general practice", "cardiology", "dermatology", "neurology"] as const
export type Department = (typeof DEPARTMENTS)[number]
const HOURS = [9, 10, 11, 14, 15] as const
export const SLOT_MINUTES = 30

export interface Slot {
  readonly slot_id: string
  readonly department: Department
  /** RFC 3339, UTC. */
  readonly starts_at: string
  readonly minutes: number
  readonly room: string
}

/** Whether a slot is free is a property of its day and hour alone, so that every call says the same. */
export function freeSlots(department: Department, from: number, days: number): readonly Slot[] {
  const first = Math.floor(from / DAY_MS)
  return Array.from({ length: days }, (_, i) => first + i).flatMap(day =>
    HOURS.flatMap(hour => {
      const slot = slotAt(department, day, hour)
      return slot && Date.parse(slot.starts_at) >= from ? [slot] : []
    }),
  )
}

/** The free slot that has this id; null when there is none such. */
export function slotOf(id: string): Slot | null {
  const [, index, date = "", hour] = /^S-(\d)-(\d{4}-\d{2}-\d{2})-(\d{2})$/.exec(id) ?? []
  const department = DEPARTMENTS[Number(index)]
  const ms = Date.parse(`${date}T00:00:00Z`)
  const known = HOURS.find(h => h === Number(hour))
  if (department === undefined || known === undefined || Number.isNaN(ms)) return null
  const slot = slotAt(department, ms / DAY_MS, known)
  return slot?.slot_id === id ? slot : null
}

function slotAt(department: Department, day: number, hour: (typeof HOURS)[number]): Slot | null {
  const at = new Date(day * DAY_MS + hour * 3_600_000)
  if (Number.isNaN(at.getTime())) return null
  const weekend = at.getUTCDay() === 0 || at.getUTCDay() === 6
  const index = DEPARTMENTS.indexOf(department)
  if (weekend || (day * 7 + hour * 3 + index) % 4 === 0) return null
  const starts_at = at.toISOString()
  return {
    slot_id: `S-${index}-${starts_at.slice(0, 10)}-${String(hour).padStart(2, "0")}`,
    department,
    starts_at,
    minutes: SLOT_MINUTES,
    room: `Room ${101 + ((day + hour + index) % 8)}`,
  }
}
