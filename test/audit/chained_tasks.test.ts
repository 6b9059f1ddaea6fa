import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { chainedIn } from "../../src/audit/log/chained_tasks.js";
import { CHECKPOINT } from "../../src/audit/log/seal.js";
import type { DecisionRecord } from "../../src/contract/index.js";
import { Chain } from "../../src/decision/chain.js";
import { Incidents } from "../../src/findings/incidents.js";
import { recallIncidents } from "../../src/findings/recall.js";
import { PastAhead } from "../../src/service/past_ahead.js";
import { Desk } from "../findings/desk.js";
import { lineOf, recorded } from "./export/records.js";
import { temporaryDirectory } from "./temporary.js";
import { CHARACTER } from "../characters.js";

const TIME = "2026-11-25T09:00:00.000Z";
const LOOK_ALIKE = { action_digest: "sha256:0", decision: "allow", decision_id: "another", task: "T-2", verb: "read" };
const text = fc.oneof(
  fc.constantFrom("T-1", ',"task":"T-2","verb":"x"}', '"answer":{"decision_id":"another"', "\\", '","engine":{', "\u{1f600}"),
  fc.string({ unit: CHARACTER, maxLength: 20 }),
);
const key = fc.oneof(fc.constantFrom("task", "verb", "answer", "beside", "engine", "kind", 'x","task'), text);
const values = fc.dictionary(key, fc.oneof(text, fc.constant(LOOK_ALIKE), fc.jsonValue({ maxDepth: 2 })), {
  maxKeys: 4,
});
const request = fc.record({
  ...{ agent: text, arguments: values, context: values, purpose: text, related: values, resource: values, verb: text },
  task: fc.option(text, { nil: null }),
});
const act = fc.oneof(
  fc.constant({ class: "read", relation: "own" }),
  fc.constant({ class: "read", granted: true, offset_ms: -3_600_000, relation: "none" }),
  fc.record({ class: fc.constant("send"), relation: fc.constant("other"), version: text }),
  fc.record({ class: fc.constant("send"), relation: fc.constant("other"), behavior: values, version: text }),
);
const asked = fc.oneof(
  fc.record({ input: fc.record({ facts: values, request }) }),
  fc.record({ floor: values, request }),
  fc.record({ input: fc.record({ facts: values, request }), ancestors: fc.array(values, { minLength: 1, maxLength: 2 }) }),
  fc.record({ input: fc.record({ facts: values, request }), engine: fc.constant({ origin: "app", seq: 3 }) }),
  fc.constant({ beside: { bytes: 3, digest: "sha256:0" } }),
);
const rest = fc.record({
  answer: fc.record({
    action_digest: fc.constant("sha256:1"),
    decision: fc.constant("deny"),
    decision_id: fc.uuid(),
    obligations: fc.array(values, { maxLength: 2 }),
    request_id: text,
  }),
  ...{ asked: fc.constant(TIME), caller: text, kind: fc.constantFrom("decision", "observed"), time: fc.constant(TIME) },
  ...{ previous: fc.option(fc.uuid(), { nil: null }), v: fc.constant(2) },
});
const decision = fc
  .tuple(rest, asked, fc.option(act, { nil: null }), fc.option(fc.constant("authzen"), { nil: null }))
  .map(([members, of, learned, adapter]) => ({
    ...members,
    ...of,
    ...(learned !== null && { act: learned }),
    ...(adapter !== null && { adapter }),
  }));

/** As the record says it, which is parsed. */
function saidBy({ answer, beside, engine, input, request: made }: DecisionRecord): object | null | undefined {
  if (engine === undefined && beside !== undefined) return undefined;
  const { task = null } = (input?.["request"] ?? made ?? {}) as { task?: string | null };
  return engine === undefined ? { task, decision_id: answer.decision_id } : null;
}

describe("what a record says of the task that it decided on", () => {
  it("is read off its text as the whole record says it, whatever an agent has written", () => {
    fc.assert(
      fc.property(decision, (members) => {
        const { record, bytes } = recorded(members);
        expect(chainedIn(bytes)).to.deep.equal(saidBy(record as DecisionRecord));
      }),
      { numRuns: 3000 },
    );
  });

  it("is nothing of a record that is of no decision", () => {
    const alike = { answer: LOOK_ALIKE, asked: TIME, caller: "c", input: { request: { task: "T-2", verb: "read" } } };
    const others = [
      { kind: "facts", agent: { id: "a-1", ...alike }, v: 2 },
      { kind: "lost", v: 2 },
      { kind: "service", v: 2, version: "1" },
    ];
    for (const members of others) expect(chainedIn(lineOf(members, 1))).to.equal(null);
  });

  const unknown: [what: string, line: string | Buffer][] = [
    ["of a version that isn't known", lineOf({ kind: "decision", answer: LOOK_ALIKE, v: 3 }, 1)],
    ["that is none", "garbage"],
    ["of which nothing is left", ""],
    ["that was overwritten in the middle", '{"answer":{"action_digest":"sha256:1","deci         "v":2},"v":2}'],
    ["that has no answer", '{"act":{},"kind":"decision","v":2}'],
    [
      "whose task was overwritten",
      '{"answer":{"action_digest":"sha256:1","decision":"allow","decision_id":"d-1"},"asked":"x","caller":"c","input":{"request":{"task":"T-,"verb":"read"}},"v":2}',
    ],
  ];
  for (const [what, line] of unknown)
    it(`isn't known of a line ${what}`, () => {
      expect(chainedIn(Buffer.from(line))).to.equal(undefined);
    });
});

const ANSWER = { action_digest: "sha256:1", decision: "allow" };

function decidedOn(seq: number, task: string): string {
  const input = { request: { task, verb: "read" } };
  return `${lineOf({ answer: { ...ANSWER, decision_id: `d-${seq}` }, input, kind: "decision", time: TIME, v: 2 }, seq).toString()}\n`;
}

function besideOf(seq: number): string {
  const beside = { bytes: 3, digest: "sha256:0" };
  return `${lineOf({ answer: { ...ANSWER, decision_id: `d-${seq}` }, beside, kind: "decision", time: TIME, v: 2 }, seq).toString()}\n`;
}

describe("the first decision of a task after a start", function () {
  let desk: Desk;
  before(async () => {
    desk = await Desk.open({}, undefined, 3);
  });
  after(() => desk.close());

  async function previousOf(id: string): Promise<unknown> {
    const { body } = await desk.ask("GET", "/decisions?limit=100");
    const { items } = body as unknown as { items: { record: DecisionRecord }[] };
    return items.find(({ record }) => record.answer.decision_id === id)?.record.previous;
  }

  it("names the last one before it, however long ago that was, and none of another task or of none", async () => {
    await desk.decide("read invoice/I-1 customer-1");
    const first = await desk.decide("read invoice/I-2 customer-1");
    const other = await desk.decide("read invoice/I-3 customer-9", 2);
    await desk.ask("POST", "/decide", { ...desk.action("read invoice/I-4 customer-1"), task: undefined });
    desk.clock.wall_ms += 3 * 3_600_000;
    await desk.restart();
    const seen: unknown[] = [];
    for (const agent of [1, 2, 3]) seen.push(await previousOf((await desk.decide("read invoice/I-5 customer-1", agent)).decision_id));
    expect(seen).to.deep.equal([first.decision_id, other.decision_id, null]);
  });

  const hidden: [what: string, lines: (line: (seq: number, task: string) => string) => string[]][] = [
    ["is damaged", (line) => [line(1, "T-1"), "garbage\n", line(3, "T-2")]],
    ["has its input beside it", (line) => [line(1, "T-1"), besideOf(2), line(3, "T-2")]],
    ["is too long to be one", (line) => [line(1, "T-1"), `${"x".repeat(200_000)}\n`, line(3, "T-2")]],
  ];
  for (const [what, lines] of hidden)
    it(`names none from before a record that ${what}, which may have been on the same task`, () => {
      const folder = temporaryDirectory();
      writeFileSync(join(folder, "0000000000000001.jsonl"), lines(decidedOn).join(""));
      const chain = new Chain(100);
      recallIncidents(folder, new Incidents(), Date.parse(TIME), null, Infinity, chain);
      expect(chain.next("T-1", "x")).to.equal(null);
    });

  it("is known to a standby of what it has read, and of the rest to a start by it", () => {
    const folder = temporaryDirectory();
    const lines = ["T-1", "T-2", "T-1", "T-3", "T-2"].map((task, i) => decidedOn(i + 1, task));
    writeFileSync(join(folder, "0000000000000001.jsonl"), lines.join(""));
    const signature = Buffer.alloc(68).toString("base64");
    writeFileSync(join(folder, CHECKPOINT), `log\n3\n${Buffer.alloc(32).toString("base64")}\n\n— log ${signature}\n`);
    const read = new PastAhead(folder, null, new Chain(100));
    read.advance(Date.parse(TIME));
    recallIncidents(folder, new Incidents(), Date.parse(TIME), read.place, Infinity, read.chain);
    expect(["T-1", "T-2", "T-3", "T-4"].map((task) => read.chain.next(task, "x"))).to.deep.equal(["d-3", "d-5", "d-4", null]);
  });
});
