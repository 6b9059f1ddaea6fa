/** The MCP guard with a drafted set and `flow: standard`, before servers that hand out what a stranger wrote. */
import { expect } from "chai";
import { COMPILER_BUILD_MS_MAX } from "../build/support.js";
import { draftedGuard } from "./mcp/drafted.js";
import { KINDS, injected } from "./mcp/injected.js";

for (const kind of KINDS) {
  describe(`a guard with \`flow: standard\` before a server of ${kind.name}`, function () {
    this.timeout(COMPILER_BUILD_MS_MAX);

    it("lets through what the user's words say, and nothing that a stranger's text asks for", async () => {
      const server = await injected(kind);
      const instruction = "Look notes.txt up, then tell ada@org.example; use https://org.example/form.";
      const guard = await draftedGuard({ url: server.url }, instruction);
      try {
        expect(guard.tools).to.have.members(server.tools.map(({ name }) => name));
        expect(await guard.call(kind.reads.tool, { [kind.reads.argument]: kind.reads.is })).to.equal(true);
        expect(await guard.call(kind.acts.tool, kind.acts.attack)).to.equal(false);
        expect(server.did).to.deep.equal([]);
        expect(await guard.call(kind.acts.tool, kind.acts.benign)).to.equal(true);
        expect(server.did).to.deep.equal([kind.acts.benign]);
      } finally {
        await guard.close();
        await server.close();
      }
    });
  });
}
