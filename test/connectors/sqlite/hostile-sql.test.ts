import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { splitStatements } from "../../../src/connectors/sqlite/statements.ts"
import { tokenize } from "../../../src/connectors/sqlite/tokens.ts"
import { connect } from "../../../src/storage/sqlite/driver.ts"
import { type Ask, askIn, makePlace, messageIn, type TestPlace } from "./place.ts"

let here: TestPlace
let ask: Ask
beforeAll(() => {
  here = makePlace()
  ask = askIn(here.place)
  const db = connect(join(here.root, "shop.db"))
  db.exec("CREATE TABLE t (x); INSERT INTO t VALUES (1)")
  db.close()
  const other = connect(join(here.root, "other.db"))
  other.exec("CREATE TABLE s (x); INSERT INTO s VALUES ('secret')")
  other.close()
})
afterAll(() => here.remove())

/** Refused by every tool, writing ones included. */
const NOWHERE: readonly string[] = [
  "ATTACH 'other.db' AS o",
  "attach database 'other.db' as o",
  "AtTaCh 'other.db' AS o",
  "/* hi */ ATTACH 'other.db' AS o",
  "-- hi\nATTACH 'other.db' AS o",
  ";;; ATTACH 'other.db' AS o",
  "\uFEFFATTACH 'other.db' AS o",
  "\t\r\n\fATTACH 'other.db' AS o",
  "/**/ATTACH/**/'other.db'/**/AS/**/o",
  "/*--*/ATTACH 'other.db' AS o --*/",
  "EXPLAIN ATTACH 'other.db' AS o",
  "EXPLAIN QUERY PLAN ATTACH 'other.db' AS o",
  "ATTACH ':memory:' AS o",
  "ATTACH 'file:other.db?mode=ro' AS o",
  "DETACH main",
  "detach database o",
  "VACUUM",
  "VACUUM INTO 'copy.db'",
  "vacuum main into 'copy.db'",
  "VACUUM INTO 'file:copy.db?mode=rwc'",
  "SELECT load_extension('evil.so')",
  "SELECT LOAD_EXTENSION ('evil.so', 'main')",
  "SELECT \"load_extension\"('evil.so')",
  "SELECT [load_extension]/**/('evil.so')",
  "SELECT fts3_tokenizer('simple')",
  "SELECT file FROM pragma_database_list",
  'SELECT file FROM "pragma_database_list"',
  "SELECT file FROM 'pragma_database_list'",
  "SELECT file FROM Pragma_Database_List()",
  "PRAGMA database_list",
  "PRAGMA journal_mode = DELETE",
  "PRAGMA journal_mode",
  "PRAGMA journal_mode(MEMORY)",
  "PRAGMA main.journal_mode = OFF",
  "PRAGMA query_only = OFF",
  "PRAGMA query_only(0)",
  "PRAGMA writable_schema = 1",
  "PRAGMA writable_schema(ON)",
  "PRAGMA trusted_schema = ON",
  "PRAGMA user_version = 7",
  "PRAGMA temp_store_directory = '/tmp'",
  'PRAGMA "journal_mode" = OFF',
  "PRAGMA/**/foreign_keys/**/=/**/OFF",
  "PRAGMA foreign_keys(off)",
  "PRAGMA wal_checkpoint(TRUNCATE)",
  "PRAGMA optimize",
  "PRAGMA incremental_vacuum(10)",
  "PRAGMA locking_mode = EXCLUSIVE",
  "PRAGMA mmap_size = 1000000000",
  "PRAGMA hard_heap_limit = 1",
  "PRAGMA temp.table_list",
  "EXPLAIN PRAGMA journal_mode = OFF",
  "CREATE VIRTUAL TABLE v USING csv(filename = '/etc/passwd')",
  "CREATE VIRTUAL TABLE IF NOT EXISTS main.v USING dbstat",
  "CREATE VIRTUAL TABLE \"using fts5\" USING zipfile('x.zip')",
  "CREATE VIEW v AS SELECT * FROM pragma_database_list",
  "BEGIN",
  "COMMIT",
  "ROLLBACK",
  "END",
  "SAVEPOINT a",
  "RELEASE a",
  "SELECT 1\0; ATTACH 'other.db' AS o",
  "",
  ";",
  "-- nothing",
  "/* nothing",
]

/** Allowed to the writing tools only. */
const WRITES: readonly string[] = [
  "INSERT INTO t VALUES (2)",
  "/* SELECT */ INSERT INTO t VALUES (2)",
  "WITH x AS (SELECT 2) INSERT INTO t SELECT * FROM x",
  "WITH x AS (SELECT 2) DELETE FROM t",
  "UPDATE t SET x = 2",
  "DELETE FROM t",
  "DELETE FROM t RETURNING x",
  "INSERT INTO t VALUES (2) RETURNING x",
  "REPLACE INTO t VALUES (2)",
  "DROP TABLE t",
  "ALTER TABLE t ADD COLUMN y",
  "CREATE TABLE u (x)",
  "CREATE TEMP TABLE u (x)",
  "CREATE TEMP TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END",
  "CREATE INDEX i ON t (x)",
  "CREATE VIRTUAL TABLE f USING fts5(x)",
  "REINDEX",
  "ANALYZE",
  "EXPLAIN DELETE FROM t",
]

const TWO: readonly string[] = [
  "SELECT 1; SELECT 2",
  "SELECT 1; DELETE FROM t",
  "SELECT 1;;ATTACH 'other.db' AS o",
  "SELECT ';'; DROP TABLE t",
]

const fingerprint = () => {
  const files = readdirSync(here.base, { recursive: true, withFileTypes: true }).filter(f => f.isFile())
  return files
    .map(f =>
      [
        f.name,
        createHash("sha256")
          .update(readFileSync(join(f.parentPath, f.name)))
          .digest("hex"),
      ].join(" "),
    )
    .sort()
}

describe("a hostile statement", () => {
  test("that leaves the file or changes how it is opened is refused by every tool", () => {
    expect(NOWHERE.length).toBeGreaterThanOrEqual(25)
    const before = fingerprint()
    for (const sql of NOWHERE) {
      for (const tool of ["sqlite_query", "sqlite_execute", "sqlite_execute_sql"]) {
        const answer = ask(tool, { sql })
        expect([sql, tool, answer.ok]).toEqual([sql, tool, false])
        expect(!answer.ok && answer.retryable).toBe(false)
      }
    }
    expect(fingerprint()).toEqual(before)
  })

  test("that writes is refused by the reading tool, and leaves the file as it was", () => {
    const before = fingerprint()
    for (const sql of WRITES) expect([sql, ask("sqlite_query", { sql }).ok]).toEqual([sql, false])
    expect(fingerprint()).toEqual(before)
  })

  test("behind a second one is refused", () => {
    for (const sql of TWO) {
      expect(messageIn(ask("sqlite_query", { sql }))).toContain("more than one statement")
      expect(messageIn(ask("sqlite_execute", { sql }))).toContain("more than one statement")
    }
  })

  test("hidden in a script is refused before anything ran", () => {
    const before = fingerprint()
    for (const sql of [
      "INSERT INTO t VALUES (9); ATTACH 'other.db' AS o",
      "INSERT INTO t VALUES (9); COMMIT; DROP TABLE t",
      "DROP TABLE t; PRAGMA journal_mode = OFF",
    ]) {
      expect(messageIn(ask("sqlite_execute_sql", { sql }))).toStartWith("statement 2:")
    }
    expect(fingerprint()).toEqual(before)
  })

  test("in the disguise of a trigger's body is refused", () => {
    const sql = "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END; ATTACH 'other.db' AS o"
    expect(messageIn(ask("sqlite_execute_sql", { sql }))).toContain("statement 2: ATTACH")
    expect(ask("sqlite_execute_sql", { sql: "CREATE TRIGGER g AFTER INSERT ON t BEGIN ATTACH 'other.db' AS o; END" }).ok).toBe(
      false,
    )
    expect(ask("sqlite_execute_sql", { sql: "CREATE TABLE trigger_x (begin_ INT); ATTACH 'other.db' AS o; END;" }).ok).toBe(false)
  })

  test("in words only is none", () => {
    for (const sql of [
      "SELECT 'ATTACH ''x'' AS y; VACUUM'",
      'SELECT 1 AS "attach"',
      "SELECT 1 /* ; ATTACH 'x' AS y */",
      "SELECT 1 -- ; VACUUM",
    ]) {
      expect([sql, ask("sqlite_query", { sql }).ok]).toEqual([sql, true])
    }
  })

  test("of a size beyond the limit is refused unread", () => {
    expect(messageIn(ask("sqlite_query", { sql: `SELECT '${"x".repeat(300_000)}'` }))).toContain("larger than")
    expect(messageIn(ask("sqlite_execute_sql", { sql: "SELECT 1;".repeat(1_001) }))).toContain("more than 1000 statements")
  })
})

describe("the tokenizer", () => {
  const shape = (sql: string) => tokenize(sql).map(t => `${t.kind}:${t.text}`)

  test("knows SQLite's quotes, comments, variables and numbers", () => {
    expect(shape(`SELECT 'it''s', "a""b", [c d], \`e\`, x'0F', ?1, :n, @m, $p, 1.5e3 -- end`)).toEqual([
      ...["word:select", "string:it's", "symbol:,", 'name:a"b', "symbol:,", "name:c d", "symbol:,", "name:e", "symbol:,"],
      ...["blob:x'0F'", "symbol:,", "variable:?1", "symbol:,", "variable::n", "symbol:,", "variable:@m", "symbol:,"],
      ...["variable:$p", "symbol:,", "number:1.5e3"],
    ])
    expect(shape("a/* ' */b/**/c/* open")).toEqual(["word:a", "word:b", "word:c"])
    expect(shape("1-- 'x\n-2")).toEqual(["number:1", "symbol:-", "number:2"])
    expect(shape("été'open")).toEqual(["word:été", "symbol:'", "word:open"])
  })

  test("is linear in what it reads", () => {
    const started = performance.now()
    for (const sql of ["'".repeat(100_001), "/*".repeat(100_000), '"a'.repeat(50_000), "((".repeat(100_000), "[".repeat(100_000)])
      tokenize(sql)
    expect(performance.now() - started).toBeLessThan(5_000)
  })

  test("splits a script where SQLite does", () => {
    const texts = splitStatements(
      "; SELECT ';' ; CREATE TEMP TRIGGER a AFTER INSERT ON t BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; SELECT 2; END; SELECT 3",
    ).map(s => s.text)
    expect(texts).toEqual([
      "SELECT ';'",
      "CREATE TEMP TRIGGER a AFTER INSERT ON t BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; SELECT 2; END",
      "SELECT 3",
    ])
  })
})
