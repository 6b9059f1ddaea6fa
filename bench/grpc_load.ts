/**
 * As `load`, closed loop, over gRPC: bodies are messages in Base64, sent over as few connections as a proxy would use.
 *
 *   node dist/bench/grpc_load.js <job.json>     prints one JSON line: a Result
 */
import { readFileSync } from "node:fs";
import { Client, Metadata, credentials } from "@grpc/grpc-js";
import type { Job, Result } from "./load.js";

/** Calls under way on one connection. */
const CALLS = 16;

const job = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as Job;
const messages = job.bodies.map((body) => Buffer.from(body, "base64"));
const metadata = new Metadata();
for (const [name, value] of Object.entries(job.headers)) metadata.set(name, value);
const latencies: number[] = [];
let failures = 0;
let next = 0;

const began = performance.now();
const until = began + job.seconds * 1000;
await Promise.all(Array.from({ length: Math.ceil(job.connections / CALLS) }, connection));
const seconds = (performance.now() - began) / 1000;
latencies.sort((a, b) => a - b);
const at = (share: number): number => latencies[Math.floor(share * (latencies.length - 1))] ?? Number.NaN;
const result: Result = { requests: latencies.length, failures, seconds, p50: at(0.5), p99: at(0.99), p999: at(0.999) };
console.log(JSON.stringify(result));

async function connection(): Promise<void> {
  const options = { "grpc.use_local_subchannel_pool": 1 };
  const client = new Client(`${job.host}:${job.port}`, credentials.createInsecure(), options);
  await Promise.all(
    Array.from({ length: CALLS }, async () => {
      while (performance.now() < until) await call(client);
    }),
  );
  client.close();
}

function call(client: Client): Promise<void> {
  const since = performance.now();
  const message = messages[next++ % messages.length] ?? Buffer.alloc(0);
  return new Promise((resolve) => {
    const same = (bytes: Buffer): Buffer => bytes;
    client.makeUnaryRequest(job.path, same, same, message, metadata, (error, answer) => {
      latencies.push(performance.now() - since);
      // `status { code: 0 }`, first in the answer: a permission.
      if (error !== null || answer?.subarray(0, 4).toString("hex") !== "0a020800") failures++;
      resolve();
    });
  });
}
