import { expect } from "chai";
import { Turns } from "../../src/system/turns.js";

const turn = (): Promise<void> => new Promise(setImmediate);

describe("turns", () => {
  it("are one after the other for a key, and at once for two", async () => {
    const turns = new Turns();
    const said: string[] = [];
    const act = (name: string) => async () => {
      said.push(`${name} begins`);
      await turn();
      said.push(`${name} ends`);
    };
    await Promise.all([turns.take("a", act("a1")), turns.take("a", act("a2")), turns.take("b", act("b1"))]);
    expect(said.filter((one) => one.startsWith("a"))).to.deep.equal(["a1 begins", "a1 ends", "a2 begins", "a2 ends"]);
    expect(said.indexOf("b1 begins")).to.be.below(said.indexOf("a1 ends"));
  });

  it("go on after one that fails, which its caller alone hears of", async () => {
    const turns = new Turns();
    const failed = turns.take("a", () => Promise.reject(new Error("it can't")));
    const next = turns.take("a", () => Promise.resolve("next"));
    expect(await failed.catch((cause: unknown) => String(cause))).to.equal("Error: it can't");
    expect(await next).to.equal("next");
  });

  it("keep nothing of a key that nobody waits for", async () => {
    const turns = new Turns();
    expect(turns.has("a")).to.equal(false);
    const taken = turns.take("a", turn);
    expect(turns.has("a")).to.equal(true);
    await taken;
    await turn();
    expect(turns.has("a")).to.equal(false);
  });
});
