import { Elysia } from "elysia"
import type { Gate } from "../../http/gate.ts"
import type { GoogleConnections } from "./google.ts"
import {
  begunShape,
  completeShape,
  googleAccountShape,
  googleBeginShape,
  googleConfigShape,
  googleConnectedShape,
  googleServicesShape,
  googleSwitchedShape,
} from "./google-contract.ts"
import { READ, WRITE } from "./routes.ts"

const tags = ["Connections"]

export interface GoogleRoutesDeps {
  readonly gate: Gate
  readonly google: GoogleConnections
}

export const googleConnectionRoutes = ({ gate, google }: GoogleRoutesDeps) =>
  new Elysia({ prefix: "/v1/connections/google" })
    .use(gate)
    .get("/config", () => google.config(), {
      permit: READ,
      response: googleConfigShape,
      detail: { summary: "Whether Google can be connected, and its services", tags },
    })
    .post("/oauth-url", ({ caller, body }) => google.begin(caller, body), {
      permit: WRITE,
      body: googleBeginShape,
      response: begunShape,
      detail: { summary: "Begin to connect a Google account: where to send the person's browser", tags },
    })
    .post("/complete", async ({ caller, body, status }) => status(201, await google.complete(caller, body)), {
      permit: WRITE,
      body: completeShape,
      response: { 201: googleConnectedShape },
      detail: { summary: "End it with the code that Google gave the browser", tags },
    })
    .get("/accounts/:id", ({ caller, params }) => google.account(caller, params.id), {
      permit: READ,
      response: googleAccountShape,
      detail: { summary: "A connected account and its services", tags },
    })
    .patch("/accounts/:id/services", ({ caller, params, body }) => google.switch(caller, params.id, body), {
      permit: WRITE,
      body: googleServicesShape,
      response: googleSwitchedShape,
      detail: { summary: "Switch services on and off; new ones may need the person's consent", tags },
    })
