import { isJsonObject, type JsonObject, textOf } from "../kernel/json.ts"
import { innerDocuments } from "./checks.ts"
import { stepDocuments } from "./graph.ts"
import type { Issue } from "./issues.ts"
import type { StepTypes } from "./step-type.ts"

/** Types of the contract that no version of this program runs (contract G-10). */
const FOREIGN_TYPES: ReadonlySet<string> = new Set(["external_agent"])

/** What is right as drawn, and cannot run here. */
export function unrunnable(graph: unknown, types: StepTypes): readonly Issue[] {
  if (!isJsonObject(graph)) return []
  return stepDocuments(graph).flatMap((document, i) => {
    const path = `$.steps[${i}]`
    const inner = innerDocuments(document, path).flatMap(body => {
      return judge(body.document, body.path, `${textOf(document.id)}#body#${textOf(body.document.id)}`, types)
    })
    return [...judge(document, path, textOf(document.id), types), ...inner]
  })
}

function judge({ type }: JsonObject, path: string, id: string, types: StepTypes): readonly Issue[] {
  const name = textOf(type)
  if (!FOREIGN_TYPES.has(name) || types.has(name)) return []
  return [
    {
      severity: "error",
      code: "step_type_unavailable",
      step_id: id,
      message: `step ${id} is of type ${name}, which this version cannot run yet`,
      json_path: `${path}.type`,
    },
  ]
}
