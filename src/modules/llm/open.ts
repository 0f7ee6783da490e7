import type { Egress } from "../../adapters/egress/egress.ts"
import type { Models } from "../../adapters/llm/llm.ts"
import type { ResolveModel } from "../../adapters/llm/resolve.ts"
import type { Vault } from "../../adapters/vault/vault.ts"
import type { Clock } from "../../kernel/clock.ts"
import type { Ids } from "../../kernel/ids.ts"
import type { OperatorKey } from "../../kernel/llm-key.ts"
import type { Database, Writer } from "../../storage/database.ts"
import { LlmCatalog } from "./catalog.ts"
import { KeyTests } from "./key-test.ts"
import { LlmKeys } from "./keys.ts"
import { packagedModels } from "./known-models.ts"
import { ModelResolver } from "./resolver.ts"
import { LlmKeyService, type LlmKeyServiceDeps } from "./service.ts"
import { createLlmKeyStore } from "./store.ts"

export interface LlmDeps {
  readonly db: Database
  readonly vault: Vault<Writer>
  readonly egress: Egress
  readonly models: Models
  /** The setting `llm.keys`. */
  readonly operatorKeys: readonly OperatorKey[]
  readonly clock: Clock
  readonly ids: Ids
  readonly log: LlmKeyServiceDeps["log"]
}

export interface Llm {
  readonly keys: LlmKeyService
  readonly catalog: LlmCatalog
  readonly resolve: ResolveModel
}

/** All of the module on one database. */
export function openLlm(given: LlmDeps): Llm {
  const store = createLlmKeyStore(given.db)
  const keys = new LlmKeys({ ...given, store })
  const known = packagedModels
  const tests = new KeyTests({ ...given, keys })
  return {
    keys: new LlmKeyService({ ...given, store, keys, tests }),
    catalog: new LlmCatalog({ keys, tests, known }),
    resolve: new ModelResolver({ ...given, keys, known }).resolve,
  }
}
