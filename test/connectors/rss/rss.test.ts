import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { join } from "node:path"
import { type ChildPool, createChildPool } from "../../../src/adapters/sandbox/child-pool.ts"
import { createArgumentCheck } from "../../../src/connectors/arguments.ts"
import type { CallContext, Connector } from "../../../src/connectors/connector.ts"
import { createRssConnector } from "../../../src/connectors/rss/connector.ts"
import { FEED_CHILD_MEMORY_MAX_BYTES, FEED_MAX_BYTES } from "../../../src/connectors/rss/limits.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { callContext, egressTo } from "../call.ts"

// Real children on a shared machine.
const SLOW_MS = 60_000

type Served = string | Uint8Array<ArrayBuffer> | ((request: Request) => Response | Promise<Response>)
const served = new Map<string, Served>()
let server: ReturnType<typeof Bun.serve>
let children: ChildPool
let rss: Connector
beforeAll(() => {
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      const what = served.get(new URL(request.url).pathname)
      if (typeof what === "function") return what(request)
      return what === undefined ? new Response("nothing here", { status: 404 }) : new Response(what)
    },
  })
  children = createChildPool({
    command: [process.execPath, join(import.meta.dir, "feeds-child.ts")],
    size: 1,
    maxWaiting: 100,
    memoryMaxBytes: FEED_CHILD_MEMORY_MAX_BYTES,
  })
  rss = createRssConnector({ egress: egressTo("127.0.0.1"), feeds: children })
})
afterAll(async () => {
  await children.close()
  await server.stop(true)
})

const check = createArgumentCheck()
const at = (path: string) => `http://127.0.0.1:${server.port}${path}`
function serve(path: string, what: Served): string {
  served.set(path, what)
  return at(path)
}

async function ask(tool: string, args: JsonObject, change: Partial<CallContext> = {}) {
  const checked = check(rss.tools.find(t => t.name === tool)!, args)
  if (!checked.ok) return { ...checked, retryable: false }
  return await rss.call(tool, checked.args, callContext(change))
}
// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
async function value(tool: string, args: JsonObject, change: Partial<CallContext> = {}): Promise<any> {
  const result = await ask(tool, args, change)
  if (!("value" in result)) throw new Error(result.ok ? "" : result.message)
  return result.value
}
async function failure(tool: string, args: JsonObject, change: Partial<CallContext> = {}) {
  const result = await ask(tool, args, change)
  if (result.ok) throw new Error(`it was not refused: ${JSON.stringify(result).slice(0, 300)}`)
  return { message: result.message, retryable: result.retryable }
}
const fetchOne = (url: string, more: JsonObject = {}) => value("rss_fetch_items", { rss_feed_url: url, ...more })
const item = (n: number, more = "") =>
  `<item><title>Item ${n}</title><link>/posts/${n}</link><guid>g${n}</guid><pubDate>Wed, ${String(n).padStart(2, "0")} Jun 2026 08:00:00 GMT</pubDate>${more}</item>`
const feed = (body: string, head = "<title>News</title><link>https://news.example/</link>") =>
  `<?xml version="1.0"?><rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>${head}${body}</channel></rss>`

describe("a feed", () => {
  test(
    "of RSS comes with its items in one shape",
    async () => {
      const url = serve(
        "/rss",
        feed(
          item(
            3,
            `<description>A &amp; B &lt;b&gt;</description><content:encoded><![CDATA[<p>Full</p>]]></content:encoded><dc:creator>Desk</dc:creator>
             <category>one</category><category>one</category><category>two</category>
             <enclosure url="audio.mp3" length="123" type="audio/mpeg"/>`,
          ),
        ),
      )
      expect(await fetchOne(url)).toEqual({
        items: [
          {
            title: "Item 3",
            link: at("/posts/3"),
            id: "g3",
            published: "2026-06-03T08:00:00.000Z",
            updated: null,
            author: "Desk",
            summary: "A & B <b>",
            content: "<p>Full</p>",
            categories: ["one", "two"],
            enclosures: [{ url: at("/audio.mp3"), type: "audio/mpeg", size_bytes: 123 }],
          },
        ],
        count: 1,
        feed: { format: "rss", title: "News", link: "https://news.example/", description: null, language: null },
        truncated: false,
      })
    },
    SLOW_MS,
  )

  test("of Atom, RDF and JSON comes in the same shape", async () => {
    const atom = serve(
      "/atom",
      `<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en"><title type="html">A &amp;amp; B</title><link href="/home"/><updated>2026-06-01T00:00:00Z</updated>
        <entry><id>urn:1</id><title>First</title><link rel="enclosure" href="/a.ogg" type="audio/ogg" length="9"/><link href="/1"/>
        <updated>2026-06-02T10:00:00+02:00</updated><author><name>Desk</name></author><summary>s</summary><content type="html">&lt;p&gt;c&lt;/p&gt;</content><category term="t"/></entry></feed>`,
    )
    const rdf = serve(
      "/rdf",
      `<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">
        <channel><title>R</title></channel><item rdf:about="https://e.example/1"><title>First</title><link>https://e.example/1</link><dc:date>2026-06-02T08:00:00Z</dc:date></item></rdf:RDF>`,
    )
    const json = serve(
      "/json",
      JSON.stringify({
        version: "https://jsonfeed.org/version/1.1",
        title: "J",
        home_page_url: "/home",
        items: [{ id: "1", url: "/1", title: "First", content_text: "c", date_published: "2026-06-02T08:00:00Z", tags: ["t"] }],
      }),
    )
    const [a, r, j] = [await fetchOne(atom), await fetchOne(rdf), await fetchOne(json)]
    expect([a.feed.format, r.feed.format, j.feed.format]).toEqual(["atom", "rdf", "json"])
    for (const { items } of [a, r, j]) {
      expect(items).toHaveLength(1)
      expect(items[0]).toMatchObject({ title: "First", published: "2026-06-02T08:00:00.000Z" })
    }
    expect(a.items[0]).toMatchObject({
      link: at("/1"),
      id: "urn:1",
      author: "Desk",
      content: "<p>c</p>",
      categories: ["t"],
      enclosures: [{ url: at("/a.ogg"), type: "audio/ogg", size_bytes: 9 }],
    })
    expect(r.items[0].id).toBe("https://e.example/1")
    expect([a.feed.link, j.feed.link, j.items[0].link]).toEqual([at("/home"), at("/home"), at("/1")])
  })

  test("is read in the encoding that it comes in", async () => {
    const latin = (head: string) =>
      Uint8Array.from(`${head}<rss><channel><title>caf\u00e9</title></channel></rss>`, c => c.charCodeAt(0))
    const utf16 = (text: string, mark: readonly number[], low: boolean) =>
      Uint8Array.from([...mark, ...[...text].flatMap(c => (low ? [c.charCodeAt(0), 0] : [0, c.charCodeAt(0)]))])
    const text = "<rss><channel><title>caf\u00e9</title></channel></rss>"
    const typed = (bytes: Uint8Array<ArrayBuffer>, type: string) => () =>
      new Response(bytes, { headers: { "content-type": type } })
    const cases: readonly Served[] = [
      latin('<?xml version="1.0" encoding="ISO-8859-1"?>'),
      typed(latin(""), "application/rss+xml; charset=windows-1252"),
      typed(latin('<?xml version="1.0" encoding="utf-8"?>'), 'text/xml;charset="latin1"'),
      utf16(text, [0xff, 0xfe], true),
      utf16(text, [0xfe, 0xff], false),
      typed(new TextEncoder().encode(`\ufeff${text}`), "text/xml; charset=latin1"),
      typed(new TextEncoder().encode(text), "text/xml; charset=klingon"),
      typed(new TextEncoder().encode(`<?xml version="1.0" encoding="utf-16"?>${text}`), "text/xml"),
    ]
    for (const [n, one] of cases.entries()) {
      expect([n, (await fetchOne(serve("/encoded", one))).feed.title]).toEqual([n, "caf\u00e9"])
    }
  })

  test("gives as many items as are asked for, only newer ones, and without their texts where these are not wanted", async () => {
    const url = serve(
      "/many",
      feed(Array.from({ length: 30 }, (_, i) => item(30 - i, "<content:encoded>c</content:encoded>")).join("")),
    )
    expect(await fetchOne(url)).toMatchObject({ count: 20, truncated: true })
    expect((await fetchOne(url, { limit: "3" })).items.map((i: JsonObject) => i.title)).toEqual(["Item 30", "Item 29", "Item 28"])
    expect(await fetchOne(url, { limit: 500 })).toMatchObject({ count: 30, truncated: false })
    expect(await fetchOne(url, { published_after: "2026-06-28T10:00:00+02:00" })).toMatchObject({ count: 2, truncated: false })
    expect((await fetchOne(url, { limit: 1, include_content: false })).items[0].content).toBeNull()
    const wrong = { rss_feed_url: url, published_after: "yesterday" }
    expect((await failure("rss_fetch_items", wrong)).message).toContain("published_after is no time")
  })

  test("that is empty or says nothing is a feed without items", async () => {
    expect(await fetchOne(serve("/empty", feed("")))).toMatchObject({ items: [], count: 0, truncated: false })
    const [bare] = (await fetchOne(serve("/bare", feed("<item><pubDate>soon</pubDate><description>d</description></item>"))))
      .items
    expect(bare).toMatchObject({
      title: null,
      link: null,
      id: null,
      published: null,
      summary: "d",
      categories: [],
      enclosures: [],
    })
  })
})

describe("the request", () => {
  test("names the configured user agent, and follows a redirect", async () => {
    let seen: Headers | undefined
    serve("/to", request => {
      seen = request.headers
      return new Response(feed(item(1)))
    })
    const url = serve("/from", () => Response.redirect(at("/to")))
    await value("rss_fetch_items", { rss_feed_url: url }, { config: { user_agent: "Reader/1" } })
    expect([seen?.get("user-agent"), seen?.get("accept")?.includes("application/rss+xml")]).toEqual(["Reader/1", true])
    await fetchOne(url)
    expect(seen?.get("user-agent")).toBe("AgentRuntime (rss)")
    for (const user_agent of ["a\r\nx: y", "ü", "x".repeat(1_000), 7]) {
      const refused = await failure("rss_fetch_items", { rss_feed_url: url }, { config: { user_agent } })
      expect(refused.message).toContain("user_agent of the configuration")
    }
  })

  test("is refused where egress refuses it, and fails as the other side fails", async () => {
    const one = async (url: string, change: Partial<CallContext> = {}) =>
      failure("rss_fetch_items", { rss_feed_url: url }, change)
    for (const url of ["file:///etc/passwd", "http://169.254.169.254/latest", "no address", "ftp://e.example/x"]) {
      expect([url, (await one(url)).retryable]).toEqual([url, false])
    }
    expect((await one(serve("/to-metadata", () => Response.redirect("http://169.254.169.254/")))).retryable).toBe(false)
    expect(await one(at("/nothing"))).toEqual({ message: `127.0.0.1:${server.port} answered 404`, retryable: false })
    expect((await one(serve("/500", () => new Response("x", { status: 503 })))).retryable).toBe(true)
    expect((await one(serve("/429", () => new Response("x", { status: 429 })))).retryable).toBe(true)
    expect((await one("http://127.0.0.1:9/")).retryable).toBe(true)
  })

  test("ends by its own limit, by the step's, and when the run is stopped", async () => {
    const url = serve("/hang", () => new Promise(() => {}))
    const args = { rss_feed_url: url }
    expect((await failure("rss_fetch_items", args, { config: { request_timeout_seconds: 0.05 } })).message).toContain(
      "did not answer",
    )
    expect((await failure("rss_fetch_items", args, { timeoutMs: 50 })).message).toContain("did not answer")
    const signal = AbortSignal.timeout(50)
    expect((await ask("rss_fetch_items", args, { signal, timeoutMs: 50_000 })).ok).toBe(false)
    const stop = new AbortController()
    setTimeout(() => stop.abort(), 30)
    expect((await failure("rss_fetch_items", args, { signal: stop.signal })).message).toBe("the call was cancelled")
    expect((await failure("rss_fetch_items", args, { config: { request_timeout_seconds: -1 } })).message).toContain(
      "must be more than 0",
    )
  })
})

describe("hostile feeds", () => {
  const told = async (what: Served) => (await failure("rss_fetch_items", { rss_feed_url: serve("/hostile", what) })).message

  test("that are none, too large, or broken are told as what they are", async () => {
    expect(await told("<!DOCTYPE html><html><body>x</body></html>")).toContain("a web page, not a feed")
    expect(await told("just text")).toContain("no feed")
    expect(await told("")).toContain("empty")
    expect(await told(feed("", ""))).toContain("has no items")
    expect(await told(`{"items": ${"[".repeat(100_000)}`)).toContain("no feed")
    expect(await told(crypto.getRandomValues(new Uint8Array(10_000)))).toContain("no feed")
    expect(await told(" ".repeat(FEED_MAX_BYTES + 1))).toContain("is larger than")
    expect(await told(feed("<a>".repeat(100_000)))).toContain("damaged, or made to do harm")
    expect(await told(feed("<item><__proto__><polluted>yes</polluted></__proto__></item>"))).toContain("made to do harm")
    expect("polluted" in {}).toBe(false)
  })

  test("have entities that are not expanded, neither from themselves nor from files", async () => {
    const bomb = `<!DOCTYPE rss [<!ENTITY a "lol">${"bcdefghij".replaceAll(/./g, c => `<!ENTITY ${c} "${`&${String.fromCharCode(c.charCodeAt(0) - 1)};`.repeat(10)}">`)}]>`
    const bombed = await fetchOne(serve("/bomb", `${bomb}<rss><channel><title>&j;</title></channel></rss>`)).catch(error => error)
    expect(JSON.stringify(bombed.feed?.title ?? bombed.message).length).toBeLessThan(500)
    const file = `<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]><rss><channel><title>&x;</title></channel></rss>`
    expect(await told(file)).toContain("External entities are not supported")
    const fetched: string[] = []
    serve("/outer.dtd", request => {
      fetched.push(request.url)
      return new Response("<!ENTITY x 'from outside'>")
    })
    const outer = await fetchOne(
      serve("/dtd", `<!DOCTYPE rss SYSTEM "${at("/outer.dtd")}"><rss><channel><title>t</title></channel></rss>`),
    )
    expect([outer.feed.title, fetched]).toEqual(["t", []])
  })

  test("have links that run nothing, and texts of any length and any characters that are cut and clean", async () => {
    const bad = [
      "javascript:alert(1)",
      "JaVaScRiPt:alert(1)",
      "data:text/html,x",
      "file:///etc/passwd",
      "vbscript:x",
      "\u0001javascript:x",
    ]
    const [first, ...rest] = (
      await fetchOne(
        serve(
          "/links",
          feed(
            `<item><title>${"x".repeat(100_000)}</title></item>${bad.map(b => `<item><title>a\u0000b\ud800</title><link>${b}</link><enclosure url="${b}"/></item>`).join("")}`,
          ),
        ),
      )
    ).items
    expect(first.title).toHaveLength(20_000)
    for (const one of rest) expect([one.link, one.enclosures, one.title]).toEqual([null, [], "ab\ufffd"])
  })

  test("have more text than a step's result may have, and come cut", async () => {
    const large = feed(
      Array.from({ length: 20 }, (_, i) => item(i + 1, `<content:encoded>${"é".repeat(150_000)}</content:encoded>`)).join(""),
    )
    const answer = await fetchOne(serve("/large", large))
    expect(answer.truncated).toBe(true)
    expect(answer.count).toBe(3)
    expect(Buffer.byteLength(JSON.stringify(answer))).toBeLessThan(1024 * 1024)
  })

  test(
    "keep a child busy, and not the server",
    async () => {
      const slow = serve("/slow", feed(`<item ${Array.from({ length: 500_000 }, (_, i) => `a${i}="b"`).join(" ")}/>`))
      let beats = 0
      const heart = setInterval(() => beats++, 5)
      const { message } = await failure("rss_fetch_items", { rss_feed_url: slow }, { timeoutMs: 400 })
      clearInterval(heart)
      expect(message).toMatch(/could not be read within|did not answer/)
      expect(beats).toBeGreaterThan(5)
      expect((await fetchOne(serve("/after", feed(item(1))))).count).toBe(1)
    },
    SLOW_MS,
  )
})

describe("several feeds", () => {
  test("come together, newest first, with what failed told beside", async () => {
    const one = serve("/m1", feed(item(1) + item(9)))
    const two = serve("/m2", feed(item(5), "<title>Two</title>"))
    const bad = serve("/m3", "no feed at all")
    const answer = await value("rss_fetch_items_multi", { rss_feed_urls: [one, bad, two, one, "http://10.0.0.1/feed"] })
    expect(answer.items.map((i: JsonObject) => [i.feed_url, i.title])).toEqual([
      [one, "Item 9"],
      [two, "Item 5"],
      [one, "Item 1"],
    ])
    expect(answer).toMatchObject({ count: 3, failed: 2, truncated: false })
    expect(answer.feeds.map((f: JsonObject) => [f.feed_url, f.ok, f.title, f.count])).toEqual([
      [one, true, "News", 2],
      [bad, false, null, 0],
      [two, true, "Two", 1],
      ["http://10.0.0.1/feed", false, null, 0],
    ])
    expect(answer.feeds[1].error).toContain("no feed")
  })

  test("that all fail are a failure, which may pass if one of them may", async () => {
    const down = serve("/down", () => new Response("x", { status: 503 }))
    const both = await failure("rss_fetch_items_multi", { rss_feed_urls: [at("/nothing"), down] })
    expect(both.retryable).toBe(true)
    expect(both.message).toContain("none of the feeds could be read")
    expect((await failure("rss_fetch_items_multi", { rss_feed_urls: [at("/nothing")] })).retryable).toBe(false)
  })

  test("are a few at a time, and not more than can be waited for", async () => {
    let now = 0
    let most = 0
    const urls = Array.from({ length: 20 }, (_, i) =>
      serve(`/busy${i}`, async () => {
        most = Math.max(most, ++now)
        await Bun.sleep(10)
        now--
        return new Response(feed(item(1)))
      }),
    )
    expect(await value("rss_fetch_items_multi", { rss_feed_urls: urls })).toMatchObject({ count: 20, failed: 0 })
    expect(most).toBeLessThanOrEqual(6)
    for (const rss_feed_urls of [[], Array.from({ length: 26 }, () => at("/m1")), [""], "x"]) {
      expect((await failure("rss_fetch_items_multi", { rss_feed_urls })).message).toContain("cannot take these arguments")
    }
  })
})
