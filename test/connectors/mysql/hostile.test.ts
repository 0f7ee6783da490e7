import { describe, expect, test } from "bun:test"
import { createMysqlConnector } from "../../../src/connectors/mysql/connector.ts"
import { egressTo } from "../call.ts"
import { listen } from "../database/listen.ts"
import { accepted, greeting, packet, startSha2Peer } from "./peer.ts"
import { callsOf } from "./place.ts"

const PASSWORD = "c4nary pass"
const SSL = 0x800
const NONCE = Buffer.from("0123456789abcdefghij", "latin1")

function on(
  port: number,
  change: { readonly host?: string; readonly allow?: readonly string[]; readonly password?: string } = {},
) {
  const connector = createMysqlConnector({ egress: egressTo(...(change.allow ?? ["127.0.0.1"])) })
  return callsOf(connector, {
    ...{ mysql_host: change.host ?? "127.0.0.1", mysql_port: port, mysql_database: "d", mysql_user: "u" },
    mysql_password: change.password ?? PASSWORD,
  })
}

describe("a MySQL server with caching_sha2_password", () => {
  test("signs in who it remembers, and who it does not, without the password in plain", async () => {
    for (const remembers of [true, false]) {
      const peer = await startSha2Peer(PASSWORD, remembers)
      const failure = await on(peer.port).failure("mysql_list_tables")
      expect(failure.message).toBe("signed in (error 1064, SQLSTATE 42000)")
      expect(peer.seen().includes(PASSWORD)).toBe(false)
      const wrong = await on(peer.port, { password: "other" }).failure("mysql_list_tables")
      expect(wrong.message).toContain("Access denied")
      peer.close()
    }
  })
})

describe("a MySQL server that may not be reached, or lies", () => {
  test("is refused at a private address, under every name", async () => {
    const canary = await listen(() => {})
    for (const host of [
      "127.0.0.1",
      "localhost",
      "::1",
      "[::1]",
      "0x7f.1",
      "2130706433",
      "tls://127.0.0.1",
      "::ffff:127.0.0.1",
    ]) {
      expect(await on(canary.port, { host, allow: [] }).failure("mysql_list_tables")).toMatchObject({ retryable: false })
    }
    expect(canary.connections()).toBe(0)
    canary.close()
  })

  test.each(["", "/var/run/mysqld/mysqld.sock", "a,b", "a:3307", "u:p@a", "a/b", "http://a", "a?ssl=0", "a b", "a\0b"])(
    "at %j is no host",
    async host => {
      expect((await on(1, { host }).failure("mysql_list_tables")).message).toStartWith("mysql_host must be")
    },
  )

  test.each([
    ["no MySQL", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")],
    ["an old protocol", packet(Buffer.from([9, 0, 0]), 0)],
    ["packets out of order", packet(Buffer.from([10]), 3)],
    ["a greeting cut short", packet(Buffer.from([10, 0x38, 0]), 0)],
    [
      "that it wants the password in plain",
      Buffer.concat([packet(greeting(NONCE, "x"), 0), packet(Buffer.from("\xfemysql_clear_password\0", "latin1"), 2)]),
    ],
    [
      "another way to sign in",
      Buffer.concat([packet(greeting(NONCE, "x"), 0), packet(Buffer.from("\xfedialog\0", "latin1"), 2)]),
    ],
    [
      "an answer before the encryption that it offers",
      Buffer.concat([packet(greeting(NONCE, "mysql_native_password", SSL), 0), packet(accepted, 2)]),
    ],
    ["a key that is none", signedIn("caching_sha2_password", Buffer.from([1, 4]), Buffer.from("\x01no key"))],
    [
      "that it wants a file",
      Buffer.concat([signedIn("mysql_native_password", accepted), packet(Buffer.from("\xfb/etc/passwd", "latin1"), 1)]),
    ],
    ["a packet without end", Buffer.concat([signedIn("mysql_native_password", accepted), endless()])],
  ])("that sends %s is refused", async (_what, bytes) => {
    const heard: Buffer[] = []
    const liar = await listen(socket => {
      socket.on("data", chunk => heard.push(chunk))
      socket.write(bytes)
    })
    const failure = await on(liar.port).failure("mysql_list_tables", {}, { timeoutMs: 10_000 })
    expect(failure.retryable).toBe(false)
    expect(failure.timeout).toBeUndefined()
    expect(failure.message).not.toContain("c4nary")
    expect(Buffer.concat(heard).includes("c4nary")).toBe(false)
    liar.close()
  })

  test("that asks for a file in answer to a statement gets none", async () => {
    const peer = await startSha2Peer(PASSWORD, true, Buffer.from("\xfb/etc/passwd", "latin1"))
    const failure = await on(peer.port).failure("mysql_list_tables")
    expect(failure.message).toContain("asks for a file of this machine, which it does not get")
    expect(peer.seen().includes("root:")).toBe(false)
    peer.close()
  })

  test("that offers no encryption is refused where tls:// asks for it", async () => {
    const peer = await startSha2Peer(PASSWORD, true)
    const failure = await on(peer.port, { host: "tls://127.0.0.1" }).failure("mysql_list_tables")
    expect(failure.message).toContain("offers no encryption")
    expect(peer.seen()).toHaveLength(0)
    peer.close()
  })

  test("that is full says so before its greeting, and is tried again", async () => {
    const full = await listen(socket => socket.write(packet(Buffer.from("\xff\x10\x04Too many connections", "latin1"), 0)))
    expect(await on(full.port).failure("mysql_list_tables")).toMatchObject({
      retryable: true,
      message: "Too many connections (error 1040)",
    })
    full.close()
  })
})

/** A greeting and what follows the client's answer to it. */
function signedIn(plugin: string, ...answers: readonly Buffer[]): Buffer {
  return Buffer.concat([packet(greeting(NONCE, plugin), 0), ...answers.map((bytes, i) => packet(bytes, 2 + 2 * i))])
}

function endless(): Buffer {
  return Buffer.concat([1, 2].map(sequence => packet(Buffer.alloc(0xff_ff_ff), sequence)))
}
