/** What a run of tests came to, left by its reporter in a file for the script that started it. */

/** A file's counts. */
export interface FileResults {
  passed: number;
  skipped: number;
  /** A line for each failure. */
  failures: string[];
}

/** By path in `dist`, such as `test/service/kills.long.test.js`. */
export type TestResults = Record<string, FileResults>;

/** Environment variable that names the file which the reporter writes. */
export const RESULTS_FILE = "REMIT_TEST_RESULTS";

/** Long files whose failures a run may take back: more of them say something about the code, not about the machine. */
const UNSTEADY_MAX = 2;

/**
 * Returns the files that failed and may run a second time, alone: long ones, which meet real processes, disks and clocks while others take the
 * machine. A fast test has no such excuse, and more than two files have none either.
 */
export function filesToRunAgain(results: TestResults): string[] {
  const failed = Object.entries(results).filter(([, { failures }]) => failures.length > 0);
  const areLong = failed.every(([path]) => path.includes(".long.test."));
  return areLong && failed.length <= UNSTEADY_MAX ? failed.map(([path]) => path) : [];
}

/**
 * Returns the last lines of a run: each file that passed at its second try, what failed, and the counts.
 * @param again results of the files that ran a second time, which count instead of their first
 */
export function summarize(first: TestResults, again: TestResults = {}): { lines: string[]; failed: number } {
  const lines: string[] = [];
  for (const [path, { failures }] of Object.entries(again)) {
    if (failures.length > 0) continue;
    for (const failure of first[path]?.failures ?? []) lines.push(`  unsteady: passed alone, after it failed beside others: ${failure}`);
  }
  const files = Object.values({ ...first, ...again });
  const sum = (count: (file: FileResults) => number): number => files.reduce((all, file) => all + count(file), 0);
  const [passed, failed, skipped] = [sum((file) => file.passed), sum(({ failures }) => failures.length), sum((file) => file.skipped)];
  for (const { failures } of files) for (const failure of failures) lines.push(`  failed: ${failure}`);
  lines.push([`${passed} passed`, `${failed} failed`, ...(skipped > 0 ? [`${skipped} skipped`] : [])].join(", "));
  return { lines, failed };
}
