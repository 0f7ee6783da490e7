import type { JsonObject } from "../../kernel/json.ts"
import { COLUMNS, COMMENTS, CONSTRAINTS, DEFINITION, EXTRAS } from "./catalog-queries.ts"

/**
 * The statements that make a table like this one. PostgreSQL keeps no text of them: they are put together from what its
 * own functions say of the parts. Owners, grants, policies and storage settings are left out.
 */
export async function tableDdl(relation: JsonObject, rows: (sql: string) => Promise<readonly JsonObject[]>): Promise<JsonObject> {
  const [definition = {}] = await rows(DEFINITION)
  const head = definition.view === null ? await tableHead(definition, rows) : viewHead(definition)
  const later = [...(await rows(EXTRAS)), ...(await rows(COMMENTS))].map(row => `${String(row.sql)};`)
  const { schema = null, table = null, type = null } = relation
  return { schema, table, type, ddl: [head, ...later].join("\n") }
}

function viewHead({ qualified, kind, view }: JsonObject): string {
  return `CREATE ${kind === "m" ? "MATERIALIZED VIEW" : "VIEW"} ${qualified} AS\n${String(view).replace(/;\s*$/, "")};`
}

async function tableHead(definition: JsonObject, rows: (sql: string) => Promise<readonly JsonObject[]>): Promise<string> {
  const { qualified, unlogged, is_partition, partition_bound, partition_key, parents, kind } = definition
  const partitioned = partition_key === null ? "" : ` PARTITION BY ${partition_key}`
  const start = `CREATE ${kind === "f" ? "FOREIGN " : unlogged ? "UNLOGGED " : ""}TABLE ${qualified}`
  const parent = Array.isArray(parents) ? parents.join(", ") : ""
  if (is_partition === true) return `${start} PARTITION OF ${parent} ${partition_bound}${partitioned};`
  const columns = (await rows(COLUMNS)).map(columnSql)
  const constraints = (await rows(CONSTRAINTS)).map(one => `CONSTRAINT ${quoted(String(one.name))} ${one.definition}`)
  const inherits = parent === "" ? "" : ` INHERITS (${parent})`
  return `${start} (\n  ${[...columns, ...constraints].join(",\n  ")}\n)${inherits}${partitioned};`
}

function columnSql(column: JsonObject): string {
  return [
    quoted(String(column.name)),
    String(column.type),
    column.collation === null ? "" : `COLLATE ${column.collation}`,
    column.default === null ? "" : `DEFAULT ${column.default}`,
    column.generated === null ? "" : `GENERATED ALWAYS AS (${column.generated}) STORED`,
    column.identity === null ? "" : `GENERATED ${String(column.identity).toUpperCase()} AS IDENTITY`,
    column.not_null === true ? "NOT NULL" : "",
  ]
    .filter(part => part !== "")
    .join(" ")
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
