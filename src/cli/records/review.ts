/** `remit review`: what agents were permitted and did over a period, as a page that can be signed, and as JSON. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { nodeFiles } from "../../audit/log/files.js";
import { readRetained } from "../../audit/privacy/retention_record.js";
import { RECORD_VERSION } from "../../contract/index.js";
import { page } from "../../review/page/page.js";
import { Review } from "../../review/report.js";
import { review, total } from "../../review/review.js";
import { backUp } from "../../store/backup.js";
import { StoreFile } from "../../store/file.js";
import { systemClock } from "../../system/index.js";
import { packageVersion } from "../../system/package_version.js";
import { timeOrAgo } from "./audit/source.js";
import { trustedKey } from "./audit/verify.js";
import { CliError, type Exit } from "../exit.js";
import { storeIn, writable } from "../places.js";
import { periodOf } from "./recommend.js";
import { counted, mustHoldRecords, number } from "./replay.js";
import { readBundle, writeWhole } from "../policy/sources.js";
import { sayError, sayJson, type Ui } from "../ui.js";
import { collect } from "../values.js";

const PROGRESS_MS = 5_000;
const CHANGES_AT_ONCE = 1_000;
const LISTED_MAX = 10;

const EXAMPLES = `
Examples:
  $ remit review --log records --from 2027-01-01T00:00:00Z --to 2027-04-01T00:00:00Z --bundle support.tar.gz --html q1.html
  $ remit review --log records --from 90d --bundle before.tar.gz --bundle after.tar.gz --key "$KEY" --json > q1.json
  $ remit review --schema

What agents may do is told by the bundles that decided: give all of them, in any order; without any, only what was done and
refused is told. Where retention has dropped the log's beginning, --store tells who was registered before. The page needs nothing
from elsewhere and runs no script. Where records of the period can't be read, it says so, and the exit code does.`;

interface Options {
  log?: string;
  from?: string;
  to?: string;
  bundle?: string[];
  key?: string[];
  store?: string;
  html?: string;
  json?: true;
  schema?: true;
}

export function addReview(program: Command, ui: Ui, finish: (exit: Exit) => void): void {
  program
    .command("review")
    .description("review a period: what agents may do, did, never used and were refused, and who decided about that")
    .option("--log <folder>", "the records: the folder that `log.dir` names in remit.yaml, or a copy of it")
    .option("--from <time>", "RFC 3339, a date, or how long ago (default: 90d)", timeOrAgo)
    .option("--to <time>", "up to before this time (default: now)", timeOrAgo)
    .option("--bundle <file>", "a bundle that decided in it; may be given again", collect)
    .option("--key <vkey>", "a key of the log, as C2SP verifier key; may be given again (default: those it names itself)", collect)
    .option("--store <folder>", "of the store (`facts.store`), for what the log no longer has")
    .option("--html <file>", "write it as a page")
    .option("--json", "print JSON")
    .option("--schema", "print the JSON Schema of that")
    .addHelpText("after", EXAMPLES)
    .action(async (options: Options) => {
      if (options.schema === true) sayJson(ui, Review);
      else finish(await run(options, ui));
    });
}

async function run(options: Options, ui: Ui): Promise<Exit> {
  const { log, bundle = [], key } = options;
  if (log === undefined) throw new CliError("usage", "whose records are reviewed isn't said", "--log names their folder");
  await mustHoldRecords(log);
  const period = periodOf(options);
  const file = options.html === undefined ? null : writable(options.html);
  const bundles = await Promise.all(bundle.map(readBundle));
  const keys = key === undefined ? null : await Promise.all(key.map(trustedKey));
  const earlier = options.store === undefined ? [] : earlierChanges(log, storeIn(options.store));
  const found = review({
    ...{ folder: log, ...period, bundles, keys, earlier, now_ms: systemClock.wall(), version: packageVersion() },
    progress: progressTo(ui),
  });
  if (file !== null) await writeWhole(file, Buffer.from(page(found)));
  if (options.json === true) sayJson(ui, found);
  else say(ui, found, file);
  return exitOf(found);
}

/** Returns the exit code: unreadable or altered records must not pass for a review of everything. */
function exitOf({ gaps, rests_on, totals }: Review): Exit {
  if (rests_on.checkpoint?.holds === false) return "invalid";
  if (gaps.some(({ what }) => what === "unreadable" || what === "missing")) return "unreadable";
  return total(totals.counts) === 0 ? "failed" : "ok";
}

/** Changes of facts that retention has dropped from the log, from a copy of the store: whoever writes it isn't disturbed. */
function* earlierChanges(folder: string, store: string): Generator<Record<string, unknown>, void, undefined> {
  const last = readRetained(nodeFiles(folder))?.facts_revision ?? 0;
  if (last === 0) return;
  const temporary = mkdtempSync(join(tmpdir(), "remit-review-"));
  try {
    const copy = join(temporary, "facts.db");
    backUp(store, copy);
    const kept = new StoreFile(copy);
    try {
      for (let after: number | null = 0; after !== null && after < last;) {
        const { rows, next } = kept.page(after, CHANGES_AT_ONCE, {}, false);
        for (const { revision, key, value, by, time, reason, change } of rows) {
          if (revision > last) return;
          const kind = key.slice(0, key.indexOf("/"));
          const said: unknown = JSON.parse(value);
          yield { kind: "facts", v: RECORD_VERSION, time, change, caller: by, reason, facts_revision: revision, [kind]: said };
        }
        after = next;
      }
    } finally {
      kept.close();
    }
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** Prints what needs attention before anything else. */
function sayStopped(ui: Ui, { stopped, grave_refusals, totals }: Review): void {
  for (const { agent, suspended, narrowed, time, by, reason } of stopped.slice(0, LISTED_MAX)) {
    const what = suspended ? ui.paint("red", "suspended") : narrowed ? ui.paint("yellow", "narrowed") : "stopped, and acts again";
    ui.out(`  ${what}  ${agent}, ${time}, by ${by}${reason === null ? "" : `: ${reason}`}`);
  }
  if (stopped.length > LISTED_MAX) ui.out(`  … and ${counted(stopped.length - LISTED_MAX, "more agent")} narrowed or suspended`);
  for (const { agent, purpose, code, severity, decisions } of grave_refusals.slice(0, LISTED_MAX))
    ui.out(`  ${ui.paint("red", "refused")}  ${agent} for ${purpose}: ${code} (${severity}), ${number(decisions)} times`);
  if (grave_refusals.length > LISTED_MAX) ui.out(`  … and ${number(grave_refusals.length - LISTED_MAX)} more grave reasons`);
  const open = counted(totals.findings_open, "finding");
  ui.out(`  ${totals.findings_open === 0 ? open : ui.paint("red", open)} open, ${number(totals.findings_closed)} closed`);
}

function say(ui: Ui, found: Review, file: string | null): void {
  const { period, totals, purposes, agents, gaps, gaps_left_off, rests_on } = found;
  const { allow, flag_proceed, flag_wait, deny } = totals.counts;
  ui.out(`${ui.paint("bold", "access review")}  ${period.from} to ${period.to}`);
  sayStopped(ui, found);
  ui.out(
    `  ${counted(total(totals.counts), "decision")} by ${counted(totals.agents, "agent")}: ${number(allow)} allowed, ${number(flag_proceed + flag_wait)} flagged, ${number(deny)} refused`,
  );
  for (const { purpose, never_used, entries, agents: registered } of purposes) {
    const unused = entries === 0 ? "its bundle wasn't given" : `${number(never_used.length)} of ${number(entries)} permissions never used`;
    ui.out(`\n${ui.paint("bold", purpose)}  ${counted(registered, "agent")} registered, ${unused}`);
    for (const words of never_used.slice(0, LISTED_MAX)) ui.out(`  ${ui.paint("yellow", "never")}  ${words}`);
    if (never_used.length > LISTED_MAX) ui.out(`  … and ${number(never_used.length - LISTED_MAX)} more`);
    const acting = agents.filter((one) => one.purpose === purpose);
    for (const { agent, counts, last } of acting.slice(0, LISTED_MAX))
      ui.out(
        `  ${agent}  ${last === null ? ui.paint("yellow", "did nothing") : `${counted(total(counts), "decision")}, ${number(counts.deny)} refused, last ${last}`}`,
      );
    if (acting.length > LISTED_MAX) ui.out(`  … and ${counted(acting.length - LISTED_MAX, "more agent")}`);
  }
  ui.out("");
  if (total(totals.counts) === 0) sayError(ui, "there is no decision in this period");
  for (const { what, says, time } of gaps.slice(0, LISTED_MAX)) sayError(ui, `${what}${time === null ? "" : `, ${time}`}: ${says}`);
  if (gaps.length + gaps_left_off > LISTED_MAX) ui.err(`… and ${number(gaps.length + gaps_left_off - LISTED_MAX)} more gaps`);
  const { checkpoint, through } = rests_on;
  if (checkpoint === null)
    ui.err(`${ui.paint("yellow", "note:")} the log has no checkpoint: nothing that was signed vouches for its records`);
  else if (!checkpoint.holds) sayError(ui, `the checkpoint doesn't hold: ${checkpoint.says}`, "`remit audit verify` says where");
  ui.out(`rests on ${rests_on.origin ?? "a log without a name"}, ${number(through.size)} records, root ${through.root ?? "not known"}`);
  if (file !== null) ui.err(`written to ${file}`);
}

function progressTo(ui: Ui): (so_far: { records: number; share: number }) => void {
  const began = systemClock.monotonic();
  let said = began;
  return ({ records, share }) => {
    const now = systemClock.monotonic();
    if (now - said < PROGRESS_MS) return;
    said = now;
    ui.err(
      `${number(records)} records read, ${Math.floor(share * 100)} %; ${number(Math.round((records * 1000) / (now - began)))} a second`,
    );
  };
}
