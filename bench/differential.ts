/**
 * `npm run bench:differential [-- --inputs N] [--seed N] [--json]`: accepted inputs, drawn at random, before the engine and
 * before OPA's own evaluator, over all shipped sets; 1,000,000 unless said otherwise. Exits with 1 where one is answered
 * otherwise: it is then made small and kept as a golden case.
 */
import { randomInt } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { basename } from "node:path";
import { performance } from "node:perf_hooks";
import { readUnverified } from "../src/bundle/verify.js";
import { asset } from "../src/system/paths.js";
import { compare, judgeOf, type Comparison } from "../test/differential/compare.js";
import { Dice } from "../test/differential/dice.js";
import { Draw, rulesOf } from "../test/differential/draw.js";
import { keep, smallest } from "../test/differential/keep.js";
import { Stage } from "../test/differential/scene.js";
import { Oracle, buildOracle } from "../test/oracle/oracle.js";
import { AS_JSON, readOptions } from "./options.js";

const { inputs, seed, json } = readOptions("differential", {
  about: "Compares the engine with OPA's own evaluator on random inputs over all shipped policy sets.",
  options: {
    inputs: { says: "accepted inputs", default: 1_000_000, least: 1 },
    seed: { says: "seed of the random numbers; drawn if left out", default: randomInt(2 ** 31) },
    json: AS_JSON,
  },
  examples: ["--inputs 10000", "--inputs 10000 --seed 17 --json"],
});
const say = (text: string): void => void process.stderr.write(text);
const began = performance.now();
const sets = readdirSync(asset("bundles"))
  .filter((name) => name.endsWith(".tar.gz"))
  .map((name) => basename(name, ".tar.gz"));
const program = await buildOracle((line) => {
  say(`${line}\n`);
});

const results: (Omit<Comparison, "kept"> & { set: string; seconds: number; inputs_per_second: number })[] = [];
for (const set of sets) results.push(await measure(set, Math.ceil(inputs / sets.length)));

const differences = results.reduce((sum, result) => sum + result.differences, 0);
const summary = {
  seed,
  inputs: results.reduce((sum, result) => sum + result.inputs, 0),
  differences,
  seconds: seconds(began),
  rss_mb: Math.round(process.memoryUsage.rss() / 2 ** 20),
  sets: results,
};
if (json) console.log(JSON.stringify(summary, null, 2));
else {
  for (const { set, inputs: done, differences: differing, inputs_per_second, outcomes } of results) {
    const kinds = Object.entries(outcomes).map(([kind, times]) => `${kind} ${times}`);
    console.log(`${set}: ${done} inputs, ${differing} differences, ${inputs_per_second}/s (${kinds.join(", ")})`);
  }
  console.log(`${summary.inputs} inputs, ${differences} differences, ${summary.seconds} s, seed ${seed}`);
}
process.exitCode = differences === 0 ? 0 : 1;

async function measure(set: string, share: number): Promise<(typeof results)[number]> {
  const archive = asset("bundles", `${set}.tar.gz`);
  const bundle = await readUnverified(readFileSync(archive));
  const stage = new Stage(bundle);
  const oracle = new Oracle(program, archive);
  const judge = judgeOf(oracle);
  const from = performance.now();
  try {
    const draw = new Draw(new Dice(seed), bundle.data, rulesOf(bundle));
    const { kept, ...found } = await compare(stage, draw, judge, share, (compared) => {
      if (compared % 10_000 === 0) say(`\r${set}: ${compared} of ${share}  `);
    });
    say("\n");
    const took = seconds(from);
    const [first] = kept;
    if (first !== undefined) {
      const small = await smallest(first, stage, judge);
      say(`${await keep(small, stage, { set, seed, folder: asset("test", "cases") })}\n`);
    }
    return { set, ...found, seconds: took, inputs_per_second: Math.round(found.inputs / took) };
  } finally {
    await oracle.stop();
  }
}

function seconds(from: number): number {
  return Math.round(performance.now() - from) / 1000;
}
