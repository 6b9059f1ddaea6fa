/** `remit audit who`: who touched a resource. */
import type { Command } from "commander";
import { visibleJson, type Summary } from "../../../contract/index.js";
import type { Ui } from "../../ui.js";
import { count } from "../../values.js";
import { aligned, head, styled, timeText } from "./lines.js";
import { inTime } from "./options.js";
import { searching, withSource, type RecordSourceOptions } from "./source.js";

interface Options extends RecordSourceOptions {
  from?: string;
  to?: string;
  prefix?: true;
  limit: number;
}

export function addWho(audit: Command, ui: Ui): void {
  searching(
    inTime(
      audit
        .command("who")
        .description("show who touched a resource: which agents, for what, how often, and whether they were let")
        .argument("<type>", "its type")
        .argument("<id>", "its id"),
    )
      .option("--prefix", "all whose id begins so")
      .option("--limit <n>", "how many lines at most", count, 100),
    `  $ remit audit who invoice I-4711
  $ remit audit who document acme/eu/ --prefix --from 7d`,
  ).action(async (type: string, id: string, options: Options) => {
    await withSource(options, ui, async (source) => {
      const { from, to, limit } = options;
      const which = options.prefix === true ? { resource_prefix: id } : { resource: id };
      const query = { by: "agent,purpose,verb,decision", type, ...which, from, to, limit };
      const { groups, more } = await source.ask<Summary>("/decisions/summary", query);
      if (options.json === true) {
        for (const group of groups) ui.out(visibleJson(group));
        return;
      }
      if (groups.length === 0) ui.err("nobody");
      else {
        const rows = groups.map(({ of, records, first, last, last_seq }) => [
          { text: of["agent"] ?? "-" },
          { text: of["purpose"] ?? "-" },
          { text: of["verb"] ?? "-" },
          styled(of["decision"] ?? "-"),
          { text: String(records) },
          { text: timeText(first) },
          { text: timeText(last) },
          { text: String(last_seq) },
        ]);
        for (const line of aligned(ui, [head("agent", "purpose", "verb", "decision", "times", "first", "last", "last record"), ...rows]))
          ui.out(line);
      }
      if (more) ui.err("there are more; --limit says how many to show");
    });
  });
}
