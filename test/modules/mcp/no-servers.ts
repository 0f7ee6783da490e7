import type { ServerDirectory } from "../../../src/modules/mcp/remote-server.ts"

/** A workspace without registered servers. */
export const NO_SERVERS: ServerDirectory = {
  find: async () => null,
  findByUrl: async () => null,
  list: async () => [],
  current: async ({ tools }) => ({ tools }),
  latest: (_, server) => server.tools,
  reach: async () => ({ ok: false, message: "there are none", retryable: false }),
  toolServer: () => {
    throw new Error("there are none")
  },
}
