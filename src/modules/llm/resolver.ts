import { VENDORS, type Vendor } from "../../adapters/llm/llm.ts"
import type { ModelWish, ResolvedModel, ResolveModel, UnresolvedModel, UnresolvedReason } from "../../adapters/llm/resolve.ts"
import type { Clock } from "../../kernel/clock.ts"
import { LLM_RESOLVED_KEPT_MAX, LLM_RESOLVED_KEPT_MS } from "../../kernel/limits.ts"
import type { KeyedVendor } from "../../kernel/llm-key.ts"
import { Recent } from "../../storage/recent.ts"
import { type LlmKey, type LlmKeys, secretsOf, targetOf } from "./keys.ts"
import type { KnownModels } from "./known-models.ts"
import { BUILTIN, isModelName, type ModelRef, modelRefOf, readModelRef } from "./model-ref.ts"

export interface ModelResolverDeps {
  readonly keys: LlmKeys
  readonly known: KnownModels
  readonly clock: Clock
}

/** Where a model may be: of which vendor, and of a local server its label. */
interface Place {
  readonly vendor: Vendor
  readonly label: string
  readonly model: string
}

/** Which model a step means, and with which key it is called: the named one, else the workspace's, else the operator's (contract §9). */
export class ModelResolver {
  /** Every step of every run asks, and a secret is opened for each; what is kept is dropped with every change of this process. */
  readonly #kept = new Recent<ResolvedModel>(LLM_RESOLVED_KEPT_MAX, LLM_RESOLVED_KEPT_MS)

  constructor(private readonly deps: ModelResolverDeps) {
    deps.keys.onChange(() => this.#kept.clear())
  }

  readonly resolve: ResolveModel = async wish => {
    const key = JSON.stringify([wish.tenantId, wish.modelRef, wish.model, wish.credentialId, wish.credentialScope])
    const now = this.deps.clock.now()
    let failed: UnresolvedModel | null = null
    const resolved = await this.#kept.read(key, now, async () => {
      const found = await this.#resolve(wish)
      if (found.ok) return found
      failed = found
      return null
    })
    return resolved ?? failed ?? unresolved("unknown_model", "the model could not be resolved")
  }

  async #resolve(wish: ModelWish): Promise<ResolvedModel | UnresolvedModel> {
    const { tenantId, modelRef, model, credentialId, credentialScope } = wish
    if (modelRef === null && model === null) return unresolved("bad_reference", "name a model by model_ref or model")
    if (credentialScope !== null && credentialScope !== "tenant" && credentialScope !== "system") {
      return unresolved("bad_reference", "llm_credential_scope must be tenant or system")
    }
    const keys = (await this.deps.keys.of(tenantId)).filter(key => credentialScope === null || key.scope === credentialScope)
    const named = credentialId === null ? null : keys.find(key => key.id === credentialId)
    if (named === undefined) {
      const where = credentialScope === null ? "" : ` of the scope ${credentialScope}`
      return unresolved("unknown_key", `llm_credential_id names no key${where} of this workspace; see GET /v1/llm-provider-keys`)
    }
    if (modelRef === null) return await this.#byName(model ?? "", keys, named)
    const read = readModelRef(modelRef)
    return read.ok ? await this.#byRef(read.ref, keys, named) : unresolved(read.reason, read.message)
  }

  async #byRef(ref: ModelRef, keys: readonly LlmKey[], named: LlmKey | null): Promise<ResolvedModel | UnresolvedModel> {
    if (ref.route === "local" && ref.label === BUILTIN) return this.#builtin(ref.model)
    const place: Place = ref.route === "local" ? { vendor: "local", ...ref } : { vendor: ref.vendor, label: "", model: ref.model }
    const fitting = keys.filter(key => serves(key, place))
    if (named !== null) {
      if (fitting.includes(named)) return await this.#with(named, place)
      return unresolved("unknown_key", `llm_credential_id names a key of ${named.vendor}, which the model is not called with`)
    }
    const [key] = fitting.toSorted(byPreference)
    if (key) return await this.#with(key, place)
    if (ref.route === "local") {
      const servers = [...new Set(keys.filter(k => k.vendor === "local").map(k => k.label))]
      const known = servers.length === 0 ? "there is none yet" : `there are ${servers.join(", ")}`
      return unresolved("unknown_model", `model_ref names a local server that the workspace does not have; ${known}`)
    }
    // Of a vendor that is called, a model newer than the table is the vendor's to know; else a slip of the pen is likelier.
    if (this.deps.known.find(place.vendor, place.model)) return noKey([place.vendor])
    return unresolved("unknown_model", `the catalog has no such model of ${place.vendor}, and there is no key to ask with`)
  }

  /** The vendor that has it in its catalog and is called with the best key; without a key, whoever has it. */
  async #byName(model: string, keys: readonly LlmKey[], named: LlmKey | null): Promise<ResolvedModel | UnresolvedModel> {
    if (!isModelName(model, "local")) return unresolved("bad_reference", "model is no name of a model")
    const place = (key: LlmKey): Place => ({ vendor: key.vendor, label: key.label, model })
    if (named !== null) {
      if (named.vendor === "local" || isModelName(model, "direct")) return await this.#with(named, place(named))
      return unresolved("bad_reference", `model is no name of a model of ${named.vendor}`)
    }
    const [key] = keys.filter(k => this.#lists(k, model)).toSorted(byPreference)
    if (key) return await this.#with(key, place(key))
    if (this.deps.known.find("builtin", model)) return this.#builtin(model)
    const vendors = VENDORS.filter(vendor => this.deps.known.find(vendor, model))
    if (vendors.length > 0) return noKey(vendors)
    const sentence = "no catalog has a model of that name; name its vendor, too, with model_ref: direct.<vendor>.<model>"
    return unresolved("unknown_model", sentence)
  }

  #lists({ vendor, models }: LlmKey, model: string): boolean {
    if (vendor === "local") return models?.some(listed => listed.model === model) === true
    return this.deps.known.find(vendor, model) !== null
  }

  async #with(key: LlmKey, { vendor, label, model }: Place): Promise<ResolvedModel> {
    const secret = await this.deps.keys.secretOf(key)
    const listed = key.vendor === "local" ? key.models?.find(one => one.model === model) : this.deps.known.find(vendor, model)
    return {
      ok: true,
      target: { ...targetOf(key, secret), model },
      modelRef: modelRefOf(vendor, label, model),
      credentialId: key.id,
      credentialScope: key.scope,
      contextWindow: listed?.contextWindow ?? null,
      isListed: listed !== null && listed !== undefined,
      secrets: secretsOf(secret),
      costOf: usage => this.deps.known.costOf(vendor, model, usage),
    }
  }

  #builtin(model: string): ResolvedModel | UnresolvedModel {
    const known = this.deps.known.find("builtin", model)
    if (!known) {
      const names = this.deps.known.modelsOf("builtin").map(one => one.model)
      return unresolved("unknown_model", `there is no such built-in model; there is ${names.join(", ")}`)
    }
    return {
      ok: true,
      target: { vendor: "builtin", model, baseUrl: null, apiKey: null, options: {} },
      modelRef: modelRefOf("builtin", BUILTIN, model),
      credentialId: null,
      credentialScope: "system",
      contextWindow: known.contextWindow,
      isListed: true,
      secrets: [],
      costOf: usage => this.deps.known.costOf("builtin", model, usage),
    }
  }
}

function serves(key: LlmKey, { vendor, label }: Place): boolean {
  return key.vendor === vendor && (vendor !== "local" || key.label === label)
}

const RANK = new Map<KeyedVendor | Vendor, number>(VENDORS.map((vendor, i) => [vendor, i]))

/** The workspace's before the operator's, vendors in their order, `default` before other labels; else they stay as they are, oldest first. */
function byPreference(a: LlmKey, b: LlmKey): number {
  const rank = ({ scope, vendor, label }: LlmKey) =>
    (scope === "tenant" ? 0 : 1_000) + (RANK.get(vendor) ?? 0) * 10 + (label === "default" ? 0 : 1)
  return rank(a) - rank(b)
}

function noKey(vendors: readonly Vendor[]): UnresolvedModel {
  const list = vendors.join(" or ")
  return unresolved(
    "no_key",
    `there is no key of ${list}: add one with POST /v1/llm-provider-keys, or let the operator set llm.keys`,
  )
}

function unresolved(reason: UnresolvedReason, message: string): UnresolvedModel {
  return { ok: false, reason, message }
}
