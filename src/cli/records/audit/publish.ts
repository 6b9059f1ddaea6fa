/** `remit audit publish`: a log as files that any web server can serve. */
import { existsSync } from "node:fs";
import type { Command } from "commander";
import { CliError } from "../../exit.js";
import { sayJson, type Ui } from "../../ui.js";

const HELP = `
What is written is the checkpoint, the tiles of hashes and the bundles of records (C2SP tlog-tiles), and nothing else of the log. Run it
again to bring it up to the log. A service does it by itself where \`log.publish\` names a folder.

Examples:
  $ remit audit publish /var/lib/remit/log --out /srv/log.example
  $ remit audit verify /var/lib/remit/log --published /srv/log.example`;

export function addPublish(audit: Command, ui: Ui): void {
  audit
    .command("publish")
    .description("write a log as static files that a web server can serve; each record is compared with the checkpoint first")
    .argument("<folder>", "the log's, as `log.dir` names it, or a copy of it; it is only read")
    .requiredOption("--out <folder>", "where the files go; not within the log's folder")
    .option("--json", "print JSON")
    .addHelpText("after", HELP)
    .action(async (folder: string, { out, json }: { out: string; json?: true }) => {
      const [{ PublishedLog, PublishRefused }, { CHECKPOINT }] = await Promise.all([
        import("../../../audit/publish/published_log.js"),
        import("../../../audit/log/seal.js"),
      ]);
      if (!existsSync(`${folder}/${CHECKPOINT}`))
        throw new CliError("invalid", `there is no log in \`${folder}\``, "it is the folder that `log.dir` names in remit.yaml");
      try {
        const { size, from } = new PublishedLog(folder, out).publish();
        if (json === true) sayJson(ui, { ok: true, size, from });
        else ui.out(`${ui.paint("green", "published")}  ${size < from ? "no records" : `records ${from} to ${size}`} in ${out}`);
      } catch (cause) {
        if (!(cause instanceof PublishRefused)) throw cause;
        const hint = cause.code === "log_damaged" ? `run \`remit audit verify ${folder}\`` : "name an empty folder by `--out`";
        throw new CliError("invalid", cause.message, hint, { cause });
      }
    });
}
