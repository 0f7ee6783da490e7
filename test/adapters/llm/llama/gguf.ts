const LAYERS = 2
const WIDTH = 64
const HEADS = 4
const HIDDEN = 128
export const CONTEXT = 1_024

/** Kinds of values in a GGUF file. */
const U32 = 4
const I32 = 5
const F32 = 6
const TEXT = 8
const ARRAY = 9

/**
 * A Llama of two layers with random weights and a vocabulary of bytes, as a GGUF file of half a megabyte. It has nothing to say, but
 * says it as large models do: through a tokenizer, a sampler, a context that ends and a grammar.
 */
export function tinyLlama(seed: number): Uint8Array<ArrayBuffer> {
  const tokens = [
    "<unk>",
    "<s>",
    "</s>",
    ...Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`),
    "▁",
  ]
  const kinds = tokens.map((_, i) => (i === 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1))
  const facts: readonly (readonly [
    name: string,
    kind: number,
    value: string | number | readonly (string | number)[],
    of?: number,
  ])[] = [
    ["general.architecture", TEXT, "llama"],
    ["general.name", TEXT, "tiny"],
    ["llama.context_length", U32, CONTEXT],
    ["llama.embedding_length", U32, WIDTH],
    ["llama.block_count", U32, LAYERS],
    ["llama.feed_forward_length", U32, HIDDEN],
    ["llama.attention.head_count", U32, HEADS],
    ["llama.attention.head_count_kv", U32, HEADS],
    ["llama.attention.layer_norm_rms_epsilon", F32, 1e-5],
    ["llama.rope.dimension_count", U32, WIDTH / HEADS],
    ["llama.vocab_size", U32, tokens.length],
    ["tokenizer.ggml.model", TEXT, "llama"],
    ["tokenizer.ggml.tokens", ARRAY, tokens, TEXT],
    ["tokenizer.ggml.scores", ARRAY, tokens.map((_, i) => -i), F32],
    ["tokenizer.ggml.token_type", ARRAY, kinds, I32],
    ["tokenizer.ggml.bos_token_id", U32, 1],
    ["tokenizer.ggml.eos_token_id", U32, 2],
    ["tokenizer.ggml.unknown_token_id", U32, 0],
  ]
  const block = (i: number): [string, number[]][] => [
    [`blk.${i}.attn_norm.weight`, [WIDTH]],
    ...["attn_q", "attn_k", "attn_v", "attn_output"].map((name): [string, number[]] => [
      `blk.${i}.${name}.weight`,
      [WIDTH, WIDTH],
    ]),
    [`blk.${i}.ffn_norm.weight`, [WIDTH]],
    [`blk.${i}.ffn_gate.weight`, [WIDTH, HIDDEN]],
    [`blk.${i}.ffn_up.weight`, [WIDTH, HIDDEN]],
    [`blk.${i}.ffn_down.weight`, [HIDDEN, WIDTH]],
  ]
  const tensors: [string, number[]][] = [
    ["token_embd.weight", [WIDTH, tokens.length]],
    ["output_norm.weight", [WIDTH]],
    ["output.weight", [WIDTH, tokens.length]],
    ...Array.from({ length: LAYERS }, (_, i) => block(i)).flat(),
  ]
  return file(facts, tensors, seed)
}

type Facts = readonly (readonly [string, number, string | number | readonly (string | number)[], number?])[]

function file(facts: Facts, tensors: readonly [string, number[]][], seed: number): Uint8Array<ArrayBuffer> {
  const parts: Buffer[] = [Buffer.from("GGUF"), u32(3), u64(tensors.length), u64(facts.length)]
  for (const [name, kind, value, of = 0] of facts) {
    parts.push(text(name), u32(kind))
    if (Array.isArray(value)) parts.push(u32(of), u64(value.length), ...value.map(one => scalar(of, one)))
    else parts.push(scalar(kind, value as string | number))
  }
  let offset = 0
  for (const [name, shape] of tensors) {
    parts.push(text(name), u32(shape.length), ...shape.map(u64), u32(0), u64(offset))
    offset += padded(shape.reduce((a, b) => a * b, 4))
  }
  const head = Buffer.concat(parts)
  const whole = Buffer.alloc(padded(head.length) + offset)
  head.copy(whole)
  let at = padded(head.length)
  let state = seed
  for (const [name, shape] of tensors) {
    const count = shape.reduce((a, b) => a * b, 1)
    for (let i = 0; i < count; i++) {
      state = (state * 1_664_525 + 1_013_904_223) >>> 0
      whole.writeFloatLE(name.includes("norm") ? 1 : (state / 2 ** 32 - 0.5) * 0.2, at + i * 4)
    }
    at += padded(count * 4)
  }
  return new Uint8Array(whole)
}

function padded(bytes: number): number {
  return Math.ceil(bytes / 32) * 32
}

function scalar(kind: number, value: string | number): Buffer {
  if (typeof value === "string") return text(value)
  const bytes = Buffer.alloc(4)
  if (kind === F32) bytes.writeFloatLE(value)
  else if (kind === I32) bytes.writeInt32LE(value)
  else bytes.writeUInt32LE(value)
  return bytes
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([u64(bytes.length), bytes])
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}
