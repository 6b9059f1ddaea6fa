import { expect } from "chai";
import fc from "fast-check";
import {
  FLOOD,
  UNWATCHED,
  adjustAfter,
  adjustInQuiet,
  type Adjusted,
  type Proposal,
  type Standing,
  type Watch,
} from "../../src/behavior/adjust.js";
import { BEHAVIOR_DEFAULTS, type BehaviorPolicy } from "../../src/contract/index.js";

const NOW = Date.UTC(2026, 2, 3, 9);
const MINUTE_MS = 60_000;
const FREE: Standing = { active: true, narrowing: null };
const NARROWED: Standing = { active: true, narrowing: { below: 40, for_ms: 15 * MINUTE_MS } };
const BY_HAND: Standing = { active: true, narrowing: { below: null, for_ms: null } };
const SUSPENDED: Standing = { ...NARROWED, active: false };
const policy = (change: Partial<BehaviorPolicy> = {}): BehaviorPolicy => ({ ...BEHAVIOR_DEFAULTS, ...change });
const seen = (risk: number, time_ms = NOW, flagged = false) => ({ risk, reasons: ["odd"], flagged, time_ms });
const kinds = (proposals: readonly Proposal[]): string[] => proposals.map(({ kind }) => kind);

describe("adjusting what an agent may do to how it behaves", () => {
  const cases: [what: string, risk: number, policy: BehaviorPolicy, standing: Standing, proposed: string[]][] = [
    ["nothing odd", 0, policy(), FREE, []],
    ["what is only logged", 59, policy(), FREE, []],
    ["risk at the mark", 60, policy(), FREE, ["narrow"]],
    ["risk below the second mark", 84, policy(), FREE, ["narrow"]],
    ["risk at the second mark", 85, policy(), FREE, ["narrow", "suspend"]],
    ["the highest risk there is", 100, policy(), FREE, ["narrow", "suspend"]],
    ["a purpose that never narrows", 84, policy({ narrow: null }), FREE, []],
    ["a purpose that never narrows, and does suspend", 85, policy({ narrow: null }), FREE, ["suspend"]],
    ["a purpose that never suspends", 100, policy({ suspend: null }), FREE, ["narrow"]],
    ["a purpose that does neither", 100, policy({ narrow: null, suspend: null }), FREE, []],
    ["a purpose that is on its guard", 1, policy({ narrow: 1, suspend: 1 }), FREE, ["narrow", "suspend"]],
    ["a purpose for which anything will do", 0, policy({ narrow: 0 }), FREE, ["narrow"]],
    ["one that is narrowed already", 84, policy(), NARROWED, []],
    ["one that a person has narrowed", 84, policy(), BY_HAND, []],
    ["one that is narrowed and goes on", 85, policy(), NARROWED, ["suspend"]],
    ["one that a person has narrowed and goes on", 85, policy(), BY_HAND, ["suspend"]],
    ["one that is stopped", 100, policy(), SUSPENDED, []],
    ["one that is stopped and was never narrowed", 100, policy(), { active: false, narrowing: null }, []],
  ];
  for (const [what, risk, says, standing, proposed] of cases) {
    it(`proposes ${proposed.join(" and ") || "nothing"} for ${what} (risk ${risk})`, () => {
      expect(kinds(adjustAfter(UNWATCHED, seen(risk), says, standing).proposals)).to.deep.equal(proposed);
    });
  }

  it("says why, in words, and to what", () => {
    const { proposals } = adjustAfter(UNWATCHED, seen(91), policy(), FREE);
    expect(proposals).to.deep.equal([
      { kind: "narrow", reason: "risk 91 is at least 60", why: ["odd"], to: BEHAVIOR_DEFAULTS.narrowed },
      { kind: "suspend", reason: "risk 91 is at least 85", why: ["odd"] },
    ]);
  });

  it("never lets narrowing end where it would begin again, whatever a purpose says", () => {
    const narrowed = { actions_per_minute: 3, below: 80, for_ms: 1000 };
    const [proposal] = adjustAfter(UNWATCHED, seen(60), policy({ narrowed }), FREE).proposals;
    expect(proposal).to.deep.include({ to: { actions_per_minute: 3, below: 60, for_ms: 1000 } });
  });

  describe("lets a narrowed agent back", () => {
    const quiet = (watch: Watch, risk: number, minutes: number, standing = NARROWED) =>
      adjustInQuiet(watch, risk, NOW + minutes * MINUTE_MS, standing);

    it("once its risk has been below for long enough, though it does nothing, and not a moment sooner", () => {
      const began = quiet(UNWATCHED, 39, 0);
      expect(began.proposals).to.be.empty;
      expect(adjustInQuiet(began.watch, 0, NOW + 15 * MINUTE_MS - 1, NARROWED).proposals).to.be.empty;
      expect(quiet(began.watch, 0, 15).proposals).to.deep.equal([{ kind: "restore", reason: "risk has been below 40 for 15 min" }]);
    });

    it("at an action as well", () => {
      const { watch } = quiet(UNWATCHED, 10, 0);
      expect(kinds(adjustAfter(watch, seen(39, NOW + 15 * MINUTE_MS), policy(), NARROWED).proposals)).to.deep.equal(["restore"]);
    });

    it("again and again until somebody does it", () => {
      const { watch } = quiet(quiet(UNWATCHED, 10, 0).watch, 10, 15);
      expect(kinds(quiet(watch, 10, 16).proposals)).to.deep.equal(["restore"]);
    });

    const disturbed: [what: string, disturb: (watch: Watch) => Watch][] = [
      ["risk that is no longer below", (watch) => quiet(watch, 40, 14).watch],
      ["an action at that risk", (watch) => adjustAfter(watch, seen(40, NOW + 14 * MINUTE_MS), policy(), NARROWED).watch],
      ["an action that is flagged", (watch) => adjustAfter(watch, seen(0, NOW + 14 * MINUTE_MS, true), policy(), NARROWED).watch],
      ["a suspension, since who is stopped is calm for that alone", (watch) => quiet(watch, 0, 14, SUSPENDED).watch],
    ];
    for (const [what, disturb] of disturbed) {
      it(`and begins to wait anew after ${what}`, () => {
        const { watch } = quiet(disturb(quiet(UNWATCHED, 10, 0).watch), 10, 15);
        expect(quiet(watch, 10, 29).proposals).to.be.empty;
        expect(kinds(quiet(watch, 10, 30).proposals)).to.deep.equal(["restore"]);
      });
    }

    it("never while it is suspended, and never where a person narrowed it", () => {
      for (const standing of [SUSPENDED, BY_HAND, FREE]) {
        const { watch } = quiet(UNWATCHED, 0, 0, standing);
        expect(quiet(watch, 0, 60, standing).proposals).to.be.empty;
      }
    });

    it("no sooner where the clock is set back", () => {
      const { watch } = quiet(quiet(UNWATCHED, 0, 0).watch, 0, -60);
      expect(quiet(watch, 0, -46).proposals).to.be.empty;
      expect(kinds(quiet(watch, 0, -45).proposals)).to.deep.equal(["restore"]);
    });
  });

  describe("takes a flood of flags for a reason of its own", () => {
    const flood = (count: number, every_ms: number, says = policy(), flagged = true) => {
      let [watch, proposed] = [UNWATCHED, [] as readonly Proposal[]];
      for (let i = 0; i < count; i++)
        ({ watch, proposals: proposed } = adjustAfter(watch, seen(0, NOW + i * every_ms, flagged), says, FREE));
      return { watch, proposed };
    };

    it(`at ${FLOOD.flags} within a minute, however harmless each of them is`, () => {
      expect(flood(FLOOD.flags - 1, 0).proposed).to.be.empty;
      expect(flood(FLOOD.flags, 0).proposed).to.deep.include({
        kind: "narrow",
        reason: "30 flags within a minute",
        why: ["odd"],
        to: BEHAVIOR_DEFAULTS.narrowed,
      });
      expect(kinds(flood(FLOOD.flags, 2000).proposed)).to.deep.equal(["narrow"]);
    });

    const calm: [what: string, count: number, every_ms: number, says: BehaviorPolicy, flagged: boolean][] = [
      ["as many over a longer time", 500, 2069, policy(), true],
      ["as many actions that aren't flagged", 500, 0, policy(), false],
      ["flags for a purpose that never narrows", 500, 0, policy({ narrow: null }), true],
    ];
    for (const [what, count, every_ms, says, flagged] of calm) {
      it(`and not ${what}`, () => {
        expect(flood(count, every_ms, says, flagged).proposed).to.be.empty;
      });
    }

    it("once, and keeps no more of them than make a flood", () => {
      const { watch } = flood(FLOOD.flags, 0);
      expect(watch.flags_ms).to.be.empty;
      const kept = flood(500, 0, policy({ narrow: null })).watch;
      expect(kept.flags_ms).to.have.length(FLOOD.flags);
    });
  });

  describe("whatever an agent does and whenever it is looked at", () => {
    interface Step {
      risk: number;
      after_ms: number;
      flagged: boolean;
      acts: boolean;
    }
    const steps = fc.array(
      fc.record<Step>({
        risk: fc.oneof(fc.integer({ min: 0, max: 100 }), fc.constantFrom(0, 39, 40, 59, 60, 61, 84, 85)),
        after_ms: fc.oneof(fc.integer({ min: 0, max: 20 * MINUTE_MS }), fc.constantFrom(0, 1, MINUTE_MS)),
        flagged: fc.boolean(),
        acts: fc.boolean(),
      }),
      { minLength: 1, maxLength: 200 },
    );
    const policies = fc.record({
      narrow: fc.option(fc.integer({ min: 1, max: 100 })),
      suspend: fc.option(fc.integer({ min: 1, max: 100 })),
      below: fc.integer({ min: 0, max: 100 }),
      for_ms: fc.integer({ min: 0, max: 30 * MINUTE_MS }),
    });

    it("doesn't flap: it narrows only at the mark, and lets back only after calm of the whole time", () => {
      fc.assert(
        fc.property(steps, policies, (done, { narrow, suspend, below, for_ms }) => {
          const says = policy({ narrow, suspend, narrowed: { actions_per_minute: 1, below, for_ms } });
          let [watch, now]: [Watch, number] = [UNWATCHED, NOW];
          let narrowing: Standing["narrowing"] = null;
          /** Since when nothing was flagged or as high as what narrowing ends below. */
          let calm_since = Infinity;
          let flags: number[] = [];
          for (const { risk, after_ms, flagged, acts } of done) {
            now += after_ms;
            const standing: Standing = { active: true, narrowing };
            const adjusted: Adjusted = acts
              ? adjustAfter(watch, seen(risk, now, flagged), says, standing)
              : adjustInQuiet(watch, risk, now, standing);
            watch = adjusted.watch;
            if (acts && flagged) flags.push(now);
            const isCalm = risk < (narrowing?.below ?? -1) && !(acts && flagged);
            calm_since = isCalm ? Math.min(calm_since, now) : Infinity;
            for (const proposal of adjusted.proposals) {
              if (proposal.kind === "narrow") {
                expect([acts, narrow === null, narrowing]).to.deep.equal([true, false, null]);
                const flood = flags.filter((at) => at > now - FLOOD.within_ms).length >= FLOOD.flags;
                expect(flood || risk >= (narrow ?? Infinity)).to.be.true;
                narrowing = { below: proposal.to.below, for_ms: proposal.to.for_ms };
                expect(proposal.to.below).to.be.at.most(narrow ?? 0);
                calm_since = Infinity;
                flags = [];
              } else if (proposal.kind === "suspend") expect(acts && risk >= (suspend ?? Infinity)).to.be.true;
              else {
                expect(now - calm_since).to.be.at.least(for_ms);
                narrowing = null;
              }
            }
            if (acts && narrow !== null && risk >= narrow) expect(narrowing).not.to.be.null;
            if (acts && suspend !== null && risk >= suspend) expect(kinds(adjusted.proposals)).to.include("suspend");
          }
        }),
        { numRuns: 1000 },
      );
    });
  });
});
