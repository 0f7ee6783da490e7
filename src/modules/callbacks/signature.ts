import { createHmac } from "node:crypto"
import type { Ids } from "../../kernel/ids.ts"

const SECRET_BYTES = 32

export function newSigningSecret(ids: Ids): string {
  return `whsec_${ids.secret(SECRET_BYTES)}`
}

/** `X-Agentruntime-Signature` as inbound webhooks have it (contract §6.2 B). The key is the whole secret, with its prefix. */
export function signatureOf(secret: string, body: string, now: number): string {
  const t = Math.floor(now / 1000)
  return `t=${t},v1=${createHmac("sha256", secret).update(`${t}.${body}`).digest("hex")}`
}
