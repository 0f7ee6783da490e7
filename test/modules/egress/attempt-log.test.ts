import { describe, expect, test } from "bun:test"
import { asker } from "../../../src/kernel/asker.ts"
import type { EgressAttempt } from "../../../src/kernel/egress-attempt.ts"
import { AttemptLog } from "../../../src/modules/egress/attempt-log.ts"
import type { EgressAttemptRow } from "../../../src/modules/egress/store.ts"

const attempt = (host: string, refusal: string | null = null): EgressAttempt => ({
  ...{ asker: asker("callback", { tenantId: "acme" }), at: 1, protocol: "https", host, port: 443, refusal },
})

/** A log over a database that does as the test says. */
function open(add: (rows: readonly EgressAttemptRow[]) => Promise<void>, max?: number) {
  const lines: string[] = []
  let made = 0
  const ids = { uuid: () => `id-${made++}`, secret: () => "" }
  const warn = (fields: object, message: string) => void lines.push(`${JSON.stringify(fields)} ${message}`)
  return { lines, log: new AttemptLog({ store: { add }, ids, log: { warn }, ...(max !== undefined && { max }) }) }
}

describe("the log of attempts", () => {
  test("writes what it was told together, with who asked and why it was refused", async () => {
    const batches: (readonly EgressAttemptRow[])[] = []
    const { log } = open(async rows => void batches.push(rows))
    log.note(attempt("a.test"))
    log.note(attempt("b.test", "it is sealed"))
    expect(batches).toEqual([])
    await log.flush()
    const whom = { tenantId: "acme", projectId: null, userId: null, runId: null, stepId: null, what: "callback" }
    const where = { at: 1, protocol: "https", port: 443 }
    expect(batches).toEqual([
      [
        { id: "id-0", ...whom, ...where, host: "a.test", allowed: true, reason: null },
        { id: "id-1", ...whom, ...where, host: "b.test", allowed: false, reason: "it is sealed" },
      ],
    ])
    await log.flush()
    expect(batches).toHaveLength(1)
  })

  test("writes by itself soon after", async () => {
    const written = Promise.withResolvers<void>()
    const { log } = open(async () => written.resolve())
    log.note(attempt("a.test"))
    await written.promise
  })

  test("writes no more than some hundred in one transaction, and each once", async () => {
    const hosts: string[] = []
    const sizes: number[] = []
    const { log } = open(async rows => {
      sizes.push(rows.length)
      hosts.push(...rows.map(row => row.host))
      if (sizes.length === 1) log.note(attempt("meanwhile.test"))
    })
    for (let i = 0; i < 1_200; i++) log.note(attempt(`h${i}.test`))
    await Promise.all([log.flush(), log.flush()])
    expect(sizes).toEqual([500, 500, 201])
    expect(new Set(hosts).size).toBe(1_201)
  })

  test("keeps what the database did not take, drops what is too much, and says how much that was", async () => {
    let broken = true
    const hosts: string[] = []
    const { log, lines } = open(async rows => {
      if (broken) throw new Error("the disk is full")
      hosts.push(...rows.map(row => row.host))
    }, 3)
    for (let i = 0; i < 2; i++) log.note(attempt(`h${i}.test`))
    await expect(log.flush()).rejects.toThrow("the disk is full")
    for (let i = 2; i < 7; i++) log.note(attempt(`h${i}.test`))
    broken = false
    await log.flush()
    expect(hosts).toEqual(["h0.test", "h1.test", "h2.test"])
    expect(lines).toEqual(['{"dropped":4} attempts to reach something outside were not recorded: too many waited'])
  })
})
