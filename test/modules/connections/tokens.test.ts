import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createGoogleSignIn } from "../../../src/adapters/google/openid.ts"
import { createMcpSignIn } from "../../../src/adapters/mcp/oauth.ts"
import { openVault } from "../../../src/adapters/vault/open.ts"
import { createWhatsAppGraph } from "../../../src/adapters/whatsapp/graph.ts"
import { type Caller, NOBODY } from "../../../src/http/permission.ts"
import { type Connections, createConnections } from "../../../src/modules/connections/open.ts"
import { VaultStore } from "../../../src/storage/vault-store.ts"
import { egressFor } from "../../adapters/egress/places.ts"
import { dialects, type TemporaryDatabase } from "../../helpers/database.ts"
import { type AuthorizationServer, openAuthorizationServer } from "./authorization-server.ts"
import { CLIENT_ID, CLIENT_SECRET, type Google, openGoogle } from "./google.ts"

const caller: Caller = { ...NOBODY, userId: "u1", via: "session", tenantId: "acme", projectId: "p1", role: "project_contributor" }
const folder = mkdtempSync(join(tmpdir(), "agentruntime-tokens-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

for (const dialect of dialects)
  describe(`tokens on ${dialect.name}`, () => {
    let google: Google
    let peer: AuthorizationServer
    let temporary: TemporaryDatabase
    let connections: Connections
    const time = { now: Date.UTC(2026, 5, 10) }
    const warned: string[] = []

    /** One process of those that share the database. */
    async function boot(): Promise<Connections> {
      const { db } = temporary
      const clock = { now: () => time.now }
      const ids = {
        uuid: () => Bun.randomUUIDv7(),
        secret: (n: number) => Buffer.from(crypto.getRandomValues(new Uint8Array(n))).toString("base64url"),
      }
      const egress = egressFor(`${new URL(google.issuer).host},${peer.host}`)
      const server = { id: "s1", name: "Notes", canonicalUrl: peer.url, authMode: "oauth" }
      const client = { issuer: google.issuer, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET }
      const app = { appId: null, appSecret: null, configId: null, graphVersion: "v20.0" }
      return createConnections({
        ...{ db, clock, ids, publicUrl: "https://agents.example.test" },
        vault: await openVault({ keyFile: join(folder, `${dialect.name}.key`), rows: new VaultStore(db), clock }),
        log: { warn: (fields, message) => void warned.push(JSON.stringify(fields) + message) },
        workflows: { row: async () => expect.unreachable() },
        events: { publish: async () => {} },
        google: { signIn: createGoogleSignIn({ ...client, egress, clock }), missingSetting: "google.client_id", scopes: {} },
        mcp: {
          signIn: createMcpSignIn({ egress, now: clock.now, newState: () => ids.secret(32) }),
          serverOf: async () => server,
        },
        whatsapp: {
          app,
          graph: createWhatsAppGraph({ egress, url: "https://graph.example", version: "v20.0", appId: "", appSecret: "" }),
        },
      })
    }

    beforeAll(async () => {
      temporary = await dialect.open()
      google = await openGoogle()
      peer = await openAuthorizationServer()
    })
    afterAll(async () => {
      google.close()
      peer.close()
      await temporary.close()
    })
    beforeEach(async () => {
      connections = await boot()
      const { connections: left } = await connections.service.list(caller, {}, { limit: 100, offset: 0 })
      for (const { id } of left) await connections.service.delete(caller, id, "forced")
      warned.length = 0
      Object.assign(google.state, { refreshes: 0, mood: "good", rotates: false, expiresIn: 3600, gate: Promise.resolve() })
    })
    afterEach(() => {
      google.state.mood = "good"
    })

    async function connect(connectionId?: string): Promise<string> {
      const wish = { services: ["gmail"], ...(connectionId === undefined ? {} : { connection_id: connectionId }) }
      const { code, state } = google.consent((await connections.google.begin(caller, wish)).url)
      return (await connections.google.complete(caller, { code, state })).id
    }
    const scope = { tenantId: "acme" }
    const read = (id: string, from = connections) => from.credentialsOf(scope, id)
    async function token(id: string, from = connections): Promise<string> {
      const credentials = await read(id, from)
      if (!credentials.ok) throw new Error(credentials.message)
      return credentials.values.access_token ?? ""
    }
    const status = async (id: string) => (await connections.service.get(caller, id)).status
    const pass = (minutes: number) => {
      time.now += minutes * 60_000
    }

    test("given a token that is good, nothing is refreshed, and what renews it is given to nobody", async () => {
      const id = await connect()
      const credentials = await read(id)
      expect(credentials).toMatchObject({ ok: true, provider: "google_account", service: "oauth" })
      expect(credentials.ok && Object.keys(credentials.values)).toEqual(["access_token"])
      expect(google.state.refreshes).toBe(0)
    })

    test("given one that is about to run out, 200 who ask at once make one refresh and get the same token", async () => {
      google.state.rotates = true
      const id = await connect()
      const before = await token(id)
      pass(59.5)
      const tokens = await Promise.all(Array.from({ length: 200 }, () => token(id)))
      expect(new Set(tokens).size).toBe(1)
      expect(tokens[0]).not.toBe(before)
      expect(google.state.refreshes).toBe(1)
      pass(60)
      expect(await token(id)).not.toBe(tokens[0]!)
      expect(google.state.refreshes).toBe(2)
    })

    test("the loop renews ahead of the end, tells of the change, and leaves the others alone", async () => {
      const id = await connect()
      const changed: string[] = []
      connections.saved.onChange((_, connection) => void changed.push(connection))
      await connections.refresh(time.now)
      expect(google.state.refreshes).toBe(0)
      pass(58)
      await connections.refresh(time.now)
      expect(google.state.refreshes).toBe(1)
      expect(changed).toContain(id)
      await connections.refresh(time.now)
      expect(google.state.refreshes).toBe(1)
    })

    for (const mood of ["fails", "garbage"] as const)
      test(`while the token endpoint ${mood}, a token is used to its end; afterwards it is said, and the connection stays`, async () => {
        const id = await connect()
        const before = await token(id)
        pass(59.5)
        google.state.mood = mood
        expect(await token(id)).toBe(before)
        pass(5)
        const refused = await read(id)
        expect(refused.ok).toBe(false)
        expect(!refused.ok && refused.message).toMatch(/could not be renewed.*try again/)
        expect(await status(id)).toBe("active")
        google.state.mood = "good"
        expect(await token(id)).not.toBe(before)
      })

    test("once the consent was taken back somebody has to connect again, which mends it", async () => {
      const id = await connect()
      google.revoke()
      pass(60)
      const refused = await read(id)
      expect(!refused.ok && refused.message).toContain("has to be connected again")
      expect(await connections.service.get(caller, id)).toMatchObject({
        status: "reconnect_required",
        status_reason: expect.stringContaining("consent"),
      })
      const { refreshes } = google.state
      expect((await read(id)).ok).toBe(false)
      expect(google.state.refreshes).toBe(refreshes)

      expect(await connect(id)).toBe(id)
      expect(await status(id)).toBe("active")
      expect((await read(id)).ok).toBe(true)
    })

    test("an answer that repeats what it was sent is told without it", async () => {
      const id = await connect()
      pass(60)
      google.state.mood = "echoes"
      const refused = await read(id)
      const told = JSON.stringify([refused, await connections.service.get(caller, id), warned])
      for (const secret of [...google.issued, CLIENT_SECRET]) expect(told).not.toContain(secret)
    })

    test("tokens of a connection that was connected again while a refresh was under way are not overwritten by the older ones", async () => {
      const id = await connect()
      pass(60)
      let open = () => {}
      google.state.gate = new Promise<void>(resolve => {
        open = resolve
      })
      const late = token(id)
      while (google.seen.at(-1)?.body.includes("grant_type=refresh_token") !== true) await Bun.sleep(1)
      google.state.gate = Promise.resolve()
      await connect(id)
      const newest = await token(id)
      open()
      expect(await late).toBe(newest)
      expect(await token(id)).toBe(newest)
    })

    test("a connection that was deleted while a refresh was under way stays deleted, with all its secrets", async () => {
      const id = await connect()
      pass(60)
      let open = () => {}
      google.state.gate = new Promise<void>(resolve => {
        open = resolve
      })
      const late = read(id)
      while (google.seen.at(-1)?.body.includes("grant_type=refresh_token") !== true) await Bun.sleep(1)
      await connections.service.delete(caller, id, "guarded")
      open()
      expect((await late).ok).toBe(false)
      const { vaultSecrets } = temporary.db.tables
      const names = await temporary.db.read.select({ name: vaultSecrets.name }).from(vaultSecrets)
      expect(names.filter(row => row.name.includes(id))).toEqual([])
    })

    test("of two processes that refresh at once, the one whose token was rotated away goes on with the other's", async () => {
      google.state.rotates = true
      const id = await connect()
      const other = await boot()
      pass(60)
      const tokens = await Promise.all([token(id), token(id, other)])
      expect(google.state.refreshes).toBe(2)
      expect(await status(id)).toBe("active")
      expect(tokens).toContain(await token(id))
    })

    test("a conversation whose token was refused gets another, once for all who were refused", async () => {
      const id = await connect()
      const oauth = connections.oauthOf(scope, id)
      const refused = (await oauth.accessToken())!
      expect(await Promise.all([oauth.refresh(refused), oauth.refresh(refused), oauth.refresh(refused)])).toEqual([
        true,
        true,
        true,
      ])
      expect(google.state.refreshes).toBe(1)
      expect(await oauth.accessToken()).not.toBe(refused)
      google.revoke()
      expect(await oauth.refresh((await oauth.accessToken())!)).toBe(false)
      expect(await oauth.accessToken()).toBeNull()
    })

    test("tokens of an MCP server are renewed with what it was signed in by, until the sign-in there is over", async () => {
      const begun = await connections.mcp.begin(caller, { server_id: "s1" })
      const { id } = await connections.mcp.complete(caller, peer.consent(begun.url))
      const first = await read(id)
      expect(first.ok && Object.keys(first.values)).toEqual(["access_token"])
      pass(9.5)
      const tokens = await Promise.all([token(id), token(id), token(id, await boot())])
      expect(tokens[0]).not.toBe(first.ok ? first.values.access_token : "")
      expect(tokens[1]).toBe(tokens[0]!)
      expect(await status(id)).toBe("active")
      pass(20)
      await token(id)
      peer.revoke()
      pass(20)
      expect((await read(id)).ok).toBe(false)
      expect(await status(id)).toBe("reconnect_required")
    })

    test("a token that nothing renews is good to its end, and then ends the connection", async () => {
      const wish = { displayName: "N", provider: "whatsapp", service: "whatsapp", values: { access_token: "t" } }
      const { id } = await connections.saved.create(caller, { ...wish, expiresAt: time.now + 60_000 })
      await connections.refresh(time.now)
      expect(await token(id)).toBe("t")
      pass(2)
      await connections.refresh(time.now)
      expect(await status(id)).toBe("reconnect_required")
      expect((await read(id)).ok).toBe(false)
    })

    test("another workspace gets nothing by its id, in the words for one that never was", async () => {
      const id = await connect()
      const theirs = await connections.credentialsOf({ tenantId: "globex" }, id)
      expect(theirs).toEqual(await connections.credentialsOf({ tenantId: "globex" }, Bun.randomUUIDv7()))
      expect(theirs.ok).toBe(false)
      expect(await connections.oauthOf({ tenantId: "globex" }, id).accessToken()).toBeNull()
    })

    test("no secret is in the database in any spelling", async () => {
      const id = await connect()
      const { tables, read: from } = temporary.db
      const kept = JSON.stringify([
        await from.select().from(tables.connections),
        await from.select().from(tables.connectionCredentials),
        await from.select().from(tables.oauthStates),
        await from.select().from(tables.vaultSecrets),
        await connections.service.get(caller, id),
      ])
      for (const secret of [...google.issued, CLIENT_SECRET]) {
        const spellings = [
          secret,
          Buffer.from(secret).toString("base64"),
          Buffer.from(secret).toString("hex"),
          encodeURIComponent(secret),
        ]
        for (const spelling of spellings) expect(kept).not.toContain(spelling)
      }
    })

    test("sign-ins that were not ended are swept with their secrets", async () => {
      await connections.google.begin(caller, { services: ["gmail"] })
      pass(11)
      while ((await connections.sweep(time.now)) > 0);
      const { vaultSecrets, oauthStates } = temporary.db.tables
      expect(await temporary.db.read.$count(oauthStates)).toBe(0)
      const names = await temporary.db.read.select({ name: vaultSecrets.name }).from(vaultSecrets)
      expect(names.filter(row => row.name.startsWith("oauth_state:"))).toEqual([])
    })
  })
