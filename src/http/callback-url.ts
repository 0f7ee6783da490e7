import { AppError } from "../kernel/errors.ts"
import { URL_MAX_CHARS } from "../kernel/limits.ts"

/** Throws `bad_request` for what nothing could be sent to. Which addresses are allowed is judged when it is sent. */
export function checkedCallbackUrl(text: string): string {
  const url = text.length <= URL_MAX_CHARS ? URL.parse(text) : null
  if (url && ["http:", "https:"].includes(url.protocol) && url.username === "" && url.password === "") return text
  const sentence = "callback_url must be an http or https address without a user name and password"
  throw new AppError("bad_request", `invalid request body: ${sentence}`, { code: "INVALID_BODY" })
}
