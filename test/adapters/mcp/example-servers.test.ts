import { afterAll, describe, expect, test } from "bun:test"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { McpTarget } from "../../../src/adapters/mcp/mcp.ts"
import { freePort } from "../../helpers/free-port.ts"
import { ADA, EVERYTHING, filesystemCalls, MEMORY } from "./example-calls.ts"
import { http, npmServer, options, testClients } from "./peers.ts"

/** The official example servers from npm, which are of the era before 2026. */
const clients = testClients()
const started: ChildProcess[] = []
const folder = realpathSync(mkdtempSync(join(tmpdir(), "agentruntime-mcp-")))

afterAll(() => {
  for (const child of started) child.kill("SIGKILL")
  rmSync(folder, { recursive: true })
})

async function callsEveryTool(target: McpTarget): Promise<void> {
  const facts = await clients.connect(target, options())
  expect(facts).toMatchObject({ name: "mcp-servers/everything", protocolVersion: "2025-11-25" })
  const tools = await clients.listTools(target, options())
  expect(tools.map(tool => tool.name).sort()).toEqual(EVERYTHING.map(([name]) => name).sort())

  for (const [name, args, expected] of EVERYTHING)
    expect(await clients.callTool(target, name, args, options())).toMatchObject(expected as object)
}

describe("server-everything", () => {
  test("over stdio every tool can be called, and its environment is what was declared", async () => {
    const target = npmServer("server-everything", [], { GREETING: "hello" })

    await callsEveryTool(target)

    const env = await clients.callTool(target, "get-env", {}, options())
    expect(JSON.parse(String(env.content[0]?.text))).toEqual({ GREETING: "hello" })
  })

  test("over Streamable HTTP every tool can be called", async () => {
    await callsEveryTool(http(`http://127.0.0.1:${await everything("streamableHttp")}/mcp`))
  })

  test("over the older HTTP with SSE every tool can be called, found by itself and by name", async () => {
    const url = `http://127.0.0.1:${await everything("sse")}/sse`

    await callsEveryTool(http(url))

    const sum = await clients.callTool(http(url, { transport: "sse", key: "named" }), "get-sum", { a: 1, b: 1 }, options())
    expect(sum.content[0]?.text).toContain("2")
  })

  test("progress of a long call is told, over stdio and over HTTP", async () => {
    const port = await everything("streamableHttp")
    for (const target of [npmServer("server-everything"), http(`http://127.0.0.1:${port}/mcp`)]) {
      const told: number[] = []
      const onProgress = ({ progress }: { progress: number }) => void told.push(progress)

      await clients.callTool(target, "trigger-long-running-operation", { duration: 0.6, steps: 3 }, options({ onProgress }))

      expect(told.slice(0, 2)).toEqual([1, 2]) // the third comes together with the result
    }
  })
})

test("server-filesystem: every tool can be called, and what it refuses comes as the tool's own error", async () => {
  const target = npmServer("server-filesystem", [folder])
  writeFileSync(join(folder, "picture.png"), Buffer.from("89504e470d0a1a0a", "hex"))
  const at = (name: string) => join(folder, name)
  const calls = filesystemCalls(folder)
  const tools = await clients.listTools(target, options())
  expect(tools.map(tool => tool.name).sort()).toEqual(calls.map(([name]) => name).sort())

  for (const [name, args] of calls)
    expect(await clients.callTool(target, name, args, options())).toMatchObject({ isError: false })

  expect(readFileSync(at("d/b.txt"), "utf8")).toBe("one\nthree\n")
  const refused = await clients.callTool(target, "read_file", { path: "/etc/passwd" }, options())
  expect(refused).toMatchObject({ isError: true, content: [{ text: expect.stringContaining("Access denied") }] })
})

test("server-memory: every tool can be called, and its state lives in the process of its key", async () => {
  const target = npmServer("server-memory", [], { MEMORY_FILE_PATH: join(folder, "memory.jsonl") })
  const calls = MEMORY
  const tools = await clients.listTools(target, options())
  expect(tools.map(tool => tool.name).sort()).toEqual(calls.map(([name]) => name).sort())

  for (const [name, args] of calls)
    expect(await clients.callTool(target, name, args, options())).toMatchObject({ isError: false })

  const graph = await clients.callTool(target, "read_graph", {}, options())
  expect(graph.structuredContent).toEqual({ entities: [ADA], relations: [] })
})

async function everything(mode: "streamableHttp" | "sse"): Promise<number> {
  const port = await freePort()
  const [command, ...args] = npmServer("server-everything", [mode]).command
  const child = spawn(command, args, { env: { PORT: String(port) }, stdio: ["ignore", "pipe", "pipe"] })
  started.push(child)
  await new Promise<void>((resolve, reject) => {
    const listen = (chunk: Buffer) => void (chunk.toString().includes(String(port)) && resolve())
    child.stdout.on("data", listen)
    child.stderr.on("data", listen)
    child.once("exit", code => reject(new Error(`server-everything exited with ${code}`)))
  })
  return port
}
