import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { expect } from "chai";
import { NatsStore } from "../../src/store/nats.js";
import { StreamReader, factsStream } from "../../src/store/nats_feed.js";
import { subjectsOf } from "../../src/store/nats_keys.js";
import { isChange, type Change, type Mark } from "../../src/store/store.js";
import { system } from "../../src/system/index.js";
import { NatsUnavailable, startNats, stopNats, type NatsServer } from "../../demo/nats/servers.js";
import { skip } from "../skip.js";
import { keepsTheContract } from "./contract.js";

let stores = 0;
/** Changes of this name are carried by the second feed too. */
const COPIED = "revoked";

for (const servers of [1, 3]) {
  describe(`the store on NATS, with ${servers} server(s)`, function () {
    let running: NatsServer[] = [];
    let folder: string;
    before(async function () {
      folder = mkdtempSync(join(tmpdir(), "remit-nats-"));
      try {
        running = await startNats(servers, folder);
      } catch (cause) {
        if (cause instanceof NatsUnavailable) skip(this, cause.message);
        throw cause;
      }
    });
    after(async () => {
      await stopNats(running);
      rmSync(folder, { recursive: true, force: true });
    });

    it("reads the feed to its end where a replica is behind or marks have expired, and not from a server that has less than was known", async () => {
      const name = `behind-${servers}`;
      const store = await openStore(name, running, undefined, 1);
      const jsm = await jetstreamManager(store.connection);
      const reader = new StreamReader(jsm, factsStream(`REMIT_${name}`, subjectsOf(name)));
      const read = async (to: number): Promise<number[]> => {
        const found: number[] = [];
        for await (const items of reader.between(0, to)) found.push(...items.map(({ sequence }) => sequence));
        return found;
      };
      expect([await reader.page(1), await read(0)]).to.deep.equal([[], []]);
      const write = { key: "agent/a-1", value: null, by: "tests", time: "2026-03-03T10:15:00Z", reason: null, change: "agent_created" };
      const [revision = 0] = await store.write([{ ...write, expected: 0 }]);
      store.mark({ by: "n-1", n: 1, value: null });
      const state = async (): Promise<{ messages: number; last_seq: number }> => (await jsm.streams.info(`REMIT_${name}`)).state;
      while ((await state()).last_seq === revision || (await state()).messages > 1) await new Promise((resolve) => setTimeout(resolve, 50));
      expect([await reader.page(revision + 1), await read(revision + 1)]).to.deep.equal([[], [revision]]);
      expect(await read(revision + 2).catch(String)).to.equal(`Error: the stream ends at ${revision + 1}, and was at ${revision + 2}`);
      await store.close();
    });

    describe("and its second feed", () => {
      const name = `second-${servers}`;
      let opened: NatsStore[] = [];
      const open = async (broken: () => void = () => undefined): Promise<NatsStore> => {
        const store = await openStore(name, running, broken);
        opened.push(store);
        return store;
      };
      afterEach(async () => {
        for (const store of opened) await store.close();
        opened = [];
      });
      const written = async (store: NatsStore, id: string, change: string): Promise<Change> => {
        const write = { key: `agent/${id}`, value: { id }, by: "tests", time: "2026-03-03T10:15:00Z", reason: null, change };
        const [revision = 0] = await store.write([{ ...write, expected: 0 }]);
        return { ...write, revision };
      };
      const until = async (holds: () => boolean): Promise<void> => {
        while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10));
      };

      it("brings what its kind of change has, by its author, and nothing else", async () => {
        const [author, reader] = [await open(), await open()];
        const came: (Change | Mark)[] = [];
        reader.copies.follow((items) => came.push(...items));
        await reader.connection.flush();
        await written(author, "a-1", "agent_created");
        const copied = await written(author, "a-2", COPIED);
        author.copies.mark({ by: "n-1", n: 7, value: null });
        await until(() => came.some((item) => !isChange(item)));
        expect(came).to.deep.equal([copied, { by: "n-1", n: 7, value: null }]);
      });

      it("brings a copy once, whoever makes it, and to those who come later too; a mark from before is said to be one", async () => {
        const [one, two] = [await open(), await open()];
        const change = await written(one, "a-3", "agent_created");
        for (const store of [one, two, one]) store.copies.copy(change);
        one.copies.mark({ by: "n-1", n: 8, value: null });
        await one.connection.flush();
        const late = await open();
        const came: (Change | Mark)[] = [];
        late.copies.follow((items) => came.push(...items));
        // Another connection's message may otherwise pass the subscription, and nothing comes after it that would show the gap.
        await late.connection.flush();
        two.copies.mark({ by: "n-2", n: 1, value: null });
        await until(() => came.some((item) => !isChange(item) && item.by === "n-2"));
        expect(came.filter((item) => isChange(item) && item.revision === change.revision)).to.deep.equal([change]);
        const before = came.filter((item): item is Mark => !isChange(item) && item.by === "n-1");
        expect(before[0]?.passed, "the last one from before, first of all").to.equal(true);
        expect(before.filter(({ n, passed }) => n === 7 && passed !== true)).to.deep.equal([]);
      });

      it("has what was marked last before it is closed, in both feeds", async () => {
        const [author, reader] = [await open(), await open()];
        const came: Mark[] = [];
        const take = (items: readonly (Change | Mark)[]): void => {
          for (const item of items) if (!isChange(item) && item.by === "n-3") came.push(item);
        };
        reader.follow(0, take);
        reader.copies.follow(take);
        await reader.connection.flush();
        const last = { by: "n-3", n: 9, value: null };
        for (const feed of [author, author.copies]) feed.mark(last);
        await author.close();
        await until(() => came.length === 2);
        expect(came).to.deep.equal([last, last]);
      });

      it("says that the streams are still the same, which servers lead them, and when one isn't the same", async () => {
        const store = await open();
        const { areSame, leaders } = await store.look();
        expect([areSame, leaders.every((leader) => servers === 1 || leader !== null)]).to.deep.equal([true, true]);
        const jsm = await jetstreamManager(store.connection);
        await jsm.streams.delete(`REMIT_${name}_COPIES`);
        expect((await store.look()).areSame).to.equal(false);
        await open();
        expect((await store.look()).areSame).to.equal(false);
      });

      it("is broken by what no node wrote: whatever is behind it isn't read", async () => {
        let broken = 0;
        const store = await open(() => broken++);
        store.copies.follow(() => undefined);
        const revision = (await store.changes(0, 10)).at(1)?.revision ?? 0;
        store.connection.publish(`remit-copies.${name}.c.${revision}`, JSON.stringify({ revision: revision + 1 }));
        await until(() => broken > 0);
        expect(store.healthy).to.equal(false);
      });

      for (const [what, follow] of Object.entries({
        "what was there before": (store: NatsStore, take: () => void) => store.follow(0, take),
        "what comes": (store: NatsStore, take: () => void) => store.follow(store.revision, take),
        "a copy": (store: NatsStore, take: () => void) => store.copies.follow(take),
      }))
        it(`is broken by a follower that can't take ${what}: it may not go on without`, async () => {
          const author = await open();
          await written(author, `before ${what}`, COPIED);
          let broken = 0;
          const store = await open(() => broken++);
          follow(store, () => {
            throw new Error("a later version wrote this");
          });
          await store.connection.flush();
          await written(author, `after ${what}`, COPIED);
          await until(() => broken > 0);
          expect([broken, store.healthy]).to.deep.equal([1, false]);
        });
    });

    it("hands on all changes in order, before the latest of each key, and ends with whoever can't take them", async () => {
      const store = await openStore(`t${++stores}`, running);
      const by = { by: "tests", time: "2027-01-01T00:00:00.000Z", reason: null, change: "agent_changed" };
      const revisions: number[] = [];
      for (let i = 0; i < 2100; i += 100) {
        const writes = Array.from({ length: 100 }, (_, at) => ({ key: `agent/a-${i + at}`, expected: 0, value: { i }, ...by }));
        revisions.push(...(await store.write(writes)));
        store.mark({ by: "n-1", n: i + 1, value: null });
      }
      revisions.push(...(await store.write([{ key: "agent/a-0", expected: revisions[0] ?? 0, value: { i: -1 }, ...by }])));
      const passed: number[] = [];
      const latest: Change[] = [];
      for await (const some of store.entries((changes) => {
        expect(latest).to.deep.equal([]);
        passed.push(...changes.map(({ revision }) => revision));
        return Promise.resolve();
      }))
        latest.push(...some);
      expect(passed).to.deep.equal(revisions);
      expect(latest.map(({ revision }) => revision)).to.deep.equal(revisions.slice(1));
      const failing = store.entries(() => Promise.reject(new Error("the log takes none")));
      let failed = "";
      await (async () => {
        for await (const some of failing) latest.push(...some);
      })().catch((cause: unknown) => (failed = String(cause)));
      expect(failed).to.include("the log takes none");
      await store.close();
    });

    it("reads whatever is large in parts, with nothing missing", async () => {
      const store = await openStore(`t${++stores}`, running);
      const by = { by: "tests", time: "2027-01-01T00:00:00.000Z", reason: null, change: "agent_changed" };
      const revisions: number[] = [];
      for (let i = 0; i < 300; i++) {
        const write = { key: `agent/a-${i}`, expected: 0, value: { text: "x".repeat(60_000) }, ...by };
        revisions.push(...(await store.write([write])));
      }
      const sizes: number[] = [];
      const passed: number[] = [];
      let latest = 0;
      for await (const some of store.entries((changes) => {
        sizes.push(changes.length);
        passed.push(...changes.map(({ revision }) => revision));
        return Promise.resolve();
      }))
        latest += some.length;
      expect([passed, latest]).to.deep.equal([revisions, 300]);
      expect(Math.max(...sizes), "8 MiB have some 139 of them").to.be.within(100, 145);
      await store.close();
    });

    keepsTheContract(() => {
      const name = `t${++stores}`;
      return { open: () => openStore(name, running) };
    }, 1000);
  });
}

async function openStore(
  name: string,
  servers: readonly NatsServer[],
  broken: () => void = () => undefined,
  marks_kept_s = 30,
): Promise<NatsStore> {
  return NatsStore.open(
    {
      ...{ name, connection: { servers: servers.map(({ url }) => url) }, replicas: servers.length },
      ...{ marks_kept_s, unsure_after_ms: 10_000, guarded: ["agent", "k"], isCopied: ({ change }) => change === COPIED },
    },
    system,
    { unavailable: () => undefined, ready: () => undefined, broken },
  );
}
