import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { createEgress } from "../../../src/adapters/egress/egress.ts"
import { EgressFailed, EgressRefused } from "../../../src/adapters/egress/errors.ts"
import { asker } from "../../../src/kernel/asker.ts"
import { egressFor, errorOf, openServer } from "./places.ts"
import { LITERALS, PUBLIC, RESOLVED } from "./spellings.ts"

let canary: Awaited<ReturnType<typeof openServer>>
beforeAll(async () => {
  canary = await openServer()
})
afterAll(() => canary.close())

describe("an address inside", () => {
  test("is refused in each of several hundred spellings, and nothing reaches the canary", async () => {
    expect(LITERALS.length).toBeGreaterThan(300)
    const egress = egressFor("")
    for (const host of LITERALS) {
      const url = `http://${host}:${canary.port}/`
      const error = await errorOf(egress.fetch(url))
      expect([host, error]).toEqual([host, expect.any(EgressRefused)])
      expect([host, egress.refusal(url)]).toEqual([host, error.message])
    }
    expect(canary.connections()).toBe(0)
  })

  test("is refused however a name resolves to it, and nothing reaches the canary", async () => {
    for (const address of RESOLVED) {
      const egress = egressFor("", { resolve: async () => [{ address, family: address.includes(":") ? 6 : 4 }] })
      const error = await errorOf(egress.fetch(canary.url("/", "outside.test")))
      expect([address, error]).toEqual([address, expect.any(EgressRefused)])
    }
    expect(canary.connections()).toBe(0)
  })

  test("is refused under the names that the system knows for it", async () => {
    const egress = createEgress({ allow: [] }).for(asker("test"))
    for (const host of ["localhost", "LOCALHOST"]) {
      expect(await errorOf(egress.fetch(canary.url("/", host)))).toBeInstanceOf(EgressRefused)
    }
    expect(canary.connections()).toBe(0)
  })

  test("spoils a name that has a public address, too", async () => {
    for (const pair of [
      ["8.8.8.8", "127.0.0.1"],
      ["127.0.0.1", "8.8.8.8"],
      ["2606:4700::1", "::1"],
    ]) {
      const egress = egressFor("", { resolve: async () => pair.map(address => ({ address, family: 4 })) })
      expect(await errorOf(egress.fetch(canary.url("/", "both.test")))).toBeInstanceOf(EgressRefused)
    }
    expect(canary.connections()).toBe(0)
  })

  test("is refused when a name comes to mean it later", async () => {
    // A network that leads nowhere stands for the outside.
    const answers = ["203.0.113.9", "127.0.0.1"]
    const asked: string[] = []
    const resolve = async (name: string) => {
      asked.push(name)
      return [{ address: answers[Math.min(asked.length, answers.length) - 1] ?? "", family: 4 }]
    }
    const egress = egressFor("203.0.113.0/24", { resolve })
    const url = canary.url("/", "rebinding.test")
    expect(await errorOf(egress.fetch(url, {}, { connectMs: 100 }))).toBeInstanceOf(EgressFailed)
    expect(asked).toEqual(["rebinding.test"])
    expect(await errorOf(egress.fetch(url))).toBeInstanceOf(EgressRefused)
    expect(canary.connections()).toBe(0)
  })
})

test("public addresses beside the networks that are refused are not", () => {
  const egress = egressFor("")
  const host = (address: string) => (address.includes(":") ? `[${address}]` : address)
  expect(PUBLIC.filter(address => egress.refusal(`https://${host(address)}/`) !== null)).toEqual([])
})

describe("a refusal", () => {
  test("says what to allow, and nothing of path, query and headers", async () => {
    const egress = egressFor("")
    const url = canary.url("/hooks/s3cr3t?token=s3cr3t", "tools.test")
    const error = await errorOf(egress.fetch(url, { headers: { authorization: "Bearer s3cr3t" } }))
    expect(error.message).toBe(
      `tools.test:${canary.port} resolves to a loopback address; the operator can allow it with the setting egress.allow = "tools.test:${canary.port}"`,
    )
    expect(egress.refusal("http://127.0.0.1/x?token=s3cr3t")).toBe(
      '127.0.0.1 is a loopback address; the operator can allow it with the setting egress.allow = "127.0.0.1:80"',
    )
  })

  test.each([
    ["ftp://example.com/", "only http and https"],
    ["file:///etc/passwd", "only http and https"],
    ["gopher://example.com/", "only http and https"],
    ["data:text/plain,x", "only http and https"],
    ["https://me:s3cr3t@example.com/", "user name and password"],
    ["https://me@example.com/", "user name and password"],
    ["example.com/x", "no address"],
    ["", "no address"],
  ])("comes before anything is resolved: %s", async (url, sentence) => {
    const egress = egressFor("", {
      resolve: () => {
        throw new Error("it was resolved")
      },
    })
    expect(egress.refusal(url)).toContain(sentence)
    const error = await errorOf(egress.fetch(url))
    expect(error).toBeInstanceOf(EgressRefused)
    expect(error.message).not.toContain("s3cr3t")
  })
})

describe("the allow-list", () => {
  let before = 0
  beforeEach(() => {
    before = canary.seen.length
  })
  const reached = () => canary.seen.length - before
  const PORT = "PORT"

  test.each([
    ["a name", "tools.test", "tools.test"],
    ["a name written otherwise", "Tools.TEST.", "TOOLS.test"],
    ["a name with its port", `tools.test:${PORT}`, "tools.test"],
    ["an address", "127.0.0.1", "127.0.0.1"],
    ["an address that a name resolves to", "127.0.0.1", "tools.test"],
    ["an address in another spelling", "127.0.0.1", "0x7f.1"],
    ["an address with its port", `127.0.0.1:${PORT}`, "127.0.0.1"],
    ["a network", "127.0.0.0/8", "127.0.0.1"],
    ["a network that a name resolves into", "127.0.0.0/8", "tools.test"],
  ])("lets through %s", async (_, allow, host) => {
    const egress = egressFor(allow.replace(PORT, String(canary.port)))
    expect(await (await egress.fetch(canary.url("/", host))).text()).toBe("hello")
    expect(reached()).toBe(1)
  })

  test.each([
    ["another name", "tools.test", "other.test"],
    ["a name below", "tools.test", "my.tools.test"],
    ["the address behind a name", "tools.test", "127.0.0.1"],
    ["another port of a name", "tools.test:1", "tools.test"],
    ["another port of an address", "127.0.0.1:1", "127.0.0.1"],
    ["another port of an address, by name", "127.0.0.1:1", "tools.test"],
    ["another address", "127.0.0.2", "127.0.0.1"],
    ["another network", "10.0.0.0/8", "127.0.0.1"],
    ["an IPv4 address by a network of IPv6", "::/0", "127.0.0.1"],
    ["an IPv4 address in IPv6 spelling", "127.0.0.1", "[::ffff:127.0.0.1]"],
  ])("does not let through %s", async (_, allow, host) => {
    expect(await errorOf(egressFor(allow).fetch(canary.url("/", host)))).toBeInstanceOf(EgressRefused)
    expect(reached()).toBe(0)
  })

  test("holds for one policy: a connection of another one is not used", async () => {
    let resolved = 0
    const resolve = async () => {
      resolved++
      return [{ address: "127.0.0.1", family: 4 }]
    }
    const open = egressFor("tools.test", { resolve })
    const closed = egressFor("", { resolve })
    const connections = canary.connections()
    for (let i = 0; i < 3; i++) await (await open.fetch(canary.url("/", "tools.test"))).text()
    expect([resolved, canary.connections() - connections]).toEqual([1, 1])
    expect(await errorOf(closed.fetch(canary.url("/", "tools.test")))).toBeInstanceOf(EgressRefused)
    expect([resolved, canary.connections() - connections, reached()]).toEqual([2, 1, 3])
    open.close()
  })
})
