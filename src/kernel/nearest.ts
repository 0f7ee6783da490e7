/** Longer words are not compared: they are no misspelt names. */
const WORD_MAX_CHARS = 80
/** Comparisons of one check: a document may hold any number of misspelt words, and each is compared with all known ones. */
const COMPARISONS_MAX = 100_000

/** Finds the nearest words for one check, as long as that is not too much work. */
export class Speller {
  #left = COMPARISONS_MAX

  nearest(word: string, known: () => Iterable<string>): string | undefined {
    if (this.#left <= 0) return undefined
    const words = [...known()]
    this.#left -= words.length + 1
    return nearest(word, words)
  }
}

/** The known word that a misspelt one most likely means; undefined when none is near. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  if (word.length > WORD_MAX_CHARS) return undefined
  const wanted = plain(word)
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1
  for (const candidate of known) {
    if (candidate.length > WORD_MAX_CHARS) continue
    const d = distance(wanted, plain(candidate), bestDistance)
    if (d < bestDistance) {
      best = candidate
      bestDistance = d
    }
  }
  return best
}

/** `dependsOn`, `depends-on` and `depends_on` are one word. */
const plain = (word: string) => word.toLowerCase().replaceAll(/[_\s-]/g, "")

/** How many letters to insert, remove, replace or swap with their neighbour; `limit` when there are more. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let before: readonly number[] = []
  let row: readonly number[] = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const swapped = isSwap ? before[j - 2]! + 1 : limit
      next.push(Math.min(replaced, swapped, row[j]! + 1, next[j - 1]! + 1))
    }
    before = row
    row = next
  }
  return Math.min(row[b.length]!, limit)
}
