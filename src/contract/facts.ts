/** Agents, tasks, grants, narrowings and revocations, as their host registers, reads and changes them. */
import { Type, about, type Static, type TProperties, type TSchema } from "./type.js";
import { InForceWhere, OnFleet } from "./cluster.js";
import { ID_LENGTH_MAX, NAME_PATTERN } from "./decision.js";
import { taskMembers } from "./tasks.js";

const closed = { additionalProperties: false };
const Name = Type.String({ pattern: NAME_PATTERN });
const name = (description: string) => Type.String({ pattern: NAME_PATTERN, description });
const text = (description: string) => Type.String({ minLength: 1, maxLength: ID_LENGTH_MAX, description });
const time = (description: string) => Type.String({ maxLength: 40, description: `${description}, RFC 3339` });
const Reason = Type.String({ minLength: 1, maxLength: 512, description: "Why, in words; kept with the change" });
const By = Type.String({ description: "Who made the change: the caller, as its token names it" });
const Revision = Type.Integer({
  description: "Facts revision of the fact's last change; give it as `If-Match` to change it only if it is still the same",
});
const FactsRevision = Type.Integer({
  description: "Revision of all facts; give it as `at_least` with a request for a decision to be decided on facts that include this",
});
const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

/** Revisions that every answer about one fact has. */
const revisions = { revision: Revision, facts_revision: FactsRevision };

export const Credential = Type.Object(
  {
    issuer: Type.String({ minLength: 1, maxLength: ID_LENGTH_MAX, description: "Issuer: the token's `iss`" }),
    subject: Type.String({
      minLength: 1,
      maxLength: ID_LENGTH_MAX,
      description: "Subject: the token's `sub`, such as a SPIFFE id",
    }),
  },
  { ...closed, title: "Credential", description: "Tokens by which an agent proves itself" },
);
export type Credential = Static<typeof Credential>;

const agentMembers = {
  version: Type.String({
    minLength: 1,
    maxLength: 128,
    description: "Version of the agent; default `1`. A new version halves the weight of the behaviour learned from the old one",
  }),
  name: orNull(Type.String({ minLength: 1, maxLength: 128, description: "Name for people; null: none" })),
  owner: Type.String({
    minLength: 1,
    maxLength: ID_LENGTH_MAX,
    description: "Person or team that answers for the agent, such as an e-mail address",
  }),
  purposes: Type.Array(Name, { maxItems: 256, uniqueItems: true, description: "Purposes that it may act for" }),
  delegates: Type.Array(Name, {
    maxItems: 256,
    uniqueItems: true,
    description: "Purposes whose tasks it may hand on to other agents, beside those that it may act for itself; default none",
  }),
  attributes: Type.Record(Type.String(), Type.Unknown(), {
    description: "Attributes that the vocabulary's `agent` names; a policy reads them as `agent.team`. Default none",
  }),
  credentials: Type.Array(Credential, {
    maxItems: 16,
    description: "Tokens that are this agent's; default none, and then it can't prove itself",
  }),
  token: Type.Enum(["required", "optional"], {
    title: "AgentTokenRule",
    description: "Whether each request must carry the agent's own token as `agent_token`; default `optional`",
  }),
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
const Status = Type.Enum([...AGENT_STATUSES], {
  title: "AgentStatus",
  description: "`active`: decided as usual. `suspended`: denied until restored. `revoked`: denied for good",
});

export const CreateAgent = Type.Object(
  {
    id: name("Id of the agent; never used again, even after it is revoked"),
    owner: agentMembers.owner,
    purposes: agentMembers.purposes,
    ...optionalAgentMembers,
    reason: Type.Optional(Reason),
  },
  { ...closed, title: "CreateAgent", description: "An agent to register" },
);
export type CreateAgent = Static<typeof CreateAgent>;

export const ChangeAgent = Type.Object(
  {
    owner: Type.Optional(agentMembers.owner),
    purposes: Type.Optional(agentMembers.purposes),
    ...optionalAgentMembers,
    status: Type.Optional(
      about(Status, "New status, given by itself and with a reason; needs `remit:revoke`. `revoked` is for good. Left out: unchanged"),
    ),
    reason: Type.Optional(Reason),
  },
  { ...closed, minProperties: 1, title: "ChangeAgent", description: "Members to change; what is left out stays as it is" },
);
export type ChangeAgent = Static<typeof ChangeAgent>;

const agentState = {
  id: name("Id of the agent"),
  ...agentMembers,
  status: Status,
  registered: time("When it was registered"),
  bound: time("Tokens issued before this time are not this agent's"),
};
export const AgentState = Type.Object(agentState, { ...closed, title: "AgentState", description: "An agent as it is kept" });
export type AgentState = Static<typeof AgentState>;
export const AgentAnswer = Type.Object({ ...agentState, ...revisions }, { ...closed, title: "Agent", description: "A registered agent" });
export type AgentAnswer = Static<typeof AgentAnswer>;

export const Ended = Type.Object(
  { at: time("When it was ended"), reason: orNull(Type.String({ description: "Why; null if nobody said" })) },
  { ...closed, title: "Ended", description: "When and why something was ended before its time" },
);
export type Ended = Static<typeof Ended>;

export const IssueTask = Type.Object(
  {
    id: name("Id of the task; never used again"),
    ...taskMembers,
    parent: Type.Optional(
      Type.Union([Name, Type.Null()], {
        description:
          "Task that this one is handed on from; it may have no subject, verb or time that its parent lacks. Null or left out: none",
      }),
    ),
    expires: time("When the task is over"),
  },
  { ...closed, title: "CreateTask", description: "A task to create" },
);
export type IssueTask = Static<typeof IssueTask>;

export const AmendTask = Type.Object(
  {
    subjects: Type.Optional(about(taskMembers.subjects, "Subjects to add, by type; those that it has stay. Left out: none")),
    attributes: Type.Optional(
      about(taskMembers.attributes, "Attributes to set, such as what was learned on the way; those that it has else stay. Left out: none"),
    ),
    ended: Type.Optional(Type.Literal(true, { description: "`true` ends the task for good. Left out: it goes on" })),
    lowers: Type.Optional(
      Type.Array(Type.String({ maxLength: 64 }), {
        minItems: 1,
        maxItems: 64,
        uniqueItems: true,
        description:
          "Labels that the task and all handed on from it lose, by a person's word; with `reason`, and nothing else. Left out: none",
      }),
    ),
    reason: Type.Optional(Reason),
  },
  {
    ...closed,
    minProperties: 1,
    title: "ChangeTask",
    description: "Subjects to add, attributes to set, labels to lower, or the task's end",
  },
);
export type AmendTask = Static<typeof AmendTask>;

const LoweredLabels = Type.Object(
  {
    labels: Type.Array(Type.String(), { description: "Labels that it lost" }),
    at: Type.String({ description: "When, RFC 3339" }),
    by: Type.String({ description: "Caller who said so" }),
    reason: Type.String({ description: "Why" }),
  },
  { ...closed, title: "LoweredLabels", description: "Last time that a person lowered labels of the task. Left out: never" },
);

const taskState = {
  id: name("Id of the task"),
  agent: taskMembers.agent,
  purpose: taskMembers.purpose,
  parent: orNull(name("Task that this one is handed on from; null: none")),
  principal: orNull(text("Person for whom it is done; null: not known")),
  subjects: Type.Record(Name, Type.Array(Type.String({ minLength: 1, maxLength: ID_LENGTH_MAX })), {
    ...closed,
    description: "What the task is about: subject type of the vocabulary to ids",
  }),
  attributes: Type.Record(Type.String(), Type.Unknown(), { description: "Attributes that the vocabulary's `task` names; often empty" }),
  verbs: orNull(Type.Array(Name, { maxItems: 256, uniqueItems: true, description: "Verbs that it is limited to; null: every verb" })),
  plan: taskMembers.plan,
  lowered: Type.Optional(LoweredLabels),
  watched: Type.Optional(
    Type.Literal(true, {
      description: "All nodes of the cluster note what is permitted on it, from its registration on. Left out: they don't",
    }),
  ),
  expires: orNull(Type.String({ maxLength: 40, description: "When the task is over, RFC 3339; null: never" })),
  ended: orNull(about(Ended, "When and why it was ended; null: it wasn't")),
};
export const TaskState = Type.Object(taskState, { ...closed, title: "TaskState", description: "A task as it is kept" });
export type TaskState = Static<typeof TaskState>;
export const TaskFactAnswer = Type.Object({ ...taskState, ...revisions }, { ...closed, title: "Task", description: "A task of an agent" });
export type TaskFactAnswer = Static<typeof TaskFactAnswer>;

const Entry = Type.Record(Type.String({ maxLength: 128 }), Type.Unknown(), {
  description: "Entry as a purpose file has it: `{read: invoice, about: task, when: {…}}`",
});
const Digest = Type.String({ pattern: "^sha256:[0-9a-f]{64}$" });

const grantMembers = {
  agent: Type.Optional(Type.String({ pattern: NAME_PATTERN, description: "Agent that may. Either this or `task`" })),
  task: Type.Optional(Type.String({ pattern: NAME_PATTERN, description: "Task on which it is permitted. Either this or `agent`" })),
  entry: Entry,
  reason: Reason,
  requested_by: text("Who asked for it"),
  approved_by: text("Who approved it"),
  not_before: Type.Optional(time("From when on it permits; default now")),
  expires: time("Until when it permits, at most `facts.grant_lifetime_max_ms` after its beginning"),
  uses: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000, description: "How many actions it permits. Left out: any number" })),
};
export const CreateGrant = Type.Object(
  { id: name("Id of the grant; never used again"), ...grantMembers },
  {
    ...closed,
    title: "CreateGrant",
    description: "A grant: permits an agent or a task something for a while, beside what its purpose permits",
  },
);
export type CreateGrant = Static<typeof CreateGrant>;

export const EndGrant = Type.Object(
  { ended: Type.Literal(true, { description: "`true` ends it for good" }), reason: Reason },
  { ...closed, title: "EndGrant", description: "End of a grant before its time" },
);
export type EndGrant = Static<typeof EndGrant>;

export const GRANT_STATES = ["live", "unapproved", "not_yet_valid", "expired", "used_up", "revoked", "ended"] as const;

/** Approval of one waiting action by one or more people. */
export const Approval = Type.Object(
  {
    decision: Type.String({ description: "`decision_id` of the decision that waited" }),
    digest: about(Digest, "`approval_digest` of that decision: the grant permits an action that has the same, and no other"),
    quorum: Type.Integer({ minimum: 1, description: "Callers that have to approve before it permits anything" }),
    given: Type.Array(
      Type.Object(
        { by: By, at: time("When it was given"), reason: Reason },
        { ...closed, title: "GivenApproval", description: "One caller's approval" },
      ),
      { description: "Approvals so far, one a caller" },
    ),
  },
  { ...closed, title: "Approval", description: "Approval of one action that waited" },
);
export type Approval = Static<typeof Approval>;

const grantState = {
  id: name("Id of the grant"),
  agent: orNull(name("Agent that may; null: the grant is for a task")),
  task: orNull(name("Task on which it is permitted; null: the grant is for an agent")),
  entry: orNull(about(Entry, "Entry as a purpose file has it; null: the grant is for one action")),
  action_digest: orNull(about(Digest, "`action_digest` of the one action that it permits; null: the grant has an entry")),
  approval: Type.Optional(about(Approval, "Approval that it came of. Left out: the grant has an entry")),
  reason: Reason,
  requested_by: grantMembers.requested_by,
  approved_by: grantMembers.approved_by,
  not_before: time("From when on it permits"),
  expires: time("Until when it permits"),
  uses: orNull(Type.Integer({ description: "How many actions it permits in all; null: any number" })),
  taken: Type.Optional(
    Type.Record(Type.String(), Type.Integer({ minimum: 1 }), {
      description: "Uses that processes of a cluster have taken, by node and incarnation. Left out: none, or one service decides alone",
      examples: [{ "a/01a22683-8654-7c00-8000-000000000000": 1 }],
    }),
  ),
  ended: orNull(about(Ended, "When and why it was ended; null: it wasn't")),
};
export const GrantFactState = Type.Object(grantState, { ...closed, title: "GrantState", description: "A grant as it is kept" });
export type GrantFactState = Static<typeof GrantFactState>;
const grantAnswer = {
  ...grantState,
  state: Type.Enum([...GRANT_STATES], { title: "GrantStatus", description: "How it stands now; only a `live` grant permits anything" }),
  used: Type.Integer({ description: "How many decisions rested on it so far" }),
  fits: Type.Boolean({
    description: "Whether the active vocabulary has all that it names; if not, it permits nothing",
  }),
};
export const GrantAnswer = Type.Object(
  { ...grantAnswer, ...revisions },
  { ...closed, title: "Grant", description: "A grant, and how it stands" },
);
export type GrantAnswer = Static<typeof GrantAnswer>;

export const REVOCATION_SCOPES = ["agent", "task", "token", "purpose", "owner", "principal", "grant", "caller", "everything"] as const;
export const RevocationScope = Type.Enum([...REVOCATION_SCOPES], {
  title: "RevocationScope",
  description: "Kind of thing that is revoked",
});

/** Exactly one of these; which is checked where it is read. */
export const RevocationTarget = Type.Object(
  {
    agent: Type.Optional(name("Id of an agent")),
    task: Type.Optional(name("Id of a task; all that was handed on from it is revoked too")),
    token: Type.Optional(text("`jti` of a token of a caller or an agent")),
    purpose: Type.Optional(name("A purpose: nobody may act for it")),
    owner: Type.Optional(text("An owner: all of their agents")),
    principal: Type.Optional(text("Person for whom work is done, as tasks and agents' tokens name them")),
    grant: Type.Optional(name("Id of a grant")),
    caller: Type.Optional(text("A caller, as its tokens and records name it: all of its tokens, whether they have a `jti` or not")),
    everything: Type.Optional(Type.Literal(true, { description: "`true`: every action of every agent; needs `remit:revoke_all`" })),
  },
  {
    ...closed,
    minProperties: 1,
    maxProperties: 1,
    title: "RevocationTarget",
    description: "What is revoked: exactly one of these",
  },
);
export type RevocationTarget = Static<typeof RevocationTarget>;

export const CreateRevocation = Type.Object(
  { scope: RevocationTarget, reason: Reason },
  { ...closed, title: "CreateRevocation", description: "Something to cut off at once" },
);
export type CreateRevocation = Static<typeof CreateRevocation>;

const WithReason = Type.Object({ reason: Reason }, { ...closed, title: "WithReason", description: "Reason for a change" });
const Lifted = Type.Object(
  { at: time("When it was lifted"), by: By, reason: Reason },
  { ...closed, title: "Lifted", description: "When and why it was lifted; null: it is in force" },
);
export const LiftRevocation = WithReason;
export type LiftRevocation = Static<typeof LiftRevocation>;

const revocationState = {
  id: Type.String({ description: "Id of the revocation: `agent/support-7`, `everything`; `agent@idp/support-7` if `source` is `idp`" }),
  scope: RevocationScope,
  of: Type.String({ description: "Id of what is revoked, within the scope; empty for `everything`" }),
  reason: Reason,
  by: By,
  since: time("Since when it is in force"),
  lifted: orNull(Lifted),
  source: Type.Optional(
    Type.String({
      description: "Transmitter of security events that made it; only its events lift it. Left out: made by a caller",
    }),
  ),
  as_of: Type.Optional(Type.String({ description: "When what `source` last reported of it happened, RFC 3339. Left out: no `source`" })),
  before: Type.Optional(
    Type.String({ description: "Of a principal: only tokens issued before this time are revoked, RFC 3339. Left out: all" }),
  ),
};
export const RevocationState = Type.Object(revocationState, {
  ...closed,
  title: "RevocationState",
  description: "A revocation as it is kept",
});
export type RevocationState = Static<typeof RevocationState>;
export const RevocationAnswer = Type.Object(
  { ...revocationState, ...revisions, in_force: Type.Optional(InForceWhere), fleet: Type.Optional(OnFleet) },
  { ...closed, title: "Revocation", description: "A revocation, in force or lifted" },
);
export type RevocationAnswer = Static<typeof RevocationAnswer>;

export const NARROWED_RATE = { default: 10, max: 10_000 };

const narrowedTo = {
  actions_per_minute: Type.Integer({
    minimum: 1,
    maximum: NARROWED_RATE.max,
    description: "Actions permitted per minute; each may only read what its task is about. Default 10",
  }),
  purpose: orNull(Type.String({ pattern: NAME_PATTERN, description: "Purpose for which it was unusual; null: a person narrowed it" })),
  why: Type.Array(Type.String({ maxLength: 512 }), {
    maxItems: 16,
    description: "What was unusual, in words; empty if a person narrowed it",
  }),
  below: orNull(
    Type.Integer({
      minimum: 0,
      maximum: 100,
      description: "It ends by itself once the risk has been below this (0 to 100) for `for_ms`; null: only when it is lifted",
    }),
  ),
  for_ms: orNull(
    Type.Integer({ minimum: 0, maximum: 30 * 86_400_000, description: "Milliseconds that go with `below`; null: only when it is lifted" }),
  ),
};

export const NarrowAgent = Type.Object(
  { reason: Reason, actions_per_minute: Type.Optional(narrowedTo.actions_per_minute) },
  { ...closed, title: "NarrowAgent", description: "Narrowing of an agent by a person" },
);
export type NarrowAgent = Static<typeof NarrowAgent>;
export const LiftNarrowing = WithReason;
export type LiftNarrowing = Static<typeof LiftNarrowing>;

export const RollBackProfile = Type.Object(
  { to: time("The profile becomes the last one kept before this time"), reason: Reason },
  { ...closed, title: "RollBackProfile", description: "Time to which a behaviour profile goes back" },
);
export type RollBackProfile = Static<typeof RollBackProfile>;
export const ProfileRolledBack = Type.Object(
  { agent: name("Id of the agent"), to: Type.String({ description: "When the profile in use now was kept, RFC 3339, UTC" }) },
  { ...closed, title: "ProfileRolledBack", description: "Profile that is in use now" },
);
export type ProfileRolledBack = Static<typeof ProfileRolledBack>;

const narrowingState = {
  agent: name("Id of the agent"),
  ...narrowedTo,
  reason: Reason,
  by: Type.String({ description: "Caller that narrowed it; `remit`: the service did, for what was unusual" }),
  since: time("Since when it is in force"),
  lifted: orNull(Lifted),
};
/** An agent that was left with reading what its task is about, so many times a minute. */
export const NarrowingState = Type.Object(narrowingState, { ...closed, title: "NarrowingState", description: "A narrowing as it is kept" });
export type NarrowingState = Static<typeof NarrowingState>;
export const NarrowingAnswer = Type.Object(
  { ...narrowingState, ...revisions },
  { ...closed, title: "Narrowing", description: "An agent's narrowing, in force or lifted" },
);
export type NarrowingAnswer = Static<typeof NarrowingAnswer>;

/** Members of the answer to a restriction that is in force at once. */
export const InForce = Type.Object(
  {
    revision: orNull(Type.Integer({ description: "Facts revision from which on every decision knows it; null until it is durable" })),
    in_force: InForceWhere,
    fleet: Type.Optional(OnFleet),
    durable: Type.Boolean({ description: "Whether it is on disk. If not, it holds in memory and is written as soon as possible" }),
    problem: orNull(Type.String({ description: "Why it isn't durable: `store_unavailable` or `log_unavailable`; null if it is" })),
    told: Type.Integer({
      minimum: 0,
      description: "Streams of `GET /events` that it was sent to before this answer; 0 also if it held already",
    }),
    waited_ms: Type.Number({
      minimum: 0,
      description: "Milliseconds from when it held on this service until no answer was left here that had begun without it",
    }),
  },
  { ...closed, title: "InForce", description: "How something that narrows holds" },
);
export type InForce = Static<typeof InForce>;

const { in_force, durable, problem, fleet, told, waited_ms } = InForce.properties;

/** A fact as it is after a change. What narrows holds before it is durable, and then has no revision yet. */
const changed = <T extends TProperties>(title: string, fact: T) =>
  Type.Object(
    {
      ...fact,
      revision: orNull(about(Revision, "Facts revision of this change; null: it holds in memory and isn't durable yet")),
      facts_revision: FactsRevision,
      in_force: Type.Optional(in_force),
      fleet,
      durable: Type.Optional(durable),
      problem: Type.Optional(problem),
      told: Type.Optional(told),
      waited_ms: Type.Optional(waited_ms),
    },
    { ...closed, title, description: "The fact as it is after the change, and how the change holds" },
  );
export const AgentChanged = changed("AgentChanged", agentState);
export const TaskChanged = changed("TaskChanged", taskState);
export const GrantChanged = changed("GrantChanged", grantAnswer);
export const RevocationChanged = changed("RevocationChanged", revocationState);
export const NarrowingChanged = changed("NarrowingChanged", narrowingState);

const TaskToken = Type.String({
  description: "Signed token that stands for the task: hand it along the call chain, and send it as `task_token` in place of the id",
});
export const TaskCreated = Type.Object(
  { ...taskState, ...revisions, task_token: Type.Optional(TaskToken) },
  { ...closed, title: "TaskCreated", description: "A task that was created; with `token=true` with its token" },
);
export type TaskCreated = Static<typeof TaskCreated>;
export const TaskTokenAnswer = Type.Object(
  { task: name("Id of the task"), task_token: TaskToken },
  { ...closed, title: "TaskToken", description: "A token that stands for a task" },
);
export type TaskTokenAnswer = Static<typeof TaskTokenAnswer>;

export const FactsEvent = Type.Object(
  {
    revision: Type.Integer({ description: "Facts revision that the change made" }),
    key: Type.String({
      description: "What was changed: `agent/support-7`, `task/T-1`, `grant/G-1`, `narrowing/support-7`, `revocation/agent/support-7`",
    }),
    change: Type.String({ description: "What happened to it: `agent_created`, `task_ended`, …" }),
    by: By,
    time: time("When it was changed"),
    reason: orNull(Type.String({ description: "Why; null if nobody said" })),
    value: Type.Unknown({ description: "The fact after the change; its form depends on the kind in `key`" }),
  },
  { ...closed, title: "FactsEvent", description: "One change of a fact" },
);
export type FactsEvent = Static<typeof FactsEvent>;

/** One page; `next` continues it and is null at the end. */
const pageOf = <T extends TSchema>(title: string, item: T) =>
  Type.Object(
    {
      items: Type.Array(item, { description: "This page's; may be fewer than `limit`, or none, and the list still goes on" }),
      next: orNull(
        Type.String({ description: "Where the next page begins; give it as `cursor`, of events as `after`. Null: there is no more" }),
      ),
      facts_revision: FactsRevision,
    },
    { ...closed, title, description: "One page of a list" },
  );
export const AgentPage = pageOf("AgentPage", AgentAnswer);
export type AgentPage = Static<typeof AgentPage>;
export const TaskPage = pageOf("TaskPage", TaskFactAnswer);
export type TaskPage = Static<typeof TaskPage>;
export const GrantPage = pageOf("GrantPage", GrantAnswer);
export type GrantPage = Static<typeof GrantPage>;
export const RevocationPage = pageOf("RevocationPage", RevocationAnswer);
export type RevocationPage = Static<typeof RevocationPage>;
export const NarrowingPage = pageOf("NarrowingPage", NarrowingAnswer);
export type NarrowingPage = Static<typeof NarrowingPage>;
export const EventPage = pageOf("FactsEventPage", FactsEvent);
export type EventPage = Static<typeof EventPage>;

const importedTask = {
  ...taskMembers,
  parent: IssueTask.properties.parent,
  expires: Type.Optional(Type.String({ maxLength: 40, description: "When the task is over, RFC 3339, quoted. Left out: never" })),
  ended: Type.Optional(Type.Boolean({ description: "Whether it has ended, and with it what it permitted; default false" })),
};
const importedAgent = {
  owner: agentMembers.owner,
  purposes: agentMembers.purposes,
  ...optionalAgentMembers,
  status: Type.Optional(about(Status, "Status. Left out: `active` if the agent is new, unchanged otherwise")),
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
    agent: Type.Optional(Type.Object({ id: name("Id of the agent"), ...importedAgent }, { ...closed, description: "An agent" })),
    task: Type.Optional(Type.Object({ id: name("Id of the task"), ...importedTask }, { ...closed, description: "A task" })),
    grant: Type.Optional(CreateGrant),
    narrowing: Type.Optional(
      Type.Object({ agent: name("Id of the agent"), ...importedNarrowing }, { ...closed, description: "A narrowing" }),
    ),
    revocation: Type.Optional(CreateRevocation),
  },
  { ...closed, minProperties: 1, maxProperties: 1, title: "ImportLine", description: "One fact: exactly one of these" },
);
export type ImportLine = Static<typeof ImportLine>;

/** The same as one YAML document, by id. */
export const ImportDocument = Type.Object(
  {
    agents: Type.Optional(
      Type.Record(Name, Type.Object(importedAgent, { ...closed, title: "ImportedAgent", description: "An agent" }), {
        ...closed,
        description: "Agents, by id",
      }),
    ),
    tasks: Type.Optional(
      Type.Record(Name, Type.Object(importedTask, { ...closed, title: "ImportedTask", description: "A task" }), {
        ...closed,
        description: "Tasks, by id",
      }),
    ),
    grants: Type.Optional(
      Type.Record(Name, Type.Object(grantMembers, { ...closed, title: "ImportedGrant", description: "A grant" }), {
        ...closed,
        description: "Grants, by id",
      }),
    ),
    narrowings: Type.Optional(
      Type.Record(Name, Type.Object(importedNarrowing, { ...closed, title: "ImportedNarrowing", description: "A narrowing" }), {
        ...closed,
        description: "Narrowings, by the agent's id",
      }),
    ),
    revocations: Type.Optional(
      Type.Record(Type.String({ pattern: "^(?:everything|(?:agent|task|token|purpose|owner|grant)/.{1,256})$" }), WithReason, {
        ...closed,
        description: "Revocations, by scope and id: `agent/support-6`",
      }),
    ),
  },
  { ...closed, title: "ImportDocument", description: "Facts to import, by kind and id" },
);
export type ImportDocument = Static<typeof ImportDocument>;

export const ImportDifference = Type.Object(
  {
    key: Type.String({ description: "Fact that differs: `agent/support-7`" }),
    fields: Type.Array(Type.String(), { description: "JSON pointers to the members that differ; empty: the fact is new" }),
  },
  { ...closed, title: "ImportDifference", description: "A fact that the import creates or changes" },
);

export const ImportAnswer = Type.Object(
  {
    id: Type.String({ description: "Id of the import; of a dry run without one, a new id" }),
    status: Type.Enum(["dry_run", "applied"], { title: "ImportStatus", description: "Whether facts were changed or only compared" }),
    created: Type.Integer({ description: "Facts that are new" }),
    changed: Type.Integer({ description: "Facts that were there and differ" }),
    unchanged: Type.Integer({ description: "Facts that were there, the same" }),
    differences: Type.Array(ImportDifference, { description: "The first of the differences, not all of many" }),
    facts_revision: FactsRevision,
  },
  { ...closed, title: "ImportAnswer", description: "What an import came to" },
);
export type ImportAnswer = Static<typeof ImportAnswer>;
