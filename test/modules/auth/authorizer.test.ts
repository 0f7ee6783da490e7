import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { eq } from "drizzle-orm"
import { toWire } from "../../../src/http/errors.ts"
import { type Caller, type Permission, READ_WORKFLOWS, RUN_WORKFLOWS, WRITE_MCP } from "../../../src/http/permission.ts"
import { dialects, type TemporaryDatabase } from "../../helpers/database.ts"
import { createWorld, ORIGIN, type Sending, type World } from "./world.ts"

const READ: Permission = { access: "project", role: "project_viewer", scopes: READ_WORKFLOWS }
const RUN: Permission = { access: "project", role: "project_contributor", scopes: RUN_WORKFLOWS }
const ADMIN: Permission = { access: "project", role: "project_admin", scopes: "any" }
const BILLING: Permission = { access: "tenant", role: "tenant_admin", scopes: ["billing:manage"] }
const MEMBER: Permission = { access: "tenant", role: "member", scopes: "any" }
const INBOX: Permission = { access: "projects", role: "project_viewer", scopes: READ_WORKFLOWS }
const INBOX_WORK: Permission = { access: "projects", role: "project_contributor", scopes: "any" }
const ME: Permission = { access: "user", scopes: "any" }
const SESSION_ONLY: Permission = { access: "user", scopes: "none" }
const MCP: Permission = { access: "project", role: "project_contributor", scopes: WRITE_MCP }

const UNAUTHORIZED = "401 UNAUTHORIZED"
const NO_ACCESS = "403 FORBIDDEN"
const ROLE = "403 INSUFFICIENT_ROLE"
const SCOPE = "403 INSUFFICIENT_SCOPE"

for (const dialect of dialects) {
  describe(`the authorizer on ${dialect.name}`, () => {
    let temporary: TemporaryDatabase
    let world: World
    /** acme has the projects p1 and p2, other has o1. Who is named after a role has it in p1 only. */
    const ids: Record<string, string> = {}
    const sessions: Record<string, string> = {}
    const pats: Record<string, string> = {}
    const users: Record<string, string> = {}

    beforeAll(async () => {
      temporary = await dialect.open()
      world = await createWorld(temporary.db)
      const { auth } = world
      ids.p1 = (await auth.ensureWorkspace({ tenantId: "acme", name: "Acme", projectSlug: "one" })).projectId
      ids.p2 = (await auth.ensureWorkspace({ tenantId: "acme", name: "Acme", projectSlug: "two" })).projectId
      ids.o1 = (await auth.ensureWorkspace({ tenantId: "other", name: "Other", projectSlug: "one" })).projectId
      const people = [
        ["viewer", "acme", "project_viewer", "p1"],
        ["contributor", "acme", "project_contributor", "p1"],
        ["admin", "acme", "project_admin", "p1"],
        ["boss", "acme", "tenant_admin", "p1"],
        ["guest", "acme", "member", "p1"],
        ["elsewhere", "acme", "project_admin", "p2"],
        ["stranger", "other", "tenant_admin", "o1"],
      ] as const
      for (const [name, tenant, role, project] of people) {
        const person = await world.person(`${name}@example.org`, tenant, role, ids[project])
        sessions[name] = person.session
        users[name] = person.userId
        const pat = await world.pat(person.userId, tenant, ids[project] ?? "", ["workflow:read", "workflow:run"])
        pats[name] = pat.token
      }
      pats.reader = (await world.pat(users.contributor ?? "", "acme", ids.p1, ["workflow:read"])).token
      pats.tools = (await world.pat(users.contributor ?? "", "acme", ids.p1, ["mcp:execute"])).token
      const revoked = await world.pat(users.contributor ?? "", "acme", ids.p1, ["workflow:read"])
      pats.revoked = revoked.token
      const caller = await allowed({ pat: pats.admin ?? "" }, ADMIN)
      await world.pats.revoke(caller, revoked.id)
    })
    afterAll(async () => {
      world.close()
      await temporary.close()
    })

    const cases: readonly (readonly [
      who: string,
      headers: { tenant?: string; project?: string },
      permission: Permission,
      answer: string,
    ])[] = [
      // Nobody, and tokens that are not good: one and the same answer.
      ["nobody", { tenant: "acme", project: "p1" }, READ, UNAUTHORIZED],
      ["pat revoked", {}, READ, UNAUTHORIZED],
      ["pat unknown", {}, READ, UNAUTHORIZED],
      ["pat malformed", {}, READ, UNAUTHORIZED],
      ["session unknown", { tenant: "acme", project: "p1" }, READ, UNAUTHORIZED],
      // A session says where.
      ["session viewer", {}, READ, "400 TENANT_REQUIRED"],
      ["session viewer", { tenant: "" }, READ, "400 TENANT_REQUIRED"],
      ["session viewer", { project: "p1" }, READ, "400 TENANT_REQUIRED"],
      ["session viewer", { tenant: "acme" }, READ, "400 PROJECT_REQUIRED"],
      ["session viewer", { tenant: "acme", project: "p1" }, READ, "project_viewer in p1"],
      ["session boss", { tenant: "acme" }, READ, "400 PROJECT_REQUIRED"],
      // Roles.
      ["session viewer", { tenant: "acme", project: "p1" }, RUN, ROLE],
      ["session contributor", { tenant: "acme", project: "p1" }, RUN, "project_contributor in p1"],
      ["session contributor", { tenant: "acme", project: "p1" }, ADMIN, ROLE],
      ["session admin", { tenant: "acme", project: "p1" }, ADMIN, "project_admin in p1"],
      ["session admin", { tenant: "acme" }, BILLING, ROLE],
      ["session boss", { tenant: "acme" }, BILLING, "tenant_admin"],
      ["session boss", { tenant: "acme", project: "p2" }, ADMIN, "tenant_admin in p2"],
      ["session guest", { tenant: "acme" }, MEMBER, "member"],
      ["session guest", { tenant: "acme", project: "p1" }, READ, NO_ACCESS],
      // Foreign and unknown are the same.
      ["session viewer", { tenant: "acme", project: "p2" }, READ, NO_ACCESS],
      ["session viewer", { tenant: "acme", project: "nowhere" }, READ, NO_ACCESS],
      ["session viewer", { tenant: "acme", project: "o1" }, READ, NO_ACCESS],
      ["session viewer", { tenant: "other", project: "o1" }, READ, NO_ACCESS],
      ["session viewer", { tenant: "other", project: "p1" }, READ, NO_ACCESS],
      ["session viewer", { tenant: "nowhere", project: "p1" }, READ, NO_ACCESS],
      ["session boss", { tenant: "acme", project: "o1" }, READ, NO_ACCESS],
      ["session stranger", { tenant: "acme", project: "p1" }, READ, NO_ACCESS],
      ["session stranger", { tenant: "acme" }, BILLING, NO_ACCESS],
      // A PAT knows its own place; headers win.
      ["pat viewer", {}, READ, "project_viewer in p1"],
      ["pat viewer", { tenant: "", project: "" }, READ, "project_viewer in p1"],
      ["pat viewer", { tenant: "acme" }, READ, "project_viewer in p1"],
      ["pat viewer", { tenant: "acme", project: "p1" }, READ, "project_viewer in p1"],
      ["pat viewer", { project: "p2" }, READ, NO_ACCESS],
      ["pat viewer", { tenant: "other" }, READ, NO_ACCESS],
      ["pat viewer", { tenant: "nowhere" }, READ, NO_ACCESS],
      ["pat boss", { project: "p2" }, READ, "tenant_admin in p2"],
      ["pat boss", { project: "o1" }, READ, NO_ACCESS],
      ["pat elsewhere", {}, READ, "project_admin in p2"],
      ["pat elsewhere", { project: "p1" }, READ, NO_ACCESS],
      ["pat stranger", {}, READ, "tenant_admin in o1"],
      ["pat stranger", { tenant: "acme", project: "p1" }, READ, NO_ACCESS],
      // Both the role and the scopes.
      ["pat viewer", {}, RUN, ROLE],
      ["pat reader", {}, RUN, SCOPE],
      ["pat reader", {}, ADMIN, ROLE],
      ["pat contributor", {}, RUN, "project_contributor in p1"],
      ["pat contributor", {}, MCP, SCOPE],
      ["pat tools", {}, MCP, "project_contributor in p1"],
      ["pat tools", {}, READ, SCOPE],
      ["pat boss", {}, BILLING, SCOPE],
      ["pat boss", {}, MEMBER, "tenant_admin"],
      ["pat boss", {}, SESSION_ONLY, "403 SESSION_REQUIRED"],
      // The person, wherever.
      ["session guest", {}, ME, "ok"],
      ["session guest", {}, SESSION_ONLY, "ok"],
      ["pat viewer", {}, ME, "ok"],
      // Many projects.
      ["session viewer", { tenant: "acme" }, INBOX, "sees p1"],
      ["session viewer", { tenant: "acme" }, INBOX_WORK, ROLE],
      ["session viewer", { tenant: "acme", project: "p2" }, INBOX, NO_ACCESS],
      ["session boss", { tenant: "acme" }, INBOX, "sees p1 p2"],
      ["session boss", { tenant: "acme", project: "p2" }, INBOX, "sees p2"],
      ["session guest", { tenant: "acme" }, INBOX, ROLE],
      ["session stranger", { tenant: "acme" }, INBOX, NO_ACCESS],
      ["pat boss", {}, INBOX, "sees p1"],
      ["pat boss", { project: "" }, INBOX, "sees p1"],
      ["pat boss", { project: "p2" }, INBOX, "sees p2"],
      ["pat boss", { project: "o1" }, INBOX, NO_ACCESS],
      ["pat viewer", {}, INBOX_WORK, ROLE],
      // The slug in the place of the id, within the caller's workspace and reach.
      ["session viewer", { tenant: "acme", project: "one" }, READ, "project_viewer in p1"],
      ["session viewer", { tenant: "acme", project: "two" }, READ, NO_ACCESS],
      ["session boss", { tenant: "acme", project: "two" }, READ, "tenant_admin in p2"],
      ["session boss", { tenant: "acme", project: "two" }, INBOX, "sees p2"],
      ["session stranger", { tenant: "acme", project: "one" }, READ, NO_ACCESS],
      ["session stranger", { tenant: "other", project: "one" }, READ, "tenant_admin in o1"],
      ["pat viewer", { project: "one" }, READ, "project_viewer in p1"],
      ["pat viewer", { project: "two" }, READ, NO_ACCESS],
      ["pat boss", { project: "two" }, READ, "tenant_admin in p2"],
      // A PAT made where its owner has no role is good for nothing.
      ["pat guest", {}, READ, NO_ACCESS],
      ["pat guest", {}, MEMBER, NO_ACCESS],
      ["pat guest", {}, ME, NO_ACCESS],
      ["pat elsewhere", {}, INBOX, "sees p2"],
      // Both at once: the PAT speaks.
      ["both stranger viewer", { tenant: "acme", project: "p1" }, READ, NO_ACCESS],
      ["both viewer stranger", {}, READ, "project_viewer in p1"],
      ["both revoked boss", { tenant: "acme", project: "p1" }, READ, UNAUTHORIZED],
    ]

    for (const [who, headers, permission, answer] of cases) {
      const what = `${permission.access} ${"role" in permission ? permission.role : ""}`.trim()
      test(`${who} with ${JSON.stringify(headers)} for ${what}: ${answer}`, async () => {
        expect(await ask(sendingOf(who, headers), permission)).toBe(answer)
      })
    }

    test("what is not right with a token, a workspace or a project cannot be told from the answer's text", async () => {
      const { tokens, places } = {
        tokens: ["revoked", "unknown", "malformed"].map(name => sendingOf(`pat ${name}`, {})),
        places: [
          { tenant: "other", project: "o1" },
          { tenant: "nowhere", project: "o1" },
          { tenant: "acme", project: "p2" },
          { tenant: "acme", project: "x" },
          { tenant: "acme", project: "two" },
          { tenant: "acme", project: Bun.randomUUIDv7() },
        ].map(headers => sendingOf("session viewer", headers)),
      }
      for (const sendings of [tokens, places]) {
        const texts = await Promise.all(sendings.map(async sending => JSON.stringify((await refused(sending, READ)).body)))
        expect(new Set(texts).size).toBe(1)
      }
    })

    test("a missing scope is named", async () => {
      const { body } = await refused({ pat: pats.reader ?? "" }, RUN)
      expect(body).toEqual({ error: "insufficient scope: workflow:run", code: "INSUFFICIENT_SCOPE" })
    })

    test("a caller carries who it is, by what, and the token's scopes", async () => {
      const bySession = await allowed(sendingOf("session contributor", { tenant: "acme", project: "p1" }), RUN)
      expect(bySession).toEqual({
        userId: users.contributor ?? "",
        via: "session",
        patId: null,
        scopes: null,
        tenantId: "acme",
        projectId: ids.p1 ?? "",
        projectIds: [],
        role: "project_contributor",
      })
      const byPat = await allowed({ pat: pats.reader ?? "" }, READ)
      expect(byPat).toMatchObject({ via: "pat", scopes: ["workflow:read"], userId: users.contributor })
      expect(byPat.patId).toBeTruthy()
    })

    test("a disabled user's session and token are no good at once, and are good again when the user is", async () => {
      const person = await world.person("disabled@example.org", "acme", "project_admin", ids.p1)
      const { token } = await world.pat(person.userId, "acme", ids.p1 ?? "", ["workflow:read"])
      const ways = [{ pat: token }, { as: person.session, tenant: "acme", project: ids.p1 ?? "" }]
      const answers = () => Promise.all(ways.map(way => ask(way, READ)))
      expect(await answers()).toEqual(["project_admin in p1", "project_admin in p1"])
      await setDisabled(person.userId, 1)
      expect(await answers()).toEqual([UNAUTHORIZED, UNAUTHORIZED])
      await setDisabled(person.userId, null)
      expect(await answers()).toEqual(["project_admin in p1", "project_admin in p1"])
    })

    test("an archived project is out of reach, for admins and by tokens made in it", async () => {
      const boss = await allowed(sendingOf("session boss", { tenant: "acme" }), BILLING)
      const project = await world.tenants.createProject(boss, { name: "Short lived" })
      const { token } = await world.pat(users.boss ?? "", "acme", project.id, ["workflow:read"])
      expect((await allowed({ pat: token }, READ)).projectId).toBe(project.id)
      await world.tenants.changeProject(boss, project.id, { archived: true })
      for (const permission of [READ, MEMBER, INBOX, ME, RUN, SESSION_ONLY])
        for (const elsewhere of [{}, { project: ids.p1 ?? "" }, { project: "one" }, { project: project.id }])
          expect(await ask({ pat: token, ...elsewhere }, permission)).toBe(NO_ACCESS)
      expect(await ask(sendingOf("session boss", { tenant: "acme", project: project.id }), READ)).toBe(NO_ACCESS)
      expect(await ask(sendingOf("session boss", { tenant: "acme", project: "short-lived" }), READ)).toBe(NO_ACCESS)
      await world.tenants.changeProject(boss, project.id, { archived: false })
      expect(await ask({ pat: token }, READ)).toBe(`tenant_admin in ${project.id}`)
    })

    test("a project whose slug is another one's id does not receive what is meant for that one", async () => {
      const boss = await allowed(sendingOf("session boss", { tenant: "acme" }), BILLING)
      const trap = await world.tenants.createProject(boss, { name: "Trap", slug: ids.p2 ?? "" })
      const victim = await world.person("victim@example.org", "acme", "project_viewer", trap.id)
      const at = (project: string) => ask({ as: victim.session, tenant: "acme", project }, READ)
      expect(await at(ids.p2 ?? "")).toBe(NO_ACCESS)
      expect(await at(trap.id)).toBe(`project_viewer in ${trap.id}`)
      expect(await ask(sendingOf("session boss", { tenant: "acme", project: "p2" }), READ)).toBe("tenant_admin in p2")
      await world.tenants.changeProject(boss, trap.id, { archived: true })
    })

    test("a PAT lists the project that it is held to", async () => {
      const seen = async (sending: Sending) => {
        const { body } = await world.send("GET", "/v1/projects?archived=true", sending)
        return body.projects.map((p: { id: string }) => nameOf(p.id))
      }
      const boss = pats.boss ?? ""
      expect(await seen({ pat: boss })).toEqual(["p1"])
      expect(await seen({ pat: boss, project: ids.p2 ?? "" })).toEqual(["p2"])
      expect(await seen({ pat: pats.viewer ?? "", project: ids.p2 ?? "" })).toEqual([])
      const one = async (id: string, project?: string) =>
        (await world.send("GET", `/v1/projects/${id}`, { pat: boss, ...(project && { project }) })).status
      expect([await one(ids.p1 ?? ""), await one(ids.p2 ?? ""), await one(ids.p2 ?? "", ids.p2)]).toEqual([200, 404, 200])
    })

    test("a change made by another process counts within seconds", async () => {
      const sending = sendingOf("session guest", { tenant: "acme", project: "p1" })
      expect(await ask(sending, READ)).toBe(NO_ACCESS)
      const { projectMembers } = temporary.db.tables
      const row = {
        tenantId: "acme",
        projectId: ids.p1 ?? "",
        userId: users.guest ?? "",
        role: "project_viewer",
        createdAt: 0,
      } as const
      await temporary.db.write(async tx => void (await tx.insert(projectMembers).values(row)))
      world.time.now += 6_000
      expect(await ask(sending, READ)).toBe("project_viewer in p1")
      await temporary.db.write(async tx => void (await tx.delete(projectMembers).where(eq(projectMembers.userId, row.userId))))
      world.access.changed()
    })

    test("the last use of a token is written later, at most once a minute", async () => {
      const person = await world.person("busy@example.org", "acme", "project_viewer", ids.p1)
      const { id, token } = await world.pat(person.userId, "acme", ids.p1 ?? "", ["workflow:read"])
      const stored = async () => {
        await world.access.flush()
        const { items } = await world.pats.list({ ...(await allowed({ pat: token }, READ)), role: "project_viewer" }, "good", {
          limit: 10,
          offset: 0,
        })
        await world.access.flush()
        return items.find(pat => pat.id === id)?.lastUsedAt
      }
      const first = world.time.now
      await ask({ pat: token }, READ)
      expect(await stored()).toBe(first)
      world.time.now += 59_000
      await ask({ pat: token }, READ)
      expect(await stored()).toBe(first)
      world.time.now += 1_000
      await ask({ pat: token }, READ)
      expect(await stored()).toBe(first + 60_000)
    })

    function sendingOf(who: string, headers: { tenant?: string; project?: string }): Sending {
      const [how, a = "", b = ""] = who.split(" ")
      const unknown = { unknown: `pat_${"A".repeat(43)}`, malformed: "pat_short" } as Record<string, string>
      const pat = pats[a] ?? unknown[a] ?? ""
      const as = sessions[how === "both" ? b : a] ?? "A".repeat(43)
      const place = { ...headers, ...(headers.project !== undefined && { project: ids[headers.project] ?? headers.project }) }
      if (how === "nobody") return place
      if (how === "pat") return { ...place, pat }
      return how === "both" ? { ...place, pat, as } : { ...place, as }
    }

    async function ask(sending: Sending, permission: Permission): Promise<string> {
      try {
        const { role, projectId, projectIds } = await allowed(sending, permission)
        if (permission.access === "user") return "ok"
        if (permission.access === "projects") return `sees ${projectIds.map(nameOf).sort().join(" ")}`
        return permission.access === "tenant" ? (role ?? "member") : `${role} in ${nameOf(projectId)}`
      } catch (error) {
        const wire = toWire(error, "", "")
        return `${wire.status} ${wire.body.code}`
      }
    }

    async function refused(sending: Sending, permission: Permission) {
      return toWire(await allowed(sending, permission).catch(error => error), "", "")
    }

    async function allowed({ as, pat, tenant, project }: Sending, permission: Permission): Promise<Caller> {
      const headers = new Headers()
      if (as) headers.set("cookie", `theme=dark; agentruntime_session=${as}`)
      if (pat) headers.set("authorization", `Bearer ${pat}`)
      if (tenant !== undefined) headers.set("x-tenant-id", tenant)
      if (project !== undefined) headers.set("x-project-id", project)
      return await world.authorizer.authorize(new Request(`${ORIGIN}/v1/x`, { headers }), permission)
    }

    const nameOf = (id: string) => ["p1", "p2", "o1"].find(name => ids[name] === id) ?? id

    async function setDisabled(userId: string, disabledAt: number | null): Promise<void> {
      const { users } = temporary.db.tables
      await temporary.db.write(async tx => void (await tx.update(users).set({ disabledAt }).where(eq(users.id, userId))))
      world.access.changed()
    }
  })
}
