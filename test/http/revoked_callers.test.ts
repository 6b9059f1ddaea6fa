import { once } from "node:events";
import { connect } from "node:net";
import { expect } from "chai";
import { EVERY, ask, decided, inAnHour, runWithFacts, withAgent, type Json } from "./asking.js";
import { Follower } from "./following.js";
import { ALL, REQUEST, requestText, run, tokenFor, type Running } from "./running.js";

const SCOPES = "remit:decide remit:register remit:audit";

describe("a caller that is revoked", function () {
  let service: Running;
  before(async () => {
    service = await runWithFacts({ events: { heartbeat_ms: 100 } });
    await withAgent(service);
  });
  after(() => service.stop());

  it("is refused by every route, with each token that it has, until that is lifted; others go on", async () => {
    const [one, other, else_] = [tokenFor(SCOPES, "pep-1"), tokenFor(SCOPES, "pep-1", 3600, { jti: "j-1" }), tokenFor(SCOPES, "pep-2")];
    const follower = await (await Follower.follow(service, { token: one, path: "/events" })).ready();
    expect(await decided(service, {}, one)).to.match(/^allow/);
    expect(
      (await ask(service, "POST", "/revocations", { body: { scope: { caller: "pep-1" }, reason: "its key leaked" } })).outcome,
    ).to.equal("200");
    for (const token of [one, other]) {
      expect(await decided(service, {}, token)).to.equal("deny caller_revoked");
      expect((await ask(service, "GET", "/agents", { token })).outcome).to.match(/^401 caller_cut_off/);
    }
    expect(await follower.end()).to.equal("caller_revoked");
    expect(await decided(service, {}, else_)).to.match(/^allow/);
    expect((await ask(service, "POST", "/revocations/caller/pep-1/lift", { body: { reason: "new key" } })).outcome).to.equal("200");
    expect(await decided(service, {}, one)).to.match(/^allow/);
  });
});

describe("a stream whose caller or token is revoked", function () {
  let service: Running;
  before(async () => {
    // Long enough for no heartbeat to look at the token.
    service = await run({ events: { heartbeat_ms: 60_000 } });
  });
  after(() => service.stop());

  const paths: [path: string, scope: string][] = [
    ["/decisions/stream", "remit:audit"],
    ["/findings/stream", "remit:review"],
    ["/events", "remit:decide"],
  ];
  for (const [i, [path, needs]] of paths.entries()) {
    it(`ends at once, and no other: ${path}`, async () => {
      const [caller, jti] = [`cut-${i}`, `jti-${i}`];
      const follow = async (by: string, claims: object = {}): Promise<Follower> =>
        (await Follower.follow(service, { token: tokenFor(needs, by, 3600, claims), path })).ready();
      const [byCaller, byToken, other] = [await follow(caller), await follow("else", { jti }), await follow("else")];
      for (const scope of [{ caller }, { token: jti }])
        expect((await ask(service, "POST", "/revocations", { body: { scope, reason: "leaked" } })).outcome).to.equal("200");
      expect([await byCaller.end(), await byToken.end()]).to.deep.equal(["caller_revoked", "caller_token_revoked"]);
      expect(other.ended).to.equal(false);
      other.close();
    });
  }
});

describe("the connections of a caller that is revoked", function () {
  let service: Running;
  before(async () => {
    service = await run();
  });
  after(() => service.stop());

  it("are cut at once, whatever has come of a request, and others stay", async () => {
    const [revoked, other] = ["pep-1", "pep-2"].map((caller) => tokenFor("remit:decide", caller));
    const requestOf = (token = "", body: string, headers: string[] = []): string =>
      requestText(service.port, body, headers).replace(ALL, token);
    const opened = await Promise.all(
      [revoked, revoked, other].map(async (token) => {
        const socket = connect(service.port, "127.0.0.1").on("error", () => undefined);
        socket.write(requestOf(token, JSON.stringify(REQUEST)));
        await once(socket, "data");
        return { socket, closed: new Promise((resolve) => socket.once("close", resolve)) };
      }),
    );
    const [idle, slow, others] = opened;
    slow?.socket.write(requestOf(revoked, "{", ["Content-Length: 100"]));
    const { outcome } = await ask(service, "POST", "/revocations", { body: { scope: { caller: "pep-1" }, reason: "its key leaked" } });
    expect(outcome).to.equal("200");
    await Promise.all([idle?.closed, slow?.closed]);
    expect(others?.socket.destroyed).to.equal(false);
    others?.socket.destroy();
  });
});

describe("a registrar that `callers` limits", function () {
  let service: Running;
  const limited = tokenFor("remit:register", "limited");
  before(async () => {
    service = await runWithFacts({ callers: { "gateway-1": {}, limited: { agents: ["b-2"] } } });
    for (const id of ["a-1", "b-2", "c-3"]) await withAgent(service, { id, owner: `${id}@x` });
    for (const [id, agent] of [
      ["T-1", "a-1"],
      ["T-2", "b-2"],
    ] as const) {
      const body = { id, agent, purpose: "testing", principal: "ada", expires: inAnHour() };
      expect((await ask(service, "POST", "/tasks", { body })).outcome).to.equal("201");
    }
    for (const scope of [
      { agent: "a-1" },
      { agent: "b-2" },
      { principal: "bob" },
      { owner: "c-3@x" },
      { token: "jti-1" },
      { task: "T-1" },
      { purpose: "testing" },
    ])
      expect((await ask(service, "POST", "/revocations", { body: { scope, reason: "secret" } })).outcome).to.equal("200");
  });
  after(() => service.stop());

  const lists: [path: string, of: (item: Json) => unknown, seen: string[]][] = [
    ["/agents", ({ id }) => id, ["b-2"]],
    ["/tasks", ({ id }) => id, ["T-2"]],
    ["/revocations", ({ id }) => id, ["agent/b-2"]],
  ];
  for (const [path, of, seen] of lists) {
    it(`sees of ${path} what it speaks for, and learns no other id from where pages end`, async () => {
      const found: unknown[] = [];
      let cursor: string | null = null;
      do {
        const { body } = await ask(service, "GET", `${path}?limit=1${cursor === null ? "" : `&cursor=${cursor}`}`, { token: limited });
        const { items, next } = body as { items: Json[]; next: string | null };
        found.push(...items.map(of));
        if (next !== null) expect(seen).to.include(Buffer.from(next, "base64url").toString());
        cursor = next;
      } while (cursor !== null);
      expect(found).to.deep.equal(seen);
      expect(((await ask(service, "GET", path, { token: EVERY })).body["items"] as Json[]).length).to.be.above(1);
    });
  }

  it("finds no single revocation of what it doesn't speak for, and hands on no task of another's agent", async () => {
    const one = async (path: string): Promise<string> => (await ask(service, "GET", `/revocations/${path}`, { token: limited })).outcome;
    expect([await one("agent/b-2"), await one("agent/a-1"), await one("principal/bob"), await one("token/jti-1")]).to.deep.equal([
      "200",
      "404 revocation_not_found",
      "404 revocation_not_found",
      "404 revocation_not_found",
    ]);
    const body = { id: "T-3", agent: "b-2", purpose: "testing", parent: "T-1", expires: inAnHour() };
    const { outcome, text } = await ask(service, "POST", "/tasks", { body, token: limited });
    expect(outcome).to.equal("403 agent_not_permitted");
    expect(text).to.not.include("ada");
  });
});
