import type { ColumnKit } from "../columns.ts"

export const defineArtifacts = (k: ColumnKit) => {
  /** Bytes that a step gave: images, sounds, files. They lie in `blobs/`, once for each content. */
  const artifacts = k.table(
    "artifacts",
    {
      id: k.text("id").primaryKey(),
      tenantId: k.text("tenant_id").notNull(),
      projectId: k.text("project_id").notNull(),
      runId: k.text("run_id"),
      stepId: k.text("step_id"),
      name: k.text("name"),
      mimeType: k.text("mime_type").notNull(),
      sizeBytes: k.int("size_bytes").notNull(),
      /** Hex; names the file. */
      sha256: k.text("sha256").notNull(),
      createdAt: k.ms("created_at").notNull(),
    },
    t => [
      k.index("artifacts_project").on(t.tenantId, t.projectId, t.createdAt),
      k.index("artifacts_run").on(t.runId),
      k.index("artifacts_content").on(t.sha256),
    ],
  )

  return { artifacts }
}
