/** Reads inputs from a body in OPA's envelope: its JSON has been read strictly already. */
import { Problem } from "../../contract/index.js";

type Json = Record<string, unknown>;

/**
 * Returns the input of `{"input": …}`; undefined if `input` is missing. Members beside it are OPA's metadata of a request, and are ignored.
 * @throws Problem `field_type`
 */
export function inputOf(asked: unknown): unknown {
  const envelope = objectOf(asked, "");
  return Object.hasOwn(envelope, "input") ? envelope["input"] : undefined;
}

const TOKENS = ["agent_token", "task_token"] as const;

/**
 * Rejects a token in an input from a URL, since whatever a URL passes writes it down.
 * @throws Problem `field_invalid`
 */
export function checkNoToken(input: unknown): void {
  const token = isObject(input) ? TOKENS.find((name) => Object.hasOwn(input, name)) : undefined;
  if (token === undefined) return;
  throw new Problem("field_invalid", { field: `/${token}`, expected: "no token in a URL", hint: "send it by POST" });
}

export interface BatchLimits {
  batch_actions_max: number;
  batch_bytes_max: number;
}

/**
 * Returns the inputs of `{"inputs": {key: …}, "common_input": …}` by key, in order, each with the common input.
 * @param bytes of the body
 * @throws Problem `field_missing`, `field_type`, `field_invalid`, `body_too_large` if the common input would make more of the body than may
 * be sent
 */
export function inputsOf(asked: unknown, bytes: number, limits: BatchLimits): [key: string, input: unknown][] {
  const value = objectOf(asked, "");
  if (!Object.hasOwn(value, "inputs")) throw new Problem("field_missing", { field: "/inputs", expected: "an object" });
  const inputs = Object.entries(objectOf(value["inputs"], "/inputs"));
  if (inputs.length > limits.batch_actions_max)
    throw new Problem("field_invalid", { field: "/inputs", expected: `at most ${limits.batch_actions_max} inputs` });
  const common = value["common_input"];
  if (common === undefined) return inputs;
  // So that what is written once can't become a hundred times as much.
  const whole = bytes + Buffer.byteLength(JSON.stringify(common)) * inputs.length;
  if (whole > limits.batch_bytes_max)
    throw new Problem("body_too_large", {
      expected: `at most ${limits.batch_bytes_max} bytes with \`common_input\` in each`,
    });
  return inputs.map(([key, input]) => [key, merged(common, input)]);
}

/** The item wins; objects are merged, anything else is taken whole. */
function merged(common: unknown, own: unknown): unknown {
  if (!isObject(common) || !isObject(own)) return own;
  const keys = new Set([...Object.keys(common), ...Object.keys(own)]);
  // `fromEntries` defines what it is given: `__proto__` is a key like others.
  return Object.fromEntries(
    [...keys].map((key) => {
      if (!Object.hasOwn(own, key)) return [key, common[key]];
      return [key, Object.hasOwn(common, key) ? merged(common[key], own[key]) : own[key]];
    }),
  );
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function objectOf(value: unknown, field: string): Json {
  if (!isObject(value)) throw new Problem("field_type", { field, expected: "an object" });
  return value;
}
