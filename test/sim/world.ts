import { Random } from "../engine/random.ts"
import { START } from "../runtime/host.ts"

interface Timer {
  readonly at: number
  readonly order: number
  readonly owner: string
  readonly fire: () => void
}

/** What all boots of one simulation share: the seed's choices, the time, the timers, and the first broken promise. */
export class World {
  readonly random: Random
  /** Everything that was chosen and everything that left a boot, in order. */
  readonly trace: string[] = []
  /** The first promise that did not hold. Kept, not thrown: the runtime may catch what is thrown inside it. */
  broken: string | null = null
  faults = true
  now = START
  /** The boot that the choice under way belongs to: it owns the timers that are set meanwhile. */
  current = ""
  timers: Timer[] = []
  #order = 0

  constructor(
    seed: number,
    /** Whether boots go on beside their successors here. */
    readonly zombies: boolean,
  ) {
    this.random = new Random(seed)
  }

  holds(condition: boolean, sentence: () => string): void {
    if (condition || this.broken !== null) return
    this.broken = sentence()
    this.say(`BROKEN: ${this.broken}`)
  }

  say(text: string): void {
    this.trace.push(`${this.now - START} ${text}`)
  }

  setTimer(fire: () => void, ms: number): void {
    this.timers.push({ at: this.now + ms, order: this.#order++, owner: this.current, fire })
    this.timers.sort((a, b) => a.at - b.at || a.order - b.order)
  }

  /** The clock goes on to the next timer, which fires. */
  fireNext(): void {
    const timer = this.timers.shift()
    if (!timer) return
    this.now = Math.max(this.now, timer.at)
    this.current = timer.owner
    this.say(`timer of ${timer.owner}`)
    timer.fire()
  }

  forgetTimers(owner: string): void {
    this.timers = this.timers.filter(t => t.owner !== owner)
  }

  /** Does `body` with the world's timers in place of the machine's. It must be synchronous. */
  within<T>(body: () => T): T {
    const kept = { setTimeout: globalThis.setTimeout, sleep: Bun.sleep }
    const set = (fire: () => void, ms = 0) => {
      this.setTimer(fire, ms)
      return { unref() {} }
    }
    globalThis.setTimeout = set as unknown as typeof setTimeout
    Bun.sleep = (ms => new Promise<void>(resolve => this.setTimer(resolve, Number(ms)))) as typeof Bun.sleep
    try {
      return body()
    } finally {
      globalThis.setTimeout = kept.setTimeout
      Bun.sleep = kept.sleep
    }
  }
}
