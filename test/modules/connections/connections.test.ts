import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { openWorld, type World } from "../../helpers/app.ts"

let world: World
beforeAll(async () => {
  // Events are looked at before anybody takes them.
  world = await openWorld({ flags: { "scheduler.enabled": "false" } })
})
afterAll(() => world.close())

const me = () => world.as(world.people.contributor)
const stranger = () => world.as(world.people.otherTenant, world.places.otherTenant)
const call = (method: string, path: string, body?: unknown, caller = me()) => world.call(caller, method, path, body)
const SECRET = "sk-test-0123456789abcdef"
const MAIL = { display_name: "Mail key", provider: "custom", service: "api_key", credentials: { api_key: SECRET } }
const make = async (more: object = {}) => (await call("POST", "/v1/connections", { ...MAIL, ...more })).body

/** An instance of the first project whose profile takes its values from the connection. */
async function wired(connectionId: string, caller = me()) {
  const instance = (await call("POST", "/v1/mcp/instances", { server_id: "sqlite" }, caller)).body
  const source = { source: "connection", connection_id: connectionId, key: "api_key" }
  const wiring = { config: {}, source_spec: { sqlite_default_database_path: source } }
  const path = `/v1/mcp/instances/${instance.id}/config-profiles/${instance.active_profile_id}`
  const answer = await call("PATCH", path, wiring, caller)
  if (answer.status !== 200) throw new Error(answer.text)
  return instance as { id: string; active_profile_id: string }
}

describe("a saved connection", () => {
  test("is answered as the contract shows it, with both names and without its secret", async () => {
    const answer = await call("POST", "/v1/connections", MAIL)
    expect(answer.status).toBe(201)
    expect(answer.body).toMatchObject({
      ...{ display_name: "Mail key", name: "Mail key", provider: "custom", service: "api_key", status: "active" },
      ...{ credential_keys: ["api_key"], account: null, used_by: [], metadata: {} },
    })
    expect(answer.text).not.toContain(SECRET)
  })

  test("is one and the same at the older address, to create, read, change and delete", async () => {
    const made = await call("POST", "/v1/mcp/connections", MAIL)
    const { id } = made.body
    expect((await call("GET", `/v1/connections/${id}`)).body).toEqual(made.body)
    expect((await call("PATCH", `/v1/mcp/connections/${id}`, { name: "Other" })).body.display_name).toBe("Other")
    expect((await call("DELETE", `/v1/mcp/connections/${id}`)).status).toBe(204)
    expect((await call("GET", `/v1/connections/${id}`)).status).toBe(404)
  })

  test("shows of its credentials which there are, and the end of those that are long enough", async () => {
    const { id } = await make({ credentials: { api_key: SECRET, pin: "1234" } })
    const answer = await call("GET", `/v1/connections/${id}/credentials`)
    expect(answer.body.connection_id).toBe(id)
    expect(answer.body.credentials).toMatchObject([
      { key: "api_key", set: true, last4: "…cdef" },
      { key: "pin", set: true, last4: null },
    ])
    expect(answer.text).not.toContain(SECRET)
    expect(answer.text).not.toContain("1234")
  })

  test("merges credentials: named ones change, null takes one away, the rest stay, and it never has none", async () => {
    const { id } = await make({ service: "basic", credentials: { username: "u", password: "p", note: "n" } })
    const change = (credentials: unknown) => call("PATCH", `/v1/connections/${id}`, { credentials })
    expect((await change({ password: "p2", note: null })).body.credential_keys).toEqual(["password", "username"])
    expect((await change({ username: null, password: null })).status).toBe(422)
    expect((await call("GET", `/v1/connections/${id}`)).body.credential_keys).toEqual(["password", "username"])
  })

  test("of an adapter has its configuration keys; a misspelt one is told with the one that was meant", async () => {
    const good = await call("POST", "/v1/connections", {
      ...{ display_name: "Database", service: "mysql" },
      credentials: { mysql_host: "db", mysql_password: "p", mysql_port: 3307 },
    })
    expect(good.status).toBe(201)
    const bad = await call("POST", "/v1/connections", {
      ...{ display_name: "Database", service: "mysql" },
      credentials: { mysql_pasword: SECRET, mysql_port: "many" },
    })
    expect(bad.status).toBe(422)
    expect(bad.body.error).toContain("did you mean mysql_password?")
    expect(bad.body.issues).toHaveLength(2)
    expect(bad.text).not.toContain(SECRET)
  })

  const REFUSED: readonly (readonly [string, object])[] = [
    ["no name", { display_name: undefined }],
    ["an unknown service", { service: "api-kye" }],
    ["a provider with a way of its own", { provider: "google_account" }],
    ["no credentials", { credentials: {} }],
    ["only credentials that are taken away", { credentials: { a: null } }],
    ["an empty one", { credentials: { a: "" } }],
    ["an object for a secret", { credentials: { a: { b: 1 } } }],
    ["a huge one", { credentials: { a: "x".repeat(40_000) } }],
    ["a key that is no name", { credentials: { "a b": "x" } }],
    ["a key of every object", { credentials: JSON.parse('{"__proto__":"x"}') }],
    ["too many", { credentials: Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`k${n}`, "x"])) }],
  ]
  for (const [name, more] of REFUSED)
    test(`with ${name} is refused`, async () => {
      expect((await call("POST", "/v1/connections", { ...MAIL, ...more })).status).toBe(422)
    })

  test("lists by page, and by provider and service", async () => {
    await make({ service: "dsn", credentials: { dsn: "postgres://x" } })
    const page = await call("GET", "/v1/connections?limit=1&service=dsn")
    expect(page.body).toMatchObject({ total: 1, limit: 1, offset: 0, connections: [{ service: "dsn" }] })
    expect((await call("GET", "/v1/connections?provider=whatsapp")).body.total).toBe(0)
  })

  test("is seen in all projects of its workspace, and in no other workspace", async () => {
    const { id } = await make()
    const { otherProject } = world.people
    expect((await call("GET", `/v1/connections/${id}`, undefined, world.as(otherProject, world.places.second))).status).toBe(200)
    for (const [method, path, body] of [
      ["GET", "", undefined],
      ["PATCH", "", { display_name: "mine" }],
      ["DELETE", "?force=true", undefined],
      ["GET", "/credentials", undefined],
    ] as const) {
      const answer = await call(method, `/v1/connections/${id}${path}`, body, stranger())
      expect([method, answer.status]).toEqual([method, 404])
    }
    expect((await call("GET", "/v1/connections", undefined, stranger())).body.connections).toEqual([])
  })
})

describe("a connection in use", () => {
  test("names the instances that use it, and is deleted only by force", async () => {
    const { id } = await make()
    const instance = await wired(id)
    const use = { instance_id: instance.id, profile_id: instance.active_profile_id, active: true }
    expect((await call("GET", `/v1/connections/${id}`)).body.used_by).toEqual([use])

    const refused = await call("DELETE", `/v1/connections/${id}`)
    expect([refused.status, refused.body.code]).toEqual([409, "CONNECTION_IN_USE"])
    expect(refused.body.used_by).toEqual([use])

    expect((await call("DELETE", `/v1/connections/${id}?force=true`)).status).toBe(204)
    const { vaultSecrets } = world.db.tables
    const left = (await world.db.read.select({ name: vaultSecrets.name }).from(vaultSecrets)).filter(s => s.name.includes(id))
    expect(left).toEqual([])
  })

  test("only by a profile that is not active can be deleted", async () => {
    const { id } = await make()
    const instance = (await call("POST", "/v1/mcp/instances", { server_id: "sqlite" })).body
    const source = { source: "connection", connection_id: id, key: "api_key" }
    const wiring = { name: "spare", config: {}, source_spec: { sqlite_default_database_path: source } }
    expect((await call("POST", `/v1/mcp/instances/${instance.id}/config-profiles`, wiring)).status).toBe(201)
    expect((await call("GET", `/v1/connections/${id}`)).body.used_by).toMatchObject([{ active: false }])
    expect((await call("DELETE", `/v1/connections/${id}`)).status).toBe(204)
  })
})

describe("overrides of a workflow", () => {
  const put = (id: string, overrides: unknown, caller = me()) =>
    call("PUT", `/v1/workflows/${id}/connection-overrides`, { overrides }, caller)
  const get = async (id: string) => (await call("GET", `/v1/workflows/${id}/connection-overrides`)).body.overrides

  test("replace the whole map, and count as a use of the connection", async () => {
    const workflow = await world.workflow()
    const [one, two] = [await make(), await make()]
    const [a, b] = [await wired(one.id), await wired(one.id)]
    const row = (instance: { id: string }, connection: { id: string }) => ({
      instance_id: instance.id,
      connection_id: connection.id,
    })

    expect((await put(workflow, [row(a, two), row(b, two)])).body).toEqual({ status: "ok" })
    expect(await get(workflow)).toEqual([row(a, two), row(b, two)].sort((x, y) => (x.instance_id < y.instance_id ? -1 : 1)))
    expect((await call("DELETE", `/v1/connections/${two.id}`)).body.used_by).toContainEqual({
      ...{ instance_id: a.id, profile_id: null, active: true, workflow_id: workflow },
    })
    expect((await put(workflow, [row(b, one)])).status).toBe(200)
    expect(await get(workflow)).toEqual([row(b, one)])
    await put(workflow, [])
    expect(await get(workflow)).toEqual([])
  })

  test("of an unknown instance or connection, or of somebody else's, are refused and change nothing", async () => {
    const workflow = await world.workflow()
    const connection = await make()
    const instance = await wired(connection.id)
    const theirs = (await call("POST", "/v1/connections", MAIL, stranger())).body
    const inSecond = world.as(world.people.otherProject, world.places.second)
    const elsewhere = (await call("POST", "/v1/mcp/instances", { server_id: "sqlite" }, inSecond)).body
    const good = { instance_id: instance.id, connection_id: connection.id }
    await put(workflow, [good])
    for (const bad of [
      { ...good, instance_id: Bun.randomUUIDv7() },
      { ...good, instance_id: elsewhere.id },
      { ...good, connection_id: Bun.randomUUIDv7() },
      { ...good, connection_id: theirs.id },
    ]) {
      expect((await put(workflow, [bad])).status).toBe(422)
      expect(await get(workflow)).toEqual([good])
    }
    expect((await put(workflow, [good, good])).status).toBe(422)
    expect((await put(workflow, [good], stranger())).status).toBe(404)
  })
})

describe("what is told of connections", () => {
  test("every project of the workspace hears of one that is made or deleted", async () => {
    const types = async (id: string) => {
      const { platformEvents } = world.db.tables
      const rows = await world.db.read.select().from(platformEvents)
      return rows.filter(row => row.data.connection_id === id)
    }
    const heard: { type: string; projectId: string }[] = []
    const { id } = await make()
    heard.push(...(await types(id)))
    expect(heard.map(event => event.projectId)).toContain(world.places.first.project)
    expect(new Set(heard.map(event => event.type))).toEqual(new Set(["connection.created"]))
    await call("DELETE", `/v1/connections/${id}`)
    expect((await types(id)).map(event => event.type)).toContain("connection.revoked")
  })
})
