/** A policy set compiled: the module that ships, and the one that its tests need. Nothing here signs. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { canonical, type PolicyData, type Zone } from "../contract/index.js";
import { readArchive } from "./archive.js";
import { CAPABILITIES_FILE, checkPolicySet, staged } from "./check.js";
import type { PolicySet } from "./compile.js";
import { parseModules } from "./conventions.js";
import { opaErrors, OpaUnavailable, runOpa, type Opa, type OpaOutput } from "./opa.js";
import { SourceErrors } from "./source.js";
import { zone } from "./zones.js";

export const ENTRYPOINT = "remit/decide";
/** ABI of the modules that the pinned compiler emits. */
export const COMPILED_ABI = "1.3";
/** Moments that a table may be set in. */
const TEST_ZONES = { from: Date.UTC(1980, 0, 1), to: Date.UTC(2100, 0, 1) };

/** The module that ships. Data isn't in it, and mustn't be seen while it is compiled. */
export async function compileSet(opa: Opa, set: PolicySet): Promise<Buffer> {
  return await staged(set, set.rego, async (stage) => await compile(opa, stage, [ENTRYPOINT]));
}

async function compile(opa: Opa, stage: string, entrypoints: string[]): Promise<Buffer> {
  const output = await runOpa(
    opa,
    [
      // Never with -O: it folds absent data to undefined, and an allow came out of that.
      ...["build", "--target", "wasm", "--bundle", ".", "--prune-unused", "--capabilities", CAPABILITIES_FILE],
      ...entrypoints.flatMap((entrypoint) => ["--entrypoint", entrypoint]),
      ...["--output", "built.tar.gz"],
    ],
    stage,
  );
  if (output.code !== 0) throw new SourceErrors(opaErrors(output));
  const wasm = (await readArchive(await readFile(join(stage, "built.tar.gz")))).get("policy.wasm");
  if (wasm === undefined) throw new OpaUnavailable("`opa build` wrote no policy.wasm", "report this");
  return Buffer.from(wasm);
}

export function zonesOf(names: readonly string[], fromMs: number, toMs: number): Record<string, Zone> {
  return Object.fromEntries(names.map((name) => [name, zone(name, fromMs, toMs)]));
}

export function dataOf({ vocabulary, purposes }: PolicySet, zones: Record<string, Zone>): PolicyData {
  return { vocabulary, purposes, zones };
}

/** Parts that a test runner needs: the module that ships, a second one with the `test_` rules, and the same for OPA. */
export interface TestBuild {
  set: PolicySet;
  /** The module that ships. */
  wasm: Buffer;
  /** Data of the bundle, with zones that cover every moment in which a table may be set. */
  data: PolicyData;
  tests: {
    /** Null where there are no `test_` rules. */
    wasm: Buffer | null;
    entrypoints: TestEntrypoint[];
  };
}

export interface TestEntrypoint {
  /** `rules/shop_test/test_refunds`. */
  entrypoint: string;
  name: string;
  /** Relative to the policy set. */
  file: string;
  line: number;
}

/**
 * Checks and compiles a set for its tables.
 * @throws SourceErrors, OpaUnavailable
 */
export async function buildTables(opa: Opa, dir: string): Promise<Omit<TestBuild, "tests">> {
  return await tablesOf(opa, await checkPolicySet(opa, dir));
}

async function tablesOf(opa: Opa, set: PolicySet): Promise<Omit<TestBuild, "tests">> {
  const wasm = await compileSet(opa, set);
  return { set, wasm, data: dataOf(set, zonesOf(set.zones, TEST_ZONES.from, TEST_ZONES.to)) };
}

/**
 * Checks and compiles a set for its tests; `use` is given what came of it and a folder that OPA can load as a bundle
 * (`evaluateWithOpa`), which is gone afterwards.
 * @throws SourceErrors, OpaUnavailable
 */
export async function buildTests<T>(opa: Opa, dir: string, use: (build: TestBuild, folder: string) => Promise<T>): Promise<T> {
  const set = await checkPolicySet(opa, dir);
  return await staged(set, [...set.rego, ...set.tests], async (stage) => {
    const [built, tests] = await Promise.all([tablesOf(opa, set), testsOf(opa, set, stage)]);
    // Only now: data mustn't be seen while the tests are compiled.
    await writeFile(join(stage, "data.json"), canonical(built.data));
    return await use({ ...built, tests }, stage);
  });
}

async function testsOf(opa: Opa, set: PolicySet, stage: string): Promise<TestBuild["tests"]> {
  const entrypoints = await testEntrypoints(opa, set);
  const names = entrypoints.map(({ entrypoint }) => entrypoint);
  return { wasm: names.length === 0 ? null : await compile(opa, stage, names), entrypoints };
}

async function testEntrypoints(opa: Opa, set: PolicySet): Promise<TestEntrypoint[]> {
  const modules = await parseModules(opa, set.dir, set.tests);
  const found = modules.flatMap(({ file, module }) => {
    const path = module.package.path.slice(1).map(({ value }) => value);
    return (module.rules ?? []).flatMap((rule): TestEntrypoint[] => {
      const name = rule.head.ref[0]?.value;
      if (typeof name !== "string" || !name.startsWith("test_")) return [];
      return [{ entrypoint: [...path, name].join("/"), name, file, line: rule.location.row }];
    });
  });
  // A test may be written in several bodies; it is one rule.
  return found.filter(({ entrypoint }, index) => found.findIndex((other) => other.entrypoint === entrypoint) === index);
}

/**
 * Asks OPA's own evaluator, in one process, what an entrypoint answers to each input.
 * @param bundle a bundle's archive, or a folder laid out as one
 * @returns in the order of `inputs`; undefined where the entrypoint is
 */
export async function evaluateWithOpa(opa: Opa, bundle: string, inputs: readonly unknown[], entrypoint = ENTRYPOINT): Promise<unknown[]> {
  const path = entrypoint.replaceAll("/", ".");
  const query = `{i: result | some i, each in input; result := data.${path} with input as each}`;
  const args = ["eval", "--format", "json", "--stdin-input", "--bundle", bundle, query];
  const output = await runOpa(opa, args, ".", JSON.stringify(inputs));
  if (output.code !== 0) throw evaluationFailed(output);
  const { result } = JSON.parse(output.stdout) as { result?: { expressions: { value: Record<string, unknown> }[] }[] };
  const answers = result?.[0]?.expressions[0]?.value ?? {};
  return inputs.map((_, index) => answers[String(index)]);
}

function evaluationFailed(output: OpaOutput): SourceErrors {
  return new SourceErrors(opaErrors(output));
}
