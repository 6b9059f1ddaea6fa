/** `remit audit query`: records that match. */
import { visibleJson } from "../../../contract/index.js";
import type { Command } from "commander";
import { sayMissing } from "../../facts/show.js";
import type { Ui } from "../../ui.js";
import { count } from "../../values.js";
import { aligned, head, rowOf } from "./lines.js";
import { filtered, inTime, queryOf, withOutcome, type FilterOptions } from "./options.js";
import { found, searching, withSource, type RecordSourceOptions } from "./source.js";

interface Options extends RecordSourceOptions, FilterOptions {
  oldest?: true;
  limit: number;
}

export function addQuery(audit: Command, ui: Ui): void {
  searching(
    withOutcome(inTime(filtered(audit.command("query").description("find records, the newest first"))))
      .option("--oldest", "the oldest first")
      .option("--limit <n>", "how many at most", count, 50),
    `  $ remit audit query --agent support-7 --decision deny --from 24h
  $ remit audit query --principal ada --from 2d            # all that was asked for on ada's behalf
  $ remit audit query --type invoice --prefix acme/eu/ --severity high
  $ remit audit query --outcome missing              # may have run, and nobody said what became of it
  $ remit audit query --kind facts --key agent/support-7
  $ remit audit query --log ./log --json | jq -r .record.answer.decision_id

--json says one record a line. The first column is what \`remit audit show\` takes.`,
  ).action(async (options: Options) => {
    await withSource(options, ui, async (source) => {
      const query = { ...queryOf(options), order: options.oldest === true ? "oldest" : "newest" };
      const { items, more, missing } = await found(source, query, options.limit);
      sayMissing(ui, missing);
      if (options.json === true) {
        for (const item of items) ui.out(visibleJson(item));
        return;
      }
      if (items.length === 0) ui.err("there are none");
      else
        for (const line of aligned(ui, [head("record", "time", "what", "who", "action", "why", "outcome"), ...items.map(rowOf)]))
          ui.out(line);
      if (more) ui.err("there are more; --limit says how many to show");
    });
  });
}
