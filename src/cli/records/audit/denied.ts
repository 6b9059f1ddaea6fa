/** `remit audit denied`: what was denied, and by which rule. */
import type { Command } from "commander";
import { visibleJson, type Summary } from "../../../contract/index.js";
import type { Ui } from "../../ui.js";
import { count } from "../../values.js";
import { aligned, head, styled, timeText } from "./lines.js";
import { inTime } from "./options.js";
import { searching, withSource, type RecordSourceOptions } from "./source.js";

interface Options extends RecordSourceOptions {
  agent?: string;
  purpose?: string;
  task?: string;
  from?: string;
  to?: string;
  limit: number;
}

/** Most groups asked for: more than are shown, since not every reason of a record denies. */
const GROUPS_MAX = 1000;

export function addDenied(audit: Command, ui: Ui): void {
  searching(
    inTime(
      audit
        .command("denied")
        .description("show what was denied and why: each rule, the one that denied most first")
        .option("--agent <id>", "of this agent")
        .option("--purpose <id>", "for this purpose")
        .option("--task <id>", "on this task"),
    ).option("--limit <n>", "how many rules at most", count, 50),
    `  $ remit audit denied --from 24h
  $ remit audit query --decision deny --reason not_permitted      # which they were`,
  ).action(async ({ agent, purpose, task, from, to, limit, ...options }: Options) => {
    await withSource(options, ui, async (source) => {
      const query = { by: "rule", decision: "deny", agent, purpose, task, from, to, limit: GROUPS_MAX };
      const { groups, records } = await source.ask<Summary>("/decisions/summary", query);
      const denying = groups.filter(({ of }) => of["effect"] === "deny");
      if (options.json === true) {
        for (const group of denying.slice(0, limit)) ui.out(visibleJson(group));
        return;
      }
      if (denying.length === 0) {
        ui.err("nothing was denied");
        return;
      }
      const rows = denying
        .slice(0, limit)
        .map(({ of, records: denied, first, last, last_seq }) => [
          { text: of["rule"] ?? "-" },
          styled(of["severity"] ?? "-"),
          { text: String(denied) },
          { text: timeText(first) },
          { text: timeText(last) },
          { text: String(last_seq) },
        ]);
      for (const line of aligned(ui, [head("rule", "severity", "denied", "first", "last", "last record"), ...rows])) ui.out(line);
      ui.err(`${records} were denied, each by one rule or more`);
      if (denying.length > limit) ui.err("there are more; --limit says how many to show");
    });
  });
}
