/** Reports of `remit test`: for people, for programs and for CI. */
import type { Value } from "../contract/index.js";
import { lineRanges } from "../bundle/source.js";
import type { CaseReport } from "./run.js";

export interface TableReport {
  name: string;
  file: string;
  cases: CaseReport[];
  /** Cases that reached the policy and were put to OPA's own evaluator as well, and the names of those that differ. */
  compared: number;
  differing: string[];
}

export interface RegoReport {
  file: string;
  passed: number;
  /** Names of those that pass. */
  passing: string[];
  failed: FailedTest[];
}

/** A unit test, or one case of it, that fails. */
export interface FailedTest {
  /** `test_refunds`, `test_refunds: of nobody`; with the evaluator when only one fails. */
  name: string;
  /** Line of the expression that failed; of the test when that is unknown. */
  line: number;
  /** Message of an evaluation that broke off. */
  error: string | null;
  /** Source of the expression that failed. */
  expression: string | null;
  /** Both sides of the comparison that failed, as Rego; null if another kind of test failed, or OPA gives no value. */
  got: string | null;
  wanted: string | null;
}

export interface CoverageReport {
  /** Percent of the set's Rego lines that its tests reach. */
  percent: number;
  wanted: number;
  /** Lines that no test reaches, such as `19, 29-30`, by file and rule: `deny refund_exceeds_payment`, or a helper's name. */
  missed: { file: string; rule: string; lines: string }[];
}

export interface SetReport {
  set: string;
  rego: RegoReport[];
  tables: TableReport[];
  /** Codes of the bundle that no case of any table provokes. */
  untouched: string[];
  /** Null where the set has no rules, a test breaks off, or only some tests were run. */
  coverage: CoverageReport | null;
}

export interface Totals {
  passed: number;
  failed: number;
}

export function totals({ rego, tables, coverage }: SetReport): Totals {
  const cases = tables.flatMap((table) => table.cases);
  const failedCases = cases.filter((one) => !one.passed).length;
  const differing = tables.flatMap((table) => table.differing).length;
  const failedTests = rego.flatMap((file) => file.failed).length;
  const short = coverage !== null && coverage.percent < coverage.wanted ? 1 : 0;
  return {
    passed: cases.length - failedCases + rego.reduce((sum, file) => sum + file.passed, 0),
    failed: failedCases + differing + failedTests + short,
  };
}

export interface ReportStyle {
  bold: (text: string) => string;
  red: (text: string) => string;
  dim: (text: string) => string;
}

const COLUMN = 44;

export function renderText(report: SetReport, style: ReportStyle): string {
  const lines = [style.bold(report.set)];
  for (const { file, passed, failed } of report.rego) lines.push(row(file, counts(passed, failed.length)));
  for (const { name, cases, compared, differing } of report.tables) {
    const failed = cases.filter((one) => !one.passed).length;
    const same =
      compared === 0
        ? ""
        : differing.length === 0
          ? `wasm = opa on the ${compared} that reach it`
          : style.red(`wasm and opa differ on ${differing.length} of ${compared}`);
    lines.push(row(name, counts(cases.length - failed, failed).padEnd(24) + style.dim(same)));
  }
  for (const { file, failed } of report.rego) {
    for (const one of failed) lines.push("", ...renderFailedTest(one, file, style));
  }
  for (const { cases, differing } of report.tables) {
    for (const one of cases) if (!one.passed) lines.push("", ...renderCase(one, style));
    for (const name of differing) lines.push("", `  ${style.red("✗")} ${name}: OPA's own evaluator answers otherwise`);
  }
  lines.push(...renderHelped(report.tables.flatMap(({ cases }) => cases)));
  const [first = "none", ...groups] = grouped(report.untouched);
  lines.push("", row("reasons that no case gives", first), ...groups.map((group) => row("", group)));
  if (report.coverage !== null) {
    const { percent, wanted, missed } = report.coverage;
    const text = `${percent.toFixed(1)} % of the rules' lines, at least ${wanted} % wanted`;
    lines.push(row("unit tests cover", percent < wanted ? style.red(text) : text));
    for (const { file, rule, lines: unreached } of missed) lines.push(row("no test reaches", `${file}:${unreached}  ${style.dim(rule)}`));
  }
  return lines.join("\n");
}

const GROUPS_MAX = 12;
const NUMBERED = /^(.*\.(?:allow|flag|never))\.(\d+)$/;

/** Codes in lines: those that the builder numbered by purpose and line, `support.allow: 2, 5-7`; the others together. */
function grouped(codes: readonly string[]): string[] {
  const numbers = new Map<string, number[]>();
  const named: string[] = [];
  for (const code of codes) {
    const [, line = "", number] = NUMBERED.exec(code) ?? [];
    if (number === undefined) named.push(code);
    else numbers.set(line, [...(numbers.get(line) ?? []), Number(number)]);
  }
  const groups = [...(named.length === 0 ? [] : [named.join(", ")]), ...[...numbers].map(([line, all]) => `${line}: ${lineRanges(all)}`)];
  const more = groups.length - GROUPS_MAX;
  return more > 0 ? [...groups.slice(0, GROUPS_MAX), `and of ${more} more; --json names all`] : groups;
}

function row(left: string, right: string): string {
  return `  ${left.padEnd(COLUMN)}  ${right}`.trimEnd();
}

function counts(passed: number, failed: number): string {
  return `${passed} passed${failed === 0 ? "" : `, ${failed} failed`}`;
}

function renderFailedTest({ name, line, error, expression, got, wanted }: FailedTest, file: string, style: ReportStyle): string[] {
  const details = { line: expression, got, wanted, error };
  return [
    `  ${style.red("✗")} ${name}`.padEnd(COLUMN + 14) + style.dim(`${file}:${line}`),
    ...Object.entries(details).flatMap(([label, text]) =>
      text === null ? [] : [`      ${label.padEnd(8)} ${text.replaceAll("\n", `\n${" ".repeat(15)}`)}`],
    ),
  ];
}

function renderCase(one: CaseReport, style: ReportStyle): string[] {
  const { name, file, line, wanted, got, error, nearest, hint } = one;
  const because = (codes: string[] | null): string => (codes === null || codes.length === 0 ? "" : `because ${codes.join(", ")}`);
  const lines = [`  ${style.red("✗")} ${name}`.padEnd(COLUMN + 14) + style.dim(`${file}:${line}`)];
  const say = (label: string, text: string): void => void lines.push(`      ${label.padEnd(8)} ${text}`.trimEnd());
  say("wanted", `${wanted.then.padEnd(15)} ${because(wanted.because)}`);
  if (got !== null) say("got", `${got.then.padEnd(15)} ${because(got.because)}`);
  if (error !== null) say("refused", error);
  if (nearest !== null) {
    say("nearest", `${nearest.sources.join(", ")}  ${nearest.effect} \`${nearest.code}\``);
    for (const { name: what, wanted: asked, found } of nearest.because) {
      say("", `${what} is ${show(found)}, wanted ${asked}`);
    }
  }
  if (hint !== null) say("hint", hint);
  return lines;
}

/** One value in so many cases is one line: they mostly have one cause. */
function renderHelped(cases: readonly CaseReport[]): string[] {
  const byValue = new Map<string, CaseReport[]>();
  for (const one of cases) for (const { value } of one.helped) byValue.set(value, [...(byValue.get(value) ?? []), one]);
  return [...byValue].flatMap(([value, all]) => {
    const [first] = all;
    const found = first?.helped.find((one) => one.value === value);
    if (first === undefined || found === undefined) return [];
    const more = all.length === 1 ? "" : `, and in ${all.length - 1} more`;
    return [
      "",
      `  more is permitted where \`${value}\` is unknown: ${first.name}, ${found.from} becomes ${found.to}${more} (${first.file}:${first.line})`,
    ];
  });
}

/** A value that was found, for people: `ada`, 14, unknown; an object's members with their names. */
export function show(value: Value): string {
  if (value === null) return "unknown";
  if (typeof value === "string") return `\`${value}\``;
  if (typeof value !== "object" || Array.isArray(value)) return JSON.stringify(value);
  const members = Object.entries(value).map(([name, member]) => `${name} ${show(member)}`);
  return members.length === 0 ? "nothing" : members.join(", ");
}

/** JUnit XML, as CI servers read it: a suite a table or test file, a case a row. */
export function renderJunit(reports: SetReport[]): string {
  const suites = reports.flatMap(({ set, tables, rego }) => [
    ...tables.map(({ name, file, cases, differing }) =>
      suite(
        `${set}: ${name}`,
        cases.map((one) => ({
          name: one.name,
          file: `${set}/${file}`,
          failure: !one.passed
            ? renderCase(one, PLAIN).join("\n")
            : differing.includes(one.name)
              ? "OPA's own evaluator answers otherwise"
              : null,
        })),
      ),
    ),
    ...rego.map(({ file, passing, failed }) =>
      suite(`${set}: ${file}`, [
        ...passing.map((name) => ({ name, file: `${set}/${file}`, failure: null })),
        ...failed.map((one) => ({ name: one.name, file: `${set}/${file}`, failure: renderFailedTest(one, file, PLAIN).join("\n") })),
      ]),
    ),
  ]);
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n${suites.join("\n")}\n</testsuites>\n`;
}

export const PLAIN: ReportStyle = { bold: (text) => text, red: (text) => text, dim: (text) => text };

interface JunitCase {
  name: string;
  file: string;
  failure: string | null;
}

function suite(name: string, cases: JunitCase[]): string {
  const failures = cases.filter(({ failure }) => failure !== null).length;
  const rows = cases.map(({ name: title, file, failure }) => {
    const open = `    <testcase name="${xml(title)}" classname="${xml(file)}"`;
    return failure === null ? `${open}/>` : `${open}><failure>${xml(failure)}</failure></testcase>`;
  });
  return `  <testsuite name="${xml(name)}" tests="${cases.length}" failures="${failures}">\n${rows.join("\n")}\n  </testsuite>`;
}

function xml(text: string): string {
  const entities: Record<string, string> = { "<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;" };
  return text.replaceAll(/[<>&"]/g, (character) => entities[character] ?? "").replaceAll(/\p{Cc}/gu, (c) => (c === "\n" ? c : "�"));
}
