import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { connect } from "node:net"
import { createEgress } from "../../../src/adapters/egress/egress.ts"
import { EgressFailed, EgressRefused } from "../../../src/adapters/egress/errors.ts"
import { asker } from "../../../src/kernel/asker.ts"
import { egressFor, errorOf, openCanary, openServer } from "./places.ts"
import { confusing, LITERALS, NAMES, PUBLIC, RESOLVED } from "./spellings.ts"

const AWAY = [{ address: "127.0.0.1", family: 4 }]

let canary: Awaited<ReturnType<typeof openCanary>>
/** Sends on to wherever its path says, and is the only thing inside that is allowed. */
let away: Awaited<ReturnType<typeof openServer>>
/** A service that the operator may want to open. */
let inside: Awaited<ReturnType<typeof openServer>>
beforeAll(async () => {
  canary = await openCanary()
  inside = await openServer()
  away = await openServer(({ url }, response) => {
    const [, status = "200", to = ""] = /^\/(\d{3})\?(.*)$/s.exec(url) ?? []
    response.writeHead(Number(status), { location: decodeURIComponent(to), connection: "close" }).end()
  })
})
afterAll(() => {
  canary.close()
  inside.close()
  away.close()
})
/** One test's connections to the canary are not the next one's. */
afterEach(() => void canary.heard.splice(0))

/** As a header can hold it; null: it cannot. */
function inHeader(url: string): string | null {
  return /[\r\n]/.test(url) ? null : url.replace(/[^\t\x20-\x7e]+/g, encodeURIComponent)
}

/** By way of so many redirects of each kind. */
function through(statuses: readonly number[], url: string): string {
  return statuses.reduceRight((to, status) => away.url(`/${status}?${encodeURIComponent(to)}`, "away.test"), url)
}
const CHAINS = [[302], [307, 303], [301, 308, 302]]

/** `away.test` is allowed; asking for any other name would be a mistake. */
function egressToAway() {
  const asked: string[] = []
  const egress = egressFor("away.test", {
    resolve: async name => {
      asked.push(name)
      return [{ address: "127.0.0.1", family: 4 }]
    },
  })
  return { egress, asked }
}

test("the canary hears on all its addresses", async () => {
  for (const host of ["127.0.0.1", "127.0.0.2", "::1", "0.0.0.0"])
    await new Promise(resolve => connect(canary.port, host).on("close", resolve).on("error", resolve))
  for (let i = 0; i < 200 && canary.heard.length < 4; i++) await Bun.sleep(5)
  expect(canary.heard.toSorted()).toEqual(["127.0.0.1", "127.0.0.1", "127.0.0.2", "::1"])
})

describe("the table of spellings", () => {
  test("is long, repeats nothing, and each spelling is read as it says", () => {
    expect(LITERALS.length).toBeGreaterThanOrEqual(450)
    expect(LITERALS.filter(({ means }) => means !== null).length).toBeGreaterThanOrEqual(300)
    expect(new Set(LITERALS.map(({ host }) => host)).size).toBe(LITERALS.length)
    const read = LITERALS.map(({ how, host }) => ({ how, host, means: URL.parse(`http://${host}:81/`)?.hostname ?? null }))
    expect(read).toEqual([...LITERALS])
  })

  test("is refused whole, nothing is looked up, and nothing reaches the canary", async () => {
    const { egress, asked } = egressToAway()
    for (const { how, host } of LITERALS) {
      const url = `http://${host}:${canary.port}/`
      const error = await errorOf(egress.fetch(url))
      expect([how, error]).toEqual([how, expect.any(EgressRefused)])
      expect([how, egress.refusal(url)]).toEqual([how, error.message])
      expect([how, await errorOf(egress.addresses(host, canary.port))]).toEqual([how, expect.any(EgressRefused)])
    }
    expect([asked, canary.heard]).toEqual([[], []])
  })

  test("is refused whole at the end of redirects", async () => {
    const { egress, asked } = egressToAway()
    let redirected = 0
    for (const [n, { how, host, means }] of LITERALS.entries()) {
      const to = inHeader(`http://${host}:${canary.port}/`)
      // What is no URL is no redirect either: its answer is the caller's.
      if (means === null || to === null) continue
      const url = through(CHAINS[n % CHAINS.length] ?? [], to)
      expect([how, await errorOf(egress.fetch(url, { method: "POST", body: "x" }))]).toEqual([how, expect.any(EgressRefused)])
      redirected++
    }
    expect(redirected).toBeGreaterThanOrEqual(450)
    expect([new Set(asked), canary.heard]).toEqual([new Set(["away.test"]), []])
  }, 60_000)

  test("is the answer of a redirect where it is no URL", async () => {
    const { egress } = egressToAway()
    for (const { how, host, means } of LITERALS)
      if (means === null) expect([how, (await egress.fetch(through([302], `http://${host}/`))).status]).toEqual([how, 302])
    expect(canary.heard).toEqual([])
  })
})

describe("an address inside", () => {
  test("is refused in a URL that seems to lead elsewhere, straight and by redirects", async () => {
    const urls = confusing(canary.port)
    expect(urls.length).toBeGreaterThanOrEqual(25)
    const { egress, asked } = egressToAway()
    for (const url of urls) {
      expect([url, await errorOf(egress.fetch(url))]).toEqual([url, expect.any(EgressRefused)])
      const to = inHeader(url)
      // Some are relative to where they come from, which is allowed: then they lead back to it.
      if (to !== null) await egress.fetch(through([302], to)).catch(error => expect(error).toBeInstanceOf(EgressRefused))
    }
    expect([new Set(asked), canary.heard]).toEqual([new Set(["away.test"]), []])
  })

  test("is refused however a name resolves to it, straight, by redirects and for other protocols", async () => {
    for (const [n, address] of RESOLVED.entries()) {
      const family = address.includes(":") ? 6 : 4
      const resolve = async (name: string) => (name === "away.test" ? AWAY : [{ address, family }])
      const egress = egressFor("away.test", { resolve })
      const url = `http://outside.test:${canary.port}/`
      const wanted = [address, expect.any(EgressRefused)]
      expect([address, await errorOf(egress.fetch(url))]).toEqual(wanted)
      expect([address, await errorOf(egress.fetch(through(CHAINS[n % CHAINS.length] ?? [], url)))]).toEqual(wanted)
      expect([address, await errorOf(egress.addresses("outside.test", canary.port))]).toEqual(wanted)
    }
    expect(canary.heard).toEqual([])
  }, 60_000)

  test("is refused under the names it has in networks and clouds, in every writing", async () => {
    for (const [name, address] of NAMES) {
      const asked: string[] = []
      const resolve = async (name: string) => {
        asked.push(name)
        return name === "away.test" ? AWAY : [{ address, family: address.includes(":") ? 6 : 4 }]
      }
      const egress = egressFor("away.test", { resolve })
      const url = `http://${name}:${canary.port}/latest/meta-data/`
      expect([name, await errorOf(egress.fetch(url))]).toEqual([name, expect.any(EgressRefused)])
      const chain = through([302, 307], inHeader(url) ?? "")
      expect([name, await errorOf(egress.fetch(chain))]).toEqual([name, expect.any(EgressRefused)])
      expect(asked.filter(one => one !== "away.test").every(one => /^[a-z0-9.-]+$/.test(one))).toBe(true)
      egress.close()
    }
    expect(canary.heard).toEqual([])
  })

  test("is refused under the names that the system knows for it", async () => {
    const egress = createEgress({ allow: [] }).for(asker("test"))
    for (const host of ["localhost", "LOCALHOST", "localhost."]) {
      expect([host, await errorOf(egress.fetch(`http://${host}:${canary.port}/`))]).toEqual([host, expect.any(Error)])
      expect([host, await errorOf(egress.addresses(host, canary.port))]).toEqual([host, expect.any(Error)])
    }
    expect(canary.heard).toEqual([])
  })

  test("spoils a name that has a public address, too", async () => {
    for (const pair of [
      ["8.8.8.8", "127.0.0.1"],
      ["127.0.0.1", "8.8.8.8"],
      ["2606:4700::1", "::1"],
      ["8.8.8.8", "::ffff:127.0.0.2"],
    ]) {
      const egress = egressFor("", { resolve: async () => pair.map(address => ({ address, family: 4 })) })
      expect(await errorOf(egress.fetch(`http://both.test:${canary.port}/`))).toBeInstanceOf(EgressRefused)
      expect(await errorOf(egress.addresses("both.test", canary.port))).toBeInstanceOf(EgressRefused)
    }
    expect(canary.heard).toEqual([])
  })
})

describe("a name that comes to mean an address inside", () => {
  /** Answers one after the other, the last one for ever. */
  function rebinding(...answers: readonly string[]) {
    const asked: string[] = []
    const resolve = async (name: string) => {
      asked.push(name)
      const address = answers[Math.min(asked.length, answers.length) - 1] ?? ""
      return [{ address, family: address.includes(":") ? 6 : 4 }]
    }
    return { asked, resolve }
  }

  test("is refused at the next request, and was looked up once for the one before", async () => {
    // A network that leads nowhere stands for the outside.
    for (const inside of ["127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1", "0.0.0.0"]) {
      const { asked, resolve } = rebinding("203.0.113.9", inside)
      const egress = egressFor("203.0.113.0/24", { resolve })
      const url = `http://rebinding.test:${canary.port}/`
      expect(await errorOf(egress.fetch(url, {}, { connectMs: 50 }))).toBeInstanceOf(EgressFailed)
      expect(asked).toEqual(["rebinding.test"])
      expect([inside, await errorOf(egress.fetch(url))]).toEqual([inside, expect.any(EgressRefused)])
    }
    expect(canary.heard).toEqual([])
  })

  test("is refused in the middle of redirects from itself to itself", async () => {
    // The redirecting server is allowed by its address; the name moves on to the canary's before the next hop.
    for (const inside of ["127.0.0.2", "::1", "169.254.169.254"]) {
      const { asked, resolve } = rebinding("127.0.0.1", "127.0.0.1", inside)
      const egress = egressFor(`127.0.0.1:${away.port}`, { resolve })
      const own = (status: number, to: string) => away.url(`/${status}?${encodeURIComponent(to)}`, "rebinding.test")
      const url = own(302, own(307, away.url("/", "rebinding.test")))
      expect([inside, await errorOf(egress.fetch(url))]).toEqual([inside, expect.any(EgressRefused)])
      expect(asked).toHaveLength(3)
    }
  })

  test("is refused on another port of the address it was allowed with", async () => {
    const { resolve } = rebinding("127.0.0.1")
    const egress = egressFor(`127.0.0.1:${away.port}`, { resolve })
    const url = away.url(`/302?${encodeURIComponent(`http://rebinding.test:${canary.port}/`)}`, "rebinding.test")
    expect(await errorOf(egress.fetch(url))).toBeInstanceOf(EgressRefused)
    expect(canary.heard).toEqual([])
  })

  test("gives no address for another protocol, and each time the ones that were vetted", async () => {
    const { asked, resolve } = rebinding("8.8.8.8", "127.0.0.1", "2606:4700::1", "::1")
    const egress = egressFor("", { resolve })
    expect(await egress.addresses("db.test", 5432)).toEqual(["8.8.8.8"])
    expect(await errorOf(egress.addresses("db.test", 5432))).toBeInstanceOf(EgressRefused)
    expect(await egress.addresses("db.test", 5432)).toEqual(["2606:4700::1"])
    expect(await errorOf(egress.addresses("db.test", 5432))).toBeInstanceOf(EgressRefused)
    expect(asked).toHaveLength(4)
  })
})

describe("addresses for other protocols", () => {
  test("of a literal are itself, without a look-up", async () => {
    const { egress, asked } = egressToAway()
    expect(await egress.addresses("8.8.8.8", 5432)).toEqual(["8.8.8.8"])
    expect(await egress.addresses("2606:4700::1", 5432)).toEqual(["2606:4700::1"])
    expect(await egress.addresses("[2606:4700::1]", 5432)).toEqual(["2606:4700::1"])
    // Connect to the answer: what was asked for may be read otherwise by somebody else.
    expect(await egress.addresses("0x8.8.0x0808", 5432)).toEqual(["8.8.8.8"])
    expect(asked).toEqual([])
  })

  test("are given for the port that was asked for, and for nothing that is more than a host", async () => {
    const egress = egressFor("127.0.0.1:5432,db.test:5432")
    expect(await egress.addresses("127.0.0.1", 5432)).toEqual(["127.0.0.1"])
    expect(await egress.addresses("db.test", 5432)).toEqual(["127.0.0.1"])
    const tricks = [
      "127.0.0.1:5432/",
      "127.0.0.1:5432#",
      "127.0.0.1:5432?",
      "db.test:5432/",
      "db.test:5432\\",
      "db.test/",
      "db.test#",
      "x@db.test",
    ]
    for (const host of [...tricks, "", " ", "db.test?", "/", "[::1", "a b", "db.test:", "db.test:5432"])
      for (const port of [80, 6379])
        expect([host, port, await errorOf(egress.addresses(host, port))]).toEqual([host, port, expect.any(EgressRefused)])
    for (const port of [0, -1, 65_536, 1.5, Number.NaN])
      expect([port, await errorOf(egress.addresses("db.test", port))]).toEqual([port, expect.any(EgressRefused)])
  })

  test("fail for a name that nobody knows, and one without any", async () => {
    const unknown = async () => {
      throw Object.assign(new Error("getaddrinfo ENOTFOUND"), { code: "ENOTFOUND" })
    }
    expect((await errorOf(egressFor("", { resolve: unknown }).addresses("gone.test", 1))).message).toBe(
      "gone.test:1 could not be reached: ENOTFOUND",
    )
    expect(await errorOf(egressFor("", { resolve: async () => [] }).addresses("gone.test", 1))).toBeInstanceOf(EgressFailed)
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
    const url = inside.url("/hooks/s3cr3t?token=s3cr3t", "tools.test")
    const error = await errorOf(egress.fetch(url, { headers: { authorization: "Bearer s3cr3t" } }))
    expect(error.message).toBe(
      `tools.test:${inside.port} resolves to a loopback address; the operator can allow it by adding "tools.test:${inside.port}" to the setting egress.allow`,
    )
    expect(egress.refusal("http://127.0.0.1/x?token=s3cr3t")).toBe(
      '127.0.0.1 is a loopback address; the operator can allow it by adding "127.0.0.1:80" to the setting egress.allow',
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
    before = inside.seen.length
  })
  const reached = () => inside.seen.length - before
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
    const egress = egressFor(allow.replace(PORT, String(inside.port)))
    expect(await (await egress.fetch(inside.url("/", host))).text()).toBe("hello")
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
    expect(await errorOf(egressFor(allow).fetch(inside.url("/", host)))).toBeInstanceOf(EgressRefused)
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
    const connections = inside.connections()
    for (let i = 0; i < 3; i++) await (await open.fetch(inside.url("/", "tools.test"))).text()
    expect([resolved, inside.connections() - connections]).toEqual([1, 1])
    expect(await errorOf(closed.fetch(inside.url("/", "tools.test")))).toBeInstanceOf(EgressRefused)
    expect([resolved, inside.connections() - connections, reached()]).toEqual([2, 1, 3])
    open.close()
  })
})
