import { lookup as systemLookup } from "node:dns/promises"
import * as http from "node:http"
import * as https from "node:https"
import { isIP, type LookupFunction } from "node:net"
import { EGRESS_IDLE_MAX_MS } from "../../kernel/limits.ts"
import { EgressFailed, failureOf } from "./errors.ts"
import type { Hop } from "./hop.ts"
import { bareHost, type Policy, portOf } from "./policy.ts"

/** All addresses of a name. */
export type Resolve = (name: string) => Promise<readonly { readonly address: string; readonly family: number }[]>

export const systemResolve: Resolve = name => systemLookup(name, { all: true })

/** Idle connections kept for one host: with fewer than are used at a time, most requests would begin with a new one. */
const IDLE_PER_HOST_MAX = 256

/**
 * The connections of one policy. One that is used again is not looked up again, so a pool must never serve two policies;
 * idle ones go soon, before most servers close them under the next request.
 */
export class Connections {
  readonly #http = new http.Agent({ keepAlive: true, maxFreeSockets: IDLE_PER_HOST_MAX, timeout: EGRESS_IDLE_MAX_MS })
  readonly #https: https.Agent

  constructor(
    private readonly policy: Policy,
    private readonly resolve: Resolve,
    ca: string | undefined,
  ) {
    const trusted = ca === undefined ? {} : { ca }
    this.#https = new https.Agent({
      keepAlive: true,
      maxFreeSockets: IDLE_PER_HOST_MAX,
      timeout: EGRESS_IDLE_MAX_MS,
      ...trusted,
    })
  }

  /**
   * Resolves when the head of the answer is there. `signal` ends it with its reason; `passed` is called when the host was
   * vetted and the request goes out.
   */
  send(hop: Hop, connectMs: number, signal: AbortSignal, passed: () => void): Promise<http.IncomingMessage> {
    const { url } = hop
    const secure = url.protocol === "https:"
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const request = (secure ? https : http).request({
        agent: secure ? this.#https : this.#http,
        host: bareHost(url),
        port: portOf(url),
        method: hop.method,
        path: url.pathname + url.search,
        headers: headersOf(hop),
        lookup: this.#vettedLookup(url, passed),
      })
      const connecting = setTimeout(() => {
        request.destroy(new EgressFailed(`${url.host} could not be reached: no connection within ${connectMs / 1000} s`))
      }, connectMs)
      const abort = () => void request.destroy(signal.reason instanceof Error ? signal.reason : undefined)
      signal.addEventListener("abort", abort, { once: true })
      let over = false
      const settled = () => {
        over = true
        clearTimeout(connecting)
        signal.removeEventListener("abort", abort)
      }
      request.on("socket", socket => {
        // The agent's limit is for idle connections; how long a request may take is the deadline's to say.
        socket.setTimeout(0)
        // One that is used again was vetted when it was made, and a literal before this.
        if (request.reusedSocket || isIP(bareHost(url)) !== 0) passed()
        if (request.reusedSocket) clearTimeout(connecting)
        else socket.once(secure ? "secureConnect" : "connect", () => clearTimeout(connecting))
      })
      request.on("response", message => {
        settled()
        resolve(message)
      })
      request.on("error", error => {
        settled()
        reject(signal.aborted ? signal.reason : failureOf(error, url.host))
      })
      request.on("close", () => {
        if (over) return
        settled()
        reject(signal.aborted ? signal.reason : new EgressFailed(`${url.host} could not be reached: the connection broke`))
      })
      request.end(hop.body ?? undefined)
    })
  }

  close(): void {
    this.#http.destroy()
    this.#https.destroy()
  }

  /** The connection is made to exactly the addresses that were vetted: the name is not resolved a second time. */
  #vettedLookup(url: URL, passed: () => void): LookupFunction {
    return (name, options, callback) => {
      const vetted = this.resolve(name).then(addresses => {
        this.policy.vet(
          url,
          addresses.map(a => a.address),
        )
        passed()
        return addresses
      })
      vetted.then(
        addresses => {
          if (options.all) return callback(null, [...addresses])
          const [first] = addresses
          callback(null, first?.address ?? "", first?.family)
        },
        error => callback(failureOf(error, url.host), ""),
      )
    }
  }
}

function headersOf({ url, headers, body, method }: Hop): Record<string, string> {
  const length = body !== null ? { "content-length": String(body.length) } : method === "GET" || method === "HEAD" ? {} : NONE
  return { ...Object.fromEntries(headers), ...length, host: url.host }
}

const NONE = { "content-length": "0" }
