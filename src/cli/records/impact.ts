/** `remit impact`: what another bundle would have said to the decisions on record. */
import { InvalidArgumentError, type Command } from "commander";
import { impact, untold, type Apart, type Impact } from "../../replay/impact.js";
import { RunningBundle } from "../../replay/bundles.js";
import { page, type Judgement } from "../../replay/page/page.js";
import { VERDICT_WORDS } from "../../replay/page/matrix.js";
import type { RangeBound, UnreadableRecord } from "../../replay/records.js";
import { DISTINCT_MAX, VERDICTS, type DecisionChange, type TallyRow, type Side } from "../../replay/tally.js";
import { system } from "../../system/index.js";
import { bound } from "./bound.js";
import type { Exit } from "../exit.js";
import { writable } from "../places.js";
import { SHOWN_MAX, counted, mustHoldRecords, number, progressTo, rangeOf, sayDropped } from "./replay.js";
import { readBundle, writeWhole } from "../policy/sources.js";
import { sayError, sayJson, type Ui } from "../ui.js";

/** Changes shown from each end, the most frequent and the rarest: a door for one is as bad as a door for all. */
const CHANGES_EACH_END = 10;
const ROWS_MAX = 10;

const EXAMPLES = `
Examples:
  $ remit impact records --bundle next.tar.gz
  $ remit impact records --bundle next.tar.gz --from 2027-03-01T00:00:00Z --html impact.html
  $ remit impact records --bundle next.tar.gz --max-newly-allowed 0 --max-flips 1% --max-untold 5%

A flip is a decision that comes out otherwise (allow, flag that goes on, flag that waits, deny), or with other obligations.
Newly allowed is what goes ahead and didn't, or did under an obligation that is gone. The bundle's signature is
\`remit verify\`'s to check.`;

/** Limit as a count, or as a share of what was compared. */
type Limit = { count: number } | { percent: number };

interface Options {
  bundle: string;
  from?: RangeBound;
  to?: RangeBound;
  maxFlips?: Limit;
  maxNewlyAllowed?: Limit;
  maxUntold?: Limit;
  json?: true;
  html?: string;
}

export function addImpact(program: Command, ui: Ui, finish: (exit: Exit) => void): void {
  program
    .command("impact")
    .description("say what another bundle would change of the decisions on record, what it newly allows first")
    .argument("<records>", "the folder that `log.dir` names in remit.yaml, or a copy of it")
    .requiredOption("--bundle <file>", "the bundle that would decide")
    .option("--from <number|time>", "the first record, or the time of the first: RFC 3339, a date, or how long ago (8h, 2d)", bound)
    .option("--to <number|time>", "the last", bound)
    .option("--max-flips <number|percent>", "how many may change, as 20 or 1%; more sets the exit code", limit)
    .option("--max-newly-allowed <number|percent>", "how many may be newly allowed", limit)
    .option("--max-untold <number|percent>", "of how many it may be that nothing can be told", limit)
    .option("--html <file>", "write it as a page, too")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (folder: string, options: Options) => {
      await mustHoldRecords(folder);
      const file = options.html === undefined ? null : writable(options.html);
      const bundle = new RunningBundle(await readBundle(options.bundle));
      finish(await run(folder, bundle, file, options, ui));
    });
}

async function run(folder: string, bundle: RunningBundle, file: string | null, options: Options, ui: Ui): Promise<Exit> {
  const unreadable: UnreadableRecord[] = [];
  sayDropped(ui, folder, options);
  const found = await impact(folder, rangeOf(options), bundle, system.timers, {
    unreadable: (one) => {
      if (unreadable.length < SHOWN_MAX) unreadable.push(one);
    },
    progress: progressTo(ui),
  });
  const judged = judge(found, options);
  if (file !== null) await writeWhole(file, Buffer.from(page(found, judged)));
  const exit = exitOf(found, judged);
  if (options.json === true) sayJson(ui, { ok: exit === "ok", ...found, unreadables: unreadable, limits: judged });
  else {
    say(ui, found);
    for (const { seq, why } of unreadable) sayError(ui, `record ${seq}: ${why}`);
    if (judged !== null) sayJudged(ui, judged);
    if (found.decisions === 0) sayError(ui, "there is no decision in this range that could be compared");
  }
  return exit;
}

function exitOf({ decisions, unreadable }: Impact, judged: Judgement | null): Exit {
  if (judged?.within === false) return "exceeded";
  if (unreadable > 0) return "unreadable";
  // Nothing to compare must not pass for nothing that changes.
  return decisions === 0 ? "failed" : "ok";
}

/** Null where no limit was set. */
function judge(found: Impact, options: Options): Judgement | null {
  const { decisions, changed, newly_allowed } = found;
  const cannot = untold(found);
  const judged = [
    { what: "may change", limit: options.maxFlips, n: changed, of: decisions, does: "would" },
    { what: "may be newly allowed", limit: options.maxNewlyAllowed, n: newly_allowed, of: decisions, does: "would" },
    { what: "may be untold", limit: options.maxUntold, n: cannot, of: decisions + cannot, does: "are" },
  ].flatMap(({ what, limit, n, of, does }) => {
    if (limit === undefined) return [];
    const [within, most] =
      "count" in limit ? [n <= limit.count, number(limit.count)] : [n * 100 <= limit.percent * of, `${limit.percent} %`];
    return [{ within, said: `${most} ${what}, ${number(n)} ${does}` }];
  });
  if (judged.length === 0) return null;
  return { within: judged.every(({ within }) => within), limits: judged.map(({ said }) => said) };
}

function say(ui: Ui, found: Impact): void {
  const { bundle, decisions, changed, newly_allowed, newly_stopped, other_reasons, changes, first, last } = found;
  const range = first === null || last === null ? "" : `, records ${first.seq} to ${last.seq}, ${first.time} to ${last.time}`;
  ui.out(ui.paint("bold", `${bundle.bundle} ${bundle.revision}, sequence ${bundle.sequence}, on ${number(decisions)} decisions${range}`));
  const freer = changes.filter((change) => change.newly_allowed);
  const others = changes.filter((change) => !change.newly_allowed);
  ui.out(`\n${ui.paint(newly_allowed === 0 ? "green" : "red", "newly allowed")}  ${number(newly_allowed)}`);
  sayChanges(ui, freer);
  ui.out(
    `\n${ui.paint("bold", "other changes")}  ${number(changed - newly_allowed)}, of which ${number(newly_stopped)} no longer go ahead`,
  );
  sayChanges(ui, others);
  if (other_reasons > 0) ui.out(`\n${number(other_reasons)} more come out the same, for other reasons`);
  sayMatrix(ui, found);
  if (changed > 0) {
    for (const [title, rows] of [
      ["by purpose", found.by_purpose],
      ["by rule", found.by_rule],
      ["by agent", found.by_agent],
    ] as const)
      sayRows(ui, title, rows);
  }
  sayUntold(ui, found);
}

function sayChanges(ui: Ui, changes: readonly DecisionChange[]): void {
  const left = changes.length - 2 * CHANGES_EACH_END;
  const [most, fewest] = left > 0 ? [changes.slice(0, CHANGES_EACH_END), changes.slice(-CHANGES_EACH_END)] : [changes, []];
  for (const change of most) sayChange(ui, change);
  if (left > 0) ui.out(`  … ${number(left)} more kinds, and the rarest:`);
  for (const change of fewest) sayChange(ui, change);
}

function sayChange(ui: Ui, change: DecisionChange): void {
  const { purpose, verb, type, was, now, decisions, agents, resources, obligations, examples } = change;
  const gone = obligations === "same" ? "" : obligations === "fewer" ? ", an obligation is gone" : ", one obligation more";
  ui.out(`  ${ui.paint("bold", `${verb} ${type}`)} for ${purpose}: ${side(was)} → ${side(now)}${gone}`);
  ui.out(ui.paint("dim", `    ${counted(decisions, "decision")}, ${distinct(agents, "agent")}, ${distinct(resources, "resource")}`));
  const [example] = examples;
  if (example === undefined) return;
  const { seq, decision_id, time, agent, task, id } = example;
  ui.out(`    e.g. record ${seq}, ${decision_id}, ${time}`);
  ui.out(`         ${agent} ${verb} ${type}${id === null ? "" : ` ${id}`}, ${task === null ? "no task" : `task ${task}`}`);
  for (const said of example.was) ui.out(`         was    ${said}`);
  for (const said of example.now) ui.out(`         now    ${said}`);
}

function side({ verdict, code }: Side): string {
  return `${VERDICT_WORDS[verdict]} (${code})`;
}

function distinct(n: number, what: string): string {
  return n === DISTINCT_MAX ? `${n} or more ${what}s` : counted(n, what);
}

function sayMatrix(ui: Ui, { matrix, other_obligations }: Impact): void {
  const names = VERDICTS.map((verdict) => VERDICT_WORDS[verdict]);
  const cell = (text: string): string => text.padStart(13);
  ui.out(`\n${ui.paint("bold", "was ↓  now →".padEnd(13))}${names.map(cell).join("")}`);
  for (const [row, name] of names.entries()) {
    const counts = (matrix[row] ?? []).map((count, column) => {
      const text = cell(count === 0 ? "." : number(count));
      return count === 0 || row === column ? text : ui.paint(column < row ? "red" : "green", text);
    });
    ui.out(`${name.padEnd(13)}${counts.join("")}`);
  }
  if (other_obligations > 0) ui.out(`${number(other_obligations)} with the verdict on record and other obligations`);
}

function sayRows(ui: Ui, title: string, rows: readonly TallyRow[]): void {
  const changed = rows.filter((row) => row.changed > 0);
  ui.out(`\n${ui.paint("bold", title)}`);
  for (const row of changed.slice(0, ROWS_MAX)) {
    const moves = VERDICTS.flatMap((from, i) =>
      VERDICTS.flatMap((to, j) => {
        const count = row.matrix[i]?.[j] ?? 0;
        return i === j || count === 0 ? [] : [`${VERDICT_WORDS[from]} → ${VERDICT_WORDS[to]} ${number(count)}`];
      }),
    );
    const obliged = row.other_obligations > 0 ? [`other obligations ${number(row.other_obligations)}`] : [];
    ui.out(`  ${row.name}: ${number(row.changed)} of ${number(row.decisions)}: ${[...moves, ...obliged].join("; ")}`);
  }
  if (changed.length > ROWS_MAX) ui.out(`  … ${number(changed.length - ROWS_MAX)} more`);
}

function sayUntold(ui: Ui, found: Impact): void {
  const { inexpressible, unasked, masked, first_masked, stopped, unreadable, unknown_fields, missing_fields } = found;
  const total = (apart: readonly Apart[]): number => apart.reduce((sum, { records }) => sum + records, 0);
  const lines = [
    { n: total(inexpressible), what: "its vocabulary can't express what they say", of: inexpressible },
    { n: total(unasked), what: "it doesn't refuse what was refused before a policy was asked", of: unasked },
    {
      n: masked,
      what: `they may have depended on a value that is masked, the first is record ${first_masked}`,
      of: [],
    },
    { n: stopped, what: "they were stopped for taking too long then, which says nothing of a policy", of: [] },
    { n: unreadable, what: "they can't be read", of: [] },
  ].filter(({ n }) => n > 0);
  if (lines.length > 0) ui.out(`\n${ui.paint("yellow", "can't be told")}`);
  for (const { n, what, of } of lines) {
    ui.out(`  ${number(n)}: ${what}`);
    for (const { why, records, first_seq } of of.slice(0, ROWS_MAX)) {
      ui.out(`    ${number(records)} from record ${first_seq} on: ${why}`);
    }
  }
  if (unknown_fields.length + missing_fields.length > 0) ui.out(`\n${ui.paint("yellow", "another vocabulary")}`);
  for (const { name, records } of unknown_fields) ui.out(`  ${name}: ${number(records)} records have it, this bundle doesn't know it`);
  for (const { name, records } of missing_fields) ui.out(`  ${name}: this bundle's, and ${number(records)} records don't have it`);
}

function sayJudged(ui: Ui, { within, limits }: Judgement): void {
  const said = within ? ui.paint("green", "within the limits") : ui.paint("red", "more than the limits allow");
  ui.out(`\n${said}: ${limits.join(", ")}`);
}

function limit(text: string): Limit {
  const [, digits = "", percent] = /^(\d{1,15}(?:\.\d{1,6})?)(%?)$/.exec(text) ?? [];
  const value = Number(digits);
  if (percent === "%" && value <= 100) return { percent: value };
  if (percent === "" && digits !== "" && Number.isInteger(value) && !digits.includes(".")) return { count: value };
  throw new InvalidArgumentError("must be a number such as 20, or a part such as 1%");
}
