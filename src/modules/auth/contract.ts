import { t } from "elysia"

const email = t.String({ minLength: 3, maxLength: 320, description: "Compared without regard to case." })
// Longer ones are refused before any hashing; the sentence about length comes from the service.
const password = t.String({ minLength: 1, maxLength: 1024 })
const name = t.Optional(
  t.String({ maxLength: 200, description: "How the person is shown; without it the part of the e-mail before the @." }),
)
const token = t.String({ minLength: 1, maxLength: 200 })

export const Credentials = t.Object({ email, password })
export const Registration = t.Object({ email, password, name, invite_token: t.Optional(token) })
export const Setup = t.Object({ token, email, password, name })
export const PasswordChange = t.Object({ current_password: password, new_password: password })
export const PasswordReset = t.Object({ token, password })
export const EmailOnly = t.Object({ email })
export const TokenOnly = t.Object({ token })

const role = t.Union([
  t.Literal("project_viewer"),
  t.Literal("project_contributor"),
  t.Literal("project_admin"),
  t.Literal("tenant_admin"),
])

const me = {
  user: t.Object({ id: t.String(), email: t.String(), name: t.String() }),
  tenants: t.Array(
    t.Object({
      id: t.String({ description: "The slug: what X-Tenant-Id takes." }),
      name: t.String(),
      role: t.Union([t.Literal("tenant_admin"), t.Literal("member")]),
      projects: t.Array(
        t.Object({ id: t.String({ description: "What X-Project-Id takes." }), slug: t.String(), name: t.String(), role }),
      ),
    }),
  ),
}

export const Me = t.Object(me)
export const SignedIn = t.Object({
  ...me,
  expires_at: t.String({ description: "When the session ends if it is not used any more." }),
})
export const Refreshed = t.Object({ expires_at: t.String() })
export const Nothing = t.Void()
