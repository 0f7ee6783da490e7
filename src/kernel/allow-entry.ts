/** What an operator opens for outgoing requests: a name, or the addresses of a network; on one port, or on all. */
export type AllowEntry =
  | { readonly kind: "name"; readonly host: string; readonly port: number | null }
  | {
      readonly kind: "network"
      readonly address: string
      /** Bits that count; all of them for a single address. */
      readonly prefix: number
      readonly family: "ipv4" | "ipv6"
      readonly port: number | null
    }

const CIDR = /^([^/[\]]+)\/(\d{1,3})$/
const BRACKETED = /^\[([^[\]]+)\](?::(\d{1,5}))?$/
const HOST = /^([^:/[\]]+)(?::(\d{1,5}))?$/
const NAME = /^[\p{L}\p{N}_.-]+$/u
const BYTE = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
const IPV4 = new RegExp(`^${BYTE}(?:\\.${BYTE}){3}$`)
const PORT_MAX = 65_535

/** `host`, `host:port` or CIDR; null for anything else. An address without a prefix is a network of one. */
export function parseAllowEntry(text: string): AllowEntry | null {
  const [, network, bits] = CIDR.exec(text) ?? []
  if (network !== undefined) return networkOf(network, Number(bits), null)
  const [, inBrackets, portBehind] = BRACKETED.exec(text) ?? []
  if (inBrackets !== undefined) return inBrackets.includes(":") ? networkOf(inBrackets, null, portBehind ?? null) : null
  if (text.split(":").length > 2) return networkOf(text, null, null)
  const [, host, port] = HOST.exec(text) ?? []
  if (host === undefined) return null
  return IPV4.test(host) ? networkOf(host, null, port ?? null) : nameOf(host, port ?? null)
}

/** As an operator would write it. */
export function allowEntryText(entry: AllowEntry): string {
  const port = entry.port === null ? "" : `:${entry.port}`
  if (entry.kind === "name") return entry.host + port
  if (entry.prefix < (entry.family === "ipv4" ? 32 : 128)) return `${entry.address}/${entry.prefix}`
  return entry.family === "ipv6" && port !== "" ? `[${entry.address}]${port}` : entry.address + port
}

function networkOf(text: string, bits: number | null, portText: string | null): AllowEntry | null {
  const port = portOf(portText)
  const family = IPV4.test(text) ? "ipv4" : "ipv6"
  const address = family === "ipv4" ? text : ipv6Of(text)
  const most = family === "ipv4" ? 32 : 128
  const prefix = bits ?? most
  if (address === null || port === undefined || prefix > most) return null
  return { kind: "network", address, prefix, family, port }
}

function ipv6Of(text: string): string | null {
  return /^[0-9a-f:.]+$/i.test(text) ? (URL.parse(`http://[${text}]/`)?.hostname.slice(1, -1) ?? null) : null
}

/** As a request will spell it. Another spelling of an address, such as `0x7f.1`, is no name. */
function nameOf(text: string, portText: string | null): AllowEntry | null {
  const port = portOf(portText)
  const host = NAME.test(text) ? URL.parse(`http://${text}/`)?.hostname.replace(/\.$/, "") : undefined
  if (!host || port === undefined || IPV4.test(host)) return null
  return { kind: "name", host, port }
}

/** Null: every port. Undefined: none that there is. */
function portOf(text: string | null): number | null | undefined {
  if (text === null) return null
  const port = Number(text)
  return port >= 1 && port <= PORT_MAX ? port : undefined
}
