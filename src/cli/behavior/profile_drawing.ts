/** An agent's profile, drawn in a terminal. */
import type { Portrait } from "../../behavior/portrait.js";
import { BEHAVIOR_STEPS, type PurposeThresholds } from "../../contract/index.js";
import { sayTable } from "../facts/show.js";
import type { Ui } from "../ui.js";

const BLOCKS = " ▁▂▃▄▅▆▇█";
const SHOWN_MAX = 12;

export function draw(ui: Ui, agent: string, portrait: Portrait): void {
  const { acts, days, risk, first_ms, last_ms, sources } = portrait;
  ui.out(`${ui.paint("bold", agent)}  ${acts} acts on ${days} days, ${day(first_ms)} to ${day(last_ms)}, ${sources} sources, risk ${risk}`);
  ui.out("");
  hours(ui, portrait.hours);
  ui.out("");
  matrix(ui, portrait.habits);
  ui.out("");
  usual(ui, portrait.usual);
  ui.out("");
  evidence(ui, portrait.evidence);
  const isNew = portrait.habits.filter((habit) => habit.is_new);
  ui.out("");
  ui.out(ui.paint("bold", "New this week"));
  for (const { verb, type, acts: times } of isNew.slice(0, SHOWN_MAX)) ui.out(`  ${ui.paint("yellow", `${verb} ${type}`)}  ${times}×`);
  if (isNew.length === 0) ui.out("  nothing");
}

function hours(ui: Ui, shares: readonly number[]): void {
  const most = Math.max(...shares, Number.MIN_VALUE);
  const bar = (share: number): string => BLOCKS[Math.ceil((share / most) * (BLOCKS.length - 1))] ?? " ";
  ui.out(ui.paint("bold", "Hours"));
  ui.out(`  ${shares.map((share) => bar(share).repeat(2)).join("")}`);
  ui.out(ui.paint("dim", "  00    03    06    09    12    15    18    21    "));
}

/** Verbs down, types across; what is done little is left out where there is much. */
function matrix(ui: Ui, habits: Portrait["habits"]): void {
  const by = (of: "verb" | "type"): string[] => [...new Set(habits.map((habit) => habit[of]))].slice(0, SHOWN_MAX);
  const [verbs, types] = [by("verb"), by("type")];
  const acts = new Map(habits.map((habit) => [`${habit.verb} ${habit.type}`, habit.acts]));
  sayTable(
    ui,
    ["Acts", ...types],
    verbs.map((verb) => [verb, ...types.map((type) => String(acts.get(`${verb} ${type}`) ?? "·"))]),
  );
}

function usual(ui: Ui, { acts_in_2_min, resources_in_session, types }: Portrait["usual"]): void {
  ui.out(`${ui.paint("bold", "Usual")}  at most ${acts_in_2_min} acts in 2 min, ${resources_in_session} resources in a session`);
  if (types.length === 0) return;
  sayTable(
    ui,
    ["of", "acts in 5 min", "distinct in 10 min", "with a task", "on known ones"],
    types.map((of) => [of.type, `≤ ${of.acts_in_5_min}`, `≤ ${of.distinct_in_10_min}`, percent(of.with_task), percent(of.on_known)]),
  );
}

function evidence(ui: Ui, tests: Portrait["evidence"]): void {
  ui.out(ui.paint("bold", "Evidence over sessions"));
  for (const { test, odds, finds_at } of tests) {
    const until = finds_at === null ? "too few sessions to say" : `a finding at ${Math.round(finds_at)}`;
    ui.out(`  ${test.padEnd(6)}  odds ${odds}, ${until}`);
  }
}

/** Draws thresholds of risk by purpose; in brackets, where verdicts have moved one, the risk without them. */
export function drawThresholds(ui: Ui, purposes: readonly PurposeThresholds[]): void {
  if (purposes.length === 0) {
    ui.out("no purpose that this caller may see");
    return;
  }
  const haveChannels = purposes.some(({ channels }) => channels.length > 0);
  const rows = purposes.map(({ purpose, expected, misuse, score: _, channels, ...thresholds }) => [
    purpose,
    ...BEHAVIOR_STEPS.map((step) => thresholdText(thresholds[step])),
    ...(haveChannels ? [channelsText(channels)] : []),
    expected + misuse === 0 ? "none" : `${expected} expected, ${misuse} misuse`,
  ]);
  sayTable(ui, ["Purpose", ...BEHAVIOR_STEPS, ...(haveChannels ? ["channels"] : []), "verdicts"], rows);
  if (purposes.every(({ score }) => score === 0)) return;
  ui.out("");
  ui.out("In brackets: the risk that an action would have without the verdicts, if it just reaches the threshold.");
}

function thresholdText(threshold: PurposeThresholds["log"]): string {
  if (threshold === null) return "never";
  const { at, before } = threshold;
  return before === at ? String(at) : `${at} (${before})`;
}

function channelsText(channels: PurposeThresholds["channels"]): string {
  return channels.length === 0 ? "none" : channels.map(({ channel, then, at }) => `${channel} ${then} ${at}`).join(", ");
}

export function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
