/** Nodes of a cluster that learn from one another's records, each tried with an agent that goes from one to the next. */
import { BEHAVIOR_DEFAULTS, NOTHING_ODD, type SharedOddity } from "../../src/contract/index.js";
import { act, shift, SECOND } from "../behavior/desk.js";
import { JOINED, RATE, life, mostInAMinute, type Life } from "../cluster/rates.js";
import { AGENT, LAST_DAY, allRead, inTurns, spree, startNodes } from "../service/nodes_that_learn.js";
import { cut } from "./cut.js";
import { threat, type Tree } from "./threat.js";

const DAYS = 6;

async function spread(tree: Tree): Promise<string | null> {
  const { FollowedLessons } = await tree("service/followed_lessons.js");
  const { RecordedProfile } = await tree("service/recorded_profile.js");
  const started = async () => await startNodes(["a", "b", "c"], { FollowedLessons, RecordedProfile });
  {
    const { nodes } = await started();
    await inTurns(nodes, shift({ days: DAYS }));
    const [a, b, c] = nodes.map(({ profile }) => JSON.stringify(profile.portrait(AGENT)));
    if (a !== b || b !== c) return "the nodes know different things of an agent";
    const odd = spree(24);
    const risks = await inTurns(nodes, odd, 3);
    if (Math.max(...risks) < 60) return `what is spread over three nodes comes to a risk of ${Math.max(...risks)}`;
  }
  {
    const {
      nodes: [a, b],
      clock,
    } = await started();
    clock.wall_ms = LAST_DAY;
    a.decide(act({ time_ms: LAST_DAY }));
    await b.followed.read();
    if (b.profile.known > 0) return "an act is learned elsewhere before its record is on disk";
    a.log.sync();
    for (let i = 0; i < 3; i++) await b.followed.read();
    if (b.profile.portrait(AGENT)?.acts !== 1) return "an act is learned more than once";
    b.home = new Set([AGENT]);
    a.decide(act({ time_ms: LAST_DAY + SECOND }), "flag");
    await allRead([a, b]);
    if (b.settled.length !== 1 || a.settled.length !== 0) return "what one node decided moves nothing at the agent's home";
    a.answering = "silent";
    clock.monotonic_ms += 60_000;
    await b.followed.read();
    if (!b.followed.isBehind) return "a node that can't read what others decide counts as one that knows";
  }
  return (await seenTo(tree)) ?? (await restored(tree));
}

/** What only one of all nodes does for an agent or a group, and only if it knows what all have decided. */
async function seenTo(tree: Tree): Promise<string | null> {
  const { mayRestore, noteShared } = await tree("service/fleet.js");
  const [home, elsewhere] = [true, false].map((isHome) => ({ isHome: () => isHome })) as [
    { isHome: () => boolean },
    { isHome: () => boolean },
  ];
  if (!mayRestore(home, { isBehind: false }, AGENT)) throw new Error("nobody is ever let back");
  if (mayRestore(home, { isBehind: true }, AGENT)) return "an agent is let back by a home that can't read what others decide";
  if (mayRestore(home, null, AGENT)) return "an agent is let back by a home that learns nothing";
  if (mayRestore(elsewhere, { isBehind: false }, AGENT)) return "an agent is let back by a node that isn't its home";
  let noted = 0;
  const profile = {
    whenShared: (listener: (shared: SharedOddity) => void) => {
      listener({} as SharedOddity);
    },
  };
  for (const node of [home, elsewhere, elsewhere]) noteShared(profile, node, { shared: () => noted++ });
  return noted === 1 ? null : `what a group has in common is opened by ${noted} of three nodes`;
}

/** An agent that was narrowed by what it did elsewhere, on a node that can't tell whether it is calm. */
async function restored(tree: Tree): Promise<string | null> {
  const { Adjustments } = await tree("behavior/adjustments.js");
  const narrowing = { agent: AGENT, below: 25, for_ms: 60_000, lifted: null };
  let [now, wideneds] = [LAST_DAY, 0];
  let look = (): void => undefined;
  const adjustments = new Adjustments({
    facts: {
      isActive: () => true,
      narrowing: () => narrowing,
      narrowings: () => [narrowing],
      narrow: () => undefined,
      suspend: () => undefined,
      widen: () => {
        wideneds++;
        return Promise.resolve();
      },
    },
    riskOf: () => 0,
    policyOf: () => BEHAVIOR_DEFAULTS,
    mayRestore: () => false,
    system: {
      clock: { wall: () => now },
      timers: {
        every: (_ms, call) => {
          look = call;
          return () => undefined;
        },
      },
    },
  });
  for (let s = 0; s < 300; s++) {
    now += 1000;
    look();
    if (s % 60 === 0) adjustments.settled(act({ time_ms: now }), NOTHING_ODD, { decision: "allow" });
    await Promise.resolve();
  }
  return wideneds > 0 ? "an agent is let back by a node that knows nothing of what it does elsewhere" : null;
}

threat("H10", "what an agent does on any node counts on all", {
  check: spread,
  without: {
    "learning what others decide": [
      cut.text("service/followed_lessons.js", "#take", 'profile.follow({ of: "act", act, outcome }, isNews);', ""),
    ],
    "going on where it has read": [cut.text("service/followed_lessons.js", "#learn", "profile.followOn(", "void (")],
    "waiting until a record is on disk": [cut.text("service/own_lessons.js", "#remembered", "seq > durable ||", "")],
    "telling the agent's home": [cut.text("service/followed_lessons.js", "#take", "settled(act, assessed, outcome)", "undefined")],
    "an agent's home": [cut.text("service/fleet.js", "mayRestore", "node.isHome(agent) &&", "")],
    "a home that knows what all decide": [cut.text("service/fleet.js", "mayRestore", "followed?.isBehind === false", "true")],
    "a group's home": [cut.text("service/fleet.js", "noteShared", "node?.isHome(shared.value) !== false", "true")],
    "knowing that others weren't read": [cut.text("service/followed_lessons.js", "isBehind", "this.behind_ms > BEHIND_MS", "false")],
    "letting nobody back who may be odd elsewhere": [
      cut.text("behavior/adjustments.js", "#mayRestore", "this.#deps.mayRestore?.(agent) !== false", "true"),
    ],
  },
});

/** Two that read one feed each, and never see each other. */
const APART: Life[] = [0, 1].map((feed) => life({ cut: { feed, from_s: 0, for_s: 420 } }));
/** Two that have seen each other, of which one is then cut off from the feed that the other still has. */
const PARTED: Life[] = [0, 1].map((feed) => life({ cut: { feed, from_s: 150, for_s: 270 } }));
/** One that ends right after it has had its part, and one that was there all the time. */
const GONE: Life[] = [life({}), life({ for_s: 130 })];

threat("H11", "a narrowed agent has its actions a minute once, on all nodes together", {
  check: async (tree: Tree): Promise<string | null> => {
    const { RateParts } = await tree("cluster/rate_parts.js");
    for (const [what, lives] of [
      ["a node joins", JOINED],
      ["three work together", [life({}), life({}), life({})]],
      ["each of two reads another feed", APART],
      ["two are parted", PARTED],
      ["a node ends", GONE],
    ] as const) {
      const most = mostInAMinute(lives, RateParts);
      if (most > RATE) return `${what}: ${most} actions within a minute, where ${RATE} may be`;
    }
    return null;
  },
  without: {
    "a node beginning with nothing": [
      cut.text("cluster/rate_parts.js", "count", "this.#isKnown ? this.#seen.size : Infinity", "this.#seen.size"),
    ],
    "being known in all feeds first": [cut.text("cluster/rate_parts.js", "#isWhole", ".every(", ".some(")],
    "a part that stays for a minute": [
      cut.text("cluster/rate_parts.js", "count", "if (this.#wasWhole(now)) for", "for"),
      cut.text("cluster/rate_parts.js", "count", "now - at >= this.#known_ms", "now - at >= this.#lease_ms"),
    ],
  },
});
