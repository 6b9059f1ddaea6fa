import { expect } from "chai";
import { FixedKeys, pemKey, type KeySet, type TokenKey } from "../../src/identity/keys.js";
import { VerifiedTokens, type Verified } from "../../src/identity/verified_tokens.js";
import { ec } from "./tokens.js";

describe("tokens that have been verified", () => {
  const pem = ec.publicKey.export({ type: "spki", format: "pem" }) as string;
  const key: TokenKey = pemKey("ec-1", "ES256", pem);
  const clock = { wall_ms: 0, monotonic_ms: 0, wall: () => clock.wall_ms, monotonic: () => clock.monotonic_ms };
  const verified = (value: string, jti: string | null = null): Verified<string> => ({
    ...{ value, jti, key, keys: new FixedKeys([key]) },
    ...{ until_wall_ms: 1000, until_monotonic_ms: 1000 },
  });
  beforeEach(() => {
    [clock.wall_ms, clock.monotonic_ms] = [0, 0];
  });

  it("are no more than their bound, however many come, and the last is among them", () => {
    const tokens = new VerifiedTokens<string>(3, clock);
    const kept: number[] = [];
    for (let i = 0; i < 10; i++) {
      tokens.add(`d-${i}`, verified(`v-${i}`, `j-${i}`));
      expect(tokens.find(`d-${i}`)).to.equal(`v-${i}`);
      kept.push(tokens.size);
    }
    expect(kept).to.deep.equal([1, 2, 3, 1, 2, 3, 1, 2, 3, 1]);
    expect([tokens.find("d-0"), tokens.find("d-8")]).to.deep.equal([undefined, undefined]);
  });

  it("are forgotten with all others of their id, and with nobody else's", () => {
    const tokens = new VerifiedTokens<string>(10, clock);
    for (const [digest, jti] of [
      ["a", "j-1"],
      ["b", "j-1"],
      ["c", "j-2"],
      ["d", null],
    ] as const)
      tokens.add(digest, verified(digest, jti));
    tokens.forget("nothing");
    tokens.forget("j-1");
    expect(["a", "b", "c", "d"].map((digest) => tokens.find(digest))).to.deep.equal([undefined, undefined, "c", "d"]);
  });

  it("have expired for good from their end on by either clock", () => {
    const tokens = new VerifiedTokens<string>(10, clock);
    tokens.add("a", verified("a"));
    const at = (wall_ms: number, monotonic_ms: number): string | undefined => {
      [clock.wall_ms, clock.monotonic_ms] = [wall_ms, monotonic_ms];
      return tokens.find("a");
    };
    expect([at(999, 999), at(1000, 0), at(0, 1000), at(-5000, 1000)]).to.deep.equal(["a", "expired", "expired", "expired"]);
  });

  it("are unknown once their key is withdrawn", () => {
    const tokens = new VerifiedTokens<string>(10, clock);
    tokens.add("a", { ...verified("a"), keys: { trusts: () => false } as unknown as KeySet });
    expect(tokens.find("a")).to.equal(undefined);
  });
});
