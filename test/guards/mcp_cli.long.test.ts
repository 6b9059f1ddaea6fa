/** `remit guard mcp` as a person runs it: from a server to a draft that builds, to pinned tools, to a guard. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { stringify } from "yaml";
import type { TaskPlan } from "../../src/contract/index.js";
import { asset } from "../../src/system/paths.js";
import { remit } from "../cli/remit.js";
import { INITIALIZE } from "./mcp/rough.js";
import { MAPPING, MODES, folderWith, openDesk, until } from "./mcp/support.js";

const CRM = join(import.meta.dirname, "mcp", "crm.js");
const SERVER = { command: [process.execPath, CRM] };
const MAIN = join(import.meta.dirname, "..", "..", "src", "cli", "main.js");

describe("remit guard mcp", function () {
  const { dir, remove } = folderWith({
    "guard.yaml": stringify(
      { ...MAPPING, remit: { url: "http://127.0.0.1:9", token_file: "token" }, server: SERVER },
      { aliasDuplicateObjects: false },
    ),
    token: "t",
  });
  const at = (...names: string[]): string => join(dir, ...names);
  const lockOf = (folder: string): { tools: { name: string; description: string }[] } =>
    JSON.parse(readFileSync(at(folder, "guard.lock.json"), "utf8")) as ReturnType<typeof lockOf>;
  const lineOf = (file: string, text: string): number =>
    readFileSync(at(file), "utf8")
      .split("\n")
      .findIndex((line) => line.includes(text)) + 1;
  const lock = () => lockOf(".");
  after(remove);

  it("--draft writes what remit build takes as it is, and overwrites nothing", async () => {
    const drafted = await remit("guard", "mcp", "--draft", at("crm"), "--", ...SERVER.command);
    expect(drafted).to.include({
      exit: "ok",
      out: `  ${at("crm", "vocabulary.yaml")}\n  ${at("crm", "purposes.yaml")}\n  ${at("crm", "guard.yaml")}\n  ${at("crm", ".gitignore")}\n`,
    });
    const made = await remit("keys", "generate", "--out", at("signing.pem"));
    expect(made.exit, made.err).to.equal("ok");
    const built = await remit("build", at("crm"), "--key", at("signing.pem"), "--sequence", "1", "--out", at("crm.tar.gz"));
    expect(built.exit, built.err).to.equal("ok");
    const again = await remit("guard", "mcp", "--draft", at("crm"), "--", ...SERVER.command);
    expect(again.exit).to.equal("failed");
    expect(again.err).to.match(/has guard.yaml, purposes.yaml, vocabulary.yaml already/);
    const pinned = await remit("guard", "mcp", "--config", at("crm", "guard.yaml"), "--approve", "--json");
    expect(JSON.parse(pinned.out)).to.deep.include({ ok: true, changed: [], removed: [], missing: [] });
  });

  it("--draft keeps tokens, keys and what runs make out of a repository, where nothing does yet", async () => {
    const git = (folder: string, ...args: string[]) => spawnSync("git", ["-C", folder, ...args], { encoding: "utf8" });
    const draft = (folder: string) => remit("guard", "mcp", "--draft", folder, "--", ...SERVER.command);
    const secret = ["guard.token", "signing.pem", ".remit/x", "engine/x"];
    git(dir, "init", "-q", at("plain"));
    await draft(at("plain", "crm"));
    const ignored = git(at("plain", "crm"), "check-ignore", ...secret, "signing.pub.pem", "guard.yaml", "guard.lock.json");
    expect(ignored.stdout.trim().split("\n")).to.deep.equal(secret);

    git(dir, "init", "-q", at("ignoring"));
    writeFileSync(at("ignoring", ".gitignore"), "*.token\n*.pem\n.remit/\nengine/\n");
    const { out } = await draft(at("ignoring", "crm"));
    expect([out.includes(".gitignore"), existsSync(at("ignoring", "crm", ".gitignore"))]).to.deep.equal([false, false]);

    mkdirSync(at("own"));
    writeFileSync(at("own", ".gitignore"), "mine\n");
    await draft(at("own"));
    expect(readFileSync(at("own", ".gitignore"), "utf8")).to.equal("mine\n");
  });

  it("plan says what a model is told, and makes a plan that the service takes of its answer", async () => {
    const plan = async (...more: string[]) => remit("guard", "mcp", "plan", at("crm", "guard.yaml"), ...more);
    const asked = await plan("--instruction", "Change Ada's address");
    expect(asked.exit, asked.err).to.equal("ok");
    expect(asked.out)
      .to.match(/^# A planner's brief/)
      .and.contain('{"name":"update_customer","description":"')
      .and.match(/\nChange Ada's address\n$/);
    expect(JSON.parse((await plan("--instruction", "x", "--json")).out)).to.include({ ok: true, tools: lockOf("crm").tools.length });
    writeFileSync(
      at("answer.yaml"),
      '```yaml\n- {step: found, tool: get_customer, arguments: {customer_id: [user]}}\n- {tool: update_customer, times: 1, arguments: {customer_id: ["found.id"], email: [user, nowhere]}}\n```\n',
    );
    const answered = ["--answer", at("answer.yaml"), "--bundle", at("crm.tar.gz")];
    const made = await plan(...answered);
    expect(made.exit, made.err).to.equal("ok");
    expect(made.err).to.equal("left out: `nowhere` for `email` of `update_customer`: its role isn't `commitment`\n");
    const calls = JSON.parse(made.out) as TaskPlan;
    expect(calls.slice(0, 2)).to.deep.equal([
      { step: "found", verb: "read", type: "customer", arguments: { id: ["user"] } },
      { verb: "update", type: "customer", times: 1, arguments: { id: ["found.id"], email: ["user"] } },
    ]);
    // Prompts and resources, which the model isn't told of, and no tool that the answer doesn't name.
    expect(calls.slice(2)).to.deep.equal([
      { verb: "read", type: "prompt" },
      { verb: "read", type: "secret" },
    ]);
    expect(JSON.parse((await plan(...answered, "--json")).out)).to.deep.include({ ok: true, plan: calls });
  });

  it("plan says which tools a plan permits that the answer doesn't name", async () => {
    const guard = readFileSync(at("crm", "guard.yaml"), "utf8");
    const other = guard.replace("{export: everything}", "{update: customer, id: {is: ada}}");
    expect(other).to.not.equal(guard);
    writeFileSync(at("crm", "guard.yaml"), other);
    try {
      writeFileSync(at("answer.yaml"), "- {tool: update_customer, arguments: {customer_id: [user]}}\n");
      const plan = ["guard", "mcp", "plan", at("crm", "guard.yaml"), "--answer", at("answer.yaml"), "--bundle", at("crm.tar.gz")];
      const also = "`export_everything` beside `update_customer`: both are `update customer`";
      expect((await remit(...plan)).err).to.equal(`also permits: ${also}\n`);
      expect(JSON.parse((await remit(...plan, "--json")).out)).to.deep.include({ ok: true, also_permits: [also] });
    } finally {
      writeFileSync(at("crm", "guard.yaml"), guard);
    }
  });

  it("plan ends with a code of its own where the model gives none, as text and as JSON", async () => {
    const plan = ["guard", "mcp", "plan", at("crm", "guard.yaml"), "--answer", at("answer.yaml"), "--bundle", at("crm.tar.gz")];
    writeFileSync(at("answer.yaml"), "null\n");
    const said = await remit(...plan);
    expect(said).to.include({ exit: "no_plan", out: "" });
    expect(said.err).to.match(/^error: the model gives no plan.*\nhint: create the task without --plan/);
    const json = await remit(...plan, "--json");
    expect(json).to.include({ exit: "no_plan", err: "" });
    expect(JSON.parse(json.out)).to.deep.include({ ok: false, plan: null }).and.to.have.nested.property("error.code", "no_plan");
    writeFileSync(at("answer.yaml"), "\n");
    for (const more of [[], ["--json"]]) {
      const { exit, out, err } = await remit(...plan, ...more);
      expect(exit).to.equal("invalid");
      expect(out + err)
        .to.match(/the answer is empty: the model said nothing/)
        .and.not.match(/--plan/);
    }
  });

  // prettier-ignore
  const UNPLANNED: [what: string, args: () => string[], exit: string, says: RegExp][] = [
    ["neither an instruction nor an answer", () => [], "usage", /give --instruction or --answer\nhint/],
    ["both", () => ["--instruction", "x", "--answer", at("answer.yaml")], "usage", /give --instruction or --answer, only one of them/],
    ["no instruction", () => ["--instruction", " "], "usage", /--instruction is empty\nhint: give it the user's words/],
    ["a configuration that isn't there", () => [at("none", "guard.yaml"), "--instruction", "x"], "invalid", /none.guard.yaml` does not exist\nhint: name the configurations of the guards as arguments/],
    ["another policy's bundle", () => (writeFileSync(at("other.yaml"), readFileSync(at("crm", "guard.yaml"), "utf8").replace("{read: invoice,", "{read: bill,")), writeFileSync(at("other.lock.json"), readFileSync(at("crm", "guard.lock.json"))), [at("other.yaml"), "--answer", at("answer.yaml"), "--bundle", at("crm.tar.gz")]), "invalid", /the bundle has no type `bill`, which .*other.yaml maps `get_invoice` to\nhint: is it the policy of these guards\?/],
    ["no bundle", () => ["--answer", at("answer.yaml")], "usage", /no bundle says what the words mean/],
    ["an answer that isn't there", () => ["--answer", at("none.yaml"), "--bundle", at("crm.tar.gz")], "failed", /none.yaml/],
    ["a bundle that isn't one", () => ["--answer", at("answer.yaml"), "--bundle", at("answer.yaml")], "invalid", /answer.yaml/],
    ["prose", () => (writeFileSync(at("answer.yaml"), "I can't plan this.\n"), ["--answer", at("answer.yaml"), "--bundle", at("crm.tar.gz")]), "invalid", /answer.yaml:1: an answer is a list of calls, or null; the model is to answer in YAML alone/],
    ["a tool that there isn't", () => (writeFileSync(at("answer.yaml"), "- {tool: get_custmer}\n"), ["--answer", at("answer.yaml"), "--bundle", at("crm.tar.gz")]), "invalid", /answer.yaml:1: 0.tool: there is no tool `get_custmer`; did you mean `get_customer`/],
    ["a tool that two guards have", () => [at("crm", "guard.yaml"), at("crm", "guard.yaml"), "--instruction", "x"], "invalid", /`get_customer` is a tool of `.*` and of `.*`/],
    ["nothing approved", () => (writeFileSync(at("crm", "guard.lock.json"), '{"format":1,"instructions":null,"tools":[]}'), ["--instruction", "x"]), "invalid", /no tool is approved\nhint: remit guard mcp --config .*crm.guard.yaml --approve/],
  ];
  for (const [what, args, exit, says] of UNPLANNED) {
    it(`plan says what is wrong with ${what}`, async () => {
      const given = args();
      const ran = await remit("guard", "mcp", "plan", ...(given[0]?.endsWith("yaml") === true ? [] : [at("crm", "guard.yaml")]), ...given);
      expect(ran.exit, ran.err).to.equal(exit);
      expect(ran.err).to.match(says);
    });
  }

  it("--approve pins what is mapped, and says what is other than before", async () => {
    const first = await remit("guard", "mcp", "--config", at("guard.yaml"), "--approve");
    expect(first.exit, first.err).to.equal("ok");
    expect(first.out.split("\n").filter((line) => line.startsWith("added"))).to.have.lengthOf(Object.keys(MAPPING.tools).length);
    const names = lock().tools.map(({ name }) => name);
    expect(names).to.deep.equal([...Object.keys(MAPPING.tools)].sort());
    const before = lock();
    writeFileSync(
      at("guard.lock.json"),
      JSON.stringify({
        ...before,
        instructions: "be kind",
        tools: [
          ...before.tools.slice(1).map((tool) => (tool.name === "get_invoice" ? { ...tool, description: "other" } : tool)),
          { name: "gone", description: "" },
        ],
      }),
    );
    const second = await remit("guard", "mcp", "--config", at("guard.yaml"), "--approve");
    expect(second.out).to.equal(
      "added    get_customer\nchanged  get_invoice: description\nremoved  gone\nchanged  what the server tells models about itself\n",
    );
    expect(lock()).to.deep.equal(before);
  });

  it("--check says what can't be called yet", async () => {
    const bundle = asset("bundles", "customer_support.tar.gz");
    expect(await remit("guard", "mcp", "--config", at("guard.yaml"), "--check", "--bundle", bundle)).to.include({
      exit: "ok",
      out: `good  ${at("guard.yaml")}\n`,
      err: `warning: ${at("guard.yaml")}:${lineOf("guard.yaml", "search_orders")}: tools.search_orders: argument \`filter.word\` of the tool \`search_orders\` is neither mapped nor ignored: calls that have it are refused (tool_argument_unmapped)\nhint: name it under \`arguments\`, or under \`ignore\`\n`,
    });
    const { tools } = lock();
    writeFileSync(at("guard.lock.json"), JSON.stringify({ format: 1, instructions: null, tools: tools.slice(1) }));
    const checked = await remit("guard", "mcp", "--config", at("guard.yaml"), "--check", "--json");
    expect(JSON.parse(checked.out)).to.deep.include({ ok: true, unapproved: ["get_customer"], bundle: null });
  });

  it("--check says that it has compared no words where no bundle is at hand", async () => {
    const checked = await remit("guard", "mcp", "--config", at("guard.yaml"), "--check");
    expect(checked.exit, checked.err).to.equal("ok");
    expect(checked.err).to.contain("no bundle is at hand: purpose, verbs, types, attributes and arguments weren't checked");
  });

  it("--check names each word that the bundle or the tool lacks, with its line", async () => {
    const config = {
      ...MAPPING,
      ...{ remit: { url: "http://127.0.0.1:9" }, server: SERVER, purpose: "it_helpdesc" },
      bundle: asset("bundles", "customer_support.tar.gz"),
      tools: { ...MAPPING.tools, get_invoice: { raed: "invoice", id: "invoice", attributes: { customr: "customer_id" } } },
    };
    writeFileSync(at("words.yaml"), stringify(config, { aliasDuplicateObjects: false }));
    writeFileSync(at("words.lock.json"), JSON.stringify(lock()));
    const checked = await remit("guard", "mcp", "--config", at("words.yaml"), "--check");
    expect(checked.exit).to.equal("invalid");
    expect(checked.out).to.equal("");
    const said = checked.err.split("\n").filter((line) => /^(error|warning):/.test(line));
    const place = (text: string): string => `${at("words.yaml")}:${lineOf("words.yaml", text)}`;
    expect(said).to.deep.include.members([
      `error: ${place("it_helpdesc")}: purpose: the bundle has no purpose \`it_helpdesc\` (purpose_unknown)`,
      `error: ${place("raed")}: tools.get_invoice.raed: the bundle has no verb \`raed\` (verb_unknown)`,
      `error: ${place("customr")}: tools.get_invoice.attributes.customr: type \`invoice\` has no attribute \`customr\` (attribute_unknown)`,
      `error: ${place("get_invoice")}: tools.get_invoice: the tool \`get_invoice\` has no argument \`invoice\` (tool_argument_unknown)`,
    ]);
    const json = await remit("guard", "mcp", "--config", at("words.yaml"), "--check", "--json");
    expect(json.exit).to.equal("invalid");
    const { ok, findings } = JSON.parse(json.out) as { ok: boolean; findings: { code: string; line: number; path: string[] }[] };
    expect(ok).to.equal(false);
    expect(findings.find(({ code }) => code === "verb_unknown")).to.deep.include({
      severity: "error",
      path: ["tools", "get_invoice", "raed"],
      hint: "did you mean `read`?",
    });
  });

  // prettier-ignore
  const WRONG: [what: string, args: () => string[], exit: string, says: RegExp][] = [
    ["no configuration", () => ["--config", at("none.yaml")], "invalid", /does not exist\nhint: --config names it/],
    ["a folder in its place", () => ["--config", dir], "failed", /guard-.*` is a folder/],
    ["a configuration that isn't UTF-8", () => (writeFileSync(at("latin1.yaml"), Buffer.from([0x61, 0xe4])), ["--config", at("latin1.yaml")]), "invalid", /latin1\.yaml/],
    ["a bundle where nothing is checked", () => ["--config", at("guard.yaml"), "--bundle", "b.tar.gz"], "usage", /--bundle is for --check/],
    ["two things at once", () => ["--approve", "--check"], "usage", /--check and --approve are two things/],
    ["a draft of nothing", () => ["--draft", at("d")], "usage", /say where the server is/],
    ["a draft of two servers", () => ["--draft", at("d"), "--server", "http://127.0.0.1:9/mcp", "--", "node"], "usage", /say where the server is/],
    ["a server on the line that isn't drafted", () => ["--config", at("guard.yaml"), "--", "node"], "usage", /the server is what the configuration says/],
    ["a server that doesn't start", () => ["--draft", at("d"), "--", join(dir, "none")], "unavailable", /the server can't be reached|the server ended/],
    ["a server that isn't one", () => ["--draft", at("d"), "--", process.execPath, "-e", "0"], "unavailable", /the server (ended|can't be reached)/],
    ["a server that nobody runs", () => ["--draft", at("d"), "--server", "http://127.0.0.1:9/mcp"], "unavailable", /the server can't be reached/],
    ["a lock that is none", () => (writeFileSync(at("guard.lock.json"), "{}"), ["--config", at("guard.yaml"), "--check"]), "invalid", /holds no approved tools/],
  ];
  for (const [what, args, exit, says] of WRONG) {
    it(`says what is wrong with ${what}`, async () => {
      const ran = await remit("guard", "mcp", ...args());
      expect(ran.exit, ran.err).to.equal(exit);
      expect(ran.err).to.match(says);
    });
  }

  it("--check says what belongs into a token's file that isn't there, as a draft's isn't", async () => {
    const config = { ...MAPPING, remit: { url: "http://127.0.0.1:9", token_file: "guard.token" }, server: SERVER };
    const other = folderWith({ "guard.yaml": stringify(config, { aliasDuplicateObjects: false }) });
    const checked = await remit("guard", "mcp", "--config", join(other.dir, "guard.yaml"), "--check");
    other.remove();
    expect(checked.exit, checked.err).to.equal("invalid");
    expect(checked.err).to.contain(`\`${join(other.dir, "guard.token")}\`, which \`remit.token_file\` names, does not exist`);
    expect(checked.err).to.match(/hint: put the guard's token there, with the scopes remit:decide and remit:register/);
  });

  it("--check reads what it would decide by", async () => {
    const in_process = { dir: "engine", bundle: { name: "customer_support", keys: ["none.pem"] } };
    const config = {
      ...MAPPING,
      remit: { url: "http://127.0.0.1:9", token_file: "token", in_process },
      server: SERVER,
    };
    const other = folderWith({ "guard.yaml": stringify(config, { aliasDuplicateObjects: false }), token: "t" });
    const checked = await remit("guard", "mcp", "--config", join(other.dir, "guard.yaml"), "--check");
    expect(checked.exit, checked.err).to.equal("invalid");
    expect(checked.err).to.contain(`\`${join(other.dir, "none.pem")}\` can't be read`);
    other.remove();
  });

  for (const mode of MODES) {
    it(`ends with its client, and the server and the task with it, deciding ${mode}`, async () => {
      const desk = await openDesk(mode);
      writeFileSync(at("guard.lock.json"), JSON.stringify({ format: 1, instructions: null, tools: [] }));
      const config = { ...MAPPING, remit: { ...desk.remit(), token_file: "token" }, server: SERVER };
      writeFileSync(at("guard.yaml"), stringify(config, { aliasDuplicateObjects: false }));
      writeFileSync(at("token"), desk.token);
      const guard = spawn(process.execPath, [MAIN, "guard", "mcp", "--config", at("guard.yaml")], { stdio: ["pipe", "pipe", "pipe"] });
      let said = "";
      guard.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
      let answered = "";
      guard.stdout.on("data", (chunk: Buffer) => (answered += chunk.toString()));
      guard.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id: 1, ...INITIALIZE })}\n`);
      await until(() => answered.includes("\n"));
      guard.stdin.end();
      expect(await once(guard, "exit"), said).to.deep.equal([0, null]);
      expect(said).to.match(/tools are mapped and not approved/);
      const { items } = (await desk.ask("GET", "/tasks?agent=support-7")) as { items: { ended: unknown }[] };
      expect(items.map(({ ended }) => ended === null)).to.deep.equal([false]);
      await desk.stop();
    });
  }
});
