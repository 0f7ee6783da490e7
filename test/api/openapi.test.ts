import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { ASSETS, NOBODY, openApp, type TestApp } from "../helpers/app.ts"

let api: TestApp
// biome-ignore lint/suspicious/noExplicitAny: a document of many shapes, walked as JSON
let document: any
beforeAll(async () => {
  api = await openApp()
  document = (await api.call(NOBODY, "GET", "/openapi.json")).body
})
afterAll(() => api.close())

interface Operation {
  readonly summary?: string
  readonly tags?: readonly string[]
  readonly operationId?: string
  readonly security?: readonly Record<string, unknown>[]
  readonly parameters?: readonly { name: string; in: string; required?: boolean; schema?: object }[]
  readonly requestBody?: { content?: Record<string, { schema?: object }> }
  readonly responses?: Record<string, { description?: string; content?: Record<string, { schema?: object }> }>
  readonly "x-permission"?: { access: string }
}

function operations(): readonly (readonly [string, Operation])[] {
  return Object.entries(document.paths as Record<string, Record<string, Operation>>).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const),
  )
}

const wrong = (isWrong: (operation: Operation, name: string) => boolean) =>
  operations()
    .filter(([name, operation]) => isWrong(operation, name))
    .map(([name]) => name)

describe("/openapi.json", () => {
  test("is an OpenAPI 3 document with a title and a version", () => {
    expect(document.openapi).toMatch(/^3\.[01]\.\d$/)
    expect(document.info).toMatchObject({ title: "AgentRuntime", version: "0.0.0-test" })
    expect(document.components.securitySchemes).toMatchObject({
      pat: { type: "http", scheme: "bearer" },
      session: { type: "apiKey", in: "cookie", name: "agentruntime_session" },
    })
  })

  test("has every route of the API, and nothing else", () => {
    const pages = new Set([
      "/",
      "/login",
      "/setup",
      "/invite",
      "/reset-password",
      "/connections/callback",
      "/docs",
      "/openapi.json",
      "/docs/scalar.js",
    ])
    const routes = api.app.http.routes
      .filter(r => !pages.has(r.path))
      .map(r => `${r.method} ${r.path.replace(/(.)\/$/, "$1").replaceAll(/:(\w+)/g, "{$1}")}`)
    expect(routes.length).toBeGreaterThan(50)
    const documented = operations().map(([name]) => name.replace(/(.)\/$/, "$1"))
    expect(documented.sort()).toEqual(routes.sort())
  })

  test("gives every route a summary, a tag and who may call it", () => {
    expect(wrong(o => !o.summary || /\.$/.test(o.summary))).toEqual([])
    expect(wrong(o => !o.tags || o.tags.length === 0)).toEqual([])
    expect(wrong(o => o["x-permission"] === undefined)).toEqual([])
    expect(wrong(o => o.security === undefined)).toEqual([])
    expect(wrong(o => (o.security!.length === 0) !== ["public", "signed"].includes(o["x-permission"]!.access))).toEqual([])
    const known = new Set(Object.keys(document.components.securitySchemes))
    expect(wrong(o => o.security!.some(s => Object.keys(s).some(name => !known.has(name))))).toEqual([])
  })

  test("gives every route its answer's shape, and a body to whatever takes one", () => {
    const shapeless = wrong((o, name) => {
      if (name.endsWith("/stream")) return false // frames are no answer
      const good = Object.entries(o.responses ?? {}).filter(([status]) => /^2\d\d$/.test(status))
      return good.length === 0 || good.some(([status, r]) => status !== "204" && !Object.values(r.content ?? {})[0]?.schema)
    })
    expect(shapeless).toEqual([])
    expect(wrong((o, name) => /^(GET|DELETE) /.test(name) && o.requestBody !== undefined)).toEqual([])
    const taking = new Set(
      api.app.http.routes
        .filter(r => (r.hooks as { body?: unknown }).body !== undefined)
        .map(r => `${r.method} ${r.path.replace(/(.)\/$/, "$1").replaceAll(/:(\w+)/g, "{$1}")}`),
    )
    expect(taking.size).toBeGreaterThan(15)
    const bodyOf = (o: Operation) => o.requestBody?.content?.["application/json"]?.schema
    expect(wrong((o, name) => taking.has(name) !== (bodyOf(o) !== undefined))).toEqual([])
    expect(JSON.stringify(bodyOf(document.paths["/v1/workflows"].post))).toContain('"graph"')
  })

  test("names every parameter of a path, and each operation once", () => {
    const missing = wrong((o, name) => {
      const inPath = [...name.matchAll(/\{(\w+)\}/g)].map(m => m[1])
      const named = (o.parameters ?? []).filter(p => p.in === "path" && p.required === true && p.schema).map(p => p.name)
      return inPath.some(p => !named.includes(p!)) || named.some(p => !inPath.includes(p))
    })
    expect(missing).toEqual([])
    const ids = operations().map(([, o]) => o.operationId)
    expect(ids).not.toContain(undefined)
    expect(new Set(ids).size).toBe(ids.length)
  })

  test("points only at what it holds, and holds only JSON", () => {
    const dangling: string[] = []
    const walk = (value: unknown): void => {
      if (typeof value !== "object" || value === null) return
      for (const [key, inner] of Object.entries(value)) {
        if (key === "$ref" && typeof inner === "string") {
          const place = inner.replace(/^#\//, "").split("/")
          // biome-ignore lint/suspicious/noExplicitAny: a path through the document
          if (place.reduce<any>((at, part) => at?.[part], document) === undefined) dangling.push(inner)
        }
        walk(inner)
      }
    }
    walk(document)
    expect(dangling).toEqual([])
  })

  test("shows whole numbers of bodies and answers as such, and no path with a slash at its end", () => {
    expect(wrong(o => JSON.stringify([o.responses, o.requestBody]).includes('"format":"integer"'))).toEqual([])
    expect(Object.keys(document.paths).filter(path => path.endsWith("/"))).toEqual([])
  })

  test("names the errors and headers that many routes share", () => {
    const command = document.paths["/v1/workflows/{id}/command"].post
    expect(command.responses).toMatchObject({ 404: { $ref: "#/components/responses/NotFound" } })
    const named = JSON.stringify(command.parameters)
    for (const name of ["TenantId", "ProjectId", "IdempotencyKey"]) expect(named).toContain(`#/components/parameters/${name}"`)
    const isPrivate = (o: Operation) => !["public", "signed"].includes(o["x-permission"]?.access ?? "")
    expect(wrong(o => isPrivate(o) && !["400", "401", "403", "404", "503"].every(s => o.responses?.[s]))).toEqual([])
  })

  test("shows the limits of a page", () => {
    const list = document.paths["/v1/workflows"].get as Operation
    const limit = list.parameters?.find(p => p.name === "limit")
    expect(JSON.stringify(limit?.schema)).toContain('"maximum":100')
  })

  test("holds no address of this machine and no secret", () => {
    expect(JSON.stringify(document)).not.toMatch(/pat_[A-Za-z0-9_-]{43}|\/tmp\//)
  })
})

describe("/docs", () => {
  test("is a page that takes nothing from elsewhere", async () => {
    const page = await api.call(NOBODY, "GET", "/docs")
    expect(page.status).toBe(200)
    expect(page.headers.get("content-type")).toStartWith("text/html")
    const loaded = [...page.text.matchAll(/(?:src|href|url)\s*[=:(]\s*["']?([^"'\s>)]+)/g)].map(m => m[1]!)
    expect(loaded).toContain("/docs/scalar.js")
    expect(loaded.filter(url => /^(?:https?:)?\/\//.test(url))).toEqual([])
    expect(page.text).toContain("/openapi.json")
    // Whatever is named anywhere in the page is a name, not an address.
    expect(page.text.match(/https?:\/\/[^\s"'<]+/g)?.filter(url => !url.startsWith("http://www.w3.org/")) ?? []).toEqual([])
  })

  test("takes its script from the executable", async () => {
    // Made by the build from the pinned package; a plain checkout has none yet.
    const script = join(ASSETS, "docs", "scalar.js")
    if (!existsSync(script)) await Bun.write(script, "/* made by a test */")
    const answer = await api.call(NOBODY, "GET", "/docs/scalar.js")
    expect(answer.status).toBe(200)
    expect(answer.headers.get("content-type")).toStartWith("text/javascript")
    expect(answer.text).toBe(await Bun.file(script).text())
  })
})
