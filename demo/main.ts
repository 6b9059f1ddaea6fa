/**
 * `make demo`: real work through the real service. Where the benchmark's data is at hand, a shop's customer service is
 * replayed, the well-behaved conversations and the broken ones; else a day at a support desk is told.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { asset } from "../src/system/paths.js";
import { systemClock } from "../src/system/index.js";
import { loadBenchmark } from "./benchmark.js";
import { pdp } from "./pdp.js";
import { replayBroken, replayRecordings } from "./replay.js";
import { report } from "./report.js";
import { runService } from "./service.js";
import { tellStory } from "./story.js";

const AGENT = "shop-assistant-1";
const PURPOSE = "retail_service";
const FAILURES_SHOWN_MAX = 20;

const benchmarks = process.env["REMIT_BENCHMARKS"] ?? asset("..", "shared", "benchmarks");
const folder = join(benchmarks, "tau-bench");

if (existsSync(join(folder, "retail.jsonl"))) {
  process.exitCode = (await replay()) ? 0 : 1;
} else {
  console.log(`There is no benchmark data at ${folder} (REMIT_BENCHMARKS says where to look).`);
  console.log("So here is a day at a support desk instead, decided by the bundle that ships.\n");
  process.exitCode = (await tellStory()) ? 0 : 1;
}

/** True where everything is as it must be. */
async function replay(): Promise<boolean> {
  const bench = loadBenchmark(folder);
  const recordedCalls = count(bench.conversations.map(({ calls }) => calls));
  const brokenCalls = count(bench.broken.map(({ prior }) => prior)) + bench.broken.length;
  console.log(`A shop's customer service, from ${folder}:`);
  console.log(`  ${bench.conversations.length} recorded conversations with ${recordedCalls} calls of tools,`);
  console.log(
    `  ${bench.broken.length} in which the last call breaks the shop's policy, ${brokenCalls} calls in all.\n`,
  );
  const service = await runService("retail", { id: AGENT, purposes: [PURPOSE] });
  try {
    console.log(`The service decides at ${service.url}/decide, by the bundle \`retail\`.`);
    const asks = pdp({ ...service, agent: AGENT, purpose: PURPOSE });
    const began = systemClock.monotonic();
    const progress = progressLine(recordedCalls + brokenCalls);
    const recorded = await replayRecordings(bench, asks, progress.step);
    const broken = await replayBroken(bench, asks, progress.step);
    progress.end();
    const seconds = ((systemClock.monotonic() - began) / 1000).toFixed(1);
    console.log(`${recordedCalls + brokenCalls} decisions over HTTP in ${seconds} s, each with its record on disk.\n`);
    const { text, failures } = report(recorded, broken, bench.rules);
    console.log(text);
    console.log(failures.length === 0 ? "\nAs it must be." : `\nNot as it must be, ${failures.length} times:`);
    for (const failure of failures.slice(0, FAILURES_SHOWN_MAX)) console.log(`  ${failure}`);
    return failures.length === 0;
  } finally {
    await service.stop();
  }
}

function count(lists: readonly (readonly unknown[])[]): number {
  return lists.reduce((sum, list) => sum + list.length, 0);
}

/** One line that counts, on a terminal; elsewhere a line each quarter. */
function progressLine(total: number): { step: () => void; end: () => void } {
  const live = process.stdout.isTTY;
  const stride = live ? 50 : Math.ceil(total / 4);
  let done = 0;
  const show = (): void => {
    process.stdout.write(`${live ? "\r" : ""}  ${done} of ${total} decided${live ? "" : "\n"}`);
  };
  return {
    step: () => {
      done += 1;
      if (done % stride === 0) show();
    },
    end: () => {
      if (live) {
        show();
        process.stdout.write("\n");
      }
    },
  };
}
