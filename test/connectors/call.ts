import { createEgress, type Egress } from "../../src/adapters/egress/egress.ts"
import type { CallContext } from "../../src/connectors/connector.ts"
import type { ConnectorDeps } from "../../src/connectors/registry.ts"
import { parseAllowEntry } from "../../src/kernel/allow-entry.ts"
import { asker } from "../../src/kernel/asker.ts"

/** What a tool is called with besides its arguments. */
export function callContext(change: Partial<CallContext> = {}): CallContext {
  return {
    config: {},
    scope: { tenantId: "acme", projectId: "p1" },
    signal: new AbortController().signal,
    timeoutMs: 30_000,
    idempotencyKey: "run:step:0",
    asker: asker("test", { tenantId: "acme", projectId: "p1", runId: "run", stepId: "step" }),
    ...change,
  }
}

/** The real egress with these entries allowed, e.g. `127.0.0.1`. */
export function egressTo(...allow: readonly string[]): Egress {
  return createEgress({
    allow: allow.map(text => {
      const entry = parseAllowEntry(text)
      if (entry === null) throw new Error(`bad entry ${text}`)
      return entry
    }),
  })
}

/** What all connectors are made of, where none of them is to reach anything. */
export function connectorDeps(): ConnectorDeps {
  return {
    egress: egressTo(),
    clock: { now: () => 0 },
    feeds: { run: () => Promise.reject(new Error("not here")) },
    files: { rootOf: () => "/nowhere", allowedRoots: [], forbiddenRoots: [], maxProjectMb: 64 },
    sqlite: {
      children: { run: async () => ({ ok: true, value: {} }) },
      dataRootOf: () => "/nowhere",
      allowedRoots: [],
      forbiddenRoots: [],
      maxDatabaseMb: 64,
    },
  }
}
