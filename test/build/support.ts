/** A policy set to break: the template that `remit init` copies, with files replaced. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadPolicy } from "@open-policy-agent/opa-wasm";
import { buildBundle, type BuildOptions, type BuiltBundle } from "../../src/bundle/build.js";
import { findOpa, type Opa } from "../../src/bundle/opa.js";
import { nativeOpa, type NativeOpa } from "../oracle/go.js";
import { skip } from "../skip.js";
import { SourceErrors, type SourceNote } from "../../src/bundle/source.js";
import { asset } from "../../src/system/paths.js";

/** The first test to need a native compiler builds it. */
export const COMPILER_BUILD_MS_MAX = 600_000;

let found: Promise<Opa> | undefined;

export async function compiler(): Promise<Opa> {
  return await (found ??= findOpa());
}

/** A native compiler, for what only it does; without one, and without Go to build it, the test is skipped. */
export async function nativeCompiler(context: Mocha.Context): Promise<NativeOpa> {
  return await nativeOpa().catch(() => skip(context, "no native OPA, and no Go to build it"));
}

export const KEY: KeyObject = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;

/** File → its whole text, a change of the template's, or null: it is gone. */
export type Changes = Record<string, string | null | ((text: string) => string)>;

export async function withSet<T>(changes: Changes, use: (folder: string) => Promise<T>): Promise<T> {
  const parent = await mkdtemp(join(tmpdir(), "remit-test-"));
  const folder = join(parent, "helpdesk");
  try {
    await cp(asset("templates", "policy"), folder, { recursive: true });
    for (const [file, change] of Object.entries(changes)) {
      const path = join(folder, file);
      if (change === null) await rm(path);
      else await writeFile(path, typeof change === "string" ? change : change(await readFile(path, "utf8")));
    }
    return await use(folder);
  } finally {
    await rm(parent, { recursive: true, force: true });
  }
}

export async function build(changes: Changes = {}, options: Partial<BuildOptions> = {}): Promise<BuiltBundle> {
  const opa = await compiler();
  return await withSet(changes, async (dir) => {
    const settled = { key: KEY, sequence: 1, expiresMs: null, builtMs: Date.UTC(2026, 0, 1), commit: null };
    return await buildBundle(opa, { dir, ...settled, ...options });
  });
}

/** The errors that a build of this set stops with. */
export async function errorsOf(changes: Changes): Promise<SourceNote[]> {
  try {
    await build(changes);
  } catch (error) {
    if (error instanceof SourceErrors) return error.notes.filter(({ severity }) => severity === "error");
    throw error;
  }
  throw new Error("the set was built");
}

/** Asks a module, and brings sets into one order: the engine's is that of its hashes. */
export async function evaluateWasm(wasm: Buffer, data: Buffer, inputs: readonly object[]): Promise<unknown[]> {
  const policy = await loadPolicy(wasm, { initial: 256, maximum: 1024 });
  policy.setData(JSON.parse(data.toString()) as object);
  return inputs.map((input) => {
    const [answer] = policy.evaluate(input, "remit/decide") as { result: unknown }[];
    return sorted(answer?.result);
  });
}

export function sorted(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(sorted).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  }
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([key, member]) => [key, sorted(member)]));
}
