import { expect } from "chai";
import { createPublicKey } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeSandbox, type Sandbox } from "../../demo/sandbox.js";
import { configuredIdentity } from "../../src/identity/configured_identity.js";
import { KeyRefused } from "../../src/identity/keys.js";
import type { JwtIdentity } from "../../src/identity/jwt.js";
import { checkService } from "../../src/service/checks.js";
import { parseConfig, readConfig } from "../../src/system/config.js";
import { asset } from "../../src/system/paths.js";
import { system } from "../../src/system/index.js";

const silent = { loaded: () => undefined, failed: () => undefined };

describe("the identity that a configuration describes", () => {
  let dir: string;
  let sandbox: Sandbox;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "remit-identity-"));
    const bundle = { name: "none", path: "none.tar.gz", keys: ["issuer.pub.pem"] };
    sandbox = makeSandbox({ dir, bundle, facts: "agents: {}\n", port: 0 });
  });
  afterEach(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  const made = (change: (text: string) => string = (text) => text, production = false): JwtIdentity =>
    configuredIdentity(parseConfig(change(readFileSync(sandbox.config, "utf8")), sandbox.config), system, production, silent);

  it("takes the tokens of a sandbox: callers', agents' and its own for tasks", async () => {
    const who = made();
    const caller = await who.authenticate(`Bearer ${sandbox.token("gateway", ["remit:decide"])}`, "remit:decide");
    expect(caller.id).to.equal("gateway");
    const issuer = "https://issuer.localhost";
    const alone = await who.agentProof(sandbox.agentToken("support-7"));
    expect([alone.actor, alone.principal]).to.deep.equal([{ issuer, subject: "support-7" }, null]);
    const acting = await who.agentProof(sandbox.agentToken("support-7", "ada"));
    expect([acting.actor, acting.principal]).to.deep.equal([alone.actor, { issuer, subject: "ada" }]);
    const task = { task: "T-1", agent: "support-7", purpose: "customer_support", expires_ms: null };
    expect(who.taskProof(who.issueTaskToken(task))).to.include({ task: "T-1", agent: "support-7" });
  });

  it("is refused in production with the keys of a sandbox, under whatever id", () => {
    const renamed = (text: string): string => text.replaceAll(/remit-development-/g, "prod-");
    const own = (text: string): string => text.replace(/ {2}task_tokens:\n( {4}.*\n)+/, "");
    for (const change of [(text: string) => text, renamed, own, (text: string) => renamed(own(text))]) {
      expect(() => made(change, true)).to.throw(KeyRefused, "made for development");
      expect(() => made(change)).not.to.throw();
    }
    // The issuer's key is another; the one for task tokens is not.
    const pem = createPublicKey(readFileSync(join(dir, "issuer.pem"))).export({ type: "spki", format: "pem" });
    writeFileSync(join(dir, "issuer.pub.pem"), pem);
    expect(() => made(renamed, true)).to.throw(KeyRefused, "key `prod-tasks`: made for development");
    expect(() => made((text) => renamed(own(text)), true)).not.to.throw();
  });

  it("is refused by the service where NODE_ENV says production, and only there", async () => {
    const before = process.env["NODE_ENV"];
    const outcome = async (value: string): Promise<string> => {
      process.env["NODE_ENV"] = value;
      try {
        await checkService(readConfig(sandbox.config), system);
        return "good";
      } catch (error) {
        return (error as Error).message;
      }
    };
    try {
      expect(await outcome("production")).to.contain("made for development, refused in production");
      for (const value of ["development", "test", ""]) expect(await outcome(value)).not.to.contain("refused in production");
    } finally {
      if (before === undefined) delete process.env["NODE_ENV"];
      else process.env["NODE_ENV"] = before;
    }
  });

  it("names the issuer and the key that it can't take", () => {
    writeFileSync(join(dir, "issuer.pub.pem"), "hello");
    expect(() => made()).to.throw(KeyRefused, "issuer `https://issuer.localhost`: key `remit-development-issuer`: not");
  });

  it("is, in the guide's example, one that can be read", () => {
    const [, example = ""] = /```yaml\n(identity:\n[^]*?)```/.exec(readFileSync(asset("docs", "identity.md"), "utf8")) ?? [];
    const text = readFileSync(sandbox.config, "utf8").replace(/^identity:\n(?: .*\n)+/m, example);
    const { identity } = parseConfig(text, sandbox.config);
    expect(identity.issuers.map(({ issuer }) => issuer)).to.deep.equal(
      ["login", "spire", "ci"].map((name) => `https://${name}.example.com`),
    );
    expect(identity.task_tokens?.kid).to.equal("tasks-2026");
  });

  it("has keys that say what they are for", () => {
    for (const file of ["issuer.pem", "tasks.pem"]) {
      expect(readFileSync(join(dir, file), "utf8")).to.match(/^remit-development: /);
    }
  });
});
