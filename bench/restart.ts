/**
 * How soon a service with many records decides again once it is killed: started again, and where a standby takes over. The records are
 * made just before, as fast as they can be, so that as much as can be of them is in no snapshot.
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { sleep } from "../src/system/index.js";
import { judge, quantile, type Mark } from "./client.js";
import { measure } from "./measure.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes, answers } from "./processes.js";
import { NARROWS_NOBODY, sandboxIn, serveRemit } from "./servers.js";
import { batches } from "./workload.js";

const { records, kills, json } = readOptions("restart", {
  about: "Measures how soon a killed service with many records decides again.",
  options: { records: { says: "records", default: 1_000_000, least: 1 }, kills: { says: "kills", default: 5, least: 1 }, json: AS_JSON },
  examples: ["--records 100000 --kills 2"],
});
const BATCH_SIZE = 100;
const BATCHES_UNDER_WAY = 8;
const FILL_S_MAX = 900;
const POLL_MS = 10;
/** Decided between two kills. */
const BETWEEN = { connections: 16, seconds: 2 };
const READY_MS_MAX = 2000;
const STANDBY_MS_MAX = 60_000;

const processes = new Processes();
const sandbox = await sandboxIn(join(processes.folder, "remit"));
const main = processes.copy("remit", [NARROWS_NOBODY]);
const first = await serveRemit(processes, "remit", sandbox, main);
const { job } = first;
const url = `http://${job.host}:${job.port}${job.path}`;
const asked = { method: "POST", headers: job.headers, body: job.bodies[0] ?? "" };

console.error(`restart: ${records.toLocaleString("en")} records`);
const filled = { ...job, path: "/decide/batch", bodies: batches(job.bodies.length, BATCH_SIZE) };
const requests = Math.ceil(records / BATCH_SIZE);
await measure(processes, { ...first, job: filled }, { connections: BATCHES_UNDER_WAY, seconds: FILL_S_MAX, requests });

/** @returns milliseconds until it decides again */
async function killed(serving: ChildProcess, next: () => Promise<unknown>): Promise<number> {
  const ended = once(serving, "exit");
  const began = performance.now();
  serving.kill("SIGKILL");
  await ended;
  await next();
  return performance.now() - began;
}

let serving = first.process;
const restarts: number[] = [];
for (let i = 0; i < kills; i++) {
  await measure(processes, { ...first, process: serving }, BETWEEN);
  const ms = await killed(serving, async () => {
    serving = (await serveRemit(processes, `restart-${i}`, sandbox, main)).process;
  });
  restarts.push(ms);
  console.error(`restart: started again, ${Math.round(ms)} ms`);
}

const takeOvers: number[] = [];
for (let i = 0; i < kills; i++) {
  const name = `standby-${i}`;
  const standby = processes.start(name, "measured", process.execPath, [main, "serve", "--config", sandbox.config, "--standby"]);
  const until = performance.now() + STANDBY_MS_MAX;
  const said = join(processes.folder, `${name}.log`);
  while (!existsSync(said) || !readFileSync(said, "utf8").includes("a bundle is ready")) {
    if (performance.now() > until) throw new Error("the standby makes nothing ready");
    await sleep(100);
  }
  await measure(processes, { ...first, process: serving }, BETWEEN);
  // What has just come is read when it is looked at next.
  await sleep(2000);
  const ms = await killed(serving, () => answers(url, asked, POLL_MS));
  serving = standby;
  takeOvers.push(ms);
  console.error(`restart: taken over, ${Math.round(ms)} ms`);
}
await processes.stopAll();

const marks: Mark[] = [
  { figure: "records", found: records, unit: "", most: null },
  { figure: "killed and started again: until it decides, median", found: quantile(restarts, 0.5), unit: "ms", most: READY_MS_MAX },
  { figure: "the longest", found: Math.max(...restarts), unit: "ms", most: null },
  {
    figure: "killed and taken over by a standby: until it decides, median",
    found: quantile(takeOvers, 0.5),
    unit: "ms",
    most: READY_MS_MAX,
  },
  { figure: "the longest", found: Math.max(...takeOvers), unit: "ms", most: null },
];
judge(marks, json);
process.exit();
