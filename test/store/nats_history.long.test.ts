import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { NatsUnavailable, startNats, stopNats, type NatsServer } from "../../demo/nats/servers.js";
import { NatsStore } from "../../src/store/nats.js";
import { StoreConflict, StoreUnsure, isChange, type Change, type Guard } from "../../src/store/store.js";
import { system } from "../../src/system/index.js";
import { asset } from "../../src/system/paths.js";
import { Dice } from "../differential/dice.js";
import { skip } from "../skip.js";
import { Copies } from "../threats/copies.js";
import { cut } from "../threats/cut.js";
import { violationsIn, type CallSeen } from "./history.js";

const SECONDS = Number(process.env["REMIT_HISTORY_SECONDS"] ?? 40);
const CLIENTS = 3;
const CALLS_AT_ONCE = 4;
const KEYS = 6;
const UNSURE_AFTER_MS = 1500;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe("the store on NATS, written by several at once while its servers end", function () {
  let folder: string;
  let builds: string;
  let servers: NatsServer[] = [];
  let stores: NatsStore[] = [];
  before(async function () {
    mkdirSync(asset(".work"), { recursive: true });
    builds = mkdtempSync(join(asset(".work"), "history-"));
    folder = mkdtempSync(join(tmpdir(), "remit-history-"));
    try {
      servers = await startNats(3, folder);
    } catch (cause) {
      if (cause instanceof NatsUnavailable) skip(this, cause.message);
      throw cause;
    }
  });
  after(async () => {
    await stopNats(servers);
    rmSync(builds, { recursive: true, force: true });
    rmSync(folder, { recursive: true, force: true });
  });

  afterEach(async () => {
    for (const store of stores) await store.close();
    stores = [];
  });

  interface History {
    calls: CallSeen[];
    feed: Change[];
    unsure: number;
  }
  /** Lets clients write for a while, by a build of the store. */
  const historyOf = async (name: string, build: Pick<typeof NatsStore, "open">, seconds: number, breaks: boolean): Promise<History> => {
    for (let i = 0; i < CLIENTS; i++)
      stores.push(
        await build.open(
          {
            ...{ name, connection: { servers: servers.map(({ url }) => url) }, replicas: 3 },
            ...{ marks_kept_s: 30, unsure_after_ms: UNSURE_AFTER_MS, guarded: ["k"], isCopied: () => false },
          },
          system,
          { unavailable: () => undefined, ready: () => undefined, broken: () => undefined },
        ),
      );
    const calls: CallSeen[] = [];
    const settling: Promise<unknown>[] = [];
    const until = performance.now() + seconds * 1000;
    const isOver = (): boolean => performance.now() > until;
    let unsure = 0;

    const client = async (store: NatsStore, number: number): Promise<void> => {
      const dice = new Dice(number);
      const last = new Map<string, number>();
      const unfollow = store.follow(0, (items) => {
        for (const item of items) if (isChange(item)) last.set(item.key, item.revision);
      });
      const kindLast = (): number => Math.max(0, ...last.values());
      const act = async (lane: number): Promise<void> => {
        for (let i = 0; !isOver(); i++) {
          const id = `${number}-${lane}-${i}`;
          const first = dice.below(KEYS);
          const keys = [`k/${first}`, ...(dice.chance(20) ? [`k/${(first + 1) % KEYS}`] : [])];
          // Now and then by a state that has passed.
          const writes = keys.map((key) => ({ key, expected: dice.chance(5) ? 0 : (last.get(key) ?? 0) }));
          const guard: Guard | undefined = dice.chance(20) ? { prefix: "k/", since: kindLast() } : undefined;
          const call: CallSeen = { id, writes, ...(guard && { guard }), began: performance.now(), ended: Infinity, revisions: null };
          const content = { value: id, by: "tests", time: "2026-03-03T10:15:00Z", reason: null, change: "set" };
          calls.push(call);
          try {
            call.revisions = await store.write(
              writes.map((write) => ({ ...write, ...content })),
              guard,
            );
            call.ended = performance.now();
          } catch (cause) {
            if (cause instanceof StoreUnsure) {
              unsure++;
              settling.push(
                cause.settled.then((revisions) => {
                  call.revisions = revisions;
                }),
              );
            } else {
              call.ended = performance.now();
              call.untried = !(cause instanceof StoreConflict);
              await sleep(20);
            }
          }
          await sleep(dice.below(10));
        }
      };
      await Promise.all(Array.from({ length: CALLS_AT_ONCE }, (_, lane) => act(lane)));
      unfollow();
    };

    const breaking = (async (): Promise<void> => {
      const dice = new Dice(99);
      while (breaks && !isOver()) {
        const server = servers[dice.below(servers.length)];
        if (server === undefined) break;
        if (dice.chance(50)) {
          await server.kill();
          await sleep(500 + dice.below(1500));
          server.start();
          await server.ready();
        } else {
          server.freeze(true);
          await sleep(500 + dice.below(4000));
          server.freeze(false);
        }
        await sleep(dice.below(3000));
      }
    })();
    await Promise.all([...stores.map(client), breaking]);
    await Promise.all(settling);

    const feed: Change[] = [];
    for (const [store] = stores; ;) {
      const page = (await store?.changes(feed.at(-1)?.revision ?? 0, 1000)) ?? [];
      feed.push(...page);
      if (page.length === 0) break;
    }
    return { calls, feed, unsure };
  };

  it("is linearizable, all or nothing, within its guards, and tells of every write in the end what became of it", async () => {
    const { calls, feed, unsure } = await historyOf("whole", NatsStore, SECONDS, true);
    expect(violationsIn(calls, feed).slice(0, 10)).to.deep.equal([]);
    const made = calls.filter(({ revisions }) => revisions !== null);
    expect(made.length, "made").to.be.above(100);
    expect(made.filter(({ writes }) => writes.length > 1).length, "of two keys").to.be.above(10);
    expect(made.filter(({ guard }) => guard !== undefined).length, "guarded").to.be.above(5);
    expect(calls.filter(({ revisions, untried }) => revisions === null && untried !== true).length, "refused").to.be.above(50);
    expect(unsure, "unsure").to.be.above(0);
  });

  it("wouldn't keep its guards if writes without one weren't compared by their kind too", async () => {
    const copies = new Copies(builds, [cut.text("store/nats.js", "#publish", "kind === undefined", "true")]);
    const { NatsStore: without } = (await copies.load("store/nats.js")) as { NatsStore: typeof NatsStore };
    const { calls, feed } = await historyOf("without", without, 5, false);
    expect(violationsIn(calls, feed).join("\n")).to.match(/in spite of its guard/);
  });
});
