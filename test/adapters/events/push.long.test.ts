import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import jwt from "jsonwebtoken";
import { ask, decided, inAnHour, withAgent, type Json } from "../../http/asking.js";
import { raw, type Running } from "../../http/running.js";
import {
  AUDIENCE,
  CAEP,
  FILES,
  IDP,
  IDP_PEM,
  OTHER,
  OTHER_KEY,
  RISC,
  SSF,
  claimsOf,
  now_s,
  push,
  pushed,
  recordsOf,
  runReceiver,
  setOf,
  transmitter,
} from "./support.js";

const REVOKED = `${CAEP}session-revoked`;
const DISABLED = `${RISC}account-disabled`;
const ENABLED = `${RISC}account-enabled`;
const opaque = (id: string): object => ({ sub_id: { format: "opaque", id } });

describe("security events that are pushed", function () {
  let service: Running;
  beforeEach(async () => {
    service = await runReceiver();
    await withAgent(service);
  });
  afterEach(() => service.stop());

  const revocations = async (): Promise<Json[]> => (await ask(service, "GET", "/revocations")).body["items"] as Json[];
  const inForce = async (): Promise<unknown[]> => (await revocations()).filter(({ lifted }) => lifted === null).map(({ id }) => id);
  const facts = async (): Promise<unknown[]> =>
    ((await ask(service, "GET", "/facts/events")).body["items"] as Json[]).map(({ change }) => change);
  const status = async (): Promise<Json> => {
    const { body } = await ask(service, "GET", "/events/transmitters");
    return (body["transmitters"] as Json[])[0] ?? {};
  };

  describe("are refused, and nothing of them takes hold", () => {
    const event = { event_timestamp: now_s() };
    // prettier-ignore
    const bad: [what: string, token: () => string, outcome: string][] = [
      ["that are nothing", () => "", "400 invalid_request"],
      ["that are no token", () => "hello", "400 invalid_request"],
      ["with a fourth part", () => `${setOf(REVOKED)}.AAAA`, "400 invalid_request"],
      ["with padding", () => `${setOf(REVOKED)}=`, "400 invalid_request"],
      ["of another type", () => setOf(REVOKED, event, {}, { header: { typ: "JWT" } }), "400 invalid_request"],
      ["of an access token's type", () => setOf(REVOKED, event, {}, { header: { typ: "at+jwt" } }), "400 invalid_request"],
      ["without a type", () => setOf(REVOKED, event, {}, { header: { typ: undefined } }), "400 invalid_request"],
      ["with a critical header", () => setOf(REVOKED, event, {}, { header: { crit: ["b64"] } }), "400 invalid_request"],
      ["that bring their key", () => setOf(REVOKED, event, {}, { header: { jwk: { kty: "RSA" } } }), "400 invalid_request"],
      ["with `exp`", () => setOf(REVOKED, event, { exp: now_s() + 60 }), "400 invalid_request"],
      ["with `sub`", () => setOf(REVOKED, event, { sub: "a-1" }), "400 invalid_request"],
      ["without `jti`", () => setOf(REVOKED, event, { jti: undefined }), "400 invalid_request"],
      ["with a `jti` that is no identifier", () => setOf(REVOKED, event, { jti: "a\u202eb" }), "400 invalid_request"],
      ["with a `jti` that is too long", () => setOf(REVOKED, event, { jti: "ä".repeat(129) }), "400 invalid_request"],
      ["without `iat`", () => setOf(REVOKED, event, { iat: undefined }), "400 invalid_request"],
      ["issued later than now", () => setOf(REVOKED, event, { iat: now_s() + 60 }), "400 invalid_request"],
      ["without an event", () => setOf(REVOKED, event, { events: {} }), "400 invalid_request"],
      ["with two events", () => setOf(REVOKED, event, { events: { [REVOKED]: {}, [DISABLED]: {} } }), "400 invalid_request"],
      ["whose event is a list", () => setOf(REVOKED, event, { events: { [REVOKED]: [] } }), "400 invalid_request"],
      ["whose events are a list", () => setOf(REVOKED, event, { events: [REVOKED] }), "400 invalid_request"],
      ["of nobody", () => setOf(REVOKED, event, { sub_id: undefined }), "400 invalid_request"],
      ["of a text", () => setOf(REVOKED, event, { sub_id: "a-1" }), "400 invalid_request"],
      ["of an identifier that lacks a member", () => setOf(REVOKED, event, { sub_id: { format: "iss_sub", sub: "a-1" } }), "400 invalid_request"],
      ["of an identifier without a format", () => setOf(REVOKED, event, { sub_id: { sub: "a-1" } }), "400 invalid_request"],
      ["of aliases within aliases", () => setOf(REVOKED, event, { sub_id: { format: "aliases", identifiers: [{ format: "aliases", identifiers: [{ format: "opaque", id: "x" }] }, 7] } }), "400 invalid_request"],
      ["that happened at no time", () => setOf(REVOKED, { event_timestamp: "now" }), "400 invalid_request"],
      ["without a member that the type needs", () => setOf(`${CAEP}credential-change`, { credential_type: "password" }), "400 invalid_request"],
      ["with a value that the type hasn't got", () => setOf(`${CAEP}risk-level-change`, { principal: "USER", current_level: "high" }), "400 invalid_request"],
      ["with claims that are a text", () => setOf(`${CAEP}token-claims-change`, { claims: "none" }), "400 invalid_request"],
      ["of a stream with no such status", () => setOf(`${SSF}stream-updated`, { status: "gone" }), "400 invalid_request"],
      ["of a stranger", () => setOf(REVOKED, event, { iss: "https://stranger.example.com/" }), "400 invalid_issuer"],
      ["of an issuer that is spelt otherwise", () => setOf(REVOKED, event, { iss: IDP.slice(0, -1) }), "400 invalid_issuer"],
      ["of a caller's issuer", () => setOf(REVOKED, event, { iss: "https://issuer.example" }), "400 invalid_issuer"],
      ["without an issuer", () => setOf(REVOKED, event, { iss: undefined }), "400 invalid_issuer"],
      ["for another receiver", () => setOf(REVOKED, event, { aud: "https://sp.example.com/caep" }), "400 invalid_audience"],
      ["for other receivers", () => setOf(REVOKED, event, { aud: ["a", `${AUDIENCE}/`] }), "400 invalid_audience"],
      ["for nobody", () => setOf(REVOKED, event, { aud: undefined }), "400 invalid_audience"],
      ["with a key that isn't known", () => setOf(REVOKED, event, {}, { header: { kid: "k2" } }), "400 invalid_key"],
      ["with another's key", () => setOf(REVOKED, event, {}, { key: OTHER_KEY }), "400 authentication_failed"],
      ["in another's name", () => setOf(REVOKED, event, { iss: OTHER }), "400 authentication_failed"],
      ["without a signature", () => `${Buffer.from('{"alg":"none","typ":"secevent+jwt"}').toString("base64url")}.${Buffer.from(JSON.stringify(claimsOf(REVOKED, event))).toString("base64url")}.`, "400 invalid_request"],
      ["with another algorithm", () => setOf(REVOKED, event, {}, { header: { alg: "HS256" } }), "400 invalid_key"],
      ["with the public key as a secret", () => {
        const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
        return jwt.sign(claimsOf(REVOKED, event), publicKey.export({ type: "spki", format: "pem" }).toString().slice(0, 60), { algorithm: "HS256", header: { alg: "HS256", typ: "secevent+jwt", kid: "k1" } });
      }, "400 invalid_key"],
      ["altered since", () => {
        const [head, , signature] = setOf(REVOKED, event).split(".") as [string, string, string];
        return `${head}.${Buffer.from(JSON.stringify(claimsOf(DISABLED, event))).toString("base64url")}.${signature}`;
      }, "400 authentication_failed"],
      ["that are larger than the limit", () => setOf(REVOKED, { ...event, padding: "x".repeat(20_000) }), "400 invalid_request"],
    ];

    it("each with the error that RFC 8935 has for it", async () => {
      const before = await facts();
      for (const [what, token, outcome] of bad) expect(await pushed(service, token()), what).to.equal(outcome);
      expect(await facts()).to.deep.equal(before);
      expect(await decided(service)).to.equal("allow permitted");
      expect(await recordsOf(service, "security_event")).to.deep.equal([]);
    });

    it("in the form that RFC 8935 gives the answer", async () => {
      const { status: code, headers, body } = await push(service, setOf(REVOKED, {}, { aud: "elsewhere" }));
      expect([code, headers.get("content-type"), headers.get("content-language")]).to.deep.equal([400, "application/json", "en"]);
      expect(Object.keys(JSON.parse(body) as object)).to.deep.equal(["err", "description"]);
    });

    it("where the body is called something else, packed, or far too large", async () => {
      const token = setOf(REVOKED);
      for (const type of ["application/json", "application/jwt", "text/plain", "application/secevent+jwt; charset=utf-8"])
        expect(await pushed(service, token, { "content-type": type }), type).to.equal("400 invalid_request");
      expect(await pushed(service, token, { "content-encoding": "gzip" })).to.equal("400 invalid_request");
      const head = `POST /events/sets HTTP/1.1\r\nHost: 127.0.0.1:${service.port}\r\nContent-Type: application/secevent+jwt\r\n`;
      const [answer] = await raw(service.port, `${head}Content-Length: 1000000000\r\n\r\n${"x".repeat(1000)}`, 1);
      expect([answer?.status, answer?.body.includes("invalid_request")]).to.deep.equal([400, true]);
      expect(await decided(service)).to.equal("allow permitted");
    });

    it("whatever bytes come", async () => {
      const token = setOf(REVOKED);
      for (let at = 0; at < token.length; at += 23) {
        const mutated = `${token.slice(0, at)}${token[at] === "A" ? "B" : "A"}${token.slice(at + 1)}`;
        expect(await pushed(service, mutated), String(at)).to.match(/^400 /);
      }
      expect(await inForce()).to.deep.equal([]);
    });
  });

  it("are answered with 202 and nothing else once what they do holds, is on record and in the store", async () => {
    const {
      status: code,
      body,
      headers,
    } = await push(service, setOf(REVOKED, { reason_admin: { de: "Nein", en: "Landspeed" } }, { jti: "J-1" }));
    expect([code, body, headers.get("content-type")]).to.deep.equal([202, "", null]);
    expect(await decided(service)).to.equal("deny agent_revoked");
    const [revocation] = await revocations();
    expect(revocation).to.deep.include({
      ...{ id: "agent@idp/a-1", scope: "agent", of: "a-1", by: "ssf:idp/J-1", source: "idp" },
      ...{ reason: "session-revoked: Landspeed", lifted: null },
    });
    const [record] = await recordsOf(service, "security_event");
    expect(record).to.deep.include({ caller: "ssf:idp/J-1" });
    expect(record?.["detail"]).to.deep.include({
      jti: "J-1",
      outcome: "applied",
      targets: ["agent/a-1"],
      type: REVOKED,
    });
    expect((await ask(service, "POST", "/revocations/agent%40idp/a-1/lift", { body: { reason: "seen" } })).status).to.equal(200);
    expect(await decided(service)).to.equal("allow permitted");
  });

  it("are taken once: again, and all at once, they get the same answer and do nothing more", async () => {
    const token = setOf(REVOKED);
    const answers = await Promise.all(Array.from({ length: 8 }, () => pushed(service, token)));
    expect(new Set(answers)).to.deep.equal(new Set(["202"]));
    expect(await pushed(service, token)).to.equal("202");
    expect((await recordsOf(service, "security_event")).length).to.equal(1);
    expect((await facts()).filter((change) => change === "revoked").length).to.equal(1);
    expect(await status()).to.deep.include({ repeated: 8, taken: { applied: 1 } });
    // Lifted by a person, it stays so whoever sends it again.
    await ask(service, "POST", "/revocations/agent%40idp/a-1/lift", { body: { reason: "seen" } });
    expect(await pushed(service, token)).to.equal("202");
    expect(await decided(service)).to.equal("allow permitted");
  });

  it("are refused where another has had their `jti`, so that none is lost in silence", async () => {
    expect(await pushed(service, setOf(REVOKED, {}, { jti: "J-2", sub_id: { format: "email", email: "nobody@example.com" } }))).to.equal(
      "202",
    );
    expect(await pushed(service, setOf(REVOKED, {}, { jti: "J-2" }))).to.equal("400 invalid_request");
    const asOther = setOf(REVOKED, {}, { jti: "J-2", iss: OTHER }, { key: OTHER_KEY });
    expect(await pushed(service, asOther), "another issuer's is another").to.equal("202");
  });

  it("never lift what an operator or another transmitter has cut off", async () => {
    const before = { event_timestamp: now_s() - 10 };
    await ask(service, "POST", "/revocations", { body: { scope: { agent: "a-1" }, reason: "incident 12" } });
    await pushed(service, setOf(DISABLED, before));
    await pushed(service, setOf(DISABLED, before, { iss: OTHER, sub_id: { format: "iss_sub", iss: IDP, sub: "a-1" } }, { key: OTHER_KEY }));
    expect(await inForce()).to.deep.equal(["agent/a-1", "agent@idp/a-1", "agent@other/a-1"]);
    expect(await pushed(service, setOf(ENABLED))).to.equal("202");
    expect(await inForce()).to.deep.equal(["agent/a-1", "agent@other/a-1"]);
    await pushed(service, setOf(ENABLED, {}, { iss: OTHER }, { key: OTHER_KEY }));
    expect(await decided(service)).to.equal("deny agent_revoked");
    await ask(service, "POST", "/revocations/agent/a-1/lift", { body: { reason: "over" } });
    expect(await decided(service)).to.equal("allow permitted");
    await ask(service, "PATCH", "/agents/a-1", { body: { status: "suspended", reason: "incident 13" } });
    await pushed(service, setOf(ENABLED));
    expect(await decided(service)).to.equal("deny agent_suspended");
  });

  it("of a session of a principal end its tasks of then, and no others, and its later ones go on", async () => {
    const task = async (id: string, principal: string): Promise<void> => {
      const body = { id, agent: "a-1", purpose: "testing", principal, expires: inAnHour() };
      expect((await ask(service, "POST", "/tasks", { body })).status).to.equal(201);
    };
    await task("T-1", "ada");
    await task("T-2", "bob");
    expect(await pushed(service, setOf(REVOKED, {}, opaque("ada")))).to.equal("202");
    expect(await inForce()).to.deep.equal(["principal@idp+tokens/ada"]);
    expect(await decided(service, { task: "T-1" })).to.equal("deny task_ended");
    expect(await decided(service, { task: "T-2" })).to.equal("allow permitted");
    await task("T-3", "ada");
    await pushed(service, setOf(REVOKED, { event_timestamp: now_s() - 60 }, opaque("ada")));
    expect(await decided(service, { task: "T-3" })).to.equal("allow permitted");
    const at = { ...opaque("ada"), iat: now_s() };
    await pushed(service, setOf(DISABLED, {}, at));
    expect(await decided(service, { task: "T-3" })).to.equal("deny principal_revoked");
    await pushed(service, setOf(ENABLED, {}, at));
    expect(await decided(service, { task: "T-3" }), "in the same second").to.equal("deny principal_revoked");
  });

  // prettier-ignore
  const effects: [what: string, type: string, event: object, subject: object, then: string, inForce: string[]][] = [
    ["high risk narrows an agent", `${CAEP}risk-level-change`, { principal: "USER", current_level: "HIGH" }, {}, "deny narrowed_to_task", []],
    ["low risk does nothing", `${CAEP}risk-level-change`, { principal: "USER", current_level: "LOW", previous_level: "HIGH" }, {}, "allow permitted", []],
    ["less assurance narrows an agent", `${CAEP}assurance-level-change`, { namespace: "NIST-AAL", current_level: "nist-aal1", change_direction: "decrease" }, {}, "deny narrowed_to_task", []],
    ["more assurance does nothing", `${CAEP}assurance-level-change`, { namespace: "NIST-AAL", current_level: "nist-aal2", change_direction: "increase" }, {}, "allow permitted", []],
    ["a device that doesn't comply narrows the agents of its owner", `${CAEP}device-compliance-change`, { current_status: "not-compliant", previous_status: "compliant" }, { sub_id: { format: "email", email: "tests@example.com" } }, "deny narrowed_to_task", []],
    ["a device that complies does nothing", `${CAEP}device-compliance-change`, { current_status: "compliant" }, {}, "allow permitted", []],
    ["an owner that is disabled stops its agents", DISABLED, {}, { sub_id: { format: "email", email: "tests@example.com" } }, "deny owner_revoked", ["owner@idp/tests@example.com"]],
    ["a token's claims that change revoke it", `${CAEP}token-claims-change`, { claims: { role: "ro-admin" } }, { sub_id: { format: "jwt_id", iss: IDP, jti: "T-9" } }, "allow permitted", ["token@idp/T-9"]],
    ["a new credential does nothing", `${CAEP}credential-change`, { credential_type: "fido2-roaming", change_type: "create" }, {}, "allow permitted", []],
    ["an agent by its older name", REVOKED, { subject: { subject_type: "iss-sub", iss: IDP, sub: "a-1" } }, { sub_id: undefined }, "deny agent_revoked", ["agent@idp/a-1"]],
    ["aliases, each that is somebody here", REVOKED, {}, { sub_id: { format: "aliases", identifiers: [{ format: "email", email: "nobody@example.com" }, { format: "iss_sub", iss: IDP, sub: "a-1" }] } }, "deny agent_revoked", ["agent@idp/a-1"]],
    ["the user of a complex subject", DISABLED, {}, { sub_id: { format: "complex", user: { format: "email", email: "ada" }, device: { format: "opaque", id: "d-1" } } }, "allow permitted", ["principal@idp/ada"]],
  ];
  for (const [what, type, event, subject, then, expected] of effects) {
    it(`take hold: ${what}`, async () => {
      expect(await pushed(service, setOf(type, event, subject))).to.equal("202");
      expect(await decided(service)).to.equal(then);
      expect(await inForce()).to.deep.equal(expected);
    });
  }

  const idle: [what: string, type: string, event: object, subject: object, outcome: string][] = [
    ["of a type that nobody knows", "https://schemas.example.com/other", { x: 1 }, {}, "type_unknown"],
    ["of a subject that nobody knows", REVOKED, {}, { sub_id: { format: "iss_sub", iss: IDP, sub: "a-2" } }, "subject_unknown"],
    ["of somebody else's subject", REVOKED, {}, { sub_id: { format: "iss_sub", iss: OTHER, sub: "a-1" } }, "subject_unknown"],
    ["of a format that nobody knows", REVOKED, {}, { sub_id: { format: "catalog_item", catalog_id: "c0384" } }, "subject_unknown"],
    ["of a name with what can't be seen in it", REVOKED, {}, { sub_id: { format: "opaque", id: "ad\u200ba" } }, "subject_unknown"],
    ["that say a session began", `${CAEP}session-established`, { amr: ["otp"] }, {}, "no_effect"],
    [
      "that nobody asked for, to verify",
      `${SSF}verification`,
      { state: "x" },
      { sub_id: { format: "opaque", id: "stream-1" } },
      "verified",
    ],
  ];
  it("are taken and on record, without effect, where they do nothing here or are of nobody here", async () => {
    const before = await facts();
    for (const [what, type, event, subject] of idle)
      expect(await pushed(service, setOf(type, event, { jti: what, ...subject })), what).to.equal("202");
    expect(await facts()).to.deep.equal(before);
    expect(await decided(service)).to.equal("allow permitted");
    const records = await recordsOf(service, "security_event");
    const came = records.map(({ detail }) => detail as Json);
    for (const [what, , , , outcome] of idle)
      expect(
        came.find(({ jti }) => jti === what),
        what,
      ).to.deep.include({ outcome });
    expect((await status())["taken"]).to.deep.equal({ type_unknown: 1, subject_unknown: 4, no_effect: 1, verified: 1 });
  });

  it("are seen in the metrics", async () => {
    await pushed(service, setOf(REVOKED));
    await pushed(service, setOf(REVOKED, {}, { aud: "elsewhere" }));
    await pushed(service, setOf(`${CAEP}risk-level-change`, {}));
    const { text } = await ask(service, "GET", "/metrics");
    expect(text).to.contain('remit_security_events_taken_total{transmitter="idp",outcome="applied"} 1');
    expect(text).to.contain('remit_security_events_refused_total{transmitter="idp",code="invalid_request"} 1');
    expect(text).to.contain('remit_security_events_refused_total{transmitter="",code="invalid_audience"} 1');
    expect(text).to.match(/remit_security_event_lag_seconds\{transmitter="idp"\} \d/);
    expect(text).to.contain('remit_security_stream_unverified{transmitter="idp"} 0');
  });

  it("are nobody's where no transmitter is configured, and no one's who may not audit to look at", async () => {
    const none = await runReceiver({}, { security_events: undefined });
    try {
      expect(await pushed(none, setOf(REVOKED))).to.equal("404");
      expect((await ask(none, "GET", "/events/transmitters")).body).to.deep.equal({
        transmitters: [],
        unproven: {},
        queue: 0,
        streams: [],
      });
      expect((await ask(none, "GET", "/events/transmitters", { token: "" })).status).to.equal(401);
    } finally {
      await none.stop();
    }
  });
});

describe("security events that come in any order", function () {
  let service: Running;
  before(async () => {
    service = await runReceiver();
  });
  after(() => service.stop());

  const at = now_s() - 1000;
  type Tell = (type: string, after_s: number | null, changes?: object) => string;
  // prettier-ignore
  const orders: [order: string, tokens: (told: Tell) => string[], outcome: string][] = [
    ["disabled, enabled", (told) => [told(DISABLED, 1), told(ENABLED, 2)], "allow permitted"],
    ["enabled late", (told) => [told(DISABLED, 2), told(ENABLED, 1)], "deny agent_revoked"],
    ["enabled at the same time", (told) => [told(DISABLED, 1), told(ENABLED, 1)], "deny agent_revoked"],
    ["disabled late", (told) => [told(DISABLED, 1), told(ENABLED, 3), told(DISABLED, 2)], "allow permitted"],
    ["disabled late, and nothing known before", (told) => [told(ENABLED, 3), told(DISABLED, 2)], "allow permitted"],
    ["disabled again", (told) => [told(DISABLED, 1), told(ENABLED, 2), told(DISABLED, 3)], "deny agent_revoked"],
    ["purged", (told) => [told(`${RISC}account-purged`, 1)], "deny agent_revoked"],
    ["disabled twice, and enabled between them late", (told) => [told(DISABLED, 1), told(DISABLED, 3), told(ENABLED, 2)], "deny agent_revoked"],
    ["without times of their own, by when they were issued", (told) => [told(DISABLED, null, { iat: at + 2 }), told(ENABLED, null, { iat: at + 1 })], "deny agent_revoked"],
    ["enabled in the future, which is as of when it was issued", (told) => [told(ENABLED, 1e9, { iat: at + 1 }), told(DISABLED, 2)], "deny agent_revoked"],
  ];
  for (const [i, [order, tokens, outcome]] of orders.entries()) {
    it(`end as it happened: ${order}`, async () => {
      const agent = `a-${i + 1}`;
      const sub_id = { format: "iss_sub", iss: IDP, sub: agent };
      await withAgent(service, { id: agent });
      const told: Tell = (type, after_s, changes = {}) =>
        setOf(type, after_s === null ? {} : { event_timestamp: at + after_s }, { sub_id, ...changes });
      for (const token of tokens(told)) expect(await pushed(service, token)).to.equal("202");
      expect(await decided(service, { agent })).to.equal(outcome);
    });
  }
});

describe("a transmitter of security events", function () {
  it("has to send what it was given, where it was given something", async () => {
    const file = join(FILES, "authorization");
    const service = await runReceiver({ transmitters: [transmitter({ authorization_file: file })] });
    try {
      await withAgent(service);
      expect(await pushed(service, setOf(REVOKED))).to.equal("400 authentication_failed");
      expect(await pushed(service, setOf(REVOKED), { authorization: "Bearer what" })).to.equal("400 authentication_failed");
      expect(await decided(service)).to.equal("allow permitted");
      expect(await pushed(service, setOf(REVOKED), { authorization: "Bearer what-the-stream-was-given" })).to.equal("202");
      expect(await decided(service)).to.equal("deny agent_revoked");
    } finally {
      await service.stop();
    }
  });

  it("isn't let in where the file of what it has to send is empty", async () => {
    const file = join(FILES, "authorization-of-nobody");
    writeFileSync(file, "\n");
    const service = await runReceiver({ transmitters: [transmitter({ authorization_file: file })] });
    try {
      await withAgent(service);
      for (const headers of [{}, { authorization: "" }, { authorization: "Bearer what" }])
        expect(await pushed(service, setOf(REVOKED), headers)).to.equal("500");
      expect(await decided(service)).to.equal("allow permitted");
    } finally {
      await service.stop();
    }
  });

  it("says nothing of subjects whose critical members aren't understood, or are of elsewhere", async () => {
    const service = await runReceiver({
      transmitters: [transmitter({ critical_members: ["tenant", "org_unit"], only: { tenant: ["acme"] } })],
    });
    try {
      await withAgent(service);
      const of = (members: object): string =>
        setOf(DISABLED, {}, { sub_id: { format: "complex", user: { format: "email", email: "ada" }, ...members } });
      const outcomes: [string, string][] = [
        [of({ tenant: { format: "opaque", id: "other" } }), "subject_elsewhere"],
        [of({ org_unit: { format: "opaque", id: "acme" } }), "subject_member_critical"],
        [of({ tenant: { format: "opaque", id: "acme" }, device: { format: "opaque", id: "d" } }), "applied"],
      ];
      for (const [token, outcome] of outcomes) {
        expect(await pushed(service, token)).to.equal("202");
        const records = await recordsOf(service, "security_event");
        expect(
          records.map(({ detail }) => (detail as Json)["outcome"]),
          outcome,
        ).to.include(outcome);
      }
      const { body } = await ask(service, "GET", "/revocations");
      expect((body["items"] as Json[]).map(({ id }) => id)).to.deep.equal(["principal@idp/ada"]);
    } finally {
      await service.stop();
    }
  });

  it("may cut off no more than the limit, and hears that it has to come again", async () => {
    const service = await runReceiver({ revocations_max: 1, principals_max: 1 });
    try {
      expect(await pushed(service, setOf(DISABLED, {}, opaque("ada")))).to.equal("202");
      const second = setOf(DISABLED, {}, opaque("bob"));
      expect(await pushed(service, second)).to.equal("503");
      expect(await pushed(service, setOf(REVOKED, {}, opaque("bob"))), "of tokens alone").to.equal("202");
      expect(await pushed(service, setOf(REVOKED, {}, opaque("eve"))), "of tokens of more").to.equal("503");
      expect(await pushed(service, setOf(REVOKED, {}, opaque("bob"))), "of the same again").to.equal("202");
      expect(await pushed(service, setOf(DISABLED, {}, opaque("ada"))), "known already").to.equal("202");
      await ask(service, "POST", "/revocations/principal%40idp/ada/lift", { body: { reason: "seen" } });
      expect(await pushed(service, second)).to.equal("202");
    } finally {
      await service.stop();
    }
  });

  it("has its keys where it publishes them: others are refused, and what can't be known comes again", async () => {
    const jwks = {
      keys: [{ ...createPublicKey(IDP_PEM).export({ format: "jwk" }), kid: "k1", alg: "RS256", use: "sig" }],
    };
    let isUp = false;
    const publisher = createServer((_request, response) => {
      response.writeHead(isUp ? 200 : 500, { "content-type": "application/json" }).end(JSON.stringify(jwks));
    });
    publisher.listen(0, "127.0.0.1");
    await once(publisher, "listening");
    const url = `http://127.0.0.1:${(publisher.address() as AddressInfo).port}/jwks`;
    const remote = { url, algorithms: ["RS256"], cooldown_ms: 100 };
    const service = await runReceiver({ transmitters: [transmitter({ keys: undefined, remote })] });
    try {
      const token = setOf(DISABLED, {}, opaque("ada"));
      expect(await pushed(service, token)).to.equal("503");
      isUp = true;
      let outcome = "503";
      while (outcome === "503") {
        await new Promise((resolve) => setTimeout(resolve, 50));
        outcome = await pushed(service, token);
      }
      expect(outcome).to.equal("202");
      await new Promise((resolve) => setTimeout(resolve, 150));
      expect(await pushed(service, setOf(DISABLED, {}, {}, { header: { kid: "k2" } }))).to.equal("400 invalid_key");
      expect(await pushed(service, setOf(DISABLED, {}, {}, { header: { alg: "RS512" } }))).to.equal("400 invalid_key");
      expect(await pushed(service, setOf(DISABLED, {}, {}, { key: OTHER_KEY }))).to.equal("400 authentication_failed");
    } finally {
      await service.stop();
      publisher.closeAllConnections();
      publisher.close();
    }
  });

  it("is refused with a key that is no key, and with names for nobody's issuer", async () => {
    writeFileSync(join(FILES, "bad.pem"), "nonsense");
    const bad = transmitter({ keys: [{ kid: "k1", algorithm: "RS256", file: join(FILES, "bad.pem") }] });
    const outcome = await runReceiver({ transmitters: [bad] }).catch((cause: unknown) => (cause as Error).message);
    expect(outcome).to.equal(`issuer \`${IDP}\`: key \`k1\`: not a public key`);
  });
});
