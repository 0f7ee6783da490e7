import { afterAll, beforeAll, expect, test } from "bun:test"
import { openWorld, type World } from "../helpers/app.ts"

const READERS = 200
const RUNS = 30

let world: World
let address: string
let workflow: string

beforeAll(async () => {
  world = await openWorld()
  world.app.http.listen({ hostname: "127.0.0.1", port: 0, reusePort: false })
  address = `ws://127.0.0.1:${world.app.http.server?.port}`
  const script = "return { n = 1 }"
  workflow = await world.workflow({
    steps: [
      { id: "a", type: "lua_script", script },
      { id: "b", type: "lua_script", script, depends_on: ["a"] },
    ],
  })
})
afterAll(async () => {
  await world.app.http.server?.stop(true)
  await world.close()
})

interface Frame {
  readonly run_id: string
  readonly seq: number
}

async function connect(query = ""): Promise<{ readonly socket: WebSocket; readonly frames: Frame[] }> {
  const headers = { authorization: `Bearer ${world.people.contributor.pat}` }
  const path = `/v1/workflows/${workflow}/stream${query}`
  const socket = new WebSocket(address + path, { headers } as unknown as string[]) // Bun's own option
  const frames: Frame[] = []
  socket.onmessage = message => void frames.push(JSON.parse(String(message.data)))
  await new Promise((resolve, reject) => {
    socket.onopen = resolve
    socket.onerror = reject
  })
  return { socket, frames }
}

async function until(holds: () => boolean): Promise<void> {
  const end = Date.now() + 15_000
  while (!holds()) {
    if (Date.now() > end) throw new Error("it did not happen")
    await Bun.sleep(5)
  }
}

test(`${READERS} readers of a busy workflow get every event once and in order, wherever they began`, async () => {
  const { contributor } = world.people
  const caller = { pat: contributor.pat, place: contributor.place }
  const start = () => world.start(workflow, {}, caller)
  const early = await Promise.all(Array.from({ length: READERS - 20 }, () => connect()))
  await until(() => world.app.http.server!.pendingWebSockets >= early.length)
  await Bun.sleep(100) // an open connection is subscribed a moment later

  const half = await Promise.all(Array.from({ length: RUNS / 2 }, start))
  const [followed] = half
  const following = Promise.all(Array.from({ length: 20 }, (_, i) => connect(`?run_id=${followed}&after_seq=${i % 4}`)))
  const runs = [...half, ...(await Promise.all(Array.from({ length: RUNS / 2 }, start)))]

  const eventsOf = async (run: string) =>
    (await world.call(caller, "GET", `/v1/workflows/${workflow}/runs/${run}/events`)).body.events as Frame[]
  const journal = new Map<string, Frame[]>()
  for (const run of runs) {
    let events = await eventsOf(run)
    while ((events.at(-1) as Frame & { event_type?: string })?.event_type !== "state_changed") {
      await Bun.sleep(20)
      events = await eventsOf(run)
    }
    journal.set(run, events)
  }
  const total = [...journal.values()].reduce((sum, events) => sum + events.length, 0)
  await until(() => early.every(({ frames }) => frames.length >= total))
  for (const { frames } of early) {
    expect(frames.length).toBe(total)
    for (const [run, events] of journal) expect(frames.filter(f => f.run_id === run)).toEqual(events)
  }
  for (const [i, { frames }] of (await following).entries()) {
    const expected = journal.get(followed!)!.slice(i % 4)
    await until(() => frames.length >= expected.length)
    expect(frames).toEqual(expected)
  }
  for (const { socket } of [...early, ...(await following)]) socket.close()
}, 60_000)
