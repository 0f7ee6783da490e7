// Writes docs/steps.md from the descriptions of the step types: `bun run dist-config/steps-reference.ts`.
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Field, StepType } from "../src/engine/step-type.ts"
import { stepTypes } from "../src/steps/registry.ts"
import { repository } from "./repository.ts"

export const STEPS_FILE = join(repository, "docs", "steps.md")

export function stepsReference(): string {
  return `# Steps

Made from the program: do not edit. A graph is \`{ "steps": [ … ] }\`; each step has an \`id\`, a \`type\`, a \`name\`, the fields of its
type and any of these controls:

| control | what it does |
|---|---|
| \`depends_on\` | ids of the steps that must have ended first; without it the step starts with the run |
| \`condition\` | a template; the step is skipped unless it is true. Missing values are false |
| \`skip_when\` | a template; the step is skipped when it is true |
| \`enabled\` | \`false\` skips the step |
| \`retry_count\` | attempts after the first one failed, 0 to 20; the pause doubles from 1 s to 30 s, or is as long as the other side wants to be left alone |
| \`on_crash\` | what becomes of an attempt that was under way when its process ended: \`retry\` (the default) runs it again, \`ask\` asks a person first, \`fail\` fails the step |
| \`timeout_s\` | limit of one attempt in seconds |
| \`no_auto_start\`, \`terminal\`, \`input_allowlist\` | gated entry: the step runs when \`trigger_steps\` names it or an agent hands over to it; \`terminal\` closes the episode |

\`GET /v1/workflows/schema\` has the same as JSON Schema, and \`POST /v1/workflows/{id}/validate\` checks a graph against it.
Inside a loop, steps are named \`loop#body#step\`, and an event's \`data.index\` says for which item.

${[...stepTypes.values()].map(section).join("\n")}`
}

function section(type: StepType): string {
  const rows = Object.entries(type.fields).map(([name, field]) => `| \`${name}\` | ${kindOf(field)} | ${field.description} |`)
  const table = rows.length === 0 ? "" : `\n| field | value | what it is |\n|---|---|---|\n${rows.join("\n")}\n`
  const groups = (type.oneOf ?? []).map(group => `\nNeeds one of ${group.map(name => `\`${name}\``).join(", ")}.\n`).join("")
  const example = type.example === undefined ? "" : `\n\`\`\`json\n${JSON.stringify(type.example, null, 2)}\n\`\`\`\n`
  const limit =
    type.timeoutDefaultMs === null
      ? "no limit of its own"
      : `${type.timeoutDefaultMs / 1000} s unless \`timeout_s\` says otherwise`
  return `## \`${type.type}\`

${type.description} Time: ${limit}.
${table}${groups}${example}`
}

function kindOf(field: Field): string {
  const values = field.values ? field.values.map(v => `\`${v}\``).join(", ") : field.type
  const range =
    field.minimum === undefined ? "" : ` from ${field.minimum}${field.maximum === undefined ? "" : ` to ${field.maximum}`}`
  return `${values}${range}${field.required ? ", required" : ""}${field.templated ? ", templates" : ""}`
}

if (import.meta.main) writeFileSync(STEPS_FILE, stepsReference())
