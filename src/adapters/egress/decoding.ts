import type { Readable, Transform } from "node:stream"
import * as zlib from "node:zlib"

/** Encodings of one answer upon each other. Nobody needs two; more are an attack. */
const LAYERS_MAX = 2

/** `deflate` is zlib's format, as the standard has it. */
const DECODERS: ReadonlyMap<string, () => Transform> = new Map([
  ["gzip", () => zlib.createGunzip()],
  ["x-gzip", () => zlib.createGunzip()],
  ["deflate", () => zlib.createInflate()],
  ["br", () => zlib.createBrotliDecompress()],
  ["zstd", () => zlib.createZstdDecompress()],
])

/** What undoes a `content-encoding`, the outermost first; empty: there is nothing to undo. Null: it is not known here. */
export function decodersOf(encoding: string | null): readonly (() => Transform)[] | null {
  const names = (encoding ?? "").toLowerCase().split(",")
  const layers = names.map(name => name.trim()).filter(name => name !== "" && name !== "identity")
  const decoders = layers.toReversed().map(name => DECODERS.get(name))
  return layers.length <= LAYERS_MAX && decoders.every(decoder => decoder !== undefined) ? decoders : null
}

/** `source` through all of them; an error anywhere is told to `fail`, as a stream does not pass its own on. */
export function decoded(source: Readable, decoders: readonly (() => Transform)[], fail: (error: unknown) => void): Readable {
  return decoders.reduce<Readable>((from, create) => from.pipe(create().on("error", fail)), source)
}
