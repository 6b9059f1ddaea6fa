/**
 * One caller who asks for too much, beside others who ask for what is theirs: ten times a share, as much as its connections
 * carry, whole batches, bodies that are too large. Others may not be refused, and may not wait for much longer.
 *
 * A share is one of so many that a quarter of the capacity is divided into. Others ask in an open loop: latency counts from
 * when a request was due.
 */
import { once } from "node:events";
import { setPriority } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { Client, judge, quantile, requestOf, type Mark, type Reply } from "./client.js";
import { measure, type Server } from "./measure.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes } from "./processes.js";
import { NARROWS_NOBODY, sandboxIn, serveRemit } from "./servers.js";
import { action, batches } from "./workload.js";

const CALLERS = 10;
const USED = 0.25;
const TIMES = 10;
/** Of all others together, and of the one that asks too much. */
const CONNECTIONS = { others: 64, hostile: 256 };
const CLOSED = { connections: 64, seconds: 5 };
const ACTIONS = 1000;
const BATCH = 100;
const TOO_LARGE = JSON.stringify({ pad: "x".repeat(256 * 1024) });
/** Beside ten times a share. What floods uses up the capacity that others' requests come to, and is shown. */
const P99_RATIO_MAX = 2;
/** Whoever attacks does not keep from its processor who measures. */
const BEHIND = 10;

/** What is asked in turn, by how many connections, at which rate; null: again on each as soon as it is answered. */
interface Stream {
  host: string;
  port: number;
  requests: string[];
  connections: number;
  rate: number | null;
  seconds: number;
}

interface Tally {
  ms: number[];
  /** By status; 0: no answer. */
  statuses: Map<number, number>;
}

if (isMainThread) await main();
else {
  setPriority(BEHIND);
  parentPort?.postMessage(await ask(workerData as Stream));
}

async function main(): Promise<void> {
  const { seconds, json } = readOptions("starving", {
    about: "One caller asks for too much beside others who ask for their share.",
    options: { seconds: { says: "seconds of each attack", default: 15, least: 0.1 }, json: AS_JSON },
    examples: ["", "--seconds 3"],
  });
  const processes = new Processes();
  try {
    const sandbox = await sandboxIn(join(processes.folder, "remit"));
    const remit = await serveRemit(processes, "remit", sandbox, processes.copy("remit", [NARROWS_NOBODY]));
    const asked = (path: string, bodies: readonly string[], callers: readonly string[]): string[] => {
      const authorizations = callers.map((caller) => `Bearer ${sandbox.token(caller, ["remit:decide"])}`);
      return bodies.map((body, i) => {
        const headers = { authorization: authorizations[i % callers.length] ?? "", "content-type": "application/json" };
        return requestOf({ ...remit.job, path, headers }, body).toString("latin1");
      });
    };
    const share = (USED * (await capacityOf(processes, remit))) / CALLERS;
    const single = Array.from({ length: ACTIONS }, (_, i) => JSON.stringify(action(i)));
    const callers = Array.from({ length: CALLERS - 1 }, (_, i) => `other-${i}`);
    const place = { host: remit.job.host, port: remit.job.port, seconds };
    const others = { ...place, requests: asked("/decide", single, callers), connections: CONNECTIONS.others, rate: callers.length * share };
    const attacks: [name: string, rate: number | null, requests: string[]][] = [
      [`${TIMES} times its share`, TIMES * share, asked("/decide", single, ["hostile"])],
      ["as much as it can", null, asked("/decide", single, ["hostile"])],
      [`batches of ${BATCH}`, null, asked("/decide/batch", batches(ACTIONS, BATCH), ["hostile"])],
      ["bodies that are too large", null, asked("/decide", [TOO_LARGE], ["hostile"])],
    ];
    const marks: Mark[] = [{ figure: "a share", found: share, unit: "/s", most: null }];
    for (const [name, rate, requests] of attacks) {
      process.stderr.write(`${name}\n`);
      const alone = await ask(others);
      const [beside, hostile] = await Promise.all([ask(others), aside({ ...place, requests, connections: CONNECTIONS.hostile, rate })]);
      const ratio = quantile(beside.ms, 0.99) / quantile(alone.ms, 0.99);
      marks.push(
        { figure: `${name}: asked`, found: hostile.ms.length / seconds, unit: "/s", most: null },
        { figure: `${name}: answered 200`, found: (hostile.statuses.get(200) ?? 0) / seconds, unit: "/s", most: null },
        { figure: `${name}: others`, found: beside.ms.length, unit: "", most: null },
        { figure: `${name}: others not answered 200`, found: failures(alone) + failures(beside), unit: "", most: 0 },
        { figure: `${name}: others' p50 alone`, found: quantile(alone.ms, 0.5), unit: "ms", most: null },
        { figure: `${name}: others' p50 beside it`, found: quantile(beside.ms, 0.5), unit: "ms", most: null },
        { figure: `${name}: others' p99 alone`, found: quantile(alone.ms, 0.99), unit: "ms", most: null },
        { figure: `${name}: others' p99 beside it`, found: quantile(beside.ms, 0.99), unit: "ms", most: null },
        { figure: `${name}: ratio of p99`, found: ratio, unit: "x", most: rate === null ? null : P99_RATIO_MAX },
      );
    }
    judge(marks, json);
  } finally {
    await processes.stopAll();
  }
}

async function capacityOf(processes: Processes, remit: Server): Promise<number> {
  await measure(processes, remit, CLOSED);
  const { requests, seconds } = await measure(processes, remit, CLOSED);
  return requests / seconds;
}

function failures({ ms, statuses }: Tally): number {
  return ms.length - (statuses.get(200) ?? 0);
}

/** In a thread of its own: what an attack costs whoever makes it is not to be measured. */
async function aside(stream: Stream): Promise<Tally> {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: stream });
  const [tally] = (await once(worker, "message")) as [Tally];
  return tally;
}

async function ask({ host, port, requests: texts, connections, rate, seconds }: Stream): Promise<Tally> {
  const requests = texts.map((text) => Buffer.from(text, "latin1"));
  const tally: Tally = { ms: [], statuses: new Map() };
  let next = 0;
  const one = async (client: Client, since: number): Promise<Reply> => {
    const reply = await client.ask(requests[next++ % requests.length] ?? Buffer.alloc(0));
    tally.ms.push(performance.now() - since);
    tally.statuses.set(reply.status, (tally.statuses.get(reply.status) ?? 0) + 1);
    return reply;
  };
  const open = (): Promise<Client> => Client.open({ host, port });
  const began = performance.now();
  const until = began + seconds * 1000;

  const again = async (): Promise<void> => {
    let client = await open();
    while (performance.now() < until) {
      const { status, head } = await one(client, performance.now());
      if (status !== 0 && !/^connection: close/im.test(head)) continue;
      client.close();
      client = await open();
    }
    client.close();
  };

  const due = async (rate: number): Promise<void> => {
    const all = await Promise.all(Array.from({ length: connections }, open));
    const free = [...all];
    const total = Math.floor(rate * seconds);
    let [sent, answered] = [0, 0];
    const send = async (client: Client): Promise<void> => {
      await one(client, began + (sent++ / rate) * 1000);
      answered++;
      free.push(client);
    };
    while (answered < total) {
      const now = performance.now();
      // In turn: one that is never asked is closed by the server.
      while (sent < total && began + (sent / rate) * 1000 <= now && free.length > 0) {
        const client = free.shift();
        if (client !== undefined) void send(client);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const client of all) client.close();
  };

  await (rate === null ? Promise.all(Array.from({ length: connections }, again)) : due(rate));
  return tally;
}
