import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { eq } from "drizzle-orm"
import { createMasterKey, masterKeyOf, openMasterKey, readMasterKey } from "../../../src/adapters/vault/master-key.ts"
import { openVault } from "../../../src/adapters/vault/open.ts"
import { nextKeyFile, rotateMasterKey, rotationIsOpen } from "../../../src/adapters/vault/rotate.ts"
import { AppError } from "../../../src/kernel/errors.ts"
import { VaultStore } from "../../../src/storage/vault-store.ts"
import { dialects, type TemporaryDatabase } from "../../helpers/database.ts"

const clock = { now: () => 1_700_000_000_000 }

let folder = ""
let keyFile = ""
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "agentruntime-vault-"))
  keyFile = join(folder, "master.key")
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

for (const dialect of dialects) {
  describe(`the vault on ${dialect.name}`, () => {
    let temporary: TemporaryDatabase
    beforeAll(async () => {
      temporary = await dialect.open()
    })
    afterAll(() => temporary.close())
    beforeEach(async () => {
      const { vaultSecrets, vaultKeys, instanceFacts } = temporary.db.tables
      await temporary.db.write(async tx => {
        await tx.delete(vaultSecrets)
        await tx.delete(vaultKeys)
        await tx.delete(instanceFacts)
      })
    })

    const rows = () => new VaultStore(temporary.db)
    const open = () => openVault({ keyFile, rows: rows(), clock })

    test("gives back what was put, the newer value, and null for what was deleted or never there", async () => {
      const vault = await open()
      await vault.put("acme", "a", "first")
      await vault.put("acme", "a", "second — ünïcödé")
      await vault.put("acme", "b", "")
      expect(await vault.get("acme", "a")).toBe("second — ünïcödé")
      expect(await vault.get("acme", "b")).toBe("")
      await vault.delete("acme", "a")
      expect(await vault.get("acme", "a")).toBeNull()
      expect(await vault.get("other", "b")).toBeNull()
    })

    test("a later start with the same key file reads what an earlier one wrote", async () => {
      await (await open()).put("acme", "a", "kept")
      expect(await (await open()).get("acme", "a")).toBe("kept")
    })

    test("a write in a transaction that fails leaves neither the secret nor a data key that later seals anything", async () => {
      const vault = await open()
      const failed = temporary.db.write(async tx => {
        await vault.put("acme", "a", "gone", tx)
        expect(await vault.get("acme", "a", tx)).toBe("gone")
        throw new Error("no")
      })
      await failed.catch(() => {})
      expect(await vault.get("acme", "a")).toBeNull()
      await vault.put("acme", "b", "stays")
      expect(await (await open()).get("acme", "b")).toBe("stays")
    })

    test("a secret whose bytes were changed is refused", async () => {
      await (await open()).put("acme", "a", "secret")
      const { vaultSecrets } = temporary.db.tables
      const sealed = Buffer.from((await rows().secret("acme", "a")) ?? [])
      for (const at of [0, 1, 13, sealed.length - 1]) {
        const changed = Buffer.from(sealed)
        changed[at]! ^= 1
        await temporary.db.write(async tx => void (await tx.update(vaultSecrets).set({ sealed: changed })))
        await expectRefusal((await open()).get("acme", "a"), "VAULT_DAMAGED")
      }
      await temporary.db.write(async tx => void (await tx.update(vaultSecrets).set({ sealed: sealed.subarray(0, 10) })))
      await expectRefusal((await open()).get("acme", "a"), "VAULT_DAMAGED")
    })

    test("rows that were swapped are refused: between names, and data keys between workspaces", async () => {
      const vault = await open()
      const { vaultSecrets, vaultKeys } = temporary.db.tables
      await vault.put("acme", "a", "for a")
      await vault.put("acme", "b", "for b")
      const a = Buffer.from((await rows().secret("acme", "a")) ?? [])
      await temporary.db.write(
        async tx => void (await tx.update(vaultSecrets).set({ sealed: a }).where(eq(vaultSecrets.name, "b"))),
      )
      await expectRefusal(vault.get("acme", "b"), "VAULT_DAMAGED")

      await vault.put("other", "a", "for other")
      const key = await rows().key("acme")
      const swapped = { wrappedKey: Buffer.from(key?.wrappedKey ?? []) }
      await temporary.db.write(async tx => void (await tx.update(vaultKeys).set(swapped).where(eq(vaultKeys.tenantId, "other"))))
      await expectRefusal((await open()).get("other", "a"), "VAULT_DAMAGED")
    })

    test("another master key is refused at the start, with a sentence that says what to do", async () => {
      await (await open()).put("acme", "a", "secret")
      rmSync(keyFile)
      createMasterKey(keyFile)
      const error = await expectRefusal(open(), "MASTER_KEY_WRONG")
      expect(error.message).toContain("Put the right file there")
    })

    test("a missing master key is refused once the database has known one, and no new one is made", async () => {
      await open()
      rmSync(keyFile)
      await expectRefusal(open(), "MASTER_KEY_MISSING")
      expect(readdirSync(folder)).toEqual([])
    })

    test("after a rotation the secrets open with the new key, and no longer with the old one", async () => {
      const before = await open()
      await before.put("acme", "a", "kept")
      await before.put("other", "b", "kept too")
      const old = readFileSync(keyFile)
      await rotateMasterKey(keyFile, rows())
      const after = await open()
      expect(await after.get("acme", "a")).toBe("kept")
      expect(await after.get("other", "b")).toBe("kept too")
      writeFileSync(keyFile, old)
      await expectRefusal(open(), "MASTER_KEY_WRONG")
    })

    test("a rotation cut off anywhere is finished by the next start", async () => {
      const tenants = Array.from({ length: 230 }, (_, i) => `tenant-${i}`)
      const vault = await open()
      await temporary.db.write(async tx => {
        for (const tenant of tenants) await vault.put(tenant, "s", `secret of ${tenant}`, tx)
      })
      for (const batches of [0, 1, 2]) {
        await rotateMasterKey(keyFile, failingAfter(batches)).catch(() => {})
        expect(rotationIsOpen(keyFile)).toBe(true)
        const again = await open()
        expect(rotationIsOpen(keyFile)).toBe(false)
        for (const tenant of [tenants[0], tenants[99], tenants[100], tenants[229]] as string[])
          expect(await again.get(tenant, "s")).toBe(`secret of ${tenant}`)
      }
    })

    test("a rotation cut off between its last commit and the renaming of the file is finished by the next start", async () => {
      await (await open()).put("acme", "a", "kept")
      const old = readFileSync(keyFile)
      await rotateMasterKey(keyFile, rows())
      renameSync(keyFile, nextKeyFile(keyFile))
      writeFileSync(keyFile, old, { mode: 0o600 })
      expect(await (await open()).get("acme", "a")).toBe("kept")
      expect(existsSync(nextKeyFile(keyFile))).toBe(false)
    })

    function failingAfter(batches: number): VaultStore {
      const store = rows()
      let left = batches
      store.transaction = body => {
        if (left-- > 0) return temporary.db.write(body)
        throw new Error("power failure")
      }
      return store
    }
  })
}

describe("the master key's file", () => {
  test("is made once, readable by its owner only, and nothing else is left beside it", () => {
    const made = openMasterKey(keyFile, null)
    expect(statSync(keyFile).mode & 0o777).toBe(0o600)
    expect(readdirSync(folder)).toEqual(["master.key"])
    expect(openMasterKey(keyFile, made.fingerprint).fingerprint).toBe(made.fingerprint)
  })

  test("that is there already wins over a new one", () => {
    const first = createMasterKey(keyFile)
    expect(createMasterKey(keyFile).fingerprint).toBe(first.fingerprint)
  })

  test.skipIf(process.platform === "win32")("that others can read is refused with the command that repairs it", () => {
    createMasterKey(keyFile)
    for (const mode of [0o640, 0o604, 0o666]) {
      chmodSync(keyFile, mode)
      expect(() => readMasterKey(keyFile)).toThrow(`chmod 600 '${keyFile}'`)
    }
  })

  test("may hold hex or base64, with or without the last line's end; anything else is damaged", () => {
    const bytes = Buffer.alloc(32, 0xfb)
    for (const text of [
      bytes.toString("hex"),
      `${bytes.toString("hex").toUpperCase()}\n`,
      bytes.toString("base64"),
      bytes.toString("base64url"),
    ]) {
      writeFileSync(keyFile, text, { mode: 0o600 })
      expect(readMasterKey(keyFile).fingerprint).toBe(masterKeyOf(bytes).fingerprint)
    }
    for (const text of ["", "secret", bytes.subarray(1).toString("hex"), `${bytes.toString("hex")}00`]) {
      writeFileSync(keyFile, text)
      expect(() => readMasterKey(keyFile)).toThrow("damaged")
    }
  })

  test("is not part of its fingerprint", () => {
    const { bytes, fingerprint } = createMasterKey(keyFile)
    expect(fingerprint).toHaveLength(32)
    expect(Buffer.from(bytes).toString("hex")).not.toContain(fingerprint)
  })
})

async function expectRefusal(promise: Promise<unknown>, code: string): Promise<AppError> {
  const error = await promise.then(
    () => null,
    (e: unknown) => e,
  )
  expect(error).toBeInstanceOf(AppError)
  expect((error as AppError).extras.code).toBe(code)
  expect((error as AppError).kind).toBe("unavailable")
  return error as AppError
}
