/** Work that is mostly over in the turn in which it began: it is watched from the end of that turn on, and no later. */
import { expect } from "chai";
import { withinTurns } from "../../src/client/deadline.js";
import { Undecided } from "../../src/client/errors.js";

/** Time, turns and an interest that the test moves. */
function moved() {
  const timers = new Map<() => void, number>();
  const turns: (() => void)[] = [];
  const controller = new AbortController();
  let settled: unknown = "pending";
  let finish = (_value: string): void => undefined;
  let fail = (_cause: Error): void => undefined;
  let begun = 0;
  const after = (ms: number, call: () => void): (() => void) => {
    timers.set(call, ms);
    return () => timers.delete(call);
  };
  const begin = (): void => {
    const work = (): Promise<string> => {
      begun++;
      return new Promise((resolve, reject) => ([finish, fail] = [resolve, reject]));
    };
    withinTurns({ after }, { turnEnd: (call) => turns.push(call) }, 50, controller.signal, work).then(
      (value) => (settled = value),
      (cause: unknown) => (settled = cause instanceof Undecided ? cause.code : String(cause)),
    );
  };
  return {
    begin,
    timers,
    begun: () => begun,
    settled: () => settled,
    finish: () => { finish("done"); },
    fail: () => { fail(new Error("failed")); },
    turnEnds: () => { for (const call of turns.splice(0)) call(); },
    timeIsUp: () => { for (const call of [...timers.keys()]) call(); },
    loseInterest: () => { controller.abort(); },
  }; // prettier-ignore
}

type Moved = ReturnType<typeof moved>;
type Step = Exclude<keyof Moved, "timers" | "begun" | "settled">;

const CASES: [what: string, steps: Step[], settled: string, begun: number, timers: number][] = [
  ["is over before the turn is", ["begin", "finish", "turnEnds"], "done", 1, 0],
  ["fails before the turn is over", ["begin", "fail", "turnEnds"], "Error: failed", 1, 0],
  ["is over after it", ["begin", "turnEnds", "finish"], "done", 1, 0],
  ["fails after it", ["begin", "turnEnds", "fail"], "Error: failed", 1, 0],
  ["goes on after it", ["begin", "turnEnds"], "pending", 1, 1],
  ["goes on for longer than it may", ["begin", "turnEnds", "timeIsUp"], "deadline", 1, 0],
  ["is over once time is up", ["begin", "turnEnds", "timeIsUp", "finish"], "deadline", 1, 0],
  ["goes on when nobody is interested any more", ["begin", "turnEnds", "loseInterest"], "cancelled", 1, 0],
  ["goes on when nobody was interested by the end of the turn", ["begin", "loseInterest", "turnEnds"], "cancelled", 1, 0],
  ["isn't begun for nobody", ["loseInterest", "begin", "turnEnds"], "cancelled", 0, 0],
]; // prettier-ignore

describe("a deadline of work that may be over at once", () => {
  for (const [what, steps, settled, begun, timers] of CASES) {
    it(`holds where it ${what}`, async () => {
      const one = moved();
      for (const step of steps) {
        one[step]();
        await new Promise(setImmediate);
      }
      expect([one.settled(), one.begun(), one.timers.size]).to.deep.equal([settled, begun, timers]);
    });
  }
});
