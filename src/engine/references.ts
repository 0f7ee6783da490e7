import { isJsonObject, type Json, type JsonObject } from "../kernel/json.ts"
import { STEP_ID_MAX_CHARS } from "../kernel/limits.ts"
import { Speller } from "../kernel/nearest.ts"
import { ancestorsOf, type Located } from "./checks.ts"
import type { Plan, Step } from "./graph.ts"
import { asObjectSchema, undeclared } from "./input-schema.ts"
import { walk } from "./template.ts"

/** What a dry run knows beyond the graph. */
export interface Known {
  /** As a start with the given params would have it; null: none were given. */
  readonly input: JsonObject | null
  readonly inputSchema: Json | null
  /** Results by step id, given by the caller. */
  readonly outputs: JsonObject
}

/**
 * Why a path cannot work. `nowhere`: it names no place of this graph; `unordered`: the place may not be filled yet;
 * `absent`: the place is there, and what is known of it has no such value.
 */
export interface Problem {
  readonly kind: "nowhere" | "unordered" | "absent"
  readonly sentence: string
  readonly suggestion?: string
}

/** Where a template stands: a step, and whether it tests a while, which is seen from behind the whole body. */
export interface Standpoint {
  readonly at: Located
  readonly isTest: boolean
}

const ROOTS = ["input", "steps", "run", "connection", "foreach", "item", "index", "body", "while"]
const RUN_FACTS = [
  "run_id",
  "started_at",
  "trigger_type",
  "external_id",
  "external_user_id",
  "principal_id",
  "user_id",
  "segment_id",
]
const CONNECTION_FACTS = ["connection_id", "provider", "provider_account_key", "metadata", "primary_instance_id", "by_instance"]

/** Judges the paths of templates as the engine resolves them (contract §3.5.1). */
export class References {
  readonly #ancestors = new Map<Plan, readonly ReadonlySet<number>[]>()
  readonly #speller = new Speller()
  readonly #inputSchema: Json | null
  /** The loop that an inner step is in, by its id. */
  readonly #loopOf: ReadonlyMap<string, Step>

  constructor(
    private readonly plan: Plan,
    private readonly known: Known,
  ) {
    this.#inputSchema = asObjectSchema(known.inputSchema)
    this.#loopOf = new Map(plan.steps.flatMap(loop => (loop.loop?.body.steps ?? []).map(inner => [inner.id, loop] as const)))
  }

  problemOf(path: readonly string[], from: Standpoint): Problem | null {
    switch (path[0]) {
      case "input":
        return this.#input(path, rootOf(from))
      case "steps":
        return this.#step(path, from)
      case "run":
        return spelled(path, RUN_FACTS, 2, this.#speller)
      case "connection":
        return spelled(path, CONNECTION_FACTS, path[1] === "by_instance" || path[1] === "metadata" ? null : 2, this.#speller)
      case "foreach":
      case "item":
      case "index":
        return forEachScope(path, from, this.#speller)
      case "body":
        return this.#body(path, 1, from, false)
      case "while":
        return this.#while(path, from)
      default:
        return this.#unknownRoot(path)
    }
  }

  #unknownRoot(path: readonly string[]): Problem {
    const root = path[0] ?? ""
    if (this.plan.indexOf.has(root)) {
      const rest = path[1] === "result" || path[1] === "input" ? path.slice(1) : ["result", ...path.slice(1)]
      return nowhere(
        `there is no ${root} here; steps are read below steps`,
        `did you mean {{${["steps", root, ...rest].join(".")}}}?`,
      )
    }
    const near = this.#speller.nearest(root, () => ROOTS)
    const sentence = `there is no ${root}; templates begin with ${ROOTS.slice(0, 4).join(", ")} or, in loops, ${ROOTS.slice(4).join(", ")}`
    return nowhere(sentence, near && `did you mean {{${[near, ...path.slice(1)].join(".")}}}?`)
  }

  #input(path: readonly string[], step: Step): Problem | null {
    const { input } = this.known
    if (path[1] === "_steps") return null
    if (input) {
      const overlay = walk(input._steps, [step.id], 0)
      const isOverlaid = path[1] !== undefined && isJsonObject(overlay) && Object.hasOwn(overlay, path[1])
      if (walk(isOverlaid ? overlay : input, path, 1) !== undefined) return null
      const near = path.length === 2 ? this.#speller.nearest(path[1]!, () => Object.keys(input)) : undefined
      return absent("the given params do not have it", near && `did you mean {{input.${near}}}?`)
    }
    const missing = undeclared(this.#inputSchema, path)
    if (!missing) return null
    const near = this.#speller.nearest(missing.name, () => Object.keys(missing.properties))
    return absent(`the input_schema declares no ${missing.name}; add it there`, near && `did you mean ${near}?`)
  }

  /** `steps.<id>.result.…`; an id may hold dots, and the longest known one wins, as in scope.ts. */
  #step(path: readonly string[], from: Standpoint): Problem | null {
    const longest = Math.min(path.length, STEP_ID_MAX_CHARS + 1)
    for (let end = longest - 1; end >= 2; end--) {
      if (path[end] !== "result" && path[end] !== "input") continue
      const target = this.#find(path.slice(1, end).join("."), from)
      if (target) return this.#reach(target, from) ?? this.#value(target, path, end, from)
    }
    for (let end = longest; end >= 2; end--) {
      const id = path.slice(1, end).join(".")
      if (!this.#find(id, from)) continue
      const right = ["steps", id, "result", ...path.slice(end)].join(".")
      return nowhere(`of a step there is result, and input`, `did you mean {{${right}}}?`)
    }
    return this.#unknownStep(path, from)
  }

  #unknownStep(path: readonly string[], from: Standpoint): Problem {
    const id = path[1] ?? ""
    if (path.length < 2) return nowhere("it names no step; write {{steps.<id>.result.<field>}}")
    const loop = this.#loopOf.get(id)
    if (loop) {
      const where = loop.loop?.kind === "while" ? `steps.${loop.id}.result.last.${id}` : `steps.${loop.id}.result.results`
      return nowhere(`${id} is inside the loop ${loop.id}`, `read {{${where}}}`)
    }
    const near = this.#speller.nearest(id, () => [...this.plan.indexOf.keys(), ...(bodyOf(from)?.indexOf.keys() ?? [])])
    return nowhere(`there is no step ${id}`, near && `did you mean {{${["steps", near, ...path.slice(2)].join(".")}}}?`)
  }

  #find(id: string, from: Standpoint): Target | null {
    const body = bodyOf(from)
    const inner = body?.indexOf.get(id)
    if (body && inner !== undefined) return { step: body.steps[inner]!, inside: true }
    const outer = this.plan.indexOf.get(id)
    return outer === undefined ? null : { step: this.plan.steps[outer]!, inside: false }
  }

  /** Whether the target has surely ended, and left something. */
  #reach({ step, inside }: Target, from: Standpoint): Problem | null {
    const here = inside ? from.at.step : rootOf(from)
    const plan = inside ? bodyOf(from)! : this.plan
    const sees = inside && from.isTest
    if (!sees && !this.#ancestorsIn(plan)[here.index]!.has(step.index)) {
      if (here === step && !inside && (from.at.parent || from.isTest)) {
        return { kind: "unordered", sentence: `the loop ${step.id} has no result while it runs; inside it read body.<step>` }
      }
      if (here === step) return { kind: "unordered", sentence: "a step cannot read itself" }
      const after = this.#ancestorsIn(plan)[step.index]!.has(here.index)
      if (after) return { kind: "unordered", sentence: `${step.id} runs after this step; turn their order around` }
      return {
        kind: "unordered",
        sentence: `${here.id} does not wait for ${step.id}`,
        suggestion: `add "${step.id}" to depends_on of ${here.id}`,
      }
    }
    if (step.enabled) return null
    return absent(`${step.id} is disabled, so it has no result`, "enable it, or give the template a default")
  }

  /** Below a result that was given, the path must lead to something. */
  #value({ step, inside }: Target, path: readonly string[], end: number, from: Standpoint): Problem | null {
    if (path[end] !== "result") return null
    const output = this.#output(step, inside)
    if (output === undefined || walk(output, path, end + 1) !== undefined) return null
    return absent(`the output given for ${step.id} has no ${path.slice(end + 1).join(".")}${from.isTest ? " at this place" : ""}`)
  }

  #output(step: Step, inside: boolean): Json | undefined {
    const { outputs } = this.known
    const named = Object.hasOwn(outputs, step.path) ? outputs[step.path] : undefined
    return named === undefined && inside && Object.hasOwn(outputs, step.id) ? outputs[step.id] : named
  }

  /** `body.<inner>.…`, and `while.prev.<inner>.…`, where every inner step has ended. */
  #body(path: readonly string[], at: number, from: Standpoint, isPrevious: boolean): Problem | null {
    const body = bodyOf(from)
    const scope = path.slice(0, at).join(".")
    if (!body) return nowhere(`${scope} is only inside loops`)
    const id = path[at]
    const index = id === undefined ? undefined : body.indexOf.get(id)
    if (id === undefined) return null
    if (index === undefined) {
      const near = this.#speller.nearest(id, () => body.indexOf.keys())
      return nowhere(
        `the loop has no inner step ${id}`,
        near && `did you mean {{${[scope, near, ...path.slice(at + 1)].join(".")}}}?`,
      )
    }
    const target: Target = { step: body.steps[index]!, inside: true }
    const order = isPrevious ? null : this.#reach(target, from)
    if (order) return order
    const output = this.#output(target.step, true)
    if (output === undefined || isPrevious || walk(output, path, at + 1) !== undefined) return null
    // An extra `.result` is tolerated (contract C-26).
    if (path[at + 1] === "result" && walk(output, path, at + 2) !== undefined) return null
    return absent(`the output given for ${id} has no ${path.slice(at + 1).join(".")}`)
  }

  #while(path: readonly string[], from: Standpoint): Problem | null {
    if (loopKind(from) !== "while") return nowhere("while is only inside while loops")
    if (path[1] === "prev") return this.#body(path, 2, from, true)
    return spelled(path, ["iteration", "prev"], 2, this.#speller)
  }

  #ancestorsIn(plan: Plan): readonly ReadonlySet<number>[] {
    const known = this.#ancestors.get(plan)
    if (known) return known
    const made = ancestorsOf(plan)
    this.#ancestors.set(plan, made)
    return made
  }
}

interface Target {
  readonly step: Step
  readonly inside: boolean
}

function forEachScope(path: readonly string[], from: Standpoint, speller: Speller): Problem | null {
  if (loopKind(from) !== "for_each") return nowhere(`${path[0]} is only inside for_each loops`)
  if (path[0] === "foreach") return spelled(path, ["item", "index"], path[1] === "item" ? null : 2, speller)
  return path[0] === "index" && path.length > 1 ? nowhere("index is a number; nothing is below it") : null
}

/** The second word is one of the known; `length`: nothing stands below it. */
function spelled(path: readonly string[], known: readonly string[], length: number | null, speller: Speller): Problem | null {
  const [root, name] = path
  if (name === undefined) return null
  if (!known.includes(name)) {
    const near = speller.nearest(name, () => known)
    return nowhere(`${root} has no ${name}; it has ${known.join(", ")}`, near && `did you mean {{${root}.${near}}}?`)
  }
  return length !== null && path.length > length ? nowhere(`nothing is below ${root}.${name}`) : null
}

function rootOf({ at }: Standpoint): Step {
  return (at.parent ?? at).step
}

/** The body that a template sees from inside. */
function bodyOf({ at, isTest }: Standpoint): Plan | null {
  return (isTest ? at.step.loop?.body : at.parent?.step.loop?.body) ?? null
}

function loopKind({ at, isTest }: Standpoint): "for_each" | "while" | null {
  return (isTest ? at.step.loop?.kind : at.parent?.step.loop?.kind) ?? null
}

function nowhere(sentence: string, suggestion?: string | undefined): Problem {
  return { kind: "nowhere", sentence, ...(suggestion && { suggestion }) }
}

function absent(sentence: string, suggestion?: string | undefined): Problem {
  return { kind: "absent", sentence, ...(suggestion && { suggestion }) }
}
