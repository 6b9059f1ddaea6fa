/**
 * A LangGraph agent. The model here is a script, so that this runs without one; yours takes its place. Each tool is made by `guarded`,
 * which says what a call of it does in the policy's words: what isn't permitted doesn't run, and the model is told a fixed sentence
 * instead. One task is one thread of the graph.
 *
 *   node dist/examples/langgraph.js
 *
 * It brings its own service, on the shipped support desk's policy, and leaves nothing behind.
 */
import { AIMessage, HumanMessage } from "@langchain/core/messages";
import { fakeModel } from "@langchain/core/testing";
import { DynamicStructuredTool } from "@langchain/core/tools";
import { END, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { ToolNode } from "@langchain/langgraph/prebuilt";
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

const AGENT = { agent: "support-7", purpose: "customer_support" };
interface Input {
  id: string;
}
const INPUT = {
  type: "object",
  properties: { id: { type: "string" } },
  required: ["id"],
  additionalProperties: false,
} as const;

/** Whose each thing is: the host's database, never the model's word. */
const OWNERS: Readonly<Record<string, string>> = { "I-1": "ada", "I-9": "bob", "P-1": "ada" };
const ofCustomer = (type: string, id: string): Action["resource"] => ({ type, id, attributes: { customer: OWNERS[id] ?? null } });

/** A tool that asks before it acts, on the task of the thread that it is called in. */
function guarded(
  name: string,
  description: string,
  does: (id: string) => Pick<Action, "verb" | "resource">,
  run: (id: string | null) => unknown,
) {
  return new DynamicStructuredTool({
    name,
    description,
    schema: INPUT,
    func: async (input, _manager, config): Promise<unknown> => {
      const action: Action = { ...AGENT, task: String(config?.configurable?.["thread_id"]), ...does((input as Input).id) };
      const { signal } = config ?? {};
      try {
        // What was decided is what runs: `permitted.action`, not the model's input.
        return await client.guard(action, (permitted) => run(permitted.action.resource.id), signal && { signal });
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        return error.tell_agent;
      }
    },
  });
}

const tools = [
  guarded(
    "get_customer",
    "A customer, by id",
    (id) => ({ verb: "read", resource: { type: "customer", id } }),
    (id) => ({ id, email: `${String(id)}@example.com` }),
  ),
  guarded(
    "get_payment",
    "A payment, by id",
    (id) => ({ verb: "read", resource: ofCustomer("payment", id) }),
    (id) => ({ id, card_number: "4111 1111 1111 1111", amount_cents: 4900 }),
  ),
  guarded(
    "get_invoice",
    "An invoice, by id",
    (id) => ({ verb: "read", resource: ofCustomer("invoice", id) }),
    (id) => ({ id, amount_cents: 4900 }),
  ),
  guarded(
    "change_customer",
    "Changes a customer",
    (id) => ({ verb: "update", resource: { type: "customer", id } }),
    () => "changed",
  ),
];

/** What the model asks for, a step each; then it has something to say. */
const calling = (...calls: [name: string, id: string][]): AIMessage =>
  new AIMessage({ content: "", tool_calls: calls.map(([name, id]) => ({ name, args: { id }, id: `call-${name}` })) });
const model = fakeModel()
  .respond(calling(["get_customer", "ada"], ["get_payment", "P-1"]))
  .respond(calling(["get_invoice", "I-9"]))
  .respond(calling(["change_customer", "ada"]))
  .respond(new AIMessage("Done, as far as I may."))
  .bindTools(tools);

const isCalling = (message: unknown): boolean => message instanceof AIMessage && (message.tool_calls ?? []).length > 0;
const graph = new StateGraph(MessagesAnnotation)
  .addNode("model", async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
  .addNode("tools", new ToolNode(tools))
  .addEdge(START, "model")
  .addConditionalEdges("model", ({ messages }) => (isCalling(messages.at(-1)) ? "tools" : END), ["tools", END])
  .addEdge("tools", "model")
  .compile();

await post("/agents", { id: AGENT.agent, owner: "support@example.com", purposes: [AGENT.purpose] });
await client.createTask({
  id: "T-1",
  ...AGENT,
  subjects: { ticket: ["TCK-81"], customer: ["ada"] },
  attributes: { topic: "billing" },
  expires: new Date(system.clock.wall() + 3_600_000).toISOString(),
});

const question = new HumanMessage("Ticket TCK-81: why was Ada charged twice?");
const { messages } = await graph.invoke({ messages: [question] }, { configurable: { thread_id: "T-1" } });
for (const { type, name, text } of messages) {
  if (type === "tool") console.log(`${name ?? ""}\n  ${text}`);
  else if (text !== "" && type === "ai") console.log(text);
}
await client.close();
await service.stop();

async function post(path: string, body: object): Promise<void> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const response = await fetch(service.url + path, { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
}
