/** `remit audit verify`: whether a log is what was signed, from its files alone. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import type { Damage } from "../../../audit/tree/damage.js";
import type { Verifier } from "../../../audit/tree/note.js";
import type { DerivedCheck, KeptCheckpoint, VerifyProgress, Verification } from "../../../audit/tree/verify.js";
import { readGiven } from "../../../system/read_file.js";
import { CliError, type Exit } from "../../exit.js";
import { sayJson, type Ui } from "../../ui.js";
import { collect } from "../../values.js";

const HELP = `
Without --key, the keys are those that the log itself names: whoever rewrites a log can name another. Without --checkpoint,
a log that was cut, rolled back or rewritten as a whole and signed again with its key can't be told from one that wasn't:
only somebody who kept a checkpoint or a receipt where the log's operator can't change it can show it.

Examples:
  $ remit audit verify /var/lib/remit/log --key 'log.example/pdp+67e1a0f2+AT9iCn4SmL+UrNVOVMsjeSQg50lDEEh0cLGWNlUiDXo5'
  $ remit audit verify ./log --key "$KEY" --checkpoint last-week.checkpoint --checkpoint receipt.json`;

interface Options {
  key?: string[];
  checkpoint?: string[];
  whole?: true;
  index: boolean;
  published?: string;
  json?: true;
}

export function addVerify(audit: Command, ui: Ui, finish: (exit: Exit) => void): void {
  audit
    .command("verify")
    .description("derive the tree from the records again and compare everything with it, offline; report what is wrong, and where")
    .argument("<folder>", "the log's, as `log.dir` names it, or a copy of it")
    .option("--key <vkey>", "a key of the log, as C2SP verifier key; may be given again", collect)
    .option("--checkpoint <file>", "a checkpoint, receipt or proof file that was kept elsewhere; may be given again", collect)
    .option("--whole", "check each record's schema and canonical form as well; ten times as slow")
    .option("--no-index", "leave out the index (the files of `records/parquet`), which is compared with one made from the records")
    .option("--published <folder>", "what was published of it as static files, to be compared as well")
    .option("--json", "print JSON")
    .addHelpText("after", HELP)
    .action(async (folder: string, options: Options) => {
      if (!isFolder(folder))
        throw new CliError("invalid", `\`${folder}\` is not a folder`, "it is the one that `log.dir` names in remit.yaml");
      const [{ verifyLog }, { segmentsOf }, { CHECKPOINT }] = await Promise.all([
        import("../../../audit/tree/verify.js"),
        import("../../../audit/log/record_lines.js"),
        import("../../../audit/log/seal.js"),
      ]);
      if (segmentsOf(folder).length === 0 && !existsSync(join(folder, CHECKPOINT)))
        throw new CliError("invalid", `there is no log in \`${folder}\``, "it is the folder that `log.dir` names in remit.yaml");
      const keys = options.key === undefined ? null : await Promise.all(options.key.map(trustedKey));
      const elsewhere = await Promise.all((options.checkpoint ?? []).map(keptIn));
      const whole = options.whole === true ? { fault: (await import("../../../audit/tree/shape.js")).recordFault } : {};
      const index = options.index ? await (await import("../../../records/check.js")).checkRecords(folder) : null;
      const { published } = options;
      if (published !== undefined && !isFolder(published))
        throw new CliError("invalid", `\`${published}\` is not a folder`, "it is the one that `log.publish.dir` names in remit.yaml");
      const derived: DerivedCheck[] = index === null ? [] : [() => index];
      if (published !== undefined) {
        const { checkPublished } = await import("../../../audit/publish/check.js");
        derived.push(() => checkPublished(folder, published));
      }
      const verified = verifyLog({ folder, keys, elsewhere, derived, ...whole, progress: sayProgress(ui) });
      if (options.json === true)
        sayJson(ui, { ok: verified.damage.length === 0, ...withoutInfinity(verified), index: index?.compared ?? null });
      else say(ui, verified, (await import("../../../audit/tree/damage.js")).isDerived);
      if (verified.damage.length > 0) finish("invalid");
    });
}

/** Reads a log's public key. @throws CliError if it isn't one */
export async function trustedKey(vkey: string): Promise<Verifier> {
  const { NoteError, readVerifier } = await import("../../../audit/tree/note.js");
  try {
    return readVerifier(vkey);
  } catch (cause) {
    if (!(cause instanceof NoteError)) throw cause;
    throw new CliError("invalid", `--key: ${cause.message}`, "a log's records of its starts name its keys in this form", { cause });
  }
}

/** @throws CliError where there is no checkpoint in it */
export async function keptIn(file: string): Promise<KeptCheckpoint> {
  const { checkpointIn } = await import("../../../audit/tree/checkpoint_file.js");
  try {
    return { name: file, note: checkpointIn(readGiven(file)) };
  } catch (cause) {
    if (!(cause instanceof Error) || !("code" in cause) || "syscall" in cause) throw cause;
    throw new CliError("invalid", `\`${file}\`: ${cause.message}`, "what was kept is a checkpoint, a receipt or a proof file", { cause });
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

const PROGRESS_BYTES = 256 * 1024 * 1024;

/** A line for each quarter of a gigabyte: a small log is done before there is anything to say. */
function sayProgress(ui: Ui): (progress: VerifyProgress) => void {
  let next = PROGRESS_BYTES;
  return ({ records, bytes, bytes_total }) => {
    if (bytes < next) return;
    next = bytes + PROGRESS_BYTES;
    ui.err(`${records.toLocaleString("en")} records, ${Math.floor((100 * bytes) / bytes_total)} %`);
  };
}

type IsDerived = (damage: Damage) => boolean;

function say(ui: Ui, { records, checkpoint, damage, elsewhere, keys, notes, tiles }: Verification, isDerived: IsDerived): void {
  for (const { kind, message } of damage) ui.out(`${ui.paint("red", kind)}  ${message}`);
  for (const note of notes) ui.err(`${ui.paint("yellow", "note:")} ${note}`);
  if (damage.length > 0) {
    ui.out(summary(damage, isDerived));
    return;
  }
  ui.out(`${ui.paint("green", "verified")}  ${records} records`);
  ui.out(`  checkpoint  ${checkpoint === null ? "none" : `${checkpoint.origin}, ${checkpoint.size} records`}`);
  ui.out(`  key         ${keys.vkeys.join(", ")}${keys.named_by === "log" ? " (as the log itself says)" : ""}`);
  ui.out(`  tiles       ${tiles.read} read, ${tiles.missing} missing`);
  for (const { name, size } of elsewhere) ui.out(`  matches  ${name}, ${size} records`);
}

function summary(damage: readonly Damage[], isDerived: IsDerived): string {
  const first = damage.find((one) => one.from > 0 && !isDerived(one));
  if (first !== undefined) return `damaged, first at record ${first.from}`;
  if (damage.every(({ kind }) => kind === "checkpoint_of_another_log"))
    return "the log leads to its own checkpoint; what was to be held against it is of another log";
  return damage.every(isDerived)
    ? "the records are as they were; what was made from them isn't"
    : "the records may be as they were; what vouches for them isn't";
}

/** JSON has no infinity: null says that all records from there on are meant. */
function withoutInfinity(verified: Verification): object {
  const damage = verified.damage.map((one) => ({ ...one, to: one.to === Infinity ? null : one.to }));
  return { ...verified, damage };
}
