/** The log's writer, message by message, on a disk and a clock of the test's own: what it reports, when it signs, and what it drops. */
import { expect } from "chai";
import { crc32 } from "node:zlib";
import { MessageChannel, receiveMessageOnPort, type MessagePort } from "node:worker_threads";
import { DurableMark, MARK_FILE } from "../../src/audit/log/durable_mark.js";
import { serveWriter, type FromWriter, type ToWriter, type WriterOptions } from "../../src/audit/log/writer.js";
import { StillTimers, turns } from "../facts/world.js";
import { ModelDisk } from "./disk.js";
import { SEALING, memoryTiles } from "./sealing.js";

const CHECKPOINT_MS = 1000;
const PROBE_MS = 250;
const GROUP_BYTES = 1024 * 1024;

let disk: ModelDisk;
let timers: StillTimers;
let tiles: ReturnType<typeof memoryTiles>;
let port: MessagePort;
let ports: MessagePort[];
beforeEach(() => {
  [disk, timers, tiles, ports] = [new ModelDisk(), new StillTimers(), memoryTiles(), []];
});
afterEach(() => {
  for (const one of ports) one.close();
});

function serve(options: Partial<WriterOptions> = {}): void {
  const { port1, port2 } = new MessageChannel();
  port = port1;
  ports.push(port1, port2);
  const clock = { wall: () => timers.now, monotonic: () => timers.now };
  const given = { ...SEALING, checkpoint_ms: CHECKPOINT_MS, segment_bytes: 1e9, durable: null, ...options };
  serveWriter(port2, disk, tiles, given, { clock, timers });
}
const record = (seq: number, text = ""): string => `{"seq":${seq},"text":"${text}"}\n`;
const send = (...messages: ToWriter[]): void => {
  for (const message of messages) port.postMessage(message);
};
const lines = (seq: number, { epoch = 1, text = "", beside = "" } = {}): ToWriter => ({ epoch, lines: record(seq, text), beside, seq });
/** What it reported since the last time, without the texts of causes. */
async function reported(): Promise<unknown[]> {
  await turns();
  const all: unknown[] = [];
  for (let one = receiveMessageOnPort(port); one !== undefined; one = receiveMessageOnPort(port)) {
    const message = one.message as FromWriter;
    const { kind } = message;
    if (kind === "ready") all.push(["ready", message.epoch, message.seq, message.cut === null ? null : message.cut.bytes]);
    else if (kind === "durable") all.push(["durable", message.seq]);
    else if (kind === "answer") all.push(["answer", message.id, message.answer]);
    else if (kind === "refused") all.push(["refused", message.id, message.range]);
    else all.push(kind);
  }
  return all;
}
const signed = (): boolean => disk.list().includes("checkpoint");
/** How many records the log's checkpoint covers. */
const covered = (): number => Number(disk.read("checkpoint").toString().split("\n")[1]);

describe("the log's writer", () => {
  it("signs an empty log before its first record, and reports that it is ready", async () => {
    serve();
    expect([await reported(), signed(), covered()]).to.deep.equal([[["ready", 1, 0, null]], true, 0]);
  });

  it("writes what came together as one group, with one sync, and reports the last record of it", async () => {
    serve();
    await reported();
    const before = disk.syncs;
    send(lines(1), lines(2), lines(3));
    expect(await reported()).to.deep.equal([["durable", 3]]);
    expect([disk.text(), disk.syncs - before]).to.deep.equal([record(1) + record(2) + record(3), 1]);
  });

  it("ends a group once it is as large as may be torn, what stands beside its records counted in", async () => {
    serve();
    await reported();
    const besides = (bytes: number): string => `"${"y".repeat(bytes - 3)}"\n`;
    send(lines(1, { beside: besides(GROUP_BYTES / 2) }), lines(2, { beside: besides(GROUP_BYTES / 2) }), lines(3), lines(4));
    expect(await reported()).to.deep.equal([
      ["durable", 2],
      ["durable", 4],
    ]);
    const room = GROUP_BYTES - record(5).length;
    send(lines(5, { beside: besides(room) }), lines(6));
    expect(await reported(), "to the byte").to.deep.equal([
      ["durable", 5],
      ["durable", 6],
    ]);
    send(lines(7, { beside: besides(room - 1) }), lines(8));
    expect(await reported()).to.deep.equal([["durable", 8]]);
    expect(disk.list().filter((name) => name.includes("beside"))).to.have.lengthOf(1);
  });

  it("makes no file beside where nothing stands beside", async () => {
    serve();
    send(lines(1));
    await reported();
    expect(disk.list().filter((name) => name.includes("beside"))).to.deep.equal([]);
  });

  it("drops what was handed over before it failed, and what comes while it can't write", async () => {
    serve();
    await reported();
    disk.failNext("write");
    send(lines(1), lines(2));
    expect(await reported()).to.deep.equal(["failed"]);
    send(lines(3));
    expect(await reported(), "it isn't tried between").to.deep.equal([]);
    await timers.advance(PROBE_MS - 1);
    expect(await reported()).to.deep.equal([]);
    await timers.advance(1);
    expect(await reported()).to.deep.equal([["ready", 2, 0, null]]);
    send(lines(4), lines(1, { epoch: 2 }), lines(5));
    expect(await reported()).to.deep.equal([["durable", 1]]);
    expect(disk.text()).to.equal(record(1));
  });

  it("goes on trying until the disk takes more, each try one report", async () => {
    serve();
    await reported();
    disk.failNext("write");
    send(lines(1));
    await reported();
    disk.failNext("truncate", 3);
    const found: unknown[] = [];
    for (let i = 0; i < 4; i++) {
      await timers.advance(PROBE_MS);
      found.push(...(await reported()));
    }
    expect(found.at(-1)).to.deep.equal(["ready", 2, 0, null]);
    expect(found.slice(0, -1).every((one) => one === "failed")).to.equal(true);
  });

  it("signs within its time after a record, and not again while nothing was added", async () => {
    serve();
    await reported();
    send(lines(1));
    await reported();
    await timers.advance(CHECKPOINT_MS - 1);
    expect(covered()).to.equal(0);
    await timers.advance(1);
    expect(covered()).to.equal(1);
    await timers.advance(CHECKPOINT_MS / 2);
    send(lines(2));
    await reported();
    await timers.advance(CHECKPOINT_MS / 2 - 1);
    expect(covered(), "counted from the last checkpoint").to.equal(1);
    await timers.advance(1);
    expect(covered()).to.equal(2);
    await timers.advance(5 * CHECKPOINT_MS);
    send(lines(3));
    await reported();
    await timers.advance(0);
    expect(covered(), "the last one is long ago").to.equal(3);
  });

  it("reports a checkpoint that can't be written, and writes it after the next records", async () => {
    serve();
    await reported();
    send(lines(1));
    await reported();
    disk.failNext("replace");
    await timers.advance(CHECKPOINT_MS);
    expect([await reported(), covered()]).to.deep.equal([["unsealed"], 0]);
    send(lines(2));
    expect(await reported()).to.deep.equal([["durable", 2]]);
    await timers.advance(CHECKPOINT_MS);
    expect([await reported(), covered()]).to.deep.equal([[], 2]);
  });

  it("signs what isn't signed when it is closed, and reports that last", async () => {
    serve();
    await reported();
    send(lines(1), "close", lines(2));
    expect(await reported()).to.deep.equal([["durable", 1], "closed"]);
    expect([covered(), disk.text()]).to.deep.equal([1, record(1)]);
  });

  it("signs nothing when it is closed while it can't write", async () => {
    serve();
    await reported();
    send(lines(1));
    await reported();
    disk.failNext("write");
    send(lines(2));
    await reported();
    send("close");
    expect(await reported()).to.deep.equal(["closed"]);
    expect(covered()).to.equal(0);
    await timers.advance(PROBE_MS);
    expect(covered(), "nor tries again").to.equal(0);
  });

  it("answers questions to the tree in their turn, and says which are out of range", async () => {
    serve();
    await reported();
    const ask = (id: number, question: Extract<ToWriter, { ask: unknown }>["ask"]): ToWriter => ({ id, ask: question });
    send(
      ...[lines(1), lines(2), ask(1, { kind: "checkpoint" }), lines(3), ask(2, { kind: "inclusion", indices: [0] })],
      ...[ask(3, { kind: "consistency", before: 1 }), ask(4, { kind: "tile", level: 0, n: 0, width: 3 })],
      ...[ask(6, { kind: "inclusion", indices: [99] }), lines(4)],
    );
    const all = (await reported()) as [string, number, unknown][];
    expect(all.map(([kind, id]) => `${kind} ${id}`)).to.deep.equal([
      ...["durable 2", "answer 1", "durable 3", "answer 2", "answer 3", "answer 4"],
      ...["refused 6", "durable 4"],
    ]);
    const answers = Object.fromEntries(all.filter(([kind]) => kind === "answer").map(([, id, answer]) => [id, answer]));
    expect(answers[1])
      .to.be.a("string")
      .that.matches(/^remit\/test\n2\n/);
    expect(answers[2]).to.deep.include({ size: 2 }).and.to.have.property("proofs").with.lengthOf(1);
    expect(answers[3]).to.deep.include({ size: 3 }).and.to.have.property("proof");
    expect((answers[4] as Uint8Array).length).to.equal(3 * 32);
    expect(all.filter(([kind]) => kind === "refused").map(([, , range]) => range)).to.deep.equal([true]);
  });

  describe("on what an earlier one left", () => {
    const left = async (count: number, close = true): Promise<void> => {
      serve();
      for (let seq = 1; seq <= count; seq++) send(lines(seq));
      if (close) send("close");
      await reported();
      if (!close) await reported();
    };

    it("goes on after the last record, and signs what wasn't signed before it takes more", async () => {
      await left(3, false);
      expect(covered()).to.equal(0);
      serve();
      expect([await reported(), covered()]).to.deep.equal([[["ready", 1, 3, null]], 3]);
      send(lines(4));
      expect(await reported()).to.deep.equal([["durable", 4]]);
    });

    it("signs nothing anew where all was signed", async () => {
      await left(2);
      const before = disk.read("checkpoint");
      timers.now = 5000;
      serve();
      await reported();
      expect(disk.read("checkpoint").equals(before)).to.equal(true);
    });

    it("refuses records without the checkpoint that vouched for them, again and again", async () => {
      disk.put(1, record(1));
      serve();
      expect(await reported()).to.deep.equal(["failed"]);
      await timers.advance(PROBE_MS);
      expect([await reported(), signed()]).to.deep.equal([["failed"], false]);
    });

    it("refuses a log that ends before what was signed, or was said to be durable", async () => {
      await left(3);
      disk.put(1, record(1) + record(2));
      for (const durable of [null, 2, 3]) {
        serve({ durable });
        expect(await reported(), String(durable)).to.deep.equal(["failed"]);
      }
    });

    it("takes for durable what was signed, though an earlier writer didn't live to say so", async () => {
      await left(3);
      serve({ durable: 1 });
      expect(await reported()).to.deep.equal([["ready", 1, 3, null]]);
      expect(disk.text()).to.equal(record(1) + record(2) + record(3));
    });

    it("cuts what nobody was answered for", async () => {
      await left(2);
      disk.put(1, record(1) + record(2) + record(3));
      serve({ durable: 2 });
      expect(await reported()).to.deep.equal([["ready", 1, 2, record(3).length]]);
    });
  });
});

describe("the mark of what was answered for", () => {
  const mark = (): DurableMark => new DurableMark(disk);
  const text = (): string => disk.read(MARK_FILE).toString("latin1");
  const put = (bytes: string): void => {
    const file = disk.open(MARK_FILE);
    disk.truncate(file, 0);
    disk.write(file, Buffer.from(bytes, "latin1"), 0);
  };

  it("names the last record that was written, of whatever length its number is", () => {
    expect(mark().read(), "nothing was").to.equal(0);
    const one = mark();
    for (const seq of [1, 9_007_199_254_740_991, 12]) {
      one.write(seq);
      expect([mark().read(), text().length]).to.deep.equal([seq, 26]);
    }
    expect(text()).to.match(/^0000000000000012 [0-9a-f]{8}\n$/);
    expect(disk.syncs, "it may be lost").to.equal(0);
  });

  it("is lowered on disk before anything is cut", () => {
    const one = mark();
    one.write(9);
    disk.syncDirectory();
    one.lower(4);
    expect([disk.syncs, mark().read()]).to.deep.equal([1, 4]);
    disk.crash();
    expect(mark().read()).to.equal(4);
  });

  it("names nothing if any of it isn't as it was written", () => {
    mark().write(12);
    const good = text();
    for (let at = 0; at < good.length; at++) {
      put(`${good.slice(0, at)}${good[at] === "1" ? "2" : "1"}${good.slice(at + 1)}`);
      expect(mark().read(), `byte ${at}`).to.equal(0);
    }
    for (const bytes of ["", good.slice(0, -1), `${good} `, "0000000000000000 c5f9c1a8\n", `-${good.slice(1)}`]) {
      put(bytes);
      expect(mark().read(), JSON.stringify(bytes)).to.equal(0);
    }
    for (const digits of ["0000000000000000", "00000000000001.5", "9007199254740993", "0000000000000NaN"]) {
      put(`${digits} ${crc32(digits).toString(16).padStart(8, "0")}\n`);
      expect(mark().read(), `${digits} is no record's number`).to.equal(0);
    }
  });

  it("lets go of its file once, when it is closed or can't be written", () => {
    let closed = 0;
    const close = disk.close.bind(disk);
    disk.close = (file) => {
      closed++;
      close(file);
      throw new Error("EIO");
    };
    const one = mark();
    one.close();
    expect(closed).to.equal(0);
    one.write(3);
    one.close();
    one.close();
    expect(closed).to.equal(1);
    one.write(4);
    disk.failNext("write");
    one.write(5);
    one.close();
    expect(closed).to.equal(2);
  });

  it("stays at an earlier record where it can't be written, and is opened anew for the next", () => {
    const one = mark();
    one.write(3);
    disk.failNext("write");
    one.write(4);
    expect(mark().read()).to.equal(3);
    one.write(5);
    expect(mark().read()).to.equal(5);
    one.close();
    one.close();
    one.write(6);
    expect(mark().read()).to.equal(6);
  });

  it("isn't lowered silently", () => {
    const one = mark();
    one.write(3);
    disk.failNext("write");
    expect(() => {
      one.lower(2);
    }).to.throw("ENOSPC");
  });
});
