import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { eq } from "drizzle-orm"
import { dialects, type TemporaryDatabase } from "../../helpers/database.ts"
import { createWorld, PASSWORD, type Sending, type World } from "../auth/world.ts"

for (const dialect of dialects) {
  describe(`projects and members on ${dialect.name}`, () => {
    let temporary: TemporaryDatabase
    let world: World
    let projectId = ""
    let otherProjectId = ""
    let people: Record<"viewer" | "admin" | "boss" | "stranger", { userId: string; session: string }>
    beforeAll(async () => {
      temporary = await dialect.open()
      world = await createWorld(temporary.db)
      projectId = (await world.auth.ensureWorkspace({ tenantId: "acme", name: "Acme", projectSlug: "main" })).projectId
      otherProjectId = (await world.auth.ensureWorkspace({ tenantId: "other", name: "Other", projectSlug: "main" })).projectId
      people = {
        viewer: await world.person("viewer@example.org", "acme", "project_viewer", projectId),
        admin: await world.person("admin@example.org", "acme", "project_admin", projectId),
        boss: await world.person("boss@example.org", "acme", "tenant_admin"),
        stranger: await world.person("stranger@example.org", "other", "tenant_admin"),
      }
    })
    afterAll(async () => {
      world.close()
      await temporary.close()
    })

    const as = (who: keyof typeof people): Sending => ({ as: people[who].session, tenant: who === "stranger" ? "other" : "acme" })
    const members = "/v1/tenants/acme/members"
    let named = 0
    const email = () => `person${named++}@example.org`

    test("a project is made by the workspace's admin, with a slug from its name, and is unique by it", async () => {
      const made = await world.send("POST", "/v1/projects", { ...as("boss"), body: { name: "Night Shift!" } })
      expect(made.status).toBe(201)
      expect(made.body).toMatchObject({ slug: "night-shift", name: "Night Shift!", role: "tenant_admin", archived_at: null })
      const again = await world.send("POST", "/v1/projects", { ...as("boss"), body: { name: "Night shift" } })
      expect([again.status, again.body.code]).toEqual([409, "SLUG_TAKEN"])
      expect((await world.send("POST", "/v1/projects", { ...as("boss"), body: { name: "!" } })).status).toBe(422)
      expect((await world.send("POST", "/v1/projects", { ...as("admin"), body: { name: "Mine" } })).status).toBe(403)
      expect((await world.send("POST", "/v1/projects", { ...as("stranger"), body: { name: "Night Shift!" } })).status).toBe(201)
    })

    test("everybody lists the projects in which they have a role", async () => {
      const list = async (who: keyof typeof people) => (await world.send("GET", "/v1/projects", as(who))).body
      expect((await list("viewer")).projects.map((p: { id: string }) => p.id)).toEqual([projectId])
      expect((await list("boss")).projects.map((p: { slug: string }) => p.slug)).toEqual(["main", "night-shift"])
      expect(await list("viewer")).toMatchObject({ total: 1, limit: 20, offset: 0 })
      expect((await world.send("GET", `/v1/projects/${otherProjectId}`, as("boss"))).status).toBe(404)
      expect((await world.send("GET", `/v1/projects/${projectId}`, as("viewer"))).body.role).toBe("project_viewer")
    })

    test("a project is renamed by its admin; only the workspace's admin archives it and brings it back", async () => {
      const patch = (who: keyof typeof people, id: string, body: object) =>
        world.send("PATCH", `/v1/projects/${id}`, { ...as(who), body })
      expect((await patch("admin", projectId, { name: "Main line" })).body.name).toBe("Main line")
      expect((await patch("viewer", projectId, { name: "No" })).status).toBe(403)
      expect((await patch("admin", projectId, { archived: true })).status).toBe(403)
      expect((await patch("stranger", projectId, { name: "No" })).status).toBe(404)
      const { body } = await world.send("POST", "/v1/projects", { ...as("boss"), body: { name: "Brief" } })
      expect((await world.send("DELETE", `/v1/projects/${body.id}`, as("admin"))).status).toBe(403)
      expect((await world.send("DELETE", `/v1/projects/${body.id}`, as("stranger"))).status).toBe(404)
      expect((await world.send("DELETE", `/v1/projects/${body.id}`, as("boss"))).status).toBe(204)
      const slugs = async (query: string) =>
        (await world.send("GET", `/v1/projects${query}`, as("boss"))).body.projects.map((p: { slug: string }) => p.slug)
      expect(await slugs("")).not.toContain("brief")
      expect(await slugs("?archived=true")).toContain("brief")
      expect((await patch("boss", body.id, { archived: false })).body.archived_at).toBeNull()
      expect(await slugs("")).toContain("brief")
    })

    test("a project's admin invites to that project, not to others and not above; a viewer invites nobody", async () => {
      const invite = (who: keyof typeof people, body: object) => world.send("POST", members, { ...as(who), body })
      const guest = email()
      const good = await invite("admin", { email: guest, role: "project_contributor", project_id: projectId })
      expect(good.status).toBe(201)
      expect(good.body.url).toBe(`http://localhost:8420/invite?token=${good.body.token}`)
      expect((await invite("admin", { email: email(), role: "tenant_admin" })).status).toBe(403)
      expect((await invite("admin", { email: email(), role: "project_viewer", project_id: otherProjectId })).status).toBe(404)
      expect((await invite("admin", { email: email(), role: "project_viewer" })).status).toBe(422)
      expect((await invite("viewer", { email: email(), role: "project_viewer", project_id: projectId })).status).toBe(403)
      expect((await invite("boss", { email: "viewer@example.org", role: "tenant_admin" })).body.code).toBe("ALREADY_MEMBER")
      const again = await invite("admin", { email: guest, role: "project_viewer", project_id: projectId })
      expect(await world.auth.peekLink(good.body.token, "invite")).toBeNull()
      expect(await world.auth.peekLink(again.body.token, "invite")).toEqual({ email: guest })
    })

    test("members are listed for who manages them, and not across workspaces", async () => {
      const answer = await world.send("GET", `${members}?limit=2&offset=1`, as("boss"))
      expect(answer.body).toMatchObject({ total: 3, limit: 2, offset: 1 })
      expect(answer.body.members.map((m: { email: string }) => m.email)).toEqual(["boss@example.org", "viewer@example.org"])
      expect(answer.body.members[1].projects).toEqual([{ project_id: projectId, role: "project_viewer" }])
      expect((await world.send("GET", members, as("viewer"))).status).toBe(403)
      expect((await world.send("GET", members, as("stranger"))).status).toBe(404)
      expect((await world.send("GET", members, { ...as("stranger"), tenant: "acme" })).status).toBe(403)
    })

    test("a project's admin changes roles in that project only", async () => {
      const person = await world.person(email(), "acme", "project_viewer", projectId)
      const { body: second } = await world.send("POST", "/v1/projects", { ...as("boss"), body: { name: `P ${person.userId}` } })
      const patch = (who: keyof typeof people, body: object) =>
        world.send("PATCH", `${members}/${person.userId}`, { ...as(who), body })
      const raised = await patch("admin", { projects: [{ project_id: projectId, role: "project_contributor" }] })
      expect(raised.body.projects).toEqual([{ project_id: projectId, role: "project_contributor" }])
      expect((await patch("admin", { projects: [{ project_id: second.id, role: "project_viewer" }] })).status).toBe(404)
      expect((await patch("admin", { role: "tenant_admin" })).status).toBe(403)
      expect((await patch("viewer", { role: "member" })).status).toBe(403)
      expect((await patch("stranger", { role: "member" })).status).toBe(404)
      await patch("boss", { projects: [{ project_id: second.id, role: "project_admin" }] })
      const seen = await patch("admin", { projects: [] })
      expect(seen.body.projects).toEqual([{ project_id: projectId, role: "project_contributor" }])
      expect(
        (await world.send("PATCH", `${members}/${people.stranger.userId}`, { ...as("boss"), body: { role: "member" } })).status,
      ).toBe(404)
    })

    test("who is taken out of a project loses the tokens made there and the way in, at once", async () => {
      const person = await world.person(email(), "acme", "project_contributor", projectId)
      const made = await world.send("POST", "/v1/pats", {
        ...{ as: person.session, tenant: "acme", project: projectId },
        body: { display_name: "mine", scopes: ["pat:manage"] },
      })
      const { id, token } = made.body
      const ways = [{ pat: token }, { as: person.session, tenant: "acme", project: projectId }]
      const use = () => Promise.all(ways.map(async way => (await world.send("GET", "/v1/pats", way)).status))
      expect(await use()).toEqual([200, 200])
      const body = { projects: [{ project_id: projectId, role: null }] }
      expect((await world.send("PATCH", `${members}/${person.userId}`, { ...as("admin"), body })).status).toBe(200)
      expect(await use()).toEqual([401, 403])
      expect(await world.vault.get("acme", `pat:${id}`)).toBeNull()
    })

    test("who is removed from the workspace is out at once, and stays a member elsewhere", async () => {
      const person = await world.person(email(), "acme", "project_contributor", projectId)
      const { token } = await world.pat(person.userId, "acme", projectId, ["pat:manage"])
      const elsewhere = await world.auth.createInvite({ tenantId: "other", email: `person${named - 1}@example.org` })
      await world.send("POST", "/v1/tenants/invites/accept", { as: person.session, body: { token: elsewhere.token } })
      const session = { as: person.session, tenant: "acme", project: projectId }
      expect((await world.send("GET", "/v1/pats", session)).status).toBe(200)
      expect((await world.send("DELETE", `${members}/${person.userId}`, as("admin"))).status).toBe(403)
      expect((await world.send("DELETE", `${members}/${person.userId}`, as("boss"))).status).toBe(204)
      expect((await world.send("GET", "/v1/pats", session)).status).toBe(403)
      expect((await world.send("GET", "/v1/pats", { pat: token })).status).toBe(401)
      expect((await world.send("DELETE", `${members}/${person.userId}`, as("boss"))).status).toBe(404)
      const me = await world.send("GET", "/v1/auth/me", { as: person.session })
      expect(me.body.tenants.map((t: { id: string }) => t.id)).toEqual(["other"])
    })

    const invite = (by: string, body: object, tenant = "acme") =>
      world.send("POST", `/v1/tenants/${tenant}/members`, { as: by, tenant, body })
    const join = (invite_token: string, address: string) =>
      world.send("POST", "/v1/auth/register", { body: { email: address, password: PASSWORD, invite_token } })

    for (const [how, change] of [
      ["removed", null],
      ["demoted in the project", { projects: [{ project_id: "the project", role: "project_contributor" }] }],
      ["taken out of the project", { projects: [{ project_id: "the project", role: null }] }],
    ] as const)
      test(`an invitation ends when its inviter is ${how}`, async () => {
        const inviter = await world.person(email(), "acme", "project_admin", projectId)
        const [first, second] = [email(), email()]
        const role = { role: "project_admin", project_id: projectId }
        const fresh = await invite(inviter.session, { email: first, ...role })
        const known = await world.person(second, "other", "member")
        const forKnown = await invite(inviter.session, { email: second, ...role })
        const path = `${members}/${inviter.userId}`
        const projects = change?.projects.map(p => ({ ...p, project_id: projectId }))
        const changed = await world.send(change ? "PATCH" : "DELETE", path, {
          ...as("boss"),
          ...(change && { body: { projects } }),
        })
        expect(changed.status).toBe(change ? 200 : 204)
        expect((await world.send("GET", `/invite?token=${fresh.body.token}`)).status).toBe(410)
        const refused = await join(fresh.body.token, first)
        expect([refused.status, refused.body.code]).toEqual([410, "LINK_EXPIRED"])
        const accept = { as: known.session, body: { token: forKnown.body.token } }
        expect((await world.send("POST", "/v1/tenants/invites/accept", accept)).status).toBe(410)
        expect(await world.store.userByEmail(first)).toBeNull()
        // A right that comes back brings no old links with it.
        if (change) {
          const body = { projects: [{ project_id: projectId, role: "project_admin" }] }
          await world.send("PATCH", path, { ...as("boss"), body })
          expect((await join(fresh.body.token, first)).status).toBe(410)
        }
      })

    test("an admin who becomes a member keeps only the invitations that a member with the remaining roles may make", async () => {
      const inviter = await world.person(email(), "acme", "tenant_admin")
      const [boss, helper] = [email(), email()]
      const above = await invite(inviter.session, { email: boss, role: "tenant_admin" })
      const within = await invite(inviter.session, { email: helper, role: "project_viewer", project_id: projectId })
      const body = { role: "member", projects: [{ project_id: projectId, role: "project_admin" }] }
      expect((await world.send("PATCH", `${members}/${inviter.userId}`, { ...as("boss"), body })).status).toBe(200)
      expect((await join(above.body.token, boss)).status).toBe(410)
      expect((await join(within.body.token, helper)).status).toBe(201)
    })

    test("the inviter's right is judged again when the link is used, whatever was deleted before", async () => {
      const inviter = await world.person(email(), "acme", "tenant_admin")
      const [first, second] = [email(), email()]
      const one = await invite(inviter.session, { email: first, role: "tenant_admin" })
      const two = await invite(inviter.session, { email: second, role: "project_viewer", project_id: projectId })
      const { users, tenantMembers } = world.db.tables
      const set = (disabledAt: number | null) =>
        world.db.write(async tx => void (await tx.update(users).set({ disabledAt }).where(eq(users.id, inviter.userId))))
      await set(1)
      expect((await join(one.body.token, first)).status).toBe(410)
      await set(null)
      await world.db.write(
        async tx => void (await tx.update(tenantMembers).set({ role: "member" }).where(eq(tenantMembers.userId, inviter.userId))),
      )
      for (const [link, address] of [
        [one, first],
        [two, second],
      ] as const) {
        expect((await join(link.body.token, address)).status).toBe(410)
        expect(await world.store.userByEmail(address)).toBeNull()
      }
      world.access.changed()
    })

    test("who was removed does not come back by an older invitation", async () => {
      const address = email()
      const again = await world.auth.createInvite({ tenantId: "acme", email: address })
      const person = await world.auth.ensureAdmin({ email: address, password: PASSWORD, tenantId: "acme", projectId })
      expect((await world.send("DELETE", `${members}/${person.userId}`, as("boss"))).status).toBe(204)
      expect(await world.auth.peekLink(again.token, "invite")).toBeNull()
    })

    test("open invitations are listed without their links, and taken back, by who manages them", async () => {
      const invites = "/v1/tenants/acme/invites"
      const { body: side } = await world.send("POST", "/v1/projects", { ...as("boss"), body: { name: `Side ${email()}` } })
      const [here, there] = [email(), email()]
      const mine = await invite(people.admin.session, { email: here, role: "project_viewer", project_id: projectId })
      const other = await invite(people.boss.session, { email: there, role: "project_admin", project_id: side.id })
      const list = async (who: keyof typeof people) => world.send("GET", `${invites}?limit=100`, as(who))
      const seen = await list("boss")
      const found = seen.body.invites.find((i: { id: string }) => i.id === mine.body.id)
      expect(found).toEqual({
        id: mine.body.id,
        email: here,
        role: "project_viewer",
        project_id: projectId,
        invited_by: people.admin.userId,
        created_at: new Date(world.time.now).toISOString(),
        expires_at: mine.body.expires_at,
      })
      expect(seen.text).not.toContain(mine.body.token)
      expect(seen.body.total).toBe(seen.body.invites.length)
      const ids = (answer: Awaited<ReturnType<typeof list>>) => answer.body.invites.map((i: { id: string }) => i.id)
      expect(ids(seen)).toContain(other.body.id)
      expect(ids(await list("admin"))).toContain(mine.body.id)
      expect(ids(await list("admin"))).not.toContain(other.body.id)
      expect([(await list("viewer")).status, (await list("stranger")).status]).toEqual([403, 404])
      expect((await world.send("GET", `${invites}?limit=1&offset=1`, as("boss"))).body.invites).toHaveLength(1)

      const remove = async (who: keyof typeof people, id: string, tenant = "acme") =>
        (await world.send("DELETE", `/v1/tenants/${tenant}/invites/${id}`, as(who))).status
      expect(await remove("viewer", mine.body.id)).toBe(403)
      expect(await remove("admin", other.body.id)).toBe(404)
      expect(await remove("stranger", other.body.id)).toBe(404)
      expect(await remove("stranger", other.body.id, "other")).toBe(404)
      expect(await remove("admin", mine.body.id)).toBe(204)
      expect(await remove("boss", other.body.id)).toBe(204)
      expect(await remove("boss", other.body.id)).toBe(404)
      expect((await join(mine.body.token, here)).status).toBe(410)
      expect((await join(other.body.token, there)).status).toBe(410)
    })

    test("anybody may leave", async () => {
      const person = await world.person(email(), "acme", "member")
      const leave = await world.send("DELETE", `${members}/${person.userId}`, { as: person.session, tenant: "acme" })
      expect(leave.status).toBe(204)
    })

    test("the last admin can be neither removed nor demoted, also when two admins try it on each other at once", async () => {
      const alone = await world.send("DELETE", `/v1/tenants/other/members/${people.stranger.userId}`, as("stranger"))
      expect([alone.status, alone.body.code]).toEqual([409, "LAST_ADMIN"])
      const second = await world.person(email(), "other", "tenant_admin")
      const demote = (by: string, userId: string) =>
        world.send("PATCH", `/v1/tenants/other/members/${userId}`, { as: by, tenant: "other", body: { role: "member" } })
      const answers = await Promise.all([
        demote(people.stranger.session, second.userId),
        demote(second.session, people.stranger.userId),
      ])
      expect(answers.filter(a => a.status === 200)).toHaveLength(1)
      // 403 where the first was through before the second was judged.
      expect(answers.filter(a => [409, 403].includes(a.status))).toHaveLength(1)
    })

    test("a token cannot let anybody in, whatever its scopes", async () => {
      const { token } = await world.pat(people.boss.userId, "acme", projectId, ["pat:manage", "billing:manage", "workflow:write"])
      const body = { email: email(), role: "tenant_admin" }
      expect((await world.send("POST", members, { pat: token, body })).body.code).toBe("SESSION_REQUIRED")
      expect((await world.send("POST", "/v1/projects", { pat: token, body: { name: "x" } })).body.code).toBe("SESSION_REQUIRED")
      expect((await world.send("GET", "/v1/projects", { pat: token })).status).toBe(200)
    })
  })
}
