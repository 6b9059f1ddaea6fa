import { expect } from "chai";
import type { Answer } from "../../src/contract/index.js";
import { post, run, type Running } from "../http/running.js";
import { action, decisionRecords, faultsBundle, permitted, told, type Fault } from "./support.js";
import { FAILED, answersOf } from "./aborts_support.js";

const BATCHES = 51;
const BATCH = 100;
/** Of each batch; the others are bystanders. */
const ABORTING = 98;
const AT_ONCE = 6;

/** Mostly what is cheapest to abort on; memory and size run out now and then. */
function faultOf(item: number): Fault | undefined {
  if (item >= ABORTING) return undefined;
  return item === 7 ? "huge" : "conflict";
}

describe("inputs on which evaluations abort", () => {
  let service: Running;
  before(async () => {
    // Out of the way here: nothing of this is to be stopped, however busy the machine is.
    service = await run({ engine: { evaluation_fuel_max: 1_000_000_000 } }, await faultsBundle());
  });
  after(() => service.stop());

  it(`are denied, ${BATCHES * ABORTING} of them, each with its record, and those beside them are decided right`, async () => {
    const expected = new Map<string, string>();
    const answered = new Map<string, string>();
    let next = 0;
    let done = false;
    const culprits = async (): Promise<void> => {
      for (let batch = next++; batch < BATCHES; batch = next++) {
        const ids = Array.from({ length: BATCH }, (_, item) => `n-${batch}-${item}`);
        const actions = ids.map((id, item) => action(id, faultOf(item)));
        const answers = await answersOf(await post(service, "/decide/batch", { actions }));
        for (const [item, id] of ids.entries()) {
          const answer = answers[item];
          if (answer === undefined) throw new Error("an answer is missing");
          answered.set(answer.decision_id, told(answer));
          expected.set(answer.decision_id, faultOf(item) === undefined ? permitted(id) : FAILED);
        }
      }
    };
    const bystander = async (): Promise<void> => {
      for (let i = 0; !done; i++) {
        const response = await post(service, "/decide", action(`by-${i}`));
        expect(response.status).to.equal(200);
        const answer = (await response.json()) as Answer;
        answered.set(answer.decision_id, told(answer));
        expected.set(answer.decision_id, permitted(`by-${i}`));
      }
    };
    const standing = bystander();
    await Promise.all(Array.from({ length: AT_ONCE }, culprits));
    done = true;
    await standing;
    const wrong = [...expected].filter(([id, text]) => answered.get(id) !== text);
    expect(wrong).to.deep.equal([]);
    expect([...expected.values()].filter((text) => text === FAILED)).to.have.length(BATCHES * ABORTING);
    expect(expected.size).to.be.greaterThan(BATCHES * BATCH);

    await service.stopKeeping();
    const recorded = new Map(decisionRecords(service.folder).map(({ answer }) => [answer.decision_id, told(answer)]));
    expect(recorded.size).to.equal(expected.size);
    expect([...expected].filter(([id, text]) => recorded.get(id) !== text)).to.deep.equal([]);
    expect(service.said()).not.to.contain("failed unexpectedly");
  });
});
