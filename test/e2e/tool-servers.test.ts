import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdirSync, realpathSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { JsonObject } from "../../src/kernel/json.ts"
import { ADA, EVERYTHING, filesystemCalls, MEMORY } from "../adapters/mcp/example-calls.ts"
import { npmServer } from "../adapters/mcp/peers.ts"
import { freePort } from "../helpers/free-port.ts"
import { type Client, Home, until, type Wire } from "./server.ts"

/** The official example servers as real peers of the executable: declared by the operator, or registered by the workspace. */
const home = new Home()
const folder = join(realpathSync(home.folder), "shared")
let client: Client
let port: number
let everything: Bun.Subprocess
beforeAll(async () => {
  mkdirSync(folder)
  writeFileSync(join(folder, "picture.png"), Buffer.from("89504e470d0a1a0a", "hex"))
  port = await freePort()
  everything = Bun.spawn([...npmServer("server-everything", ["streamableHttp"]).command], {
    env: { PORT: String(port) },
    stdio: ["ignore", "ignore", "ignore"],
  })
  const declared = {
    everything: { command: npmServer("server-everything").command },
    filesystem: { command: npmServer("server-filesystem", [folder]).command },
    memory: { command: npmServer("server-memory").command, env: { MEMORY_FILE_PATH: join(home.folder, "memory.jsonl") } },
  }
  const token = await home.token()
  const env = { AGENTRUNTIME_MCP_STDIO: JSON.stringify(declared) }
  const server = await home.serve(["--egress-allow", `127.0.0.1:${port}`], { env })
  client = server.client(token)
  await until(
    "server-everything listens",
    20_000,
    async () => (await fetch(`http://127.0.0.1:${port}/mcp`).catch(() => null)) !== null,
  )
})
afterAll(async () => {
  everything.kill("SIGKILL")
  await home.remove()
})

/** A workflow that calls one tool after another; what each step ended with. */
async function callAll(
  serverUrl: string,
  calls: readonly (readonly [tool: string, args: JsonObject, ...rest: unknown[]])[],
): Promise<Map<string, Wire>> {
  const steps = calls.map(([tool_name, tool_args], i) => ({
    ...{ id: tool_name, type: "mcp_call", name: tool_name, server_url: serverUrl, tool_name, tool_args },
    depends_on: i === 0 ? [] : [calls[i - 1]![0]],
  }))
  const workflow = await client.publish(`all of ${serverUrl}`, steps)
  const run = await client.reaches(workflow, await client.start(workflow), "completed", "failed")
  expect([run.status, run.failed_step_id, run.error]).toEqual(["completed", null, null])
  const { steps: ended } = await client.context(workflow, run.run_id)
  return new Map(Object.entries(ended).map(([id, step]) => [id, (step as Wire).result]))
}

describe("a workflow calls every tool", () => {
  test("of server-everything over stdio, and its picture is kept as an artifact", async () => {
    const results = await callAll("stdio://everything", EVERYTHING)

    expect(results.get("get-structured-content")).toMatchObject({ conditions: expect.any(String) })
    const [image] = results.get("get-tiny-image").content.filter((part: Wire) => part.type === "image")
    expect(image).not.toHaveProperty("data")
    const { mime_type, size_bytes } = await client.get(`/v1/artifacts/${image.artifact_id}`)
    expect([mime_type, size_bytes > 100]).toEqual(["image/png", true])
  })

  test("of server-filesystem and server-memory over stdio", async () => {
    const files = await callAll("stdio://filesystem", filesystemCalls(folder))
    expect(JSON.stringify(files.get("get_file_info"))).toContain("size")
    const memory = await callAll("stdio://memory", MEMORY)
    expect(memory.get("search_nodes").entities).toEqual([expect.objectContaining({ name: "Ada" })])
    expect(memory.get("read_graph").entities[0]).toMatchObject({ name: ADA.name })
  })

  test("of server-everything over Streamable HTTP, registered, discovered, published and validated before", async () => {
    const canonical_url = `http://127.0.0.1:${port}/mcp`
    const made = await client.ok("POST", "/v1/mcp/servers", { name: "Everything here", canonical_url, auth_mode: "none" })
    expect(made).toMatchObject({ service: "everything_here", status: "draft", tool_count: 0 })
    expect((await client.ok("POST", `/v1/mcp/servers/${made.id}/discover`)).tools).toHaveLength(EVERYTHING.length)
    await client.ok("POST", `/v1/mcp/servers/${made.id}/versions`, {})
    const report = await client.ok("POST", `/v1/mcp/servers/${made.id}/validate`)
    expect(report.checks.map((check: Wire) => [check.id, check.status])).toEqual([
      ["reachability", "passed"],
      ["handshake", "passed"],
      ["tools", "passed"],
      ["schema", "passed"],
      ["smoke_call", "passed"],
    ])
    expect(await client.get(`/v1/mcp/servers/${made.id}`)).toMatchObject({ status: "active", tool_count: EVERYTHING.length })

    const results = await callAll(canonical_url, EVERYTHING)

    expect(JSON.stringify(results.get("get-sum"))).toContain("5")
    const instances = (await client.get("/v1/mcp/instances")).instances.filter((one: Wire) => one.server_id === made.id)
    expect(instances).toHaveLength(1)
  })
})

describe("a call that goes wrong", () => {
  test("fails the step with the tool's own text", async () => {
    const call = {
      type: "mcp_call",
      server_url: "stdio://filesystem",
      tool_name: "read_file",
      tool_args: { path: "/etc/passwd" },
    }
    const workflow = await client.publish("outside", [{ id: "a", name: "A", ...call }])
    const run = await client.reaches(workflow, await client.start(workflow), "completed", "failed")
    expect(run).toMatchObject({
      status: "failed",
      failure_code: "MCP_TOOL_FAILED",
      error: expect.stringContaining("Access denied"),
    })
  })

  test("is cancelled when the run is stopped, and holds nobody up", async () => {
    const slow = { tool_name: "trigger-long-running-operation", tool_args: { duration: 60, steps: 60 } }
    const call = { id: "slow", name: "Slow", type: "mcp_call", server_url: "stdio://everything", timeout_s: 120, ...slow }
    const workflow = await client.publish("slow", [call])
    const runId = await client.start(workflow)
    await until("the step has started", 10_000, async () =>
      (await client.events(workflow, runId)).some(event => event.event_type === "step_started"),
    )
    const started = performance.now()
    await client.command(workflow, "stop", { run_id: runId })
    await client.reaches(workflow, runId, "stopped")
    const results = await callAll("stdio://everything", [["echo", { message: "still here" }]])
    expect(JSON.stringify(results.get("echo"))).toContain("still here")
    expect(performance.now() - started).toBeLessThan(20_000)
  })
})
