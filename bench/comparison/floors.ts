/** The floors: servers of some lines in Node that do nothing which a decision point does around its evaluation. */
import { freePort } from "../../demo/ports.js";
import { answers, program, type Processes } from "../processes.js";
import { verdictOf, type Engine } from "./engine.js";
import type { World } from "./world.js";

/** Starts a server that evaluates OPA's policy in the turn in which the body came. */
export async function startBare(processes: Processes, wasmBundle: string, data: string, world: World): Promise<Engine> {
  return await start(processes, "Node + opa-wasm, bare", ["wasm", wasmBundle, data], world);
}

/** Starts a server that says the same to all, so that nothing of it can be checked. */
export async function startConstant(processes: Processes, world: World): Promise<Engine> {
  return { ...(await start(processes, "Node, constant answer", ["constant"], world)), requests: [] };
}

async function start(processes: Processes, name: string, [kind = "", ...rest]: string[], { requests }: World): Promise<Engine> {
  const port = await freePort();
  const child = processes.start(kind, "measured", process.execPath, [program("floor"), kind, String(port), ...rest]);
  await answers(`http://127.0.0.1:${port}/`);
  const bodies = requests.map((request) => JSON.stringify(request));
  const job = { host: "127.0.0.1", port, path: "/", headers: { "content-type": "application/json" }, bodies };
  const verdict = (body: Buffer) => verdictOf(JSON.parse(body.toString()) as Parameters<typeof verdictOf>[0]);
  return { name, process: child, job, requests, verdict };
}
