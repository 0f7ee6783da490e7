/** As much of an answer as anybody would show, as text; the rest is not waited for. */
export async function beginningOf({ body }: Response, maxBytes: number): Promise<string> {
  const parts: Uint8Array[] = []
  let bytes = 0
  const reader = body?.getReader()
  while (reader !== undefined && bytes < maxBytes) {
    const { done, value } = await reader.read()
    if (done) break
    parts.push(value)
    bytes += value.length
  }
  await reader?.cancel()
  return Buffer.concat(parts).subarray(0, maxBytes).toString("utf8")
}
