/** `remit audit rebuild-index`: rebuilds the index of a log. */
import { statSync } from "node:fs";
import type { Command } from "commander";
import { segmentsOf } from "../../../audit/log/record_lines.js";
import { CliError } from "../../exit.js";
import { sayJson, type Ui } from "../../ui.js";
import { sayLacking, sayProgress } from "./source.js";

export function addRebuildIndex(audit: Command, ui: Ui): void {
  audit
    .command("rebuild-index")
    .description("make the index of a log anew from its records; the service must not be running, which does it by itself where it has to")
    .requiredOption("--log <folder>", "the log's, as `log.dir` names it")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExamples:\n  $ remit audit rebuild-index --log /var/lib/remit/log")
    .action(async ({ log: folder, json }: { log: string; json?: true }) => {
      if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
        throw new CliError("invalid", `\`${folder}\` is not a folder`, "it is the one that `log.dir` names in remit.yaml");
      if (segmentsOf(folder).length === 0)
        throw new CliError("invalid", `there are no records in \`${folder}\``, "it is the folder that `log.dir` names in remit.yaml");
      const { rebuildRecords } = await import("../../../records/table_opening.js");
      const { seq, lacking } = await rebuildRecords(folder, sayProgress(ui));
      if (json === true) sayJson(ui, { ok: true, indexed_to: seq, lacking });
      else ui.out(`${ui.paint("green", "rebuilt")}  up to record ${seq}`);
      if (lacking !== null) sayLacking(ui, lacking);
    });
}
