import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { openNote, readVerifier } from "../../src/audit/tree/note.js";
import { parseCheckpoint } from "../../src/audit/tree/checkpoint.js";
import { post, REQUEST, run, tokenFor, type Running } from "../http/running.js";
import { exchanger } from "../../src/system/exchange.js";
import { system } from "../../src/system/index.js";
import { Witness, type WitnessedLog } from "../../src/audit/log/witness.js";
import { until } from "../store/support.js";
import { WitnessServer } from "./witness_server.js";

const AUDIT = { headers: { authorization: `Bearer ${tokenFor("remit:audit")}` } };

describe("a witness of the log", function () {
  let witness: WitnessServer;
  let service: Running;
  let url: string;

  const logKeys = async (): Promise<string[]> =>
    ((await (await fetch(`${service.url}/log/keys`, AUDIT)).json()) as { keys: string[] }).keys;
  const kept = (): string => join(service.folder, "log", "witnesses", "w1");
  const sizeIn = (file: string): number => parseCheckpoint(openNote(readFileSync(file, "utf8"), [readVerifier(witness.vkey)]).text).size;
  const sections = (): Record<string, unknown> => ({
    log: { witnesses: [{ name: "w1", url, key: witness.vkey, interval_ms: 100, retry_ms: 10, retry_max_ms: 50 }] },
  });

  beforeEach(async () => {
    witness = new WitnessServer();
    url = await witness.start();
    // Until it knows the log, it refuses: only then is its key known.
    witness.instead = () => [404, "unknown log"];
    service = await run(sections());
    witness.logs = await logKeys();
  });
  afterEach(async () => {
    await service.stop();
    await witness.stop();
  });

  it("is sent checkpoints as the log grows, each with its proof, and its cosignatures are kept", async () => {
    await until(() => service.said().includes("witness_failing"));
    witness.instead = null;
    await until(() => service.said().includes("a witness cosigns again"));
    const first = witness.seen?.size ?? 0;
    for (let i = 0; i < 5; i++) {
      await post(service, "/decide", REQUEST);
      const { size } = witness.seen ?? { size: 0 };
      await until(() => (witness.seen?.size ?? 0) > size);
    }
    await until(() => sizeIn(kept()) === witness.seen?.size);
    expect(sizeIn(kept())).to.be.at.least(first + 5);
    expect(new Set(witness.requests)).to.deep.equal(new Set(["POST /w1/add-checkpoint"]));
    // The log's own signature stands there too, so that one note is good for both.
    const { by } = openNote(readFileSync(kept(), "utf8"), [...witness.logs, witness.vkey].map(readVerifier));
    expect(by.length).to.equal(witness.logs.length + 1);
    const served = await (await fetch(`${service.url}/log/cosigned/w1`, AUDIT)).text();
    expect(openNote(served, [readVerifier(witness.vkey)]).by.length).to.equal(1);
    expect((await fetch(`${service.url}/log/cosigned/w2`, AUDIT)).status).to.equal(404);
    expect((await fetch(`${service.url}/log/cosigned/w1`)).status).to.equal(401);
    const metrics = await (await fetch(`${service.url}/metrics`, AUDIT)).text();
    expect(metrics)
      .to.match(/remit_witness_cosigned_records\{witness="w1"\} [1-9]/)
      .and.include('remit_witness_failing{witness="w1"} 0');
  });

  it("is asked from where it says it was, when what was kept here is lost", async () => {
    witness.instead = null;
    await until(() => sizeSafely() > 0);
    const answers: number[] = [];
    witness.instead = (own) => {
      const answer = own();
      answers.push(answer[0]);
      return answer;
    };
    const get = async (path: string): Promise<Response> => fetch(`${service.url}${path}`, AUDIT);
    const log: WitnessedLog = {
      checkpoint: async () => (await get("/log/checkpoint")).text(),
      consistency: async (before) =>
        (await (await get(`/log/consistency?before=${before}`)).json()) as { proof: string[]; checkpoint: string },
    };
    const { exchange, close } = exchanger(new URL(`${url}/add-checkpoint`), { timeout_ms: 5000, bytes_max: 65_536 }, system.timers);
    const options = { name: "w1", key: witness.vkey, interval_ms: 60_000, retry_ms: 10, retry_max_ms: 50 };
    const folder = join(service.folder, "elsewhere");
    const another = new Witness(options, log, folder, system, exchange, { failing: () => undefined, cosigning: () => undefined });
    expect(another.size).to.equal(0);
    const ended = another.run();
    await until(() => another.size > 0);
    another.stop();
    close();
    await ended;
    expect(answers.slice(0, 2)).to.deep.equal([409, 200]);
    expect(sizeIn(join(folder, "witnesses", "w1"))).to.equal(another.size);
  });

  const bad: [what: string, answer: (own: () => [number, string]) => [number, string], said: RegExp][] = [
    ["says nothing", () => [200, ""], /no cosignature by its key/],
    ["cosigns something else", () => [200, witness.cosign("other\n1\nAAAA\n")], /no cosignature by its key/],
    ["answers with another's signature", () => [200, "\u2014 other.example AAAAAAAAAAAAAAAA\n"], /no cosignature by its key/],
    ["answers with garbage", () => [200, "hello"], /no cosignature by its key/],
    ["has seen more than there is", () => [409, "999999999\n"], /it has seen 999999999 records/],
    ["has seen what is no size", () => [409, "many\n"], /status 409/],
    ["contradicts itself", (own) => (own(), [409, "1\n"]), /status 409/],
    ["refuses the proof", () => [422, ""], /status 422/],
    ["redirects", () => [302, ""], /status 302/],
  ];
  for (const [what, answer, said] of bad) {
    it(`that ${what} is asked again, and nothing of it is kept`, async () => {
      witness.instead = answer;
      await until(() => said.test(service.said()));
      expect(() => readFileSync(kept())).to.throw("ENOENT");
      expect((await post(service, "/decide", REQUEST)).status).to.equal(200);
      witness.instead = null;
      await until(() => sizeSafely() > 0);
    });
  }

  function sizeSafely(): number {
    try {
      return sizeIn(kept());
    } catch {
      return 0;
    }
  }

  it("has no say where its file was altered: it is asked again", async () => {
    witness.instead = null;
    await until(() => sizeSafely() > 0);
    const note = readFileSync(kept(), "utf8");
    writeFileSync(kept(), note.replace(/\n\d+\n/, "\n7777777\n"));
    expect(() => sizeIn(kept())).to.throw();
    const { size } = witness.seen ?? { size: 0 };
    await post(service, "/decide", REQUEST);
    await until(() => sizeSafely() > size);
  });
});
