import { Type } from "typebox"
import type { ToolDefinition } from "../kit.ts"
import type { Rest } from "../rest.ts"
import { whole } from "../shape.ts"
import { flag, input, oneOf, PAGE } from "./inputs.ts"
import { found } from "./shape.ts"

const Q = {
  q: Type.String({ minLength: 1, description: "Words and qualifiers as in GitHub's own search, e.g. `repo:o/r is:open`." }),
}
const ORDER = { order: oneOf(["asc", "desc"]) }

const REACTIONS = ["+1", "-1", "smile", "thinking_face", "heart", "tada"].map(name => `reactions-${name}`)

export const searchTools = (rest: Rest): readonly ToolDefinition[] => [
  rest.tool({
    name: "search_repositories",
    description: "Finds repositories; GitHub shows the first 1000 results.",
    hints: "reads",
    request: "GET /search/repositories",
    input: input({ ...Q, sort: oneOf(["stars", "forks", "help-wanted-issues", "updated"]), ...ORDER, ...PAGE }),
    output: found(),
  }),
  rest.tool({
    name: "search_code",
    description: "Finds code in files of default branches.",
    hints: "reads",
    request: "GET /search/code",
    input: input({ ...Q, sort: oneOf(["indexed"]), ...ORDER, ...PAGE }),
    output: found(),
  }),
  rest.tool({
    name: "search_issues_pull_requests",
    description: "Finds issues and pull requests; `is:issue` or `is:pr` in the query asks for one kind.",
    hints: "reads",
    request: "GET /search/issues",
    input: input({
      ...Q,
      sort: oneOf(["comments", "reactions", ...REACTIONS, "interactions", "created", "updated"]),
      ...ORDER,
      advanced_search: flag("Whether the query may use AND, OR and brackets."),
      ...PAGE,
    }),
    // On the wire it is a text.
    prepare: ({ advanced_search, ...rest }) => ({
      ...rest,
      ...(advanced_search !== undefined && { advanced_search: String(advanced_search) }),
    }),
    output: found(),
  }),
  rest.tool({
    name: "search_users",
    description: "Finds users and organisations.",
    hints: "reads",
    request: "GET /search/users",
    input: input({ ...Q, sort: oneOf(["followers", "repositories", "joined"]), ...ORDER, ...PAGE }),
    output: found(),
  }),
  rest.tool({
    name: "get_user",
    description: "Gives the public profile of a user or an organisation.",
    hints: "reads",
    request: "GET /users/{username}",
    input: input({ username: Type.String({ minLength: 1, description: "Name of the user, as in the address of the profile." }) }),
    output: whole({ login: Type.String(), id: Type.Integer(), html_url: Type.String() }),
  }),
  rest.tool({
    name: "get_authenticated_user",
    description: "Gives the profile of the user whose token is configured.",
    hints: "reads",
    request: "GET /user",
    input: input({}),
    output: whole({ login: Type.String(), id: Type.Integer(), html_url: Type.String() }),
  }),
]
