/** `remit audit verify-growth`: whether a service's log has only grown since a checkpoint that was kept. */
import type { Command } from "commander";
import { asking, Client, type ServiceFlags } from "../../client.js";
import { CliError } from "../../exit.js";
import { writable } from "../../places.js";
import { sayJson, type Ui } from "../../ui.js";
import { collect } from "../../values.js";
import { keptIn, trustedKey } from "./verify.js";
import { replaceFileSync } from "../../../system/replaced_file.js";

const EXAMPLES = `  $ remit audit verify-growth kept.checkpoint --key "$(head -1 log.vkeys)"
  $ remit audit verify-growth kept.checkpoint --key "$KEY" --out kept.checkpoint   # by a timer, on another machine`;

interface Options extends ServiceFlags {
  key: string[];
  out?: string;
}

interface Consistency {
  checkpoint: string;
  proof: string[];
}

export function addVerifyGrowth(audit: Command, ui: Ui): void {
  asking(
    audit
      .command("verify-growth")
      .description(
        "ask a service to prove that its log has only grown since a checkpoint that was kept elsewhere; needs no files of the log",
      )
      .argument("<kept>", "a checkpoint, receipt or proof file")
      .requiredOption("--key <vkey>", "a key of the log, as C2SP verifier key; may be given again", collect)
      .option("--out <file>", "where it has, keep the log's checkpoint of now there"),
    EXAMPLES,
  ).action(async (file: string, options: Options) => {
    const { GrowthError, verifyGrowth } = await import("../../../audit/tree/growth.js");
    const { readUnverified } = await import("../../../audit/tree/checkpoint.js");
    const keys = await Promise.all(options.key.map(trustedKey));
    const { note } = await keptIn(file);
    const { size } = readUnverified(note);
    const now = await nowOf(new Client(options), size);
    try {
      const [before, after] = verifyGrowth(note, now, keys);
      if (options.out !== undefined) keep(options.out, now.checkpoint);
      if (options.json === true) sayJson(ui, { ok: true, origin: after.origin, before: before.size, size: after.size });
      else
        ui.out(`${ui.paint("green", "verified")}  ${after.origin} has grown from ${before.size} records to ${after.size}, and only grown`);
    } catch (cause) {
      if (!(cause instanceof GrowthError)) throw cause;
      throw new CliError("invalid", cause.message, "keep both checkpoints: the two together are the proof", { cause, code: cause.code });
    }
  });
}

/** A log that is shorter than what was kept can't prove anything: its checkpoint says so itself. */
async function nowOf(client: Client, before: number): Promise<Consistency> {
  const checkpoint = await (await client.open("GET", "/log/checkpoint")).text();
  const { readUnverified } = await import("../../../audit/tree/checkpoint.js");
  if (before === 0 || readUnverified(checkpoint).size < before) return { checkpoint, proof: [] };
  return await client.ask<Consistency>("GET", "/log/consistency", { query: { before } });
}

/** Whole or not at all: what was kept so far is worth more than what comes. */
function keep(file: string, note: string): void {
  replaceFileSync(writable(file), note, 0o666);
}
