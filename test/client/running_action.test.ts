/** Answers that are kept and actions that run, against what is heard meanwhile: the client's own part, without a service. */
import { expect } from "chai";
import { createHash } from "node:crypto";
import { canonicalAction, type Answer, type ChangeEvent } from "../../src/contract/index.js";
import { AskedAction, type Action } from "../../src/client/action.js";
import { ActionOnHold } from "../../src/client/action_on_hold.js";
import { ChangeReceiver, type WorkEvent } from "../../src/client/change_receiver.js";
import type { Outside } from "../../src/client/outside.js";
import { Running } from "../../src/client/running_action.js";
import { StillTimers } from "../facts/world.js";

const WORK = { agent: "a-1", purpose: "support", task: "T-1" };
const action = (): Action => ({ ...WORK, verb: "read", resource: { type: "note", id: "n-1" } });
const ANSWER = {
  ...{ decision: "allow", proceed: true, facts_revision: 10, valid_for_ms: 1000 },
  ...{ obligations: [], reasons: [], decision_id: "d-1" },
} as unknown as Answer;
const change = (more: object = {}): ChangeEvent =>
  ({
    change: "agent_changed",
    scope: null,
    of: null,
    agent: null,
    purpose: null,
    task: null,
    revision: 11,
    narrows: true,
    ...more,
  }) as never;

/** Hears what the test says. */
class Hearing extends ChangeReceiver {
  override start(): void {
    return;
  }
  override close(): void {
    return;
  }
  hear(more: object = {}): void {
    this.happened({ what: "change", change: change(more) });
  }
  begin(revision = 0, resumed = false): void {
    this.live(revision, resumed);
  }
  breakOff(): void {
    this.silent();
  }
  another(revision: number): void {
    this.anew(revision);
  }
}

let timers: StillTimers;
let outside: Outside;
let hearing: Hearing;
const hold = (answer: object = {}, asked = new AskedAction(action()), mark = hearing.mark): ActionOnHold =>
  new ActionOnHold({ answer: { ...ANSWER, ...answer }, asked, sent_ms: timers.now, mark }, hearing, outside);
beforeEach(() => {
  timers = new StillTimers();
  outside = { monotonic: () => timers.now, after: (ms, call) => timers.after(ms, call) } as Outside;
  hearing = new Hearing(outside);
});

describe("an action that is asked about", () => {
  const claims = (payload: object): string => `e30.${Buffer.from(JSON.stringify(payload)).toString("base64url")}.AA`;

  it("is a copy that nobody can change, sent as it was given", () => {
    const given = action();
    const asked = new AskedAction(given);
    expect(asked.request("r-1", null)).to.equal(`{"request_id":"r-1",${JSON.stringify(given).slice(1)}`);
    expect(asked.request("r-1", 7)).to.equal(`{"request_id":"r-1","at_least":7,${JSON.stringify(given).slice(1)}`);
    expect(() => (asked.action.resource.id = "n-2")).to.throw(TypeError);
    expect([asked.unchanged, asked.action]).to.deep.equal([true, given]);
    (given as { context?: unknown }).context = given;
    expect(asked.unchanged, "it can't be written any more").to.equal(false);
    expect(() => new AskedAction(given))
      .to.throw()
      .with.property("code", "action_unreadable");
  });

  it("has the digest that an answer has to carry, by whatever makes it", async () => {
    const digest = `sha256:${createHash("sha256").update(canonicalAction(action(), "T-1")).digest("hex")}`;
    expect(await new AskedAction(action()).digest).to.equal(digest);
    expect(await new AskedAction(action(), (text) => createHash("sha256").update(text).digest("hex")).digest).to.equal(digest);
  });

  it("is of the task that it names, or else of its token's, or of none", () => {
    const taskOf = (more: object): string | null => new AskedAction({ ...action(), task: undefined, ...more } as unknown as Action).task;
    expect([{ task: "T-1", task_token: claims({ sub: "T-2" }) }, { task_token: claims({ sub: "T-2" }) }, {}].map(taskOf)).to.deep.equal([
      "T-1",
      "T-2",
      null,
    ]);
    expect([{ task_token: "garbage" }, { task_token: claims({ sub: 7 }) }].map(taskOf)).to.deep.equal([null, null]);
  });
});

describe("an answer that is kept", () => {
  beforeEach(() => {
    hearing.begin();
  });

  const faults: [what: string, fault: string | null, make: () => ActionOnHold | Promise<ActionOnHold>][] = [
    ["that permits", null, () => hold()],
    ["that denies", "denied", () => hold({ decision: "deny", proceed: false })],
    ["that waits", "waiting", () => hold({ decision: "flag", proceed: false })],
    ["that flags and goes ahead", null, () => hold({ decision: "flag" })],
    [
      "about an action that its caller has changed",
      "action_changed",
      () => {
        const given = action();
        const held = hold({}, new AskedAction(given));
        given.resource.id = "n-2";
        return held;
      },
    ],
    [
      "that was acted on",
      "answer_used",
      () => {
        const held = hold();
        held.use();
        return held;
      },
    ],
    [
      "a millisecond before its end",
      null,
      async () => {
        const held = hold();
        await timers.advance(999);
        return held;
      },
    ],
    [
      "from its end on",
      "answer_expired",
      async () => {
        const held = hold();
        await timers.advance(1000);
        return held;
      },
    ],
    [
      "on facts that are older than what is heard",
      "not_live",
      () => {
        hearing.another(11);
        return hold();
      },
    ],
    [
      "while nothing is heard",
      "not_live",
      () => {
        hearing.breakOff();
        return hold();
      },
    ],
  ];
  for (const [what, fault, make] of faults)
    it(`${what} ${fault === null ? "may be acted on" : `may not be: ${fault}`}`, async () => {
      expect((await make()).fault).to.equal(fault);
    });

  const dropped: [what: string, hits: boolean, hear: () => void][] = [
    [
      "a change of its agent",
      true,
      () => {
        hearing.hear({ agent: "a-1" });
      },
    ],
    [
      "a change of everybody",
      true,
      () => {
        hearing.hear();
      },
    ],
    [
      "a change of its purpose and task",
      true,
      () => {
        hearing.hear({ purpose: "support", task: "T-1" });
      },
    ],
    [
      "one that has no revision yet",
      true,
      () => {
        hearing.hear({ revision: null });
      },
    ],
    [
      "another store's facts",
      true,
      () => {
        hearing.another(5);
        hearing.begin(5);
      },
    ],
    [
      "one that doesn't say whether it narrows",
      true,
      () => {
        hearing.hear({ narrows: undefined });
      },
    ],
    [
      "more than is remembered",
      true,
      () => {
        for (let i = 0; i < 3000; i++) hearing.hear({ agent: "a-2" });
      },
    ],
    [
      "a change of another agent",
      false,
      () => {
        hearing.hear({ agent: "a-2" });
      },
    ],
    [
      "a change of another purpose",
      false,
      () => {
        hearing.hear({ agent: "a-1", purpose: "sales" });
      },
    ],
    [
      "a change of another task",
      false,
      () => {
        hearing.hear({ task: "T-2" });
      },
    ],
    [
      "one that it was decided on",
      false,
      () => {
        hearing.hear({ revision: 10 });
      },
    ],
    [
      "one that narrows nothing",
      false,
      () => {
        hearing.hear({ narrows: false });
      },
    ],
  ];
  for (const [what, hits, hear] of dropped)
    it(`${hits ? "is dropped by" : "outlasts"} ${what}, even if it is asked in the turn in which it came`, () => {
      hearing.hear();
      const held = hold();
      expect([held.fault, held.heardOf]).to.deep.equal([null, false]);
      hear();
      expect(held.faultNow(true)).to.equal(hits ? "answer_dropped" : null);
    });

  it("has heard of whatever concerns its work, narrower or not, and needs nobody to listen in its own turn", () => {
    const held = hold();
    hearing.hear({ agent: "a-1", narrows: false });
    expect(held.heardOf).to.equal(true);
    hearing.breakOff();
    expect([held.fault, held.faultNow(true), held.until_ms, held.work]).to.deep.equal(["not_live", null, 1000, WORK]);
  });

  it("has heard of it too if all facts are another store's, or more came than is remembered, and not of others' changes", () => {
    const heardAfter = (hear: () => void): boolean => {
      const held = hold();
      hear();
      return held.heardOf;
    };
    const another = (): void => {
      hearing.another(3);
    };
    const many = (): void => {
      for (let i = 0; i < 3000; i++) hearing.hear({ agent: "a-2" });
    };
    const others = (): void => {
      hearing.hear({ agent: "a-2" });
    };
    expect([another, many, others].map(heardAfter)).to.deep.equal([true, true, false]);
    const first = new Hearing(outside);
    first.begin(20, true);
    expect([first.covers(19), first.covers(20)]).to.deep.equal([false, true]);
  });

  it("counts as heard what a stream that was resumed goes on with, and nothing before another", () => {
    hearing.breakOff();
    hearing.begin(20, true);
    expect(hearing.covers(5)).to.equal(true);
    hearing.breakOff();
    hearing.begin(20, false);
    expect([hearing.covers(19), hearing.covers(20)]).to.deep.equal([false, true]);
  });

  it("is told of by each listener until it is taken off", () => {
    const heard: WorkEvent["what"][] = [];
    const stop = hearing.listen(({ what }) => heard.push(what));
    hearing.hear();
    hearing.breakOff();
    hearing.breakOff();
    hearing.begin();
    hearing.begin();
    hearing.another(3);
    stop();
    hearing.hear();
    expect(heard).to.deep.equal(["change", "silent", "live", "anew"]);
  });
});

describe("an action that runs", () => {
  /** What was asked again, as of which revision; and how to answer. */
  let asked: (number | null)[];
  let answer: () => Promise<ActionOnHold>;
  let stopped: number;
  let running: Running;
  const run = (more: object = {}): void => {
    running = new Running(hold(more), {
      ...{ follower: hearing, outside },
      ask: (atLeast) => (asked.push(atLeast), answer()),
      stop: () => stopped++,
    });
  };
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  beforeEach(() => {
    [asked, stopped] = [[], 0];
    answer = () => Promise.resolve(hold());
  });

  const changes: [what: string, more: object, expected: [asked: (number | null)[], stopped: number]][] = [
    ["its agent is revoked", { change: "revoked", scope: "agent", of: "a-1", agent: "a-1" }, [[], 1]],
    ["its task is revoked", { change: "revoked", scope: "task", of: "T-1", task: "T-1" }, [[], 1]],
    ["everything is revoked", { change: "revoked", scope: "everything" }, [[], 1]],
    ["everything has changed", { change: "agent_changed", scope: "everything" }, [[11], 0]],
    ["an owner is revoked who is named as it is", { change: "revoked", scope: "owner", of: "a-1", agent: "a-1" }, [[11], 0]],
    ["a person is revoked who is named as its task is", { change: "revoked", scope: "principal", of: "T-1" }, [[11], 0]],
    ["agents are revoked, perhaps not its own", { change: "revoked", scope: "agent", of: "a-2" }, [[11], 0]],
    ["tasks are revoked, perhaps not its own", { change: "revoked", scope: "task", of: "T-2" }, [[11], 0]],
    ["its owner is revoked", { change: "revoked", scope: "owner", of: "ops", agent: "a-1" }, [[11], 0]],
    ["its agent has changed", { agent: "a-1" }, [[11], 0]],
    ["another agent is revoked", { change: "revoked", scope: "agent", of: "a-2", agent: "a-2" }, [[], 0]],
    ["a revocation was known when it was decided", { change: "revoked", scope: "everything", revision: 10 }, [[], 0]],
    ["something narrows nothing", { agent: "a-1", narrows: false }, [[], 0]],
  ];
  for (const [what, more, expected] of changes)
    it(`is ${expected[1] > 0 ? "stopped at once" : expected[0].length > 0 ? "asked about again" : "left alone"} when ${what}`, async () => {
      hearing.begin();
      run();
      hearing.hear(more);
      expect(stopped, "in the same turn").to.equal(expected[1]);
      await turn();
      expect([asked, stopped]).to.deep.equal(expected);
    });

  const answers: [what: string, goesOn: boolean, given: () => Promise<ActionOnHold>][] = [
    ["permits", true, () => Promise.resolve(hold())],
    ["denies", false, () => Promise.resolve(hold({ decision: "deny", proceed: false }))],
    ["waits", false, () => Promise.resolve(hold({ decision: "flag", proceed: false }))],
    ["obliges to more", false, () => Promise.resolve(hold({ obligations: [{ redact: ["/a"] }] }))],
    [
      "has run out",
      false,
      async () => {
        const held = hold();
        await timers.advance(1000);
        return held;
      },
    ],
    ["doesn't come", false, () => Promise.reject(new Error("no answer"))],
  ];
  for (const [what, goesOn, given] of answers)
    it(`${goesOn ? "goes on" : "is stopped, once"} if what is asked again ${what}`, async () => {
      hearing.begin();
      run();
      answer = given;
      hearing.hear({ agent: "a-1" });
      await timers.advance(0);
      expect([asked, stopped]).to.deep.equal([[11], goesOn ? 0 : 1]);
      hearing.hear({ change: "revoked", scope: "everything", revision: 12 });
      await turn();
      expect([asked, stopped], "and once").to.deep.equal([[11], 1]);
    });

  it("is asked about when its answer ends while nothing is heard, and again when the next ends", async () => {
    run();
    await timers.advance(999);
    expect(asked).to.deep.equal([]);
    await timers.advance(1);
    expect(asked).to.deep.equal([null]);
    await timers.advance(1000);
    expect([asked, stopped]).to.deep.equal([[null, null], 0]);
    running.end();
    await timers.advance(10_000);
    expect(asked).to.have.lengthOf(2);
  });

  it("isn't asked about while changes are heard, and is at its answer's end once they no longer are", async () => {
    hearing.begin();
    run();
    await timers.advance(5000);
    expect(asked).to.deep.equal([]);
    hearing.breakOff();
    await timers.advance(0);
    expect(asked, "its answer has ended long ago").to.deep.equal([null]);
    hearing.begin();
    await timers.advance(5000);
    expect(asked).to.have.lengthOf(1);
  });

  it("is asked about at once when all facts are another store's", async () => {
    hearing.begin();
    run();
    hearing.another(3);
    await turn();
    expect([asked, stopped]).to.deep.equal([[null], 0]);
  });

  it("is asked about once at a time, and then as of the latest change that came meanwhile", async () => {
    hearing.begin();
    run();
    const waiting: ((held: ActionOnHold) => void)[] = [];
    answer = () => new Promise((resolve) => waiting.push(resolve));
    for (const revision of [11, 14, 12]) hearing.hear({ agent: "a-1", revision });
    hearing.another(3);
    await turn();
    expect(asked).to.deep.equal([11]);
    waiting[0]?.(hold());
    await turn();
    expect(asked).to.deep.equal([11, 14]);
    waiting[1]?.(hold());
    await turn();
    expect([asked, stopped]).to.deep.equal([[11, 14], 0]);
  });

  it("is asked about again if something came between an answer's making and its arrival", async () => {
    hearing.begin();
    run();
    let first = true;
    answer = () => {
      const held = hold();
      if (first) hearing.another(3);
      first = false;
      return Promise.resolve(held);
    };
    hearing.hear({ agent: "a-1" });
    await turn();
    expect([asked, stopped]).to.deep.equal([[11, null], 0]);
  });

  it("hears nothing any more once it has ended, though it was being asked about", async () => {
    hearing.begin();
    run();
    let arrive = (_: ActionOnHold): void => undefined;
    answer = () => new Promise((resolve) => (arrive = resolve));
    hearing.hear({ agent: "a-1" });
    running.end();
    hearing.hear({ change: "revoked", scope: "everything" });
    arrive(hold({ decision: "deny", proceed: false }));
    await turn();
    hearing.breakOff();
    await timers.advance(10_000);
    expect([asked, stopped]).to.deep.equal([[11], 0]);
  });
});
