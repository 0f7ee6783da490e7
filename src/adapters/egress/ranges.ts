import { BlockList, isIP } from "node:net"

/** Networks that no public service lives in, or that lead back to this machine and its neighbours. The first match names it. */
const IPV4_RANGES: readonly (readonly [network: string, kind: string])[] = [
  ["0.0.0.0/8", "an address of this machine"],
  ["127.0.0.0/8", "a loopback address"],
  ["169.254.0.0/16", "a link-local or metadata address"],
  ["168.63.129.16/32", "a metadata address"],
  ["10.0.0.0/8", "a private address"],
  ["172.16.0.0/12", "a private address"],
  ["192.168.0.0/16", "a private address"],
  ["100.64.0.0/10", "an address of a provider's own network"],
  ["192.0.0.0/24", "a reserved address"],
  ["192.0.2.0/24", "a documentation address"],
  ["198.51.100.0/24", "a documentation address"],
  ["203.0.113.0/24", "a documentation address"],
  ["192.88.99.0/24", "a 6to4 relay"],
  ["198.18.0.0/15", "a benchmarking address"],
  ["224.0.0.0/4", "a multicast address"],
  ["255.255.255.255/32", "the broadcast address"],
  ["240.0.0.0/4", "a reserved address"],
]

const IPV6_RANGES: readonly (readonly [network: string, kind: string])[] = [
  ["::1/128", "a loopback address"],
  ["::/128", "an address of this machine"],
  ["::ffff:0:0/96", "an IPv4 address in IPv6 spelling"],
  ["::/96", "an IPv4 address in IPv6 spelling"],
  ["::ffff:0:0:0/96", "an IPv4 address in IPv6 spelling"],
  ["64:ff9b::/96", "an IPv4 address behind NAT64"],
  ["64:ff9b:1::/48", "an IPv4 address behind NAT64"],
  ["2001::/32", "a Teredo address"],
  ["2001:2::/48", "a benchmarking address"],
  ["2001::/23", "a reserved address"],
  ["2001:db8::/32", "a documentation address"],
  ["3fff::/20", "a documentation address"],
  ["2002::/16", "a 6to4 address"],
  ["fe80::/10", "a link-local address"],
  ["fec0::/10", "a site-local address"],
  ["fd00:ec2::/32", "a metadata address"],
  ["fc00::/7", "a unique local address"],
  ["ff00::/8", "a multicast address"],
]
/** Global unicast; IPv6 has no other addresses that are public. */
const IPV6_PUBLIC = "2000::/3"

const ipv4 = IPV4_RANGES.map(([network, kind]) => ({ list: listOf(network, "ipv4"), kind }))
const ipv6 = IPV6_RANGES.map(([network, kind]) => ({ list: listOf(network, "ipv6"), kind }))
const publicIpv6 = listOf(IPV6_PUBLIC, "ipv6")

/** Why an address is not public; null when it is. Of text that is no address, too: what cannot be judged is not let out. */
export function notPublic(address: string): string | null {
  const [bare = ""] = address.split("%")
  switch (isIP(bare)) {
    case 4:
      return ipv4.find(({ list }) => list.check(bare, "ipv4"))?.kind ?? null
    case 6: {
      const kind = ipv6.find(({ list }) => list.check(bare, "ipv6"))?.kind
      return kind ?? (publicIpv6.check(bare, "ipv6") ? null : "a reserved address")
    }
    default:
      return "no address at all"
  }
}

/** One list a network: within one list, an IPv4-mapped range would also match every plain IPv4 address. */
function listOf(network: string, family: "ipv4" | "ipv6"): BlockList {
  const [address = "", prefix] = network.split("/")
  const list = new BlockList()
  list.addSubnet(address, Number(prefix), family)
  return list
}
