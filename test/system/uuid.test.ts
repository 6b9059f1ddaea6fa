import { expect } from "chai";
import { uuid7 } from "../../src/system/uuid.js";

const UUID7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("a UUID of version 7", () => {
  let ms = 0;
  const id = uuid7({ wall: () => ms, monotonic: () => 0 }, { fill: (bytes: Uint8Array) => bytes.fill(0xab) });

  for (const [when, at] of [
    ["now", Date.parse("2026-11-29T00:00:00Z")],
    ["1970", 0],
    ["a moment before 1970", -1],
    ["long before 1970", Date.parse("1901-01-01T00:00:00Z")],
  ] as const) {
    it(`is one by a clock that says ${when}`, () => {
      ms = at;
      expect(id()).to.match(UUID7);
      expect(Number.parseInt(id().replace("-", "").slice(0, 12), 16)).to.equal(Math.max(0, at));
    });
  }
});
