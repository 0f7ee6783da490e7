import * as p from "drizzle-orm/pg-core"
import * as s from "drizzle-orm/sqlite-core"

/**
 * The thin kit through which every table is declared once and exists twice: as a SQLite and as a PostgreSQL table.
 * Only what both share is here. JSON is PostgreSQL's `json`, not `jsonb`: key order and numbers come back as written.
 */
export const sqliteKit = {
  table: s.sqliteTable,
  text: (name: string) => s.text(name),
  /** A whole number within ±2^53. */
  int: (name: string) => s.integer(name),
  /** Milliseconds since the epoch, UTC. */
  ms: (name: string) => s.integer(name),
  bool: (name: string) => s.integer(name, { mode: "boolean" }),
  json: <T>(name: string) => s.text(name, { mode: "json" }).$type<T>(),
  bytes: (name: string) => s.blob(name, { mode: "buffer" }),
  index: s.index,
  unique: s.uniqueIndex,
  pk: s.primaryKey,
}

const pgBytes = p.customType<{ data: Buffer; driverData: Uint8Array }>({
  dataType: () => "bytea",
  toDriver: value => value,
  fromDriver: value => Buffer.from(value),
})

// The builders of both dialects have the same surface for what the kit offers; only their types differ.
export const postgresKit = {
  table: p.pgTable,
  text: (name: string) => p.text(name),
  int: (name: string) => p.bigint(name, { mode: "number" }),
  ms: (name: string) => p.bigint(name, { mode: "number" }),
  bool: (name: string) => p.boolean(name),
  json: <T>(name: string) => p.json(name).$type<T>(),
  bytes: (name: string) => pgBytes(name),
  index: p.index,
  unique: p.uniqueIndex,
  pk: p.primaryKey,
} as unknown as typeof sqliteKit

export type ColumnKit = typeof sqliteKit
