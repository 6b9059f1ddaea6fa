/** An agent that looks for the way that isn't closed, and one that hides what it does in noise. */
import { BEHAVIOR_DEFAULTS, NOTHING_ODD, type Act } from "../../src/contract/index.js";
import { fixedProfile } from "../../src/decision/fixed_ports.js";
import { World, live as allowing } from "../decision/world.js";
import type { BehaviorProfile } from "../../src/behavior/profile.js";
import type { Incidents } from "../../src/findings/incidents.js";
import { DAY, HOUR, MINUTE, MONDAY, SECOND, act, live, paid, payment, shift, work } from "../behavior/desk.js";
import { DAYS, TEAM } from "../behavior/team.js";
import { MINUTE_MS, NOW, deny, flag, sighted, type Put } from "../findings/sightings.js";
import { cut } from "./cut.js";
import { numbers, threat } from "./threat.js";

const SHOPPER: readonly Put[] = [
  { purpose: "support", verb: "read", id: "I-9" },
  { purpose: "billing", verb: "read", id: "I-9" },
  { purpose: "support", verb: "export", id: "I-9" },
  { purpose: "audit", verb: "read", id: "i-9" },
  { purpose: "billing", verb: "read", id: "l-9" },
];
const BENIGN = 10_000;

/** Of which of these, in order, a finding is opened, or goes on. */
function found(incidents: Incidents, puts: readonly Put[]): (string | null)[] {
  return puts.map((put, i) => incidents.place(sighted({ time_ms: NOW + i * 5000, ...put })));
}

/** Work of forty agents: mostly permitted, now and then a deny, and the same tried once more. */
function benign(): Put[] {
  const draw = numbers(7);
  return Array.from({ length: BENIGN }, (_, i): Put => {
    const agent = `support-${draw(40)}`;
    const id = `I-${draw(3000)}`;
    const denied = draw(50) === 0 ? { reasons: [deny("not_permitted")] } : {};
    return { agent, id, time_ms: NOW + i * 700, ...denied };
  });
}

threat("A2", "whoever tries one action under each purpose, verb and spelling until one passes is found by the fifth", {
  async check(tree) {
    const { Incidents } = await tree("findings/incidents.js");
    const reasons = [deny("not_permitted")];
    const denied = SHOPPER.map((put) => ({ ...put, reasons }));
    if (found(new Incidents(), denied).every((id) => id === null)) return "five ways that are all denied";
    for (let passes = 1; passes < SHOPPER.length; passes++) {
      if (SHOPPER[passes]?.verb !== "read") continue;
      const until = [...denied.slice(0, passes), { ...SHOPPER[passes] }];
      if (found(new Incidents(), until)[passes] === null) return `the way that passes after ${passes} that were denied`;
    }
    const findings = new Set(found(new Incidents(), benign()).filter((id) => id !== null));
    if (findings.size > BENIGN / 10_000) throw new Error(`${findings.size} findings in ${BENIGN} benign decisions`);
    return null;
  },
  without: {
    "what passes being held against what was denied": [cut.never("findings/attempts.js", "take", "isDenied", "same")],
    "ways being counted": [cut.never("findings/attempts.js", "take", "variants")],
    "spellings that look alike being one": [cut.skip("findings/attempts.js", "looks", ["replaceAll", "ONE_STROKE"])],
  },
});

threat("A2", "whoever hides a denied action among many denied ones is found all the same, and nobody else can hide it", {
  async check(tree) {
    const { Incidents } = await tree("findings/incidents.js");
    const shops = (noise: (i: number) => Put, denials: number): boolean => {
      const incidents = new Incidents();
      const reasons = [deny("not_permitted")];
      const all = Array.from({ length: denials }, (_, i) => ({ reasons, ...noise(i), time_ms: NOW + 1 + i }));
      const puts: Put[] = [{ id: "I-9", reasons, time_ms: NOW }, ...all, { id: "I-9", purpose: "billing", time_ms: NOW + MINUTE_MS }];
      return puts.map((put) => incidents.place(sighted(put))).some((id) => id?.endsWith("-shopping") === true);
    };
    const own: Record<string, (i: number) => Put> = {
      "of one kind": (i) => ({ id: `N-${i}` }),
      "each of another type and verb": (i) => ({ type: `type_${i}`, verb: `verb_${i}` }),
    };
    for (const [what, noise] of Object.entries(own))
      for (const denials of [10, 63, 64, 200]) if (!shops(noise, denials)) return `${denials} denials ${what} hide it`;
    const strangers = (i: number): Put => ({ id: `N-${i}`, reasons: [deny("caller_not_permitted")] });
    return shops(strangers, 200) ? null : "a stranger's denials hide it";
  },
  without: {
    "more denials than are remembered being an incident": [cut.never("findings/attempts.js", "take", "own", "ATTEMPTS_MAX")],
    "a stranger's being apart": [cut.text("findings/attempts.js", "take", "own.slice(-ATTEMPTS_MAX)", "all.slice(-ATTEMPTS_MAX)")],
  },
});

threat("A5", "a grant of such actions leaves the agent to be watched; an approval of one is of that one", {
  async check(tree) {
    const { decider } = await tree("decision/decide.js");
    const granted = async (exact: boolean): Promise<boolean> => {
      const world = new World(decider);
      world.grants = [allowing("G-1", { input: { id: "G-1", exact, about: "any", when: [] } })];
      let seen: Act | null = null;
      world.profile = { ...fixedProfile(), assess: (one) => ((seen = one), NOTHING_ODD) };
      await world.decide();
      return (seen as Act | null)?.granted === true;
    };
    if (!(await granted(true))) throw new Error("an approved action is odd");
    return (await granted(false)) ? "whatever a grant covers" : null;
  },
  without: {
    "approvals alone being no deviation": [cut.text("decision/act.js", "actOf", "input.exact", "true")],
  },
});

const AGENT = "support-7";
const USUAL_A_DAY = 24;

/** A team's, after a fortnight of ordinary days. */
function learned(Profile: typeof BehaviorProfile): BehaviorProfile {
  const profile = new Profile({ agents_max: 100 });
  for (let day = 0; day < DAYS; day++) for (const agent of TEAM) work(profile, shift({ agent, from: day, days: 1, tickets: USUAL_A_DAY }));
  return profile;
}

/** Distinct customers, in ten minutes or in a week. */
function usual(profile: BehaviorProfile, within: "distinct_in_10_min" | "distinct_in_a_week"): number {
  const found = profile.portrait(AGENT)?.usual.types.find(({ type }) => type === "customer")?.[within];
  if (typeof found !== "number") throw new Error("it knows nothing of customers");
  return found;
}

threat("A4", "who takes a little more each day is named before twice a week's usual is taken", {
  async check(tree) {
    const { BehaviorProfile: Profile } = await tree("behavior/profile.js");
    for (const extra of [8, 24, 72]) {
      const profile = learned(Profile);
      let taken = 0;
      let named = false;
      for (let day = DAYS; !named && day < DAYS + 60; day++) {
        work(profile, shift({ from: day, days: 1, tickets: USUAL_A_DAY }));
        for (let i = 0; i < extra && !named; i++) {
          const at = {
            task: `T-${day}-${i}`,
            session: `d-${day}-${i}`,
            time_ms: MONDAY + day * DAY + 8 * HOUR + i * 5 * MINUTE,
          };
          named = "drift" in live(profile, act({ id: `drip-${day}-${i}`, ...at })).channels;
          taken++;
        }
        if (taken > 2 * 7 * USUAL_A_DAY) return `${taken} customers, ${extra} more than usual a day`;
      }
    }
    return null;
  },
  without: {
    "the sum over days and weeks": [cut.call("behavior/pace.js", "longRun", ["Math.max", "slow"], "0")],
  },
});

threat("A5", "a resource that was met in odd acts alone is as unknown as one that was never met, after whatever days", {
  async check(tree) {
    const { BehaviorProfile: Profile } = await tree("behavior/profile.js");
    const profile = new Profile({ agents_max: 9 });
    const PAID_DAYS = 20;
    for (let day = 0; day < PAID_DAYS; day++) work(profile, paid(day));
    const next = (day: number, id: string): number => profile.scoreOf(payment(day, 1, { id }));
    for (let day = PAID_DAYS; day < PAID_DAYS + 5; day++) {
      const { risk } = live(profile, payment(day, 5, { id: "mine", source: `w-${day}`, task: null }));
      if (risk < 15 || risk >= 60) throw new Error(`a payment of risk ${risk} shows nothing: it is ordinary, or teaches nothing at all`);
      work(profile, paid(day));
      if (next(day + 1, "mine") !== next(day + 1, "never met")) return `a payee, after ${day + 1 - PAID_DAYS} days`;
    }
    return next(PAID_DAYS + 5, "p-1") < next(PAID_DAYS + 5, "mine") ? null : "a payee of every day is as unknown";
  },
  without: {
    "odd acts being told apart": [cut.text("behavior/teach.js", "teachOwn", "resource(own, seen, trusts)", "resource(own, seen, teaches)")],
    "a bound on what is odd": [cut.value("behavior/teach.js", "TRUSTED_BELOW", "TRUSTED_BELOW", "Infinity")],
  },
});

threat("A5", "what an agent does often doesn't become usual: limits, hours and volumes rise by little a day", {
  async check(tree) {
    const { BehaviorProfile: Profile } = await tree("behavior/profile.js");
    const limits = learned(Profile);
    const before = usual(limits, "distinct_in_10_min");
    for (let day = DAYS; day < DAYS + 7; day++)
      for (let i = 0; i < 300; i++)
        live(
          limits,
          act({
            id: `x-${day}-${i}`,
            task: `B-${day}`,
            session: `b-${day}`,
            time_ms: MONDAY + day * DAY + 9 * HOUR + i * 5 * SECOND,
          }),
        );
    if (usual(limits, "distinct_in_10_min") > 2 * before) return "a week of three hundred customers in a row";
    const nights = learned(Profile);
    for (let day = DAYS; day < DAYS + 3; day++)
      for (let i = 0; i < 400; i++)
        live(nights, act({ type: "ticket", id: "T-1", time_ms: MONDAY + day * DAY - 5 * HOUR + i * 9 * SECOND }));
    const night = (nights.portrait(AGENT)?.hours ?? []).slice(1, 6).reduce((sum, share) => sum + share, 0);
    if (night > 0.04) return "three nights of four hundred acts";
    const zoned = learned(Profile);
    for (let day = DAYS; day < DAYS + 3; day++)
      for (let i = 0; i < 400; i++) {
        // The same hour of the night of two zones, on another day each.
        const offset_ms = (i % 2 === 0 ? 12 : -12) * HOUR;
        live(zoned, act({ type: "ticket", id: "T-1", offset_ms, time_ms: MONDAY + day * DAY + 7 * HOUR + i * 9 * SECOND }));
      }
    const bought = (zoned.portrait(AGENT)?.hours ?? []).slice(1, 6).reduce((sum, share) => sum + share, 0);
    if (bought > 0.04) return "nights of two zones at once";
    const [clean, ramped] = [learned(Profile), learned(Profile)];
    for (let day = 0; day < 30; day++) {
      const at = { from: DAYS + day, days: 1 };
      work(clean, shift({ ...at, tickets: USUAL_A_DAY }));
      work(ramped, shift({ ...at, tickets: Math.round(USUAL_A_DAY * 1.03 ** (day + 1)) }));
    }
    const grown = usual(ramped, "distinct_in_a_week") / usual(clean, "distinct_in_a_week");
    return grown > 1.1 ? "thirty days of three per cent more" : null;
  },
  without: {
    "odd acts teaching nothing": [
      cut.always("behavior/profile.js", "howToTeach", "riskOf"),
      cut.never("behavior/teach.js", "countWithin", "STRETCH_A_DAY"),
    ],
    "hours gaining little a day": [
      cut.never("behavior/teach.js", "hourHabit", "share"),
      cut.always("behavior/profile.js", "howToTeach", "riskOf"),
    ],
    "days of two zones being in their order": [
      cut.text(
        "behavior/teach.js",
        "beginHour",
        "seen.localDay <= (h[S.HOURS_DAY + seen.hour] ?? 0)",
        "seen.localDay === (h[S.HOURS_DAY + seen.hour] ?? 0)",
      ),
      cut.always("behavior/profile.js", "howToTeach", "riskOf"),
    ],
    "what is usual over days following slowly": [cut.call("behavior/teach.js", "follow", "min", "Math.min(Infinity, long)")],
  },
});

const FLAGS = 10_000;
const FINDINGS_MAX = 20;

threat("A15", "ten thousand flags in a minute are at most twenty findings, and leave the agent narrowed", {
  async check(tree) {
    const { Incidents } = await tree("findings/incidents.js");
    const { adjustAfter, UNWATCHED } = await tree("behavior/adjust.js");
    const incidents = new Incidents();
    const findings = new Set<string | null>();
    let watch = UNWATCHED;
    let narrowed = false;
    for (let i = 0; i < FLAGS; i++) {
      const time_ms = NOW + Math.floor((i * MINUTE_MS) / FLAGS);
      const one = sighted({ time_ms, purpose: `purpose_${i % 40}`, id: `I-${i}`, reasons: [flag(`code_${i % 997}`)] });
      findings.add(incidents.place(one));
      if (findings.size > FINDINGS_MAX) return `more than ${FINDINGS_MAX} findings`;
      const seen = { risk: 0, reasons: [], flagged: true, time_ms };
      const adjusted = adjustAfter(watch, seen, BEHAVIOR_DEFAULTS, { active: true, narrowing: null });
      watch = adjusted.watch;
      narrowed ||= adjusted.proposals.some(({ kind }) => kind === "narrow");
    }
    return narrowed ? null : "the agent goes on as it was";
  },
  without: {
    "the bound on incidents": [cut.always("findings/incidents.js", "place", "others")],
    "floods narrowing": [cut.never("behavior/adjust.js", "adjustAfter", "flags_ms")],
  },
});
