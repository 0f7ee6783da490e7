import type { ResolveModel, UnresolvedModel } from "../../adapters/llm/resolve.ts"
import type { Caller } from "../../http/permission.ts"
import { AppError } from "../../kernel/errors.ts"
import type { ResolvedBody, ResolveWish } from "./contract.ts"

/** What a step with these fields would call, without calling it (contract G-26). */
export async function resolved(resolve: ResolveModel, { tenantId }: Caller, wish: ResolveWish): Promise<ResolvedBody> {
  const found = await resolve({
    tenantId,
    modelRef: wish.model_ref || null,
    model: wish.model || null,
    credentialId: wish.llm_credential_id || null,
    credentialScope: wish.llm_credential_scope ?? null,
  })
  if (!found.ok) throw refusal(found)
  const { target, modelRef, credentialId, credentialScope, isListed, contextWindow } = found
  return {
    ...{ model_ref: modelRef, vendor: target.vendor, model: target.model, credential_id: credentialId },
    ...{ credential_scope: credentialScope, source: credentialScope, available: true, listed: isListed },
    context_window: contextWindow,
  }
}

function refusal({ reason, message }: UnresolvedModel): AppError {
  switch (reason) {
    case "bad_reference":
      return new AppError("invalid", message, { code: "MODEL_REF_INVALID" })
    case "unknown_model":
      return new AppError("not_found", message, { code: "MODEL_NOT_FOUND" })
    case "unknown_key":
      return new AppError("not_found", message)
    case "no_key":
      return new AppError("invalid", message, { code: "NO_PROVIDER_KEY" })
  }
}
