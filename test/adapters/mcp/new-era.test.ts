import { afterAll, describe, expect, test } from "bun:test"
import { createMcpHandler, fromJsonSchema, inputRequired, McpServer } from "@modelcontextprotocol/server"
import { Type } from "typebox"
import { handMade } from "./hand-made.ts"
import { eventually, failure, http, options, testClients } from "./peers.ts"

/** Servers of protocol version 2026-07-28, made with the official SDK: no initialize, no sessions. */
const clients = testClients()
const requests: { readonly method: string; readonly headers: Headers; readonly body: string }[] = []
const COMPLETE = { resultType: "complete", ttlMs: 0, cacheScope: "private" }
let cancelled = 0
let extra = false

const handler = createMcpHandler(
  () => {
    const server = new McpServer(
      { name: "new-era", version: "2.0.0" },
      { instructions: "Be kind.", capabilities: { tools: { listChanged: true } } },
    )
    const input = (properties: Parameters<typeof Type.Object>[0]) =>
      fromJsonSchema<Record<string, number>>(Type.Object(properties))
    server.registerTool(
      "add",
      {
        description: "Adds",
        inputSchema: input({ a: Type.Number(), b: Type.Number() }),
        outputSchema: input({ sum: Type.Number() }),
      },
      ({ a = 0, b = 0 }) => ({ content: [{ type: "text", text: String(a + b) }], structuredContent: { sum: a + b } }),
    )
    server.registerTool("fail", { inputSchema: input({}) }, () => ({
      isError: true,
      content: [{ type: "text", text: "cannot" }],
    }))
    server.registerTool("wait", { inputSchema: input({}) }, async (_, ctx) => {
      await new Promise<void>(resolve => ctx.mcpReq.signal.addEventListener("abort", () => resolve()))
      cancelled++
      return { content: [] }
    })
    server.registerTool("count", { inputSchema: input({}) }, async (_, ctx) => {
      for (let progress = 1; progress <= 3; progress++) {
        const progressToken = ctx.mcpReq._meta?.progressToken ?? 0
        await ctx.mcpReq.notify({
          method: "notifications/progress",
          params: { progressToken, progress, total: 3, message: `step ${progress}` },
        })
        await Bun.sleep(120)
      }
      return { content: [{ type: "text", text: "counted" }] }
    })
    server.registerTool("ask", { inputSchema: input({}) }, () =>
      inputRequired({
        inputRequests: {
          name: inputRequired.elicit({
            message: "Your name?",
            requestedSchema: { type: "object", properties: { name: { type: "string" } } },
          }),
        },
      }),
    )
    if (extra) server.registerTool("extra", { inputSchema: input({}) }, () => ({ content: [] }))
    return server
  },
  { legacy: "reject" },
)

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  idleTimeout: 0,
  async fetch(request) {
    const body = await request.clone().text()
    requests.push({ method: JSON.parse(body || "{}").method, headers: request.headers, body })
    return await handler.fetch(request)
  },
})
const target = http(`http://127.0.0.1:${server.port}/mcp`, { headers: async () => ({ "x-target": "t" }) })

afterAll(async () => {
  await handler.close()
  await server.stop(true)
})

describe("a server of 2026-07-28", () => {
  test("is known by its answer to the question for its versions", async () => {
    expect(await clients.connect(target, options())).toEqual({
      name: "new-era",
      version: "2.0.0",
      protocolVersion: "2026-07-28",
      instructions: "Be kind.",
    })
    expect(requests.map(one => one.method)).not.toContain("initialize")
  })

  test("lists its tools and runs them", async () => {
    const tools = await clients.listTools(target, options())
    expect(tools.map(tool => tool.name)).toEqual(["add", "fail", "wait", "count", "ask"])
    expect(tools[0]).toMatchObject({ description: "Adds", outputSchema: { properties: { sum: { type: "number" } } } })

    expect(await clients.callTool(target, "add", { a: 2, b: 3 }, options())).toEqual({
      content: [{ type: "text", text: "5" }],
      structuredContent: { sum: 5 },
      isError: false,
    })
    expect(await clients.callTool(target, "fail", {}, options())).toMatchObject({ isError: true, content: [{ text: "cannot" }] })
  })

  test("gets the headers of the call, and what the protocol says about it, with each request", async () => {
    await clients.callTool(target, "add", { a: 1, b: 1 }, options({ headers: { authorization: "Bearer run" } }))

    const { headers } = requests.findLast(one => one.method === "tools/call") ?? { headers: new Headers() }
    expect(Object.fromEntries(headers)).toMatchObject({
      authorization: "Bearer run",
      "x-target": "t",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": "add",
    })
    expect(headers.has("mcp-session-id")).toBe(false)
  })

  test("tells how far it is", async () => {
    const told: unknown[] = []

    await clients.callTool(target, "count", {}, options({ onProgress: progress => void told.push(progress) }))

    expect(told).toContainEqual({ progress: 2, total: 3, message: "step 2" })
  })

  test("sees that a call was given up by the end of its request", async () => {
    const error = await failure(clients.callTool(target, "wait", {}, options({ timeoutMs: 200 })))

    expect(error).toMatchObject({ timeout: true })
    await eventually("the tool is told", () => cancelled === 1)
  })

  test("that asks for input in the middle of a call fails it with a sentence", async () => {
    const error = await failure(clients.callTool(target, "ask", {}, options()))

    expect(error).toMatchObject({ name: "McpFailure", retryable: false })
    expect(error.message).toContain("asks for input in the middle of its work, which nobody can give here")
  })

  test("that asks for input although we offered none fails the call as well, and one that only wants to go on later does not", async () => {
    const request = {
      method: "elicitation/create",
      params: { message: "?", requestedSchema: { type: "object", properties: {} } },
    }
    const byHand = await handMade({
      "server/discover": ({ result }) => result({ ...COMPLETE, supportedVersions: ["2026-07-28"], capabilities: { tools: {} } }),
      "tools/call": ({ result, message }) => {
        if (message.params?.name === "ask") result({ resultType: "input_required", inputRequests: { name: request } })
        else if (message.params?.requestState === undefined) result({ resultType: "input_required", requestState: "half" })
        else result({ resultType: "complete", content: [{ type: "text", text: String(message.params.requestState) }] })
      },
    })

    const error = await failure(clients.callTool(http(byHand.url), "ask", {}, options()))
    const later = await clients.callTool(http(byHand.url), "later", {}, options())

    expect(error.message).toContain("asks for input in the middle of its work")
    expect(later.content).toEqual([{ type: "text", text: "half" }])
    byHand.close()
  })

  test("says that its tools changed, and is heard", async () => {
    const changed: string[] = []
    clients.onToolsChanged(key => void changed.push(key))
    await eventually("it is listened to", () => requests.some(one => one.method === "subscriptions/listen"))
    await Bun.sleep(50)

    extra = true
    handler.notify.toolsChanged()

    await eventually("it is heard", () => changed.includes(target.key))
    expect((await clients.listTools(target, options())).map(tool => tool.name)).toContain("extra")
  })

  test("is left without a request under way", async () => {
    await clients.forget(target.key)

    await eventually("nothing is open", () => server.pendingRequests === 0)
  })
})
