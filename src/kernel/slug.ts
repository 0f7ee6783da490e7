import { AppError } from "./errors.ts"

const SLUG = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/** A name in addresses and headers. Throws `AppError("invalid")`. */
export function checkSlug(slug: string): void {
  if (SLUG.test(slug)) return
  throw new AppError("invalid", "a slug is 1 to 63 lower-case letters, digits and dashes, with no dash at either end", {
    code: "SLUG_INVALID",
  })
}
