import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, credentials, status, type ChannelCredentials, type ServiceError } from "@grpc/grpc-js";
import { expect } from "chai";
import { parseEnvoyMapping } from "../../../src/adapters/envoy/mapping.js";
import { Problem, type Answer } from "../../../src/contract/index.js";
import type { Caller } from "../../../src/decision/ports.js";
import { admission } from "../../../src/http/admission.js";
import type { EnvoyDeps, HttpDeps } from "../../../src/http/deps.js";
import { envoyGrpc } from "../../../src/http/envoy_grpc.js";
import type { GrpcOptions } from "../../../src/http/grpc_server.js";
import { Flights } from "../../../src/http/flights.js";
import type { HttpServer } from "../../../src/http/server.js";
import { system } from "../../../src/system/index.js";
import { until } from "../../client/desk.js";
import { PUBLISHED, answered, checkRequest, metadataOf } from "./proxy.js";
import type { Json } from "../../http/asking.js";
import { skip } from "../../skip.js";
import type { Decided } from "../../../src/decision/decider.js";

const CHECK = "/envoy.service.auth.v3.Authorization/Check";
const service = PUBLISHED["envoy.service.auth.v3.Authorization"];
const published = service !== undefined && !("format" in service) ? service["Check"] : undefined;
if (published === undefined) throw new Error("no published protos");
const { requestSerialize, responseDeserialize } = published;
const GOOD = requestSerialize(checkRequest({ path: "/notes/n-1" }));

const MAPPING = parseEnvoyMapping(
  "agent: {is: a-1}\npurpose: {is: testing}\nroutes: [{on: GET /notes/:id, read: note, id: path.id}]",
  "envoy.yaml",
);
const OPTIONS: GrpcOptions = { message_bytes_max: 64 * 1024, connections_max: 8, calls_max: 100, idle_ms: 60_000 };

const ALLOW = {
  decision: "allow",
  proceed: true,
  decision_id: "d-1",
  obligations: [],
  valid_for_ms: 5000,
  policy: { revision: "r", digest: "d" },
  facts_revision: 1,
} as unknown as Answer;

interface Open {
  port: number;
  server: Pick<HttpServer, "listen" | "close">;
  flights: Flights;
  /** How often something was decided. */
  decided: () => number;
  /** Codes that were counted. */
  problems: string[];
  logged: unknown[];
  call: (bytes?: Buffer, options?: { token?: string | null; deadline?: number; by?: ChannelCredentials; path?: string }) => Promise<string>;
}

interface OpenOptions extends Pick<HttpDeps, "withinTrace"> {
  options?: Partial<GrpcOptions>;
  admitted?: number;
  cut_ms?: number;
}

/** A door alone, behind which `decide` stands for the decision. */
async function open(
  decide: () => Promise<Answer>,
  { options = {}, admitted = 100, cut_ms = 100, withinTrace }: OpenOptions = {},
): Promise<Open> {
  let decided = 0;
  const [problems, logged]: [string[], unknown[]] = [[], []];
  const flights = new Flights(system.timers, cut_ms);
  const envoy: EnvoyDeps = {
    ports: {
      mapping: MAPPING,
      clock: system.clock,
      json: { depth_max: 32, members_max: 256 },
      agentOf: () => undefined,
      agentProof: () => Promise.reject(new Problem("agent_token_unsupported")),
      actors_max: 8,
    },
    authenticate: (authorization) => {
      if (authorization !== "Bearer good") throw new Problem("token_invalid", { field: "authorization" });
      return { id: "envoy-1" } as Caller;
    },
  };
  const decider = {
    decideAction: async (): Promise<Decided> => {
      decided++;
      return {
        answer: await decide(),
        text: "",
        purpose: null,
        lease: null,
        agent: "",
        trace: null,
        stages: { read: 0, evaluate: 0, record: 0 },
      };
    },
  };
  const note = (...all: unknown[]): void => void logged.push(all);
  const deps = {
    admission: admission(admitted, system.timers),
    decider,
    flights,
    logger: { info: note, warn: note, error: note },
    metrics: {
      decided: () => undefined,
      problem: (code: string) => problems.push(code),
      checkRefused: () => undefined,
    },
    newId: () => "id-1",
    records: { refused: () => undefined },
    timers: system.timers,
    withinTrace,
  };
  const server = await envoyGrpc(envoy, deps as unknown as Parameters<typeof envoyGrpc>[1], { ...OPTIONS, ...options });
  const { port } = await server.listen("127.0.0.1", 0);
  return {
    port,
    server,
    flights,
    decided: () => decided,
    problems,
    logged,
    call: (bytes = GOOD, { token = "good", deadline = 10_000, by = credentials.createInsecure(), path = CHECK } = {}) =>
      new Promise((resolve) => {
        // One for each call: what befalls a connection befalls this one alone.
        const client = new Client(`127.0.0.1:${port}`, by, {
          "grpc.use_local_subchannel_pool": 1,
          "grpc.max_reconnect_backoff_ms": 1000,
        });
        const done = (error: ServiceError | null, answer?: object): void => {
          client.close();
          resolve(error === null ? answered(answer as Json).outcome : status[error.code]);
        };
        client.makeUnaryRequest(
          path,
          (value: Buffer) => value,
          responseDeserialize,
          bytes,
          metadataOf(token),
          { deadline: Date.now() + deadline },
          done,
        );
      }),
  };
}

/** No barrier takes so long for what is with the kernel. */
const CUT_MS = 2000;

const never = (): Promise<Answer> => new Promise(() => undefined);

describe("the listener for Envoy", function () {
  const opened: Open[] = [];
  const door = async (...given: Parameters<typeof open>): Promise<Open> => {
    const one = await open(...given);
    opened.push(one);
    return one;
  };
  afterEach(async () => {
    await Promise.all(opened.splice(0).map(({ server }) => server.close(0)));
  });

  it("answers a check that Envoy's own protos wrote", async () => {
    const { call, decided } = await door(() => Promise.resolve(ALLOW));
    expect(await call()).to.equal("allow");
    expect(decided()).to.equal(1);
  });

  const garbage: [what: string, bytes: Buffer, outcome: string][] = [
    ["bytes that end too soon", GOOD.subarray(0, -1), "INVALID_ARGUMENT"],
    ["a field of another type", Buffer.from("0801", "hex"), "INVALID_ARGUMENT"],
    ["a field without a number", Buffer.from("0001", "hex"), "400 path_not_canonical"],
    ["a length beyond the end", Buffer.from("0aff01", "hex"), "INVALID_ARGUMENT"],
    ["a number that goes on for ever", Buffer.alloc(20, 0xff), "INVALID_ARGUMENT"],
    ["levels without an end", Buffer.alloc(60_000, Buffer.from("0a", "hex")), "INVALID_ARGUMENT"],
    ["nothing", Buffer.alloc(0), "400 path_not_canonical"],
    ["a message that is larger than the limit", Buffer.alloc(70_000), "RESOURCE_EXHAUSTED"],
  ];
  for (const [what, bytes, outcome] of garbage) {
    it(`lets nothing pass for ${what}`, async () => {
      const { call, decided } = await door(() => Promise.resolve(ALLOW));
      expect(await call(Buffer.from(bytes))).to.equal(outcome);
      expect(decided()).to.equal(0);
    });
  }

  const failures: [what: string, failure: Error, code: string][] = [
    ["no record can be written", new Problem("log_unavailable"), "log_unavailable"],
    ["there is no policy", new Problem("bundle_missing"), "bundle_missing"],
    ["the table doesn't fit the vocabulary", new Problem("field_unknown", { field: "/verb" }), "field_unknown"],
    ["something unexpected fails", new TypeError("secret"), "internal"],
  ];
  for (const [what, failure, code] of failures) {
    it(`refuses where ${what}: an error could be let pass`, async () => {
      const { call, problems, logged } = await door(() => Promise.reject(failure));
      expect(await call()).to.equal("503 undecided");
      expect(problems).to.deep.equal([code]);
      expect(JSON.stringify(logged).includes("secret")).to.equal(code === "internal");
    });
  }

  it("refuses where a fault is outside of the decision: an error could be let pass", async () => {
    const withinTrace = (): never => {
      throw new TypeError("secret");
    };
    const { call, problems, logged } = await door(() => Promise.resolve(ALLOW), { withinTrace });
    expect(await call()).to.equal("503 undecided");
    expect(problems).to.deep.equal(["internal"]);
    expect(JSON.stringify(logged)).to.contain("secret");
  });

  it("serves nothing else", async () => {
    const { call, decided } = await door(() => Promise.resolve(ALLOW));
    expect(await call(GOOD, { path: "/envoy.service.auth.v2.Authorization/Check" })).to.equal("UNIMPLEMENTED");
    expect(decided()).to.equal(0);
  });

  it("takes no proxy's word that gives two tokens, or another's", async () => {
    const { call, decided } = await door(() => Promise.resolve(ALLOW));
    for (const token of [null, "bad", "good, Bearer good"]) expect(await call(GOOD, { token })).to.equal("503 undecided");
    expect(decided()).to.equal(0);
  });

  it("lets nothing pass of which the deadline has", async () => {
    const answers: ((answer: Answer) => void)[] = [];
    const { call } = await door(() => new Promise((resolve) => answers.push(resolve)));
    const late = call(GOOD, { deadline: 60 });
    expect(await late).to.equal("DEADLINE_EXCEEDED");
    for (const answer of answers) answer(ALLOW);
    const next = call();
    await until(() => answers.length === 2, "the next decision");
    answers[1]?.(ALLOW);
    expect(await next).to.equal("allow");
  });

  it("refuses what is allowed for no longer than it took to decide", async () => {
    const { call } = await door(() => Promise.resolve({ ...ALLOW, valid_for_ms: 0 }));
    expect(await call()).to.equal("503 undecided");
  });

  it("refuses as many as are too many at once", async () => {
    const answers: ((answer: Answer) => void)[] = [];
    const { call, decided } = await door(() => new Promise((resolve) => answers.push(resolve)), { admitted: 1 });
    const first = call();
    await until(() => answers.length === 1, "a decision");
    expect(await call()).to.equal("503 undecided");
    expect(decided()).to.equal(1);
    answers[0]?.(ALLOW);
    expect(await first).to.equal("allow");
  });

  it("has a barrier wait for the answers that are due, and for none that came after", async () => {
    const answers: ((answer: Answer) => void)[] = [];
    const { call, flights } = await door(() => new Promise((resolve) => answers.push(resolve)), { cut_ms: 10_000 });
    const first = call();
    await until(() => answers.length === 1, "a decision");
    let landed = false;
    const barrier = flights.landed().then(() => (landed = true));
    const second = call();
    await until(() => answers.length === 2, "another");
    expect(landed).to.equal(false);
    answers[0]?.(ALLOW);
    expect(await first).to.equal("allow");
    await barrier;
    answers[1]?.(ALLOW);
    expect(await second).to.equal("allow");
  });

  it("has a barrier cut off the connection of an answer that doesn't come", async () => {
    const { call, flights, decided } = await door(never, { cut_ms: 50 });
    const cut = call();
    await until(() => decided() === 1, "a decision");
    await flights.landed();
    expect(await cut).to.equal("UNAVAILABLE");
  });

  it("has a barrier wait for no call whose end was before its beginning", async () => {
    const { port, flights, decided } = await door(never, { cut_ms: 10_000 });
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    const stream = session.request({
      ":method": "POST",
      ":path": CHECK,
      "content-type": "application/grpc",
      te: "trailers",
      authorization: "Bearer good",
      "grpc-timeout": "30m",
    });
    stream.resume();
    stream.write(Buffer.from([0, 0, 0, 0, 0]));
    const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
    expect(String(headers["grpc-status"])).to.equal(String(status.DEADLINE_EXCEEDED));
    stream.end();
    await new Promise((resolve) => setTimeout(resolve, 50));
    await flights.landed();
    expect(decided()).to.equal(0);
    session.destroy();
  });

  it("has a barrier cut off who doesn't take its answers, since they would be taken afterwards", async () => {
    const big: Answer = { ...ALLOW, decision_id: "d".repeat(60_000) };
    const { port, flights, decided } = await door(() => Promise.resolve(big), { cut_ms: CUT_MS });
    const ends: Socket[] = [];
    const between = createServer((client) => {
      const server = connect(port, "127.0.0.1");
      ends.push(server);
      client.pipe(server).on("error", () => undefined);
      server.pipe(client).on("error", () => undefined);
      // What is sent to it stays where it is.
      server.unpipe(client);
    }).listen(0, "127.0.0.1");
    await once(between, "listening");
    const session = connectHttp2(`http://127.0.0.1:${(between.address() as AddressInfo).port}`, {
      settings: { initialWindowSize: 2 ** 30 },
    });
    session.on("error", () => undefined);
    await once(session, "connect");
    session.setLocalWindowSize(2 ** 30);
    const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, 0]), GOOD]);
    frame.writeUInt32BE(GOOD.length, 1);
    const one = session.request.bind(session, {
      ":method": "POST",
      ":path": CHECK,
      "content-type": "application/grpc",
      te: "trailers",
      authorization: "Bearer good",
    });
    one()
      .on("error", () => undefined)
      .end(frame);
    await until(() => decided() === 1 && ends.length === 1, "the first decision");
    const [server] = ends;
    if (server === undefined) throw new Error("no connection");
    let landed = 0;
    // One after the other, until the kernel takes no more: then the barrier waits until it cuts.
    for (;;) {
      const began = performance.now();
      await flights.landed();
      if (performance.now() - began > CUT_MS / 2) break;
      landed++;
      one()
        .on("error", () => undefined)
        .end(frame);
      await until(() => decided() === landed + 1, "the next decision");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    let bytes = 0;
    server.on("data", (chunk: Buffer) => (bytes += chunk.length));
    server.resume();
    if (!server.closed) await once(server, "close");
    // All that a barrier took for landed had left before it said so.
    expect(bytes).to.be.above(landed * 2 * big.decision_id.length);
    session.destroy();
    between.close();
  });

  it("ends with what is under way, or when its time is up", async () => {
    const answers: ((answer: Answer) => void)[] = [];
    const { call, server } = await door(() => new Promise((resolve) => answers.push(resolve)));
    const first = call();
    await until(() => answers.length === 1, "a decision");
    const closing = server.close(5000);
    answers[0]?.(ALLOW);
    expect(await first).to.equal("allow");
    await closing;
    const other = await open(never);
    const cut = other.call();
    await until(() => other.decided() === 1, "a decision");
    await other.server.close(50);
    // A connection that ends with bytes unread is reset, and this client calls a reset after GOAWAY internal.
    expect(await cut).to.be.oneOf(["UNAVAILABLE", "INTERNAL"]);
  });

  it("closes connections beyond the limit", async () => {
    const { port, call } = await door(() => Promise.resolve(ALLOW), { options: { connections_max: 1 } });
    const held = connect(port, "127.0.0.1");
    await once(held, "connect");
    const refused = connect(port, "127.0.0.1");
    await once(refused, "close");
    expect(await call(GOOD, { deadline: 300 })).to.be.oneOf(["UNAVAILABLE", "DEADLINE_EXCEEDED"]);
    held.destroy();
  });

  it("speaks TLS, and asks for certificates of the authorities that are named", async function () {
    const folder = mkdtempSync(join(tmpdir(), "remit-tls-"));
    const certificate = (name: string): { cert: Buffer; key: Buffer } | null => {
      const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)];
      const made = spawnSync("openssl", [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        `/CN=${name}`,
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        key,
        "-out",
        cert,
      ]);
      return made.status === 0 ? { key: readFileSync(key), cert: readFileSync(cert) } : null;
    };
    const [own, proxy, other] = [certificate("service"), certificate("proxy"), certificate("other")];
    rmSync(folder, { recursive: true });
    if (own === null || proxy === null || other === null) skip(this, "no openssl");
    const decide = (): Promise<Answer> => Promise.resolve(ALLOW);
    const asking = await door(decide, { options: { tls: { ...own, client_ca: proxy.cert } } });
    const plain = await door(decide, { options: { tls: { ...own, client_ca: null } } });
    const by = (client: { key: Buffer; cert: Buffer } | null, root = own.cert): ChannelCredentials =>
      credentials.createSsl(root, client?.key, client?.cert);
    const tries: [what: string, to: Open, by: ChannelCredentials, allowed: boolean][] = [
      ["a named authority's", asking, by(proxy), true],
      ["none", asking, by(null), false],
      ["another authority's", asking, by(other), false],
      ["no TLS", asking, credentials.createInsecure(), false],
      ["none, where none is asked for", plain, by(null), true],
      ["a service that nobody vouches for", plain, by(null, other.cert), false],
    ];
    for (const [what, to, by, allowed] of tries) {
      expect((await to.call(GOOD, { by, deadline: 1500 })) === "allow", what).to.equal(allowed);
    }
    expect(await asking.call(GOOD, { by: by(proxy), token: null })).to.equal("503 undecided");
  });
});
