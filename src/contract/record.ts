/**
 * One line of the record log, without its newline, in the one form that RFC 8785 gives it: those bytes are a leaf of the
 * log's tree. Version 2.
 */
import { canonical } from "./canonical.js";
import { RELATIONS } from "./behavior.js";
import { Answer } from "./decision.js";
import { EngineMember } from "./handed_in.js";
import { NOTICE_CODES } from "./notices.js";
import { SEVERITIES, VERB_CLASSES } from "./policy.js";
import { Type, type Static, type TSchema } from "./type.js";

/** A leaf is no longer; what an action needs beyond it stands beside the segment, by its digest. */
export const RECORD_BYTES_MAX = 32 * 1024;
export const RECORD_VERSION = 2;

const closed = { additionalProperties: false };
const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const Time = Type.String({ description: "RFC 3339, UTC, to the millisecond" });
const Object_ = Type.Record(Type.String(), Type.Unknown());
const Digest = Type.String({ pattern: "^sha256:[0-9a-f]{64}$" });

const common = {
  seq: Type.Integer({ minimum: 1, description: "From 1, without gaps; one more than the leaf's index" }),
  time: Time,
  v: Type.Literal(RECORD_VERSION),
};
const Beside = (what: string) =>
  Type.Object(
    { bytes: Type.Integer(), digest: Digest },
    {
      ...closed,
      description: `${what}: their canonical JSON is a line of the segment's \`.beside\` file, with this SHA-256`,
    },
  );
const By = Type.String({ description: "The caller, as its token names it" });

const subject = { issuer: Type.String(), subject: Type.String() };
const Subject = Type.Object(subject, closed);

/** What the profile learned of an action, beside what its record says anyway. */
export const ActRecord = Type.Object(
  {
    behavior: Type.Optional(Object_),
    class: Type.Enum([...VERB_CLASSES], { description: "Of the verb; `admin` where the vocabulary hasn't got it" }),
    granted: Type.Optional(Type.Literal(true, { description: "A live grant is for it" })),
    offset_ms: Type.Optional(Type.Integer({ description: "Of its purpose's clocks, ahead of UTC; left out: none" })),
    relation: Type.Enum([...RELATIONS], { description: "Whether its resource is what its task is about" }),
    version: Type.Optional(Type.String({ description: "The agent's, where there is no `input`" })),
  },
  { ...closed, description: "The profile learned from it. `behavior`, with `floor`: what it was found to be; left out: nothing odd" },
);

/** A decision, or the judgement of what has already happened. `time` is when it was decided, by the host's clock. */
export const DecisionRecord = Type.Object(
  {
    ...common,
    kind: Type.Union([Type.Literal("decision"), Type.Literal("observed")]),
    act: Type.Optional(ActRecord),
    adapter: Type.Optional(Type.String({ description: "In whose words it was asked for: `authzen`; left out: in our own" })),
    answer: Answer,
    asked: Type.String({ description: "When the request came in: RFC 3339, UTC" }),
    at: Type.Optional(Type.String({ description: "When what was observed happened, as its reporter says: RFC 3339, UTC" })),
    caller: By,
    engine: Type.Optional(EngineMember),
    input: Type.Optional(Type.Unsafe<Record<string, unknown>>({ type: "object", description: "What the policy was asked, whole" })),
    ancestors: Type.Optional(Type.Array(Object_, { description: "As `input` or `floor`, of each task up the chain" })),
    request: Type.Optional(
      Type.Unsafe<Record<string, unknown>>({
        type: "object",
        description: "With `floor`, where the floor refused and no policy was asked",
      }),
    ),
    floor: Type.Optional(Type.Unsafe<Record<string, unknown>>({ type: "object", description: "What the floor read" })),
    beside: Type.Optional(Beside("`ancestors`, `floor`, `input`, `masked`, `not_live` and `request` are too large for a leaf")),
    not_live: Type.Optional(
      Type.Array(
        Type.Object(
          {
            grant: Type.String(),
            level: Type.Integer({ minimum: 0, description: "0: of the action's own task; 1: of the first up the chain" }),
            state: Type.String(),
          },
          closed,
        ),
        { description: "Grants that were found and could not be used: no policy sees them, and reasons name them" },
      ),
    ),
    masked: Type.Optional(Type.Array(Type.String(), { description: "JSON pointers into the record, of values that are digests" })),
    outcome: Type.Optional(Type.String({ description: "Of what was observed, as its reporter says: `done` or `failed`" })),
    previous: orNull(
      Type.String({ description: "The decision before on the same task; null: none is known, of those that this service has made" }),
    ),
    proof: Type.Optional(
      Type.Object(
        {
          actor: Subject,
          chain: Type.Array(Subject),
          principal: orNull(Subject),
          token: Type.Object({ expires_ms: Type.Integer(), issued_ms: orNull(Type.Integer()), jti: orNull(Type.String()) }, closed),
        },
        { ...closed, description: "What the agent's token proved" },
      ),
    ),
    stages: Type.Object({ evaluate_us: Type.Integer(), read_us: Type.Integer() }, { ...closed, description: "Microseconds" }),
    unasked: Type.Optional(
      Type.Literal(true, { description: "Of what was observed: its agent should have asked before, and no decision on record permits it" }),
    ),
    uses: Type.Optional(Type.Array(Type.String(), { description: "Counted grants, one use of each taken" })),
  },
  closed,
);
export type DecisionRecord = Static<typeof DecisionRecord>;

/** A change of facts, with what its key holds from now on under the name of its kind. */
export const FactsRecord = Type.Object(
  {
    ...common,
    kind: Type.Literal("facts"),
    beside: Type.Optional(Beside("What the key holds is too large for a leaf")),
    caller: By,
    change: Type.String(),
    facts_revision: orNull(Type.Integer({ description: "null: it holds in memory, and the store can't take it" })),
    reason: orNull(Type.String()),
  },
  { additionalProperties: true },
);
export type FactsRecord = Static<typeof FactsRecord>;

export const BundleRecord = Type.Object(
  {
    ...common,
    kind: Type.Literal("bundle"),
    change: Type.Union([Type.Literal("activated"), Type.Literal("refused")]),
    from: Type.String({ description: "`path`, `published`, or the trusted copy" }),
    policy: Type.Optional(Answer.properties.policy),
    code: Type.Optional(Type.String({ description: "Why it was refused" })),
  },
  closed,
);
export type BundleRecord = Static<typeof BundleRecord>;

export const DURABILITIES = ["synced", "relaxed"] as const;
export type Durability = (typeof DURABILITIES)[number];

/** What the records that follow were written by, and how durable they were before they were answered for. */
export const ServiceRecord = Type.Object(
  {
    ...common,
    kind: Type.Literal("service"),
    change: Type.Union([Type.Literal("started"), Type.Literal("stopped")]),
    behavior: Type.Optional(
      Type.Union([Type.Object({ agents_max: Type.Integer(), algorithm: Type.Integer() }, closed), Type.Null()], {
        description: "By what it is said what is usual; null: by nothing",
      }),
    ),
    durability: Type.Enum([...DURABILITIES]),
    keys: Type.Array(Type.String(), { description: "That sign checkpoints from now on, as C2SP verifier keys" }),
    origin: Type.String(),
    version: Type.String(),
  },
  closed,
);
export type ServiceRecord = Static<typeof ServiceRecord>;

/** Callers that were refused, counted. The first of a kind has a record at once, those after it share one. */
export const RefusalRecord = Type.Object(
  {
    ...common,
    kind: Type.Literal("refusal"),
    caller: Type.Optional(Type.String({ description: "Whose token it was, where that is good" })),
    code: Type.String(),
    count: Type.Integer({ minimum: 1 }),
    since: Time,
  },
  closed,
);
export type RefusalRecord = Static<typeof RefusalRecord>;

/** What an administrator did that is no change of facts. */
export const AdminRecord = Type.Object(
  { ...common, kind: Type.Literal("admin"), action: Type.String(), caller: By, detail: Object_ },
  closed,
);
export type AdminRecord = Static<typeof AdminRecord>;

export const OUTCOMES = ["done", "failed", "not_attempted"] as const;

/** What became of an action that was allowed, as its enforcement point says. */
export const OutcomeRecord = Type.Object(
  {
    ...common,
    kind: Type.Literal("outcome"),
    amount: Type.Optional(Type.Number({ description: "How much: rows, bytes, cents, as the enforcement point counts" })),
    caller: By,
    decision_id: Type.String(),
    detail: Type.Optional(Type.String({ maxLength: 1024 })),
    outcome: Type.Enum([...OUTCOMES]),
    took_ms: Type.Optional(Type.Number({ minimum: 0 })),
  },
  closed,
);
export type OutcomeRecord = Static<typeof OutcomeRecord>;

/** That enforcement isn't as it should be. */
export const NoticeRecord = Type.Object(
  {
    ...common,
    kind: Type.Literal("notice"),
    agent: orNull(Type.String()),
    caller: Type.String({ description: "Who reports it; of `sensor_silent` and `sensor_heard` the sensor" }),
    code: Type.Enum([...NOTICE_CODES]),
    detail: Object_,
    finding: Type.Optional(Type.String()),
    id: Type.String({ description: "A UUID of version 7" }),
    message: Type.String(),
    purpose: orNull(Type.String()),
    severity: Type.Enum([...SEVERITIES]),
  },
  closed,
);
export type NoticeRecord = Static<typeof NoticeRecord>;

/** With `durability: relaxed`: so many records before this one were answered for, and never reached the disk. */
export const LostRecord = Type.Object({ ...common, kind: Type.Literal("lost"), count: Type.Integer({ minimum: 1 }) }, closed);
export type LostRecord = Static<typeof LostRecord>;

/**
 * Returns a record's canonical text (RFC 8785) before and after its `seq`, which the log puts between, without the enclosing braces.
 * @example
 * import assert from "node:assert/strict";
 * import { aroundSeq } from "remit/contract";
 *
 * assert.deepEqual(aroundSeq({ kind: "lost", time: "t" }), { before: '"kind":"lost"', after: '"time":"t"' });
 */
export function aroundSeq(members: Readonly<Record<string, unknown>>): { before: string; after: string } {
  const texts = Object.entries(members)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => ({ name, text: `${JSON.stringify(name)}:${canonical(value)}` }));
  const side = (isBefore: boolean): string => texts.flatMap(({ name, text }) => (name < "seq" === isBefore ? [text] : [])).join(",");
  return { before: side(true), after: side(false) };
}

export const RecordSchema = Type.Union([
  DecisionRecord,
  FactsRecord,
  BundleRecord,
  ServiceRecord,
  RefusalRecord,
  AdminRecord,
  OutcomeRecord,
  LostRecord,
  NoticeRecord,
]);
export type LogRecord =
  DecisionRecord | FactsRecord | BundleRecord | ServiceRecord | RefusalRecord | AdminRecord | OutcomeRecord | LostRecord | NoticeRecord;
