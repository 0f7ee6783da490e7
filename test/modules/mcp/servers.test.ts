import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { guarded } from "../../../src/modules/mcp/guarded.ts"
import { openWorld, type World } from "../../helpers/app.ts"
import { ECHO, type Peer, startPeer, text } from "./tool-peer.ts"

const CANARY = "canary-4711-secret-value"

let world: World
let peer: Peer
beforeAll(async () => {
  const stdio = {
    everything: {
      command: [
        process.execPath,
        `${import.meta.dir}/../../../node_modules/@modelcontextprotocol/server-everything/dist/index.js`,
      ],
    },
  }
  const declared = JSON.stringify({ ...stdio, private: { command: ["/bin/true"], projects: ["globex"] } })
  world = await openWorld({ flags: { "egress.allow": "127.0.0.1", "mcp.stdio": declared } })
})
afterAll(() => world.close())
beforeEach(() => {
  peer = startPeer()
})
afterEach(() => peer.close())

const call = (method: string, path: string, body?: unknown, who = world.as(world.people.contributor)) =>
  world.call(who, method, `/v1/mcp${path}`, body)

async function registered(more: JsonObject = {}): Promise<string> {
  const made = await call("POST", "/servers", { name: "Internal Tools", canonical_url: peer.url, auth_mode: "none", ...more })
  expect([made.status, made.text]).toEqual([201, made.text])
  return made.body.id
}

async function published(more: JsonObject = {}): Promise<string> {
  const id = await registered(more)
  const version = await call("POST", `/servers/${id}/versions`)
  expect([version.status, version.body.version, version.body.active]).toEqual([201, "1.0.0", true])
  return id
}

/** One step that calls a tool of the peer, run to its end. */
async function run(tool_name: string, tool_args: JsonObject = {}, status = "completed", server_url = peer.url) {
  const graph = { steps: [{ id: "a", type: "mcp_call", name: "A", tool_name, tool_args, server_url, timeout_s: 10 }] }
  const id = await world.workflow(graph)
  const runId = await world.start(id)
  const done = await world.until(id, runId, status)
  const context = await world.call(world.as(world.people.contributor), "GET", `/v1/workflows/${id}/runs/${runId}/context`)
  return { done, result: context.body.steps?.a?.result, text: context.text, runId, workflowId: id }
}

describe("a registered server", () => {
  test("is a draft until it is published and validated, then its tools are called like any other's", async () => {
    const made = await call("POST", "/servers", { name: "Internal Tools", canonical_url: peer.url, auth_mode: "none" })
    expect([made.status, made.body]).toMatchObject([
      201,
      { name: "Internal Tools", service: "internal_tools", status: "draft", mode: "third_party", tool_count: 0, version: null },
    ])
    const { id } = made.body
    peer.state.configSchema = { region: { type: "string", displayName: "Region", required: false, default: "eu" } }

    const early = await call("POST", `/servers/${id}/validate`)
    expect([early.status, early.body.valid, early.body.server_status]).toEqual([200, false, "draft"])
    const discovered = await call("POST", `/servers/${id}/discover`)
    expect([discovered.status, discovered.body]).toMatchObject([
      200,
      { tool_count: 2, server: { name: "peer", version: "1.2.3" }, config_schema: { region: { default: "eu" } }, problems: [] },
    ])
    const version = await call("POST", `/servers/${id}/versions`)
    expect([version.status, version.body]).toMatchObject([201, { version: "1.0.0", active: true, tool_count: 2 }])
    const valid = await call("POST", `/servers/${id}/validate`)
    expect(valid.body.checks.map((c: JsonObject) => `${c.id} ${c.status}`)).toEqual([
      "reachability passed",
      "handshake passed",
      "tools passed",
      "schema passed",
      "smoke_call passed",
    ])
    expect((await call("GET", `/servers/${id}`)).body).toMatchObject({ status: "active", tool_count: 2, version: "1.0.0" })

    expect((await run("echo", { n: "7" })).result).toEqual({ said: { n: 7 } })
    const tools = await call("GET", `/tools?server_id=${id}`)
    expect(tools.body.tools.map((tool: JsonObject) => tool.name)).toEqual(["echo", "ping"])
  })

  test("whose tools nobody knows yet fails a step with its own reason, and the next step asks it again", async () => {
    await registered()
    peer.state.answer = () => new Response("closed", { status: 503 })
    const { text: told } = await run("echo", { n: 7 }, "failed")
    expect(told).toContain("503")
    expect(told).not.toContain("has no tool")
    peer.state.answer = null
    expect((await run("echo", { n: 7 })).result).toEqual({ said: { n: 7 } })
  })

  test("that repeats a secret while it is asked for its tools, is told without it", () => {
    const failure = { ok: false as const, message: `401 for ${CANARY}`, retryable: false }
    const silent = { name: "CRM", tools: [], failure, call: () => Promise.reject(new Error("nobody calls it")) }
    expect(guarded(silent, [CANARY]).failure?.message).toBe("401 for ***")
  })

  test("that stops working turns to error, with a reason, and back", async () => {
    const id = await published()
    expect((await call("POST", `/servers/${id}/validate`)).body.server_status).toBe("active")
    peer.state.tools = []
    const bad = await call("POST", `/servers/${id}/validate`)
    expect([bad.status, bad.body.status, bad.body.server_status]).toEqual([200, "failed", "error"])
    expect((await call("GET", `/servers/${id}`)).body).toMatchObject({
      status: "error",
      status_reason: "tools: the server has no tools",
    })
    peer.state.tools = ECHO
    expect((await call("POST", `/servers/${id}/validate`)).body.server_status).toBe("active")
  })

  test("has one address in a workspace, which is on the network and may be reached", async () => {
    await registered()
    const again = await call("POST", "/servers", { name: "Other", canonical_url: peer.url })
    expect([again.status, again.body.code]).toEqual([409, "SERVER_EXISTS"])
    for (const canonical_url of [
      "stdio://everything",
      "file:///etc/passwd",
      "tools",
      "http://me:pw@127.0.0.1/mcp",
      "http://127.0.0.1/mcp#x",
      "http://169.254.169.254/latest",
      "http://0x7f.2/mcp",
      "http://10.0.0.1/mcp",
      "https://router.agentruntime.io/sqlite/mcp",
    ]) {
      const refused = await call("POST", "/servers", { name: "n", canonical_url })
      expect([canonical_url, refused.status]).toEqual([canonical_url, 422])
    }
    const other = world.as(world.people.otherTenant, world.places.otherTenant)
    expect((await call("POST", "/servers", { name: "Ours", canonical_url: peer.url }, other)).status).toBe(201)
  })

  test("is not removed while instances use it, unless with them", async () => {
    const id = await published()
    const instance = await call("POST", "/instances", { server_id: id })
    expect(instance.status).toBe(201)
    const refused = await call("DELETE", `/servers/${id}`)
    expect([refused.status, refused.body.code, refused.body.instances]).toEqual([409, "SERVER_IN_USE", 1])
    expect((await call("DELETE", `/servers/${id}?force=true`)).status).toBe(204)
    expect((await call("GET", `/instances/${instance.body.id}`)).status).toBe(404)
    expect((await run("echo", { n: 1 }, "failed")).done.error).toContain("names no server")
  })

  test("used by another project keeps its address, unless an admin of the workspace moves it", async () => {
    const id = await published()
    const { otherProject, tenantAdmin } = world.people
    const elsewhere = world.as(otherProject, world.places.second)
    expect((await call("POST", "/instances", { server_id: id }, elsewhere)).status).toBe(201)
    const moved = { canonical_url: `${peer.url}?evil` }
    expect((await call("PATCH", `/servers/${id}`, moved)).status).toBe(403)
    expect((await call("PATCH", `/servers/${id}`, { bridge: { upstream_url: `${peer.url}?evil` } })).status).toBe(403)
    expect((await call("DELETE", `/servers/${id}?force=true`)).status).toBe(403)
    expect((await call("PATCH", `/servers/${id}`, { description: "Ours" })).status).toBe(200)
    const byAdmin = await call("PATCH", `/servers/${id}`, moved, world.as(tenantAdmin))
    expect([byAdmin.status, byAdmin.body.status]).toEqual([200, "draft"])
  })

  test("whose versions are given, numbered and never changed", async () => {
    const id = await published()
    const tools = [{ name: "echo", description: "New.", input_schema: { type: "object" } }]
    expect((await call("POST", `/servers/${id}/versions`, { tools, config_schema: {}, activate: false })).body).toMatchObject({
      version: "1.0.1",
      active: false,
    })
    expect((await call("POST", `/servers/${id}/versions`, { tools, config_schema: {}, version: "1.0.1" })).status).toBe(409)
    expect((await call("POST", `/servers/${id}/versions`, { tools, config_schema: {}, version: "2.3.9" })).status).toBe(201)
    expect((await call("POST", `/servers/${id}/versions`, { tools, config_schema: {} })).body.version).toBe("2.3.10")
    const { body } = await call("GET", `/servers/${id}/versions`)
    expect(body.versions.map((v: JsonObject) => `${v.version} ${v.active}`)).toEqual([
      "2.3.10 true",
      "2.3.9 false",
      "1.0.1 false",
      "1.0.0 false",
    ])
    for (const bad of [
      { tools: [{ name: "a b" }] },
      { tools: [{ name: "a", input_schema: { type: "string" } }] },
      { config_schema: { a: { type: "colour" } } },
      { tools: [{ name: "a" }, { name: "a" }] },
    ]) {
      const refused = await call("POST", `/servers/${id}/versions`, { tools, config_schema: {}, ...bad })
      expect([bad, refused.status]).toEqual([bad, 422])
    }
  })

  test("whose versions are no more together than a list of them can be", async () => {
    const id = await published()
    const tools = Array.from({ length: 95 }, (_, i) => ({ name: `t${i}`, description: "x".repeat(20_000) }))
    let answer = { status: 201, body: {} }
    let versions = 0
    for (; answer.status === 201 && versions < 40; versions++) {
      answer = await call("POST", `/servers/${id}/versions`, { tools, config_schema: {} })
    }
    expect(answer).toMatchObject({
      status: 422,
      body: { error: expect.stringContaining("register the server anew") },
    })
    expect(versions).toBe(19)
  })

  test("whose tools changed since says so, and runs as it is now", async () => {
    const id = await published()
    peer.state.tools = [
      { ...ECHO[0]!, description: "Louder." },
      { name: "more", give: () => text('{"more":true}') },
    ]
    const { body } = await call("POST", `/servers/${id}/discover`)
    expect(body.drift).toEqual({ added: ["more"], removed: ["ping"], changed: ["echo"] })
    expect((await call("GET", `/servers/${id}`)).body.drift).toEqual(body.drift)
    const validated = await call("POST", `/servers/${id}/validate`)
    expect(validated.body.checks[3].message).toContain("added: more; removed: ping; changed: echo")
    expect((await run("more")).result).toEqual({ more: true })
  })
})

describe("how a server is told who calls", () => {
  const sent = () => peer.requests.filter(request => request.method === "POST").at(-1)?.headers

  test("by a run token, with which it fetches the settings of exactly that instance", async () => {
    peer.state.configSchema = { region: { type: "string", displayName: "Region", required: true } }
    const server = await published({ auth_mode: "token" })
    const made = await call("POST", "/instances", { server_id: server, config: { region: "north" } })
    const { runId } = await run("echo", { n: 1 })
    const headers = sent()
    expect(headers?.get("x-mcp-instance-id")).toBe(made.body.id)
    expect(headers?.get("x-tool-name")).toBe("echo")
    expect([headers?.get("x-tenant-id"), headers?.get("x-project-id")]).toEqual(["acme", world.places.first.project])
    expect(headers?.get("x-user-id")).toBe(world.people.contributor.userId)
    expect(headers?.get("traceparent")).toStartWith(`00-${runId.replaceAll("-", "")}-`)

    const token = headers?.get("authorization") ?? ""
    const config = (body: unknown, authorization = token) => world.call({}, "POST", "/mcp/config", body, { authorization })
    const own = { runtime_context: { instance_id: made.body.id, server_id: server, tool_name: "echo" }, config_schema: {} }
    const answer = await config(own)
    expect([answer.status, answer.body]).toMatchObject([200, { config: { region: "north" }, bridge: null }])
    expect((await config({ runtimeContext: { instanceId: made.body.id } })).status).toBe(200)
    expect([(await config({})).status, (await config({})).body.message]).toEqual([422, expect.any(String)])
    expect((await config({ runtime_context: { instance_id: crypto.randomUUID() } })).status).toBe(403)
    expect((await config({ runtime_context: { server_id: crypto.randomUUID() } })).status).toBe(403)
    expect((await config(own, `${token.slice(0, -5)}AAAAA`)).status).toBe(401)
    expect((await config(own, `Bearer ${world.people.contributor.pat}`)).status).toBe(401)
    expect((await config("[".repeat(100_000))).status).toBe(400)
    expect((await world.call({}, "GET", "/v1/mcp/instances", undefined, { authorization: token })).status).toBe(401)

    await call("DELETE", `/instances/${made.body.id}`)
    expect((await config(own)).status).toBe(404)
  })

  test("a bearer server cannot be asked without its token, and is with that of an instance", async () => {
    peer.state.answer = request =>
      request.headers.get("authorization") === `Bearer ${CANARY}` ? null : new Response("who?", { status: 401 })
    peer.state.tools = [{ name: "leak", give: (_, headers) => text(`you sent ${headers.get("authorization")}`) }]
    const id = await registered({ auth_mode: "bearer" })
    const without = await call("POST", `/servers/${id}/discover`)
    expect([without.status, without.body.error]).toEqual([422, expect.stringContaining("bearer token")])
    const instance = await call("POST", "/instances", { server_id: id, config: { access_token: CANARY } })
    expect([instance.status, instance.text.includes(CANARY)]).toEqual([201, false])
    expect((await call("POST", `/servers/${id}/versions`, { instance_id: instance.body.id })).status).toBe(201)
    expect((await call("POST", `/servers/${id}/validate`)).body).toMatchObject({ valid: true })
    const { text: context, result } = await run("leak")
    expect(result.text).toBe("you sent Bearer ***")
    expect(context).not.toContain(CANARY)
  })

  test("a saved connection is tried on a server before anything is bound to it", async () => {
    peer.state.answer = request =>
      request.headers.get("authorization") === `Bearer ${CANARY}` ? null : new Response(`not ${CANARY}`, { status: 401 })
    const id = await registered({ auth_mode: "bearer" })
    const { contributor, otherTenant } = world.people
    const saved = async (credentials: JsonObject, who = world.as(contributor)) => {
      const wish = { display_name: "Key", provider: "custom", service: "token", credentials }
      return (await world.call(who, "POST", "/v1/connections", wish)).body.id as string
    }
    const checks = async (connection: string) => {
      const answer = await call("POST", `/servers/${id}/connections/${connection}/validate`)
      expect(answer.text).not.toContain(CANARY)
      return [answer.status, answer.body.checks?.map((c: JsonObject) => `${c.id} ${c.status}`)]
    }
    const good = await saved({ access_token: CANARY })
    expect(await checks(good)).toEqual([200, ["config_complete passed", "credentials_present passed", "reachability passed"]])
    const bad = await saved({ access_token: "another-secret-value" })
    expect(await checks(bad)).toEqual([200, ["config_complete passed", "credentials_present passed", "reachability failed"]])
    const none = await saved({ user: "u", password: "p" })
    expect(await checks(none)).toEqual([200, ["config_complete passed", "credentials_present failed", "reachability skipped"]])
    const foreign = await saved({ access_token: CANARY }, world.as(otherTenant, world.places.otherTenant))
    expect(await checks(foreign)).toEqual([404, undefined])
    expect((await call("POST", `/servers/${id}/discover`, { connection_id: good })).body.tool_count).toBe(2)
    expect((await call("POST", `/servers/${id}/discover`, { connection_id: foreign })).status).toBe(422)
  })

  test("with a run token of a workflow that overrides the connection, the settings are the override's", async () => {
    peer.state.configSchema = { api_key: { type: "string", displayName: "Key", required: true } }
    const server = await published({ auth_mode: "token" })
    const saved = async (api_key: string) => {
      const wish = { display_name: api_key, provider: "custom", service: "api_key", credentials: { api_key } }
      return (await world.call(world.as(world.people.contributor), "POST", "/v1/connections", wish)).body.id as string
    }
    const [usual, special] = [await saved("the-usual-key-value"), await saved("the-special-key-value")]
    const instance = (await call("POST", "/instances", { server_id: server, connection_id: usual })).body.id
    const config = async () => {
      const authorization = sent()?.get("authorization") ?? ""
      return (await world.call({}, "POST", "/mcp/config", { runtime_context: { instance_id: instance } }, { authorization })).body
        .config
    }
    const { workflowId } = await run("ping")
    expect(await config()).toEqual({ api_key: "the-usual-key-value" })
    const path = `/v1/workflows/${workflowId}/connection-overrides`
    const overrides = [{ instance_id: instance, connection_id: special }]
    const put = await world.call(world.as(world.people.contributor), "PUT", path, { overrides })
    expect([put.status, put.text]).toEqual([200, put.text])
    await world.until(workflowId, await world.start(workflowId), "completed")
    expect(await config()).toEqual({ api_key: "the-special-key-value" })
  })

  test("a bridge gets the mapped headers and nothing of ours", async () => {
    const bridge = {
      upstream_url: peer.url,
      auth_mapping: { type: "header", from: "key", name: "X-Api-Key" },
      header_mappings: [{ name: "X-Region", from: "region" }],
    }
    const canonical_url = `${peer.url.replace("/tools/", "/bridge/")}`
    const id = await registered({ auth_mode: "token", bridge, canonical_url })
    const tools = [{ name: "echo", input_schema: ECHO[0]!.inputSchema! }]
    await call("POST", `/servers/${id}/versions`, { tools, config_schema: {} })
    expect((await call("GET", `/servers/${id}`)).body.config_schema).toMatchObject({ key: { secret: true }, region: {} })
    await call("POST", "/instances", { server_id: id, config: { key: CANARY, region: "north" } })
    expect((await run("echo", { n: 1 }, "completed", canonical_url)).result).toEqual({ said: { n: 1 } })
    const headers = sent()
    expect([headers?.get("x-api-key"), headers?.get("x-region")]).toEqual([CANARY, "north"])
    for (const ours of ["authorization", "x-tenant-id", "x-mcp-instance-id", "x-user-id", "traceparent"]) {
      expect([ours, headers?.get(ours)]).toEqual([ours, null])
    }
    for (const name of ["Host", "Content-Length", "Mcp-Session-Id", "a b", ""]) {
      const bad = { ...bridge, header_mappings: [{ name, from: "region" }] }
      expect((await call("PATCH", `/servers/${id}`, { bridge: bad })).status).toBe(422)
    }
  })

  test("a signed server can check who it was", async () => {
    const id = await registered({ auth_mode: "hmac" })
    const tools = [{ name: "ping" }]
    await call("POST", `/servers/${id}/versions`, { tools, config_schema: {} })
    await call("POST", "/instances", { server_id: id, config: { hmac_key_id: "k1", hmac_secret: CANARY } })
    await run("ping")
    const headers = sent()
    const ts = headers?.get("x-mcp-timestamp") ?? ""
    const signature = new Bun.CryptoHasher("sha256", CANARY).update(`${ts}\nPOST\n/tools/mcp`).digest("hex")
    expect([headers?.get("x-mcp-keyid"), headers?.get("x-mcp-signature")]).toEqual(["k1", signature])
  })
})

describe("a server that means no good", () => {
  test("has its bad tools left out, and told", async () => {
    let deep: JsonObject = { type: "object" }
    for (let i = 0; i < 60; i++) deep = { type: "object", properties: { a: deep } }
    peer.state.tools = [
      ECHO[1]!,
      { name: "deep", inputSchema: deep, give: () => text("") },
      { name: "long", description: "x".repeat(30_000), give: () => text("") },
      { name: "big", inputSchema: { type: "object", description: "x".repeat(200_000) }, give: () => text("") },
      { name: "two words", give: () => text("") },
    ]
    const id = await registered()
    const { status, body } = await call("POST", `/servers/${id}/discover`)
    expect([status, body.tools.map((tool: JsonObject) => tool.name)]).toEqual([200, ["ping"]])
    expect(body.problems).toHaveLength(4)
    expect((await call("POST", `/servers/${id}/validate`)).body.checks[2].status).toBe("failed")
  })

  test("cannot hold this process up by its schemas", async () => {
    const branches = Object.fromEntries(
      Array.from({ length: 60 }, (_, i) => [`d${i}`, { anyOf: [{ $ref: `#/$defs/d${i + 1}` }, { $ref: `#/$defs/d${i + 1}` }] }]),
    )
    const properties = { slow: { type: "string", pattern: "^(a+)+$" }, wide: { $ref: "#/$defs/d0" } }
    const inputSchema = { type: "object", properties, $defs: { ...branches, d60: { type: "number" } } }
    peer.state.tools = [{ name: "trap", inputSchema, give: () => text('{"sprung":false}') }]
    await published()
    const startedAt = performance.now()
    const { result } = await run("trap", { slow: `${"a".repeat(60)}!`, wide: "x" })
    expect(result).toEqual({ sprung: false })
    expect(performance.now() - startedAt).toBeLessThan(20_000)
  })

  test("that redirects to the metadata service leads nowhere", async () => {
    peer.state.answer = () => Response.redirect("http://169.254.169.254/latest/meta-data", 307)
    const id = await registered()
    const { status, body } = await call("POST", `/servers/${id}/discover`)
    expect([status, body.code]).toEqual([422, "MCP_DISCOVERY_FAILED"])
    expect((await call("POST", `/servers/${id}/validate`)).body.valid).toBe(false)
  })

  test("that answers nonsense, or an answer nested without end, fails the step with a sentence", async () => {
    peer.state.tools = [
      { name: "deep", give: () => text(`${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`) },
      { name: "odd", give: () => text('{"__proto__":{"polluted":1},"constructor":2}') },
      { name: "fails", give: () => ({ ...text(`no: ${CANARY}`), isError: true }) },
    ]
    await published()
    const odd = await run("odd")
    expect(JSON.stringify(odd.result)).toContain("constructor")
    expect(({} as JsonObject).polluted).toBeUndefined()
    expect((await run("fails", {}, "failed")).done.error).toContain("no: ")
    expect((await run("deep", {}, "failed")).done.error).toContain("nested too deeply")
  })
})

describe("programs that the operator declared", () => {
  test("are seen by whom they are for, called by their address, and changed by nobody", async () => {
    const { body } = await call("GET", "/servers?limit=100")
    const names = body.servers.filter((s: JsonObject) => s.mode === "operator").map((s: JsonObject) => s.canonical_url)
    expect(names).toEqual(["stdio://everything"])
    expect((await call("GET", "/servers/stdio:everything")).body).toMatchObject({ status: "active", mode: "operator" })
    expect((await call("GET", "/servers/stdio:private")).status).toBe(404)
    expect((await call("PATCH", "/servers/stdio:everything", { name: "x" })).status).toBe(422)
    expect((await call("DELETE", "/servers/stdio:everything?force=true")).status).toBe(422)

    const ran = await run("get-sum", { a: 2, b: 3 }, "completed", "stdio://everything")
    expect(ran.result.text).toContain("5")
    expect((await run("get-sum", { a: 2, b: 3 }, "failed", "stdio://private")).done.error).toContain("names no server")
    const image = await run("get-tiny-image", {}, "completed", "stdio://everything")
    const [kept] = image.result.content.filter((block: JsonObject) => block.type === "image")
    expect(kept).toMatchObject({ mimeType: "image/png", artifact_id: expect.any(String), url: expect.any(String) })
    expect(image.text).not.toContain("iVBOR")
    expect((await call("POST", "/servers/stdio:everything/validate")).body).toMatchObject({ valid: true })
    expect((await call("GET", "/servers/stdio:everything")).body.tool_count).toBeGreaterThan(10)
  })
})
