import { expect } from "chai";
import { failedLines } from "../../src/authoring/failed_lines.js";
import { compilePolicySet } from "../../src/bundle/compile.js";
import { OpaUnavailable } from "../../src/bundle/opa.js";
import type { PolicyInput } from "../../src/contract/index.js";
import { asset } from "../../src/system/paths.js";

describe("the lines at which rules stopped", () => {
  it("are not taken for none where the compiler gives no trace", async () => {
    const set = compilePolicySet(asset("rego", "policies", "customer_support"));
    const input = { request: { verb: "refund", purpose: set.name } } as PolicyInput;
    const compiler = { path: process.execPath, version: "1.0.0" }; // a program that knows no `eval`
    const outcome: unknown = await failedLines(compiler, set.dir, set, input).catch((error: unknown) => error);
    expect(outcome).to.be.instanceOf(OpaUnavailable);
  });
});
