/** Nodes of a cluster as far as they learn: each with a log of its own, and questions that can get lost. */
import { join } from "node:path";
import { BehaviorProfile } from "../../src/behavior/profile.js";
import type { Act, ActOutcome, Assessment } from "../../src/contract/index.js";
import { NOTHING_ODD } from "../../src/contract/index.js";
import { FollowedLessons, LESSONS } from "../../src/service/followed_lessons.js";
import { RecordedProfile } from "../../src/service/recorded_profile.js";
import { system } from "../../src/system/index.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { DAY, HOUR, MONDAY, SECOND, act } from "../behavior/desk.js";
import { FakeLog } from "./fake_log.js";

export const AGENT = "support-7";
export const LAST_DAY = MONDAY + 12 * DAY;
const AGENTS_MAX = 100;
const LEARNERS = {
  begin: () => new BehaviorProfile({ agents_max: AGENTS_MAX }),
  restore: (bytes: Uint8Array) => BehaviorProfile.restore(bytes, { agents_max: AGENTS_MAX }),
};
const SAID = { ready: none, refused: none, forgotten: none, unreadable: none, unsaved: none };
function none(): void {
  return;
}

/** The text of an act's record, as far as it is learned from, but for its `seq`. */
function recordOf(act: Act, outcome: ActOutcome): { before: string; after: string } {
  const { agent, version, owner, purpose, verb, verb_class, type, id, task, relation, session, source, granted, time_ms, offset_ms } = act;
  const request = { agent, context: { session, source }, purpose, resource: { id, type }, task, verb };
  const input = { facts: { agent: { owner, version }, behavior: NOTHING_ODD, time: { ms: time_ms } }, request };
  const more = { class: verb_class, granted, offset_ms, owner, relation, version };
  const answer =
    outcome === "log" ? { decision: "allow", reasons: [{ code: "behavior_logged", effect: "log" }] } : { decision: outcome, reasons: [] };
  return {
    before: `"act":${JSON.stringify(more)},"answer":${JSON.stringify(answer)},"input":${JSON.stringify(input)},"kind":"decision"`,
    after: `"time":"${new Date(time_ms).toISOString()}","v":2`,
  };
}

/** What a node is made of: a counter-test brings one without a control. */
export interface LearningParts {
  RecordedProfile: Pick<typeof RecordedProfile, "open">;
  FollowedLessons: typeof FollowedLessons;
}
const PARTS: LearningParts = { RecordedProfile, FollowedLessons };

/** How a node answers a question for lessons. */
export type Answering = "well" | "silent" | "can't be asked" | { says: string };

export class LearningNode {
  readonly log = new FakeLog(temporaryDirectory());
  /** Agents whose home this node is. */
  home: ReadonlySet<string> = new Set();
  answering: Answering = "well";
  /** Whether it knows which others are live. */
  current = true;
  readonly settled: [agent: string, risk: number, outcome: ActOutcome][] = [];
  readonly unread: (readonly string[])[] = [];
  profile!: RecordedProfile;
  followed!: FollowedLessons;

  private constructor(
    readonly name: string,
    readonly nodes: Map<string, LearningNode>,
    readonly clock: { wall_ms: number; monotonic_ms: number },
    readonly parts: LearningParts,
  ) {}

  static async start(
    name: string,
    nodes: Map<string, LearningNode>,
    clock: LearningNode["clock"],
    parts: LearningParts,
  ): Promise<LearningNode> {
    const node = new LearningNode(name, nodes, clock, parts);
    nodes.set(name, node);
    await node.open();
    return node;
  }

  /** Opens the profile again, from its snapshot and its own records, and follows the others. */
  async open(): Promise<void> {
    const { log, clock, name } = this;
    const options = { folder: log.folder, file: join(log.folder, "profile"), snapshot_ms: 3_600_000 };
    this.profile = await this.parts.RecordedProfile.open(LEARNERS, log, system.timers, options, SAID);
    // As a service does when it begins to answer questions.
    this.profile.lessons();
    const nodes = this.nodes;
    this.followed = new this.parts.FollowedLessons({
      nodes: {
        name,
        get live() {
          return [...nodes.keys()].sort();
        },
        silent: [],
        ask: async (question, [of = ""]) => {
          const answer = await nodes.get(of)?.answer(question);
          return { answers: new Map(answer === undefined ? [] : [[of, answer]]), missing: answer === undefined ? [of] : [] };
        },
      },
      profile: this.profile,
      system: {
        clock: { wall: () => clock.wall_ms, monotonic: () => clock.monotonic_ms },
        timers: { ...system.timers, every: () => none },
      },
      isHome: (agent) => this.home.has(agent),
      isCurrent: () => this.current,
      settled: (act, assessed, outcome) => this.settled.push([act.agent, assessed.risk, outcome]),
      unread: (names) => this.unread.push(names),
    });
  }

  async answer(question: string): Promise<string | undefined> {
    if (this.answering === "silent") return undefined;
    if (this.answering === "can't be asked") throw new Error("the connection is closed");
    if (this.answering !== "well") return this.answering.says;
    // A question comes in a turn of its own.
    await new Promise((resolve) => setImmediate(resolve));
    return JSON.stringify(await this.profile.lessons().after(Number(question.slice(LESSONS.length))));
  }

  /** Decides as a service does: assessed, handed to the log, and learned in the same turn; on disk if the log is synced. */
  decide(act: Act, outcome: ActOutcome = "allow"): Assessment {
    const assessed = this.profile.assess(act);
    const { before, after } = recordOf(act, outcome);
    this.log.append(before, after).catch(none);
    this.profile.learn(act, outcome);
    return assessed;
  }

  riskOf(agent: string): number {
    return Math.round(this.profile.riskOf(agent, this.clock.wall_ms));
  }
}

/** Starts nodes of these names, which follow one another. */
export async function startNodes<const Names extends readonly string[]>(
  names: Names,
  parts = PARTS,
): Promise<{ nodes: { [I in keyof Names]: LearningNode }; clock: LearningNode["clock"] }> {
  const clock = { wall_ms: 0, monotonic_ms: 0 };
  const known = new Map<string, LearningNode>();
  const nodes = [];
  for (const name of names) nodes.push(await LearningNode.start(name, known, clock, parts));
  return { nodes: nodes as { [I in keyof Names]: LearningNode }, clock };
}

/** Customers in a row that no task is about, at night. */
export const spree = (count: number): Act[] =>
  Array.from({ length: count }, (_, i) =>
    act({ id: `x-${i}`, task: `B-1`, session: "b-1", relation: "other", time_ms: LAST_DAY + 14 * HOUR + i * 20 * SECOND }),
  );

/** The acts in their order, each on the next of these nodes, all of which read what is there after each `every` acts. */
export async function inTurns(nodes: readonly LearningNode[], acts: Iterable<Act>, every = 1): Promise<number[]> {
  const risks: number[] = [];
  let n = 0;
  for (const one of acts) {
    const node = nodes[n % nodes.length];
    if (node === undefined) throw new Error("no node");
    node.clock.wall_ms = one.time_ms;
    risks.push(node.decide(one).risk);
    if (++n % every === 0) await allRead(nodes);
  }
  await allRead(nodes);
  return risks;
}

export async function allRead(nodes: readonly LearningNode[]): Promise<void> {
  for (const { log } of nodes) log.sync();
  for (const { followed } of nodes) await followed.read();
}
