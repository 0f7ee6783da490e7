/** In the first bytes, which are ASCII in every encoding that can declare itself. */
const DECLARED = /^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([\w.:-]{1,40})["']/i
const LOOKED_AT_BYTES = 1_024

/**
 * The text of a feed: a byte order mark wins, then the charset of the answer, then the XML declaration, then UTF-8. An
 * encoding that nobody knows is read as UTF-8; what does not fit becomes U+FFFD.
 */
export function feedText(bytes: Uint8Array, contentType: string | null): string {
  return decoderOf(bytes, contentType).decode(bytes)
}

function decoderOf(bytes: Uint8Array, contentType: string | null): TextDecoder {
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder("utf-16be")
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder("utf-16le")
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return new TextDecoder()
  const sent = /;\s*charset\s*=\s*"?([\w.:-]{1,40})/i.exec(contentType ?? "")?.[1]
  const start = new TextDecoder("latin1").decode(bytes.subarray(0, LOOKED_AT_BYTES))
  return decoder(sent) ?? decoder(DECLARED.exec(start)?.[1]) ?? new TextDecoder()
}

function decoder(label: string | undefined): TextDecoder | null {
  if (label === undefined) return null
  try {
    // Text that could be read as ASCII until here is not in UTF-16, whatever it declares.
    return /^utf-?16/i.test(label) ? new TextDecoder() : new TextDecoder(label)
  } catch {
    return null
  }
}
