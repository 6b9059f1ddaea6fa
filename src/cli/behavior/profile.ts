/** `remit profile`: agents' baselines, and the distance of past events from them. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { Command } from "commander";
import { lessons } from "../../audit/log/fold.js";
import { BehaviorProfile } from "../../behavior/profile.js";
import { SnapshotDamaged } from "../../behavior/snapshot.js";
import type { Portrait } from "../../behavior/portrait.js";
import type { AgentProfile, BehaviorThresholds, ProfileRolledBack, RollBackProfile } from "../../contract/index.js";
import { Client, asking, pathOf, type ServiceFlags } from "../client.js";
import { tell } from "../../service/recorded_profile.js";
import { readGiven } from "../../system/read_file.js";
import { CliError } from "../exit.js";
import { readable, writable } from "../places.js";
import { BadEvent, eventOf } from "./profile_event.js";
import { draw, drawThresholds } from "./profile_drawing.js";
import { profilePage } from "./profile_page.js";
import { mustHoldRecords } from "../records/replay.js";
import { writeWhole } from "../policy/sources.js";
import { sayJson, type Ui } from "../ui.js";
import { count } from "../values.js";

const AGENTS_MAX = 10_000;
/** Lines are written so many at a time. */
const LINES_AT_ONCE = 256;

const SCORE_EXAMPLES = `
Examples:
  $ remit profile score < events.jsonl > scores.jsonl
  $ zcat events.jsonl.gz | remit profile score | jq -c 'select(.risk >= 60)'

A line is an event, in the order of time:
  {"ts":1767571212615,"principal":"support-7","purpose":"customer_support","action":"read","resource":"customer:12",
   "resource_type":"customer","outcome":"allow","source":"wl-7","session":"s-1","ticket":"T-1","grant":null,"n":1}
\`ts\` (milliseconds or RFC 3339), \`principal\`, \`purpose\`, \`action\` and \`resource_type\` are needed. For each a line is
written: {"score","risk","channels","reasons"}, from what came before it alone. \`score\` is finer than risk, to rank by.`;

const SHOW_EXAMPLES = `  $ remit profile show support-7
  $ remit profile show support-7 --snapshot profile.bin
  $ remit profile show support-7 --log records --json
  $ remit profile show support-7 --html support-7.html`;

interface ShowOptions extends ServiceFlags {
  snapshot?: string;
  log?: string;
  html?: string;
}

export function addProfile(program: Command, ui: Ui): void {
  const profile = program.command("profile").description("what is usual for agents, and how odd past events were");
  profile
    .command("score")
    .description("score past events, each by what came before it")
    .argument("[file]", "JSON lines; - or nothing for standard input", "-")
    .option("--agents-max <n>", "of so many agents something is known at a time", count, AGENTS_MAX)
    .addHelpText("after", SCORE_EXAMPLES)
    .action(async (file: string, options: { agentsMax: number }) => {
      await scoreEvents(file, new BehaviorProfile({ agents_max: options.agentsMax }), ui);
    });
  asking(
    profile
      .command("show")
      .description("draw an agent's hours, what it does, what is usual of that, and what is new this week")
      .argument("<agent>", "its id")
      .option("--snapshot <file>", "of the snapshot that a service keeps, in place of what a running service knows")
      .option("--log <folder>", "learn from these records instead: the folder that `log.dir` names in remit.yaml")
      .option("--html <file>", "write it as a page, too"),
    SHOW_EXAMPLES,
  ).action(async (agent: string, options: ShowOptions) => {
    const file = options.html === undefined ? null : writable(options.html);
    const portrait = await portraitOf(agent, options);
    if (portrait === null) throw new CliError("missing", `nothing is known of agent \`${agent}\``);
    if (file !== null) await writeWhole(file, Buffer.from(profilePage(agent, portrait)));
    if (options.json === true) sayJson(ui, { ok: true, agent, ...portrait });
    else draw(ui, agent, portrait);
  });
  asking(
    profile
      .command("thresholds")
      .description("the risks from which something follows in each purpose, and by how much verdicts on findings have moved them"),
    `  $ remit profile thresholds
  $ remit profile thresholds --json | jq '.items[] | select(.score != 0)'`,
  ).action(async (options: ServiceFlags) => {
    const found = await new Client(options).ask<BehaviorThresholds>("GET", "/behavior/thresholds");
    if (options.json === true) sayJson(ui, { ok: true, ...found });
    else drawThresholds(ui, found.items);
  });
  asking(
    profile
      .command("roll-back")
      .description("put what is usual for an agent back to what it was then; what it learned since is forgotten")
      .argument("<agent>", "its id")
      .requiredOption("--to <time>", "when: RFC 3339. Habits are kept once a week, twice; `remit profile show` says of when")
      .requiredOption("--reason <text>", "why; kept"),
    '  $ remit profile roll-back support-7 --to 2027-03-01T00:00:00Z --reason "incident 12"',
  ).action(async (agent: string, options: ServiceFlags & RollBackProfile) => {
    const body: RollBackProfile = { to: options.to, reason: options.reason };
    const path = pathOf("agents", agent, "profile", "rollback");
    const done = await new Client(options).ask<ProfileRolledBack>("POST", path, { body });
    if (options.json === true) sayJson(ui, { ok: true, ...done });
    else ui.out(`What is usual for ${agent} is what it was on ${done.to}.`);
  });
}

/** Scores events; the scores before an unreadable line are printed. */
async function scoreEvents(file: string, profile: BehaviorProfile, ui: Ui): Promise<void> {
  const input = file === "-" ? process.stdin : createReadStream(readable(file));
  let written: string[] = [];
  const write = (): void => {
    if (written.length > 0) ui.out(written.join("\n"));
    written = [];
  };
  let at = 0;
  try {
    for await (const line of createInterface({ input, crlfDelay: Infinity })) {
      at++;
      if (line.trim() === "") continue;
      const { act, outcome } = eventOf(line);
      const assessed = profile.assess(act);
      const { risk, channels, reasons } = assessed;
      written.push(JSON.stringify({ score: Math.round(profile.scoreOf(act) * 1e6) / 1e6, risk, channels, reasons }));
      profile.learn(act, outcome);
      if (written.length === LINES_AT_ONCE) write();
    }
  } catch (cause) {
    if (!(cause instanceof BadEvent)) throw cause;
    throw new CliError(
      "invalid",
      `line ${at}: ${cause.message}`,
      `the ${at - 1} lines before it are scored; \`remit profile score --help\` shows what a line is`,
      { cause },
    );
  } finally {
    write();
  }
}

/** Returns an agent's portrait, from files or from a running service; null if nothing is known. */
async function portraitOf(agent: string, options: ShowOptions): Promise<Portrait | null> {
  if (options.snapshot !== undefined || options.log !== undefined) return (await learned(options)).portrait(agent);
  const { profile } = await new Client(options).ask<AgentProfile>("GET", pathOf("agents", agent, "profile"));
  if (profile === null) return null;
  const { first, last, checkpoints, ...portrait } = profile;
  return { ...portrait, first_ms: Date.parse(first), last_ms: Date.parse(last), checkpoints_ms: checkpoints.map((at) => Date.parse(at)) };
}

async function learned({ snapshot, log }: ShowOptions): Promise<BehaviorProfile> {
  if (snapshot !== undefined && log !== undefined) throw new CliError("usage", "give either --snapshot or --log");
  if (snapshot !== undefined) return restored(snapshot);
  const folder = log ?? "";
  await mustHoldRecords(folder);
  const profile = new BehaviorProfile({ agents_max: AGENTS_MAX });
  for (const { seq, lesson } of lessons(folder, 1)) {
    if (lesson.of === "unreadable") throw new CliError("unreadable", `record ${seq}: ${lesson.why}`);
    if (lesson.of !== "started") tell(profile, lesson);
  }
  return profile;
}

function restored(file: string): BehaviorProfile {
  try {
    return BehaviorProfile.restore(readGiven(file), { agents_max: Number.MAX_SAFE_INTEGER }).profile;
  } catch (cause) {
    if (!(cause instanceof SnapshotDamaged)) throw cause;
    throw new CliError("invalid", `\`${file}\`: ${cause.message}`, "--log learns from the records instead", {
      cause,
      code: cause.code,
    });
  }
}
