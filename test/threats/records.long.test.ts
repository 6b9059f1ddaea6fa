/** Records are there before anyone is answered, and what becomes of them afterwards is noticed. */
import { spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { MessageChannel } from "node:worker_threads";
import type { SegmentLog, WriterThread } from "../../src/audit/log/log.js";
import { segmentName } from "../../src/audit/log/segments.js";
import type { FromWriter, serveWriter } from "../../src/audit/log/writer.js";
import { systemClock, systemTimers } from "../../src/system/index.js";
import { quiet, reportedLog, sizes } from "../audit/log_support.js";
import { ModelDisk } from "../audit/disk.js";
import { SEALING, memoryTiles } from "../audit/sealing.js";
import { LOG_KEY, writeLog, type Written } from "../audit/tree/written.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { World as Deciding } from "../decision/world.js";
import { MemoryDisk } from "../../src/store/memory.js";
import { until } from "../store/support.js";
import { Living } from "./living.js";
import { cut } from "./cut.js";
import { codeOf, threat, type Tree } from "./threat.js";

const RECORDS = 600;
const CONTENDER = fileURLToPath(new URL("../system/contender.js", import.meta.url));

function written(options: { records?: number; text?: (seq: number, usual: string) => string } = {}): Written {
  return writeLog(join(temporaryDirectory(), "log"), { records: RECORDS, segment_records: 250, ...options });
}

/** The lines of one segment; the second begins with record 251. */
function edit(folder: string, change: (lines: string[]) => string[], first = 251): void {
  const file = join(folder, segmentName(first));
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  writeFileSync(
    file,
    change(lines)
      .map((line) => `${line}\n`)
      .join(""),
  );
}

function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(file, bytes);
}

const reason = (line: string): string => line.replace("somebody else's", "ada's own");

const ALTERATIONS: readonly [what: string, alter: (folder: string) => void][] = [
  [
    "a record of which there is a tile",
    (folder) => {
      edit(folder, (lines) => lines.map((line, i) => (i === 3 ? reason(line) : line)));
    },
  ],
  [
    "a record of which there is none",
    (folder) => {
      edit(folder, (lines) => lines.map((line, i) => (i === 50 ? reason(line) : line)), 501);
    },
  ],
  [
    "a record taken out",
    (folder) => {
      edit(folder, (lines) => lines.filter((_, i) => i !== 100));
    },
  ],
  [
    "a record put in",
    (folder) => {
      edit(folder, ([one = "", ...lines]) => [one, one, ...lines]);
    },
  ],
  [
    "two that changed places",
    (folder) => {
      edit(folder, ([a = "", b = "", ...lines]) => [b, a, ...lines]);
    },
  ],
  [
    "a segment taken out",
    (folder) => {
      rmSync(join(folder, segmentName(251)));
    },
  ],
  [
    "the last records taken out",
    (folder) => {
      rmSync(join(folder, segmentName(501)));
    },
  ],
  [
    "a tile",
    (folder) => {
      flip(join(folder, "tile", "0", "000"), 77);
    },
  ],
];

threat("F1", "whatever was altered, taken out, put in or moved is found from the log's files alone", {
  async check(tree) {
    const { verifyLog } = await tree("audit/tree/verify.js");
    const log = written();
    const damageOf = (folder: string): unknown[] => verifyLog({ folder, keys: [LOG_KEY.verifier], elsewhere: [] }).damage;
    if (damageOf(log.folder).length > 0) return "a log that nobody altered isn't good";
    for (const [what, alter] of ALTERATIONS) {
      const copy = join(temporaryDirectory(), "log");
      log.copyTo(copy);
      alter(copy);
      if (damageOf(copy).length === 0) return `${what} goes unseen`;
    }
    return null;
  },
  without: {
    "the root that was signed": [cut.condition("audit/tree/judge.js", "outcomeOf", ["records", "root"], "roots !== null")],
    "the tiles being compared": [cut.call("audit/tree/judge.js", "judge", "differences", "[]")],
  },
});

threat("F2", "a log cut, rolled back, forked or written anew under its own key contradicts a checkpoint kept elsewhere", {
  async check(tree) {
    const { verifyLog } = await tree("audit/tree/verify.js");
    const log = written();
    const elsewhere = [{ name: "the auditor's copy", note: log.checkpointAt(RECORDS) }];
    const rewritten: [what: string, log: Written][] = [
      ["a log cut and signed again", written({ records: 500 })],
      ["a log with another record, signed again", written({ text: (seq, usual) => (seq === 100 ? reason(usual) : usual) })],
      ["a log that grew from another record", written({ records: 700, text: (seq, usual) => (seq === 599 ? reason(usual) : usual) })],
    ];
    for (const [what, { folder }] of rewritten) {
      const verify = (kept: typeof elsewhere): number => verifyLog({ folder, keys: [LOG_KEY.verifier], elsewhere: kept }).damage.length;
      if (verify([]) > 0) return `${what} isn't consistent in itself: the check looks at something else`;
      if (verify(elsewhere) === 0) return `${what} goes unseen`;
    }
    return null;
  },
  without: {
    "its length being compared": [cut.always("audit/tree/judge.js", "judge", "beyond")],
    "its root being compared": [cut.never("audit/tree/judge.js", "judge", "first", "undefined")],
  },
});

/** The build's log on a disk that forgets and fails when it is told to, its writer in this thread. */
async function logOn(disk: ModelDisk, tree: Tree): Promise<SegmentLog> {
  const [{ SegmentLog: Log }, writer] = await Promise.all([tree("audit/log/log.js"), tree("audit/log/writer.js")]);
  const options = { segment_bytes: 4096, ...SEALING };
  const tiles = memoryTiles();
  const nothing = (): void => undefined;
  return Log.open(
    {
      directory: temporaryDirectory(),
      queue_records_max: 1000,
      queue_bytes_max: 1e6,
      ...options,
      durability: "synced",
    },
    systemTimers,
    { unavailable: nothing, ready: nothing, lost: nothing, unsealed: nothing },
    (durable) => inThread(writer.serveWriter, disk, tiles, { ...options, durable }),
  );
}

function inThread(
  serve: typeof serveWriter,
  disk: ModelDisk,
  tiles: ReturnType<typeof memoryTiles>,
  options: Parameters<typeof serveWriter>[3],
): WriterThread {
  const { port1, port2 } = new MessageChannel();
  serve(port2, disk, tiles, options, { clock: systemClock, timers: systemTimers });
  return {
    postMessage: (message) => {
      port1.postMessage(message);
    },
    onMessage: (call) => {
      port1.on("message", (message: FromWriter) => {
        call(message);
      });
    },
    onDeath: () => undefined,
    terminate: () => {
      port1.close();
    },
  };
}

const turns = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
};

threat("F3", "nobody is answered before the record is where a crash can't take it back", {
  async check(tree) {
    const disk = new ModelDisk();
    const log = await logOn(disk, tree);
    for (let id = 1; id <= 30; id++) {
      await log.append(`"id":${id}`, '"v":2');
      if (disk.lineOnDisk(`"id":${id},`) === null) return `record ${id} was acknowledged, and a crash loses it`;
    }
    await log.close();
    const { decider } = await tree("decision/decide.js");
    const world = new Deciding(decider);
    world.append = () => new Promise(() => undefined);
    const answered = await Promise.race([world.decide().then(() => true), turns().then(() => false)]);
    return answered ? "a decision was answered while its record was on its way" : null;
  },
  without: {
    "the sync": [cut.call("audit/log/segments.js", "append", "#files.sync")],
    "the answer waiting": [cut.text("decision/commit.js", "durable", "await committed.recorded;", "void committed.recorded;")],
  },
});

const answered = (seq: number): string => `{"id":${seq},"seq":${seq},"v":2}\n`;

threat("F3", "a start cuts no record that was answered for, and tells what it cuts", {
  async check(tree) {
    const disk = new ModelDisk();
    const lines = Array.from({ length: 60 }, (_, i) => answered(i + 1));
    const first = await logOn(disk, tree);
    await first.close();
    for (const [what, text] of [
      ["one with another byte", lines.join("").replace('"seq":17', '"seq"_17')],
      ["the last one with another byte", lines.join("").replace('"seq":60', '"seq"_60')],
      ["one that lost its newline", lines.join("").replace(',"seq":17,"v":2}\n', ',"seq":17,"v":2}x')],
    ] as const) {
      disk.put(1, text);
      const found = await logOn(disk, tree).then(
        (log) => log.close().then(() => "opened"),
        () => "refused",
      );
      if (found === "opened") return `records behind ${what} are cut off`;
      if (disk.text() !== text) return `records behind ${what} were cut off and the start refused`;
    }
    for (const [what, at] of [
      ["in the last group", lines.slice(0, 59).join("").length],
      ["among what follows", lines.slice(0, 16).join("").length],
    ] as const) {
      const nulled = new ModelDisk();
      const log = await logOn(nulled, tree);
      // No checkpoint covers them.
      nulled.fault = { at: 0, operation: "replace", after: false, code: "EIO" };
      nulled.lasting = Infinity;
      for (let id = 1; id <= 60; id++) await log.append(`"id":${id}`, '"v":2');
      await log.close();
      nulled.fault = null;
      const whole = Buffer.from(nulled.text());
      const damaged = Buffer.concat([whole.subarray(0, at), Buffer.alloc(700), whole.subarray(at + 10)]);
      nulled.put(1, damaged);
      const found = await logOn(nulled, tree).then(
        (opened) => opened.close().then(() => "opened"),
        () => "refused",
      );
      if (found === "opened" && nulled.text() !== damaged.toString())
        return `records that were answered for are cut where zeros are ${what}`;
    }
    const torn = `${lines.slice(0, 9).join("")}{"id":10,"se`;
    disk.put(1, torn);
    await (await logOn(disk, tree)).close();
    const kept = disk.list().filter((name) => name.includes(".cut-"));
    return kept.length === 1 ? null : `what was cut is kept in ${kept.length} files`;
  },
  without: {
    "lines that no crash leaves": [cut.condition("audit/log/segments.js", "readRecords", "HOLE", "true")],
    "what is cut being kept": [cut.call("audit/log/segments.js", "#keep", "#files.replace")],
    "what was answered for being marked": [cut.call("audit/log/segments.js", "append", "#mark.write")],
    "the mark being read": [cut.call("audit/log/segments.js", "open", "#mark.read", "0")],
  },
});

threat("F4", "on a disk that is full or fails nothing is acknowledged, and it goes on by itself afterwards", {
  async check(tree) {
    for (const [operation, code] of [
      ["write", "ENOSPC"],
      ["write", "EIO"],
      ["sync", "EIO"],
    ] as const) {
      const disk = new ModelDisk();
      const log = await logOn(disk, tree);
      await log.append('"id":1', '"v":2');
      disk.lasting = Infinity;
      disk.fault = { at: 0, operation, after: operation === "sync", code };
      const outcomes = await Promise.all([2, 3, 4].map((id) => codeOf(() => log.append(`"id":${id}`, '"v":2'))));
      if (outcomes.some((outcome) => outcome !== "log_unavailable")) return `${code}: ${outcomes.join()}`;
      disk.fault = null;
      for (let tries = 0; !log.healthy; tries++) {
        if (tries > 100) return `${code}: it doesn't go on`;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await log.append('"id":5', '"v":2');
      await log.close();
      const text = disk.text();
      if (text !== '{"id":1,"seq":1,"v":2}\n{"id":5,"seq":2,"v":2}\n') return `${code}: the log is ${text}`;
    }
    return null;
  },
  without: {
    "failures being told": [cut.text("audit/log/writer.js", "write", "fail(cause); return;", "")],
    "what was refused being taken off": [
      cut.call("audit/log/segments.js", "#reopen", "truncate"),
      cut.call("audit/log/segments.js", "#reopen", "#files.sync"),
      cut.call("audit/log/segments.js", "#reopen", "syncDirectory"),
      cut.call("audit/log/segments.js", "recover", "truncate"),
    ],
    "trying again": [cut.value("audit/log/writer.js", "fail", "stopProbing", "null")],
  },
});

threat("F3", "a record is answered for when its writer has reported that very record", {
  async check(tree) {
    const { log, report } = await reportedLog((await tree("audit/log/log.js")).SegmentLog);
    const answered: number[] = [];
    for (let seq = 1; seq <= 5; seq++) void log.append(`"id":${seq}`, '"v":2').then(() => answered.push(seq));
    let found: string | null = null;
    for (const durable of [1, 2, 4, 5]) {
      report(durable);
      await new Promise((resolve) => setImmediate(resolve));
      const early = answered.find((seq) => seq > durable);
      if (early !== undefined) found ??= `record ${early} with ${durable} on disk`;
    }
    await log.close();
    if (answered.length !== 5) throw new Error(`only ${answered.length} are answered for`);
    return found;
  },
  without: {
    "the number that is reported being compared": [cut.text("audit/log/log.js", "#settle", "seq > durable", "seq > durable + 1")],
  },
});

threat("F6", "a log is signed by a key of its own kind, under its own name", {
  async check(tree) {
    const { readSigner } = await tree("audit/tree/note.js");
    const others = {
      "a bundle's or a token's": generateKeyPairSync("ec", { namedCurve: "P-256" }),
      "an RSA key": generateKeyPairSync("rsa", { modulusLength: 2048 }),
      "an Ed448 key": generateKeyPairSync("ed448"),
    };
    for (const [what, { privateKey }] of Object.entries(others)) {
      const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
      const outcome = await codeOf(() => readSigner("log.example/pdp", pem)).catch(() => "another failure");
      if (outcome !== "key_refused") return `${what} for the log: ${outcome}`;
    }
    const { openCheckpoint } = await tree("audit/tree/checkpoint.js");
    const note = written({ records: 3 }).checkpointAt(3);
    const outcome = await codeOf(() => openCheckpoint(note, [LOG_KEY.verifier], "log.example/another"));
    return outcome === "checkpoint_of_another_log" ? null : `another log's checkpoint: ${outcome}`;
  },
  without: {
    "the kind of key": [cut.never("audit/tree/note.js", "ed25519Of", "kind")],
    "the log's name": [cut.refusal("audit/tree/checkpoint.js", "openCheckpoint", "checkpoint_of_another_log")],
  },
});

/** A process that has a lock by the time this resolves, until the returned function is called. */
async function holding(path: string): Promise<() => void> {
  const journal = join(temporaryDirectory(), "journal");
  const child = spawn(process.execPath, [CONTENDER, path, journal, "it"], { stdio: ["pipe", "ignore", "inherit"] });
  await until(() => existsSync(journal));
  return () => child.kill("SIGKILL");
}

threat("E10", "what another process has open is had by nobody else, whatever its lock's file says and by whichever path", {
  async check(tree) {
    const [{ lockLog }, { lockStore }] = [await tree("audit/log/log.js"), await tree("store/sqlite.js")];
    const folder = temporaryDirectory();
    const linked = join(temporaryDirectory(), "linked");
    symlinkSync(folder, linked);
    writeFileSync(join(folder, "facts.db"), "");
    const release = [await holding(join(folder, "lock")), await holding(join(folder, "facts.db.lock"))];
    // As the lock of a dead process was once known, and of one that can't be seen from here.
    for (const name of ["lock", "facts.db.lock"])
      writeFileSync(join(folder, name), JSON.stringify({ pid: 2 ** 22 + 1, host: "gone", space: null }));
    const fileLink = join(temporaryDirectory(), "facts.db");
    symlinkSync(join(folder, "facts.db"), fileLink);
    const ways: [what: string, take: () => () => void][] = [
      ["the log", () => lockLog(folder)],
      ["the log by a link", () => lockLog(linked)],
      ["the store", () => lockStore(join(folder, "facts.db"))],
      ["the store by a link to its folder", () => lockStore(join(linked, "facts.db"))],
      ["the store by a link to its file", () => lockStore(fileLink)],
    ];
    try {
      for (const [what, take] of ways) {
        try {
          take()();
          return `${what} was had by two`;
        } catch (cause) {
          if ((cause as Error).name !== "Locked") throw cause;
        }
      }
      return null;
    } finally {
      for (const end of release) end();
    }
  },
  without: {
    "the kernel's lock": [cut.call("system/lock.js", "open", ["exec", "BEGIN EXCLUSIVE"]), cut.call("system/lock.js", "open", "pragma")],
    "its being the file's own": [cut.text("store/restore.js", "lockOf", "existsSync(file) ? realpathSync(file) : file", "file")],
  },
});

threat("C7", "what isn't a file is not read, and no file beyond its bound", {
  async check(tree) {
    const { readBytes, readRegularFile } = await tree("system/read_file.js");
    const folder = temporaryDirectory();
    symlinkSync("/dev/zero", join(folder, "zeros"));
    writeFileSync(join(folder, "larger"), Buffer.alloc(1001));
    for (const [name, code] of [
      ["zeros", "NOT_A_FILE"],
      ["larger", "EFBIG"],
      // Its size isn't known before it is read.
      ["/proc/kallsyms", "EFBIG"],
    ] as const) {
      const path = resolve(folder, name);
      const found = [await codeOf(() => readBytes(path, 1000)), await codeOf(() => readRegularFile(path, 1000))];
      if (found.some((one) => one !== code)) return `${name}: ${found.join()}`;
    }
    return null;
  },
  without: {
    "its being a file": [cut.returns("system/read_file.js", "faultOf", "null")],
    "the bound by its size": [
      cut.never("system/read_file.js", "constructor", "size", "most"),
      cut.never("system/read_file.js", "took", "most"),
    ],
    "the bound as it is read": [cut.never("system/read_file.js", "took", "most")],
  },
});

threat("F7", "a clock that is years ahead drops no record, and no key of a mask that is in use", {
  async check(tree) {
    const [{ watchRetention }, { lastRecordTime, planRetention }] = [
      await tree("audit/privacy/retention_watch.js"),
      await tree("audit/privacy/retention.js"),
    ];
    const { folder: directory } = written();
    mkdirSync(join(directory, "masks"));
    for (const day of ["2026-01-01", "2026-01-11", "2028-01-01"]) writeFileSync(join(directory, "masks", `${day}.key`), "ab".repeat(32));
    const nowMs = Date.UTC(2028, 0, 15);
    const clock = { wall: () => nowMs, monotonic: () => 0 };
    const last_record_ms = await lastRecordTime(directory);
    // The second is a start again, by the same clock.
    for (const start of ["first", "second"]) {
      let stop = (): Promise<void> => Promise.resolve();
      const came = await new Promise<string>((resolve) => {
        const record = (): Promise<number> => Promise.resolve(RECORDS + 1);
        const retaining = { directory, retain_days: 365, last_record_ms: start === "first" ? last_record_ms : nowMs };
        stop = watchRetention(
          retaining,
          record,
          { clock, timers: systemTimers },
          {
            dropped: () => {
              resolve("dropped");
            },
            clockAhead: () => {
              resolve("held");
            },
            held: () => undefined,
            failed: resolve,
          },
        );
      });
      await stop();
      if (came !== "held") return `at the ${start} start: ${came}`;
    }
    const { shredded } = await planRetention({ directory, before: { ms: nowMs }, nowMs });
    return shredded.includes("2026-01-11") ? "a command shreds the key of the period that was written in last" : null;
  },
  without: {
    "looking at the clock": [cut.never("audit/privacy/retention_watch.js", "look", "ahead")],
    "what was written last counting": [
      cut.text("audit/privacy/retention.js", "planRetention", "(await lastRecordTime(directory)) ?? Infinity", "Infinity"),
    ],
    "a first time that is kept": [cut.call("audit/privacy/clock_mark.js", "constructor", "trustClock")],
  },
});

threat("E6", "a store or a log older than what was said already is not served from", {
  async check(tree) {
    const disk = new MemoryDisk();
    const living = await Living.open(tree, { disk });
    await living.commands.createAgent({ id: "a-1", owner: "ops", purposes: [] }, "host");
    await living.commands.revoke({ scope: { agent: "a-1" }, reason: "incident" }, "security");
    const restored = new MemoryDisk();
    restored.rows.push(...disk.rows.slice(0, 1));
    const behind = await Living.open(tree, { disk: restored, recorded: disk.rows.length }).catch((error: unknown) => (error as Error).name);
    if (behind !== "StoreBehind") return "a store from before a revocation is served from";

    const files = new ModelDisk();
    const log = await logOn(files, tree);
    for (let id = 1; id <= 9; id++) await log.append(`"id":${id}`, '"v":2');
    await log.close();
    const lines = files.text().split("\n");
    for (const [what, text] of [
      ["the last records gone", lines.slice(0, 5).join("\n") + "\n"],
      ["one of its records another", files.text().replace('"id":3', '"id":4')],
    ] as const) {
      files.put(1, text);
      const opened = await logOn(files, tree).then(
        async (again) => (await again.close(), "opened"),
        (error: unknown) => (error as Error).message,
      );
      if (opened === "opened") return `a log with ${what} is taken up`;
    }
    return null;
  },
  without: {
    "the store being compared": [cut.never("facts/ledger.js", "complete", "recorded")],
    "the log's length being compared": [cut.never("audit/log/seal.js", "open", "size"), cut.always("audit/log/seal.js", "#resume", "root")],
    "the log's root being compared": [cut.always("audit/log/seal.js", "#resume", "root")],
  },
});

threat("E10", "a service whose lock's file is removed or replaced acknowledges nothing more, and says so", {
  async check(tree) {
    const { SegmentLog: Log } = await tree("audit/log/log.js");
    for (const [what, change] of [
      [
        "removed",
        (file: string) => {
          rmSync(file);
        },
      ],
      [
        "replaced",
        (file: string) => {
          rmSync(file);
          writeFileSync(`${file}.other`, "");
          renameSync(`${file}.other`, file);
        },
      ],
    ] as const) {
      const directory = temporaryDirectory();
      let look = (): void => undefined;
      const said: string[] = [];
      const timers = {
        ...systemTimers,
        every: (_: number, call: () => void) => {
          look = call;
          return () => undefined;
        },
      };
      const events = { ...quiet, unavailable: (detail: string) => void said.push(detail) };
      const log = await Log.open({ directory, ...sizes }, timers, events);
      look();
      await log.append('"id":1', '"v":2');
      change(join(directory, "lock.db"));
      const under_way = log.append('"id":2', '"v":2').then(
        () => "accepted",
        () => "refused",
      );
      look();
      const outcomes = [await under_way, await codeOf(() => log.append('"id":3', '"v":2'))];
      const healthy = log.healthy;
      await log.close();
      if (outcomes.join() !== "refused,log_unavailable" || healthy) return `with the lock ${what}: ${outcomes.join()}`;
      if (!said.some((detail) => detail.includes("lock.db"))) return `with the lock ${what} nothing says so`;
    }
    return null;
  },
  without: {
    "looking at the file": [cut.call("audit/log/log.js", "#watchLocks", "find", "undefined")],
  },
});
