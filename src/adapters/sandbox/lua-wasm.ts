import { readFileSync } from "node:fs"
import wasmPath from "wasmoon/dist/glue.wasm" with { type: "file" }
import { assert } from "../../kernel/errors.ts"

/** A `lua_State*`, or any other address in the machine's memory. */
export type Pointer = number

/** The C API as the module exports it: every argument and answer is a number (or an i64 as BigInt), no wrapping. */
export interface LuaApi {
  lua_absindex(L: Pointer, index: number): number
  lua_callk(L: Pointer, args: number, results: number, context: number, k: Pointer): void
  lua_checkstack(L: Pointer, slots: number): number
  lua_createtable(L: Pointer, arraySize: number, recordSize: number): void
  lua_error(L: Pointer): number
  lua_getfield(L: Pointer, index: number, name: Pointer): number
  lua_getglobal(L: Pointer, name: Pointer): number
  lua_gettop(L: Pointer): number
  lua_isinteger(L: Pointer, index: number): number
  lua_next(L: Pointer, index: number): number
  lua_pcallk(L: Pointer, args: number, results: number, handler: number, context: number, k: Pointer): number
  lua_pushboolean(L: Pointer, value: number): void
  lua_pushcclosure(L: Pointer, fn: number, upvalues: number): void
  lua_pushinteger(L: Pointer, value: bigint): void
  lua_pushlstring(L: Pointer, text: Pointer, bytes: number): Pointer
  lua_pushnil(L: Pointer): void
  lua_pushnumber(L: Pointer, value: number): void
  lua_pushvalue(L: Pointer, index: number): void
  lua_rawequal(L: Pointer, a: number, b: number): number
  lua_rawget(L: Pointer, index: number): number
  lua_rawlen(L: Pointer, index: number): bigint
  lua_rawset(L: Pointer, index: number): void
  lua_rawseti(L: Pointer, index: number, n: bigint): void
  lua_rotate(L: Pointer, index: number, n: number): void
  lua_setfield(L: Pointer, index: number, name: Pointer): void
  lua_setglobal(L: Pointer, name: Pointer): void
  lua_setmetatable(L: Pointer, index: number): number
  lua_settop(L: Pointer, index: number): void
  lua_toboolean(L: Pointer, index: number): number
  lua_tolstring(L: Pointer, index: number, bytes: Pointer): Pointer
  lua_tonumberx(L: Pointer, index: number, ok: Pointer): number
  lua_topointer(L: Pointer, index: number): Pointer
  lua_type(L: Pointer, index: number): number
  luaL_argerror(L: Pointer, argument: number, message: Pointer): number
  luaL_checktype(L: Pointer, argument: number, type: number): void
  luaL_checklstring(L: Pointer, argument: number, bytes: Pointer): Pointer
  luaL_getmetafield(L: Pointer, index: number, name: Pointer): number
  luaL_loadbufferx(L: Pointer, text: Pointer, bytes: number, name: Pointer, mode: Pointer): number
  luaL_newstate(): Pointer
  luaL_requiref(L: Pointer, name: Pointer, open: number, global: number): void
  luaL_where(L: Pointer, level: number): void
  luaopen_base(L: Pointer): number
  luaopen_math(L: Pointer): number
  luaopen_string(L: Pointer): number
  luaopen_table(L: Pointer): number
  malloc(bytes: number): Pointer
  free(address: Pointer): void
}

interface RuntimeExports extends LuaApi {
  readonly memory: WebAssembly.Memory
  readonly __indirect_function_table: WebAssembly.Table
  __wasm_call_ctors(): void
  emscripten_stack_init(): void
  emscripten_stack_get_base(): Pointer
  emscripten_stack_get_end(): Pointer
  setThrew(value: number, kind: number): void
  stackSave(): Pointer
  stackRestore(address: Pointer): void
}

const PAGE_BYTES = 64 * 1024
/** Strings up to this many UTF-8 bytes pass through one fixed buffer; longer ones through a block of their own. */
const SCRATCH_BYTES = 64 * 1024
const ENOSYS = 52

/** What `longjmp` throws, and what `setjmp` (inside `invoke_vii`) catches. Not an Error: no stack is recorded. */
const LONGJMP = Symbol("longjmp")

/** The machine's memory is used up to its limit. Passes through Lua's own `pcall`. */
export class LuaMemoryExhausted extends Error {
  override readonly name = "LuaMemoryExhausted"
}

/**
 * Lua 5.4 in WebAssembly, with no other way out than the imports below: no files, no environment, no clock but the date.
 * The module is wasmoon's; its own glue is not used, because it brings a file system, reads the environment, writes to the
 * console, does not let memory be capped, and its call wrappers cost more than the calls.
 */
export class LuaWasm {
  readonly api: LuaApi
  /** Views of the memory; replaced when it grows, so never kept across a call that may allocate. */
  bytes: Uint8Array
  words: Uint32Array
  /** A buffer for JSON text on its way out, kept for the next one. */
  output = new Uint8Array(SCRATCH_BYTES)
  /** A fixed buffer of SCRATCH_BYTES for strings on their way in; its last word takes the lengths of `lua_tolstring`. */
  readonly #scratch: Pointer
  readonly lengthOut: Pointer
  readonly #exports: RuntimeExports
  readonly #table: WebAssembly.Table
  readonly #functions: Function[] = []
  readonly #stackTop: Pointer
  #snapshot: { readonly at: number; readonly bytes: Uint8Array }[] = []

  constructor(readonly memoryMaxBytes: number) {
    const instance = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(wasmPath)), this.#imports())
    this.#exports = instance.exports as unknown as RuntimeExports // what the pinned module exports; the tests call all of it
    this.api = this.#exports
    this.#table = this.#exports.__indirect_function_table
    this.bytes = new Uint8Array(this.#exports.memory.buffer)
    this.words = new Uint32Array(this.#exports.memory.buffer)
    this.#exports.emscripten_stack_init()
    this.#exports.__wasm_call_ctors()
    this.#stackTop = this.#exports.stackSave()
    this.#scratch = this.api.malloc(SCRATCH_BYTES)
    this.lengthOut = this.api.malloc(8)
  }

  /** Memory taken from the host so far; it never shrinks. */
  get memoryBytes(): number {
    return this.bytes.length
  }

  /** Makes a JavaScript function callable as a `lua_CFunction`; answers its index in the function table. */
  addFunction(fn: (L: Pointer) => number): number {
    const typed = new WebAssembly.Instance(new WebAssembly.Module(I32_TO_I32), { e: { f: fn } }).exports.f
    const index = this.#table.grow(1)
    this.#table.set(index, typed)
    return index
  }

  /** A C string that lives as long as the machine. */
  constant(text: string): Pointer {
    const encoded = new TextEncoder().encode(`${text}\0`)
    const address = this.api.malloc(encoded.length)
    assert(address !== 0, "no memory for a constant")
    this.bytes.set(encoded, address)
    return address
  }

  /** Hands the UTF-8 form of `text` to `use`; a lone surrogate becomes U+FFFD. The address is good during the call only. */
  withText<T>(text: string, use: (address: Pointer, bytes: number) => T): T {
    const most = text.length * 3
    const size = most <= SCRATCH_BYTES ? most : Buffer.byteLength(text) + 3
    return this.withBuffer(size, address => use(address, this.#write(text, address, size)))
  }

  /** Hands out room for so many bytes, which is there during the call only; one such call at a time. */
  withBuffer<T>(size: number, use: (address: Pointer) => T): T {
    if (size <= SCRATCH_BYTES) return use(this.#scratch)
    const address = this.api.malloc(size)
    if (address === 0) throw new LuaMemoryExhausted("a text does not fit into the memory")
    try {
      return use(address)
    } finally {
      this.api.free(address)
    }
  }

  #write(text: string, address: Pointer, room: number): number {
    const { bytes } = this
    const { length } = text
    if (length <= 32) {
      let i = 0
      for (; i < length; i++) {
        const unit = text.charCodeAt(i)
        if (unit > 127) break
        bytes[address + i] = unit
      }
      if (i === length) return length
    }
    return ENCODER.encodeInto(text, bytes.subarray(address, address + room)).written
  }

  /** The text at an address; bytes that are not UTF-8 become U+FFFD. */
  text(address: Pointer, length: number): string {
    const { bytes } = this
    if (length <= 24) {
      let text = ""
      let i = 0
      for (; i < length; i++) {
        const byte = bytes[address + i]!
        if (byte > 127) break
        text += String.fromCharCode(byte)
      }
      if (i === length) return text
    }
    return DECODER.decode(bytes.subarray(address, address + length))
  }

  /** Remembers the memory as it is now (without the C stack and the scratch buffer, which hold nothing between calls). */
  snapshot(): void {
    let end = this.bytes.length
    while (end > 0 && this.bytes[end - 1] === 0) end--
    end = Math.min(this.bytes.length, end + 64)
    const parts: readonly (readonly [number, number])[] = [
      [0, this.#exports.emscripten_stack_get_end()],
      [this.#stackTop, this.#scratch],
      [this.#scratch + SCRATCH_BYTES, end],
    ]
    this.#snapshot = parts
      .filter(([from, to]) => from < to)
      .map(([from, to]) => ({ at: from, bytes: this.bytes.slice(from, to) }))
  }

  /**
   * Puts the memory back to the snapshot, whatever state an error, a trap or a hostile script left it in. It is 46 KiB and
   * takes 1.3 µs, where a fresh Lua state with its libraries takes 14 and would not undo a damaged heap. Nothing of the last
   * script is left that Lua code could reach.
   */
  restore(): void {
    for (const part of this.#snapshot) this.bytes.set(part.bytes, part.at)
    this.#exports.stackRestore(this.#stackTop)
  }

  get snapshotBytes(): number {
    return this.#snapshot.reduce((sum, part) => sum + part.bytes.length, 0)
  }

  #imports(): WebAssembly.Imports {
    const refuse = () => ENOSYS
    const refuseSyscall = () => -ENOSYS
    const env: Record<string, Function> = {
      abort: () => {
        throw new WebAssembly.RuntimeError("the Lua machine aborted")
      },
      exit: () => {
        throw new WebAssembly.RuntimeError("the Lua machine exited")
      },
      invoke_vii: (index: number, a: number, b: number) => this.#invoke(index, a, b),
      _emscripten_throw_longjmp: () => {
        throw LONGJMP
      },
      emscripten_resize_heap: (bytes: number) => this.#grow(bytes >>> 0),
      emscripten_date_now: () => Date.now(),
      _emscripten_get_now_is_monotonic: () => 1,
      strftime: () => 0,
      system: () => -1,
      _mktime_js: () => -1n,
      _localtime_js: () => undefined,
      _gmtime_js: () => undefined,
      _tzset_js: () => undefined,
    }
    for (const name of ["openat", "fcntl64", "ioctl", "dup3", "unlinkat", "rmdir", "renameat", "readlinkat"]) {
      env[`__syscall_${name}`] = refuseSyscall
    }
    const wasi: Record<string, Function> = {}
    for (const name of ["fd_write", "fd_read", "fd_close", "fd_seek", "environ_sizes_get", "environ_get"]) wasi[name] = refuse
    return { env, wasi_snapshot_preview1: wasi } as unknown as WebAssembly.Imports
  }

  /** `setjmp` as emscripten compiles it: calls a function and turns our `longjmp` back into a flag. */
  #invoke(index: number, a: number, b: number): void {
    const stack = this.#exports.stackSave()
    try {
      this.#functions[index] ??= this.#table.get(index) as Function
      this.#functions[index](a, b)
    } catch (error) {
      if (error !== LONGJMP) throw error
      this.#exports.stackRestore(stack)
      this.#exports.setThrew(1, 0)
    }
  }

  #grow(wanted: number): number {
    if (wanted > this.memoryMaxBytes) return 0
    const target = Math.min(this.memoryMaxBytes, Math.max(wanted, Math.ceil(this.bytes.length * 1.25)))
    const pages = Math.ceil((target - this.bytes.length) / PAGE_BYTES)
    try {
      this.#exports.memory.grow(pages)
    } catch {
      return 0 // the host has no more: to Lua the same as the limit
    }
    this.bytes = new Uint8Array(this.#exports.memory.buffer)
    this.words = new Uint32Array(this.#exports.memory.buffer)
    return 1
  }
}

const ENCODER = new TextEncoder()
const DECODER = new TextDecoder("utf-8", { ignoreBOM: true })

/** `(module (func (import "e" "f") (param i32) (result i32)) (export "f" (func 0)))`: gives a JavaScript function a wasm type. */
const I32_TO_I32 = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 6, 1, 96, 1, 127, 1, 127, 2, 7, 1, 1, 101, 1, 102, 0, 0, 7, 5, 1, 1, 102, 0, 0,
])
