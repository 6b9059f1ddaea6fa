/** The power under a cluster's servers goes, all at once: what they had acknowledged is there when they are back. */
import { randomInt } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { NatsUnavailable, natsServer, startNats, stopNats, type NatsServer } from "../../demo/nats/servers.js";
import { NatsStore } from "../../src/store/nats.js";
import { isChange, type Change } from "../../src/store/store.js";
import { system } from "../../src/system/index.js";
import { Dice } from "../differential/dice.js";
import { doneIn, straceMissing, tracedProgram, writeAfterCut, type Done } from "../disk/strace.js";
import { skip } from "../skip.js";

/** Given again, the same cuts are made in what was written; more of them with `REMIT_CUTS=1000`, of three servers with `REMIT_SERVERS=3`. */
const SEED = Number(process.env["REMIT_SEED"] ?? randomInt(2 ** 31));
const CUTS = Number(process.env["REMIT_CUTS"] ?? 20);
const SERVERS = Number(process.env["REMIT_SERVERS"] ?? 1);
const WRITERS = 4;
const CALLS = 40;

/** A call of the store that was answered: its tag is in each of its changes. */
interface Acknowledged {
  tag: string;
  revisions: number[];
  /** By the clock on the wall, as strace has it. */
  at_s: number;
}

interface Traced {
  /** Of each server. */
  done: Done[][];
  folders: string[];
  acknowledged: Acknowledged[];
}

describe(`the promises of a store on NATS to whom it answered (REMIT_SEED=${SEED})`, function () {
  let folder: string;

  before(async function () {
    const why = straceMissing();
    if (why !== null) skip(this, why);
    folder = mkdtempSync(join(tmpdir(), "remit-nats-power-"));
    try {
      await natsServer();
    } catch (cause) {
      if (cause instanceof NatsUnavailable) skip(this, cause.message);
      throw cause;
    }
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const open = (servers: readonly NatsServer[]): Promise<NatsStore> =>
    NatsStore.open(
      {
        ...{ name: "power", connection: { servers: servers.map(({ url }) => url) }, replicas: servers.length },
        ...{ marks_kept_s: 30, unsure_after_ms: 60_000, guarded: ["guarded"], isCopied: () => false },
      },
      system,
      { unavailable: () => undefined, ready: () => undefined, broken: () => undefined },
    );

  /** Writes new keys, the same key again and again, and several in one call. */
  async function written(servers: readonly NatsServer[], acknowledged: Acknowledged[]): Promise<void> {
    const store = await open(servers);
    const writer = async (w: number): Promise<void> => {
      let own = 0;
      for (let i = 0; i < CALLS; i++) {
        const tag = `${w}-${i}`;
        const of = 1 + (i % 3);
        const keys = [`own/${w}`, ...Array.from({ length: of - 1 }, (_, n) => `new/${tag}-${n}`)];
        const writes = keys.map((key, n) => ({
          ...{ key, expected: n === 0 ? own : 0, change: "tests", value: { tag, of, filling: "x".repeat(50 * w) } },
          ...{ by: "tests", time: new Date().toISOString(), reason: null },
        }));
        const revisions = await store.write(writes);
        acknowledged.push({ tag, revisions, at_s: (performance.timeOrigin + performance.now()) / 1000 });
        own = revisions[0] ?? 0;
      }
    };
    await Promise.all(Array.from({ length: WRITERS }, (_, w) => writer(w)));
    await store.close();
  }

  /** Has servers store changes behind strace. */
  async function traced(sync: string): Promise<Traced> {
    const at = mkdtempSync(join(folder, "traced-"));
    const program = tracedProgram(join(at, "traced-nats-server"), await natsServer());
    const servers = await startNats(SERVERS, at, { program, sync });
    const acknowledged: Acknowledged[] = [];
    try {
      await written(servers, acknowledged);
    } finally {
      // What is killed otherwise is strace, and the server goes on without it.
      for (const server of servers) for (const pid of childrenOf(server.pid ?? 0)) process.kill(pid, "SIGKILL");
      await stopNats(servers);
    }
    const folders = servers.map((_, i) => join(at, `server-${i + 1}`));
    const done = folders.map((one, i) => doneIn(readFileSync(join(at, `server-${i + 1}.conf.trace`), "latin1"), one));
    return { done, folders, acknowledged };
  }

  /** Returns what is lost or halved after each of so many cuts. */
  async function lossesOf({ done, folders, acknowledged }: Traced, cuts: number): Promise<string[]> {
    const dice = new Dice(SEED);
    const losses: string[] = [];
    const [from_s, to_s] = [acknowledged[0]?.at_s ?? 0, acknowledged.at(-1)?.at_s ?? 0];
    for (let cut = 0; cut < cuts; cut++) {
      const at_s = from_s + ((to_s - from_s) * dice.below(1_000_000)) / 1_000_000;
      const at = mkdtempSync(join(folder, "cut-"));
      for (const [i, steps] of done.entries()) {
        mkdirSync(join(at, `server-${i + 1}`));
        const before = steps.filter((step) => step.at_s < at_s);
        writeAfterCut(before, dice, folders[i] ?? "", join(at, `server-${i + 1}`));
      }
      const servers = await startNats(SERVERS, at);
      try {
        const answered = acknowledged.filter((one) => one.at_s < at_s);
        for (const what of broken(answered, await changesIn(await open(servers)))) losses.push(`cut ${cut} at ${at_s}: ${what}`);
      } finally {
        await stopNats(servers);
        rmSync(at, { recursive: true });
      }
    }
    return losses;
  }

  it(`hold wherever the power is cut, ${CUTS} times`, async () => {
    const found = await traced("always");
    expect(found.done.every((steps) => steps.filter(({ kind }) => kind === "sync").length > CALLS)).to.equal(true);
    expect(await lossesOf(found, CUTS)).to.deep.equal([]);
  });

  it("would not hold by the servers' own default, which syncs every two minutes", async () => {
    const losses = await lossesOf(await traced("2m"), 5);
    expect(losses.filter((what) => what.includes("acknowledged and is lost"))).to.not.be.empty;
  });
});

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number),
  );
}

async function changesIn(store: NatsStore): Promise<Change[]> {
  const changes: Change[] = [];
  for (let after = 0; ;) {
    const some = await store.changes(after, 1000);
    changes.push(...some.filter(isChange));
    after = some.at(-1)?.revision ?? after;
    if (some.length < 1000) break;
  }
  await store.close();
  return changes;
}

/** Returns what a store has broken of its promises; `changes` is all that it has. */
function broken(acknowledged: readonly Acknowledged[], changes: readonly Change[]): string[] {
  const tagged = new Map(changes.map(({ revision, value }) => [revision, value as { tag: string; of: number }]));
  const lost = acknowledged.filter(({ tag, revisions }) => revisions.some((revision) => tagged.get(revision)?.tag !== tag));
  const found = new Map<string, number>();
  for (const { tag } of tagged.values()) found.set(tag, (found.get(tag) ?? 0) + 1);
  const halves = [...tagged.values()].filter(({ tag, of }) => found.get(tag) !== of);
  return [
    ...lost.map(({ tag }) => `${tag} was acknowledged and is lost`),
    ...new Set(halves.map(({ tag, of }) => `${tag} has ${found.get(tag) ?? 0} changes of ${of}`)),
  ];
}
