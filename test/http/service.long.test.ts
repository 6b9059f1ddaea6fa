import { expect } from "chai";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { join } from "node:path";
import supertest, { type Test } from "supertest";
import { stringify } from "yaml";
import type { Answer } from "../../src/contract/index.js";
import { KEY, STRANGER, archive, bundleBytes, content, signed } from "../bundle/support.js";
import { AGENT, ALL, REQUEST, run, tokenFor, type Running } from "./running.js";

type Json = Record<string, unknown>;

const bearer = (token: string): Record<string, string> => (token === "" ? {} : { authorization: `Bearer ${token}` });

const get = (service: Running, path: string, token = ALL): Test => supertest(service.url).get(path).set(bearer(token));

const post = (service: Running, path: string, body: string | object, token = ALL): Test =>
  supertest(service.url).post(path).set(bearer(token)).type("application/json").send(body);

const patch = (service: Running, path: string, body: object, token = ALL): Test =>
  supertest(service.url).patch(path).set(bearer(token)).send(body);

const publish = (service: Running, bytes: Buffer, token = ALL): Test =>
  supertest(service.url).post("/bundles").set(bearer(token)).type("application/gzip").send(bytes);

const bodyOf = async (request: Test): Promise<Json> => (await request).body as Json;

function records(serviceFolder: string): Json[] {
  const folder = join(serviceFolder, "log");
  return readdirSync(folder)
    .filter((name) => name.endsWith(".jsonl"))
    .sort()
    .flatMap((name) => readFileSync(join(folder, name), "utf8").trimEnd().split("\n"))
    .map((line) => JSON.parse(line) as Json);
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe("a service", () => {
  let service: Running;
  beforeEach(async () => {
    service = await run();
  });
  afterEach(() => service.stop());

  it("has every answer's record on disk before it answers", async () => {
    const answer = (await bodyOf(post(service, "/decide", REQUEST))) as unknown as Answer;
    expect(answer).to.include({ decision: "allow", proceed: true });
    const last = records(service.folder).at(-1);
    expect((last?.["answer"] as Answer).decision_id).to.equal(answer.decision_id);
    expect(last).to.include({ kind: "decision", caller: "gateway-1" });
  });

  it("answers a batch in its order", async () => {
    const actions = ["one", "two", "three"].map((request_id) => ({ ...REQUEST, request_id }));
    const { answers } = await bodyOf(post(service, "/decide/batch", { actions }));
    expect((answers as Answer[]).map(({ request_id }) => request_id)).to.deep.equal(["one", "two", "three"]);
    const refused = post(service, "/decide/batch", { actions: [REQUEST, { ...REQUEST, verb: 1 }] });
    expect(await bodyOf(refused)).to.include({ code: "field_type", item: 1, field: "/actions/1/verb" });
  });

  it("says what it is and whether it is ready, to anyone", async () => {
    await get(service, "/healthz", "").expect(200, { status: "ok" });
    await get(service, "/readyz", "").expect(200, { ready: true, bundle: true, facts: true, log: true, accepting: true });
  });

  const guarded: [string, string, string][] = [
    ["POST", "/decide", "remit:decide"],
    ["POST", "/decide/batch", "remit:decide"],
    ["POST", "/tasks", "remit:register"],
    ["PATCH", "/tasks/T-1", "remit:register"],
    ["GET", "/bundles", "remit:publish"],
    ["POST", "/bundles", "remit:publish"],
    ["POST", "/bundles/staged/drop", "remit:publish"],
    ["POST", "/bundles/back", "remit:publish"],
    ["POST", "/cluster/nodes/T-1/leave", "remit:revoke"],
    ["POST", "/events/echo", "remit:embed"],
    ["GET", "/metrics", "remit:audit"],
    ["GET", "/decisions", "remit:audit"],
    ["GET", "/decisions/T-1", "remit:audit"],
    ["GET", "/decisions/stream", "remit:audit"],
    ["GET", "/decisions/summary", "remit:audit"],
    ["GET", "/decisions/histogram", "remit:audit"],
    ["POST", "/findings/T-1", "remit:review"],
    ["POST", "/findings/T-1/approvals", "remit:review"],
    ["GET", "/log/checkpoint", "remit:audit"],
    ["GET", "/log/consistency", "remit:audit"],
    ["GET", "/log/keys", "remit:audit"],
    ["GET", "/log/cosigned/T-1", "remit:audit"],
    ["GET", "/witness/key", "remit:audit"],
    ["POST", "/logs", "remit:observe"],
    ["POST", "/status", "remit:observe"],
  ];
  it("asks for a token with the scope on every other route", async () => {
    for (const [method, path, scope] of guarded) {
      const others = tokenFor(
        ["decide", "register", "publish", "audit", "admin"]
          .map((s) => `remit:${s}`)
          .filter((s) => s !== scope)
          .join(" "),
      );
      for (const [authorization, status, code, challenge] of [
        ["", 401, "token_missing", "Bearer"],
        ["Bearer x.y.z", 401, "token_invalid", 'Bearer error="invalid_token"'],
        [`Bearer ${others}`, 403, "scope_missing", 'Bearer error="insufficient_scope"'],
      ] as const) {
        const response = await supertest(service.url)
          [method.toLowerCase() as "post"](path)
          .set(authorization === "" ? {} : { authorization })
          .send(method === "GET" ? undefined : REQUEST);
        expect(response.status, `${method} ${path}`).to.equal(status);
        expect(response.body).to.have.property("code", code);
        expect(response.get("www-authenticate")).to.equal(challenge);
      }
    }
  });

  it("describes every route, its scope and its problems in the OpenAPI document", async () => {
    const document = (await bodyOf(get(service, "/openapi.json", ""))) as {
      paths: Record<string, Record<string, { security?: unknown; responses: object }>>;
    };
    for (const [method, path, scope] of guarded) {
      const operation = document.paths[path.replace("cosigned/T-1", "cosigned/{witness}").replace("T-1", "{id}")]?.[method.toLowerCase()];
      // Whoever reviews may change nothing of a task but its labels.
      const scopes = method === "PATCH" && path === "/tasks/T-1" ? [scope, "remit:review"] : [scope];
      expect(operation?.security, `${method} ${path}`).to.deep.equal(scopes.map((one) => ({ bearer: [one] })));
      expect(operation?.responses).to.include.keys("401", "403", "400");
    }
    expect(Object.keys(document.paths).sort()).to.deep.equal([
      "/",
      "/.well-known/ssf-configuration",
      "/.well-known/ssf-configuration/{path}",
      "/agents",
      "/agents/{id}",
      "/agents/{id}/narrowing",
      "/agents/{id}/narrowing/lift",
      "/agents/{id}/profile",
      "/agents/{id}/profile/rollback",
      "/approvals",
      "/behavior/thresholds",
      "/bundles",
      "/bundles/back",
      "/bundles/staged/drop",
      "/bundles/{name}",
      "/cluster",
      "/cluster/nodes/{id}/leave",
      "/decide",
      "/decide/batch",
      "/decisions",
      "/decisions/histogram",
      "/decisions/stream",
      "/decisions/summary",
      "/decisions/{id}",
      "/decisions/{id}/outcome",
      "/decisions/{id}/proof",
      "/decisions/{id}/receipt",
      "/events",
      "/events/echo",
      "/events/sets",
      "/events/transmitters",
      "/explain",
      "/facts/events",
      "/facts/export",
      "/facts/import",
      "/findings",
      "/findings/stream",
      "/findings/{id}",
      "/findings/{id}/approvals",
      "/grants",
      "/grants/{id}",
      "/health",
      "/health/{rule}",
      "/healthz",
      "/log/checkpoint",
      "/log/consistency",
      "/log/cosigned/{witness}",
      "/log/keys",
      "/log/tile/{tile}",
      "/logs",
      "/logs/{partition}",
      "/metrics",
      "/narrowings",
      "/notices",
      "/observe",
      "/openapi.json",
      "/readyz",
      "/records",
      "/revocations",
      "/revocations/everything",
      "/revocations/everything/lift",
      "/revocations/{scope}/{of}",
      "/revocations/{scope}/{of}/lift",
      "/ssf/jwks.json",
      "/ssf/poll/{stream_id}",
      "/ssf/status",
      "/ssf/streams",
      "/ssf/subjects/add",
      "/ssf/subjects/remove",
      "/ssf/verify",
      "/status",
      "/status/{partition}",
      "/tasks",
      "/tasks/{id}",
      "/tasks/{id}/token",
      "/v0/data",
      "/v1/batch/data",
      "/v1/compile",
      "/v1/config",
      "/v1/data",
      "/v1/logs",
      "/v1/metrics",
      "/v1/policies",
      "/v1/query",
      "/v1/status",
      "/v1/traces",
      "/witness/add-checkpoint",
      "/witness/key",
      "/witness/{log}/checkpoint",
    ]);
  });

  it("counts decisions by outcome and purpose, and problems by code, without labels of the caller's making", async () => {
    await post(service, "/decide", REQUEST);
    await post(service, "/decide", { ...REQUEST, purpose: "made-up-7" });
    await post(service, "/decide", "{");
    const { text } = await get(service, "/metrics");
    expect(text).to.contain('remit_decisions_total{decision="allow",purpose="testing"} 1');
    expect(text).to.contain('remit_decisions_total{decision="deny",purpose="unknown"} 1');
    expect(text).to.contain('remit_problems_total{code="json_invalid"} 1');
    expect(text).to.contain("remit_bundle_sequence 12");
    expect(text).to.match(/remit_decision_stage_seconds_count\{stage="record"\} 2/);
    expect(text).not.to.contain("made-up");
  });

  const expires = new Date(Date.now() + 3_600_000).toISOString();
  const task = { id: "T-1", agent: "a-1", purpose: "testing", subjects: { customer: ["ada"] }, expires };

  it("creates a task once, however often it is asked, and takes it into the next decision", async () => {
    const [created, again, other] = [
      await post(service, "/tasks", task),
      await post(service, "/tasks", task),
      await post(service, "/tasks", { ...task, principal: "bob" }),
    ];
    expect([created.status, again.status, other.status]).to.deep.equal([201, 200, 409]);
    const { facts_revision } = created.body as Json;
    expect(again.body).to.have.property("facts_revision", facts_revision);
    expect(other.body).to.have.property("code", "task_exists");
    const answer = await bodyOf(post(service, "/decide", { ...REQUEST, task: "T-1", at_least: facts_revision }));
    expect(answer).to.include({ decision: "allow", facts_revision });
    const ahead = await post(service, "/decide", { ...REQUEST, at_least: 1_000_000 });
    expect([ahead.status, ahead.get("retry-after")]).to.deep.equal([503, "1"]);
  });

  it("adds subjects to a task, and ends it for good, each on record", async () => {
    await post(service, "/tasks", task);
    const added = await bodyOf(patch(service, "/tasks/T-1", { subjects: { customer: ["bob", "ada"] } }));
    expect(added["subjects"]).to.deep.equal({ customer: ["ada", "bob"] });
    const same = await bodyOf(patch(service, "/tasks/T-1", { subjects: { customer: ["bob"] } }));
    expect(same).to.deep.equal(added);
    const ended = await bodyOf(patch(service, "/tasks/T-1", { ended: true }));
    expect(ended["ended"]).to.include({ reason: null });
    const answer = (await bodyOf(post(service, "/decide", { ...REQUEST, task: "T-1" }))) as unknown as Answer;
    expect(answer.reasons.map(({ code }) => code)).to.deep.equal(["task_ended"]);
    expect((await patch(service, "/tasks/T-1", { subjects: { customer: ["eve"] } })).status).to.equal(400);
    const changes = records(service.folder).filter(({ kind }) => kind === "facts");
    expect(changes.map(({ change }) => change)).to.deep.equal([
      "agent_created",
      "import_progressed",
      "task_created",
      "task_changed",
      "task_ended",
    ]);
    expect(changes.map(({ facts_revision }) => facts_revision)).to.deep.equal([1, 2, 3, 4, 5]);
  });

  const badTasks: [string, Json, string, string][] = [
    ["an unknown agent", { agent: "a-2" }, "fact_invalid", "/agent"],
    ["a purpose that isn't the agent's", { purpose: "other" }, "fact_invalid", "/purpose"],
    ["an unknown subject type", { subjects: { ticket: ["1"] } }, "fact_invalid", "/subjects/ticket"],
    ["a subject that isn't canonical", { subjects: { customer: ["ada\u202e"] } }, "identifier_not_canonical", "/subjects/customer"],
    ["a principal that isn't canonical", { principal: "ada\u202e" }, "identifier_not_canonical", "/principal"],
    ["an unknown attribute", { attributes: { topic: "x" } }, "fact_invalid", "/attributes/topic"],
    ["an unknown verb", { verbs: ["fly"] }, "fact_invalid", "/verbs/0"],
    ["an expiry in the past", { expires: "2020-01-01T00:00:00Z" }, "fact_invalid", "/expires"],
    ["an expiry too far away", { expires: "2999-01-01T00:00:00Z" }, "fact_invalid", "/expires"],
    ["an expiry that is no time", { expires: "2026-02-30T00:00:00Z" }, "fact_invalid", "/expires"],
    ["no expiry", { expires: undefined }, "field_missing", "/expires"],
    ["an unknown field", { status: "active" }, "field_unknown", "/status"],
    ["an id that is no name", { id: "../x" }, "field_invalid", "/id"],
    ["ids that are no list", { subjects: { customer: "ada" } }, "field_type", "/subjects/customer"],
  ];
  for (const [what, changes, code, field] of badTasks) {
    it(`refuses a task with ${what}`, async () => {
      const refused = await post(service, "/tasks", { ...task, ...changes }).expect(400);
      expect(refused.body).to.include({ code, field });
    });
  }

  it("refuses to change what it doesn't know", async () => {
    const refused = await patch(service, "/tasks/T-9", { ended: true }).expect(404);
    expect(refused.body).to.have.property("code", "task_not_found");
    await patch(service, "/tasks/T-9", {}).expect(400);
    await patch(service, "/tasks/T-9", { ended: false }).expect(400);
  });

  it("takes a changed facts file soon, and keeps what is known where it cannot be read", async () => {
    const file = join(service.folder, "facts.yaml");
    const codes = async (): Promise<string> =>
      ((await bodyOf(post(service, "/decide", REQUEST))) as unknown as Answer).reasons.map(({ code }) => code).join();
    writeFileSync(file, stringify({ agents: { "a-1": { ...AGENT, status: "suspended" } } }));
    await until(async () => (await codes()) === "agent_suspended");
    writeFileSync(file, "agents: {a-1: {ownr: x}}");
    await until(() => Promise.resolve(service.said().includes("/agents/a-1/ownr")));
    expect(await codes()).to.equal("agent_suspended");
    writeFileSync(file, stringify({ agents: { "a-1": { ...AGENT, status: "active" } } }));
    await until(() => Promise.resolve(service.said().includes("/agent/status")));
    expect(await codes(), "by a file").to.equal("agent_suspended");
    await patch(service, "/agents/a-1", { status: "active", reason: "looked into" }, tokenFor("remit:revoke")).expect(200);
    expect(await codes()).to.equal("permitted");
  });

  it("decides by a published bundle, keeps the running one where a bad one comes, and says why", async () => {
    const running = async (): Promise<Json> => (await bodyOf(get(service, "/bundles")))["running"] as Json;
    await publish(service, await bundleBytes({ expires: null, sequence: 13 })).expect(200);
    expect((await running())["sequence"]).to.equal(13);
    const bad: [string, Buffer][] = [
      ["bundle_older", await bundleBytes({ expires: null })],
      ["bundle_expired", await bundleBytes({ expires: "2026-06-01T00:00:00Z", sequence: 14 })],
      ["name_mismatch", await bundleBytes({ expires: null, sequence: 14, name: "other" })],
      ["signature_key_unknown", await archive(signed(content({ expires: null, sequence: 14 }), STRANGER))],
      ["signature_missing", await archive(content({ expires: null, sequence: 14 }))],
      [
        "file_altered",
        await archive(signed(content({ expires: null, sequence: 14 }), KEY).set("remit/decide.rego", Buffer.from("package x\n"))),
      ],
      ["archive_not_gzip", Buffer.from("hello")],
    ];
    for (const [reason, bytes] of bad) {
      const refused = await publish(service, bytes);
      expect(refused.status, reason).to.equal(422);
      const body = refused.body as Json;
      expect(body).to.include({ code: "bundle_refused", reason });
      expect(JSON.stringify(body)).not.to.contain(service.folder);
      expect((await running())["sequence"]).to.equal(13);
    }
    await post(service, "/decide", REQUEST).expect(200);
  });

  it("answers what is in flight when it stops, then takes nothing more, and has every record", async () => {
    const body = JSON.stringify(REQUEST);
    const headers = {
      authorization: `Bearer ${ALL}`,
      "content-type": "application/json",
      "content-length": body.length,
      expect: "100-continue",
    };
    const requests = Array.from({ length: 20 }, () => httpRequest(`${service.url}/decide`, { method: "POST", headers }));
    const answers = requests.map(async (request) => {
      const [response] = (await once(request, "response")) as [IncomingMessage];
      let text = "";
      for await (const chunk of response) text += String(chunk);
      return { status: response.statusCode, text };
    });
    // Once it says so it has each request's headers; the bodies come after it was told to stop.
    await Promise.all(
      requests.map(async (request) => {
        request.flushHeaders();
        await once(request, "continue");
      }),
    );
    const { folder, url } = service;
    const stopped = service.stopKeeping();
    for (const request of requests) request.end(body);
    const found = await Promise.all(answers);
    await stopped;
    expect(found.map(({ status }) => status)).to.deep.equal(Array.from({ length: 20 }, () => 200));
    const ids = new Set(records(folder).map(({ answer }) => (answer as Answer | undefined)?.decision_id));
    for (const { text } of found) expect(ids.has((JSON.parse(text) as Answer).decision_id)).to.be.true;
    let failure = "";
    await fetch(`${url}/healthz`).catch((cause: unknown) => (failure = String(cause)));
    expect(failure).to.contain("fetch failed");
  });
});

describe("a service with callers of limited rights", () => {
  let service: Running;
  before(async () => {
    const callers = { "gateway-1": { agents: ["a-2"] }, host: {}, other: { purposes: ["undefined"] } };
    service = await run({ callers });
  });
  after(() => service.stop());

  it("takes tasks of their agents and purposes only, and changes to them", async () => {
    const task = { id: "T-1", agent: "a-1", purpose: "testing", expires: new Date(Date.now() + 60_000).toISOString() };
    const tell = async (subject: string, method: "post" | "patch", path: string, body: object): Promise<unknown[]> => {
      const response = await supertest(service.url)
        [method](path)
        .set(bearer(tokenFor("remit:register", subject)))
        .send(body);
      return [response.status, (response.body as Json)["code"]];
    };
    const added = { subjects: { customer: ["bob"] } };
    for (const subject of ["gateway-1", "other", "unnamed"]) {
      expect(await tell(subject, "post", "/tasks", task)).to.deep.equal([403, "agent_not_permitted"]);
    }
    expect(await tell("host", "post", "/tasks", task)).to.deep.equal([201, undefined]);
    for (const subject of ["gateway-1", "other", "unnamed"]) {
      expect(await tell(subject, "patch", "/tasks/T-1", added)).to.deep.equal([403, "agent_not_permitted"]);
      // As for one that is there: whose ids are taken is not theirs to find out.
      expect(await tell(subject, "patch", "/tasks/T-2", added)).to.deep.equal([403, "agent_not_permitted"]);
    }
    expect(await tell("host", "patch", "/tasks/T-1", added)).to.deep.equal([200, undefined]);
    expect(
      records(service.folder)
        .filter(({ kind }) => kind === "facts")
        .map(({ change }) => change),
    ).to.deep.equal(["agent_created", "import_progressed", "task_created", "task_changed"]);
  });
});

describe("a service without a bundle", () => {
  it("runs, is not ready, decides nothing, and is ready once one comes", async () => {
    const service = await run({}, false);
    const ready = await get(service, "/readyz", "");
    expect([ready.status, (ready.body as Json)["bundle"]]).to.deep.equal([503, false]);
    const answer = await post(service, "/decide", REQUEST);
    expect([answer.status, (answer.body as Json)["code"], answer.get("retry-after")]).to.deep.equal([503, "bundle_missing", "1"]);
    const status = await bodyOf(get(service, "/bundles"));
    expect(status["refused"]).to.include({ code: "file_unreadable" });
    expect(JSON.stringify(status)).not.to.contain(service.folder);
    writeFileSync(join(service.folder, "bundle.tar.gz"), await bundleBytes({ expires: null }));
    await until(async () => (await get(service, "/readyz", "")).status === 200);
    await post(service, "/decide", REQUEST).expect(200);
    await service.stop();
  });
});
