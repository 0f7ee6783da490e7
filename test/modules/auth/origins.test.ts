import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { Addresses, addressOf, networkOf } from "../../../src/modules/auth/address.ts"
import { Origins } from "../../../src/modules/auth/origins.ts"
import { openTemporarySqlite, type TemporaryDatabase } from "../../helpers/database.ts"
import { createWorld, ORIGIN, PASSWORD, type World } from "./world.ts"

describe("requests from other web sites", () => {
  let temporary: TemporaryDatabase
  let world: World
  let session = ""
  let token = ""
  let projectId = ""
  beforeAll(async () => {
    temporary = await openTemporarySqlite()
    world = await createWorld(temporary.db, { publicUrl: "https://agents.example.com" })
    projectId = (await world.auth.ensureWorkspace({ tenantId: "acme", name: "Acme", projectSlug: "main" })).projectId
    const person = await world.person("anna@example.org", "acme", "tenant_admin")
    session = person.session
    token = (await world.pat(person.userId, "acme", projectId, ["pat:manage"])).token
  })
  afterAll(async () => {
    world.close()
    await temporary.close()
  })

  const cases: readonly (readonly [name: string, headers: Record<string, string>, allowed: boolean])[] = [
    ["neither header, as programs send it", {}, true],
    ["its own page", { "sec-fetch-site": "same-origin", origin: ORIGIN }, true],
    ["typed or bookmarked", { "sec-fetch-site": "none" }, true],
    ["the public address", { "sec-fetch-site": "same-origin", origin: "https://agents.example.com" }, true],
    ["another site", { "sec-fetch-site": "cross-site", origin: "https://evil.example" }, false],
    ["a neighbour on the same domain", { "sec-fetch-site": "same-site", origin: "https://blog.example.com" }, false],
    ["another site without an origin", { "sec-fetch-site": "cross-site" }, false],
    ["another origin in an older browser", { origin: "https://evil.example" }, false],
    ["another port of this host", { origin: "http://localhost:9999" }, false],
    ["the public address without TLS", { origin: "http://agents.example.com" }, false],
    ["an opaque origin", { origin: "null" }, false],
    ["an origin that begins like ours", { origin: "http://localhost:8420.evil.example" }, false],
  ]

  for (const [name, headers, allowed] of cases) {
    test(`${name}: ${allowed ? "allowed" : "refused"} by cookie and at sign-in, never refused by bearer or for reading`, async () => {
      const place = { tenant: "acme", project: projectId, headers }
      const body = { display_name: "x", scopes: ["pat:manage"] }
      const byCookie = await world.send("POST", "/v1/pats", { ...place, as: session, body })
      expect(allowed ? byCookie.status : byCookie.body.code).toBe(allowed ? 201 : "CROSS_SITE_REQUEST")
      const login = await world.send("POST", "/v1/auth/login", {
        headers,
        body: { email: "anna@example.org", password: PASSWORD },
      })
      expect(allowed ? login.status : login.body.code).toBe(allowed ? 200 : "CROSS_SITE_REQUEST")
      if (allowed) expect(login.headers.get("set-cookie")).toEndWith("; Secure")
      expect((await world.send("POST", "/v1/pats", { ...place, pat: token, body })).status).toBe(201)
      expect((await world.send("GET", "/v1/pats", { ...place, as: session })).status).toBe(200)
    })
  }

  for (const path of ["/v1/auth/setup", "/v1/auth/register", "/v1/auth/reset-password", "/v1/auth/logout"])
    test(`${path} is refused from another site, though it asks for no sign-in`, async () => {
      const body = { token: "x", email: "a@example.org", password: PASSWORD, invite_token: "x" }
      const answer = await world.send("POST", path, { headers: { "sec-fetch-site": "cross-site" }, body })
      expect(answer.body.code).toBe("CROSS_SITE_REQUEST")
    })

  test("another site cannot open a WebSocket with a visitor's cookie", () => {
    const origins = new Origins({ publicUrl: null, trustProxy: false })
    const open = (origin: string) =>
      new Request(`${ORIGIN}/v1/stream`, { headers: { upgrade: "WebSocket", origin, host: "localhost:8420" } })
    expect(() => origins.checkCookieRequest(open("https://evil.example"))).toThrow("another web site")
    origins.checkCookieRequest(open(ORIGIN))
  })
})

describe("a host name that anybody may point at this machine", () => {
  const check = (settings: { publicUrl?: string; host?: string }, origin: string, host: string) => {
    const origins = new Origins({ publicUrl: settings.publicUrl ?? null, trustProxy: false, host: settings.host ?? "127.0.0.1" })
    const request = new Request("http://localhost:8420/v1/auth/login", { method: "POST", headers: { origin, host } })
    try {
      origins.check(request)
      return "allowed"
    } catch (error) {
      expect((error as Error).message).toContain("public_url")
      return "refused"
    }
  }
  const NAMED = { host: "runtime.lan" }
  const PUBLIC = { publicUrl: "https://agents.example.com" }
  const cases: readonly (readonly [settings: object, origin: string, host: string, answer: "allowed" | "refused"])[] = [
    [{}, "http://evil.com", "evil.com", "refused"],
    [{}, "http://evil.com:8420", "evil.com:8420", "refused"],
    [{}, "http://localhost.evil.com", "localhost.evil.com", "refused"],
    [{}, "http://127.0.0.1.evil.com", "127.0.0.1.evil.com", "refused"],
    [{}, "http://evillocalhost", "evillocalhost", "refused"],
    [{}, "http://192.168.1.5.nip.io:8420", "192.168.1.5.nip.io:8420", "refused"],
    [PUBLIC, "http://evil.com", "evil.com", "refused"],
    [PUBLIC, "https://agents.example.com.evil.com", "agents.example.com.evil.com", "refused"],
    [NAMED, "http://evil.com", "evil.com", "refused"],
    [NAMED, "http://runtime.lan.evil.com", "runtime.lan.evil.com", "refused"],
    [{}, "http://runtime.lan:8420", "runtime.lan:8420", "refused"],
    [NAMED, "http://runtime.lan:8420", "Runtime.lan:8420", "allowed"],
    [{}, "http://localhost:8420", "localhost:8420", "allowed"],
    [{}, "http://console.localhost:8420", "console.localhost:8420", "allowed"],
    [{}, "http://127.0.0.1:8420", "127.0.0.1:8420", "allowed"],
    [{}, "http://[::1]:8420", "[::1]:8420", "allowed"],
    // Over the LAN, by address.
    [{}, "http://192.168.1.5:8420", "192.168.1.5:8420", "allowed"],
    [{}, "http://[fd00::5]:8420", "[fd00::5]:8420", "allowed"],
    [PUBLIC, "http://192.168.1.5:8420", "192.168.1.5:8420", "allowed"],
    [{}, "http://203.0.113.9:8420", "192.168.1.5:8420", "refused"],
    [{}, "http://192.168.1.5:9999", "192.168.1.5:8420", "refused"],
    // Behind a proxy, which may name the server as it likes.
    [PUBLIC, "https://agents.example.com", "agents.example.com", "allowed"],
    [PUBLIC, "https://agents.example.com", "runtime:8420", "allowed"],
    [PUBLIC, "https://agents.example.com", "127.0.0.1:8420", "allowed"],
  ]
  for (const [settings, origin, host, answer] of cases)
    test(`${JSON.stringify(settings)}: ${origin} at ${host} is ${answer}`, () => {
      expect(check(settings, origin, host)).toBe(answer)
    })
})

describe("whether the browser talks TLS", () => {
  const request = (url: string, proto?: string) => new Request(url, { headers: proto ? { "x-forwarded-proto": proto } : {} })
  test("is known from the public address, the request, or a proxy that is trusted", () => {
    const plain = new Origins({ publicUrl: null, trustProxy: false })
    expect(plain.isSecure(request("http://localhost/"))).toBe(false)
    expect(plain.isSecure(request("http://localhost/", "https"))).toBe(false)
    expect(plain.isSecure(request("https://localhost/"))).toBe(true)
    expect(new Origins({ publicUrl: null, trustProxy: true }).isSecure(request("http://localhost/", "https"))).toBe(true)
    expect(new Origins({ publicUrl: "https://a.example/", trustProxy: false }).isSecure(request("http://localhost/"))).toBe(true)
  })
  test("links that people open begin with the public address", () => {
    expect(
      new Origins({ publicUrl: "https://a.example/runtime/", trustProxy: false }).baseUrl(request("http://localhost/x")),
    ).toBe("https://a.example/runtime")
    expect(new Origins({ publicUrl: null, trustProxy: false }).baseUrl(request("http://localhost:8420/x"))).toBe(
      "http://localhost:8420",
    )
  })
})

describe("the address that sign-ins are counted by", () => {
  const request = new Request("http://localhost/", { headers: { "x-forwarded-for": "1.1.1.1, 198.51.100.9" } })
  const from = (address: string) => addressOf(request, { requestIP: () => ({ address }) }, false)
  test("is the socket's; what a client claims counts only behind a trusted proxy, and then its last entry", () => {
    expect(from("203.0.113.7")).toBe("203.0.113.7")
    expect(addressOf(request, { requestIP: () => ({ address: "10.0.0.1" }) }, true)).toBe("198.51.100.9")
    expect(addressOf(new Request("http://localhost/"), { requestIP: () => ({ address: "10.0.0.1" }) }, true)).toBe("10.0.0.1")
    expect(addressOf(request, null, false)).toBeNull()
  })
  test("of IPv6 is the network, as one customer has all of it", () => {
    expect(from("::ffff:203.0.113.7")).toBe("203.0.113.7")
    expect(from("2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2::/64")
    expect(from("2001:0db8:1:2::9")).toBe("2001:db8:1:2::/64")
    expect(from("::1")).toBe("0:0:0:0::/64")
  })
  test("of IPv4 counts for an account with its neighbours", () => {
    expect(networkOf("203.0.113.7")).toBe("203.0.113.0/24")
    expect(networkOf("2001:db8:1:2::/64")).toBe("2001:db8:1:2::/64")
    expect(networkOf("not an address")).toBe("not an address")
  })
  test("behind a proxy that the settings do not know is warned about, once", async () => {
    const temporary = await openTemporarySqlite()
    const warnings: string[] = []
    const world = await createWorld(temporary.db, { log: { warn: message => void warnings.push(message) } })
    const login = (headers: Record<string, string>) =>
      world.send("POST", "/v1/auth/login", { headers, body: { email: "a@example.org", password: PASSWORD } })
    await login({})
    expect(warnings).toEqual([])
    for (let i = 0; i < 3; i++) await login({ "x-forwarded-for": `198.51.100.${i}` })
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain("auth.trust_proxy")
    const trusted = new Addresses(true, { warn: message => void warnings.push(message) })
    expect(trusted.of(request, null)).toBe("198.51.100.9")
    expect(warnings).toHaveLength(1)
    world.close()
    await temporary.close()
  })
})
