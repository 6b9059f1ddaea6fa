/**
 * CPU of a decision's flow and limits: with none, with 1,000 limits in the purpose, and on a task of 10,000 actions, in turns in one process;
 * and the memory of such a task. `node dist/bench/limits.js`
 */
import type { Limit, PolicyInput, Purpose, Vocabulary } from "../src/contract/index.js";
import { Flow } from "../src/flow/flow.js";
import { returnedOf } from "../src/flow/returned_values.js";
import { median } from "./measure.js";

const ACTIONS = 10_000;
const LIMITS = 1_000;
const TURNS = 21;
const A_TURN = 2_000;
const text = { kind: "string", max: 2000 } as const;

const VOCABULARY: Vocabulary = {
  verbs: {
    read: { class: "read", collection: false, effect: "look" },
    send: { class: "send", collection: true, effect: "add" },
  },
  task: { subjects: [], attributes: { instruction: text } },
  agent: { attributes: {} },
  types: Object.fromEntries(
    Array.from({ length: LIMITS }, (_, i) => [
      i === 0 ? "mail" : `type_${i}`,
      {
        id: "name",
        about: {},
        attributes: {},
        arguments: { to: text, body: text },
        related: {},
        flow: { roles: { to: "destination", body: "content" }, writes: { sender: "author" }, author: "sender" },
      },
    ]),
  ),
  flow: { instruction: "task.instruction", slots: [], own: [], members: [], secret: [] },
};

function limit(i: number): Limit {
  const type = i === 0 ? "mail" : `type_${i}`;
  return { code: `limit_${i}`, of: { send: [type] }, measure: "count", max: 10 * ACTIONS, per: "task" };
}

class Desk {
  readonly flow = new Flow({ counts: { counters_max: 200_000, agent_counters_max: 10_000, entries_max: 2 * ACTIONS } });
  readonly #purpose: Purpose;
  readonly #attributes = { instruction: "Write to ada@example.com as the memo says" };
  #n = 0;

  constructor(limits: number) {
    this.#purpose = { limits: Array.from({ length: limits }, (_, i) => limit(i)) } as unknown as Purpose;
  }

  ask(verb: string, to: string): ReturnType<Flow["ask"]> {
    const request = {
      ...{ agent: "a-1", purpose: "p", task: "t-1", verb },
      ...{ resource: { type: "mail", id: null, attributes: {} }, arguments: { to, body: "hello" } },
    } as unknown as PolicyInput["request"];
    return this.flow.ask({
      ...{ vocabulary: VOCABULARY, purpose: this.#purpose, request, agent: { owner: "o", attributes: {} }, now_ms: 0 },
      root: { id: "t-1", agent: "a-1", attributes: this.#attributes },
    });
  }

  does(verb: string, to: string, answer: unknown): void {
    const { note } = this.ask(verb, to);
    const id = `d-${++this.#n}`;
    if (note !== null) this.flow.permitted(id, note);
    this.flow.returned(id, returnedOf(answer));
  }
}

/** Microseconds of CPU that a decision's flow takes. */
function cost(desk: Desk): number {
  const began = process.cpuUsage();
  for (let i = 0; i < A_TURN; i++) desk.ask("send", `u${i % 50}@example.com`);
  const { user, system } = process.cpuUsage(began);
  return (user + system) / A_TURN;
}

const few = new Desk(1);
const manyLimits = new Desk(LIMITS);
const long = new Desk(LIMITS);
const heap = (): number => {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
};
for (const desk of [few, manyLimits]) desk.does("read", "", [{ sender: "eve@evil.example", body: "see u1@example.com" }]);
const before = heap();
for (let i = 0; i < ACTIONS; i++) {
  if (i % 2 === 0) long.does("read", "", [{ sender: `s${i}@evil.example`, body: `write to u${i}@example.com on ${i}` }]);
  else long.does("send", `u${i - 1}@example.com`, "sent");
}
const grown = heap() - before;
const found: number[][] = [few, manyLimits, long].map(() => []);
for (let turn = 0; turn < TURNS; turn++) for (const [i, desk] of [few, manyLimits, long].entries()) found[i]?.push(cost(desk));
const [one = 0, thousand = 0, after = 0] = found.map((costs) => median(costs));
console.log(`CPU of a decision's flow, one limit: ${one.toFixed(2)} µs`);
console.log(`… of ${LIMITS} limits in the purpose: ${thousand.toFixed(2)} µs, ${(thousand - one).toFixed(2)} more`);
console.log(`… after ${ACTIONS} actions on the task: ${after.toFixed(2)} µs, ${(after - one).toFixed(2)} more`);
console.log(
  `memory of a task of ${ACTIONS} actions${globalThis.gc === undefined ? " (run with --expose-gc)" : ""}: ${(grown / 1e6).toFixed(1)} MB`,
);
if (Math.max(thousand, after) - one > 5) process.exitCode = 1;
