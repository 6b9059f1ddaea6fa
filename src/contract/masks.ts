/**
 * Masked fields: how the places of the vocabulary, of a policy's input and of a message's template are those of one another.
 * Everywhere, a shorter path stands for all that is below it.
 */
import type { PolicyInput } from "./input.js";
import type { Condition, ListCondition, Mask, Negated, Operand, Vocabulary } from "./policy.js";
import { pointerSteps } from "./problem.js";

/**
 * Returns a masked field's name in words: `reply.arguments.text`, `customer.id`, `task.note`, `context.session`.
 * @example
 * import assert from "node:assert/strict";
 * import { maskWords } from "@remit-pdp/contract";
 *
 * assert.equal(maskWords({ at: ["types", "reply", "arguments", "text"] }), "reply.arguments.text");
 */
export function maskWords({ at }: Pick<Mask, "at">): string {
  const steps = at[0] === "types" ? at.slice(1) : at;
  return steps.filter((step) => step !== "attributes" && step !== "*").join(".");
}

/**
 * Returns true if one of two paths is the beginning of the other; `*` is any step.
 * @example
 * import assert from "node:assert/strict";
 * import { overlap } from "@remit-pdp/contract";
 *
 * assert.equal(overlap(["task"], ["task", "note"]), true);
 * assert.equal(overlap(["task", "note"], ["task", "topic"]), false);
 */
export function overlap(a: readonly string[], b: readonly string[]): boolean {
  const steps = Math.min(a.length, b.length);
  for (let i = 0; i < steps; i++) if (a[i] !== b[i] && a[i] !== "*" && b[i] !== "*") return false;
  return true;
}

/**
 * Returns the paths at which a policy's input has a masked field, for actions on one type of resource.
 * @param type null: on any
 * @example
 * import assert from "node:assert/strict";
 * import { inputPlaces } from "@remit-pdp/contract";
 *
 * assert.deepEqual(inputPlaces({ at: ["context", "session"] }, null, vocabulary), [["request", "context", "session"]]);
 */
export function inputPlaces({ at }: Pick<Mask, "at">, type: string | null, vocabulary: Vocabulary): string[][] {
  const [root, name = "", ...rest] = at;
  switch (root) {
    case "task":
      return name === "principal" ? [["facts", "principal"]] : [["facts", "task", name, ...rest]];
    case "agent":
      return [["facts", "agent", name, ...rest]];
    case "context":
      return [["request", "context", name]];
    default:
      return resourcePlaces(name, rest, type, vocabulary);
  }
}

function resourcePlaces(of: string, rest: string[], type: string | null, { types }: Vocabulary): string[][] {
  const isArgument = rest[0] === "arguments";
  const own = type === null || type === of ? [["request", ...(isArgument ? [] : ["resource"]), ...rest]] : [];
  if (isArgument) return own;
  const roles = Object.entries(types).flatMap(([name, { related }]) =>
    type === null || type === name
      ? Object.entries(related).flatMap(([role, target]) => (target === of ? [["request", "related", role, ...rest]] : []))
      : [],
  );
  return [...own, ...roles];
}

/**
 * Returns true if a path as matchers and templates spell it (`task.note`, `arguments.text`, `resource`) may show a masked field.
 * @example
 * import assert from "node:assert/strict";
 * import { pathShows } from "@remit-pdp/contract";
 *
 * assert.equal(pathShows("task.note", { at: ["task", "attributes", "note"] }), true);
 * assert.equal(pathShows("task.topic", { at: ["task", "attributes", "note"] }), false);
 */
export function pathShows(path: string, { at }: Pick<Mask, "at">): boolean {
  const [root = "", ...steps] = path.split(".");
  const [of, , ...rest] = at;
  switch (root) {
    case "task":
    case "agent":
      return of === root && at[1] !== "principal" && steps.length > 0 && overlap(steps, rest);
    case "caller":
    case "purpose":
    case "verb":
    case "type":
      return false;
  }
  if (of !== "types") return false;
  const [kind, ...below] = rest;
  switch (root) {
    case "arguments":
      return kind === "arguments" && overlap(steps, below);
    case "related":
      return kind === "id" ? overlap(steps.slice(1), ["id"]) : kind === "attributes" && overlap(steps.slice(1), below);
    case "resource":
    case "id":
      return kind === "id";
    default:
      return kind === "attributes" && overlap([root, ...steps], below);
  }
}

/**
 * Returns the paths that a message's template names, in order.
 * @example
 * import assert from "node:assert/strict";
 * import { templatePaths } from "@remit-pdp/contract";
 *
 * assert.deepEqual(templatePaths("reply to {to}, not {customer}"), ["to", "customer"]);
 */
export function templatePaths(message: string): string[] {
  return [...message.matchAll(/\{([a-z0-9_.]+)\}/g)].map(([, path = ""]) => path);
}

/**
 * Returns the paths that a condition reads, those of what it compares with among them.
 * @example
 * import assert from "node:assert/strict";
 * import { conditionPaths } from "@remit-pdp/contract";
 *
 * assert.deepEqual(conditionPaths({ name: "owner", path: ["owner"], op: "same_as", value: ["task", "customer"] }), [["owner"], ["task", "customer"]]);
 */
export function conditionPaths(condition: Condition | ListCondition | Negated<ListCondition>): string[][] {
  switch (condition.op) {
    case "any":
      return condition.of.flat().flatMap(conditionPaths);
    case "all":
    case "not":
      return condition.of.flatMap(conditionPaths);
    case "every":
    case "some":
      return condition.of.flatMap(conditionPaths).map((path) => inElement(path, condition.path));
    case "compare":
      return [condition.left, condition.right].flatMap(operandPaths);
    case "same_as":
      return [condition.path, condition.value];
    case "from":
    case "delegated":
      return [ARGUMENT_SOURCES];
    default:
      return [condition.path];
  }
}

/**
 * Returns the paths of what a condition matches, without those that it only compares with; each once.
 * @example
 * import assert from "node:assert/strict";
 * import { conditionPlaces } from "@remit-pdp/contract";
 *
 * assert.deepEqual(conditionPlaces({ name: "owner", path: ["owner"], op: "same_as", value: ["task", "customer"] }), [["owner"]]);
 */
export function conditionPlaces(condition: Condition | ListCondition | Negated<ListCondition>): string[][] {
  const places = (one: typeof condition): string[][] => {
    if (one.op === "any") return one.of.flat().flatMap(places);
    if (one.op === "all" || one.op === "not") return one.of.flatMap(places);
    if (one.op === "from" || one.op === "delegated") return [ARGUMENT_SOURCES];
    if (one.op !== "compare") return [one.path];
    return "sum" in one.left ? [one.left.sum] : operandPaths(one.left);
  };
  const found = places(condition);
  return found.filter((path, i) => found.findIndex((other) => other.join("\u0000") === path.join("\u0000")) === i);
}

/**
 * Returns the values that stand in a condition itself, each with the paths that it is compared with: `at` is where in the condition it is.
 * @example
 * import assert from "node:assert/strict";
 * import { conditionLiterals } from "@remit-pdp/contract";
 *
 * const [literal] = conditionLiterals({ name: "owner", path: ["owner"], op: "in", value: ["ada"] });
 * assert.deepEqual([literal.paths, literal.holder[literal.key]], [[["owner"]], ["ada"]]);
 */
export function conditionLiterals(condition: Condition | ListCondition | Negated<ListCondition>): ConditionLiteral[] {
  const below = (of: readonly (typeof condition)[], at: string): ConditionLiteral[] =>
    of.flatMap((one, i) => conditionLiterals(one).map((found) => ({ ...found, at: `${at}/${i}${found.at}` })));
  switch (condition.op) {
    case "any":
      return condition.of.flatMap((alternative, i) => below(alternative, `/of/${i}`));
    case "all":
    case "not":
      return below(condition.of, "/of");
    case "every":
    case "some":
      return below(condition.of, "/of").map((found) => ({ ...found, paths: found.paths.map((path) => inElement(path, condition.path)) }));
    case "compare":
      return "value" in condition.right
        ? [{ holder: condition.right, key: "value", at: "/right", paths: operandPaths(condition.left) }]
        : [];
    case "same_as":
    case "known":
    case "from":
    case "delegated":
      return [];
    default:
      return [{ holder: condition, key: "value", at: "", paths: [condition.path] }];
  }
}

export interface ConditionLiteral {
  holder: { value?: unknown };
  key: "value";
  /** JSON pointer of the holder, into the condition. */
  at: string;
  paths: string[][];
}

/** Place in the policy's input of what is known of an action's values. */
const ARGUMENT_SOURCES = ["facts", "flow", "arguments"];

/** A path into the element of a list, as a path of the input. */
function inElement(path: string[], list: readonly string[]): string[] {
  const [root, ...rest] = path;
  return root === "item" ? [...list, "*", ...rest] : path;
}

function operandPaths(operand: Operand): string[][] {
  if ("at" in operand) return [operand.at];
  if ("count" in operand) return [operand.count];
  if (!("sum" in operand)) return [];
  return operand.of.length === 0 ? [operand.sum] : operand.of.map((field) => [...operand.sum, "*", field]);
}

/**
 * Returns the paths of the input that a line with `about: task` or `about: other` reads, for one type.
 * @example
 * import assert from "node:assert/strict";
 * import { aboutPlaces } from "@remit-pdp/contract";
 *
 * assert.ok(aboutPlaces("invoice", vocabulary).length > 0);
 */
export function aboutPlaces(type: string, { types }: Vocabulary): string[][] {
  const links = Object.hasOwn(types, type) ? (types[type]?.about ?? {}) : {};
  return Object.entries(links).flatMap(([subject, link]) => [
    ["facts", "task", "subjects", subject],
    link === "id" ? ["request", "resource", "id"] : ["request", "resource", "attributes", link],
  ]);
}

/** Parts of a record, with those beside it, that say what was masked. */
export interface MaskedRecord {
  masked?: readonly string[] | undefined;
  input?: unknown;
  ancestors?: readonly unknown[] | undefined;
  /** Facts that the floor read if no policy was asked: of the action's own task first. */
  floors?: readonly PrincipalsRead[] | undefined;
}

/** Principals of a token and a task, as the floor read them. */
export interface PrincipalsRead {
  agent_proof: { principal: { subject: unknown } | null } | null;
  task: { principal: string | null } | null;
}

/**
 * Returns JSON pointers (RFC 6901) to the masked fields of a record that its decision may depend on; empty if deciding it again says something.
 * @param vocabulary of the policy that is asked; a field that it doesn't mask itself may have been read
 * @example
 * import assert from "node:assert/strict";
 * import { masksRead, type PolicyInput } from "@remit-pdp/contract";
 *
 * assert.deepEqual(masksRead({ input: {} as PolicyInput, masked: [] } as never, vocabulary), []);
 */
export function masksRead({ masked = [], input, ancestors = [], floors }: MaskedRecord, vocabulary: Vocabulary): string[] {
  if (masked.length === 0) return [];
  return masked.filter((pointer) => {
    const [member, ...steps] = pointerSteps(pointer);
    // What a policy said of a value can't be said of its digest.
    if (member === "answer") return !steps.at(-1)?.endsWith("_digest");
    if (member === "floor") return floorReads(steps, floors?.[0]);
    if (member === "input") return mayRead(steps, input, vocabulary);
    if (member !== "ancestors") return false;
    const [index, ...within] = steps;
    return floors === undefined ? mayRead(within, ancestors[Number(index)], vocabulary) : floorReads(within, floors[Number(index) + 1]);
  });
}

/** It compares whom the token is for with whom the task is for, where both say so, and reads nothing else that can be masked. */
function floorReads(place: string[], read: PrincipalsRead | undefined): boolean {
  const isPrincipal = place.includes("principal");
  return !isPrincipal || read === undefined || ((read.agent_proof?.principal ?? null) !== null && (read.task?.principal ?? null) !== null);
}

function mayRead(place: string[], input: unknown, vocabulary: Vocabulary): boolean {
  if (input === undefined) return true;
  // It has an id there, and grants are read: a condition of theirs was masked.
  if (place[0] === "facts" && place[1] === "grants") return true;
  const { request, facts } = input as PolicyInput;
  const { type } = request.resource;
  const mask = (vocabulary.masks ?? []).find((one) =>
    inputPlaces(one, type, vocabulary).some((found) => found.length <= place.length && overlap(found, place)),
  );
  if (mask === undefined || mask.read_by.length > 0) return true;
  return facts.grants.some(
    ({ about, when }) =>
      when.some((condition) => conditionPaths(condition).some((path) => overlap(path, place))) ||
      (about !== "any" && aboutPlaces(type, vocabulary).some((path) => overlap(path, place))),
  );
}
