import { Elysia } from "elysia"
import { BODY_MAX_BYTES, PUBLIC_BODY_MAX_BYTES } from "../kernel/limits.ts"
import { readJson } from "./body.ts"
import { type Caller, NOBODY, type Permission } from "./permission.ts"

/** Finds out who calls and whether they may; throws `unauthenticated` or `forbidden`. Implemented by modules/auth. */
export interface Authorizer {
  authorize(request: Request, permission: Permission): Promise<Caller>
}

/**
 * Gives routes the option `permit` and handlers the checked `caller`:
 * `.post("/x", ({ caller, body }) => …, { permit: { access: "project", role: "project_contributor", scopes: … }, body: … })`.
 *
 * The right is checked before the body is read and before anything is validated, so a stranger learns nothing from
 * either; then the body is read under its limits.
 */
export function createGate(authorizer: Authorizer) {
  const callers = new WeakMap<Request, Caller>()
  /** Elysia turns whatever is thrown while parsing into its own 400: errors wait here for the next stage. */
  const failures = new WeakMap<Request, unknown>()

  async function check(request: Request, permission: Permission): Promise<void> {
    if (callers.has(request)) return
    callers.set(request, permission.access === "public" ? NOBODY : await authorizer.authorize(request, permission))
  }

  return new Elysia({ name: "gate" }).macro({
    permit: (permission: Permission) => ({
      detail: {
        "x-permission": permission,
        security: permission.access === "public" ? [] : [{ pat: [] }, { session: [] }],
      } as object,
      parse: documentedAsJson(async ({ request }: { request: Request }) => {
        try {
          await check(request, permission)
          // Elysia takes undefined for "not parsed, try the next parser".
          return (await readJson(request, permission.access === "public" ? PUBLIC_BODY_MAX_BYTES : BODY_MAX_BYTES)) ?? null
        } catch (error) {
          failures.set(request, error)
          return null
        }
      }),
      async transform({ request }: { request: Request }) {
        if (failures.has(request)) throw failures.get(request)
        await check(request, permission)
      },
      resolve({ request }: { request: Request }) {
        return { caller: callers.get(request) ?? NOBODY }
      },
    }),
  })
}

/** Without a parser that it knows by name, the OpenAPI document would have no bodies; "json" itself is never reached. */
function documentedAsJson<Parser>(parser: Parser): Parser {
  return [parser, "json"] as unknown as Parser // a list is fine with Elysia, if not with the types of its macros
}

export type Gate = ReturnType<typeof createGate>
