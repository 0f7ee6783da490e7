import { afterAll, beforeAll, expect, test } from "bun:test"
import { createHash, randomBytes } from "node:crypto"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { createServer, type Server as HttpServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { type Answer, type Client, Home, type Server, type Wire } from "./server.ts"

/**
 * A secret in every credential field there is, sent to services that repeat whatever they are told. Afterwards it is looked for in
 * all that the instance keeps, logs and answers, in every usual spelling.
 */
const home = new Home()
const planted = new Map<string, string>()
const said: { readonly what: string; readonly text: string }[] = []
let echo: HttpServer
let echoUrl: string
let server: Server
let client: Client

/** Characters that base64, URLs and JSON spell in other ways. */
function canary(field: string): string {
  const secret = `cnry/${randomBytes(9).toString("base64")}&%"ü=${randomBytes(6).toString("hex")}`
  planted.set(field, secret)
  return secret
}

/** For fields that take no such characters: a DSN's parts, a header. */
function plainCanary(field: string): string {
  const secret = `cnry${randomBytes(18).toString("hex")}`
  planted.set(field, secret)
  return secret
}

async function call(method: string, path: string, body?: unknown): Promise<Answer> {
  const answer = await client.call(method, path, body)
  said.push({ what: `${method} ${path}`, text: JSON.stringify([answer.body, [...answer.headers]]) })
  return answer
}

async function made(path: string, body: unknown): Promise<Wire> {
  const answer = await call("POST", path, body)
  expect([path, answer.status, answer.status === 201 ? "" : answer.body]).toEqual([path, 201, ""])
  return answer.body
}

beforeAll(async () => {
  echo = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on("data", chunk => chunks.push(chunk))
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString()
      const told = { url: request.url, headers: request.headers, body, token: request.headers.authorization?.slice(7) }
      const status = request.url?.includes("fail") ? 400 : 200
      const message = `no good: ${JSON.stringify(told)}`
      response.writeHead(status, { "content-type": "application/json", "x-echo": encodeURIComponent(told.token ?? "") })
      response.end(JSON.stringify({ ...told, error: { message, code: 190, type: "OAuthException" }, message }))
    })
  }).listen(0, "127.0.0.1")
  await new Promise(resolve => echo.once("listening", resolve))
  const { port } = echo.address() as AddressInfo
  echoUrl = `http://127.0.0.1:${port}`
  const token = await home.token()
  const env = {
    AGENTRUNTIME_GOOGLE_CLIENT_ID: "client",
    AGENTRUNTIME_GOOGLE_CLIENT_SECRET: canary("google.client_secret"),
    AGENTRUNTIME_GOOGLE_ISSUER: echoUrl,
    AGENTRUNTIME_WHATSAPP_APP_ID: "app",
    AGENTRUNTIME_WHATSAPP_APP_SECRET: canary("whatsapp.app_secret"),
    AGENTRUNTIME_WHATSAPP_CONFIG_ID: "config",
    AGENTRUNTIME_WHATSAPP_GRAPH_URL: echoUrl,
    AGENTRUNTIME_MCP_ENV_ALLOW: "OPENED_KEY",
    OPENED_KEY: canary("environment"),
    AGENTRUNTIME_LLM_KEYS: JSON.stringify({
      openai: { api_key: plainCanary("operator's key"), base_url: `${echoUrl}/fail/v1` },
      box: { vendor: "local", api_key: plainCanary("operator's server"), base_url: `${echoUrl}/v1` },
    }),
    AGENTRUNTIME_LOG_LEVEL: "debug",
  }
  server = await home.serve(["--egress-allow", `127.0.0.1:${port},127.0.0.1:1`], { env })
  client = server.client(token)
})
afterAll(async () => {
  echo.closeAllConnections()
  echo.close()
  await home.remove()
})

test("no secret is found in what is kept, logged or answered, in any spelling", async () => {
  const connections: Wire[] = []
  for (const [service, keys] of [
    ["api_key", ["api_key"]],
    ["token", ["token"]],
    ["dsn", ["dsn"]],
    ["basic", ["username", "password"]],
    ["oauth", ["access_token", "refresh_token", "client_secret"]],
  ] as const) {
    const credentials = Object.fromEntries(keys.map(key => [key, canary(`connection ${service}.${key}`)]))
    connections.push(await made("/v1/connections", { display_name: service, provider: "custom", service, credentials }))
  }
  const [first] = connections
  await call("PATCH", `/v1/connections/${first.id}`, { credentials: { api_key: canary("connection patched") } })
  await made("/v1/mcp/connections", {
    ...{ display_name: "legacy", provider: "custom", service: "token" },
    credentials: { token: canary("legacy connection") },
  })

  // Each connector's own secret fields, straight into the configuration, then called: most of these services are not there.
  const { servers } = (await call("GET", "/v1/mcp/platform-catalog")).body
  const { tools } = (await call("GET", "/v1/mcp/tools")).body
  const steps: Wire[] = []
  for (const adapter of servers.filter((one: Wire) => one.available)) {
    const schema = Object.entries<Wire>(adapter.config_schema)
    const secrets = schema.filter(([, field]) => field.secret).map(([key]) => [key, secretFor(adapter.slug, key)])
    if (secrets.length === 0) continue
    const required = schema.filter(([key, field]) => field.required && !field.secret && key !== "base_url")
    const config = { ...Object.fromEntries(required.map(([key]) => [key, "127.0.0.1"])), ...Object.fromEntries(secrets) }
    if (adapter.slug === "mysql") Object.assign(config, { mysql_port: 1 })
    if (adapter.slug === "redis") Object.assign(config, { redis_addr: "127.0.0.1:1" })
    if (adapter.slug === "resend") Object.assign(config, { APIBase: echoUrl })
    if (adapter.slug === "http") Object.assign(config, { base_url: echoUrl, auth: "bearer" })
    const instance = await made("/v1/mcp/instances", { server_id: adapter.slug, config })
    await call("POST", `/v1/mcp/instances/${instance.id}/validate`)
    const [tool] = tools.filter((one: Wire) => one.server_slug === adapter.slug)
    steps.push({ instance_id: instance.id, tool_name: tool.name, tool_args: argumentsFor(tool) })
    if (adapter.slug !== "http") continue
    for (const path of ["/all", "/fail"])
      steps.push({ instance_id: instance.id, tool_name: "http_request", tool_args: { method: "GET", path } })
  }
  expect(new Set(steps.map(step => step.instance_id)).size).toBeGreaterThanOrEqual(6)

  // A connector that gets its secret from a connection, from the environment, and by an override of the workflow.
  const http = { base_url: echoUrl, auth: "bearer" }
  const wired = await made("/v1/mcp/instances", { server_id: "http", config: http })
  const profile = `/v1/mcp/instances/${wired.id}/config-profiles/${wired.active_profile_id}`
  const request = { instance_id: wired.id, tool_name: "http_request", tool_args: { method: "GET", path: "/all" } }
  for (const source of [
    { source: "connection", connection_id: first.id, key: "api_key" },
    { source: "env", name: "OPENED_KEY" },
    { source: "literal", value: canary("literal source") },
  ]) {
    expect((await call("PATCH", profile, { source_spec: { token: source } })).status).toBe(200)
    await run([request])
  }
  for (const step of steps) await run([step])

  // A registered server and a bridge that repeat the token they are sent.
  const remote = await made("/v1/mcp/servers", { name: "Remote", canonical_url: `${echoUrl}/fail/mcp`, auth_mode: "bearer" })
  const config = { access_token: canary("registered server") }
  const remoteInstance = await made("/v1/mcp/instances", { server_id: remote.id, config })
  for (const path of [`/v1/mcp/servers/${remote.id}/discover`, `/v1/mcp/servers/${remote.id}/validate`]) await call("POST", path)
  await call("POST", `/v1/mcp/instances/${remoteInstance.id}/validate`)
  await run([{ instance_id: remoteInstance.id, tool_name: "any", tool_args: {} }])

  await models()

  // Services that refuse, and bodies that are no good.
  const bad = { display_name: "wa", business_account_id: "1", phone_number_id: "2", access_token: canary("whatsapp manual") }
  expect((await call("POST", "/v1/connections/whatsapp/manual", bad)).status).toBeGreaterThanOrEqual(400)
  await call("POST", "/v1/connections/whatsapp/complete", { code: canary("whatsapp code"), waba_id: "1", phone_number_id: "2" })
  await call("POST", "/v1/connections/google/oauth-url", { services: ["gmail"] })
  await call("POST", "/v1/connections/google/complete", { code: canary("google code"), state: canary("google state") })
  await call("POST", "/v1/connections", { display_name: "bad", provider: "custom", service: canary("as service") })
  await call("POST", "/v1/connections", {
    display_name: "x",
    provider: "custom",
    service: "github",
    credentials: { APITokn: canary("misspelt") },
  })
  await call("POST", "/v1/mcp/instances", { server_id: "github", config: { APIToken: [canary("as list")] } })
  await call("POST", "/v1/mcp/servers", { name: "u", canonical_url: `http://me:${plainCanary("userinfo")}@127.0.0.1/mcp` })
  for (const path of ["/v1/connections", "/v1/mcp/instances"]) {
    const response = await fetch(server.url + path, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${plainCanary(`token of ${path}`)}` },
      body: `{"credentials":{"api_key":"${plainCanary(`broken JSON of ${path}`)}"`,
    })
    said.push({ what: `broken ${path}`, text: await response.text() })
  }

  for (const { id } of connections) {
    await call("GET", `/v1/connections/${id}`)
    await call("GET", `/v1/connections/${id}/credentials`)
  }
  for (const path of [
    "/v1/connections",
    "/v1/mcp/connections",
    "/v1/mcp/instances",
    "/v1/mcp/servers",
    "/v1/egress/attempts?limit=100",
  ])
    expect((await call("GET", path)).status).toBe(200)
  for (const { id } of (await call("GET", "/v1/mcp/instances?limit=100")).body.instances)
    await call("GET", `/v1/mcp/instances/${id}/config-profiles`)
  for (const { id } of (await call("GET", "/v1/workflows?limit=100")).body.workflows) await call("GET", `/v1/workflows/${id}`)
  await call("GET", "/v1/runs?limit=100")
  const doctor = await home.run(["doctor", "--data", home.data, "--airgap", "--json"])
  said.push({ what: "doctor", text: doctor.stdout + doctor.stderr })

  const repeated = said.filter(one => one.text.includes("***")).length
  expect(repeated).toBeGreaterThan(5) // the services did repeat what they were sent, and the runtime took it out
  found("answers", said.map(one => `${one.what}: ${one.text}`).join("\n"))
  for (const file of filesOf(home.data)) if (!file.endsWith("master.key")) found(file, readFileSync(file).toString("latin1"))
  await server.stop()
  for (const file of filesOf(home.data)) if (!file.endsWith("master.key")) found(file, readFileSync(file).toString("latin1"))
  found("log", server.stderr + server.stdout)
  expect(planted.size).toBeGreaterThan(25)
})

/** Keys of models of both tiers, tested, rotated and called at vendors that repeat them. */
async function models(): Promise<void> {
  const keys = "/v1/llm-provider-keys"
  const refs = ["direct.openai.any", "local.box.any"]
  for (const [vendor, base_url, options] of [
    ["local", `${echoUrl}/v1`, {}],
    ["local", `${echoUrl}/fail/v1`, {}],
    ["anthropic", `${echoUrl}/fail/v1`, {}],
    ["google", `${echoUrl}/fail/v1beta`, {}],
    ["mistral", `${echoUrl}/fail/v1`, {}],
    ["azure", `${echoUrl}/fail/openai`, {}],
    ["bedrock", `${echoUrl}/fail`, { region: "eu-central-1" }],
  ] as const) {
    const label = `k${refs.length}`
    const secret = (what: string) => {
      const plain = plainCanary(`${vendor} ${label} ${what}`)
      return vendor === "bedrock" ? `${plain}:${plainCanary(`${vendor} ${label} ${what}, second half`)}` : plain
    }
    const { id } = await made(keys, { vendor, label, base_url, options, api_key: secret("made") })
    for (const what of ["test", "rotate", "test"])
      await call("POST", `${keys}/${id}/${what}`, what === "test" ? undefined : { api_key: secret("rotated") })
    await call("PATCH", `${keys}/${id}`, { api_key: secret("patched"), base_url })
    await call("GET", `${keys}/${id}`)
    refs.push(vendor === "local" ? `local.${label}.any` : `direct.${vendor}.any`)
  }
  await call("POST", keys, { vendor: "openai", label: "bad", api_key: `${plainCanary("with a space")} x` })
  await call("POST", keys, {
    vendor: "bedrock",
    label: "bad",
    api_key: `${plainCanary("half a key")}:`,
    options: { region: "eu" },
  })
  for (const model_ref of refs) await run([{ type: "llm_call", prompt: "Say the key", model_ref }])
  const repeated = said.filter(one => one.text.includes("LLM_REQUEST_FAILED") && one.text.includes("***"))
  expect(repeated.length).toBeGreaterThan(10)
  for (const path of [keys, `${keys}/catalog`]) expect((await call("GET", path)).status).toBe(200)
}

/** Runs the steps one by one, to their end, whatever it is, and reads all that can be read of it. */
async function run(calls: readonly Wire[]): Promise<void> {
  const steps = calls.map((step, i) => ({ id: `s${i}`, name: "Call", type: "mcp_call", timeout_s: 10, ...step }))
  const workflow = await client.publish("call", steps)
  const runId = await client.start(workflow)
  await client.reaches(workflow, runId, "completed", "failed")
  for (const what of ["events", "context", "summary", "tasks/pending"])
    await call("GET", `/v1/workflows/${workflow}/runs/${runId}/${what}`)
  await call("GET", `/v1/workflows/${workflow}/runs/${runId}`)
}

function secretFor(slug: string, key: string): string {
  if (slug !== "postgres") return canary(`${slug}.${key}`)
  return `postgres://user:${plainCanary("postgres password")}@127.0.0.1:1/db?sslmode=disable`
}

/** Something for each required argument. */
function argumentsFor(tool: Wire): object {
  const { required = [], properties } = tool.input_schema
  const value = (schema: Wire) => {
    if (schema.enum) return schema.enum[0]
    const type = Array.isArray(schema.type) ? schema.type[0] : schema.type
    return type === "integer" || type === "number"
      ? 1
      : type === "array"
        ? ["a@example.com"]
        : type === "object"
          ? {}
          : "a@example.com"
  }
  return Object.fromEntries(required.map((key: string) => [key, value(properties[key])]))
}

/** Fails with the fields whose secret stands in a text, in plain or in another spelling. */
function found(where: string, text: string): void {
  const hits: string[] = []
  for (const [field, secret] of planted)
    for (const [spelling, form] of spellings(secret)) if (text.includes(form)) hits.push(`${field} (${spelling}) in ${where}`)
  expect(hits).toEqual([])
}

function spellings(secret: string): readonly (readonly [string, string])[] {
  const bytes = Buffer.from(secret)
  const inBase64 = [0, 1, 2].map(before => {
    const whole = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64")
    return whole.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6))
  })
  return [
    ["plain", secret],
    ["plain, read as latin1", bytes.toString("latin1")],
    ["JSON", JSON.stringify(secret).slice(1, -1)],
    ["hex", bytes.toString("hex")],
    ["HEX", bytes.toString("hex").toUpperCase()],
    ["URL", encodeURIComponent(secret)],
    ["form", new URLSearchParams({ a: secret }).toString().slice(2)],
    ...inBase64.flatMap(form => [
      ["base64", form] as const,
      ["base64url", form.replaceAll("+", "-").replaceAll("/", "_")] as const,
    ]),
    ["reversed", [...secret].reverse().join("")],
    ["sha256", createHash("sha256").update(secret).digest("hex")],
  ]
}

function filesOf(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" })
  return names.map(name => join(folder, name)).filter(path => statSync(path).isFile())
}
