/** Logins at servers and authorization servers that mislead: no code, token or secret leaves, and nobody inside is asked. */
import { existsSync, readdirSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { join } from "node:path";
import { expect } from "chai";
import { ServerLoginError } from "../../src/guards/mcp/oauth/login_error.js";
import { parseGuardConfig } from "../../src/guards/mcp/config.js";
import { stringify } from "yaml";
import { LoginWorld } from "./mcp/oauth.js";
import { folderWith } from "./mcp/support.js";

const METADATA = "GET /.well-known/oauth-authorization-server";
const RESOURCE = "GET /.well-known/oauth-protected-resource/mcp";
const NONE = (): { status: number; text: string } => ({ status: 404, text: "" });
const HUGE = Buffer.alloc(300 * 1024, " ");

describe("a login at an MCP server", () => {
  const files = folderWith({ "secret.txt": "s3cret" });
  let world: LoginWorld;
  let folders = 0;
  beforeEach(async () => {
    world = await new LoginWorld(join(files.dir, `w-${++folders}`)).start();
  });
  afterEach(() => world.stop());
  after(() => {
    files.remove();
  });
  const kept = (): string[] => {
    const folder = join(world.dir, "logins");
    return existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".json")) : [];
  };
  const refusal = async (login: Promise<unknown>): Promise<ServerLoginError> => {
    const ended: unknown = await login.then(
      () => null,
      (cause: unknown) => cause,
    );
    if (!(ended instanceof ServerLoginError)) throw new Error(`not refused: ${String(ended)}`);
    return ended;
  };

  it("asks for a token of this resource alone, with a challenge, and keeps it where nobody else reads it", async () => {
    const login = await world.signIn();
    expect(login).to.deep.include({ issuer: world.issuer.origin, resource: world.url, scopes: ["crm.read"], renews: true });
    const [asked] = world.issuer.to("GET /authorize");
    const parameters = Object.fromEntries(asked?.url.searchParams ?? []);
    expect(parameters).to.include({ resource: world.url, code_challenge_method: "S256", scope: "crm.read", client_id: "c-1" });
    expect([parameters["state"]?.length, parameters["code_challenge"]?.length]).to.deep.equal([43, 43]);
    expect(parameters["redirect_uri"]).to.match(/^http:\/\/127\.0\.0\.1:\d+\/callback$/);
    const [exchanged] = world.issuer.to("POST /token");
    expect(exchanged?.form.get("resource")).to.equal(world.url);
    expect(exchanged?.form.get("code_verifier")).to.have.lengthOf(43);
    expect(kept()).to.have.lengthOf(1);
  });

  const other = (): string => world.other.origin;
  /** What is changed, and how the login ends. No code may have reached anybody. */
  const HOSTILE: [what: string, change: () => void, code: string, said: RegExp][] = [
    ["metadata of another resource", () => (world.resource["resource"] = "https://bank.example/mcp"), "metadata_invalid", /"resource"/],
    [
      "metadata of all of the origin, where only one path was asked",
      () => (world.resource["resource"] = world.server.origin),
      "metadata_invalid",
      /"resource"/,
    ],
    ["metadata of a path above", () => (world.resource["resource"] = `${world.url}/..`), "metadata_invalid", /"resource"/],
    ["metadata of no resource", () => (world.server.routes[RESOURCE] = NONE), "metadata_invalid", /can't be used/],
    [
      "metadata at another origin",
      () => (world.challenge = `Bearer resource_metadata="${other()}/x"`),
      "metadata_invalid",
      /at another origin/,
    ],
    ["metadata that is no JSON", () => (world.server.routes[RESOURCE] = () => ({ text: "<html>" })), "metadata_invalid", /can't be used/],
    [
      "metadata without bound",
      () => (world.server.routes[RESOURCE] = () => ({ text: HUGE })),
      "authorization_unavailable",
      /more than 262144 bytes/,
    ],
    [
      "metadata that is small until it is unpacked",
      () => (world.server.routes[RESOURCE] = () => ({ text: gzipSync(HUGE), headers: { "content-encoding": "gzip" } })),
      "authorization_unavailable",
      /compressed/,
    ],
    [
      "metadata that leads elsewhere",
      () => (world.server.routes[RESOURCE] = () => ({ status: 302, headers: { location: `${other()}/inside` } })),
      "metadata_invalid",
      /can't be used/,
    ],
    ["no authorization server", () => (world.resource["authorization_servers"] = []), "metadata_invalid", /names no authorization server/],
    [
      "several authorization servers",
      () => (world.resource["authorization_servers"] = [world.issuer.origin, "https://b.example"]),
      "metadata_invalid",
      /name one in `server.oauth.issuer`/,
    ],
    [
      "an authorization server without TLS",
      () => (world.resource["authorization_servers"] = ["http://login.example"]),
      "address_refused",
      /isn't at an `https`/,
    ],
    ...[
      "https://169.254.169.254",
      "https://10.0.0.7",
      "https://192.168.1.1:8443",
      "https://[fd00::1]",
      "https://[::ffff:10.0.0.7]",
      "https://0x0a000007",
    ].map((inside): (typeof HOSTILE)[number] => [
      `an authorization server inside the network, ${inside}`,
      () => (world.resource["authorization_servers"] = [inside]),
      "address_refused",
      /private address/,
    ]),
    ["metadata of another issuer", () => (world.metadata["issuer"] = "https://bank.example"), "metadata_invalid", /"issuer"/],
    [
      "an issuer in another spelling",
      () => (world.metadata["issuer"] = `${world.issuer.origin}/`),
      "metadata_invalid",
      /of another issuer/,
    ],
    ["an issuer without bound", () => (world.issuer.routes[METADATA] = () => ({ text: HUGE })), "authorization_unavailable", /more than/],
    ["an issuer without metadata", () => (world.issuer.routes[METADATA] = NONE), "metadata_invalid", /has no metadata/],
    [
      "an issuer that leads elsewhere",
      () => (world.issuer.routes[METADATA] = () => ({ status: 307, headers: { location: `${other()}/inside` } })),
      "metadata_invalid",
      /has no metadata/,
    ],
    [
      "an issuer that says nothing of PKCE",
      () => (world.metadata["code_challenge_methods_supported"] = undefined),
      "metadata_invalid",
      /PKCE/,
    ],
    [
      "an issuer that has only plain challenges",
      () => (world.metadata["code_challenge_methods_supported"] = ["plain"]),
      "metadata_invalid",
      /PKCE/,
    ],
    [
      "a page to sign in that is a script",
      () => (world.metadata["authorization_endpoint"] = "javascript:alert(1)"),
      "metadata_invalid",
      /authorization_endpoint/,
    ],
    [
      "a page to sign in without TLS",
      () => (world.metadata["authorization_endpoint"] = "http://login.example/a"),
      "metadata_invalid",
      /authorization_endpoint/,
    ],
    ["no registration, and no id of a client", () => (world.metadata["registration_endpoint"] = undefined), "client_refused", /client_id/],
    [
      "a registration that is refused",
      () => (world.issuer.routes["POST /register"] = () => ({ status: 403, json: { error: "no" } })),
      "client_refused",
      /register/,
    ],
    [
      "a registration inside the network",
      () => (world.metadata["registration_endpoint"] = "https://10.1.2.3/r"),
      "address_refused",
      /private/,
    ],
    ["an answer of another issuer", () => (world.redirected["iss"] = "https://bank.example"), "login_refused", /"iss"/],
    ["an answer that doesn't say whose it is, as its server does", () => (world.redirected["iss"] = null), "login_refused", /"iss"/],
    ["an answer without a code", () => (world.redirected["code"] = null), "login_refused", /code/],
    [
      "an error of another issuer, of which nothing is shown",
      () => (world.redirected = { iss: "https://bank.example", error: "call_+1-900", error_description: "call +1-900" }),
      "login_refused",
      /^(?!.*900)/s,
    ],
    [
      "a person who declines",
      () => (world.redirected = { code: null, error: "access_denied", error_description: "call +1-900" }),
      "login_refused",
      /gives no token: access_denied$/,
    ],
  ];
  for (const [what, change, code, said] of HOSTILE) {
    it(`ends at ${what}`, async () => {
      change();
      const { code: found, message } = await refusal(world.signIn());
      expect([found, message]).to.satisfy(([is, text]: [string, string]) => is === code && said.test(text), `${found}: ${message}`);
      expect(world.issuer.to("POST /token"), "the code was exchanged").to.deep.equal([]);
      expect(world.other.asked, "another server was asked").to.deep.equal([]);
      expect(kept(), "something was kept").to.deep.equal([]);
    });
  }

  /** What is changed once a code was exchanged. */
  const TOKENS: [what: string, change: () => void, code: string][] = [
    ["tokens inside the network", () => (world.metadata["token_endpoint"] = "https://10.1.2.3/token"), "address_refused"],
    ["tokens without TLS", () => (world.metadata["token_endpoint"] = "http://login.example/token"), "address_refused"],
    [
      "tokens that are to be asked for elsewhere",
      () => (world.issuer.routes["POST /token"] = () => ({ status: 307, headers: { location: `${other()}/token` } })),
      "login_refused",
    ],
    ["tokens of a kind that isn't known", () => (world.tokens["token_type"] = "mac"), "login_refused"],
    ["tokens without a token", () => (world.tokens["access_token"] = undefined), "login_refused"],
    ["tokens that end before they begin", () => (world.tokens["expires_in"] = "soon"), "login_refused"],
  ];
  for (const [what, change, code] of TOKENS) {
    it(`ends at ${what}`, async () => {
      change();
      expect((await refusal(world.signIn())).code).to.equal(code);
      expect(world.other.asked).to.deep.equal([]);
      expect(kept()).to.deep.equal([]);
    });
  }

  it("asks the named authorization server and no other, wherever it is", async () => {
    world.resource["authorization_servers"] = ["https://bank.example", world.issuer.origin];
    expect((await refusal(world.signIn({ issuer: "https://c.example" }))).message).to.match(/doesn't name the authorization server/);
    expect((await world.signIn({ issuer: world.issuer.origin })).issuer).to.equal(world.issuer.origin);
  });

  it("finds its server's metadata where the server names no place for it: by its path, and else at the root", async () => {
    world.challenge = "Bearer";
    expect((await world.signIn()).resource).to.equal(world.url);
    const route = world.server.routes[RESOURCE];
    world.server.routes[RESOURCE] = NONE;
    expect((await refusal(world.signIn())).message).to.match(/has neither protected resource metadata/);
    if (route !== undefined) world.server.routes["GET /.well-known/oauth-protected-resource"] = route;
    world.resource["resource"] = world.server.origin;
    expect((await world.signIn()).resource).to.equal(world.server.origin);
    world.resource["resource"] = `${world.server.origin}/other`;
    expect((await refusal(world.signIn())).code).to.equal("metadata_invalid");
  });

  describe("of before RFC 9728, which names no authorization server,", () => {
    const origin = (): string => world.server.origin;
    beforeEach(() => {
      world.before9728();
    });

    it("is at the server's own origin, for this resource alone", async () => {
      expect(await world.signIn()).to.deep.include({ issuer: origin(), resource: world.url, renews: true });
      expect(world.server.to("GET /authorize")[0]?.url.searchParams.get("resource")).to.equal(world.url);
      expect(world.server.to("POST /token")[0]?.form.get("code_verifier")).to.have.lengthOf(43);
      expect([...world.issuer.asked, ...world.other.asked]).to.deep.equal([]);
    });

    for (const slash of ["", "/"]) {
      it(`is at an issuer that is spelled with ${slash === "" ? "no slash" : "a slash"} at its end, and then so`, async () => {
        [world.metadata["issuer"], world.redirected["iss"]] = [`${origin()}${slash}`, `${origin()}${slash}`];
        expect((await world.signIn()).issuer).to.equal(`${origin()}${slash}`);
        expect((await world.signIn({ issuer: `${origin()}${slash}` })).issuer).to.equal(`${origin()}${slash}`);
        world.redirected["iss"] = slash === "" ? `${origin()}/` : origin();
        expect((await refusal(world.signIn())).message).to.match(/"iss"/);
      });
    }

    const elsewhere = (): string => world.issuer.origin;
    const fails = (status: number) => (): { status: number; text: string } => ({ status, text: "" });
    const REFUSED: [what: string, change: () => object | undefined, said: RegExp][] = [
      [
        "no metadata at all",
        () => void (world.server.routes[METADATA] = NONE),
        /has neither protected resource metadata .* nor an authorization server's/,
      ],
      ["metadata of another issuer", () => void (world.metadata["issuer"] = elsewhere()), /"issuer"/],
      ["metadata of an issuer below the origin", () => void (world.metadata["issuer"] = `${origin()}/mcp`), /"issuer"/],
      ["another issuer in the configuration", () => ({ issuer: elsewhere() }), /doesn't name `[^`]+` of `server.oauth.issuer`/],
      ["an issuer of another spelling in the configuration", () => ({ issuer: `${origin()}/` }), /of another issuer/],
      ["no PKCE", () => void (world.metadata["code_challenge_methods_supported"] = undefined), /PKCE/],
      ["an answer of another issuer", () => void (world.redirected["iss"] = elsewhere()), /"iss"/],
      [
        "a place for its metadata, at which there is nothing",
        () => void (world.challenge = `Bearer resource_metadata="${origin()}/none"`),
        /can't be used/,
      ],
      ...(["authorization", "token", "registration", "device_authorization"] as const).map((name): (typeof REFUSED)[number] => [
        `its ${name} endpoint elsewhere`,
        () => void (world.metadata[`${name}_endpoint`] = `${elsewhere()}/x`),
        new RegExp(`its own \`${name}_endpoint\` is at another origin`),
      ]),
      ...[302, 401, 403, 429, 500, 503].map((status): (typeof REFUSED)[number] => [
        `metadata as a resource that can't be had (${status})`,
        () => void (world.server.routes[RESOURCE] = fails(status)),
        /doesn't give its protected resource metadata/,
      ]),
      [
        "metadata as a resource at the root that can't be had",
        () => void (world.server.routes["GET /.well-known/oauth-protected-resource"] = fails(500)),
        /doesn't give its protected resource metadata/,
      ],
    ];
    for (const [what, change, said] of REFUSED) {
      it(`ends at ${what}`, async () => {
        const { code, message } = await refusal(world.signIn(change()));
        expect(`${code}: ${message}`)
          .to.match(/^(metadata_invalid|login_refused): /)
          .and.match(said);
        expect(world.server.to("POST /token"), "the code was exchanged").to.deep.equal([]);
        expect([...world.issuer.asked, ...world.other.asked], "another server was asked").to.deep.equal([]);
        expect(kept(), "something was kept").to.deep.equal([]);
      });
    }
  });

  it("is a client by its own document only where such are read, and never by its secret elsewhere", async () => {
    const client_id = "https://app.example/remit.json";
    expect((await refusal(world.signIn({ client_id }))).code).to.equal("client_refused");
    world.metadata["client_id_metadata_document_supported"] = true;
    await world.signIn({ client_id });
    expect(world.issuer.to("POST /register")).to.deep.equal([]);
    expect(world.issuer.to("GET /authorize").at(-1)?.url.searchParams.get("client_id")).to.equal(client_id);
    const known = { client_id: "desk", client_secret_file: join(files.dir, "secret.txt"), issuer: world.issuer.origin };
    await world.signIn(known);
    expect(world.issuer.to("POST /token").at(-1)?.headers.authorization).to.equal(`Basic ${btoa("desk:s3cret")}`);
    world.metadata["token_endpoint_auth_methods_supported"] = ["private_key_jwt"];
    expect((await refusal(world.signIn(known))).code).to.equal("client_refused");
  });

  /** Ways of servers that register clients: what they take, what they answer, and what is shown when a code is exchanged. */
  const REGISTERED: [
    what: string,
    methods: string[] | undefined,
    answer: object,
    shown: [header: string | undefined, secret: string | null],
  ][] = [
    ["without a secret", undefined, {}, [undefined, null]],
    ["with a secret whose end it leaves out", undefined, { client_secret: "s-1" }, [`Basic ${btoa("c-1:s-1")}`, null]],
    ["with a secret that a form encodes", undefined, { client_secret: "a b%" }, [`Basic ${btoa("c-1:a+b%25")}`, null]],
    ["with a secret in the body", ["client_secret_post"], { client_secret: "s-1", client_secret_expires_at: 0 }, [undefined, "s-1"]],
    ["with a secret that it wants of nobody", ["none"], { client_secret: "s-1" }, [undefined, null]],
    [
      "as one without a secret, and gives one",
      ["client_secret_basic", "none"],
      { client_secret: "s-1", token_endpoint_auth_method: "none" },
      [undefined, null],
    ],
  ];
  for (const [what, methods, answer, shown] of REGISTERED) {
    it(`registers at a server that takes it ${what}`, async () => {
      world.metadata["token_endpoint_auth_methods_supported"] = methods;
      world.issuer.routes["POST /register"] = () => ({ status: 201, json: { client_id: "c-1", ...answer } });
      await world.signIn();
      const [exchanged] = world.issuer.to("POST /token");
      expect([exchanged?.headers.authorization, exchanged?.form.get("client_secret")]).to.deep.equal(shown);
    });
  }

  it("asks again for what a server wants only after the beginning", async () => {
    let begun = 0;
    const challenge = world.server.routes["POST /mcp"];
    world.server.routes["POST /mcp"] = (asked) => {
      const isBegin = begun++ === 0;
      return isBegin || challenge === undefined ? { json: { jsonrpc: "2.0", id: 1, result: {} } } : challenge(asked);
    };
    expect((await world.signIn()).scopes).to.deep.equal(["crm.read"]);
    expect(world.server.to("POST /mcp")).to.have.lengthOf(2);
  });

  it("takes the answer to this login alone, and sends nobody anywhere", async () => {
    const answers: (string | number | null)[][] = [];
    const login = await world.signIn({}, async ({ url }) => {
      const asked = new URL(url).searchParams;
      const redirect = asked.get("redirect_uri") ?? "";
      const state = asked.get("state") ?? "";
      const look = async (path: string, init: RequestInit = {}): Promise<void> => {
        const answer = await fetch(path, { redirect: "manual", ...init });
        answers.push([answer.status, answer.headers.get("location"), (await answer.text()).includes("evil") ? "says it again" : null]);
      };
      await look(`${redirect}?code=evil&state=other&iss=${world.issuer.origin}`);
      await look(`${redirect}?code=evil&iss=${world.issuer.origin}`);
      await look(`${redirect}?code=evil&state=other&state=${state}`);
      await look(`${redirect}?code=evil&state=${state}`, { method: "POST" });
      await look(`${redirect.replace("/callback", "/evil")}?code=evil&state=${state}`);
      await look(`${redirect.replace("127.0.0.1", "localhost")}?code=evil&state=${state}`);
      await look(`${redirect}?code=the-code&state=${state}&iss=${world.issuer.origin}&redirect=https://evil.example`);
    });
    expect(answers).to.deep.equal([...[400, 400, 400, 404, 404, 404].map((status) => [status, null, null]), [200, null, null]]);
    expect(world.issuer.to("POST /token").map(({ form }) => form.get("code"))).to.deep.equal(["the-code"]);
    expect(login.resource).to.equal(world.url);
  });

  describe("is refused by the configuration", () => {
    const parse = (server: object): unknown =>
      parseGuardConfig(
        stringify({ remit: { url: "http://127.0.0.1:9", token_file: "guard.token" }, agent: "a", purpose: "p", server }),
        join(files.dir, "guard.yaml"),
      );
    const url = "https://crm.example/mcp";
    const FAULTS: [what: string, server: object, said: string][] = [
      ["for a server that is started", { command: ["x"], oauth: {} }, "server.oauth: only a server that `url` names is signed in to"],
      ["over plain HTTP", { url: "http://crm.example/mcp", oauth: {} }, "server.url: give an `https` URL"],
      ["beside a token", { url, token_file: "t", oauth: {} }, "server.oauth: `token_file` is its token already"],
      [
        "beside a header of its own",
        { url, headers: { Authorization: "x" }, oauth: {} },
        "server.oauth: `headers` has its authorization already",
      ],
      ["at an issuer without TLS", { url, oauth: { issuer: "http://login.example" } }, "server.oauth.issuer: give an `https` URL"],
      ["at an issuer with a query", { url, oauth: { issuer: "https://login.example?x" } }, "server.oauth.issuer: give an `https` URL"],
      [
        "as a client of nobody knows which server",
        { url, oauth: { client_id: "desk" } },
        "server.oauth.client_id: needs `issuer` beside it",
      ],
      [
        "as a client whose document has no path",
        { url, oauth: { client_id: "https://app.example/" } },
        "server.oauth.client_id: the address",
      ],
      [
        "with a secret for whichever server comes",
        { url, oauth: { client_id: "https://app.example/c.json", client_secret_file: "s" } },
        "server.oauth.client_secret_file: is the secret of a `client_id` at an `issuer`",
      ],
      [
        "with the guard's own token for a secret",
        { url, oauth: { client_id: "desk", issuer: "https://login.example", client_secret_file: "guard.token" } },
        "server.oauth.client_secret_file: that is a token of the guard's own",
      ],
      ["with a scope that is two", { url, oauth: { scopes: ["a b"] } }, "server.oauth.scopes.0: must match pattern"],
      ["with an option that isn't known", { url, oauth: { insecure: true } }, "server.oauth.insecure: unknown key"],
    ];
    for (const [what, server, said] of FAULTS) {
      it(what, () => {
        expect(() => parse(server)).to.throw(said);
      });
    }
  });
});
