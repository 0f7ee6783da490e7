import type { Clock } from "../../kernel/clock.ts"
import type { ArtifactStore, Place } from "./store.ts"

/** Adding up a hundred thousand rows takes too long to do it for each. */
const TRUSTED_MS = 60_000
const PROJECTS_MAX = 1_000

interface Known {
  count: number
  sizeBytes: number
  readonly at: number
}

/** What each project has, from the database once a minute; what this process keeps in between is added. */
export class ArtifactUsage {
  readonly #known = new Map<string, Known>()

  constructor(
    private readonly store: Pick<ArtifactStore, "usage">,
    private readonly clock: Clock,
  ) {}

  async of(place: Place): Promise<{ readonly count: number; readonly sizeBytes: number }> {
    const now = this.clock.now()
    const known = this.#known.get(place.projectId)
    if (known && now - known.at < TRUSTED_MS) return known
    const found = { ...(await this.store.usage(place)), at: now }
    if (this.#known.size >= PROJECTS_MAX) this.#known.clear()
    this.#known.set(place.projectId, found)
    return found
  }

  add({ projectId }: Place, sizeBytes: number): void {
    const known = this.#known.get(projectId)
    if (!known) return
    known.count++
    known.sizeBytes += sizeBytes
  }

  /** Something of it went. */
  forget({ projectId }: Place): void {
    this.#known.delete(projectId)
  }
}
