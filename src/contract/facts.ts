/** Agents, tasks, grants, narrowings and revocations, as their host registers, reads and changes them. */
import { Type, type Static, type TProperties, type TSchema } from "./type.js";
import { ID_LENGTH_MAX, NAME_PATTERN } from "./decision.js";
import { taskMembers } from "./tasks.js";

const closed = { additionalProperties: false };
const Name = Type.String({ pattern: NAME_PATTERN });
const Text = Type.String({ minLength: 1, maxLength: ID_LENGTH_MAX });
const Time = Type.String({ maxLength: 40, description: "RFC 3339" });
const Values = Type.Record(Type.String(), Type.Unknown());
const Reason = Type.String({ minLength: 1, maxLength: 512, description: "Why; kept with the change" });
const Names = Type.Array(Name, { maxItems: 256, uniqueItems: true });
const Revision = Type.Integer({ description: "Of its last change; `If-Match` takes it" });
const FactsRevision = Type.Integer({ description: "Give it as `at_least` to be decided on facts that include this" });
const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

/** What every answer about one fact says beside it. */
const revisions = { revision: Revision, facts_revision: FactsRevision };

export const Credential = Type.Object(
  {
    issuer: Type.String({ minLength: 1, maxLength: ID_LENGTH_MAX, description: "A token's `iss`" }),
    subject: Type.String({
      minLength: 1,
      maxLength: ID_LENGTH_MAX,
      description: "A token's `sub`; a SPIFFE id is one",
    }),
  },
  closed,
);
export type Credential = Static<typeof Credential>;

const agentMembers = {
  version: Type.String({ minLength: 1, maxLength: 128, description: "Its version; 1, if unsaid" }),
  name: orNull(Type.String({ minLength: 1, maxLength: 128, description: "What people call it" })),
  owner: Type.String({ minLength: 1, maxLength: ID_LENGTH_MAX, description: "Who answers for it" }),
  purposes: Type.Array(Name, { maxItems: 256, uniqueItems: true, description: "What it may act for" }),
  delegates: Type.Array(Name, {
    maxItems: 256,
    uniqueItems: true,
    description: "Purposes whose tasks it may hand on; apart from what it may act for itself",
  }),
  attributes: Type.Record(Type.String(), Type.Unknown(), {
    description: "What the vocabulary's `agent` names: `agent.team` in a `when`",
  }),
  credentials: Type.Array(Credential, { maxItems: 16, description: "Whose tokens are this agent's" }),
  token: Type.Enum(["required", "optional"], { description: "Whether it must prove itself with each action" }),
};
const optionalAgentMembers = {
  version: Type.Optional(agentMembers.version),
  name: Type.Optional(agentMembers.name),
  delegates: Type.Optional(agentMembers.delegates),
  attributes: Type.Optional(agentMembers.attributes),
  credentials: Type.Optional(agentMembers.credentials),
  token: Type.Optional(agentMembers.token),
};

export const AGENT_STATUSES = ["active", "suspended", "revoked"] as const;
export type AgentStatus = (typeof AGENT_STATUSES)[number];

export const CreateAgent = Type.Object(
  {
    id: Name,
    owner: agentMembers.owner,
    purposes: agentMembers.purposes,
    ...optionalAgentMembers,
    reason: Type.Optional(Reason),
  },
  closed,
);
export type CreateAgent = Static<typeof CreateAgent>;

export const ChangeAgent = Type.Object(
  {
    owner: Type.Optional(agentMembers.owner),
    purposes: Type.Optional(agentMembers.purposes),
    ...optionalAgentMembers,
    status: Type.Optional(Type.Enum([...AGENT_STATUSES], { description: "By itself, with a reason; `revoked` is for good" })),
    reason: Type.Optional(Reason),
  },
  { ...closed, minProperties: 1 },
);
export type ChangeAgent = Static<typeof ChangeAgent>;

const agentState = {
  id: Name,
  ...agentMembers,
  status: Type.Enum([...AGENT_STATUSES]),
  registered: Time,
  bound: Type.String({ maxLength: 40, description: "RFC 3339: a token issued before is not this agent's" }),
};
export const AgentState = Type.Object(agentState, closed);
export type AgentState = Static<typeof AgentState>;
export const AgentAnswer = Type.Object({ ...agentState, ...revisions }, closed);
export type AgentAnswer = Static<typeof AgentAnswer>;

export const Ended = Type.Object({ at: Time, reason: orNull(Type.String()) }, closed);
export type Ended = Static<typeof Ended>;

export const IssueTask = Type.Object(
  {
    id: Name,
    ...taskMembers,
    parent: Type.Optional(
      Type.Union([Name, Type.Null()], {
        description: "The task it is handed on from: it has no subject, verb or time that this one lacks",
      }),
    ),
    expires: Time,
  },
  closed,
);
export type IssueTask = Static<typeof IssueTask>;

export const AmendTask = Type.Object(
  {
    subjects: Type.Optional(taskMembers.subjects),
    ended: Type.Optional(Type.Literal(true, { description: "Ends the task for good" })),
    reason: Type.Optional(Reason),
  },
  { ...closed, minProperties: 1 },
);
export type AmendTask = Static<typeof AmendTask>;

const taskState = {
  id: Name,
  agent: Name,
  purpose: Name,
  parent: orNull(Name),
  principal: orNull(Text),
  subjects: Type.Record(Name, Type.Array(Text), closed),
  attributes: Values,
  verbs: orNull(Names),
  expires: orNull(Time),
  ended: orNull(Ended),
};
export const TaskState = Type.Object(taskState, closed);
export type TaskState = Static<typeof TaskState>;
export const TaskFactAnswer = Type.Object({ ...taskState, ...revisions }, closed);
export type TaskFactAnswer = Static<typeof TaskFactAnswer>;

const Entry = Type.Record(Type.String({ maxLength: 128 }), Type.Unknown(), {
  description: "An entry as purposes write it: `{read: invoice, about: task, when: {…}}`",
});
const Digest = Type.String({
  pattern: "^sha256:[0-9a-f]{64}$",
  description: "`action_digest` of the one action it permits",
});

const grantMembers = {
  agent: Type.Optional(Type.String({ pattern: NAME_PATTERN, description: "Who may. Either this or `task`" })),
  task: Type.Optional(Type.String({ pattern: NAME_PATTERN, description: "On which task. Either this or `agent`" })),
  entry: Type.Optional(Entry),
  action_digest: Type.Optional(Digest),
  reason: Reason,
  requested_by: Text,
  approved_by: Text,
  not_before: Type.Optional(Time),
  expires: Time,
  uses: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000, description: "How often; left out: as often as it likes" })),
};
export const CreateGrant = Type.Object({ id: Name, ...grantMembers }, closed);
export type CreateGrant = Static<typeof CreateGrant>;

export const EndGrant = Type.Object({ ended: Type.Literal(true), reason: Reason }, closed);
export type EndGrant = Static<typeof EndGrant>;

export const GRANT_STATES = ["live", "not_yet_valid", "expired", "used_up", "revoked", "ended"] as const;

const grantState = {
  id: Name,
  agent: orNull(Name),
  task: orNull(Name),
  entry: orNull(Entry),
  action_digest: orNull(Digest),
  reason: Reason,
  requested_by: Text,
  approved_by: Text,
  not_before: Time,
  expires: Time,
  uses: orNull(Type.Integer()),
  ended: orNull(Ended),
};
export const GrantFactState = Type.Object(grantState, closed);
export type GrantFactState = Static<typeof GrantFactState>;
const grantAnswer = {
  ...grantState,
  state: Type.Enum([...GRANT_STATES]),
  used: Type.Integer({ description: "How often decisions rested on it" }),
  fits: Type.Boolean({
    description: "false: the active vocabulary no longer has what it names, so it permits nothing",
  }),
};
export const GrantAnswer = Type.Object({ ...grantAnswer, ...revisions }, closed);
export type GrantAnswer = Static<typeof GrantAnswer>;

export const REVOCATION_SCOPES = ["agent", "task", "token", "purpose", "owner", "principal", "grant", "everything"] as const;

/** Exactly one of these; which is checked where it is read. */
export const RevocationTarget = Type.Object(
  {
    agent: Type.Optional(Name),
    task: Type.Optional(Type.String({ pattern: NAME_PATTERN, description: "With all that was handed on from it" })),
    token: Type.Optional(Type.String({ minLength: 1, maxLength: ID_LENGTH_MAX, description: "A token's `jti`" })),
    purpose: Type.Optional(Name),
    owner: Type.Optional(Text),
    principal: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: ID_LENGTH_MAX,
        description: "Whom work is done for, as tasks and agents' tokens name them",
      }),
    ),
    grant: Type.Optional(Name),
    everything: Type.Optional(Type.Literal(true)),
  },
  { ...closed, minProperties: 1, maxProperties: 1 },
);
export type RevocationTarget = Static<typeof RevocationTarget>;

export const CreateRevocation = Type.Object({ scope: RevocationTarget, reason: Reason }, closed);
export type CreateRevocation = Static<typeof CreateRevocation>;

const WithReason = Type.Object({ reason: Reason }, closed);
export const LiftRevocation = WithReason;
export type LiftRevocation = Static<typeof LiftRevocation>;

const revocationState = {
  id: Type.String({ description: "`agent/support-7`, `everything`; `agent@idp/support-7` where `source` is `idp`" }),
  scope: Type.Enum([...REVOCATION_SCOPES]),
  of: Type.String({ description: "What of this scope; empty for `everything`" }),
  reason: Reason,
  by: Type.String(),
  since: Time,
  lifted: orNull(Type.Object({ at: Time, by: Type.String(), reason: Reason }, closed)),
  source: Type.Optional(
    Type.String({
      description: "The transmitter of security events whose own it is, beside anyone else's of the same",
    }),
  ),
  as_of: Type.Optional(Type.String({ description: "RFC 3339: when what `source` last told of it happened" })),
  before: Type.Optional(Type.String({ description: "RFC 3339, of a principal: only of tokens that were issued before" })),
};
export const RevocationState = Type.Object(revocationState, closed);
export type RevocationState = Static<typeof RevocationState>;
export const RevocationAnswer = Type.Object({ ...revocationState, ...revisions }, closed);
export type RevocationAnswer = Static<typeof RevocationAnswer>;

export const NARROWED_RATE = { default: 10, max: 10_000 };

const narrowedTo = {
  actions_per_minute: Type.Integer({
    minimum: 1,
    maximum: NARROWED_RATE.max,
    description: "How many of its actions are permitted in a minute; each reads what its task is about",
  }),
  purpose: orNull(Type.String({ pattern: NAME_PATTERN, description: "For which it was unusual; null: a person narrowed it" })),
  why: Type.Array(Type.String({ maxLength: 512 }), { maxItems: 16, description: "What was unusual" }),
  below: orNull(
    Type.Integer({
      minimum: 0,
      maximum: 100,
      description: "It ends by itself after risk has been below this; null: when it is lifted",
    }),
  ),
  for_ms: orNull(Type.Integer({ minimum: 0, maximum: 30 * 86_400_000, description: "For so long" })),
};

export const NarrowAgent = Type.Object({ reason: Reason, actions_per_minute: Type.Optional(narrowedTo.actions_per_minute) }, closed);
export type NarrowAgent = Static<typeof NarrowAgent>;
export const LiftNarrowing = WithReason;
export type LiftNarrowing = Static<typeof LiftNarrowing>;

export const RollBackProfile = Type.Object(
  { to: Type.String({ maxLength: 40, description: "RFC 3339: habits as they were last kept before" }), reason: Reason },
  closed,
);
export type RollBackProfile = Static<typeof RollBackProfile>;
export const ProfileRolledBack = Type.Object(
  { agent: Name, to: Type.String({ description: "When what holds now was kept: RFC 3339, UTC" }) },
  closed,
);
export type ProfileRolledBack = Static<typeof ProfileRolledBack>;

const narrowingState = {
  agent: Name,
  ...narrowedTo,
  reason: Reason,
  by: Type.String({ description: "`remit`: it was narrowed by itself" }),
  since: Time,
  lifted: orNull(Type.Object({ at: Time, by: Type.String(), reason: Reason }, closed)),
};
/** An agent that was left with reading what its task is about, so many times a minute. */
export const NarrowingState = Type.Object(narrowingState, closed);
export type NarrowingState = Static<typeof NarrowingState>;
export const NarrowingAnswer = Type.Object({ ...narrowingState, ...revisions }, closed);
export type NarrowingAnswer = Static<typeof NarrowingAnswer>;

/** What narrowed and held at once says of itself. */
export const InForce = Type.Object(
  {
    revision: orNull(Type.Integer({ description: "Facts revision from which on every decision knew; null until it is durable" })),
    in_force: Type.Literal("node"),
    durable: Type.Boolean({ description: "false: it holds in memory, and is written as soon as that can be done" }),
    problem: orNull(Type.String({ description: "Why it isn't durable: `store_unavailable`, `log_unavailable`" })),
  },
  closed,
);
export type InForce = Static<typeof InForce>;

const { in_force, durable, problem } = InForce.properties;

/** A fact as it is after a change. What narrows holds before it is durable, and then has no revision yet. */
const changed = <T extends TProperties>(fact: T) =>
  Type.Object(
    {
      ...fact,
      revision: orNull(Revision),
      facts_revision: FactsRevision,
      in_force: Type.Optional(in_force),
      durable: Type.Optional(durable),
      problem: Type.Optional(problem),
    },
    closed,
  );
export const AgentChanged = changed(agentState);
export const TaskChanged = changed(taskState);
export const GrantChanged = changed(grantAnswer);
export const RevocationChanged = changed(revocationState);
export const NarrowingChanged = changed(narrowingState);

const TaskToken = Type.String({
  description: "Handed along the call chain in place of the task's id, as `task_token`",
});
export const TaskCreated = Type.Object({ ...taskState, ...revisions, task_token: Type.Optional(TaskToken) }, closed);
export type TaskCreated = Static<typeof TaskCreated>;
export const TaskTokenAnswer = Type.Object({ task: Name, task_token: TaskToken }, closed);
export type TaskTokenAnswer = Static<typeof TaskTokenAnswer>;

export const FactsEvent = Type.Object(
  {
    revision: Type.Integer(),
    key: Type.String({
      description: "`agent/support-7`, `task/T-1`, `grant/G-1`, `narrowing/support-7`, `revocation/agent/support-7`",
    }),
    change: Type.String({ description: "`agent_created`, `task_ended`, …" }),
    by: Type.String(),
    time: Time,
    reason: orNull(Type.String()),
    value: Type.Unknown({ description: "As it was after the change" }),
  },
  closed,
);
export type FactsEvent = Static<typeof FactsEvent>;

/** One page; `next` continues it and is null at the end. */
const pageOf = <T extends TSchema>(item: T) =>
  Type.Object({ items: Type.Array(item), next: orNull(Type.String()), facts_revision: FactsRevision }, closed);
export const AgentPage = pageOf(AgentAnswer);
export type AgentPage = Static<typeof AgentPage>;
export const TaskPage = pageOf(TaskFactAnswer);
export type TaskPage = Static<typeof TaskPage>;
export const GrantPage = pageOf(GrantAnswer);
export type GrantPage = Static<typeof GrantPage>;
export const RevocationPage = pageOf(RevocationAnswer);
export type RevocationPage = Static<typeof RevocationPage>;
export const NarrowingPage = pageOf(NarrowingAnswer);
export type NarrowingPage = Static<typeof NarrowingPage>;
export const EventPage = pageOf(FactsEvent);
export type EventPage = Static<typeof EventPage>;

const importedTask = {
  ...taskMembers,
  parent: IssueTask.properties.parent,
  expires: Type.Optional(Type.String({ maxLength: 40, description: "RFC 3339, quoted; left out: never" })),
  ended: Type.Optional(Type.Boolean({ description: "true: it has ended, and with it what it permitted" })),
};
const importedAgent = {
  owner: agentMembers.owner,
  purposes: agentMembers.purposes,
  ...optionalAgentMembers,
  status: Type.Optional(Type.Enum([...AGENT_STATUSES], { description: "Left out: active where it is new, else as it is" })),
};

const importedNarrowing = {
  reason: Reason,
  actions_per_minute: Type.Optional(narrowedTo.actions_per_minute),
  purpose: Type.Optional(narrowedTo.purpose),
  why: Type.Optional(narrowedTo.why),
  below: Type.Optional(narrowedTo.below),
  for_ms: Type.Optional(narrowedTo.for_ms),
};

/** One line of a JSON Lines import: one fact. */
export const ImportLine = Type.Object(
  {
    agent: Type.Optional(Type.Object({ id: Name, ...importedAgent }, closed)),
    task: Type.Optional(Type.Object({ id: Name, ...importedTask }, closed)),
    grant: Type.Optional(CreateGrant),
    narrowing: Type.Optional(Type.Object({ agent: Name, ...importedNarrowing }, closed)),
    revocation: Type.Optional(CreateRevocation),
  },
  { ...closed, minProperties: 1, maxProperties: 1 },
);
export type ImportLine = Static<typeof ImportLine>;

/** The same as one YAML document, by id. */
export const ImportDocument = Type.Object(
  {
    agents: Type.Optional(Type.Record(Name, Type.Object(importedAgent, closed), closed)),
    tasks: Type.Optional(Type.Record(Name, Type.Object(importedTask, closed), closed)),
    grants: Type.Optional(Type.Record(Name, Type.Object(grantMembers, closed), closed)),
    narrowings: Type.Optional(Type.Record(Name, Type.Object(importedNarrowing, closed), closed)),
    revocations: Type.Optional(
      Type.Record(Type.String({ pattern: "^(?:everything|(?:agent|task|token|purpose|owner|grant)/.{1,256})$" }), WithReason, closed),
    ),
  },
  closed,
);
export type ImportDocument = Static<typeof ImportDocument>;

export const ImportDifference = Type.Object(
  {
    key: Type.String(),
    /** JSON pointers to what differs, for a change. */
    fields: Type.Array(Type.String()),
  },
  closed,
);

export const ImportAnswer = Type.Object(
  {
    id: Type.String(),
    status: Type.Enum(["dry_run", "applied"]),
    created: Type.Integer(),
    changed: Type.Integer(),
    unchanged: Type.Integer(),
    differences: Type.Array(ImportDifference, { description: "The first of them; an empty `fields` is a creation" }),
    facts_revision: FactsRevision,
  },
  closed,
);
export type ImportAnswer = Static<typeof ImportAnswer>;
