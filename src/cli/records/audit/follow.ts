/** `remit audit follow`: records as they come. */
import { visibleJson } from "../../../contract/index.js";
import type { Command } from "commander";
import type { Ui } from "../../ui.js";
import { count, recordNumber } from "../../values.js";
import { aligned, rowOf } from "./lines.js";
import { filtered, queryOf, type FilterOptions } from "./options.js";
import { searching, withSource, type RecordSourceOptions } from "./source.js";

interface Options extends RecordSourceOptions, FilterOptions {
  after?: number;
  limit?: number;
}

export function addFollow(audit: Command, ui: Ui): void {
  searching(
    filtered(
      audit.command("follow").description("show records as they come; when the connection ends it goes on where it was, and misses none"),
    )
      .option("--after <record>", "begin after this record (default: now)", recordNumber)
      .option("--limit <n>", "end after so many (default: never)", count),
    `  $ remit audit follow
  $ remit audit follow --decision deny --severity high
  $ remit audit follow --after 4711 --json | while read -r record; do …; done`,
  ).action(async (options: Options) => {
    const { after, limit = Infinity } = options;
    await withSource(options, ui, async (source) => {
      let seen = 0;
      for await (const record of source.follow(queryOf(options), after)) {
        ui.out(options.json === true ? visibleJson(record) : (aligned(ui, [rowOf(record)])[0] ?? ""));
        if (++seen >= limit) return;
      }
    });
  });
}
