import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { once } from "node:events";
import { connect, type AddressInfo, type Socket } from "node:net";
import { expect } from "chai";
import jwt from "jsonwebtoken";
import Provider from "oidc-provider";
import type { RecordPage } from "../../src/contract/index.js";
import { ConsoleDesk, SignedIn, type ConsoleAnswer } from "./running.js";

const CLIENT = "remit-console";
const GROUPS = { security: ["remit:audit", "remit:review", "remit:revoke"], readers: ["remit:audit"] };
const OTHER_KEY = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;

interface Identity {
  email?: unknown;
  email_verified?: boolean;
  groups?: unknown;
}

async function listening(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ server: Server; issuer: string }> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, issuer: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const section = (issuer: string): object => ({ oidc: { issuer, client_id: CLIENT, groups: GROUPS } });
const cookieOf = (answer: ConsoleAnswer, at = 0): string => (answer.headers["set-cookie"]?.[at] ?? "").split(";")[0] ?? "";

describe("sign-in by OpenID Connect", function () {
  describe("at a provider that keeps to the standards", () => {
    let server: Server;
    let desk: ConsoleDesk;
    let identity: Identity;
    let handle: (request: IncomingMessage, response: ServerResponse) => void;
    before(async () => {
      const listened = await listening((request, response) => {
        handle(request, response);
      });
      ({ server } = listened);
      desk = await ConsoleDesk.open(section(listened.issuer), { local: false });
      const provider = new Provider(listened.issuer, {
        clients: [
          {
            ...{ client_id: CLIENT, token_endpoint_auth_method: "none", application_type: "native", require_auth_time: true },
            ...{ redirect_uris: [`${desk.running.url}/login/callback`], grant_types: ["authorization_code"], response_types: ["code"] },
          },
        ],
        pkce: { required: () => true },
        conformIdTokenClaims: false,
        ttl: { Interaction: 60, Grant: 60, Session: 60 },
        claims: { openid: ["sub", "email", "email_verified", "groups"] },
        scopes: ["openid", "email", "profile"],
        features: { devInteractions: { enabled: false } },
        interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
        findAccount: (_context, sub) => ({ accountId: sub, claims: () => ({ sub, ...identity }) }),
        loadExistingGrant: async (context) => {
          const grant = new context.oidc.provider.Grant({ clientId: CLIENT, accountId: context.oidc.session?.accountId ?? "" });
          grant.addOIDCScope("openid email profile");
          await grant.save();
          return grant;
        },
      });
      const answer = provider.callback();
      handle = (request, response) => {
        if (request.url?.startsWith("/interaction/") === true)
          void provider.interactionFinished(request, response, { login: { accountId: "u-1" }, consent: {} });
        else void answer(request, response);
      };
    });
    beforeEach(() => {
      identity = { email: "ada@example.com", email_verified: true, groups: ["security", "others"] };
    });
    after(async () => {
      await desk.close();
      server.closeAllConnections();
      server.close();
    });

    /** Follows the provider's redirects as a browser would, to the console's own address. */
    async function throughProvider(location: string): Promise<string> {
      const jar = new Map<string, string>();
      const hops: string[] = [];
      for (let next = location; hops.length < 12; hops.push(next)) {
        if (next.startsWith(desk.running.url)) return next.slice(desk.running.url.length);
        const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
        const response = await fetch(next, { redirect: "manual", headers: { cookie } });
        for (const set of response.headers.getSetCookie()) {
          const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
          jar.set(name, value);
        }
        const to = response.headers.get("location");
        if (to === null) throw new Error(`${next}: ${response.status} ${await response.text()}`);
        next = new URL(to, next).href;
      }
      throw new Error(`the provider leads nowhere: ${hops.join(" ")}`);
    }

    async function begun(to = "/"): Promise<{ callback: string; cookie: string }> {
      const first = await desk.ask(`/login?to=${encodeURIComponent(to)}`);
      expect(first.status).to.equal(303);
      return { callback: await throughProvider(first.headers.location ?? ""), cookie: cookieOf(first) };
    }
    const ended = ({ callback, cookie }: { callback: string; cookie: string }): Promise<ConsoleAnswer> =>
      desk.ask(callback, cookie === "" ? {} : { headers: { cookie } });

    it("signs a person in, with the scopes of the person's groups", async () => {
      const first = await desk.ask("/login");
      const asked = new URL(first.headers.location ?? "").searchParams;
      expect(Object.fromEntries(asked)).to.include({ response_type: "code", code_challenge_method: "S256", client_id: CLIENT });
      for (const name of ["state", "nonce", "code_challenge"]) expect(asked.get(name), name).to.have.lengthOf(43);
      const answer = await ended(await begun("/live?agent=support-1"));
      expect(answer.status).to.equal(303);
      expect(answer.headers.location).to.equal("/live?agent=support-1");
      const me = await desk.ask("/api/me", { headers: { cookie: cookieOf(answer), "sec-fetch-site": "same-origin" } });
      const said = JSON.parse(me.text) as { person: string; scopes: string[]; csrf: string };
      expect(said).to.deep.include({ person: "ada@example.com", scopes: GROUPS.security });
      const ada = new SignedIn(desk, cookieOf(answer), said.csrf);
      expect((await ada.send("/revocations", { scope: { agent: "support-2" }, reason: "incident 12" })).status).to.equal(200);
      const { body } = await desk.desk.ask("GET", "/revocations/agent/support-2");
      expect(body).to.include({ by: "console:ada@example.com" });
    });

    it("lets a sign-in that isn't recent narrow, and widen nothing", async () => {
      const answer = await ended(await begun());
      const cookie = cookieOf(answer);
      const { text } = await desk.ask("/api/me", { headers: { cookie, "sec-fetch-site": "same-origin" } });
      const ada = new SignedIn(desk, cookie, (JSON.parse(text) as { csrf: string }).csrf);
      const before = desk.desk.clock.wall_ms;
      // A sign-in in the future of the desk's clock would count as recent.
      desk.desk.clock.wall_ms = Date.now() + 10 * 60_000;
      try {
        expect((await ada.send("/revocations/agent/support-2/lift", { reason: "a mistake" })).code).to.equal("login_stale");
        expect((await ada.send("/agents/support-1", { status: "active", reason: "x" }, { method: "PATCH" })).code).to.equal("login_stale");
      } finally {
        desk.desk.clock.wall_ms = before;
      }
    });

    const refused: [what: string, change: (found: { callback: string; cookie: string }) => { callback: string; cookie: string }][] = [
      ["of a browser that has begun none", (found) => ({ ...found, cookie: "" })],
      ["with another state", ({ callback, cookie }) => ({ callback: callback.replace(/state=[^&]+/, "state=x"), cookie })],
      ["without a state", ({ callback, cookie }) => ({ callback: callback.replace(/state=[^&]+&?/, ""), cookie })],
      ["with another code", ({ callback, cookie }) => ({ callback: callback.replace(/code=[^&]+/, "code=x"), cookie })],
      ["with two codes", ({ callback, cookie }) => ({ callback: `${callback}&code=x`, cookie })],
      [
        "of another issuer",
        ({ callback, cookie }) => ({ callback: callback.replace(/iss=[^&]+/, "iss=http%3A%2F%2F127.0.0.1%3A1"), cookie }),
      ],
      ["with a cookie that was altered", ({ callback, cookie }) => ({ callback, cookie: `${cookie.slice(0, -4)}AAAA` })],
      ["with a cookie of nonsense", ({ callback, cookie }) => ({ callback, cookie: `${cookie.split("=")[0] ?? ""}=AAAA` })],
      [
        "that the provider refused",
        ({ callback, cookie }) => ({ callback: callback.replace(/code=[^&]+/, "error=access_denied"), cookie }),
      ],
    ];
    for (const [what, change] of refused)
      it(`refuses one ${what}`, async () => {
        const answer = await ended(change(await begun()));
        expect(answer.code).to.equal("login_refused");
        expect(answer.headers["set-cookie"]).to.equal(undefined);
      });

    it("refuses one that another browser began, and a code that was used", async () => {
      const [mine, theirs] = [await begun(), await begun()];
      expect((await ended({ callback: theirs.callback, cookie: mine.cookie })).code).to.equal("login_refused");
      const used = await begun();
      expect((await ended(used)).status).to.equal(303);
      expect((await ended(used)).code).to.equal("login_refused");
    });

    const people: [what: string, identity: Identity][] = [
      ["who is in no group that counts", { email: "eve@example.com", email_verified: true, groups: ["others"] }],
      ["without groups", { email: "eve@example.com", email_verified: true }],
      ["in a group that every object has", { email: "eve@example.com", email_verified: true, groups: ["constructor", "__proto__"] }],
      ["whose groups aren't names", { email: "eve@example.com", email_verified: true, groups: [{ security: true }, 1, null] }],
      ["whose address nobody has verified", { email: "ada@example.com", email_verified: false, groups: ["security"] }],
      ["without an address", { groups: ["security"] }],
      ["whose address isn't a text", { email: ["ada@example.com"], email_verified: true, groups: ["security"] }],
      ["whose address turns round", { email: "ada\u202e@example.com", email_verified: true, groups: ["security"] }],
      ["whose address is two", { email: "ada@example.com\nroot@example.com", email_verified: true, groups: ["security"] }],
    ];
    for (const [what, person] of people)
      it(`refuses somebody ${what}`, async () => {
        identity = person;
        expect((await ended(await begun())).code).to.equal("login_refused");
      });

    for (const to of [
      "//evil.example",
      "/\\evil.example",
      "https://evil.example",
      "javascript:alert(1)",
      "/\t/evil.example",
      "/a\\b",
      "/a\r\nset-cookie: x=1",
      "",
    ])
      it(`goes to its own first page, and not to ${JSON.stringify(to)}`, async () => {
        expect((await ended(await begun(to))).headers.location).to.equal("/");
      });
  });

  describe("at a provider that lies", () => {
    const key = generateKeyPairSync("rsa", { modulusLength: 2048 });
    let server: Server;
    let issuer: string;
    let desk: ConsoleDesk;
    let token: (claims: Record<string, unknown>, sign: (claims: object, key?: KeyObject, algorithm?: "RS256" | "none") => string) => string;
    let asked: URLSearchParams;
    before(async () => {
      ({ server, issuer } = await listening((request, response) => {
        const send = (value: object): void => {
          response.writeHead(200, { "content-type": "application/json" });
          response.end(JSON.stringify(value));
        };
        if (request.url === "/.well-known/openid-configuration")
          send({
            ...{ issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/jwks` },
            id_token_signing_alg_values_supported: ["RS256"],
          });
        else if (request.url === "/jwks")
          send({ keys: [{ ...key.publicKey.export({ format: "jwk" }), kid: "k1", alg: "RS256", use: "sig" }] });
        else if (request.url === "/token") {
          const now = Math.floor(Date.now() / 1000);
          const claims = {
            ...{ iss: issuer, aud: CLIENT, sub: "u-1", iat: now, exp: now + 60, nonce: asked.get("nonce") },
            ...{ email: "ada@example.com", email_verified: true, groups: ["security"] },
          };
          const sign = (of: object, by: KeyObject = key.privateKey, algorithm: "RS256" | "none" = "RS256"): string =>
            algorithm === "none" ? jwt.sign(of, null, { algorithm }) : jwt.sign(of, by, { algorithm, keyid: "k1" });
          request.resume();
          send({ access_token: "a", token_type: "bearer", id_token: token(claims, sign) });
        } else {
          response.writeHead(404);
          response.end();
        }
      }));
      desk = await ConsoleDesk.open(section(issuer), { local: false });
    });
    after(async () => {
      await desk.close();
      server.closeAllConnections();
      server.close();
    });

    async function signIn(make: typeof token, at = desk): Promise<ConsoleAnswer> {
      token = make;
      const first = await at.ask("/login");
      asked = new URL(first.headers.location ?? "").searchParams;
      return at.ask(`/login/callback?code=c&state=${asked.get("state") ?? ""}`, { headers: { cookie: cookieOf(first) } });
    }

    /** Signs a person in by a token that is as it should be, with these claims. */
    async function signedIn(claims: object, at = desk): Promise<SignedIn> {
      const cookie = cookieOf(await signIn((given, sign) => sign({ ...given, ...claims }), at));
      const me = await at.ask("/api/me", { headers: { cookie, "sec-fetch-site": "same-origin" } });
      return new SignedIn(at, cookie, (JSON.parse(me.text) as { csrf: string }).csrf);
    }

    it("would sign in with a token that is as it should be", async () => {
      expect((await signIn((claims, sign) => sign(claims))).status).to.equal(303);
    });

    const lies: [what: string, make: typeof token][] = [
      ["another nonce", (claims, sign) => sign({ ...claims, nonce: "x" })],
      ["no nonce", ({ nonce: _, ...claims }, sign) => sign(claims)],
      ["another audience", (claims, sign) => sign({ ...claims, aud: "somebody-else" })],
      ["two audiences, and no party", (claims, sign) => sign({ ...claims, aud: [CLIENT, "other"] })],
      ["another issuer", (claims, sign) => sign({ ...claims, iss: "https://evil.example" })],
      ["a time that is over", (claims, sign) => sign({ ...claims, iat: 1, exp: 2 })],
      ["no subject", ({ sub: _, ...claims }, sign) => sign(claims)],
      ["another's signature", (claims, sign) => sign(claims, OTHER_KEY)],
      ["no signature", (claims, sign) => sign(claims, undefined, "none")],
      ["a signature cut short", (claims, sign) => sign(claims).slice(0, -6)],
      ["text that is no token", () => "nonsense"],
    ];
    for (const [what, make] of lies)
      it(`refuses a token with ${what}`, async () => {
        const answer = await signIn(make);
        expect(answer.code).to.equal("login_refused");
        expect(answer.headers["set-cookie"]).to.equal(undefined);
      });

    it("tells the service when the person signed in: on record before what the person did then", async () => {
      const auth_time = Math.floor(Date.now() / 1000) - 7;
      const ada = await signedIn({ auth_time });
      const answer = await ada.send("/revocations", { scope: { agent: "support-2" }, reason: "seen" });
      expect(answer.status).to.equal(200);
      const found = async (): Promise<RecordPage["items"]> => {
        const { body } = await desk.desk.ask("GET", "/decisions?kind=admin,facts&caller=console:ada@example.com&order=oldest");
        return (body as unknown as RecordPage).items;
      };
      // They are found some time after they are on disk.
      let items = await found();
      while (items.length < 2) items = await found();
      const [signIn, change] = items.map(({ record }) => record as unknown as Record<string, unknown>);
      expect(signIn).to.deep.include({ action: "signed_in", detail: { auth_time: new Date(auth_time * 1000).toISOString() } });
      expect(change).to.include({ change: "revoked", reason: "seen" });
    });

    it("leaves room to stop something, and for nothing else, if as many people as there are places have a page open", async () => {
      const crowded = await ConsoleDesk.open({ ...section(issuer), listen: { port: 0, connections_max: 16 } }, { local: false });
      const pages: Socket[] = [];
      try {
        const people: SignedIn[] = [];
        for (let i = 0; i < 14; i++) people.push(await signedIn({ email: `user-${i}@example.com` }, crowded));
        for (const { cookie } of people) {
          const page = connect(Number(new URL(crowded.running.url).port), "127.0.0.1");
          page.on("error", () => undefined);
          pages.push(page);
          page.write(`GET /api/stream HTTP/1.1\r\nhost: ${crowded.host}\r\ncookie: ${cookie}\r\nsec-fetch-site: same-origin\r\n\r\n`);
          await once(page, "data");
        }
        const [first] = people as [SignedIn];
        expect((await first.get("/api/me")).code).to.equal("connections_full");
        const stopped = await first.send("/revocations", { scope: { agent: "support-1" }, reason: "crowded" });
        expect(stopped.status).to.equal(200);
        expect(pages.filter(({ destroyed }) => destroyed)).to.deep.equal([]);
      } finally {
        for (const page of pages) page.destroy();
        await crowded.close();
      }
    });
  });
});
