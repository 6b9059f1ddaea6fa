import { expect } from "chai";
import { FeedFollowers } from "../../src/store/followers.js";
import { STORE_LIMITS, type Change } from "../../src/store/store.js";
import { system } from "../../src/system/index.js";

const change = (revision: number): Change => ({
  ...{
    revision,
    key: `agent/a-${revision}`,
    value: null,
    by: "tests",
    time: "2027-01-01T00:00:00.000Z",
    reason: null,
    change: "agent_created",
  },
});

/** Changes from the first on, as a store reads them. */
const upTo =
  (last: number) =>
  (after: number, limit: number): Promise<Change[]> =>
    Promise.resolve(Array.from({ length: Math.min(limit, last - after) }, (_, i) => change(after + i + 1)));

describe("a follower of a feed that can't take what it lacks", () => {
  for (const [what, durable, fails] of [
    ["in what was there before", 3, 2],
    ["in the second page of that", STORE_LIMITS.changes_max + 2, STORE_LIMITS.changes_max + 1],
    ["in what came while it read", 3, 4],
  ] as const)
    it(`gets nothing more, and its error is told: ${what}`, async () => {
      const taken: number[] = [];
      const others: number[] = [];
      const failure = new Error("a later version wrote this");
      let told = (_: unknown): void => undefined;
      const failed = new Promise<unknown>((resolve) => (told = resolve));
      const followers = new FeedFollowers(upTo(durable), system.timers, (cause) => {
        told(cause);
      });
      followers.add(0, (items) => others.push(...items.flatMap((item) => ("revision" in item ? item.revision : []))), durable);
      followers.add(
        0,
        (items) => {
          for (const item of items) {
            if (!("revision" in item)) continue;
            if (item.revision === fails) throw failure;
            taken.push(item.revision);
          }
        },
        durable,
      );
      followers.pass([change(durable + 1)]);
      expect(await failed).to.equal(failure);
      expect(taken.at(-1)).to.equal(fails - 1);
      followers.pass([change(durable + 2)]);
      expect(taken.at(-1), "nothing is passed on over the gap").to.equal(fails - 1);
      expect([followers.size, others.at(-1)], "another goes on").to.deep.equal([1, durable + 2]);
    });

  it("ends the process where nobody handles its error, so that nothing is decided without what it lacks", async () => {
    const thrown = new Promise<unknown>((resolve) => {
      const failure = new Error("a later version wrote this");
      const timers = {
        ...system.timers,
        turnEnd: (call: () => void): void => {
          try {
            call();
          } catch (cause) {
            resolve(cause);
          }
        },
      };
      const take = (): void => {
        throw failure;
      };
      new FeedFollowers(upTo(1), timers).add(0, take, 1);
    });
    expect(((await thrown) as Error).message).to.equal("a later version wrote this");
  });
});

describe("a follower of a feed", () => {
  it("goes on with what comes, although more than it reads at once has come since it began", async () => {
    const taken: number[] = [];
    const followers = new FeedFollowers(upTo(2 * STORE_LIMITS.changes_max), system.timers);
    followers.add(1, (items) => taken.push(...items.map((item) => ("revision" in item ? item.revision : 0))), 2);
    followers.pass([change(3)]);
    await new Promise((resolve) => setImmediate(resolve));
    followers.pass([change(4)]);
    expect(taken).to.deep.equal([2, 3, 4]);
  });

  it("receives a mark before the changes that come after it, although it read those before the mark came", async () => {
    const taken: (number | string)[] = [];
    const followers = new FeedFollowers(upTo(4), system.timers);
    followers.add(1, (items) => taken.push(...items.map((item) => ("revision" in item ? item.revision : item.by))), 2);
    followers.pass([{ by: "early", n: 1, value: null }]);
    await new Promise((resolve) => setImmediate(resolve));
    followers.pass([change(3), { by: "late", n: 1, value: null }, change(4)]);
    expect(taken).to.deep.equal([2, "early", 3, "late", 4]);
  });
});
