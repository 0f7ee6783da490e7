/** `<https://api.example.com/items?page=2>; rel="next"` among the links of an answer from `from`. */
export function nextLink(headers: Headers, from: URL): URL | null {
  for (const [, target, parameters] of (headers.get("link") ?? "").matchAll(/<([^<>]*)>([^<]*)/g)) {
    const rel = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,]+))/i.exec(parameters ?? "")
    if (/(^|\s)next(\s|$)/i.test(rel?.[1] ?? rel?.[2] ?? "")) return URL.parse(target ?? "", from)
  }
  return null
}
