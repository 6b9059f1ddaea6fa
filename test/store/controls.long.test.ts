import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MessageChannel } from "node:worker_threads";
import Sqlite from "better-sqlite3";
import { expect } from "chai";
import type * as fileModule from "../../src/store/file.js";
import type { FromKeeper } from "../../src/store/keeper.js";
import type * as keeperModule from "../../src/store/keeper.js";
import type * as restoreModule from "../../src/store/restore.js";
import type * as sqliteModule from "../../src/store/sqlite.js";
import type { Store } from "../../src/store/store.js";
import { systemTimers } from "../../src/system/index.js";
import { asset } from "../../src/system/paths.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { Copies } from "../threats/copies.js";
import { cut, type Edit } from "../threats/cut.js";
import { allChanges, write } from "./support.js";

/** The store's modules, as they are or with a control taken out. */
interface Modules {
  open: (file: string) => Promise<Store>;
  restore: typeof restoreModule.restore;
  StoreFile: typeof fileModule.StoreFile;
  serveStore: typeof keeperModule.serveStore;
}

async function modulesOf(copies: Copies): Promise<Modules> {
  const load = (name: string): Promise<unknown> => copies.load(`store/${name}`);
  const { SqliteStore } = (await load("sqlite.js")) as typeof sqliteModule;
  const { restore } = (await load("restore.js")) as typeof restoreModule;
  const { StoreFile } = (await load("file.js")) as typeof fileModule;
  const { serveStore } = (await load("keeper.js")) as typeof keeperModule;
  const quiet = { unavailable: () => undefined, ready: () => undefined };
  const queue = { queue_calls_max: 100, queue_bytes_max: 1_000_000 };
  return { restore, StoreFile, serveStore, open: (file) => SqliteStore.open({ file, ...queue }, systemTimers, quiet) };
}

const newFile = (): string => join(temporaryDirectory(), "store.db");

const succeeds = (promise: Promise<unknown>): Promise<boolean> =>
  promise.then(
    () => true,
    () => false,
  );

async function filled({ open }: Modules): Promise<string> {
  const file = newFile();
  const store = await open(file);
  for (let i = 0; i < 200; i++) await store.write([write("k", i, { i })]);
  await store.close();
  return file;
}

/** Changes a file's bytes. */
function spoil(file: string, change: (bytes: Buffer) => void): string {
  const bytes = readFileSync(file);
  change(bytes);
  writeFileSync(file, bytes);
  return file;
}

interface Control {
  /** Whether what the control is against gets through. */
  getsThrough: (modules: Modules) => Promise<boolean>;
  without: Edit;
}

const controls: Record<string, Control> = {
  "compare-and-set: two can't both change what they read": {
    async getsThrough({ open }) {
      const store = await open(newFile());
      const both = await Promise.all([succeeds(store.write([write("k", 0)])), succeeds(store.write([write("k", 0)]))]);
      await store.close();
      return both.every(Boolean);
    },
    without: cut.never("store/file.js", "write", "expected"),
  },
  "all of a call is compared before any of it is written": {
    async getsThrough({ open }) {
      const store = await open(newFile());
      await succeeds(store.write([write("k", 0), write("never", 7)]));
      const left = (await allChanges(store)).length;
      await store.close();
      return left > 0;
    },
    without: cut.text(
      "store/file.js",
      "write",
      "conflict ?? rows.map((row) => this.#add(row, ++revision))",
      "(rows.filter((_, i) => i === 0).map((row) => this.#add(row, ++revision)), conflict ?? [])",
    ),
  },
  "a group is one transaction": {
    getsThrough({ StoreFile }) {
      const path = newFile();
      const file = new StoreFile(path);
      const row = { ...write("a", 0), value: "1" };
      // What no call can hold that was checked stands for a disk that fails in the middle.
      const broken = { ...row, key: "b", by: null as unknown as string };
      try {
        file.write([{ rows: [row, broken], guard: null }]);
      } catch {
        // It fails with the control and without.
      }
      file.close();
      const again = new StoreFile(path);
      const { revision } = again;
      again.close();
      return Promise.resolve(revision > 0);
    },
    without: cut.call("store/file.js", "write", ["exec", "BEGIN IMMEDIATE"]),
  },
  "a call of an epoch that failed is dropped": {
    async getsThrough({ StoreFile, serveStore }) {
      const file = newFile();
      const { port1, port2 } = new MessageChannel();
      const closed = new Promise<void>((resolve) => {
        port1.on("message", ({ kind }: FromKeeper) => {
          if (kind === "closed") resolve();
        });
      });
      serveStore(port2, () => new StoreFile(file), systemTimers, null);
      port1.postMessage({ kind: "write", epoch: 0, calls: [{ rows: [{ ...write("refused", 0), value: "1" }], guard: null }] });
      port1.postMessage({ kind: "close" });
      await closed;
      port1.close();
      const written = new StoreFile(file);
      const { revision } = written;
      written.close();
      return revision > 0;
    },
    without: cut.always("store/keeper.js", "take", "epoch"),
  },
  "the lock": {
    async getsThrough({ open }) {
      const file = newFile();
      const first = await open(file);
      const second = await open(file).catch(() => null);
      await second?.close();
      await first.close();
      return second !== null;
    },
    without: cut.call("store/sqlite.js", "lockStore", "lock", "() => undefined"),
  },
  "a newer schema is refused": {
    async getsThrough(modules) {
      const file = await filled(modules);
      const db = new Sqlite(file);
      db.pragma("user_version = 2");
      db.close();
      return succeeds(modules.open(file).then((store) => store.close()));
    },
    without: cut.never("store/file.js", "checkReadable", "version"),
  },
  "another program's database is refused": {
    async getsThrough(modules) {
      const file = await filled(modules);
      const db = new Sqlite(file);
      db.pragma("application_id = 7");
      db.close();
      return succeeds(modules.open(file).then((store) => store.close()));
    },
    without: cut.never("store/file.js", "checkReadable", "applicationId"),
  },
  "a start looks through the whole file": {
    async getsThrough(modules) {
      const file = spoil(await filled(modules), (bytes) => bytes.fill(7, 4096 * 3, 4096 * 4));
      return succeeds(modules.open(file).then((store) => store.close()));
    },
    without: cut.never("store/file.js", "checkReadable", "found"),
  },
  "a restore looks through its copy before it replaces anything": {
    async getsThrough(modules) {
      const file = spoil(await filled(modules), (bytes) => bytes.fill(7, 4096 * 3, 4096 * 4));
      return succeeds(modules.restore(file, newFile()));
    },
    without: cut.call("store/restore.js", "restore", "verify", "{ revision: 0 }"),
  },
  "each row has a checksum": {
    async getsThrough(modules) {
      const file = spoil(await filled(modules), (bytes) => {
        // Pages hold old copies as well.
        for (let at = -1; (at = bytes.indexOf('{"i":33}', at + 1)) !== -1;) bytes.write("34", at + 5);
      });
      return succeeds(modules.restore(file, newFile()));
    },
    without: cut.never("store/file.js", "sound", "checksum"),
  },
  "a restore overwrites only where that is said": {
    async getsThrough(modules) {
      return succeeds(modules.restore(await filled(modules), await filled(modules)));
    },
    without: cut.never("store/restore.js", "restore", "overwrite"),
  },
  "a backup overwrites nothing": {
    async getsThrough(modules) {
      const there = join(temporaryDirectory(), "there");
      writeFileSync(there, "an older backup");
      const store = await modules.open(newFile());
      await succeeds(store.backup(there));
      await store.close();
      return readFileSync(there, "latin1") !== "an older backup";
    },
    without: cut.condition("store/file.js", "backup", "existsSync", "rmSync(file, { force: true })"),
  },
};

describe("a control of the store", function () {
  let copies: string;

  before(() => {
    mkdirSync(asset(".work"), { recursive: true });
    copies = mkdtempSync(join(asset(".work"), "store-"));
  });
  after(() => {
    rmSync(copies, { recursive: true, force: true });
  });

  for (const [index, [name, { getsThrough, without }]] of Object.entries(controls).entries()) {
    it(`holds, and is missed where it is cut out: ${name}`, async () => {
      expect(await getsThrough(await modulesOf(new Copies("", [])))).to.be.false;
      const copy = join(copies, String(index));
      expect(await getsThrough(await modulesOf(new Copies(copy, [without])))).to.be.true;
    });
  }
});
