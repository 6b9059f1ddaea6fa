import { readFileSync, readdirSync } from "node:fs";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import type { LogRecord, ObservedAnswer } from "../../src/contract/index.js";
import { EVERY, ask, runWithFacts, withAgent } from "./asking.js";
import { REQUEST, tokenFor, type Running } from "./running.js";

const TOKEN = tokenFor("remit:observe");
const TYPE = { "content-type": "application/x-ndjson" };

const line = (id: string, changes: object = {}): string =>
  `${JSON.stringify({ ...REQUEST, resource: { ...REQUEST.resource, id }, at: new Date().toISOString(), ...changes })}\n`;
const lines = (count: number, from = 0): string => Array.from({ length: count }, (_, i) => line(`n-${from + i}`)).join("");

function records({ folder }: Running): LogRecord[] {
  const log = join(folder, "log");
  return readdirSync(log)
    .filter((name) => name.endsWith(".jsonl"))
    .sort()
    .flatMap((name) => readFileSync(join(log, name), "utf8").trimEnd().split("\n"))
    .map((text) => JSON.parse(text) as LogRecord);
}

/** Whether one of this id is on record. */
function has({ folder }: Running, id: string): boolean {
  const log = join(folder, "log");
  const segments = readdirSync(log).filter((name) => name.endsWith(".jsonl"));
  return segments.some((name) => readFileSync(join(log, name), "utf8").includes(`"id":"${id}"`));
}

function observedIds(service: Running): string[] {
  return records(service).flatMap((record) => {
    if (record.kind !== "observed") return [];
    const asked = (record.input?.["request"] ?? record.request) as { resource: { id: string } };
    return [asked.resource.id];
  });
}

describe("POST /observe", function () {
  let service: Running;
  const observe = (body: string, token = TOKEN, headers: Record<string, string> = TYPE) =>
    ask(service, "POST", "/observe", { body, token, headers });

  before(async () => {
    service = await runWithFacts({
      limits: { headers_ms: 1000, body_ms: 1000 },
      observe: { idle_ms: 2500, lines_max: 600, bytes_max: 1_000_000, refused_max: 5, streams_max: 4 },
    });
    await withAgent(service);
  });
  after(() => service.stop());

  it("puts what happened on record, in order, and says how much of it would not have been allowed", async () => {
    const { status, body } = await observe(line("first") + line("second", { agent: "nobody" }) + line("third"));
    expect(status).to.equal(200);
    const { recorded_to, ...said } = body as unknown as ObservedAnswer;
    expect(said).to.deep.equal({ accepted: 3, not_permitted: 1, flagged: 0, refused: [], stopped: null });
    const all = records(service);
    expect(all.at(-1)?.seq, "all that it says is on record is").to.equal(recorded_to);
    expect(observedIds(service)).to.deep.equal(["first", "second", "third"]);
    const denied = all.find((record) => record.kind === "observed" && record.answer.decision === "deny");
    expect(denied).to.have.nested.property("answer.finding");
  });

  it("never answers anything that could be acted on", async () => {
    for (const body of [lines(3), line("x", { agent: "nobody" }), "nonsense\n", "", line("x") + "nonsense"]) {
      const { text } = await observe(body);
      expect(text).to.not.match(/proceed|allow|"decision"|decision_id|valid_for|obligations|tell_agent/);
    }
  });

  it("takes a body of no lines", async () => {
    expect((await observe("")).body).to.deep.equal({ accepted: 0, not_permitted: 0, flagged: 0, refused: [], stopped: null });
  });

  const refused: [what: string, asking: () => ReturnType<typeof observe>, outcome: string][] = [
    ["no token", () => observe(line("x"), ""), "401 token_missing authorization"],
    ["a token that may only decide", () => observe(line("x"), tokenFor("remit:decide")), "403 scope_missing authorization"],
    ["traces, where nothing says what they mean", () => observe("{}", TOKEN, { "content-type": "application/json" }), "404 5"],
    ["YAML", () => observe(line("x"), TOKEN, { "content-type": "application/yaml" }), "415 content_type_unsupported content-type"],
    [
      "another charset",
      () => observe(line("x"), TOKEN, { "content-type": "application/jsonl; charset=latin1" }),
      "415 content_type_unsupported content-type",
    ],
    [
      "what is compressed",
      () => observe(line("x"), TOKEN, { ...TYPE, "content-encoding": "gzip" }),
      "415 content_encoding_unsupported content-encoding",
    ],
    ["a body that says it is too large", () => observe("x".repeat(1_000_001)), "413 body_too_large"],
    ["a query", () => ask(service, "POST", "/observe?x=1", { body: line("x"), token: TOKEN, headers: TYPE }), "400 parameter_unknown x"],
    ["another method", () => ask(service, "GET", "/observe", { token: TOKEN }), "405 method_not_allowed"],
  ];
  for (const [what, asking, outcome] of refused) {
    it(`refuses ${what}, and takes nothing`, async () => {
      const before = observedIds(service).length;
      expect((await asking()).outcome).to.equal(outcome);
      expect(observedIds(service)).to.have.length(before);
    });
  }

  it("says what traces need, and how lines are sent, to who sends lines as JSON", async () => {
    const { body } = await observe(line("x"), TOKEN, { "content-type": "application/json" });
    expect((body as { message: string }).message).to.match(/observe\.otlp.*application\/x-ndjson/);
  });

  it("takes `application/jsonl` as well", async () => {
    expect((await observe(line("x"), TOKEN, { "content-type": "application/jsonl" })).status).to.equal(200);
  });

  it("reports of agents that the caller may ask for alone: others are findings", async () => {
    const bounded = await runWithFacts({ callers: { "gateway-1": { agents: ["a-2"] }, admin: {} } });
    try {
      const { body } = await ask(bounded, "POST", "/observe", { body: line("x"), token: TOKEN, headers: TYPE });
      expect(body).to.include({ accepted: 1, not_permitted: 1 });
      expect(JSON.stringify(records(bounded).at(-1))).to.contain("caller_not_permitted");
    } finally {
      await bounded.stop();
    }
  });

  it("names each line that it refuses, and takes all others", async () => {
    const text = `${line("g-1")}{"agent"\n\r\n${line("g-2")}${line("g-3", { at: "yesterday" })}${line("g-4").trimEnd()}`;
    const { body } = await observe(text);
    expect(body).to.deep.include({ accepted: 3, stopped: null });
    const { refused: named } = body as unknown as ObservedAnswer;
    expect(named.map(({ line, code, field }) => [line, code, field])).to.deep.equal([
      [2, "json_invalid", undefined],
      [5, "time_invalid", "/at"],
    ]);
    expect(observedIds(service).slice(-3)).to.deep.equal(["g-1", "g-2", "g-4"]);
  });

  it("says from which line on it has taken nothing, where it is given too many", async () => {
    const { body } = await observe(lines(601));
    expect(body).to.deep.include({ accepted: 600, stopped: { line: 601, code: "lines_too_many" } });
  });

  /** Sends by itself what it is told to, in chunks of HTTP. */
  class Sender {
    answer = "";
    private constructor(readonly socket: Socket) {
      socket.on("data", (bytes: Buffer) => (this.answer += bytes.toString()));
      socket.on("error", () => undefined);
    }

    static async open(token = TOKEN): Promise<Sender> {
      const socket = connect(service.port, "127.0.0.1");
      await once(socket, "connect");
      socket.write(
        `POST /observe HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token}\r\n` +
          "content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n",
      );
      return new Sender(socket);
    }

    send(text: string): void {
      this.socket.write(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);
    }

    async end(): Promise<{ status: number; body: ObservedAnswer }> {
      this.socket.write("0\r\n\r\n");
      return this.answered();
    }

    async answered(): Promise<{ status: number; body: ObservedAnswer }> {
      while (!/\r\n\r\n.*\}$/s.test(this.answer)) await once(this.socket, "data");
      this.socket.destroy();
      const [head = "", body = ""] = this.answer.split("\r\n\r\n");
      return { status: Number(head.split(" ")[1]), body: JSON.parse(body) as ObservedAnswer };
    }
  }
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

  it("takes a body for as long as it goes on coming, however long others may take", async () => {
    const sender = await Sender.open();
    for (let i = 0; i < 12; i++) {
      const text = line(`slow-${i}`);
      sender.send(text.slice(0, 20));
      await pause(120);
      sender.send(text.slice(20));
      await pause(120);
    }
    const { status, body } = await sender.end();
    expect([status, body.accepted]).to.deep.equal([200, 12]);
  });

  it("has lines on record before the body ends", async () => {
    const sender = await Sender.open();
    sender.send(line("early"));
    while (!has(service, "early")) await pause(5);
    expect(await sender.end()).to.have.nested.property("body.accepted", 1);
  });

  it("ends a stream that brings nothing for too long, and says what it has taken", async () => {
    const sender = await Sender.open();
    sender.send(line("kept") + line("torn").slice(0, 30));
    const { status, body } = await sender.answered();
    expect([status, body.accepted, body.stopped]).to.deep.equal([200, 1, { line: 2, code: "body_timeout" }]);
  });

  it("refuses one that never brings anything, and takes nothing", async () => {
    const sender = await Sender.open();
    const { status, body } = await sender.answered();
    expect([status, (body as unknown as { code: string }).code]).to.deep.equal([408, "body_timeout"]);
  });

  it("keeps what a stream that breaks off had brought, whole lines only, and goes on", async () => {
    const sender = await Sender.open();
    sender.send(line("whole") + line("half").slice(0, 30));
    while (!has(service, "whole")) await pause(5);
    sender.socket.destroy();
    expect((await observe(line("next"))).body).to.include({ accepted: 1 });
    expect(observedIds(service)).to.not.include("half");
  });

  it("takes so many streams at once, and refuses more before it takes anything of them", async () => {
    const other = tokenFor("remit:observe", "sensor-2");
    const open = await Promise.all([Sender.open(), Sender.open()]);
    for (const [i, sender] of open.entries()) sender.send(line(`busy-${i}`));
    while (["busy-0", "busy-1"].some((id) => !has(service, id))) await pause(5);
    // Half of them are the most that one sensor has, so that others find room.
    expect((await observe(line("one too many of one"))).outcome).to.equal("503 overloaded");
    expect((await observe(line("of another"), other)).status).to.equal(200);
    open.push(await Sender.open(other), await Sender.open(other));
    for (const [i, sender] of open.slice(2).entries()) sender.send(line(`busy-${2 + i}`));
    while (["busy-2", "busy-3"].some((id) => !has(service, id))) await pause(5);
    const { outcome, headers } = await observe(line("one too many"), tokenFor("remit:observe", "sensor-3"));
    expect(outcome).to.equal("503 overloaded");
    expect(headers.get("retry-after")).to.equal("1");
    for (const sender of open) sender.socket.destroy();
    while ((await observe(line("again"))).status !== 200) await pause(10);
  });

  it("judges what comes after a revocation by it, in the same stream", async () => {
    await withAgent(service, { id: "a-9" });
    const sender = await Sender.open();
    sender.send(line("before", { agent: "a-9" }));
    while (!has(service, "before")) await pause(5);
    await ask(service, "POST", "/revocations", { body: { scope: { agent: "a-9" }, reason: "incident 12" } });
    sender.send(line("after", { agent: "a-9" }));
    const { body } = await sender.end();
    expect(body).to.include({ accepted: 2, not_permitted: 1 });
  });

  it("holds up no revocation, and no decision", async () => {
    const sender = await Sender.open();
    sender.send(line("open"));
    await ask(service, "POST", "/revocations", { body: { scope: { agent: "a-8" }, reason: "incident 13" } });
    const { outcome } = await ask(service, "POST", "/decide", { body: REQUEST, token: EVERY });
    expect(outcome).to.equal("200");
    sender.send(line("still open"));
    const { body } = await sender.end();
    expect(body).to.deep.include({ accepted: 2, stopped: null });
  });

  it("answers 503 where no bundle is active, and takes nothing", async () => {
    const bare = await runWithFacts({}, false);
    try {
      const { outcome, headers } = await ask(bare, "POST", "/observe", { body: line("x"), token: TOKEN, headers: TYPE });
      expect(outcome).to.equal("503 bundle_missing");
      expect(headers.get("retry-after")).to.equal("1");
    } finally {
      await bare.stop();
    }
  });

  it("counts what it takes", async () => {
    const { text } = await ask(service, "GET", "/metrics");
    expect(text).to.match(/^remit_observed_total\{decision="allow"\} [1-9]\d{2,}$/m);
    expect(text).to.match(/^remit_observed_total\{decision="deny"\} [1-9]\d*$/m);
  });
});
