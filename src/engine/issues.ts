/** What validation found (contract §3.6). */
export interface Issue {
  readonly severity: "error" | "warning"
  /** e.g. `dependency_cycle`; contract §3.6 and G-11. */
  readonly code: string
  readonly step_id?: string
  readonly message: string
  /** e.g. `$.steps[2].depends_on[0]`. */
  readonly json_path: string
  readonly suggestion?: string
}
