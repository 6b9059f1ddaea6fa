/** `remit audit sql`: a question in SQL about a log's folder. */
import { visibleJson } from "../../../contract/index.js";
import { cpSync, existsSync, statSync } from "node:fs";
import { Option, type Command } from "commander";
import { CliError } from "../../exit.js";
import type { Ui } from "../../ui.js";
import { count } from "../../values.js";
import { aligned, head } from "./lines.js";
import { sayProgress } from "./source.js";

interface Options {
  log: string;
  format: "table" | "json" | "csv" | "parquet";
  output?: string;
  byDay?: true;
  limit: number;
}

const HELP = `
Tables: records (docs/reference/records-table.md), and decisions: those that were judged, with outcome and outcome_at.
Nothing is changed, and nothing but the folder's records is read.

Examples:
  $ remit audit sql --log ./log "select agent, count(*) from decisions where decision = 'deny' group by all order by 2 desc"
  $ remit audit sql --log ./log --format csv "select * from decisions where risk > 60"
  $ remit audit sql --log ./log --format parquet --output denied.parquet "from decisions where decision = 'deny'"
  $ remit audit sql --log ./log --format parquet --by-day --output lake "from records"`;

export function addSql(audit: Command, ui: Ui): void {
  audit
    .command("sql")
    .description("ask the records of a folder in SQL (DuckDB's): read-only, without the network or other files")
    .argument("<select>", "one SELECT")
    .requiredOption("--log <folder>", "the log's, as `log.dir` names it, or a copy of it")
    .addOption(new Option("--format <format>", "how the answer is printed").choices(["table", "json", "csv", "parquet"]).default("table"))
    .option("--output <file>", "with --format parquet: the file to write; with --by-day, the folder")
    .option("--by-day", "with --format parquet: a folder with a file for each day of the column `time`, in date=2026-11-29/")
    .option("--limit <n>", "rows at most, but for --format parquet", count, 10_000)
    .addHelpText("after", HELP)
    .action(async (sql: string, { log: folder, format, output, byDay, limit }: Options) => {
      if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
        throw new CliError("invalid", `\`${folder}\` is not a folder`, "it is the one that `log.dir` names in remit.yaml");
      if ((format === "parquet") !== (output !== undefined))
        throw new CliError("usage", "--output and --format parquet go together", "pass both, or neither");
      if (byDay === true && output === undefined) throw new CliError("usage", "--by-day needs --format parquet", "pass --output too");
      if (byDay === true && output !== undefined && existsSync(output))
        throw new CliError(
          "invalid",
          `\`${output}\` is there already`,
          "name a folder that isn't there: files of another time would stay in it",
        );
      const { openSql } = await import("../../../records/sql.js");
      const tables = await openSql(folder, sayProgress(ui));
      try {
        if (output !== undefined) cpSync(await tables.parquet(sql, byDay === true), output, { recursive: true });
        else print(ui, format, await tables.ask(sql, limit));
      } catch (cause) {
        if (!(cause instanceof Error) || "syscall" in cause) throw cause;
        const hint =
          cause.name === "TooDear"
            ? "ask for less: a shorter range of `time`, fewer groups"
            : "docs/records-sql.md has questions to begin with";
        throw new CliError(
          "invalid",
          cause.message
            .split("\n")
            .filter((line) => line.trim() !== "")
            .join("; "),
          hint,
          { cause },
        );
      } finally {
        tables.close();
      }
    });
}

interface Answer {
  columns: readonly string[];
  rows: readonly (readonly unknown[])[];
  more: boolean;
}

function print(ui: Ui, format: Options["format"], { columns, rows, more }: Answer): void {
  if (format === "json") {
    for (const row of rows) ui.out(visibleJson(Object.fromEntries(columns.map((name, i) => [name, plainValue(row[i])]))));
  } else if (format === "csv") {
    ui.out(columns.map(csvCell).join(","));
    for (const row of rows) ui.out(row.map((value) => csvCell(textOf(value))).join(","));
  } else {
    const cells = rows.map((row) => row.map((value) => ({ text: value === null ? "-" : textOf(value) })));
    for (const line of aligned(ui, [head(...columns), ...cells])) ui.out(line);
  }
  if (more) ui.err("there are more rows; --limit says how many to print");
}

/** A value of the engine as JSON has it: numbers that fit are numbers. */
function plainValue(value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(plainValue);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plainValue(member)]));
}

function textOf(value: unknown): string {
  const plain = plainValue(value);
  if (plain === null || plain === undefined) return "";
  return typeof plain === "string" ? plain : JSON.stringify(plain);
}

/** RFC 4180; a cell that a spreadsheet would take for a formula begins with an apostrophe. */
function csvCell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) && !/^-?\d+(\.\d+)?$/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
