/** Reports made afterwards: what agents did without having asked, and the outcomes of what they had asked for. */
import { DecideRequest } from "./decision.js";
import type { ProblemCode } from "./problem.js";
import { Returned } from "./flow.js";
import { OutcomeName } from "./record.js";
import { Type, type Static } from "./type.js";

const closed = { additionalProperties: false };

/** Outcomes of observed actions: what happened was tried. */
export const OBSERVED_OUTCOMES = ["done", "failed"] as const;

/** A line of `POST /observe`: an action as `POST /decide` takes it, and when it happened. */
export const ObservedAction = Type.Object(
  {
    ...DecideRequest.properties,
    at: Type.String({
      maxLength: 40,
      description: "When it happened, RFC 3339, no longer ago than `observe.age_max_ms`. A claim: the record's own time is the service's",
    }),
    outcome: Type.Optional(Type.Enum([...OBSERVED_OUTCOMES], { description: "What became of it. Left out: not known" })),
    returned: Type.Optional(Returned),
  },
  { ...closed, title: "ObservedAction", description: "An action that was done without asking: a line of the body" },
);
export type ObservedAction = Static<typeof ObservedAction>;

const Code = Type.Unsafe<ProblemCode>({ type: "string", description: "Code of the problem" });

export const RefusedLine = Type.Object(
  {
    line: Type.Integer({ minimum: 1, description: "Number of the line, from 1" }),
    code: Code,
    field: Type.Optional(Type.String({ description: "JSON pointer to the field at fault. Left out: no single one" })),
    expected: Type.Optional(Type.String({ description: "What was expected there, in words" })),
  },
  { ...closed, title: "RefusedLine", description: "A line that was refused" },
);
export type RefusedLine = Static<typeof RefusedLine>;

/** Answer to observed actions. Nothing in it permits anything: what happened has happened. */
export const ObservedAnswer = Type.Object(
  {
    accepted: Type.Integer({ description: "Lines that are on record" }),
    not_permitted: Type.Integer({ description: "Of these, lines that would have been denied; each belongs to a finding" }),
    flagged: Type.Integer({ description: "Of these, lines that would have been flagged; each belongs to a finding" }),
    refused: Type.Array(RefusedLine, { description: "Lines that are not on record; sending them again changes nothing" }),
    recorded_to: Type.Optional(Type.Integer({ description: "`seq` of the last of their records. Left out: there is none" })),
    stopped: Type.Union(
      [
        Type.Null(),
        Type.Object({ line: Type.Integer({ minimum: 1, description: "First line that was not read, from 1" }), code: Code }, closed),
      ],
      {
        description: "Why reading stopped before the end: this line and those after it are not on record. Null: every line was read",
      },
    ),
  },
  { ...closed, title: "ObservedAnswer", description: "What became of the lines" },
);
export type ObservedAnswer = Static<typeof ObservedAnswer>;

/** Members that a report and its record have in common. */
const REPORTED = {
  outcome: OutcomeName,
  took_ms: Type.Optional(
    Type.Number({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: "Milliseconds that the action took. Left out: not said" }),
  ),
  amount: Type.Optional(
    Type.Number({
      minimum: -Number.MAX_SAFE_INTEGER,
      maximum: Number.MAX_SAFE_INTEGER,
      description: "How much it was, in your unit: rows, bytes, cents. Left out: not said",
    }),
  ),
  detail: Type.Optional(Type.String({ maxLength: 1024, description: "More about it, in words. Left out: nothing" })),
};

/** The body of `POST /decisions/{id}/outcome`. */
export const ReportOutcome = Type.Object(
  { ...REPORTED, returned: Type.Optional(Returned) },
  { ...closed, title: "ReportOutcome", description: "What became of an action that was permitted" },
);
export type ReportOutcome = Static<typeof ReportOutcome>;

export const OutcomeAnswer = Type.Object(
  {
    decision_id: Type.String({ description: "Id of the decision" }),
    ...REPORTED,
    time: Type.String({ description: "When it was recorded, RFC 3339" }),
  },
  { ...closed, title: "OutcomeAnswer", description: "An outcome that was recorded" },
);
export type OutcomeAnswer = Static<typeof OutcomeAnswer>;
