import { expect } from "chai";
import { itemsOf, readSpans } from "../../../src/adapters/otlp/read.js";
import { toldBy } from "../../../src/adapters/otlp/actions.js";
import { Problem } from "../../../src/contract/index.js";
import { span, toolSpan, traces, valueOf } from "./spans.js";

const LIMITS = { spans_max: 10 };
const read = (value: unknown) => readSpans(Buffer.from(typeof value === "string" ? value : JSON.stringify(value)), LIMITS);

/** As in opentelemetry-proto's `examples/trace.json` (Apache-2.0), shortened. */
const EXAMPLE = `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"my.service"}}]},
  "scopeSpans":[{"scope":{"name":"my.library","version":"1.0.0"},"spans":[{"traceId":"5B8EFFF798038103D269B633813FC60C",
  "spanId":"EEE19B7EC3C1B174","parentSpanId":"EEE19B7EC3C1B173","name":"I'm a server span",
  "startTimeUnixNano":"1544712660000000000","endTimeUnixNano":"1544712661000000000","kind":2,
  "attributes":[{"key":"my.span.attr","value":{"stringValue":"some value"}}]}]}]}]}`;

describe("spans of OTLP/HTTP JSON", () => {
  it("are read as the protocol's own example has them, ids in any case", () => {
    const { spans, unreadable } = read(EXAMPLE);
    expect(unreadable).to.deep.equal([]);
    expect(spans).to.have.lengthOf(1);
    expect(spans[0]).to.deep.include({
      trace: "5b8efff798038103d269b633813fc60c",
      id: "eee19b7ec3c1b174",
      parent: "eee19b7ec3c1b173",
      kind: 2,
      start_ms: 1544712660000,
      end_ms: 1544712661000,
      failed: false,
    });
    expect(toldBy(spans[0] ?? expect.fail())).to.equal(null);
  });

  it("have 64-bit integers as texts or numbers, values of every kind, and fields that nobody knows", () => {
    const values = { text: "a", yes: true, count: 7, share: 0.5, list: ["a", 1], map: { a: { b: "c" } } };
    const body = JSON.stringify(traces([span({ attributes: values, startTimeUnixNano: 0, later: { v: [1] } })]))
      .replace('"startTimeUnixNano":0', '"startTimeUnixNano":1544712660000000001')
      .replace('{"intValue":"7"}', '{"intValue":7}');
    const [only] = read(body).spans;
    expect(only?.start_ms).to.equal(1544712660000);
    expect(JSON.parse(JSON.stringify(only?.attributes))).to.deep.equal(values);
    const huge = JSON.stringify(traces([span()])).replace(
      '"attributes":[]',
      '"attributes":[{"key":"n","value":{"intValue":"9223372036854775807"}}]',
    );
    expect(read(huge).spans[0]?.attributes["n"]).to.equal("9223372036854775807");
    expect(valueOf(3)).to.deep.equal({ intValue: "3" });
  });

  it("may be none", () => {
    for (const empty of [
      "{}",
      '{"resourceSpans":[]}',
      '{"resourceSpans":[{}]}',
      '{"resourceSpans":[{"scopeSpans":[{}]}]}',
      '{"resourceSpans":null}',
      '{"other":1}',
    ]) {
      expect(read(empty), empty).to.deep.equal({ spans: [], unreadable: [] });
    }
  });

  const refused: [what: string, body: string, code: string][] = [
    ["nothing", "", "body_empty"],
    ["no JSON", "{", "json_invalid"],
    ["a list", "[]", "field_type"],
    ["spans that are none", '{"resourceSpans":{}}', "field_type"],
    ["scopes that are none", '{"resourceSpans":[{"scopeSpans":"x"}]}', "field_type"],
    ["a resource's spans that are a text", '{"resourceSpans":["x"]}', "field_type"],
    ["a key twice", '{"resourceSpans":[],"resourceSpans":[]}', "json_duplicate_key"],
    ["a depth without end", `{"resourceSpans":${"[".repeat(70)}${"]".repeat(70)}}`, "json_too_deep"],
    ["more spans than the limit", JSON.stringify(traces(Array.from({ length: 11 }, () => span()))), "lines_too_many"],
    ["another encoding", Buffer.from("{\xff}", "latin1").toString("latin1"), "json_invalid"],
  ];
  for (const [what, body, code] of refused) {
    it(`are refused as a whole for ${what}`, () => {
      expect(() => read(body))
        .to.throw(Problem)
        .with.property("code", code);
    });
  }

  const unreadable: [what: string, members: object, why: RegExp][] = [
    ["a value of two kinds", { attributes: [{ key: "a", value: { stringValue: "x", intValue: "1" } }] }, /two kinds/],
    [
      "a value of two kinds within one",
      { attributes: [{ key: "a", value: { arrayValue: { values: [{ boolValue: true, bytesValue: "" }] } } }] },
      /two kinds/,
    ],
    ["a trace id of the wrong length", { traceId: "abc" }, /traceId/],
    ["a trace id of zeros", { traceId: "0".repeat(32) }, /traceId/],
    ["a trace id in Base64", { traceId: "W47/95gDgQPSabYzgT/GDA==" }, /traceId/],
    ["no span id", { spanId: undefined }, /spanId/],
    ["no start", { startTimeUnixNano: undefined }, /startTimeUnixNano/],
    ["a start that is no number", { startTimeUnixNano: "soon" }, /startTimeUnixNano/],
    ["a start before all times", { startTimeUnixNano: "-1" }, /startTimeUnixNano/],
    ["attributes that are none", { attributes: {} }, /attributes/],
    ["an attribute without key", { attributes: [{ value: { stringValue: "x" } }] }, /key/],
    [
      "an attribute twice",
      {
        attributes: [
          { key: "a", value: {} },
          { key: "a", value: {} },
        ],
      },
      /twice/,
    ],
    ["a list that is none", { attributes: [{ key: "a", value: { arrayValue: { values: 1 } } }] }, /list/],
  ];
  for (const [what, members, why] of unreadable) {
    it(`are refused alone for ${what}, and named by their place`, () => {
      const { spans, unreadable: found } = read(traces([span(), { ...span(), ...members }, span()]));
      expect(spans).to.have.lengthOf(2);
      expect(found).to.have.lengthOf(1);
      expect(found[0]).to.have.property("at", "/resourceSpans/0/scopeSpans/0/spans/1");
      expect(found[0]?.why).to.match(why);
    });
  }

  it("keep to themselves what is called like a part of every object", () => {
    const [only] = read(traces([toolSpan("t", JSON.parse('{"__proto__":"x","constructor":"y"}'))])).spans;
    expect(({} as Record<string, unknown>)["x"]).to.equal(undefined);
    expect(Object.getPrototypeOf(only?.attributes)).to.equal(null);
  });
});

describe("logs and metrics of OTLP/HTTP JSON", () => {
  it("are told from what isn't", () => {
    expect(itemsOf(Buffer.from('{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}'), "logs", LIMITS)).to.have.lengthOf(1);
    expect(itemsOf(Buffer.from('{"resourceMetrics":[]}'), "metrics", LIMITS)).to.have.lengthOf(0);
    expect(() => itemsOf(Buffer.from('{"resourceLogs":1}'), "logs", LIMITS)).to.throw(Problem);
  });
});
