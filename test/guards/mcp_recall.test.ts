/** What takes a request back tells it as an `AbortSignal` would, to those who listen then. */
import { expect } from "chai";
import type { Cancelling } from "../../src/client/index.js";
import { Recall } from "../../src/guards/mcp/recall.js";

interface Side {
  signal: Cancelling;
  abort: (reason: unknown) => void;
}

function recall(): Side {
  const one = new Recall();
  return { signal: one, abort: (reason) => { one.abort(reason); } }; // prettier-ignore
}

function controller(): Side {
  const one = new AbortController();
  return { signal: one.signal, abort: (reason) => { one.abort(reason); } }; // prettier-ignore
}

type Tell = (name: string) => () => void;
const CASES: [what: string, act: (side: Side, tell: Tell) => void, told: string[]][] = [
  ["who listens", ({ signal, abort }, tell) => { signal.addEventListener("abort", tell("a")); abort(1); }, ["a"]],
  ["all who listen, in their order", ({ signal, abort }, tell) => { signal.addEventListener("abort", tell("a")); signal.addEventListener("abort", tell("b"), { once: true }); abort(1); }, ["a", "b"]],
  ["nobody twice", ({ signal, abort }, tell) => { signal.addEventListener("abort", tell("a")); abort(1); abort(2); }, ["a"]],
  ["nobody who listens no more", ({ signal, abort }, tell) => { const a = tell("a"); signal.addEventListener("abort", a); signal.addEventListener("abort", tell("b")); signal.removeEventListener("abort", a); abort(1); }, ["b"]],
  ["nobody who comes later", ({ signal, abort }, tell) => { abort(1); signal.addEventListener("abort", tell("a")); }, []],
  ["nobody, where nothing is taken back", ({ signal }, tell) => { signal.addEventListener("abort", tell("a")); }, []],
]; // prettier-ignore

describe("a request that is taken back", () => {
  for (const [what, act, told] of CASES) {
    it(`tells ${what}, and keeps its first reason`, () => {
      const found = [recall(), controller()].map((side) => {
        const heard: string[] = [];
        act(side, (name) => () => heard.push(name));
        return { heard, aborted: side.signal.aborted, reason: side.signal.reason };
      });
      expect(found[0]).to.deep.equal(found[1]);
      expect(found[0]?.heard).to.deep.equal(told);
    });
  }
});
