/**
 * What it costs the service that a proxy asks it (Envoy's external authorization): CPU a decision over HTTP and over gRPC, of the same
 * actions, against `POST /decide`, in one run. The service is the one that ships, with tokens verified and records durable before an
 * answer. Only what is permitted is asked: a refusal is 403 there, and 200 here.
 */
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadSync } from "@grpc/proto-loader";
import { stringify } from "yaml";
import { freePort } from "../demo/ports.js";
import { asset } from "../src/system/paths.js";
import { judge } from "./client.js";
import { compare, type Server } from "./measure.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes, program } from "./processes.js";
import { AGENTS, NARROWS_NOBODY, sandboxIn, serveRemit } from "./servers.js";
import { PURPOSE, agentId } from "./workload.js";

/** As `bench/workload.ts` has them, of those that are permitted. */
const MAPPING = `
agent: {trusted_header: x-agent}
purpose: {is: ${PURPOSE}}
task: {trusted_header: x-task}
session: {trusted_header: x-session}
source: {is: bench}
routes:
  - {on: GET /customers/:customer, read: customer, id: path.customer}
  - {on: GET /customers/:customer/invoices/:id, read: invoice, id: path.id, attributes: {customer: path.customer, amount_cents: {integer: query.cents}}}
  - {on: GET /customers/:customer/orders/:id, read: order, id: path.id, attributes: {customer: path.customer}}
`;

interface Asked {
  path: string;
  headers: Record<string, string>;
  native: object;
}

function asked(i: number): Asked {
  const own = `customer-${i}`;
  const [path, resource] = [
    [`/customers/${own}`, { type: "customer", id: own }],
    [`/customers/${own}/invoices/I-${i}?cents=4900`, { type: "invoice", id: `I-${i}`, attributes: { customer: own, amount_cents: 4900 } }],
    [`/customers/${own}/orders/O-${i}`, { type: "order", id: `O-${i}`, attributes: { customer: own } }],
  ][i % 3] as [string, object];
  const [agent, task, session] = [agentId(i), `T-${i}`, `s-${i}`];
  const native = { agent, purpose: PURPOSE, task, verb: "read", resource, context: { session, source: "bench" } };
  return { path, headers: { "x-agent": agent, "x-task": task, "x-session": session }, native };
}

const { seconds, rounds, connections, json } = readOptions("envoy", {
  about: "Compares the CPU time of a decision asked by Envoy, over HTTP and gRPC, with that of POST /decide.",
  options: {
    seconds: { says: "seconds of each round", default: 4, least: 0.1 },
    rounds: { says: "rounds of every way in turn", default: 5, least: 1 },
    connections: { says: "connections at once", default: 64, least: 1 },
    json: AS_JSON,
  },
  examples: ["", "--rounds 1 --json"],
});

const processes = new Processes();
const sandbox = await sandboxIn(join(processes.folder, "envoy"));
const port = await freePort();
writeFileSync(join(processes.folder, "envoy", "envoy.yaml"), MAPPING);
appendFileSync(sandbox.config, stringify({ envoy: { mapping: "envoy.yaml", grpc: { port }, path: "/envoy" } }));
const remit = await serveRemit(processes, "envoy", sandbox, processes.copy("envoy", [NARROWS_NOBODY]));
const { host, port: httpPort, headers } = remit.job;
const token = headers["authorization"] ?? "";

const all = Array.from({ length: AGENTS }, (_, i) => asked(i));
const service = loadSync(asset("proto", "ext_authz.proto"), { keepCase: true })["envoy.service.auth.v3.Authorization"];
const check = service !== undefined && !("format" in service) ? service["Check"] : undefined;
if (check === undefined) throw new Error("no protos");

/** With the headers that come with any request, by either way. */
const COMMON = { "user-agent": "curl/8.5.0", accept: "*/*", "x-request-id": "0af76519-16cd-43dd-8448-eb211c80319c" };
const heads = all.map(({ path, headers: own }) => {
  const lines = Object.entries({ ...COMMON, ...own, "x-remit-authorization": token });
  return `GET /envoy${path} HTTP/1.1\r\nhost: crm.example.org\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}`;
});
const messages = all.map(({ path, headers: own }) => {
  const pseudo = { ":method": "GET", ":path": path, ":authority": "crm.example.org", ":scheme": "https" };
  const http = {
    id: "5415544797791892902",
    method: "GET",
    path,
    host: "crm.example.org",
    scheme: "https",
    protocol: "HTTP/1.1",
    headers: { ...pseudo, ...COMMON, ...own },
  };
  const source = { address: { socket_address: { address: "10.0.0.5", port_value: 41_234 } } };
  return check.requestSerialize({ attributes: { source, request: { http } } }).toString("base64");
});

// Permitted: `status { code: 0 }`, first in the answer.
const overGrpc = { host, port, path: check.path, headers: { authorization: token }, bodies: messages, grpc: true, begins: "0a020800" };
const floorPort = await freePort();
const floor = processes.start("floor", "measured", process.execPath, [program("floor"), "grpc", String(floorPort), check.path]);
const servers: readonly Server[] = [
  { ...remit, name: "decide", job: { ...remit.job, bodies: all.map(({ native }) => JSON.stringify(native)) } },
  { ...remit, name: "HTTP", job: { ...remit.job, bodies: all.map(() => ""), heads } },
  { ...remit, name: "gRPC", job: overGrpc },
  { name: "floor", process: floor, job: { ...overGrpc, port: floorPort } },
];

for (const { native } of all.slice(0, 3)) {
  const response = await fetch(`http://${host}:${httpPort}/decide`, { method: "POST", headers, body: JSON.stringify(native) });
  const answer = (await response.json()) as { proceed?: boolean };
  if (answer.proceed !== true) throw new Error(`not permitted: ${JSON.stringify(answer)}`);
}

const { native_us, over } = await compare(processes, servers, { rounds, seconds, connections });

judge(
  [
    { figure: "`POST /decide`, CPU a decision", found: native_us, unit: "µs", most: null },
    { figure: "Envoy's check over HTTP, × that", found: over("HTTP"), unit: "", most: 1.25 },
    // gRPC itself, which asks for nothing, leaves no room for a mark.
    { figure: "Envoy's check over gRPC, × that", found: over("gRPC"), unit: "", most: null },
    { figure: "the gRPC library alone, with a constant answer, × that", found: over("floor"), unit: "", most: null },
  ],
  json,
);
process.exit();
