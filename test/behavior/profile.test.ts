import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { BehaviorProfile } from "../../src/behavior/profile.js";
import { remember, remembered } from "../../src/behavior/score.js";
import { agentSlab } from "../../src/behavior/slab.js";
import { NOTHING_ODD, type Act, type Assessment, type BehaviorChannel } from "../../src/contract/index.js";
import { act, bytesOf, DAY, HOUR, live, MINUTE, MONDAY, paid, payment, SECOND, shift, work } from "./desk.js";
import { DAYS, TEAM, team, THEN } from "./team.js";

/** What a reader of the log would see of these acts. */
const channelsOf = (all: readonly Assessment[]): Set<string> => new Set(all.flatMap((one) => Object.keys(one.channels)));
const mostOf = (all: readonly Assessment[]): number => Math.max(...all.map(({ risk }) => risk));
const series = (count: number, each: (i: number) => Partial<Act>): Act[] =>
  Array.from({ length: count }, (_, i) => act({ time_ms: THEN + i * 5 * SECOND, session: "s-x", task: "T-x", ...each(i) }));

interface Case {
  acts: Act[];
  channel: BehaviorChannel;
  risk: number;
  reason: RegExp;
  outcome?: "deny";
}

const ODD: Record<string, Case> = {
  "a type that it and its peers never touched, without a task": {
    acts: series(3, (i) => ({ type: "payroll", id: `p-${i}`, task: null, relation: "unknown" })),
    channel: "what",
    risk: 60,
    reason: /first time it touches payroll; no other agent of customer_support ever did/,
  },
  "a verb it never used on what it knows": {
    acts: series(2, () => ({ verb: "export", type: "customer" })),
    channel: "what",
    risk: 40,
    reason: /first time it does export customer/,
  },
  "its own work, in the middle of the night": {
    acts: [...shift({ from: DAYS, days: 1 })].slice(0, 48).map((one) => ({ ...one, time_ms: one.time_ms - 6 * HOUR })),
    channel: "hour",
    risk: 25,
    reason: /hour \d\d has 0.* of its activity/,
  },
  "one customer after another": {
    acts: series(60, (i) => ({ id: `x-${i}` })),
    channel: "fan_out",
    risk: 85,
    reason: /\d+ distinct (customer in 10 min|resources in one session); usual at most \d+/,
  },
  "the same customer, as fast as it goes": {
    acts: series(200, (i) => ({ time_ms: THEN + i * 200, id: "c-1" })),
    channel: "rate",
    risk: 60,
    reason: /\d+ acts (in 2 min|on customer in 5 min); usual at most \d+/,
  },
  "its own work, at more tasks at once than it ever was": {
    acts: series(60, (i) => ({
      ...[{ type: "ticket" }, { id: `c-${i % 9}` }, { type: "order", id: `o-${i % 9}` }][i % 3],
      session: `s-x-${Math.floor(i / 3)}`,
      task: `T-x-${Math.floor(i / 3)}`,
      time_ms: THEN + i * 15 * SECOND,
    })),
    channel: "rate",
    risk: 60,
    reason: /\d+ sessions begun in 10 min; usual at most [1-4]$/m,
  },
  "its own steps, backwards, again and again": {
    acts: series(24, (i) => ({
      ...(i % 2 === 0 ? { type: "order", id: "o-1" } : { verb: "update", type: "ticket", id: "T-x" }),
    })),
    channel: "order",
    risk: 20,
    reason: /unusual order|hardly ever seen/,
  },
  "no task, where all it does has one": {
    acts: series(3, (i) => ({ task: null, relation: "unknown", id: `c-${i}`, time_ms: THEN + i * MINUTE })),
    channel: "ticket",
    risk: 1,
    reason: /no task; 100 % of its customer acts have one/,
  },
  "another subject than the task's": {
    acts: series(3, (i) => ({ relation: "other", id: `c-${i}`, time_ms: THEN + i * MINUTE })),
    channel: "ticket",
    risk: 1,
    reason: /about another subject than its task's/,
  },
  "one kind of act after another, all denied": {
    acts: series(12, (i) => ({ verb: ["read", "update", "export"][i % 3] ?? "", type: `secret_${i}`, id: "k" })),
    channel: "denies",
    risk: 85,
    reason: /\d+ kinds of action denied in 15 min/,
    outcome: "deny",
  },
};

describe("what is usual for an agent", () => {
  for (const [name, { acts, channel, risk, reason, outcome }] of Object.entries(ODD)) {
    it(`is not: ${name}`, () => {
      const profile = team();
      const found = acts.map((one) => live(profile, one, outcome));
      expect(channelsOf(found)).to.include(channel);
      expect(mostOf(found)).to.be.at.least(risk);
      expect(found.flatMap(({ reasons }) => reasons).join("\n")).to.match(reason);
      for (const one of found.filter((each) => each.risk >= 25)) expect(one.reasons).to.have.lengthOf.within(1, 3);
    });
  }

  it("is another ordinary day, of which nothing is said, with the same object", () => {
    const profile = team();
    const found = work(profile, shift({ from: DAYS, days: 1 }));
    expect(mostOf(found)).to.be.below(25);
    expect(found.filter((one) => one === NOTHING_ODD).length).to.be.above(found.length * 0.9);
  });

  it("is not a token used elsewhere, while the agent goes on where it always was", () => {
    const profile = team();
    const thief = [...shift({ from: DAYS, days: 1, tickets: 20 })].map((one) => ({
      ...one,
      source: "wl-99",
      session: `x${one.session ?? ""}`,
    }));
    const owner = [...shift({ from: DAYS, days: 1, tickets: 20 })];
    const both = [...thief, ...owner].sort((a, b) => a.time_ms - b.time_ms);
    const found = both.map((one) => ({ one, said: live(profile, one) }));
    const risks = (source: string): number => mostOf(found.filter(({ one }) => one.source === source).map(({ said }) => said));
    expect(risks("wl-99")).to.be.at.least(60);
    expect(found.flatMap(({ said }) => said.reasons).join("\n")).to.match(/used from wl-99 while its established sources go on/);
  });

  for (const [minutes, within] of [
    [1, true],
    [15, true],
    [16, false],
    [240, false],
  ] as const)
    it(`${within ? "isn't" : "is"} another source ${minutes} min after the established one was last used`, () => {
      const [profile, unknown] = [team(), team()];
      const last = act({ type: "ticket", id: "T-1", session: "own", time_ms: THEN });
      work(profile, [last]);
      const first = { ...last, source: "wl-99", session: "new", time_ms: THEN + minutes * MINUTE };
      const said = profile.scoreOf(first);
      // By itself it is no flag: workloads are also scaled out.
      expect(profile.assess(first).risk).to.be.below(60);
      // Where nothing was in use before, the same act is as unknown.
      expect(said - unknown.scoreOf(first)).to.satisfy((more: number) => (within ? more > 1 : Math.abs(more) < 0.5), `${said}`);
      // And so are those that follow from there, for a while.
      profile.learn(first, "allow");
      const next = { ...first, time_ms: first.time_ms + MINUTE, id: "T-2" };
      expect(profile.assess(next).reasons.join("\n").includes("while its established sources go on")).to.equal(within);
    });

  it("is a workload that was moved: its old source falls silent", () => {
    const profile = team();
    const moved = [...shift({ from: DAYS, days: 2 })].map((one) => ({ ...one, source: "wl-2" }));
    expect(mostOf(work(profile, moved))).to.be.below(60);
  });

  it("is a session of its own after four hours of silence, under the same name", () => {
    const said = (gap: number): string => {
      const profile = team();
      return work(
        profile,
        series(30, (i) => ({ id: `x-${i}`, time_ms: THEN + i * gap })),
      )
        .flatMap(({ reasons }) => reasons)
        .join("\n");
    };
    expect(said(4 * HOUR)).to.match(/distinct resources in one session/);
    expect(said(4 * HOUR + SECOND)).to.not.match(/distinct resources in one session/);
  });

  it("isn't a payee that was paid on three days by odd payments; is one after three ordinary ones", () => {
    const first = 20;
    const scoreAfter = (payments: number, oddity: Partial<Act> = {}): number => {
      const profile = new BehaviorProfile({ agents_max: 9 });
      for (let day = 0; day < first + payments; day++) {
        if (day >= first) live(profile, payment(day, 5, { id: "mine", ...oddity }));
        work(profile, paid(day));
      }
      return profile.scoreOf(payment(first + payments, 1, { id: "mine" }));
    };
    const unknown = scoreAfter(0);
    expect(scoreAfter(3)).to.be.below(unknown);
    expect(scoreAfter(3, { source: "w-9", task: null })).to.be.at.least(unknown);
  });

  it("is what a person has approved, however much it is, and it teaches nothing", () => {
    const profile = team();
    const before = work(
      profile,
      series(2, () => ({ verb: "export", granted: true })),
    );
    expect(
      mostOf([
        ...before,
        ...work(
          profile,
          series(300, (i) => ({ id: `x-${i}`, granted: true })),
        ),
      ]),
    ).to.equal(0);
    expect(profile.portrait("support-7")?.habits.map(({ verb }) => verb)).to.not.include("export");
  });

  it("began with the earliest of its acts, in whatever order they are heard of", () => {
    const times = [3, 0, 5, 1].map((second) => MONDAY + second * SECOND);
    for (const order of [times, times.toReversed(), times.toSorted()]) {
      const profile = new BehaviorProfile({ agents_max: 10 });
      for (const time_ms of order) profile.learn(act({ time_ms }), "allow");
      const { first_ms, last_ms } = profile.portrait("support-7") ?? {};
      expect([first_ms, last_ms], order.join()).to.deep.equal([MONDAY, MONDAY + 5 * SECOND]);
    }
  });

  it("is what a person finds expected, at the hour at which it was done", () => {
    const profile = team();
    const night = act({ type: "ticket", id: "T-1", time_ms: MONDAY + DAYS * DAY - 5 * HOUR });
    live(profile, night, "flag");
    work(profile, shift({ from: DAYS, days: 1 }));
    const share = (hour: number): number => profile.portrait("support-7")?.hours[hour] ?? Number.NaN;
    const before = [share(3), share(15)];
    profile.markExpected(night);
    expect(share(3)).to.be.above(before[0] ?? 1);
    expect(share(15)).to.be.at.most(before[1] ?? 0);
  });

  it("helps a newcomer with what its peers do, and says so of nothing else", () => {
    const profile = team();
    const newcomer = work(profile, shift({ agent: "support-new", from: DAYS, days: 2 }));
    expect(mostOf(newcomer)).to.be.below(25);
  });

  it("doesn't excuse an old hand with what its peers do", () => {
    const profile = team();
    for (let day = 0; day < 5; day++)
      for (let i = 0; i < 40; i++)
        live(
          profile,
          act({ agent: "support-1", verb: "refund", type: "order", id: `o-${i}`, time_ms: MONDAY + (DAYS + day) * DAY + i * 10 * MINUTE }),
        );
    const [first] = work(profile, [act({ verb: "refund", type: "order", time_ms: THEN + 5 * DAY })]);
    expect(first?.channels["what"]).to.be.at.least(2);
    expect(first?.reasons.join()).to.match(/first time it does refund order; 1 others of customer_support do/);
  });

  it("is half excused if three peers do it, and not at all if one does", () => {
    const after = (peers: number): number => {
      const profile = team();
      for (let day = 0; day < 3; day++)
        for (let i = 0; i < 5; i++)
          for (const agent of TEAM.slice(0, peers))
            live(profile, act({ agent, verb: "export", type: "payroll", id: "p-1", time_ms: MONDAY + (DAYS + day) * DAY + i * HOUR }));
      // Five days later it is no release any more.
      return profile.scoreOf(act({ verb: "export", type: "payroll", id: "p-1", time_ms: THEN + 8 * DAY }));
    };
    expect(after(1)).to.be.closeTo(after(0), 0.2);
    expect(after(3)).to.be.below(after(0) - 1);
  });

  it("remembers acts that are equally odd as at most four of them, and one that is odder as more", () => {
    const own = agentSlab();
    for (let i = 0; i < 100; i++) remember(own, 1000, 2, false);
    expect(remembered(own, 1000)).to.equal(8);
    remember(own, 1000, 0.5, false);
    expect(remembered(own, 1000), "a lesser act takes nothing away").to.equal(8);
    remember(own, 1000, 3, false);
    expect(remembered(own, 1000)).to.equal(11);
    for (let i = 0; i < 3; i++) remember(own, 1000, 2, true);
    expect(remembered(own, 1000), "whoever goes on though denied adds up").to.equal(17);
  });

  it("takes up with what several peers have begun to do: a release", () => {
    const [alone, together] = [team(), team()];
    const at = (day: number, i: number): number => MONDAY + (DAYS + day) * DAY + (1 + i) * HOUR;
    for (let day = 0; day < 2; day++)
      for (const agent of TEAM.slice(0, 4))
        for (let i = 0; i < 5; i++) live(together, act({ agent, verb: "refund", type: "order", id: "o-1", time_ms: at(day, i) }));
    const score = (profile: BehaviorProfile): number =>
      profile.scoreOf(act({ verb: "refund", type: "order", id: "o-1", time_ms: at(1, 0) }));
    expect(score(together)).to.be.below(score(alone) / 2);
  });

  it("is assessed without being changed, and the same act is the same again", () => {
    const profile = team();
    const before = bytesOf(profile);
    const said = series(50, (i) => ({ id: `x-${i}` })).map((one) => profile.assess(one));
    expect(Buffer.compare(bytesOf(profile), before)).to.equal(0);
    const again = series(50, (i) => ({ id: `x-${i}` })).map((one) => profile.assess(one));
    expect(again).to.deep.equal(said);
  });

  it("fades: risk that nothing feeds is gone after some hours", () => {
    const profile = team();
    for (const one of series(60, (i) => ({ id: `x-${i}` }))) live(profile, one);
    const after = (ms: number): number => profile.riskOf("support-7", THEN + 5 * MINUTE + ms);
    expect(after(0)).to.be.above(85);
    expect(after(30 * MINUTE)).to.be.below(after(0));
    expect(after(3 * HOUR)).to.be.below(5);
  });

  it("is forgiven by a person: the next harmless act is harmless", () => {
    const profile = team();
    for (const one of series(60, (i) => ({ id: `x-${i}` }))) live(profile, one);
    expect(profile.assess(act({ type: "ticket", id: "T-9", session: "s-9", time_ms: THEN + 6 * MINUTE })).risk).to.be.above(60);
    profile.forgive("support-7");
    expect(profile.assess(act({ type: "ticket", id: "T-9", session: "s-9", time_ms: THEN + 6 * MINUTE })).risk).to.be.below(25);
    expect(profile.riskOf("support-7", THEN + 6 * MINUTE)).to.equal(0);
  });

  it("becomes what a person marks as expected", () => {
    const profile = team();
    const odd = act({ verb: "export", type: "payroll", id: "p-1", task: null, relation: "unknown", time_ms: THEN });
    const before = profile.scoreOf(odd);
    for (let i = 0; i < 3; i++) live(profile, { ...odd, time_ms: THEN + i * SECOND }, "flag");
    profile.markExpected(odd);
    const after = profile.scoreOf({ ...odd, time_ms: THEN + DAY });
    expect(before).to.be.above(9);
    expect(after).to.be.below(5);
  });

  it("is the same to the byte in another process, whatever came between", () => {
    const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
    const here = digest(bytesOf(team()));
    expect(digest(bytesOf(team()))).to.equal(here);
    const program = fileURLToPath(new URL("./fold_process.js", import.meta.url));
    expect(execFileSync(process.execPath, [program], { encoding: "utf8" }).trim()).to.equal(here);
  });
});
