import { Type } from "typebox"
import type { Json, JsonObject } from "../../kernel/json.ts"
import type { Limit } from "../database/call.ts"
import { ROWS_MAX_BYTES } from "../database/limits.ts"
import { type ToolCall, type ToolDefinition, ToolFailure, tool } from "../kit.ts"
import { checkCommand } from "./commands.ts"
import type { Reply } from "./session.ts"
import { toBytes, toJson } from "./values.ts"

/** Sends one command with a connection of the call's configuration. `again`: sending it twice does what once does. */
export type Send = (call: ToolCall, again: boolean, command: (limit: Limit) => readonly Buffer[]) => Promise<Reply>

const KEY_MAX_CHARS = 64 * 1024
const WORDS_MAX = 10_000
const KEY = Type.String({ minLength: 1, maxLength: KEY_MAX_CHARS, description: "The key." })
const WORD = 'Text, a number, or {"$base64": "…"} for bytes.'
const EXPIRY_MAX_SECONDS = 9_000_000_000
const SECONDS = (description: string) => Type.Integer({ minimum: 1, maximum: EXPIRY_MAX_SECONDS, description })

/** The nine documented tools (contract Appendix A). */
export function redisTools(send: Send): readonly ToolDefinition[] {
  const simple = (call: ToolCall, again: boolean, ...words: readonly Json[]) =>
    send(call, again, () => words.map((word, i) => toBytes(word, i === 0 ? "the command" : `argument ${i}`)))

  const counter = (name: string, verb: "INCR" | "DECR", what: string): ToolDefinition =>
    tool({
      name,
      description: `${what} the whole number at a key by 1, or by \`by\`; a key that is missing counts as 0.`,
      input: Type.Object(
        { key: KEY, by: Type.Optional(Type.Integer({ minimum: 1, description: "Instead of 1." })) },
        { additionalProperties: false },
      ),
      output: Type.Object({ key: Type.String(), value: INTEGER }),
      hints: "adds",
      run: async ({ key, by }, call) => {
        const reply = by === undefined ? simple(call, false, verb, key) : simple(call, false, `${verb}BY`, key, by)
        return { key, value: toJson(await reply) }
      },
    })

  return [
    tool({
      name: "redis_run_command",
      description:
        "Runs one command, e.g. HGETALL or ZADD, and gives its answer. Blocking commands need a limit; commands that subscribe, administer the server, run scripts or change the connection are refused.",
      input: Type.Object(
        {
          command: Type.Union(
            [Type.String({ minLength: 1 }), Type.Array(Type.Any({ description: WORD }), { minItems: 1, maxItems: WORDS_MAX })],
            { description: 'The command\'s name with `args`, or everything in one list: ["HSET", "user:1", "name", "Ann"].' },
          ),
          args: Type.Array(Type.Any({ description: WORD }), { maxItems: WORDS_MAX, default: [] }),
        },
        { additionalProperties: false },
      ),
      output: Type.Object({ result: Type.Unknown() }),
      hints: "adds",
      run: async (args, call) => {
        const words = wordsOf(args.command as Json, args.args as readonly Json[])
        const reply = await send(call, false, limit => {
          checkCommand(
            words.map(word => word.toString("latin1")),
            limit.left(),
          )
          return words
        })
        return fitting({ result: toJson(reply) })
      },
    }),
    tool({
      name: "redis_get",
      description: 'The text at a key, or {"$base64": "…"} where it is none; null when the key is missing.',
      input: Type.Object({ key: KEY }, { additionalProperties: false }),
      output: Type.Object({ key: Type.String(), value: Type.Unknown(), exists: Type.Boolean() }),
      hints: "reads",
      run: async ({ key }, call) => {
        const value = toJson(await simple(call, true, "GET", key))
        return fitting({ key, value, exists: value !== null })
      },
    }),
    tool({
      name: "redis_set",
      description: "Sets the value of a key, for some time or for ever. An earlier value and its expiry are replaced.",
      input: Type.Object(
        {
          key: KEY,
          value: Type.Any({ description: WORD }),
          ttl_seconds: Type.Optional(SECONDS("The key is gone after so many seconds.")),
        },
        { additionalProperties: false },
      ),
      output: Type.Object({ key: Type.String(), ok: Type.Boolean() }),
      hints: "sets",
      run: async ({ key, value, ttl_seconds }, call) => {
        const expiry = ttl_seconds === undefined ? [] : ["EX", ttl_seconds]
        await simple(call, true, "SET", key, value as Json, ...expiry)
        return { key, ok: true }
      },
    }),
    tool({
      name: "redis_del",
      description: "Removes keys and gives how many there were.",
      input: Type.Object(
        {
          key: Type.Optional(KEY),
          keys: Type.Optional(Type.Array(KEY, { minItems: 1, maxItems: WORDS_MAX, description: "Several keys at once." })),
        },
        { additionalProperties: false },
      ),
      output: Type.Object({ deleted: INTEGER }),
      hints: "destroys",
      run: async (args, call) => ({ deleted: toJson(await simple(call, true, "DEL", ...keysOf(args))) }),
    }),
    tool({
      name: "redis_exists",
      description: "How many of the keys there are.",
      input: Type.Object(
        { key: Type.Optional(KEY), keys: Type.Optional(Type.Array(KEY, { minItems: 1, maxItems: WORDS_MAX })) },
        { additionalProperties: false },
      ),
      output: Type.Object({ exists: Type.Boolean({ description: "All of them." }), count: INTEGER }),
      hints: "reads",
      run: async (args, call) => {
        const keys = keysOf(args)
        const count = toJson(await simple(call, true, "EXISTS", ...keys))
        return { exists: count === keys.length, count }
      },
    }),
    tool({
      name: "redis_expire",
      description: "Sets after how many seconds a key is gone; `applied` is false when there is no such key.",
      input: Type.Object({ key: KEY, ttl_seconds: SECONDS("From now on.") }, { additionalProperties: false }),
      output: Type.Object({ key: Type.String(), applied: Type.Boolean() }),
      hints: "sets",
      run: async ({ key, ttl_seconds }, call) => ({
        key,
        applied: toJson(await simple(call, true, "EXPIRE", key, ttl_seconds)) === 1,
      }),
    }),
    tool({
      name: "redis_ttl",
      description: "How many seconds a key has left: -1 when it stays for ever, -2 when it is missing.",
      input: Type.Object({ key: KEY }, { additionalProperties: false }),
      output: Type.Object({ key: Type.String(), ttl_seconds: INTEGER }),
      hints: "reads",
      run: async ({ key }, call) => ({ key, ttl_seconds: toJson(await simple(call, true, "TTL", key)) }),
    }),
    counter("redis_incr", "INCR", "Raises"),
    counter("redis_decr", "DECR", "Lowers"),
  ]
}

const INTEGER = Type.Union([Type.Integer(), Type.String({ description: "A whole number beyond 2^53." })])

function wordsOf(command: Json, args: readonly Json[]): readonly Buffer[] {
  const words = Array.isArray(command) ? [...(command as readonly Json[]), ...args] : [command, ...args]
  return words.map((word, i) => toBytes(word, i === 0 ? "the command" : `argument ${i}`))
}

function keysOf({ key, keys = [] }: { readonly key?: string; readonly keys?: readonly string[] }): readonly string[] {
  const all = key === undefined ? keys : [key, ...keys]
  if (all.length === 0) throw new ToolFailure("no key is named: pass key or keys")
  return all
}

/** A part of an answer could be taken for all of it. */
function fitting(result: JsonObject): JsonObject {
  const bytes = Buffer.byteLength(JSON.stringify(result))
  if (bytes > ROWS_MAX_BYTES)
    throw new ToolFailure(
      `the answer has ${bytes} bytes, more than the ${ROWS_MAX_BYTES} of a step's result; ask for less, e.g. with GETRANGE or SCAN`,
    )
  return result
}
