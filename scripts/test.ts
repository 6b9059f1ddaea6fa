/** Runs the tests, all that are fast unless options choose others: `node dist/scripts/test.js --help`. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statfsSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Command } from "commander";
import { asset } from "../src/system/paths.js";
import { chooseFiles, type Choice } from "./choice.js";
import { RAW_COVERAGE, reportCoverage } from "./coverage.js";
import { RESULTS_FILE, filesToRunAgain, summarize, type TestResults } from "./test_results.js";

interface Options extends Choice {
  watch?: true;
  coverage?: true;
  raise?: true;
  jobs: string;
}

/** Free bytes that a folder in memory has to have for all that tests write at once. */
const ROOM_IN_MEMORY = 8 * 1024 ** 3;
const IN_MEMORY = "/dev/shm";

/**
 * Returns where tests may write: memory where there is room for it. A start of the service waits for a disk four times and deletes a folder at
 * its end; none of that is what tests are about, and those that cut the power or fill a disk bring their own.
 */
function temporaryFolder(): string {
  try {
    const { bavail, bsize } = statfsSync(IN_MEMORY);
    // Some tests start programs that they have written.
    const runs = readFileSync("/proc/mounts", "utf8").match(new RegExp(`^\\S+ ${IN_MEMORY} (?!.*\\bnoexec\\b)`, "m"));
    if (bavail * bsize >= ROOM_IN_MEMORY && runs !== null) {
      const folder = mkdtempSync(join(IN_MEMORY, "remit-test-"));
      // As the usual one: tests run commands as other users too.
      chmodSync(folder, 0o1777);
      return folder;
    }
  } catch {
    // There is none.
  }
  return mkdtempSync(join(tmpdir(), "remit-test-"));
}

/**
 * Starts mocha on these files, in as many processes as there are jobs for.
 * @param files paths in `test`
 * @param folder for what they write, and for results
 */
function startMocha(files: readonly string[], options: Options, folder?: string): ChildProcess {
  const { title, coverage, jobs } = options;
  const parallel = files.length > 1 ? ["--parallel", "--jobs", jobs] : [];
  return spawn(
    process.execPath,
    [
      // Much lives as long as a test: room for it spares copying, and a twentieth of the time.
      "--max-semi-space-size=32",
      ...(coverage === true ? ["--import", pathToFileURL(asset("dist", "scripts", "coverage_preload.js")).href] : []),
      // Mocha runs nothing, and succeeds, if it is called by another path than its own.
      realpathSync(asset("node_modules", "mocha", "lib", "cli", "cli.js")),
      ...["--reporter", asset("dist", "scripts", "test_reporter.js")],
      ...(title === undefined ? [] : ["--fgrep", title]),
      ...parallel,
      ...files.map((path) => asset("dist", "test", path.replace(/\.ts$/, ".js"))),
    ],
    {
      cwd: asset(),
      stdio: "inherit",
      env: {
        ...process.env,
        ...(coverage === true ? { NODE_V8_COVERAGE: RAW_COVERAGE } : {}),
        ...(folder === undefined ? {} : { TMPDIR: folder, [RESULTS_FILE]: join(folder, "results.json") }),
      },
    },
  );
}

function filesOf(options: Options): string[] {
  const files = chooseFiles(readdirSync(asset("test"), { recursive: true, encoding: "utf8" }), options);
  if (files.length > 0) return files;
  const { file = "", room = "" } = options;
  throw new Error(
    `no test file matches ${[room && `room ${room}`, file && `file ${file}`].filter(Boolean).join(" and ")}; name a part of a path in test/`,
  );
}

/** Builds what has changed, and runs the chosen tests after each build without errors; ends with the process. */
async function watch(options: Options): Promise<void> {
  // No other run waits for it to load.
  const { default: ts } = await import("typescript");
  let running: ChildProcess | null = null;
  const host = ts.createWatchCompilerHost(
    asset("tsconfig.json"),
    {},
    ts.sys,
    ts.createEmitAndSemanticDiagnosticsBuilderProgram,
    (diagnostic) => {
      process.stdout.write(
        ts.formatDiagnosticsWithColorAndContext([diagnostic], {
          getCanonicalFileName: (name) => name,
          getCurrentDirectory: () => asset(),
          getNewLine: () => "\n",
        }),
      );
    },
    (_status, _newLine, _options, errors) => {
      running?.kill();
      running = null;
      if (errors === undefined) return;
      console.log(errors === 0 ? "\nbuilt" : `\n${errors} errors: nothing is run`);
      if (errors === 0) running = startMocha(filesOf(options), options);
    },
  );
  ts.createWatchProgram(host);
}

/** Runs these files, and a second time alone what `filesToRunAgain` gives. Returns the exit code. */
async function runTests(files: readonly string[], options: Options): Promise<number> {
  const folder = temporaryFolder();
  const results = join(folder, "results.json");
  const runOnce = async (chosen: readonly string[]): Promise<{ code: number; results: TestResults }> => {
    rmSync(results, { force: true });
    const mocha = startMocha(chosen, options, folder);
    const pass = (signal: NodeJS.Signals): boolean => mocha.kill(signal);
    process.on("SIGINT", pass).on("SIGTERM", pass);
    const [code] = (await once(mocha, "exit")) as [number | null];
    process.off("SIGINT", pass).off("SIGTERM", pass);
    let text = "{}";
    try {
      text = readFileSync(results, "utf8");
    } catch {
      // It ended before its tests did.
    }
    return { code: code ?? 1, results: JSON.parse(text) as TestResults };
  };
  try {
    const first = await runOnce(files);
    const again = options.all === true ? filesToRunAgain(first.results) : [];
    if (first.code === 0 || again.length === 0) return first.code;
    const second: TestResults = {};
    for (const path of again) {
      console.log(`\nonce more, alone: ${path}`);
      const { code, results } = await runOnce([path.replace(/^test\//, "")]);
      const found = results[path] ?? { passed: 0, skipped: 0, failures: [] };
      if (code !== 0 && found.failures.length === 0) found.failures.push(`${path}: ended with exit code ${code}`);
      second[path] = found;
    }
    const { lines, failed } = summarize(first.results, second);
    console.log(lines.join("\n"));
    return failed === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function main(options: Options): Promise<number> {
  if (options.watch === true) {
    await watch(options);
    return 0;
  }
  rmSync(RAW_COVERAGE, { recursive: true, force: true });
  const code = await runTests(filesOf(options), options);
  if (code !== 0 || options.coverage !== true) return code;
  return reportCoverage(options.raise === true) ? 0 : 1;
}

const program = new Command("test")
  .description(
    "Runs the built tests: all that are fast, unless an option chooses others.\nA test file named *.long.test.ts is long: only --all and a choice of it run it.",
  )
  .option("--all", "run the long files too")
  .option("--file <part>", "run the file with this path in test/, or the files whose path has this part: decision/scan")
  .option("--room <name>", "run the files of one folder of test/: decision")
  .option("--title <text>", "run the tests whose title has this text: one turn")
  .option("--watch", "build what changes, then run the choice again")
  .option("--coverage", "print the coverage of each room of src/, and fail where it has fallen")
  .option("--raise", "with --coverage: write what was reached to test/coverage.json")
  .option("--jobs <n>", "files that run at once", String(availableParallelism() + 1))
  .parse();

try {
  process.exitCode = await main(program.opts<Options>());
} catch (error) {
  program.error(error instanceof Error ? error.message : String(error));
}
