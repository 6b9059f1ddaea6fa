import { expect } from "chai";
import { spawnSync } from "node:child_process";
import { verifyLog } from "../../src/audit/tree/verify.js";
import { readLog, temporaryDirectory } from "./temporary.js";
import { openLog, sizes, quiet } from "./log_support.js";
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MessageChannel } from "node:worker_threads";
import { SegmentLog, type LogEvents, type WriterThread } from "../../src/audit/log/log.js";
import type { ConsistencyProof } from "../../src/audit/log/seal.js";
import { openCheckpoint, type OpenedCheckpoint } from "../../src/audit/tree/checkpoint.js";
import { fromBase64, type Hash } from "../../src/audit/tree/hash.js";
import { isConsistent } from "../../src/audit/tree/merkle.js";
import { NoteError, readSigner } from "../../src/audit/tree/note.js";
import { serveWriter, type FromWriter } from "../../src/audit/log/writer.js";
import { Problem } from "../../src/contract/index.js";
import { systemClock, systemTimers } from "../../src/system/index.js";
import { ModelDisk } from "./disk.js";
import { memoryTiles, SEALING, signerPemOf } from "./sealing.js";
import { signerOf } from "./tree/written.js";

/**
 * The real writer in this thread, on a disk that fails when told to.
 * @param ends whether it ends when it has written a group, before it says so
 */
function onDisk(disk: ModelDisk, ends: () => boolean = () => false): (durable: number | null) => WriterThread {
  const tiles = memoryTiles();
  return (durable) => {
    const { port1, port2 } = new MessageChannel();
    serveWriter(port2, disk, tiles, { ...sizes, durable }, { clock: systemClock, timers: systemTimers });
    let die: (cause: Error) => void = () => undefined;
    return {
      postMessage: (message) => {
        port1.postMessage(message);
      },
      onMessage: (call) => {
        port1.on("message", (message: FromWriter) => {
          if (message.kind !== "durable" || !ends()) {
            call(message);
            return;
          }
          port1.close();
          die(new Error("killed"));
        });
      },
      onDeath: (call) => (die = call),
      terminate: () => {
        port1.close();
      },
    };
  };
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "fulfilled";
  } catch (cause) {
    if (!(cause instanceof Problem)) throw cause;
    return cause.code;
  }
}

async function failureOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (cause) {
    if (cause instanceof Error) return cause;
  }
  throw new Error("it did not fail");
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("the record log", () => {
  it("numbers records without gaps and resolves in their order", async () => {
    const directory = temporaryDirectory();
    const log = await openLog(directory);
    const resolved: number[] = [];
    await Promise.all(Array.from({ length: 500 }, (_, id) => log.append(`"id":${id}`, '"v":2').then(() => resolved.push(id))));
    await log.close();
    expect(resolved).to.deep.equal(Array.from({ length: 500 }, (_, id) => id));
    expect(readLog(directory)).to.deep.equal(Array.from({ length: 500 }, (_, id) => ({ id, seq: id + 1, v: 2 })));
  });

  it("goes on after the last record of an earlier run, over segments", async () => {
    const directory = temporaryDirectory();
    for (let run = 0; run < 3; run++) {
      const log = await openLog(directory, { segment_bytes: 512 });
      for (let id = 0; id < 40; id++) await log.append(`"id":${id}`, '"v":2');
      await log.close();
    }
    expect(readLog(directory).map(({ seq }) => seq)).to.deep.equal(Array.from({ length: 120 }, (_, i) => i + 1));
    expect(readdirSync(directory).length).to.be.greaterThan(3);
  });

  it("has on disk what it resolved, and what was handed in when it was closed", async () => {
    const directory = temporaryDirectory();
    const log = await openLog(directory);
    await log.append('"id":1', '"v":2');
    expect(readLog(directory)).to.deep.equal([{ id: 1, seq: 1, v: 2 }]);
    const last = log.append('"id":2', '"v":2');
    await log.close();
    await last;
    expect(readLog(directory)).to.have.length(2);
    expect(await codeOf(log.append('"id":3', '"v":2'))).to.equal("log_unavailable");
  });

  it("refuses more records or bytes than the queue holds, keeps those it took, and takes more once they are written", async () => {
    for (const [limit, wanted] of [
      [{ queue_records_max: 10 }, 10],
      [{ queue_bytes_max: 240 }, 10],
    ] as const) {
      const directory = temporaryDirectory();
      const log = await openLog(directory, limit);
      const body = '"id":1'; // a line of 23 bytes, of 24 from the tenth on
      const codes = await Promise.all(Array.from({ length: 30 }, () => codeOf(log.append(body, '"v":2'))));
      const taken = codes.filter((code) => code === "fulfilled").length;
      expect(codes.slice(taken)).to.deep.equal(Array.from({ length: 30 - taken }, () => "log_backlog"));
      expect(taken).to.be.within(wanted, wanted + 2);
      expect(await codeOf(log.append(body, '"v":2'))).to.equal("fulfilled");
      expect(log.queue).to.deep.equal({ records: 0, bytes: 0 });
      await log.close();
      expect(readLog(directory)).to.have.length(taken + 1);
    }
  });

  it("lets no record overtake one that there was no room for", async () => {
    const directory = temporaryDirectory();
    const log = await openLog(directory, { queue_bytes_max: 100 });
    const [large, small] = [`"text":"${"x".repeat(200)}"`, '"text":""'];
    const codes = await Promise.all([small, large, small].map((body) => codeOf(log.append(body, '"v":2'))));
    expect(codes).to.deep.equal(["fulfilled", "log_backlog", "log_backlog"]);
    expect(await codeOf(log.append(small, '"v":2'))).to.equal("fulfilled");
    await log.close();
  });

  for (const [operation, code] of [
    ["write", "ENOSPC"],
    ["write", "EIO"],
    ["sync", "EIO"],
  ] as const) {
    it(`answers nothing while a ${operation} fails with ${code}, and recovers by itself`, async () => {
      const disk = new ModelDisk();
      const said: string[] = [];
      const events: LogEvents = {
        unavailable: (detail) => said.push(detail),
        ready: (seq) => said.push(`ready after ${seq}`),
        lost: () => undefined,
        unsealed: () => undefined,
      };
      const log = await SegmentLog.open({ directory: temporaryDirectory(), ...sizes }, systemTimers, events, onDisk(disk));
      await log.append('"id":1', '"v":2');
      disk.lasting = Infinity;
      disk.fault = { at: 0, operation, after: operation === "sync", code };
      const codes = await Promise.all([2, 3, 4].map((id) => codeOf(log.append(`"id":${id}`, '"v":2'))));
      expect(codes).to.deep.equal(["log_unavailable", "log_unavailable", "log_unavailable"]);
      expect(log.healthy).to.be.false;
      expect(await codeOf(log.append('"id":5', '"v":2'))).to.equal("log_unavailable");
      await until(() => disk.faulted > 2); // it has probed, and was refused
      expect(log.healthy).to.be.false;
      disk.fault = null;
      await until(() => log.healthy);
      await log.append('"id":6', '"v":2');
      expect(disk.text()).to.equal('{"id":1,"seq":1,"v":2}\n{"id":6,"seq":2,"v":2}\n');
      expect(said).to.deep.equal(["ready after 0", `${code}: ${operation}`, "ready after 1"]);
      await log.close();
    });
  }

  for (const operation of ["write", "sync"] as const) {
    it(`resolves nothing that is not on disk, whichever ${operation} fails`, async () => {
      for (let at = 1; at <= 12; at++) {
        const disk = new ModelDisk();
        disk.fault = { at: at + 3, operation, after: at % 2 === 0, code: "EIO" };
        const opening = SegmentLog.open({ directory: temporaryDirectory(), ...sizes }, systemTimers, quiet, onDisk(disk));
        const log = await opening;
        const acknowledged: number[] = [];
        for (let id = 1; id <= 60; id++) {
          const [one, two] = [log.append(`"id":${id}`, '"v":2'), log.append(`"id":${id + 1000}`, '"v":2')];
          if ((await codeOf(one)) === "fulfilled") acknowledged.push(id);
          if ((await codeOf(two)) === "fulfilled") acknowledged.push(id + 1000);
          if (!log.healthy) await until(() => log.healthy);
        }
        await log.close();
        disk.crash();
        const lines = disk
          .text()
          .split("\n")
          .slice(0, -1)
          .map((line) => JSON.parse(line) as { seq: number; id: number });
        expect(lines.map(({ id }) => id)).to.deep.equal(acknowledged);
        expect(lines.map(({ seq }) => seq)).to.deep.equal(lines.map((_, i) => i + 1));
        expect(disk.faulted).to.equal(1);
      }
    });
  }

  it("forgets none that are lost, though the record that says so is lost too", async () => {
    let tell: (message: FromWriter) => void = () => undefined;
    const writer: WriterThread = {
      postMessage: () => undefined,
      onMessage: (call) => (tell = call),
      onDeath: () => undefined,
      terminate: () => undefined,
    };
    const said: number[] = [];
    const append = (): void => void open.append('"id":1', '"v":2');
    const lost = (records: number): void => {
      said.push(records);
      append();
    };
    const events = { ...quiet, lost };
    const options = { directory: temporaryDirectory(), ...sizes, durability: "relaxed" as const };
    const opening = SegmentLog.open(options, systemTimers, events, () => writer);
    let epoch = 1;
    const failAndRecover = (seq: number): void => {
      tell({ kind: "failed", detail: "EIO" });
      tell({ kind: "ready", epoch: epoch++, seq, cut: null });
    };
    tell({ kind: "ready", epoch: epoch++, seq: 0, cut: null });
    const open = await opening;
    for (let i = 0; i < 10; i++) append();
    failAndRecover(0);
    failAndRecover(0);
    append();
    failAndRecover(0);
    tell({ kind: "durable", seq: 1 });
    append();
    failAndRecover(1);
    expect(said).to.deep.equal([10, 10, 11, 1]);
  });

  it("doesn't keep what it refused when its writer ended after writing it", async () => {
    const disk = new ModelDisk();
    let ending = false;
    const log = await SegmentLog.open(
      { directory: temporaryDirectory(), ...sizes },
      systemTimers,
      quiet,
      onDisk(disk, () => ending),
    );
    const acknowledged: number[] = [];
    for (let id = 1; id <= 4; id++) {
      ending = id % 2 === 0;
      if ((await codeOf(log.append(`"id":${id}`, '"v":2'))) === "fulfilled") acknowledged.push(id);
      await until(() => log.healthy);
    }
    await log.close();
    expect(acknowledged).to.deep.equal([1, 3]);
    expect(disk.text()).to.equal('{"id":1,"seq":1,"v":2}\n{"id":3,"seq":2,"v":2}\n');
  });

  it("refuses to prove anything while its writer has ended and no other has begun, and proves it afterwards", async () => {
    const disk = new ModelDisk();
    let ending = false;
    const log = await SegmentLog.open(
      { directory: temporaryDirectory(), ...sizes },
      systemTimers,
      quiet,
      onDisk(disk, () => ending),
    );
    ending = true;
    expect(await codeOf(log.append('"id":1', '"v":2'))).to.equal("log_unavailable");
    ending = false;
    for (const ask of [() => log.checkpoint(), () => log.consistency(1), () => log.tile(0, 0, 1)])
      expect(await codeOf(ask())).to.equal("log_unavailable");
    await until(() => log.healthy);
    await log.append('"id":2', '"v":2');
    expect((await log.inclusion([0])).size).to.equal(1);
    await log.close();
  });

  it("says what is wrong and leaves the directory unlocked where it cannot be opened", async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, "0000000000000005.jsonl"), '{"seq":5}\n');
    expect((await failureOf(openLog(directory))).message).to.contain("not at record 1");
    expect(existsSync(join(directory, "lock"))).to.be.false;
  });

  it("signs no records that have lost their checkpoint, and takes back one that was kept", async () => {
    const directory = temporaryDirectory();
    const log = await openLog(directory);
    const kept = await log.checkpoint();
    await log.append('"id":1', '"v":2');
    await log.close();
    const file = join(directory, "checkpoint");
    rmSync(file);
    expect((await failureOf(openLog(directory))).message).to.contain("1 records and no checkpoint");
    expect(existsSync(file)).to.equal(false);
    writeFileSync(file, kept);
    await (await openLog(directory)).close();
  });

  it("changes its key over a start with both, keeps what the old one signed provable, and refuses a key that it never had", async () => {
    const directory = temporaryDirectory();
    const [first = "", second = "", third = ""] = [1, 2, 3].map((seed) => signerPemOf(Buffer.alloc(32, seed)));
    const run = async (keys: string[]): Promise<{ note: string; proven: ConsistencyProof }> => {
      const log = await openLog(directory, { keys });
      for (let id = 0; id < 5; id++) await log.append(`"id":${id}`, '"v":2');
      const note = await log.checkpoint();
      const proven = await log.consistency(5);
      await log.close();
      return { note, proven };
    };
    const opened = (note: string, key: string): OpenedCheckpoint =>
      openCheckpoint(note, [readSigner(SEALING.origin, key).verifier], SEALING.origin);
    const before = opened((await run([first])).note, first);
    const both = (await run([first, second])).note;
    expect([opened(both, first).size, opened(both, second).size]).to.deep.equal([10, 10]);
    const { note, proven } = await run([second]);
    const after = opened(note, second);
    const proof = proven.proof.map((hash) => fromBase64(hash) as Hash);
    expect(isConsistent({ before, after, proof })).to.be.true;
    expect(() => opened(note, first))
      .to.throw(NoteError)
      .with.property("code", "note_unsigned");
    for (const keys of [[third], [first]]) expect((await failureOf(run(keys))).message).to.contain("not by this log's keys");
    await run([third, second]);
  });

  it("refuses a directory that this process has open", async () => {
    const directory = temporaryDirectory();
    const log = await openLog(directory);
    expect((await failureOf(openLog(directory))).name).to.equal("Locked");
    await log.append('"id":1', '"v":2');
    await log.close();
    await (await openLog(directory)).close();
  });

  it("reports no tile as altered that records had which are no longer there", async () => {
    const directory = temporaryDirectory();
    const options = { segment_bytes: 1_000_000, checkpoint_ms: 3_600_000 };
    const log = await openLog(directory, options);
    const checkpoint = readFileSync(join(directory, "checkpoint"));
    for (let id = 1; id <= 600; id++) await log.append(`"id":${id}`, '"v":2');
    await log.close();
    const segment = join(directory, "0000000000000001.jsonl");
    writeFileSync(segment, `${readFileSync(segment, "utf8").split("\n").slice(0, 300).join("\n")}\n`);
    writeFileSync(join(directory, "checkpoint"), checkpoint);
    // As a power cut may leave it: with the mark of what was synced a start would refuse.
    rmSync(join(directory, "durable.mark"));
    await (await openLog(directory, options)).close();
    expect(readdirSync(join(directory, "tile", "0"))).to.deep.equal(["000"]);
    const { records, damage } = verifyLog({ folder: directory, keys: null, elsewhere: [] });
    expect({ records, damage: damage.filter(({ kind }) => kind === "tile_altered") }).to.deep.equal({ records: 300, damage: [] });
  });

  it("verifies without a key before its first record, which would name one", async () => {
    const directory = temporaryDirectory();
    await (await openLog(directory)).close();
    expect(verifyLog({ folder: directory, keys: null, elsewhere: [] }).damage).to.deep.equal([]);
    const stranger = verifyLog({ folder: directory, keys: [signerOf("somebody else's").verifier], elsewhere: [] });
    expect(stranger.damage.map(({ kind }) => kind)).to.deep.equal(["checkpoint_of_another_key"]);
  });

  const stale: [string, string][] = [
    ["a dead process", JSON.stringify({ pid: spawnSync("true").pid, started: "1" })],
    ["an earlier process with this one's pid", JSON.stringify({ pid: process.pid, started: "1" })],
    ["a process whose pid was reused", JSON.stringify({ pid: process.ppid, started: "1" })],
    ["nobody readable", "{"],
  ];

  for (const [whose, text] of stale) {
    it(`takes over the lock of ${whose}`, async () => {
      const directory = temporaryDirectory();
      writeFileSync(join(directory, "lock"), text);
      const log = await openLog(directory);
      await log.close();
      expect(readdirSync(directory)).to.deep.equal(["0000000000000001.jsonl", "checkpoint"]);
    });
  }
});
