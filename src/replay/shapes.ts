/** The members of a decision's record that it is decided again from, as far as that relies on their shape. */
import { DecisionRecord, type PolicyInput, type Value, type Values } from "../contract/index.js";
import { Type } from "../contract/type.js";
import type { NarrowedTo } from "../decision/situation.js";
import type { AgentProof, GrantState, RevocationScope, TaskProof } from "../decision/ports.js";
import { schemas } from "../system/schemas.js";

/** Facts that the floor read of one task of the chain, as `decision/record.ts` writes them. */
export interface FloorRead {
  caller_permitted: boolean;
  facts_stale: boolean;
  /** Records from before agents were narrowed have none. */
  narrowed?: NarrowedTo | null;
  revoked: RevocationScope | null;
  agent_id: string;
  agent: { purposes: string[]; registered_ms: number; status: "active" | "suspended" | "revoked" } | null;
  token_required: boolean;
  agent_proof: AgentProof | null;
  proven_agent?: string;
  actor_stopped: boolean;
  purpose_id: string;
  task_id: string | null;
  task: {
    agent: string;
    purpose: string;
    parent: string | null;
    principal: string | null;
    ended: boolean;
    expires_ms: number | null;
    verbs: string[] | null;
  } | null;
  task_proof: TaskProof | null;
  verb_id: string;
  now_ms: number;
  claim_ms: number | null;
  time_skew_max_ms: number;
}

export interface NotLive {
  grant: string;
  level: number;
  state: Exclude<GrantState, "live">;
}

const text = Type.String();
const orNull = (schema: object) => Type.Union([Type.Unsafe<Value>(schema), Type.Null()]);
const textOrNull = orNull({ type: "string" });
const numberOrNull = orNull({ type: "number" });
const values = Type.Unsafe<Values>({ type: "object" });
const subject = Type.Object({ issuer: text, subject: text });
const token = Type.Object({ expires_ms: Type.Number(), issued_ms: numberOrNull, jti: textOrNull });

const Resource = Type.Object({ attributes: values, id: textOrNull, type: text });
const Request = Type.Object({
  agent: text,
  arguments: values,
  purpose: text,
  related: Type.Record(text, Resource),
  resource: Resource,
  task: textOrNull,
  verb: text,
});
const Condition = Type.Object({ op: text, path: Type.Array(text) });
const Input = Type.Object({
  request: Request,
  facts: Type.Object({
    agent: Type.Object({ attributes: values, id: text, owner: text, version: text }),
    caller: Type.Object({ id: text }),
    grants: Type.Array(Type.Object({ about: text, id: text, when: Type.Array(Condition) })),
    task: Type.Object({
      attributes: values,
      id: textOrNull,
      subjects: Type.Record(text, Type.Union([Type.Array(text), Type.Null()])),
    }),
    time: Type.Object({ claim_ms: numberOrNull, ms: Type.Number() }),
  }),
});
const Floor = Type.Object({
  actor_stopped: Type.Boolean(),
  agent: Type.Union([Type.Object({ purposes: Type.Array(text), registered_ms: Type.Number(), status: text }), Type.Null()]),
  agent_id: text,
  agent_proof: Type.Union([
    Type.Object({ actor: subject, chain: Type.Array(subject), principal: Type.Union([subject, Type.Null()]), token }),
    Type.Null(),
  ]),
  caller_permitted: Type.Boolean(),
  claim_ms: numberOrNull,
  facts_stale: Type.Boolean(),
  narrowed: Type.Optional(
    Type.Union([
      Type.Object({
        actions_per_minute: Type.Number(),
        permitted: Type.Number(),
        relation: text,
        verb_class: textOrNull,
      }),
      Type.Null(),
    ]),
  ),
  now_ms: Type.Number(),
  proven_agent: Type.Optional(text),
  purpose_id: text,
  revoked: textOrNull,
  task: Type.Union([
    Type.Object({
      agent: text,
      ended: Type.Boolean(),
      expires_ms: numberOrNull,
      parent: textOrNull,
      principal: textOrNull,
      purpose: text,
      verbs: Type.Union([Type.Array(text), Type.Null()]),
    }),
    Type.Null(),
  ]),
  task_id: textOrNull,
  task_proof: Type.Union([Type.Object({ agent: text, purpose: text, task: text, token }), Type.Null()]),
  time_skew_max_ms: Type.Number(),
  token_required: Type.Boolean(),
  verb_id: text,
});

const NotLiveStates: readonly NotLive["state"][] = ["not_yet_valid", "expired", "used_up", "revoked", "ended"];
const NotLiveList = Type.Array(Type.Object({ grant: text, level: Type.Integer({ minimum: 0 }), state: Type.Enum([...NotLiveStates]) }));

const Masked = Type.Optional(Type.Array(text));

const ajv = schemas();
export const isDecisionRecord = ajv.compile<DecisionRecord>(DecisionRecord);
export const isAsked = ajv.compile<Common & { input: PolicyInput; ancestors?: PolicyInput[]; not_live?: NotLive[] }>(
  Type.Object({
    ancestors: Type.Optional(Type.Array(Input)),
    input: Input,
    masked: Masked,
    not_live: Type.Optional(NotLiveList),
  }),
);
export const isRefused = ajv.compile<Common & { request: PolicyInput["request"]; floor: FloorRead; ancestors?: FloorRead[] }>(
  Type.Object({ ancestors: Type.Optional(Type.Array(Floor)), floor: Floor, masked: Masked, request: Request }),
);

interface Common {
  masked?: string[];
}
