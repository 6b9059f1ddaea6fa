/** Cerbos, from its npm package, on the same policy written in its own language (`bench/cerbos/`). */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { PolicyInput } from "../src/contract/index.js";
import { asset } from "../src/system/paths.js";
import type { Server } from "./measure.js";
import { answers, freePort, type Processes } from "./processes.js";
import type { Asked } from "./workload.js";

const VERSION = "0.51.0";
const HOST = "127.0.0.1";
const INSTALL_MS_MAX = 120_000;

/** The program, installed into a cache folder at need; null, said aloud, where it can't be had. */
async function findCerbos(): Promise<string | null> {
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "remit", `cerbos-${VERSION}`);
  const platform = `cerbos-${process.platform}-${process.arch}`;
  const program = join(cache, "node_modules", "@cerbos", platform, platform);
  if (existsSync(program)) return program;
  console.error(`installing cerbos ${VERSION} into ${cache}, once`);
  mkdirSync(cache, { recursive: true });
  try {
    const options = ["--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--prefix", cache];
    await promisify(execFile)("npm", ["install", ...options, `cerbos@${VERSION}`], {
      cwd: cache,
      timeout: INSTALL_MS_MAX,
    });
  } catch (cause) {
    console.error(`Cerbos is left out, npm could not install it: ${String(cause).split("\n")[0] ?? ""}`);
    return null;
  }
  if (existsSync(program)) return program;
  console.error(`Cerbos is left out, it has no program for ${process.platform} on ${process.arch}`);
  return null;
}

/** Without its audit log. Null where it can't be had. @throws Error where it answers otherwise than Remit did */
export async function startCerbos(processes: Processes, asked: Asked[]): Promise<Server | null> {
  const program = await findCerbos();
  if (program === null) return null;
  const [port, grpcPort] = [await freePort(), await freePort()];
  const config = join(processes.folder, "cerbos.json");
  writeFileSync(
    config,
    JSON.stringify({
      server: { httpListenAddr: `${HOST}:${port}`, grpcListenAddr: `${HOST}:${grpcPort}` },
      storage: { driver: "disk", disk: { directory: asset("bench", "cerbos"), watchForChanges: false } },
      telemetry: { disabled: true },
    }),
  );
  const args = ["server", "--config", config, "--log-level", "error"];
  const child = processes.start("cerbos", "measured", program, args);
  await answers(`http://${HOST}:${port}/_cerbos/health`);
  const bodies = asked.map(({ input }) => JSON.stringify(checkRequest(input)));
  const headers = { "content-type": "application/json" };
  const job = { host: HOST, port, path: "/api/check/resources", headers, bodies };
  for (const [i, { input, answer }] of asked.entries()) {
    const response = await fetch(`http://${HOST}:${port}${job.path}`, {
      method: "POST",
      headers,
      body: bodies[i] ?? "",
    });
    const { results } = (await response.json()) as CheckAnswer;
    const [result] = results;
    const may = result?.actions[input.request.verb] === "EFFECT_ALLOW";
    // It stops at the first deny, and says nothing about what it leaves out.
    const said = (result?.outputs ?? []).flatMap(({ val }) => val);
    const known = new Set(answer.reasons.map(({ code }) => code));
    if (may !== answer.proceed || said.length === 0 || !said.every((code) => known.has(code)))
      throw new Error(`Cerbos answers otherwise to ${JSON.stringify(input)}: ${JSON.stringify(results)}`);
  }
  return { name: "Cerbos", process: child, job };
}

interface CheckAnswer {
  results: { actions: Record<string, string>; outputs?: { src: string; val: string[] }[] }[];
}

function checkRequest({ request, facts }: PolicyInput): object {
  const { type, id, attributes } = request.resource;
  const attr = {
    time: new Date(facts.time.ms).toISOString(),
    version: facts.agent.version,
    owner: facts.agent.owner,
    task: facts.task,
    context: request.context,
  };
  return {
    requestId: request.context.trace,
    principal: { id: facts.agent.id, roles: [request.purpose], attr },
    resources: [
      {
        resource: { kind: type, id: id ?? "-", attr: { ...attributes, arguments: request.arguments } },
        actions: [request.verb],
      },
    ],
  };
}
