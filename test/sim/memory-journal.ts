import type { Plan } from "../../src/engine/graph.ts"
import {
  type Append,
  type FirstAppend,
  type Journal,
  type JournaledRun,
  JournalFull,
  type Leases,
  type NewRun,
  RunExists,
  RunLost,
} from "../../src/runtime/ports.ts"
import { StoredRun } from "./stored-run.ts"
import type { World } from "./world.ts"

/** Something a boot asked the disk for. It happens when the scheduler says so, and the boot hears of it later still. */
export interface Operation {
  readonly owner: string
  readonly text: string
  /** What may go wrong with it besides a crash. */
  readonly faults: readonly ("full" | "refused")[]
  /** Null until it has happened. */
  tell: (() => void) | null
  happen(fault: "full" | "refused" | null): void
}

/** What a boot's calls came to, as the boot heard it. */
export interface Heard {
  /** The journal refused for a reason that makes the boot forget the run. */
  lost(runId: string): void
}

/** The port's journal in memory: what has happened outlives every boot, what has not is gone with the boot that asked. */
export class MemoryJournal {
  readonly runs = new Map<string, StoredRun>()
  operations: Operation[] = []
  /** Leases, by boot. */
  readonly boots = new Map<string, number>()
  readonly #names = new Map<string, string>()

  constructor(
    readonly world: World,
    readonly planOf: (workflowId: string) => Plan,
  ) {}

  /** The journal as one boot sees it. */
  port(owner: string, heard: Heard): Journal {
    return {
      create: (run, append) =>
        this.#ask(owner, `create ${run.facts.runId}`, ["full", "refused"], () => this.#create(owner, run, append)),
      append: (run, append) => {
        const { runId } = run.facts
        const text = `append ${runId} ${append.events[0]?.seq}-${append.events.at(-1)?.seq}`
        const lost = (error: unknown) => {
          if (!(error instanceof JournalFull)) heard.lost(runId)
        }
        return this.#ask(owner, text, ["full", "full", "refused"], () => this.#append(owner, runId, append), lost)
      },
      load: (runId, format) => this.#ask(owner, `load ${runId}`, ["refused"], () => this.#load(runId, format)),
      keepSnapshot: (runId, snapshot) =>
        this.#ask(owner, `snapshot ${runId} ${snapshot.seq}`, ["full", "refused"], () => {
          this.runs.get(runId)!.snapshot = snapshot
        }),
      takeOver: bootId => this.#ask(owner, `takeOver ${bootId}`, [], () => this.#takeOver(bootId)),
      release: runId =>
        this.#ask(owner, `release ${runId}`, ["full", "refused"], () => {
          const stored = this.runs.get(runId)!
          stored.header = { ...stored.header, ownerBootId: null }
        }),
      owned: bootId =>
        this.#ask(owner, `owned ${bootId}`, ["refused"], () =>
          [...this.runs.values()].filter(r => r.header.ownerBootId === bootId).map(r => r.id),
        ),
      due: (now, limit) => this.#ask(owner, "due", ["refused"], () => this.#due(now, limit)),
    }
  }

  leases(owner: string): Leases {
    return {
      hold: (bootId, _now, until) =>
        this.#ask(owner, `hold ${bootId}`, ["refused"], () => {
          const held = this.boots.has(bootId)
          this.boots.set(bootId, until)
          return held
        }),
      end: until =>
        this.#ask(owner, "end leases", ["refused"], () => {
          for (const [bootId, leaseUntil] of this.boots) if (leaseUntil <= until) this.boots.delete(bootId)
        }),
      release: bootId => this.#ask(owner, `release ${bootId}`, [], () => void this.boots.delete(bootId)),
    }
  }

  /** The boot is gone: what it had asked for has happened or has not, and nobody hears of it. */
  crash(owner: string): void {
    for (const operation of this.operations) {
      if (operation.owner !== owner || operation.tell || !this.world.random.chance(0.5)) continue
      this.world.say(`happens unheard: ${operation.text}`)
      operation.happen(null)
    }
    this.operations = this.operations.filter(o => o.owner !== owner)
  }

  #ask<T>(
    owner: string,
    text: string,
    faults: Operation["faults"],
    happen: () => T,
    onError: (error: unknown) => void = () => {},
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const refuse = (error: unknown) => () => {
        onError(error)
        reject(error)
      }
      const operation: Operation = {
        ...{ owner, text: `${owner} ${text}`, faults, tell: null },
        happen(fault) {
          try {
            if (fault) throw fault === "full" ? new JournalFull("no room") : new Error("the journal refused")
            const result = happen()
            operation.tell = () => resolve(result)
          } catch (error) {
            operation.tell = refuse(error)
          }
        },
      }
      this.operations.push(operation)
    })
  }

  #create(owner: string, run: NewRun, append: FirstAppend): void {
    const { runId, workflowId } = run.facts
    const name = run.idempotency && `${workflowId} ${run.idempotency.key}`
    if (this.runs.has(runId) || (name !== null && this.#names.has(name))) throw new RunExists(`run ${runId} exists`)
    const stored = new StoredRun(this.world, copy(run), this.planOf(workflowId), append.header, id => this.runs.get(id))
    this.runs.set(runId, stored)
    if (name !== null) this.#names.set(name, runId)
    this.#write(owner, stored, append)
  }

  #append(owner: string, runId: string, append: Append): void {
    const stored = this.runs.get(runId)
    if (!stored) {
      this.world.holds(false, () => `${runId}: an append before its start`)
      throw new RunLost("no such run")
    }
    const first = append.events[0]?.seq ?? 0
    if (first <= stored.events.length) {
      this.world.holds(this.world.zombies, () => `${runId}: seq ${first} twice, with one boot`)
      throw new RunLost(`run ${runId} went on elsewhere`)
    }
    this.#write(owner, stored, append)
  }

  #write(owner: string, stored: StoredRun, { events, header, tasks }: FirstAppend | Append): void {
    for (const event of events) stored.add({ ...event, event: copy(event.event) })
    if (header) stored.header = header
    stored.changeTasks(tasks)
    stored.checkRow(owner, events[0]?.seq === 1 ? "first" : "later")
  }

  #load(runId: string, format: number | null): JournaledRun | null {
    const stored = this.runs.get(runId)
    if (!stored) return null
    const snapshot = stored.snapshot?.format === format ? stored.snapshot : null
    const { run, header } = stored
    return { run, ownerBootId: header.ownerBootId, snapshot, events: stored.events.slice(snapshot?.seq ?? 0) }
  }

  #takeOver(bootId: string): readonly string[] {
    const left = [...this.runs.values()].filter(
      ({ header: { ownerBootId } }) => ownerBootId !== null && ownerBootId !== bootId && !this.boots.has(ownerBootId),
    )
    for (const run of left) run.header = { ...run.header, ownerBootId: bootId }
    return left.map(r => r.id)
  }

  #due(now: number, limit: number): readonly string[] {
    const due = [...this.runs.values()].filter(r => r.header.wakeAt !== null && r.header.wakeAt <= now)
    return due
      .sort((a, b) => a.header.wakeAt! - b.header.wakeAt!)
      .slice(0, limit)
      .map(r => r.id)
  }
}

/** As it comes back from a disk. */
function copy<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T
}
