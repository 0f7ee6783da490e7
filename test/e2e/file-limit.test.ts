import { afterAll, expect, test } from "bun:test"
import { Random } from "../engine/random.ts"
import { SEED } from "../engine/seed.ts"
import { byRun, finalStatus, journalOf, journalProblems, lookAt, rowsOf } from "./journal.ts"
import { Home, type Server, until } from "./server.ts"

const home = new Home()
afterAll(() => home.remove())

/** More than the server needs to begin with, and soon reached by what runs bring; in blocks, of 512 bytes or 1 kB. */
const blocks = 10_000 + new Random(SEED).below(2_000)
const EXIT_STORAGE = 74
const BIG = "x".repeat(200_000)

/** No file may grow beyond the limit: the write that would is done in part and then refused, as a disk does that fails. */
const limited = ["sh", "-c", `trap '' XFSZ; ulimit -f ${blocks} && exec "$0" "$@"`]

test.skipIf(process.platform === "win32")(
  `a file that may not grow ends the server in the middle of a write, and the next one has all that was acknowledged (${blocks} blocks)`,
  async () => {
    const token = await home.token()
    const first = await home.serve()
    const steps = [
      { id: "a", type: "lua_script", name: "a", script: "return { length = #input.big }" },
      { id: "b", type: "lua_script", name: "b", depends_on: ["a"], script: "return steps.a.result" },
    ]
    const workflow = await first.client(token).publish("big", steps)
    expect(await first.stop()).toBe(0)

    const server = await home.serve([], { under: limited })
    const acknowledged = await startUntilItEnds(server, token, workflow)

    expect(await server.exited()).toBe(EXIT_STORAGE)
    expect(server.complaints.filter(line => line.level === "fatal").map(line => line.msg)).toEqual([
      "the database file cannot be trusted any more; stopping so that nothing is acknowledged that is not stored",
    ])
    expect(acknowledged.length).toBeGreaterThan(3)

    const next = await home.serve()
    const open = async () => (await next.client(token).get("/v1/runs?limit=1&status=running,paused,draining")).total
    await until("every run has ended", 30_000, async () => (await open()) === 0)
    expect(await next.stop()).toBe(0)
    const { check, runs } = lookAt(home.database, c => ({
      check: rowsOf(c, "PRAGMA integrity_check"),
      runs: byRun(journalOf(c)),
    }))
    expect(check).toEqual([{ integrity_check: "ok" }])
    for (const run of acknowledged) {
      const events = runs.get(run) ?? []
      expect([run, events.length > 0 && finalStatus(events.at(-1)!)]).toEqual([run, "completed"])
      expect(journalProblems(events, ["a", "b"])).toEqual([])
    }
  },
  120_000,
)

/** Runs whose start was answered. */
async function startUntilItEnds(server: Server, token: string, workflow: string): Promise<readonly string[]> {
  const acknowledged: string[] = []
  const client = server.client(token)
  const end = performance.now() + 60_000
  while (!server.ended && performance.now() < end) {
    try {
      acknowledged.push(await client.start(workflow, { trigger_payload: { big: BIG } }))
    } catch {
      // The server is gone, or about to go.
      await Bun.sleep(20)
    }
  }
  return acknowledged
}
