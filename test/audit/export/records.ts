/** Records of every kind, plain ones and such as an attacker would have written, as lines of a log. */
import { createHash } from "node:crypto";
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { canonical, type LogRecord } from "../../../src/contract/index.js";
import type { ExportedRecord } from "../../../src/audit/export/exported_record.js";
import { CHARACTER } from "../../characters.js";

export const WRITER = { origin: "remit.example/log", version: "1.2.3" };
export const TIME = "2026-11-25T09:00:00.123Z";
export const ID = "0190a5e4-7c1a-7000-8000-000000000001";
const HEX = "ab".repeat(32);

type Members = Record<string, unknown>;

export const POLICY = { bundle: "support", revision: "r-7", sequence: 7, digest: `sha256:${HEX}` };

export function reason(effect: string, code: string, severity = "medium"): Members {
  return { effect, code, severity, message: `because of ${code}`, params: {} };
}

export function answer(decision: string, members: Members = {}): Members {
  return {
    decision,
    proceed: decision === "allow",
    decision_id: ID,
    action_digest: `sha256:${HEX}`,
    valid_for_ms: 2000,
    reasons: [reason(decision, decision === "allow" ? "permitted" : "not_permitted")],
    obligations: [],
    policy: POLICY,
    facts_revision: 12,
    ...members,
  };
}

export function request(members: Members = {}): Members {
  return {
    agent: "support-7",
    purpose: "customer_support",
    task: "T-1",
    verb: "read",
    resource: { type: "invoice", id: "I-1", attributes: { customer: "ada", cents: 1250 } },
    related: { pay_from: { type: "payment_method", id: "P-1", attributes: {} } },
    arguments: { note: "n" },
    context: { session: "s-1", source: "gateway-eu", trace: `00-${"1".repeat(32)}-${"2".repeat(16)}-01` },
    ...members,
  };
}

export function input(members: Members = {}): Members {
  return {
    request: request(members),
    facts: { principal: "ada@customer.example", caller: { id: "gateway-1" }, grants: [] },
  };
}

/** `seq` is given by its place in a log. */
export function decision(members: Members = {}): Members {
  return {
    v: 2,
    kind: "decision",
    time: TIME,
    asked: "2026-11-25T09:00:00.120Z",
    caller: "gateway-1",
    answer: answer("allow"),
    input: input(),
    previous: null,
    stages: { read_us: 41, evaluate_us: 87 },
    ...members,
  };
}

const common = { v: 2, time: TIME };

/** One of each kind, and of each that a format treats by itself. */
export const SAMPLES: Record<string, Members> = {
  allow: decision(),
  deny: decision({ answer: answer("deny", { tell_agent: "You are not permitted to do this." }) }),
  "flag that waits": decision({ answer: answer("flag", { wait: { for: "approval", until: TIME } }) }),
  "flag that goes on": decision({ answer: answer("flag", { proceed: true, reasons: [reason("flag", "large_refund", "high")] }) }),
  "deny by the floor": decision({
    input: undefined,
    request: request({ task: null }),
    floor: { now_ms: 1, caller_permitted: true, task: { principal: "ada@customer.example" } },
    answer: answer("deny", { reasons: [reason("deny", "agent_token_mismatch", "critical")] }),
  }),
  "evaluation failed": decision({ answer: answer("deny", { reasons: [reason("deny", "evaluation_failed", "high")] }) }),
  "evaluation stopped": decision({ answer: answer("deny", { reasons: [reason("deny", "evaluation_budget", "high")] }) }),
  "a collection": decision({ input: input({ verb: "search", resource: { type: "invoice", id: null, attributes: {} } }) }),
  "with all there is": decision({
    ancestors: [input({ task: "T-0" })],
    masked: ["/ancestors/0/request/arguments/note", "/input/request/arguments/note"],
    not_live: [{ grant: "G-0", level: 0, state: "expired" }],
    previous: ID,
    proof: {
      actor: { issuer: "https://issuer.example", subject: "s" },
      chain: [],
      principal: null,
      token: { expires_ms: 1, issued_ms: null, jti: "j" },
    },
    uses: ["G-1"],
  }),
  "observed, allowed": decision({ kind: "observed", at: "2026-11-25T08:30:00.000Z", outcome: "done" }),
  "observed, denied": decision({ kind: "observed", answer: answer("deny", { finding: "F-1" }) }),
  "grant given": {
    ...common,
    ...{ kind: "facts", caller: "registrar", change: "grant_created", facts_revision: 13, reason: "on leave" },
    grant: {
      id: "G-1",
      agent: "support-7",
      task: null,
      entry: { read: ["invoice", "ticket"], about: "task" },
      action_digest: null,
      ended: null,
    },
  },
  "grant ended": {
    ...common,
    ...{ kind: "facts", caller: "registrar", change: "grant_ended", facts_revision: 14, reason: "back" },
    grant: { id: "G-1", agent: null, task: "T-1", entry: null, action_digest: `sha256:${HEX}`, ended: { at: TIME, reason: "back" } },
  },
  "agent revoked": {
    ...common,
    ...{ kind: "facts", caller: "registrar", change: "revoked", facts_revision: null, reason: "leaked" },
    revocation: { id: "agent/support-7", scope: "agent", of: "support-7", reason: "leaked", by: "registrar", since: TIME, lifted: null },
  },
  "everything revoked": {
    ...common,
    ...{ kind: "facts", caller: "registrar", change: "revoked", facts_revision: 15, reason: "stop" },
    revocation: { id: "everything", scope: "everything", of: "", reason: "stop", by: "registrar", since: TIME, lifted: null },
  },
  "revocation lifted": {
    ...common,
    ...{ kind: "facts", caller: "registrar", change: "revocation_lifted", facts_revision: 16, reason: "found" },
    revocation: {
      id: "agent/support-7",
      scope: "agent",
      of: "support-7",
      reason: "leaked",
      by: "registrar",
      since: TIME,
      lifted: { at: TIME, by: "registrar", reason: "found" },
    },
  },
  "agent created": {
    ...common,
    ...{ kind: "facts", caller: "registrar", change: "agent_created", facts_revision: 17, reason: null },
    agent: { id: "support-8", owner: "support" },
  },
  "bundle activated": { ...common, kind: "bundle", change: "activated", from: "path", policy: POLICY },
  "bundle refused": { ...common, kind: "bundle", change: "refused", from: "published", code: "signature_invalid" },
  "service started": {
    ...common,
    kind: "service",
    change: "started",
    durability: "synced",
    keys: ["remit.example/log+00+AA"],
    origin: WRITER.origin,
    version: WRITER.version,
  },
  refusal: { ...common, kind: "refusal", code: "token_invalid", count: 12, since: "2026-11-25T08:59:00.000Z" },
  admin: { ...common, kind: "admin", action: "export", caller: "auditor", detail: { format: "ocsf" } },
  "outcome done": { ...common, kind: "outcome", caller: "gateway-1", decision_id: ID, outcome: "done", took_ms: 12.5, amount: 3 },
  "outcome failed": { ...common, kind: "outcome", caller: "gateway-1", decision_id: ID, outcome: "failed", detail: "timed out" },
  "outcome never": { ...common, kind: "outcome", caller: "gateway-1", decision_id: ID, outcome: "not_attempted" },
  lost: { ...common, kind: "lost", count: 3 },
  "sensor silent": {
    ...common,
    kind: "notice",
    agent: null,
    caller: "collector",
    code: "sensor_silent",
    detail: { silent_ms: 300_000 },
    finding: `F-${ID}`,
    id: ID,
    message: "sensor collector has reported nothing for 300000 ms",
    purpose: null,
    severity: "high",
  },
  "tool changed": {
    ...common,
    kind: "notice",
    agent: "support-7",
    caller: "guard",
    code: "tool_changed",
    detail: { changed: ["description"], server: "crm", tool: "get_customer" },
    finding: `F-${ID}`,
    id: ID,
    message: "tool get_customer of crm is not what was approved: description",
    purpose: "customer_support",
    severity: "high",
  },
  "sensor heard": {
    ...common,
    kind: "notice",
    agent: null,
    caller: "collector",
    code: "sensor_heard",
    detail: { silent_ms: 9 },
    id: ID,
    message: "sensor collector reports again, after 9 ms",
    purpose: null,
    severity: "info",
  },
};

export function lineOf(members: Members, seq: number): Buffer {
  return Buffer.from(canonical({ ...members, seq }));
}

export function recorded(members: Members, seq = 7): ExportedRecord {
  const bytes = lineOf(members, seq);
  return { record: JSON.parse(bytes.toString()) as LogRecord, bytes, writer: WRITER };
}

/** Appends records to a log's folder as one segment that begins at `first`. */
export function writeSegment(folder: string, first: number, records: readonly Members[]): void {
  mkdirSync(folder, { recursive: true });
  const name = join(folder, `${String(first).padStart(16, "0")}.jsonl`);
  appendFileSync(name, records.map((members, i) => `${lineOf(members, first + i).toString()}\n`).join(""));
}

/** What stands beside a record, which it names instead. */
export function outsourced(members: Members): { record: Members; beside: string } {
  const { ancestors, floor, input: asked, request: made, ...rest } = members;
  const beside = canonical({ ancestors, floor, input: asked, request: made });
  const digest = `sha256:${createHash("sha256").update(beside).digest("hex")}`;
  return { record: { ...rest, beside: { bytes: Buffer.byteLength(beside), digest } }, beside };
}

export function writeBeside(folder: string, first: number, lines: readonly string[]): void {
  writeFileSync(join(folder, `${String(first).padStart(16, "0")}.beside`), lines.map((line) => `${line}\n`).join(""));
}

const HOSTILE = [
  ...["", " ", "__proto__", "constructor", "toString", "hasOwnProperty", "\u0000", "\u001b[2J", "\u202e", "\u2028", "\ufeff"],
  ...['"', "\\", "\\u0000", '","decision":"allow","x":"', "]}\n{", "</script>", "${jndi:ldap://x}", "%s%n", "../../etc/passwd"],
  ...["=cmd|' /C calc'!A0", "\u{1f600}", "e\u0301", "x".repeat(5000), "~0~1/", "2026-11-25T09:00:00Z", "99999999999999999999"],
];
const hostile = fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: CHARACTER, maxLength: 40 }));
const json = fc.jsonValue({ maxDepth: 3, stringUnit: CHARACTER });
const values = fc.dictionary(hostile, json, { maxKeys: 4 });
const orNull = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(of, { nil: null });
const count = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const severity = fc.constantFrom("info", "low", "medium", "high", "critical");
const code = fc.oneof(
  hostile,
  fc.constantFrom("evaluation_failed", "evaluation_budget", "result_invalid", "agent_token_required", "not_permitted"),
);
const resource = fc.record({ type: hostile, id: orNull(hostile), attributes: values });
const asked = fc.record({
  ...{ agent: hostile, purpose: hostile, task: orNull(hostile), resource, arguments: values },
  verb: fc.oneof(hostile, fc.constantFrom("read", "search", "send", "update_all", "DELETE")),
  related: fc.dictionary(hostile, resource, { maxKeys: 3 }),
  context: fc.record({ session: orNull(hostile), source: orNull(hostile), trace: orNull(hostile) }),
});
const evaluated = fc.record({ request: asked, facts: fc.record({ principal: orNull(hostile), agent: values }) });
const answered = fc.record(
  {
    decision: fc.constantFrom("allow", "deny", "flag"),
    proceed: fc.boolean(),
    decision_id: fc.uuid(),
    action_digest: fc.constant(`sha256:${HEX}`),
    valid_for_ms: count,
    reasons: fc.array(
      fc.record({ effect: fc.constantFrom("allow", "log", "flag", "deny"), code, severity, message: hostile, params: values }),
      { maxLength: 4 },
    ),
    obligations: fc.array(values, { maxLength: 2 }),
    policy: fc.record({ bundle: hostile, revision: hostile, sequence: count, digest: hostile }),
    facts_revision: count,
    wait: fc.record({ for: fc.constantFrom("approval", "context"), until: fc.constant(TIME) }),
    request_id: hostile,
    tell_agent: hostile,
    finding: hostile,
  },
  {
    requiredKeys: [
      "decision",
      "proceed",
      "decision_id",
      "action_digest",
      "valid_for_ms",
      "reasons",
      "obligations",
      "policy",
      "facts_revision",
    ],
  },
);
const action = fc.record(
  {
    ...{ v: fc.constant(2), kind: fc.constantFrom("decision", "observed"), time: fc.constant(TIME), asked: fc.constant(TIME) },
    ...{ caller: hostile, answer: answered, previous: orNull(fc.uuid()) },
    stages: fc.record({ read_us: count.map((n) => n % 1e9), evaluate_us: count.map((n) => n % 1e9) }),
    ...{ input: evaluated, request: asked, floor: values, ancestors: fc.array(evaluated, { maxLength: 2 }) },
    masked: fc.array(
      hostile.map((text) => `/input/request/arguments/${text}`),
      { maxLength: 2 },
    ),
    beside: fc.record({ bytes: count, digest: fc.constant(`sha256:${HEX}`) }),
    ...{
      proof: values,
      uses: fc.array(hostile, { maxLength: 2 }),
      at: hostile,
      outcome: hostile,
      not_live: fc.array(values, { maxLength: 2 }),
    },
  },
  { requiredKeys: ["v", "kind", "time", "asked", "caller", "answer", "previous", "stages"] },
);
const whole = { v: fc.constant(2), time: fc.constant(TIME) };
const changed = fc.record(
  {
    ...{ ...whole, kind: fc.constant("facts"), caller: hostile, change: hostile, facts_revision: orNull(count), reason: orNull(hostile) },
    ...{ agent: json, task: json, grant: json, revocation: json, import: json },
    beside: fc.record({ bytes: count, digest: fc.constant(`sha256:${HEX}`) }),
  },
  { requiredKeys: ["v", "time", "kind", "caller", "change", "facts_revision", "reason"] },
);
const grants = fc.record({
  ...{ ...whole, kind: fc.constant("facts"), caller: hostile, change: hostile, facts_revision: count, reason: hostile },
  grant: fc.record({ agent: orNull(hostile), task: orNull(hostile), action_digest: orNull(hostile), ended: orNull(values), entry: json }),
});
const others = fc.oneof(
  fc.record(
    {
      ...whole,
      kind: fc.constant("bundle"),
      change: fc.constantFrom("activated", "refused"),
      from: hostile,
      code: hostile,
      policy: fc.constant(POLICY),
    },
    { requiredKeys: ["v", "time", "kind", "change", "from"] },
  ),
  fc.record({
    ...whole,
    kind: fc.constant("service"),
    change: fc.constantFrom("started", "stopped"),
    durability: fc.constantFrom("synced", "relaxed"),
    keys: fc.array(hostile),
    origin: hostile,
    version: hostile,
  }),
  fc.record(
    { ...whole, kind: fc.constant("refusal"), caller: hostile, code: hostile, count, since: fc.constant(TIME) },
    { requiredKeys: ["v", "time", "kind", "code", "count", "since"] },
  ),
  fc.record({ ...whole, kind: fc.constant("admin"), action: hostile, caller: hostile, detail: values }),
  fc.record(
    {
      ...whole,
      kind: fc.constant("outcome"),
      caller: hostile,
      decision_id: hostile,
      outcome: fc.constantFrom("done", "failed", "not_attempted"),
      took_ms: fc.double({ min: 0, max: 1e12, noNaN: true }),
      amount: fc.double({ noNaN: true, noDefaultInfinity: true }),
      detail: hostile,
    },
    { requiredKeys: ["v", "time", "kind", "caller", "decision_id", "outcome"] },
  ),
  fc.record({ ...whole, kind: fc.constant("lost"), count }),
  fc.record({
    ...whole,
    kind: fc.constant("notice"),
    agent: hostile,
    caller: hostile,
    code: hostile,
    detail: values,
    finding: hostile,
    id: hostile,
    message: hostile,
    purpose: hostile,
    severity: fc.constantFrom("info", "high"),
  }),
);

/** Any record that a log could hold, with the worst in every place that others fill. */
export const hostileRecord = fc
  .record({
    members: fc.oneof(action, changed, grants, others),
    seq: count,
    origin: fc.oneof(fc.constantFrom("remit.example/log", "remit-0a1b"), hostile),
    version: hostile,
  })
  .map(({ members, seq, origin, version }): ExportedRecord => {
    const bytes = lineOf(members, seq);
    return { record: JSON.parse(bytes.toString()) as LogRecord, bytes, writer: { origin, version } };
  });
