/** `remit recommend`: narrower entries for what purposes allow and nobody used, as a change to review. */
import { generateKeyPairSync } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { InvalidArgumentError, type Command } from "commander";
import { buildBundle } from "../../bundle/build.js";
import { compilePolicySet } from "../../bundle/compile.js";
import { findOpa, OpaUnavailable } from "../../bundle/opa.js";
import { readUnverified, type BundleContent } from "../../bundle/verify.js";
import { systemClock, system } from "../../system/index.js";
import type { UnreadableRecord } from "../../replay/records.js";
import { DISTINCT_MAX } from "../../review/distinct.js";
import { FLOORS, type Floors } from "../../review/proposal.js";
import { recommend, type EntryReport, type Recommendation } from "../../review/recommend.js";
import { PURPOSES_FILE } from "../../review/written_purposes.js";
import { timeOrAgo } from "./audit/source.js";
import { readGiven } from "../../system/read_file.js";
import { CliError, type Exit } from "../exit.js";
import { SHOWN_MAX, counted, mustHoldRecords, number, progressTo } from "./replay.js";
import { inFolder, readBundle } from "../policy/sources.js";
import { sayError, sayJson, type Ui } from "../ui.js";
import { collect, count } from "../values.js";

/** Without `--from`. */
const PERIOD_DAYS = 90;
const DAY_MS = 86_400_000;
const LISTED_MAX = 20;
/** Width of the column of entries. */
const WORDS_MAX = 72;

const EXAMPLES = `
Examples:
  $ remit recommend --log records --bundle support.tar.gz                              # every purpose, the last ${PERIOD_DAYS} days
  $ remit recommend --log records --set policies/support --purpose customer_support --from 60d --json

What was used is never proposed to go: the changed purposes decide again what is on record, and an entry whose narrowing would
deny something that was permitted is left as it is. The policy is asked with --bundle, or, with --set alone, compiled for it,
which needs OPA; without either way, the data alone decides. Give the bundles that were in force as well: how long an entry has
been there is told by them.`;

interface Options {
  log: string;
  purpose?: string[];
  bundle?: string[];
  set?: string;
  from?: string;
  to?: string;
  minDays: number;
  minDecisions: number;
  minTasks: number;
  json?: true;
}

export function addRecommend(program: Command, ui: Ui, finish: (exit: Exit) => void): void {
  program
    .command("recommend")
    .description("propose narrower purposes, from what agents used of what they may, with evidence")
    .requiredOption("--log <folder>", "the records: the folder that `log.dir` names in remit.yaml, or a copy of it")
    .option("--purpose <id>", "look at this one; may be given again (default: all)", collect)
    .option("--bundle <file>", "the bundle that decides, the first if given again; the others were in force before", collect)
    .option("--set <folder>", "of the policy set whose purposes.yaml is to change (default: the bundle's own sources)")
    .option("--from <time>", `RFC 3339, a date, or how long ago (default: ${PERIOD_DAYS}d)`, timeOrAgo)
    .option("--to <time>", "up to before this time (default: now)", timeOrAgo)
    .option("--min-days <n>", "propose nothing on a shorter time than this", count, FLOORS.days)
    .option("--min-decisions <n>", "nor on fewer decisions", count, FLOORS.decisions)
    .option("--min-tasks <n>", `nor narrow an entry's values on fewer tasks that used it; at most ${DISTINCT_MAX}`, tasks, FLOORS.tasks)
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (options: Options) => {
      await mustHoldRecords(options.log);
      finish(await run(options.log, options, ui));
    });
}

async function run(folder: string, options: Options, ui: Ui): Promise<Exit> {
  const { from_ms, to_ms } = periodOf(options);
  const source = await sourceOf(options, from_ms);
  const purposes = options.purpose ?? Object.keys(source.purposes);
  for (const id of purposes)
    if (!Object.hasOwn(source.purposes, id))
      throw new CliError("invalid", `there is no purpose \`${id}\``, `there are ${Object.keys(source.purposes).join(", ")}`);
  const floors: Floors = { days: options.minDays, decisions: options.minDecisions, tasks: options.minTasks };
  const unreadable: UnreadableRecord[] = [];
  const found = await recommend({
    ...{ folder, from_ms, to_ms, purposes, floors },
    ...{ text: source.text, vocabulary: source.vocabulary, known: source.known },
    ...{ policy: source.policy, untried: source.untried },
    ...{ timers: system.timers, progress: progressTo(ui) },
    unreadable: (one) => {
      if (unreadable.length < SHOWN_MAX) unreadable.push(one);
    },
  });
  if (options.json === true) sayJson(ui, { ok: exitOf(found) === "ok", ...found, unreadables: unreadable });
  else {
    for (const { seq, why } of unreadable) sayError(ui, `record ${seq}: ${why}`);
    say(ui, found);
  }
  return exitOf(found);
}

/** Returns the exit code: a log without records must not pass for one without changes. */
function exitOf({ purposes }: Recommendation): Exit {
  if (purposes.some(({ counts }) => counts.unreadable > 0)) return "unreadable";
  return purposes.every(({ counts }) => counts.decisions === 0) ? "failed" : "ok";
}

export function periodOf({ from, to }: { from?: string; to?: string }): { from_ms: number; to_ms: number } {
  const to_ms = to === undefined ? systemClock.wall() : Date.parse(to);
  const from_ms = from === undefined ? to_ms - PERIOD_DAYS * DAY_MS : Date.parse(from);
  if (from_ms < to_ms) return { from_ms, to_ms };
  throw new CliError("usage", "the period ends before it begins", "--from is the earlier of the two");
}

interface Source extends Pick<BundleContent["data"], "vocabulary" | "purposes"> {
  text: string;
  known: BundleContent[];
  policy: BundleContent | null;
  untried: string | null;
}

async function sourceOf({ bundle = [], set }: Options, from_ms: number): Promise<Source> {
  const known = await Promise.all(bundle.map(readBundle));
  const [policy = null] = known;
  if (set === undefined) {
    if (policy === null)
      throw new CliError("usage", "what is to become narrower isn't said", "--bundle names a bundle, --set the folder of a policy set");
    const text = policy.files.get(PURPOSES_FILE)?.toString("utf8");
    if (text === undefined)
      throw new CliError("invalid", `the bundle has no ${PURPOSES_FILE}`, "name the set that it was built from: --set");
    return { text, vocabulary: policy.data.vocabulary, purposes: policy.data.purposes, known, policy, untried: null };
  }
  const file = join(set, PURPOSES_FILE);
  if (!existsSync(file))
    throw new CliError("invalid", `there is no ${PURPOSES_FILE} in \`${set}\``, "--set names the folder of a policy set");
  const text = readGiven(file).toString();
  const built = policy !== null && isBuiltFrom(policy, set) ? { policy, untried: null } : await compiled(set, from_ms);
  const { vocabulary, purposes } = built.policy?.data ?? (await inFolder(set, () => Promise.resolve(compilePolicySet(set))));
  return { text, vocabulary, purposes, known, ...built };
}

/** Returns true if all but its purposes equals the set: then its module decides as the set's would. */
function isBuiltFrom({ files }: BundleContent, set: string): boolean {
  const { rego } = compilePolicySet(set);
  const rules = [...files.keys()].filter((name) => name.startsWith("rules/"));
  const pairs = [["vocabulary.yaml", "vocabulary.yaml"], ...rego.map((name) => [`rules/${name}`, name])] as [string, string][];
  return rules.length === rego.length && pairs.every(([there, here]) => files.get(there)?.equals(readFileSync(join(set, here))) === true);
}

/** Builds the set like `remit build`, signed by a key that is forgotten. */
async function compiled(set: string, from_ms: number): Promise<Pick<Source, "policy" | "untried">> {
  try {
    const opa = await findOpa();
    const key = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    const settled = { dir: set, key, sequence: 1, expiresMs: null, builtMs: from_ms, commit: null };
    const { archive } = await inFolder(set, () => buildBundle(opa, settled));
    return { policy: await readUnverified(archive), untried: null };
  } catch (cause) {
    if (!(cause instanceof OpaUnavailable)) throw cause;
    return { policy: null, untried: cause.message };
  }
}

function say(ui: Ui, found: Recommendation): void {
  const { period, purposes, proposals, trial, untried, left, withheld, grants } = found;
  for (const { purpose, counts, too_little, came_late, idle_agents, has_agents } of purposes) {
    ui.out(
      `${ui.paint("bold", purpose)}  ${number(counts.decisions)} decisions, ${number(counts.permitted)} permitted, ${period.from} to ${period.to}`,
    );
    const entries = found.entries.filter((one) => one.purpose === purpose);
    const width = Math.min(WORDS_MAX, Math.max(0, ...entries.flatMap(({ cells }) => cells.map(({ words }) => words.length))));
    for (const entry of entries) sayEntry(ui, entry, width);
    if (too_little !== null) ui.out(`  ${ui.paint("yellow", "nothing is proposed:")} ${too_little}`);
    else if (came_late !== null && came_late.uses > 0)
      ui.out(
        `  ${number(came_late.kinds)} kinds of use, ${number(came_late.uses)} uses, came up only after ${came_late.since}: the same proposal half-way would have denied them`,
      );
    if (!has_agents) ui.out("  no agent is registered for it, as far as these records say");
    for (const { agent, owner } of idle_agents.slice(0, LISTED_MAX))
      ui.out(`  agent ${agent} (${owner}) is registered for it and did nothing for it: remit agents change ${agent} --purposes …`);
    if (idle_agents.length > LISTED_MAX) ui.out(`  … and ${idle_agents.length - LISTED_MAX} more agents`);
    ui.out("");
  }
  if (!found.ages_known)
    ui.out(
      `${ui.paint("yellow", "note:")} none of the bundles given decided in this period, so how long an entry has been in force isn't known`,
    );
  for (const { id, agent, task, reason, approved_by } of grants.unused.slice(0, LISTED_MAX))
    ui.out(`grant ${id} for ${agent ?? `task ${task ?? ""}`} was never used (${reason}, approved by ${approved_by})`);
  for (const { purpose, line, at, why, cells } of left)
    ui.out(
      ui.paint(
        "dim",
        `left as it is, ${PURPOSES_FILE}:${at} ${purpose} ${line}, ${cells.map(({ verb, type }) => `${verb} ${type}`).join(", ")}: ${why}`,
      ),
    );
  for (const cell of withheld) ui.out(`${ui.paint("yellow", "withheld:")} ${cell}: the policy would deny what was used`);
  if (proposals.length === 0) {
    ui.out("nothing to narrow");
    return;
  }
  ui.out(ui.paint("bold", `${proposals.length} entries could be narrower`));
  if (trial !== null)
    ui.out(
      `  decided again with the change: ${number(trial.decisions)} decisions, ${number(trial.newly_stopped)} that would be denied, ${number(trial.newly_allowed)} newly allowed${trial.untold === 0 ? "" : `, ${number(trial.untold)} of which nothing can be told`}`,
    );
  if (untried !== null) ui.out(`  by the data alone, nothing that was used is denied; the policy wasn't asked: ${untried}`);
  for (const { purpose, line, at, was, now } of proposals) {
    ui.out(`\n${PURPOSES_FILE}:${at}  ${purpose} ${line}`);
    ui.out(ui.paint("red", `  - ${was}`));
    ui.out(now === null ? ui.paint("dim", "    goes: nobody used it") : ui.paint("green", `  + ${now}`));
  }
  const unreadable = Math.max(0, ...purposes.map(({ counts }) => counts.unreadable));
  if (unreadable > 0)
    sayError(
      ui,
      `${counted(unreadable, "record")} can't be read, and may have used what would go`,
      "`remit audit verify` says what is wrong with them",
    );
}

/** `width` of what entries say, so that their figures stand below one another. */
function sayEntry(ui: Ui, { line, at, cells }: EntryReport, width: number): void {
  for (const { words, uses, waited, agents, last, relations } of cells) {
    const about = Object.entries(relations).flatMap(([relation, n]) => (n === 0 ? [] : [`${relation} ${number(n)}`]));
    const used = `${counted(uses, "use")}${waited === 0 ? "" : ` (${number(waited)} waited)`}, ${counted(agents, "agent")}, about ${about.join(", ")}, last ${last?.slice(0, 10) ?? ""}`;
    const said = uses === 0 ? ui.paint("yellow", "never used") : line === "flag" ? ui.paint("dim", used) : used;
    ui.out(`  ${String(at).padStart(4)}  ${words.padEnd(width)}  ${said}`);
  }
}

function tasks(text: string): number {
  const n = count(text);
  if (n <= DISTINCT_MAX) return n;
  throw new InvalidArgumentError(`must be at most ${DISTINCT_MAX}: more aren't told apart`);
}
