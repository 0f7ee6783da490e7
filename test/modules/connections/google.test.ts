import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test"
import { openWorld, type World } from "../../helpers/app.ts"
import { CLIENT_ID, CLIENT_SECRET, type Google, openGoogle } from "./google.ts"

let google: Google
let world: World
beforeAll(async () => {
  google = await openGoogle()
  world = await openWorld({
    flags: {
      "google.client_id": CLIENT_ID,
      "google.client_secret": CLIENT_SECRET,
      "google.issuer": google.issuer,
      "egress.allow": new URL(google.issuer).host,
      public_url: "https://agents.example.test",
    },
  })
})
afterAll(async () => {
  await world.close()
  google.close()
})
afterEach(() => {
  Object.assign(google.state, { mood: "good", subject: "1001", email: "ada@example.test", refuses: [], givesRefreshToken: true })
})

const GMAIL = ["https://www.googleapis.com/auth/gmail.send", "https://www.googleapis.com/auth/gmail.readonly"]
const me = () => world.as(world.people.contributor)
const begin = (body: unknown = { services: ["gmail"] }, caller = me()) =>
  world.call(caller, "POST", "/v1/connections/google/oauth-url", body)
const complete = (body: unknown, caller = me()) => world.call(caller, "POST", "/v1/connections/google/complete", body)

async function connect(body: unknown = { services: ["gmail"] }) {
  const begun = await begin(body)
  if (begun.status !== 200) throw new Error(begun.text)
  const { code, state } = google.consent(begun.body.url)
  const answer = await complete({ code, state })
  if (answer.status !== 201) throw new Error(answer.text)
  return answer.body
}

describe("connecting an account", () => {
  test("the configuration lists the services with their scopes, and never the client's secret", async () => {
    const answer = await world.call(me(), "GET", "/v1/connections/google/config")
    expect(answer.body).toMatchObject({
      enabled: true,
      client_source: "platform",
      redirect_uri: "https://agents.example.test/connections/callback",
    })
    expect(answer.body.services).toContainEqual({ service: "gmail", label: "Gmail", scopes: GMAIL })
    expect(answer.text).not.toContain(CLIENT_SECRET)
  })

  test("given consent and its code, when it is completed, then the account is connected with the services that were asked for", async () => {
    const begun = await begin()
    expect(begun.status).toBe(200)
    expect(Date.parse(begun.body.expires_at) - world.time.now).toBeLessThanOrEqual(600_000)
    const { code, state, redirectUri } = google.consent(begun.body.url)
    expect(redirectUri).toBe("https://agents.example.test/connections/callback")
    expect(new URL(begun.body.url).searchParams.get("scope")).toBe(["openid", "email", ...GMAIL].join(" "))

    const answer = await complete({ code, state, iss: google.issuer })

    expect(answer.status).toBe(201)
    expect(answer.body).toMatchObject({
      ...{ provider: "google_account", service: "oauth", status: "active", display_name: "ada@example.test" },
      ...{ account: "ada@example.test", credential_keys: ["access_token", "refresh_token"], missing_scopes: [] },
    })
    const account = await world.call(me(), "GET", `/v1/connections/google/accounts/${answer.body.id}`)
    expect(account.body).toMatchObject({ connection_id: answer.body.id, email: "ada@example.test", status: "active" })
    const enabled = account.body.services.filter((s: { enabled: boolean }) => s.enabled)
    expect(enabled).toEqual([{ service: "gmail", enabled: true, granted_scopes: GMAIL }])
    expect(google.complaints).toEqual([])
  })

  test("a service whose scopes were not all granted stays off, and is told", async () => {
    google.state.refuses = ["https://www.googleapis.com/auth/tasks"]
    const connected = await connect({ services: ["gmail", "google-tasks"] })
    expect(connected.missing_scopes).toEqual(["https://www.googleapis.com/auth/tasks"])
    expect(connected.metadata.services).toEqual({ gmail: true })
  })

  test("nothing granted of what was asked for is refused with what to tick", async () => {
    google.state.refuses = GMAIL
    const { code, state } = google.consent((await begin()).body.url)
    const answer = await complete({ code, state })
    expect([answer.status, answer.body.code]).toEqual([422, "SCOPES_NOT_GRANTED"])
  })

  test("services are switched: what was granted at once, what was not after consent to it", async () => {
    const { id } = await connect({ services: ["gmail"] })
    const change = (services: unknown) =>
      world.call(me(), "PATCH", `/v1/connections/google/accounts/${id}/services`, { services })
    const enabled = (body: { services: { service: string; enabled: boolean }[] }) =>
      body.services.filter(s => s.enabled).map(s => s.service)

    expect(enabled((await change({ gmail: false })).body)).toEqual([])
    expect(enabled((await change({ gmail: true })).body)).toEqual(["gmail"])
    const asked = await change({ "google-tasks": true })
    expect(asked.body).toMatchObject({ consent_required: true })
    expect(enabled(asked.body)).toEqual(["gmail"])

    // Google adds what was granted before to the new grant.
    const url = new URL(asked.body.url)
    expect(url.searchParams.get("include_granted_scopes")).toBe("true")
    expect(url.searchParams.get("login_hint")).toBe("ada@example.test")
    url.searchParams.set("scope", `${url.searchParams.get("scope")} ${GMAIL.join(" ")}`)
    const { code, state } = google.consent(url.href)
    const again = await complete({ code, state })
    expect(again.status).toBe(201)
    expect(again.body.id).toBe(id)
    expect(again.body.metadata.services).toEqual({ gmail: true, "google-tasks": true })
  })

  test("a connection is not renewed as another account", async () => {
    const { id } = await connect()
    google.state.subject = "2002"
    const { code, state } = google.consent((await begin({ services: ["gmail"], connection_id: id })).body.url)
    const answer = await complete({ code, state })
    expect([answer.status, answer.body.code]).toEqual([422, "OTHER_ACCOUNT"])
    expect(answer.body.error).toContain("ada@example.test")
  })

  test("an unknown service, a redirect in the clear and another kind of connection are refused", async () => {
    expect((await begin({ services: ["gmial"] })).status).toBe(422)
    for (const redirect_uri of [
      "http://evil.example/x",
      "https://a.example/x?y=1",
      "javascript:alert(1)",
      "https://u:p@a.example/",
    ])
      expect((await begin({ services: ["gmail"], redirect_uri })).body.code).toBe("BAD_REDIRECT_URI")
    const custom = { display_name: "K", service: "api_key", credentials: { api_key: "k" } }
    const { id } = (await world.call(me(), "POST", "/v1/connections", custom)).body
    expect((await begin({ services: ["gmail"], connection_id: id })).status).toBe(404)
    expect((await world.call(me(), "GET", `/v1/connections/google/accounts/${id}`)).status).toBe(404)
  })

  test("in a private network Google sends the browser to the person's own machine, and the code is pasted", async () => {
    const begun = await begin({ services: ["gmail"], redirect_uri: "http://localhost:8420/connections/callback" })
    const { code, state, redirectUri } = google.consent(begun.body.url)
    expect(redirectUri).toBe("http://localhost:8420/connections/callback")
    expect((await complete({ code, state })).status).toBe(201)
  })
})

describe("somebody else's sign-in", () => {
  test("a state works once", async () => {
    const { code, state } = google.consent((await begin()).body.url)
    expect((await complete({ code, state })).status).toBe(201)
    const again = await complete({ code, state })
    expect([again.status, again.body.code]).toEqual([422, "OAUTH_STATE_INVALID"])
  })

  test("a state is of no use to anybody but who began it, and stays good for them", async () => {
    const { code, state } = google.consent((await begin()).body.url)
    const { projectAdmin, tenantAdmin, otherTenant } = world.people
    const refused = [
      await complete({ code, state }, world.as(projectAdmin)),
      await complete({ code, state }, world.as(tenantAdmin)),
      await complete({ code, state }, world.as(otherTenant, world.places.otherTenant)),
    ]
    expect(refused.map(answer => [answer.status, answer.body.code])).toEqual(Array(3).fill([422, "OAUTH_STATE_INVALID"]))
    expect((await complete({ code, state })).status).toBe(201)
  })

  test("a state is over after ten minutes", async () => {
    const { code, state } = google.consent((await begin()).body.url)
    world.time.now += 600_000
    expect((await complete({ code, state })).body.code).toBe("OAUTH_STATE_INVALID")
  })

  test("another sign-in's code does not fit: its verifier is another one", async () => {
    const theirs = google.consent((await begin({ services: ["gmail"] }, world.as(world.people.projectAdmin))).body.url)
    const mine = google.consent((await begin()).body.url)
    const answer = await complete({ code: theirs.code, state: mine.state })
    expect([answer.status, answer.body.code]).toEqual([422, "SIGN_IN_REFUSED"])
    expect(google.complaints).toContain("the verifier is not the challenge's")
  })

  test("an answer that says it is of another issuer is refused before its code leaves", async () => {
    const { code, state } = google.consent((await begin()).body.url)
    const before = google.seen.length
    expect((await complete({ code, state, iss: "https://evil.example" })).status).toBe(422)
    expect(google.seen.length).toBe(before)
  })

  test("a token of another issuer, and none that says whose it is, connect nothing", async () => {
    for (const mood of ["other issuer", "no id token"] as const) {
      const { code, state } = google.consent((await begin()).body.url)
      google.state.mood = mood
      const answer = await complete({ code, state })
      expect({ mood, good: answer.status === 422 || answer.status === 503 }).toEqual({ mood, good: true })
      google.state.mood = "good"
    }
  })

  test("the page that browsers come back to holds no more than came, ends nothing by itself, and says when it is over", async () => {
    const { code, state } = google.consent((await begin()).body.url)
    const query = new URLSearchParams({ code: `${code}</script><script>alert(1)//`, state })
    const page = await world.call({}, "GET", `/connections/callback?${query}`)
    expect(page.status).toBe(200)
    expect(page.headers.get("content-security-policy")).toMatch(/default-src 'none'.*script-src 'nonce-/)
    expect(page.headers.get("referrer-policy")).toBe("no-referrer")
    expect(page.headers.get("cache-control")).toBe("no-store")
    expect(page.text).not.toContain("<script>alert")
    expect(page.text).toContain("/v1/connections/google/complete")
    expect((await complete({ code, state })).status).toBe(201)
    expect((await world.call({}, "GET", `/connections/callback?${query}`)).status).toBe(410)
    const denied = await world.call({}, "GET", `/connections/callback?error=access_denied&state=${state}`)
    expect(denied.text).toContain("access_denied")
    const injected = await world.call({}, "GET", `/connections/callback?error=${encodeURIComponent("call 555 now")}`)
    expect(injected.text).not.toContain("555")
  })
})

describe("a token endpoint that misbehaves", () => {
  for (const mood of ["fails", "garbage", "echoes"] as const) {
    test(`${mood}: it is told without a secret, and nothing is connected`, async () => {
      const { code, state } = google.consent((await begin()).body.url)
      google.state.mood = mood
      const answer = await complete({ code, state })
      expect(answer.status).toBe(mood === "echoes" ? 422 : 503)
      for (const secret of [code, CLIENT_SECRET]) {
        expect(answer.text).not.toContain(secret)
        expect(answer.text).not.toContain(encodeURIComponent(secret))
      }
    })
  }

  test("too many sign-ins that nobody ends are refused", async () => {
    const caller = world.as(world.people.projectAdmin)
    let last = 200
    for (let n = 0; n < 60 && last === 200; n++) last = (await begin({ services: ["gmail"] }, caller)).status
    expect(last).toBe(429)
  })
})
