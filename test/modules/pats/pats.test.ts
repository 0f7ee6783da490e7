import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { and, eq, isNotNull } from "drizzle-orm"
import { NOBODY, type Permission } from "../../../src/http/permission.ts"
import { dialects, openTemporarySqlite, type TemporaryDatabase } from "../../helpers/database.ts"
import { bytesAtRest, cookieOf, createWorld, PASSWORD, type Sending, type World } from "../auth/world.ts"

for (const dialect of dialects) {
  describe(`personal access tokens on ${dialect.name}`, () => {
    let temporary: TemporaryDatabase
    let world: World
    let projectId = ""
    let otherProjectId = ""
    let people: Record<"viewer" | "contributor" | "colleague" | "admin" | "stranger", { userId: string; session: string }>
    beforeAll(async () => {
      temporary = await dialect.open()
      world = await createWorld(temporary.db)
      projectId = (await world.auth.ensureWorkspace({ tenantId: "acme", name: "Acme", projectSlug: "main" })).projectId
      otherProjectId = (await world.auth.ensureWorkspace({ tenantId: "other", name: "Other", projectSlug: "main" })).projectId
      people = {
        viewer: await world.person("viewer@example.org", "acme", "project_viewer", projectId),
        contributor: await world.person("contributor@example.org", "acme", "project_contributor", projectId),
        colleague: await world.person("colleague@example.org", "acme", "project_contributor", projectId),
        admin: await world.person("admin@example.org", "acme", "project_admin", projectId),
        stranger: await world.person("stranger@example.org", "other", "tenant_admin"),
      }
    })
    afterAll(async () => {
      world.close()
      await temporary.close()
    })

    const as = (who: keyof typeof people): Sending => ({
      as: people[who].session,
      tenant: who === "stranger" ? "other" : "acme",
      project: who === "stranger" ? otherProjectId : projectId,
    })
    const create = (how: Sending, scopes: readonly string[], display_name = "ci") =>
      world.send("POST", "/v1/pats", { ...how, body: { display_name, scopes } })
    const reveal = (how: Sending, id: string) => world.send("GET", `/v1/pats/${id}/reveal`, how)
    const revoke = (how: Sending, id: string) => world.send("DELETE", `/v1/pats/${id}`, how)

    test("are shown once when made, and listed without their secret", async () => {
      const made = await create(as("contributor"), ["workflow:run", "workflow:read", "workflow:read"], " nightly ")
      expect(made.status).toBe(201)
      expect(made.body).toEqual({
        id: made.body.id,
        display_name: "nightly",
        token: expect.stringMatching(/^pat_[A-Za-z0-9_-]{43}$/),
        scopes: ["workflow:read", "workflow:run"],
        created_at: new Date(world.time.now).toISOString(),
      })
      const list = await world.send("GET", "/v1/pats?limit=1", as("contributor"))
      expect(list.body).toMatchObject({ total: 1, limit: 1, offset: 0 })
      expect(list.body.pats[0]).toEqual({
        id: made.body.id,
        display_name: "nightly",
        scopes: ["workflow:read", "workflow:run"],
        token_hint: made.body.token.slice(-4),
        user_id: people.contributor.userId,
        created_by_pat_id: null,
        created_at: made.body.created_at,
        last_used_at: null,
        revealed_at: null,
        revoked_at: null,
      })
      expect(list.text).not.toContain(made.body.token)
    })

    test("an unknown scope, no scope and an empty name are refused with 422, a malformed body with 400", async () => {
      expect((await create(as("contributor"), ["workflow:fly"])).body.code).toBe("UNKNOWN_SCOPE")
      expect((await create(as("contributor"), ["workflow:fly"])).status).toBe(422)
      expect((await create(as("contributor"), [])).status).toBe(422)
      expect((await create(as("contributor"), ["workflow:read"], "  ")).status).toBe(422)
      expect((await world.send("POST", "/v1/pats", { ...as("contributor"), body: { scopes: "all" } })).status).toBe(400)
    })

    test("a viewer makes none, nobody makes none, and a stranger sees none", async () => {
      expect((await create(as("viewer"), ["workflow:read"])).status).toBe(403)
      expect((await create({ tenant: "acme", project: projectId }, ["workflow:read"])).status).toBe(401)
      expect((await world.send("GET", "/v1/pats", { ...as("stranger"), tenant: "acme", project: projectId })).status).toBe(403)
      const { body } = await create(as("contributor"), ["workflow:read"])
      for (const answer of [await reveal(as("stranger"), body.id), await revoke(as("stranger"), body.id)])
        expect(answer.status).toBe(404)
    })

    test("a token manages tokens only with pat:manage, and gives no scope that it has not", async () => {
      const plain = await create(as("contributor"), ["workflow:read"])
      const refused = await create({ pat: plain.body.token }, ["workflow:read"])
      expect([refused.status, refused.body.code]).toEqual([403, "INSUFFICIENT_SCOPE"])
      const manager = await create(as("contributor"), ["pat:manage", "workflow:read"])
      const beyond = await create({ pat: manager.body.token }, ["workflow:read", "billing:manage"])
      expect(beyond.body).toEqual({ error: "insufficient scope: billing:manage", code: "INSUFFICIENT_SCOPE" })
      expect((await create({ pat: manager.body.token }, ["workflow:read"])).status).toBe(201)
    })

    test("can be revealed once more by the owner, and by nobody else", async () => {
      const { body } = await create(as("contributor"), ["workflow:read"])
      for (const who of ["colleague", "admin"] as const) expect((await reveal(as(who), body.id)).status).toBe(403)
      const first = await reveal(as("contributor"), body.id)
      expect(first.body).toEqual({ id: body.id, token: body.token })
      const second = await reveal(as("contributor"), body.id)
      expect([second.status, second.body.code]).toEqual([410, "ALREADY_REVEALED"])
      expect(await world.vault.get("acme", `pat:${body.id}`)).toBeNull()
      expect((await reveal(as("contributor"), "unknown")).status).toBe(404)
    })

    test("a token reveals only tokens whose scopes it has itself, and the attempt costs nothing", async () => {
      const strong = await create(as("contributor"), ["workflow:run", "workflow:write", "pat:manage"])
      const weak = await create(as("contributor"), ["pat:manage"])
      const side = await create(as("contributor"), ["pat:manage", "workflow:run"])
      for (const { body } of [weak, side]) {
        const answer = await reveal({ pat: body.token }, strong.body.id)
        expect([answer.status, answer.body.code]).toEqual([403, "INSUFFICIENT_SCOPE"])
        expect(answer.text).not.toContain("pat_")
      }
      const equal = await create(as("contributor"), ["workflow:run", "workflow:write", "pat:manage", "mcp:read"])
      const shown = await reveal({ pat: equal.body.token }, strong.body.id)
      expect(shown.body).toEqual({ id: strong.body.id, token: strong.body.token })
      expect((await reveal({ pat: side.body.token }, weak.body.id)).status).toBe(200)
    })

    test("HEAD reveals nothing and does not use the reveal up", async () => {
      const { body } = await create(as("contributor"), ["workflow:read"])
      const head = await world.send("HEAD", `/v1/pats/${body.id}/reveal`, as("contributor"))
      expect([head.status, head.text.includes(body.token)]).toEqual([400, false])
      expect((await reveal(as("contributor"), body.id)).body.token).toBe(body.token)
    })

    test("what init printed was given out: nobody reveals it, and the vault holds no copy", async () => {
      const made = await world.pat(people.contributor.userId, "acme", projectId, ["pat:manage", "workflow:run"])
      expect(await world.vault.get("acme", `pat:${made.id}`)).toBeNull()
      for (const how of [as("contributor"), { pat: made.token }]) {
        const answer = await reveal(how, made.id)
        expect([answer.status, answer.body.code]).toEqual([410, "ALREADY_REVEALED"])
      }
      expect((await world.send("GET", "/v1/pats", { pat: made.token })).status).toBe(200)
    })

    test("a token takes along what it made, and what these made, also in another project", async () => {
      const boss = await world.person("maker@example.org", "acme", "tenant_admin")
      const how = { as: boss.session, tenant: "acme", project: projectId }
      const side = await world.send("POST", "/v1/projects", { ...how, body: { name: "Maker side" } })
      const root = (await create(how, ["pat:manage", "workflow:read"])).body
      const child = (await create({ pat: root.token }, ["pat:manage"], "child")).body
      const away = (await create({ pat: root.token, project: side.body.id }, ["pat:manage"], "away")).body
      const grandchild = (await create({ pat: child.token }, ["pat:manage"], "grandchild")).body
      const sibling = (await create(how, ["pat:manage"], "sibling")).body
      const listed = await world.send("GET", "/v1/pats?limit=100", how)
      const makerOf = (id: string) =>
        listed.body.pats.find((pat: { id: string; created_by_pat_id: string }) => pat.id === id)?.created_by_pat_id
      expect([makerOf(root.id), makerOf(child.id), makerOf(grandchild.id)]).toEqual([null, root.id, child.id])
      const use = () =>
        Promise.all(
          [root, child, away, grandchild, sibling].map(
            async pat => (await world.send("GET", "/v1/pats", { pat: pat.token })).status,
          ),
        )
      expect(await use()).toEqual([200, 200, 200, 200, 200])
      expect((await revoke(how, root.id)).status).toBe(204)
      expect(await use()).toEqual([401, 401, 401, 401, 200])
      for (const pat of [root, child, away, grandchild]) expect(await world.vault.get("acme", `pat:${pat.id}`)).toBeNull()
      expect(await world.vault.get("acme", `pat:${sibling.id}`)).not.toBeNull()
    })

    test("a token that is revoked while it makes another leaves none behind", async () => {
      const root = (await create(as("contributor"), ["pat:manage"])).body
      const makes = Array.from({ length: 5 }, (_, i) => create({ pat: root.token }, ["pat:manage"], `late ${i}`))
      const [gone, ...made] = await Promise.all([revoke(as("contributor"), root.id), ...makes])
      expect(gone?.status).toBe(204)
      for (const { status, body } of made) {
        expect([201, 401]).toContain(status)
        if (status === 201) expect((await world.send("GET", "/v1/pats", { pat: body.token })).status).toBe(401)
      }
      // By what another process still has in its memory, too.
      const caller = {
        ...NOBODY,
        userId: people.contributor.userId,
        via: "pat",
        patId: root.id,
        tenantId: "acme",
        projectId,
      } as const
      const late = world.pats.create({ ...caller, scopes: ["pat:manage"] }, { displayName: "late", scopes: ["pat:manage"] })
      expect(await late.catch(error => error.kind)).toBe("unauthenticated")
    })

    test("revoked ones are listed on demand only, and swept away after thirty days", async () => {
      const { userId, session } = await world.person("tidy@example.org", "acme", "project_contributor", projectId)
      const how = { as: session, tenant: "acme", project: projectId }
      const kept = (await create(how, ["pat:manage"], "kept")).body
      for (let i = 0; i < 3; i++) await revoke(how, (await create({ pat: kept.token }, ["pat:manage"], `gone ${i}`)).body.id)
      const total = async (query = "") => (await world.send("GET", `/v1/pats${query}`, { pat: kept.token })).body.total
      expect([await total(), await total("?include_revoked=true"), await total("?include_revoked=false")]).toEqual([1, 4, 1])
      const { pats } = temporary.db.tables
      const monthAgo = world.time.now - 30 * 86_400_000
      const revokedAt = (at: number) =>
        temporary.db.write(
          async tx =>
            void (await tx
              .update(pats)
              .set({ revokedAt: at })
              .where(and(eq(pats.userId, userId), isNotNull(pats.revokedAt)))),
        )
      await revokedAt(monthAgo)
      await world.auth.sweep()
      expect(await total("?include_revoked=true")).toBe(4)
      await revokedAt(monthAgo - 1)
      await world.auth.sweep()
      expect(await total("?include_revoked=true")).toBe(1)
      expect(await temporary.db.read.select().from(pats).where(eq(pats.userId, userId))).toHaveLength(1)
    })

    test("of many who reveal at the same moment, one sees it", async () => {
      const { body } = await create(as("contributor"), ["workflow:read"])
      const answers = await Promise.all(Array.from({ length: 6 }, () => reveal(as("contributor"), body.id)))
      expect(answers.map(a => a.status).sort()).toEqual([200, 410, 410, 410, 410, 410])
    })

    test("whose copy is not in the vault answer 404, and the attempt does not count as the one reveal", async () => {
      const { body } = await create(as("contributor"), ["workflow:read"])
      await world.vault.delete("acme", `pat:${body.id}`)
      const missing = await reveal(as("contributor"), body.id)
      expect([missing.status, missing.body.code]).toEqual([404, "pat_secret_not_in_vault"])
      await world.vault.put("acme", `pat:${body.id}`, body.token)
      expect((await reveal(as("contributor"), body.id)).status).toBe(200)
    })

    test("are no good once revoked, at once, and their copy is gone; revoking again is fine", async () => {
      const { body } = await create(as("contributor"), ["pat:manage"])
      const use = () => world.send("GET", "/v1/pats", { pat: body.token })
      expect((await use()).status).toBe(200)
      expect((await revoke(as("colleague"), body.id)).status).toBe(403)
      const answer = await revoke(as("contributor"), body.id)
      expect([answer.status, answer.text]).toEqual([204, ""])
      expect((await use()).status).toBe(401)
      expect(await world.vault.get("acme", `pat:${body.id}`)).toBeNull()
      const revokedAt = async () => {
        const { pats } = temporary.db.tables
        return (await temporary.db.read.select().from(pats).where(eq(pats.id, body.id)))[0]?.revokedAt
      }
      const first = await revokedAt()
      world.time.now += 1000
      expect((await revoke(as("contributor"), body.id)).status).toBe(204)
      expect(await revokedAt()).toBe(first ?? -1)
    })

    test("of everybody are seen and revoked by the project's admin; others see their own", async () => {
      const { body } = await create(as("colleague"), ["workflow:read"])
      const seenBy = async (who: keyof typeof people) => {
        const answer = await world.send("GET", "/v1/pats?limit=100", as(who))
        return answer.body.pats.map((pat: { id: string }) => pat.id)
      }
      expect(await seenBy("admin")).toContain(body.id)
      expect(await seenBy("colleague")).toEqual([body.id])
      expect(await seenBy("contributor")).not.toContain(body.id)
      expect((await revoke(as("admin"), body.id)).status).toBe(204)
    })

    test("a token whose owner lost the role can do less at once", async () => {
      const person = await world.person("fading@example.org", "acme", "project_contributor", projectId)
      const { token } = await world.pat(person.userId, "acme", projectId, ["workflow:run"])
      const RUN: Permission = { access: "project", role: "project_contributor", scopes: ["workflow:run"] }
      const run = () =>
        Promise.try(() =>
          world.authorizer.authorize(new Request("http://localhost/", { headers: { authorization: `bearer ${token}` } }), RUN),
        )
          .then(caller => caller.role)
          .catch(error => error.extras.code)
      expect(await run()).toBe("project_contributor")
      const change = { projects: [{ project_id: projectId, role: "project_viewer" }] }
      const answer = await world.send("PATCH", `/v1/tenants/acme/members/${person.userId}`, { ...as("admin"), body: change })
      expect(answer.status).toBe(200)
      expect(await run()).toBe("INSUFFICIENT_ROLE")
    })
  })
}

test("no token, password or link is anywhere in the database's files", async () => {
  const temporary = await openTemporarySqlite()
  const world = await createWorld(temporary.db)
  const password = `canary-${PASSWORD}`
  const { projectId } = await world.auth.ensureWorkspace({ tenantId: "acme", name: "Acme", projectSlug: "main" })
  const link = await world.auth.createSetupLink("acme")
  const done = await world.send("POST", "/v1/auth/setup", { body: { token: link, email: "anna@example.org", password } })
  const session = cookieOf(done)
  const where = { as: session, tenant: "acme", project: projectId }
  const made = await world.send("POST", "/v1/pats", { ...where, body: { display_name: "canary-name", scopes: ["pat:manage"] } })
  await world.send("GET", "/v1/pats", { pat: made.body.token })
  await world.access.flush()
  const invited = await world.send("POST", "/v1/tenants/acme/members", {
    ...where,
    body: { email: "b@example.org", role: "tenant_admin" },
  })
  const [file] = await temporary.db.query({ sql: "SELECT file FROM pragma_database_list WHERE name = 'main'", params: [] })
  const bytes = bytesAtRest(String(file?.file))
  expect(bytes.includes("canary-name")).toBe(true) // the search finds what is there
  for (const secret of [password, link, session, made.body.token, made.body.token.slice(4), invited.body.token]) {
    expect(secret.length).toBeGreaterThan(20)
    expect(bytes.includes(secret)).toBe(false)
  }
  world.close()
  await temporary.close()
})
