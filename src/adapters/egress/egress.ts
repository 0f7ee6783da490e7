import type { IncomingMessage } from "node:http"
import { isIP } from "node:net"
import type { AllowEntry } from "../../kernel/allow-entry.ts"
import type { Asker } from "../../kernel/asker.ts"
import {
  EGRESS_ANSWER_MAX_BYTES,
  EGRESS_CONNECT_MAX_MS,
  EGRESS_REDIRECTS_MAX,
  EGRESS_SILENCE_MAX_MS,
  EGRESS_TOTAL_MAX_MS,
} from "../../kernel/limits.ts"
import { answerOf } from "./answer.ts"
import { askedFor } from "./asked.ts"
import { type Attempt, type OnAttempt, startAttempt } from "./attempts.ts"
import { Connections, type Resolve, systemResolve } from "./connection.ts"
import { type Deadline, startDeadline } from "./deadline.ts"
import { EgressFailed, EgressRefused, failureOf } from "./errors.ts"
import { type Hop, nextHop, redirectTarget } from "./hop.ts"
import { bareHost, Policy, portOf } from "./policy.ts"

export interface EgressDeps {
  /** What may be reached besides the public internet: the setting `egress.allow`. */
  readonly allow: readonly AllowEntry[]
  /** The public internet may not be reached either; names are not even looked up. */
  readonly sealed?: boolean
  /** Told of each hop of each request, and of each look-up for another protocol. */
  readonly onAttempt?: OnAttempt
  readonly resolve?: Resolve
  /** Certificates (PEM) that are trusted in place of the system's. */
  readonly ca?: string
}

export interface EgressLimits {
  /** For name, connection and TLS together. */
  readonly connectMs: number
  /** From the call to the last byte of the answer, redirects included. `Infinity` for streams that stay open. */
  readonly totalMs: number
  /** How long the other side may send no byte while one is awaited. As `totalMs`, or two minutes where that is endless. */
  readonly idleMs: number
  /** Of the answer, as it comes and unpacked. */
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
  readonly fetch: EgressFetch
  /**
   * The addresses of a host, vetted, for protocols that are no HTTP: connect to one of exactly these, and check certificates
   * against the name.
   */
  addresses(host: string, port: number): Promise<readonly string[]>
}

/** Used as the web's own, and can be handed to libraries as theirs: it needs no `this`. */
export interface EgressFetch {
  (input: string | URL | Request, init?: RequestInit, limits?: Partial<EgressLimits>): Promise<Response>
  /** Part of Bun's `typeof fetch`. Does nothing: a connection is made for a request. */
  preconnect(): void
}

const NO_ADDRESS = "this is no address such as https://api.example.com"

/**
 * Every host is vetted, after it was resolved and in every spelling, and so is every redirect: nothing that a workflow or
 * an answer says leads to this machine or its network, unless the operator allows it.
 */
export function createEgress({ allow, sealed = false, onAttempt = () => {}, resolve = systemResolve, ca }: EgressDeps): Egress {
  const policy = new Policy(allow, sealed)
  const connections = new Connections(policy, resolve, ca)

  async function follow(asker: Asker, first: Hop, redirect: RequestRedirect, limits: EgressLimits, deadline: Deadline) {
    let hop = first
    for (let redirects = 0; ; redirects++) {
      const attempt = startAttempt(onAttempt, asker, hop.url)
      const message = await settled(attempt, async () => {
        check(policy, hop.url)
        return await connections.send(hop, limits.connectMs, deadline.signal, attempt.passed)
      })
      deadline.stirred()
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

  async function send(asker: Asker, input: string | URL | Request, init?: RequestInit, given?: Partial<EgressLimits>) {
    const url = urlOf(input instanceof Request ? input.url : input)
    // Before a `Request` is made of it, which judges addresses in its own way and words.
    const refused = policy.refusal(url)
    if (refused !== null) {
      const error = new EgressRefused(refused)
      startAttempt(onAttempt, asker, url).failed(error)
      throw error
    }
    const { method, headers, body, redirect, signal } = askedFor(input, init)
    const limits = limitsOf(given)
    const deadline = startDeadline(url.host, limits, signal)
    try {
      const bytes = typeof body === "function" ? new Uint8Array(await before(deadline.signal, body())) : body
      return await follow(asker, { url, method, headers, body: bytes }, redirect, limits, deadline)
    } catch (error) {
      deadline.end()
      throw error
    }
  }

  async function addresses(asker: Asker, host: string, port: number): Promise<readonly string[]> {
    const url = urlOfHost(host, port)
    return await settled(startAttempt(onAttempt, asker, url, "tcp"), async () => {
      check(policy, url)
      const literal = bareHost(url)
      if (isIP(literal) !== 0) return [literal]
      const found = (await lookUp(resolve, url)).map(a => a.address)
      policy.vet(url, found)
      return found
    })
  }

  return {
    for: asker => ({
      fetch: Object.assign(
        (input: string | URL | Request, init?: RequestInit, limits?: Partial<EgressLimits>) => send(asker, input, init, limits),
        { preconnect() {} },
      ),
      addresses: (host, port) => addresses(asker, host, port),
    }),
    refusal(text) {
      const url = URL.parse(text)
      return url === null ? NO_ADDRESS : policy.refusal(url)
    },
    close: () => connections.close(),
  }
}

function urlOf(text: string | URL): URL {
  const url = URL.parse(text)
  if (url === null) throw new EgressRefused(NO_ADDRESS)
  return url
}

/** Only what is nothing but a host: of `db:5432/`, say, another port would be vetted than the one that is connected to. */
function urlOfHost(host: string, port: number): URL {
  const bare = host.replace(/^\[(.*)\]$/, "$1")
  const text = `http://${bare.includes(":") ? `[${bare}]` : bare}:${port}/`
  const url = urlOf(text)
  const { pathname, search, hash, username, password } = url
  if (`${pathname}${search}${hash}${username}${password}` !== "/" || portOf(url) !== port) throw new EgressRefused(NO_ADDRESS)
  return url
}

function check(policy: Policy, url: URL): void {
  const refused = policy.refusal(url)
  if (refused !== null) throw new EgressRefused(refused)
}

/** What came of `work` is what came of the attempt. */
async function settled<T>(attempt: Attempt, work: () => T | Promise<T>): Promise<T> {
  try {
    const result = await work()
    attempt.passed()
    return result
  } catch (error) {
    attempt.failed(error)
    throw error
  }
}

function limitsOf(given: Partial<EgressLimits> = {}): EgressLimits {
  const totalMs = given.totalMs ?? EGRESS_TOTAL_MAX_MS
  return {
    connectMs: EGRESS_CONNECT_MAX_MS,
    idleMs: totalMs === Number.POSITIVE_INFINITY ? EGRESS_SILENCE_MAX_MS : totalMs,
    answerBytes: EGRESS_ANSWER_MAX_BYTES,
    ...given,
    totalMs,
  }
}

/** `work`, unless the signal comes first. */
async function before<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(signal.reason)
  if (signal.aborted) abort()
  signal.addEventListener("abort", abort, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener("abort", abort)
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
