/**
 * `POST /decide`: one schema that is the TypeScript type, the validator, the OpenAPI document and (with a vocabulary)
 * the schema that policies are checked against.
 */
import { Type, about, type Static } from "./type.js";
import { Obligation } from "./obligation.js";
import { SEVERITIES, type PolicyIdentity } from "./policy.js";

/** Names that this system gives: agents, purposes, tasks, verbs, types, roles, attributes. Plain ASCII, at most 128. */
export const NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}$";
export const ID_LENGTH_MAX = 256;

const name = (description: string) => Type.String({ pattern: NAME_PATTERN, description });
const token = (description: string) => Type.String({ minLength: 1, maxLength: 65_536, description });
const closed = { additionalProperties: false };

/** Attributes and arguments are checked against the vocabulary of the active bundle, type by type. */
const values = (description: string) => Type.Record(Type.String(), Type.Unknown(), { description });

export const Resource = Type.Object(
  {
    type: name("Resource type, one of the vocabulary: `invoice`"),
    id: Type.Union([Type.String({ minLength: 1, maxLength: ID_LENGTH_MAX }), Type.Null()], {
      description: "Id of the resource; null for a verb that acts on the whole collection, such as `search`",
    }),
    attributes: Type.Optional(
      values(
        "Attributes that the vocabulary names for this type, with its types. Null or left out: the enforcement point doesn't know the value",
      ),
    ),
  },
  { ...closed, title: "Resource", description: "One resource that an action touches" },
);
export type Resource = Static<typeof Resource>;

export const Context = Type.Object(
  {
    session: Type.Optional(Type.String({ maxLength: 256, description: "Session or conversation of the agent" })),
    source: Type.Optional(Type.String({ maxLength: 256, description: "Where the action comes from, such as a host or channel" })),
    trace: Type.Optional(Type.String({ maxLength: 256, description: "Trace id, to find the action in other systems" })),
  },
  { ...closed, title: "RequestContext", description: "Surroundings of the action. Recorded, and part of the agent's behaviour profile" },
);

export const DecideRequest = Type.Object(
  {
    request_id: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 128,
        description: "Your id of this request, echoed in the answer. It links retries in the records; each retry is decided again",
      }),
    ),
    agent: name("Id of the agent that wants to act, as registered: `support-7`"),
    agent_token: Type.Optional(
      token("The agent's own signed token (compact JWT). Required if the agent is registered with `token: required`"),
    ),
    purpose: name("Purpose that the agent acts for, one of the bundle: `customer_support`"),
    task: Type.Optional(name("Id of the task that the agent works on. Left out: no task, unless `task_token` names one")),
    task_token: Type.Optional(token("Signed token that stands for the task, from `POST /tasks/{id}/token`")),
    verb: name("Verb of the action, one of the vocabulary: `refund`"),
    resource: Resource,
    related: Type.Optional(
      Type.Record(Type.String({ pattern: NAME_PATTERN }), Resource, {
        ...closed,
        description: "Other resources that the action names, by their role in the vocabulary: `pay_from`",
      }),
    ),
    arguments: Type.Optional(
      values("Arguments of the verb that the vocabulary names for the resource's type. Null or left out: the value isn't known"),
    ),
    context: Type.Optional(Context),
    time: Type.Optional(
      Type.String({
        maxLength: 40,
        description: "When the action was asked for, RFC 3339. Recorded as a claim; the service's own clock decides",
      }),
    ),
    at_least: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description: "Facts revision that the decision must know, from `facts_revision` of a change. Refused with `facts_behind` otherwise",
      }),
    ),
  },
  { ...closed, title: "DecideRequest", description: "One action that an agent wants to take" },
);
export type DecideRequest = Static<typeof DecideRequest>;

export const DecisionKind = Type.Union([Type.Literal("allow"), Type.Literal("deny"), Type.Literal("flag")], {
  title: "DecisionKind",
  description: "`allow`: act. `deny`: don't. `flag`: a person looks at it; `proceed` says whether to act meanwhile",
});
export type DecisionKind = Static<typeof DecisionKind>;

export const SeverityName = Type.Enum([...SEVERITIES], { title: "Severity", description: "How grave it is, from `info` to `critical`" });

const EffectKind = Type.Union([Type.Literal("allow"), Type.Literal("log"), Type.Literal("flag"), Type.Literal("deny")], {
  title: "Effect",
  description: "Effect of this reason on the decision. `log` opens a finding and changes nothing else; `deny` beats `flag` beats `allow`",
});

export const Reason = Type.Object(
  {
    effect: EffectKind,
    code: Type.String({ description: "Stable code of the rule, from the bundle's catalogue or the service's own: `refund_too_large`" }),
    severity: SeverityName,
    message: Type.String({ description: "The reason in words for a person, with values filled in. Not for the agent: see `tell_agent`" }),
    params: Type.Record(Type.String(), Type.Unknown(), { description: "Values that the message was filled with, by name; often empty" }),
    of: Type.Optional(
      Type.String({ description: "Id of the task up the chain whose reason this is. Left out: the reason is for the action's own task" }),
    ),
  },
  { ...closed, title: "Reason", description: "One reason for a decision" },
);
export type Reason = Static<typeof Reason>;

export const Wait = Type.Object(
  {
    for: Type.Union([Type.Literal("approval"), Type.Literal("context")], {
      description: "`approval`: a person has to approve. `context`: ask again with the values in `needs`",
    }),
    needs: Type.Optional(
      Type.Array(Type.String(), { description: "Unknown values that the policy needs, as paths. Only with `for: context`" }),
    ),
    until: Type.String({ description: "Until when to wait, RFC 3339. No approval or context by then is a deny" }),
    approval_digest: Type.Optional(
      Type.String({
        description:
          "`sha256:` and 64 hex digits over all that an approval is bound to: the whole request, caller, principal, agents and tasks as registered, and the bundle. Only with `for: approval`",
      }),
    ),
  },
  { ...closed, title: "Wait", description: "What a flagged action waits for" },
);
export type Wait = Static<typeof Wait>;

/** Members that name one built and signed bundle. */
export const policyIdentity = {
  bundle: Type.String({ description: "Name of the bundle" }),
  revision: Type.String({ description: "Revision that the bundle's author gave it" }),
  sequence: Type.Integer({ description: "Number that only goes up from one bundle to the next" }),
  digest: Type.String({ description: "`sha256:` and 64 hex digits over the bundle's signed files" }),
};

export const Answer = Type.Object(
  {
    decision: DecisionKind,
    proceed: Type.Boolean({
      description: "Whether to act now. Always true for `allow`, always false for `deny`; obey it rather than `decision`",
    }),
    wait: Type.Optional(about(Wait, "What a flagged action waits for. Left out: nothing to wait for")),
    decision_id: Type.String({ description: "Id of this decision and its record, a UUID of version 7" }),
    request_id: Type.Optional(Type.String({ description: "`request_id` of the request. Left out if it had none" })),
    action_digest: Type.String({
      description:
        "`sha256:` and 64 hex digits over agent, purpose, task, verb, resource, related ids and arguments. Compare it with the action about to be done",
    }),
    valid_for_ms: Type.Integer({
      description: "Milliseconds for which the answer may be acted on, counted from when the request was sent. 0: only at once",
    }),
    reasons: Type.Array(Reason, { description: "Why it was decided so, the deciding ones among them; never empty" }),
    tell_agent: Type.Optional(
      Type.String({
        description: "Sentence that is safe to show the agent: fixed text, without values from data. Left out: nothing to tell",
      }),
    ),
    finding: Type.Optional(Type.String({ description: "Id of the finding that the action belongs to. Left out: none" })),
    obligations: Type.Array(Obligation, { description: "What the enforcement point has to do when it acts; often empty" }),
    policy: Type.Object(policyIdentity, { title: "PolicyIdentity", description: "Bundle that decided" }),
    facts_revision: Type.Integer({ description: "Facts revision that the decision rests on" }),
  },
  { ...closed, title: "Decision", description: "Answer to one action. Anything but this, an error among it, is a deny" },
);
export type Answer = Static<typeof Answer> & { policy: PolicyIdentity };

export const BatchRequest = Type.Object(
  {
    actions: Type.Array(DecideRequest, {
      minItems: 1,
      description: "Actions, decided in order and each for itself; at most `limits.batch_actions_max` of the configuration",
    }),
  },
  { ...closed, title: "BatchRequest", description: "Several actions to decide" },
);
export const BatchAnswer = Type.Object(
  { answers: Type.Array(Answer, { description: "One answer for each action, in the order of the request" }) },
  { ...closed, title: "BatchAnswer", description: "Answers to a batch" },
);
export type BatchAnswer = Static<typeof BatchAnswer>;

/** One reason as a policy gives it: the host adds the message. */
export const PolicyReason = Type.Object(
  {
    effect: Reason.properties.effect,
    code: Type.String({ minLength: 1, maxLength: 128, description: "Code of the bundle's catalogue" }),
    severity: Reason.properties.severity,
    params: Type.Record(Type.String(), Type.Unknown(), { description: "Values for the catalogue's message, by name" }),
    proceed: Type.Optional(Type.Boolean({ description: "On a flag: whether to act while a person looks" })),
    needs: Type.Optional(
      Type.Array(Type.String(), {
        description: "Unknown values that alone make a flag wait; the answer then waits for `context`",
      }),
    ),
  },
  closed,
);
export type PolicyReason = Static<typeof PolicyReason>;

/** Answer of the policy's entrypoint. Anything else is a deny with an error reason. */
export const PolicyResult = Type.Object(
  {
    decision: DecisionKind,
    proceed: Type.Boolean({ description: "Whether to act now" }),
    reasons: Type.Array(PolicyReason, { minItems: 1, maxItems: 256, description: "Why, at least one" }),
    obligations: Type.Array(Obligation, { maxItems: 64, description: "What to do when acting; may be empty" }),
  },
  closed,
);
export type PolicyResult = Static<typeof PolicyResult>;
