import { sqliteTables } from "../../src/storage/tables.ts"

// drizzle-kit takes every export of this file for a table; this way a new table needs no line here.
module.exports = sqliteTables
