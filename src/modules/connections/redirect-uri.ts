import { AppError } from "../../kernel/errors.ts"

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"])

/**
 * Where a service sends the browser with its code: over TLS, or to the person's own machine. Throws `invalid` for what would
 * carry the code in the clear, or could not be told from another address.
 */
export function checkedRedirectUri(text: string): string {
  const url = URL.parse(text)
  const isSafe = url?.protocol === "https:" || (url?.protocol === "http:" && LOOPBACK.has(url.hostname))
  if (url && isSafe && url.search + url.hash + url.username + url.password === "") return text
  throw new AppError(
    "invalid",
    "redirect_uri must be an https address, or http://localhost, without query and user name (the default is {public_url}/connections/callback)",
    { code: "BAD_REDIRECT_URI" },
  )
}
