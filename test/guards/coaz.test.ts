/** The COAZ binding for MCP: what is asked before a request goes on, and what becomes of the answer. */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { expect } from "chai";
import fc from "fast-check";
import { COAZ_ERRORS, CoazRefusal, coazQuestion, type CoazQuestion, type CoazTool } from "../../src/guards/mcp/coaz.js";
import { authzenPdp, coazVerdict, type AskPdp } from "../../src/guards/mcp/coaz_guard.js";
import { ExpressionFault, expression } from "../../src/guards/mcp/coaz_expression.js";
import { asset } from "../../src/system/paths.js";
import { CALLER, runAuthzen } from "../adapters/authzen/running.js";
import { COMPILER_BUILD_MS_MAX } from "../build/support.js";

interface Vectors {
  tools: Record<string, CoazTool>;
  cases: {
    name: string;
    tool?: string;
    request: { method: string; params?: Record<string, unknown> };
    token: Record<string, unknown>;
    expect: { api: string; body: object } | { passThrough: true } | { errorCode: number };
  }[];
  malformedMappings: { name: string; mapping: unknown }[];
  literals: { value: unknown; result: unknown }[];
  errors: { mapping: number; denial: number; pdpUnreachable: number };
}

const vectors = JSON.parse(readFileSync(asset("test", "vectors", "authzen", "mcp.json"), "utf8")) as Vectors;
const SERVER = "https://mcp.example.com";
const TOKEN = { sub: "alice", aud: SERVER };
const CALL = { method: "tools/call", params: { name: "t", arguments: { id: "c-1", list: [1, 2, 3] } } };
const permit: AskPdp = () => Promise.resolve({ decision: true });

const mapped = (mapping: unknown): CoazTool => ({ inputSchema: { type: "object", "x-authzen-mapping": mapping } });
const evaluation = (over: object): CoazTool => mapped({ evaluation: over });

function asked(question: CoazQuestion): { api: string; body: Record<string, unknown> } {
  if ("pass" in question) throw new Error("it passed");
  return question;
}

function why(act: () => unknown): string {
  try {
    act();
  } catch (cause) {
    if (cause instanceof CoazRefusal) return cause.why;
    throw cause;
  }
  return "asked";
}

describe("the COAZ binding for MCP", () => {
  it("has the cases of its document", () => {
    expect(vectors.cases).to.have.lengthOf(26);
    expect(COAZ_ERRORS).to.deep.equal({
      mapping: vectors.errors.mapping,
      denial: vectors.errors.denial,
      unreachable: vectors.errors.pdpUnreachable,
    });
  });

  for (const { name, tool, request, token, expect: wanted } of vectors.cases) {
    it(name, async () => {
      const listed = tool === undefined ? undefined : vectors.tools[tool];
      let question: CoazQuestion | null = null;
      const permitAll: AskPdp = (one) => {
        question = one;
        return Promise.resolve({ decision: true, evaluations: [{ decision: true }, { decision: true }] });
      };
      const verdict = await coazVerdict(request, listed, token, permitAll, { resource: SERVER });
      if ("errorCode" in wanted) {
        expect(verdict).to.have.nested.property("error.code", wanted.errorCode);
        expect(question).to.equal(null);
      } else {
        expect(verdict).to.equal(null);
        expect(question).to.deep.equal("passThrough" in wanted ? null : { api: wanted.api, body: wanted.body });
      }
    });
  }

  for (const { name, mapping } of vectors.malformedMappings) {
    it(`refuses a mapping with ${name}`, () => {
      expect(why(() => coazQuestion(CALL, mapped(mapping), TOKEN))).to.equal("mapping");
    });
  }

  for (const { value, result } of vectors.literals) {
    it(`reads ${JSON.stringify(value)} as ${JSON.stringify(result)}`, () => {
      expect(asked(coazQuestion(CALL, evaluation({ context: { value } }), TOKEN)).body["context"]).to.deep.equal({ value: result });
    });
  }

  const malformed: [what: string, tool: CoazTool][] = [
    ["that is a text", mapped("evaluation")],
    ["that is empty", mapped({})],
    ["that is null", mapped(null)],
    ["that is a list", mapped([{ evaluation: {} }])],
    ["with a member of no meaning", evaluation({ subjects: {} })],
    ["of one evaluation with others in it", evaluation({ evaluations: [] })],
    ["of no evaluations", mapped({ evaluations: { evaluations: [] } })],
    ["of evaluations that aren't objects", mapped({ evaluations: { evaluations: ["read"] } })],
    ["whose item lacks a resource", mapped({ evaluations: { evaluations: [{ action: { name: "read" } }] } })],
    ["whose item's resource has no id", mapped({ evaluations: { action: { name: "a" }, evaluations: [{ resource: { type: "x" } }] } })],
    ["for somebody else", evaluation({ subject: { type: "identity", id: "mallory" } })],
    ["for whom the arguments name", evaluation({ subject: { type: "identity", id: "$params.arguments.id" } })],
    ["without a subject's id", evaluation({ subject: { type: "identity" } })],
    ["whose action has no name", evaluation({ action: { name: "$token.?client_id" } })],
    ["whose resource's id is a number", evaluation({ resource: { type: "x", id: "$params.arguments.list[0]" } })],
    ["with what is no CEL", evaluation({ context: { a: "$params." } })],
    ["with an unknown variable", evaluation({ context: { a: "$process.env" } })],
    ["with a claim that isn't there", evaluation({ context: { a: "$token.email" } })],
    ["with an optional element of a list", evaluation({ context: { a: ["$token.?email"] } })],
    ["with a regular expression", evaluation({ context: { a: "$params.name.matches('(a+)+$')" } })],
    [
      "with nested comprehensions",
      evaluation({ context: { a: "$params.arguments.list.exists(x, params.arguments.list.exists(y, x == y))" } }),
    ],
    ["with a function that isn't bounded", evaluation({ context: { a: "$params.arguments.list.map(x, params.name).join(',')" } })],
    [
      "that comes to too much",
      evaluation({ context: { a: `$${Array.from({ length: 60 }, () => "params.name").join("+")}`, b: "y".repeat(65_000) } }),
    ],
    ["of another name", mapped({ questions: { action: { name: "a" }, resource: { type: "x", id: "y" }, evaluations: [{}] } })],
    ["of one evaluation with options", evaluation({ options: {} })],
    ["with a function that isn't allowed, of a result that is", evaluation({ context: { a: "$size(bytes('abc'))" } })],
    ["with a time", evaluation({ context: { a: "$timestamp('2020-01-01T00:00:00Z')" } })],
    ["with a very long expression", evaluation({ context: { a: `$${"1+".repeat(1000)}1` } })],
    ["nested deep", evaluation({ context: Array.from({ length: 20 }).reduce<object>((inner) => ({ inner }), {}) })],
    ["of very many members", evaluation({ context: Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`m${i}`, 1])) })],
  ];
  for (const [what, tool] of malformed) {
    it(`refuses a mapping ${what}`, async () => {
      expect(why(() => coazQuestion(CALL, tool, TOKEN))).to.equal("mapping");
      const none: AskPdp = () => {
        throw new Error("it was asked");
      };
      expect(await coazVerdict(CALL, tool, TOKEN, none)).to.have.nested.property("error.code", COAZ_ERRORS.mapping);
    });
  }

  const nest = (levels: number, inner: unknown, wrap: (value: unknown) => unknown): unknown =>
    Array.from({ length: levels }).reduce<unknown>(wrap, inner);
  const many = (length: number): object => Object.fromEntries(Array.from({ length }, (_, i) => [`m${i}`, i]));
  const bounds: [what: string, most: number, value: (size: number) => unknown][] = [
    ["levels of objects", 7, (levels) => nest(levels - 1, "x", (inner) => ({ inner }))],
    ["levels of lists", 7, (levels) => nest(levels - 1, "x", (inner) => [inner])],
    ["elements", 64, (length) => Array.from({ length }, (_, i) => i)],
    ["members", 64, many],
    ["letters of an expression, but for `$`", 1024, (length) => `$'${"x".repeat(length - 2)}'`],
  ];
  for (const [what, most, value] of bounds)
    it(`takes a mapping of ${most} ${what} as it is, and refuses one more`, () => {
      const question = (size: number): CoazQuestion => coazQuestion(CALL, evaluation({ context: { a: value(size) } }), TOKEN);
      const wanted = most === 1024 ? "x".repeat(most - 2) : value(most);
      expect(asked(question(most)).body["context"]).to.deep.equal({ a: wanted });
      expect(why(() => question(most + 1))).to.equal("mapping");
    });

  it("lets items have what all of them share, and passes options on", () => {
    const [action, resource] = [{ name: "read" }, { type: "x", id: "y" }];
    const options = { evaluations_semantic: "deny_on_first_deny" };
    const tool = mapped({ evaluations: { action, resource, options, evaluations: [{}, { action: { name: "write" } }] } });
    const { body } = asked(coazQuestion(CALL, tool, TOKEN));
    expect(body).to.deep.include({ action, resource, options, evaluations: [{}, { action: { name: "write" } }] });
  });

  it("reads a tool's mapping for calls of tools alone", () => {
    const { body } = asked(coazQuestion({ method: "tools/list" }, evaluation({ action: { name: "other" } }), TOKEN));
    expect(body["action"]).to.deep.equal({ name: "tools/list" });
  });

  const values: [text: string, value: unknown][] = [
    ["true", true],
    ["null", null],
    ["7", 7],
    ["1.5", 1.5],
    ["'a'", "a"],
    ["{'a': {'b': [1]}}", { a: { b: [1] } }],
    ["params.bare", { a: "b" }],
    ["params.list.map(x, x + 1.0)", [2, 3]],
    ["optional.of({'a': 1})", { a: 1 }],
    ["token.?email", undefined],
  ];
  for (const [text, value] of values)
    it(`reads the expression ${text} as ${JSON.stringify(value)}`, () => {
      const bare = Object.assign(Object.create(null) as object, { a: "b" });
      expect(expression(text)({ params: { bare, list: [1, 2] }, token: TOKEN }, { left: 100 })).to.deep.equal(value);
    });

  for (const text of ["9007199254740993", "1.0 / 0.0", "params.made", "params.endless", "b'abc'", "1u"])
    it(`finds no value of JSON in ${text}`, () => {
      const variables = { params: { made: new Date(0), endless: Infinity }, token: TOKEN };
      expect(() => expression(text)(variables, { left: 100 })).to.throw(ExpressionFault);
    });

  it("asks nothing that a model has made too large", () => {
    const tool = evaluation({ context: { a: "$params.arguments.list.map(x, params.arguments.text)" } });
    const call = (items: number, length: number) => ({
      method: "tools/call",
      params: { name: "t", arguments: { list: Array.from({ length: items }, () => 1), text: "z".repeat(length) } },
    });
    expect(why(() => coazQuestion(call(10, 100), tool, TOKEN))).to.equal("asked");
    expect(why(() => coazQuestion(call(10_000, 1_000_000), tool, TOKEN))).to.equal("mapping");
  });

  it("takes no inherited member for one of a mapping, a method or a token", () => {
    expect(why(() => coazQuestion({ method: "constructor" }, undefined, TOKEN))).to.equal("denial");
    expect(why(() => coazQuestion({ method: "toString" }, undefined, TOKEN))).to.equal("denial");
    expect(why(() => coazQuestion({ method: "completion/complete", params: { ref: { type: "constructor" } } }, undefined, TOKEN))).to.equal(
      "mapping",
    );
    expect(why(() => coazQuestion(CALL, evaluation({ context: { a: "$token.constructor" } }), TOKEN))).to.equal("mapping");
    const listed = { method: "completion/complete", params: { ref: { type: ["ref/prompt"], name: "p" } } };
    expect(
      why(() => coazQuestion(listed, undefined, TOKEN)),
      "nor a list for a text",
    ).to.equal("mapping");
  });

  const audiences: [what: string, aud: unknown, resource: string | undefined, expected: string][] = [
    ["for another server", "https://other.example.com", SERVER, "denial"],
    ["for several others", ["https://a.example.com", "https://b.example.com"], SERVER, "denial"],
    ["for nobody", undefined, SERVER, "denial"],
    ["for several, where the server isn't said", [SERVER, "https://b.example.com"], undefined, "mapping"],
    ["for nobody, where the server isn't said", undefined, undefined, "mapping"],
    ["for one in a list", [SERVER], undefined, "asked"],
  ];
  for (const [what, aud, resource, expected] of audiences) {
    it(`with a token ${what}: ${expected}`, () => {
      const options = resource === undefined ? {} : { resource };
      expect(why(() => coazQuestion({ method: "tools/list" }, undefined, { sub: "alice", aud }, options))).to.equal(expected);
    });
  }

  it("reads no server's name as an expression", () => {
    const { body } = asked(coazQuestion({ method: "tools/list" }, undefined, { sub: "alice", aud: "$token.sub" }));
    expect(body["resource"]).to.deep.equal({ type: "mcp_server", id: "$token.sub" });
  });

  it("refuses a token that names nobody", () => {
    expect(why(() => coazQuestion({ method: "tools/list" }, undefined, { aud: SERVER }))).to.equal("mapping");
    expect(why(() => coazQuestion({ method: "tools/list" }, undefined, { sub: 7, aud: SERVER }))).to.equal("mapping");
  });

  const answers: [what: string, answer: unknown][] = [
    ["denies", { decision: false }],
    ["says nothing", {}],
    ["says yes in another way", { decision: "true" }],
    ["is no object", [true]],
    ["permits under an obligation", { decision: true, context: { obligations: [{ id: "o", type: "custom" }] } }],
    ["has obligations of no known form", { decision: true, context: { obligations: {} } }],
  ];
  for (const [what, answer] of answers) {
    it(`denies where the answer ${what}`, async () => {
      const verdict = await coazVerdict(CALL, undefined, TOKEN, () => Promise.resolve(answer));
      expect(verdict).to.have.nested.property("error.code", -32001);
    });
  }

  for (const context of [undefined, null, {}, { obligations: [] }])
    it(`permits where the answer has no obligation: ${JSON.stringify(context)}`, async () => {
      expect(await coazVerdict(CALL, undefined, TOKEN, () => Promise.resolve({ decision: true, context }))).to.equal(null);
    });

  it("denies where one of several isn't permitted, or isn't answered", async () => {
    const tool = vectors.tools["copy_object"];
    const call = {
      method: "tools/call",
      params: { name: "copy_object", arguments: { source: "a", destination: "b" } },
    };
    const verdictOn = (evaluations: unknown) => coazVerdict(call, tool, TOKEN, () => Promise.resolve({ evaluations }));
    expect(await verdictOn([{ decision: true }, { decision: true }])).to.equal(null);
    for (const wrong of [[{ decision: true }], [{ decision: true }, { decision: false }], [], null, [true, true]])
      expect(await verdictOn(wrong)).to.have.nested.property("error.code", -32001);
    expect(await coazVerdict(call, tool, TOKEN, permit)).to.have.nested.property("error.code", -32001);
  });

  it("denies by another code, or by a result that the model sees", async () => {
    const deny: AskPdp = () => Promise.resolve({ decision: false, context: { evaluation_id: "e-1", reason: "secret" } });
    const coded = await coazVerdict(CALL, undefined, TOKEN, deny, { denial: -31000 });
    expect(coded).to.deep.equal({ error: { code: -31000, message: "You are not permitted to do this.", data: { evaluation_id: "e-1" } } });
    const seen = await coazVerdict(CALL, undefined, TOKEN, deny, { denial: "result" });
    const content = [{ type: "text", text: "You are not permitted to do this." }];
    expect(seen).to.deep.equal({ result: { content, isError: true, _meta: { evaluation_id: "e-1" } } });
    const bare: AskPdp = () => Promise.resolve({ decision: false });
    expect(await coazVerdict(CALL, undefined, TOKEN, bare, { denial: "result" })).to.deep.equal({ result: { content, isError: true } });
    expect(await coazVerdict(CALL, undefined, TOKEN, bare)).to.deep.equal({ error: { code: -32001, message: content[0]?.text } });
    const request = { url: "https://pdp.example/requests/1" };
    const requestable: AskPdp = () => Promise.resolve({ decision: false, context: { access_request: request } });
    expect(await coazVerdict(CALL, undefined, TOKEN, requestable)).to.have.deep.nested.property("error.data", { access_request: request });
    const list = await coazVerdict({ method: "tools/list" }, undefined, TOKEN, deny, { denial: "result" });
    expect(list).to.have.nested.property("error.code", -32001);
  });

  it("says so where no decision point can be asked", async () => {
    const server = createServer((_request, response) => response.writeHead(503).end('{"decision":true}')).listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const pdp = authzenPdp({ endpoints: { evaluation: url, evaluations: url }, token: () => "t", timeout_ms: 1000 });
    expect(await coazVerdict(CALL, undefined, TOKEN, pdp)).to.have.nested.property("error.code", -32603);
    server.close();
    await once(server, "close");
    expect(await coazVerdict(CALL, undefined, TOKEN, pdp)).to.have.nested.property("error.code", -32603);
  });

  it("posts a question with its token, and follows no redirect", async () => {
    const heard: unknown[] = [];
    const server = createServer((request, response) => {
      const { method, url, headers } = request;
      heard.push([method, url, headers.authorization, headers["content-type"]]);
      if (url === "/moved") response.writeHead(307, { location: "/" });
      response.end('{"decision":true}');
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const pdp = authzenPdp({ endpoints: { evaluation: `${url}/`, evaluations: `${url}/moved` }, token: () => "t", timeout_ms: 5000 });
    expect(await coazVerdict(CALL, undefined, TOKEN, pdp)).to.equal(null);
    const call = { method: "tools/call", params: { name: "copy_object", arguments: { source: "a", destination: "b" } } };
    expect(await coazVerdict(call, vectors.tools["copy_object"], TOKEN, pdp)).to.have.nested.property("error.code", -32603);
    const common = ["Bearer t", "application/json"];
    expect(heard).to.deep.equal([
      ["POST", "/", ...common],
      ["POST", "/moved", ...common],
    ]);
    expect(() => authzenPdp({ timeout: 1 } as never)).to.throw(/timeout/u);
    server.close();
    server.closeAllConnections();
  });

  it("comes to a refusal or to a question about whom the token names, whatever the mapping", () => {
    const anything = fc.anything({
      maxDepth: 5,
      values: [
        fc.string(),
        fc.constantFrom("$token.sub", "$params", "$token.?x", "$$", "$", "$params.arguments.id"),
        fc.double(),
        fc.boolean(),
        fc.constant(null),
      ],
    });
    fc.assert(
      fc.property(fc.constantFrom("evaluation", "evaluations"), anything, (envelope, mapping) => {
        try {
          const { body } = asked(coazQuestion(CALL, mapped({ [envelope]: mapping }), TOKEN));
          expect(body).to.have.nested.property("subject.id", "alice");
        } catch (cause) {
          if (!(cause instanceof CoazRefusal)) throw cause;
        }
      }),
      { numRuns: 1000 },
    );
  });

  it("has expressions that end in a value of JSON or in a fault", () => {
    const words = [
      "params",
      "token",
      ".",
      ".?",
      "[",
      "]",
      "(",
      ")",
      "'a'",
      "1",
      "1.5",
      "==",
      "?",
      ":",
      "+",
      "exists",
      "map",
      "x",
      ",",
      "true",
      "null",
      "size",
      "&&",
      "timestamp",
      "optional.none()",
    ];
    const texts = fc.array(fc.constantFrom(...words), { maxLength: 12 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(fc.oneof(texts, fc.string()), (text) => {
        try {
          const value = expression(text)({ params: CALL.params, token: TOKEN }, { left: 10_000 });
          if (value !== undefined) JSON.parse(JSON.stringify(value));
        } catch (cause) {
          if (!(cause instanceof ExpressionFault)) throw cause;
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("a COAZ guard before a real decision point", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  it("lets go on what its policy permits", async () => {
    const service = await runAuthzen({
      policies: "todo",
      facts: {
        agents: { alice: { owner: "tests", purposes: ["todo_app"], attributes: { roles: ["editor"], email: "alice@example.com" } } },
      },
      authzen: { subjects: { identity: { purpose: { is: "todo_app" } } }, actions: { update_todo: "update", show_todo: "read" } },
    });
    try {
      const endpoints = { evaluation: `${service.url}/access/v1/evaluation`, evaluations: `${service.url}/access/v1/evaluations` };
      const pdp = authzenPdp({ endpoints, token: () => CALLER, timeout_ms: 5000 });
      const tool = (name: string): CoazTool =>
        evaluation({
          action: { name },
          resource: { type: "todo", id: "$params.arguments.id", properties: { owner: "$params.arguments.owner" } },
        });
      const call = (owner: string) => ({
        method: "tools/call",
        params: { name: "t", arguments: { id: "t-1", owner } },
      });
      const alice = { sub: "alice", aud: SERVER };
      expect(await coazVerdict(call("alice@example.com"), tool("update_todo"), alice, pdp)).to.equal(null);
      expect(await coazVerdict(call("bob@example.com"), tool("update_todo"), alice, pdp)).to.have.nested.property(
        "error.data.evaluation_id",
      );
      expect(await coazVerdict(call("bob@example.com"), tool("show_todo"), alice, pdp)).to.equal(null);
      expect(await coazVerdict(call("bob@example.com"), tool("show_todo"), { ...alice, sub: "bob" }, pdp)).to.have.nested.property(
        "error.code",
        -32001,
      );
      expect(await coazVerdict({ method: "tools/list" }, undefined, alice, pdp)).to.have.nested.property("error.code", -32001);
    } finally {
      await service.stop();
    }
  });
});
