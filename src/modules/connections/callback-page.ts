import { type HtmlPage, htmlPage, htmlText, scriptValue } from "../../http/html-page.ts"
import type { OAuthFlow } from "./oauth-states.ts"

/** What the service sent the browser with, and what it belongs to. */
export interface Arrival {
  readonly flow: OAuthFlow
  readonly tenantId: string
  readonly projectId: string
  readonly code: string
  readonly state: string
  readonly iss: string | null
}

/**
 * Ends the sign-in from the browser that came back, as whoever is signed in there: the API judges whether that is who began
 * it. Whoever is not signed in here gets what to paste where they began.
 */
export function arrivalPage({ flow, tenantId, projectId, code, state, iss }: Arrival): HtmlPage {
  const request = {
    path: `/v1/connections/${flow}/complete`,
    tenantId,
    projectId,
    body: { code, state, ...(iss === null ? {} : { iss }) },
  }
  return htmlPage({
    title: "Connecting",
    body: `
      <p id="lead" role="status">One moment …</p>
      <div id="paste" hidden>
        <p>This browser is not signed in here as the person who began. If that was you, paste these where you began, or sign in
        at <a href="/login">/login</a> and load this page again. Give them to nobody else.</p>
        <dl><dt>code</dt><dd>${htmlText(code)}</dd><dt>state</dt><dd>${htmlText(state)}</dd></dl>
      </div>`,
    script: `
      const request = ${scriptValue(request)}
      const say = text => { document.getElementById("lead").textContent = text }
      fetch(request.path, {
        method: "POST",
        headers: { "content-type": "application/json", "x-tenant-id": request.tenantId, "x-project-id": request.projectId },
        body: JSON.stringify(request.body),
      }).then(async answer => {
        const body = await answer.json()
        if (answer.ok) {
          document.title = "Connected"
          document.querySelector("h1").textContent = "Connected"
          return say((body.account ?? body.display_name) + " is connected. You can close this window.")
        }
        say(answer.status === 401 ? "Not connected yet." : "Not connected: " + body.error)
        document.getElementById("paste").hidden = answer.status !== 401 && body.code !== "OAUTH_STATE_INVALID"
      }).catch(() => say("Not connected: the server did not answer. Load this page again."))`,
  })
}

/** `reason`: the service's name of its error, or nothing. */
export function failedPage(reason: string | null): HtmlPage {
  const why = reason === null ? "This sign-in is unknown, was ended already, or is too old." : `The service answered: ${reason}.`
  return htmlPage({ title: "Not connected", body: `<p>${htmlText(why)} Begin again where you began.</p>` })
}
