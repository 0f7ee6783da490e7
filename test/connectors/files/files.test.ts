import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createArgumentCheck } from "../../../src/connectors/arguments.ts"
import type { CallContext, Connector } from "../../../src/connectors/connector.ts"
import { createFilesConnector } from "../../../src/connectors/files/connector.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { callContext } from "../call.ts"

let base = ""
let data = ""
let root = ""
let outside = ""
let time = 0
let files: Connector

/** A project's folder with good files in it and every trap around it. */
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), "agentruntime-files-")))
  data = join(base, "data")
  root = join(data, "files", "p1")
  outside = join(base, "outside")
  for (const folder of [root, join(data, "files", "p2"), outside]) mkdirSync(folder, { recursive: true })
  writeFileSync(join(data, "master.key"), "secret")
  writeFileSync(join(outside, "secret.txt"), "secret")
  writeFileSync(join(data, "files", "p2", "secret.txt"), "secret")
  time = 0
  files = createFilesConnector({
    rootOf: ({ projectId }) => join(data, "files", projectId),
    allowedRoots: [outside],
    forbiddenRoots: [data],
    maxProjectMb: 1,
    clock: { now: () => time },
  })
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

const check = createArgumentCheck()
async function ask(tool: string, args: JsonObject, change: Partial<CallContext> = {}) {
  const checked = check(files.tools.find(t => t.name === tool)!, args)
  if (!checked.ok) return { ...checked, retryable: false }
  return await files.call(tool, checked.args, callContext({ config: { files_allow_write: true }, ...change }))
}
// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
async function value(tool: string, args: JsonObject, change: Partial<CallContext> = {}): Promise<any> {
  const result = await ask(tool, args, change)
  if (!("value" in result)) throw new Error(result.ok ? "" : result.message)
  return result.value
}
async function message(tool: string, args: JsonObject, change: Partial<CallContext> = {}): Promise<string> {
  const result = await ask(tool, args, change)
  return result.ok ? `it was not refused: ${JSON.stringify(result).slice(0, 200)}` : result.message
}
const read = (path: string, more: JsonObject = {}) => value("files_read", { path, ...more })
const write = (path: string, content: string, more: JsonObject = {}) => value("files_write", { path, content, ...more })
const paths = async (args: JsonObject = {}) => (await value("files_list", args)).entries.map((e: JsonObject) => e.path)

describe("a file", () => {
  test("that was written is read, listed and deleted", async () => {
    expect(await write("reports/2026/june.txt", "Grüße 😀")).toEqual({
      path: "reports/2026/june.txt",
      size_bytes: 12,
      bytes_written: 12,
      created: true,
    })
    expect(await read("reports/2026/june.txt")).toMatchObject({
      path: "reports/2026/june.txt",
      content: "Grüße 😀",
      encoding: "utf-8",
      size_bytes: 12,
      bytes_read: 12,
      truncated: false,
      next_offset: null,
    })
    expect(await paths({ recursive: true })).toEqual(["reports", "reports/2026", "reports/2026/june.txt"])
    expect(await value("files_delete", { path: "reports/2026/june.txt" })).toEqual({
      path: "reports/2026/june.txt",
      deleted: true,
    })
    expect(await message("files_read", { path: "reports/2026/june.txt" })).toBe('"reports/2026/june.txt" does not exist')
    expect(await message("files_delete", { path: "reports" })).toBe('"reports" is a folder')
  })

  test("is created only where there is none, replaced whole, or added to", async () => {
    await write("a.txt", "one")
    expect(await message("files_write", { path: "a.txt", content: "two" })).toContain("is there already")
    expect(await write("a.txt", "two", { mode: "overwrite" })).toMatchObject({ size_bytes: 3, created: false })
    expect(await write("a.txt", "+three", { mode: "append" })).toMatchObject({ size_bytes: 9, bytes_written: 6, created: false })
    expect((await read("a.txt")).content).toBe("two+three")
    expect(await write("new.txt", "x", { mode: "append" })).toMatchObject({ created: true })
    const racers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => ask("files_write", { path: "race.txt", content: `racer ${i}` })),
    )
    expect(racers.filter(r => r.ok)).toHaveLength(1)
    expect((await read("race.txt")).content).toMatch(/^racer \d$/)
    expect(await paths()).toEqual(["a.txt", "new.txt", "race.txt"])
  })

  test("of bytes comes and goes as base64", async () => {
    const bytes = crypto.getRandomValues(new Uint8Array(1_000))
    await write("b.bin", Buffer.from(bytes).toString("base64"), { encoding: "base64" })
    expect(readFileSync(join(root, "b.bin")).equals(bytes)).toBe(true)
    const { content, encoding } = await read("b.bin")
    expect([encoding, Buffer.from(content, "base64").equals(bytes)]).toEqual(["base64", true])
    writeFileSync(join(root, "nul.bin"), "a\0b")
    expect((await read("nul.bin")).encoding).toBe("base64")
    expect(await message("files_read", { path: "b.bin", encoding: "utf-8" })).toContain("not UTF-8")
    for (const content of ["a", "%%%%", "YQ==YQ=="])
      expect(await message("files_write", { path: "c", content, encoding: "base64" })).toBe("content is not base64")
    writeFileSync(join(root, "latin.txt"), Uint8Array.from([0x63, 0xe9]))
    expect(await read("latin.txt", { encoding: "windows-1252" })).toMatchObject({ content: "cé", encoding: "windows-1252" })
    expect(await message("files_read", { path: "latin.txt", encoding: "klingon" })).toContain("is no encoding")
  })

  test("is read in parts that never cut a character", async () => {
    const text = "aé😀".repeat(1_000)
    await write("long.txt", text)
    let whole = ""
    for (let offset: number | null = 0, parts = 0; offset !== null; parts++) {
      const part: { content: string; encoding: string; next_offset: number | null } = await read("long.txt", {
        offset,
        max_bytes: 1_000,
      })
      expect([part.encoding, parts < 10]).toEqual(["utf-8", true])
      whole += part.content
      offset = part.next_offset
    }
    expect(whole).toBe(text)
    expect(await read("long.txt", { offset: 1_000_000 })).toMatchObject({ content: "", bytes_read: 0, truncated: false })
    writeFileSync(join(root, "controls.txt"), "\u0001".repeat(400_000))
    expect(await message("files_read", { path: "controls.txt", max_bytes: 400_000 })).toContain("ask for less")
  })

  test("is changed only where the configuration says so", async () => {
    const change = { config: {} }
    expect(await message("files_write", { path: "a.txt", content: "x" }, change)).toContain(
      "files_allow_write is not switched on",
    )
    expect(await message("files_delete", { path: "a.txt" }, change)).toContain("files_allow_write is not switched on")
    expect((await value("files_list", {}, { config: {}, scope: { tenantId: "acme", projectId: "new" } })).entries).toEqual([])
    expect(existsSync(join(data, "files", "new"))).toBe(false)
  })

  test("of one project is not another's", async () => {
    await write("mine.txt", "x")
    const other = { scope: { tenantId: "acme", projectId: "p2" } }
    expect(await message("files_read", { path: "mine.txt" }, other)).toContain("does not exist")
    expect((await value("files_list", {}, other)).entries.map((e: JsonObject) => e.path)).toEqual(["secret.txt"])
  })
})

describe("a list", () => {
  test("is by name, to a limit, by pattern, and names links without following them", async () => {
    for (const name of ["b.csv", "a.txt", "sub/c.csv", "sub/deep/d.csv"]) await write(name, "x")
    symlinkSync(outside, join(root, "link"))
    expect(await paths()).toEqual(["a.txt", "b.csv", "link", "sub"])
    expect(await paths({ recursive: true, pattern: "**/*.csv" })).toEqual(["b.csv", "sub/c.csv", "sub/deep/d.csv"])
    expect(await paths({ path: "sub/" })).toEqual(["sub/c.csv", "sub/deep"])
    expect(await value("files_list", { limit: 2 })).toMatchObject({ count: 2, truncated: true })
    expect((await value("files_list", {})).entries[2]).toMatchObject({ path: "link", type: "link", size_bytes: 0 })
    expect(await message("files_list", { path: "link" })).toContain("outside")
    expect(await message("files_list", { path: "a.txt" })).toContain("cannot be used")
    expect(await message("files_list", { path: "nowhere" })).toContain("does not exist")
    const from = performance.now()
    await paths({ recursive: true, pattern: `${"**/*a*".repeat(30)}b` })
    expect(performance.now() - from).toBeLessThan(5_000)
  })

  test("of a folder as deep as can be ends", async () => {
    mkdirSync(join(root, "d/".repeat(60)), { recursive: true })
    expect(await value("files_list", { recursive: true })).toMatchObject({ count: 33, truncated: true })
  })
})

describe("a path", () => {
  test("that leads out, or to no plain file, is refused for reading, writing, listing and deleting, and nothing happens", async () => {
    writeFileSync(join(root, "good.txt"), "good")
    symlinkSync(join(outside, "secret.txt"), join(root, "link.txt"))
    symlinkSync("../../master.key", join(root, "key.txt"))
    symlinkSync(outside, join(root, "linked"))
    symlinkSync(join(outside, "not-yet.txt"), join(root, "dangling.txt"))
    symlinkSync("circle.txt", join(root, "circle.txt"))
    symlinkSync("/dev/zero", join(root, "zero"))
    linkSync(join(data, "master.key"), join(root, "hard.txt"))
    Bun.spawnSync(["mkfifo", join(root, "pipe")])
    const refused = [
      ...["..", "../p2/secret.txt", "../../master.key", "a/../../p2/secret.txt", "..\\p2\\secret.txt", "good.txt/..", ".../x"],
      ...["/etc/passwd", "//etc/passwd", "/dev/zero", "/proc/self/environ", "/proc/self/root/etc/passwd"],
      ...[join(outside, "secret.txt"), join(data, "master.key"), join(data, "files", "p2", "secret.txt"), `${root}-x/y`],
      ...["good.txt\0", "\0", "good\n.txt", "file:///etc/passwd", "C:\\x", "~/x", "good.txt.", "good.txt ", " ", ".", "./", "*"],
      ...[
        "good.txt/",
        "good.txt/x",
        "link.txt",
        "key.txt",
        "linked/secret.txt",
        "linked/new.txt",
        "dangling.txt",
        "dangling.txt/x",
      ],
      ...["circle.txt", "zero", "hard.txt", "pipe", "a".repeat(300), "x/".repeat(600), "a".repeat(5_000)],
    ]
    for (const path of refused) {
      const shown = path.slice(0, 60)
      for (const [tool, args] of [
        ["files_read", { path }],
        ["files_write", { path, content: "stolen", mode: "overwrite" }],
        ["files_write", { path, content: "stolen", mode: "append" }],
        ["files_write", { path, content: "stolen" }],
        ["files_delete", { path }],
      ] as const) {
        const result = await ask(tool, args)
        expect([shown, tool, result.ok, !result.ok && result.retryable]).toEqual([shown, tool, false, false])
        if (!result.ok && !path.includes(base)) expect(result.message).not.toContain(base)
      }
      if (![".", "./"].includes(path)) expect([shown, (await ask("files_list", { path })).ok]).toEqual([shown, false])
    }
    expect(readFileSync(join(data, "master.key"), "utf8")).toBe("secret")
    expect(readFileSync(join(root, "good.txt"), "utf8")).toBe("good")
    expect([...new Bun.Glob("**/*").scanSync({ cwd: outside, dot: true })]).toEqual(["secret.txt"])
  })

  test("in every honest spelling, and with every honest name, works", async () => {
    const names = ["./a.txt", ".//b.txt", join(root, "c.txt"), "report #1 (100%).pdf", "日本 é.txt", ".hidden", "a-wal", "-rf"]
    for (const path of names) {
      await write(path, path)
      expect((await read(path)).content).toBe(path)
    }
  })

  test("whose folder is replaced by a link in the middle leads nowhere else", async () => {
    await write("sub/secret.txt", "mine")
    const swap = setInterval(() => {
      try {
        renameSync(join(root, "sub"), join(root, "away"))
        symlinkSync(outside, join(root, "sub"))
        rmSync(join(root, "sub"))
        renameSync(join(root, "away"), join(root, "sub"))
      } catch {
        // the other side was faster
      }
    }, 0)
    for (let i = 0; i < 300; i++) {
      const result = await ask("files_read", { path: "sub/secret.txt" })
      if (result.ok) expect(result).toMatchObject({ value: { content: "mine" } })
      await ask("files_write", { path: `sub/w${i}.txt`, content: "x" })
    }
    clearInterval(swap)
    expect([...new Bun.Glob("**/*").scanSync({ cwd: outside, dot: true })]).toEqual(["secret.txt"])
  })
})

describe("a root of the configuration", () => {
  const withRoot = (files_root: string) => ({ config: { files_root, files_allow_write: true } })

  test("may be a folder of the project's own, or one that the operator allows", async () => {
    await value("files_write", { path: "a.txt", content: "x" }, withRoot("team"))
    expect((await read("team/a.txt")).content).toBe("x")
    expect(await message("files_read", { path: join(root, "b") }, withRoot("team"))).toContain("outside")
    expect((await value("files_read", { path: "secret.txt" }, withRoot(outside))).content).toBe("secret")
    expect((await value("files_write", { path: "new/b.txt", content: "x" }, withRoot(outside))).created).toBe(true)
    expect((await files.probe!(callContext(withRoot(outside)))).ok).toBe(true)
  })

  test("is refused anywhere else, and in the runtime's own directory whatever is allowed", async () => {
    for (const place of ["/", "/etc", data, join(data, "files", "p2"), base, "..", "../p2", "~", "file:/etc", "\0"]) {
      expect([place, (await ask("files_list", {}, withRoot(place))).ok]).toEqual([place, false])
      expect([place, (await files.probe!(callContext(withRoot(place)))).ok]).toEqual([place, false])
    }
    const deps = {
      rootOf: () => root,
      allowedRoots: [base, "/"],
      forbiddenRoots: [data],
      maxProjectMb: 1,
      clock: { now: () => 0 },
    }
    const open = createFilesConnector(deps)
    const config = { files_root: base, files_allow_write: true }
    const stolen = await open.call("files_read", { path: "data/master.key" }, callContext({ config }))
    expect(!stolen.ok && stolen.message).toContain("belongs to the runtime itself")
  })
})

describe("a project's folder", () => {
  test("may hold so much and no more; deleting makes room", async () => {
    await write("a.txt", "x".repeat(700_000))
    expect(await message("files_write", { path: "b.txt", content: "x".repeat(700_000) })).toContain("files.max_project_mb")
    expect(await message("files_write", { path: "a.txt", content: "x".repeat(700_000), mode: "append" })).toContain(
      "nothing was written",
    )
    expect(await paths()).toEqual(["a.txt"])
    await write("a.txt", "x".repeat(900_000), { mode: "overwrite" })
    await value("files_delete", { path: "a.txt" })
    await write("b.txt", "x".repeat(700_000))
    writeFileSync(join(root, "by-hand.txt"), "x".repeat(300_000))
    time += 3_600_000
    expect(await message("files_write", { path: "c.txt", content: "x".repeat(100_000) })).toContain("files.max_project_mb")
    const elsewhere = { config: { files_root: outside, files_allow_write: true } }
    expect((await ask("files_write", { path: "c.txt", content: "x".repeat(100_000) }, elsewhere)).ok).toBe(true)
  })
})
