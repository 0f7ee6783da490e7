import type { Page } from "../../http/paging.ts"
import type { ArtifactOrigin, KeepArtifact, KeptArtifact } from "../../kernel/artifact.ts"
import { type Clock, rfc3339 } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import type { Ids } from "../../kernel/ids.ts"
import { ARTIFACT_MAX_BYTES, ARTIFACT_NAME_MAX_CHARS, ARTIFACTS_MAX, ARTIFACTS_MAX_BYTES } from "../../kernel/limits.ts"
import type { Blobs } from "../../storage/blobs.ts"
import type { ArtifactBody } from "./contract.ts"
import { ANY_BYTES, essenceOf } from "./media-type.ts"
import type { ArtifactRow, ArtifactStore, Place } from "./store.ts"
import { ArtifactUsage } from "./usage.ts"

export interface ArtifactDeps {
  readonly store: ArtifactStore
  readonly blobs: Blobs
  readonly clock: Clock
  readonly ids: Ids
  readonly publicUrl: string
  readonly keepDays: number
}

const DAY_MS = 86_400_000
const MIB = 1024 * 1024

/** Bytes that steps gave: rows by project, contents by hash, each content once however many rows name it. */
export class ArtifactService {
  readonly #usage: ArtifactUsage

  constructor(private readonly deps: ArtifactDeps) {
    this.#usage = new ArtifactUsage(deps.store, deps.clock)
  }

  readonly keep: KeepArtifact = async (scope, origin, bytes) => {
    const { store, blobs, ids, clock } = this.deps
    await this.#requireRoom(scope, bytes.length)
    const sha256 = new Bun.CryptoHasher("sha256").update(bytes).digest("hex")
    const described = { ...scopeOf(scope), ...describedBy(origin), sha256 }
    return await blobs.locked(sha256, async () => {
      await blobs.put(sha256, bytes)
      const same = await store.findSame(described)
      if (same) return this.#kept(same)
      const row = { id: ids.uuid(), ...described, sizeBytes: bytes.length, createdAt: clock.now() }
      await store.insert(row)
      this.#usage.add(scope, bytes.length)
      return this.#kept(row)
    })
  }

  async get(place: Place, id: string): Promise<ArtifactBody> {
    return this.#body(await this.#row(place, id))
  }

  async list(place: Place, runId: string | null, page: Page) {
    const { items, total } = await this.deps.store.list(place, runId, page)
    return { artifacts: items.map(row => this.#body(row)), total, ...page }
  }

  /** Its row, and the file that holds its bytes. */
  async content(place: Place, id: string): Promise<{ readonly row: ArtifactRow; readonly path: string }> {
    const row = await this.#row(place, id)
    const path = await this.deps.blobs.find(row.sha256, row.sizeBytes)
    if (path !== null) return { row, path }
    const sentence = "the content of this artifact is not in the data directory any more; run its step again to have it made anew"
    throw new AppError("gone", sentence, { code: "ARTIFACT_CONTENT_LOST" })
  }

  async delete(place: Place, id: string): Promise<void> {
    const sha256 = await this.deps.store.delete(place, id)
    if (sha256 === null) throw unknown()
    this.#usage.forget(place)
    await this.#dropUnused(sha256)
  }

  /** Deletes what was kept long enough, and contents that nothing names. How many contents went. */
  async sweep(now: number): Promise<number> {
    let dropped = 0
    for (;;) {
      const left = await this.deps.store.deleteOld(now - this.deps.keepDays * DAY_MS)
      if (left.length === 0) break
      for (const sha256 of left) dropped += (await this.#dropUnused(sha256)) ? 1 : 0
    }
    for await (const found of this.deps.blobs.list()) {
      const used = await this.deps.store.used(found)
      for (const sha256 of found) {
        if (!used.has(sha256) && (await this.#dropUnused(sha256))) dropped++
      }
    }
    return dropped
  }

  async #dropUnused(sha256: string): Promise<boolean> {
    const { store, blobs } = this.deps
    return await blobs.locked(sha256, async () => {
      if ((await store.used([sha256])).size > 0) return false
      await blobs.drop(sha256)
      return true
    })
  }

  /** Those under way are not counted yet: the bound may be passed by a few. */
  async #requireRoom(place: Place, sizeBytes: number): Promise<void> {
    if (sizeBytes > ARTIFACT_MAX_BYTES) {
      const sentence = `one artifact may have ${ARTIFACT_MAX_BYTES / MIB} MiB, and this has ${Math.ceil(sizeBytes / MIB)}`
      throw new AppError("too_large", sentence, { code: "ARTIFACT_TOO_LARGE" })
    }
    const usage = await this.#usage.of(place)
    if (usage.count < ARTIFACTS_MAX && usage.sizeBytes + sizeBytes <= ARTIFACTS_MAX_BYTES) return
    const sentence =
      `the project's artifacts are at their limit (${ARTIFACTS_MAX} of them, ${ARTIFACTS_MAX_BYTES / MIB} MiB); ` +
      "delete what is not needed, or have the operator lower artifacts.keep_days"
    throw new AppError("conflict", sentence, { code: "ARTIFACTS_FULL" })
  }

  async #row(place: Place, id: string): Promise<ArtifactRow> {
    const row = await this.deps.store.get(place, id)
    if (!row) throw unknown()
    return row
  }

  #kept(row: ArtifactRow): KeptArtifact {
    return { id: row.id, url: this.#url(row), size_bytes: row.sizeBytes, mime_type: row.mimeType }
  }

  #body(row: ArtifactRow): ArtifactBody {
    return {
      ...this.#kept(row),
      run_id: row.runId,
      step_id: row.stepId,
      name: row.name,
      sha256: row.sha256,
      created_at: rfc3339(row.createdAt),
    }
  }

  #url({ id }: ArtifactRow): string {
    return `${this.deps.publicUrl}/v1/artifacts/${id}/content`
  }
}

function unknown(): AppError {
  return new AppError("not_found", "there is no such artifact")
}

/** A scope may be a caller with more to it, which is none of a row's. */
function scopeOf({ tenantId, projectId }: Place): Place {
  return { tenantId, projectId }
}

function describedBy({ runId, stepId, name, mimeType }: ArtifactOrigin) {
  return { runId, stepId, name: nameOf(name), mimeType: essenceOf(mimeType) ?? ANY_BYTES }
}

// Control characters, separators of paths, and marks that turn the direction of text, behind which an ending can hide.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
const UNFIT = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\\/]+/g

/** The name is whatever a tool said: only its last part, and nothing that a file system or a person would stumble over. */
function nameOf(given: string | null): string | null {
  const last = (given ?? "").toWellFormed().split(/[\\/]/).at(-1) ?? ""
  const clean = [...last.replaceAll(UNFIT, "_").trim()].slice(0, ARTIFACT_NAME_MAX_CHARS).join("")
  return /^\.*$/.test(clean) ? null : clean
}
