import { afterAll, beforeAll, expect, test } from "bun:test"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { type Service, startService } from "../../connectors/http/service.ts"
import { openWorld, type World } from "../../helpers/app.ts"

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

const FIRST = "canary+first/0123456789="
const SECOND = "canary+second/0123456789="
const me = () => world.as(world.people.contributor)
const call = (method: string, path: string, body?: unknown) => world.call(me(), method, path, body)

async function connection(token: string): Promise<string> {
  const wish = { display_name: "Shop", service: "http", credentials: { token } }
  return (await call("POST", "/v1/connections", wish)).body.id
}

/** Every file of the data directory, as bytes. */
function kept(): readonly Buffer[] {
  const { path } = world.deps.directory
  const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  return files.map(file => readFileSync(join(file.parentPath, file.name)))
}

test("runs use the profile's connection, those of a workflow with an override the other one, each change at once; no secret is kept in the clear", async () => {
  service.answer = ({ headers }) => Response.json({ echoed: headers.authorization })
  const [first, second] = [await connection(FIRST), await connection(SECOND)]
  const instance = (await call("POST", "/v1/mcp/instances", { server_id: "http" })).body
  const wiring = {
    config: { base_url: service.base, auth: "bearer" },
    source_spec: { token: { source: "connection", connection_id: first, key: "token" } },
  }
  const profile = `/v1/mcp/instances/${instance.id}/config-profiles/${instance.active_profile_id}`
  expect((await call("PATCH", profile, wiring)).status).toBe(200)
  const step = { type: "mcp_call", tool_name: "http_request", instance_id: instance.id, tool_args: { path: "/" } }
  const workflow = await world.workflow({ steps: [{ id: "a", name: "A", ...step }] })
  const overrides = (list: unknown) => call("PUT", `/v1/workflows/${workflow}/connection-overrides`, { overrides: list })
  const seen = async () => {
    const run = await world.start(workflow)
    await world.until(workflow, run, "completed")
    const events = await call("GET", `/v1/workflows/${workflow}/runs/${run}/events`)
    for (const secret of [FIRST, SECOND]) expect(events.text).not.toContain(secret)
    return service.arrived.at(-1)?.headers.authorization
  }

  expect(await seen()).toBe(`Bearer ${FIRST}`)
  await overrides([{ instance_id: instance.id, connection_id: second }])
  expect(await seen()).toBe(`Bearer ${SECOND}`)
  await overrides([])
  expect(await seen()).toBe(`Bearer ${FIRST}`)
  await call("PATCH", `/v1/connections/${first}`, { credentials: { token: "canary+third/0123456789=" } })
  expect(await seen()).toBe("Bearer canary+third/0123456789=")

  // Deleted by force under an override: never the other account instead.
  await overrides([{ instance_id: instance.id, connection_id: second }])
  expect((await call("DELETE", `/v1/connections/${second}?force=true`)).status).toBe(204)
  const arrived = service.arrived.length
  const run = await world.start(workflow)
  await world.until(workflow, run, "failed")
  expect(service.arrived.length).toBe(arrived)

  const files = kept()
  expect(files.length).toBeGreaterThan(1)
  for (const secret of [FIRST, SECOND, "canary+third/0123456789="]) {
    const bytes = Buffer.from(secret)
    const spellings = [secret, bytes.toString("base64"), bytes.toString("hex"), encodeURIComponent(secret)]
    for (const spelling of spellings) {
      expect(files.some(file => file.includes(spelling))).toBe(false)
      expect(world.logged.join("\n")).not.toContain(spelling)
    }
  }
})
