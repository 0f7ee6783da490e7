import { randomBytes } from "node:crypto"

/** A page as it is sent: everything in one file, nothing from elsewhere. */
export interface HtmlPage {
  readonly html: string
  readonly headers: Readonly<Record<string, string>>
}

/** What a route answers with, as far as a page sets it. */
export interface PageAnswer {
  status?: number | string
  headers: Record<string, string | number | string[] | undefined>
}

export function sentPage({ html, headers }: HtmlPage, set: PageAnswer): string {
  Object.assign(set.headers, headers)
  return html
}

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

export interface PageParts {
  readonly title: string
  readonly body: string
  readonly script?: string
}

/** The nonce lets in this page's own style and script, and nothing that came in by another way. */
export function htmlPage({ title, body, script }: PageParts): HtmlPage {
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
      // The address may hold a one-time token or a code: it stays between this browser and the server.
      "referrer-policy": "no-referrer",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
    },
  }
}

export function htmlText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")
}

/** A literal for an inline script; `<` could end the script. */
export function scriptValue(value: unknown): string {
  return JSON.stringify(value).replaceAll("<", "\\u003c")
}
