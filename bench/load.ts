/**
 * A load generator, run as a process of its own so that it can be pinned beside the server.
 *
 * Closed loop: every connection asks again once it is answered. Open loop: requests are due at a constant rate whatever the
 * server does, and latency counts from when a request was due, so that a stall is seen by all who would have met it.
 *
 *   node dist/bench/load.js <job.json>     prints one JSON line: a Result
 */
import { readFileSync } from "node:fs";
import { opener, type Connection, type Target } from "./transport.js";

export interface Job extends Target {
  connections: number;
  seconds: number;
  /** Requests a second, for an open loop; null: closed. */
  rate: number | null;
  /** Ends after so many requests too; null: by time only. */
  requests: number | null;
}

export interface Result {
  requests: number;
  /** Answers other than good ones, and in an open loop what was due and not answered in time. */
  failures: number;
  seconds: number;
  /** Share of a core that this generator used: near 1 in a closed loop, the server could have answered more. */
  generator: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
  p999: number;
}

/** How long an open loop waits for what is outstanding at its end. */
const DRAIN_MS = 5000;

const job = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as Job;
const latencies: number[] = [];
let failures = 0;
let next = 0;

const open = opener(job);
const connections = await Promise.all(Array.from({ length: job.connections }, open));
const [began, cpu] = [performance.now(), process.cpuUsage()];
const until = began + job.seconds * 1000;
await (job.rate === null ? closedLoop() : openLoop(job.rate));
const seconds = (performance.now() - began) / 1000;
const { user, system } = process.cpuUsage(cpu);
for (const connection of connections) connection.close();
latencies.sort((a, b) => a - b);
const at = (share: number): number => latencies[Math.floor(share * (latencies.length - 1))] ?? Number.NaN;
const result: Result = {
  requests: latencies.length,
  failures,
  seconds,
  generator: (user + system) / 1e6 / seconds,
  p50: at(0.5),
  p99: at(0.99),
  p999: at(0.999),
};
console.log(JSON.stringify(result));

/** @param since when the request was sent, or due */
function ask(connection: Connection, since: number, done: () => void): void {
  connection.answered = (ok) => {
    latencies.push(performance.now() - since);
    if (!ok) failures++;
    done();
  };
  connection.send(next++);
}

async function closedLoop(): Promise<void> {
  await Promise.all(
    connections.map(
      (connection) =>
        new Promise<void>((resolve) => {
          const again = (): void => {
            const now = performance.now();
            if (now >= until || next >= (job.requests ?? Infinity)) resolve();
            else ask(connection, now, again);
          };
          again();
        }),
    ),
  );
}

/** Turns without waiting, as a timer is too coarse: the generator has a core to itself. */
async function openLoop(rate: number): Promise<void> {
  const total = Math.floor(rate * job.seconds);
  const free = [...connections];
  let sent = 0;
  await new Promise<void>((resolve) => {
    const turn = (): void => {
      const now = performance.now();
      for (;;) {
        const due = began + (sent / rate) * 1000;
        if (sent === total || due > now) break;
        // In turn: one that is never asked is closed by the server, and its farewell would count as an answer.
        const connection = free.shift();
        if (connection === undefined) break;
        ask(connection, due, () => free.push(connection));
        sent++;
      }
      if (latencies.length === total || now > until + DRAIN_MS) resolve();
      else setImmediate(turn);
    };
    turn();
  });
  failures += total - latencies.length;
}
