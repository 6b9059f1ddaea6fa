import { createPublicKey, generateKeyPairSync, type JsonWebKey } from "node:crypto";
import { once } from "node:events";
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import jwt, { type JwtPayload } from "jsonwebtoken";
import { ask, inAnHour, runWithFacts, withAgent, type Json, type Told } from "../../http/asking.js";
import { tokenFor, type Running } from "../../http/running.js";
import { CAEP, FILES, RISC, SSF, reopened } from "./support.js";

const ISSUER = "https://remit.example.com/acme";
const MANAGER = tokenFor("ssf.manage", "siem");
const READER = tokenFor("ssf.read", "siem");
const OTHER = tokenFor("ssf.manage", "other");

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
writeFileSync(join(FILES, "transmitter.pem"), rsa.privateKey.export({ type: "pkcs8", format: "pem" }));

const sections = (transmitter: object = {}, more: object = {}): object => ({
  security_events: {
    dir: "security_events",
    transmitter: {
      ...{ issuer: ISSUER, key: join(FILES, "transmitter.pem"), kid: "events-1" },
      ...{ poll_wait_ms: 60_000, retry_ms: 10, retry_max_ms: 50, verification_min_s: 1 },
      ...transmitter,
    },
  },
  ...more,
});

interface Event {
  jti: string;
  type: string;
  event: Json;
  sub_id: Json;
  claims: JwtPayload;
}

/** Verified as its receiver verifies it. */
function read(token: string): Event {
  const { header } = jwt.decode(token, { complete: true }) ?? { header: { typ: "" } };
  expect(header).to.deep.equal({ alg: "RS256", typ: "secevent+jwt", kid: "events-1" });
  const claims = jwt.verify(token, rsa.publicKey, { algorithms: ["RS256"], issuer: ISSUER }) as JwtPayload;
  expect(Object.keys(claims)).to.not.include.members(["exp", "sub"]);
  const [[type, event] = ["", {}]] = Object.entries(claims["events"] as Record<string, Json>);
  return { jti: claims.jti ?? "", type, event, sub_id: claims["sub_id"] as Json, claims };
}

describe("streams of security events", function () {
  let service: Running;
  beforeEach(async () => {
    service = await runWithFacts(sections());
    await withAgent(service);
  });
  afterEach(() => service.stop());

  const call = (method: string, path: string, body?: unknown, token = MANAGER): Promise<Told> =>
    ask(service, method, path, { body, token });
  const create = async (body: object = {}, token = MANAGER): Promise<string> => {
    const { status, body: stream, text } = await call("POST", "/ssf/streams", body, token);
    expect(status, text).to.equal(201);
    return String(stream["stream_id"]);
  };
  /** Three polls of which two wait: one is refused once they do. */
  const twoWaiting = async (id: string, token: string): Promise<Promise<Told>[]> => {
    const polls = [1, 2, 3].map(() => call("POST", `/ssf/poll/${id}`, {}, token));
    expect((await Promise.race(polls)).outcome).to.equal("503 subscribers_full");
    return polls;
  };
  const outcomes = (told: readonly Told[]): string[] => told.map(({ outcome }) => outcome).sort();
  const poll = async (id: string, asked: object = {}, token = READER): Promise<Event[]> => {
    const { status, body, text } = await call("POST", `/ssf/poll/${id}`, { returnImmediately: true, ...asked }, token);
    expect(status, text).to.equal(200);
    return Object.entries(body["sets"] as Record<string, string>).map(([jti, set]) => {
      const event = read(set);
      expect(event.jti).to.equal(jti);
      return event;
    });
  };
  const revoke = (scope: object, reason = "incident 12"): Promise<Told> =>
    ask(service, "POST", "/revocations", { body: { scope, reason } });

  it("are described where SSF says, to anyone, with the keys that they are signed with", async () => {
    const { body } = await call("GET", "/.well-known/ssf-configuration/acme", undefined, "");
    expect(body).to.deep.equal({
      spec_version: "1_0",
      issuer: ISSUER,
      jwks_uri: "https://remit.example.com/ssf/jwks.json",
      delivery_methods_supported: ["urn:ietf:rfc:8935", "urn:ietf:rfc:8936"],
      configuration_endpoint: "https://remit.example.com/ssf/streams",
      status_endpoint: "https://remit.example.com/ssf/status",
      add_subject_endpoint: "https://remit.example.com/ssf/subjects/add",
      remove_subject_endpoint: "https://remit.example.com/ssf/subjects/remove",
      verification_endpoint: "https://remit.example.com/ssf/verify",
      authorization_schemes: [{ spec_urn: "urn:ietf:rfc:6749" }],
      default_subjects: "ALL",
    });
    for (const path of ["", "/other", "/acme/", "/acme/more"])
      expect((await call("GET", `/.well-known/ssf-configuration${path}`, undefined, "")).status, path).to.equal(404);
    const { body: jwks } = await call("GET", "/ssf/jwks.json", undefined, "");
    const [key] = jwks["keys"] as JsonWebKey[];
    expect(Object.keys(key ?? {}).sort()).to.deep.equal(["alg", "e", "kid", "kty", "n", "use"]);
    expect(createPublicKey({ key: key ?? {}, format: "jwk" }).equals(rsa.publicKey)).to.equal(true);
  });

  it("tell of revocations, suspensions and narrowings, each as CAEP and RISC have it, in order", async () => {
    const id = await create();
    await ask(service, "POST", "/tasks", { body: { id: "T-1", agent: "a-1", purpose: "testing", principal: "ada", expires: inAnHour() } });
    await revoke({ agent: "a-1" });
    await ask(service, "POST", "/revocations/agent/a-1/lift", { body: { reason: "over" } });
    await revoke({ task: "T-1" });
    await revoke({ token: "jti-9" });
    await revoke({ principal: "ada" });
    await revoke({ owner: "tests@example.com" });
    await revoke({ purpose: "testing" });
    await ask(service, "PATCH", "/agents/a-1", { body: { status: "suspended", reason: "odd" } });
    await ask(service, "PATCH", "/agents/a-1", { body: { status: "active", reason: "fine" } });
    await ask(service, "POST", "/agents/a-1/narrowing", { body: { reason: "odd" } });
    await ask(service, "POST", "/agents/a-1/narrowing/lift", { body: { reason: "fine" } });
    await revoke({ everything: true });
    await ask(service, "PATCH", "/agents/a-1", { body: { status: "revoked", reason: "gone" } });
    const events = await poll(id);
    const agent = { format: "iss_sub", iss: ISSUER, sub: "a-1" };
    const opaque = (of: string): object => ({ format: "opaque", id: of });
    const complex = (members: object): object => ({ format: "complex", ...members });
    expect(events.map(({ type, sub_id }) => [type, sub_id])).to.deep.equal([
      [`${CAEP}session-revoked`, agent],
      [`${RISC}account-enabled`, agent],
      [`${CAEP}session-revoked`, complex({ session: opaque("T-1"), application: agent, user: opaque("ada") })],
      [`${CAEP}session-revoked`, opaque("jti-9")],
      [`${CAEP}session-revoked`, complex({ user: opaque("ada") })],
      [`${CAEP}session-revoked`, complex({ org_unit: opaque("tests@example.com") })],
      [`${CAEP}session-revoked`, complex({ group: opaque("testing") })],
      [`${RISC}account-disabled`, agent],
      [`${RISC}account-enabled`, agent],
      [`${CAEP}risk-level-change`, agent],
      [`${CAEP}risk-level-change`, agent],
      [`${CAEP}session-revoked`, complex({ tenant: opaque(ISSUER) })],
      [`${RISC}account-purged`, agent],
    ]);
    const [first] = events;
    expect(first?.event).to.deep.include({ initiating_entity: "admin", reason_admin: { en: "incident 12" } });
    expect(first?.claims).to.deep.include({ iss: ISSUER, aud: "siem" });
    expect(Math.abs((first?.claims.iat ?? 0) - Date.now() / 1000)).to.be.below(60);
    const risks = events.filter(({ type }) => type.endsWith("risk-level-change"));
    expect(risks.map(({ event }) => [event["principal"], event["current_level"], event["previous_level"]])).to.deep.equal([
      ["APPLICATION", "HIGH", "LOW"],
      ["APPLICATION", "LOW", "HIGH"],
    ]);
    expect(new Set(events.map(({ jti }) => jti)).size).to.equal(events.length);
  });

  it("tell what wasn't acknowledged again, and nothing twice that was", async () => {
    const id = await create();
    for (const token of ["t-1", "t-2", "t-3"]) await revoke({ token });
    const [one, two] = await poll(id, { maxEvents: 2 });
    expect([one, two].map((event) => event?.sub_id["id"])).to.deep.equal(["t-1", "t-2"]);
    expect((await poll(id, { maxEvents: 2 })).map(({ jti }) => jti)).to.deep.equal([one?.jti, two?.jti]);
    const { body } = await call("POST", `/ssf/poll/${id}`, { maxEvents: 1, returnImmediately: true });
    expect(body["moreAvailable"]).to.equal(true);
    expect(await poll(id, { maxEvents: 0, ack: [two?.jti] })).to.deep.equal([]);
    expect((await poll(id)).map(({ sub_id }) => sub_id["id"])).to.deep.equal(["t-1", "t-3"]);
    expect((await poll(id, { ack: [one?.jti, "made-up"], setErrs: {} })).length).to.equal(1);
    const [three] = await poll(id);
    expect(await poll(id, { setErrs: { [three?.jti ?? ""]: { err: "invalid_key", description: "?" } } })).to.deep.equal([]);
    expect(service.said()).to.contain("event_set_aside");
  });

  it("hold a poll open until something happens, and let it go when the caller goes", async () => {
    const id = await create();
    const waiting = poll(id, { returnImmediately: false });
    await revoke({ token: "t-1" });
    expect((await waiting).length).to.equal(1);
    const gone = new AbortController();
    const [event] = await poll(id);
    const left = fetch(`${service.url}/ssf/poll/${id}`, {
      method: "POST",
      signal: gone.signal,
      headers: { authorization: `Bearer ${READER}`, "content-type": "application/json" },
      body: JSON.stringify({ ack: [event?.jti] }),
    }).catch(() => "gone");
    await new Promise((resolve) => setTimeout(resolve, 50));
    gone.abort();
    expect(await left).to.equal("gone");
  });

  it("give a poll that has waited nothing more once its token is revoked, and let no stream have more than two wait", async () => {
    const id = await create();
    const token = tokenFor("ssf.read", "siem", 3600, { jti: "j-9" });
    const polls = await twoWaiting(id, token);
    await revoke({ token: "j-9" });
    const revoked = "401 caller_token_revoked authorization";
    expect(outcomes(await Promise.all(polls))).to.deep.equal([revoked, revoked, "503 subscribers_full"]);
    expect((await poll(id)).map(({ sub_id }) => sub_id["id"])).to.deep.equal(["j-9"]);
  });

  it("answer a poll that waits when the service stops", async () => {
    const id = await create();
    const polls = await twoWaiting(id, READER);
    await service.stopKeeping();
    const told = await Promise.all(polls);
    expect(outcomes(told)).to.deep.equal(["200", "200", "503 subscribers_full"]);
    for (const { status, body } of told) if (status === 200) expect(body["sets"]).to.deep.equal({});
  });

  it("go on where they were after a restart, and tell what happened meanwhile", async () => {
    const id = await create({ description: "our SIEM" });
    await revoke({ token: "t-1" });
    const [one] = await poll(id);
    await poll(id, { ack: [one?.jti] });
    await revoke({ token: "t-2" });
    const [before] = await poll(id);
    await service.stopKeeping();
    const again = await reopened(service, sections());
    try {
      const { body } = await ask(again, "POST", `/ssf/poll/${id}`, {
        body: { returnImmediately: true },
        token: READER,
      });
      const sets = Object.values(body["sets"] as Record<string, string>).map(read);
      expect(sets.map(({ jti }) => jti)).to.deep.equal([before?.jti]);
      const { body: stream } = await ask(again, "GET", `/ssf/streams?stream_id=${id}`, { token: READER });
      expect(stream["description"]).to.equal("our SIEM");
    } finally {
      await again.stop();
    }
  });

  it("are read, changed, replaced and deleted by whose they are", async () => {
    expect((await call("GET", "/ssf/streams")).text).to.equal("[]");
    const id = await create({ events_requested: [`${CAEP}session-revoked`, "https://example.com/other"], description: "one" });
    const { body: made } = await call("GET", `/ssf/streams?stream_id=${id}`);
    expect(made).to.deep.include({
      ...{ stream_id: id, iss: ISSUER, aud: "siem", min_verification_interval: 1, description: "one" },
      events_delivered: [`${CAEP}session-revoked`],
      delivery: { method: "urn:ietf:rfc:8936", endpoint_url: `https://remit.example.com/ssf/poll/${id}` },
    });
    expect(JSON.parse((await call("GET", "/ssf/streams", undefined, READER)).text)).to.deep.equal([made]);
    const { body: patched } = await call("PATCH", "/ssf/streams", { stream_id: id, description: "two" });
    expect(patched).to.deep.equal({ ...made, description: "two" });
    const { body: put } = await call("PUT", "/ssf/streams", { ...made, events_requested: undefined, description: undefined });
    expect(put).to.not.have.any.keys("description", "events_requested");
    expect((await call("POST", "/ssf/streams", {})).outcome).to.equal("409 stream_exists");
    const gone = await call("DELETE", `/ssf/streams?stream_id=${id}`);
    expect([gone.status, gone.text, gone.headers.get("content-length")]).to.deep.equal([204, "", null]);
    expect((await call("GET", `/ssf/streams?stream_id=${id}`)).outcome).to.equal("404 stream_not_found");
    await create();
  });

  // prettier-ignore
  const bad: [what: string, method: string, path: string, body: (id: string) => unknown, outcome: string, token?: string][] = [
    ["a status that there isn't", "POST", "/ssf/status", (stream_id) => ({ stream_id, status: "gone" }), "400 field_invalid /status"],
    ["a member that there isn't", "PATCH", "/ssf/streams", (stream_id) => ({ stream_id, color: "red" }), "400 field_unknown /color"],
    ["another issuer", "PATCH", "/ssf/streams", (stream_id) => ({ stream_id, iss: "https://example.com" }), "400 field_invalid /iss"],
    ["another audience", "PUT", "/ssf/streams", (stream_id) => ({ stream_id, aud: "other" }), "400 field_invalid /aud"],
    ["no stream", "PATCH", "/ssf/streams", () => ({ description: "x" }), "400 field_missing /stream_id"],
    ["a stream that there isn't", "PATCH", "/ssf/streams", () => ({ stream_id: "x" }), "404 stream_not_found"],
    ["another's stream", "PATCH", "/ssf/streams", (stream_id) => ({ stream_id }), "404 stream_not_found", OTHER],
    ["another's status", "POST", "/ssf/status", (stream_id) => ({ stream_id, status: "paused" }), "404 stream_not_found", OTHER],
    ["another's subjects", "POST", "/ssf/subjects/remove", (stream_id) => ({ stream_id, subject: { format: "opaque", id: "x" } }), "404 stream_not_found", OTHER],
    ["another's events", "POST", "/ssf/poll/ID", () => ({}), "404 stream_not_found", OTHER],
    ["to manage what it may only read", "PATCH", "/ssf/streams", (stream_id) => ({ stream_id }), "403 scope_missing authorization", READER],
    ["with another scope", "POST", "/ssf/poll/ID", () => ({}), "403 scope_missing authorization", tokenFor("remit:audit", "siem")],
    ["without a token", "POST", "/ssf/poll/ID", () => ({}), "401 token_missing authorization", ""],
    ["a push to where nobody has said", "PATCH", "/ssf/streams", (stream_id) => ({ stream_id, delivery: { method: "urn:ietf:rfc:8935", endpoint_url: "https://10.0.0.1/" } }), "400 push_endpoint_refused /delivery/endpoint_url"],
    ["a push to the host's own metadata", "PATCH", "/ssf/streams", (stream_id) => ({ stream_id, delivery: { method: "urn:ietf:rfc:8935", endpoint_url: "http://169.254.169.254/latest" } }), "400 push_endpoint_refused /delivery/endpoint_url"],
    ["a push to nowhere", "PATCH", "/ssf/streams", (stream_id) => ({ stream_id, delivery: { method: "urn:ietf:rfc:8935" } }), "400 field_missing /delivery/endpoint_url"],
    ["a push with two headers", "PATCH", "/ssf/streams", (stream_id) => ({ stream_id, delivery: { method: "urn:ietf:rfc:8935", endpoint_url: "https://sink.example.com/", authorization_header: "a\r\nhost: b" } }), "400 field_invalid /delivery/authorization_header"],
    ["a poll at another's", "PATCH", "/ssf/streams", (stream_id) => ({ stream_id, delivery: { method: "urn:ietf:rfc:8936", endpoint_url: "https://example.com/" } }), "400 field_invalid /delivery/endpoint_url"],
    ["by carrier pigeon", "PATCH", "/ssf/streams", (stream_id) => ({ stream_id, delivery: { method: "urn:ietf:rfc:1149" } }), "400 field_invalid /delivery/method"],
    ["acknowledging a number", "POST", "/ssf/poll/ID", () => ({ ack: [7] }), "400 field_type /ack/0"],
    ["fewer than no events", "POST", "/ssf/poll/ID", () => ({ maxEvents: -1 }), "400 field_invalid /maxEvents"],
    ["no JSON", "POST", "/ssf/poll/ID", () => "{", "400 json_invalid"],
  ];
  it("refuse what is wrong, by its name, and stay as they are", async () => {
    const id = await create();
    const { body: made } = await call("GET", `/ssf/streams?stream_id=${id}`);
    for (const [what, method, path, body, outcome, token] of bad)
      expect((await call(method, path.replace("ID", id), body(id), token)).outcome, what).to.equal(outcome);
    expect((await call("GET", `/ssf/streams?stream_id=${id}`)).body).to.deep.equal(made);
  });

  it("pause without losing anything, and are disabled without telling what happened meanwhile", async () => {
    const id = await create();
    const status = async (to: string): Promise<void> => {
      const { status: code, body } = await call("POST", "/ssf/status", { stream_id: id, status: to, reason: "why" });
      expect([code, body]).to.deep.equal([200, { stream_id: id, status: to, reason: "why" }]);
    };
    await status("paused");
    await revoke({ token: "t-1" });
    expect(await poll(id)).to.deep.equal([]);
    expect((await call("GET", `/ssf/status?stream_id=${id}`)).body).to.deep.include({ status: "paused" });
    await status("enabled");
    const [one] = await poll(id);
    expect(one?.sub_id["id"]).to.equal("t-1");
    await poll(id, { ack: [one?.jti] });
    await status("disabled");
    await revoke({ token: "t-2" });
    await status("enabled");
    await revoke({ token: "t-3" });
    expect((await poll(id)).map(({ sub_id }) => sub_id["id"])).to.deep.equal(["t-3"]);
  });

  it("say nothing of subjects that were removed, until they are added again", async () => {
    const id = await create();
    const subject = { format: "iss_sub", iss: ISSUER, sub: "a-1" };
    expect((await call("POST", "/ssf/subjects/remove", { stream_id: id, subject })).status).to.equal(204);
    await revoke({ agent: "a-1" });
    await revoke({ token: "t-1" });
    expect((await poll(id)).map(({ sub_id }) => sub_id["id"])).to.deep.equal(["t-1"]);
    expect((await call("POST", "/ssf/subjects/add", { stream_id: id, subject, verified: true })).status).to.equal(200);
    await ask(service, "PATCH", "/agents/a-1", { body: { status: "suspended", reason: "odd" } });
    expect((await poll(id)).at(-1)?.type).to.equal(`${RISC}account-disabled`);
  });

  it("are verified when asked, no sooner than they may be", async () => {
    const id = await create();
    expect((await call("POST", "/ssf/verify", { stream_id: id, state: "S-1" })).status).to.equal(204);
    const [event] = await poll(id);
    expect([event?.type, event?.event, event?.sub_id]).to.deep.equal([`${SSF}verification`, { state: "S-1" }, { format: "opaque", id }]);
    expect((await call("POST", "/ssf/verify", { stream_id: id })).outcome).to.equal("429 verification_too_soon");
  });

  it("tell a caller of limited rights of nobody else's agents", async () => {
    const limited = await runWithFacts(sections({}, { callers: { siem: { agents: ["a-2"] }, "gateway-1": {} } }));
    try {
      await withAgent(limited);
      await withAgent(limited, { id: "a-2", owner: "others@example.com" });
      const { body } = await ask(limited, "POST", "/ssf/streams", { body: {}, token: MANAGER });
      for (const agent of ["a-1", "a-2"]) await ask(limited, "POST", "/revocations", { body: { scope: { agent }, reason: "r" } });
      const { body: polled } = await ask(limited, "POST", `/ssf/poll/${String(body["stream_id"])}`, {
        body: { returnImmediately: true },
        token: READER,
      });
      expect(Object.values(polled["sets"] as Record<string, string>).map((set) => read(set).sub_id["sub"])).to.deep.equal(["a-2"]);
    } finally {
      await limited.stop();
    }
  });

  it("are as many as the limit allows, and none where nobody is told", async () => {
    const few = await runWithFacts(sections({ streams_max: 1, subjects_max: 1 }));
    try {
      const { body } = await ask(few, "POST", "/ssf/streams", { body: {}, token: MANAGER });
      expect((await ask(few, "POST", "/ssf/streams", { body: {}, token: OTHER })).outcome).to.equal("503 streams_full");
      const remove = (id: string): Promise<Told> =>
        ask(few, "POST", "/ssf/subjects/remove", {
          body: { stream_id: body["stream_id"], subject: { format: "opaque", id } },
          token: MANAGER,
        });
      expect([(await remove("a")).status, (await remove("a")).status]).to.deep.equal([204, 204]);
      expect((await remove("b")).outcome).to.equal("503 streams_full");
    } finally {
      await few.stop();
    }
    const none = await runWithFacts();
    try {
      for (const path of ["/.well-known/ssf-configuration", "/ssf/jwks.json", "/ssf/streams"])
        expect((await ask(none, "GET", path, { token: MANAGER })).outcome, path).to.equal("404 not_found");
    } finally {
      await none.stop();
    }
  });

  it("keep what they are given to authenticate with from everyone but the service", async () => {
    const pushing = await runWithFacts(sections({ push_endpoints: ["https://sink.example.com/"] }));
    try {
      const delivery = { method: "urn:ietf:rfc:8935", endpoint_url: "https://sink.example.com/", authorization_header: "Bearer s3cret" };
      const made = await ask(pushing, "POST", "/ssf/streams", { body: { delivery }, token: MANAGER });
      expect(made.text).to.not.contain("s3cret");
      const polled = await ask(pushing, "POST", `/ssf/poll/${String(made.body["stream_id"])}`, {
        body: {},
        token: MANAGER,
      });
      expect(polled.body).to.include({
        code: "field_invalid",
        field: "/stream_id",
        expected: "a stream that is polled: this one is pushed to its endpoint",
      });
      const dir = join(pushing.folder, "security_events", "streams");
      expect(readdirSync(dir).map((name) => statSync(join(dir, name)).mode & 0o077)).to.deep.equal(readdirSync(dir).map(() => 0));
      expect(readFileSync(join(dir, "streams.json"), "utf8")).to.contain("s3cret");
      // Given back as it was answered, what isn't answered stays.
      const put = await ask(pushing, "PUT", "/ssf/streams", { body: made.body, token: MANAGER });
      expect(put.body).to.deep.equal(made.body);
      expect(readFileSync(join(dir, "streams.json"), "utf8")).to.contain("s3cret");
    } finally {
      await pushing.stop();
    }
  });
});

describe("security events that are pushed to others", function () {
  let sink: Server;
  let url: string;
  /** What came, and what it is answered with. */
  let came: { token: string; headers: Record<string, unknown> }[];
  let answers: (nth: number) => { status: number; body?: string };
  let arrived: () => void;

  beforeEach(async () => {
    came = [];
    answers = () => ({ status: 202 });
    arrived = () => undefined;
    sink = createServer((request, response) => {
      let token = "";
      request.on("data", (chunk: Buffer) => (token += chunk.toString()));
      request.on("end", () => {
        came.push({ token, headers: request.headers });
        const { status, body = "" } = answers(came.length);
        response.writeHead(status).end(body);
        arrived();
      });
    });
    sink.listen(0, "127.0.0.1");
    await once(sink, "listening");
    url = `http://127.0.0.1:${(sink.address() as AddressInfo).port}/sets`;
  });
  afterEach(() => {
    sink.closeAllConnections();
    sink.close();
  });

  const until = async (count: number): Promise<void> => {
    while (came.length < count)
      await new Promise<void>((resolve) => {
        arrived = resolve;
      });
  };
  const started = async (): Promise<{ service: Running; id: string }> => {
    const service = await runWithFacts(sections({ push_endpoints: [url] }));
    const delivery = { method: "urn:ietf:rfc:8935", endpoint_url: url, authorization_header: "Bearer given" };
    const { body, status, text } = await ask(service, "POST", "/ssf/streams", { body: { delivery }, token: MANAGER });
    expect(status, text).to.equal(201);
    return { service, id: String(body["stream_id"]) };
  };
  const revoke = async (service: Running, token: string): Promise<void> => {
    await ask(service, "POST", "/revocations", { body: { scope: { token }, reason: "r" } });
  };
  const ids = (): unknown[] => came.map(({ token }) => read(token).sub_id["id"]);

  it("come as RFC 8935 says, in order, with what the stream was given", async () => {
    const { service } = await started();
    try {
      for (const token of ["t-1", "t-2", "t-3"]) await revoke(service, token);
      await until(3);
      expect(ids()).to.deep.equal(["t-1", "t-2", "t-3"]);
      expect(came[0]?.headers).to.deep.include({
        "content-type": "application/secevent+jwt",
        accept: "application/json",
        authorization: "Bearer given",
      });
    } finally {
      await service.stop();
    }
  });

  it("are tried again, the same and before any other, until they are taken", async () => {
    const { service } = await started();
    try {
      answers = (nth) => ({ status: [503, 500, 302][nth - 1] ?? 202 });
      await revoke(service, "t-1");
      await revoke(service, "t-2");
      await until(5);
      expect(ids()).to.deep.equal(["t-1", "t-1", "t-1", "t-1", "t-2"]);
      expect(new Set(came.slice(0, 4).map(({ token }) => read(token).jti)).size).to.equal(1);
      expect(service.said()).to.contain("stream_failing");
      expect(service.said()).to.contain("are pushed again");
    } finally {
      await service.stop();
    }
  });

  it("that are refused for good are set aside, on the log, and the next is told", async () => {
    const { service } = await started();
    try {
      answers = (nth) => (nth === 1 ? { status: 400, body: '{"err":"invalid_key","description":"?"}' } : { status: 202 });
      await revoke(service, "t-1");
      await revoke(service, "t-2");
      await until(2);
      expect(ids()).to.deep.equal(["t-1", "t-2"]);
      expect(service.said()).to.contain("invalid_key");
      const { text } = await ask(service, "GET", "/metrics");
      expect(text).to.match(/remit_security_stream_set_aside_total\{stream="[0-9a-f-]+"\} 1/);
    } finally {
      await service.stop();
    }
  });

  it("are told after a restart where they weren't before it", async () => {
    const { service } = await started();
    await revoke(service, "t-1");
    await until(1);
    answers = () => ({ status: 503 });
    await revoke(service, "t-2");
    await until(2);
    await service.stopKeeping();
    const before = came.length;
    answers = () => ({ status: 202 });
    const again = await reopened(service, sections({ push_endpoints: [url] }));
    try {
      await until(before + 1);
      expect(ids().slice(before)).to.deep.equal(["t-2"]);
    } finally {
      await again.stop();
    }
  });
});

describe("the key of security events", function () {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-384" });
  const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey;
  const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const rows: [what: string, text: () => string | Buffer, outcome: RegExp | null][] = [
    ["is none", () => "nonsense", /not a private key/],
    ["is on another curve", () => privateKey.export({ type: "pkcs8", format: "pem" }), /RS256.*ES256/],
    ["is weak", () => weak.export({ type: "pkcs8", format: "pem" }), /1024 bits is weak/],
    ["is on P-256", () => p256.export({ type: "pkcs8", format: "pem" }), null],
  ];
  for (const [what, text, outcome] of rows) {
    it(`${outcome === null ? "is taken" : "is refused"} where it ${what}`, async () => {
      writeFileSync(join(FILES, "tried.pem"), text());
      const made = runWithFacts(sections({ key: join(FILES, "tried.pem") }));
      if (outcome === null) await (await made).stop();
      else
        expect(
          await made.then(
            () => "started",
            (cause: unknown) => (cause as Error).message,
          ),
        ).to.match(outcome);
    });
  }

  it("is refused where it signs task tokens too", async () => {
    const file = join(FILES, "shared.pem");
    writeFileSync(file, p256.export({ type: "pkcs8", format: "pem" }));
    const issuer = {
      ...{ issuer: "https://issuer.example", audience: { callers: "remit" } },
      keys: [{ kid: "k1", algorithm: "ES256", file: "issuer.pem" }],
    };
    const identity = { issuers: [issuer], task_tokens: { key: file, kid: "tasks" } };
    const made = runWithFacts(sections({ key: file }, { identity }));
    expect(
      await made.then(
        () => "started",
        (cause: unknown) => (cause as Error).message,
      ),
    ).to.contain("must do nothing else");
  });
});
