import { expect } from "chai";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTcpServer, type AddressInfo, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { Problem } from "../../src/contract/index.js";
import type { JwtIdentity } from "../../src/identity/jwt.js";
import { RemoteKeys, type RemoteKeysOptions } from "../../src/identity/remote.js";
import { systemTimers } from "../../src/system/index.js";
import { LIMITS, MovableClock, agents, callers, ec, identity, issuer, otherEc, rsa } from "./tokens.js";

type Pair = { publicKey: KeyObject };
type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const jwk = ({ publicKey }: Pair, kid: string, more: object = {}): object => ({
  ...publicKey.export({ format: "jwk" }),
  ...{ kid, alg: "ES256", use: "sig" },
  ...more,
});
const set = (...keys: object[]): string => JSON.stringify({ keys });
const GOOD = set(jwk(ec, "ec-1"));
const answer =
  (body: string | Buffer, status = 200, headers: Record<string, string> = {}): Handler =>
  (_request, response) => {
    response.writeHead(status, headers).end(body);
  };

/** Publishes what it is told to, and counts how often it is asked. */
class Publisher {
  handler: Handler = answer(GOOD);
  asked: string[] = [];
  readonly server: Server = createServer((request, response) => {
    this.asked.push(request.url ?? "");
    this.handler(request, response);
  });

  async start(): Promise<void> {
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/jwks.json`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    if (this.server.listening) await new Promise((done) => this.server.close(done));
  }
}

interface Set {
  who: JwtIdentity;
  clock: MovableClock;
  /** What was reported: the ids that were loaded, or why none were. */
  reports: string[];
}

const COOLDOWN_MS = 10_000;
const REFRESH_MS = 60_000;
const MAX_AGE_MS = 300_000;

function remote(url: string, changes: Partial<RemoteKeysOptions> = {}): Set {
  const clock = new MovableClock();
  const reports: string[] = [];
  const options: RemoteKeysOptions = {
    ...{ url, algorithms: ["ES256"], use: "sig", timeout_ms: 5000, bytes_max: 4096 },
    ...{ cooldown_ms: COOLDOWN_MS, refresh_ms: REFRESH_MS, max_age_ms: MAX_AGE_MS, waiting_max: 50 },
    ...{ json: LIMITS.json, production: false },
    ...changes,
  };
  const keys = new RemoteKeys(
    options,
    { clock, timers: systemTimers },
    {
      loaded: (_url, kids) => reports.push(kids.join(" ")),
      failed: (_url, detail) => reports.push(detail),
    },
  );
  return { who: identity({ issuers: [issuer({ keys })] }, clock), clock, reports };
}

/** What showing a token comes to, as that of whom it is. */
async function show(who: JwtIdentity, token: string): Promise<string> {
  try {
    if (token.includes(CALLER_CLAIMS)) await who.authenticate(`Bearer ${token}`, "remit:decide");
    else await who.agentProof(token);
    return "accepted";
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return error.detail.reason ?? error.code;
  }
}
const CALLER = callers.token();
const CALLER_CLAIMS = CALLER.split(".")[1] ?? "";
const AGENT = agents.token();

/** Until so many questions have ended. */
async function reported(reports: readonly string[], count: number): Promise<void> {
  await until(() => reports.length >= count);
}

describe("keys that an issuer publishes", () => {
  let publisher: Publisher;
  beforeEach(async () => {
    publisher = new Publisher();
    await publisher.start();
  });
  afterEach(() => publisher.stop());

  it("are asked for once, however many wait for them, and then are at hand", async () => {
    const { who, reports } = remote(publisher.url);
    const waiting = Array.from({ length: 50 }, (_, i) => show(who, i % 2 === 0 ? CALLER : AGENT));
    expect(new Set(await Promise.all(waiting))).to.deep.equal(new Set(["accepted"]));
    expect(who.agentProof(agents.token({ jti: "j-2" }))).not.to.be.instanceOf(Promise);
    expect(who.authenticate(`Bearer ${CALLER}`, "remit:decide")).not.to.be.instanceOf(Promise);
    expect([publisher.asked.length, reports]).to.deep.equal([1, ["ec-1"]]);
  });

  it("are waited for by no more tokens than may wait, and again when those are done", async () => {
    const { who, clock } = remote(publisher.url, { waiting_max: 3 });
    const shown = async (count: number): Promise<string[]> =>
      Promise.all(Array.from({ length: count }, (_, i) => show(who, agents.token({ jti: `${i}` }, { kid: "ec-2" }))));
    expect(await shown(5)).to.deep.equal([...Array<string>(3).fill("key"), ...Array<string>(2).fill("keys_unavailable")]);
    clock.pass(COOLDOWN_MS);
    publisher.handler = answer("", 500);
    expect(await shown(3)).to.deep.equal(Array(3).fill("keys_unavailable"));
    clock.pass(COOLDOWN_MS);
    publisher.handler = answer(set(jwk(ec, "ec-2")));
    expect(await shown(4)).to.deep.equal([...Array<string>(3).fill("accepted"), "keys_unavailable"]);
  });

  const weak = generateKeyPairSync("rsa", { modulusLength: 1024 });
  const lacking: [what: string, body: string, fault: string, changes?: Partial<RemoteKeysOptions>][] = [
    ["no keys", set(), "key"],
    ["keys of other ids", set(jwk(ec, "ec-2"), jwk(ec, "EC-1"), jwk(ec, "ec-1 ")), "key"],
    ["the key for another algorithm", set(jwk(ec, "ec-1", { alg: "RS256" })), "key"],
    ["the key for no signature", set(jwk(ec, "ec-1", { use: "enc" })), "key"],
    ["the key for workloads", set(jwk(ec, "ec-1", { use: "jwt-svid" })), "key"],
    ["a key of another type under its id", set(jwk(rsa, "ec-1", { alg: "RS256" })), "key"],
    ["a weak key under its id", set(jwk(weak, "ec-1", { alg: "RS256" })), "key", { algorithms: ["RS256"] }],
    ["another key under its id", set(jwk(otherEc, "ec-1")), "signature"],
    ["the private key itself", set({ ...ec.privateKey.export({ format: "jwk" }), kid: "ec-1", alg: "ES256" }), "key"],
    ["a shared secret under its id", set({ kty: "oct", k: "c2VjcmV0", kid: "ec-1", alg: "HS256" }), "key"],
    ["an algorithm that isn't asked for", GOOD, "key", { algorithms: ["ES384", "RS256"] }],
  ];
  for (const [what, body, fault, changes] of lacking) {
    it(`refuse a token for ${fault} where they are ${what}`, async () => {
      publisher.handler = answer(body);
      const { who } = remote(publisher.url, changes);
      for (const token of [CALLER, AGENT]) expect(await show(who, token)).to.equal(fault);
      expect(publisher.asked).to.have.lengthOf(1);
    });
  }

  it("are none made for development, in production", async () => {
    publisher.handler = answer(set(jwk(ec, "remit-development-1")));
    const token = agents.token({}, { kid: "remit-development-1" });
    expect(await show(remote(publisher.url, { production: true }).who, token)).to.equal("key");
    expect(await show(remote(publisher.url).who, token)).to.equal("accepted");
  });

  it("may be as large as is allowed", async () => {
    publisher.handler = answer(GOOD.padEnd(4096));
    expect(await show(remote(publisher.url).who, CALLER)).to.equal("accepted");
  });

  const silent: Handler = () => undefined;
  // prettier-ignore
  const failing: [what: string, handler: Handler, report: RegExp, changes?: Partial<RemoteKeysOptions>][] = [
    ["never answers", silent, /no whole answer within 400 ms/, { timeout_ms: 400 }],
    ["answers without end of waiting", (_, response) => void response.writeHead(200).write("{"), /no whole answer/, { timeout_ms: 400 }],
    ["answers byte by byte", (_, response) => void drip(response), /no whole answer/, { timeout_ms: 400 }],
    ["closes the connection", (request) => request.socket.destroy(), /socket hang up/],
    ["cuts its answer short", (_, response) => { response.writeHead(200, { "content-length": "900" }).write(GOOD, () => response.destroy()); }, /aborted/],
    ["cuts its chunks short", (_, response) => { response.writeHead(200).write(GOOD, () => response.destroy()); }, /aborted/],
    ["announces a huge answer", (_, response) => { response.writeHead(200, { "content-length": "1000000000" }).write("x".repeat(5000)); }, /more than 4096 bytes/],
    ["answers without end", (_, response) => { flood(response); }, /more than 4096 bytes/],
    ["answers one byte more than may be", answer(GOOD.padEnd(4097)), /more than 4096 bytes/],
    ["answers in huge headers", answer(GOOD, 200, { x: "x".repeat(40_000) }), /Header overflow/],
    ...[301, 302, 303, 307, 308].map((status): [string, Handler, RegExp] => [`redirects with ${status}`, answer("", status, { location: "/elsewhere" }), new RegExp(`status ${status}`)]),
    ["redirects to another host", answer("", 302, { location: "http://169.254.169.254/" }), /status 302/],
    ...[201, 203, 204, 206, 304, 400, 401, 404, 429, 500, 503].map((status): [string, Handler, RegExp] => [`answers ${status}`, answer(status === 204 || status === 304 ? "" : GOOD, status), new RegExp(`status ${status}`)]),
    ["compresses", answer(gzipSync(GOOD), 200, { "content-encoding": "gzip" }), /compressed/],
    ["answers nothing", answer(""), /empty/],
    ["answers a page", answer("<!doctype html><title>Sign in</title>", 200, { "content-type": "text/html" }), /not JSON/],
    ["answers half of it", answer(GOOD.slice(0, -3)), /not JSON/],
    ["answers twice", answer(`${GOOD}${GOOD}`), /not JSON/],
    ["answers null", answer("null"), /not a JWK set/],
    ["answers a list", answer(`[${JSON.stringify(jwk(ec, "ec-1"))}]`), /not a JWK set/],
    ["answers one key", answer(JSON.stringify(jwk(ec, "ec-1"))), /not a JWK set/],
    ["answers an error as 200", answer('{"error":"temporarily_unavailable"}'), /not a JWK set/],
    ["answers keys that are none", answer('{"keys":{"0":{}}}'), /not a JWK set/],
    ["answers more keys than may be", answer(JSON.stringify({ keys: Array.from({ length: 65 }, () => ({})) })), /more members/],
    ["answers deeper than may be", answer(`{"keys":[],"x":${"[".repeat(20)}${"]".repeat(20)}}`), /nested deeper/],
    ["says `keys` twice", answer(`{"keys":[],${GOOD.slice(1)}`), /same key twice/],
    ["says an id twice", answer(set(jwk(ec, "ec-1"), jwk(otherEc, "ec-1"))), /`kid` twice/],
    ["answers no UTF-8", answer(Buffer.concat([Buffer.from('{"x":"'), Buffer.from([0xff]), Buffer.from(`",${GOOD.slice(1)}`)])), /UTF-8/],
    ["begins with a byte order mark", answer(`\ufeff${GOOD}`), /not JSON/],
  ];
  for (const [what, handler, report, changes] of failing) {
    it(`are unavailable while their publisher ${what}, until it answers well`, async () => {
      publisher.handler = handler;
      const { who, clock, reports } = remote(publisher.url, changes);
      expect(await Promise.all([show(who, CALLER), show(who, AGENT)])).to.deep.equal(["keys_unavailable", "keys_unavailable"]);
      expect(reports).to.have.lengthOf(1);
      expect(reports[0]).to.match(report);
      // Too soon to ask again.
      clock.pass(COOLDOWN_MS - 1);
      expect(await show(who, CALLER)).to.equal("keys_unavailable");
      expect(publisher.asked).to.deep.equal(["/jwks.json"]);
      publisher.handler = answer(GOOD);
      clock.pass(1);
      expect(await Promise.all([show(who, CALLER), show(who, AGENT)])).to.deep.equal(["accepted", "accepted"]);
      expect(publisher.asked).to.deep.equal(["/jwks.json", "/jwks.json"]);
    });

    it(`stay as they were while their publisher ${what}, until they are too old`, async () => {
      const { who, clock, reports } = remote(publisher.url, changes);
      expect(await show(who, CALLER)).to.equal("accepted");
      publisher.handler = handler;
      clock.pass(REFRESH_MS);
      expect(await show(who, CALLER)).to.equal("accepted");
      await reported(reports, 2);
      expect(reports[1]).to.match(report);
      clock.pass(MAX_AGE_MS - REFRESH_MS - 1);
      expect(await show(who, AGENT)).to.equal("accepted");
      await reported(reports, 3);
      clock.pass(1);
      for (const token of [CALLER, AGENT]) expect(await show(who, token)).to.equal("keys_unavailable");
    });
  }

  it("are unavailable while nobody publishes them", async () => {
    const { url } = publisher;
    await publisher.stop();
    const { who, reports } = remote(url);
    expect(await show(who, CALLER)).to.equal("keys_unavailable");
    expect(reports[0]).to.match(/ECONNREFUSED/);
  });

  it("are unavailable while something else answers at their place", async () => {
    const sockets: Socket[] = [];
    const other = createTcpServer((socket) => {
      sockets.push(socket.on("error", () => undefined));
      socket.end("SSH-2.0-OpenSSH_9.9\r\n");
    });
    other.listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    for (const [url, report] of [
      [`http://127.0.0.1:${port}/`, /Parse Error/],
      [`https://127.0.0.1:${port}/`, /SSL|EPROTO|disconnected|ECONNRESET/i],
    ] as const) {
      const { who, reports } = remote(url);
      expect(await show(who, CALLER)).to.equal("keys_unavailable");
      expect(reports[0]).to.match(report);
    }
    for (const socket of sockets) socket.destroy();
    other.close();
  });

  it("are not asked for by tokens with made-up key ids more often than the cool-down lets them", async () => {
    const { who, clock } = remote(publisher.url, { waiting_max: 1000 });
    await show(who, CALLER);
    for (let round = 1; round <= 3; round++) {
      const made = Array.from({ length: 200 }, (_, i) => agents.token({}, { kid: `made-up-${round}-${i}` }));
      expect(new Set(await Promise.all(made.map((token) => show(who, token))))).to.deep.equal(new Set(["key"]));
      expect(publisher.asked.length).to.equal(round);
      clock.pass(COOLDOWN_MS);
    }
  });

  it("may have one more than is known, while their publisher doesn't answer", async () => {
    const { who, clock } = remote(publisher.url);
    const unknown = agents.token({}, { kid: "ec-2" });
    await show(who, CALLER);
    expect(await show(who, unknown)).to.equal("key");
    publisher.handler = answer("", 503);
    clock.pass(COOLDOWN_MS);
    for (let again = 0; again < 2; again++) expect(await show(who, unknown)).to.equal("keys_unavailable");
    expect(await show(who, CALLER)).to.equal("accepted");
    publisher.handler = answer(GOOD);
    clock.pass(COOLDOWN_MS);
    for (let again = 0; again < 2; again++) expect(await show(who, unknown)).to.equal("key");
  });

  it("are not asked for by a token that names no key, nor by one of a known key that is forged", async () => {
    const { who, clock } = remote(publisher.url);
    expect(await show(who, agents.token({}, { kid: undefined }))).to.equal("key");
    expect(publisher.asked).to.have.lengthOf(0);
    await show(who, CALLER);
    clock.pass(COOLDOWN_MS);
    expect(await show(who, agents.token({}, {}, otherEc.privateKey))).to.equal("signature");
    expect(publisher.asked).to.have.lengthOf(1);
  });

  it("are renewed while the old ones are used, which nobody waits for", async () => {
    const { who, clock, reports } = remote(publisher.url);
    await show(who, CALLER);
    publisher.handler = silent;
    clock.pass(REFRESH_MS);
    for (let again = 0; again < 3; again++) expect(who.authenticate(`Bearer ${CALLER}`, "remit:decide")).not.to.be.instanceOf(Promise);
    await reached(publisher, 2);
    expect(reports).to.have.lengthOf(1);
  });

  it("are taken in use when they appear, and are gone by no longer when they are withdrawn", async () => {
    const { who, clock, reports } = remote(publisher.url);
    const next = (jti: string): string => agents.token({ jti }, { kid: "ec-2" }, otherEc.privateKey);
    await show(who, AGENT);
    publisher.handler = answer(set(jwk(ec, "ec-1"), jwk(otherEc, "ec-2")));
    expect(await show(who, next("a"))).to.equal("key");
    clock.pass(COOLDOWN_MS);
    expect(await show(who, next("b"))).to.equal("accepted");
    expect(await show(who, AGENT)).to.equal("accepted");
    publisher.handler = answer(set(jwk(otherEc, "ec-2")));
    clock.pass(REFRESH_MS);
    // This one asks, in passing.
    expect(await show(who, next("b"))).to.equal("accepted");
    await reported(reports, 3);
    // It was verified before, and is remembered; its key is gone.
    expect(await show(who, AGENT)).to.equal("key");
    expect(await show(who, next("b"))).to.equal("accepted");
    publisher.handler = answer(set());
    clock.pass(REFRESH_MS);
    expect(await show(who, next("b"))).to.equal("accepted");
    await reported(reports, 4);
    for (const token of [AGENT, next("b"), next("c")]) expect(await show(who, token)).to.equal("key");
  });

  it("are gone by no longer when another key takes their id", async () => {
    const { who, clock, reports } = remote(publisher.url);
    await show(who, AGENT);
    publisher.handler = answer(set(jwk(otherEc, "ec-1")));
    clock.pass(REFRESH_MS);
    expect(await show(who, CALLER)).to.equal("accepted");
    await reported(reports, 2);
    expect(await show(who, AGENT)).to.equal("signature");
    expect(await show(who, agents.token({}, {}, otherEc.privateKey))).to.equal("accepted");
  });

  it("are never those of an older answer that comes after a newer one", async () => {
    let late: ServerResponse | undefined;
    publisher.handler = (_request, response) => (late = response);
    const { who, clock, reports } = remote(publisher.url, { timeout_ms: 500 });
    expect(await show(who, AGENT)).to.equal("keys_unavailable");
    publisher.handler = answer(set(jwk(otherEc, "ec-2")));
    clock.pass(COOLDOWN_MS);
    const newer = agents.token({}, { kid: "ec-2" }, otherEc.privateKey);
    expect(await show(who, newer)).to.equal("accepted");
    late?.writeHead(200).end(GOOD);
    await sleep(20);
    expect(await show(who, AGENT)).to.equal("key");
    expect(await show(who, newer)).to.equal("accepted");
    expect(reports).to.deep.equal(["no whole answer within 500 ms", "ec-2"]);
  });

  it("are as old as the question that they answer", async () => {
    let response: ServerResponse | undefined;
    publisher.handler = (_request, given) => (response = given);
    const { who, clock } = remote(publisher.url);
    const first = show(who, AGENT);
    await reached(publisher, 1);
    clock.pass(MAX_AGE_MS - 1);
    response?.end(GOOD);
    expect(await first).to.equal("accepted");
    clock.pass(1);
    expect(await show(who, AGENT)).to.equal("keys_unavailable");
  });

  it("don't come back to trust when the wall clock is set back", async () => {
    const { who, clock } = remote(publisher.url);
    await show(who, AGENT);
    publisher.handler = answer("", 500);
    clock.monotonic_ms += MAX_AGE_MS;
    clock.wall_ms -= MAX_AGE_MS;
    expect(await show(who, AGENT)).not.to.equal("accepted");
  });

  it("of a trust domain are those for JWT-SVIDs", async () => {
    publisher.handler = answer(set(jwk(ec, "ec-1", { use: "jwt-svid", alg: undefined })));
    expect(await show(remote(publisher.url, { use: "jwt-svid" }).who, AGENT)).to.equal("accepted");
    expect(await show(remote(publisher.url).who, AGENT)).to.equal("key");
  });
});

async function reached(publisher: Publisher, count: number): Promise<void> {
  await until(() => publisher.asked.length >= count);
}

async function until(come: () => boolean): Promise<void> {
  for (let waited = 0; !come(); waited++) {
    if (waited === 5000) throw new Error("it didn't come");
    await sleep(1);
  }
}

async function drip(response: ServerResponse): Promise<void> {
  response.writeHead(200);
  while (!response.destroyed) {
    response.write(" ");
    await sleep(5);
  }
}

function flood(response: ServerResponse): void {
  response.writeHead(200);
  const more = (): void => {
    while (!response.destroyed && response.write("x".repeat(1000)));
  };
  response.on("drain", more);
  more();
}
