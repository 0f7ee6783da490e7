import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { connect } from "../../../src/storage/sqlite/driver.ts"
import { type Ask, askIn, makePlace, messageIn, type TestPlace, valueIn } from "./place.ts"

let here: TestPlace
let ask: Ask

/** A root with a good database in it and every trap around it. */
beforeAll(() => {
  here = makePlace()
  ask = askIn(here.place)
  for (const path of [
    join(here.root, "good.db"),
    join(here.root, "inner.db"),
    join(here.outside, "secret.db"),
    join(here.data, "agentruntime.db"),
    join(here.base, "data-other.db"),
  ]) {
    const db = connect(path)
    db.exec("CREATE TABLE t (x); INSERT INTO t VALUES ('secret')")
    db.close()
  }
  mkdirSync(join(here.root, "folder.db"))
  mkdirSync(join(here.data, "sqlite-of-another"))
  symlinkSync(join(here.outside, "secret.db"), join(here.root, "link.db"))
  symlinkSync("../agentruntime.db", join(here.root, "runtime.db"))
  symlinkSync(here.outside, join(here.root, "linked-folder"))
  symlinkSync(here.data, join(here.root, "up"))
  symlinkSync(join(here.outside, "not-yet.db"), join(here.root, "dangling.db"))
  symlinkSync("circle.db", join(here.root, "circle.db"))
  symlinkSync("/dev/zero", join(here.root, "zero.db"))
  symlinkSync("inner.db", join(here.root, "alias.db"))
  linkSync(join(here.data, "agentruntime.db"), join(here.root, "hard.db"))
  for (const name of ["trap.db", "trap2.db"]) writeFileSync(join(here.root, name), "")
  symlinkSync(join(here.outside, "planted-wal"), join(here.root, "trap.db-wal"))
  symlinkSync(join(here.outside, "planted-journal"), join(here.root, "trap2.db-journal"))
  Bun.spawnSync(["mkfifo", join(here.root, "pipe.db")])
})
afterAll(() => here.remove())

const refused = (): readonly string[] => [
  "",
  " ",
  ".",
  "./",
  "/",
  "..",
  "../agentruntime.db",
  "../../outside/secret.db",
  "./../agentruntime.db",
  "folder.db/../../agentruntime.db",
  "a/../good.db",
  "a/b/../../../agentruntime.db",
  "..\\agentruntime.db",
  "..%2fagentruntime.db",
  "%2e%2e/agentruntime.db",
  "good.db/..",
  "/etc/passwd",
  "//etc/passwd",
  "/dev/zero",
  "/dev/stdin",
  "/proc/self/environ",
  join(here.outside, "secret.db"),
  join(here.data, "agentruntime.db"),
  `${here.root}/../agentruntime.db`,
  `${here.root}-of-another/x.db`,
  join(here.base, "data-other.db"),
  "good.db\0",
  "good.db\0.png",
  "\0",
  "good\n.db",
  "good\u007f.db",
  ":memory:",
  "file:good.db",
  "FILE:good.db",
  "file:///etc/passwd",
  "file:good.db?mode=rwc",
  "file:good.db?vfs=unix-none",
  "file:../agentruntime.db?immutable=1",
  "good.db?mode=rw",
  "good.db#x",
  "file::memory:?cache=shared",
  "C:\\Windows\\win.ini",
  "\\\\server\\share\\x.db",
  "~/x.db",
  "~root/x.db",
  "good.db-wal",
  "good.db-shm",
  "good.db-journal",
  "GOOD.DB-WAL",
  "good.db-mj0A1B2C3D",
  "folder.db",
  "folder.db/",
  "good.db/",
  "good.db/x.db",
  "good.db.",
  "good.db ",
  ". ./good.db",
  ".../good.db",
  "*.db",
  "good.db|x",
  '"good.db"',
  "link.db",
  "runtime.db",
  "linked-folder/secret.db",
  "linked-folder/new.db",
  "up/agentruntime.db",
  "up/sqlite-of-another/x.db",
  "dangling.db",
  "dangling.db/x.db",
  "circle.db",
  "zero.db",
  "hard.db",
  "pipe.db",
  "trap.db",
  "trap2.db",
  `${"a".repeat(300)}.db`,
  "x/".repeat(600),
  "a".repeat(5_000),
]

describe("a database path", () => {
  test("that leads out of the data root, or is no plain file, is refused for reading and writing", () => {
    const paths = refused()
    expect(paths.length).toBeGreaterThanOrEqual(40)
    for (const path of paths) {
      const shown = JSON.stringify(path.slice(0, 60))
      const read = ask("sqlite_query", { sql: "SELECT 1 AS opened" }, { path })
      expect([shown, "read", read.ok]).toEqual([shown, "read", false])
      const write = ask("sqlite_execute", { sql: "CREATE TABLE stolen (x)" }, { path })
      expect([shown, "write", write.ok, !write.ok && write.retryable]).toEqual([shown, "write", false, false])
    }
    const outside = [...new Bun.Glob("**/*").scanSync({ cwd: here.outside, onlyFiles: false })]
    expect(outside).toEqual(["secret.db"])
    for (const path of [join(here.outside, "secret.db"), join(here.data, "agentruntime.db")]) {
      const db = connect(path, { readonly: true })
      expect(db.prepare("SELECT count(*) AS n FROM sqlite_schema").get()).toEqual({ n: 1 })
      db.close()
    }
  })

  test("inside of the data root works in every honest spelling", () => {
    for (const path of [
      "good.db",
      "./good.db",
      ".//good.db",
      join(here.root, "good.db"),
      "alias.db",
      "folder.db/new.db",
      "日本 (1) é.db",
    ]) {
      const answer = ask("sqlite_execute", { sql: "CREATE TABLE IF NOT EXISTS mine (x)" }, { path })
      expect([path, answer]).toEqual([path, { ok: true, value: { changes: 0, last_insert_rowid: 0 } }])
    }
  })

  test("the refusal says what is wrong and never where the root is", () => {
    for (const path of refused()) {
      const message = messageIn(ask("sqlite_query", { sql: "SELECT 1" }, { path }))
      if (!path.includes(here.base)) expect(message).not.toContain(here.base)
    }
    expect(messageIn(ask("sqlite_query", { sql: "SELECT 1" }, { path: "link.db" }))).toBe(
      'database_path "link.db" is outside of the data root',
    )
    expect(messageIn(ask("sqlite_query", { sql: "SELECT 1" }, { path: "hard.db" }))).toContain("hard link")
  })
})

describe("a data root of the configuration", () => {
  const withRoot = (configuredRoot: string, allowedRoots: readonly string[] = []) =>
    askIn({ ...here.place, configuredRoot, allowedRoots })("sqlite_query", { sql: "SELECT x FROM t" }, { path: "secret.db" })

  test("may be a folder below the project's own", () => {
    const place = { ...here.place, configuredRoot: "team" }
    valueIn(askIn(place)("sqlite_execute", { sql: "CREATE TABLE t (x)" }, { path: "a.db" }))
    expect(valueIn(ask("sqlite_list_tables", {}, { path: "team/a.db" })).count).toBe(1)
    expect(messageIn(askIn(place)("sqlite_query", { sql: "SELECT 1" }, { path: join(here.root, "good.db") }))).toContain(
      "outside",
    )
  })

  test("may be a folder that the operator allows, or one below it", () => {
    expect(valueIn(withRoot(here.outside, [here.outside])).rows).toEqual([{ x: "secret" }])
    expect(valueIn(withRoot(here.outside, [here.base])).rows).toEqual([{ x: "secret" }])
  })

  test("is refused anywhere else, and in the runtime's own directory whatever is allowed", () => {
    for (const root of [
      here.outside,
      "/",
      "/etc",
      here.data,
      here.base,
      "..",
      "../..",
      "linked-folder",
      "up",
      "~",
      "file:/etc",
      "\0",
    ]) {
      expect([root, withRoot(root).ok]).toEqual([root, false])
    }
    for (const root of [here.data, join(here.data, "sqlite-of-another")]) {
      expect(messageIn(withRoot(root, [here.base, "/"]))).toContain("not a folder that the operator allows")
    }
    const everything = askIn({ ...here.place, configuredRoot: here.base, allowedRoots: [here.base] })
    expect(messageIn(everything("sqlite_query", { sql: "SELECT 1" }, { path: "data/agentruntime.db" }))).toContain(
      "belongs to the runtime",
    )
    expect(messageIn(everything("sqlite_query", { sql: "SELECT 1" }, { path: "data/sqlite-of-another/x.db" }))).toContain(
      "belongs to the runtime",
    )
  })
})
