import { test } from "bun:test"
import { openWorld, TASK_GRAPH } from "/work/main/test/helpers/app.ts"
test("x", async () => {
  const t0 = performance.now()
  const w = await openWorld()
  console.log("world ms", performance.now() - t0)
  for (const r of w.app.http.routes) console.log(r.method, r.path, JSON.stringify((r.hooks as any).detail?.["x-permission"]), "resp:", !!(r.hooks as any).response, "body:", !!(r.hooks as any).body)
  const id = await w.workflow(TASK_GRAPH)
  const run = await w.start(id)
  console.log(await w.until(id, run, "paused"))
  for (const q of ["limit=0","limit=101","limit=-1","limit=abc","limit=1.5","limit=","limit=1&limit=2","offset=-1","offset=x","limit=1e1", "limit= 5"]) { const a = await w.call(w.as(w.people.viewer),"GET","/v1/workflows?"+q); console.log(q, a.status, a.text.slice(0,150)) }
  for (const q of ["status=paused","status=running,paused","status=running&status=paused","status=","status=bogus","since=abc","since=2020-01-01T00:00:00Z","since=1", "workflow_id="+id, "workflow_id=x"]) { const a = await w.call(w.as(w.people.viewer),"GET","/v1/runs?"+q); console.log(q, a.status, a.body?.total ?? a.text) }
  console.log((await w.call({}, "GET", "/v1/nope")).text)
  const e = await w.call({}, "GET", "/v1/workflows"); console.log(e.status, e.text, [...e.headers])
  await w.close()
})
