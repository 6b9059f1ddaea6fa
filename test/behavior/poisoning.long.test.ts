import { expect } from "chai";
import fc from "fast-check";
import { BehaviorProfile } from "../../src/behavior/profile.js";
import type { Act } from "../../src/contract/index.js";
import { act, bytesOf, DAY, HOUR, live, MINUTE, MONDAY, paid, payment, SECOND, shift, work } from "./desk.js";
import { DAYS, team, THEN } from "./team.js";

const AGENT = "support-7";
/** Days of payments before an agent is tried. */
const PAID_DAYS = 20;

/** `count` distinct customers in a row, on a day, and the day's own work before. */
function* binge(day: number, count: number, gap = 5 * SECOND): Generator<ReturnType<typeof act>> {
  for (let i = 0; i < count; i++)
    yield act({
      id: `x-${day}-${i}`,
      task: `B-${day}`,
      session: `b-${day}`,
      time_ms: MONDAY + day * DAY + 9 * HOUR + i * gap,
    });
}

const usualOf = (profile: BehaviorProfile): number => {
  const of = profile.portrait(AGENT)?.usual.types.find(({ type }) => type === "customer");
  return of?.distinct_in_10_min ?? Number.NaN;
};
const nightOf = (profile: BehaviorProfile): number => (profile.portrait(AGENT)?.hours ?? []).slice(1, 6).reduce((a, b) => a + b, 0);

/** From this risk on an act is odd, and what was met in it doesn't become known by it. */
const ODD_FROM_RISK = 15;
/** An agent that has paid for some weeks, or another like it. */
function payer(like?: BehaviorProfile): BehaviorProfile {
  if (like !== undefined) return BehaviorProfile.restore(bytesOf(like), { agents_max: 9 }).profile;
  const profile = new BehaviorProfile({ agents_max: 9 });
  for (let day = 0; day < PAID_DAYS; day++) work(profile, paid(day));
  return profile;
}

/** Hour of a payment, and what isn't as it usually is. */
const ODDITY = fc.tuple(
  fc.integer({ min: 0, max: 40 }),
  fc.constantFrom<Partial<Act>[]>(
    {},
    { task: null },
    { relation: "other" },
    { verb: "update" },
    { source: "w-2" },
    { source: "w-3", task: null },
  ),
);

describe("an adversary who knows the algorithm and controls what one agent is allowed", () => {
  it("raises no limit by doing much of it: what is flagged teaches nothing", () => {
    const [guarded, unguarded] = [team(), team({ guarded: false })];
    const before = usualOf(guarded);
    for (const profile of [guarded, unguarded]) for (let day = DAYS; day < DAYS + 7; day++) work(profile, binge(day, 300));
    expect(usualOf(guarded)).to.be.at.most(2 * before);
    expect(usualOf(unguarded), "with the guard taken out").to.be.above(4 * before);
    const risk = (profile: BehaviorProfile): number => Math.max(...work(profile, binge(DAYS + 8, 40)).map((one) => one.risk));
    expect(risk(guarded)).to.be.at.least(60);
  });

  it("gains at most one step of half an octave a day by staying just below a flag, whatever it tries", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 120 }), fc.integer({ min: 1, max: 30 })), {
          minLength: 3,
          maxLength: 8,
        }),
        (days) => {
          const profile = team();
          days.forEach(([count, seconds], i) => {
            const before = usualOf(profile);
            for (const one of binge(DAYS + i, count, seconds * SECOND)) {
              // It stops where it sees that it would be flagged.
              if (profile.assess(one).risk >= 60) break;
              live(profile, one);
            }
            expect(usualOf(profile)).to.be.at.most(before * Math.SQRT2 * Math.SQRT2 + 1);
          });
        },
      ),
      { numRuns: 12, seed: 7 },
    );
  });

  it("makes no habit of a kind of act in less than three days, and each of them is seen", () => {
    const profile = team();
    const seen: number[] = [];
    for (let day = DAYS; day < DAYS + 3; day++)
      for (let i = 0; i < 30; i++)
        seen.push(
          live(profile, act({ type: "ledger", id: `l-${i}`, time_ms: MONDAY + day * DAY + i * 10 * MINUTE })).channels["what"] ?? 0,
        );
    expect(Math.max(...seen.slice(0, 30))).to.be.at.least(2);
    expect(Math.max(...seen.slice(60))).to.be.at.least(2);
  });

  it("makes no working hours of the night: an hour gains little a day", () => {
    const night = (profile: BehaviorProfile): void => {
      for (let day = DAYS; day < DAYS + 3; day++)
        for (let i = 0; i < 400; i++)
          live(profile, act({ type: "ticket", id: "T-1", time_ms: MONDAY + day * DAY - 5 * HOUR + i * 9 * SECOND }));
    };
    const [guarded, unguarded] = [team(), team({ guarded: false })];
    night(guarded);
    night(unguarded);
    expect(nightOf(guarded)).to.be.below(0.04);
    expect(nightOf(unguarded), "with the guard taken out").to.be.above(0.3);
  });

  it("makes none of them by working in two time zones at once either", () => {
    /** One hour of the night of two purposes, whose zones are an hour apart; and what the riskiest act of each night was. */
    const nights = (turns: (i: number) => boolean): number[] => {
      const profile = team();
      return Array.from({ length: 5 }, (_, night) => {
        const said = Array.from({ length: 60 }, (__, i) => {
          const zoned = turns(i) ? { offset_ms: HOUR } : { purpose: "billing" };
          return live(
            profile,
            act({ ...zoned, type: "ticket", id: "T-1", time_ms: MONDAY + (DAYS + night) * DAY - 7 * HOUR + i * MINUTE }),
          );
        });
        return Math.max(...said.map(({ risk }) => risk));
      });
    };
    const [apart, alternating] = [nights((i) => i < 30), nights((i) => i % 2 === 0)];
    for (const [night, risk] of apart.entries()) expect(alternating[night], `night ${night + 1}`).to.be.within(risk - 10, risk + 10);
  });

  it("doesn't buy trust for a payee by paying it often on one day", () => {
    const pay = (profile: BehaviorProfile, id: string, day: number): void => {
      for (let i = 0; i < 40; i++)
        live(profile, act({ type: "payee", id: id === "" ? `p-${i % 10}` : id, time_ms: MONDAY + day * DAY + i * 10 * MINUTE }));
    };
    const said = (guarded: boolean): number => {
      const profile = new BehaviorProfile({ agents_max: 9, guarded });
      for (let day = 0; day < 40; day++) pay(profile, "", day);
      pay(profile, "mine", 40);
      return profile.assess(act({ type: "payee", id: "mine", time_ms: MONDAY + 41 * DAY + HOUR })).channels["resource"] ?? 0;
    };
    expect(said(true)).to.be.at.least(2);
    expect(said(false), "with the guard taken out").to.equal(0);
  });

  it("makes no payee known by odd acts, however odd and on however many days", () => {
    const learned = payer();
    let odd = 0;
    fc.assert(
      fc.property(fc.array(fc.array(ODDITY, { minLength: 1, maxLength: 5 }), { minLength: 3, maxLength: 10 }), (days) => {
        const profile = payer(learned);
        days.forEach((oddities, i) => {
          for (const [n, oddity] of oddities) {
            const one = payment(PAID_DAYS + i, n, { id: "mine", ...oddity });
            const { risk } = profile.assess(one);
            // From there on it is odd, and teaches all the same where it isn't flagged.
            if (risk < ODD_FROM_RISK || risk >= 60) continue;
            odd++;
            live(profile, one);
          }
          work(profile, paid(PAID_DAYS + i));
        });
        const next = (id: string): number => profile.scoreOf(payment(PAID_DAYS + days.length, 1, { id }));
        expect(next("mine")).to.equal(next("never met"));
      }),
      { numRuns: 60, seed: 7 },
    );
    expect(odd).to.be.above(500);
  });

  it("makes a payee known by three days of ordinary payments, which an odd one before doesn't shorten", () => {
    const knownAfter = (oddities: number): number => {
      const profile = payer();
      for (let i = 0; i < oddities; i++) {
        const one = payment(PAID_DAYS + i, 5, { id: "mine", source: `w-${i}`, task: null });
        expect(profile.assess(one).risk).to.be.within(ODD_FROM_RISK, 59);
        live(profile, one);
        work(profile, paid(PAID_DAYS + i));
      }
      for (let day = 0; ; day++) {
        const next = (id: string): number => profile.scoreOf(payment(PAID_DAYS + oddities + day, 1, { id }));
        if (next("mine") < next("never met")) return day;
        live(profile, payment(PAID_DAYS + oddities + day, 1, { id: "mine" }));
        work(profile, paid(PAID_DAYS + oddities + day));
      }
    };
    expect([0, 1, 3, 6].map(knownAfter)).to.deep.equal([3, 3, 3, 3]);
  });

  it("is the same session again only for so long as it isn't silent", () => {
    const profile = team();
    const began = MONDAY + DAYS * DAY;
    for (let i = 0; i < 120; i++)
      live(profile, act({ session: "long", task: "T-9", id: `c-${9000 + i}`, time_ms: began + i * 20 * SECOND }));
    const next = (session: string, after: number): number =>
      profile.scoreOf(act({ session, task: "T-9", id: "c-9999", time_ms: began + 40 * MINUTE + after }));
    expect(next("long", 3 * HOUR), "a pause").not.to.equal(next("another", 3 * HOUR));
    expect(next("long", 5 * HOUR), "the next morning").to.equal(next("another", 5 * HOUR));
  });

  it("feeds nothing but denies with what is denied", () => {
    const profile = team();
    const before = { ...profile.portrait(AGENT), risk: 0, last_ms: 0, checkpoints_ms: [] };
    for (let i = 0; i < 500; i++) live(profile, act({ verb: "delete", type: "vault", id: `v-${i}`, time_ms: THEN + i * SECOND }), "deny");
    expect({ ...profile.portrait(AGENT), risk: 0, last_ms: 0, checkpoints_ms: [] }).to.deep.equal(before);
  });

  it("makes no room for other kinds by being denied one thing over and over", () => {
    const profile = team();
    for (let i = 0; i < 600; i++) live(profile, act({ verb: "export", type: "vault", id: "v-1", time_ms: THEN + i * 100 }), "deny");
    const probes = Array.from({ length: 12 }, (_, i) =>
      live(profile, act({ verb: "read", type: `secret_${i}`, id: "k", time_ms: THEN + 2 * MINUTE + i * SECOND }), "deny"),
    );
    expect(probes.at(-1)?.channels["denies"]).to.be.at.least(4);
    expect(probes.at(-1)?.risk).to.be.at.least(85);
  });

  it("covers nobody who uses its token elsewhere by naming many sources before", () => {
    const profile = team();
    for (let i = 0; i < 12; i++)
      live(profile, act({ source: `made-up-${i}`, session: `m-${i}`, time_ms: MONDAY + DAYS * DAY - HOUR + i * MINUTE }));
    const owner = [...shift({ from: DAYS, days: 1, tickets: 20 })];
    const thief = owner.map((one) => ({ ...one, source: "wl-99", session: `x${one.session ?? ""}` }));
    const both = [...owner, ...thief].sort((a, b) => a.time_ms - b.time_ms);
    const said = both.map((one) => ({ one, found: live(profile, one) }));
    const named = said.filter(({ one, found }) => one.source === "wl-99" && "source" in found.channels);
    expect(named.length).to.be.at.least(thief.length / 2);
  });

  it("learns nothing from what policy flagged", () => {
    const profile = team();
    const habits = profile.portrait(AGENT)?.habits;
    for (let i = 0; i < 50; i++) live(profile, act({ type: "ledger", id: `l-${i}`, time_ms: THEN + i * 10 * MINUTE }), "flag");
    expect(profile.portrait(AGENT)?.habits).to.deep.equal(habits);
  });
});

/** Days of work that grow by a share each; of each day how many times the usual it was, up to where it was named. */
function ramp(profile: BehaviorProfile, share: number, days: number): { times: number; named: boolean }[] {
  let before = 1;
  return Array.from({ length: days }, (_, i) => {
    const times = (1 + share) ** (i + 1);
    const said = work(profile, shift({ from: DAYS + i, days: 1, tickets: Math.round(24 * times) }));
    const at = said.findIndex((one) => "drift" in one.channels || one.risk >= 60);
    const had = at < 0 ? times : Math.max(before, (times * at) / said.length);
    before = times;
    return { times: had, named: at >= 0 };
  });
}

describe("what is slow", () => {
  for (const percent of [1, 2, 5, 10, 20]) {
    it(`is named before it has doubled, at ${percent} % a day`, () => {
      const days = Math.ceil(Math.log(2) / Math.log(1 + percent / 100));
      const first = ramp(team(), percent / 100, days).find(({ named }) => named);
      expect(first?.times).to.be.below(2);
    });
  }

  it("leaves what is usual over days within a tenth, after thirty days of it", () => {
    const norm = (profile: BehaviorProfile): number =>
      profile.portrait(AGENT)?.usual.types.find(({ type }) => type === "customer")?.distinct_in_a_week ?? Number.NaN;
    const [clean, poisoned] = [team(), team()];
    ramp(clean, 0, 30);
    ramp(poisoned, 0.03, 30);
    expect(norm(poisoned) / norm(clean)).to.be.within(0.9, 1.1);
  });

  for (const [name, extra] of Object.entries({
    "a third more": 8,
    "half more": 12,
    "twice as much": 24,
    "four times as much": 72,
  })) {
    it(`is named before twice a week's usual was taken beside it: ${name} each day`, () => {
      const profile = team();
      let taken = 0;
      let named = false;
      for (let day = DAYS; !named && day < DAYS + 60; day++) {
        work(profile, shift({ from: day, days: 1 }));
        for (let i = 0; i < extra && !named; i++) {
          taken++;
          const one = act({
            id: `drip-${day}-${i}`,
            task: `T-${day}-${i}`,
            session: `d-${day}-${i}`,
            time_ms: MONDAY + day * DAY + 8 * HOUR + i * MINUTE * 5,
          });
          named = "drift" in live(profile, one).channels;
        }
      }
      expect(named).to.equal(true);
      expect(taken).to.be.below(2 * 7 * 24);
    });
  }

  it("isn't named where weeks are as they always were", () => {
    const profile = team();
    const said = ramp(profile, 0, 28);
    expect(said.filter(({ named }) => named)).to.deep.equal([]);
  });
});
