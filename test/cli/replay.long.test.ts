import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { Exit } from "../../src/cli/exit.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { COMPILER_BUILD_MS_MAX, KEY } from "../build/support.js";
import { Desk, NOW, bundleOf, runningOf, type Asked } from "../replay/desk.js";
import { LogFolder } from "../replay/folder.js";
import { remit, type Ran } from "./remit.js";

const READS: Asked = { verb: "read", type: "incident", id: "INC-81", attributes: { reporter: "ada" } };
const HELD: Asked = {
  verb: "reset",
  type: "account",
  id: "ada-admin",
  attributes: { owner: "ada", privileged: true, recovery_email: "ada@example.com" },
  arguments: { notify: "ada@example.com" },
};
const LOOSER = {
  "purposes.yaml": (text: string): string => text.replace(/(code: privileged_reset,\s+severity: high,\s+proceed: )false/, "$1true"),
};
const HELDS = 3;
const READ = 7;

const pem = (key: KeyObject): string => createPublicKey(key).export({ type: "spki", format: "pem" }).toString();

describe("remit replay and remit impact", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  const place = temporaryDirectory();
  const file = (name: string): string => join(place, name);
  let log: LogFolder;
  before(async () => {
    log = new LogFolder();
    const [{ content, archive }, looser] = [await bundleOf(), await bundleOf(LOOSER, 2)];
    const desk = new Desk(runningOf(content), log);
    for (let i = 0; i < READ; i++) await desk.ask(READS);
    for (let i = 0; i < HELDS; i++) await desk.ask(HELD);
    writeFileSync(file("running.tar.gz"), archive);
    writeFileSync(file("looser.tar.gz"), looser.archive);
    writeFileSync(file("key.pem"), pem(KEY));
    writeFileSync(file("stranger.pem"), pem(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey));
    writeFileSync(file("nothing"), "nothing");
    const altered = Buffer.from(archive);
    altered.writeUInt8(altered.readUInt8(altered.length >> 1) ^ 1, altered.length >> 1);
    writeFileSync(file("altered.tar.gz"), altered);
    mkdirSync(file("empty"));
  });

  const replay = (...args: string[]): Promise<Ran> =>
    remit("replay", log.path, "--bundle", file("running.tar.gz"), "--key", file("key.pem"), ...args);
  const impact = (...args: string[]): Promise<Ran> => remit("impact", log.path, "--bundle", file("looser.tar.gz"), ...args);

  it("say that all comes out as it is on record", async () => {
    const { exit, out, err } = await replay();
    expect([exit, err]).to.deep.equal(["ok", ""]);
    expect(out).to.match(/^10 decisions decided again\n +10 {2}are decided as on record\n$/);
    const json = await replay("--json");
    expect(json.exit).to.equal("ok");
    expect(JSON.parse(json.out)).to.deep.include({ ok: true, decisions: 10, identical: 10, differences: [], missing: [] });
  });

  it("say what another bundle changes, what it newly allows first, and hold it against limits", async () => {
    const { exit, out } = await impact();
    expect(exit).to.equal("ok");
    const lines = out.split("\n");
    expect(lines.findIndex((line) => line.startsWith("newly allowed  3"))).to.be.within(0, 3);
    expect(out).to.contain("reset account").and.contain("flag, wait (privileged_reset) → flag, go on (privileged_reset)");
    const json = JSON.parse((await impact("--json")).out) as Record<string, unknown>;
    expect(json).to.deep.include({ ok: true, decisions: 10, changed: 3, newly_allowed: 3, limits: null });
    const limits: [limit: string[], exit: Exit][] = [
      [["--max-newly-allowed", "0"], "exceeded"],
      [["--max-newly-allowed", "2"], "exceeded"],
      [["--max-newly-allowed", "3"], "ok"],
      [["--max-newly-allowed", "29.9%"], "exceeded"],
      [["--max-newly-allowed", "30%"], "ok"],
      [["--max-flips", "0"], "exceeded"],
      [["--max-flips", "3"], "ok"],
      [["--max-flips", "1%"], "exceeded"],
      [["--max-flips", "100%"], "ok"],
      [["--max-flips", "3", "--max-newly-allowed", "0"], "exceeded"],
      [["--max-flips", "0", "--max-newly-allowed", "3"], "exceeded"],
      [["--max-flips", "0", "--to", String(READ)], "ok"],
    ];
    for (const [limit, wanted] of limits) {
      const ran = await impact(...limit);
      expect(ran.exit, limit.join(" ")).to.equal(wanted);
      expect(ran.out).to.contain(wanted === "ok" ? "within the limits" : "more than the limits allow");
    }
  });

  it("hold against a limit how much can't be told", async () => {
    const [first = ""] = log.lines();
    expect((await impact("--max-untold", "0")).exit).to.equal("ok");
    try {
      log.change(1, (record) => ({ ...record, masked: ["/input/request/resource/attributes/reporter"] }));
      for (const [limit, wanted] of [
        ["0", "exceeded"],
        ["1", "ok"],
        ["9.9%", "exceeded"],
        ["10%", "ok"],
      ] as const) {
        const { exit, out } = await impact("--max-untold", limit);
        expect(exit, limit).to.equal(wanted);
        expect(out).to.contain(`${limit.replace("%", " %")} may be untold, 1 are`);
      }
    } finally {
      log.changeLine(1, () => first);
    }
  });

  it("say of a range whose decisions can't be read that they can't be", async () => {
    const [first = ""] = log.lines();
    try {
      log.changeLine(1, () => "nothing");
      const { exit, err } = await replay("--to", "1");
      expect(exit).to.equal("unreadable");
      expect(err).to.contain("record 1: it is not a JSON object").and.contain("no decision in this range can be read");
    } finally {
      log.changeLine(1, () => first);
    }
  });

  it("say that the beginning of a log has been dropped, where they are asked for it", async () => {
    const name = (seq: number): string => join(log.path, `${String(seq).padStart(16, "0")}.jsonl`);
    renameSync(name(1), name(3));
    const lines = readFileSync(name(3), "utf8");
    writeFileSync(name(3), lines.split("\n").slice(2).join("\n"));
    try {
      for (const ran of [await replay(), await impact(), await replay("--from", "2"), await impact("--from", "2")]) {
        expect(ran.exit).to.equal("ok");
        expect(ran.err).to.contain("records up to 2 have been dropped");
      }
      expect((await replay("--from", "2000-01-01")).err).to.contain("records up to 2 have been dropped");
      expect((await replay("--from", "3")).err).to.equal("");
    } finally {
      writeFileSync(name(3), lines);
      renameSync(name(3), name(1));
    }
  });

  it("write the impact as a page, and none where it can't be told", async () => {
    const page = file("impact.html");
    expect((await impact("--html", page)).exit).to.equal("ok");
    expect(readFileSync(page, "utf8"))
      .to.match(/^<!doctype html>/)
      .and.contain("privileged_reset");
    const { exit, err } = await impact("--html", join(place, "nowhere", "impact.html"));
    expect(exit).to.equal("failed");
    expect(err).to.contain("does not exist");
    expect(readdirSync(place).filter((name) => name.includes("partial"))).to.deep.equal([]);
  });

  it("report differences, unreadable records and missing bundles, each with an exit code of its own", async () => {
    const spoilt = new LogFolder();
    spoilt.write(log.lines());
    const ran = (...args: string[]): Promise<Ran> =>
      remit("replay", spoilt.path, "--bundle", file("running.tar.gz"), "--key", file("key.pem"), ...args);
    spoilt.changeLine(3, () => "nothing");
    const unreadable = await ran();
    expect(unreadable.exit).to.equal("unreadable");
    expect(unreadable.err).to.contain("record 3: it is not a JSON object");
    spoilt.changeLine(9, (line) => line.replace("privileged_reset", "other"));
    const differs = await ran();
    expect(differs.exit).to.equal("differs");
    expect(differs.out).to.match(/record 9 .*\n {2}\/reasons\/0\/code: "other" on record, "privileged_reset" now/);
    const json = JSON.parse((await ran("--json")).out) as Record<string, unknown>;
    expect(json).to.deep.include({ ok: false, differing: 1, unreadable: 1, identical: 8 });
    expect(json["differences"]).to.have.nested.property("[0].seq", 9);
    expect(json["unreadables"]).to.have.nested.property("[0].seq", 3);

    const missing = await remit("replay", log.path, "--bundle", file("looser.tar.gz"), "--key", file("key.pem"));
    expect(missing.exit).to.equal("no_bundle");
    expect(missing.err)
      .to.contain((await bundleOf()).content.identity.digest)
      .and.contain("10 decisions, the first is record 1");
    const both = await remit(
      "replay",
      log.path,
      "--bundle",
      file("looser.tar.gz"),
      "--bundle",
      file("running.tar.gz"),
      "--key",
      file("stranger.pem"),
      "--key",
      file("key.pem"),
    );
    expect(both.exit).to.equal("ok");
    expect((await remit("impact", spoilt.path, "--bundle", file("running.tar.gz"))).exit).to.equal("unreadable");
  });

  it("don't let a range without decisions pass for one in which all is well", async () => {
    for (const args of [
      ["--from", "11"],
      ["--to", new Date(NOW - 1).toISOString()],
      ["--to", "2027-03-02"],
      ["--from", "2027-03-03"],
    ]) {
      for (const ran of [await replay(...args), await impact(...args, "--max-flips", "0")]) {
        expect(ran.exit).to.equal("failed");
        expect(ran.err).to.contain("no decision in this range");
      }
    }
  });

  it("take a day as the other searches of records do", async () => {
    for (const args of [
      ["--from", "2027-03-02"],
      ["--to", "2027-03-03"],
      ["--from", "1000d"],
    ])
      for (const ran of [await replay(...args), await impact(...args)]) expect(ran.exit).to.equal("ok");
  });

  const bounds = [
    "0",
    "-1",
    "1.5",
    "1e3",
    "x",
    "",
    " 1",
    "99999999999999999999",
    "2027-02-30T00:00:00Z",
    "2027-02-30",
    "2027-3-2",
    "2027-03-02T10:00:00",
    "0d",
    "2w",
  ];
  for (const option of ["--from", "--to"]) {
    for (const text of bounds) {
      it(`refuse ${option} ${JSON.stringify(text)}`, async () => {
        for (const ran of [await replay(option, text), await impact(option, text)]) {
          expect(ran.exit).to.equal("usage");
          expect(ran.err).to.contain("must be a record's number, from 1, an RFC 3339 date-time, a date, or how long ago");
        }
      });
    }
  }

  const parts = ["-1", "1.5", "x", "", "%", "1%%", "101%", "1e2", "1e2%", "+1", " 1", "1 %", "∞", "9999999999999999"];
  for (const option of ["--max-flips", "--max-newly-allowed", "--max-untold"]) {
    for (const text of parts) {
      it(`refuse ${option} ${JSON.stringify(text)}`, async () => {
        const { exit, err } = await impact(option, text);
        expect(exit).to.equal("usage");
        expect(err).to.contain("must be a number such as 20, or a part such as 1%");
      });
    }
  }

  // prettier-ignore
  const refused: [what: string, args: () => string[], exit: Exit, said: RegExp][] = [
    ["no records to replay", () => ["replay"], "usage", /missing required argument 'records'|required option/],
    ["no bundle to replay by", () => ["replay", log.path], "usage", /required option '--bundle/],
    ["no bundle to compare with", () => ["impact", log.path], "usage", /required option '--bundle/],
    ["an option that isn't one", () => ["replay", log.path, "--bundle", "x", "--all"], "usage", /unknown option/],
    ["two folders", () => ["impact", log.path, log.path, "--bundle", "x"], "usage", /too many arguments/],
    ["a folder that isn't there", () => ["replay", file("none"), "--bundle", "x"], "failed", /`.*none` does not exist/],
    ["a file in place of the folder", () => ["replay", file("nothing"), "--bundle", "x"], "invalid", /no records in/],
    ["a folder without records", () => ["impact", file("empty"), "--bundle", "x"], "invalid", /no records in/],
    ["a key that isn't there", () => ["replay", log.path, "--bundle", file("running.tar.gz"), "--key", file("none")], "failed", /does not exist/],
    ["a key that isn't one", () => ["replay", log.path, "--bundle", file("running.tar.gz"), "--key", file("nothing")], "invalid", /not a P-256 public key/],
    ["a bundle that isn't there", () => ["replay", log.path, "--bundle", file("none"), "--key", file("key.pem")], "failed", /does not exist/],
    ["a bundle that isn't one", () => ["replay", log.path, "--bundle", file("running.tar.gz"), "--bundle", file("nothing"), "--key", file("key.pem")], "invalid", /`.*nothing`: .*gzip/],
    ["a bundle that somebody else signed", () => ["replay", log.path, "--bundle", file("running.tar.gz"), "--key", file("stranger.pem")], "invalid", /`.*running\.tar\.gz`: .*key/],
    ["a bundle that was altered", () => ["replay", log.path, "--bundle", file("altered.tar.gz"), "--key", file("key.pem")], "invalid", /./],
    ["another bundle that isn't one", () => ["impact", log.path, "--bundle", file("nothing")], "invalid", /`.*nothing`: .*gzip/],
    ["another bundle that was altered", () => ["impact", log.path, "--bundle", file("altered.tar.gz")], "invalid", /./],
  ];
  for (const [what, args, exit, said] of refused) {
    it(`refuse ${what}`, async () => {
      const ran = await remit(...args());
      expect(ran.exit).to.equal(exit);
      expect(ran.err).to.match(said);
      expect(ran.out).to.equal("");
    });
  }

  it("refuse another bundle under the digest of the one that decided", async () => {
    const { content } = await bundleOf();
    const forged = new LogFolder();
    forged.write(log.lines());
    // The record says that the looser one decided, which its digest doesn't bear out.
    const looser = (await bundleOf(LOOSER, 2)).content;
    for (let seq = 1; seq <= READ + HELDS; seq++) {
      forged.changeLine(seq, (line) => line.replaceAll(content.identity.digest, looser.identity.digest));
    }
    const { exit, out } = await remit("replay", forged.path, "--bundle", file("looser.tar.gz"), "--key", file("key.pem"));
    expect(exit).to.equal("differs");
    expect(out).to.contain("/policy/revision").and.contain("/policy/sequence").and.contain("/proceed");
  });
});
