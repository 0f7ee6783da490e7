import type { AdapterRow } from "./catalog-data.ts"

/** Connectors that the hosted product does not have: a graph that uses one runs here only (S-1). */
export const OWN_ADAPTERS: readonly AdapterRow[] = [
  {
    slug: "http",
    name: "HTTP",
    category: "web",
    auth: "api_key",
    description: "One HTTP request to any service: all methods, the usual ways to sign in, all pages of a list.",
    tools: "http_request",
    config:
      "base_url auth=none|bearer|basic|api_key_header|api_key_query token! username password! api_key! api_key_name=X-API-Key",
    notes: {
      base_url: "The address that paths are below, e.g. https://api.example.com/v1. Credentials go to its host alone.",
      auth: "How requests to base_url are signed in.",
      token: "For bearer.",
      username: "For basic.",
      password: "For basic.",
      api_key: "For api_key_header and api_key_query.",
      api_key_name: "The header or the query parameter that carries api_key.",
    },
  },
  {
    slug: "files",
    name: "Files",
    category: "files",
    auth: "none",
    description: "Reads, writes, lists and deletes files under one folder of this machine.",
    tools: "files_read files_write files_list files_delete",
    config: "files_root files_allow_write=false",
    notes: {
      files_root:
        "Folder that the paths are in. Empty: the project's own folder. Relative to that folder, or a folder that the operator allows.",
      files_allow_write: "Whether files_write and files_delete may change anything.",
    },
  },
  {
    slug: "time",
    name: "Time",
    category: "data",
    auth: "none",
    description: "Now, and parsing, adding and formatting of times in any time zone.",
    tools: "time_now time_parse time_add time_format",
    config: "",
  },
]
