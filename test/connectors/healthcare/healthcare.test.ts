import { describe, expect, test } from "bun:test"
import { createArgumentCheck } from "../../../src/connectors/arguments.ts"
import type { CallContext } from "../../../src/connectors/connector.ts"
import { createHealthcareConnector } from "../../../src/connectors/healthcare/connector.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { callContext } from "../call.ts"

const NOW = Date.UTC(2026, 5, 10, 8)
const healthcare = createHealthcareConnector({ clock: { now: () => NOW } })
const check = createArgumentCheck()

async function ask(tool: string, args: JsonObject, change: Partial<CallContext> = {}) {
  const checked = check(healthcare.tools.find(t => t.name === tool)!, args)
  if (!checked.ok) return { ...checked, retryable: false }
  return await healthcare.call(tool, checked.args, callContext(change))
}
// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
async function value(tool: string, args: JsonObject, change: Partial<CallContext> = {}): Promise<any> {
  const result = await ask(tool, args, change)
  if (!("value" in result)) throw new Error(result.ok ? "" : result.message)
  return result.value
}
async function failure(tool: string, args: JsonObject, change: Partial<CallContext> = {}) {
  const result = await ask(tool, args, change)
  if (result.ok) throw new Error("it did not fail")
  return result
}

/** Good arguments of every tool. */
const GOOD: { readonly [tool: string]: JsonObject } = {
  "patient.lookup": { patient_id: "P-1001" },
  "patient.history": { patient_id: "P-1002" },
  "diagnosis.analyze": { symptoms: ["fever", "cough"] },
  "medication.check": { patient_id: "P-1002", medication: "ibuprofen" },
  "medication.prescribe": { patient_id: "P-1002", medication: "paracetamol" },
  "scheduling.find_slot": {},
  "scheduling.book": { patient_id: "P-1002", slot_id: "S-0-2026-06-10-09" },
  "notification.send": { patient_id: "P-1002", message: "hello" },
  generate_summary: { patient_id: "P-1002" },
}

describe("every tool of the mock", () => {
  test("says that it is one, in its description and its answer, and answers the same at every time", async () => {
    expect(healthcare.tools.map(t => t.name).toSorted()).toEqual(Object.keys(GOOD).toSorted())
    for (const { name, description } of healthcare.tools) {
      expect(description).toStartWith("Mock with invented data")
      const first = await value(name, GOOD[name]!)
      expect([name, first.mock]).toEqual([name, true])
      expect(await value(name, GOOD[name]!)).toEqual(first)
    }
  })

  test("fails with the text of _fail, and not for what means no", async () => {
    for (const { name } of healthcare.tools) {
      const told = async (_fail: boolean | string) => await ask(name, { ...GOOD[name]!, _fail })
      expect(await told(true)).toEqual({ ok: false, message: "mock failure (_fail)", retryable: false })
      expect(await told("true")).toMatchObject({ ok: false, message: "mock failure (_fail)" })
      expect(await told("lab is closed")).toEqual({ ok: false, message: "lab is closed", retryable: false })
      for (const no of [false, "false", ""]) expect((await told(no)).ok).toBe(true)
    }
  })

  test("waits for _latency_ms, ends at the call's limit, and at once when the run is stopped", async () => {
    for (const { name } of healthcare.tools) {
      const from = performance.now()
      await value(name, { ...GOOD[name]!, _latency_ms: "20" })
      expect(performance.now() - from).toBeGreaterThanOrEqual(19)
      expect(await failure(name, { ...GOOD[name]!, _latency_ms: 60_000 }, { timeoutMs: 20 })).toEqual({
        ok: false,
        message: "no answer within 0.02 s",
        retryable: true,
        timeout: true,
      })
    }
    const stop = new AbortController()
    setTimeout(() => stop.abort(), 10)
    const stopped = { ...GOOD["patient.lookup"]!, _latency_ms: 60_000 }
    expect((await failure("patient.lookup", stopped, { signal: stop.signal })).message).toBe("the call was cancelled")
    expect((await failure("patient.lookup", stopped, { signal: AbortSignal.abort() })).message).toBe("the call was cancelled")
    for (const _latency_ms of [-1, 1e9, "soon", null])
      expect((await failure("patient.lookup", { ...GOOD["patient.lookup"]!, _latency_ms })).message).toContain("cannot take")
  })

  test("refuses what it does not know, whatever it is", async () => {
    for (const { name } of healthcare.tools) {
      expect((await failure(name, { ...GOOD[name]!, unknown: 1 })).message).toContain("cannot take these arguments")
      if (!("patient_id" in GOOD[name]!)) continue
      for (const patient_id of ["", "P-1", "P-9999", "../P-1001", "__proto__", "constructor", "x".repeat(5_000), [], {}]) {
        const result = await ask(name, { ...GOOD[name]!, patient_id })
        if (name === "patient.lookup" && result.ok) expect(result).toMatchObject({ value: { found: false, patient: null } })
        else expect([name, patient_id, result.ok]).toEqual([name, patient_id, false])
      }
    }
  })
})

describe("the tools hold together", () => {
  test("a patient that lookup finds has the history, the medication and the summary that belong to it", async () => {
    const { patients, count } = await value("patient.lookup", { condition: "Atrial Fibrillation" })
    expect(count).toBeGreaterThan(0)
    for (const { patient_id, name } of patients) {
      expect(name).toMatch(/^Patient \d+$/)
      const history = await value("patient.history", { patient_id })
      expect(history.conditions).toContain("atrial fibrillation")
      expect(history.medications).toContain("warfarin")
      const { safe, concerns } = await value("medication.check", { patient_id, medication: "Aspirin" })
      expect([safe, concerns.some((c: JsonObject) => c.with === "warfarin")]).toEqual([false, true])
      const { summary } = await value("generate_summary", { patient_id, notes: "feels well" })
      for (const part of [patient_id, "warfarin", history.visits[0].date, "feels well", "mock"]) expect(summary).toContain(part)
    }
    expect(await value("patient.lookup", { patient_id: " patient 1001 " })).toMatchObject({
      found: true,
      patient: { patient_id: "P-1001" },
    })
    const born = (await value("patient.lookup", { patient_id: "P-1007" })).patient.date_of_birth
    expect((await value("patient.lookup", { date_of_birth: born })).patients.map((p: JsonObject) => p.patient_id)).toContain(
      "P-1007",
    )
    expect((await failure("patient.lookup", {})).message).toContain("send patient_id")
    expect((await value("patient.history", { patient_id: "P-1004", limit: 1 })).visits).toHaveLength(1)
  })

  test("what is severe is prescribed only with a reason, and a repeated attempt is the same prescription", async () => {
    const allergic = { patient_id: "P-1006", medication: "amoxicillin" }
    expect((await value("patient.history", { patient_id: "P-1006" })).allergies).toContain("penicillin")
    expect((await failure("medication.prescribe", allergic)).message).toContain("allergy with penicillin")
    const given = await value("medication.prescribe", { ...allergic, override: "no other works", dosage: "500 mg" })
    expect(given).toMatchObject({ status: "prescribed", safe: false, override: "no other works", dosage: "500 mg" })
    const again = await value("medication.prescribe", { ...allergic, override: "no other works", dosage: "500 mg" })
    expect(again.prescription_id).toBe(given.prescription_id)
    const other = { idempotencyKey: "run:step:1" }
    expect((await value("medication.prescribe", { ...allergic, override: "x" }, other)).prescription_id).not.toBe(
      given.prescription_id,
    )
  })

  test("a slot that find_slot gives can be booked, and no other", async () => {
    for (const department of ["general practice", "cardiology", "dermatology", "neurology"]) {
      const { slots } = await value("scheduling.find_slot", { department, limit: 100, days: 60 })
      expect(slots.length).toBeGreaterThan(50)
      for (const slot of slots) {
        expect(Date.parse(slot.starts_at)).toBeGreaterThanOrEqual(NOW)
        expect([0, 6]).not.toContain(new Date(slot.starts_at).getUTCDay())
        const booked = await value("scheduling.book", { patient_id: "P-1003", slot_id: slot.slot_id })
        expect(booked).toMatchObject({ status: "booked", patient_id: "P-1003", slot })
      }
    }
    const slot_ids = [
      "S-0-2026-06-13-09",
      "S-9-2026-06-10-09",
      "S-0-2026-06-10-12",
      "S-0-2026-13-40-09",
      "S-0-0000-00-00-09",
      "x",
      "\0",
    ]
    for (const slot_id of slot_ids)
      expect((await failure("scheduling.book", { patient_id: "P-1003", slot_id })).message).toContain("there is no free slot")
    expect((await failure("scheduling.find_slot", { from: "soon" })).message).toContain("from is no day")
    expect((await value("scheduling.find_slot", { from: "+275760-09-12" })).count).toBeLessThanOrEqual(10)
    expect((await failure("scheduling.find_slot", { department: "astrology" })).message).toContain("cannot take")
  })

  test("symptoms lead to findings, most likely first, and to nothing when nothing fits", async () => {
    const found = await value("diagnosis.analyze", { symptoms: ["Severe CHEST PAIN", "sweating"], patient_id: "P-1002" })
    expect(found).toMatchObject({
      urgency: "emergency",
      recommended_department: "cardiology",
      needs_review: true,
      patient_id: "P-1002",
    })
    expect(found.findings[0]).toMatchObject({ condition: "acute coronary syndrome", probability: 0.6 })
    expect(await value("diagnosis.analyze", { symptoms: ["hiccups"] })).toMatchObject({
      findings: [],
      count: 0,
      urgency: "routine",
    })
    for (const symptoms of [[], "fever", [""], [{}]])
      expect((await failure("diagnosis.analyze", { symptoms })).message).toContain("cannot take")
  })

  test("nothing is sent", async () => {
    expect(await value("notification.send", { patient_id: "P-1001", message: "m", channel: "sms" })).toMatchObject({
      status: "simulated",
      delivered: false,
      channel: "sms",
    })
  })
})
