import { expect } from "chai";
import { NARROWS_NOBODY } from "../../bench/servers.js";
import { compiled } from "../threats/cut.js";

describe("the service that benches measure", () => {
  it("is the one that ships, but for what narrows agents: the edit still fits it", () => {
    expect(compiled("service.js", [NARROWS_NOBODY])).not.to.equal(compiled("service.js", []));
  });
});
