/**
 * `make bench`: decisions by Remit (authenticated, each recorded on disk) and by OPA's own server, on the same policy and the
 * same inputs, in turn. Prints a table and writes docs/benchmarks.md. Trust the ratios; absolute figures are the machine's.
 */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import {
  createWriteStream,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { availableParallelism, cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { promisify } from "node:util";
import { findOpa } from "../src/bundle/opa.js";
import { unordered } from "../src/authoring/set.js";
import type { Answer, PolicyInput, PolicyResult } from "../src/contract/index.js";
import { asset } from "../src/system/paths.js";
import { makeSandbox } from "../dev/sandbox.js";
import type { Job, Result } from "./load.js";

const REPEATS = Number(process.env["REPEATS"] ?? 3);
const SECONDS = Number(process.env["SECONDS"] ?? 3);
const WARM_UP_SECONDS = 2;
const CONNECTIONS = [1, 16, 64];
const AGENTS = 1000;
const CLOCK_TICKS_PER_SECOND = 100;
const run = promisify(execFile);

interface Server {
  name: string;
  process: ChildProcess;
  job: Omit<Job, "connections" | "seconds">;
}

interface Measured extends Result {
  /** Microseconds of the server's CPU a decision, user and system. */
  cpu_us: number;
  rss_mb: number;
}

const folder = mkdtempSync(join(tmpdir(), "remit-bench-"));
const servers: Server[] = [];
try {
  const remit = await startRemit();
  servers.push(remit);
  const inputs = await recordedInputs(remit);
  for (const [name, log] of [
    ["OPA", false],
    ["OPA, console decision log", true],
  ] as const) {
    servers.push(await startOpa(name, log, inputs));
  }
  await mustAgree(inputs);
  for (const server of servers) await load(server, 16, WARM_UP_SECONDS);
  const rows = [];
  for (const connections of CONNECTIONS) {
    const found = new Map(servers.map(({ name }) => [name, [] as Measured[]]));
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      for (const server of servers) found.get(server.name)?.push(await measure(server, connections));
      process.stderr.write(`\r${connections} connections: ${repeat + 1} of ${REPEATS}  `);
    }
    for (const [name, all] of found) rows.push({ connections, name, ...median(all) });
  }
  process.stderr.write("\n");
  const text = report(rows, syncMs());
  console.log(text);
  writeFileSync(asset("docs", "benchmarks.md"), text);
} finally {
  for (const server of servers) server.process.kill("SIGTERM");
  await Promise.all(servers.map(async ({ process: child }) => child.exitCode ?? once(child, "exit")));
  rmSync(folder, { recursive: true, force: true });
}

function agent(i: number): string {
  return `support-${i}`;
}

async function startRemit(): Promise<Server> {
  const port = await freePort();
  const agents = Array.from({ length: AGENTS }, (_, i) => i);
  const facts = {
    agents: Object.fromEntries(agents.map((i) => [agent(i), { owner: "bench", purposes: ["customer_support"] }])),
    tasks: Object.fromEntries(
      agents.map((i) => [
        `T-${i}`,
        {
          agent: agent(i),
          purpose: "customer_support",
          subjects: { ticket: [`TCK-${i}`], customer: [`customer-${i}`] },
          attributes: { topic: "billing" },
        },
      ]),
    ),
  };
  const sandbox = makeSandbox({
    dir: join(folder, "remit"),
    bundle: {
      name: "customer_support",
      path: asset("bundles", "customer_support.tar.gz"),
      keys: [asset("bundles", "customer_support.pub.pem")],
    },
    facts: JSON.stringify(facts),
    port,
  });
  const main = asset("dist", "src", "cli", "main.js");
  const child = start("remit", process.execPath, [main, "serve", "--config", sandbox.config]);
  await answers(`http://127.0.0.1:${port}/readyz`);
  return {
    name: "Remit",
    process: child,
    job: {
      host: "127.0.0.1",
      port,
      path: "/decide",
      headers: {
        authorization: `Bearer ${sandbox.token("bench", ["remit:decide"])}`,
        "content-type": "application/json",
      },
      bodies: requests(),
    },
  };
}

/** What support agents ask: their customer, an invoice of theirs and one of somebody else's, a write that is never allowed. */
function requests(): string[] {
  return Array.from({ length: AGENTS }, (_, i) => {
    const [own, other] = [`customer-${i}`, `customer-${i + 1}`];
    const [verb, resource] = [
      ["read", { type: "customer", id: own }],
      ["read", { type: "invoice", id: `I-${i}`, attributes: { customer: own, amount_cents: 4900 } }],
      ["read", { type: "invoice", id: `I-${i + 1}`, attributes: { customer: other, amount_cents: 125_000 } }],
      ["read", { type: "order", id: `O-${i}`, attributes: { customer: own } }],
      ["update", { type: "customer", id: own }],
    ][i % 5] as [string, object];
    const context = {
      session: `s-${i}`,
      source: "bench",
      trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    };
    return JSON.stringify({ agent: agent(i), purpose: "customer_support", task: `T-${i}`, verb, resource, context });
  });
}

/** Sends every request once; the records then hold, to the byte, what the policy was asked: OPA's server is asked the same. */
async function recordedInputs({ job }: Server): Promise<{ input: PolicyInput; answer: Answer }[]> {
  for (const body of job.bodies) {
    const response = await fetch(`http://${job.host}:${job.port}${job.path}`, {
      method: "POST",
      headers: job.headers,
      body,
    });
    if (response.status !== 200) throw new Error(`a request was refused: ${await response.text()}`);
  }
  const records = join(folder, "remit", "records");
  const lines = readdirSync(records)
    .filter((file) => file.endsWith(".jsonl"))
    .flatMap((file) => readFileSync(join(records, file), "utf8").trim().split("\n"));
  return lines
    .map((line) => JSON.parse(line) as { input?: PolicyInput; answer: Answer })
    .filter((record): record is { input: PolicyInput; answer: Answer } => record.input !== undefined);
}

async function startOpa(name: string, log: boolean, inputs: { input: PolicyInput }[]): Promise<Server> {
  const { path } = await findOpa((line) => process.stderr.write(`${line}\n`));
  const port = await freePort();
  const logging = log ? ["--set", "decision_logs.console=true"] : [];
  const bundle = asset("bundles", "customer_support.tar.gz");
  const args = [
    "run",
    "--server",
    "--addr",
    `127.0.0.1:${port}`,
    "--log-level",
    log ? "info" : "error",
    ...logging,
    "-b",
    bundle,
  ];
  const child = start(log ? "opa-log" : "opa", path, [...args, "--skip-verify"]);
  await answers(`http://127.0.0.1:${port}/health`);
  return {
    name,
    process: child,
    job: {
      host: "127.0.0.1",
      port,
      path: "/v1/data/remit/decide",
      headers: { "content-type": "application/json" },
      bodies: inputs.map(({ input }) => JSON.stringify({ input })),
    },
  };
}

async function mustAgree(inputs: { input: PolicyInput; answer: Answer }[]): Promise<void> {
  const opa = servers.find(({ name }) => name === "OPA");
  if (opa === undefined) throw new Error("OPA was not started");
  for (const { input, answer } of inputs) {
    const response = await fetch(`http://${opa.job.host}:${opa.job.port}${opa.job.path}`, {
      method: "POST",
      body: JSON.stringify({ input }),
    });
    const { result } = (await response.json()) as { result: PolicyResult };
    const codes = (reasons: { code: string }[]): string => unordered(reasons.map(({ code }) => code));
    if (result.decision !== answer.decision || codes(result.reasons) !== codes(answer.reasons)) {
      throw new Error(`OPA answers otherwise to ${JSON.stringify(input)}`);
    }
  }
}

/** On a core of its own where there are two, the load generator on the other. */
function start(name: string, command: string, args: string[]): ChildProcess {
  const pinned = availableParallelism() > 1 ? ["taskset", "-c", "0", command, ...args] : [command, ...args];
  const [program = "", ...rest] = pinned;
  const child = spawn(program, rest, { stdio: ["ignore", "pipe", "pipe"] });
  const output = createWriteStream(join(folder, `${name}.log`));
  child.stdout.pipe(output, { end: false });
  child.stderr.pipe(output, { end: false });
  return child;
}

async function load(server: Server, connections: number, seconds: number): Promise<Result> {
  const file = join(folder, "job.json");
  writeFileSync(file, JSON.stringify({ ...server.job, connections, seconds } satisfies Job));
  const generator = [process.execPath, asset("dist", "bench", "load.js"), file];
  const [program = "", ...args] = availableParallelism() > 1 ? ["taskset", "-c", "1", ...generator] : generator;
  const { stdout } = await run(program, args);
  return JSON.parse(stdout) as Result;
}

async function measure(server: Server, connections: number): Promise<Measured> {
  const before = cpuSeconds(server.process);
  const result = await load(server, connections, SECONDS);
  if (result.failures > 0) throw new Error(`${server.name}: ${result.failures} requests failed`);
  const cpu = cpuSeconds(server.process) - before;
  return { ...result, cpu_us: (cpu / result.requests) * 1e6, rss_mb: rssMb(server.process) };
}

/** User and system time of all threads, by the kernel's accounting (proc(5), fields 14 and 15 of stat). */
function cpuSeconds({ pid }: ChildProcess): number {
  const stat = readFileSync(`/proc/${pid ?? 0}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
}

function rssMb({ pid }: ChildProcess): number {
  const status = readFileSync(`/proc/${pid ?? 0}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

function median(all: Measured[]): Measured {
  const of = (key: keyof Measured): number => {
    const values = all.map((one) => one[key]).sort((a, b) => a - b);
    return values[Math.floor((values.length - 1) / 2)] ?? Number.NaN;
  };
  const keys: (keyof Measured)[] = ["requests", "failures", "seconds", "p50", "p99", "cpu_us", "rss_mb"];
  return Object.fromEntries(keys.map((key) => [key, of(key)])) as unknown as Measured;
}

/** What one durable write costs on this disk, milliseconds: the floor under every answer. */
function syncMs(): number {
  const file = openSync(join(folder, "sync"), "w");
  const chunk = Buffer.alloc(25_000);
  const times = Array.from({ length: 50 }, () => {
    writeSync(file, chunk);
    const began = performance.now();
    fdatasyncSync(file);
    return performance.now() - began;
  });
  return times.sort((a, b) => a - b)[25] ?? Number.NaN;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function answers(url: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const ok = await fetch(url).then(
      ({ ok: good }) => good,
      () => false,
    );
    if (ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${url} does not answer`);
}

function report(rows: ({ connections: number; name: string } & Measured)[], sync: number): string {
  const memory = Math.round(totalmem() / 2 ** 30);
  const lines = [
    "# Benchmarks",
    "",
    `Written by \`make bench\` on ${cpus()[0]?.model ?? "an unknown processor"}, ${availableParallelism()} cores, ${memory} GiB, Node ${process.versions.node};`,
    `one \`fdatasync\` of 25 kB takes ${sync.toFixed(2)} ms here. Medians of ${REPEATS} interleaved repeats of ${SECONDS} s, each server on one`,
    "core and the load generator, a closed loop, on the other. Trust the ratios.",
    "",
    "The same bundle and, to the byte, the same inputs. Remit verifies a token, looks facts up, and answers after its record is on disk; OPA's server",
    "is sent the facts in its input, checks no token, and its console decision log is not synced.",
    "",
    "| connections | server | decisions/s | × OPA with log | CPU µs a decision | × OPA with log | p50 ms | p99 ms | RSS MB |",
    "| --: | --- | --: | --: | --: | --: | --: | --: | --: |",
  ];
  for (const { connections, name, requests: count, seconds, cpu_us, p50, p99, rss_mb } of rows) {
    const peer = rows.find((row) => row.connections === connections && row.name.includes("log"));
    const rate = count / seconds;
    const rateRatio = peer === undefined ? Number.NaN : rate / (peer.requests / peer.seconds);
    const cpuRatio = peer === undefined ? Number.NaN : cpu_us / peer.cpu_us;
    const cells = [connections, name, rate.toFixed(0), rateRatio.toFixed(2), cpu_us.toFixed(0), cpuRatio.toFixed(2)];
    lines.push(`| ${[...cells, p50.toFixed(2), p99.toFixed(2), rss_mb.toFixed(0)].join(" | ")} |`);
  }
  return `${lines.join("\n")}\n`;
}
