import type { Static, TObject } from "typebox"
import type { Egress } from "../adapters/egress/egress.ts"
import { assert } from "../kernel/errors.ts"
import type { Json, JsonObject } from "../kernel/json.ts"
import { createMask } from "../kernel/masked.ts"
import { parsedJson } from "../kernel/nesting.ts"
import { answerText, failureSentence, mediaType, saidBy, USUAL_MESSAGES, WORTH_RETRYING } from "./answer.ts"
import { adapter } from "./catalog.ts"
import type { ConfigSchema } from "./connector.ts"
import { type Answer, type Credentials, exchange, inTime } from "./exchange.ts"
import { type Hints, type ToolCall, type ToolDefinition, ToolFailure, tool } from "./kit.ts"
import { addToQuery, filledIn, placesOf } from "./path-template.ts"
import type { Shape } from "./shape.ts"

/** What all requests to one service have in common. Configuration keys must be among the catalog's. */
export interface RestService {
  readonly slug: string
  /** An https address, with the common part of all paths. */
  readonly base: string
  /** The configuration key that puts another address in its place. */
  readonly baseKey?: string
  readonly auth: RestAuth
  readonly headers?: Readonly<Record<string, string>>
  /** JSON pointers of what its errors say; `*` stands for every element. Default: the usual places. */
  readonly messages?: readonly string[]
  /** How a list is sent in a query. Default: `repeated`. */
  readonly lists?: "repeated" | "comma"
  /** The header in which it takes a key that tells a repeat from a new call. */
  readonly idempotencyHeader?: string
  /** Whether an answer other than 429, 502, 503 and 504 is worth another try. */
  readonly busy?: (answer: Answer) => boolean
}

/** Names of configuration keys, and where their values go. */
export type RestAuth =
  | { readonly kind: "bearer"; readonly key: string; readonly scheme?: string }
  | { readonly kind: "header"; readonly key: string; readonly name: string }
  | { readonly kind: "query"; readonly key: string; readonly name: string }
  | { readonly kind: "basic"; readonly user: string; readonly password: string }

/** One request as data. What of the arguments is no part of the path goes into the query, or into the JSON body. */
export interface RestRequest {
  /** Method and path below the base, e.g. `GET /repos/{owner}/{repo}`; `{+path}` may have several segments. */
  readonly request: `${"GET" | "POST" | "PUT" | "PATCH" | "DELETE"} /${string}`
  /** Arguments that go into the query although there is a body; `all`: there is none. Default: all of GET and DELETE. */
  readonly query?: readonly string[] | "all" | "none"
  /** The service's names of arguments that are called differently here. */
  readonly names?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
}

export interface RestTool<Input extends TObject> extends RestRequest {
  readonly name: string
  readonly description: string
  readonly hints: Hints
  /** Make it with `additionalProperties: false`. */
  readonly input: Input
  /** What is sent in place of the arguments. Throws `ToolFailure` for what the schema cannot say. */
  readonly prepare?: (args: Static<Input>, call: ToolCall) => JsonObject
  readonly output: Shape
}

export interface RestAnswer {
  readonly status: number
  readonly headers: Headers
  readonly url: URL
  /** Null when there is none. */
  readonly body: Json
}

export interface Rest {
  /** A tool that is one request. */
  tool<Input extends TObject>(definition: RestTool<Input>): ToolDefinition
  /** One request of a tool that makes several. Throws `ServiceFailure` for answers from 300. */
  send(request: RestRequest, args: JsonObject, call: ToolCall): Promise<RestAnswer>
}

/** The service was reached and refused. */
export class ServiceFailure extends ToolFailure {
  constructor(
    message: string,
    readonly status: number,
    /** The service's own words. */
    readonly said: string,
    retryable: boolean,
  ) {
    super(message, { retryable })
  }
}

export function createRest(egress: Egress, service: RestService): Rest {
  const { name, configSchema } = adapter(service.slug)
  for (const key of keysOf(service)) assert(configSchema[key], `${service.slug} documents no configuration key ${key}`)

  const send: Rest["send"] = async (request, args, call) => {
    const mask = createMask(secretsOf(configSchema, service, call.config))
    const base = baseOf(service, call.config)
    const answer = await exchange(
      egress,
      {
        ...requestOf(service, request, base, args, call),
        credentials: credentialsOf(service, base, call.config),
        redirects: "kept",
      },
      call,
    )
    if (answer.status >= 300) {
      const said = mask.text(saidBy(answer, service.messages ?? USUAL_MESSAGES))
      const retryable = WORTH_RETRYING.has(answer.status) || service.busy?.(answer) === true
      throw new ServiceFailure(failureSentence(name, answer, said), answer.status, said, retryable)
    }
    const { status, headers, url } = answer
    return { status, headers, url, body: mask.json(jsonOf(name, answer)) }
  }

  return {
    send,
    tool({ output, prepare, input, name: toolName, description, hints, ...request }) {
      const places = placesOf(request.request)
      for (const place of places) assert(prepare || input.properties[place], `${toolName} has no argument ${place}`)
      return tool({
        name: toolName,
        description,
        hints,
        input,
        output: output.schema,
        run: (args, call) =>
          inTime(call, async timed => {
            // Arguments are JSON that was checked against the schema.
            const sent = prepare ? prepare(args, timed) : (args as JsonObject)
            return output.read(await send(request, sent, timed))
          }),
      })
    },
  }
}

function keysOf({ auth, baseKey }: RestService): readonly string[] {
  const ofAuth = auth.kind === "basic" ? [auth.user, auth.password] : [auth.key]
  return baseKey === undefined ? ofAuth : [...ofAuth, baseKey]
}

function requestOf(service: RestService, request: RestRequest, base: URL, args: JsonObject, call: ToolCall) {
  const [method = "", template = ""] = request.request.split(" ", 2)
  const inPath = new Set(placesOf(template))
  const rest = Object.entries(args).filter(([name, value]) => value !== undefined && !inPath.has(name))
  const where = request.query ?? (method === "GET" || method === "DELETE" ? "all" : "none")
  const inQuery = (name: string) => (typeof where === "string" ? where === "all" : where.includes(name))
  const named = (wanted: boolean) =>
    Object.fromEntries(
      rest.filter(([name]) => inQuery(name) === wanted).map(([name, value]) => [request.names?.[name] ?? name, value] as const),
    )
  const url = new URL(base.href.replace(/\/+$/, "") + filledIn(template, args))
  addToQuery(url.searchParams, named(true), service.lists ?? "repeated")
  const headers = new Headers({
    accept: "application/json",
    "user-agent": "AgentRuntime",
    ...service.headers,
    ...request.headers,
  })
  const body = where === "all" || method === "GET" ? null : JSON.stringify(named(false))
  if (body !== null) headers.set("content-type", "application/json")
  if (service.idempotencyHeader !== undefined && method !== "GET") {
    headers.set(service.idempotencyHeader, headerSafe(call.idempotencyKey))
  }
  return { method, url, headers, body }
}

const KEY_MAX_CHARS = 255

/** The key itself where a header can carry it, otherwise its hash. */
export function headerSafe(key: string): string {
  if (key.length <= KEY_MAX_CHARS && /^[\x21-\x7e]+$/.test(key)) return key
  return new Bun.CryptoHasher("sha256").update(key).digest("hex")
}

function baseOf({ base, baseKey }: RestService, config: JsonObject): URL {
  const given = baseKey === undefined ? "" : textAt(config, baseKey)
  const url = URL.parse(given === "" ? base : given)
  const usable = url !== null && /^https?:$/.test(url.protocol) && url.search + url.hash + url.username + url.password === ""
  if (!usable) throw new ToolFailure(`${baseKey ?? "the base"} must be an address such as ${base}`)
  return url
}

function credentialsOf({ auth }: RestService, { origin }: URL, config: JsonObject): Credentials {
  switch (auth.kind) {
    case "bearer":
      return { origin, headers: { authorization: `${auth.scheme ?? "Bearer"} ${credential(config, auth.key)}` }, query: {} }
    case "header":
      return { origin, headers: { [auth.name]: credential(config, auth.key) }, query: {} }
    case "query":
      return { origin, headers: {}, query: { [auth.name]: credential(config, auth.key) } }
    case "basic":
      return { origin, headers: { authorization: `Basic ${basic(config, auth.user, auth.password)}` }, query: {} }
  }
}

function basic(config: JsonObject, user: string, password: string): string {
  return Buffer.from(`${textAt(config, user)}:${textAt(config, password)}`).toString("base64")
}

function credential(config: JsonObject, key: string): string {
  const value = textAt(config, key)
  if (value === "") throw new ToolFailure(`${key} is not configured`)
  if (!/^[\x20-\x7e]+$/.test(value)) throw new ToolFailure(`${key} has characters that no credential has: copy it again`)
  return value
}

function secretsOf(schema: ConfigSchema, { auth }: RestService, config: JsonObject): readonly string[] {
  const secrets = Object.keys(schema).flatMap(key => (schema[key]?.secret ? [textAt(config, key)] : []))
  return auth.kind === "basic" ? [...secrets, basic(config, auth.user, auth.password)] : secrets
}

function textAt(config: JsonObject, key: string): string {
  const value = config[key]
  return typeof value === "string" ? value.trim() : ""
}

function jsonOf(name: string, answer: Answer): Json {
  if (answer.bytes.length === 0) return null
  const body = parsedJson(answerText(answer))
  if (body !== undefined) return body
  const type = mediaType(answer.headers)
  throw new ToolFailure(`${name} answered ${answer.status} with ${type || "something"} that is not the JSON it should be`)
}
