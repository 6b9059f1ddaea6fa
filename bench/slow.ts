/**
 * Thousands of connections that are idle, or drip their headers or their body a byte at a time and come back once they are
 * ended, beside others who ask well. So many of them are judged, and three times as many shown.
 */
import { appendFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { asset } from "../src/system/paths.js";
import { Client, judge, quantile, requestOf, type Mark, type Target } from "./client.js";
import { AS_JSON, readOptions } from "./options.js";
import { answers, Processes } from "./processes.js";
import { sandboxIn } from "./servers.js";
import { action } from "./workload.js";

const { sockets, seconds, json } = readOptions("slow", {
  about: "Holds thousands of idle or slow connections open beside others who ask well.",
  options: {
    sockets: { says: "sockets that are judged", default: 1000, least: 1 },
    seconds: { says: "seconds of each kind", default: 30, least: 0.1 },
    json: AS_JSON,
  },
  examples: ["", "--sockets 100 --seconds 5"],
});

const BYSTANDERS = 8;
const PAUSE_MS = 2;
const DRIP_MS = 1000;
/** They don't keep time with one another: what comes all at once would be a burst, and hold up the measuring side too. */
const SLICES = 100;
const OPENED_WITHIN_MS = 5000;
const WARM_UP_SECONDS = 5;
/** Threat B4: others' p99 stays within a fifth. */
const RATIO_MAX = 1.2;
const MORE = 3;

/** A third idle, a third in the middle of their headers, a third in the middle of their body. */
class SlowOnes {
  readonly opened: Promise<unknown>;
  ended = 0;
  readonly #sockets = new Set<Socket>();
  readonly #dripping = Array.from({ length: SLICES }, () => new Set<Socket>());
  #slice = 0;
  readonly #drip = setInterval(() => {
    this.#slice = (this.#slice + 1) % SLICES;
    for (const socket of this.#dripping[this.#slice] ?? []) socket.write("x");
  }, DRIP_MS / SLICES);
  #stopped = false;

  constructor(sockets: number) {
    this.opened = this.#openAll(sockets);
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#drip);
    for (const socket of this.#sockets) socket.destroy();
  }

  async #openAll(sockets: number): Promise<void> {
    const opened: Promise<void>[] = [];
    for (let i = 0; i < sockets; i++) {
      if (i % Math.ceil(sockets / SLICES) === 0) {
        await new Promise((resolve) => setTimeout(resolve, OPENED_WITHIN_MS / SLICES));
      }
      opened.push(this.#open(i));
    }
    await Promise.all(opened);
  }

  #open(kind: number): Promise<void> {
    const dripping = this.#dripping[kind % SLICES];
    return new Promise((resolve) => {
      const socket = connect(target.port, target.host);
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.resume();
      socket.once("connect", () => {
        if (kind % 3 === 1) socket.write(`POST /decide HTTP/1.1\r\nhost: ${target.host}\r\nx-slow: `);
        if (kind % 3 === 2) socket.write(request.subarray(0, -100));
        if (kind % 3 !== 0) dripping?.add(socket);
        resolve();
      });
      socket.once("close", () => {
        this.#sockets.delete(socket);
        dripping?.delete(socket);
        if (this.#stopped) return;
        this.ended++;
        void this.#open(kind);
      });
    });
  }
}

const processes = new Processes();
const { config, token, port } = await sandboxIn(join(processes.folder, "remit"));
appendFileSync(config, `limits: { connections_max: ${MORE * sockets + 100} }\n`);
processes.start("remit", "measured", process.execPath, [asset("dist", "src", "cli", "main.js"), ...["serve", "--config", config]]);
await answers(`http://127.0.0.1:${port}/readyz`);
const target: Target = {
  host: "127.0.0.1",
  port,
  path: "/decide",
  headers: { authorization: `Bearer ${token("bench", ["remit:decide"])}`, "content-type": "application/json" },
};
const request = requestOf(target, JSON.stringify(action(0)));
let failed = 0;

try {
  await ask(WARM_UP_SECONDS, "warm-up");
  const alone = await ask(seconds, "alone");
  const figures = [...(await besides(sockets, alone, RATIO_MAX)), ...(await besides(MORE * sockets, alone, null))];
  figures.push({ figure: "of all requests not decided", found: failed, unit: "", most: 0 });
  judge(figures, json);
} finally {
  await processes.stopAll();
}

async function besides(count: number, alone: number[], most: number | null): Promise<Mark[]> {
  const slow = new SlowOnes(count);
  await slow.opened;
  const beside = await ask(seconds, `beside ${count} slow ones`);
  const { ended } = slow;
  slow.stop();
  const [before, after] = [quantile(alone, 0.99), quantile(beside, 0.99)];
  return [
    { figure: "connections that are slow or idle", found: count, unit: "", most: null },
    { figure: "of them ended by the service and opened again", found: ended, unit: "", most: null, least: 1 },
    { figure: "requests of others beside them", found: beside.length, unit: "", most: null },
    { figure: "others' p50 alone", found: quantile(alone, 0.5), unit: "ms", most: null },
    { figure: "others' p50 beside them", found: quantile(beside, 0.5), unit: "ms", most: null },
    { figure: "others' p99 alone", found: before, unit: "ms", most: null },
    { figure: "others' p99 beside them", found: after, unit: "ms", most: null },
    { figure: "ratio of p99", found: after / before, unit: "x", most },
  ];
}

async function ask(forSeconds: number, name: string): Promise<number[]> {
  const found: number[] = [];
  const until = performance.now() + forSeconds * 1000;
  const one = async (): Promise<void> => {
    const client = await Client.open(target);
    while (performance.now() < until) {
      const { status, ms } = await client.ask(request);
      if (status !== 200) failed++;
      found.push(ms);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    client.close();
  };
  await Promise.all(Array.from({ length: BYSTANDERS }, one));
  process.stderr.write(`${name}: ${found.length} requests\n`);
  return found;
}
