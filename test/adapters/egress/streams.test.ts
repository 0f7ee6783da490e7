import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import type { ServerResponse } from "node:http"
import * as zlib from "node:zlib"
import { EgressFailed } from "../../../src/adapters/egress/errors.ts"
import { egressFor, errorOf, openServer } from "./places.ts"

const TEXT = "an answer that is worth packing, ".repeat(1000)
const packed: Record<string, readonly [encoding: string, body: Uint8Array]> = {
  "/gzip": ["gzip", zlib.gzipSync(TEXT)],
  "/x-gzip": ["X-GZIP", zlib.gzipSync(TEXT)],
  "/deflate": ["deflate", zlib.deflateSync(TEXT)],
  "/br": ["br", zlib.brotliCompressSync(TEXT)],
  "/zstd": ["zstd", zlib.zstdCompressSync(TEXT)],
  "/twice": ["gzip, br", zlib.brotliCompressSync(zlib.gzipSync(TEXT))],
  "/identity": ["identity", Buffer.from(TEXT)],
  "/thrice": ["gzip, gzip, gzip", zlib.gzipSync(zlib.gzipSync(zlib.gzipSync(TEXT)))],
  "/unknown": ["compress", Buffer.from(TEXT)],
  "/prototype": ["constructor", Buffer.from(TEXT)],
  "/lie": ["gzip", Buffer.from(TEXT)],
  "/short": ["gzip", zlib.gzipSync(TEXT).subarray(0, 60)],
  "/bomb": ["gzip", zlib.gzipSync(Buffer.alloc(64 * 1024 * 1024))],
  "/br-bomb": [
    "br",
    zlib.brotliCompressSync(Buffer.alloc(64 * 1024 * 1024), { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } }),
  ],
}
const EMPTY_BLOCK = zlib.gzipSync("").subarray(0, 10)

let server: Awaited<ReturnType<typeof openServer>>
const open = new Set<ServerResponse>()
beforeAll(async () => {
  server = await openServer((seen, response) => {
    const [encoding, body] = packed[seen.url] ?? []
    if (encoding !== undefined) return void response.writeHead(200, { "content-encoding": encoding }).end(body)
    if (seen.url === "/nothing-in-it") {
      response.writeHead(200, { "content-encoding": "gzip" }).write(EMPTY_BLOCK)
      // Blocks of deflate that unpack to nothing, without end.
      const timer = setInterval(() => response.write(Buffer.alloc(5 * 13_000).fill(Buffer.from([0, 0, 0, 0xff, 0xff]))), 1)
      return void response.on("close", () => clearInterval(timer))
    }
    if (seen.url === "/head") return void response.writeHead(200, { "content-encoding": "gzip", "content-length": "77" }).end()
    if (seen.url === "/events") {
      response.writeHead(200, { "content-type": "text/event-stream" })
      let n = 0
      const timer = setInterval(() => response.write(`data: ${n++}\n\n`), 20)
      return void response.on("close", () => clearInterval(timer))
    }
    if (seen.url === "/stalls") return void response.writeHead(200).write("first")
    if (seen.url === "/large") return void response.writeHead(200).end(Buffer.alloc(8 * 1024 * 1024))
    if (seen.url === "/silent") return void open.add(response)
    response.end(JSON.stringify(seen))
  })
})
afterAll(() => server.close())

const egress = egressFor("127.0.0.1")

describe("an answer that is packed although nobody asked for it", () => {
  test("is unpacked, and says no more that it is packed", async () => {
    for (const path of ["/gzip", "/x-gzip", "/deflate", "/br", "/zstd", "/twice", "/identity"]) {
      const answer = await egress.fetch(server.url(path))
      expect([path, (await answer.text()) === TEXT]).toEqual([path, true])
      if (path !== "/identity") expect([...answer.headers.keys()]).not.toContain("content-encoding")
    }
    const head = await egress.fetch(server.url("/head"), { method: "HEAD" })
    expect([head.status, head.headers.get("content-length")]).toEqual([200, "77"])
  })

  test("in a way that is not known, or too often, fails", async () => {
    for (const path of ["/unknown", "/prototype", "/thrice"]) {
      const error = await errorOf(egress.fetch(server.url(path)))
      expect([error.name, error.message]).toEqual([
        "EgressFailed",
        `the answer of 127.0.0.1:${server.port} is encoded in a way that is not known here`,
      ])
    }
  })

  test("and is not what it says, or ends too soon, fails", async () => {
    for (const path of ["/lie", "/short"]) {
      const answer = await egress.fetch(server.url(path))
      expect([path, (await errorOf(answer.text())).message]).toEqual([
        path,
        `the answer of 127.0.0.1:${server.port} cannot be unpacked`,
      ])
    }
  })

  test("and is a bomb ends where the limit is, without unpacking the rest", async () => {
    const before = process.memoryUsage.rss()
    for (const path of ["/bomb", "/br-bomb"]) {
      const answer = await egress.fetch(server.url(path), {}, { answerBytes: 1024 * 1024 })
      expect((await errorOf(answer.arrayBuffer())).message).toBe(
        `the answer of 127.0.0.1:${server.port} is larger than 1048576 bytes`,
      )
    }
    expect(process.memoryUsage.rss() - before).toBeLessThan(96 * 1024 * 1024)
  })

  test("and has nothing in it, without end, ends at the same limit", async () => {
    const answer = await egress.fetch(server.url("/nothing-in-it"), {}, { answerBytes: 512 * 1024, totalMs: 5_000 })
    expect((await errorOf(answer.text())).message).toContain("is larger than 524288 bytes")
  })
})

describe("a stream that stays open", () => {
  const endless = { totalMs: Number.POSITIVE_INFINITY, idleMs: 2_000 }

  test("has no end of its own while bytes come", async () => {
    const answer = await egress.fetch(server.url("/events"), {}, endless)
    const reader = answer.body!.getReader()
    let text = ""
    while (!text.includes("data: 15\n")) text += new TextDecoder().decode((await reader.read()).value)
    await reader.cancel()
  })

  test("ends when no byte comes for too long, before the answer and in it", async () => {
    const short = { ...endless, idleMs: 300 }
    const sentence = `127.0.0.1:${server.port} sent nothing for 0.3 s`
    expect((await errorOf(egress.fetch(server.url("/silent"), {}, short))).message).toBe(sentence)
    const answer = await egress.fetch(server.url("/stalls"), {}, short)
    expect((await errorOf(answer.text())).message).toBe(sentence)
  })

  test("does not end because its reader is slow", async () => {
    const answer = await egress.fetch(server.url("/large"), {}, { ...endless, idleMs: 500 })
    const reader = answer.body!.getReader()
    let bytes = (await reader.read()).value?.length ?? 0
    await Bun.sleep(800)
    for (let read = await reader.read(); !read.done; read = await reader.read()) bytes += read.value.length
    expect(bytes).toBe(8 * 1024 * 1024)
  })

  test("still counts its bytes", async () => {
    const answer = await egress.fetch(server.url("/events"), {}, { ...endless, answerBytes: 50 })
    expect(await errorOf(answer.text())).toBeInstanceOf(EgressFailed)
  })
})

describe("fetch in the hands of a library", () => {
  const own: typeof fetch = egress.fetch

  test("is a function like any other: it needs no object, and is one for Bun's types", async () => {
    const bare = own
    own.preconnect("http://127.0.0.1:1/")
    expect((await bare(server.url("/"))).status).toBe(200)
  })

  test("takes a Request alone, a Request with changes, Headers, pairs and a stream with duplex", async () => {
    const seenBy = async (...args: Parameters<typeof fetch>) => (await own(...args)).json()
    const request = new Request(server.url("/r"), {
      method: "POST",
      headers: { "x-a": "1", "content-type": "text/x" },
      body: "b",
    })
    expect(await seenBy(request)).toMatchObject({
      method: "POST",
      url: "/r",
      body: "b",
      headers: { "x-a": "1", "content-type": "text/x" },
    })
    const get = new Request(server.url("/r"), { headers: { "x-a": "1" } })
    expect(await seenBy(get, { method: "PUT", body: "c", headers: new Headers({ "x-b": "2" }) })).toMatchObject({
      method: "PUT",
      body: "c",
      headers: { "x-b": "2" },
    })
    expect(await seenBy(new URL(server.url("/p")), { headers: [["X-Pair", "3"]] })).toMatchObject({ headers: { "x-pair": "3" } })
    const body = new Blob(["strea", "med"]).stream()
    expect(await seenBy(server.url("/"), { method: "POST", body, duplex: "half" } as RequestInit)).toMatchObject({
      body: "streamed",
    })
  })

  test("heeds a signal, wherever it is given; none is fine as well", async () => {
    const reason = new Error("no longer wanted")
    const inInit = new AbortController()
    const inRequest = new AbortController()
    const first = own(server.url("/silent"), { signal: inInit.signal })
    const second = own(new Request(server.url("/silent"), { signal: inRequest.signal }))
    inInit.abort(reason)
    inRequest.abort(reason)
    expect(await errorOf(first)).toBe(reason)
    expect(await errorOf(second)).toBe(reason)
    expect((await errorOf(own(server.url("/silent"), { signal: AbortSignal.timeout(20) }))).name).toBe("TimeoutError")
    expect((await own(server.url("/"), { signal: null })).status).toBe(200)
  })

  test("does not wait for ever for a body that never ends", async () => {
    const body = new ReadableStream({ start: controller => controller.enqueue(new Uint8Array(3)) })
    const error = await errorOf(egress.fetch(server.url("/"), { method: "POST", body }, { totalMs: 50 }))
    expect(error.message).toBe(`127.0.0.1:${server.port} did not answer in full within 0.05 s`)
  })
})
