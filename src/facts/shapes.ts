/** Schemas of the facts file. */
import { Type, type Static } from "../contract/type.js";
import { ID_LENGTH_MAX, NAME_PATTERN, taskMembers } from "../contract/index.js";

const closed = { additionalProperties: false };
const Name = Type.String({ pattern: NAME_PATTERN });

const AgentEntry = Type.Object(
  {
    version: Type.String({ minLength: 1, maxLength: 128, default: "1", description: "Its version; default: 1" }),
    owner: Type.String({ minLength: 1, maxLength: ID_LENGTH_MAX, description: "Required. Who answers for it" }),
    purposes: Type.Array(Name, { maxItems: 256, uniqueItems: true, description: "Required. What it may act for" }),
    attributes: Type.Record(Type.String(), Type.Unknown(), {
      default: {},
      description: "What the vocabulary's `agent` names: `agent.team` in a `when`",
    }),
    status: Type.Enum(["active", "suspended", "revoked"], { default: "active", description: "Default: active" }),
  },
  closed,
);

const TaskEntry = Type.Object(
  {
    ...taskMembers,
    expires: Type.Optional(Type.String({ maxLength: 40, description: "RFC 3339, quoted; left out: never" })),
    ended: Type.Optional(Type.Boolean({ description: "true: it has ended, and with it what it permitted" })),
  },
  closed,
);
export type TaskEntry = Static<typeof TaskEntry>;

export const FactsDocument = Type.Object(
  {
    agents: Type.Record(Name, AgentEntry, { ...closed, default: {} }),
    tasks: Type.Record(Name, TaskEntry, { ...closed, default: {} }),
  },
  closed,
);
export type FactsDocument = Static<typeof FactsDocument>;
