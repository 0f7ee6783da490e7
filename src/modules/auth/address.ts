import { isIPv6 } from "node:net"

interface SocketAddresses {
  requestIP(request: Request): { readonly address: string } | null
}

/**
 * The address that sign-in limits count. From the socket; from the last entry of `X-Forwarded-For`, which the proxy
 * itself wrote, only where the operator says that there is one. Null where there is no socket, as in a test.
 */
export function addressOf(request: Request, server: SocketAddresses | null, trustProxy: boolean): string | null {
  const forwarded = trustProxy ? request.headers.get("x-forwarded-for")?.split(",").at(-1)?.trim() : undefined
  const address = forwarded || server?.requestIP(request)?.address
  return address ? network(address) : null
}

/** One household or attacker has a whole IPv6 /64. */
function network(address: string): string {
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
