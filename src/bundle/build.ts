/** From a policy set's sources to a signed bundle. The same sources give the same files, but for the signature. */
import type { KeyObject } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loadPolicy } from "@open-policy-agent/opa-wasm";
import { canonical, type BundleMetadata, type PolicyData, type Zone } from "../contract/index.js";
import { asset } from "../system/paths.js";
import { readArchive, writeArchive } from "./archive.js";
import { HOSTED } from "./builtins/index.js";
import { CAPABILITIES_FILE, checkPolicySet, libraryFiles, staged } from "./check.js";
import type { PolicySet } from "./compile.js";
import { parseModules } from "./conventions.js";
import { bundleDigest, fileHashes } from "./digest.js";
import { opaErrors, OpaUnavailable, runOpa, type Opa, type OpaOutput } from "./opa.js";
import { attest, PROVENANCE_FILE, type TestedBuild } from "./provenance.js";
import { SIGNATURES_FILE, signFiles } from "./signature.js";
import { SourceErrors, type SourceNote } from "./source.js";
import { TZDATA_VERSION, zone, ZONE_AFTER_MS, ZONE_BEFORE_MS } from "./zones.js";

export const ENTRYPOINT = "remit/decide";
/** ABI of the modules that the pinned compiler emits. */
export const COMPILED_ABI = "1.3";
/** How far the zones of a bundle without expiry reach. */
const NO_EXPIRY_YEARS = 10;
const ROOTS = ["purposes", "remit", "rules", "vocabulary", "zones"];
const INSTANCE_PAGES = { initial: 64, maximum: 1024 };
/** Moments that a table may be set in. */
const TEST_ZONES = { from: Date.UTC(1980, 0, 1), to: Date.UTC(2100, 0, 1) };

export interface BuildOptions {
  /** Folder of the policy set. */
  dir: string;
  /** P-256 private key. */
  key: KeyObject;
  sequence: number;
  /** Milliseconds since the epoch; null: never. Parts of a second are dropped. */
  expiresMs: number | null;
  /** Milliseconds since the epoch: the commit's time, or SOURCE_DATE_EPOCH. Parts of a second are dropped. */
  builtMs: number;
  /** Source commit, 40 hex digits; null: the sources are in no repository. */
  commit: string | null;
  /** Left out: the folder's name. */
  name?: string;
  /** Provenance to put into it: who builds, and how the set's tests went. @default none */
  provenance?: { builder: string; tests: TestedBuild };
}

export interface BuiltBundle {
  archive: Buffer;
  files: ReadonlyMap<string, Buffer>;
  metadata: BundleMetadata;
  revision: string;
  digest: string;
  set: PolicySet;
}

/**
 * Checks, compiles and signs.
 * @throws SourceErrors, OpaUnavailable
 */
export async function buildBundle(opa: Opa, options: BuildOptions): Promise<BuiltBundle> {
  const set = await checkPolicySet(opa, options.dir);
  const wasm = await compileSet(opa, set);
  const builtMs = wholeSeconds(options.builtMs);
  const metadata: BundleMetadata = {
    name: options.name ?? set.name,
    sequence: options.sequence,
    built: rfc3339(builtMs),
    expires: options.expiresMs === null ? null : rfc3339(options.expiresMs),
    commit: options.commit,
    entrypoint: ENTRYPOINT,
    abi: await tryModule(wasm),
    builder: `remit ${await packageVersion()}`,
    compiler: `opa ${opa.version}`,
    tzdata: TZDATA_VERSION,
  };
  const revision = revisionOf(metadata);
  const zones = zonesOfBundle(set.zones, builtMs, options.expiresMs);
  const files = new Map<string, Buffer>([
    [".manifest", json({ revision, roots: ROOTS, rego_version: 1, metadata })],
    ["policy.wasm", wasm],
    ["data.json", json(dataOf(set, zones))],
    ["catalogue.json", json(set.catalogue)],
    ...(await sourcesOf(set)),
  ]);
  if (options.provenance !== undefined) {
    const capabilities = await readFile(CAPABILITIES_FILE);
    files.set(PROVENANCE_FILE, attest(files, metadata, { ...options.provenance, capabilities, key: options.key }));
  }
  const digest = bundleDigest(fileHashes(files));
  files.set(SIGNATURES_FILE, signFiles(files, options.key));
  return { archive: await writeArchive(files, builtMs / 1000), files, metadata, revision, digest, set };
}

export function revisionOf({ commit, sequence }: Pick<BundleMetadata, "commit" | "sequence">): string {
  return `${commit?.slice(0, 12) ?? "local"}-${sequence}`;
}

/** Rounds to whole seconds, the manifest's unit: a rebuild from the manifest has to give the same bytes. */
export function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}

/** Zones for a bundle's whole life. */
export function zonesOfBundle(names: readonly string[], builtMs: number, expiresMs: number | null): Record<string, Zone> {
  const end = expiresMs === null ? yearsLater(builtMs, NO_EXPIRY_YEARS) : wholeSeconds(expiresMs);
  return zonesOf(names, builtMs - ZONE_BEFORE_MS, end + ZONE_AFTER_MS);
}

function json(value: unknown): Buffer {
  return Buffer.from(canonical(value));
}

export function rfc3339(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

function yearsLater(ms: number, years: number): number {
  const date = new Date(ms);
  return date.setUTCFullYear(date.getUTCFullYear() + years);
}

export async function packageVersion(): Promise<string> {
  return (JSON.parse(await readFile(asset("package.json"), "utf8")) as { version: string }).version;
}

function zonesOf(names: readonly string[], fromMs: number, toMs: number): Record<string, Zone> {
  return Object.fromEntries(names.map((name) => [name, zone(name, fromMs, toMs)]));
}

function dataOf({ vocabulary, purposes }: PolicySet, zones: Record<string, Zone>): PolicyData {
  return { vocabulary, purposes, zones };
}

async function sourcesOf(set: PolicySet): Promise<[string, Buffer][]> {
  const library = await libraryFiles();
  const own = ["vocabulary.yaml", "purposes.yaml", ...set.tables];
  return await Promise.all([
    ...library.map(async (file): Promise<[string, Buffer]> => [file, await readFile(asset("rego", file))]),
    ...set.rego.map(async (file): Promise<[string, Buffer]> => [`rules/${file}`, await readFile(join(set.dir, file))]),
    ...own.map(async (file): Promise<[string, Buffer]> => [file, await readFile(join(set.dir, file))]),
  ]);
}

/** The module that ships. Data isn't in it, and mustn't be seen while it is compiled. */
async function compileSet(opa: Opa, set: PolicySet): Promise<Buffer> {
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

/**
 * Loads the module as a service would and looks at what it asks for.
 * @returns its ABI version, such as `1.3`
 * @throws SourceErrors where it needs a builtin of the host
 */
async function tryModule(wasm: Buffer): Promise<string> {
  const { wasmInstance, entrypoints, mem } = (await loadPolicy(wasm, INSTANCE_PAGES)) as unknown as {
    wasmInstance: { exports: WasmExports };
    entrypoints: Record<string, number>;
    mem: { buffer: ArrayBuffer };
  };
  const { exports } = wasmInstance;
  const text = Buffer.from(mem.buffer, exports.opa_json_dump(exports.builtins()));
  const hosted = Object.keys(JSON.parse(text.toString("utf8", 0, text.indexOf(0))) as object);
  const wrong = [
    ...hosted.filter((name) => !HOSTED.has(name)).map((name) => `builtin \`${name}\` is neither in the engine nor hosted`),
    ...(ENTRYPOINT in entrypoints ? [] : [`the module lacks the entrypoint ${ENTRYPOINT}`]),
  ];
  if (wrong.length > 0) throw new SourceErrors(wrong.map(aboutModule));
  return `${exports.opa_wasm_abi_version.value}.${exports.opa_wasm_abi_minor_version.value}`;
}

function aboutModule(message: string): SourceNote {
  return { severity: "error", file: "policy.wasm", line: null, message, hint: null };
}

interface WasmExports {
  builtins(): number;
  opa_json_dump(value: number): number;
  opa_wasm_abi_version: { value: number };
  opa_wasm_abi_minor_version: { value: number };
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
 * Checks and compiles a set for its tests; `use` is given what came of it and a folder that OPA can load as a bundle
 * (`evaluateWithOpa`), which is gone afterwards.
 * @throws SourceErrors, OpaUnavailable
 */
export async function buildTests<T>(opa: Opa, dir: string, use: (build: TestBuild, folder: string) => Promise<T>): Promise<T> {
  const set = await checkPolicySet(opa, dir);
  const wasm = await compileSet(opa, set);
  const data = dataOf(set, zonesOf(set.zones, TEST_ZONES.from, TEST_ZONES.to));
  return await staged(set, [...set.rego, ...set.tests], async (stage) => {
    const entrypoints = await testEntrypoints(opa, set);
    const names = entrypoints.map(({ entrypoint }) => entrypoint);
    const tests = { wasm: names.length === 0 ? null : await compile(opa, stage, names), entrypoints };
    await writeFile(join(stage, "data.json"), json(data));
    return await use({ set, wasm, data, tests }, stage);
  });
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
