import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { Value } from "typebox/value";
import { OwnRecords, type Described } from "../../src/audit/log/own_records.js";
import { openCheckpoint, type OpenedCheckpoint } from "../../src/audit/tree/checkpoint.js";
import { fromBase64, hashBytes, leafHash, type Hash } from "../../src/audit/tree/hash.js";
import { includes, isConsistent } from "../../src/audit/tree/merkle.js";
import { readVerifier } from "../../src/audit/tree/note.js";
import { parseProofFile } from "../../src/audit/tree/proof_file.js";
import { ReceiptError, verifyReceipt } from "../../src/audit/tree/receipt.js";
import { entriesOf } from "../../src/audit/tree/tiles.js";
import { RecordSchema, canonical, type Answer, type LogRecord } from "../../src/contract/index.js";
import { system } from "../../src/system/index.js";
import { ALL, REQUEST, post, run, tokenFor, type Running } from "./running.js";

const get = (service: Running, path: string, token = ALL): Promise<Response> =>
  fetch(`${service.url}${path}`, { headers: { authorization: `Bearer ${token}` } });

function recordsOf({ folder }: Running): LogRecord[] {
  return linesOf(join(folder, "log")).map((line) => JSON.parse(line) as LogRecord);
}

function linesOf(log: string): string[] {
  const segments = readdirSync(log)
    .filter((name) => name.endsWith(".jsonl"))
    .sort();
  return segments.flatMap((name) => readFileSync(join(log, name), "utf8").split("\n").slice(0, -1));
}

async function checkpointOf(service: Running): Promise<OpenedCheckpoint> {
  const { origin, keys } = (await (await get(service, "/log/keys")).json()) as { origin: string; keys: string[] };
  const response = await get(service, "/log/checkpoint");
  expect(response.headers.get("content-type")).to.equal("text/plain; charset=utf-8");
  return openCheckpoint(await response.text(), keys.map(readVerifier), origin);
}

describe("the log over HTTP", () => {
  let service: Running;
  before(async () => {
    service = await run();
  });
  after(() => service.stop());

  it("gives a checkpoint of everything that was answered, and proves that it grew from an earlier one", async () => {
    await post(service, "/decide", REQUEST);
    const before = await checkpointOf(service);
    for (let i = 0; i < 20; i++) await post(service, "/decide", REQUEST);
    const after = await checkpointOf(service);
    expect(after.size).to.be.at.least(before.size + 20);
    const response = await get(service, `/log/consistency?before=${before.size}`);
    const { proof, size } = (await response.json()) as { proof: string[]; size: number };
    expect(size).to.equal(after.size);
    const hashes = proof.map((hash) => fromBase64(hash) as Hash);
    expect(isConsistent({ before, after, proof: hashes })).to.be.true;
    expect(isConsistent({ before: { ...before, root: after.root }, after, proof: hashes })).to.be.false;
  });

  it("gives tiles of the hashes of its records, and none that isn't there yet", async () => {
    for (let i = 0; i < 13; i++) {
      await post(service, "/decide/batch", { actions: Array.from({ length: 20 }, () => REQUEST) });
    }
    const { size } = await checkpointOf(service);
    const leaves = linesOf(join(service.folder, "log"))
      .slice(0, size)
      .map((line) => leafHash(Buffer.from(line)));
    const width = size % 256;
    for (const [path, from, to] of [
      ["0/000", 0, 256],
      [`0/001.p/${width}`, 256, size],
    ] as const) {
      const response = await get(service, `/log/tile/${path}`);
      expect(response.headers.get("content-type")).to.equal("application/octet-stream");
      expect(Buffer.from(await response.arrayBuffer())).to.deep.equal(Buffer.concat(leaves.slice(from, to).map(hashBytes)));
    }
    for (const path of ["0/002", "0/001", "1/001", `0/001.p/${width + 5}`, "0/1", "0/000.p/0", "64/000", "0/000/000", "x/000"])
      expect((await get(service, `/log/tile/${path}`)).status, path).to.equal(404);
  });

  it("gives its records as a tile of entries, to the byte", async () => {
    const { size } = await checkpointOf(service);
    const lines = linesOf(join(service.folder, "log")).slice(0, size);
    const tile = async (path: string): Promise<string[]> => {
      const response = await get(service, `/log/tile/entries/${path}`);
      return entriesOf(Buffer.from(await response.arrayBuffer())).map(String);
    };
    expect(await tile("000")).to.deep.equal(lines.slice(0, 256));
    expect(await tile(`001.p/${size % 256}`)).to.deep.equal(lines.slice(256));
    expect((await get(service, "/log/tile/entries/009")).status).to.equal(404);
  });

  it("proves a decision, and what was reported of it, by a receipt that is verified without the service", async () => {
    const { keys } = (await (await get(service, "/log/keys")).json()) as { keys: string[] };
    const decided = (await (await post(service, "/decide", REQUEST)).json()) as Answer;
    const id = decided.decision_id;
    expect((await post(service, `/decisions/${id}/outcome`, { outcome: "done", took_ms: 12 })).status).to.equal(200);
    const text = await (await get(service, `/decisions/${id}/receipt`)).text();
    const { record, outcomes } = verifyReceipt(text, keys.map(readVerifier));
    expect(record["answer"]).to.deep.equal(decided);
    expect(outcomes.map(({ outcome }) => outcome)).to.deep.equal(["done"]);
    const altered = text.replace("read_own", "read_any").replace('"proceed\\":true', '"proceed\\":false');
    expect(altered).not.to.equal(text);
    expect(() => verifyReceipt(altered, keys.map(readVerifier))).to.throw(ReceiptError);

    const file = parseProofFile(await (await get(service, `/decisions/${id}/proof`)).text());
    const { origin, size, root } = openCheckpoint(file.checkpoint, keys.map(readVerifier));
    expect(origin).to.match(/^remit\/[0-9a-f]{12}$/);
    const leaf = leafHash(Buffer.from(canonical(record)));
    expect(includes({ leaf, index: file.index, size, proof: file.proof, root })).to.be.true;
    for (const what of ["receipt", "proof"])
      expect((await get(service, `/decisions/0197c0de-5f00-7000-8000-000000000001/${what}`)).status).to.equal(404);
  });

  const refused: [path: string, status: number, code: string][] = [
    ["/log/consistency", 400, "parameter_missing"],
    ["/log/consistency?before=0", 400, "parameter_invalid"],
    ["/log/consistency?before=99999999", 400, "parameter_invalid"],
    ["/log/consistency?before=x", 400, "parameter_invalid"],
    ["/log/checkpoint?size=3", 400, "parameter_unknown"],
  ];
  for (const [path, status, code] of refused) {
    it(`refuses ${path}`, async () => {
      const response = await get(service, path);
      expect(response.status).to.equal(status);
      expect(((await response.json()) as { code: string }).code).to.equal(code);
    });
  }

  it("gives nothing to who may not audit", async () => {
    const token = tokenFor("remit:decide remit:publish");
    for (const path of ["/log/checkpoint", "/log/keys", "/log/consistency?before=1", "/log/tile/0/000"])
      expect((await get(service, path, token)).status, path).to.equal(403);
  });
});

describe("what a service records of itself", () => {
  it("is how it was started, its bundles, whom it refused, what administrators did, and its end; each canonical and of its schema", async () => {
    const service = await run();
    for (let i = 0; i < 30; i++) expect((await get(service, "/agents", "no token")).status).to.equal(401);
    await get(service, "/facts/export");
    await post(service, "/decide", REQUEST);
    await fetch(`${service.url}/bundles`, {
      method: "POST",
      headers: { authorization: `Bearer ${ALL}`, "content-type": "application/gzip" },
      body: "no bundle",
    });
    await service.stopKeeping();
    for (const line of linesOf(join(service.folder, "log"))) {
      expect(canonical(JSON.parse(line))).to.equal(line);
      expect([...Value.Errors(RecordSchema, JSON.parse(line))], line).to.deep.equal([]);
    }
    const records = recordsOf(service);
    const [first] = records;
    expect(first).to.deep.include({ kind: "service", change: "started", durability: "synced", seq: 1 });
    const said = records.map((record) => {
      const { kind, change = "", action = "", count = "", code = "" } = record as unknown as Record<string, unknown>;
      return [kind, change, action, code, count].filter((part) => part !== "").join(" ");
    });
    const wanted = [
      "service started",
      "bundle activated",
      "refusal token_invalid 1",
      "admin export",
      "admin publish",
      "bundle refused archive_not_gzip",
      "refusal token_invalid 29",
      "service stopped",
    ];
    expect(said.filter((text) => !/^(facts|decision)/.test(text))).to.deep.equal(wanted);
  });

  it("names whom it refused where the token is good, each by itself, and nobody where it isn't", async () => {
    const service = await run();
    const [nosy = "", keen = ""] = ["nosy", "keen"].map((sub) => tokenFor("remit:observe", sub));
    for (const [path, bearer, status] of [
      ["/agents", nosy, 403],
      ["/facts/export", nosy, 403],
      ["/agents", keen, 403],
      ["/agents", "no token", 401],
      ["/agents", tokenFor("remit:audit", "nosy", -60), 401],
    ] as const)
      expect((await get(service, path, bearer)).status, path).to.equal(status);
    await service.stopKeeping();
    const refusals = recordsOf(service).filter(({ kind }) => kind === "refusal") as unknown as Record<string, unknown>[];
    expect(refusals.map(({ caller, code, count }) => [caller, code, count])).to.deep.equal([
      ["nosy", "scope_missing", 1],
      ["keen", "scope_missing", 1],
      [undefined, "token_invalid", 1],
      [undefined, "token_expired", 1],
      ["nosy", "scope_missing", 1],
    ]);
    for (const refusal of refusals) expect([...Value.Errors(RecordSchema, refusal)]).to.deep.equal([]);
  });

  it("tells so many of those whom it refuses apart, and counts all of them", () => {
    const log = {
      append: (before: string, after: string): Promise<void> => (lines.push(`{${before},"seq":1,${after}}`), Promise.resolve()),
    };
    const lines: string[] = [];
    const described: Described = { version: "1", origin: "o", keys: [], durability: "synced", behavior: null };
    const timers = { ...system.timers, after: () => () => undefined };
    const records = new OwnRecords(log, { clock: system.clock, timers }, described, () => undefined);
    for (let times = 0; times < 2; times++) for (let i = 0; i < 1000; i++) records.refused("scope_missing", `c-${i}`);
    records.flush();
    const counted = lines.map((line) => JSON.parse(line) as { caller?: string; count: number });
    expect(counted.reduce((sum, { count }) => sum + count, 0)).to.equal(2000);
    expect(new Set(counted.map(({ caller }) => caller)).size).to.equal(257);
    expect(counted.length).to.equal(2 * 257);
  });
});
