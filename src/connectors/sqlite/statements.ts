import { Refused } from "../file-root.ts"
import { SCRIPT_MAX_STATEMENTS, SQL_MAX_BYTES } from "./limits.ts"
import { type Token, tokenize } from "./tokens.ts"

export interface SqlStatement {
  /** From its first word to its last, without the semicolon. */
  readonly text: string
  readonly tokens: readonly Token[]
}

/**
 * Splits as SQLite does: at semicolons, but for those in the body of a trigger, which ends with `; END`. A wrong split
 * would only be refused later: each part is prepared alone, and SQLite refuses two statements in one.
 */
export function splitStatements(sql: string): readonly SqlStatement[] {
  if (Buffer.byteLength(sql) > SQL_MAX_BYTES) throw new Refused(`the SQL is larger than ${SQL_MAX_BYTES} bytes`)
  if (sql.includes("\0")) throw new Refused("the SQL holds a NUL character")
  const statements: SqlStatement[] = []
  let current: Token[] = []
  const finish = () => {
    const [first, last] = [current[0], current.at(-1)]
    if (first && last) statements.push({ text: sql.slice(first.start, last.end), tokens: current })
    current = []
  }
  for (const token of tokenize(sql)) {
    if (token.text !== ";" || token.kind !== "symbol") current.push(token)
    else if (createsTrigger(current) && !endsTrigger(current)) current.push(token)
    else finish()
  }
  finish()
  if (statements.length === 0) throw new Refused("the SQL holds no statement")
  if (statements.length > SCRIPT_MAX_STATEMENTS) throw new Refused(`the script has more than ${SCRIPT_MAX_STATEMENTS} statements`)
  return statements
}

export function oneStatement(sql: string): SqlStatement {
  const statements = splitStatements(sql)
  if (statements.length > 1) throw new Refused("the SQL holds more than one statement; sqlite_execute_sql takes scripts")
  return statements[0]!
}

/**
 * Refuses what reaches beyond the opened file or changes how it is opened, and for reading everything but queries. What
 * is left, SQLite's own `readonly` flag and the compiled program (see operations.ts) decide.
 */
export function checkStatement({ tokens }: SqlStatement, access: "read" | "write"): void {
  checkNames(tokens)
  const [first, explained] = kind(tokens)
  if (first === "pragma") {
    if (explained) throw new Refused("EXPLAIN PRAGMA is not available")
    checkPragma(tokens)
    return
  }
  const refusal = REFUSED[first]
  if (refusal) throw new Refused(refusal)
  if (READING.has(first)) return
  if (!WRITING.has(first)) throw new Refused(`a statement cannot start with ${JSON.stringify(first.slice(0, 40))} here`)
  if (access === "read")
    throw new Refused(`${first.toUpperCase()} changes the database; sqlite_query and the other reading tools only read`)
  if (first === "create") checkVirtualTable(tokens)
}

const READING: ReadonlySet<string> = new Set(["select", "with", "values"])
const WRITING: ReadonlySet<string> = new Set([
  "insert",
  "replace",
  "update",
  "delete",
  "create",
  "drop",
  "alter",
  "reindex",
  "analyze",
])

const TRANSACTION = "BEGIN, COMMIT, ROLLBACK and SAVEPOINT are not for callers: every call is one transaction already"
const REFUSED: { readonly [word: string]: string } = {
  attach: "ATTACH would open another file; each call works on one database",
  detach: "DETACH is not available; each call works on one database",
  vacuum: "VACUUM is not available: it rewrites the file, or writes another one",
  begin: TRANSACTION,
  commit: TRANSACTION,
  end: TRANSACTION,
  rollback: TRANSACTION,
  savepoint: TRANSACTION,
  release: TRANSACTION,
}

/** The word that says what a statement is, behind EXPLAIN [QUERY PLAN]. */
function kind(tokens: readonly Token[]): readonly [word: string, explained: boolean] {
  let at = 0
  if (wordAt(tokens, at) === "explain")
    at = wordAt(tokens, at + 1) === "query" && wordAt(tokens, at + 2) === "plan" ? at + 3 : at + 1
  return [wordAt(tokens, at) ?? tokens[at]?.text ?? "", at > 0]
}

function wordAt(tokens: readonly Token[], at: number): string | undefined {
  const token = tokens[at]
  return token?.kind === "word" ? token.text : undefined
}

/** Functions that load code or hand out pointers; switched off in SQLite, too. */
const REFUSED_FUNCTIONS: ReadonlySet<string> = new Set(["load_extension", "fts3_tokenizer"])
/** It tells where the file is on the host. SQLite takes even a string literal for a table's name. */
const REFUSED_TABLES: ReadonlySet<string> = new Set(["pragma_database_list"])

function checkNames(tokens: readonly Token[]): void {
  for (const [i, token] of tokens.entries()) {
    if (token.kind !== "word" && token.kind !== "name" && token.kind !== "string") continue
    const refused = REFUSED_TABLES.has(token.text) || (REFUSED_FUNCTIONS.has(token.text) && tokens[i + 1]?.text === "(")
    if (refused) throw new Refused(`${token.text} is not available`)
  }
}

/** PRAGMAs that only tell, by whether they take an argument. */
const TELLING: ReadonlySet<string> = new Set(
  `user_version application_id encoding page_size page_count freelist_count schema_version compile_options collation_list
   function_list module_list pragma_list foreign_keys auto_vacuum data_version synchronous cache_size temp_store`.split(/\s+/),
)
const TELLING_OF: ReadonlySet<string> = new Set(
  `table_info table_xinfo table_list index_list index_info index_xinfo foreign_key_list foreign_key_check integrity_check
   quick_check`.split(/\s+/),
)

function checkPragma(tokens: readonly Token[]): void {
  const qualified = tokens[2]?.text === "."
  const schema = qualified ? tokens[1]?.text : "main"
  const name = tokens[qualified ? 3 : 1]?.text ?? ""
  const rest = tokens.slice(qualified ? 4 : 2)
  const [first] = rest
  const telling = rest.length === 0 ? TELLING.has(name) || TELLING_OF.has(name) : first?.text === "(" && TELLING_OF.has(name)
  if (schema === "main" && telling) return
  throw new Refused(
    `PRAGMA ${JSON.stringify(name.slice(0, 40))} is not available this way; only PRAGMAs that tell something are, without "="`,
  )
}

/** Modules that keep everything in the database itself. */
const MODULES: ReadonlySet<string> = new Set(["fts3", "fts4", "fts4aux", "fts5", "fts5vocab", "rtree", "rtree_i32", "geopoly"])

function checkVirtualTable(tokens: readonly Token[]): void {
  if (wordAt(tokens, 1) !== "virtual") return
  const using = tokens.findIndex(token => token.kind === "word" && token.text === "using")
  const module = using < 0 ? "" : (tokens[using + 1]?.text ?? "")
  if (!MODULES.has(module)) throw new Refused(`virtual tables are limited to ${[...MODULES].join(", ")}`)
}

function createsTrigger(tokens: readonly Token[]): boolean {
  let at = 0
  if (wordAt(tokens, at) === "explain") at = wordAt(tokens, 1) === "query" ? 3 : 1
  if (wordAt(tokens, at) !== "create") return false
  const next = wordAt(tokens, at + 1)
  return next === "trigger" || ((next === "temp" || next === "temporary") && wordAt(tokens, at + 2) === "trigger")
}

function endsTrigger(tokens: readonly Token[]): boolean {
  return wordAt(tokens, tokens.length - 1) === "end" && tokens.at(-2)?.text === ";"
}
