import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, open, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { EXIT_CODES, type Exit } from "../../src/cli/exit.js";
import { sayFailure, terminal } from "../../src/cli/ui.js";
import { StoreBehind } from "../../src/facts/ledger.js";
import { LogDamaged } from "../../src/audit/log/segments.js";
import { LockUnwritable, Locked } from "../../src/system/lock_errors.js";
import { asset } from "../../src/system/paths.js";
import { makeSandbox } from "../../demo/sandbox.js";
import { COMPILER_BUILD_MS_MAX } from "../build/support.js";
import { skip } from "../skip.js";
import { remit } from "./remit.js";

const MAIN = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

describe("the command line", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  let folder = "";
  const at = (...parts: string[]): string => join(folder, ...parts);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "remit-cli-"));
  });

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  /** A repository, a key and a bundle of it. */
  async function prepared(): Promise<string[]> {
    expect((await remit("init", at("desk"))).exit).to.equal("ok");
    expect((await remit("keys", "generate", "--out", at("signing"))).exit).to.equal("ok");
    return ["build", at("desk"), "--key", at("signing.pem"), "--sequence", "1", "--out", at("desk.tar.gz")];
  }

  it("takes a new repository to a bundle that verifies", async () => {
    const built = await remit(...(await prepared()));
    expect(built.exit, built.err).to.equal("ok");
    const verified = await remit("verify", at("desk.tar.gz"), "--key", at("signing.pub.pem"), "--name", "desk", "--json");
    expect(verified.exit).to.equal("ok");
    expect(JSON.parse(verified.out)).to.include({ ok: true, bundle: "desk", sequence: 1 });
    const shown = await remit("inspect", at("desk.tar.gz"));
    expect(shown.out).to.include("forbids read mailbox (mail_is_private)").and.include("rule reset_to_stranger");
    const same = await remit("diff", at("desk.tar.gz"), at("desk.tar.gz"));
    expect(same.out).to.equal("nothing that decides has changed\n");
  });

  it("keeps keys and bundles out of the repository, and has a workflow", async () => {
    await prepared();
    expect(await readFile(at("desk", ".gitignore"), "utf8")).to.match(/^\*\.pem$/m);
    expect(await readFile(at("desk", ".github", "workflows", "policy.yml"), "utf8")).to.include("secrets.REMIT_SIGNING_KEY");
  });

  it("lets nobody but the owner read a private key", async () => {
    await prepared();
    expect((await stat(at("signing.pem"))).mode & 0o777).to.equal(0o600);
  });

  it("writes a pair whichever ending its path was given with", async () => {
    for (const ending of ["", ".pem", ".pub.pem"]) {
      const { out } = await remit("keys", "generate", "--out", at(`pair${ending.length}${ending}`), "--json");
      expect(JSON.parse(out)).to.include({
        private_key: at(`pair${ending.length}.pem`),
        public_key: at(`pair${ending.length}.pub.pem`),
      });
    }
  });

  it("never overwrites a key", async () => {
    await prepared();
    const before = await readFile(at("signing.pem"), "utf8");
    const again = await remit("keys", "generate", "--out", at("signing"));
    expect(again.exit).to.equal("failed");
    expect(again.err).to.match(/^error: .*never overwritten\nhint: /);
    expect(await readFile(at("signing.pem"), "utf8")).to.equal(before);
  });

  it("names every error of the sources with its place, and a hint", async () => {
    const args = await prepared();
    const rules = await readFile(at("desk", "rules.rego"), "utf8");
    await writeFile(at("desk", "rules.rego"), rules.replace("is_string(notify)", "time.now_ns() > 0"));
    const built = await remit(...args);
    expect(built.exit).to.equal("invalid");
    expect(built.err).to.match(/error: .*desk\/rules\.rego:\d+:\d+: builtin `time\.now_ns` may not be used\nhint: /);
    const json = await remit(...args, "--json");
    expect(json.exit).to.equal("invalid");
    expect((JSON.parse(json.out) as { notes: object[] }).notes).to.have.lengthOf.at.least(1);
    expect(json.err).to.equal("");
  });

  it("refuses rules that contradict each other when they run", async () => {
    const args = await prepared();
    const rules = await readFile(at("desk", "rules.rego"), "utf8");
    await writeFile(at("desk", "rules.rego"), `${rules}\nnotify := "x" if input.request.verb != "x"\n`);
    const built = await remit(...args);
    expect(built.exit).to.equal("invalid");
    expect(built.err).to.include("rules.rego").and.include("conflict");
  });

  it("writes no bundle where it found something wrong", async () => {
    const args = await prepared();
    await writeFile(at("desk", "purposes.yaml"), "it_helpdesk: {}\n");
    expect((await remit(...args)).exit).to.equal("invalid");
    expect((await remit("inspect", at("desk.tar.gz"))).exit).to.equal("failed");
  });

  const wrong: [title: string, args: string[], exit: Exit, err: RegExp][] = [
    ["no such command", ["bild"], "usage", /Did you mean build/],
    ["an unknown option", ["inspect", "x", "--jsn"], "usage", /unknown option/],
    [
      "a key to trust that isn't there",
      ["verify", "bundles/customer_support.tar.gz", "--key", "/nowhere.pem"],
      "failed",
      /`\/nowhere\.pem` does not exist\n.*--key/,
    ],
    ["an argument that is missing", ["verify"], "usage", /missing required argument/],
    ["a sequence that is no number", ["build", "--sequence", "1.5"], "usage", /not a whole number/],
    ["an expiry that is no time", ["build", "--expires", "tomorrow"], "usage", /RFC 3339/],
    ["a bundle that isn't there", ["inspect", "/nowhere.tar.gz"], "failed", /`\/nowhere\.tar\.gz` does not exist/],
    ["a file that is no bundle", ["inspect", "package.json"], "invalid", /not gzip/],
    ["a key that is none", ["verify", "bundles/customer_support.tar.gz", "--key", "package.json"], "invalid", /not a P-256/],
    [
      "a request that is said twice",
      ["decide", "package.json", "--facts", "package.json", "--bundle", "bundles/retail.tar.gz", "--verb", "read"],
      "usage",
      /leave --verb out/,
    ],
    ["facts for a service that has its own", ["decide", "x", "--url", "http://[::1]:1", "--facts", "x"], "usage", /its own/],
    ["a service without a scheme", ["decide", "package.json", "--url", "127.0.0.1:8181"], "usage", /no http\(s\) URL/],
    ["a configuration that isn't there", ["serve", "--config", "/nowhere.yaml"], "invalid", /`\/nowhere\.yaml` does not/],
    ["a folder with something in it", ["init", "."], "failed", /isn't empty/],
    ["a folder that is no policy set", ["build", "src", "--sequence", "1"], "invalid", /vocabulary\.yaml: the file is missing/],
  ];
  for (const [title, args, exit, err] of wrong) {
    it(`says what is wrong with ${title}`, async () => {
      await prepared();
      const key = args[0] === "build" ? ["--key", at("signing.pem")] : [];
      const ran = await remit(...args, ...key);
      expect(ran.err).to.match(err);
      expect(ran.exit).to.equal(exit);
      expect(ran.out).to.equal("");
    });
  }

  it("refuses a bundle of another key, and one that was altered, each by its code", async () => {
    await remit(...(await prepared()));
    await remit("keys", "generate", "--out", at("other"));
    const other = await remit("verify", at("desk.tar.gz"), "--key", at("other.pub.pem"), "--json");
    expect(other.exit).to.equal("invalid");
    expect(JSON.parse(other.out)).to.have.nested.property("error.code", "signature_key_unknown");
    const bytes = await readFile(at("desk.tar.gz"));
    await writeFile(at("short.tar.gz"), bytes.subarray(0, bytes.length - 9));
    const short = await remit("verify", at("short.tar.gz"), "--key", at("signing.pub.pem"), "--json");
    expect(JSON.parse(short.out))
      .to.have.nested.property("error.code")
      .that.matches(/^archive_/);
  });

  it("says, of a failed case, what its entry found, or that only waiting differs", async () => {
    await prepared();
    const purposes = await readFile(at("desk/purposes.yaml"), "utf8");
    await writeFile(
      at("desk/purposes.yaml"),
      purposes.replace("employee, severity: medium, proceed: true", "employee, severity: medium, proceed: false"),
    );
    const table = await readFile(at("desk/tables/a_day_at_the_helpdesk.yaml"), "utf8");
    await writeFile(at("desk/tables/a_day_at_the_helpdesk.yaml"), table.replace("account/bob, then: flag,", "account/bob, then: allow,"));
    const ran = await remit("test", at("desk"));
    expect(ran.exit).to.equal("failed");
    expect(ran.out).to.match(/another employee's account [^]*about is owner `bob`, wanted task/);
    expect(ran.out).to.match(/another employee's incident [^]*hint +`proceed: true` goes on/);
  });

  it("explains a refusal that came before any entry", async () => {
    await writeFile(at("facts.yaml"), "agents: {a: {owner: o, purposes: [retail_service]}}\n");
    const request = ["--agent", "b", "--purpose", "retail_service", "--verb", "read", "--resource", "order/O-1"];
    const ran = await remit("decide", "--bundle", "bundles/retail.tar.gz", "--facts", at("facts.yaml"), ...request, "--explain");
    expect(ran.exit).to.equal("denied");
    expect(ran.out).to.match(/agent_unknown[^]*no entry was tried/);
  });

  it("has examples in the help of every command, and the exit codes in its own", async () => {
    for (const command of [["init"], ["build"], ["verify"], ["inspect"], ["diff"], ["keys", "generate"]]) {
      const { exit, out } = await remit(...command, "--help");
      expect(exit).to.equal("ok");
      expect(out, command.join(" ")).to.match(/Examples:\n +\$ remit /);
    }
    const { out } = await remit("--help");
    for (const { code, meaning } of Object.values(EXIT_CODES)) expect(out).to.include(`${code}  ${meaning}`);
  });

  it("ends without a word where nobody reads on, and with one where what it says can't be written", async () => {
    const said = async (stdout: "pipe" | number): Promise<[number | null, string]> => {
      const child = spawn(process.execPath, [MAIN, "--help"], { stdio: ["ignore", stdout, "pipe"] });
      child.stdout?.destroy();
      let err = "";
      child.stderr?.on("data", (text: Buffer) => (err += text.toString()));
      const [code] = (await once(child, "close")) as [number | null];
      return [code, err];
    };
    expect(await said("pipe")).to.deep.equal([EXIT_CODES.unread.code, ""]);
    const unwritable = await open(process.execPath);
    try {
      const [code, err] = await said(unwritable.fd);
      expect(code).to.equal(EXIT_CODES.failed.code);
      expect(err).to.match(/^error: standard output: .+\n$/);
    } finally {
      await unwritable.close();
    }
  });

  it("paints only where a person looks, and not with NO_COLOR", () => {
    const stream = (isTTY: boolean) => ({ isTTY, write: () => true });
    const painted = (tty: boolean, env: NodeJS.ProcessEnv): string => terminal(stream(tty), stream(tty), env).paint("red", "x");
    expect(painted(true, {})).to.equal("\x1b[31mx\x1b[39m");
    expect(painted(true, { NO_COLOR: "1" })).to.equal("x");
    expect(painted(false, {})).to.equal("x");
  });

  it("shows what could steer a terminal, and lets none of it through", () => {
    const hostile = "a\x1b[2Jb\x1b[1;1Hc\x9b2Jd\u202ee\rf\x07g\u2028h\x1b]0;title\x07";
    for (const isTTY of [true, false]) {
      let written = "";
      const stream = { isTTY, write: (text: string) => (written += text) };
      const ui = terminal(stream, stream, {});
      ui.out(`${hostile}\n\tnext ${ui.paint("red", "line")}`);
      ui.err(hostile);
      const rest = written.replaceAll("\x1b[31m", "").replaceAll("\x1b[39m", "");
      expect(rest).to.not.match(/[^\P{Cc}\n\t]|[\p{Cf}\p{Zl}\p{Zp}]/u);
      expect(rest).to.include("\n\tnext line\n");
      expect(rest).to.include("a\ufffd[2Jb");
    }
  });

  it("says what to do about a store that another has, or that knows less than its records", () => {
    const said = (error: Error): string => {
      let written = "";
      const stream = { write: (text: string) => (written += text) };
      return `${sayFailure(terminal(stream, stream, {}), error, false)}: ${written}`;
    };
    expect(said(new Locked("store is locked by process 7"))).to.match(/^failed: error: .*process 7\nhint: .*stop that one/);
    const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    expect(said(new LockUnwritable("log can't be locked", { cause: full }))).to.match(
      /^failed: error: log can't be locked\nhint: make room .*goes on by itself/,
    );
    const denied = Object.assign(new Error("EACCES"), { code: "EACCES" });
    expect(said(new LockUnwritable("log can't be locked", { cause: denied }))).to.equal("failed: error: log can't be locked\n");
    expect(said(new StoreBehind("it ends at 10"))).to.match(/^failed: error: it ends at 10\nhint: .*restore --help/);
    expect(said(new LogDamaged("records are gone"))).to.match(/^failed: error: records are gone\nhint: .*audit verify/);
  });

  it("doesn't serve with a key that signs where one that verifies belongs", async () => {
    // The sandbox's `issuer.pem` is a private key.
    const bundle = { name: "desk", path: "desk.tar.gz", keys: ["issuer.pem"] };
    const { config } = makeSandbox({ dir: at("sandbox"), bundle, facts: "agents: {}\n", port: 0 });
    const { exit, err } = await remit("serve", "--check", "--config", config);
    expect(exit).to.equal("invalid");
    expect(err).to.include("bundle.keys").and.include("private key");
  });

  // prettier-ignore
  const gone: [what: string, change: (config: string) => string, said: string][] = [
    ["a key that bundles are verified by", (config) => config.replace("- other.pub.pem", "- signed.pub.pem"), "bundle.keys.0: `$/signed.pub.pem` does not exist"],
    ["an issuer's key", (config) => config.replace("file: issuer.pub.pem", "file: none.pem"), "identity.issuers.0.keys.0.file: `$/none.pem` does not exist"],
    ["the bundle", (config) => config, "bundle.path: `$/desk.tar.gz` does not exist"],
    ["facts", (config) => config.replace("file: facts.yaml", "file: none.yaml"), "facts.file: `$/none.yaml` does not exist"],
    ["an issuer's key, which is a folder", (config) => config.replace("file: issuer.pub.pem", "file: folder"), "identity.issuers.0.keys.0.file: `$/folder` is a folder"],
    ["the key of task tokens, which is a folder", (config) => config.replace("key: tasks.pem", "key: folder"), "identity.task_tokens.key: `$/folder` is a folder"],
    ["a key that bundles are verified by, which is a folder", (config) => config.replace("- other.pub.pem", "- folder"), "bundle.keys.0: `$/folder` is a folder"],
    ["the bundle, which is a folder", (config) => config.replace("path: desk.tar.gz", "path: folder"), "bundle.path: `$/folder` is a folder"],
    ["facts, which are a folder", (config) => config.replace("file: facts.yaml", "file: folder"), "facts.file: `$/folder` is a folder"],
    ["a certificate, which is a folder", (config) => `${config}tls: {cert: folder, key: issuer.pem}\n`, "tls.cert: `$/folder` is a folder"],
    ["a mapping of traces, which is a folder", (config) => `${config}observe: {otlp: {mapping: folder}}\n`, "observe.otlp.mapping: `$/folder` is a folder"],
    ["a key of the log, which is a folder", (config) => config.replace("dir: records", "dir: records\n  keys: [folder]"), "log.keys.0: `$/folder` is a folder"],
  ];
  for (const [what, change, said] of gone) {
    it(`names the key of the configuration whose file can't be read: ${what}`, async () => {
      const bundle = { name: "desk", path: "desk.tar.gz", keys: ["other.pub.pem"] };
      const { config } = makeSandbox({ dir: at("sandbox"), bundle, facts: "agents: {}\n", port: 0 });
      await writeFile(at("sandbox", "other.pub.pem"), await readFile(at("sandbox", "issuer.pub.pem")));
      await mkdir(at("sandbox", "folder"));
      await writeFile(config, change(await readFile(config, "utf8")));
      const { exit, err } = await remit("serve", "--check", "--config", config);
      expect([exit, err]).to.deep.equal(["failed", `error: ${said.replace("$", at("sandbox"))}\n`]);
    });
  }

  // prettier-ignore
  const unfit: [what: string, change: (config: string) => string, exit: Exit, said: string][] = [
    ["a certificate that is none", (config) => `${config}tls: {cert: facts.yaml, key: issuer.pem}\n`, "invalid", "tls.cert: `$/facts.yaml` holds no certificate in PEM form"],
    ["a key of the log that signs something else", (config) => config.replace("dir: records", "dir: records\n  keys: [issuer.pem]"), "invalid", "log.keys.0: `$/issuer.pem` holds no Ed25519 private key in PEM form"],
    ["a key of bundles that is none", (config) => config.replace("- retail.pub.pem", "- facts.yaml"), "invalid", "bundle.keys.0: `$/facts.yaml` holds no P-256 public key in PEM form"],
    ["facts that aren't", (config) => config.replace("file: facts.yaml", "file: issuer.pem"), "invalid", "facts.file: `$/issuer.pem` line 2: "],
    ["a token that isn't there yet", (config) => `${config}export: [{name: a, url: "https://a.example", format: ocsf, token_file: none}]\n`, "failed", "export.0.token_file: `$/none` does not exist"],
    ["a folder of records that is a file", (config) => config.replace("dir: records", "dir: issuer.pub.pem"), "failed", "`$/issuer.pub.pem` is not a folder"],
    ["a folder of records below a file", (config) => config.replace("dir: records", "dir: issuer.pub.pem/records"), "failed", "`$/issuer.pub.pem/records` is not a folder"],
    ["a store's folder that is a file", (config) => config.replace("store: store", "store: tasks.pem"), "failed", "`$/tasks.pem` is not a folder"],
  ];
  for (const [what, change, exit, said] of unfit) {
    it(`doesn't call a configuration good with ${what}`, async () => {
      const { config } = await retailSandbox();
      await writeFile(config, change(await readFile(config, "utf8")));
      const ran = await remit("serve", "--check", "--json", "--config", config);
      expect(ran.exit).to.equal(exit);
      expect(ran.err).to.equal("");
      expect((JSON.parse(ran.out) as { error: { message: string } }).error.message).to.include(said.replace("$", at("sandbox")));
    });
  }

  it("doesn't call one good whose certificate is of another kind of key", async function () {
    const { config } = await retailSandbox();
    const made = [
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-keyout",
      at("rsa.key"),
      "-out",
      at("rsa.pem"),
      "-subj",
      "/CN=localhost",
    ];
    if (spawnSync("openssl", made).status !== 0) skip(this, "no openssl");
    await writeFile(config, `${await readFile(config, "utf8")}tls: {cert: ${at("rsa.pem")}, key: issuer.pem}\n`);
    const { exit, err } = await remit("serve", "--check", "--config", config);
    expect([exit, err]).to.deep.equal(["invalid", "error: tls: the key isn't that of the certificate\n"]);
    await writeFile(config, (await readFile(config, "utf8")).replace("key: issuer.pem}", `key: ${at("rsa.key")}}`));
    expect((await remit("serve", "--check", "--config", config)).exit).to.equal("ok");
  });

  it("doesn't call one good whose folders this user can't make, and names the key", async () => {
    const { config } = await retailSandbox();
    for (const name of await readdir(at("sandbox"))) await chmod(at("sandbox", name), 0o755);
    for (const path of [at(), at("sandbox")]) await chmod(path, 0o555);
    const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    const { status, stderr } = spawnSync(process.execPath, [MAIN, "serve", "--check", "--config", config], { encoding: "utf8", ...user });
    for (const path of [at(), at("sandbox")]) await chmod(path, 0o755);
    expect([status === 0, stderr]).to.deep.equal([
      false,
      `error: bundle.state_dir: \`${at("sandbox", "state")}\` may not be read or written\n`,
    ]);
  });

  it("calls a configuration good, in text and as JSON, and makes nothing", async () => {
    const { config } = await retailSandbox();
    const before = await readdir(at("sandbox"));
    expect(await remit("serve", "--check", "--config", config)).to.include({ exit: "ok", out: `good  ${config}\n` });
    const { out } = await remit("serve", "--check", "--json", "--config", config);
    expect(JSON.parse(out)).to.deep.equal({ ok: true, config });
    expect(await readdir(at("sandbox"))).to.deep.equal(before);
  });

  it("names the key of the address that it can't listen on", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as AddressInfo;
    const { config } = await retailSandbox(port);
    const { exit, err } = await remit("serve", "--config", config);
    taken.close();
    expect(exit).to.equal("failed");
    expect(err).to.include(`error: listen: \`127.0.0.1:${port}\` is taken by another process\n`);
  });

  const folders: [what: string, args: string[]][] = [
    ["a token", ["agents", "list", "--url", "http://127.0.0.1:9", "--token-file"]],
    ["a bundle", ["inspect"]],
    ["a key", ["verify", "bundles/retail.tar.gz", "--key"]],
    ["a request", ["decide", "--bundle", "bundles/retail.tar.gz", "--facts"]],
    ["lines", ["observe", "--token", "t", "--url", "http://127.0.0.1:9"]],
    ["facts", ["facts", "import", "--token", "t", "--url", "http://127.0.0.1:9"]],
    ["a snapshot", ["profile", "show", "a-1", "--snapshot"]],
  ];
  for (const [what, args] of folders) {
    it(`names a folder that is given as a file: ${what}`, async () => {
      const { exit, out, err } = await remit(...args, folder);
      expect([exit, out]).to.deep.equal(["failed", ""]);
      expect(err.split("\n")[0]).to.equal(`error: \`${folder}\` is a folder`);
    });
  }

  const misused: [what: string, args: string[], message: RegExp][] = [
    ["an option that there isn't", ["agents", "show", "a-1", "--bogus"], /^unknown option '--bogus'$/],
    [
      "an option that is misspelt",
      ["agents", "list", "--token-fil", "x"],
      /^unknown option '--token-fil' \(Did you mean --token-file\?\)$/,
    ],
    ["an argument too few", ["inspect"], /^missing required argument 'bundle'$/],
    ["an argument too many", ["inspect", "a", "b"], /^too many arguments/],
    ["an option without its value", ["agents", "list", "--limit"], /^option '--limit <n>' argument/],
    ["a value that can't be", ["agents", "list", "--limit", "none"], /must be a whole number/],
    ["a command that there isn't", ["agnets"], /^unknown command 'agnets' \(Did you mean agents\?\)$/],
    ["no command", ["agents"], /command|option/],
  ];
  for (const [what, args, message] of misused) {
    it(`says ${what} as JSON where it was asked for that`, async () => {
      const { exit, out, err } = await remit(...args, "--json");
      expect([exit, err]).to.deep.equal(["usage", ""]);
      const { ok, error } = JSON.parse(out) as { ok: boolean; error: { code: string; message: string; hint: string } };
      expect([ok, error.code]).to.deep.equal([false, "usage"]);
      expect(error.message).to.match(message);
      expect(error.hint).to.include("--help");
    });
  }

  it("says of a configuration that is a folder that it is one", async () => {
    const { exit, err } = await remit("serve", "--config", folder);
    expect([exit, err]).to.deep.equal([
      "invalid",
      `error: \`${folder}\` is a folder\nhint: --config names it; docs/reference.md has its keys\n`,
    ]);
  });

  /** A service of a bundle that ships. */
  async function retailSandbox(port = 0): Promise<{ config: string }> {
    const bundle = { name: "retail", path: asset("bundles", "retail.tar.gz"), keys: ["retail.pub.pem"] };
    const sandbox = makeSandbox({ dir: at("sandbox"), bundle, facts: "agents: {}\n", port });
    await writeFile(at("sandbox", "retail.pub.pem"), await readFile(asset("bundles", "retail.pub.pem")));
    return sandbox;
  }
});
