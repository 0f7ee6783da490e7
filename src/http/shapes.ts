import { type IntegerOptions, type TInteger, Type } from "@sinclair/typebox"

/**
 * A whole number of a body or an answer. Elysia's own `t.Integer` is for queries: it also takes text, and the document
 * would show every number as "text or number".
 */
export function integer(options?: IntegerOptions): TInteger {
  return Type.Integer(options)
}
