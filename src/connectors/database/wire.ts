import { connect as connectTcp, isIP, type Socket } from "node:net"
import { connect as connectTls, type PeerCertificate, type TLSSocket } from "node:tls"
import type { Outgoing } from "../../adapters/egress/egress.ts"
import { EgressRefused } from "../../adapters/egress/errors.ts"
import { READ_AHEAD_MAX_BYTES } from "./limits.ts"

/** The connection could not be made, or ended. The message holds no more than the host and a system's code. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost"
}

/** The other side does not speak the protocol, or asks for what is never given. Trying again does not help. */
export class WireFault extends Error {
  override readonly name = "WireFault"
}

export interface WireTarget {
  readonly host: string
  readonly port: number
}

export interface TlsTerms {
  /** Trusted besides the usual authorities. */
  readonly ca?: string | undefined
  /** False: encrypted, whoever it is that answers. */
  readonly verify: boolean
}

/**
 * A connection to a server of another protocol than HTTP: bytes out, bytes in as they are asked for. It is made to exactly
 * an address that egress has vetted; the name serves for the certificate alone.
 *
 * The drivers that Bun 1.4.5 has are not used, as measured: its SQL reads all rows into memory (111 to 173 MB for 100,000 rows
 * of 1 KB), cuts microseconds, makes one of two columns of the same name, and does not cancel a statement of MySQL; its Redis
 * client loses bytes that are no text and whole numbers beyond 2^53.
 */
export class Wire {
  #socket: Socket
  #chunks: Buffer[] = []
  #length = 0
  #waiter: { readonly need: number; readonly resolve: () => void; readonly reject: (error: Error) => void } | null = null
  #failure: Error | null = null
  /** The certificate of the other side was checked. */
  verified = false

  private constructor(
    socket: Socket,
    readonly target: WireTarget,
    readonly address: string,
  ) {
    this.#socket = socket
    socket.setNoDelay(true)
    this.#listen(socket)
  }

  /** Looks the host up through egress, then tries its addresses in turn. */
  static async open(outgoing: Outgoing, target: WireTarget, signal: AbortSignal): Promise<Wire> {
    const addresses = await orAborted(outgoing.addresses(target.host, target.port), signal)
    let failure: unknown
    for (const address of addresses) {
      try {
        return await Wire.to(address, target, signal)
      } catch (error) {
        if (signal.aborted) throw error
        failure = error
      }
    }
    throw failure ?? new EgressRefused(`${target.host} has no address`)
  }

  /** To an address that was vetted before. */
  static to(address: string, target: WireTarget, signal: AbortSignal): Promise<Wire> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const socket = connectTcp({ host: address, port: target.port })
      const settled = () => {
        signal.removeEventListener("abort", onAbort)
        socket.removeListener("error", onError)
      }
      const onAbort = () => {
        settled()
        socket.on("error", () => {})
        socket.destroy()
        reject(signal.reason)
      }
      const onError = (error: Error) => {
        settled()
        reject(lost(target, error))
      }
      signal.addEventListener("abort", onAbort, { once: true })
      socket.once("error", onError)
      socket.once("connect", () => {
        settled()
        resolve(new Wire(socket, target, address))
      })
    })
  }

  get open(): boolean {
    return this.#failure === null
  }

  send(bytes: Uint8Array): void {
    if (this.#failure) throw this.#failure
    this.#socket.write(bytes)
  }

  /** The next `need` bytes, when they are there. */
  async take(need: number): Promise<Buffer> {
    if (this.#length < need) await this.#fill(need)
    return this.#cut(need)
  }

  /** The next `need` bytes if they are there already. */
  takeNow(need: number): Buffer | null {
    return this.#length < need ? null : this.#cut(need)
  }

  /** From here on encrypted. */
  async secure({ ca, verify }: TlsTerms): Promise<void> {
    // Bytes that came before the handshake would count as encrypted: somebody in between could have put them there.
    if (this.#length > 0) throw new WireFault(`${this.#name} sent data before the encryption that was agreed on`)
    const plain = this.#socket
    plain.removeAllListeners("data")
    plain.removeAllListeners("close")
    plain.removeAllListeners("error")
    const { host } = this.target
    const secured = await new Promise<TLSSocket>((resolve, reject) => {
      const socket = connectTls({
        socket: plain,
        host,
        ...(isIP(host) === 0 ? { servername: host } : {}),
        ...(ca === undefined ? {} : { ca }),
        rejectUnauthorized: verify,
      })
      const fail = (error: Error) => {
        plain.destroy()
        reject(verify && isCertificateProblem(error) ? new WireFault(this.#mistrust(error)) : lost(this.target, error))
      }
      plain.once("close", () => fail(new Error("closed")))
      socket.once("error", fail)
      socket.once("close", () => fail(new Error("closed")))
      socket.once("secureConnect", () => {
        plain.removeAllListeners("close")
        socket.removeAllListeners("error")
        socket.removeAllListeners("close")
        resolve(socket)
      })
    }).catch(error => {
      this.destroy(error)
      throw error
    })
    this.#socket = secured
    this.verified = verify
    this.#listen(secured)
  }

  /** What the other side showed, for protocols that compare it. */
  certificate(): PeerCertificate | null {
    return "getPeerCertificate" in this.#socket ? (this.#socket as TLSSocket).getPeerCertificate() : null
  }

  destroy(reason: Error = new ConnectionLost(`the connection to ${this.#name} is closed`)): void {
    this.#failure ??= reason
    this.#chunks = []
    this.#length = 0
    this.#socket.destroy()
    this.#waiter?.reject(this.#failure)
    this.#waiter = null
  }

  /** Says nothing more, and closes when what was said is sent. */
  end(bytes: Uint8Array): void {
    if (this.#failure) return
    this.#failure = new ConnectionLost(`the connection to ${this.#name} is closed`)
    this.#socket.end(bytes)
    this.#socket.resume()
    setTimeout(() => this.#socket.destroy(), 1_000).unref()
  }

  get #name(): string {
    return `${this.target.host}:${this.target.port}`
  }

  #mistrust(error: Error): string {
    const code = "code" in error ? String(error.code) : "CERT_INVALID"
    return `the certificate of ${this.#name} is not trusted (${/^\w+$/.test(code) ? code : "CERT_INVALID"})`
  }

  #listen(socket: Socket): void {
    socket.on("data", (chunk: Buffer) => {
      if (this.#failure) return
      this.#chunks.push(chunk)
      this.#length += chunk.length
      const waiter = this.#waiter
      if (waiter && this.#length >= waiter.need) {
        this.#waiter = null
        waiter.resolve()
      }
      if (this.#length > READ_AHEAD_MAX_BYTES && !this.#waiter) socket.pause()
    })
    socket.on("error", error => this.destroy(lost(this.target, error)))
    socket.on("close", () => this.destroy(new ConnectionLost(`${this.#name} closed the connection`)))
  }

  async #fill(need: number): Promise<void> {
    if (this.#failure) throw this.#failure
    await new Promise<void>((resolve, reject) => {
      this.#waiter = { need, resolve, reject }
      this.#socket.resume()
    })
  }

  #cut(need: number): Buffer {
    const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks)
    this.#chunks = all.length === need ? [] : [all.subarray(need)]
    this.#length -= need
    return all.subarray(0, need)
  }
}

/** What is waited for, or the signal's reason as soon as it is aborted. */
export function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(signal.reason)
    const onAbort = () => reject(signal.reason)
    signal.addEventListener("abort", onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort))
  })
}

const CODE = /^[A-Z][A-Z0-9_]+$/

function lost({ host, port }: WireTarget, error: Error): ConnectionLost {
  const code = "code" in error ? String(error.code) : ""
  return new ConnectionLost(`${host}:${port} could not be reached: ${CODE.test(code) ? code : "the connection broke"}`)
}

function isCertificateProblem(error: Error): boolean {
  const code = "code" in error ? String(error.code) : ""
  return /CERT|SELF_SIGNED|ISSUER|ALTNAME|UNABLE_TO/.test(code) || /certificate/i.test(error.message)
}
