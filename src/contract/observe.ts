/** What is told afterwards: what agents did without having asked, and what became of what they had asked for. */
import { DecideRequest } from "./decision.js";
import type { ProblemCode } from "./problem.js";
import { OUTCOMES } from "./record.js";
import { Type, type Static } from "./type.js";

const closed = { additionalProperties: false };

/** What happened has been tried. */
export const OBSERVED_OUTCOMES = ["done", "failed"] as const;

/** A line of `POST /observe`: an action as `POST /decide` takes it, and when it happened. */
export const ObservedAction = Type.Object(
  {
    ...DecideRequest.properties,
    at: Type.String({
      maxLength: 40,
      description: "When it happened: RFC 3339, no longer ago than `observe.age_max_ms`. A claim; the record's own time is the host's",
    }),
    outcome: Type.Optional(Type.Enum([...OBSERVED_OUTCOMES])),
  },
  closed,
);
export type ObservedAction = Static<typeof ObservedAction>;

const Code = Type.Unsafe<ProblemCode>({ type: "string", description: "A problem's" });

export const RefusedLine = Type.Object(
  {
    line: Type.Integer({ minimum: 1 }),
    code: Code,
    field: Type.Optional(Type.String({ description: "JSON pointer" })),
    expected: Type.Optional(Type.String()),
  },
  closed,
);
export type RefusedLine = Static<typeof RefusedLine>;

/** Nothing in it permits anything: what happened has happened. */
export const ObservedAnswer = Type.Object(
  {
    accepted: Type.Integer({ description: "Lines that are on record" }),
    not_permitted: Type.Integer({ description: "Of these, those that would have been denied; each opened a finding" }),
    flagged: Type.Integer({ description: "Of these, those that would have been flagged; each opened a finding" }),
    refused: Type.Array(RefusedLine, { description: "Lines that are not on record, and never will be as they are" }),
    recorded_to: Type.Optional(Type.Integer({ description: "`seq` of the last of their records; left out, there is none" })),
    stopped: Type.Union([Type.Null(), Type.Object({ line: Type.Integer({ minimum: 1 }), code: Code }, closed)], {
      description: "null: every line was read. Else why none from this one on was taken; those before it are on record or in `refused`",
    }),
  },
  closed,
);
export type ObservedAnswer = Static<typeof ObservedAnswer>;

/** The body of `POST /decisions/{id}/outcome`. */
export const ReportOutcome = Type.Object(
  {
    outcome: Type.Enum([...OUTCOMES]),
    took_ms: Type.Optional(Type.Number({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
    amount: Type.Optional(
      Type.Number({
        minimum: -Number.MAX_SAFE_INTEGER,
        maximum: Number.MAX_SAFE_INTEGER,
        description: "How much: rows, bytes, cents, as you count",
      }),
    ),
    detail: Type.Optional(Type.String({ maxLength: 1024 })),
  },
  closed,
);
export type ReportOutcome = Static<typeof ReportOutcome>;

export const OutcomeAnswer = Type.Object(
  { decision_id: Type.String(), ...ReportOutcome.properties, time: Type.String({ description: "When it was recorded" }) },
  closed,
);
export type OutcomeAnswer = Static<typeof OutcomeAnswer>;
