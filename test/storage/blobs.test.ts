import { afterEach, beforeEach, expect, test } from "bun:test"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Blobs } from "../../src/storage/blobs.ts"
import { StorageFull } from "../../src/storage/database.ts"

let folder = ""
let blobs: Blobs
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "agentruntime-blobs-"))
  blobs = new Blobs(folder)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const bytes = new TextEncoder().encode("content")
const sha256 = new Bun.CryptoHasher("sha256").update(bytes).digest("hex")
const place = join(sha256.slice(0, 2), sha256)

test("a content is found once it is put, and gone once it is dropped", async () => {
  expect(await blobs.find(sha256, bytes.length)).toBeNull()

  await blobs.put(sha256, bytes)
  await blobs.put(sha256, bytes)

  expect(await blobs.find(sha256, bytes.length)).toBe(join(folder, place))
  expect(readFileSync(join(folder, place), "utf8")).toBe("content")
  expect(await Array.fromAsync(blobs.list())).toEqual([[sha256]])
  await blobs.drop(sha256)
  await blobs.drop(sha256)
  expect(await blobs.find(sha256, bytes.length)).toBeNull()
})

test("a full disk is told as such, and nothing is left of what did not fit", async () => {
  mkdirSync(join(folder, sha256.slice(0, 2)))
  symlinkSync("/dev/full", join(folder, `${place}.1.part`)) // whatever is written there meets a full disk

  const refused = await blobs.put(sha256, bytes).catch((error: unknown) => error)

  expect(refused).toBeInstanceOf(StorageFull)
  expect(readdirSync(folder, { recursive: true })).toEqual([sha256.slice(0, 2)])
  await blobs.put(sha256, bytes)
  expect(await blobs.find(sha256, bytes.length)).not.toBeNull()
})

test("a name that is no hash reaches no file", async () => {
  for (const name of ["", "..", "../master.key", "ab/../../x", `${sha256}/..`, sha256.toUpperCase(), `${sha256}\0`]) {
    expect(blobs.find(name, 1)).rejects.toThrow("named by their hash")
    expect(blobs.drop(name)).rejects.toThrow("named by their hash")
    expect(() => blobs.locked(name, async () => {})).toThrow("named by their hash")
  }
})
