import { type TObject, type TProperties, Type } from "typebox"
import { isJsonObject, type Json, type JsonObject } from "../kernel/json.ts"
import { valuesAt } from "./answer.ts"
import { ToolFailure } from "./kit.ts"
import type { RestAnswer } from "./rest.ts"

/** How an answer becomes a result, and the schema that says so. */
export interface Shape {
  readonly schema: TObject
  read(answer: RestAnswer): JsonObject
}

/** The object as the service gives it; the named properties are those that a reader may count on. */
export function whole(properties: TProperties = {}): Shape {
  return { schema: Type.Object(properties), read: ({ body }) => (body === null ? {} : objectOf(body)) }
}

/** `{ [name]: […] }`, with what `paging` says about more of it. The list is at `at`; without it, the answer is the list. */
export function listOf(name: string, { at = "", paging = NO_PAGING }: { at?: string; paging?: Paging } = {}): Shape {
  return {
    schema: Type.Object({ [name]: Type.Array(Type.Object({})), ...paging.properties }),
    read(answer) {
      const [items] = valuesAt(answer.body, at)
      if (!Array.isArray(items)) throw new ToolFailure(`the answer of ${answer.url.host} has no list where one should be`)
      return { [name]: items, ...paging.read(answer) }
    },
  }
}

/** How a service tells whether there is more. */
export interface Paging {
  readonly properties: TProperties
  read(answer: RestAnswer): JsonObject
}

const NO_PAGING: Paging = { properties: {}, read: () => ({}) }

function objectOf(body: Json): JsonObject {
  if (isJsonObject(body)) return body
  throw new ToolFailure("the answer is no object, although it should be")
}
