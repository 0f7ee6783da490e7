import type { Job } from "./child-job.ts"

/** Jobs behind one that takes longer than this, and at most twice as long, go to another child. */
const TAKE_BACK_MS = 25
/** A child may spend so long on a job that nobody waits for any more. */
export const FORGOTTEN_MAX_MS = 500

/** Jobs of one owner that a child was given together. It does them one after another; the first of them is the one in hand. */
export class Parcel {
  /** Null: nobody waits for it any more, but the child may still do it. */
  readonly #jobs: (Job | null)[]
  #done = 0
  /** From here on they wait for a child again; this one hands them back, or is quicker than the next. */
  #takenFrom: number

  constructor(
    readonly owner: string,
    jobs: readonly Job[],
  ) {
    this.#jobs = [...jobs]
    this.#takenFrom = jobs.length
  }

  get left(): number {
    return this.#jobs.length - this.#done
  }

  /** The one that the child works on, if somebody waits for just this child to do it. */
  get inHand(): Job | null {
    return this.#done < this.#takenFrom ? (this.#jobs[this.#done] ?? null) : null
  }

  /** Whether jobs depend on the one in hand to end. */
  get holdsUp(): boolean {
    return this.#done + 1 < this.#takenFrom
  }

  /** The child is through with the one in hand. */
  next(): { readonly job: Job | null; readonly takenBack: boolean } {
    const at = this.#done++
    return { job: this.#jobs[at] ?? null, takenBack: at >= this.#takenFrom }
  }

  forget(job: Job): void {
    const at = this.#jobs.indexOf(job, this.#done)
    if (at !== -1) this.#jobs[at] = null
  }

  /** What is to be given to another child, in its order: 0 means all that is left, 1 all behind the one in hand. */
  takeBack(behind: 0 | 1): Job[] {
    const from = this.#done + behind
    const taken = this.#jobs.slice(from, this.#takenFrom).filter(job => job !== null)
    this.#takenFrom = Math.min(this.#takenFrom, from)
    return taken
  }
}

/** Looks now and then whether a job has been in hand for so long that those behind it should not wait for it. */
export class HoldUpWatch {
  readonly #seen = new WeakMap<Parcel, Job | null>()
  #timer: ReturnType<typeof setInterval> | undefined

  constructor(
    readonly parcels: () => Iterable<Parcel>,
    readonly heldUp: (parcel: Parcel) => void,
  ) {}

  /** When a child was given more than one job. */
  start(): void {
    if (this.#timer !== undefined) return
    this.#timer = setInterval(() => this.#look(), TAKE_BACK_MS)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #look(): void {
    let any = false
    for (const parcel of [...this.parcels()]) {
      if (!parcel.holdsUp) continue
      any = true
      if (this.#seen.get(parcel) === parcel.inHand) this.heldUp(parcel)
      else this.#seen.set(parcel, parcel.inHand)
    }
    if (!any) this.stop()
  }
}
