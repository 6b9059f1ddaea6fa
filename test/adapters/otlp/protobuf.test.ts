import { expect } from "chai";
import protobuf from "protobufjs/minimal.js";
import { Problem } from "../../../src/contract/index.js";
import { jsonOfProtobuf, protobufAnswer, protobufStatus } from "../../../src/adapters/otlp/protobuf.js";
import { itemsOf, readSpans } from "../../../src/adapters/otlp/read.js";
import type { Json } from "../../http/asking.js";
import { PROTO, asProtobuf } from "./proto.js";
import { mcpSpan, span, toolSpan, traces } from "./spans.js";

const LIMITS = { spans_max: 50 };

const many = (times: number, part: Buffer): Buffer => Buffer.concat(Array<Buffer>(times).fill(part));

function outcome(body: Buffer, limits = LIMITS): string {
  try {
    jsonOfProtobuf(body, "traces", limits);
    return "read";
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return `${error.code}: ${error.detail.expected ?? ""}`;
  }
}

describe("OTLP as Protobuf", () => {
  const values = [
    { key: "a.text", value: { stringValue: "über \u{1f600}" } },
    { key: "a.bool", value: { boolValue: false } },
    { key: "an.int", value: { intValue: "-9007199254740993" } },
    { key: "a.double", value: { doubleValue: -1.5 } },
    { key: "a.list", value: { arrayValue: { values: [{ stringValue: "x" }, { arrayValue: { values: [{ intValue: "7" }] } }] } } },
    { key: "an.object", value: { kvlistValue: { values: [{ key: "__proto__", value: { stringValue: "y" } }] } } },
  ];
  const requests: [what: string, request: Json][] = [
    ["a tool's call", traces([toolSpan("read_note", '{"note_id":"n-1"}')])],
    [
      "several, of a service",
      traces([mcpSpan("read_note", { note_id: "n-1" }), span({ status: { code: 2 } })], { "service.name": "desk" }),
    ],
    ["values of every kind", traces([{ ...span({}), attributes: values }])],
    ["nothing", {}],
  ];
  for (const [what, request] of requests) {
    it(`is read as the same in JSON: ${what}`, () => {
      const [json, packed] = [Buffer.from(JSON.stringify(request)), jsonOfProtobuf(asProtobuf(request), "traces", LIMITS)];
      expect(readSpans(packed, LIMITS)).to.deep.equal(readSpans(json, LIMITS));
    });
  }

  it("passes over what nobody reads: events, scopes, states, fields to come", () => {
    const given = span({});
    const more = { ...given, traceState: "a=b", flags: 1, events: [{ name: "exception", attributes: values }], droppedAttributesCount: 3 };
    const request = { resourceSpans: [{ resource: {}, scopeSpans: [{ scope: { name: "x" }, spans: [more], schemaUrl: "u" }] }] };
    const to_come = Buffer.concat([asProtobuf(request), Buffer.from([0xf8, 0x07, 0x01])]);
    expect(readSpans(jsonOfProtobuf(to_come, "traces", LIMITS), LIMITS).spans).to.have.length(1);
  });

  it("knows of logs how many there are", () => {
    const logs = { resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: "a" } }, {}] }] }] };
    expect(itemsOf(jsonOfProtobuf(asProtobuf(logs, "Logs"), "logs", LIMITS), "logs", LIMITS)).to.have.length(2);
  });

  const LEN = (field: number, content: Buffer): Buffer =>
    Buffer.concat([
      Buffer.from(
        protobuf.Writer.create()
          .uint32((field << 3) | 2)
          .uint32(content.length)
          .finish(),
      ),
      content,
    ]);
  const nested = (levels: number): Buffer => {
    let value: Buffer = Buffer.from([0x10, 0x01]);
    for (let i = 0; i < levels; i++) value = LEN(5, LEN(1, value));
    return LEN(1, LEN(2, LEN(2, LEN(9, LEN(2, value)))));
  };
  const refused: [what: string, body: Buffer, why: RegExp][] = [
    ["text", Buffer.from("hello"), /^field_invalid: an export request of traces, as Protobuf/],
    ["JSON", Buffer.from('{"resourceSpans":[]}'), /^field_invalid/],
    ["half a request", asProtobuf(requests[0]?.[1]).subarray(0, 40), /^field_invalid/],
    ["a message that goes beyond its end", Buffer.from([0x0a, 0x7f, 0x0a]), /goes beyond its end/],
    ["a length of four billion", Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]), /goes beyond its end/],
    [
      "a length of more than 32 bits, which is 0 in as many",
      Buffer.from([0x0a, ...Array<number>(9).fill(0x80), 0x01]),
      /more than 32 bits/,
    ],
    ["a length whose fifth byte is more than 32 bits have", Buffer.from([0x0a, 0x80, 0x80, 0x80, 0x80, 0x10]), /more than 32 bits/],
    ["a tag of more than 32 bits", Buffer.from([0x8a, 0x80, 0x80, 0x80, 0x20, 0x00]), /more than 32 bits/],
    ["a length of more than 32 bits in what nobody reads", Buffer.from([0x5a, ...Array<number>(9).fill(0x80), 0x01]), /more than 32 bits/],
    ["a field of number 0", Buffer.from([0x02, 0x00]), /number 0/],
    ["a text twice", LEN(1, LEN(2, LEN(2, Buffer.concat([LEN(5, Buffer.from("a")), LEN(5, Buffer.from("b"))])))), /a field twice/],
    ["a message twice", LEN(1, Buffer.concat([LEN(1, Buffer.of()), LEN(1, Buffer.of())])), /a field twice/],
    ["more messages than any request has", LEN(1, LEN(2, many(200, LEN(2, many(1000, LEN(9, Buffer.of())))))), /at most 131072 messages/],
    ["a number without end", Buffer.alloc(32, 0xff), /^field_invalid/],
    ["a group", Buffer.from([0x0b]), /a group/],
    ["groups in groups", Buffer.alloc(90_000, 0x0b), /a group/],
    ["a text that is no UTF-8", LEN(1, LEN(2, LEN(2, LEN(5, Buffer.from([0xc3]))))), /no UTF-8/],
    ["values in values", nested(40), /at most 24 levels/],
    ["values in values without end", nested(5000), /at most 24 levels/],
    ["more in a list than may be", Buffer.concat(Array.from({ length: 1025 }, () => LEN(1, Buffer.of()))), /at most 1024 elements/],
  ];
  for (const [what, body, why] of refused) {
    it(`is refused: ${what}`, () => {
      expect(outcome(body)).to.match(why);
    });
  }

  it("is refused or read, whatever one byte is changed to, and never breaks the reader", () => {
    const good = asProtobuf(requests[1]?.[1]);
    const found = new Set<string>();
    for (let at = 0; at < good.length; at++)
      for (const byte of [0x00, 0x0b, 0x7f, 0x80, 0xff, (good[at] ?? 0) ^ 1]) {
        const changed = Buffer.from(good);
        changed[at] = byte;
        found.add(outcome(changed).split(":")[0] ?? "");
      }
    expect([...found].sort()).to.deep.equal(["field_invalid", "read"]);
  });

  it("is answered in the same form", () => {
    const read = (type: string, bytes: Uint8Array): unknown =>
      PROTO.lookupType(type).toObject(PROTO.lookupType(type).decode(bytes), { longs: String });
    expect(protobufAnswer(0, "")).to.have.length(0);
    expect(read("Answer", protobufAnswer(3, "a: no"))).to.deep.equal({ partialSuccess: { rejectedSpans: "3", errorMessage: "a: no" } });
    expect(read("RpcStatus", protobufStatus(16, "who?"))).to.deep.equal({ code: 16, message: "who?" });
  });
});
