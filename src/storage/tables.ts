import { type ColumnKit, postgresKit, sqliteKit } from "./columns.ts"
import { defineAgents } from "./schema/agents.ts"
import { defineArtifacts } from "./schema/artifacts.ts"
import { defineCallbacks } from "./schema/callbacks.ts"
import { defineConnections } from "./schema/connections.ts"
import { defineEgress } from "./schema/egress.ts"
import { defineIdentity } from "./schema/identity.ts"
import { defineLlm } from "./schema/llm.ts"
import { defineMcp } from "./schema/mcp.ts"
import { defineRuns } from "./schema/runs.ts"
import { defineTriggers } from "./schema/triggers.ts"
import { defineVault } from "./schema/vault.ts"
import { defineWebhooks } from "./schema/webhooks.ts"
import { defineWorkflows } from "./schema/workflows.ts"

const define = (k: ColumnKit) => ({
  ...defineIdentity(k),
  ...defineVault(k),
  ...defineWorkflows(k),
  ...defineRuns(k),
  ...defineMcp(k),
  ...defineWebhooks(k),
  ...defineTriggers(k),
  ...defineCallbacks(k),
  ...defineConnections(k),
  ...defineEgress(k),
  ...defineArtifacts(k),
  ...defineLlm(k),
  ...defineAgents(k),
})

/** Every table, as the type says a SQLite one; at run time the dialect's own. Compare `sqliteTables`, `postgresTables`. */
export type Tables = ReturnType<typeof define>

export const sqliteTables: Tables = define(sqliteKit)
export const postgresTables: Tables = define(postgresKit)
