import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { OwnRecords, type Described } from "../../../src/audit/log/own_records.js";
import { system } from "../../../src/system/index.js";
import { remit, type Ran } from "../../cli/remit.js";
import { temporaryDirectory } from "../temporary.js";
import { faultsOf } from "./ocsf_checker.js";
import { SAMPLES, decision, input, lineOf, outsourced, writeBeside, writeSegment } from "./records.js";

const MAIN = fileURLToPath(new URL("../../../src/cli/main.js", import.meta.url));

type Json = Record<string, unknown>;

const samples = Object.values(SAMPLES);
const hours = (hour: number): string => `2026-11-25T${String(hour).padStart(2, "0")}:00:00.000Z`;

/** The record of a start, as a service writes it. */
function startOf(described: Described): Json {
  let record: Json = {};
  const append = (before: string, after: string): Promise<void> => {
    record = JSON.parse(`{${before},"seq":1,${after}}`) as Json;
    return Promise.resolve();
  };
  void new OwnRecords({ append }, system, described, () => undefined).service("started");
  return record;
}

describe("remit audit export", () => {
  const folder = temporaryDirectory();
  const log = join(folder, "log");
  const out = join(folder, "out.jsonl");
  beforeEach(() => {
    rmSync(log, { recursive: true, force: true });
    rmSync(out, { force: true });
    writeSegment(log, 1, samples.slice(0, 10));
    writeSegment(log, 11, samples.slice(10));
  });
  const exported = async (...args: string[]): Promise<Ran & { events: Json[] }> => {
    const ran = await remit("audit", "export", log, "--out", out, ...args);
    const text = existsSync(out) ? readFileSync(out, "utf8") : "";
    return {
      ...ran,
      events:
        text === ""
          ? []
          : text
              .trimEnd()
              .split("\n")
              .map((line) => JSON.parse(line) as Json),
    };
  };

  it("says every record in the log's own bytes, to a file or to standard output", async () => {
    const { exit, err } = await exported("--format", "json_lines");
    const whole = readdirSync(log)
      .sort()
      .map((name) => readFileSync(join(log, name), "utf8"))
      .join("");
    expect([exit, readFileSync(out, "utf8")]).to.deep.equal(["ok", whole]);
    expect(err).to.match(/exported {2}29 of 29 records/);
    const { status, stdout } = spawnSync(process.execPath, [MAIN, "audit", "export", log, "--format", "json_lines"]);
    expect([status, stdout.toString()]).to.deep.equal([0, whole]);
    expect(readdirSync(folder).filter((name) => name.endsWith(".partial"))).to.deep.equal([]);
  });

  it("says them as OCSF events and CloudEvents, one a line, and as OPA's those of decisions", async () => {
    const ocsf = await exported("--format", "ocsf");
    expect(ocsf.events.flatMap(faultsOf)).to.deep.equal([]);
    expect(ocsf.events).to.have.length(samples.length);
    const cloud = await exported("--format", "cloudevents", "--data", "ocsf");
    expect(cloud.events.map(({ data }) => data)).to.deep.equal(ocsf.events);
    const opa = await exported("--format", "opa_decision_log");
    expect(opa.events).to.have.length(samples.filter(({ kind }) => kind === "decision" || kind === "observed").length);
    expect(opa.err).to.match(/exported {2}11 of 29 records/);
  });

  it("names the writer of each record by the `service` record before it, wherever it begins", async () => {
    const service = (version: string, behavior: Described["behavior"]): Json =>
      startOf({
        version,
        origin: "remit.example/log",
        keys: ["remit.example/log+00+AA"],
        durability: "synced",
        behavior,
      });
    // An agent says what it likes.
    const posing = decision({ input: input({ arguments: { ...service("6.6.6", null) } }) });
    rmSync(log, { recursive: true });
    writeSegment(log, 1, [service("1.0.0", null), decision(), posing]);
    writeSegment(log, 4, [decision(), service("2.0.0", { agents_max: 10, algorithm: 1 }), decision()]);
    const versions = async (...args: string[]): Promise<unknown[]> =>
      (await exported("--format", "opa_decision_log", ...args)).events.map(({ labels }) => (labels as Json)["version"]);
    expect(await versions()).to.deep.equal(["1.0.0", "1.0.0", "1.0.0", "2.0.0"]);
    expect(await versions("--from", "4")).to.deep.equal(["1.0.0", "2.0.0"]);
    expect(await versions("--from", "6")).to.deep.equal(["2.0.0"]);
  });

  const kept: [args: string[], seqs: number[]][] = [
    [
      ["--from", "3"],
      [3, 4, 5, 6],
    ],
    [
      ["--to", "2"],
      [1, 2],
    ],
    [["--from", "4", "--to", "4"], [4]],
    [["--from", "7"], []],
    [["--from", "5", "--to", "4"], []],
    [
      ["--from", hours(3)],
      [3, 5, 6],
    ],
    [
      ["--to", hours(2)],
      [1, 2, 4],
    ],
    [
      ["--from", "2026-11-25T03:00:00+01:00", "--to", "4"],
      [2, 3],
    ],
    [
      ["--from", "2026-11-25", "--to", "3"],
      [1, 2, 3],
    ],
    [["--from", "2026-11-26"], []],
    [["--to", "2026-11-25"], []],
    [
      ["--kind", "decision"],
      [1, 2, 3, 5],
    ],
    [["--kind", "outcome", "lost", "--from", "5"], [6]],
  ];
  for (const [args, seqs] of kept) {
    it(`takes ${args.join(" ")} for records ${seqs.join(", ")}`, async () => {
      rmSync(log, { recursive: true });
      // The host's clock jumped back before the fourth.
      const [lost = {}, outcome = {}] = [SAMPLES["lost"], SAMPLES["outcome done"]];
      const times = [1, 2, 3].map((hour) => decision({ time: hours(hour) }));
      writeSegment(log, 1, [...times, { ...lost, time: hours(1) }, decision({ time: hours(4) })]);
      writeSegment(log, 6, [{ ...outcome, time: hours(5) }]);
      const { exit, events } = await exported("--format", "json_lines", ...args);
      expect([exit, events.map(({ seq }) => seq)]).to.deep.equal(["ok", seqs]);
    });
  }

  it("puts back what stood beside a record, and says where it isn't there", async () => {
    const large = [1, 2, 3, 4].map((n) => outsourced(decision({ ancestors: [{ n }] })));
    rmSync(log, { recursive: true });
    writeSegment(
      log,
      1,
      large.map(({ record }) => record),
    );
    const [one = "", two = "", , four = ""] = large.map(({ beside }) => beside);
    // Lines of records that were refused, one of them torn; and the third's is gone.
    writeBeside(log, 1, [`${two}x`, one, '{"input":', one, two, four]);
    const { exit, events, err } = await exported("--format", "opa_decision_log");
    const inputs = events.map(({ input }) => input !== undefined);
    expect([exit, inputs]).to.deep.equal(["ok", [true, true, false, true]]);
    expect(err).to.match(/warning: what stood beside record 3 isn't there; it is exported without/);
  });

  it("stops without a word when whoever reads has had enough", () => {
    writeSegment(
      log,
      30,
      Array.from({ length: 2000 }, () => decision()),
    );
    const command = `"${process.execPath}" "${MAIN}" audit export "${log}" --format ocsf | head -n 1`;
    const { stdout, stderr } = spawnSync("sh", ["-c", command]);
    expect([stdout.toString().split("\n").length, stderr.toString()]).to.deep.equal([2, ""]);
  });

  it("leaves out a last line that is still being written", async () => {
    appendFileSync(join(log, "0000000000000011.jsonl"), '{"answer":{"dec');
    const { exit, events } = await exported("--format", "ocsf");
    expect([exit, events.length]).to.deep.equal(["ok", samples.length]);
  });

  it("says which records were removed, and gives the others", async () => {
    rmSync(join(log, "0000000000000001.jsonl"));
    const { exit, events, err } = await exported("--format", "ocsf");
    expect([exit, events.length]).to.deep.equal(["ok", samples.length - 10]);
    expect(err).to.match(/warning: records 1 to 10 are not there/);
  });

  // prettier-ignore
  const lacking: [what: string, damage: (lines: string[]) => unknown, left: number[], named: RegExp][] = [
    ["lacks a line", (lines) => lines.splice(3, 1), [1, 2, 3, 5, 6, 7, 8, 9, 10], /error: record 4 is not there/],
    ["lacks the last lines of a segment", (lines) => lines.splice(8, 2), [1, 2, 3, 4, 5, 6, 7, 8], /error: records 9 to 10 are not there/],
    ["has two lines joined", (lines) => lines.splice(3, 2, lines.slice(3, 5).join("")), [1, 2, 3, 6, 7, 8, 9, 10], /error: record 4 \(0+1\.jsonl at byte \d+\) can't be read: [^]*error: record 5 is not there/],
    ["has a line twice", (lines) => lines.splice(3, 0, lines[3] ?? ""), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], /error: record 5 .* can't be read: it says that it is record 4/],
    ["lacks a line, and has one behind it that is no record", (lines) => lines.splice(3, 3, lines[4] ?? "", "{"), [1, 2, 3, 5, 7, 8, 9, 10], /error: record 4 is not there[^]*error: 0+1\.jsonl at byte \d+ can't be read: [^]*error: record 6 is not there/],
    ["lacks all lines of a segment", (lines) => lines.splice(0), [], /error: records 1 to 10 are not there/],
  ];
  for (const [what, damage, left, named] of lacking) {
    it(`names what is missing of a log that ${what}, in every form, gives all else, and ends as invalid`, async () => {
      const path = join(log, "0000000000000001.jsonl");
      const lines = readFileSync(path, "utf8").trimEnd().split("\n");
      const whole = [...lines];
      damage(lines);
      writeFileSync(path, lines.map((line) => `${line}\n`).join(""));
      const behind = readFileSync(join(log, "0000000000000011.jsonl"), "utf8");
      const { exit, err } = await exported("--format", "json_lines");
      expect([exit, readFileSync(out, "utf8")]).to.deep.equal(["invalid", `${left.map((seq) => `${whole[seq - 1]}\n`).join("")}${behind}`]);
      expect(err).to.match(named);
      for (const format of ["ocsf", "cloudevents"]) {
        const ran = await exported("--format", format);
        expect([ran.exit, ran.events.length, ran.err]).to.deep.equal(["invalid", left.length + 19, err]);
      }
      const some = await exported("--format", "json_lines", "--from", "6", "--to", "12");
      expect(some.events.map(({ seq }) => seq)).to.deep.equal([...left.filter((seq) => seq >= 6), 11, 12]);
    });
  }

  const renumbered: [seqs: number[], to: number, exit: string, named: RegExp][] = [
    [[13, 14], 25, "invalid", /error: record 13 .* it says that it is record 913, [^]*error: record 14 .* it says that it is record 914, /],
    [[29], 29, "invalid", /error: record 29 is not there/],
    [[29], 28, "ok", /^exported {2}18 of 18 records/],
  ];
  for (const [seqs, to, ends, named] of renumbered) {
    it(`gives all others up to ${to}, and names those that aren't there, where ${seqs.join(" and ")} say higher numbers`, async () => {
      const path = join(log, "0000000000000011.jsonl");
      const altered = (said: string, seq: string): string => (seqs.includes(Number(seq)) ? `"seq":9${seq}` : said);
      writeFileSync(path, readFileSync(path, "utf8").replaceAll(/"seq":(\d+)/g, altered));
      const { exit, events, err } = await exported("--format", "json_lines", "--from", "11", "--to", String(to));
      const left = Array.from({ length: to - 10 }, (_, i) => 11 + i).filter((seq) => !seqs.includes(seq));
      expect([exit, events.map(({ seq }) => seq)]).to.deep.equal([ends, left]);
      expect(err).to.match(named);
    });
  }

  it("names a segment that is missing between others, and ends as invalid", async () => {
    writeSegment(log, 41, [decision()]);
    const { exit, events, err } = await exported("--format", "json_lines");
    expect([exit, events.length]).to.deep.equal(["invalid", samples.length + 1]);
    expect(err).to.match(/error: records 30 to 40 are not there; `remit audit verify` says what is wrong/);
    expect((await exported("--format", "json_lines", "--to", "29")).exit).to.equal("ok");
    expect((await exported("--format", "json_lines", "--to", "35")).err).to.match(/error: records 30 to 35 are not there/);
  });

  const damaged: [what: string, line: string, why: RegExp][] = [
    ["no JSON", "\u0000\u0001", /record 30 \(0+11\.jsonl at byte \d+\) can't be read: /],
    ["no record", "17", /can't be read: it is no record/],
    ["a record of no known kind", '{"kind":"constructor","seq":30}', /can't be read: it is no record of a known kind/],
    ["a record of another place", lineOf(decision(), 99).toString(), /record 30 .* can't be read: it says that it is record 99, /],
    ["a decision without answer", '{"kind":"decision","seq":30,"time":"x"}', /record 30 .* can't be read/],
  ];
  for (const [what, line, why] of damaged) {
    it(`gives all other records where one is ${what}, and ends as invalid`, async () => {
      writeFileSync(join(log, "0000000000000011.jsonl"), `${line}\n`, { flag: "a" });
      writeSegment(log, 31, [decision()]);
      for (const format of ["json_lines", "ocsf"]) {
        const { exit, events, err } = await exported("--format", format);
        const isRecord = format === "json_lines" && line.includes('"kind":"decision","seq":30');
        expect([exit, events.length]).to.deep.equal(isRecord ? ["ok", samples.length + 2] : ["invalid", samples.length + 1]);
        if (!isRecord) expect(err).to.match(why);
      }
    });
  }

  it("ends as invalid, and leaves no file, at a line that no record is as long as", async () => {
    appendFileSync(join(log, "0000000000000011.jsonl"), "x".repeat(3_000_000));
    const { exit, err } = await exported("--format", "json_lines");
    expect([exit, existsSync(out)]).to.deep.equal(["invalid", false]);
    expect(err).to.match(/record 30 at byte \d+ is longer than/);
  });

  const wrong: [args: string[], exit: string, err: RegExp][] = [
    [["--format", "csv"], "usage", /Allowed choices are json_lines/],
    [[], "usage", /--format/],
    [["--format", "ocsf", "--from", "yesterday"], "usage", /record's number, from 1, an RFC 3339 date-time, a date, or how long ago/],
    [["--format", "ocsf", "--from", "0"], "usage", /record's number/],
    [["--format", "ocsf", "--kind", "everything"], "usage", /Allowed choices are decision/],
    [["--format", "ocsf", "--out", "/nowhere/at/all"], "failed", /the folder `\/nowhere\/at` does not exist/],
  ];
  for (const [args, exit, err] of wrong) {
    it(`refuses ${args.join(" ") || "nothing"}`, async () => {
      const ran = await exported(...args);
      expect(ran.exit).to.equal(exit);
      expect(ran.err).to.match(err);
    });
  }

  for (const place of ["nothing", "state"]) {
    it(`refuses a folder that has no records: ${place}`, async () => {
      const ran = await remit("audit", "export", join(folder, place), "--format", "ocsf");
      expect(ran.exit).to.equal("invalid");
      expect(ran.err).to.match(/there are no records in `.*`\n.*hint: it is the folder that `log\.dir` names/);
    });
  }
});
