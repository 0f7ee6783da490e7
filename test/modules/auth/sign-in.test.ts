import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { eq } from "drizzle-orm"
import { createPasswords, PASSWORD_HASHING } from "../../../src/modules/auth/password.ts"
import { dialects, openTemporarySqlite, type TemporaryDatabase } from "../../helpers/database.ts"
import { cookieOf, createWorld, PASSWORD, type World } from "./world.ts"

const DAY_MS = 86_400_000

for (const dialect of dialects) {
  describe(`signing in on ${dialect.name}`, () => {
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

    const person = (email: string) => world.person(email, "acme", "project_viewer", projectId)
    const login = (email: string, password = PASSWORD) => world.send("POST", "/v1/auth/login", { body: { email, password } })
    const me = (as: string) => world.send("GET", "/v1/auth/me", { as })

    test("gives a cookie that scripts cannot read, and says who and where one is; capitals in the e-mail do not matter", async () => {
      await person("anna@example.org")
      const answer = await login(" Anna@Example.ORG ")
      expect(answer.status).toBe(200)
      expect(answer.headers.get("set-cookie")).toMatch(
        /^agentruntime_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=7776000$/,
      )
      expect(answer.body.user.email).toBe("anna@example.org")
      const seen = await me(cookieOf(answer))
      expect(seen.body.tenants).toEqual([
        {
          id: "acme",
          name: "Acme",
          role: "member",
          projects: [{ id: projectId, slug: "main", name: "main", role: "project_viewer" }],
        },
      ])
    })

    test("a wrong password, an unknown e-mail and a disabled account get the same answer", async () => {
      const { userId } = await person("off@example.org")
      const { users } = temporary.db.tables
      await temporary.db.write(async tx => void (await tx.update(users).set({ disabledAt: 1 }).where(eq(users.id, userId))))
      const answers = [
        await login("anna@example.org", "wrong password"),
        await login("nobody@example.org"),
        await login("off@example.org"),
      ]
      expect(answers.map(a => a.status)).toEqual([401, 401, 401])
      expect(new Set(answers.map(a => a.text)).size).toBe(1)
      expect(answers.map(a => a.headers.get("set-cookie"))).toEqual([null, null, null])
    })

    test("after ten failures an account must wait, whether it exists or not, and even with the right password", async () => {
      await person("target@example.org")
      for (const email of ["target@example.org", "ghost@example.org"]) {
        for (let i = 0; i < 10; i++) expect((await login(email, "wrong password")).status).toBe(401)
        const refused = await login(email)
        expect(refused.status).toBe(429)
        expect(refused.body.code).toBe("RATE_LIMITED")
        expect(Number(refused.headers.get("retry-after"))).toBe(900)
      }
      world.time.now += 15 * 60_000
      expect((await login("target@example.org")).status).toBe(200)
    })

    test("many guesses at once count like one after another", async () => {
      await person("rush@example.org")
      const answers = await Promise.all(Array.from({ length: 30 }, () => login("rush@example.org", "wrong password")))
      expect(answers.filter(a => a.status === 401)).toHaveLength(10)
      expect(answers.filter(a => a.status === 429)).toHaveLength(20)
    })

    test("a good sign-in forgives the failures before it", async () => {
      await person("clumsy@example.org")
      for (let round = 0; round < 3; round++) {
        for (let i = 0; i < 9; i++) await login("clumsy@example.org", "wrong password")
        expect((await login("clumsy@example.org")).status).toBe(200)
      }
    })

    const from = (address: string, email: string, password = PASSWORD) =>
      world.auth.login(email, password, { address, userAgent: null }).then(
        () => "in",
        error => error.kind,
      )

    test("an address may fail fifty times; good sign-ins in between do not count", async () => {
      await person("steady@example.org")
      for (let i = 0; i < 50; i++) {
        expect(await from("203.0.113.7", `guess${i}@example.org`, "wrong password")).toBe("unauthenticated")
        if (i % 10 === 0) expect(await from("203.0.113.7", "steady@example.org")).toBe("in")
      }
      expect(await from("203.0.113.7", "steady@example.org")).toBe("rate_limited")
      expect((await login("steady@example.org")).status).toBe(200) // from elsewhere
    })

    test("who guesses in one network cannot lock the owner out of the others, however long", async () => {
      await person("wanted@example.org")
      for (let i = 0; i < 300; i++) await from(`198.51.100.${i % 250}`, "wanted@example.org", "wrong password")
      expect(await from("198.51.100.251", "wanted@example.org")).toBe("rate_limited")
      expect(await from("198.51.101.1", "wanted@example.org")).toBe("in")
      for (let i = 0; i < 30; i++) await from("2001:db8:1:2::/64", "wanted@example.org", "wrong password")
      expect(await from("2001:db8:1:2::/64", "wanted@example.org")).toBe("rate_limited")
      expect(await from("2001:db8:1:3::/64", "wanted@example.org")).toBe("in")
    })

    test("guesses from many networks at one account are a hundred in all, whether it exists or not", async () => {
      await person("spread@example.org")
      for (const email of ["spread@example.org", "spread-ghost@example.org"]) {
        const answers: string[] = []
        for (let i = 0; i < 120; i++) answers.push(await from(`10.20.${i}.1`, email, "wrong password"))
        expect(answers.filter(a => a === "unauthenticated")).toHaveLength(100)
        expect(answers.slice(100)).toEqual(Array(20).fill("rate_limited"))
      }
      world.time.now += 15 * 60_000
      expect(await from("10.20.1.1", "spread@example.org")).toBe("in")
    })

    test("an attempt that is over the limit writes nothing", async () => {
      for (let i = 0; i < 10; i++) await login("loud@example.org", "wrong password")
      const before = world.writes.count
      for (let i = 0; i < 5; i++) expect((await login("loud@example.org", "wrong password")).status).toBe(429)
      expect(world.writes.count).toBe(before)
    })

    test("signing out with a made-up or malformed cookie writes nothing and forgets nobody", async () => {
      const { session } = await person("bystander@example.org")
      expect((await me(session)).status).toBe(200)
      await world.access.flush()
      const { sessions } = temporary.db.tables
      await temporary.db.write(async tx => void (await tx.delete(sessions)))
      const before = world.writes.count
      for (const as of ["A".repeat(43), "x", "", "B".repeat(10_000)])
        expect((await world.send("POST", "/v1/auth/logout", { as })).status).toBe(204)
      for (const path of ["setup", "register", "reset-password"]) {
        const body = { token: "A".repeat(43), invite_token: "A".repeat(43), email: "a@example.org", password: PASSWORD }
        expect((await world.send("POST", `/v1/auth/${path}`, { body })).status).toBe(410)
      }
      expect((await world.send("GET", "/v1/auth/me", { pat: `pat_${"A".repeat(43)}` })).status).toBe(401)
      expect(world.writes.count).toBe(before)
      expect((await me(session)).status).toBe(200) // from memory, which is still there
      world.access.changed()
    })

    test("a session ends after 30 days without use; use keeps it alive, but not past 90 days", async () => {
      const idle = (await person("idle@example.org")).session
      const used = (await person("used@example.org")).session
      for (let day = 0; day < 29; day++) await use(used)
      expect((await me(idle)).status).toBe(200) // day 29: this was a use
      await world.access.flush()
      world.time.now += 30 * DAY_MS - 1
      expect((await me(idle)).status).toBe(200)
      await world.access.flush()
      world.time.now += 30 * DAY_MS
      expect((await me(idle)).status).toBe(401)

      const kept = (await person("kept@example.org")).session
      for (let day = 0; day < 89; day++) await use(kept)
      expect((await me(kept)).status).toBe(200)
      world.time.now += DAY_MS
      expect((await me(kept)).status).toBe(401)
    })

    async function use(session: string): Promise<void> {
      world.time.now += DAY_MS
      expect((await me(session)).status).toBe(200)
      await world.access.flush()
    }

    test("refresh says when the session ends and moves the end on", async () => {
      const { session } = await person("fresh@example.org")
      world.time.now += DAY_MS
      const answer = await world.send("POST", "/v1/auth/refresh", { as: session })
      expect(answer.body).toEqual({ expires_at: new Date(world.time.now + 30 * DAY_MS).toISOString() })
      expect(cookieOf(answer)).toBe(session)
      expect((await world.send("POST", "/v1/auth/refresh", {})).status).toBe(401)
    })

    test("signing out ends this session at once and no other; again is fine", async () => {
      const { session, email } = await person("leaver@example.org")
      const other = cookieOf(await login(email))
      expect((await me(session)).status).toBe(200)
      for (let i = 0; i < 2; i++) {
        const answer = await world.send("POST", "/v1/auth/logout", { as: session })
        expect([answer.status, answer.text, cookieOf(answer)]).toEqual([204, "", ""])
      }
      expect((await me(session)).status).toBe(401)
      expect((await me(other)).status).toBe(200)
    })

    test("a new password ends all other sessions; the old one is needed for it, and a PAT cannot", async () => {
      const { userId, session, email } = await person("change@example.org")
      const other = cookieOf(await login(email))
      const change = (current_password: string, new_password: string, how: object) =>
        world.send("POST", "/v1/auth/change-password", { body: { current_password, new_password }, ...how })
      expect((await change("not this one", "a new password", { as: session })).body.code).toBe("WRONG_PASSWORD")
      expect((await change(PASSWORD, "short", { as: session })).status).toBe(422)
      const pat = await world.pat(userId, "acme", projectId, ["workflow:read"])
      expect((await change(PASSWORD, "a new password", { pat: pat.token })).body.code).toBe("SESSION_REQUIRED")
      expect((await change(PASSWORD, "a new password", { as: session })).status).toBe(204)
      expect((await me(session)).status).toBe(200)
      expect((await me(other)).status).toBe(401)
      expect((await login(email)).status).toBe(401)
      expect((await login(email, "a new password")).status).toBe(200)
    })

    test("a reset link sets a new password once and ends all sessions", async () => {
      const { session, email } = await person("forgot@example.org")
      const token = (await world.auth.createPasswordResetLink(email)) ?? ""
      const reset = () => world.send("POST", "/v1/auth/reset-password", { body: { token, password: "another password" } })
      expect((await world.send("GET", `/reset-password?token=${token}`)).status).toBe(200)
      expect((await reset()).status).toBe(204)
      const second = await reset()
      expect([second.status, second.body.code]).toEqual([410, "LINK_EXPIRED"])
      expect((await me(session)).status).toBe(401)
      expect((await login(email, "another password")).status).toBe(200)
      expect(await world.auth.createPasswordResetLink("nobody@example.org")).toBeNull()
    })

    test("a person has at most fifty sessions", async () => {
      const { userId, email, session } = await person("many@example.org")
      for (let i = 0; i < 52; i++) {
        world.time.now += 1
        await login(email)
      }
      const { sessions } = temporary.db.tables
      expect(await temporary.db.read.select().from(sessions).where(eq(sessions.userId, userId))).toHaveLength(50)
      expect((await me(session)).status).toBe(401)
    })

    test("a hash with older parameters is renewed at sign-in, and the session before lives on", async () => {
      const { userId, email, session } = await person("old@example.org")
      const { users } = temporary.db.tables
      const passwordHash = await createPasswords({ memoryKib: 32, passes: 1 }).hash(PASSWORD)
      await temporary.db.write(async tx => void (await tx.update(users).set({ passwordHash }).where(eq(users.id, userId))))
      expect((await login(email)).status).toBe(200)
      const renewed = (await world.store.userById(userId))?.passwordHash
      expect(renewed).toStartWith("$argon2id$v=19$m=64,t=1,p=1$")
      expect((await me(session)).status).toBe(200)
    })

    test("what is over is swept away, and nothing else", async () => {
      const { session } = await person("sweep@example.org")
      const old = await world.auth.createSetupLink("acme")
      world.time.now += DAY_MS
      const link = await world.auth.createInvite({ tenantId: "acme", email: "later@example.org" })
      await world.auth.sweep()
      expect((await me(session)).status).toBe(200)
      expect(await world.auth.peekLink(link.token, "invite")).not.toBeNull()
      const { oneTimeLinks, loginLimits } = temporary.db.tables
      expect((await temporary.db.read.select().from(oneTimeLinks)).length).toBe(1)
      expect(await temporary.db.read.select().from(loginLimits)).toEqual([])
      expect(await world.auth.peekLink(old, "setup")).toBeNull()
    })
  })
}

test("over TLS the cookie is bound to this host by its name, and signing out leaves none under the older name", async () => {
  const temporary = await openTemporarySqlite()
  const secure = await createWorld(temporary.db, { publicUrl: "https://agents.example.com" })
  await secure.auth.ensureWorkspace({ tenantId: "acme", name: "Acme", projectSlug: "main" })
  const { email, session: older } = await secure.person("bound@example.org", "acme", "member")
  const answer = await secure.send("POST", "/v1/auth/login", { body: { email, password: PASSWORD } })
  expect(answer.headers.get("set-cookie")).toMatch(
    /^__Host-agentruntime_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=7776000; Secure$/,
  )
  const newer = cookieOf(answer)
  const asks = (cookie: string) => secure.send("GET", "/v1/auth/me", { headers: { cookie } })
  const [plain, prefixed] = [`agentruntime_session=${older}`, `__Host-agentruntime_session=${newer}`]
  expect((await asks(plain)).status).toBe(200)
  expect((await asks(prefixed)).status).toBe(200)
  const other = await secure.person("planted@example.org", "acme", "member")
  for (const cookie of [`agentruntime_session=${other.session}; ${prefixed}`, `${prefixed}; a=b; agentruntime_session=x`])
    expect((await asks(cookie)).body.user.email).toBe(email)
  expect((await asks(`__Host-agentruntime_session=x; ${plain}`)).status).toBe(401)

  const out = await secure.send("POST", "/v1/auth/logout", { headers: { cookie: `${plain}; ${prefixed}` } })
  expect(out.status).toBe(204)
  expect(out.headers.getSetCookie()).toEqual([
    "__Host-agentruntime_session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0; Secure",
    "agentruntime_session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0; Secure",
  ])
  expect([(await asks(plain)).status, (await asks(prefixed)).status]).toEqual([401, 401])
  secure.close()
  await temporary.close()
})

describe("passwords", () => {
  test("the hash says argon2id with today's parameters", async () => {
    const passwords = createPasswords()
    const hash = await passwords.hash("p")
    expect(hash).toStartWith(`$argon2id$v=19$m=${PASSWORD_HASHING.memoryKib},t=${PASSWORD_HASHING.passes},p=1$`)
    expect(passwords.isOutdated(hash)).toBe(false)
  })

  test("the same letters written in another way are the same password", async () => {
    const passwords = createPasswords({ memoryKib: 64, passes: 1 })
    expect(await passwords.verify("Gar\u0063\u0327on", await passwords.hash("Gar\u00e7on"))).toBe(true)
  })

  test("no hash matches no password", async () => {
    const passwords = createPasswords({ memoryKib: 64, passes: 1 })
    for (const password of ["", "A", "A".repeat(43)]) expect(await passwords.verify(password, null)).toBe(false)
  })

  test("making accounts on an open instance is limited like signing in: by e-mail and by address", async () => {
    const temporary = await openTemporarySqlite()
    const world = await createWorld(temporary.db, { openRegistration: true })
    const register = (email: string, address: string | null, password = PASSWORD) =>
      world.auth.register({ email, password }, undefined, { address, userAgent: null }).then(
        () => "in",
        error => error.extras.code ?? error.kind,
      )
    expect(await register("first@example.org", "192.0.2.1")).toBe("in")
    const taken: string[] = []
    for (let i = 0; i < 12; i++) taken.push(await register("First@example.org", "192.0.2.1"))
    expect(taken).toEqual([...Array(10).fill("EMAIL_TAKEN"), "rate_limited", "rate_limited"])
    expect(await register("weak@example.org", "192.0.2.1", "short")).toBe("PASSWORD_UNSUITABLE")
    const many: string[] = []
    for (let i = 0; i < 55; i++) many.push(await register(`p${i}@example.org`, "203.0.113.9"))
    expect(many).toEqual([...Array(50).fill("in"), ...Array(5).fill("rate_limited")])
    expect(await register("late@example.org", "203.0.113.10")).toBe("in")
    world.close()
    await temporary.close()
  })

  test("an unknown e-mail takes about as long as a wrong password", async () => {
    const temporary = await openTemporarySqlite()
    const world = await createWorld(temporary.db, { cost: PASSWORD_HASHING, openRegistration: true })
    await world.auth.register({ email: "known@example.org", password: PASSWORD }, undefined, { address: null, userAgent: null })
    const took = { known: [] as number[], unknown: [] as number[] }
    for (let i = 0; i < 9; i++) {
      for (const name of ["known", "unknown"] as const) {
        const from = performance.now()
        await world.send("POST", "/v1/auth/login", { body: { email: `${name}@example.org`, password: "wrong password" } })
        took[name].push(performance.now() - from)
      }
    }
    const best = (times: number[]) => Math.min(...times)
    expect(best(took.unknown) / best(took.known)).toBeWithin(0.5, 2)
    world.close()
    await temporary.close()
  })
})
