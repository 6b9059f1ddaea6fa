/** `remit facts`: all that is known about who may act, at once: imported, exported, looked back on, saved and put back. */
import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import { Option, type Command } from "commander";
import type { EventPage, FactsEvent, ImportAnswer } from "../../contract/index.js";
import { systemTimers } from "../../system/index.js";
import { Client, asking, type ServiceFlags } from "../client.js";
import { CliError, type Exit } from "../exit.js";
import { given } from "../given.js";
import { storeIn, writable } from "../places.js";
import { cell, sayTable } from "./show.js";
import { sayJson, type Ui } from "../ui.js";
import { count, revision } from "../values.js";

const IMPORT_MS_MAX = 3_600_000;
const PROGRESS_MS = 1000;
const EVENTS_MAX = 1000;

interface ImportOptions extends ServiceFlags {
  dryRun?: true;
  id?: string;
  reason?: string;
  format?: "yaml" | "json_lines";
}

interface EventsOptions extends ServiceFlags {
  after?: number;
  key?: string;
  limit: number;
}

export function addFacts(program: Command, ui: Ui, finish: (exit: Exit) => void): void {
  const facts = program.command("facts").description("facts: import, export, history, backup");
  const format = (): Option => new Option("--format <format>", "which form").choices(["yaml", "json_lines"]);

  asking(
    facts
      .command("import")
      .description("make facts so as a file says; what it doesn't name is left alone")
      .argument("<file>", "YAML by its ending, else JSON Lines; - for standard input")
      .option("--dry-run", "check everything and show the difference; change nothing")
      .option("--id <id>", "names the import; with that of one that was interrupted, it goes on (default: a new one)")
      .option("--reason <text>", "why; kept with every change")
      .addOption(format()),
    `  $ remit facts import facts.yaml --dry-run
  $ remit facts import agents.jsonl --id 2026-11-team-move --reason "the teams have moved"`,
  ).action(async (file: string, options: ImportOptions) => {
    const answer = await importFile(file, options, ui);
    if (options.json === true) sayJson(ui, { ok: true, ...answer });
    else sayImport(ui, answer);
  });

  asking(
    facts
      .command("export")
      .description("say everything that an import takes to make the same facts again")
      .option("--out <file>", "where to (default: standard output)")
      .addOption(format().default("yaml")),
    "  $ remit facts export > facts.yaml\n  $ remit facts export --format json_lines --out facts.jsonl",
  ).action(async (options: ServiceFlags & { out?: string; format: string }) => {
    if (options.out !== undefined) writable(options.out);
    const response = await new Client(options).open("GET", "/facts/export", { query: { format: options.format }, ms: IMPORT_MS_MAX });
    const body = Readable.fromWeb(response.body as ReadableStream<Uint8Array>);
    if (options.out === undefined) {
      ui.out((await buffer(body)).toString("utf8").replace(/\n$/, ""));
      return;
    }
    // Whole or not at all.
    const partial = `${options.out}.${process.pid}.partial`;
    try {
      await pipeline(body, createWriteStream(partial, { mode: 0o600 }));
      await rename(partial, options.out);
    } finally {
      await rm(partial, { force: true });
    }
  });

  asking(
    facts
      .command("events")
      .description("show changes of facts, oldest first: who changed what, when and why")
      .option("--after <revision>", "only those after it", revision)
      .option("--key <key>", "only those of one fact: agent/support-7, task/T-1, grant/G-1, revocation/everything")
      .option("--limit <n>", "how many at most", count, 100),
    "  $ remit facts events --key agent/support-7\n  $ remit facts events --after 4711 --json",
  ).action(async (options: EventsOptions) => {
    const { items, next } = await eventsOf(new Client(options), options);
    if (options.json === true) {
      sayJson(ui, { ok: true, items, next });
      return;
    }
    const rows = items.map((one) => [String(one.revision), one.time, one.by, one.change, one.key, cell(one.reason)]);
    if (rows.length === 0) ui.err("there are none");
    else sayTable(ui, ["revision", "time", "by", "change", "key", "reason"], rows);
    if (next !== null) ui.err(`there may be more: --after ${next}`);
  });

  facts
    .command("backup")
    .description("copy a store, as of one moment; a service may be writing it meanwhile")
    .argument("<file>", "where to; it must not be there yet")
    .requiredOption("--store <folder>", "the store's folder (`facts.store` in remit.yaml)")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExamples:\n  $ remit facts backup facts-2026-11-25.db --store /var/lib/remit/facts")
    .action(async (file: string, options: { store: string; json?: true }) => {
      const { backUp } = await import("../../store/backup.js");
      const [store, to] = [storeIn(options.store), writable(file)];
      const saved = await storing(() => backUp(store, to), "choose another, or move it away");
      if (options.json === true) sayJson(ui, { ok: true, file, ...saved });
      else ui.out(`${ui.paint("green", "saved")}  ${file}, up to revision ${saved.revision}`);
    });

  facts
    .command("restore")
    .description("put a backup in a store's place; the service must not be running")
    .argument("<file>", "a backup")
    .requiredOption("--store <folder>", "the store's folder (`facts.store` in remit.yaml)")
    .option("--overwrite", "the store that is there may be lost")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
Examples:
  $ remit facts restore facts-2026-11-25.db --store /var/lib/remit/facts --overwrite

What was changed after the backup is lost, revocations too, and no service starts with records that know more than its store:
  1. keep the records (\`log.dir\` in remit.yaml), and name an empty folder in their place;
  2. \`remit revoke everything --reason … --store …\`, so that nothing is allowed meanwhile; start the service;
  3. make anew what the records have of kind \`facts\` after the backup's revision, revocations first; end grants with uses, which
     are counted from none again;
  4. \`remit revocations lift everything --reason …\`.`,
    )
    .action(async (file: string, options: { store: string; overwrite?: true; json?: true }) => {
      const [{ restore }, { storeFile }] = [await import("../../store/restore.js"), await import("../../store/folder.js")];
      const place = storeFile(options.store);
      const restored = await storing(() => restore(file, place, options.overwrite === true), "--overwrite says that it may be lost");
      if (options.json === true) sayJson(ui, { ok: true, ...restored });
      else ui.out(`${ui.paint("green", "restored")}  ${place}, the store ends at revision ${restored.revision}`);
      finish("ok");
    });
}

async function importFile(file: string, options: ImportOptions, ui: Ui): Promise<ImportAnswer> {
  const client = new Client(options);
  const content = await given(file);
  const yaml = options.format === undefined ? /\.ya?ml$/i.test(file) : options.format === "yaml";
  const id = options.id ?? randomUUID();
  const dryRun = options.dryRun === true;
  const stop = dryRun || options.json === true ? null : showProgress(client, id, ui);
  try {
    return await client.ask<ImportAnswer>("POST", "/facts/import", {
      query: { id, ...(dryRun && { dry_run: true }), reason: options.reason },
      bytes: { type: yaml ? "application/yaml" : "application/jsonl", content },
      ms: IMPORT_MS_MAX,
    });
  } catch (cause) {
    if (!(cause instanceof CliError) || dryRun || cause.exit === "usage") throw cause;
    const resumable = cause.exit === "unavailable" || cause.code === "import_stopped";
    const hint = resumable ? `what was applied stays; the same file with --id ${id} goes on` : cause.hint;
    throw new CliError(cause.exit, cause.message, hint, { cause, code: cause.code });
  } finally {
    stop?.();
  }
}

/** Says how far an import has come, as its own events tell. A token that may not read them has no progress shown. */
function showProgress(client: Client, id: string, ui: Ui): () => void {
  let after = 0;
  let asking = false;
  const look = async (): Promise<void> => {
    if (asking) return;
    asking = true;
    try {
      const query = { key: `import/${id}`, after, limit: EVENTS_MAX };
      const last = (await client.ask<EventPage>("GET", "/facts/events", { query })).items.at(-1);
      if (last === undefined) return;
      after = last.revision;
      const { done, total } = last.value as { done: number; total: number };
      ui.err(`${done} of ${total}`);
    } catch {
      // The import says by itself what is wrong.
    } finally {
      asking = false;
    }
  };
  return systemTimers.every(PROGRESS_MS, () => void look());
}

function sayImport(ui: Ui, { status, created, changed, unchanged, differences, facts_revision, id }: ImportAnswer): void {
  if (status === "dry_run") {
    for (const { key, fields } of differences)
      ui.out(fields.length === 0 ? `${ui.paint("green", "+")} ${key}` : `${ui.paint("yellow", "~")} ${key}  ${fields.join(" ")}`);
    if (created + changed > differences.length) ui.out(`  and ${created + changed - differences.length} more`);
  }
  const did = status === "dry_run" ? "would be" : "were";
  ui.out(`${created} ${did} created, ${changed} changed, ${unchanged} are so already`);
  if (status === "applied") ui.out(`import ${id}, facts revision ${facts_revision}`);
}

async function eventsOf(
  client: Client,
  { after: from = 0, key, limit }: EventsOptions,
): Promise<{ items: FactsEvent[]; next: string | null }> {
  const items: FactsEvent[] = [];
  let next: string | null = String(from);
  while (next !== null && items.length < limit) {
    const query = { after: next, key, limit: Math.min(EVENTS_MAX, limit - items.length) };
    const page: EventPage = await client.ask<EventPage>("GET", "/facts/events", { query });
    items.push(...page.items);
    next = page.next;
  }
  return { items, next };
}

/** @param taken what to do where it is there already. @throws CliError for that, and a store or backup that isn't one or is locked */
async function storing<T>(act: () => T | Promise<T>, taken: string): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    if (cause.name === "StoreUnreadable") throw new CliError("invalid", cause.message, null, { cause });
    if (cause.name === "Locked") throw new CliError("conflict", cause.message, "stop the service first", { cause });
    if (cause.message.endsWith(" exists")) throw new CliError("conflict", cause.message, taken, { cause });
    throw cause;
  }
}
