import { describe, expect, test } from "bun:test"
import { verifySignature } from "../../../src/modules/inbound-webhooks/signature.ts"

// The contract's vectors (§6.2).
const SECRET = "whsec_test"
const BODY = new TextEncoder().encode('{"email":"a@example.com"}')
const BODY_HEX = "f5d3f61d82b115830cb1dbef98de0f0047ae4d0912b191905872cfb66280094c"
const STAMPED_HEX = "c6b5418c3e216b077f9eba585167207010d549107a1cec51f1e6148a7a917acd"
const AT = 1_700_000_000
const NOW = AT * 1000

const verify = (header: string | null, more: { body?: Uint8Array; secrets?: string[]; now?: number } = {}) =>
  verifySignature(header, more.body ?? BODY, more.secrets ?? [SECRET], more.now ?? NOW)

describe("a signature", () => {
  test("over the body alone is good as the contract's vector has it", () => {
    expect(verify(`sha256=${BODY_HEX}`)).toEqual({ good: true, scheme: "body", secret: 0 })
  })

  test("over time and body is good as the contract's vector has it, whatever else the header says", () => {
    const good = { good: true, scheme: "timestamp", secret: 0 } as const
    expect(verify(`t=${AT},v1=${STAMPED_HEX}`)).toEqual(good)
    expect(verify(` v0=abc , v1=${STAMPED_HEX} , t=${AT},x`)).toEqual(good)
  })

  test("is good with any of the secrets", () => {
    expect(verify(`sha256=${BODY_HEX}`, { secrets: ["whsec_new", SECRET] })).toMatchObject({ good: true, secret: 1 })
    expect(verify(`sha256=${BODY_HEX}`, { secrets: ["whsec_new"] }).good).toBe(false)
    expect(verify(`sha256=${BODY_HEX}`, { secrets: [] }).good).toBe(false)
  })

  test("is good up to 300 seconds from now in either direction", () => {
    const header = `t=${AT},v1=${STAMPED_HEX}`
    for (const off of [-300_000, 300_000]) expect(verify(header, { now: NOW + off }).good).toBe(true)
    for (const off of [-300_001, 300_001]) expect(verify(header, { now: NOW + off }).good).toBe(false)
  })

  test("of other bytes is bad, were it one bit", () => {
    const other = BODY.slice()
    other[3]! ^= 1
    for (const header of [`sha256=${BODY_HEX}`, `t=${AT},v1=${STAMPED_HEX}`]) {
      expect(verify(header, { body: other }).good).toBe(false)
      expect(verify(header, { body: new Uint8Array() }).good).toBe(false)
    }
  })

  const malformed = [
    null,
    "",
    BODY_HEX,
    `sha256=${BODY_HEX}00`,
    `sha256=${BODY_HEX.slice(1)}`,
    `sha256 =${BODY_HEX}`,
    `sha1=${BODY_HEX}`,
    // Doubled headers arrive joined.
    `sha256=${BODY_HEX}, sha256=${BODY_HEX}`,
    `t=${AT},v1=${STAMPED_HEX}, t=${AT},v1=${STAMPED_HEX}`,
    `t=${AT},v1=${STAMPED_HEX},v1=${"0".repeat(64)}`,
    `t=${AT},t=${AT + 1},v1=${STAMPED_HEX}`,
    `v1=${STAMPED_HEX}`,
    `t=${AT}`,
    `t=0,v1=${STAMPED_HEX}`,
    `t=-1,v1=${STAMPED_HEX}`,
    `t=${AT}.5,v1=${STAMPED_HEX}`,
    `t=0${AT},v1=${STAMPED_HEX}`,
    `t=1e9,v1=${STAMPED_HEX}`,
    `t=${AT},v1=${STAMPED_HEX}=`,
    `t=${AT},v1=zz${STAMPED_HEX.slice(2)}`,
    `t=${AT},v1=`,
    `t=${AT};v1=${STAMPED_HEX}`,
  ]
  for (const header of malformed) {
    test(`as ${JSON.stringify(header)} is bad`, () => {
      expect(verify(header).good).toBe(false)
    })
  }
})
