/**
 * Decisions inside the application: the bundle and the facts come from a service, the decision is made in this process, and its record
 * goes there behind it. When the service can't be heard any more, decisions go on for as long as facts may be old, and no longer.
 *
 *   node dist/examples/embedded.js
 *
 * It brings its own service, on the shipped support desk's policy, and leaves nothing behind.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runService } from "../demo/service.js";
import type { Action } from "../src/client/index.js";
import { Refusal, openEmbedded } from "../src/embedded.js";
import { sleep, system } from "../src/system/index.js";
import { asset } from "../src/system/paths.js";

const service = await runService({
  bundle: "customer_support",
  callers: { "support-app": { purposes: ["customer_support"] } },
  clock: system.clock,
});
const host = service.token("support-app", ["remit:register", "remit:revoke", "remit:audit"]);

await post("/agents", { id: "support-7", owner: "support@example.com", purposes: ["customer_support"] });
await post("/tasks", {
  id: "T-1",
  agent: "support-7",
  purpose: "customer_support",
  subjects: { ticket: ["TCK-81"], customer: ["ada"] },
  attributes: { topic: "billing" },
  expires: new Date(system.clock.wall() + 3_600_000).toISOString(),
});

const dir = mkdtempSync(join(tmpdir(), "remit-app-"));
const remit = await openEmbedded({
  dir,
  bundle: { name: "customer_support", keys: readFileSync(asset("bundles", "customer_support.pub.pem"), "utf8") },
  service: {
    url: service.url,
    token: service.token("support-app", ["remit:embed", "remit:bundle", "remit:decide"]),
  },
  facts: { age_ms_max: 5000 },
});

const about = { agent: "support-7", purpose: "customer_support", task: "T-1" };
const customer: Action = { ...about, verb: "read", resource: { type: "customer", id: "ada" } };
const invoiceOf = (owner: string): Action => ({
  ...about,
  verb: "read",
  resource: { type: "invoice", id: "I-1", attributes: { customer: owner } },
});

console.log(`read the customer: ${await told(customer, () => "ada@example.com")}`);
console.log(`read her invoice: ${await told(invoiceOf("ada"), () => "49.00 EUR")}`);
console.log(`read another's invoice: ${await told(invoiceOf("bob"), () => "1,250.00 EUR")}`);

const many = Array.from({ length: 100 }, (_, i) => ({
  ...customer,
  resource: { type: "order", id: `O-${i}`, attributes: { customer: "ada" } },
}));
const answers = await remit.decideBatch(many);
console.log(`of 100 at once ${answers.filter(({ proceed }) => proceed).length} proceed`);

await post("/revocations", { scope: { task: "T-1" }, reason: "the ticket is closed" });
while ((await remit.decide(customer)).proceed) await sleep(5);
console.log(`read the customer: ${await told(customer, () => "ada@example.com")}`);

while (remit.status.unshipped > 0) await sleep(20);
const { recorded } = service;
console.log(`the service has them on record: ${recorded() >= 100 ? "yes" : "no"}`);

await service.stop();
while (!remit.status.facts_stale) await sleep(20);
const { decision, reasons } = await remit.decide(customer);
console.log(`without a service, five seconds later: ${decision} ${reasons.map(({ code }) => code).join()}`);

await remit.close();
rmSync(dir, { recursive: true, force: true });

/** What the model gets to read. */
async function told(action: Action, run: () => string): Promise<string> {
  try {
    return await remit.guard(action, run);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return error.tell_agent;
  }
}

async function post(path: string, body: object): Promise<void> {
  const headers = { authorization: `Bearer ${host}`, "content-type": "application/json" };
  const response = await fetch(service.url + path, { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
}
