import { createHash } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import { encode, type FormatOptions } from "../../../src/audit/export/formats.js";
import type { ExportedRecord } from "../../../src/audit/export/exported_record.js";
import { asciiJson } from "../../../src/audit/export/syslog.js";
import { ID, SAMPLES, WRITER, decision, hostileRecord, input, recorded } from "./records.js";
import { messagesIn, parseCef, parseSyslog, type CefEvent, type SyslogMessage } from "./syslog_support.js";
import { CHARACTER } from "../../characters.js";

const RUNS = 150;

const encoded = (of: ExportedRecord, options: Partial<FormatOptions>): Buffer =>
  encode(of.bytes, () => of, { format: "syslog", data: "record", ...options }) ?? Buffer.alloc(0);
const syslogOf = (of: ExportedRecord, options: Partial<FormatOptions> = {}): SyslogMessage => parseSyslog(encoded(of, options));
const cefOf = (of: ExportedRecord): CefEvent => parseCef(encoded(of, { format: "cef" }).toString());
const sample = (name: string): ExportedRecord => recorded(SAMPLES[name] ?? {});
/** None of these may stand in a line: each is somebody's end of one. */
const BREAKS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

describe("a record as a syslog message", () => {
  it("says facility, severity, time and kind in its header, and the record in its text", () => {
    const { host, ...message } = syslogOf(sample("deny"));
    expect(host).to.match(/^[\x21-\x7e]+$/);
    expect({ ...message, text: "" }).to.deep.equal({
      facility: 13,
      severity: 4,
      time: "2026-11-25T09:00:00.123Z",
      app: "remit",
      msgid: "decision",
      data: { meta: { sequenceId: "7" }, origin: { software: "Remit", swVersion: "1.2.3" } },
      text: "",
    } satisfies Omit<SyslogMessage, "host">);
    expect(JSON.parse(message.text)).to.deep.equal(sample("deny").record);
  });

  for (const [name, severity] of [
    ["allow", 6],
    ["flag that waits", 5],
    ["deny by the floor", 4],
    ["everything revoked", 4],
    ["bundle refused", 3],
    ["sensor silent", 3],
    ["lost", 2],
    ["outcome failed", 6],
  ] as const)
    it(`has severity ${severity} for ${name}`, () => {
      expect(syslogOf(sample(name)).severity).to.equal(severity);
    });

  it("has the record's main members as structured data under the organisation's own number", () => {
    expect(syslogOf(sample("deny"), { enterprise_number: 4711 }).data["remit@4711"]).to.deep.equal({
      ...{ record: "7", log: WRITER.origin, kind: "decision", caller: "gateway-1", decision_id: ID, decision: "deny" },
      ...{ reason: "not_permitted", agent: "support-7", purpose: "customer_support", task: "T-1", verb: "read" },
    });
    expect(Object.keys(syslogOf(sample("refusal"), { enterprise_number: 1 }).data["remit@1"] ?? {})).to.deep.equal([
      "record",
      "log",
      "kind",
    ]);
  });

  it("has its OCSF event as text where that is asked for", () => {
    expect(JSON.parse(syslogOf(sample("deny"), { data: "ocsf" }).text)).to.include({ class_uid: 6003 });
  });

  it("counts its records in 31 bits, and begins again at 1", () => {
    const sequenceOf = (seq: number): string | undefined => syslogOf(recorded(SAMPLES["allow"] ?? {}, seq)).data["meta"]?.["sequenceId"];
    expect([1, 2 ** 31 - 1, 2 ** 31].map(sequenceOf)).to.deep.equal(["1", "2147483647", "1"]);
  });

  it("is one line of printable ASCII with the same record, whatever a record's texts hold", () => {
    fc.assert(
      fc.property(hostileRecord, fc.constantFrom("record", "ocsf"), (of, data) => {
        const message = encoded(of, { data, enterprise_number: 32_473 });
        const { text, ...header } = parseSyslog(message);
        expect(message.toString()).not.to.match(BREAKS);
        expect(text).to.match(/^[\x20-\x7e]*$/);
        if (data === "record") expect(JSON.parse(text)).to.deep.equal(JSON.parse(of.bytes.toString()));
        expect(Object.keys(header.data)).to.deep.equal(["meta", "origin", "remit@32473"]);
        const { messages, rest } = messagesIn(
          Buffer.concat([encoded(of, { data, carrier: "syslog" }), encoded(of, { data, carrier: "syslog" })]),
        );
        expect([messages.length, rest.length]).to.deep.equal([2, 0]);
      }),
      { numRuns: RUNS },
    );
  });

  it("keeps a quote, a bracket and a backslash within their parameter", () => {
    const hostile = '"] [evil@1 decision="allow"] \\" \\';
    const of = recorded(decision({ input: input({ agent: hostile, verb: "a\nb\u2028c" }) }));
    expect(syslogOf(of, { enterprise_number: 1 }).data["remit@1"]).to.include({ agent: hostile, verb: "a b c" });
  });

  it("has a header's fields even of a record that somebody wrote by hand", () => {
    const odd = recorded({ ...SAMPLES["allow"], time: "yesterday\n<0>1 - - - - - -" });
    expect(syslogOf({ ...odd, writer: { origin: "x\ny", version: '9"]\u0000'.repeat(50) } })).to.deep.include({
      time: "-",
      msgid: "decision",
    });
  });

  it("is the same JSON in ASCII", () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: CHARACTER }), (value) => {
        const ascii = asciiJson(JSON.stringify(value));
        expect(ascii).to.match(/^[\x20-\x7e]*$/);
        expect(JSON.parse(ascii)).to.deep.equal(JSON.parse(JSON.stringify(value)));
      }),
      { numRuns: RUNS },
    );
  });
});

describe("a record in CEF", () => {
  it("has its class, message and severity in the header, and who did what in the extension", () => {
    const { header, extension } = cefOf(sample("deny"));
    expect(header).to.deep.equal(["Remit", "Remit", "1.2.3", "decision.deny", "deny: because of not_permitted", "6"]);
    const leaf = createHash("sha256").update(Buffer.of(0)).update(sample("deny").bytes).digest("hex");
    expect(extension).to.deep.equal({
      ...{ rt: String(Date.parse("2026-11-25T09:00:00.123Z")), externalId: ID, deviceExternalId: WRITER.origin, cat: "decision" },
      ...{ outcome: "Success", sourceServiceName: "gateway-1", reason: "not_permitted", msg: "deny: because of not_permitted" },
      ...{ cn1: "7", cn1Label: "record", cs1: leaf, cs1Label: "leaf", act: "deny", suser: "support-7", duser: "ada@customer.example" },
      ...{ cs2: "read invoice/I-1", cs2Label: "action", cs3: "customer_support", cs3Label: "purpose", cs4: "T-1", cs4Label: "task" },
      ...{ cs5: "support r-7", cs5Label: "policy" },
    });
  });

  it("tells every kind of record apart by its class", () => {
    const classes = Object.keys(SAMPLES).map((name) => cefOf(sample(name)).header[3]);
    expect([...new Set(classes)].sort()).to.deep.equal([
      ...["admin.export", "bundle.activated", "bundle.refused", "decision.allow", "decision.deny", "decision.flag", "facts.agent_created"],
      ...["facts.grant_created", "facts.grant_ended", "facts.revocation_lifted", "facts.revoked", "lost", "notice.sensor_heard"],
      ...["notice.sensor_silent", "notice.tool_changed", "observed.allow", "observed.deny", "outcome.done", "outcome.failed"],
      ...["outcome.not_attempted", "refusal.token_invalid", "service.started"],
    ]);
  });

  it("keeps pipes, equals signs, backslashes and ends of lines within their value", () => {
    const hostile = "a|b=c\\d\ne\rf\r\ng suser=root";
    const of = recorded(decision({ input: input({ agent: hostile }) }));
    expect(cefOf(of).extension["suser"]).to.equal("a|b=c\\d\ne\rf\ng suser=root");
    const { header } = cefOf({ ...of, writer: { ...WRITER, version: "1|allow|\\\n" } });
    expect(header[2]).to.equal("1|allow|\\ ");
  });

  for (const [what, agent, shown] of [
    ["a space of no width", "sup\u200bport-7", "sup\ufffdport-7"],
    ["a text that is turned round", "support\u202e7-", "support\ufffd7-"],
    ["a tag", "support-7\u{e0041}", "support-7\ufffd"],
    ["a soft hyphen", "sup\u00adport-7", "sup\ufffdport-7"],
    ["a filler", "support\u3164", "support\ufffd"],
    ["half of a pair", "support\ud800", "support\ufffd"],
  ] as const)
    it(`shows that a name has ${what} in it, so that it isn't taken for another's, here and in structured data`, () => {
      const of = recorded(decision({ input: input({ agent }) }));
      expect(cefOf(of).extension["suser"]).to.equal(shown);
      expect(syslogOf(of, { enterprise_number: 4711 }).data["remit@4711"]?.["agent"]).to.equal(shown);
    });

  it("is one line that reads back, whatever a record's texts hold, and no value is longer than its key's", () => {
    fc.assert(
      fc.property(hostileRecord, (of) => {
        const line = encoded(of, { format: "cef" }).toString();
        expect(line).not.to.match(BREAKS);
        const { header, extension } = parseCef(line);
        expect(header).to.have.length(6);
        for (const [key, value] of Object.entries(extension)) expect(value.length, key).to.be.at.most(1023);
        expect(extension["cn1"]).to.equal(String(of.record.seq));
      }),
      { numRuns: RUNS },
    );
  });

  it("is the text of a syslog message for a receiver of syslog", () => {
    const { messages } = messagesIn(encoded(sample("deny"), { format: "cef", carrier: "syslog" }));
    expect(parseSyslog(messages[0] ?? Buffer.alloc(0)).text).to.equal(encoded(sample("deny"), { format: "cef" }).toString());
  });
});
