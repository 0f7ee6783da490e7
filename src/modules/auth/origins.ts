import { isIP } from "node:net"
import { AppError } from "../../kernel/errors.ts"

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"])

export interface OriginSettings {
  /** Where people reach the instance, e.g. `https://agents.example.com`; null: at the request's own host. */
  readonly publicUrl: string | null
  /** The setting `host`, should it be a name. */
  readonly host?: string
  /** A proxy in front sets `X-Forwarded-For` and `X-Forwarded-Proto`, and nobody reaches the server around it. */
  readonly trustProxy: boolean
}

/**
 * Keeps other web sites from acting with a visitor's cookie, by what the browser itself says about the request's
 * origin. Programs send neither header and pass: they hold no cookie of somebody else's.
 */
export class Origins {
  readonly #publicUrl: URL | null

  constructor(private readonly settings: OriginSettings) {
    this.#publicUrl = settings.publicUrl === null ? null : new URL(settings.publicUrl)
  }

  /** For requests that act by cookie. Opening a WebSocket is a GET, yet lets the page talk: it counts as unsafe. */
  checkCookieRequest(request: Request): void {
    if (SAFE_METHODS.has(request.method) && !isWebSocket(request)) return
    this.check(request)
  }

  /** For requests that set a cookie: another site must not sign its visitor in as somebody else. */
  check(request: Request): void {
    const site = request.headers.get("sec-fetch-site")
    if (site === "cross-site" || site === "same-site") throw crossSite()
    const origin = request.headers.get("origin")
    if (origin !== null && !this.#isOwn(origin, request)) throw crossSite()
  }

  /** Whether the browser talks TLS, as far as can be known here. */
  isSecure(request: Request): boolean {
    if (this.#publicUrl?.protocol === "https:" || request.url.startsWith("https:")) return true
    return this.settings.trustProxy && request.headers.get("x-forwarded-proto") === "https"
  }

  /** Where links that people open begin, without a slash at the end. */
  baseUrl(request: Request): string {
    const url = this.#publicUrl ?? new URL(request.url)
    return (this.#publicUrl ? url.href : url.origin).replace(/\/$/, "")
  }

  /**
   * That origin and Host are the same proves little: a page of evil.example whose name was pointed at this machine after
   * it was loaded (DNS rebinding) says evil.example in both. So the host must also be one that nobody else can point here.
   */
  #isOwn(origin: string, request: Request): boolean {
    if (!URL.canParse(origin)) return false // "null", too
    const from = new URL(origin)
    if (this.#publicUrl && from.host === this.#publicUrl.host) return from.protocol === this.#publicUrl.protocol
    const host = request.headers.get("host") ?? URL.parse(request.url)?.host ?? ""
    const own = `${from.protocol}//${host}`
    return URL.canParse(own) && new URL(own).host === from.host && this.#isFixed(from.hostname)
  }

  /**
   * Loopback names, the configured host, and addresses. An address in Host is the one that the browser reached, as no name
   * was looked up; Bun does not tell the socket's own, which behind a port mapping would be another one anyway.
   */
  #isFixed(hostname: string): boolean {
    if (hostname === "localhost" || hostname.endsWith(".localhost")) return true
    return isIP(hostname.replace(/^\[(.*)\]$/, "$1")) !== 0 || hostname === this.settings.host?.toLowerCase()
  }
}

function isWebSocket(request: Request): boolean {
  return request.headers.get("upgrade")?.toLowerCase() === "websocket"
}

function crossSite(): AppError {
  return new AppError(
    "forbidden",
    "this request came from another web site, or by a name that this instance does not know. If it is your own address, " +
      "set public_url to it, as the browser shows it (--public-url or AGENTRUNTIME_PUBLIC_URL)",
    { code: "CROSS_SITE_REQUEST" },
  )
}
