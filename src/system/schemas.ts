/**
 * Validators of JSON Schemas. Those of the project's own schemas are generated when it is built, so that a start neither loads
 * Ajv nor compiles with it. Any other schema, such as one that a vocabulary makes, is compiled when it is asked for.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type * as AjvModule from "ajv";
import type { Ajv, Options, ValidateFunction } from "ajv";

export interface Schemas {
  compile<T>(schema: object): ValidateFunction<T>;
}

/** A schema as it was asked for, by the key of its generated validator: a changed one has none, until the next build. */
export interface Asked {
  key: string;
  schema: object;
  options: Options;
}

/** `scripts/validators.ts` writes it: an object of functions, each of which makes one validator. */
export const GENERATED = fileURLToPath(new URL("./validators.cjs", import.meta.url));

const require = createRequire(import.meta.url);
const generated = existsSync(GENERATED) ? (require(GENERATED) as Partial<Record<string, () => ValidateFunction>>) : {};
let tell: (asked: Asked) => void = () => undefined;

export function schemas(options: Options = {}): Schemas {
  let ajv: Ajv | null = null;
  return {
    compile<T>(schema: object) {
      const text = JSON.stringify([options, schema]);
      const key = createHash("sha256").update(text).digest("hex");
      tell({ key, schema, options });
      return (generated[key]?.() ?? (ajv ??= makeAjv(options)).compile(schema)) as ValidateFunction<T>;
    },
  };
}

/** Tells of every schema that is asked for from now on: for the script that generates. */
export function watchSchemas(watch: (asked: Asked) => void): void {
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
