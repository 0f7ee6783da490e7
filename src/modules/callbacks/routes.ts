import { Elysia } from "elysia"
import type { Gate } from "../../http/gate.ts"
import { type Permission, READ_WORKFLOWS, RUN_WORKFLOWS } from "../../http/permission.ts"
import { callbackListShape, newSecretShape, secretStateShape } from "./contract.ts"
import type { CallbackService } from "./service.ts"

const READ: Permission = { access: "project", role: "project_viewer", scopes: READ_WORKFLOWS }
const RUN: Permission = { access: "project", role: "project_contributor", scopes: RUN_WORKFLOWS }
const ROTATE: Permission = { access: "project", role: "project_admin", scopes: ["workflow:write"] }
const tags = ["Callbacks"]

export interface CallbackRouteDeps {
  readonly gate: Gate
  readonly callbacks: CallbackService
}

export const callbackRoutes = ({ gate, callbacks }: CallbackRouteDeps) =>
  new Elysia({ prefix: "/v1" })
    .use(gate)
    .get("/workflows/:id/runs/:runID/callbacks", ({ caller, params }) => callbacks.list(caller, params.id, params.runID), {
      permit: READ,
      response: callbackListShape,
      detail: { summary: "Who was told that the run ended, and what came of each attempt", tags },
    })
    .post(
      "/workflows/:id/runs/:runID/callbacks/retry",
      ({ caller, params }) => callbacks.retry(caller, params.id, params.runID),
      {
        permit: RUN,
        response: callbackListShape,
        detail: { summary: "Tell it again now; 409 when it was delivered", tags },
      },
    )
    .get("/callback-secret", ({ caller }) => callbacks.secret(caller), {
      permit: READ,
      response: secretStateShape,
      detail: { summary: "Whether this project has a secret that signs its callbacks", tags },
    })
    .post("/callback-secret/rotate", async ({ caller }) => ({ signing_secret: await callbacks.rotate(caller) }), {
      permit: ROTATE,
      response: newSecretShape,
      detail: {
        summary: "Make a new secret that signs this project's callbacks",
        description: "Shown once. The old one does not sign any more, also not the attempts that are still to come.",
        tags,
      },
    })
