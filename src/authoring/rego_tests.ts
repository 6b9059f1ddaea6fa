/**
 * Unit tests in Rego: each `test_` rule runs on a module of the set's own build and on OPA's evaluator. OPA says why one
 * fails, and which lines of the rules none of them reaches.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { COMPILED_ABI, type TestBuild } from "../bundle/compiled_set.js";
import { OPA_TEST, OpaUnavailable, runOpa, type Opa } from "../bundle/opa.js";
import { lineRanges } from "../bundle/source.js";
import { PolicyInstance } from "../policy/instance.js";
import type { CoverageReport, FailedTest, RegoReport } from "./report.js";
import { comparisonIn, type Term } from "./rego_values.js";

const SOURCES = ["rules", "remit", "data.json"];

interface TestEvent {
  Op: string;
  Node: unknown;
  Location: { file: string; row: number };
  ParentID: number;
  Locals: Local[] | null;
  LocalMetadata: Record<string, { name: string }> | null;
}

interface Local extends Term {
  name: string;
}

interface OpaTest {
  package: string;
  name: string;
  location: { file: string; row: number };
  fail?: boolean;
  error?: { message?: string; location?: { row: number } };
  sub_results?: Record<string, { fail?: boolean }>;
  trace?: TestEvent[];
}

export interface RegoTests {
  rego: RegoReport[];
  coverage: Omit<CoverageReport, "wanted"> | null;
}

/** @param folder laid out as a bundle, with the tests */
export async function runRegoTests(opa: Opa, build: TestBuild, folder: string, chosen: (name: string) => boolean): Promise<RegoTests> {
  const { tests, set } = build;
  if (tests.wasm === null) return { rego: [], coverage: set.rego.length === 0 ? null : { percent: 0, missed: [] } };
  const [onOpa, coverage] = await Promise.all([opaTests(opa, folder, []), coverageOf(opa, build, folder)]);
  const explained = await explain(opa, folder, onOpa);
  const files = new Map<string, RegoReport>(set.tests.map((file) => [file, { file, passed: 0, passing: [], failed: [] }]));
  const dataText = Buffer.from(JSON.stringify(build.data));
  for (const { entrypoint, name, file, line } of tests.entrypoints) {
    const report = files.get(file);
    if (report === undefined || !chosen(name)) continue;
    const unexplained = { name, line, error: null, expression: null, got: null, wanted: null };
    const test = onOpa.get(entrypoint);
    if (test === undefined) {
      report.failed.push({ ...unexplained, error: "OPA does not run it" });
      continue;
    }
    const module = { wasm: tests.wasm, dataText, metadata: { entrypoint, abi: COMPILED_ABI } };
    const onWasm = passing(new PolicyInstance(module).evaluate('{"request":{}}'));
    for (const [title, passedOnOpa] of casesOf(test)) {
      const passedOnWasm = onWasm.has(title);
      const named = title === "" ? name : `${name}: ${title}`;
      if (passedOnOpa && passedOnWasm) {
        report.passed++;
        report.passing.push(named);
        continue;
      }
      const where = passedOnOpa ? " (on WASM only)" : passedOnWasm ? " (on OPA only)" : "";
      const why = passedOnOpa ? {} : failureOf(explained.get(entrypoint) ?? test, title, folder);
      report.failed.push({ ...unexplained, ...why, name: named + where });
    }
  }
  return { rego: [...files.values()], coverage };
}

/** Names of the cases that hold; `""` for a test that has none. */
function passing(evaluation: ReturnType<PolicyInstance["evaluate"]>): Set<string> {
  if (!evaluation.ok) return new Set();
  const { result } = evaluation;
  if (result === true) return new Set([""]);
  if (typeof result !== "object" || result === null || Array.isArray(result)) return new Set();
  return new Set(Object.entries(result).flatMap(([title, holds]) => (holds === true ? [title] : [])));
}

/** Case → whether it holds, by OPA. A case that OPA doesn't list has never held. */
function casesOf({ fail, error, sub_results: cases }: OpaTest): [string, boolean][] {
  const titles = Object.entries(cases ?? {}).map(([title, one]): [string, boolean] => [title, one.fail !== true]);
  return titles.length === 0 ? [["", fail !== true && error === undefined]] : titles;
}

/** Entrypoint → what OPA reports of it. */
async function opaTests(opa: Opa, folder: string, options: string[]): Promise<Map<string, OpaTest>> {
  const output = await runOpa(opa, [...OPA_TEST, "--format", "json", ...options, ...SOURCES], folder);
  let results: OpaTest[];
  try {
    results = JSON.parse(output.stdout) as OpaTest[];
  } catch (cause) {
    throw new OpaUnavailable("`opa test` did not report", output.stderr.trim(), { cause });
  }
  return new Map(results.map((test) => [`${test.package.replace(/^data\./, "").replaceAll(".", "/")}/${test.name}`, test]));
}

/** The failed tests again, with their traces: those of all tests would take many times as long. */
async function explain(opa: Opa, folder: string, tests: ReadonlyMap<string, OpaTest>): Promise<ReadonlyMap<string, OpaTest>> {
  const failed = [...tests.values()].filter((test) => casesOf(test).some(([, holds]) => !holds));
  if (failed.length === 0) return new Map();
  const names = failed.map(({ package: from, name }) => `${from}.${name}`.replaceAll(".", "\\."));
  return await opaTests(opa, folder, ["--verbose", "--var-values", "--run", `^(${names.join("|")})$`]);
}

/** The expression of the test's own body at which it, or its case, failed last. */
function failureOf(test: OpaTest, title: string, folder: string): Partial<FailedTest> {
  if (test.error !== undefined) {
    return { line: test.location.row, error: test.error.message ?? "OPA gives no reason" };
  }
  const { file } = test.location;
  const event = test.trace?.findLast(
    (one) => one.Op === "Fail" && one.ParentID === 0 && one.Location.file === file && (title === "" || isOfCase(one, title)),
  );
  if (event === undefined) return {};
  const values = new Map((event.Locals ?? []).map((local) => [local.name, local]));
  const compared = comparisonIn((event.Node as { terms?: unknown }).terms, (name) => values.get(name));
  return { line: event.Location.row, expression: lineOf(join(folder, file), event.Location.row), ...compared };
}

/** Returns true if a variable of the author's holds the case's name. */
function isOfCase({ Locals: locals, LocalMetadata: names }: TestEvent, title: string): boolean {
  return (locals ?? []).some(
    ({ name, type, value }) => type === "string" && value === title && names?.[name]?.name.startsWith("__") === false,
  );
}

function lineOf(file: string, line: number): string | null {
  return readFileSync(file, "utf8").split("\n")[line - 1]?.trim() ?? null;
}

interface CoveredFile {
  covered_lines?: number;
  not_covered_lines?: number;
  not_covered?: { start: { row: number }; end: { row: number } }[];
}

/**
 * Lines of the rules that the tests reach. `opa test --coverage` reports none when a test fails, so the tests are evaluated.
 * @returns null when a test breaks off, or the set has no rules
 */
async function coverageOf(opa: Opa, { tests, set }: TestBuild, folder: string): Promise<RegoTests["coverage"]> {
  const query = `[${tests.entrypoints.map(({ entrypoint }) => `[x | x := data.${entrypoint.replaceAll("/", ".")}]`).join(", ")}]`;
  const data = SOURCES.flatMap((source) => ["--data", source]);
  const output = await runOpa(opa, ["eval", "--coverage", "--format", "json", ...data, query], folder);
  if (output.code !== 0) return null;
  const { files } = (JSON.parse(output.stdout) as { coverage: { files: Record<string, CoveredFile> } }).coverage;
  const own = set.rego.map((file) => ({ file, ...files[`rules/${file}`] }));
  const hit = own.reduce((sum, { covered_lines: lines = 0 }) => sum + lines, 0);
  const missed = own.reduce((sum, { not_covered_lines: lines = 0 }) => sum + lines, 0);
  if (hit + missed === 0) return null;
  return {
    percent: (100 * hit) / (hit + missed),
    missed: own.flatMap(({ file, not_covered: ranges = [] }) =>
      byRule(file, readFileSync(join(set.dir, file), "utf8"), ranges.flatMap(linesOf)),
    ),
  };
}

const HEAD = /^(\w+)(?: contains\b|\(|\[| :=| if\b)/;
const CODE = /^#\s+code: (\S+)/;

/** Lines by the rule that they stand in: the last head at or above each, with the code of its METADATA. */
function byRule(file: string, text: string, lines: readonly number[]): CoverageReport["missed"] {
  const names: string[] = [];
  let [rule, code] = ["", ""];
  for (const line of text.split("\n")) {
    code = CODE.exec(line)?.[1] ?? code;
    const head = HEAD.exec(line)?.[1];
    if (head !== undefined) [rule, code] = [`${head} ${code}`.trim(), ""];
    names.push(rule);
  }
  const rules = [...new Set(lines.map((line) => names[line - 1] ?? ""))];
  return rules.map((name) => ({ file, rule: name, lines: lineRanges(lines.filter((line) => names[line - 1] === name)) }));
}

function linesOf({ start, end }: NonNullable<CoveredFile["not_covered"]>[number]): number[] {
  return Array.from({ length: end.row - start.row + 1 }, (_, i) => start.row + i);
}
