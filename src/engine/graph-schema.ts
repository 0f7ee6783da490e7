import type { Json, JsonObject } from "../kernel/json.ts"
import { GRAPH_MAX_STEPS } from "../kernel/limits.ts"
import { CONTROLS } from "./controls.ts"
import type { Field, StepType, StepTypes } from "./step-type.ts"

/** The JSON Schema (draft 2020-12) of a workflow's graph, made from the step types: for editors, and for models that draw graphs. */
export function graphSchema(types: StepTypes): JsonObject {
  const all = [...types.values()]
  const inner = all.filter(isInner)
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: "urn:agentruntime:workflow-graph",
    title: "Workflow graph",
    description: "Steps with depends_on; those without start first. Other keys beside steps are kept and ignored.",
    type: "object",
    properties: {
      steps: { type: "array", minItems: 1, maxItems: GRAPH_MAX_STEPS, items: { $ref: "#/$defs/step" } },
      name: { type: "string" },
      description: { type: "string" },
      tenant_id: { type: "string" },
      workflow_id: { type: "string" },
      params: { type: "object" },
      input_schema: { type: ["object", "array", "null"], description: "Declares the fields of {{input.…}} and their defaults." },
      example_trigger_payload: { type: "object" },
    },
    required: ["steps"],
    $defs: {
      step: { anyOf: all.map(t => ({ $ref: `#/$defs/${t.type}` })) },
      inner_step: { anyOf: inner.map(t => ({ $ref: `#/$defs/inner_${t.type}` })) },
      single_step: {
        description: "An inner step that needs no id.",
        anyOf: inner.map(t => ({ $ref: `#/$defs/single_${t.type}` })),
      },
      ...Object.fromEntries(all.map(t => [t.type, stepSchema(t, "step")])),
      ...Object.fromEntries(inner.map(t => [`inner_${t.type}`, stepSchema(t, "inner")])),
      ...Object.fromEntries(inner.map(t => [`single_${t.type}`, stepSchema(t, "single")])),
    },
  }
}

/** Loops do not hold loops, and people are not asked inside them (contract C-7, §3.4). */
export const isInner = (type: StepType) => type.runs !== "loop" && type.runs !== "person"

function stepSchema(type: StepType, where: "step" | "inner" | "single"): JsonObject {
  const controls = Object.entries(CONTROLS).filter(([, c]) => where === "step" || c.inside)
  const fields = Object.entries(type.fields)
  const required = fields.filter(([, f]) => f.required).map(([name]) => name)
  return {
    title: type.title,
    description: type.description,
    type: "object",
    properties: {
      ...Object.fromEntries(controls.map(([name, c]) => [name, c.schema])),
      type: { const: type.type, description: "What the step does." },
      ...Object.fromEntries(fields.map(([name, field]) => [name, fieldSchema(name, field)])),
    },
    required: [...(where === "single" ? ["type"] : ["id", "type"]), ...required],
    ...(type.oneOf && { allOf: type.oneOf.map(group => ({ anyOf: group.map(name => ({ required: [name] })) })) }),
    additionalProperties: false,
  }
}

/** Bodies of loops refer to the inner steps' schemas. */
const BODIES: { readonly [name: string]: JsonObject } = {
  for_each_body: { $ref: "#/$defs/single_step" },
  for_each_body_steps: { type: "array", minItems: 1, maxItems: GRAPH_MAX_STEPS, items: { $ref: "#/$defs/inner_step" } },
  while_body_steps: { type: "array", minItems: 1, maxItems: GRAPH_MAX_STEPS, items: { $ref: "#/$defs/inner_step" } },
}

function fieldSchema(name: string, field: Field): JsonObject {
  const { description } = field
  const body = Object.hasOwn(BODIES, name) ? BODIES[name] : undefined
  if (body) return { ...body, description }
  const plain: { [key: string]: Json } = field.type === "any" ? {} : { type: field.type }
  if (field.values) plain.enum = field.values
  if (field.minimum !== undefined) plain.minimum = field.minimum
  if (field.maximum !== undefined) plain.maximum = field.maximum
  if (field.maxBytes !== undefined) plain.maxLength = field.maxBytes
  const direct = field.type === "any" || field.type === "string" || !field.templated
  if (direct) return { ...plain, description }
  return { anyOf: [plain, { type: "string", pattern: "\\{\\{" }], description }
}
