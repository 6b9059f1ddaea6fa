/** Answers of an MCP server as the guard reads them: what is taken for one, what is handed on meanwhile, and what ends a request. */
import { expect } from "chai";
import { Asks, type AskedIn } from "../../src/guards/mcp/asks.js";
import { returnedBy } from "../../src/guards/mcp/server_answers.js";
import type { Request } from "../../src/guards/mcp/wire.js";
import type { GuardedAnswer } from "../../src/guards/outside.js";
import { returnedOf } from "../../src/flow/index.js";

const REQUEST: Request = { jsonrpc: "2.0", id: 7, method: "tools/call", params: { name: "get_customer" } };
const ANSWER = { jsonrpc: "2.0", id: 7, result: { content: [] } };
const NOTICE = { jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: 1, progress: 1 } };
const MAX = 400;

interface Given {
  status?: number;
  type?: string | null;
  /** Chunks of the body; an error breaks it off. */
  body?: (string | Error)[];
}

interface Sent {
  url: URL;
  init: RequestInit;
}

let sent: Sent[];
let cancelled: number;
let heard: unknown[];
beforeEach(() => {
  [sent, cancelled, heard] = [[], 0, []];
});

function asks({ status = 200, type = "application/json", body = [JSON.stringify(ANSWER)] }: Given): Asks {
  const chunks = [...body];
  const cancel = (): Promise<void> => {
    cancelled++;
    return Promise.resolve();
  };
  const read = (): Promise<{ value?: Uint8Array }> => {
    const next = chunks.shift();
    return next instanceof Error ? Promise.reject(next) : Promise.resolve(next === undefined ? {} : { value: Buffer.from(next) });
  };
  return new Asks({
    url: new URL("https://tools.example/mcp"),
    headers: { "x-guard": "1" },
    message_bytes_max: MAX,
    exchange: (url, init) => {
      sent.push({ url, init });
      init.signal?.throwIfAborted();
      return Promise.resolve({
        status,
        headers: { get: (name: string) => (name === "content-type" ? type : null) },
        fields: [],
        body: { getReader: () => ({ read, cancel }), cancel },
      } as GuardedAnswer);
    },
  });
}

/** How it ended: as the guard has it, or the error's message. */
const ask = (given: Given, session: AskedIn = {}): Promise<unknown> =>
  asks(given)
    .ask(REQUEST, session, {
      message: (message) => heard.push(message),
      unreadable: () => heard.push("unreadable"),
    })
    .catch((error: unknown) => (error as Error).message);

const whole = { how: "whole" };
const event = (data: unknown, more = ""): string => `${more}data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;
const stream = (...body: (string | Error)[]): Given => ({ type: "text/event-stream", body });
const padded = (length: number): string => JSON.stringify(ANSWER) + " ".repeat(length - JSON.stringify(ANSWER).length);

describe("a request to an MCP server", () => {
  it("is posted whole, with the session's headers where there is a session, and the guard's own", async () => {
    await ask({});
    await ask({}, { sessionId: "s-1", protocolVersion: "2025-06-18" });
    const common = { "x-guard": "1", accept: "application/json, text/event-stream", "content-type": "application/json" };
    expect(
      sent.map(({ url, init: { method, headers, body } }) => [url.href, method, headers, JSON.parse(body as string) as unknown]),
    ).to.deep.equal([
      ["https://tools.example/mcp", "POST", common, REQUEST],
      ["https://tools.example/mcp", "POST", { ...common, "mcp-session-id": "s-1", "mcp-protocol-version": "2025-06-18" }, REQUEST],
    ]);
  });

  it("is broken off once the session is over", async () => {
    const one = asks({});
    one.close();
    const error: unknown = await one
      .ask(REQUEST, {}, { message: () => undefined, unreadable: () => undefined })
      .catch((cause: unknown) => cause);
    expect((error as Error).message).to.equal("the session is over");
  });

  const cases: [what: string, given: Given, ended: unknown, heard: unknown[], letsGo?: true][] = [
    ["JSON", {}, whole, [ANSWER]],
    ["JSON with a charset, in other letters", { type: "Application/JSON ; charset=utf-8" }, whole, [ANSWER]],
    [
      "an error as the answer",
      { body: [JSON.stringify({ ...ANSWER, result: undefined, error: { code: 1, message: "no" } })] },
      whole,
      [{ jsonrpc: "2.0", id: 7, error: { code: 1, message: "no" } }],
    ],
    ["a batch that has the answer", { body: [JSON.stringify([NOTICE, ANSWER])] }, whole, [NOTICE, ANSWER]],
    ["JSON in pieces", { body: [JSON.stringify(ANSWER).slice(0, 9), JSON.stringify(ANSWER).slice(9)] }, whole, [ANSWER]],
    ["as large as it may be", { body: [padded(MAX)] }, whole, [ANSWER]],
    ["a byte larger", { body: [padded(MAX + 1)] }, `a message of more than ${MAX} bytes`, [], true],
    ["larger in small pieces", { body: Array<string>(MAX + 1).fill(" ") }, `a message of more than ${MAX} bytes`, [], true],
    ["the answer to another request", { body: [JSON.stringify({ ...ANSWER, id: 8 })] }, "the answer broke off", [{ ...ANSWER, id: 8 }]],
    ["the same number as text", { body: [JSON.stringify({ ...ANSWER, id: "7" })] }, "the answer broke off", [{ ...ANSWER, id: "7" }]],
    [
      "a request of the server with the same id",
      { body: [JSON.stringify({ ...REQUEST, method: "ping", params: {} })] },
      "the answer broke off",
      [{ ...REQUEST, method: "ping", params: {} }],
    ],
    ["what is no message", { body: ['{"jsonrpc":"1.0","id":7,"result":{}}'] }, "the answer broke off", ["unreadable"]],
    ["a message with a member more", { body: [JSON.stringify({ ...ANSWER, note: 1 })] }, "the answer broke off", ["unreadable"]],
    ["an empty batch", { body: ["[]"] }, "the answer broke off", []],
    ["a body that breaks off", { body: ["{", new Error("reset")] }, "reset", []],
    ["a redirection that keeps the method", { status: 307 }, { how: "elsewhere" }, [], true],
    ["a permanent one", { status: 308 }, { how: "elsewhere" }, [], true],
    ...[201, 202, 204, 301, 302, 303, 400, 401, 404, 500].map((status): [string, Given, unknown, unknown[], true] => [
      `status ${status}`,
      { status },
      `the server answers with ${status}`,
      [],
      true,
    ]),
    ["another type", { type: "text/html" }, "the server answers in no type that is known", [], true],
    ["no type", { type: null }, "the server answers in no type that is known", [], true],
    ["a type that only begins so", { type: "application/json-seq" }, "the server answers in no type that is known", [], true],
    ["a stream that has the answer", stream(event(NOTICE), event(ANSWER)), whole, [NOTICE, ANSWER]],
    ["events of other names", stream(event(ANSWER, "event: other\n"), event(ANSWER, "event: message\n")), whole, [ANSWER]],
    ["an event that is no JSON", stream(event("{"), event(ANSWER)), whole, ["unreadable", ANSWER]],
    ["a stream without the answer", stream(event(NOTICE)), "the answer broke off", [NOTICE]],
    ["one that can be resumed", stream(event(NOTICE, "id: e-1\n")), { how: "resumable", after: "e-1", in_ms: 1000 }, [NOTICE]],
    ["one that says when", stream("retry: 50\n", event(NOTICE, "id: e-1\n")), { how: "resumable", after: "e-1", in_ms: 50 }, [NOTICE]],
    ["one that has the answer, and could be resumed", stream(event(ANSWER, "id: e-1\n")), whole, [ANSWER]],
    ["one that breaks off", stream(event(NOTICE), new Error("reset")), "reset", [NOTICE]],
    [
      "one that breaks off, and can be resumed",
      stream(event(NOTICE, "id: e-1\n"), new Error("reset")),
      { how: "resumable", after: "e-1", in_ms: 1000 },
      [NOTICE],
    ],
    [
      "one with a message that is too large",
      stream(event(NOTICE, "id: e-1\n"), "data: ", "x".repeat(MAX)),
      `a message of more than ${MAX} bytes`,
      [NOTICE],
      true,
    ],
    [
      "one whose messages are large together",
      stream(...Array<string>(9).fill(event(NOTICE)), event(ANSWER)),
      whole,
      [...Array<object>(9).fill(NOTICE), ANSWER],
    ],
  ];
  for (const [what, given, ended, messages, letsGo] of cases)
    it(`is answered by ${what}: ${typeof ended === "string" ? ended : (ended as { how: string }).how}`, async () => {
      expect(await ask(given)).to.deep.equal(ended);
      expect(heard).to.deep.equal(messages);
      expect(cancelled, "lets go of the rest").to.equal(letsGo === true ? 1 : 0);
    });

  it("has no answer in what isn't JSON", async () => {
    expect(await ask({ body: ["{"] })).to.match(/JSON/);
    expect(heard).to.deep.equal([]);
  });
});

describe("a server's result, taken apart", () => {
  const OPAQUE = "content that is no text";
  const text = (said: string): object => ({ type: "text", text: said });
  const results: [what: string, result: unknown, parts: unknown][] = [
    ["one text", { content: [text("hello")] }, "hello"],
    ["text that is JSON", { content: [text(' {"a":1}')] }, { a: 1 }],
    ["text that is a list", { content: [text("[1]")] }, [1]],
    ["text that only looks so", { content: [text("[1")] }, "[1"],
    ["text that is a number", { content: [text("17")] }, "17"],
    ["two texts, one of them JSON", { content: [text(' {"a":"ada@x.example"}'), text("17 EUR")] }, [{ a: "ada@x.example" }, "17 EUR"]],
    [
      "two texts, of which none is JSON",
      { content: [text('x {"a":"ada@x.example"}'), text('"q@x.example"')] },
      ['x {"a":"ada@x.example"}', '"q@x.example"'],
    ],
    ["structured content and text", { structuredContent: { a: 1 }, content: [text("b")] }, [{ a: 1 }, "b"]],
    ["a picture", { content: [{ type: "image", data: "AA==", mimeType: "image/png" }] }, OPAQUE],
    ["a link", { content: [{ type: "resource_link", uri: "x://a", name: "n" }] }, { type: "resource_link", uri: "x://a", name: "n" }],
    ["an embedded resource", { content: [{ type: "resource", resource: { uri: "x://a", text: '{"b":2}' } }] }, { b: 2 }],
    [
      "an embedded resource without text",
      { content: [{ type: "resource", resource: { uri: "x://a", blob: "AA==" } }] },
      { uri: "x://a", text: OPAQUE },
    ],
    ["a resource whose address has words", { contents: [{ uri: "x://Mail the code", text: "c" }] }, ["c", { uri: "x://Mail the code" }]],
    ["a text that has something beside it", { content: [{ ...text("d"), content: { text: "e" } }] }, ["d", "e"]],
    [
      "contents of a resource",
      {
        contents: [
          { uri: "x://a", text: "c" },
          { uri: "x://b", blob: "AA==" },
        ],
      },
      ["c", { uri: "x://b", text: OPAQUE }],
    ],
    ["a prompt", { description: "d", messages: [{ role: "user", content: text("e") }] }, ["e", "d"]],
    ["a description alone", { description: "d" }, "d"],
    ["a description that is no text", { description: 7, content: [text("f")] }, "f"],
    ["an item that is no object", { content: ["g", null] }, [OPAQUE, OPAQUE]],
    ["content that is no list", { content: "h" }, []],
    ["nothing", {}, []],
    ["no object", "i", []],
  ];
  for (const [what, result, parts] of results)
    it(`is ${JSON.stringify(parts)} of ${what}`, () => {
      expect(returnedBy(result)).to.deep.equal(returnedOf(parts));
    });
});
