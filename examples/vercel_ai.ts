/**
 * Tools of the Vercel AI SDK. The model here is a script, so that this runs without one; yours takes its place. Each tool is made by
 * `guarded`, which says what a call of it does in the policy's words: what isn't permitted doesn't run, and the model is told a fixed
 * sentence instead.
 *
 *   node dist/examples/vercel_ai.js
 *
 * It brings its own service, on the shipped support desk's policy, and leaves nothing behind.
 */
import { generateText, jsonSchema, stepCountIs, tool } from "ai";
import { MockLanguageModelV3 } from "ai/test";
import { runService } from "../demo/service.js";
import { Refusal, RemitClient, type Action } from "../src/client/index.js";
import { system } from "../src/system/index.js";

const service = await runService({
  bundle: "customer_support",
  callers: { "support-host": { purposes: ["customer_support"] } },
  clock: system.clock,
});
const token = service.token("support-host", ["remit:decide", "remit:register"]);
const client = new RemitClient({ url: service.url, token });

const AGENT = { agent: "support-7", purpose: "customer_support", task: "T-1" };
interface Input {
  id: string;
}

/** Whose each thing is: the host's database, never the model's word. */
const OWNERS: Readonly<Record<string, string>> = { "I-1": "ada", "I-9": "bob", "P-1": "ada" };
const ofCustomer = (type: string, id: string): Action["resource"] => ({ type, id, attributes: { customer: OWNERS[id] ?? null } });

/** A tool that asks before it acts. */
function guarded(description: string, does: (input: Input) => Pick<Action, "verb" | "resource">, run: (id: string | null) => unknown) {
  return tool({
    description,
    inputSchema: jsonSchema<Input>({
      type: "object",
      properties: { id: { type: "string" } },
      required: ["id"],
      additionalProperties: false,
    }),
    execute: async (input, { abortSignal }): Promise<unknown> => {
      const action = { ...AGENT, ...does(input) };
      try {
        // What was decided is what runs: `permitted.action`, not the model's input.
        return await client.guard(action, (permitted) => run(permitted.action.resource.id), abortSignal && { signal: abortSignal });
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        return error.tell_agent;
      }
    },
  });
}

const tools = {
  get_customer: guarded(
    "A customer, by id",
    ({ id }) => ({ verb: "read", resource: { type: "customer", id } }),
    (id) => ({ id, email: `${String(id)}@example.com` }),
  ),
  get_payment: guarded(
    "A payment, by id",
    ({ id }) => ({ verb: "read", resource: ofCustomer("payment", id) }),
    (id) => ({ id, card_number: "4111 1111 1111 1111", amount_cents: 4900 }),
  ),
  get_invoice: guarded(
    "An invoice, by id",
    ({ id }) => ({ verb: "read", resource: ofCustomer("invoice", id) }),
    (id) => ({ id, amount_cents: 4900 }),
  ),
  change_customer: guarded(
    "Changes a customer",
    ({ id }) => ({ verb: "update", resource: { type: "customer", id } }),
    () => "changed",
  ),
};

/** What the model asks for, a step each; then it has something to say. */
const CALLS: readonly [tool: keyof typeof tools, input: Input][] = [
  ["get_customer", { id: "ada" }],
  ["get_payment", { id: "P-1" }],
  ["get_invoice", { id: "I-9" }],
  ["change_customer", { id: "ada" }],
];
let step = 0;
const model = new MockLanguageModelV3({
  doGenerate: () => {
    const usage = { inputTokens: { total: 0, noCache: 0, cacheRead: 0, cacheWrite: 0 }, outputTokens: { total: 0, text: 0, reasoning: 0 } };
    const call = CALLS[step++];
    if (call === undefined)
      return Promise.resolve({
        content: [{ type: "text", text: "Done, as far as I may." }],
        finishReason: { unified: "stop", raw: undefined },
        usage,
        warnings: [],
      });
    const [toolName, input] = call;
    return Promise.resolve({
      content: [{ type: "tool-call", toolCallId: `call-${step}`, toolName, input: JSON.stringify(input) }],
      finishReason: { unified: "tool-calls", raw: undefined },
      usage,
      warnings: [],
    });
  },
});

await post("/agents", { id: AGENT.agent, owner: "support@example.com", purposes: [AGENT.purpose] });
await client.createTask({
  id: AGENT.task,
  agent: AGENT.agent,
  purpose: AGENT.purpose,
  subjects: { ticket: ["TCK-81"], customer: ["ada"] },
  attributes: { topic: "billing" },
  expires: new Date(system.clock.wall() + 3_600_000).toISOString(),
});

const { text } = await generateText({
  model,
  tools,
  stopWhen: stepCountIs(10),
  prompt: "Ticket TCK-81: why was Ada charged twice?",
  onStepFinish: ({ toolResults }) => {
    for (const { toolName, input, output } of toolResults) {
      console.log(`${toolName} ${JSON.stringify(input)}\n  ${typeof output === "string" ? output : JSON.stringify(output)}`);
    }
  },
});
console.log(text);
await client.close();
await service.stop();

async function post(path: string, body: object): Promise<void> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const response = await fetch(service.url + path, { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
}
