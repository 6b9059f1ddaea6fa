/**
 * One line of the record log, without its newline, in the one form that RFC 8785 gives it: those bytes are a leaf of the
 * log's tree. Version 2.
 */
import { canonical } from "./canonical.js";
import { RELATIONS } from "./behavior.js";
import { Answer, SeverityName } from "./decision.js";
import { VALUE_KINDS, WRITERS } from "./flow.js";
import { EngineMember } from "./hand_in.js";
import { NOTICE_CODES } from "./notices.js";
import { VERB_CLASSES } from "./policy.js";
import { RECORD_VERSION } from "./record_version.js";
import { Type, about, type Static, type TSchema } from "./type.js";

/** A leaf is no longer; what an action needs beyond it stands beside the segment, by its digest. */
export const RECORD_BYTES_MAX = 32 * 1024;

const closed = { additionalProperties: false };
const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const time = (description: string) => Type.String({ description: `${description}, RFC 3339, UTC, to the millisecond` });
const members = (description: string) => Type.Record(Type.String(), Type.Unknown(), { description });
const Digest = Type.String({ pattern: "^sha256:[0-9a-f]{64}$", description: "SHA-256 of the line" });

const common = {
  seq: Type.Integer({ minimum: 1, description: "Number of the record, from 1 and without gaps; one more than the index of its leaf" }),
  time: time("When it was recorded; of a decision, when it was decided"),
  v: Type.Literal(RECORD_VERSION, { description: "Version of the form of records" }),
};
const Beside = (what: string) =>
  Type.Object(
    { bytes: Type.Integer({ description: "Length of the line in bytes" }), digest: Digest },
    {
      ...closed,
      description: `${what}: their canonical JSON is a line of the segment's \`.beside\` file, with this SHA-256`,
    },
  );
const By = Type.String({ description: "The caller, as its token names it" });
const kind = <K extends string>(name: K) => Type.Literal(name, { description: "Kind of record" });

const Subject = Type.Object(
  { issuer: Type.String({ description: "`iss` of the token" }), subject: Type.String({ description: "Subject within the issuer" }) },
  { ...closed, title: "ProvenSubject", description: "Somebody whom a token names" },
);

const TokenRecord = Type.Object(
  {
    expires_ms: Type.Integer({ description: "When it expires, in milliseconds since the epoch" }),
    issued_ms: orNull(Type.Integer({ description: "When it was issued, in milliseconds since the epoch; null: not said" })),
    jti: orNull(Type.String({ description: "Its id; null: it has none" })),
  },
  { ...closed, description: "The token itself" },
);

const AgentProofRecord = Type.Object(
  {
    actor: about(Subject, "The agent"),
    chain: Type.Array(Subject, { description: "Earlier actors, the latest first; often empty" }),
    principal: orNull(about(Subject, "Person for whom the agent acts; null: none")),
    token: TokenRecord,
  },
  { ...closed, title: "AgentProof", description: "What an agent's token proved" },
);

const flag = (description: string) => Type.Boolean({ description });
const textOrNull = (description: string) => orNull(Type.String({ description }));

/** A refusal of the floor rests on these facts. */
export const FloorFacts = Type.Object(
  {
    actor_stopped: flag("Whether somebody for whom the agent acts, or an earlier actor, is an agent that may not act"),
    agent: orNull(
      Type.Object(
        {
          purposes: Type.Array(Type.String(), { description: "Ids of the purposes that it may declare" }),
          registered_ms: Type.Integer({ description: "When it was registered, in milliseconds since the epoch" }),
          status: Type.Enum(["active", "suspended", "revoked"], { description: "Whether it may act" }),
        },
        { ...closed, description: "The agent as registered; null: it isn't" },
      ),
    ),
    agent_id: Type.String({ description: "Id of the agent, as the request names it" }),
    agent_proof: orNull(about(AgentProofRecord, "What the agent's token proved; null: there was none")),
    caller_permitted: flag("Whether the caller may ask for this agent"),
    claim_ms: orNull(Type.Integer({ description: "Time that the request claims, in milliseconds since the epoch; null: none" })),
    facts_stale: flag("Whether the facts are older than they may be"),
    narrowed: orNull(
      Type.Object(
        {
          actions_per_minute: Type.Integer({ description: "Actions that the agent may take within a minute" }),
          permitted: Type.Integer({ description: "Actions of the last minute that were permitted" }),
          relation: Type.Enum([...RELATIONS], { description: "Whether the resource belongs to what the task is about" }),
          verb_class: textOrNull("Class of the verb; null: the vocabulary doesn't have it"),
        },
        { ...closed, description: "How the agent is narrowed; null: it isn't" },
      ),
    ),
    now_ms: Type.Integer({ description: "The service's clock, in milliseconds since the epoch" }),
    proven_agent: Type.Optional(Type.String({ description: "Agent whose credentials the token has. Left out: nobody's" })),
    purpose_id: Type.String({ description: "Id of the purpose, as the request names it" }),
    purpose_known: flag("Whether the bundle has the purpose"),
    revoked: textOrNull("The widest revocation that stops the action; null: none does"),
    task: orNull(
      Type.Object(
        {
          agent: Type.String({ description: "Its agent" }),
          ended: flag("Whether it was ended"),
          expires_ms: orNull(Type.Integer({ description: "When it ends by itself, in milliseconds since the epoch; null: never" })),
          parent: textOrNull("The task it was handed on from; null: none"),
          principal: textOrNull("Person for whom it is done; null: nobody is named"),
          purpose: Type.String({ description: "Its purpose" }),
          verbs: orNull(Type.Array(Type.String(), { description: "Verbs that it is for; null: every verb" })),
        },
        { ...closed, description: "The task as registered; null: it isn't, or none was named" },
      ),
    ),
    task_id: textOrNull("Id of the task; null: none was named"),
    task_proof: orNull(
      Type.Object(
        {
          agent: Type.String({ description: "Its agent" }),
          purpose: Type.String({ description: "Its purpose" }),
          task: Type.String({ description: "The task" }),
          token: TokenRecord,
        },
        { ...closed, description: "What the task's token proved; null: there was none" },
      ),
    ),
    time_skew_max_ms: Type.Integer({ description: "Milliseconds by which the claimed time may be off" }),
    token_required: flag("Whether the agent has to prove itself"),
    type_known: flag("Whether the vocabulary has the type of the resource"),
    verb_id: Type.String({ description: "The verb, as the request names it" }),
    verb_known: flag("Whether the vocabulary has the verb"),
  },
  { ...closed, title: "FloorFacts", description: "Facts that the floor read, if it refused" },
);
export type FloorFacts = Static<typeof FloorFacts>;

/** Facts of an action that the profile learned from, beside what its record has anyway. */
export const ActRecord = Type.Object(
  {
    behavior: Type.Optional(
      Type.Object(
        {
          channels: Type.Record(Type.String(), Type.Number(), { description: "How rare the action is, channel by channel, in decades" }),
          confidence: Type.Number({ description: "How much is known of the agent, from 0 to 1" }),
          reasons: Type.Array(Type.String(), { description: "Why, in phrases, the weightiest first" }),
          risk: Type.Number({ description: "How unusual it is, from 0 to 100" }),
        },
        { ...closed, description: "With `floor`: how unusual the action was found to be. Left out: nothing was unusual" },
      ),
    ),
    class: Type.Enum([...VERB_CLASSES], { description: "Class of the verb; `admin` if the vocabulary doesn't have it" }),
    granted: Type.Optional(Type.Literal(true, { description: "`true`: exactly this action was approved. Left out: it wasn't" })),
    labels: Type.Optional(Type.Array(Type.String(), { description: "Labels that the type of its resource gives a task. Left out: none" })),
    offset_ms: Type.Optional(Type.Integer({ description: "Milliseconds by which the purpose's local time is ahead of UTC. Left out: 0" })),
    owner: Type.Optional(Type.String({ description: "Owner of the agent, if there is no `input`. Left out: unknown" })),
    relation: Type.Enum([...RELATIONS], { description: "Whether its resource belongs to what its task is about" }),
    version: Type.Optional(Type.String({ description: "Version of the agent, if there is no `input`" })),
  },
  { ...closed, title: "ActRecord", description: "What the behaviour profile learned from the action. Left out: it learned nothing" },
);
export type ActRecord = Static<typeof ActRecord>;

/** Values that a task saw in the answer of a call. Values stand here as digests. */
export const SeenRecord = Type.Object(
  {
    full: Type.Boolean({ description: "Whether there was more than a report holds" }),
    others: Type.Boolean({ description: "Whether members or outsiders wrote in it" }),
    task: Type.String({ description: "Topmost task of the chain" }),
    values: Type.Array(
      Type.Object(
        {
          alone: Type.Boolean({ description: "Whether no other value of the kind stood in the same text" }),
          keys: Type.Array(Type.String(), {
            description: "Digests of the values: SHA-256 of kind, line break and normal form; 16 letters",
          }),
          kind: Type.Enum([...VALUE_KINDS], { description: "Kind of the values" }),
          named: Type.Boolean({ description: "Whether the instruction names their record word for word" }),
          path: Type.String({ description: "Place within the answer" }),
          secret: Type.Boolean({ description: "Whether they are secrets of the user's" }),
          writer: Type.Enum([...WRITERS], { description: "Who could have written them" }),
        },
        { ...closed, title: "SeenValues", description: "Values that share all but their digests" },
      ),
      { description: "Values that it held" },
    ),
  },
  { ...closed, title: "SeenRecord", description: "What a task saw in the answer of a call. Left out: not reported, or in `beside`" },
);
export type SeenRecord = Static<typeof SeenRecord>;

/** A decision, or the judgement of what has already happened. `time` is when it was decided, by the host's clock. */
export const DecisionRecord = Type.Object(
  {
    ...common,
    kind: Type.Union([Type.Literal("decision"), Type.Literal("observed")], {
      description: "`decision`: asked for before the action. `observed`: reported after it",
    }),
    act: Type.Optional(ActRecord),
    adapter: Type.Optional(
      Type.String({ description: "Adapter by which it was asked for: `authzen`, `opa`, `envoy`. Left out: `POST /decide`" }),
    ),
    answer: Answer,
    asked: Type.String({ description: "When the request came in, RFC 3339, UTC" }),
    at: Type.Optional(Type.String({ description: "Of what was observed: when it happened, as its reporter says, RFC 3339, UTC" })),
    caller: By,
    engine: Type.Optional(EngineMember),
    input: Type.Optional(
      Type.Unsafe<Record<string, unknown>>({
        type: "object",
        description: "Whole input of the policy. Left out: the floor refused, or it is in `beside`",
      }),
    ),
    ancestors: Type.Optional(
      Type.Array(Type.Record(Type.String(), Type.Unknown()), {
        description: "`input` or `floor` of each task up the chain. Left out: the task has no parent",
      }),
    ),
    request: Type.Optional(
      Type.Unsafe<Record<string, unknown>>({
        type: "object",
        description: "The request, if the floor refused it and no policy was asked",
      }),
    ),
    // Open, since earlier versions read less.
    floor: Type.Optional(Type.Unsafe<Record<string, unknown>>({ type: "object", description: "Facts that the floor read, if it refused" })),
    beside: Type.Optional(Beside("`ancestors`, `floor`, `input`, `masked`, `not_live`, `request` and `seen` are too large for a leaf")),
    not_live: Type.Optional(
      Type.Array(
        Type.Object(
          {
            grant: Type.String({ description: "Id of the grant" }),
            level: Type.Integer({ minimum: 0, description: "0: of the action's own task; 1: of the first up the chain; and so on" }),
            state: Type.String({ description: "Why it could not be used: its status" }),
          },
          { ...closed, title: "UnusedGrant", description: "A grant that could not be used" },
        ),
        { description: "Grants that were found and could not be used. The policy doesn't see them; reasons name them" },
      ),
    ),
    masked: Type.Optional(
      Type.Array(Type.String(), { description: "JSON pointers to the values of the record that were replaced by digests. Left out: none" }),
    ),
    outcome: Type.Optional(
      Type.String({ description: "Of what was observed: what became of it, as its reporter says: `done` or `failed`" }),
    ),
    previous: orNull(Type.String({ description: "Id of the decision before on the same task; null: none of this service is known" })),
    seen: Type.Optional(SeenRecord),
    proof: Type.Optional(about(AgentProofRecord, "What the agent's token proved. Left out: there was none")),
    stages: Type.Object(
      {
        evaluate_us: Type.Integer({ description: "Microseconds of evaluating the policy" }),
        fuel: Type.Optional(
          Type.Integer({
            minimum: 0,
            description: "Metering units that the evaluations used; left out if the floor refused, and in older records",
          }),
        ),
        read_us: Type.Integer({ description: "Microseconds of reading the request" }),
      },
      { ...closed, title: "Stages", description: "Cost of the decision: time in microseconds, and fuel" },
    ),
    unasked: Type.Optional(
      Type.Literal(true, {
        description: "`true`: it was observed, its agent should have asked before, and no decision on record permits it",
      }),
    ),
    uses: Type.Optional(
      Type.Array(Type.String(), { description: "Ids of the counted grants of which one use each was taken. Left out: none" }),
    ),
  },
  { ...closed, title: "DecisionRecord", description: "A decision, or the judgement of what has already happened" },
);
export type DecisionRecord = Static<typeof DecisionRecord>;

/** A change of facts, with what its key holds from now on under the name of its kind. */
export const FactsRecord = Type.Object(
  {
    ...common,
    kind: kind("facts"),
    beside: Type.Optional(Beside("What the key holds is too large for a leaf")),
    caller: By,
    change: Type.String({ description: "What happened: `agent_created`, `revoked`, …" }),
    facts_revision: orNull(
      Type.Integer({ description: "Facts revision of the change; null: it is in force in memory, and the store could not save it" }),
    ),
    reason: orNull(Type.String({ description: "Why; null if nobody said" })),
  },
  {
    additionalProperties: true,
    title: "FactsRecord",
    description: "A change of facts. A member with the name of the fact's kind has the fact after the change",
  },
);
export type FactsRecord = Static<typeof FactsRecord>;

export const BundleRecord = Type.Object(
  {
    ...common,
    kind: kind("bundle"),
    change: Type.Union([Type.Literal("activated"), Type.Literal("refused")], { description: "What became of the bundle" }),
    from: Type.String({ description: "Where it came from: `path`, `published`, or the trusted copy" }),
    policy: Type.Optional(about(Answer.properties.policy, "The bundle. Left out: it could not be read")),
    code: Type.Optional(Type.String({ description: "Code of why it was refused. Left out: it was activated" })),
  },
  { ...closed, title: "BundleRecord", description: "A bundle that was activated or refused" },
);
export type BundleRecord = Static<typeof BundleRecord>;

export const DURABILITIES = ["synced", "relaxed"] as const;
export type Durability = (typeof DURABILITIES)[number];

/** Record of a start or stop: what wrote the records that follow, and how durable they were before they were answered for. */
export const ServiceRecord = Type.Object(
  {
    ...common,
    kind: kind("service"),
    change: Type.Union([Type.Literal("started"), Type.Literal("stopped")], { description: "What the service did" }),
    behavior: Type.Optional(
      Type.Union(
        [
          Type.Object(
            {
              agents_max: Type.Integer({ description: "Agents that it has room for" }),
              algorithm: Type.Integer({ description: "Version of its algorithm" }),
              of_nodes: Type.Optional(
                Type.Literal(true, { description: "It learns from the logs of all nodes of a cluster. Left out: from this log alone" }),
              ),
            },
            closed,
          ),
          Type.Null(),
        ],
        {
          description: "Behaviour profile that scores actions; null: none does. Left out: stopped",
        },
      ),
    ),
    durability: Type.Enum([...DURABILITIES], {
      description: "`synced`: records are on disk before they are answered for. `relaxed`: shortly after",
    }),
    keys: Type.Array(Type.String(), { description: "C2SP verifier keys of those that sign checkpoints from now on" }),
    origin: Type.String({ description: "Name of the log" }),
    version: Type.String({ description: "Version of the service" }),
  },
  { ...closed, title: "ServiceRecord", description: "A start or stop of the service" },
);
export type ServiceRecord = Static<typeof ServiceRecord>;

/** Callers that were refused, counted. The first of a kind has a record at once, those after it share one. */
export const RefusalRecord = Type.Object(
  {
    ...common,
    kind: kind("refusal"),
    caller: Type.Optional(Type.String({ description: "The caller, if its token is good. Left out: not proven" })),
    code: Type.String({ description: "Code of the problem" }),
    count: Type.Integer({ minimum: 1, description: "Refusals that this record stands for" }),
    since: time("When the first of them was"),
  },
  { ...closed, title: "RefusalRecord", description: "Callers that were refused, counted" },
);
export type RefusalRecord = Static<typeof RefusalRecord>;

/** Record of something done with the service that changes no fact. */
export const AdminRecord = Type.Object(
  {
    ...common,
    kind: kind("admin"),
    action: Type.String({
      description:
        "What was done: `export`, `search`, `signed_in` (a token told when its caller did), `vouched` (decisions were found that had permitted reported calls), …",
    }),
    caller: By,
    detail: members("More about it; its members depend on the action"),
  },
  { ...closed, title: "AdminRecord", description: "Something that was done with the service and that changes no fact" },
);
export type AdminRecord = Static<typeof AdminRecord>;

export const OUTCOMES = ["done", "failed", "not_attempted"] as const;
export const OutcomeName = Type.Enum([...OUTCOMES], {
  title: "ActionOutcome",
  description: "What became of the action: it was done, it was tried and failed, or it was not tried",
});

/** Record of an action's outcome, as its enforcement point reports it. */
export const OutcomeRecord = Type.Object(
  {
    ...common,
    kind: kind("outcome"),
    amount: Type.Optional(
      Type.Number({ description: "How much it was, in the unit of the enforcement point: rows, bytes, cents. Left out: not said" }),
    ),
    caller: By,
    decision_id: Type.String({ description: "Id of the decision" }),
    detail: Type.Optional(Type.String({ maxLength: 1024, description: "More about it, in words. Left out: not said" })),
    outcome: OutcomeName,
    beside: Type.Optional(Beside("`seen` is too large for a leaf")),
    seen: Type.Optional(SeenRecord),
    took_ms: Type.Optional(Type.Number({ minimum: 0, description: "Milliseconds that the action took. Left out: not said" })),
  },
  { ...closed, title: "OutcomeRecord", description: "What became of an action, as its enforcement point reported it" },
);
export type OutcomeRecord = Static<typeof OutcomeRecord>;

/** That enforcement isn't as it should be. */
export const NoticeRecord = Type.Object(
  {
    ...common,
    kind: kind("notice"),
    agent: orNull(Type.String({ description: "Agent that it is about; null: none" })),
    caller: Type.String({ description: "Caller that reported it; of `sensor_silent` and `sensor_heard` the sensor" }),
    code: Type.Enum([...NOTICE_CODES], { title: "NoticeCode", description: "What isn't as it should be" }),
    detail: members("More about it; its members depend on the code"),
    finding: Type.Optional(Type.String({ description: "Id of the finding that it belongs to. Left out: none" })),
    id: Type.String({ description: "Id of the notice, a UUID of version 7" }),
    message: Type.String({ description: "The notice in words" }),
    purpose: orNull(Type.String({ description: "Purpose that it is about; null: none" })),
    severity: SeverityName,
  },
  { ...closed, title: "NoticeRecord", description: "Something about enforcement that isn't as it should be" },
);
export type NoticeRecord = Static<typeof NoticeRecord>;

/** With `durability: relaxed`: so many records before this one were answered for, and never reached the disk. */
export const LostRecord = Type.Object(
  { ...common, kind: kind("lost"), count: Type.Integer({ minimum: 1, description: "Records that are lost" }) },
  {
    ...closed,
    title: "LostRecord",
    description: "With `durability: relaxed`: records before this one that were answered for and never reached the disk",
  },
);
export type LostRecord = Static<typeof LostRecord>;

/**
 * Returns a record's canonical text (RFC 8785) before and after its `seq`, which the log puts between, without the enclosing braces.
 * @example
 * import assert from "node:assert/strict";
 * import { aroundSeq } from "@remit-pdp/contract";
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

export const RecordSchema = Type.Union(
  [DecisionRecord, FactsRecord, BundleRecord, ServiceRecord, RefusalRecord, AdminRecord, OutcomeRecord, LostRecord, NoticeRecord],
  { title: "Record", description: "One line of the record log; `kind` says which form it has" },
);
export type LogRecord =
  DecisionRecord | FactsRecord | BundleRecord | ServiceRecord | RefusalRecord | AdminRecord | OutcomeRecord | LostRecord | NoticeRecord;
