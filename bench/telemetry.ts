/**
 * What telemetry costs a decision in CPU: decisions that cost nothing by themselves, without spans, with a sampler that leaves them out, and
 * each with a span. All CPU of this process counts until the last span is sent; the receiver is a process of its own.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { PassThrough } from "node:stream";
import type { Decided, Decider } from "../src/decision/decider.js";
import { system } from "../src/system/index.js";
import { logger } from "../src/system/logger.js";
import { startTelemetry } from "../src/telemetry/telemetry.js";
import { judge, type Mark } from "./client.js";
import { median } from "./measure.js";
import { AS_JSON, readOptions } from "./options.js";

const { decisions, repeats, json } = readOptions("telemetry", {
  about: "Measures what telemetry costs a decision in CPU.",
  options: {
    decisions: { says: "decisions of each measurement", default: 50_000, least: 1 },
    repeats: { says: "repeats", default: 5, least: 1 },
    json: AS_JSON,
  },
  examples: ["", "--decisions 5000 --repeats 1"],
});

/** Counts bytes of whatever comes, and says so when it is asked. */
const RECEIVER = `
let bytes = 0;
require("node:http").createServer((request, response) => {
  if (request.method === "GET") return response.end(String(bytes));
  request.on("data", (chunk) => (bytes += chunk.length)).on("end", () => response.end());
}).listen(0, "127.0.0.1", function () { console.log(this.address().port); });`;
/** Decisions of one turn: the queue is emptied between turns, as it is where decisions wait for a disk. */
const TURN = 500;
/** At once; more would be dropped. */
const QUEUE_MAX = 65_536;

const decided = {
  answer: {
    decision: "allow",
    decision_id: "01a22a29-944c-76f2-b047-36d64f867d62",
    proceed: true,
    reasons: [{ code: "allowed" }],
    policy: { bundle: "customer_support", revision: "0123456789abcdef" },
  },
  text: "",
  purpose: "customer_support",
  lease: null,
  stages: { read: 0.1, evaluate: 0.2, record: 0.5 },
  agent: "support-7",
  trace: null,
} as unknown as Decided;
const decider = { decide: () => Promise.resolve(decided) } as unknown as Decider;
const nothing = Buffer.alloc(0);

const receiver = spawn(process.execPath, ["-e", RECEIVER], { stdio: ["ignore", "pipe", "inherit"] });
process.once("exit", () => receiver.kill("SIGKILL"));
const [port] = (await once(receiver.stdout, "data")) as [Buffer];
const url = `http://127.0.0.1:${port.toString().trim()}`;
const found: Record<"plain" | "left_out" | "traced", number[]> = { plain: [], left_out: [], traced: [] };
for (let repeat = -1; repeat < repeats; repeat++) {
  const [plain, leftOut, traced] = [await cpuUs(url, null), await cpuUs(url, 0), await cpuUs(url, 100)];
  if (repeat < 0) continue;
  found.plain.push(plain);
  found.left_out.push(leftOut - plain);
  found.traced.push(traced - plain);
}
const bytes = Number(await (await fetch(url)).text());
judge(
  [
    shown("CPU more a decision that the sampler leaves out", median(found.left_out), "µs"),
    shown("CPU more a decision with a span, until it is sent", median(found.traced), "µs"),
    shown("the least and the most of it", Math.min(...found.traced), "µs"),
    shown("", Math.max(...found.traced), "µs"),
    shown("a span as it is sent", bytes / (decisions * (repeats + 1)), "bytes"),
  ],
  json,
);
receiver.kill();

/** @param percent of decisions that begin a trace; null: without telemetry */
async function cpuUs(url: string, percent: number | null): Promise<number> {
  const options = { url, signals: ["traces" as const], new_traces_percent: percent ?? 0, metrics_interval_ms: 60_000, delay_ms: 10 };
  const telemetry = startTelemetry(
    { ...options, queue_max: QUEUE_MAX, timeout_ms: 10_000 },
    "bench",
    system,
    logger(system.clock, new PassThrough()),
  );
  const asked = percent === null ? decider : (telemetry.spans?.traced(decider) ?? decider);
  const before = process.cpuUsage();
  for (let done = 0; done < decisions; done += TURN) {
    for (let i = 0; i < Math.min(TURN, decisions - done); i++) await asked.decide(nothing, undefined);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await telemetry.close();
  const { user, system: kernel } = process.cpuUsage(before);
  return (user + kernel) / decisions;
}

function shown(figure: string, found: number, unit: string): Mark {
  return { figure, found, unit, most: null };
}
