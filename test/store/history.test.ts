import { expect } from "chai";
import type { Change } from "../../src/store/store.js";
import { violationsIn, type CallSeen } from "./history.js";

const call = (id: string, expected: number, revision: number | null, [began, ended]: [number, number], key = "k/1"): CallSeen => ({
  ...{ id, writes: [{ key, expected }], began, ended, revisions: revision === null ? null : [revision] },
});
const feed = (...of: [revision: number, id: string, key?: string][]): Change[] =>
  of.map(([revision, value, key = "k/1"]) => ({
    ...{ revision, key, value, by: "tests", time: "2026-03-03T10:15:00Z", reason: null, change: "set" },
  }));

describe("a history of compare-and-set writes", () => {
  const good: [what: string, calls: CallSeen[], feed: Change[]][] = [
    ["one after another", [call("a", 0, 1, [0, 1]), call("b", 1, 3, [2, 3])], feed([1, "a"], [3, "b"])],
    ["a refusal by one that was under way", [call("a", 0, 1, [0, 5]), call("b", 0, null, [1, 2])], feed([1, "a"])],
    ["a refusal of what isn't there yet", [call("a", 0, 1, [0, 5]), call("b", 1, null, [1, 2])], feed([1, "a"])],
    ["one whose outcome was told late", [call("a", 0, 1, [0, Infinity]), call("b", 1, 2, [9, 10])], feed([1, "a"], [2, "b"])],
    ["one that was never tried", [{ ...call("a", 0, null, [0, 1]), untried: true }], []],
  ];
  for (const [what, calls, made] of good)
    it(`is right: ${what}`, () => {
      expect(violationsIn(calls, made)).to.deep.equal([]);
    });

  const both: CallSeen = {
    ...{ id: "a", began: 0, ended: 1, revisions: [1, 2] },
    writes: [
      { key: "k/1", expected: 0 },
      { key: "k/2", expected: 0 },
    ],
  };
  const guarded: CallSeen = { ...call("b", 0, 2, [2, 3], "k/2"), guard: { prefix: "k/", since: 0 } };
  const bad: [what: string, calls: CallSeen[], feed: Change[], why: RegExp][] = [
    ["a write that was lost", [call("a", 0, 1, [0, 1])], [], /a was told \[1\], and is at null/],
    ["a refused write that was made", [call("a", 0, null, [0, 1])], feed([1, "a"]), /a was told null, and is at \[1\]/],
    ["a write of nobody", [], feed([1, "x"]), /nobody's/],
    ["two by one state", [call("a", 0, 1, [0, 1]), call("b", 0, 2, [2, 3])], feed([1, "a"], [2, "b"]), /b was made at 2 on 1/],
    ["a write that was made twice", [call("a", 0, 1, [0, 1])], feed([1, "a"], [2, "a"]), /a was made at 2 on 1/],
    ["a part of a batch", [both], feed([1, "a"]), /a was told \[1,2\], and is at \[1\]/],
    ["a guard that was passed over", [call("a", 0, 1, [0, 1]), guarded], feed([1, "a"], [2, "b", "k/2"]), /in spite of its guard/],
    [
      "an order that nobody can have seen",
      [call("a", 0, 2, [0, 1]), call("b", 0, 1, [2, 3], "k/2")],
      feed([1, "b", "k/2"], [2, "a"]),
      /a had ended before one began that comes before it/,
    ],
    ["a refusal without a reason", [call("a", 0, 1, [0, 1]), call("b", 1, null, [2, 3])], feed([1, "a"]), /b was refused/],
    ["a refusal by what came later", [call("b", 0, null, [0, 1]), call("a", 0, 1, [2, 3])], feed([1, "a"]), /b was refused/],
  ];
  for (const [what, calls, made, why] of bad)
    it(`is wrong: ${what}`, () => {
      expect(violationsIn(calls, made).join("\n")).to.match(why);
    });
});
