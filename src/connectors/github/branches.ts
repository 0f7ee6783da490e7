import { Type } from "typebox"
import { isJsonObject, type JsonObject, textOf } from "../../kernel/json.ts"
import { valuesAt } from "../answer.ts"
import { inTime } from "../exchange.ts"
import { type ToolCall, type ToolDefinition, ToolFailure, tool } from "../kit.ts"
import { type Rest, ServiceFailure } from "../rest.ts"
import { whole } from "../shape.ts"
import { flag, input, PAGE, REPOSITORY, text } from "./inputs.ts"
import { page } from "./shape.ts"

const BRANCH = { branch: Type.String({ minLength: 1, description: "Name of the branch, e.g. `feature/login`." }) }

export const branchTools = (rest: Rest): readonly ToolDefinition[] => [
  rest.tool({
    name: "list_branches",
    description: "Lists the branches of a repository with their newest commits.",
    hints: "reads",
    request: "GET /repos/{owner}/{repo}/branches",
    input: input({ ...REPOSITORY, protected: flag("Only the protected ones, or only the others."), ...PAGE }),
    output: page("branches"),
  }),
  rest.tool({
    name: "get_branch",
    description: "Gives one branch: its newest commit and how it is protected.",
    hints: "reads",
    request: "GET /repos/{owner}/{repo}/branches/{branch}",
    input: input({ ...REPOSITORY, ...BRANCH }),
    output: whole({ name: Type.String(), commit: Type.Object({}), protected: Type.Boolean() }),
  }),
  tool({
    name: "create_branch",
    description: "Makes a branch at a commit, or where another branch is: the default branch unless `from_branch` names one.",
    hints: "sets",
    input: input({
      ...REPOSITORY,
      ...BRANCH,
      from_branch: text("The branch that it starts from."),
      sha: text("The commit that it starts from, in place of a branch."),
    }),
    output: Type.Object({ ref: Type.String(), object: Type.Object({ sha: Type.String() }) }),
    run: ({ owner, repo, branch, from_branch, sha }, call) =>
      inTime(call, async timed => {
        if (sha !== undefined && from_branch !== undefined) throw new ToolFailure("give either sha or from_branch")
        const repository = { owner, repo }
        const from = sha ?? (await headOf(rest, repository, from_branch, timed))
        return await branchAt(rest, { ...repository, branch, sha: from }, timed)
      }),
  }),
]

async function headOf(rest: Rest, repository: JsonObject, branch: string | undefined, call: ToolCall): Promise<string> {
  const from = branch ?? (await defaultBranch(rest, repository, call))
  const { body } = await rest.send(
    { request: "GET /repos/{owner}/{repo}/branches/{branch}" },
    { ...repository, branch: from },
    call,
  )
  const sha = textOf(valuesAt(body, "/commit/sha")[0])
  if (sha === "") throw new ToolFailure(`GitHub does not say at which commit ${JSON.stringify(from)} is`)
  return sha
}

async function defaultBranch(rest: Rest, repository: JsonObject, call: ToolCall): Promise<string> {
  const { body } = await rest.send({ request: "GET /repos/{owner}/{repo}" }, repository, call)
  const name = textOf(valuesAt(body, "/default_branch")[0])
  if (name === "") throw new ToolFailure("GitHub names no default branch of this repository: name one in from_branch")
  return name
}

interface NewBranch extends Record<string, string> {
  readonly owner: string
  readonly repo: string
  readonly branch: string
  readonly sha: string
}

async function branchAt(rest: Rest, { owner, repo, branch, sha }: NewBranch, call: ToolCall): Promise<JsonObject> {
  const ref = `refs/heads/${branch}`
  try {
    const { body } = await rest.send({ request: "POST /repos/{owner}/{repo}/git/refs" }, { owner, repo, ref, sha }, call)
    if (!isJsonObject(body)) throw new ToolFailure("GitHub's answer is no object, although it should be")
    return body
  } catch (error) {
    // An attempt that was cut off may have made it already.
    if (!(error instanceof ServiceFailure && error.status === 422)) throw error
    const made = await existing(rest, { owner, repo, ref: `heads/${branch}` }, call)
    if (made !== null && valuesAt(made, "/object/sha")[0] === sha) return made
    throw error
  }
}

async function existing(rest: Rest, args: JsonObject, call: ToolCall): Promise<JsonObject | null> {
  try {
    const { body } = await rest.send({ request: "GET /repos/{owner}/{repo}/git/ref/{+ref}" }, args, call)
    return isJsonObject(body) ? body : null
  } catch (error) {
    if (error instanceof ServiceFailure && error.status === 404) return null
    throw error
  }
}
