/** For logs and answers: a query, and a user name before the host, are where receivers keep their secrets. */
export function maskedUrl(text: string): string {
  const url = URL.parse(text)
  return url === null ? "…" : `${url.origin}${url.pathname}${url.search === "" ? "" : "?…"}`
}
