import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { SearchEngine } from "../../src/records/engine.js";
import { openSql, type SqlTables } from "../../src/records/sql.js";
import { rebuildRecords } from "../../src/records/table_opening.js";
import { asset } from "../../src/system/paths.js";
import { remit } from "../cli/remit.js";
import { RandomLog } from "./random_log.js";

/** Each block of the page that is SQL, under the question before it. */
function questionsOf(page: string): [question: string, sql: string][] {
  return [...page.matchAll(/\n([^\n]+\?)\n\n```sql\n([^`]*)```/g)].map(([, question = "", sql = ""]) => [question, sql]);
}

describe("remit audit sql", function () {
  const folder = mkdtempSync(join(tmpdir(), "remit-sql-"));
  const log = join(folder, "log");
  let written: RandomLog;
  let tables: SqlTables;
  const sql = (...args: string[]): ReturnType<typeof remit> => remit("audit", "sql", "--log", log, ...args);

  before(async () => {
    rmSync(log, { recursive: true, force: true });
    const { mkdirSync } = await import("node:fs");
    mkdirSync(log);
    written = new RandomLog(log, { segment_bytes: 400_000 }).grow(1_500);
    const facts = {
      agent: { owner: "team", version: "1.2" },
      behavior: { risk: 80, channels: { novelty: 2.5 } },
      principal: "p-1",
      task: { root: "T-0" },
    };
    const { record } = written.written.findLast(({ record }) => record["kind"] === "decision" && record["input"] !== undefined) ?? {};
    const answer = { ...(record?.["answer"] as object), decision: "flag", wait: { for: "approval", until: "2026-12-01T00:00:00Z" } };
    written.add({ ...record, answer, input: { ...(record?.["input"] as object), facts }, act: { class: "read", relation: "own" } });
    await rebuildRecords(log, () => undefined);
    tables = await openSql(log, () => undefined);
  });
  after(() => {
    tables.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const page = readFileSync(asset("docs", "records-sql.md"), "utf8");
  const questions = questionsOf(page);
  it("has twenty questions on its page", () => {
    expect(questions).to.have.lengthOf(20);
  });
  for (const [question, text] of questions)
    it(`answers: ${question}`, async () => {
      const { rows } = await tables.ask(text, 1_000);
      // A random log has no nights.
      if (!question.includes("at night")) expect(rows).to.not.deep.equal([]);
    });

  it("counts what the log has, sealed and open", async () => {
    const { rows } = await tables.ask("select kind, count(*) from records group by all order by kind", 100);
    const kinds = written.written.map(({ record }) => String(record["kind"])).sort();
    expect(rows.map(([kind, count]) => [kind, Number(count)])).to.deep.equal(
      [...new Set(kinds)].map((kind) => [kind, kinds.filter((one) => one === kind).length]),
    );
    const denied = written.written.filter(({ record }) => (record["answer"] as { decision?: string } | undefined)?.decision === "deny");
    expect((await sql("--format", "json", "select count(*) as n from decisions where decision = 'deny'")).out).to.equal(
      `{"n":${denied.length}}\n`,
    );
  });

  it("prints a table, JSON, CSV, or writes Parquet", async () => {
    const query = "select 1 as a, '=1+1' as b, null as c, ['x,y'] as d";
    expect((await sql(query)).out).to.equal('a  b     c  d\n1  =1+1  -  ["x,y"]\n');
    expect((await sql("--format", "json", query)).out).to.equal('{"a":1,"b":"=1+1","c":null,"d":["x,y"]}\n');
    expect((await sql("--format", "csv", query)).out).to.equal(`a,b,c,d\n1,'=1+1,,"[""x,y""]"\n`);
    const output = join(folder, "out.parquet");
    expect((await sql("--format", "parquet", "--output", output, `${query};`)).exit).to.equal("ok");
    expect(readFileSync(output).subarray(0, 4).toString()).to.equal("PAR1");
    const limited = await sql("--limit", "3", "select seq from records order by seq");
    expect(limited.out).to.equal("seq\n1\n2\n3\n");
    expect(limited.err).to.match(/(^|\n)there are more rows; --limit says how many to print\n$/);
  });

  it("writes a folder with a file for each day, as data lakes have them", async () => {
    const lake = join(folder, "lake");
    const byDay = ["--format", "parquet", "--by-day", "--output", lake, "from records"];
    expect((await sql(...byDay)).exit).to.equal("ok");
    const days = readdirSync(lake).map((name) => name.replace("date=", ""));
    const { rows } = await tables.ask("select distinct strftime(time, '%Y-%m-%d') from records order by all", 100);
    expect(days.sort()).to.deep.equal(rows.flat());
    const engine = await SearchEngine.open({ memory_mb_max: 200, query_ms_max: 10_000 });
    const [found] = await engine.rows(
      `select count(*)::int as records, (count(*) filter (strftime(time, '%Y-%m-%d') <> date::varchar))::int as elsewhere
        from read_parquet('${lake}/**/*.parquet', hive_partitioning = true)`,
    );
    engine.close();
    expect(found).to.deep.equal({ records: written.written.length, elsewhere: 0 });
    const again = await sql(...byDay);
    expect([again.exit, again.err]).to.deep.include("invalid");
    expect(again.err).to.contain("is there already");
    expect((await sql("--by-day", "from records")).exit).to.equal("usage");
    const timeless = await sql("--format", "parquet", "--by-day", "--output", join(folder, "none"), "select agent from records");
    expect([timeless.exit, existsSync(join(folder, "none"))]).to.deep.equal(["invalid", false]);
  });

  const own = (): string =>
    join(log, "records", "parquet", readdirSync(join(log, "records", "parquet")).find((name) => name.endsWith(".parquet")) ?? "");
  const refused: [what: string, sql: () => string, why: RegExp][] = [
    ["another file", () => "select * from read_csv('/etc/passwd')", /Permission Error/],
    ["another file as text", () => "select * from read_text('/etc/passwd')", /Permission Error/],
    ["another file by its name alone", () => "select * from '/etc/passwd.csv'", /Permission Error|Catalog Error/],
    ["a folder's names", () => "select * from glob('/etc/*')", /Permission Error/],
    ["the log's own lines", () => `select * from read_json('${join(log, "0000000000000001.jsonl")}')`, /Permission Error/],
    [
      "another file of the records' folder",
      () =>
        `select * from read_text('${own()
          .replace("parquet/0", "parquet/./0")
          .replace(/parquet$/, "json")}')`,
      /Permission Error/,
    ],
    ["an address", () => "select * from read_parquet('http://127.0.0.1:1/x.parquet')", /Permission Error/],
    ["to write a file", () => `copy records to '${join(folder, "x.csv")}'`, /Permission Error/],
    ["to write over a file of the records", () => `copy (select 1) to '${own()}'`, /only SELECT/],
    ["to export", () => `export database '${join(folder, "x")}'`, /only SELECT|Permission/],
    ["to attach", () => `attach '${join(folder, "x.db")}'`, /only SELECT/],
    ["to install", () => "install httpfs", /only SELECT/],
    ["to load", () => "load httpfs", /only SELECT/],
    ["to set what is allowed", () => "set enable_external_access = true", /only SELECT/],
    ["to unlock", () => "reset lock_configuration", /only SELECT/],
    ["a pragma that sets", () => "pragma memory_limit = '8GB'", /only SELECT/],
    ["to create", () => "create table x (y int)", /only SELECT/],
    ["to drop", () => "drop view records", /only SELECT/],
    ["to insert", () => "insert into no_records select * from records", /only SELECT/],
    ["two statements", () => "select 1; drop view records", /one statement/],
    ["nothing", () => " -- nothing", /one statement/],
    ["what isn't there", () => "select nope from records", /Binder Error/],
    ["what is no SQL", () => "who did it", /Parser Error/],
  ];
  for (const [what, text, why] of refused)
    it(`refuses ${what}`, async () => {
      const before = readFileSync(own());
      for (const format of [[], ["--format", "parquet", "--output", join(folder, "no.parquet")]]) {
        const ran = await sql(...format, text());
        expect([ran.exit, ran.out]).to.deep.equal(["invalid", ""]);
        expect(ran.err).to.match(why);
      }
      expect(existsSync(join(folder, "no.parquet"))).to.equal(false);
      expect(readFileSync(own()).equals(before)).to.equal(true);
    });

  it("refuses to leave a statement's parentheses", async () => {
    const out = join(folder, "escaped.csv");
    const ran = await sql("--format", "parquet", "--output", join(folder, "no.parquet"), `select 1) to '${out}' (format csv); --`);
    expect([ran.exit, existsSync(out)]).to.deep.equal(["invalid", false]);
  });

  it("ends what takes too much memory", async () => {
    const ran = await sql(
      "select count(*) from (select a.seq, b.seq as other, random() as r from records a, records b, range(1000) order by r, other, a.seq)",
    );
    expect(ran.exit).to.equal("invalid");
    expect(ran.err).to.match(/more memory|longer than/);
  });
});
