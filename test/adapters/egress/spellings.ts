/** Addresses of every network that must not be reached: first, last, and one between. */
const IPV4 = [
  ["0.0.0.0", "0.1.2.3", "0.255.255.255"],
  ["10.0.0.0", "10.1.2.3", "10.255.255.255"],
  ["100.64.0.0", "100.100.100.200", "100.127.255.255"],
  ["127.0.0.0", "127.0.0.1", "127.255.255.255"],
  ["168.63.129.16"],
  ["169.254.0.0", "169.254.169.254", "169.254.255.255"],
  ["172.16.0.0", "172.20.1.1", "172.31.255.255"],
  ["192.0.0.0", "192.0.0.192", "192.0.0.255"],
  ["192.0.2.0", "192.0.2.255"],
  ["192.88.99.1"],
  ["192.168.0.0", "192.168.1.1", "192.168.255.255"],
  ["198.18.0.0", "198.19.255.255"],
  ["198.51.100.7", "203.0.113.7"],
  ["224.0.0.0", "224.0.0.251", "239.255.255.255"],
  ["240.0.0.0", "250.1.2.3", "255.255.255.254", "255.255.255.255"],
].flat()

const IPV6 = [
  ["::", "::1", "0:0:0:0:0:0:0:1", "0000:0000:0000:0000:0000:0000:0000:0001", "::0.0.0.1", "::2", "0100::1"],
  ["fe80::1", "FE80::1", "febf:ffff::1", "fec0::1", "fc00::1", "fd00:ec2::254", "fdff:ffff::1"],
  ["ff02::1", "ff0e::1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2001::1", "2001:2::1", "2001:10::1", "2001:20::1"],
  ["2001:db8::1", "2002:7f00:1::", "3fff::1", "4000::1", "5f00::1", "8000::1", "1fff::1", "fe00::1"],
].flat()

/** Public ones beside those, to see that the ranges end where they should. */
export const PUBLIC = [
  ["1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0"],
  ["169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0"],
  ["198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700::1", "2001:200::1", "2a00:1450::1", "2620:fe::9"],
].flat()

/** Hosts of URLs, as somebody would write them who wants to be overlooked. */
export const LITERALS: readonly string[] = [
  ...new Set([...IPV4.flatMap(ipv4Spellings), ...IPV6.map(address => `[${address}]`), ...ZONES()]),
]

/** As a resolver gives them. */
export const RESOLVED: readonly string[] = [
  ...IPV4,
  ...IPV6.map(address => address.toLowerCase()),
  ...IPV4.flatMap(address => [`::ffff:${address}`, `::${address}`]),
  "fe80::1%eth0",
  "no address",
  "",
]

function ipv4Spellings(address: string): readonly string[] {
  const [a = 0, b = 0, c = 0, d = 0] = address.split(".").map(Number)
  const whole = ((a * 256 + b) * 256 + c) * 256 + d
  const hex = (n: number) => n.toString(16)
  const group = (high: number, low: number) => hex(high * 256 + low)
  const groups = `${group(a, b)}:${group(c, d)}`
  return [
    address,
    `${address}.`,
    String(whole),
    `0x${hex(whole)}`,
    `0X${hex(whole).toUpperCase()}`,
    `0${whole.toString(8)}`,
    [a, b, c, d].map(n => `0x${hex(n)}`).join("."),
    [a, b, c, d].map(n => `0${n.toString(8)}`).join("."),
    [a, b, c, d].map(n => `000${n.toString(8)}`).join("."),
    `${a}.${b}.${c * 256 + d}`,
    `${a}.${(b * 256 + c) * 256 + d}`,
    `0x${hex(a)}.${b}.0${(c * 256 + d).toString(8)}`,
    [...address].map(c => (c === "." ? "%2e" : `%3${c}`)).join(""),
    [...address].map(c => (c === "." ? "。" : String.fromCodePoint(c.charCodeAt(0) - 0x30 + 0xff10))).join(""),
    `[::ffff:${address}]`,
    `[::ffff:${groups}]`,
    `[0:0:0:0:0:FFFF:${groups}]`,
    `[::ffff:0:${groups}]`,
    `[::${address}]`,
    `[64:ff9b::${address}]`,
    `[2002:${groups}::1]`,
    `[2001:0:${groups}::1]`,
  ]
}

function ZONES(): readonly string[] {
  return ["[::1%25lo]", "[fe80::1%25eth0]", "[fe80::1%eth0]", "[::ffff:127.0.0.1%25lo]"]
}
