import type { Egress } from "../adapters/egress/egress.ts"
import type { Connector, Connectors } from "./connector.ts"
import { createSqliteConnector, type SqliteConnectorDeps } from "./sqlite/connector.ts"

export interface ConnectorDeps {
  readonly egress: Egress
  readonly sqlite: SqliteConnectorDeps
}

/** One line per connector of this executable. */
const BUILDERS: readonly ((deps: ConnectorDeps) => Connector)[] = [deps => createSqliteConnector(deps.sqlite)]

export function createConnectors(deps: ConnectorDeps): Connectors {
  return new Map(BUILDERS.map(build => build(deps)).map(connector => [connector.slug, connector]))
}
