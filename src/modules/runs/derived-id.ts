/** A UUID (RFC 9562, version 8) that depends on the text alone. */
export function uuidOf(text: string): string {
  const bytes = new Bun.CryptoHasher("sha256").update(text).digest().subarray(0, 16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x80
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = bytes.toString("hex")
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** Of an event: the same at every reading, so it need not be stored with each of millions of rows. */
export function eventId(runId: string, seq: number): string {
  return uuidOf(`${runId}:${seq}`)
}
