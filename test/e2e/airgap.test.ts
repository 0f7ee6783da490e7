import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { networkInterfaces } from "node:os"
import { type Client, Home, type Server, until, type Wire } from "./server.ts"

const isolated = process.env.AGENTRUNTIME_TEST_NO_NETWORK === "1"
if (!isolated)
  console.log(`skipped: ${process.env.AGENTRUNTIME_TEST_NETWORK_BECAUSE ?? "`npm test` makes the place without a network"}`)

const SECRET = "s3cr3t-of-the-hook"
const HOOK = `https://hooks.example.com/run-ended?token=${SECRET}`

describe.skipIf(!isolated)("where there is no network but loopback", () => {
  const home = new Home()
  let server: Server
  let client: Client
  let token: string
  beforeAll(async () => {
    token = await home.token()
    server = await home.serve()
    client = server.client(token)
  })
  afterAll(() => home.remove())

  const attempts = async (query = ""): Promise<readonly Wire[]> => (await client.get(`/v1/egress/attempts${query}`)).attempts

  test("there is none: no route, and no way to a public address", async () => {
    expect(readFileSync("/proc/net/route", "utf8").trim().split("\n")).toHaveLength(1)
    expect(Object.keys(networkInterfaces())).toEqual(["lo"])
    const code = await fetch("http://1.1.1.1/").then(
      () => "answered",
      error => error.code,
    )
    expect(code).toBe("ENETUNREACH")
  })

  test("the executable serves its API and its explorer, which needs nothing from elsewhere", async () => {
    const page = await fetch(`${server.url}/docs`)
    const html = await page.text()
    expect(page.status).toBe(200)
    const scripts = [...html.matchAll(/<(?:script|link)[^>]+(?:src|href)="([^"]+)"/g)].map(match => match[1] ?? "")
    expect(scripts.length).toBeGreaterThan(0)
    for (const path of scripts) {
      expect(path).not.toMatch(/^(https?:)?\/\//)
      expect((await fetch(new URL(path, `${server.url}/docs`))).status).toBe(200)
    }
    expect(await client.get("/v1/egress/policy")).toEqual({ sealed: true, allow: [] })
  })

  test("a workflow computes, writes into a database, asks a person and ends", async () => {
    const instance = await client.sqlite("readings.db")
    const call = (id: string, tool_name: string, sql: string, depends_on: readonly string[] = []) => ({
      ...{ id, type: "mcp_call", name: id, instance_id: instance, tool_name, tool_args: { sql }, depends_on },
    })
    const task = { type: "human_task", task_type: "approval", task_payload: { title: "Good?" } }
    const workflow = await client.publish("readings", [
      call("make", "sqlite_execute", "CREATE TABLE readings (n INTEGER)"),
      call("fill", "sqlite_execute", "INSERT INTO readings VALUES (3), (4)", ["make"]),
      call("sum", "sqlite_query", "SELECT sum(n) AS total FROM readings", ["fill"]),
      { id: "ask", name: "Ask", ...task, depends_on: ["sum"] },
      {
        ...{ id: "tell", type: "lua_script", name: "Tell", depends_on: ["ask"] },
        script: "return { total = steps.sum.result.rows[1].total }",
      },
    ])
    const run = await client.start(workflow)
    await client.reaches(workflow, run, "paused", "failed")
    await client.approve(workflow, run, "ask")
    expect((await client.reaches(workflow, run, "completed", "failed")).status).toBe("completed")
    expect(JSON.stringify((await client.context(workflow, run)).steps)).toContain('"total":7')
    expect(await attempts()).toEqual([])
  })

  test("what tries to leave is refused and listed with who asked, without its secrets", async () => {
    const workflow = await client.publish("told", [{ id: "a", type: "lua_script", name: "A", script: "return {}" }])
    const run = await client.start(workflow, { callback_url: HOOK })
    await until("the attempt is listed", 30_000, async () => (await attempts()).length > 0)
    const [attempt, ...more] = await attempts("?allowed=false&host=hooks.example.com")
    expect(more).toEqual([])
    expect(attempt).toMatchObject({
      what: "callback",
      run_id: run,
      protocol: "https",
      host: "hooks.example.com",
      port: 443,
      allowed: false,
    })
    expect(attempt.reason).toContain("this instance is sealed")
    expect(JSON.stringify(await attempts()) + server.stderr).not.toContain(SECRET)
    expect(await (await fetch(`${server.url}/metrics`)).text()).toContain(
      'agentruntime_egress_attempts_total{result="refused"} 1',
    )
  })

  test("`doctor --airgap` lists it beside the running server, and is content when it is allowed", async () => {
    const ask = { id: "ask", type: "human_task", name: "Ask", task_type: "approval", task_payload: { title: "?" } }
    await client.start(await client.publish("asks", [ask]), { callback_url: HOOK })
    const doctor = (...args: string[]) => home.run(["doctor", "--airgap", "--data", home.data, ...args])

    const refused = await doctor("--sealed", "--json")
    expect(refused.code).toBe(1)
    expect(JSON.parse(refused.stdout)).toMatchObject({
      ...{ ok: false, sealed: true },
      hosts: [{ protocol: "https", host: "hooks.example.com", port: 443, verdict: "refused", why: ["callback of a run"] }],
      problems: [expect.stringContaining("hooks.example.com is not on the allow-list")],
    })
    const open = await doctor("--json")
    expect([open.code, JSON.parse(open.stdout).hosts[0].verdict]).toEqual([1, "public"])
    const allowed = await doctor("--sealed", "--egress-allow", "hooks.example.com:443")
    expect([allowed.code, allowed.stderr]).toEqual([0, ""])
    expect(allowed.stdout).toContain("allowed  https hooks.example.com:443 by hooks.example.com:443 (callback of a run)")
    for (const { stdout, stderr } of [refused, open, allowed]) expect(stdout + stderr).not.toContain(SECRET)
  })

  test("the record is still there after a restart, and goes on with what is let out", async () => {
    expect(await server.stop()).toBe(0)
    const receiver = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("ok") })
    server = await home.serve(["--egress-allow", `127.0.0.1:${receiver.port}`])
    client = server.client(token)
    expect((await attempts()).map(attempt => attempt.host)).toEqual(["hooks.example.com"])
    const workflow = await client.publish("told here", [{ id: "a", type: "lua_script", name: "A", script: "return {}" }])
    const run = await client.start(workflow, { callback_url: `http://127.0.0.1:${receiver.port}/${SECRET}` })
    await until("the attempt is listed", 30_000, async () => (await attempts("?allowed=true")).length > 0)
    expect((await attempts("?allowed=true"))[0]).toMatchObject({
      ...{ what: "callback", run_id: run, protocol: "http", host: "127.0.0.1", port: receiver.port, reason: null },
    })
    expect(JSON.stringify(await attempts())).not.toContain(SECRET)
    await receiver.stop(true)
  })
})
