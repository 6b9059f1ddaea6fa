/**
 * What it costs the service to be asked in others' words: CPU a decision, of the same actions, against `POST /decide`, in one run. The
 * service is the one that ships, with tokens verified and records durable before an answer.
 *
 * Ways are measured in turn, round by round, so that a machine that is busy elsewhere is so for all of them.
 */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { judge } from "./client.js";
import { compare, type Server } from "./measure.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes } from "./processes.js";
import { AGENTS, NARROWS_NOBODY, sandboxIn, serveRemit } from "./servers.js";
import { action } from "./workload.js";

interface Native {
  agent: string;
  purpose: string;
  task: string;
  verb: string;
  resource: { type: string; id: string; attributes?: object };
  context: { session: string; source: string };
}

interface Way {
  name: string;
  path: string;
  /** Beside the caller's token and the content's type. */
  headers?: Record<string, string>;
  /** Of the same action. */
  body: (native: Native) => object;
  /** Whether an answer, which is 200, permits. */
  permits: (answer: Record<string, unknown>) => boolean;
}

/** Sections of `remit.yaml` that the ways need. */
const SECTIONS = {
  authzen: { identifier: "https://pdp.example.com", subjects: { agent: {} } },
};

const WAYS: readonly Way[] = [
  { name: "decide", path: "/decide", body: (native) => native, permits: ({ proceed }) => proceed === true },
  {
    name: "authzen",
    path: "/access/v1/evaluation",
    body: ({ agent, purpose, task, verb, resource: { type, id, attributes }, context }) => ({
      subject: { type: "agent", id: agent },
      action: { name: verb },
      resource: { type, id, ...(attributes === undefined ? {} : { properties: attributes }) },
      context: { purpose, task, ...context },
    }),
    permits: ({ decision }) => decision === true,
  },
  {
    name: "opa",
    path: "/v1/data/remit/decide",
    body: (native) => ({ input: native }),
    permits: ({ result }) => (result as { proceed?: boolean } | undefined)?.proceed === true,
  },
];

const { seconds, rounds, connections, only, json } = readOptions("adapters", {
  about: "Compares the CPU time of a decision asked through each adapter with that of POST /decide.",
  options: {
    seconds: { says: "seconds of each round", default: 4, least: 0.1 },
    rounds: { says: "rounds of every way in turn", default: 5, least: 1 },
    connections: { says: "connections at once", default: 64, least: 1 },
    only: { says: "ways to measure beside POST /decide", among: WAYS.map(({ name }) => name) },
    json: AS_JSON,
  },
  examples: ["", "--only authzen --rounds 1 --json"],
});
const ways = WAYS.filter(({ name }) => name === "decide" || only === undefined || only.includes(name));

const processes = new Processes();
const sandbox = await sandboxIn(join(processes.folder, "adapters"));
appendFileSync(sandbox.config, stringify(SECTIONS));
const remit = await serveRemit(processes, "adapters", sandbox, processes.copy("adapters", [NARROWS_NOBODY]));

const servers: readonly Server[] = ways.map(({ name, path, headers, body }) => {
  const bodies = Array.from({ length: AGENTS }, (_, i) => JSON.stringify(body(action(i) as Native)));
  return { ...remit, name, job: { ...remit.job, path, headers: { ...remit.job.headers, ...headers }, bodies } };
});

/** How many of the same actions each way permits: ways that differ aren't compared. */
async function permitted({ job }: Server, { permits }: Way): Promise<number> {
  let count = 0;
  for (const body of job.bodies.slice(0, 100)) {
    const response = await fetch(`http://${job.host}:${job.port}${job.path}`, { method: "POST", headers: job.headers, body });
    if (response.status !== 200) throw new Error(`${job.path}: ${await response.text()}`);
    if (permits((await response.json()) as Record<string, unknown>)) count++;
  }
  return count;
}

const counts: number[] = [];
for (const [i, server] of servers.entries()) {
  const way = ways[i];
  if (way !== undefined) counts.push(await permitted(server, way));
}
if (counts.some((count) => count !== counts[0])) throw new Error(`they permit ${counts.join(", ")} of the same 100`);

const { native_us, over } = await compare(processes, servers, { rounds, seconds, connections });

judge(
  [
    { figure: "`POST /decide`, CPU a decision", found: native_us, unit: "µs", most: null },
    ...ways.slice(1).map(({ name }) => ({ figure: `${name}, × that`, found: over(name), unit: "", most: 1.25 })),
  ],
  json,
);
process.exit();
