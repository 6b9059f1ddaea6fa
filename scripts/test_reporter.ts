/** Mocha's reporter: failures in full, the slowest tests and files, why tests were skipped, the count and the time. */
import { writeFileSync } from "node:fs";
import { relative } from "node:path";
import Mocha from "mocha";
import { asset } from "../src/system/paths.js";
import { mapError } from "./stacks.js";
import { RESULTS_FILE, summarize, type FileResults, type TestResults } from "./test_results.js";

const { EVENT_HOOK_END, EVENT_RUN_END, EVENT_TEST_FAIL, EVENT_TEST_PASS, EVENT_TEST_PENDING } = Mocha.Runner.constants;
const SLOWEST_TESTS = 5;
/** Files where most of a whole run goes: two thirds of it. */
const SLOWEST_FILES = 20;
/** Milliseconds; a test that takes longer is worth a look, or belongs to a long file. */
const SLOW_MS = 1000;
/** Milliseconds of all tests and hooks of a file; one that takes longer is a long one by what `*.long.test.ts` means. */
const SLOW_FILE_MS = 5000;
const PROGRESS_EVERY = 500;

/** Characters kept of what a failure says: its first line, and its end, where a service's log has what went wrong last. */
const FAILURE_MAX = 600;

function shortMessage({ err }: Mocha.Test): string {
  const [first = "", ...rest] = (err?.message ?? "").split("\n");
  const end = rest.join(" ").trim().slice(-FAILURE_MAX);
  return end === "" ? first : `${first} … ${end}`;
}

export default function report(runner: Mocha.Runner): void {
  const begun = Date.now();
  const isParallel = (runner as Mocha.Runner & { isParallelMode(): boolean }).isParallelMode();
  const seconds = (): string => ((Date.now() - begun) / 1000).toFixed(1);
  const passed: { title: string; ms: number }[] = [];
  const failures: Mocha.Test[] = [];
  const skipped = new Map<string, number>();
  const files = new Map<string, number>();
  const results: TestResults = {};
  const count = ({ file, duration }: Mocha.Runnable): void => {
    if (file !== undefined) files.set(file, (files.get(file) ?? 0) + (duration ?? 0));
  };
  const resultsOf = ({ file = "" }: Mocha.Runnable): FileResults =>
    (results[relative(asset("dist"), file)] ??= { passed: 0, skipped: 0, failures: [] });

  runner.on(EVENT_HOOK_END, (hook) => {
    // Files that run in other processes tell each run of such a hook with the time of the last.
    if (!(isParallel && / each" hook/.test(hook.title))) count(hook);
  });
  runner.on(EVENT_TEST_PASS, (test) => {
    count(test);
    resultsOf(test).passed++;
    passed.push({ title: test.fullTitle(), ms: test.duration ?? 0 });
    if (passed.length % PROGRESS_EVERY === 0) console.log(`  ${passed.length} passed after ${seconds()} s`);
  });
  runner.on(EVENT_TEST_FAIL, (test, error: unknown) => {
    mapError(error, asset());
    test.err = error as Error;
    failures.push(test);
    const title = `${relative(asset("dist"), test.file ?? "")}: ${test.fullTitle()}: ${shortMessage(test)}`;
    resultsOf(test).failures.push(title);
    count(test);
    console.log(`  failed: ${test.fullTitle()}`);
  });
  runner.on(EVENT_TEST_PENDING, (test) => {
    const why = /\(skipped: (.*)\)$/.exec(test.title)?.[1] ?? `without a reason: ${test.fullTitle()}`;
    skipped.set(why, (skipped.get(why) ?? 0) + 1);
    resultsOf(test).skipped++;
  });
  runner.on(EVENT_RUN_END, () => {
    Mocha.reporters.Base.list(failures);
    const paths = [...files].map(([file, ms]) => ({ title: relative(asset("dist"), file), ms }));
    for (const [all, slow_ms, most] of [
      [passed, SLOW_MS, SLOWEST_TESTS],
      [paths, SLOW_FILE_MS, SLOWEST_FILES],
    ] as const) {
      const slow = all.filter(({ ms }) => ms > slow_ms).sort((a, b) => b.ms - a.ms);
      for (const { title, ms } of slow.slice(0, most)) console.log(`  ${(ms / 1000).toFixed(1)} s  ${title}`);
    }
    for (const [why, count] of skipped) console.log(`  ${count} skipped: ${why}`);
    console.log(`in ${seconds()} s`);
    // Failures again at the end, which is what is kept of a long log.
    console.log(summarize(results).lines.join("\n"));
    const path = process.env[RESULTS_FILE];
    if (path !== undefined) writeFileSync(path, JSON.stringify(results));
    if (passed.length + failures.length > 0) return;
    console.log("no test has that title");
    // mocha itself ends well then, by an exit code of its own.
    process.on("exit", () => (process.exitCode = 1));
  });
}
