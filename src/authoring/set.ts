/**
 * Tests a policy set: tables on the module that ships, `test_` rules on a second module of the same build, and both on OPA's
 * own evaluator too. What the two evaluators see differently is a failure, whatever the author expected.
 */
import { join } from "node:path";
import { ENTRYPOINT, buildTests, evaluateWithOpa, type TestBuild } from "../bundle/build.js";
import { OpaUnavailable, runOpa, type Opa } from "../bundle/opa.js";
import { Sheet, SourceErrors, type SourceNote } from "../bundle/source.js";
import { canonical, type Catalogue, type PolicyData, type PolicyIdentity, type PolicyInput } from "../contract/index.js";
import type { ActivePolicy } from "../decision/ports.js";
import { PolicyInstance } from "../policy/instance.js";
import type { RegoReport, SetReport, TableReport } from "./report.js";
import { runCase, type CaseReport, type Ground } from "./run.js";
import { readTable, type Table } from "./table.js";

/** What the pinned compiler emits. */
const COMPILED_ABI = "1.3";

export interface TestOptions {
  /** Runs only the cases and tests whose name contains this, in any case of letters. */
  filter: string | null;
  /** Percent of the rules' lines that unit tests must reach. */
  coverage: number;
}

export interface TestedSet {
  report: SetReport;
  /** Warnings and remarks about the sources. */
  notes: SourceNote[];
}

/** @throws SourceErrors, OpaUnavailable */
export async function testSet(opa: Opa, dir: string, options: TestOptions): Promise<TestedSet> {
  return buildTests(opa, dir, async (build, folder) => {
    const notes = [...build.set.notes];
    const tables = build.set.tables.map((file) => openTable(build, file, notes));
    const chosen = (name: string): boolean => options.filter === null || name.toLowerCase().includes(options.filter.toLowerCase());
    const reports: TableReport[] = [];
    for (const table of tables) reports.push(await runTable(opa, folder, groundOf(unbuilt(build)), table, chosen));
    const touched = new Set(reports.flatMap(({ cases }) => cases.flatMap(({ codes }) => codes)));
    const { rego, coverage } = await runRegoTests(opa, build, folder, chosen);
    const whole = options.filter === null;
    return {
      report: {
        set: build.set.name,
        rego,
        tables: reports,
        untouched: whole ? Object.keys(build.set.catalogue).filter((code) => !touched.has(code)) : [],
        coverage: whole && coverage !== null ? { percent: coverage, wanted: options.coverage } : null,
      },
      notes,
    };
  });
}

/** @throws SourceErrors */
export function openTable(build: TestBuild, file: string, notes: SourceNote[]): Table {
  const sheet = Sheet.open(file, join(build.set.dir, file));
  const table = readTable(sheet, build.set.vocabulary);
  notes.push(...sheet.notes);
  if (sheet.notes.some(({ severity }) => severity === "error")) throw new SourceErrors(sheet.notes);
  return table;
}

/** A compiled policy to ask. It needn't be signed: nothing but an author asks it. */
export function groundOf({ identity, wasm, data, catalogue, abi }: Compiled): Ground {
  const instance = new PolicyInstance({
    wasm,
    dataText: Buffer.from(JSON.stringify(data)),
    metadata: { entrypoint: ENTRYPOINT, abi },
  });
  const policy: ActivePolicy = {
    identity,
    vocabulary: data.vocabulary,
    purposes: new Map(Object.entries(data.purposes)),
    catalogue,
    expires_ms: null,
    evaluate: (input) => instance.evaluate(input),
  };
  return { policy, data, catalogue };
}

export interface Compiled {
  identity: PolicyIdentity;
  wasm: Uint8Array;
  data: PolicyData;
  catalogue: Catalogue;
  abi: string;
}

/** A set that has been compiled and not built into a bundle. */
export function unbuilt({ set, wasm, data }: Pick<TestBuild, "set" | "wasm" | "data">): Compiled {
  const identity = { bundle: set.name, revision: "unbuilt", sequence: 0, digest: "" };
  return { identity, wasm, data, catalogue: set.catalogue, abi: COMPILED_ABI };
}

async function runTable(opa: Opa, folder: string, ground: Ground, table: Table, chosen: (name: string) => boolean): Promise<TableReport> {
  const cases: CaseReport[] = [];
  for (const one of table.cases) if (chosen(one.name)) cases.push(await runCase(ground, table, one));
  const reached = cases.filter((one): one is CaseReport & { input: PolicyInput } => one.input !== null);
  const differing = await differences(opa, folder, ground.policy, reached);
  return { name: table.name, file: table.file, cases, compared: reached.length, differing };
}

async function differences(
  opa: Opa,
  folder: string,
  policy: ActivePolicy,
  cases: (CaseReport & { input: PolicyInput })[],
): Promise<string[]> {
  if (cases.length === 0) return [];
  const answers = await evaluateWithOpa(
    opa,
    folder,
    cases.map(({ input }) => input),
  );
  const differing: string[] = [];
  for (const [i, { name, input }] of cases.entries()) {
    const evaluation = policy.evaluate(JSON.stringify(input));
    if (!evaluation.ok || unordered(evaluation.result) !== unordered(answers[i])) differing.push(name);
  }
  return differing;
}

/** Sets come out of the two evaluators in different orders: the order says nothing, so it is taken away. */
export function unordered(result: unknown): string {
  const sort = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map((one) => canonical(sort(one))).sort();
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, sort(member)]));
  };
  return canonical(sort(result ?? null));
}

interface OpaTest {
  package: string;
  name: string;
  fail?: boolean;
  error?: unknown;
  sub_results?: Record<string, { fail?: boolean }>;
}

async function runRegoTests(
  opa: Opa,
  build: TestBuild,
  folder: string,
  chosen: (name: string) => boolean,
): Promise<{ rego: RegoReport[]; coverage: number | null }> {
  const { tests, set } = build;
  if (tests.wasm === null) return { rego: [], coverage: set.rego.length === 0 ? null : 0 };
  const onOpa = await opaTests(opa, folder);
  const files = new Map<string, RegoReport>(set.tests.map((file) => [file, { file, passed: 0, failed: [] }]));
  const dataText = Buffer.from(JSON.stringify(build.data));
  for (const { entrypoint, name, file } of tests.entrypoints) {
    const report = files.get(file);
    if (report === undefined || !chosen(name)) continue;
    const module = { wasm: tests.wasm, dataText, metadata: { entrypoint, abi: COMPILED_ABI } };
    const onWasm = passing(new PolicyInstance(module).evaluate('{"request":{}}'));
    const expected = onOpa.get(entrypoint) ?? new Map<string, boolean>();
    if (expected.size === 0) report.failed.push(`${name} (not run by OPA)`);
    for (const [title, passedOnOpa] of expected) {
      const passedOnWasm = onWasm.has(title);
      if (passedOnOpa && passedOnWasm) report.passed++;
      else {
        const where = passedOnOpa ? " (on WASM only)" : passedOnWasm ? " (on OPA only)" : "";
        report.failed.push(`${name}${title === "" ? "" : `: ${title}`}${where}`);
      }
    }
  }
  return { rego: [...files.values()], coverage: await coverageOf(opa, folder, set.rego) };
}

/** Names of the cases that hold; `""` for a test that has none. */
function passing(evaluation: ReturnType<PolicyInstance["evaluate"]>): Set<string> {
  if (!evaluation.ok) return new Set();
  const { result } = evaluation;
  if (result === true) return new Set([""]);
  if (typeof result !== "object" || result === null || Array.isArray(result)) return new Set();
  return new Set(Object.entries(result).flatMap(([title, holds]) => (holds === true ? [title] : [])));
}

/** Entrypoint → case → whether it holds, by OPA. A case that OPA doesn't list has never held. */
async function opaTests(opa: Opa, folder: string): Promise<Map<string, Map<string, boolean>>> {
  const output = await runOpa(opa, ["test", "--format", "json", "rules", "remit", "data.json"], folder);
  let results: OpaTest[];
  try {
    results = JSON.parse(output.stdout) as OpaTest[];
  } catch (cause) {
    throw new OpaUnavailable("`opa test` did not report", output.stderr.trim(), { cause });
  }
  return new Map(
    results.map(({ package: from, name, fail, error, sub_results: cases }) => {
      const entrypoint = `${from.replace(/^data\./, "").replaceAll(".", "/")}/${name}`;
      const holds = fail !== true && error === undefined;
      const titles = Object.entries(cases ?? {}).map(([title, one]) => [title, one.fail !== true] as const);
      return [entrypoint, new Map<string, boolean>(titles.length === 0 ? [["", holds]] : titles)];
    }),
  );
}

async function coverageOf(opa: Opa, folder: string, files: string[]): Promise<number | null> {
  const args = ["test", "--coverage", "--format", "json", "rules", "remit", "data.json"];
  const { stdout } = await runOpa(opa, args, folder);
  const { files: covered = {} } = JSON.parse(stdout) as {
    files?: Record<string, { covered_lines?: number; not_covered_lines?: number }>;
  };
  const [hit, missed] = files.reduce(
    ([h, m], file) => {
      const lines = covered[`rules/${file}`] ?? {};
      return [h + (lines.covered_lines ?? 0), m + (lines.not_covered_lines ?? 0)];
    },
    [0, 0],
  );
  return hit + missed === 0 ? null : (100 * hit) / (hit + missed);
}
