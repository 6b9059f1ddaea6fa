/** The published folder while the service that writes it is killed, read by an independent client over a static web server. */
import { createHash } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { checkPublished } from "../../../src/audit/publish/check.js";
import { PublishedLog, publishedCheckpoint } from "../../../src/audit/publish/published_log.js";
import { readLines } from "../../../src/audit/log/record_lines.js";
import { REQUEST, run, post, ALL } from "../../http/running.js";
import { Child, placeIn } from "../../service/child.js";
import { skip } from "../../skip.js";
import { BUILD_MS_MAX, buildTlog, hasGo, readTlog, type ReadLog } from "../../tlog/tlog.js";
import { until } from "../export/service_support.js";
import { dropped, written } from "../privacy/retention_support.js";
import { temporaryDirectory } from "../temporary.js";
import { LOG_KEY, type Written } from "../tree/written.js";
import { logOf, serveStatic } from "./support.js";

const sha256Of = (log: string, from: number, to: number): string => {
  const digest = createHash("sha256");
  for (const { bytes } of readLines(log, from, to)) digest.update(bytes).update("\n");
  return digest.digest("hex");
};

async function readOver(program: string, folder: string, vkey: string, start = 0): Promise<ReadLog | string> {
  const server = await serveStatic(folder);
  try {
    return await readTlog(program, server.url, vkey, start);
  } finally {
    server.close();
  }
}

describe("a published log, read by Torchwood's client from a static web server", function () {
  this.timeout(BUILD_MS_MAX);
  const scratch = temporaryDirectory();
  let program = "";
  before(async function () {
    if (!hasGo()) skip(this, "no Go");
    program = await buildTlog();
  });

  const publishedOf = (log: Written, name: string): string => {
    const folder = join(scratch, name);
    new PublishedLog(log.folder, folder).publish();
    return folder;
  };

  it("is complete: checkpoint, proofs and every record, in the log's own bytes", async () => {
    const log = logOf(join(scratch, "log"), 1100, { beside_every: 50 });
    const read = await readOver(program, publishedOf(log, "out"), LOG_KEY.verifier.vkey);
    expect(read).to.deep.equal({ size: 1100, entries: 1100, sha256: sha256Of(log.folder, 1, 1100) } satisfies ReadLog);
  });

  it("is refused by it if a record or a hash is another, or a file is missing", async () => {
    const log = logOf(join(scratch, "log-2"), 600);
    for (const [i, name] of ["tile/entries/001", "tile/0/000", "tile/entries/002.p/88", "tile/1/000.p/2"].entries()) {
      const folder = publishedOf(log, `out-${i}`);
      rmSync(join(folder, name));
      expect(await readOver(program, folder, LOG_KEY.verifier.vkey), name).to.be.a("string");
    }
  });

  it("lacks only what retention has dropped: the rest is proven as before", async () => {
    const log = written({ records: 1000 });
    await dropped(log, { seq: 601 });
    const folder = publishedOf(log, "retained");
    const read = await readOver(program, folder, LOG_KEY.verifier.vkey, 768);
    expect(read).to.deep.equal({ size: 1000, entries: 232, sha256: sha256Of(log.folder, 769, 1000) } satisfies ReadLog);
    expect(await readOver(program, folder, LOG_KEY.verifier.vkey)).to.be.a("string");
  });

  it("is a whole log after every kill of the service that publishes it", async () => {
    const folder = join(scratch, "public");
    const place = placeIn(temporaryDirectory(), {
      log: { publish: { dir: folder, interval_ms: 100 }, checkpoint_ms: 20, segment_bytes: 65_536 },
    });
    let keys: string[] = [];
    let size = 0;
    for (let kill = 0; kill < 6; kill++) {
      const child = new Child(place);
      await child.ready();
      keys = (await child.told("GET", "/log/keys")).body["keys"] as string[];
      // By what is published and not by the clock, so that a busy machine sees as much.
      while ((publishedCheckpoint(folder)?.size ?? 0) < size + 50)
        await Promise.all(Array.from({ length: 16 }, () => child.ask("POST", "/decide", { body: REQUEST })));
      await child.kill();
      const read = await readOver(program, folder, keys[0] ?? "");
      expect(read, String(kill)).to.be.an("object");
      const { size: now, entries, sha256 } = read as ReadLog;
      expect(now).to.be.at.least(size);
      expect({ entries, sha256 }).to.deep.equal({ entries: now, sha256: sha256Of(place.records, 1, now) });
      expect(checkPublished(place.records, folder).damage).to.deep.equal([]);
      size = now;
    }
    expect(size).to.be.above(256);
  });

  it("follows a service that runs, says so when it can't, and goes on by itself", async () => {
    const folder = join(temporaryDirectory(), "public");
    writeFileSync(folder, "in the way");
    const service = await run({ log: { publish: { dir: folder, interval_ms: 100 }, checkpoint_ms: 20 } });
    const metric = async (name: string): Promise<number> => {
      const text = await (await fetch(`${service.url}/metrics`, { headers: { authorization: `Bearer ${ALL}` } })).text();
      return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1] ?? Number.NaN);
    };
    try {
      await until(() => service.said().includes('"event":"publish_failing"'));
      expect(await metric("remit_publish_failing")).to.equal(1);
      rmSync(folder);
      await until(() => service.said().includes('"event":"publish_back"'));
      for (let i = 0; i < 5; i++) expect((await post(service, "/decide", REQUEST)).status).to.equal(200);
      const size = (): number => publishedCheckpoint(folder)?.size ?? 0;
      const before = size();
      await until(() => size() >= 6 && size() >= before);
      for (let tries = 0; tries < 500 && !((await metric("remit_published_records")) >= 6); tries++) await sleep(20);
      expect(await metric("remit_published_records")).to.be.at.least(6);
      expect(await metric("remit_publish_failing")).to.equal(0);
    } finally {
      await service.stop();
    }
  });
});
