/** Describes the part of a value that doesn't fit its schema, in words, and what was probably meant. */
import type { ErrorObject } from "ajv";
import { nearestWord } from "../contract/nearest.js";
import { pointerSteps } from "../contract/problem.js";
import type { Validator } from "./schemas.js";

export interface Misfit {
  /** Keys and indices; empty for the value itself. */
  path: string[];
  problem: string;
  hint?: string;
}

/** Describes why the validator refused the last value. Of a union's errors the deepest says most. */
export function misfit(value: unknown, { errors, schema }: Pick<Validator, "errors" | "schema">): Misfit {
  const [error] = [...(errors ?? [])].sort((a, b) => depth(b) - depth(a));
  if (error === undefined) return { path: [], problem: "it is not acceptable" };
  const path = pointerSteps(error.instancePath);
  const params = error.params as Record<string, unknown>;
  switch (error.keyword) {
    case "additionalProperties":
      return unfitKey(schema, error, path) ?? unknownKey(path, String(params["additionalProperty"]), keysOf(schema, error));
    case "propertyNames":
      return { path: [...path, String(params["propertyName"])], problem: "the key is not acceptable" };
    case "required":
      return missingKey(path, String(params["missingProperty"]), at(value, path), keysOf(schema, error));
    case "enum":
      return { path, problem: `must be one of ${(params["allowedValues"] as unknown[]).join(", ")}` };
    case "const":
      return { path, problem: `must be ${String(params["allowedValue"])}` };
    default:
      return { path, problem: error.message ?? error.keyword };
  }
}

/** Describes an unfit key of a mapping whose keys are an author's own words; null for a section, whose keys are known. */
function unfitKey(schema: object, error: ErrorObject, path: string[]): Misfit | null {
  const above = at(schema, pointerSteps(decodeURIComponent(error.schemaPath)).slice(0, -1));
  const [pattern] = isObject(above) && isObject(above["patternProperties"]) ? Object.keys(above["patternProperties"]) : [];
  const { additionalProperty } = error.params as { additionalProperty: string };
  return pattern === undefined ? null : { path: [...path, additionalProperty], problem: `the key must match pattern "${pattern}"` };
}

function unknownKey(path: string[], name: string, known: readonly string[]): Misfit {
  const meant = nearestWord(name, known);
  const found = { path: [...path, name], problem: "unknown key" };
  return meant === null ? found : { ...found, hint: `did you mean \`${meant}\`?` };
}

/** Describes a missing key. If it is misspelt, the misspelt key says more than that the right one is missing. */
function missingKey(path: string[], name: string, given: unknown, known: readonly string[]): Misfit {
  const unknown = isObject(given) && known.length > 0 ? Object.keys(given).filter((key) => !known.includes(key)) : [];
  const misspelt = unknown.find((key) => nearestWord(key, known) === name);
  return misspelt === undefined ? { path: [...path, name], problem: "missing" } : unknownKey(path, misspelt, known);
}

/** The keys that the schema names where the error arose; none where it takes any. */
function keysOf(schema: object, { schemaPath }: ErrorObject): readonly string[] {
  const above = at(schema, pointerSteps(decodeURIComponent(schemaPath)).slice(0, -1));
  return isObject(above) && isObject(above["properties"]) ? Object.keys(above["properties"]) : [];
}

function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce((above, name) => (isObject(above) ? above[name] : undefined), value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function depth({ instancePath }: ErrorObject): number {
  return instancePath.split("/").length;
}
