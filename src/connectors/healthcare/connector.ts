import { type Static, type TObject, type TProperties, Type } from "typebox"
import type { Clock } from "../../kernel/clock.ts"
import type { JsonObject } from "../../kernel/json.ts"
import type { Connector } from "../connector.ts"
import { createConnector, type Hints, type ToolCall, type ToolDefinition, ToolFailure, tool } from "../kit.ts"
import { concernsOf, findingsFor, KNOWN_MEDICATIONS } from "./medicine.ts"
import { findPatient, PATIENTS, type Patient } from "./patients.ts"
import { DEPARTMENTS, freeSlots, slotOf } from "./schedule.ts"

export const LATENCY_MAX_MS = 600_000
const TEXT_MAX_CHARS = 2_000

/** What every tool takes, so that a demonstration can show what slow and failing services do to a run. */
const TROUBLE = {
  _latency_ms: Type.Optional(
    Type.Integer({ minimum: 0, maximum: LATENCY_MAX_MS, description: "Mock: answers only after so many milliseconds." }),
  ),
  _fail: Type.Optional(
    Type.Unsafe<boolean | string>({
      type: ["boolean", "string"],
      maxLength: 500,
      description: "Mock: true or a text fails the call, with that text.",
    }),
  ),
}

const text = (description: string) => Type.String({ minLength: 1, maxLength: TEXT_MAX_CHARS, description })
const patientId = text("Such as P-1001; the mock has P-1001 to P-1050.")
const maybe = <T extends TProperties[string]>(schema: T) => Type.Optional(schema)

interface Mock<P extends TProperties> {
  readonly name: string
  readonly description: string
  readonly takes: P
  readonly gives: TProperties
  readonly hints?: Hints
  readonly answer: (args: Static<TObject<P>>, call: ToolCall) => JsonObject
}

function mock<P extends TProperties>({ name, description, takes, gives, hints = "reads", answer }: Mock<P>): ToolDefinition {
  return tool({
    name,
    description: `Mock with invented data, not for care. ${description}`,
    input: Type.Object({ ...takes, ...TROUBLE }, { additionalProperties: false }),
    output: Type.Object({ mock: Type.Literal(true), ...gives }),
    hints,
    async run(args, call) {
      // The cast: the arguments were checked against the schema, of which TypeBox cannot tell the generic part.
      const { _latency_ms = 0, _fail = false, ...own } = args as Trouble & Static<TObject<P>>
      await pause(_latency_ms, call)
      // A template turns true into text where it stands among other words.
      if (_fail !== false && _fail !== "false" && _fail !== "")
        throw new ToolFailure(_fail === true || _fail === "true" ? "mock failure (_fail)" : _fail)
      return { mock: true, ...answer(own as Static<TObject<P>>, call) }
    },
  })
}

interface Trouble {
  readonly _latency_ms?: number
  readonly _fail?: boolean | string
}

/** Ends early with the call: at its limit with a timeout, or when the run is stopped. */
async function pause(ms: number, { signal, timeoutMs }: ToolCall): Promise<void> {
  if (ms === 0) return
  await new Promise<void>((resolve, reject) => {
    const settle = (end: () => void) => {
      clearTimeout(timer)
      signal.removeEventListener("abort", onAbort)
      end()
    }
    const onAbort = () => settle(() => reject(signal.reason))
    const late = () => reject(new ToolFailure(`no answer within ${timeoutMs / 1_000} s`, { retryable: true, timeout: true }))
    const timer = setTimeout(() => settle(ms > timeoutMs ? late : resolve), Math.min(ms, timeoutMs))
    if (signal.aborted) onAbort()
    else signal.addEventListener("abort", onAbort, { once: true })
  })
}

const lookup = mock({
  name: "patient.lookup",
  description: "Finds a patient by id, or patients by date of birth or condition.",
  takes: {
    patient_id: maybe(patientId),
    date_of_birth: maybe(text("YYYY-MM-DD.")),
    condition: maybe(text("Such as hypertension.")),
  },
  gives: { found: Type.Boolean(), count: Type.Integer(), patient: Type.Unknown(), patients: Type.Array(Type.Unknown()) },
  answer({ patient_id, date_of_birth, condition }) {
    if (patient_id === undefined && date_of_birth === undefined && condition === undefined)
      throw new ToolFailure("send patient_id, date_of_birth or condition")
    const candidates = patient_id === undefined ? PATIENTS : [findPatient(patient_id)].filter(p => p !== undefined)
    const found = candidates.filter(
      p =>
        (date_of_birth === undefined || p.dateOfBirth === date_of_birth) &&
        (condition === undefined || p.conditions.includes(condition.trim().toLowerCase())),
    )
    const patients = found.map(summaryOf)
    return { found: patients.length > 0, count: patients.length, patient: patients[0] ?? null, patients }
  },
})

const history = mock({
  name: "patient.history",
  description: "Conditions, allergies, medication and visits of a patient.",
  takes: { patient_id: patientId, limit: maybe(Type.Integer({ minimum: 1, maximum: 50, description: "Visits, newest first." })) },
  gives: {
    patient_id: Type.String(),
    conditions: Type.Array(Type.String()),
    allergies: Type.Array(Type.String()),
    medications: Type.Array(Type.String()),
    visits: Type.Array(Type.Unknown()),
  },
  answer({ patient_id, limit = 50 }) {
    const { id, conditions, allergies, medications, visits } = requirePatient(patient_id)
    const shown = visits.slice(0, limit).map(visit => ({ ...visit }))
    return {
      patient_id: id,
      conditions: [...conditions],
      allergies: [...allergies],
      medications: [...medications],
      visits: shown,
    }
  },
})

const analyze = mock({
  name: "diagnosis.analyze",
  description: "Guesses at conditions from symptoms by a few fixed rules.",
  takes: {
    symptoms: Type.Array(text("Such as fever."), { minItems: 1, maxItems: 50 }),
    patient_id: maybe(patientId),
  },
  gives: {
    findings: Type.Array(Type.Unknown()),
    count: Type.Integer(),
    urgency: Type.String(),
    recommended_department: Type.String(),
    needs_review: Type.Boolean(),
  },
  answer({ symptoms, patient_id }) {
    const known = patient_id === undefined ? undefined : requirePatient(patient_id)
    const findings = findingsFor(symptoms).map(finding => ({ ...finding }))
    const urgency = (["emergency", "soon"] as const).find(u => findings.some(f => f.urgency === u)) ?? "routine"
    return {
      ...(known && { patient_id: known.id, known_conditions: [...known.conditions] }),
      findings,
      count: findings.length,
      urgency,
      recommended_department: findings[0]?.department ?? "general practice",
      needs_review: true,
    }
  },
})

const medication = text(`Such as ${KNOWN_MEDICATIONS.slice(0, 3).join(", ")}.`)
const checkGives = {
  patient_id: Type.String(),
  medication: Type.String(),
  safe: Type.Boolean(),
  concerns: Type.Array(Type.Unknown()),
}

const check = mock({
  name: "medication.check",
  description: "Looks for allergies and interactions of a medication with what the patient has.",
  takes: { patient_id: patientId, medication },
  gives: checkGives,
  answer: args => checked(requirePatient(args.patient_id), args.medication),
})

const prescribe = mock({
  name: "medication.prescribe",
  description: "Prescribes a medication; refused for a severe concern unless override says why. Nothing is stored.",
  takes: {
    patient_id: patientId,
    medication,
    dosage: maybe(text("Such as 500 mg.")),
    instructions: maybe(text("For the patient.")),
    override: maybe(text("Why it is prescribed in spite of a severe concern.")),
  },
  gives: { ...checkGives, prescription_id: Type.String(), status: Type.String() },
  hints: "sets",
  answer({ patient_id, medication: wanted, dosage, instructions, override }, call) {
    const result = checked(requirePatient(patient_id), wanted)
    if (!result.safe && override === undefined) {
      const severe = result.concerns.filter(c => c.severity === "severe").map(c => `${c.kind} with ${c.with}`)
      throw new ToolFailure(
        `${wanted} is not prescribed for ${result.patient_id}: ${severe.join(", ")}; send override to say why all the same`,
      )
    }
    const more = { dosage: dosage ?? null, instructions: instructions ?? null, override: override ?? null }
    return { ...result, ...more, prescription_id: numbered("RX", call), status: "prescribed" }
  },
})

const book = mock({
  name: "scheduling.book",
  description: "Books a slot that scheduling.find_slot gave. Nothing is stored: the slot stays free for others.",
  takes: { patient_id: patientId, slot_id: text("From scheduling.find_slot."), reason: maybe(text("Why.")) },
  gives: { appointment_id: Type.String(), status: Type.String(), patient_id: Type.String(), slot: Type.Unknown() },
  hints: "sets",
  answer({ patient_id, slot_id, reason }, call) {
    const slot = slotOf(slot_id)
    if (!slot)
      throw new ToolFailure(
        `there is no free slot ${JSON.stringify(slot_id.slice(0, 40))}; take one that scheduling.find_slot gave`,
      )
    const { id } = requirePatient(patient_id)
    return { appointment_id: numbered("A", call), status: "booked", patient_id: id, reason: reason ?? null, slot: { ...slot } }
  },
})

const notify = mock({
  name: "notification.send",
  description: "Pretends to notify a patient. Nothing is sent to anybody.",
  takes: {
    patient_id: patientId,
    message: text("What would be sent."),
    channel: maybe(Type.Enum(["sms", "email", "phone", "portal"], { default: "portal" })),
  },
  gives: { notification_id: Type.String(), status: Type.String(), delivered: Type.Boolean(), patient_id: Type.String() },
  hints: "sets",
  answer({ patient_id, message, channel }, call) {
    const { id } = requirePatient(patient_id)
    const about = { patient_id: id, channel: channel ?? "portal", message }
    return { notification_id: numbered("N", call), status: "simulated", delivered: false, ...about }
  },
})

const summary = mock({
  name: "generate_summary",
  description: "Writes a few sentences on a patient from the mock's record, and what was found now.",
  takes: { patient_id: patientId, notes: maybe(text("What was found now.")) },
  gives: { patient_id: Type.String(), summary: Type.String() },
  answer({ patient_id, notes }) {
    const p = requirePatient(patient_id)
    const list = (items: readonly string[]) => (items.length === 0 ? "none" : items.join(", "))
    const last = p.visits[0]
    const lines = [
      `${p.name} (${p.id}), ${p.sex}, born ${p.dateOfBirth}.`,
      `Conditions: ${list(p.conditions)}. Medication: ${list(p.medications)}. Allergies: ${list(p.allergies)}.`,
      ...(last ? [`Last visit ${last.date}, ${last.department}: ${last.reason}. ${last.note}`] : []),
      ...(notes === undefined ? [] : [`Now: ${notes}`]),
      "This is a mock: nobody is described here.",
    ]
    return { patient_id: p.id, summary: lines.join("\n") }
  },
})

/**
 * A clinic that does not exist, for demonstrations and for trying workflows (contract Appendix A). It keeps nothing, sends
 * nothing and gives the same answers to the same questions; the days that it offers begin today.
 */
export function createHealthcareConnector({ clock }: { readonly clock: Clock }): Connector {
  const findSlot = mock({
    name: "scheduling.find_slot",
    description: "Free slots of a department, from a day on.",
    takes: {
      department: maybe(Type.Enum([...DEPARTMENTS], { default: "general practice" })),
      from: maybe(text("Day or time, ISO 8601. Default: now.")),
      days: maybe(Type.Integer({ minimum: 1, maximum: 60, default: 14 })),
      limit: maybe(Type.Integer({ minimum: 1, maximum: 100, default: 10 })),
    },
    gives: { slots: Type.Array(Type.Unknown()), count: Type.Integer(), slot: Type.Unknown() },
    answer({ department, from, days, limit }) {
      const start = from === undefined ? clock.now() : Date.parse(from)
      if (Number.isNaN(start)) throw new ToolFailure("from is no day or time such as 2026-06-10")
      const slots = freeSlots(department ?? "general practice", start, days ?? 14)
        .slice(0, limit ?? 10)
        .map(slot => ({ ...slot }))
      return { slots, count: slots.length, slot: slots[0] ?? null }
    },
  })
  return createConnector({
    slug: "healthcare",
    tools: [lookup, history, analyze, check, prescribe, findSlot, book, notify, summary],
  })
}

function requirePatient(spelling: string): Patient {
  const found = findPatient(spelling)
  if (found) return found
  throw new ToolFailure(`the mock has no patient ${JSON.stringify(spelling.slice(0, 40))}; it has P-1001 to P-1050`)
}

function summaryOf({ id, name, dateOfBirth, sex, bloodType }: Patient) {
  return { patient_id: id, name, date_of_birth: dateOfBirth, sex, blood_type: bloodType }
}

function checked(patient: Patient, medication: string) {
  const concerns = concernsOf(patient, medication).map(concern => ({ ...concern }))
  return { patient_id: patient.id, medication, safe: !concerns.some(c => c.severity === "severe"), concerns }
}

/** The same on every attempt of one step: a repeat is the same prescription or appointment. */
function numbered(prefix: string, { idempotencyKey }: ToolCall): string {
  return `${prefix}-${new Bun.CryptoHasher("sha256").update(`${prefix} ${idempotencyKey}`).digest("hex").slice(0, 10)}`
}
