// `npm run bench [-- names…]`: each benchmark in a process of its own, one after another.
import { join } from "node:path"

const ALL = ["limit", "start", "webhooks", "steps", "readers", "read", "tools", "llm", "startup"]
/** Minutes each. */
const ON_DEMAND = ["scale"]
const asked = process.argv.slice(2)
const unknown = asked.filter(name => !ALL.includes(name) && !ON_DEMAND.includes(name))
if (unknown.length > 0) {
  console.error(`There is no benchmark ${unknown.join(", ")}. Choose from: ${[...ALL, ...ON_DEMAND].join(", ")}.`)
  process.exit(2)
}
for (const name of asked.length > 0 ? asked : ALL) {
  const child = Bun.spawn([process.execPath, "run", join(import.meta.dir, `${name}.ts`)], {
    stdio: ["ignore", "inherit", "inherit"],
  })
  if ((await child.exited) !== 0) process.exit(1)
}
