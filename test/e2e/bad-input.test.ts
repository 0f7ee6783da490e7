import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { connect } from "node:net"
import { type Client, Home, type Server, type Wire } from "./server.ts"

/** Put where a careless program puts secrets. No answer and no line of the log may repeat it. */
const CANARY = "canary-5up3r-s3cret"
const MIB = 1024 * 1024
const LOGIN = `{"email":"ops@example.com","password":"${CANARY}"}`
const ANSWER_MAX_MS = 15_000

const home = new Home()
let server: Server
let token: string
let client: Client
let workflow: string
let run: string
const bodies: string[] = []

beforeAll(async () => {
  token = await home.token()
  server = await home.serve(["--log-level", "debug"])
  client = server.client(token)
  workflow = await client.publish("target", [{ id: "ask", type: "human_task", name: "ask" }])
  run = await client.start(workflow)
  await client.reaches(workflow, run, "paused")
})
afterAll(() => home.remove())

interface Sent {
  readonly method?: string
  readonly path: string
  /** As it goes over the wire. */
  readonly body?: BodyInit
  readonly headers?: Readonly<Record<string, string>>
  /** Without the token. */
  readonly anonymous?: boolean
}

interface Got {
  readonly status: number
  readonly text: string
  readonly body: Wire
}

async function send({ method, path, body, headers, anonymous }: Sent): Promise<Got> {
  const response = await fetch(server.url + path, {
    method: method ?? (body === undefined ? "GET" : "POST"),
    headers: { ...(!anonymous && { authorization: `Bearer ${token}` }), "x-api-key": CANARY, ...headers },
    ...(body !== undefined && { body }),
    signal: AbortSignal.timeout(ANSWER_MAX_MS),
  })
  const text = await response.text()
  bodies.push(text, JSON.stringify([...response.headers]))
  return { status: response.status, text, body: text.startsWith("{") ? JSON.parse(text) : null }
}

/** The documented status, and a body of `error` and `code` that repeats nothing of what was sent. */
async function refused(sent: Sent, status: number, code?: string): Promise<Wire> {
  const got = await send(sent)
  expect({ status: got.status, error: typeof got.body?.error, code: got.body?.code }).toEqual({
    ...{ status, error: "string" },
    code: code ?? expect.stringMatching(/^[A-Z_]+$/),
  })
  expect(got.text).not.toContain(CANARY)
  return got.body
}

const json = (value: unknown) => JSON.stringify(value)
const command = () => `/v1/workflows/${workflow}/command`
const complete = () => `/v1/workflows/${workflow}/runs/${run}/tasks/ask/complete`

describe("a body that is no JSON object of the route's shape is refused with 400", () => {
  const cases: readonly [string, BodyInit][] = [
    ["nothing", ""],
    ["half an object", `{"command":"${CANARY}`],
    ["a word", CANARY],
    ["a list", `["${CANARY}"]`],
    ["a text", `"${CANARY}"`],
    ["null", "null"],
    ["a number", "1e400"],
    ["JSON with a comma too many", `{"command":"start",}`],
    ["JSON with a comment", `{"command":"start"/* ${CANARY} */}`],
    ["two objects", `{"command":"start"}{"command":"start"}`],
    ["NaN", `{"command":NaN}`],
    ["bytes that are no UTF-8", new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])],
    ["UTF-16", new Uint8Array(Buffer.from(`{"command":"start"}`, "utf16le"))],
    ["a surrogate alone, as CESU-8", new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22])],
    ["a form", new URLSearchParams({ command: CANARY })],
    ["the command as a number", json({ command: 7 })],
    ["params as text", json({ command: "start", params: CANARY })],
    ["params as a list", json({ command: "start", params: [CANARY] })],
    ["a command nobody knows", json({ command: CANARY })],
    ["a command called like a method", json({ command: "constructor" })],
    ["a run_id that is no UUID", json({ command: "start", params: { run_id: CANARY } })],
    ["a run_id that is a number", json({ command: "start", params: { run_id: 5 } })],
    ["a version that is a text", json({ command: "start", params: { version: "1" } })],
    ["a version below 1", json({ command: "start", params: { version: 0 } })],
    ["a version that is no whole number", json({ command: "start", params: { version: 1.5 } })],
    ["a payload that is a list", json({ command: "start", params: { trigger_payload: [CANARY] } })],
    ["overlays that are texts", json({ command: "start", params: { trigger_steps: { ask: CANARY } } })],
    ["excluded steps that are numbers", json({ command: "start", params: { excluded_step_ids: [1] } })],
    ["a stop in a mode nobody knows", json({ command: "stop", params: { run_id: CANARY, mode: CANARY } })],
    ["a pause of no run", json({ command: "pause" })],
    ["a key longer than 300 characters", json({ command: "start", params: { idempotency_key: CANARY.repeat(20) } })],
  ]
  test.each(cases)("%s", async (_name, body) => {
    await refused({ path: command(), body, headers: { "content-type": "application/json" } }, 400)
  })

  test("an approval that is no boolean", async () => {
    for (const approved of ["yes", 1, null, [true], { approved: true }]) {
      await refused({ path: complete(), body: json({ approved, result: { note: CANARY } }) }, 400, "INVALID_BODY")
    }
    await refused({ path: complete(), body: json({ approved: true, result: CANARY }) }, 400, "INVALID_BODY")
    await refused({ path: complete(), body: json({}) }, 400, "INVALID_BODY")
  })

  test("a query that is none", async () => {
    for (const query of ["limit=0", "limit=101", "limit=ten", "limit=-1", "offset=-1", "offset=x", "limit=1e9"]) {
      await refused({ path: `/v1/workflows?${query}` }, 400)
    }
    await refused({ path: `/v1/runs?since=${CANARY}` }, 400)
    await refused({ path: `/v1/workflows/${workflow}/runs/${run}/events?after_seq=-1` }, 400)
    await refused({ path: `/v1/workflows/${workflow}/runs/${run}/events?limit=1001` }, 400)
  })
})

describe("a body beyond its limits", () => {
  const big = `{"command":"start","params":{"x":"${"x".repeat(5 * MIB)}"}}`

  test("is refused with 413 when it says its size", async () => {
    await refused({ path: command(), body: big }, 413, "BODY_TOO_LARGE")
  })

  test("is refused with 413 when it comes in pieces of no stated size", async () => {
    const pieces = new ReadableStream({
      start(controller) {
        for (let at = 0; at < big.length; at += MIB) controller.enqueue(Buffer.from(big.slice(at, at + MIB)))
        controller.close()
      },
    })
    await refused({ path: command(), body: pieces }, 413, "BODY_TOO_LARGE")
  })

  test("is refused before it is sent when it states 10 GB", async () => {
    const answer = await raw(
      `POST ${command()} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: 10737418240\r\n\r\n{"command":`,
    )
    expect(answer).toStartWith("HTTP/1.1 413 ")
  })

  test("is refused with 400 when it is 200,000 levels deep, in lists or objects, closed or not", async () => {
    const deep = 200_000
    for (const body of [
      "[".repeat(deep),
      "[".repeat(deep) + "]".repeat(deep),
      '{"a":'.repeat(deep),
      `${'{"a":'.repeat(deep)}1${"}".repeat(deep)}`,
    ]) {
      await refused({ path: command(), body }, 400, "INVALID_BODY")
      await refused({ path: "/v1/workflows", body: `{"name":"x","graph":${body}}` }, 400, "INVALID_BODY")
    }
  })

  test("is refused with 400 when it has more than 100,000 keys", async () => {
    const keys = Array.from({ length: 100_001 }, (_, i) => `"${i}":0`).join(",")
    await refused({ path: command(), body: `{"command":"start","params":{${keys}}}` }, 400, "INVALID_BODY")
  })

  test("is refused with 413 when the run's input is larger than 2 MiB", async () => {
    await refused({ path: command(), body: json({ command: "start", params: { x: "x".repeat(3 * MIB) } }) }, 413)
  })

  test("is not even read for a stranger", async () => {
    await refused({ path: command(), body: big, anonymous: true }, 401, "UNAUTHORIZED")
    await refused({ path: command(), body: "{", anonymous: true }, 401, "UNAUTHORIZED")
    await refused(
      { path: "/v1/workflows", anonymous: true, headers: { authorization: `Bearer pat_${CANARY}` } },
      401,
      "UNAUTHORIZED",
    )
  })
})

describe("a key that has a meaning for the language", () => {
  test("is data like any other, and changes nothing but its own value", async () => {
    const body = `{"command":"start","params":{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}},"trigger_payload":{"__proto__":{"polluted":1},"toString":"x"}}}`
    const started = await send({ path: command(), body })
    expect(started.status).toBe(200)
    const { input } = await client.context(workflow, started.body.run_id)
    expect(input.toString).toBe("x")
    expect((await client.get(`/v1/workflows/${workflow}`)).admin).toBeUndefined()
    await client.command(workflow, "stop", { run_id: started.body.run_id })
  })

  test("is no way around the checks of a graph", async () => {
    const step = '{"id":"a","type":"lua_script","name":"a","script":"return {}"}'
    const made = await send({ path: "/v1/workflows", body: `{"name":"p","graph":{"__proto__":{"steps":[${step}]}}}` })
    expect({ status: made.status, code: made.body.code }).toEqual({ status: 422, code: "VALIDATION_ERROR" })
    for (const id of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
      const steps = [{ id, type: "lua_script", name: id, script: "return { ok = true }" }]
      const workflowId = await client.publish(id, steps)
      const end = await client.reaches(workflowId, await client.start(workflowId), "completed", "failed")
      expect({ id, status: end.status }).toEqual({ id, status: "completed" })
      const context = await send({ path: `/v1/workflows/${workflowId}/runs/${end.run_id}/context` })
      expect(context.status).toBe(200)
    }
  })
})

describe("an id", () => {
  const ids = [
    crypto.randomUUID(),
    "1",
    "' OR '1'='1",
    "1; DROP TABLE runs; --",
    '" UNION SELECT * FROM pats --',
    "%00",
    "%00%00admin",
    "..%2f..%2fmaster.key",
    "%2e%2e%2fmaster.key",
    "a".repeat(5_000),
    "ключ-🔑",
    "%F0%9F%94%91",
    "%ED%A0%80",
    "%ff%fe",
    "null",
    "undefined",
    "NaN",
    "__proto__",
    "[object Object]",
    "{{input.x}}",
    "$(id)",
    "0x10",
    "-1",
  ]
  const places = [
    (id: string) => `/v1/workflows/${id}`,
    (id: string) => `/v1/workflows/${id}/versions`,
    (id: string) => `/v1/workflows/${id}/runs`,
    (id: string) => `/v1/workflows/${workflow}/runs/${id}`,
    (id: string) => `/v1/workflows/${workflow}/runs/${id}/events`,
    (id: string) => `/v1/workflows/${workflow}/runs/${id}/context`,
    (id: string) => `/v1/workflows/${workflow}/runs/${id}/summary`,
    (id: string) => `/v1/workflows/${workflow}/runs/${id}/tasks/pending`,
    (id: string) => `/v1/mcp/instances/${id}`,
  ]
  test.each(ids.map(id => [id.slice(0, 40), id]))("that belongs to nothing answers 404: %s", async (_name, id) => {
    for (const place of places) await refusedAs(place(id), {}, [404])
    await refusedAs(command().replace(workflow, id), { body: json({ command: "start" }) }, [404])
    await refusedAs(complete().replace("/ask/", `/${id}/`), { body: json({ approved: true }) }, [404])
    await refusedAs(command(), { body: json({ command: "pause", params: { run_id: id.slice(0, 300) } }) }, [404])
    await refusedAs(`/v1/workflows/${id}`, { method: "DELETE" }, [404])
    await refusedAs(`/v1/workflows/${id}`, { method: "PATCH", body: json({ name: "x" }) }, [404])
  })

  /** A path that is no path after all, such as one with a broken escape, may also be a bad request. */
  async function refusedAs(path: string, sent: Omit<Sent, "path">, statuses: readonly number[]): Promise<void> {
    const got = await send({ path, ...sent })
    const may = /%(ED|ff|F0|00)/.test(path) ? [...statuses, 400] : statuses
    expect({ path: path.slice(0, 80), as: may.includes(got.status) ? "documented" : got.status }).toEqual({
      path: path.slice(0, 80),
      as: "documented",
    })
    expect({ error: typeof got.body?.error, code: typeof got.body?.code }).toEqual({ error: "string", code: "string" })
  }

  test("of another workspace or project in the headers is never answered with someone else's", async () => {
    for (const headers of [
      { "x-tenant-id": "default" },
      { "x-tenant-id": "nobody" },
      { "x-project-id": crypto.randomUUID() },
      { "x-project-id": "' OR 1=1" },
    ]) {
      const got = await send({ path: `/v1/workflows/${workflow}`, headers: headers as Record<string, string> })
      expect([403, 404]).toContain(got.status)
      expect(typeof got.body?.code).toBe("string")
    }
  })
})

describe("a graph that cannot be is refused with 422 and says where", () => {
  const step = (id: string, more: object = {}) => ({ id, type: "lua_script", name: id, script: "return {}", ...more })
  const cases: readonly [string, unknown, string][] = [
    ["no graph at all", 7, "graph_schema_validation"],
    ["no steps", { steps: [] }, "graph_empty"],
    ["steps as an object", { steps: { a: step("a") } }, "graph_schema_validation"],
    ["a step that is a text", { steps: [CANARY] }, "graph_schema_validation"],
    ["a step without an id", { steps: [{ type: "lua_script" }] }, "step_config_missing_field"],
    ["a step without a type", { steps: [{ id: "a" }] }, "step_config_missing_field"],
    ["two steps of one id", { steps: [step("a"), step("a")] }, "duplicate_step_id"],
    ["a step that waits for itself", { steps: [step("a", { depends_on: ["a"] })] }, "dependency_cycle"],
    [
      "three that wait for each other",
      { steps: [step("a", { depends_on: ["c"] }), step("b", { depends_on: ["a"] }), step("c", { depends_on: ["b"] })] },
      "dependency_cycle",
    ],
    ["a dependency that is not there", { steps: [step("a", { depends_on: ["b"] })] }, "dependency_missing"],
    ["a type nobody knows", { steps: [step("a", { type: "http_call" })] }, "unknown_step_type"],
    ["a type called like a method", { steps: [step("a", { type: "constructor" })] }, "unknown_step_type"],
    ["the removed type condition", { steps: [step("a", { type: "condition" })] }, "legacy_step_type"],
    ["the removed type parallel", { steps: [step("a", { type: "parallel" })] }, "legacy_step_type"],
    ["the removed type sequence", { steps: [step("a", { type: "sequence" })] }, "legacy_step_type"],
    ["a negative retry_count", { steps: [step("a", { retry_count: -1 })] }, "graph_schema_validation"],
    ["a timeout of 0", { steps: [step("a", { timeout_s: 0 })] }, "graph_schema_validation"],
    ["an id with a space", { steps: [step("a b")] }, "graph_schema_validation"],
    ["an id of 10,000 characters", { steps: [step("a".repeat(10_000))] }, "graph_schema_validation"],
    ["1,001 steps", { steps: Array.from({ length: 1_001 }, (_, i) => step(`s${i}`)) }, "graph_schema_validation"],
  ]
  test.each(cases)("%s", async (_name, graph, code) => {
    for (const sent of [
      { path: "/v1/workflows", body: json({ name: "bad", graph }) },
      { path: `/v1/workflows/${workflow}`, method: "PATCH", body: json({ graph }) },
    ]) {
      const { issues } = await refused(sent, 422, "VALIDATION_ERROR")
      expect(issues[0]).toMatchObject({ severity: "error", code })
      expect(issues[0].json_path).toStartWith("$")
    }
  })

  test("a chain of 300 steps, each waiting for all before it, is none of these", async () => {
    const steps = Array.from({ length: 300 }, (_, i) =>
      step(`s${i}`, { enabled: false, depends_on: Array.from({ length: i }, (_, j) => `s${j}`) }),
    )
    const id = await client.publish("dense", steps)
    expect((await client.reaches(id, await client.start(id), "completed", "failed")).status).toBe("completed")
  })
})

describe("a transition that the run's state does not allow is refused with 409", () => {
  test("for each command on a run that ended, with the state it is in", async () => {
    const run_id = await client.start(workflow)
    await client.command(workflow, "stop", { run_id })
    for (const name of ["pause", "resume", "stop"]) {
      const body = await refused({ path: command(), body: json({ command: name, params: { run_id } }) }, 409, "INVALID_RUN_STATE")
      expect(body.status).toBe("stopped")
    }
    await refused({ path: complete().replace(run, run_id), body: json({ approved: true }) }, 409, "TASK_NOT_PENDING")
  })

  test("for whatever is done to an archived workflow", async () => {
    const id = await client.publish("old", [{ id: "a", type: "lua_script", name: "a", script: "return {}" }])
    expect((await send({ path: `/v1/workflows/${id}`, method: "DELETE" })).status).toBe(204)
    await refused({ path: `/v1/workflows/${id}/command`, body: json({ command: "start" }) }, 409, "WORKFLOW_ARCHIVED")
    await refused({ path: `/v1/workflows/${id}`, method: "PATCH", body: json({ name: "x" }) }, 409, "WORKFLOW_ARCHIVED")
    await refused({ path: `/v1/workflows/${id}/versions`, body: "{}" }, 409, "WORKFLOW_ARCHIVED")
    expect((await client.get(`/v1/workflows/${id}`)).status).toBe("archived")
  })
})

describe("on the wire", () => {
  test("a method that the path does not have answers 404 or 405", async () => {
    for (const [method, path] of [
      ["PUT", "/v1/workflows"],
      ["DELETE", "/v1/workflows"],
      ["GET", command()],
      ["PATCH", command()],
      ["POST", "/health/live"],
      ["TRACE", "/v1/runs"],
      ["PROPFIND", "/v1/runs"],
    ] as const) {
      const answer = await raw(
        `${method} ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`,
      )
      expect({ method, path, status: /^HTTP\/1\.1 (4\d\d)/.exec(answer)?.[1] }).toEqual({
        method,
        path,
        status: expect.stringMatching(/^(404|405|400)$/),
      })
    }
  })

  test("a path nobody knows answers 404, an address of 100 KB and a header of 100 KB are refused", async () => {
    await refused({ path: "/v1/nothing" }, 404, "NOT_FOUND")
    await refused({ path: "/v1/../v1/nothing" }, 404, "NOT_FOUND")
    for (const head of [
      `GET /v1/${"x".repeat(100_000)} HTTP/1.1\r\nHost: x`,
      `GET /health/live HTTP/1.1\r\nHost: x\r\nX-Long: ${CANARY.repeat(5_000)}`,
    ]) {
      const answer = await raw(`${head}\r\nConnection: close\r\n\r\n`)
      expect(answer === "" ? "closed" : answer.slice(0, 12)).toMatch(/^(closed|HTTP\/1\.1 4\d\d)/)
    }
  })

  const garbage: readonly [string, string | Uint8Array][] = [
    ["a TLS handshake", new Uint8Array([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03])],
    ["zeros", new Uint8Array(4_096)],
    ["a line that is no request", `${CANARY}\r\n\r\n`],
    ["the start of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["a length that is no number", `POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: ${CANARY}\r\n\r\n`],
    ["a negative length", "POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nabcde"],
    ["two lengths", "POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 30\r\n\r\n{}"],
    [
      "a length and chunks",
      "POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    [
      "a chunk whose size is no number",
      "POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    ],
    ["a host that is none", "GET /health/live HTTP/1.1\r\nHost: a b\\c/\r\nConnection: close\r\n\r\n"],
    ["no host", "GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n"],
    ["no host for the page that names it", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n"],
    [
      "a sign-in with an origin and no host",
      `POST /v1/auth/login HTTP/1.1\r\nOrigin: http://x\r\nContent-Length: ${LOGIN.length}\r\n\r\n${LOGIN}`,
    ],
    [
      "a sign-in with an origin and a host that is none",
      `POST /v1/auth/login HTTP/1.1\r\nHost: a b\r\nOrigin: http://x\r\nContent-Length: ${LOGIN.length}\r\n\r\n${LOGIN}`,
    ],
    [
      "a sign-in with an origin that is none",
      `POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nOrigin: ::${CANARY}\r\nContent-Length: ${LOGIN.length}\r\n\r\n${LOGIN}`,
    ],
    [
      "a request after a request, then garbage",
      `GET /health/live HTTP/1.1\r\nHost: x\r\n\r\nGET /health/live HTTP/1.1\r\nHost: x\r\n\r\n\u0000\u0001${CANARY}\r\n\r\n`,
    ],
  ]
  test.each(garbage)("%s does not disturb the next request", async (_name, bytes) => {
    const answer = await raw(bytes)
    expect(answer).not.toMatch(/^HTTP\/1\.[01] 5\d\d/m)
    expect(answer).not.toContain(CANARY)
    expect((await fetch(`${server.url}/health/ready`)).status).toBe(200)
  })

  test("a body that never comes holds up nobody else", async () => {
    const sockets = Array.from({ length: 50 }, () => connect(Number(new URL(server.url).port), "127.0.0.1"))
    for (const socket of sockets) {
      socket.on("error", () => {})
      socket.write(`POST ${command()} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: 100\r\n\r\n{"comm`)
    }
    expect((await client.run(workflow, run)).status).toBe("paused")
    for (const socket of sockets) socket.destroy()
    expect((await fetch(`${server.url}/health/ready`)).status).toBe(200)
  })

  test("a caller who hangs up in the middle leaves nothing broken", async () => {
    for (let i = 0; i < 20; i++) {
      const abort = new AbortController()
      const sending = fetch(server.url + command(), {
        ...{ method: "POST", signal: abort.signal, headers: { authorization: `Bearer ${token}` } },
        body: json({ command: "start", params: { x: "x".repeat(MIB) } }),
      }).catch(() => null)
      await Bun.sleep(i % 5)
      abort.abort()
      await sending
    }
    expect((await fetch(`${server.url}/health/ready`)).status).toBe(200)
  })
})

describe("secrets", () => {
  test("wrong passwords and tokens are refused without being repeated", async () => {
    const body = json({ email: "ops@example.com", password: CANARY })
    await refused({ path: "/v1/auth/login", body, anonymous: true }, 401)
    const setup = json({ token: CANARY, email: `${CANARY}@example.com`, password: CANARY })
    await refused({ path: "/v1/auth/setup", body: setup, anonymous: true }, 410, "LINK_EXPIRED")
    await refused({ path: `/v1/workflows?access_token=${CANARY}`, anonymous: true }, 401)
    await refused({ path: "/v1/mcp/instances", body: json({ server_id: "sqlite", config: { nothing_like_it: CANARY } }) }, 422)
    await refused({ path: "/v1/mcp/instances", body: json({ server_id: CANARY }) }, 404)
  })
})

test("after all of this the server is healthy, the run still waits, and neither log nor answers hold a secret", async () => {
  expect((await client.reaches(workflow, run, "paused")).pause_reason).toBe("human_task")
  await client.approve(workflow, run, "ask")
  expect((await client.reaches(workflow, run, "completed")).failure_code).toBeNull()
  expect(server.complaints).toEqual([])
  expect(server.log.filter(line => line.status >= 500)).toEqual([])
  expect(server.log.length).toBeGreaterThan(100)
  for (const secret of [CANARY, token]) {
    expect(server.stdout + server.stderr).not.toContain(secret)
    expect(bodies.filter(text => text.includes(secret))).toEqual([])
  }
  expect(await server.stop()).toBe(0)
  expect(server.complaints).toEqual([])
})

/** Writes bytes as they are; whatever comes back until the other side closes, or is silent for a moment. */
async function raw(bytes: string | Uint8Array): Promise<string> {
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1")
  let answer = ""
  const closed = new Promise<void>(resolve => {
    socket.on("close", () => resolve())
    socket.on("error", () => resolve())
  })
  const answered = new Promise<void>(resolve => {
    socket.on("data", chunk => {
      answer += chunk.toString("latin1")
      setTimeout(resolve, 50)
    })
  })
  socket.write(bytes)
  await Promise.race([closed, answered, Bun.sleep(2_000)])
  socket.destroy()
  bodies.push(answer)
  return answer
}
