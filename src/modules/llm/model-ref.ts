import { VENDORS, type Vendor } from "../../adapters/llm/llm.ts"

/** A model's name in the catalog: `direct.<vendor>.<model>` or `local.<label>.<model>`; the model may hold dots (contract G-26). */
export type ModelRef =
  | { readonly route: "direct"; readonly vendor: Exclude<Vendor, "local" | "builtin">; readonly model: string }
  | { readonly route: "local"; readonly label: string; readonly model: string }

const PARTS = /^([A-Za-z]+)\.([A-Za-z0-9][A-Za-z0-9_-]{0,62})\.(.+)$/s
const MODEL_MAX_CHARS = 300
/** Part of the path of a request at some vendors. */
const VENDOR_MODEL = /^[A-Za-z0-9][A-Za-z0-9._:@/+-]*$/
/** Servers name models as they like; files, mostly. */
const LOCAL_MODEL = /^[^\s\p{C}](?:[^\p{C}]*[^\s\p{C}])?$/u

/** The label of the built-in model in the place of a server's. */
export const BUILTIN = "builtin"

export type ReadRef =
  | { readonly ok: true; readonly ref: ModelRef }
  | { readonly ok: false; readonly reason: "bad_reference" | "unknown_model"; readonly message: string }

export function readModelRef(text: string): ReadRef {
  const [, route, second, model] = PARTS.exec(text) ?? []
  if (route === undefined || second === undefined || model === undefined || (route !== "direct" && route !== "local")) {
    const message = "model_ref must be direct.<vendor>.<model>, such as direct.openai.gpt-4o, or local.<label>.<model>"
    return { ok: false, reason: "bad_reference", message }
  }
  if (!isModelName(model, route)) {
    return { ok: false, reason: "bad_reference", message: "the model in model_ref is no name of a model" }
  }
  if (route === "local") return { ok: true, ref: { route, label: second, model } }
  const vendor = VENDORS.find(known => known === second)
  if (vendor === undefined || vendor === "local" || vendor === "builtin") {
    const known = VENDORS.filter(v => v !== "local" && v !== "builtin").join(", ")
    const message = `model_ref names a vendor that is not known; direct ones are ${known}`
    return { ok: false, reason: "unknown_model", message }
  }
  return { ok: true, ref: { route, vendor, model } }
}

/** Whether a vendor could have a model of that name. */
export function isModelName(model: string, route: "direct" | "local"): boolean {
  if (model.length > MODEL_MAX_CHARS) return false
  if (route === "local") return LOCAL_MODEL.test(model)
  return VENDOR_MODEL.test(model) && !model.split("/").some(part => part === "" || part === "." || part === "..")
}

/** `label` is looked at for local servers only. */
export function modelRefOf(vendor: Vendor, label: string, model: string): string {
  switch (vendor) {
    case "local":
      return `local.${label}.${model}`
    case "builtin":
      return `local.${BUILTIN}.${model}`
    default:
      return `direct.${vendor}.${model}`
  }
}
