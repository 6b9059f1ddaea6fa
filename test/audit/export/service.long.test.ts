import { readFileSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { stringify } from "yaml";
import { REQUEST } from "../../http/running.js";
import { Child, placeIn, type Place } from "../../service/child.js";
import { temporaryDirectory } from "../temporary.js";
import { Receiver, status, type Answer } from "./receiver.js";
import { FAST, until, recordsIn, seqs } from "./service_support.js";

describe("a service that is killed while it sends", () => {
  const folder = temporaryDirectory();

  it("sends every record at least once, and again only what was under way", async function () {
    this.timeout(120_000);
    const receiver = new Receiver();
    await receiver.start();
    // Slow, and now and then away: kills come in every part of a delivery.
    let requests = 0;
    const slow: Answer = (_received, response) => {
      requests++;
      if (requests % 7 === 0) response.destroy();
      else setTimeout(() => response.writeHead(requests % 5 === 0 ? 503 : 204).end(), 3 + (requests % 4));
    };
    receiver.answer = slow;
    const place: Place = placeIn(folder);
    const said = readFileSync(place.config, "utf8");
    writeFileSync(
      place.config,
      said + stringify({ export: [{ name: "siem", url: receiver.url, format: "json_lines", ...FAST, batch_records_max: 7 }] }),
    );
    for (let kill = 0; kill < 5; kill++) {
      const child = new Child(place);
      await child.ready();
      const until_ms = performance.now() + 150 + 40 * kill;
      while (performance.now() < until_ms) await child.ask("POST", "/decide", { body: REQUEST });
      await child.kill();
    }
    receiver.answer = status(204);
    const last = new Child(place);
    await last.ready();
    const whole = (): Set<number> => new Set(seqs(receiver.taken));
    const log = recordsIn(place.records);
    await until(
      () => whole().size >= log.length,
      () => [whole().size, log.length],
    );
    await last.kill();
    expect([...whole()].sort((a, b) => a - b).slice(0, log.length)).to.deep.equal(seqs(log));
    // Again only from the first record of a batch that was not acknowledged: nothing goes back further than one batch.
    let highest = 0;
    for (const seq of seqs(receiver.taken)) {
      expect(seq)
        .to.be.above(highest - 8)
        .and.at.most(highest + 1);
      highest = Math.max(highest, seq);
    }
    await receiver.stop();
  });
});
