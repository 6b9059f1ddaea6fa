/** Remit on the bundle that it ships, on a free port of the loopback interface. */
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../demo/ports.js";
import { makeSandbox, type Sandbox } from "../demo/sandbox.js";
import { keyId, publicKey } from "../src/bundle/signature.js";
import { verifyBundle, type VerifiedBundle } from "../src/bundle/verify.js";
import { systemClock, type Clock } from "../src/system/index.js";
import { asset } from "../src/system/paths.js";
import { cut, type Edit } from "../test/threats/cut.js";
import type { Server } from "./measure.js";
import { answers, type Processes } from "./processes.js";
import { action, facts, PURPOSE } from "./workload.js";

export const AGENTS = 1000;
export const BUNDLE = {
  name: PURPOSE,
  path: asset("bundles", `${PURPOSE}.tar.gz`),
  keys: [asset("bundles", `${PURPOSE}.pub.pem`)],
};
/** As a service takes it in. */
export async function shippedBundle(clock: Pick<Clock, "wall">): Promise<VerifiedBundle> {
  const keys = new Map(
    BUNDLE.keys.map((file) => {
      const key = publicKey(readFileSync(file, "utf8"));
      return [keyId(key), key];
    }),
  );
  return await verifyBundle(readFileSync(BUNDLE.path), { name: BUNDLE.name, keys, nowMs: clock.wall() });
}

/** As enforcement points do, several ask: of one no more than its share is decided at once. */
const CALLERS = ["bench-1", "bench-2", "bench-3", "bench-4"];
const POLL_MS = 10;
const HOST = "127.0.0.1";
const JSON_TYPE = { "content-type": "application/json" };

export interface RemitServer extends Server {
  /** From the start of the process to its first decision. */
  first_decision_ms: number;
}

/** @param clock that tokens are made by */
export async function sandboxIn(dir: string, clock: Pick<Clock, "wall"> = systemClock): Promise<Sandbox & { port: number }> {
  const port = await freePort();
  return { ...makeSandbox({ dir, bundle: BUNDLE, facts: JSON.stringify(facts(AGENTS)), port, clock }), port };
}

/** A bench's agents ask so much, and at night, that they would be narrowed; then it would be refusals that are counted. */
export const NARROWS_NOBODY: Edit = cut.text(
  "service.js",
  "startService",
  "findings.settled(act.agent, answer, approval); if (config.behavior.enabled) adjustments.settled(act, assessed, answer);",
  "findings.settled(act.agent, answer, approval);",
);

/**
 * As it ships, but that nobody is narrowed: tokens verified, records durable before an answer.
 * @param sections YAML that its configuration ends with
 */
export async function startRemit(processes: Processes, name: string, sections = ""): Promise<RemitServer> {
  const main = processes.copy(name, [NARROWS_NOBODY]);
  const sandbox = await sandboxIn(join(processes.folder, name));
  appendFileSync(sandbox.config, sections);
  return serveRemit(processes, name, sandbox, main);
}

/** Again, where it has served before: with its facts in its store. */
export async function serveRemit(
  processes: Processes,
  name: string,
  { config, token, port }: Awaited<ReturnType<typeof sandboxIn>>,
  main = asset("dist", "src", "cli", "main.js"),
): Promise<RemitServer> {
  const authorizations = CALLERS.map((caller) => `Bearer ${token(caller, ["remit:decide"])}`);
  const headers = { ...JSON_TYPE, authorization: authorizations[0] ?? "" };
  const bodies = Array.from({ length: AGENTS }, (_, i) => JSON.stringify(action(i)));
  const child = processes.start(name, "measured", process.execPath, [main, "serve", "--config", config]);
  const first = { method: "POST", headers, body: bodies[0] ?? "" };
  const firstDecisionMs = await answers(`http://${HOST}:${port}/decide`, first, POLL_MS);
  return {
    name: "Remit",
    process: child,
    job: { host: HOST, port, path: "/decide", headers, authorizations, bodies },
    first_decision_ms: firstDecisionMs,
  };
}
