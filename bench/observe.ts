/**
 * What agents did without having asked, reported as fast as it is taken, beside others who ask for decisions. Everything is
 * counted: HTTP, reading, judging, the evaluating thread, records on disk and their tree; and apart from these what makes
 * records findable, at a lower priority.
 *
 * Every line is another action. With `--run` so many lines of one agent follow each other: what agents report themselves
 * comes like that, and what a collector reports of many doesn't. The service has one core, whoever reports has the other.
 */
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ObservedAnswer } from "../src/contract/index.js";
import { judge } from "./client.js";
import { measure, rssMb, type Measured } from "./measure.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes } from "./processes.js";
import { AGENTS, sandboxIn, serveRemit } from "./servers.js";
import { INDEX, threadsMs } from "./threads.js";
import { PURPOSE, action } from "./workload.js";

const { lines, streams, run, seconds, json } = readOptions("observe", {
  about: "Reports actions as fast as they are accepted, beside others who ask for decisions.",
  options: {
    lines: { says: "reported actions", default: 1_000_000, least: 1 },
    streams: { says: "streams at once", default: 2, least: 1 },
    run: { says: "lines of one agent in a row", default: 1, least: 1 },
    seconds: { says: "seconds beside decisions", default: 10, least: 0.1 },
    json: AS_JSON,
  },
  examples: ["", "--lines 10000 --run 100"],
});

const LINES_A_REQUEST = 50_000;
const LINES_A_WRITE = 1_000;
const WARM_UP_LINES = 100_000;
/** A core has so many microseconds for each of 30,000 lines a second. */
const LINE_CPU_US_MAX = 1e6 / 30_000;
/** What is held may not grow with what was taken; a heap's own breathing is less than this. */
const GROWTH_MB_MAX = 64;
/** Decisions a second, whatever the service does, on so many connections. */
const DECISIONS = { connections: 64, rate: 200 };

let sent = 0;
const processes = new Processes();
const sandbox = await sandboxIn(join(processes.folder, "remit"));
const main = fileURLToPath(new URL("../src/cli/main.js", import.meta.url));
const server = await serveRemit(processes, "remit", sandbox, main);
const authorization = `Bearer ${sandbox.token("bench", ["remit:observe"])}`;

try {
  await report(WARM_UP_LINES);
  const warm = { cpu: cpuMs(), rss: rssMb(server.process), at: performance.now() };
  let [half, peak] = [0, 0];
  const watching = setInterval(() => {
    peak = Math.max(peak, rssMb(server.process));
  }, 100);
  await report(lines / 2);
  half = rssMb(server.process);
  const taken = await report(lines / 2);
  clearInterval(watching);
  const wall = (performance.now() - warm.at) / 1000;
  const cpu = cpuMs();
  const lineUs = (of: "first" | "later"): number => ((cpu[of] - warm.cpu[of]) / lines) * 1000;
  const alone = await measure(processes, server, { ...DECISIONS, seconds });
  const [beside, rate] = await decideBeside();
  judge(
    [
      { figure: "lines on record", found: lines, unit: "", most: null, least: taken },
      { figure: "lines a second", found: lines / wall, unit: "", most: null },
      {
        figure: "CPU of a line until it is on record and signed",
        found: lineUs("first"),
        unit: "µs",
        most: LINE_CPU_US_MAX,
      },
      { figure: "CPU of a line after that, at a lower priority", found: lineUs("later"), unit: "µs", most: null },
      { figure: "memory after the warm-up", found: warm.rss, unit: "MB", most: null },
      { figure: "memory after half of the lines", found: half, unit: "MB", most: null },
      { figure: "memory at its most", found: peak, unit: "MB", most: half + GROWTH_MB_MAX },
      { figure: "decisions a second, alone and beside", found: DECISIONS.rate, unit: "", most: null },
      { figure: "of them not answered alone", found: alone.failures, unit: "", most: 0 },
      { figure: "of them not answered beside", found: beside.failures, unit: "", most: 0 },
      { figure: "decisions' p50 alone", found: alone.p50, unit: "ms", most: null },
      { figure: "decisions' p50 beside", found: beside.p50, unit: "ms", most: null },
      { figure: "decisions' p99 alone", found: alone.p99, unit: "ms", most: null },
      { figure: "decisions' p99 beside", found: beside.p99, unit: "ms", most: null },
      { figure: "lines a second meanwhile", found: rate, unit: "", most: null },
    ],
    json,
  );
} finally {
  await processes.stopAll();
}

/** Milliseconds of CPU of the service's threads: those that answers wait for, and those of a lower priority. */
function cpuMs(): { first: number; later: number } {
  const found = { first: 0, later: 0 };
  for (const [name, ms] of threadsMs(server.process)) found[name === INDEX ? "later" : "first"] += ms;
  return found;
}

/** @returns lines that are on record, all of them */
async function report(count: number): Promise<number> {
  let left = count;
  const one = async (): Promise<void> => {
    while (left > 0) {
      const now = Math.min(LINES_A_REQUEST, left);
      left -= now;
      const answer = await send(now);
      if (answer.accepted !== now) throw new Error(`lines are not on record: ${JSON.stringify(answer)}`);
    }
  };
  await Promise.all(Array.from({ length: streams }, one));
  return count;
}

/** As fast as the service reads. */
async function send(count: number): Promise<ObservedAnswer> {
  const { host, port } = server.job;
  const headers = { authorization, "content-type": "application/x-ndjson" };
  const request = httpRequest({ host, port, path: "/observe", method: "POST", headers });
  const answered = once(request, "response") as Promise<[AsyncIterable<Buffer>]>;
  for (let at = 0; at < count; at += LINES_A_WRITE) {
    if (!request.write(block(Math.min(LINES_A_WRITE, count - at)))) await once(request, "drain");
  }
  request.end();
  const [response] = await answered;
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString()) as ObservedAnswer;
}

/** Of agents by turns, each at a moment of its own. */
function block(count: number): string {
  const now = Date.now();
  let text = "";
  for (let i = 0; i < count; i++, sent++) {
    const agent = Math.floor(sent / run) % AGENTS;
    const line = { ...action(agent, PURPOSE, sent), at: new Date(now - i).toISOString(), outcome: "done" };
    text += `${JSON.stringify(line)}\n`;
  }
  return text;
}

/** @returns how decisions fare, and lines a second meanwhile */
async function decideBeside(): Promise<[Measured, number]> {
  const state = { over: false };
  const reporting = (async (): Promise<number> => {
    const began = performance.now();
    let reported = 0;
    while (!state.over) reported += await report(streams * LINES_A_REQUEST);
    return (reported / (performance.now() - began)) * 1000;
  })();
  const measured = await measure(processes, server, { ...DECISIONS, seconds });
  state.over = true;
  return [measured, await reporting];
}
