/** `remit test`: tables and unit tests of policy sets, on the module that ships and on OPA's own evaluator. */
import { writeFile } from "node:fs/promises";
import { InvalidArgumentError, type Command } from "commander";
import { renderJunit, renderText, totals, type SetReport, type Style } from "../authoring/report.js";
import { testSet } from "../authoring/set.js";
import { findOpa } from "../bundle/opa.js";
import { CliError, type Exit } from "./exit.js";
import { inFolder, placed } from "./sources.js";
import { sayError, sayJson, sayNotes, type Ui } from "./ui.js";

interface Options {
  filter?: string;
  coverage: number;
  junit?: string;
  json?: true;
}

const COVERAGE_DEFAULT = 90;

const EXAMPLES = `
Examples:
  $ remit test                                     # the set in this folder
  $ remit test policies/support policies/shop      # several sets
  $ remit test --filter invoice                    # cases and tests whose name has this in it
  $ remit test --junit report.xml --coverage 100   # for CI`;

export function addTest(program: Command, ui: Ui, finish: (exit: Exit) => void): void {
  program
    .command("test")
    .description("run a set's tables and unit tests, on the WASM that ships and on OPA")
    .argument("[folders...]", "of policy sets", ["."])
    .option("--filter <text>", "only cases and tests whose name contains this")
    .option("--coverage <percent>", "of the rules' lines that unit tests must reach", percent, COVERAGE_DEFAULT)
    .option("--junit <file>", "write a JUnit report too")
    .option("--json", "say it as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (folders: string[], options: Options) => {
      const opa = await findOpa();
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
      if (options.json !== true) sayError(ui, `${failed} of ${run} failed`);
      finish("failed");
    });
}

function percent(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= 100)) throw new InvalidArgumentError("must be from 0 to 100");
  return value;
}

function style(ui: Ui): Style {
  return {
    bold: (text) => ui.paint("bold", text),
    red: (text) => ui.paint("red", text),
    dim: (text) => ui.paint("dim", text),
  };
}
