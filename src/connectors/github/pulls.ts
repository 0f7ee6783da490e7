import { Type } from "typebox"
import type { ToolDefinition } from "../kit.ts"
import type { Rest } from "../rest.ts"
import { whole } from "../shape.ts"
import { DIRECTION, flag, input, oneOf, PAGE, PULL, REPOSITORY, text } from "./inputs.ts"
import { page } from "./shape.ts"

const PULL_REQUEST = whole({
  number: Type.Integer(),
  state: Type.String(),
  title: Type.String(),
  html_url: Type.String(),
  head: Type.Object({}),
  base: Type.Object({}),
})
const HEAD = "The branch with the changes; `user:branch` when it is in another repository of the network."

export const pullTools = (rest: Rest): readonly ToolDefinition[] => [
  rest.tool({
    name: "get_pull_request",
    description: "Gives one pull request: its state, branches, author, and whether it can be merged.",
    hints: "reads",
    request: "GET /repos/{owner}/{repo}/pulls/{pull_number}",
    input: input({ ...REPOSITORY, ...PULL }),
    output: PULL_REQUEST,
  }),
  rest.tool({
    name: "list_pull_requests",
    description: "Lists the pull requests of a repository, open ones unless `state` says otherwise.",
    hints: "reads",
    request: "GET /repos/{owner}/{repo}/pulls",
    input: input({
      ...REPOSITORY,
      state: oneOf(["open", "closed", "all"]),
      head: text("Only those from this branch, as `owner:branch`."),
      base: text("Only those into this branch."),
      sort: oneOf(["created", "updated", "popularity", "long-running"]),
      ...DIRECTION,
      ...PAGE,
    }),
    output: page("pull_requests"),
  }),
  rest.tool({
    name: "list_pull_request_files",
    description: "Lists the files that a pull request changes, with their patches.",
    hints: "reads",
    request: "GET /repos/{owner}/{repo}/pulls/{pull_number}/files",
    input: input({ ...REPOSITORY, ...PULL, ...PAGE }),
    output: page("files"),
  }),
  rest.tool({
    name: "create_pull_request",
    description: "Opens a pull request from one branch into another.",
    hints: "adds",
    request: "POST /repos/{owner}/{repo}/pulls",
    input: input({
      ...REPOSITORY,
      title: text("Required, unless `issue` is given."),
      head: Type.String({ minLength: 1, description: HEAD }),
      base: Type.String({ minLength: 1, description: "The branch that the changes are for." }),
      body: text("What the pull request says."),
      draft: flag("Whether it is a draft."),
      head_repo: text("Name of the repository with the changes, when both belong to one organisation."),
      maintainer_can_modify: flag("Whether maintainers may change the branch."),
      issue: Type.Optional(Type.Integer({ minimum: 1, description: "Number of an issue to turn into the pull request." })),
    }),
    output: PULL_REQUEST,
  }),
  rest.tool({
    name: "update_pull_request",
    description: "Changes the title, text, state or base branch of a pull request.",
    hints: "sets",
    request: "PATCH /repos/{owner}/{repo}/pulls/{pull_number}",
    input: input({
      ...REPOSITORY,
      ...PULL,
      title: text("Its new title."),
      body: text("Its new text."),
      state: oneOf(["open", "closed"]),
      base: text("The branch that the changes are for."),
      maintainer_can_modify: flag("Whether maintainers may change the branch."),
    }),
    output: PULL_REQUEST,
  }),
  rest.tool({
    name: "merge_pull_request",
    description: "Merges a pull request.",
    hints: "destroys",
    request: "PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge",
    input: input({
      ...REPOSITORY,
      ...PULL,
      commit_title: text("Title of the merge commit."),
      commit_message: text("What else the merge commit says."),
      sha: text("Merge only if the branch is at this commit."),
      merge_method: oneOf(["merge", "squash", "rebase"]),
    }),
    output: whole({ sha: Type.String(), merged: Type.Boolean(), message: Type.String() }),
  }),
]
