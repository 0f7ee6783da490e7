import { isIP } from "node:net"
import { ToolFailure } from "../kit.ts"

export interface RedisAddress {
  readonly host: string
  readonly port: number
  /** Encrypted, with the certificate checked against the host. */
  readonly tls: boolean
}

const DEFAULT_PORT = 6379

/** `host:port`, `redis://host:port`, or `rediss://host:port` for TLS. Users and passwords have keys of their own. */
export function parseAddress(text: string): RedisAddress {
  const [, scheme = "redis", inBrackets, plain, port = String(DEFAULT_PORT)] =
    /^(?:(rediss?):\/\/)?(?:\[([^\]]+)\]|([^:/?#@[\]]+))(?::(\d{1,5}))?\/?$/i.exec(text.trim()) ?? []
  const host = inBrackets ?? plain ?? ""
  if (host === "" || host.startsWith(".") || (isIP(host) === 0 && !/^[\p{L}\p{N}._-]{1,253}$/u.test(host)))
    throw new ToolFailure(
      "redis_addr must be host:port, or rediss://host:port for TLS; user, password and database have keys of their own",
    )
  if (Number(port) < 1 || Number(port) > 65_535) throw new ToolFailure("the port of redis_addr is no port")
  return { host, port: Number(port), tls: scheme.toLowerCase() === "rediss" }
}
