import { expect } from "chai";
import { verified } from "../../bundle/support.js";
import { run, tokenFor } from "../../http/running.js";
import { TAKER, PATH, bundle, take, outcome, waiting, limited } from "./bundles_support.js";

describe("the running bundle, served in OPA's protocol", () => {
  let first: Buffer;
  let etag: string;

  before(async () => {
    first = await bundle(12);
    etag = `"${(await verified({ expires: null, sequence: 12 })).identity.digest}"`;
  });

  it("is waited for by no more than the limit, and who goes makes room", async () => {
    const service = await run({ bundle: limited({ waiters_max: 1 }) }, first);
    try {
      const gone = new AbortController();
      const prefer = { "if-none-match": etag, prefer: "wait=300" };
      const waiter = take(service, prefer, PATH, TAKER, gone.signal).catch(() => "gone");
      await waiting(service, waiter);
      let second = await take(service, prefer);
      expect(await outcome(second)).to.equal("503 subscribers_full");
      expect(second.headers.get("retry-after")).to.equal("1");
      gone.abort();
      expect(await waiter).to.equal("gone");
      while (second.status === 503) second = await take(service, { ...prefer, prefer: "wait=1" });
      expect(second.status).to.equal(304);
    } finally {
      await service.stop();
    }
  });

  it("is waited for by no more of one token than its share", async () => {
    const service = await run({ bundle: limited({ waiters_per_token_max: 1 }) }, first);
    try {
      const prefer = { "if-none-match": etag, prefer: "wait=1" };
      const waiter = take(service, prefer);
      await waiting(service, waiter);
      expect(await outcome(await take(service, prefer))).to.equal("503 subscribers_full");
      const another = take(service, prefer, PATH, tokenFor("remit:bundle", "opa-2"));
      await waiting(service, another);
      expect([(await waiter).status, (await another).status]).to.deep.equal([304, 304]);
      // Who has gone makes room.
      expect((await take(service, prefer)).status).to.equal(304);
    } finally {
      await service.stop();
    }
  });
});
