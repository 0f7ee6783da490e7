import { isIPv4, isIPv6 } from "node:net"

interface SocketAddresses {
  requestIP(request: Request): { readonly address: string } | null
}

/** Where the operator reads what is set wrongly. */
export interface AddressLog {
  warn(message: string): void
}

/** Says once, of one instance, that a proxy seems to be there and the settings say that there is none. */
export class Addresses {
  #warned = false

  constructor(
    /** Count sign-ins by `X-Forwarded-For`: only behind a proxy that sets it. */
    private readonly trustProxy: boolean,
    private readonly log?: AddressLog,
  ) {}

  of(request: Request, server: SocketAddresses | null): string | null {
    if (!this.trustProxy && !this.#warned && request.headers.has("x-forwarded-for")) {
      this.#warned = true
      this.log?.warn(
        "a request came with X-Forwarded-For and auth.trust_proxy is off. If a proxy is in front, set auth.trust_proxy: " +
          "otherwise all people share the proxy's address, and one who guesses passwords locks everybody out",
      )
    }
    return addressOf(request, server, this.trustProxy)
  }
}

/**
 * The address that sign-in limits count. From the socket; from the last entry of `X-Forwarded-For`, which the proxy
 * itself wrote, only where the operator says that there is one. Null where there is no socket, as in a test.
 */
export function addressOf(request: Request, server: SocketAddresses | null, trustProxy: boolean): string | null {
  const forwarded = trustProxy ? request.headers.get("x-forwarded-for")?.split(",").at(-1)?.trim() : undefined
  const address = forwarded || server?.requestIP(request)?.address
  return address ? counted(address) : null
}

/** The network of an address from `addressOf`: /24 of IPv4; IPv6 is a /64 already. */
export function networkOf(address: string): string {
  return isIPv4(address) ? `${address.slice(0, address.lastIndexOf("."))}.0/24` : address
}

/** One household or attacker has a whole IPv6 /64. */
function counted(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped) return mapped[1]!
  if (!isIPv6(address)) return address.slice(0, 64)
  const [head = "", tail] = address.split("::")
  const left = head === "" ? [] : head.split(":")
  const right = tail === undefined || tail === "" ? [] : tail.split(":")
  const groups =
    tail === undefined ? left : [...left, ...Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0"), ...right]
  return `${groups
    .slice(0, 4)
    .map(group => Number.parseInt(group, 16).toString(16))
    .join(":")}::/64`
}
