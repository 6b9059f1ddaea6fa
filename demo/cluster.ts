/** `make cluster`: three NATS servers and three services on loopback that are one cluster, and requests to paste. */
import { once } from "node:events";

import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { parse, stringify } from "yaml";
import { SCOPES, type Scope } from "../src/contract/index.js";
import { startService, type Service } from "../src/service.js";
import { readConfig } from "../src/system/config.js";
import { system } from "../src/system/index.js";
import { logger } from "../src/system/logger.js";
import { asset } from "../src/system/paths.js";
import { startNats, stopNats, type NatsServer } from "./nats/servers.js";
import { freePorts } from "./ports.js";
import { makeSandbox, type Sandbox } from "./sandbox.js";

const PURPOSE = "customer_support";
const NODES = ["a", "b", "c"];
const AGENT = { id: "support-7", owner: "support-platform@example.com", purposes: [PURPOSE] };
const REVOCATION = { scope: { agent: AGENT.id }, reason: "incident 12" };

const home = resolve(process.env["XDG_DATA_HOME"] ?? join(homedir(), ".local", "share"), "remit", "dev", "cluster");
rmSync(home, { recursive: true, force: true });
let servers: NatsServer[] = [];
const services: Service[] = [];
try {
  servers = await startNats(3, join(home, "nats"));
  const urls = servers.map(({ url }) => url);
  const ports = await freePorts(NODES.length);
  const sandboxes = NODES.map((node, i) => sandboxOf(node, urls, ports[i] ?? 0));
  for (const { config } of sandboxes) services.push(await startService(readConfig(config), system, logger(system.clock)));
  const [first] = sandboxes;
  // Each node's issuer is a copy of the first one's: one token for all.
  const token = first?.token("operator", Object.keys(SCOPES) as Scope[]) ?? "";
  const [a, b, c] = services.map(({ url }) => url);
  console.log(`
Three nodes are one cluster: ${[a, b, c].join(", ")}. Paste this into another terminal first:

export REMIT_TOKEN=${token}

Register an agent at one node, and revoke it at another; each node acknowledges before the answer:

${curl(`${a ?? ""}/agents`, AGENT)}

${curl(`${b ?? ""}/revocations`, REVOCATION)}

See the cluster as the third node sees it:

curl -sw '\\n' "${c ?? ""}/cluster" -H "authorization: Bearer $REMIT_TOKEN"

End one of the NATS servers (${servers.map(({ pid }) => pid).join(", ")}) with \`kill -9\`: decisions go on by the other feed,
and the cluster shows which servers lead the two.
Nothing is kept for the next \`make cluster\`. Ctrl-C stops.`);
  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
} catch (error) {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  for (const service of services) await service.stop();
  await stopNats(servers);
}

function sandboxOf(node: string, urls: readonly string[], port: number): Sandbox {
  const dir = join(home, node);
  const sandbox = makeSandbox({
    dir,
    bundle: { name: PURPOSE, path: asset("bundles", `${PURPOSE}.tar.gz`), keys: [asset("bundles", `${PURPOSE}.pub.pem`)] },
    port,
  });
  const config = parse(readFileSync(sandbox.config, "utf8")) as Record<string, Record<string, unknown>>;
  // Nodes trust one issuer, and sign tasks' tokens with one key.
  const identity = config["identity"] as { issuers: { keys: { file: string }[] }[]; task_tokens: { key: string } };
  for (const issuer of identity.issuers) for (const key of issuer.keys) key.file = join(home, NODES[0] ?? "", "issuer.pub.pem");
  identity.task_tokens.key = join(home, NODES[0] ?? "", "tasks.pem");
  config["cluster"] = { name: "dev", node, nats: { servers: urls, replicas: 3 } };
  writeFileSync(sandbox.config, stringify(config));
  return sandbox;
}

function curl(url: string, body: object): string {
  return `curl -sw '\\n' "${url}" -H "authorization: Bearer $REMIT_TOKEN" -H 'content-type: application/json' -d '${JSON.stringify(body)}'`;
}
