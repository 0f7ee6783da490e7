/** A mistake that somebody could make in src/, as a change of its text. */
export interface Fault {
  readonly name: string
  readonly file: string
  /** Occurs once in the file. */
  readonly from: string
  readonly to: string
  /** Seeds within which it must be found, if it takes longer than the others. */
  readonly seeds?: number
}

const RUNS = "src/runtime/runs.ts"
const INTERRUPTED = "src/runtime/interrupted.ts"
const WORKER = "src/runtime/worker.ts"
const CHANGES = "src/runtime/changes.ts"
const COMMIT = "      const failure = await this.#append("

export const FAULTS: readonly Fault[] = [
  {
    name: "effects before the commit",
    file: RUNS,
    from: COMMIT,
    to: `      run.state = after\n      this.#obey(run, before, after)\n${COMMIT}`,
  },
  { name: "frames before the commit", file: RUNS, from: COMMIT, to: `      this.#tell(run.run, events)\n${COMMIT}` },
  {
    name: "answers before the commit",
    file: RUNS,
    from: COMMIT,
    to: `      for (const [i, l] of letters.entries()) l.resolve(outcomes[i]!)\n${COMMIT}`,
  },
  {
    name: "a start answered before its commit",
    file: RUNS,
    from: "await this.deps.journal.create(",
    to: "void this.deps.journal.create(",
  },
  { name: "a run not taken over", file: RUNS, from: "for (const id of ids) await", to: "for (const id of ids.slice(1)) await" },
  {
    name: "no fencing",
    file: RUNS,
    from: "      return error ?? ",
    to: "      if (error instanceof RunLost) return null\n      return error ?? ",
  },
  { name: "steps ordered twice", file: RUNS, from: " || run.ordered.get(key) === name) return", to: ") return" },
  { name: "a run not woken", file: "src/runtime/loops/wake.ts", from: "ids.map(id =>", to: "ids.slice(1).map(id =>" },
  {
    name: "a child's end not told",
    file: RUNS,
    from: "if (isFinal(after.status) && after.facts.parent)",
    to: "if (after.seq < 0 && after.facts.parent)",
  },
  {
    name: "a child's end not looked for",
    file: RUNS,
    from: "void this.#tellParent(run.run.facts.runId, command.childRunId)",
    to: "",
  },
  {
    name: "a child's end told once only",
    file: RUNS,
    from: "setTimeout(() => void this.#tellParent(parentRunId, childRunId), TRY_AGAIN_MS).unref()",
    to: "",
  },
  { name: "answers dropped on a full disk", file: RUNS, from: "run.mailbox.unshift(...kept)", to: "" },
  { name: "a started child dropped on a full disk", file: RUNS, from: '  "ChildStarted",\n', to: "" },
  { name: "a question dropped on a full disk", file: RUNS, from: '  "StepAsked",\n', to: "" },
  { name: "a note dropped on a full disk", file: RUNS, from: '  "StepNoted",\n', to: "" },
  {
    name: "whoever is tried again is refused as well",
    file: RUNS,
    from: "if (!kept.includes(letter)) letter.reject(error)",
    to: "letter.reject(error)",
  },
  {
    name: "a note answered before its commit",
    file: WORKER,
    from: "(await host.record(input).catch(() => false))",
    to: "(await Promise.race([host.record(input).catch(() => false), true]))",
  },
  { name: "who was stopped may go on", file: WORKER, from: "if (!accepted || !isWanted()) throw", to: "if (!accepted) throw" },
  { name: "notes not handed over", file: WORKER, from: "      notes,\n", to: "      notes: [],\n" },
  {
    name: "a crash that nobody looks at",
    file: WORKER,
    from: "executor.resumes ? null : stopInterrupted",
    to: "executor ? null : stopInterrupted",
  },
  { name: "a no is run again", file: INTERRUPTED, from: "INTERRUPTED_TASK && !last.approved", to: "INTERRUPTED_TASK && false" },
  {
    name: "a yes counts for every crash behind it",
    file: INTERRUPTED,
    from: "if (!job.resumed || onCrash",
    to: "if (!job.resumed || last?.approved || onCrash",
  },
  {
    name: "an executor hears what it did not ask",
    file: INTERRUPTED,
    from: "told.filter(({ taskType }) => taskType !== INTERRUPTED_TASK)",
    to: "told",
  },
  { name: "who was answered does not go on", file: RUNS, from: "order.answers}`", to: "order.answers * 0}`" },
  { name: "answers not handed over", file: WORKER, from: "answers: ownAnswers(answers)", to: "answers: []" },
  {
    name: "a task that expired is said to be cancelled",
    file: CHANGES,
    from: "event.data.index === index,",
    to: "index === -1,",
  },
  { name: "a run rests with letters held", file: RUNS, from: " || run.held > 0", to: "" },
  { name: "a run rests with steps under way", file: RUNS, from: " || run.executing.size > 0", to: "" },
  { name: "letters to a run that rests", file: RUNS, from: "      if (run.rested) continue\n", to: "" },
  {
    name: "a run never rests",
    file: RUNS,
    from: "    run.rested = true\n",
    to: "    if (run.held >= 0) return\n    run.rested = true\n",
  },
  {
    name: "no second try after a refusal",
    file: RUNS,
    from: "    setTimeout(() => void this.#resume(run.run.facts.runId), TRY_AGAIN_MS).unref()\n",
    to: "",
  },
  {
    name: "double seq in a batch",
    file: RUNS,
    from: "stamp(decision.events, after.seq, now)",
    to: "stamp(decision.events, before.seq, now)",
  },
  {
    name: "an event behind a snapshot left out",
    file: "src/runtime/load-run.ts",
    from: "of events) state = evolve",
    to: "of snapshot ? events.slice(1) : events) state = evolve",
  },
  {
    name: "a run of another boot only half taken",
    file: RUNS,
    from: "if (run.foreign && !run.rested) this.#obey(run, null, after)",
    to: "",
  },
  {
    name: "leases that never end",
    file: "src/runtime/loops/lease.ts",
    from: "await leases.end(now)",
    to: "",
  },
  { name: "seq off by one", file: CHANGES, from: "seq + 1 + i", to: "seq + 2 + i" },
  { name: "a late alarm", file: CHANGES, from: "    a.wakeAt === b.wakeAt &&\n", to: "" },
  {
    name: "a pause above a child belongs to nobody",
    file: CHANGES,
    from: " || state.moving > 0 || state.children > 0\n",
    to: " || state.moving > 0\n",
  },
  { name: "a child that ended is nobody's", file: CHANGES, from: "? state.facts.parent !== null", to: "? false" },
  {
    name: "a task's end not written",
    file: CHANGES,
    from: "if (!left.has(taskId)) changes.push",
    to: "if (!left.has(taskId) && left.size > 0) changes.push",
  },
  {
    name: "a run opened while it starts",
    file: RUNS,
    from: "    // What is committed may be read before its start has heard of it: there would be two of the run.\n    while (this.#starting.has(runId)) await this.#starting.get(runId)\n",
    to: "",
  },
  { name: "a shutdown refuses a child", file: RUNS, from: "if (this.#quiet && !parent) throw", to: "if (this.#quiet) throw" },
  {
    name: "a run taken over in the middle of a commit",
    file: RUNS,
    from: "      run.takenOver = true\n",
    to: "      this.#obey(run, null, run.state)\n",
  },
  {
    name: "a new key for every attempt",
    file: WORKER,
    from: "item ?? 0",
    to: "stateAt(state, place)?.attempt",
  },
  { name: "one key for all items", file: WORKER, from: "item ?? 0", to: "0 * (item ?? 0)" },
  {
    name: "progress of what was given up",
    file: WORKER,
    from: "if (run.executing.get(key) === abort) host.progress(",
    to: "host.progress(",
  },
  {
    name: "an old attempt's end forgets the new one",
    file: WORKER,
    from: "if (run.executing.get(key) === abort) run.executing.delete(key)",
    to: "run.executing.delete(key)",
    seeds: 20_000,
  },
]
