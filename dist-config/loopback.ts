// Switches the loopback interface on: in a fresh network namespace it is off. Linux only; needs no program for it.
import { dlopen, FFIType, ptr } from "bun:ffi"

const LIBRARIES = ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`]
const AF_INET = 2
const SOCK_DGRAM = 2
const SIOCSIFFLAGS = 0x8914
const IFF_UP_AND_RUNNING = 0x41
/** `struct ifreq`: 16 bytes of name, then a union that begins with the flags. */
const IFREQ_BYTES = 40
const FLAGS_AT = 16

function openLibrary() {
  const { i32, u64, ptr: pointer } = FFIType
  const symbols = {
    socket: { args: [i32, i32, i32], returns: i32 },
    ioctl: { args: [i32, u64, pointer], returns: i32 },
  } as const
  for (const name of LIBRARIES) {
    try {
      return dlopen(name, symbols)
    } catch {
      // The other C library.
    }
  }
  throw new Error(`none of ${LIBRARIES.join(", ")} is here`)
}

const { symbols } = openLibrary()
const request = Buffer.alloc(IFREQ_BYTES)
request.write("lo")
request.writeInt16LE(IFF_UP_AND_RUNNING, FLAGS_AT)
const socket = symbols.socket(AF_INET, SOCK_DGRAM, 0)
if (symbols.ioctl(socket, SIOCSIFFLAGS, ptr(request)) !== 0) throw new Error("the loopback interface could not be switched on")
