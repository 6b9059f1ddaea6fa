import { expect } from "chai";
import { runService } from "../../demo/service.js";
import type { Told } from "../../demo/teller.js";
import { tellWeeks } from "../../demo/weeks.js";
import { terminal } from "../../src/cli/ui.js";

/** What the story was told as, and what it came to. */
async function told(start: typeof runService = runService): Promise<Told & { text: string }> {
  let text = "";
  const stream = { write: (said: string) => (text += said) };
  const came = await tellWeeks(terminal(stream, stream, {}), start);
  return { ...came, text };
}

describe("two weeks at a support desk", function () {
  this.timeout(900_000);

  it("come out as told: usual work is let be, an agent that isn't itself is flagged, narrowed, suspended, and cleared up", async () => {
    const { wrong, decisions, text } = await told();
    expect(wrong).to.deep.equal([]);
    expect(decisions).to.be.greaterThan(2000);
    expect(text).to.contain("narrowed after").and.contain("suspended after").and.contain("agent_narrowed");
  });

  it("don't where nobody learns what is usual: the agent goes on", async () => {
    const { wrong } = await told((options) => runService({ ...options, learns: false }));
    expect(wrong).to.include("it was not narrowed within 60 customers");
    expect(wrong).to.include("everybody was to know that it is suspended");
    expect(wrong).to.include("what it did was to be found unusual");
  });
});
