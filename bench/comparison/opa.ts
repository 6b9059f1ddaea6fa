/** OPA's own server: on the policy that its author would write, and on the bundle that Remit evaluates. */
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../demo/ports.js";
import { runOpa, type Opa } from "../../src/bundle/opa.js";
import type { NativeOpa } from "../../test/oracle/go.js";
import type { PolicyInput } from "../../src/contract/index.js";
import { asset } from "../../src/system/paths.js";
import { answers, type Processes } from "../processes.js";
import { verdictOf, type Engine } from "./engine.js";
import type { Verdict } from "./oracle.js";
import type { AccessRequest, World } from "./world.js";

export const POLICY = asset("bench", "comparison", "policy.rego");
const HOST = "127.0.0.1";
const HEADERS = { "content-type": "application/json" };
const LOGGED = ["--log-level", "info", "--set", "decision_logs.console=true"];
const QUIET = ["--log-level", "error"];

/** Writes agents, purposes and tasks as OPA's data. */
export function writeData(file: string, { agents, purposes, tasks }: World): void {
  writeFileSync(file, JSON.stringify({ agents, purposes, tasks }));
}

/** @param data what `writeData` wrote */
export async function startOpa(processes: Processes, opa: NativeOpa, data: string, { requests }: World, withLog: boolean): Promise<Engine> {
  const options = [...(withLog ? LOGGED : QUIET), POLICY, data];
  const bodies = requests.map((input) => JSON.stringify({ input }));
  const server = await serve(processes, opa, withLog ? "opa-log" : "opa", options, "/v1/data/desk/answer", bodies);
  return { ...server, name: withLog ? "OPA, console decision log" : "OPA", requests, verdict };
}

/** Starts OPA on Remit's bundle, with the inputs of Remit's records: facts included, and without what the floor refused. */
export async function startOpaOnBundle(
  processes: Processes,
  opa: NativeOpa,
  bundle: string,
  records: string,
  { requests }: World,
): Promise<Engine> {
  const inputs = recordedInputs(records);
  const asked = requests.filter(({ context }) => inputs.has(context.session));
  const bodies = asked.map(({ context }) => JSON.stringify({ input: inputs.get(context.session) }));
  const options = [...QUIET, "--bundle", bundle, "--skip-verify"];
  const server = await serve(processes, opa, "opa-bundle", options, "/v1/data/remit/decide", bodies);
  return { ...server, name: "OPA, on Remit's bundle", requests: asked, verdict };
}

/** Compiles the policy to a module, for a server that evaluates it and does nothing else. */
export async function compileToWasm(opa: Opa, folder: string): Promise<string> {
  const output = join(folder, "policy-wasm.tar.gz");
  const { code, stderr } = await runOpa(
    opa,
    ["build", "--target", "wasm", "--entrypoint", "desk/answer", "--output", output, POLICY],
    folder,
  );
  if (code !== 0) throw new Error(`the policy could not be compiled: ${stderr}`);
  return output;
}

function verdict(body: Buffer): Verdict {
  return verdictOf((JSON.parse(body.toString()) as { result: Parameters<typeof verdictOf>[0] }).result);
}

async function serve(processes: Processes, opa: NativeOpa, name: string, options: string[], path: string, bodies: string[]) {
  const port = await freePort();
  const child = processes.start(name, "measured", opa.path, ["run", "--server", "--addr", `${HOST}:${port}`, ...options]);
  await answers(`http://${HOST}:${port}/health`);
  return { process: child, job: { host: HOST, port, path, headers: HEADERS, bodies } };
}

/** Inputs of records, by the session of their requests. */
function recordedInputs(records: string): Map<AccessRequest["context"]["session"], PolicyInput> {
  const lines = readdirSync(records)
    .filter((file) => file.endsWith(".jsonl"))
    .flatMap((file) => readFileSync(join(records, file), "utf8").trim().split("\n"));
  const found = new Map<string, PolicyInput>();
  for (const line of lines) {
    const { input } = JSON.parse(line) as { input?: PolicyInput };
    if (typeof input?.request.context.session === "string") found.set(input.request.context.session, input);
  }
  return found;
}
