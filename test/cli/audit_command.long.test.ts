import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import type { FoundRecord, ShownRecord, SummaryGroup } from "../../src/contract/index.js";
import { terminal } from "../../src/cli/ui.js";
import { run } from "../../src/cli/main.js";
import { rebuildRecords } from "../../src/records/table_opening.js";
import { RandomLog } from "../records/random_log.js";
import { ask, runWithFacts, withAgent } from "../http/asking.js";
import { REQUEST, tokenFor, type Running } from "../http/running.js";
import { remit, type Ran } from "./remit.js";

const MAIN = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

describe("remit audit", function () {
  const folders: string[] = [];
  const folder = (): string => {
    const made = mkdtempSync(join(tmpdir(), "remit-audit-"));
    folders.push(made);
    return made;
  };
  after(() => {
    for (const made of folders) rmSync(made, { recursive: true, force: true });
  });
  const lines = ({ out }: Ran): string[] => out.trimEnd().split("\n");
  const json = <T>(ran: Ran): T[] => (ran.out === "" ? [] : lines(ran).map((line) => JSON.parse(line) as T));

  describe("asking a service:", () => {
    let service: Running;
    const token = tokenFor("remit:audit", "auditor-1");
    const audit = (...args: string[]): Promise<Ran> => remit("audit", ...args, "--url", service.url, "--token", token);
    const decide = async (changes: object = {}): Promise<string> =>
      String((await ask(service, "POST", "/decide", { body: { ...REQUEST, ...changes } })).body["decision_id"]);
    let id = "";

    before(async () => {
      service = await runWithFacts();
      await withAgent(service);
      const expires = new Date(Date.now() + 3_600_000).toISOString();
      await ask(service, "POST", "/tasks", {
        body: { id: "T-1", agent: "a-1", purpose: "testing", expires, subjects: { customer: ["ada"] } },
      });
      id = await decide({ task: "T-1" });
      await ask(service, "POST", `/decisions/${id}/outcome`, { body: { outcome: "done", took_ms: 7 } });
      await decide({ agent: "nobody", resource: { type: "note", id: "n-2", attributes: { customer: "ada" } } });
    });
    after(() => service.stop());

    it("finds records and shows them as a table, or one a line as JSON", async () => {
      const { exit, out } = await audit("query", "--agent", "a-1", "--agent", "a-1");
      expect(exit).to.equal("ok");
      expect(out).to.match(
        /^record +time +what +who +action +why +outcome\n\d+ +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} +allow +a-1 +read note n-1 +permitted +done\n$/,
      );
      const [found, ...more] = json<FoundRecord>(await audit("query", "--decision", "deny", "--json"));
      expect([found?.action?.agent, more]).to.deep.equal(["nobody", []]);
      expect(await audit("query", "--agent", "a-77")).to.include({ exit: "ok", out: "", err: "there are none\n" });
      expect((await audit("query", "--kind", "facts", "--key", "agent/a-1")).out).to.contain("agent_created agent/a-1");
      expect((await audit("query", "--kind", "service", "--kind", "bundle", "--limit", "1")).err).to.contain("there are more");
    });

    it("shows one record by its id or number, with why and what became of it", async () => {
      const { exit, out } = await audit("show", id);
      expect(exit).to.equal("ok");
      expect(out)
        .to.match(/^reason +allow +\w+ +permitted +/m)
        .and.match(/^said +done +.* in 7 ms$/m)
        .and.match(/^for +testing, task T-1$/m);
      const [shown] = json<ShownRecord>(await audit("show", id, "--json"));
      expect((await audit("show", String(shown?.seq))).out).to.equal(out);
      const none = "0190a5e4-7c1a-7000-8000-000000000001";
      expect(await audit("show", none)).to.include({ exit: "missing", err: `error: there is no record \`${none}\`\n` });
    });

    it("tells a task as a story, with what became of the task", async () => {
      const { out, exit } = await audit("timeline", "--task", "T-1");
      expect(exit).to.equal("ok");
      const [day, created, action, ...rest] = lines({ out, err: "", exit });
      expect(day).to.match(/^\d{4}-\d\d-\d\d$/);
      expect(created).to.match(/^ {2}\d\d:\d\d:\d\d\.\d{3} {2}facts +task_created task\/T-1/);
      expect(action).to.match(/ {2}allow +read note n-1 +a-1 +permitted +done$/);
      expect(rest).to.deep.equal(["", "task T-1: 1 allow"]);
      expect((await audit("timeline", "--agent", "nobody")).out).to.contain("read note n-2 – not done");
      expect((await audit("timeline")).exit).to.equal("usage");
    });

    it("says who touched a resource, what was denied, and what is new", async () => {
      expect((await audit("who", "note", "n-1")).out).to.match(/^a-1 +testing +read +allow +1 /m);
      expect(json<SummaryGroup>(await audit("who", "note", "n-", "--prefix", "--json")).map(({ of }) => of["agent"])).to.have.members([
        "a-1",
        "nobody",
      ]);
      expect((await audit("denied")).out).to.match(/^agent_unknown +\w+ +1 /m);
      expect((await audit("denied", "--agent", "a-1")).err).to.contain("nothing was denied");
      expect((await audit("new")).out)
        .to.match(/agent +nobody +\d+/)
        .and.contain("habit");
      for (const from of ["2999-01-01T00:00:00Z", "2999-01-01"])
        expect((await audit("new", "--from", from)).err).to.contain("nothing is new");
    });

    it("follows records as they come", async () => {
      const ran = audit("follow", "--prefix", "f-", "--limit", "2", "--after", "0", "--json");
      for (const name of ["f-1", "g-1", "f-2"]) await decide({ resource: { type: "note", id: name, attributes: { customer: "ada" } } });
      expect(json<FoundRecord>(await ran).map(({ action }) => action?.id)).to.deep.equal(["f-1", "f-2"]);
    });

    it("tells what was observed as what happened, and when, also where it wouldn't have been let", async () => {
      const file = join(folder(), "actions.jsonl");
      const at = new Date(Date.now() - 60_000).toISOString();
      writeFileSync(file, JSON.stringify({ ...REQUEST, agent: "stray", at, outcome: "done" }));
      await remit("observe", file, "--url", service.url, "--token", tokenFor("remit:observe"));
      const { out } = await audit("timeline", "--agent", "stray");
      expect(out)
        .to.match(/deny \(observed\) +read note n-1 +\w+ +done$/m)
        .and.not.contain("not done");
      const [{ seq } = { seq: 0 }] = json<FoundRecord>(await audit("query", "--agent", "stray", "--json"));
      expect(json<FoundRecord>(await audit("query", "--agent", "stray", "--outcome", "done", "--json"))).to.have.lengthOf(1);
      expect((await audit("query", "--agent", "stray", "--outcome", "failed")).err).to.contain("there are none");
      const shown = (await audit("show", String(seq))).out;
      expect(shown).to.contain(`happened  ${at.slice(0, 10)} ${at.slice(11, 23)}, as its caller says`);
    });

    const refused: [args: string[], exit: string, err: RegExp][] = [
      [["query", "--kind", "thought"], "invalid", /parameter_invalid.*kind.*expected one of decision/],
      [["query", "--bundle", "latest"], "invalid", /parameter_invalid.*bundle/],
      [["query", "--from", "yesterday"], "usage", /RFC 3339 date-time, a date, or how long ago/],
      [["query", "--from", "2026-02-30"], "usage", /RFC 3339 date-time, a date, or how long ago/],
      [["query", "--severity", "mild"], "usage", /Allowed choices are info/],
      [["query", "--limit", "0"], "usage", /whole number from 1/],
      [["query", "--colour", "red"], "usage", /unknown option/],
      [["show"], "usage", /missing required argument/],
      [["query", "--token", tokenFor("remit:decide")], "refused", /scope_missing/],
      [["follow", "--after", "x"], "usage", /--after <record>/],
    ];
    for (const [args, exit, err] of refused) {
      it(`refuses ${args.slice(0, 3).join(" ").slice(0, 60)}: ${exit}`, async () => {
        const url = ["--url", service.url, ...(args.includes("--token") ? [] : ["--token", token])];
        const ran = await remit("audit", ...args, ...url);
        expect([ran.exit, ran.out]).to.deep.equal([exit, ""]);
        expect(ran.err).to.match(err);
      });
    }
  });

  describe("reading a folder:", () => {
    it("answers as a service does, and leaves the folder as it was", async () => {
      const log = folder();
      const written = new RandomLog(log).grow(600);
      const before = readdirSync(log);
      const found = json<FoundRecord>(await remit("audit", "query", "--log", log, "--decision", "deny", "--limit", "1000", "--json"));
      const denied = written.written.filter(({ record }) => (record["answer"] as { decision?: string } | undefined)?.decision === "deny");
      expect(found.map(({ record }) => record)).to.deep.equal(denied.map(({ record }) => record).reverse());
      expect(readdirSync(log)).to.deep.equal(before);
      expect((await remit("audit", "show", "--log", log, "17", "--json")).exit).to.equal("ok");
      expect((await remit("audit", "show", "--log", log, "601")).exit).to.equal("missing");
      expect((await remit("audit", "denied", "--log", log)).exit).to.equal("ok");
      expect((await remit("audit", "query", "--log", log, "--kind", "thought")).err).to.match(/kind/);
      for (const kind of ["decision", "observed", "facts", "bundle", "service", "refusal", "admin", "outcome", "lost"]) {
        const ran = await remit("audit", "query", "--log", log, "--kind", kind, "--limit", "3");
        expect([ran.exit, lines(ran).length], kind).to.deep.equal(["ok", 4]);
      }
    });

    /** Standard error without the progress of indexing, which a busy machine prints after a second. */
    const warnings = ({ err }: Ran): string => err.replaceAll(/^indexing .*\n/gm, "");

    it("finds what is there of a log that lacks a line, and says that it does", async () => {
      const log = folder();
      const { written } = new RandomLog(log, { segment_bytes: 100_000 }).grow(5_000);
      await rebuildRecords(log, () => undefined);
      const [name = ""] = readdirSync(log).filter((file) => file.endsWith(".jsonl"));
      writeFileSync(join(log, name), readFileSync(join(log, name), "utf8").split("\n").toSpliced(50, 1).join("\n"));
      const warning = "warning: record 51 is missing or can't be read; `remit audit verify` says what is wrong\n";
      const sixty = await remit("audit", "show", "--log", log, "60", "--json");
      expect([sixty.exit, warnings(sixty)]).to.deep.equal(["ok", warning]);
      expect(json<ShownRecord>(sixty)[0]?.record).to.deep.equal(written[59]?.record);
      expect(await remit("audit", "show", "--log", log, "51")).to.include({ exit: "missing" });
      for (const kind of ["facts", "decision"]) {
        const ran = await remit("audit", "query", "--log", log, "--kind", kind, "--oldest", "--limit", "9999", "--json");
        const left = written.filter(({ record }) => record["kind"] === kind && record.seq !== 51);
        expect(json<FoundRecord>(ran).map(({ record }) => record)).to.deep.equal(left.map(({ record }) => record));
        expect(warnings(ran)).to.equal(warning);
      }
      const rebuilt = await remit("audit", "rebuild-index", "--log", log);
      expect({ ...rebuilt, err: warnings(rebuilt) }).to.include({ exit: "ok", out: "rebuilt  up to record 5000\n", err: warning });
      const again = await remit("audit", "show", "--log", log, "60", "--json");
      expect({ ...again, err: warnings(again) }).to.deep.equal({ ...sixty, err: warning });
    });

    it("says that what stood beside a record is missing, and takes nobody else for who did it", async () => {
      const log = folder();
      const written = new RandomLog(log);
      const request = { agent: "support-7", purpose: "refunds", task: "T-1", verb: "read", resource: { type: "note", id: "n-1" } };
      written.decide();
      const answer = written.written[0]?.record["answer"];
      const large = written.add({ kind: "decision", caller: "gateway-1", answer, asked: "2026-11-25T00:00:00Z" }, { input: { request } });
      const show = (...args: string[]): Promise<Ran> => remit("audit", "show", "--log", log, String(large), ...args);
      const before = await show();
      expect(before.out)
        .to.match(/^who +support-7$/m)
        .and.match(/^for +refunds, task T-1$/m)
        .and.not.contain("missing");
      for (const name of readdirSync(log)) if (name.endsWith(".beside")) rmSync(join(log, name));
      const { exit, out } = await show();
      expect(exit).to.equal("ok");
      expect(out)
        .to.match(/^missing +what stood beside the record is not there, .*`remit audit verify` says more$/m)
        .and.match(/^who +\?$/m)
        .and.match(/^action +\?$/m)
        .and.match(/^caller +gateway-1$/m)
        .and.not.contain("{}");
      expect(json<ShownRecord>(await show("--json"))[0]).to.include({ beside: null, beside_missing: true });
      expect((await remit("audit", "query", "--log", log)).out).to.match(new RegExp(`^${large} .* \\? +\\? `, "m"));
    });

    it("makes the index anew where no service has the folder", async () => {
      const log = folder();
      new RandomLog(log, { segment_bytes: 1_000_000 }).grow(5_000);
      const [made, earlier] = [join(log, "records", "parquet"), join(log, "index.db")];
      mkdirSync(made, { recursive: true });
      writeFileSync(join(made, "0000000000000001.parquet"), "damaged".repeat(2000));
      writeFileSync(earlier, "");
      expect(await remit("audit", "rebuild-index", "--log", log)).to.include({ exit: "ok", out: "rebuilt  up to record 5000\n" });
      expect([existsSync(earlier), readFileSync(join(made, "0000000000000001.parquet")).subarray(0, 4).toString()]).to.deep.equal([
        false,
        "PAR1",
      ]);
      expect((await remit("audit", "query", "--log", log, "--limit", "1")).exit).to.equal("ok");
      const service = await runWithFacts();
      try {
        expect((await remit("audit", "rebuild-index", "--log", join(service.folder, "log"))).err).to.contain("stop that one");
      } finally {
        await service.stop();
      }
    });

    it("leaves no index behind that it made for itself, when whoever follows has seen enough", async () => {
      const [log, temporary] = [folder(), folder()];
      const written = new RandomLog(log).grow(4_200);
      const args = [MAIN, "audit", "follow", "--log", log, "--after", "0", "--json"];
      const child = spawn(process.execPath, args, { env: { ...process.env, TMPDIR: temporary }, stdio: ["ignore", "pipe", "inherit"] });
      let told = "";
      for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
        if (told === "") {
          // It has none of its own in the folder, and goes on until it is ended.
          expect(readdirSync(temporary)).to.have.lengthOf(1);
          child.kill("SIGINT");
        }
        told += chunk.toString();
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      expect([child.signalCode, readdirSync(temporary)]).to.deep.equal(["SIGINT", []]);
      expect((JSON.parse(told.slice(0, told.indexOf("\n"))) as FoundRecord).seq).to.be.at.most(written.last);
    });

    it("refuses what is no log", async () => {
      const empty = folder();
      mkdirSync(join(empty, "sub"));
      expect((await remit("audit", "query", "--log", empty)).exit).to.equal("invalid");
      expect((await remit("audit", "query", "--log", join(empty, "none"))).exit).to.equal("invalid");
      expect((await remit("audit", "rebuild-index", "--log", join(empty, "none"))).exit).to.equal("invalid");
      expect((await remit("audit", "rebuild-index", "--log", empty)).exit).to.equal("invalid");
      expect(readdirSync(empty)).to.deep.equal(["sub"]);
    });
  });

  it("lets no record move a cursor, break a line, paint, or come out of --json as another", async () => {
    const log = folder();
    const nasty = "\u001b[2J\u001b[31mred\n\r\tfake line\u202e\u0007\u2028\u009b1m<b>";
    const written = new RandomLog(log);
    const { seq, id } = written.decide(
      { caller: nasty },
      { reasons: [{ effect: "deny", code: nasty, severity: nasty, message: nasty, params: {} }], decision: "deny" },
      { agent: nasty, task: nasty, purpose: nasty, verb: nasty, resource: { type: nasty, id: nasty } },
    );
    written.add({ kind: "outcome", decision_id: id, outcome: "done", caller: nasty, detail: nasty });
    written.add({
      kind: "facts",
      caller: nasty,
      change: nasty,
      facts_revision: 1,
      reason: nasty,
      agent: { id: nasty },
    });
    written.add({ kind: "refusal", code: nasty, count: 1, since: nasty });
    written.add({ kind: "admin", caller: nasty, action: nasty, detail: { nasty } });
    written.add({ kind: "service", change: nasty, version: nasty, durability: nasty, origin: nasty, keys: [nasty] });
    written.add({ kind: "bundle", change: nasty, from: nasty, code: nasty });
    const shown = async (...args: string[]): Promise<string> => {
      let said = "";
      const stream = { isTTY: true, write: (text: string) => (said += text) };
      await run(["audit", ...args, "--log", log], terminal(stream, stream, {}));
      // Its own colours apart.
      return said.replaceAll(/\u001b\[(?:1|2|22|3[1236]|39)m/g, (style) => (style === "\u001b[31m" ? style : ""));
    };
    const kinds = ["decision", "facts", "refusal", "admin", "service", "bundle", "outcome"].flatMap((kind) => ["--kind", kind]);
    const commands: [args: string[], rows: number | null][] = [
      [["query", ...kinds], 8],
      [["show", String(seq)], null],
      [["show", "3"], null],
      [["timeline", "--agent", nasty], null],
      [["who", nasty, nasty], 2],
      [["denied"], 3],
      [["new", "--from", "2000-01-01T00:00:00Z"], null],
    ];
    for (const [args, rows] of commands) {
      const said = await shown(...args);
      expect(said.replaceAll("\u001b[31m", ""), args[0]).not.to.match(/[^\P{C}\n\ue000-\uf8ff]/u);
      expect(said, args[0]).not.to.match(/\u001b\[31mred/);
      if (rows !== null) expect(said.trimEnd().split("\n"), args[0]).to.have.lengthOf(rows);
    }
    for (const line of json<FoundRecord>(await remit("audit", "query", ...kinds, "--log", log, "--json"))) {
      expect(written.written.map(({ record }) => record)).to.deep.include(line.record);
    }
  });

  it("says for each command what it does, with examples", async () => {
    for (const command of ["query", "show", "follow", "who", "timeline", "denied", "new", "rebuild-index"]) {
      const { exit, out } = await remit("audit", command, "--help");
      expect([exit, /Examples:\n {2}\$ remit audit /.test(out)], command).to.deep.equal(["ok", true]);
    }
  });
});
