import { evolve } from "../engine/evolve.ts"
import { readSnapshot, SNAPSHOT_FORMAT, writeSnapshot } from "../engine/snapshot.ts"
import { initialState, type RunState } from "../engine/state.ts"
import { SNAPSHOT_MAX_CHARS } from "../kernel/limits.ts"
import type { Journal, JournaledRun, PlanSource } from "./ports.ts"

/** A run as the journal has it. */
export interface LoadedRun extends Pick<JournaledRun, "run" | "ownerBootId"> {
  readonly state: RunState
  /** How many events its snapshot holds; 0: there is none. */
  readonly snapshotSeq: number
}

/** Folds the events behind the run's snapshot; all of them when there is none, or none that can be read. */
export async function loadRun(journal: Journal, plans: PlanSource, runId: string): Promise<LoadedRun | null> {
  const loaded = await fold(journal, plans, runId, SNAPSHOT_FORMAT)
  return loaded === "unreadable" ? ((await fold(journal, plans, runId, null)) as LoadedRun | null) : loaded
}

async function fold(
  journal: Journal,
  plans: PlanSource,
  runId: string,
  format: number | null,
): Promise<LoadedRun | "unreadable" | null> {
  const journaled = await journal.load(runId, format)
  if (!journaled) return null
  const { run, ownerBootId, snapshot, events } = journaled
  const plan = await plans.planOf(run.facts.workflowId, run.facts.version)
  let state = snapshot ? readSnapshot(snapshot.state, run.facts, plan) : initialState(run.facts, plan)
  if (!state || state.seq !== (snapshot?.seq ?? 0)) return "unreadable"
  for (const { event, at } of events) state = evolve(state, event, at)
  return { run, ownerBootId, state, snapshotSeq: snapshot?.seq ?? 0 }
}

/** Keeps the state, so that the next loading has less to fold. Nothing depends on it: it may fail. */
export async function keepSnapshot(journal: Journal, state: RunState): Promise<void> {
  const text = writeSnapshot(state)
  if (text.length > SNAPSHOT_MAX_CHARS) return
  await journal.keepSnapshot(state.facts.runId, { seq: state.seq, format: SNAPSHOT_FORMAT, state: text })
}
