/** `remit check`: the gate before a build, for CI: every error, and what can do nothing or more than it looks like. */
import type { Command } from "commander";
import { gate, type GateFinding } from "../../authoring/gate.js";
import { checkTables, groundOf, unbuilt } from "../../authoring/set.js";
import { buildTests } from "../../bundle/compiled_set.js";
import { findOpa } from "../../bundle/opa.js";
import { summarised, type SourceNote } from "../../bundle/source.js";
import { readFacts } from "../../facts/file.js";
import { readGiven } from "../../system/read_file.js";
import type { Exit } from "../exit.js";
import { inFolder, placed } from "./sources.js";
import { sayError, sayJson, sayNotes, type Ui } from "../ui.js";

const EXAMPLES = `
Examples:
  $ remit check
  $ remit check --facts facts.yaml     # with purposes that no agent may declare; \`remit facts export\` writes the file

docs/checks.md says of each check what it finds, and what to do. Remarks don't fail it.`;

export function addCheck(program: Command, ui: Ui, finish: (exit: Exit) => void): void {
  program
    .command("check")
    .description("check a set and its tables for errors, and for parts that can do nothing")
    .argument("[folder]", "of the policy set", ".")
    .option("--facts <file>", "agents and tasks, as `remit serve` reads them")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (folder: string, options: { facts?: string; json?: true }) => {
      const opa = await findOpa();
      const registered = options.facts === undefined ? null : purposesIn(options.facts);
      const { notes, found } = await inFolder(folder, () =>
        buildTests(opa, folder, (build) => {
          checkTables(build);
          const { policy } = groundOf(unbuilt(build));
          return Promise.resolve({ notes: build.set.notes, found: gate(build.set, policy, registered) });
        }),
      );
      const warnings = [...notes, ...found].filter(({ severity }) => severity === "warning").length;
      if (options.json === true) sayJson(ui, { ok: warnings === 0, findings: found, notes: placed(folder, summarised(notes)) });
      else {
        sayNotes(ui, placed(folder, [...summarised(notes), ...found.map(noteOf)]));
        if (warnings > 0) sayError(ui, warnings === 1 ? "1 warning" : `${warnings} warnings`);
        else ui.out(`${ui.paint("green", "good")}  ${folder}`);
      }
      if (warnings > 0) finish("failed");
    });
}

function purposesIn(file: string): Set<string> {
  const { agents } = readFacts(readGiven(file), file);
  return new Set([...agents.values()].flatMap(({ purposes }) => [...purposes]));
}

function noteOf({ check, severity, line, message }: GateFinding): SourceNote {
  return { severity, file: "purposes.yaml", line, message, hint: `docs/checks.md#${check}` };
}
