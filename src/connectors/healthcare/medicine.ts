import type { Patient } from "./patients.ts"

/** A few rules that look like medicine, for demonstrations. Nothing here is advice, and none of it is complete. */
export interface Finding {
  readonly condition: string
  /** 0 to 1. */
  readonly probability: number
  readonly urgency: "routine" | "soon" | "emergency"
  readonly department: string
}

interface Rule extends Omit<Finding, "probability"> {
  readonly symptoms: readonly string[]
}

const RULES: readonly Rule[] = [
  {
    condition: "acute coronary syndrome",
    symptoms: ["chest pain", "shortness of breath", "sweating"],
    urgency: "emergency",
    department: "cardiology",
  },
  {
    condition: "stroke",
    symptoms: ["facial droop", "slurred speech", "weakness"],
    urgency: "emergency",
    department: "neurology",
  },
  {
    condition: "influenza",
    symptoms: ["fever", "cough", "fatigue", "headache"],
    urgency: "routine",
    department: "general practice",
  },
  {
    condition: "pneumonia",
    symptoms: ["fever", "cough", "shortness of breath"],
    urgency: "soon",
    department: "general practice",
  },
  { condition: "migraine", symptoms: ["headache", "nausea", "light sensitivity"], urgency: "routine", department: "neurology" },
  {
    condition: "gastroenteritis",
    symptoms: ["nausea", "vomiting", "diarrhea"],
    urgency: "routine",
    department: "general practice",
  },
  { condition: "allergic reaction", symptoms: ["rash", "itching", "swelling"], urgency: "soon", department: "dermatology" },
]

/** Most likely first; none when nothing fits. */
export function findingsFor(symptoms: readonly string[]): readonly Finding[] {
  const told = symptoms.map(s => s.trim().toLowerCase())
  return RULES.flatMap(({ symptoms: wanted, ...rule }) => {
    const met = wanted.filter(w => told.some(t => t.includes(w))).length
    return met === 0 ? [] : [{ ...rule, probability: Math.round((met / wanted.length) * 90) / 100 }]
  }).toSorted((a, b) => b.probability - a.probability || a.condition.localeCompare(b.condition))
}

export interface Concern {
  readonly kind: "allergy" | "interaction" | "duplicate"
  readonly severity: "moderate" | "severe"
  readonly with: string
  readonly note: string
}

/** Of which group of medicines one is, as far as allergies go. */
const GROUPS: { readonly [medication: string]: string } = {
  amoxicillin: "penicillin",
  ampicillin: "penicillin",
  penicillin: "penicillin",
  aspirin: "aspirin",
  ibuprofen: "aspirin",
  sulfamethoxazole: "sulfonamides",
}
const INTERACTIONS: readonly (readonly [string, string, "moderate" | "severe", string])[] = [
  ["warfarin", "aspirin", "severe", "more bleeding"],
  ["warfarin", "ibuprofen", "severe", "more bleeding"],
  ["lisinopril", "ibuprofen", "moderate", "less effect on blood pressure"],
  ["sumatriptan", "sertraline", "moderate", "too much serotonin"],
  ["metformin", "prednisone", "moderate", "higher blood sugar"],
]

export const KNOWN_MEDICATIONS: readonly string[] = [
  ...new Set([
    ...Object.keys(GROUPS),
    ...INTERACTIONS.map(([a]) => a),
    ...INTERACTIONS.map(([, b]) => b),
    "paracetamol",
    "salbutamol",
  ]),
].toSorted()

export function concernsOf(
  { allergies, medications }: Pick<Patient, "allergies" | "medications">,
  medication: string,
): readonly Concern[] {
  const wanted = medication.trim().toLowerCase()
  const group = Object.hasOwn(GROUPS, wanted) ? GROUPS[wanted] : undefined
  const allergy = allergies.filter(a => a === wanted || a === group)
  return [
    ...allergy.map(a => ({ kind: "allergy" as const, severity: "severe" as const, with: a, note: "recorded allergy" })),
    ...INTERACTIONS.flatMap(([a, b, severity, note]) => {
      const other = a === wanted ? b : b === wanted ? a : null
      return other !== null && medications.includes(other) ? [{ kind: "interaction" as const, severity, with: other, note }] : []
    }),
    ...(medications.includes(wanted)
      ? [{ kind: "duplicate" as const, severity: "moderate" as const, with: wanted, note: "prescribed already" }]
      : []),
  ]
}
