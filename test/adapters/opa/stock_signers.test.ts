/** A stock OPA before bundles that two have signed, and before the way back to an earlier one: what it takes, and what it doesn't look at. */
import { createPublicKey, type KeyObject } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { readArchive, writeArchive } from "../../../src/bundle/archive.js";
import { republishBundle } from "../../../src/bundle/republish.js";
import { cosignFiles, keyId } from "../../../src/bundle/signature.js";
import type { DecisionRecord } from "../../../src/contract/index.js";
import { COMPILER_BUILD_MS_MAX, nativeCompiler } from "../../build/support.js";
import { KEY, STRANGER, p256, publicPem } from "../../bundle/support.js";
import { EVERY, ask } from "../../http/asking.js";
import { run, type Running } from "../../http/running.js";
import { NAME, STOCK_REQUEST, Stock, introduce, stockBundle, type StockTrust } from "./stock_support.js";

const SECOND = p256();
const TRUSTED = new Map([KEY, SECOND].map((key) => [keyId(key), createPublicKey(key)]));

/** Signs a bundle of `KEY` with the second key too. */
async function cosigned(bytes: Buffer, key: KeyObject = SECOND): Promise<Buffer> {
  return await writeArchive(cosignFiles(await readArchive(bytes), key, TRUSTED), 0);
}

describe("a stock OPA at a service that wants two signers", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  let keys = "";
  let service: Running;

  before(async function () {
    await nativeCompiler(this);
    keys = mkdtempSync(join(tmpdir(), "remit-signers-"));
    const file = join(keys, "both.pem");
    writeFileSync(file, publicPem(KEY) + publicPem(SECOND));
    const bundle = { name: NAME, path: "bundle.tar.gz", keys: [file], signers_min: 2, state_dir: "state", poll_ms: 50 };
    service = await run({ bundle, facts: { store: "store" } }, await cosigned(await stockBundle(1)));
    await introduce(service);
  });
  after(async () => {
    await service.stop();
    rmSync(keys, { recursive: true, force: true });
  });

  async function publish(bytes: Buffer): Promise<string> {
    const headers = { authorization: `Bearer ${EVERY}`, "content-type": "application/gzip" };
    const response = await fetch(`${service.url}/bundles`, { method: "POST", headers, body: new Uint8Array(bytes) });
    const { reason = "" } = (await response.json()) as { reason?: string };
    return `${response.status} ${reason}`.trim();
  }

  const missing = `verification key corresponding to ID ${keyId(SECOND)} not found`;
  const trusts: [what: string, trust: StockTrust, refusal: string | null][] = [
    ["verifies by the key that signed last", { keys: [SECOND], by: SECOND }, null],
    ["knows both keys and takes the one that the signature names", { keys: [KEY, SECOND] }, null],
    ["verifies by the key that signed first", { keys: [KEY, SECOND], by: KEY }, "failed to verify JWT signature: invalid ECDSA signature"],
    ["knows the first key alone", { keys: [KEY] }, missing],
    ["knows neither", { keys: [STRANGER] }, missing],
  ];
  for (const [what, trust, refusal] of trusts) {
    it(`that ${what} ${refusal === null ? "has the bundle" : `has none, permits nothing, and says \`${refusal.replace(keyId(SECOND), "…")}\``}`, async () => {
      const stock = await Stock.start(service, trust);
      try {
        if (refusal === null) await stock.until(async () => (await stock.revision()) === "test-1");
        else {
          await stock.until(async () => (await stock.bundleRefusal()) !== undefined);
          expect(await stock.bundleRefusal()).to.equal(refusal);
          expect((await stock.get("/health?bundles")).status).to.equal(500);
          expect(await stock.decide({})).to.equal(undefined);
        }
      } finally {
        await stock.stop();
      }
    });
  }

  it("goes the way back with the service, by a bundle that was republished and signed by both", async () => {
    const { body } = await ask(service, "POST", "/decide", { body: STOCK_REQUEST });
    const { input } = (await ask(service, "GET", `/decisions/${String(body["decision_id"])}`)).body["record"] as DecisionRecord;
    const stock = await Stock.start(service, { keys: [SECOND], by: SECOND });
    const decided = async (): Promise<string | undefined> => (await stock.decide(input ?? {}))?.decision;
    try {
      await stock.until(async () => (await stock.revision()) === "test-1");
      const first = await decided();
      expect(first).to.equal(body["decision"]).and.not.equal("deny");
      const worse = await stockBundle(2, ({ purposes }) => {
        for (const purpose of Object.values(purposes)) Object.assign(purpose, { allow: {}, flag: {} });
      });
      // One signature is enough for nobody here but the OPA, which never sees it.
      expect(await publish(worse)).to.equal("422 signatures_too_few");
      expect(await publish(await cosigned(worse))).to.equal("200");
      await stock.until(async () => (await stock.revision()) === "test-2");
      expect(await decided()).to.equal("deny");

      const back = await republishBundle(await cosigned(await stockBundle(1)), {
        ...{ key: KEY, keys: TRUSTED, sequence: 3, expiresMs: null, builtMs: Date.now() },
      });
      expect(await publish(back.archive)).to.equal("422 signatures_too_few");
      expect(await publish(await cosigned(back.archive))).to.equal("200");
      await stock.until(async () => (await stock.revision()) === back.revision);
      expect(await decided()).to.equal(first);
    } finally {
      await stock.stop();
    }
  });
});
