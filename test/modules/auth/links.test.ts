import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { dialects, openTemporarySqlite, type TemporaryDatabase } from "../../helpers/database.ts"
import { cookieOf, createWorld, PASSWORD, type World } from "./world.ts"

for (const dialect of dialects) {
  describe(`links that work once, on ${dialect.name}`, () => {
    let temporary: TemporaryDatabase
    let world: World
    let projectId = ""
    beforeAll(async () => {
      temporary = await dialect.open()
      world = await createWorld(temporary.db)
      projectId = (await world.auth.ensureWorkspace({ tenantId: "acme", name: "Acme", projectSlug: "main" })).projectId
    })
    afterAll(async () => {
      world.close()
      await temporary.close()
    })

    const setup = (token: string, email: string, password = PASSWORD) =>
      world.send("POST", "/v1/auth/setup", { body: { token, email, password } })
    const register = (invite_token: string | undefined, email: string) =>
      world.send("POST", "/v1/auth/register", { body: { email, password: PASSWORD, ...(invite_token && { invite_token }) } })

    test("an empty instance has no users, and has one after the first setup", async () => {
      expect(await world.auth.hasUsers()).toBe(false)
      const answer = await setup(await world.auth.createSetupLink("acme"), "first@example.org")
      expect(answer.status).toBe(200)
      expect(await world.auth.hasUsers()).toBe(true)
      const seen = await world.send("GET", "/v1/auth/me", { as: cookieOf(answer) })
      expect(seen.body.tenants[0].role).toBe("tenant_admin")
      expect(seen.body.tenants[0].projects[0].role).toBe("tenant_admin")
    })

    test("a setup link works once; then its page and its route say that it is over", async () => {
      const token = await world.auth.createSetupLink("acme")
      expect((await world.send("GET", `/setup?token=${token}`)).text).toContain("<form")
      expect((await setup(token, "once@example.org")).status).toBe(200)
      const again = await setup(token, "twice@example.org")
      expect([again.status, again.body.code]).toEqual([410, "LINK_EXPIRED"])
      const page = await world.send("GET", `/setup?token=${token}`)
      expect(page.status).toBe(410)
      expect(page.text).toContain("agentruntime init")
      expect(await world.store.userByEmail("twice@example.org")).toBeNull()
    })

    test("of two who use a setup link at the same moment, one gets in", async () => {
      const token = await world.auth.createSetupLink("acme")
      const answers = await Promise.all(["left@example.org", "right@example.org"].map(email => setup(token, email)))
      expect(answers.map(a => a.status).sort()).toEqual([200, 410])
      const users = await Promise.all(["left@example.org", "right@example.org"].map(email => world.store.userByEmail(email)))
      expect(users.filter(user => user !== null)).toHaveLength(1)
    })

    test("a refused password or e-mail does not use the link up", async () => {
      const token = await world.auth.createSetupLink("acme")
      expect((await setup(token, "typo@example.org", "short")).status).toBe(422)
      expect((await setup(token, "not an address")).status).toBe(422)
      expect((await setup(token, "typo@example.org")).status).toBe(200)
    })

    test("a setup link is good for 30 minutes, and a newer one takes its place", async () => {
      const first = await world.auth.createSetupLink("acme")
      const second = await world.auth.createSetupLink("acme")
      expect((await setup(first, "late@example.org")).status).toBe(410)
      world.time.now += 30 * 60_000
      expect((await setup(second, "late@example.org")).status).toBe(410)
    })

    test("a setup link is no invitation and no password reset, and a made-up token is nothing", async () => {
      const token = await world.auth.createSetupLink("acme")
      expect((await register(token, "wrong@example.org")).status).toBe(410)
      const reset = await world.send("POST", "/v1/auth/reset-password", { body: { token, password: PASSWORD } })
      expect(reset.status).toBe(410)
      for (const bad of ["x", "A".repeat(43), "A".repeat(200)]) expect((await setup(bad, "wrong@example.org")).status).toBe(410)
    })

    test("the operator's setup link lets somebody in who has lost the password, and ends the sessions before", async () => {
      const lost = await world.person("lost@example.org", "acme", "project_viewer", projectId)
      const answer = await setup(await world.auth.createSetupLink("acme"), "lost@example.org", "a brand new password")
      expect(answer.body.user.id).toBe(lost.userId)
      expect((await world.send("GET", "/v1/auth/me", { as: lost.session })).status).toBe(401)
      const login = await world.send("POST", "/v1/auth/login", {
        body: { email: "lost@example.org", password: "a brand new password" },
      })
      expect(login.body.tenants[0].role).toBe("tenant_admin")
    })

    test("nobody registers without an invitation, unless the instance is open", async () => {
      const closed = await register(undefined, "walkin@example.org")
      expect([closed.status, closed.body.code]).toEqual([403, "REGISTRATION_CLOSED"])
    })

    test("an invitation is for its e-mail, works once, and gives what it says", async () => {
      const details = { tenantId: "acme", email: "invited@example.org", projectId, projectRole: "project_contributor" } as const
      const { token } = await world.auth.createInvite(details)
      const other = await register(token, "somebody@example.org")
      expect([other.status, other.body.code]).toEqual([403, "INVITE_FOR_ANOTHER"])
      expect((await world.send("GET", `/invite?token=${token}`)).text).toContain(`value="invited@example.org"`)
      const answers = await Promise.all([register(token, "invited@example.org"), register(token, "invited@example.org")])
      expect(answers.map(a => a.status).sort()).toEqual([201, 410])
      const good = answers.find(a => a.status === 201)
      expect(good?.body.tenants[0]).toMatchObject({ role: "member", projects: [{ id: projectId, role: "project_contributor" }] })
    })

    test("who has an account accepts an invitation signed in, and keeps the higher rights", async () => {
      const member = await world.person("both@example.org", "acme", "project_admin", projectId)
      await world.auth.ensureWorkspace({ tenantId: "second", name: "Second", projectSlug: "main" })
      const { token } = await world.auth.createInvite({
        tenantId: "second",
        email: "both@example.org",
        tenantRole: "tenant_admin",
      })
      expect((await register(token, "both@example.org")).body.code).toBe("EMAIL_TAKEN")
      const stranger = await world.person("stranger@example.org", "acme", "member")
      const accept = (as: string, t = token) => world.send("POST", "/v1/tenants/invites/accept", { as, body: { token: t } })
      expect((await accept(stranger.session)).body.code).toBe("INVITE_FOR_ANOTHER")
      expect((await accept(member.session)).status).toBe(204)
      expect((await accept(member.session)).status).toBe(410)
      const lower = await world.auth.createInvite({
        tenantId: "acme",
        email: "both@example.org",
        projectId,
        projectRole: "project_viewer",
      })
      expect((await accept(member.session, lower.token)).status).toBe(204)
      const { body } = await world.send("GET", "/v1/auth/me", { as: member.session })
      expect(body.tenants.map((t: { id: string; role: string }) => `${t.id} ${t.role}`)).toEqual([
        "acme member",
        "second tenant_admin",
      ])
      expect(body.tenants[0].projects[0].role).toBe("project_admin")
    })

    test("the first steps done twice change nothing the second time", async () => {
      const workspace = { tenantId: "initech", name: "Initech", projectSlug: "main" }
      const first = await world.auth.ensureWorkspace(workspace)
      const admin = { email: "Ops@example.org", password: PASSWORD, ...first }
      const { userId } = await world.auth.ensureAdmin(admin)
      const owner = { ...first, userId }
      const pat = await world.pats.ensure(owner, { displayName: "init", scopes: ["workflow:read"] })
      expect(pat.token).toMatch(/^pat_[\w-]{43}$/)

      expect(await world.auth.ensureWorkspace({ ...workspace, name: "Renamed" })).toEqual(first)
      expect(await world.auth.ensureAdmin({ ...admin, password: "some other password" })).toEqual({ userId })
      const again = await world.pats.ensure(owner, { displayName: "init", scopes: ["workflow:read"] })
      expect(again).toEqual({ id: pat.id, token: null })
      const login = await world.send("POST", "/v1/auth/login", { body: { email: "ops@example.org", password: PASSWORD } })
      expect(login.body.tenants).toHaveLength(1)
      expect(login.body.tenants[0]).toMatchObject({ id: "initech", name: "Initech", role: "tenant_admin" })
    })

    test("routes that need mail or Google name the missing setting, the same for known and unknown addresses", async () => {
      const answers = await Promise.all(
        ["first@example.org", "nobody@example.org"].map(email =>
          world.send("POST", "/v1/auth/forgot-password", { body: { email } }),
        ),
      )
      expect(answers.map(a => a.status)).toEqual([503, 503])
      expect(answers[0]?.text).toContain("mail.smtp_url")
      expect(answers[0]?.text).toBe(answers[1]?.text ?? "")
      expect((await world.send("GET", "/v1/auth/oauth/google/url")).body.error).toContain("google.client_id")
    })
  })
}

test("an open instance lets anybody make an account, with no workspace in it", async () => {
  const temporary = await openTemporarySqlite()
  const world = await createWorld(temporary.db, { openRegistration: true })
  const answer = await world.send("POST", "/v1/auth/register", {
    body: { email: "walkin@example.org", password: PASSWORD, name: " Walk In " },
  })
  expect(answer.status).toBe(201)
  expect(answer.body).toMatchObject({ user: { email: "walkin@example.org", name: "Walk In" }, tenants: [] })
  world.close()
  await temporary.close()
})

test("pages load nothing from elsewhere, run only their own script, and give their address to nobody", async () => {
  const temporary = await openTemporarySqlite()
  const world = await createWorld(temporary.db)
  await world.auth.ensureWorkspace({ tenantId: "acme", name: "Acme", projectSlug: "main" })
  const setup = await world.auth.createSetupLink("acme")
  const invite = await world.auth.createInvite({ tenantId: "acme", email: `"><img>@example.org` })
  for (const path of [
    "/",
    "/login",
    `/setup?token=${setup}`,
    `/invite?token=${invite.token}`,
    "/setup?token=%3C/script%3E",
    "/invite",
  ]) {
    const { text, headers } = await world.send("GET", path)
    const nonce = /script-src 'nonce-([\w-]+)'/.exec(headers.get("content-security-policy") ?? "")?.[1]
    expect(headers.get("content-security-policy")).toStartWith("default-src 'none'")
    expect(headers.get("content-type")).toBe("text/html; charset=utf-8")
    expect(headers.get("referrer-policy")).toBe("no-referrer")
    expect(headers.get("cache-control")).toBe("no-store")
    expect(text).not.toMatch(/(src|href)="(https?:)?\/\//)
    expect(text).not.toContain("<img>")
    for (const [, given] of text.matchAll(/<(?:script|style)[^>]*nonce="([^"]+)"/g)) expect(given).toBe(nonce ?? "")
    expect(text).not.toMatch(/<(script|style)>/)
  }
  world.close()
  await temporary.close()
})
