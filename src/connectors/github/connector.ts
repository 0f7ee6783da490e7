import type { Egress } from "../../adapters/egress/egress.ts"
import type { Connector } from "../connector.ts"
import { inTime } from "../exchange.ts"
import { createConnector } from "../kit.ts"
import { createRest } from "../rest.ts"
import { branchTools } from "./branches.ts"
import { fileTools } from "./files.ts"
import { issueTools } from "./issues.ts"
import { pullTools } from "./pulls.ts"
import { repositoryTools } from "./repositories.ts"
import { searchTools } from "./search.ts"

export interface GithubConnectorDeps {
  readonly egress: Egress
  /** Another address of the API, without a slash at its end. */
  readonly base?: string
}

/** GitHub's REST API, version 2022-11-28. */
export function createGithubConnector({ egress, base = "https://api.github.com" }: GithubConnectorDeps): Connector {
  const rest = createRest(egress, {
    slug: "github",
    base,
    auth: { kind: "bearer", key: "APIToken" },
    headers: { accept: "application/vnd.github+json", "x-github-api-version": "2022-11-28" },
    messages: ["/message", "/errors/*"],
    lists: "comma",
    // Its limits are 403, too: the hourly one, and the secondary one against bursts, which says when to come back.
    busy: ({ status, headers }) => status === 403 && (headers.has("retry-after") || headers.get("x-ratelimit-remaining") === "0"),
  })
  const parts = [pullTools, branchTools, issueTools, repositoryTools, fileTools, searchTools]
  return createConnector({
    slug: "github",
    tools: parts.flatMap(tools => tools(rest)),
    // Answers any good token whatever it may do, and counts against no limit.
    probe: call => inTime(call, timed => rest.send({ request: "GET /rate_limit" }, {}, timed)),
  })
}
