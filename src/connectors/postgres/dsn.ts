import { isIP } from "node:net"
import { ToolFailure } from "../kit.ts"

export type SslMode = "disable" | "prefer" | "require"

/** What a connection string says, with everything refused that would lead elsewhere than to one host and port. */
export interface Dsn {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
  /** `require` checks the certificate against the host's name, as libpq's `verify-full` does. */
  readonly ssl: SslMode
  readonly applicationName: string
}

const DEFAULT_PORT = 5432

/** `postgres://user:password@host:port/database?…` or `host=… user=…`. A failure names keys, never values. */
export function parseDsn(text: string): Dsn {
  const dsn = text.trim()
  if (dsn.includes("\0")) throw refused("it holds a NUL character")
  return dsnOf(/^postgres(ql)?:\/\//i.test(dsn) ? urlSettings(dsn) : wordSettings(dsn))
}

type Settings = ReadonlyMap<string, string>

const KNOWN: ReadonlySet<string> = new Set([
  ...["host", "port", "user", "password", "dbname", "sslmode", "application_name"],
  // Harmless, and often there: how long we wait is the step's to say, and UTF-8 is all we speak.
  ...["connect_timeout", "client_encoding", "channel_binding", "gssencmode"],
])

const REASONS: Readonly<Record<string, string>> = {
  hostaddr: "name the server with host alone",
  service: "service files are not read",
  passfile: "password files are not read",
  sslrootcert: "certificate files are not read: the operator makes an authority known with NODE_EXTRA_CA_CERTS",
  sslcert: "client certificates are not supported",
  sslkey: "client certificates are not supported",
  options: "use ALTER ROLE … SET on the server",
  target_session_attrs: "name one server",
}

function dsnOf(settings: Settings): Dsn {
  for (const key of settings.keys()) {
    if (!KNOWN.has(key)) throw refused(`the setting ${shown(key)} is not supported${key in REASONS ? `: ${REASONS[key]}` : ""}`)
  }
  const host = hostOf(settings.get("host") ?? "")
  const port = portOf(settings.get("port") ?? "")
  const user = settings.get("user") ?? ""
  if (user === "") throw refused("it names no user")
  if (settings.get("channel_binding") === "require")
    throw refused("channel_binding=require is not supported: sslmode=require checks the certificate instead")
  return {
    ...{ host, port, user },
    password: settings.get("password") ?? "",
    database: settings.get("dbname") || user,
    ssl: sslModeOf(settings.get("sslmode") ?? "prefer"),
    applicationName: settings.get("application_name") ?? "agentruntime",
  }
}

function hostOf(host: string): string {
  if (host === "") throw refused("it names no host")
  if (host.includes(",")) throw refused("it names several hosts; name one")
  if (host.startsWith("/") || host.startsWith("@")) throw refused("Unix sockets are not supported; name a host")
  if (isIP(host) === 0 && !/^[\p{L}\p{N}._-]{1,253}$/u.test(host)) throw refused("its host is no name and no address")
  return host
}

function portOf(text: string): number {
  if (text === "") return DEFAULT_PORT
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65_535) throw refused(text.includes(",") ? "it names several ports; name one" : "its port is no port")
  return port
}

function sslModeOf(mode: string): SslMode {
  switch (mode) {
    case "disable":
      return "disable"
    case "allow":
    case "prefer":
      return "prefer"
    case "require":
    case "verify-ca":
    case "verify-full":
      return "require"
    default:
      throw refused("sslmode must be disable, allow, prefer, require, verify-ca or verify-full")
  }
}

function urlSettings(dsn: string): Settings {
  const [, authority = "", path = "", query = ""] = /^\w+:\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(dsn) ?? []
  if (authority === "" && path + query === "")
    throw refused("it is no address such as postgres://user:password@host:5432/database")
  const at = authority.lastIndexOf("@")
  const [, user = "", password = ""] = /^([^:]*)(?::(.*))?$/s.exec(authority.slice(0, Math.max(0, at))) ?? []
  const place = authority.slice(at + 1)
  const parts = /^(?:\[([^\]]*)\]|([^:]*))(?::([^:]*))?$/.exec(place)
  if (!parts) throw refused(place.includes(",") ? "it names several hosts; name one" : "its host is no name and no address")
  const settings = new Map<string, string>()
  const add = (key: string, value: string) => {
    if (value === "") return
    if (settings.has(key)) throw refused(`it names ${shown(key)} twice`)
    settings.set(key, decoded(value))
  }
  add("host", parts[1] ?? parts[2] ?? "")
  add("port", parts[3] ?? "")
  add("user", user)
  add("password", password)
  add("dbname", path)
  for (const pair of query.split("&").filter(one => one !== "")) {
    const split = pair.indexOf("=")
    if (split < 1) throw refused("one of its settings has no name or no value")
    add(decoded(pair.slice(0, split)), pair.slice(split + 1))
  }
  return settings
}

/** libpq's other form. Values with spaces stand in single quotes. */
function wordSettings(dsn: string): Settings {
  const settings = new Map<string, string>()
  const word = /\s*(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)/gsy
  while (word.lastIndex < dsn.length) {
    const found = word.exec(dsn)
    if (!found) throw refused("it is neither an address such as postgres://user:password@host:5432/database nor key=value pairs")
    const [, key = "", quoted, plain = ""] = found
    if (settings.has(key)) throw refused(`it names ${shown(key)} twice`)
    const value = (quoted ?? plain).replaceAll(/\\(.)/gs, "$1")
    if (value !== "") settings.set(key, value)
  }
  return settings
}

function decoded(text: string): string {
  try {
    const value = decodeURIComponent(text)
    if (value.includes("\0")) throw refused("it holds a NUL character")
    return value
  } catch (error) {
    throw error instanceof ToolFailure ? error : refused("a % in it is not followed by two hexadecimal digits; write %25 for a %")
  }
}

/** A key may be a piece of a password that was not escaped. */
function shown(key: string): string {
  return Object.hasOwn(REASONS, key) || KNOWN.has(key) ? key : "that it holds"
}

function refused(reason: string): ToolFailure {
  return new ToolFailure(`postgres_dsn cannot be used: ${reason}`)
}
