import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { Exit } from "../../src/cli/exit.js";
import { asset } from "../../src/system/paths.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { COMPILER_BUILD_MS_MAX } from "../build/support.js";
import { remit, type Ran } from "../cli/remit.js";
import { bundleOf } from "../replay/desk.js";
import { DAY_MS, FROM, TO, week, type Week } from "./made.js";
import type { ProposalReport } from "../../src/review/recommend.js";
import { pasted } from "./pasted.js";

const iso = (ms: number): string => new Date(ms).toISOString();
const PERIOD = ["--from", iso(FROM), "--to", iso(TO)];

describe("remit review and remit recommend", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  const place = temporaryDirectory();
  const file = (name: string): string => join(place, name);
  let made: Week;
  before(async () => {
    made = await week();
    writeFileSync(file("desk.tar.gz"), (await bundleOf()).archive);
    mkdirSync(file("empty"));
    cpSync(asset("templates", "policy"), file("set"), { recursive: true });
  });
  const review = (...args: string[]): Promise<Ran> =>
    remit("review", "--log", made.log.path, ...PERIOD, "--bundle", file("desk.tar.gz"), ...args);
  const recommend = (...args: string[]): Promise<Ran> =>
    remit("recommend", "--log", made.log.path, ...PERIOD, "--bundle", file("desk.tar.gz"), ...args);

  it("say in a few lines what there is to see", async () => {
    const { exit, out, err } = await review();
    expect(exit).to.equal("ok");
    expect(out)
      .to.contain("21 decisions by 1 agent: 10 allowed, 6 flagged, 5 refused")
      .and.contain("never  allows read account about the task");
    expect(err).to.contain("no checkpoint");
    const proposed = await recommend();
    expect(proposed.exit).to.equal("ok");
    expect(proposed.out).to.contain("nothing is proposed: 21 decisions, and 100 are the least; 6.5 days");
  });

  it("write a page and JSON with the same figures, and the JSON's schema", async () => {
    const { exit, out } = await review("--html", file("week.html"), "--json");
    expect(exit).to.equal("ok");
    const json = JSON.parse(out) as { totals: { counts: object }; rests_on: { through: { root: string } } };
    expect(json.totals.counts).to.deep.equal({ allow: 10, flag_proceed: 6, flag_wait: 0, deny: 5 });
    expect(readFileSync(file("week.html"), "utf8"))
      .to.match(/^<!doctype html>/)
      .and.contain(json.rests_on.through.root);
    expect(readdirSync(place).filter((name) => name.includes("partial"))).to.deep.equal([]);
    const schema = JSON.parse((await remit("review", "--schema")).out) as { title: string; properties: object };
    expect(schema.title).to.equal("An access review of Remit");
    expect(schema.properties).to.include.keys(Object.keys(json));
  });

  const LOW = ["--min-days", "1", "--min-decisions", "10", "--min-tasks", "1"];

  it("print narrower entries, after which there is nothing more to narrow, and write nothing", async () => {
    const purposes = join(file("set"), "purposes.yaml");
    const before = readFileSync(purposes, "utf8");
    const shown = await recommend(...LOW, "--set", file("set"));
    expect(shown.exit).to.equal("ok");
    expect(shown.out).to.contain("21 decisions, 0 that would be denied");
    expect(readFileSync(purposes, "utf8")).to.equal(before);
    const json = JSON.parse((await recommend(...LOW, "--set", file("set"), "--json")).out) as {
      ok: boolean;
      proposals: ProposalReport[];
    };
    expect(json.ok).to.equal(true);
    expect(json.proposals).not.to.deep.equal([]);
    for (const { purpose, line, at, was, now } of json.proposals)
      expect(shown.out).to.contain(`purposes.yaml:${at}  ${purpose} ${line}\n  - ${was}\n${now === null ? "" : `  + ${now}\n`}`);
    writeFileSync(purposes, pasted(before, json.proposals));
    const again = await recommend(...LOW, "--set", file("set"));
    expect(again.out).to.contain("nothing to narrow");
    writeFileSync(purposes, before);
  });

  it("ask a policy that is compiled from the set, where no bundle is given", async () => {
    const { exit, out } = await remit("recommend", "--log", made.log.path, ...PERIOD, ...LOW, "--set", file("set"));
    expect(exit).to.equal("ok");
    expect(out).to.contain("21 decisions, 0 that would be denied");
  });

  it("and where the bundle given was built of other words than the set's", async () => {
    cpSync(file("set"), file("other"), { recursive: true });
    const words = join(file("other"), "vocabulary.yaml");
    writeFileSync(
      words,
      readFileSync(words, "utf8").replace("  delete: { class: write }", "  delete: { class: write }\n  close: { class: write }"),
    );
    const purposes = join(file("other"), "purposes.yaml");
    writeFileSync(
      purposes,
      readFileSync(purposes, "utf8").replace(
        "    - { search: [incident, account] }",
        "    - { search: [incident, account] }\n    - { close: incident, about: task }",
      ),
    );
    const { exit, out } = await recommend(...LOW, "--set", file("other"));
    expect(exit).to.equal("ok");
    expect(out).to.contain("21 decisions, 0 that would be denied");
    expect(out)
      .to.match(/allows close incident about the task +never used/)
      .and.contain("it can't have been used for long enough");
  });

  // prettier-ignore
  const wrong: [what: string, args: () => string[], exit: Exit, says: RegExp][] = [
    ["a review of no log", () => ["review", ...PERIOD], "usage", /--log names/],
    ["a log that isn't there", () => ["review", "--log", file("nowhere"), ...PERIOD], "failed", /does not exist/],
    ["a folder without records", () => ["review", "--log", file("empty"), ...PERIOD], "invalid", /there are no records/],
    ["a period that ends before it begins", () => ["review", "--log", made.log.path, "--from", iso(TO), "--to", iso(FROM)], "usage", /ends before it begins/],
    ["a time that is none", () => ["review", "--log", made.log.path, "--from", "yesterday"], "usage", /RFC 3339/],
    ["a bundle that isn't there", () => ["review", "--log", made.log.path, ...PERIOD, "--bundle", file("nothing.tar.gz")], "failed", /does not exist/],
    ["a bundle that is none", () => ["review", "--log", made.log.path, ...PERIOD, "--bundle", join(file("set"), "purposes.yaml")], "invalid", /gzip/],
    ["a store that isn't there", () => ["review", "--log", made.log.path, ...PERIOD, "--store", file("empty")], "invalid", /there is no store/],
    ["a key that is none", () => ["review", "--log", made.log.path, ...PERIOD, "--key", "nonsense"], "invalid", /not a verifier key/],
    ["a page where no folder is", () => ["review", "--log", made.log.path, ...PERIOD, "--html", join(file("nowhere"), "page.html")], "failed", /does not exist/],
    ["a period in which nothing was done", () => ["review", "--log", made.log.path, "--from", iso(TO * 2), "--to", iso(TO * 2 + 1)], "failed", /there is no decision in this period/],
    ["a proposal for nothing", () => ["recommend", "--log", made.log.path, ...PERIOD], "usage", /--bundle names a bundle/],
    ["a purpose that there isn't", () => ["recommend", "--log", made.log.path, ...PERIOD, "--bundle", file("desk.tar.gz"), "--purpose", "sales"], "invalid", /there is it_helpdesk|there are it_helpdesk/],
    ["a set without purposes", () => ["recommend", "--log", made.log.path, ...PERIOD, "--set", file("empty")], "invalid", /no purposes.yaml/],
    ["a floor that is none", () => ["recommend", "--log", made.log.path, ...PERIOD, "--bundle", file("desk.tar.gz"), "--min-tasks", "101"], "usage", /at most 100/],
  ];
  for (const [what, args, exit, says] of wrong) {
    it(`refuse ${what}`, async () => {
      const ran = await remit(...args());
      expect(ran.exit, ran.out + ran.err).to.equal(exit);
      expect(ran.out + ran.err).to.match(says);
    });
  }

  it("end with an exit code of their own where records can't be read, and tell the rest", async () => {
    const harmed = await week();
    harmed.log.changeLine(9, () => "nothing");
    const page = file("harmed.html");
    const args = ["--log", harmed.log.path, ...PERIOD, "--bundle", file("desk.tar.gz")];
    const told = await remit("review", ...args, "--html", page);
    expect(told.exit).to.equal("unreadable");
    expect(told.err).to.contain("it is not a JSON object");
    expect(existsSync(page)).to.equal(true);
    const proposed = await remit("recommend", ...args, ...LOW, "--set", file("set"));
    expect(proposed.exit).to.equal("unreadable");
    expect(proposed.err).to.contain("1 record can't be read, and may have used what would go");
    expect(proposed.err).to.contain("record 9: it is not a JSON object");
    const impact = await remit("impact", harmed.log.path, "--bundle", file("desk.tar.gz"));
    expect(impact.exit).to.equal("unreadable");
    expect(impact.err).to.contain("record 9: it is not a JSON object");
  });

  it("say of a period before the log's first record that there is none", async () => {
    const { exit, err } = await remit("review", "--log", made.log.path, "--from", iso(FROM - 9 * DAY_MS), "--to", iso(FROM - 8 * DAY_MS));
    expect(exit).to.equal("failed");
    expect(err).to.contain("the log begins then: there is no record of the period").and.not.contain("doesn't hold");
  });

  it("say that a checkpoint doesn't hold", async () => {
    const forged = await week();
    writeFileSync(
      join(forged.log.path, "checkpoint"),
      `log.example/desk\n3\n${Buffer.alloc(32).toString("base64")}\n\n— log.example/desk AAAAAAAA\n`,
    );
    const { exit, err } = await remit("review", "--log", forged.log.path, ...PERIOD);
    expect(exit).to.equal("invalid");
    expect(err).to.contain("the checkpoint doesn't hold");
    writeFileSync(
      join(forged.log.path, "checkpoint"),
      createPublicKey(generateKeyPairSync("ed25519").privateKey).export({ type: "spki", format: "pem" }),
    );
    expect((await remit("review", "--log", forged.log.path, ...PERIOD)).exit).to.equal("invalid");
  });
});
