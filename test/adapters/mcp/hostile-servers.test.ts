import { afterAll, describe, expect, test } from "bun:test"
import { EgressRefused } from "../../../src/adapters/egress/errors.ts"
import { McpFailure } from "../../../src/adapters/mcp/mcp.ts"
import { MCP_ANSWER_MAX_BYTES, MCP_TOOLS_MAX } from "../../../src/kernel/limits.ts"
import { type Answer, type Behaviour, type HandMade, handMade, stream } from "./hand-made.ts"
import { failure, http, options, testClients } from "./peers.ts"

const clients = testClients()
const servers: HandMade[] = []
afterAll(() => {
  for (const server of servers) server.close()
})

async function serverThat(behaviour: Behaviour): Promise<HandMade> {
  const server = await handMade(behaviour)
  servers.push(server)
  return server
}

/** What a call of `work` comes to when it is answered so. */
async function calling(act: (answer: Answer) => void, timeoutMs = 15_000): Promise<Error> {
  const { url } = await serverThat({ "tools/call": act })
  return await failure(clients.callTool(http(url), "work", {}, options({ timeoutMs })))
}

async function listing(tools: (answer: Answer) => void): Promise<Error> {
  const { url } = await serverThat({ "tools/list": tools })
  return await failure(clients.listTools(http(url), options()))
}

const tool = (name: string, more: object = {}) => ({ name, inputSchema: { type: "object" }, ...more })

describe("a call fails with a sentence when the server", () => {
  test("hangs", async () => {
    const error = await calling(() => {}, 300)

    expect(error).toBeInstanceOf(McpFailure)
    expect(error).toMatchObject({
      message: expect.stringMatching(/^127\.0\.0\.1:\d+ did not answer within 0\.3 s$/),
      timeout: true,
    })
  })

  test("hangs before the first word, from connecting on", async () => {
    const { url } = await serverThat({ "server/discover": () => {}, initialize: () => {} })

    const error = await failure(clients.callTool(http(url), "work", {}, options({ timeoutMs: 300 })))

    expect(error).toMatchObject({ timeout: true, retryable: true })
  })

  test("sends a stream without end", async () => {
    const error = await calling(({ response }) => {
      const send = stream(response)
      const timer = setInterval(() => send(": still there"), 20)
      response.on("close", () => clearInterval(timer))
    }, 400)

    expect(error).toMatchObject({ timeout: true })
  })

  test("sends progress without end: that gives it no more time", async () => {
    const error = await calling(({ response, message }) => {
      const send = stream(response)
      const token = (message.params?._meta as { progressToken: number } | undefined)?.progressToken ?? 0
      const params = { progressToken: token, progress: 1 }
      const timer = setInterval(
        () => send(`data: ${JSON.stringify({ jsonrpc: "2.0", method: "notifications/progress", params })}`),
        20,
      )
      response.on("close", () => clearInterval(timer))
    }, 400)

    expect(error).toMatchObject({ timeout: true })
  })

  test("answers with more than fits", async () => {
    const chunk = Buffer.alloc(256 * 1024, "x")
    for (const type of ["application/json", "text/event-stream"]) {
      let sent = 0
      const error = await calling(({ response }) => {
        response.writeHead(200, { "content-type": type })
        const more = () => {
          for (; !response.destroyed && sent < 500 * 1024 * 1024; sent += chunk.length)
            if (!response.write(chunk)) return void response.once("drain", more)
        }
        more()
      })

      expect(error.message).toMatch(new RegExp(`^the answer of 127.0.0.1:\\d+ is larger than ${MCP_ANSWER_MAX_BYTES} bytes$`))
      expect(error).toMatchObject({ retryable: false })
      expect(sent).toBeLessThan(3 * MCP_ANSWER_MAX_BYTES)
    }
  })

  test("says beforehand that its answer is 500 MB", async () => {
    const error = await calling(({ response }) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": String(500 * 1024 * 1024) })
      response.write("{")
    })

    expect(error.message).toContain("is larger than")
    expect(error).toMatchObject({ retryable: false })
  })

  test("answers with something that is no JSON, or no message", async () => {
    const answers = { "<html>": /no JSON/, '{"hello":1}': /no message of MCP/, "[]": /without a result/ }
    for (const [body, expected] of Object.entries(answers)) {
      const error = await calling(({ response }) => {
        response.writeHead(200, { "content-type": "application/json" }).end(body)
      })

      expect(error).toBeInstanceOf(McpFailure)
      expect(error.message).toMatch(expected)
    }
  })

  test("answers with another content type", async () => {
    const error = await calling(({ response }) => {
      response.writeHead(200, { "content-type": "text/html" }).end("<html>")
    })

    expect(error.message).toMatch(/answered with content of the type text\/html, which is not MCP$/)
  })

  test("answers something else than was asked", async () => {
    const error = await calling(({ response }) => {
      response.writeHead(200, { "content-type": "application/json" }).end('{"jsonrpc":"2.0","id":4711,"result":{}}')
    })

    expect(error).toMatchObject({ message: expect.stringMatching(/ended its answer without a result$/), retryable: true })
  })

  test("says that it took the call, and nothing more", async () => {
    expect((await calling(({ response }) => void response.writeHead(202).end())).message).toMatch(/without a result$/)
  })

  test("dies in the middle of the answer", async () => {
    for (const begun of ["application/json", "text/event-stream"]) {
      const error = await calling(({ response }) => {
        response.writeHead(200, { "content-type": begun })
        response.write('{"jsonrpc"')
        setTimeout(() => response.destroy(), 20)
      })

      expect(error).toBeInstanceOf(McpFailure)
      expect(error).toMatchObject({ retryable: true, timeout: false })
    }
  })

  test("gives a result that the protocol does not know", async () => {
    for (const result of [{ content: "text" }, { content: [{ type: "image" }] }, { content: [{ type: "hologram" }] }])
      expect((await calling(answer => answer.result(result))).message).toContain("does not fit the protocol")
  })

  test("gives a result that would take half a minute to be checked, and nobody waits for it", async () => {
    const parts = Array.from({ length: 300_000 }, () => ({ type: "nonsense" }))
    const icons = Array.from({ length: 300_000 }, () => ({}))
    for (const content of [parts, [{ type: "resource_link", uri: "a:b", name: "a", icons }]]) {
      const pauses = measuredPauses()
      const error = await calling(answer => answer.result({ content }))

      expect(error.message).toMatch(/gave a result (of more than 1000 parts|whose parts are too large to be checked)$/)
      expect(pauses.longestMs()).toBeLessThan(5_000)
    }
    expect((await listing(answer => answer.result({ tools: [tool("a", { icons })], icons }))).message).toContain(
      "too large to be checked",
    )
  })

  test("nests its result, or its list, without end: some kilobytes would hold everybody up for seconds", async () => {
    const lists = "[".repeat(60_000) + "]".repeat(60_000)
    const raw =
      (result: string) =>
      ({ response, message }: Answer) =>
        void response
          .writeHead(200, { "content-type": "application/json" })
          .end(`{"jsonrpc":"2.0","id":${message.id},"result":${result}}`)
    const pauses = measuredPauses()

    const result = await calling(raw(`{"content":[],"structuredContent":{"a":${lists}}}`))
    const list = await listing(raw(`{"tools":[{"name":"a","inputSchema":{"type":"object","enum":${lists}}}]}`))

    for (const { message } of [result, list]) expect(message).toContain("gave a result that is nested too deeply")
    expect(pauses.longestMs()).toBeLessThan(2_000)
  })

  test("refuses it, in the server's own words", async () => {
    const error = await calling(({ error }) => error(-32_602, "unknown\ntool ".repeat(1_000)))

    expect(error.message).toMatch(/^127\.0\.0\.1:\d+ answered with the error -32602: unknown tool/)
    expect(error.message.length).toBeLessThan(1_200)
    expect(error).toMatchObject({ retryable: false })
  })

  test("answers with an error of HTTP", async () => {
    const statuses = { 400: false, 403: false, 404: false, 429: true, 500: true, 503: true }
    for (const [status, retryable] of Object.entries(statuses)) {
      const error = await calling(({ response }) => void response.writeHead(Number(status)).end("<html>sorry</html>"))

      expect(error.message).toContain(`HTTP ${status}`)
      expect(error.message).not.toContain("html")
      expect(error).toMatchObject({ retryable })
    }
  })
})

describe("redirects", () => {
  test("to another server are not followed, metadata services among them", async () => {
    for (const location of ["http://169.254.169.254/latest/meta-data/", "http://localhost:1/mcp", "https://example.com/mcp"]) {
      const error = await calling(({ response }) => void response.writeHead(307, { location }).end())

      expect(error.message).toMatch(/answered with a redirect to another server, which is not followed/)
    }
  })

  test("an address that may not be reached is refused with the sentence of egress", async () => {
    const error = await failure(clients.listTools(http("http://169.254.169.254/mcp"), options()))

    expect(error).toBeInstanceOf(EgressRefused)
    expect(error.message).toContain("169.254.169.254")
  })

  test("a server that is not there is retryable", async () => {
    const server = await serverThat({})
    server.close()

    expect(await failure(clients.listTools(http(server.url), options()))).toMatchObject({ name: "McpFailure", retryable: true })
  })
})

describe("a list of tools is refused when", () => {
  test("it has no end", async () => {
    let page = 0
    const error = await listing(({ result }) => result({ tools: [tool(`t${page}`)], nextCursor: String(++page) }))

    expect(error.message).toMatch(/has no end: it goes on after 100 pages$/)
  })

  test("it has too many tools", async () => {
    const tools = Array.from({ length: MCP_TOOLS_MAX + 1 }, (_, i) => tool(`t${i}`))

    expect((await listing(({ result }) => result({ tools }))).message).toContain(`more than ${MCP_TOOLS_MAX} tools`)
  })

  test("it is too long", async () => {
    const tools = Array.from({ length: 9 }, (_, i) => tool(`t${i}`, { description: "x".repeat(1024 * 1024) }))

    expect((await listing(({ result }) => result({ tools }))).message).toContain("are longer than")
  })

  test("two different tools have one name", async () => {
    const tools = [tool("same", { description: "reads" }), tool("same", { description: "deletes" })]

    expect((await listing(({ result }) => result({ tools }))).message).toContain("two different tools with the name same")
  })

  test("a name cannot be shown", async () => {
    for (const name of ["", "a\u0000b", "a\nb", "x".repeat(300)])
      expect((await listing(({ result }) => result({ tools: [tool(name)] }))).message).toContain("whose name is")
  })
})

test("odd names of tools are names: they are listed and called as they are", async () => {
  const names = ["a b", "ünï→cödé", "__proto__", "constructor", "a/b.c:d", "'; drop table tools; --"]
  const { url } = await serverThat({
    "tools/list": ({ result }) => result({ tools: names.map(name => tool(name)) }),
    "tools/call": ({ result, message }) => result({ content: [{ type: "text", text: String(message.params?.name) }] }),
  })

  expect((await clients.listTools(http(url), options())).map(one => one.name)).toEqual(names)
  for (const name of names)
    expect(await clients.callTool(http(url), name, {}, options())).toMatchObject({ content: [{ text: name }] })
})

describe("a server that lies about its output", () => {
  const outputSchema = { type: "object", properties: { rows: { type: "number" } }, required: ["rows"] }
  const answers = { "something else": { structuredContent: { rows: "many" } }, nothing: {} }

  for (const [what, answer] of Object.entries(answers)) {
    test(`and gives ${what} fails the call, which says that the tool ran`, async () => {
      const { url } = await serverThat({
        "tools/call": ({ result }) => result({ content: [{ type: "text", text: "ok" }], ...answer }),
      })

      const error = await failure(clients.callTool(http(url), "work", {}, { ...options(), outputSchema }))

      expect(error).toMatchObject({ name: "McpFailure", retryable: false })
      expect(error.message).toMatch(/the tool work of .* ran, but its answer is not what it declares: /)
    })
  }

  test("is found out by its own list as well", async () => {
    const { url } = await serverThat({
      "tools/list": ({ result }) => result({ tools: [tool("work", { outputSchema })] }),
      "tools/call": ({ result }) => result({ content: [], structuredContent: { rows: "many" } }),
    })
    await clients.listTools(http(url), options())

    const error = await failure(clients.callTool(http(url), "work", {}, options()))

    expect(error.message).toMatch(/gave something else than it declares: .*rows/)
  })

  test("cannot make the check last forever, or break it", async () => {
    const schemas = [
      { type: "object", properties: { rows: { type: "string", pattern: "^(a+)+$" } } },
      { $ref: "http://127.0.0.1:1/schema.json" },
      { type: "object", properties: { rows: { $ref: "#" } } },
      { type: 17, properties: "none" },
    ]
    for (const schema of schemas) {
      const { url } = await serverThat({
        "tools/list": ({ result }) => result({ tools: [tool("work", { outputSchema: schema })] }),
        "tools/call": ({ result }) => result({ content: [], structuredContent: { rows: `${"a".repeat(40)}!` } }),
      })

      const called = clients.callTool(http(url), "work", {}, { ...options(), outputSchema: schema })

      expect(await called).toMatchObject({ isError: false })
    }
  })
})

test("one bad server does not slow the others", async () => {
  const bad = await serverThat({ initialize: () => {}, "server/discover": () => {} })
  const good = await serverThat({})
  const hanging = Array.from({ length: 50 }, () =>
    failure(clients.callTool(http(bad.url), "work", {}, options({ timeoutMs: 2_000 }))),
  )

  const started = performance.now()
  for (let i = 0; i < 20; i++) await clients.callTool(http(good.url), "work", {}, options())
  const took = performance.now() - started

  expect(took).toBeLessThan(1_900)
  expect(await Promise.all(hanging)).toHaveLength(50)
})

test("no secret comes back in a message: headers, queries, what the server repeats", async () => {
  const secret = "s3cr3t-value-of-a-header"
  const { url } = await serverThat({
    "tools/call": ({ error, headers }) =>
      error(-32_000, `bad token ${headers["x-api-key"]}, see https://u:p@h.example/?k=${secret}`),
  })
  const target = http(`${url}?key=${secret}`, { headers: async () => ({ "x-api-key": secret }) })

  const error = await failure(clients.callTool(target, "work", {}, options({ headers: { authorization: `Bearer ${secret}` } })))

  expect(error.message).toMatch(/bad token \*\*\*, see https:\/\/h\.example\/$/)
  expect(Bun.inspect(error)).not.toContain(secret)
  const bad = http(url, { key: "bad header", headers: async () => ({ "x-api-key": `${secret}\nx` }) })
  const refused = await failure(clients.callTool(bad, "work", {}, options()))
  expect(refused.message).toContain("the header x-api-key")
  expect(Bun.inspect(refused)).not.toContain(secret)
})

/** How long this process did nothing else at a time. */
function measuredPauses(): { longestMs(): number } {
  let longest = 0
  let last = performance.now()
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }, 5)
  return {
    longestMs() {
      clearInterval(timer)
      return Math.max(longest, performance.now() - last)
    },
  }
}
