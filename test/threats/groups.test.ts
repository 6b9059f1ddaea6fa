/** Several agents that were turned at once, each of which does too little to be stopped for it. */
import type { Act, SharedOddity } from "../../src/contract/index.js";
import type { BehaviorProfile } from "../../src/behavior/profile.js";
import { DAY, HOUR, MINUTE, MONDAY, act, shift } from "../behavior/desk.js";
import { cut } from "./cut.js";
import { threat } from "./threat.js";

const [AGENTS, DAYS] = [12, 24];

const of = (n: number): Pick<Act, "agent" | "version" | "owner"> => ({
  agent: `support-${n}`,
  version: n % 2 === 0 ? "1" : "2",
  owner: `team-${n % 3}`,
});

function learned(profile: BehaviorProfile, one: Act): SharedOddity[] {
  profile.assess(one);
  const shared = profile.learn(one, "allow");
  return shared === null ? [] : [shared];
}

/** Ordinary days, of which the last goes on. */
function practised(Profile: new (options: { agents_max: number }) => BehaviorProfile): BehaviorProfile {
  const profile = new Profile({ agents_max: 100 });
  for (let day = 0; day <= DAYS; day++)
    for (let n = 0; n < AGENTS; n++)
      for (const one of shift({ agent: `support-${n}`, from: day, days: 1, tickets: 8 })) learned(profile, { ...one, ...of(n) });
  return profile;
}

const odd = (n: number, over: Partial<Act> = {}): Act =>
  act({
    ...{ ...of(n), type: "payroll", id: "p-1", task: `T-${n}`, session: `T-${n}` },
    time_ms: MONDAY + DAYS * DAY + 7.5 * HOUR + n * MINUTE,
    ...over,
  });

threat("A21", "agents of one version, owner or source that do the same unusual thing on a day are found together, and a release isn't", {
  async check(tree) {
    const { BehaviorProfile: Profile } = await tree("behavior/profile.js");
    const happening = (acts: readonly Act[]): SharedOddity[] => {
      const profile = practised(Profile);
      return acts.flatMap((one) => learned(profile, one));
    };
    const groups: readonly [kind: string, acts: readonly Act[]][] = [
      ["version", [1, 3, 5, 7].map((n) => odd(n))],
      ["owner", [1, 4, 7, 10].map((n) => odd(n))],
      ["source", [0, 1, 2, 4].map((n) => odd(n, { source: "wl-new" }))],
    ];
    for (const [kind, acts] of groups) {
      const found = happening(acts);
      if (!found.some((one) => one.kind === kind)) return `agents of one ${kind} aren't found`;
      if (found.length > 1) return `agents of one ${kind} are ${found.length} findings`;
    }
    const benign: readonly [what: string, acts: readonly Act[]][] = [
      ["a release", Array.from({ length: AGENTS }, (_, i) => odd((i * 5) % AGENTS))],
      ["what was granted", [1, 3, 5, 7].map((n) => odd(n, { granted: true }))],
      ["newcomers", [21, 23, 25, 27].map((n) => odd(n))],
      ["two agents", [1, 3].map((n) => odd(n))],
    ];
    for (const [what, acts] of benign) if (happening(acts).length > 0) return `${what} is found`;
    return null;
  },
  without: {
    "agents being counted by version": [cut.text("behavior/groups.js", "groupsOf", "version !== NO_VERSION", "false")],
    "agents being counted by owner": [cut.text("behavior/groups.js", "groupsOf", "owner !== 0", "false")],
    "agents being counted by source": [cut.text("behavior/groups.js", "groupsOf", "source !== 0", "false")],
    "what others do on the day": [cut.text("behavior/groups.js", "chanceOf", "Math.max(learned, today)", "learned")],
    "granted acts being left out": [cut.text("behavior/groups.js", "Groups.count", "act.granted ||", "")],
    "a group being told once": [cut.condition("behavior/groups.js", "Groups.#shared", ["told", "length"], "false")],
  },
});
