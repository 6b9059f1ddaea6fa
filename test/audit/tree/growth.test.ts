import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import { GrowthError, verifyGrowth } from "../../../src/audit/tree/growth.js";
import { printReceipt } from "../../../src/audit/tree/receipt.js";
import { remit, type Ran } from "../../cli/remit.js";
import { temporaryDirectory } from "../temporary.js";
import { LOG_KEY, signerOf, writeLog, type Written } from "./written.js";

const OTHER_KEY = signerOf("somebody else's key");

describe("a log seen from outside", () => {
  const folder = temporaryDirectory();
  const log = writeLog(join(folder, "log"), { records: 700, segment_records: 300 });
  const fork = writeLog(join(folder, "fork"), {
    records: 700,
    segment_records: 300,
    text: (seq, usual) => (seq === 100 ? usual.replace("bob", "eve") : usual),
  });
  const keys = [LOG_KEY.verifier];
  const codeOf = (act: () => unknown): string => {
    try {
      act();
    } catch (error) {
      if (error instanceof GrowthError) return error.code;
      throw error;
    }
    return "ok";
  };

  it("is proven to have only grown, from each size to each", () => {
    for (const before of [0, 1, 99, 256, 257, 512, 699, 700])
      for (const size of [1, 100, 256, 512, 700].filter((one) => one >= before)) {
        const now = { checkpoint: log.checkpointAt(size), proof: log.consistency(before, size) };
        const [kept, after] = verifyGrowth(log.checkpointAt(before), now, keys);
        expect([kept.size, after.size]).to.deep.equal([before, size]);
      }
  });

  const honest = { checkpoint: log.checkpointAt(700), proof: log.consistency(300, 700) };
  for (const [what, kept, now, code] of [
    ["has another history", log.checkpointAt(300), { checkpoint: fork.checkpointAt(700), proof: fork.consistency(300, 700) }, "forked"],
    ["has another history of the same length", log.checkpointAt(700), { checkpoint: fork.checkpointAt(700), proof: [] }, "forked"],
    ["gives another log's proof", log.checkpointAt(300), { ...honest, proof: fork.consistency(300, 700) }, "forked"],
    ["gives a proof from another size", log.checkpointAt(300), { ...honest, proof: log.consistency(299, 700) }, "forked"],
    ["gives no proof", log.checkpointAt(300), { ...honest, proof: [] }, "forked"],
    ["gives something else than hashes", log.checkpointAt(300), { ...honest, proof: [...honest.proof, "x"] }, "forked"],
    ["is shorter", log.checkpointAt(700), { checkpoint: log.checkpointAt(300), proof: [] }, "rolled_back"],
    ["is empty", log.checkpointAt(700), { checkpoint: log.checkpointAt(0), proof: [] }, "rolled_back"],
    [
      "is signed by another key",
      log.checkpointAt(300),
      { ...honest, checkpoint: log.checkpointAt(700, [OTHER_KEY]) },
      "checkpoint_refused",
    ],
    ["was kept with another key's signature", log.checkpointAt(300, [OTHER_KEY]), honest, "checkpoint_refused"],
    ["was kept altered", log.checkpointAt(300).replace("\n300\n", "\n299\n"), honest, "checkpoint_refused"],
    ["answers with something else", log.checkpointAt(300), { ...honest, checkpoint: "502 Bad Gateway" }, "checkpoint_refused"],
  ] as const) {
    it(`is refused as \`${code}\` where it ${what}`, () => {
      expect(codeOf(() => verifyGrowth(kept, now, keys))).to.equal(code);
    });
  }

  describe("by remit audit verify-growth", () => {
    let server: Server;
    let url = "";
    let served: { log: Written; size: number } = { log, size: 700 };

    before(async () => {
      server = createServer(({ url: path = "" }, response) => {
        const asked = new URL(path, "http://localhost");
        const checkpoint = served.log.checkpointAt(served.size);
        const before = Number(asked.searchParams.get("before"));
        const body =
          asked.pathname === "/log/checkpoint"
            ? checkpoint
            : JSON.stringify({ checkpoint, size: served.size, proof: served.log.consistency(before, served.size) });
        response.end(body);
      }).listen(0, "127.0.0.1");
      await once(server, "listening");
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });

    after(() => server.close());

    const ask = (file: string, ...more: string[]): Promise<Ran> =>
      remit("audit", "verify-growth", file, "--key", LOG_KEY.verifier.vkey, "--url", url, "--token", "a.b.c", ...more);
    const kept = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };

    it("takes a log that has only grown, and keeps its checkpoint of now", async () => {
      served = { log, size: 700 };
      const file = kept("kept.checkpoint", log.checkpointAt(300));
      const { exit, out, err } = await ask(file, "--out", file);
      expect(exit, err).to.equal("ok");
      expect(out).to.include("has grown from 300 records to 700");
      expect(readFileSync(file, "utf8")).to.equal(log.checkpointAt(700));
      expect((await ask(kept("receipt.json", printReceipt(log.receiptOf(7))))).exit).to.equal("ok");
      expect((await ask(kept("first.checkpoint", log.checkpointAt(0)))).exit).to.equal("ok");
    });

    it("refuses one that has another history or is shorter, and keeps what was kept", async () => {
      for (const [now, size, code] of [
        [fork, 700, "forked"],
        [log, 200, "rolled_back"],
      ] as const) {
        served = { log: now, size };
        const file = kept("kept.checkpoint", log.checkpointAt(300));
        const { exit, out } = await ask(file, "--out", file, "--json");
        expect(exit).to.equal("invalid");
        expect((JSON.parse(out) as { error: { code: string } }).error.code).to.equal(code);
        expect(readFileSync(file, "utf8")).to.equal(log.checkpointAt(300));
      }
    });

    it("wants a key", async () => {
      expect((await remit("audit", "verify-growth", kept("kept.checkpoint", log.checkpointAt(3)))).exit).to.equal("usage");
    });
  });
});
