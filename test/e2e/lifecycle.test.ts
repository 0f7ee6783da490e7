import { afterAll, describe, expect, test } from "bun:test"
import { createHash, randomBytes } from "node:crypto"
import { copyFileSync, cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { migrateSqlite } from "../../src/storage/migrate.ts"
import { connect } from "../../src/storage/sqlite/driver.ts"
import { lookAt, rowsOf } from "./journal.ts"
import { Home, until, type Wire } from "./server.ts"

const homes: Home[] = []
afterAll(async () => {
  for (const home of homes) await home.remove()
})

function newHome(): Home {
  const home = new Home()
  homes.push(home)
  return home
}

const MIGRATIONS = join(import.meta.dir, "../../migrations/sqlite")

describe("one process for each data directory", () => {
  test("a second one is refused with the pid of the first, which goes on", async () => {
    const home = newHome()
    const server = await home.serve()

    const second = await home.run(["serve", "--data", home.data, "--port", "0"])

    expect(second.code).toBe(1)
    expect(second.stderr).toStartWith("agentruntime: another agentruntime")
    expect(second.stderr).toContain(`process ${server.pid})`)
    expect(second.stdout).toBe("")
    for (const verb of ["migrate", "init"]) {
      const more = verb === "init" ? ["--email", "ops@example.com", "--password-stdin"] : []
      const other = await home.run([verb, "--data", home.data, ...more], { stdin: "correct horse battery staple" })
      expect({ verb, code: other.code, named: other.stderr.includes(`process ${server.pid})`) }).toEqual({
        verb,
        code: 1,
        named: true,
      })
    }
    expect((await fetch(`${server.url}/health/ready`)).status).toBe(200)
  })

  test("the place of one that was killed is free at once", async () => {
    const home = newHome()
    const first = await home.serve()
    await first.kill()

    const second = await home.serve()

    expect((await fetch(`${second.url}/health/ready`)).status).toBe(200)
  })
})

describe("SIGTERM", () => {
  test("ends the server with code 0, says how many runs are in flight, and they resume at the next start", async () => {
    const home = newHome()
    const token = await home.token()
    const server = await home.serve()
    const client = server.client(token)
    const busy = "local n = 0 for i = 1, 2e7 do n = n + i % 7 end return { n = n }"
    const step = (id: string, ...depends_on: string[]) => ({
      id,
      type: "lua_script",
      name: id,
      depends_on,
      timeout_s: 30,
      script: busy,
    })
    const workflow = await client.publish("long", [step("a"), step("b", "a"), step("c", "b")])
    const runs = await Promise.all([1, 2, 3].map(() => client.start(workflow)))

    const code = await server.stop()

    expect(code).toBe(0)
    expect(server.complaints).toEqual([])
    const last = server.log.at(-1)
    expect(last.msg).toStartWith("stopped; the runs in flight will resume")
    expect(last.runs_in_flight).toBe(3)
    const next = await home.serve()
    expect(next.log.find(line => line.msg === "ready").resumed_runs).toBe(3)
    for (const run of runs) {
      await next.client(token).reaches(workflow, run, "completed")
      const started = (await next.client(token).events(workflow, run)).filter(e => e.event_type === "step_started")
      expect(started.map(e => e.step_id)).toEqual(["a", "b", "c"])
    }
    expect(await next.stop()).toBe(0)
    expect(next.log.at(-1)).toMatchObject({ runs_in_flight: 0, msg: "stopped" })
  })

  test("lets a step under way finish, and an approval given afterwards is not lost", async () => {
    const home = newHome()
    const token = await home.token()
    const server = await home.serve()
    const client = server.client(token)
    const workflow = await client.publish("two branches", [
      { id: "p", type: "human_task", name: "p" },
      { id: "a", type: "lua_script", name: "a", depends_on: ["p"], script: "return { ok = true }" },
    ])
    const run = await client.start(workflow)
    await client.reaches(workflow, run, "paused")

    expect(await server.stop()).toBe(0)
    const next = await home.serve()
    await next.client(token).approve(workflow, run, "p")

    expect((await next.client(token).reaches(workflow, run, "completed")).failure_code).toBeNull()
  })

  test("answers whoever waits for a run, as the run stands", async () => {
    const home = newHome()
    const token = await home.token()
    const server = await home.serve()
    const script = "while true do end"
    const workflow = await server.client(token).publish("endless", [{ id: "a", type: "lua_script", timeout_s: 30, script }])
    const waiting = fetch(`${server.url}/v1/workflows/${workflow}/command`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, prefer: "wait=60" },
      body: JSON.stringify({ command: "start" }),
    })
    await Bun.sleep(500)

    const stopped = server.stop()

    expect(await (await waiting).json()).toMatchObject({ status: "running" })
    expect(await stopped).toBe(0)
  })

  test("a second signal ends a server that waits for a long step at once", async () => {
    const home = newHome()
    const token = await home.token()
    const server = await home.serve(["--shutdown-grace-s", "60"])
    const client = server.client(token)
    const script = "while true do end"
    const workflow = await client.publish("endless", [{ id: "a", type: "lua_script", name: "a", timeout_s: 30, script }])
    const run = await client.start(workflow)
    server.signal("SIGTERM")
    await until("the server says that it stops", 5_000, () => server.stderr.includes("stopping:"))
    expect(server.ended).toBe(false)

    server.signal("SIGTERM")

    expect(await server.exited()).toBe(130)
    const next = await home.serve()
    expect((await next.client(token).run(workflow, run)).status).toBe("running")
  })
})

describe("settings", () => {
  test("bad ones are all reported at once, by their names, and nothing is started", async () => {
    const home = newHome()
    writeFileSync(home.path("settings.toml"), '[lua]\nchildren = 0\n[nonsense]\nkey = "x"\n')
    const env = { AGENTRUNTIME_HOST: "", AGENTRUNTIME_PORT: "no", AGENTRUNTIME_TYPO: "1", AGENTRUNTIME_PUBLIC_URL: "ftp://x" }
    const args = ["serve", "--data", home.data, "--log-level", "loud", "--config", home.path("settings.toml")]

    const { code, stdout, stderr } = await home.run(args, { env })

    expect(code).toBe(2)
    expect(stdout).toBe("")
    expect(stderr).toContain('AGENTRUNTIME_PORT must be a whole number from 0 to 65535, but is "no"')
    expect(stderr).toContain("AGENTRUNTIME_HOST must be text")
    expect(stderr).toContain("AGENTRUNTIME_PUBLIC_URL must be an address")
    expect(stderr).toContain("AGENTRUNTIME_TYPO is not a setting")
    expect(stderr).toContain('--log-level must be one of debug, info, warn, error, but is "loud"')
    expect(stderr).toContain("lua.children in the configuration file must be a whole number from 1 to 64, but is 0")
    expect(stderr).toContain("nonsense.key in ")
    expect(existsSync(home.data)).toBe(false)
  })

  test("a flag wins over the environment, which wins over the file", async () => {
    const home = newHome()
    writeFileSync(home.path("settings.toml"), 'host = "192.0.2.1"\n[log]\nlevel = "debug"\n')
    const env = { AGENTRUNTIME_CONFIG: home.path("settings.toml"), AGENTRUNTIME_HOST: "192.0.2.2" }

    const server = await home.serve(["--host", "127.0.0.1"], { env })

    expect(server.url).toStartWith("http://127.0.0.1:")
    await until("requests are logged, as the file wants it", 5_000, () => server.stderr.includes('"msg":"request"'))
  })

  test("an unknown verb or flag is wrong use", async () => {
    const home = newHome()
    for (const args of [["dance"], ["serve", "--dance"], ["init"], []]) {
      const { code, stderr, stdout } = await home.run(args)
      expect({ args, code, said: (stderr + stdout).length > 0 }).toEqual({ args, code: 2, said: true })
    }
  })
})

describe("version", () => {
  test("--json tells the parts that a report of a bug needs", async () => {
    const { code, stdout } = await newHome().run(["version", "--json"])
    expect(code).toBe(0)
    const facts = JSON.parse(stdout)
    expect(Object.keys(facts).toSorted()).toEqual(["bun", "commit", "platform", "sqlite", "version"])
    expect(facts.version).toMatch(/^\d+\.\d+\.\d+/)
    expect(facts.platform).toBe(`${process.platform}-${process.arch}`)
  })
})

describe("doctor", () => {
  const doctor = async (home: Home, ...more: readonly string[]) => {
    const { code, stdout, stderr } = await home.run(["doctor", "--data", home.data, "--port", "0", "--json", ...more])
    expect(stderr).toBe("")
    const report = JSON.parse(stdout) as { ok: boolean; findings: { check: string; verdict: string; message: string }[] }
    return { code, ok: report.ok, of: (check: string) => report.findings.find(f => f.check === check), report }
  }

  test("finds nothing wrong before the first start, beside a running server and after it, and changes nothing", async () => {
    const home = newHome()
    expect(await doctor(home)).toMatchObject({ code: 0, ok: true })
    expect(existsSync(home.data)).toBe(false)

    const server = await home.serve()
    const beside = await doctor(home)
    expect(beside).toMatchObject({ code: 0, ok: true })
    expect(beside.of("owner")?.message).toBe(`process ${server.pid} is running on it`)
    expect((await fetch(`${server.url}/health/ready`)).status).toBe(200)

    await server.stop()
    expect(await doctor(home)).toMatchObject({ code: 0, ok: true })
    const { stdout, code } = await home.run(["doctor", "--data", home.data, "--port", "0"])
    expect({ code, lines: stdout.trim().split("\n").length }).toEqual({ code: 0, lines: 10 })
  })

  test("says what is wrong and what to do about it: key missing, database damaged, port taken, folder unusable", async () => {
    const home = newHome()
    await home.init()
    rmSync(join(home.data, "master.key"))
    const missing = await doctor(home)
    expect(missing).toMatchObject({ code: 1, ok: false })
    expect(missing.of("master key")?.verdict).toBe("failed")
    expect(missing.of("master key")?.message).toContain("restore it from a backup")

    writeFileSync(join(home.data, "master.key"), `${randomBytes(32).toString("hex")}\n`, { mode: 0o600 })
    expect((await doctor(home)).of("master key")?.message).toContain("is not the key that the stored secrets are sealed with")

    const bytes = readFileSync(home.database)
    bytes.fill(0xaa, 4096, bytes.length)
    writeFileSync(home.database, bytes)
    const damaged = await doctor(home)
    expect(damaged.code).toBe(1)
    expect(damaged.of("database")?.verdict).toBe("failed")

    using other = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() })
    expect((await doctor(home, "--port", String(other.port))).of("port")?.verdict).toBe("failed")

    writeFileSync(home.path("a file"), "")
    const inFile = await doctor(home, "--data", home.path("a file", "data"))
    expect(inFile.code).toBe(1)
    expect(inFile.of("data directory")?.verdict).toBe("failed")
  })
})

describe("a data directory that cannot be used", () => {
  test("is refused with a sentence that names it and another way", async () => {
    const home = newHome()
    writeFileSync(home.path("a file"), "")
    const data = home.path("a file", "data")
    for (const verb of ["serve", "migrate"]) {
      const { code, stderr, stdout } = await home.run([verb, "--data", data])
      expect({ verb, code, stdout }).toEqual({ verb, code: 1, stdout: "" })
      expect(stderr).toContain(`the data directory ${data} cannot be written`)
      expect(stderr).toContain("choose another with --data")
    }
  })
})

describe("the master key", () => {
  test("that is gone is not replaced by a new one: the start is refused, and the right file repairs it", async () => {
    const home = newHome()
    const token = await home.token()
    const key = join(home.data, "master.key")
    const kept = readFileSync(key)
    rmSync(key)

    const gone = await home.run(["serve", "--data", home.data, "--port", "0"])
    expect(gone.code).toBe(1)
    expect(gone.stderr).toContain(`the master key ${key} is missing`)
    expect(existsSync(key)).toBe(false)

    writeFileSync(key, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600 })
    const wrong = await home.run(["serve", "--data", home.data, "--port", "0"])
    expect(wrong.code).toBe(1)
    expect(wrong.stderr).toContain(`${key} is not the master key of this database`)

    writeFileSync(key, kept, { mode: 0o644 })
    const server = await home.serve()
    expect((await server.client(token).call("GET", "/v1/workflows")).status).toBe(200)
  })

  test("that others can read is refused with the command that repairs it, which repairs it", async () => {
    const home = newHome()
    await home.init()
    const key = join(home.data, "master.key")
    await Bun.$`chmod 644 ${key}`

    const { code, stderr } = await home.run(["serve", "--data", home.data, "--port", "0"])

    expect(code).toBe(1)
    const repair = /Run: (chmod .*)$/m.exec(stderr)?.[1] ?? ""
    await Bun.$`sh -c ${repair}`
    expect((await fetch(`${(await home.serve()).url}/health/ready`)).status).toBe(200)
  })
})

describe("migrations", () => {
  /** The migrations of this version and one more, as the next version will have them. */
  function nextVersion(home: Home, sql: string): string {
    const folder = home.path(`migrations-${randomBytes(4).toString("hex")}`)
    cpSync(MIGRATIONS, folder, { recursive: true })
    const journalPath = join(folder, "meta", "_journal.json")
    const journal = JSON.parse(readFileSync(journalPath, "utf8"))
    const last = journal.entries.at(-1)
    journal.entries.push({ ...last, idx: last.idx + 1, when: last.when + 1_000_000, tag: "9999_next" })
    writeFileSync(journalPath, JSON.stringify(journal))
    writeFileSync(join(folder, "9999_next.sql"), sql)
    return folder
  }

  const schemaOf = (path: string) => lookAt(path, c => rowsOf(c, "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name"))
  const hashOf = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex")

  test("`migrate` makes a fresh database once, and has nothing to do the second time", async () => {
    const home = newHome()
    const first = await home.run(["migrate", "--data", home.data])
    const second = await home.run(["migrate", "--data", home.data])
    expect({ code: first.code, said: first.stdout }).toEqual({
      code: 0,
      said: expect.stringMatching(/^applied (\d+) of \1 migrations\n$/),
    })
    expect({ code: second.code, said: second.stdout }).toEqual({
      code: 0,
      said: expect.stringMatching(/^up to date \(\d+ migrations\)\n$/),
    })
    expect(existsSync(join(home.data, "backups"))).toBe(false)
  })

  test("before an upgrade the old data is copied; the old executable refuses the new file untouched, and runs on the copy", async () => {
    const home = newHome()
    const token = await home.token()
    const server = await home.serve()
    const id = await server.client(token).publish("kept", [{ id: "p", type: "human_task", name: "p" }])
    await server.stop()
    const before = schemaOf(home.database)
    const folder = nextVersion(home, "CREATE TABLE `later` (`id` text PRIMARY KEY NOT NULL);")

    const report = await migrateSqlite(home.database, folder, Date.UTC(2026, 5, 10, 8))

    expect(report.after).toBe(report.before + 1)
    const backup = report.backup!
    expect(schemaOf(backup)).toEqual(before)
    expect(lookAt(backup, c => rowsOf(c, "SELECT name FROM workflows"))).toEqual([{ name: "kept" }])
    expect(lookAt(home.database, c => rowsOf(c, "SELECT name FROM sqlite_schema WHERE name = 'later'"))).toHaveLength(1)

    // SQLite leaves its side files, empty, where a reader was the last to look.
    const files = () =>
      readdirSync(home.data)
        .filter(name => !/-(wal|shm)$/.test(name))
        .toSorted()
    const [hash, there] = [hashOf(home.database), files()]
    for (const verb of ["serve", "migrate"]) {
      const { code, stderr } = await home.run([verb, "--data", home.data])
      expect({ verb, code }).toEqual({ verb, code: 1 })
      expect(stderr).toContain("was written by a newer version of agentruntime")
      expect(stderr).toContain(join(home.data, "backups"))
    }
    expect(hashOf(home.database)).toBe(hash)
    expect(files()).toEqual(there)

    copyFileSync(backup, home.database)
    const restored = await home.serve()
    expect((await restored.client(token).get(`/v1/workflows/${id}`)).name).toBe("kept")
  })

  test("one that fails in the middle leaves the old schema and data, and a good one can follow", async () => {
    const home = newHome()
    await home.init()
    const before = schemaOf(home.database)
    const broken = "CREATE TABLE `half` (`id` text);\n--> statement-breakpoint\nALTER TABLE `no_such_table` ADD `x` text;"

    await expect(migrateSqlite(home.database, nextVersion(home, broken), Date.now())).rejects.toThrow()

    expect(schemaOf(home.database)).toEqual(before)
    expect((await home.run(["migrate", "--data", home.data])).stdout).toStartWith("up to date")
    const good = await migrateSqlite(home.database, nextVersion(home, "CREATE TABLE `whole` (`id` text);"), Date.now())
    expect(good.after).toBe(good.before + 1)
  })

  test("one that would leave rows pointing at nothing is not kept", async () => {
    const home = newHome()
    await home.init()
    const sql =
      "CREATE TABLE `child` (`p` text REFERENCES `parent`(`id`));\n--> statement-breakpoint\nCREATE TABLE `parent` (`id` text PRIMARY KEY);\n--> statement-breakpoint\nINSERT INTO `child` VALUES ('nobody');"
    const before = schemaOf(home.database)

    await expect(migrateSqlite(home.database, nextVersion(home, sql), Date.now())).rejects.toThrow("without what they point at")

    expect(schemaOf(home.database)).toEqual(before)
  })
})

describe("the example", () => {
  test("prints its events up to the human task and a command which, given to a shell, completes the run; once", async () => {
    const home = newHome()
    const server = await home.serve(["--example"])
    await until("the example waits for a person", 20_000, () => server.stdout.includes("curl -X POST"))
    const printed = [...server.stdout.matchAll(/^ {2}\d\d:\d\d:\d\d\.\d{3} {2}(\S+) *(\S*)/gm)].map(
      ([, type, step]) => `${type} ${step}`,
    )
    expect(printed.map(line => line.trim())).toEqual([
      "run_started",
      "step_started months",
      "step_completed months",
      "step_started summary",
      "step_completed summary",
      "step_started hottest",
      ...["agent_turn_tool_round hottest", "agent_turn_tool_round hottest", "agent_turn_tool_round hottest"],
      "agent_turn_ended hottest",
      "step_completed hottest",
      "step_started approve",
      "human_task_created approve",
      "state_changed running",
    ])
    expect(server.stdout).toContain("its agent works with the built-in model local.builtin.echo-1")

    const command = /^ {2}(curl .*)$/m.exec(server.stdout)?.[1] ?? ""
    const shell = await Bun.$`sh -c ${command}`.quiet()
    expect(JSON.parse(shell.stdout.toString())).toEqual({ status: "completed", task_id: "approve", approved: true })
    await until("the example says that it is done", 20_000, () => server.stdout.includes("The run is completed."))
    expect(await server.stop()).toBe(0)

    const again = await home.serve(["--example"])
    await until("the second start shows the run of the first", 20_000, () => again.stdout.includes("The run is completed."))
    expect(again.stdout).toContain("(started earlier)")
    const client = again.client(readFileSync(join(home.data, "example.pat"), "utf8"))
    expect((await client.get("/v1/workflows")).total).toBe(1)
    expect((await client.get("/v1/runs")).total).toBe(1)
    const { events } = await client.get(
      `/v1/workflows/${(await client.get("/v1/workflows")).workflows[0].id}/runs/${(await client.get("/v1/runs")).runs[0].run_id}/events`,
    )
    const asked = events.find((e: Wire) => e.event_type === "human_task_created").data.task_payload
    expect(asked.analyst).toContain('"temp_max":35.6')
    const [project = ""] = readdirSync(join(home.data, "sqlite"))
    const reports = lookAt(join(home.data, "sqlite", project, "weather.db"), c =>
      rowsOf<{ year: string }>(c, "SELECT year FROM reports"),
    )
    expect(reports).toEqual([{ year: "2014" }])
    expect(await again.stop()).toBe(0)
    expect(again.complaints).toEqual([])
  })
})

test("a database that is damaged is not served", async () => {
  const home = newHome()
  await home.init()
  writeFileSync(home.database, randomBytes(64 * 1024))
  const { code, stderr, stdout } = await home.run(["serve", "--data", home.data, "--port", "0"])
  expect(code).not.toBe(0)
  expect(stdout).toBe("")
  expect(stderr).toContain("file is not a database")
})

test("the connection that looks at the lock of a running server does not take it away", async () => {
  const home = newHome()
  const server = await home.serve()
  const connection = connect(join(home.data, "agentruntime.lock"), { timeoutMs: 0 })
  expect(() => connection.exec("BEGIN IMMEDIATE")).toThrow("locked")
  connection.close()
  expect((await home.run(["migrate", "--data", home.data])).stderr).toContain(`process ${server.pid})`)
})
