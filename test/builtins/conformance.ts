/** OPA's own cases on the engine: compiled by the pinned OPA, all at once, and evaluated by instances as a service has them. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readArchive } from "../../src/bundle/archive.js";
import { runOpa, type Opa } from "../../src/bundle/opa.js";
import { INSTANCE_LIMITS, PolicyInstance } from "../../src/policy/instance.js";

export interface Case {
  note: string;
  query: string;
  modules?: string[];
  data?: object;
  input?: unknown;
  want_result?: Record<string, unknown>[];
  want_defined?: boolean;
  want_error?: string;
  want_error_code?: string;
}

type Evaluation = ReturnType<PolicyInstance["evaluate"]>;

/** Compiles modules with entrypoints. @throws Error with what OPA says */
export async function compiled(compiler: Opa, modules: readonly string[], entrypoints: readonly string[]): Promise<Buffer> {
  const folder = mkdtempSync(join(tmpdir(), "remit-cases-"));
  try {
    mkdirSync(join(folder, "modules"));
    for (const [i, text] of modules.entries()) writeFileSync(join(folder, "modules", `m${i}.rego`), text);
    const named = entrypoints.flatMap((one) => ["-e", one]);
    const built = await runOpa(compiler, ["build", "-t", "wasm", ...named, "-o", "b.tar.gz", "modules"], folder);
    const wasm = built.code === 0 ? (await readArchive(readFileSync(join(folder, "b.tar.gz")))).get("policy.wasm") : undefined;
    if (wasm === undefined) throw new Error(built.stderr + built.stdout);
    return wasm;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function instanceOf(
  wasm: Buffer,
  entrypoint: string,
  data: object = {},
  fuel = INSTANCE_LIMITS.evaluation_fuel_max,
): PolicyInstance {
  const module = { wasm, dataText: Buffer.from(JSON.stringify(data)), metadata: { entrypoint, abi: "1.3" } };
  return new PolicyInstance(module, { ...INSTANCE_LIMITS, evaluation_fuel_max: fuel });
}

/** Evaluates each case, in a package of its own. @returns the notes of those that have another answer, with what they have */
export async function failing(compiler: Opa, cases: readonly Case[]): Promise<string[]> {
  const modules = cases.flatMap((one, i) => modulesOf(one, i));
  const wasm = await compiled(
    compiler,
    modules,
    cases.map((_, i) => `c${i}/answer`),
  );
  return cases.flatMap((one, i) => {
    const instance = instanceOf(wasm, `c${i}/answer`, { [`c${i}`]: one.data ?? {} });
    const input = typeof one.input === "object" && one.input !== null && Object.keys(one.input).length > 0 ? one.input : { none: 0 };
    const wrong = judged(one, instance.evaluate(JSON.stringify(input)));
    return wrong === null ? [] : [`${one.note}: ${wrong}`];
  });
}

function modulesOf({ modules = [], query, want_result }: Case, i: number): string[] {
  const inside = (text: string): string => text.replace(/^package (?=\S)/m, `package c${i}.`).replace(/\bdata\./g, `data.c${i}.`);
  const variables = Object.keys(want_result?.[0] ?? {}).filter((name) => !name.startsWith("__local"));
  const bound = `{${variables.map((name) => `"${name}": ${name}`).join(", ")}}`;
  return [...modules.map(inside), `package c${i}\n\nanswer := [${bound} | ${inside(query)}]\n`];
}

function judged(one: Case, evaluation: Evaluation): string | null {
  const isFailing = (one.want_error ?? one.want_error_code) !== undefined;
  if (!evaluation.ok) return evaluation.detail;
  const found = evaluation.result as unknown[];
  // An error of a builtin, which OPA reports when it is strict, is undefined when it isn't.
  const wanted = isFailing ? [] : one.want_result;
  if (wanted === undefined) return (one.want_defined ?? true) === found.length > 0 ? null : `${found.length} results`;
  const texts = (results: readonly unknown[]): string =>
    results
      .map((result) => sorted(result))
      .sort()
      .join("\n");
  return texts(found) === texts(wanted) ? null : `found ${texts(found)}, wanted ${texts(wanted)}`;
}

/** Sets come out as lists in another order, so lists are compared as sets. */
function sorted(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sorted).sort().join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, member]) => `${JSON.stringify(key)}:${sorted(member)}`);
  return `{${members.sort().join(",")}}`;
}
