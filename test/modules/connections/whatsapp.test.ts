import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test"
import { openWorld, type World } from "../../helpers/app.ts"
import { APP_ID, APP_SECRET, GOOD_TOKEN, type Graph, openGraph, PHONE, WABA } from "./graph.ts"

let graph: Graph
let world: World
beforeAll(async () => {
  graph = await openGraph()
  const app = { "whatsapp.app_id": APP_ID, "whatsapp.app_secret": APP_SECRET, "whatsapp.config_id": "77" }
  world = await openWorld({
    flags: { ...app, "whatsapp.graph_url": graph.url, "egress.allow": new URL(graph.url).host },
  })
})
afterAll(async () => {
  await world.close()
  graph.close()
})
afterEach(() => {
  graph.state.mood = "good"
})

const call = (method: string, path: string, body?: unknown) =>
  world.call(world.as(world.people.contributor), method, `/v1/connections/whatsapp/${path}`, body)
const MANUAL = { display_name: "Support", access_token: GOOD_TOKEN, business_account_id: WABA, phone_number_id: PHONE }

test("the configuration is what a browser needs for the signup, and not the app's secret", async () => {
  const answer = await call("GET", "config")
  expect(answer.body).toEqual({ enabled: true, app_id: APP_ID, config_id: "77", graph_version: "v20.0" })
})

describe("by hand", () => {
  test("a number whose token and ids fit is connected; its three credentials are kept", async () => {
    const answer = await call("POST", "manual", MANUAL)
    expect(answer.status).toBe(201)
    expect(answer.body).toMatchObject({
      ...{ provider: "whatsapp", service: "whatsapp", display_name: "Support", account: "+1 555 0100" },
      credential_keys: ["access_token", "business_account_id", "phone_number_id"],
    })
    expect(answer.text).not.toContain(GOOD_TOKEN)
  })

  test("a bad token is refused in Meta's own words, without the token", async () => {
    const bad = "EAABad+token/of=tests987654321"
    const answer = await call("POST", "manual", { ...MANUAL, access_token: bad })
    expect([answer.status, answer.body.code]).toEqual([422, "META_REFUSED"])
    expect(answer.body.error).toContain("Invalid OAuth access token")
    expect(answer.text).not.toContain(bad)
  })

  test("words of Meta that repeat the token are told without it, in any spelling", async () => {
    graph.state.mood = "echoes"
    const answer = await call("POST", "manual", MANUAL)
    expect(answer.status).toBe(422)
    expect(answer.body.error).toContain("Malformed access token")
    for (const spelling of [GOOD_TOKEN, encodeURIComponent(GOOD_TOKEN)]) expect(answer.text).not.toContain(spelling)
  })

  test("a number of another account, and an account that is not there, are refused", async () => {
    expect((await call("POST", "manual", { ...MANUAL, phone_number_id: "999" })).body.code).toBe("WRONG_PHONE_NUMBER")
    expect((await call("POST", "manual", { ...MANUAL, business_account_id: "999" })).status).toBe(422)
  })

  test("ids that are no digits never reach Meta", async () => {
    const before = graph.seen.length
    for (const id of ["../me", "1/../2", "1?x=y", "", "1 "])
      expect((await call("POST", "manual", { ...MANUAL, business_account_id: id })).status).toBe(400)
    expect((await call("POST", "manual", { ...MANUAL, access_token: "a\r\nx-evil: 1" })).status).toBe(400)
    expect(graph.seen.length).toBe(before)
  })

  for (const mood of ["fails", "garbage"] as const)
    test(`while Meta ${mood}, it is said that another try may do`, async () => {
      graph.state.mood = mood
      const answer = await call("POST", "manual", MANUAL)
      expect([answer.status, answer.body.code]).toEqual([503, "META_UNAVAILABLE"])
    })
})

describe("by embedded signup", () => {
  test("the code is exchanged on the server and the number is checked", async () => {
    const answer = await call("POST", "complete", { code: graph.signup(), waba_id: WABA, phone_number_id: PHONE })
    expect(answer.status).toBe(201)
    expect(answer.body).toMatchObject({ provider: "whatsapp", display_name: "WhatsApp +1 555 0100", status: "active" })
    expect(answer.text).not.toContain(APP_SECRET)
  })

  test("a code that was used, or never was, is refused without being repeated", async () => {
    const code = graph.signup()
    await call("POST", "complete", { code, waba_id: WABA, phone_number_id: PHONE })
    const answer = await call("POST", "complete", { code, waba_id: WABA, phone_number_id: PHONE })
    expect(answer.status).toBe(422)
    expect(answer.text).not.toContain(code)
    expect(answer.text).not.toContain(APP_SECRET)
  })
})

test("its credentials can be changed by hand, by their right names", async () => {
  const { body } = await call("POST", "manual", MANUAL)
  const change = (credentials: unknown) =>
    world.call(world.as(world.people.contributor), "PATCH", `/v1/connections/${body.id}`, { credentials })
  expect((await change({ access_token: "another" })).body.status).toBe("active")
  expect((await change({ acces_token: "x" })).body.error).toContain("did you mean access_token?")
})
