import { Type } from "typebox"
import type { JsonObject } from "../../kernel/json.ts"
import { inTime } from "../exchange.ts"
import { type ToolDefinition, ToolFailure, tool } from "../kit.ts"
import type { Rest, RestRequest } from "../rest.ts"
import { whole } from "../shape.ts"
import { DIRECTION, flag, input, oneOf, PAGE, REPOSITORY, text } from "./inputs.ts"
import { comparison, page } from "./shape.ts"

const ONE_REPOSITORY = whole({
  full_name: Type.String(),
  private: Type.Boolean(),
  html_url: Type.String(),
  default_branch: Type.String(),
})
const LIST = page("repositories")

export const repositoryTools = (rest: Rest): readonly ToolDefinition[] => [
  rest.tool({
    name: "get_repo",
    description: "Gives one repository: its description, default branch, visibility and counts.",
    hints: "reads",
    request: "GET /repos/{owner}/{repo}",
    input: input(REPOSITORY),
    output: ONE_REPOSITORY,
  }),
  tool({
    name: "list_repos",
    description:
      "Lists the repositories that the token's user has access to, or those of the user or organisation that is named.",
    hints: "reads",
    input: input({
      username: text("Those of this user; public ones only."),
      org: text("Those of this organisation."),
      type: oneOf(["all", "owner", "member", "public", "private", "forks", "sources"], {
        description:
          "Without a name: all, owner, public, private, member. Of a user: all, owner, member. Of an organisation: all, public, private, forks, sources, member.",
      }),
      visibility: oneOf(["all", "public", "private"]),
      affiliation: text("Any of owner, collaborator, organization_member, separated by commas."),
      sort: oneOf(["created", "updated", "pushed", "full_name"]),
      ...DIRECTION,
      ...PAGE,
    }),
    output: LIST.schema,
    run: (args, call) => inTime(call, async timed => LIST.read(await rest.send(ownersRequest(args), args as JsonObject, timed))),
  }),
  rest.tool({
    name: "list_commits",
    description: "Lists commits, newest first, of the default branch unless `sha` names another.",
    hints: "reads",
    request: "GET /repos/{owner}/{repo}/commits",
    input: input({
      ...REPOSITORY,
      sha: text("A branch or a commit to begin with."),
      path: text("Only those that changed this file or folder."),
      author: text("Only those by this user name or mail address."),
      committer: text("Only those committed by this user name or mail address."),
      since: text("Only those after this time, e.g. 2026-01-31T00:00:00Z."),
      until: text("Only those before this time."),
      ...PAGE,
    }),
    output: page("commits"),
  }),
  rest.tool({
    name: "compare_commits",
    description:
      "Compares two branches, tags or commits: how far they are apart, the commits between them and the files changed.",
    hints: "reads",
    request: "GET /repos/{owner}/{repo}/compare/{base}...{head}",
    input: input({
      ...REPOSITORY,
      base: Type.String({
        minLength: 1,
        description: "What is compared with; `user:branch` in another repository of the network.",
      }),
      head: Type.String({ minLength: 1, description: "What is compared; `user:branch` in another repository of the network." }),
      ...PAGE,
    }),
    output: comparison(),
  }),
  rest.tool({
    name: "list_tags",
    description: "Lists the tags of a repository with their commits.",
    hints: "reads",
    request: "GET /repos/{owner}/{repo}/tags",
    input: input({ ...REPOSITORY, ...PAGE }),
    output: page("tags"),
  }),
  rest.tool({
    name: "create_fork",
    description: "Forks a repository for the token's user or an organisation; GitHub copies it in the background.",
    hints: "sets",
    request: "POST /repos/{owner}/{repo}/forks",
    input: input({
      ...REPOSITORY,
      organization: text("The organisation that gets the fork, in place of the token's user."),
      name: text("Name of the fork, unless it keeps the repository's."),
      default_branch_only: flag("Whether only the default branch is copied."),
    }),
    output: ONE_REPOSITORY,
  }),
]

interface Owner {
  readonly username?: string
  readonly org?: string
  readonly visibility?: string
  readonly affiliation?: string
  readonly type?: string
}

function ownersRequest({ username, org, visibility, affiliation, type }: Owner): RestRequest {
  if (username !== undefined && org !== undefined) throw new ToolFailure("give either username or org")
  const narrowed = visibility !== undefined || affiliation !== undefined
  if (narrowed && (username !== undefined || org !== undefined))
    throw new ToolFailure("visibility and affiliation are for the token's own repositories: leave username and org out")
  if (narrowed && type !== undefined) throw new ToolFailure("give either type, or visibility and affiliation")
  if (username !== undefined) return { request: "GET /users/{username}/repos" }
  return { request: org === undefined ? "GET /user/repos" : "GET /orgs/{org}/repos" }
}
