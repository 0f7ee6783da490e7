import { join } from "node:path"

/** Every moment of a schedule over some years, as `cron-table.py` worked them out. */
export interface TableSchedule {
  readonly cron: string
  readonly zone: string
  /** All of them, ms, ascending. */
  readonly moments: readonly number[]
  /** The span they were looked for in, ms. */
  readonly from: number
  readonly to: number
  /** When the clocks of the zone were changed, ms. */
  readonly changes: readonly number[]
}

interface PackedSchedule {
  readonly cron: string
  readonly count: number
  readonly first: number | null
  /** Distances in seconds, each followed by how many times. */
  readonly then: readonly number[]
}

interface PackedZone {
  readonly zone: string
  readonly from: number
  readonly to: number
  readonly changes: readonly number[]
  readonly schedules: readonly PackedSchedule[]
}

export async function cronTable(): Promise<readonly TableSchedule[]> {
  const zones: readonly PackedZone[] = await Bun.file(join(import.meta.dir, "cron-table.json")).json()
  return zones.flatMap(({ zone, from, to, changes, schedules }) =>
    schedules.map(packed => {
      const moments = unpacked(packed)
      if (moments.length !== packed.count) throw new Error(`the table of ${packed.cron} in ${zone} is not whole`)
      return { cron: packed.cron, zone, moments, from: from * 1000, to: to * 1000, changes: changes.map(at => at * 1000) }
    }),
  )
}

function unpacked({ first, then }: PackedSchedule): readonly number[] {
  if (first === null) return []
  const moments = [first * 1000]
  let at = first
  for (let i = 0; i < then.length; i += 2) {
    for (let n = 0; n < then[i + 1]!; n++) {
      at += then[i]!
      moments.push(at * 1000)
    }
  }
  return moments
}
