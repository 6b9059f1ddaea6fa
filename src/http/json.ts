/** JSON bodies of the routes behind Express: the same strict bytes as a decision's, then the route's schema. */
import type { IncomingMessage } from "node:http";
import type { ErrorObject } from "ajv";
import type { Static, TSchema } from "../contract/type.js";
import { pointerToken, Problem } from "../contract/index.js";
import { scan } from "../decision/scan.js";
import { readJsonBytes } from "./body.js";
import type { HttpDeps } from "./deps.js";
import { schemas } from "../system/schemas.js";

const ajv = schemas();

export interface JsonReader<T> {
  /** @throws Problem those of `scan`, and `field_missing`, `field_unknown`, `field_type`, `field_invalid` */
  (request: IncomingMessage, deps: Pick<HttpDeps, "limits" | "timers">): Promise<T>;
  /** Loads the validator, like `Validator.load`. */
  load(): void;
}

/** Returns a reader of one shape. */
export function jsonReader<T extends TSchema>(schema: T): JsonReader<Static<T>> {
  const valid = ajv.compile<Static<T>>(schema);
  const read = async (request: IncomingMessage, { limits, timers }: Pick<HttpDeps, "limits" | "timers">): Promise<Static<T>> => {
    const body = { bytes_max: limits.body_bytes_max, ms: limits.body_ms, too_large: "body_too_large" } as const;
    const value: unknown = JSON.parse(scan(await readJsonBytes(request, body, timers), limits));
    if (!valid(value)) throw schemaProblem(valid.errors ?? []);
    return value;
  };
  const load = (): void => {
    valid.load();
  };
  return Object.assign(read, { load });
}

function schemaProblem(errors: readonly ErrorObject[]): Problem {
  const [error] = errors;
  const field = error?.instancePath.slice(0, 256) ?? "";
  const params = (error?.params ?? {}) as Record<string, unknown>;
  switch (error?.keyword) {
    case "required":
      return new Problem("field_missing", { field: `${field}/${String(params["missingProperty"])}` });
    case "additionalProperties":
      return new Problem("field_unknown", { field: `${field}/${pointerToken(String(params["additionalProperty"]))}` });
    case "type":
      return new Problem("field_type", { field, expected: String(params["type"]) });
    case "const":
    case "enum":
      return new Problem("field_invalid", {
        field,
        expected: oneOf(errors.filter((one) => one.instancePath === error.instancePath)),
      });
    default:
      return new Problem("field_invalid", { field, expected: error?.message ?? "another value" });
  }
}

/** Returns the values that would be valid; for a union those of all its branches. */
function oneOf(errors: readonly ErrorObject[]): string {
  const values = errors.flatMap(({ keyword, params }): unknown[] =>
    keyword === "const" ? [params["allowedValue"]] : keyword === "enum" ? (params["allowedValues"] as unknown[]) : [],
  );
  const said = [...new Set(values)].map((value) => `\`${String(value)}\``);
  return said.length === 1 ? (said[0] ?? "") : `one of ${said.join(", ")}`;
}
