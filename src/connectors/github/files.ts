import { Type } from "typebox"
import { isJsonObject, type Json, type JsonObject, textOf } from "../../kernel/json.ts"
import { inTime } from "../exchange.ts"
import { type ToolCall, type ToolDefinition, ToolFailure, tool } from "../kit.ts"
import { type Rest, type RestRequest, ServiceFailure } from "../rest.ts"
import { type Shape, whole } from "../shape.ts"
import { input, REPOSITORY, text } from "./inputs.ts"
import { fits } from "./shape.ts"

const CONTENTS = "/repos/{owner}/{repo}/contents/{+path}"
const PATH = { path: Type.String({ minLength: 1, description: "Path of the file from the root of the repository." }) }
const BRANCH = { branch: text("The branch that gets the commit, in place of the default branch.") }
const SHA = { sha: text("The blob that the file is now: refuse if it is another. Looked up when left out.") }
const PERSON = Type.Optional(
  Type.Object(
    { name: Type.String(), email: Type.String(), date: text("When, e.g. 2026-01-31T00:00:00Z.") },
    { additionalProperties: false },
  ),
)
const COMMIT = {
  message: Type.String({ minLength: 1, description: "What the commit says." }),
  ...BRANCH,
  ...SHA,
  committer: PERSON,
  author: PERSON,
}
const WRITTEN = whole({
  commit: Type.Object({ sha: Type.String() }),
  content: Type.Unsafe<JsonObject | null>({ type: ["object", "null"] }),
})

export const fileTools = (rest: Rest): readonly ToolDefinition[] => [
  rest.tool({
    name: "get_file_contents",
    description: "Reads a file, with its text when it is text, or lists a folder in `entries`.",
    hints: "reads",
    request: `GET ${CONTENTS}`,
    input: input({
      ...REPOSITORY,
      path: Type.String({ default: "", description: "Path from the root of the repository; empty: the root itself." }),
      ref: text("A branch, tag or commit, in place of the default branch."),
    }),
    output: fileOrFolder(),
  }),
  tool({
    name: "create_or_update_file",
    description: "Writes a file in one commit, from `text`, or from `content` in base64.",
    hints: "sets",
    input: input({
      ...REPOSITORY,
      ...PATH,
      text: text("The whole file as text."),
      content: text("The whole file in base64, in place of text."),
      ...COMMIT,
    }),
    output: WRITTEN.schema,
    run: ({ text: given, content, ...args }, call) =>
      inTime(call, async timed => {
        const file = { ...(args as JsonObject), content: base64Of(given, content) }
        const sha = args.sha ?? (await blobOf(rest, args, timed))
        const answer = await rest.send({ request: `PUT ${CONTENTS}` }, { ...file, ...(sha !== null && { sha }) }, timed)
        return WRITTEN.read(answer)
      }),
  }),
  tool({
    name: "delete_file",
    description: "Deletes a file in one commit.",
    hints: "destroys",
    input: input({ ...REPOSITORY, ...PATH, ...COMMIT }),
    output: WRITTEN.schema,
    run: (args, call) =>
      inTime(call, async timed => {
        const sha = args.sha ?? (await blobOf(rest, args, timed))
        if (sha === null) throw new ToolFailure(`there is no file ${JSON.stringify(args.path)} to delete`)
        return WRITTEN.read(await rest.send(DELETE, { ...(args as JsonObject), sha }, timed))
      }),
  }),
]

const DELETE: RestRequest = { request: `DELETE ${CONTENTS}`, query: "none" }

/** A folder is a bare list; a file comes in base64, and without it when it is larger than 1 MB. */
function fileOrFolder(): Shape {
  return {
    schema: Type.Object({
      type: Type.String({ description: "file, dir, symlink or submodule" }),
      path: Type.String(),
      sha: Type.Optional(Type.String()),
      content: Type.Optional(Type.String({ description: "In base64." })),
      text: Type.Optional(Type.Unsafe<string | null>({ type: ["string", "null"], description: "Null when it is no text." })),
      entries: Type.Optional(Type.Array(Type.Object({}))),
    }),
    read({ body, url }) {
      if (Array.isArray(body)) return { type: "dir", path: folderOf(body, url), entries: body }
      if (!isJsonObject(body)) throw new ToolFailure("GitHub's answer is neither a file nor a folder")
      if (body.type !== "file") return body
      return asFile(body)
    },
  }
}

/** A large text is not given twice. */
function asFile(body: JsonObject): JsonObject {
  const text = textIn(body)
  if (fits({ ...body, text })) return { ...body, text }
  const { content: _, ...rest } = body
  const leaner = { ...rest, text }
  if (text !== null && fits(leaner)) return leaner
  throw new ToolFailure("the file is too large for a step's result")
}

function folderOf(entries: readonly Json[], url: URL): string {
  const [first] = entries
  const path = isJsonObject(first) ? textOf(first.path) : ""
  if (path !== "") return path.split("/").slice(0, -1).join("/")
  return decodeURIComponent(url.pathname.split("/contents/")[1] ?? "")
}

function textIn({ content, encoding }: JsonObject): string | null {
  if (encoding !== "base64" || typeof content !== "string") return null
  const bytes = Buffer.from(content, "base64")
  if (bytes.includes(0)) return null
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}

const BASE64 = /^[A-Za-z0-9+/\s]*={0,2}\s*$/

function base64Of(given: string | undefined, content: string | undefined): string {
  if ((given === undefined) === (content === undefined)) throw new ToolFailure("give either text or content")
  if (given !== undefined) return Buffer.from(given, "utf8").toString("base64")
  const compact = (content ?? "").replaceAll(/\s/g, "")
  if (!BASE64.test(compact) || compact.length % 4 !== 0) throw new ToolFailure("content is not base64: give plain text as `text`")
  return compact
}

interface FilePlace {
  readonly owner: string
  readonly repo: string
  readonly path: string
  readonly branch?: string
}

/** What the file is now; null when there is none. */
async function blobOf(rest: Rest, { owner, repo, path, branch }: FilePlace, call: ToolCall): Promise<string | null> {
  const place = { owner, repo, path, ...(branch !== undefined && { ref: branch }) }
  try {
    const { body } = await rest.send({ request: `GET ${CONTENTS}` }, place, call)
    if (Array.isArray(body)) throw new ToolFailure(`${JSON.stringify(path)} is a folder`)
    return isJsonObject(body) ? textOf(body.sha) || null : null
  } catch (error) {
    if (error instanceof ServiceFailure && error.status === 404) return null
    throw error
  }
}
