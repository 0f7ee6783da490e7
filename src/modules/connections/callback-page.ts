import { randomBytes } from "node:crypto"
import type { OAuthFlow } from "./oauth-states.ts"

/** A page as it is sent: everything in one file, nothing from elsewhere. */
export interface HtmlPage {
  readonly html: string
  readonly headers: Readonly<Record<string, string>>
}

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
  return page({
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
  return page({ title: "Not connected", body: `<p>${htmlText(why)} Begin again where you began.</p>` })
}

const STYLE = `
  :root { color-scheme: light dark }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; box-sizing: border-box;
    font: 16px/1.55 system-ui, sans-serif; background: Canvas; color: CanvasText }
  main { width: 100%; max-width: 28rem } h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 1rem }
  dd { margin: 0 0 .5rem; font: .9em ui-monospace, monospace; overflow-wrap: anywhere; user-select: all }
  [hidden] { display: none }`

/** The nonce lets in this page's own style and script alone. */
function page({ title, body, script }: { title: string; body: string; script?: string }): HtmlPage {
  const nonce = randomBytes(16).toString("base64url")
  const html = `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>${title}</title>
  <style nonce="${nonce}">${STYLE}
  </style>
</head>
<body>
  <main>
    <h1>${title}</h1>
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
      // The address holds the code: it stays between this browser and the server.
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
function scriptValue(value: unknown): string {
  return JSON.stringify(value).replaceAll("<", "\\u003c")
}
