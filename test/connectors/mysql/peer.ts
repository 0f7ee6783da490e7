import { constants, createHash, generateKeyPairSync, privateDecrypt } from "node:crypto"
import type { Socket } from "node:net"
import { listen } from "../database/listen.ts"

/** What MySQL 8 does when somebody signs in with `caching_sha2_password`, after its documentation; then every command fails with "signed in". */
export async function startSha2Peer(password: string, remembers: boolean, toCommands = failed(1064, "signed in")) {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
  const pem = publicKey.export({ type: "spki", format: "pem" }).toString()
  const nonce = Buffer.from("0123456789abcdefghij", "latin1")
  const seen: Buffer[] = []

  const answer = (socket: Socket) => {
    let step: "proof" | "key" | "secret" | "commands" = "proof"
    return (payload: Buffer, sequence: number) => {
      const send = (bytes: Buffer) => socket.write(packet(bytes, sequence + 1))
      switch (step) {
        case "proof": {
          if (!payload.includes(sha2Proof(password, nonce))) return send(denied)
          if (!remembers) {
            step = "key"
            return send(Buffer.from([0x01, 0x04]))
          }
          step = "commands"
          send(Buffer.from([0x01, 0x03]))
          return socket.write(packet(accepted, sequence + 2))
        }
        case "key":
          step = "secret"
          return send(Buffer.concat([Buffer.from([0x01]), Buffer.from(pem)]))
        case "secret": {
          step = "commands"
          const masked = privateDecrypt({ key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING }, payload)
          const told = Buffer.from(masked.map((byte, i) => byte ^ nonce[i % nonce.length]!)).toString("utf8")
          return send(told === `${password}\0` ? accepted : denied)
        }
        case "commands":
          return send(toCommands)
      }
    }
  }
  const peer = await listen(socket => {
    socket.write(packet(greeting(nonce, "caching_sha2_password"), 0))
    const take = answer(socket)
    let rest = Buffer.alloc(0)
    socket.on("data", chunk => {
      seen.push(chunk)
      rest = Buffer.concat([rest, chunk])
      while (rest.length >= 4 && rest.length >= 4 + rest.readUIntLE(0, 3)) {
        const end = 4 + rest.readUIntLE(0, 3)
        take(rest.subarray(4, end), rest[3]!)
        rest = rest.subarray(end)
      }
    })
  })
  return { ...peer, seen: () => Buffer.concat(seen) }
}

export function packet(payload: Buffer, sequence: number): Buffer {
  const head = Buffer.alloc(4)
  head.writeUIntLE(payload.length, 0, 3)
  head[3] = sequence
  return Buffer.concat([head, payload])
}

export function greeting(nonce: Buffer, plugin: string, more = 0): Buffer {
  const can = 0x00_0a_a2_0d | more
  const head = Buffer.concat([
    Buffer.from([10]),
    Buffer.from("8.4.0\0"),
    Buffer.from([7, 0, 0, 0]),
    nonce.subarray(0, 8),
    Buffer.from([0]),
  ])
  const low = Buffer.from([can & 0xff, (can >> 8) & 0xff, 255, 2, 0, (can >> 16) & 0xff, (can >> 24) & 0xff, 21])
  return Buffer.concat([head, low, Buffer.alloc(10), nonce.subarray(8), Buffer.from([0]), Buffer.from(`${plugin}\0`)])
}

export function failed(number: number, message: string): Buffer {
  return Buffer.concat([Buffer.from([0xff, number & 0xff, number >> 8]), Buffer.from(`#42000${message}`)])
}

export const accepted = Buffer.from([0, 0, 0, 2, 0, 0, 0])
const denied = failed(1045, "Access denied")

function sha2Proof(password: string, nonce: Buffer): Buffer {
  const sha = (...parts: readonly Buffer[]) => createHash("sha256").update(Buffer.concat(parts)).digest()
  const once = sha(Buffer.from(password))
  const other = sha(sha(once), nonce)
  return Buffer.from(once.map((byte, i) => byte ^ other[i]!))
}
