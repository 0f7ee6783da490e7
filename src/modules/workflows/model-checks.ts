import type { ResolveModel, UnresolvedReason } from "../../adapters/llm/resolve.ts"
import { isSet, issueAt, type Located } from "../../engine/checks.ts"
import { isJsonObject, type Json } from "../../kernel/json.ts"
import { namesIn } from "../../steps/llm_call/execute.ts"
import { readParams } from "../../steps/llm_call/params.ts"
import { outputCheck } from "../../steps/llm_call/structured.ts"
import type { Finding } from "./findings.ts"

const CALLERS: ReadonlySet<string> = new Set(["llm_call", "agent_call"])

/**
 * Whether every call of a model would find the model and a key, and says what it wants in words that are understood; null when no
 * model is called. Nothing is sent.
 */
export async function checkModels(
  steps: readonly Located[],
  tenantId: string,
  resolve: ResolveModel,
): Promise<readonly Finding[] | null> {
  const calls = steps.filter(at => CALLERS.has(at.step.type.type))
  if (calls.length === 0) return null
  const found: Finding[] = []
  for (const at of calls) found.push(...(await checkModel(at, tenantId, resolve)), ...checkParams(at), ...checkSchema(at))
  return found
}

async function checkModel(at: Located, tenantId: string, resolve: ResolveModel): Promise<readonly Finding[]> {
  const { document } = at
  const named = isSet(document.model_ref) ? "model_ref" : "model"
  // That one of them has to be there is step_config's question, and what a template gives is known in a run only.
  if (!isSet(document[named]) || ["model_ref", "model"].some(name => isTemplate(document[name]))) return []
  const model = await resolve({ tenantId, ...namesIn(document) })
  if (!model.ok) {
    const { code, place } = CODES[model.reason]
    return [{ ...issueAt(at, place ?? `.${named}`, code, model.message, { severity: "warning" }), blocks: true }]
  }
  if (model.isListed) return []
  const sentence = "the catalog does not have this model; it is called all the same, and its price is not known"
  return [issueAt(at, `.${named}`, "llm_model_unknown", sentence, { severity: "warning" })]
}

const CODES: Readonly<Record<UnresolvedReason, { readonly code: string; readonly place?: string }>> = {
  bad_reference: { code: "llm_model_unknown" },
  unknown_model: { code: "llm_model_unknown" },
  no_key: { code: "llm_key_missing" },
  unknown_key: { code: "llm_key_unknown", place: ".llm_credential_id" },
}

function checkParams(at: Located): readonly Finding[] {
  const given = at.document.llm_params
  if (!isJsonObject(given)) return []
  const plain = Object.fromEntries(Object.entries(given).filter(([, value]) => !isTemplate(value)))
  const read = readParams(plain)
  if (!read.ok) return [issueAt(at, ".llm_params", "llm_params_invalid", read.message)]
  return read.ignored.map(name => {
    const sentence = `llm_params.${name} is not known here, and is not sent`
    return issueAt(at, ".llm_params", "llm_param_ignored", sentence, { severity: "warning" })
  })
}

function checkSchema(at: Located): readonly Finding[] {
  const schema = at.document.output_schema
  if (!isJsonObject(schema)) return []
  const made = outputCheck(schema)
  return made.ok ? [] : [issueAt(at, ".output_schema", "output_schema_invalid", made.message)]
}

function isTemplate(value: Json | undefined): boolean {
  return typeof value === "string" && value.includes("{{")
}
