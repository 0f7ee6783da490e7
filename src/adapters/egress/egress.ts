import type { IncomingMessage } from "node:http"
import { isIP } from "node:net"
import type { AllowEntry } from "../../kernel/allow-entry.ts"
import type { Asker } from "../../kernel/asker.ts"
import { EGRESS_ANSWER_MAX_BYTES, EGRESS_CONNECT_MAX_MS, EGRESS_REDIRECTS_MAX, EGRESS_TOTAL_MAX_MS } from "../../kernel/limits.ts"
import { answerOf } from "./answer.ts"
import { Connections, type Resolve, systemResolve } from "./connection.ts"
import { type Deadline, startDeadline } from "./deadline.ts"
import { EgressFailed, EgressRefused, failureOf } from "./errors.ts"
import { type Hop, nextHop, redirectTarget, sentHeaders } from "./hop.ts"
import { bareHost, Policy } from "./policy.ts"

export interface EgressDeps {
  /** What may be reached besides the public internet: the setting `egress.allow`. */
  readonly allow: readonly AllowEntry[]
  readonly resolve?: Resolve
  /** Certificates (PEM) that are trusted in place of the system's. */
  readonly ca?: string
}

export interface EgressLimits {
  /** For name, connection and TLS together. */
  readonly connectMs: number
  /** From the call to the last byte of the answer, redirects included. */
  readonly totalMs: number
  readonly answerBytes: number
}

/** The one door to the outside. Whoever goes through it says on whose behalf. */
export interface Egress {
  /** What goes out through it is done for `asker`. Cheap: one for each call is fine. */
  for(asker: Asker): Outgoing
  /** Why `fetch` would refuse it, as far as that can be said without resolving the host; null: it would try. */
  refusal(url: string | URL): string | null
  close(): void
}

/** Errors: `EgressRefused`, `EgressFailed`, or the reason of the caller's signal. Reading an answer can fail with the latter two. */
export interface Outgoing {
  /** Used as the web's own, and can be handed to libraries as theirs. */
  fetch(input: string | URL | Request, init?: RequestInit, limits?: Partial<EgressLimits>): Promise<Response>
  /**
   * The addresses of a host, vetted, for protocols that are no HTTP: connect to one of exactly these, and check certificates
   * against the name.
   */
  addresses(host: string, port: number): Promise<readonly string[]>
}

const LIMITS: EgressLimits = {
  connectMs: EGRESS_CONNECT_MAX_MS,
  totalMs: EGRESS_TOTAL_MAX_MS,
  answerBytes: EGRESS_ANSWER_MAX_BYTES,
}
const NO_ADDRESS = "this is no address such as https://api.example.com"

/**
 * Every host is vetted, after it was resolved and in every spelling, and so is every redirect: nothing that a workflow or
 * an answer says leads to this machine or its network, unless the operator allows it.
 */
export function createEgress({ allow, resolve = systemResolve, ca }: EgressDeps): Egress {
  const policy = new Policy(allow)
  const connections = new Connections(policy, resolve, ca)

  function checked(url: URL | null): URL {
    const refused = url === null ? NO_ADDRESS : policy.refusal(url)
    if (url === null || refused !== null) throw new EgressRefused(refused ?? NO_ADDRESS)
    return url
  }

  async function follow(first: Hop, redirect: RequestRedirect, limits: EgressLimits, deadline: Deadline): Promise<Response> {
    let hop = first
    for (let redirects = 0; ; redirects++) {
      checked(hop.url)
      const message = await connections.send(hop, limits.connectMs, deadline.signal)
      const status = message.statusCode ?? 0
      const target = redirect === "manual" ? null : redirectTarget(status, message.headers.location ?? null, hop.url)
      if (target === null) return answerOf(message, hop, limits.answerBytes, deadline)
      discard(message)
      if (redirect === "error") throw new EgressFailed(`${hop.url.host} answered with a redirect, which is not followed here`)
      if (redirects === EGRESS_REDIRECTS_MAX)
        throw new EgressFailed(`${first.url.host} leads to more than ${EGRESS_REDIRECTS_MAX} redirects`)
      hop = nextHop(hop, status, target)
    }
  }

  const outgoing: Outgoing = {
    async fetch(input, init, given) {
      const url = checked(URL.parse(input instanceof Request ? input.url : input))
      const request = new Request(input, init)
      const limits = { ...LIMITS, ...given }
      // Before the body is read: afterwards Bun no longer knows the content-type that came from it.
      const headers = sentHeaders(request.headers)
      const body = request.body === null ? null : new Uint8Array(await request.arrayBuffer())
      const late = () => new EgressFailed(`${url.host} did not answer in full within ${limits.totalMs / 1000} s`)
      const deadline = startDeadline(limits.totalMs, request.signal, late)
      try {
        const hop = { url, method: request.method, headers, body }
        return await follow(hop, request.redirect, limits, deadline)
      } catch (error) {
        deadline.end()
        throw error
      }
    },
    async addresses(host, port) {
      const url = checked(URL.parse(`http://${host.includes(":") ? `[${host}]` : host}:${port}/`))
      const literal = bareHost(url)
      if (isIP(literal) !== 0) return [literal]
      const found = (await lookUp(resolve, url)).map(a => a.address)
      policy.vet(url, found)
      return found
    },
  }

  return {
    for: () => outgoing,
    refusal(text) {
      const url = URL.parse(text)
      return url === null ? NO_ADDRESS : policy.refusal(url)
    },
    close: () => connections.close(),
  }
}

async function lookUp(resolve: Resolve, url: URL): ReturnType<Resolve> {
  try {
    return await resolve(bareHost(url))
  } catch (error) {
    throw failureOf(error, url.host)
  }
}

/** The body of a redirect is nobody's; reading it would let the other side decide how long. */
function discard(message: IncomingMessage): void {
  message.on("error", () => {})
  message.destroy()
}
