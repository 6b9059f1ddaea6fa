import { expect } from "chai";
import { Problem } from "../../src/contract/index.js";
import { scan } from "../../src/decision/scan.js";
import { copyOf } from "../../src/embedded/action_copy.js";

const LIMITS = { depth_max: 4, members_max: 5, body_bytes_max: 200 };

function codeOf(act: () => unknown): string {
  try {
    act();
    return "taken";
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return error.code;
  }
}

const nested = (levels: number): unknown => (levels === 0 ? 1 : { a: nested(levels - 1) });

describe("an action as an object", () => {
  const sayable: Record<string, unknown> = {
    "a plain one": { a: "x", b: [1, 2.5, null, true], c: { d: -0 } },
    "as deep as may be": nested(4),
    "a level deeper": nested(5),
    "as wide as may be": { a: 1, b: 1, c: 1, d: 1, e: 1 },
    "a member wider": { a: 1, b: 1, c: 1, d: 1, e: 1, f: 1 },
    "a list that is too long": { a: [1, 2, 3, 4, 5, 6] },
    "half of a pair": { a: "\ud800" },
    "half of a pair in a name": { "\udc00": 1 },
    "a whole pair": { a: "\ud83d\ude00" },
    "an integer that no double tells apart": { a: 2 ** 53 },
    "the largest that one does": { a: 2 ** 53 - 1 },
    "a number beyond": { a: 1e300 },
    "a fraction": { a: 0.1 },
    "a name that is every object's": JSON.parse('{"__proto__":{"a":1},"constructor":2}') as unknown,
    "no object": "text",
    null: null,
  };
  for (const [name, value] of Object.entries(sayable)) {
    it(`is read as a body that says the same: ${name}`, () => {
      const text = JSON.stringify(value);
      const byBody = codeOf(() => scan(Buffer.from(text), LIMITS));
      expect(codeOf(() => copyOf(value, LIMITS))).to.equal(byBody);
      if (byBody === "taken") expect(JSON.stringify(copyOf(value, LIMITS))).to.equal(text);
    });
  }

  class Instance {
    a = 1;
  }
  const looped: Record<string, unknown> = {};
  looped["self"] = looped;
  const unsayable: [name: string, value: unknown, code: string, field: string][] = [
    ["nothing", undefined, "json_invalid", ""],
    ["a function", { a: { b: () => 1 } }, "json_invalid", "/a/b"],
    ["a symbol", { a: Symbol("s") }, "json_invalid", "/a"],
    ["a bigint", { a: [1n] }, "json_invalid", "/a/0"],
    ["not a number", { a: NaN }, "json_invalid", "/a"],
    ["infinite", { "a/b~": -Infinity }, "json_invalid", "/a~1b~0"],
    ["a date", { at: new Date(0) }, "json_invalid", "/at"],
    ["an instance", { a: new Instance() }, "json_invalid", "/a"],
    ["a map", { a: new Map() }, "json_invalid", "/a"],
    ["one that holds itself", looped, "json_too_deep", "/self/self/self/self"],
    ["a hole in a list", { a: [, 1] }, "json_invalid", "/a/0"],
  ];
  for (const [name, value, code, field] of unsayable) {
    it(`is refused where JSON can't say it: ${name}`, () => {
      try {
        copyOf(value, LIMITS);
        expect.fail("it was taken");
      } catch (error) {
        expect(error).to.be.instanceOf(Problem);
        expect([(error as Problem).code, (error as Problem).detail.field]).to.deep.equal([code, field]);
      }
    });
  }

  it("is refused where it is larger than a body may be, and taken up to there", () => {
    const of = (length: number): object => ({ a: "\u0001".repeat(length) });
    expect(codeOf(() => copyOf(of(32), LIMITS))).to.equal("taken");
    expect(codeOf(() => copyOf(of(33), LIMITS))).to.equal("body_too_large");
  });

  it("is a copy: a getter is asked once, what is changed afterwards changes nothing, and what is undefined is left out", () => {
    let asked = 0;
    const given = Object.defineProperty({ list: [1], gone: undefined }, "id", {
      enumerable: true,
      get: () => `n-${++asked}`,
    });
    const copy = copyOf(given, LIMITS);
    given.list.push(2);
    expect(copy).to.deep.equal({ list: [1], id: "n-1" });
    expect(Object.keys(copy as object)).to.deep.equal(["list", "id"]);
  });

  it("may come from another realm, or have no prototype", () => {
    const bare = Object.assign(Object.create(null) as object, { a: 1 });
    expect(copyOf(bare, LIMITS)).to.deep.equal({ a: 1 });
  });
});
