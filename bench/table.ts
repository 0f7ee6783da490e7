/** One figure beside what the machine can do at best, both measured in the same run. */
export interface Row {
  readonly name: string
  readonly figure: string
  readonly limit: string
  /** E.g. `41 %`; empty where there is nothing to compare with. */
  readonly ratio: string
}

export function printTable(title: string, rows: readonly Row[]): void {
  const all = [{ name: title, figure: "figure", limit: "limit of the machine", ratio: "ratio" }, ...rows]
  const width = (column: keyof Row) => Math.max(...all.map(row => row[column].length))
  const widths = { name: width("name"), figure: width("figure"), limit: width("limit"), ratio: width("ratio") }
  const lines = all.map(
    row =>
      `${row.name.padEnd(widths.name)}  ${row.figure.padStart(widths.figure)}  ${row.limit.padStart(widths.limit)}  ${row.ratio.padStart(widths.ratio)}`,
  )
  console.log(`\n${lines[0]}\n${"-".repeat(lines[0]!.length)}\n${lines.slice(1).join("\n")}`)
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** A figure and its limit, measured in turn so that a busy neighbour slows both. The ratio is the median of the pairs' own. */
export async function inPairs(
  pairs: number,
  limit: () => number | Promise<number>,
  figure: () => number | Promise<number>,
): Promise<{ readonly figure: number; readonly limit: number; readonly ratio: number }> {
  const limits: number[] = []
  const figures: number[] = []
  for (let i = 0; i < pairs; i++) {
    limits.push(await limit())
    figures.push(await figure())
  }
  return { figure: median(figures), limit: median(limits), ratio: median(figures.map((f, i) => f / limits[i]!)) }
}

export function count(value: number): string {
  return Math.round(value).toLocaleString("en")
}

export function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(ratio < 0.1 ? 1 : 0)} %`
}
