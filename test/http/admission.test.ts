import { expect } from "chai";
import type { Problem } from "../../src/contract/index.js";
import { admission, decisionsIn, halfOf, type Admission } from "../../src/http/admission.js";
import { StillTimers } from "../facts/world.js";

describe("admission", () => {
  const rows: [what: string, max: number, share: number, by: (i: number) => string, admitted: number][] = [
    ["one caller has its share", 8, 3, () => "a", 3],
    ["one caller has all where its share is all", 5, 5, () => "a", 5],
    ["a share of one", 8, 1, () => "a", 1],
    ["many callers have all together", 6, 2, (i) => `c-${i}`, 6],
    ["two callers have two shares", 8, 3, (i) => `c-${i % 2}`, 6],
  ];
  for (const [what, max, share, by, admitted] of rows)
    it(`begins exactly as many as it may: ${what}`, async () => {
      const timers = new StillTimers();
      const gate = admission(max, timers, share);
      const ends: (() => void)[] = [];
      const asked = Array.from({ length: 3 * max }, (_, i) =>
        gate
          .admit(
            () =>
              new Promise<string>((resolve) =>
                ends.push(() => {
                  resolve("decided");
                }),
              ),
            by(i),
          )
          .catch((cause: unknown) => (cause as Problem).code),
      );
      await new Promise(setImmediate);
      expect([ends.length, gate.underWay, gate.full]).to.deep.equal([admitted, admitted, admitted === max]);
      await timers.advance(1000);
      for (const end of ends) end();
      const told = await Promise.all(asked);
      expect(told.filter((one) => one === "decided")).to.have.lengthOf(admitted);
      expect(told.filter((one) => one === "overloaded")).to.have.lengthOf(3 * max - admitted);
      expect(gate.underWay).to.equal(0);
    });

  /** Requests that are under way until they are ended by name. */
  const asking = (gate: Admission) => {
    const begun: string[] = [];
    const ended = new Map<string, () => void>();
    const told: string[] = [];
    const ask = (name: string, by?: string, decisions?: number): void => {
      const decide = (): Promise<void> => {
        begun.push(name);
        return new Promise((resolve) => ended.set(name, resolve));
      };
      void gate.admit(decide, by, decisions).then(
        () => told.push(`${name} decided`),
        (cause: unknown) => told.push(`${name} ${(cause as Problem).code}`),
      );
    };
    const end = async (name: string): Promise<void> => {
      ended.get(name)?.();
      await new Promise(setImmediate);
    };
    return { begun, told, ask, end };
  };

  it("holds a refusal back for a second, and refuses nobody who has no share", async () => {
    const timers = new StillTimers();
    const gate = admission(3, timers, 1);
    const { begun, told, ask, end } = asking(gate);
    ask("first", "a");
    ask("second", "a");
    for (const name of ["third", "fourth", "fifth"]) ask(name);
    expect([begun, gate.full, gate.contended]).to.deep.equal([["first", "third", "fourth"], true, true]);
    await timers.advance(999);
    expect(told).to.deep.equal([]);
    await timers.advance(1);
    expect(told).to.deep.equal(["second overloaded", "fifth overloaded"]);
    for (const name of ["first", "third", "fourth"]) await end(name);
    expect([gate.underWay, gate.full, gate.contended]).to.deep.equal([0, false, false]);
    ask("again", "a");
    expect(begun.at(-1)).to.equal("again");
  });

  it("is contended from as many requests as one caller may have", () => {
    const gate = admission(8, new StillTimers(), 2);
    const { ask } = asking(gate);
    const seen = ["a", "b"].map((by) => (ask(by, by), gate.contended));
    expect(seen).to.deep.equal([false, true]);
  });

  it("begins a caller's batches one after the other once they ask for its share, and nobody else's later for it", async () => {
    const gate = admission(100, new StillTimers(), 4);
    const { begun, told, ask, end } = asking(gate);
    ask("a3", "a", 3);
    ask("a30", "a", 30);
    ask("a1", "a", 1);
    ask("b1", "b", 1);
    expect(begun).to.deep.equal(["a3", "a30", "b1"]);
    await end("a3");
    expect(begun, "30 are under way").to.have.lengthOf(3);
    await end("a30");
    expect(begun.slice(3)).to.deep.equal(["a1"]);
    ask("a2", "a", 2);
    ask("a5", "a", 5);
    ask("a6", "a", 6);
    expect(begun.slice(4), "1, 3 and 8 at once").to.deep.equal(["a2", "a5"]);
    await end("a5");
    expect(begun.slice(6)).to.deep.equal(["a6"]);
    for (const name of ["a1", "a2", "a6", "b1"]) await end(name);
    expect([told.length, gate.underWay]).to.deep.equal([7, 0]);
  });

  it("begins no more of what waits than the share has room for", async () => {
    const gate = admission(100, new StillTimers(), 4);
    const { begun, ask, end } = asking(gate);
    ask("a3", "a", 3);
    for (const name of ["a1", "waits", "waits too"]) ask(name, "a", 1);
    await end("a1");
    expect(begun).to.deep.equal(["a3", "a1", "waits"]);
    await end("a3");
    expect(begun.slice(3)).to.deep.equal(["waits too"]);
  });

  it("gives a place back whose decision fails", async () => {
    const gate = admission(1, new StillTimers());
    for (let i = 0; i < 3; i++) {
      const failed = gate.admit(() => Promise.reject(new Error("no")), "a");
      expect(await failed.catch((cause: unknown) => (cause as Error).message)).to.equal("no");
    }
    expect(gate.underWay).to.equal(0);
  });

  it("counts two callers that are the same as one from then on: what is under way, what waits, and what is asked for", async () => {
    const timers = new StillTimers();
    const gate = admission(100, timers, 3);
    const { begun, told, ask, end } = asking(gate);
    ask("token", "token", 5);
    ask("token waits", "token", 1);
    ask("a", "a", 2);
    gate.merge("a", "a");
    gate.merge("nobody", "a");
    gate.merge("token", "a");
    ask("a more", "a", 1);
    await timers.advance(1000);
    expect([begun, told]).to.deep.equal([["token", "a"], ["a more overloaded"]]);
    await end("token");
    expect(begun.slice(2), "the 2 of `a` leave room for one").to.deep.equal(["token waits"]);
    ask("a waits", "a", 1);
    expect(begun).to.have.lengthOf(3);
    await end("token waits");
    expect(begun.slice(3)).to.deep.equal(["a waits"]);
    for (const name of ["a", "a waits"]) await end(name);
    expect(gate.underWay).to.equal(0);
    for (const name of ["x", "y", "z"]) ask(name, "a");
    expect(begun.slice(4), "all of the share is free again").to.deep.equal(["x", "y", "z"]);
  });

  it("counts a share that was merged twice in the last one, and one that nobody had yet", async () => {
    const gate = admission(100, new StillTimers(), 1);
    const { begun, ask, end } = asking(gate);
    ask("first", "one");
    gate.merge("one", "two");
    gate.merge("two", "three");
    const room = (by: string): boolean => {
      const before = begun.length;
      ask(`of ${by}`, by);
      return begun.length > before;
    };
    expect([room("three"), room("one")]).to.deep.equal([false, true]);
    await end("first");
    expect(room("three")).to.equal(true);
  });

  it("takes a body for as many decisions as it has room for, and half of all for one caller's share", () => {
    const bodies = [0, 255, 256, 511, 512, 5120].map((length) => decisionsIn({ length } as Uint8Array));
    expect(bodies).to.deep.equal([1, 1, 1, 1, 2, 20]);
    expect([0, 1, 2, 3, 4, 9].map(halfOf)).to.deep.equal([1, 1, 1, 1, 2, 4]);
  });
});
