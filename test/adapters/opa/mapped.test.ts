import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect } from "chai";
import { parseOpaMapping } from "../../../src/adapters/opa/mapping.js";
import { asset } from "../../../src/system/paths.js";
import { YamlError } from "../../../src/system/yaml.js";
import { AGENT, ALL, REQUEST, run, tokenFor, type Running } from "../../http/running.js";
import { ask, inAnHour, type Json } from "../../http/asking.js";

const NOTE = "attributes: {customer: {is: ada}}";
/** Documents of products, with inputs as those products send them. */
const MAPPING = `
documents:
  trino/allow:
    agent: context.identity.user
    purpose: {is: testing}
    ignore: [context]
    rules:
      - {when: {action.operation: SelectFromColumns}, read: note, id: action.resource.table.tableName, ${NOTE}, ignore: [action.resource.table]}
  kafka/authz/allow:
    agent: requestContext.principal.name
    purpose: {is: testing}
    ignore: [requestContext, action.logIfAllowed, action.logIfDenied, action.resourceReferenceCount]
    rules:
      - when: {action.operation: READ, action.resourcePattern.resourceType: TOPIC, action.resourcePattern.patternType: LITERAL}
        read: note
        id: action.resourcePattern.name
        ${NOTE}
  kubernetes/admission:
    agent: request.userInfo.username
    purpose: {is: testing}
    session: request.uid
    ignore: [apiVersion, request.userInfo, request.object, request.namespace, request.dryRun, request.resource]
    result:
      apiVersion: admission.k8s.io/v1
      kind: AdmissionReview
      response: {uid: $input.request.uid, allowed: $allowed, status: {message: $tell}}
    rules:
      - {when: {kind: AdmissionReview, request.operation: UPDATE, request.kind.kind: Note}, read: note, id: request.name, ${NOTE}, ignore: [request.kind]}
  http/authz:
    agent: subject.name
    purpose: action.purpose
    task: action.task
    ignore: [subject]
    result: {allow: $allowed, reason: $tell, headers: {x-decision: $decision_id}}
    rules:
      - {when: {action.method: GET}, read: note, id: resource.id, ${NOTE}}
`;

const TRINO = {
  context: { identity: { user: "a-1", groups: [] }, softwareStack: { trinoVersion: "476" } },
  action: { operation: "SelectFromColumns", resource: { table: { catalogName: "c", schemaName: "s", tableName: "n-1", columns: ["a"] } } },
};
const KAFKA = {
  action: {
    logIfAllowed: true,
    logIfDenied: true,
    operation: "READ",
    resourcePattern: { name: "n-1", patternType: "LITERAL", resourceType: "TOPIC", unknown: undefined },
    resourceReferenceCount: 1,
  },
  requestContext: { clientAddress: "127.0.0.1", principal: { name: "a-1", principalType: "User" }, securityProtocol: "SASL_SSL" },
};
const ADMISSION = {
  kind: "AdmissionReview",
  apiVersion: "admission.k8s.io/v1",
  request: {
    ...{ uid: "705ab4f5", operation: "UPDATE", name: "n-1", namespace: "desk", dryRun: false },
    ...{ kind: { group: "", version: "v1", kind: "Note" }, resource: { group: "", version: "v1", resource: "notes" } },
    ...{ userInfo: { username: "a-1", groups: ["system:authenticated"] }, object: { spec: { text: "x" } } },
  },
};
const GATEWAY = { subject: { name: "a-1" }, action: { method: "GET", purpose: "testing" }, resource: { id: "n-1" } };

describe("a document whose product meets no obligations", () => {
  const NAME = "customer_support";
  let service: Running;
  let folder: string;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "remit-opa-"));
    const attributes = "attributes: {customer: customer, amount_cents: amount}";
    const rules = ["invoice", "payment"].map((type) => `      - {when: {type: ${type}}, read: ${type}, id: id, ${attributes}}`).join("\n");
    writeFileSync(
      join(folder, "opa.yaml"),
      `documents:\n  desk/allow:\n    agent: agent\n    purpose: {is: ${NAME}}\n    task: task\n    rules:\n${rules}\n`,
    );
    const [path, key] = [asset("bundles", `${NAME}.tar.gz`), asset("bundles", `${NAME}.pub.pem`)];
    const bundle = { name: NAME, path, keys: [key], state_dir: "state", poll_ms: 50 };
    service = await run({ bundle, facts: { store: "store" }, opa: { mapping: join(folder, "opa.yaml") } }, false);
    const agent = { id: "support-7", owner: "tests@example.com", purposes: [NAME] };
    const subjects = { ticket: ["TCK-81"], customer: ["ada"] };
    const task = {
      id: "T-1",
      agent: "support-7",
      purpose: NAME,
      principal: "ada",
      subjects,
      attributes: { topic: "billing" },
      expires: inAnHour(),
    };
    expect((await ask(service, "POST", "/agents", { body: agent })).outcome).to.equal("201");
    expect((await ask(service, "POST", "/tasks", { body: task })).outcome).to.equal("201");
  });
  after(async () => {
    await service.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const [type, allowed] of [
    ["invoice", true],
    ["payment", false],
  ] as const)
    it(`is ${allowed ? "true of what may go on as it is" : "false of what may go on only with an obligation"}: ${type}`, async () => {
      const asked = { agent: "support-7", task: "T-1", type, id: "X-1", customer: "ada", amount: 4900 };
      expect((await ask(service, "POST", "/v1/data/desk/allow", { body: { input: asked } })).body["result"]).to.equal(allowed);
      const { body } = await ask(service, "GET", "/decisions?limit=1&kind=decision", { token: tokenFor("remit:audit") });
      const [found] = body["items"] as { record: { answer: { proceed: boolean; obligations: unknown[] } } }[];
      expect(found?.record.answer.proceed).to.equal(true);
      expect(found?.record.answer.obligations.length).to.equal(allowed ? 0 : 1);
    });
});

describe("documents that other products ask for", function () {
  let service: Running;
  let folder: string;
  const data = async (path: string, input?: unknown, token = ALL): Promise<{ status: number; body: Json }> =>
    ask(service, "POST", `/v1/data/${path}`, { body: input === undefined ? {} : { input }, token });
  const logs = (events: unknown, path = "/logs", token = tokenFor("remit:observe", "opa-1")) =>
    fetch(`${service.url}${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json", "content-encoding": "gzip" },
      body: gzipSync(JSON.stringify(events)),
    });
  const lastRecord = async (): Promise<Json> => {
    const { body } = await ask(service, "GET", "/decisions?limit=1&kind=observed", { token: tokenFor("remit:audit") });
    return (body["items"] as Json[])[0] ?? {};
  };

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "remit-opa-"));
    writeFileSync(join(folder, "opa.yaml"), MAPPING);
    service = await run({ opa: { mapping: join(folder, "opa.yaml") } });
  });
  after(async () => {
    await service.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const products: [what: string, path: string, input: Json, denied: Json, allowed: (result: Json | boolean) => unknown][] = [
    ["Trino", "trino/allow", TRINO, { ...TRINO, context: { identity: { user: "a-2" } } }, (result) => result],
    ["Kafka", "kafka/authz/allow", KAFKA, { ...KAFKA, requestContext: { principal: { name: "a-2" } } }, (result) => result],
    [
      "Kubernetes' admission",
      "kubernetes/admission",
      ADMISSION,
      { ...ADMISSION, request: { ...ADMISSION.request, userInfo: { username: "a-2" } } },
      (result) => ((result as Json)["response"] as Json)["allowed"],
    ],
    ["an API gateway", "http/authz", GATEWAY, { ...GATEWAY, subject: { name: "a-2" } }, (result) => (result as Json)["allow"]],
  ];
  for (const [what, path, input, denied, allowed] of products) {
    it(`answer ${what} as it wants to be answered, by the one decision`, async () => {
      const permitted = await data(path, input);
      expect(allowed(permitted.body["result"] as Json)).to.equal(true);
      const { body } = await ask(service, "GET", `/decisions/${permitted.body["decision_id"] as string}`, {
        token: tokenFor("remit:audit"),
      });
      expect(JSON.stringify(body)).to.include('"adapter":"opa"').and.include('"n-1"');
      const refused = await data(path, denied);
      expect([refused.status, allowed(refused.body["result"] as Json)]).to.deep.equal([200, false]);
    });
  }

  it("have what stands in the input, and what the agent is told, in the answer", async () => {
    const { body } = await data("kubernetes/admission", { ...ADMISSION, request: { ...ADMISSION.request, userInfo: { username: "a-2" } } });
    const { response, ...rest } = body["result"] as Json;
    expect(rest).to.deep.equal({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview" });
    expect(response).to.deep.include({ uid: "705ab4f5", allowed: false });
    expect(((response as Json)["status"] as Json)["message"])
      .to.be.a("string")
      .that.is.not.equal("");
  });

  it("are asked for bare, and several at once", async () => {
    const bare = await ask(service, "POST", "/v0/data/kubernetes/admission", { body: ADMISSION, token: ALL });
    expect((bare.body["response"] as Json)["allowed"]).to.equal(true);
    const inputs = { a: TRINO, b: { ...TRINO, action: { operation: "DropTable" } } };
    const { body } = await ask(service, "POST", "/v1/batch/data/trino/allow", { body: { inputs }, token: ALL });
    const results = Object.values(body["responses"] as Record<string, Json>).map(({ result }) => result);
    expect(results).to.deep.equal([true, false]);
  });

  const refused: [what: string, input: unknown, code: string, field: string][] = [
    ["that no rule fits", { ...GATEWAY, action: { method: "PUT" } }, "field_invalid", "/input"],
    [
      "that says more than the mapping names",
      { ...GATEWAY, resource: { id: "n-1", owner: "x" } },
      "field_unknown",
      "/input/resource/owner",
    ],
    ["without its agent", { ...GATEWAY, subject: {} }, "field_missing", "/input/agent"],
    ["whose agent is no text", { ...GATEWAY, subject: { name: ["a-1"] } }, "field_invalid", "/input/subject/name"],
    ["without its purpose", { ...GATEWAY, action: { method: "GET" } }, "field_missing", "/input/purpose"],
    ["without what it is about", { ...GATEWAY, resource: {} }, "field_missing", "/input/resource/id"],
    ["about what is no identifier", { ...GATEWAY, resource: { id: "a//b/../c\u0000" } }, "field_invalid", "/input/resource/id"],
    ["that is a list", [GATEWAY], "field_invalid", "/input"],
    ["that is null", null, "field_invalid", "/input"],
    ["with a prototype's name in it", JSON.parse('{"__proto__": {"name": "a-1"}, "subject": {"name": "a-1"}}'), "field_invalid", "/input"],
  ];
  for (const [what, input, code, field] of refused) {
    it(`answer an input ${what} as not allowed, and say why`, async () => {
      const { status, body } = await data("http/authz", input);
      expect([status, (body["result"] as Json)["allow"]]).to.deep.equal([200, false]);
      const { errors } = body["warning"] as { errors: { code: string; details: { field: string } }[] };
      expect(errors.map((one) => [one.code, one.details.field])).to.deep.equal([[code, field]]);
    });
  }

  it("are undefined without an input, and nobody's without a token", async () => {
    expect((await data("trino/allow")).body).to.not.have.property("result");
    expect((await data("trino/allow", TRINO, "")).status).to.equal(401);
    expect((await data("trino/allow/more", TRINO)).body).to.not.have.property("result");
  });

  describe("and the decision logs of other OPAs", () => {
    const at = (): string => new Date().toISOString().replace("Z", "123456Z");
    const event = (changes: Json): Json => ({
      decision_id: `d-${Math.random()}`,
      path: "trino/allow",
      input: TRINO,
      result: true,
      timestamp: at(),
      ...changes,
    });

    it("put on record as observed what they permitted, and only that", async () => {
      const answer = await logs([
        event({ decision_id: "d-1" }),
        event({ result: false }),
        event({ result: { allow: true } }),
        event({
          path: "remit/decide",
          input: { request: { ...REQUEST, task: null, context: { session: null } }, facts: {} },
          result: { proceed: true },
        }),
        event({ path: "remit/decide", input: REQUEST, result: { proceed: false } }),
        event({ path: "/remit/allow", input: REQUEST }),
      ]);
      expect([answer.status, await answer.json()]).to.deep.equal([200, { observed: 3, passed_over: 3, rejected: 0 }]);
      expect(JSON.stringify(await lastRecord()))
        .to.include('"caller":"opa-1"')
        .and.include('"kind":"observed"');
    });

    it("are a finding where an agent did what it may not", async () => {
      const denied = { ...TRINO, context: { identity: { user: "a-2" } } };
      await logs([event({ input: denied })], "/logs/edge");
      expect(JSON.stringify(await lastRecord()))
        .to.include('"decision":"deny"')
        .and.match(/"finding":"F-/);
    });

    it("are taken as far as they can be, so that an OPA doesn't send the rest for ever", async () => {
      const answer = await logs([
        event({ path: "other/allow" }),
        event({ timestamp: "yesterday" }),
        event({ input: {} }),
        event({ path: "remit/decide", input: { agent: 7 }, result: { proceed: true } }),
        event({ path: "remit/allow", input: "text" }),
        "no event",
        null,
        event({}),
      ]);
      expect([answer.status, await answer.json()]).to.deep.equal([200, { observed: 1, passed_over: 0, rejected: 7 }]);
      expect(service.said()).to.include("decision_log_rejected").and.not.include("yesterday");
    });

    it("are refused where they are none, or from nobody who may report", async () => {
      expect((await logs({})).status).to.equal(400);
      expect((await logs([], "/logs", ALL)).status).to.equal(403);
      expect((await logs([], "/logs", "eyJ.no.token")).status).to.equal(401);
    });

    it("come with a status, of which nothing is kept", async () => {
      for (const path of ["/status", "/status/edge"]) expect((await logs({ labels: {} }, path)).status).to.equal(200);
      expect((await logs({}, "/status", ALL)).status).to.equal(403);
    });
  });

  it("come with a list of policies, which is empty", async () => {
    const { status, body } = await ask(service, "GET", "/v1/policies", { token: ALL });
    expect([status, body]).to.deep.equal([200, { result: [] }]);
    expect((await ask(service, "GET", "/v1/policies", { token: "" })).status).to.equal(401);
    expect((await ask(service, "PUT", "/v1/policies/a", { token: ALL })).status).to.equal(501);
    expect((await ask(service, "GET", "/v1/policies/a", { token: ALL })).status).to.equal(501);
  });
});

describe("opa.yaml", () => {
  const GOOD = "agent: user, purpose: {is: testing}, rules: [{read: note, id: id}]";
  const wrong: [what: string, text: string, message: RegExp][] = [
    ["no document", "documents: {}", /documents/],
    ["one of the service's own", `documents: {remit/allow: {${GOOD}}}`, /documents/],
    ["one of the service's own, below", `documents: {remit: {${GOOD}}}`, /documents/],
    ["one whose path climbs", `documents: {a//b: {${GOOD}}}`, /documents/],
    ["no agent", "documents: {a: {purpose: {is: testing}, rules: [{read: note}]}}", /agent/],
    ["no rule", "documents: {a: {agent: user, purpose: {is: testing}, rules: []}}", /rules/],
    ["an unknown key", `documents: {a: {${GOOD}, results: 1}}`, /results/],
    ["a result that is the same whatever is decided", `documents: {a: {${GOOD}, result: {allow: true}}}`, /must have `\$allowed`/],
    ["a result of an unknown word", `documents: {a: {${GOOD}, result: [$allowed, $reason]}}`, /known are `\$allowed`/],
    ["a result of no place", `documents: {a: {${GOOD}, result: {allow: $allowed, x: $input.}}}`, /known are/],
    ["a purpose that is no name", "documents: {a: {agent: user, purpose: {is: Not One}, rules: [{read: note}]}}", /name of the vocabulary/],
    ["a source that is none", "documents: {a: {agent: {of: x}, purpose: {is: testing}, rules: [{read: note}]}}", /agent/],
    ["a rule without a verb", "documents: {a: {agent: user, purpose: {is: testing}, rules: [{id: x}]}}", /one verb/],
    [
      "a condition on nothing",
      "documents: {a: {agent: user, purpose: {is: testing}, rules: [{when: {a..b: 1}, read: note}]}}",
      /places in the input/,
    ],
    [
      "a condition that is an object",
      "documents: {a: {agent: user, purpose: {is: testing}, rules: [{when: {a: {}}, read: note}]}}",
      /places in the input/,
    ],
    [
      "what to ignore as a text",
      "documents: {a: {agent: user, purpose: {is: testing}, rules: [{read: note, ignore: x}]}}",
      /list of places/,
    ],
  ];
  for (const [what, text, message] of wrong) {
    it(`is refused with ${what}, by its place`, () => {
      expect(() => parseOpaMapping(text, "opa.yaml")).to.throw(YamlError, message);
    });
  }

  it("takes the first rule that fits", () => {
    const document = parseOpaMapping(
      "documents: {a: {agent: user, purpose: {is: testing}, ignore: [more], rules: [{when: {op: 1}, read: note, id: id}, {write: note, id: id, ignore: [op]}]}}",
      "opa.yaml",
    ).get("a");
    const verbs = [1, 2].map((op) => document?.actionOf({ user: AGENT.owner, op, id: "n-1", more: {} }).verb);
    expect(verbs).to.deep.equal(["read", "write"]);
  });
});
