import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { Compile } from "typebox/schema"
import type { Egress } from "../../../src/adapters/egress/egress.ts"
import { createArgumentCheck } from "../../../src/connectors/arguments.ts"
import { findAdapter } from "../../../src/connectors/catalog.ts"
import type { CallContext, Connector, ToolResult } from "../../../src/connectors/connector.ts"
import { createGithubConnector } from "../../../src/connectors/github/connector.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { callContext, egressTo } from "../call.ts"
import { type Peer, startPeer } from "../peer.ts"
import { commit as commitOf, content, pull, USER } from "./objects.ts"
import { GITHUB, githubHeaderProblems } from "./vendor.ts"

const TOKEN = "ghp_canary/0123+456="
const sha = (n: number) => commitOf(n).sha
const HELLO = { owner: "octocat", repo: "hello" }
const AT = "/repos/octocat/hello"

let peer: Peer
let egress: Egress
let github: Connector
const checkArguments = createArgumentCheck()

beforeAll(() => {
  egress = egressTo("127.0.0.1")
})
afterAll(() => egress.close())
beforeEach(() => {
  peer = startPeer(GITHUB, githubHeaderProblems(TOKEN))
  github = createGithubConnector({ egress, base: peer.base })
})
afterEach(async () => {
  expect(peer.problems).toEqual([])
  await peer.stop()
})

async function call(name: string, args: JsonObject, context: Partial<CallContext> = {}): Promise<ToolResult> {
  const tool = github.tools.find(t => t.name === name)!
  const checked = checkArguments(tool, args)
  if (!checked.ok) return { ok: false, message: checked.message, retryable: false }
  return await github.call(name, checked.args, callContext({ config: { APIToken: TOKEN }, ...context }))
}

/** The value of a call that went well, of a shape that the tool promises, without anything that GitHub would refuse. */
async function value(name: string, args: JsonObject): Promise<JsonObject> {
  const result = await call(name, args)
  expect([name, peer.problems, result.ok ? "" : result.message]).toEqual([name, [], ""])
  const made = (result as { value: JsonObject }).value
  const [fits, errors] = Compile(github.tools.find(t => t.name === name)!.outputSchema as object).Errors(made)
  expect([name, fits, errors]).toEqual([name, true, []])
  return made
}

/** Tool, its arguments, the requests that it makes (method, path, query, body), and what of the result is looked at. */
const CALLS: readonly [tool: string, args: JsonObject, requests: readonly unknown[], result: JsonObject][] = [
  ["get_pull_request", { ...HELLO, pull_number: "7" }, [["GET", `${AT}/pulls/7`, {}, undefined]], { number: 7, title: "pull 7" }],
  [
    "list_pull_requests",
    { ...HELLO, state: "all", head: "octocat:topic", base: "main", sort: "long-running", direction: "asc", per_page: 2, page: 3 },
    [
      [
        "GET",
        `${AT}/pulls`,
        { state: "all", head: "octocat:topic", base: "main", sort: "long-running", direction: "asc", per_page: "2", page: "3" },
        undefined,
      ],
    ],
    { pull_requests: [pull(1), pull(2)], has_more: false, next_page: null },
  ],
  [
    "list_pull_request_files",
    { ...HELLO, pull_number: 7, per_page: 100 },
    [["GET", `${AT}/pulls/7/files`, { per_page: "100" }, undefined]],
    { has_more: false },
  ],
  [
    "create_pull_request",
    { ...HELLO, title: "New", head: "octocat:topic", base: "main", body: "why", draft: true, maintainer_can_modify: false },
    [
      [
        "POST",
        `${AT}/pulls`,
        {},
        { title: "New", head: "octocat:topic", base: "main", body: "why", draft: true, maintainer_can_modify: false },
      ],
    ],
    { number: 7 },
  ],
  [
    "create_pull_request",
    { ...HELLO, issue: 3, head: "topic", base: "main" },
    [["POST", `${AT}/pulls`, {}, { issue: 3, head: "topic", base: "main" }]],
    { number: 7 },
  ],
  [
    "update_pull_request",
    { ...HELLO, pull_number: 7, state: "closed", body: "" },
    [["PATCH", `${AT}/pulls/7`, {}, { state: "closed", body: "" }]],
    { number: 7 },
  ],
  [
    "merge_pull_request",
    { ...HELLO, pull_number: 7, merge_method: "squash", sha: sha(7) },
    [["PUT", `${AT}/pulls/7/merge`, {}, { merge_method: "squash", sha: sha(7) }]],
    { merged: true, sha: sha(1) },
  ],
  ["merge_pull_request", { ...HELLO, pull_number: 7 }, [["PUT", `${AT}/pulls/7/merge`, {}, {}]], { merged: true }],
  [
    "list_branches",
    { ...HELLO, protected: "true" },
    [["GET", `${AT}/branches`, { protected: "true" }, undefined]],
    { has_more: false },
  ],
  [
    "get_branch",
    { ...HELLO, branch: "feature/a b" },
    [["GET", `${AT}/branches/feature%2Fa%20b`, {}, undefined]],
    { name: "feature/a b" },
  ],
  [
    "create_branch",
    { ...HELLO, branch: "fix/1" },
    [
      ["GET", AT, {}, undefined],
      ["GET", `${AT}/branches/main`, {}, undefined],
      ["POST", `${AT}/git/refs`, {}, { ref: "refs/heads/fix/1", sha: sha(1) }],
    ],
    { ref: "refs/heads/fix/1" },
  ],
  [
    "create_branch",
    { ...HELLO, branch: "fix", from_branch: "dev/x" },
    [
      ["GET", `${AT}/branches/dev%2Fx`, {}, undefined],
      ["POST", `${AT}/git/refs`, {}, { ref: "refs/heads/fix", sha: sha(1) }],
    ],
    { ref: "refs/heads/fix" },
  ],
  ["get_issue", { ...HELLO, issue_number: 3 }, [["GET", `${AT}/issues/3`, {}, undefined]], { number: 3, state: "open" }],
  [
    "list_issues",
    { ...HELLO, state: "open", labels: ["bug", "help wanted"], assignee: "*", since: "2026-01-31T00:00:00Z", sort: "comments" },
    [
      [
        "GET",
        `${AT}/issues`,
        { state: "open", labels: "bug,help wanted", assignee: "*", since: "2026-01-31T00:00:00Z", sort: "comments" },
        undefined,
      ],
    ],
    { has_more: false },
  ],
  [
    "create_issue",
    { ...HELLO, title: "Broken", body: "how", labels: ["bug"], assignees: ["octocat"], milestone: "2" },
    [["POST", `${AT}/issues`, {}, { title: "Broken", body: "how", labels: ["bug"], assignees: ["octocat"], milestone: 2 }]],
    { number: 3 },
  ],
  [
    "update_issue",
    { ...HELLO, issue_number: 3, state: "closed", state_reason: "not_planned", milestone: null, labels: [] },
    [["PATCH", `${AT}/issues/3`, {}, { state: "closed", state_reason: "not_planned", milestone: null, labels: [] }]],
    { number: 3 },
  ],
  [
    "add_issue_comment",
    { ...HELLO, issue_number: 3, body: "Thanks" },
    [["POST", `${AT}/issues/3/comments`, {}, { body: "Thanks" }]],
    { id: 5, body: "Thanks" },
  ],
  [
    "add_issue_comment",
    { ...HELLO, pull_number: 7, body: "Thanks" },
    [["POST", `${AT}/issues/7/comments`, {}, { body: "Thanks" }]],
    { id: 5 },
  ],
  [
    "list_issue_comments",
    { ...HELLO, issue_number: 3, page: 2 },
    [["GET", `${AT}/issues/3/comments`, { page: "2" }, undefined]],
    { has_more: false },
  ],
  ["get_repo", HELLO, [["GET", AT, {}, undefined]], { full_name: "octocat/hello", default_branch: "main" }],
  [
    "list_repos",
    { visibility: "private", affiliation: "owner,collaborator" },
    [["GET", "/user/repos", { visibility: "private", affiliation: "owner,collaborator" }, undefined]],
    { has_more: false },
  ],
  [
    "list_repos",
    { username: "octocat", type: "member" },
    [["GET", "/users/octocat/repos", { type: "member" }, undefined]],
    { has_more: false },
  ],
  [
    "list_repos",
    { org: "github", type: "forks", sort: "pushed" },
    [["GET", "/orgs/github/repos", { type: "forks", sort: "pushed" }, undefined]],
    { has_more: false },
  ],
  [
    "get_file_contents",
    { ...HELLO, path: "/docs/läs mig?.md", ref: "v1" },
    [["GET", `${AT}/contents/docs/l%C3%A4s%20mig%3F.md`, { ref: "v1" }, undefined]],
    { type: "file", text: "Hej, världen\n", sha: sha(9), encoding: "base64" },
  ],
  [
    "create_or_update_file",
    { ...HELLO, path: "docs/a.md", message: "Write", text: "Grüße\n", branch: "dev" },
    [
      ["GET", `${AT}/contents/docs/a.md`, { ref: "dev" }, undefined],
      ["PUT", `${AT}/contents/docs/a.md`, {}, { message: "Write", content: "R3LDvMOfZQo=", branch: "dev", sha: sha(9) }],
    ],
    { commit: { sha: sha(4), message: "done" } },
  ],
  [
    "create_or_update_file",
    { ...HELLO, path: "a.bin", message: "Write", content: "AAEC\n", sha: sha(2), author: { name: "A", email: "a@example.com" } },
    [
      [
        "PUT",
        `${AT}/contents/a.bin`,
        {},
        { message: "Write", content: "AAEC", sha: sha(2), author: { name: "A", email: "a@example.com" } },
      ],
    ],
    {},
  ],
  [
    "delete_file",
    { ...HELLO, path: "a.txt", message: "Delete" },
    [
      ["GET", `${AT}/contents/a.txt`, {}, undefined],
      ["DELETE", `${AT}/contents/a.txt`, {}, { message: "Delete", sha: sha(9) }],
    ],
    { content: null },
  ],
  [
    "list_commits",
    { ...HELLO, sha: "dev", path: "src", author: "octocat", since: "2026-01-01T00:00:00Z", until: "2026-02-01T00:00:00Z" },
    [
      [
        "GET",
        `${AT}/commits`,
        { sha: "dev", path: "src", author: "octocat", since: "2026-01-01T00:00:00Z", until: "2026-02-01T00:00:00Z" },
        undefined,
      ],
    ],
    { has_more: false },
  ],
  [
    "compare_commits",
    { ...HELLO, base: "main", head: "octocat:feature/x" },
    [["GET", `${AT}/compare/main...octocat%3Afeature%2Fx`, {}, undefined]],
    { status: "ahead", ahead_by: 1, has_more: false },
  ],
  ["list_tags", { ...HELLO, per_page: 5 }, [["GET", `${AT}/tags`, { per_page: "5" }, undefined]], { has_more: false }],
  [
    "create_fork",
    { ...HELLO, organization: "github", default_branch_only: true },
    [["POST", `${AT}/forks`, {}, { organization: "github", default_branch_only: true }]],
    { fork: true },
  ],
  [
    "search_repositories",
    { q: "runtime language:ts", sort: "stars", order: "desc" },
    [["GET", "/search/repositories", { q: "runtime language:ts", sort: "stars", order: "desc" }, undefined]],
    { total_count: 1, incomplete_results: false },
  ],
  [
    "search_code",
    { q: "addClass repo:o/r" },
    [["GET", "/search/code", { q: "addClass repo:o/r" }, undefined]],
    { total_count: 1 },
  ],
  [
    "search_issues_pull_requests",
    { q: "is:pr & is:open", sort: "reactions-+1", advanced_search: true },
    [["GET", "/search/issues", { q: "is:pr & is:open", sort: "reactions-+1", advanced_search: "true" }, undefined]],
    { total_count: 1 },
  ],
  [
    "search_users",
    { q: "tom", per_page: 1 },
    [["GET", "/search/users", { q: "tom", per_page: "1" }, undefined]],
    { total_count: 1 },
  ],
  ["get_user", { username: "octocat" }, [["GET", "/users/octocat", {}, undefined]], USER],
  ["get_authenticated_user", {}, [["GET", "/user", {}, undefined]], USER],
]

describe("the GitHub tools", () => {
  test("are all called below", () => {
    expect([...new Set(CALLS.map(([tool]) => tool))].toSorted()).toEqual(findAdapter("github")!.toolNames.toSorted())
  })

  test.each(CALLS)("%s %j asks as GitHub's description says", async (tool, args, requests, result) => {
    const made = await value(tool, args)

    expect(peer.seen.map(({ method, path, query, body }) => [method, path, query, body])).toEqual([...requests] as never)
    expect(made).toMatchObject(result)
  })

  test("lists under the name of what is listed, with where the next page is", async () => {
    const link = `<${peer.base}${AT}/pulls?page=5>; rel="last", <${peer.base}/repositories/10/pulls?per_page=1&page=4>; rel="next"`
    peer.answerNext({ status: 200, body: [pull(3)], headers: { link } })

    expect(await value("list_pull_requests", { ...HELLO, page: 3, per_page: 1 })).toEqual({
      pull_requests: [pull(3)],
      has_more: true,
      next_page: 4,
    })
  })

  test("give a list that a step could not keep without the addresses in it, and refuse one that is larger still", async () => {
    const large = (patch: string) => Array.from({ length: 100 }, () => ({ ...pull(1), patch, keys_url: "x".repeat(8_000) }))
    peer.answerNext({ status: 200, body: large("y".repeat(6_000)) }, { status: 200, body: large("y".repeat(12_000)) })

    const { pull_requests } = (await value("list_pull_requests", HELLO)) as { pull_requests: JsonObject[] }
    expect(pull_requests).toHaveLength(100)
    expect(pull_requests[0]).toMatchObject({ number: 1, html_url: pull(1).html_url, patch: "y".repeat(6_000) })
    expect(pull_requests[0]).not.toHaveProperty("keys_url")

    const refused = await call("list_pull_requests", HELLO)
    expect(refused).toEqual({ ok: false, message: expect.stringContaining("per_page"), retryable: false })
  })
})

describe("files of GitHub", () => {
  test("a folder is listed in entries", async () => {
    const { content: _, ...entry } = content("docs/a.md", "a")
    peer.answerNext({ status: 200, body: [entry] }, { status: 200, body: [] })

    expect(await value("get_file_contents", { ...HELLO, path: "docs" })).toEqual({ type: "dir", path: "docs", entries: [entry] })
    expect(await value("get_file_contents", HELLO)).toEqual({ type: "dir", path: "", entries: [] })
  })

  test("what is no text has none: binary files, and those that GitHub gives without their content", async () => {
    const large = { ...content("big.iso", ""), encoding: "none", content: "", size: 5_000_000 }
    peer.answerNext(
      { status: 200, body: content("a.png", new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0, 1])) },
      { status: 200, body: content("latin1.txt", new Uint8Array([0xe9, 0x20])) },
      { status: 200, body: large },
    )

    for (const path of ["a.png", "latin1.txt", "big.iso"]) {
      expect(await value("get_file_contents", { ...HELLO, path })).toMatchObject({ path, text: null })
    }
  })

  test("a large text is given once", async () => {
    peer.answerNext({ status: 200, body: content("large.txt", "x".repeat(900_000)) })

    const file = await value("get_file_contents", { ...HELLO, path: "large.txt" })
    expect(String(file.text)).toHaveLength(900_000)
    expect(file).not.toHaveProperty("content")
  })

  test("a new file is written without a sha, and one that changed meanwhile is GitHub's to refuse", async () => {
    const notFound = { status: 404, body: { message: "Not Found", documentation_url: "https://docs.github.com", status: "404" } }
    peer.answerNext(notFound)
    await value("create_or_update_file", { ...HELLO, path: "new.md", message: "Add", text: "" })
    expect(peer.seen.at(-1)?.body).toEqual({ message: "Add", content: "" })

    peer.answerNext({
      status: 409,
      body: { message: `new.md does not match ${sha(2)}`, documentation_url: "https://docs.github.com" },
    })
    expect(await call("create_or_update_file", { ...HELLO, path: "new.md", message: "Add", text: "", sha: sha(2) })).toEqual({
      ok: false,
      message: `GitHub answered 409: new.md does not match ${sha(2)}`,
      retryable: false,
    })

    peer.answerNext(notFound)
    expect(await call("delete_file", { ...HELLO, path: "no.md", message: "Go" })).toMatchObject({
      ok: false,
      message: 'there is no file "no.md" to delete',
    })
  })

  test("content that is no base64 is refused before anything is sent", async () => {
    const result = await call("create_or_update_file", { ...HELLO, path: "a", message: "m", content: "plain text!" })

    expect(result).toMatchObject({ ok: false, message: expect.stringContaining("as `text`") })
    expect(peer.seen).toEqual([])
  })
})

describe("what goes wrong at GitHub", () => {
  const wrong = (status: number, body: unknown, headers: Record<string, string> = {}) =>
    peer.answerNext({ status, body, headers })

  test("is told in its own words", async () => {
    wrong(422, {
      message: "Validation Failed",
      errors: [{ resource: "Issue", field: "title", code: "missing_field" }, { message: "A pull request already exists" }],
      documentation_url: "https://docs.github.com",
    })

    expect(await call("create_issue", { ...HELLO, title: "x" })).toEqual({
      ok: false,
      message: "GitHub answered 422: Validation Failed; Issue title missing_field; A pull request already exists",
      retryable: false,
    })
  })

  test("a token that is not valid, a missing repository and a fault of the server say whether another try helps", async () => {
    for (const [status, message, retryable] of [
      [401, "Bad credentials", false],
      [403, "Resource not accessible by personal access token", false],
      [404, "Not Found", false],
      [429, "API rate limit exceeded", true],
      [500, "Server Error", false],
      [502, "Server Error", true],
      [503, "Service unavailable", true],
      [504, "", true],
    ] as const) {
      wrong(status, { message, documentation_url: "https://docs.github.com" })
      expect(await call("get_repo", HELLO)).toEqual({
        ok: false,
        message: `GitHub answered ${status}${message === "" ? "" : `: ${message}`}`,
        retryable,
      })
    }
  })

  test("both of its limits are worth another try, later", async () => {
    wrong(
      403,
      { message: "API rate limit exceeded for user ID 1." },
      { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1790000000" },
    )
    expect(await call("get_repo", HELLO)).toMatchObject({ ok: false, retryable: true })

    wrong(403, { message: "You have exceeded a secondary rate limit." }, { "retry-after": "60" })
    expect(await call("get_repo", HELLO)).toEqual({
      ok: false,
      message: "GitHub answered 403: You have exceeded a secondary rate limit. (try again after 60 s)",
      retryable: true,
    })
  })

  test("a repository that moved is found where it is now; a change goes there only when GitHub says so with 307", async () => {
    const moved = (status: number) => ({
      status,
      body: { message: "Moved Permanently", url: `${peer.base}/repositories/10`, documentation_url: "https://docs.github.com" },
      headers: { location: `${peer.base}/repos/octocat/renamed${status === 301 ? "" : "/issues"}` },
    })
    peer.answerNext(moved(301))
    await value("get_repo", HELLO)
    expect(peer.seen.at(-1)?.path).toBe("/repos/octocat/renamed")

    peer.answerNext(moved(307))
    await value("create_issue", { ...HELLO, title: "x" })
    expect(peer.seen.at(-1)).toMatchObject({ method: "POST", path: "/repos/octocat/renamed/issues", body: { title: "x" } })

    peer.answerNext(moved(301))
    expect(await call("create_issue", { ...HELLO, title: "x" })).toMatchObject({
      ok: false,
      message: expect.stringContaining("moved"),
    })
  })

  test("a branch that a cut-off attempt already made is the branch; one that is elsewhere is a failure", async () => {
    const exists = { status: 422, body: { message: "Reference already exists", documentation_url: "https://docs.github.com" } }
    peer.answerNext(exists)
    expect(await value("create_branch", { ...HELLO, branch: "fix/1", sha: sha(1) })).toMatchObject({ ref: "refs/heads/fix/1" })
    expect(peer.seen.at(-1)?.path).toBe(`${AT}/git/ref/heads/fix/1`)

    peer.answerNext(exists)
    expect(await call("create_branch", { ...HELLO, branch: "fix/1", sha: sha(2) })).toMatchObject({
      ok: false,
      message: "GitHub answered 422: Reference already exists",
    })
  })

  test("an answer that is no JSON, or another than it should be, says so", async () => {
    peer.answerNext(
      new Response("<html><title>Unicorn!</title></html>", { status: 502, headers: { "content-type": "text/html" } }),
      new Response("<html>captive portal</html>", { headers: { "content-type": "text/html; charset=utf-8" } }),
      Response.json({ items: "none" }),
    )

    expect(await call("get_repo", HELLO)).toMatchObject({ message: "GitHub answered 502", retryable: true })
    expect(await call("get_repo", HELLO)).toMatchObject({
      message: "GitHub answered 200 with text/html that is not the JSON it should be",
    })
    expect(await call("list_tags", HELLO)).toMatchObject({ ok: false, message: expect.stringContaining("no list") })
  })
})

describe("what a graph cannot do with the GitHub tools", () => {
  test("lead to another path with what it passes", async () => {
    for (const owner of ["..", ".", "../../user"]) await call("get_repo", { owner, repo: "hello" })
    await call("get_repo", { owner: "octocat", repo: "hello?x=1#y" })
    await call("get_file_contents", { ...HELLO, path: "docs/../../../../user" })
    await call("get_file_contents", { ...HELLO, path: "docs//a" })
    await call("get_user", { username: "%2e%2e\\..\r\nX: y" })

    expect(peer.seen.map(one => one.path)).toEqual([
      "/repos/..%2F..%2Fuser/hello",
      `${AT}%3Fx%3D1%23y`,
      "/users/%252e%252e%5C..%0D%0AX%3A%20y",
    ])
  })

  test("call without a token, or with one that is none", async () => {
    for (const APIToken of ["", "  ", "two\r\nlines"]) {
      expect(await call("get_repo", HELLO, { config: { APIToken } })).toMatchObject({
        ok: false,
        message: expect.stringContaining("APIToken"),
      })
    }
    expect(peer.seen).toEqual([])
  })

  test("see the token, in whatever way the service repeats it", async () => {
    const forms = [
      TOKEN,
      encodeURIComponent(TOKEN),
      Buffer.from(TOKEN).toString("base64"),
      Buffer.from(`user:${TOKEN}`).toString("base64"),
      Buffer.from(TOKEN).toString("hex"),
    ]
    peer.answerNext(
      { status: 403, body: { message: forms.join(" ") } },
      { status: 200, body: { ...USER, [TOKEN]: 1, bio: forms } },
    )

    const text = JSON.stringify([await call("get_repo", HELLO), await value("get_user", { username: "octocat" })])
    for (const form of [...forms, "Z2hwX2NhbmFyeS"]) expect(text).not.toContain(form)
  })
})

describe("a call to GitHub", () => {
  test("ends with its time, or when it is cancelled, whatever the other side does", async () => {
    const stuck = () => new Response(new ReadableStream({ start: c => c.enqueue(new TextEncoder().encode("[")) }))
    peer.answerNext(stuck())
    expect(await call("list_tags", HELLO, { timeoutMs: 150 })).toEqual({
      ok: false,
      message: "no complete answer within 0.15 s",
      retryable: true,
      timeout: true,
    })

    peer.answerNext(stuck())
    const cancel = new AbortController()
    setTimeout(() => cancel.abort(new Error("stopped")), 100)
    expect(await call("list_tags", HELLO, { signal: cancel.signal })).toEqual({
      ok: false,
      message: "the call was cancelled",
      retryable: false,
    })
  })

  test("that does not reach it is worth another try", async () => {
    await peer.stop()

    expect(await call("get_repo", HELLO)).toMatchObject({ ok: false, retryable: true })
  })

  test("the probe finds out whether the token is good", async () => {
    const context = callContext({ config: { APIToken: TOKEN } })
    expect(await github.probe?.(context)).toEqual({ ok: true, value: {} })

    peer.answerNext({ status: 401, body: { message: "Bad credentials" } })
    expect(await github.probe?.(context)).toMatchObject({ ok: false, message: "GitHub answered 401: Bad credentials" })
    expect(peer.problems).toEqual([])
  })
})
