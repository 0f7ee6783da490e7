import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import type { ServerResponse } from "node:http"
import { EgressFailed, EgressRefused } from "../../../src/adapters/egress/errors.ts"
import { egressFor, errorOf, openServer, type Seen } from "./places.ts"

let closed = 0
const routes: Record<string, (seen: Seen, response: ServerResponse) => void> = {
  "/echo": (seen, r) => {
    r.setHeader("set-cookie", ["a=1", "b=2"])
    r.writeHead(201, "Made").end(JSON.stringify(seen))
  },
  "/nothing": (_, r) => void r.writeHead(204).end(),
  "/silent": (_, r) => void r.on("close", () => closed++),
  "/hanging": (_, r) => {
    r.write("first")
    r.on("close", () => closed++)
  },
  "/broken": (_, r) => {
    r.writeHead(200, { "content-length": "100" }).write("first")
    setTimeout(() => r.destroy(), 10)
  },
  "/endless": (_, r) => {
    const timer = setInterval(() => r.write(Buffer.alloc(64 * 1024)), 1)
    r.on("close", () => {
      clearInterval(timer)
      closed++
    })
  },
  "/declared": ({ method }, r) => {
    r.writeHead(200, { "content-length": "5000000" })
    if (method === "HEAD") r.end()
    else r.write("x")
  },
  "/big-head": (_, r) => void r.setHeader("x-big", "a".repeat(200_000)).end(),
}
const away = /^\/(\d{3})\?to=(.*)$/

let server: Awaited<ReturnType<typeof openServer>>
let other: Awaited<ReturnType<typeof openServer>>
beforeAll(async () => {
  const answer = (seen: Seen, response: ServerResponse) => {
    const [, status, to] = away.exec(seen.url) ?? []
    if (status !== undefined) return void response.writeHead(Number(status), { location: decodeURIComponent(to ?? "") }).end()
    const route = routes[seen.url]
    if (route) return route(seen, response)
    response.end("hello")
  }
  server = await openServer(answer)
  other = await openServer(answer)
})
beforeEach(() => {
  server.seen.length = 0
  other.seen.length = 0
  closed = 0
})
afterAll(() => {
  server.close()
  other.close()
})

const egress = egressFor("127.0.0.1")
const to = (status: number, url: string) => server.url(`/${status}?to=${encodeURIComponent(url)}`)

/** Waits until the server saw so many of its answers cut off. */
async function untilClosed(count: number) {
  for (let i = 0; i < 200 && closed < count; i++) await Bun.sleep(5)
  expect(closed).toBe(count)
}

describe("a request", () => {
  test("looks like one of fetch, and so does its answer", async () => {
    const headers = { "content-type": "application/json", "x-own": "1", host: "elsewhere.test", "content-length": "7" }
    const answer = await egress.fetch(server.url("/echo"), { method: "POST", headers, body: '{"a":"ä"}' })
    expect([answer.status, answer.statusText, answer.ok, answer.headers.getSetCookie()]).toEqual([
      201,
      "Made",
      true,
      ["a=1", "b=2"],
    ])
    expect(await answer.json()).toMatchObject({
      method: "POST",
      body: '{"a":"ä"}',
      headers: {
        host: `127.0.0.1:${server.port}`,
        "content-type": "application/json",
        "content-length": "10",
        "x-own": "1",
        "accept-encoding": "identity",
      },
    })
  })

  test("takes every body that fetch takes, and a whole Request", async () => {
    const bytes = new TextEncoder().encode("x")
    for (const body of ["x", bytes, bytes.buffer, new Blob(["x"]), new Blob(["x"]).stream()]) {
      await (await egress.fetch(server.url(), { method: "PUT", body })).text()
    }
    await (await egress.fetch(new Request(server.url("/q?a=1#part"), { method: "DELETE", body: "x" }))).text()
    await (await egress.fetch(new URL(server.url()), { method: "POST", body: new URLSearchParams({ a: "b c" }) })).text()
    expect(server.seen.map(s => s.body)).toEqual(["x", "x", "x", "x", "x", "x", "a=b+c"])
    expect([server.seen[5]?.method, server.seen[5]?.url]).toEqual(["DELETE", "/q?a=1"])
    expect(server.seen[6]?.headers["content-type"]).toStartWith("application/x-www-form-urlencoded")
  })

  test("without a body, and an answer without one, work as well", async () => {
    expect((await egress.fetch(server.url("/nothing"))).body).toBeNull()
    expect(await (await egress.fetch(server.url("/declared"), { method: "HEAD" }, { answerBytes: 10 })).text()).toBe("")
    expect((await egress.fetch(server.url(), { method: "POST" })).status).toBe(200)
    expect(server.seen[2]?.headers["content-length"]).toBe("0")
  })

  test("to nobody fails with the system's code and the host, and nothing else", async () => {
    const error = await errorOf(egress.fetch("http://127.0.0.1:1/s3cr3t?token=s3cr3t"))
    expect(error).toBeInstanceOf(EgressFailed)
    expect(error.message).toBe("127.0.0.1:1 could not be reached: ECONNREFUSED")
  })

  test("for a name that does not exist fails", async () => {
    const resolve = async () => {
      throw Object.assign(new Error("getaddrinfo ENOTFOUND s3cr3t"), { code: "ENOTFOUND" })
    }
    const error = await errorOf(egressFor("", { resolve }).fetch("http://nobody.test/"))
    expect([error.name, error.message]).toEqual(["EgressFailed", "nobody.test could not be reached: ENOTFOUND"])
    const none = await errorOf(egressFor("", { resolve: async () => [] }).fetch("http://nobody.test/"))
    expect([none.name, none.message]).toEqual(["EgressFailed", "nobody.test could not be reached: its name has no address"])
  })
})

describe("a redirect", () => {
  test("is followed, and 301, 302 and 303 become a GET without the body", async () => {
    for (const status of [301, 302, 303]) {
      server.seen.length = 0
      const init = { method: "POST", body: "x", headers: { "content-type": "text/plain", "x-own": "1" } }
      expect(await (await egress.fetch(to(status, "/there"), init)).text()).toBe("hello")
      const [, second] = server.seen
      expect(second).toMatchObject({ method: "GET", url: "/there", body: "", headers: { "x-own": "1" } })
      expect(second?.headers).not.toHaveProperty("content-type")
      expect(second?.headers).not.toHaveProperty("content-length")
    }
  })

  test("of 307 and 308 repeats method and body", async () => {
    for (const status of [307, 308]) {
      server.seen.length = 0
      await (await egress.fetch(to(status, other.url("/there")), { method: "PUT", body: "x" })).text()
      expect(other.seen.at(-1)).toMatchObject({ method: "PUT", body: "x" })
    }
  })

  test("does not take credentials to another origin, and keeps them in its own", async () => {
    const secret = { authorization: "Bearer x", cookie: "a=b", "proxy-authorization": "Basic x", "x-api-key": "x" }
    const headers = { ...secret, "idempotency-key": "k" }
    await (await egress.fetch(to(307, "/same"), { headers })).text()
    expect(server.seen[1]?.headers).toMatchObject(headers)
    for (const status of [302, 307]) {
      await (await egress.fetch(to(status, other.url("/there")), { headers })).text()
      expect(other.seen.at(-1)?.headers["idempotency-key"]).toBe("k")
      for (const name of Object.keys(secret)) expect(other.seen.at(-1)?.headers).not.toHaveProperty(name)
    }
  })

  test("back to the first origin does not bring them back", async () => {
    const there = other.url(`/307?to=${encodeURIComponent(server.url("/back"))}`)
    await (await egress.fetch(to(307, there), { headers: { authorization: "Bearer x" } })).text()
    expect(server.seen.at(-1)?.url).toBe("/back")
    expect(server.seen.at(-1)?.headers).not.toHaveProperty("authorization")
  })

  test("to an address inside is refused at every hop, in every spelling", async () => {
    const outside = egressFor("tools.test")
    const before = other.connections()
    for (const target of [
      "http://127.0.0.1:P/",
      "http://0x7f.1:P/",
      "http://[::ffff:127.0.0.1]:P/",
      "http://inside.test:P/",
      "//127.1:P/",
    ]) {
      const last = target.replace("P", String(other.port))
      const second = server.url(`/302?to=${encodeURIComponent(last)}`, "tools.test")
      const first = server.url(`/307?to=${encodeURIComponent(second)}`, "tools.test")
      expect([target, await errorOf(outside.fetch(first))]).toEqual([target, expect.any(EgressRefused)])
    }
    expect(server.seen).toHaveLength(10)
    expect(other.connections()).toBe(before)
    for (const target of ["file:///etc/passwd", "http://me:pw@tools.test/", "ftp://tools.test/"])
      expect(await errorOf(egress.fetch(to(302, target)))).toBeInstanceOf(EgressRefused)
  })

  test("is followed five times, and not a sixth time", async () => {
    const chain = (n: number): string => (n === 0 ? "/end" : `/302?to=${encodeURIComponent(chain(n - 1))}`)
    expect(await (await egress.fetch(server.url(chain(5)))).text()).toBe("hello")
    const error = await errorOf(egress.fetch(server.url(chain(6))))
    expect(error.message).toBe(`127.0.0.1:${server.port} leads to more than 5 redirects`)
  })

  test("is an answer with `manual`, and a failure with `error`", async () => {
    const answer = await egress.fetch(to(302, "/there"), { redirect: "manual" })
    expect([answer.status, answer.headers.get("location")]).toEqual([302, "/there"])
    expect(await errorOf(egress.fetch(to(302, "/there"), { redirect: "error" }))).toBeInstanceOf(EgressFailed)
    expect(server.seen).toHaveLength(2)
  })
})

describe("an answer", () => {
  test("that is too large is cut off, and its sender too", async () => {
    const answer = await egress.fetch(server.url("/endless"), {}, { answerBytes: 200_000 })
    const error = await errorOf(answer.arrayBuffer())
    expect([error.name, error.message]).toEqual([
      "EgressFailed",
      `the answer of 127.0.0.1:${server.port} is larger than 200000 bytes`,
    ])
    await untilClosed(1)
  })

  test("that declares to be too large is not even begun", async () => {
    expect(await errorOf(egress.fetch(server.url("/declared"), {}, { answerBytes: 1_000 }))).toBeInstanceOf(EgressFailed)
    expect((await errorOf(egress.fetch(server.url("/big-head")))).message).toContain("HPE_HEADER_OVERFLOW")
  })

  test("that does not come, or does not end, fails when the time is up", async () => {
    const silent = await errorOf(egress.fetch(server.url("/silent"), {}, { totalMs: 50 }))
    expect(silent.message).toBe(`127.0.0.1:${server.port} did not answer in full within 0.05 s`)
    const hanging = await egress.fetch(server.url("/hanging"), {}, { totalMs: 50 })
    expect(await errorOf(hanging.text())).toBeInstanceOf(EgressFailed)
    await untilClosed(2)
  })

  test("is not waited for longer because of redirects", async () => {
    const error = await errorOf(egress.fetch(to(302, "/silent"), {}, { totalMs: 50 }))
    expect(error.message).toContain("did not answer in full")
  })

  test("of a name that nobody resolves in time fails", async () => {
    const slow = egressFor("", { resolve: () => new Promise(() => {}) })
    const error = await errorOf(slow.fetch("http://slow.test/", {}, { connectMs: 30 }))
    expect(error.message).toBe("slow.test could not be reached: no connection within 0.03 s")
  })

  test("that breaks off fails", async () => {
    const answer = await egress.fetch(server.url("/broken"))
    expect(await errorOf(answer.text())).toBeInstanceOf(EgressFailed)
  })

  test("ends when its caller gives up, before it and in it, with the caller's reason", async () => {
    const reason = new Error("given up")
    const before = new AbortController()
    setTimeout(() => before.abort(reason), 20)
    expect(await errorOf(egress.fetch(server.url("/silent"), { signal: before.signal }))).toBe(reason)
    expect(await errorOf(egress.fetch(server.url("/echo"), { signal: before.signal }))).toBe(reason)
    const within = new AbortController()
    const answer = await egress.fetch(server.url("/hanging"), { signal: within.signal })
    within.abort(reason)
    expect(await errorOf(answer.text())).toBe(reason)
    await untilClosed(2)
  })

  test("that its reader leaves is no longer sent", async () => {
    const answer = await egress.fetch(server.url("/endless"))
    await answer.body?.cancel()
    await untilClosed(1)
  })

  test("waits for a reader who is slow, instead of filling memory", async () => {
    const answer = await egress.fetch(server.url("/endless"))
    const reader = answer.body?.getReader()
    await Bun.sleep(100)
    const { value } = (await reader?.read()) ?? {}
    expect(value?.length).toBeLessThanOrEqual(128 * 1024)
    await reader?.cancel()
    await untilClosed(1)
  })
})
