import { Elysia } from "elysia"
import type { Gate } from "../../http/gate.ts"
import { connectionShape } from "./contract.ts"
import { READ, WRITE } from "./routes.ts"
import type { WhatsAppConnections } from "./whatsapp.ts"
import { whatsAppCompleteShape, whatsAppConfigShape, whatsAppManualShape } from "./whatsapp-contract.ts"

const tags = ["Connections"]

export interface WhatsAppRoutesDeps {
  readonly gate: Gate
  readonly whatsapp: WhatsAppConnections
}

export const whatsAppConnectionRoutes = ({ gate, whatsapp }: WhatsAppRoutesDeps) =>
  new Elysia({ prefix: "/v1/connections/whatsapp" })
    .use(gate)
    .get("/config", () => whatsapp.config(), {
      permit: READ,
      response: whatsAppConfigShape,
      detail: { summary: "Whether numbers can be connected by Meta's embedded signup", tags },
    })
    .post("/complete", async ({ caller, body, status }) => status(201, await whatsapp.complete(caller, body)), {
      permit: WRITE,
      body: whatsAppCompleteShape,
      response: { 201: connectionShape },
      detail: { summary: "End an embedded signup with the code that Meta gave the browser", tags },
    })
    .post("/manual", async ({ caller, body, status }) => status(201, await whatsapp.manual(caller, body)), {
      permit: WRITE,
      body: whatsAppManualShape,
      response: { 201: connectionShape },
      detail: { summary: "Connect a number with credentials given by hand, checked at Meta", tags },
    })
