/** Adjustments with the profile that they go by: facts do at once what is proposed, and people lift it. */
import { expect } from "chai";
import { UNWATCHED, adjustAfter, adjustInQuiet, type Standing, type Watch } from "../../src/behavior/adjust.js";
import { BehaviorProfile } from "../../src/behavior/profile.js";
import { BEHAVIOR_DEFAULTS, type Act } from "../../src/contract/index.js";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const START = Date.UTC(2026, 2, 2);

/** An agent at work: its profile, what it is left with, and what became of it, in order. */
class AtWork {
  readonly profile = new BehaviorProfile({ agents_max: 100 });
  now = START;
  standing: Standing = { active: true, narrowing: null };
  watch: Watch = UNWATCHED;
  readonly told: string[] = [];
  risk = 0;
  #tickets = 0;

  act(changes: Partial<Act> = {}): void {
    const act: Act = {
      agent: "support-7",
      version: "1",
      owner: "",
      purpose: "support",
      verb: "read",
      verb_class: "read",
      type: "customer",
      id: `c-${this.#tickets % 40}`,
      task: `T-${this.#tickets}`,
      relation: "task",
      session: `s-${this.#tickets}`,
      source: "wl-1",
      granted: false,
      amount: 1,
      time_ms: this.now,
      offset_ms: 0,
      ...changes,
    };
    const assessed = this.profile.assess(act);
    this.risk = assessed.risk;
    const outcome = this.risk >= 60 ? "flag" : this.risk >= 25 ? "log" : "allow";
    this.profile.learn(act, outcome);
    this.#take(adjustAfter(this.watch, { ...assessed, flagged: outcome === "flag", time_ms: this.now }, BEHAVIOR_DEFAULTS, this.standing));
  }

  /** One ticket: its customer and an invoice of that one. */
  ticket(): void {
    this.#tickets++;
    this.act({ type: "ticket", id: `t-${this.#tickets}` });
    for (const changes of [{}, { type: "invoice", id: `i-${this.#tickets % 40}` }]) {
      this.now += 20_000;
      this.act(changes);
    }
  }

  /** Working days from nine to five, a ticket every twenty minutes. */
  days(count: number): void {
    for (let day = 0; day < count; day++) {
      const morning = START + Math.floor((this.now - START) / DAY_MS + 1) * DAY_MS + 9 * HOUR_MS;
      for (let at = 0; at < 8 * HOUR_MS; at += 20 * MINUTE_MS) {
        this.now = morning + at;
        this.ticket();
      }
    }
  }

  /** Customers that are none of its ticket's, one after another, until something is done about it. */
  takes(count: number, until: () => boolean): number {
    for (let i = 0; i < count; i++) {
      if (until()) return i;
      this.now += 500;
      this.act({ id: `other-${this.now}-${i}`, relation: "other" });
    }
    return count;
  }

  /** Nothing happens, and somebody looks every second. */
  quiet(ms: number): void {
    for (const end = this.now + ms; this.now < end; this.now += 1000)
      this.#take(adjustInQuiet(this.watch, this.profile.riskOf("support-7", this.now), this.now, this.standing));
  }

  lift(tellsProfile = true): void {
    if (tellsProfile) this.profile.forgive("support-7");
    this.watch = UNWATCHED;
    this.standing = { active: true, narrowing: null };
  }

  #take({ watch, proposals }: ReturnType<typeof adjustAfter>): void {
    this.watch = watch;
    for (const proposal of proposals) {
      this.told.push(proposal.kind);
      if (proposal.kind === "narrow") this.standing = { ...this.standing, narrowing: proposal.to };
      else if (proposal.kind === "suspend") this.standing = { ...this.standing, active: false };
      else this.standing = { ...this.standing, narrowing: null };
    }
  }
}

describe("adjustments by what the profile says", () => {
  let agent: AtWork;
  beforeEach(() => {
    agent = new AtWork();
    agent.days(10);
    expect(agent.told, "ordinary work").to.deep.equal([]);
  });
  const isNarrowed = (): boolean => agent.standing.narrowing !== null;
  const isStopped = (): boolean => !agent.standing.active;

  it("narrow an agent that goes through customers, and stop it where it goes on", () => {
    expect(agent.takes(60, isNarrowed)).to.be.below(60);
    expect(agent.takes(200, isStopped)).to.be.below(200);
    expect(agent.told).to.deep.equal(["narrow", "suspend"]);
  });

  it("end when it is quiet, once", () => {
    agent.takes(60, isNarrowed);
    agent.quiet(6 * HOUR_MS);
    expect(agent.told).to.deep.equal(["narrow", "restore"]);
  });

  it("don't end while risk is still there", () => {
    agent.takes(60, isNarrowed);
    const began = agent.now;
    while (isNarrowed()) {
      const { below } = BEHAVIOR_DEFAULTS.narrowed;
      const wasBelow = agent.profile.riskOf("support-7", agent.now - BEHAVIOR_DEFAULTS.narrowed.for_ms) < below;
      agent.quiet(1000);
      if (!isNarrowed()) expect(wasBelow).to.be.true;
      expect(agent.now - began).to.be.below(6 * HOUR_MS);
    }
    expect(agent.now - began).to.be.at.least(BEHAVIOR_DEFAULTS.narrowed.for_ms);
  });

  it("leave an agent alone that does its ordinary work after a person has let it go on", () => {
    for (const until of [isNarrowed, isStopped]) {
      agent.takes(260, until);
      expect(until()).to.be.true;
      agent.told.length = 0;
      agent.lift();
      for (let i = 0; i < 5; i++) {
        agent.now += MINUTE_MS;
        agent.ticket();
      }
      expect(agent.told).to.deep.equal([]);
    }
  });

  it("would come again at once for what a person has looked at, if the profile weren't told", () => {
    agent.takes(260, isStopped);
    agent.told.length = 0;
    agent.lift(false);
    agent.now += MINUTE_MS;
    agent.ticket();
    expect(agent.told).to.include("narrow");
  });

  it("come again where it does the same again, as soon as they came the first time", () => {
    const first = agent.takes(60, isNarrowed);
    agent.takes(200, isStopped);
    agent.lift();
    agent.told.length = 0;
    agent.now += 30 * MINUTE_MS;
    agent.ticket();
    const again = agent.takes(60, isNarrowed);
    expect(again).to.be.within(1, 2 * first);
    expect(agent.told[0]).to.equal("narrow");
  });
});
