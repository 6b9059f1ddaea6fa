import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { createServer } from "node:https";
import { connect, type AddressInfo } from "node:net";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect } from "chai";
import { cursorFile, readCursor, writeCursor, type Cursor } from "../../../src/audit/export/cursor.js";
import { poster, type Post, type Posted } from "../../../src/system/post.js";
import { Sink, type SinkEvents, type SinkOptions } from "../../../src/audit/export/sink.js";
import { system, type System, type Timers } from "../../../src/system/index.js";
import { temporaryDirectory } from "../temporary.js";
import { Receiver, status, type Answer } from "./receiver.js";
import { SAMPLES, decision, lineOf, outsourced, writeBeside, writeSegment } from "./records.js";
import { skip } from "../../skip.js";

type Json = Record<string, unknown>;

const HOUR_MS = 3_600_000;
const NOW_MS = Date.UTC(2026, 10, 25, 9);
const OPTIONS: SinkOptions = {
  ...{ name: "siem", format: "json_lines", data: "record", gzip: false, from: "start" },
  ...{ batch_records_max: 4, batch_bytes_max: 1_048_576, interval_ms: 1000, retry_ms: 1000, retry_max_ms: 60_000 },
};

/** Time passes as fast as it is waited for. */
class Flying implements Timers {
  now = 0;
  readonly waits: number[] = [];

  after(ms: number, call: () => void): () => void {
    this.waits.push(ms);
    const timer = setImmediate(() => {
      this.now += ms;
      call();
    });
    return () => {
      clearImmediate(timer);
    };
  }

  every(): () => void {
    throw new Error("nothing here comes back");
  }

  turnEnd(call: () => void): void {
    setImmediate(call);
  }
}

const seqs = (events: readonly Json[]): number[] => events.map(({ seq }) => seq as number);
const upTo = (n: number, from = 1): number[] => Array.from({ length: n - from + 1 }, (_, i) => from + i);

function eventsIn(body: Buffer, headers: Readonly<Record<string, string>>): Json[] {
  const text = (headers["content-encoding"] === "gzip" ? gunzipSync(body) : body).toString();
  if (text.startsWith("[")) return JSON.parse(text) as Json[];
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Json);
}

interface Request {
  events: Json[];
  body: Buffer;
  headers: Readonly<Record<string, string>>;
}

/** A sink that is a function, with everything that it was sent and everything that was said. */
class World {
  readonly timers = new Flying();
  readonly requests: Request[] = [];
  readonly taken: Json[] = [];
  readonly said: string[] = [];
  answer: (request: Request, n: number) => Posted | Error | number = () => 204;

  constructor(readonly folder: string) {}

  get events(): SinkEvents {
    const say = (what: string) => (): number => this.said.push(what);
    return {
      failing: (detail) => this.said.push(`failing: ${detail}`),
      delivering: say("delivering"),
      setAside: (seq, detail) => this.said.push(`set aside ${seq}: ${detail}`),
      missing: (from, to) => this.said.push(`missing ${from} to ${to}`),
      besideMissing: (seq) => this.said.push(`beside missing ${seq}`),
      cursorDamaged: (detail) => this.said.push(`cursor damaged: ${detail}`),
      cursorUnwritable: say("cursor unwritable"),
      moved: () => undefined,
    };
  }

  get system(): System {
    const clock = { wall: () => NOW_MS + this.timers.now, monotonic: () => this.timers.now };
    return { clock, timers: this.timers, random: { fill: (bytes) => bytes.fill(0x80) } };
  }

  readonly post: Post = (headers, body) => {
    const request = { events: eventsIn(body, headers), body, headers };
    this.requests.push(request);
    const answered = this.answer(request, this.requests.length);
    if (answered instanceof Error) return Promise.reject(answered);
    const posted = typeof answered === "number" ? { status: answered, retry_after: null } : answered;
    if (posted.status >= 200 && posted.status <= 299) this.taken.push(...request.events);
    return Promise.resolve(posted);
  };

  /** Runs a sink until this is so; whether that came. */
  async run(durable: number, options: Partial<SinkOptions>, holds: (sink: Sink) => boolean): Promise<Sink> {
    const sink = new Sink({ ...OPTIONS, ...options }, this.folder, durable, this.system, this.post, this.events);
    const ended = sink.run();
    for (let turns = 0; !holds(sink); turns++) {
      if (turns > 20_000) throw new Error(`it never came to that: ${this.said.join("; ")}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    sink.stop();
    await ended;
    return sink;
  }

  delivered(seq: number): (sink: Sink) => boolean {
    return ({ status: { delivered_seq } }) => delivered_seq === seq;
  }
}

const small = (n: number): Json[] => upTo(n).map((i) => ({ ...SAMPLES["outcome done"], amount: i }));

describe("a sink", () => {
  const parent = temporaryDirectory();
  let logs = 0;
  const worldOf = (...segments: Json[][]): World => {
    const folder = join(parent, String(logs++));
    mkdirSync(folder);
    let first = 1;
    for (const records of segments) {
      writeSegment(folder, first, records);
      first += records.length;
    }
    return new World(folder);
  };

  describe("that takes what it is sent", () => {
    it("has every record once, in order, across segments, in batches", async () => {
      const world = worldOf(small(10), small(3));
      await world.run(13, {}, world.delivered(13));
      expect(seqs(world.taken)).to.deep.equal(upTo(13));
      expect(world.requests.map(({ events }) => events.length)).to.deep.equal([4, 4, 4, 1]);
      expect(world.said).to.deep.equal([]);
    });

    it("has nothing that isn't known to be on disk", async () => {
      const world = worldOf(small(10));
      await world.run(3, {}, () => world.timers.now > HOUR_MS);
      expect(seqs(world.taken)).to.deep.equal([1, 2, 3]);
    });

    it("has what comes later within the interval, and one request for it", async () => {
      const world = worldOf(small(8));
      let told = 2;
      const sink = new Sink(OPTIONS, world.folder, told, world.system, world.post, world.events);
      const ended = sink.run();
      while (sink.status.delivered_seq < 8) {
        await new Promise((resolve) => setImmediate(resolve));
        if (sink.status.delivered_seq === told) sink.durable((told = Math.min(8, told + 3)));
      }
      sink.stop();
      await ended;
      expect(world.requests.map(({ events }) => events.length)).to.deep.equal([2, 3, 3]);
    });

    it("goes on after the last batch that it took when the process starts again", async () => {
      const world = worldOf(small(6), small(6));
      await world.run(6, {}, world.delivered(6));
      await world.run(12, {}, world.delivered(12));
      expect(seqs(world.taken)).to.deep.equal(upTo(12));
    });

    it("begins now where that is asked, and keeps to that after a restart", async () => {
      const world = worldOf(small(5), small(5));
      await world.run(4, { from: "now" }, world.delivered(4));
      await world.run(10, { from: "now" }, world.delivered(10));
      expect(seqs(world.taken)).to.deep.equal(upTo(10, 5));
    });

    it("has only decisions in OPA's form, and passes over the rest without a request", async () => {
      const world = worldOf([...small(30), decision(), ...small(30)]);
      await world.run(61, { format: "opa_decision_log" }, world.delivered(61));
      expect(world.requests).to.have.length(1);
      await world.run(61, { format: "opa_decision_log" }, () => world.timers.now > HOUR_MS);
      expect(world.requests).to.have.length(1);
    });

    it("has no request of more bytes than it is asked to have, but for a record that is larger", async () => {
      const pad = (bytes: number): Json => ({ ...SAMPLES["admin"], detail: { pad: "x".repeat(bytes) } });
      const world = worldOf([pad(400), pad(400), pad(400), pad(3000), pad(10), pad(10), pad(10)]);
      await world.run(7, { batch_bytes_max: 1200 }, world.delivered(7));
      expect(seqs(world.taken)).to.deep.equal(upTo(7));
      expect(world.requests.map(({ events }) => seqs(events))).to.deep.equal([[1, 2], [3], [4], [5, 6, 7]]);
    });

    it("has no more than 32 KiB at once in OPA's form, compressed, as OPA itself keeps it", async () => {
      let noise = 1;
      const text = (): string => Array.from({ length: 300 }, () => (noise = (noise * 48271) % 2147483647).toString(36)).join("");
      const world = worldOf(upTo(300).map(() => decision({ caller: text() })));
      await world.run(300, { format: "opa_decision_log", batch_records_max: 10_000 }, world.delivered(300));
      expect(world.taken).to.have.length(300);
      const sizes = world.requests.map(({ body }) => body.length);
      expect(Math.max(...sizes)).to.be.at.most(32 * 1024);
      expect(world.requests.length).to.be.below((1.6 * sizes.reduce((a, b) => a + b)) / (32 * 1024));
    });

    it("has a record whole whose input stood beside it, again and again", async () => {
      const large = upTo(6).map((n) => outsourced(decision({ ancestors: [{ n }] })));
      const world = worldOf(large.map(({ record }) => record));
      writeBeside(
        world.folder,
        1,
        large.map(({ beside }) => beside),
      );
      world.answer = (_, n) => (n % 2 === 1 ? 503 : 204);
      await world.run(6, { format: "opa_decision_log", batch_records_max: 2 }, world.delivered(6));
      expect(world.taken.filter(({ input }) => input !== undefined)).to.have.length(6);
      expect(world.said.filter((one) => one.startsWith("beside"))).to.deep.equal([]);
    });

    it("is sent each event in its form's own frame", async () => {
      for (const [format, type, text] of [
        ["json_lines", "application/x-ndjson", /^\{.*\}\n\{.*\}\n$/],
        ["ocsf", "application/x-ndjson", /^\{.*\}\n\{.*\}\n$/],
        ["cloudevents", "application/cloudevents-batch+json", /^\[\{"specversion":"1\.0".*\}\]$/],
        ["opa_decision_log", "application/json", /^\[\{"labels".*\}\]$/],
      ] as const) {
        const world = worldOf([decision(), decision()]);
        await world.run(2, { format, gzip: true }, world.delivered(2));
        const { headers = {}, body } = world.requests[0] ?? {};
        expect(headers).to.include({ "content-type": type, "content-encoding": "gzip" });
        expect(gunzipSync(body ?? Buffer.alloc(0)).toString()).to.match(text);
      }
    });
  });

  describe("that is away", () => {
    it("for hours has what was written meanwhile when it is back, in order, and was asked ever more seldom", async () => {
      const world = worldOf(small(500));
      const away = 6 * HOUR_MS;
      world.answer = () => (world.timers.now < away ? new Error("connect ECONNREFUSED") : 204);
      const sink = await world.run(500, { batch_records_max: 50 }, world.delivered(500));
      expect(seqs(world.taken)).to.deep.equal(upTo(500));
      const failed = world.requests.length - world.requests.filter(({ events }) => events === world.requests.at(-1)?.events).length;
      expect(failed).to.be.below(away / 45_000 + 60);
      expect(sink.status.failures).to.be.above(100);
      // What waits isn't read before it can be sent.
      for (const { events } of world.requests) expect(events.length).to.be.at.most(50);
      expect(world.said).to.deep.equal(["failing: connect ECONNREFUSED", "delivering"]);
    });

    it("is waited for twice as long each time, up to a bound, and never for the same time by all", async () => {
      const world = worldOf(small(1));
      world.answer = (_, n) => (n <= 9 ? 500 : 204);
      await world.run(1, {}, world.delivered(1));
      // Half is drawn, and here the draw is the middle.
      const waits = [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000].map(
        (most) => most / 2 + (most / 2) * (0x8080 / 65_536),
      );
      expect(world.timers.waits.slice(0, 9)).to.deep.equal(waits);
    });

    const asked: [retry_after: string, at_least: number, at_most: number][] = [
      ["120", 120_000, 120_000],
      ["0", 500, 1000],
      [new Date(NOW_MS + 90_000).toUTCString(), 90_000, 90_000],
      [new Date(NOW_MS - 90_000).toUTCString(), 500, 1000],
      ["31536000", HOUR_MS, HOUR_MS],
      ["99999999999999999999", 500, 1000],
      ["soon", 500, 1000],
      ["-5", 500, 1000],
      ["", 500, 1000],
    ];
    for (const [retry_after, least, most] of asked) {
      it(`is waited for as it asks, \`Retry-After: ${retry_after}\`: ${least} to ${most} ms`, async () => {
        const world = worldOf(small(1));
        world.answer = (_, n) => (n === 1 ? { status: 429, retry_after } : 204);
        await world.run(1, {}, world.delivered(1));
        expect(world.timers.waits[0]).to.be.within(least, most);
      });
    }

    it("gets less at once after each failure, for what is too much in time for it", async () => {
      const world = worldOf(small(100));
      world.answer = ({ events }) => (events.length > 5 ? new Error("no whole answer within 10 ms") : 204);
      await world.run(100, { batch_records_max: 64 }, world.delivered(100));
      expect(seqs(world.taken)).to.deep.equal(upTo(100));
    });
  });

  describe("that refuses some records for good", () => {
    for (const code of [400, 413, 415, 422]) {
      it(`has all others in order, and those are set aside and told of: ${code}`, async () => {
        const world = worldOf(small(40));
        const poison = new Set([1, 7, 8, 23, 40]);
        world.answer = ({ events }) => (seqs(events).some((seq) => poison.has(seq)) ? code : 200);
        const sink = await world.run(40, { batch_records_max: 16 }, world.delivered(40));
        expect(seqs(world.taken)).to.deep.equal(upTo(40).filter((seq) => !poison.has(seq)));
        expect(world.said).to.deep.equal([...poison].map((seq) => `set aside ${seq}: status ${code}`));
        expect(sink.status.set_aside).to.equal(5);
      });
    }

    it("has one after another only after a wait, when it refuses whatever it is shown, and again what it takes then", async () => {
      const world = worldOf(small(30));
      let refuses = true;
      world.answer = () => (refuses ? 400 : 204);
      await world.run(30, {}, (sink) => {
        if (world.timers.now > HOUR_MS / 4) refuses = false;
        return sink.status.delivered_seq === 30;
      });
      const aside = world.said.filter((one) => one.startsWith("set aside")).length;
      // 8 at once, then one for each wait of at least half a minute.
      expect(aside).to.be.within(9, 8 + 30);
      expect(seqs(world.taken)).to.deep.equal(upTo(30, aside + 1));
      expect(world.said).to.include("failing: status 400 to one record after another");
    });

    for (const code of [301, 302, 304, 307, 401, 403, 404, 405, 408, 409, 410, 429, 500, 502, 503, 504]) {
      it(`is another matter than one that may think better, and is asked again for ever: ${code}`, async () => {
        const world = worldOf(small(3));
        world.answer = (_, n) => (n <= 20 ? code : 204);
        const sink = await world.run(3, {}, world.delivered(3));
        expect(seqs(world.taken)).to.deep.equal([1, 2, 3]);
        expect(sink.status).to.deep.include({ failures: 20, set_aside: 0 });
        expect(world.said).to.deep.equal([`failing: status ${code}`, "delivering"]);
      });
    }

    it("is not the only one who can: what this side can't read is set aside as well", async () => {
      const world = worldOf(small(2));
      writeFileSync(join(world.folder, "0000000000000003.jsonl"), `not JSON\n${lineOf(decision(), 4).toString()}\n`);
      await world.run(4, { format: "ocsf" }, world.delivered(4));
      expect(world.taken).to.have.length(3);
      expect(world.said.join()).to.match(/^set aside 3: it can't be read: /);
    });
  });

  describe("whose cursor", () => {
    const atSix = async (): Promise<World> => {
      const world = worldOf(small(5), small(5));
      await world.run(6, {}, world.delivered(6));
      return world;
    };
    const file = (world: World): string => cursorFile(world.folder, "siem");

    it("is cut off anywhere begins again at the first record, and says so", async () => {
      const world = await atSix();
      const whole = readFileSync(file(world));
      for (let length = 0; length < whole.length; length += 11) {
        writeFileSync(file(world), whole.subarray(0, length));
        world.taken.length = world.said.length = 0;
        await world.run(10, {}, world.delivered(10));
        expect([length, ...seqs(world.taken)]).to.deep.equal([length, ...upTo(10)]);
        expect(world.said.join()).to.match(/^cursor damaged: .*siem\.cursor is no cursor/);
      }
    });

    it("has a bit turned over begins again at the first record, and says so", async () => {
      const world = await atSix();
      const whole = readFileSync(file(world));
      for (let byte = 0; byte < whole.length; byte += 4) {
        const turned = Buffer.from(whole);
        turned[byte] = (turned[byte] ?? 0) ^ (1 << (byte % 8));
        writeFileSync(file(world), turned);
        world.taken.length = world.said.length = 0;
        await world.run(10, {}, world.delivered(10));
        expect([byte, ...seqs(world.taken)]).to.deep.equal([byte, ...upTo(10)]);
        expect(world.said.join()).to.match(/^cursor damaged: /);
      }
    });

    const wrong: [what: string, cursor: (good: Json) => unknown, why: RegExp][] = [
      ["is garbage", () => "\u0000\u0001", /is no cursor/],
      ["is of a later form", (good) => ({ ...good, v: 2 }), /is no cursor/],
      ["is beyond the log's end", (good) => ({ ...good, seq: 4711 }), /at record 4711, and the log ends at 10/],
      [
        "is of another log",
        (good) => ({ ...good, last: { ...(good["last"] as Json), leaf: "00".repeat(32) } }),
        /a record 6 that this log doesn't have/,
      ],
      ["names a place between records", (good) => ({ ...good, last: { ...(good["last"] as Json), offset: 3 } }), /doesn't have/],
      ["names a place behind the end", (good) => ({ ...good, last: { ...(good["last"] as Json), offset: 99_999 } }), /doesn't have/],
      [
        "names another folder's file",
        (good) => ({ ...good, last: { ...(good["last"] as Json), segment: "../../etc/passwd" } }),
        /doesn't have/,
      ],
      ["is a negative number", (good) => ({ ...good, seq: -1 }), /is no cursor/],
      ["is a list", () => [], /is no cursor/],
      ["is empty", () => "", /is no cursor/],
    ];
    for (const [what, change, why] of wrong) {
      it(`${what} begins again at the first record, and says so, even if it was to begin now`, async () => {
        const world = await atSix();
        const cursor = change(readCursor(file(world)) as unknown as Json);
        if (typeof cursor === "string") writeFileSync(file(world), cursor);
        else writeCursor(file(world), cursor as Cursor);
        world.taken.length = 0;
        await world.run(10, { from: "now" }, world.delivered(10));
        expect(seqs(world.taken)).to.deep.equal(upTo(10));
        expect(world.said.join()).to.match(why);
      });
    }

    it("is gone begins as configured", async () => {
      const world = await atSix();
      rmSync(file(world));
      world.taken.length = 0;
      await world.run(9, { from: "now" }, world.delivered(9));
      await world.run(10, { from: "now" }, world.delivered(10));
      expect([seqs(world.taken), world.said]).to.deep.equal([[10], []]);
    });

    it("can't be read now waits until it can, and sends nothing meanwhile", async () => {
      const world = worldOf(small(3));
      mkdirSync(file(world), { recursive: true });
      const opened: Promise<Sink> = world.run(3, {}, world.delivered(3));
      while (world.timers.now < HOUR_MS) await new Promise((resolve) => setImmediate(resolve));
      expect(world.requests).to.have.length(0);
      rmSync(file(world), { recursive: true });
      await opened;
      expect(seqs(world.taken)).to.deep.equal([1, 2, 3]);
      expect(world.said[0]).to.match(/^failing: EISDIR/);
    });

    it("can't be written costs a second delivery after a restart, and no record", async () => {
      const world = worldOf(small(8));
      world.answer = (_, n) => {
        if (n !== 2) return 204;
        rmSync(join(world.folder, "export"), { recursive: true });
        writeFileSync(join(world.folder, "export"), "in the way");
        return 204;
      };
      await world.run(8, {}, world.delivered(8));
      expect(world.said).to.deep.equal(["cursor unwritable"]);
      rmSync(join(world.folder, "export"));
      await world.run(8, {}, world.delivered(8));
      expect(new Set(seqs(world.taken))).to.deep.equal(new Set(upTo(8)));
    });

    it("stands in a segment that was removed goes on behind it, and says which records it never had", async () => {
      const world = worldOf(small(5), small(5), small(5));
      await world.run(3, {}, world.delivered(3));
      rmSync(join(world.folder, "0000000000000001.jsonl"));
      rmSync(join(world.folder, "0000000000000006.jsonl"));
      await world.run(15, {}, world.delivered(15));
      expect(seqs(world.taken)).to.deep.equal([1, 2, 3, ...upTo(15, 11)]);
      expect(world.said).to.deep.equal(["missing 4 to 10"]);
    });
  });

  describe("on the network", () => {
    let receiver: Receiver;
    beforeEach(async () => {
      receiver = new Receiver();
      await receiver.start();
    });
    afterEach(() => receiver.stop());

    const deliver = async (answer: Answer, timeout_ms = 20_000): Promise<{ said: string[]; sink: Sink }> => {
      const world = worldOf(small(20));
      receiver.answer = answer;
      const { post, close } = poster(new URL(receiver.url), timeout_ms, system.timers);
      const options = { ...OPTIONS, interval_ms: 5, retry_ms: 5, retry_max_ms: 20 };
      const sink = new Sink(options, world.folder, 20, system, post, world.events);
      const ended = sink.run();
      while (sink.status.delivered_seq < 20) await new Promise((resolve) => setTimeout(resolve, 5));
      sink.stop();
      close();
      await ended;
      return { said: world.said, sink };
    };
    const SOON_MS = 400;
    const NOTHING_WHOLE = /^no whole answer within 400 ms$/;
    const ANYTHING = /./;
    /** The first three times. */
    const thrice = (bad: Answer): Answer => {
      let n = 0;
      return (...given) => {
        (n++ < 3 ? bad : status(204))(...given);
      };
    };

    // prettier-ignore
    const faults: [what: string, bad: Answer, detail: RegExp][] = [
      ["doesn't answer", () => undefined, NOTHING_WHOLE],
      ["answers a byte now and then", (_, response) => { response.writeHead(200); const drip = setInterval(() => response.write("."), 20); response.on("close", () => { clearInterval(drip); }); }, NOTHING_WHOLE],
      ["answers its headers a byte now and then", (_, response) => { response.socket?.write("HTTP/1.1 200 OK\r\nx: "); const drip = setInterval(() => response.socket?.write("."), 20); response.on("close", () => { clearInterval(drip); }); }, NOTHING_WHOLE],
      ["answers what is no HTTP", (_, response) => { response.socket?.end("I took it, thanks\r\n\r\n"); }, /Parse Error/],
      ["closes without an answer", (_, response) => { response.socket?.destroy(); }, /socket hang up|ECONNRESET/],
      ["resets the connection", (_, response) => { response.socket?.resetAndDestroy(); }, /ECONNRESET|socket hang up/],
      ["closes in the middle of its answer", (_, response) => { response.writeHead(200, { "content-length": 100 }).write("10 bytes.."); setTimeout(() => response.socket?.destroy(), 10); }, /aborted/],
      ["never ends its answer", (_, response) => { response.writeHead(200); const more = (): void => { while (!response.destroyed && response.write("x".repeat(65_536))); response.once("drain", more); }; more(); }, /^an answer of more than 1048576 bytes$/],
      ["answers with endless headers", (_, response) => { response.socket?.write(`HTTP/1.1 200 OK\r\n${"x: y\r\n".repeat(20_000)}`); }, /Header overflow/],
      ["sends elsewhere", status(307, { location: "/elsewhere" }), /^status 307$/],
      ["sends inside", status(302, { location: "http://169.254.169.254/latest/meta-data" }), /^status 302$/],
      ["switches protocols", (_, response) => { response.socket?.end("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"); }, ANYTHING],
      ["is overloaded", status(503, { "retry-after": "0" }), /^status 503$/],
      ["doesn't take the token", status(401, { "www-authenticate": "Bearer" }), /^status 401$/],
    ];
    for (const [what, bad, detail] of faults) {
      it(`that ${what} gets all records, in order, when it does better`, async () => {
        const { said, sink } = await deliver(thrice(bad), [NOTHING_WHOLE, ANYTHING].includes(detail) ? SOON_MS : undefined);
        const taken = seqs(receiver.taken);
        expect([...new Set(taken)]).to.deep.equal(upTo(20));
        expect(taken.length).to.be.at.most(20 + 3 * 4);
        expect(said[0]).to.match(/^failing: /);
        expect(said[0]?.replace("failing: ", "")).to.match(detail);
        expect(sink.status.failures).to.be.at.least(3);
        expect(receiver.received.every(({ path }) => path === "/logs")).to.be.true;
      });
    }

    it("that breaks off while it is sent to gets all of it again", async () => {
      const server = receiver.port;
      // What came before had no answer, so nothing is known of it.
      connect(server, "127.0.0.1").destroy();
      const { said } = await deliver((_, response, request) => {
        if (receiver.received.length <= 2) request.socket.destroy();
        else status(204)(receiver.received[0] ?? never(), response, request);
      });
      expect([...new Set(seqs(receiver.taken))]).to.deep.equal(upTo(20));
      expect(said).to.have.length(2);
    });

    it("that shows a certificate nobody vouches for is sent nothing, and one that is vouched for everything", async function () {
      const at = (name: string): string => join(parent, name);
      const make = [
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
        "/CN=localhost",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        at("key.pem"),
        "-out",
        at("cert.pem"),
      ];
      if (spawnSync("openssl", make).status !== 0) skip(this, "no openssl");
      const [key, cert] = [readFileSync(at("key.pem")), readFileSync(at("cert.pem"))];
      const requests: string[] = [];
      const server = createServer({ key, cert }, (request, response) => {
        requests.push(`${request.method ?? ""} ${request.headers.authorization ?? ""}`);
        request.resume().on("end", () => response.writeHead(204).end());
      }).listen(0, "127.0.0.1");
      await once(server, "listening");
      const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/logs`;
      const { post, close } = poster(new URL(url), 5000, system.timers);
      const refused: unknown = await post({ authorization: "Bearer secret" }, Buffer.from("{}")).catch((cause: unknown) => cause);
      expect([(refused as NodeJS.ErrnoException).code, requests]).to.deep.equal(["DEPTH_ZERO_SELF_SIGNED_CERT", []]);
      close();
      const module = new URL("../../../src/system/post.js", import.meta.url).href;
      const program = `
        const { poster } = await import(${JSON.stringify(module)});
        const timers = { after: (ms, call) => { const t = setTimeout(call, ms); return () => clearTimeout(t); } };
        const { post, close } = poster(new URL(${JSON.stringify(url)}), 5000, timers);
        console.log((await post({ authorization: "Bearer secret" }, Buffer.from("{}"))).status);
        close();`;
      const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
        env: { ...process.env, NODE_EXTRA_CA_CERTS: at("cert.pem") },
      });
      const [out] = (await once(child.stdout, "data")) as [Buffer];
      expect([out.toString().trim(), requests]).to.deep.equal(["204", ["POST Bearer secret"]]);
      server.close();
      server.closeAllConnections();
    });

    it("sends the headers of its file, which is read each time, and nothing while there is none", async () => {
      const world = worldOf(small(2));
      const headers_file = join(world.folder, "headers");
      const ran = world.run(2, { headers_file }, world.delivered(2));
      while (world.timers.now < HOUR_MS) await new Promise((resolve) => setImmediate(resolve));
      expect(world.requests).to.have.length(0);
      writeFileSync(headers_file, "Authorization: Splunk secret-1\nX-Scope: a\n");
      await ran;
      expect(world.requests[0]?.headers).to.include({
        authorization: "Splunk secret-1",
        "x-scope": "a",
        "content-type": "application/x-ndjson",
      });
      expect(world.said[0]).to.match(/^failing: ENOENT/);
      expect(world.said.join()).not.to.include("secret-1");
    });

    it("puts events together as each form has them", async () => {
      const forms: [format: SinkOptions["format"], read: (text: string) => unknown[]][] = [
        ["json_array", (text) => JSON.parse(text) as unknown[]],
        [
          "splunk_hec",
          (text) =>
            text
              .trimEnd()
              .split("\n")
              .map((line) => (JSON.parse(line) as { event: unknown }).event),
        ],
        [
          "otlp_logs",
          (text) => {
            type Logs = { resourceLogs: { scopeLogs: { logRecords: { body: { stringValue: string } }[] }[] }[] };
            const { resourceLogs } = JSON.parse(text) as Logs;
            return (resourceLogs[0]?.scopeLogs[0]?.logRecords ?? []).map(({ body }) => JSON.parse(body.stringValue) as unknown);
          },
        ],
      ];
      for (const [format, read] of forms) {
        const world = worldOf(small(3));
        await world.run(3, { format }, world.delivered(3));
        expect(seqs(read(world.requests[0]?.body.toString() ?? "") as Json[]), format).to.deep.equal([1, 2, 3]);
      }
    });

    const tokens: [what: string, content: string | null, why: RegExp][] = [
      ["isn't there", null, /^failing: ENOENT/],
      ["is empty", "", /^failing: .*token holds no token/],
      ["would be two headers", "a\r\nx-evil: 1", /^failing: .*token holds no token/],
      ["holds two", "a b", /^failing: .*token holds no token/],
    ];
    for (const [what, content, why] of tokens) {
      it(`waits for its token, which is read each time and said nowhere: one that ${what}`, async () => {
        const world = worldOf(small(2));
        const token_file = join(world.folder, "token");
        if (content !== null) writeFileSync(token_file, content);
        const ran = world.run(2, { token_file }, world.delivered(2));
        while (world.timers.now < HOUR_MS) await new Promise((resolve) => setImmediate(resolve));
        expect(world.requests).to.have.length(0);
        writeFileSync(token_file, "good-token\n");
        await ran;
        expect(world.requests[0]?.headers).to.include({ authorization: "Bearer good-token" });
        expect(world.said[0]).to.match(why);
        expect(world.said.join()).not.to.match(/evil|good-token/);
      });
    }
  });
});

function never(): never {
  throw new Error("it was asked before");
}
