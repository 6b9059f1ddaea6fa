/** `remit audit retain`: drops the oldest records of a log that no service writes, and the keys of masks of that time. */
import { existsSync } from "node:fs";
import type { Command } from "commander";
import {
  HELD,
  RetentionRefused,
  carryOutAlone,
  finishRetentionAlone,
  planRetention,
  type Before,
  type RetentionPlan,
} from "../../../audit/privacy/retention.js";
import { trustClock } from "../../../audit/privacy/clock_mark.js";
import { cursorFile } from "../../../audit/export/cursor.js";
import { segmentsOf } from "../../../audit/log/record_lines.js";
import { systemClock } from "../../../system/index.js";
import { bound } from "../bound.js";
import { CliError } from "../../exit.js";
import { sayJson, type Ui } from "../../ui.js";

interface RetainOptions {
  before: Before;
  dryRun?: true;
  json?: true;
}

const CALLER = "remit audit retain";

export function addRetain(audit: Command, ui: Ui): void {
  audit
    .command("retain")
    .description("drop whole segments of old records, and the keys of masks of that time; the service must be stopped")
    .argument("<folder>", "the records' folder (`log.dir` in remit.yaml)")
    .requiredOption(
      "--before <number|time>",
      "only what is older than this record, or this time: RFC 3339, a date, or how long ago (8h, 90d)",
      bound,
    )
    .option("--dry-run", "say what would go, and change nothing")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
Examples:
  $ remit audit retain /var/lib/remit/log --before 2026-01-01 --dry-run
  $ remit audit retain /var/lib/remit/log --before 90d
  $ remit audit retain /var/lib/remit/log --before 1000000

A service drops them itself where \`log.retain_days\` says for how long they are kept. What remains is proven as before.`,
    )
    .action(async (folder: string, options: RetainOptions) => {
      const plan = await retain(folder, options);
      if (options.json === true) sayJson(ui, { ok: true, dry_run: options.dryRun === true, ...plan });
      else say(ui, folder, plan, options.dryRun === true);
    });
}

async function retain(directory: string, { before, dryRun }: RetainOptions): Promise<RetentionPlan> {
  if (!existsSync(directory) || segmentsOf(directory).length === 0)
    throw new CliError("invalid", `there are no records in \`${directory}\``, "it is the folder that `log.dir` names in remit.yaml");
  const nowMs = systemClock.wall();
  if ("ms" in before && before.ms > nowMs)
    throw new CliError("usage", "`--before` names a time to come", "what is written from now on isn't old");
  try {
    if (dryRun !== true) await finishRetentionAlone(directory);
    const plan = await planRetention({ directory, before, nowMs });
    if (dryRun !== true) await carryOutAlone(directory, plan, CALLER, nowMs);
    // A time was given by this clock: a service that held back because of it may go on.
    if (dryRun !== true && "ms" in before) trustClock(directory, nowMs);
    return plan;
  } catch (cause) {
    if (!(cause instanceof RetentionRefused)) throw cause;
    throw new CliError("invalid", cause.message, "nothing was dropped", { cause, code: cause.code });
  }
}

function say(ui: Ui, folder: string, { retained, segments, held, shredded }: RetentionPlan, dryRun: boolean): void {
  const verb = dryRun ? "would drop" : "dropped";
  for (const { name, from, to, bytes } of segments) ui.out(`  ${name}  records ${from} to ${to}, ${bytes} bytes`);
  for (const period of shredded) ui.out(`  the key of masks from ${period} on`);
  if (held !== null) ui.out(`  ${held.name} stays: ${HELD[held.why]}${held.sink === undefined ? "" : ` (${held.sink})`}`);
  if (held?.sink !== undefined) ui.err(`  if no service has this sink any more, remove \`${cursorFile(folder, held.sink)}\``);
  if (retained === null) ui.err(`${ui.paint("green", verb)}  no records`);
  else ui.err(`${ui.paint("green", verb)}  records ${retained.from} to ${retained.to}`);
}
