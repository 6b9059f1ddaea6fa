/** The record log and the messages between it and its writer: what it hands over, and what it makes of each report. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { SegmentLog, lockLog, type LogOptions } from "../../src/audit/log/log.js";
import { TORN_BYTES_MAX } from "../../src/audit/log/segments.js";
import { ENTRY_BYTES_MAX } from "../../src/audit/tree/hash.js";
import type { FromWriter, ToWriter } from "../../src/audit/log/writer.js";
import type { Problem } from "../../src/contract/index.js";
import type { Beside } from "../../src/decision/ports.js";
import { systemTimers, type Timers } from "../../src/system/index.js";
import { sizes } from "./log_support.js";
import { temporaryDirectory } from "./temporary.js";

const KB = 1024;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "done",
    (cause: unknown) => (cause as Problem).code,
  );

interface Opened {
  log: SegmentLog;
  /** Messages that the writer was sent. */
  sent: ToWriter[];
  tell: (message: FromWriter) => void;
  die: (cause: Error) => void;
  /** What the log's owner was told. */
  said: string[];
  /** Looks at the locks' files, as it does every second. */
  look: () => void;
  directory: string;
}

/** @param tellsLost whether the owner records what was lost, as a service does */
async function opened(options: Partial<LogOptions> = {}, tellsLost = false): Promise<Opened> {
  const [sent, said, directory]: [ToWriter[], string[], string] = [[], [], temporaryDirectory()];
  let tell = (_: FromWriter): void => undefined;
  let die = (_: Error): void => undefined;
  let look = (): void => undefined;
  const timers: Timers = { ...systemTimers, every: (_ms, call) => ((look = call), () => undefined) };
  const opening = SegmentLog.open(
    { directory, ...sizes, queue_bytes_max: 64 * KB * KB, ...options },
    timers,
    {
      unavailable: (detail) => said.push(`unavailable: ${detail}`),
      ready: (seq) => said.push(`ready ${seq}`),
      lost: (records) => {
        said.push(`lost ${records}`);
        if (tellsLost) void append(log, "lost");
      },
      unsealed: (detail) => said.push(`unsealed: ${detail}`),
    },
    () => ({
      postMessage: (message) => {
        sent.push(message);
        if (message === "close") tell({ kind: "closed" });
      },
      onMessage: (call) => (tell = call),
      onDeath: (call) => (die = call),
      terminate: () => undefined,
    }),
  );
  tell({ kind: "ready", epoch: 1, seq: 0, cut: null });
  const log = await opening;
  return {
    log,
    sent,
    said,
    directory,
    tell: (message) => {
      tell(message);
    },
    die: (cause) => {
      die(cause);
    },
    look: () => {
      look();
    },
  };
}

const append = (log: SegmentLog, text = ""): Promise<void> => log.append(`"text":"${text}"`, '"v":2');
const besideOf = (text: string): Beside => ({ text, digest: "" });
/** A message of records, as far as a test looks at it. */
const records = (message: ToWriter | undefined): [epoch: number, lines: number, seq: number] =>
  typeof message === "object" && "epoch" in message ? [message.epoch, message.lines.split("\n").length - 1, message.seq] : [NaN, NaN, NaN];

describe("the record log and its writer's messages", () => {
  it("hands over all records of a turn in one message, what stands beside them with it, and more of them in another", async () => {
    const { log, sent } = await opened();
    void append(log);
    void log.append('"id":2', '"v":2', besideOf("beside"));
    void log.appendAll([
      { before: '"id":3', after: '"v":2', beside: besideOf("more") },
      { before: '"id":4', after: '"v":2' },
    ]);
    expect([sent, log.queue.records, log.seq]).to.deep.equal([[], 4, 4]);
    await turn();
    void append(log);
    await turn();
    expect(sent.map(records)).to.deep.equal([
      [1, 4, 4],
      [1, 1, 5],
    ]);
    expect(sent[0]).to.include({ beside: "beside\nmore\n" });
    expect(sent[1]).to.include({ beside: "", lines: '{"text":"","seq":5,"v":2}\n' });
    await log.close();
  });

  it("hands over a megabyte at most in one message, in their order", async () => {
    const { log, sent } = await opened();
    for (let i = 0; i < 50; i++) void append(log, "x".repeat(50 * KB));
    await turn();
    const sizesOf = sent.map((message) => (typeof message === "object" && "epoch" in message ? Buffer.byteLength(message.lines) : 0));
    expect(Math.max(...sizesOf)).to.be.within(900 * KB, KB * KB);
    expect(sent.map((message) => records(message)[2])).to.deep.equal([20, 40, 50]);
    await log.close();
  });

  it("takes no record too long for a leaf, nor more at once than a group may have, and numbers none of them", async () => {
    const { log, sent } = await opened();
    const long = `"x":"${"x".repeat(ENTRY_BYTES_MAX)}"`;
    const entry = { before: `"x":"${"x".repeat(50 * KB)}"`, after: '"v":2' };
    const many = Array.from({ length: Math.ceil(TORN_BYTES_MAX / (50 * KB)) }, () => entry);
    const tries = [log.append(long, '"v":2'), log.appendAll([entry, { before: long, after: '"v":2' }]), log.appendAll(many)];
    expect(await Promise.all(tries.map(codeOf))).to.deep.equal(["internal", "internal", "internal"]);
    await turn();
    expect([sent, log.seq, log.queue]).to.deep.equal([[], 0, { records: 0, bytes: 0 }]);
    // A byte less than too long, in letters of three bytes each.
    const fits = ENTRY_BYTES_MAX - Buffer.byteLength('{"x":"","seq":1,"v":2}\n');
    const text = "\u20ac".repeat(Math.floor(fits / 3)) + "x".repeat(fits % 3);
    expect(await codeOf(log.append(`"x":"${text}x"`, '"v":2'))).to.equal("internal");
    void log.append(`"x":"${text}"`, '"v":2');
    expect(log.seq).to.equal(1);
    await log.close();
  });

  it("tells listeners what is on disk, until they have had enough", async () => {
    const { log, tell } = await opened();
    const heard: number[] = [];
    const stop = log.onDurable((seq) => heard.push(seq));
    const done = [append(log), append(log)];
    await turn();
    tell({ kind: "durable", seq: 1 });
    tell({ kind: "durable", seq: 2 });
    await Promise.all(done);
    stop();
    tell({ kind: "durable", seq: 2 });
    expect([heard, log.durable]).to.deep.equal([[1, 2], 2]);
    await log.close();
  });

  it("has each question answered or refused by its own number, and none by a writer that is gone", async () => {
    const { log, sent, tell, die, said } = await opened();
    const asked = [log.checkpoint(), log.inclusion([1]), log.consistency(2), log.tile(0, 0, 1)];
    const outcomes = asked.map((one) =>
      one.then(String, (cause: unknown) => (cause instanceof RangeError ? `range: ${cause.message}` : (cause as Problem).code)),
    );
    const ids = sent.map((message) => (typeof message === "object" && "id" in message ? message.id : NaN));
    expect(sent.map((message) => (typeof message === "object" && "ask" in message ? message.ask : null))).to.deep.equal([
      { kind: "checkpoint" },
      { kind: "inclusion", indices: [1] },
      { kind: "consistency", before: 2 },
      { kind: "tile", level: 0, n: 0, width: 1 },
    ]);
    const [first = 0, second = 0, third = 0] = ids;
    tell({ kind: "refused", id: third, range: true, detail: "only 1" });
    tell({ kind: "refused", id: second, range: false, detail: "the disk" });
    tell({ kind: "answer", id: 999, answer: "nobody asked" });
    tell({ kind: "answer", id: first, answer: "note" });
    die(new Error("killed"));
    expect(await Promise.all(outcomes)).to.deep.equal(["note", "log_unavailable", "range: only 1", "log_unavailable"]);
    expect([await codeOf(log.checkpoint()), sent.length]).to.deep.equal(["log_unavailable", 4]);
    expect(said).to.deep.equal(["ready 0", "unavailable: the log's writer ended: killed"]);
  });

  it("refuses what was handed over when the writer fails, tells that once, and numbers on from what the disk has", async () => {
    const { log, sent, tell, said } = await opened();
    const before = append(log);
    await turn();
    tell({ kind: "durable", seq: 1 });
    await before;
    const lost = [append(log), append(log)];
    await turn();
    const unsent = append(log);
    tell({ kind: "failed", detail: "ENOSPC" });
    tell({ kind: "failed", detail: "ENOSPC" });
    expect(await Promise.all([...lost, unsent, append(log), log.appendAll([])].map(codeOf))).to.deep.equal(
      Array(5).fill("log_unavailable"),
    );
    expect([log.healthy, log.queue]).to.deep.equal([false, { records: 0, bytes: 0 }]);
    await turn();
    tell({ kind: "ready", epoch: 2, seq: 1, cut: null });
    expect([log.healthy, log.seq, log.durable]).to.deep.equal([true, 1, 1]);
    const after = append(log);
    await turn();
    expect(sent.map(records)).to.deep.equal([
      [1, 1, 1],
      [1, 2, 3],
      [2, 1, 2],
    ]);
    tell({ kind: "durable", seq: 2 });
    expect(await codeOf(after)).to.equal("done");
    tell({ kind: "unsealed", detail: "no tile" });
    expect(said).to.deep.equal(["ready 0", "unavailable: ENOSPC", "ready 1", "unsealed: no tile"]);
    await log.close();
  });

  it("says how many were lost of those that it had answered for before the disk had them", async () => {
    const { log, tell, said } = await opened({ durability: "relaxed" });
    expect(await codeOf(Promise.all([append(log), append(log), append(log)]))).to.equal("done");
    await turn();
    tell({ kind: "durable", seq: 1 });
    expect(log.queue.records).to.equal(2);
    tell({ kind: "failed", detail: "EIO" });
    tell({ kind: "ready", epoch: 2, seq: 1, cut: null });
    tell({ kind: "failed", detail: "EIO" });
    tell({ kind: "ready", epoch: 3, seq: 1, cut: null });
    expect(said).to.deep.equal(["ready 0", "unavailable: EIO", "ready 1", "lost 2", "unavailable: EIO", "ready 1"]);
    await log.close();
  });

  for (const isOwn of [true, false])
    it(`acknowledges nothing any more, for good, once the file of ${isOwn ? "its lock" : "another lock that it needs"} is gone`, async () => {
      const elsewhere = temporaryDirectory();
      const unlock = lockLog(elsewhere);
      const { log, tell, said, look, directory } = await opened({ locks: [join(elsewhere, "lock")] });
      look();
      expect([log.healthy, said]).to.deep.equal([true, ["ready 0"]]);
      const file = join(isOwn ? directory : elsewhere, "lock.db");
      rmSync(file);
      const waiting = append(log);
      await turn();
      look();
      look();
      expect(await codeOf(waiting)).to.equal("log_unavailable");
      tell({ kind: "durable", seq: 1 });
      tell({ kind: "ready", epoch: 2, seq: 1, cut: null });
      expect([log.healthy, log.durable, await codeOf(append(log))]).to.deep.equal([false, 0, "log_unavailable"]);
      expect(said.slice(1)).to.deep.equal([
        `unavailable: the lock \`${file}\` was removed or replaced: another process may write here; stop both and start one`,
      ]);
      await log.close();
      unlock();
    });

  it("hands over what it has before it closes, once, and takes no more", async () => {
    const { log, sent } = await opened();
    void append(log).catch(() => undefined);
    const closing = [log.close(), log.close()];
    await Promise.all(closing);
    expect([sent.length, records(sent[0]), sent[1]]).to.deep.equal([2, [1, 1, 1], "close"]);
    expect([log.healthy, await codeOf(append(log))]).to.deep.equal([false, "log_unavailable"]);
  });

  for (const [what, limit] of [
    ["records", { queue_records_max: 3 }],
    ["bytes, of records and what stands beside them", { queue_bytes_max: 3 * Buffer.byteLength('{"id":1,"seq":1,"v":2}\nbeside\n') }],
  ] as const)
    it(`takes as many ${what} as its queue may have, none of a turn after one that it refused, and more as they get to the disk`, async () => {
      const { log, tell, sent } = await opened(limit);
      const put = (): Promise<string> => codeOf(log.append('"id":1', '"v":2', besideOf("beside")));
      const taken = [put(), put(), put()];
      const refused = [put(), put()];
      await turn();
      tell({ kind: "durable", seq: 1 });
      taken.push(put());
      refused.push(put());
      tell({ kind: "durable", seq: 3 });
      refused.push(put());
      expect(await Promise.all(refused), "in the turn of a refusal").to.deep.equal(Array(4).fill("log_backlog"));
      await turn();
      expect(log.queue.records).to.equal(1);
      for (let i = 0; i < 2; i++) taken.push(put());
      await turn();
      tell({ kind: "durable", seq: 6 });
      expect(await Promise.all(taken)).to.deep.equal(Array(6).fill("done"));
      expect([log.queue, sent.map(records)]).to.deep.equal([
        { records: 0, bytes: 0 },
        [
          [1, 3, 3],
          [1, 1, 4],
          [1, 2, 6],
        ],
      ]);
      await log.close();
    });

  it("counts what was lost again if the record that says so is lost, and no more once that is on disk", async () => {
    const { log, tell, said } = await opened({ durability: "relaxed" }, true);
    const fails = async (epoch: number, seq: number): Promise<void> => {
      await turn();
      tell({ kind: "failed", detail: "EIO" });
      tell({ kind: "ready", epoch, seq, cut: null });
    };
    for (let i = 0; i < 3; i++) void append(log);
    await fails(2, 0);
    await fails(3, 0);
    void append(log);
    await fails(4, 0);
    await turn();
    tell({ kind: "durable", seq: 1 });
    void append(log);
    await fails(5, 1);
    expect(said.filter((one) => one.startsWith("lost"))).to.deep.equal(["lost 3", "lost 3", "lost 4", "lost 1"]);
    await log.close();
  });

  it("says what its queue may have", async () => {
    const { log } = await opened({ queue_records_max: 7, queue_bytes_max: 900 });
    expect(log.queue_max).to.deep.equal({ records: 7, bytes: 900 });
    await log.close();
  });
});
