import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { gzipSync } from "node:zlib"
import type { Egress } from "../../../src/adapters/egress/egress.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { egressTo } from "../call.ts"
import { type Request, requester, type Service, startService } from "./service.ts"

const TOKEN = "canary-t0ken/+="

let egress: Egress
let service: Service
let other: Service
let request: Request

beforeAll(() => {
  egress = egressTo("127.0.0.1")
  request = requester(egress)
})
afterAll(() => egress.close())
beforeEach(() => {
  service = startService()
  other = startService()
})
afterEach(async () => {
  await service.stop()
  await other.stop()
})

const message = async (args: JsonObject, config: JsonObject = {}) => {
  const result = await request(args, config)
  return result.ok ? "no failure" : result.message
}
const signedIn = (): JsonObject => ({ base_url: service.base, auth: "bearer", token: TOKEN })

describe("credentials", () => {
  const ways: readonly (readonly [string, JsonObject])[] = [
    ["bearer", { auth: "bearer", token: TOKEN }],
    ["basic", { auth: "basic", username: "ada", password: TOKEN }],
    ["a header of any name", { auth: "api_key_header", api_key: TOKEN, api_key_name: "X-Shop" }],
    ["the query", { auth: "api_key_query", api_key: TOKEN, api_key_name: "k" }],
  ]

  test.each(ways)("by %s go to base_url's origin alone, whatever host the graph names", async (_, auth) => {
    const config = { base_url: `${service.base}/v1`, ...auth }
    const elsewhere = [
      `${other.base}/v1`,
      `http://${other.host}@${service.host}/`,
      `${service.base.replace("127.0.0.1", "127.1")}:1/`,
    ]
    for (const url of elsewhere) await request({ url }, config)

    expect(other.arrived).toHaveLength(1)
    const basic = Buffer.from(`ada:${TOKEN}`).toString("base64")
    for (const secret of [TOKEN, encodeURIComponent(TOKEN), basic]) expect(JSON.stringify(other.arrived)).not.toContain(secret)
    expect(other.arrived[0]?.query).toEqual([])
    expect(service.arrived).toEqual([])
  })

  test.each(ways)("by %s do not follow a redirect to another origin, nor do headers of the graph", async (_, auth) => {
    const config = { base_url: service.base, ...auth }
    for (const status of [301, 302, 303, 307, 308]) {
      service.answer = () => new Response(null, { status, headers: { location: `${other.base}/?x=1` } })
      await request({ path: "/", headers: { "X-Mine": "for this host", accept: "text/plain" } }, config)
    }

    expect(other.arrived).toHaveLength(5)
    expect(JSON.stringify(other.arrived)).not.toContain("canary")
    expect(JSON.stringify(other.arrived)).not.toContain("for this host")
    for (const { headers, query } of other.arrived) {
      expect([headers.accept, headers.authorization, headers["x-shop"], query]).toEqual([
        "text/plain",
        undefined,
        undefined,
        [["x", "1"]],
      ])
    }
  })

  test("do not come back by a redirect of another host", async () => {
    other.answer = () => new Response(null, { status: 302, headers: { location: `${service.base}/delete-everything` } })
    service.answer = ({ path }) =>
      path === "/away" ? new Response(null, { status: 302, headers: { location: other.base } }) : Response.json({})
    await request({ path: "/away" }, signedIn())
    await request({ url: other.base }, signedIn())

    expect(service.arrived.map(({ path, headers }) => [path, headers.authorization])).toEqual([
      ["/away", `Bearer ${TOKEN}`],
      ["/delete-everything", undefined],
      ["/delete-everything", undefined],
    ])
  })

  test("are not sent to a public host without encryption", async () => {
    const config = { base_url: "http://93.184.216.34/", auth: "bearer", token: TOKEN }

    expect(await message({ path: "/" }, config)).toBe(
      "credentials are not sent to 93.184.216.34 without encryption: configure its https address",
    )
  })

  test("are masked wherever the service repeats them", async () => {
    const forms = [
      TOKEN,
      encodeURIComponent(TOKEN),
      Buffer.from(`x:${TOKEN}`).toString("base64"),
      Buffer.from(TOKEN).toString("hex"),
    ]
    service.answer = ({ headers }) =>
      Response.json({ headers, forms }, { headers: { "x-echo": TOKEN, location: `/?t=${forms[1]}` } })
    const results = [
      await request({ path: "/" }, signedIn()),
      await request({ path: "/", response: "text" }, signedIn()),
      await request({ path: `/?t=${forms[1]}` }, signedIn()),
      await request({ path: "/", pagination: { kind: "page", items_path: "forms", max_pages: 1 } }, signedIn()),
    ]
    service.answer = ({ headers }) => new Response(`no access for ${headers.authorization} ${forms.join(" ")}`, { status: 403 })
    results.push(await request({ path: "/" }, signedIn()))

    expect(results.map(result => result.ok)).toEqual([true, true, true, true, false])
    for (const form of [...forms, "canary"]) expect(JSON.stringify(results)).not.toContain(form)
  })

  test("cannot be replaced by a graph", async () => {
    const headers = { AUTHORIZATION: "Bearer other" }
    expect(await message({ path: "/", headers }, signedIn())).toContain("leave the header")
    expect(service.arrived).toEqual([])

    expect(await message({ url: other.base, headers }, signedIn())).toBe("no failure")
    expect(other.arrived[0]?.headers.authorization).toBe("Bearer other")
  })
})

describe("a request that would become another", () => {
  test("by line breaks or control characters in a header is refused", async () => {
    for (const headers of [
      { "X-A": "a\r\nX-B: b" },
      { "X-A": "a\nb" },
      { "X-A": "a\0b" },
      { "X-A": "snow ☃" },
      { "X-A\r\nX-B": "b" },
      { "X A": "b" },
      { "": "b" },
      { "X:A": "b" },
    ]) {
      expect(await message({ url: service.base, headers })).toMatch(/header/)
    }
    expect(service.arrived).toEqual([])
  })

  test("by headers that say where a message ends, or to whom it is, is refused", async () => {
    for (const name of [
      "Host",
      "content-length",
      "Transfer-Encoding",
      "CONNECTION",
      "Upgrade",
      "TE",
      "Trailer",
      "Expect",
      "Proxy-Authorization",
    ]) {
      expect(await message({ method: "POST", url: service.base, body: "x", headers: { [name]: "1" } })).toContain("leave it out")
    }
    expect(service.arrived).toEqual([])
  })

  test("by its method is refused", async () => {
    for (const method of ["get", "TRACE", "CONNECT", "GET / HTTP/1.1\r\nHost: evil\r\n\r\nGET", "", "PRI"]) {
      expect(await message({ method, url: service.base })).toContain("method")
    }
    for (const method of ["GET", "HEAD"]) expect(await message({ method, url: service.base, body: "x" })).toContain("has no body")
    expect(service.arrived).toEqual([])
  })

  test("by its path is refused, or stays below base_url", async () => {
    const config = { base_url: `${service.base}/v1` }
    for (const path of ["/../admin", "a/../../admin", "%2e%2e/admin", "a/.%2E/b", "..\\admin", "a/..", "./a", "..?x", "..#x"]) {
      expect(await message({ path }, config)).toContain("path must have no part")
    }
    for (const id of ["..", ".", "", "\ud800"])
      expect(await message({ path: "/{id}", path_params: { id } }, config)).toContain("id")
    expect(service.arrived).toEqual([])

    for (const path of ["//evil.example/x", "http://evil.example/", "@evil.example", "a\r\nb", "\\\\evil.example"])
      await request({ path }, config)
    expect(service.arrived.length).toBe(5)
    for (const { path } of service.arrived) expect(path).toStartWith("/v1/")
  })
})

describe("addresses that are not the graph's to reach", () => {
  test("are refused before a packet leaves", async () => {
    for (const url of [
      "http://169.254.169.254/latest/meta-data/",
      "http://127.0.0.2/",
      "http://[::1]/",
      "http://[::ffff:169.254.169.254]/",
      "http://0x7f000002/",
      "http://2130706434/",
      "http://10.0.0.1/",
      "http://192.168.1.1:8080/",
      "http://0.0.0.0/",
    ]) {
      const result = await request({ url })
      expect([url, result]).toEqual([url, { ok: false, message: expect.stringContaining("egress.allow"), retryable: false }])
    }
    for (const url of [
      "file:///etc/passwd",
      "ftp://example.com/",
      "data:text/plain,x",
      "unix:/run/docker.sock",
      `http://user:pass@${service.host}/`,
    ]) {
      expect(await request({ url })).toMatchObject({ ok: false, retryable: false })
    }
    for (const url of ["//example.com", "example.com/x", "http://", "nonsense"]) {
      expect(await message({ url })).toContain("url is no address")
    }
    expect(service.arrived).toEqual([])
  })

  test("are refused behind a redirect, too", async () => {
    for (const location of ["http://169.254.169.254/", "http://[::1]:1/", "file:///etc/passwd", "http://user:pass@127.0.0.1/"]) {
      service.answer = () => new Response(null, { status: 307, headers: { location } })
      expect(await request({ url: service.base })).toMatchObject({ ok: false, retryable: false })
    }
  })

  test("get no body that was for another host", async () => {
    for (const status of [307, 308]) {
      service.answer = () => new Response(null, { status, headers: { location: other.base } })
      expect(await message({ method: "POST", url: service.base, body: "private" })).toContain("not asked for")
    }
    expect(other.arrived).toEqual([])
  })
})

describe("an answer that is too much", () => {
  const MIB = 1024 * 1024

  test("is not read: neither one that says so, nor one that does not end, nor one that unpacks to it", async () => {
    const endless = () => new ReadableStream({ pull: controller => controller.enqueue(new Uint8Array(MIB)) })
    const answers = [
      () => new Response(new Uint8Array(9 * MIB)),
      () => new Response(endless()),
      () => new Response(gzipSync(new Uint8Array(64 * MIB)), { headers: { "content-encoding": "gzip" } }),
    ]
    for (const answer of answers) {
      service.answer = answer
      expect(await request({ url: service.base })).toMatchObject({
        ok: false,
        message: expect.stringContaining("larger than"),
        retryable: false,
      })
    }
  })

  test("of an error is cut to its message", async () => {
    service.answer = () => new Response("why ".repeat(MIB), { status: 400 })

    const said = await message({ url: service.base })
    expect(said).toStartWith(`${service.host} answered 400: why why`)
    expect(said.length).toBeLessThan(1_100)
  })

  test("by its nesting is text, and no stack overflows", async () => {
    const nested = "[".repeat(200_000) + "]".repeat(200_000)
    service.answer = () => new Response(nested, { headers: { "content-type": "application/json" } })

    expect(await request({ url: service.base })).toMatchObject({ ok: true, value: { body_type: "text" } })
    expect(await message({ url: service.base, response: "json" })).toContain("not valid JSON")
  })

  test("by its time ends with the step's", async () => {
    for (const body of [new ReadableStream(), new ReadableStream({ start: c => c.enqueue(new Uint8Array(10)) })]) {
      service.answer = () => new Response(body)
      expect(await request({ url: service.base }, {}, { timeoutMs: 150 })).toEqual({
        ok: false,
        message: "no complete answer within 0.15 s",
        retryable: true,
        timeout: true,
      })
    }
    service.answer = () => new Promise<Response>(() => {})
    expect(await request({ url: service.base }, {}, { timeoutMs: 150 })).toMatchObject({ ok: false, timeout: true })
  })
})
