import { Elysia } from "elysia"
import type { Gate } from "./http/gate.ts"
import { healthRoutes } from "./http/health.ts"
import { metricsRoutes } from "./http/metrics.ts"
import { agentRoutes } from "./modules/agents/routes.ts"
import { alertRoutes } from "./modules/alerts/routes.ts"
import { artifactRoutes } from "./modules/artifacts/routes.ts"
import { pageRoutes } from "./modules/auth/page-routes.ts"
import { authRoutes } from "./modules/auth/routes.ts"
import { callbackRoutes } from "./modules/callbacks/routes.ts"
import { connectionCallbackRoutes } from "./modules/connections/callback-routes.ts"
import { googleConnectionRoutes } from "./modules/connections/google-routes.ts"
import { mcpConnectionRoutes } from "./modules/connections/mcp-routes.ts"
import { connectionOverrideRoutes } from "./modules/connections/override-routes.ts"
import { connectionRoutes } from "./modules/connections/routes.ts"
import { whatsAppConnectionRoutes } from "./modules/connections/whatsapp-routes.ts"
import { egressRoutes } from "./modules/egress/routes.ts"
import { ingressRoutes } from "./modules/inbound-webhooks/ingress-routes.ts"
import { inboundWebhookRoutes } from "./modules/inbound-webhooks/routes.ts"
import { llmRoutes } from "./modules/llm/routes.ts"
import { mcpConfigRoutes } from "./modules/mcp/config-routes.ts"
import { mcpEndpointRoutes } from "./modules/mcp/endpoint-routes.ts"
import { mcpProfileRoutes } from "./modules/mcp/profile-routes.ts"
import { mcpRoutes } from "./modules/mcp/routes.ts"
import { mcpServerRoutes } from "./modules/mcp/server-routes.ts"
import { patRoutes } from "./modules/pats/routes.ts"
import { recordingRoutes } from "./modules/recordings/routes.ts"
import { replayRoutes } from "./modules/replay/routes.ts"
import { runRoutes } from "./modules/runs/routes.ts"
import { streamRoutes } from "./modules/runs/stream-routes.ts"
import { taskRoutes } from "./modules/tasks/routes.ts"
import { memberRoutes, projectRoutes } from "./modules/tenants/routes.ts"
import { triggerRoutes } from "./modules/triggers/routes.ts"
import { workflowRoutes } from "./modules/workflows/routes.ts"

/** What every module's routes need, by name; `app.ts` makes it. */
export type ApiDeps = { readonly gate: Gate } & Parameters<typeof healthRoutes>[0] &
  Parameters<typeof pageRoutes>[0] &
  Parameters<typeof authRoutes>[0] &
  Parameters<typeof patRoutes>[0] &
  Parameters<typeof projectRoutes>[0] &
  Parameters<typeof memberRoutes>[0] &
  Parameters<typeof workflowRoutes>[0] &
  Parameters<typeof runRoutes>[0] &
  Parameters<typeof streamRoutes>[0] &
  Parameters<typeof taskRoutes>[0] &
  Parameters<typeof mcpRoutes>[0] &
  Parameters<typeof mcpServerRoutes>[0] &
  Parameters<typeof mcpConfigRoutes>[0] &
  Parameters<typeof mcpEndpointRoutes>[0] &
  Parameters<typeof inboundWebhookRoutes>[0] &
  Parameters<typeof ingressRoutes>[0] &
  Parameters<typeof callbackRoutes>[0] &
  Parameters<typeof connectionRoutes>[0] &
  Parameters<typeof googleConnectionRoutes>[0] &
  Parameters<typeof whatsAppConnectionRoutes>[0] &
  Parameters<typeof mcpConnectionRoutes>[0] &
  Parameters<typeof connectionOverrideRoutes>[0] &
  Parameters<typeof connectionCallbackRoutes>[0] &
  Parameters<typeof llmRoutes>[0] &
  Parameters<typeof agentRoutes>[0] &
  Parameters<typeof triggerRoutes>[0] &
  Parameters<typeof alertRoutes>[0] &
  Parameters<typeof artifactRoutes>[0] &
  Parameters<typeof recordingRoutes>[0] &
  Parameters<typeof replayRoutes>[0] &
  Parameters<typeof egressRoutes>[0] &
  Parameters<typeof metricsRoutes>[0]

/** Every route, one line a module; in three parts, as the types of one long chain are more than the compiler follows. */
const workflowApi = (deps: ApiDeps) =>
  new Elysia({ name: "workflow api" })
    .use(workflowRoutes(deps))
    .use(runRoutes(deps))
    .use(streamRoutes(deps))
    .use(taskRoutes(deps))
    .use(agentRoutes(deps))
    .use(artifactRoutes(deps))
    .use(recordingRoutes(deps))
    .use(replayRoutes(deps))

const toolApi = (deps: ApiDeps) =>
  new Elysia({ name: "tool api" })
    .use(mcpRoutes(deps))
    .use(mcpProfileRoutes(deps))
    .use(mcpServerRoutes(deps))
    .use(mcpConfigRoutes(deps))
    .use(mcpEndpointRoutes(deps))
    .use(connectionRoutes(deps))
    .use(googleConnectionRoutes(deps))
    .use(whatsAppConnectionRoutes(deps))
    .use(mcpConnectionRoutes(deps))
    .use(connectionOverrideRoutes(deps))
    .use(connectionCallbackRoutes(deps))
    .use(llmRoutes(deps))

export const api = (deps: ApiDeps) =>
  new Elysia({ name: "api" })
    .use(workflowApi(deps))
    .use(toolApi(deps))
    .use(healthRoutes(deps))
    .use(pageRoutes(deps))
    .use(authRoutes(deps))
    .use(patRoutes(deps))
    .use(projectRoutes(deps))
    .use(memberRoutes(deps))
    .use(inboundWebhookRoutes(deps))
    .use(ingressRoutes(deps))
    .use(callbackRoutes(deps))
    .use(triggerRoutes(deps))
    .use(alertRoutes(deps))
    .use(egressRoutes(deps))
    .use(metricsRoutes(deps))

export type Api = ReturnType<typeof api>
