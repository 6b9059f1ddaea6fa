/** Logins of the MCP guard at its server: where codes and tokens go, and who is asked. */
import { chmodSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { system } from "../../src/system/index.js";
import { LoginWorld } from "../guards/mcp/oauth.js";
import { folderWith } from "../guards/mcp/support.js";
import { cut } from "./cut.js";
import { codeIn, threat, type Tree } from "./threat.js";

const HOUR_MS = 3_600_000;

async function within(check: (world: LoginWorld) => Promise<string | null>): Promise<string | null> {
  const files = folderWith({});
  const world = await new LoginWorld(files.dir).start();
  try {
    return await check(world);
  } finally {
    await world.stop();
    files.remove();
  }
}

/** Code that a login ends in; "accepted" where it ends well. */
async function ended(login: Promise<unknown>): Promise<string> {
  return login.then(
    () => "accepted",
    (cause: unknown) => codeIn(cause),
  );
}

/** What misleads a login before its code is exchanged. */
const MISLEADING: readonly [what: string, change: (world: LoginWorld) => void][] = [
  ["metadata of another resource", ({ resource, other }) => (resource["resource"] = `${other.origin}/mcp`)],
  [
    "metadata at another origin",
    (world) => {
      world.other.routes["GET /x"] = () => ({ json: { resource: world.url, authorization_servers: [world.issuer.origin] } });
      world.challenge = `Bearer resource_metadata="${world.other.origin}/x"`;
    },
  ],
  ["metadata of another issuer", (world) => (world.metadata["issuer"] = world.redirected["iss"] = world.other.origin)],
  ["an issuer in another spelling", (world) => (world.metadata["issuer"] = world.redirected["iss"] = `${world.issuer.origin}/`)],
  ["an issuer without PKCE", ({ metadata }) => (metadata["code_challenge_methods_supported"] = ["plain"])],
  ["an answer of another issuer", ({ redirected, other }) => (redirected["iss"] = other.origin)],
  [
    "a server of before RFC 9728 whose tokens are elsewhere",
    (world) => {
      world.before9728();
      world.metadata["token_endpoint"] = `${world.issuer.origin}/token`;
    },
  ],
  [
    "a server that doesn't say whether it is of before RFC 9728",
    (world) => {
      world.before9728();
      world.server.routes["GET /.well-known/oauth-protected-resource/mcp"] = () => ({ status: 503, text: "" });
    },
  ],
];

/** Whoever is asked at an address inside answers nothing in time: that it was asked shows in how the login ends. */
const INSIDE: readonly [what: string, change: (world: LoginWorld) => void][] = [
  ["an address inside", ({ resource }) => (resource["authorization_servers"] = ["https://0.0.0.0:9"])],
  ["a page to exchange codes without TLS", ({ metadata }) => (metadata["token_endpoint"] = "http://login.invalid/token")],
];

threat("B17", "a login of the MCP guard leads to its own server and issuer alone", {
  async check(tree) {
    const { signIn } = await tree("guards/mcp/oauth/login.js");
    for (const [what, change] of MISLEADING) {
      const found = await within(async (world) => {
        change(world);
        const code = await ended(world.signIn({}, undefined, signIn));
        return code === "accepted" || world.issuer.to("POST /token").length > 0 ? `${what}: a code was exchanged` : null;
      });
      if (found !== null) return found;
    }
    for (const [what, change] of INSIDE) {
      const found = await within(async (world) => {
        change(world);
        const code = await ended(world.signIn({}, undefined, signIn));
        return code === "address_refused" ? null : `${what} was asked: ${code}`;
      });
      if (found !== null) return found;
    }
    return within((world) => sentElsewhere(tree, world));
  },
  without: {
    "the look at whose metadata it is": [
      cut.text("guards/mcp/oauth/authority.js", "resourceMetadata", "isWhole ? new URL(resource) : url", "new URL(String(resource))"),
    ],
    "the origin of the metadata": [cut.never("guards/mcp/oauth/authority.js", "resourceMetadata", "metadata", "origin")],
    "the look at the issuer": [
      cut.text("guards/mcp/oauth/authority.js", "metadataOf", "oauth.processDiscoveryResponse(url, response)", "response.json()"),
      cut.never("guards/mcp/oauth/authority.js", "metadataOf", "server", "issuer"),
    ],
    "the issuer to the letter": [cut.never("guards/mcp/oauth/authority.js", "metadataOf", "server", "issuer")],
    "the origin of its own endpoints": [cut.never("guards/mcp/oauth/authority.js", "ownMetadata", "endpoint", "origin")],
    "the look whether it has metadata": [
      cut.text("guards/mcp/oauth/authority.js", "resourceMetadata", "isEmpty &&= response.status === 404", "isEmpty &&= true"),
    ],
    PKCE: [cut.never("guards/mcp/oauth/authority.js", "checkCodes", "METHOD")],
    "the issuer of the answer": [
      cut.text(
        "guards/mcp/oauth/login.js",
        "byBrowser",
        "oauth.validateAuthResponse(server, known, query, state)",
        "oauth.validateAuthResponse({ ...server, issuer: query.get('iss') }, known, query, state)",
      ),
    ],
    "the look at addresses": [cut.never("guards/mcp/oauth/oauth_fetch.js", "oauthFetch", "isNamed", "isRefused")],
    "the look for TLS": [cut.never("guards/mcp/oauth/oauth_fetch.js", "oauthFetch", "isOutgoingUrl")],
    "the look at where a token goes": [cut.never("guards/mcp/oauth/server_login.js", "send", "url", "origin")],
  },
});

async function sentElsewhere(tree: Tree, world: LoginWorld): Promise<string | null> {
  const { openLogin } = await tree("guards/mcp/oauth/server_login.js");
  await world.signIn();
  const shown: string[] = [];
  const send = (token: string): Promise<{ status: number; fields: []; body: null }> => {
    shown.push(token);
    return Promise.resolve({ status: 200, fields: [], body: null });
  };
  const code = await ended(openLogin(world.config().server, system)?.send(new URL(world.other.origin), send) ?? Promise.resolve());
  return shown.length > 0 ? "a token went to another server" : code === "address_refused" ? null : code;
}

threat("B18", "a login's file is the user's alone, and renewed by one guard at a time", {
  async check(tree) {
    const { openLogin } = await tree("guards/mcp/oauth/server_login.js");
    const open = (world: LoginWorld, ahead_ms: number) => {
      const clock = { wall: () => system.clock.wall() + ahead_ms, monotonic: () => system.clock.monotonic() };
      const login = openLogin(world.config().server, { clock, timers: system.timers });
      if (login === null) throw new Error("no login in the configuration");
      return login;
    };
    const send = (status: number) => () => Promise.resolve({ status, fields: [] as [string, string][], body: null });
    const renewals = (world: LoginWorld): number =>
      world.issuer.to("POST /token").filter(({ form }) => form.get("grant_type") === "refresh_token").length;
    const read = await within(async (world) => {
      const { file } = await world.signIn();
      for (const mode of [0o640, 0o604, 0o620]) {
        chmodSync(file, mode);
        const code = await ended(open(world, 0).send(new URL(world.url), send(200)));
        if (code !== "login_file_unsafe") return `a file of mode ${mode.toString(8)} is used: ${code}`;
      }
      return null;
    });
    const twice = await within(async (world) => {
      await world.signIn();
      await Promise.all([1, 2, 3].map(() => open(world, HOUR_MS).send(new URL(world.url), send(200))));
      const left = readdirSync(join(world.dir, "logins")).filter((name) => !name.endsWith(".json"));
      if (left.length > 0) return `left in the folder: ${left.join(", ")}`;
      return renewals(world) === 1 ? null : `renewed ${renewals(world)} times`;
    });
    const again = await within(async (world) => {
      await world.signIn();
      const login = open(world, 0);
      for (let i = 0; i < 3; i++) await ended(login.send(new URL(world.url), send(401)));
      return renewals(world) === 1 ? null : `a server that refuses new tokens was given ${renewals(world)}`;
    });
    return read ?? twice ?? again;
  },
  without: {
    "the look at its mode": [cut.always("guards/mcp/oauth/login_file.js", "#checkOwner", "mode", "others")],
    "the lock": [cut.call("guards/mcp/oauth/login_file.js", "#lock", "lock", "() => undefined")],
    "the second look": [cut.never("guards/mcp/oauth/server_login.js", "#renew", "access_token", "stale")],
    "the memory of what was refused": [cut.never("guards/mcp/oauth/server_login.js", "#token", "#refused")],
  },
});
