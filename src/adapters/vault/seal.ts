import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"

export const KEY_BYTES = 32
const VERSION = 1
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** What a sealed value is and where it belongs. It is authenticated with it, so it opens nowhere else. */
export type Place = readonly ["data-key", tenantId: string] | readonly ["secret", tenantId: string, name: string]

/**
 * AES-256-GCM: version byte, nonce, ciphertext, tag. The nonce comes from the system directly and is not passed in:
 * a repeated one would give the key away, so not even a test may fix it.
 */
export function seal(key: Uint8Array, plaintext: Uint8Array, place: Place): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(additionalData(place))
  const text = Buffer.concat([cipher.update(plaintext), cipher.final()])
  return Buffer.concat([Buffer.of(VERSION), nonce, text, cipher.getAuthTag()])
}

/** Null when it was changed, was sealed by another key or for another place. */
export function unseal(key: Uint8Array, sealed: Uint8Array, place: Place): Buffer | null {
  if (sealed.byteLength < 1 + NONCE_BYTES + TAG_BYTES || sealed[0] !== VERSION) return null
  const tagAt = sealed.byteLength - TAG_BYTES
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(1, 1 + NONCE_BYTES), { authTagLength: TAG_BYTES })
  decipher.setAAD(additionalData(place))
  decipher.setAuthTag(sealed.subarray(tagAt))
  const text = decipher.update(sealed.subarray(1 + NONCE_BYTES, tagAt))
  try {
    return Buffer.concat([text, decipher.final()])
  } catch {
    return null
  }
}

/** JSON keeps the parts apart: `["a","bc"]` and `["ab","c"]` must differ. */
function additionalData(place: Place): Buffer {
  return Buffer.from(JSON.stringify(["agentruntime/vault", VERSION, ...place]))
}
