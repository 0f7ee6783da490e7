import { timingSafeEqual } from "node:crypto"
import type { Vault } from "../../adapters/vault/vault.ts"
import type { Clock } from "../../kernel/clock.ts"
import type { Ids } from "../../kernel/ids.ts"
import { isJsonObject } from "../../kernel/json.ts"
import type { Writer } from "../../storage/database.ts"

/** What a connector elsewhere may ask for with its token: the configuration of one instance, and nothing else. */
export interface RunTokenClaims {
  readonly tenantId: string
  readonly projectId: string
  /** Null in a probe, which acts for no instance. */
  readonly instanceId: string | null
  readonly serverId: string
  /** The run that the call belongs to; its workflow's overrides count. */
  readonly runId: string | null
  readonly userId: string | null
}

export interface RunTokens {
  issue(claims: RunTokenClaims): Promise<string>
  /** Null for whatever is not a token of this instance that is still good. */
  verify(token: string): Promise<RunTokenClaims | null>
}

export interface RunTokenDeps {
  readonly vault: Vault<Writer>
  readonly transaction: <T>(body: (tx: Writer) => Promise<T>) => Promise<T>
  readonly ids: Ids
  readonly clock: Clock
}

/** Contract §8.1. */
const RUN_TOKEN_KEPT_MS = 30 * 24 * 3_600_000
const TOKEN = /^rt_([A-Za-z0-9_-]{20,2000})\.([A-Za-z0-9_-]{43})$/
const KEY_BYTES = 32
const KEY_NAME = "mcp:run_tokens"
const KEYS_IN_MEMORY_MAX = 10_000
/** A workspace's slug: what a stranger sends is looked up by nothing else. */
const TENANT = /^[a-z0-9-]{1,63}$/

/**
 * Signed, not stored: a run makes one for every call. Each workspace signs with a key of its own, which only the vault has.
 */
export function createRunTokens({ vault, transaction, ids, clock }: RunTokenDeps): RunTokens {
  const keys = new Map<string, string>()

  async function keyOf(tenantId: string): Promise<string | null> {
    const known = keys.get(tenantId) ?? (await vault.get(tenantId, KEY_NAME))
    return known === null ? null : remember(tenantId, known)
  }

  /** The transaction lets one of two who need the first one make it. */
  async function needKey(tenantId: string): Promise<string> {
    const known = await keyOf(tenantId)
    if (known !== null) return known
    const stored = await transaction(async tx => {
      const meanwhile = await vault.get(tenantId, KEY_NAME, tx)
      const key = meanwhile ?? ids.secret(KEY_BYTES)
      if (meanwhile === null) await vault.put(tenantId, KEY_NAME, key, tx)
      return key
    })
    return remember(tenantId, stored)
  }

  function remember(tenantId: string, key: string): string {
    if (keys.size >= KEYS_IN_MEMORY_MAX) keys.clear()
    keys.set(tenantId, key)
    return key
  }

  return {
    async issue({ tenantId, projectId, instanceId, serverId, runId, userId }) {
      const expiresAt = clock.now() + RUN_TOKEN_KEPT_MS
      const claims = JSON.stringify([tenantId, projectId, instanceId, serverId, runId, userId, expiresAt])
      const body = Buffer.from(claims).toString("base64url")
      return `rt_${body}.${signatureOf(await needKey(tenantId), body)}`
    },
    async verify(token) {
      const [, body, signature] = TOKEN.exec(token) ?? []
      const read = body === undefined ? null : claimsOf(body)
      if (body === undefined || signature === undefined || read === null) return null
      const key = await keyOf(read.claims.tenantId)
      if (key === null || !isSame(signatureOf(key, body), signature)) return null
      return read.expiresAt > clock.now() ? read.claims : null
    },
  }
}

function signatureOf(key: string, body: string): string {
  return new Bun.CryptoHasher("sha256", Buffer.from(key, "base64url")).update(`run token\n${body}`).digest("base64url")
}

function isSame(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}

/** As read, before anything vouches for it. */
function claimsOf(body: string): { readonly claims: RunTokenClaims; readonly expiresAt: number } | null {
  const list = parsed(Buffer.from(body, "base64url").toString("utf8"))
  if (!Array.isArray(list) || list.length !== 7) return null
  const [tenantId, projectId, instanceId, serverId, runId, userId, expiresAt] = list as readonly unknown[]
  if (typeof tenantId !== "string" || !TENANT.test(tenantId) || typeof projectId !== "string" || typeof serverId !== "string")
    return null
  if (!isTextOrNull(instanceId) || !isTextOrNull(runId) || !isTextOrNull(userId) || typeof expiresAt !== "number") return null
  return { claims: { tenantId, projectId, instanceId, serverId, runId, userId }, expiresAt }
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === "string"
}

function parsed(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return isJsonObject(value) ? null : value
  } catch {
    return null
  }
}
