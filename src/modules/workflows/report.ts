import type { Plan } from "../../engine/graph.ts"
import type { Issue } from "../../engine/issues.ts"
import { inDocumentOrder } from "../../engine/json-path.ts"
import { rfc3339 } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import { isJsonObject } from "../../kernel/json.ts"
import type { Check } from "./checks-asked.ts"
import type { ReportBody } from "./contract.ts"
import type { Finding } from "./findings.ts"

/** Findings of one report; the first in the document are told. */
const ISSUES_MAX = 1_000

export interface ReportInput {
  /** By check, in the order asked; null: there was nothing to look at; `blocked`: the structure is broken. */
  readonly findings: ReadonlyMap<Check, readonly Finding[] | null | "blocked">
  /** What keeps the graph from being compiled; told whatever was asked, for nothing else could be looked at. */
  readonly structural: readonly Finding[]
  readonly graph: unknown
  readonly order: readonly string[]
  readonly schemaHash: string
  readonly now: number
}

export function reportOf({ findings, structural, graph, order, schemaHash, now }: ReportInput): ReportBody {
  const told = [...structural, ...[...findings.values()].flatMap(found => (Array.isArray(found) ? found : []))]
  const issues = inDocumentOrder(withoutRepeats(told), graph)
  const performed = [...findings].flatMap(([check, found]) => (Array.isArray(found) ? [check] : []))
  const blockers = issues.filter(i => i.severity === "error" || i.blocks)
  const readiness = blockers.length === 0 ? "ready" : "blocked"
  return {
    valid: issues.every(i => i.severity !== "error"),
    readiness,
    blockers: blockers.slice(0, ISSUES_MAX).map(i => i.message),
    checks_performed: performed,
    check_results: Object.fromEntries([...findings].map(([check, found]) => [check, stateOf(found)])),
    issues: issues.slice(0, ISSUES_MAX).map(({ blocks, ...issue }) => issue),
    topological_order: [...order],
    validation_evidence: {
      graph_hash: hashOf(graph),
      workflow_graph_schema_hash: schemaHash,
      validated_at: rfc3339(now),
      readiness,
      checks_performed: performed,
    },
  }
}

function stateOf(found: readonly Finding[] | null | "blocked"): "passed" | "failed" | "blocked" | "not_applicable" {
  if (found === null) return "not_applicable"
  if (found === "blocked") return "blocked"
  if (found.some(i => i.severity === "error")) return "failed"
  return found.some(i => i.blocks) ? "blocked" : "passed"
}

/** Two checks may see the same: a code is told once for a place. */
function withoutRepeats(issues: readonly Finding[]): readonly Finding[] {
  const seen = new Set<string>()
  return issues.filter(({ code, json_path, message }) => {
    // Of one place a template check may find several things; a shape is wrong once.
    const key = code === "graph_schema_validation" ? `${code} ${json_path}` : `${code} ${json_path} ${message}`
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
}

/** Keeps what concerns these steps, inner ones included, and what concerns no single step. */
export function limitTo(stepIds: readonly string[] = [], plan: Plan | null): (finding: Finding) => boolean {
  if (stepIds.length === 0) return () => true
  const root = (id: string) => id.split("#body#")[0] ?? id
  const unknown = plan && stepIds.find(id => !plan.indexOf.has(root(id)))
  if (typeof unknown === "string") {
    const sentence = `step_ids names ${/^[\w.-]{1,80}$/.test(unknown) ? unknown : "a step"}, which is not in the graph`
    throw new AppError("bad_request", `invalid request body: ${sentence}`, { code: "INVALID_BODY" })
  }
  const wanted = new Set(stepIds)
  return ({ step_id }) => step_id === undefined || wanted.has(step_id) || wanted.has(root(step_id))
}

/** Findings of inner steps under the ids that events have, too: `parent#body#inner`. */
export function qualified(issues: readonly Issue[], graph: unknown): readonly Issue[] {
  return issues.map(issue => {
    const [, index] = /^\$\.steps\[(\d+)\]\.(?:while_body_steps|for_each_body_steps|for_each_body)\b/.exec(issue.json_path) ?? []
    const steps = isJsonObject(graph) && Array.isArray(graph.steps) ? graph.steps : []
    const loop: unknown = index === undefined ? undefined : steps[Number(index)]
    if (!isJsonObject(loop) || typeof loop.id !== "string" || issue.step_id === loop.id) return issue
    return { ...issue, step_id: issue.step_id === undefined ? loop.id : `${loop.id}#body#${issue.step_id}` }
  })
}

export function hashOf(document: unknown): string {
  if (document === undefined) throw new AppError("bad_request", "there is no graph to validate")
  return new Bun.CryptoHasher("sha256").update(JSON.stringify(document)).digest("hex")
}
