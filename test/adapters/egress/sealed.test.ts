import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { EgressRefused } from "../../../src/adapters/egress/errors.ts"
import { asker } from "../../../src/kernel/asker.ts"
import type { EgressAttempt } from "../../../src/kernel/egress-attempt.ts"
import { egressFor, errorOf, openServer } from "./places.ts"

let server: Awaited<ReturnType<typeof openServer>>
beforeAll(async () => {
  server = await openServer((seen, response) => {
    const to = URL.parse(seen.url, "http://x")?.searchParams.get("to")
    if (to) response.writeHead(302, { location: to }).end()
    else response.end("hello")
  })
})
afterAll(() => server.close())

const told: EgressAttempt[] = []
beforeEach(() => void told.splice(0))
const onAttempt = (attempt: EgressAttempt) => void told.push(attempt)
const shown = () =>
  told.map(a => `${a.asker.what} ${a.protocol} ${a.host}:${a.port} ${a.refusal === null ? "allowed" : "refused"}`)

describe("a sealed instance", () => {
  const asked: string[] = []
  const resolve = async (name: string) => {
    asked.push(name)
    return [{ address: "127.0.0.1", family: 4 }]
  }
  const sealed = (allow: string) => egressFor(allow, { sealed: true, resolve, onAttempt })
  beforeEach(() => void asked.splice(0))

  test("reaches nothing public, and does not even look its name up", async () => {
    const egress = sealed("127.0.0.1,10.0.0.0/8")
    for (const url of ["https://example.com/", "http://8.8.8.8/", "http://[2606:4700::1]/", "http://tools.test/"]) {
      const error = await errorOf(egress.fetch(url))
      expect([url, error]).toEqual([url, expect.any(EgressRefused)])
      expect(error.message).toBe(egress.refusal(url)!)
    }
    expect((await errorOf(egress.fetch("https://example.com/"))).message).toBe(
      'example.com is not on the allow-list, and this instance is sealed; the operator can allow it by adding "example.com:443" to the setting egress.allow',
    )
    for (const host of ["db.example.com", "8.8.8.8", "2606:4700::1"])
      expect(await errorOf(egress.addresses(host, 5432))).toBeInstanceOf(EgressRefused)
    expect(asked).toEqual([])
  })

  test("reaches what is allowed by its name or as an address, and follows redirects no further than that", async () => {
    const egress = sealed("tools.test,127.0.0.1")
    expect(await (await egress.fetch(server.url("/", "tools.test"))).text()).toBe("hello")
    expect(await (await egress.fetch(server.url("/"))).text()).toBe("hello")
    expect(await egress.addresses("tools.test", 5432)).toEqual(["127.0.0.1"])
    expect(await errorOf(egress.fetch(server.url("/?to=https://example.com/", "tools.test")))).toBeInstanceOf(EgressRefused)
    expect(asked).toEqual(["tools.test", "tools.test"]) // the connection was used again
    egress.close()
  })

  test("opens a port, and not the one beside it", async () => {
    const egress = sealed("tools.test:1")
    expect(await errorOf(egress.fetch(server.url("/", "tools.test")))).toBeInstanceOf(EgressRefused)
    expect(asked).toEqual([])
  })
})

describe("an attempt", () => {
  test("is told once, with who asked, at every hop", async () => {
    const egress = egressFor("tools.test,other.test", { onAttempt })
    const out = egress.for(asker("connector github", { tenantId: "acme", runId: "r1", stepId: "s1" }))
    const chain = server.url(`/?to=${encodeURIComponent(server.url("/?to=http://10.0.0.1/", "other.test"))}`, "tools.test")
    await errorOf(out.fetch(chain))
    expect(shown()).toEqual([
      `connector github http tools.test:${server.port} allowed`,
      `connector github http other.test:${server.port} allowed`,
      "connector github http 10.0.0.1:80 refused",
    ])
    expect(told[2]?.asker).toEqual(asker("connector github", { tenantId: "acme", runId: "r1", stepId: "s1" }))
  })

  test("is told of a connection that is used again, of one that fails, and of a name that nobody knows", async () => {
    const egress = egressFor("127.0.0.1", {
      onAttempt,
      resolve: async name => (name === "gone.test" ? [] : [{ address: "127.0.0.1", family: 4 }]),
    })
    for (let i = 0; i < 2; i++) await (await egress.fetch(server.url("/", "tools.test"))).text()
    await errorOf(egress.fetch("http://127.0.0.1:1/"))
    await errorOf(egress.fetch("http://gone.test/"))
    const port = server.port
    expect(shown()).toEqual([
      `test http tools.test:${port} allowed`,
      `test http tools.test:${port} allowed`,
      "test http 127.0.0.1:1 allowed",
      "test http gone.test:80 allowed",
    ])
    egress.close()
  })

  test("is told before the answer is there", async () => {
    const silent = await openServer(() => {})
    const egress = egressFor("127.0.0.1", { onAttempt })
    const control = new AbortController()
    const pending = errorOf(egress.fetch(silent.url(), { signal: control.signal }))
    for (let i = 0; i < 200 && silent.seen.length === 0; i++) await Bun.sleep(2)
    expect(shown()).toEqual([`test http 127.0.0.1:${silent.port} allowed`])
    control.abort()
    await pending
    expect(told).toHaveLength(1)
    silent.close()
  })

  test("for another protocol is told as tcp, and what is no protocol of ours as such", async () => {
    const egress = egressFor("db.test", { onAttempt })
    await egress.addresses("db.test", 5432)
    await errorOf(egress.addresses("other.test", 3306))
    await errorOf(egress.addresses("127.0.0.1", 6379))
    await errorOf(egress.fetch("ftp://files.test/x"))
    await errorOf(egress.fetch("file:///etc/passwd"))
    expect(shown()).toEqual([
      "test tcp db.test:5432 allowed",
      "test tcp other.test:3306 refused",
      "test tcp 127.0.0.1:6379 refused",
      "test other files.test:0 refused",
      "test other :0 refused",
    ])
  })

  test("says nothing of paths, queries, headers, bodies, users and passwords", async () => {
    const egress = egressFor("127.0.0.1", { onAttempt })
    const secret = "s3cr3t-canary"
    const init = { method: "POST", headers: { authorization: `Bearer ${secret}` }, body: secret }
    await egress.fetch(server.url(`/${secret}?token=${secret}#${secret}`), init)
    for (const url of [
      `http://10.0.0.1/${secret}?a=${secret}`,
      `https://${secret}:${secret}@example.com/`,
      `ftp://x.test/${secret}`,
    ])
      await errorOf(egress.fetch(url, init))
    await errorOf(egress.fetch(server.url(`/?to=${encodeURIComponent(`http://10.0.0.1/${secret}?k=${secret}`)}`), init))
    expect(told).toHaveLength(6)
    expect(JSON.stringify(told)).not.toContain(secret)
  })
})
