import { expect } from "chai";
import type { Answer, FindingPage } from "../../src/contract/index.js";
import { Desk } from "./desk.js";

const AGENTS = 20;
const DECISIONS = 10_000;
const BATCH = 100;
/** Of so many, one is denied, of whichever agent: it asks for what it may not, and then does what it may. */
const DENIED_EVERY = 53;

/** What support agents do all day, each on its own ticket. */
function work(i: number): string {
  const agent = (i % AGENTS) + 1;
  const own = `customer-${agent}`;
  if (i % DENIED_EVERY === 7) return `update customer/${own}`;
  const step = Math.floor(i / AGENTS);
  return [
    `read ticket/TCK-${agent} ${own}`,
    `read customer/${own}`,
    `read order/O-${step % 200} ${own}`,
    `read invoice/I-${step % 50} ${own}`,
    `search order`,
  ][step % 5] as string;
}

describe("a day of work that nobody has to look into", function () {
  this.timeout(900_000);

  it(`of ${DECISIONS} decisions is no finding but what the profile may wonder about`, async () => {
    const desk = await Desk.open({}, undefined, AGENTS);
    try {
      const counts = { allow: 0, deny: 0, flag: 0 };
      for (let at = 0; at < DECISIONS; at += BATCH) {
        const actions = Array.from({ length: BATCH }, (_, i) => desk.action(work(at + i), ((at + i) % AGENTS) + 1));
        const { body, outcome } = await desk.ask("POST", "/decide/batch", { actions });
        expect(outcome).to.equal("200");
        for (const { decision } of (body as unknown as { answers: Answer[] }).answers) counts[decision]++;
        desk.clock.wall_ms += 120_000;
      }
      expect(counts.deny).to.be.at.least(DECISIONS / DENIED_EVERY);
      const { body } = await desk.ask("GET", "/findings?limit=1000");
      const others = (body as unknown as FindingPage).items.filter(({ about }) => about !== "behavior");
      expect(others.map(({ about, codes }) => [about, codes])).to.deep.equal([]);
    } finally {
      await desk.close();
    }
  });
});
