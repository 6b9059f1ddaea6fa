/** Evidence that an auditor takes away and keeps elsewhere: the log's keys, a checkpoint of it now, a decision's receipt. */
import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { Client, asking, pathOf, type ServiceFlags } from "../../client.js";
import { writable } from "../../places.js";
import { sayJson, type Ui } from "../../ui.js";

interface TakeOptions extends ServiceFlags {
  out?: string;
}

interface LogKeys {
  origin: string;
  keys: string[];
}

export function addReceipt(audit: Command, ui: Ui): void {
  asking(
    audit
      .command("receipt")
      .description("fetch one file that proves a decision, and what was reported of it, to whoever has the log's key")
      .argument("<id>", "the decision's id, or the record's number")
      .option("--out <file>", "write it there (default: to stdout)"),
    `  $ remit audit receipt 0197c0de-5f00-7000-8000-000000000001 --out receipt.json
  $ remit audit verify-receipt receipt.json --key "$(head -1 log.vkeys)"`,
  ).action(async (id: string, options: TakeOptions) => {
    const receipt = await new Client(options).ask("GET", pathOf("decisions", id, "receipt"));
    take(ui, options, JSON.stringify(receipt, null, 2));
  });
}

export function addCheckpoint(audit: Command, ui: Ui): void {
  asking(
    audit
      .command("checkpoint")
      .description("fetch the log's signed size and root: kept elsewhere, it is what catches a log that was written anew")
      .option("--out <file>", "write it there (default: to stdout)"),
    `  $ remit audit checkpoint --out /mnt/elsewhere/checkpoint-$(date +%F)
  $ remit audit verify /var/lib/remit/log --checkpoint /mnt/elsewhere/checkpoint-2026-03-03`,
  ).action(async (options: TakeOptions) => {
    const response = await new Client(options).open("GET", "/log/checkpoint");
    const note = await response.text();
    if (options.json === true) sayJson(ui, { checkpoint: note });
    else take(ui, options, note.replace(/\n$/, ""));
  });
}

export function addKeys(audit: Command, ui: Ui): void {
  asking(
    audit.command("keys").description("the log's name and the public keys of its checkpoints; keep them, once, elsewhere"),
    "  $ remit audit keys > log.vkeys",
  ).action(async (options: ServiceFlags) => {
    const known = await new Client(options).ask<LogKeys>("GET", "/log/keys");
    if (options.json === true) sayJson(ui, known);
    else for (const key of known.keys) ui.out(key);
  });
}

function take(ui: Ui, { out }: TakeOptions, text: string): void {
  if (out === undefined) ui.out(text);
  else writeFileSync(writable(out), `${text}\n`);
}
