/** One request and its answer, over a network of the test's own: what is taken for an answer, what for none, and what is tried again. */
import { expect } from "chai";
import { Breaker } from "../../src/client/breaker.js";
import { within } from "../../src/client/deadline.js";
import { Undecided, type NoAnswerCode } from "../../src/client/errors.js";
import type { Answered, Outside } from "../../src/client/outside.js";
import { Transport, type ClientExchange, type TransportOptions } from "../../src/client/transport.js";
import { StillTimers, turns } from "../facts/world.js";

type Sent = (url: URL, init: RequestInit) => Promise<Answered>;

interface Given {
  status?: number;
  type?: string | null;
  length?: number;
  /** Chunks of the body; an error breaks it off. */
  body?: (string | Uint8Array | Error)[] | null;
}

let timers: StillTimers;
let cancelled: number;
beforeEach(() => {
  timers = new StillTimers();
  cancelled = 0;
});

function answered({ status = 200, type = "application/json", length, body = ['{"a":1}'] }: Given = {}): Answered {
  const headers: Record<string, string | null> = { "content-type": type, "content-length": length === undefined ? null : String(length) };
  const chunks = [...(body ?? [])];
  const cancel = (): Promise<void> => {
    cancelled++;
    return Promise.resolve();
  };
  const read = (): Promise<{ value?: Uint8Array }> => {
    const next = chunks.shift();
    if (next instanceof Error) return Promise.reject(next);
    return Promise.resolve(next === undefined ? {} : { value: typeof next === "string" ? Buffer.from(next) : next });
  };
  return {
    status,
    headers: { get: (name) => headers[name] ?? null },
    body: body === null ? null : { getReader: () => ({ read, cancel }), cancel },
  };
}

const LIMITS = { failures_max: 3, open_ms: 1000 };
const EXCHANGE = { path: "decide", body: "{}", ms: 500, answer_bytes_max: 64 };
const URL_OF_SERVICE = new URL("https://pdp.example/base/");

const outsideOf = (exchange: Sent): Outside =>
  ({ monotonic: () => timers.now, after: (ms, call) => timers.after(ms, call), exchange, fetch: exchange }) as Outside;
const transport = (exchange: Sent, options: Partial<TransportOptions> = {}): Transport =>
  new Transport({ url: URL_OF_SERVICE, token: "t", retries_max: 2, breaker: LIMITS, ...options }, outsideOf(exchange));

/** The value that came, or the code of why none did. */
async function come(sending: Promise<{ value: unknown }>): Promise<unknown> {
  return sending.then(
    ({ value }) => value,
    (error: unknown) => {
      if (!(error instanceof Undecided)) throw error;
      return error.problem === null ? error.code : { ...error.problem };
    },
  );
}

const send = (given: Given, more: Partial<ClientExchange> = {}): Promise<unknown> =>
  come(transport(() => Promise.resolve(answered(given))).send({ ...EXCHANGE, ...more }));

const problem = (value: unknown, type = "application/problem+json"): Given => ({ status: 403, type, body: [JSON.stringify(value)] });
const bytes = (length: number): string => JSON.stringify("x".repeat(length - 2));

describe("a client's request", () => {
  it("is posted as it is, with its token, to a path below the service's, and follows nowhere", async () => {
    const seen: unknown[] = [];
    const token = (): Promise<string> => Promise.resolve("renewed");
    await transport(
      (url, { method, headers, body, redirect }) => {
        seen.push([url.href, method, headers, body, redirect]);
        return Promise.resolve(answered());
      },
      { token },
    ).send({ ...EXCHANGE, method: "PATCH" });
    const headers = { authorization: "Bearer renewed", "content-type": "application/json" };
    expect(seen).to.deep.equal([["https://pdp.example/base/decide", "PATCH", headers, "{}", "manual"]]);
  });

  it("is a POST unless another method is named", async () => {
    let named: unknown = null;
    await transport((_, { method }) => {
      named = method;
      return Promise.resolve(answered());
    }).send(EXCHANGE);
    expect(named).to.equal("POST");
  });

  it("has the time at which its first attempt was sent", async () => {
    let tries = 0;
    timers.now = 5;
    const sending = transport(() => (++tries < 3 ? Promise.reject(new Error("reset")) : Promise.resolve(answered()))).send(EXCHANGE);
    for (const ms of [0, 19, 1, 39, 1]) await timers.advance(ms);
    expect(await sending).to.deep.equal({ value: { a: 1 }, sent_ms: 5 });
    expect(tries).to.equal(3);
  });

  it("is tried again where nothing was answered, as often as configured", async () => {
    for (const retries_max of [0, 1, 2]) {
      let tries = 0;
      const got = come(
        transport(
          () => {
            tries++;
            return Promise.reject(new Error("reset"));
          },
          { retries_max },
        ).send(EXCHANGE),
      );
      for (let i = 0; i < 10; i++) await timers.advance(20);
      expect([await got, tries]).to.deep.equal(["unreachable", retries_max + 1]);
    }
  });

  it("is tried only once where an answer had begun", async () => {
    let tries = 0;
    const exchange: Sent = () => {
      tries++;
      return Promise.resolve(answered({ body: ["{", new Error("reset")] }));
    };
    expect(await come(transport(exchange).send(EXCHANGE))).to.equal("answer_cut");
    expect(tries).to.equal(1);
  });

  it("isn't tried again once its time is over, and is broken off", async () => {
    let tries = 0;
    const exchange: Sent = (_url, { signal }) => {
      tries++;
      return new Promise((_, reject) =>
        signal?.addEventListener("abort", () => {
          reject(signal.reason as Error);
        }),
      );
    };
    const got = come(transport(exchange).send(EXCHANGE));
    await timers.advance(499);
    await timers.advance(1);
    await timers.advance(1000);
    expect([await got, tries]).to.deep.equal(["deadline", 1]);
  });

  const tokens: [what: string, token: TransportOptions["token"]][] = [
    ["an empty text", ""],
    ["a line break", "a\r\nb"],
    ["a space", "a b"],
    ["a space at its end", "a "],
    ["letters beyond ASCII", "tök"],
    ["no text", (() => 7) as never],
    ["an error", () => Promise.reject(new Error("vault"))],
  ];
  for (const [what, token] of tokens)
    it(`isn't sent if its token is ${what}`, async () => {
      let tries = 0;
      const exchange: Sent = () => Promise.resolve(answered({ length: ++tries }));
      expect(await come(transport(exchange, { token }).send(EXCHANGE))).to.equal("token_unavailable");
      expect(tries).to.equal(0);
    });
});

describe("an answer to a client's request", () => {
  const cases: [what: string, given: Given, found: unknown, letsGo?: true][] = [
    ["JSON", {}, { a: 1 }],
    ["JSON that says its charset", { type: 'application/json; charset="UTF-8"' }, { a: 1 }],
    ["JSON in other letters", { type: "Application/JSON;charset=utf-8" }, { a: 1 }],
    ["JSON in pieces that part a letter", { body: ['"', Buffer.from("é").subarray(0, 1), Buffer.from("é").subarray(1), '"'] }, "é"],
    ["as large as it may be", { body: [bytes(64)], length: 64 }, "x".repeat(62)],
    ["larger than it may be", { body: [bytes(65)] }, "answer_too_large", true],
    ["larger than it may be, in small pieces", { body: Array<string>(65).fill(" ") }, "answer_too_large", true],
    ["announced as larger than it may be", { length: 65 }, "answer_too_large", true],
    ["another charset", { type: "application/json; charset=latin1" }, "type_unexpected", true],
    ["another type", { type: "text/html" }, "type_unexpected", true],
    ["a type that only begins so", { type: "application/jsonl" }, "type_unexpected", true],
    ["a type that only ends so", { type: "x/application/json" }, "type_unexpected", true],
    ["no type", { type: null }, "type_unexpected", true],
    ["a name twice", { body: ['{"a":1,"a":2}'] }, "answer_unreadable"],
    ["text that isn't UTF-8", { body: [Buffer.from([0x22, 0xff, 0x22])] }, "answer_unreadable"],
    ["text that ends within a letter", { body: ['"', Buffer.from([0xc3])] }, "answer_unreadable"],
    ["no JSON", { body: ["{"] }, "answer_unreadable"],
    ["nothing", { body: [] }, "answer_unreadable"],
    ["no body", { body: null }, "answer_unreadable"],
    ["a body that breaks off", { body: ["{", new Error("reset")] }, "answer_cut"],
    ["status 201", { status: 201 }, "status_unexpected", true],
    ["status 204", { status: 204 }, "status_unexpected", true],
    ["status 204 and no body", { status: 204, body: null }, "status_unexpected"],
    ["a redirection", { status: 300 }, "redirected", true],
    ["another", { status: 399 }, "redirected", true],
    ["one that a browser hides", { status: 0 }, "redirected", true],
    ["status 299", { status: 299 }, "status_unexpected", true],
    ["status 400 and no problem", { status: 400 }, "status_unexpected", true],
    [
      "a problem",
      problem({ code: "scope_missing", field: "authorization" }),
      { code: "scope_missing", field: "authorization", status: 403 },
    ],
    ["a problem that says its charset", problem({ code: "x" }, "application/problem+json; charset=utf-8"), { code: "x", status: 403 }],
    ["a problem with another status in it", problem({ code: "x", status: 200 }), { code: "x", status: 403 }],
    ["a problem without a code", problem({ title: "no" }), "status_unexpected"],
    ["a problem that is null", problem(null), "status_unexpected"],
    ["a problem of another type", problem({ code: "x" }, "text/application/problem+json"), "status_unexpected", true],
    ["a problem of a type that only begins so", problem({ code: "x" }, "application/problem+jsonx"), "status_unexpected", true],
    ["a problem that is too large", { ...problem({ code: "x" }), length: 64 * 1024 + 1 }, "answer_too_large", true],
  ];
  for (const [what, given, found, letsGo] of cases)
    it(`${what}: ${typeof found === "string" && found.includes("_") ? found : "is taken"}`, async () => {
      expect(await send(given)).to.deep.equal(found);
      expect(cancelled, "lets go of the rest").to.equal(letsGo === true ? 1 : 0);
    });

  it("has status 201 where something is made, and no other", async () => {
    expect(await send({ status: 201 }, { creates: true })).to.deep.equal({ a: 1 });
    expect(await send({ status: 200 }, { creates: true })).to.deep.equal({ a: 1 });
    expect(await send({ status: 202 }, { creates: true })).to.equal("status_unexpected");
  });

  it("that goes on is opened by its type alone, with the headers that were given", async () => {
    const seen: unknown[] = [];
    const open = (given: Given): Promise<unknown> =>
      come(
        transport((url, { headers, redirect, method }) => {
          seen.push([url.pathname, method, headers, redirect]);
          return Promise.resolve(answered(given));
        })
          .open("events", "text/event-stream", { accept: "x" }, new AbortController().signal)
          .then((response) => ({ value: response.status })),
      );
    expect(await open({ type: "text/event-stream; charset=utf-8" })).to.equal(200);
    expect(await open({ type: "application/json" })).to.equal("type_unexpected");
    expect(await open({ type: null })).to.equal("type_unexpected");
    expect(await open({ type: "text/event-stream", status: 302 })).to.equal("redirected");
    expect(await open({ type: "text/event-stream", status: 201 })).to.equal("status_unexpected");
    expect(seen[0]).to.deep.equal(["/base/events", "GET", { accept: "x", authorization: "Bearer t" }, "manual"]);
  });
});

describe("a service that keeps failing", () => {
  const failing = (code: NoAnswerCode, status?: number): Undecided =>
    new Undecided(code, {}, status === undefined ? null : { code: "x", status });
  let breaker: Breaker;
  beforeEach(() => (breaker = new Breaker(LIMITS, () => timers.now)));
  const call = async (error: Error | null): Promise<string> =>
    breaker
      .run(() => (error === null ? Promise.resolve("done") : Promise.reject(error)))
      .catch((cause: unknown) => (cause as { code?: string }).code ?? (cause as Error).message);
  const calls = async (...errors: (Error | null)[]): Promise<string | undefined> => {
    const found: string[] = [];
    for (const error of errors) found.push(await call(error));
    return found.at(-1);
  };

  const counted: [error: Undecided, counts: boolean][] = [
    ...(
      [
        ...["unreachable", "deadline", "redirected", "status_unexpected", "type_unexpected"],
        ...["answer_too_large", "answer_cut", "answer_unreadable"],
      ] as NoAnswerCode[]
    ).map((code): [Undecided, boolean] => [failing(code), true]),
    [failing("problem", 500), true],
    [failing("problem", 503), true],
    [failing("problem", 499), false],
    [failing("problem", 403), false],
    [failing("cancelled"), false],
    [failing("token_unavailable"), false],
  ];
  for (const [error, counts] of counted)
    it(`${counts ? "rests after" : "doesn't rest for"} ${error.code} ${String(error.problem?.status ?? "")}`, async () => {
      expect(await calls(error, error, error, null)).to.equal(counts ? "breaker_open" : "done");
    });

  it("is asked while fewer have failed in a row, an answer or a refusal between them", async () => {
    const gone = failing("unreachable");
    expect(await calls(gone, gone, null, gone, gone, failing("problem", 400), gone, gone, null)).to.equal("done");
    expect(await calls(gone, gone, failing("cancelled"), gone, null), "cancelling says nothing of it").to.equal("breaker_open");
  });

  it("is asked once after its rest, by one alone, and rests again if that fails", async () => {
    const gone = failing("unreachable");
    await calls(gone, gone, gone);
    timers.now = 999;
    expect(await call(null)).to.equal("breaker_open");
    timers.now = 1000;
    let answer = (_: string): void => undefined;
    const first = breaker.run(() => new Promise<string>((resolve) => (answer = resolve)));
    expect(await call(null), "another waits for what it finds").to.equal("breaker_open");
    answer("done");
    expect([await first, await call(null)]).to.deep.equal(["done", "done"]);
    await calls(gone, gone, gone);
    timers.now = 2000;
    expect([await call(gone), await call(null)]).to.deep.equal(["unreachable", "breaker_open"]);
  });

  it("isn't blamed for an error of the client's own", async () => {
    const own = new TypeError("own");
    expect(await calls(own, own, own, null)).to.equal("done");
  });
});

describe("what has to settle by its deadline", () => {
  const outside = { after: (ms: number, call: () => void): (() => void) => timers.after(ms, call) };
  const never = (): Promise<never> => new Promise(() => undefined);
  const ended = (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => (error as Undecided).code);

  it("does so at its last millisecond, and tells the work", async () => {
    const told: unknown[] = [];
    const work = ended(
      within(outside, 10, undefined, (signal) => {
        signal.addEventListener("abort", () => told.push((signal.reason as Undecided).code));
        return never();
      }),
    );
    await timers.advance(9);
    expect(told).to.deep.equal([]);
    await timers.advance(1);
    expect([await work, told]).to.deep.equal(["deadline", ["deadline"]]);
  });

  it("is over at once if its time is, or whoever called has gone; then nothing is begun", async () => {
    const gone = ended(within(outside, -5, undefined, never));
    await timers.advance(0);
    expect(await gone).to.equal("deadline");
    let begun = 0;
    const controller = new AbortController();
    controller.abort();
    const work = (): Promise<never> => {
      begun++;
      return never();
    };
    expect(await ended(within(outside, 10, controller.signal, work))).to.equal("cancelled");
    expect(begun).to.equal(0);
  });

  it("ends when whoever called loses interest, and listens to nobody afterwards", async () => {
    const controller = new AbortController();
    const work = ended(within(outside, 10, controller.signal, never));
    controller.abort();
    expect(await work).to.equal("cancelled");
    const later = new AbortController();
    let told = false;
    const done = within(outside, 10, later.signal, (signal) => {
      signal.addEventListener("abort", () => (told = true));
      return Promise.resolve("done");
    });
    expect(await done).to.equal("done");
    await turns();
    later.abort();
    await timers.advance(20);
    expect(told).to.equal(false);
  });
});
