/** One guarded action, answer by answer: when it runs, what stops it, what it waits for and what is reported of it, without a service. */
import { expect } from "chai";
import type { Answer, ReportOutcome } from "../../src/contract/index.js";
import { AskedAction, type Action } from "../../src/client/action.js";
import { Denied, Refusal, Undecided } from "../../src/client/errors.js";
import { Guarded, type GuardOptions, type Permitted } from "../../src/client/guarded_action.js";
import { ChangeReceiver } from "../../src/client/change_receiver.js";
import { ActionOnHold } from "../../src/client/action_on_hold.js";
import type { Outside } from "../../src/client/outside.js";
import { StillTimers, turns } from "../facts/world.js";
import type { DecideOptions } from "../../src/client/options.js";

const WORK = { agent: "a-1", purpose: "support", task: "T-1" };
const ACTION = { ...WORK, verb: "update", resource: { type: "note", id: "n-1" }, arguments: { text: "hello" } } as unknown as Action;
const ALLOW: Partial<Answer> = {
  ...{ decision: "allow", proceed: true, facts_revision: 10 },
  ...{ valid_for_ms: 1000, obligations: [], reasons: [] },
};
const DENY: Partial<Answer> = { ...ALLOW, decision: "deny", proceed: false };
const WAIT: Partial<Answer> = {
  ...ALLOW,
  decision: "flag",
  proceed: false,
  wait: { for: "approval", until: "2026-03-03T09:15:00Z", approval_digest: "d" },
};
const CONFIRM: Partial<Answer> = { ...ALLOW, obligations: [{ type: "confirm", with: "user" }] };
const MODIFY: Partial<Answer> = { ...ALLOW, obligations: [{ type: "modify", argument: "text", value: "bye" }] };

/** Hears what the test says. */
class Hearing extends ChangeReceiver {
  readies: (number | undefined)[] = [];
  unready: Error | null = null;
  override start(): void {
    return;
  }
  override close(): void {
    return;
  }
  override ready(ms: number): Promise<void> {
    this.readies.push(ms);
    if (this.unready !== null) return Promise.reject(this.unready);
    this.live(0, false);
    return Promise.resolve();
  }
  hear(more: object): void {
    const nothing = { change: "agent_changed", scope: null, of: null, agent: null, purpose: null, task: null };
    this.happened({ what: "change", change: { ...nothing, revision: 11, narrows: true, ...more } as never });
  }
  begin(): void {
    this.live(0, false);
  }
  breakOff(): void {
    this.silent();
  }
}

let timers: StillTimers;
let outside: Outside;
let hearing: Hearing;
let asked: DecideOptions[];
let reported: unknown[];
/** Answers to come, one a question; the last goes on. A function is called when it is asked for. */
let answers: (Partial<Answer> | Error | (() => Partial<Answer>))[];
let told: (() => void)[];

beforeEach(() => {
  timers = new StillTimers();
  timers.now = 100;
  outside = { monotonic: () => timers.now, after: (ms, call) => timers.after(ms, call) } as Outside;
  hearing = new Hearing(outside);
  hearing.begin();
  [asked, reported, answers, told] = [[], [], [ALLOW], []];
});

const nextAnswer = (): Answer => {
  const next = answers.length > 1 ? answers.shift() : answers[0];
  if (next instanceof Error) throw next;
  return { decision_id: `d-${asked.length}`, ...(typeof next === "function" ? next() : next) } as Answer;
};
const deps = (handlers: object = {}): ConstructorParameters<typeof Guarded>[2] => ({
  ask: (question, options) => {
    asked.push(options);
    const mark = hearing.mark;
    try {
      const held = new ActionOnHold({ answer: nextAnswer(), asked: question, sent_ms: timers.now, mark }, hearing, outside);
      return Promise.resolve(held);
    } catch (cause) {
      return Promise.reject(cause instanceof Error ? cause : new Error(String(cause)));
    }
  },
  follower: hearing,
  outcomes: {
    report: (id: string, { outcome, ...more }: ReportOutcome) => {
      reported.push([id, outcome, ...("took_ms" in more ? [more.took_ms] : []), ...("returned" in more ? [more.returned] : [])]);
      return told.length === 0 ? Promise.resolve() : new Promise<void>((resolve) => told.push(resolve));
    },
  } as never,
  outside,
  handlers,
  deadline_ms: 500,
});
const guarded = (options: GuardOptions = {}, action = ACTION, handlers = {}): Guarded => new Guarded(action, options, deps(handlers));
const codeOf = (error: unknown): unknown => (error instanceof Refusal ? error.code : (error as Error).message);
const run = (options: GuardOptions = {}, act: (permitted: Permitted) => unknown = (_) => "done", handlers = {}): Promise<unknown> =>
  guarded(options, ACTION, handlers).through(act).catch(codeOf);
const hold = async (): Promise<ActionOnHold> => deps().ask(new AskedAction(ACTION), {});

describe("a guarded action", () => {
  it("runs once it is permitted, as it was decided, and its outcome is reported", async () => {
    const seen: unknown[] = [];
    const got = await run({}, async ({ action, answer, signal }) => {
      seen.push(action, answer.decision_id, signal.aborted);
      await timers.advance(30);
      return "done";
    });
    expect(got).to.equal("done");
    expect(seen).to.deep.equal([ACTION, "d-1", false]);
    expect([asked, reported]).to.deep.equal([[{ deadline_ms: 500 }], [["d-1", "done", 30]]]);
  });

  it("that fails throws its own error, which is reported as such", async () => {
    expect(await run({}, (_) => Promise.reject(new Error("disk")))).to.equal("disk");
    expect(reported).to.deep.equal([["d-1", "failed", 0]]);
  });

  it("is asked about within its time, as of the revision and by the signal that were given", async () => {
    const { signal } = new AbortController();
    await run({ deadline_ms: 40, at_least: 9, signal });
    expect(asked).to.deep.equal([{ deadline_ms: 40, at_least: 9, signal }]);
  });

  const refusals: [what: string, answer: Partial<Answer> | Error, code: string, reports?: unknown[]][] = [
    ["that is denied", DENY, "denied"],
    ["that waits, for which nobody waits", WAIT, "waiting"],
    ["that can't be asked about", new Undecided("unreachable"), "unreachable"],
    [
      "with an obligation that isn't known",
      { ...ALLOW, obligations: [{ type: "dance" } as never] },
      "obligation_unknown",
      [["d-1", "not_attempted"]],
    ],
    ["that nobody can confirm", CONFIRM, "obligation_unmet", [["d-1", "not_attempted"]]],
  ];
  for (const [what, answer, code, reports = []] of refusals)
    it(`${what} doesn't run: ${code}`, async () => {
      answers = [answer];
      let ran = 0;
      expect(await run({}, (_) => ran++)).to.equal(code);
      expect([ran, reported]).to.deep.equal([0, reports]);
    });

  it("with arguments that the answer sets runs with these, and not at all where it takes none", async () => {
    answers = [MODIFY];
    expect(await run({}, ({ action }) => (action.arguments as { text?: unknown } | undefined)?.text)).to.equal("bye");
    expect(await run({}, () => "done")).to.equal("obligation_unmet");
    answers = [{ ...ALLOW, obligations: [{ type: "redact", fields: ["a"] }] }];
    expect(await run({}, () => ({ a: 1, b: 2 }))).to.deep.equal({ a: "[redacted]", b: 2 });
  });

  it("that takes none doesn't run with arguments to be set, whatever else is to be done", async () => {
    answers = [{ ...ALLOW, obligations: [{ type: "redact", fields: ["a"] }, ...(MODIFY.obligations ?? [])] }];
    expect(await run({}, () => ({ a: 1 }))).to.equal("obligation_unmet");
  });

  it("runs by an answer that just came, although no changes are heard", async () => {
    hearing.breakOff();
    expect([await run(), asked.length]).to.deep.equal(["done", 1]);
  });

  it("that waits has nobody asked to confirm it", async () => {
    answers = [{ ...WAIT, obligations: CONFIRM.obligations ?? [] }];
    let confirmed = 0;
    const confirm = (): boolean => ++confirmed > 0;
    expect([await run({ confirm }), confirmed]).to.deep.equal(["waiting", 0]);
  });

  it("has what it needs of people and results from its own options, or else from the client's", async () => {
    const done: string[] = [];
    const handlers = (who: string): Pick<GuardOptions, "confirm" | "notify" | "redact"> => ({
      confirm: () => done.push(`${who} confirms`) > 0,
      notify: () => {
        done.push(`${who} notifies`);
      },
      redact: () => `${who} redacts`,
    });
    const obligations: Answer["obligations"] = [
      { type: "confirm", with: "user" },
      { type: "notify", channel: "desk" },
      { type: "redact", fields: ["a"] },
    ];
    answers = [{ ...ALLOW, obligations }];
    expect(await run({}, (_) => "result", handlers("client"))).to.equal("client redacts");
    expect(await run(handlers("call"), (_) => "result", handlers("client"))).to.equal("call redacts");
    expect(done).to.deep.equal(["client confirms", "client notifies", "call confirms", "call notifies"]);
  });

  for (const [option, value] of [
    ["wait_ms", -1],
    ["wait_ms", 1.5],
    ["wait_ms", 2 ** 31],
    ["deadline_ms", 0],
    ["deadline_ms", "5"],
    ["wait", 5],
  ] as const)
    it(`isn't made with ${option}: ${JSON.stringify(value)}`, () => {
      expect(() => guarded({ [option]: value })).to.throw(TypeError);
    });
  it("is made with the longest time there is", () => {
    expect(() => guarded({ wait_ms: 2 ** 31 - 1, deadline_ms: 1 })).not.to.throw();
  });
});

describe("an answer that is no longer one to act on", () => {
  it("is asked for again, four times at most, and each is told of as not attempted", async () => {
    answers = [{ ...ALLOW, valid_for_ms: 0 }];
    let ran = 0;
    expect(await run({}, (_) => ran++)).to.equal("answer_expired");
    expect(hearing.readies, "nothing that is to be heard would change it").to.deep.equal([]);
    expect([ran, asked.length, reported]).to.deep.equal([0, 4, [1, 2, 3, 4].map((n) => [`d-${n}`, "not_attempted"])]);
    answers = [{ ...ALLOW, valid_for_ms: 0 }, { ...ALLOW, valid_for_ms: 0 }, { ...ALLOW, valid_for_ms: 0 }, ALLOW];
    asked = [];
    expect([await run(), asked.length]).to.deep.equal(["done", 4]);
  });

  it("is so after a change that was heard meanwhile", async () => {
    const action = structuredClone(ACTION);
    answers = [CONFIRM, ALLOW];
    const confirm = (): boolean => {
      hearing.hear({ agent: "a-1" });
      return true;
    };
    expect(
      await guarded({ confirm }, action)
        .through((_) => "done")
        .catch(codeOf),
    ).to.equal("done");
    expect([asked.length, reported]).to.deep.equal([
      2,
      [
        ["d-1", "not_attempted"],
        ["d-2", "done", 0],
      ],
    ]);
  });

  it("never runs an action that its caller has changed", async () => {
    const action = structuredClone(ACTION);
    answers = [CONFIRM];
    const confirm = (): boolean => {
      (action.resource as { id: string }).id = "n-2";
      return true;
    };
    expect(
      await guarded({ confirm }, action)
        .through((_) => "done")
        .catch(codeOf),
    ).to.equal("action_changed");
    expect([asked.length, reported]).to.deep.equal([1, [["d-1", "not_attempted"]]]);
  });

  it("isn't acted on once whoever called has cancelled", async () => {
    const controller = new AbortController();
    answers = [
      () => {
        controller.abort();
        return ALLOW;
      },
    ];
    let ran = 0;
    expect(await run({ signal: controller.signal }, (_) => ran++)).to.equal("cancelled");
    expect(ran).to.equal(0);
  });

  it("is asked for again with its whole time after people have agreed, while changes are heard", async () => {
    answers = [{ ...CONFIRM, valid_for_ms: 100 }, CONFIRM];
    let confirmed = 0;
    const confirm = async (): Promise<boolean> => {
      confirmed++;
      await timers.advance(450);
      return true;
    };
    expect(await run({ confirm })).to.equal("done");
    expect([confirmed, asked.map(({ deadline_ms }) => deadline_ms)]).to.deep.equal([1, [500, 500]]);
  });

  it("of which nothing vouches, after people took their time, is asked for once changes are heard", async () => {
    answers = [CONFIRM, ALLOW];
    const confirm = (): boolean => {
      hearing.breakOff();
      return true;
    };
    expect(await run({ confirm })).to.equal("done");
    expect([asked.length, hearing.readies]).to.deep.equal([2, [500]]);
    answers = [CONFIRM];
    hearing.unready = new Undecided("deadline");
    expect(await run({ confirm })).to.equal("not_live");
  });
});

describe("an answer that was kept", () => {
  it("is acted on once, and its obligations are met before", async () => {
    const held = await hold();
    expect(await guarded().on(held, (_) => "done")).to.equal("done");
    expect(
      await guarded()
        .on(held, (_) => "again")
        .catch(codeOf),
    ).to.equal("answer_used");
    expect(reported).to.deep.equal([["d-1", "done", 0]]);
  });

  const late: [what: string, code: string, move: () => void | Promise<void>][] = [
    ["after its end", "answer_expired", () => timers.advance(1000)],
    [
      "while nothing is heard",
      "not_live",
      () => {
        hearing.breakOff();
      },
    ],
    [
      "after a change of its agent",
      "answer_dropped",
      () => {
        hearing.hear({ agent: "a-1" });
      },
    ],
  ];
  for (const [what, code, move] of late)
    it(`isn't acted on ${what}`, async () => {
      const held = await hold();
      await move();
      let ran = 0;
      expect(
        await guarded()
          .on(held, (_) => ran++)
          .catch(codeOf),
      ).to.equal(code);
      expect([ran, reported]).to.deep.equal([0, [["d-1", "not_attempted"]]]);
    });

  it("isn't acted on if it ended while people were asked", async () => {
    answers = [CONFIRM];
    const held = await hold();
    const confirm = async (): Promise<boolean> => {
      await timers.advance(1000);
      return true;
    };
    const options = { confirm, wait_ms: 5000 };
    expect(
      await guarded(options)
        .on(held, (_) => "done")
        .catch(codeOf),
    ).to.equal("answer_expired");
  });

  it("isn't acted on if changes are no longer heard once people have agreed, who aren't asked if it is over before", async () => {
    answers = [CONFIRM];
    let confirmed = 0;
    const confirm = (): boolean => {
      hearing.breakOff();
      return ++confirmed > 0;
    };
    const held = await hold();
    expect(
      await guarded({ confirm })
        .on(held, (_) => "done")
        .catch(codeOf),
    ).to.equal("not_live");
    expect(
      await guarded({ confirm })
        .on(held, (_) => "done")
        .catch(codeOf),
    ).to.equal("not_live");
    expect(confirmed).to.equal(1);
  });

  it("that denies is a denial", async () => {
    answers = [DENY];
    expect(
      await guarded()
        .on(await hold(), (_) => "done")
        .catch(codeOf),
    ).to.equal("denied");
    expect(reported).to.deep.equal([]);
  });
});

describe("an action that waits for approval", () => {
  const waits = (options: GuardOptions = {}): { got: Promise<unknown>; said: string[] } => {
    const said: string[] = [];
    const waiting = ({ decision_id }: Answer): void => {
      said.push(decision_id);
    };
    return { got: run({ wait_ms: 60_000, waiting, ...options }), said };
  };

  it("is asked about again once something of its agent has changed, as of that, and no sooner than a while", async () => {
    answers = [WAIT, ALLOW];
    const { got, said } = waits();
    await turns();
    hearing.hear({ agent: "a-1", narrows: false, revision: 12 });
    await timers.advance(199);
    expect(asked).to.have.lengthOf(1);
    await timers.advance(1);
    expect(await got).to.equal("done");
    expect([asked, said]).to.deep.equal([[{ deadline_ms: 500 }, { deadline_ms: 500, at_least: 12 }], ["d-1"]]);
  });

  it("is asked about again if that changed while it was asked about, and nobody has to be told", async () => {
    answers = [
      () => {
        hearing.hear({ agent: "a-1", narrows: false });
        return WAIT;
      },
      ALLOW,
    ];
    const got = run({ wait_ms: 60_000 });
    await turns();
    await timers.advance(200);
    expect([await got, asked.length]).to.deep.equal(["done", 2]);
  });

  it("is asked about every 15 seconds while changes are heard, every two while none are, and tells of it once", async () => {
    answers = [WAIT, WAIT, ALLOW];
    const { got, said } = waits();
    await turns();
    await timers.advance(200);
    hearing.hear({ agent: "another" });
    await timers.advance(14_999);
    expect(asked).to.have.lengthOf(1);
    await timers.advance(1);
    expect(asked).to.have.lengthOf(2);
    await timers.advance(200);
    hearing.breakOff();
    await timers.advance(0);
    expect(asked, "a stream that breaks off may have had it").to.have.lengthOf(3);
    expect([await got, said]).to.deep.equal(["done", ["d-1"]]);
  });

  it("is asked about every two seconds if nothing is heard", async () => {
    hearing.breakOff();
    answers = [WAIT, ALLOW];
    const { got } = waits();
    await turns();
    await timers.advance(200);
    await timers.advance(1999);
    expect(asked).to.have.lengthOf(1);
    await timers.advance(1);
    expect(await got).to.equal("done");
  });

  it("is waiting in vain once its time is over, to its last millisecond", async () => {
    answers = [WAIT];
    const { got } = waits({ wait_ms: 300 });
    await turns();
    await timers.advance(200);
    await timers.advance(99);
    expect(asked).to.have.lengthOf(1);
    await timers.advance(1);
    expect(await got).to.equal("waiting");
    expect([asked.length, reported]).to.deep.equal([2, []]);
  });

  it("waits for nobody where it needs other values", async () => {
    answers = [{ ...WAIT, wait: { for: "context", until: "2026-03-03T09:15:00Z" } }];
    const { got, said } = waits();
    expect([await got, said]).to.deep.equal(["waiting", []]);
  });

  for (const [when, ms] of [
    ["at first", 0],
    ["later", 200],
  ] as const)
    it(`ends when whoever called cancels ${when}`, async () => {
      answers = [WAIT];
      const controller = new AbortController();
      const { got } = waits({ signal: controller.signal });
      await turns();
      await timers.advance(ms);
      controller.abort();
      expect([await got, asked.length]).to.deep.equal(["cancelled", 1]);
    });
});

describe("an action that runs", () => {
  /** Runs until its signal fires, and says by what. */
  const untilStopped = ({ signal }: Permitted): Promise<never> =>
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => {
        reject(new Error(`told: ${(signal.reason as Refusal).code}`));
      });
    });

  it("is stopped by a revocation, whatever it does itself, and what it came to is reported", async () => {
    const told: unknown[] = [];
    const got = run({}, (permitted) => untilStopped(permitted).catch((error: unknown) => told.push((error as Error).message)));
    await turns();
    hearing.hear({ change: "revoked", scope: "agent", of: "a-1", agent: "a-1" });
    expect(await got).to.equal("stopped");
    await turns();
    expect([told, reported]).to.deep.equal([["told: stopped"], [["d-1", "done", 0]]]);
  });

  it("is asked about again after another change, as of that, and goes on if it still may", async () => {
    let end = (): void => undefined;
    const got = run(
      {},
      (_) =>
        new Promise(
          (resolve) =>
            (end = () => {
              resolve("done");
            }),
        ),
    );
    await turns();
    hearing.hear({ agent: "a-1", revision: 12 });
    await turns();
    expect(asked[1]).to.deep.equal({ deadline_ms: 500, at_least: 12 });
    expect(reported, "the second permission isn't acted on").to.deep.equal([["d-2", "not_attempted"]]);
    end();
    expect([await got, reported.at(-1)]).to.deep.equal(["done", ["d-1", "done", 0]]);
    hearing.hear({ agent: "a-1", revision: 13 });
    await turns();
    expect(asked, "nothing is asked of what is over").to.have.lengthOf(2);
  });

  it("is stopped if it may no longer, without a report on the denial", async () => {
    answers = [ALLOW, DENY];
    const got = run({}, untilStopped);
    await turns();
    hearing.hear({ agent: "a-1", revision: 12 });
    expect(await got).to.equal("stopped");
    await turns();
    expect(reported).to.deep.equal([["d-1", "failed", 0]]);
  });

  it("is told when whoever called cancels, and not once it is over", async () => {
    const controller = new AbortController();
    const got = run({ signal: controller.signal }, untilStopped);
    await turns();
    controller.abort();
    expect(await got).to.equal("told: cancelled");
    const later = new AbortController();
    let signal: AbortSignal | undefined;
    await run({ signal: later.signal }, (permitted) => {
      signal = permitted.signal;
    });
    later.abort();
    expect(signal?.aborted).to.equal(false);
  });

  it("has its result taken apart for the service, and nobody has it before the service has", async () => {
    told = [() => undefined];
    let got: unknown = "nothing yet";
    const returned = (result: unknown): never => ({ values: [result] }) as never;
    void run({ returned }).then((result) => (got = result));
    await turns();
    expect([got, reported]).to.deep.equal(["nothing yet", [["d-1", "done", 0, { values: ["done"] }]]]);
    for (const resolve of told) resolve();
    await turns();
    expect(got).to.equal("done");
  });

  it("is reported as done, without what it returned, where that can't be taken apart", async () => {
    const returned = (): never => {
      throw new RangeError("no such form");
    };
    expect(await run({ returned })).to.equal("no such form");
    expect(reported).to.deep.equal([["d-1", "done", 0]]);
  });

  it("whose denial carries the answer says so to the host alone", async () => {
    answers = [{ ...DENY, tell_agent: "Not this." }];
    const error: unknown = await guarded()
      .through((_) => "done")
      .catch((cause: unknown) => cause);
    expect(error).to.be.instanceOf(Denied);
    expect((error as Denied).message).to.equal("Not this.");
  });
});
