import type { Refusal } from "./failures.ts"

/** How long the vendor wants to be left alone: by its headers, or by what Google writes into the body. Null: it did not say. */
export function retryAfterMs({ headers, body }: Refusal, now: number): number | null {
  return exactMs(headers["retry-after-ms"]) ?? secondsOrDate(headers["retry-after"], now) ?? retryInfoMs(body)
}

function exactMs(text: string | undefined): number | null {
  return text !== undefined && /^\d+(\.\d+)?$/.test(text.trim()) ? Math.ceil(Number(text)) : null
}

function secondsOrDate(text: string | undefined, now: number): number | null {
  if (text === undefined) return null
  const seconds = exactMs(text) === null ? null : Math.ceil(Number(text) * 1000)
  if (seconds !== null) return seconds
  const at = Date.parse(text)
  return Number.isNaN(at) ? null : Math.max(0, at - now)
}

/** `{"@type": "…/google.rpc.RetryInfo", "retryDelay": "36s"}` somewhere in the error's details. */
function retryInfoMs(body: Refusal["body"]): number | null {
  const found = JSON.stringify(body ?? "").match(/"retryDelay":"(\d+(?:\.\d+)?)s"/)
  return found === null ? null : Math.ceil(Number(found[1]) * 1000)
}
