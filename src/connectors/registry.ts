import type { Egress } from "../adapters/egress/egress.ts"
import type { Clock } from "../kernel/clock.ts"
import type { Connector, Connectors } from "./connector.ts"
import { createFilesConnector, type FilesConnectorDeps } from "./files/connector.ts"
import { createGithubConnector } from "./github/connector.ts"
import { createHealthcareConnector } from "./healthcare/connector.ts"
import { createHttpConnector } from "./http/connector.ts"
import { createMysqlConnector } from "./mysql/connector.ts"
import { createPostgresConnector } from "./postgres/connector.ts"
import { createRedisConnector } from "./redis/connector.ts"
import { createResendConnector } from "./resend/connector.ts"
import { createRssConnector, type RssConnectorDeps } from "./rss/connector.ts"
import { createSqliteConnector, type SqliteConnectorDeps } from "./sqlite/connector.ts"
import { createTimeConnector } from "./time/connector.ts"

export interface ConnectorDeps {
  readonly egress: Egress
  readonly clock: Clock
  readonly sqlite: SqliteConnectorDeps
  readonly feeds: RssConnectorDeps["feeds"]
  readonly files: FilesConnectorDeps
}

/** One line per connector of this executable. */
const BUILDERS: readonly ((deps: ConnectorDeps) => Connector)[] = [
  createGithubConnector,
  createHttpConnector,
  createResendConnector,
  deps => createSqliteConnector(deps.sqlite),
  deps => createFilesConnector({ ...deps.files, clock: deps.clock }),
  createHealthcareConnector,
  createRssConnector,
  createTimeConnector,
  createMysqlConnector,
  createPostgresConnector,
  createRedisConnector,
]

export function createConnectors(deps: ConnectorDeps): Connectors {
  return new Map(BUILDERS.map(build => build(deps)).map(connector => [connector.slug, connector]))
}
