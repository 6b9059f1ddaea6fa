import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { Value } from "typebox/value";
import { openCheckpoint, type OpenedCheckpoint } from "../../src/audit/tree/checkpoint.js";
import { fromBase64, hashBytes, leafHash, type Hash } from "../../src/audit/tree/hash.js";
import { isConsistent } from "../../src/audit/tree/merkle.js";
import { readVerifier } from "../../src/audit/tree/note.js";
import { RecordSchema, canonical, type LogRecord } from "../../src/contract/index.js";
import { ALL, REQUEST, post, run, tokenFor, type Running } from "./running.js";

const get = (service: Running, path: string, token = ALL): Promise<Response> =>
  fetch(`${service.url}${path}`, { headers: { authorization: `Bearer ${token}` } });

function recordsOf({ folder }: Running): LogRecord[] {
  return linesOf(join(folder, "log")).map((line) => JSON.parse(line) as LogRecord);
}

function linesOf(log: string): string[] {
  const segments = readdirSync(log).filter((name) => name.endsWith(".jsonl")).sort(); // prettier-ignore
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
    const leaves = linesOf(join(service.folder, "log")).slice(0, size).map((line) => leafHash(Buffer.from(line))); // prettier-ignore
    const width = size % 256;
    for (const [path, from, to] of [
      ["0/000", 0, 256],
      [`0/001.p/${width}`, 256, size],
    ] as const) {
      const response = await get(service, `/log/tile/${path}`);
      expect(response.headers.get("content-type")).to.equal("application/octet-stream");
      expect(Buffer.from(await response.arrayBuffer())).to.deep.equal(Buffer.concat(leaves.slice(from, to).map(hashBytes))); // prettier-ignore
    }
    for (const path of [
      "0/002",
      "0/001",
      "1/001",
      `0/001.p/${width + 5}`,
      "0/1",
      "0/000.p/0",
      "64/000",
      "0/000/000",
      "x/000",
    ])
      expect((await get(service, `/log/tile/${path}`)).status, path).to.equal(404);
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
});
