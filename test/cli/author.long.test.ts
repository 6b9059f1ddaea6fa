/** What an author has beside `test` and `build`: the gate, explanations, tokens for development, and tests after each change. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync, renameSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { watching } from "../../src/cli/policy/set_changes.js";
import { asset } from "../../src/system/paths.js";
import { developmentKey } from "../../demo/sandbox.js";
import { COMPILER_BUILD_MS_MAX } from "../build/support.js";
import { remit } from "./remit.js";

const DESK = asset("rego", "policies", "customer_support");

describe("an author's commands", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  let folder = "";
  const at = (...parts: string[]): string => join(folder, ...parts);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "remit-author-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("say of a stopped case what was tried, where a rule stopped, and what would let it pass", async () => {
    const asked = ["explain", "--set", DESK, "--table", "Replies and refunds", "--case", "more than was paid"];
    const { exit, out } = await remit(...asked);
    expect(exit).to.equal("denied");
    expect(out).to.match(/allow {2}customer_support.allow.6 {2}applies/);
    expect(out).to.match(/refund_exceeds_payment {2}fires .*rules.rego:46\n +not +cents <= paid +rules.rego:60/);
    expect(out).to.include("arguments.refund_cents were 4900 (it is 4901)").and.include("no grant lifts this");
    const { out: json } = await remit(...asked, "--json");
    expect((JSON.parse(json) as { explanation: { would_pass: { grant: string } } }).explanation.would_pass.grant).to.equal("lifts_nothing");
  });

  it("end where the port of `remit dev` is taken, and say what to do", async () => {
    await remit("init", at("desk"));
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as AddressInfo;
    // A process of its own: what it watches would keep this one as well.
    const child = spawn(process.execPath, [asset("dist", "src", "cli", "main.js"), "dev", at("desk"), "--port", String(port)]);
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
    const [code] = (await once(child, "close")) as [number];
    taken.close();
    expect([code, /is taken by another process\nhint: .*another port/.test(said)], said).to.deep.equal([1, true]);
  });

  it("fail the gate on a warning, at its line, with a page to read, and not on a remark", async () => {
    await remit("init", at("desk"));
    expect((await remit("check", at("desk"))).exit).to.equal("ok");
    appendFileSync(at("desk", "purposes.yaml"), "    - {read: account, reset: account, code: closed, when: {}}\n");
    const { exit, out, err } = await remit("check", at("desk"), "--json");
    expect(exit, err).to.equal("failed");
    expect((JSON.parse(out) as { findings: { check: string }[] }).findings.map(({ check }) => check)).to.include("hidden_entry");
    expect((await remit("check", at("desk"))).err).to.match(/purposes.yaml:\d+: .*is hidden[^]*docs\/checks.md#hidden_entry/);
  });

  it("name the rule of a line that no test reaches, and say what coverage is missing", async () => {
    await remit("init", at("desk"));
    writeFileSync(at("desk", "rules_test.rego"), "package rules.it_helpdesk_test\n\ntest_nothing := true\n");
    const { exit, out, err } = await remit("test", at("desk"), "--junit", at("report.xml"));
    expect(exit).to.equal("failed");
    expect(out).to.match(/no test reaches +rules.rego:[\d, -]+ +deny reset_to_stranger/);
    expect(err).to.match(/^error: coverage of desk is \d+ %, 90 % wanted$/m);
    expect(readFileSync(at("report.xml"), "utf8")).to.include('name="test_nothing"');
  });

  it("print a token of the development issuer, of known scopes alone", async () => {
    expect((await remit("token", "--folder", folder)).exit).to.equal("missing");
    mkdirSync(at(".remit"));
    developmentKey(at(".remit", "issuer.pem"));
    const claims = async (...args: string[]): Promise<Record<string, unknown>> => {
      const { exit, out } = await remit("token", "--folder", folder, ...args);
      expect(exit).to.equal("ok");
      return JSON.parse(Buffer.from(out.split(".")[1] ?? "", "base64url").toString()) as Record<string, unknown>;
    };
    expect(await claims("--scope", "remit:decide", "--subject", "gateway")).to.include({
      scope: "remit:decide",
      sub: "gateway",
      aud: "remit",
    });
    expect(await claims("--agent", "bot-1"))
      .to.include({ sub: "bot-1", aud: "remit-agents" })
      .and.not.have.property("scope");
    const wrong = await remit("token", "--folder", folder, "--scope", "remit:decides");
    expect([wrong.exit, wrong.err]).to.satisfy(
      ([exit, err]: string[]) => exit === "usage" && err?.includes("did you mean `remit:decide`?"),
    );
  });

  it("check each table's form, at its line, without asking its cases", async () => {
    await remit("init", at("desk"));
    const table = (name: string, line: string) => {
      const given = 'given: {now: "2027-03-02T10:15:00Z", agent: {id: a, purposes: [it_helpdesk]}}';
      writeFileSync(at("desk", "tables", `${name}.yaml`), `table: ${name}\n${given}\ncases:\n  - one: {${line}}\n`);
    };
    table("wrong", "read: account/ada, then: allow");
    expect((await remit("check", at("desk"))).exit).to.equal("ok");
    table("verb", "raed: account/ada, then: deny");
    table("place", "read: account/ada, with: {ownr: bob}, then: deny");
    const { exit, err } = await remit("check", at("desk"));
    expect(exit).to.equal("invalid");
    expect(err)
      .to.match(/tables\/verb.yaml:4: .*raed/)
      .and.match(/tables\/place.yaml:4: .*ownr/);
  });

  it("give examples in their help that run in a fresh set, but for those that ask a service", async () => {
    await remit("init", at("desk"));
    const main = asset("dist", "src", "cli", "main.js");
    for (const command of ["decide", "explain", "check"]) {
      const { out } = await remit(command, "--help");
      const [, examples = ""] = /^Examples[^\n]*:\n((?: {2}.*\n)+)/m.exec(out) ?? [];
      const typed = examples.split(/^ {2}\$ /m).filter((line) => line.trim() !== "" && !line.includes("REMIT_TOKEN"));
      expect(typed.length, command).to.be.above(1);
      const script = `remit() { "${process.execPath}" "${main}" "$@"; }\nset -e\n${typed.join("")}`;
      const child = spawn("sh", ["-c", script], { cwd: at("desk"), stdio: ["ignore", "pipe", "pipe"] });
      let said = "";
      for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
      const [code] = (await once(child, "close")) as [number];
      expect(code, `${script}\n${said}`).to.equal(0);
    }
  });

  it("build outside git for the first time with a sequence that later builds exceed", async () => {
    await remit("init", at("desk"));
    await remit("keys", "generate", "--out", at("signing"));
    const { exit, out, err } = await remit("build", at("desk"), "--key", at("signing.pem"), "--out", at("desk.tar.gz"), "--json");
    expect(exit, err).to.equal("ok");
    expect((JSON.parse(out) as { metadata: { sequence: number } }).metadata.sequence).to.be.above(1_700_000_000);
    expect(err).to.include("no git history").and.include("bundle_sequence_jump").and.include("bundle_older");
  });

  it("gather a save's changes of sources alone, and end when they are stopped", async () => {
    mkdirSync(at("tables"));
    mkdirSync(at(".remit"));
    const watched = watching(folder);
    const changed = watched.changed();
    writeFileSync(at(".remit", "remit.yaml"), "");
    writeFileSync(at("notes.txt"), "");
    writeFileSync(at("purposes.yaml"), "");
    writeFileSync(at("tables", "a.yaml"), "");
    expect([...((await changed) ?? [])].sort()).to.deep.equal(["purposes.yaml", join("tables", "a.yaml")]);
    const after = watched.changed();
    watched.stop();
    expect(await after).to.equal(null);
  });

  it("notice every save of a file, also by an editor that puts another in its place, and folders that come later or again", async () => {
    const sleep = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 300));
    mkdirSync(at("tables"));
    writeFileSync(at("purposes.yaml"), "0");
    writeFileSync(at("tables", "a.yaml"), "0");
    const watched = watching(folder);
    const saves: [what: string, save: () => void, file: string][] = [];
    for (const round of [1, 2, 3]) {
      for (const file of ["purposes.yaml", join("tables", "a.yaml")]) {
        const replace = (): void => {
          writeFileSync(at(`${file}.new`), String(round));
          renameSync(at(`${file}.new`), at(file));
        };
        const append = (): void => {
          writeFileSync(at(file), `${round}+`, { flag: "a" });
        };
        saves.push([`replaced for the ${round}. time`, replace, file], [`written after that for the ${round}. time`, append, file]);
      }
    }
    const later = join("rules", "deep", "r.rego");
    const begin = (): void => {
      mkdirSync(at("rules", "deep"), { recursive: true });
      writeFileSync(at(later), "0");
    };
    const again = (): void => {
      rmSync(at("rules"), { recursive: true });
      begin();
    };
    const write = (): void => {
      writeFileSync(at(later), "1", { flag: "a" });
    };
    saves.push(
      ["in a new folder", begin, later],
      ["written there", write, later],
      ["in a folder anew", again, later],
      ["written anew", write, later],
    );
    for (const [what, save, file] of saves) {
      const changed = watched.changed();
      await sleep();
      save();
      expect((await changed) ?? [], `${file} ${what}`).to.include(file);
    }
    watched.stop();
  });
});
