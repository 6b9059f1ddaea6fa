/** `make run`: the service on the shipped bundle, with everything it needs made here, and a request to paste. */
import { existsSync, rmSync } from "node:fs";
import { once } from "node:events";
import { connect } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Answer } from "../src/contract/index.js";
import { startService } from "../src/service.js";
import { readConfig } from "../src/system/config.js";
import { system } from "../src/system/index.js";
import { logger } from "../src/system/logger.js";
import { asset } from "../src/system/paths.js";
import { makeSandbox } from "./sandbox.js";

const FACTS = `# Who may act, and on what. Edit this file while the service runs: it is imported again. "make run" writes it afresh.
agents:
  support-7: {owner: support-platform@example.com, purposes: [customer_support]}
tasks:
  T-1:
    agent: support-7
    purpose: customer_support
    principal: ada
    subjects: {ticket: [TCK-81], customer: [ada]}
    attributes: {topic: billing}
`;

const REQUEST = {
  agent: "support-7",
  purpose: "customer_support",
  task: "T-1",
  verb: "read",
  resource: { type: "invoice", id: "I-9", attributes: { customer: "bob", amount_cents: 125_000 } },
};

const { values } = parseArgs({ options: { port: { type: "string", default: process.env["PORT"] ?? "8181" } } });
const home = join(process.env["XDG_DATA_HOME"] ?? join(homedir(), ".local", "share"), "remit");
const port = Number(values.port);
// A folder for each port: two that run side by side share neither facts nor records.
const dir = join(home, "dev", values.port);
const keys = [asset("bundles", "customer_support.pub.pem"), join(home, "dev-key.pub.pem")].filter(existsSync);

// Looked at before anything is written: what is in the folder belongs to a service that runs.
if (port !== 0 && (await answers(port))) {
  console.error(`error: something answers at port ${port} already`);
  console.error(`hint: \`PORT=${port + 101} make run\` takes another port`);
  process.exit(1);
}
// A checkout may go back to an older bundle: here, and only here, what was trusted before is forgotten.
rmSync(join(dir, "state"), { recursive: true, force: true });
const sandbox = makeSandbox({
  dir,
  bundle: { name: "customer_support", path: asset("bundles", "customer_support.tar.gz"), keys },
  facts: FACTS,
  port,
});

let service;
try {
  service = await startService(readConfig(sandbox.config), system, logger(system.clock));
} catch (error) {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
const token = sandbox.token("support-gateway", ["remit:decide", "remit:register", "remit:revoke", "remit:revoke_all", "remit:audit", "remit:admin"]); // prettier-ignore
const response = await fetch(`${service.url}/decide`, {
  method: "POST",
  headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
  body: JSON.stringify(REQUEST),
});
const answer = (await response.json()) as Answer;

console.log(`
Remit answers at ${service.url}. A support agent on ada's ticket asks to read an invoice of bob's; paste this:

TOKEN=${token}
curl -s ${service.url}/decide -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '${JSON.stringify(REQUEST)}'

It answers:

${JSON.stringify(answer, null, 2)}

Who may act is imported from ${join(dir, "facts.yaml")} whenever that changes; README.md has the commands that
change it too, with this token as REMIT_TOKEN. The configuration is ${sandbox.config}, every decision in ${join(dir, "records")}. Ctrl-C stops.`);

await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
await service.stop();

async function answers(at: number): Promise<boolean> {
  const socket = connect(at, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
