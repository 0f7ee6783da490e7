/** Every bound of the program, by name. Units last. */

const KIB = 1024
const MIB = 1024 * KIB

/** A request body, unless the route says otherwise; larger answers 413. */
export const BODY_MAX_BYTES = 4 * MIB
/** The same for routes that anybody may call: nobody signs in with megabytes. */
export const PUBLIC_BODY_MAX_BYTES = 16 * KIB
/** A delivery to an inbound webhook (contract G-18). */
export const WEBHOOK_BODY_MAX_BYTES = 1 * MIB
/** Deliveries of one subscription that wait to be started; one more is refused. */
export const PARKED_DELIVERIES_MAX = 10_000
export const SUBSCRIPTIONS_PER_PROJECT_MAX = 1_000
/** Headers that are kept of a delivery, and the characters of each. */
export const DELIVERY_HEADERS_MAX = 30
export const DELIVERY_HEADER_MAX_CHARS = 500
/** How far the clock of a sender may be off, ms (contract §6.2). */
export const SIGNATURE_WINDOW_MS = 300_000
/** How long an `Idempotency-Key` of a delivery counts (contract G-18). */
export const DELIVERY_KEY_KEPT_MS = 24 * 3_600_000
export const IDEMPOTENCY_KEY_MAX_CHARS = 300
/** How long the secret before a rotation is good, unless the rotation says otherwise; and at the most. */
export const SECRET_GRACE_DEFAULT_MINUTES = 24 * 60
export const SECRET_GRACE_MAX_MINUTES = 30 * 24 * 60
/** How much of an oversized body is still read, so that its sender gets the answer instead of a broken pipe. */
export const BODY_DRAIN_MAX_BYTES = 16 * MIB
/** Nesting of a JSON body; deeper answers 400. */
export const JSON_MAX_DEPTH = 64
/** Keys and list elements of a JSON body together; more answers 400. */
export const JSON_MAX_KEYS = 200_000
/** A page of a list. */
export const PAGE_DEFAULT = 20
export const PAGE_MAX = 100
/** A page of events. */
export const EVENTS_PAGE_MAX = 1000
/** Data of the events of one page: results may be large, and a page of a thousand of them would not fit in memory. */
export const EVENTS_PAGE_MAX_CHARS = 8 * MIB

export const GRAPH_MAX_STEPS = 1000
export const STEP_ID_MAX_CHARS = 200
export const NAME_MAX_CHARS = 300
export const URL_MAX_CHARS = 2_000
export const DESCRIPTION_MAX_CHARS = 10_000

/** Result of one step (contract G-44): larger is cut and marked `truncated`. */
export const STEP_RESULT_MAX_BYTES = 1 * MIB
/** How often one attempt may ask a person; each answer is handed to it again with the next. */
export const STEP_QUESTIONS_MAX = 200
/** What a step may record of its way (`StepJob.record`): how often, how much at a time, and all of it, as JSON. */
export const STEP_NOTES_MAX = 2_000
export const STEP_NOTE_MAX_CHARS = 1 * MIB
export const STEP_NOTES_MAX_CHARS = 8 * MIB
/** All fields of one step together, with their templates resolved. */
export const STEP_INPUT_MAX_CHARS = 2 * MIB
export const RUN_INPUT_MAX_BYTES = 2 * MIB
/** Runs in memory, which is where a run is while it moves; with more of them new ones are refused for a while. */
export const RUNS_IN_MEMORY_MAX = 100_000
/** Starts that wait for the disk; one more is refused. */
export const STARTS_WAITING_MAX = 5_000
/** Requests and answers that wait for one run; one more is refused. */
export const MAILBOX_MAX = 1_000
/** A boot that was not heard of for so long has lost its runs to the others. */
export const LEASE_MS = 30_000
export const LEASE_RENEW_MS = 10_000
/** A run with so many events behind its last snapshot gets another when it leaves memory. */
export const SNAPSHOT_EVERY_EVENTS = 1_000
/** A larger state is folded from its events each time. */
export const SNAPSHOT_MAX_CHARS = 32 * MIB
/** A larger value of an event or input is stored beside its row, once for each run. */
export const VALUE_INLINE_MAX_BYTES = 32 * KIB

/** What a recorded run keeps: exchanges with models and tools, and of each the request and the answer; larger ones are cut. */
export const RECORDED_EXCHANGES_MAX = 10_000
export const RECORDED_REQUEST_MAX_BYTES = 1 * MIB
export const RECORDED_RESPONSE_MAX_BYTES = 1 * MIB
export const RECORDING_PAGE_MAX_CHARS = 8 * MIB

/** Runs of one replay, how far it looks back for them, and what each may take. */
export const REPLAY_RUNS_MAX = 200
export const REPLAY_LOOK_BACK = 2_000
export const REPLAY_DECISIONS_MAX = 50_000
export const REPLAY_RUN_MAX_MS = 60_000
export const REPLAY_MAX_MS = 10 * 60_000
/** Replays of this process at a time. */
export const REPLAYS_PARALLEL_MAX = 4
/** What a report holds: steps of a run, differences of a step, characters of each value that it shows. */
export const REPLAY_STEPS_MAX = 500
export const REPLAY_DIFFERENCES_MAX = 50
export const REPLAY_VALUE_MAX_CHARS = 2_000

export const LUA_SCRIPT_MAX_BYTES = 64 * KIB
export const LUA_RESULT_MAX_BYTES = 1 * MIB
export const LUA_TIMEOUT_DEFAULT_MS = 5_000
export const LUA_TIMEOUT_MAX_MS = 30_000
/** Memory of the Lua machine of one sandbox child. */
export const LUA_MEMORY_MAX_BYTES = 64 * MIB

export const FOR_EACH_MAX_ITEMS = 500
export const FOR_EACH_PARALLEL_DEFAULT = 10
export const FOR_EACH_PARALLEL_MAX = 100
export const WHILE_MAX_ITERATIONS = 1_000
export const LOOP_ITEM_TIMEOUT_MAX_S = 3_600
/** Runs that start one another by `workflow_call`. */
export const RUN_DEPTH_MAX = 5
/** How long the answer to a start may wait for the run (`Prefer: wait`). Shorter than a connection may be idle. */
export const RUN_WAIT_MAX_MS = 60_000
export const CONNECTION_IDLE_MAX_S = 75
/** A run in which nothing moves, nobody is waited for and no moment is awaited fails after this (contract G-39). */
export const STALL_DEFAULT_MS = 15 * 60_000

/** What a reader of a stream may leave untaken before it is closed. */
export const STREAM_BUFFER_MAX_BYTES = 4 * MIB
/** What is kept of one workflow for readers that are behind; with few of them it is the above for each. */
export const STREAM_BEHIND_MAX_BYTES = 64 * MIB
/** A reader that has so much to take is given nothing more until it took some of it. */
export const STREAM_UNTAKEN_MAX_BYTES = 256 * KIB
/** A reader of the past that takes nothing for so long is closed. */
export const STREAM_STUCK_MAX_MS = 30_000
export const STREAM_REPLAY_PAGE = 500
export const STREAM_PING_MS = 25_000
/** A step shows its progress so often at the most. */
export const PROGRESS_EVERY_MS = 100
/** What a step shows of its progress at a time, as JSON; more is left out. */
export const PROGRESS_MAX_CHARS = 8 * KIB

export const MCP_TIMEOUT_DEFAULT_MS = 60_000
/** How long a server may take to say which tools it has, before a call goes on with those it said last. */
export const MCP_TOOLS_TIMEOUT_MS = 10_000
/** Resolved instances that are kept for the next step, and how long at the most. */
export const MCP_RESOLVED_KEPT_MAX = 10_000
export const MCP_RESOLVED_KEPT_MS = 1_000
export const STEP_TIMEOUT_MAX_S = 86_400
export const RETRY_COUNT_MAX = 20
/** Pause before the n-th retry: 1 s · 2^n ± 20 %, at most this (contract G-9). */
export const RETRY_BASE_MS = 1_000
export const RETRY_MAX_MS = 30_000
/** How long a retry waits because the other side says so (`Retry-After`). */
export const RETRY_AFTER_MAX_MS = 10 * 60_000

/** JSON text that `json.decode` and `json.encode` take and give. */
export const LUA_JSON_MAX_BYTES = 4 * MIB
/** All globals of one script together, as JSON. */
export const LUA_GLOBALS_MAX_CHARS = 16 * MIB
/** The message of a failed script; the rest is cut. */
export const LUA_MESSAGE_MAX_BYTES = 2 * KIB

/** One answer of a sandbox child; a longer one is a fault, and the child is killed. */
export const CHILD_ANSWER_MAX_BYTES = 8 * MIB
/** From starting a sandbox child to its first sign of life. */
export const CHILD_START_MAX_MS = 15_000
/** A sandbox child is replaced after so many jobs. */
export const CHILD_MAX_JOBS = 10_000
/** The same of one for scripts: they come by thousands a second, and its memory is looked at besides. */
export const CHILD_MAX_SCRIPTS = 100_000
/** Jobs given to a child together, and their characters, which must fit into a pipe. */
export const PARCEL_MAX_JOBS = 32
export const PARCEL_MAX_CHARS = 32 * KIB
/** What a parcel may be expected to take: the turn of the next owner is as far away. */
export const PARCEL_MAX_US = 2_000
/** Memory that a child may hold during a job, the machine of the script included; with more it is killed. */
export const LUA_CHILD_MEMORY_MAX_BYTES = 256 * MIB
export const SQLITE_CHILD_MEMORY_MAX_BYTES = 512 * MIB
/** How often the memory of busy children is looked at, and what they cannot even get in between. */
export const CHILD_MEMORY_WATCH_MS = 50
export const CHILD_MEMORY_MARGIN_BYTES = 128 * MIB
/** The end of a child's stderr, kept for the message when it crashes. */
export const CHILD_STDERR_KEPT_BYTES = 2 * KIB
/** Pause before the n-th start in a row that failed: 100 ms · 2^n, at most this. */
export const CHILD_RESTART_MAX_MS = 5_000
/** After so many failed starts in a row the waiting jobs fail too. */
export const CHILD_START_ATTEMPTS = 3
/** Scripts of one project that may wait for a child; one more is refused. */
export const LUA_WAITING_MAX = 10_000

/** An outgoing request: its name, connection and TLS; all of it, redirects included; and the bytes of its answer. */
export const EGRESS_CONNECT_MAX_MS = 10_000
export const EGRESS_TOTAL_MAX_MS = 120_000
/** No byte for so long ends a request that has no end of its own. */
export const EGRESS_SILENCE_MAX_MS = 120_000
/** So does a reader of its answer who takes nothing for so long. */
export const EGRESS_UNREAD_MAX_MS = 10 * 60_000
export const EGRESS_ANSWER_MAX_BYTES = 32 * MIB
/** Attempts that wait to be written down; more are dropped and counted. */
export const EGRESS_ATTEMPTS_WAITING_MAX = 20_000
export const EGRESS_REDIRECTS_MAX = 5
/** Shorter than most servers keep an idle connection. */
export const EGRESS_IDLE_MAX_MS = 4_000
/** One answer that a tool reads. A step's result is smaller still, but often only a part of an answer. */
export const CONNECTOR_ANSWER_MAX_BYTES = 8 * MIB
/** What is read of an answer that went wrong, for its message; and the characters of it that are told. */
export const CONNECTOR_ERROR_MAX_BYTES = 64 * KIB
export const CONNECTOR_MESSAGE_MAX_CHARS = 1_000
/** Nesting of a JSON answer. */
export const FOREIGN_JSON_MAX_DEPTH = 200

/** Callbacks under way at a time, in all and to one host, so that one that does not answer does not hold the others up. */
export const CALLBACKS_PARALLEL_MAX = 16
export const CALLBACKS_PER_HOST_MAX = 4
/** A receiver has so long to take a callback; work that takes longer is done after the answer. */
export const CALLBACK_TOTAL_MAX_MS = 15_000
/** A callback that were larger goes without the run's output. */
export const CALLBACK_BODY_MAX_BYTES = 1 * MIB
export const CALLBACK_RETRY_AFTER_MAX_MS = 60 * 60_000
/** Of one callback; older ones make room. */
export const CALLBACK_ATTEMPTS_KEPT_MAX = 50
export const CALLBACK_KEPT_MS = 30 * 24 * 60 * 60_000
/** Bytes of one artifact; an answer of a tool is not larger. */
export const ARTIFACT_MAX_BYTES = 32 * MIB
/** What one project keeps: how many, and their bytes together. */
export const ARTIFACTS_MAX = 100_000
export const ARTIFACTS_MAX_BYTES = 10 * 1024 * MIB
export const ARTIFACT_NAME_MAX_CHARS = 150
/** Schedules and event triggers of one workflow. */
export const TRIGGERS_PER_WORKFLOW_MAX = 100
/** A trigger's `config`, as JSON. */
export const TRIGGER_CONFIG_MAX_BYTES = 256 * KIB
/** So far behind its due time a run still counts as in time. */
export const FIRE_IN_TIME_MS = 10_000
export const GRACE_DEFAULT_MINUTES = 60
export const GRACE_MAX_MINUTES = 10_080
export const CATCHUP_WINDOW_DEFAULT_MINUTES = 1_440
export const CATCHUP_WINDOW_MAX_MINUTES = 44_640
/** Moments that `catchup_policy: all` makes up for at once. */
export const CATCHUP_DEFAULT = 100
export const CATCHUP_MAX = 1_000
export const JITTER_MAX_S = 3_600
export const MAX_FIRES_MAX = 1_000_000_000
/** Fires looked back through for a run that is still under way. */
export const OVERLAP_LOOK_BACK = 100
/** Moments of one transaction when a schedule makes up for an outage; some milliseconds. */
export const FIRES_SLICE = 500
export const PREVIEW_DEFAULT = 10
export const PREVIEW_MAX = 100

/** Conversations with MCP servers, and processes of stdio servers among them; the one that was idle longest makes room. */
export const MCP_CONVERSATIONS_MAX = 500
export const MCP_PROCESSES_MAX = 50
/** A conversation that nobody used for so long is closed. */
export const MCP_IDLE_MAX_MS = 5 * 60_000
/** From the first byte to a conversation that can be used. A stdio server may have to be installed first. */
export const MCP_OPEN_MAX_MS = 30_000
export const MCP_START_MAX_MS = 120_000
/** A server that leaves the question for its protocol versions unanswered for so long is taken for an older one. */
export const MCP_PROBE_MAX_MS = 5_000
/** One answer of a server, and one line of a stdio server. */
export const MCP_ANSWER_MAX_BYTES = 16 * MIB
/** An answer that is an error. */
export const MCP_ERROR_BODY_MAX_BYTES = 64 * KIB
/** What a server may send on its own account; then it is listened to anew. */
export const MCP_STREAM_MAX_BYTES = 64 * MIB
export const MCP_STREAM_MAX_MS = 24 * 60 * 60_000
/** A stream has so long to end after the answer it was opened for. */
export const MCP_LINGER_MAX_MS = 2_000
/** Progress of one call is passed on at most so often. */
export const MCP_PROGRESS_EVERY_MS = 100
/** Telling a server that a call or a session is over. */
export const MCP_GOODBYE_MAX_MS = 3_000
/** The list of tools of one server. */
export const MCP_TOOL_PAGES_MAX = 100
export const MCP_TOOLS_MAX = 2_000
export const MCP_TOOLS_MAX_CHARS = 8 * MIB
export const MCP_TOOL_NAME_MAX_CHARS = 256
/** Parts of one result of a tool; JSON values in all of them, its structured content aside; and in any other result. */
export const MCP_CONTENT_MAX = 1_000
export const MCP_CONTENT_MAX_VALUES = 20_000
export const MCP_RESULT_MAX_VALUES = 300_000
/** What a server says in its own words within an error; the rest is cut. */
export const MCP_MESSAGE_MAX_CHARS = 1_000
/** What a tool says about its own failure; the rest is cut. */
export const MCP_TOOL_ERROR_MAX_CHARS = 4_000
/** Images, sound and files of one result that are kept. */
export const MCP_FILES_MAX = 100
/** A larger output schema is not held against an answer. */
export const MCP_OUTPUT_SCHEMA_MAX_CHARS = 64 * KIB
/** One request of a sign-in at an MCP server, and its answer. */
export const MCP_OAUTH_MAX_MS = 20_000
export const MCP_OAUTH_ANSWER_MAX_BYTES = 1 * MIB
/** What a stdio server has to end in after its input was closed, and again after SIGTERM. */
export const MCP_STDIN_CLOSED_MS = 500
export const MCP_TERMINATED_MS = 2_000
/** Pause before the n-th start in a row of a stdio server that crashed: 250 ms · 2^n, at most this. */
export const MCP_RESTART_MAX_MS = 60_000
export const CONNECTIONS_PER_WORKSPACE_MAX = 1_000
/** Secrets of one connection, and the characters of each: certificates and key files fit. */
export const CREDENTIALS_PER_CONNECTION_MAX = 50
export const CREDENTIAL_MAX_CHARS = 32 * KIB
/** Of a shorter secret its last four characters would give too much away. */
export const CREDENTIAL_SHOWN_FROM_CHARS = 16
export const CONNECTION_OVERRIDES_PER_WORKFLOW_MAX = 1_000
/** A sign-in at another service has to be finished within this (contract G-20). */
export const OAUTH_STATE_MS = 10 * 60_000
/** Sign-ins of one person in one workspace that are under way. */
export const OAUTH_STATES_PER_USER_MAX = 50
/** What a service has for an answer about tokens. */
export const OAUTH_ANSWER_MAX_MS = 15_000
export const OAUTH_ANSWER_MAX_BYTES = 1 * MIB
/** So long before they run out access tokens are refreshed in the background; and at the latest when somebody asks for one. */
export const TOKEN_REFRESH_AHEAD_MS = 3 * 60_000
export const TOKEN_GOOD_FOR_MS = 60_000
/** How soon the background comes back to a connection that it tried to refresh. */
export const TOKEN_REFRESH_PAUSE_MS = 60_000
export const TOKEN_REFRESHES_PARALLEL_MAX = 8

/** Tool calls of one answer that are made; of those beyond, up to the second, the model is told; with more the answer is refused. */
export const LLM_TOOL_CALLS_MAX = 64
export const LLM_TOOL_CALLS_KEPT_MAX = 1_000
/** A stream in which nothing comes for so long is given up; local servers load their model first. */
export const LLM_SILENCE_MAX_MS = 5 * 60_000
/** Calls of models that begin in one turn of the event loop. */
export const LLM_STARTS_PER_TURN = 16
/** Of the body of a refusal; the rest is not read. */
export const LLM_ERROR_BODY_MAX_BYTES = 64 * KIB
/** What a vendor says in its own words within an error; the rest is cut. */
export const LLM_MESSAGE_MAX_CHARS = 1_000
/** One llm_call, with all that belongs to it (contract G-9). */
export const LLM_TIMEOUT_DEFAULT_MS = 120_000
export const LLM_KEYS_PER_WORKSPACE_MAX = 200
/** Asking a vendor or a local server for its models. */
export const LLM_TEST_MAX_MS = 10_000
/** The same while somebody waits for the whole catalog. */
export const LLM_REFRESH_MAX_MS = 2_000
/** A local server is asked again for its models by whoever looks so much later. */
export const LLM_MODELS_FRESH_MS = 60_000
/** Models of one local server that are kept. */
export const LLM_LISTED_MODELS_MAX = 2_000
/** Resolved models that are kept for the next step, and how long at the most. */
export const LLM_RESOLVED_KEPT_MAX = 10_000
export const LLM_RESOLVED_KEPT_MS = 1_000
/** The end of the text that is shown while it grows. */
export const LLM_SHOWN_MAX_CHARS = 2_000
/** A longer answer's keys are not put beside its text: the result would hold it twice. */
export const LLM_EXPOSED_MAX_CHARS = 256 * KIB
/** JSON Schema of a structured answer. */
export const LLM_SCHEMA_MAX_CHARS = 64 * KIB

export const AGENTS_PER_PROJECT_MAX = 1_000
export const AGENT_INSTRUCTIONS_MAX_CHARS = 64 * KIB
/** Instances of one agent, tools of one turn, and names in its lists. */
export const AGENT_INSTANCES_MAX = 50
export const AGENT_TOOLS_MAX = 256
/** Rounds of tool calls of one turn, and what it is unless somebody says otherwise. */
export const AGENT_ROUNDS_MAX = 100
export const AGENT_ROUNDS_DEFAULT = 8
/** One turn, from its start, its last question or the last start of the server. */
export const AGENT_TIMEOUT_DEFAULT_MS = 300_000
export const AGENT_TOKENS_MAX = 100_000_000
/** Tool calls of one turn that are under way at a time. */
export const AGENT_CALLS_PARALLEL_MAX = 8
/** What the model is told, and the journal keeps, of one tool's answer. */
export const AGENT_TOOL_ANSWER_MAX_CHARS = 48 * KIB
/** One answer of the model with its calls, as JSON. */
export const AGENT_ANSWER_MAX_CHARS = 512 * KIB
/** The same call, with the same arguments, in so many answers in a row ends the turn. */
export const AGENT_SAME_CALL_MAX = 3
