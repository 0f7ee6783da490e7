import type { Operation } from "../peer.ts"
import { branch, comment, commit, content, file, issue, pull, REPOSITORY, searchOf, USER, written } from "./objects.ts"

/**
 * The operations of GitHub's REST API (version 2022-11-28) that the tools use, with the parameters, bodies and allowed values
 * of its public OpenAPI description.
 */
const STRING = { type: "string" }
const INTEGER = { type: "integer" }
const BOOLEAN = { type: "boolean" }
const STRINGS = { type: "array", items: STRING }
const oneOf = (...values: readonly string[]) => ({ enum: values })
const PAGE = { per_page: { ...INTEGER, minimum: 1, maximum: 100 }, page: { ...INTEGER, minimum: 1 } }
const DIRECTION = oneOf("asc", "desc")
const TIME = { type: "string", pattern: "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$" }
const SHA = { type: "string", pattern: "^[0-9a-f]{40}$" }
const BASE64 = { type: "string", pattern: "^[A-Za-z0-9+/]*={0,2}$" }
const MILESTONE = { type: ["string", "integer", "null"] }
const PERSON = object({ name: STRING, email: STRING, date: STRING }, ["name", "email"])

function object(properties: object, required: readonly string[] = []) {
  return { type: "object", properties, required, additionalProperties: false }
}

const REPO = "/repos/{owner}/{repo}"
const ISSUE_BODY = { body: STRING, milestone: MILESTONE, labels: STRINGS, assignees: STRINGS, type: { type: ["string", "null"] } }
const ok = (body: unknown) => () => ({ status: 200, body })
const created = (body: unknown) => () => ({ status: 201, body })
const search = (
  id: string,
  path: string,
  sorts: readonly string[],
  item: object,
  more: Record<string, object> = {},
): Operation => ({
  id,
  method: "GET",
  path: `/search/${path}`,
  query: { q: { ...STRING, minLength: 1 }, sort: oneOf(...sorts), order: DIRECTION, ...PAGE, ...more },
  requiredQuery: ["q"],
  answer: ok(searchOf(item)),
})

export const GITHUB: readonly Operation[] = [
  {
    id: "pulls/get",
    method: "GET",
    path: `${REPO}/pulls/{pull_number}`,
    answer: ({ places }) => ({ status: 200, body: pull(Number(places.pull_number)) }),
  },
  {
    id: "pulls/list",
    method: "GET",
    path: `${REPO}/pulls`,
    query: {
      state: oneOf("open", "closed", "all"),
      head: STRING,
      base: STRING,
      sort: oneOf("created", "updated", "popularity", "long-running"),
      direction: DIRECTION,
      ...PAGE,
    },
    answer: ok([pull(1), pull(2)]),
  },
  { id: "pulls/list-files", method: "GET", path: `${REPO}/pulls/{pull_number}/files`, query: PAGE, answer: ok([file("a.txt")]) },
  {
    id: "pulls/create",
    method: "POST",
    path: `${REPO}/pulls`,
    body: object(
      {
        title: STRING,
        head: STRING,
        head_repo: STRING,
        base: STRING,
        body: STRING,
        maintainer_can_modify: BOOLEAN,
        draft: BOOLEAN,
        issue: INTEGER,
      },
      ["head", "base"],
    ),
    answer: created(pull(7)),
  },
  {
    id: "pulls/update",
    method: "PATCH",
    path: `${REPO}/pulls/{pull_number}`,
    body: object({ title: STRING, body: STRING, state: oneOf("open", "closed"), base: STRING, maintainer_can_modify: BOOLEAN }),
    answer: ok(pull(7)),
  },
  {
    id: "pulls/merge",
    method: "PUT",
    path: `${REPO}/pulls/{pull_number}/merge`,
    body: object({ commit_title: STRING, commit_message: STRING, sha: SHA, merge_method: oneOf("merge", "squash", "rebase") }),
    answer: ok({ sha: commit(1).sha, merged: true, message: "Pull Request successfully merged" }),
  },
  {
    id: "repos/list-branches",
    method: "GET",
    path: `${REPO}/branches`,
    query: { protected: oneOf("true", "false"), ...PAGE },
    answer: ok([branch("main")]),
  },
  {
    id: "repos/get-branch",
    method: "GET",
    path: `${REPO}/branches/{branch}`,
    answer: ({ places }) => ({ status: 200, body: branch(places.branch!) }),
  },
  {
    id: "git/create-ref",
    method: "POST",
    path: `${REPO}/git/refs`,
    body: object({ ref: { type: "string", pattern: "^refs/[^/]+/.+" }, sha: SHA }, ["ref", "sha"]),
    answer: ({ body }) => {
      const { ref, sha } = body as { ref: string; sha: string }
      return {
        status: 201,
        body: {
          ref,
          node_id: "R1",
          url: "https://api.example/ref",
          object: { type: "commit", sha, url: "https://api.example/c" },
        },
      }
    },
  },
  {
    id: "git/get-ref",
    method: "GET",
    path: `${REPO}/git/ref/{+ref}`,
    answer: ({ places }) => ({
      status: 200,
      body: { ref: `refs/${places.ref}`, object: { type: "commit", sha: commit(1).sha } },
    }),
  },
  {
    id: "issues/get",
    method: "GET",
    path: `${REPO}/issues/{issue_number}`,
    answer: ({ places }) => ({ status: 200, body: issue(Number(places.issue_number)) }),
  },
  {
    id: "issues/list-for-repo",
    method: "GET",
    path: `${REPO}/issues`,
    query: {
      milestone: STRING,
      state: oneOf("open", "closed", "all"),
      assignee: STRING,
      type: STRING,
      creator: STRING,
      mentioned: STRING,
      labels: STRING,
      sort: oneOf("created", "updated", "comments"),
      direction: DIRECTION,
      since: TIME,
      ...PAGE,
    },
    answer: ok([issue(1), issue(2)]),
  },
  {
    id: "issues/create",
    method: "POST",
    path: `${REPO}/issues`,
    body: object({ title: { type: ["string", "integer"] }, ...ISSUE_BODY }, ["title"]),
    answer: created(issue(3)),
  },
  {
    id: "issues/update",
    method: "PATCH",
    path: `${REPO}/issues/{issue_number}`,
    body: object({
      title: { type: ["string", "integer", "null"] },
      state: oneOf("open", "closed"),
      state_reason: oneOf("completed", "not_planned", "duplicate", "reopened"),
      ...ISSUE_BODY,
    }),
    answer: ok(issue(3)),
  },
  {
    id: "issues/create-comment",
    method: "POST",
    path: `${REPO}/issues/{issue_number}/comments`,
    body: object({ body: STRING }, ["body"]),
    answer: ({ body }) => ({ status: 201, body: comment((body as { body: string }).body) }),
  },
  {
    id: "issues/list-comments",
    method: "GET",
    path: `${REPO}/issues/{issue_number}/comments`,
    query: { since: TIME, ...PAGE },
    answer: ok([comment("one")]),
  },
  { id: "repos/get", method: "GET", path: REPO, answer: ok(REPOSITORY) },
  {
    id: "repos/list-for-authenticated-user",
    method: "GET",
    path: "/user/repos",
    query: {
      visibility: oneOf("all", "public", "private"),
      affiliation: {
        type: "string",
        pattern: "^(owner|collaborator|organization_member)(,(owner|collaborator|organization_member))*$",
      },
      type: oneOf("all", "owner", "public", "private", "member"),
      sort: oneOf("created", "updated", "pushed", "full_name"),
      direction: DIRECTION,
      ...PAGE,
    },
    answer: ok([REPOSITORY]),
  },
  {
    id: "repos/list-for-user",
    method: "GET",
    path: "/users/{username}/repos",
    query: {
      type: oneOf("all", "owner", "member"),
      sort: oneOf("created", "updated", "pushed", "full_name"),
      direction: DIRECTION,
      ...PAGE,
    },
    answer: ok([REPOSITORY]),
  },
  {
    id: "repos/list-for-org",
    method: "GET",
    path: "/orgs/{org}/repos",
    query: {
      type: oneOf("all", "public", "private", "forks", "sources", "member"),
      sort: oneOf("created", "updated", "pushed", "full_name"),
      direction: DIRECTION,
      ...PAGE,
    },
    answer: ok([REPOSITORY]),
  },
  {
    id: "repos/get-content",
    method: "GET",
    path: `${REPO}/contents/{+path}`,
    query: { ref: STRING },
    answer: ({ places }) => ({ status: 200, body: content(places.path!, "Hej, världen\n") }),
  },
  {
    id: "repos/create-or-update-file-contents",
    method: "PUT",
    path: `${REPO}/contents/{+path}`,
    body: object({ message: STRING, content: BASE64, sha: SHA, branch: STRING, committer: PERSON, author: PERSON }, [
      "message",
      "content",
    ]),
    answer: ({ places }) => ({ status: 200, body: written(places.path!) }),
  },
  {
    id: "repos/delete-file",
    method: "DELETE",
    path: `${REPO}/contents/{+path}`,
    body: object({ message: STRING, sha: SHA, branch: STRING, committer: PERSON, author: PERSON }, ["message", "sha"]),
    answer: ok({ ...written("gone"), content: null }),
  },
  {
    id: "repos/list-commits",
    method: "GET",
    path: `${REPO}/commits`,
    query: { sha: STRING, path: STRING, author: STRING, committer: STRING, since: TIME, until: TIME, ...PAGE },
    answer: ok([commit(1)]),
  },
  {
    id: "repos/compare-commits-with-basehead",
    method: "GET",
    path: `${REPO}/compare/{base}...{head}`,
    query: PAGE,
    answer: ok({ status: "ahead", ahead_by: 1, behind_by: 0, total_commits: 1, commits: [commit(1)], files: [file("a.txt")] }),
  },
  {
    id: "repos/list-tags",
    method: "GET",
    path: `${REPO}/tags`,
    query: PAGE,
    answer: ok([{ name: "v1", commit: { sha: commit(1).sha }, node_id: "T1" }]),
  },
  {
    id: "repos/create-fork",
    method: "POST",
    path: `${REPO}/forks`,
    body: object({ organization: STRING, name: STRING, default_branch_only: BOOLEAN }),
    answer: () => ({ status: 202, body: { ...REPOSITORY, fork: true } }),
  },
  search("search/repos", "repositories", ["stars", "forks", "help-wanted-issues", "updated"], REPOSITORY),
  search("search/code", "code", ["indexed"], { name: "a.ts", path: "src/a.ts", sha: commit(1).sha, repository: REPOSITORY }),
  search(
    "search/issues-and-pull-requests",
    "issues",
    [
      ...["comments", "reactions", "reactions-+1", "reactions--1", "reactions-smile", "reactions-thinking_face"],
      ...["reactions-heart", "reactions-tada", "interactions", "created", "updated"],
    ],
    issue(1),
    { advanced_search: oneOf("true", "false") },
  ),
  search("search/users", "users", ["followers", "repositories", "joined"], USER),
  { id: "users/get-by-username", method: "GET", path: "/users/{username}", answer: ok(USER) },
  { id: "users/get-authenticated", method: "GET", path: "/user", answer: ok(USER) },
  {
    id: "rate-limit/get",
    method: "GET",
    path: "/rate_limit",
    answer: ok({ rate: { limit: 5000, remaining: 4999, reset: 1_790_000_000 } }),
  },
]

/** What GitHub wants in the head of every request. */
export function githubHeaderProblems(token: string): (headers: Headers) => readonly string[] {
  const wanted = {
    authorization: `Bearer ${token}`,
    accept: "application/vnd.github+json",
    "x-github-api-version": "2022-11-28",
  }
  return headers => [
    ...Object.entries(wanted).flatMap(([name, value]) => (headers.get(name) === value ? [] : [`${name} is not ${value}`])),
    ...(headers.get("user-agent") ? [] : ["no user-agent, which GitHub answers with 403"]),
  ]
}
