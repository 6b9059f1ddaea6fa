/** From a policy set's sources to a signed bundle. The same sources give the same files, but for the signature. */
import type { KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { loadPolicy } from "@open-policy-agent/opa-wasm";
import { canonical, type BundleMetadata, type Zone } from "../contract/index.js";
import { packageVersion } from "../system/package_version.js";
import { asset } from "../system/paths.js";
import { writeArchive } from "./archive.js";
import { HOSTED } from "./builtins/index.js";
import { CAPABILITIES_FILE, checkPolicySet, libraryFiles } from "./check.js";
import type { PolicySet } from "./compile.js";
import { bundleDigest, fileHashes } from "./digest.js";
import { ENTRYPOINT, compileSet, dataOf, zonesOf } from "./compiled_set.js";
import type { Opa } from "./opa.js";
import { attest, PROVENANCE_FILE, type TestedBuild } from "./provenance.js";
import { SIGNATURES_FILE, signFiles } from "./signature.js";
import { SourceErrors, type SourceNote } from "./source.js";
import { TZDATA_VERSION, ZONE_AFTER_MS, ZONE_BEFORE_MS } from "./zones.js";

/** End of the zones of a bundle without expiry. */
const NO_EXPIRY_YEARS = 10;
const ROOTS = ["purposes", "remit", "rules", "vocabulary", "zones"];
const INSTANCE_PAGES = { initial: 64, maximum: 1024 };

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
    builder: `remit ${packageVersion()}`,
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

async function sourcesOf(set: PolicySet): Promise<[string, Buffer][]> {
  const library = await libraryFiles();
  const own = ["vocabulary.yaml", "purposes.yaml", ...set.tables];
  return await Promise.all([
    ...library.map(async (file): Promise<[string, Buffer]> => [file, await readFile(asset("rego", file))]),
    ...set.rego.map(async (file): Promise<[string, Buffer]> => [`rules/${file}`, await readFile(join(set.dir, file))]),
    ...own.map(async (file): Promise<[string, Buffer]> => [file, await readFile(join(set.dir, file))]),
  ]);
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
