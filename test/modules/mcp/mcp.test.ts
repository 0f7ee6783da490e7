import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Elysia } from "elysia"
import { openVault } from "../../../src/adapters/vault/open.ts"
import type { Vault } from "../../../src/adapters/vault/vault.ts"
import { findAdapter } from "../../../src/connectors/catalog.ts"
import type { Connector, Connectors } from "../../../src/connectors/connector.ts"
import type { Credentials } from "../../../src/connectors/credentials.ts"
import { createConnectors } from "../../../src/connectors/registry.ts"
import { toWire } from "../../../src/http/errors.ts"
import { createGate } from "../../../src/http/gate.ts"
import { type Caller, NOBODY, type Permission, type Scope } from "../../../src/http/permission.ts"
import { AppError } from "../../../src/kernel/errors.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { mcpProfileRoutes } from "../../../src/modules/mcp/profile-routes.ts"
import { mcpRoutes } from "../../../src/modules/mcp/routes.ts"
import { createMcpService, type McpService } from "../../../src/modules/mcp/service.ts"
import type { Writer } from "../../../src/storage/database.ts"
import { VaultStore } from "../../../src/storage/vault-store.ts"
import { connectorDeps } from "../../connectors/call.ts"
import { dialects, type TemporaryDatabase } from "../../helpers/database.ts"
import { NO_SERVERS } from "./no-servers.ts"

const SQLITE = "https://router.agentruntime.io/sqlite/mcp"
const MYSQL = "https://router.agentruntime.io/mysql/mcp"

/** A documented adapter that needs configuration, built for the test: one required secret, one required value. */
const brave: Connector = { ...findAdapter("brave")!, tools: [], call: async () => ({ ok: true, value: {} }) }
const mysql: Connector = {
  ...findAdapter("mysql")!,
  configSchema: {
    mysql_host: { type: "string", displayName: "Host", required: true },
    mysql_port: { type: "number", displayName: "Port", required: false },
  },
  tools: [],
  call: async () => ({ ok: true, value: {} }),
  probe: async ({ config }) =>
    config.mysql_host === "down" ? { ok: false, message: "connection refused", retryable: true } : { ok: true, value: {} },
}

const connectors: Connectors = new Map([...createConnectors(connectorDeps()), ["brave", brave], ["mysql", mysql]])

for (const dialect of dialects) {
  describe(`the MCP module on ${dialect.name}`, () => {
    let temporary: TemporaryDatabase
    let mcp: McpService
    let app: { handle(request: Request): Promise<Response> }
    let graphs: Map<string, JsonObject>
    let connections: Map<string, Credentials>
    let overrides: Map<string, string>
    let vault: Vault<Writer>
    let folder: string

    beforeEach(async () => {
      temporary = await dialect.open()
      folder = mkdtempSync(join(tmpdir(), "agentruntime-mcp-"))
      vault = await openVault({
        keyFile: join(folder, "master.key"),
        rows: new VaultStore(temporary.db),
        clock: { now: Date.now },
      })
      graphs = new Map()
      connections = new Map([["acme c1", credentials({ api_key: "of-the-connection" })]])
      overrides = new Map()
      let now = Date.UTC(2026, 0, 1)
      mcp = createMcpService({
        db: temporary.db,
        connectors,
        clock: { now: () => now++ },
        ids: { uuid: () => Bun.randomUUIDv7(), secret: () => "s" },
        vault,
        directory: NO_SERVERS,
        credentialsOf: async (scope, id) => connections.get(`${scope.tenantId} ${id}`) ?? unknownConnection,
        connectionExists: async (scope, id) => connections.has(`${scope.tenantId} ${id}`),
        overrideOf: async (_scope, workflowId, instanceId) => overrides.get(`${workflowId} ${instanceId}`) ?? null,
        pinnedTools: async () => null,
        policyOf: async () => "run",
        env: new Map([["BRAVE_KEY", "from-the-environment"]]),
        publicUrl: "http://127.0.0.1:8420",
        graphOf: async (id, caller) => (caller.projectId === "p1" ? (graphs.get(id) ?? null) : null),
      })
      const gate = createGate({ authorize: async (request, permission) => callerOf(request, permission) })
      app = new Elysia()
        .onError(({ error, code, set }) => {
          const wire = toWire(error, code, "req")
          if (wire.unexpected) console.error(error)
          set.status = wire.status
          return wire.body
        })
        .use(mcpRoutes({ gate, mcp }))
        .use(mcpProfileRoutes({ gate, mcp }))
    })
    afterEach(async () => {
      await temporary.close()
      rmSync(folder, { recursive: true, force: true })
    })

    // biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field
    type Answer = { status: number; body: any }

    async function send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
      const init: RequestInit = { method, headers: { "x-project-id": "p1", ...headers } }
      if (body !== undefined) init.body = JSON.stringify(body)
      const response = await app.handle(new Request(`http://localhost/v1/mcp${path}`, init))
      const text = await response.text()
      return { status: response.status, body: text === "" ? null : JSON.parse(text) }
    }
    const get = (path: string, headers?: Record<string, string>) => send("GET", path, undefined, headers)
    const post = (path: string, body?: unknown, headers?: Record<string, string>) => send("POST", path, body, headers)
    const created = async (body: unknown = { server_id: "sqlite" }) => {
      const answer = await post("/instances", body)
      expect(answer.status).toBe(201)
      return answer.body
    }

    test("the catalog lists forty adapters, what is available, and this project's instances", async () => {
      const { id } = await created()
      const { status, body } = await get("/platform-catalog")
      expect(status).toBe(200)
      expect(body.servers.filter((s: JsonObject) => !s.self_hosted_only)).toHaveLength(40)
      const sqlite = body.servers.find((s: JsonObject) => s.slug === "sqlite")
      expect(sqlite).toMatchObject({
        id: "sqlite",
        canonical_url: SQLITE,
        tool_count: 10,
        available: true,
        status: "ga",
        auth_kind: "none",
        installed_instance_ids: [id],
      })
      expect(sqlite.config_schema.sqlite_max_rows).toMatchObject({ type: "number", default: 1000, required: false })
      const gitlab = body.servers.find((s: JsonObject) => s.slug === "gitlab")
      expect(gitlab).toMatchObject({ tool_count: 6, available: false, installed_instance_ids: [] })
      expect(gitlab.config_schema.APIToken).toMatchObject({ required: true, secret: true })
      const other = await get("/platform-catalog", { "x-project-id": "p2" })
      expect(other.body.servers.find((s: JsonObject) => s.slug === "sqlite").installed_instance_ids).toEqual([])
    })

    test("tools come with their schemas, filtered by server, instance and words", async () => {
      expect((await get("/tools")).body.total).toBe([...connectors.values()].flatMap(c => c.tools).length)
      const { body } = await get("/tools?server_id=sqlite")
      expect(body.total).toBe(10)
      const query = body.tools.find((t: JsonObject) => t.name === "sqlite_query")
      expect(query).toMatchObject({
        mcp_id: "sqlite",
        server_id: "sqlite",
        input_schema: { required: ["sql"] },
        metadata: { suggested_group: "SQLite" },
      })
      expect((await get("/tools?q=sample%20ROWS")).body.tools.map((t: JsonObject) => t.name)).toEqual([
        "sqlite_sample_table_rows",
      ])
      expect((await get("/tools?server_id=brave")).body.tools).toEqual([])
      const { id } = await created()
      expect((await get(`/tools?instance_id=${id}`)).body.total).toBe(10)
      expect((await get(`/tools?instance_id=${id}`, { "x-project-id": "p2" })).status).toBe(404)
    })

    test("a new instance has an active profile with the given values", async () => {
      const instance = await created({ server_id: "sqlite", name: "Shop", config: { sqlite_allow_write: true } })
      expect(instance).toMatchObject({
        server_id: "sqlite",
        server_slug: "sqlite",
        server_url: SQLITE,
        name: "Shop",
        status: "active",
        has_connection: true,
      })
      expect((await get(`/instances/${instance.id}`)).body).toEqual(instance)
      const { body } = await get(`/instances/${instance.id}/config-profiles`)
      expect(body).toMatchObject({
        total: 1,
        config_profiles: [
          {
            id: instance.active_profile_id,
            name: "default",
            active: true,
            config: { sqlite_allow_write: true },
            source_spec: {},
          },
        ],
      })
      expect((await get("/instances?limit=1")).body).toMatchObject({
        total: 1,
        limit: 1,
        offset: 0,
        instances: [{ id: instance.id }],
      })
    })

    test("an instance can be renamed and removed", async () => {
      const { id } = await created()
      expect((await send("PATCH", `/instances/${id}`, { name: "Other" })).body.name).toBe("Other")
      expect(await send("DELETE", `/instances/${id}`)).toEqual({ status: 204, body: null })
      expect((await get(`/instances/${id}`)).status).toBe(404)
      expect((await send("DELETE", `/instances/${id}`)).status).toBe(404)
    })

    test("a configuration that does not fit is refused by key", async () => {
      const refused = async (body: unknown) => {
        const answer = await post("/instances", body)
        return `${answer.status} ${answer.body.error}`
      }
      expect(await refused({ server_id: "nope" })).toStartWith("404 ")
      expect(await refused({ server_id: "gitlab" })).toStartWith("422 GitLab is in the catalog, but")
      expect(await refused({ server_id: "sqlite", config: { sqlite_max_row: 5 } })).toContain(
        "422 invalid configuration: sqlite_max_row is not a configuration key",
      )
      expect(await refused({ server_id: "sqlite", config: { sqlite_max_rows: "5" } })).toContain(
        "sqlite_max_rows must be a number",
      )
      expect(await refused({ server_id: "sqlite", config: { sqlite_allow_write: null } })).toContain(
        "sqlite_allow_write must be true or false",
      )
      const secret = await post("/instances", { server_id: "brave", config: { APIKey: ["very-secret"] } })
      expect([secret.status, secret.body.issues]).toMatchObject([422, [{ key: "APIKey" }]])
      expect(JSON.stringify(secret.body)).not.toContain("very-secret")
      expect(await refused({ server_id: "brave", connection_id: "c2" })).toContain("422 connection_id: no such connection")
      expect(await refused({ server_id: "sqlite", name: "" })).toStartWith("400 ")
      expect(await refused({ server_id: "sqlite", name: "a\0b" })).toStartWith("400 ")
      expect(await refused([])).toStartWith("400 ")
      expect((await get("/instances")).body.total).toBe(0)
    })

    test("exactly one profile is active, whoever asks for it at the same time", async () => {
      const { id } = await created()
      const add = async (name: string, more: JsonObject = {}) =>
        (await post(`/instances/${id}/config-profiles`, { name, ...more })).body
      const a = await add("a", { config: { sqlite_max_rows: 5 } })
      expect(a).toMatchObject({ active: false, instance_id: id })
      const b = await add("b", { active: true })
      const active = async () =>
        (await get(`/instances/${id}/config-profiles`)).body.config_profiles
          .filter((p: JsonObject) => p.active)
          .map((p: JsonObject) => p.name)
      expect(await active()).toEqual(["b"])
      expect((await post(`/instances/${id}/config-profiles/${a.id}/set-active`)).body).toMatchObject({ id: a.id, active: true })
      expect(await active()).toEqual(["a"])
      await Promise.all([a, b, a, b, a].map(p => post(`/instances/${id}/config-profiles/${p.id}/set-active`)))
      expect(await active()).toHaveLength(1)
      expect((await get(`/instances/${id}`)).body.active_profile_id).toBe(
        (await get(`/instances/${id}/config-profiles`)).body.config_profiles.find((p: JsonObject) => p.active).id,
      )
      expect((await post(`/instances/${id}/config-profiles/${Bun.randomUUIDv7()}/set-active`)).status).toBe(404)
      expect(await active()).toHaveLength(1)
    })

    test("a profile's literals count as configuration, and what is no source is refused", async () => {
      const { id, active_profile_id: profile } = await created()
      const patch = (body: unknown) => send("PATCH", `/instances/${id}/config-profiles/${profile}`, body)
      const literal = { sqlite_max_rows: { source: "literal", value: 5 } }
      expect((await patch({ source_spec: literal, name: "small" })).body).toMatchObject({
        name: "small",
        source_spec: literal,
        active: true,
      })
      const run = await mcp.resolveForRun({ tenantId: "acme", projectId: "p1", instanceId: id })
      expect(run).toMatchObject({ ok: true, instanceId: id, slug: "sqlite", config: { sqlite_max_rows: 5 } })
      for (const [source, sentence] of [
        [{ source: "connection", connection_id: "c", key: "k" }, "names no connection of this workspace"],
        [{ source: "connection" }, "has no connection_id"],
        [{ source: "vault", path: "p" }, "names a secret of somebody else"],
        [{ source: "vault", path: `profile/${Bun.randomUUIDv7()}/sqlite_max_rows` }, "names a secret of somebody else"],
        [{ source: "env", name: "HOME" }, "the operator has not opened"],
        [{ source: "file", path: "/etc/passwd" }, "has no source; it is one of"],
        [{}, "has no source; it is one of"],
      ] as const) {
        const answer = await patch({ source_spec: { sqlite_max_rows: source } })
        expect([source, answer.status, answer.body.error]).toEqual([source, 422, expect.stringContaining(sentence)])
      }
      expect((await patch({ config: { sqlite_max_rows: 6 } })).body.error).toContain("both config and source_spec")
      expect((await patch({ source_spec: { nope: { source: "literal", value: 1 } } })).body.error).toContain(
        "nope is not a configuration key",
      )
      expect((await patch({ source_spec: {}, config: { sqlite_max_rows: 6 } })).body).toMatchObject({
        config: { sqlite_max_rows: 6 },
        source_spec: {},
      })
    })

    test("a secret that is given in plain is kept in the vault, and nowhere else", async () => {
      const made = await created({ server_id: "brave", config: { APIKey: "s3cr3t-value", APIBase: "https://brave.test" } })
      expect(made.has_connection).toBe(true)
      const profiles = async () => (await get(`/instances/${made.id}/config-profiles`)).body.config_profiles
      const [{ config, source_spec }] = await profiles()
      const kept = { source: "vault", path: `profile/${made.active_profile_id}/APIKey` }
      expect([config, source_spec]).toEqual([{ APIBase: "https://brave.test" }, { APIKey: kept }])
      const valueFor = async () => {
        const run = await mcp.resolveForRun({ tenantId: "acme", projectId: "p1", instanceId: made.id })
        return run.ok ? run.config.APIKey : run.message
      }
      expect(await valueFor()).toBe("s3cr3t-value")

      const path = `/instances/${made.id}/config-profiles/${made.active_profile_id}`
      const back = await send("PATCH", path, { config, source_spec })
      expect([back.status, await valueFor()]).toEqual([200, "s3cr3t-value"])
      await send("PATCH", path, { source_spec: { APIKey: { source: "literal", value: "another-one" } } })
      expect(await valueFor()).toBe("another-one")
      await send("PATCH", path, { config: { APIKey: "third-value" } })
      expect(await valueFor()).toBe("third-value")
      const everything = JSON.stringify([
        await temporary.db.read.select().from(temporary.db.tables.mcpConfigProfiles),
        await profiles(),
      ])
      for (const secret of ["s3cr3t-value", "another-one", "third-value"]) expect(everything).not.toContain(secret)

      const other = await created({ server_id: "brave" })
      const stolen = await send("PATCH", `/instances/${other.id}/config-profiles/${other.active_profile_id}`, { source_spec })
      expect([stolen.status, stolen.body.error]).toEqual([422, expect.stringContaining("a secret of somebody else")])

      await send("PATCH", path, { source_spec: {} })
      expect(await vault.get("acme", `profile:${made.active_profile_id}:APIKey`)).toBeNull()
      await send("PATCH", path, { config: { APIKey: "fourth-value" } })
      await send("DELETE", `/instances/${made.id}`)
      expect(await vault.get("acme", `profile:${made.active_profile_id}:APIKey`)).toBeNull()
    })

    test("a profile takes values from a connection of the workspace, and from what the operator opened", async () => {
      const made = await created({ server_id: "brave", connection_id: "c1" })
      const wired = { APIKey: { source: "connection", connection_id: "c1", key: "api_key" } }
      expect((await get(`/instances/${made.id}/config-profiles`)).body.config_profiles[0].source_spec).toEqual(wired)
      const run = () => mcp.resolveForRun({ tenantId: "acme", projectId: "p1", instanceId: made.id })
      expect(await run()).toMatchObject({ ok: true, config: { APIKey: "of-the-connection" }, connectionId: "c1" })
      connections.set("acme c1", credentials({ api_key: "a-new-one" }))
      mcp.changed()
      expect(await run()).toMatchObject({ config: { APIKey: "a-new-one" } })
      connections.delete("acme c1")
      mcp.changed()
      expect(await run()).toMatchObject({ ok: false, message: expect.stringContaining("APIKey: no such connection") })
      const path = `/instances/${made.id}/config-profiles/${made.active_profile_id}`
      expect((await send("PATCH", path, { name: "kept" })).status).toBe(200)
      expect((await send("PATCH", path, { source_spec: { APIKey: { source: "env", name: "BRAVE_KEY" } } })).status).toBe(200)
      expect(await run()).toMatchObject({ ok: true, config: { APIKey: "from-the-environment" }, connectionId: null })
    })

    test("a workflow's override takes the place of the connection, or of what is missing", async () => {
      connections.set("acme c2", credentials({ api_key: "of-the-override" }))
      const made = await created({ server_id: "brave", connection_id: "c1" })
      const bare = await created({ server_id: "brave" })
      for (const { id } of [made, bare]) overrides.set(`w1 ${id}`, "c2")
      const at = (instanceId: string, workflowId: string) =>
        mcp.resolveForRun({ tenantId: "acme", projectId: "p1", instanceId, workflowId })
      for (const { id } of [made, bare])
        expect(await at(id, "w1")).toMatchObject({ ok: true, config: { APIKey: "of-the-override" }, connectionId: "c2" })
      expect(await at(made.id, "w2")).toMatchObject({ config: { APIKey: "of-the-connection" } })
      expect(await at(bare.id, "w2")).toMatchObject({ ok: false, message: expect.stringContaining("lacks APIKey") })
      graphs.set("w1", { steps: [{ id: "a", type: "mcp_call", instance_id: made.id, tool_name: "t" }] })
      expect((await post("/instances/resolve", { workflow_id: "w1" })).body.resolved).toMatchObject([
        { instance_id: made.id, connection_id: "c2", source: "override" },
      ])
      connections.delete("acme c2")
      mcp.changed()
      expect(await at(made.id, "w1")).toMatchObject({ ok: false, message: expect.stringContaining("no such connection") })
    })

    test("a run finds its instance by address in every form, or by id, and one is made when none is needed to be configured", async () => {
      const scope = { tenantId: "acme", projectId: "p1" }
      const first = await mcp.resolveForRun({ ...scope, serverUrl: SQLITE })
      expect(first).toMatchObject({ ok: true, slug: "sqlite", config: {} })
      for (const serverUrl of [`${SQLITE}/`, "http://127.0.0.1:8420/mcp/sqlite"]) {
        expect(await mcp.resolveForRun({ ...scope, serverUrl })).toEqual(first)
      }
      await created()
      expect(await mcp.resolveForRun({ ...scope, serverUrl: SQLITE })).toEqual(first)
      const at = (serverUrl: string) => mcp.resolveForRun({ ...scope, serverUrl })
      expect(await at("https://router.agentruntime.io/gitlab/mcp")).toMatchObject({ ok: false, reason: "unknown_server" })
      expect(await at("https://elsewhere.example.com/mcp")).toMatchObject({ ok: false, reason: "unknown_server" })
      expect(await at(MYSQL)).toMatchObject({
        ok: false,
        reason: "no_instance",
        message: "MySQL needs an instance with mysql_host; add one first",
      })
      const { id } = await created({ server_id: "mysql", config: { mysql_host: "db" } })
      expect(await at(MYSQL)).toMatchObject({ ok: true, instanceId: id })
      for (const instanceId of [Bun.randomUUIDv7(), "x", "\0"]) {
        expect(await mcp.resolveForRun({ ...scope, instanceId, serverUrl: SQLITE })).toMatchObject({
          ok: false,
          reason: "foreign",
        })
      }
      expect(await mcp.resolveForRun(scope)).toMatchObject({ ok: false, reason: "no_instance" })
    })

    test("runs that need an instance at the same time share the one that is made", async () => {
      const find = () => mcp.resolveForRun({ tenantId: "acme", projectId: "p1", serverUrl: SQLITE })
      if (dialect.name === "sqlite") await Promise.all([find(), find(), find()])
      else for (let i = 0; i < 3; i++) await find()
      expect((await get("/instances")).body.total).toBe(1)
    })

    test("resolve answers for addresses, a graph and a stored workflow, inner steps included", async () => {
      const { id } = await created({ server_id: "mysql", config: { mysql_host: "db" } })
      const call = (more: JsonObject) => ({ type: "mcp_call", tool_name: "t", ...more })
      const graph = {
        steps: [
          { id: "a", ...call({ server_url: MYSQL }) },
          { id: "b", ...call({ instance_id: id }) },
          { id: "c", type: "for_each", for_each_body: call({ server_url: SQLITE }) },
          {
            id: "d",
            type: "while",
            while_body_steps: [{ id: "e", ...call({ server_url: "https://elsewhere.example.com/mcp" }) }],
          },
          { id: "f", type: "lua_script", script: "return {}" },
        ],
      }
      graphs.set("w1", graph)
      const expected = {
        resolved: [
          { server_url: MYSQL, instance_id: id, connection_id: null, source: "project" },
          { server_url: MYSQL, instance_id: id, connection_id: null, source: "step" },
        ],
        unresolved: [
          { server_url: SQLITE, reason: "no_instance" },
          { server_url: "https://elsewhere.example.com/mcp", reason: "unknown_server" },
        ],
      }
      expect((await post("/instances/resolve", { graph })).body).toMatchObject(expected)
      expect((await post("/instances/resolve", { workflow_id: "w1" })).body).toMatchObject(expected)
      expect((await post("/instances/resolve", { workflow_id: "w1" }, { "x-project-id": "p2" })).status).toBe(404)
      expect((await post("/instances/resolve", { server_urls: [SQLITE, SQLITE] })).body.unresolved).toHaveLength(1)
      const made = await post("/instances/resolve", { server_urls: [SQLITE], create_missing: true })
      expect(made.body.resolved).toMatchObject([{ server_url: SQLITE, source: "created" }])
      expect((await post("/instances/resolve", { server_urls: [SQLITE] })).body.resolved).toMatchObject([{ source: "project" }])
      for (const body of [{}, { graph, workflow_id: "w1" }]) expect((await post("/instances/resolve", body)).status).toBe(400)
    })

    test("a token that may only read cannot have instances made", async () => {
      const reader = { "x-scopes": "mcp:read" }
      expect((await post("/instances/resolve", { server_urls: [SQLITE] }, reader)).status).toBe(200)
      const answer = await post("/instances/resolve", { server_urls: [SQLITE], create_missing: true }, reader)
      expect([answer.status, answer.body.code]).toEqual([403, "INSUFFICIENT_SCOPE"])
      expect((await post("/instances", { server_id: "sqlite" }, reader)).status).toBe(403)
    })

    test("validation tells check by check", async () => {
      const sqlite = await created()
      expect((await post(`/instances/${sqlite.id}/validate`)).body).toMatchObject({
        server_id: "sqlite",
        instance_id: sqlite.id,
        valid: true,
        status: "passed",
        checks: [
          { id: "config_complete", status: "passed" },
          { id: "credentials_present", status: "skipped" },
          { id: "reachability", status: "passed" },
        ],
      })
      const mysql = await created({ server_id: "mysql", config: { mysql_host: "down" } })
      const { body } = await post(`/instances/${mysql.id}/validate`)
      expect(body).toMatchObject({ valid: false, status: "failed" })
      expect(body.checks[2]).toMatchObject({ id: "reachability", status: "failed", message: "connection refused" })
    })

    test("what belongs to another project or tenant is not there", async () => {
      const { id, active_profile_id: profile } = await created()
      for (const headers of [{ "x-project-id": "p2" }, { "x-tenant-id": "evil" }] as Record<string, string>[]) {
        const answers = await Promise.all([
          get(`/instances/${id}`, headers),
          send("PATCH", `/instances/${id}`, { name: "mine" }, headers),
          send("DELETE", `/instances/${id}`, undefined, headers),
          post(`/instances/${id}/validate`, undefined, headers),
          get(`/instances/${id}/config-profiles`, headers),
          post(`/instances/${id}/config-profiles`, { name: "x" }, headers),
          send("PATCH", `/instances/${id}/config-profiles/${profile}`, { name: "x" }, headers),
          post(`/instances/${id}/config-profiles/${profile}/set-active`, undefined, headers),
        ])
        expect(answers.map(a => a.status)).toEqual(answers.map(() => 404))
        expect((await get("/instances", headers)).body.total).toBe(0)
      }
      expect((await get(`/instances/${id}`)).body.name).toBe("SQLite")
      for (const bad of ["x", "%00", "'", "..%2f"]) expect((await get(`/instances/${bad}`)).status).toBe(404)
    })

    test("a stranger and a viewer are refused before their body is read", async () => {
      expect((await post("/instances", "not even an object", { "x-role": "nobody" })).status).toBe(401)
      expect((await post("/instances", {}, { "x-role": "project_viewer" })).status).toBe(403)
    })
  })
}

const unknownConnection: Credentials = { ok: false, message: "no such connection in this workspace" }
function credentials(values: Readonly<Record<string, string>>): Credentials {
  return { ok: true, provider: "custom", service: "api_key", values, metadata: {} }
}

/** Headers say who calls; the rule is the route's own. */
function callerOf(request: Request, permission: Permission): Caller {
  const role = request.headers.get("x-role") ?? "project_contributor"
  if (role === "nobody") throw new AppError("unauthenticated", "sign in first")
  if (permission.access !== "project" || permission.role !== "project_contributor") throw new Error("an unexpected permission")
  if (role === "project_viewer") throw new AppError("forbidden", "you need the role project_contributor")
  const scopes = request.headers.get("x-scopes")?.split(",") as Scope[] | undefined
  const needed = permission.scopes
  if (scopes && Array.isArray(needed) && !scopes.some(s => needed.includes(s)))
    throw new AppError("forbidden", "insufficient scope")
  return {
    ...NOBODY,
    userId: "u",
    via: scopes ? "pat" : "session",
    scopes: scopes ?? null,
    tenantId: request.headers.get("x-tenant-id") ?? "acme",
    projectId: request.headers.get("x-project-id") ?? "p1",
    role: "project_contributor",
  }
}
