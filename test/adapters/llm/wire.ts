import { isJsonObject, type Json, type JsonObject } from "../../../src/kernel/json.ts"

/** What the model is to say, in no vendor's words. */
export interface Script {
  readonly text?: string
  /** A thought, with what the vendor wants back unchanged. */
  readonly thought?: string
  readonly calls?: readonly { readonly id: string; readonly name: string; readonly args: string }[]
  readonly finish?: "length" | "filter"
}

export type Scripted =
  | Script
  | { readonly status: number; readonly body: Json | string; readonly headers?: Record<string, string> }
  /** The same answer, ended in the middle: by a good end of the body, or by a broken connection, which ends the server, too. */
  | { readonly half: Script; readonly broken: boolean }
  | { readonly hang: true }

export const USAGE = { input: 40, cached: 16, output: 9, reasoning: 4 }
export const SIGNATURE = "c2lnbmVkIGJ5IHRoZSB2ZW5kb3I="

/** How one vendor's API behaves; `check` throws `Refused` for whatever it would refuse. */
export interface Wire {
  check(request: Request, url: URL, body: JsonObject): void
  isStream(url: URL, body: JsonObject): boolean
  answer(script: Script, body: JsonObject): JsonObject
  /** The events of the stream, as they go over the wire. */
  events(script: Script, body: JsonObject): readonly (string | Uint8Array<ArrayBuffer>)[]
  error(status: number, message: string): JsonObject
  /** Answer to a GET. */
  get(request: Request, url: URL): JsonObject
  readonly streamType?: string
}

export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message)
  }
}

export function refuseUnless(fits: unknown, message: string, status = 400): asserts fits {
  if (fits === undefined || fits === null || fits === false) throw new Refused(status, message)
}

/** Every member has to be one of these. */
export function only(value: Json | undefined, where: string, ...keys: readonly string[]): asserts value is JsonObject {
  refuseUnless(isJsonObject(value), `${where} has to be an object`)
  for (const key of Object.keys(value))
    refuseUnless(keys.includes(key), `Unrecognized request argument supplied: ${where}.${key}`)
}

export function list(value: Json | undefined, where: string): readonly Json[] {
  refuseUnless(Array.isArray(value), `${where} has to be an array`)
  return value
}

export function text(value: Json | undefined, where: string): string {
  refuseUnless(typeof value === "string", `${where} has to be a string`)
  return value
}

export function json(value: string, where: string): Json {
  try {
    return JSON.parse(value)
  } catch {
    throw new Refused(400, `${where} is no JSON`)
  }
}

export interface WireServer {
  readonly url: string
  /** Bodies of the requests, checked. */
  readonly bodies: JsonObject[]
  readonly headers: Headers[]
  /** What comes next, one for each request. */
  say(...scripts: readonly Scripted[]): void
  stop(): void
}

export function serveWire(wire: Wire): WireServer {
  const scripts: Scripted[] = []
  const bodies: JsonObject[] = []
  const headers: Headers[] = []
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    async fetch(request): Promise<Response> {
      const url = new URL(request.url)
      try {
        if (request.method === "GET") return Response.json(wire.get(request, url))
        const body = json(await request.text(), "the body")
        refuseUnless(isJsonObject(body), "the body has to be an object")
        refuseUnless(
          request.headers.get("content-type")?.startsWith("application/json"),
          "content-type has to be application/json",
          415,
        )
        wire.check(request, url, body)
        bodies.push(body)
        headers.push(request.headers)
        return await played(wire, scripts.shift() ?? { text: "ok" }, url, body, () => server.stop(true))
      } catch (error) {
        if (!(error instanceof Refused)) throw error
        return Response.json(wire.error(error.status, error.message), { status: error.status })
      }
    },
  })
  return {
    url: `http://127.0.0.1:${server.port}`,
    bodies,
    headers,
    say: (...next) => void scripts.push(...next),
    stop: () => void server.stop(true),
  }
}

async function played(wire: Wire, script: Scripted, url: URL, body: JsonObject, breakOff: () => unknown): Promise<Response> {
  if ("hang" in script) return await new Promise<Response>(() => {})
  if ("status" in script) {
    const isText = typeof script.body === "string"
    const type = { "content-type": isText ? "text/html" : "application/json", ...script.headers }
    return new Response(isText ? script.body : JSON.stringify(script.body), { status: script.status, headers: type })
  }
  const whole = "half" in script ? script.half : script
  if (!wire.isStream(url, body)) return Response.json(wire.answer(whole, body))
  const frames = wire.events(whole, body).map(frame => (typeof frame === "string" ? new TextEncoder().encode(frame) : frame))
  const sent = "half" in script ? frames.slice(0, Math.ceil(frames.length / 2)) : frames
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async start(controller) {
      for (const frame of sent) {
        controller.enqueue(frame)
        await Bun.sleep(0)
      }
      if ("half" in script && script.broken) {
        await Bun.sleep(20)
        breakOff()
      } else controller.close()
    },
  })
  return new Response(stream, { headers: { "content-type": wire.streamType ?? "text/event-stream" } })
}

export function sse(data: JsonObject, event?: string): string {
  return `${event === undefined ? "" : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`
}

/** In pieces, as models write. */
export function pieces(value: string, size = 6): string[] {
  return value.match(new RegExp(`[\\s\\S]{1,${size}}`, "g")) ?? []
}
