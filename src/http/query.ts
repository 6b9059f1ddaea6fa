/** Query strings, read strictly: each parameter is known, given once and of its form. */
import type { IncomingMessage } from "node:http";
import { Type, type TSchema } from "../contract/type.js";
import { Problem, clip, parseTime } from "../contract/index.js";

export interface Parameter<T> {
  /** For the OpenAPI document. */
  schema: TSchema;
  required: boolean;
  expected: string;
  /** Undefined where the text is not acceptable. */
  read: (text: string) => T | undefined;
}

export type QueryShape = Readonly<Record<string, Parameter<unknown>>>;
export type QueryOf<Q extends QueryShape> = { -readonly [K in keyof Q]?: Q[K] extends Parameter<infer T> ? T : never };

export const text = (description: string, max = 256): Parameter<string> => ({
  schema: Type.String({ minLength: 1, maxLength: max, description }),
  required: false,
  expected: `text of 1 to ${max} characters`,
  read: (given) => (given.length >= 1 && given.length <= max ? given : undefined),
});

export const oneOf = <T extends string>(names: readonly T[], description: string): Parameter<T> => ({
  schema: Type.Enum([...names], { description }),
  required: false,
  expected: `one of ${names.join(", ")}`,
  read: (given) => names.find((name) => name === given),
});

/** Names between commas, each once. */
export const someOf = <T extends string>(names: readonly T[], description: string): Parameter<readonly T[]> => ({
  schema: Type.String({
    pattern: `^(?:${names.join("|")})(?:,(?:${names.join("|")}))*$`,
    description: `${description}. Of ${names.join(", ")}, with commas between`,
  }),
  required: false,
  expected: `one of ${names.join(", ")}, or several with commas between`,
  read: (given) => {
    const found = given.split(",").map((one) => names.find((name) => name === one));
    return found.every((one) => one !== undefined) && new Set(found).size === found.length ? found : undefined;
  },
});

/** Parameter that is read as milliseconds since the epoch. */
export const time = (description: string): Parameter<number> => ({
  schema: Type.String({ format: "date-time", description }),
  required: false,
  expected: "an RFC 3339 date-time",
  read: (given) => parseTime(given) ?? undefined,
});

export const flag = (description: string): Parameter<boolean> => ({
  schema: Type.Boolean({ description }),
  required: false,
  expected: "true or false",
  read: (given) => (given === "true" ? true : given === "false" ? false : undefined),
});

export const integer = (min: number, max: number, description: string): Parameter<number> => ({
  schema: Type.Integer({ minimum: min, maximum: max, description }),
  required: false,
  expected: `a whole number from ${min} to ${max}`,
  read: (given) => {
    const value = /^(?:0|[1-9]\d{0,15})$/.test(given) ? Number(given) : NaN;
    return value >= min && value <= max ? value : undefined;
  },
});

export const matching = (pattern: string, description: string): Parameter<string> => ({
  schema: Type.String({ pattern, description }),
  required: false,
  expected: `text that matches ${pattern}`,
  read: (given) => (new RegExp(pattern).test(given) ? given : undefined),
});

export const required = <T>(parameter: Parameter<T>): Parameter<T> => ({ ...parameter, required: true });

export const PAGE_LIMIT = 100;
const PAGE_LIMIT_MAX = 1000;
export const pageQuery = {
  limit: integer(1, PAGE_LIMIT_MAX, `How many at most; default: ${PAGE_LIMIT}. A page may have fewer although there are more`),
  cursor: text("`next` of the page before", 1024),
};

/** @throws Problem `parameter_unknown`, `parameter_invalid`, `parameter_missing`, naming the parameter as `field` */
export function readQuery<Q extends QueryShape>({ url = "" }: Pick<IncomingMessage, "url">, query: Q): QueryOf<Q> {
  const given: Record<string, unknown> = {};
  const start = url.indexOf("?");
  const parts = start < 0 || start === url.length - 1 ? [] : url.slice(start + 1).split("&");
  for (const part of parts) {
    const equals = part.indexOf("=");
    const name = decoded(equals < 0 ? part : part.slice(0, equals));
    if (name === null || !Object.hasOwn(query, name)) {
      const known = Object.keys(query).join(", ");
      throw new Problem("parameter_unknown", {
        field: clip(name ?? part, 128),
        expected: known === "" ? "none" : `one of ${known}`,
      });
    }
    if (Object.hasOwn(given, name)) throw new Problem("parameter_invalid", { field: name, expected: "it once" });
    const parameter = query[name] as Parameter<unknown>;
    const value = decoded(equals < 0 ? "" : part.slice(equals + 1));
    const read = value === null ? undefined : parameter.read(value);
    if (read === undefined) throw new Problem("parameter_invalid", { field: name, expected: parameter.expected });
    given[name] = read;
  }
  for (const [name, { required, expected }] of Object.entries(query)) {
    if (required && !Object.hasOwn(given, name)) throw new Problem("parameter_missing", { field: name, expected });
  }
  return given as QueryOf<Q>;
}

/** Null for what is no UTF-8 in percent-encoding (RFC 3986, section 2.1). */
function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return null;
  }
}

/** Takes a parameter out of a URL. @returns its value, null if it has none, and the URL with the others */
export function takenFrom(url: string, parameter: string): { taken: string | null; others: string } {
  const [path = "", query = ""] = url.split("?");
  const parts = query.split("&").filter((part) => part !== "");
  const found = parts.find((part) => part.startsWith(`${parameter}=`));
  const others = parts.filter((part) => part !== found).join("&");
  return { taken: found === undefined ? null : decodeURIComponent(found.slice(parameter.length + 1)), others: `${path}?${others}` };
}
