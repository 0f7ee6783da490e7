// What the machine can do at best: event rows committed with a sync each time, one by one and a hundred at once.
import { benchFolder } from "./folder.ts"
import { BATCH_ROWS, rowLimit } from "./rows.ts"
import { openRuntime } from "./runtime.ts"
import { count, median, printTable } from "./table.ts"

const folder = benchFolder()
const limit = await rowLimit(folder, await openRuntime(folder))
const single: number[] = []
const batched: number[] = []
for (let i = 0; i < 5; i++) {
  single.push(limit.measure(1, 400))
  batched.push(limit.measure(BATCH_ROWS, 400))
}
printTable("event rows a second, raw SQLite, synchronous=FULL", [
  { name: "one row a commit", figure: "", limit: count(median(single)), ratio: "" },
  { name: `${BATCH_ROWS} rows a commit`, figure: "", limit: count(median(batched)), ratio: "" },
])
process.exit(0)
