import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { parse } from "yaml";
import type { Exit } from "../../src/cli/exit.js";
import { backUp } from "../../src/store/backup.js";
import { verify } from "../../src/store/file.js";
import { storeFile } from "../../src/store/folder.js";
import { EVERY, ask, decided, runWithFacts, type Json } from "../http/asking.js";
import { tokenFor, type Running } from "../http/running.js";
import { skip } from "../skip.js";
import { makeTlsFiles } from "../tls_files.js";
import { remit, type Ran } from "./remit.js";

const VARIABLES = ["REMIT_URL", "REMIT_TOKEN", "REMIT_TOKEN_FILE"];

describe("the command line for facts", function () {
  let folder = "";
  let service: Running;
  const at = (name: string): string => join(folder, name);
  const places = (): object => ({ facts: { store: at("store") }, log: { dir: at("log") } });
  const json = ({ out }: Ran): Json => JSON.parse(out) as Json;
  const read = async (...args: string[]): Promise<Json> => json(await remit(...args, "--json"));

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "remit-cli-facts-"));
    service = await runWithFacts(places());
  });
  after(async () => {
    await service.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    process.env["REMIT_URL"] = service.url;
    process.env["REMIT_TOKEN"] = EVERY;
  });
  afterEach(() => {
    for (const name of VARIABLES) Reflect.deleteProperty(process.env, name);
  });

  const create = (id: string, ...more: string[]): Promise<Ran> =>
    remit("agents", "create", id, "--owner", "desk@example.com", "--purpose", "testing", ...more);

  it("takes an agent from its registration to its end", async () => {
    const made = await create(
      "a-1",
      "--name",
      "First",
      "--delegate",
      "testing",
      "--credential",
      "https://i|a-1",
      "--proof",
      "optional",
      "--reason",
      "new",
    );
    expect(made.exit, made.err).to.equal("ok");
    expect(made.out)
      .to.match(/^id +a-1$/m)
      .and.match(/^name +First$/m)
      .and.match(/^credentials +\[\{"issuer":"https:\/\/i"/m);
    expect(await decided(service)).to.equal("allow permitted");
    const changed = await read("agents", "change", "a-1", "--owner", "other@example.com", "--reason", "moved");
    expect(changed).to.include({ ok: true, owner: "other@example.com" });
    expect((await remit("agents", "suspend", "a-1", "--reason", "incident")).out).to.match(/^status +suspended$/m);
    expect((await remit("agents", "narrowings", "--in-force", "yes")).err).to.contain("suspended, so not listed here: a-1;");
    expect((await remit("agents", "narrowings", "--in-force", "no")).err).to.equal("there are none\n");
    expect(await decided(service)).to.equal("deny agent_suspended");
    expect((await remit("agents", "restore", "a-1", "--reason", "over")).exit).to.equal("ok");
    expect(await decided(service)).to.equal("allow permitted");
    await create("a-9");
    expect((await remit("agents", "retire", "a-9", "--reason", "no longer needed")).exit).to.equal("ok");
    expect((await create("a-9")).exit).to.equal("conflict");
    const listed = await remit("agents", "list", "--status", "active");
    expect(listed.out).to.match(/^id +status +owner +purposes\na-1 +active +other@example.com +testing\n$/);
    expect((await remit("agents", "show", "a-1")).out).to.match(/^status +active$/m);
  });

  it("tells of a change that was based on another revision", async () => {
    const ran = await remit("agents", "change", "a-1", "--owner", "x", "--revision", "1", "--json");
    expect(ran.exit).to.equal("conflict");
    expect(json(ran)).to.nested.include({ ok: false, "error.code": "revision_stale", "error.hint": "read it again" });
  });

  it("gives tasks, with a token, adds to them and ends them", async () => {
    const made = await remit(
      "tasks",
      "create",
      "T-1",
      "--agent",
      "a-1",
      "--purpose",
      "testing",
      "--for",
      "8h",
      "--subject",
      "customer=ada",
      "--subject",
      "customer=bob",
      "--with-token",
      "--json",
    );
    expect(json(made)).to.deep.include({ ok: true, id: "T-1", subjects: { customer: ["ada", "bob"] } });
    expect(await decided(service, { task_token: json(made)["task_token"] })).to.equal("allow permitted");
    const again = await remit(
      "tasks",
      "create",
      "T-1",
      "--agent",
      "a-1",
      "--purpose",
      "testing",
      "--for",
      "8h",
      "--subject",
      "customer=ada",
      "--subject",
      "customer=bob",
    );
    expect(again.exit).to.equal("conflict");
    expect(again.err).to.match(/task_exists.*\nhint: --for ends at another time/);
    const child = await read("tasks", "create", "T-2", "--agent", "a-1", "--purpose", "testing", "--parent", "T-1", "--for", "1h");
    expect(child).to.include({ parent: "T-1" });
    expect((await remit("tasks", "create", "T-3", "--agent", "a-1", "--purpose", "testing", "--parent", "T-1", "--for", "9h")).err)
      .to.contain("task_wider_than_parent: ")
      .and.contain("at /expires");
    expect((await remit("tasks", "list", "--parent", "T-1")).out).to.match(/^T-2 /m);
    const more = await read("tasks", "change", "T-1", "--subject", "customer=eve", "--reason", "asked");
    expect(more["subjects"]).to.deep.equal({ customer: ["ada", "bob", "eve"] });
    const token = (await remit("tasks", "token", "T-1")).out.trim();
    expect(await decided(service, { task_token: token })).to.equal("allow permitted");
    expect((await remit("tasks", "end", "T-1", "--reason", "closed")).exit).to.equal("ok");
    expect(await decided(service, { task_token: token })).to.equal("deny task_ended");
    expect((await remit("tasks", "list", "--live", "yes")).out).not.to.match(/^T-1 /m);
    expect((await remit("tasks", "show", "T-1")).out).to.match(/^ended +\{.*"reason":"closed"\}$/m);
    expect((await remit("tasks", "token", "T-1")).exit).to.equal("conflict");
  });

  it("grants something for a while, finds it unused, and ends it", async () => {
    const who = ["--requested-by", "ada", "--approved-by", "bob", "--reason", "chargeback"];
    const made = await remit(
      "grants",
      "create",
      "G-1",
      "--agent",
      "a-1",
      "--entry",
      "{read: note, about: other}",
      "--for",
      "30m",
      "--uses",
      "3",
      ...who,
    );
    expect(made.exit, made.err).to.equal("ok");
    const unused = await remit("grants", "unused");
    expect(unused.out).to.match(
      /^id +state +holder +used +expires +permits\nG-1 +live +agent a-1 +0 of 3 .*\{"read":"note","about":"other"\}\n$/,
    );
    expect(await read("grants", "show", "G-1")).to.include({ state: "live", requested_by: "ada", approved_by: "bob" });
    const bad = await remit("grants", "create", "G-2", "--agent", "a-1", "--entry", "{fly: note}", "--for", "30m", ...who);
    expect([bad.exit, bad.err]).to.deep.equal(["invalid", bad.err]);
    expect(bad.err).to.contain("fact_invalid").and.contain("/entry");
    expect((await remit("grants", "end", "G-1", "--reason", "done")).exit).to.equal("ok");
    expect((await remit("grants", "list", "--state", "live")).err).to.contain("there are none");
  });

  it("revokes, shows what is revoked, and lifts it", async () => {
    const revoked = await remit("revoke", "agent", "a-1", "--reason", "incident 12");
    expect([revoked.exit, revoked.err]).to.deep.equal(["ok", ""]);
    expect(revoked.out)
      .to.match(/^in_force +node$/m)
      .and.match(/^durable +true$/m);
    expect(await decided(service)).to.equal("deny agent_revoked");
    await remit("revoke", "token", "a/b c", "--reason", "leaked");
    const listed = await remit("revocations", "list", "--in-force", "yes");
    expect(listed.out)
      .to.match(/^agent\/a-1 +\S+ +gateway-1 +- +incident 12$/m)
      .and.match(/^token\/a\/b c +/m);
    expect(await read("revocations", "show", "token/a/b c")).to.include({ scope: "token", of: "a/b c" });
    expect((await remit("revocations", "lift", "agent/a-1", "--reason", "a mistake")).exit).to.equal("ok");
    expect(await decided(service)).to.equal("allow permitted");
    expect((await remit("revocations", "lift", "agent/a-7", "--reason", "x")).exit).to.equal("missing");
  });

  it("narrows an agent, shows who is narrowed and why, and widens it", async () => {
    const narrowed = await remit("agents", "narrow", "a-1", "--per-minute", "5", "--reason", "incident 12");
    expect([narrowed.exit, narrowed.err]).to.deep.equal(["ok", ""]);
    expect(narrowed.out)
      .to.match(/^actions_per_minute +5$/m)
      .and.match(/^in_force +node$/m)
      .and.match(/^durable +true$/m);
    expect(await decided(service)).to.equal("deny narrowed_to_task");
    const listed = await remit("agents", "narrowings", "--in-force", "yes");
    expect(listed.out).to.match(/^agent +since +by +lifted +reason\na-1 +\S+ +gateway-1 +- +incident 12\n$/);
    expect(await read("agents", "narrowings", "a-1")).to.include({ agent: "a-1", purpose: null, below: null });
    const widened = await remit("agents", "widen", "a-1", "--reason", "a mistake");
    expect([widened.exit, widened.out]).to.deep.equal(["ok", widened.out]);
    expect(widened.out).to.match(/^lifted +\{.*"by":"gateway-1","reason":"a mistake"\}$/m);
    expect(await decided(service)).to.equal("allow permitted");
    expect((await remit("agents", "narrowings", "--in-force", "yes")).err).to.equal("there are none\n");
    const stale = await remit("agents", "widen", "a-1", "--reason", "x", "--revision", "1");
    expect([stale.exit, stale.err]).to.deep.equal(["conflict", stale.err]);
    expect(stale.err).to.contain("revision_stale");
  });

  it("tells who changed what, when and why, of one fact or of all", async () => {
    const { out } = await remit("facts", "events", "--key", "agent/a-1");
    expect(out.split("\n")[0]).to.match(/^revision +time +by +change +key +reason$/);
    expect([...out.matchAll(/(agent_\w+)/g)].map(([change]) => change)).to.deep.equal([
      "agent_created",
      "agent_changed",
      "agent_suspended",
      "agent_restored",
    ]);
    const all = await read("facts", "events", "--limit", "3", "--after", "2");
    expect((all["items"] as Json[]).map(({ revision }) => revision)).to.deep.equal([3, 4, 5]);
    expect(all["next"]).to.equal("5");
    expect(await remit("facts", "events", "--key", "agent/nobody")).to.include({ out: "", err: "there are none\n" });
  });

  it("lists as many as were asked for, over several pages, and says that there are more", async () => {
    const lines = Array.from({ length: 1500 }, (_, i) => JSON.stringify({ agent: { id: `n-${i}`, owner: "many", purposes: [] } }));
    writeFileSync(at("many.jsonl"), lines.join("\n"));
    const imported = await remit("facts", "import", at("many.jsonl"), "--id", "many");
    expect(imported.exit, imported.err).to.equal("ok");
    expect(imported.out).to.match(/^1500 were created, 0 changed, 0 are so already\nimport many, facts revision \d+\n$/);
    const some = await remit("agents", "list", "--owner", "many", "--limit", "1200", "--json");
    expect(json(some)["items"]).to.have.lengthOf(1200);
    expect(json(some)["more"]).to.be.true;
    expect((await remit("agents", "list", "--owner", "many")).err).to.contain("--limit");
    expect((await read("agents", "list", "--owner", "many", "--limit", "9999"))["items"]).to.have.lengthOf(1500);
  });

  it("shows what an import would change, and changes nothing", async () => {
    writeFileSync(at("facts.yaml"), "agents:\n  a-1: {owner: third, purposes: [testing]}\n  b-1: {owner: x, purposes: []}\n");
    const dry = await remit("facts", "import", at("facts.yaml"), "--dry-run");
    expect(dry.out).to.match(/^~ agent\/a-1 {2}\/.*owner.*\n\+ agent\/b-1\n1 would be created, 1 changed, 0 are so already\n$/);
    expect((await remit("agents", "show", "b-1")).exit).to.equal("missing");
    const applied = await read("facts", "import", at("facts.yaml"), "--reason", "the move");
    expect(applied).to.include({ ok: true, status: "applied", created: 1, changed: 1 });
    writeFileSync(at("bad.yaml"), "agents:\n  b-2: {owner: x, purposes: []}\n  b-3: {owner: x, purposes: [flying]}\n");
    const bad = await remit("facts", "import", at("bad.yaml"));
    expect(bad.exit).to.equal("invalid");
    expect(bad.err)
      .to.contain("import_invalid")
      .and.contain("line 3")
      .and.contain("/agent/purposes/0")
      .and.contain("a purpose of the bundle");
    expect((await remit("agents", "show", "b-2")).exit).to.equal("missing");
  });

  it("says how far an import has come while it goes on", async () => {
    const events = { items: [{ revision: 9, value: { done: 400, total: 5000 } }] };
    let ends = (): void => undefined;
    const slow = await answering((path, answer) => {
      if (path.startsWith("/facts/events?key=import%2Fi&after=0")) answer(200, events);
      else if (path.startsWith("/facts/events")) {
        answer(200, { items: [] });
        ends();
      } else
        ends = () => {
          answer(200, { id: "i", status: "applied", created: 1, changed: 0, unchanged: 0, differences: [], facts_revision: 9 });
        };
    });
    const ran = await remit("facts", "import", at("facts.yaml"), "--id", "i", "--url", slow.url);
    slow.server.close();
    expect([ran.exit, ran.err]).to.deep.equal(["ok", "400 of 5000\n"]);
  });

  it("says how an import goes on that got no answer", async () => {
    const ran = await remit("facts", "import", at("facts.yaml"), "--id", "i-7", "--url", "http://127.0.0.1:1");
    expect(ran.exit).to.equal("unavailable");
    expect(ran.err).to.contain("--id i-7 goes on");
  });

  it("exports what an import takes, to the screen or whole to a file", async () => {
    const shown = await remit("facts", "export");
    const document = parse(shown.out) as { agents: Record<string, Json> };
    expect(document.agents["a-1"]).to.include({ owner: "third" });
    expect((await remit("facts", "export", "--format", "json_lines", "--out", at("all.jsonl"))).exit).to.equal("ok");
    expect(readFileSync(at("all.jsonl"), "utf8").split("\n").length).to.be.above(1500);
    expect(statSync(at("all.jsonl")).mode & 0o777).to.equal(0o600);
    const again = await read("facts", "import", at("all.jsonl"), "--dry-run");
    expect(again).to.include({ created: 0, changed: 0 });
  });

  it("backs up a store that is being written, verifies it, and never over another file", async () => {
    const writing = new AbortController();
    const load = (async () => {
      for (let i = 0; !writing.signal.aborted; i++)
        await ask(service, "POST", "/agents", { body: { id: `w-${i}`, owner: "x", purposes: [] } });
    })();
    const saved = await read("facts", "backup", at("facts.db"), "--store", at("store"));
    writing.abort();
    await load;
    expect(saved).to.include({ ok: true });
    expect(verify(at("facts.db")).revision).to.equal(saved["revision"]);
    expect((await remit("facts", "backup", at("facts.db"), "--store", at("store"))).exit).to.equal("conflict");
    expect((await remit("facts", "backup", at("x.db"), "--store", at("log"))).exit).to.equal("invalid");
    expect((await remit("facts", "restore", at("facts.db"), "--store", at("store"), "--overwrite")).exit).to.equal("conflict");
  });

  it("restores a backup where there is no store yet, nor a folder for it", async () => {
    const backup = at("elsewhere.db");
    const { revision } = backUp(storeFile(at("store")), backup);
    const restored = await remit("facts", "restore", backup, "--store", at("new/store"));
    expect(restored.out).to.contain(`${at("new/store")}/facts.db, the store ends at revision ${revision}`);
    expect(verify(storeFile(at("new/store"))).revision).to.equal(revision);
  });

  it("says of a backup into a folder that isn't there, and over another file, what to do", async () => {
    const backup = async (file: string): Promise<string> => (await remit("facts", "backup", file, "--store", at("store"))).err;
    expect(await backup("/nowhere/facts.db")).to.match(/the folder `\/nowhere` does not exist\n.*make it/);
    expect(await backup(at("elsewhere.db"))).to.match(/elsewhere\.db exists\n.*choose another/);
  });

  it("restores a backup into a store that nobody has open, and over another only where that is said", async () => {
    backUp(storeFile(at("store")), at("now.db"));
    const { revision } = verify(at("now.db"));
    await service.stop();
    const store = ["--store", at("store")];
    expect((await remit("facts", "restore", at("now.db"), ...store)).exit).to.equal("conflict");
    writeFileSync(at("noise.db"), "x".repeat(5000));
    expect((await remit("facts", "restore", at("noise.db"), ...store, "--overwrite")).exit).to.equal("invalid");
    const restored = await remit("facts", "restore", at("now.db"), ...store, "--overwrite");
    expect(restored.out).to.contain(`the store ends at revision ${revision}`);
    service = await runWithFacts(places());
    process.env["REMIT_URL"] = service.url;
    expect((await remit("agents", "show", "a-1")).exit).to.equal("ok");
  });

  describe("reads the service's address and the token", () => {
    it("from options, from a file, and from the environment, in that order", async () => {
      writeFileSync(at("token"), `${EVERY}\n`);
      process.env["REMIT_TOKEN"] = "wrong";
      expect((await remit("agents", "list")).exit).to.equal("refused");
      expect((await remit("agents", "list", "--token-file", at("token"))).exit).to.equal("ok");
      expect((await remit("agents", "list", "--token", EVERY)).exit).to.equal("ok");
      Reflect.deleteProperty(process.env, "REMIT_TOKEN");
      expect((await remit("agents", "list")).exit).to.equal("usage");
      process.env["REMIT_TOKEN_FILE"] = at("token");
      expect((await remit("agents", "list")).exit).to.equal("ok");
    });

    it("and never says the token again", async () => {
      const secret = "s3cr3t.s3cr3t.s3cr3t";
      for (const args of [
        ["agents", "list"],
        ["agents", "list", "--url", "http://127.0.0.1:1"],
        ["agents", "list", "--json"],
      ]) {
        const { out, err } = await remit(...args, "--token", secret);
        expect(out + err).not.to.contain("s3cr3t");
      }
    });

    it("and sends the token nowhere else", async () => {
      const seen: (string | undefined)[] = [];
      const thief = await answering((_path, answer, authorization) => {
        seen.push(authorization);
        answer(200, { items: [], next: null });
      });
      const moved = await answering((_path, answer) => {
        answer(307, {}, { location: `${thief.url}/agents` });
      });
      expect((await remit("agents", "list", "--url", moved.url)).exit).to.equal("unavailable");
      for (const { server } of [thief, moved]) server.close();
      expect(seen).to.deep.equal([]);
    });
  });

  describe("exits by what went wrong, and says what to do:", () => {
    const ACTION = ["--agent", "a-1", "--purpose", "testing", "--verb", "read", "--resource", "thing/T"];
    // prettier-ignore
    const rows: [what: string, args: string[], exit: Exit, err: RegExp][] = [
      ["no such command", ["agents", "delete", "a-1"], "usage", /unknown command/],
      ["no owner", ["agents", "create", "b"], "usage", /--owner is missing/],
      ["no reason", ["agents", "suspend", "a-1"], "usage", /--reason/],
      ["nothing to change", ["agents", "change", "a-1", "--reason", "x"], "usage", /nothing to change/],
      ["a credential without a subject", ["agents", "create", "b", "--credential", "x"], "usage", /issuer\|subject/],
      ["a status that is none", ["agents", "list", "--status", "asleep"], "usage", /active, suspended, revoked/],
      ["a limit of none", ["agents", "list", "--limit", "0"], "usage", /whole number/],
      ["a time that is none", ["tasks", "create", "T", "--agent", "a", "--purpose", "p", "--expires", "tomorrow"], "usage", /RFC 3339/],
      ["a time span that is none", ["tasks", "create", "T", "--agent", "a", "--purpose", "p", "--for", "30"], "usage", /30m/],
      ["no end", ["tasks", "create", "T", "--agent", "a", "--purpose", "p"], "usage", /--for or --expires/],
      ["two ends", ["tasks", "create", "T", "--agent", "a", "--purpose", "p", "--for", "1h", "--expires", "2027-01-01T00:00:00Z"], "usage", /--for or --expires\n.*not both/],
      ["a subject without an id", ["tasks", "change", "T", "--subject", "customer"], "usage", /name=value/],
      ["an entry that is none", ["grants", "create", "G", "--agent", "a", "--entry", "read", "--for", "1h", "--reason", "x", "--requested-by", "x", "--approved-by", "y"], "usage", /no entry/],
      ["an unknown scope", ["revoke", "team", "x", "--reason", "x"], "usage", /agent, task, token/],
      ["an address that is none", ["agents", "list", "--url", "localhost:1"], "usage", /no http\(s\) URL/],
      ["a token of two words", ["agents", "list", "--token", "a b"], "usage", /token is not one.*\n.*REMIT_TOKEN/],
      ["no reason to narrow", ["agents", "narrow", "a-1"], "usage", /--reason/],
      ["no action a minute", ["agents", "narrow", "a-1", "--reason", "x", "--per-minute", "0"], "usage", /whole number/],
      ["more actions a minute than are counted", ["agents", "narrow", "a-1", "--reason", "x", "--per-minute", "10001"], "invalid", /at \/actions_per_minute/],
      ["an agent that isn't there to narrow", ["agents", "narrow", "nobody", "--reason", "x"], "missing", /agent_not_found/],
      ["an agent to widen that never was narrowed", ["agents", "widen", "a-2", "--reason", "x"], "missing", /narrowing_not_found: the agent was never narrowed/],
      ["a narrowing that never was", ["agents", "narrowings", "a-2"], "missing", /agent_not_found|narrowing_not_found/],
      ["narrowings in a force that is none", ["agents", "narrowings", "--in-force", "maybe"], "usage", /yes or no/],
      ["a scope alone to lift", ["revocations", "lift", "agent", "--reason", "x"], "usage", /`agent` names no revocation\n.*agent\/support-7/],
      ["a scope alone to show", ["revocations", "show", "agent"], "usage", /`agent` names no revocation/],
      ["an import of a folder", ["facts", "import", "/"], "failed", /is a folder/],
      ["an export into a folder that isn't there", ["facts", "export", "--out", "/nowhere/facts.yaml"], "failed", /the folder `\/nowhere` does not exist\n/],
      ["a backup of no store", ["facts", "backup", "/nowhere/facts.db", "--store", "/nowhere"], "invalid", /no store in `\/nowhere`\n.*facts\.store/],
      ["an id of what no id has", ["agents", "create", "a b", "--owner", "x", "--purpose", "testing"], "invalid", /at \/id, must match pattern/],
      ["a token file that isn't there", ["agents", "list", "--token-file", "/nowhere"], "failed", /does not exist/],
      ["an import of a file that isn't there", ["facts", "import", "/nowhere.yaml"], "failed", /does not exist/],
      ["a token that isn't taken", ["agents", "list", "--token", "x.y.z"], "refused", /token_invalid/],
      ["a token without the right", ["revoke", "agent", "a-1", "--reason", "x", "--token", tokenFor("remit:register")], "refused", /scope `remit:revoke`/],
      ["an agent that isn't there", ["agents", "show", "nobody"], "missing", /agent_not_found: no such agent/],
      ["an id of two dots", ["agents", "show", ".."], "missing", /not_found/],
      ["a purpose that isn't there", ["agents", "create", "b", "--owner", "x", "--purpose", "flying"], "invalid", /at \/purposes\/0, expected a purpose of the bundle: testing/],
      ["a decision by a token that isn't taken", ["decide", ...ACTION, "--url", "{url}", "--token", "x.y.z"], "refused", /token_invalid/],
      ["a decision where no service is", ["decide", ...ACTION, "--url", "http://127.0.0.1:1"], "unavailable", /no answer from/],
      ["a token to decide with, but no service", ["decide", ...ACTION, "--set", ".", "--token", "x.y.z"], "usage", /name it with --url/],
      ["a task for too long", ["tasks", "create", "T", "--agent", "a-1", "--purpose", "testing", "--for", "8d"], "invalid", /at \/expires, expected a time at most 7d from now/],
      ["no service there", ["agents", "list", "--url", "http://127.0.0.1:1"], "unavailable", /no answer from http:\/\/127\.0\.0\.1:1\n.*is the service running/],
    ];
    for (const [what, args, exit, err] of rows) {
      it(what, async () => {
        const ran = await remit(...args.map((arg) => arg.replace("{url}", service.url)));
        expect(ran.err).to.match(err);
        expect([ran.exit, ran.out]).to.deep.equal([exit, ""]);
      });
    }

    it("a service whose certificate isn't trusted, told from one that isn't there or speaks no TLS", async function () {
      const folder = mkdtempSync(join(tmpdir(), "remit-cacert-"));
      const made = makeTlsFiles(folder);
      if (made === null) skip(this, "no openssl");
      const tokens: unknown[] = [];
      const secure = createHttpsServer(made, ({ headers }, response) => {
        tokens.push(headers.authorization);
        response.setHeader("content-type", "application/json").end('{"items": [], "next": null}');
      }).listen(0, "127.0.0.1");
      await once(secure, "listening");
      const { port } = secure.address() as AddressInfo;
      const list = (url: string, ...more: string[]) => remit("agents", "list", "--token", "a.b.c", "--url", url, ...more);
      const url = `https://127.0.0.1:${port}`;
      try {
        const untrusted = await list(url);
        expect(untrusted.err).to.match(
          /^error: the certificate of https:\/\/127\.0\.0\.1:\d+ isn't trusted: self-signed certificate\n.*--cacert\n$/,
        );
        expect([untrusted.exit, tokens]).to.deep.equal(["unavailable", []]);
        expect((await list(url, "--cacert", made.file)).exit).to.equal("ok");
        expect(tokens).to.deep.equal(["Bearer a.b.c"]);
        const misnamed = await list(`https://localhost:${port}`, "--cacert", made.file);
        expect(misnamed.err).to.match(/isn't trusted: Hostname\/IP does not match/);
        const plain = await list(service.url.replace("http:", "https:"));
        expect(plain.err).to.match(/^error: no TLS with https:\/\/127\.0\.0\.1:\d+: \w+\n.*does the service speak https there/);
        const none = await list(url, "--cacert", "/nowhere.pem");
        expect([none.exit, none.err]).to.deep.equal(["failed", "error: `/nowhere.pem` does not exist\n"]);
        const other = await list(url, "--cacert", join(folder, "key.pem"));
        expect(other.exit).to.equal("invalid");
        expect(other.err).to.match(/key\.pem` holds no certificates in PEM form\n.*REMIT_CACERT/);
      } finally {
        secure.closeAllConnections();
        secure.close();
        rmSync(folder, { recursive: true, force: true });
      }
    });

    it("an answer that isn't the service's", async () => {
      const other = await answering((_path, answer) => {
        answer(502, "<html>");
      });
      const ran = await remit("agents", "list", "--url", other.url);
      other.server.close();
      expect([ran.exit, ran.err]).to.deep.equal(["unavailable", "error: 502: refused\n"]);
    });

    it("a page in the place of an answer, such as the console's", async () => {
      const other = await answering((_path, answer) => {
        answer(200, "<!doctype html>");
      });
      const ran = await remit("agents", "list", "--url", other.url);
      other.server.close();
      expect(ran.exit).to.equal("unavailable");
      expect(ran.err).to.match(/^error: http:\/\/127\.0\.0\.1:\d+ isn't a Remit service: .*\nhint: --url .*console/);
    });

    it("a plan that isn't there, isn't JSON, or isn't a plan", async () => {
      const folder = mkdtempSync(join(tmpdir(), "remit-plan-"));
      const file = join(folder, "plan.json");
      const create = () => remit("tasks", "create", "T-plan", "--agent", "a-1", "--purpose", "testing", "--for", "1h", "--plan", file);
      try {
        expect((await create()).err).to.match(/plan\.json` does not exist/);
        writeFileSync(file, "[{verb: read}]");
        const { exit, err } = await create();
        expect([exit, /plan\.json` isn't JSON: .*\nhint: such as/.test(err)]).to.deep.equal(["invalid", true]);
        for (const none of ["null", "{}", '{"plan": null}']) {
          writeFileSync(file, none);
          expect((await create()).err, none).to.match(/plan\.json` has no list of calls\nhint: such as .*`remit guard mcp plan`/);
        }
        writeFileSync(file, '{"ok": true, "plan": [{"verb": "fly", "type": "note"}], "left_out": []}');
        expect((await create()).err).to.contain("at /plan, expected no plan: the vocabulary has no words for flow");
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
  });

  it("has examples in the help of every command", async () => {
    const commands = [
      "agents list",
      "agents show",
      "agents create",
      "agents change",
      "agents suspend",
      "agents restore",
      "agents retire",
      "agents narrowings",
      "agents narrow",
      "agents widen",
      "tasks list",
      "tasks show",
      "tasks create",
      "tasks change",
      "tasks end",
      "tasks token",
      "grants list",
      "grants unused",
      "grants show",
      "grants create",
      "grants end",
      "revoke",
      "revocations list",
      "revocations show",
      "revocations lift",
      "facts import",
      "facts export",
      "facts events",
      "facts backup",
      "facts restore",
    ];
    for (const command of commands) {
      const { exit, out } = await remit(...command.split(" "), "--help");
      expect(exit).to.equal("ok");
      expect(out, command).to.match(new RegExp(`Examples:\n +\\$ remit ${command}`));
    }
  });
});

type Answering = (status: number, body: unknown, headers?: Record<string, string>) => void;

/** Something that answers in the service's place. */
async function answering(
  on: (path: string, answer: Answering, authorization: string | undefined) => void,
): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    request.resume();
    const answer: Answering = (status, body, headers = {}) => {
      response.writeHead(status, { "content-type": "application/json", connection: "close", ...headers });
      response.end(typeof body === "string" ? body : JSON.stringify(body));
    };
    on(request.url ?? "", answer, request.headers.authorization);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}
