import { type HtmlPage, htmlPage, htmlText, scriptValue } from "../../http/html-page.ts"
import { PASSWORD_MIN_CHARS } from "./password.ts"

export interface InstanceFacts {
  /** Host and port as people see it. */
  readonly host: string
  readonly version: string
}

export function homePage({ host, version }: InstanceFacts): HtmlPage {
  return htmlPage({
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
  return htmlPage({
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
      submit(async v => showPlaces(await send("/v1/auth/setup", { token: ${scriptValue(token)}, email: v.email, password: v.password, name: v.name })))`,
  })
}

export function invitePage(token: string, email: string | null): HtmlPage {
  return htmlPage({
    title: "You are invited",
    body: `
      <p class="lead">Choose a password to join. If you have an account here already, enter its password.</p>
      ${form("Join", [email === null ? EMAIL : EMAIL.replace("required", `required readonly value="${htmlText(email)}"`), NAME, NEW_PASSWORD])}
      ${done(`<h2>You are in</h2><p>You are signed in. The <a href="/docs">API explorer</a> has every route.</p><dl id="where"></dl>`)}`,
    script: `${SUBMIT}
      submit(async v => {
        const token = ${scriptValue(token)}
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
  return htmlPage({
    title: "Sign in",
    body: `
      ${form("Sign in", [EMAIL, PASSWORD])}
      ${done(`<h2>You are signed in</h2><p>The <a href="/docs">API explorer</a> has every route.</p><dl id="where"></dl>`)}`,
    script: `${SUBMIT}
      submit(async v => showPlaces(await send("/v1/auth/login", { email: v.email, password: v.password })))`,
  })
}

export function resetPage(token: string): HtmlPage {
  return htmlPage({
    title: "New password",
    body: `
      ${form("Set password", [NEW_PASSWORD])}
      ${done(`<h2>Your password is set</h2><p>Now <a href="/login">sign in</a> with it.</p>`)}`,
    script: `${SUBMIT}
      submit(v => send("/v1/auth/reset-password", { token: ${scriptValue(token)}, password: v.password }))`,
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
  return htmlPage({ title: "This link is over", body: `<p class="lead">It was used already, or it is too old.</p>${next[help]}` })
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
