import { expect } from "chai";
import { ask, type Json } from "../../http/asking.js";
import { SPIFFE, agentToken, openProxy, type Held, type Proxied } from "./proxy.js";

const ROUTES = `routes:
  - {on: GET /notes/:id, read: note, id: path.id}
  - {on: GET /own/:id, read: note, id: path.id, attributes: {customer: context.customer}, arguments: {text: header.x-text}}
  - {on: GET /set/:id, read: note, id: path.id, attributes: {customer: trusted_header.x-customer}}
  - {on: GET /cards/:id, read: card, id: path.id}
  - {on: GET /letters/:id, read: letter, id: path.id}
`;
const NOTE: Held = { path: "/notes/n-1" };
const JWT = "envoy.filters.http.jwt_authn";
const ISSUER = "https://issuer.example";

/** A protobuf struct of a value. */
function value(of: unknown): object {
  if (of === null) return { nullValue: 0 };
  if (typeof of === "string") return { stringValue: of };
  if (typeof of === "number") return { numberValue: of };
  if (Array.isArray(of)) return { listValue: { values: of.map(value) } };
  return { structValue: struct(of as Json) };
}
function struct(of: Json): object {
  return { fields: Object.fromEntries(Object.entries(of).map(([name, one]) => [name, value(one)])) };
}
const claims = (of: unknown, namespace = JWT, payload = "jwt"): object => ({
  metadata_context: { filter_metadata: { [namespace]: struct({ [payload]: of }) } },
});

interface Case {
  what: string;
  held?: Held;
  attributes?: object;
  outcome: string;
}

async function withProxy(mapping: string, use: (proxied: Proxied) => Promise<void>, more: object = {}): Promise<void> {
  const proxied = await openProxy({ mapping: mapping + ROUTES, ...more });
  try {
    await use(proxied);
  } finally {
    await proxied.close();
  }
}

async function expectAll(proxied: Proxied, cases: readonly Case[]): Promise<void> {
  for (const { what, held = NOTE, attributes = {}, outcome } of cases) {
    expect((await proxied.check("gRPC", held, { attributes })).outcome, what).to.equal(outcome);
  }
}

describe("who acts in a request that a proxy holds back", function () {
  it("is whom its client's certificate names, by a credential that is registered", async () => {
    const mapping = "agent: {principal: {issuer: 'spiffe://example.org'}}\npurpose: {is: testing}\n";
    await withProxy(mapping, async (proxied) => {
      await expectAll(proxied, [
        { what: "its own", attributes: { source: { principal: SPIFFE } }, outcome: "allow" },
        { what: "no certificate", outcome: "401 token_missing" },
        { what: "an empty name", attributes: { source: { principal: "" } }, outcome: "401 token_missing" },
        { what: "another workload", attributes: { source: { principal: `${SPIFFE}2` } }, outcome: "401 token_invalid" },
        { what: "an agent's id", attributes: { source: { principal: "a-1" } }, outcome: "401 token_invalid" },
        { what: "another issuer's subject", attributes: { source: { principal: "agent-1" } }, outcome: "401 token_invalid" },
        { what: "a header", held: { ...NOTE, headers: { "x-forwarded-client-cert": `URI=${SPIFFE}` } }, outcome: "401 token_missing" },
        { what: "whoever is the destination", attributes: { destination: { principal: SPIFFE } }, outcome: "401 token_missing" },
      ]);
      // Over HTTP no proxy says it.
      expect((await proxied.check("HTTP", NOTE)).outcome).to.equal("401 token_missing");
    });
  });

  it("is whom the claims name that the proxy has verified, where that is said to be trusted; and they are asked all that a token is", async () => {
    const mapping = "agent: {claims: {payload: jwt}}\npurpose: {is: testing}\n";
    await withProxy(mapping, async (proxied) => {
      const { service } = proxied;
      const tell = (path: string, body: object): Promise<unknown> => ask(service, "POST", path, { body });
      await tell("/revocations", { scope: { token: "j-1" }, reason: "lost" });
      await tell("/agents", {
        id: "stopped",
        owner: "tests@example.com",
        purposes: ["testing"],
        credentials: [{ issuer: ISSUER, subject: "agent-9" }],
      });
      await tell("/revocations", { scope: { agent: "stopped" }, reason: "lost" });
      // The agents are registered by now, however long that took, and a token's age counts from then.
      const now = Math.ceil(Date.now() / 1000);
      const sound = { iss: ISSUER, sub: "agent-1", aud: "tools", iat: now, exp: now + 3600 };
      const of = (changes: object): object => claims(JSON.parse(JSON.stringify({ ...sound, ...changes })));
      await expectAll(proxied, [
        { what: "the subject", attributes: of({}), outcome: "allow" },
        { what: "the actor", attributes: of({ sub: "alice", act: { sub: "agent-1" } }), outcome: "allow" },
        { what: "the actor before the subject", attributes: of({ act: { sub: "other" } }), outcome: "401 token_invalid" },
        {
          what: "an actor of another issuer",
          attributes: of({ sub: "alice", act: { iss: "https://evil.example", sub: "agent-1" } }),
          outcome: "401 token_invalid",
        },
        { what: "on behalf of a stopped agent", attributes: of({ sub: "agent-9", act: { sub: "agent-1" } }), outcome: "403 denied" },
        {
          what: "through a stopped agent",
          attributes: of({ sub: "alice", act: { sub: "agent-1", act: { sub: "agent-9" } } }),
          outcome: "403 denied",
        },
        {
          what: "more actors than may be",
          attributes: of({
            sub: "alice",
            act: Array.from({ length: 9 }).reduce<object | undefined>((act) => ({ sub: "agent-1", act }), undefined),
          }),
          outcome: "401 token_invalid",
        },
        { what: "from before the agent was registered", attributes: of({ iat: now - 3600 }), outcome: "403 denied" },
        { what: "that don't say since when", attributes: of({ iat: undefined }), outcome: "403 denied" },
        { what: "that are over", attributes: of({ exp: now - 60 }), outcome: "403 denied" },
        { what: "that don't say until when", attributes: of({ exp: undefined }), outcome: "401 token_invalid" },
        { what: "for nobody", attributes: of({ aud: undefined }), outcome: "401 token_invalid" },
        { what: "bound to a key", attributes: of({ cnf: { jkt: "x" } }), outcome: "401 token_invalid" },
        { what: "another issuer's subject", attributes: of({ iss: "https://evil.example" }), outcome: "401 token_invalid" },
        { what: "a subject without an issuer", attributes: of({ iss: undefined }), outcome: "401 token_invalid" },
        { what: "no subject", attributes: of({ sub: undefined }), outcome: "401 token_invalid" },
        { what: "a subject that is a list", attributes: of({ sub: ["agent-1"] }), outcome: "401 token_invalid" },
        { what: "a subject with another reading", attributes: of({ sub: "agent-1\u200b" }), outcome: "401 token_invalid" },
        { what: "an actor that is nothing", attributes: of({ act: null }), outcome: "401 token_invalid" },
        { what: "a revoked token", attributes: of({ jti: "j-1" }), outcome: "403 denied" },
        { what: "a token's number", attributes: of({ jti: 1 }), outcome: "401 token_invalid" },
        { what: "text", attributes: claims("agent-1"), outcome: "401 token_invalid" },
        { what: "another payload", attributes: claims(sound, JWT, "other"), outcome: "401 token_missing" },
        { what: "another filter", attributes: claims(sound, "envoy.filters.http.lua"), outcome: "401 token_missing" },
        {
          what: "a bearer's token instead",
          held: { ...NOTE, headers: { authorization: `Bearer ${agentToken()}` } },
          outcome: "401 token_missing",
        },
      ]);
    });
  });

  it("must prove itself by a token of its own where it is registered so, whoever else is believed", async () => {
    const principal = { source: { principal: SPIFFE } };
    const mapping = "agent: {principal: {issuer: 'spiffe://example.org'}}\npurpose: {is: testing}\n";
    await withProxy(
      mapping,
      (proxied) => expectAll(proxied, [{ what: "by its certificate", attributes: principal, outcome: "403 denied" }]),
      { agent: { token: "required" } },
    );
  });

  it("is whom the proxy's own configuration names, and for what, and on which task", async () => {
    const mapping = "agent: {context: agent}\npurpose: {context: purpose}\ntask: {context: task}\n";
    const of = (context_extensions: object): object => ({ context_extensions });
    await withProxy(mapping, (proxied) =>
      expectAll(proxied, [
        { what: "all of it", attributes: of({ agent: "a-1", purpose: "testing", task: "T-1" }), outcome: "allow" },
        { what: "no task", attributes: of({ agent: "a-1", purpose: "testing" }), outcome: "allow" },
        { what: "another's task", attributes: of({ agent: "a-1", purpose: "testing", task: "T-2" }), outcome: "403 denied" },
        { what: "no agent", attributes: of({ purpose: "testing" }), outcome: "401 token_missing" },
        { what: "no purpose", attributes: of({ agent: "a-1" }), outcome: "503 undecided" },
        { what: "another purpose", attributes: of({ agent: "a-1", purpose: "gardening" }), outcome: "403 denied" },
        { what: "an unknown agent", attributes: of({ agent: "a-2", purpose: "testing" }), outcome: "403 denied" },
        { what: "headers of these names", held: { ...NOTE, headers: { agent: "a-1", purpose: "testing" } }, outcome: "401 token_missing" },
        {
          what: "a name of a prototype",
          attributes: of({ purpose: "testing" }),
          held: { ...NOTE, headers: { constructor: "a-1" } },
          outcome: "401 token_missing",
        },
      ]),
    );
  });

  it("is whom a header names only where it is said to be the proxy's", async () => {
    const mapping =
      "agent: {trusted_header: x-agent}\npurpose: {is: testing}\ntask: {trusted_header: x-task}\nsession: {trusted_header: x-session}\n";
    await withProxy(mapping, async (proxied) => {
      const held = (headers: Record<string, string>, path = NOTE.path): Held => ({ path, headers });
      await expectAll(proxied, [
        { what: "its header", held: held({ "x-agent": "a-1", "x-task": "T-1", "x-session": "s-1" }), outcome: "allow" },
        { what: "none", held: held({}), outcome: "401 token_missing" },
        { what: "two as one", held: held({ "x-agent": "a-1,a-1" }), outcome: "503 undecided" },
        { what: "what isn't ASCII", held: held({ "x-agent": "ä" }), outcome: "400 action_invalid" },
        { what: "a client's header as an argument", held: held({ "x-agent": "a-1", "x-text": "hello" }, "/own/n-1"), outcome: "allow" },
        {
          what: "a header with another reading",
          held: held({ "x-agent": "a-1", "x-text": "h\u00e4" }, "/own/n-1"),
          outcome: "400 action_invalid",
        },
        {
          what: "what the proxy says of the resource",
          held: held({ "x-agent": "a-1", "x-customer": "ada" }, "/set/n-1"),
          outcome: "allow",
        },
      ]);
      expect((await proxied.check("HTTP", held({ "x-agent": "a-1" }))).outcome).to.equal("allow");
    });
  });

  it("has its obligations met by what stands behind the proxy, where that says that it does", async () => {
    await withProxy("agent: {is: a-1}\npurpose: {is: testing}\nupstream_meets: [redact]\n", async (proxied) => {
      for (const door of ["gRPC", "HTTP"] as const) {
        const card = await proxied.check(door, { path: "/cards/c-1" });
        expect([card.outcome, card.remove]).to.deep.equal(["allow", []]);
        expect(JSON.parse(card.headers["x-remit-obligations"] ?? "")).to.deep.equal([{ type: "redact", fields: ["card_number", "iban"] }]);
        expect((await proxied.check(door, { path: "/letters/l-1" })).outcome).to.equal("403 denied");
        expect((await proxied.check(door, NOTE)).remove).to.deep.equal(["x-remit-obligations"]);
      }
    });
  });
});
