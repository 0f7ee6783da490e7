import { afterAll, describe, expect, test } from "bun:test"
import type { Egress } from "../../../src/adapters/egress/egress.ts"
import { createMcpClients } from "../../../src/adapters/mcp/clients.ts"
import type { McpClients, McpFailure } from "../../../src/adapters/mcp/mcp.ts"
import { type Asker, asker } from "../../../src/kernel/asker.ts"
import { MCP_CONVERSATIONS_MAX } from "../../../src/kernel/limits.ts"
import { egressTo } from "../../connectors/call.ts"
import { type Behaviour, type HandMade, handMade, type Seen, stream } from "./hand-made.ts"
import { eventually, failure, http, options, testClients } from "./peers.ts"

const clients = testClients()
const servers: HandMade[] = []
afterAll(() => {
  for (const server of servers) server.close()
})

async function serverThat(behaviour: Behaviour = {}): Promise<HandMade> {
  const server = await handMade(behaviour)
  servers.push(server)
  return server
}

const text = (value: string) => ({ content: [{ type: "text", text: value }] })
const calls = ({ seen }: HandMade): Seen[] => seen.filter(one => one.message?.method === "tools/call")

describe("calls of one key", () => {
  test("share one conversation, and go on at the same time", async () => {
    let under = 0
    let most = 0
    const server = await serverThat({
      "tools/call": ({ result }) => {
        most = Math.max(most, ++under)
        setTimeout(() => {
          under--
          result(text("done"))
        }, 50)
      },
    })

    await Promise.all(Array.from({ length: 10 }, () => clients.callTool(http(server.url), "work", {}, options())))

    expect(server.methods().filter(method => method === "initialize")).toHaveLength(1)
    expect(most).toBe(10)
  })

  test("of different keys do not", async () => {
    const server = await serverThat()

    for (const key of ["one", "two"])
      await clients.callTool(http(server.url, { key: `${server.url} ${key}` }), "work", {}, options())

    expect(server.methods().filter(method => method === "initialize")).toHaveLength(2)
  })

  test("each send their own headers, with those of the target, and none of another", async () => {
    const server = await serverThat({ "tools/call": ({ result }) => void setTimeout(() => result(text("done")), 20) })
    let asked = 0
    const target = http(server.url, { headers: async () => ({ "x-target": String(++asked), "x-run": "no" }) })
    const run = (n: number) => options({ headers: { authorization: `Bearer run-${n}`, "x-run": String(n), "mcp-method": "lie" } })

    await Promise.all([1, 2, 3].map(n => clients.callTool(target, "work", { n }, run(n))))

    for (const { message, headers } of calls(server)) {
      const { n } = (message?.params?.arguments ?? {}) as { n?: number }
      expect(headers).toMatchObject({ authorization: `Bearer run-${n}`, "x-run": String(n) })
      expect(Number(headers["x-target"])).toBeGreaterThan(0)
      expect(headers["mcp-method"]).toBeUndefined()
      expect(headers["user-agent"]).toBe("agentruntime/0.0.0")
    }
    const initialize = server.seen.find(one => one.message?.method === "initialize")
    expect(initialize?.message?.params).toMatchObject({
      clientInfo: { name: "agentruntime", version: "1.0.0" },
      capabilities: {},
    })
  })

  test("go out for whoever asks, each its own", async () => {
    const { recorded, askers } = recordingClients()
    const server = await serverThat()
    const as = (stepId: string) => options({ asker: asker("mcp", { tenantId: "acme", stepId }) })

    await recorded.connect(http(server.url), as("first"))
    askers.length = 0
    await Promise.all(["a", "b", "c"].map(step => recorded.callTool(http(server.url), "work", {}, as(step))))

    expect(askers.map(one => one.stepId).sort()).toEqual(["a", "b", "c"])
  })

  test("are not harmed by one that failed to open it with bad credentials", async () => {
    const server = await serverThat({
      initialize: ({ result, headers, response }) => {
        const good = headers.authorization === "Bearer good"
        const answer = () => (good ? result(INITIALIZED) : response.writeHead(401).end())
        setTimeout(answer, 30)
      },
    })
    const by = (token: string) => options({ headers: { authorization: `Bearer ${token}` } })

    const bad = failure(clients.callTool(http(server.url), "work", {}, by("bad")))
    const good = clients.callTool(http(server.url), "work", {}, by("good"))

    expect(await good).toMatchObject({ isError: false })
    expect(await bad).toMatchObject({ unauthorized: true })
  })
})

describe("a session that the server forgot", () => {
  for (const [how, status, body] of [
    ["with 404", 404, ""],
    ["with 400", 400, "Bad Request: No valid session ID provided"],
  ] as const) {
    test(`and says so ${how} is begun anew once, and the call made in it`, async () => {
      let sessions = 0
      const known = new Set<string>()
      const server = await serverThat({
        initialize: ({ result }) => {
          known.add(`s${++sessions}`)
          result(INITIALIZED, { "mcp-session-id": `s${sessions}` })
        },
        "tools/call": ({ result, headers, response }) =>
          known.has(String(headers["mcp-session-id"])) ? result(text("done")) : response.writeHead(status).end(body),
      })
      await clients.callTool(http(server.url), "work", {}, options())
      known.clear()

      const results = await Promise.all([1, 2, 3].map(() => clients.callTool(http(server.url), "work", {}, options())))

      expect(results).toHaveLength(3)
      expect(sessions).toBe(2)
    })
  }

  test("again and again fails the call", async () => {
    const server = await serverThat({
      initialize: ({ result }) => result(INITIALIZED, { "mcp-session-id": "s" }),
      "tools/call": ({ response }) => void response.writeHead(404).end(),
    })

    expect((await failure(clients.callTool(http(server.url), "work", {}, options()))).message).toContain("HTTP 404")
    expect(calls(server)).toHaveLength(2)
  })

  test("is told good-bye when it is over", async () => {
    const server = await serverThat({ initialize: ({ result }) => result(INITIALIZED, { "mcp-session-id": "s7" }) })
    await clients.callTool(http(server.url), "work", {}, options())

    await clients.forget(server.url)

    expect(server.seen.at(-1)).toMatchObject({ httpMethod: "DELETE", headers: { "mcp-session-id": "s7" } })
  })
})

describe("a call that is given up", () => {
  test("ends at once with the caller's reason, and the server is told", async () => {
    const server = await serverThat({ "tools/call": ({ response }) => void stream(response) })
    const control = new AbortController()
    const call = failure(
      clients.callTool(http(server.url), "work", {}, options({ signal: control.signal, headers: { "x-run": "r" } })),
    )
    await eventually("the call is there", () => calls(server).length === 1)

    const reason = new Error("the run was stopped")
    control.abort(reason)

    expect(await call).toBe(reason)
    const told = () => server.seen.find(one => one.message?.method === "notifications/cancelled")
    await eventually("the server is told", () => told() !== undefined)
    expect(told()).toMatchObject({
      headers: { "x-run": "r" },
      message: { params: { requestId: calls(server)[0]?.message?.id ?? "" } },
    })
  })

  test("before it began sends nothing", async () => {
    const server = await serverThat()

    const call = failure(
      clients.callTool(http(server.url), "work", {}, options({ signal: AbortSignal.abort(new Error("stopped")) })),
    )

    expect((await call).message).toBe("stopped")
    expect(calls(server)).toEqual([])
  })

  test("because its time is up leaves the conversation to the others", async () => {
    const server = await serverThat({
      "tools/call": ({ result, message }) => (message.params?.name === "slow" ? undefined : result(text("done"))),
    })

    const slow = failure(clients.callTool(http(server.url), "slow", {}, options({ timeoutMs: 200 })))
    const quick = clients.callTool(http(server.url), "quick", {}, options())

    expect(await quick).toMatchObject({ isError: false })
    expect(((await slow) as McpFailure).timeout).toBe(true)
    await clients.callTool(http(server.url), "quick", {}, options())
    expect(server.methods().filter(method => method === "initialize")).toHaveLength(1)
  })
})

describe("a tool that runs as a task only", () => {
  const withTasks: Behaviour = {
    initialize: ({ result }) =>
      result({ ...INITIALIZED, capabilities: { tools: {}, tasks: { cancel: {}, requests: { tools: { call: {} } } } } }),
    "tools/list": ({ result }) =>
      result({ tools: [{ name: "work", inputSchema: { type: "object" }, execution: { taskSupport: "required" } }] }),
    "tools/call": ({ result }) => result({ task: task("working") }),
    "tasks/get": ({ result }) => result(task("working")),
    "tasks/cancel": ({ result }) => result(task("cancelled")),
  }
  const at = "2026-11-29T12:00:00Z"
  const task = (status: string) => ({ taskId: "t1", status, ttl: 60_000, createdAt: at, lastUpdatedAt: at, pollInterval: 100 })

  test("is asked after until it has a result", async () => {
    let asked = 0
    const server = await serverThat({
      ...withTasks,
      "tasks/get": ({ result }) => result(task(++asked === 2 ? "completed" : "working")),
      "tasks/result": ({ result }) => result(text("done after all")),
    })

    expect(await clients.callTool(http(server.url), "work", {}, options())).toMatchObject(text("done after all"))
    expect(calls(server)[0]?.message?.params).toMatchObject({ task: { ttl: expect.any(Number) } })
  })

  test("is cancelled with its call", async () => {
    const server = await serverThat(withTasks)

    const error = await failure(clients.callTool(http(server.url), "work", {}, options({ timeoutMs: 400 })))

    expect(error).toMatchObject({ timeout: true })
    await eventually("the server is told", () => server.methods().includes("tasks/cancel"))
  })
})

test("beyond a number of conversations the one that was idle longest makes room", async () => {
  const server = await serverThat({
    initialize: ({ result, headers }) => result(INITIALIZED, { "mcp-session-id": String(headers["x-key"]) }),
  })
  const crowd = testClients()
  const connect = (n: number) =>
    crowd.connect(http(server.url, { key: `k${n}`, headers: async () => ({ "x-key": `k${n}` }) }), options())
  for (let n = 0; n < MCP_CONVERSATIONS_MAX; n += 20) await Promise.all(Array.from({ length: 20 }, (_, i) => connect(n + i)))
  await connect(0)

  await connect(MCP_CONVERSATIONS_MAX)

  const closed = () => server.seen.filter(one => one.httpMethod === "DELETE").map(one => one.headers["mcp-session-id"])
  await eventually("one has made room", () => closed().length === 1)
  expect(closed()).not.toContain("k0")
}, 60_000)

test("a workspace whose servers hang keeps its share of all conversations busy, and the others go on", async () => {
  const server = await serverThat({ initialize: () => {}, "server/discover": () => {} })
  const crowd = testClients()
  const proper = await serverThat()
  const as = (tenantId: string) => options({ asker: asker("test", { tenantId }), timeoutMs: 20_000 })
  const busy = Array.from({ length: MCP_CONVERSATIONS_MAX }, (_, n) =>
    failure(crowd.connect(http(server.url, { key: `h${n}` }), as("acme"))),
  )

  const refused = await Promise.race(busy)

  expect(refused).toMatchObject({ message: expect.stringContaining("too many MCP servers"), retryable: true })
  expect(await crowd.connect(http(proper.url), as("globex"))).toMatchObject({ name: "hand-made" })
  await crowd.close()
  await Promise.all(busy)
}, 60_000)

test("an answer that breaks off is taken up again where the server allows it", async () => {
  const server = await serverThat({
    "tools/call": ({ response, message }) => {
      const send = stream(response)
      send(`id: ${message.id}\nretry: 60\ndata:`)
      setTimeout(() => response.end(), 20)
    },
    GET: ({ response, headers }) => {
      if (headers["last-event-id"] === undefined) return void response.writeHead(405).end()
      const id = Number(headers["last-event-id"])
      stream(response)(`data: ${JSON.stringify({ jsonrpc: "2.0", id, result: text("resumed") })}`)
    },
  })

  expect(await clients.callTool(http(server.url), "work", {}, options())).toMatchObject(text("resumed"))
})

test("what a server asks of us is declined as the protocol wants, and a ping is answered", async () => {
  const server = await serverThat({
    "tools/call": ({ response, message }) => {
      const send = stream(response)
      const asked = ["sampling/createMessage", "elicitation/create", "roots/list", "ping"]
      for (const method of asked) send(`data: ${JSON.stringify({ jsonrpc: "2.0", id: method, method, params: {} })}`)
      setTimeout(() => {
        send(`data: ${JSON.stringify({ jsonrpc: "2.0", id: message.id ?? null, result: text("done") })}`)
        response.end()
      }, 100)
    },
  })

  await clients.callTool(http(server.url), "work", {}, options())

  const answers = (): object[] =>
    server.seen.flatMap(({ message }) => (message !== null && message.method === undefined ? [message] : []))
  await eventually("all are answered", () => answers().length === 4)
  expect(answers()).toContainEqual({ jsonrpc: "2.0", id: "ping", result: {} })
  expect(answers().filter(one => "error" in one && (one.error as { code: number }).code === -32_601)).toHaveLength(3)
})

test("a server that says its tools changed is heard, and a stream that ends is opened again", async () => {
  let opened = 0
  const changed: string[] = []
  const server = await serverThat({
    GET: ({ response }) => {
      opened++
      stream(response)(`data: ${JSON.stringify({ jsonrpc: "2.0", method: "notifications/tools/list_changed" })}`)
      if (opened === 1) response.end()
    },
  })
  clients.onToolsChanged(key => void changed.push(key))

  await clients.connect(http(server.url), options())

  await eventually("both are heard", () => changed.filter(key => key === server.url).length === 2)
  await clients.forget(server.url)
  expect(opened).toBe(2)
})

describe("a conversation ends", () => {
  test("when nobody used it for a while", async () => {
    const idle = testClients({ idleMs: 80 })
    const server = await serverThat({ initialize: ({ result }) => result(INITIALIZED, { "mcp-session-id": "s" }) })
    await idle.callTool(http(server.url), "work", {}, options())

    await eventually("it is closed", () => server.methods().includes("DELETE"))

    await idle.callTool(http(server.url), "work", {}, options())
    expect(server.methods().filter(method => method === "initialize")).toHaveLength(2)
  })

  test("with its calls when it is forgotten", async () => {
    const server = await serverThat({ "tools/call": () => {} })
    const call = failure(clients.callTool(http(server.url), "work", {}, options()))
    await eventually("the call is there", () => calls(server).length === 1)

    await clients.forget(server.url)

    expect(await call).toMatchObject({ name: "McpFailure", retryable: true })
  })

  test("when all are closed, those that are being opened too; afterwards nothing begins", async () => {
    const closing = testClients()
    const server = await serverThat({ initialize: () => {}, "server/discover": () => {} })
    const call = failure(closing.callTool(http(server.url), "work", {}, options()))
    await eventually("it is being opened", () => server.seen.length > 0)

    await closing.close()

    expect(await call).toMatchObject({ retryable: true })
    expect((await failure(closing.connect(http(server.url), options()))).message).toContain("shutting down")
  })
})

describe("a server that cannot cope with the question for its versions", () => {
  test("and fails over it is greeted the older way", async () => {
    const server = await serverThat({ "server/discover": ({ response }) => void response.writeHead(500).end() })

    expect(await clients.connect(http(server.url), options())).toMatchObject({ name: "hand-made", protocolVersion: "2025-11-25" })
  })

  test("and leaves it unanswered is greeted the older way after some seconds", async () => {
    const server = await serverThat({ "server/discover": () => {} })

    expect(await clients.connect(http(server.url), options())).toMatchObject({ protocolVersion: "2025-11-25" })
  })
})

const INITIALIZED = {
  protocolVersion: "2025-11-25",
  capabilities: { tools: {} },
  serverInfo: { name: "hand-made", version: "1" },
}

/** Clients whose requests are written down by who asked for them. */
function recordingClients(): { readonly recorded: McpClients; readonly askers: Asker[] } {
  const askers: Asker[] = []
  const egress = egressTo("127.0.0.1")
  const recording: Egress = {
    ...egress,
    for: who => {
      askers.push(who)
      return egress.for(who)
    },
  }
  const recorded = createMcpClients({ egress: recording, version: "0.0.0" })
  afterAll(() => recorded.close())
  return { recorded, askers }
}
