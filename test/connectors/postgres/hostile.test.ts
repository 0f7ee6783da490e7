import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { createEgress } from "../../../src/adapters/egress/egress.ts"
import { createPostgresConnector } from "../../../src/connectors/postgres/connector.ts"
import { parseDsn } from "../../../src/connectors/postgres/dsn.ts"
import { lacking, PASSWORD, type Server, startPostgres } from "../../helpers/servers.ts"
import { callContext, egressTo } from "../call.ts"
import { listen } from "../database/listen.ts"
import { type Place, postgresOn } from "./place.ts"

setDefaultTimeout(60_000)

describe.skipIf(lacking("postgres") !== null)("PostgreSQL, read only", () => {
  let server: Server
  let pg: Place
  const kept = async () => (await pg.value("postgres_query", { sql: "SELECT count(*) AS n FROM kept" })).rows[0].n

  beforeAll(async () => {
    server = await startPostgres()
    pg = postgresOn(server)
    for (const sql of [
      "CREATE TABLE kept AS SELECT g AS id FROM generate_series(1, 10) g",
      "CREATE SEQUENCE counted",
      `CREATE FUNCTION wipes() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM kept; RETURN 1; END $$`,
      `CREATE FUNCTION turns() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
        PERFORM set_config('transaction_read_only', 'off', false); DELETE FROM kept; RETURN 1; END $$`,
      `CREATE PROCEDURE commits(INOUT n int) LANGUAGE plpgsql AS $$ BEGIN COMMIT; DELETE FROM kept; n := 1; END $$`,
      `CREATE ROLE app LOGIN PASSWORD '${PASSWORD}'`,
      "GRANT ALL ON kept TO app",
    ]) {
      await pg.value("postgres_exec", { sql })
    }
  })
  afterAll(async () => {
    pg?.connector.close?.()
    await server?.stop()
  })

  test.each([
    ...["DELETE FROM kept", "INSERT INTO kept VALUES (1)", "DROP TABLE kept", "TRUNCATE kept", "CREATE TABLE made (a int)"],
    ...["COMMIT", "COMMIT; DROP TABLE kept", "SELECT 1; DELETE FROM kept", "COMMIT AND CHAIN", "ROLLBACK", "BEGIN", ";", ""],
    ...["SET TRANSACTION READ WRITE", "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "SET ROLE postgres"],
    ...["SELECT set_config('transaction_read_only', 'off', false)", "SELECT set_config('transaction_read_only', 'off', true)"],
    ...["SELECT wipes()", "SELECT turns()", "CALL commits(1)", "SELECT nextval('counted')"],
    ...["DO $$ BEGIN DELETE FROM kept; END $$", "DO $$ BEGIN COMMIT; DELETE FROM kept; END $$"],
    ...["PREPARE TRANSACTION 'held'", "COMMIT PREPARED 'held'", "PREPARE p AS DELETE FROM kept", "EXECUTE p"],
    ...["WITH gone AS (DELETE FROM kept RETURNING *) SELECT * FROM gone", "DELETE FROM kept RETURNING *"],
    ...["EXPLAIN ANALYZE DELETE FROM kept", "SELECT * INTO made FROM kept", "SELECT * FROM kept FOR UPDATE"],
    ...["COPY kept TO PROGRAM 'touch /tmp/agentruntime-escaped'", "COPY kept FROM STDIN", "COPY kept TO STDOUT"],
    ...["CREATE TEMP TABLE t (a int)", "LISTEN kept", "LOCK TABLE kept", "VACUUM", "ALTER SYSTEM SET work_mem = '1GB'"],
    ...["DECLARE c CURSOR FOR SELECT 1", "LOAD 'x'", "DISCARD ALL", "CHECKPOINT", "GRANT ALL ON kept TO public"],
  ])("does not run %j", async sql => {
    if (sql !== "") await pg.failure("postgres_query", { sql })
    expect(await kept()).toBe(10)
  })

  test("leaves nothing of one call to the next", async () => {
    const change = { config: { postgres_dsn: pg.dsn(), postgres_max_open_conns: 1 } }
    const sql =
      "SELECT pg_advisory_lock(7), set_config('search_path', 'nowhere', false), set_config('statement_timeout', '0', false)"
    await pg.value("postgres_query", { sql }, change)
    const after = await pg.value(
      "postgres_query",
      {
        sql: "SELECT current_setting('search_path') AS path, (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory') AS locks",
      },
      change,
    )
    expect(after.rows).toEqual([{ path: '"$user", public', locks: 0 }])
    await pg.value("postgres_exec", { sql: "CREATE TEMP TABLE mine (a int)" }, change)
    expect((await pg.failure("postgres_query", { sql: "SELECT * FROM mine" }, change)).message).toContain("42P01")
    await pg.value("postgres_query", { sql: "SELECT lo_create(4711), pg_notify('kept', 'x')" }, change)
    const objects = await pg.value("postgres_query", { sql: "SELECT count(*) AS n FROM pg_largeobject_metadata" }, change)
    expect(objects.rows).toEqual([{ n: 0 }])
    for (const sql of ["COMMIT", "ROLLBACK"]) {
      expect((await pg.failure("postgres_exec", { sql }, change)).message).toContain("a transaction cannot span calls")
    }
    await pg.value("postgres_exec", { sql: "BEGIN" }, change)
    const { rows } = await pg.value(
      "postgres_query",
      { sql: "SELECT now() - xact_start < '1 second' AS new FROM pg_stat_activity WHERE pid = pg_backend_pid()" },
      change,
    )
    expect(rows).toEqual([{ new: true }])
  })

  test("takes files and programs of the server from nobody who is not its superuser", async () => {
    const change = { config: { postgres_dsn: pg.dsn({ user: "app" }) } }
    for (const sql of ["SELECT lo_export(1, '/tmp/agentruntime-escaped')", "SELECT pg_read_file('/etc/passwd')"]) {
      expect((await pg.failure("postgres_query", { sql }, change)).message).toContain("SQLSTATE 42501")
    }
    const program = await pg.failure("postgres_exec", { sql: "COPY kept TO PROGRAM 'true'" }, change)
    expect(program.message).toContain("SQLSTATE 42501")
  })

  test("ends a statement on the server at the limit and at the stop of the run", async () => {
    const sleeping = "SELECT count(*) AS n FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
    const started = performance.now()
    const late = await pg.failure("postgres_query", { sql: "SELECT pg_sleep(60)" }, { timeoutMs: 600 })
    expect(late).toMatchObject({ timeout: true, retryable: true })
    expect(performance.now() - started).toBeLessThan(5_000)
    const configured = { config: { postgres_dsn: pg.dsn(), postgres_request_timeout_sec: 0.5 } }
    expect(await pg.failure("postgres_exec", { sql: "SELECT pg_sleep(60)" }, configured)).toMatchObject({ timeout: true })

    const stop = new AbortController()
    const stopped = pg.failure("postgres_query", { sql: "SELECT pg_sleep(61)" }, { signal: stop.signal })
    await until(async () => (await pg.value("postgres_query", { sql: sleeping })).rows[0].n === 1)
    stop.abort(new Error("stopped"))
    expect((await stopped).message).toBe("the call was cancelled")
    await until(async () => (await pg.value("postgres_query", { sql: sleeping })).rows[0].n === 0)
  })

  test("never opens more connections than configured, and one call waits for another's", async () => {
    const config = { postgres_dsn: pg.dsn({ query: "?application_name=pooled" }), postgres_max_open_conns: 2 }
    const calls = Array.from({ length: 8 }, () =>
      pg.value(
        "postgres_query",
        { sql: "SELECT pg_sleep(0.05), (SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pooled') AS n" },
        { config },
      ),
    )
    for (const { rows } of await Promise.all(calls)) expect(rows[0].n).toBeLessThanOrEqual(2)
    const blocked = Array.from({ length: 2 }, () =>
      pg.call("postgres_query", { sql: "SELECT pg_sleep(3)" }, { config, timeoutMs: 1_500 }),
    )
    const waiting = await pg.failure("postgres_query", { sql: "SELECT 1" }, { config, timeoutMs: 300 })
    expect(waiting).toMatchObject({ timeout: true })
    await Promise.all(blocked)
    expect(await pg.value("postgres_query", { sql: "SELECT 1 AS a" }, { config })).toMatchObject({ rows: [{ a: 1 }] })
  })

  test("checks the certificate against the name, and encrypts", async () => {
    const config = (host: string, query: string) => ({ config: { postgres_dsn: pg.dsn({ host, query }) } })
    const named = await pg.value("postgres_health", {}, config("db.example.com", "?sslmode=verify-full"))
    expect(named.encryption).toBe("verified")
    expect((await pg.value("postgres_health", {}, config("db.example.com", "?sslmode=disable"))).encryption).toBe("no")
    for (const host of ["other.example.com", "127.0.0.1"]) {
      const wrong = await pg.failure("postgres_health", {}, config(host, "?sslmode=require"))
      expect(wrong.message).toContain(`the certificate of ${host}:${server.port} is not trusted`)
      expect(wrong.retryable).toBe(false)
    }
    const distrustful = createPostgresConnector({ egress: resolving("127.0.0.1") })
    const unknown = await distrustful.call("postgres_health", {}, callContext(config("db.example.com", "?sslmode=require")))
    expect(unknown).toMatchObject({ ok: false, message: expect.stringContaining("is not trusted") })
  })

  test("says that the credentials are wrong, and never which", async () => {
    const password = "c4nary/pa+ss word"
    const change = { config: { postgres_dsn: pg.dsn({ password }) } }
    const failure = await pg.failure("postgres_query", { sql: "SELECT 1" }, change)
    expect(failure.message).toBe('password authentication failed for user "postgres" (SQLSTATE 28P01)')
    expect(failure.retryable).toBe(false)
    const echoed = await pg.failure("postgres_query", { sql: `SELECT '${PASSWORD}${encodeURIComponent(PASSWORD)}'::int` })
    expect(echoed.message).toContain("***")
    for (const spelling of spellings(PASSWORD)) expect(echoed.message).not.toContain(spelling)
    for (const encoding of ["base64", "hex"] as const) {
      const sql = `SELECT '${Buffer.from(PASSWORD).toString(encoding)}'::int`
      expect((await pg.failure("postgres_query", { sql })).message).toContain('"***')
    }
  })

  test("is not held up by another server that hangs", async () => {
    const silent = await listen(() => {})
    const hanging = pg.failure(
      "postgres_query",
      { sql: "SELECT 1" },
      { timeoutMs: 1_000, config: { postgres_dsn: `postgres://u:p@127.0.0.1:${silent.port}/d` } },
    )
    expect(await pg.value("postgres_query", { sql: "SELECT 1 AS a" })).toMatchObject({ rows: [{ a: 1 }] })
    expect(await hanging).toMatchObject({ timeout: true })
    silent.close()
  })

  test("ends what runs when the runtime closes its connections, and tells whoever waits", async () => {
    const closing = postgresOn(server)
    const waiting = closing.failure("postgres_query", { sql: "SELECT pg_sleep(62)" })
    const running = async () => {
      const sql = "SELECT count(*) AS n FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(62)%'"
      return (await pg.value("postgres_query", { sql })).rows[0].n
    }
    await until(async () => (await running()) === 1)
    closing.connector.close?.()
    expect(await waiting).toMatchObject({ retryable: true, message: `the connection to 127.0.0.1:${server.port} is closed` })
    await until(async () => (await running()) === 0)
  })

  // The last one: no server is left after it.
  test("reports a server that ends in the middle of a call", async () => {
    const call = pg.failure("postgres_query", { sql: "SELECT pg_sleep(30)" })
    const writing = pg.failure("postgres_exec", { sql: "SELECT pg_sleep(30)" })
    await until(async () => {
      const sql = "SELECT count(*) AS n FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
      return (await pg.value("postgres_query", { sql })).rows[0].n === 2
    })
    await server.stop()
    for (const failure of await Promise.all([call, writing])) expect(failure).toMatchObject({ retryable: true })
    const gone = await pg.failure("postgres_query", { sql: "SELECT 1" })
    expect(gone).toMatchObject({ retryable: true, message: `127.0.0.1:${server.port} could not be reached: ECONNREFUSED` })
  })
})

describe("a PostgreSQL connection string", () => {
  const said = (dsn: string): string => {
    try {
      parseDsn(dsn)
      return "accepted"
    } catch (error) {
      return error instanceof Error ? error.message : "?"
    }
  }

  test("is an address or a list of settings", () => {
    const expected = { host: "db.example.com", port: 6432, user: "me@x", password: "a/b?#%", database: "d b", ssl: "require" }
    expect(parseDsn("postgres://me%40x:a%2Fb%3F%23%25@db.example.com:6432/d%20b?sslmode=require")).toMatchObject(expected)
    expect(parseDsn("host=db.example.com port=6432 user=me@x password='a/b?#%' dbname='d b' sslmode=verify-full")).toMatchObject(
      expected,
    )
    expect(parseDsn("postgresql://u@[2001:db8::1]")).toMatchObject({
      host: "2001:db8::1",
      port: 5432,
      database: "u",
      ssl: "prefer",
    })
    expect(parseDsn("postgres://u:p@ss@host/d")).toMatchObject({ host: "host", password: "p@ss" })
  })

  test.each([
    ...[
      "postgres:///d?host=/var/run/postgresql&user=u",
      "postgres://u:c4nary@%2Fvar%2Frun/d",
      "host=/tmp user=u",
      "host=@abstract user=u",
    ],
    ...["postgres://u:c4nary@a,b/d", "postgres://u:c4nary@a:1,b:2/d", "host=a,b user=u", "host=a port=1,2 user=u"],
    ...["postgres://u:c4nary@a/d?host=b", "postgres://u:c4nary@a/d?hostaddr=127.0.0.1", "postgres://u:c4nary@a/d?port=2&port=3"],
    ...["postgres://u:c4nary@a/d?options=-c%20x", "postgres://u@a/d?sslrootcert=/etc/passwd", "postgres://u@a/d?service=x"],
    ...["postgres://u@a/d?passfile=/etc/passwd", "postgres://u@a/d?target_session_attrs=any", "postgres://u@a/d?sslmode=c4nary"],
    ...["postgres://u:c4nary@a:99999/d", "postgres://u:c4nary@a:0/d", "postgres://u:c4nary%zz@a/d", "postgres://u:c4nary@a b/d"],
    ...["postgres://u%00:c4nary@a/d", "postgres://a/d", "postgres://u:c4nary@/d", "", "c4nary", "mysql://u:c4nary@a/d"],
    ...["postgres://u:x?c4nary=1@a/d", "user=u password=c4nary", "host=a user=u c4nary=1", "host=a user=u password='c4nary"],
    ...["postgres://u@a/d?channel_binding=require", "postgres://u@a/d?replication=database", "postgres://u@fe80::1%25eth0/d"],
  ])("that says %j is refused without repeating it", dsn => {
    const message = said(dsn)
    expect(message).toStartWith("postgres_dsn cannot be used: ")
    expect(message).not.toContain("c4nary")
  })
})

describe("a PostgreSQL server that may not be reached, or lies", () => {
  const asked = (egress: ReturnType<typeof egressTo>, dsn: string, timeoutMs = 5_000) =>
    createPostgresConnector({ egress }).call(
      "postgres_query",
      { sql: "SELECT 1", args: [], limit: 1 },
      callContext({ timeoutMs, config: { postgres_dsn: dsn } }),
    )

  test("is refused at a private address, under every name", async () => {
    const listener = await listen(() => {})
    for (const host of ["127.0.0.1", "localhost", "[::1]", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]"]) {
      const result = await asked(egressTo(), `postgres://u:c4nary@${host}:${listener.port}/d`)
      expect(result).toMatchObject({ ok: false, retryable: false })
      expect(JSON.stringify(result)).not.toContain("c4nary")
    }
    const rebound = await asked(resolving("127.0.0.1", []), `postgres://u:c4nary@db.example.com:${listener.port}/d`)
    expect(rebound).toMatchObject({ ok: false, message: expect.stringContaining("resolves to a loopback address") })
    expect(listener.connections()).toBe(0)
    listener.close()
  })

  test("that nobody answers for fails at once", async () => {
    const result = await asked(egressTo("127.0.0.1"), "postgres://u:c4nary@127.0.0.1:1/d")
    expect(result).toEqual({ ok: false, retryable: true, message: "127.0.0.1:1 could not be reached: ECONNREFUSED" })
  })

  test.each([
    ["no PostgreSQL", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")],
    ["a message of gigabytes", Buffer.from([0x52, 0x7f, 0xff, 0xff, 0xff])],
    ["a message shorter than its length", message("R", Buffer.alloc(0), 3)],
    ["a password in plain text over a connection that is not", message("R", Buffer.from([0, 0, 0, 3]))],
    ["a way to sign in that is not known", message("R", Buffer.from([0, 0, 0, 7]))],
    ["a SCRAM without end", message("R", Buffer.from("\0\0\0\vr=x,s=AA==,i=1"))],
    ["an error without end", message("E", Buffer.from("SFATAL\0Mno"))],
    ["a notice without end", message("N", Buffer.from("SNOTICE\0"))],
    ["an error that is empty", message("E", Buffer.alloc(0))],
    ["rows before anybody asked", message("D", Buffer.from([0, 0]))],
    ["what begins encryption that nobody wants", Buffer.from("S")],
  ])("that says %s is refused", async (_what, bytes) => {
    const heard: Buffer[] = []
    const liar = await listen(socket => {
      socket.on("data", chunk => heard.push(chunk))
      socket.write(bytes)
      socket.end()
    })
    for (const query of ["?sslmode=disable", "?sslmode=prefer", "?sslmode=require"]) {
      const result = await asked(egressTo("127.0.0.1"), `postgres://u:c4nary@127.0.0.1:${liar.port}/d${query}`)
      expect(result).toMatchObject({ ok: false })
      expect(JSON.stringify(result)).not.toContain("c4nary")
      if (query === "?sslmode=disable" && bytes.toString() !== "S") expect(result).toMatchObject({ retryable: false })
    }
    expect(Buffer.concat(heard).includes("c4nary")).toBe(false)
    liar.close()
  })

  test("that never ends a handshake holds nobody longer than the limit", async () => {
    const silent = await listen(socket => socket.write("S"))
    for (const query of ["?sslmode=disable", "?sslmode=prefer", "?sslmode=require"]) {
      const result = await asked(egressTo("127.0.0.1"), `postgres://u:p@127.0.0.1:${silent.port}/d${query}`, 150)
      if (query !== "?sslmode=disable") expect(result).toMatchObject({ ok: false, timeout: true })
    }
    silent.close()
  })

  test("gets nothing that the environment says, and nobody else is asked", async () => {
    const heard: Buffer[] = []
    const liar = await listen(socket => {
      socket.on("data", chunk => {
        heard.push(chunk)
        socket.write(message("R", Buffer.from([0, 0, 0, 5, 1, 2, 3, 4])))
      })
    })
    const environment = {
      PGHOST: "192.0.2.1",
      PGPORT: "1",
      PGUSER: "env",
      PGPASSWORD: "env",
      PGOPTIONS: "-c env",
      PGSSLMODE: "require",
    }
    const more = {
      PGAPPNAME: "env",
      PGDATABASE: "env",
      PGREPLICATION: "env",
      PGSSLNEGOTIATION: "direct",
      PGCLIENTENCODING: "env",
    }
    const before = { ...process.env }
    Object.assign(process.env, environment, more)
    try {
      const result = await asked(egressTo("127.0.0.1"), `postgres://u@127.0.0.1:${liar.port}/d?sslmode=disable`)
      expect(result).toMatchObject({ ok: false, message: "the server asks for a password, and postgres_dsn has none" })
    } finally {
      for (const key of Object.keys({ ...environment, ...more })) {
        if (before[key] === undefined) delete process.env[key]
        else process.env[key] = before[key]
      }
    }
    expect(Buffer.concat(heard).toString("latin1")).toContain("user\0u\0database\0d\0client_encoding\0UTF8\0")
    expect(Buffer.concat(heard).includes("env")).toBe(false)
    liar.close()
  })
})

function message(kind: string, body: Buffer, length = body.length + 4): Buffer {
  const head = Buffer.from(`${kind}\0\0\0\0`)
  head.writeUInt32BE(length, 1)
  return Buffer.concat([head, body])
}

function resolving(address: string, allow: readonly string[] = ["127.0.0.1"]) {
  const { allow: entries } = {
    allow: allow.map(text => ({ kind: "network" as const, address: text, prefix: 32, family: "ipv4" as const, port: null })),
  }
  return createEgress({ allow: entries, resolve: async () => [{ address, family: 4 }] })
}

function spellings(secret: string): readonly string[] {
  return [secret, encodeURIComponent(secret), Buffer.from(secret).toString("base64"), Buffer.from(secret).toString("hex")]
}

async function until(done: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (await done()) return
    await Bun.sleep(25)
  }
  throw new Error("it did not happen")
}
