import { expect } from "chai";
import { MemoryDisk, MemoryStore, NO_FAULTS, type MemoryFaults } from "../../src/store/memory.js";
import { StoreConflict, StoreUnavailable } from "../../src/store/store.js";
import { systemTimers, type Random, type Timers } from "../../src/system/index.js";
import { Dice } from "../differential/dice.js";
import { keepsTheContract } from "./contract.js";
import { allChanges, failureOf, write } from "./support.js";

/** Time that passes when it is told to. What is due at one moment happens in the order in which it was asked for. */
class Turns implements Timers {
  #now = 0;
  readonly #due: { at: number; call: () => void }[] = [];

  after(ms: number, call: () => void): () => void {
    const one = { at: this.#now + ms, call };
    this.#due.push(one);
    return () => this.#due.splice(this.#due.indexOf(one), 1);
  }

  every(): () => void {
    throw new Error("a store has no such timer");
  }

  turnEnd(call: () => void): void {
    this.after(0, call);
  }

  /** Lets everything happen that is due within so many milliseconds. */
  async pass(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      await settled();
      const next = this.#due.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#due.splice(this.#due.indexOf(next), 1);
      this.#now = next.at;
      next.call();
    }
    this.#now = until;
  }
}

/** When what was promised before has been told to all who wait for it. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Draws faults: of `of` groups, on average `lost` and `unsaid` ones. Equal draws give equal faults. */
function drawnFaults(
  random: Random,
  rates: { latency_ms_max: number; recovery_ms_max: number; lost: number; unsaid: number; of: number },
): MemoryFaults {
  const drawn = new Uint32Array(1);
  const below = (bound: number): number => {
    random.fill(new Uint8Array(drawn.buffer));
    return (drawn[0] ?? 0) % bound;
  };
  return {
    latencyMs: () => below(rates.latency_ms_max + 1),
    recoveryMs: () => below(rates.recovery_ms_max + 1),
    fate() {
      const draw = below(rates.of);
      if (draw < rates.lost) return "lost";
      return draw < rates.lost + rates.unsaid ? "unsaid" : "written";
    },
  };
}

const seeded = (seed: number): Random => {
  const dice = new Dice(seed);
  return {
    fill: (bytes) => {
      bytes.forEach((_, i) => (bytes[i] = dice.below(256)));
    },
  };
};

describe("the store in memory", () => {
  keepsTheContract(() => {
    const disk = new MemoryDisk();
    return { open: () => Promise.resolve(new MemoryStore(systemTimers, disk)) };
  });

  it("takes the time it is told to take", async () => {
    const turns = new Turns();
    const store = new MemoryStore(turns, new MemoryDisk(), { ...NO_FAULTS, latencyMs: () => 10 });
    const writing = store.write([write("k", 0)]);
    await turns.pass(9);
    expect(store.revision).to.equal(0);
    await turns.pass(1);
    expect(store.revision).to.equal(1);
    expect(await writing).to.deep.equal([1]);
  });

  for (const fate of ["lost", "unsaid"] as const) {
    it(`refuses a group that is ${fate}, is away for as long as it is told, and is back without it`, async () => {
      const turns = new Turns();
      const fates: ReturnType<MemoryFaults["fate"]>[] = ["written", fate];
      const disk = new MemoryDisk();
      const store = new MemoryStore(turns, disk, {
        latencyMs: () => 0,
        fate: () => fates.shift() ?? "written",
        recoveryMs: () => 50,
      });
      const first = store.write([write("k", 0)]);
      await turns.pass(0);
      await first;
      const refused = Promise.all([failureOf(store.write([write("k", 1)])), failureOf(store.write([write("l", 0)]))]);
      await turns.pass(49);
      for (const cause of await refused) expect(cause).to.be.instanceOf(StoreUnavailable);
      expect(store.healthy).to.be.false;
      expect(disk.rows).to.have.length(fate === "lost" ? 1 : 3);
      expect(await failureOf(store.write([write("k", 1)]))).to.be.instanceOf(StoreUnavailable);
      await turns.pass(1);
      expect(store.healthy).to.be.true;
      const again = store.write([write("k", 1)]);
      await turns.pass(0);
      expect(await again).to.deep.equal([2]);
    });
  }

  it("answers no one once the power is cut, and is found as the disk was: with what was acknowledged, perhaps more", async () => {
    for (const [passed, wanted] of [
      [4, 1],
      [6, 2],
    ] as const) {
      const turns = new Turns();
      const disk = new MemoryDisk();
      let latency = 0;
      const store = new MemoryStore(turns, disk, { ...NO_FAULTS, latencyMs: () => latency });
      const first = store.write([write("k", 0)]);
      await turns.pass(0);
      await first;
      latency = 10;
      let answered = false;
      store.write([write("l", 0)]).then(
        () => (answered = true),
        () => (answered = true),
      );
      await turns.pass(0);
      await turns.pass(passed);
      store.cut();
      await turns.pass(1000);
      expect(answered).to.be.false;
      expect(new MemoryStore(turns, disk).revision).to.equal(wanted);
    }
  });

  /** A run of clients over faults and power cuts: what happened, in order, and what is wrong with it. */
  async function simulated(seed: number): Promise<{ story: string[]; wrong: string[] }> {
    const turns = new Turns();
    const disk = new MemoryDisk();
    const dice = new Dice(seed);
    const faults = drawnFaults(seeded(seed), { latency_ms_max: 6, recovery_ms_max: 20, lost: 1, unsaid: 1, of: 12 });
    const [story, wrong]: [string[], string[]] = [[], []];
    let store = new MemoryStore(turns, disk, faults);
    const known = new Map<string, number>();
    const acknowledged = new Map<number, string>();
    for (let step = 0; step < 120; step++) {
      const [now, tag, key] = [store, `${step}`, `k/${dice.below(4)}`];
      const keys = [key, `${key}/second`];
      const call = now.write(keys.map((one) => write(one, known.get(one) ?? 0, tag)));
      call.then(
        (revisions) => {
          story.push(`${tag} at ${revisions.join()}`);
          revisions.forEach((revision, i) => {
            acknowledged.set(revision, `${tag} ${keys[i] ?? ""}`);
            known.set(keys[i] ?? "", revision);
          });
        },
        (cause: unknown) => {
          story.push(`${tag} ${(cause as Error).name}`);
          if (cause instanceof StoreConflict) known.set(cause.key, cause.found);
        },
      );
      await turns.pass(dice.below(5));
      if (dice.chance(5)) {
        now.cut();
        story.push("cut");
        store = new MemoryStore(turns, disk, faults);
        known.clear();
        for (const { key, revision } of disk.rows) known.set(key, revision);
      }
    }
    await turns.pass(1000);
    disk.rows.forEach(({ revision }, i) => {
      if (revision !== i + 1) wrong.push(`revision ${revision} at ${i + 1}`);
    });
    for (const [revision, what] of acknowledged) {
      const row = disk.rows[revision - 1];
      const found = row === undefined ? "nothing" : `${JSON.parse(row.value) as string} ${row.key}`;
      if (found !== what) wrong.push(`${what} was acknowledged at ${revision}, there is ${found}`);
    }
    for (const { value } of disk.rows) {
      if (disk.rows.filter((row) => row.value === value).length !== 2) wrong.push(`half of ${value}`);
    }
    return { story, wrong };
  }

  it("loses nothing it acknowledged and halves no call, whatever fails and whenever the power goes, from 300 seeds", async () => {
    const met = new Set<string>();
    for (let seed = 1; seed <= 300; seed++) {
      const { story, wrong } = await simulated(seed);
      expect(wrong, `seed ${seed}`).to.deep.equal([]);
      for (const line of story) met.add(line.split(" ").at(-1) ?? "");
    }
    expect([...met]).to.include.members(["StoreUnavailable", "StoreConflict", "cut"]);
  });

  it("has the same faults from the same seed, and others from another", async () => {
    const [first, again, other] = [await simulated(7), await simulated(7), await simulated(8)];
    expect(first.story).to.deep.equal(again.story);
    expect(first.story).not.to.deep.equal(other.story);
  });

  it("says that it has no backup", async () => {
    const store = new MemoryStore(systemTimers);
    expect(await failureOf(store.backup())).to.be.instanceOf(StoreUnavailable);
    expect(await allChanges(store)).to.deep.equal([]);
  });
});
