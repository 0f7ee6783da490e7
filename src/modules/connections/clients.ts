import type { Egress } from "../../adapters/egress/egress.ts"
import { lazily } from "../../adapters/lazily.ts"
import { createWhatsAppGraph } from "../../adapters/whatsapp/graph.ts"
import type { Clock } from "../../kernel/clock.ts"

export interface GoogleSettings<Scopes> {
  /** Empty: the operator has not set one. */
  readonly clientId: string
  readonly clientSecret: string
  readonly issuer: string
  readonly scopes: Scopes
  readonly egress: Egress
  readonly clock: Clock
}

/** Google's client, once the operator has set one. */
export function googleClient<Scopes>({ clientId, clientSecret, issuer, scopes, egress, clock }: GoogleSettings<Scopes>) {
  const isSet = clientId !== "" && clientSecret !== ""
  const made = lazily(async () => {
    const { createGoogleSignIn } = await import("../../adapters/google/openid.ts")
    return createGoogleSignIn({ issuer, clientId, clientSecret, egress, clock })
  })
  return {
    signIn: isSet ? made : null,
    missingSetting: clientId === "" ? "google.client_id" : "google.client_secret",
    scopes,
  }
}

export interface WhatsAppSettings {
  readonly appId: string
  readonly appSecret: string
  readonly configId: string
  readonly url: string
  readonly version: string
  readonly egress: Egress
}

export function whatsAppClient({ appId, appSecret, configId, url, version, egress }: WhatsAppSettings) {
  const app = { appId: appId || null, appSecret: appSecret || null, configId: configId || null, graphVersion: version }
  return { app, graph: createWhatsAppGraph({ egress, url, version, appId, appSecret }) }
}
