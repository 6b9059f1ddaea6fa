import { hash } from "node:crypto";
import { expect } from "chai";
import { Problem, canonicalAction, type DecideRequest, type ProblemCode } from "../../src/contract/index.js";
import type { TaskProof } from "../../src/decision/ports.js";
import { readAction, type ReadAction } from "../../src/decision/read.js";
import { vocabularyReader } from "../../src/decision/values.js";
import { NOW, REQUEST, VOCABULARY } from "./world.js";

const reader = vocabularyReader(VOCABULARY);
const read = (asked: unknown): ReadAction =>
  readAction(asked, reader, () => {
    throw new Error("no token was given");
  });

function refusal(asked: unknown): Problem {
  try {
    read(asked);
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error("it was read");
}

/** A request with one thing changed; `undefined` leaves a field out, as JSON would. */
const asked = (change: object): unknown => JSON.parse(JSON.stringify({ ...REQUEST, ...change }));
const resource = (change: object): unknown => asked({ resource: { ...REQUEST.resource, ...change } });
const attributes = (values: unknown): unknown => resource({ attributes: values });
const withArguments = (values: unknown): unknown => asked({ arguments: values });
const related = (values: unknown): unknown => asked({ related: values });
/** JSON written out, for keys that an object literal can't hold. */
const written = (put: string): unknown => JSON.parse(JSON.stringify(REQUEST).replace("{", `{${put},`));

const pm = { type: "payment_method", id: "pm_1" };
const file = (id: unknown): unknown => related({ attached: { type: "file", id } });

const REFUSED: [name: string, asked: unknown, code: ProblemCode, field: string][] = [
  // the whole
  ["null", null, "field_type", ""],
  ["text", "x", "field_type", ""],
  ["a number", 1, "field_type", ""],
  ["true", true, "field_type", ""],
  ["a list", [REQUEST], "field_type", ""],
  ["an empty list", [], "field_type", ""],
  ["nothing in it", {}, "field_missing", "/agent"],
  // what must be there
  ["no agent", asked({ agent: undefined }), "field_missing", "/agent"],
  ["no purpose", asked({ purpose: undefined }), "field_missing", "/purpose"],
  ["no verb", asked({ verb: undefined }), "field_missing", "/verb"],
  ["no resource", asked({ resource: undefined }), "field_missing", "/resource"],
  ["no type", resource({ type: undefined }), "field_missing", "/resource/type"],
  ["no id, not even null", resource({ id: undefined }), "field_missing", "/resource/id"],
  ["related without type", related({ pay_from: { id: "a" } }), "field_missing", "/related/pay_from/type"],
  ["related without id", related({ pay_from: { type: "payment_method" } }), "field_missing", "/related/pay_from/id"],
  ["related with attributes and no id", related({ pay_from: { ...pm, id: null } }), "resource_id_required", "/related/pay_from/id"],
  // null is a value, and seldom the right one
  ...[
    "agent",
    "purpose",
    "task",
    "verb",
    "request_id",
    "agent_token",
    "task_token",
    "time",
    "at_least",
    "resource",
    "related",
    "arguments",
    "context",
  ].map((name): [string, unknown, ProblemCode, string] => [`a null ${name}`, asked({ [name]: null }), "field_type", `/${name}`]),
  ["null attributes", attributes(null), "field_type", "/resource/attributes"],
  ["a null type", resource({ type: null }), "field_type", "/resource/type"],
  ["a null role", related({ pay_from: null }), "field_type", "/related/pay_from"],
  ["a null session", asked({ context: { session: null } }), "field_type", "/context/session"],
  // wrong types
  ["an agent that is a number", asked({ agent: 7 }), "field_type", "/agent"],
  ["an agent that is a list", asked({ agent: ["support-7"] }), "field_type", "/agent"],
  ["a verb that is an object", asked({ verb: { read: true } }), "field_type", "/verb"],
  ["a task that is a number", asked({ task: 1 }), "field_type", "/task"],
  ["a resource that is text", asked({ resource: "invoice/I-1" }), "field_type", "/resource"],
  ["a resource that is a list", asked({ resource: [REQUEST.resource] }), "field_type", "/resource"],
  ["an id that is a number", resource({ id: 1 }), "field_type", "/resource/id"],
  ["an id that is a list", resource({ id: ["I-1"] }), "field_type", "/resource/id"],
  ["an id that is true", resource({ id: true }), "field_type", "/resource/id"],
  ["attributes that are a list", attributes([]), "field_type", "/resource/attributes"],
  ["attributes that are text", attributes("customer=ada"), "field_type", "/resource/attributes"],
  ["arguments that are a list", withArguments(["a"]), "field_type", "/arguments"],
  ["related that is a list", related([pm]), "field_type", "/related"],
  ["a role that is text", related({ pay_from: "pm_1" }), "field_type", "/related/pay_from"],
  ["a context that is text", asked({ context: "s" }), "field_type", "/context"],
  ["at_least as text", asked({ at_least: "4711" }), "field_type", "/at_least"],
  ["at_least as a fraction", asked({ at_least: 1.5 }), "field_type", "/at_least"],
  ["a time as a number", asked({ time: 1772529300 }), "field_type", "/time"],
  ["a request_id as a number", asked({ request_id: 1 }), "field_type", "/request_id"],
  // values
  ["at_least below zero", asked({ at_least: -1 }), "field_invalid", "/at_least"],
  ["at_least beyond what is exact", asked({ at_least: 2 ** 53 }), "field_invalid", "/at_least"],
  ["an empty agent", asked({ agent: "" }), "field_invalid", "/agent"],
  ["an agent with a space", asked({ agent: "support 7" }), "field_invalid", "/agent"],
  ["an agent with a newline at its end", asked({ agent: "support-7\n" }), "field_invalid", "/agent"],
  ["an agent with a NUL", asked({ agent: "support-7\u0000" }), "field_invalid", "/agent"],
  ["an agent of other letters", asked({ agent: "suppоrt-7" }), "field_invalid", "/agent"],
  ["an agent called __proto__", asked({ agent: "__proto__" }), "field_invalid", "/agent"],
  ["an agent of 129 characters", asked({ agent: "a".repeat(129) }), "field_invalid", "/agent"],
  ["a purpose that begins with a dot", asked({ purpose: ".support" }), "field_invalid", "/purpose"],
  ["a verb called __proto__", asked({ verb: "__proto__" }), "field_invalid", "/verb"],
  ["a type called __proto__", resource({ type: "__proto__" }), "field_invalid", "/resource/type"],
  ["a verb with a bidirectional character", asked({ verb: "read\u202e" }), "field_invalid", "/verb"],
  ["an empty task", asked({ task: "" }), "field_invalid", "/task"],
  ["an empty id", resource({ id: "" }), "field_invalid", "/resource/id"],
  ["an id of 257 characters", resource({ id: "a".repeat(257) }), "field_invalid", "/resource/id"],
  ["an empty request_id", asked({ request_id: "" }), "field_invalid", "/request_id"],
  ["a request_id of 129 characters", asked({ request_id: "a".repeat(129) }), "field_invalid", "/request_id"],
  ["a session of 257 characters", asked({ context: { session: "a".repeat(257) } }), "field_invalid", "/context/session"],
  ["a time of 41 characters", asked({ time: "2".repeat(41) }), "field_invalid", "/time"],
  // unknown fields
  ["an unknown field", asked({ colour: "red" }), "field_unknown", "/colour"],
  ["a field in camelCase", asked({ requestId: "r" }), "field_unknown", "/requestId"],
  ["a field with a slash and a tilde", asked({ "a/b~c": 1 }), "field_unknown", "/a~1b~0c"],
  ["an own field `__proto__`", written('"__proto__":{"agent":"root"}'), "field_unknown", "/__proto__"],
  ["an own field `constructor`", written('"constructor":{"prototype":{}}'), "field_unknown", "/constructor"],
  ["an own field `toString`", written('"toString":"x"'), "field_unknown", "/toString"],
  ["an empty field name", written('"":1'), "field_unknown", "/"],
  ["facts of the caller's own", asked({ facts: { agent: { id: "root" } } }), "field_unknown", "/facts"],
  ["an unknown field of a resource", resource({ name: "x" }), "field_unknown", "/resource/name"],
  ["an unknown field of a role", related({ pay_from: { ...pm, name: "x" } }), "field_unknown", "/related/pay_from/name"],
  ["an unknown field of the context", asked({ context: { ip: "::1" } }), "field_unknown", "/context/ip"],
  ["an unknown attribute", attributes({ costumer: "ada" }), "field_unknown", "/resource/attributes/costumer"],
  [
    "an attribute of another type",
    resource({ type: "payment_method", attributes: { amount_cents: 1 } }),
    "field_unknown",
    "/resource/attributes/amount_cents",
  ],
  ["an attribute `constructor`", attributes({ constructor: 1 }), "field_unknown", "/resource/attributes/constructor"],
  ["an attribute `toString`", attributes({ toString: 1 }), "field_unknown", "/resource/attributes/toString"],
  [
    "an attribute `__proto__`",
    JSON.parse(JSON.stringify(REQUEST).replace('"attributes":{', '"attributes":{"__proto__":{"customer":"bob"},')),
    "field_unknown",
    "/resource/attributes/__proto__",
  ],
  ["an attribute with a line break", attributes({ "a\nb": 1 }), "field_unknown", "/resource/attributes/a\nb"],
  ["an unknown argument", withArguments({ amount: 1 }), "field_unknown", "/arguments/amount"],
  ["an argument `__proto__`", written('"arguments":{"__proto__":{}}'), "field_unknown", "/arguments/__proto__"],
  [
    "an argument where the type has none",
    asked({ resource: { type: "payment_method", id: "p" }, arguments: { note: "x" } }),
    "field_unknown",
    "/arguments/note",
  ],
  ["an unknown field inside an argument", withArguments({ address: { street: "x" } }), "field_unknown", "/arguments/address/street"],
  ["an unknown role", related({ pay_to: pm }), "field_unknown", "/related/pay_to"],
  ["a role `constructor`", related({ constructor: pm }), "field_unknown", "/related/constructor"],
  ["a role `__proto__`", written('"related":{"__proto__":{"type":"payment_method","id":"a"}}'), "field_unknown", "/related/__proto__"],
  ["a role with a line break", related({ "a\nb": pm }), "field_unknown", "/related/a\nb"],
  [
    "a null role with a line break, on an unknown type",
    asked({ resource: { type: "x", id: "1" }, related: { "a\nb": null } }),
    "field_unknown",
    "/related/a\nb",
  ],
  [
    "a role where the type has none",
    asked({ resource: { type: "payment_method", id: "p" }, related: { pay_from: pm } }),
    "field_unknown",
    "/related/pay_from",
  ],
  // values of the vocabulary
  ["an id that is a number, as an attribute", attributes({ customer: 1 }), "field_type", "/resource/attributes/customer"],
  ["an id that is a list, as an attribute", attributes({ customer: ["ada"] }), "field_type", "/resource/attributes/customer"],
  ["an empty id, as an attribute", attributes({ customer: "" }), "field_invalid", "/resource/attributes/customer"],
  ["a long id, as an attribute", attributes({ customer: "a".repeat(257) }), "field_invalid", "/resource/attributes/customer"],
  [
    "an id with a space at its end, as an attribute",
    attributes({ customer: "ada " }),
    "identifier_not_canonical",
    "/resource/attributes/customer",
  ],
  ["an integer as text", attributes({ amount_cents: "1" }), "field_type", "/resource/attributes/amount_cents"],
  ["an integer with a fraction", attributes({ amount_cents: 1.5 }), "field_type", "/resource/attributes/amount_cents"],
  ["an integer that is true", attributes({ amount_cents: true }), "field_type", "/resource/attributes/amount_cents"],
  ["a string that is a number", withArguments({ note: 1 }), "field_type", "/arguments/note"],
  ["a string beyond its limit", withArguments({ note: "x".repeat(17) }), "field_invalid", "/arguments/note"],
  ["a number as text", withArguments({ rate: "1" }), "field_type", "/arguments/rate"],
  ["a boolean as text", withArguments({ urgent: "true" }), "field_type", "/arguments/urgent"],
  ["a boolean as a number", withArguments({ urgent: 1 }), "field_type", "/arguments/urgent"],
  ["an e-mail without @", withArguments({ to: "ada" }), "field_invalid", "/arguments/to"],
  ["two e-mails", withArguments({ to: "a@b,c@d" }), "field_invalid", "/arguments/to"],
  ["an e-mail with a line break", withArguments({ to: "a@b\nbcc: c@d" }), "field_invalid", "/arguments/to"],
  ["an e-mail with a bidirectional character", withArguments({ to: "a\u202e@b" }), "identifier_not_canonical", "/arguments/to"],
  ["a list that is text", withArguments({ tags: "a" }), "field_type", "/arguments/tags"],
  ["a list beyond its limit", withArguments({ tags: ["a", "b", "c"] }), "field_invalid", "/arguments/tags"],
  ["a bad element", withArguments({ tags: ["a", 1] }), "field_type", "/arguments/tags/1"],
  ["an unknown element", withArguments({ tags: ["a", null] }), "field_type", "/arguments/tags/1"],
  ["an object that is text", withArguments({ address: "Ulm" }), "field_type", "/arguments/address"],
  ["an object that is a list", withArguments({ address: ["Ulm"] }), "field_type", "/arguments/address"],
  ["a bad field of an object", withArguments({ address: { zip: 89073 } }), "field_type", "/arguments/address/zip"],
  ["a long field of an object", withArguments({ address: { zip: "890730" } }), "field_invalid", "/arguments/address/zip"],
  [
    "a bad attribute of a role",
    related({ pay_from: { ...pm, attributes: { customer: 1 } } }),
    "field_type",
    "/related/pay_from/attributes/customer",
  ],
  ["a role of another type", related({ pay_from: { type: "invoice", id: "I" } }), "field_invalid", "/related/pay_from/type"],
  ["a role of an unknown type", related({ pay_from: { type: "wallet", id: "I" } }), "field_invalid", "/related/pay_from/type"],
  // identifiers
  ["an id with a NUL", resource({ id: "I-1\u0000" }), "identifier_not_canonical", "/resource/id"],
  ["an id with a newline", resource({ id: "I-1\n" }), "identifier_not_canonical", "/resource/id"],
  ["an id with a bidirectional character", resource({ id: "I\u202e-1" }), "identifier_not_canonical", "/resource/id"],
  ["an id in another normal form", resource({ id: "cafe\u0301" }), "identifier_not_canonical", "/resource/id"],
  ["such an id of a type that nobody knows", resource({ type: "x", id: "a\u200bb" }), "identifier_not_canonical", "/resource/id"],
  ["such an id of a role", related({ pay_from: { ...pm, id: "a " } }), "identifier_not_canonical", "/related/pay_from/id"],
  ["a request_id with a line break", asked({ request_id: "a\nb" }), "identifier_not_canonical", "/request_id"],
  ["an empty session", asked({ context: { session: "" } }), "identifier_not_canonical", "/context/session"],
  ["a source with an escape", asked({ context: { source: "\u001b[2J" } }), "identifier_not_canonical", "/context/source"],
  ["a trace with a bidirectional character", asked({ context: { trace: "\u2066" } }), "identifier_not_canonical", "/context/trace"],
  ["`..` in a path", file("a/../b"), "path_not_canonical", "/related/attached/id"],
  ["`%2e` in a path", file("a/%2e%2e/b"), "path_not_canonical", "/related/attached/id"],
  ["an empty segment in a path", file("a//b"), "path_not_canonical", "/related/attached/id"],
  ["a backslash in a path", file("a\\b"), "path_not_canonical", "/related/attached/id"],
  ["a NUL in a path", file("a\u0000"), "identifier_not_canonical", "/related/attached/id"],
  [
    "`..` in the path of the resource itself",
    asked({ resource: { type: "file", id: "../etc/passwd" } }),
    "path_not_canonical",
    "/resource/id",
  ],
  // collections
  ["no id where the verb acts on one", resource({ id: null }), "resource_id_required", "/resource/id"],
  ["an id where the verb acts on a collection", asked({ verb: "search" }), "resource_id_forbidden", "/resource/id"],
  // times and tokens
  ...["", "now", "2026-02-30T00:00:00Z", "2026-03-03T10:15:00", "2026-03-03", "2016-12-31T23:59:60Z", "2026-03-03T10:15:00Z "].map(
    (time): [string, unknown, ProblemCode, string] => [`the time ${JSON.stringify(time)}`, asked({ time }), "time_invalid", "/time"],
  ),
  ["an empty agent's token", asked({ agent_token: "" }), "field_invalid", "/agent_token"],
  ["an empty task's token", asked({ task_token: "" }), "field_invalid", "/task_token"],
];

describe("readAction: from parsed JSON to an action", () => {
  describe(`${REFUSED.length} requests that are refused`, () => {
    for (const [name, request, code, field] of REFUSED) {
      it(`${name}: ${code} at ${JSON.stringify(field)}`, () => {
        const problem = refusal(request);
        expect([problem.code, problem.detail.field, problem.status]).to.deep.equal([code, field, 400]);
      });
    }

    it("says of each what was expected, and never the schema's inner words", () => {
      for (const [name, request] of REFUSED) {
        const { code, detail } = refusal(request);
        if (code.endsWith("_unsupported")) continue;
        expect(detail.expected, name)
          .to.be.a("string")
          .and.not.match(/anyOf|schema in|^$/);
      }
    });
  });

  const expectations: [what: string, asked: unknown, expected: string][] = [
    ["an id of neither type", resource({ id: 1 }), "string or null"],
    ["an id of a good type that is too long", resource({ id: "a".repeat(257) }), "must NOT have more than 256 characters"],
    ["an agent of another type", asked({ agent: 7 }), "string"],
    ["a field that is missing", asked({ agent: undefined }), "a value"],
    ["a field that is unknown", asked({ colour: "red" }), "only the fields of the schema"],
    ["a role of a type that has others", related({ pay_to: pm }), "one of attached, pay_from"],
    [
      "a role of a type that has none",
      asked({ resource: { type: "payment_method", id: "p" }, related: { pay_from: pm } }),
      "no related resources",
    ],
    ["an id that a collection can't have", asked({ verb: "search" }), "null"],
  ];
  for (const [what, request, expected] of expectations)
    it(`says of ${what} that it expected ${expected}`, () => {
      expect(refusal(request).detail.expected).to.equal(expected);
    });

  it("takes the task that is named, or else the token's, and the digest of the action with it", () => {
    const proof = { task: "T-9", agent: "support-7" } as unknown as TaskProof;
    const tokens: string[] = [];
    const withToken = (change: object): ReadAction =>
      readAction(asked({ task_token: "token-1", agent_token: "token-2", ...change }), reader, (token) => {
        tokens.push(token);
        return proof;
      });
    for (const [change, task] of [
      [{ task: "T-1" }, "T-1"],
      [{ task: undefined }, "T-9"],
    ] as const) {
      const action = withToken(change);
      const digest = hash("sha256", canonicalAction(asked(change) as DecideRequest, task));
      expect(action).to.deep.include({ task_proof: proof, agent_token: "token-2", digest: `sha256:${digest}` });
      expect(action.request.task).to.equal(task);
    }
    expect(tokens).to.deep.equal(["token-1", "token-1"]);
    expect(read(asked({ task: undefined }))).to.deep.include({ task_proof: null, agent_token: null });
  });

  it("leaves a verb or a type that nobody knows to the floor, whether or not there is an id", () => {
    for (const id of ["I-1", null]) {
      expect(read(asked({ verb: "made_up", resource: { type: "invoice", id } })).verb).to.equal(null);
      for (const verb of ["read", "search"]) {
        const { type, request } = read(asked({ verb, resource: { type: "made_up", id, attributes: { a: 1 } }, arguments: { b: 2 } }));
        expect([type, request.resource, request.arguments, request.related]).to.deep.equal([
          null,
          { attributes: {}, id, type: "made_up" },
          {},
          {},
        ]);
      }
    }
  });

  it("repeats no value of the request", () => {
    const secret = "s3cret";
    for (const request of [
      attributes({ customer: ` ${secret}` }),
      attributes({ amount_cents: secret }),
      withArguments({ note: secret.repeat(9) }),
      resource({ id: `${secret}\n` }),
      asked({ agent: ` ${secret}` }),
      asked({ task_token: secret, verb: "" }),
      asked({ time: secret }),
    ]) {
      expect(JSON.stringify(refusal(request)) + refusal(request).message).not.to.include(secret);
    }
  });

  it("clips the caller's own names", () => {
    const long = "x".repeat(100_000);
    for (const request of [
      asked({ [long]: 1 }),
      attributes({ [long]: 1 }),
      related({ [long]: pm }),
      asked({ resource: { type: "t", id: "1" }, related: { [long]: { a: 1 } } }),
      withArguments({ address: { [long]: 1 } }),
    ]) {
      expect(JSON.stringify(refusal(request)).length).to.be.below(1000);
    }
  });

  describe("what is read", () => {
    it("has every field that the vocabulary names, null where nothing was said", () => {
      expect(read({ agent: "a", purpose: "p", verb: "read", resource: { type: "invoice", id: "I" } })).to.deep.include({
        request: {
          agent: "a",
          purpose: "p",
          task: null,
          verb: "read",
          resource: { type: "invoice", id: "I", attributes: { customer: null, amount_cents: null } },
          related: {
            pay_from: { type: "payment_method", id: null, attributes: { customer: null } },
            attached: { type: "file", id: null, attributes: {} },
          },
          arguments: { note: null, to: null, rate: null, urgent: null, tags: null, address: null },
          context: { session: null, source: null, trace: null },
        },
        request_id: null,
        claim_ms: null,
        at_least: 0,
      });
    });

    it("is what was given, filled inside objects too", () => {
      const { request } = read(
        asked({
          arguments: {
            note: "x".repeat(16),
            rate: -0.5,
            urgent: false,
            tags: [],
            address: { city: "Ulm" },
            to: "ada@example.com",
          },
          related: { pay_from: { ...pm, attributes: { customer: "bob" } } },
          context: { session: "s", source: "w", trace: "00-1" },
        }),
      );
      expect(request.arguments).to.deep.equal({
        note: "x".repeat(16),
        rate: -0.5,
        urgent: false,
        tags: [],
        address: { city: "Ulm", zip: null },
        to: "ada@example.com",
      });
      expect(request.related["pay_from"]).to.deep.equal({ ...pm, attributes: { customer: "bob" } });
      expect(request.context).to.deep.equal({ session: "s", source: "w", trace: "00-1" });
    });

    it("takes null for an attribute or argument that the host doesn't know", () => {
      expect(read(attributes({ customer: null, amount_cents: null })).request.resource.attributes).to.deep.equal({
        customer: null,
        amount_cents: null,
      });
      expect(read(withArguments({ address: null, tags: null })).request.arguments).to.include({
        address: null,
        tags: null,
      });
    });

    it("keeps fields in the order of their names, not in the sender's", () => {
      const { request } = read(attributes({ customer: "ada", amount_cents: 1 }));
      expect(JSON.stringify(request.resource.attributes)).to.equal('{"amount_cents":1,"customer":"ada"}');
    });

    it("leaves an unknown verb and an unknown type to the floor, with nothing of their values", () => {
      const action = read(
        asked({
          verb: "destroy",
          resource: { type: "bomb", id: null, attributes: { a: 1 } },
          arguments: { b: 2 },
          related: { c: pm },
        }),
      );
      expect([action.verb, action.type]).to.deep.equal([null, null]);
      expect(action.request).to.deep.include({
        verb: "destroy",
        resource: { type: "bomb", id: null, attributes: {} },
        arguments: {},
        related: {},
      });
    });

    for (const name of ["constructor", "toString", "hasOwnProperty", "valueOf"]) {
      it(`doesn't find ${name} where the vocabulary hasn't got it`, () => {
        const action = read(asked({ verb: name, resource: { type: name === "constructor" ? "toString" : name, id: "1" } }));
        expect([action.verb, action.type]).to.deep.equal([null, null]);
      });
    }

    it("finds a type, attribute, argument and role that are called like a prototype's, where the vocabulary has them", () => {
      const bare = read(asked({ resource: { type: "constructor", id: "1" } }));
      expect(Object.entries(bare.request.resource.attributes)).to.deep.equal([
        ["constructor", null],
        ["toString", null],
      ]);
      expect(Object.entries(bare.request.arguments)).to.deep.equal([["hasOwnProperty", null]]);
      expect(Object.keys(bare.request.related)).to.deep.equal(["valueOf"]);
      const full = read(
        JSON.parse(
          '{"agent":"a","purpose":"p","verb":"read","resource":{"type":"constructor","id":"1","attributes":{"constructor":true,"toString":1}},' +
            '"arguments":{"hasOwnProperty":"x"},"related":{"valueOf":{"type":"constructor","id":"2"}}}',
        ),
      );
      expect(Object.values(full.request.resource.attributes)).to.deep.equal([true, 1]);
      expect(Object.values(full.request.arguments)).to.deep.equal(["x"]);
      expect(full.request.related["valueOf"]?.id).to.equal("2");
    });

    it("reads the claimed time and the revision asked for", () => {
      expect(read(asked({ time: "2026-03-03T10:15:00+01:00", at_least: 4711 }))).to.include({
        claim_ms: NOW,
        at_least: 4711,
      });
    });

    it("takes a collection verb without an id, and names at their limit", () => {
      expect(read(asked({ verb: "search", resource: { type: "invoice", id: null } })).request.resource.id).to.be.null;
      expect(read(asked({ agent: "a".repeat(128), request_id: "r".repeat(128) })).request.agent).to.have.lengthOf(128);
      expect(read(resource({ id: "i".repeat(256) })).request.resource.id).to.have.lengthOf(256);
    });
  });

  it("pollutes nothing: no request reaches an object that others share", () => {
    const before = Object.getOwnPropertyNames(Object.prototype);
    for (const [, request] of REFUSED) refusal(request);
    for (const put of ['"__proto__":{"polluted":1}', '"constructor":{"prototype":{"polluted":1}}']) {
      for (const place of [put, `"arguments":{${put}}`, `"related":{${put}}`, `"context":{${put}}`]) refusal(written(place));
    }
    expect(Object.getOwnPropertyNames(Object.prototype)).to.deep.equal(before);
    expect(({} as Record<string, unknown>)["polluted"]).to.be.undefined;
  });
});
