import { spawnSync } from "node:child_process";
import { expect } from "chai";
import { asset } from "../../src/system/paths.js";
import { skip } from "../skip.js";

/** Runs a command in a namespace in which there is no network but loopback. */
const alone = (command: string): { status: number | null; stdout: string } =>
  spawnSync("unshare", ["--map-root-user", "--net", "sh", "-c", `ip link set lo up && ${command}`], { encoding: "utf8" });

describe("the console's page, without a network", function () {
  this.timeout(300_000);

  it("goes everywhere, and shows hostile text as text, where nobody but its own server can be reached", function () {
    if (alone("true").status !== 0) return skip(this, "no namespace without a network");
    const outside = `${process.execPath} -e 'net.connect(53, "192.0.2.1").on("error", ({ code }) => console.log(code))'`;
    expect(alone(outside).stdout).to.equal("ENETUNREACH\n");
    const mocha = asset("node_modules", "mocha", "bin", "mocha.js");
    const chosen = "goes everywhere by keys|hostile text in every field";
    const page = asset("dist", "test", "console", "page.long.test.js");
    const { status, stdout } = alone(`${process.execPath} ${mocha} --no-config --exit --timeout 240000 --grep '${chosen}' ${page}`);
    expect(status, stdout).to.equal(0);
    expect(stdout, "skipped where there is no browser").to.match(/2 passing|2 pending/);
  });
});
