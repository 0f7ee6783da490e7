import { afterAll, beforeAll, expect, test } from "bun:test"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { openWorld, type World } from "../../helpers/app.ts"
import { type Service, startService } from "./service.ts"

const TOKEN = "canary-t0ken-0123456789"
const HTTP = "https://router.agentruntime.io/http/mcp"

let world: World
let service: Service
beforeAll(async () => {
  service = startService()
  world = await openWorld({ flags: { "egress.allow": "127.0.0.1" } })
})
afterAll(async () => {
  await world.close()
  await service.stop()
})

const step = (id: string, more: object) => ({ id, type: "mcp_call", name: id, tool_name: "http_request", ...more })

test("a graph reads all pages of a list and posts what it found, signed in by the instance's configuration", async () => {
  service.answer = ({ method, query, headers, body }) => {
    if (method === "POST") return Response.json({ got: JSON.parse(body), echoed: headers.authorization }, { status: 201 })
    const page = Number(new Map(query).get("page") ?? 1)
    return Response.json({ data: page < 3 ? [{ id: page }] : [] })
  }
  const admin = world.as(world.people.projectAdmin)
  const config = { base_url: service.base, auth: "bearer", token: TOKEN }
  const made = await world.call(admin, "POST", "/v1/mcp/instances", { server_id: "http", name: "Shop", config })
  expect(made.status).toBe(201)
  const instance = { instance_id: made.body.id, server_url: HTTP }
  const workflow = await world.workflow({
    steps: [
      step("orders", { ...instance, tool_args: { path: "/orders", pagination: { kind: "page", items_path: "data" } } }),
      step("report", {
        ...instance,
        depends_on: ["orders"],
        tool_args: {
          method: "POST",
          path: "/report",
          body: { count: "{{steps.orders.result.item_count}}", of: "{{steps.orders.result.items}}" },
        },
      }),
    ],
  })
  const run = await world.start(workflow)
  await world.until(workflow, run, "completed")

  expect(service.arrived.map(one => [one.method, one.path, one.headers.authorization])).toEqual([
    ["GET", "/orders", `Bearer ${TOKEN}`],
    ["GET", "/orders", `Bearer ${TOKEN}`],
    ["GET", "/orders", `Bearer ${TOKEN}`],
    ["POST", "/report", `Bearer ${TOKEN}`],
  ])
  expect(JSON.parse(service.arrived[3]!.body)).toEqual({ count: 2, of: [{ id: 1 }, { id: 2 }] })
  const events = await world.call(admin, "GET", `/v1/workflows/${workflow}/runs/${run}/events`)
  expect(events.text).toContain('"echoed":"Bearer ***"')
})

test("a graph needs no configuration for whole addresses", async () => {
  service.answer = () => Response.json({ open: true })
  const outsider = world.as(world.people.otherProject, world.places.second)
  const graph = { steps: [step("a", { server_url: HTTP, tool_args: { url: `${service.base}/open` } })] }
  const workflow = await world.workflow(graph, {}, outsider)
  const run = await world.start(workflow, {}, outsider)
  await world.until(workflow, run, "completed", outsider)

  expect(service.arrived.at(-1)).toMatchObject({ method: "GET", path: "/open" })
})

test("a graph that asks another host, or fails with the token in the answer, shows it nowhere", async () => {
  service.answer = ({ headers }) => Response.json({ error: `bad ${headers.authorization ?? TOKEN}` }, { status: 400 })
  const other = startService()
  const admin = world.as(world.people.projectAdmin)
  const { body } = await world.call(admin, "GET", "/v1/mcp/instances")
  const instance = { instance_id: body.instances[0].id, server_url: HTTP }
  for (const tool_args of [{ path: "/" }, { url: other.base }]) {
    const workflow = await world.workflow({ steps: [step("a", { ...instance, tool_args, retry_count: 0 })] })
    const run = await world.start(workflow)
    await world.until(workflow, run, "url" in tool_args ? "completed" : "failed")
  }
  expect(JSON.stringify(other.arrived)).not.toContain("canary")
  expect(other.arrived).toHaveLength(1)
  await other.stop()

  const forms = [TOKEN, Buffer.from(TOKEN).toString("base64").replace(/=+$/, ""), Buffer.from(TOKEN).toString("hex")]
  const kept = filesBelow(world.deps.directory.path).map(path => readFileSync(path).toString("latin1"))
  for (const form of forms) expect([...kept, ...world.logged].some(text => text.includes(form))).toBe(false)
})

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map(name => join(folder, name))
    .filter(path => statSync(path).isFile())
}
