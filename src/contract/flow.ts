/** Sources of values: the words of the vocabulary for them, what a tool's answer is reported as, and what a policy sees. */
import { Type, type Static } from "./type.js";

const closed = { additionalProperties: false };

/** Writers of a value, the most trusted first. The vocabulary may say the first five; `author` looks the record's author up. */
export const WRITERS = ["user", "own", "service", "member", "anyone"] as const;
export type ValueWriter = (typeof WRITERS)[number];
/** `nowhere`: it was not seen on the task. `unknown`: not everything that was seen is remembered. */
export type FoundWriter = ValueWriter | "nowhere" | "unknown";

/** Roles of arguments. */
export const ROLES = ["destination", "commitment", "authority", "content", "locator"] as const;
export type Role = (typeof ROLES)[number];

/** Effects of verbs. */
export const EFFECTS = ["look", "fetch", "keep", "add", "alter", "destroy", "commit", "settings"] as const;
export type VerbEffect = (typeof EFFECTS)[number];

/** Kinds of values that are matched. `name` is the whole of a field. */
export const VALUE_KINDS = ["account", "date", "email", "key", "name", "number", "path", "phone", "time", "url"] as const;
export type ValueKind = (typeof VALUE_KINDS)[number];

/** Bounds of one report. */
export const RETURNED = { values_max: 512, path_values_max: 256, paths_max: 256, length_max: 512, path_length_max: 128 };

/** First part of the place of another resource that an action names: `related.to`. */
export const RELATED = "related";

/**
 * Returns the argument that a place with a role belongs to: of `attachments.file_id` `attachments`. Another resource is one of its own.
 * @example
 * import assert from "node:assert/strict";
 * import { argumentOf } from "@remit-pdp/contract";
 *
 * assert.deepEqual(["attachments.file_id", "related.to"].map(argumentOf), ["attachments", "related.to"]);
 */
export function argumentOf(place: string): string {
  const [first = "", ...rest] = place.split(".");
  return first === RELATED ? place : rest.length === 0 ? place : first;
}

/** Role of each argument of a type, and who writes what a call on it returns. */
export interface TypeFlow {
  /** Argument, or a field of it as `attachments.file_id` → role; `id` is the resource's, `related.to` another's. */
  roles: Record<string, Role>;
  /** Last name of a field of an answer → writer; `*` is any other. A field that nobody names is `anyone`'s. */
  writes: Record<string, ValueWriter | "author">;
  /** Field that names the author of a record. Left out: records have none. */
  author?: string;
  /** Fields whose values are secrets of the user's. */
  secret?: string[];
  /** Labels that a task has once it has read such a thing. */
  labels?: string[];
  /** Verb → effect, if it differs from the verb's own. */
  effects?: Record<string, VerbEffect>;
}

/** Facts in which the host says what is the user's own. Each is `task.<attribute>` or `agent.<attribute>`. */
export interface FlowFacts {
  /** Attribute with the user's words. */
  instruction?: string;
  /** Attributes with values that the user gave. */
  slots: string[];
  /** Attributes with addresses of the user's own, by which an author is known as `own`. */
  own: string[];
  /** Attributes with addresses or domains of the organisation. */
  members: string[];
  /** Attributes whose values are secrets. */
  secret: string[];
}

const text = (max: number, description: string) => Type.String({ minLength: 1, maxLength: max, description });

const ReturnedValue = Type.Object(
  {
    kind: Type.Enum([...VALUE_KINDS], { title: "ValueKind", description: "Kind of the value" }),
    value: text(RETURNED.length_max, "The value in its normal form"),
    record: Type.Integer({ minimum: 0, description: "Number of the record within the answer that it is part of" }),
    alone: Type.Optional(Type.Literal(true, { description: "`true`: no other value of its kind stood in the same text" })),
  },
  { ...closed, title: "ReturnedValue", description: "A value that stood there" },
);

/** Values that a tool returned, by place. Texts stay where they are. */
export const Returned = Type.Object(
  {
    paths: Type.Array(
      Type.Object(
        {
          path: Type.String({
            maxLength: RETURNED.path_length_max,
            description: "Where in the answer: names of members joined by `.`, lists as `[]`; empty for a text as a whole",
          }),
          text: Type.Boolean({ description: "Whether words stood there, beside or instead of values" }),
          values: Type.Array(ReturnedValue, { maxItems: RETURNED.path_values_max, description: "Values that stood there; may be none" }),
        },
        { ...closed, title: "ReturnedPath", description: "A place at which something stood" },
      ),
      { maxItems: RETURNED.paths_max, description: "Places at which something stood" },
    ),
    full: Type.Optional(Type.Literal(true, { description: "`true`: there were more values or places than a report holds" })),
  },
  { ...closed, title: "Returned", description: "Values that a tool returned, each with its place. Left out: not reported" },
);
export type Returned = Static<typeof Returned>;

/** One source of a value. */
export interface ValueSource {
  writer: ValueWriter;
  /** `decision_id` of the call whose answer held it; null: the task or the agent says it. */
  record: string | null;
  /** Place within the answer, or the fact. */
  path: string;
  /** True if the instruction names the record word for word. */
  named: boolean;
  /** True if no other value of its kind stood in the same text. */
  alone: boolean;
}

/** Facts about one value of an argument. */
export interface ArgumentFlow {
  role: Role;
  kind: ValueKind;
  /** The most trusted writer of all sources. */
  writer: FoundWriter;
  /** ValueWriter of the read in which it was first seen on the task. */
  introduced: FoundWriter;
  /** True for an address within the organisation. */
  inside: boolean;
  /** True if the instruction names it only to exclude it. */
  excluded: boolean;
  /** True if it is a secret of the user's, or contains one. */
  secret: boolean;
  sources: ValueSource[];
}

/** States of planned arguments. */
export const PLANNED = ["planned", "several", "elsewhere", "unknown"] as const;
/**
 * State of a planned argument. `planned`: it comes from where the plan says. `several`: from there, and others wrote it beside more of its
 * kind. `elsewhere`: not from there. `unknown`: not all that was seen is remembered.
 */
export type PlannedArgument = (typeof PLANNED)[number];

/** Use of a call that the task's plan permits so many times, before this action. */
export interface PlanTimes {
  /** Place of the call in the plan, from 0. */
  call: number;
  used: number;
  /** 1; null: it isn't known how often it was made, and then it doesn't fit. */
  adds: number | null;
  max: number;
}

/** Comparison of an action with the task's plan. */
export interface PlanFlow {
  /** True if the plan has such a call. */
  fits: boolean;
  /** Name of the step that it is; null: none, or the step has no name. */
  step: string | null;
  /** Path of each value of an argument that the step names → its state. */
  arguments: Record<string, PlannedArgument>;
  /** Left out: the call may be made as often as it is needed, or the plan has no such call. */
  times?: PlanTimes;
  /** True if the plan has the call without naming any argument of it. Left out: it names some, or has no such call. */
  bare?: true;
}

/** Most that an instruction asks for. */
export const ERRANDS = ["look", "change"] as const;
/** `look`: nothing but looking is asked for. `change`: changes of what is there, too, but nothing is sent, given or bought. */
export type Errand = (typeof ERRANDS)[number];

/** Counter of a limit, before this action. */
export interface LimitFlow {
  used: number;
  /** Amount that the action adds; null: that isn't known, and then it doesn't fit. */
  adds: number | null;
  max: number;
}

/** `input.facts.flow`; null unless the vocabulary has words for it. */
export interface FlowFactsInput {
  effect: VerbEffect | null;
  /** True if all that was seen on the task is remembered. */
  complete: boolean;
  /** True if the task's instruction is known. */
  instructed: boolean;
  /** Left out: the instruction may ask for anything, or isn't known. */
  errand?: Errand;
  /** Kinds of addresses, links, accounts and phone numbers of which the instruction says one itself. Left out: none. */
  said?: ValueKind[];
  /** True if anything was seen on the task that members or outsiders wrote; null: unknown. */
  others: boolean | null;
  /** Kinds of which not all are remembered. */
  full: ValueKind[];
  /** Labels that the task has from what was read on it; null: there is no task, or not all of it is remembered. */
  labels: string[] | null;
  /** Left out: the task has no plan. */
  plan?: PlanFlow;
  /** Code of each limit that the action has to fit → how much of it is used. */
  limits: Record<string, LimitFlow>;
  /** Path of a value (`recipients/0`; `body#1` for the second address within a text) → what is known. */
  arguments: Record<string, ArgumentFlow>;
}
