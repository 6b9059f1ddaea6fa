/**
 * Learns what the other nodes of the cluster have decided, so that each node has the whole baseline of an agent, and knows how odd it was of
 * late, wherever it has asked. Lessons of several nodes are learned in the order of their times, and each once.
 */
import { NOTHING_ODD, type Act, type ActOutcome, type Assessment, type ClusterAnswer } from "../contract/index.js";
import { othersOf, type AskedNodes } from "../http/asked_nodes.js";
import { othersTurn, type System } from "../system/index.js";
import type { LessonPage, OwnLesson, PlacedLesson } from "./own_lessons.js";

/** The profile, as far as others' lessons need it. */
export interface FollowingProfile {
  readonly ready: boolean;
  followedTo(node: string): number;
  followOn(node: string, seq: number): void;
  follow(lesson: OwnLesson, isNews?: boolean): void;
  lastOf(agent: string): number;
  assess(act: Act): Assessment;
}

export interface FollowedOptions {
  nodes: AskedNodes;
  profile: FollowingProfile;
  system: Pick<System, "clock" | "timers">;
  /** Returns whether what becomes of this agent is this node's to see to. */
  isHome: (agent: string) => boolean;
  /** Called for each act of such an agent that another node has just decided, in the turn in which it was learned. */
  settled: (act: Act, assessed: Assessment, outcome: ActOutcome) => void;
  /** Returns whether this node knows which others are live. */
  isCurrent: () => boolean;
  /** Called once when nodes have not been read for long, and with none when they have. */
  unread: (nodes: readonly string[]) => void;
}

/** Word that begins a question for lessons. */
export const LESSONS = "lessons ";

const LOOK_EVERY_MS = 250;
const ANSWER_WITHIN_MS = 2000;
/** From then on nobody can say how odd agents were of late: none is let back, and people are told. */
const BEHIND_MS = 10_000;
/**
 * An act that comes so much later than others of its agent is not learned: it would count as done when the last of them was, and many such
 * acts as a burst. What is so old is no news either: nobody is narrowed for what was dealt with when it was.
 */
const LATE_MS = 60_000;
const TURN_LESSONS = 64;

/** Page of a node's lessons that was asked for from a place on. */
interface ReadPage {
  node: string;
  from: number;
  page: LessonPage;
}

interface OrderedLesson {
  node: string;
  placed: PlacedLesson;
  /** Latest time up to here in its node's order. */
  time: number;
  /** True if no more of its place come. */
  isLast: boolean;
}

export class FollowedLessons {
  readonly #options: FollowedOptions;
  /** Monotonic times at which all that a node had was read; or, until then, at which it was first seen. */
  readonly #readAt = new Map<string, number>();
  /** Live nodes of which all was read at least once. */
  readonly #known = new Set<string>();
  readonly #stop: () => void;
  #reading: Promise<void> | null = null;
  #late = 0;
  #told = false;
  /** When this node first knew which others are live; null: not yet. */
  #current: number | null = null;
  #hasBegun = false;

  constructor(options: FollowedOptions) {
    this.#options = options;
    this.#stop = options.system.timers.every(LOOK_EVERY_MS, () => {
      void this.read();
    });
  }

  /** Milliseconds since all that the other live nodes had was read; of the one that was read longest ago. */
  get behind_ms(): number {
    return Math.max(0, ...this.#behind.map(({ behind_ms }) => behind_ms));
  }

  /** The same for people, of each node. */
  get standing(): NonNullable<ClusterAnswer["lessons"]> {
    const nodes = this.#behind.map(({ node, behind_ms }) => ({ node, behind_ms: Math.round(behind_ms) }));
    return { behind_ms: Math.round(this.behind_ms), late: this.#late, nodes };
  }

  get #behind(): { node: string; behind_ms: number }[] {
    const now = this.#options.system.clock.monotonic();
    return othersOf(this.#options.nodes).map((node) => ({ node, behind_ms: now - this.#since(node, now) }));
  }

  /** True if something may have happened on another node, for some time, of which this one knows nothing. */
  get isBehind(): boolean {
    return this.behind_ms > BEHIND_MS || othersOf(this.#options.nodes).some((node) => !this.#known.has(node));
  }

  /**
   * False from the start on until all that the others had decided was learned, for ten seconds at most: what an agent did here before that
   * would make its past late.
   */
  get hasBegun(): boolean {
    const { isCurrent, system } = this.#options;
    if (!this.#hasBegun && isCurrent()) {
      const now = system.clock.monotonic();
      this.#current ??= now;
      this.#hasBegun = now - this.#current > BEHIND_MS;
    }
    return this.#hasBegun;
  }

  /** Acts that came too late to be learned. */
  get late(): number {
    return this.#late;
  }

  /** Resolves when all that the other nodes had at the call was read, as far as they answered. */
  read(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async close(): Promise<void> {
    this.#stop();
    await this.#reading;
  }

  async #read(): Promise<void> {
    const { nodes, profile, isCurrent } = this.#options;
    const wasCurrent = isCurrent();
    for (let more = true; more && profile.ready;) {
      const others = othersOf(nodes);
      const pages = await Promise.all(others.map(async (node) => await this.#page(node)));
      more = await this.#learn(pages.filter((page) => page !== null));
    }
    if (wasCurrent && profile.ready && !this.isBehind) this.#hasBegun = true;
    this.#tell();
  }

  /** Returns null if the node doesn't answer, or with what this version can't read. */
  async #page(node: string): Promise<ReadPage | null> {
    const { nodes, profile, system } = this.#options;
    const from = profile.followedTo(node);
    const asked = nodes.ask(`${LESSONS}${from}`, [node], undefined, ANSWER_WITHIN_MS);
    // Nobody can be asked once the connection to the servers is closed.
    const answer = await asked.then(
      ({ answers }) => answers.get(node),
      () => undefined,
    );
    // A node that doesn't learn has no lessons; it may learn again.
    const page = answer === null ? { v: 1 as const, through: from, more: false, lessons: [] } : readPage(answer);
    if (page === null) return null;
    if (!page.more) {
      this.#readAt.set(node, system.clock.monotonic());
      this.#known.add(node);
    }
    return { node, from, page };
  }

  /**
   * Learns in the order of time, up to where all of the nodes are known. A node's lessons stay in their own order, and its place is moved in
   * the turn in which they are learned: whatever comes between, such as a snapshot, finds them learned once.
   * @returns whether there is more to be read at once
   */
  async #learn(pages: readonly ReadPage[]): Promise<boolean> {
    const { profile, system } = this.#options;
    const places = new Map(pages.map(({ node, from }) => [node, from]));
    // A profile that was made again goes on from somewhere else.
    const isSame = (): boolean => [...places].every(([node, place]) => profile.followedTo(node) === place);
    const moveOn = (node: string, place: number): void => {
      profile.followOn(node, place);
      places.set(node, place);
    };
    if (!isSame()) return false;
    const horizon = Math.min(Infinity, ...pages.flatMap(({ page: { more, lessons } }) => (more ? latestOf(lessons) : [])));
    const order = pages.flatMap((read) => upTo(horizon, read));
    order.sort((a, b) => a.time - b.time);
    /** Nodes of which some lessons of a place are learned, and others aren't. */
    const parted = new Set<string>();
    let learned = 0;
    for (const { node, placed, isLast } of order) {
      this.#take(placed[1]);
      parted.add(node);
      if (isLast) {
        parted.delete(node);
        moveOn(node, placed[0]);
      }
      if (++learned < TURN_LESSONS || parted.size > 0) continue;
      learned = 0;
      await othersTurn(system.timers);
      if (!isSame()) return false;
    }
    for (const { node, page } of pages) {
      const last = page.lessons.at(-1)?.[0];
      if (last === undefined || last === places.get(node)) moveOn(node, page.through);
    }
    return pages.some(({ node, from, page }) => page.more && places.get(node) !== from);
  }

  #take(lesson: OwnLesson): void {
    const { profile, system, isHome, settled } = this.#options;
    const now = system.clock.wall();
    if (lesson.of !== "act") {
      profile.follow(lesson);
      return;
    }
    const { act: told, outcome } = lesson;
    // A node whose clock is ahead moves nobody's time but its own, and neither does an engine.
    const act = told.time_ms > now ? { ...told, time_ms: now } : told;
    if (act.time_ms < Math.min(now, profile.lastOf(act.agent)) - LATE_MS) {
      this.#late++;
      return;
    }
    const isNews = act.time_ms >= now - LATE_MS;
    const ours = isNews && isHome(act.agent);
    const assessed = ours ? profile.assess(act) : NOTHING_ODD;
    profile.follow({ of: "act", act, outcome }, isNews);
    if (ours) settled(act, assessed, outcome);
  }

  /** Since when a node's lessons are not known: it has its time from when it is first seen. */
  #since(node: string, now: number): number {
    const at = this.#readAt.get(node) ?? now;
    this.#readAt.set(node, at);
    return at;
  }

  #tell(): void {
    const now = this.#options.system.clock.monotonic();
    const live = othersOf(this.#options.nodes);
    for (const node of this.#readAt.keys()) {
      if (live.includes(node)) continue;
      this.#readAt.delete(node);
      this.#known.delete(node);
    }
    const unread = live.filter((node) => now - this.#since(node, now) > BEHIND_MS);
    if (unread.length > 0 === this.#told) return;
    this.#told = unread.length > 0;
    this.#options.unread(unread);
  }
}

function timeOf([, lesson]: PlacedLesson): number {
  return lesson.of === "act" ? lesson.act.time_ms : lesson.time_ms;
}

function latestOf(lessons: readonly PlacedLesson[]): number {
  return lessons.reduce((latest, one) => Math.max(latest, timeOf(one)), -Infinity);
}

/**
 * Returns the first lessons of a page, up to a time; those of one place stay together. What was observed may be older than what comes before
 * it in its log: it is taken for as late as that.
 */
function upTo(horizon: number, { node, page: { lessons } }: ReadPage): OrderedLesson[] {
  const order: OrderedLesson[] = [];
  let time = -Infinity;
  for (const [i, placed] of lessons.entries()) {
    time = Math.max(time, timeOf(placed));
    const [seq] = placed;
    if (time > horizon && seq !== lessons[i - 1]?.[0]) break;
    order.push({ node, placed, time, isLast: seq !== lessons[i + 1]?.[0] });
  }
  return order;
}

/** Returns null for what is no page of this version. */
function readPage(answer: string | undefined): LessonPage | null {
  try {
    const page = JSON.parse(answer ?? "null") as Partial<LessonPage> | null;
    if (page?.v !== 1 || !isPlace(page.through) || typeof page.more !== "boolean" || !Array.isArray(page.lessons)) return null;
    return page.lessons.every(isPlaced) ? (page as LessonPage) : null;
  } catch {
    return null;
  }
}

const isPlace = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isTime = (value: unknown): boolean => typeof value === "number" && Number.isFinite(value);
const isText = (value: unknown): boolean => typeof value === "string";
const isTextOrNull = (value: unknown): boolean => value === null || isText(value);

const OUTCOMES: readonly unknown[] = ["allow", "log", "flag", "deny"] satisfies ActOutcome[];
const TEXTS = ["agent", "version", "owner", "purpose", "verb", "verb_class", "type", "relation"] as const;
const TEXTS_OR_NULL = ["id", "task", "session", "source"] as const;
const TIMES = ["amount", "time_ms", "offset_ms"] as const;

function isPlaced(placed: unknown): boolean {
  if (!Array.isArray(placed) || !isPlace(placed[0])) return false;
  const lesson = placed[1] as { of?: unknown } & Record<string, unknown>;
  switch (lesson.of) {
    case "act":
      return isAct(lesson["act"]) && OUTCOMES.includes(lesson["outcome"]);
    case "expected":
      return isTime(lesson["time_ms"]) && areActs(lesson["acts"]);
    case "judged": {
      const { purpose, expected, misuse } = lesson["calibrates"] as Record<string, unknown>;
      return isText(purpose) && isTime(expected) && isTime(misuse) && isTime(lesson["time_ms"]) && areActs(lesson["acts"]);
    }
    case "forgiven":
      return isText(lesson["agent"]) && isTime(lesson["time_ms"]);
    case "rolled_back":
      return isText(lesson["agent"]) && isTime(lesson["to_ms"]) && isTime(lesson["time_ms"]);
    default:
      return false;
  }
}

const areActs = (value: unknown): boolean => Array.isArray(value) && value.every(isAct);

function isAct(value: unknown): boolean {
  const act = value as Record<string, unknown>;
  return (
    TEXTS.every((name) => isText(act[name])) &&
    TEXTS_OR_NULL.every((name) => isTextOrNull(act[name])) &&
    TIMES.every((name) => isTime(act[name])) &&
    typeof act["granted"] === "boolean" &&
    (act["labels"] === undefined || (Array.isArray(act["labels"]) && act["labels"].every(isText)))
  );
}
