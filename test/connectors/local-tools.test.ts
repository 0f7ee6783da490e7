import { afterAll, beforeAll, expect, test } from "bun:test"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { canonicalUrl } from "../../src/connectors/catalog.ts"
import type { JsonObject } from "../../src/kernel/json.ts"
import { openWorld, type World } from "../helpers/app.ts"

let world: World
let server: ReturnType<typeof Bun.serve>
beforeAll(async () => {
  const feed = "<rss><channel><title>News</title><item><title>Rain</title></item></channel></rss>"
  server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response(feed) })
  world = await openWorld({ flags: { "egress.allow": "127.0.0.1" } })
})
afterAll(async () => {
  await world.close()
  await server.stop(true)
})

const call = (id: string, slug: string, tool_name: string, tool_args: JsonObject, depends_on: readonly string[] = []) => ({
  ...{ id, type: "mcp_call", name: id, server_url: canonicalUrl(slug), tool_name, tool_args, depends_on },
})

test("a run reads a feed, asks the mock and the clock, and writes a file in its project's folder", async () => {
  const wish = { server_id: "files", config: { files_allow_write: true } }
  expect((await world.call(world.as(world.people.contributor), "POST", "/v1/mcp/instances", wish)).status).toBe(201)
  const id = await world.workflow({
    steps: [
      call("news", "rss", "rss_fetch_items", { rss_feed_url: `http://127.0.0.1:${server.port}/` }),
      call("who", "healthcare", "patient.lookup", { patient_id: "P-1001", _latency_ms: "5" }),
      call("now", "time", "time_now", { timezone: "Europe/Berlin" }),
      call(
        "note",
        "files",
        "files_write",
        {
          path: "notes/today.txt",
          content: "{{steps.now.result.date}} {{steps.who.result.patient.name}} {{steps.news.result.items.0.title}}",
        },
        ["news", "who", "now"],
      ),
    ],
  })

  const run = await world.until(id, await world.start(id), "completed")

  const written = join(world.deps.directory.filesRoot, world.places.first.project, "notes", "today.txt")
  expect({ status: run.status, there: existsSync(written) }).toEqual({ status: "completed", there: true })
  expect(readFileSync(written, "utf8")).toBe("2026-06-10 Patient 1001 Rain")
})
