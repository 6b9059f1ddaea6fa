/** Questions that come together: what shares a request, what is asked alone, and who is blamed if a batch is refused. */
import { expect } from "chai";
import { Undecided } from "../../src/client/errors.js";
import type { Outside } from "../../src/client/outside.js";
import { Questions, type QuestionLimits } from "../../src/client/questions.js";
import type { ClientExchange, TransportAnswer } from "../../src/client/transport.js";
import { StillTimers, turns } from "../facts/world.js";

interface Sent extends ClientExchange {
  answer: (value: unknown) => void;
  fail: (error: Error) => void;
}

const LIMITS: QuestionLimits = { requests_max: 1, queue_max: 8, batch_actions_max: 4 };
const LONG = 32 * 1024;

let timers: StillTimers;
let sent: Sent[];
let questions: Questions;
const open = (limits: Partial<QuestionLimits> = {}): void => {
  const transport = {
    send: (exchange: ClientExchange): Promise<TransportAnswer> =>
      new Promise((resolve, reject) => {
        const answer = (value: unknown): void => {
          resolve({ value, sent_ms: 7 });
        };
        sent.push({ ...exchange, answer, fail: reject });
      }),
  };
  questions = new Questions({ ...LIMITS, ...limits }, transport, {
    monotonic: () => timers.now,
    after: (ms: number, call: () => void) => timers.after(ms, call),
  } as Outside);
};
beforeEach(() => {
  timers = new StillTimers();
  sent = [];
  open();
});

const codeOf = (error: unknown): unknown => {
  if (!(error instanceof Undecided)) throw error;
  const { code, problem } = error;
  return problem === null ? code : `${problem.code} ${problem.field ?? ""} ${String(problem.item ?? "")}`.trim();
};
const ask = (text: string, ms = 100, signal?: AbortSignal): Promise<unknown> =>
  questions.ask(text, ms, signal).then(({ value, sent_ms }) => [value, sent_ms], codeOf);
const paths = (): string[] => sent.map(({ path, body }) => `${path} ${body.length > 100 ? String(body.length) : body}`);
const refused = (status: number, code: string, more: object = {}): Undecided => new Undecided("problem", {}, { status, code, ...more });
const last = (): Sent => sent.at(-1) ?? expect.fail("nothing was sent");

describe("questions of a client", () => {
  it("that come in one turn are one batch, in order, each with its own answer", async () => {
    const all = ["1", "2", "3"].map((text) => ask(text));
    await turns();
    expect(paths()).to.deep.equal(['decide/batch {"actions":[1,2,3]}']);
    expect(last()).to.include({ ms: 100, answer_bytes_max: 3 * 128 * 1024 });
    last().answer({ answers: ["a", "b", "c"] });
    expect(await Promise.all(all)).to.deep.equal([
      ["a", 7],
      ["b", 7],
      ["c", 7],
    ]);
  });

  it("wait while as many requests as may be are under way, and go together then", async () => {
    const first = ask("1");
    await turns();
    const others = [ask("2"), ask("3")];
    await turns();
    expect(paths()).to.deep.equal(["decide 1"]);
    expect(last()).to.include({ ms: 100, answer_bytes_max: 128 * 1024 });
    last().answer("a");
    expect(await first).to.deep.equal(["a", 7]);
    await turns();
    expect(paths()).to.deep.equal(["decide 1", 'decide/batch {"actions":[2,3]}']);
    last().fail(new Undecided("unreachable"));
    expect(await Promise.all(others)).to.deep.equal(["unreachable", "unreachable"]);
  });

  const groups: [what: string, texts: string[], found: string[]][] = [
    ["as many as a batch takes", ["1", "2", "3", "4", "5"], ['decide/batch {"actions":[1,2,3,4]}', "decide 5"]],
    ["a long one by itself", ["1", "x".repeat(LONG + 1), "2"], ["decide 1", `decide ${LONG + 1}`, "decide 2"]],
    ["one that isn't too long among others", ["1", "x".repeat(LONG)], [`decide/batch ${`{"actions":[1,]}`.length + LONG}`]],
  ];
  for (const [what, texts, found] of groups)
    it(`share a request: ${what}`, async () => {
      open({ requests_max: 3 });
      for (const text of texts) void ask(text);
      await turns();
      expect(paths()).to.deep.equal(found);
    });

  it("make no request longer than the service takes", async () => {
    open({ requests_max: 3, queue_max: 100, batch_actions_max: 100 });
    for (let i = 0; i < 17; i++) void ask("x".repeat(LONG));
    await turns();
    expect(paths()).to.deep.equal([`decide/batch ${16 * LONG + 15 + '{"actions":[]}'.length}`, `decide ${LONG}`]);
  });

  it("are refused where as many wait as may, and once it is closed", async () => {
    open({ queue_max: 2 });
    void ask("0");
    await turns();
    const waiting = [ask("1"), ask("2")];
    expect(await ask("3")).to.equal("queue_full");
    questions.close();
    expect(await Promise.all(waiting)).to.deep.equal(["closed", "closed"]);
    expect(await ask("4")).to.equal("closed");
    expect(paths()).to.deep.equal(["decide 0"]);
  });

  it("that nobody waits for any more aren't asked, and take nobody's place", async () => {
    void ask("0");
    await turns();
    const controller = new AbortController();
    const left = [ask("1", 100, controller.signal), ask("2", 50)];
    const stays = ask("3", 200);
    controller.abort();
    await timers.advance(50);
    expect(await Promise.all(left)).to.deep.equal(["cancelled", "deadline"]);
    last().answer("a");
    await turns();
    expect(paths()).to.deep.equal(["decide 0", "decide 3"]);
    expect(last().ms).to.equal(150);
    last().answer("b");
    expect(await stays).to.deep.equal(["b", 7]);
  });

  it("have the time of whoever waits longest", async () => {
    void ask("1", 30);
    void ask("2", 80);
    await turns();
    expect(last().ms).to.equal(80);
  });

  for (const value of [null, {}, { answers: "ab" }, { answers: ["a"] }, { answers: ["a", "b", "c"] }])
    it(`have no answer in ${JSON.stringify(value)}`, async () => {
      const both = [ask("1"), ask("2")];
      await turns();
      last().answer(value);
      expect(await Promise.all(both)).to.deep.equal(["answer_unreadable", "answer_unreadable"]);
      expect(sent).to.have.lengthOf(1);
    });

  const blamed: [what: string, error: Undecided, alone: string[], found: unknown[]][] = [
    [
      "the one that a refusal names",
      refused(400, "field_missing", { field: "/actions/1/agent", item: 1 }),
      ["decide 1", "decide 3"],
      [["a", 7], "field_missing /agent 1", ["a", 7]],
    ],
    ["none where a refusal names none", refused(400, "json_too_wide"), ["decide 1", "decide 2", "decide 3"], Array(3).fill(["a", 7])],
    [
      "one's facts that are behind",
      refused(503, "facts_behind", { item: 0 }),
      ["decide 2", "decide 3"],
      ["facts_behind  0", ["a", 7], ["a", 7]],
    ],
    ["the service for its own failure", refused(503, "log_unavailable", { item: 0 }), [], Array(3).fill("log_unavailable  0")],
    ["the service at 500", refused(500, "internal"), [], Array(3).fill("internal")],
    ["the token of all", refused(403, "scope_missing", { field: "authorization" }), [], Array(3).fill("scope_missing authorization")],
  ];
  for (const [what, error, alone, found] of blamed)
    it(`blame ${what}`, async () => {
      const all = ["1", "2", "3"].map((text) => ask(text));
      await turns();
      last().fail(error);
      await turns();
      expect(paths().slice(1)).to.deep.equal(alone);
      for (const { answer } of sent.slice(1)) answer("a");
      expect(await Promise.all(all)).to.deep.equal(found);
    });

  it("blame one by its own field, whichever it is of many", async () => {
    open({ queue_max: 20, batch_actions_max: 20 });
    const all = Array.from({ length: 12 }, (_, i) => ask(String(i)));
    await turns();
    last().fail(refused(400, "field_missing", { field: "/actions/11/agent", item: 11 }));
    await turns();
    for (const { answer } of sent.slice(1)) answer("a");
    expect((await Promise.all(all)).at(-1)).to.equal("field_missing /agent 11");
  });

  it("that were left meanwhile aren't asked alone either", async () => {
    const controller = new AbortController();
    const both = [ask("1", 100, controller.signal), ask("2")];
    await turns();
    controller.abort();
    last().fail(refused(400, "json_too_wide"));
    await turns();
    expect(paths().slice(1)).to.deep.equal(["decide 2"]);
    last().answer("a");
    expect(await Promise.all(both)).to.deep.equal(["cancelled", ["a", 7]]);
  });
});
