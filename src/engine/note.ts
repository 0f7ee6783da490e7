import { STEP_NOTE_MAX_CHARS, STEP_NOTES_MAX, STEP_NOTES_MAX_CHARS } from "../kernel/limits.ts"
import type { StepNoteEvent } from "./events.ts"
import { failAttempt } from "./fail.ts"
import type { Place } from "./place.ts"
import type { Hooks } from "./schedule.ts"
import type { StepNote, StepState } from "./state.ts"
import type { Turn } from "./turn.ts"

/** An attempt records something and goes on. What is too much fails the step: it would be too much again in the next attempt. */
export function keepNote(turn: Turn, place: Place, note: StepNote, hooks: Hooks): void {
  const state = turn.stepState(place)
  const message = tooMuch(state, note)
  if (message === null) turn.emitAt(place, note.type, { ...note.data, attempt: state.attempt })
  else failAttempt(turn, place, { code: "AGENT_TURN_FAILED", message, retryable: false }, 0, hooks)
}

function tooMuch({ notes, noteChars }: StepState, note: StepNote): string | null {
  const chars = charsOf(note)
  if (notes.length >= STEP_NOTES_MAX) return `the step recorded more than ${STEP_NOTES_MAX} tool rounds and calls`
  if (chars > STEP_NOTE_MAX_CHARS)
    return `what the step recorded of one call has ${chars} characters, over ${STEP_NOTE_MAX_CHARS}`
  if (noteChars + chars > STEP_NOTES_MAX_CHARS)
    return `what the step recorded of its calls has more than ${STEP_NOTES_MAX_CHARS} characters together`
  return null
}

/** The step with one note more. */
export function withNote(state: StepState, { type, data }: StepNoteEvent): StepState {
  const { attempt: _, index: __, ...given } = data
  const note = { type, data: given }
  return { ...state, notes: [...state.notes, note], noteChars: state.noteChars + charsOf(note) }
}

function charsOf({ data }: StepNote): number {
  return JSON.stringify(data).length
}
