import { BlockList, isIP } from "node:net"
import type { AllowEntry } from "../../kernel/allow-entry.ts"
import { EgressFailed, EgressRefused } from "./errors.ts"
import { notPublic } from "./ranges.ts"

/** Where requests may go: to public addresses, and to what the operator's allow-list names. */
export class Policy {
  readonly #names: readonly { readonly host: string; readonly port: number | null }[]
  readonly #networks: readonly { readonly list: BlockList; readonly version: 4 | 6; readonly port: number | null }[]

  constructor(allow: readonly AllowEntry[]) {
    this.#names = allow.flatMap(entry => (entry.kind === "name" ? [entry] : []))
    this.#networks = allow.flatMap(entry => {
      if (entry.kind === "name") return []
      const list = new BlockList()
      list.addSubnet(entry.address, entry.prefix, entry.family)
      return [{ list, version: entry.family === "ipv4" ? 4 : 6, port: entry.port }] as const
    })
  }

  /** Why a request to this URL is refused, as far as that can be said before its host is resolved; null: not refused. */
  refusal(url: URL): string | null {
    if (url.protocol !== "http:" && url.protocol !== "https:") return "only http and https addresses can be reached"
    if (url.username !== "" || url.password !== "") return "an address must not carry a user name and password"
    const host = bareHost(url)
    if (host === "") return "the address names no host"
    if (isIP(host) === 0 || this.#allows(host, portOf(url))) return null
    const kind = notPublic(host)
    return kind === null ? null : `${url.host} is ${kind}; ${wayOut(url)}`
  }

  /** Throws unless every address that the URL's host resolved to may be connected to. One bad one spoils the name. */
  vet(url: URL, addresses: readonly string[]): void {
    if (addresses.length === 0) throw new EgressFailed(`${url.host} could not be reached: its name has no address`)
    const host = bareHost(url)
    const port = portOf(url)
    if (this.#names.some(name => name.host === host.replace(/\.$/, "") && fits(name.port, port))) return
    for (const address of addresses) {
      const kind = this.#allows(address, port) ? null : notPublic(address)
      // Not which address: what a name means inside this network is not the caller's to learn.
      if (kind !== null) throw new EgressRefused(`${url.host} resolves to ${kind}; ${wayOut(url)}`)
    }
  }

  #allows(address: string, port: number): boolean {
    const [bare = ""] = address.split("%")
    const version = isIP(bare)
    const family = version === 4 ? "ipv4" : "ipv6"
    // Versions are compared, as a list of IPv6 networks would also match plain IPv4 addresses.
    return this.#networks.some(n => n.version === version && fits(n.port, port) && n.list.check(bare, family))
  }
}

/** Without the brackets of an IPv6 literal. `URL` has turned every odd spelling of an IPv4 address into dotted numbers. */
export function bareHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "")
}

export function portOf(url: URL): number {
  return Number(url.port) || (url.protocol === "https:" ? 443 : 80)
}

function fits(allowed: number | null, port: number): boolean {
  return allowed === null || allowed === port
}

function wayOut(url: URL): string {
  return `the operator can allow it with the setting egress.allow = "${url.hostname}:${portOf(url)}"`
}
