import { LLM_SHOWN_MAX_CHARS, PROGRESS_EVERY_MS } from "../../kernel/limits.ts"
import type { Mask } from "../../kernel/masked.ts"

/** The text of an answer while it streams, for who watches: its end, without secrets, at a bearable pace. */
export class ShownText {
  #text = ""
  #chars = 0
  #shownAt = Number.NEGATIVE_INFINITY

  constructor(
    private readonly mask: Mask,
    private readonly show: (data: { readonly text: string; readonly chars: number }) => void,
  ) {}

  /** `now` in ms, of any clock. */
  add(delta: string, now: number): void {
    this.#chars += delta.length
    this.#text += delta
    if (now - this.#shownAt < PROGRESS_EVERY_MS) return
    this.#shownAt = now
    // A secret that begins before what is kept would be shown from its middle, so much more is kept than shown.
    this.#text = this.#text.slice(-4 * LLM_SHOWN_MAX_CHARS)
    const text = this.mask.text(this.#text.slice(0, finishedLength(this.#text)))
    this.show({ text: text.slice(-LLM_SHOWN_MAX_CHARS), chars: this.#chars })
  }
}

/** Up to the last character that no secret is written in: what comes behind it may be the beginning of one. */
function finishedLength(text: string): number {
  let length = text.length
  while (length > 0 && isVisibleAscii(text.charCodeAt(length - 1))) length--
  return length
}

const isVisibleAscii = (code: number) => code > 0x20 && code < 0x7f
