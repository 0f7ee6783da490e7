/** Where a text leads to: a URL, a data source name, `host:port`. */
export interface Address {
  /** `https`, `http`, or `tcp` for everything else. */
  readonly protocol: "https" | "http" | "tcp"
  readonly host: string
  readonly port: number
}

const PORTS: Readonly<Record<string, number>> = {
  ...{ http: 80, https: 443, ws: 80, wss: 443, postgres: 5432, postgresql: 5432, mysql: 3306, mariadb: 3306 },
  ...{
    redis: 6379,
    rediss: 6379,
    mongodb: 27_017,
    "mongodb+srv": 27_017,
    neo4j: 7687,
    "neo4j+s": 7687,
    bolt: 7687,
    "bolt+s": 7687,
  },
}
const WITH_SCHEME = /^([a-z][a-z0-9+.-]*):\/\/(?:[^/?#]*@)?([^/?#]+)/i
const IN_PARENTHESES = /@tcp\(([^)]+)\)/
const KEY_AND_VALUE = /(?:^|\s)host\s*=\s*'?([^\s']+)'?/
const HOST_AND_PORT = /^(\[[^\]]+\]|[^:]*)(?::(\d+))?$/

/** The addresses that a text of a known form names; a list of servers has several. Of text in no such form: none. */
export function addressesIn(text: string): readonly Address[] {
  const [, scheme = "", authority] = WITH_SCHEME.exec(text) ?? []
  if (authority !== undefined) {
    const port = PORTS[scheme.toLowerCase()] ?? 0
    return authority.split(",").flatMap(part => addressOf(part, port, protocolOf(scheme)))
  }
  const [, inParentheses] = IN_PARENTHESES.exec(text) ?? []
  if (inParentheses !== undefined) return addressOf(inParentheses, 3306)
  const [, host] = KEY_AND_VALUE.exec(text) ?? []
  if (host === undefined) return []
  const [, port] = /(?:^|\s)port\s*=\s*'?(\d+)/.exec(text) ?? []
  return host.startsWith("/") ? [] : addressOf(host, Number(port ?? 5432))
}

/** `host` or `host:port`, as some settings are. */
export function addressOf(text: string, defaultPort: number, protocol: Address["protocol"] = "tcp"): readonly Address[] {
  const [, host = "", port] = HOST_AND_PORT.exec(text.trim()) ?? []
  const bare = host.replace(/^\[(.*)\]$/, "$1")
  return bare === "" || /[\s{}]/.test(bare) ? [] : [{ protocol, host: bare, port: Number(port ?? defaultPort) }]
}

function protocolOf(scheme: string): Address["protocol"] {
  const name = scheme.toLowerCase()
  if (name === "https" || name === "wss") return "https"
  return name === "http" || name === "ws" ? "http" : "tcp"
}
