import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { COMPILER_BUILD_MS_MAX } from "../build/support.js";
import { remit, type Ran } from "./remit.js";

describe("a policy's way from its folder to a bundle that can be checked", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  let folder = "";
  const at = (...parts: string[]): string => join(folder, ...parts);
  const edit = async (file: string, change: (text: string) => string): Promise<void> => {
    await writeFile(at("desk", file), change(await readFile(at("desk", file), "utf8")));
  };
  const build = (...args: string[]): Promise<Ran> => remit("build", at("desk"), "--key", at("signing.pem"), ...args);
  const verify = (...args: string[]): Promise<Ran> => remit("verify", at("desk.tar.gz"), "--key", at("signing.pub.pem"), ...args);

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "remit-supply-"));
    for (const args of [
      ["init", at("desk")],
      ["keys", "generate", "--out", at("signing")],
      ["keys", "generate", "--out", at("other")],
    ]) {
      expect((await remit(...args)).exit).to.equal("ok");
    }
    const args = ["--sequence", "1", "--out", at("desk.tar.gz"), "--provenance", "--builder", "https://ci.example.com/policies"];
    const built = await build(...args);
    expect(built.exit, built.err).to.equal("ok");
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it("says who built it, of what, and how its tests went, and is what its sources give", async () => {
    const { exit, out, err } = await verify("--provenance", at("signing.pub.pem"), "--rebuild", at("desk"));
    expect(exit, err).to.equal("ok");
    expect(out).to.match(/built by +https:\/\/ci\.example\.com\/policies, opa \d/);
    expect(out).to.match(/tests +[1-9]\d* passed, 100\.0 %/);
    expect(out).to.include("every file is what");
  });

  it("isn't verified by another builder's key", async () => {
    const { exit, err } = await verify("--provenance", at("other.pub.pem"));
    expect([exit, err]).to.satisfy(([how, text]: string[]) => how !== "ok" && text?.includes("no trusted key has signed it"));
  });

  it("is signed by a second key, and is then what two signers made", async () => {
    const two = ["--key", at("signing.pub.pem"), "--key", at("other.pub.pem"), "--signers", "2"];
    expect((await remit("verify", at("desk.tar.gz"), ...two)).err).to.include("fewer trusted signers");
    const cosign = (...args: string[]): Promise<Ran> => remit("cosign", at("desk.tar.gz"), "--out", at("two.tar.gz"), ...args);
    expect((await cosign("--key", at("signing.pem"), "--trust", at("signing.pub.pem"))).exit).to.equal("invalid");
    expect((await cosign("--key", at("other.pem"), "--trust", at("other.pub.pem"))).err).to.include("not trusted");
    const { exit, out, err } = await cosign("--key", at("other.pem"), "--trust", at("signing.pub.pem"));
    expect(exit, err).to.equal("ok");
    expect(out).to.include("signed by a second key");
    const verified = await remit("verify", at("two.tar.gz"), ...two, "--provenance", at("signing.pub.pem"), "--rebuild", at("desk"));
    expect(verified.exit, verified.err).to.equal("ok");
    for (const key of ["signing", "other"])
      expect((await remit("verify", at("two.tar.gz"), "--key", at(`${key}.pub.pem`))).exit).to.equal("ok");
  });

  it("is prepared with a way back", async () => {
    const { exit, out, err } = await build("--sequence", "2", "--out", at("next.tar.gz"), "--also", at("desk.tar.gz"), "--no-expiry");
    expect(exit, err).to.equal("ok");
    expect(out).to.include("the content of sequence 1");
    const back = await remit("verify", at("next.back.tar.gz"), "--key", at("signing.pub.pem"), "--json");
    expect(JSON.parse(back.out)).to.include({ ok: true, sequence: 3 });
    const refused = await build("--sequence", "2", "--out", at("x.tar.gz"), "--name", "other", "--also", at("desk.tar.gz"));
    expect(refused.err).to.include("--also names a bundle `desk`");
  });

  it("is found to be of other sources, once one of them has changed", async () => {
    await edit("purposes.yaml", (text) => `${text}# more\n`);
    const { exit, err } = await verify("--rebuild", at("desk"));
    expect(exit).to.equal("invalid");
    expect(err).to.match(/differs in purposes\.yaml/);
  });

  it("is formatted by `remit fmt`, which leaves what isn't Rego alone", async () => {
    await edit("rules.rego", (text) => text.replaceAll("\t", "    "));
    const { err } = await build("--sequence", "3", "--out", at("x.tar.gz"));
    expect(err).to.include("not formatted").and.include("remit fmt");
    expect((await remit("fmt", at("desk"))).out).to.equal(`${at("desk", "rules.rego")}\n`);
    expect((await remit("fmt", at("desk"))).out).to.equal("");
    const good = await readFile(at("desk", "rules.rego"), "utf8");
    await edit("rules.rego", (text) => `${text}\nbroken if {\n`);
    const broken = await remit("fmt", at("desk"));
    expect(broken.exit).to.equal("invalid");
    expect(broken.err).to.match(/rules\.rego:\d+/);
    expect(await readFile(at("desk", "rules.rego"), "utf8")).to.equal(`${good}\nbroken if {\n`);
    await writeFile(at("desk", "rules.rego"), good);
  });

  it("isn't built with provenance while a test fails", async () => {
    await edit("rules_test.rego", (text) => `${text}\ntest_that_fails if {\n\tfalse\n}\n`);
    const { exit, err } = await build("--sequence", "4", "--out", at("failing.tar.gz"), "--provenance");
    expect(exit).to.equal("failed");
    expect(err).to.match(/1 of \d+ tests failed/);
  });
});
