import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client"
import { openWorld, type World } from "../../helpers/app.ts"

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

const rpc = (method: string, params: object = {}) => ({ jsonrpc: "2.0", id: 1, method, params })
const ACCEPT = { accept: "application/json, text/event-stream", "content-type": "application/json" }

/** The official client, speaking to the app in process. */
async function connected(slug: string, mode: "auto" | "legacy", headers: Record<string, string>): Promise<Client> {
  const fetch = (url: string | URL, init?: RequestInit) => world.app.http.handle(new Request(url, init))
  const url = new URL(`http://localhost/mcp/${slug}`)
  const client = new Client({ name: "editor", version: "1" }, { versionNegotiation: { mode } })
  await client.connect(new StreamableHTTPClientTransport(url, { fetch, requestInit: { headers } }))
  return client
}
const bearer = (pat: string) => ({ authorization: `Bearer ${pat}` })

describe("a connector over MCP", () => {
  for (const mode of ["auto", "legacy"] as const) {
    test(`lists its tools and calls them for the official client, ${mode}`, async () => {
      const config = { sqlite_allow_write: true, sqlite_default_database_path: "mine.db" }
      const instance = await world.call(world.as(world.people.contributor), "POST", "/v1/mcp/instances", {
        server_id: "sqlite",
        config,
      })
      const headers = { ...bearer(world.people.contributor.pat), "x-mcp-instance-id": instance.body.id }
      const client = await connected("sqlite", mode, headers)
      const { tools } = await client.listTools()
      expect(tools.map(tool => tool.name)).toContain("sqlite_query")

      const table = { name: `from_${mode}`, sql: `CREATE TABLE from_${mode} (n INTEGER)` }
      const query = (sql: string) => client.callTool({ name: "sqlite_query", arguments: { sql } })
      const done = await client.callTool({ name: "sqlite_execute", arguments: { sql: table.sql } })
      expect([done.isError ?? false, done.structuredContent]).toMatchObject([false, { changes: 0 }])
      const read = await query(`SELECT count(*) AS n FROM ${table.name}`)
      expect(read.structuredContent).toMatchObject({ rows: [{ n: 0 }] })
      expect(read.content[0]).toMatchObject({ type: "text", text: JSON.stringify(read.structuredContent) })

      const wrong = await client.callTool({ name: "sqlite_query", arguments: { sql: 5, nonsense: true } })
      expect([wrong.isError, JSON.stringify(wrong.content)]).toEqual([
        true,
        expect.stringContaining("cannot take these arguments"),
      ])
      await expect(client.callTool({ name: "no_such_tool", arguments: {} })).rejects.toThrow("Unknown tool")
      await client.close()
    })
  }

  test("is for whoever holds mcp:execute, in a project that there is", async () => {
    const { contributor, viewer } = world.people
    const list = (headers: Record<string, string>, path = "/mcp/sqlite") =>
      world.call({}, "POST", path, rpc("tools/list"), { ...ACCEPT, ...headers })
    const nobody = await list({})
    expect([nobody.status, nobody.headers.get("www-authenticate")]).toEqual([401, "Bearer"])
    expect((await list(bearer(viewer.pat))).status).toBe(403)
    const reader = await world.patOf(contributor.userId, world.places.first, ["mcp:read"])
    expect((await list(bearer(reader.token))).status).toBe(403)
    expect((await list(bearer(contributor.pat))).status).toBe(200)
    expect((await list(bearer(contributor.pat), "/mcp/nothing")).status).toBe(404)
    expect((await list({ ...bearer(contributor.pat), "x-tenant-id": "globex" })).status).toBe(403)
  })

  test("gives nothing to a page of another web site, or by a name that was pointed here", async () => {
    const asked = (headers: Record<string, string>) =>
      world.call({}, "POST", "/mcp/sqlite", rpc("tools/list"), { ...ACCEPT, ...bearer(world.people.contributor.pat), ...headers })
    expect((await asked({ origin: "https://evil.example" })).status).toBe(403)
    expect((await asked({ origin: "null" })).status).toBe(403)
    expect((await asked({ "sec-fetch-site": "cross-site" })).status).toBe(403)
    expect((await asked({ origin: "http://evil.example", host: "evil.example" })).status).toBe(403)
    expect((await asked({ origin: "http://localhost", host: "localhost" })).status).toBe(200)
  })

  test("uses the named instance, and none of another project or connector", async () => {
    const { contributor, otherProject } = world.people
    const instance = async (place = world.places.first, who = contributor) =>
      (await world.call(world.as(who, place), "POST", "/v1/mcp/instances", { server_id: "sqlite" })).body.id as string
    const call = async (id: string, slug = "sqlite") => {
      const client = await connected(slug, "auto", { ...bearer(contributor.pat), "x-mcp-instance-id": id })
      const [tool] = (await client.listTools()).tools
      const answer = await client.callTool({ name: tool?.name ?? "", arguments: {} })
      await client.close()
      return answer
    }
    const own = await call(await instance())
    expect(JSON.stringify(own.content)).toContain("no database is named") // by the tool itself
    const foreign = await call(await instance(world.places.second, otherProject))
    expect([foreign.isError, JSON.stringify(foreign.content)]).toEqual([
      true,
      expect.stringContaining("no instance of this project"),
    ])
    const other = await call(await instance(), "time")
    expect([other.isError, JSON.stringify(other.content)]).toEqual([true, expect.stringContaining("names no instance of time")])
  })

  test("takes no bodies that are too large, too deep or no JSON, and has no sessions", async () => {
    const headers = { ...ACCEPT, ...bearer(world.people.contributor.pat) }
    const send = (body: string) => world.call({}, "POST", "/mcp/sqlite", body, headers)
    expect((await send(`"${"x".repeat(5 * 1024 * 1024)}"`)).status).toBe(413)
    expect((await send("[".repeat(100_000))).status).toBe(400)
    expect((await send("{")).status).toBe(400)
    for (const odd of ["null", "[]", "1", '{"jsonrpc":"1.0"}', '{"jsonrpc":"2.0","id":{},"method":5}', '[{"jsonrpc":"2.0"}]']) {
      const { status } = await send(odd)
      expect([odd, status >= 400 && status < 500]).toEqual([odd, true])
    }
    for (const method of ["GET", "DELETE"]) {
      const answer = await world.call({}, method, "/mcp/sqlite", undefined, headers)
      expect([answer.status, answer.headers.get("allow")]).toEqual([405, "POST"])
    }
  })
})
