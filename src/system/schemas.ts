/**
 * Validators of JSON Schemas. Those of the project's own schemas are generated when it is built, so that a start neither loads
 * Ajv nor compiles with it; each is a file of its own, read when it is first asked: a service needs a few of them to start. Any
 * other schema, such as one that a vocabulary makes, is compiled then.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type * as AjvModule from "ajv";
import type { Ajv, ErrorObject, Options, ValidateFunction } from "ajv";

/** Validator of values; it keeps the errors of the last value. */
export interface Validator<T = unknown> {
  (value: unknown): value is T;
  /** Schema that it was made of. */
  schema: object;
  errors?: ErrorObject[] | null | undefined;
  /** Reads its file now, for what has to work when no file can be opened any more. */
  load(): void;
}

export interface Schemas {
  compile<T>(schema: object): Validator<T>;
}

export interface SchemaRequest {
  schema: object;
  options: Options;
}

/** `scripts/validators.ts` writes them there. */
export const GENERATED = fileURLToPath(new URL("./validators/", import.meta.url));

const require = createRequire(import.meta.url);
let tell: (asked: SchemaRequest) => void = () => undefined;

export function schemas(options: Options = {}): Schemas {
  let ajv: Ajv | null = null;
  return {
    compile<T>(schema: object) {
      tell({ schema, options });
      let made: ValidateFunction | null = null;
      const fits = (value: unknown): value is T => {
        const validate = load();
        const so = validate(value);
        valid.errors = validate.errors;
        return so;
      };
      const load = (): ValidateFunction => (made ??= generated({ schema, options }) ?? (ajv ??= makeAjv(options)).compile(schema));
      const valid: Validator<T> = Object.assign(fits, { schema, load: () => void load() });
      return valid;
    },
  };
}

/** Returns the generated validator of a schema; null for a changed schema, until the next build. */
function generated(asked: SchemaRequest): ValidateFunction | null {
  const file = generatedFile(asked);
  return existsSync(file) ? (require(file) as ValidateFunction) : null;
}

export function generatedFile({ schema, options }: SchemaRequest): string {
  const key = createHash("sha256")
    .update(JSON.stringify([options, schema]))
    .digest("hex");
  return `${GENERATED}${key}.cjs`;
}

/** Tells of every schema that is asked for from now on: for the script that generates. */
export function watchSchemas(watch: (asked: SchemaRequest) => void): void {
  tell = watch;
}

/**
 * For schemas of the project's own, which are typed: they aren't checked against the meta-schema, whose compilation would take
 * longer than all of theirs.
 */
export function makeAjv(options: Options): Ajv {
  const { Ajv } = require("ajv") as typeof AjvModule;
  return new Ajv({ strict: true, allowUnionTypes: true, meta: false, validateSchema: false, ...options });
}
