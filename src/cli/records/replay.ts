/** `remit replay`: whether recorded decisions are decided as on record, by the bundles that decided them. */
import { readFile, stat } from "node:fs/promises";
import type { Command } from "commander";
import { readLines, segmentsOf, timeIn } from "../../audit/log/record_lines.js";
import { verifyBundle, type BundleContent, type TrustedKeys } from "../../bundle/verify.js";
import { canonical, parseTime } from "../../contract/index.js";
import type { ReplayProgress } from "../../replay/batches.js";
import { rederive, type OddDifferently, type RederivedCounts } from "../../replay/behavior.js";
import { ReplayBundles } from "../../replay/bundles.js";
import type { ValueDifference } from "../../replay/compare.js";
import type { RangeBound, RecordRange, UnreadableRecord } from "../../replay/records.js";
import { replay, type Differing, type Replayed } from "../../replay/replay.js";
import { system, systemClock } from "../../system/index.js";
import { rederiving } from "../../service/rederivation.js";
import { bound } from "./bound.js";
import { CliError, type Exit } from "../exit.js";
import { defaultKeyPath } from "../policy/keys.js";
import { ofBundle, readBundle } from "../policy/sources.js";
import { sayError, sayJson, type Ui } from "../ui.js";
import { collect } from "../values.js";
import { trustedKey } from "../policy/verify.js";

/** Examples of each kind that are printed in full; all are counted. */
/** Records that a command names one by one. */
export const SHOWN_MAX = 100;
const VALUE_LENGTH_MAX = 160;
const PROGRESS_MS = 5_000;

const EXAMPLES = `
Examples:
  $ remit replay records --bundle support.tar.gz --key signing.pub.pem
  $ remit replay records --bundle before.tar.gz --bundle after.tar.gz --from 2027-03-02T00:00:00Z
  $ remit replay records --bundle support.tar.gz --from 120000 --to 130000 --json
  $ remit replay records --bundle support.tar.gz --behavior

A record names the bundle that decided it by its digest: give every bundle that was in force, in any order. One that has
expired since is taken too. Where several things are wrong, the exit code is of the first of: differences, unreadable
records, bundles that weren't given.`;

interface Options {
  bundle: string[];
  key?: string[];
  from?: RangeBound;
  to?: RangeBound;
  behavior?: true;
  json?: true;
}

export function addReplay(program: Command, ui: Ui, finish: (exit: Exit) => void): void {
  program
    .command("replay")
    .description("decide recorded decisions again, and report every one that comes out otherwise")
    .argument("<records>", "the folder that `log.dir` names in remit.yaml, or a copy of it")
    .requiredOption("--bundle <file>", "a bundle that decided them; may be given again", collect)
    .option("--key <file>", `a public key to trust; may be given again (default: ${defaultKeyPath()}.pub.pem)`, collect)
    .option("--from <number|time>", "the first record, or the time of the first: RFC 3339, a date, or how long ago (8h, 2d)", bound)
    .option("--to <number|time>", "the last", bound)
    .option("--behavior", "derive from all records what was unusual, too, and report every action of which that differs")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (folder: string, options: Options) => {
      await mustHoldRecords(folder);
      const keys = new Map(await Promise.all((options.key ?? [`${defaultKeyPath()}.pub.pem`]).map(trustedKey)));
      const verified: BundleContent[] = [];
      for (const file of options.bundle) verified.push(await verifiedBundle(file, keys));
      finish(await run(folder, new ReplayBundles(verified), options, ui));
    });
}

async function run(folder: string, bundles: ReplayBundles, options: Options, ui: Ui): Promise<Exit> {
  const json = options.json === true;
  sayDropped(ui, folder, options);
  const differing: Differing[] = [];
  const unreadable: UnreadableRecord[] = [];
  const found = await replay(folder, rangeOf(options), bundles, system.timers, {
    differing: (one) => {
      if (differing.length === SHOWN_MAX) return;
      differing.push(one);
      if (!json) sayDiffering(ui, one);
    },
    unreadable: (one) => {
      if (unreadable.length === SHOWN_MAX) return;
      unreadable.push(one);
      if (!json) sayUnreadable(ui, one);
    },
    progress: progressTo(ui),
  });
  const behavior = options.behavior === true ? await rederived(folder, ui, json) : null;
  const exit = exitOf(found, behavior);
  if (json) {
    const said = { ok: exit === "ok", ...found, differences: differing, unreadables: unreadable };
    sayJson(ui, behavior === null ? said : { ...said, behavior });
  } else {
    say(ui, found);
    if (behavior !== null) sayBehavior(ui, behavior);
  }
  return exit;
}

type Behavior = RederivedCounts & { differences: OddDifferently[] };

/** Oddness of each action, from the records alone. */
async function rederived(folder: string, ui: Ui, json: boolean): Promise<Behavior> {
  const differences: OddDifferently[] = [];
  const counts = await rederive(folder, rederiving, system.timers, {
    differing: (one) => {
      if (differences.length === SHOWN_MAX) return;
      differences.push(one);
      if (!json) sayOddDifferently(ui, one);
    },
    unreadable: (one) => {
      if (!json) sayUnreadable(ui, one);
    },
    progress: progressTo(ui),
  });
  return { ...counts, differences };
}

function exitOf({ decisions, differing, unreadable, no_bundle }: Replayed, behavior: Behavior | null): Exit {
  if (differing > 0 || (behavior !== null && behavior.differing > 0)) return "differs";
  if (unreadable > 0 || (behavior !== null && behavior.unreadable > 0)) return "unreadable";
  if (no_bundle > 0) return "no_bundle";
  // Nothing in the range must not pass for all well.
  return decisions === 0 ? "failed" : "ok";
}

function say(ui: Ui, found: Replayed): void {
  const { decisions, identical, differing, masked, first_masked, no_bundle, unreadable, others, budget_ends, missing } = found;
  const count = (n: number, what: string): void => {
    if (n > 0) ui.out(`  ${number(n).padStart(12)}  ${what}`);
  };
  if (differing > SHOWN_MAX) ui.out(`… and ${number(differing - SHOWN_MAX)} more that differ\n`);
  ui.out(ui.paint("bold", `${counted(decisions, "decision")} decided again`));
  count(identical, ui.paint("green", "are decided as on record"));
  count(budget_ends, "of these were stopped for taking too long then, and came to an end now");
  count(differing, ui.paint("red", "come out otherwise"));
  count(masked, `can't be told: they may have depended on a value that is masked, the first is record ${first_masked}`);
  count(no_bundle, ui.paint("yellow", "can't be told: their bundle was not given"));
  count(unreadable, ui.paint("red", "records that can't be read"));
  count(others, "other records");
  for (const { policy, records, first_seq } of missing) {
    sayError(
      ui,
      `bundle ${policy.bundle} ${policy.revision}, sequence ${policy.sequence}, is not at hand: ${counted(records, "decision")}, the first is record ${first_seq}`,
      `its digest is ${policy.digest}`,
    );
  }
  if (decisions === 0) sayError(ui, unreadable > 0 ? "no decision in this range can be read" : "there is no decision in this range");
}

function sayBehavior(ui: Ui, { actions, identical, odd, differing, other_algorithm, of_nodes, unreadable, first }: Behavior): void {
  const count = (n: number, what: string): void => {
    if (n > 0) ui.out(`  ${number(n).padStart(12)}  ${what}`);
  };
  ui.out(ui.paint("bold", `${number(actions)} ${actions === 1 ? "action" : "actions"} derived again`));
  count(identical, ui.paint("green", "are as usual, or as unusual, as they are on record"));
  count(odd, "of these in something unusual");
  count(differing, ui.paint("red", "come out otherwise"));
  count(other_algorithm, ui.paint("yellow", "can't be told: another version of the profile learned from them"));
  count(of_nodes, ui.paint("yellow", "can't be told: a node of a cluster recorded them, whose profile knew of other nodes' records too"));
  count(unreadable, ui.paint("red", "records that can't be read"));
  if (first > 1)
    sayError(ui, `the records before ${number(first)} are gone, and what was known of them`, "what differs may be due to that");
}

function sayOddDifferently(ui: Ui, { seq, agent, was, now }: OddDifferently): void {
  ui.out(`${ui.paint("red", `record ${number(seq)}`)}  ${agent}`);
  ui.out(`  ${canonical(was)} on record, ${canonical(now)} now\n`);
}

function sayDiffering(ui: Ui, { seq, decision_id, bundle, differences }: Differing): void {
  ui.out(`${ui.paint("red", `record ${seq}`)}  ${decision_id}  ${bundle.bundle} ${bundle.revision}`);
  for (const { at, ...values } of differences) {
    ui.out(`  ${at}: ${valueText(values, "was")} on record, ${valueText(values, "now")} now`);
  }
  ui.out("");
}

function sayUnreadable(ui: Ui, { seq, why }: UnreadableRecord): void {
  sayError(ui, `record ${seq}: ${why}`);
}

function valueText(values: Omit<ValueDifference, "at">, member: "was" | "now"): string {
  if (!(member in values)) return "nothing";
  const text = JSON.stringify(values[member]);
  return text.length > VALUE_LENGTH_MAX ? `${text.slice(0, VALUE_LENGTH_MAX)}…` : text;
}

/** @throws CliError, or what the system says of the folder */
export async function mustHoldRecords(folder: string): Promise<void> {
  const isFolder = (await stat(folder)).isDirectory();
  if (isFolder && segmentsOf(folder).length > 0) return;
  throw new CliError("invalid", `there are no records in \`${folder}\``, "it is the folder that `log.dir` names in remit.yaml");
}

/** Its signature, files and shape as `remit verify` checks them; it may have expired since it decided. */
async function verifiedBundle(file: string, keys: TrustedKeys): Promise<BundleContent> {
  const { name, built } = (await readBundle(file)).metadata;
  const bytes = await readFile(file);
  return ofBundle(file, () => verifyBundle(bytes, { keys, name, nowMs: parseTime(built) ?? 0 }));
}

/** Reports records that retention has dropped: they must not pass for replayed. */
export function sayDropped(ui: Ui, folder: string, { from }: Pick<Options, "from">): void {
  const first = segmentsOf(folder)[0]?.first ?? 1;
  if (first > 1 && isBefore(from, folder, first)) ui.err(`records up to ${number(first - 1)} have been dropped; nothing is said of them`);
}

function isBefore(from: RangeBound | undefined, folder: string, first: number): boolean {
  if (from === undefined) return true;
  if ("seq" in from) return from.seq < first;
  for (const { bytes } of readLines(folder, first, first)) return from.ms < timeIn(bytes);
  return false;
}

export function rangeOf({ from, to }: Pick<Options, "from" | "to">): RecordRange {
  return { from: from ?? null, to: to ?? null };
}

/** A line now and then, for as long as it takes. */
export function progressTo(ui: Ui): (so_far: ReplayProgress) => void {
  const began = systemClock.monotonic();
  let said = began;
  return ({ records, seq }) => {
    const now = systemClock.monotonic();
    if (now - said < PROGRESS_MS) return;
    said = now;
    ui.err(`${number(records)} records read, up to ${number(seq)}; ${number(Math.round((records * 1000) / (now - began)))} a second`);
  };
}

/** `1 decision`, `21,000 decisions`. */
export function counted(n: number, what: string): string {
  return `${number(n)} ${what}${n === 1 ? "" : "s"}`;
}

export function number(n: number): string {
  return n.toLocaleString("en");
}
