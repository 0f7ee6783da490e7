import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { createServer } from "node:net"
import { createEgress } from "../../../src/adapters/egress/egress.ts"
import { createArgumentCheck } from "../../../src/connectors/arguments.ts"
import type { CallContext } from "../../../src/connectors/connector.ts"
import { createRedisConnector } from "../../../src/connectors/redis/connector.ts"
import { parseAllowEntry } from "../../../src/kernel/allow-entry.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { lacking, PASSWORD, startRedis } from "../../helpers/servers.ts"
import { callContext, egressTo } from "../call.ts"

setDefaultTimeout(60_000)

describe.skipIf(lacking("redis") !== null)("Redis", () => {
  let server: Awaited<ReturnType<typeof startRedis>>
  let redis: ReturnType<typeof redisOn>
  let connector: ReturnType<typeof createRedisConnector>

  beforeAll(async () => {
    server = await startRedis()
    connector = createRedisConnector({
      egress: createEgress({
        allow: [parseAllowEntry("127.0.0.1")!],
        resolve: async () => [{ address: "127.0.0.1", family: 4 }],
      }),
      ca: server.ca,
    })
    redis = redisOn(connector, { redis_addr: `127.0.0.1:${server.port}`, redis_password: PASSWORD })
  })
  afterAll(async () => {
    connector?.close?.()
    await server?.stop()
  })

  test("keeps text, numbers and bytes as they are", async () => {
    for (const value of ["", "naïve \u{1F600}\r\n", "x".repeat(100_000), "\u0000", "\uFFFD"]) {
      expect(await redis.value("redis_set", { key: "k", value })).toEqual({ key: "k", ok: true })
      expect(await redis.value("redis_get", { key: "k" })).toEqual({ key: "k", value, exists: true })
    }
    await redis.value("redis_set", { key: "k", value: { $base64: "AP+A" } })
    expect((await redis.value("redis_get", { key: "k" })).value).toEqual({ $base64: "AP+A" })
    await redis.value("redis_set", { key: "k", value: { $integer: "9007199254740993" } })
    expect((await redis.value("redis_get", { key: "k" })).value).toBe("9007199254740993")
    expect(await redis.value("redis_get", { key: "missing" })).toEqual({ key: "missing", value: null, exists: false })
    const refused = await redis.failure("redis_set", { key: "k", value: { a: 1 } })
    expect(refused.message).toContain("pass anything else as JSON text")
  })

  test("counts, expires, asks and removes", async () => {
    expect(await redis.value("redis_incr", { key: "n" })).toEqual({ key: "n", value: 1 })
    expect(await redis.value("redis_incr", { key: "n", by: 41 })).toEqual({ key: "n", value: 42 })
    expect(await redis.value("redis_decr", { key: "n" })).toEqual({ key: "n", value: 41 })
    expect(await redis.value("redis_decr", { key: "n", by: 50 })).toEqual({ key: "n", value: -9 })
    await redis.value("redis_set", { key: "big", value: "9007199254740992" })
    expect(await redis.value("redis_incr", { key: "big" })).toEqual({ key: "big", value: "9007199254740993" })
    expect(await redis.value("redis_ttl", { key: "n" })).toEqual({ key: "n", ttl_seconds: -1 })
    expect(await redis.value("redis_expire", { key: "n", ttl_seconds: 100 })).toEqual({ key: "n", applied: true })
    expect((await redis.value("redis_ttl", { key: "n" })).ttl_seconds).toBeGreaterThan(90)
    expect(await redis.value("redis_expire", { key: "missing", ttl_seconds: 1 })).toEqual({ key: "missing", applied: false })
    await redis.value("redis_set", { key: "s", value: "v", ttl_seconds: 1_000 })
    expect((await redis.value("redis_ttl", { key: "s" })).ttl_seconds).toBeGreaterThan(900)
    expect(await redis.value("redis_ttl", { key: "missing" })).toEqual({ key: "missing", ttl_seconds: -2 })
    expect(await redis.value("redis_exists", { keys: ["n", "s"] })).toEqual({ exists: true, count: 2 })
    expect(await redis.value("redis_exists", { key: "missing" })).toEqual({ exists: false, count: 0 })
    expect(await redis.value("redis_del", { key: "n", keys: ["s", "missing"] })).toEqual({ deleted: 2 })
    expect((await redis.failure("redis_del")).message).toContain("no key is named")
    await redis.value("redis_set", { key: "w", value: "word" })
    expect(await redis.failure("redis_incr", { key: "w" })).toEqual({
      ok: false,
      message: "ERR value is not an integer or out of range",
      retryable: false,
    })
  })

  test("runs any command of data, in either spelling", async () => {
    const run = async (command: string | readonly string[], ...args: (string | number)[]) =>
      (await redis.value("redis_run_command", { command, args })).result
    expect(await run("HSET", "h", "a", 1, "b", "two words")).toBe(2)
    expect(await run(["hgetall", "h"])).toEqual(["a", "1", "b", "two words"])
    expect(await run("PING")).toBe("PONG")
    expect(await run("LRANGE", "missing", 0, -1)).toEqual([])
    expect(await run("XADD", "stream", "1-1", "f", "v")).toBe("1-1")
    expect(await run("XRANGE", "stream", "-", "+")).toEqual([["1-1", ["f", "v"]]])
    expect(await run(["MGET", "missing", "w"])).toEqual([null, "word"])
    expect(
      await run(["XREADGROUP", "GROUP", "block", "block", "COUNT", "1", "STREAMS", "w", ">"]).catch(e => e.message),
    ).toContain("WRONGTYPE")
    expect((await redis.failure("redis_run_command", { command: "NOSUCH" })).message).toContain("ERR unknown command")
  })

  test.each([
    ...[
      "SUBSCRIBE c",
      "psubscribe *",
      "MONITOR",
      "SHUTDOWN NOSAVE",
      "CONFIG GET requirepass",
      "DEBUG SLEEP 1",
      "SCRIPT FLUSH",
      "AUTH x",
    ],
    ...["EVAL return(1) 0", "FCALL f 0", "SELECT 1", "MULTI", "CLIENT REPLY OFF", "HELLO 3", "QUIT", "RESET", "FLUSHALL", "SYNC"],
    ...[
      "REPLICAOF evil.example.com 6379",
      "SLAVEOF NO ONE",
      "MIGRATE h 1 k 0 1",
      "MODULE LOAD /x.so",
      "ACL LIST",
      "CLUSTER INFO",
      "SAVE",
    ],
    ...[
      "BLPOP l 0",
      "BRPOP l 100000",
      "BLMPOP 0 1 l LEFT",
      "BLMOVE a b LEFT LEFT 0",
      "XREAD BLOCK 0 STREAMS s $",
      "WAIT 1 0",
      "BLPOP l x",
    ],
    ...["XREADGROUP GROUP g c BLOCK 0 STREAMS s >", "GET\r\nFLUSHALL", "BLPOP l inf", "BLPOP l -1"],
  ])("does not run %j", async line => {
    const failure = await redis.failure("redis_run_command", { command: line.split(" ") })
    expect(failure.retryable).toBe(false)
    expect(await redis.value("redis_get", { key: "w" })).toMatchObject({ value: "word" })
  })

  test("waits for what blocks as long as was said, and stops with the run", async () => {
    expect(await redis.value("redis_run_command", { command: ["BLPOP", "empty", "0.05"] })).toEqual({ result: null })
    const stop = new AbortController()
    const waiting = redis.failure("redis_run_command", { command: ["BLPOP", "empty", "20"] }, { signal: stop.signal })
    const blocked = async () =>
      (await redis.value("redis_run_command", { command: ["INFO", "clients"] })).result.includes("blocked_clients:1")
    await until(blocked)
    stop.abort(new Error("stopped"))
    expect((await waiting).message).toBe("the call was cancelled")
    await until(async () => !(await blocked()))
  })

  test("keeps databases apart", async () => {
    const other = redisOn(connector, { redis_addr: `127.0.0.1:${server.port}`, redis_password: PASSWORD, redis_db: 3 })
    expect(await other.value("redis_get", { key: "w" })).toMatchObject({ exists: false })
    expect((await redisOn(connector, { ...other.config, redis_db: 99 }).failure("redis_get", { key: "w" })).message).toContain(
      "ERR DB index",
    )
  })

  test("checks the certificate where it is encrypted", async () => {
    const over = (host: string) =>
      redisOn(connector, { redis_addr: `rediss://${host}:${server.tlsPort}`, redis_password: PASSWORD })
    expect(await over("db.example.com").value("redis_get", { key: "w" })).toMatchObject({ value: "word" })
    const wrong = await over("other.example.com").failure("redis_get", { key: "w" })
    expect(wrong).toMatchObject({ retryable: false, message: expect.stringContaining("is not trusted") })
  })

  test("refuses an answer that is larger than a result may be", async () => {
    await redis.value("redis_run_command", { command: ["SETRANGE", "large", "2000000", "x"] })
    expect((await redis.failure("redis_get", { key: "large" })).message).toContain("ask for less")
    await redis.value("redis_run_command", { command: ["SETRANGE", "large", "20000000", "x"] })
    expect((await redis.failure("redis_get", { key: "large" })).message).toContain("larger than the 16777216 bytes")
    expect(await redis.value("redis_del", { key: "large" })).toEqual({ deleted: 1 })
  })

  test("says that the credentials are wrong, and never which", async () => {
    for (const more of [{ redis_password: "c4nary" }, { redis_password: "c4nary", redis_username: "me" }]) {
      const failure = await redisOn(connector, { redis_addr: `127.0.0.1:${server.port}`, ...more }).failure("redis_get", {
        key: "w",
      })
      expect(failure.retryable).toBe(false)
      expect(failure.message).toContain("WRONGPASS")
      expect(failure.message).not.toContain("c4nary")
    }
    const none = await redisOn(connector, { redis_addr: `127.0.0.1:${server.port}` }).failure("redis_get", { key: "w" })
    expect(none.message).toContain("NOAUTH")
    for (const encoding of ["utf8", "base64", "hex"] as const) {
      const echoed = await redis.failure("redis_run_command", { command: ["NOSUCH", Buffer.from(PASSWORD).toString(encoding)] })
      expect(echoed.message).toContain("***")
    }
  })

  test("answers the probe", async () => {
    expect(await connector.probe?.(callContext({ config: redis.config }))).toEqual({ ok: true, value: {} })
  })

  // The last one: no server is left after it.
  test("says of a server that ends in the middle whether the command may have been done", async () => {
    const waiting = redis.failure("redis_run_command", { command: ["BLPOP", "empty", "20"] })
    await Bun.sleep(100)
    await server.kill()
    expect(await waiting).toMatchObject({ retryable: false, message: expect.stringContaining("may or may not have been done") })
    const gone = await redis.failure("redis_get", { key: "w" })
    expect(gone).toMatchObject({ retryable: true, message: `127.0.0.1:${server.port} could not be reached: ECONNREFUSED` })
  })
})

describe("a Redis server that may not be reached, or lies", () => {
  const asked = (addr: string, allow: readonly string[] = []) =>
    redisOn(createRedisConnector({ egress: egressTo(...allow) }), { redis_addr: addr, redis_password: "c4nary" })

  test.each([
    ...[
      "/var/run/redis.sock",
      "unix:///var/run/redis.sock",
      "redis://user:pass@host:1",
      "host:1/0",
      "host:0",
      "host:99999",
      "a,b",
      "",
    ],
    ...["http://host:1", "host:1?db=2", "host\r\n:1"],
  ])("at %j is no address", async address => {
    expect((await asked(address).failure("redis_get", { key: "k" })).message).toMatch(/redis_addr/)
  })

  test("is refused at a private address", async () => {
    let connections = 0
    const canary = createServer(() => connections++)
    await new Promise<void>(resolve => canary.listen(0, "127.0.0.1", resolve))
    const { port } = canary.address() as { port: number }
    for (const host of ["127.0.0.1", "localhost", "[::1]", "0x7f000001", "[::ffff:127.0.0.1]"]) {
      expect(await asked(`${host}:${port}`).failure("redis_get", { key: "k" })).toMatchObject({ retryable: false })
    }
    expect(connections).toBe(0)
    canary.close()
  })

  test.each([
    ["no Redis", "HTTP/1.1 400 Bad Request\r\n\r\n"],
    ["a text of gigabytes", "+OK\r\n$9999999999\r\n"],
    ["a list of billions", `+OK\r\n*9999999999\r\n${":1\r\n".repeat(300_000)}`],
    ["lists without end", `+OK\r\n${"*1\r\n".repeat(100)}`],
    ["a line without end", `+OK\r\n+${"x".repeat(100_000)}`],
    ["lists of lists that are long", `+OK\r\n${"*99999\r\n".repeat(8_000)}`],
    ["a line that ends halfway", "+OK\r\n+a\rX*99999999\r\n"],
    ["a map of another version", "+OK\r\n%1\r\n+a\r\n+b\r\n"],
    ["a length that is none", "+OK\r\n$x\r\n"],
    ["more than it was asked for", "+OK\r\n+OK\r\n+OK\r\n"],
  ])("that sends %s is refused", async (_what, bytes) => {
    const liar = createServer(socket => {
      socket.on("error", () => {})
      socket.write(bytes)
    })
    await new Promise<void>(resolve => liar.listen(0, "127.0.0.1", resolve))
    const { port } = liar.address() as { port: number }
    const failure = await asked(`127.0.0.1:${port}`, ["127.0.0.1"]).failure("redis_get", { key: "k" }, { timeoutMs: 5_000 })
    expect(failure).toMatchObject({ retryable: false })
    expect(failure.timeout).toBeUndefined()
    expect(failure.message).not.toContain("c4nary")
    liar.close()
  })

  test("that sends elsewhere is not followed", async () => {
    let connections = 0
    const elsewhere = createServer(() => connections++)
    await new Promise<void>(resolve => elsewhere.listen(0, "127.0.0.1", resolve))
    const moved = `-MOVED 1 127.0.0.1:${(elsewhere.address() as { port: number }).port}`
    const answers = ["+OK\r\n", `${moved}\r\n`]
    const server = createServer(socket => {
      socket.on("error", () => {})
      socket.on("data", () => socket.write(answers.shift() ?? ""))
    })
    await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as { port: number }
    const failure = await asked(`127.0.0.1:${port}`, ["127.0.0.1"]).failure("redis_get", { key: "k" })
    expect(failure).toEqual({ ok: false, retryable: false, message: moved.slice(1) })
    expect(connections).toBe(0)
    for (const one of [elsewhere, server]) one.close()
  })

  test("that never ends a handshake holds nobody longer than the limit", async () => {
    const silent = createServer(socket => socket.on("error", () => {}))
    await new Promise<void>(resolve => silent.listen(0, "127.0.0.1", resolve))
    const { port } = silent.address() as { port: number }
    for (const addr of [`127.0.0.1:${port}`, `rediss://127.0.0.1:${port}`]) {
      const failure = await asked(addr, ["127.0.0.1"]).failure("redis_get", { key: "k" }, { timeoutMs: 150 })
      expect(failure).toMatchObject({ timeout: true })
    }
    silent.close()
  })
})

function redisOn(connector: ReturnType<typeof createRedisConnector>, config: JsonObject) {
  const check = createArgumentCheck()
  const call = async (tool: string, args: JsonObject = {}, change: Partial<CallContext> = {}) => {
    const checked = check(connector.tools.find(t => t.name === tool)!, args)
    if (!checked.ok) throw new Error(checked.message)
    return await connector.call(tool, checked.args, callContext({ config, ...change }))
  }
  return {
    config,
    /** Of a call that has to succeed. */
    // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
    async value(tool: string, args: JsonObject = {}, change: Partial<CallContext> = {}): Promise<any> {
      const result = await call(tool, args, change)
      if (!result.ok) throw new Error(result.message)
      return result.value
    },
    /** Of a call that has to fail. */
    async failure(tool: string, args: JsonObject = {}, change: Partial<CallContext> = {}) {
      const result = await call(tool, args, change)
      if (result.ok) throw new Error(`no failure: ${JSON.stringify(result.value).slice(0, 500)}`)
      return result
    },
  }
}

async function until(done: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (await done()) return
    await Bun.sleep(25)
  }
  throw new Error("it did not happen")
}
