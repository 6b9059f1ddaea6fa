import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { capabilitiesText } from "../../scripts/capabilities.js";
import { FORBIDDEN_BUILTINS, type Capabilities } from "../../src/bundle/capabilities.js";
import { CAPABILITIES_FILE } from "../../src/bundle/check.js";
import { runOpa } from "../../src/bundle/opa.js";
import { compiler, COMPILER_BUILD_MS_MAX } from "./support.js";

describe("the builtins that a policy may use", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  async function all(): Promise<Capabilities> {
    return JSON.parse((await runOpa(await compiler(), ["capabilities", "--current"], ".")).stdout) as Capabilities;
  }

  async function allowed(): Promise<Capabilities> {
    return JSON.parse(await readFile(CAPABILITIES_FILE, "utf8")) as Capabilities;
  }

  it("are generated from the compiler's and the engine's own lists", async () => {
    expect(await readFile(CAPABILITIES_FILE, "utf8")).to.equal(await capabilitiesText(await compiler()));
  });

  it("are two thirds of all at most", async () => {
    const count = (await allowed()).builtins.length;
    expect(count)
      .to.be.greaterThan(60)
      .and.lessThan(((await all()).builtins.length * 2) / 3);
  });

  it("are none that depends on the moment or the machine", async () => {
    for (const { name, nondeterministic } of (await allowed()).builtins) {
      expect(nondeterministic, name).to.not.equal(true);
    }
  });

  it("are none of those that the engine answers differently, and each of those exists", async () => {
    const known = (await all()).builtins.map(({ name }) => name);
    const names = (await allowed()).builtins.map(({ name }) => name);
    for (const name of Object.keys(FORBIDDEN_BUILTINS)) {
      expect(known).to.include(name);
      expect(names).to.not.include(name);
    }
  });

  it("reach no host on the network", async () => {
    expect((await allowed())["allow_net"]).to.deep.equal([]);
  });
});
