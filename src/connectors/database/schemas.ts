import { Type } from "typebox"
import { ARGUMENTS_MAX, ROWS_DEFAULT, ROWS_MAX, SQL_MAX_CHARS } from "./limits.ts"

export const SQL = Type.String({ minLength: 1, maxLength: SQL_MAX_CHARS, description: "One statement." })

export const NAME = (description: string) => Type.String({ minLength: 1, maxLength: 256, description })

export const ARGS = (description: string) => Type.Array(Type.Any(), { maxItems: ARGUMENTS_MAX, default: [], description })

export const LIMIT = Type.Integer({
  minimum: 1,
  maximum: ROWS_MAX,
  default: ROWS_DEFAULT,
  description: "Rows at the most; with more of them the answer says `truncated`.",
})

export const ROW_FIELDS = {
  columns: Type.Array(Type.String()),
  rows: Type.Array(Type.Object({}, { additionalProperties: true })),
  row_count: Type.Integer(),
  truncated: Type.Boolean({ description: "There were more rows than the limits let through." }),
  truncated_by: Type.Optional(Type.Union([Type.Literal("rows"), Type.Literal("bytes")])),
}

/** A list under its documented name. */
export const LISTING = (name: string) =>
  Type.Object({
    [name]: Type.Array(Type.Object({}, { additionalProperties: true })),
    count: Type.Integer(),
    truncated: Type.Boolean(),
  })
