import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { SESSION_COOKIE } from "../../src/modules/auth/cookie.ts"
import { type Caller, openWorld, type Person, type Place, type World } from "../helpers/app.ts"

let world: World
let address: string
let workflow: string

const GRAPH = {
  steps: [
    { id: "a", type: "lua_script", script: "return { n = 1 }" },
    { id: "ask", type: "human_task", depends_on: ["a"] },
  ],
}

beforeAll(async () => {
  world = await openWorld()
  world.app.http.listen({ hostname: "127.0.0.1", port: 0, reusePort: false })
  address = `ws://127.0.0.1:${world.app.http.server?.port}`
  workflow = await world.workflow(GRAPH)
})
afterAll(async () => {
  await world.app.http.server?.stop(true)
  await world.close()
})

interface Frame {
  readonly run_id: string
  readonly seq: number
  readonly event_type: string
  readonly step_id: string | null
}

/** A connection, with what came over it and how it ended. */
async function connect(path: string, headers: Record<string, string>) {
  const frames: Frame[] = []
  const socket = new WebSocket(address + path, { headers } as unknown as string[]) // Bun's own option
  let ended: { code: number; reason: string } | null = null
  socket.onmessage = message => void frames.push(JSON.parse(String(message.data)))
  socket.onclose = ({ code, reason }) => {
    ended = { code, reason }
  }
  await until(() => socket.readyState !== WebSocket.CONNECTING)
  return { socket, frames, open: socket.readyState === WebSocket.OPEN, ended: () => ended }
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 5_000
  while (!(await holds())) {
    if (Date.now() > end) throw new Error("it did not happen")
    await Bun.sleep(5)
  }
}

const bearer = (person: Person) => ({ authorization: `Bearer ${person.pat}` })
const owner = () => world.people.contributor
const recorded = async (run: string, caller: Caller) => {
  const { body } = await world.call(caller, "GET", `/v1/workflows/${workflow}/runs/${run}/events`)
  return body.events as Frame[]
}
const callerOf = (person: Person, place: Place | null = null): Caller => ({ pat: person.pat, place })

describe("the stream of a workflow", () => {
  test("opens for viewers and above, and for nobody else", async () => {
    const { viewer, contributor, projectAdmin, tenantAdmin, otherProject, otherTenant } = world.people
    const path = `/v1/workflows/${workflow}/stream`
    const opens = async (headers: Record<string, string>) => {
      const { socket, open, ended } = await connect(path, headers)
      await Bun.sleep(50) // a refusal behind the upgrade closes it again
      const stays = open && ended() === null
      socket.close()
      return stays
    }
    for (const person of [viewer, contributor, projectAdmin, tenantAdmin]) expect(await opens(bearer(person))).toBe(true)
    for (const person of [otherProject, otherTenant]) expect(await opens(bearer(person))).toBe(false)
    expect(await opens({})).toBe(false)
    expect(await opens({ authorization: "Bearer pat_wrong" })).toBe(false)
    expect(await opens({ authorization: `Bearer ${viewer.smallPat}` })).toBe(false)
    const place = { "x-tenant-id": viewer.place.tenant, "x-project-id": viewer.place.project }
    expect(await opens({ cookie: `${SESSION_COOKIE}=${viewer.session}`, ...place })).toBe(true)
    expect(await opens({ cookie: `${SESSION_COOKIE}=${viewer.session}`, ...place, origin: "https://evil.example" })).toBe(false)
  })

  test("takes a browser's token from the query", async () => {
    const { socket, open } = await connect(`/v1/workflows/${workflow}/stream?access_token=${owner().pat}`, {})
    expect(open).toBe(true)
    socket.close()
  })

  test("sends what the events route has, in order, as it happens", async () => {
    const stream = await connect(`/v1/workflows/${workflow}/stream`, bearer(owner()))
    await Bun.sleep(50)
    const run = await world.start(workflow, {}, callerOf(owner(), owner().place))
    await until(() => stream.frames.some(f => f.event_type === "state_changed"))
    expect(stream.frames).toEqual(await recorded(run, callerOf(owner(), owner().place)))
    stream.socket.close()
  })

  test("of one run begins behind any event, without a gap and without a double, while the run goes on", async () => {
    const caller = callerOf(owner(), owner().place)
    const run = await world.start(workflow, {}, caller)
    await until(async () => (await recorded(run, caller)).some(e => e.event_type === "human_task_created"))
    const streams = await Promise.all(
      [0, 1, 3].map(async after => ({
        after,
        ...(await connect(`/v1/workflows/${workflow}/stream?run_id=${run}&after_seq=${after}`, bearer(owner()))),
      })),
    )
    await world.call(caller, "POST", `/v1/workflows/${workflow}/runs/${run}/tasks/ask/complete`, { approved: true })
    const other = await world.start(workflow, {}, caller) // must not show
    const whole = await until(async () => (await recorded(run, caller)).at(-1)?.event_type === "state_changed").then(() =>
      recorded(run, caller),
    )
    for (const stream of streams) {
      await until(() => stream.frames.at(-1)?.seq === whole.at(-1)?.seq)
      expect(stream.frames.map(f => f.seq)).toEqual(whole.slice(stream.after).map(e => e.seq))
      expect(stream.frames.some(f => f.run_id === other)).toBe(false)
      stream.socket.close()
    }
  })

  test("of an unknown run, or of another project's, is closed with a sentence", async () => {
    const unknown = await connect(`/v1/workflows/${workflow}/stream?run_id=${Bun.randomUUIDv7()}`, bearer(owner()))
    await until(() => unknown.ended() !== null)
    expect(unknown.ended()).toMatchObject({ code: 1008, reason: "there is no such run of this workflow" })
  })

  test("ends with its reader: no listener stays behind", async () => {
    const streams = await Promise.all(
      Array.from({ length: 20 }, () => connect(`/v1/workflows/${workflow}/stream`, bearer(owner()))),
    )
    for (const { socket } of streams) socket.close()
    const late = await connect(`/v1/workflows/${workflow}/stream`, bearer(owner()))
    const run = await world.start(workflow, {}, callerOf(owner(), owner().place))
    await until(() => late.frames.some(f => f.run_id === run))
    late.socket.close()
  })
})
