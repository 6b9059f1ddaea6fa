/** Remit, its peers and the floors, each on a free port of the loopback interface. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { makeSandbox, type Sandbox } from "../dev/sandbox.js";
import { findOpa } from "../src/bundle/opa.js";
import { keyId, publicKey } from "../src/bundle/signature.js";
import { verifyBundle, type VerifiedBundle } from "../src/bundle/verify.js";
import type { PolicyResult } from "../src/contract/index.js";
import { systemClock, type Clock } from "../src/system/index.js";
import { asset } from "../src/system/paths.js";
import { cut, type Edit } from "../test/threats/cut.js";
import type { Server } from "./measure.js";
import { answers, freePort, program, type Processes } from "./processes.js";
import { action, codes, facts, PURPOSE, type Asked } from "./workload.js";

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
  "findings.settled(answer); if (config.behavior.enabled) adjustments.settled(act, assessed, answer);",
  "findings.settled(answer);",
);

/** As it ships, but that nobody is narrowed: tokens verified, records durable before an answer. */
export async function startRemit(processes: Processes, name: string): Promise<RemitServer> {
  const main = processes.copy(name, [NARROWS_NOBODY]);
  return serveRemit(processes, name, await sandboxIn(join(processes.folder, name)), main);
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

/** Sends every request once; the records then hold, to the byte, what the policy was asked: peers are asked the same. */
export async function recordedBy({ folder }: Processes, { job }: Server, name: string): Promise<Asked[]> {
  for (const body of job.bodies) {
    const url = `http://${job.host}:${job.port}${job.path}`;
    const response = await fetch(url, { method: "POST", headers: job.headers, body });
    if (response.status !== 200) throw new Error(`a request was refused: ${await response.text()}`);
    await response.arrayBuffer();
  }
  const records = join(folder, name, "records");
  return readdirSync(records)
    .filter((file) => file.endsWith(".jsonl"))
    .flatMap((file) => readFileSync(join(records, file), "utf8").trim().split("\n"))
    .map((line) => JSON.parse(line) as Partial<Asked>)
    .filter((record): record is Asked => record.input !== undefined && record.answer !== undefined);
}

/** OPA's own server on the same bundle. @throws Error where it answers otherwise than Remit did */
export async function startOpa(processes: Processes, asked: Asked[], withLog: boolean): Promise<Server> {
  const { path } = await findOpa((line) => {
    console.error(line);
  });
  const port = await freePort();
  const child = processes.start(withLog ? "opa-log" : "opa", "measured", path, [
    ...["run", "--server", "--addr", `${HOST}:${port}`, "--bundle", BUNDLE.path, "--skip-verify"],
    ...["--log-level", withLog ? "info" : "error"],
    ...(withLog ? ["--set", "decision_logs.console=true"] : []),
  ]);
  await answers(`http://${HOST}:${port}/health`);
  const bodies = asked.map(({ input }) => JSON.stringify({ input }));
  const job = { host: HOST, port, path: "/v1/data/remit/decide", headers: JSON_TYPE, bodies };
  for (const [i, { input, answer }] of asked.entries()) {
    const url = `http://${HOST}:${port}${job.path}`;
    const response = await fetch(url, { method: "POST", headers: JSON_TYPE, body: bodies[i] ?? "" });
    const { result } = (await response.json()) as { result: PolicyResult };
    if (result.decision !== answer.decision || codes(result.reasons) !== codes(answer.reasons))
      throw new Error(`OPA answers otherwise to ${JSON.stringify(input)}`);
  }
  return { name: withLog ? "OPA, console decision log" : "OPA", process: child, job };
}

export async function startFloor(processes: Processes, kind: "plain" | "express", bodies: string[]): Promise<Server> {
  const port = await freePort();
  const child = processes.start(kind, "measured", process.execPath, [program("floor"), kind, String(port)]);
  const job = { host: HOST, port, path: "/decide", headers: JSON_TYPE, bodies };
  await answers(`http://${HOST}:${port}/decide`);
  return { name: kind === "plain" ? "floor: node:http" : "floor: Express", process: child, job };
}
