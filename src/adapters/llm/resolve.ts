import type { ModelTarget, Usage } from "./llm.ts"

/** How a step or an agent says which model it wants (contract §9). */
export interface ModelWish {
  readonly tenantId: string
  /** E.g. `direct.openai.gpt-4o`; wins over `model`. */
  readonly modelRef: string | null
  /** The vendor's own name, looked up in the catalog. */
  readonly model: string | null
  readonly credentialId: string | null
  readonly credentialScope: string | null
}

export interface ResolvedModel {
  readonly ok: true
  /** Holds the secret. */
  readonly target: ModelTarget
  readonly modelRef: string
  /** Null: the model needs none. */
  readonly credentialId: string | null
  readonly credentialScope: "tenant" | "system"
  readonly contextWindow: number | null
  /** Whether anybody has heard of the model: the packaged table, or the server when it was asked last. */
  readonly isListed: boolean
  /** What must not be seen of the target. */
  readonly secrets: readonly string[]
  /** In millionths of a US dollar; null: the price is not known. */
  costOf(usage: Usage): number | null
}

export type UnresolvedReason = "bad_reference" | "unknown_model" | "unknown_key" | "no_key"

export interface UnresolvedModel {
  readonly ok: false
  readonly reason: UnresolvedReason
  /** A sentence that says what to do; no echo of what was asked for. */
  readonly message: string
}

/** Which model with which key. Throws only when storage or the vault does. */
export type ResolveModel = (wish: ModelWish) => Promise<ResolvedModel | UnresolvedModel>
