import { spawn, spawnSync, type ChildProcess, execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { freePort } from "../../demo/ports.js";
import { RUN, LAST_LINE } from "./run_support.js";
import { asset } from "../../src/system/paths.js";
import { skip } from "../skip.js";

const MARK = /^remit-development: /;

describe("make run", function () {
  let home: string;
  let port: number;
  let running: ChildProcess[];

  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), "remit-run-test-"));
    port = await freePort();
    running = [];
  });

  afterEach(async () => {
    for (const child of running) await stop(child);
    rmSync(home, { recursive: true, force: true });
  });

  const environment = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
    ...process.env,
    NODE_ENV: "",
    XDG_DATA_HOME: home,
    PORT: String(port),
    ...more,
  });

  /** What it prints until it is ready. */
  async function start(): Promise<{ child: ChildProcess; said: string }> {
    const child = spawn(process.execPath, [RUN], { env: environment(), stdio: ["ignore", "pipe", "pipe"] });
    running.push(child);
    let said = "";
    child.stderr.resume();
    for await (const chunk of child.stdout) {
      said += String(chunk);
      if (LAST_LINE.test(said)) return { child, said };
    }
    throw new Error(`it ended: ${said}`);
  }

  async function stop(child: ChildProcess): Promise<number | null> {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGTERM");
      await once(child, "exit");
    }
    return child.exitCode;
  }

  /** Where it ends at once: its exit code, and what it says. */
  function refused(more: NodeJS.ProcessEnv): { code: number | null; err: string } {
    const { status, stderr } = spawnSync(process.execPath, [RUN], { env: environment(more), encoding: "utf8" });
    return { code: status, err: stderr };
  }

  const LINES: [what: string, args: string[], code: number, says: RegExp][] = [
    ["prints its help", ["--help"], 0, /^Usage: node dist\/demo\/run\.js \[options\][^]*--port <port>[^]*Examples:/],
    ["names an option that it hasn't", ["--prot", "8282"], 2, /unknown option '--prot'\n\(Did you mean --port\?\)/],
    ["names an option without its value", ["--port"], 2, /argument missing/],
    ["names an argument too many", ["8282"], 2, /too many arguments/],
  ];
  for (const [what, args, code, says] of LINES) {
    it(`${what}, and starts nothing`, () => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [RUN, ...args], { env: environment(), encoding: "utf8" });
      expect(status).to.equal(code);
      expect(stdout + stderr).to.match(says);
      expect(existsSync(join(home, "remit"))).to.equal(false);
    });
  }

  it("refuses a port that is none, or that something answers at", async () => {
    for (const none of ["0", "65536", "1.5", "http"]) {
      expect(refused({ PORT: none }), none)
        .to.include({ code: 1 })
        .and.property("err")
        .contain("is no port");
    }
    await start();
    expect(refused({})).to.include({ code: 1 }).and.property("err").contain("something answers at port");
  });

  /** What each line answers when all are pasted into one shell. */
  function pasted(said: string): Record<string, unknown>[] {
    const lines = said.split("\n").filter((line) => /^(?:export|curl) /.test(line));
    const out = execFileSync("sh", ["-c", lines.join("\n")], { encoding: "utf8" });
    return out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  const codes = (answer: Record<string, unknown> | undefined): unknown[] =>
    (answer?.["reasons"] as { code: string }[]).map(({ code }) => code);

  it("prints lines that do what it says when they are pasted, at each start anew", async function () {
    if (spawnSync("curl", ["--version"]).status !== 0) skip(this, "no curl");
    for (const time of ["first", "second"]) {
      const { child, said } = await start();
      const [flagged, registered, issued, allowed, revoked, denied, lifted] = pasted(said);
      expect(codes(flagged), time).to.include("unrelated_financials");
      expect([flagged?.["decision"], flagged?.["proceed"]]).to.deep.equal(["flag", false]);
      expect([registered?.["id"], registered?.["status"]]).to.deep.equal(["support-9", "active"]);
      expect([issued?.["id"], issued?.["agent"]]).to.deep.equal(["T-9", "support-9"]);
      // Whether the desk is open is the clock's to say, and what is printed says it.
      expect(said.includes("outside the desk's hours (Berlin")).to.equal(codes(allowed).includes("off_hours"));
      expect(allowed?.["proceed"]).to.equal(true);
      expect([revoked?.["in_force"], revoked?.["durable"]]).to.deep.equal(["node", true]);
      expect(codes(denied)).to.deep.equal(["agent_revoked"]);
      expect(denied?.["facts_revision"]).to.be.at.least(Number(revoked?.["revision"]));
      expect(lifted?.["lifted"]).to.be.an("object");
      // Left as it was stopped: the next start must not trip over what was revoked.
      const [, url = ""] = /^export REMIT_URL=(.*)$/m.exec(said) ?? [];
      const [, token = ""] = /^export REMIT_TOKEN=(.*)$/m.exec(said) ?? [];
      const body = JSON.stringify({ scope: { everything: true }, reason: "before it is stopped" });
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
      expect((await fetch(`${url}/revocations`, { method: "POST", headers, body })).status).to.equal(200);
      expect(await stop(child)).to.equal(0);
    }
  });

  it("prints first an address of the console that signs in, and leaves nothing behind when it stops", async () => {
    const { child, said } = await start();
    const [signIn = ""] = /http:\/\/127\.0\.0\.1:\d+\/local\?code=\S+/.exec(said) ?? [];
    expect(said.indexOf(signIn)).to.be.below(said.indexOf("REMIT_URL"));
    const answer = await fetch(signIn, { redirect: "manual" });
    expect([answer.status, answer.headers.get("location")]).to.deep.equal([303, "/"]);
    expect(await stop(child)).to.equal(0);
    const gone = await fetch(new URL("/", signIn)).then(
      () => "answers",
      () => "gone",
    );
    expect(gone).to.equal("gone");
  });

  it("prints the request that the README shows", async () => {
    const { said } = await start();
    const requestIn = (text: string): unknown => {
      const [, body = ""] = /curl [^']*(?:'[^'{]*'[^']*)*-d '(\{[^']*\})'/.exec(text) ?? [];
      return JSON.parse(body);
    };
    expect(requestIn(readFileSync(asset("README.md"), "utf8"))).to.deep.equal(requestIn(said));
  });

  it("makes its keys outside the tree, marked, for their owner alone, and keeps them", async () => {
    const dir = join(home, "remit", "dev", String(port));
    const keys = (): string[] => readdirSync(dir).filter((file) => file.endsWith(".pem"));
    const texts: string[][] = [];
    for (let time = 0; time < 2; time++) {
      await stop((await start()).child);
      expect(keys()).to.have.members(["issuer.pem", "issuer.pub.pem", "tasks.pem"]);
      texts.push(keys().map((file) => readFileSync(join(dir, file), "utf8")));
    }
    expect(texts[1]).to.deep.equal(texts[0]);
    for (const text of texts.flat()) expect(text).to.match(MARK);
    for (const file of ["issuer.pem", "tasks.pem"]) expect(statSync(join(dir, file)).mode & 0o077).to.equal(0);
    expect(statSync(dir).mode & 0o077).to.equal(0);
  });

  it("refuses to make keys in the source tree", () => {
    for (const inside of [asset(), asset(".work", "home")]) {
      const { code, err } = refused({ XDG_DATA_HOME: inside });
      expect(code).to.equal(1);
      expect(err).to.contain("is in the source tree, where no key may be");
      expect(existsSync(join(inside, "remit"))).to.equal(false);
    }
  });

  it("refuses its own keys where NODE_ENV says production", () => {
    const { code, err } = refused({ NODE_ENV: "production" });
    expect(code).to.equal(1);
    expect(err).to.match(/^error: key `remit-development-\w+`: made for development, refused in production$/m);
  });
});
