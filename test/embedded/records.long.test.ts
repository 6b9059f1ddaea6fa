import { expect } from "chai";
import { join } from "node:path";
import { beside, handedIn, recordsIn, shipped, type Beside, action, APP_TOKEN, until } from "./desk.js";
import type { DecideRequest } from "../../src/contract/index.js";
import { NOTE } from "./records_support.js";
import { createServer, type Server } from "node:http";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { Undecided, type Embedded } from "../../src/embedded.js";
import { ask } from "../http/asking.js";
import { tokenFor } from "../http/running.js";

async function codeOf(engine: Embedded): Promise<string> {
  try {
    return (await engine.decide(NOTE)).decision;
  } catch (error) {
    if (!(error instanceof Undecided)) throw error;
    return error.problem?.code ?? error.code;
  }
}

describe("what an engine in an application records", function () {
  let world: Beside;
  beforeEach(async () => {
    world = await beside();
  });
  afterEach(async () => {
    await world.close();
  });

  const idsHere = (dir: string): string[] =>
    recordsIn(join(dir, "log")).flatMap((record) => (record.kind === "decision" ? [record.answer.decision_id] : []));
  const idsThere = (): string[] => handedIn(world.service).map(({ answer }) => answer.decision_id);

  it("is on its disk before it is answered, and reaches the service once, however often the connection breaks", async () => {
    const dir = join(world.folder, "breaking");
    const engine = await world.open({ dir });
    const breaking = setInterval(() => {
      world.wire.break();
    }, 15);
    const answered: string[] = [];
    for (let i = 0; i < 60; i++) {
      for (const { decision_id } of await engine.decideBatch([NOTE, NOTE, NOTE, NOTE, NOTE])) answered.push(decision_id);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    clearInterval(breaking);
    expect(idsHere(dir)).to.deep.equal(answered);
    await shipped(engine);
    expect(idsThere()).to.deep.equal(answered);
    expect(engine.status.refused).to.equal(0);
  });

  it("reaches it once where the engine ends before it knows that it has, and where the service starts anew", async () => {
    const dir = join(world.folder, "again");
    const first = await world.open({ dir });
    await first.decideBatch([NOTE, NOTE]);
    await shipped(first);
    world.wire.cut();
    await first.decideBatch([NOTE, NOTE, NOTE]);
    await first.close();
    world.wire.mend();
    // As if nothing had ever been acknowledged.
    const { rmSync } = await import("node:fs");
    rmSync(join(dir, "log", "shipped.json"));
    const second = await world.open({ dir });
    await shipped(second);
    expect(idsThere()).to.deep.equal(idsHere(dir));
    expect(idsThere()).to.have.lengthOf(5);
  });

  it("is handed in by few requests, however many decide, and how far is kept when the engine ends", async () => {
    const dir = join(world.folder, "gathering");
    const engine = await world.open({ dir });
    await engine.decide(NOTE);
    const began = performance.now();
    world.wire.handedIn = 0;
    for (let i = 0; i < 200; i++) await engine.decide(NOTE);
    await shipped(engine);
    const most = 2 + (performance.now() - began) / 200;
    expect(world.wire.handedIn).to.be.within(1, most);
    expect(idsThere()).to.have.lengthOf(201);
    await engine.close();
    const kept = JSON.parse(readFileSync(join(dir, "log", "shipped.json"), "utf8")) as { seq: number };
    expect(kept.seq).to.be.at.least(recordsIn(join(dir, "log")).findLast(({ kind }) => kind === "decision")?.seq ?? 0);
  });

  it("is handed in by an engine that closes before it has handed in anything", async () => {
    const dir = join(world.folder, "short");
    const engine = await world.open({ dir });
    await engine.decideBatch([NOTE, NOTE]);
    await engine.close();
    expect(idsThere()).to.deep.equal(idsHere(dir));
    expect(idsThere()).to.have.lengthOf(2);
  });

  it("stops the engine where too many records wait, and lets it go on once the service takes them", async () => {
    const engine = await world.open({ facts: { age_ms_max: 60_000 }, records: { unshipped_max: 20 } });
    world.wire.cut();
    const codes: string[] = [];
    for (let i = 0; i < 40; i++) codes.push(await codeOf(engine));
    expect(new Set(codes)).to.deep.equal(new Set(["allow", "records_unshipped"]));
    expect(codes.at(-1)).to.equal("records_unshipped");
    expect(engine.status.unshipped).to.be.within(20, 24);
    world.wire.mend();
    await until(async () => (await codeOf(engine)) === "allow", "room");
  });

  it("stops it where a record has waited for too long, however few there are", async () => {
    const engine = await world.open({ facts: { age_ms_max: 60_000 }, records: { unshipped_ms_max: 300 } });
    await shipped(engine);
    world.wire.cut();
    expect(await codeOf(engine)).to.equal("allow");
    await until(async () => (await codeOf(engine)) === "records_unshipped", "the bound");
    world.wire.mend();
    await until(async () => (await codeOf(engine)) === "allow", "room");
  });

  it("is taken by the service only as this caller's, whole, uncounted, and in order; what isn't is refused, and the rest is taken", async () => {
    const dir = join(world.folder, "forged");
    const engine = await world.open({ dir });
    await engine.decide(NOTE);
    await shipped(engine);
    const good = recordsIn(join(dir, "log")).find(({ kind }) => kind === "decision") as unknown as Record<string, unknown>;
    const theirs = (await ask(world.service, "POST", "/decide", { body: action("invoice") })).body;
    const said = good["answer"] as Record<string, unknown>;
    const input = good["input"] as { request: object; facts: object };
    const idOf = (seq: number): string => `0197f000-0000-7000-8000-0000000000${seq}`;
    const made = (changes: object, seq: number): { record: Record<string, unknown>; beside?: string } => ({
      record: { ...good, seq, answer: { ...said, decision_id: idOf(seq) }, ...changes },
    });
    const answered =
      (changes: object) =>
      (seq: number): object => ({ answer: { ...said, decision_id: idOf(seq), ...changes } });
    const wait = { for: "approval", until: "2099-01-01T00:00:00.000Z" };
    const future = new Date(Date.now() + 3_600_000);
    const another = { input: { ...input, request: { ...input.request, agent: "a-2" } } };
    const forged: [name: string, changes: object | ((seq: number) => object), field: string][] = [
      ["another caller's", { caller: "gateway-1" }, "/caller"],
      ["with uses of grants", { uses: ["G-1"] }, "/uses"],
      ["marked already", { engine: { origin: "other", seq: 1 } }, "/engine"],
      ["of what has happened", { kind: "observed" }, "/kind"],
      ["of what is only the service's to say", { kind: "facts" }, ""],
      ["without what was asked", { input: undefined }, "/input"],
      ["of a request that is none", { input: { ...input, request: { agent: "a-1", purpose: "testing" } } }, "/input"],
      ["that names what isn't beside it", { beside: { bytes: 2, digest: `sha256:${"0".repeat(64)}` } }, "/beside"],
      ["with the id of a decision of the service", answered({ decision_id: theirs["decision_id"] }), "/answer/decision_id"],
      ["of a permission that waits", answered({ wait }), "/answer/wait"],
      ["of a deny that waits", answered({ decision: "deny", proceed: false, wait }), "/answer/wait"],
      ["of a deny that proceeds", answered({ decision: "deny" }), "/answer/proceed"],
      ["in somebody's finding", answered({ finding: theirs["finding"] }), "/answer/finding"],
      [
        "from the future",
        { time: future.toISOString(), input: { ...input, facts: { ...input.facts, time: { claim_ms: null, ms: future.getTime() } } } },
        "/time",
      ],
      ["of another time than it was decided on", { time: "2026-01-01T00:00:00.000Z" }, "/time"],
      ["of a time that is none", { time: "soon" }, "/time"],
    ];
    const numbered = forged.map(([, changes], i) => {
      const said: object = typeof changes === "function" ? (changes as (seq: number) => object)(i + 20) : changes;
      return made(said, i + 20);
    });
    const records = [...numbered, made({}, 40), made({}, 40), made({}, 39)];
    const { status, body } = await ask(world.service, "POST", "/records", { token: APP_TOKEN, body: { origin: "forger", records } });
    expect(status).to.equal(200);
    const { taken, known, refused } = body as unknown as { taken: number; known: number; refused: { seq: number; field: string }[] };
    expect([taken, known]).to.deep.equal([1, 0]);
    const fieldOf = (seq: number): string => refused.find((one) => one.seq === seq)?.field ?? "none";
    for (const [i, [name, , field]] of forged.entries()) expect(fieldOf(i + 20), name).to.match(new RegExp(`^${field}`));
    expect(refused.slice(-3).filter(({ field }) => field === "/seq")).to.have.lengthOf(2);
    expect(refused).to.have.lengthOf(forged.length + 2);
    const again = await ask(world.service, "POST", "/records", { token: APP_TOKEN, body: { origin: "forger", records: [made({}, 40)] } });
    expect(again.body).to.deep.include({ taken: 0, known: 1 });
    expect(handedIn(world.service)).to.have.lengthOf(2);
    // What it isn't permitted to ask for, it may only say that it was refused.
    const hidden = JSON.stringify({ ...(another as object), answer: said });
    const beside = { bytes: Buffer.byteLength(hidden), digest: `sha256:${createHash("sha256").update(hidden).digest("hex")}` };
    const smuggled = { ...made({ input: undefined, beside }, 50), beside: hidden };
    const outcome = await ask(world.service, "POST", "/records", { token: APP_TOKEN, body: { origin: "smuggler", records: [smuggled] } });
    expect(outcome.body).to.deep.include({ taken: 0 });
    const decideOnly = await ask(world.service, "POST", "/records", {
      token: tokenFor("remit:decide", "app-1"),
      body: { origin: "o", records: [made({}, 41)] },
    });
    expect(decideOnly.outcome).to.equal("403 scope_missing authorization");
  });

  it("is one incident there, however often the same is flagged, as it would be had the service decided", async () => {
    const engine = await world.open();
    for (let i = 0; i < 40; i++) await engine.decideBatch(Array.from({ length: 5 }, () => action("ticket") as DecideRequest));
    await shipped(engine);
    const findings = new Set(handedIn(world.service).map(({ answer }) => answer.finding));
    expect(handedIn(world.service)).to.have.lengthOf(200);
    expect(findings).to.have.lengthOf(1);
    const [id] = findings;
    const { body } = await ask(world.service, "GET", `/findings/${id ?? ""}`, { token: tokenFor("remit:review") });
    expect(body).to.deep.include({ agent: "a-1", code: "noticed", state: "open" });
  });
});

describe("an engine beside something that is no service", function () {
  let world: Beside;
  let server: Server;
  before(async () => {
    world = await beside();
    // Garbage, to whatever is asked.
    server = createServer((request, response) => {
      const type = request.url?.startsWith("/events") === true ? "text/event-stream" : "application/json";
      response.writeHead(200, { "content-type": type });
      response.end(garbage);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  after(async () => {
    server.close();
    await world.close();
  });

  let garbage = "";
  const events = (...parts: [event: string, data: string][]): string =>
    `retry: 1\n\n${parts.map(([event, data]) => `event: ${event}\ndata: ${data}\n\n`).join("")}`;
  const READY = '{"facts_revision":0,"heartbeat_ms":100,"policy":null}';
  const GARBAGE: string[] = [
    "",
    "garbage",
    events(["ready", "no JSON"]),
    events(["ready", "null"]),
    events(["ready", READY]),
    events(["snapshot", '{"facts_revision":5}'], ["ready", READY]),
    events(["snapshot", '{"facts_revision":"5"}']),
    events(["snapshot", '{"facts_revision":2}'], ["fact", '{"revision":9,"key":"agent/a","value":{},"change":"x"}']),
    events(["snapshot", '{"facts_revision":2}'], ["fact", '{"revision":1,"key":"what/a","value":{},"change":"x"}']),
    events(["fact", "[]"], ["change", "{}"], ["reset", "{}"]),
    `event: fact\ndata: ${"x".repeat(600 * 1024)}`,
  ];

  for (const [i, text] of GARBAGE.entries()) {
    it(`never begins, whatever it is told: ${text.slice(0, 60).replace(/\s+/g, " ")} (${i})`, async () => {
      garbage = text;
      const service = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: "t" };
      const failed = await world.open({ service, ready_ms: 200 }).then(() => "began", String);
      expect(failed).to.match(/nothing can be decided within 200 ms: no bundle is active.*facts are not known/);
    });
  }
});
