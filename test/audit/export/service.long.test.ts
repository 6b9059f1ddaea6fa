import { readFileSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { stringify } from "yaml";
import { REQUEST, ALL, post, run, type Running } from "../../http/running.js";
import { Child, placeIn, type Place } from "../../service/child.js";
import { temporaryDirectory } from "../temporary.js";
import { Receiver, status, type Answer } from "./receiver.js";
import { FAST, until, recordsIn, seqs, type Json } from "./service_support.js";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseConfig } from "../../../src/system/config.js";

async function metric(service: Running, name: string): Promise<number> {
  const text = await (await fetch(`${service.url}/metrics`, { headers: { authorization: `Bearer ${ALL}` } })).text();
  return Number(new RegExp(`^${name}\\{sink="siem"\\} (\\S+)$`, "m").exec(text)?.[1] ?? Number.NaN);
}

describe("a service that is killed while it sends", () => {
  const folder = temporaryDirectory();

  it("sends every record at least once, and again only what was under way", async function () {
    const receiver = new Receiver();
    await receiver.start();
    // Slow, and now and then away: kills come in every part of a delivery.
    let requests = 0;
    const slow: Answer = (_received, response) => {
      requests++;
      if (requests % 7 === 0) response.destroy();
      else setTimeout(() => response.writeHead(requests % 5 === 0 ? 503 : 204).end(), 3 + (requests % 4));
    };
    receiver.answer = slow;
    const place: Place = placeIn(folder);
    const said = readFileSync(place.config, "utf8");
    writeFileSync(
      place.config,
      said + stringify({ export: [{ name: "siem", url: receiver.url, format: "json_lines", ...FAST, batch_records_max: 7 }] }),
    );
    for (let kill = 0; kill < 5; kill++) {
      const child = new Child(place);
      await child.ready();
      const until_ms = performance.now() + 150 + 40 * kill;
      while (performance.now() < until_ms) await child.ask("POST", "/decide", { body: REQUEST });
      await child.kill();
    }
    receiver.answer = status(204);
    const last = new Child(place);
    await last.ready();
    const whole = (): Set<number> => new Set(seqs(receiver.taken));
    const log = recordsIn(place.records);
    await until(
      () => whole().size >= log.length,
      () => [whole().size, log.length],
    );
    await last.kill();
    expect([...whole()].sort((a, b) => a - b).slice(0, log.length)).to.deep.equal(seqs(log));
    // Again only from the first record of a batch that was not acknowledged: nothing goes back further than one batch.
    let highest = 0;
    for (const seq of seqs(receiver.taken)) {
      expect(seq)
        .to.be.above(highest - 8)
        .and.at.most(highest + 1);
      highest = Math.max(highest, seq);
    }
    await receiver.stop();
  });
});

describe("a service that has a sink", () => {
  let receiver: Receiver;
  let service: Running | null = null;
  const token = join(temporaryDirectory(), "token");
  beforeEach(async () => {
    receiver = new Receiver();
    await receiver.start();
  });
  afterEach(async () => {
    await service?.stop();
    service = null;
    await receiver.stop();
  });
  const start = async (sink: Json = {}): Promise<Running> =>
    (service = await run({ export: [{ name: "siem", url: receiver.url, format: "json_lines", ...FAST, ...sink }] }));
  const ask = async (of: Running, times: number, members: Json = {}): Promise<void> => {
    for (let i = 0; i < times; i++) expect((await post(of, "/decide", { ...REQUEST, ...members })).status).to.equal(200);
  };

  it("sends every record, in the log's own bytes and order, and says how far it is", async () => {
    const running = await start();
    await ask(running, 20);
    const log = recordsIn(join(running.folder, "log"));
    await until(() => receiver.taken.length === log.length);
    expect(receiver.taken).to.deep.equal(log);
    for (const { method, path, headers } of receiver.received) {
      expect([method, path, headers["content-type"]]).to.deep.equal(["POST", "/logs", "application/x-ndjson"]);
      expect(headers).not.to.have.any.keys("authorization", "content-encoding");
    }
    while ((await metric(running, "remit_export_delivered_seq")) < log.length) await sleep(10);
    expect(await metric(running, "remit_export_delivered_seq")).to.equal(log.length);
    expect(await metric(running, "remit_export_lag_records")).to.equal(0);
    expect(await metric(running, "remit_export_failures_total")).to.equal(0);
  });

  it("sends as OPA does, with a token from a file, what OPA's receivers know", async () => {
    writeFileSync(token, "sink-token-1\n");
    const running = await start({ format: "opa_decision_log", token_file: token });
    await ask(running, 5);
    await until(() => receiver.taken.length === 5);
    const [{ headers } = {}] = receiver.received as { headers?: Json }[];
    expect(headers).to.include({ "content-type": "application/json", "content-encoding": "gzip" });
    expect(headers).to.include({ authorization: "Bearer sink-token-1" });
    expect(receiver.received[0]?.text).to.match(/^\[\{"labels":/);
    for (const event of receiver.taken) expect(event).to.include({ path: "remit/decide" });
  });

  it("goes on deciding while the sink is dead, and sends what was meanwhile when it is back", async () => {
    const { port, url } = receiver;
    await receiver.stop();
    const running = await start({ url });
    await ask(running, 30);
    await until(() => running.said().includes('"event":"sink_failing"'));
    expect((await fetch(`${running.url}/readyz`)).status).to.equal(200);
    receiver = new Receiver();
    await receiver.start(port);
    const log = recordsIn(join(running.folder, "log"));
    await until(() => receiver.taken.length >= log.length);
    expect(receiver.taken).to.deep.equal(log);
    await until(() => running.said().includes('"event":"sink_back"'));
  });

  it("leaves out of the stream whatever isn't in the log: tokens, and what no policy was shown (F5)", async () => {
    const canary = (of: string): string => `canary-${of}-7f3a`;
    writeFileSync(token, canary("sink"));
    for (const format of ["json_lines", "opa_decision_log", "ocsf", "cloudevents"]) {
      const running = await start({ format, token_file: token });
      await ask(running, 1, { arguments: {}, context: { session: canary("session") }, request_id: canary("request") });
      await post(running, "/decide", { ...REQUEST, agent_token: canary("agent") });
      await post(running, "/decide", REQUEST, { authorization: `Bearer ${canary("caller")}`, "x-other": canary("header") });
      await post(running, "/decide", { ...REQUEST, arguments: { unknown: canary("argument") } });
      const logged = (): string => JSON.stringify(recordsIn(join(running.folder, "log")));
      await until(() => receiver.received.some(({ text }) => text.includes(canary("session"))));
      await sleep(50);
      const streamed = receiver.received.map(({ text }) => text).join();
      for (const of of ["sink", "session", "request", "agent", "caller", "header", "argument"]) {
        if (!logged().includes(canary(of))) expect(streamed, `${format}: ${of}`).not.to.include(canary(of));
      }
      expect(streamed).not.to.include(ALL.split(".")[2]);
      expect(running.said()).not.to.include(canary("sink"));
      await running.stop();
      receiver.received.length = 0;
    }
    service = null;
  });

  it("starts a sink that begins now with the record after, and with the next one after a restart", async () => {
    const place = placeIn(temporaryDirectory());
    const plain = readFileSync(place.config, "utf8");
    const log = (): Json[] => recordsIn(place.records);
    const serve = async (sink: Json | null, times: number, sent: () => boolean): Promise<void> => {
      writeFileSync(place.config, plain + (sink === null ? "" : stringify({ export: [sink] })));
      const child = new Child(place);
      await child.ready();
      for (let i = 0; i < times; i++) expect((await child.ask("POST", "/decide", { body: REQUEST }))?.status).to.equal(200);
      await until(sent, () => [receiver.taken.length, log().length]);
      await child.kill();
    };
    const sentAll = (): boolean => seqs(receiver.taken).includes(log().length);
    const now = { name: "siem", url: receiver.url, format: "json_lines", ...FAST, from: "now" };
    await serve(null, 5, () => true);
    const before = log().length;
    await serve(now, 3, sentAll);
    const first = Math.min(...seqs(receiver.taken));
    expect(first).to.be.above(before);
    // What is recorded while nothing is sent is sent after the restart: "now" was at the first start.
    await serve(null, 4, () => true);
    await serve(now, 2, sentAll);
    expect([...new Set(seqs(receiver.taken))].sort((a, b) => a - b)).to.deep.equal(seqs(log()).filter((seq) => seq >= first));
  });
});

describe("the configuration of sinks", () => {
  const folder = temporaryDirectory();
  const sink = { name: "siem", url: "https://siem.example/logs", format: "ocsf" };
  const base = {
    identity: { issuers: [{ issuer: "https://i.example", audience: { callers: "remit" }, jwks: "i.json" }] },
    bundle: { name: "b", path: "b", keys: ["k"], state_dir: "s" },
    facts: { store: "f" },
    log: { dir: "l" },
  };
  const read = (...sinks: Json[]): unknown => parseConfig(stringify({ ...base, export: sinks }), join(folder, "remit.yaml")).export;

  it("has defaults for all but name, place and format", () => {
    expect(read(sink)).to.deep.equal([
      {
        ...sink,
        ...{ data: "record", gzip: false, batch_records_max: 1000, batch_bytes_max: 1_048_576, interval_ms: 1000 },
        ...{ timeout_ms: 30_000, retry_ms: 1000, retry_max_ms: 300_000, from: "start" },
      },
    ]);
  });

  const bad: [what: string, sinks: Json[], why: RegExp][] = [
    ["none at all", [], /export/],
    ...[
      "http://siem.example/",
      "http://10.0.0.1/",
      "http://169.254.169.254/",
      "ftp://siem.example/",
      "file:///etc/passwd",
      "//siem.example",
      "siem.example/logs",
      "https://user:secret@siem.example/",
      "https://siem.example/#logs",
      "unix:/run/sink",
      "http://127.0.0.1.siem.example/",
      "http://[::2]/",
      "",
    ].map((url): [string, Json[], RegExp] => [`the address \`${url}\``, [{ ...sink, url }], /export|url/]),
    ["two of one name", [sink, { ...sink }], /another sink has this name/],
    ...["../x", "a/b", ".", "", "A", "a b"].map((name): [string, Json[], RegExp] => [`the name \`${name}\``, [{ ...sink, name }], /name/]),
    ["a form of nobody's", [{ ...sink, format: "csv" }], /format/],
    ["a first wait above the longest", [{ ...sink, retry_ms: 2000, retry_max_ms: 1000 }], /retry_max_ms/],
    ["a key that isn't there", [{ ...sink, password: "x" }], /password/],
  ];
  for (const [what, sinks, why] of bad) {
    it(`refuses ${what}`, () => {
      expect(() => read(...sinks)).to.throw(why);
    });
  }
  for (const url of ["http://localhost:9/x", "http://127.0.0.1/", "http://[::1]:8080/logs", "https://siem.example:8443/v1?x=1"]) {
    it(`takes ${url}`, () => {
      expect(read({ ...sink, url })).to.have.length(1);
    });
  }
});
