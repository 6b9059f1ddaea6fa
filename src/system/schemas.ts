/** Compiles JSON Schemas into validators. */
import { Ajv, type Options } from "ajv";

/**
 * For schemas of the project's own, which are typed: they aren't checked against the meta-schema, whose compilation would take
 * longer than all of theirs at every start.
 */
export function schemas(options: Options = {}): Ajv {
  return new Ajv({ strict: true, allowUnionTypes: true, meta: false, validateSchema: false, ...options });
}
