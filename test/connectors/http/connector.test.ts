import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { Compile } from "typebox/schema"
import type { Egress } from "../../../src/adapters/egress/egress.ts"
import { createHttpConnector } from "../../../src/connectors/http/connector.ts"
import { HTTP_OUTPUT } from "../../../src/connectors/http/input.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { callContext, egressTo } from "../call.ts"
import { type Request, requester, type Service, startService } from "./service.ts"

let egress: Egress
let service: Service
let request: Request

beforeAll(() => {
  egress = egressTo("127.0.0.1")
  request = requester(egress)
})
afterAll(() => egress.close())
beforeEach(() => {
  service = startService()
})
afterEach(() => service.stop())

async function value(args: JsonObject, config: JsonObject = {}): Promise<JsonObject> {
  const result = await request(args, config)
  expect(result).toMatchObject({ ok: true })
  const made = (result as { value: JsonObject }).value
  expect(Compile(HTTP_OUTPUT).Errors(made)[1]).toEqual([])
  return made
}

const message = async (args: JsonObject, config: JsonObject = {}) => {
  const result = await request(args, config)
  return result.ok ? "no failure" : result.message
}

describe("http_request", () => {
  test("gives status, headers and the parsed body", async () => {
    service.answer = () => Response.json({ id: 7 }, { status: 201, headers: { "x-request-id": "r1" } })

    expect(await value({ url: `${service.base}/items?a=1`, query: { b: "x y&z", c: [1, true], d: null } })).toMatchObject({
      status: 201,
      ok: true,
      url: `${service.base}/items?a=1&b=x+y%26z&c=1&c=true`,
      headers: { "x-request-id": "r1" },
      body: { id: 7 },
      body_type: "json",
    })
    expect(service.arrived[0]?.query).toEqual([
      ["a", "1"],
      ["b", "x y&z"],
      ["c", "1"],
      ["c", "true"],
    ])
  })

  test("joins a path to base_url, with values that stay in their segments", async () => {
    const config = { base_url: `${service.base}/v1/` }
    await value({ path: "/users/{id}/files/{name}", path_params: { id: 7, name: "../../admin?x#y" } }, config)
    await value({ path: "search?q=1" }, config)
    await value({}, config)

    expect(service.arrived.map(one => one.path)).toEqual(["/v1/users/7/files/..%2F..%2Fadmin%3Fx%23y", "/v1/search", "/v1/"])
  })

  test.each(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])("knows the method %s", async method => {
    await value({ method, url: service.base })

    expect(service.arrived[0]?.method).toBe(method)
  })

  test("sends JSON, text, bytes and forms as what they are", async () => {
    const send = (args: JsonObject) => value({ method: "POST", url: service.base, ...args })
    await send({ body: { a: [1, null] } })
    await send({ body: "plain ä" })
    await send({ body: "quoted", body_type: "json" })
    await send({ body: '{"a":1}', headers: { "Content-Type": "application/json" } })
    await send({ body: "AAH/", body_type: "base64" })
    await send({ body: { a: "1 2", b: ["x", "y"], c: null }, body_type: "form" })

    expect(service.arrived.map(({ headers, body }) => [headers["content-type"], body])).toEqual([
      ["application/json", '{"a":[1,null]}'],
      ["text/plain; charset=utf-8", "plain ä"],
      ["application/json", '"quoted"'],
      ["application/json", '{"a":1}'],
      ["application/octet-stream", new TextDecoder().decode(new Uint8Array([0, 1, 255]))],
      ["application/x-www-form-urlencoded", "a=1+2&b=x&b=y"],
    ])
  })

  test("sends the step's key with what is not safe to repeat, unless the graph has its own", async () => {
    for (const method of ["GET", "POST", "PATCH", "PUT", "DELETE"]) await value({ method, url: service.base })
    await value({ method: "POST", url: service.base, headers: { "Idempotency-Key": "mine" } })

    expect(service.arrived.map(({ headers }) => headers["idempotency-key"])).toEqual([
      undefined,
      "run:step:0",
      "run:step:0",
      undefined,
      undefined,
      "mine",
    ])
  })
})

describe("an answer", () => {
  const answered = async (body: Uint8Array<ArrayBuffer> | string, type: string | null, args: JsonObject = {}) => {
    service.answer = () => new Response(body, { headers: type === null ? {} : { "content-type": type } })
    const { body: read, body_type } = await value({ url: service.base, ...args })
    return [body_type, read]
  }
  const bytes = (...values: number[]) => new Uint8Array(values)

  test("is read as what it says that it is", async () => {
    expect(await answered('{"a":1}', "application/problem+json; charset=utf-8")).toEqual(["json", { a: 1 }])
    expect(await answered("<a/>", "application/xml")).toEqual(["text", "<a/>"])
    expect(await answered("a,b", "text/csv")).toEqual(["text", "a,b"])
    expect(await answered(bytes(0x89, 0x50), "image/png")).toEqual(["base64", "iVA="])
    expect(await answered("oops", "application/json")).toEqual(["text", "oops"])
    expect(await answered("", "application/json")).toEqual(["none", null])
  })

  test("is read in the character set that it names", async () => {
    expect(await answered(bytes(0x47, 0x72, 0xfc, 0xdf), "text/plain; charset=iso-8859-1")).toEqual(["text", "Grüß"])
    expect(await answered(bytes(0x82, 0xa0), "text/plain; charset=Shift_JIS")).toEqual(["text", "あ"])
    expect(await answered(bytes(0xef, 0xbb, 0xbf, 0x7b, 0x7d), "application/json")).toEqual(["json", {}])
    expect(await answered("ä", 'text/plain; charset="no-such-set"')).toEqual(["text", "ä"])
  })

  test("is read as the graph wants it", async () => {
    expect(await answered('{"a":1}', "application/json", { response: "text" })).toEqual(["text", '{"a":1}'])
    expect(await answered('{"a":1}', "text/plain", { response: "json" })).toEqual(["json", { a: 1 }])
    expect(await answered("hej", "text/plain", { response: "base64" })).toEqual(["base64", "aGVq"])
    service.answer = () => new Response("oops")
    expect(await message({ url: service.base, response: "json" })).toBe(`the answer of ${service.host} (200) is not valid JSON`)
  })

  test("from 400 fails the step with what the service says; the graph can say which are no failure", async () => {
    service.answer = () => Response.json({ error: { message: "no such item" } }, { status: 404 })
    expect(await request({ url: service.base })).toEqual({
      ok: false,
      message: `${service.host} answered 404: no such item`,
      retryable: false,
    })
    expect(await value({ url: service.base, expect_status: [200, 404] })).toMatchObject({ status: 404, ok: false })
    expect(await value({ url: service.base, expect_status: "any" })).toMatchObject({
      body: { error: { message: "no such item" } },
    })
    expect(await message({ url: service.base, expect_status: [200] })).toContain("answered 404")

    service.answer = () => new Response("slow down", { status: 429, headers: { "retry-after": "7" } })
    expect(await request({ url: service.base })).toEqual({
      ok: false,
      message: `${service.host} answered 429: slow down (try again after 7 s)`,
      retryable: true,
    })
  })

  test("keeps its cookies and credentials to itself", async () => {
    service.answer = () =>
      new Response("", {
        headers: {
          "set-cookie": "session=1",
          "x-auth-token": "t",
          "x-csrf-token": "c",
          "www-authenticate": "Basic",
          etag: '"1"',
        },
      })
    const { headers } = await value({ url: service.base })

    expect(headers).toMatchObject({ etag: '"1"', "www-authenticate": "Basic" })
    for (const name of ["set-cookie", "x-auth-token", "x-csrf-token"]) expect(headers).not.toHaveProperty(name)
  })
})

describe("redirects", () => {
  test("are followed, or given as they are", async () => {
    service.answer = ({ path }) =>
      path === "/old" ? new Response(null, { status: 302, headers: { location: "/new" } }) : Response.json({ path })

    expect(await value({ url: `${service.base}/old` })).toMatchObject({ url: `${service.base}/new`, body: { path: "/new" } })
    expect(await value({ url: `${service.base}/old`, follow_redirects: false })).toMatchObject({
      status: 302,
      headers: { location: "/new" },
      body: null,
    })
  })

  test("turn a POST into a GET as browsers do, and leave it a POST where the service says so", async () => {
    for (const status of [302, 303, 307]) {
      service.answer = ({ path }) =>
        path === "/old" ? new Response(null, { status, headers: { location: "/new" } }) : Response.json({})
      await value({ method: "POST", url: `${service.base}/old`, body: { a: 1 } })
    }

    expect(
      service.arrived
        .filter(one => one.path === "/new")
        .map(({ method, body, headers }) => [method, body, headers["content-type"]]),
    ).toEqual([
      ["GET", "", undefined],
      ["GET", "", undefined],
      ["POST", '{"a":1}', "application/json"],
    ])
  })

  test("in a circle end", async () => {
    service.answer = () => new Response(null, { status: 302, headers: { location: "/again" } })

    expect(await message({ url: service.base })).toBe(`${service.host} leads to more than 5 redirects`)
    expect(service.arrived).toHaveLength(6)
  })
})

describe("signing in", () => {
  const config = (auth: string, more: JsonObject) => ({ base_url: service.base, auth, ...more })

  test("is by bearer, basic, or a key in a header or in the query", async () => {
    await value({ path: "/" }, config("bearer", { token: "t0ken" }))
    await value({ path: "/" }, config("basic", { username: "ada", password: "pä ss:word" }))
    await value({ path: "/" }, config("api_key_header", { api_key: "key-1" }))
    await value({ path: "/" }, config("api_key_header", { api_key: "key-1", api_key_name: "X-Shop-Access" }))
    const { url } = await value({ path: "/?a=1" }, config("api_key_query", { api_key: "key-1&b", api_key_name: "key" }))

    const [bearer, basic, key, named, query] = service.arrived
    expect(bearer?.headers.authorization).toBe("Bearer t0ken")
    expect(basic?.headers.authorization).toBe(`Basic ${Buffer.from("ada:pä ss:word").toString("base64")}`)
    expect(key?.headers["x-api-key"]).toBe("key-1")
    expect(named?.headers["x-shop-access"]).toBe("key-1")
    expect(query?.query).toEqual([
      ["a", "1"],
      ["key", "key-1&b"],
    ])
    expect(url).toBe(`${service.base}/?a=1`)
  })

  test("says what is missing in the configuration", async () => {
    expect(await message({ url: service.base }, { auth: "bearer", token: "t0ken" })).toContain("base_url")
    expect(await message({ path: "/" }, config("bearer", {}))).toContain("token is not configured")
    expect(await message({ path: "/" }, config("bearer", { token: "a\r\nb" }))).toContain("copy it again")
    expect(await message({ path: "/" }, config("basic", { username: "a:b" }))).toContain("colon")
    expect(await message({ path: "/" }, config("api_key_header", { api_key: "k", api_key_name: "a b" }))).toContain(
      "api_key_name",
    )
    expect(await message({ path: "/" }, { base_url: "ftp://example.com" })).toContain("base_url must be")
    expect(await message({ path: "/" })).toContain("no base_url")
    expect(await message({ url: service.base, path: "/" })).toContain("either url or path")
    expect(await message({ url: service.base, query: { a: { b: 1 } } })).toContain("tool_args.query.a")
    expect(service.arrived).toEqual([])
  })

  test("is tried by the probe, which changes nothing", async () => {
    const connector = createHttpConnector({ egress })
    const probed = (given: JsonObject) => connector.probe?.(callContext({ config: given }))
    const good = config("bearer", { token: "t0ken" })
    service.answer = () => new Response(null, { status: 404 })
    expect(await probed(good)).toEqual({ ok: true, value: {} })
    expect(service.arrived[0]?.method).toBe("HEAD")

    service.answer = () => new Response(null, { status: 401 })
    expect(await probed(good)).toMatchObject({ ok: false, message: expect.stringContaining("does not take the credentials") })
    expect(await probed({})).toEqual({ ok: true, value: {} })
  })
})
