/**
 * Proofs of the metering at length: fuel is the same in two processes and after an instance was put back, damaged modules never break the
 * pass, drawn programs run nothing that isn't paid for, and what patterns that are kept between evaluations do to fuel.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readArchive } from "../src/bundle/archive.js";
import { BundleError } from "../src/bundle/errors.js";
import { findOpa, runOpa } from "../src/bundle/opa.js";
import { readUnverified } from "../src/bundle/verify.js";
import { PolicyInstance, type Module } from "../src/policy/instance.js";
import { metered } from "../src/policy/metering.js";
import { asset } from "../src/system/paths.js";
import { Dice } from "../test/differential/dice.js";
import { chargePrograms } from "../test/policy/charges.js";
import { drawInputs } from "../test/policy/inputs.js";
import { drawProgram } from "../test/policy/programs.js";
import { judge, type Mark } from "./client.js";
import { AS_JSON, readOptions } from "./options.js";

/** Every so many inputs an evaluation is made to fail, so that its instance is put back. */
const FAIL_EVERY = 50;
const MODULES = ["engine", "faults", "runaway", "builtin"];
/** Of damaged modules one in so many is of one that OPA built. */
const BUILT_EVERY = 100;
const DRAWN = 500;
const PATTERNS = 200;
const PATTERN_POLICY = `package remit
import rego.v1
decide := {"decision": "allow", "proceed": matched, "reasons": [], "obligations": []}
default matched := false
matched if regex.match(input.pattern, input.text)
`;

const say = (text: string): void => void process.stderr.write(`${text}\n`);

if (process.send !== undefined) {
  const [set = "", seed, count] = process.argv.slice(2);
  process.send(await fuelOf(set, Number(seed), Number(count), false));
  process.disconnect();
} else await main();

async function main(): Promise<void> {
  const { inputs, modules, programs, seed, json } = readOptions("metering", {
    about: "Proves the metering of policies at length.",
    options: {
      inputs: { says: "inputs over all shipped policy sets", default: 100_000, least: 2 },
      modules: { says: "damaged modules", default: 1_000_000, least: 1 },
      programs: { says: "drawn programs", default: 50_000, least: 1 },
      seed: { says: "seed of the random numbers", default: 18 },
      json: AS_JSON,
    },
    examples: ["", "--inputs 10000 --modules 10000 --programs 1000"],
  });
  const marks: Mark[] = [];
  const none = (figure: string, found: number): void => void marks.push({ figure, found, unit: "", most: 0 });
  const shown = (figure: string, found: number, unit: string): void => void marks.push({ figure, found, unit, most: null });

  const sets = readdirSync(asset("bundles")).flatMap((name) => (name.endsWith(".tar.gz") ? [basename(name, ".tar.gz")] : []));
  const share = Math.ceil(inputs / sets.length);
  let [different, median, most] = [0, 0, 0];
  for (const set of sets) {
    say(`${share} inputs of ${set}, in two processes`);
    const there = elsewhere(set, seed, share);
    const here = await fuelOf(set, seed, share, true);
    const other = await there;
    different += here.filter((fuel, i) => fuel !== other[i]).length;
    const sorted = [...here].sort((a, b) => a - b);
    median = Math.max(median, sorted[Math.floor(sorted.length / 2)] ?? 0);
    most = Math.max(most, sorted.at(-1) ?? 0);
  }
  none("fuel that differs between two processes, one of them with failures between", different);
  shown("fuel of an input of the shipped sets, the larger median", median, "units");
  shown("fuel of an input of the shipped sets, the most", most, "units");

  say(`${modules} damaged modules`);
  const { broken, disagreed, kept } = damage(seed, modules);
  none("damaged modules that broke the pass by anything but a refusal", broken);
  none("damaged modules that the pass made valid or invalid", disagreed);
  shown("damaged modules that the pass took", kept, "");

  say(`${programs} drawn programs`);
  const { unpaid, charged_for_each } = chargePrograms(seed, programs);
  for (const one of unpaid.slice(0, 10)) say(`unpaid: seed ${one}`);
  none("drawn programs that ran what wasn't paid for", unpaid.length);
  shown("units charged for each unit that ran, over all drawn programs", charged_for_each, "");

  const { first, later } = await patterns();
  shown("fuel of a pattern that is met for the first time", first, "units");
  shown("fuel of the same pattern, met again", later, "units");
  judge(marks, json);
}

async function elsewhere(set: string, seed: number, count: number): Promise<number[]> {
  const child = fork(fileURLToPath(import.meta.url), [set, String(seed), String(count)], { serialization: "advanced" });
  const [fuel] = (await once(child, "message")) as [number[]];
  return fuel;
}

async function fuelOf(set: string, seed: number, count: number, fails: boolean): Promise<number[]> {
  const bundle = await readUnverified(readFileSync(asset("bundles", `${set}.tar.gz`)));
  const instance = new PolicyInstance(bundle);
  return (await drawInputs(bundle, seed, count)).map((input, i) => {
    if (fails && i % FAIL_EVERY === 0 && instance.evaluate(input.slice(0, -1)).ok) throw new Error("half an input was evaluated");
    return instance.evaluate(input).fuel ?? Number.NaN;
  });
}

/** Mostly of drawn programs, which take a hundredth of the time and are as likely to be damaged where it matters. */
function damage(seed: number, count: number): { broken: number; disagreed: number; kept: number } {
  const built = MODULES.map((name) => readFileSync(asset("test", "fixtures", `${name}.wasm`)));
  const dice = new Dice(seed);
  const drawn = Array.from({ length: DRAWN }, () => Buffer.from(drawProgram(dice).counted));
  let [broken, disagreed, kept] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    const damaged = Buffer.from(dice.of(i % BUILT_EVERY === 0 ? built : drawn));
    const times = 1 + dice.below(4);
    for (let k = 0; k < times; k++) damaged[dice.below(damaged.length)] = dice.below(256);
    const whole = dice.chance(10) ? damaged.subarray(0, dice.below(damaged.length)) : damaged;
    try {
      const result = metered(whole);
      kept++;
      if (WebAssembly.validate(result) !== WebAssembly.validate(whole)) disagreed++;
    } catch (cause) {
      if (!(cause instanceof BundleError)) broken++;
    }
  }
  return { broken, disagreed, kept };
}

/** A pattern is compiled when it is met first, and kept by the module's own code: what an evaluation costs depends on what came before. */
async function patterns(): Promise<{ first: number; later: number }> {
  const folder = mkdtempSync(join(tmpdir(), "remit-metering-"));
  try {
    writeFileSync(join(folder, "policy.rego"), PATTERN_POLICY);
    const opa = await findOpa();
    const { code, stderr } = await runOpa(
      opa,
      ["build", "-t", "wasm", "-e", "remit/decide", "-o", join(folder, "policy.tar.gz"), "policy.rego"],
      folder,
    );
    if (code !== 0) throw new Error(stderr);
    const wasm = (await readArchive(readFileSync(join(folder, "policy.tar.gz")))).get("policy.wasm");
    if (wasm === undefined) throw new Error("OPA's bundle has no policy.wasm");
    const module: Module = { wasm, dataText: Buffer.from("{}"), metadata: { entrypoint: "remit/decide", abi: "1.3" } };
    const instance = new PolicyInstance(module);
    const ask = (i: number): number => instance.evaluate(JSON.stringify({ pattern: `^a{1,3}b${i}*$`, text: "aab" })).fuel ?? Number.NaN;
    const first = Array.from({ length: PATTERNS }, (_, i) => ask(i));
    const later = Array.from({ length: PATTERNS }, (_, i) => ask(PATTERNS - 1 - i));
    const middle = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
    return { first: middle(first), later: middle(later) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
