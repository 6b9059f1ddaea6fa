/** Tokens as identity providers issue them: each form is accepted, or refused by a rule that `docs/identity.md` has. */
import { expect } from "chai";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sign } from "node:crypto";
import { Problem, type Scope } from "../../src/contract/index.js";
import { configuredIdentity } from "../../src/identity/configured_identity.js";
import type { JwtIdentity } from "../../src/identity/jwt.js";
import { parseConfig } from "../../src/system/config.js";
import { system } from "../../src/system/index.js";
import { skip } from "../skip.js";
import { makeTlsFiles, type TlsFiles } from "../tls_files.js";
import { rsa } from "./tokens.js";

type Json = Record<string, unknown>;

const YEAR_S = 31_536_000;
const jwk = (more: Json = {}): Json => ({ ...rsa.publicKey.export({ format: "jwk" }), kid: "rsa-1", use: "sig", ...more });

/** Publishes what identity providers do: key sets under several forms, metadata, and a redirect. */
const PUBLISHED: Record<string, (origin: string) => Json> = {
  "/keys": () => ({ keys: [jwk({ alg: "RS256" })] }),
  "/keys-without-alg": () => ({ keys: [jwk()] }),
  "/bundle-svid": () => ({ keys: [jwk({ use: "jwt-svid" })] }),
  "/bundle-none": () => ({ keys: [jwk({ use: undefined })] }),
  "/bundle-x509": () => ({ keys: [jwk({ use: "x509-svid" })] }),
  "/tenant/.well-known/openid-configuration": (origin) => ({ issuer: `${origin}/tenant`, jwks_uri: `${origin}/keys` }),
  "/slash/.well-known/openid-configuration": (origin) => ({ issuer: `${origin}/slash/`, jwks_uri: `${origin}/keys` }),
  "/other/.well-known/openid-configuration": (origin) => ({ issuer: `${origin}/tenant`, jwks_uri: `${origin}/keys` }),
  "/plain/.well-known/openid-configuration": (origin) => ({ issuer: `${origin}/plain`, jwks_uri: "http://keys.example/keys" }),
  "/bare/.well-known/openid-configuration": (origin) => ({ issuer: `${origin}/bare` }),
};

const answer =
  (origin: () => string): RequestListener =>
  (request, response) => {
    const { url = "" } = request;
    if (url === "/moved") response.writeHead(302, { location: `${origin()}/keys` }).end();
    else if (Object.hasOwn(PUBLISHED, url)) response.end(JSON.stringify(PUBLISHED[url]?.(origin())));
    else response.writeHead(404).end();
  };

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
function signed(claims: Json, header: Json): string {
  const input = `${encode({ alg: "RS256", typ: "JWT", kid: "rsa-1", ...header })}.${encode(claims)}`;
  return `${input}.${sign("sha256", Buffer.from(input), rsa.privateKey).toString("base64url")}`;
}

interface Form {
  form: string;
  /** `accepted`, or the code (and the reason) of its refusal. */
  is: string;
  issuer?: string;
  claims?: Json;
  header?: Json;
  /** Keys of the issuer's configuration. */
  configured?: Json;
  keys?: string;
  callers?: Json;
  identity?: Json;
}

const LOGIN = "https://login.example.com";
const KUBERNETES = "system:serviceaccount:agents:gateway";
const GITHUB = "repo:example/agents:ref:refs/heads/main";
const SVID = "spiffe://example.org/ns/agents/sa/gateway";
const decides = (caller: string): Json => ({ [caller]: { scopes: ["remit:decide"] } });
const spiffe = { spiffe_trust_domain: "example.org" };

const CALLERS: readonly Form[] = [
  // Entra
  {
    form: "Entra v2, delegated: `scp` as a text",
    is: "accepted",
    claims: { scp: "remit:decide User.Read" },
    configured: { scopes_claim: "scp" },
  },
  {
    form: "Entra v2, application: `roles` as a list",
    is: "accepted",
    claims: { roles: ["remit:decide"] },
    configured: { scopes_claim: ["scp", "roles"] },
  },
  { form: "Entra v2 where nothing says that `scp` has the scopes", is: "scope_missing", claims: { scp: "remit:decide" } },
  // Okta, Auth0, Keycloak
  { form: "Okta, `scp` as a list", is: "accepted", claims: { scp: ["remit:decide", "openid"] }, configured: { scopes_claim: "scp" } },
  {
    form: "Auth0, `scope`, with the userinfo endpoint as a second audience",
    is: "accepted",
    claims: { aud: ["remit", `${LOGIN}/userinfo`], scope: "openid remit:decide" },
  },
  {
    form: "Auth0 with RBAC, `permissions`",
    is: "accepted",
    claims: { scope: "openid", permissions: ["remit:decide"] },
    configured: { scopes_claim: "permissions" },
  },
  { form: "Keycloak, `scope` and an audience mapper", is: "accepted", claims: { scope: "email remit:decide" } },
  {
    form: "Keycloak, realm roles",
    is: "accepted",
    claims: { realm_access: { roles: ["remit:decide"] } },
    configured: { scopes_claim: "realm_access.roles" },
  },
  {
    form: "Keycloak without an audience mapper: `aud` is `account`",
    is: "token_invalid audience",
    claims: { aud: "account", scope: "remit:decide" },
  },
  {
    form: "scopes with an address before them",
    is: "accepted",
    claims: { scope: `${LOGIN}/remit.decide` },
    configured: { scope_prefix: `${LOGIN}/remit.` },
  },
  // Workloads, whose tokens have no scopes
  { form: "GitHub Actions", is: "accepted", claims: { sub: GITHUB }, callers: decides(GITHUB) },
  {
    form: "a Kubernetes service account",
    is: "accepted",
    claims: { aud: ["remit"], sub: KUBERNETES, "kubernetes.io": { namespace: "agents" } },
    callers: decides(KUBERNETES),
  },
  {
    form: "a Google identity token",
    is: "accepted",
    claims: { sub: "112233", azp: "112233", email: "gw@p.iam.gserviceaccount.com" },
    callers: decides("112233"),
  },
  {
    form: "an AWS web identity token",
    is: "accepted",
    claims: { sub: "arn:aws:iam::123456789012:role/gateway", jti: "j-1" },
    callers: decides("arn:aws:iam::123456789012:role/gateway"),
  },
  {
    form: "a JWT-SVID without `iss`",
    is: "accepted",
    claims: { iss: undefined, sub: SVID },
    configured: spiffe,
    keys: "/bundle-svid",
    callers: decides(SVID),
  },
  { form: "a workload that `callers` gives no scopes", is: "scope_missing", claims: { sub: KUBERNETES }, callers: decides(GITHUB) },
  // Forms
  { form: "a `scope` that is a list", is: "accepted", claims: { scope: ["remit:decide"] } },
  { form: "the type `application/at+jwt`", is: "accepted", claims: { scope: "remit:decide" }, header: { typ: "application/at+jwt" } },
  { form: "no `sub`", is: "token_invalid claims", claims: { sub: undefined, scope: "remit:decide" } },
  { form: "a year's life, as Kubernetes secrets have", is: "token_invalid lifetime", claims: { exp: YEAR_S, scope: "remit:decide" } },
  {
    form: "a year's life where that is configured",
    is: "accepted",
    claims: { exp: YEAR_S, scope: "remit:decide" },
    identity: { token_lifetime_max_s: 366 * 86_400 },
  },
  { form: "bound to a key (`cnf`)", is: "token_invalid bound", claims: { scope: "remit:decide", cnf: { jkt: "x" } } },
  { form: "keys behind a redirect", is: "keys_unavailable", claims: { scope: "remit:decide" }, keys: "/moved" },
];

const AGENTS: readonly (Form & { acts?: string; for?: string })[] = [
  { form: "Entra, whose keys have no `alg`", is: "accepted", keys: "/keys-without-alg", acts: "agent-7" },
  { form: "Okta", is: "accepted", claims: { scp: ["x"] }, acts: "agent-7" },
  { form: "GitHub Actions", is: "accepted", claims: { sub: GITHUB }, acts: GITHUB },
  { form: "a Kubernetes service account", is: "accepted", claims: { aud: ["remit-agents"], sub: KUBERNETES }, acts: KUBERNETES },
  {
    form: "a JWT-SVID with `iss`, its key for `jwt-svid`",
    is: "accepted",
    claims: { sub: SVID },
    configured: spiffe,
    keys: "/bundle-svid",
    acts: SVID,
  },
  {
    form: "a JWT-SVID without `iss`, its key for nothing said",
    is: "accepted",
    claims: { iss: undefined, sub: SVID },
    configured: spiffe,
    keys: "/bundle-none",
    acts: SVID,
  },
  {
    form: "a JWT-SVID, its key for `sig` (SPIRE's OpenID Connect provider)",
    is: "accepted",
    claims: { sub: SVID },
    configured: spiffe,
    acts: SVID,
  },
  {
    form: "a JWT-SVID, its key for certificates",
    is: "token_invalid key",
    claims: { sub: SVID },
    configured: spiffe,
    keys: "/bundle-x509",
  },
  { form: "RFC 8693, an actor", is: "accepted", claims: { sub: "ada", act: { sub: "agent-7" } }, acts: "agent-7", for: "ada" },
  {
    form: "RFC 8693, an actor within",
    is: "accepted",
    claims: { sub: "ada", act: { sub: "agent-7", act: { sub: "agent-6" } } },
    acts: "agent-7",
    for: "ada",
  },
  {
    form: "RFC 8693, an actor with its issuer",
    is: "accepted",
    claims: { sub: "ada", act: { sub: "agent-7", iss: LOGIN } },
    acts: "agent-7",
    for: "ada",
  },
  {
    form: "an actor that is named by `client_id` alone",
    is: "token_invalid actors",
    claims: { sub: "ada", act: { client_id: "agent-7" } },
  },
  {
    form: "an actor of another issuer",
    is: "token_invalid actors",
    claims: { sub: "ada", act: { sub: "agent-7", iss: "https://other.example" } },
  },
  {
    form: "Entra on behalf of a user, `azp` as the actor",
    is: "accepted",
    claims: { sub: "ada", azp: "agent-7" },
    configured: { actor_claim: "azp" },
    acts: "agent-7",
    for: "ada",
  },
  { form: "`azp` configured, and none there", is: "token_invalid actors", claims: { sub: "ada" }, configured: { actor_claim: "azp" } },
];

describe("tokens as identity providers issue them", () => {
  let dir: string;
  let origin = "";
  let server: Server;
  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "remit-providers-"));
    server = createServer(answer(() => origin)).listen(0, "127.0.0.1");
    await once(server, "listening");
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
    rmSync(dir, { recursive: true, force: true });
  });

  function identityOf(issuer: Json, callers?: Json, more: Json = {}, reports: string[] = []): JwtIdentity {
    const configured = {
      identity: { issuers: [{ audience: { callers: "remit", agents: "remit-agents" }, ...issuer }], ...more },
      ...{ bundle: { name: "b", path: "b", keys: ["k"], state_dir: "s" }, facts: { store: "f" }, log: { dir: "l" } },
      ...(callers !== undefined && { callers }),
    };
    return configuredIdentity(parseConfig(JSON.stringify(configured), join(dir, "remit.yaml")), system, false, {
      loaded: (_url, kids) => reports.push(`loaded ${kids.join()}`),
      failed: (_url, detail) => reports.push(detail),
    });
  }

  function whoFor({ issuer = LOGIN, keys = "/keys", configured = {}, callers, identity }: Form): JwtIdentity {
    const remote = { url: origin + keys, algorithms: ["RS256"] };
    return identityOf({ issuer, remote, ...configured }, callers, identity);
  }

  function tokenFor({ issuer = LOGIN, claims = {}, header = {} }: Form, audience: string, subject: string): string {
    const nowS = Math.floor(Date.now() / 1000);
    const { exp: life = 600, ...others } = claims as { exp?: number };
    return signed({ iss: issuer, sub: subject, aud: audience, iat: nowS - 5, exp: nowS + life, ...others }, header);
  }

  async function outcome(show: () => unknown): Promise<string> {
    try {
      await show();
      return "accepted";
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return [error.code, error.detail.reason].filter(Boolean).join(" ");
    }
  }
  const ask = (who: JwtIdentity, token: string, scope: Scope = "remit:decide") => who.authenticate(`Bearer ${token}`, scope);

  for (const row of CALLERS) {
    it(`${row.is === "accepted" ? "are accepted from" : `are refused (${row.is}) from`} a caller: ${row.form}`, async () => {
      const [who, token] = [whoFor(row), tokenFor(row, "remit", "gateway")];
      expect(await outcome(() => ask(who, token))).to.equal(row.is);
      // No form gives more than it names.
      expect(await outcome(() => ask(who, token, "remit:admin"))).to.equal(row.is === "accepted" ? "scope_missing" : row.is);
    });
  }

  for (const row of AGENTS) {
    it(`${row.is === "accepted" ? "are accepted from" : `are refused (${row.is}) from`} an agent: ${row.form}`, async () => {
      const [who, token] = [whoFor(row), tokenFor(row, "remit-agents", "agent-7")];
      expect(await outcome(() => who.agentProof(token))).to.equal(row.is);
      if (row.is !== "accepted") return;
      const { actor, principal } = await who.agentProof(token);
      expect([actor.subject, principal?.subject]).to.deep.equal([row.acts, row.for]);
    });
  }

  it("are 23 forms of callers and 15 of agents", () => {
    expect([CALLERS.length, AGENTS.length]).to.deep.equal([23, 15]);
  });

  it("name as scopes what they say, by its exact name and no more", async () => {
    const words: [claims: Json, configured: Json, is: string][] = [
      [{ scope: "remit:admin remit:decide" }, { scopes_max: ["remit:decide"] }, "remit:decide"],
      [{ scope: "remit:admin" }, { scopes_max: [] }, ""],
      [{ scope: "Remit:decide remit:decide\t decide" }, {}, ""],
      [{ scope: "admin remit:decide" }, { scope_prefix: "x." }, ""],
      [{ scope: "x.decide ssf.read remit:admin x.x.admin xremit:admin x.remit:audit" }, { scope_prefix: "x." }, "remit:decide ssf.read"],
      [{ scope: "remit:admin", scp: "remit:decide" }, { scopes_claim: "scp" }, "remit:decide"],
      [{ scp: "remit:decide", roles: ["remit:observe"] }, { scopes_claim: ["scp", "roles"] }, "remit:decide remit:observe"],
      [{ scp: "constructor __proto__" }, { scopes_claim: "scp" }, ""],
      [{ roles: ["remit:decide remit:admin"] }, { scopes_claim: "roles" }, ""],
      [{ realm_access: {} }, { scopes_claim: "realm_access.roles" }, ""],
      [{}, { scopes_claim: "realm_access.roles" }, ""],
      [{}, { scopes_claim: "constructor.name" }, ""],
    ];
    for (const [claims, configured, is] of words) {
      const form = { form: "", is: "", claims, configured };
      const { scopes } = await who(form);
      expect([...scopes].sort().join(" "), JSON.stringify([claims, configured])).to.equal(is);
    }

    async function who(form: Form): Promise<{ scopes: ReadonlySet<Scope> }> {
      const asked = whoFor({ ...form, callers: { other: {} } });
      const token = tokenFor(form, "remit", "gateway");
      const found = new Set<Scope>();
      for (const scope of ["remit:decide", "remit:observe", "remit:admin", "remit:audit", "ssf.read"] as const)
        if ((await outcome(() => ask(asked, token, scope))) === "accepted") found.add(scope);
      return { scopes: found };
    }
  });

  it("are refused where a claim that has to hold scopes holds something else", async () => {
    for (const scp of [7, null, true, {}, [7], ["remit:decide", null], [["remit:decide"]]])
      expect(
        await outcome(() =>
          ask(
            whoFor({ form: "", is: "", configured: { scopes_claim: "scp" } }),
            tokenFor({ form: "", is: "", claims: { scp } }, "remit", "gateway"),
          ),
        ),
        JSON.stringify(scp),
      ).to.equal("token_invalid claims");
    for (const realm_access of ["roles", 7, ["roles"], null])
      expect(
        await outcome(() =>
          ask(
            whoFor({ form: "", is: "", configured: { scopes_claim: "realm_access.roles" } }),
            tokenFor({ form: "", is: "", claims: { realm_access } }, "remit", "gateway"),
          ),
        ),
      ).to.equal("token_invalid claims");
  });

  it("have what `callers` gives in place of what they say, within the issuer's cap", async () => {
    const form: Form = {
      form: "",
      is: "",
      claims: { scope: "remit:admin" },
      callers: decides("gateway"),
      configured: { scopes_max: ["remit:decide", "remit:observe"] },
    };
    const [who, token] = [whoFor(form), tokenFor(form, "remit", "gateway")];
    expect(await outcome(() => ask(who, token))).to.equal("accepted");
    for (const scope of ["remit:admin", "remit:observe"] as const)
      expect(await outcome(() => ask(who, token, scope)), scope).to.equal("scope_missing");
  });

  describe("by an issuer's metadata", () => {
    const rows: [path: string, is: string, report: RegExp][] = [
      ["/tenant", "accepted", /^loaded rsa-1$/],
      ["/slash/", "accepted", /^loaded rsa-1$/],
      ["/other", "keys_unavailable", /^metadata of another issuer$/],
      ["/plain", "keys_unavailable", /^a `jwks_uri` that isn't `https`$/],
      ["/bare", "keys_unavailable", /^metadata without `issuer` and `jwks_uri`$/],
      ["/nowhere", "keys_unavailable", /^status 404, not 200$/],
    ];
    for (const [path, is, report] of rows) {
      it(`are ${is} at ${path}`, async () => {
        const reports: string[] = [];
        const issuer = origin + path;
        const who = identityOf({ issuer, remote: { discovery: true, algorithms: ["RS256"] } }, undefined, {}, reports);
        expect(
          await outcome(() => ask(who, tokenFor({ form: "", is, issuer, claims: { scope: "remit:decide" } }, "remit", "gateway"))),
        ).to.equal(is);
        expect(reports).to.have.length(1);
        expect(reports[0]).to.match(report);
      });
    }
  });

  describe("whose keys are behind a private authority", () => {
    let tls: TlsFiles;
    let secure: Server;
    let at = "";
    before(async function () {
      const made = makeTlsFiles(dir);
      if (made === null) skip(this, "no openssl");
      tls = made;
      secure = createHttpsServer(
        tls,
        answer(() => at),
      ).listen(0, "127.0.0.1");
      await once(secure, "listening");
      at = `https://127.0.0.1:${(secure.address() as AddressInfo).port}`;
    });
    after(() => {
      secure.closeAllConnections();
      secure.close();
    });

    for (const [what, place] of [
      ["named by their address", (): Json => ({ issuer: LOGIN, remote: { url: `${at}/keys` } })],
      ["found by metadata", (): Json => ({ issuer: `${at}/tenant`, remote: { discovery: true } })],
    ] as const) {
      it(`are accepted once \`ca\` says so, and not before: ${what}`, async () => {
        const { issuer, remote } = place() as { issuer: string; remote: Json };
        const token = tokenFor({ form: "", is: "", issuer, claims: { scope: "remit:decide" } }, "remit", "gateway");
        const reports: string[] = [];
        const who = (more: Json) => identityOf({ issuer, remote: { ...remote, algorithms: ["RS256"], ...more } }, undefined, {}, reports);
        expect(await outcome(() => ask(who({}), token))).to.equal("keys_unavailable");
        expect(reports.join()).to.match(/self-signed certificate/);
        expect(await outcome(() => ask(who({ ca: tls.file }), token))).to.equal("accepted");
      });
    }

    it("are of metadata that stays on `https`", async () => {
      const reports: string[] = [];
      const issuer = `${at}/down`;
      PUBLISHED["/down/.well-known/openid-configuration"] = () => ({ issuer, jwks_uri: `${origin}/keys` });
      const who = identityOf({ issuer, remote: { discovery: true, algorithms: ["RS256"], ca: tls.file } }, undefined, {}, reports);
      expect(
        await outcome(() => ask(who, tokenFor({ form: "", is: "", issuer, claims: { scope: "remit:decide" } }, "remit", "gateway"))),
      ).to.equal("keys_unavailable");
      expect(reports).to.deep.equal(["a `jwks_uri` that isn't `https`"]);
    });

    it("need a file of certificates", () => {
      writeFileSync(join(dir, "none.pem"), "hello");
      expect(() => identityOf({ issuer: LOGIN, remote: { url: `${at}/keys`, algorithms: ["RS256"], ca: "none.pem" } })).to.throw(
        /^issuer `https:\/\/login\.example\.com`: `.*none\.pem` holds no certificates in PEM form$/,
      );
    });
  });
});
