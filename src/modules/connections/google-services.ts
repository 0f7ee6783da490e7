/** A service of Google that an adapter of the same slug uses. */
export interface GoogleService {
  readonly service: string
  readonly label: string
  readonly scopes: readonly string[]
}

const API = "https://www.googleapis.com/auth/"

/** Whose account it is. */
export const IDENTITY_SCOPES: readonly string[] = ["openid", "email"]

/**
 * The least scopes with which all documented tools of each adapter work. Copying a file that somebody else made, which the
 * templates of Docs, Slides and Forms are, needs all of Drive.
 */
const SERVICES: readonly (readonly [service: string, label: string, scopes: string])[] = [
  ["gmail", "Gmail", "gmail.send gmail.readonly"],
  ["google-drive", "Google Drive", "drive"],
  ["google-sheets", "Google Sheets", "spreadsheets drive.readonly"],
  ["google-calendar", "Google Calendar", "calendar.events calendar.freebusy calendar.calendarlist"],
  ["google-docs", "Google Docs", "documents drive"],
  ["google-slides", "Google Slides", "presentations drive"],
  ["google-tasks", "Google Tasks", "tasks"],
  ["google-form", "Google Forms", "forms.body forms.responses.readonly drive"],
  // Its adapter has an API key of its own.
  ["google-search", "Google Search", ""],
  ["google-search-console", "Google Search Console", "webmasters"],
]

/** By service; `overrides` are the operator's scopes, from the setting `google.scopes`. */
export function googleServices(overrides: Readonly<Record<string, readonly string[]>>): ReadonlyMap<string, GoogleService> {
  return new Map(
    SERVICES.map(([service, label, scopes]) => {
      const own = scopes.split(" ").filter(scope => scope !== "")
      return [service, { service, label, scopes: overrides[service] ?? own.map(scope => API + scope) }]
    }),
  )
}
