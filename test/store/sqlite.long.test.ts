import { expect } from "chai";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Sqlite from "better-sqlite3";
import { StoreFile, StoreUnreadable, verify } from "../../src/store/file.js";
import { restore } from "../../src/store/restore.js";
import { SqliteStore, type StoreEvents } from "../../src/store/sqlite.js";
import { StoreUnavailable } from "../../src/store/store.js";
import { systemTimers } from "../../src/system/index.js";
import { workerThread } from "../../src/system/thread.js";
import { Locked } from "../../src/system/lock_errors.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { keepsTheContract } from "./contract.js";
import { broken, killUnderLoad } from "./kills.js";
import { allChanges, allEntries, failureOf, until, write } from "./support.js";
import { skip } from "../skip.js";

/** Of the load; more with `REMIT_KILLS=200 make test F=store/sqlite`. */
const KILLS = Number(process.env["REMIT_KILLS"] ?? 20);

const quiet: StoreEvents = { unavailable: () => undefined, ready: () => undefined };
const queue = { queue_calls_max: 1000, queue_bytes_max: 100_000_000 };
const openStore = (file: string, events = quiet): Promise<SqliteStore> => SqliteStore.open({ file, ...queue }, systemTimers, events);
const newFile = (): string => join(temporaryDirectory(), "store.db");

/** A file with `count` changes of one key. */
async function filled(count: number, file = newFile()): Promise<string> {
  const store = await openStore(file);
  for (let i = store.revision; i < count; i++) await store.write([write("k", i, { i })]);
  await store.close();
  return file;
}

async function changesOf(file: string): Promise<unknown[]> {
  const store = await openStore(file);
  const changes = await allChanges(store);
  await store.close();
  return changes.map(({ value }) => value);
}

describe("the store on SQLite", () => {
  keepsTheContract(() => {
    const file = newFile();
    return { open: () => openStore(file) };
  });

  describe("its queue", () => {
    it("holds so many calls and bytes, refuses what is more, and takes more once they are written", async () => {
      for (const [limit, taken] of [
        [{ queue_calls_max: 10 }, 10],
        [{ queue_bytes_max: 1050 }, 10], // of 102 and two quotes
      ] as const) {
        const store = await SqliteStore.open({ file: newFile(), ...queue, ...limit }, systemTimers, quiet);
        const calls = Array.from({ length: 30 }, (_, i) => store.write([write(`k/${i}`, 0, "x".repeat(102))]));
        expect(store.queue).to.deep.equal({ calls: taken, bytes: taken * 104 });
        const outcomes = await Promise.allSettled(calls);
        expect(outcomes.map(({ status }) => status === "fulfilled")).to.deep.equal(outcomes.map((_, i) => i < taken));
        const refused = outcomes.flatMap((one) => (one.status === "rejected" ? [one.reason as Error] : []));
        expect(refused.every((cause) => cause instanceof StoreUnavailable)).to.be.true;
        expect(store.queue).to.deep.equal({ calls: 0, bytes: 0 });
        expect(await store.write([write("later", 0)])).to.deep.equal([taken + 1]);
        await store.close();
      }
    });
  });

  describe("killed under load", () => {
    it(`loses nothing it acknowledged and keeps no half of a call, over ${KILLS} kills`, async function () {
      this.timeout(600_000 + KILLS * 10_000);
      const file = newFile();
      const acknowledged = await killUnderLoad(file, KILLS);
      const store = await openStore(file);
      const changes = await allChanges(store);
      expect(store.revision).to.equal(changes.length);
      await store.close();
      expect(broken(acknowledged, changes)).to.deep.equal([]);
      expect(acknowledged.length).to.be.greaterThan(KILLS * 50);
      expect(acknowledged.filter(({ revisions }) => revisions.length > 1).length).to.be.greaterThan(KILLS * 10);
    });

    it("is judged by a test that sees a lost call and half of one", () => {
      const change = (revision: number, tag: string, of: number): never => ({ revision, value: { tag, of } }) as never;
      const whole = [change(1, "a", 1), change(2, "b", 2), change(3, "b", 2)];
      const told = [
        { tag: "a", revisions: [1] },
        { tag: "b", revisions: [2, 3] },
      ];
      expect(broken(told, whole)).to.deep.equal([]);
      expect(broken(told, whole.slice(1))).to.include("a was acknowledged and is lost");
      expect(broken([], whole.slice(0, 2))).to.deep.equal(["b has 1 changes of 2"]);
    });
  });

  describe("its worker", () => {
    it("is started again where it dies, with what was acknowledged and nothing else", async () => {
      const file = newFile();
      const said: string[] = [];
      const events: StoreEvents = {
        unavailable: (detail) => said.push(detail),
        ready: (revision) => said.push(`ready at ${revision}`),
      };
      const dies = new URL("./dying.js", import.meta.url);
      const store = await SqliteStore.open({ file, ...queue }, systemTimers, events, (durable) => workerThread(dies, { file, durable }));
      await store.write([write("k", 0)]);
      const refused = await failureOf(store.write([write("die", 0)]));
      expect(refused).to.be.instanceOf(StoreUnavailable);
      expect(store.healthy).to.be.false;
      await until(() => store.healthy);
      // It died when the change was on the disk already, and before it could say so.
      expect(await allChanges(store)).to.have.length(1);
      expect(await store.write([write("k", 1)])).to.deep.equal([2]);
      await store.close();
      expect(said[0]).to.equal("ready at 0");
      expect(said[1]).to.match(/^its worker ended: /);
      expect(said[2]).to.equal("ready at 1");
    });
  });

  describe("its lock", () => {
    it("refuses a second process, names the first, and lets the next in once it is dead", async () => {
      const file = newFile();
      const load = fileURLToPath(new URL("./load.js", import.meta.url));
      const child = spawn(process.execPath, [load, file, "1"], { stdio: ["ignore", "pipe", "inherit"] });
      await once(child.stdout, "data");
      const refused = [await failureOf(openStore(file)), await failureOf(restore(file, file, true))];
      child.kill("SIGKILL");
      await once(child, "exit");
      for (const cause of refused) {
        expect(cause).to.be.instanceOf(Locked);
        expect(cause.message).to.contain(`${file} is locked by process ${child.pid ?? ""}`);
      }
      await (await openStore(file)).close();
    });

    it("refuses this process too, and leaves nothing behind", async () => {
      const file = newFile();
      const store = await openStore(file);
      expect(await failureOf(openStore(file))).to.be.instanceOf(Locked);
      await store.close();
      expect(readdirSync(join(file, ".."))).to.deep.equal(["store.db"]);
    });
  });

  describe("its file", () => {
    it("is for its owner's eyes only", async () => {
      const file = newFile();
      const store = await openStore(file);
      await store.write([write("k", 0)]);
      for (const name of readdirSync(join(file, ".."))) {
        if (name.startsWith("store.db") && !name.endsWith(".lock")) {
          expect(statSync(join(file, "..", name)).mode & 0o077, name).to.equal(0);
        }
      }
      await store.close();
    });

    it("is on a build of SQLite that syncs no commit to the write-ahead log unless told to", async () => {
      // So the pragma is what makes changes durable; power.test.ts shows what is lost without it.
      const bare = new Sqlite(await filled(1));
      expect(bare.pragma("synchronous", { simple: true })).to.equal(1);
      bare.close();
    });

    const unreadable: [name: string, spoil: (file: string) => void, why: RegExp][] = [
      [
        "of a newer schema",
        (file) => {
          pragma(file, "user_version = 2");
        },
        /schema version 2, this version of Remit reads 1/,
      ],
      [
        "that is another program's database",
        (file) => {
          pragma(file, "application_id = 7");
        },
        /is not a store/,
      ],
      [
        "that is another program's, without a name of its own",
        (file) => {
          rmSync(file);
          const db = new Sqlite(file);
          db.exec("CREATE TABLE t (a)");
          db.close();
        },
        /is not a store/,
      ],
      [
        "that is no database",
        (file) => {
          writeFileSync(file, "changes: []\n".repeat(1000));
        },
        /is damaged: file is not a database/,
      ],
      [
        "that was cut off",
        (file) => {
          truncateSync(file, statSync(file).size - 4096);
        },
        /is damaged/,
      ],
      [
        "whose pages were overwritten",
        (file) => {
          overwrite(file, 4096 * 2, Buffer.alloc(4096, 7));
        },
        /is damaged/,
      ],
    ];
    for (const [name, spoil, why] of unreadable) {
      it(`is refused and left as it is ${name}, by a start and by a restore`, async () => {
        const file = await filled(200);
        spoil(file);
        const before = readFileSync(file);
        const refused = await failureOf(openStore(file));
        expect(refused).to.be.instanceOf(StoreUnreadable);
        expect(refused.message).to.match(why);
        expect(readFileSync(file).equals(before)).to.be.true;
        expect(existsSync(`${file}.lock`)).to.be.false;
        const target = newFile();
        const unrestorable = await failureOf(restore(file, target));
        expect(unrestorable).to.be.instanceOf(StoreUnreadable);
        expect(readdirSync(join(target, ".."))).to.deep.equal([]);
      });
    }
  });

  describe("a backup", () => {
    it("made while changes go on is a consistent prefix of them, and nothing of it is missing", async () => {
      const store = await openStore(newFile());
      const folder = temporaryDirectory();
      let going = true;
      let calls = 0;
      const client = async (name: number): Promise<void> => {
        for (let last = 0; going; calls++) {
          const value = { tag: `${name}-${last}`, of: 3, pad: "x".repeat(3000) };
          const keys = [`a/${name}`, `b/${name}`, `c/${name}`];
          const revisions = await store.write(keys.map((key, i) => write(key, last === 0 ? 0 : last + i, value)));
          last = revisions[0] ?? 0;
        }
      };
      const clients = Array.from({ length: 8 }, (_, name) => client(name));
      await until(() => store.revision > 1000);
      for (const name of ["one", "two"]) {
        const [before, file] = [store.revision, join(folder, name)];
        await store.backup(file);
        const restored = newFile();
        const { revision } = await restore(file, restored);
        const after = store.revision;
        expect(revision).to.be.within(before, after);
        expect(after).to.be.greaterThan(before);
        const copy = await openStore(restored);
        const changes = await allChanges(copy);
        await copy.close();
        expect(changes).to.have.length(revision);
        expect(broken([], changes)).to.deep.equal([]);
        expect(changes).to.deep.equal((await allChanges(store)).slice(0, revision));
      }
      going = false;
      await Promise.all(clients);
      await store.close();
      expect(readdirSync(folder).sort()).to.deep.equal(["one", "two"]);
    });

    it("is one file, and is refused where a file is already or no folder is", async () => {
      const store = await openStore(await filled(10));
      const folder = temporaryDirectory();
      await store.backup(join(folder, "copy"));
      expect(readdirSync(folder)).to.deep.equal(["copy"]);
      expect(verify(join(folder, "copy"))).to.deep.equal({ revision: 10, schema: 1 });
      const before = readFileSync(join(folder, "copy"));
      expect((await failureOf(store.backup(join(folder, "copy")))).message).to.contain("exists");
      expect(readFileSync(join(folder, "copy")).equals(before)).to.be.true;
      expect(await failureOf(store.backup(join(folder, "none", "copy")))).to.be.instanceOf(StoreUnavailable);
      expect(readdirSync(folder)).to.deep.equal(["copy"]);
      // The store is none the worse for it.
      expect(await store.write([write("k", 10)])).to.deep.equal([11]);
      await store.close();
    });
  });

  describe("a restore", () => {
    it("puts the backup in the place of nothing, and of a store only where that is said", async () => {
      const backup = await filled(5);
      const file = newFile();
      expect(await restore(backup, file)).to.deep.equal({ revision: 5 });
      await filled(9, file);
      expect((await failureOf(restore(backup, file))).message).to.contain("exists");
      expect(await changesOf(file)).to.have.length(9);
      expect(await restore(backup, file, true)).to.deep.equal({ revision: 5 });
      expect(await changesOf(file)).to.deep.equal(await changesOf(backup));
      expect(readdirSync(join(file, ".."))).to.deep.equal(["store.db"]);
    });

    it("takes nothing of what the old store had still in its write-ahead log", async () => {
      const backup = await filled(5);
      const file = newFile();
      const old = new StoreFile(file);
      old.write([{ rows: [{ ...write("old", 0), value: "1" }], guard: null }]);
      const wal = readFileSync(`${file}-wal`);
      old.close();
      writeFileSync(`${file}-wal`, wal);
      await restore(backup, file, true);
      expect(await changesOf(file)).to.deep.equal(await changesOf(backup));
    });

    it("is finished by the next start where it was interrupted", async () => {
      const [backup, file] = [await filled(5), await filled(9)];
      copyFileSync(backup, `${file}.restored`);
      writeFileSync(`${file}-wal`, "of the old store");
      expect(await changesOf(file)).to.deep.equal(await changesOf(backup));
      expect(readdirSync(join(file, ".."))).to.deep.equal(["store.db"]);
    });

    it("refuses a backup with any bit flipped that a change is made of, and leaves the store alone", async () => {
      const [backup, file] = [await filled(60), await filled(9)];
      const sound = readFileSync(backup);
      const expected = await changesOf(file);
      const damaged = join(temporaryDirectory(), "damaged");
      let refused = 0;
      const at = (text: string): number => sound.indexOf(text);
      for (const offset of [at('{"i":33}') + 5, at('{"i":7}'), at("2026-03-03"), at("tests"), sound.lastIndexOf("set"), 20, 100]) {
        const bytes = Buffer.from(sound);
        bytes[offset] = (bytes[offset] ?? 0) ^ 4;
        writeFileSync(damaged, bytes);
        expect(await failureOf(restore(damaged, file, true)), `byte ${offset}`).to.be.instanceOf(StoreUnreadable);
        refused++;
      }
      expect(refused).to.equal(7);
      expect(await failureOf(restore(join(temporaryDirectory(), "none"), file, true))).to.be.instanceOf(StoreUnreadable);
      expect(await changesOf(file)).to.deep.equal(expected);
    });
  });

  describe("on a full disk", () => {
    let mountPoint: string;

    before(function () {
      mountPoint = join(temporaryDirectory(), "small");
      mkdirSync(mountPoint);
      const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", mountPoint]);
      if (status !== 0) skip(this, "no tmpfs can be mounted");
    });
    after(() => {
      spawnSync("umount", ["--lazy", mountPoint]);
    });

    it("refuses changes, applies nothing of them, and recovers without help once there is room", async () => {
      const file = join(mountPoint, "store.db");
      const ballast = join(mountPoint, "ballast");
      const said: string[] = [];
      const store = await openStore(file, {
        unavailable: (detail) => said.push(detail),
        ready: () => said.push("ready"),
      });
      execFileSync("dd", ["if=/dev/zero", `of=${ballast}`, "bs=64k", "count=40"], { stdio: "ignore" });
      const taken: number[] = [];
      const refusals: Error[] = [];
      while (refusals.length === 0) {
        const value = { tag: `${taken.length}`, of: 3, pad: "x".repeat(20_000) };
        const keys = ["a", "b", "c"].map((name) => `${name}/${taken.length}`);
        await store.write(keys.map((key) => write(key, 0, value))).then(
          (revisions) => taken.push(...revisions),
          (cause: unknown) => refusals.push(cause as Error),
        );
      }
      expect(refusals[0]).to.be.instanceOf(StoreUnavailable);
      expect(taken.length).to.be.greaterThan(10);
      expect(said.join()).to.match(/^ready,.*full/);
      expect(store.healthy).to.be.false;

      // Not even what would be small enough for the last free page makes it look well for long.
      execFileSync("sh", ["-c", `dd if=/dev/zero of=${ballast}2 bs=4k 2>/dev/null || true`]);
      await new Promise((resolve) => setTimeout(resolve, 1500));
      expect(await failureOf(store.write([write("while/full", 0)]))).to.be.instanceOf(StoreUnavailable);

      rmSync(ballast);
      rmSync(`${ballast}2`);
      await until(() => store.healthy);
      expect(store.revision).to.equal(taken.length);
      expect(await store.write([write("after", 0, { tag: "after", of: 1 })])).to.deep.equal([taken.length + 1]);
      const changes = await allChanges(store);
      expect(broken([], changes)).to.deep.equal([]);
      expect(changes).to.have.length(taken.length + 1);
      expect(await allEntries(store)).to.have.length(taken.length + 1);
      await store.close();
      expect(verify(file).revision).to.equal(taken.length + 1);
    });
  });
});

function pragma(file: string, text: string): void {
  const db = new Sqlite(file);
  db.pragma(text);
  db.close();
}

function overwrite(file: string, offset: number, bytes: Buffer): void {
  const all = readFileSync(file);
  bytes.copy(all, offset);
  writeFileSync(file, all);
}
