/**
 * An HTTP/1.1 load generator on raw sockets, run as a process of its own so that it can be pinned beside the server. Raw,
 * because a full client costs more than the servers measured here and would set the figures.
 *
 * Closed loop: every connection asks again once it is answered. Open loop: requests are due at a constant rate whatever the
 * server does, and latency counts from when a request was due, so that a stall is seen by all who would have met it.
 *
 *   node dist/bench/load.js <job.json>     prints one JSON line: a Result
 */
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";

export interface Job {
  host: string;
  port: number;
  path: string;
  headers: Record<string, string>;
  /** Sent in turn. */
  bodies: string[];
  /** Each one's first line and headers but for its length, in place of `path` and `headers`. */
  heads?: string[];
  /** Who asks, in turn, in place of the header: of one caller no more is decided at once than its share. */
  authorizations?: string[];
  connections: number;
  seconds: number;
  /** Requests a second, for an open loop; null: closed. */
  rate: number | null;
  /** Ends after so many requests too; null: by time only. */
  requests: number | null;
}

export interface Result {
  requests: number;
  /** Answers other than 200, and in an open loop what was due and not answered in time. */
  failures: number;
  seconds: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
  p999: number;
}

const HEAD_END = Buffer.from("\r\n\r\n");
/** How long an open loop waits for what is outstanding at its end. */
const DRAIN_MS = 5000;

const job = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as Job;
const requests = requestsOf(job);
const latencies: number[] = [];
let failures = 0;
let next = 0;

const connections = await Promise.all(Array.from({ length: job.connections }, open));
const began = performance.now();
const until = began + job.seconds * 1000;
await (job.rate === null ? closedLoop() : openLoop(job.rate));
const seconds = (performance.now() - began) / 1000;
for (const { socket } of connections) socket.destroy();
latencies.sort((a, b) => a - b);
const at = (share: number): number => latencies[Math.floor(share * (latencies.length - 1))] ?? Number.NaN;
const result: Result = {
  requests: latencies.length,
  failures,
  seconds,
  p50: at(0.5),
  p99: at(0.99),
  p999: at(0.999),
};
console.log(JSON.stringify(result));

/** Whole HTTP requests, ready to be written. */
function requestsOf({ host, port, path, headers, bodies, heads, authorizations }: Job): Buffer[] {
  const asked = (authorizations ?? [null]).map((authorization) => {
    const all = authorization === null ? headers : { ...headers, authorization };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    return `POST ${path} HTTP/1.1\r\nhost: ${host}:${port}\r\n${lines.join("")}`;
  });
  return bodies.map((body, i) => {
    const head = heads?.[i] ?? asked[i % asked.length] ?? "";
    return Buffer.from(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  });
}

interface Connection {
  socket: Socket;
  /** When what is under way was sent, or due. */
  since: number;
  /** Called once it is answered. */
  done: () => void;
}

function open(): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket = connect(job.port, job.host).setNoDelay(true);
    const connection: Connection = { socket, since: 0, done: () => undefined };
    let pending = Buffer.alloc(0);
    socket.on("connect", () => {
      resolve(connection);
    });
    socket.on("error", reject);
    socket.on("data", (chunk) => {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      const head = pending.indexOf(HEAD_END);
      if (head < 0) return;
      const text = pending.toString("latin1", 0, head);
      const length = Number(/content-length: *(\d+)/i.exec(text)?.[1] ?? Number.NaN);
      if (Number.isNaN(length)) throw new Error(`no content-length in: ${text}`);
      if (pending.length < head + HEAD_END.length + length) return;
      latencies.push(performance.now() - connection.since);
      if (!text.startsWith("HTTP/1.1 200")) failures++;
      pending = Buffer.alloc(0);
      connection.done();
    });
  });
}

function ask(connection: Connection, since: number): void {
  connection.since = since;
  connection.socket.write(requests[next++ % requests.length] ?? "");
}

async function closedLoop(): Promise<void> {
  await Promise.all(
    connections.map(
      (connection) =>
        new Promise<void>((resolve) => {
          const again = (): void => {
            const now = performance.now();
            if (now >= until || next >= (job.requests ?? Infinity)) resolve();
            else ask(connection, now);
          };
          connection.done = again;
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
  for (const connection of connections) connection.done = () => free.push(connection);
  await new Promise<void>((resolve) => {
    const turn = (): void => {
      const now = performance.now();
      for (;;) {
        const due = began + (sent / rate) * 1000;
        if (sent === total || due > now) break;
        // In turn: one that is never asked is closed by the server, and its farewell would count as an answer.
        const connection = free.shift();
        if (connection === undefined) break;
        ask(connection, due);
        sent++;
      }
      if (latencies.length === total || now > until + DRAIN_MS) resolve();
      else setImmediate(turn);
    };
    turn();
  });
  failures += total - latencies.length;
}
