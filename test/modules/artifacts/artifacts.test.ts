import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { ArtifactOrigin } from "../../../src/kernel/artifact.ts"
import { ARTIFACT_MAX_BYTES } from "../../../src/kernel/limits.ts"
import { type Caller, openWorld, type Place, type World } from "../../helpers/app.ts"

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

const DAY_MS = 86_400_000
const bytesOf = (text: string) => new TextEncoder().encode(text)
const origin = (change: Partial<ArtifactOrigin> = {}): ArtifactOrigin => ({
  ...{ runId: "run-1", stepId: "draw", name: "a picture.png", mimeType: "image/png" },
  ...change,
})
const keep = (bytes: string | Uint8Array, change: Partial<ArtifactOrigin> = {}, place: Place = world.places.first) =>
  world.app.artifacts.keep(
    { tenantId: place.tenant, projectId: place.project },
    origin(change),
    typeof bytes === "string" ? bytesOf(bytes) : bytes,
  )
const get = (path: string, caller: Caller = world.byPat(world.people.viewer)) => world.call(caller, "GET", `/v1/artifacts${path}`)
const remove = (id: string) => world.call(world.as(world.people.contributor), "DELETE", `/v1/artifacts/${id}`)
const files = () =>
  readdirSync(world.deps.directory.blobs, { recursive: true })
    .map(String)
    .filter(name => name.length > 2)
const hash = (text: string) => new Bun.CryptoHasher("sha256").update(text).digest("hex")

describe("an artifact", () => {
  test("that a step kept is described, listed by its run, and given back byte for byte", async () => {
    const bytes = crypto.getRandomValues(new Uint8Array(100_000))
    const runId = crypto.randomUUID()

    const kept = await keep(bytes, { runId })

    expect(kept).toEqual({
      id: kept.id,
      url: `http://127.0.0.1:8420/v1/artifacts/${kept.id}/content`,
      size_bytes: 100_000,
      mime_type: "image/png",
    })
    const { body } = await get(`/${kept.id}`)
    expect(body).toMatchObject({ ...kept, name: "a picture.png", run_id: runId, step_id: "draw" })
    expect((await get(`?run_id=${runId}`)).body).toEqual({ artifacts: [body], total: 1, limit: 20, offset: 0 })
    expect((await get("?run_id=another")).body.total).toBe(0)
    const path = `http://localhost/v1/artifacts/${kept.id}/content`
    const headers = { authorization: `Bearer ${world.people.viewer.pat}` }
    const content = await world.app.http.handle(new Request(path, { headers }))
    expect(Buffer.from(await content.arrayBuffer()).equals(bytes)).toBe(true)
    expect(content.headers.get("etag")).toBe(`"${body.sha256}"`)
  })

  test("kept again by a repeated attempt is the same one; of another step, run, name or project it is another, and the bytes lie there once", async () => {
    const first = await keep("twice")
    expect(await keep("twice")).toEqual(first)

    const others = await Promise.all([
      keep("twice", { stepId: "other" }),
      keep("twice", { runId: null }),
      keep("twice", { name: null }),
      keep("twice", {}, world.places.second),
      keep("twice", {}, world.places.otherTenant),
    ])

    expect(new Set([first.id, ...others.map(o => o.id)]).size).toBe(6)
    expect(files().filter(f => f.includes(hash("twice")))).toEqual([join(hash("twice").slice(0, 2), hash("twice"))])
  })

  test("is deleted with its bytes only when nothing else has the same", async () => {
    const [one, two] = [await keep("shared", { stepId: "one" }), await keep("shared", { stepId: "two" })]

    expect((await remove(one.id)).status).toBe(204)
    expect((await get(`/${two.id}/content`)).text).toBe("shared")
    expect((await remove(two.id)).status).toBe(204)

    expect((await get(`/${two.id}`)).status).toBe(404)
    expect((await remove(two.id)).status).toBe(404)
    expect(files().filter(f => f.includes(hash("shared")))).toEqual([])
  })

  test("kept and deleted at the same time from all sides never loses its bytes", async () => {
    for (let round = 0; round < 20; round++) {
      const old = await keep("contended", { stepId: `old ${round}` })
      const [kept] = await Promise.all([keep("contended", { stepId: `new ${round}` }), remove(old.id)])
      expect((await get(`/${kept.id}/content`)).text).toBe("contended")
      await remove(kept.id)
    }
  })

  test("of no bytes is one, too", async () => {
    const kept = await keep("")
    expect((await get(`/${kept.id}/content`)).text).toBe("")
  })
})

describe("to a browser", () => {
  test("whatever could run is a download of bytes in a sandbox, by whatever type and name it came", async () => {
    const script = "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    const hostile = [
      "text/html",
      "TEXT/HTML; charset=utf-8",
      "image/svg+xml",
      "application/xhtml+xml",
      "text/xml",
      "application/pdf",
      "text/javascript",
      "multipart/x-mixed-replace; boundary=x",
      "image/png\r\nset-cookie: a=b",
      "image/png, text/html",
      "",
      "nonsense",
      `image/${"x".repeat(5_000)}`,
    ]
    for (const mimeType of hostile) {
      const kept = await keep(script, { mimeType })
      const { headers } = await get(`/${kept.id}/content`)
      expect({ mimeType, served: headers.get("content-type") }).toEqual({ mimeType, served: "application/octet-stream" })
      expect(headers.get("content-disposition")).toStartWith("attachment;")
      expect(headers.get("content-security-policy")).toContain("sandbox")
      expect(headers.get("x-content-type-options")).toBe("nosniff")
      expect(headers.get("set-cookie")).toBeNull()
    }
    const { headers } = await get(`/${(await keep("x", { mimeType: "Image/PNG; q=1" })).id}/content`)
    expect(headers.get("content-type")).toBe("image/png")
    expect(headers.get("content-disposition")).toStartWith("attachment;")
  })

  test("the name of the download is the last part of what was given, in letters that no header and no file system minds", async () => {
    const named = async (name: string | null) => {
      const kept = await keep(`named ${name}`, { name })
      return {
        name: (await get(`/${kept.id}`)).body.name,
        header: (await get(`/${kept.id}/content`)).headers.get("content-disposition")!.replaceAll(kept.id, "ID"),
      }
    }
    expect(await named("../../etc/passwd")).toEqual({
      name: "passwd",
      header: `attachment; filename="passwd"; filename*=UTF-8''passwd`,
    })
    expect((await named("C:\\Windows\\win.ini")).name).toBe("win.ini")
    expect((await named('a"\r\nset-cookie: x=y;.png')).header).toBe(
      `attachment; filename="a__set-cookie_ x_y_.png"; filename*=UTF-8''a%22_set-cookie%3A%20x%3Dy%3B.png`,
    )
    expect((await named("Übersicht 日本.pdf")).header).toBe(
      `attachment; filename="_bersicht __.pdf"; filename*=UTF-8''%C3%9Cbersicht%20%E6%97%A5%E6%9C%AC.pdf`,
    )
    expect((await named("invoice\u202egnp.exe")).name).toBe("invoice_gnp.exe")
    expect((await named("half \ud800 pair")).name).toBe("half \ufffd pair")
    expect((await named("😀".repeat(5_000))).name).toBe("😀".repeat(150))
    for (const nothing of [null, "", " ", ".", "..", "../", "/"]) {
      expect(await named(nothing)).toEqual({ name: null, header: `attachment; filename="ID"; filename*=UTF-8''ID` })
    }
  })
})

describe("another project, or an id that nobody has,", () => {
  test("is answered 404, whatever the id looks like", async () => {
    const kept = await keep("mine")
    const stranger = world.as(world.people.otherProject, world.places.second)
    for (const id of [kept.id, crypto.randomUUID(), hash("mine"), "..%2f..%2fmaster.key", "%00", "a".repeat(3_000)]) {
      for (const path of [`/${id}`, `/${id}/content`]) {
        const { status, body } = await get(path, stranger)
        expect([path.slice(0, 60), status, body.error]).toEqual([path.slice(0, 60), 404, "there is no such artifact"])
      }
    }
  })
})

describe("what cannot be kept", () => {
  test("because it is too large is told with the limit, and leaves nothing", async () => {
    const before = files().length
    const large = keep(new Uint8Array(ARTIFACT_MAX_BYTES + 1))
    expect(large).rejects.toThrow("one artifact may have 32 MiB, and this has 33")
    await large.catch(() => {})
    expect(files().length).toBe(before)
  })

  test("because the data directory is broken fails that call, not the server", async () => {
    const prefix = hash("no place").slice(0, 2)
    const folder = join(world.deps.directory.blobs, prefix)
    rmSync(folder, { recursive: true, force: true })
    writeFileSync(folder, "a file where a folder belongs")
    const refused = keep("no place")
    expect(refused).rejects.toThrow()
    await refused.catch(() => {})
    rmSync(folder)
    expect((await keep("no place")).size_bytes).toBe(8)
  })
})

describe("content that is gone or cut short on disk", () => {
  test("is told as such, and made whole when it is kept again", async () => {
    const kept = await keep("was whole")
    const path = join(world.deps.directory.blobs, hash("was whole").slice(0, 2), hash("was whole"))
    for (const spoil of [() => writeFileSync(path, "was"), () => rmSync(path)]) {
      spoil()
      const { status, body } = await get(`/${kept.id}/content`)
      expect([status, body.code]).toEqual([410, "ARTIFACT_CONTENT_LOST"])
      expect((await get(`/${kept.id}`)).status).toBe(200)
      expect((await keep("was whole")).id).toBe(kept.id)
      expect((await get(`/${kept.id}/content`)).text).toBe("was whole")
    }
  })
})

describe("the sweep", () => {
  test("takes what was kept long enough, orphans and half-written files, and nothing else", async () => {
    const old = await keep("old")
    const shared = await keep("old and new", { stepId: "old" })
    world.time.now += 29 * DAY_MS
    const young = await keep("young")
    const sharing = await keep("old and new", { stepId: "new" })
    const blobs = world.deps.directory.blobs
    const orphan = hash("orphan")
    await world.app.artifacts.sweep(world.time.now)
    expect((await get(`/${old.id}`)).status).toBe(200)
    mkdirSync(join(blobs, orphan.slice(0, 2)), { recursive: true })
    writeFileSync(join(blobs, orphan.slice(0, 2), orphan), "orphan")
    writeFileSync(join(blobs, hash("young").slice(0, 2), `${orphan}.7.part`), "half")

    world.time.now += 2 * DAY_MS
    await world.app.artifacts.sweep(world.time.now)

    for (const gone of [old, shared]) expect((await get(`/${gone.id}`)).status).toBe(404)
    expect((await get(`/${young.id}/content`)).text).toBe("young")
    expect((await get(`/${sharing.id}/content`)).text).toBe("old and new")
    expect(files().filter(f => f.includes(orphan) || f.includes(hash("old")))).toEqual([])
  })
})
