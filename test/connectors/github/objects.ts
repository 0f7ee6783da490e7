/** GitHub's objects, with the properties that matter here and some of the many addresses that they carry. */
const api = (path: string) => `https://api.github.com/${path}`

export const USER = {
  login: "octocat",
  id: 1,
  type: "User",
  url: api("users/octocat"),
  html_url: "https://github.com/octocat",
  site_admin: false,
}

export const REPOSITORY = {
  id: 10,
  name: "hello",
  full_name: "octocat/hello",
  private: false,
  owner: USER,
  html_url: "https://github.com/octocat/hello",
  url: api("repos/octocat/hello"),
  clone_url: "https://github.com/octocat/hello.git",
  keys_url: api("repos/octocat/hello/keys{/key_id}"),
  default_branch: "main",
  fork: false,
}

export function commit(n: number) {
  return {
    sha: String(n).padStart(40, "a"),
    url: api(`commits/${n}`),
    commit: { message: `commit ${n}` },
    author: USER,
    parents: [],
  }
}

export function branch(name: string) {
  return { name, commit: commit(1), protected: false, protection_url: api("protection") }
}

export function pull(number: number) {
  const side = (ref: string) => ({ label: `octocat:${ref}`, ref, sha: commit(number).sha, user: USER, repo: REPOSITORY })
  return {
    number,
    state: "open",
    title: `pull ${number}`,
    body: null,
    draft: false,
    user: USER,
    url: api(`pulls/${number}`),
    html_url: `https://github.com/octocat/hello/pull/${number}`,
    head: side("topic"),
    base: side("main"),
    _links: { self: { href: api(`pulls/${number}`) } },
  }
}

export function issue(number: number) {
  return {
    number,
    state: "open",
    title: `issue ${number}`,
    body: "text",
    labels: [{ id: 1, name: "bug" }],
    user: USER,
    assignees: [],
    comments: 0,
    url: api(`issues/${number}`),
    html_url: `https://github.com/octocat/hello/issues/${number}`,
  }
}

export function comment(body: string) {
  return {
    id: 5,
    body,
    user: USER,
    html_url: "https://github.com/octocat/hello/issues/1#issuecomment-5",
    created_at: "2026-01-01T00:00:00Z",
  }
}

export function file(filename: string) {
  return { sha: commit(3).sha, filename, status: "modified", additions: 1, deletions: 0, changes: 1, patch: "@@ -1 +1,2 @@" }
}

/** As GitHub sends it: base64 in lines of sixty characters. */
export function content(path: string, text: string | Uint8Array) {
  const base64 = Buffer.from(text as string).toString("base64")
  return {
    type: "file",
    encoding: "base64",
    size: Buffer.byteLength(text as string),
    name: path.split("/").at(-1) ?? "",
    path,
    content: base64.replaceAll(/.{1,60}/g, line => `${line}\n`),
    sha: commit(9).sha,
    url: api(`contents/${path}`),
    html_url: `https://github.com/octocat/hello/blob/main/${path}`,
    download_url: `https://raw.githubusercontent.com/octocat/hello/main/${path}`,
  }
}

export function written(path: string) {
  return { content: { name: path, path, sha: commit(8).sha }, commit: { sha: commit(4).sha, message: "done" } }
}

export function searchOf(item: object) {
  return { total_count: 1, incomplete_results: false, items: [{ ...item, score: 1 }] }
}
