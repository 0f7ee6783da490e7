import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { Elysia, t } from "elysia"
import { createEdge } from "../../src/http/server.ts"
import { AppError } from "../../src/kernel/errors.ts"
import { type Database, StorageFull } from "../../src/storage/database.ts"
import { NOBODY, openWorld, TASK_GRAPH, type World } from "../helpers/app.ts"

const SECRET = "the-secret-in-the-message"

describe("every answer", () => {
  let world: World
  beforeAll(async () => {
    world = await openWorld()
  })
  afterAll(() => world.close())

  const answers = async (headers: Record<string, string> = {}) => {
    const viewer = world.as(world.people.viewer)
    return Promise.all([
      world.call(viewer, "GET", "/v1/workflows", undefined, headers),
      world.call(viewer, "GET", "/v1/workflows/x", undefined, headers),
      world.call(viewer, "POST", "/v1/workflows", {}, headers),
      world.call(world.as(world.people.contributor), "POST", "/v1/workflows", {}, headers),
      world.call(NOBODY, "GET", "/v1/workflows", undefined, headers),
      world.call(NOBODY, "GET", "/v1/no-such-route", undefined, headers),
      world.call(NOBODY, "POST", "/v1/auth/login", "{", headers),
      world.call(NOBODY, "GET", "/health/live", undefined, headers),
      world.call(NOBODY, "GET", "/", undefined, headers),
      world.call(NOBODY, "GET", "/docs", undefined, headers),
      world.call(NOBODY, "GET", "/openapi.json", undefined, headers),
    ])
  }

  test("has a request id of its own, errors too", async () => {
    const all = await answers()
    expect(all.map(a => a.status)).toEqual([200, 404, 403, 400, 401, 404, 400, 200, 200, 200, 200])
    const ids = all.map(a => a.headers.get("x-request-id"))
    for (const id of ids) expect(id).toMatch(/^[0-9a-f-]{36}$/)
    expect(new Set(ids).size).toBe(ids.length)
  })

  test("repeats a request id that was sent, if it is one", async () => {
    for (const a of await answers({ "x-request-id": "order-42_a.b" })) expect(a.headers.get("x-request-id")).toBe("order-42_a.b")
    for (const bad of ["<script>", "a b", "x".repeat(101), '"', "é"]) {
      const [first] = await answers({ "x-request-id": bad })
      expect(first!.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/)
    }
  })

  test("tells browsers not to guess, not to tell, and opens nothing to other origins", async () => {
    for (const a of await answers({ origin: "https://elsewhere.example" })) {
      expect(a.headers.get("x-content-type-options")).toBe("nosniff")
      expect(a.headers.get("referrer-policy")).toMatch(/^(same-origin|no-referrer)$/)
      expect([...a.headers.keys()].filter(name => name.startsWith("access-control-"))).toEqual([])
    }
    const preflight = await world.call(NOBODY, "OPTIONS", "/v1/workflows", undefined, {
      origin: "https://elsewhere.example",
      "access-control-request-method": "POST",
    })
    expect([...preflight.headers.keys()].filter(name => name.startsWith("access-control-"))).toEqual([])
  })

  test("that is an error is JSON with a sentence and a code, and nothing else", async () => {
    for (const a of await answers()) {
      if (a.status < 400) continue
      expect(a.headers.get("content-type")).toStartWith("application/json")
      expect(Object.keys(a.body).sort()).toEqual(["code", "error"])
      expect(a.body.code).toMatch(/^[A-Z_]+$/)
      expect(a.body.error.length).toBeGreaterThan(10)
    }
  })

  test("to a body of a stranger has a small limit, to one of a known caller a large one", async () => {
    const text = JSON.stringify({ email: "x".repeat(20_000), password: "x" })
    const stranger = await world.call(NOBODY, "POST", "/v1/auth/login", text)
    expect([stranger.status, stranger.body.code]).toEqual([413, "BODY_TOO_LARGE"])
    const contributor = world.as(world.people.contributor)
    const graph = { ...TASK_GRAPH, note: "x".repeat(3_000_000) }
    expect((await world.call(contributor, "POST", "/v1/workflows", { name: "n", graph })).status).toBe(201)
    const larger = { ...TASK_GRAPH, note: "x".repeat(5_000_000) }
    const refused = await world.call(contributor, "POST", "/v1/workflows", { name: "n", graph: larger })
    expect([refused.status, refused.body.code]).toEqual([413, "BODY_TOO_LARGE"])
  })

  test("to a value of the wrong shape says which one it must have", async () => {
    const contributor = world.as(world.people.contributor)
    const id = await world.workflow(TASK_GRAPH)
    const said = async (method: string, path: string, body?: unknown) =>
      (await world.call(contributor, method, path, body)).body.error
    expect(await said("GET", "/v1/workflows?limit=abc")).toBe("invalid query: limit must be a whole number from 1 to 100")
    const command = `/v1/workflows/${id}/command`
    expect(await said("POST", command, { command: "start", params: [] })).toBe("invalid request body: params must be an object")
    expect(await said("POST", command)).toBe("invalid request body: send a JSON body")
  })

  test("to a bad body names the place and never repeats what was sent", async () => {
    const contributor = world.as(world.people.contributor)
    for (const body of [
      `{"name": "${SECRET}`,
      `{"name":["${SECRET}"]}`,
      JSON.stringify({ name: "n", description: { x: SECRET } }),
    ]) {
      const answer = await world.call(contributor, "POST", "/v1/workflows", body)
      expect(answer.status).toBe(400)
      expect(answer.text).not.toContain(SECRET)
    }
  })
})

describe("what nobody foresaw", () => {
  let world: World
  let broken: "no" | "fails" | "full" = "no"
  const wrap = (db: Database): Database => {
    const strike = () => {
      if (broken === "fails") throw new Error(SECRET)
      if (broken === "full") throw new StorageFull("no room")
    }
    return new Proxy(db, {
      get(target, name) {
        const value = Reflect.get(target, name, target)
        if (name === "write" || name === "commit")
          return async (...args: never[]) => {
            strike()
            return value.apply(target, args)
          }
        return typeof value === "function" ? value.bind(target) : value
      },
    })
  }
  beforeEach(async () => {
    broken = "no"
    world = await openWorld({ wrap })
  })
  afterEach(async () => {
    broken = "no"
    await world.close()
  })

  test("is a bare 500 with the request id; the message is in the log only", async () => {
    const id = await world.workflow(TASK_GRAPH)
    const contributor = world.as(world.people.contributor)
    broken = "fails"
    for (const [method, path, body] of [
      ["POST", "/v1/workflows", { name: "n", graph: TASK_GRAPH }],
      ["POST", `/v1/workflows/${id}/command`, { command: "start", params: {} }],
    ] as const) {
      const answer = await world.call(contributor, method, path, body)
      const request_id = answer.headers.get("x-request-id")!
      expect(answer.status).toBe(500)
      expect(answer.body).toEqual({
        error: `internal error; the log has it under request ${request_id}`,
        code: "INTERNAL_ERROR",
        request_id,
      })
      const line = world.logged.map(l => JSON.parse(l)).find(l => l.request_id === request_id)
      expect(line).toMatchObject({ level: 50, method, path, error: SECRET })
      expect(line.stack).toContain("edge.test")
    }
  })

  test("a full disk is no mystery: 503 with Retry-After, and the next try works", async () => {
    const id = await world.workflow(TASK_GRAPH)
    const contributor = world.as(world.people.contributor)
    broken = "full"
    for (const [path, body] of [
      ["/v1/workflows", { name: "n", graph: TASK_GRAPH }],
      [`/v1/workflows/${id}/command`, { command: "start", params: {} }],
    ] as const) {
      const answer = await world.call(contributor, "POST", path, body)
      expect([answer.status, answer.body.code, answer.headers.get("retry-after")]).toEqual([503, "DISK_FULL", "5"])
    }
    broken = "no"
    const run = await world.start(id)
    broken = "full"
    const task = `/v1/workflows/${id}/runs/${run}/tasks/ask/complete`
    const refused = await world.call(contributor, "POST", task, { approved: true })
    expect([refused.status, refused.body.code]).toEqual([503, "DISK_FULL"])
    broken = "no"
    expect((await world.call(contributor, "POST", task, { approved: true })).status).toBe(200)
  })

  test("an instance whose database does not answer is alive, but not ready", async () => {
    expect((await world.call(NOBODY, "GET", "/health/ready")).body).toEqual({ status: "ready", reason: null })
    const query = world.db.query
    Object.assign(world.db, { query: async () => Promise.reject(new Error("gone")) })
    const answer = await world.call(NOBODY, "GET", "/health/ready")
    Object.assign(world.db, { query })
    expect([answer.status, answer.body]).toEqual([503, { status: "not_ready", reason: "the database does not answer: gone" }])
    expect((await world.call(NOBODY, "GET", "/health/live")).body).toEqual({ status: "live" })
  })
})

describe("the edge alone", () => {
  const lines: object[] = []
  const told: object[] = []
  const log = { isLevelEnabled: () => true, debug: (f: object) => void told.push(f), error: (f: object) => void lines.push(f) }
  const app = new Elysia()
    .use(createEdge({ log, newId: () => "request-1", now: () => 0 }))
    .get("/wrong", () => ({ count: SECRET }) as unknown as { count: number }, { response: t.Object({ count: t.Integer() }) })
    .get("/throws", () => {
      throw new Error(SECRET)
    })
    .get("/throws-text", () => {
      throw SECRET
    })
    .get("/coded", () => {
      throw Object.assign(new Error(SECRET), { code: "VALIDATION", status: 418 })
    })
    .get("/ours", () => {
      throw new AppError("conflict", "that is taken", { code: "TAKEN", fields: { status: "x" }, retryAfterS: 3 })
    })
  const get = async (path: string) => {
    const response = await app.handle(new Request(`http://localhost${path}`, { headers: { "x-request-id": "mine" } }))
    return { status: response.status, headers: response.headers, body: await response.json() }
  }
  const bare = { error: "internal error; the log has it under request mine", code: "INTERNAL_ERROR", request_id: "mine" }

  test("tells every request in a line for debugging, without its query", async () => {
    told.length = 0
    await get("/ours?access_token=secret")
    await Bun.sleep(10)
    expect(told).toEqual([{ request_id: "mine", method: "GET", path: "/ours", status: 409, ms: 0 }])
  })

  test.each(["/wrong", "/throws", "/throws-text", "/coded"])(
    "%s is our mistake: 500, logged, without a word of it",
    async path => {
      lines.length = 0
      const answer = await get(path)
      expect([answer.status, answer.body]).toEqual([500, bare])
      expect(lines).toEqual([expect.objectContaining({ request_id: "mine", method: "GET", path })])
    },
  )

  test("an error that is the caller's to know keeps its words and fields, and is not logged", async () => {
    lines.length = 0
    const answer = await get("/ours")
    expect([answer.status, answer.body]).toEqual([409, { error: "that is taken", code: "TAKEN", status: "x" }])
    expect(answer.headers.get("retry-after")).toBe("3")
    expect(lines).toEqual([])
  })
})
