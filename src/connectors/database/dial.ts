import { connect, isIP, type Socket } from "node:net"
import { connect as connectTls } from "node:tls"
import type { Outgoing } from "../../adapters/egress/egress.ts"
import { EgressRefused } from "../../adapters/egress/errors.ts"

/** The connection could not be made, or ended. The message holds no more than the host and a system's code. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost"
}

/** The other side does not speak the protocol, or asks for what is never given. Trying again does not help. */
export class WireFault extends Error {
  override readonly name = "WireFault"
}

export interface Target {
  readonly host: string
  readonly port: number
}

/** A connection to exactly an address that egress has vetted. A driver gets it ready made and never resolves a name. */
export interface Dialled {
  readonly socket: Socket
  readonly address: string
}

/** Looks the host up through egress, then tries its addresses in turn. */
export async function dial(outgoing: Outgoing, target: Target, signal: AbortSignal): Promise<Dialled> {
  const addresses = await orAborted(outgoing.addresses(target.host, target.port), signal)
  let failure: unknown
  for (const address of addresses) {
    try {
      return { socket: await dialAddress(address, target, signal), address }
    } catch (error) {
      if (signal.aborted) throw error
      failure = error
    }
  }
  throw failure ?? new EgressRefused(`${target.host} has no address`)
}

/** To an address that was vetted before. */
export function dialAddress(address: string, target: Target, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const socket = connect({ host: address, port: target.port })
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
      reject(brokenBy(error, target))
    }
    signal.addEventListener("abort", onAbort, { once: true })
    socket.once("error", onError)
    socket.once("connect", () => {
      settled()
      socket.setNoDelay(true)
      resolve(socket)
    })
  })
}

/** Encrypted from here on, with the certificate checked against the name; of protocols that begin so. */
export function secured(socket: Socket, target: Target, ca: string | undefined): Promise<Socket> {
  const { host } = target
  return new Promise((resolve, reject) => {
    const servername = isIP(host) === 0 ? { servername: host } : {}
    const tls = connectTls({ socket, host, ...servername, ...(ca === undefined ? {} : { ca }) })
    const fail = (error: Error) => {
      socket.destroy()
      reject(brokenBy(error, target))
    }
    socket.once("close", () => fail(new Error("closed")))
    tls.once("error", fail)
    tls.once("secureConnect", () => {
      tls.removeListener("error", fail)
      resolve(tls)
    })
  })
}

/** What an error of a socket means, without what it may repeat of the other side. */
export function brokenBy(error: unknown, { host, port }: Target): ConnectionLost | WireFault {
  const code = error instanceof Error && "code" in error ? String(error.code) : ""
  const message = error instanceof Error ? error.message : ""
  if (/CERT|SELF_SIGNED|ISSUER|ALTNAME|UNABLE_TO/.test(code) || /certificate/i.test(message))
    return new WireFault(`the certificate of ${host}:${port} is not trusted (${/^\w+$/.test(code) ? code : "CERT_INVALID"})`)
  const why = /^[A-Z][A-Z0-9_]+$/.test(code) ? code : "the connection broke"
  return new ConnectionLost(`${host}:${port} could not be reached: ${why}`)
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
