/**
 * A closed-loop HTTP/1.1 load generator on raw sockets, run as a process of its own so that it can be pinned beside the
 * server. Raw, because a full client costs more than the servers measured here and would set the figures.
 *
 *   node dist/bench/load.js <job.json>     prints one JSON line: a Result
 */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { pathToFileURL } from "node:url";

export interface Job {
  host: string;
  port: number;
  path: string;
  headers: Record<string, string>;
  /** Sent in turn. */
  bodies: string[];
  connections: number;
  seconds: number;
}

export interface Result {
  requests: number;
  failures: number;
  seconds: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
}

const HEAD_END = Buffer.from("\r\n\r\n");

/** Whole HTTP requests, ready to be written. */
function requestsOf(job: Job): Buffer[] {
  const headers = Object.entries(job.headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return job.bodies.map((body) => {
    const length = Buffer.byteLength(body);
    const head = `POST ${job.path} HTTP/1.1\r\nhost: ${job.host}:${job.port}\r\n${headers.join("")}content-length: ${length}\r\n\r\n`;
    return Buffer.from(head + body);
  });
}

async function run(job: Job): Promise<Result> {
  const requests = requestsOf(job);
  const latencies: number[] = [];
  let failures = 0;
  let next = 0;
  const began = performance.now();
  const until = began + job.seconds * 1000;

  const worker = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = connect(job.port, job.host).setNoDelay(true);
      let pending = Buffer.alloc(0);
      let sent = 0;
      const send = (): void => {
        if (performance.now() >= until) {
          socket.destroy();
          resolve();
          return;
        }
        sent = performance.now();
        socket.write(requests[next++ % requests.length] ?? "");
      };
      socket.on("connect", send);
      socket.on("error", reject);
      socket.on("data", (chunk) => {
        pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
        const head = pending.indexOf(HEAD_END);
        if (head < 0) return;
        const text = pending.toString("latin1", 0, head);
        const length = Number(/content-length: *(\d+)/i.exec(text)?.[1] ?? Number.NaN);
        if (Number.isNaN(length)) {
          reject(new Error(`no content-length in: ${text}`));
          return;
        }
        if (pending.length < head + HEAD_END.length + length) return;
        latencies.push(performance.now() - sent);
        if (!text.startsWith("HTTP/1.1 200")) failures++;
        pending = Buffer.alloc(0);
        send();
      });
    });

  await Promise.all(Array.from({ length: job.connections }, worker));
  const seconds = (performance.now() - began) / 1000;
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => latencies[Math.floor(share * (latencies.length - 1))] ?? Number.NaN;
  return { requests: latencies.length, failures, seconds, p50: at(0.5), p99: at(0.99) };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const job = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as Job;
  console.log(JSON.stringify(await run(job)));
}
