/**
 * `POST /decide`: one schema that is the TypeScript type, the validator, the OpenAPI document and (with a vocabulary)
 * the schema that policies are checked against.
 */
import { Type, type Static } from "./type.js";
import { Obligation } from "./obligation.js";
import { SEVERITIES, type PolicyIdentity } from "./policy.js";

/** Names that this system gives: agents, purposes, tasks, verbs, types, roles, attributes. Plain ASCII, at most 128. */
export const NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}$";
export const ID_LENGTH_MAX = 256;

const Name = Type.String({ pattern: NAME_PATTERN });
const Token = Type.String({ minLength: 1, maxLength: 65_536, description: "A signed JWT in compact form" });
const closed = { additionalProperties: false };

/** Attributes and arguments are checked against the vocabulary of the active bundle, type by type. */
const Values = Type.Record(Type.String(), Type.Unknown());

export const Resource = Type.Object(
  {
    type: Name,
    /** Null for a collection verb. */
    id: Type.Union([Type.String({ minLength: 1, maxLength: ID_LENGTH_MAX }), Type.Null()]),
    attributes: Type.Optional(Values),
  },
  closed,
);
export type Resource = Static<typeof Resource>;

export const Context = Type.Object(
  {
    session: Type.Optional(Type.String({ maxLength: 256 })),
    source: Type.Optional(Type.String({ maxLength: 256 })),
    trace: Type.Optional(Type.String({ maxLength: 256 })),
  },
  closed,
);

export const DecideRequest = Type.Object(
  {
    request_id: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 128,
        description: "Links retries in records; an answer never comes from memory",
      }),
    ),
    agent: Name,
    agent_token: Type.Optional(Token),
    purpose: Name,
    task: Type.Optional(Name),
    task_token: Type.Optional(Token),
    verb: Name,
    resource: Resource,
    related: Type.Optional(Type.Record(Name, Resource, closed)),
    arguments: Type.Optional(Values),
    context: Type.Optional(Context),
    time: Type.Optional(Type.String({ maxLength: 40, description: "RFC 3339; a claim, the host's clock decides" })),
    at_least: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: "Facts revision to have seen" })),
  },
  closed,
);
export type DecideRequest = Static<typeof DecideRequest>;

export const DecisionKind = Type.Union([Type.Literal("allow"), Type.Literal("deny"), Type.Literal("flag")]);
export type DecisionKind = Static<typeof DecisionKind>;

export const Reason = Type.Object(
  {
    effect: Type.Union([Type.Literal("allow"), Type.Literal("log"), Type.Literal("flag"), Type.Literal("deny")]),
    code: Type.String(),
    severity: Type.Enum([...SEVERITIES]),
    message: Type.String(),
    params: Type.Record(Type.String(), Type.Unknown()),
    of: Type.Optional(Type.String({ description: "The task up the chain whose reason this is; left out: the action's own" })),
  },
  closed,
);
export type Reason = Static<typeof Reason>;

export const Wait = Type.Object(
  {
    for: Type.Union([Type.Literal("approval"), Type.Literal("context")]),
    needs: Type.Optional(Type.Array(Type.String(), { description: "What was unknown; with `for: context`" })),
    until: Type.String({ description: "RFC 3339; no answer by then is a deny" }),
  },
  closed,
);
export type Wait = Static<typeof Wait>;

export const Answer = Type.Object(
  {
    decision: DecisionKind,
    proceed: Type.Boolean(),
    wait: Type.Optional(Wait),
    decision_id: Type.String(),
    request_id: Type.Optional(Type.String()),
    action_digest: Type.String({
      description: "sha256 of agent, purpose, task, verb, resource, related ids, arguments",
    }),
    valid_for_ms: Type.Integer({ description: "Since the enforcement point sent the request" }),
    reasons: Type.Array(Reason),
    tell_agent: Type.Optional(Type.String({ description: "A fixed sentence for the model, without values from data" })),
    finding: Type.Optional(Type.String()),
    obligations: Type.Array(Obligation),
    policy: Type.Object({
      bundle: Type.String(),
      revision: Type.String(),
      sequence: Type.Integer(),
      digest: Type.String(),
    }),
    facts_revision: Type.Integer(),
  },
  closed,
);
export type Answer = Static<typeof Answer> & { policy: PolicyIdentity };

export const BatchRequest = Type.Object(
  { actions: Type.Array(DecideRequest, { minItems: 1, description: "Decided in order, each for itself" }) },
  closed,
);
export const BatchAnswer = Type.Object({ answers: Type.Array(Answer) }, closed);
export type BatchAnswer = Static<typeof BatchAnswer>;

/** One reason as a policy gives it: the host adds the message. */
export const PolicyReason = Type.Object(
  {
    effect: Reason.properties.effect,
    code: Type.String({ minLength: 1, maxLength: 128 }),
    severity: Reason.properties.severity,
    params: Type.Record(Type.String(), Type.Unknown()),
    /** On flags: go on while a person looks. */
    proceed: Type.Optional(Type.Boolean()),
    /** The unknown values that alone make a flag wait; the answer then waits for `context`. */
    needs: Type.Optional(Type.Array(Type.String())),
  },
  closed,
);
export type PolicyReason = Static<typeof PolicyReason>;

/** What the policy's entrypoint answers. Anything else is a deny with an error reason. */
export const PolicyResult = Type.Object(
  {
    decision: DecisionKind,
    proceed: Type.Boolean(),
    reasons: Type.Array(PolicyReason, { minItems: 1, maxItems: 256 }),
    obligations: Type.Array(Obligation, { maxItems: 64 }),
  },
  closed,
);
export type PolicyResult = Static<typeof PolicyResult>;
