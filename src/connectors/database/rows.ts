import type { Json, JsonObject } from "../../kernel/json.ts"
import { ROWS_MAX_BYTES } from "./limits.ts"

/** Column names of a result, made unique: the second `id` becomes `id_2`, so that no value of a row is lost. */
export function uniqueNames(names: readonly string[]): readonly string[] {
  const taken = new Set<string>()
  return names.map(name => {
    let unique = name
    for (let n = 2; taken.has(unique); n++) unique = `${name}_${n}`
    taken.add(unique)
    return unique
  })
}

/** Gathers rows until one of the limits. */
export class RowCollector {
  readonly rows: JsonObject[] = []
  truncated: "rows" | "bytes" | null = null
  #bytes = 0

  constructor(
    private readonly columns: readonly string[],
    private readonly maxRows: number,
  ) {}

  /** False: full; this row and all later ones are left out. */
  add(values: readonly Json[]): boolean {
    if (this.rows.length >= this.maxRows) {
      this.truncated = "rows"
      return false
    }
    // fromEntries defines, it does not assign: a column may be called __proto__.
    const row: JsonObject = Object.fromEntries(this.columns.map((name, i) => [name, values[i] ?? null]))
    this.#bytes += Buffer.byteLength(JSON.stringify(row)) + 1
    if (this.#bytes > ROWS_MAX_BYTES) {
      this.truncated = "bytes"
      return false
    }
    this.rows.push(row)
    return true
  }

  result(): JsonObject {
    return {
      columns: this.columns,
      rows: this.rows,
      row_count: this.rows.length,
      truncated: this.truncated !== null,
      ...(this.truncated ? { truncated_by: this.truncated } : {}),
    }
  }
}
