/** What a caller, or someone on the network, sends. */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { PassThrough } from "node:stream";
import type { ProblemCode } from "../../src/contract/index.js";
import type { Decider } from "../../src/decision/decide.js";
import { admission } from "../../src/http/admission.js";
import type { RemoteKeys } from "../../src/identity/remote.js";
import { system } from "../../src/system/index.js";
import { BAD_REQUESTS } from "../http/bad_requests.js";
import { REQUEST as POSTED, post, raw, requestText, run, type Running } from "../http/running.js";
import { ALLOWED, REQUEST, World, policyOf } from "../decision/world.js";
import { JSON_CORPUS } from "../decision/json_corpus.js";
import { FORGED, TOKENS, altered, type Kind } from "../identity/forged.js";
import { ISSUER, ec, identity, issuer } from "../identity/tokens.js";
import { namesReachPrototypes } from "./names.js";
import { cut } from "./cut.js";
import { codeIn, codeOf, threat, type Tree } from "./threat.js";

threat("B1", "a key pins its algorithm; claims have their types; each kind of token has its own audience", {
  async check(tree) {
    const builds = { ...(await tree("identity/jwt.js")), ...(await tree("identity/task_tokens.js")) };
    const who = identity({}, undefined, builds);
    const show: Record<Kind, (token: string) => unknown> = {
      caller: (token) => who.authenticate(`Bearer ${token}`, "remit:decide"),
      agent: (token) => who.agentProof(token),
      task: (token) => who.taskProof(token),
    };
    for (const kind of ["caller", "agent", "task"] as const) {
      const good = TOKENS[kind].token();
      const forged = FORGED.filter(({ kinds }) => kinds.includes(kind));
      if (forged.length < 60) return `only ${forged.length} forged tokens`;
      for (const { what, fault, make } of forged) {
        const found = await faultOf(() => show[kind](make(TOKENS[kind])));
        if (found !== fault) return `${kind}, ${what}: ${found}`;
      }
      if ((await faultOf(() => show[kind](good))) !== "accepted") return `${kind}: the good token was refused`;
      for (const [byte, token] of altered(good))
        if ((await faultOf(() => show[kind](token))) === "accepted") return `${kind}, byte ${byte} altered: accepted`;
    }
    const capped = identity({ issuers: [issuer({ scopes: { claims: ["scope"], max: ["remit:decide"] } })] }, undefined, builds);
    const beyond = await faultOf(() => capped.authenticate(`Bearer ${TOKENS.caller.token()}`, "remit:register"));
    if (beyond !== "scope_missing") return `a scope beyond its issuer's cap: ${beyond}`;
    const { RemoteKeys } = await tree("identity/remote.js");
    const elsewhere = await keysOfAnother(RemoteKeys);
    if (elsewhere !== "metadata of another issuer") return `metadata of another issuer: ${elsewhere}`;
    for (const missing of [{ issuer: "" }, { audience: {} }, { audience: { callers: "" } }]) {
      try {
        identity({ issuers: [issuer(missing)] }, undefined, builds);
        return `an identity without ${Object.keys(missing).join()}`;
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
      }
    }
    return null;
  },
  // prettier-ignore
  without: {
    "the key's algorithm": [
      cut.never("identity/compact.js", "checkSigned", "alg"),
      cut.value("identity/compact.js", "checkSigned", "algorithms", "[alg]"),
    ],
    "the signature": [cut.call("identity/compact.js", "checkSigned", "jwt.verify", "jwt.decode(token)")],
    "the audience": [cut.value("identity/compact.js", "checkSigned", "clockTolerance", "leeway_s, audience: undefined")],
    "the end": [cut.never("identity/jwt.js", "#check", "nowMs")],
    "the beginning": [cut.value("identity/compact.js", "checkSigned", "ignoreExpiration", "true, ignoreNotBefore: true")],
    "a bound of bytes": [cut.never("identity/jwt.js", "#prove", "token")],
    "subjects having one form": [cut.never("identity/jwt.js", "#check", "sub", "jti")],
    "a task token's own claims": [cut.never("identity/task_tokens.js", "verify", "isClaims")],
    "a task token's end": [cut.text("identity/task_tokens.js", "verify", "nowMs >= exp * 1000", "false")],
    "a task token's reach": [cut.never("identity/task_tokens.js", "verify", "lifetime_max_s")],
    "a task token's past": [cut.never("identity/task_tokens.js", "verify", "iat")],
    "the shape of headers": [cut.never("identity/compact.js", "readCompact", "isHeader")],
    "the types of tokens": [cut.never("identity/compact.js", "readCompact", "type")],
    "the claims' types": [cut.never("identity/jwt.js", "#check", "isClaims")],
    "the reach of an expiry": [cut.never("identity/jwt.js", "#check", "exp")],
    "the past of `iat`": [cut.never("identity/jwt.js", "#check", "iat")],
    "an agent's exact end": [cut.text("identity/jwt.js", "constructor", "grace_s: 0", "grace_s: leeway_s")],
    "the other uses' audiences": [cut.never("identity/jwt.js", "#check", "audiences")],
    "the bond to a key": [cut.never("identity/jwt.js", "#check", "cnf")],
    "each issuer's own keys": [cut.call("identity/jwt.js", "#prove", "keys.find", "[...use.issuers.values()].map(({ keys }) => keys.find(header.kid)).find(Boolean)")],
    "an issuer's own actors": [cut.never("identity/claims.js", "actorsOf", "actors", "issuer")],
    "a bound of actors": [cut.never("identity/claims.js", "actorsOf", "max")],
    "an issuer's own trust domain": [cut.never("identity/jwt.js", "#agentOf", "trustDomainOf")],
    "SPIFFE ids being their trust domain's alone": [cut.never("identity/jwt.js", "#agentOf", "looksLikeSpiffe")],
    "each claim once": [cut.call("identity/compact.js", "readCompact", ["scan","payloadBytes"], "payloadBytes.toString()")],
    "the one spelling": [cut.never("identity/compact.js", "readCompact", "toString")],
    "a cap of scopes": [cut.text("identity/scopes.js", "capped", "max?.includes(scope) ?? true", "true")],
    "metadata being its issuer's": [cut.text("identity/remote.js", "keysPlace", "metadata.issuer !== issuer", "false")],
    "an issuer and an audience": [cut.never("identity/jwt.js", "checkIssuers", "issuer", "includes")],
  },
});

/** Why a token was refused, "accepted" where it wasn't. */
async function faultOf(call: () => unknown): Promise<string> {
  try {
    await call();
    return "accepted";
  } catch (error) {
    const { reason } = (error as { detail?: { reason?: string } }).detail ?? {};
    return codeIn(error) === "token_expired" ? "expired" : (reason ?? codeIn(error));
  }
}

const LIMITS = { depth_max: 32, members_max: 256 };

/** What becomes of keys that one issuer's metadata has, asked for in another's name. */
async function keysOfAnother(Remote: typeof RemoteKeys): Promise<string> {
  const server = createServer((request, response) => {
    const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const metadata = { issuer: "https://evil.example", jwks_uri: `${at}/keys` };
    response.end(
      JSON.stringify(request.url === "/keys" ? { keys: [{ ...ec.publicKey.export({ format: "jwk" }), kid: "ec-1" }] } : metadata),
    );
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const said: string[] = [];
    const report = { loaded: () => said.push("loaded"), failed: (_url: string, detail: string) => said.push(detail) };
    const place = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/metadata`, metadata_of: ISSUER };
    const bounds = { timeout_ms: 5000, bytes_max: 4096, cooldown_ms: 1000, refresh_ms: 1000, max_age_ms: 2000, waiting_max: 1 };
    const keys = new Remote({ ...place, ...bounds, algorithms: ["ES256"], use: "sig", json: LIMITS, production: false }, system, report);
    await codeOf(() => keys.find("ec-1"));
    return said.join();
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

threat("B3", "what two parsers could read differently is refused, before the caller is looked at", {
  async check(tree) {
    const { scan } = await tree("decision/scan.js");
    const world = new World((await tree("decision/decide.js")).decider);
    let authenticated = 0;
    const { authenticate } = world;
    world.authenticate = (...asked) => (authenticated++, authenticate(...asked));
    if (JSON_CORPUS.length < 400) return `only ${JSON_CORPUS.length} texts`;
    for (const { name, body, verdict } of JSON_CORPUS) {
      let text: string | undefined;
      const found = await codeOf(() => (text = scan(body, LIMITS)));
      if (found !== (verdict === "y" ? "accepted" : verdict)) return `${name}: ${found}`;
      if (text !== undefined && !Buffer.from(text).equals(body)) return `${name}: other bytes`;
      if (verdict === "y") continue;
      const decided = await codeOf(() => world.decider.decide(body, undefined));
      if (decided !== verdict || authenticated > 0) return `${name}: ${decided}, ${authenticated} callers looked at`;
    }
    return null;
  },
  without: {
    "UTF-8 being checked": [cut.never("decision/scan.js", "scan", "isUtf8")],
    "each key once": [cut.never("decision/scan.js", "scanKey", "keyHashes")],
    "exact numbers": [cut.refusal("decision/scan.js", "scanNumber", "number_not_exact")],
    "whole surrogate pairs": [cut.never("decision/scan.js", "scanEscape", "0xdc00", "0xdfff")],
    "the end of the text": [cut.never("decision/scan.js", "nextMember", "at")],
    "controls being refused": [cut.never("decision/scan.js", "scanString", "0x20")],
  },
});

/** A request as the server hands it on, with this body. */
function requestOf(headers: Record<string, string>, body: Buffer): IncomingMessage {
  const stream = new PassThrough();
  stream.end(body);
  return Object.assign(stream, { headers: { "content-type": "application/json", ...headers } }) as unknown as IncomingMessage;
}

threat("B4", "depth, width and size have bounds, kept to the byte; nothing compressed is taken", {
  async check(tree) {
    const { scan } = await tree("decision/scan.js");
    const { readJsonBytes } = await tree("http/body.js");
    const world = new World((await tree("decision/decide.js")).decider);
    const within = { bytes_max: 1000, ms: 10_000, too_large: "body_too_large" } as const;
    const read = (size: number, headers: Record<string, string> = {}): Promise<string> =>
      codeOf(() => readJsonBytes(requestOf(headers, Buffer.alloc(size, " ")), within, system.timers));
    const scanned = (text: string): Promise<string> => codeOf(() => scan(Buffer.from(text), LIMITS));
    const object = (count: number): string => `{${Array.from({ length: count }, (_, i) => `"k${i}":0`).join(",")}}`;
    const limits: [what: string, limit: number, beyond: string, run: (size: number) => Promise<string>][] = [
      ["depth of lists", 32, "json_too_deep", (n) => scanned("[".repeat(n) + "]".repeat(n))],
      ["depth of objects", 32, "json_too_deep", (n) => scanned('{"a":'.repeat(n) + "0" + "}".repeat(n))],
      ["elements", 256, "json_too_wide", (n) => scanned(`[${Array(n).fill("0").join(",")}]`)],
      ["members", 256, "json_too_wide", (n) => scanned(object(n))],
      ["bytes as they come", 1000, "body_too_large", (n) => read(n)],
      ["bytes as announced", 1000, "body_too_large", (n) => read(0, { "content-length": String(n) })],
      ["actions of a batch", 3, "field_invalid", (n) => codeOf(() => world.batch(Array(n).fill(REQUEST)))],
    ];
    for (const [what, limit, beyond, attempt] of limits)
      for (const size of [limit - 1, limit, limit + 1, limit * 10]) {
        const found = await attempt(size);
        if (found !== (size <= limit ? "accepted" : beyond)) return `${size} ${what}: ${found}`;
      }
    for (const encoding of ["gzip", "br", "deflate", "identity", "zstd"]) {
      const found = await read(10, { "content-encoding": encoding });
      if (found !== "content_encoding_unsupported") return `${encoding}: ${found}`;
    }
    return null;
  },
  without: {
    "the bound on depth": [cut.refusal("decision/scan.js", "open", "json_too_deep")],
    "the bound on width": [cut.refusal("decision/scan.js", "count", "json_too_wide")],
    "bytes being counted": [cut.never("http/body.js", "onData", "length")],
    "the announced length": [cut.never("http/body.js", "checkHead", "Number")],
    "a bound on batches": [cut.never("decision/read_batch.js", "readActions", "batch_actions_max")],
    "compression being refused": [cut.refusal("http/body.js", "checkHead", "content_encoding_unsupported")],
  },
});

const NAMED = 20_000;

threat("B5", "names from the wire reach no prototype, and no two actions have one digest", {
  async check(tree) {
    const { decider } = await tree("decision/decide.js");
    const { canonical } = await tree("contract/canonical.js");
    const world = new World(decider);
    let seen: unknown;
    world.active = policyOf((input) => ((seen = input), ALLOWED));
    if (await namesReachPrototypes(world, NAMED)) return "a prototype has changed";
    // A type that the vocabulary calls `constructor`, with fields of inherited names, none of them given.
    const asked = { ...REQUEST, resource: { type: "constructor", id: "c-1", attributes: {} }, arguments: {} };
    const outcome = await codeOf(() => world.decide(asked));
    if (outcome !== "accepted") return `what was not given was read: ${outcome}`;
    const given = (seen as { request: { resource: { attributes: object }; arguments: object } }).request;
    for (const values of [given.resource.attributes, given.arguments])
      for (const [field, read] of Object.entries(values)) if (read !== null) return `${field} was read from a prototype`;
    const tuples = ["a", "b", "|", '"', "\\", ":", ",", "", "a|b", "b|", '","b":"', "\u0000"];
    const keys = new Map<string, string>();
    for (const one of tuples)
      for (const two of tuples)
        for (const tuple of [[one, two], { [`x${one}`]: two }, [`${one}${two}`]]) {
          const written = JSON.stringify(tuple);
          const key = canonical(tuple);
          if ((keys.get(key) ?? written) !== written) return `${written} and ${keys.get(key)} share a key`;
          keys.set(key, written);
        }
    return null;
  },
  without: {
    "fields being the request's own": [cut.condition("decision/values.js", "fieldsReader", "Object", "given[name] !== undefined")],
    "texts being quoted in a key": [cut.returns("contract/canonical.js", "arrayText", '`[${elements.map(String).join(",")}]`')],
    "objects without inheritance to write to": [
      cut.call(
        "decision/intake.js",
        "read",
        "readAction",
        `((function merge(to, from) {
          for (const [k, v] of Object.entries(from))
            if (v !== null && typeof v === "object") merge(to[k] ??= {}, v);
            else if (k === "polluted") to[k] = v;
        })({}, asked), readAction(asked, this.vocabularyOf(policy), this.taskProof))`,
      ),
    ],
  },
});

const HOSTED = { limits: { body_bytes_max: 1024, header_bytes_max: 4096, body_ms: 60_000, headers_ms: 60_000 } };

/** The first of these requests that isn't refused as it should be. */
async function firstThrough(tree: Tree, codes: RegExp): Promise<string | null> {
  const service: Running = await run(HOSTED, true, system, (await tree("service.js")).startService);
  try {
    const chosen = BAD_REQUESTS.filter(([, , code]) => codes.test(code));
    if (chosen.length < 8) return `only ${chosen.length} requests`;
    for (const [what, status, code, text] of chosen) {
      const answers = await raw(service.port, text(service.port), 1);
      const found = answers.map((answer) => `${answer.status} ${codeInBody(answer.body)}`).join(", ");
      if (found !== `${status} ${code}`) return `${what}: ${found}`;
    }
    const pipelined = await raw(
      service.port,
      requestText(service.port, "0\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n", ["Content-Length: 5", "Transfer-Encoding: chunked"]),
    );
    if (pipelined.length !== 1) return `${pipelined.length} answers to one request`;
    return (await post(service, "/decide", POSTED)).status === 200 ? null : "a good request was refused";
  } finally {
    await service.stop();
  }
}

const codeInBody = (body: string): string => {
  const { code = "answered" } = JSON.parse(body) as { code?: string };
  return code;
};

threat("B6", "only `application/json` in UTF-8, framed in one way, gets one answer", {
  check: (tree) => firstThrough(tree, /^(http_invalid|content_type_unsupported|content_encoding_unsupported|body_empty)$/),
  without: {
    "the content type": [cut.refusal("http/body.js", "checkHead", "content_type_unsupported")],
    "one framing": [cut.value("http/server.js", "httpServer", "maxHeaderSize", "limits.header_bytes_max, insecureHTTPParser: true")],
    "each header once": [cut.never("http/guard.js", "guard", "seen")],
    "an empty body being refused": [
      cut.condition("decision/scan.js", "scan", "length", 'body.length === 0 && (body = Buffer.from("{}")).length === 0'),
    ],
  },
});

threat("B8", "only our host names, and no origin", {
  check: (tree) => firstThrough(tree, /^(host_refused|origin_refused|content_type_unsupported)$/),
  without: {
    "the names of hosts": [cut.refusal("http/guard.js", "guard", "host_refused")],
    "the origin": [cut.refusal("http/guard.js", "guard", "origin_refused")],
    "the type that makes a browser ask first": [cut.refusal("http/body.js", "checkHead", "content_type_unsupported")],
  },
});

const TELLTALE = /\.(?:rego|ts|js):|node_modules|\bat .*\(|(?:^|[\s"(])\/(?:srv|tmp|home|usr|etc)\//;

threat("B7", "errors are answered from the table of codes; their detail goes to the log", {
  async check(tree) {
    const { httpServer } = await tree("http/server.js");
    const { PROBLEMS, Problem } = await tree("contract/problem.js");
    const cause = new Error("EIO: write /srv/remit/log/0001.jsonl; rules.rego:12: conflict");
    const failures: [string, unknown][] = [
      ["an error", cause],
      ["a text", "at eval (/srv/remit/rules.rego:12)"],
      ["nothing", undefined],
      ...(Object.keys(PROBLEMS) as ProblemCode[]).map((code): [string, unknown] => [code, new Problem(code, {}, { cause })]),
    ];
    let failure: unknown;
    const fail = (): never => {
      // What a library throws need not be an error.

      throw failure;
    };
    const logged: unknown[] = [];
    const { decided, problem } = { decided: () => undefined, problem: () => undefined };
    const stubs = {
      decider: { decide: fail, decideBatch: fail, decideAction: fail } as unknown as Decider,
      metrics: { decided, problem },
      records: { refused: () => undefined },
      logger: { info: () => undefined, warn: () => undefined, error: (...all: unknown[]) => logged.push(all) },
      timers: system.timers,
      admission: admission(10, system.timers),
      identity: { knownCaller: () => null, provenCaller: () => Promise.resolve(null) },
      flights: { begin: () => undefined },
      newId: () => "id-1",
      hosts: ["127.0.0.1"],
      limits: {
        ...LIMITS,
        body_bytes_max: 1000,
        batch_bytes_max: 1000,
        bundle_bytes_max: 1000,
        header_bytes_max: 4096,
        connections_max: 10,
        headers_ms: 1000,
        body_ms: 1000,
        keep_alive_ms: 1000,
        observe: { streams_max: 1, bytes_max: 1000, idle_ms: 1000 },
      },
    };
    const server = httpServer(stubs as unknown as Parameters<typeof httpServer>[0], "0.0.0");
    const { port } = await server.listen("127.0.0.1", 0);
    try {
      for (const path of ["/decide", "/decide/batch"])
        for (const [what, thrown] of failures) {
          failure = thrown;
          const [answer] = await raw(port, requestText(port, "{}", [], `POST ${path} HTTP/1.1`), 1);
          if (answer === undefined || answer.status < 400) return `${what}: ${String(answer?.status)}`;
          if (TELLTALE.test(answer.body)) return `${what}: ${answer.body}`;
        }
      return logged.length > 0 ? null : "nothing was logged";
    } finally {
      await server.close(0);
    }
  },
  without: {
    "the table": [
      cut.call("http/failure.js", "failureOf", "Problem", 'new Problem("internal", { expected: String(cause?.stack ?? cause) })'),
    ],
    "causes being left out": [
      cut.call("http/reply.js", "problemContent", "toJSON", "problem.toJSON(), cause: String(problem.cause?.stack)"),
    ],
  },
});
