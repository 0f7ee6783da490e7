import { AppError } from "./errors.ts"

const EMAIL_MAX_CHARS = 254
const EMAIL = /^[^\s@"<>,;]+@[^\s@"<>,;]+$/

/** The sign-in name: lower case, without the blanks that copying adds. A host without a dot is fine in a private network. */
export function normalEmail(text: string): string {
  const email = text.trim().toLowerCase()
  if (email.length > EMAIL_MAX_CHARS || !EMAIL.test(email))
    throw new AppError("invalid", "the e-mail address is not valid", { code: "EMAIL_INVALID" })
  return email
}
