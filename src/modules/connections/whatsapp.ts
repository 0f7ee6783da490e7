import { GraphFailure, type WhatsAppGraph } from "../../adapters/whatsapp/graph.ts"
import type { Caller } from "../../http/permission.ts"
import { type Asker, asker } from "../../kernel/asker.ts"
import type { Clock } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import type { ConnectionBody } from "./contract.ts"
import type { SavedConnections } from "./saved.ts"
import type { ConnectionRow } from "./store.ts"
import type { WhatsAppCredentials, WhatsAppSignup } from "./whatsapp-contract.ts"

/** Its service is the adapter of the same name. */
export const WHATSAPP_PROVIDER = "whatsapp"

/** The operator's app at Meta; a setting that is not set is null. */
export interface WhatsAppApp {
  readonly appId: string | null
  readonly appSecret: string | null
  readonly configId: string | null
  readonly graphVersion: string
}

export interface WhatsAppConnectionsDeps {
  readonly graph: WhatsAppGraph
  readonly app: WhatsAppApp
  readonly saved: SavedConnections
  readonly bodyOf: (row: ConnectionRow) => Promise<ConnectionBody>
  readonly clock: Clock
}

/** Numbers of WhatsApp Business, by embedded signup or by hand; both are checked at Meta first (contract §7.3, G-21). */
export class WhatsAppConnections {
  constructor(private readonly deps: WhatsAppConnectionsDeps) {}

  config() {
    const { appId, configId, graphVersion } = this.deps.app
    return { enabled: this.#missing() === null, app_id: appId, config_id: configId, graph_version: graphVersion }
  }

  /** What Meta gave the browser is worth nothing without the app's secret, which only the server has. */
  async complete(caller: Caller, signup: WhatsAppSignup): Promise<ConnectionBody> {
    const missing = this.#missing()
    if (missing !== null) {
      const sentence = `WhatsApp signup is not set up on this instance: the operator has to set ${missing}`
      throw new AppError("unavailable", sentence, { code: "NOT_CONFIGURED" })
    }
    const { accessToken, expiresInMs } = await refusable(() => this.deps.graph.exchange(askerOf(caller), signup.code))
    const { waba_id: business_account_id, phone_number_id, display_name } = signup
    const given = { access_token: accessToken, business_account_id, phone_number_id }
    return await this.#save(caller, display_name ?? null, given, expiresInMs)
  }

  async manual(caller: Caller, { display_name, ...given }: WhatsAppCredentials): Promise<ConnectionBody> {
    return await this.#save(caller, display_name, given, null)
  }

  async #save(
    caller: Caller,
    displayName: string | null,
    given: Omit<WhatsAppCredentials, "display_name">,
    expiresInMs: number | null,
  ): Promise<ConnectionBody> {
    const { graph, saved, bodyOf, clock } = this.deps
    const { access_token, business_account_id, phone_number_id } = given
    const number = await refusable(() => graph.phoneNumber(askerOf(caller), access_token, business_account_id, phone_number_id))
    if (number === null) {
      const sentence = "phone_number_id is no number of this WhatsApp Business account: copy both ids from the same account"
      throw new AppError("invalid", sentence, { code: "WRONG_PHONE_NUMBER" })
    }
    const row = await saved.create(caller, {
      displayName: displayName ?? `WhatsApp ${number.display || phone_number_id}`,
      provider: WHATSAPP_PROVIDER,
      service: WHATSAPP_PROVIDER,
      values: { access_token, business_account_id, phone_number_id },
      account: number.display === "" ? null : number.display,
      metadata: { verified_name: number.verifiedName, business_account_id, phone_number_id },
      expiresAt: expiresInMs === null ? null : clock.now() + expiresInMs,
    })
    return await bodyOf(row)
  }

  #missing(): string | null {
    const { appId, appSecret, configId } = this.deps.app
    if (appId === null) return "whatsapp.app_id"
    if (appSecret === null) return "whatsapp.app_secret"
    return configId === null ? "whatsapp.config_id" : null
  }
}

function askerOf({ tenantId, projectId, userId }: Caller): Asker {
  return asker("sign-in with whatsapp", { tenantId, projectId, userId })
}

async function refusable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof GraphFailure)) throw error
    if (error.kind === "refused") throw new AppError("invalid", `Meta refused: ${error.message}`, { code: "META_REFUSED" })
    throw new AppError("unavailable", `${error.message}; try again`, { code: "META_UNAVAILABLE" })
  }
}
