import { AppError } from "../../kernel/errors.ts"

/** OWASP's argon2id: 19 MiB and two passes, some 50 ms. Stored hashes made with other values are renewed at sign-in. */
export const PASSWORD_HASHING: HashingCost = { memoryKib: 19_456, passes: 2 }
export const PASSWORD_MIN_CHARS = 8
export const PASSWORD_MAX_CHARS = 256

export interface HashingCost {
  readonly memoryKib: number
  readonly passes: number
}

export interface Passwords {
  hash(password: string): Promise<string>
  /** Takes as long for a missing hash as for a wrong password, so that time does not tell who has an account. */
  verify(password: string, hash: string | null): Promise<boolean>
  /** True when the hash was made with other parameters than today's. */
  isOutdated(hash: string): boolean
}

export function createPasswords(cost: HashingCost = PASSWORD_HASHING): Passwords {
  const parameters = `$argon2id$v=19$m=${cost.memoryKib},t=${cost.passes},p=1$`
  // No password has this hash: checking against it costs the full price and fails.
  const nobodys = `${parameters}${"A".repeat(43)}$${"A".repeat(43)}`
  return {
    hash: password =>
      Bun.password.hash(normal(password), { algorithm: "argon2id", memoryCost: cost.memoryKib, timeCost: cost.passes }),
    async verify(password, hash) {
      const matches = await Bun.password.verify(normal(password), hash ?? nobodys)
      return matches && hash !== null
    },
    isOutdated: hash => !hash.startsWith(parameters),
  }
}

export function checkPassword(password: string): void {
  const length = [...password].length
  if (length < PASSWORD_MIN_CHARS) throw weak(`the password is too short: use at least ${PASSWORD_MIN_CHARS} characters`)
  if (length > PASSWORD_MAX_CHARS) throw weak(`the password is too long: use at most ${PASSWORD_MAX_CHARS} characters`)
}

/** Keyboards differ in how they write the same letter. */
function normal(password: string): string {
  return password.normalize("NFC")
}

function weak(sentence: string): AppError {
  return new AppError("invalid", sentence, { code: "PASSWORD_UNSUITABLE" })
}
