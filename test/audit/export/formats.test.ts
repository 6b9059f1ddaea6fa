import { readFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { Ajv } from "ajv";
import { expect } from "chai";
import fc from "fast-check";
import { EXPORT_FORMATS, OF_SYSLOG } from "../../../src/contract/export.js";
import { canonical, parseTime } from "../../../src/contract/index.js";
import { encode, type FormatOptions } from "../../../src/audit/export/formats.js";
import { ocsfEvent } from "../../../src/audit/export/ocsf.js";
import { opaEvent } from "../../../src/audit/export/opa.js";
import type { ExportedRecord } from "../../../src/audit/export/exported_record.js";
import { asset } from "../../../src/system/paths.js";
import { faultsOf } from "./ocsf_checker.js";
import { ID, SAMPLES, WRITER, answer, decision, hostileRecord, input, reason, recorded } from "./records.js";

type Json = Record<string, unknown>;

const RUNS = 500;
/** The others are in `syslog.test.ts`. */
const JSON_FORMATS = EXPORT_FORMATS.filter((format) => !OF_SYSLOG.has(format));

const vector = (...path: string[]): unknown => JSON.parse(readFileSync(asset("test", "vectors", ...path), "utf8"));

function eventOf(of: ExportedRecord, format: FormatOptions["format"], data: FormatOptions["data"] = "record"): Json | null {
  const text = encode(of.bytes, () => of, { format, data });
  return text === null ? null : (JSON.parse(text.toString()) as Json);
}

function sample(name: string): ExportedRecord {
  const members = SAMPLES[name];
  if (members === undefined) throw new Error(`no sample ${name}`);
  return recorded(members);
}

/** The value at a JSON pointer (RFC 6901); undefined where there is none. */
function at(value: unknown, pointer: string): unknown {
  return pointer
    .split("/")
    .slice(1)
    .reduce<unknown>((of, token) => {
      const name = token.replaceAll("~1", "/").replaceAll("~0", "~");
      return typeof of === "object" && of !== null ? (of as Json)[name] : undefined;
    }, value);
}

describe("a record as JSON lines", () => {
  it("is the log's own line, to the byte", () => {
    for (const name of Object.keys(SAMPLES)) {
      const of = sample(name);
      expect(encode(of.bytes, () => of, { format: "json_lines", data: "record" })?.equals(of.bytes)).to.be.true;
    }
  });
});

describe("a record as an OCSF event", () => {
  for (const name of Object.keys(SAMPLES)) {
    it(`is what the schema of its class says: ${name}`, () => {
      expect(faultsOf(ocsfEvent(sample(name)))).to.deep.equal([]);
    });
  }

  it("is so with whatever values a record can hold", () => {
    fc.assert(
      fc.property(hostileRecord, (of) => {
        expect(faultsOf(JSON.parse(JSON.stringify(ocsfEvent(of))) as Json)).to.deep.equal([]);
      }),
      { numRuns: RUNS },
    );
  });

  it("names the record's leaf, by which it is found in the log's tree", () => {
    const of = sample("allow");
    const leaf = createHash("sha256").update(Buffer.of(0)).update(of.bytes).digest("hex");
    expect(ocsfEvent(of)).to.deep.include({
      raw_data_hash: { algorithm_id: 3, algorithm: "SHA-256", value: leaf },
      raw_data_size: of.bytes.length,
    });
  });

  const means: [name: string, class_uid: number, activity: string, severity: string, status: string, did: string | undefined][] = [
    ["allow", 6003, "Read", "Informational", "Success", "Allowed/Allowed"],
    ["deny", 6003, "Read", "Medium", "Success", "Denied/Blocked"],
    ["flag that waits", 6003, "Read", "Medium", "Success", "Observed/Challenge"],
    ["flag that goes on", 6003, "Read", "Medium", "Success", "Observed/Alert"],
    ["deny by the floor", 6003, "Read", "Medium", "Success", "Denied/Unauthorized"],
    ["evaluation failed", 6003, "Read", "Medium", "Failure", "Denied/Error"],
    ["evaluation stopped", 6003, "Read", "Medium", "Failure", "Denied/Error"],
    ["a collection", 6003, "Read", "Informational", "Success", "Allowed/Allowed"],
    ["observed, allowed", 6003, "Read", "Informational", "Success", "Observed/Logged"],
    ["observed, denied", 2004, "Create", "Medium", "New", "Observed/Detected"],
    ["grant given", 3003, "Assign Privileges", "Informational", "Success", "Allowed/Allowed"],
    ["grant ended", 3003, "Assign Privileges", "Medium", "Success", "Denied/Access Revoked"],
    ["agent revoked", 3003, "Assign Privileges", "Medium", "Success", "Denied/Access Revoked"],
    ["everything revoked", 3003, "Assign Privileges", "Critical", "Success", "Denied/Access Revoked"],
    ["revocation lifted", 3003, "Assign Privileges", "Informational", "Success", "Allowed/Allowed"],
    ["agent created", 6003, "Create", "Informational", "Success", undefined],
    ["bundle activated", 6003, "Update", "Informational", "Success", "Allowed/Allowed"],
    ["bundle refused", 6003, "Update", "Medium", "Failure", "Denied/Rejected"],
    ["service started", 6003, "service_started", "Informational", "Success", undefined],
    ["refusal", 6003, "Sign-in", "Medium", "Failure", "Denied/Unauthorized"],
    ["admin", 6003, "export", "Informational", "Success", undefined],
    ["outcome done", 6003, "Outcome", "Informational", "Success", undefined],
    ["outcome failed", 6003, "Outcome", "Low", "Failure", undefined],
    ["outcome never", 6003, "Outcome", "Informational", "not_attempted", undefined],
    ["lost", 6003, "records_lost", "High", "Failure", undefined],
    ["sensor silent", 2004, "Create", "High", "New", undefined],
    ["tool changed", 2004, "Create", "High", "New", undefined],
    ["sensor heard", 2004, "Create", "Informational", "New", undefined],
  ];
  for (const [name, class_uid, activity_name, severity, status, did] of means) {
    it(`says of ${name}: ${class_uid} ${activity_name}, ${severity}, ${status}, ${did ?? "no control"}`, () => {
      const event = ocsfEvent(sample(name)) as Json;
      expect(event).to.include({ class_uid, activity_name, severity, status });
      const { action, disposition } = event;
      expect(action === undefined ? undefined : `${action as string}/${disposition as string}`).to.equal(did);
    });
  }

  const verbs: [verb: string, activity: number][] = [
    ...["read", "get", "list", "search", "find_customer", "READ"].map((verb): [string, number] => [verb, 2]),
    ...["create", "send", "execute", "send:mail"].map((verb): [string, number] => [verb, 1]),
    ...["update", "modify_items"].map((verb): [string, number] => [verb, 3]),
    ...["delete", "remove"].map((verb): [string, number] => [verb, 4]),
    ...["refund", "cancel", "ready", "constructor", "__proto__", ""].map((verb): [string, number] => [verb, 99]),
  ];
  for (const [verb, activity_id] of verbs) {
    it(`takes the verb \`${verb}\` for activity ${activity_id}`, () => {
      const event = ocsfEvent(recorded(decision({ input: input({ verb }) })));
      expect(event).to.deep.include({ activity_id, type_uid: 600_300 + activity_id });
      if (activity_id === 99) expect(event).to.include({ activity_name: verb });
    });
  }

  it("says who did what to which for whom", () => {
    const event = ocsfEvent(sample("allow"));
    expect(event["actor"]).to.deep.equal({
      user: { uid: "ada@customer.example", type_id: 1, type: "User" },
      ...{ app_uid: "support-7", app_name: "support-7", session: { uid: "s-1" }, invoked_by: "gateway-1" },
    });
    expect(event["api"]).to.deep.equal({
      operation: "read",
      request: { uid: ID, data: { note: "n" } },
      response: { message: "allow" },
    });
    expect(event["resources"]).to.deep.equal([
      { type: "invoice", uid: "I-1", role_id: 1, role: "Target", data: { customer: "ada", cents: 1250 } },
      { type: "payment_method", uid: "P-1", role_id: 4, role: "Related", data: {}, labels: ["pay_from"] },
    ]);
    expect(event["metadata"]).to.deep.include({ uid: ID, sequence: 7, log_name: WRITER.origin });
  });

  it("keeps how bad reasons are as a risk, the worst of them", () => {
    const reasons = [reason("deny", "a", "low"), reason("deny", "b", "critical"), reason("deny", "c", "info")];
    expect(ocsfEvent(recorded(decision({ answer: answer("deny", { reasons }) })))).to.include({
      risk_level: "Critical",
    });
  });

  describe("that is wrong", () => {
    const good = ocsfEvent(sample("allow")) as Json;
    const wrong: [what: string, change: (event: Json) => void, fault: RegExp][] = [
      ["another category", (event) => (event["category_uid"] = 2), /category_uid/],
      ["a type that doesn't fit", (event) => (event["type_uid"] = 600_301), /type_uid/],
      ["no time", (event) => delete event["time"], /time: missing/],
      ["a time as text", (event) => (event["time"] = "2026"), /time: no timestamp_t/],
      ["a member of nobody's", (event) => (event["verb"] = "read"), /verb: unknown/],
      ["a profile's member without it", (event) => delete (event["metadata"] as Json)["profiles"], /action_id: unknown/],
      ["a value that isn't there", (event) => (event["severity_id"] = 42), /severity_id: 42/],
      ["a twin that says another", (event) => (event["severity"] = "Fatal"), /severity: "Fatal"/],
      ["an actor of nothing", (event) => (event["actor"] = {}), /actor.: none of/],
      ["a resource in no list", (event) => (event["resources"] = {}), /resources: no list/],
      ["an API without operation", (event) => (event["api"] = {}), /api.operation: missing/],
      ["another class", (event) => (event["class_uid"] = 1), /class_uid/],
    ];
    for (const [what, change, fault] of wrong) {
      it(`is found out by the checker: ${what}`, () => {
        const event = structuredClone(good);
        change(event);
        expect(faultsOf(event).join("\n")).to.match(fault);
      });
    }
  });
});

describe("a record as a CloudEvent", () => {
  const ajv = new Ajv({
    strict: false,
    formats: {
      "uri-reference": /^[A-Za-z0-9._~:/?#[\]@!$&'()*+,;=%-]*$/,
      uri: /^[a-z][a-z0-9+.-]*:[^\s]+$/,
      "date-time": (text) => parseTime(text) !== null,
    },
  });
  const isValid = ajv.compile(vector("cloudevents", "cloudevents.schema.json") as object);
  const NAME = /^[a-z0-9]{1,20}$/;
  const check = (event: Json | null): void => {
    if (event === null) throw new Error("there is none");
    expect(isValid(event), ajv.errorsText(isValid.errors)).to.be.true;
    expect(event).to.include({ specversion: "1.0" });
    for (const name of Object.keys(event)) if (name !== "data") expect(name).to.match(NAME);
    // Of attributes there are no objects, and null is none (JSON format, section 2.2).
    for (const [name, value] of Object.entries(event)) if (name !== "data") expect(value).to.be.a("string");
  };

  it("is judged by a schema that takes the specification's own examples", () => {
    const examples = vector("cloudevents", "json-examples.json") as { structured: Json | Json[] }[];
    const events = examples.flatMap(({ structured }) => structured);
    for (const event of events) expect(isValid(event), ajv.errorsText(isValid.errors)).to.be.true;
    expect(events).to.have.length.above(3);
  });

  for (const name of Object.keys(SAMPLES)) {
    it(`is what the schema says, and holds the record or its OCSF event: ${name}`, () => {
      const of = sample(name);
      const [plain, ocsf] = [eventOf(of, "cloudevents"), eventOf(of, "cloudevents", "ocsf")];
      check(plain);
      check(ocsf);
      expect(canonical(plain?.["data"])).to.equal(of.bytes.toString());
      expect(ocsf?.["data"]).to.deep.equal(JSON.parse(JSON.stringify(ocsfEvent(of))));
    });
  }

  it("is so with whatever values a record can hold", () => {
    fc.assert(
      fc.property(hostileRecord, (of) => {
        check(eventOf(of, "cloudevents"));
        check(eventOf(of, "cloudevents", "ocsf"));
      }),
      { numRuns: RUNS },
    );
  });

  it("says by itself what and whom it is about", () => {
    const { data, ...attributes } = eventOf(sample("allow"), "cloudevents") ?? {};
    expect(data).to.be.an("object");
    expect(attributes).to.deep.equal({
      specversion: "1.0",
      id: ID,
      source: "//remit.example/log",
      type: "remit.decision.v2",
      subject: "support-7",
      time: "2026-11-25T09:00:00.123Z",
      sequence: "0000000000000007",
      authtype: "service_account",
      authid: "gateway-1",
      traceparent: `00-${"1".repeat(32)}-${"2".repeat(16)}-01`,
      datacontenttype: "application/json",
      dataschema: "urn:remit:record:v2",
    });
  });

  for (const [name, type] of [
    ["observed, allowed", "remit.observed.v2"],
    ["observed, denied", "remit.finding.v2"],
    ["agent revoked", "remit.revocation.v2"],
    ["grant given", "remit.facts.v2"],
    ["lost", "remit.lost.v2"],
    ["tool changed", "remit.notice.v2"],
  ] as const) {
    it(`has the type ${type}: ${name}`, () => {
      expect(eventOf(sample(name), "cloudevents")).to.include({ type });
    });
  }
});

/** `EventV1` of OPA 1.22: what may be there, and of which type it is. */
const EVENT_V1: Record<string, (value: unknown) => boolean> = {
  labels: (value) => Object.values(value as Json).every((label) => typeof label === "string"),
  decision_id: (value) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(String(value)),
  trace_id: (value) => /^[0-9a-f]{32}$/.test(String(value)),
  span_id: (value) => /^[0-9a-f]{16}$/.test(String(value)),
  bundles: (value) => Object.values(value as Json).every((one) => typeof (one as Json)["revision"] === "string"),
  path: (value) => /^[^/].*$/.test(String(value)),
  query: (value) => typeof value === "string",
  input: () => true,
  result: () => true,
  error: (value) => typeof (value as Json)["code"] === "string" && typeof (value as Json)["message"] === "string",
  erased: (value) => (value as unknown[]).every((pointer) => /^\//.test(String(pointer))),
  masked: (value) => (value as unknown[]).every((pointer) => /^\//.test(String(pointer))),
  timestamp: (value) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}Z$/.test(String(value)),
  metrics: (value) => Object.entries(value as Json).every(([name, of]) => !/^(timer|counter)_/.test(name) || Number.isSafeInteger(of)),
  custom: (value) => typeof value === "object" && value !== null,
  request_context: (value) => typeof value === "object",
};
const REQUIRED = ["labels", "decision_id", "timestamp"];

function faultsOfOpa(event: Json): string[] {
  return [
    ...Object.entries(event).flatMap(([name, value]) => (EVENT_V1[name]?.(value) === true ? [] : [name])),
    ...REQUIRED.filter((name) => event[name] === undefined),
    ...("error" in event && "result" in event ? ["error beside result"] : []),
  ];
}

describe("a decision in OPA's form", () => {
  const uploads = vector("opa_decision_log", "uploads.json") as Record<string, { body: Json[] }[]>;
  const golden = Object.values(uploads).flatMap((of) => of.flatMap(({ body }) => body));

  it("is judged by what OPA itself uploaded", () => {
    expect(golden).to.have.length(35);
    for (const event of golden) expect(faultsOfOpa(event)).to.deep.equal([]);
  });

  it("has no member that OPA's own have otherwise, and all that each of them has", () => {
    const ours = opaEvent(sample("with all there is")) as unknown as Json;
    const type = (value: unknown): string => (Array.isArray(value) ? "array" : typeof value);
    for (const event of golden.filter(({ bundles }) => bundles !== undefined)) {
      for (const [name, value] of Object.entries(event)) {
        if (["query", "result", "error", "request_context"].includes(name)) continue;
        expect(type(ours[name]), name).to.equal(type(value));
      }
    }
    const timers = new Set(golden.flatMap(({ metrics }) => Object.keys(metrics as Json)));
    expect(Object.keys(ours["metrics"] as Json).filter((name) => !timers.has(name))).to.deep.equal([]);
    expect((ours["labels"] as Json)["id"]).to.match(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-/);
  });

  for (const name of Object.keys(SAMPLES)) {
    const isDecision = ["decision", "observed"].includes(String(SAMPLES[name]?.["kind"]));
    it(`${isDecision ? "is an event" : "has none for what is no decision"}: ${name}`, () => {
      const event = eventOf(sample(name), "opa_decision_log");
      if (isDecision) expect(faultsOfOpa(event ?? {})).to.deep.equal([]);
      else expect(event).to.equal(null);
    });
  }

  it("is so with whatever values a record can hold", () => {
    fc.assert(
      fc.property(hostileRecord, (of) => {
        const event = eventOf(of, "opa_decision_log");
        if (event !== null) expect(faultsOfOpa(event)).to.deep.equal([]);
      }),
      { numRuns: RUNS },
    );
  });

  it("has what the policy was asked as its input and what was answered as its result", () => {
    const of = sample("allow");
    const event = eventOf(of, "opa_decision_log");
    expect(event).to.deep.include({
      decision_id: ID,
      bundles: { support: { revision: "r-7" } },
      path: "remit/decide",
      input: SAMPLES["allow"]?.["input"],
      result: answer("allow"),
      timestamp: "2026-11-25T09:00:00.123000000Z",
      trace_id: "1".repeat(32),
      span_id: "2".repeat(16),
      metrics: {
        timer_rego_input_parse_ns: 41_000,
        timer_rego_query_eval_ns: 87_000,
        timer_server_handler_ns: 128_000,
      },
    });
  });

  it("has the request and what the floor read, where no policy was asked", () => {
    const { request, floor } = SAMPLES["deny by the floor"] ?? {};
    expect(eventOf(sample("deny by the floor"), "opa_decision_log")?.["input"]).to.deep.equal({ request, floor });
  });

  for (const [name, code] of [
    ["evaluation failed", "eval_internal_error"],
    ["evaluation stopped", "eval_cancel_error"],
  ] as const) {
    it(`has an error and no result where the ${name}: ${code}`, () => {
      const event = eventOf(sample(name), "opa_decision_log") ?? {};
      expect(at(event, "/error/code")).to.equal(code);
      expect(event).not.to.have.property("result");
      expect(at(event, "/custom/remit/answer/decision")).to.equal("deny");
    });
  }

  it("points at each masked value where it now stands", () => {
    const members = decision({
      ...{ ancestors: [input({ task: "T-0" })], request: { arguments: { pin: "digest" } } },
      masked: ["/ancestors/0/request/arguments/note", "/answer/request_id", "/input/request/arguments/note"],
      answer: answer("allow", { request_id: "digest" }),
    });
    for (const change of [{}, { answer: answer("deny", { request_id: "digest", reasons: [reason("deny", "evaluation_failed")] }) }]) {
      const event = eventOf(recorded({ ...members, ...change }), "opa_decision_log") ?? {};
      for (const pointer of event["masked"] as string[]) expect(at(event, pointer), pointer).to.be.a("string");
      expect(event["masked"]).to.have.length(3);
    }
    const floored = decision({ input: undefined, request: { arguments: { pin: "digest" } }, masked: ["/request/arguments/pin"] });
    expect(at(eventOf(recorded(floored), "opa_decision_log"), "/input/request/arguments/pin")).to.equal("digest");
  });
});

describe("a record as a log record of OpenTelemetry", () => {
  it("has the record as body, its time, and the trace that the action names", () => {
    const of = recorded(
      decision({ input: input({ context: { session: null, source: null, trace: `00-${"a".repeat(32)}-${"b".repeat(16)}-01` } }) }),
    );
    const event = eventOf(of, "otlp_logs");
    expect(event).to.deep.include({
      body: { stringValue: of.bytes.toString() },
      timeUnixNano: `${parseTime(of.record.time) ?? 0}000000`,
      traceId: "a".repeat(32),
      spanId: "b".repeat(16),
    });
    expect(event?.["eventName"]).to.equal("remit.decision");
  });

  const severities: [name: string, text: string][] = [
    ["allow", "INFO"],
    ["deny", "WARN"],
    ["flag that waits", "WARN"],
    ["refusal", "WARN"],
    ["sensor silent", "WARN"],
    ["grant given", "INFO"],
  ];
  for (const [name, severityText] of severities)
    it(`is ${severityText} of ${name}`, () => {
      expect(eventOf(sample(name), "otlp_logs")).to.include({ severityText, severityNumber: severityText === "WARN" ? 13 : 9 });
    });
});

describe("a record as an event of Splunk", () => {
  it("has its time in seconds, and is the record or its OCSF event", () => {
    const of = sample("deny");
    const event = eventOf(of, "splunk_hec");
    expect(event).to.deep.equal({
      ...{ time: (parseTime(of.record.time) ?? 0) / 1000, source: "remit", sourcetype: "remit:record" },
      event: JSON.parse(of.bytes.toString()) as Json,
    });
    expect((eventOf(of, "splunk_hec", "ocsf")?.["event"] as Json)["class_uid"]).to.equal(6003);
    expect(eventOf(of, "json_array", "ocsf")?.["class_uid"]).to.equal(6003);
  });
});

describe("an event of a form", () => {
  it("loses no text and no number of its record, not even of members that a later version adds", () => {
    const leaves = (value: unknown): string[] =>
      typeof value === "object" ? Object.values(value ?? {}).flatMap(leaves) : [`${value as string | number | boolean}`];
    const members = { ...SAMPLES["with all there is"], later: { version: ["has more", 4711] } };
    for (const of of [members, ...Object.values(SAMPLES)].map((one) => recorded(one, 987_654_321))) {
      for (const format of JSON_FORMATS) {
        const event = eventOf(of, format);
        if (event === null) continue;
        const there = new Set(leaves(event));
        // Numbers of times and durations are said in a form's own units, and the form of a record not at all.
        const lost = leaves(of.record).filter((leaf) => !there.has(leaf) && !JSON.stringify(event).includes(leaf));
        const own = new Set([of.record.time, "2", "41", "87", "2026-11-25T08:59:00.000Z"]);
        if (format === "opa_decision_log")
          for (const pointer of of.record.kind === "decision" ? (of.record.masked ?? []) : []) own.add(pointer);
        expect(
          lost.filter((leaf) => !own.has(leaf)),
          `${format} of ${of.record.kind}`,
        ).to.deep.equal([]);
      }
    }
  });

  it("says when what was observed happened, beside when it was judged", () => {
    expect(ocsfEvent(sample("observed, allowed"))).to.deep.include({
      start_time: Date.parse("2026-11-25T08:30:00.000Z"),
      time: Date.parse("2026-11-25T09:00:00.123Z"),
    });
  });
});

describe("an exported stream (F5)", () => {
  it("has no text that the record it is of doesn't have, but for the terms of its form", () => {
    const texts = (value: unknown, found = new Set<string>()): Set<string> => {
      if (typeof value === "string") found.add(value);
      else if (typeof value === "object" && value !== null) for (const member of Object.values(value)) texts(member, found);
      return found;
    };
    // Of samples nothing is drawn: whatever is in all of them, whoever asked, is of the form.
    const marked = (mark: string): ExportedRecord =>
      recorded({
        ...decision({ caller: `caller-${mark}`, answer: answer("allow", { decision_id: ID.replace(/.{4}$/, mark) }) }),
        input: input({ agent: `agent-${mark}`, task: `task-${mark}`, arguments: { secret: `argument-${mark}` } }),
      });
    for (const format of JSON_FORMATS) {
      const [one, two] = [marked("aaaa"), marked("bbbb")].map((of) => ({ of, event: eventOf(of, format, "ocsf") }));
      if (one === undefined || two === undefined) throw new Error("there are two");
      const shared = texts(two.event);
      const own = [...texts(one.event)].filter((text) => !shared.has(text));
      const record = texts(one.of.record);
      const leaf = createHash("sha256").update(Buffer.of(0)).update(one.of.bytes).digest("hex");
      expect(
        own.filter((text) => !record.has(text) && text !== leaf && text !== one.of.bytes.toString()),
        format,
      ).to.deep.equal([]);
      expect(own.length, format).to.be.above(3);
    }
  });
});
