import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import * as https from "node:https"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { EgressFailed } from "../../../src/adapters/egress/errors.ts"
import { egressFor, errorOf } from "./places.ts"

const openssl = Bun.which("openssl")

describe.skipIf(openssl === null)("a certificate (where openssl is there to make one)", () => {
  let ca = ""
  let server: https.Server
  let port = 0
  let requests = 0
  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), "agentruntime-tls-"))
    const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")]
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    const made = Bun.spawnSync([
      ...[openssl ?? "", "req", "-x509", ...curve, "-nodes", "-days", "2", "-subj", "/CN=good.test"],
      ...["-addext", "subjectAltName=DNS:good.test", "-keyout", key, "-out", cert],
    ])
    if (!made.success) throw new Error(made.stderr.toString())
    ca = readFileSync(cert, "utf8")
    server = https.createServer({ key: readFileSync(key), cert: ca }, (_, response) => {
      requests++
      response.end("hello")
    })
    rmSync(folder, { recursive: true })
    await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve))
    port = (server.address() as AddressInfo).port
  })
  afterAll(() => void server.close())

  test("is checked against the name of the request, not the address behind it", async () => {
    const egress = egressFor("127.0.0.1", { ca })
    expect(await (await egress.fetch(`https://good.test:${port}/`)).text()).toBe("hello")
    const error = await errorOf(egress.fetch(`https://bad.test:${port}/`))
    expect([error.name, error.message]).toEqual([
      "EgressFailed",
      `bad.test:${port} could not be reached: ERR_TLS_CERT_ALTNAME_INVALID`,
    ])
    expect(requests).toBe(1)
    egress.close()
  })

  test("that nobody vouches for is not taken", async () => {
    const before = requests
    expect(await errorOf(egressFor("127.0.0.1").fetch(`https://good.test:${port}/`))).toBeInstanceOf(EgressFailed)
    expect(requests).toBe(before)
  })
})
