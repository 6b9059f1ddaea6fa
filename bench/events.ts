/**
 * How long a revocation takes to reach those who follow `GET /events`, while others ask for decisions: from sending it to each
 * subscriber's receipt, to the first decision that denies, and to the acknowledgement.
 *
 * `--rate` is of decisions a second, over all connections.
 */
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { freePort } from "../demo/ports.js";
import { makeSandbox } from "../demo/sandbox.js";
import { asset } from "../src/system/paths.js";
import { KEY, NAME, bundleBytes, publicPem } from "../test/bundle/support.js";
import { Client, judge, quantile, requestOf, type Mark, type Target } from "./client.js";
import { syncMs } from "./measure.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes, answers } from "./processes.js";

const {
  revocations,
  subscribers: groups,
  connections,
  rate,
  json,
} = readOptions("events", {
  about: "Measures how long a revocation takes to reach the subscribers of GET /events.",
  options: {
    revocations: { says: "revocations", default: 1000, least: 1 },
    subscribers: { says: "numbers of subscribers, separated by commas", least: 1, default: [1, 100, 1000] },
    connections: { says: "connections that ask for decisions", default: 16, least: 1 },
    rate: { says: "decisions a second over all connections", default: 2000, least: 1 },
    json: AS_JSON,
  },
  examples: ["", "--revocations 100 --subscribers 1,100"],
});
/** What is asked of this many; more are shown. */
const JUDGED_MAX = 100;
const RECEIPT_MS_MOST = 5;
const ECHOES = 1000;

const processes = new Processes();
const dir = join(processes.folder, "remit");
mkdirSync(dir);
writeFileSync(join(dir, "events.tar.gz"), await bundleBytes({ expires: null }));
writeFileSync(join(dir, "events.pem"), publicPem(KEY));
const port = await freePort();
const host = "127.0.0.1";
const sandbox = makeSandbox({
  dir,
  bundle: { name: NAME, path: join(dir, "events.tar.gz"), keys: [join(dir, "events.pem")] },
  facts: "agents: {}\n",
  port,
});
appendFileSync(sandbox.config, "events: {subscribers_max: 10000}\nlimits: {connections_max: 24000}\n");
processes.start("remit", "measured", process.execPath, [asset("dist", "src", "cli", "main.js"), ...["serve", "--config", sandbox.config]]);
await answers(`http://${host}:${port}/readyz`);

const token = sandbox.token("bench", ["remit:decide", "remit:register", "remit:revoke"]);
const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
const target = (path: string): Target => ({ host, port, path, headers });
const operator = await Client.open({ host, port });
const tell = async (path: string, body: object): Promise<void> => {
  const reply = await operator.ask(requestOf(target(path), JSON.stringify(body)));
  if (reply.status !== 200 && reply.status !== 201) throw new Error(`${path}: ${reply.status} ${reply.body}`);
};

interface Found {
  received_ms: number[];
  /** The last subscriber's, of each revocation. */
  slowest_ms: number[];
  denied_ms: number[];
  acknowledged_ms: number[];
  decisions: number;
  seconds: number;
}

const state = { sent: 0, denied: false, waiting: 0, heard: (): void => undefined, over: false };

/** Calls with each change that it is told of. */
function subscribe(told: (change: string, held: boolean) => void): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host).setNoDelay(true).once("error", reject);
    let pending = "";
    socket.setEncoding("utf8").on("data", (text: string) => {
      const blocks = (pending + text).split("\n\n");
      pending = blocks.pop() ?? "";
      for (const block of blocks) {
        if (block.includes("event: ready")) resolve(socket);
        const change = /"change":"(\w+)"/.exec(block)?.[1];
        if (change !== undefined) told(change, block.includes('"durable":false'));
      }
    });
    socket.write(`GET /events HTTP/1.1\r\nhost: ${host}:${port}\r\nauthorization: Bearer ${token}\r\n\r\n`);
  });
}

/** What the machine takes by itself, for comparison: a byte to another process on the measured core, and back. */
async function echoes(): Promise<number[]> {
  const at = await freePort();
  const text = `require("node:net").createServer((socket) => socket.setNoDelay().pipe(socket)).listen(${at}, "${host}")`;
  const echo = processes.start("echo", "measured", process.execPath, ["-e", text]);
  const socket = await retried(() => opened(at));
  const ms: number[] = [];
  for (let i = 0; i < ECHOES; i++) {
    const began = performance.now();
    socket.write("x");
    await once(socket, "data");
    ms.push(performance.now() - began);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  socket.destroy();
  await processes.stop(echo);
  return ms;
}

async function opened(at: number): Promise<Socket> {
  const socket = connect(at, host).setNoDelay(true);
  await once(socket, "connect");
  return socket;
}

async function retried<T>(act: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await act();
    } catch (cause) {
      if (tries === 100) throw cause;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function decide(found: Found): Promise<void> {
  const client = await Client.open({ host, port });
  const action = { agent: "a-1", purpose: "testing", verb: "read", resource: { type: "note", id: "n-1", attributes: { customer: "ada" } } };
  const request = requestOf(target("/decide"), JSON.stringify(action));
  const every_ms = (1000 * connections) / rate;
  for (let due = performance.now(); !state.over; due += every_ms) {
    const early_ms = due - performance.now();
    if (early_ms > 0) await new Promise((resolve) => setTimeout(resolve, early_ms));
    const { body } = await client.ask(request);
    found.decisions++;
    if (state.denied || state.sent === 0 || !body.includes('"decision":"deny"')) continue;
    state.denied = true;
    found.denied_ms.push(performance.now() - state.sent);
    state.heard();
  }
  client.close();
}

async function measure(subscribers: number): Promise<Found> {
  const found: Found = { received_ms: [], slowest_ms: [], denied_ms: [], acknowledged_ms: [], decisions: 0, seconds: 0 };
  const told = (change: string, held: boolean): void => {
    const awaited = state.sent === 0 ? "revocation_lifted" : "revoked";
    if (change !== awaited || (awaited === "revoked" && !held)) return;
    const ms = performance.now() - state.sent;
    if (awaited === "revoked") found.received_ms.push(ms);
    if (--state.waiting > 0) return;
    if (awaited === "revoked") found.slowest_ms.push(ms);
    state.heard();
  };
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise<void>((resolve) => (state.heard = resolve));
  };
  const sockets = await Promise.all(Array.from({ length: subscribers }, () => subscribe(told)));
  state.over = false;
  const began = performance.now();
  const asking = Array.from({ length: connections }, () => decide(found));
  for (let i = 0; i < revocations; i++) {
    Object.assign(state, { sent: performance.now(), denied: false, waiting: subscribers });
    await tell("/revocations", { scope: { agent: "a-1" }, reason: "bench" });
    found.acknowledged_ms.push(performance.now() - state.sent);
    await until(() => state.waiting === 0 && state.denied);
    Object.assign(state, { sent: 0, waiting: subscribers });
    await tell("/revocations/agent/a-1/lift", { reason: "bench" });
    await until(() => state.waiting === 0);
    if (i % 100 === 99) process.stderr.write(`\r${subscribers} subscribers: ${i + 1} of ${revocations}  `);
  }
  process.stderr.write("\n");
  state.over = true;
  await Promise.all(asking);
  found.seconds = (performance.now() - began) / 1000;
  for (const socket of sockets) socket.destroy();
  return found;
}

function marksOf(subscribers: number, found: Found): Mark[] {
  const of = `${subscribers} ${subscribers === 1 ? "subscriber" : "subscribers"}`;
  const times: [string, number[]][] = [
    ["each one's receipt", found.received_ms],
    ["the last one's receipt", found.slowest_ms],
    ["the first deny", found.denied_ms],
    ["the acknowledgement", found.acknowledged_ms],
  ];
  const shown = times.flatMap(([what, ms]) =>
    (
      [
        ["p50", 0.5],
        ["p99", 0.99],
        ["p99.9", 0.999],
      ] as const
    ).map(([name, share]) => ({
      figure: `${of}: from sending to ${what}, ${name}`,
      found: quantile(ms, share),
      unit: "ms",
      most: subscribers <= JUDGED_MAX && what === "each one's receipt" && name === "p99" ? RECEIPT_MS_MOST : null,
    })),
  );
  return [{ figure: `${of}: load`, found: found.decisions / found.seconds, unit: "decisions/s", most: null }, ...shown];
}

try {
  await tell("/agents", { id: "a-1", owner: "bench", purposes: ["testing"] });
  const echo_ms = await echoes();
  const marks: Mark[] = [
    { figure: "revocations, for each number of subscribers", found: revocations, unit: "", most: null },
    { figure: "one sync of this disk", found: syncMs(processes.folder), unit: "ms", most: null },
    { figure: "a bare echo of this machine, p50", found: quantile(echo_ms, 0.5), unit: "ms", most: null },
    { figure: "a bare echo of this machine, p99", found: quantile(echo_ms, 0.99), unit: "ms", most: null },
  ];
  for (const subscribers of groups) marks.push(...marksOf(subscribers, await measure(subscribers)));
  judge(marks, json);
} finally {
  operator.close();
  await processes.stopAll();
}
