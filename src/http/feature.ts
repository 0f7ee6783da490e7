import { AppError } from "../kernel/errors.ts"

/** What the routes of a feature answer that the operator has switched off (contract §2.5). */
export function featureDisabled(): AppError {
  return new AppError("not_found", "feature disabled", { code: "FEATURE_DISABLED" })
}
