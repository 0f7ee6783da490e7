import type { StepType } from "../../engine/step-type.ts"
import { LLM_TIMEOUT_DEFAULT_MS } from "../../kernel/limits.ts"

/** One prompt, one answer (contract §3.4). `system` and `output_schema` are ours. */
export const llmCall: StepType = {
  type: "llm_call",
  title: "Call a model",
  description:
    "Sends one prompt to a language model; its answer is `result.text`, and the keys of an answer that is a JSON object are beside it. A call that was under way at a crash is made, and paid, again.",
  runs: "outside",
  fields: {
    prompt: { type: "string", required: true, templated: true, description: "What the model is asked." },
    system: { type: "string", templated: true, description: "What it is told before: its role, its rules." },
    model_ref: {
      type: "string",
      templated: true,
      description: "The model in the catalog, e.g. `direct.openai.gpt-4o` or `local.ollama.llama3.2`; wins over `model`.",
    },
    model: { type: "string", templated: true, description: "The vendor's name of the model, e.g. `gpt-4o`." },
    llm_params: {
      type: "object",
      templated: true,
      description:
        "`temperature`, `top_p`, `top_k`, `max_tokens`, `stop`, `seed`, `presence_penalty`, `frequency_penalty`, `reasoning_effort`; `extra`: sent as it is to a local server.",
    },
    output_schema: {
      type: "object",
      description:
        "JSON Schema; the answer has to be JSON that fits it, and is `result.output`. The model gets one try to repair it.",
    },
    llm_credential_id: { type: "string", description: "A key of the workspace, or `system:NAME`; default: the best there is." },
    llm_credential_scope: { type: "string", values: ["tenant", "system"], description: "Whose key is used." },
  },
  example: {
    ...{ id: "sum", type: "llm_call", name: "Sum up", model_ref: "direct.openai.gpt-4.1-mini" },
    ...{ system: "You answer in one sentence.", prompt: "Sum up: {{steps.load.result.text}}", depends_on: ["load"] },
    ...{ llm_params: { temperature: 0.2, max_tokens: 300 }, timeout_s: 60, retry_count: 2 },
  },
  oneOf: [["model_ref", "model"]],
  timeoutDefaultMs: LLM_TIMEOUT_DEFAULT_MS,
}
