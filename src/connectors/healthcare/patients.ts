/** Everything here is made up. No record, name, number or value is anybody's. */
export interface Patient {
  readonly id: string
  /** Patients have numbers in place of names. */
  readonly name: string
  readonly dateOfBirth: string
  readonly sex: "female" | "male"
  readonly bloodType: string
  readonly allergies: readonly string[]
  readonly conditions: readonly string[]
  readonly medications: readonly string[]
  readonly visits: readonly Visit[]
}

export interface Visit {
  readonly date: string
  readonly department: string
  readonly reason: string
  readonly note: string
}

const FIRST_ID = 1001
const COUNT = 50

const BLOOD_TYPES = ["O+", "A+", "B+", "AB+", "O-", "A-"] as const
const ALLERGIES = [[], ["penicillin"], [], ["aspirin"], ["sulfonamides"], [], ["penicillin", "latex"]] as const
const CONDITIONS = [
  [],
  ["hypertension"],
  ["type 2 diabetes"],
  ["asthma"],
  ["hypertension", "type 2 diabetes"],
  ["atrial fibrillation"],
  ["migraine"],
] as const
const TREATED_WITH: { readonly [condition: string]: readonly string[] } = {
  hypertension: ["lisinopril"],
  "type 2 diabetes": ["metformin"],
  asthma: ["salbutamol"],
  "atrial fibrillation": ["warfarin"],
  migraine: ["sumatriptan"],
}
const VISITS = [
  { department: "general practice", reason: "yearly check", note: "No new findings." },
  { department: "cardiology", reason: "blood pressure", note: "Home measurements asked for." },
  { department: "dermatology", reason: "rash", note: "Gone after a week." },
  { department: "general practice", reason: "cough", note: "Lungs clear." },
] as const

/** The same fifty for everybody, at every time and on every machine. */
export const PATIENTS: readonly Patient[] = Array.from({ length: COUNT }, (_, n) => patient(n))

const BY_ID: ReadonlyMap<string, Patient> = new Map(PATIENTS.map(p => [p.id, p]))

/** By id in any of its spellings: `P-1001`, `1001`, `Patient 1001`. */
export function findPatient(spelling: string): Patient | undefined {
  const number = /^\s*(?:p(?:atient)?[\s-]*)?(\d{4,9})\s*$/i.exec(spelling)?.[1]
  return number === undefined ? undefined : BY_ID.get(`P-${number}`)
}

function patient(n: number): Patient {
  const conditions = CONDITIONS[n % CONDITIONS.length] ?? []
  return {
    id: `P-${FIRST_ID + n}`,
    name: `Patient ${FIRST_ID + n}`,
    dateOfBirth: `${1940 + ((n * 13) % 70)}-${two(1 + ((n * 7) % 12))}-${two(1 + ((n * 11) % 28))}`,
    sex: n % 2 === 0 ? "female" : "male",
    bloodType: BLOOD_TYPES[n % BLOOD_TYPES.length] ?? "O+",
    allergies: ALLERGIES[(n * 3) % ALLERGIES.length] ?? [],
    conditions,
    medications: conditions.flatMap(condition => TREATED_WITH[condition] ?? []),
    visits: VISITS.slice(0, 1 + (n % VISITS.length)).map((visit, i) => ({
      date: `${2025 - i}-${two(1 + ((n + 5 * i) % 12))}-${two(1 + ((n * 3 + i) % 28))}`,
      ...visit,
    })),
  }
}

function two(n: number): string {
  return String(n).padStart(2, "0")
}
