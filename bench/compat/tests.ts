/** Rows that tests prove already, before the counterpart itself: the same tests are run, and their outcome is the row's. */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { asset } from "../../src/system/paths.js";
import { runProgram, type CompatOutcome } from "./row.js";

interface MochaTest {
  title: string;
  fullTitle: string;
  err: { message?: string };
}

interface MochaReport {
  passes: MochaTest[];
  failures: MochaTest[];
  pending: MochaTest[];
}

const MOCHA = join(dirname(createRequire(import.meta.url).resolve("mocha/package.json")), "bin", "mocha.js");
const TEST_MS_MAX = 600_000;
const SKIPPED = / \(skipped: (.*)\)$/;

/**
 * @param file in `test`, without its ending
 * @param grep part of the titles of the tests that count; all of the file if left out
 */
export async function byTests(file: string, grep?: string): Promise<CompatOutcome> {
  const chosen = grep === undefined ? [] : ["--grep", grep];
  const given = ["--no-config", "--exit", "--timeout", String(TEST_MS_MAX), "--reporter", "json", ...chosen];
  const { out, error } = await runProgram(process.execPath, [MOCHA, ...given, asset("dist", "test", `${file}.test.js`)]);
  const report = reportIn(out);
  if (report === null) return { state: "red", detail: `\`${file}\` doesn't run: ${error.trim().split("\n").at(-1) ?? ""}` };
  const { passes, failures, pending } = report;
  const [failed] = failures;
  if (failed !== undefined) return { state: "red", detail: `${failed.fullTitle}: ${failed.err.message ?? ""}` };
  const skipped = pending.flatMap(({ title }) => SKIPPED.exec(title)?.[1] ?? []);
  if (passes.length > 0) return { state: "green", detail: `${passes.length} test${passes.length === 1 ? "" : "s"} of ${file}` };
  return { state: skipped.length > 0 ? "skipped" : "red", detail: skipped[0] ?? `\`${file}\` has no such test` };
}

/** Tests may print before the report. */
function reportIn(out: string): MochaReport | null {
  const at = out.indexOf('{\n  "stats"');
  if (at < 0) return null;
  try {
    return JSON.parse(out.slice(at)) as MochaReport;
  } catch {
    return null;
  }
}
