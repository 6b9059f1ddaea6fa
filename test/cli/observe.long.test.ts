import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { Exit } from "../../src/cli/exit.js";
import { EVERY, ask, runWithFacts, withAgent } from "../http/asking.js";
import { REQUEST, tokenFor, type Running } from "../http/running.js";
import { remit, type Ran } from "./remit.js";

describe("what is told of actions afterwards, on the command line", function () {
  let service: Running;
  let folder: string;
  const asked = (...args: string[]): Promise<Ran> =>
    remit(...args, "--url", service.url, "--token", tokenFor("remit:decide remit:observe"));

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "remit-cli-observe-"));
    service = await runWithFacts({ observe: { lines_max: 2000, refused_max: 500 } });
    await withAgent(service);
  });
  after(async () => {
    rmSync(folder, { recursive: true, force: true });
    await service.stop();
  });

  const line = (id: string, changes: object = {}): string =>
    `${JSON.stringify({ ...REQUEST, resource: { ...REQUEST.resource, id }, at: new Date().toISOString(), ...changes })}\n`;
  const file = (text: string): string => {
    const path = join(folder, "actions.jsonl");
    writeFileSync(path, text);
    return path;
  };
  const recorded = (): number =>
    readdirSync(join(service.folder, "log"))
      .filter((name) => name.endsWith(".jsonl"))
      .map((name) => readFileSync(join(service.folder, "log", name), "utf8").split('"kind":"observed"').length - 1)
      .reduce((sum, count) => sum + count, 0);

  describe("remit observe", () => {
    it("reports a file, and says what became of it", async () => {
      const { exit, out, err } = await asked("observe", file(line("n-1") + line("n-2", { agent: "nobody" })));
      expect([exit, err]).to.deep.equal(["ok", ""]);
      expect(out).to.match(/^2 on record, up to record \d+; 1 would have been denied, 0 flagged\n$/);
    });

    it("names the lines that were refused, by their numbers in the file", async () => {
      const { exit, out, err } = await asked("observe", file(`${line("n-1")}x\n${line("n-3", { at: "soon" })}`));
      expect(exit).to.equal("invalid");
      expect(out).to.contain("1 on record");
      expect(err).to.contain("refused: line 2: json_invalid").and.contain("refused: line 3: time_invalid, at /at");
    });

    it("passes over blank lines, at the end too", async () => {
      const { exit, out, err } = await asked("observe", file(`\n${line("n-1")}  \r\n${line("n-2")}\n`));
      expect([exit, err]).to.deep.equal(["ok", ""]);
      expect(out).to.contain("2 on record");
    });

    it("reports nothing too, so that a sensor with nothing to tell is heard", async () => {
      expect(await asked("observe", file(""))).to.include({ exit: "ok", err: "" });
      const nowhere = await remit("observe", file(""), "--url", "http://127.0.0.1:9", "--token", "t");
      expect(nowhere.exit).to.equal("unavailable");
      const nobody = await remit("observe", file(""), "--url", service.url, "--token", "t");
      expect(nobody.exit).to.equal("refused");
    });

    it("sends a large file in parts, with one summary", async () => {
      const before = recorded();
      const long = { context: { session: "s".repeat(200), source: "x".repeat(200), trace: "t".repeat(200) } };
      const text = Array.from({ length: 2500 }, (_, i) => (i === 2400 ? "bad\n" : line(`n-${i}`, long))).join("");
      expect(Buffer.byteLength(text)).to.be.above(1024 * 1024);
      const { exit, out } = await asked("observe", file(text), "--json");
      expect(exit).to.equal("invalid");
      const { refused, ...said } = JSON.parse(out) as { refused: { line: number }[]; accepted: number };
      expect(said).to.include({ ok: false, accepted: 2499, stopped: null });
      expect(refused.map(({ line }) => line)).to.deep.equal([2401]);
      expect(recorded() - before).to.equal(2499);
    });

    it("says where it stopped, and goes on from there", async () => {
      const text = Array.from({ length: 2005 }, (_, i) => line(`n-${i}`)).join("");
      const stopped = await asked("observe", file(text));
      expect(stopped.exit).to.equal("unavailable");
      expect(stopped.err).to.contain("nothing from line 2001 on was taken: lines_too_many").and.contain("--from 2001");
      const rest = await asked("observe", file(text), "--from", "2001");
      expect([rest.exit, rest.out.split(";")[0]?.split(",")[0]]).to.deep.equal(["ok", "5 on record"]);
    });

    const refused: [what: string, run: () => Promise<Ran>, exit: Exit, says: string][] = [
      [
        "a token that may not",
        () => remit("observe", file(line("n-1")), "--url", service.url, "--token", tokenFor("remit:decide")),
        "refused",
        "scope_missing",
      ],
      ["no service", () => remit("observe", file(line("n-1")), "--url", "http://127.0.0.1:1", "--token", "x"), "unavailable", "no answer"],
      ["no such file", () => asked("observe", join(folder, "nothing")), "failed", "does not exist"],
      ["a line of a megabyte", () => asked("observe", file("x".repeat(1_100_000))), "invalid", "longer than"],
      ["a line that is none", () => asked("observe", file(line("n-1")), "--from", "0"), "usage", "whole number"],
    ];
    for (const [what, run, exit, says] of refused) {
      it(`fails on ${what}`, async () => {
        const ran = await run();
        expect([ran.exit, ran.err.includes(says)], ran.err).to.deep.equal([exit, true]);
      });
    }
  });

  describe("remit outcome", () => {
    const decide = async (changes: object = {}): Promise<string> => {
      const { body } = await ask(service, "POST", "/decide", { body: { ...REQUEST, ...changes }, token: EVERY });
      return String(body["decision_id"]);
    };

    it("puts an outcome on record, and says it again when asked again", async () => {
      const id = await decide();
      const first = await asked("outcome", id, "done", "--took-ms", "12", "--amount", "3", "--json");
      expect(first.exit).to.equal("ok");
      expect(JSON.parse(first.out)).to.include({ decision_id: id, outcome: "done", took_ms: 12, amount: 3 });
      const again = await asked("outcome", id, "done", "--took-ms", "12", "--amount", "3", "--json");
      expect(again.out).to.equal(first.out);
    });

    const refused: [what: string, args: () => Promise<string[]>, exit: Exit, says: string][] = [
      [
        "another outcome of the same",
        async () => {
          const id = await decide();
          await asked("outcome", id, "done");
          return [id, "failed"];
        },
        "conflict",
        "outcome_exists",
      ],
      ["what was denied", async () => [await decide({ agent: "nobody" }), "done"], "conflict", "decision_not_permitted"],
      [
        "a decision that never was",
        () => Promise.resolve(["0197f0c2-5f0e-7b2a-9d55-3f1f6a3c9e10", "done"]),
        "missing",
        "decision_not_found",
      ],
      ["an outcome that is none", async () => [await decide(), "fine"], "usage", "done"],
      ["an answer that isn't there", async () => [await decide(), "done", "--returned", "nowhere.json"], "failed", "nowhere.json"],
      ["a time that is none", async () => [await decide(), "done", "--took-ms", "soon"], "usage", "a number"],
    ];
    for (const [what, args, exit, says] of refused) {
      it(`fails on ${what}`, async () => {
        const ran = await asked("outcome", ...(await args()));
        expect([ran.exit, ran.err.includes(says)], ran.err).to.deep.equal([exit, true]);
      });
    }
  });
});
