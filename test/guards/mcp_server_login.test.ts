/** A login while a guard runs: renewed once for all who wait, ended when it has to be, and for its own server alone. */
import { chmodSync, copyFileSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { Clock } from "../../src/system/index.js";
import { system } from "../../src/system/index.js";
import { openLogin, type ServerLogin, type TokenJudgement } from "../../src/guards/mcp/oauth/server_login.js";
import { loginFileOf, oauthServer } from "../../src/guards/mcp/oauth/login.js";
import { ServerLoginError } from "../../src/guards/mcp/oauth/login_error.js";
import { LoginFile } from "../../src/guards/mcp/oauth/login_file.js";
import { LoginWorld } from "./mcp/oauth.js";
import { folderWith } from "./mcp/support.js";

const HOUR_MS = 3_600_000;

describe("a login of a guard that runs", () => {
  const files = folderWith({});
  let world: LoginWorld;
  let folders = 0;
  let ahead_ms = 0;
  const told: string[] = [];
  const clock: Clock = { wall: () => system.clock.wall() + ahead_ms, monotonic: () => system.clock.monotonic() + ahead_ms };
  beforeEach(async () => {
    world = await new LoginWorld(join(files.dir, `w-${++folders}`)).start();
    await world.signIn();
    ahead_ms = 0;
    told.length = 0;
  });
  afterEach(() => world.stop());
  after(() => {
    files.remove();
  });
  const opened = (oauth: object = {}): ServerLogin => {
    const login = openLogin(world.config(oauth).server, { clock, timers: system.timers }, ({ reason, scopes }) => {
      told.push([reason, ...scopes].join(" "));
    });
    if (login === null) throw new Error("no login in the configuration");
    return login;
  };
  const folder = (): string => join(world.dir, "logins");
  const file = (): string => join(folder(), readdirSync(folder()).find((name) => name.endsWith(".json")) ?? "");
  const kept = (): Record<string, unknown> => JSON.parse(readFileSync(file(), "utf8")) as Record<string, unknown>;
  /** Tokens that the server is shown, each of which it answers by this. */
  const shown: string[] = [];
  let judge: (token: string) => Partial<TokenJudgement>;
  const send = (token: string): Promise<TokenJudgement> => {
    shown.push(token);
    return Promise.resolve({ status: 200, fields: [], body: null, ...judge(token) });
  };
  const call = (login: ServerLogin): Promise<number | string> =>
    login.send(new URL(world.url), send).then(
      ({ status }) => status,
      (cause: unknown) => (cause instanceof ServerLoginError ? cause.code : String(cause)),
    );
  const renewals = (): (string | null)[] =>
    world.issuer
      .to("POST /token")
      .filter(({ form }) => form.get("grant_type") === "refresh_token")
      .map(({ form }) => form.get("refresh_token"));
  const refused = { status: 401, fields: [["WWW-Authenticate", 'Bearer error="invalid_token"']] satisfies [string, string][] };
  beforeEach(() => {
    shown.length = 0;
    judge = () => ({});
  });

  it("has its token on each request, and asks nobody while that is good", async () => {
    const login = opened();
    expect([await call(login), await call(login)]).to.deep.equal([200, 200]);
    expect(shown).to.deep.equal(["Bearer access-1", "Bearer access-1"]);
    expect(renewals()).to.deep.equal([]);
  });

  it("is renewed once for all calls that wait, for the same resource, and keeps the new refresh token", async () => {
    ahead_ms = HOUR_MS;
    const login = opened();
    expect(await Promise.all(Array.from({ length: 10 }, () => call(login)))).to.deep.equal(Array(10).fill(200));
    expect(renewals()).to.deep.equal(["refresh-1"]);
    expect(world.issuer.to("POST /token").at(-1)?.form.get("resource")).to.equal(world.url);
    expect(new Set(shown)).to.deep.equal(new Set(["Bearer access-2"]));
    expect(kept()).to.include({ access_token: "access-2", refresh_token: "refresh-2" });
  });

  it("is renewed once by guards that share it: a refresh token that is used twice would end it", async () => {
    ahead_ms = HOUR_MS;
    const guards = [opened(), opened(), opened()];
    expect(await Promise.all(guards.map(call))).to.deep.equal([200, 200, 200]);
    expect(renewals()).to.deep.equal(["refresh-1"]);
  });

  it("is renewed where the server refuses its token, and the call is sent once more", async () => {
    judge = (token) => (token === "Bearer access-1" ? refused : {});
    expect(await call(opened())).to.equal(200);
    expect(shown).to.deep.equal(["Bearer access-1", "Bearer access-2"]);
  });

  it("keeps a refresh token that its server doesn't rotate", async () => {
    world.tokens["refresh_token"] = undefined;
    ahead_ms = HOUR_MS;
    expect(await call(opened())).to.equal(200);
    expect(kept()).to.include({ access_token: "access-2", refresh_token: "refresh-1" });
  });

  it("gives up a token that is refused although it is new, as one for another audience is: nobody is asked again", async () => {
    judge = () => refused;
    const login = opened();
    expect([await call(login), await call(login), await call(login)]).to.deep.equal(["login_needed", "login_needed", "login_needed"]);
    expect(shown).to.deep.equal(["Bearer access-1", "Bearer access-2"]);
    expect(renewals()).to.deep.equal(["refresh-1"]);
    expect(told).to.deep.equal(["the server refuses a token that is new"]);
    await world.signIn();
    judge = () => ({});
    expect(await call(login)).to.equal(200);
  });

  it("ends where its refresh token was used by somebody else, and tells so once", async () => {
    world.issuer.routes["POST /token"] = () => ({ status: 400, json: { error: "invalid_grant", error_description: "refresh-1 reused" } });
    ahead_ms = HOUR_MS;
    const login = opened();
    expect([await call(login), await call(login)]).to.deep.equal(["login_needed", "login_needed"]);
    expect(renewals()).to.deep.equal(["refresh-1"]);
    expect(kept()).to.include({ access_token: null, refresh_token: null });
    expect(told).to.deep.equal(["the login has ended"]);
    expect(shown).to.deep.equal([]);
    expect(() => {
      opened().check();
    }).to.throw(ServerLoginError, "the login has ended");
  });

  it("asks an authorization server that fails less and less often, and goes on once it answers", async () => {
    const route = world.issuer.routes["POST /token"];
    world.issuer.routes["POST /token"] = () => ({ status: 503, text: "" });
    ahead_ms = HOUR_MS;
    const login = opened();
    for (let i = 0; i < 5; i++) expect(await call(login)).to.equal("authorization_unavailable");
    expect(renewals()).to.have.lengthOf(1);
    ahead_ms += 1001;
    for (let i = 0; i < 5; i++) expect(await call(login)).to.equal("authorization_unavailable");
    expect(renewals()).to.have.lengthOf(2);
    if (route !== undefined) world.issuer.routes["POST /token"] = route;
    ahead_ms += 2001;
    expect(await call(login)).to.equal(200);
  });

  it("uses a token that is about to end while it can't be renewed", async () => {
    world.issuer.routes["POST /token"] = () => ({ status: 503, text: "" });
    ahead_ms = HOUR_MS - 10_000;
    expect(await call(opened())).to.equal(200);
    expect(shown).to.deep.equal(["Bearer access-1"]);
  });

  it("gives its refresh token to the server that gave it, and never to another that takes its place", async () => {
    world.metadata["issuer"] = world.other.origin;
    ahead_ms = HOUR_MS;
    expect(await call(opened())).to.equal("metadata_invalid");
    world.metadata = { token_endpoint: "https://10.1.2.3/token" };
    ahead_ms += HOUR_MS;
    expect(await call(opened())).to.equal("address_refused");
    expect(renewals()).to.deep.equal([]);
    expect(world.other.asked).to.deep.equal([]);
    expect(await call(opened({ issuer: world.other.origin }))).to.equal("login_needed");
  });

  it("goes to its own server alone", async () => {
    const login = opened();
    const answer = await login.send(new URL(world.other.origin), send).catch((cause: unknown) => (cause as ServerLoginError).code);
    expect([answer, shown]).to.deep.equal(["address_refused", []]);
  });

  describe("whose scopes don't do for a call", () => {
    const lacking = (scope: string): TokenJudgement => ({
      status: 403,
      fields: [["www-authenticate", `Bearer error="insufficient_scope", scope="${scope}"`]],
      body: null,
    });

    it("asks for them beside the others at the next login, and goes on with that", async () => {
      judge = (token) => (token === "Bearer access-1" ? lacking("crm.write") : {});
      const login = opened();
      expect([await call(login), await call(login)]).to.deep.equal(["login_needed", "login_needed"]);
      expect(told).to.deep.equal(["the server wants more scopes crm.write"]);
      expect(renewals()).to.deep.equal([]);
      await world.signIn();
      expect(world.issuer.to("GET /authorize").at(-1)?.url.searchParams.get("scope")).to.equal("crm.read crm.write");
      expect(await call(login)).to.equal(200);
      expect(kept()).to.deep.include({ wanted: [], scopes: ["crm.read", "crm.write"] });
    });

    it("asks for no others than its configuration names", async () => {
      judge = () => lacking("everything");
      const login = opened({ scopes: ["crm.read"] });
      expect(await call(login)).to.equal("login_needed");
      expect(kept()["wanted"]).to.deep.equal([]);
      await world.signIn({ scopes: ["crm.read"] });
      expect(world.issuer.to("GET /authorize").at(-1)?.url.searchParams.get("scope")).to.equal("crm.read");
    });

    it("keeps of them what can be scopes, and not without bound", async () => {
      judge = () => lacking(`a b\\c ${Array.from({ length: 500 }, (_, i) => `s${i}`).join(" ")}`);
      expect(await call(opened())).to.equal("login_needed");
      const { wanted } = kept() as { wanted: string[] };
      expect([wanted.length, wanted.includes("b\\c")]).to.deep.equal([64, false]);
    });

    it("passes on a refusal that is about something else", async () => {
      judge = () => ({ status: 403, fields: [["www-authenticate", "Bearer"]] });
      expect(await call(opened())).to.equal(403);
    });
  });

  describe("is kept in a file", () => {
    it("of its user alone, whatever the umask", async () => {
      const before = process.umask(0);
      try {
        await world.signIn();
      } finally {
        process.umask(before);
      }
      expect([statSync(file()).mode & 0o777, statSync(folder()).mode & 0o777]).to.deep.equal([0o600, 0o700]);
      expect(readdirSync(folder()).filter((name) => !name.endsWith(".json"))).to.deep.equal([]);
    });

    const SPOILT: [what: string, spoil: () => void, said: RegExp][] = [
      ["that others may read", () => { chmodSync(file(), 0o640); }, /isn't yours alone/],
      ["that others may write", () => { chmodSync(file(), 0o602); }, /isn't yours alone/],
      ["that is no JSON", () => { writeFileSync(file(), "{"); }, /can't be read/],
      ["that lacks a member", () => { writeFileSync(file(), "{}"); }, /isn't the file of a login/],
      ["with a member more", () => { writeFileSync(file(), JSON.stringify({ ...kept(), more: 1 })); }, /isn't the file of a login/],
    ]; // prettier-ignore
    for (const [what, spoil, said] of SPOILT) {
      it(`and not in one ${what}`, () => {
        spoil();
        expect(() => {
          opened().check();
        }).to.throw(ServerLoginError, said);
      });
    }

    it("and not in a folder that others may write to", async () => {
      chmodSync(folder(), 0o777);
      ahead_ms = HOUR_MS;
      expect(await call(opened())).to.equal("login_file_unsafe");
      expect(renewals()).to.deep.equal([]);
    });

    it("and is for its server, wherever the file is put", async () => {
      const server = oauthServer(world.config().server);
      if (server === null) throw new Error("no login in the configuration");
      const from = loginFileOf(server).path;
      const elsewhere = new LoginFile(folder(), { url: `${world.server.origin}/other`, issuer: undefined, client_id: undefined });
      copyFileSync(from, elsewhere.path);
      const login = openLogin({ ...server, url: `${world.server.origin}/other` }, { clock, timers: system.timers });
      expect(await login?.send(new URL(world.url), send).catch((cause: unknown) => (cause as Error).message)).to.match(
        /^the login is for another server/,
      );
      expect(shown).to.deep.equal([]);
    });

    it("and isn't there before somebody has signed in", () => {
      const empty = join(files.dir, "empty");
      mkdirSync(empty);
      expect(() => {
        opened({ logins: empty }).check();
      }).to.throw(ServerLoginError, "nobody has signed in: sign in with `remit guard mcp login`");
    });
  });
});
