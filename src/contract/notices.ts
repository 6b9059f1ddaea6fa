/** Notices: that enforcement itself isn't as it should be, and no action says so. */
import { NAME_PATTERN } from "./decision.js";
import type { Severity } from "./policy.js";
import { Type, type Static } from "./type.js";

export interface NoticeKind {
  severity: Severity;
  /** True if somebody has to look into it. */
  opens: boolean;
}

/** One table: a code is an interface, and never reused. */
const table = {
  sensor_silent: { severity: "high", opens: true },
  sensor_heard: { severity: "info", opens: false },
  tool_changed: { severity: "high", opens: true },
  narrowed_by_behavior: { severity: "high", opens: true },
  policy_expiring: { severity: "medium", opens: true },
  policy_expired: { severity: "critical", opens: true },
  policy_source_silent: { severity: "high", opens: true },
  policy_differs: { severity: "high", opens: true },
  policy_unavailable: { severity: "high", opens: true },
  suspended_by_behavior: { severity: "critical", opens: true },
  unusual_in_group: { severity: "high", opens: true },
} as const satisfies Record<string, NoticeKind>;

export type NoticeCode = keyof typeof table;
export const NOTICE_CODES = Object.keys(table) as NoticeCode[];
export const NOTICES: Readonly<Record<NoticeCode, NoticeKind>> = table;

const closed = { additionalProperties: false };
const text = (description: string) => Type.String({ minLength: 1, maxLength: 256, description });

/** The body of `POST /notices`: what an enforcement point has come upon. */
export const ReportNotice = Type.Object(
  {
    code: Type.Literal("tool_changed", {
      description: "`tool_changed`: a tool differs from what was approved, and calls of it are blocked",
    }),
    agent: Type.String({ pattern: NAME_PATTERN, description: "Agent whose tool it is" }),
    purpose: Type.String({ pattern: NAME_PATTERN, description: "Purpose that the agent acts for" }),
    server: text("Server that offers the tool"),
    tool: text("Name of the tool"),
    changed: Type.Array(Type.String({ minLength: 1, maxLength: 256 }), {
      maxItems: 32,
      description: "Members of its definition that differ, such as `description` or `inputSchema`",
    }),
  },
  { ...closed, title: "ReportNotice", description: "Something about enforcement that isn't as it should be" },
);
export type ReportNotice = Static<typeof ReportNotice>;

export const NoticeAnswer = Type.Object(
  { id: Type.String({ description: "Id of the notice" }), finding: Type.String({ description: "Id of the finding that it belongs to" }) },
  { ...closed, title: "NoticeAnswer", description: "A notice that was recorded" },
);
export type NoticeAnswer = Static<typeof NoticeAnswer>;
