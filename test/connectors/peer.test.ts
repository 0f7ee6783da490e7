import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test"
import { GITHUB, githubHeaderProblems } from "./github/vendor.ts"
import { type Peer, startPeer } from "./peer.ts"
import { RESEND, resendHeaderProblems } from "./resend/vendor.ts"

const HEADERS = {
  authorization: "Bearer t",
  accept: "application/vnd.github+json",
  "x-github-api-version": "2022-11-28",
  "content-type": "application/json",
  "user-agent": "test",
}

let github: Peer
let resend: Peer
beforeAll(() => {
  github = startPeer(GITHUB, githubHeaderProblems("t"))
  resend = startPeer(RESEND, resendHeaderProblems("t"))
})
afterAll(() => Promise.all([github.stop(), resend.stop()]))
beforeEach(() => {
  github.problems.length = 0
  resend.problems.length = 0
})

async function problems(peer: Peer, method: string, path: string, body?: unknown, headers: object = {}): Promise<string> {
  const init = { method, headers: { ...HEADERS, ...headers }, ...(body !== undefined && { body: JSON.stringify(body) }) }
  await fetch(peer.base + path, init)
  return peer.problems.splice(0).join("; ")
}

test("a peer takes what its vendor takes", async () => {
  expect(await problems(github, "GET", "/repos/o/r/pulls?state=all&per_page=100")).toBe("")
  expect(await problems(github, "PUT", "/repos/o/r/contents/a/b.txt", { message: "m", content: "AAEC" })).toBe("")
  expect(await problems(resend, "POST", "/emails", { from: "A <a@b.example>", to: ["c@d.example"], subject: "s" })).toBe("")
})

test("a peer refuses what its vendor would refuse", async () => {
  for (const [peer, method, path, body, headers, problem] of [
    [github, "GET", "/repos/o/r/pulls/", undefined, {}, "no operation"],
    [github, "DELETE", "/repos/o/r", undefined, {}, "no operation"],
    [github, "GET", "/repos/o/r/pulls?stat=all", undefined, {}, "unknown query parameter stat"],
    [github, "GET", "/repos/o/r/pulls?state=some", undefined, {}, "state in the query is wrong"],
    [github, "GET", "/repos/o/r/pulls?per_page=101", undefined, {}, "per_page"],
    [github, "GET", "/repos/o/r/pulls?page=1&page=2", undefined, {}, "twice"],
    [github, "GET", "/search/code", undefined, {}, "q is missing"],
    [github, "POST", "/repos/o/r/issues", { body: "b" }, {}, "title"],
    [github, "POST", "/repos/o/r/issues", { title: "t", titel: "t" }, {}, "the body"],
    [github, "POST", "/repos/o/r/git/refs", { ref: "main", sha: "1" }, {}, "the body"],
    [github, "POST", "/repos/o/r/issues", { title: "t" }, { "content-type": "text/plain" }, "application/json"],
    [github, "GET", "/user", undefined, { authorization: "token t" }, "authorization"],
    [github, "GET", "/user", undefined, { "x-github-api-version": "" }, "x-github-api-version"],
    [resend, "POST", "/emails", { from: "nobody", to: "a@b.example", subject: "s" }, {}, "/from"],
    [resend, "POST", "/emails", { from: "a@b.example", to: [], subject: "s" }, {}, "/to"],
    [resend, "POST", "/emails", { from: "a@b.example", to: "a@b.example", subject: "s", replyTo: "x" }, {}, "the body"],
    [resend, "GET", "/audiences?limit=1", undefined, {}, "unknown query parameter limit"],
    [resend, "GET", "/audiences", undefined, { "idempotency-key": "k".repeat(257) }, "idempotency-key"],
  ] as const) {
    expect([path, await problems(peer, method, path, body, headers)]).toEqual([path, expect.stringContaining(problem)])
  }
})
