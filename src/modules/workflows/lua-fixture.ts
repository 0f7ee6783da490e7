import { ancestorsOf, issueAt, type Located } from "../../engine/checks.ts"
import { givenOutput, knownItems } from "../../engine/checks-templates.ts"
import type { Plan, Step } from "../../engine/graph.ts"
import { loopItems } from "../../engine/loop-result.ts"
import type { Known } from "../../engine/references.ts"
import { scriptNeeds } from "../../engine/script-needs.ts"
import { defineOwn, OMIT, resolveTemplates, SizeBudget, TemplateError, walk } from "../../engine/template.ts"
import { isTruthy } from "../../engine/truth.ts"
import { type Clock, rfc3339 } from "../../kernel/clock.ts"
import { isJsonObject, type Json, type JsonObject } from "../../kernel/json.ts"
import { STEP_INPUT_MAX_CHARS } from "../../kernel/limits.ts"
import type { Finding, ScriptSandbox } from "./findings.ts"
import { scriptsOf } from "./script-checks.ts"

/** Of one script, and of all together. */
const SCRIPT_MAX_MS = 2_000
const FIXTURES_MAX_MS = 10_000

export interface FixtureDeps extends ScriptSandbox {
  readonly clock: Clock
}

/**
 * Runs each script for which everything it reads is known: from params, from mock outputs, or from scripts before it.
 * With `placeholders` an empty object stands for every result that is not. Null when no script could be tried.
 */
export async function tryScripts(
  plan: Plan,
  steps: readonly Located[],
  known: Known,
  placeholders: boolean,
  deps: FixtureDeps,
): Promise<readonly Finding[] | null> {
  const fixture = new Fixture(plan, known, placeholders, deps)
  const sources = new Map(scriptsOf(steps).flatMap(s => (s.field === "script" ? [[s.at, s.source] as const] : [])))
  for (const at of inOrder(plan, steps)) {
    const source = sources.get(at)
    if (source !== undefined && at.step.enabled && (at.parent ?? at).step.enabled) await fixture.try(at, source)
  }
  return fixture.tried === 0 ? null : fixture.findings
}

/** Every step behind those it waits for, inner ones included. */
function inOrder(plan: Plan, steps: readonly Located[]): readonly Located[] {
  const roots = steps.filter(at => !at.parent)
  const inner = Map.groupBy(
    steps.filter(at => at.parent),
    at => at.parent!,
  )
  return plan.topological.flatMap(index => {
    const root = roots[index]!
    const body = inner.get(root) ?? []
    return [root, ...(root.step.loop?.body.topological ?? []).flatMap(i => body[i] ?? [])]
  })
}

class Fixture {
  readonly findings: Finding[] = []
  tried = 0
  readonly #outputs: Map<string, Json>
  readonly #deadline: number
  readonly #ancestors = new Map<Plan, readonly ReadonlySet<number>[]>()

  constructor(
    private readonly plan: Plan,
    private readonly known: Known,
    private readonly placeholders: boolean,
    private readonly deps: FixtureDeps,
  ) {
    this.#outputs = new Map(Object.entries(known.outputs))
    this.#deadline = deps.clock.now() + FIXTURES_MAX_MS
  }

  async try(at: Located, script: string): Promise<void> {
    const globals = this.#globals(at, script)
    if (!globals || !this.#wouldRun(at)) return
    if (!(await this.deps.checkLua(script)).ok) return // lua_syntax tells it
    this.tried++
    const left = this.#deadline - this.deps.clock.now()
    if (left <= 0) {
      this.#found(at, "lua_fixture_runtime", "warning", "was not tried: the scripts before it took too long")
      return
    }
    const timeoutMs = Math.min(at.step.timeoutMs ?? SCRIPT_MAX_MS, SCRIPT_MAX_MS, left)
    const outcome = await this.deps.runLua({ script, globals: globals.values }, { timeoutMs })
    if (outcome.ok) {
      if (!this.#outputs.has(at.step.path) && !globals.invented) this.#outputs.set(at.step.path, outcome.value)
      return
    }
    const how = globals.invented ? "with placeholders for results that were not given, " : "with the given values, "
    if (outcome.kind !== "result") this.#found(at, "lua_fixture_runtime", "warning", `${how}the script fails: ${outcome.message}`)
    else this.#found(at, "lua_fixture_return_type", globals.invented ? "warning" : "error", `${how}${outcome.message}`)
  }

  #found(at: Located, code: string, severity: "error" | "warning", sentence: string): void {
    this.findings.push(issueAt(at, ".script", code, sentence, { severity }))
  }

  /** What the script would see; null when something that it reads is not known. */
  #globals(at: Located, script: string): { readonly values: JsonObject; readonly invented: boolean } | null {
    const needs = scriptNeeds(script)
    const { input } = this.known
    const results = this.#results(at)
    const needed = this.#needed(at, needs.steps)
    const missing = needed.filter(step => step.enabled && !results.has(step))
    const loop = this.#loopScope(at)
    const needsItem = !loop && ["item", "index", "foreach"].some(name => needs.globals.has(name))
    const invented = missing.length > 0 || needsItem || (needs.globals.has("input") && input === null)
    if (invented && !this.placeholders) return null
    for (const step of missing) results.set(step, {})
    if (needs.steps !== null) keepOnly(results, new Set(needed))

    const visible: Record<string, Json> = {}
    const body: Record<string, Json> = {}
    for (const [step, result] of results) {
      defineOwn(visible, step.id, { result })
      if (step.path !== step.id) defineOwn(body, step.id, result)
    }
    const overlay = walk(input?._steps, [(at.parent ?? at).step.id], 0)
    const values: JsonObject = {
      input: { ...input, ...(isJsonObject(overlay) ? overlay : {}) },
      steps: visible,
      run: { run_id: NO_RUN, started_at: rfc3339(this.deps.clock.now()), trigger_type: "api", user_id: "" },
      ...(at.parent && { body, ...(loop ?? { item: {}, index: 0, foreach: { item: {}, index: 0 } }) }),
    }
    return { values, invented }
  }

  /** Known results of the steps around it and, behind them, of those beside it in a loop. */
  #results(at: Located): Map<Step, Json> {
    const results = new Map<Step, Json>()
    for (const step of this.plan.steps) {
      const output = this.#outputs.get(step.path)
      if (output !== undefined) results.set(step, output)
    }
    for (const step of bodyOf(at)?.steps ?? []) {
      const output = this.#outputs.get(step.path) ?? this.#outputs.get(step.id)
      if (output !== undefined) results.set(step, output)
    }
    return results
  }

  /** The steps that a script names, by id or by its alias without hyphens; null: all that it can see. */
  #needed(at: Located, names: readonly string[] | null): readonly Step[] {
    const body = bodyOf(at)
    const outer = [...this.#ancestorsIn(this.plan)[(at.parent ?? at).step.index]!].map(i => this.plan.steps[i]!)
    const inner = body ? [...this.#ancestorsIn(body)[at.step.index]!].map(i => body.steps[i]!) : []
    const isNamed = ({ id }: Step) => names === null || names.includes(id) || names.includes(id.replaceAll("-", "_"))
    return [...inner, ...outer].filter(isNamed)
  }

  #ancestorsIn(plan: Plan): readonly ReadonlySet<number>[] {
    const known = this.#ancestors.get(plan) ?? ancestorsOf(plan)
    this.#ancestors.set(plan, known)
    return known
  }

  /** For the first item or iteration; null when the items are not known, or there are none. */
  #loopScope({ parent }: Located): JsonObject | null {
    if (!parent) return {}
    if (parent.step.loop?.kind === "while") return { loop: { iteration: 1, prev: {} } }
    const compiled = parent.step.templates.find(([name]) => name === "for_each_items")?.[1]
    const outputs = Object.fromEntries(this.#outputs)
    const value = compiled ? knownItems(compiled, parent, { ...this.known, outputs }) : parent.document.for_each_items
    const [item] = value === undefined ? [] : loopItems(value)
    return item === undefined ? null : { item, index: 0, foreach: { item, index: 0 } }
  }

  /** A step whose condition is false with the given values does not run. */
  #wouldRun({ step }: Located): boolean {
    const outputs = Object.fromEntries(this.#outputs)
    const lookup = (path: readonly string[]) => {
      if (path[0] === "input") return walk(this.known.input ?? {}, path, 1) ?? null
      return (path[0] === "steps" ? givenOutput(path, outputs) : undefined) ?? null
    }
    try {
      const value = step.condition ? resolveTemplates(step.condition, lookup, new SizeBudget(STEP_INPUT_MAX_CHARS)) : true
      return value !== OMIT && isTruthy(value)
    } catch (error) {
      if (error instanceof TemplateError) return false // templates tells it
      throw error
    }
  }
}

const NO_RUN = "00000000-0000-0000-0000-000000000000"

function bodyOf({ parent }: Located): Plan | null {
  return parent?.step.loop?.body ?? null
}

/** What a script does not name need not travel to it. */
function keepOnly(results: Map<Step, Json>, needed: ReadonlySet<Step>): void {
  for (const step of results.keys()) if (!needed.has(step)) results.delete(step)
}
