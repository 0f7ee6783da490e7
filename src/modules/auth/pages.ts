import { randomBytes } from "node:crypto"
import { PASSWORD_MIN_CHARS } from "./password.ts"

/** A page as it is sent: everything in one file, nothing from elsewhere. */
export interface HtmlPage {
  readonly html: string
  readonly headers: Readonly<Record<string, string>>
}

export interface InstanceFacts {
  /** Host and port as people see it. */
  readonly host: string
  readonly version: string
}

export function homePage({ host, version }: InstanceFacts): HtmlPage {
  return page({
    title: "AgentRuntime",
    body: `
      <p class="lead">This instance runs at <strong>${htmlText(host)}</strong>.</p>
      <ul class="links">
        <li><a href="/docs">API explorer</a><span>every route, to read and to try</span></li>
        <li><a href="/login">Sign in</a><span>with e-mail and password</span></li>
        <li><a href="/health/ready">Health</a><span>whether it is ready for work</span></li>
      </ul>
      <p class="small">Version ${htmlText(version)}</p>`,
  })
}

export function setupPage(token: string): HtmlPage {
  return page({
    title: "Set up this instance",
    body: `
      <p class="lead">Choose the e-mail and password with which you will sign in. You become the admin of this workspace.</p>
      ${form("Set up", [EMAIL, NAME, NEW_PASSWORD])}
      ${done(`
        <h2>You are signed in</h2>
        <p>Next time, sign in at <a href="/login">/login</a>, or with <code>POST /v1/auth/login</code>.</p>
        <p>The <a href="/docs">API explorer</a> has every route. For scripts, make a personal access token with <code>POST /v1/pats</code>
        and send it as <code>Authorization: Bearer pat_…</code></p>
        <dl id="where"></dl>`)}`,
    script: `${SUBMIT}
      submit(async v => showPlaces(await send("/v1/auth/setup", { token: ${scriptString(token)}, email: v.email, password: v.password, name: v.name })))`,
  })
}

export function invitePage(token: string, email: string | null): HtmlPage {
  return page({
    title: "You are invited",
    body: `
      <p class="lead">Choose a password to join. If you have an account here already, enter its password.</p>
      ${form("Join", [email === null ? EMAIL : EMAIL.replace("required", `required readonly value="${htmlText(email)}"`), NAME, NEW_PASSWORD])}
      ${done(`<h2>You are in</h2><p>You are signed in. The <a href="/docs">API explorer</a> has every route.</p><dl id="where"></dl>`)}`,
    script: `${SUBMIT}
      submit(async v => {
        const token = ${scriptString(token)}
        try {
          showPlaces(await send("/v1/auth/register", { invite_token: token, email: v.email, password: v.password, name: v.name }))
        } catch (error) {
          if (error.code !== "EMAIL_TAKEN") throw error
          await send("/v1/auth/login", { email: v.email, password: v.password })
          showPlaces(await send("/v1/tenants/invites/accept", { token }))
        }
      })`,
  })
}

export function loginPage(): HtmlPage {
  return page({
    title: "Sign in",
    body: `
      ${form("Sign in", [EMAIL, PASSWORD])}
      ${done(`<h2>You are signed in</h2><p>The <a href="/docs">API explorer</a> has every route.</p><dl id="where"></dl>`)}`,
    script: `${SUBMIT}
      submit(async v => showPlaces(await send("/v1/auth/login", { email: v.email, password: v.password })))`,
  })
}

export function resetPage(token: string): HtmlPage {
  return page({
    title: "New password",
    body: `
      ${form("Set password", [NEW_PASSWORD])}
      ${done(`<h2>Your password is set</h2><p>Now <a href="/login">sign in</a> with it.</p>`)}`,
    script: `${SUBMIT}
      submit(v => send("/v1/auth/reset-password", { token: ${scriptString(token)}, password: v.password }))`,
  })
}

/** For a link that was used, replaced or is too old. `help` says where a new one comes from. */
export function linkOverPage(help: "setup" | "invite" | "password_reset"): HtmlPage {
  const next = {
    setup: `<p>Restart the server to get a new link (as long as nobody has an account, it prints one), or run <code>agentruntime init</code>
      on the machine. If you have set your password already, <a href="/login">sign in</a>.</p>`,
    invite: `<p>Ask whoever invited you for a new link. If you have joined already, <a href="/login">sign in</a>.</p>`,
    password_reset: `<p>Ask the operator of this instance for a new link.</p>`,
  }
  return page({ title: "This link is over", body: `<p class="lead">It was used already, or it is too old.</p>${next[help]}` })
}

const field = (label: string, attributes: string) => `<label>${label}<input ${attributes}></label>`
const EMAIL = field("E-mail", `name="email" type="email" autocomplete="username" required`)
const NAME = field("Your name <span>(optional)</span>", `name="name" autocomplete="name" maxlength="100"`)
const PASSWORD = field("Password", `name="password" type="password" autocomplete="current-password" required`)
const NEW_PASSWORD = field(
  `Password <span>(at least ${PASSWORD_MIN_CHARS} characters)</span>`,
  `name="password" type="password" autocomplete="new-password" minlength="${PASSWORD_MIN_CHARS}" required`,
)

const form = (button: string, fields: readonly string[]) => `
  <form id="form" method="post">
    ${fields.join("\n    ")}
    <p id="error" role="alert" hidden></p>
    <button type="submit">${button}</button>
    <noscript><p>This form needs JavaScript.</p></noscript>
  </form>`

const done = (body: string) => `<section id="done" tabindex="-1" hidden>${body}</section>`

/** Sends the form's values; the answer's sentence is shown where it failed. */
const SUBMIT = `
  const byId = id => document.getElementById(id)
  async function send(path, body) {
    const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) })
    const data = await answer.json().catch(() => ({}))
    if (!answer.ok) throw Object.assign(new Error(data.error || "the server did not answer as expected"), { code: data.code })
    return data
  }
  function showPlaces(me) {
    for (const tenant of me.tenants || []) for (const project of tenant.projects) {
      const rows = [["X-Tenant-Id", tenant.id], ["X-Project-Id", project.id]]
      for (const [name, value] of rows) {
        byId("where").append(Object.assign(document.createElement("dt"), { textContent: name }))
        byId("where").append(Object.assign(document.createElement("dd"), { textContent: value }))
      }
    }
  }
  function submit(work) {
    byId("form").addEventListener("submit", async event => {
      event.preventDefault()
      const button = byId("form").querySelector("button")
      button.disabled = true
      byId("error").hidden = true
      try {
        await work(Object.fromEntries(new FormData(byId("form"))))
        byId("form").hidden = true
        document.querySelector(".lead")?.remove()
        history.replaceState(null, "", location.pathname)
        byId("done").hidden = false
        byId("done").focus()
      } catch (error) {
        byId("error").textContent = error.message
        byId("error").hidden = false
      } finally {
        button.disabled = false
      }
    })
  }`

const STYLE = `
  :root { color-scheme: light dark; --line: #8884; --field: #8a8a8a; --soft: #6b6b6b; --accent: #3257d5; --ink: #fff; --bad: #b3261e }
  @media (prefers-color-scheme: dark) { :root { --soft: #9a9a9a; --accent: #9db4ff; --ink: #10141f; --bad: #ff9a92 } }
  * { box-sizing: border-box }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem;
    font: 16px/1.55 system-ui, sans-serif; background: Canvas; color: CanvasText }
  main { width: 100%; max-width: 26rem }
  h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 1rem; letter-spacing: -.01em }
  h2 { font-size: 1.15rem; margin: 0 0 .5rem }
  .lead { margin: 0 0 1.5rem } .small, span { color: var(--soft); font-size: .875rem; font-weight: 400 }
  a { color: var(--accent) }
  label { display: block; margin: 0 0 1rem; font-weight: 550 }
  input { display: block; width: 100%; margin-top: .3rem; padding: .6rem .7rem; font: inherit; font-weight: 400; color: inherit;
    background: transparent; border: 1px solid var(--field); border-radius: .5rem }
  input[readonly] { color: var(--soft) }
  button { width: 100%; padding: .65rem 1rem; font: inherit; font-weight: 600; border: 0; border-radius: .5rem; background: var(--accent);
    color: var(--ink); cursor: pointer }
  button:disabled { opacity: .6; cursor: progress }
  :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px } section:focus { outline: 0 }
  #error { color: var(--bad); margin: 0 0 1rem }
  code, dd { font: .9em ui-monospace, monospace; overflow-wrap: anywhere }
  dl { display: grid; grid-template-columns: auto 1fr; gap: .25rem 1rem; margin: 1rem 0 0 } dt { color: var(--soft) } dd { margin: 0 }
  .links { list-style: none; margin: 0 0 1.5rem; padding: 0; border-top: 1px solid var(--line) }
  .links li { display: flex; flex-wrap: wrap; gap: 0 .75rem; justify-content: space-between; padding: .7rem 0; border-bottom: 1px solid var(--line) }
  [hidden] { display: none }`

interface PageParts {
  readonly title: string
  readonly body: string
  readonly script?: string
}

/** The nonce lets in this page's own style and script, and nothing that came in by another way. */
function page({ title, body, script }: PageParts): HtmlPage {
  const nonce = randomBytes(16).toString("base64url")
  const html = `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>${htmlText(title)}</title>
  <style nonce="${nonce}">${STYLE}
  </style>
</head>
<body>
  <main>
    <h1>${htmlText(title)}</h1>
    ${body.trim()}
  </main>${script ? `\n  <script nonce="${nonce}">${script}\n  </script>` : ""}
</body>
</html>
`
  return {
    html,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy":
        `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'; connect-src 'self'; ` +
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
      // The address may hold a one-time token: it stays between this browser and the server.
      "referrer-policy": "no-referrer",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
    },
  }
}

function htmlText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")
}

/** A literal for an inline script; `<` could end the script. */
function scriptString(text: string): string {
  return JSON.stringify(text).replaceAll("<", "\\u003c")
}
