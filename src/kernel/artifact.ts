/** Bytes that a step gave, kept outside of its result: the result names them by `url`. */
export interface KeptArtifact {
  readonly id: string
  /** Answers with the bytes to whoever may read the project. */
  readonly url: string
  readonly size_bytes: number
  readonly mime_type: string
}

/** What they belong to, and what they are by the word of whoever gave them. */
export interface ArtifactOrigin {
  readonly runId: string | null
  readonly stepId: string | null
  readonly name: string | null
  readonly mimeType: string
}

/**
 * Keeps them for one project. The same bytes kept again by the same step under the same name are the same artifact, so that
 * a repeated attempt leaves one. Throws `AppError` when they are too large or the project has too many, and when the disk is
 * full.
 */
export type KeepArtifact = (
  scope: { readonly tenantId: string; readonly projectId: string },
  origin: ArtifactOrigin,
  bytes: Uint8Array,
) => Promise<KeptArtifact>
