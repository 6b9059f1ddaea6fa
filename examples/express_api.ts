/**
 * An Express API that agents call with their own tokens. One table says which route is which verb on which resource; what isn't in it is
 * refused, and so is what the policy doesn't permit.
 *
 *   node dist/examples/express_api.js
 *
 * It brings its own service, on the shipped support desk's policy, and leaves nothing behind.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import express, { type Request } from "express";
import { runService } from "../demo/service.js";
import { ISSUER } from "../demo/sandbox.js";
import { RemitClient } from "../src/client/index.js";
import { byBearer, type GuardedRoute } from "../src/guards/http.js";
import { guardExpress } from "../src/guards/http_express.js";
import { system } from "../src/system/index.js";

const PAYMENTS: Readonly<Record<string, object>> = {
  "P-1": { id: "P-1", customer: "ada", amount_cents: 4900, card_number: "4111 1111 1111 1111" },
  "P-9": { id: "P-9", customer: "bob", amount_cents: 125_000, card_number: "5500 0000 0000 0004" },
};
const ownerOf = (id = ""): Record<string, unknown> => ({ customer: (PAYMENTS[id] as { customer?: string } | undefined)?.customer ?? null });

/** Attributes are looked up here, not taken from the request. */
const ROUTES: readonly GuardedRoute<Request>[] = [
  { on: "GET /customers/:id", verb: "read", type: "customer", id: "id" },
  { on: "PUT /customers/:id", verb: "update", type: "customer", id: "id" },
  {
    on: "GET /payments/:id",
    verb: "read",
    type: "payment",
    id: "id",
    attributes: ({ params }) => ownerOf(params["id"]),
  },
];

const service = await runService({
  bundle: "customer_support",
  callers: { "support-api": { purposes: ["customer_support"] } },
  clock: system.clock,
});
const token = service.token("support-api", ["remit:decide", "remit:register"]);
const client = new RemitClient({ url: service.url, token });

const app = express();
app.use(guardExpress(client, { routes: ROUTES, who: byBearer({ purpose: "customer_support" }) }));
app.get("/customers/:id", ({ params }, response) => void response.json({ id: params.id }));
app.put("/customers/:id", (_, response) => void response.json("changed"));
app.get("/payments/:id", ({ params }, response) => void response.json(PAYMENTS[params.id]));
app.get("/export", (_, response) => void response.json(PAYMENTS));
const server = app.listen(0, "127.0.0.1");
await once(server, "listening");
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const credentials = [{ issuer: ISSUER, subject: "support-7" }];
await register({ id: "support-7", owner: "support@example.com", purposes: ["customer_support"], credentials });
await client.createTask({
  id: "T-1",
  agent: "support-7",
  purpose: "customer_support",
  subjects: { ticket: ["TCK-81"], customer: ["ada"] },
  attributes: { topic: "billing" },
  expires: new Date(system.clock.wall() + 3_600_000).toISOString(),
});

const agent = { authorization: `Bearer ${service.agentToken("support-7")}`, "remit-task": "T-1" };
await show("GET", "/customers/ada", agent);
await show("GET", "/payments/P-1", agent);
await show("GET", "/payments/P-9", agent);
await show("PUT", "/customers/ada", agent);
await show("GET", "/export", agent);
await show("GET", "/customers/ada", {});
await show("GET", "/customers/ada", { ...agent, authorization: `Bearer ${service.agentToken("support-8")}` });

await client.close();
server.closeAllConnections();
server.close();
await service.stop();

async function show(method: string, path: string, headers: Record<string, string>): Promise<void> {
  const response = await fetch(url + path, { method, headers });
  const body = (await response.json()) as { code?: string; detail?: string };
  const said = body.code === undefined ? JSON.stringify(body) : [body.code, body.detail].filter(Boolean).join(": ");
  console.log(`${method} ${path}\n  ${response.status} ${said}`);
}

async function register(asked: object): Promise<void> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const response = await fetch(`${service.url}/agents`, { method: "POST", headers, body: JSON.stringify(asked) });
  if (!response.ok) throw new Error(`/agents: ${await response.text()}`);
}
