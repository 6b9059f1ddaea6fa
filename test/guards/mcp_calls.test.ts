/** One call through the MCP guard, with a decision and a server of the test's own: what is asked, what the server gets, what comes back. */
import { expect } from "chai";
import { Denied, Undecided, type Permitted } from "../../src/client/index.js";
import type { DenialCode } from "../../src/client/errors.js";
import type { Answer, Obligation } from "../../src/contract/index.js";
import { GuardedCalls, type SessionIdentity } from "../../src/guards/mcp/calls.js";
import { readMapped, type Arguments } from "../../src/mapping/call_mapping.js";
import { redactedResult } from "../../src/guards/mcp/redact.js";
import { CallRefusal } from "../../src/mapping/call_refusal.js";
import { returnedBy } from "../../src/guards/mcp/server_answers.js";
import { ServerGone } from "../../src/guards/mcp/upstream.js";
import type { Params, Reply, Request } from "../../src/guards/mcp/wire.js";
import { StillTimers, turns } from "../facts/world.js";

const TRACE = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
const REQUEST: Request = {
  ...{ jsonrpc: "2.0", id: 7, method: "tools/call" },
  params: { name: "update_invoice", arguments: { invoice_id: "I-1", text: "hello" }, _meta: { traceparent: TRACE, progressToken: 1 } },
};
const VALUES: Arguments = { invoice_id: "I-1", text: "hello" };
const MAPPED = readMapped({ update: "invoice", id: "invoice_id", arguments: { note: "text" } });
const AS = { agent: "a-1", purpose: "support", task: "T-1" };
const WHO: SessionIdentity = { as: AS, agent_token: () => "token-2", made: false };
const ANSWER = { decision_id: "d-1", decision: "allow", proceed: true, obligations: [] as Obligation[] };
const AGAIN = "It was not done: it still waits for a person's approval. Once it is approved, the same call can be made again.";
const DONE: Reply = { result: { content: [{ type: "text", text: "done" }] } };

interface Options {
  hold_ms?: number;
  wait_ms?: number;
  returned?: unknown;
  redact?: unknown;
  signal?: AbortSignal;
  waiting: (answer: Answer) => void;
  notify: (channel: string, action: object, answer: Answer) => void;
}
type Run = (permitted: Permitted) => Promise<unknown>;

/** A guard between a decision and a server, which do as the test says. */
class Between {
  readonly timers = new StillTimers();
  readonly logged: unknown[] = [];
  readonly asked: [action: object, options: Options][] = [];
  readonly sent: [method: string, params: Params | undefined][] = [];
  readonly progress: unknown[] = [];
  /** Functions by which the server's progress is heard, of each call that reached it. */
  readonly hears: unknown[] = [];
  readonly client = new AbortController();
  readonly stopped = new AbortController();
  /** Decides, and runs what it permits. */
  decide = (run: Run, _options: Options, action: object): Promise<unknown> => run(this.permitted(action));
  reply = (_signal?: AbortSignal): Promise<Reply> => Promise.resolve(DONE);
  obligations: Obligation[] = [];
  repeats = 0;

  permitted(action: object, change: object = {}): Permitted {
    const answer = { ...ANSWER, obligations: this.obligations } as unknown as Answer;
    return { action: { ...action, ...change } as never, answer, signal: this.stopped.signal };
  }

  /** Decides without a call. @returns `permitted`, or the code of a refusal */
  decideOnly(reports: boolean): Promise<unknown> {
    const decided = this.calls(reports).decide(WHO, MAPPED, VALUES);
    return decided.then(
      () => "permitted",
      (error: unknown) => (error as CallRefusal).code,
    );
  }

  async call({ request = REQUEST, who = WHO, wants = true, reports = false, values = VALUES, mapped = MAPPED } = {}): Promise<unknown> {
    const calls = this.calls(reports);
    const progress = wants ? (params: Params): unknown => this.progress.push(params) : null;
    const served = { signal: this.client.signal, progress, headers: {} };
    return calls.decided(request, served as never, who, mapped, values).catch((error: unknown) => {
      if (!(error instanceof CallRefusal)) throw error;
      return [error.code, error.decision_id, error.tell];
    });
  }

  calls(reports: boolean): GuardedCalls {
    const log = {
      info: (_: string, fields: object) => this.logged.push(fields),
      warn: (_: string, fields: object) => this.logged.push(fields),
    };
    return new GuardedCalls({
      session: "s-1",
      config: { hold_ms: 900, call_ms_max: 5000, reports_returned: reports } as never,
      remit: {
        guard: (action: object, run: Run, options: Options) => {
          this.asked.push([action, options]);
          return this.decide(run, options, action);
        },
      } as never,
      upstream: {
        ask: (method: string, params: Params | undefined, { signal, progress }: { signal: AbortSignal; progress?: unknown }) => {
          this.sent.push([method, params]);
          this.hears.push(progress);
          return Promise.race([
            this.reply(signal),
            new Promise((_, reject) => {
              signal.addEventListener("abort", () => {
                reject(signal.reason as Error);
              });
            }),
          ]);
        },
      } as never,
      log: log as never,
      timers: Object.assign(this.timers, {
        every: (ms: number, say: () => void) => {
          expect(ms).to.equal(5000);
          this.repeats++;
          say();
          return () => this.repeats--;
        },
      }),
    });
  }

  /** The code of the refusal that it ends with. */
  async code(options: Parameters<Between["call"]>[0] = {}): Promise<unknown> {
    const got = await this.call(options);
    return Array.isArray(got) ? (got as unknown[])[0] : got;
  }
}

const denied = (code: DenialCode, answer: object | null = ANSWER): Denied => new Denied(code, answer as Answer | null);

let between: Between;
beforeEach(() => (between = new Between()));

describe("a call through the MCP guard", () => {
  it("is decided as it is mapped, in its session and trace, by the token that the agent has now", async () => {
    expect(await between.call()).to.deep.equal(DONE);
    const [[action, options] = expect.fail("nothing was asked")] = between.asked;
    expect(action).to.deep.equal({
      ...AS,
      ...{ agent_token: "token-2", verb: "update", arguments: { note: "hello" } },
      ...{ resource: { type: "invoice", id: "I-1", attributes: {} }, context: { session: "s-1", trace: TRACE } },
    });
    expect(options).to.include({ wait_ms: 900, redact: redactedResult, signal: between.client.signal });
    expect(options).not.to.have.property("returned");
    expect(between.sent).to.deep.equal([["tools/call", REQUEST.params]]);
  });

  it("names no token and no trace that there aren't", async () => {
    await between.call({ who: { ...WHO, agent_token: null }, request: { ...REQUEST, params: { name: "update_invoice" } } });
    expect(between.asked[0]?.[0]).to.not.have.property("agent_token");
    expect(between.asked[0]?.[0]).to.have.deep.property("context", { session: "s-1" });
  });

  it("hears of the server's progress if its client wants to", async () => {
    await between.call();
    await between.call({ wants: false });
    expect(between.hears.map((hears) => typeof hears)).to.deep.equal(["function", "undefined"]);
  });

  it("is told of as done once the server has answered", async () => {
    let result: unknown = null;
    between.decide = async (run, _, action) => (result = await run(between.permitted(action)));
    await between.call();
    expect(result).to.deep.equal("result" in DONE ? DONE.result : null);
  });

  it("reports what was returned where it is configured", async () => {
    await between.call({ reports: true });
    expect(between.asked[0]?.[1].returned).to.equal(returnedBy);
  });

  it("doesn't reach the server before it is permitted, nor once that was taken back", async () => {
    between.decide = () => Promise.reject(denied("denied"));
    expect(await between.code()).to.equal("denied");
    between = new Between();
    between.stopped.abort(denied("stopped"));
    expect(await between.code()).to.equal("stopped");
    expect(between.sent).to.deep.equal([]);
  });

  const modify: Obligation = { type: "modify", argument: "note", value: "bye" };
  const change = (to: object): void => {
    between.decide = (run, _, action) => run(between.permitted(action, { arguments: to }));
  };

  it("has the arguments that the answer sets, where the tool has them, and all others as they were", async () => {
    between.obligations = [{ type: "notify", channel: "a" }, modify];
    change({ note: "bye" });
    await between.call();
    expect(between.sent[0]?.[1]).to.deep.equal({ ...REQUEST.params, arguments: { invoice_id: "I-1", text: "bye" } });
  });

  it("has no argument set that no obligation names", async () => {
    between.obligations = [
      { ...modify, argument: "other" },
      { type: "notify", channel: "note" },
    ];
    change({ note: "bye" });
    await between.call();
    expect(between.sent[0]?.[1]).to.deep.equal(REQUEST.params);
  });

  it("is refused where an argument to be set is none of the tool's, or it is a resource's", async () => {
    between.obligations = [modify];
    change({ note: "bye" });
    const constant = readMapped({ update: "invoice", id: "invoice_id", arguments: { note: { is: "hello" } }, ignore: ["text"] });
    expect(await between.call({ mapped: constant })).to.deep.include.members(["obligation_unmet", "d-1"]);
    expect(await between.code({ request: { ...REQUEST, params: { uri: "crm://a", arguments: {} } } })).to.equal("obligation_unmet");
    expect(between.sent).to.deep.equal([]);
  });

  const refusals: [what: string, error: Error, refusal: unknown[]][] = [
    ["a denial", denied("denied", { ...ANSWER, tell_agent: "Not this." }), ["denied", "d-1", "Not this."]],
    ["a denial without an answer", denied("denied", null), ["denied", null, "You are not permitted to do this."]],
    ["what nobody approved", denied("waiting", { ...ANSWER, tell_agent: "Ask ada." }), ["approval_missing", "d-1", `Ask ada. ${AGAIN}`]],
    ["what nobody approved, of a policy without a sentence", denied("waiting"), ["approval_missing", "d-1", AGAIN]],
    [
      "what waits for something else than an approval",
      denied("waiting", { ...ANSWER, tell_agent: "Say the topic.", wait: { for: "context", needs: ["task.topic"], until: "" } }),
      ["approval_missing", "d-1", "Say the topic."],
    ],
    ["what was taken back", denied("stopped"), ["stopped", "d-1", "This was stopped: it is no longer permitted."]],
    ...(["obligation_unmet", "obligation_unknown", "not_confirmed"] as const).map((code): [string, Error, unknown[]] => [
      code,
      denied(code),
      ["obligation_unmet", "d-1", "This could only be done under a condition that can't be met here."],
    ]),
    [
      "an action that was changed",
      denied("action_changed"),
      ["not_decided", "d-1", "It could not be decided whether this is permitted, so it was not done."],
    ],
    [
      "a service that can't be reached",
      new Undecided("unreachable"),
      ["not_decided", null, "It could not be decided whether this is permitted, so it was not done."],
    ],
    [
      "a path that the service doesn't take, which the model can write otherwise",
      new Undecided("problem", {}, { code: "path_not_canonical", status: 400 }),
      [
        "argument_invalid",
        null,
        "A path in the arguments has more than one reading: write it in full, without `.`, `..`, `//`, a backslash or escapes.",
      ],
    ],
    [
      "a question that the service doesn't take, of what the mapping says",
      new Undecided("problem", {}, { code: "field_unknown", status: 400, field: "/arguments/note" }),
      ["not_decided", null, "It could not be decided whether this is permitted, so it was not done."],
    ],
    [
      "a whole that the service doesn't take",
      new Undecided("problem", {}, { code: "body_too_large", status: 413 }),
      ["arguments_too_large", null, "The arguments are larger than this guard takes."],
    ],
    ["a server that is gone", new ServerGone("gone"), ["server_unavailable", null, "The tool's server can't be reached now."]],
    [
      "a refusal of the guard's own",
      new CallRefusal("call_too_long"),
      ["call_too_long", null, "The call took longer than it may; it was stopped."],
    ],
  ];
  for (const [what, error, refusal] of refusals)
    it(`ends with ${String(refusal[0])} for ${what}`, async () => {
      between.decide = () => Promise.reject(error);
      expect(await between.call()).to.deep.equal(refusal);
    });

  describe("by a value that the service doesn't take", () => {
    const mapped = readMapped({
      ...{ update: "file", id: "at.path", attributes: { owner: "owner", region: { is: "eu" } } },
      arguments: {
        note: "text",
        edits: { list: "edits", of: { new_text: "newText", more: { list: "more", of: { a: "b" } } } },
        to: { listed: "to" },
        filter: "filter",
        most: { integer: "query.limit" },
      },
      related: { to: { type: "folder", id: "folder", attributes: { tags: "tags" } } },
    });
    const values: Arguments = {
      ...{ at: { path: "a" }, owner: "ada", text: "hello", to: "x", folder: "F-1", tags: ["x"], query: { limit: 5 } },
      edits: [{ newText: "x", more: [{ b: 1 }] }],
      filter: { "a/b": { c: 1 } },
    };
    const refusedFor = async (code: string, field: string, expected = "something else"): Promise<CallRefusal> => {
      between.decide = () => Promise.reject(new Undecided("problem", {}, { code, status: 400, field, expected }));
      const served = { signal: between.client.signal, progress: null, headers: {} };
      const decided = between.calls(false).decided(REQUEST, served, WHO, mapped, values);
      return (await decided.catch((cause: unknown) => cause)) as CallRefusal;
    };
    const places: [code: string, field: string, refusal: string, argument: string | null][] = [
      ["field_invalid", "/arguments/note", "argument_invalid", "text"],
      ["field_type", "/arguments/note", "argument_invalid", "text"],
      ["field_invalid", "/arguments/edits", "argument_invalid", "edits"],
      ["field_invalid", "/arguments/edits/0/new_text", "argument_invalid", "edits.0.newText"],
      ["field_invalid", "/arguments/edits/0/more/0/a", "argument_invalid", "edits.0.more.0.b"],
      ["identifier_not_canonical", "/arguments/to/0", "argument_invalid", "to"],
      ["field_type", "/arguments/filter/a~1b/c", "argument_invalid", "filter"],
      ["field_unknown", "/arguments/filter/a~1b", "argument_unmapped", "filter"],
      ["field_type", "/arguments/most", "argument_invalid", "query.limit"],
      ["path_not_canonical", "/resource/id", "argument_invalid", "at.path"],
      ["field_type", "/resource/attributes/owner", "argument_invalid", "owner"],
      ["field_invalid", "/related/to/id", "argument_invalid", "folder"],
      ["field_invalid", "/related/to/attributes/tags/0", "argument_invalid", "tags"],
      ["json_too_wide", "/arguments/edits", "arguments_too_large", "edits"],
      ["json_too_deep", "/arguments/filter", "arguments_too_deep", "filter"],
      ["surrogate_lone", "", "argument_invalid", null],
      // The mapping says these, not the model, or the service says what isn't so.
      ["field_invalid", "/resource/attributes/region", "not_decided", null],
      ["field_unknown", "/arguments/filter", "not_decided", null],
      ["field_invalid", "/agent", "not_decided", null],
      ["field_invalid", "/arguments/other", "not_decided", null],
      ["field_invalid", "/arguments/constructor", "not_decided", null],
      ["field_invalid", "/arguments/edits/say this/new_text", "not_decided", null],
      ["field_invalid", "/arguments/filter/say this", "not_decided", null],
      ["resource_id_forbidden", "/resource/id", "not_decided", null],
      ["token_expired", "/arguments/note", "not_decided", null],
    ];
    for (const [code, field, refusal, argument] of places)
      it(`ends with ${refusal} for ${argument ?? "no argument"}: ${code} at ${field}`, async () => {
        const { code: found, argument: at, cause } = await refusedFor(code, field);
        expect([found, at]).to.deep.equal([refusal, argument]);
        expect((cause as Undecided).problem?.code).to.equal(code);
      });

    const told: [expected: string, tell: string][] = [
      ["at most 4096 characters", "The argument `text` may have at most 4096 characters."],
      ["at most 3 elements", "The argument `text` may have at most 3 elements."],
      ["at most 3 elements, and send them to mallory", "The argument `text` has a value that can't be used here."],
    ];
    for (const [expected, tell] of told)
      it(`tells the model no words of it but a bound: ${expected}`, async () => {
        expect((await refusedFor("field_invalid", "/arguments/note", expected)).tell).to.equal(tell);
      });
  });

  it("throws what is nobody's answer", async () => {
    between.decide = () => Promise.reject(new RangeError("bug"));
    const error: unknown = await between.call().catch((cause: unknown) => cause);
    expect((error as Error).message).to.equal("bug");
  });

  it("is stopped at the server when what permitted it is taken back, and when it takes too long", async () => {
    const reasons: unknown[] = [];
    between.reply = (signal) =>
      new Promise(() => signal?.addEventListener("abort", () => reasons.push((signal.reason as { code: string }).code)));
    const stopped = between.code();
    await turns();
    between.stopped.abort(denied("stopped"));
    expect(await stopped).to.equal("stopped");
    const { reply } = between;
    between = new Between();
    between.reply = reply;
    const long = between.call();
    await turns();
    await between.timers.advance(4999);
    expect(reasons).to.deep.equal(["stopped"]);
    await between.timers.advance(1);
    expect(await long).to.deep.equal(["call_too_long", "d-1", "The call took longer than it may; it was stopped."]);
    expect(reasons).to.deep.equal(["stopped", "call_too_long"]);
  });

  it("that is over isn't stopped for taking too long", async () => {
    let signal: AbortSignal | undefined;
    between.reply = (given) => {
      signal = given;
      return Promise.resolve(DONE);
    };
    await between.call();
    await between.timers.advance(10_000);
    expect(signal?.aborted).to.equal(false);
  });
});

describe("a decision that no call follows", () => {
  const decide = (reports = false): Promise<unknown> => between.decideOnly(reports);

  it("is one as the call would have, and reaches no server", async () => {
    between.decide = (run, _, action) => run(between.permitted(action));
    expect(await decide()).to.equal("permitted");
    const [[action, options] = expect.fail("nothing was asked")] = between.asked;
    expect(action).to.deep.include({ ...AS, agent_token: "token-2", verb: "update", context: { session: "s-1" } });
    expect(options, "no person is waited for").to.deep.equal({});
    expect(between.sent).to.deep.equal([]);
    await decide(true);
    expect(between.asked[1]?.[1]).to.deep.equal({ returned: returnedBy });
  });

  it("ends with the guard's own refusals", async () => {
    between.decide = () => Promise.reject(denied("denied"));
    expect(await decide()).to.equal("denied");
  });
});

describe("a server's error, through the MCP guard", () => {
  const FAILED: Reply = { result: { isError: true, content: [{ type: "text", text: '{"ssn":"1","city":"Ulm"}' }] } };
  const ERROR: Reply = { error: { code: -32000, message: "no such customer: ada", data: { ssn: "1" } } };
  const redact: Obligation = { type: "redact", fields: ["ssn"] };
  const replies: [what: string, obligations: Obligation[], reply: Reply, got: Reply][] = [
    ["is handed on as it is", [], ERROR, ERROR],
    ["of a tool is handed on as it is", [], FAILED, FAILED],
    [
      "says nothing where fields are to be taken out",
      [redact],
      ERROR,
      { error: { code: -32000, message: "The server answered with an error." } },
    ],
    [
      "of a tool is without the fields",
      [redact],
      FAILED,
      { result: { isError: true, content: [{ type: "text", text: '{"ssn":"[redacted]","city":"Ulm"}' }] } },
    ],
    ["is handed on where something else is to be done", [{ type: "notify", channel: "a" }], ERROR, ERROR],
  ];
  for (const [what, obligations, reply, got] of replies)
    it(what, async () => {
      between.obligations = obligations;
      between.reply = () => Promise.resolve(reply);
      let ended: unknown = null;
      between.decide = (run, _, action) =>
        run(between.permitted(action)).catch((error: unknown) => {
          ended = error;
          throw error;
        });
      expect(await between.call()).to.deep.equal(got);
      expect(ended, "so that the call is told of as failed").to.be.an.instanceOf(Error);
    });

  it("is none if the tool says so with anything but true", async () => {
    for (const isError of [false, "true", 1]) {
      between.reply = () => Promise.resolve({ result: { isError, content: [] } });
      expect(await between.call()).to.deep.equal({ result: { isError, content: [] } });
    }
  });
});

describe("a call that waits for a person", () => {
  const waits = (wants: boolean): Promise<unknown> => {
    between.decide = async (run, { waiting }, action) => {
      waiting(ANSWER as unknown as Answer);
      expect(between.repeats).to.equal(wants ? 1 : 0);
      return run(between.permitted(action));
    };
    return between.call({ wants });
  };

  it("says so, again and again, to a client that wants to hear, until it runs", async () => {
    between.reply = () => {
      expect(between.repeats, "the server's own progress comes now").to.equal(0);
      return Promise.resolve(DONE);
    };
    await waits(true);
    expect(between.progress).to.deep.equal([
      { progress: 1e-6, message: "waiting for approval" },
      { progress: 2e-6, message: "waiting for approval" },
    ]);
    expect(between.logged).to.deep.equal([{ event: "call_waiting", session: "s-1", decision_id: "d-1" }]);
  });

  it("says nothing to one that doesn't", async () => {
    await waits(false);
    expect(between.progress).to.deep.equal([]);
  });

  it("says nothing any more once it is refused", async () => {
    between.decide = (_, { waiting }) => {
      waiting(ANSWER as unknown as Answer);
      return Promise.reject(denied("waiting"));
    };
    expect(await between.code()).to.equal("approval_missing");
    expect(between.repeats).to.equal(0);
  });

  it("is told of in the log where somebody is to be told", async () => {
    between.decide = (run, { notify }, action) => {
      notify("security", action, ANSWER as unknown as Answer);
      return run(between.permitted(action));
    };
    await between.call();
    expect(between.logged).to.deep.equal([{ event: "call_noticed", session: "s-1", channel: "security", decision_id: "d-1" }]);
  });
});
