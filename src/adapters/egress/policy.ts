import { BlockList, isIP } from "node:net"
import type { AllowEntry } from "../../kernel/allow-entry.ts"
import { EgressFailed, EgressRefused } from "./errors.ts"
import { notPublic } from "./ranges.ts"

/** Where requests may go: to public addresses (unless sealed), and to what the operator's allow-list names. */
export class Policy {
  readonly #names: readonly NameRule[]
  readonly #networks: readonly NetworkRule[]

  constructor(
    allow: readonly AllowEntry[],
    private readonly sealed = false,
  ) {
    this.#names = allow.flatMap(entry => (entry.kind === "name" ? [entry] : []))
    this.#networks = allow.flatMap(entry => (entry.kind === "name" ? [] : [networkRule(entry)]))
  }

  /** Why a request to this URL is refused, as far as that can be said before its host is resolved; null: not refused. */
  refusal(url: URL): string | null {
    if (url.protocol !== "http:" && url.protocol !== "https:") return "only http and https addresses can be reached"
    if (url.username !== "" || url.password !== "") return "an address must not carry a user name and password"
    const host = bareHost(url)
    if (host === "") return "the address names no host"
    if (this.entryOf(url) !== null) return null
    const kind = isIP(host) === 0 ? null : notPublic(host)
    if (kind !== null) return `${url.host} is ${kind}; ${wayOut(url)}`
    // Sealed, a name is not even looked up: what is asked of a resolver has left the machine.
    return this.sealed ? `${url.host} is not on the allow-list, and this instance is sealed; ${wayOut(url)}` : null
  }

  /** The entry of the allow-list that names the URL's host; null: none does, though a name may resolve to what one opens. */
  entryOf(url: URL): AllowEntry | null {
    const host = bareHost(url)
    if (isIP(host) !== 0) return this.#networkOf(host, portOf(url))
    const name = host.replace(/\.$/, "")
    return this.#names.find(entry => entry.host === name && fits(entry.port, portOf(url))) ?? null
  }

  /** Throws unless every address that the URL's host resolved to may be connected to. One bad one spoils the name. */
  vet(url: URL, addresses: readonly string[]): void {
    if (addresses.length === 0) throw new EgressFailed(`${url.host} could not be reached: its name has no address`)
    if (this.entryOf(url) !== null) return
    for (const address of addresses) {
      const kind = this.#networkOf(address, portOf(url)) === null ? notPublic(address) : null
      // Not which address: what a name means inside this network is not the caller's to learn.
      if (kind !== null) throw new EgressRefused(`${url.host} resolves to ${kind}; ${wayOut(url)}`)
    }
  }

  #networkOf(address: string, port: number): AllowEntry | null {
    const [bare = ""] = address.split("%")
    const version = isIP(bare)
    const family = version === 4 ? "ipv4" : "ipv6"
    // Versions are compared, as a list of IPv6 networks would also match plain IPv4 addresses.
    const open = this.#networks.find(n => n.version === version && fits(n.entry.port, port) && n.list.check(bare, family))
    return open?.entry ?? null
  }
}

type NameRule = Extract<AllowEntry, { kind: "name" }>
type NetworkEntry = Extract<AllowEntry, { kind: "network" }>
interface NetworkRule {
  readonly entry: NetworkEntry
  readonly list: BlockList
  readonly version: 4 | 6
}

function networkRule(entry: NetworkEntry): NetworkRule {
  const list = new BlockList()
  list.addSubnet(entry.address, entry.prefix, entry.family)
  return { entry, list, version: entry.family === "ipv4" ? 4 : 6 }
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
  return `the operator can allow it by adding "${url.hostname}:${portOf(url)}" to the setting egress.allow`
}
