/** One way to write an address inside, as somebody would who wants to be overlooked. */
export interface Spelling {
  /** The trick. */
  readonly how: string
  /** What stands in a URL where the host belongs. */
  readonly host: string
  /** The host that the URL is read to have; null: it is read as no URL at all. */
  readonly means: string | null
}

/** One of each network that matters: what a spelling is refused for differs, and so may a mistake. */
const INSIDE = [
  ...["127.0.0.1", "127.0.0.2", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1"],
  // What clouds tell their machines about themselves: nearly all of them, Alibaba, Azure, Oracle.
  ...["169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192"],
]

/** First, last and one between of every network that must not be reached. */
export const IPV4 = [
  ["0.0.0.0", "0.1.2.3", "0.255.255.255"],
  ["10.0.0.0", "10.1.2.3", "10.255.255.255"],
  ["100.64.0.0", "100.100.100.200", "100.127.255.255"],
  ["127.0.0.0", "127.0.0.1", "127.255.255.255"],
  ["168.63.129.16"],
  ["169.254.0.0", "169.254.169.253", "169.254.170.2", "169.254.255.255"],
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

export const IPV6 = [
  [
    "::",
    "::1",
    "::2",
    "100::1",
    "fe80::1",
    "febf:ffff::1",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fdff:ffff::1",
  ],
  ["ff02::1", "ff0e::1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2001::1", "2001:2::1", "2001:10::1", "2001:20::1"],
  ["2001:db8::1", "2002:7f00:1::", "3fff::1", "4000::1", "5f00::1", "8000::1", "1fff::1", "fe00::1"],
].flat()

/** Public ones beside those, to see that the ranges end where they should. */
export const PUBLIC = [
  ["1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0"],
  ["169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0"],
  ["198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700::1", "2001:200::1", "2a00:1450::1", "2620:fe::9"],
].flat()

/** As a resolver gives them. */
export const RESOLVED: readonly string[] = [
  ...IPV4,
  ...IPV6,
  ...IPV4.flatMap(address => [`::ffff:${address}`, `::${address}`]),
  "fe80::1%eth0",
  "no address",
  "",
]

/** Names that lead inside wherever they are known, with what they are known as there. */
export const NAMES: readonly (readonly [name: string, address: string])[] = [
  ...["localhost", "LOCALHOST", "localhost.", "my.localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"].map(
    name => [name, "127.0.0.1"] as const,
  ),
  ["ｌｏｃａｌｈｏｓｔ", "127.0.0.1"],
  ["ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "::1"],
  ["%6c%6f%63alhost", "::1"],
  ["local\u00adhost", "127.0.0.1"],
  ["localtest.me", "::1"],
  ["127.0.0.1.nip.io", "127.0.0.1"],
  ["7f000001.nip.io", "127.0.0.2"],
  ["host.docker.internal", "172.17.0.1"],
  ["metadata.google.internal", "169.254.169.254"],
  ["metadata.goog", "169.254.169.254"],
  ["metadata", "169.254.169.254"],
  ["instance-data", "169.254.169.254"],
  ["instance-data.ec2.internal", "fd00:ec2::254"],
  ["169.254.169.254.xip.io", "169.254.169.254"],
  ["metadata.platformequinix.com", "192.0.0.192"],
  ["rancher-metadata", "169.254.169.250"],
  ["kubernetes.default.svc", "10.96.0.1"],
  ["router.lan", "192.168.1.1"],
]

type Bytes = readonly [number, number, number, number]
const bytesOf = (address: string) => address.split(".").map(Number) as unknown as Bytes
const wholeOf = ([a, b, c, d]: Bytes) => ((a * 256 + b) * 256 + c) * 256 + d
const hex = (n: number) => n.toString(16)
const octal = (n: number) => n.toString(8)
const groupsOf = ([a, b, c, d]: Bytes) => `${hex(a * 256 + b)}:${hex(c * 256 + d)}`
/** Every digit from another row of Unicode, which begins with its zero. */
const digitsFrom = (zero: number) => (text: string) => text.replace(/\d/g, n => String.fromCodePoint(zero + Number(n)))
const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹"
const CIRCLED = "⓪①②③④⑤⑥⑦⑧⑨"
const replaced = (digits: string) => (text: string) => text.replace(/\d/g, n => digits[Number(n)] ?? n)
const encoded = (text: string) => [...text].map(c => `%${hex(c.charCodeAt(0))}`).join("")

/** Ways to write an IPv4 address that a URL's reader takes for the same. */
const TRICKS: Readonly<Record<string, (address: string, bytes: Bytes) => string>> = {
  "as it is": a => a,
  "a dot behind": a => `${a}.`,
  "one number": (_, b) => String(wholeOf(b)),
  "one hexadecimal number": (_, b) => `0x${hex(wholeOf(b))}`,
  "one hexadecimal number in capitals": (_, b) => `0X${hex(wholeOf(b)).toUpperCase()}`,
  "one hexadecimal number with zeros": (_, b) => `0x00000000${hex(wholeOf(b))}`,
  "one octal number": (_, b) => `0${octal(wholeOf(b))}`,
  "hexadecimal bytes": (_, b) => b.map(n => `0x${hex(n)}`).join("."),
  "octal bytes": (_, b) => b.map(n => `0${octal(n)}`).join("."),
  "octal bytes with zeros": (_, b) => b.map(n => `00000${octal(n)}`).join("."),
  "two parts": (_, [a, b, c, d]) => `${a}.${(b * 256 + c) * 256 + d}`,
  "three parts": (_, [a, b, c, d]) => `${a}.${b}.${c * 256 + d}`,
  "two parts, hexadecimal and octal": (_, [a, b, c, d]) => `0x${hex(a)}.0${octal((b * 256 + c) * 256 + d)}`,
  "three bases at once": (_, [a, b, c, d]) => `0x${hex(a)}.${b}.0${octal(c * 256 + d)}`,
  "percent-encoded": a => encoded(a),
  "percent-encoded dots": a => a.replaceAll(".", "%2E"),
  "percent-encoded hexadecimal number": (_, b) => `%30%78${hex(wholeOf(b))}`,
  "full-width digits": digitsFrom(0xff10),
  "bold digits of mathematics": digitsFrom(0x1d7ce),
  "double-struck digits": digitsFrom(0x1d7d8),
  "circled digits": replaced(CIRCLED),
  "superscript digits": replaced(SUPERSCRIPT),
  "full-width dots": a => a.replaceAll(".", "．"),
  "ideographic dots": a => a.replaceAll(".", "。"),
  "half-width ideographic dots": a => a.replaceAll(".", "｡"),
  "full-width digits, percent-encoded": a => encodeURIComponent(digitsFrom(0xff10)(a)),
  "a soft hyphen inside": a => `${a.slice(0, 1)}\u00ad${a.slice(1)}`,
  "a zero-width space inside": a => `${a.slice(0, 1)}\u200b${a.slice(1)}`,
  "a word joiner inside": a => `${a.slice(0, 1)}\u2060${a.slice(1)}`,
  "a tab inside": a => `${a.slice(0, 2)}\t${a.slice(2)}`,
  "a line break inside": a => `${a.slice(0, 2)}\r\n${a.slice(2)}`,
}

/** Addresses of IPv6 that hold one of IPv4, for somebody on the way to take it out again. */
const EMBEDDED: Readonly<Record<string, (address: string, bytes: Bytes) => string>> = {
  "mapped, dotted": a => `::ffff:${a}`,
  "mapped, in groups": (_, b) => `::ffff:${groupsOf(b)}`,
  "mapped, written out in capitals": (_, b) => `0000:0000:0000:0000:0000:FFFF:${groupsOf(b).toUpperCase()}`,
  compatible: a => `::${a}`,
  translated: (_, b) => `::ffff:0:${groupsOf(b)}`,
  NAT64: a => `64:ff9b::${a}`,
  "NAT64 of a local prefix": a => `64:ff9b:1::${a}`,
  "6to4": (_, b) => `2002:${groupsOf(b)}::1`,
  "Teredo, as the server": (_, b) => `2001:0:${groupsOf(b)}::1`,
  "Teredo, as the client, inverted": (_, [a, b, c, d]) =>
    `2001:0:4136:e378:8000:63bf:${groupsOf([255 - a, 255 - b, 255 - c, 255 - d])}`,
  "ISATAP of a local link": a => `fe80::5efe:${a}`,
}

/** Never read as a host, whatever somebody else would make of them. */
const UNREADABLE: Readonly<Record<string, string>> = {
  "a zone": "[fe80::1%eth0]",
  "an encoded zone": "[fe80::1%25eth0]",
  "an encoded zone of loopback": "[::1%25lo]",
  "a zone of a mapped address": "[::ffff:127.0.0.1%25lo]",
  "encoded twice": "%2531%2532%2537.0.0.1",
  "a byte too many": "127.0.0.0.1",
  "a byte too large": "127.0.0.256",
  "a number too large": "4294967296",
  "a hexadecimal number too large": "0x100000000",
  "octal with a nine": "0177.0.0.09",
  "a space": "127.0.0.1 .example",
  "a null": "127.0.0.1%00.example.com",
  "a line break, encoded": "127.0.0.1%0d%0ahost",
  "an encoded slash": "127.0.0.1%2f.example.com",
  "an encoded at-sign": "example.com%40127.0.0.1",
  "brackets around IPv4": "[127.0.0.1]",
  "brackets left open": "[::1",
}

/** Hosts of URLs, each an address inside. */
export const LITERALS: readonly Spelling[] = [
  ...INSIDE.flatMap(address => spelled(TRICKS, address, host => ({ host, means: address }))),
  ...INSIDE.flatMap(address => spelled(EMBEDDED, address, ipv6)),
  ...IPV4.filter(address => !INSIDE.includes(address)).map(address => ({
    how: "the edges of a network",
    host: address,
    means: address,
  })),
  ...IPV6.map(address => ({ how: "a network of IPv6", ...ipv6(address) })),
  ...["0:0:0:0:0:0:0:1", "0000:0000:0000:0000:0000:0000:0000:0001", "::0.0.0.1", "0::1"].map(address => ({
    how: "loopback, written out",
    ...ipv6(address),
  })),
  { how: "a local link in capitals", ...ipv6("FE80::A") },
  ...Object.entries(UNREADABLE).map(([how, host]) => ({ how, host, means: null })),
]

/** Whole URLs that lead to 127.0.0.1 or ::1 though a hasty reader sees another host in them, or none. */
export function confusing(port: number): readonly string[] {
  const at = `127.0.0.1:${port}`
  return [
    ...[`http:${at}/`, `http:/${at}/`, `http:///${at}/`, `http:\\\\${at}\\`, `http:/\\${at}/`, `HTTP://${at}`, ` http://${at}/ `],
    ...[`ht\ntp://${at}/`, `http://\t${at}/`, `http://example.com@${at}/`, `http://example.com:80@${at}/`, `http://@${at}/`],
    ...[
      `http://:@${at}/`,
      `http://example.com%2f@${at}/`,
      `http://a@b@${at}/`,
      `http://${at}#@example.com/`,
      `http://${at}?@example.com/`,
    ],
    ...[
      `http://${at}\\@example.com/`,
      `http://${at}/@example.com/`,
      `http://127.0.0.1:0${port}/`,
      `http://[::1]:${port}\\@example.com/`,
    ],
    ...[
      `http://example.com\t@[::1]:${port}/`,
      `http://[0:0::1]:${port}/.example.com`,
      `https://${at}/`,
      `ws://${at}/`,
      `ftp://${at}/`,
    ],
  ]
}

function spelled(tricks: typeof TRICKS, address: string, of: (host: string) => Omit<Spelling, "how">): readonly Spelling[] {
  return Object.entries(tricks).map(([how, write]) => ({ how: `${how}: ${address}`, ...of(write(address, bytesOf(address))) }))
}

function ipv6(address: string): Omit<Spelling, "how"> {
  return { host: `[${address}]`, means: URL.parse(`http://[${address}]/`)?.hostname ?? "" }
}
