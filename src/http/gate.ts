import { Elysia } from "elysia"
import { BODY_MAX_BYTES, PUBLIC_BODY_MAX_BYTES } from "../kernel/limits.ts"
import { readJson } from "./body.ts"
import { asksNobody, type Caller, NOBODY, type Permission } from "./permission.ts"

/** Finds out who calls and whether they may; throws `unauthenticated` or `forbidden`. Implemented by modules/auth. */
export interface Authorizer {
  authorize(request: Request, permission: Permission): Caller | Promise<Caller>
}

/**
 * Gives routes the option `permit` and handlers the checked `caller`:
 * `.post("/x", ({ caller, body }) => …, { permit: { access: "project", role: "project_contributor", scopes: … }, body: … })`.
 *
 * The right is checked before the body is read and before anything is validated, so a stranger learns nothing from
 * either; then the body is read under its limits.
 */
export function createGate(authorizer: Authorizer) {
  const check = (request: Request, permission: Permission) =>
    asksNobody(permission) ? NOBODY : authorizer.authorize(request, permission)

  return new Elysia({ name: "gate" }).macro({
    permit: (permission: Permission) => ({
      detail: {
        "x-permission": permission,
        security: asksNobody(permission) ? [] : [{ pat: [] }, { session: [] }],
      } as object,
      parse: documentedAsJson(async (context: Checked) => {
        // What a signature covers is the bytes as they came.
        if (permission.access === "signed") return null
        try {
          context.caller = await check(context.request, permission)
          const maxBytes = permission.access === "public" ? PUBLIC_BODY_MAX_BYTES : BODY_MAX_BYTES
          // Elysia takes undefined for "not parsed, try the next parser".
          return (await readJson(context.request, maxBytes)) ?? null
        } catch (error) {
          context.failure = { error }
          return null
        }
      }),
      transform(context: Checked): void | Promise<void> {
        if (context.failure) throw context.failure.error
        if (context.caller) return
        const caller = check(context.request, permission)
        if (!(caller instanceof Promise)) context.caller = caller
        else
          return caller.then(checked => {
            context.caller = checked
          })
      },
      resolve(context: Checked) {
        return { caller: context.caller ?? NOBODY }
      },
    }),
  })
}

/** What the stages of one request leave for each other in its context. */
interface Checked {
  readonly request: Request
  caller?: Caller
  /** Elysia turns whatever is thrown while parsing into its own 400: an error waits here for the next stage. */
  failure?: { readonly error: unknown }
}

/** Without a parser that it knows by name, the OpenAPI document would have no bodies; "json" itself is never reached. */
function documentedAsJson<Parser>(parser: Parser): Parser {
  return [parser, "json"] as unknown as Parser // a list is fine with Elysia, if not with the types of its macros
}

export type Gate = ReturnType<typeof createGate>
