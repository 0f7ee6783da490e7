import { GoogleFailure, type GoogleGrant, type GoogleSignIn } from "../../adapters/google/sign-in.ts"
import type { Caller } from "../../http/permission.ts"
import { type Asker, asker } from "../../kernel/asker.ts"
import { type Clock, rfc3339 } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import type { Ids } from "../../kernel/ids.ts"
import { isJsonObject, type JsonObject, textOf } from "../../kernel/json.ts"
import type { ConnectionBody } from "./contract.ts"
import type { Completion, GoogleAccountBody, GoogleBeginning, GoogleSwitches } from "./google-contract.ts"
import { type GoogleService, IDENTITY_SCOPES } from "./google-services.ts"
import type { OAuthStates } from "./oauth-states.ts"
import { checkedRedirectUri } from "./redirect-uri.ts"
import type { SavedConnections } from "./saved.ts"
import type { ConnectionRow } from "./store.ts"
import { ACCESS_TOKEN, REFRESH_TOKEN, type Refresh } from "./tokens.ts"

export const GOOGLE_PROVIDER = "google_account"
const SERVICE = "oauth"

export interface GoogleConnectionsDeps {
  /** Null: the operator set no client, and this is what is missing. */
  readonly signIn: GoogleSignIn | null
  readonly missingSetting: string
  readonly services: ReadonlyMap<string, GoogleService>
  readonly states: OAuthStates
  readonly saved: SavedConnections
  readonly bodyOf: (row: ConnectionRow) => Promise<ConnectionBody>
  /** Where browsers come back to, unless somebody asks for another place. */
  readonly callbackUrl: string
  readonly clock: Clock
  readonly ids: Ids
}

/** One Google account, many services, each switched on with its own scopes (contract §7.2, G-20). */
export class GoogleConnections {
  constructor(private readonly deps: GoogleConnectionsDeps) {}

  config() {
    const { signIn, services, callbackUrl } = this.deps
    const listed = [...services.values()].map(({ service, label, scopes }) => ({ service, label, scopes: [...scopes] }))
    return { enabled: signIn !== null, client_source: "platform" as const, redirect_uri: callbackUrl, services: listed }
  }

  async begin(caller: Caller, wish: GoogleBeginning) {
    this.#enabled()
    const services = wish.services.map(name => this.#service(name))
    const row = wish.connection_id === undefined ? null : await this.#account(caller, wish.connection_id)
    return await this.#begin(caller, row, services, wish)
  }

  /** Ends what `begin` began: with the code that Google gave the browser. */
  async complete(caller: Caller, { code, state, iss }: Completion): Promise<ConnectionBody & { missing_scopes: string[] }> {
    const signIn = this.#enabled()
    const { row: begun, secret } = await this.deps.states.take(caller, "google", state)
    const request = begun.request
    const { nonce, verifier } = JSON.parse(secret) as { nonce: string; verifier: string } // as #begin wrote it
    const answer = { redirectUri: textOf(request.redirect_uri), code, issuer: iss ?? null, state, nonce, verifier }
    const grant = await refusable(() => signIn.exchange(askerOf(caller), answer))
    const asked = textsOf(request.scopes)
    const granted = [...new Set(grant.scopes ?? asked)]
    const services = textsOf(request.services).map(name => this.#service(name))
    const allowed = services.filter(({ scopes }) => scopes.every(scope => granted.includes(scope)))
    if (allowed.length === 0) throw notGranted(services)
    const kept = { grant, granted, services: allowed.map(({ service }) => service) }
    const row =
      begun.connectionId === null
        ? await this.#create(caller, textOf(request.display_name), kept)
        : await this.#renew(caller, begun.connectionId, kept)
    // Those of the identity come back under other names.
    const missing = services.flatMap(({ scopes }) => scopes.filter(scope => !granted.includes(scope)))
    return { ...(await this.deps.bodyOf(row)), missing_scopes: [...new Set(missing)] }
  }

  async account(caller: Caller, id: string): Promise<GoogleAccountBody> {
    return this.#accountBody(await this.#account(caller, id))
  }

  /** Switches services; those whose scopes were not granted yet stay off until somebody consents at the `url` of the answer. */
  async switch(caller: Caller, id: string, { services, redirect_uri }: GoogleSwitches) {
    const wanted = Object.entries(services).map(([name, on]) => ({ service: this.#service(name), on }))
    await this.#account(caller, id)
    let lacking: readonly GoogleService[] = []
    const row = await this.deps.saved.change(caller.tenantId, id, async before => {
      const granted = textsOf(before.metadata.granted_scopes)
      const isGranted = ({ scopes }: GoogleService) => scopes.every(scope => granted.includes(scope))
      lacking = wanted.filter(({ service, on }) => on && !isGranted(service)).map(({ service }) => service)
      const switched = wanted.filter(({ service, on }) => !on || isGranted(service))
      const on = { ...switches(before), ...Object.fromEntries(switched.map(({ service, on }) => [service.service, on])) }
      return { fields: { metadata: { ...before.metadata, services: on }, updatedAt: this.deps.clock.now() } }
    })
    const body = this.#accountBody(row)
    if (lacking.length === 0) return body
    this.#enabled()
    const redirect = redirect_uri === undefined ? {} : { redirect_uri }
    return { ...body, consent_required: true, ...(await this.#begin(caller, row, lacking, redirect)) }
  }

  /** How its tokens are renewed. */
  readonly refresh: Refresh = async ({ tenantId }, refreshToken) => {
    const { signIn, missingSetting } = this.deps
    if (!signIn) return { type: "later", reason: `the setting ${missingSetting} is missing` }
    try {
      return { type: "tokens", ...(await signIn.refresh(asker("connection google", { tenantId }), refreshToken)) }
    } catch (error) {
      if (!(error instanceof GoogleFailure)) throw error
      if (error.kind !== "grant_gone") return { type: "later", reason: error.message }
      return { type: "gone", reason: "Google's consent was taken back or has run out" }
    }
  }

  async #begin(
    caller: Caller,
    row: ConnectionRow | null,
    services: readonly GoogleService[],
    wish: { readonly redirect_uri?: string; readonly display_name?: string },
  ) {
    const { states, callbackUrl, ids } = this.deps
    const redirectUri = wish.redirect_uri === undefined ? callbackUrl : checkedRedirectUri(wish.redirect_uri)
    const scopes = [...new Set([...IDENTITY_SCOPES, ...services.flatMap(service => service.scopes)])]
    const [state, nonce, verifier] = [states.newState(), ids.secret(32), ids.secret(32)]
    const request = { redirectUri, scopes, state, nonce, verifier, loginHint: row?.account ?? null }
    const url = await refusable(() => this.#enabled().authorizationUrl(askerOf(caller), request))
    const kept = { redirect_uri: redirectUri, scopes, services: services.map(({ service }) => service) }
    const { expiresAt } = await states.begin(caller, state, {
      flow: "google",
      connectionId: row?.id ?? null,
      request: { ...kept, display_name: wish.display_name ?? "" },
      secret: JSON.stringify({ nonce, verifier }),
    })
    return { url, state, expires_at: rfc3339(expiresAt) }
  }

  async #create(caller: Caller, displayName: string, { grant, granted, services }: Kept): Promise<ConnectionRow> {
    const { saved, clock } = this.deps
    const { accessToken, refreshToken, email } = grant
    if (refreshToken === null) {
      const sentence =
        "Google gave nothing to renew the access with: remove this application at myaccount.google.com and connect again"
      throw new AppError("invalid", sentence, { code: "NO_REFRESH_TOKEN" })
    }
    return await saved.create(caller, {
      displayName: displayName || (email ?? "Google account"),
      provider: GOOGLE_PROVIDER,
      service: SERVICE,
      values: { [ACCESS_TOKEN]: accessToken, [REFRESH_TOKEN]: refreshToken },
      account: email,
      metadata: metadataOf(grant, granted, Object.fromEntries(services.map(service => [service, true]))),
      expiresAt: endOf(grant, clock.now()),
    })
  }

  async #renew(caller: Caller, id: string, { grant, granted, services }: Kept): Promise<ConnectionRow> {
    const { saved, clock } = this.deps
    const { accessToken, refreshToken, email } = grant
    return await saved.change(caller.tenantId, id, async before => {
      if (before.metadata.subject !== grant.subject) {
        const sentence = `this connection is of another Google account${before.account === null ? "" : `: sign in as ${before.account}`}`
        throw new AppError("invalid", sentence, { code: "OTHER_ACCOUNT" })
      }
      const on = { ...switches(before), ...Object.fromEntries(services.map(service => [service, true])) }
      const renewed = refreshToken === null ? {} : { [REFRESH_TOKEN]: refreshToken }
      return {
        fields: {
          ...{ status: "active", statusReason: null, account: email ?? before.account, updatedAt: clock.now() },
          metadata: metadataOf(grant, granted, this.#grantedOnly(on, granted)),
          expiresAt: endOf(grant, clock.now()),
        },
        values: { [ACCESS_TOKEN]: accessToken, ...renewed },
      }
    })
  }

  /** Consent may come back smaller than it was: a service without its scopes is off. */
  #grantedOnly(on: Readonly<Record<string, boolean>>, granted: readonly string[]): Record<string, boolean> {
    const isGranted = (name: string) => this.deps.services.get(name)?.scopes.every(scope => granted.includes(scope)) ?? false
    return Object.fromEntries(Object.entries(on).map(([name, isOn]) => [name, isOn && isGranted(name)]))
  }

  #accountBody(row: ConnectionRow): GoogleAccountBody {
    const granted = textsOf(row.metadata.granted_scopes)
    const on = switches(row)
    const services = [...this.deps.services.values()].map(({ service, scopes }) => ({
      ...{ service, enabled: on[service] ?? false },
      granted_scopes: scopes.filter(scope => granted.includes(scope)),
    }))
    return { connection_id: row.id, email: row.account, status: row.status, services }
  }

  async #account(caller: Caller, id: string): Promise<ConnectionRow> {
    const row = await this.deps.saved.find(caller.tenantId, id)
    if (row.provider !== GOOGLE_PROVIDER) throw new AppError("not_found", "no such Google connection")
    return row
  }

  #service(name: string): GoogleService {
    const { services } = this.deps
    const service = services.get(name)
    if (service) return service
    throw new AppError("invalid", `services must be among ${[...services.keys()].join(", ")}`)
  }

  #enabled(): GoogleSignIn {
    const { signIn, missingSetting } = this.deps
    if (signIn) return signIn
    const sentence = `Google is not set up on this instance: the operator has to set ${missingSetting}`
    throw new AppError("unavailable", sentence, { code: "NOT_CONFIGURED" })
  }
}

interface Kept {
  readonly grant: GoogleGrant
  readonly granted: readonly string[]
  /** To be switched on. */
  readonly services: readonly string[]
}

function metadataOf(
  { subject }: GoogleGrant,
  granted: readonly string[],
  services: Readonly<Record<string, boolean>>,
): JsonObject {
  return { subject, granted_scopes: granted, services }
}

function switches({ metadata }: ConnectionRow): Record<string, boolean> {
  const given = isJsonObject(metadata.services) ? metadata.services : {}
  return Object.fromEntries(Object.entries(given).map(([service, on]) => [service, on === true]))
}

function textsOf(value: JsonObject[string] | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter(entry => typeof entry === "string") : []
}

function endOf({ expiresInMs }: GoogleGrant, now: number): number | null {
  return expiresInMs === null ? null : now + expiresInMs
}

function askerOf({ tenantId, projectId, userId }: Caller): Asker {
  return asker("sign-in with google", { tenantId, projectId, userId })
}

function notGranted(services: readonly GoogleService[]): AppError {
  const sentence = `nothing that was asked for was granted: tick the permissions of ${services.map(({ label }) => label).join(", ")}`
  return new AppError("invalid", sentence, { code: "SCOPES_NOT_GRANTED" })
}

async function refusable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof GoogleFailure)) throw error
    if (error.kind === "unavailable")
      throw new AppError("unavailable", `${error.message}; try again`, { code: "GOOGLE_UNAVAILABLE" })
    throw new AppError("invalid", `${error.message}: begin again`, { code: "SIGN_IN_REFUSED" })
  }
}
