import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from "node:crypto"
import { WireFault } from "../database/wire.ts"

/** A server may ask for more work than a password is worth, and for so little that it could guess it. */
const ITERATIONS = { min: 4_096, max: 1_000_000 }

/** The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding. */
export class Scram {
  readonly #nonce = randomBytes(18).toString("base64")
  readonly #first = `n=,r=${this.#nonce}`
  #serverSignature: Buffer | null = null

  constructor(private readonly password: string) {}

  /** The first message. PostgreSQL takes the name of the user from elsewhere. */
  get first(): string {
    return `n,,${this.#first}`
  }

  async answer(challenge: string): Promise<string> {
    const [, nonce = "", salt = "", count = ""] = /^r=([^,]+),s=([A-Za-z0-9+/=]+),i=(\d{1,9})(?:,|$)/.exec(challenge) ?? []
    const iterations = Number(count)
    if (!nonce.startsWith(this.#nonce) || nonce === this.#nonce) throw new WireFault("the server's SCRAM challenge is not ours")
    if (iterations < ITERATIONS.min || iterations > ITERATIONS.max)
      throw new WireFault("the server's SCRAM challenge asks for an unreasonable number of rounds")
    const salted = await saltedPassword(prepared(this.password), Buffer.from(salt, "base64"), iterations)
    const clientKey = hmac(salted, "Client Key")
    const withoutProof = `c=biws,r=${nonce}`
    const message = `${this.#first},${challenge},${withoutProof}`
    const signature = hmac(createHash("sha256").update(clientKey).digest(), message)
    this.#serverSignature = hmac(hmac(salted, "Server Key"), message)
    return `${withoutProof},p=${Buffer.from(clientKey.map((byte, i) => byte ^ signature[i]!)).toString("base64")}`
  }

  /** Whoever cannot sign this does not know the password, and is not the server. */
  verify(final: string): void {
    const [, signature = ""] = /^v=([A-Za-z0-9+/=]+)/.exec(final) ?? []
    const given = Buffer.from(signature, "base64")
    const expected = this.#serverSignature
    if (!expected || given.length !== expected.length || !timingSafeEqual(given, expected))
      throw new WireFault("the server could not prove that it knows the password")
  }
}

function saltedPassword(password: string, salt: Buffer, iterations: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    pbkdf2(password, salt, iterations, 32, "sha256", (error, key) => (error ? reject(error) : resolve(key)))
  })
}

/** What is left of SASLprep for passwords that need it at all. */
function prepared(password: string): string {
  return password
    .replaceAll(/[\u00A0\u1680\u2000-\u200A\u202F\u205F\u3000]/g, " ")
    .replaceAll(/[\u00AD\u200B\uFEFF]/g, "")
    .normalize("NFKC")
}

function hmac(key: Buffer, text: string): Buffer {
  return Buffer.from(createHmac("sha256", key).update(text).digest())
}
