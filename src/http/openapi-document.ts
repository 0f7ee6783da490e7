import { isJsonObject, type Json, type JsonObject } from "../kernel/json.ts"

/** What holds for many routes alike is said here, once, and not in each of them. */
const COMPONENTS = {
  schemas: {
    Error: {
      type: "object",
      required: ["error", "code"],
      properties: {
        error: { type: "string", description: "A sentence for people." },
        code: { type: "string", description: "For programs, e.g. `VALIDATION_ERROR`." },
      },
    },
  },
  responses: {
    BadRequest: answer("The request cannot be read, or does not have the expected shape"),
    Unauthorized: answer("Nobody is signed in, or the token is not valid"),
    Forbidden: answer("The caller's role or the token's scopes are not enough"),
    NotFound: answer("There is no such thing here; what belongs to another workspace or project counts as such"),
    Conflict: answer("It cannot be done in the present state"),
    TooLarge: answer("The request body is too large"),
    Invalid: answer("The request is well-formed, but its content is refused"),
    TooManyRequests: retryable("Too many requests; try again later"),
    Unavailable: retryable("Not possible now; try again later"),
  },
  parameters: {
    TenantId: header("X-Tenant-Id", "The workspace. A token knows its own; a session needs it."),
    ProjectId: header("X-Project-Id", "The project. A token knows its own; a session needs it."),
    ProjectFilter: header("X-Project-Id", "Only this project; without it, all that the caller may see."),
    Prefer: header(
      "Prefer",
      "`wait=30`: a start answers when the run has ended or needs somebody, after so many seconds at the latest.",
    ),
    IdempotencyKey: header("Idempotency-Key", "At most 300 characters: a start repeated with the same key starts nothing more."),
  },
} as const

/** The document that the plugin made of the routes, with the errors and headers that it cannot know. */
export function completed(document: unknown): JsonObject {
  const made = JSON.parse(JSON.stringify(document)) as JsonObject // the plugin keeps its own, to give it out again
  const { schemas, ...components } = objectAt(made, "components")
  const paths = Object.entries(objectAt(made, "paths")).map(([path, item]) => [
    path.replace(/(.)\/$/, "$1"),
    Object.fromEntries(
      Object.entries(isJsonObject(item) ? item : {}).map(([method, operation]) => [
        method,
        isJsonObject(operation) ? completedOperation(path, method, operation) : operation,
      ]),
    ),
  ])
  return {
    ...made,
    paths: Object.fromEntries(paths),
    components: { ...components, ...COMPONENTS, schemas: { ...(isJsonObject(schemas) ? schemas : {}), ...COMPONENTS.schemas } },
  }
}

function completedOperation(path: string, method: string, operation: JsonObject): JsonObject {
  const access = String(objectAt(operation, "x-permission").access)
  const parameters = [...(Array.isArray(operation.parameters) ? operation.parameters : []), ...headersOf(path, method, access)]
  const responses = { ...errorsOf(path, access, operation), ...objectAt(operation, "responses") }
  return { ...operation, ...(parameters.length > 0 && { parameters }), responses }
}

function headersOf(path: string, method: string, access: string): readonly Json[] {
  const names: (keyof typeof COMPONENTS.parameters)[] = []
  if (access === "tenant" || access === "project" || access === "projects") names.push("TenantId")
  if (access === "project") names.push("ProjectId")
  if (access === "tenant" || access === "projects") names.push("ProjectFilter")
  if (method === "post" && path.endsWith("/command")) names.push("IdempotencyKey", "Prefer")
  if (access === "signed") names.push("IdempotencyKey")
  return names.map(name => ({ $ref: `#/components/parameters/${name}` }))
}

/** A route that states an answer of its own for a status keeps it. */
function errorsOf(path: string, access: string, operation: JsonObject): JsonObject {
  if (path.startsWith("/health/")) return {}
  const takesBody = operation.requestBody !== undefined
  if (access === "signed") {
    const refused = { 401: refTo("Unauthorized"), 404: refTo("NotFound"), 409: refTo("Conflict"), 413: refTo("TooLarge") }
    return { 400: refTo("BadRequest"), ...refused, 429: refTo("TooManyRequests"), 503: refTo("Unavailable") }
  }
  return {
    400: refTo("BadRequest"),
    ...((access !== "public" || path.startsWith("/v1/auth/")) && { 401: refTo("Unauthorized") }),
    ...((access !== "public" || path.startsWith("/v1/auth/")) && { 403: refTo("Forbidden") }),
    ...(access !== "public" && { 404: refTo("NotFound") }),
    ...(takesBody && { 409: refTo("Conflict"), 413: refTo("TooLarge"), 422: refTo("Invalid") }),
    ...(path.startsWith("/v1/auth/") && { 429: refTo("TooManyRequests") }),
    503: refTo("Unavailable"),
  }
}

function refTo(name: keyof typeof COMPONENTS.responses): JsonObject {
  return { $ref: `#/components/responses/${name}` }
}

function answer(description: string) {
  return { description, content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } } }
}

function retryable(description: string) {
  const headers = { "Retry-After": { description: "Seconds, where known.", schema: { type: "integer" } } }
  return { ...answer(description), headers }
}

function header(name: string, description: string) {
  return { name, in: "header", required: false, description, schema: { type: "string" } }
}

function objectAt(value: JsonObject, key: string): JsonObject {
  const inner = value[key]
  return isJsonObject(inner) ? inner : {}
}
