/**
 * `make demo`: real work through the real service. A day at a support desk; two weeks at it, and an agent that isn't itself; then, where the benchmark's data is at hand, a
 * shop's customer service, the well-behaved conversations and the broken ones.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { sayFailure, terminal } from "../src/cli/ui.js";
import { asset } from "../src/system/paths.js";
import { loadBenchmark } from "./benchmark.js";
import { tellDay } from "./day.js";
import { replayRetail } from "./retail.js";
import { tellWeeks } from "./weeks.js";

const ui = terminal(process.stdout, process.stderr, process.env);
const folder = join(process.env["REMIT_BENCHMARKS"] ?? asset("..", "shared", "benchmarks"), "tau-bench");

try {
  let good = (await tellDay(ui)).wrong.length === 0;
  ui.out("");
  good = (await tellWeeks(ui)).wrong.length === 0 && good;
  ui.out("");
  if (existsSync(join(folder, "retail.jsonl"))) good = (await replayRetail(loadBenchmark(folder), folder, ui)) && good;
  else
    ui.out(`Skipped: the replay of a shop's customer service. There is no benchmark data at ${folder}
(REMIT_BENCHMARKS says where to look).`);
  process.exitCode = good ? 0 : 1;
} catch (error) {
  sayFailure(ui, error, false);
  process.exitCode = 1;
}
