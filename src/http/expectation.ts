/** What is read of a schema. */
export interface Shape {
  readonly title?: string
  readonly type?: string
  readonly format?: string
  readonly const?: unknown
  readonly anyOf?: readonly Shape[]
  readonly minimum?: number
  readonly maximum?: number
}

/** What a value should have been: "an object", "a whole number from 1 to 100"; undefined when the schema does not tell. */
export function expectation(schema: Shape): string | undefined {
  const shapes = flat(schema)
  const words = shapes.filter(shape => !isNumberAsText(shape, shapes)).map(wordOf)
  if (words.includes(undefined)) return undefined
  const [last, ...others] = [...new Set(words)].reverse()
  return others.length === 0 ? last : `${others.reverse().join(", ")} or ${last}`
}

/** `null` is for whoever leaves the value out; nobody needs to be told to send it. */
function flat(schema: Shape): readonly Shape[] {
  const shapes = schema.anyOf ? schema.anyOf.flatMap(flat) : [schema]
  return shapes.length > 1 ? shapes.filter(shape => shape.type !== "null") : shapes
}

/** Elysia takes the numbers of a query as text, too. */
function isNumberAsText({ type, format }: Shape, all: readonly Shape[]): boolean {
  return type === "string" && (format === "integer" || format === "numeric") && all.length > 1
}

function wordOf(shape: Shape): string | undefined {
  if (shape.const !== undefined) return JSON.stringify(shape.const)
  switch (shape.type) {
    case "object":
    case "array":
    case "string":
      return { object: "an object", array: "a list", string: "text" }[shape.type]
    case "boolean":
      return "true or false"
    case "integer":
    case "number":
      return (shape.type === "integer" ? "a whole number" : "a number") + range(shape)
    case "null":
      return "null"
    default:
      return undefined
  }
}

function range({ minimum, maximum }: Shape): string {
  if (minimum !== undefined && maximum !== undefined) return ` from ${minimum} to ${maximum}`
  if (minimum !== undefined) return `, at least ${minimum}`
  return maximum === undefined ? "" : `, at most ${maximum}`
}
