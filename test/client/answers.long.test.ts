import { createServer, type Server } from "node:net";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { expect } from "chai";
import { NO_ANSWERS, OptionError, RemitClient, Undecided, type ClientOptions, type Outside } from "../../src/client/index.js";
import { outside } from "../../src/client/outside.js";
import type { Answer } from "../../src/contract/index.js";
import { nodeOutside } from "../../src/guards/outside.js";
import { action, DEADLINE_MS, endOf, GATEWAY, hurrying, openDesk, SOON_MS, type Desk } from "./desk.js";
import { ANSWER_CASES, faultOf, oneBefore } from "./answer_cases.js";
import { FaultyProxy, type Fault } from "./faulty_proxy.js";

const alter = (change: (answer: Answer, earlier: readonly Answer[]) => object): Fault => ({
  alter: (answer, earlier) => ({ ...answer, ...change(answer, earlier) }),
});
const JSON_TYPE = { "content-type": "application/json" };

/** What may come in the place of an answer, and what that ends in: for every client. */
const FAULTS = ANSWER_CASES.map(({ what, code, fault }): [what: string, code: string, fault: Fault] => [what, code, faultOf(fault)]);

describe("what comes in the place of an answer", function () {
  let desk: Desk;
  let proxy: FaultyProxy;
  before(async () => {
    desk = await openDesk();
    proxy = await FaultyProxy.open(desk.service.url);
  });
  afterEach(() => {
    proxy.fault = () => "none";
  });
  after(async () => {
    await desk.close();
    await proxy.close();
  });

  const patient = (outside?: Outside) => desk.client({ url: proxy.url, follow: false, breaker_failures_max: 1000 }, outside);

  const isNotActedOn = async (code: string, fault: Fault, outside?: Outside): Promise<void> => {
    const is = { hurried: false };
    const client = patient(hurrying(is, outside));
    await client.guard(action("note"), () => undefined);
    let runs = 0;
    proxy.fault = () => fault;
    is.hurried = code === "deadline";
    expect(await endOf(client.guard(action("note"), (_) => runs++))).to.equal(code);
    expect(runs).to.equal(0);
    proxy.fault = () => "none";
    is.hurried = false;
    expect(await endOf(client.guard(action("note"), () => runs++))).to.equal("ran");
  };

  for (const [what, code, fault] of FAULTS) {
    it(`is not acted on: ${what}`, () => isNotActedOn(code, fault));

    it(`is not acted on in a batch: ${what}`, async () => {
      const is = { hurried: false };
      const client = patient(hurrying(is));
      await client.guard(action("note"), () => undefined);
      let runs = 0;
      proxy.fault = () => fault;
      is.hurried = code === "deadline";
      const calls = [1, 2, 3].map(() => endOf(client.guard(action("note"), (_) => runs++)));
      const found = new Set(await Promise.all(calls));
      // Of several that are all too large, or the wrong way round, each says so.
      expect([...found]).to.deep.equal([code]);
      expect(runs).to.equal(0);
    });
  }

  for (const [what, code, fault] of FAULTS) {
    // What an answer says is read in one way, however it came.
    if (typeof fault === "object" && "alter" in fault) continue;
    it(`is not acted on by who asks without \`fetch\`: ${what}`, () => isNotActedOn(code, fault, nodeOutside()));
  }

  it("is not acted on where it is packed, and nobody unpacks it", async () => {
    const body = gzipSync('{"proceed":true}');
    proxy.fault = () => ({ status: 200, headers: { ...JSON_TYPE, "content-encoding": "gzip" }, body });
    expect(await endOf(patient(nodeOutside()).guard(action("note"), () => 1))).to.equal("answer_unreadable");
  });

  it("is acted on where it says more than is known, since what narrows it is an obligation", async () => {
    proxy.fault = () => alter(() => ({ colour: "green" }));
    expect(await endOf(patient().guard(action("note"), () => 1))).to.equal("ran");
  });

  it("is refused one by one where answers of a batch are exchanged", async () => {
    let swapped: Answer[] = [];
    proxy.fault = (path) =>
      path === "/decide"
        ? "none"
        : {
            alter: (answer) =>
              (swapped = [...swapped, answer]).length === 1 ? { ...answer, request_id: oneBefore(answer.request_id ?? "") } : answer,
          };
    const client = patient();
    const ends = await Promise.all([1, 2, 3].map(() => endOf(client.guard(action("note"), () => 1))));
    expect(ends).to.deep.equal(["answer_foreign", "ran", "ran"]);
  });

  it("is none where a batch has fewer answers than actions", async () => {
    proxy.fault = () => ({ status: 200, body: '{"answers":[]}' });
    const client = patient();
    const ends = await Promise.all([1, 2].map(() => endOf(client.guard(action("note"), () => 1))));
    expect(ends).to.deep.equal(["answer_unreadable", "answer_unreadable"]);
  });

  it("is none from before the client's start: its requests have other names", async () => {
    const [old] = await Promise.all([patient().decide(action("note"))]);
    proxy.fault = () => ({ alter: () => old.answer });
    expect(await endOf(patient().guard(action("note"), () => 1))).to.equal("answer_foreign");
  });

  it("is asked for again where the connection failed, under the same id, so many times", async () => {
    let asked = 0;
    proxy.fault = () => (++asked < 3 ? "cut after" : "none");
    expect(await endOf(patient().guard(action("note"), () => 1))).to.equal("ran");
    const [answers] = [...proxy.genuine.values()].slice(-1);
    expect(answers).to.have.length(3);
    asked = 0;
    proxy.fault = () => (asked++, "cut before");
    expect(await endOf(patient().guard(action("note"), () => 1))).to.equal("unreachable");
    expect(asked).to.equal(3);
  });

  it("is not asked for again once an answer had begun", async () => {
    let asked = 0;
    proxy.fault = () => (asked++, "half");
    expect(await endOf(patient().guard(action("note"), () => 1))).to.equal("answer_cut");
    expect(asked).to.equal(1);
  });

  it("is not asked for a while after so many failures, and then once", async () => {
    let now = 1000;
    const breaker = { breaker_failures_max: 3, breaker_open_ms: 200, retries_max: 0 };
    const client = desk.client({ url: proxy.url, follow: false, ...breaker }, { ...outside, monotonic: () => now });
    let asked = 0;
    proxy.fault = () => (asked++, "cut before");
    const ends: string[] = [];
    for (let i = 0; i < 5; i++) ends.push(await endOf(client.guard(action("note"), () => 1)));
    expect(ends).to.deep.equal(["unreachable", "unreachable", "unreachable", "breaker_open", "breaker_open"]);
    expect(asked).to.equal(3);
    proxy.fault = () => "none";
    now += 199;
    expect(await endOf(client.guard(action("note"), () => 1))).to.equal("breaker_open");
    now += 1;
    expect(await endOf(client.guard(action("note"), () => 1))).to.equal("ran");
    expect(await endOf(client.guard(action("note"), () => 1))).to.equal("ran");
  });

  it("is not asked for less because requests are refused: that is an answer", async () => {
    const client = desk.client({ follow: false, breaker_failures_max: 1 });
    for (let i = 0; i < 3; i++) expect(await endOf(client.guard(action("note", { purpose: "" }), () => 1))).to.equal("problem");
    expect(await endOf(client.guard(action("note"), () => 1))).to.equal("ran");
  });

  const nobody: [what: string, code: string, token: () => string | Promise<string>][] = [
    ["fails", "token_unavailable", () => Promise.reject(new Error("no issuer"))],
    ["gives none", "token_unavailable", () => ""],
    ["gives two lines", "token_unavailable", () => "a\r\nx-admin: 1"],
    ["gives what isn't a text", "token_unavailable", () => undefined as unknown as string],
    ["gives another's", "problem", () => `${GATEWAY.slice(0, -4)}AAAA`],
    ["never answers", "deadline", () => new Promise(() => undefined)],
  ];
  for (const [what, code, token] of nobody) {
    it(`is none where whoever has the token ${what}`, async () => {
      const deadline = code === "deadline" ? { deadline_ms: SOON_MS } : {};
      expect(await endOf(desk.client({ token, ...deadline }).guard(action("note"), () => 1))).to.equal(code);
    });
  }

  it("is none where nobody listens, nor where somebody listens and says nothing", async () => {
    const silent: Server = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    const of = (url: string, deadline_ms: number) => new RemitClient({ url, token: "t", deadline_ms, follow: false });
    expect(await endOf(of(`http://127.0.0.1:${port}`, SOON_MS).guard(action("note"), () => 1))).to.equal("deadline");
    silent.close();
    expect(await endOf(of("http://127.0.0.1:9", DEADLINE_MS).guard(action("note"), () => 1))).to.equal("unreachable");
  });

  it("is none after the client is closed, for those that wait too", async () => {
    const client = patient();
    proxy.fault = () => "hang";
    const waiting = endOf(client.guard(action("note"), () => 1));
    await client.close();
    expect(await endOf(client.guard(action("note"), () => 1))).to.equal("closed");
    expect(await waiting).to.be.oneOf(["deadline", "closed"]);
  });

  it("leaves the rest of a batch alone where one of its actions is refused", async () => {
    const client = patient();
    const bad = [action("note", { arguments: { amount: "x" } }), action("note", { colour: 1 } as object)];
    const all = [action("note"), bad[0], action("vault"), bad[1], action("note")].map((one) =>
      client.guard(one ?? action("note"), () => 1),
    );
    expect(await Promise.all(all.map(endOf))).to.deep.equal(["ran", "problem", "denied", "problem", "ran"]);
    const refused = (await all[1]?.catch((error: unknown) => error)) as Undecided;
    expect(refused.problem).to.include({ field: "/arguments/amount", code: "field_type" });
  });

  it("comes for many at once in few requests", async () => {
    // Of its own: a connection that an earlier test left idle may end just as it is used, and then the batch is sent twice.
    const proxy = await FaultyProxy.open(desk.service.url);
    const client = desk.client({ url: proxy.url, requests_max: 1, follow: false });
    const askedFor = async (actions: number): Promise<string[]> => {
      await Promise.all(Array.from({ length: actions }, () => client.decide(action("note"))));
      return proxy.asked.splice(0);
    };
    expect(await askedFor(50)).to.deep.equal(["/decide/batch"]);
    expect(await askedFor(250)).to.deep.equal(["/decide/batch", "/decide/batch", "/decide/batch"]);
    expect(await askedFor(1)).to.deep.equal(["/decide"]);
    await proxy.close();
  });

  it("is not waited for by more than there is room for", async () => {
    const client = desk.client({ requests_max: 1, queue_max: 2, follow: false });
    const ends = await Promise.all([1, 2, 3].map(() => endOf(client.decide(action("note")))));
    expect(ends).to.deep.equal(["ran", "ran", "queue_full"]);
  });

  it("has a code for everything that this file provokes, and each code one title", () => {
    expect(new Set(Object.values(NO_ANSWERS)).size).to.equal(Object.keys(NO_ANSWERS).length);
    expect(new Undecided("deadline").title).to.equal(NO_ANSWERS.deadline);
  });

  const senseless: [what: string, options: object, names: RegExp][] = [
    ["no URL", { url: "remit" }, /^url/],
    ["another protocol", { url: "file:///etc/passwd" }, /^url/],
    ["no token", { token: "" }, /^token/],
    ["a deadline of nothing", { deadline_ms: 0 }, /^deadline_ms/],
    ["a deadline without end", { deadline_ms: Infinity }, /^deadline_ms/],
    ["a fraction of a retry", { retries_max: 0.5 }, /^retries_max/],
    ["a batch of none", { batch_actions_max: 0 }, /^batch_actions_max/],
    ["a breaker that never opens", { breaker_failures_max: Infinity }, /^breaker_failures_max/],
    ["following in words", { follow: "no" }, /^follow/],
    ["a handler that is none", { confirm: true }, /^confirm/],
    ["a password in its URL", { url: "http://user:pass@127.0.0.1:1" }, /^url/],
    ["a query in its URL", { url: "http://127.0.0.1:1?tenant=a" }, /^url/],
    ["an option that there isn't", { colour: 1 }, /^colour: no such option$/],
    ["an option of every object", { toString: 1 }, /^toString: no such option$/],
    ["a misspelt deadline", { deadline_sm: 100 }, /^deadline_sm: no such option; did you mean `deadline_ms`\?$/],
    ["an option's words in another order", { max_retries: 1 }, /^max_retries: no such option; did you mean `retries_max`\?$/],
    ["an option as others write it", { breakerOpenMs: 1 }, /^breakerOpenMs: no such option; did you mean `breaker_open_ms`\?$/],
  ];
  for (const [what, options, names] of senseless) {
    it(`has no client with ${what}`, () => {
      expect(() => new RemitClient({ url: "http://127.0.0.1:1", token: "t", ...options })).to.throw(TypeError, names);
    });
  }

  it("says which option is refused, and by a stable code why", () => {
    const refused = (options: object): unknown => {
      try {
        return new RemitClient({ url: "http://127.0.0.1:1", token: "t", ...options });
      } catch (error) {
        return error;
      }
    };
    expect(refused({ deadline_sm: 1 }))
      .to.be.instanceOf(OptionError)
      .and.include({ code: "option_unknown", option: "deadline_sm" });
    expect(refused({ deadline_ms: 0 }))
      .to.be.instanceOf(OptionError)
      .and.include({ code: "option_invalid", option: "deadline_ms" });
    expect(refused({ follow: 1 })).to.include({ code: "option_invalid", option: "follow" });
  });

  it("has no client without options, and one with an option that is left open", () => {
    expect(() => new RemitClient(undefined as unknown as ClientOptions)).to.throw(TypeError, /^options: expected/);
    const open = { retries_max: undefined, colour: undefined };
    expect(() => new RemitClient({ url: "http://127.0.0.1:1", token: "t", ...open } as object as ClientOptions)).to.not.throw();
  });

  const misspelt: [how: string, ask: (client: RemitClient, options: object) => Promise<unknown>, options: object, message: RegExp][] = [
    ["guard", (client, options) => client.guard(action("note"), () => 1, options), { wait: 1 }, /^wait: no such option/],
    ["guard", (client, options) => client.guard(action("note"), () => 1, options), { wait_sm: 1 }, /^wait_sm: .* `wait_ms`\?$/],
    ["decide", (client, options) => client.decide(action("note"), options), { at_last: 9 }, /^at_last: .* `at_least`\?$/],
    ["ready", (client, options) => client.ready(options), { deadline_m: 9 }, /^deadline_m: .* `deadline_ms`\?$/],
    ["ready", (client, options) => client.ready(options), { at_least: 9 }, /^at_least: no such option/],
  ];
  for (const [how, ask, options, message] of misspelt) {
    it(`is not asked for by \`${how}\` with ${Object.keys(options).join()}`, async () => {
      const error: unknown = await ask(patient(), options).catch((cause: unknown) => cause);
      expect(error).to.be.instanceOf(TypeError);
      expect(error).to.include({ code: "option_unknown", option: Object.keys(options).join() });
      expect((error as TypeError).message).to.match(message);
    });
  }
});
