import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test"
import { openWorld, type World } from "../../helpers/app.ts"
import { type AuthorizationServer, openAuthorizationServer } from "./authorization-server.ts"

let peer: AuthorizationServer
let world: World
let serverId: string
beforeAll(async () => {
  peer = await openAuthorizationServer()
  world = await openWorld({ flags: { "egress.allow": peer.host, public_url: "https://agents.example.test" } })
  serverId = await register("Notes", peer.url, "oauth")
})
afterAll(async () => {
  await world.close()
  peer.close()
})
afterEach(() => {
  peer.state.mood = "good"
})

const me = () => world.as(world.people.contributor)
const begin = (body: object = {}, caller = me()) =>
  world.call(caller, "POST", "/v1/connections/mcp/oauth-url", { server_id: serverId, ...body })
const complete = (body: unknown, caller = me()) => world.call(caller, "POST", "/v1/connections/mcp/complete", body)

async function register(name: string, canonical_url: string, auth_mode: string): Promise<string> {
  const wish = { name, canonical_url, description: "", mode: "third_party", auth_mode }
  const answer = await world.call(me(), "POST", "/v1/mcp/servers", wish)
  if (answer.status !== 201) throw new Error(answer.text)
  return answer.body.id
}

async function begun(body: object = {}) {
  const answer = await begin(body)
  if (answer.status !== 200) throw new Error(answer.text)
  return peer.consent(answer.body.url)
}

describe("signing in at a registered MCP server", () => {
  test("registers once, and makes a connection whose secrets nobody sees", async () => {
    const answer = await complete(await begun({ display_name: "My notes" }))
    expect(answer.status).toBe(201)
    expect(answer.body).toMatchObject({
      ...{ display_name: "My notes", provider: "mcp_oauth", service: "oauth", status: "active" },
      ...{ credential_keys: ["access_token", "refresh_token"], metadata: { server_id: serverId, server_url: peer.url } },
    })
    await complete(await begun())
    expect(peer.state.registrations).toBe(1)
    const credentials = await world.call(me(), "GET", `/v1/connections/${answer.body.id}/credentials`)
    for (const secret of peer.issued) expect(answer.text + credentials.text).not.toContain(secret)
  })

  test("a second sign-in gives the same connection its new tokens", async () => {
    const { body } = await complete(await begun())
    const again = await complete(await begun({ connection_id: body.id }))
    expect([again.status, again.body.id]).toEqual([201, body.id])
  })

  test("once the server has forgotten the registration, the sign-in after the failed one registers again", async () => {
    await complete(await begun())
    const { registrations } = peer.state
    const late = await begun()
    peer.forgetClients()
    expect((await complete(late)).status).toBe(422)
    expect((await complete(await begun())).status).toBe(201)
    expect(peer.state.registrations).toBe(registrations + 1)
  })

  test("the page that the browser comes back to ends it by the right route", async () => {
    const { code, state, iss } = await begun()
    const page = await world.call({}, "GET", `/connections/callback?${new URLSearchParams({ code, state, iss })}`)
    expect(page.text).toContain("/v1/connections/mcp/complete")
    expect((await complete({ code, state, iss })).status).toBe(201)
  })

  test("a state is good once, for its person, and for its own kind of sign-in", async () => {
    const back = await begun()
    expect((await complete(back, world.as(world.people.projectAdmin))).body.code).toBe("OAUTH_STATE_INVALID")
    expect((await complete(back)).status).toBe(201)
    expect((await complete(back)).body.code).toBe("OAUTH_STATE_INVALID")
  })

  test("an answer of another issuer, or with another sign-in's code, connects nothing", async () => {
    const { code, state } = await begun()
    expect((await complete({ code, state, iss: "https://evil.example" })).status).toBe(422)
    const [mine, theirs] = [await begun(), await begun()]
    expect((await complete({ ...mine, code: theirs.code })).status).toBe(422)
  })

  test("a server that repeats what it was sent is told without its secrets", async () => {
    const back = await begun()
    peer.state.mood = "echoes"
    const answer = await complete(back)
    expect(answer.status).toBe(422)
    for (const secret of peer.issued) {
      expect(answer.text).not.toContain(secret)
      expect(answer.text).not.toContain(encodeURIComponent(secret))
    }
  })

  test("only servers of the workspace that want OAuth can be signed in at, and connections of theirs be renewed", async () => {
    const bearer = await register("Plain", "https://plain.example/mcp", "bearer")
    expect((await begin({ server_id: bearer })).body.code).toBe("NO_OAUTH")
    expect((await begin({ server_id: Bun.randomUUIDv7() })).status).toBe(404)
    expect((await begin({}, world.as(world.people.otherTenant, world.places.otherTenant))).status).toBe(404)
    const custom = { display_name: "K", service: "api_key", credentials: { api_key: "k" } }
    const { id } = (await world.call(me(), "POST", "/v1/connections", custom)).body
    expect((await begin({ connection_id: id })).status).toBe(404)
  })
})
