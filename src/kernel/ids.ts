/** Where ids and secrets come from; passed in, so that tests and the simulator can fix them. */
export interface Ids {
  /** A fresh UUID, version 7: sortable by time of creation. */
  uuid(): string
  /** `bytes` random bytes as base64url; 32 bytes give 43 characters. */
  secret(bytes: number): string
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

export function isUuid(text: string): boolean {
  return UUID.test(text)
}
