import type { Json, JsonObject } from "../../kernel/json.ts"
import { isJsonObject } from "../../kernel/json.ts"
import type { Exchange } from "../exchange.ts"
import { ToolFailure } from "../kit.ts"
import { addToQuery, filledIn } from "../path-template.ts"
import { sentHeaders } from "./headers.ts"
import type { HttpArguments } from "./input.ts"
import type { HttpSettings } from "./settings.ts"

/** The request that the arguments describe. */
export function requestOf(args: HttpArguments, { base, credentials }: HttpSettings): Exchange {
  const url = addressOf(args, base)
  // The cast: values of a query are JSON.
  addToQuery(url.searchParams, (args.query ?? {}) as JsonObject, "repeated")
  const own = credentials?.origin === url.origin ? credentials : undefined
  const headers = sentHeaders(args.headers ?? {}, own)
  const body = bodyOf(args)
  if (body !== null && !headers.has("content-type")) headers.set("content-type", body.type)
  return {
    method: args.method,
    url,
    headers,
    body: body?.sent ?? null,
    ...(own && { credentials: own }),
    redirects: args.follow_redirects ? "web" : "none",
    wholeErrors: args.expect_status !== undefined,
  }
}

function addressOf({ url, path, path_params }: HttpArguments, base: URL | null): URL {
  if (url !== undefined && path !== undefined) throw new ToolFailure("give either url or path")
  const fill = (template: string) => (path_params === undefined ? template : filledIn(template, path_params))
  if (url !== undefined) return parsed(fill(url))
  if (base === null) throw new ToolFailure("no base_url is configured: give the whole address as url")
  if (path === undefined) return new URL(base)
  return below(base, fill(path))
}

function parsed(text: string): URL {
  const url = URL.parse(text)
  if (url === null)
    throw new ToolFailure("url is no address such as https://api.example.com/items: give what follows base_url as path")
  url.hash = ""
  return url
}

/** In all the spellings that a URL parser takes for them. */
const DOTS = /(^|[/\\])(\.|%2e){1,2}($|[/\\?#])/i

function below(base: URL, path: string): URL {
  if (DOTS.test(path)) throw new ToolFailure('path must have no part "." or ".."')
  return parsed(`${base.href.replace(/\/+$/, "")}/${path.replace(/^\/+/, "")}`)
}

interface Body {
  readonly sent: string | Uint8Array<ArrayBuffer>
  readonly type: string
}

function bodyOf({ method, body, body_type }: HttpArguments): Body | null {
  if (body === undefined) return null
  if (method === "GET" || method === "HEAD") throw new ToolFailure(`a ${method} has no body`)
  const kind = body_type === "auto" ? (typeof body === "string" ? "text" : "json") : body_type
  switch (kind) {
    case "json":
      return { sent: JSON.stringify(body), type: "application/json" }
    case "text":
      return { sent: text(body, "text"), type: "text/plain; charset=utf-8" }
    case "base64":
      return { sent: bytesOf(text(body, "base64")), type: "application/octet-stream" }
    case "form":
      return { sent: formOf(body), type: "application/x-www-form-urlencoded" }
    default:
      throw new ToolFailure(`body_type ${kind} is not known`)
  }
}

function text(body: Json, kind: string): string {
  if (typeof body !== "string") throw new ToolFailure(`body must be a text for body_type ${kind}`)
  return body
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const compact = base64.replaceAll(/\s/g, "")
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(compact)) throw new ToolFailure("body is not base64")
  return new Uint8Array(Buffer.from(compact, "base64"))
}

function formOf(body: Json): string {
  if (!isJsonObject(body)) throw new ToolFailure("body must be an object for body_type form")
  const form = new URLSearchParams()
  addToQuery(form, body, "repeated")
  return form.toString()
}
