import { expect } from "chai";
import { toldBy, type ReportedCall } from "../../../src/adapters/otlp/actions.js";
import { CallBatch, CallMemory } from "../../../src/adapters/otlp/calls.js";
import { readSpans } from "../../../src/adapters/otlp/read.js";
import { hex, mcpSpan, toolSpan, traces, type Given } from "./spans.js";

const told = (span: object): ReportedCall => {
  const [read] = readSpans(Buffer.from(JSON.stringify(traces([span]))), { spans_max: 1 }).spans;
  return toldBy(read ?? expect.fail()) ?? expect.fail();
};
const AT = Date.UTC(2026, 10, 25);
const all = (): boolean => true;

describe("calls that are told of", () => {
  const tool = (given: Given): ReportedCall => told(toolSpan("t", {}, { at: AT, ...given }));
  const mcp = (given: Given): ReportedCall => told(mcpSpan("t", {}, { at: AT, ...given }));
  const called = (id: string): Given => ({ attributes: { "gen_ai.tool.call.id": id } });

  // prettier-ignore
  const pairs: [what: string, a: (trace: string) => ReportedCall, b: (trace: string) => ReportedCall, calls: number][] = [
    ["one span twice", (traceId) => tool({ traceId, spanId: "00000000000000aa" }), (traceId) => tool({ traceId, spanId: "00000000000000AA" }), 1],
    ["a span below another", (traceId) => tool({ traceId, spanId: "00000000000000aa", ms: 5 }), (traceId) => mcp({ traceId, parentSpanId: "00000000000000aa", at: AT + 50 }), 1],
    ["the one above after it", (traceId) => mcp({ traceId, parentSpanId: "00000000000000aa", at: AT + 50 }), (traceId) => tool({ traceId, spanId: "00000000000000aa", ms: 5 }), 1],
    ["one within the other's time", (traceId) => tool({ traceId, ms: 50 }), (traceId) => mcp({ traceId, at: AT + 5, ms: 5 }), 1],
    ["one call's id", (traceId) => tool({ traceId, ...called("c") }), (traceId) => mcp({ traceId, at: AT + 500, ...called("c") }), 1],
    ["two calls' ids", (traceId) => tool({ traceId, ms: 50, ...called("c") }), (traceId) => mcp({ traceId, ms: 5, ...called("d") }), 2],
    ["one instrumentation, at once", (traceId) => tool({ traceId }), (traceId) => tool({ traceId }), 2],
    ["one after the other", (traceId) => tool({ traceId, ms: 5 }), (traceId) => mcp({ traceId, at: AT + 10, ms: 5 }), 2],
    ["two that overlap in part", (traceId) => tool({ traceId, ms: 10 }), (traceId) => mcp({ traceId, at: AT + 5, ms: 10 }), 2],
    ["another tool", (traceId) => tool({ traceId, ms: 50 }), (traceId) => told(mcpSpan("u", {}, { traceId, at: AT + 5, ms: 5 })), 2],
    ["another trace", () => tool({ traceId: hex(16), ms: 50 }), () => mcp({ traceId: hex(16), ms: 5 }), 2],
  ];
  for (const [what, a, b, count] of pairs) {
    it(`are ${count === 1 ? "one" : "two"} for ${what}, in one request and in two`, () => {
      const trace = hex(16);
      const together = new CallBatch();
      const calls = new CallMemory();
      expect([a(trace), b(trace)].filter((one) => calls.isNew(one, together))).to.have.lengthOf(count);
      const [first, second] = [new CallBatch(), new CallBatch()];
      expect(calls.isNew(a(trace), first)).to.equal(true);
      calls.keep(first, all);
      expect(calls.isNew(b(trace), second)).to.equal(count === 2);
    });
  }

  it("are not known by a request that came to nothing", () => {
    const calls = new CallMemory();
    const one = tool({});
    const batch = new CallBatch();
    expect(calls.isNew(one, batch)).to.equal(true);
    calls.keep(batch, () => false);
    expect(calls.isNew(one, new CallBatch())).to.equal(true);
  });

  it("are remembered up to a bound, those of the traces that were heard of longest ago forgotten first", () => {
    const calls = new CallMemory(100);
    const spans = Array.from({ length: 40 }, () => hex(16)).map((traceId) => Array.from({ length: 10 }, () => tool({ traceId })));
    for (const of of spans) {
      const batch = new CallBatch();
      for (const one of of) calls.isNew(one, batch);
      calls.keep(batch, all);
      expect(calls.size).to.be.at.most(100);
    }
    const known = spans.map((of) => of.every((one) => calls.isKnown(one, new CallBatch())));
    expect(known.indexOf(true)).to.equal(30);
    expect(known.slice(30)).to.not.include(false);
  });

  it("take no longer each however many one trace has", () => {
    // By the square, these would take minutes; so would a trace whose calls all lie within each other's time.
    const calls = new CallMemory(100_000);
    const batch = new CallBatch();
    const trace = hex(16);
    const [first] = [tool({ traceId: trace, ms: 1000 })];
    for (let i = 0; i < 100_000; i++) {
      const { span } = first;
      const id = i.toString(16).padStart(16, "0");
      calls.isNew({ ...first, span: { ...span, id, parent: null } }, batch);
    }
    calls.keep(batch, all);
    expect(calls.size).to.equal(100_000);
  });
});
