import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import { expect } from "chai";
import { buildBundle } from "../../src/bundle/build.js";
import { findOpa, pinnedOpaVersion, runOpa, wasmArtefact, wasmOpa } from "../../src/bundle/opa.js";
import { filesNamed, OpaProcess, OpaProcesses, OpaProcessError } from "../../src/bundle/opa_process.js";
import { readUnverified } from "../../src/bundle/verify.js";
import { parseTime } from "../../src/contract/index.js";
import { asset } from "../../src/system/paths.js";
import { skip } from "../skip.js";
import { KEY } from "./support.js";

const LIMIT_MS = 120_000;
const VERSION = { args: ["version"], files: {}, stdin: "" };
const ENDLESS = "package p\n\nn := numbers.range(1, 3000)\n\nr := count([1 | some a in n; some b in n; some c in n; a + b == c])\n";

describe("OPA as WebAssembly", function () {
  this.timeout(LIMIT_MS);
  const artefact = wasmArtefact(pinnedOpaVersion());
  const opa = new OpaProcess(artefact);
  let folder = "";

  before(async () => (folder = await mkdtemp(join(tmpdir(), "remit-wasm-"))));
  after(() => rm(folder, { recursive: true, force: true }));

  const failure = async (work: Promise<unknown>): Promise<OpaProcessError> => {
    const error = await work.then(
      () => null,
      (thrown: unknown) => thrown,
    );
    if (error instanceof OpaProcessError) return error;
    throw new Error("it answered", { cause: error });
  };

  it("has the bytes of its checksums", async () => {
    const compressed = await readFile(artefact);
    const sum = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
    const name = basename(artefact);
    const wasm = await promisify(brotliDecompress)(compressed);
    const lines = [`${sum(compressed)}  ${name}`, `${sum(wasm)}  ${name.replace(/\.br$/, "")}`];
    expect(await readFile(asset("compiler", "SHA256SUMS"), "utf8")).to.equal(`${lines.join("\n")}\n`);
  });

  it("names in its NOTICE the OPA that go.mod pins", async () => {
    expect(await readFile(asset("compiler", "NOTICE"), "utf8")).to.include(`github.com/open-policy-agent/opa@v${pinnedOpaVersion()}\n`);
  });

  it("is what is found where there is no native compiler, and no Go", async () => {
    const env = { PATH: join(folder, "empty"), XDG_CACHE_HOME: join(folder, "cache") };
    expect(await findOpa(env)).to.deep.equal({ path: null, version: pinnedOpaVersion() });
    expect((await runOpa(wasmOpa(), ["version"], folder)).stdout).to.equal(`Version: ${pinnedOpaVersion()}\n`);
  });

  it("builds the shipped module, byte for byte", async () => {
    const { wasm, metadata } = await readUnverified(await readFile(asset("bundles", "customer_support.tar.gz")));
    const dir = asset("rego", "policies", "customer_support");
    const builtMs = parseTime(metadata.built) ?? 0;
    const built = await buildBundle(wasmOpa(), { dir, key: KEY, sequence: 1, expiresMs: null, builtMs, commit: null });
    expect(built.files.get("policy.wasm")?.equals(wasm)).to.equal(true);
  });

  it("reads no file but those that an argument names", async () => {
    const secret = join(folder, "secret.rego");
    await writeFile(secret, "package secret\n");
    const { code, stderr } = await opa.ask({ args: ["parse", secret], files: {}, stdin: "" }, LIMIT_MS);
    expect([code, stderr]).to.deep.equal([
      1,
      (await opa.ask({ args: ["parse", "absent.rego"], files: {}, stdin: "" }, LIMIT_MS)).stderr.replace("absent.rego", secret),
    ]);
    expect(Object.keys(await filesNamed(["--data", "secret.rego", "nothing", "data.secret\0"], folder))).to.deep.equal(["secret.rego"]);
  });

  const refused: [what: string, args: string[], said: RegExp][] = [
    ["no command", [], /no command/],
    ["a command that it hasn't", ["run", "--server"], /"run" is not in this build/],
    ["an option that it hasn't", ["build", "--optimize", "2", "."], /unknown flag: --optimize/],
    ["a file that isn't there", ["check", "absent.rego"], /absent\.rego/],
    ["capabilities that aren't there", ["check", "--capabilities", "absent.json", "."], /absent\.json/],
    ["a bundle that is garbage", ["eval", "--bundle", "b.tar.gz", "1"], /b\.tar\.gz/],
    ["an input that is garbage", ["eval", "--stdin-input", "input"], /unable to parse input/],
    ["a mode of explanation that it hasn't", ["eval", "--explain", "full", "1"], /"full" of --explain is not in this build/],
    ["a query that is garbage", ["eval", "]["], /rego_parse_error/],
    ["an entrypoint that isn't one", ["build", "--target", "wasm", "--entrypoint", "", "."], /entrypoint/],
  ];
  for (const [what, args, said] of refused) {
    it(`refuses ${what}, and goes on`, async () => {
      const files = { "b.tar.gz": Buffer.from("garbage"), "m.rego": Buffer.from("package m\n") };
      const { code, stdout, stderr } = await opa.ask({ args, files, stdin: "}{" }, LIMIT_MS);
      expect(code, stdout + stderr).to.be.above(0);
      expect(stdout + stderr).to.match(said);
      expect((await opa.ask(VERSION, LIMIT_MS)).code).to.equal(0);
    });
  }

  it("is stopped when it takes too long, and answers the next question", async () => {
    await opa.ask(VERSION, LIMIT_MS);
    const question = { args: ["eval", "--data", "p.rego", "data.p.r"], files: { "p.rego": Buffer.from(ENDLESS) }, stdin: "" };
    expect((await failure(opa.ask(question, 300))).message).to.equal("did not finish within 0.3 s");
    expect((await opa.ask(VERSION, LIMIT_MS)).code).to.equal(0);
  });

  it("answers one question while another takes long, where there are two cores", async function () {
    if (availableParallelism() < 2) skip(this, "one core");
    const both = new OpaProcesses(artefact);
    const files = { "p.rego": Buffer.from(ENDLESS) };
    const endless = both.ask({ args: ["eval", "--data", "p.rego", "data.p.r"], files, stdin: "" }, LIMIT_MS / 6);
    const first = await Promise.race([endless.catch(() => "the endless one"), both.ask(VERSION, LIMIT_MS).then(() => "the short one")]);
    expect(first).to.equal("the short one");
    expect((await failure(endless)).message).to.match(/^did not finish/);
  });

  it("says so when its module is damaged or gone", async () => {
    const damaged = join(folder, "damaged.br");
    await writeFile(damaged, (await readFile(artefact)).subarray(0, 10_000));
    expect((await failure(new OpaProcess(damaged).ask(VERSION, LIMIT_MS))).message).to.not.equal("");
    expect((await failure(new OpaProcess(join(folder, "gone")).ask(VERSION, LIMIT_MS))).message).to.include("its process ended");
  });

  it("answers questions asked at once in their order, and doesn't keep its parent alive", async () => {
    const script = `
      import { OpaProcess } from ${JSON.stringify(pathToFileURL(asset("dist", "src", "bundle", "opa_process.js")).href)};
      const opa = new OpaProcess(${JSON.stringify(artefact)});
      const ask = (text) => opa.ask({ args: ["eval", "--format", "raw", text], files: {}, stdin: "" }, ${LIMIT_MS});
      console.log(JSON.stringify((await Promise.all(["1", "2", "3"].map(ask))).map(({ stdout }) => stdout.trim())));`;
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script], { timeout: LIMIT_MS });
    expect(JSON.parse(stdout)).to.deep.equal(["1", "2", "3"]);
  });
});
