import { expect } from "chai";
import { BESIDE, bet, FALSE_A_YEAR, LABELLED, SHUFFLED } from "../../src/behavior/evidence.js";
import { BehaviorProfile } from "../../src/behavior/profile.js";
import type { Act, Assessment } from "../../src/contract/index.js";
import { act, bytesOf, DAY, HOUR, live, MONDAY, SECOND } from "./desk.js";
import { BESIDE_TASK, CONFIDENTIAL, tidy, visits, type Beside } from "./visits.js";

const WEEKS = 4;
const TICKETS = 20;
const STEPS: Partial<Act>[] = [
  { type: "ticket" },
  { type: "customer" },
  { type: "order" },
  { type: "invoice" },
  { verb: "update", verb_class: "write", type: "ticket" },
];
const IN_ORDER = [0, 1, 2, 3, 4];

/** A ticket's session: the steps in this order, and another customer read after the customer where `beside` says so. */
function* session(day: number, n: number, { order = IN_ORDER, beside = false } = {}): Generator<Act> {
  const task = `T-${day}-${n}`;
  const began = MONDAY + day * DAY + Math.floor((n * 8 * HOUR) / TICKETS);
  let at = began;
  const step = (over: Partial<Act>): Act => {
    at += 15 * SECOND;
    return act({ ...over, task, session: task, time_ms: at });
  };
  for (const k of order) {
    const type = STEPS[k]?.type ?? "";
    yield step({ ...STEPS[k], id: `${type}-${day}-${n}` });
    if (beside && type === "customer") yield step({ type, id: `other-${day}-${n}` });
  }
}

type Odd = NonNullable<Parameters<typeof session>[2]>;

/** Days of work of which some sessions are odd; returns what was said of each act. */
function days(profile: BehaviorProfile, from: number, count: number, odd: (day: number, n: number) => Odd = () => ({})): Assessment[] {
  const said: Assessment[] = [];
  for (let day = from; day < from + count; day++)
    for (let n = 0; n < TICKETS; n++) for (const one of session(day, n, odd(day, n))) said.push(live(profile, one));
  return said;
}

/** One in two hundred of its own sessions is out of order, and one in two hundred reads beside: nobody works by the book. */
const human = (day: number, n: number): Odd => {
  const k = (day * TICKETS + n) * 7919;
  if (k % 200 === 3) return { order: [0, 2, 1, 3, 4] };
  return k % 200 === 17 ? { beside: true } : {};
};

function desk(odd = human): BehaviorProfile {
  const profile = new BehaviorProfile({ agents_max: 9 });
  days(profile, 0, 7 * WEEKS, odd);
  return profile;
}

/** Its own steps, in an order that follows from the session's number. */
function shuffled(day: number, n: number): number[] {
  let seed = day * TICKETS + n + 1;
  return Array.from({ length: 8 }, () => (seed = (seed * 48_271) % 0x7fffffff) % STEPS.length);
}

const found = (said: Assessment[]): Assessment[] => said.filter(({ reasons }) => reasons.some((reason) => reason.includes("odds of")));

describe("evidence over sessions", () => {
  for (const test of [SHUFFLED, BESIDE, LABELLED])
    it(`is a fair bet in test ${test}: whoever is as always wins nothing on average`, () => {
      const rounds = 100_000;
      let won = 0;
      for (let i = 0; i < rounds; i++) won += bet(test, (i + 1) / rounds);
      expect(won / rounds).to.be.closeTo(1, 0.001);
      for (let i = 1; i < 1000; i++) expect(bet(test, i / 1000)).to.be.at.least(bet(test, (i + 1) / 1000));
    });

  it("names customers that are read beside the sessions' own, three a day, none of which is odd by itself", () => {
    const profile = desk();
    const said = days(profile, 28, 21, (day, n) => (n % 7 === 4 ? { beside: true } : human(day, n)));
    const [first] = found(said);
    expect(first?.reasons[0]).to.match(/^resources are read beside .* odds of \d+ to 1; by chance at most 2 such findings a year$/);
    expect(first?.risk).to.be.at.least(60);
    expect(first?.channels).to.have.property("drift");
    expect(
      said.filter(({ risk, reasons }) => risk >= 60 && !/odds of|is a finding$/.test(reasons[0] ?? "")),
      "flagged for themselves",
    ).to.be.empty;
  });

  it("names own steps in another order, a few sessions of a day", () => {
    const said = days(desk(), 28, 2, (day, n) => (n % 4 === 1 ? { order: shuffled(day, n) } : human(day, n)));
    const [first] = found(said);
    expect(first?.reasons[0]).to.match(/^its own steps come in another order/);
    expect(first?.channels).to.have.property("order");
  });

  it("says nothing of an agent that has always worked like that", () => {
    const always = (_day: number, n: number): Odd => (n % 10 === 4 ? { beside: true } : n % 10 === 7 ? { order: [0, 3, 2, 1, 4] } : {});
    expect(found(days(desk(always), 28, 28, always))).to.be.empty;
  });

  it("says nothing of years as they always were", () => {
    const said = days(desk(), 28, 365, human);
    expect(found(said).length).to.be.at.most(2 * FALSE_A_YEAR);
  });

  it("begins anew after a finding, and where a person lets the agent go on", () => {
    const bad = (day: number, n: number): Odd => (n % 7 === 4 ? { beside: true } : human(day, n));
    /** Works on; returns how many sessions it took, or NaN. */
    const untilFound = (profile: BehaviorProfile, from: number): number => {
      for (let n = from; n < from + 200; n++) {
        const [day, at] = [28 + Math.floor(n / TICKETS), n % TICKETS];
        const said = Array.from(session(day, at, bad(day, at)), (one) => live(profile, one));
        if (found(said).length > 0) return n - from + 1;
      }
      return Number.NaN;
    };
    const [left, forgiven] = [desk(), desk()];
    const first = untilFound(left, 0);
    expect(first).to.be.within(10, 100);
    expect(untilFound(left, first), "after the finding").not.to.be.within(1, 6);
    // A person looks when half of the evidence is there.
    const half = Math.ceil(first / 2);
    for (let n = 0; n < half; n++)
      for (const one of session(28 + Math.floor(n / TICKETS), n % TICKETS, bad(28, n % TICKETS))) live(forgiven, one);
    forgiven.forgive("support-7");
    expect(untilFound(forgiven, half)).not.to.be.at.most(first - half);
  });

  it("goes on over a restart, to the byte", () => {
    const bad = (_day: number, n: number): Odd => (n % 5 === 1 ? { beside: true } : {});
    const whole = desk();
    days(whole, 28, 2, bad);
    const again = BehaviorProfile.restore(bytesOf(whole), { agents_max: 9 }).profile;
    for (const one of [whole, again]) days(one, 30, 3, bad);
    expect(Buffer.compare(bytesOf(whole), bytesOf(again))).to.equal(0);
  });

  it("isn't escaped by naming a session anew for each act: none of its own begins like that", () => {
    const profile = desk();
    const said = Array.from({ length: 60 }, (_, n) =>
      live(profile, act({ id: `c-${n}`, task: `N-${n}`, session: `n-${n}`, time_ms: MONDAY + 28 * DAY + n * 600 * SECOND })),
    );
    expect(found(said)).not.to.be.empty;
  });
});

const foundLabelled = (said: Assessment[]): Assessment[] => found(said).filter(({ channels }) => "labels" in channels);
const practice = (beside = tidy, own?: Partial<Act>): BehaviorProfile => {
  const profile = new BehaviorProfile({ agents_max: 9 });
  visits(profile, 0, 7 * WEEKS, beside, own);
  return profile;
};

describe("evidence of what has labels", () => {
  const oneIn =
    (visits: number, more: readonly Partial<Act>[]): Beside =>
    (day, n) =>
      n % visits === visits - 1 ? more : tidy(day, n);
  const UNLABELLED = { type: "record" };
  const bad: readonly [what: string, own: Partial<Act> | undefined, more: readonly Partial<Act>[]][] = [
    ["records of others, one in a visit", undefined, [BESIDE_TASK, BESIDE_TASK]],
    [
      "records of who knows whom",
      undefined,
      [
        { ...CONFIDENTIAL, relation: "unknown" },
        { ...CONFIDENTIAL, relation: "unknown" },
      ],
    ],
    [
      "records without a task",
      undefined,
      [
        { ...CONFIDENTIAL, task: null },
        { ...CONFIDENTIAL, task: null },
      ],
    ],
    ["lists of records", undefined, Array.from({ length: 2 }, () => ({ ...BESIDE_TASK, verb: "list", id: null }))],
    ["eight more of the same patient", undefined, Array.from({ length: 8 }, () => CONFIDENTIAL)],
    ["records by an agent that never read one", UNLABELLED, [CONFIDENTIAL]],
    ["files of another label", undefined, [1, 2].map(() => ({ type: "file", labels: ["restricted"], relation: "other" }))],
  ];
  for (const [what, own, more] of bad)
    it(`names ${what}, in ${own === undefined ? "three" : "six"} visits of a day`, () => {
      const said = visits(practice(own === undefined ? tidy : () => [], own), 28, 21, oneIn(own === undefined ? 7 : 3, more), own);
      const [first] = foundLabelled(said);
      expect(first?.reasons.find((reason) => reason.includes("labelled"))).to.match(
        /^more resources labelled (confidential|restricted) are read than its sessions need, over .* odds of \d+ to 1; by chance at most 2 such findings a year$/,
      );
      expect(first?.risk).to.be.at.least(60);
      expect(first?.channels["labels"]).to.be.above(2);
    });

  const always = oneIn(7, [BESIDE_TASK, BESIDE_TASK]);
  const good: readonly [what: string, before: Beside, then: Beside][] = [
    ["that always worked like that", always, always],
    ["that is as tidy as ever", tidy, tidy],
    [
      "that looks up what it has known for days",
      (day, n) => (day >= 20 ? [{ ...BESIDE_TASK, id: `price-${n % 3}` }] : tidy(day, n)),
      oneIn(7, [{ ...BESIDE_TASK, id: "price-1" }]),
    ],
    [
      "that was given leave for each of them",
      tidy,
      oneIn(
        7,
        [BESIDE_TASK, BESIDE_TASK].map((one) => ({ ...one, granted: true })),
      ),
    ],
  ];
  for (const [what, before, then] of good)
    it(`says nothing of an agent ${what}`, () => {
      expect(foundLabelled(visits(practice(before), 28, 28, then))).to.be.empty;
    });

  it("stays at two findings a year and agent at most, of agents that are as they always were", () => {
    const said = visits(practice(), 28, 365, tidy);
    expect(foundLabelled(said).length).to.be.at.most(FALSE_A_YEAR);
  });

  it("has nothing of an agent that never reads what has labels", () => {
    const profile = practice(() => [], UNLABELLED);
    expect(profile.portrait("support-7")?.evidence.find(({ test }) => test === "labels")?.odds).to.equal(0);
  });

  it("goes on over a restart, to the byte", () => {
    const whole = practice();
    visits(whole, 28, 2, always);
    const again = BehaviorProfile.restore(bytesOf(whole), { agents_max: 9 }).profile;
    for (const one of [whole, again]) visits(one, 30, 3, always);
    expect(Buffer.compare(bytesOf(whole), bytesOf(again))).to.equal(0);
  });
});
