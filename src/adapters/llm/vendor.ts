import type { EgressFetch } from "../egress/egress.ts"
import type { ListedModel, ModelAnswer, ModelRequest, ModelTarget } from "./llm.ts"

/** Where a call of a vendor happens: what goes out goes through `fetch`, and ends with `signal`. */
export interface VendorCall {
  readonly fetch: EgressFetch
  readonly signal: AbortSignal
  /** Set: the answer is streamed, and this is told of its text. */
  readonly onText: ((delta: string) => void) | undefined
}

/** How one vendor is spoken to. May throw anything; `createModels` makes a `ModelFailure` of it. */
export interface VendorDriver {
  complete(target: ModelTarget, request: ModelRequest, call: VendorCall): Promise<ModelAnswer>
  list(target: Omit<ModelTarget, "model">, call: VendorCall): Promise<readonly ListedModel[]>
}
