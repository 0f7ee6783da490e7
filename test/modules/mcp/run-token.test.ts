import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openVault } from "../../../src/adapters/vault/open.ts"
import { createRunTokens, type RunTokens } from "../../../src/modules/mcp/run-token.ts"
import { VaultStore } from "../../../src/storage/vault-store.ts"
import { dialects, type TemporaryDatabase } from "../../helpers/database.ts"

const DAY_MS = 86_400_000
const claims = { tenantId: "acme", projectId: "p1", instanceId: "i1", serverId: "s1", runId: "r1", userId: null }

for (const dialect of dialects) {
  describe(`run tokens on ${dialect.name}`, () => {
    let temporary: TemporaryDatabase
    let folder: string
    let now = 0
    const clock = { now: () => now }
    const ids = {
      uuid: () => Bun.randomUUIDv7(),
      secret: (n: number) => Buffer.alloc(n, Math.random() * 255).toString("base64url"),
    }
    const open = async (): Promise<RunTokens> => {
      const vault = await openVault({ keyFile: join(folder, "master.key"), rows: new VaultStore(temporary.db), clock })
      return createRunTokens({ vault, ids, clock, transaction: body => temporary.db.write(body) })
    }

    beforeEach(async () => {
      now = Date.UTC(2026, 0, 1)
      folder = mkdtempSync(join(tmpdir(), "agentruntime-tokens-"))
      temporary = await dialect.open()
    })
    afterEach(async () => {
      await temporary.close()
      rmSync(folder, { recursive: true, force: true })
    })

    test("a token says what it was made for, to every process that has the vault, for thirty days", async () => {
      const [one, other] = [await open(), await open()]
      const [token, second] = await Promise.all([one.issue(claims), other.issue({ ...claims, instanceId: null })])
      expect(await other.verify(token)).toEqual(claims)
      expect(await one.verify(second)).toEqual({ ...claims, instanceId: null })
      now += 30 * DAY_MS - 1
      expect(await one.verify(token)).toEqual(claims)
      now += 1
      expect(await one.verify(token)).toBeNull()
    })

    test("whoever changes one character of it, or signs with another workspace's key, has nothing", async () => {
      const tokens = await open()
      const token = await tokens.issue(claims)
      for (let i = 0; i < token.length; i += 7) {
        const forged = token.slice(0, i) + (token[i] === "A" ? "B" : "A") + token.slice(i + 1)
        // The last character of base64url has bits that are not read, and is as good as its twin.
        if (i !== token.length - 1) expect(await tokens.verify(forged)).toBeNull()
      }
      const foreign = await tokens.issue({ ...claims, tenantId: "globex" })
      const [body] = token.slice(3).split(".")
      const [, signature] = foreign.slice(3).split(".")
      expect(await tokens.verify(`rt_${body}.${signature}`)).toBeNull()
    })

    test("what is no token is nothing, whatever it is", async () => {
      const tokens = await open()
      await tokens.issue(claims)
      const bodies = ["{}", "[]", "null", '["a\\u0000b","p","i","s",null,null,9e15]', '["acme"]', "[".repeat(500), "x"]
      const shaped = bodies.map(text => `rt_${Buffer.from(text.padEnd(20)).toString("base64url")}.${"A".repeat(43)}`)
      for (const text of ["", "rt_", "pat_x", "rt_a.b", `rt_${"A".repeat(3_000)}.${"A".repeat(43)}`, ...shaped]) {
        expect(await tokens.verify(text)).toBeNull()
      }
    })
  })
}
