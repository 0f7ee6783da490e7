import { isDeepStrictEqual } from "node:util"
import type { Egress } from "../../adapters/egress/egress.ts"
import { EgressRefused } from "../../adapters/egress/errors.ts"
import type { Vault } from "../../adapters/vault/vault.ts"
import type { Page } from "../../http/paging.ts"
import type { Caller } from "../../http/permission.ts"
import { asker } from "../../kernel/asker.ts"
import type { Clock } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import type { Ids } from "../../kernel/ids.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { LLM_KEYS_PER_WORKSPACE_MAX } from "../../kernel/limits.ts"
import { keyProblem, type WantedKey } from "../../kernel/llm-key.ts"
import type { Writer } from "../../storage/database.ts"
import { type KeyBody, type KeyChange, type KeyWish, keyBody } from "./contract.ts"
import { findingsOf, type KeyTests } from "./key-test.ts"
import { endOf, keyOf, type LlmKey, type LlmKeys, secretName } from "./keys.ts"
import type { LlmKeyFields, LlmKeyRow, LlmKeyStore } from "./store.ts"

export interface LlmKeyServiceDeps {
  readonly store: LlmKeyStore
  readonly keys: LlmKeys
  readonly tests: KeyTests
  readonly vault: Vault<Writer>
  readonly egress: Egress
  readonly clock: Clock
  readonly ids: Ids
  readonly log: { info(fields: object, message: string): void }
}

/** The label of a key that was given none. */
const DEFAULT_LABEL = "default"

/** The keys of a workspace as the API has them (contract §9, G-26). One answer alone holds a secret: that of `reveal`. */
export class LlmKeyService {
  constructor(private readonly deps: LlmKeyServiceDeps) {}

  async list({ tenantId }: Caller, page: Page) {
    const all = await this.deps.keys.of(tenantId)
    return { keys: all.slice(page.offset, page.offset + page.limit).map(keyBody), total: all.length, ...page }
  }

  async get({ tenantId }: Caller, id: string): Promise<KeyBody> {
    return keyBody(await this.#find(tenantId, id))
  }

  /** A local server is asked for its models at once; one that does not answer yet is kept all the same. */
  async create(caller: Caller, wish: KeyWish): Promise<KeyBody> {
    const { store, keys, tests, clock, ids } = this.deps
    if (wish.scope === "system") throw operatorsOwn("system keys are declared by the operator, in the setting llm.keys")
    const wanted: WantedKey = {
      ...{ vendor: wish.vendor, label: wish.label ?? DEFAULT_LABEL, apiKey: wish.api_key ?? null },
      ...{ baseUrl: wish.base_url ?? null, options: optionsOf(wish.options) },
    }
    check(wanted)
    await this.#checkAddress(caller, wanted)
    const now = clock.now()
    const row: LlmKeyRow = {
      ...{ id: ids.uuid(), tenantId: caller.tenantId, vendor: wanted.vendor, label: wanted.label, baseUrl: wanted.baseUrl },
      ...{ options: wanted.options, last4: endOf(wanted.apiKey), lastTest: null, models: null },
      ...{ revealedBy: null, revealedAt: null, createdBy: caller.userId, createdAt: now, updatedAt: now },
    }
    await store.transaction(async tx => {
      if ((await store.countIn(row.tenantId, tx)) >= LLM_KEYS_PER_WORKSPACE_MAX) {
        const sentence = `the workspace has ${LLM_KEYS_PER_WORKSPACE_MAX} keys already; delete one first`
        throw new AppError("conflict", sentence, { code: "LLM_KEY_LIMIT" })
      }
      if ((await store.holderOf(row, tx)) !== null) throw labelTaken(row.vendor)
      await store.insert(row, tx)
      if (wanted.apiKey !== null) await this.#putSecret(row.tenantId, row.id, wanted.apiKey, tx)
    })
    keys.changed()
    const key = keyOf(row)
    return keyBody(key.vendor === "local" ? (await tests.run(key, caller)).key : key)
  }

  /**
   * Where the secret is sent changes only together with the secret: whoever may edit a key must not learn it by having it sent
   * elsewhere.
   */
  async patch(caller: Caller, id: string, change: KeyChange): Promise<KeyBody> {
    const { store, keys, clock } = this.deps
    const before = await this.#own(caller.tenantId, id)
    const secret = change.api_key === undefined ? await keys.secretOf(before) : change.api_key
    const wanted: WantedKey = {
      ...{ vendor: before.vendor, label: change.label ?? before.label, apiKey: secret },
      baseUrl: change.base_url === undefined ? before.baseUrl : change.base_url,
      options: change.options === undefined ? before.options : optionsOf(change.options),
    }
    const moves = wanted.baseUrl !== before.baseUrl || !isDeepStrictEqual(wanted.options, before.options)
    if (moves && secret !== null && change.api_key === undefined) {
      throw new AppError("invalid", "give api_key, too: base_url and options say where it is sent, so they change together", {
        code: "API_KEY_NEEDED",
      })
    }
    check(wanted)
    if (wanted.baseUrl !== before.baseUrl) await this.#checkAddress(caller, wanted)
    const untested = moves || change.api_key !== undefined ? { lastTest: null } : {}
    const fields: LlmKeyFields = {
      ...{ label: wanted.label, baseUrl: wanted.baseUrl, options: wanted.options, last4: endOf(secret), updatedAt: clock.now() },
      ...untested,
    }
    await store.transaction(async tx => {
      if (!(await store.find(caller.tenantId, id, tx))) throw noKey()
      const holder = await store.holderOf({ tenantId: caller.tenantId, vendor: wanted.vendor, label: wanted.label }, tx)
      if (holder !== null && holder !== id) throw labelTaken(wanted.vendor)
      await store.update(caller.tenantId, id, fields, tx)
      if (change.api_key !== undefined) await this.#putSecret(caller.tenantId, id, change.api_key, tx)
    })
    keys.changed()
    return await this.get(caller, id)
  }

  /** The new secret is tried first: one that the vendor refuses replaces nothing. */
  async rotate(caller: Caller, id: string, apiKey: string): Promise<KeyBody> {
    const { store, keys, tests, clock } = this.deps
    const key = await this.#own(caller.tenantId, id)
    check({ ...key, apiKey })
    const test = await tests.try(key, apiKey, caller)
    if (test.isRefused) {
      throw new AppError("invalid", `the vendor refuses the new key, so the old one stays: ${test.message}`, {
        code: "KEY_REFUSED",
      })
    }
    const now = clock.now()
    const { lastTest } = findingsOf(key, test, now)
    await store.transaction(async tx => {
      if (!(await store.find(caller.tenantId, id, tx))) throw noKey()
      await store.update(caller.tenantId, id, { last4: endOf(apiKey), lastTest, updatedAt: now }, tx)
      await this.#putSecret(caller.tenantId, id, apiKey, tx)
    })
    keys.changed()
    return await this.get(caller, id)
  }

  async test(caller: Caller, id: string) {
    const { key, test } = await this.deps.tests.run(await this.#find(caller.tenantId, id), caller)
    return { ...keyBody(key), ok: test.ok, message: test.message, models_count: test.models?.length ?? null }
  }

  /** Who saw it last stays with the key, and in the log. */
  async reveal(caller: Caller, id: string): Promise<{ id: string; api_key: string }> {
    const { store, keys, clock, log } = this.deps
    const key = await this.#own(caller.tenantId, id)
    const secret = await keys.secretOf(key)
    if (secret === null) throw new AppError("not_found", "this key has no secret: its server is called without one")
    await store.update(caller.tenantId, id, { revealedBy: caller.userId, revealedAt: clock.now() })
    log.info({ tenant_id: caller.tenantId, user_id: caller.userId, llm_key_id: id }, "the secret of a model key was revealed")
    return { id, api_key: secret }
  }

  async delete(caller: Caller, id: string): Promise<void> {
    const { store, keys, vault } = this.deps
    await this.#own(caller.tenantId, id)
    await store.transaction(async tx => {
      if (!(await store.delete(caller.tenantId, id, tx))) throw noKey()
      await vault.delete(caller.tenantId, secretName(id), tx)
    })
    keys.changed()
  }

  async #putSecret(tenantId: string, id: string, secret: string | null, tx: Writer): Promise<void> {
    const { vault } = this.deps
    if (secret === null) await vault.delete(tenantId, secretName(id), tx)
    else await vault.put(tenantId, secretName(id), secret, tx)
  }

  async #find(tenantId: string, id: string): Promise<LlmKey> {
    const key = await this.deps.keys.find(tenantId, id)
    if (!key) throw noKey()
    return key
  }

  /** One that the workspace may change. */
  async #own(tenantId: string, id: string): Promise<LlmKey> {
    const key = await this.#find(tenantId, id)
    if (key.scope === "system") throw operatorsOwn("this key is the operator's: it is changed in the setting llm.keys")
    return key
  }

  /** Where it leads is vetted again with every request; here somebody is still there to read why not. */
  async #checkAddress({ tenantId, projectId, userId }: Caller, { vendor, baseUrl }: WantedKey): Promise<void> {
    if (baseUrl === null) return
    const { hostname, port, protocol } = new URL(baseUrl)
    const who = asker(`address of the key ${vendor}`, { tenantId, projectId, userId })
    try {
      await this.deps.egress.for(who).addresses(hostname, Number(port) || (protocol === "https:" ? 443 : 80))
    } catch (error) {
      // A name that nobody knows yet may be known tomorrow.
      if (error instanceof EgressRefused) {
        throw new AppError("invalid", `base_url cannot be reached from here: ${error.message}`, { code: "EGRESS_REFUSED" })
      }
    }
  }
}

function check(wanted: WantedKey): void {
  const problem = keyProblem(wanted)
  if (problem !== null) throw new AppError("invalid", problem)
}

/** Came as JSON. */
function optionsOf(options: Readonly<Record<string, unknown>> | undefined): JsonObject {
  return (options ?? {}) as JsonObject
}

export function noKey(): AppError {
  return new AppError("not_found", "no such key")
}

function labelTaken(vendor: string): AppError {
  return new AppError("conflict", `the workspace has a key of ${vendor} with this label already`, { code: "LLM_KEY_LABEL_TAKEN" })
}

function operatorsOwn(sentence: string): AppError {
  return new AppError("forbidden", sentence, { code: "SYSTEM_KEY" })
}
