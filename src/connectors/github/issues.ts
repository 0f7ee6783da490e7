import { Type } from "typebox"
import type { JsonObject } from "../../kernel/json.ts"
import { type ToolDefinition, ToolFailure } from "../kit.ts"
import type { Rest } from "../rest.ts"
import { whole } from "../shape.ts"
import { DIRECTION, ISSUE, input, oneOf, PAGE, REPOSITORY, SINCE, text, texts } from "./inputs.ts"
import { page } from "./shape.ts"

const ONE_ISSUE = whole({ number: Type.Integer(), state: Type.String(), title: Type.String(), html_url: Type.String() })
const MILESTONE = Type.Optional(
  Type.Unsafe<number | null>({ type: ["integer", "null"], description: "Number of a milestone; null for none." }),
)

/** A pull request is an issue, too: its conversation is reached by either number. */
const CONVERSATION = {
  issue_number: Type.Optional(Type.Integer({ minimum: 1, description: "Number of the issue." })),
  pull_number: Type.Optional(Type.Integer({ minimum: 1, description: "Number of the pull request, in place of an issue's." })),
}

export const issueTools = (rest: Rest): readonly ToolDefinition[] => [
  rest.tool({
    name: "get_issue",
    description: "Gives one issue: its title, text, state, labels and who is assigned.",
    hints: "reads",
    request: "GET /repos/{owner}/{repo}/issues/{issue_number}",
    input: input({ ...REPOSITORY, ...ISSUE }),
    output: ONE_ISSUE,
  }),
  rest.tool({
    name: "list_issues",
    description: "Lists issues of a repository; pull requests are among them and have a `pull_request` property.",
    hints: "reads",
    request: "GET /repos/{owner}/{repo}/issues",
    input: input({
      ...REPOSITORY,
      state: oneOf(["open", "closed", "all"]),
      labels: texts("Only those with all of these labels."),
      milestone: text("Number of a milestone, `*` for any, `none` for none."),
      assignee: text("Name of a user, `*` for any, `none` for nobody."),
      creator: text("Name of the user who opened them."),
      mentioned: text("Name of a user whom they mention."),
      type: text("Name of an issue type, `*` for any, `none` for none."),
      sort: oneOf(["created", "updated", "comments"]),
      ...DIRECTION,
      ...SINCE,
      ...PAGE,
    }),
    output: page("issues"),
  }),
  rest.tool({
    name: "create_issue",
    description: "Opens an issue.",
    hints: "adds",
    request: "POST /repos/{owner}/{repo}/issues",
    input: input({
      ...REPOSITORY,
      title: Type.String({ minLength: 1, description: "Title of the issue." }),
      body: text("Its text."),
      labels: texts("Names of labels."),
      assignees: texts("Names of the users who are to look after it."),
      milestone: MILESTONE,
      type: text("Name of an issue type of the organisation."),
    }),
    output: ONE_ISSUE,
  }),
  rest.tool({
    name: "update_issue",
    description: "Changes the title, text, state, labels, milestone or assignees of an issue.",
    hints: "sets",
    request: "PATCH /repos/{owner}/{repo}/issues/{issue_number}",
    input: input({
      ...REPOSITORY,
      ...ISSUE,
      title: text("Its new title."),
      body: text("Its new text."),
      state: oneOf(["open", "closed"]),
      state_reason: oneOf(["completed", "not_planned", "duplicate", "reopened"]),
      labels: texts("All labels that it is to have."),
      assignees: texts("All users who are to look after it."),
      milestone: MILESTONE,
      type: text("Name of an issue type of the organisation."),
    }),
    output: ONE_ISSUE,
  }),
  rest.tool({
    name: "add_issue_comment",
    description: "Adds a comment to an issue or to the conversation of a pull request.",
    hints: "adds",
    request: "POST /repos/{owner}/{repo}/issues/{issue_number}/comments",
    input: input({ ...REPOSITORY, ...CONVERSATION, body: Type.String({ minLength: 1, description: "What the comment says." }) }),
    prepare: conversationOf,
    output: whole({ id: Type.Integer(), body: Type.String(), html_url: Type.String() }),
  }),
  rest.tool({
    name: "list_issue_comments",
    description: "Lists the comments of an issue or of the conversation of a pull request, oldest first.",
    hints: "reads",
    request: "GET /repos/{owner}/{repo}/issues/{issue_number}/comments",
    input: input({ ...REPOSITORY, ...CONVERSATION, ...SINCE, ...PAGE }),
    prepare: conversationOf,
    output: page("comments"),
  }),
]

function conversationOf({ issue_number, pull_number, ...rest }: JsonObject): JsonObject {
  const number = issue_number ?? pull_number
  if (number === undefined || (issue_number !== undefined && pull_number !== undefined))
    throw new ToolFailure("give either issue_number or pull_number")
  return { ...rest, issue_number: number }
}
