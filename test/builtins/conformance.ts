/** OPA's own cases on the engine: each is compiled by the pinned OPA and evaluated by an instance as a service has it. */
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readArchive } from "../../src/bundle/archive.js";
import { runOpa, type Opa } from "../../src/bundle/opa.js";
import { PolicyInstance } from "../../src/policy/instance.js";

export interface Case {
  note: string;
  query: string;
  modules?: string[];
  data?: unknown;
  input?: unknown;
  input_term?: string;
  want_result?: Record<string, unknown>[];
  want_defined?: boolean;
  want_error?: string;
  want_error_code?: string;
  strict_error?: boolean;
  sort_bindings?: boolean;
}

export function casesIn(folder: string): Case[] {
  return readdirSync(folder).flatMap((file) => (JSON.parse(readFileSync(join(folder, file), "utf8")) as { cases: Case[] }).cases);
}

const ENTRY = "remit_case/answer";

/** Returns null if the case has its answer, and what it has instead otherwise. */
export async function resultOf(compiler: Opa, one: Case): Promise<string | null> {
  if (one.input_term !== undefined) return "its input isn't JSON";
  const folder = join(tmpdir(), `remit-case-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  try {
    const files = (one.modules ?? []).map((text, i) => [`m${i}.rego`, text] as const);
    const variables = [...new Set(Object.keys(one.want_result?.[0] ?? {}))].filter((name) => !name.startsWith("__local"));
    const bound = variables.length === 0 ? "true" : `{${variables.map((name) => `"${name}": ${name}`).join(", ")}}`;
    const wrapper = `package remit_case\n\nanswer := [${bound} | ${one.query}]\n`;
    for (const [name, text] of [...files, ["answer.rego", wrapper] as const]) writeFileSync(join(folder, name), text);
    const names = [...files.map(([name]) => name), "answer.rego"];
    const built = await runOpa(compiler, ["build", "-t", "wasm", "-e", ENTRY, "-o", "b.tar.gz", ...names], folder);
    if (built.code !== 0)
      return one.want_error_code === undefined && one.want_error === undefined ? `doesn't compile: ${built.stderr.slice(0, 200)}` : null;
    const wasm = (await readArchive(readFileSync(join(folder, "b.tar.gz")))).get("policy.wasm");
    if (wasm === undefined) return "no module";
    const instance = new PolicyInstance({
      wasm,
      dataText: Buffer.from(JSON.stringify(one.data ?? {})),
      metadata: { entrypoint: ENTRY, abi: "1.3" },
    });
    const input = typeof one.input === "object" && one.input !== null && Object.keys(one.input).length > 0 ? one.input : { none: 0 };
    return judged(one, instance.evaluate(JSON.stringify(input)));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function judged(one: Case, evaluation: ReturnType<PolicyInstance["evaluate"]>): string | null {
  const isFailing = (one.want_error ?? one.want_error_code) !== undefined;
  if (!evaluation.ok) return isFailing && one.strict_error !== true ? null : evaluation.detail;
  const found = evaluation.result as unknown[];
  // What OPA reports as an error of a builtin when it is strict is undefined when it isn't.
  const wanted = isFailing ? [] : one.want_result;
  if (wanted === undefined) return (one.want_defined ?? true) === found.length > 0 ? null : `${found.length} results`;
  const texts = (results: readonly unknown[]): string =>
    results
      .map((result) => sorted(result))
      .sort()
      .join("\n");
  return texts(found) === texts(wanted) ? null : `found ${texts(found).slice(0, 200)}, wanted ${texts(wanted).slice(0, 200)}`;
}

/** Sets come out as lists in another order, so lists are compared as sets. */
function sorted(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sorted).sort().join(",")}]`;
  if (typeof value === "object" && value !== null)
    return `{${Object.entries(value)
      .map(([key, member]) => `${JSON.stringify(key)}:${sorted(member)}`)
      .sort()
      .join(",")}}`;
  return JSON.stringify(value);
}
