import { expect } from "chai";
import { system, systemClock } from "../../src/system/index.js";
import { ask } from "./asking.js";
import { post, REQUEST, run, tokenFor } from "./running.js";

const HOUR_MS = 3_600_000;

describe("a token that is revoked", () => {
  it("is forgotten at once: shown again it is verified afresh, and then refused for being revoked", async () => {
    const time = { elapsed_ms: 0, ahead_ms: 0 };
    const service = await run({}, true, {
      ...system,
      clock: {
        wall: () => systemClock.wall() + time.elapsed_ms + time.ahead_ms,
        monotonic: () => systemClock.monotonic() + time.elapsed_ms,
      },
    });
    try {
      const tokens = ["j-1", "j-2"].map((jti) => tokenFor("remit:decide", "gateway-1", 600, { jti }));
      const answers = (): Promise<string[]> =>
        Promise.all(
          tokens.map(async (token) => {
            const response = await post(service, "/decide", REQUEST, { authorization: `Bearer ${token}` });
            const { code, reasons } = (await response.json()) as { code?: string; reasons?: { code: string }[] };
            return `${response.status} ${code ?? reasons?.map((reason) => reason.code).join() ?? ""}`;
          }),
        );
      expect(await answers()).to.deep.equal(["200 permitted", "200 permitted"]);
      // Both have run out, by a clock that is then set back: whoever remembers them knows that they have.
      Object.assign(time, { elapsed_ms: HOUR_MS, ahead_ms: -HOUR_MS });
      expect(await answers()).to.deep.equal(["401 token_expired", "401 token_expired"]);
      const revoked = await ask(service, "POST", "/revocations", {
        body: { scope: { token: "j-1" }, reason: "stolen" },
        token: tokenFor("remit:revoke"),
      });
      expect(revoked.status).to.equal(200);
      expect(await answers()).to.deep.equal(["200 token_revoked", "401 token_expired"]);
    } finally {
      await service.stop();
    }
  });
});
