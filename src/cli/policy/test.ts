/** `remit test`: tables and unit tests of policy sets, on the module that ships and on OPA's own evaluator. */
import { writeFile } from "node:fs/promises";
import { InvalidArgumentError, type Command } from "commander";
import { renderJunit, renderText, totals, type SetReport, type ReportStyle } from "../../authoring/report.js";
import { testSet, watchSet, type TestedSet } from "../../authoring/set.js";
import { findOpa, type Opa } from "../../bundle/opa.js";
import { SourceErrors } from "../../bundle/source.js";
import { CliError, type Exit } from "../exit.js";
import { inFolder, placed } from "./sources.js";
import { sayError, sayFailure, sayJson, sayNotes, type Ui } from "../ui.js";
import { watching } from "./set_changes.js";

interface Options {
  filter?: string;
  coverage: number;
  junit?: string;
  json?: true;
  watch?: true;
}

export const COVERAGE_DEFAULT = 90;

const EXAMPLES = `
Examples:
  $ remit test                                     # the set in this folder
  $ remit test policies/support policies/shop      # several sets
  $ remit test --filter account                    # cases and tests whose name has this in it
  $ remit test --watch                             # again after each change
  $ remit test --junit report.xml --coverage 100   # for CI`;

export function addTest(program: Command, ui: Ui, finish: (exit: Exit) => void): void {
  program
    .command("test")
    .description("run a set's tables and unit tests, on the WASM that ships and on OPA")
    .argument("[folders...]", "of policy sets", ["."])
    .option("--filter <text>", "only cases and tests whose name contains this")
    .option("--coverage <percent>", "of the rules' lines that unit tests must reach", percent, COVERAGE_DEFAULT)
    .option("--junit <file>", "write a JUnit report too")
    .option("--watch", "test again after each change of the set, until interrupted")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (folders: string[], options: Options) => {
      const opa = await findOpa();
      if (options.watch === true) {
        const [folder = ".", ...more] = folders;
        if (more.length > 0 || options.json === true || options.junit !== undefined)
          throw new CliError("usage", "--watch is for one set, and for people", "leave --json and --junit out");
        await watchTests(opa, folder, options, ui);
        return;
      }
      const reports: SetReport[] = [];
      for (const folder of folders) {
        const { report, notes } = await inFolder(folder, () =>
          testSet(opa, folder, { filter: options.filter ?? null, coverage: options.coverage }),
        );
        reports.push(report);
        if (options.json !== true) {
          const warnings = notes.filter(({ severity }) => severity === "warning");
          sayNotes(ui, placed(folder, warnings));
          ui.out(`${renderText(report, style(ui))}\n`);
        }
      }
      const all = reports.map(totals);
      const failed = all.reduce((sum, one) => sum + one.failed, 0);
      const run = all.reduce((sum, one) => sum + one.passed + one.failed, 0);
      if (options.junit !== undefined) await writeFile(options.junit, renderJunit(reports));
      if (options.json === true) sayJson(ui, { ok: failed === 0 && run > 0, failed, run, sets: reports });
      if (run === 0) throw new CliError("failed", "nothing was tested", "a set has tables/*.yaml and *_test.rego");
      if (failed === 0) return;
      if (options.json !== true) sayError(ui, whatFailed(reports));
      finish("failed");
    });
}

/** A set that is covered too little has no test that failed. */
function whatFailed(reports: readonly SetReport[]): string {
  const all = reports.map(totals);
  const short = reports.flatMap(({ set, coverage }) =>
    coverage !== null && coverage.percent < coverage.wanted
      ? [`coverage of ${set} is ${coverage.percent.toFixed(0)} %, ${coverage.wanted} % wanted`]
      : [],
  );
  const failed = all.reduce((sum, one) => sum + one.failed, 0) - short.length;
  const run = all.reduce((sum, one) => sum + one.passed, failed);
  return [...(failed > 0 ? [`${failed} of ${run} failed`] : []), ...short].join("; ");
}

/** Runs until it is interrupted. */
export async function watchTests(
  opa: Opa,
  folder: string,
  options: Pick<Options, "filter" | "coverage">,
  ui: Ui,
  built?: () => Promise<void>,
): Promise<void> {
  const watched = watching(folder);
  process.once("SIGINT", watched.stop);
  process.once("SIGTERM", watched.stop);
  const tell = (outcome: TestedSet | SourceErrors): void => {
    ui.out("");
    if (outcome instanceof SourceErrors) {
      sayFailure(ui, new SourceErrors(placed(folder, outcome.notes)), false);
      return;
    }
    const { report, notes } = outcome;
    sayNotes(
      ui,
      placed(
        folder,
        notes.filter(({ severity }) => severity === "warning"),
      ),
    );
    ui.out(renderText(report, style(ui)));
    const { failed, passed } = totals(report);
    if (failed > 0) sayError(ui, whatFailed([report]));
    else ui.out(ui.paint("green", `${passed} passed`));
  };
  const chosen = { filter: options.filter ?? null, coverage: options.coverage };
  try {
    await watchSet(opa, folder, chosen, watched.changed, { tell, ...(built !== undefined && { built }) });
  } finally {
    // What is watched keeps the process.
    watched.stop();
  }
}

function percent(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= 100)) throw new InvalidArgumentError("must be from 0 to 100");
  return value;
}

function style(ui: Ui): ReportStyle {
  return {
    bold: (text) => ui.paint("bold", text),
    red: (text) => ui.paint("red", text),
    dim: (text) => ui.paint("dim", text),
  };
}
