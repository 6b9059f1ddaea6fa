/** A review as data: the figures that its page shows. `remit review --schema` prints this as JSON Schema. */
import { SEVERITIES } from "../contract/index.js";
import { Type, type Static, type TSchema } from "../contract/type.js";

const closed = { additionalProperties: false };
const orNull = <T extends TSchema>(schema: T, description?: string) =>
  Type.Union([schema, Type.Null()], description === undefined ? {} : { description });
const Count = Type.Integer({ minimum: 0 });
const Time = Type.String({ description: "RFC 3339, UTC" });
const TimeOrNull = orNull(Type.String({ description: "RFC 3339, UTC; null: never" }));
const Text = Type.String();
const TextOrNull = orNull(Text);

/** Decisions by their outcome. */
const counts = {
  allow: Count,
  flag_proceed: Type.Integer({ minimum: 0, description: "Flagged, and went on" }),
  flag_wait: Type.Integer({ minimum: 0, description: "Flagged, and waited for a person or for context" }),
  deny: Count,
};
export const Counts = Type.Object(counts, closed);
export type Counts = Static<typeof Counts>;

export const Example = Type.Object(
  {
    seq: Type.Integer({ description: "Of the record" }),
    decision_id: Text,
    time: Time,
    agent: Text,
    verb: Text,
    type: Text,
    id: TextOrNull,
    message: Text,
  },
  closed,
);
export type Example = Static<typeof Example>;

/** Decisions with one reason. */
export const ByCode = Type.Object(
  {
    code: Text,
    severity: Type.Enum([...SEVERITIES]),
    decisions: Count,
    first: Time,
    last: Time,
    examples: Type.Array(Example),
  },
  closed,
);
export type ByCode = Static<typeof ByCode>;

/** One thing that a purpose lets its agents do, and how often this one did. */
export const May = Type.Object(
  {
    line: Type.Enum(["allow", "flag"]),
    verb: Text,
    type: Text,
    words: Type.String({ description: "The entry, in words" }),
    in_force: Type.Boolean({ description: "false: it was used by an earlier bundle, and the last one has it no more" }),
    uses: Count,
    first: TimeOrNull,
    last: TimeOrNull,
  },
  closed,
);
export type May = Static<typeof May>;

export const Did = Type.Object(
  {
    verb: Text,
    type: Text,
    relation: Type.Enum(["task", "other", "unknown"], { description: "Whether its resources were what the task is about" }),
    ...counts,
    observed: Type.Integer({ minimum: 0, description: "Of these, what had happened already when it was judged" }),
    resources: Type.Integer({ minimum: 0, description: "How many different ones, up to 100" }),
    first: Time,
    last: Time,
  },
  closed,
);
export type Did = Static<typeof Did>;

/** Decisions in one part of the period: allowed, flagged, denied; and how many of the allowed were logged. */
const Slot = Type.Tuple([Count, Count, Count, Count]);
export type Slot = [allowed: number, flagged: number, denied: number, logged: number];

const Heat = Type.Array(Type.Array(Count), { description: "Monday to Sunday, each by hour: how many decisions" });

export const Risk = Type.Object(
  { risk: Type.Integer({ minimum: 0, maximum: 100 }), time: Time, seq: Type.Integer(), reasons: Type.Array(Text) },
  closed,
);
export type Risk = Static<typeof Risk>;

export const AgentPurpose = Type.Object(
  {
    agent: Text,
    name: TextOrNull,
    owner: TextOrNull,
    version: TextOrNull,
    status: TextOrNull,
    narrowed: Type.Boolean({ description: "Left with less than it was registered for, since it behaved unusually or somebody said so" }),
    purpose: Text,
    assigned: orNull(Type.Boolean({ description: "Whether it is registered for it; null: the records don't say" })),
    counts: Counts,
    observed: Count,
    first: TimeOrNull,
    last: TimeOrNull,
    highest_risk: orNull(Risk, "How far from what is usual for it; null: nothing was unusual"),
    may: Type.Array(May),
    did: Type.Array(Did),
    refused: Type.Array(ByCode),
    flagged: Type.Array(ByCode),
    logged: Type.Array(ByCode),
    left_off: Type.Integer({ minimum: 0, description: "Decisions of more kinds, or for more reasons, than are told apart" }),
    heat: Heat,
    over_time: Type.Array(Slot),
  },
  closed,
);
export type AgentPurpose = Static<typeof AgentPurpose>;

export const PurposeRow = Type.Object(
  {
    purpose: Text,
    statement: TextOrNull,
    owner: TextOrNull,
    task: TextOrNull,
    hours: TextOrNull,
    zone: Type.String({ description: "That hours are shown in" }),
    agents: Type.Integer({ minimum: 0, description: "Registered for it" }),
    counts: Counts,
    never_used: Type.Array(Type.String({ description: "Entries that no agent used, in words" })),
    entries: Type.Integer({ minimum: 0, description: "What it permits, each verb and type for itself; 0: no bundle was given" }),
  },
  closed,
);
export type PurposeRow = Static<typeof PurposeRow>;

export const ReviewedGrant = Type.Object(
  {
    id: Text,
    agent: TextOrNull,
    task: TextOrNull,
    what: Type.String({ description: "Its entry as it was written; of an approval, that it is for one action" }),
    reason: Text,
    requested_by: Text,
    approved_by: Text,
    by: Type.String({ description: "Whose token created it" }),
    created: Time,
    expires: Text,
    uses: orNull(Type.Integer({ description: "How many it was good for; null: any number" })),
    used: Type.Integer({ minimum: 0, description: "Decisions of the period that rested on it" }),
    ended: TextOrNull,
  },
  closed,
);
export type ReviewedGrant = Static<typeof ReviewedGrant>;

export const ReviewedChange = Type.Object(
  { seq: Type.Integer(), time: Time, change: Text, key: Text, by: Text, reason: TextOrNull, durable: Type.Boolean() },
  closed,
);
export type ReviewedChange = Static<typeof ReviewedChange>;

export const FindingRow = Type.Object(
  {
    id: Text,
    state: Type.String({ description: "open, or as a person has judged it" }),
    agent: TextOrNull,
    purpose: TextOrNull,
    severity: Type.Enum([...SEVERITIES]),
    code: Text,
    message: Text,
    actions: Count,
    first: Time,
    last: Time,
    verdict: orNull(Type.Object({ by: Text, at: Text, reason: TextOrNull }, closed)),
  },
  closed,
);
export type FindingRow = Static<typeof FindingRow>;

/** An agent that was narrowed or suspended in the period, or is still. */
export const StoppedAgent = Type.Object(
  {
    agent: Text,
    narrowed: Type.Boolean({ description: "At the end of the period" }),
    suspended: Type.Boolean({ description: "At the end of the period" }),
    time: Type.String({ description: "When it last was narrowed or suspended, RFC 3339, UTC" }),
    by: Type.String({ description: "`remit`: the service, since it behaved unusually" }),
    reason: TextOrNull,
  },
  closed,
);
export type StoppedAgent = Static<typeof StoppedAgent>;

/** Grave refusals that an agent received repeatedly. */
export const GraveRefusal = Type.Object(
  { agent: Text, purpose: Text, code: Text, severity: Type.Enum([...SEVERITIES]), decisions: Count, last: Time },
  closed,
);
export type GraveRefusal = Static<typeof GraveRefusal>;

export const BundleRow = Type.Object(
  {
    bundle: Text,
    revision: Text,
    sequence: Type.Integer(),
    digest: Text,
    decisions: Count,
    first: Time,
    last: Time,
    given: Type.Boolean({ description: "Whether the review had it: what it permits is told by it" }),
  },
  closed,
);
export type BundleRow = Static<typeof BundleRow>;

/**
 * `dropped`: by retention. `missing`: the numbers skip. `unreadable`: no record. `lost`: answered for, and never on disk. `ended`: a
 * start follows no stop. `early`: the log ends before the period does. `empty`: it has nothing. A log that begins with its first record
 * lacks nothing, whenever that was.
 */
const GAPS = ["dropped", "missing", "unreadable", "lost", "ended", "early", "empty"] as const;
export const Gap = Type.Object(
  {
    what: Type.Enum([...GAPS]),
    from: orNull(Type.Integer({ description: "The first record that it is about" })),
    to: orNull(Type.Integer()),
    time: TimeOrNull,
    records: orNull(Type.Integer({ description: "How many are not there; null: nobody knows" })),
    says: Text,
  },
  closed,
);
export type Gap = Static<typeof Gap>;

const Root = Type.Object(
  {
    size: Type.Integer({ minimum: 0, description: "Records" }),
    root: orNull(Type.String({ description: "Of the tree of so many records, base64; null: not all of them are there" })),
  },
  closed,
);

export const Rests = Type.Object(
  {
    origin: orNull(Type.String({ description: "What the log is called" })),
    records: Type.Object({ first: orNull(Type.Integer()), last: orNull(Type.Integer()), in_period: Count }, closed),
    kinds: Type.Record(Text, Count),
    before: Root,
    through: Root,
    checkpoint: orNull(
      Type.Object(
        {
          size: Type.Integer(),
          root: Text,
          signed_by: Type.Array(Text),
          keys_named_by: Type.Enum(["caller", "log"], { description: "`log`: whoever rewrites a log can name another key" }),
          holds: Type.Boolean({ description: "Signed by one of the keys, and the records lead to it" }),
          covers_period: Type.Boolean(),
          says: Text,
        },
        closed,
      ),
    ),
    bundles: Type.Array(BundleRow),
    remit: Type.String({ description: "The version that made the review" }),
  },
  closed,
);
export type Rests = Static<typeof Rests>;

export const Review = Type.Object(
  {
    version: Type.Literal(1),
    period: Type.Object({ from: Time, to: Type.String({ description: "RFC 3339; up to before it" }) }, closed),
    made: Time,
    complete: Type.Boolean({ description: "false: `gaps` says what the figures lack" }),
    totals: Type.Object(
      { counts: Counts, observed: Count, logged: Count, agents: Count, findings_open: Count, findings_closed: Count, never_used: Count },
      closed,
    ),
    stopped: Type.Array(StoppedAgent),
    grave_refusals: Type.Array(GraveRefusal, {
      description: "Reasons of severity high or critical, each three times or more; the most first",
    }),
    slot_ms: Type.Integer({ description: "How long each part of `over_time` is" }),
    over_time: Type.Array(Slot),
    heat: Heat,
    purposes: Type.Array(PurposeRow),
    agents: Type.Array(AgentPurpose),
    agents_left_off: Type.Integer({ minimum: 0, description: "Decisions of agents and purposes beyond those told apart" }),
    grants: Type.Array(ReviewedGrant),
    changes: Type.Array(ReviewedChange),
    change_counts: Type.Record(Text, Count),
    findings: Type.Array(FindingRow),
    refused_callers: Type.Array(Type.Object({ code: Text, count: Count }, closed)),
    activations: Type.Array(
      Type.Object({ seq: Type.Integer(), time: Time, change: Text, bundle: TextOrNull, revision: TextOrNull, code: TextOrNull }, closed),
    ),
    left_off: Type.Integer({ minimum: 0, description: "Changes, grants and findings beyond those that are kept" }),
    gaps: Type.Array(Gap),
    gaps_left_off: Count,
    rests_on: Rests,
  },
  { ...closed, title: "An access review of Remit", $schema: "https://json-schema.org/draft/2020-12/schema" },
);
export type Review = Static<typeof Review>;
