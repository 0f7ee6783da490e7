import type { Asker } from "../../kernel/asker.ts"
import { isJsonObject, type JsonObject, textOf } from "../../kernel/json.ts"
import { OAUTH_ANSWER_MAX_BYTES, OAUTH_ANSWER_MAX_MS } from "../../kernel/limits.ts"
import type { Egress } from "../egress/egress.ts"
import { EgressFailed, EgressRefused } from "../egress/errors.ts"

/** Pages of phone numbers that are looked through, of 100 each. */
const PAGES_MAX = 20
const MESSAGE_MAX_CHARS = 500

export interface PhoneNumber {
  /** As people read it, e.g. `+1 555 0100`. */
  readonly display: string
  readonly verifiedName: string
}

/** Meta's Graph API, as far as connecting needs it. Errors: `GraphFailure`. */
export interface WhatsAppGraph {
  /** The code of an embedded signup for the business's token. */
  exchange(asker: Asker, code: string): Promise<{ readonly accessToken: string; readonly expiresInMs: number | null }>
  /** The number of the business account; null: the account has no such number. Ids are digits. */
  phoneNumber(asker: Asker, accessToken: string, businessAccountId: string, phoneNumberId: string): Promise<PhoneNumber | null>
}

/** `refused`: with Meta's own text, in which nothing that was sent is left. */
export class GraphFailure extends Error {
  override readonly name = "GraphFailure"
  constructor(
    readonly kind: "refused" | "unavailable",
    message: string,
  ) {
    super(message)
  }
}

export interface WhatsAppGraphDeps {
  readonly egress: Egress
  /** e.g. `https://graph.facebook.com`. */
  readonly url: string
  /** e.g. `v20.0`. */
  readonly version: string
  readonly appId: string
  readonly appSecret: string
}

export function createWhatsAppGraph({ egress, url, version, appId, appSecret }: WhatsAppGraphDeps): WhatsAppGraph {
  async function get(asker: Asker, path: string, query: Record<string, string>, token: string | null): Promise<JsonObject> {
    const address = `${url}/${version}/${path}?${new URLSearchParams(query)}`
    const headers: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` }
    const limits = { totalMs: OAUTH_ANSWER_MAX_MS, answerBytes: OAUTH_ANSWER_MAX_BYTES }
    const answer = await reached(() => egress.for(asker).fetch(address, { headers, redirect: "error" }, limits))
    const body = parsed(await reached(() => answer.text()))
    if (answer.ok && body) return body
    const error = body && isJsonObject(body.error) ? body.error : null
    const message = masked(textOf(error?.message), [token, appSecret, query.code]).slice(0, MESSAGE_MAX_CHARS)
    if (answer.status >= 400 && answer.status < 500 && answer.status !== 429 && message !== "")
      throw new GraphFailure("refused", message)
    throw new GraphFailure("unavailable", `Meta answered ${answer.status}${message === "" ? "" : `: ${message}`}`)
  }

  return {
    async exchange(asker, code) {
      const body = await get(asker, "oauth/access_token", { client_id: appId, client_secret: appSecret, code }, null)
      const accessToken = textOf(body.access_token)
      if (accessToken === "") throw new GraphFailure("unavailable", "Meta's answer holds no access token")
      return { accessToken, expiresInMs: typeof body.expires_in === "number" ? body.expires_in * 1000 : null }
    },

    async phoneNumber(asker, accessToken, businessAccountId, phoneNumberId) {
      const query: Record<string, string> = { fields: "id,display_phone_number,verified_name", limit: "100" }
      for (let page = 0; page < PAGES_MAX; page++) {
        const { data, paging } = await get(asker, `${businessAccountId}/phone_numbers`, query, accessToken)
        const numbers = Array.isArray(data) ? data.filter(isJsonObject) : []
        const found = numbers.find(number => number.id === phoneNumberId)
        if (found) return { display: textOf(found.display_phone_number), verifiedName: textOf(found.verified_name) }
        const next = isJsonObject(paging) && paging.next !== undefined && isJsonObject(paging.cursors) ? paging.cursors : {}
        query.after = textOf(next.after)
        if (query.after === "") return null
      }
      return null
    },
  }
}

async function reached<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof EgressRefused) throw new GraphFailure("refused", error.message)
    if (error instanceof EgressFailed) throw new GraphFailure("unavailable", error.message)
    throw error
  }
}

function parsed(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text)
    return isJsonObject(value) ? value : null
  } catch {
    return null
  }
}

/** Meta's texts may repeat what they are about, also as it stood in the address. */
function masked(text: string, secrets: readonly (string | null | undefined)[]): string {
  const spellings = secrets.flatMap(secret => (secret ? [secret, encodeURIComponent(secret)] : []))
  return spellings.reduce((shown, secret) => shown.replaceAll(secret, "…"), text)
}
