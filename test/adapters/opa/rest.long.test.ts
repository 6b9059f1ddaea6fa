import { gzipSync } from "node:zlib";
import { expect } from "chai";
import { Problem, type ProblemCode } from "../../../src/contract/index.js";
import { refusal } from "../../../src/http/routes/opa.js";
import { EVERY, ask, type Json } from "../../http/asking.js";
import { ALL, REQUEST, raw, requestText, run, tokenFor, type Running } from "../../http/running.js";

const DECIDE = "/v1/data/remit/decide";
const ALLOW = "/v1/data/remit/allow";
const DENIED = { ...REQUEST, agent: "a-2" };
const REJECTED = "request rejected by administrative policy";

interface Told {
  status: number;
  headers: Headers;
  text: string;
  body: Json;
}

async function call(
  service: Running,
  method: string,
  path: string,
  body?: string | Uint8Array | object,
  headers: Record<string, string> = {},
  token = ALL,
): Promise<Told> {
  const sent = typeof body === "object" && !(body instanceof Uint8Array) ? JSON.stringify(body) : body;
  const response = await fetch(`${service.url}${path}`, {
    method,
    headers: { ...(token === "" ? {} : { authorization: `Bearer ${token}` }), ...headers },
    body: (sent as string | undefined) ?? null,
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type") === "application/json";
  return { status: response.status, headers: response.headers, text, body: isJson ? (JSON.parse(text) as Json) : {} };
}

/** Without what differs from one decision to the next. */
function same(answer: unknown): Json {
  const moving = new Set(["decision_id", "valid_for_ms", "finding"]);
  return Object.fromEntries(Object.entries(answer as Json).filter(([key]) => !moving.has(key)));
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The codes, OPA's and ours. */
function codes({ status, body }: Pick<Told, "status" | "body">): string {
  const { code, errors } = body as { code?: string; errors?: { code: string; details?: { field?: string } }[] };
  return [status, code, errors?.[0]?.code, errors?.[0]?.details?.field].filter((part) => part !== undefined).join(" ");
}

describe("OPA's REST API", () => {
  let service: Running;
  before(async () => (service = await run()));
  after(() => service.stop());

  const send = (
    method: string,
    path: string,
    body?: string | Uint8Array | object,
    headers?: Record<string, string>,
    token?: string,
  ): Promise<Told> => call(service, method, path, body, headers, token);

  async function records(): Promise<number> {
    const { body } = await ask(service, "GET", "/decisions/summary?by=decision");
    return (body as { records?: number }).records ?? NaN;
  }

  for (const [what, request] of [
    ["an allow", REQUEST],
    ["a deny by the floor", DENIED],
    ["a deny by the policy", { ...REQUEST, verb: "wipe" }],
  ] as const) {
    describe(`of ${what}`, () => {
      let native: Json;
      before(async () => (native = (await send("POST", "/decide", request, { "content-type": "application/json" })).body));

      it("gives the answer of POST /decide by each way of asking", async () => {
        const parameter = encodeURIComponent(JSON.stringify(request));
        const ways = [
          await send("POST", DECIDE, { input: request }),
          await send("GET", `${DECIDE}?input=${parameter}`),
          await send("POST", "/v1/data/remit//decide/", { input: request }),
          await send("POST", "/v1/data/remit%2Fdecide", { input: request, trace: "metadata of a request" }),
          await send("POST", DECIDE, gzipSync(JSON.stringify({ input: request })), { "content-encoding": "gzip" }),
        ];
        for (const { status, body, headers } of ways) {
          expect(status).to.equal(200);
          expect(headers.get("content-type")).to.equal("application/json");
          expect(Object.keys(body)).to.deep.equal(["decision_id", "result"]);
          expect(same(body["result"])).to.deep.equal(same(native));
          expect(body["decision_id"]).to.equal((body["result"] as Json)["decision_id"]);
        }
        for (const path of ["/", "/v0/data/remit/decide", "/?pretty", "/v0/data/remit/decide?metrics"]) {
          const { status, body } = await send("POST", path, request);
          expect(status).to.equal(200);
          expect(same(body)).to.deep.equal(same(native));
        }
      });

      it("is a boolean under remit/allow, and the package has both", async () => {
        const allowed = native["proceed"] === true;
        expect((await send("POST", ALLOW, { input: request })).body["result"]).to.equal(allowed);
        expect((await send("POST", "/v0/data/remit/allow", request)).text).to.equal(String(allowed));
        const { result } = (await send("POST", "/v1/data/remit", { input: request })).body as { result: Json };
        expect(Object.keys(result)).to.deep.equal(["allow", "decide"]);
        expect(result["allow"]).to.equal(allowed);
        expect(same(result["decide"])).to.deep.equal(same(native));
        const whole = (await send("POST", "/v1/data", { input: request })).body as { result: { remit: Json } };
        expect(same(whole.result.remit["decide"])).to.deep.equal(same(native));
      });

      it("is on record under its id, and the record says how it was asked for", async () => {
        const { body } = await send("POST", DECIDE, { input: request });
        const found = await ask(service, "GET", `/decisions/${String(body["decision_id"])}`);
        expect(found.status).to.equal(200);
        expect(found.body["record"]).to.include({ adapter: "opa", kind: "decision" });
      });
    });
  }

  describe("where nothing is decided", () => {
    const undefinedOnes: [what: string, method: string, path: string, body: string | object | undefined, warned: boolean][] = [
      ["a path that there isn't", "POST", "/v1/data/no/such/path", { input: REQUEST }, false],
      ["a part of an answer", "POST", `${DECIDE}/proceed`, { input: REQUEST }, false],
      ["a part of an answer, by an encoded slash", "POST", `${DECIDE}%2Fproceed`, { input: REQUEST }, false],
      ["a name of another case", "POST", "/v1/data/remit/Decide", { input: REQUEST }, false],
      ["a member of all objects", "POST", "/v1/data/__proto__", { input: REQUEST }, false],
      ["no input", "POST", DECIDE, REQUEST, true],
      ["an empty envelope", "POST", DECIDE, {}, true],
      ["an empty body", "POST", DECIDE, undefined, true],
      ["a GET without input", "GET", DECIDE, undefined, false],
    ];
    for (const [what, method, path, body, warned] of undefinedOnes) {
      it(`is undefined, which is no permission: ${what}`, async () => {
        const told = await send(method, path, body);
        expect(told.status).to.equal(200);
        const warning = { code: "api_usage_warning", message: "'input' key missing from the request" };
        const { decision_id, ...rest } = told.body;
        expect(decision_id).to.match(UUID);
        expect(rest).to.deep.equal(warned ? { warning } : {});
      });
    }

    it("is false where a boolean is asked for, alone or in its package", async () => {
      for (const told of [await send("GET", ALLOW), await send("POST", ALLOW, REQUEST), await send("POST", ALLOW)])
        expect(told.body["result"]).to.equal(false);
      expect((await send("POST", "/v0/data/remit/allow")).text).to.equal("false");
      expect((await send("GET", "/v1/data/remit")).body["result"]).to.deep.equal({ allow: false });
      expect((await send("GET", "/v1/data")).body["result"]).to.deep.equal({ remit: { allow: false } });
    });

    const missing: [path: string, body: string | object | undefined, message: string][] = [
      ["/v0/data/no/such", REQUEST, "document missing: data.no.such"],
      ["/v0/data/remit/decide", undefined, "document undefined: data.remit.decide"],
      ["/", undefined, "document undefined: data.remit.decide"],
      [`/v0/data/${"x".repeat(2000)}`, REQUEST, `document missing: data.${"x".repeat(256)}`],
    ];
    for (const [path, body, message] of missing) {
      it(`is 404 undefined_document where a bare result was asked for: ${path.slice(0, 40)}`, async () => {
        const told = await send("POST", path, body);
        expect(told.status).to.equal(404);
        expect(told.body).to.deep.equal({ code: "undefined_document", message });
      });
    }

    it("leaves no record", async () => {
      const before = await records();
      await send("POST", "/v1/data/no/such/path", { input: REQUEST });
      await send("POST", DECIDE, {});
      await send("GET", ALLOW);
      expect(await records()).to.equal(before);
    });
  });

  describe("by its parameters", () => {
    it("tells metrics in nanoseconds, provenance, and all in lines that people read", async () => {
      const { text, body } = await send("POST", `${DECIDE}?metrics&provenance=true&pretty&unknown=1`, {
        input: REQUEST,
      });
      expect(text).to.equal(`${JSON.stringify(body, null, 2)}\n`);
      expect(Object.keys(body)).to.deep.equal(["decision_id", "metrics", "provenance", "result"]);
      const metrics = body["metrics"] as Record<string, number>;
      expect(Object.keys(metrics)).to.deep.equal([
        "counter_server_query_cache_hit",
        "timer_rego_external_resolve_ns",
        "timer_rego_input_parse_ns",
        "timer_rego_query_eval_ns",
        "timer_server_handler_ns",
      ]);
      expect(metrics["timer_rego_query_eval_ns"]).to.be.above(0);
      expect(metrics["timer_server_handler_ns"]).to.be.above(metrics["timer_rego_query_eval_ns"] ?? NaN);
      const { policy } = body["result"] as { policy: { bundle: string; revision: string } };
      const provenance = body["provenance"] as Json;
      expect(provenance["version"]).to.match(/^\d+\.\d+\.\d+/);
      expect(provenance["bundles"]).to.deep.equal({ [policy.bundle]: { revision: policy.revision } });
    });

    it("tells provenance of what is undefined, too, and no metrics of what wasn't evaluated", async () => {
      const { body } = await send("GET", "/v1/data/no/such?provenance&metrics");
      expect(body).to.have.nested.property("provenance.bundles.engine_test.revision");
      expect(body["metrics"]).to.deep.equal({});
    });

    for (const query of ["?pretty=false&metrics=no&provenance=0", "?explain=off", "?explain=notes", "?strict-builtin-errors", "?"]) {
      it(`adds nothing by ${query}`, async () => {
        const { status, body } = await send("POST", DECIDE + query, { input: REQUEST });
        expect(status).to.equal(200);
        expect(Object.keys(body)).to.deep.equal(["decision_id", "result"]);
      });
    }

    for (const explain of ["full", "fails", "debug", "FULL", ""]) {
      it(`refuses explain=${explain}, which it can't tell`, async () => {
        const told = await send("POST", `${DECIDE}?explain=${explain}`, { input: REQUEST });
        expect(codes(told)).to.equal("400 invalid_parameter parameter_invalid explain");
      });
    }
  });

  describe("refuses, with nothing recorded and nothing allowed:", () => {
    const deep = `${'{"a":'.repeat(40)}1${"}".repeat(40)}`;
    const input = JSON.stringify(REQUEST);
    type Refused = [
      what: string,
      body: string | Uint8Array | object | undefined,
      outcome: string,
      headers?: Record<string, string>,
      path?: string,
      method?: string,
    ];
    // prettier-ignore
    const refused: Refused[] = [
      ["half of JSON", '{"input": ', "400 invalid_parameter json_invalid"],
      ["two texts", `{"input":${input}}{}`, "400 invalid_parameter json_invalid"],
      ["what isn't UTF-8", new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]), "400 invalid_parameter utf8_invalid"],
      ["input twice", `{"input":${input},"input":${input}}`, "400 invalid_parameter json_duplicate_key /input"],
      ["input twice, once escaped", `{"input":${input},"inpu\\u0074":${input}}`, "400 invalid_parameter json_duplicate_key /input"],
      ["a number that a double doesn't hold", '{"input":{"a":9007199254740993}}', "400 invalid_parameter number_not_exact"],
      ["half a surrogate", '{"input":{"a":"\\ud800"}}', "400 invalid_parameter surrogate_lone"],
      ["too deep an input", `{"input":${deep}}`, "400 invalid_parameter json_too_deep"],
      ["too wide a list", `{"input":[${"1,".repeat(300)}1]}`, "400 invalid_parameter json_too_wide"],
      ["a list", "[]", "400 invalid_parameter field_type "],
      ["null", "null", "400 invalid_parameter field_type "],
      ["a text", '"input"', "400 invalid_parameter field_type "],
      ["null as input", { input: null }, "400 invalid_parameter field_type "],
      ["a list as input", { input: [] }, "400 invalid_parameter field_type "],
      ["an input without agent", { input: { ...REQUEST, agent: undefined } }, "400 invalid_parameter field_missing /agent"],
      ["facts as if they were known", { input: { ...REQUEST, facts: {} } }, "400 invalid_parameter field_unknown /facts"],
      ["what a policy sees", { input: { request: REQUEST, facts: {} } }, "400 invalid_parameter field_missing /agent"],
      ["a decision in the input", { input: { ...REQUEST, proceed: true } }, "400 invalid_parameter field_unknown /proceed"],
      ["YAML", "input:\n  agent: a-1\n", "415 invalid_parameter content_type_unsupported content-type", { "content-type": "application/x-yaml" }],
      ["another encoding", "x", "415 invalid_parameter content_encoding_unsupported content-encoding", { "content-encoding": "br" }],
      ["no gzip", "x", "400 invalid_parameter http_invalid content-encoding", { "content-encoding": "gzip" }],
      ["a broken gzip", gzipSync(`{"input":${input}}`).subarray(0, -4), "400 invalid_parameter http_invalid content-encoding", { "content-encoding": "gzip" }],
      ["bytes behind a gzip", Buffer.concat([gzipSync(`{"input":${input}}`), Buffer.from("more")]), "400 invalid_parameter http_invalid content-encoding", { "content-encoding": "gzip" }],
      ["a gzip that holds more than a body may", gzipSync("x".repeat(10_000_000)), "413 invalid_parameter body_too_large", { "content-encoding": "gzip" }],
      ["more than a body may be", "x".repeat(70_000), "413 invalid_parameter body_too_large"],
      ["a broken parameter", undefined, "400 invalid_parameter json_invalid", {}, `${DECIDE}?input=%7Bbad`, "GET"],
      ["an empty parameter", undefined, "400 invalid_parameter body_empty", {}, `${DECIDE}?input=`, "GET"],
      ["an agent's token in a URL", undefined, "400 invalid_parameter field_invalid /agent_token", {}, `${DECIDE}?input=${encodeURIComponent(JSON.stringify({ ...REQUEST, agent_token: "x" }))}`, "GET"],
      ["a task's token in a URL", undefined, "400 invalid_parameter field_invalid /task_token", {}, `${DECIDE}?input=${encodeURIComponent(JSON.stringify({ ...REQUEST, task_token: "x" }))}`, "GET"],
      ["two inputs", undefined, "400 invalid_parameter parameter_invalid input", {}, `${DECIDE}?input=%7B%7D&input=%7B%7D`, "GET"],
      ["a parameter that isn't UTF-8", undefined, "400 invalid_parameter parameter_invalid input%", {}, `${DECIDE}?input%=x`, "GET"],
      ["a path that isn't UTF-8", { input: REQUEST }, "400 invalid_parameter http_invalid", {}, "/v1/data/%ff"],
      ["a raw input that is none", "[]", "400 invalid_parameter field_type ", {}, "/v0/data/remit/decide"],
      ["a raw input that is none, of the default", "7", "400 invalid_parameter field_type ", {}, "/"],
    ];
    for (const [what, body, outcome, headers, path = DECIDE, method = "POST"] of refused) {
      it(what, async () => {
        const before = await records();
        const told = await send(method, path, body, headers);
        expect(codes(told)).to.equal(outcome);
        expect(told.headers.get("content-type")).to.equal("application/json");
        expect(told.body).not.to.have.any.keys("result", "decision_id");
        expect(told.text.length).to.be.below(2000);
        expect(await records()).to.equal(before);
      });
    }

    it("says of malformed input where it was given, in OPA's words", async () => {
      const { body } = await send("POST", DECIDE, "{");
      expect(body["message"]).to.match(/^body contains malformed input document: /);
      const get = await send("GET", `${DECIDE}?input=%7Bbad`);
      expect(get.body["message"]).to.match(/^parameter contains malformed input document: /);
    });
  });

  describe("of whoever may not ask", () => {
    const tokens: [whose: string, token: string, outcome: string, challenge: string][] = [
      ["nobody", "", "401 unauthorized token_missing", "Bearer"],
      ["no token", "abc", "401 unauthorized token_invalid", 'Bearer error="invalid_token"'],
      [
        "another audience's",
        tokenFor("remit:decide", "g", 3600, {}, { audience: "other" }),
        "401 unauthorized token_invalid",
        'Bearer error="invalid_token"',
      ],
      [
        "another issuer's",
        tokenFor("remit:decide", "g", 3600, {}, { issuer: "https://other.example" }),
        "401 unauthorized token_invalid",
        'Bearer error="invalid_token"',
      ],
      ["one that has expired", tokenFor("remit:decide", "g", -60), "401 unauthorized token_expired", 'Bearer error="invalid_token"'],
      ["another scope's", tokenFor("remit:audit remit:publish"), "401 unauthorized scope_missing", 'Bearer error="insufficient_scope"'],
    ];
    const asked: [method: string, path: string, body?: object][] = [
      ["POST", DECIDE, { input: REQUEST }],
      ["GET", `${DECIDE}?input=${encodeURIComponent(JSON.stringify(REQUEST))}`],
      ["POST", "/v1/data/no/such", { input: REQUEST }],
      ["POST", ALLOW, {}],
      ["POST", "/v0/data/remit/allow", REQUEST],
      ["POST", "/", REQUEST],
      ["POST", "/v1/batch/data/remit/decide", { inputs: { a: REQUEST } }],
      ["PUT", "/v1/data/purposes", {}],
      ["GET", "/v1/policies"],
      ["GET", "/v1/config"],
    ];
    for (const [whose, token, outcome, challenge] of tokens) {
      it(`says so in OPA's words and nothing else: ${whose}`, async () => {
        for (const [method, path, body] of asked) {
          const told = await send(method, path, body, {}, token);
          expect(codes(told).split(" ").slice(0, 3).join(" "), path).to.equal(outcome);
          expect(told.body["message"]).to.equal(REJECTED);
          expect(told.body).not.to.have.any.keys("result", "responses");
          expect(told.headers.get("www-authenticate")).to.equal(challenge);
        }
      });
    }

    it("unpacks nothing for a stranger", async () => {
      const bomb = gzipSync("x".repeat(10_000_000));
      const packed = { "content-encoding": "gzip" };
      expect(codes(await send("POST", DECIDE, bomb, packed, ""))).to.equal("401 unauthorized token_missing authorization");
      expect(codes(await send("POST", DECIDE, bomb, packed))).to.equal("413 invalid_parameter body_too_large");
    });

    it("is a recorded deny where the token was revoked, as at POST /decide, and never an error that says nothing", async () => {
      const token = tokenFor("remit:decide", "gateway-9", 3600, { jti: "t-9" });
      await ask(service, "POST", "/revocations", { body: { scope: { token: "t-9" }, reason: "test" }, token: EVERY });
      const told = await send("POST", DECIDE, { input: REQUEST }, {}, token);
      const native = await send("POST", "/decide", REQUEST, { "content-type": "application/json" }, token);
      expect(told.status).to.equal(200);
      expect(same(told.body["result"])).to.deep.equal(same(native.body));
      expect(told.body).to.have.nested.property("result.proceed", false);
    });
  });

  describe("says in its own shape what was refused at the door", () => {
    const refusedThere: [what: string, headers: string[], outcome: string][] = [
      ["a host that isn't ours", ["Host: evil.example"], "421 unauthorized host_refused host"],
      ["a page of another origin", ["Origin: https://evil.example"], "403 unauthorized origin_refused origin"],
      ["an authorization given twice", ["Authorization: Bearer x"], "400 invalid_parameter http_invalid authorization"],
    ];
    for (const [what, headers, outcome] of refusedThere) {
      it(what, async () => {
        const body = JSON.stringify({ input: REQUEST });
        const [answer] = await raw(service.port, requestText(service.port, body, headers, `POST ${DECIDE} HTTP/1.1`), 1);
        const told = { status: answer?.status ?? 0, body: JSON.parse(answer?.body ?? "") as Json };
        expect(codes(told)).to.equal(outcome);
      });
    }

    const problems: [code: ProblemCode, method: string, status: number, opa: string | null][] = [
      ["overloaded", "POST", 503, "internal_error"],
      ["log_backlog", "POST", 503, "internal_error"],
      ["facts_behind", "GET", 503, "internal_error"],
      ["keys_unavailable", "POST", 503, "internal_error"],
      ["body_timeout", "POST", 408, "invalid_parameter"],
      ["headers_too_large", "GET", 431, "invalid_parameter"],
      ["internal", "POST", 500, "internal_error"],
      ["method_not_allowed", "PUT", 405, null],
    ];
    for (const [code, method, status, opa] of problems) {
      it(`${code}: ${status} ${opa ?? "and nothing else"}`, () => {
        const content = refusal(new Problem(code), { method }, code === "internal" ? "id-1" : undefined);
        expect(content.status).to.equal(status);
        if (opa === null) expect(content).to.include({ type: "", body: "" });
        else {
          const body = JSON.parse(String(content.body)) as Json;
          expect(body).to.have.nested.property("errors[0].code", code);
          expect(body["code"]).to.equal(opa);
          if (code === "internal") expect(body).to.have.nested.property("errors[0].details.id", "id-1");
        }
        expect(content.headers?.["retry-after"]).to.equal(status === 503 ? "1" : undefined);
      });
    }
  });

  describe("takes a body whatever its type is said to be, as OPA does", () => {
    for (const type of [
      "application/json",
      "application/json; charset=utf-8",
      "application/x-www-form-urlencoded",
      "text/plain",
      "application/octet-stream",
    ]) {
      it(type, async () => {
        const told = await send("POST", ALLOW, { input: REQUEST }, { "content-type": type });
        expect(told.body["result"]).to.equal(true);
      });
    }
  });

  describe("says what it doesn't offer", () => {
    const unoffered: [method: string, path: string, outcome: string, message: RegExp][] = [
      ["PUT", "/v1/data/purposes/testing", "400 invalid_parameter", /^path purposes\/testing is owned by bundle "engine_test"$/],
      ["PUT", "/v1/data/servers", "400 invalid_parameter", /^path servers is owned by bundle "engine_test"$/],
      ["PATCH", "/v1/data/servers", "400 invalid_parameter", /is owned by bundle/],
      ["DELETE", "/v1/data/remit/decide", "400 invalid_parameter", /is owned by bundle/],
      ["PUT", "/v1/policies/t.rego", "501 invalid_operation", /^the policy API is not offered: policies come in signed bundles/],
      ["DELETE", "/v1/policies/t.rego", "501 invalid_operation", /not offered/],
      ["POST", "/v1/query", "501 invalid_operation", /^the query API is not offered/],
      ["GET", "/v1/query?q=data", "501 invalid_operation", /not offered/],
      ["POST", "/v1/compile", "501 invalid_operation", /^partial evaluation is not offered/],
      ["POST", "/v1/compile/remit/decide", "501 invalid_operation", /not offered/],
      ["GET", "/v1/config", "501 invalid_operation", /not offered/],
      ["GET", "/v1/status", "501 invalid_operation", /not offered/],
    ];
    for (const [method, path, outcome, message] of unoffered) {
      it(`${method} ${path}: ${outcome}`, async () => {
        const told = await send(method, path, method === "GET" ? undefined : '{"query":"data"}');
        expect(codes(told)).to.equal(outcome);
        expect(told.body["message"]).to.match(message);
      });
    }

    const methods: [method: string, path: string, allow: string][] = [
      ["PATCH", "/v1/policies/t.rego", "GET, PUT, DELETE"],
      ["DELETE", "/v1/query", "GET, POST"],
      ["GET", "/v1/compile", "POST"],
      ["POST", "/v1/config", "GET"],
      ["GET", "/v1/batch/data/remit/decide", "POST"],
      ["GET", "/v0/data/remit/decide", "POST"],
      ["PUT", "/", "POST"],
      ["OPTIONS", DECIDE, "GET, POST, PUT, PATCH, DELETE"],
    ];
    for (const [method, path, allow] of methods) {
      it(`${method} ${path}: 405 with nothing to say, as OPA`, async () => {
        const told = await send(method, path);
        expect(told.status).to.equal(405);
        expect(told.text).to.equal("");
        expect(told.headers.get("content-type")).to.equal(null);
        expect(told.headers.get("allow")).to.equal(allow);
      });
    }
  });

  it("takes no path of two slashes for its own", async () => {
    for (const path of ["//", "//v1/data/remit/decide", "//?pretty"]) {
      const told = await call(service, "POST", path, REQUEST);
      expect([told.status, (JSON.parse(told.text) as Json)["code"]]).to.deep.equal([404, "not_found"]);
    }
  });

  describe("in batches", () => {
    const BATCH = "/v1/batch/data/remit/decide";
    interface Batch {
      batch_decision_id: string;
      responses: Record<string, Json>;
    }

    it("answers each by its key, in order, as one by one: 200", async () => {
      const told = await send("POST", BATCH, { inputs: { b: REQUEST, a: DENIED } });
      expect(told.status).to.equal(200);
      const { batch_decision_id, responses } = told.body as unknown as Batch;
      expect(batch_decision_id).to.match(UUID);
      expect(Object.keys(responses)).to.deep.equal(["b", "a"]);
      const one = (await send("POST", DECIDE, { input: REQUEST })).body["result"];
      expect(Object.keys(responses["b"] ?? {})).to.deep.equal(["decision_id", "result"]);
      expect(same(responses["b"]?.["result"])).to.deep.equal(same(one));
      expect(responses).to.have.nested.property("a.result.proceed", false);
      for (const { decision_id } of Object.values(responses)) {
        const found = await ask(service, "GET", `/decisions/${String(decision_id)}`);
        expect(found.body["record"]).to.include({ adapter: "opa" });
      }
    });

    it("gives what can't be read an error of its own, and hinders no other: 207", async () => {
      const { status, body } = await send("POST", `${BATCH}?provenance`, {
        inputs: { good: REQUEST, bad: { ...REQUEST, verb: 7 }, none: null },
      });
      expect(status).to.equal(207);
      const { responses } = body as unknown as Batch;
      expect(Object.keys(responses["good"] ?? {})).to.deep.equal(["decision_id", "provenance", "result", "http_status_code"]);
      expect(responses["good"]).to.include({ http_status_code: "200" });
      expect(responses["bad"]).to.include({ code: "invalid_parameter", http_status_code: "500" });
      expect(responses["bad"]).to.have.nested.property("errors[0].code", "field_type");
      expect(responses["bad"]).to.have.nested.property("errors[0].details.field", "/verb");
      expect(responses["bad"]?.["decision_id"]).to.match(UUID);
      expect(responses["bad"]).not.to.have.property("result");
      expect(responses["none"]).to.include({ code: "invalid_parameter" });
    });

    it("is 500 where none could be read", async () => {
      const { status, body } = await send("POST", BATCH, { inputs: { a: 1, b: {} } });
      expect(status).to.equal(500);
      const { responses } = body as unknown as Batch;
      for (const one of Object.values(responses)) expect(one).to.include({ code: "invalid_parameter", http_status_code: "500" });
    });

    it("merges what is common under each, and the item wins", async () => {
      const { resource, ...common } = REQUEST;
      const common_input = { ...common, agent: "a-2", resource: { ...resource, attributes: { customer: "bob" } } };
      const inputs = { mine: { agent: "a-1", resource: { attributes: { customer: "ada" } } }, theirs: {} };
      const { status, body } = await send("POST", BATCH, { inputs, common_input });
      expect(status).to.equal(200);
      const mine = (await send("POST", DECIDE, { input: REQUEST })).body["result"] as Json;
      const { responses } = body as unknown as Batch;
      expect(responses).to.have.nested.property("mine.result.action_digest", mine["action_digest"]);
      expect(responses).to.have.nested.property("mine.result.proceed", true);
      expect(responses).to.have.nested.property("theirs.result.proceed", false);
    });

    it("takes no prototype for a member", async () => {
      const body = `{"common_input":{"__proto__":{"agent":"a-1"}},"inputs":{"__proto__":${JSON.stringify(REQUEST)},"b":{}}}`;
      const told = await send("POST", BATCH, body);
      expect(told.status).to.equal(500);
      expect(Object.keys((JSON.parse(told.text) as Batch).responses)).to.deep.equal(["__proto__", "b"]);
    });

    it("has nothing to say of a document that there isn't", async () => {
      const { status, body } = await send("POST", "/v1/batch/data/no/such", { inputs: { a: REQUEST } });
      expect(status).to.equal(200);
      expect(Object.keys((body as unknown as Batch).responses["a"] ?? {})).to.deep.equal(["decision_id"]);
    });

    it("may be empty", async () => {
      const { status, body } = await send("POST", BATCH, { inputs: {} });
      expect(status).to.equal(200);
      expect((body as unknown as Batch).responses).to.deep.equal({});
    });

    // prettier-ignore
    const refused: [what: string, body: string | object, outcome: string][] = [
      ["no inputs", {}, "400 invalid_parameter field_missing /inputs"],
      ["an empty body", "", "400 invalid_parameter field_missing /inputs"],
      ["a list of inputs", { inputs: [REQUEST] }, "400 invalid_parameter field_type /inputs"],
      ["a list", [], "400 invalid_parameter field_type "],
      ["a key twice", `{"inputs":{"a":1,"a":2}}`, "400 invalid_parameter json_duplicate_key /inputs/a"],
      ["more inputs than the limit", { inputs: Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`k${i}`, REQUEST])) }, "400 invalid_parameter field_invalid /inputs"],
      ["more keys than an object may have", { inputs: Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`k${i}`, 1])) }, "400 invalid_parameter json_too_wide"],
      ["more bytes than the limit", `{"inputs":{"a":"${"x".repeat(1_100_000)}"}}`, "413 invalid_parameter body_too_large"],
      ["what would be more bytes than the limit, written out", { inputs: Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`k${i}`, {}])), common_input: { note: "x".repeat(20_000) } }, "413 invalid_parameter body_too_large"],
    ];
    for (const [what, body, outcome] of refused) {
      it(`is refused whole, and nothing of it recorded: ${what}`, async () => {
        const before = await records();
        expect(codes(await send("POST", BATCH, body))).to.equal(outcome);
        expect(await records()).to.equal(before);
      });
    }
  });
});

describe("OPA's REST API of a service that can't decide", () => {
  it("is never an allow, and asks to come back", async () => {
    const service = await run({}, false);
    try {
      const inputs = { a: REQUEST };
      const asked: [string, object][] = [
        [DECIDE, { input: REQUEST }],
        [ALLOW, { input: REQUEST }],
        ["/", REQUEST],
        ["/v1/batch/data/remit/decide", { inputs }],
      ];
      for (const [path, body] of asked) {
        const told = await call(service, "POST", path, body);
        expect(codes(told), path).to.equal("503 internal_error bundle_missing");
        expect(told.headers.get("retry-after")).to.equal("1");
      }
      expect((await call(service, "POST", "/v1/data/no/such", {})).status).to.equal(200);
    } finally {
      await service.stop();
    }
  });
});

describe("OPA's health API", () => {
  const health = (service: Running, path: string): Promise<Told> => call(service, "GET", path, undefined, {}, "");

  it("is well with a bundle, facts and records, and needs no token", async () => {
    const service = await run();
    try {
      const paths = [
        "/health",
        "/health?bundles",
        "/health?bundles&plugins",
        "/health?plugins&exclude-plugin=decision_logs",
        "/health/live",
        "/health/ready",
        "/health?other=1",
      ];
      for (const path of paths) {
        const told = await health(service, path);
        expect(told.status, path).to.equal(200);
        expect(told.text).to.equal("{}");
      }
      const undefinedRule = await health(service, "/health/other");
      expect(undefinedRule.status).to.equal(500);
      expect(undefinedRule.body["error"]).to.equal("health check (data.system.health.other) was undefined");
      expect((await health(service, "/health/toString")).status).to.equal(500);
      expect(codes(await health(service, "/health?bundles=%ff"))).to.equal("400 invalid_parameter parameter_invalid %ff");
      expect((await call(service, "POST", "/health")).status).to.equal(405);
    } finally {
      await service.stop();
    }
  });

  it("is ill without a bundle, as far as one is asked for", async () => {
    const service = await run({}, false);
    try {
      const NOT_ACTIVE = "one or more bundles are not activated: engine_test";
      const NOT_UP = "one or more plugins are not up";
      const NOT_READY = "health check (data.system.health.ready) returned unexpected value";
      const ill: [path: string, error: string | null][] = [
        ["/health", null],
        ["/health?bundles=false", null],
        ["/health?bundles", NOT_ACTIVE],
        ["/health?bundle=true", NOT_ACTIVE],
        ["/health?bundles&plugins", NOT_ACTIVE],
        ["/health?plugins", NOT_UP],
        ["/health?plugins&exclude-plugin=decision_logs", NOT_UP],
        ["/health?plugins&exclude-plugin=decision_logs&exclude-plugin=bundle", null],
        ["/health/live", null],
        ["/health/ready", NOT_READY],
      ];
      for (const [path, error] of ill) {
        const told = await health(service, path);
        const body = error === null ? {} : { error, code: "internal_error", message: error };
        expect(told.status, path).to.equal(error === null ? 200 : 500);
        expect(told.body, path).to.deep.equal(body);
      }
    } finally {
      await service.stop();
    }
  });
});
