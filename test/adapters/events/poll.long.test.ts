import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { generateKeyPairSync } from "node:crypto";
import { expect } from "chai";
import { EVERY, ask, decided, runWithFacts, withAgent, type Json } from "../../http/asking.js";
import { tokenFor, type Running } from "../../http/running.js";
import { CAEP, FILES, RISC, SSF, runReceiver, setOf, transmitter } from "./support.js";

const REVOKED = `${CAEP}session-revoked`;

interface Asked {
  path: string;
  headers: Record<string, unknown>;
  body: Json;
}

describe("security events that are polled", function () {
  let server: Server;
  let url: string;
  let asked: Asked[];
  /** Of each request, what it is answered with; what isn't answered is held open. */
  let answer: (asked: Asked, nth: number, response: ServerResponse) => void;
  let came: () => void;
  /** Nothing is answered before. */
  let ready: Promise<void>;
  let service: Running | null;

  beforeEach(async () => {
    asked = [];
    service = null;
    answer = () => undefined;
    came = () => undefined;
    ready = Promise.resolve();
    server = createServer((request, response) => {
      let text = "";
      request.on("data", (chunk: Buffer) => (text += chunk.toString()));
      request.on("end", () => {
        const one = { path: request.url ?? "", headers: request.headers, body: JSON.parse(text) as Json };
        asked.push(one);
        const nth = asked.length;
        void ready.then(() => {
          answer(one, nth, response);
        });
        came();
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    writeFileSync(join(FILES, "poll.token"), "poll-token\n");
  });
  afterEach(async () => {
    await service?.stop();
    server.closeAllConnections();
    server.close();
  });

  const start = async (changes: object = {}, more: object = {}): Promise<Running> => {
    const poll = {
      url: `${url}/poll`,
      token_file: join(FILES, "poll.token"),
      retry_ms: 10,
      retry_max_ms: 20,
      ...changes,
    };
    let begin: () => void = () => undefined;
    ready = new Promise((resolve) => (begin = resolve));
    service = await runReceiver({ transmitters: [transmitter({ poll, ...more })] });
    await withAgent(service);
    begin();
    return service;
  };
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds())
      await new Promise<void>((resolve) => {
        came = resolve;
      });
  };
  const reply = (response: ServerResponse, body: unknown, status = 200): void => {
    response.writeHead(status, { "content-type": "application/json" }).end(typeof body === "string" ? body : JSON.stringify(body));
  };
  const state = async (of: Running): Promise<Json> =>
    ((await ask(of, "GET", "/events/transmitters")).body["transmitters"] as Json[])[0] ?? {};

  it("are asked for as RFC 8936 says, taken, and acknowledged or refused with the next poll", async () => {
    const good = setOf(REVOKED, {}, { jti: "good", sub_id: { format: "opaque", id: "ada" } });
    const bad = setOf(REVOKED, {}, { jti: "bad", aud: "elsewhere" });
    answer = (_asked, nth, response) => {
      if (nth === 1) reply(response, { sets: { good, bad, junk: "x" }, moreAvailable: true });
    };
    const running = await start();
    await until(() => asked.length === 2);
    const [first, second] = asked;
    expect(first?.path).to.equal("/poll");
    expect(first?.body).to.deep.equal({ maxEvents: 100, returnImmediately: false });
    expect(first?.headers).to.deep.include({
      "content-type": "application/json",
      accept: "application/json",
      authorization: "Bearer poll-token",
    });
    expect(first?.headers).to.not.have.property("content-language");
    expect(second?.body["ack"]).to.deep.equal(["good"]);
    expect(Object.entries(second?.body["setErrs"] as Record<string, Json>).map(([jti, { err }]) => [jti, err])).to.deep.equal([
      ["bad", "invalid_audience"],
      ["junk", "invalid_request"],
    ]);
    expect(second?.headers).to.deep.include({ "content-language": "en" });
    const { body } = await ask(running, "GET", "/revocations");
    expect((body["items"] as Json[]).map(({ id }) => id)).to.deep.equal(["principal@idp+tokens/ada"]);
    expect(await state(running)).to.deep.include({ delivery: "poll", poll_failing: false, taken: { applied: 1 } });
  });

  it("are acknowledged again where that wasn't heard, and taken once", async () => {
    const token = setOf(REVOKED, {}, { jti: "one" });
    answer = (_asked, nth, response) => {
      if (nth === 2) reply(response, "down", 503);
      else if (nth <= 3) reply(response, { sets: { one: token } });
    };
    const running = await start();
    await until(() => asked.length === 4);
    expect(asked.map(({ body }) => body["ack"])).to.deep.equal([undefined, ["one"], ["one"], ["one"]]);
    expect(await state(running)).to.deep.include({ repeated: 1, taken: { applied: 1 } });
    expect(await decided(running)).to.equal("deny agent_revoked");
  });

  it("of another's transmitter are refused, whoever signed them", async () => {
    answer = (_asked, nth, response) => {
      if (nth === 1) reply(response, { sets: { j: setOf(REVOKED, {}, { iss: "https://other.example.com/" }) } });
    };
    const running = await start();
    await until(() => asked.length === 2);
    expect((asked[1]?.body["setErrs"] as Record<string, Json>)["j"]?.["err"]).to.equal("invalid_issuer");
    expect(await decided(running)).to.equal("allow permitted");
  });

  it("that can't be taken for the moment are neither acknowledged nor refused, and come again", async () => {
    const token = setOf(`${RISC}account-disabled`, {}, { jti: "later", sub_id: { format: "opaque", id: "bob" } });
    const first = setOf(`${RISC}account-disabled`, {}, { jti: "first", sub_id: { format: "opaque", id: "ada" } });
    let open = true;
    answer = (_asked, _nth, response) => {
      if (open) reply(response, { sets: { first, later: token } });
    };
    const poll = { url: `${url}/poll`, retry_ms: 10, retry_max_ms: 20 };
    service = await runReceiver({ revocations_max: 1, transmitters: [transmitter({ poll })] });
    await until(() => asked.length === 3);
    expect(asked[2]?.body).to.deep.equal({ maxEvents: 100, returnImmediately: false, ack: ["first"] });
    expect(await state(service)).to.deep.include({ poll_failing: true, revocations: 1 });
    await ask(service, "POST", "/revocations/principal%40idp/ada/lift", { body: { reason: "r" }, token: EVERY });
    await until(() => asked.at(-1)?.body["ack"]?.toString() === "first,later");
    open = false;
  });

  const hostile: [what: string, reply: (response: ServerResponse) => void][] = [
    [
      "no JSON",
      (response) => {
        reply(response, "<html>");
      },
    ],
    [
      "no sets",
      (response) => {
        reply(response, { more: true });
      },
    ],
    [
      "sets that are a list",
      (response) => {
        reply(response, { sets: ["a"] });
      },
    ],
    [
      "a set that is an object",
      (response) => {
        reply(response, { sets: { a: {} } });
      },
    ],
    [
      "the same name twice",
      (response) => {
        reply(response, '{"sets":{},"sets":{}}');
      },
    ],
    [
      "more than may be",
      (response) => {
        reply(response, { sets: { a: "x".repeat(20_000) } });
      },
    ],
    [
      "an error",
      (response) => {
        reply(response, {}, 500);
      },
    ],
    [
      "that it isn't allowed",
      (response) => {
        reply(response, {}, 401);
      },
    ],
    [
      "a redirect",
      (response) => {
        response.writeHead(302, { location: `${url}/elsewhere` }).end();
      },
    ],
    [
      "half an answer",
      (response) => {
        response.writeHead(200, { "content-length": "100" });
        response.write('{"sets":');
        response.destroy();
      },
    ],
    [
      "nothing at all",
      (response) => {
        response.destroy();
      },
    ],
  ];
  it("go on after whatever comes, and say once how it fails", async () => {
    answer = (one, nth, response) => {
      expect(one.path).to.equal("/poll");
      const next = hostile[nth - 1];
      if (next !== undefined) next[1](response);
      else if (nth === hostile.length + 1) reply(response, { sets: { j: setOf(REVOKED) } });
    };
    const running = await start({ bytes_max: 16_384 });
    await until(() => asked.length === hostile.length + 2);
    expect(await decided(running)).to.equal("deny agent_revoked");
    expect(running.said()).to.contain("poll_failing");
    expect(running.said()).to.contain('"event":"poll_back"');
    expect(await state(running)).to.deep.include({ poll_failing: false });
  });

  it("wait longer and longer while nobody answers, and are seen to fail", async () => {
    answer = (_asked, _nth, response) => {
      reply(response, {}, 500);
    };
    const running = await start({ retry_ms: 50, retry_max_ms: 400 });
    const began = Date.now();
    await until(() => asked.length === 4);
    expect(Date.now() - began).to.be.at.least(25 + 50 + 100);
    expect(await state(running)).to.deep.include({ poll_failing: true });
    expect((await ask(running, "GET", "/metrics")).text).to.contain('remit_security_poll_failing{transmitter="idp"} 1');
    expect(running.said().match(/"event":"poll_failing"/g)?.length).to.equal(1);
  });

  it("are verified when they are asked for, and seen to be unverified when none comes", async () => {
    let state_: unknown;
    answer = (one, _nth, response) => {
      if (one.path === "/verify") {
        state_ = one.body["state"];
        response.writeHead(204).end();
      }
    };
    const verify = { url: `${url}/verify`, stream_id: "s-1", token_file: join(FILES, "poll.token"), every_ms: 1000 };
    service = await runReceiver({ transmitters: [transmitter({ verify })] });
    await until(() => state_ !== undefined);
    expect(asked[0]).to.deep.include({ path: "/verify" });
    expect(asked[0]?.headers["authorization"]).to.equal("Bearer poll-token");
    const token = (said: unknown): string => setOf(`${SSF}verification`, { state: said }, { sub_id: { format: "opaque", id: "s-1" } });
    const push = (set: string): Promise<Response> =>
      fetch(`${service?.url ?? ""}/events/sets`, { method: "POST", headers: { "content-type": "application/secevent+jwt" }, body: set });
    const wrong = await push(token("made up"));
    expect([wrong.status, ((await wrong.json()) as Json)["err"]]).to.deep.equal([400, "invalid_state"]);
    expect((await state(service))["verified_at"]).to.equal(null);
    expect((await push(token(state_))).status).to.equal(202);
    expect((await state(service))["verified_at"]).to.be.a("string");
    expect((await state(service))["unverified"]).to.equal(false);
  });
});

describe("two services that tell each other of security events", function () {
  const key = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const issuer = "https://upstream.example.com";
  before(() => {
    writeFileSync(join(FILES, "upstream.pem"), key.privateKey.export({ type: "pkcs8", format: "pem" }));
    writeFileSync(join(FILES, "upstream.pub"), key.publicKey.export({ type: "spki", format: "pem" }));
    writeFileSync(join(FILES, "downstream.token"), tokenFor("ssf.read", "downstream"));
  });

  const upstreamWith = (push_endpoints: string[]): Promise<Running> =>
    runWithFacts({
      security_events: {
        dir: "events",
        transmitter: {
          issuer,
          key: join(FILES, "upstream.pem"),
          kid: "u",
          push_endpoints,
          retry_ms: 10,
          retry_max_ms: 50,
        },
      },
    });
  const downstreamWith = (more: object): Promise<Running> =>
    runReceiver({
      audience: "downstream",
      transmitters: [
        transmitter({
          ...{ name: "upstream", issuer, keys: [{ kid: "u", algorithm: "RS256", file: join(FILES, "upstream.pub") }] },
          subjects: [{ format: "iss_sub", issuer, is: "agent" }],
          ...more,
        }),
      ],
    });
  const create = async (upstream: Running, body: object): Promise<string> => {
    const made = await ask(upstream, "POST", "/ssf/streams", { body, token: tokenFor("ssf.manage", "downstream") });
    expect(made.status, made.text).to.equal(201);
    return String(made.body["stream_id"]);
  };
  const until = async (service: Running, code: string): Promise<void> => {
    for (let seen = ""; seen !== code; seen = await decided(service)) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  const follow = async (upstream: Running, downstream: Running): Promise<void> => {
    await withAgent(upstream);
    await withAgent(downstream);
    await ask(upstream, "POST", "/revocations", { body: { scope: { agent: "a-1" }, reason: "incident 12" } });
    await until(downstream, "deny agent_revoked");
    const { body } = await ask(downstream, "GET", "/revocations/agent%40upstream/a-1");
    expect(body["reason"]).to.equal("session-revoked: incident 12");
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await ask(upstream, "POST", "/revocations/agent/a-1/lift", { body: { reason: "over" } });
    await until(downstream, "allow permitted");
  };

  it("by poll", async () => {
    const upstream = await upstreamWith([]);
    let downstream: Running | null = null;
    try {
      const id = await create(upstream, {});
      const poll = { url: `${upstream.url}/ssf/poll/${id}`, token_file: join(FILES, "downstream.token"), retry_ms: 10 };
      downstream = await downstreamWith({ poll });
      await follow(upstream, downstream);
      const { body } = await ask(upstream, "GET", "/events/transmitters");
      expect((body["streams"] as Json[])[0]).to.deep.include({
        caller: "downstream",
        status: "enabled",
        failing: false,
      });
    } finally {
      await downstream?.stop();
      await upstream.stop();
    }
  });

  it("by push", async () => {
    const downstream = await downstreamWith({});
    let upstream: Running | null = null;
    try {
      const endpoint_url = `${downstream.url}/events/sets`;
      upstream = await upstreamWith([endpoint_url]);
      await create(upstream, { delivery: { method: "urn:ietf:rfc:8935", endpoint_url } });
      await follow(upstream, downstream);
    } finally {
      await upstream?.stop();
      await downstream.stop();
    }
  });
});
