import { PARCEL_MAX_CHARS, PARCEL_MAX_JOBS, PARCEL_MAX_US } from "../../kernel/limits.ts"
import type { Job } from "./child-job.ts"
import type { FairQueue } from "./fair-queue.ts"

/** Takes the first job, and from the queue as many more of its owner's as are expected to be quick; `most` at the most. */
export function pack(first: Job, waiting: FairQueue<Job>, paces: Paces, most: number): readonly Job[] {
  const { owner } = first
  const jobs = [first]
  const count = Math.min(most, PARCEL_MAX_JOBS, paces.parcelOf(owner))
  let chars = first.line.length
  while (jobs.length < count) {
    const job = waiting.next(owner)
    if (job === undefined || chars + job.line.length > PARCEL_MAX_CHARS) break
    waiting.delete(job)
    chars += job.line.length
    jobs.push(job)
  }
  return jobs
}

/** Owners whose pace is remembered; the one not seen for longest is forgotten. */
const OWNERS_MAX = 1_000
const WEIGHT = 1 / 8

/** How long jobs took of late, by owner, as the children measured it. */
export class Paces {
  readonly #averageUs = new Map<string, number>()

  saw(owner: string, tookUs: number): void {
    const before = this.#averageUs.get(owner) ?? tookUs
    this.#averageUs.delete(owner)
    this.#averageUs.set(owner, before + (tookUs - before) * WEIGHT)
    if (this.#averageUs.size > OWNERS_MAX) for (const oldest of this.#averageUs.keys()) return void this.#averageUs.delete(oldest)
  }

  /** How many of this owner's jobs make a parcel; one where nothing is known. */
  parcelOf(owner: string): number {
    const averageUs = this.#averageUs.get(owner)
    return averageUs === undefined ? 1 : Math.max(1, Math.floor(PARCEL_MAX_US / Math.max(1, averageUs)))
  }
}
