import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { join } from "node:path";
import { expect } from "chai";

describe("the example of an MCP client and server", function () {
  it("runs as it is told", async () => {
    const example = join(import.meta.dirname, "..", "..", "examples", "mcp.js");
    const { stdout } = await promisify(execFile)(process.execPath, [example]);
    expect(stdout.trimEnd().split("\n")).to.deep.equal([
      "tools    get_customer, get_invoice",
      'done     get_customer: get_customer {"customer":"ada"}',
      "refused  change_customer: This tool is not available.",
      "refused  export_customers: This tool is not available.",
      'done     get_invoice: get_invoice {"invoice":"I-9","customer":"bob"}',
    ]);
  });
});
