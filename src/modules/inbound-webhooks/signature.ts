import { createHmac, timingSafeEqual } from "node:crypto"
import { SIGNATURE_WINDOW_MS } from "../../kernel/limits.ts"
import type { SignatureScheme } from "../../storage/schema/webhooks.ts"

export type Verdict =
  /** `secret`: the place of the one that fits, among those given. */
  | { readonly good: true; readonly scheme: SignatureScheme; readonly secret: number }
  /** `why`: for the owner of the subscription, never for the sender. */
  | { readonly good: false; readonly why: string }

/**
 * Whether one of `secrets` signed these bytes (contract §6.2). `header` is all of X-Agentruntime-Signature: `sha256=<hex>` over
 * the body, or `t=<unix s>,v1=<hex>` over `<unix s>.<body>`. Every secret is tried, so that time tells nothing.
 */
export function verifySignature(header: string | null, body: Uint8Array, secrets: readonly string[], now: number): Verdict {
  if (header === null) return bad("the header X-Agentruntime-Signature is missing")
  const bodyOnly = /^sha256=([0-9a-f]{64})$/i.exec(header.trim())?.[1]
  if (bodyOnly !== undefined) return judged("body", bodyOnly, secrets, "", body)
  const parts = timestampParts(header)
  if (parts === null) return bad("X-Agentruntime-Signature is neither sha256=<hex> nor t=<unix seconds>,v1=<hex>, once")
  // First whether it is signed at all: what a stranger says about the time is worth nothing.
  const verdict = judged("timestamp", parts.hex, secrets, `${parts.seconds}.`, body)
  if (!verdict.good || Math.abs(now - Number(parts.seconds) * 1000) <= SIGNATURE_WINDOW_MS) return verdict
  return bad(`the signature's time is more than ${SIGNATURE_WINDOW_MS / 1000} seconds off this server's clock`)
}

/** Other parts are ignored; one that comes twice could be read in two ways. */
function timestampParts(header: string): { readonly seconds: string; readonly hex: string } | null {
  const usual = /^t=([1-9]\d{0,11}),v1=([0-9a-f]{64})$/.exec(header)
  if (usual) return { seconds: usual[1] ?? "", hex: usual[2] ?? "" }
  const given = new Map<string, string>()
  for (const part of header.split(",")) {
    const [name = "", ...value] = part.trim().split("=")
    if (name !== "t" && name !== "v1") continue
    if (given.has(name)) return null
    given.set(name, value.join("="))
  }
  const [seconds = "", hex = ""] = [given.get("t"), given.get("v1")]
  return /^[1-9]\d{0,11}$/.test(seconds) && /^[0-9a-f]{64}$/i.test(hex) ? { seconds, hex } : null
}

function judged(scheme: SignatureScheme, hex: string, secrets: readonly string[], prefix: string, body: Uint8Array): Verdict {
  const sent = Buffer.from(hex, "hex")
  let fits = -1
  for (const [place, secret] of secrets.entries()) {
    const wanted = createHmac("sha256", secret).update(prefix).update(body).digest()
    if (timingSafeEqual(wanted, sent)) fits = place
  }
  return fits >= 0
    ? { good: true, scheme, secret: fits }
    : bad("the signature does not fit the body: another secret, or other bytes than were signed")
}

function bad(why: string): Verdict {
  return { good: false, why }
}
