import { afterAll, expect, test } from "bun:test"
import { SEED } from "../engine/seed.ts"
import { lookAt, rowsOf } from "./journal.ts"
import { Home } from "./server.ts"

const KILLS = Number(process.env.AGENTRUNTIME_TEST_SCHEDULE_KILLS ?? 5)

const home = new Home()
afterAll(() => home.remove())

interface Fire {
  readonly moment: number
  readonly outcome: string
  readonly run: string | null
}

test(
  `a schedule of every second has one row and one run for each of them over ${KILLS} kills (seed ${SEED})`,
  async () => {
    const pat = await home.token()
    let server = await home.serve()
    let client = server.client(pat)
    const steps = [{ id: "a", type: "lua_script", name: "a", script: "return { ok = true }" }]
    const workflowId = await client.publish("ticks", steps)
    const path = `/v1/workflows/${workflowId}/triggers`
    const config = { cron: "* * * * * *", timezone: "Europe/Berlin", catchup_policy: "all", catchup_window_minutes: 60 }
    const trigger = await client.ok("POST", path, { name: "tick", config })
    const from = Date.parse(trigger.next_run_at)

    for (let kill = 1; kill <= KILLS; kill++) {
      await Bun.sleep(700 + ((SEED + kill * 7_919) % 1_000))
      await server.kill()
      await Bun.sleep((SEED + kill * 104_729) % 2_500)
      server = await home.serve()
      client = server.client(pat)
    }
    await Bun.sleep(1_500)
    const off = await client.ok("PATCH", `${path}/${trigger.id}`, { enabled: false, note: "the test is over" })
    const after = Date.now()
    expect([off.enabled, off.next_run_at, off.note]).toEqual([false, null, "the test is over"])
    await Bun.sleep(2_000)
    expect(await server.stop()).toBe(0)

    const { fires, runs } = lookAt(home.database, c => ({
      fires: rowsOf<Fire>(
        c,
        "SELECT scheduled_for AS moment, outcome, run_id AS run FROM trigger_fires WHERE source = 'schedule' ORDER BY scheduled_for",
      ),
      runs: rowsOf<{ id: string; at: number }>(c, "SELECT id, started_at AS at FROM runs WHERE status = 'completed'"),
    }))
    console.log(`schedule: seed ${SEED}, ${fires.length} moments over ${KILLS} kills`)
    expect(fires.map(f => f.moment)).toEqual(fires.map((_, i) => from + i * 1_000))
    expect(fires.length).toBeGreaterThan(KILLS)
    expect([...new Set(fires.map(f => f.outcome))].filter(o => o !== "fired" && o !== "caught_up")).toEqual([])
    expect(fires.map(f => f.run).toSorted()).toEqual(runs.map(r => r.id).toSorted())
    // The pause was answered: nothing fired behind it.
    expect(Math.max(...runs.map(r => r.at))).toBeLessThanOrEqual(after)
  },
  60_000 + KILLS * 6_000,
)
