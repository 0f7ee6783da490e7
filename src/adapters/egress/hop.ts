/** One request on its way; a redirect leads to the next. */
export interface Hop {
  readonly url: URL
  readonly method: string
  readonly headers: Headers
  readonly body: Uint8Array | null
}

const REDIRECTS = new Set([301, 302, 303, 307, 308])
/** Ours to set, for each connection anew; `host` above all must be the one that was vetted. */
const OF_THE_CONNECTION = [
  ...["host", "connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"],
  "proxy-connection",
]
/** Names of headers that carry credentials: the standard ones, and what services call their keys. */
const CREDENTIAL = /authorization|cookie|api-?key|token|secret|password/
const OF_THE_BODY = ["content-encoding", "content-language", "content-location", "content-type"]

/** Only these leave; what concerns the connection does not. */
export function sentHeaders(given: Headers): Headers {
  const headers = new Headers(given)
  for (const name of OF_THE_CONNECTION) headers.delete(name)
  // The answer is passed on as it comes, so nobody would unpack it.
  if (!headers.has("accept-encoding")) headers.set("accept-encoding", "identity")
  return headers
}

/** Where an answer points to; null when it is no redirect, or points nowhere. */
export function redirectTarget(status: number, location: string | null, from: URL): URL | null {
  return REDIRECTS.has(status) && location !== null ? URL.parse(location, from) : null
}

/** 307 and 308 repeat the request; the others fetch what they point to. Another origin does not get the credentials. */
export function nextHop(hop: Hop, status: number, url: URL): Hop {
  const headers = new Headers(hop.headers)
  if (url.origin !== hop.url.origin) {
    for (const name of [...headers.keys()]) if (CREDENTIAL.test(name)) headers.delete(name)
  }
  if (status === 307 || status === 308) return { ...hop, url, headers }
  for (const name of OF_THE_BODY) headers.delete(name)
  return { url, headers, method: hop.method === "HEAD" ? "HEAD" : "GET", body: null }
}
