import type { ServerDirectory } from "../../../src/modules/mcp/remote-server.ts"

/** A workspace without registered servers. */
export const NO_SERVERS: ServerDirectory = {
  find: async () => null,
  findByUrl: async () => null,
  list: async () => [],
  current: async server => server.tools,
  latest: (_, server) => server.tools,
  toolServer: () => {
    throw new Error("there are none")
  },
}
