import type { Vault } from "../../adapters/vault/vault.ts"
import type { Clock } from "../../kernel/clock.ts"
import type { Ids } from "../../kernel/ids.ts"
import type { Database, Writer } from "../../storage/database.ts"
import type { Actors } from "../auth/actors.ts"
import type { PatService } from "../pats/service.ts"
import type { RunStarts } from "../runs/start.ts"
import type { WorkflowService } from "../workflows/service.ts"
import { Deliveries } from "./deliveries.ts"
import { createDeliveryStore } from "./delivery-store.ts"
import { type DeliveryResult, Ingress } from "./ingress.ts"
import { createDeliveryRetry, createDeliverySweep } from "./loops.ts"
import { RefusalCounts } from "./refusals.ts"
import { SigningSecrets } from "./secrets.ts"
import { InboundWebhookService } from "./service.ts"
import { createSubscriptionStore } from "./store.ts"

export interface InboundWebhooksModuleDeps {
  readonly db: Database
  readonly vault: Vault<Writer>
  readonly clock: Clock
  readonly ids: Ids
  readonly pats: Pick<PatService, "lend">
  readonly actors: Actors
  readonly workflows: Pick<WorkflowService, "row">
  readonly starts: Pick<RunStarts, "start">
  readonly publicUrl: string
  readonly ratePerMinute: number
  readonly keepDays: number
  readonly keepParkedDays: number
  readonly count: (result: DeliveryResult) => void
  readonly log: { warn(fields: object, message: string): void }
}

/** The module's parts, put together. */
export function createInboundWebhooks(deps: InboundWebhooksModuleDeps) {
  const store = createSubscriptionStore(deps.db)
  const deliveryStore = createDeliveryStore(deps.db)
  const secrets = new SigningSecrets(deps.vault, deps.ids)
  const refusals = new RefusalCounts(store)
  const deliveries = new Deliveries({ ...deps, store: deliveryStore })
  const shared = { ...deps, store, deliveryStore, deliveries, secrets }
  return {
    service: new InboundWebhookService(shared),
    ingress: new Ingress({ ...shared, refusals }),
    retry: createDeliveryRetry(shared),
    sweep: createDeliverySweep(deliveryStore, deps.keepDays, deps.keepParkedDays),
    /** Writes what is still to be written; for the end of the process. */
    flush: () => refusals.flush(),
  }
}
