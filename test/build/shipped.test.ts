import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createPublicKey } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { freePort } from "../../demo/ports.js";
import { buildBundle } from "../../src/bundle/build.js";
import { evaluateWithOpa } from "../../src/bundle/compiled_set.js";
import { runOpa } from "../../src/bundle/opa.js";
import { keyId, publicKey } from "../../src/bundle/signature.js";
import { readUnverified, verifyBundle, type UnverifiedBundle } from "../../src/bundle/verify.js";
import { parseTime } from "../../src/contract/index.js";
import { rehearsalInputs } from "../../src/policy/rehearsal.js";
import { asset } from "../../src/system/paths.js";
import { compiler, COMPILER_BUILD_MS_MAX, nativeCompiler, evaluateWasm, KEY, sorted } from "./support.js";

const INPUTS_MAX = 120;
const START_MS_MAX = 20_000;

const names = (await readdir(asset("bundles"))).flatMap((name) => /^(.+)\.tar\.gz$/.exec(name)?.[1] ?? []);

async function read(name: string): Promise<UnverifiedBundle> {
  return await readUnverified(await readFile(asset("bundles", `${name}.tar.gz`)));
}

function inputsOf({ data, metadata }: UnverifiedBundle): object[] {
  const now = parseTime(metadata.built) ?? 0;
  const texts = rehearsalInputs(data.vocabulary, new Map(Object.entries(data.purposes)), now, INPUTS_MAX);
  return texts.map((text) => JSON.parse(text) as object);
}

/** Asks until the server answers, as long as it lives. */
async function answered(server: ChildProcess, url: string): Promise<void> {
  for (let waited = 0; waited < START_MS_MAX && server.exitCode === null; waited += 100) {
    try {
      if ((await fetch(url)).ok) return;
    } catch {
      // not listening yet
    }
    await sleep(100);
  }
  throw new Error("opa run did not become ready");
}

describe("the shipped bundles", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  it("are there", () => {
    expect(names).to.include("customer_support");
  });

  it("are refused by a stock OPA that trusts another key", async function () {
    const opa = await nativeCompiler(this);
    const folder = await mkdtemp(join(tmpdir(), "remit-shipped-"));
    try {
      const other = join(folder, "other.pub.pem");
      await writeFile(other, createPublicKey(KEY.export({ type: "pkcs8", format: "pem" })).export({ type: "spki", format: "pem" }));
      const bundle = asset("bundles", "customer_support.tar.gz");
      const args = ["run", "--server", "--addr", "127.0.0.1:0", "--disable-telemetry", "--verification-key", other];
      const { code, stdout, stderr } = await runOpa(opa, [...args, "--signing-alg", "ES256", "--bundle", bundle], ".");
      expect(code).to.not.equal(0);
      expect(stdout + stderr).to.match(/verif/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  for (const name of names) {
    describe(name, () => {
      it("is signed by the key beside it, and never expires", async () => {
        const key = publicKey(await readFile(asset("bundles", `${name}.pub.pem`)));
        const bytes = await readFile(asset("bundles", `${name}.tar.gz`));
        const bundle = await verifyBundle(bytes, {
          keys: new Map([[keyId(key), key]]),
          name,
          nowMs: Date.UTC(2050, 0),
        });
        expect(bundle.metadata.expires).to.equal(null);
      });

      it("is what its sources give, file by file but for the signature", async () => {
        const { files, metadata, identity } = await read(name);
        const rebuilt = await buildBundle(await compiler(), {
          dir: asset("rego", "policies", name),
          key: KEY,
          sequence: metadata.sequence,
          expiresMs: null,
          builtMs: parseTime(metadata.built) ?? 0,
          commit: metadata.commit,
        });
        expect([...rebuilt.files.keys()].sort()).to.deep.equal([...files.keys()].sort());
        for (const [file, content] of rebuilt.files) {
          if (file !== ".signatures.json") expect(content.equals(files.get(file) ?? Buffer.of()), file).to.equal(true);
        }
        expect(rebuilt.digest).to.equal(identity.digest);
      });

      it("answers in OPA's own evaluator as it does in WASM", async () => {
        const bundle = await read(name);
        const inputs = inputsOf(bundle);
        const archive = asset("bundles", `${name}.tar.gz`);
        const wanted = (await evaluateWithOpa(await compiler(), archive, inputs)).map(sorted);
        expect(await evaluateWasm(bundle.wasm, bundle.dataText, inputs)).to.deep.equal(wanted);
        expect(new Set(wanted.map((answer) => (answer as { decision: string }).decision)).size).to.be.greaterThan(1);
      });

      it("is verified, loaded and answered the same by a stock OPA server", async function () {
        const opa = await nativeCompiler(this);
        const bundle = await read(name);
        const inputs = inputsOf(bundle).slice(0, 30);
        const url = `http://127.0.0.1:${await freePort()}`;
        const args = [
          ...["run", "--server", "--addr", url.replace("http://", ""), "--disable-telemetry"],
          ...["--verification-key", asset("bundles", `${name}.pub.pem`), "--signing-alg", "ES256"],
          ...["--bundle", asset("bundles", `${name}.tar.gz`)],
        ];
        const server = spawn(opa.path, args, { stdio: "ignore" });
        try {
          await answered(server, `${url}/health`);
          const answers: unknown[] = [];
          for (const input of inputs) {
            const body = JSON.stringify({ input });
            const headers = { "content-type": "application/json" };
            const response = await fetch(`${url}/v1/data/remit/decide`, { method: "POST", headers, body });
            answers.push(sorted(((await response.json()) as { result: unknown }).result));
          }
          expect(answers).to.deep.equal(await evaluateWasm(bundle.wasm, bundle.dataText, inputs));
        } finally {
          server.kill();
          if (server.exitCode === null && server.signalCode === null) await once(server, "exit");
        }
      });
    });
  }
});
