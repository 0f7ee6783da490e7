import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { openVault } from "../../src/adapters/vault/open.ts"
import { addressesIn } from "../../src/cli/address-in.ts"
import { airgapReport } from "../../src/cli/airgap.ts"
import { MODEL_VENDORS, VENDORS } from "../../src/cli/reach.ts"
import { type Config, readConfig } from "../../src/config.ts"
import { canonicalUrl } from "../../src/connectors/catalog.ts"
import type { Json, JsonObject } from "../../src/kernel/json.ts"
import { vaultNameOf, vaultPath } from "../../src/modules/mcp/wiring.ts"
import { VaultStore } from "../../src/storage/vault-store.ts"
import { openWorld, type World } from "../helpers/app.ts"

describe("an address in a text", () => {
  test.each([
    ["https://api.example.com/v1?key=s3cr3t", ["https api.example.com 443"]],
    ["http://me:pw@tools.test:8080/", ["http tools.test 8080"]],
    ["postgres://app:p%40ss@db.internal/app?sslmode=require", ["tcp db.internal 5432"]],
    ["postgresql://app:p/w@db.internal:6432,[fd00::7]:5433/app", []],
    ["postgresql://app:pw@db.internal:6432,[fd00::7]:5433/app", ["tcp db.internal 6432", "tcp fd00::7 5433"]],
    ["mongodb+srv://u:p@cluster0.example.net/db", ["tcp cluster0.example.net 27017"]],
    ["rediss://:pw@cache:6380/0", ["tcp cache 6380"]],
    ["app:pw@tcp(db.internal:3307)/app", ["tcp db.internal 3307"]],
    ["host=db.internal user=app port=6432 password='a b'", ["tcp db.internal 6432"]],
    ["host=/var/run/postgresql user=app", []],
    ["http://{{input.host}}/x", []],
    ["ghp_s3cr3ttoken", []],
    ["", []],
  ])("%s", (text, wanted) => {
    expect(addressesIn(text).map(a => `${a.protocol} ${a.host} ${a.port}`)).toEqual(wanted)
  })
})

test("the address that each connector calls by itself is known", () => {
  const folder = join(import.meta.dir, "../../src/connectors")
  const sources = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(path => /^[\w-]+\/.*\.ts$/.test(path))
  const called = sources.flatMap(path => {
    const [, base] = /\bbase\b\s*[:=]\s*"(https?:\/\/[^"]+)"/.exec(readFileSync(join(folder, path), "utf8")) ?? []
    return base === undefined ? [] : [[path.split("/")[0], base]]
  })
  expect(called.length).toBeGreaterThan(0)
  expect(Object.fromEntries(called)).toEqual(Object.fromEntries(VENDORS))
})

test("the address of each model vendor is known", () => {
  const folder = join(import.meta.dir, "../../src/adapters/llm/vendors")
  const called = readdirSync(folder).flatMap(file => {
    const [, own] = /^const OWN = "(https?:\/\/[^"]+)"/m.exec(readFileSync(join(folder, file), "utf8")) ?? []
    return own === undefined ? [] : [[file.replace(".ts", ""), own]]
  })
  expect(called.length).toBeGreaterThan(0)
  expect(Object.fromEntries(called)).toEqual(Object.fromEntries(MODEL_VENDORS))
})

const CANARY = "s3cr3t-canary"

describe("doctor --airgap", () => {
  let world: World
  beforeAll(async () => {
    world = await openWorld()
    await wired("postgres", "crm", { postgres_dsn: `postgres://app:${CANARY}@db.internal:6432/crm` })
    await wired("mysql", "shop", { mysql_password: CANARY }, { mysql_host: "10.1.2.3", mysql_database: "shop" })
    await wired("sqlite", "notes", {})
    await connected("warehouse", { postgres_dsn: `postgres://app:${CANARY}@warehouse.lan/dw` })
    await world.workflow(
      {
        steps: [
          { id: "a", type: "mcp_call", tool_name: "sqlite_query", server_url: "https://router.agentruntime.io/sqlite/mcp" },
          {
            id: "b",
            type: "human_task",
            name: "B",
            task_type: "approval",
            task_payload: { title: "See https://wiki.example.com/" },
          },
          {
            id: "c",
            type: "mcp_call",
            tool_name: "http_request",
            server_url: "https://router.agentruntime.io/http/mcp",
            tool_args: { url: `https://api.example.com/${CANARY}?q={{input.q}}` },
          },
          { id: "d", type: "mcp_call", tool_name: "list_notes", server_url: "stdio://notes" },
        ],
      },
      { publish: false },
    )
    const ask = { steps: [{ id: "ask", type: "human_task", name: "Ask", task_type: "approval", task_payload: { title: "?" } }] }
    await world.start(await world.workflow(ask), { callback_url: `https://ended.example.com/${CANARY}` })
    const { mcpServers } = world.db.tables
    const server = { id: "s1", tenantId: "acme", name: "Tickets", service: "tickets", description: "", mode: "third_party" }
    const whole = {
      ...server,
      authMode: "none",
      status: "active" as const,
      statusReason: null,
      bridge: null,
      activeVersionId: null,
    }
    const times = { lastValidation: null, lastValidatedAt: null, createdBy: "u1", createdAt: 1, updatedAt: 1 }
    await world.db.write(tx => tx.insert(mcpServers).values({ ...whole, ...times, canonicalUrl: "http://tickets.lan:9000/mcp" }))
  })
  afterAll(() => world.close())

  /** An instance with one active profile; its secrets in the vault, as the API puts them there. */
  async function wired(slug: string, name: string, secrets: Record<string, string>, config: JsonObject = {}) {
    const { mcpInstances, mcpConfigProfiles } = world.db.tables
    const rows = new VaultStore(world.db)
    const vault = await openVault({ keyFile: world.deps.directory.masterKey, rows, clock: { now: Date.now } })
    const place = { tenantId: "acme", projectId: world.places.first.project }
    const [id, profileId] = [crypto.randomUUID(), crypto.randomUUID()]
    const times = { createdAt: Date.now(), updatedAt: Date.now() }
    const sourceSpec: Record<string, Json> = {}
    for (const [key, value] of Object.entries(secrets)) {
      sourceSpec[key] = { source: "vault", path: vaultPath(profileId, key) }
      await vault.put("acme", vaultNameOf(vaultPath(profileId, key)) ?? "", value)
    }
    const server = { serverId: slug, serverSlug: slug, serverUrl: canonicalUrl(slug), status: "active" }
    const profile = { id: profileId, instanceId: id, ...place, name: "default", active: true, config, sourceSpec, ...times }
    await world.db.write(async tx => {
      await tx.insert(mcpInstances).values({ id, ...place, ...server, name, ...times })
      await tx.insert(mcpConfigProfiles).values(profile)
    })
  }

  async function connected(name: string, values: Record<string, string>) {
    const made = await world.call(world.as(world.people.tenantAdmin), "POST", "/v1/connections", {
      ...{ provider: "custom", service: "postgres", display_name: name, credentials: values },
    })
    if (made.status !== 201) throw new Error(made.text)
  }

  const report = (flags: object) => {
    const config: Config = readConfig({ flags: { data: world.deps.config.data, ...flags }, environment: {} })
    const whole = airgapReport(config)
    expect(JSON.stringify(whole)).not.toContain(CANARY)
    return { ...whole, shown: whole.hosts.map(h => `${h.verdict} ${h.protocol} ${h.host}:${h.port} ${h.entry ?? ""}`.trim()) }
  }
  const OPEN = "10.0.0.0/8,db.internal:6432,warehouse.lan,tickets.lan,api.example.com,ended.example.com:443"

  test("lists every host that something leads to, with who does and the entry that opens it", () => {
    const { ok, hosts, shown, problems } = report({ sealed: true, "egress.allow": OPEN })
    expect(shown).toEqual([
      "allowed http tickets.lan:9000 tickets.lan",
      "allowed tcp db.internal:6432 db.internal:6432",
      "allowed tcp 10.1.2.3:3306 10.0.0.0/8",
      "allowed tcp warehouse.lan:5432 warehouse.lan",
      "allowed https ended.example.com:443 ended.example.com:443",
      "allowed https api.example.com:443 api.example.com",
    ])
    expect(hosts.map(host => host.why)).toEqual([
      ["MCP server Tickets"],
      ["instance crm of postgres"],
      ["instance shop of mysql"],
      ["connection warehouse (custom)"],
      ["callback of a run"],
      ["workflow nightly"],
    ])
    expect([ok, problems]).toEqual([true, []])
  })

  test("fails with a sentence for each that a sealed instance would refuse", () => {
    const { ok, shown, problems } = report({ sealed: true, "egress.allow": "10.0.0.0/8,tickets.lan" })
    expect(ok).toBe(false)
    expect(shown.filter(line => line.startsWith("refused"))).toEqual([
      "refused tcp db.internal:6432",
      "refused tcp warehouse.lan:5432",
      "refused https ended.example.com:443",
      "refused https api.example.com:443",
    ])
    expect(problems[0]).toBe(
      'instance crm of postgres: would be refused: db.internal:6432 is not on the allow-list, and this instance is sealed; the operator can allow it by adding "db.internal:6432" to the setting egress.allow',
    )
    expect(problems).toHaveLength(4)
  })

  test("fails when the instance is not sealed, and names what it would reach in public", () => {
    const { ok, shown, problems } = report({ "egress.allow": OPEN.replace("api.example.com,", "") })
    expect(ok).toBe(false)
    expect(shown.at(-1)).toBe("public https api.example.com:443")
    expect(problems).toEqual([
      "this instance is not sealed, so any public address can be reached; start it with --sealed",
      "workflow nightly: https api.example.com:443 is reached over the public network",
    ])
  })

  test("fails when a secret that names a host cannot be opened, as then not all is listed", async () => {
    const { vaultSecrets } = world.db.tables
    const rows = await world.db.read.select().from(vaultSecrets)
    await world.db.write(tx => tx.update(vaultSecrets).set({ sealed: Buffer.alloc(64) }))
    expect(report({ sealed: true, "egress.allow": OPEN }).problems).toContain(
      "instance crm of postgres: the secret behind postgres_dsn is not there or cannot be opened",
    )
    await world.db.write(async tx => {
      await tx.delete(vaultSecrets)
      await tx.insert(vaultSecrets).values(rows)
    })
  })

  test("lists where models are called: the workspace's keys and the operator's, by their own addresses or the vendor's", async () => {
    const caller = world.as(world.people.contributor)
    const made: string[] = []
    for (const wish of [
      { vendor: "anthropic", label: "team" },
      { vendor: "bedrock", label: "eu", options: { region: "eu-central-1" } },
    ]) {
      const { body } = await world.call(caller, "POST", "/v1/llm-provider-keys", { ...wish, api_key: CANARY })
      made.push(body.id)
    }
    const keys = { ollama: { vendor: "local", base_url: "http://127.0.0.1:11434/v1" }, openai: CANARY }
    const { hosts } = report({ "llm.keys": keys, "egress.allow": OPEN })
    const why = (host: string) => hosts.find(one => one.host === host)?.why
    expect(why("api.anthropic.com")).toEqual(["key team of anthropic"])
    expect(why("bedrock-runtime.eu-central-1.amazonaws.com")).toEqual(["key eu of bedrock"])
    expect(why("api.openai.com")).toEqual(["key openai of openai"])
    expect(why("127.0.0.1")).toEqual(["key ollama of local"])
    for (const id of made) await world.call(caller, "DELETE", `/v1/llm-provider-keys/${id}`)
  })

  test("lists what settings lead to, and names the programs that are MCP servers", () => {
    const stdio = JSON.stringify({ notes: { command: ["/opt/notes", "--token", CANARY] } })
    const google = { "google.client_id": "id", "google.client_secret": CANARY }
    const settings = { ...google, "whatsapp.app_id": "1", "whatsapp.app_secret": CANARY, "mcp.stdio": stdio }
    const { shown, programs } = report({ sealed: true, "egress.allow": OPEN, ...settings })
    expect(shown.filter(line => line.startsWith("refused"))).toEqual(
      [
        "accounts.google.com",
        "oauth2.googleapis.com",
        "openidconnect.googleapis.com",
        "www.googleapis.com",
        "graph.facebook.com",
      ].map(host => `refused https ${host}:443`),
    )
    expect(programs).toEqual([{ name: "notes", program: "/opt/notes" }])
  })

  test("of a data directory that was never started lists nothing", () => {
    const config = readConfig({ flags: { data: `${world.deps.config.data}-none`, sealed: true }, environment: {} })
    expect(airgapReport(config)).toEqual({ ok: true, sealed: true, allow: [], hosts: [], programs: [], problems: [] })
  })
})
