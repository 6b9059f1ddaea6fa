/** `remit audit new`: what has come up for the first time. */
import type { Command } from "commander";
import { visibleJson, type Novelty } from "../../../contract/index.js";
import type { Ui } from "../../ui.js";
import { count } from "../../values.js";
import { aligned, head, timeText } from "./lines.js";
import { searching, timeOrAgo, withSource, type RecordSourceOptions } from "./source.js";

interface Options extends RecordSourceOptions {
  from?: string;
  to?: string;
  limit: number;
}

export function addNew(audit: Command, ui: Ui): void {
  searching(
    audit
      .command("new")
      .description(
        "show what no record before has: agents, purposes, verbs, types, callers, bundles, rules, and habits: an agent that uses a verb on a type",
      )
      .option("--from <time>", "since this time: RFC 3339, a date, or how long ago (default: 1d)", timeOrAgo)
      .option("--to <time>", "up to before this time", timeOrAgo)
      .option("--limit <n>", "how many at most", count, 100),
    `  $ remit audit new                       # since this time yesterday
  $ remit audit new --from 7d --json`,
  ).action(async ({ from = timeOrAgo("1d"), to, limit, ...options }: Options) => {
    await withSource(options, ui, async (source) => {
      const { items, more } = await source.ask<Novelty>("/decisions/summary", { by: "new", from, to, limit });
      if (options.json === true) {
        for (const item of items) ui.out(visibleJson(item));
        return;
      }
      if (items.length === 0) ui.err("nothing is new");
      else {
        const rows = items.map(({ field, value, seq, time }) => [
          { text: timeText(time) },
          { text: field },
          { text: value },
          { text: String(seq) },
        ]);
        for (const line of aligned(ui, [head("time", "what", "which", "record"), ...rows])) ui.out(line);
      }
      if (more) ui.err("there are more; --limit says how many to show");
    });
  });
}
