/**
 * Contents of a bundle, as the builder writes and the engine reads them: the vocabulary, the compiled purposes, the catalogue of reasons
 * and the manifest's metadata. Authors never write these shapes; `docs/policies.md` has theirs.
 */
import type { FlowFacts, FoundWriter, TypeFlow, VerbEffect } from "./flow.js";
import type { Obligation } from "./obligation.js";
import type { BehaviorPolicy } from "./behavior_policy.js";

export type Effect = "allow" | "log" | "flag" | "deny";
export const SEVERITIES = ["info", "low", "medium", "high", "critical"] as const;
export type Severity = (typeof SEVERITIES)[number];

export const VERB_CLASSES = ["read", "write", "send", "admin"] as const;
export type VerbClass = (typeof VERB_CLASSES)[number];

/**
 * The type of an attribute or argument. Every list and string is bounded: `max` counts elements or UTF-16 units. Dates (`2026-03-01`), times
 * (RFC 3339 in UTC) and durations (`36h`) are texts with one form each.
 */
export type ValueType =
  | { kind: "id" }
  | { kind: "email" }
  | { kind: "date" }
  | { kind: "time" }
  | { kind: "duration" }
  | { kind: "string"; max: number }
  | { kind: "integer" }
  | { kind: "number" }
  | { kind: "boolean" }
  | { kind: "enum"; values: string[] }
  | { kind: "list"; of: ValueType; max: number }
  | { kind: "object"; fields: Fields };

export type Fields = Record<string, ValueType>;

export interface VerbSpec {
  class: VerbClass;
  /** A collection verb (`search`, `create`) names no single resource: its `resource.id` is null. */
  collection: boolean;
  /** Left out: not said. */
  effect?: VerbEffect;
}

export interface ResourceType {
  /** `name` is one opaque identifier; `path` is `/`-separated segments without `.`, `..`, empty or encoded ones. */
  id: "name" | "path";
  /** Subject type of the task → where this resource says it: `id`, or one of its attributes. */
  about: Record<string, string>;
  attributes: Fields;
  arguments: Fields;
  /** Role → resource type, for the other resources an action names (`pay_from: payment_method`). */
  related: Record<string, string>;
  /** Left out: nothing is said of where its values come from and go. */
  flow?: TypeFlow;
}

/** A field that never stands in a record: a digest does in its place. */
export interface Mask {
  /**
   * Path in the vocabulary: `["types", "reply", "arguments", "text"]`, `["types", "customer", "id"]`, `["task", "attributes", "note"]`,
   * `["task", "subjects", "customer", "*"]`, `["task", "principal"]`, `["context", "session"]`. `*` is each element of a list.
   */
  at: string[];
  /** The field whose digests these are: ids of one type are the same wherever they stand. Left out: its own. */
  as?: string[];
  /** Readers of the field: codes of entries and rules, and `rules.<purpose>.oblige`. Sorted. */
  read_by: string[];
}

export interface Vocabulary {
  verbs: Record<string, VerbSpec>;
  task: { subjects: string[]; attributes: Fields };
  agent: { attributes: Fields };
  types: Record<string, ResourceType>;
  /** Left out where nothing is masked. */
  masks?: Mask[];
  /** Left out: `input.facts.flow` is null. */
  flow?: FlowFacts;
}

export type Scalar = string | number | boolean;

/**
 * One matcher of a `when`, compiled. `path` and a `same_as` value are key paths into the policy's input. A composite has the empty path: an
 * evaluator that doesn't know it never takes it to hold.
 */
export type Condition = PlainCondition | CompositeCondition;

export type PlainCondition = { name: string; path: string[] } & (
  { op: "in" | "not_in" | "prefix"; value: Scalar[] } | { op: "at_most" | "at_least"; value: number } | { op: "same_as"; value: string[] }
);

/** Several conditions as one: all of them, not all of them, or one of several lists of which all have to hold. */
export type CompositeCondition = { name: string; path: [] } & (
  { op: "all" | "not"; of: ListCondition[] } | { op: "any"; of: (ListCondition | Negated<ListCondition>)[][] } | SourceCondition
);

/**
 * Writers of the action's values. `from` holds if each value has an accepted writer or is delegated; `delegated` if that holds and some
 * value is accepted only as delegated.
 */
export interface SourceCondition {
  op: "from" | "delegated";
  /** Argument → accepted writers; `*` is any other argument with a role. An argument that nothing names is not looked at. */
  of: Record<string, FoundWriter[]>;
  /** Source by which a value is delegated: one that the instruction names, and where it stands alone of its kind. Left out: none. */
  delegated?: Delegation;
}

export interface Delegation {
  named: boolean;
  alone: boolean;
}

/** Elements of the list at `path`, each of which is `item` to the conditions in `of`. */
export type ListCondition = ElementCondition | { name: string; path: string[]; op: "every" | "some"; of: ElementCondition[] };

export type ElementCondition = LeafCondition | Negated<LeafCondition>;

export interface Negated<T> {
  name: string;
  op: "not";
  of: T[];
}

/** A condition on what is at one path, or on numbers; paths into `item` lead into the element at hand. */
export type LeafCondition =
  | PlainCondition
  | ({ name: string; path: string[] } & (
      { op: "suffix" | "domain"; value: string[] } | { op: "all_of"; value: Scalar[] } | { op: "known"; value: boolean }
    ))
  | Comparison;

/** Numbers, moments or lengths of time side by side; of several on the left, one has to compare so. */
export type Comparison = { name: string; op: "compare"; left: Operand; right: Operand } & (
  { than: "is" | "at_most" | "at_least" | "more_than" | "less_than" } | { than: "within"; ms: number }
);

export type Operand =
  | { value: number }
  | { at: string[]; as: "number" | "moment" | "duration" }
  | { count: string[] }
  /** Sum over the elements of a list: of the product of these fields, or of the elements themselves if there are none. */
  | { sum: string[]; of: string[] }
  /** Milliseconds after the service's clock. */
  | { now: number };

/** Whole, as the policy gives it (`PolicyReason`), so that nothing has to be put together for each decision. */
export interface EntryReason {
  effect: Effect;
  code: string;
  severity: Severity;
  params: Record<string, never>;
  /** On `flag` only: go on while a person looks (true), or wait for one (false). */
  proceed?: boolean;
  /** With `proceed: false`: paths of values to ask again with, instead of a person's approval. */
  needs?: string[];
}

export interface Entry {
  about: "task" | "other" | "any";
  when: Condition[];
  reason: EntryReason;
  obligations: Obligation[];
}

/** type → verb → entries. */
export type Entries = Record<string, Record<string, Entry[]>>;

export interface Hours {
  /** IANA name; its weeks are in the bundle's `data.zones`. */
  zone: string;
  /** Half-open spans [from, to) in milliseconds of the local week, Monday 00:00 = 0. */
  open: [number, number][];
  outside: EntryReason & { effect: "log" | "flag" | "deny" };
}

/** Approvers of waiting actions, who must also have the right to review. */
export interface Approvers {
  /** Roles, of which an approver has one; empty: any reviewer. */
  roles: string[];
  /** Callers that have to approve. */
  quorum: number;
}

/** Options of the standard set of flow under a purpose. */
export interface FlowPolicy {
  /** With a destination that stands alone in a text of an outsider's that the instruction names. */
  delegated: "allow" | "wait" | "deny";
  /** With a destination that was seen nowhere. */
  nowhere: "wait" | "deny";
  /**
   * With a look at something that only others' words point to, or nothing that was read. Left out: it goes on, and nothing is asked of where
   * its values come from.
   */
  looks?: "flag" | "wait" | "deny";
  /** Writers, beside the user's own side, from whom an authority (a credential, a setting) is accepted. */
  authority: "service"[];
}

/** A bound on what is done within a task or a window. */
export interface Limit {
  code: string;
  /** Verb → types that count. */
  of: Record<string, string[]>;
  /** `count` of actions, `sum` of an argument, `distinct` values, or `after`: only once something else was done. */
  measure: "count" | "sum" | "distinct" | "after";
  /** Key path into the policy's input, of `sum` and `distinct`. */
  path?: string[];
  /** Key path by which values are counted apart. */
  each?: string[];
  /** Verb → types, one of which has to come first. Only with `after`. */
  after?: Record<string, string[]>;
  max: number;
  per: "task" | "minute" | "hour" | "day";
  /** Counted for all agents of one owner together. Left out: for each agent, or task. */
  by?: "owner";
}

export interface Purpose {
  statement: string;
  owner: string;
  task: "required" | "optional";
  answer_lasts_ms: number;
  hours: Hours | null;
  /** Left out: one reviewer, whatever its roles. */
  approvers?: Approvers;
  /** Left out by builders that didn't know it: nothing follows from what is unusual then. */
  behavior?: BehaviorPolicy;
  /** Left out: nothing follows from where values come from. */
  flow?: FlowPolicy;
  /** Left out: nothing is counted. */
  limits?: Limit[];
  /** type → verb → reasons of the limits that the action has to fit, whose codes are theirs. */
  limited?: Record<string, Record<string, EntryReason[]>>;
  /** type → verb → labels that a task loses once such an action was permitted on it. */
  lowers?: Record<string, Record<string, string[]>>;
  allow: Entries;
  flag: Entries;
  never: Entries;
}

/** Milliseconds covered by each element of a zone's `weeks`. A power of ten, by which the engine divides exactly and fast. */
export const WEEKS_BUCKET_MS = 1_000_000_000;

/**
 * [since, until, began]: from `since` on and before `until`, the local week is the one that began at `began`, all in
 * milliseconds since the epoch. A change of offset moves when the week, as clocks show it from then on, began.
 */
export type LocalWeek = [since: number, until: number, began: number];

/**
 * A zone's local weeks, ascending, kept where they are found without a search: those of a moment are in
 * `weeks[floor(ms / WEEKS_BUCKET_MS) - first]`. A moment that none contains has no local time.
 */
export interface Zone {
  first: number;
  weeks: LocalWeek[][];
}

/** `data.json` of a bundle. */
export interface PolicyData {
  vocabulary: Vocabulary;
  purposes: Record<string, Purpose>;
  zones: Record<string, Zone>;
}

/** One code that a bundle can give as a reason. `message` is a template, `tell_agent` a fixed sentence. */
export interface CatalogueEntry {
  effect: Effect;
  severity: Severity;
  title: string;
  message: string;
  tell_agent: string;
  purposes: string[];
  /** `file:line` of each place that gives it, relative to the policy set. */
  sources: string[];
  /** Paths into the input that its rules in Rego read; left out for entries, and for rules that put paths together as they run. */
  reads?: string[][];
  /** Values that those rules name, of which some are compared with what they read. */
  literals?: Scalar[];
}

/** `catalogue.json` of a bundle: code → what it means. */
export type Catalogue = Record<string, CatalogueEntry>;

/** `metadata` of a bundle's `.manifest`. */
export interface BundleMetadata {
  name: string;
  /** Only moves forward: a PDP refuses a bundle below the highest it has trusted. */
  sequence: number;
  /** RFC 3339, whole seconds. */
  built: string;
  /** RFC 3339, or null for a bundle that never expires. */
  expires: string | null;
  /** Source commit, or null where the sources were not in a repository. */
  commit: string | null;
  entrypoint: "remit/decide";
  abi: string;
  builder: string;
  compiler: string;
  tzdata: string;
}

/** Identity of the bundle that decided, in answers and records. */
export interface PolicyIdentity {
  bundle: string;
  revision: string;
  sequence: number;
  /** `sha256:` + hex over the sorted (name, hash) list of the signed files. */
  digest: string;
}
