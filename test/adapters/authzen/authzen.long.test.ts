/** AuthZEN 1.0 beyond its vectors: what a decision is told as, what bad input comes to, and that nothing goes past the one decision. */
import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect } from "chai";
import fc from "fast-check";
import type { Answer } from "../../../src/contract/index.js";
import { parseConfig } from "../../../src/system/config.js";
import { asset } from "../../../src/system/paths.js";
import { COMPILER_BUILD_MS_MAX } from "../../build/support.js";
import { post, raw, requestText, tokenFor, type Running } from "../../http/running.js";
import { CALLER, RECORDS, ask, recorded, runAuthzen } from "./running.js";

const EVALUATION = "/access/v1/evaluation";
const EVALUATIONS = "/access/v1/evaluations";
const alice = { type: "user", id: "alice" };
const read = { name: "read" };
const record1 = { type: "record", id: "record-1" };
const good = { subject: alice, action: read, resource: record1 };
const text = JSON.stringify;

type Context = Record<string, unknown>;
const contextOf = (body: Record<string, unknown>): Context => body["context"] as Context;

describe("an AuthZEN evaluation", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  let service: Running;

  before(async () => {
    service = await runAuthzen({ ...RECORDS, sections: { limits: { batch_actions_max: 5, members_max: 64, depth_max: 8 } } });
  });
  after(() => service.stop());

  it("says what an enforcement point needs, and no more where it is plain", async () => {
    const { body } = await ask(service, EVALUATION, good);
    expect(body["decision"]).to.equal(true);
    expect(contextOf(body)).to.have.all.keys("evaluation_id", "outcome", "valid_for_ms");
    expect(contextOf(body)).to.include({ outcome: "allow", valid_for_ms: 5000 });
  });

  it("says why it is denied: a code, a text for people who operate, a sentence for who asked", async () => {
    const { status, body } = await ask(service, EVALUATION, { ...good, action: { name: "write" }, subject: { type: "user", id: "bob" } });
    expect([status, body["decision"]]).to.deep.equal([200, false]);
    expect(contextOf(body)).to.include({ outcome: "deny", reason: "not_permitted" });
    expect(contextOf(body)).to.have.nested.property("reason_admin.403").that.includes("write");
    expect(contextOf(body)).to.have.nested.property("reason_user.403").that.is.a("string");
    expect(contextOf(body)).to.have.nested.property("reasons[0].code", "not_permitted");
  });

  const denied: [what: string, changes: object, reason: string][] = [
    ["a subject that nobody has registered", { subject: { type: "user", id: "mallory" } }, "agent_unknown"],
    ["a subject of a type that doesn't act here", { subject: { type: "group", id: "alice" } }, "agent_unknown"],
    ["a subject whose id is no name", { subject: { type: "user", id: "auth0|alice x" } }, "agent_unknown"],
    ["a subject named like a digest", { subject: { type: "user", id: `sha256:${"0".repeat(64)}` } }, "agent_unknown"],
    ["a purpose that it isn't registered for", { context: { purpose: "sabotage" } }, "purpose_unknown"],
    ["a task that there isn't", { context: { task: "T-1" } }, "task_unknown"],
    ["an action that there isn't", { action: { name: "launch" } }, "verb_unknown"],
    ["an action whose name is none", { action: { name: "constructor " } }, "verb_unknown"],
    ["a type that there isn't", { resource: { type: "spaceship", id: "1" } }, "type_unknown"],
    ["a type of JavaScript's", { resource: { type: "__proto__", id: "1" } }, "type_unknown"],
  ];
  for (const [what, changes, reason] of denied) {
    it(`denies ${what}, on record`, async () => {
      const { status, body } = await ask(service, EVALUATION, { ...good, ...changes });
      expect(status, text(body)).to.equal(200);
      expect(body["decision"]).to.equal(false);
      expect(contextOf(body)["reason"]).to.equal(reason);
      expect(contextOf(body)["evaluation_id"]).to.be.a("string");
    });
  }

  it("lets whoever is registered under the digest of its identifier act by the identifier alone", async () => {
    const id = "auth0|carol x";
    const digest = `sha256:${hash("sha256", id)}`;
    const registered = await post(service, "/agents", {
      id: digest,
      owner: "tests",
      purposes: ["record_keeping"],
      attributes: { editor: true },
    });
    expect(registered.status).to.equal(201);
    const by = async (subject: string): Promise<unknown> => {
      const { body } = await ask(service, EVALUATION, { ...good, subject: { type: "user", id: subject } });
      return body["decision"] === true ? "permitted" : contextOf(body)["reason"];
    };
    expect([await by(id), await by(digest), await by(`sha256:${hash("sha256", digest)}`)]).to.deep.equal([
      "permitted",
      "agent_unknown",
      "agent_unknown",
    ]);
  });

  const refused: [what: string, body: unknown][] = [
    ["no object", [good]],
    ["null", null],
    ["a member of the wrong type", { ...good, context: "x" }],
    ["properties of the wrong type", { ...good, subject: { ...alice, properties: [] } }],
    ["an id of the wrong type", { ...good, resource: { type: "record", id: 7 } }],
    ["an empty id", { ...good, subject: { type: "user", id: "" } }],
    ["an id that is null", { ...good, subject: { type: "user", id: null } }],
    ["an invisible character in an id", { ...good, resource: { type: "record", id: "record\u200b-1" } }],
    ["an id that is too long", { ...good, resource: { type: "record", id: "x".repeat(257) } }],
    ["a property that the vocabulary has otherwise", { ...good, resource: { ...record1, properties: { status: "lost" } } }],
    ["a purpose of the wrong type", { ...good, context: { purpose: 7 } }],
    ["a task of the wrong type", { ...good, context: { task: {} } }],
    ["an agent's token that is none", { ...good, context: { agent_token: "x" } }],
    ["a task's token, where there are none", { ...good, context: { task_token: "x" } }],
    ["a key twice", `{"subject":${text(alice)},"action":${text(read)},"resource":${text(record1)},"action":${text(read)}}`],
    ["half a surrogate pair", text(good).replace("alice", "\\ud800")],
    ["a number that no double holds", text({ ...good, x: 1 }).replace(":1}", ":1e999}")],
    ["depth", text({ ...good, x: [[[[[[[[[1]]]]]]]]] })],
    ["width", { ...good, x: Array.from({ length: 65 }, () => 1) }],
    ["two texts", `${text(good)}${text(good)}`],
    ["a byte order mark", `\ufeff${text(good)}`],
    ["too much", { ...good, x: "y".repeat(70_000) }],
  ];
  for (const [what, body] of refused) {
    it(`refuses ${what} with 400 and a text`, async () => {
      const answer = await ask(service, EVALUATION, body, { "x-request-id": "r-1" });
      expect(answer.status, answer.text).to.be.oneOf([400, 401]);
      expect(answer.headers.get("content-type")).to.equal("text/plain; charset=utf-8");
      expect(answer.headers.get("x-request-id")).to.equal("r-1");
      expect(answer.text).to.match(/^[a-z_]+: /);
    });
  }

  const callers: [what: string, authorization: string | undefined, status: number][] = [
    ["none", undefined, 401],
    ["what is no token", "Bearer x", 401],
    ["a token that has expired", `Bearer ${tokenFor("remit:decide", "gateway-1", -60)}`, 401],
    ["a token for others", `Bearer ${tokenFor("remit:decide", "gateway-1", 3600, {}, { audience: "elsewhere" })}`, 401],
    ["a token that may not ask", `Bearer ${tokenFor("remit:audit")}`, 403],
  ];
  for (const [what, authorization, status] of callers) {
    for (const path of [EVALUATION, EVALUATIONS, "/access/v1/search/subject"])
      it(`with ${what}: ${status} at ${path}`, async () => {
        const headers = {
          "content-type": "application/json",
          ...(authorization === undefined ? {} : { authorization }),
        };
        const response = await fetch(service.url + path, { method: "POST", headers, body: text(good) });
        expect(response.status).to.equal(status);
        expect(response.headers.get("www-authenticate")).to.match(/^Bearer/);
        expect(await response.text()).to.not.include("decision");
      });
  }

  it("answers in its own words whatever else is wrong with the request", async () => {
    const sent: [headers: string[], line: string, status: number][] = [
      [["Content-Type: application/json; charset=latin1"], `POST ${EVALUATION} HTTP/1.1`, 400],
      [["Content-Encoding: gzip"], `POST ${EVALUATION} HTTP/1.1`, 400],
      [[], `GET ${EVALUATION} HTTP/1.1`, 405],
      [["Host: evil.example"], `POST ${EVALUATION} HTTP/1.1`, 400],
      [["Origin: https://evil.example"], `POST ${EVALUATION} HTTP/1.1`, 403],
    ];
    for (const [extra, line, status] of sent) {
      const [answer] = await raw(service.port, requestText(service.port, text(good), [...extra, "X-Request-ID: r-2"], line), 1);
      expect(answer?.status, line + extra.join()).to.equal(status);
      expect(answer?.headers)
        .to.match(/content-type: text\/plain/)
        .and.match(/x-request-id: r-2/);
    }
    const beyond = await ask(service, `${EVALUATION}/x`, good);
    expect(beyond.status).to.equal(404);
    expect((await ask(service, `${EVALUATION}?x=1`, good)).status).to.equal(404);
  });

  it("gives an id back in the bytes that it came in, whatever they are", async () => {
    for (const id of ["caf\u00e9", Buffer.from("caf\u00e9 \u20ac").toString("latin1"), "a\tb;c", "\u00ff"]) {
      const sent: [line: string, body: string, status: number][] = [
        [`POST ${EVALUATION} HTTP/1.1`, text(good), 200],
        [`POST ${EVALUATIONS} HTTP/1.1`, text({ ...good, evaluations: [{}] }), 200],
        ["POST /access/v1/search/subject HTTP/1.1", text(good), 200],
        ["POST /access/v1/request HTTP/1.1", text({ ...good, items: [] }), 400],
        ["GET /.well-known/authzen-configuration HTTP/1.1", "", 200],
        [`POST ${EVALUATION} HTTP/1.1`, "{", 400],
      ];
      for (const [line, body, status] of sent) {
        const [answer] = await raw(service.port, requestText(service.port, body, [`X-Request-ID: ${id}`], line), 1);
        expect(answer?.status, line).to.equal(status);
        expect(/^x-request-id: (.*)$/m.exec(answer?.headers ?? "")?.[1]?.trimEnd(), line).to.equal(id);
      }
    }
  });

  it("ignores what the specification doesn't know, wherever it stands", async () => {
    const strange = { deep: [{ "": null }], evaluations_semantic: 1 };
    const { body } = await ask(service, EVALUATION, {
      ...{ options: strange, proceed: true, decision: true, page: strange },
      subject: { ...alice, roles: ["admin"], properties: { role: { name: "x" }.name, team: strange } },
      action: { ...read, verb: "delete" },
      resource: { ...record1, attributes: { status: "archived" }, properties: { toString: 1, status: "active" } },
      context: { strange, session: strange, source: 7, time: "yesterday" },
    });
    expect(body["decision"], text(body)).to.equal(true);
  });

  describe("of several", () => {
    const evaluations = [{}, { action: { name: "write" }, subject: { type: "user", id: "bob" } }, { resource: "x" }, {}];

    it("has an answer for each, in order, and an error for the one that is malformed", async () => {
      const { status, body } = await ask(service, EVALUATIONS, { ...good, evaluations });
      expect(status).to.equal(200);
      const answers = body["evaluations"] as { decision: boolean; context: Context }[];
      expect(answers.map(({ decision }) => decision)).to.deep.equal([true, false, false, true]);
      expect(answers[2]?.context).to.deep.equal({
        error: { status: 400, message: "field_type: /evaluations/2/resource: a field has the wrong type; expected an object" },
      });
      expect(new Set(answers.map(({ context }) => context["evaluation_id"]))).to.have.property("size", 4);
    });

    const semantics: [semantic: string, items: object[], decisions: boolean[]][] = [
      ["deny_on_first_deny", evaluations, [true, false]],
      ["deny_on_first_deny", [{}, { resource: {} }, {}], [true, false]],
      ["deny_on_first_deny", [{}, {}], [true, true]],
      ["permit_on_first_permit", [{ action: { name: "launch" } }, { action: {} }, {}, {}], [false, false, true]],
      ["permit_on_first_permit", [{ action: {} }], [false]],
      ["execute_all", [{ action: {} }, {}], [false, true]],
    ];
    for (const [semantic, items, decisions] of semantics) {
      it(`${semantic} of ${items.length} stops after ${decisions.length}`, async () => {
        const options = { evaluations_semantic: semantic, other: 1 };
        const { body } = await ask(service, EVALUATIONS, { ...good, options, evaluations: items });
        expect((body["evaluations"] as { decision: boolean }[]).map(({ decision }) => decision)).to.deep.equal(decisions);
      });
    }

    it("replaces a default whole: no member of it is left", async () => {
      const bob = { type: "user", id: "bob", properties: { role: "admin" } };
      const archived = { type: "record", id: "record-9", properties: { status: "archived" } };
      const { body } = await ask(service, EVALUATIONS, {
        subject: bob,
        action: { name: "write" },
        resource: archived,
        context: { purpose: "sabotage" },
        evaluations: [{}, { context: {} }, { context: {}, resource: { type: "record", id: "record-9" } }],
      });
      expect((body["evaluations"] as { decision: boolean }[]).map(({ decision }) => decision)).to.deep.equal([false, true, false]);
    });

    const wrong: [what: string, body: object][] = [
      ["a semantic that there isn't", { ...good, options: { evaluations_semantic: "first" }, evaluations: [{}] }],
      ["options of the wrong type", { ...good, options: [], evaluations: [{}] }],
      ["evaluations of the wrong type", { ...good, evaluations: {} }],
      ["more than are taken", { ...good, evaluations: Array.from({ length: 6 }, () => ({})) }],
      ["a default of the wrong type", { ...good, subject: "alice", evaluations: [{ subject: alice }] }],
      ["a default without its id", { ...good, resource: { type: "record" }, evaluations: [{ resource: record1 }] }],
    ];
    for (const [what, body] of wrong) {
      it(`refuses ${what} whole, with nothing decided`, async () => {
        const answer = await ask(service, EVALUATIONS, body);
        expect(answer.status, answer.text).to.equal(400);
        expect(answer.text).to.not.include("decision");
      });
    }
  });

  it("comes to an answer of the specification's, and to no permission, whatever JSON is sent", async () => {
    const words = fc.constantFrom(
      "subject",
      "action",
      "resource",
      "context",
      "evaluations",
      "options",
      "type",
      "id",
      "name",
      "properties",
      "page",
      "limit",
      "token",
      "user",
      "alice",
      "record",
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: "small" },
        words,
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie("tree"), { maxLength: 3 }),
        fc.dictionary(words, tie("tree"), { maxKeys: 5 }),
      ),
    }));
    const paths = fc.constantFrom(EVALUATION, EVALUATIONS, ...["subject", "resource", "action"].map((of) => `/access/v1/search/${of}`));
    await fc.assert(
      fc.asyncProperty(paths, fc.dictionary(words, tree), async (path, body) => {
        const answer = await ask(service, path, body);
        expect(answer.status, answer.text).to.be.oneOf([200, 400]);
        expect(answer.text).to.not.include('"decision":true');
        if (answer.status === 200) expect(answer.body).to.have.any.keys("decision", "evaluations", "results");
      }),
      { numRuns: 150 },
    );
  });

  it("takes a request apart by its own bytes: none that is cut or bent passes for it", async () => {
    const whole = Buffer.from(text(good));
    const bent = fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 })).map(([at, byte]) => {
      const copy = Buffer.from(whole);
      copy[at] = byte;
      return copy;
    });
    await fc.assert(
      fc.asyncProperty(bent, async (body) => {
        const response = await fetch(service.url + EVALUATION, {
          method: "POST",
          headers: { authorization: `Bearer ${CALLER}`, "content-type": "application/json" },
          body,
        });
        const answer = await response.text();
        expect(response.status, answer).to.be.oneOf([200, 400]);
        if (!answer.includes('"decision":true')) return;
        // What it permits is what the bytes say: alice reads a record.
        expect(JSON.parse(body.toString()))
          .to.deep.include({ subject: alice, action: read })
          .and.to.have.nested.property("resource.type", "record");
      }),
      { numRuns: 150 },
    );
  });
});

describe("the AuthZEN adapter", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  it("goes through the one decision: on record in its own words, cut off by a revocation, learned from", async () => {
    const service = await runAuthzen(RECORDS);
    try {
      const first = await ask(service, EVALUATION, { ...good, context: { session: "s-1" } }, { "x-request-id": "r-1" });
      expect(first.body["decision"]).to.equal(true);
      const revoked = await post(
        service,
        "/revocations",
        { scope: { agent: "alice" }, reason: "stolen" },
        { authorization: `Bearer ${tokenFor("remit:revoke")}` },
      );
      expect(revoked.status).to.equal(200);
      const second = await ask(service, EVALUATION, good);
      expect(second.body["decision"]).to.equal(false);
      expect(contextOf(second.body)["reason"]).to.equal("agent_revoked");
      const several = await ask(service, EVALUATIONS, { ...good, evaluations: [{}, { subject: { type: "user", id: "bob" } }] });
      expect((several.body["evaluations"] as { decision: boolean }[]).map(({ decision }) => decision)).to.deep.equal([false, true]);
      const search = { action: read, resource: record1, subject: { type: "user" } };
      const found = await ask(service, "/access/v1/search/subject", search);
      expect(found.body["results"]).to.deep.equal([{ type: "user", id: "bob" }]);
      const records = await recorded(service);
      expect(records).to.have.lengthOf(4);
      for (const record of records) expect(record).to.include({ adapter: "authzen", caller: "gateway-1" });
      expect(records[0]).to.have.nested.property("answer.decision_id", contextOf(first.body)["evaluation_id"]);
      expect(records[0]).to.have.nested.property("answer.request_id", "r-1");
      expect(records[0]).to.have.nested.property("input.request.context.session", "s-1");
      expect(records[0]).to.have.nested.property("input.request.related.subject.id", "alice");
    } finally {
      await service.stop();
    }
  });

  it("decides what `POST /decide` decides of the same action", async () => {
    const service = await runAuthzen(RECORDS);
    try {
      const { body } = await ask(service, EVALUATION, {
        ...good,
        action: { name: "delete", properties: { soft: false } },
      });
      const native = await post(service, "/decide", {
        agent: "alice",
        purpose: "record_keeping",
        verb: "delete",
        resource: { type: "record", id: "record-1", attributes: { status: "active" } },
        related: { subject: { type: "user", id: "alice", attributes: {} } },
        arguments: { soft: false },
      });
      const answer = (await native.json()) as Answer;
      expect(contextOf(body)["reasons"]).to.deep.equal(answer.reasons);
      expect(body["decision"]).to.equal(answer.proceed);
    } finally {
      await service.stop();
    }
  });

  it("keeps to what `callers` gives who asks", async () => {
    const service = await runAuthzen({ ...RECORDS, sections: { callers: { "gateway-1": { agents: ["bob"] } } } });
    try {
      const { body } = await ask(service, EVALUATION, good);
      expect([body["decision"], contextOf(body)["reason"]]).to.deep.equal([false, "caller_not_permitted"]);
      const found = await ask(service, "/access/v1/search/subject", { ...good, subject: { type: "user" } });
      expect(found.body["results"]).to.deep.equal([{ type: "user", id: "bob" }]);
    } finally {
      await service.stop();
    }
  });

  it("isn't there where it isn't configured", async () => {
    const service = await runAuthzen({ ...RECORDS, authzen: null });
    try {
      for (const path of [EVALUATION, EVALUATIONS, "/access/v1/search/subject"])
        expect((await ask(service, path, good)).status).to.equal(404);
      expect((await ask(service, "/.well-known/authzen-configuration", "", {}, "GET")).status).to.equal(404);
    } finally {
      await service.stop();
    }
  });

  it("is described for machines, with the errors that it has", async () => {
    const service = await runAuthzen(RECORDS);
    try {
      const { paths } = (await (await fetch(`${service.url}/openapi.json`)).json()) as {
        paths: Record<string, { post?: { responses: Record<string, { content: object }> } }>;
      };
      const responses = paths[EVALUATION]?.post?.responses ?? {};
      expect(Object.keys(responses)).to.deep.equal(["200", "400", "401", "403", "500", "503"]);
      expect(responses["400"]?.content).to.have.all.keys("text/plain; charset=utf-8");
      expect(paths).to.include.keys("/.well-known/authzen-configuration", "/access/v1/request/{id}");
    } finally {
      await service.stop();
    }
  });

  it("stands below its identifier's path, its metadata at the well-known place before that", async () => {
    const identifier = "https://pdp.example.com/tenant-1";
    const service = await runAuthzen({ ...RECORDS, authzen: { ...RECORDS.authzen, identifier } });
    try {
      const { status, body } = await ask(service, "/.well-known/authzen-configuration/tenant-1", "", { "x-request-id": "r-3" }, "GET");
      expect(status).to.equal(200);
      expect(body).to.include({ policy_decision_point: identifier, access_evaluation_endpoint: `${identifier}${EVALUATION}` });
      expect(body["supported_obligations"]).to.deep.equal(["notification", "custom"]);
      expect((await ask(service, `/tenant-1${EVALUATION}`, good)).body["decision"]).to.equal(true);
      expect((await ask(service, EVALUATION, good)).status).to.equal(404);
      expect((await ask(service, "/.well-known/authzen-configuration", "", {}, "GET")).status).to.equal(404);
    } finally {
      await service.stop();
    }
  });

  it("takes what its page tells newcomers to paste", () => {
    const page = readFileSync(asset("docs", "authzen.md"), "utf8");
    const sections = [...page.matchAll(/```yaml\n(authzen:[^]*?)```/g)].map(([, section = ""]) => section);
    expect(sections).to.have.lengthOf(2);
    for (const section of sections) {
      const rest = text({
        identity: { issuers: [{ issuer: "i", audience: { callers: "a" }, jwks: "j" }] },
        bundle: { name: "n", path: "p", keys: ["k"], state_dir: "s" },
        ...{ facts: { store: "f" }, log: { dir: "l" } },
      });
      const lines = Object.entries(JSON.parse(rest) as object).map(([name, value]) => `${name}: ${text(value)}\n`);
      expect(parseConfig(lines.join("") + section, "remit.yaml").authzen).to.have.property("identifier");
    }
  });

  const SECTION = { identifier: "https://pdp.example.com", subjects: { user: {} } };
  const wrong: [what: string, section: object][] = [
    ["an identifier without TLS", { ...SECTION, identifier: "http://pdp.example.com" }],
    ["an identifier with a query", { ...SECTION, identifier: "https://pdp.example.com?x" }],
    ["an identifier with `/` at its end", { ...SECTION, identifier: "https://pdp.example.com/" }],
    ["no subjects", { ...SECTION, subjects: {} }],
    ["a place that is none", { ...SECTION, purpose: "purpose" }],
    ["a place outside of the request", { ...SECTION, purpose: "process.env" }],
    ["no places", { ...SECTION, purpose: [] }],
    ["an unknown key", { ...SECTION, policy: "x" }],
  ];
  for (const [what, section] of wrong) {
    it(`refuses a configuration with ${what}`, () => {
      const config = {
        identity: { issuers: [{ issuer: "i", audience: { callers: "a" }, jwks: "j" }] },
        bundle: { name: "n", path: "p", keys: ["k"], state_dir: "s" },
        ...{ facts: { store: "f" }, log: { dir: "l" }, authzen: section },
      };
      expect(() => parseConfig(text(config), "remit.yaml")).to.throw(/authzen/);
      expect(() => parseConfig(text({ ...config, authzen: SECTION }), "remit.yaml")).to.not.throw();
    });
  }
});

describe("an AuthZEN evaluation where all other actions are one verb", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  let service: Running;
  before(async () => {
    service = await runAuthzen({ ...RECORDS, authzen: { ...RECORDS.authzen, actions: { "*": "write" } } });
  });
  after(() => service.stop());
  const by = async (id: string, name: string): Promise<unknown> => {
    const { body } = await ask(service, EVALUATION, { ...good, subject: { type: "user", id }, action: { name } });
    return body["decision"] === true ? "permitted" : contextOf(body)["reason"];
  };

  it("decides on it as on that verb, and on a verb as on itself", async () => {
    expect(await by("alice", "launch")).to.equal(await by("alice", "write"));
    expect(await by("bob", "launch")).to.equal("not_permitted");
    expect(await by("bob", "read")).to.equal("permitted");
  });
});
