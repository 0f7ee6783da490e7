import type { JsonObject } from "../kernel/json.ts"

/**
 * What a saved connection of the workspace gives, read at the moment of use: the access token of an OAuth connection is
 * refreshed first when it runs out within a minute. Throws only when the database does.
 */
export type CredentialsOf = (scope: { readonly tenantId: string }, connectionId: string) => Promise<Credentials>

export type Credentials =
  | {
      readonly ok: true
      /** `custom`, `google_account`, `whatsapp`, `mcp_oauth`. */
      readonly provider: string
      readonly service: string
      /** Secrets by key, e.g. `api_key`, always as text; of an OAuth connection the fresh `access_token`. */
      readonly values: Readonly<Record<string, string>>
      /** Of a Google connection also `services`: which of them are switched on. */
      readonly metadata: JsonObject
    }
  /** A sentence without secrets that says what to do: no such connection, somebody has to sign in again, the vault is damaged. */
  | { readonly ok: false; readonly message: string }

/** Told of every connection that was changed or deleted, so that what was built from its values is dropped. */
export type ConnectionListener = (tenantId: string, connectionId: string) => void
