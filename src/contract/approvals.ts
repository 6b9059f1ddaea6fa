/** Approvals: actions that wait for a person, or did, each with what became of it. */
import { Approval } from "./facts.js";
import { Finding } from "./findings.js";
import { SeverityName } from "./decision.js";
import { ofNodes } from "./query.js";
import { Type, about, type Static, type TSchema } from "./type.js";

const closed = { additionalProperties: false };
const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

/**
 * `waiting`: a person can still approve it. `approved`: it may be done once. `used`: it was done after its approval. `lapsed`: its time, or that of
 * its approval, is over. `superseded`: another bundle runs than the one that decided. `refused`: its finding is `misuse`. `ended`: its approval
 * was taken back.
 */
export const APPROVAL_STATES = ["waiting", "approved", "used", "lapsed", "superseded", "refused", "ended"] as const;
export type ApprovalState = (typeof APPROVAL_STATES)[number];

export const WaitingApproval = Type.Object(
  {
    finding: Type.String({ description: "Id of the finding that it belongs to" }),
    agent: orNull(Type.String({ description: "Agent that asked; null: an agent that isn't registered" })),
    severity: about(SeverityName, "Severity of the finding"),
    message: orNull(Type.String({ description: "Most frequent message of the finding; null: it has none" })),
    state: Type.Enum([...APPROVAL_STATES], { title: "ApprovalState", description: "What became of it" }),
    action: Finding.properties.waiting.items,
    quorum: Type.Integer({ minimum: 1, description: "Callers that have to approve it" }),
    roles: Type.Array(Type.String(), { description: "Roles of which an approver has to have one; empty: any reviewer" }),
    given: about(Approval.properties.given, "Approvals so far, one a caller"),
    grant: orNull(Type.String({ description: "Id of the grant that the approvals became; null: nobody has approved it" })),
    refusal: orNull(Type.String({ description: "Why the caller of this request can't approve it; null: it can" })),
    node: Type.Optional(Type.String({ description: "Of a cluster: the node that has it" })),
  },
  { ...closed, title: "WaitingApproval", description: "An action that waits for a person, or did" },
);
export type WaitingApproval = Static<typeof WaitingApproval>;

export const ApprovalList = Type.Object(
  {
    items: Type.Array(WaitingApproval, { description: "What waits, the most urgent first; behind it what waited, the latest first" }),
    more: Type.Boolean({ description: "Whether there are more than `limit`" }),
    indexed_to: Type.Integer({ description: "`seq` of the last record that this answer knows; later ones are not in it" }),
    ...ofNodes,
  },
  { ...closed, title: "ApprovalList", description: "Actions that wait for a person, or did" },
);
export type ApprovalList = Static<typeof ApprovalList>;
