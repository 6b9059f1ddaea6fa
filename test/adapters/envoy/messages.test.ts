import { readFileSync } from "node:fs";
import type { MethodDefinition, PackageDefinition } from "@grpc/proto-loader";
import { expect } from "chai";
import fc from "fast-check";
import { check, type ProxiedRequest, type EnvoyPorts, type CheckResult } from "../../../src/adapters/envoy/check.js";
import { parseEnvoyMapping } from "../../../src/adapters/envoy/mapping.js";
import { askedOf, loadMessages, responseOf, type CheckResponse, type Messages } from "../../../src/adapters/envoy/messages.js";
import type { Answer, DecideRequest } from "../../../src/contract/index.js";
import type { Caller } from "../../../src/decision/ports.js";
import { asset } from "../../../src/system/paths.js";
import { system } from "../../../src/system/index.js";
import { PUBLISHED, SPIFFE, publishedWith } from "./proxy.js";

interface Vector {
  name: string;
  type: string;
  json: object;
  wireBase64: string;
}
const VECTORS = JSON.parse(readFileSync(asset("test", "vectors", "envoy", "messages.json"), "utf8")) as Vector[];
const wire = (name: string): Buffer => Buffer.from(VECTORS.find((one) => one.name === name)?.wireBase64 ?? "missing", "base64");

function methodIn(definition: PackageDefinition): MethodDefinition<object, object> {
  const service = definition["envoy.service.auth.v3.Authorization"];
  const method = service !== undefined && !("format" in service) ? service["Check"] : undefined;
  if (method === undefined) throw new Error("no published protos");
  return method;
}
const published = methodIn(PUBLISHED);

/** What a mapping could read of a request. */
const read = (asked: ProxiedRequest): object => ({
  method: asked.method,
  target: asked.target,
  host: asked.host,
  headers: Object.fromEntries(
    ["authorization", "content-type", "mcp-session-id", "x-a", "x-envoy-auth-partial-body"].map((name) => [name, asked.header(name)]),
  ),
  body: asked.body.toString("hex"),
  size: asked.size,
  context: Object.fromEntries(["route", "tenant"].map((key) => [key, asked.context(key)])),
  principal: asked.principal,
  claims: asked.metadata("envoy.filters.http.jwt_authn"),
  id: asked.id,
});
const NOTHING = {
  headers: {
    authorization: undefined,
    "content-type": undefined,
    "mcp-session-id": undefined,
    "x-a": undefined,
    "x-envoy-auth-partial-body": undefined,
  },
  body: "",
  size: null,
  context: { route: undefined, tenant: undefined },
  principal: null,
  claims: undefined,
  id: null,
};

const CALL = '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"get_customer","arguments":{"id":"42"}}}';

const REQUESTS: Record<string, object> = {
  "HTTP request with headers, body, TLS, context extensions": {
    method: "POST",
    target: "/mcp?x=1",
    host: "crm.example.org",
    headers: { ...NOTHING.headers, authorization: "Bearer abc", "content-type": "application/json", "mcp-session-id": "s1" },
    body: Buffer.from(CALL).toString("hex"),
    size: 103,
    context: { route: "mcp-crm", tenant: "t1" },
    principal: SPIFFE,
    claims: { payload: { sub: "alice", act: { sub: "agent-1" } } },
    id: "5415544797791892902",
  },
  "minimal GET": { ...NOTHING, method: "GET", target: "/", host: "h" },
  "raw body and header_map": {
    ...NOTHING,
    method: "PUT",
    target: "/b",
    host: "h",
    body: "00ff01",
    size: 0,
    headers: { ...NOTHING.headers, "x-a": "1,2" },
  },
  "empty request": { ...NOTHING, method: "", target: "", host: "", size: 0 },
};

const header = (key: string, value: string, append_action = 0) => ({ header: { key, value }, append_action });

const RESPONSES: Record<string, object> = {
  "allow, nothing else": { status: { code: 0 } },
  "allow with header changes and dynamic metadata": {
    status: { code: 0 },
    ok_response: {
      headers: [header("x-decision-id", "d-1", 2)],
      headers_to_remove: ["authorization"],
      response_headers_to_add: [{ ...header("x-flag", "1"), append: { value: false } }],
      query_parameters_to_set: [{ key: "tenant", value: "t1" }],
      query_parameters_to_remove: ["debug"],
    },
    dynamic_metadata: { fields: { decision_id: { stringValue: "d-1" }, flag: { boolValue: true } } },
  },
  "deny 403 with body": {
    status: { code: 7, message: "denied" },
    denied_response: {
      status: { code: 403 },
      headers: [header("content-type", "application/json")],
      body: '{"decision":"deny","reason":"no grant"}',
    },
  },
  "deny 401 (unauthenticated)": { status: { code: 16 }, denied_response: { status: { code: 401 } } },
  "deny without http_response (Envoy answers 403)": { status: { code: 7 } },
};

const caller = { id: "envoy-1" } as Caller;

const MAPPING = `
agent: {principal: {issuer: "spiffe://example.org"}}
purpose: {is: testing}
session: {context: route}
routes:
  - on: POST /mcp
    when: {body.method: tools/call, body.params.name: get_customer}
    read: customer
    id: body.params.arguments.id
    attributes: {tenant: context.tenant}
    ignore: [body.jsonrpc, body.id, query.x]
  - {on: GET /notes/:id, read: note, id: path.id, arguments: {q: query.q}}
`;

const mapping = parseEnvoyMapping(MAPPING, "envoy.yaml");

/** Permits whatever comes as far as a decision, and keeps it. */
function permitting(): { ports: EnvoyPorts; decided: DecideRequest[] } {
  const decided: DecideRequest[] = [];
  const answer = {
    decision: "allow",
    proceed: true,
    decision_id: "d-1",
    obligations: [],
    valid_for_ms: 5000,
    policy: { revision: "r", digest: "d" },
    facts_revision: 1,
  };
  const ports: EnvoyPorts = {
    mapping,
    clock: system.clock,
    json: { depth_max: 32, members_max: 256 },
    agentOf: ({ subject }) => (subject === SPIFFE ? "billing" : undefined),
    agentProof: () => Promise.reject(new Error("nobody has a token here")),
    actors_max: 8,
    decide: (action) => {
      decided.push(action);
      return Promise.resolve({
        answer: answer as unknown as Answer,
        text: "",
        purpose: null,
        lease: null,
        agent: "",
        trace: null,
        stages: { read: 0, evaluate: 0, record: 0 },
      });
    },
  };
  return { ports, decided };
}

describe("Envoy's messages", () => {
  let messages: Messages;
  before(async () => {
    messages = await loadMessages();
  });

  it("have a case each, those of the vectors", () => {
    expect(VECTORS).to.have.length(9);
    expect(Object.keys({ ...REQUESTS, ...RESPONSES }).sort()).to.deep.equal(VECTORS.map(({ name }) => name).sort());
    expect(messages.path).to.equal(published.path);
  });

  for (const [name, expected] of Object.entries(REQUESTS)) {
    it(`are read from the wire: ${name}`, () => {
      expect(read(askedOf(messages.read(wire(name))))).to.deep.equal(expected);
    });
  }

  for (const [name, message] of Object.entries(RESPONSES)) {
    it(`are written as Envoy reads them: ${name}`, () => {
      const written = messages.write(message as CheckResponse);
      const whole = methodIn(publishedWith({ defaults: true }));
      expect(whole.responseDeserialize(written)).to.deep.equal(whole.responseDeserialize(wire(name)));
    });
  }

  it("of whatever was told are read by Envoy as they were meant", () => {
    const told: CheckResult = {
      refusal: null,
      problem: null,
      answer: null,
      headers: { "x-remit-decision": "flag" },
      remove: ["x-remit-obligations"],
    };
    expect(published.responseDeserialize(messages.write(responseOf(told)))).to.nested.include({
      "ok_response.headers[0].header.key": "x-remit-decision",
      "ok_response.headers[0].append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
      "ok_response.headers_to_remove[0]": "x-remit-obligations",
      http_response: "ok_response",
    });
  });

  it("that have fields of later versions are read without them", () => {
    // Field 2047 of a length, and field 99 as a number: of the message, and within it.
    const later = Buffer.concat([Buffer.from("fa7f03616263", "hex"), wire("minimal GET"), Buffer.from("98062a", "hex")]);
    expect(read(askedOf(messages.read(later)))).to.deep.equal(REQUESTS["minimal GET"]);
  });

  it("are a decision each, by what they say", async () => {
    const { ports, decided } = permitting();
    const told = await check(askedOf(messages.read(wire("HTTP request with headers, body, TLS, context extensions"))), caller, ports);
    expect(told.refusal).to.equal(null);
    expect(decided).to.deep.equal([
      {
        agent: "billing",
        purpose: "testing",
        context: { session: "mcp-crm" },
        request_id: "5415544797791892902",
        verb: "read",
        resource: { type: "customer", id: "42", attributes: { tenant: "t1" } },
        arguments: {},
      },
    ]);
    for (const name of ["minimal GET", "raw body and header_map", "empty request"]) {
      const { refusal } = await check(askedOf(messages.read(wire(name))), caller, ports);
      expect(refusal?.status, name).to.be.oneOf([400, 403]);
    }
    expect(decided).to.have.length(1);
  });

  const seed = Number(process.env["REMIT_SEED"] ?? 9);

  /** What the bytes come to: a permission, or none. */
  async function permittedBy(bytes: Buffer): Promise<DecideRequest | null> {
    const { ports, decided } = permitting();
    let asked: ProxiedRequest;
    try {
      asked = askedOf(messages.read(bytes));
    } catch {
      return null;
    }
    const { refusal } = await check(asked, caller, ports);
    if (refusal === null && decided.length !== 1) throw new Error("permitted without a decision");
    return refusal === null ? (decided[0] ?? null) : null;
  }

  it("that are no message, or none that means something, permit nothing", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        expect(await permittedBy(Buffer.from(bytes))).to.equal(null);
      }),
      { numRuns: 2000, seed },
    );
  });

  it("with bytes changed, taken out or put in permit only what they then say, whoever reads them", async () => {
    const good = wire("HTTP request with headers, body, TLS, context extensions");
    const edit = fc.record({ at: fc.nat(good.length), cut: fc.nat(4), put: fc.uint8Array({ maxLength: 4 }) });
    let permitted = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 3 }), async (edits) => {
        let bytes = good;
        for (const { at, cut, put } of edits) bytes = Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + cut)]);
        const action = await permittedBy(bytes);
        if (action === null) return;
        permitted++;
        const { http } = (published.requestDeserialize(bytes) as { attributes: { request: { http: Said } } }).attributes.request;
        expect(http.method).to.equal("POST");
        expect(new URL(http.path, "http://x").pathname).to.equal("/mcp");
        const body = JSON.parse(http.body) as { method: string; params: { name: string; arguments: { id: unknown } } };
        expect([body.method, body.params.name]).to.deep.equal(["tools/call", "get_customer"]);
        expect(action.resource.id).to.equal(String(body.params.arguments.id));
      }),
      { numRuns: 5000, seed },
    );
    // Not by refusing everything.
    expect(permitted).to.be.above(100);
  });

  it("with any path permit only one that others read alike", async () => {
    const piece = fc.constantFrom(
      "/",
      "notes",
      "n-1",
      "..",
      ".",
      "%2e",
      "%2f",
      "%252f",
      "%5c",
      "\\",
      "?",
      "q=",
      "a",
      "&",
      ";",
      "#",
      "%",
      "%c3%bc",
      "é",
      "%00",
      " ",
      "//",
      "@",
      ":",
      "+",
    );
    const path = fc.oneof(
      fc.array(piece, { maxLength: 8 }).map((all) => `/notes/${all.join("")}`),
      fc.array(piece, { maxLength: 8 }).map((all) => all.join("")),
      fc.string(),
    );
    let permitted = 0;
    await fc.assert(
      fc.asyncProperty(path, async (target) => {
        const { ports, decided } = permitting();
        const asked: ProxiedRequest = { ...askedOf({}), method: "GET", target, host: "h", size: null, principal: SPIFFE };
        const { refusal } = await check(asked, caller, ports);
        if (refusal !== null) return;
        permitted++;
        const { pathname, search, hash } = new URL(`http://x${target}`);
        const id = String(decided[0]?.resource.id);
        expect(pathname.split("/").map(decodeURIComponent)).to.deep.equal(["", "notes", id]);
        expect(hash).to.equal("");
        expect(decided[0]?.arguments?.["q"] ?? "").to.equal(new URLSearchParams(search).get("q") ?? "");
      }),
      { numRuns: 5000, seed },
    );
    expect(permitted).to.be.above(100);
  });

  it("with any body permit only what it says as JSON", async () => {
    const good = JSON.parse(CALL) as object;
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom("tools/call", "get_customer", "42"));
    const member = fc.constantFrom("method", "params", "jsonrpc", "id", "__proto__", "constructor");
    const bytes = fc.oneof(
      fc.uint8Array().map((all) => Buffer.from(all)),
      fc.tuple(member, value).map(([name, given]) => Buffer.from(JSON.stringify({ ...good, [name]: given }))),
      fc.tuple(fc.nat(CALL.length), fc.string({ maxLength: 3 })).map(([at, put]) => Buffer.from(CALL.slice(0, at) + put + CALL.slice(at))),
    );
    let permitted = 0;
    await fc.assert(
      fc.asyncProperty(bytes, async (body) => {
        const { ports, decided } = permitting();
        const header: ProxiedRequest["header"] = (name) => (name === "content-type" ? "application/json" : undefined);
        const asked: ProxiedRequest = {
          ...askedOf({}),
          method: "POST",
          target: "/mcp",
          host: "h",
          size: body.length,
          principal: SPIFFE,
          body,
          header,
        };
        const { refusal } = await check(asked, caller, ports);
        if (refusal !== null) return;
        permitted++;
        const said = JSON.parse(body.toString()) as { method: string; params: { name: string; arguments: { id: unknown } } };
        expect([said.method, said.params.name]).to.deep.equal(["tools/call", "get_customer"]);
        expect(decided[0]?.resource.id).to.equal(String(said.params.arguments.id));
      }),
      { numRuns: 3000, seed },
    );
    expect(permitted).to.be.above(20);
  });
});

interface Said {
  method: string;
  path: string;
  body: string;
}
