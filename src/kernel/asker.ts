/** On whose behalf something leaves this machine. Kept with each attempt while the instance is sealed. */
export interface Asker {
  /** Which part of the runtime asks, e.g. `connector github`, `callback`, `sign-in with google`. */
  readonly what: string
  /** Null for what the instance does by itself. */
  readonly tenantId: string | null
  readonly projectId: string | null
  readonly userId: string | null
  readonly runId: string | null
  readonly stepId: string | null
}

/** The instance itself, or somebody of whom only a part is known. */
export function asker(what: string, whom: Partial<Omit<Asker, "what">> = {}): Asker {
  return {
    what,
    tenantId: whom.tenantId ?? null,
    projectId: whom.projectId ?? null,
    userId: whom.userId ?? null,
    runId: whom.runId ?? null,
    stepId: whom.stepId ?? null,
  }
}
