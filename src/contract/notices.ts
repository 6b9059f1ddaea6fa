/** Notices: that enforcement itself isn't as it should be, and no action says so. */
import { NAME_PATTERN } from "./decision.js";
import type { Severity } from "./policy.js";
import { Type, type Static } from "./type.js";

export interface NoticeKind {
  severity: Severity;
  /** Whether somebody has to look into it. */
  opens: boolean;
}

/** One table: a code is an interface, and never reused. */
const table = {
  sensor_silent: { severity: "high", opens: true },
  sensor_heard: { severity: "info", opens: false },
  tool_changed: { severity: "high", opens: true },
} as const satisfies Record<string, NoticeKind>;

export type NoticeCode = keyof typeof table;
export const NOTICE_CODES = Object.keys(table) as NoticeCode[];
export const NOTICES: Readonly<Record<NoticeCode, NoticeKind>> = table;

const closed = { additionalProperties: false };
const text = (description: string) => Type.String({ minLength: 1, maxLength: 256, description });

/** The body of `POST /notices`: what an enforcement point has come upon. */
export const ReportNotice = Type.Object(
  {
    code: Type.Literal("tool_changed", { description: "A tool is not what was approved any more, and isn't let through" }),
    agent: Type.String({ pattern: NAME_PATTERN, description: "Whose tool it is" }),
    purpose: Type.String({ pattern: NAME_PATTERN }),
    server: text("Where the tool is"),
    tool: text("Its name"),
    changed: Type.Array(text(""), {
      maxItems: 32,
      description: "Members of its definition that differ, such as `description` or `inputSchema`",
    }),
  },
  closed,
);
export type ReportNotice = Static<typeof ReportNotice>;

export const NoticeAnswer = Type.Object({ id: Type.String(), finding: Type.String({ description: "That it belongs to" }) }, closed);
export type NoticeAnswer = Static<typeof NoticeAnswer>;
