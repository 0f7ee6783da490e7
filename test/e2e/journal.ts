import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { basename, join } from "node:path"
import { connect, type SqliteConnection } from "../../src/storage/sqlite/driver.ts"

export interface JournalEvent {
  readonly run: string
  readonly seq: number
  readonly type: string
  readonly step: string | null
  readonly data: string
}

const TERMINAL: ReadonlySet<string> = new Set(["step_completed", "step_failed", "step_cancelled"])

/**
 * Looks at a database as its dead owner left it: at a copy of the file with its log or journal, because a reader of the
 * file itself would do the recovery that is the next start's to do.
 */
export function lookAt<T>(path: string, look: (connection: SqliteConnection) => T): T {
  const folder = mkdtempSync(join(path, "../../look-"))
  try {
    mkdirSync(folder, { recursive: true })
    for (const suffix of ["", "-wal", "-journal"]) {
      if (existsSync(path + suffix)) copyFileSync(path + suffix, join(folder, basename(path) + suffix))
    }
    const connection = connect(join(folder, basename(path)))
    try {
      return look(connection)
    } finally {
      connection.close()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export function rowsOf<T>(connection: SqliteConnection, sql: string): readonly T[] {
  return connection.prepare(sql).all() as T[]
}

export function journalOf(connection: SqliteConnection): readonly JournalEvent[] {
  return rowsOf(connection, "SELECT run_id AS run, seq, type, step_id AS step, data FROM run_events ORDER BY run_id, seq")
}

export function byRun(events: readonly JournalEvent[]): ReadonlyMap<string, readonly JournalEvent[]> {
  return Map.groupBy(events, event => event.run)
}

/** Steps of one run that ended, and those that were started and did not. */
export function stepsOf(events: readonly JournalEvent[]): { ended: ReadonlySet<string>; underWay: ReadonlySet<string> } {
  const ended = new Set<string>()
  const underWay = new Set<string>()
  for (const { type, step } of events) {
    if (step === null) continue
    if (type === "step_started") underWay.add(step)
    if (!TERMINAL.has(type)) continue
    ended.add(step)
    underWay.delete(step)
  }
  return { ended, underWay }
}

/** What is wrong with the journal of a run that reached its end; nothing when all is well. */
export function journalProblems(events: readonly JournalEvent[], steps: readonly string[]): readonly string[] {
  const problems: string[] = []
  events.forEach((event, i) => {
    if (event.seq !== i + 1) problems.push(`event ${i + 1} has seq ${event.seq}`)
    if ((event.type === "run_started") !== (i === 0)) problems.push(`event ${i + 1} is ${event.type}`)
    if ((finalStatus(event) !== null) !== (i === events.length - 1))
      problems.push(`event ${i + 1} of ${events.length} is ${event.type}`)
  })
  for (const step of steps) {
    const ends = events.filter(e => e.step === step && TERMINAL.has(e.type)).length
    if (ends !== 1) problems.push(`step ${step} has ${ends} ends`)
  }
  return problems
}

export function finalStatus(event: JournalEvent): string | null {
  if (event.type !== "state_changed") return null
  const { to } = JSON.parse(event.data) as { to: string }
  return ["completed", "failed", "stopped"].includes(to) ? to : null
}
