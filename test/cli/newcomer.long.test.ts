/** The path of an author who has only Node, from an empty folder to a changed policy that decides; and the workflow of the template, run. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { expect } from "chai";
import { parse } from "yaml";
import { asset } from "../../src/system/paths.js";
import { COMPILER_BUILD_MS_MAX } from "../build/support.js";
import { ALL, post, run, type Running } from "../http/running.js";

interface Ran {
  code: number;
  out: string;
}

const CLOCK_TICKS_PER_SECOND = 100;

/** CPU of this process and of those it has waited for (proc(5), fields 14 to 17 of stat); NaN elsewhere than on Linux. */
function cpuSeconds(): number {
  if (process.platform !== "linux") return NaN;
  const stat = readFileSync("/proc/self/stat", "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / CLOCK_TICKS_PER_SECOND;
}

describe("an author who has only Node", function () {
  this.timeout(4 * COMPILER_BUILD_MS_MAX);
  let folder: string;
  let service: Running | null = null;
  const at = (...parts: string[]): string => join(folder, ...parts);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "remit-newcomer-"));
    mkdirSync(at("bin"));
    symlinkSync(process.execPath, at("bin", "node"));
    writeFileSync(at("bin", "remit"), `#!/bin/sh\nexec node ${asset("dist", "src", "cli", "main.js")} "$@"\n`, { mode: 0o755 });
  });
  afterEach(async () => {
    await service?.stop();
    service = null;
    rmSync(folder, { recursive: true, force: true });
  });

  /** Runs a program with nothing on PATH but Node and Remit, and what is named. */
  function ran(file: string, args: string[], { cwd = folder, env = {}, path = [] as string[] } = {}): Promise<Ran> {
    const search = [at("bin"), ...path].join(delimiter);
    return new Promise((resolve) => {
      const options = { cwd, env: { HOME: folder, XDG_CACHE_HOME: at("cache"), PATH: search, ...env }, maxBuffer: 1 << 24 };
      execFile(file, args, options, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), out: stdout + stderr });
      });
    });
  }
  const remit = (...args: string[]): Promise<Ran> => ran(process.execPath, [asset("dist", "src", "cli", "main.js"), ...args]);

  async function done(...args: string[]): Promise<string> {
    const { code, out } = await remit(...args);
    expect(code, `remit ${args.join(" ")}: ${out}`).to.equal(0);
    return out;
  }

  async function started(): Promise<Running> {
    writeFileSync(at("facts.yaml"), "");
    const bundle = { name: "desk", path: "desk.tar.gz", keys: [at("signing.pub.pem")], state_dir: "state", poll_ms: 50 };
    return (service = await run({ bundle, facts: { store: "store" } }, false));
  }

  it("has a changed, tested, signed policy that decides, and sees that a wrong change is caught", async () => {
    const began = cpuSeconds();
    const clock = performance.now();
    await done("init", at("desk"));
    await done("test", at("desk"));
    const purposes = at("desk", "purposes.yaml");
    const before = readFileSync(purposes, "utf8");
    writeFileSync(purposes, before.replace("when: { privileged: false }", "when: { privileged: true }"));
    expect((await remit("test", at("desk"))).code).to.not.equal(0);
    writeFileSync(purposes, before.replace("answer_lasts: 5s", "answer_lasts: 10s"));
    await done("test", at("desk"));
    await done("keys", "generate", "--out", at("signing"));
    await done("build", at("desk"), "--key", at("signing.pem"), "--out", at("desk.tar.gz"), "--provenance");
    const { url } = await started();
    const asked = ["--url", url, "--token", ALL];
    expect(await done("publish", at("desk.tar.gz"), "--reason", "the first", ...asked)).to.include("decides now");
    expect(await done("bundles", ...asked)).to.match(/runs +desk/);
    const cpu_s = cpuSeconds() - began;
    console.log(
      `      ${((performance.now() - clock) / 1000).toFixed(1)} s, and ${cpu_s.toFixed(1)} s of CPU with the service and all commands`,
    );
  });

  it("has a workflow whose commands run as they are, from the check to the publication", async function () {
    const git = await ran("/bin/sh", ["-c", "git --version"], { path: (process.env["PATH"] ?? "").split(delimiter) });
    if (git.code !== 0) this.skip();
    await done("init", at("desk"));
    await done("keys", "generate", "--out", at("signing"));
    const running = await started();
    const { url, folder: place } = running;
    // A record that the impact can be of, by a bundle that ran before.
    await done("build", at("desk"), "--key", at("signing.pem"), "--sequence", "1", "--out", at("first.tar.gz"));
    await done("publish", at("first.tar.gz"), "--reason", "the first", "--url", url, "--token", ALL);
    const resource = { type: "mailbox", id: "m-1" };
    expect((await post(running, "/decide", { agent: "a-1", purpose: "it_helpdesk", task: "T-1", verb: "read", resource })).status).to.equal(
      200,
    );
    const { jobs } = parse(readFileSync(at("desk", ".github", "workflows", "policy.yml"), "utf8")) as {
      jobs: Record<string, { steps: { run?: string }[] }>;
    };
    const commands = Object.values(jobs).flatMap(({ steps }) => steps.flatMap(({ run: text }) => (text === undefined ? [] : [text])));
    const path = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", dirname(process.execPath)];
    const env = {
      ...{ RUNNER_TEMP: at("temp"), REMIT_URL: url, REMIT_TOKEN: ALL, REMIT_RECORDS_URL: `file://${at("records.tar.gz")}` },
      REMIT_SIGNING_KEY: readFileSync(at("signing.pem"), "utf8"),
    };
    mkdirSync(at("temp"));
    const shell = async (text: string, more: object = {}): Promise<void> => {
      const { code, out } = await ran("/bin/bash", ["-eo", "pipefail", "-c", text], { cwd: at("desk"), env: { ...env, ...more }, path });
      expect(code, `${text}\n${out}`).to.equal(0);
    };
    await shell('git init -q && git add -A && git -c user.name=a -c user.email=a@example.com commit -qm "a policy"');
    await shell('git -c user.name=a -c user.email=a@example.com commit -q --allow-empty -m "reviewed"');
    await shell(`tar -cz -C ${join(place, "log")} . > ${at("records.tar.gz")}`);
    const isInstalling = (text: string): boolean => text.startsWith("npm install");
    expect(commands.filter(isInstalling)).to.have.length(2);
    for (const text of commands.filter((one) => !isInstalling(one))) await shell(text);
    expect(commands.some((text) => text.includes("remit publish"))).to.equal(true);
    expect(await done("bundles", "--url", url, "--token", ALL)).to.match(/runs +desk/);
  });
});
