/**
 * A tool loop without a framework. The model here is a script; yours is asked at the same place. Each tool says what it does in the
 * policy's words, and is run by `guard`: what isn't permitted doesn't run, and the model is told a fixed sentence instead.
 *
 *   node dist/examples/plain_loop.js
 *
 * It brings its own service, on the shipped support desk's policy, and leaves nothing behind.
 */
import { runService } from "../demo/service.js";
import { Refusal, RemitClient, type Action } from "../src/client/index.js";
import { system } from "../src/system/index.js";

interface Tool {
  /** What a call of it is, for whoever decides. Attributes are the host's own knowledge, never the model's word. */
  does: (input: Record<string, string>) => Pick<Action, "verb" | "resource" | "arguments">;
  run: (action: Action, signal: AbortSignal) => unknown;
}

/** Whose each thing is: the host's database. */
const OWNERS: Readonly<Record<string, string>> = { "I-1": "ada", "I-9": "bob", "P-1": "ada" };
const ofCustomer = (type: string, id = ""): Action["resource"] => ({ type, id, attributes: { customer: OWNERS[id] ?? null } });

const TOOLS: Readonly<Record<string, Tool>> = {
  get_customer: {
    does: ({ id = "" }) => ({ verb: "read", resource: { type: "customer", id } }),
    run: ({ resource: { id } }) => ({ id, email: `${id ?? ""}@example.com` }),
  },
  get_invoice: {
    does: ({ id }) => ({ verb: "read", resource: ofCustomer("invoice", id) }),
    run: ({ resource: { id } }) => ({ id, amount_cents: 4900 }),
  },
  get_payment: {
    does: ({ id }) => ({ verb: "read", resource: ofCustomer("payment", id) }),
    run: ({ resource: { id } }) => ({ id, card_number: "4111 1111 1111 1111", amount_cents: 4900 }),
  },
  change_customer: {
    does: ({ id = "" }) => ({ verb: "update", resource: { type: "customer", id } }),
    run: () => "changed",
  },
  watch_orders: {
    does: () => ({ verb: "search", resource: { type: "order", id: null } }),
    // Goes on until it is told to stop.
    run: (_, signal) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", resolve);
        watching();
      }),
  },
};

/** What the model asks for, one after the other. */
const CALLS: readonly [tool: string, input: Record<string, string>][] = [
  ["get_customer", { id: "ada" }],
  ["get_payment", { id: "P-1" }],
  ["get_invoice", { id: "I-9" }],
  ["change_customer", { id: "ada" }],
  ["watch_orders", {}],
  ["get_customer", { id: "ada" }],
];

const service = await runService({
  bundle: "customer_support",
  callers: { "support-host": { purposes: ["customer_support"] } },
  clock: system.clock,
});
const token = service.token("support-host", ["remit:decide", "remit:register", "remit:revoke"]);
const client = new RemitClient({ url: service.url, token });

/** Somebody sees what the agent does, and revokes it in mid-run. */
let watching = (): void => undefined;
const revoked = new Promise<void>((resolve) => (watching = resolve)).then(() =>
  post("/revocations", { scope: { agent: "support-7" }, reason: "incident 12" }),
);

await post("/agents", { id: "support-7", owner: "support@example.com", purposes: ["customer_support"] });
await client.createTask({
  id: "T-1",
  agent: "support-7",
  purpose: "customer_support",
  subjects: { ticket: ["TCK-81"], customer: ["ada"] },
  attributes: { topic: "billing" },
  expires: new Date(system.clock.wall() + 3_600_000).toISOString(),
});

for (const [name, input] of CALLS) console.log(`${name} ${JSON.stringify(input)}\n  ${await answer(name, input)}`);
await revoked;
await client.close();
await service.stop();

/** What the model gets to read. */
async function answer(name: string, input: Record<string, string>): Promise<string> {
  const tool = TOOLS[name];
  if (tool === undefined) return "There is no such tool.";
  const action: Action = { agent: "support-7", purpose: "customer_support", task: "T-1", ...tool.does(input) };
  try {
    return JSON.stringify(await client.guard(action, (permitted) => tool.run(permitted.action, permitted.signal)));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    // `error.code`, and the reasons of a denial, are for your log.
    return error.tell_agent;
  }
}

async function post(path: string, body: object): Promise<void> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const response = await fetch(service.url + path, { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
}
