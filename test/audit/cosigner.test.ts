import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Cosigner } from "../../src/audit/log/cosigner.js";
import { openCheckpoint, printCheckpoint } from "../../src/audit/tree/checkpoint.js";
import { leafHash, nodeHash, toBase64, type Hash } from "../../src/audit/tree/hash.js";
import { consistencyProof, rootAt } from "../../src/audit/tree/merkle.js";
import { generateSignerPem, openNote, readSigner, readVerifier, signNote } from "../../src/audit/tree/note.js";
import { REQUEST, post, run, tokenFor, type Running } from "../http/running.js";
import { sleep } from "../service/child.js";

const [ORIGIN, NAME] = ["log.example/records", "witness.example/w1"];
const AUDIT = { headers: { authorization: `Bearer ${tokenFor("remit:audit")}` } };
const NOW = { wall: () => 1_800_000_000_000 };

async function untilAsync(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(20);
}

/** A log in memory. @param what its records say, so that two logs of one name differ */
class Log {
  readonly signer;
  readonly #what: string;

  constructor(what = "a", pem = generateSignerPem(), origin = ORIGIN) {
    this.#what = what;
    this.signer = readSigner(origin, pem);
  }

  #at = (level: number, index: number): Hash =>
    level === 0
      ? leafHash(Buffer.from(index < 3 ? `same ${index}` : `${this.#what} ${index}`))
      : nodeHash(this.#at(level - 1, 2 * index), this.#at(level - 1, 2 * index + 1));

  note(size: number, origin = ORIGIN, by = [this.signer]): string {
    return signNote(printCheckpoint({ origin, size, root: rootAt(size, this.#at) }), by);
  }

  request(old: number, size: number, note = this.note(size)): string {
    const proof = old === 0 || old > size ? [] : consistencyProof(old, size, this.#at);
    return `old ${old}\n${proof.map((hash) => `${toBase64(hash)}\n`).join("")}\n${note}`;
  }
}

describe("a witness of other logs", () => {
  let folder: string;
  const pem = generateSignerPem();
  const log = new Log("a", pem);
  const open = (logs = [log.signer.verifier.vkey], name = NAME): Cosigner => new Cosigner({ name, logs }, folder, NOW);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "remit-cosigner-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("cosigns what goes on from the last that it cosigned, with the time at which it saw it", async () => {
    const witness = open();
    for (const [old, size] of [
      [0, 0],
      [0, 2],
      [2, 2],
      [2, 7],
      [7, 64],
      [64, 65],
    ] as const) {
      const { status, text } = await witness.submit(log.request(old, size));
      expect(status, text).to.equal(200);
      const { by } = openNote(`${log.note(size)}${text}`, [log.signer.verifier, readVerifier(witness.key)]);
      expect(by.map(({ name }) => name)).to.deep.equal([ORIGIN, NAME]);
      expect(Buffer.from(text.split(" ")[2] ?? "", "base64").readBigUInt64BE(4)).to.equal(1_800_000_000n);
    }
    const kept = witness.checkpoint(createHash("sha256").update(ORIGIN).digest("hex")) ?? "";
    expect(openCheckpoint(kept, [log.signer.verifier, readVerifier(witness.key)]).by).to.have.length(2);
    expect(witness.checkpoint("00")).to.equal(null);
  });

  const other = new Log("b", pem);
  const stranger = new Log("a");
  const refused: [string, number, () => string][] = [
    ["a log that has forked", 422, () => other.request(7, 9)],
    ["another root of the same size", 422, () => other.request(7, 7)],
    ["a proof too many", 422, () => log.request(7, 9).replace("\n\n", `\n${toBase64(leafHash(Buffer.from("x")))}\n\n`)],
    ["no proof", 422, () => `old 7\n\n${log.note(9)}`],
    ["an old size that isn't the last", 409, () => log.request(5, 9)],
    ["a log that begins anew", 409, () => log.request(0, 9)],
    ["a log that was put back", 400, () => log.request(7, 5)],
    ["a signature by another key of that name", 403, () => stranger.request(7, 9)],
    ["a note that nobody has signed", 403, () => log.request(7, 9, log.note(9).replace(/\n\u2014.*/u, `\n\u2014 ${NAME} AAAAAAAA`))],
    ["a log that it doesn't know", 404, () => log.request(7, 9, new Log("a", pem, "other.example").note(9, "other.example"))],
    ["no request", 400, () => "hello"],
    ["a size with a sign", 400, () => log.request(7, 9).replace("old 7", "old +7")],
    ["a hash that is none", 400, () => `old 7\nAAAA\n\n${log.note(9)}`],
    ["64 hashes", 400, () => `old 7\n${`${toBase64(leafHash(Buffer.from("x")))}\n`.repeat(64)}\n${log.note(9)}`],
    ["no checkpoint", 400, () => "old 7\n\nhello\n"],
    ["nothing", 400, () => ""],
  ];
  for (const [what, status, request] of refused)
    it(`refuses ${what} with ${status}, and remembers nothing of it`, async () => {
      const witness = open();
      await witness.submit(log.request(0, 7));
      const answer = await witness.submit(request());
      expect(answer.status, answer.text).to.equal(status);
      if (status === 409) expect(answer.text).to.equal("7\n");
      expect((await witness.submit(log.request(7, 9))).status).to.equal(200);
    });

  it("wants no proof of a log's beginning, and none that isn't one", async () => {
    const witness = open();
    const hash = toBase64(leafHash(Buffer.from("x")));
    const proven = log.request(0, 7).replace("\n\n", `\n${hash}\n\n`);
    expect(await witness.submit(log.request(3, 7))).to.deep.equal({ status: 409, text: "0\n" });
    expect((await witness.submit(proven)).status).to.equal(422);
    expect((await witness.submit(log.request(0, 7))).status).to.equal(200);
  });

  it("shows a log's own signatures beside its cosignature, and neither another witness's nor a line that only looks like one", async () => {
    const witness = open();
    const stranger = readSigner("other.example/w2", generateSignerPem());
    const [text = ""] = log.note(7).split("\n\n");
    const note = signNote(`${text}\n\u2014 ${ORIGIN} AAAA\n`, [log.signer, stranger]);
    expect((await witness.submit(log.request(0, 7, note))).status).to.equal(200);
    const kept = witness.checkpoint(createHash("sha256").update(ORIGIN).digest("hex")) ?? "";
    const signers = kept.slice(kept.lastIndexOf("\n\n") + 2).split("\n");
    expect(signers.map((line) => line.split(" ")[1])).to.deep.equal([ORIGIN, NAME, undefined]);
  });

  it("remembers across a start, and of two at once that go apart it cosigns one", async () => {
    await open().submit(log.request(0, 7));
    const witness = open();
    expect(await witness.submit(log.request(0, 9))).to.deep.equal({ status: 409, text: "7\n" });
    const both = await Promise.all([witness.submit(log.request(7, 12)), witness.submit(log.request(7, 9))]);
    expect(both.map(({ status }) => status)).to.deep.equal([200, 409]);
  });

  it("doesn't start without its key, or with a checkpoint that it never cosigned", async () => {
    await open().submit(log.request(0, 7));
    const [name = ""] = readdirSync(join(folder, "cosigned")).filter((file) => file.endsWith(".checkpoint"));
    const path = join(folder, "cosigned", name);
    writeFileSync(path, log.note(3));
    expect(() => open()).to.throw(/isn't what was cosigned/u);
    writeFileSync(path, "");
    expect(() => open()).to.throw(/isn't what was cosigned/u);
    rmSync(join(folder, "cosigned", "witness.pem"));
    expect(() => open()).to.throw(/is gone/u);
  });
});

describe("a service that witnesses another's log", function () {
  this.timeout(120_000);
  const services: Running[] = [];
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "remit-witness-"));
  });
  afterEach(async () => {
    for (const service of services.splice(0)) await service.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("cosigns what it has, by a key that is asked of it; nobody needs a token to submit, and other logs are refused", async () => {
    const pem = generateSignerPem();
    writeFileSync(join(folder, "log.pem"), pem);
    const { verifier } = readSigner(ORIGIN, pem);
    const witness = await run({ log: { cosigns: { name: NAME, logs: [verifier.vkey] } } });
    services.push(witness);
    expect((await fetch(`${witness.url}/witness/key`)).status).to.equal(401);
    const { key } = (await (await fetch(`${witness.url}/witness/key`, AUDIT)).json()) as { key: string };
    const often = { interval_ms: 100, retry_ms: 10, retry_max_ms: 50 };
    const witnesses = [{ name: "w1", url: `${witness.url}/witness`, key, ...often }];
    const log = await run({ log: { keys: [join(folder, "log.pem")], origin: ORIGIN, witnesses } });
    services.push(log);
    await post(log, "/decide", REQUEST);
    const path = `/witness/${createHash("sha256").update(ORIGIN).digest("hex")}/checkpoint`;
    const witnessed = async (): Promise<string> => await (await fetch(`${witness.url}${path}`)).text();
    const trusted = [verifier, readVerifier(key)];
    await untilAsync(async () => (await fetch(`${witness.url}${path}`)).status === 200);
    expect(openCheckpoint(await witnessed(), trusted).by).to.have.length(2);
    const { size } = openCheckpoint(await witnessed(), trusted);
    await post(log, "/decide", REQUEST);
    await untilAsync(async () => openCheckpoint(await witnessed(), trusted).size > size);
    const cosigned = await (await fetch(`${log.url}/log/cosigned/w1`, AUDIT)).text();
    expect(openCheckpoint(cosigned, trusted).by).to.have.length(2);

    const unknown = new Log("a", generateSignerPem(), "other.example");
    const submit = (body: string): Promise<Response> => fetch(`${witness.url}/witness/add-checkpoint`, { method: "POST", body });
    expect((await submit(`old 0\n\n${unknown.note(2, "other.example")}`)).status).to.equal(404);
    const again = await submit(`old 0\n\n${cosigned}`);
    expect([again.status, again.headers.get("content-type")]).to.deep.equal([409, "text/x.tlog.size"]);
    expect((await submit("x".repeat(70_000))).status).to.equal(413);
    // A service that witnesses nothing has no such routes.
    expect((await fetch(`${log.url}${path}`)).status).to.equal(404);
    expect((await fetch(`${log.url}/witness/add-checkpoint`, { method: "POST", body: "old 0" })).status).to.equal(404);
  });
});
